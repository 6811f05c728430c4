/* store/hashes.c - host's hashes of large files. */
#include "store/hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "sys/worker.h"

#define PATH_MAX_SIZE 4096
#define BLOCK         ((size_t)256 * 1024) /* read at once: between two it is seen whether anybody still asks */
#define LINE_MAX_SIZE 192                  /* of what is kept: 64 digits and four numbers */
#define NS            1000000000           /* of a second */

/* A file that has not been touched since looks the same. */
struct look {
    int64_t size, number, modified_ns, changed_ns;
};

struct kept {
    struct look look;
    uint8_t hash[WEFT_DIGEST_SIZE];
};

struct job {
    struct weft_work work;
    struct weft_hashes *hashes;
    struct job *next;
    void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]); /* NULL: forgotten */
    void *self;
    atomic_bool unwanted; /* the same, for the worker */
    struct weft_digest *digest;
    int status;
    uint8_t hash[WEFT_DIGEST_SIZE];
    char path[];
};

struct weft_hashes {
    struct weft_sys *sys;
    struct weft_worker *worker; /* NULL until somebody asks for something */
    struct job *first;          /* that are not done */
    char path[PATH_MAX_SIZE];   /* of what is kept */

    /* the worker's */
    bool was_read;
    size_t count;
    struct kept kept[WEFT_HASHES_KEPT_MAX]; /* the oldest first */
    char block[BLOCK];
};

/* -- on the worker: nothing of the loop is touched, nothing is allocated by base/mem.h -- */

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * NS + time.tv_nsec;
}

static struct look look_of(const struct stat *there)
{
    return (struct look){
        .size = (int64_t)there->st_size,
        .number = (int64_t)there->st_ino,
#ifdef __APPLE__
        .modified_ns = nanoseconds(there->st_mtimespec),
        .changed_ns = nanoseconds(there->st_ctimespec),
#else
        .modified_ns = nanoseconds(there->st_mtim),
        .changed_ns = nanoseconds(there->st_ctim),
#endif
    };
}

static bool same_look(const struct look *one, const struct look *other)
{
    return one->size == other->size && one->number == other->number && one->modified_ns == other->modified_ns &&
           one->changed_ns == other->changed_ns;
}

static void keep(struct weft_hashes *hashes, const struct look *look, const uint8_t hash[WEFT_DIGEST_SIZE])
{
    if (hashes->count == WEFT_HASHES_KEPT_MAX) {
        hashes->count--;
        memmove(&hashes->kept[0], &hashes->kept[1], hashes->count * sizeof(hashes->kept[0]));
    }
    struct kept *kept = &hashes->kept[hashes->count++];
    kept->look = *look;
    memcpy(kept->hash, hash, sizeof(kept->hash));
}

/* Moves on behind it, and behind the `end` that must follow. */
static bool read_number(const char **at, char end, int64_t *value)
{
    char *behind;
    errno = 0;
    long long number = strtoll(*at, &behind, 10);
    if (behind == *at || errno != 0 || *behind != end) {
        return false;
    }
    *value = number;
    *at = behind + 1;
    return true;
}

static bool read_line(const char *line, struct kept *kept)
{
    for (size_t i = 0; i < WEFT_DIGEST_SIZE; i++) {
        int high = weft_hex_value(line[2 * i]), low = high < 0 ? -1 : weft_hex_value(line[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        kept->hash[i] = (uint8_t)(high * 16 + low);
    }
    const char *at = line + (size_t)2 * WEFT_DIGEST_SIZE;
    struct look *look = &kept->look;
    return *at++ == ' ' && read_number(&at, ' ', &look->size) && read_number(&at, ' ', &look->number) &&
           read_number(&at, ' ', &look->modified_ns) && read_number(&at, '\n', &look->changed_ns);
}

static void read_kept(struct weft_hashes *hashes)
{
    char line[LINE_MAX_SIZE];
    struct kept kept;
    FILE *file = fopen(hashes->path, "re");
    hashes->was_read = true;
    if (!file) {
        return; /* there is none yet, or it cannot be read: as if there were none */
    }
    while (fgets(line, sizeof(line), file)) {
        if (read_line(line, &kept)) { /* what is no such line costs a file's being read once more */
            keep(hashes, &kept.look, kept.hash);
        }
    }
    (void)fclose(file); /* only read from */
}

static bool write_lines(const struct weft_hashes *hashes, FILE *file)
{
    bool whole = true;
    for (size_t i = 0; i < hashes->count; i++) {
        const struct kept *kept = &hashes->kept[i];
        char hash[2 * WEFT_DIGEST_SIZE + 1];
        weft_hex(hash, kept->hash, sizeof(kept->hash));
        int size = fprintf(file, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", hash, kept->look.size,
                           kept->look.number, kept->look.modified_ns, kept->look.changed_ns);
        whole = whole && size > 0;
    }
    return whole;
}

/* As one step. Whether it lasts through a power cut does not matter. */
static void write_kept(const struct weft_hashes *hashes)
{
    char path[PATH_MAX_SIZE + 8];
    (void)snprintf(path, sizeof(path), "%s.new", hashes->path); /* fits */
    FILE *file = fopen(path, "we");
    if (!file) {
        return;
    }
    bool whole = write_lines(hashes, file);
    whole = fclose(file) == 0 && whole;
    if (!whole || rename(path, hashes->path) != 0) {
        (void)unlink(path); /* it may be there or not */
    }
}

static int error_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return WEFT_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return WEFT_ERR_DENIED;
    default:
        return WEFT_ERR_IO;
    }
}

static int read_file(struct job *job, int descriptor)
{
    char *block = job->hashes->block;
    for (;;) {
        ssize_t got = read(descriptor, block, BLOCK);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return error_of(errno);
        }
        if (atomic_load(&job->unwanted)) {
            return WEFT_ERR_CANCELLED;
        }
        weft_digest_add(job->digest, block, got > 0 ? (size_t)got : 0);
    }
    weft_digest_finish(job->digest, job->hash);
    return 0;
}

static int hash_open(struct job *job, int descriptor)
{
    struct weft_hashes *hashes = job->hashes;
    struct stat there;
    if (fstat(descriptor, &there) != 0) {
        return error_of(errno);
    }
    if (!S_ISREG(there.st_mode)) {
        return WEFT_ERR_INVALID;
    }
    struct look before = look_of(&there);
    for (size_t i = 0; i < hashes->count; i++) {
        if (same_look(&hashes->kept[i].look, &before)) {
            memcpy(job->hash, hashes->kept[i].hash, sizeof(job->hash));
            return 0;
        }
    }
    int status = read_file(job, descriptor);
    if (status < 0) {
        return status;
    }
    if (fstat(descriptor, &there) != 0) {
        return error_of(errno);
    }
    struct look after = look_of(&there);
    if (!same_look(&before, &after)) {
        return WEFT_ERR_BUSY;
    }
    keep(hashes, &before, job->hash);
    write_kept(hashes);
    return 0;
}

static void run(struct weft_work *work)
{
    struct job *job = WEFT_CONTAINER(work, struct job, work);
    if (!job->hashes->was_read) {
        read_kept(job->hashes);
    }
    int descriptor = open(job->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO would wait for its writer */
    if (descriptor < 0) {
        job->status = error_of(errno);
        return;
    }
    job->status = hash_open(job, descriptor);
    (void)close(descriptor); /* only read from */
}

/* -- on the loop -- */

static void job_free(struct job *job)
{
    weft_digest_free(job->digest);
    weft_free(job);
}

static void finish(struct weft_work *work, bool wanted)
{
    struct job *job = WEFT_CONTAINER(work, struct job, work);
    struct job **at = &job->hashes->first;
    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    if (wanted && job->done) {
        job->done(job->self, job->status, job->status < 0 ? NULL : job->hash);
    }
    job_free(job);
}

static int ask(void *self, const char *path,
               void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *done_self)
{
    struct weft_hashes *hashes = self;
    int status = hashes->worker ? 0 : weft_worker_new(&hashes->worker, hashes->sys);
    if (status < 0) {
        return status;
    }
    size_t size = strlen(path) + 1;
    struct job *job = weft_zalloc(sizeof(*job) + size);
    if (!job) {
        return WEFT_ERR_MEMORY;
    }
    job->work = (struct weft_work){.run = run, .done = finish};
    job->hashes = hashes;
    job->done = done;
    job->self = done_self;
    memcpy(job->path, path, size);
    status = weft_digest_new(&job->digest);
    if (status == 0) {
        status = weft_worker_add(hashes->worker, &job->work);
    }
    if (status < 0) {
        job_free(job);
        return status;
    }
    job->next = hashes->first;
    hashes->first = job;
    return 0;
}

static void forget(void *self, const void *done_self)
{
    const struct weft_hashes *hashes = self;
    for (struct job *job = hashes->first; job; job = job->next) {
        if (job->self == done_self) {
            job->done = NULL;
            atomic_store(&job->unwanted, true);
        }
    }
}

int weft_hashes_new(struct weft_hashes **out, struct weft_sys *sys, const char *folder)
{
    struct weft_hashes *hashes = *out = weft_zalloc(sizeof(*hashes));
    if (!hashes) {
        return WEFT_ERR_MEMORY;
    }
    int size = snprintf(hashes->path, sizeof(hashes->path), "%s/%s", folder, WEFT_HASHES_FILE);
    if (size < 0 || (size_t)size >= sizeof(hashes->path)) {
        weft_free(hashes);
        *out = NULL;
        return WEFT_ERR_TOO_LARGE;
    }
    hashes->sys = sys;
    weft_sys_set_hasher(sys, &(const struct weft_sys_hasher){.ask = ask, .forget = forget, .self = hashes});
    return 0;
}

void weft_hashes_free(struct weft_hashes *hashes)
{
    weft_free(hashes);
}
