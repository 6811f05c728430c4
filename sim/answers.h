/* sim/answers.h - what a client was told: answers found in the bytes that it heard.
 *
 * A reader of its own, so that what Weft writes is not judged by Weft's parsers. Strict: what Weft would never
 * write is "malformed". */
#ifndef WEFT_SIM_ANSWERS_H
#define WEFT_SIM_ANSWERS_H

#include "base/types.h"

#define WEFT_ANSWERS_MAX 64 /* on one connection; more are malformed */

struct weft_answer {
    int status;             /* 0: its head has not come */
    bool whole;             /* its body too, or (h2) it was reset and `reset` is true */
    bool reset;             /* h2 only */
    struct weft_slice head; /* h1 only: the lines of it */
    struct weft_slice body; /* h1: as framed, with the chunks' own lines in it */
    size_t body_size;       /* without them */
    uint32_t stream;        /* h2 */
};

struct weft_answers {
    struct weft_answer at[WEFT_ANSWERS_MAX];
    size_t count;     /* those that have begun */
    size_t whole;     /* those that are whole */
    bool malformed;   /* what comes after the last is no answer */
    bool goaway;      /* h2 */
    size_t continues; /* h1: 100 Continue that came */
};

/* `heads` has bit n set where request n was HEAD. `ended`: no more will come, which ends a body without a length. */
void weft_answers_h1(struct weft_answers *answers, struct weft_slice heard, uint64_t heads, bool ended);
/* Frames; statuses are read where HPACK's static table or a plain literal gives them. */
void weft_answers_h2(struct weft_answers *answers, struct weft_slice heard);

/* A header of an h1 answer's head, without blanks, or NULL data. */
struct weft_slice weft_answer_field(const struct weft_answer *answer, const char *name);

/* Copies an h1 body without its chunks' lines, and a NUL. Returns its size, or -1 if it does not fit. */
int64_t weft_answer_text(const struct weft_answer *answer, char *text, size_t size);

#endif
