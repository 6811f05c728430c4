/* node/posting.h - a small record is posted to another node over a link, and a small one comes back. */
#ifndef WEFT_NODE_POSTING_H
#define WEFT_NODE_POSTING_H

#include "node/link.h"

#define WEFT_POSTING_TYPE       "application/x-weft-record"
#define WEFT_POSTING_ANSWER_MAX 1024               /* bytes of an answer: longer ones are WEFT_ERR_TOO_LARGE */
#define WEFT_POSTING_TIME       (30 * WEFT_SECOND) /* for the whole of it: then WEFT_ERR_TIMEOUT */

/* What came of it, once, from the turn; then another may be posted. An HTTP status and its body, which is the
 * record if that is 200; or an error, and nothing. */
typedef void weft_posting_done(void *self, int status, struct weft_slice answer);

/* Embedded; zeroed at first. One at a time. */
struct weft_posting {
    struct weft_exchange *exchange; /* NULL: nothing is under way */
    weft_posting_done *done;
    void *self;
    struct weft_loop *loop;
    struct weft_timer timer; /* it has been long enough */
};

/* Posts `record` to `path`, both of which need not outlive the call. On an error `done` does not come. WEFT_ERR_BUSY:
 * one is under way. */
WEFT_MUST_USE int weft_posting_start(struct weft_posting *posting, struct weft_loop *loop, struct weft_link *link,
                                     struct weft_slice path, struct weft_slice record, weft_posting_done *done,
                                     void *self);
/* `done` does not come any more. */
void weft_posting_stop(struct weft_posting *posting);

#endif
