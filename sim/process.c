/* sim/process.c - children of hosts: played by others, started and ended here. */
#include "base/assert.h"
#include "base/error.h"
#include "sim/inside.h"

#define ID_FIRST 1000

static void on_notice(struct weft_timer *timer)
{
    struct weft_process *process = WEFT_CONTAINER(timer, struct weft_process, notice);
    if (weft_world_waits(process->host, timer)) {
        return;
    }
    weft_world_deliver(process->host);
    struct weft_process ended = *process;
    process->host = NULL; /* its place is free: its parent may start another one at once */
    if (ended.user) {
        ended.user->exited(ended.self, ended.code, ended.signal);
    }
}

void weft_processes_init(struct weft_world *world)
{
    for (size_t i = 0; i < WEFT_WORLD_PROCESSES_MAX; i++) {
        weft_timer_init(&world->processes[i].notice, on_notice);
    }
}

static const struct weft_program *find_program(const struct weft_world_host *host, const char *path)
{
    for (size_t i = 0; i < host->program_count; i++) {
        if (strcmp(host->programs[i]->path, path) == 0) {
            return host->programs[i];
        }
    }
    return NULL;
}

static struct weft_process *find_free(struct weft_world *world)
{
    for (size_t i = 0; i < WEFT_WORLD_PROCESSES_MAX; i++) {
        if (!world->processes[i].host) {
            return &world->processes[i];
        }
    }
    return NULL;
}

int weft_processes_spawn(struct weft_host *host, const struct weft_spawn *spawn, const struct weft_process_user *user,
                         void *self, struct weft_process **out, struct weft_socket **socket)
{
    struct weft_world_host *own = weft_world_host_of(host);
    struct weft_world *world = own->world;
    const struct weft_program *program = find_program(own, spawn->program);
    struct weft_process *process = find_free(world);
    struct weft_socket *ends[2];
    WEFT_ASSERT(spawn->shared <= WEFT_WORLD_SHARED_MAX);
    *out = NULL;
    *socket = NULL;
    if (!program || program->status < 0) {
        return program ? program->status : WEFT_ERR_NOT_FOUND;
    }
    if (!process) {
        return WEFT_ERR_FULL;
    }
    int error = weft_network_pair(own, weft_world_host_of(program->host), ends);
    if (error < 0) {
        return error;
    }
    process->host = own;
    process->program = program;
    process->user = user;
    process->self = self;
    process->id = ID_FIRST + world->process_count++;
    process->ended = false;
    process->shares = spawn->shared > 0;
    memset(process->shared, 0, sizeof(process->shared));
    *out = process;
    *socket = ends[0];
    weft_transcript_note(world->transcript, world->now, "%s starts %s: process %u", own->name, program->path,
                         (unsigned)process->id);
    weft_world_poke(program->host);
    program->started(program->self, process, spawn, ends[1]);
    return 0;
}

void weft_world_exit(struct weft_process *process, int code, int signal)
{
    struct weft_world *world = process->host->world;
    WEFT_ASSERT(!process->ended); /* once */
    process->ended = true;
    process->code = code;
    process->signal = signal;
    weft_transcript_note(world->transcript, world->now, "process %u ends: code %d, signal %d", (unsigned)process->id,
                         code, signal);
    weft_world_after(world, &process->notice);
}

void weft_processes_kill(struct weft_process *process, bool now)
{
    if (process->ended) {
        return; /* `exited` is under way */
    }
    weft_world_poke(process->program->host);
    process->program->killed(process->program->self, process, now);
    if (now) {
        weft_world_exit(process, 0, WEFT_WORLD_KILLED);
    }
}

void weft_processes_disown(struct weft_process *process)
{
    process->user = NULL;
    weft_processes_kill(process, true);
}

void *weft_processes_shared(const struct weft_process *process)
{
    return process->shares ? (void *)(uintptr_t)process->shared : NULL; /* both may write it */
}

int64_t weft_processes_id(const struct weft_process *process)
{
    return process->id;
}

void weft_world_add_program(struct weft_host *host, const struct weft_program *program)
{
    struct weft_world_host *own = weft_world_host_of(host);
    WEFT_ASSERT(own->program_count < WEFT_WORLD_PROGRAMS_MAX);
    own->programs[own->program_count++] = program;
}

size_t weft_world_processes(const struct weft_host *host)
{
    const struct weft_world_host *own = (const struct weft_world_host *)(const void *)host;
    size_t count = 0;
    for (size_t i = 0; i < WEFT_WORLD_PROCESSES_MAX; i++) {
        count += own->world->processes[i].host == own && !own->world->processes[i].ended;
    }
    return count;
}
