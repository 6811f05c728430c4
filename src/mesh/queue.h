/* mesh/queue.h - who waits for an engine, and who goes next.
 *
 * Bounded, with a deadline for each, and fair across principals by the time that slots spent on them: whose account has
 * had least goes first, and of its waiters the one that came first. An account that comes, or comes back, starts no
 * lower than those stood who went before, so idleness saves nothing up; and when nobody waited, nobody is owed.
 *
 * Pure state, and no allocation after _new(): waiters are embedded in their users, accounts are a table. Whoever goes
 * is taken out with _remove(), and _charge() says what was spent on it, best like this: what an answer costs on average
 * as soon as it goes, so that slots that open together do not all go to one; what it takes beyond that while it runs;
 * and at its end the rest, which is negative where the advance was too high. */
#ifndef WEFT_MESH_QUEUE_H
#define WEFT_MESH_QUEUE_H

#include "base/timers.h"
#include "base/types.h"

#define WEFT_QUEUE_PRINCIPALS_MAX 1024 /* accounts; then one is forgotten: that owes nothing, else idle longest */
#define WEFT_QUEUE_WAITERS_MAX    1000 /* fewer than accounts: there is always one to forget */

struct weft_queue;
struct weft_queue_account;

/* Embedded in whoever waits; zeroed at first. `since` and `deadline` may be read. */
struct weft_queue_waiter {
    struct weft_queue_waiter *previous, *next; /* of the same account, in the order they came */
    struct weft_queue_account *account;        /* NULL: waits nowhere */
    struct weft_timer timer;                   /* its deadline */
    uint64_t order;                            /* when it came, among all */
    weft_time since, deadline;
};

/* For so many waiters at once, at most WEFT_QUEUE_WAITERS_MAX. On error *out is NULL. */
WEFT_MUST_USE int weft_queue_new(struct weft_queue **out, size_t waiters_max);
void weft_queue_free(struct weft_queue *queue); /* takes out those who still wait */

/* WEFT_ERR_FULL: no place is left, or as many of this principal's wait as there are places left: who floods the queue
 * leaves places for others. `deadline` may be WEFT_NEVER. */
WEFT_MUST_USE int weft_queue_push(struct weft_queue *queue, struct weft_queue_waiter *waiter, uint64_t principal,
                                  weft_time now, weft_time deadline);
/* It goes, or has hung up. Nothing if it does not wait. */
void weft_queue_remove(struct weft_queue *queue, struct weft_queue_waiter *waiter);

/* Who goes next, or NULL; it stays. */
struct weft_queue_waiter *weft_queue_first(const struct weft_queue *queue);
/* One whose deadline has come, taken out; or NULL. */
struct weft_queue_waiter *weft_queue_expired(struct weft_queue *queue, weft_time now);
weft_time weft_queue_deadline(const struct weft_queue *queue); /* the earliest; WEFT_NEVER if there is none */

/* Slot time that was spent on a principal; negative gives back. */
void weft_queue_charge(struct weft_queue *queue, uint64_t principal, weft_time service);

/* How many would go before this waiter if nobody came or left, and each took `typical` of slot time (0: not known). */
size_t weft_queue_ahead(const struct weft_queue *queue, const struct weft_queue_waiter *waiter, weft_time typical);
size_t weft_queue_count(const struct weft_queue *queue);

#endif
