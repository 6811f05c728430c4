/* sim/raw.h - a peer that says scripted bytes and keeps what it hears: client or server, well-behaved or not.
 *
 * It allocates nothing and needs no turn: it acts in the host's callbacks. */
#ifndef WEFT_SIM_RAW_H
#define WEFT_SIM_RAW_H

#include "sim/world.h"

#define WEFT_RAW_IN_MAX  ((size_t)256 * 1024) /* kept of what it hears; more is counted only */
#define WEFT_RAW_OUT_MAX ((size_t)256 * 1024) /* to be said: more is an assertion */

struct weft_raw {
    struct weft_host *host;
    struct weft_socket *socket;            /* NULL: not connected any more */
    void (*changed)(struct weft_raw *raw); /* it heard something, or the connection opened or ended; may be NULL */
    void *self;
    bool opened;
    bool ended;   /* the other side says no more */
    bool paused;  /* it does not read */
    int status;   /* why the connection failed, or 0 */
    size_t heard; /* bytes that ever came */
    size_t in_size, out_size, out_sent;
    char in[WEFT_RAW_IN_MAX + 1]; /* a NUL behind */
    char out[WEFT_RAW_OUT_MAX];
};

/* Dials `address` ("10.0.0.1:80" or a path). All of *raw is set. */
void weft_raw_dial(struct weft_raw *raw, struct weft_host *host, const char *address);
/* Takes an accepted socket. */
void weft_raw_take(struct weft_raw *raw, struct weft_host *host, struct weft_socket *socket);
void weft_raw_send(struct weft_raw *raw, struct weft_slice bytes);
void weft_raw_text(struct weft_raw *raw, const char *text);
void weft_raw_read(struct weft_raw *raw, bool on);
/* Forgets the first bytes it heard. */
void weft_raw_drop(struct weft_raw *raw, size_t size);
/* Nothing happens if it is closed already. */
void weft_raw_close(struct weft_raw *raw, bool reset);
/* All that was to be said is said, and nothing can be heard any more; `self` is a struct weft_raw. */
bool weft_raw_over(void *self);

/* A listener that puts who comes into the first free place of `at`, and resets who finds none. */
struct weft_raw_server {
    struct weft_host *host;
    struct weft_listener *listener;
    struct weft_raw *at;
    size_t count, used;
    void (*accepted)(struct weft_raw *raw); /* may be NULL */
    void *self;                             /* copied into each */
};

void weft_raw_listen(struct weft_raw_server *server, const char *address);
void weft_raw_unlisten(struct weft_raw_server *server); /* closes all of them too */

#endif
