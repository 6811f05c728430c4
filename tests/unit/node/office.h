/* unit/node/office.h - a gateway's mesh in a world of its own, and nodes that apply there. */
#ifndef WEFT_TESTS_UNIT_NODE_OFFICE_H
#define WEFT_TESTS_UNIT_NODE_OFFICE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/admitting.h"
#include "sim/world.h"

#define DAY_S     ((int64_t)86400)
#define NODES_MAX 8

static const uint8_t office_link[WEFT_LINK_SIZE] = {0x11};

static struct office {
    struct weft_world *world;
    struct weft_host *host;
    struct weft_journal journal;
    struct weft_identity gateway, nodes[NODES_MAX];
    struct weft_mesh_state *state;
    struct weft_admitting *admitting;
    int loads, status; /* how often it was said, and with what */
    char problem[512];
    /* What the last change or invite ended with. */
    int changes, changed;
    char said[512];
    char line[WEFT_INVITE_LINE_SIZE], id[WEFT_INVITE_ID_SIZE];
    struct weft_invite invite; /* read from the line */
} office;

/* What one application has come to. */
struct office_case {
    int answers;
    size_t size; /* of the admission */
    uint8_t admission[WEFT_ADMISSION_MAX];
};

static inline void office_loaded(void *self, int status, const char *problem)
{
    assert_ptr_equal(self, &office);
    office.loads++;
    office.status = status;
    (void)snprintf(office.problem, sizeof(office.problem), "%s", problem);
}

static inline bool office_is_loaded(void *self)
{
    (void)self;
    return office.loads > 0;
}

static inline void office_world(uint64_t seed)
{
    office = (struct office){0};
    assert_int_equal(weft_world_new(&office.world, &(struct weft_world_options){.seed = seed}), 0);
    office.host = weft_world_host(office.world, "gateway");
    weft_journal_init(&office.journal, office.host, WEFT_LOG_DEBUG, WEFT_JOURNAL_JSON);
    for (size_t i = 0; i <= NODES_MAX; i++) {
        uint8_t bytes[WEFT_SEED_SIZE] = {(uint8_t)(i + 1)};
        weft_identity_init(i == 0 ? &office.gateway : &office.nodes[i - 1], bytes);
    }
}

/* Starts as a gateway, or as `who` who begins no mesh; returns how that ended. */
static inline int office_start_as(const struct weft_identity *who, bool begins)
{
    const struct weft_mesh_state_options options = {.host = office.host,
                                                    .journal = &office.journal,
                                                    .node = who,
                                                    .folder = "/state",
                                                    .begins = begins,
                                                    .loaded = office_loaded,
                                                    .self = &office};
    office.loads = 0;
    int error = weft_mesh_state_new(&office.state, &options);
    if (error < 0) {
        return error;
    }
    error = weft_admitting_new(&office.admitting, office.state, office.host, &office.journal);
    if (error < 0) {
        return error;
    }
    weft_mesh_state_load(office.state);
    assert_true(weft_world_run(office.world, WEFT_NEVER, office_is_loaded, NULL));
    assert_int_equal(office.loads, 1);
    return office.status;
}

static inline int office_start(void)
{
    return office_start_as(&office.gateway, true);
}

/* The process ends, and what was not on the disk is lost. */
static inline void office_crash(void)
{
    weft_world_crash_store(office.host);
    weft_admitting_free(office.admitting);
    weft_mesh_state_free(office.state);
    office.admitting = NULL;
    office.state = NULL;
}

static inline void office_end(void)
{
    office_crash();
    weft_invite_deinit(&office.invite);
    weft_world_free(office.world);
}

static inline void office_changed(void *self, int status, const char *problem)
{
    (void)self;
    office.changes++;
    office.changed = status;
    (void)snprintf(office.said, sizeof(office.said), "%s", problem);
}

static inline void office_invited(void *self, int status, const char *line, const struct weft_invite_state *invite,
                                  const char *problem)
{
    office_changed(self, status, problem);
    (void)snprintf(office.line, sizeof(office.line), "%s", line);
    if (status == 0) {
        memcpy(office.id, invite->id, sizeof(office.id));
    }
}

static inline bool office_has_changed(void *self)
{
    (void)self;
    return office.changes > 0;
}

/* Waits for what was asked for; `started` is what asking returned. */
static inline int office_wait(int started)
{
    assert_true(started >= 0);
    assert_int_equal(office.changes, 0); /* never from inside the call */
    assert_true(weft_world_run(office.world, WEFT_NEVER, office_has_changed, NULL));
    assert_int_equal(office.changes, 1);
    office.changes = 0;
    return office.changed;
}

static inline int office_invite(uint32_t uses, int64_t life_s, enum weft_role role)
{
    const struct weft_admitting_wish wish = {
        .uses = uses, .life_s = life_s, .role = role, .addresses = {"gate.example.org:9340"}};
    int status = office_wait(weft_admitting_invite(office.admitting, &wish, office_invited, &office));
    if (status == 0) {
        assert_int_equal(weft_invite_read(weft_slice_text(office.line), &office.invite), 0);
    }
    return status;
}

static inline void office_answer(void *self, struct weft_slice admission)
{
    struct office_case *asked = self;
    asked->answers++;
    asked->size = admission.size;
    memcpy(asked->admission, admission.data, admission.size);
}

/* Hands in an application; the answer comes into *asked. */
static inline int office_hear(const struct weft_identity *node, const struct weft_invite *invite,
                              struct office_case *asked)
{
    uint8_t application[WEFT_APPLICATION_MAX];
    struct weft_key issuer;
    int64_t size = weft_joining_redeem(node, invite, office_link, application);
    assert_true(size > 0);
    *asked = (struct office_case){0};
    return weft_admitting_hear(office.admitting, weft_slice(application, (size_t)size), office_link, office_answer,
                               asked, &issuer);
}

static inline bool office_is_answered(void *self)
{
    return ((struct office_case *)self)->answers > 0;
}

/* The chain in an answer, or the refusal. */
static inline struct weft_admission office_read(const struct office_case *asked)
{
    struct weft_admission admission;
    assert_int_equal(asked->answers, 1);
    assert_int_equal(weft_admission_read(weft_slice(asked->admission, asked->size), &admission), 0);
    return admission;
}

static inline struct weft_admission office_apply(const struct weft_identity *node, struct office_case *asked)
{
    assert_int_equal(office_hear(node, &office.invite, asked), 0);
    assert_true(weft_world_run(office.world, WEFT_NEVER, office_is_answered, asked));
    return office_read(asked);
}

#endif
