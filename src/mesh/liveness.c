/* mesh/liveness.c - whether the other end of a link is still there. */
#include "mesh/liveness.h"

void weft_liveness_heard(struct weft_liveness *liveness, weft_time now)
{
    *liveness = (struct weft_liveness){.state = WEFT_LIVENESS_CALM, .next = now + WEFT_LIVENESS_QUIET};
}

void weft_liveness_doubt(struct weft_liveness *liveness, weft_time now)
{
    *liveness = (struct weft_liveness){.state = WEFT_LIVENESS_CALM, .next = now};
}

/* Each step counts from when it is taken, not from when it was due: so nobody is given up for time in which this node
 * did not run. */
enum weft_liveness_verdict weft_liveness_look(struct weft_liveness *liveness, weft_time now)
{
    if (now < liveness->next) {
        return WEFT_LIVENESS_ALIVE;
    }
    switch (liveness->state) {
    case WEFT_LIVENESS_CALM:
        *liveness = (struct weft_liveness){.state = WEFT_LIVENESS_ASKED, .next = now + WEFT_LIVENESS_ANSWER};
        return WEFT_LIVENESS_PING;
    case WEFT_LIVENESS_ASKED:
        *liveness = (struct weft_liveness){.state = WEFT_LIVENESS_DOUBTED, .next = now + WEFT_LIVENESS_LAST};
        return WEFT_LIVENESS_ALIVE;
    case WEFT_LIVENESS_DOUBTED:
        break;
    }
    return WEFT_LIVENESS_GONE;
}
