/* mesh/queue.c - accounts of slot time, each with its waiters in a row. */
#include "mesh/queue.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

struct weft_queue_account {
    uint64_t principal;
    weft_time spent;
    uint64_t used;                          /* when somebody last came or it was charged, in the order of such events */
    struct weft_queue_waiter *first, *last; /* NULL: none waits */
    size_t count;
    struct weft_queue_account *previous, *next; /* of those that have somebody waiting */
};

struct weft_queue {
    size_t waiters_max, count;
    uint64_t arrivals, uses;
    weft_time floor; /* where an account that comes starts, unless it has had more; it only rises */
    weft_time most;  /* that any account ever had */
    struct weft_timers deadlines;
    struct weft_queue_account *waiting; /* in no order: there are few, and what they have had changes all the time */
    size_t accounts_count;
    struct weft_queue_account accounts[WEFT_QUEUE_PRINCIPALS_MAX];
};

int weft_queue_new(struct weft_queue **out, size_t waiters_max)
{
    WEFT_ASSERT(waiters_max > 0 && waiters_max <= WEFT_QUEUE_WAITERS_MAX);
    *out = NULL;
    struct weft_queue *queue = weft_zalloc(sizeof(*queue));
    if (!queue) {
        return WEFT_ERR_MEMORY;
    }
    weft_timers_init(&queue->deadlines);
    for (size_t i = 0; i < waiters_max; i++) {
        int error = weft_timers_reserve(&queue->deadlines);
        if (error) {
            weft_queue_free(queue);
            return error;
        }
    }
    queue->waiters_max = waiters_max;
    *out = queue;
    return 0;
}

void weft_queue_free(struct weft_queue *queue)
{
    if (!queue) {
        return;
    }
    while (queue->waiting) {
        weft_queue_remove(queue, queue->waiting->first);
    }
    weft_timers_deinit(&queue->deadlines);
    weft_free(queue);
}

static struct weft_queue_account *find(struct weft_queue *queue, uint64_t principal)
{
    for (size_t i = 0; i < queue->accounts_count; i++) {
        if (queue->accounts[i].principal == principal) {
            return &queue->accounts[i];
        }
    }
    return NULL;
}

/* Whether `a` is the better one to forget; neither has anybody waiting. What owes nothing would begin again where it
 * is. */
static bool forgotten_before(const struct weft_queue *queue, const struct weft_queue_account *a,
                             const struct weft_queue_account *b)
{
    bool owes_a = a->spent > queue->floor;
    bool owes_b = b->spent > queue->floor;
    return owes_a != owes_b ? owes_b : a->used < b->used;
}

/* A place in the table: a new one, or that of an account which is forgotten. */
static struct weft_queue_account *vacate(struct weft_queue *queue)
{
    if (queue->accounts_count < WEFT_QUEUE_PRINCIPALS_MAX) {
        return &queue->accounts[queue->accounts_count++];
    }
    struct weft_queue_account *chosen = NULL;
    for (size_t i = 0; i < WEFT_QUEUE_PRINCIPALS_MAX; i++) {
        struct weft_queue_account *account = &queue->accounts[i];
        if (account->count == 0 && (!chosen || forgotten_before(queue, account, chosen))) {
            chosen = account;
        }
    }
    WEFT_ASSERT(chosen); /* fewer wait than there are accounts */
    return chosen;
}

static struct weft_queue_account *find_or_open(struct weft_queue *queue, uint64_t principal)
{
    struct weft_queue_account *account = find(queue, principal);
    if (!account) {
        account = vacate(queue);
        *account = (struct weft_queue_account){.principal = principal, .spent = queue->floor};
    }
    account->used = ++queue->uses;
    return account;
}

/* An account's waiters go before another's: it has had less, or as much and somebody waits there for longer. */
static bool goes_before(const struct weft_queue_account *a, const struct weft_queue_account *b)
{
    return a->spent != b->spent ? a->spent < b->spent : a->first->order < b->first->order;
}

static struct weft_queue_account *least(const struct weft_queue *queue)
{
    struct weft_queue_account *found = queue->waiting;
    for (struct weft_queue_account *account = found; account; account = account->next) {
        if (goes_before(account, found)) {
            found = account;
        }
    }
    return found;
}

static void begin_to_wait(struct weft_queue *queue, struct weft_queue_account *account)
{
    if (account->spent < queue->floor) {
        account->spent = queue->floor;
    }
    account->previous = NULL;
    account->next = queue->waiting;
    if (account->next) {
        account->next->previous = account;
    }
    queue->waiting = account;
}

static void end_to_wait(struct weft_queue *queue, struct weft_queue_account *account)
{
    if (account->previous) {
        account->previous->next = account->next;
    } else {
        queue->waiting = account->next;
    }
    if (account->next) {
        account->next->previous = account->previous;
    }
    account->previous = account->next = NULL;
}

int weft_queue_push(struct weft_queue *queue, struct weft_queue_waiter *waiter, uint64_t principal, weft_time now,
                    weft_time deadline)
{
    WEFT_ASSERT(!waiter->account);
    struct weft_queue_account *account = find(queue, principal);
    size_t left = queue->waiters_max - queue->count;
    if (left <= (account ? account->count : 0)) {
        return WEFT_ERR_FULL;
    }
    if (queue->count == 0) { /* whoever has had more than others took it from nobody */
        queue->floor = queue->most;
    }
    account = find_or_open(queue, principal);
    if (account->count == 0) {
        begin_to_wait(queue, account);
    }
    *waiter = (struct weft_queue_waiter){
        .previous = account->last,
        .account = account,
        .order = ++queue->arrivals,
        .since = now,
        .deadline = deadline,
    };
    if (account->last) {
        account->last->next = waiter;
    } else {
        account->first = waiter;
    }
    account->last = waiter;
    account->count++;
    queue->count++;
    weft_timer_init(&waiter->timer, NULL); /* nothing fires: _expired() takes it */
    weft_timer_set(&queue->deadlines, &waiter->timer, deadline);
    return 0;
}

void weft_queue_remove(struct weft_queue *queue, struct weft_queue_waiter *waiter)
{
    struct weft_queue_account *account = waiter->account;
    if (!account) {
        return;
    }
    /* Those who wait stand here or higher. Looked at before this one leaves: its account, with nobody else waiting, may
     * be the lowest, and is not to lose that by having gone. */
    weft_time lowest = least(queue)->spent;
    queue->floor = lowest > queue->floor ? lowest : queue->floor;
    if (waiter->previous) {
        waiter->previous->next = waiter->next;
    } else {
        account->first = waiter->next;
    }
    if (waiter->next) {
        waiter->next->previous = waiter->previous;
    } else {
        account->last = waiter->previous;
    }
    waiter->previous = waiter->next = NULL;
    waiter->account = NULL;
    weft_timer_clear(&queue->deadlines, &waiter->timer);
    queue->count--;
    if (--account->count == 0) {
        end_to_wait(queue, account);
    }
}

struct weft_queue_waiter *weft_queue_first(const struct weft_queue *queue)
{
    const struct weft_queue_account *account = least(queue);
    return account ? account->first : NULL;
}

struct weft_queue_waiter *weft_queue_expired(struct weft_queue *queue, weft_time now)
{
    struct weft_timer *timer = weft_timers_take(&queue->deadlines, now);
    if (!timer) {
        return NULL;
    }
    struct weft_queue_waiter *waiter = WEFT_CONTAINER(timer, struct weft_queue_waiter, timer);
    weft_queue_remove(queue, waiter);
    return waiter;
}

weft_time weft_queue_deadline(const struct weft_queue *queue)
{
    return weft_timers_next(&queue->deadlines);
}

void weft_queue_charge(struct weft_queue *queue, uint64_t principal, weft_time service)
{
    struct weft_queue_account *account = find_or_open(queue, principal);
    account->spent += service;
    if (account->spent > queue->most) {
        queue->most = account->spent;
    }
}

static size_t place_in(const struct weft_queue_waiter *waiter)
{
    size_t before = 0;
    for (const struct weft_queue_waiter *one = waiter->previous; one; one = one->previous) {
        before++;
    }
    return before;
}

/* How many of another account's go before `waiter`, which has `before` of its own in front of it: those that begin
 * with less, and of two that begin with as much the one that came first. */
static size_t ahead_of(const struct weft_queue_account *other, const struct weft_queue_waiter *waiter, size_t before,
                       weft_time typical)
{
    weft_time lead = waiter->account->spent - other->spent;
    weft_time turns = lead / typical + (weft_time)before;
    weft_time rest = lead % typical;
    if (rest < 0) { /* division rounds towards zero, and this is to round down */
        turns--;
    }
    if (turns < 0) {
        return 0;
    }
    if ((uint64_t)turns >= other->count) {
        return other->count;
    }
    size_t ahead = (size_t)turns;
    if (rest != 0) {
        return ahead + 1;
    }
    const struct weft_queue_waiter *rival = other->first;
    for (size_t i = 0; i < ahead; i++) {
        rival = rival->next;
    }
    return rival->order < waiter->order ? ahead + 1 : ahead;
}

size_t weft_queue_ahead(const struct weft_queue *queue, const struct weft_queue_waiter *waiter, weft_time typical)
{
    const struct weft_queue_account *account = waiter->account;
    if (!account) {
        return 0;
    }
    size_t before = place_in(waiter);
    size_t ahead = before;
    for (const struct weft_queue_account *other = queue->waiting; other; other = other->next) {
        if (other != account) {
            /* Not known: as if it were long, so that all go in turns. */
            ahead += ahead_of(other, waiter, before, typical > 0 ? typical : WEFT_NEVER);
        }
    }
    return ahead;
}

size_t weft_queue_count(const struct weft_queue *queue)
{
    return queue->count;
}
