/* tests/unit/mesh/anchor_stage.h - an anchor, gateways as they may be, and a network between them, on a clock of their
 * own. Every step of the anchor's is held against what must always be true. */
#ifndef WEFT_TESTS_UNIT_MESH_ANCHOR_STAGE_H
#define WEFT_TESTS_UNIT_MESH_ANCHOR_STAGE_H

#include "mesh/anchor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/random.h"

#define GATEWAYS   WEFT_ANCHOR_ADDRESSES_MAX
#define EVENTS     256
#define STEPS_MAX  1000 /* of one moment: then the anchor spins */
#define ROUND_TRIP (100 * WEFT_MS)
#define HANDSHAKES 4 /* round trips until a node is let in: TCP, TLS, the question and its answer */
#define START      (1000 * WEFT_SECOND)

enum mood {
    MOOD_UP,
    MOOD_DOWN, /* refuses dials; links break */
    MOOD_HOLE, /* nothing comes back */
    MOOD_BUSY, /* has no room; links stay */
    MOOD_DENY,
    MOOD_FLAP, /* lets it in, and breaks the link */
};

struct gateway {
    enum mood mood;
    unsigned same_as; /* index + 1 of a gateway of which this is another address */
    bool known;       /* it has answered, so the anchor knows whose address it is */
    unsigned dials;
    weft_time dialled; /* last */
};

enum event_kind { EVENT_NONE, EVENT_ATTACHED, EVENT_LOST, EVENT_BUSY, EVENT_DENIED, EVENT_ANSWER };

struct event {
    enum event_kind kind;
    weft_time at;
    int link;
    unsigned life; /* of the link: it may have ended since */
};

struct stage_link {
    bool used, attached;
    size_t gateway;
    unsigned life;
};

struct stage {
    struct weft_anchor *anchor;
    weft_time now;
    size_t count, wanted;
    struct gateway gateways[GATEWAYS];
    struct stage_link links[WEFT_ANCHOR_LINKS_MAX];
    struct event events[EVENTS];
    unsigned pings, dials, drops[WEFT_ANCHOR_FORGOTTEN + 1];
};

static inline struct weft_key stage_key(const struct stage *stage, size_t gateway)
{
    unsigned same = stage->gateways[gateway].same_as;
    return (struct weft_key){.bytes = {1, (uint8_t)(same > 0 ? same - 1 : gateway)}};
}

static inline struct weft_slice stage_address(size_t gateway, char text[32])
{
    int size = snprintf(text, 32, "gateway-%zu.example:%zu", gateway, 4000 + gateway);
    return weft_slice(text, (size_t)size);
}

static inline void stage_learn(struct stage *stage, size_t gateway)
{
    char text[32];
    int status = weft_anchor_learn(stage->anchor, stage_address(gateway, text), NULL, true, stage->now);
    assert_int_equal(status, 1);
}

static inline void stage_init(struct stage *stage, uint64_t seed, size_t gateways)
{
    *stage = (struct stage){.now = START, .count = gateways, .wanted = WEFT_ANCHOR_WANTED};
    assert_int_equal(weft_anchor_new(&stage->anchor, seed, stage->now), 0);
}

static inline void stage_deinit(struct stage *stage)
{
    weft_anchor_free(stage->anchor);
}

static inline void stage_later(struct stage *stage, enum event_kind kind, int link, weft_time after)
{
    for (size_t i = 0; i < EVENTS; i++) {
        if (stage->events[i].kind == EVENT_NONE) {
            stage->events[i] = (struct event){kind, stage->now + after, link, stage->links[link].life};
            return;
        }
    }
    fail_msg("the stage has no room for another event");
}

static inline size_t stage_attached(const struct stage *stage)
{
    size_t count = 0;
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        count += stage->links[i].used && stage->links[i].attached ? 1 : 0;
    }
    return count;
}

/* Whether a link is attached to that gateway, by whichever address. */
static inline bool stage_attached_to(const struct stage *stage, size_t gateway)
{
    struct weft_key key = stage_key(stage, gateway);
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        struct weft_key other = stage_key(stage, stage->links[i].gateway);
        if (stage->links[i].used && stage->links[i].attached && weft_key_equal(&key, &other)) {
            return true;
        }
    }
    return false;
}

static inline size_t stage_find(const struct stage *stage, struct weft_slice address)
{
    char text[32];
    for (size_t i = 0; i < stage->count; i++) {
        if (weft_slice_equal(stage_address(i, text), address)) {
            return i;
        }
    }
    fail_msg("it dials an address that nobody told it");
    return 0;
}

static inline void stage_dial(struct stage *stage, const struct weft_anchor_step *step)
{
    static const struct {
        enum event_kind kind;
        int round_trips;
    } answers[] = {
        [MOOD_UP] = {EVENT_ATTACHED, HANDSHAKES},
        [MOOD_DOWN] = {EVENT_LOST, 1},
        [MOOD_HOLE] = {EVENT_NONE, 0},
        [MOOD_BUSY] = {EVENT_BUSY, HANDSHAKES},
        [MOOD_DENY] = {EVENT_DENIED, HANDSHAKES},
        [MOOD_FLAP] = {EVENT_ATTACHED, HANDSHAKES},
    };
    size_t at = stage_find(stage, step->address), dialling = 0;
    struct gateway *gateway = &stage->gateways[at];
    struct stage_link *link = &stage->links[step->link];
    assert_false(link->used);
    assert_false(gateway->known && stage_attached_to(stage, at)); /* one link is enough */
    assert_true(stage_attached(stage) < stage->wanted);
    for (size_t i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        assert_false(stage->links[i].used && stage->links[i].gateway == at); /* no address twice at once */
        dialling += stage->links[i].used && !stage->links[i].attached ? 1 : 0;
    }
    assert_true(dialling < WEFT_ANCHOR_DIALS_MAX);
    *link = (struct stage_link){.used = true, .gateway = at, .life = link->life + 1};
    gateway->dials++;
    gateway->dialled = stage->now;
    stage->dials++;
    if (answers[gateway->mood].kind != EVENT_NONE) {
        stage_later(stage, answers[gateway->mood].kind, step->link, answers[gateway->mood].round_trips * ROUND_TRIP);
    }
}

/* Does all that the anchor asks for now. */
static inline void stage_act(struct stage *stage)
{
    struct weft_anchor_step step;
    int steps = 0;
    while (weft_anchor_next(stage->anchor, stage->now, &step)) {
        struct stage_link *link = &stage->links[step.link];
        assert_true(++steps < STEPS_MAX);
        switch (step.kind) {
        case WEFT_ANCHOR_DIAL:
            stage_dial(stage, &step);
            break;
        case WEFT_ANCHOR_PING:
            assert_true(link->used && link->attached);
            stage->pings++;
            if (stage->gateways[link->gateway].mood != MOOD_HOLE) {
                stage_later(stage, EVENT_ANSWER, step.link, ROUND_TRIP);
            }
            break;
        case WEFT_ANCHOR_DROP:
            assert_true(link->used);
            link->used = false;
            stage->drops[step.reason]++;
            break;
        }
    }
    assert_true(weft_anchor_deadline(stage->anchor) > stage->now); /* else it would be asked without end */
    assert_int_equal(weft_anchor_attachments(stage->anchor), stage_attached(stage));
    assert_true(stage_attached(stage) <= stage->wanted);
}

static inline void stage_deliver(struct stage *stage, const struct event *event)
{
    struct stage_link *link = &stage->links[event->link];
    if (!link->used || link->life != event->life) {
        return; /* it was dropped */
    }
    struct weft_key key = stage_key(stage, link->gateway);
    enum weft_anchor_end end = WEFT_ANCHOR_LOST;
    switch (event->kind) {
    case EVENT_NONE:
    case EVENT_ANSWER:
        weft_anchor_heard(stage->anchor, event->link, stage->now);
        return;
    case EVENT_ATTACHED:
        weft_anchor_attached(stage->anchor, event->link, &key, stage->now);
        link->attached = true; /* unless it is dropped by the next step */
        stage->gateways[link->gateway].known = true;
        if (stage->gateways[link->gateway].mood == MOOD_FLAP) {
            stage_later(stage, EVENT_LOST, event->link, ROUND_TRIP);
        }
        return;
    case EVENT_BUSY:
        end = WEFT_ANCHOR_BUSY;
        break;
    case EVENT_DENIED:
        end = WEFT_ANCHOR_DENIED;
        break;
    case EVENT_LOST:
        break;
    }
    link->used = false;
    weft_anchor_ended(stage->anchor, event->link, end, stage->now);
}

static inline void stage_deliver_due(struct stage *stage)
{
    for (size_t i = 0; i < EVENTS; i++) {
        struct event event = stage->events[i];
        if (event.kind != EVENT_NONE && event.at <= stage->now) {
            stage->events[i].kind = EVENT_NONE;
            stage_deliver(stage, &event);
        }
    }
}

static inline weft_time stage_next(const struct stage *stage)
{
    weft_time next = weft_anchor_deadline(stage->anchor);
    for (size_t i = 0; i < EVENTS; i++) {
        bool waits = stage->events[i].kind != EVENT_NONE && stage->events[i].at < next;
        next = waits ? stage->events[i].at : next;
    }
    return next;
}

static inline void stage_run(struct stage *stage, weft_time until)
{
    for (stage_act(stage); stage_next(stage) <= until; stage_act(stage)) {
        stage->now = stage_next(stage);
        stage_deliver_due(stage);
    }
    stage->now = until;
}

/* Stopped, as by SIGSTOP: nothing is done or read until then. Deadlines come before what is to be read: the worse
 * order. */
static inline void stage_sleep(struct stage *stage, weft_time until)
{
    stage->now = until;
    stage_act(stage);
    stage_deliver_due(stage);
    stage_act(stage);
}

/* Its links break if it is down, and go silent if it is a hole. */
static inline void stage_turn(struct stage *stage, size_t gateway, enum mood mood)
{
    stage->gateways[gateway].mood = mood;
    for (int i = 0; i < WEFT_ANCHOR_LINKS_MAX; i++) {
        struct stage_link *link = &stage->links[i];
        if (!link->used || link->gateway != gateway) {
            continue;
        }
        for (size_t j = 0; mood == MOOD_DOWN && j < EVENTS; j++) {
            if (stage->events[j].link == i) {
                stage->events[j].kind = EVENT_NONE; /* what was on its way is lost */
            }
        }
        if (mood == MOOD_DOWN) {
            stage_later(stage, EVENT_LOST, i, ROUND_TRIP);
        }
    }
}

#endif
