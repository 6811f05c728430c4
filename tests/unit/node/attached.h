/* tests/unit/node/attached.h - whole nodes, their gateways, and what their owners ask of them. */
#ifndef WEFT_TESTS_UNIT_NODE_ATTACHED_H
#define WEFT_TESTS_UNIT_NODE_ATTACHED_H

#include "node/attaching.h"
#include "node/mesh.h"
#include "stage.h"

#define GATE "listen: [\"tcp:127.0.0.1:81\"]\nmesh: {gateway: true, listen: \"10.0.0.7:9340\"}\n"

#define FAR_PLACE "10.0.0.8:9340"
#define FAR       "listen: [\"tcp:127.0.0.1:82\"]\nmesh: {listen: \"" FAR_PLACE "\"}\n"

static struct weft_resident gate, far; /* `far`: see make_far() */

static inline void start_gate(void)
{
    const struct weft_resident_options options = {.yaml = GATE, .journal_format = WEFT_JOURNAL_JSON};
    weft_resident_start(&gate, stage.upstream, stage.world, &options);
}

static inline void start_node(void)
{
    const struct weft_resident_options options = {.yaml = LISTEN_TCP, .journal_format = WEFT_JOURNAL_JSON};
    weft_resident_start(&stage.node, stage.host, stage.world, &options);
}

static inline void begin(void)
{
    stage_begin(LISTEN_TCP);
    start_gate();
}

/* A process ends: what was being stored tells nobody any more. Names are not forgotten: their answers come first. */
static inline void end_process(struct weft_resident *who)
{
    stage_pass(100 * WEFT_MS);
    weft_resident_end(who);
    weft_world_crash_store(who->host);
}

static inline void end(void)
{
    end_process(&gate);
    end_process(&stage.node);
    stage_end();
}

/* -- owners -- */

static struct {
    int came, status;
    char line[WEFT_INVITE_LINE_SIZE];
} owner;

static inline void on_invited(void *self, int status, const char *line, const struct weft_invite_state *invite,
                              const char *problem)
{
    (void)self, (void)invite, (void)problem;
    owner.came++;
    owner.status = status;
    memcpy(owner.line, line, strlen(line) + 1);
}

static inline void on_joined(void *self, const struct weft_mesh_joined *joined)
{
    (void)self;
    owner.came++;
    owner.status = joined->status;
}

static inline void on_done(void *self, int status, const char *problem)
{
    (void)self, (void)problem;
    owner.came++;
    owner.status = status;
}

static inline bool has_come(void *self)
{
    (void)self;
    return owner.came > 0;
}

static inline int wait_owner(const struct weft_resident *of)
{
    weft_world_poke(of->host);
    assert_true(weft_world_run(stage.world, weft_world_now(stage.world) + 30 * WEFT_SECOND, has_come, NULL));
    owner.came = 0;
    return owner.status;
}

static inline struct weft_mesh *mesh_of(const struct weft_resident *of)
{
    return weft_node_mesh(of->node);
}

static inline void join_as(const struct weft_resident *who, const struct weft_resident *at, const char *address,
                           enum weft_role role)
{
    const struct weft_admitting_wish wish = {.uses = 1, .life_s = 86400, .role = role, .addresses = {address}};
    assert_int_equal(weft_admitting_invite(weft_mesh_admitting(mesh_of(at)), &wish, on_invited, NULL), 0);
    assert_int_equal(wait_owner(at), 0);
    weft_mesh_join(mesh_of(who), weft_slice_text(owner.line), on_joined, NULL);
    assert_int_equal(wait_owner(who), 0);
}

static inline void join(void)
{
    join_as(&stage.node, &gate, "10.0.0.7:9340", WEFT_ROLE_PEER);
}

/* -- what is seen, and another gateway -- */

static inline size_t attachments(const struct weft_resident *of)
{
    struct weft_attaching_gateway at;
    struct weft_attaching *attaching = of->node ? weft_mesh_attaching(mesh_of(of)) : NULL;
    size_t count = 0;
    while (attaching && weft_attaching_at(attaching, count, &at)) {
        count++;
    }
    return count;
}

static inline bool is_attached(void *self)
{
    return attachments(self) == 1;
}

static inline bool is_attached_twice(void *self)
{
    return attachments(self) == 2;
}

static inline bool is_lost(void *self)
{
    return attachments(self) == 0;
}

/* How long it took; it must come within `most`. */
static inline weft_time wait_until(bool (*is)(void *self), struct weft_resident *of, weft_time most)
{
    weft_time from = weft_world_now(stage.world);
    assert_true(weft_world_run(stage.world, from + most, is, of));
    return weft_world_now(stage.world) - from;
}

static inline void start_far(void)
{
    const struct weft_resident_options options = {.yaml = FAR, .journal_format = WEFT_JOURNAL_JSON};
    weft_resident_start(&far, far.host, stage.world, &options);
}

/* A second one, in the mesh of the first as `role`, and attached to it. */
static inline void make_far(enum weft_role role)
{
    far = (struct weft_resident){.host = weft_world_host(stage.world, "far")};
    start_far();
    join_as(&far, &gate, "10.0.0.7:9340", role);
    (void)wait_until(is_attached, &far, WEFT_SECOND);
}

static inline struct weft_key key_of(const struct weft_resident *of)
{
    return weft_mesh_identity(mesh_of(of))->key;
}

static inline bool asks(const struct weft_resident *who, const struct weft_resident *whom)
{
    struct weft_key key = key_of(whom);
    return weft_mesh_link_to(mesh_of(who), &key);
}

static inline enum weft_principal who_is(const struct weft_resident *whom, const struct weft_resident *to)
{
    struct weft_key key = key_of(whom);
    return weft_mesh_who(mesh_of(to), &key);
}

#endif
