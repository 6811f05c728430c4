/* node/applying.h - a node applies to a gateway, to join its mesh or to be renewed: over a link of its own, at one
 * address after the other until somebody answers well. */
#ifndef WEFT_NODE_APPLYING_H
#define WEFT_NODE_APPLYING_H

#include "node/link.h"
#include "wire/admission.h"
#include "wire/application.h"
#include "wire/hostport.h"

#define WEFT_APPLYING_PATH          "/mesh/v1/join"
#define WEFT_APPLYING_TYPE          "application/x-weft-record"
#define WEFT_APPLYING_ADDRESSES_MAX 4
#define WEFT_APPLYING_TIME          (10 * WEFT_SECOND) /* at one address */

/* What one address came to. */
struct weft_applying_user {
    /* The application for this link: its size, or an error. */
    int64_t (*write)(void *self, const uint8_t link[WEFT_LINK_SIZE], uint8_t out[WEFT_APPLICATION_MAX]);
    /* An admission came. True: that was it. False: the next address is asked. */
    bool (*answered)(void *self, struct weft_slice admission);
    /* Nobody answered well; `why` is what the last address came to. */
    void (*failed)(void *self, int why, const char *address);
};

/* Embedded; zeroed at first. One round at a time. */
struct weft_applying {
    struct weft_loop *loop;
    struct weft_links *links;
    const struct weft_applying_user *user;
    void *self;
    char addresses[WEFT_APPLYING_ADDRESSES_MAX][WEFT_HOSTPORT_MAX + 1];
    size_t count, at;
    char name[WEFT_HOSTPORT_MAX + 1]; /* that is looked up */
    struct weft_link *link;
    struct weft_exchange *exchange;
    struct weft_timer timer;
    bool runs, resolves, reserved;
    int lost; /* the link has ended before it was open: why */
    int why;  /* what the last address came to */
};

void weft_applying_init(struct weft_applying *applying, struct weft_loop *loop, const struct weft_applying_user *user,
                        void *self);
/* After the host's loop has ended, or when nothing is looked up. */
void weft_applying_deinit(struct weft_applying *applying);

/* WEFT_ERR_BUSY: it runs. WEFT_ERR_INVALID: no address. Then nothing is told. */
WEFT_MUST_USE int weft_applying_start(struct weft_applying *applying, struct weft_links *links,
                                      const char *const *addresses, size_t count);

/* Nothing is told any more. */
void weft_applying_stop(struct weft_applying *applying);

/* What its user hears of the links. */
void weft_applying_opened(struct weft_applying *applying, struct weft_link *link);
void weft_applying_closed(struct weft_applying *applying, const struct weft_link *link, int why);

#endif
