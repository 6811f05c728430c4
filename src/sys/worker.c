/* sys/worker.c - a thread of its own: work in order, ends on the loop. */
#include "sys/worker.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "sys/inside.h"

struct list {
    struct weft_work *first, *last;
};

struct weft_worker {
    struct weft_sys *sys;
    struct weft_worker *next; /* in sys->workers */
    uv_thread_t thread;
    uv_async_t told; /* something has ended */
    uv_mutex_t lock; /* holds what follows */
    uv_cond_t asked;
    struct list waiting, ended;
    bool ending;
};

static void list_add(struct list *list, struct weft_work *work)
{
    work->next = NULL;
    if (list->last) {
        list->last->next = work;
    } else {
        list->first = work;
    }
    list->last = work;
}

static struct weft_work *list_take(struct list *list)
{
    struct weft_work *work = list->first;
    if (work) {
        list->first = work->next;
        list->last = list->first ? list->last : NULL;
    }
    return work;
}

static void thread_run(void *self)
{
    struct weft_worker *worker = self;
    uv_mutex_lock(&worker->lock);
    while (!worker->ending) {
        struct weft_work *work = list_take(&worker->waiting);
        if (!work) {
            uv_cond_wait(&worker->asked, &worker->lock);
            continue;
        }
        uv_mutex_unlock(&worker->lock);
        work->run(work);
        uv_mutex_lock(&worker->lock);
        list_add(&worker->ended, work);
        int status = uv_async_send(&worker->told);
        WEFT_ASSERT(status == 0); /* fails only for another kind of handle */
    }
    uv_mutex_unlock(&worker->lock);
}

static void on_told(uv_async_t *handle)
{
    struct weft_worker *worker = handle->data;
    uv_mutex_lock(&worker->lock);
    struct list ended = worker->ended;
    worker->ended = (struct list){0};
    uv_mutex_unlock(&worker->lock);
    for (struct weft_work *work = list_take(&ended); work; work = list_take(&ended)) {
        weft_sys_job_end(worker->sys);
        work->done(work, !worker->sys->over);
    }
}

int weft_worker_new(struct weft_worker **out, struct weft_sys *sys)
{
    *out = NULL;
    struct weft_worker *worker = weft_zalloc(sizeof(*worker));
    if (!worker) {
        return WEFT_ERR_MEMORY;
    }
    worker->sys = sys;
    int status = uv_mutex_init(&worker->lock);
    if (status < 0) {
        goto fail_lock;
    }
    status = uv_cond_init(&worker->asked);
    if (status < 0) {
        goto fail_asked;
    }
    status = uv_thread_create(&worker->thread, thread_run, worker);
    if (status < 0) {
        goto fail_thread;
    }
    status = uv_async_init(&sys->loop, &worker->told, on_told);
    WEFT_ASSERT(status == 0); /* the loop has made its wake-up call already, and the thread has nothing to tell yet */
    worker->told.data = worker;
    worker->next = sys->workers;
    sys->workers = worker;
    *out = worker;
    return 0;

fail_thread:
    uv_cond_destroy(&worker->asked);
fail_asked:
    uv_mutex_destroy(&worker->lock);
fail_lock:
    weft_free(worker);
    return weft_sys_error(status);
}

int weft_worker_add(struct weft_worker *worker, struct weft_work *work)
{
    int status = weft_sys_job_begin(worker->sys);
    if (status < 0) {
        return status;
    }
    uv_mutex_lock(&worker->lock);
    list_add(&worker->waiting, work);
    uv_cond_signal(&worker->asked);
    uv_mutex_unlock(&worker->lock);
    return 0;
}

void weft_workers_end(struct weft_sys *sys)
{
    for (struct weft_worker *worker = sys->workers; worker; worker = worker->next) {
        uv_mutex_lock(&worker->lock);
        worker->ending = true;
        uv_cond_signal(&worker->asked);
        uv_mutex_unlock(&worker->lock);
        int status = uv_thread_join(&worker->thread);
        WEFT_ASSERT(status == 0 && !worker->waiting.first && !worker->ended.first); /* all jobs have ended */
    }
}

void weft_workers_free(struct weft_sys *sys)
{
    while (sys->workers) {
        struct weft_worker *worker = sys->workers;
        sys->workers = worker->next;
        uv_cond_destroy(&worker->asked);
        uv_mutex_destroy(&worker->lock);
        weft_free(worker);
    }
}
