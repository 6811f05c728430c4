/* sim/queue.c - the queue before an engine's slots, with service times, hang-ups and more to do than can be done. */
#include "mesh/queue.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim/scenario.h"

#define SLOTS_MAX      8
#define PRINCIPALS_MAX 9
#define WAITERS_MAX    256
#define CLIENTS_MAX    (WAITERS_MAX + SLOTS_MAX)
#define SECOND         WEFT_SECOND
#define TICK           SECOND /* what runs is charged so often */
#define LONGEST        4      /* the longest answer, in those of a principal's mean */
#define PERCENT_APART  5      /* the most that shares may be from their mean */
#define PERCENT_GOOD   95     /* the least of the slots' time that must go to clients who still want it */
#define TURNS_MAX      3      /* the most that who asks little may wait, on average: so many long answers of a slot */

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
    size_t waiting;
    weft_time had;    /* slot time since the act began */
    weft_time waited; /* all of its clients that got a slot, in this act */
    uint64_t served;  /* so many */
    bool dry;         /* at some moment of this act nobody of its waited */
};

enum state {
    ABSENT,  /* free for the next */
    WAITS,   /* in the queue */
    RUNS,    /* has a slot */
    HUNG_UP, /* has a slot until the engine's step has ended */
};

struct client {
    struct principal *principal;
    struct weft_queue_waiter waiter;
    struct weft_timer timer; /* hangs up, is done, or its step has ended */
    enum state state;
    weft_time service, patience; /* how long its answer is; when it hangs up */
    weft_time started, measured, charged;
};

/* The queue, its slots and all around them. */
struct hall {
    struct weft_story *story;
    struct weft_queue *queue;
    struct weft_timers timers;
    struct weft_timer tick;
    weft_time now, begun;
    size_t slots, busy, principals_count, waiters_max;
    bool advances;     /* an average answer is charged as it starts, not only as it runs */
    weft_time typical; /* an answer, as far as is known */
    weft_time asked;   /* slot time, in this act */
    weft_time good;    /* slot time in this act for clients that still wanted it */
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

/* -- time that slots spend -- */

/* Up to now: by the story's own measure, and as a line charges it. */
static void settle(struct hall *hall, struct client *client)
{
    weft_time passed = hall->now - client->measured;
    client->measured = hall->now;
    client->principal->had += passed;
    if (client->state == RUNS) {
        hall->good += passed;
    }
    weft_time used = hall->now - client->started;
    if (used > client->charged) {
        weft_queue_charge(hall->queue, (uint64_t)(client->principal - hall->principals), used - client->charged);
        client->charged = used;
    }
}

static void tick(struct weft_timer *timer)
{
    struct hall *hall = WEFT_CONTAINER(timer, struct hall, tick);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &hall->clients[i];
        if (client->state == WAITS) {
            weft_story_check(hall->story, client->waiter.deadline > hall->now && client->patience >= hall->now,
                             "somebody still waits at %" PRId64 ", its deadline %" PRId64 ", its patience %" PRId64,
                             hall->now, client->waiter.deadline, client->patience);
        } else if (client->state != ABSENT) {
            settle(hall, client);
        }
    }
    weft_timer_set(&hall->timers, timer, hall->now + TICK);
}

/* -- clients -- */

static void release(struct client *client)
{
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    weft_timer_clear(&hall->timers, &client->timer);
    client->state = ABSENT;
    hall->absent[hall->absent_count++] = client;
    if (principal->manner == LIGHT) {
        weft_timer_set(&hall->timers, &principal->timer, hall->now + about(hall, principal->between));
    }
}

static void leave_slot(struct client *client)
{
    struct hall *hall = client->principal->hall;
    settle(hall, client);
    weft_time used = hall->now - client->started;
    if (used < client->charged) { /* what was charged too much */
        weft_queue_charge(hall->queue, (uint64_t)(client->principal - hall->principals), used - client->charged);
    }
    hall->busy--;
    release(client);
}

static void hang_up(struct client *client);
static void top_up(struct principal *principal);

static void client_fires(struct weft_timer *timer)
{
    struct client *client = WEFT_CONTAINER(timer, struct client, timer);
    struct hall *hall = client->principal->hall;
    if (client->state == HUNG_UP) {
        leave_slot(client);
    } else if (hall->now == client->patience) {
        hang_up(client);
    } else {
        hall->typical += (client->service - hall->typical) / 16;
        hall->ended++;
        leave_slot(client);
    }
}

/* A client of this principal comes; false if it is refused. */
static bool come(struct principal *principal)
{
    struct hall *hall = principal->hall;
    WEFT_ASSERT(hall->absent_count > 0);
    struct client *client = hall->absent[hall->absent_count - 1];
    uint64_t number = (uint64_t)(principal - hall->principals);
    weft_time wait = 30 * SECOND + below(hall, 270 * SECOND);
    weft_time service = below(hall, 16) == 0 ? LONGEST * principal->service - below(hall, principal->service)
                                             : about(hall, principal->service);
    hall->came++;
    hall->asked += service;
    size_t before = weft_queue_count(hall->queue);
    if (weft_queue_push(hall->queue, &client->waiter, number, hall->now, hall->now + wait) != 0) {
        weft_story_check(hall->story, principal->waiting >= hall->waiters_max - before,
                         "refused, with %zu waiting of %zu, %zu of its own", before, hall->waiters_max,
                         principal->waiting);
        hall->refused++;
        return false;
    }
    hall->absent_count--;
    principal->waiting++;
    client->principal = principal;
    client->state = WAITS;
    client->service = service;
    /* Half have no end of patience; it may end while they wait or while they are answered. */
    client->patience = below(hall, 2) == 0 ? WEFT_NEVER : hall->now + about(hall, wait / 2 + service);
    weft_timer_init(&client->timer, client_fires);
    weft_timer_set(&hall->timers, &client->timer, client->patience);
    return true;
}

/* It waits no more, for whatever reason. */
static void leave_queue(struct client *client)
{
    struct hall *hall = client->principal->hall;
    size_t before = weft_queue_count(hall->queue);
    bool waited = client->waiter.account;
    weft_queue_remove(hall->queue, &client->waiter);
    weft_story_check(hall->story, !client->waiter.account && weft_queue_count(hall->queue) + waited == before,
                     "who leaves has left at once");
    client->principal->waiting--;
}

static void hang_up(struct client *client)
{
    struct principal *principal = client->principal;
    struct hall *hall = principal->hall;
    hall->gave_up++;
    if (client->state == WAITS) {
        leave_queue(client);
        release(client);
        top_up(principal);
    } else { /* the engine ends its step first */
        settle(hall, client);
        client->state = HUNG_UP;
        weft_timer_set(&hall->timers, &client->timer, hall->now + 20 * WEFT_MS + below(hall, 180 * WEFT_MS));
    }
}

static void expire(struct hall *hall)
{
    struct weft_queue_waiter *waiter = weft_queue_expired(hall->queue, hall->now);
    for (; waiter; waiter = weft_queue_expired(hall->queue, hall->now)) {
        struct client *client = WEFT_CONTAINER(waiter, struct client, waiter);
        weft_story_check(hall->story, client->state == WAITS && waiter->deadline == hall->now,
                         "told at %" PRId64 " that its deadline %" PRId64 " has passed", hall->now, waiter->deadline);
        hall->expired++;
        leave_queue(client);
        release(client);
        top_up(client->principal);
    }
}

/* As the line before an engine does it. */
static void admit(struct hall *hall)
{
    while (hall->busy < hall->slots && weft_queue_first(hall->queue)) {
        struct client *client = WEFT_CONTAINER(weft_queue_first(hall->queue), struct client, waiter);
        struct principal *principal = client->principal;
        weft_story_check(hall->story, client->state == WAITS && client->waiter.deadline > hall->now,
                         "a slot for somebody in state %d", client->state);
        leave_queue(client);
        principal->waited += hall->now - client->waiter.since;
        principal->served++;
        client->state = RUNS;
        client->started = client->measured = hall->now;
        client->charged = hall->advances ? hall->typical : 0;
        if (hall->advances) {
            weft_queue_charge(hall->queue, (uint64_t)(principal - hall->principals), hall->typical);
        }
        weft_time end = hall->now + client->service;
        weft_timer_set(&hall->timers, &client->timer, end < client->patience ? end : client->patience);
        hall->busy++;
        top_up(principal);
    }
}

/* -- principals -- */

static void top_up(struct principal *principal)
{
    while (principal->here && principal->manner == STEADY && principal->waiting < principal->wanted) {
        if (!come(principal)) {
            weft_timer_set(&principal->hall->timers, &principal->timer, principal->hall->now + SECOND);
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
        weft_timer_set(&hall->timers, timer, hall->now + about(hall, principal->between));
    } else if (!come(principal)) {
        weft_timer_set(&hall->timers, timer, hall->now + SECOND);
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
        weft_timer_set(&principal->hall->timers, &principal->timer, principal->hall->now);
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
    weft_timer_clear(&hall->timers, &principal->timer);
}

/* -- the hall -- */

static struct hall *hall_new(struct weft_story *story, size_t waiters_max)
{
    struct hall *hall = weft_zalloc(sizeof(*hall));
    WEFT_ASSERT(hall);
    hall->story = story;
    hall->waiters_max = waiters_max;
    int error = weft_queue_new(&hall->queue, waiters_max);
    WEFT_ASSERT(error == 0);
    weft_timers_init(&hall->timers);
    for (size_t i = 0; i < CLIENTS_MAX + PRINCIPALS_MAX + 1; i++) {
        error = weft_timers_reserve(&hall->timers);
        WEFT_ASSERT(error == 0);
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        hall->absent[hall->absent_count++] = &hall->clients[i];
    }
    hall->slots = 1 + (size_t)below(hall, SLOTS_MAX);
    hall->advances = below(hall, 2) == 0;
    hall->typical = SECOND;
    weft_timer_init(&hall->tick, tick);
    weft_timer_set(&hall->timers, &hall->tick, TICK);
    return hall;
}

static void play_until(struct hall *hall, weft_time end)
{
    for (bool goes_on = true; goes_on;) {
        weft_time next = weft_timers_next(&hall->timers);
        weft_time deadline = weft_queue_deadline(hall->queue);
        next = deadline < next ? deadline : next;
        if (next > end) {
            break;
        }
        hall->now = next;
        expire(hall);
        weft_timers_run(&hall->timers, hall->now);
        admit(hall);
        for (size_t i = 0; i < hall->principals_count; i++) {
            hall->principals[i].dry = hall->principals[i].dry || hall->principals[i].waiting == 0;
        }
        goes_on = weft_queue_deadline(hall->queue) > hall->now;
        weft_story_check(hall->story, goes_on, "a deadline has come and nobody was told");
    }
    hall->now = end;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (hall->clients[i].state == RUNS || hall->clients[i].state == HUNG_UP) {
            settle(hall, &hall->clients[i]);
        }
    }
}

static void begin_act(struct hall *hall)
{
    hall->begun = hall->now;
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

static void judge_goodput(struct hall *hall, double overload)
{
    double there_was = (double)(hall->now - hall->begun) * (double)hall->slots;
    double good = (double)hall->good / there_was;
    char text[200];
    (void)snprintf(text, sizeof(text),
                   "%zu slots, %.4f of their time for clients that wanted it; %" PRIu64 " came, %" PRIu64
                   " refused, %" PRIu64 " expired, %" PRIu64 " hung up, %" PRIu64 " ended",
                   hall->slots, good, hall->came, hall->refused, hall->expired, hall->gave_up, hall->ended);
    weft_world_note(hall->story->world, text);
    weft_story_check(hall->story, (double)hall->asked > overload * there_was,
                     "only %.2f times as much was asked as there was", (double)hall->asked / there_was);
    weft_story_check(hall->story, good * 100 > PERCENT_GOOD, "only %.3f of the slots' time was of use", good);
}

/* Everybody goes home, and everybody has been told one thing. */
static void hall_end(struct hall *hall)
{
    for (size_t i = 0; i < hall->principals_count; i++) {
        go_away(&hall->principals[i]);
    }
    weft_story_check(hall->story, weft_queue_count(hall->queue) == 0 && !weft_queue_first(hall->queue),
                     "%zu wait when all have left", weft_queue_count(hall->queue));
    weft_story_check(hall->story, weft_queue_deadline(hall->queue) == WEFT_NEVER, "a deadline is left");
    uint64_t running = 0;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        running += hall->clients[i].state == RUNS;
        weft_timer_clear(&hall->timers, &hall->clients[i].timer);
    }
    weft_story_check(hall->story, hall->came == hall->refused + hall->expired + hall->gave_up + hall->ended + running,
                     "%" PRIu64 " came, and not all of them were told something", hall->came);
    weft_timer_clear(&hall->timers, &hall->tick);
    for (size_t i = 0; i < hall->principals_count; i++) {
        weft_timer_clear(&hall->timers, &hall->principals[i].timer);
    }
    weft_timers_deinit(&hall->timers);
    weft_queue_free(hall->queue);
    weft_free(hall);
}

/* Some always have somebody waiting, few or many, for long answers or short ones; they come and go from act to act.
 * Others ask now and then. */
void weft_story_fair(struct weft_story *story)
{
    enum { STEADY_MAX = 6, ACTS = 3 };
    struct hall *hall = hall_new(story, WAITERS_MAX / 2 + weft_world_below(story->world, WAITERS_MAX / 2 + 1));
    size_t steady = 2 + (size_t)below(hall, STEADY_MAX - 1);
    weft_time longest = 0;
    for (size_t i = 0; i < steady; i++) {
        weft_time service = 2 * SECOND + below(hall, 18 * SECOND);
        add_principal(hall, STEADY, service)->wanted = 1 + (size_t)below(hall, 40);
        longest = service > longest ? service : longest;
    }
    for (weft_time i = below(hall, 3); i > 0; i--) {
        struct principal *light = add_principal(hall, LIGHT, SECOND + below(hall, 3 * SECOND));
        light->between = 60 * SECOND;
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
        play_until(hall, hall->now); /* they come */
        begin_act(hall);
        play_until(hall, hall->now + act);
        judge_shares(hall, here);
        judge_light(hall, longest);
        judge_goodput(hall, 1);
    }
    hall_end(hall);
}

/* Ten times as much is asked as can be done, in a stream or in bursts. */
void weft_story_flood(struct weft_story *story)
{
    enum { OPEN_MAX = 8, OVERLOAD = 10, WEIGHT = 10, BURST_MAX = 20 };
    struct hall *hall = hall_new(story, WAITERS_MAX / 4 + weft_world_below(story->world, WAITERS_MAX * 3 / 4 + 1));
    size_t open = 2 + (size_t)below(hall, OPEN_MAX - 1);
    weft_time weights[OPEN_MAX], sum = 0, longest = 0;
    for (size_t i = 0; i < open; i++) {
        weights[i] = i < 2 ? WEIGHT : 1 + below(hall, WEIGHT); /* two who always have somebody waiting */
        sum += weights[i];
    }
    for (size_t i = 0; i < open; i++) {
        weft_time service = 2 * SECOND + below(hall, 8 * SECOND);
        struct principal *principal = add_principal(hall, OPEN, service);
        principal->wanted = i < 2 ? 1 : 1 + (size_t)below(hall, BURST_MAX);
        /* Its part of the load is its weight's: so much slot time comes in a second. */
        principal->between =
            service * sum * (weft_time)principal->wanted / (weights[i] * OVERLOAD * (weft_time)hall->slots);
        longest = service > longest ? service : longest;
        arrive(principal);
    }
    play_until(hall, 5 * longest);
    begin_act(hall);
    play_until(hall, hall->now + 90 * (weft_time)open * longest);
    judge_shares(hall, 2);
    judge_goodput(hall, OVERLOAD);
    hall_end(hall);
}
