/* sys/sys.h - the real surroundings of a node: host/host.h on libuv.
 *
 * One loop on one thread. The guest's turn runs after each batch of callbacks, before anything blocks. Files and names
 * are asked for on libuv's worker threads. */
#ifndef WEFT_SYS_SYS_H
#define WEFT_SYS_SYS_H

#include "host/host.h"

#define WEFT_SYS_DESCRIPTORS_KEPT 64 /* of the descriptor limit: files, listeners, the loop's own, libraries */

struct weft_sys;

/* Makes the loop, and the process fit for it: the descriptor limit is raised as far as it may be, core dumps are off,
 * SIGPIPE is ignored. Free with weft_sys_free(). On error *out is NULL. */
WEFT_MUST_USE int weft_sys_new(struct weft_sys **out);
/* The guest has closed its sockets and listeners, and disowned its processes. What they still send gets two seconds;
 * callbacks of operations under way are not called. False if a worker thread still hangs in a name server or a disk
 * after that: then the memory stays its, and the process must end with _exit(2), for exit(3) would wait for it. NULL is
 * fine. */
bool weft_sys_free(struct weft_sys *sys);

struct weft_host *weft_sys_host(struct weft_sys *sys);

/* Runs the guest until weft_sys_stop(). Returns 0, or an error if the loop could not run. */
WEFT_MUST_USE int weft_sys_run(struct weft_sys *sys, struct weft_guest guest);
void weft_sys_stop(struct weft_sys *sys); /* from a callback or a turn: _run returns after it */

/* `signalled` is called from the loop for each SIGTERM, SIGINT and, unless it was ignored, SIGHUP. From then on they no
 * longer end the process, not even after weft_sys_free(): whoever is putting things away is not interrupted. */
WEFT_MUST_USE int weft_sys_on_signal(struct weft_sys *sys, void (*signalled)(void *self, int number), void *self);

/* How this room's own log lines look: plain, or JSON. At first what fits standard error. */
void weft_sys_log_pretty(struct weft_sys *sys, bool pretty);

/* Who does host's store operations; it must outlive the loop. Without one they are WEFT_ERR_UNSUPPORTED. */
typedef int weft_sys_store(void *store, const struct weft_store_op *op, weft_store_done *done, void *self);
void weft_sys_set_store(struct weft_sys *sys, weft_sys_store *ask, void *store);

/* Who does host's hashes of files; likewise. */
struct weft_sys_hasher {
    int (*ask)(void *self, const char *path,
               void (*done)(void *done_self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *done_self);
    void (*forget)(void *self, const void *done_self);
    void *self;
};
void weft_sys_set_hasher(struct weft_sys *sys, const struct weft_sys_hasher *hasher); /* copied */

/* A socket whose other end is *child, a descriptor for a child process: blocking, closed on exec, the caller's to
 * close. On error *out is NULL and *child -1. */
WEFT_MUST_USE int weft_sys_pair(struct weft_sys *sys, struct weft_socket **out, int *child);

/* -- a child's side -- */

/* Takes a descriptor that this process was started with: WEFT_ERR_INVALID if it is no Unix stream socket. From then on
 * this process ends when its parent does. On error *out is NULL, and the descriptor the caller's still. */
WEFT_MUST_USE int weft_sys_inherit(struct weft_sys *sys, int descriptor, struct weft_socket **out);
/* Maps memory that this process shares with its parent, and closes its descriptor. WEFT_ERR_INVALID if it is none of at
 * least this size, and then the descriptor is the caller's still. On error *out is NULL. */
WEFT_MUST_USE int weft_sys_inherit_memory(int descriptor, size_t size, void **out);
/* From any thread: the guest gets a turn soon. Several calls may share one. */
void weft_sys_poke(struct weft_sys *sys);

#endif
