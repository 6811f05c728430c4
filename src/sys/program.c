/* sys/program.c - another program of ours, on a loop that lives as long as it does. */
#include "sys/program.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "sys/inside.h"

#define REST_SIZE 4096 /* for what is dropped */

int weft_program_beside(const char *name, char out[WEFT_PROGRAM_PATH_MAX])
{
    char self[WEFT_PROGRAM_PATH_MAX];
    size_t size = sizeof(self);
    int status = uv_exepath(self, &size);
    if (status < 0) {
        return weft_sys_error(status);
    }
    const char *slash = strrchr(self, '/');
    int folder = slash ? (int)(slash - self) + 1 : 0;
    int written = snprintf(out, WEFT_PROGRAM_PATH_MAX, "%.*s%s", folder, self, name);
    return written < WEFT_PROGRAM_PATH_MAX ? 0 : WEFT_ERR_TOO_LARGE;
}

struct run {
    uv_loop_t loop;
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t alarm;
    int status;
    char *out;
    size_t filled, room; /* room: without the NUL */
    char rest[REST_SIZE];
};

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct run *run = handle->data;
    (void)wanted;
    *buffer = run->filled < run->room ? uv_buf_init(run->out + run->filled, (unsigned)(run->room - run->filled))
                                      : uv_buf_init(run->rest, sizeof(run->rest));
}

/* The child has ended and nobody holds its pipe: no reason to wait for the alarm. */
static void check_done(struct run *run)
{
    if (uv_is_closing((uv_handle_t *)&run->process) && uv_is_closing((uv_handle_t *)&run->output) &&
        !uv_is_closing((uv_handle_t *)&run->alarm)) {
        uv_close((uv_handle_t *)&run->alarm, NULL);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct run *run = stream->data;
    if (got < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        check_done(run);
    } else if (buffer->base != run->rest) {
        run->filled += (size_t)got;
    }
}

static void on_exit(uv_process_t *process, int64_t code, int signal)
{
    struct run *run = process->data;
    if (run->status == 0 && (code != 0 || signal != 0)) {
        run->status = WEFT_ERR_INVALID;
    }
    uv_close((uv_handle_t *)process, NULL);
    check_done(run);
}

/* Ends the child; a grandchild may hold the pipe open for as long as it likes. */
static void on_alarm(uv_timer_t *alarm)
{
    struct run *run = alarm->data;
    run->status = WEFT_ERR_TIMEOUT;
    if (!uv_is_closing((uv_handle_t *)&run->process)) {
        (void)uv_process_kill(&run->process, SIGKILL); /* fails only if it has just ended */
    }
    if (!uv_is_closing((uv_handle_t *)&run->output)) {
        uv_close((uv_handle_t *)&run->output, NULL);
    }
    check_done(run);
}

static int start(struct run *run, const char *const *argv)
{
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->output},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    const uv_process_options_t options = {
        .exit_cb = on_exit,
        .file = argv[0],
        .args = (char **)(uintptr_t)argv, /* execvp() promises to change nothing there */
        .stdio_count = sizeof(stdio) / sizeof(stdio[0]),
        .stdio = stdio,
    };
    int status = uv_spawn(&run->loop, &run->process, &options);
    if (status < 0) {
        return weft_sys_error(status);
    }
    /* Neither can fail with handles that are open. */
    (void)uv_read_start((uv_stream_t *)&run->output, on_alloc, on_read);
    (void)uv_timer_start(&run->alarm, on_alarm, (uint64_t)(WEFT_PROGRAM_WAIT / 1000), 0);
    return 0;
}

int weft_program_output(const char *const *argv, char *out, size_t size)
{
    struct run run = {.out = out, .room = size - 1};
    out[0] = '\0';
    int status = uv_loop_init(&run.loop);
    if (status < 0) {
        return weft_sys_error(status);
    }
    (void)uv_pipe_init(&run.loop, &run.output, 0); /* neither can fail: they only fill the handle in */
    (void)uv_timer_init(&run.loop, &run.alarm);
    run.output.data = run.alarm.data = run.process.data = &run;
    run.status = start(&run, argv);
    if (run.status < 0) { /* libuv has made the process's handle all the same */
        uv_close((uv_handle_t *)&run.process, NULL);
        uv_close((uv_handle_t *)&run.output, NULL);
        uv_close((uv_handle_t *)&run.alarm, NULL);
    }
    (void)uv_run(&run.loop, UV_RUN_DEFAULT); /* until every handle is closed: 0 */
    (void)uv_loop_close(&run.loop);
    out[run.filled] = '\0';
    return run.status;
}
