/* sim/world.c - a world from a seed: its hosts, its clock, its files and names. */
#include "sim/world.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "host/address.h"
#include "sim/inside.h"

#define WALL_START  ((int64_t)1800000000 * WEFT_SECOND) /* when worlds begin: 15 January 2027 */
#define DELAY_MAX   ((uint64_t)3 * 1000)                /* microseconds: most things take less */
#define LONG_DELAY  ((uint64_t)80 * 1000)               /* ... but one in LONG_ONE_IN up to this */
#define LONG_ONE_IN 16
#define SOCKETS_MAX 1000
#define CORES       4
#define IDLE_TURNS  100 /* in a row at one moment: then the guest spins */
#define TIMERS_MAX                                                                                                     \
    (2 * 2 * WEFT_WORLD_LINKS_MAX + WEFT_WORLD_LISTENERS_MAX + WEFT_WORLD_JOBS_MAX + WEFT_WORLD_PROCESSES_MAX +        \
     WEFT_WORLD_HOSTS_MAX)

struct weft_world_host *weft_world_host_of(struct weft_host *host)
{
    return WEFT_CONTAINER(host, struct weft_world_host, host);
}

void weft_world_draw(struct weft_world *world, enum weft_mark_kind kind, const struct weft_world_host *lane,
                     const struct weft_world_host *other, int64_t number, struct weft_slice text)
{
    weft_timeline_add(world->timeline, world->now, kind, lane ? (size_t)(lane - world->hosts) : WEFT_TIMELINE_NOBODY,
                      other ? (size_t)(other - world->hosts) : WEFT_TIMELINE_NOBODY, number, text);
}

/* -- at once -- */

static weft_time host_now(struct weft_host *host)
{
    return weft_world_host_of(host)->world->now;
}

static int64_t host_wall(struct weft_host *host)
{
    const struct weft_world_host *own = weft_world_host_of(host);
    return WALL_START + own->world->now + own->wall_shift;
}

static void host_entropy(struct weft_host *host, void *buffer, size_t size)
{
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)weft_random_below(&weft_world_host_of(host)->world->random, 256);
    }
}

static void host_log(struct weft_host *host, enum weft_log_level level, struct weft_slice line)
{
    struct weft_world_host *own = weft_world_host_of(host);
    (void)level;
    weft_transcript_note(own->world->transcript, own->world->now, "%s logs: %.*s", own->name, (int)line.size,
                         line.data);
    weft_world_draw(own->world, WEFT_MARK_LOG, own, NULL, 0, line);
    if (line.size + 1 > WEFT_WORLD_LOG_MAX - own->log_used) {
        own->log_used = 0; /* what was said before is lost: a log is for looking at the last things */
    }
    WEFT_ASSERT(line.size + 1 <= WEFT_WORLD_LOG_MAX);
    memcpy(own->log + own->log_used, line.data, line.size);
    own->log_used += line.size;
    own->log[own->log_used++] = '\n';
    own->log[own->log_used] = '\0';
}

static size_t host_sockets_max(struct weft_host *host)
{
    return weft_world_host_of(host)->sockets_max;
}

static size_t host_cores(struct weft_host *host)
{
    return weft_world_host_of(host)->cores;
}

/* -- later -- */

void weft_world_after(struct weft_world *world, struct weft_timer *timer)
{
    uint64_t delay = 0;
    if (!world->calm) {
        bool slow = weft_random_below(&world->random, LONG_ONE_IN) == 0;
        delay = weft_random_below(&world->random, slow ? LONG_DELAY : DELAY_MAX);
    }
    weft_timer_set(&world->timers, timer, world->now + (weft_time)delay);
}

static void take_turn(struct weft_world_host *host)
{
    host->poked = false;
    host->deadline = host->guest.turn(host->guest.self, weft_clock_look(&host->clock, host->world->now));
    weft_clock_watch(&host->clock, host->deadline != WEFT_NEVER);
}

bool weft_world_waits(const struct weft_world_host *host, struct weft_timer *timer)
{
    if (host->wakes <= host->world->now) {
        return false;
    }
    weft_timer_set(&host->world->timers, timer, host->wakes);
    return true;
}

void weft_world_deliver(struct weft_world_host *host)
{
    if (!host->poked && host->guest.turn) {
        take_turn(host);
    }
    host->poked = true;
}

static struct weft_job *job_new(struct weft_world_host *host, enum weft_job_kind kind, const char *path, void *self)
{
    struct weft_world *world = host->world;
    for (size_t i = 0; i < WEFT_WORLD_JOBS_MAX; i++) {
        struct weft_job *job = &world->jobs[i];
        if (job->kind == WEFT_JOB_NONE) {
            job->kind = kind;
            job->host = host;
            job->self = self;
            int size = snprintf(job->path, sizeof(job->path), "%s", path);
            WEFT_ASSERT(size >= 0 && (size_t)size < sizeof(job->path));
            weft_world_after(world, &job->timer);
            return job;
        }
    }
    return NULL;
}

static int host_resolve(struct weft_host *host, const char *name, uint16_t port,
                        void (*done)(void *self, int status, const struct weft_address *addresses, size_t count),
                        void *self)
{
    struct weft_job *job = job_new(weft_world_host_of(host), WEFT_JOB_RESOLVE, name, self);
    if (!job) {
        return WEFT_ERR_FULL;
    }
    job->port = port;
    job->done.resolved = done;
    return 0;
}

static int host_read_file(struct weft_host *host, const char *path, size_t max,
                          void (*done)(void *self, int status, struct weft_slice content), void *self)
{
    struct weft_job *job = job_new(weft_world_host_of(host), WEFT_JOB_READ, path, self);
    if (!job) {
        return WEFT_ERR_FULL;
    }
    job->size = max;
    job->done.read = done;
    return 0;
}

static int host_write_file(struct weft_host *host, const char *path, struct weft_slice content, bool exclusive,
                           void (*done)(void *self, int status), void *self)
{
    if (content.size > WEFT_WORLD_FILE_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    struct weft_job *job = job_new(weft_world_host_of(host), WEFT_JOB_WRITE, path, self);
    if (!job) {
        return WEFT_ERR_FULL;
    }
    memcpy(job->data, content.data, content.size);
    job->size = content.size;
    job->exclusive = exclusive;
    job->done.written = done;
    return 0;
}

static int host_hash_file(struct weft_host *host, const char *path,
                          void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *self)
{
    struct weft_job *job = job_new(weft_world_host_of(host), WEFT_JOB_HASH, path, self);
    if (!job) {
        return WEFT_ERR_FULL;
    }
    job->done.hashed = done;
    return 0;
}

static void host_forget_hashes(struct weft_host *host, const void *self)
{
    struct weft_world *world = weft_world_host_of(host)->world;
    for (size_t i = 0; i < WEFT_WORLD_JOBS_MAX; i++) {
        struct weft_job *job = &world->jobs[i];
        if (job->kind == WEFT_JOB_HASH && &job->host->host == host && job->self == self) {
            job->done.hashed = NULL;
        }
    }
}

static struct weft_world_file *find_file(const struct weft_world_host *host, const char *path)
{
    for (size_t i = 0; i < WEFT_WORLD_FILES_MAX; i++) {
        if (strcmp(host->files[i].path, path) == 0) {
            return (struct weft_world_file *)(uintptr_t)&host->files[i];
        }
    }
    return NULL;
}

static int put_file(struct weft_world_host *host, const char *path, struct weft_slice content, bool exclusive)
{
    struct weft_world_file *file = find_file(host, path);
    if (file && exclusive) {
        return WEFT_ERR_EXISTS;
    }
    file = file ? file : find_file(host, "");
    if (!file) {
        return WEFT_ERR_FULL;
    }
    int size = snprintf(file->path, sizeof(file->path), "%s", path);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(file->path) && content.size <= WEFT_WORLD_FILE_MAX);
    memcpy(file->data, content.data, content.size);
    file->size = content.size;
    return 0;
}

static void end_resolve(struct weft_job *job)
{
    struct weft_world *world = job->host->world;
    struct weft_address addresses[WEFT_WORLD_ADDRESSES_MAX];
    char text[WEFT_WORLD_PATH_MAX + 8];
    size_t count = 0;
    int status = WEFT_ERR_NOT_FOUND;
    bool v6 = strchr(job->path, ':');
    (void)snprintf(text, sizeof(text), v6 ? "[%s]:0" : "%s:0", job->path); /* fits */
    if (weft_address_parse(weft_slice_text(text), &addresses[0]) == 0) {
        status = 0;
        count = 1;
    }
    for (size_t i = 0; i < world->name_count; i++) {
        if (strcmp(world->names[i].name, job->path) == 0) {
            status = world->names[i].status;
            count = world->names[i].count;
            memcpy(addresses, world->names[i].addresses, sizeof(addresses));
        }
    }
    for (size_t i = 0; i < count; i++) {
        addresses[i].port = job->port;
    }
    job->done.resolved(job->self, status, addresses, status < 0 ? 0 : count);
}

static void end_read(struct weft_job *job)
{
    const struct weft_world_file *file = find_file(job->host, job->path);
    int status = job->host->read_status;
    if (status == 0) {
        status = !file ? WEFT_ERR_NOT_FOUND : file->size > job->size ? WEFT_ERR_TOO_LARGE : 0;
    }
    job->done.read(job->self, status, status < 0 ? ((struct weft_slice){0}) : weft_slice(file->data, file->size));
}

/* Of a file that is there; and models, which are played, have a hash of their name. */
static void end_hash(struct weft_job *job)
{
    const struct weft_world_file *file = find_file(job->host, job->path);
    struct weft_slice content = file ? weft_slice(file->data, file->size) : weft_slice_text(job->path);
    struct weft_secret hash = weft_secret_of(content);
    int status = job->host->read_status;
    if (job->done.hashed) {
        job->done.hashed(job->self, status, status < 0 ? NULL : hash.hash);
    }
}

static void on_job(struct weft_timer *timer)
{
    static const char *const does[] = {[WEFT_JOB_NONE] = "",
                                       [WEFT_JOB_RESOLVE] = "resolves",
                                       [WEFT_JOB_READ] = "reads",
                                       [WEFT_JOB_WRITE] = "writes",
                                       [WEFT_JOB_HASH] = "hashes"};
    struct weft_job *job = WEFT_CONTAINER(timer, struct weft_job, timer);
    struct weft_world *world = job->host->world;
    enum weft_job_kind kind = job->kind;
    if (weft_world_waits(job->host, timer)) {
        return;
    }
    weft_world_deliver(job->host);
    weft_transcript_note(world->transcript, world->now, "%s: %s %s", job->host->name, does[kind], job->path);
    if (kind == WEFT_JOB_RESOLVE) {
        end_resolve(job);
    } else if (kind == WEFT_JOB_READ) {
        end_read(job);
    } else if (kind == WEFT_JOB_HASH) {
        end_hash(job);
    } else {
        int status = job->host->write_status;
        if (status == 0) {
            status = put_file(job->host, job->path, weft_slice(job->data, job->size), job->exclusive);
        }
        job->done.written(job->self, status);
    }
    job->kind = WEFT_JOB_NONE;
}

static const struct weft_host_ops ops = {
    .now = host_now,
    .wall = host_wall,
    .entropy = host_entropy,
    .log = host_log,
    .listen = weft_network_listen,
    .accept = weft_network_accept,
    .unlisten = weft_network_unlisten,
    .sockets_max = host_sockets_max,
    .attach = weft_network_attach,
    .read = weft_network_read,
    .write = weft_network_write,
    .close = weft_network_close,
    .dial = weft_network_dial,
    .resolve = host_resolve,
    .read_file = host_read_file,
    .write_file = host_write_file,
    .hash_file = host_hash_file,
    .forget_hashes = host_forget_hashes,
    .store = weft_world_store,
    .spawn = weft_processes_spawn,
    .kill = weft_processes_kill,
    .disown = weft_processes_disown,
    .shared = weft_processes_shared,
    .process_id = weft_processes_id,
    .cores = host_cores,
};

/* -- the world -- */

int weft_world_new(struct weft_world **out, const struct weft_world_options *options)
{
    struct weft_world *world = *out = weft_zalloc(sizeof(*world));
    if (!world) {
        return WEFT_ERR_MEMORY;
    }
    weft_random_init(&world->random, options->seed);
    weft_timers_init(&world->timers);
    world->calm = options->calm;
    world->transcript = options->transcript;
    world->timeline = options->timeline;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        int error = weft_timers_reserve(&world->timers);
        if (error < 0) {
            weft_world_free(world);
            *out = NULL;
            return error;
        }
    }
    for (size_t i = 0; i < WEFT_WORLD_JOBS_MAX; i++) {
        weft_timer_init(&world->jobs[i].timer, on_job);
    }
    weft_network_init(world);
    weft_processes_init(world);
    return 0;
}

void weft_world_free(struct weft_world *world)
{
    if (world) {
        while (world->timers.count > 0) {
            weft_timer_clear(&world->timers, world->timers.heap[1]);
        }
        weft_timers_deinit(&world->timers);
        weft_free(world);
    }
}

weft_time weft_world_now(const struct weft_world *world)
{
    return world->now;
}

uint64_t weft_world_below(struct weft_world *world, uint64_t bound)
{
    return weft_random_below(&world->random, bound);
}

void weft_world_note(struct weft_world *world, const char *text)
{
    weft_transcript_note(world->transcript, world->now, "%s", text);
    weft_world_draw(world, WEFT_MARK_NOTE, NULL, NULL, 0, weft_slice_text(text));
}

void weft_world_fault(struct weft_host *host, struct weft_host *other, weft_time span, const char *text)
{
    struct weft_world_host *own = weft_world_host_of(host), *second = other ? weft_world_host_of(other) : NULL;
    weft_transcript_note(own->world->transcript, own->world->now, "%s%s%s: %s for %lld ms", own->name,
                         second ? " and " : "", second ? second->name : "", text, (long long)(span / WEFT_MS));
    weft_world_draw(own->world, WEFT_MARK_FAULT, own, second, span, weft_slice_text(text));
}

struct weft_host *weft_world_host(struct weft_world *world, const char *name)
{
    WEFT_ASSERT(world->host_count < WEFT_WORLD_HOSTS_MAX);
    struct weft_world_host *host = &world->hosts[world->host_count++];
    host->host.ops = &ops;
    host->world = world;
    host->name = name;
    host->deadline = WEFT_NEVER;
    host->sockets_max = SOCKETS_MAX;
    host->cores = CORES;
    weft_timeline_lane(world->timeline, world->host_count - 1, name);
    weft_world_store_init(host);
    return &host->host;
}

void weft_world_crash(struct weft_host *host)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world *world = own->world;
    WEFT_ASSERT(!own->guest.turn);
    for (size_t i = 0; i < WEFT_WORLD_JOBS_MAX; i++) {
        struct weft_job *job = &world->jobs[i];
        if (job->kind == WEFT_JOB_NONE || job->host != own) {
            continue;
        }
        if (job->kind == WEFT_JOB_WRITE && own->write_status == 0 && weft_random_below(&world->random, 2)) {
            /* Nobody is told, be it that there is such a file already. */
            (void)put_file(own, job->path, weft_slice(job->data, job->size), job->exclusive);
        }
        weft_timer_clear(&world->timers, &job->timer);
        job->kind = WEFT_JOB_NONE;
    }
    weft_world_crash_store(host);
}

void weft_world_set_guest(struct weft_host *host, struct weft_guest guest)
{
    struct weft_world_host *own = weft_world_host_of(host);
    own->guest = guest;
    own->deadline = WEFT_NEVER;
    own->poked = false;
    weft_clock_init(&own->clock);
}

void weft_world_stop(struct weft_host *host, weft_time span)
{
    struct weft_world_host *own = weft_world_host_of(host);
    weft_time until = own->world->now + span;
    own->wakes = until > own->wakes ? until : own->wakes; /* what waits for the later one stays there */
    weft_world_fault(host, NULL, span, "stops");
}

weft_time weft_world_clock(struct weft_host *host)
{
    return weft_clock_look(&weft_world_host_of(host)->clock, weft_world_host_of(host)->world->now);
}

void weft_world_wake(struct weft_host *host)
{
    weft_world_host_of(host)->wakes = weft_world_host_of(host)->world->now;
}

void weft_world_jump(struct weft_host *host, int64_t by)
{
    weft_world_host_of(host)->wall_shift += by;
}

void weft_world_poke(struct weft_host *host)
{
    weft_world_host_of(host)->poked = true;
}

void weft_world_set_sockets_max(struct weft_host *host, size_t sockets)
{
    weft_world_host_of(host)->sockets_max = sockets;
}

void weft_world_set_cores(struct weft_host *host, size_t cores)
{
    weft_world_host_of(host)->cores = cores;
}

const char *weft_world_log(const struct weft_host *host)
{
    return ((const struct weft_world_host *)(const void *)host)->log;
}

void weft_world_fail_files(struct weft_host *host, int read, int write)
{
    weft_world_host_of(host)->read_status = read;
    weft_world_host_of(host)->write_status = write;
}

void weft_world_put_file(struct weft_host *host, const char *path, struct weft_slice content)
{
    int error = put_file(weft_world_host_of(host), path, content, false);
    WEFT_ASSERT(error == 0);
}

struct weft_slice weft_world_file(const struct weft_host *host, const char *path)
{
    const struct weft_world_file *file = find_file((const struct weft_world_host *)(const void *)host, path);
    return file ? weft_slice(file->data, file->size) : (struct weft_slice){0};
}

void weft_world_name(struct weft_world *world, const char *name, int status, const char *const *addresses, size_t count)
{
    WEFT_ASSERT(world->name_count < WEFT_WORLD_NAMES_MAX && count <= WEFT_WORLD_ADDRESSES_MAX);
    struct weft_world_name *entry = &world->names[world->name_count++];
    *entry = (struct weft_world_name){.name = name, .status = status, .count = count};
    for (size_t i = 0; i < count; i++) {
        int error = weft_address_parse(weft_slice_text(addresses[i]), &entry->addresses[i]);
        WEFT_ASSERT(error == 0);
    }
}

void weft_world_fail_dials(struct weft_host *host, unsigned count)
{
    weft_world_host_of(host)->dials_to_fail = count;
}

void weft_world_trouble(struct weft_host *host, bool deaf, bool spoils)
{
    weft_world_host_of(host)->deaf = deaf;
    weft_world_host_of(host)->spoils = spoils;
}

/* -- time -- */

/* When a host's guest next wants something, be it only to look at its clock. */
static weft_time next_of(const struct weft_world_host *host)
{
    if (!host->guest.turn) {
        return WEFT_NEVER;
    }
    weft_time at = host->poked ? host->world->now : weft_clock_machine(&host->clock, host->deadline);
    weft_time beat = host->clock.watched ? host->clock.seen + WEFT_CLOCK_BEAT : WEFT_NEVER;
    at = beat < at ? beat : at;
    return at < host->wakes ? host->wakes : at;
}

static weft_time next_moment(const struct weft_world *world)
{
    weft_time next = weft_timers_next(&world->timers);
    for (size_t i = 0; i < world->host_count; i++) {
        weft_time wants = next_of(&world->hosts[i]);
        next = wants < next ? wants : next;
    }
    return next < world->now ? world->now : next;
}

/* One batch of callbacks: sometimes a single one, sometimes all that are due. */
static void run_events(struct weft_world *world)
{
    while (weft_timers_next(&world->timers) <= world->now) {
        struct weft_timer *timer = world->timers.heap[1];
        weft_timer_clear(&world->timers, timer);
        timer->fire(timer);
        if (weft_random_below(&world->random, 2)) {
            return;
        }
    }
}

static void run_turns(struct weft_world *world)
{
    for (size_t i = 0; i < world->host_count; i++) {
        struct weft_world_host *host = &world->hosts[i];
        if (next_of(host) > world->now) {
            continue;
        }
        weft_time now = weft_clock_look(&host->clock, world->now);
        if (!host->poked && host->deadline > now) {
            continue; /* it was only a beat */
        }
        host->idle_turns = host->poked ? 0 : host->idle_turns + 1;
        WEFT_ASSERT(host->idle_turns < IDLE_TURNS); /* a deadline in the past, again and again: the guest spins */
        take_turn(host);
    }
}

bool weft_world_run(struct weft_world *world, weft_time limit, bool (*done)(void *self), void *self)
{
    while (!done || !done(self)) {
        weft_time next = next_moment(world);
        if (next > limit || next == WEFT_NEVER) {
            return false;
        }
        if (next > world->now) {
            world->now = next;
            for (size_t i = 0; i < world->host_count; i++) {
                world->hosts[i].idle_turns = 0;
            }
        }
        run_events(world);
        run_turns(world);
    }
    return true;
}

void weft_world_pass(struct weft_world *world, weft_time time)
{
    weft_time until = world->now + time;
    (void)weft_world_run(world, until, NULL, NULL); /* false: that is how it ends */
    world->now = until;
}
