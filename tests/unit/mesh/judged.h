/* unit/mesh/judged.h - the mesh of members.h as one node judges it, from a test's beginning to its end. */
#ifndef WEFT_UNIT_MESH_JUDGED_H
#define WEFT_UNIT_MESH_JUDGED_H

#include "base/mem.h"
#include "unit/mesh/members.h"

static struct weft_membership *membership;
static int64_t judged_live;

static inline int set_up(void **state)
{
    (void)state;
    make_people();
    judged_live = weft_mem_live();
    return weft_membership_new(&membership, &root.key);
}

static inline int tear_down(void **state)
{
    (void)state;
    weft_membership_free(membership);
    membership = NULL;
    return weft_mem_live() == judged_live ? 0 : -1;
}

#define JUDGED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
