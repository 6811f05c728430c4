/* store/store.c - host's store operations, with SQLite on a thread of its own. */
#include "store/store.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/tables.h"
#include "sys/worker.h"

struct weft_store {
    struct weft_sys *sys;
    struct weft_worker *worker; /* NULL until somebody asks for something */
    size_t queued;
    struct weft_database database; /* the worker's */
};

struct job {
    struct weft_work work;
    struct weft_store *store;
    weft_store_done *done;
    void *self;
    struct weft_store_op op;
    int status;
    struct weft_store_result result;
    char problem[WEFT_STORE_PROBLEM_MAX];
    char path[]; /* op.path, if it has one */
};

static void run(struct weft_work *work)
{
    struct job *job = WEFT_CONTAINER(work, struct job, work);
    struct weft_database *database = &job->store->database;
    job->status = weft_tables_run(database, &job->op, &job->result);
    if (job->status < 0 && database->problem[0]) {
        memcpy(job->problem, database->problem, sizeof(job->problem)); /* the next job has its own */
        job->result.problem = job->problem;
    }
}

static void finish(struct weft_work *work, bool wanted)
{
    struct job *job = WEFT_CONTAINER(work, struct job, work);
    job->store->queued--;
    if (wanted) {
        job->done(job->self, job->status, &job->result);
    }
    weft_free(job);
}

static int ask(void *self, const struct weft_store_op *op, weft_store_done *done, void *done_self)
{
    struct weft_store *store = self;
    int status = weft_store_op_check(op);
    if (status < 0) {
        return status;
    }
    if (store->queued >= WEFT_STORE_QUEUE_MAX) {
        return WEFT_ERR_FULL;
    }
    if (!store->worker) {
        status = weft_worker_new(&store->worker, store->sys);
        if (status < 0) {
            return status;
        }
    }
    size_t path_size = op->kind == WEFT_STORE_OPEN ? strlen(op->path) + 1 : 0;
    struct job *job = weft_zalloc(sizeof(*job) + path_size);
    if (!job) {
        return WEFT_ERR_MEMORY;
    }
    *job =
        (struct job){.work = {.run = run, .done = finish}, .store = store, .done = done, .self = done_self, .op = *op};
    if (path_size > 0) {
        memcpy(job->path, op->path, path_size);
        job->op.path = job->path;
    }
    status = weft_worker_add(store->worker, &job->work);
    if (status < 0) {
        weft_free(job);
        return status;
    }
    store->queued++;
    return 0;
}

int weft_store_new(struct weft_store **out, struct weft_sys *sys)
{
    struct weft_store *store = *out = weft_zalloc(sizeof(*store));
    if (!store) {
        return WEFT_ERR_MEMORY;
    }
    store->sys = sys;
    weft_sys_set_store(sys, ask, store);
    return 0;
}

void weft_store_free(struct weft_store *store)
{
    if (store) {
        weft_database_close(&store->database); /* nothing is done with one that is not open */
        weft_free(store);
    }
}
