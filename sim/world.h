/* sim/world.h - a world from a seed: its clock, network, files, names, entropy and logs are all fake.
 *
 * It implements host/host.h for a few hosts that share one network. Time moves only when nothing is due. Nothing is
 * allocated after weft_world_new(): a test that fails each allocation in turn fails those of the code under test only,
 * and what is left over at the end is its leak.
 *
 * Whoever calls an operation of a host from outside its guest's turn says so with weft_world_poke(). */
#ifndef WEFT_SIM_WORLD_H
#define WEFT_SIM_WORLD_H

#include "host/host.h"
#include "sim/timeline.h"
#include "sim/transcript.h"

#define WEFT_WORLD_HOSTS_MAX     24
#define WEFT_WORLD_LINKS_MAX     512                 /* connections at once: then a dial is WEFT_ERR_FULL */
#define WEFT_WORLD_LISTENERS_MAX 32                  /* then WEFT_ERR_FULL */
#define WEFT_WORLD_PIPE_MAX      ((size_t)16 * 1024) /* bytes under way in one direction: then a write takes less */
#define WEFT_WORLD_FILES_MAX     16
#define WEFT_WORLD_FILE_MAX      ((size_t)4096)
#define WEFT_WORLD_NAMES_MAX     16
#define WEFT_WORLD_JOBS_MAX      64                  /* files and names that are being looked up: then WEFT_ERR_FULL */
#define WEFT_WORLD_PROGRAMS_MAX  4                   /* of a host */
#define WEFT_WORLD_PROCESSES_MAX 16                  /* children at once: then WEFT_ERR_FULL */
#define WEFT_WORLD_LOG_MAX       ((size_t)64 * 1024) /* kept of a host's log: its end */

struct weft_world;

struct weft_world_options {
    uint64_t seed;
    bool calm; /* no delay, whole segments, wide pipes: for tests that look at something else than the network */
    struct weft_transcript *transcript; /* NULL: nothing is told */
    struct weft_timeline *timeline;     /* NULL: nothing is drawn */
};

/* On error *out is NULL. */
WEFT_MUST_USE int weft_world_new(struct weft_world **out, const struct weft_world_options *options);
void weft_world_free(struct weft_world *world);

weft_time weft_world_now(const struct weft_world *world);
uint64_t weft_world_below(struct weft_world *world, uint64_t bound); /* a number of the seed's, 0..bound-1 */
void weft_world_note(struct weft_world *world, const char *text);    /* into the transcript */

/* Something befalls a host, for so long if `span` is not 0; with `other` what is between the two. */
void weft_world_fault(struct weft_host *host, struct weft_host *other, weft_time span, const char *text);

/* -- hosts -- */

/* Adds one; `name` must outlive the world. */
struct weft_host *weft_world_host(struct weft_world *world, const char *name);
void weft_world_set_guest(struct weft_host *host, struct weft_guest guest); /* a guest without a turn: none */
void weft_world_poke(struct weft_host *host);                               /* its guest has its turn at once */
void weft_world_set_sockets_max(struct weft_host *host, size_t sockets);    /* what its limit says: 1000 at first */
size_t weft_world_sockets(const struct weft_host *host);                    /* open, or waiting to be accepted */
size_t weft_world_listening(const struct weft_host *host);
/* What it has logged, a newline behind each line, and a NUL at the end. */
const char *weft_world_log(const struct weft_host *host);

/* Its process ends here and now, and its guest is gone already: what it was still waiting for never comes. Files, and
 * what its store was asked for, were on the disk or not, as the seed says (see weft_world_crash_store()). */
void weft_world_crash(struct weft_host *host);

/* -- its files -- */

/* From now on reads, or writes, of any file end with this; 0 for as they should. */
void weft_world_fail_files(struct weft_host *host, int read, int write);
void weft_world_put_file(struct weft_host *host, const char *path, struct weft_slice content);
/* NULL data: there is none. */
struct weft_slice weft_world_file(const struct weft_host *host, const char *path);

/* -- its store: one, wherever it is opened, that outlives crashes -- */

#define WEFT_WORLD_STORE_INVITES_MAX     32 /* bounds smaller than those of host/store.h, and like them */
#define WEFT_WORLD_STORE_REDEMPTIONS_MAX 128
#define WEFT_WORLD_STORE_RECORDS_MAX     64

/* Its process ends here and now. Of what was not done as many as the seed says were on the disk, the first ones; nobody
 * is told of any, and the store is to be opened again. */
void weft_world_crash_store(struct weft_host *host);
bool weft_world_store_busy(const struct weft_host *host); /* something that was asked for is not done */
/* What is in it. */
size_t weft_world_store_invites(const struct weft_host *host);
const struct weft_store_invite *weft_world_store_invite(const struct weft_host *host, size_t index);
/* Uses of this invite that were counted; with `node`, those of that one. */
size_t weft_world_store_uses(const struct weft_host *host, const struct weft_store_key *invite,
                             const struct weft_store_key *node);
/* NULL behind the last. */
const struct weft_store_record *weft_world_store_record(const struct weft_host *host, enum weft_store_table table,
                                                        size_t index);
/* From now on what reads (and opening), or what writes, ends with this: a disk that is full is a write that ends with
 * WEFT_ERR_FULL. 0 for as it should. */
void weft_world_fail_store(struct weft_host *host, int read, int write);
void weft_world_slow_store(struct weft_host *host, weft_time up_to); /* each operation takes up to so much longer */

/* -- the network -- */

/* A name has these addresses, or leads to `status`. */
void weft_world_name(struct weft_world *world, const char *name, int status, const char *const *addresses,
                     size_t count);
/* Dials to this address never come to an end. */
void weft_world_swallow(struct weft_world *world, const char *address);
/* The next `count` dials of this host fail at once, as if it had no descriptor left. */
void weft_world_fail_dials(struct weft_host *host, unsigned count);
/* A network that is ill: nothing arrives at this host's sockets any more; what they write arrives spoiled. */
void weft_world_trouble(struct weft_host *host, bool deaf, bool spoils);
/* Says that no more will be written, and reads on: what a host's operations cannot do. */
void weft_world_shut(struct weft_socket *socket);
/* Something is to be written to it that did not fit. */
bool weft_world_blocked(const struct weft_socket *socket);
size_t weft_world_links(const struct weft_world *world); /* connections with at least one open end */

/* -- processes -- */

#define WEFT_WORLD_KILLED 9 /* the signal that nothing can refuse */

/* What a host can start. Its children are played by whoever registers it, as a guest of a host of their own. */
struct weft_program {
    const char *path;
    int status;             /* what starting it ends with: 0, or an error */
    struct weft_host *host; /* where the children's ends of the sockets are */
    /* A child begins; `socket` is its end. It may end it here and now. */
    void (*started)(void *self, struct weft_process *process, const struct weft_spawn *spawn,
                    struct weft_socket *socket);
    /* It is asked to end, or `now` is gone: its socket must be closed, and nothing more done with `process`. */
    void (*killed)(void *self, struct weft_process *process, bool now);
    void *self;
};

/* The program and its path must outlive the world. What is not registered is WEFT_ERR_NOT_FOUND. */
void weft_world_add_program(struct weft_host *host, const struct weft_program *program);
/* The child ends; whoever plays it closes its socket, and does nothing more with `process`. */
void weft_world_exit(struct weft_process *process, int code, int signal);
size_t weft_world_processes(const struct weft_host *host);       /* children of this host that have not ended */
void weft_world_set_cores(struct weft_host *host, size_t cores); /* 4 at first */

/* -- time -- */

/* Keeps this host's guest from running for so long, as SIGSTOP does, or the sleep of a machine: it has no turn and
 * hears of nothing, while its sockets fill. Of several the one that ends last counts. */
void weft_world_stop(struct weft_host *host, weft_time span);
weft_time weft_world_clock(struct weft_host *host); /* what its guest takes the time for, now */
void weft_world_wake(struct weft_host *host);       /* now; what had waited for the end of that may come then only */
/* The wall clock of this host goes by so many microseconds, forward or back. */
void weft_world_jump(struct weft_host *host, int64_t by);

/* Lets happen what is due up to `limit`, until `done` (may be NULL) is true. True if it was; false if time or events
 * ran out. A guest that asks for its turn again and again while time stands still is an assertion. */
bool weft_world_run(struct weft_world *world, weft_time limit, bool (*done)(void *self), void *self);
/* Lets this much time pass, with all that happens in it. */
void weft_world_pass(struct weft_world *world, weft_time time);

#endif
