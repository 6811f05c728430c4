/* sys/worker.h - a thread of its own for work that blocks and must stay in order; its ends are told on the loop.
 *
 * Files and names go to libuv's pool (host's read_file, resolve). This is for a room that keeps something open. */
#ifndef WEFT_SYS_WORKER_H
#define WEFT_SYS_WORKER_H

#include "sys/sys.h"

struct weft_worker;

/* Put into whatever is to be done. */
struct weft_work {
    void (*run)(struct weft_work *work); /* on the thread: touches nothing of the loop, and neither takes nor gives
                                            memory by base/mem.h, which counts by thread */
    /* On the loop; the work is the caller's again. Not `wanted`: the loop is being freed, so nobody is to be told. */
    void (*done)(struct weft_work *work, bool wanted);
    struct weft_work *next;
};

/* The thread starts here and ends in weft_sys_free(), which frees it. On error *out is NULL. */
WEFT_MUST_USE int weft_worker_new(struct weft_worker **out, struct weft_sys *sys);
/* WEFT_ERR_FULL if too much is asked for at once: WEFT_SYS_JOBS_MAX, with files and names. */
WEFT_MUST_USE int weft_worker_add(struct weft_worker *worker, struct weft_work *work);

#endif
