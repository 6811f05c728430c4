/* sys/file.c - whole small files, read and written on a worker thread.
 *
 * A file is written beside its place, made durable, then put there as one step: a reader finds the old content or the
 * new, and after a power cut too. */
#include "sys/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

#define PATH_SIZE_MAX    4096
#define CONTENT_SIZE_MAX ((size_t)16 * 1024 * 1024) /* larger things are not whole small files */

struct job {
    uv_work_t request;
    struct weft_sys *sys;
    void (*read_done)(void *self, int status, struct weft_slice content); /* for a read */
    void (*write_done)(void *self, int status);                           /* for a write */
    void *self;
    bool exclusive;
    int status;   /* errno, then a WEFT_ERR_* once back on the loop; the worker's until then */
    bool too_big; /* a read that found more than `max` */
    size_t size;  /* of the content */
    char *content;
    size_t content_room;
    char path[];
};

/* -- on the worker: nothing of the loop is touched, nothing is allocated -- */

static int write_all(int descriptor, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(descriptor, data, size);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

static void read_work(uv_work_t *request)
{
    struct job *job = WEFT_CONTAINER(request, struct job, request);
    struct stat there;
    int descriptor = open(job->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO would wait for its writer */
    if (descriptor < 0) {
        job->status = errno;
        return;
    }
    if (fstat(descriptor, &there) != 0) {
        job->status = errno;
    } else if (!S_ISREG(there.st_mode)) {
        job->status = EINVAL;
    }
    while (job->status == 0 && job->size < job->content_room) {
        ssize_t got = read(descriptor, job->content + job->size, job->content_room - job->size);
        if (got < 0 && errno != EINTR) {
            job->status = errno;
        } else if (got > 0) {
            job->size += (size_t)got;
        } else if (got == 0) {
            break;
        }
    }
    job->too_big = job->size == job->content_room; /* one byte more than asked for */
    (void)close(descriptor);                       /* only read from */
}

/* Makes the folders of `path` that are not there, mode 0700. `path` is changed while it runs. */
static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int status = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
        *slash = '/';
        if (status != 0 && status != EROFS && status != EACCES) { /* these may be said of folders that are there */
            return status;
        }
    }
    return 0;
}

/* The name in its folder survives a power cut only when the folder is written too. */
static int sync_folder(const char *path)
{
    char folder[PATH_SIZE_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash) {
        size_t size = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return errno;
    }
    int status = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno; /* some file systems cannot, and need not */
    (void)close(descriptor);                                            /* nothing was written through it */
    return status;
}

static int put_in_place(const char *temporary, const char *path, bool exclusive)
{
    if (!exclusive) {
        return rename(temporary, path) == 0 ? 0 : errno;
    }
    if (link(temporary, path) != 0) { /* unlike rename it never replaces */
        return errno;
    }
    (void)unlink(temporary); /* a second name of the same file: ugly if it stays, not wrong */
    return 0;
}

static void write_work(uv_work_t *request)
{
    struct job *job = WEFT_CONTAINER(request, struct job, request);
    char temporary[PATH_SIZE_MAX + 8];
    job->status = make_folders(job->path);
    if (job->status != 0) {
        return;
    }
    (void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", job->path); /* fits: the path was measured */
    int descriptor = mkostemp(temporary, O_CLOEXEC);                      /* mode 0600 */
    if (descriptor < 0) {
        job->status = errno;
        return;
    }
    int status = write_all(descriptor, job->content, job->size);
    if (status == 0 && fsync(descriptor) != 0) {
        status = errno;
    }
    if (close(descriptor) != 0 && status == 0) {
        status = errno;
    }
    if (status == 0) {
        status = put_in_place(temporary, job->path, job->exclusive);
    }
    if (status != 0) {
        (void)unlink(temporary); /* it may be there or not */
    } else {
        status = sync_folder(job->path);
    }
    job->status = status;
}

/* -- on the loop -- */

/* Keys pass through here: their bytes do not stay behind in freed memory. */
static void wipe(char *data, size_t size)
{
    volatile char *at = data;
    while (size-- > 0) {
        *at++ = 0;
    }
}

static void job_free(struct job *job)
{
    wipe(job->content, job->content_room);
    weft_free(job->content);
    weft_free(job);
}

static void on_done(uv_work_t *request, int cancelled)
{
    struct job *job = WEFT_CONTAINER(request, struct job, request);
    struct weft_sys *sys = job->sys;
    int status = cancelled ? cancelled : job->status ? uv_translate_sys_error(job->status) : 0;
    status = status == 0 && job->too_big ? WEFT_ERR_TOO_LARGE : weft_sys_error(status);
    weft_sys_job_end(sys);
    if (!sys->over && job->read_done) {
        job->read_done(job->self, status, weft_slice(status == 0 ? job->content : NULL, status == 0 ? job->size : 0));
    } else if (!sys->over) {
        job->write_done(job->self, status);
    }
    job_free(job);
}

static int job_new(struct weft_sys *sys, const char *path, size_t room, struct job **out)
{
    size_t size = strnlen(path, PATH_SIZE_MAX);
    if (size == 0 || size >= PATH_SIZE_MAX) {
        return WEFT_ERR_INVALID;
    }
    if (room > CONTENT_SIZE_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    struct job *job = weft_zalloc(sizeof(*job) + size + 1);
    if (!job) {
        return WEFT_ERR_MEMORY;
    }
    job->content = weft_alloc(room);
    if (!job->content) {
        weft_free(job);
        return WEFT_ERR_MEMORY;
    }
    job->content_room = room;
    job->sys = sys;
    memcpy(job->path, path, size);
    *out = job;
    return 0;
}

static int job_start(struct job *job, uv_work_cb work)
{
    int status = weft_sys_job_begin(job->sys);
    if (status < 0) {
        job_free(job);
        return status;
    }
    status = uv_queue_work(&job->sys->loop, &job->request, work, on_done);
    if (status < 0) {
        weft_sys_job_end(job->sys);
        job_free(job);
        return weft_sys_error(status);
    }
    return 0;
}

int weft_file_read(struct weft_host *host, const char *path, size_t max,
                   void (*done)(void *self, int status, struct weft_slice content), void *self)
{
    struct job *job;
    int status = job_new(WEFT_CONTAINER(host, struct weft_sys, host), path, max + 1, &job);
    if (status < 0) {
        return status;
    }
    job->read_done = done;
    job->self = self;
    return job_start(job, read_work);
}

int weft_file_write(struct weft_host *host, const char *path, struct weft_slice content, bool exclusive,
                    void (*done)(void *self, int status), void *self)
{
    struct job *job;
    int status = job_new(WEFT_CONTAINER(host, struct weft_sys, host), path, content.size, &job);
    if (status < 0) {
        return status;
    }
    if (content.size > 0) {
        memcpy(job->content, content.data, content.size);
    }
    job->size = content.size;
    job->exclusive = exclusive;
    job->write_done = done;
    job->self = self;
    return job_start(job, write_work);
}
