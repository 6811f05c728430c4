/* sim/line.c - the line before an engine, with service times, hang-ups and more to do than can be done.
 *
 * The line and its queue are the real ones; the engine is a number of slots, and an answer the time that it takes. */
#include "node/line.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim/scenario.h"

#define SLOTS_MAX      8
#define PRINCIPALS_MAX 9
#define WAITERS_MAX    64
#define CLIENTS_MAX    (WAITERS_MAX + SLOTS_MAX)
#define SECOND         WEFT_SECOND
#define CHOICES_MAX    2
#define OVERLOAD       10 /* times as much is asked in a flood as there is */
#define LONGEST        4  /* the longest answer, in those of a principal's mean */
#define PERCENT_APART  5  /* the most that shares may be from their mean */
#define PERCENT_GOOD   95 /* the least of the slots' time that must go to clients who still want it */
#define TURNS_MAX      3  /* the most that who asks little may wait, on average: so many long answers of a slot */

enum manner {
    STEADY, /* keeps so many waiting */
    OPEN,   /* sends more whatever becomes of them */
    LIGHT,  /* one at a time, with thought in between */
};

struct hall;

struct principal {
    struct hall *hall;
    struct weft_timer timer; /* its next clients come */
    enum manner manner;
    bool here;         /* false: it sends nobody */
    size_t wanted;     /* STEADY: so many waiting; OPEN: so many come at once */
    weft_time between; /* OPEN, LIGHT: from one time to the next, on average */
    weft_time service; /* an answer of its, on average */
    bool wide;         /* half of its clients want two choices, each of which takes a slot */
    size_t waiting;
    weft_time had;    /* slot time since the act began */
    weft_time waited; /* all of its clients that got a slot, in this act */
    uint64_t served;  /* so many */
    bool dry;         /* at some moment of this act nobody of its waited */
};

enum state {
    ABSENT, /* free for the next */
    WAITS,  /* in the line */
    RUNS,   /* at the engine: its choices have slots, or have had them, or will */
};

struct client {
    struct principal *principal;
    struct weft_place place;
    struct weft_timer timer; /* hangs up, or is done */
    enum state state;
    weft_time deadline, patience; /* when it must be told; when it hangs up */
    weft_time came, measured;
    uint16_t begun, running, ended; /* choices */
    weft_time service[CHOICES_MAX]; /* how long each is */
    weft_time end_of[CHOICES_MAX];  /* WEFT_NEVER: it has no slot */
};

/* The line, its slots and all around them. */
struct hall {
    struct weft_story *story;
    struct weft_loop loop;
    struct weft_line *line;
    struct weft_timer tick;
    weft_time begun;
    size_t slots, principals_count, waiting, waiters_max;
    size_t busy;                                     /* slots */
    struct client *unbegun;                          /* runs, and has choices that wait for a slot; or NULL */
    weft_time asked;                                 /* slot time, in this act */
    weft_time good;                                  /* slot time in this act for clients that still wanted it */
    uint64_t came, refused, expired, gave_up, ended; /* everyone is in one of these, or still here */
    struct principal principals[PRINCIPALS_MAX];
    size_t absent_count;
    struct client *absent[CLIENTS_MAX];
    struct client clients[CLIENTS_MAX];
};

static weft_time below(struct hall *hall, weft_time bound)
{
    return (weft_time)weft_world_below(hall->story->world, (uint64_t)bound);
}

static weft_time about(struct hall *hall, weft_time mean)
{
    return 1 + below(hall, 2 * mean);
}

static weft_time now_in(const struct hall *hall)
{
    return hall->loop.turn.now;
}

/* Adds up the slot time that it has had. */
static void measure(struct client *client)
{
    struct hall *hall = client->principal->hall;
    weft_time passed = (now_in(hall) - client->measured) * client->running;
    client->measured = now_in(hall);
    client->principal->had += passed;
    hall->good += passed;
}

/* -- the engine -- */

static void await_next(struct client *client)
{
    weft_time next = client->patience;
    for (size_t i = 0; i < CHOICES_MAX; i++) {
        next = client->end_of[i] < next ? client->end_of[i] : next;
    }
    weft_timer_set(&client->principal->hall->loop.timers, &client->timer, next);
}

/* A choice begins when there is a slot for it. */
static void begin_choices(struct hall *hall)
{
    struct client *client = hall->unbegun;
    if (!client || hall->busy == hall->slots) {
        return;
    }
    measure(client);
    while (client->begun < client->place.choices && hall->busy < hall->slots) {
        client->end_of[client->begun] = now_in(hall) + client->service[client->begun];
        client->begun++;
        client->running++;
        hall->busy++;
    }
    if (client->begun == client->place.choices) {
        hall->unbegun = NULL;
    }
    await_next(client);
}

static void end_choice(struct client *client, size_t choice)
{
    measure(client);
    client->end_of[choice] = WEFT_NEVER;
    client->running--;
    client->ended++;
    client->principal->hall->busy--;
}

/* What is left of it. */
static void drop_choices(struct client *client)
{
    struct hall *hall = client->principal->hall;
    measure(client);
    hall->busy -= client->running;
    client->running = 0;
    if (hall->unbegun == client) {
        hall->unbegun = NULL;
    }
}

/* Whatever the line does by itself, it does within a tick. */
static void tick(struct weft_timer *timer)
{
    struct hall *hall = WEFT_CONTAINER(timer, struct hall, tick);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &hall->clients[i];
        weft_story_check(hall->story, client->state != WAITS || client->deadline + WEFT_LINE_TICK >= now_in(hall),
                         "somebody still waits at %" PRId64 ", its deadline %" PRId64, now_in(hall), client->deadline);
    }
    weft_timer_set(&hall->loop.timers, timer, now_in(hall) + SECOND);
}

/* -- clients -- */

static void top_up(struct principal *principal);

static void release(struct client *client)
{
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    weft_timer_clear(&hall->loop.timers, &client->timer);
    client->state = ABSENT;
    hall->absent[hall->absent_count++] = client;
    if (principal->manner == LIGHT) {
        weft_timer_set(&hall->loop.timers, &principal->timer, now_in(hall) + about(hall, principal->between));
    }
}

static void wait_no_more(struct client *client)
{
    client->principal->waiting--;
    client->principal->hall->waiting--;
}

static void leave(struct client *client)
{
    weft_line_leave(&client->place);
    weft_story_check(client->principal->hall->story, !client->place.waiter.account && !client->place.line,
                     "who hangs up has left at once");
}

static void hang_up(struct client *client)
{
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    hall->gave_up++;
    if (client->state == RUNS) {
        hall->good -= (20 * WEFT_MS + below(hall, 180 * WEFT_MS)) * client->running; /* the engine ends its step */
        drop_choices(client);
        begin_choices(hall);
    } else {
        wait_no_more(client);
    }
    leave(client);
    release(client);
    top_up(principal);
}

static void client_fires(struct weft_timer *timer)
{
    struct client *client = WEFT_CONTAINER(timer, struct client, timer);
    struct hall *hall = client->principal->hall;
    if (now_in(hall) == client->patience) {
        hang_up(client);
        return;
    }
    for (size_t i = 0; i < CHOICES_MAX; i++) {
        if (client->end_of[i] == now_in(hall)) {
            end_choice(client, i);
            weft_line_choice_ended(&client->place);
        }
    }
    begin_choices(hall);
    if (client->ended < client->place.choices) {
        await_next(client);
        return;
    }
    leave(client);
    hall->ended++;
    release(client);
}

static void on_go(void *self)
{
    struct client *client = self;
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    weft_story_check(hall->story, client->state == WAITS && client->deadline > now_in(hall),
                     "a slot for somebody in state %d, %" PRId64 " before its deadline", client->state,
                     client->deadline - now_in(hall));
    wait_no_more(client);
    principal->waited += now_in(hall) - client->came;
    principal->served++;
    client->state = RUNS;
    client->measured = now_in(hall);
    weft_story_check(hall->story, hall->busy < hall->slots && !hall->unbegun,
                     "somebody goes while %zu of %zu slots are taken", hall->busy, hall->slots);
    hall->unbegun = client;
    begin_choices(hall);
    top_up(principal);
}

static void on_out(void *self, enum weft_line_out why)
{
    struct client *client = self;
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    weft_story_check(hall->story,
                     why == WEFT_LINE_EXPIRED && client->state == WAITS && now_in(hall) >= client->deadline &&
                         now_in(hall) <= client->deadline + WEFT_LINE_TICK,
                     "told why %d at %" PRId64 ", its deadline %" PRId64, why, now_in(hall), client->deadline);
    hall->expired++;
    wait_no_more(client);
    release(client);
    top_up(principal);
}

static void on_back(void *self, bool stalled)
{
    const struct client *client = self;
    weft_story_check(client->principal->hall->story, false, "an engine that never dies let go of somebody: %d",
                     stalled);
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    const struct client *client = self;
    const struct hall *hall = client->principal->hall;
    weft_story_check(hall->story, client->state == WAITS && ahead < hall->waiting && estimate > 0,
                     "told that %zu of %zu go before it", ahead, hall->waiting);
}

static const struct weft_place_user place_user = {.go = on_go, .back = on_back, .out = on_out, .waiting = on_waiting};

static weft_time draw_service(const struct principal *principal)
{
    struct hall *hall = principal->hall;
    return below(hall, 16) == 0 ? LONGEST * principal->service - below(hall, principal->service)
                                : about(hall, principal->service);
}

/* A client of this principal comes; false if it is refused. */
static bool come(struct principal *principal)
{
    struct hall *hall = principal->hall;
    WEFT_ASSERT(hall->absent_count > 0);
    struct client *client = hall->absent[hall->absent_count - 1];
    *client = (struct client){.principal = principal, .came = now_in(hall)};
    client->place.user = &place_user;
    client->place.self = client;
    uint16_t choices = principal->wide && below(hall, 2) == 0 ? 2 : 1;
    weft_time wait = 10 * SECOND + below(hall, 80 * SECOND);
    client->deadline = now_in(hall) + wait;
    /* Half have no end of patience; it may end while they wait or while they are answered. */
    client->patience = below(hall, 2) == 0 ? WEFT_NEVER : now_in(hall) + about(hall, wait / 2 + principal->service);
    weft_timer_init(&client->timer, client_fires);
    hall->came++;
    for (uint16_t i = 0; i < CHOICES_MAX; i++) {
        client->service[i] = draw_service(principal);
        client->end_of[i] = WEFT_NEVER;
        hall->asked += i < choices ? client->service[i] : 0;
    }
    if (weft_line_join(hall->line, &client->place, (uint64_t)(principal - hall->principals), choices, wait) != 0) {
        weft_story_check(hall->story, principal->waiting >= hall->waiters_max - hall->waiting,
                         "refused, with %zu waiting of %zu, %zu of its own", hall->waiting, hall->waiters_max,
                         principal->waiting);
        hall->refused++;
        return false;
    }
    hall->absent_count--;
    principal->waiting++;
    hall->waiting++;
    client->state = WAITS;
    weft_timer_set(&hall->loop.timers, &client->timer, client->patience);
    return true;
}

/* -- principals -- */

static void top_up(struct principal *principal)
{
    while (principal->here && principal->manner == STEADY && principal->waiting < principal->wanted) {
        if (!come(principal)) {
            weft_timer_set(&principal->hall->loop.timers, &principal->timer, now_in(principal->hall) + SECOND);
            return;
        }
    }
}

static void principal_fires(struct weft_timer *timer)
{
    struct principal *principal = WEFT_CONTAINER(timer, struct principal, timer);
    struct hall *hall = principal->hall;
    if (!principal->here) {
        return;
    }
    if (principal->manner == STEADY) {
        top_up(principal);
    } else if (principal->manner == OPEN) {
        for (size_t i = 0; i < principal->wanted; i++) {
            (void)come(principal); /* who is refused is counted */
        }
        weft_timer_set(&hall->loop.timers, timer, now_in(hall) + about(hall, principal->between));
    } else if (!come(principal)) {
        weft_timer_set(&hall->loop.timers, timer, now_in(hall) + SECOND);
    }
}

static struct principal *add_principal(struct hall *hall, enum manner manner, weft_time service)
{
    WEFT_ASSERT(hall->principals_count < PRINCIPALS_MAX);
    struct principal *principal = &hall->principals[hall->principals_count++];
    *principal = (struct principal){.hall = hall, .manner = manner, .service = service};
    weft_timer_init(&principal->timer, principal_fires);
    return principal;
}

static void arrive(struct principal *principal)
{
    if (!principal->here) {
        principal->here = true;
        weft_timer_set(&principal->hall->loop.timers, &principal->timer, now_in(principal->hall));
    }
}

/* All of its clients that wait hang up; those that are answered stay to the end. */
static void go_away(struct principal *principal)
{
    struct hall *hall = principal->hall;
    principal->here = false;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &hall->clients[i];
        if (client->state == WAITS && client->principal == principal) {
            hang_up(client);
        }
    }
    weft_timer_clear(&hall->loop.timers, &principal->timer);
}

/* -- the hall -- */

static struct hall *hall_new(struct weft_story *story)
{
    struct hall *hall = weft_zalloc(sizeof(*hall));
    WEFT_ASSERT(hall);
    hall->story = story;
    hall->waiters_max = WAITERS_MAX / 2 + (size_t)below(hall, WAITERS_MAX / 2 + 1);
    weft_turn_init(&hall->loop.turn);
    weft_timers_init(&hall->loop.timers);
    for (size_t i = 0; i < CLIENTS_MAX + PRINCIPALS_MAX + 1; i++) {
        int error = weft_timers_reserve(&hall->loop.timers);
        WEFT_ASSERT(error == 0);
    }
    static const struct weft_line_user line_user = {.wanted = NULL};
    const struct weft_line_options options = {
        .loop = &hall->loop, .waiters_max = hall->waiters_max, .stall = WEFT_NEVER, .user = &line_user};
    int error = weft_line_new(&hall->line, &options);
    WEFT_ASSERT(error == 0);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        hall->absent[hall->absent_count++] = &hall->clients[i];
    }
    hall->slots = 1 + (size_t)below(hall, SLOTS_MAX);
    weft_line_open(hall->line, hall->slots);
    weft_timer_init(&hall->tick, tick);
    weft_timer_set(&hall->loop.timers, &hall->tick, SECOND);
    return hall;
}

static void play_until(struct hall *hall, weft_time end)
{
    for (;;) {
        weft_time next = weft_timers_next(&hall->loop.timers);
        if (next > end) {
            break;
        }
        hall->loop.turn.now = next;
        weft_timers_run(&hall->loop.timers, next);
        weft_turn_run(&hall->loop.turn);
        for (size_t i = 0; i < hall->principals_count; i++) {
            hall->principals[i].dry = hall->principals[i].dry || hall->principals[i].waiting == 0;
        }
    }
    hall->loop.turn.now = end;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (hall->clients[i].state == RUNS) {
            measure(&hall->clients[i]);
        }
    }
}

static void begin_act(struct hall *hall)
{
    hall->begun = now_in(hall);
    hall->asked = hall->good = 0;
    for (size_t i = 0; i < hall->principals_count; i++) {
        struct principal *principal = &hall->principals[i];
        principal->had = principal->waited = 0;
        principal->served = 0;
        principal->dry = principal->waiting == 0;
    }
}

static double average_wait(const struct principal *principal)
{
    return principal->served > 0 ? (double)principal->waited / (double)principal->served : 0;
}

/* Those who always had somebody waiting have had as much as each other. */
static void judge_shares(struct hall *hall, size_t expected)
{
    weft_time had = 0;
    size_t count = 0;
    for (size_t i = 0; i < hall->principals_count; i++) {
        if (!hall->principals[i].dry) {
            had += hall->principals[i].had;
            count++;
        }
    }
    weft_story_check(hall->story, count >= expected, "%zu always had somebody waiting, not %zu", count, expected);
    for (size_t i = 0; i < hall->principals_count; i++) {
        const struct principal *principal = &hall->principals[i];
        double share = count > 0 ? (double)principal->had * (double)count / (double)had : 0;
        char text[160];
        (void)snprintf(text, sizeof(text),
                       "principal %zu%s: answers of %.1f s, %.4f of an even share, %.1f s of waiting on average", i,
                       principal->dry ? " (not always waiting)" : "", (double)principal->service / SECOND, share,
                       average_wait(principal) / SECOND);
        weft_world_note(hall->story->world, text);
        weft_story_check(hall->story,
                         principal->dry || (share * 100 > 100 - PERCENT_APART && share * 100 < 100 + PERCENT_APART),
                         "principal %zu had %.3f of an even share", i, share);
    }
}

/* Who asks for less than its share waits for a slot to come free, not for the many that others have waiting. */
static void judge_light(struct hall *hall, weft_time longest)
{
    for (size_t i = 0; i < hall->principals_count; i++) {
        const struct principal *principal = &hall->principals[i];
        double turns = average_wait(principal) * (double)hall->slots / (double)longest;
        weft_story_check(hall->story, principal->manner != LIGHT || turns < TURNS_MAX,
                         "principal %zu, who asks little, waits for %.1f turns of a slot", i, turns);
    }
}

static void judge_goodput(struct hall *hall)
{
    double there_was = (double)(now_in(hall) - hall->begun) * (double)hall->slots;
    double good = (double)hall->good / there_was;
    char text[200];
    (void)snprintf(text, sizeof(text),
                   "%zu slots, %.4f of their time for clients that wanted it; %" PRIu64 " came, %" PRIu64
                   " refused, %" PRIu64 " expired, %" PRIu64 " hung up, %" PRIu64 " ended",
                   hall->slots, good, hall->came, hall->refused, hall->expired, hall->gave_up, hall->ended);
    weft_world_note(hall->story->world, text);
    weft_story_check(hall->story, (double)hall->asked > OVERLOAD * there_was,
                     "only %.2f times as much was asked as there was", (double)hall->asked / there_was);
    weft_story_check(hall->story, good * 100 > PERCENT_GOOD, "only %.3f of the slots' time was of use", good);
}

/* Everybody goes home, and everybody has been told one thing. */
static void hall_end(struct hall *hall)
{
    for (size_t i = 0; i < hall->principals_count; i++) {
        go_away(&hall->principals[i]);
        weft_timer_clear(&hall->loop.timers, &hall->principals[i].timer);
    }
    uint64_t running = 0;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (hall->clients[i].state == RUNS) {
            running++;
            leave(&hall->clients[i]);
            weft_timer_clear(&hall->loop.timers, &hall->clients[i].timer);
        }
    }
    struct weft_line_info info;
    weft_line_report(hall->line, &info);
    weft_story_check(hall->story, info.waiting == 0 && info.running == 0, "%" PRIu64 " wait when all have left",
                     info.waiting);
    weft_story_check(hall->story, info.full == hall->refused && info.expired == hall->expired,
                     "the line says that %" PRIu64 " expired, and %" PRIu64 " were refused", info.expired, info.full);
    weft_story_check(hall->story, hall->came == hall->refused + hall->expired + hall->gave_up + hall->ended + running,
                     "%" PRIu64 " came, and not all of them were told something", hall->came);
    weft_timer_clear(&hall->loop.timers, &hall->tick);
    weft_line_free(hall->line);
    weft_timers_deinit(&hall->loop.timers);
    weft_free(hall);
}

/* Some always have somebody waiting, few or many, for long answers or short ones; they come and go from act to act.
 * Others ask now and then. */
void weft_story_fair(struct weft_story *story)
{
    enum { STEADY_MAX = 6, ACTS = 3 };
    struct hall *hall = hall_new(story);
    size_t steady = 2 + (size_t)below(hall, STEADY_MAX - 1);
    weft_time longest = 0;
    for (size_t i = 0; i < steady; i++) {
        weft_time service = SECOND / 2 + below(hall, 9 * SECOND / 2);
        struct principal *principal = add_principal(hall, STEADY, service);
        principal->wanted = 1 + (size_t)below(hall, 24);
        principal->wide = hall->slots > 1 && below(hall, 4) == 0;
        longest = service > longest ? service : longest;
    }
    for (weft_time i = below(hall, 3); i > 0; i--) {
        struct principal *light = add_principal(hall, LIGHT, SECOND / 4 + below(hall, SECOND));
        light->between = 15 * SECOND;
        arrive(light);
    }
    weft_time act = 80 * (weft_time)steady * longest;
    for (size_t i = 0; i < ACTS; i++) {
        size_t first = (size_t)below(hall, (weft_time)steady);
        size_t here = 2 + (size_t)below(hall, (weft_time)steady - 1);
        for (size_t j = 0; j < steady; j++) {
            struct principal *principal = &hall->principals[(first + j) % steady];
            if (j < here) {
                arrive(principal);
            } else {
                go_away(principal);
            }
        }
        play_until(hall, now_in(hall)); /* they come */
        begin_act(hall);
        play_until(hall, now_in(hall) + act);
        judge_shares(hall, here);
        judge_light(hall, longest);
    }
    hall_end(hall);
}

/* Ten times as much is asked as can be done, in a stream or in bursts. */
void weft_story_flood(struct weft_story *story)
{
    enum { OPEN_MAX = 8, WEIGHT = 10, BURST_MAX = 20 };
    struct hall *hall = hall_new(story);
    size_t open = 2 + (size_t)below(hall, OPEN_MAX - 1);
    weft_time weights[OPEN_MAX], sum = 0, longest = 0;
    for (size_t i = 0; i < open; i++) {
        weights[i] = i < 2 ? WEIGHT : 1 + below(hall, WEIGHT); /* two who always have somebody waiting */
        sum += weights[i];
    }
    for (size_t i = 0; i < open; i++) {
        weft_time service = SECOND + below(hall, 4 * SECOND);
        struct principal *principal = add_principal(hall, OPEN, service);
        principal->wide = below(hall, 4) == 0;
        principal->wanted = i < 2 ? 1 : 1 + (size_t)below(hall, BURST_MAX);
        /* Its part of the load is its weight's: so much slot time comes in a second. */
        principal->between =
            service * sum * (weft_time)principal->wanted / (weights[i] * OVERLOAD * (weft_time)hall->slots);
        longest = service > longest ? service : longest;
        arrive(principal);
    }
    play_until(hall, 5 * longest);
    begin_act(hall);
    play_until(hall, now_in(hall) + 60 * (weft_time)open * longest);
    judge_shares(hall, 2);
    judge_goodput(hall);
    hall_end(hall);
}
