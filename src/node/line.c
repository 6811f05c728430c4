/* node/line.c - the line before one engine. */
#include "node/line.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define STEP_MAX (2 * WEFT_LINE_TICK) /* of the line's time at once: more has passed only if the node did not run */
#define LEARNING 8                    /* what an answer takes is learnt by an eighth of each */

struct weft_line {
    struct weft_line_options options;
    struct weft_queue *queue;
    struct weft_place *first, *last; /* all who stand in it */
    struct weft_place *cursor;       /* who is told next, while all are */
    struct weft_place *growing;      /* who runs and has more choices left than slots: NULL, or who went last */
    struct weft_task look;
    struct weft_timer tick;
    bool open, given_up, rests;
    bool wrote;   /* the engine, since it was opened: a token */
    bool stalled; /* that was said of it */
    size_t slots, used;
    uint64_t life;
    weft_time time, looked; /* the line's own; the loop's when it was last brought on */
    weft_time told;         /* those who wait were */
    weft_time sign;         /* the last one of life from the engine, whoever's; or since somebody awaits one */
    weft_time typical;      /* slot time of an answer, lately; 0: none is known */
    struct weft_line_info counts;
    struct weft_mark killers[WEFT_LINE_KILLERS_MAX]; /* a ring */
    size_t killer_count;                             /* ever */
};

/* -- time -- */

static void bring_on(struct weft_line *line)
{
    weft_time now = line->options.loop->turn.now, step = now - line->looked;
    line->looked = now;
    line->time += step < STEP_MAX ? step : STEP_MAX;
}

static void look_soon(struct weft_line *line)
{
    weft_turn_add(&line->options.loop->turn, &line->look);
}

/* A silence is noticed when it has lasted: whoever is answered waits for that. */
static void set_tick(struct weft_line *line)
{
    weft_time left = line->options.stall - (line->time - line->sign); /* the stall time may be WEFT_NEVER */
    weft_time wait = line->used > 0 && left > 0 && left < WEFT_LINE_TICK ? left : WEFT_LINE_TICK;
    if (line->first) {
        weft_timer_set(&line->options.loop->timers, &line->tick, line->options.loop->turn.now + wait);
    }
}

/* -- what running costs -- */

static void count(struct weft_place *place)
{
    struct weft_line *line = place->line;
    place->spent += (line->time - place->counted) * place->held;
    place->counted = line->time;
    if (place->spent > place->paid) {
        weft_queue_charge(line->queue, place->principal, place->spent - place->paid);
        place->paid = place->spent;
    }
}

/* As the engine does it: a choice begins when there is a slot for it, and those of one request before the next one's.
 * So nobody goes while somebody grows, and one alone does. */
static void take_slots(struct weft_place *place)
{
    struct weft_line *line = place->line;
    size_t wanted = (size_t)(place->left - place->held), vacant = line->slots - line->used;
    size_t taken = wanted < vacant ? wanted : vacant;
    count(place);
    place->held = (uint16_t)(place->held + taken);
    line->used += taken;
    line->growing = taken < wanted ? place : NULL;
}

static void give_slots(struct weft_place *place, size_t given)
{
    struct weft_line *line = place->line;
    count(place);
    place->held = (uint16_t)(place->held - given);
    line->used -= given;
    if (line->growing == place && place->held == place->left) {
        line->growing = NULL;
    } else if (line->growing) {
        take_slots(line->growing);
    }
}

/* It no longer runs. What answers take is learnt from `whole` ones: who hung up, or failed, says nothing of that. */
static void settle(struct weft_place *place, bool whole)
{
    struct weft_line *line = place->line;
    count(place);
    weft_queue_charge(line->queue, place->principal, place->spent - place->paid);
    if (whole && line->typical == 0) {
        line->typical = place->spent;
    } else if (whole) {
        line->typical += (place->spent - line->typical) / LEARNING;
    }
    place->spent = place->paid = 0;
    place->left = 0;
    give_slots(place, place->held);
}

static weft_time estimate(const struct weft_line *line, size_t ahead)
{
    if (line->typical == 0) {
        return WEFT_NEVER;
    }
    size_t slots = line->slots > 0 ? line->slots : 1;
    return line->typical * (weft_time)(ahead + 1) / (weft_time)slots;
}

/* -- who stands in it -- */

static void enter(struct weft_line *line, struct weft_place *place)
{
    if (!line->first) {
        line->looked = line->options.loop->turn.now; /* while nobody stood in it, its time stood still */
    }
    place->line = line;
    place->previous = line->last;
    place->next = NULL;
    if (line->last) {
        line->last->next = place;
    } else {
        line->first = place;
    }
    line->last = place;
}

static void depart(struct weft_place *place)
{
    struct weft_line *line = place->line;
    if (line->cursor == place) {
        line->cursor = place->next;
    }
    if (place->previous) {
        place->previous->next = place->next;
    } else {
        line->first = place->next;
    }
    if (place->next) {
        place->next->previous = place->previous;
    } else {
        line->last = place->previous;
    }
    place->next = place->previous = NULL;
    place->line = NULL;
    place->state = WEFT_PLACE_OUT;
    if (!line->first && line->options.user->unused) {
        line->options.user->unused(line->options.self);
    }
}

void weft_line_leave(struct weft_place *place)
{
    struct weft_line *line = place->line;
    if (!line) {
        return;
    }
    bring_on(line);
    if (place->state == WEFT_PLACE_RUNS) {
        settle(place, place->left == 0);
    }
    weft_queue_remove(line->queue, &place->waiter);
    depart(place);
    look_soon(line);
}

static bool is_killer(const struct weft_line *line, const struct weft_mark *mark)
{
    size_t known = line->killer_count < WEFT_LINE_KILLERS_MAX ? line->killer_count : WEFT_LINE_KILLERS_MAX;
    for (size_t i = 0; i < known; i++) {
        if (weft_mark_equal(&line->killers[i], mark)) {
            return true;
        }
    }
    return false;
}

int weft_line_join(struct weft_line *line, struct weft_place *place, uint64_t principal, uint16_t choices,
                   weft_time wait)
{
    WEFT_ASSERT(!place->line && choices > 0);
    if (line->given_up) {
        return WEFT_ERR_CLOSED;
    }
    if (is_killer(line, &place->mark)) {
        line->counts.struck++;
        return WEFT_ERR_DENIED;
    }
    enter(line, place);
    bring_on(line);
    int error = weft_queue_push(line->queue, &place->waiter, principal, line->time, line->time + wait);
    if (error < 0) {
        line->counts.full += error == WEFT_ERR_FULL;
        depart(place);
        return error;
    }
    place->principal = principal;
    place->choices = choices;
    place->state = WEFT_PLACE_WAITS;
    place->since = line->time;
    if (!line->tick.place) {
        line->told = line->time;
        set_tick(line);
    }
    if (!line->open && line->options.user->wanted) {
        line->options.user->wanted(line->options.self);
    }
    look_soon(line);
    return 0;
}

void weft_line_again(struct weft_place *place, bool cut)
{
    struct weft_line *line = place->line;
    WEFT_ASSERT(place->state == WEFT_PLACE_RUNS);
    bring_on(line);
    settle(place, false);
    place->state = WEFT_PLACE_AGAIN;
    place->cut = cut;
    place->yields = false;
    place->since = line->time;
    place->not_before = cut ? line->time + WEFT_LINE_TICK : line->time; /* so its engine's end is known by then */
    line->counts.resumed++;
    look_soon(line);
}

/* -- what is heard of those who run -- */

void weft_line_sign(struct weft_place *place)
{
    if (place->line) {
        bring_on(place->line);
        place->sign = place->line->sign = place->line->time;
    }
}

void weft_line_pause(struct weft_place *place, bool on)
{
    place->paused = on;
    if (place->line) {
        bring_on(place->line);
        place->sign = place->line->time;
    }
}

void weft_line_choice_ended(struct weft_place *place)
{
    struct weft_line *line = place->line;
    if (!line || place->held == 0) {
        return; /* of an engine that is gone */
    }
    bring_on(line);
    place->left--;
    give_slots(place, place->held > place->left ? 1 : 0);
    look_soon(line);
}

void weft_line_got_on(struct weft_place *place)
{
    struct weft_line *line = place->line;
    place->news++;
    line->wrote = line->wrote || place->held > 0; /* what an engine that is gone had written says nothing of this one */
    if (place->news == WEFT_LINE_CLEARED) {
        place->strikes = 0;
    }
    if (place->suspicion == WEFT_PLACE_CLEAR) {
        return;
    }
    bool alone = place->suspicion == WEFT_PLACE_ALONE;
    if (place->news >= (alone && place->trials == 0 ? WEFT_LINE_TRIAL : WEFT_LINE_CLEARED)) {
        place->suspicion = WEFT_PLACE_CLEAR;
        place->yields = alone;
        place->trials += alone;
        look_soon(line);
    } else if (place->news == 1) {
        look_soon(line);
    }
}

/* -- the engine's deaths -- */

/* It ran when the engine ended. */
static bool ran(const struct weft_place *place)
{
    return place->life == place->line->life &&
           (place->state == WEFT_PLACE_RUNS || (place->state == WEFT_PLACE_AGAIN && place->cut));
}

static void strike(struct weft_place *place)
{
    struct weft_line *line = place->line;
    line->counts.strikes++;
    place->suspicion = WEFT_PLACE_ALONE;
    if (++place->strikes == WEFT_LINE_STRIKES_MAX) {
        line->killers[line->killer_count++ % WEFT_LINE_KILLERS_MAX] = place->mark;
        line->counts.struck++;
    }
}

void weft_line_shut(struct weft_line *line)
{
    if (!line->open) {
        return;
    }
    bring_on(line);
    for (struct weft_place *place = line->first; place; place = place->next) {
        place->ran = ran(place);
        if (place->state == WEFT_PLACE_RUNS) {
            count(place);
            place->held = 0;
        }
    }
    line->open = false;
    line->growing = NULL;
    line->slots = line->used = 0;
    look_soon(line);
}

bool weft_line_died(struct weft_line *line, bool by_itself)
{
    size_t those = 0;
    struct weft_place *one = NULL;
    enum weft_place_suspicion most = WEFT_PLACE_CLEAR;
    WEFT_ASSERT(!line->open);
    for (struct weft_place *place = line->first; place; place = place->next) {
        if (place->ran) {
            those++;
            one = place;
            place->spared = !by_itself;
            most = place->suspicion > most ? place->suspicion : most;
        }
    }
    enum weft_place_suspicion next = most >= WEFT_PLACE_TRIED                    ? WEFT_PLACE_ALONE
                                     : line->stalled && most == WEFT_PLACE_CLEAR ? WEFT_PLACE_HUNG
                                                                                 : WEFT_PLACE_TRIED;
    for (struct weft_place *place = line->first; place && by_itself; place = place->next) {
        /* Alone those too whose turn had not come: the next death may be chance. */
        if ((place->ran && those > 1) ||
            (next == WEFT_PLACE_ALONE && (place->ran || place->suspicion == WEFT_PLACE_TRIED))) {
            place->suspicion = next;
        }
    }
    if (by_itself && those == 1) {
        strike(one);
    }
    bool wrote = line->wrote;
    line->wrote = false;
    for (struct weft_place *place = line->first; place; place = place->next) {
        place->ran = false; /* the next one may end before it is ready: nobody's doing, and nothing was written */
    }
    look_soon(line);
    return wrote || (those > 0 && (those == 1 || most != WEFT_PLACE_CLEAR));
}

void weft_line_open(struct weft_line *line, size_t slots)
{
    line->open = true;
    line->given_up = line->stalled = false;
    line->slots = slots > 0 ? slots : 1;
    line->used = 0;
    line->life++;
    look_soon(line);
}

void weft_line_rest(struct weft_line *line, bool on)
{
    line->rests = on;
    line->given_up = line->given_up && on;
    look_soon(line);
}

void weft_line_hope(struct weft_line *line)
{
    line->given_up = false;
}

void weft_line_give_up(struct weft_line *line)
{
    line->given_up = true;
    look_soon(line);
}

/* -- who goes -- */

static bool is_waiting(const struct weft_place *place)
{
    return place->state == WEFT_PLACE_WAITS || place->state == WEFT_PLACE_AGAIN;
}

static bool runs_here(const struct weft_place *place)
{
    return place->state == WEFT_PLACE_RUNS && place->life == place->line->life && place->line->open;
}

static void throw_out(struct weft_place *place, enum weft_line_out why)
{
    weft_queue_remove(place->line->queue, &place->waiter);
    depart(place);
    place->user->out(place->self, why);
}

/* Each of these does one thing at most, as it calls somebody who may do anything; true: look again. */
static bool throw_out_one(struct weft_line *line)
{
    for (struct weft_place *place = line->first; place; place = place->next) {
        if (place->state == WEFT_PLACE_AGAIN && place->strikes >= WEFT_LINE_STRIKES_MAX) {
            throw_out(place, WEFT_LINE_STRUCK);
            return true;
        }
        if (line->given_up && is_waiting(place)) {
            throw_out(place, WEFT_LINE_GIVEN_UP);
            return true;
        }
        if (place->state == WEFT_PLACE_AGAIN && line->time - place->since >= WEFT_LINE_AGAIN_MAX) {
            line->counts.expired++;
            throw_out(place, WEFT_LINE_EXPIRED);
            return true;
        }
    }
    struct weft_queue_waiter *late = weft_queue_expired(line->queue, line->time);
    if (late) {
        line->counts.expired++;
        throw_out(WEFT_CONTAINER(late, struct weft_place, waiter), WEFT_LINE_EXPIRED);
    }
    return late;
}

/* Suspects that wait to go alone: those who have done so and passed let them. */
static bool take_one_back(struct weft_line *line)
{
    bool waits = false;
    for (struct weft_place *place = line->first; place; place = place->next) {
        waits = waits || (place->state == WEFT_PLACE_AGAIN && place->suspicion == WEFT_PLACE_ALONE);
    }
    for (struct weft_place *place = line->first; place && waits; place = place->next) {
        if (runs_here(place) && place->yields) {
            place->yields = false;
            place->user->back(place->self, false);
            return true;
        }
    }
    return false;
}

/* Who must go alone first, and of them who has fewer strikes: a kill by chance does not meet the same one each time. */
static bool goes_first(const struct weft_place *one, const struct weft_place *other)
{
    bool alone = one->suspicion == WEFT_PLACE_ALONE, other_alone = other->suspicion == WEFT_PLACE_ALONE;
    return alone != other_alone ? alone : alone && one->strikes < other->strikes;
}

/* Those who were cut before those who came later. */
static struct weft_place *next_of(const struct weft_line *line)
{
    struct weft_place *chosen = NULL;
    for (struct weft_place *place = line->first; place; place = place->next) {
        if (place->state != WEFT_PLACE_AGAIN ||
            (place->not_before > line->time && place->suspicion < WEFT_PLACE_TRIED)) {
            continue;
        }
        if (!chosen || goes_first(place, chosen)) {
            chosen = place;
        }
    }
    struct weft_queue_waiter *waiter = chosen ? NULL : weft_queue_first(line->queue);
    return waiter ? WEFT_CONTAINER(waiter, struct weft_place, waiter) : chosen;
}

/* Whether somebody under suspicion has not got far enough for the next one to go. */
static bool is_on_trial(const struct weft_line *line)
{
    for (const struct weft_place *place = line->first; place; place = place->next) {
        if (runs_here(place) && !place->paused &&
            (place->suspicion == WEFT_PLACE_ALONE || (place->suspicion == WEFT_PLACE_TRIED && place->news == 0))) {
            return true;
        }
    }
    return false;
}

/* For those who do not read an engine soon has nothing to do, so a suspect may go beside them. It is not quite alone:
 * if the engine ends they ran there too, and it is nobody's strike; they are not back before they read, and the next
 * time it is alone. */
static bool is_quiet(const struct weft_line *line)
{
    for (const struct weft_place *place = line->first; place; place = place->next) {
        if (runs_here(place) && !place->paused) {
            return false;
        }
    }
    return true;
}

/* A slot for one choice is enough: the engine begins the others as slots come free. */
static bool has_room(const struct weft_line *line, const struct weft_place *place)
{
    bool vacant = line->used < line->slots;
    return line->used == 0 || (vacant && (place->suspicion != WEFT_PLACE_ALONE || is_quiet(line)));
}

static bool let_one_go(struct weft_line *line)
{
    struct weft_place *place =
        line->open && !line->rests && !line->stalled && !is_on_trial(line) ? next_of(line) : NULL;
    if (!place || !has_room(line, place) || (place->state == WEFT_PLACE_AGAIN && place->not_before > line->time)) {
        return false;
    }
    weft_queue_remove(line->queue, &place->waiter);
    place->state = WEFT_PLACE_RUNS;
    place->life = line->life;
    place->news = 0;
    place->yields = place->cut = false;
    line->sign = line->used == 0 ? line->time : line->sign;
    place->since = place->sign = place->counted = line->time;
    place->spent = 0;
    place->left = place->choices;
    take_slots(place);
    place->paid = line->typical; /* in advance, so that slots that open together do not all go to one */
    weft_queue_charge(line->queue, place->principal, place->paid);
    place->user->go(place->self);
    return true;
}

static void on_look(struct weft_task *task)
{
    struct weft_line *line = WEFT_CONTAINER(task, struct weft_line, look);
    bring_on(line);
    bool more = true;
    while (more) { /* ends: each time somebody leaves, lets go, or goes */
        more = throw_out_one(line) || take_one_back(line) || let_one_go(line);
    }
}

/* -- the tick -- */

static bool is_silent(const struct weft_place *place)
{
    return runs_here(place) && !place->paused && place->line->time - place->sign >= place->line->options.stall;
}

/* An engine is judged by the last sign that came from it at all: who was just let go there is no sign. */
static void look_for_stalls(struct weft_line *line)
{
    size_t silent = 0;
    for (const struct weft_place *place = line->first; place; place = place->next) {
        silent += is_silent(place);
    }
    weft_time quiet = line->time - line->sign, stall = line->options.stall;
    if (silent == 0 || line->stalled || (quiet >= stall / 2 && quiet < stall)) {
        return; /* in between it is not known yet whose silence it is */
    }
    line->counts.stalls++;
    if (quiet >= stall && line->options.user->stalled) {
        line->stalled = true; /* its end comes; until then nobody goes */
        line->options.user->stalled(line->options.self);
        return;
    }
    for (struct weft_place *place = line->first; place; place = line->cursor) {
        line->cursor = place->next;
        if (is_silent(place)) {
            place->user->back(place->self, true);
        }
    }
}

static size_t again_before(const struct weft_place *place)
{
    size_t before = 0;
    for (const struct weft_place *at = place->line->first; at; at = at->next) {
        before += at != place && at->state == WEFT_PLACE_AGAIN;
        if (at == place && place->state == WEFT_PLACE_AGAIN) {
            break;
        }
    }
    return before;
}

static void tell_those_who_wait(struct weft_line *line)
{
    if (line->time - line->told < WEFT_LINE_TELL) {
        return;
    }
    line->told = line->time;
    for (struct weft_place *place = line->first; place; place = line->cursor) {
        line->cursor = place->next;
        if (is_waiting(place) && line->time - place->since >= WEFT_LINE_TELL) {
            size_t ahead = again_before(place);
            if (place->state == WEFT_PLACE_WAITS) {
                ahead += weft_queue_ahead(line->queue, &place->waiter, line->typical);
            }
            place->user->waiting(place->self, ahead, estimate(line, ahead));
        }
    }
}

static void on_tick(struct weft_timer *timer)
{
    struct weft_line *line = WEFT_CONTAINER(timer, struct weft_line, tick);
    bring_on(line);
    for (struct weft_place *place = line->first; place; place = place->next) {
        if (place->state == WEFT_PLACE_RUNS) {
            count(place);
        }
    }
    look_for_stalls(line);
    tell_those_who_wait(line);
    look_soon(line);
    set_tick(line);
}

void weft_line_report(const struct weft_line *line, struct weft_line_info *info)
{
    *info = line->counts;
    info->slots = line->open && !line->rests ? line->slots : 0;
    for (const struct weft_place *place = line->first; place; place = place->next) {
        info->running += place->state == WEFT_PLACE_RUNS;
        info->waiting += is_waiting(place);
    }
    bool at_once = line->open && !line->rests && info->waiting == 0 && line->used < line->slots;
    info->estimate = at_once ? 0 : estimate(line, info->waiting);
}

/* -- its life -- */

int weft_line_new(struct weft_line **out, const struct weft_line_options *options)
{
    struct weft_line *line = *out = weft_zalloc(sizeof(*line));
    if (!line) {
        return WEFT_ERR_MEMORY;
    }
    line->options = *options;
    weft_task_init(&line->look, on_look);
    weft_timer_init(&line->tick, on_tick);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        goto free_line;
    }
    error = weft_queue_new(&line->queue, options->waiters_max);
    if (error < 0) {
        goto release_timer;
    }
    return 0;

release_timer:
    weft_timers_release(&options->loop->timers);
free_line:
    weft_free(line);
    *out = NULL;
    return error;
}

void weft_line_free(struct weft_line *line)
{
    if (!line) {
        return;
    }
    WEFT_ASSERT(!line->first);
    weft_queue_free(line->queue);
    weft_task_remove(&line->look);
    weft_timer_clear(&line->options.loop->timers, &line->tick);
    weft_timers_release(&line->options.loop->timers);
    weft_free(line);
}
