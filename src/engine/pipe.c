/* engine/pipe.c - the socket to the node, and the HTTP/2 server on top of it. */
#include "engine/pipe.h"

#include "base/error.h"
#include "base/mem.h"
#include "http/carrier.h"
#include "http/limits.h"

#define VIEWS_MAX 16 /* pieces in one write */

struct weft_pipe {
    struct weft_pipe_options options;
    struct weft_carrier *carrier;
    struct weft_bytes output; /* from the carrier, not yet written */
    struct weft_task flush;
    bool reading;
    bool ended;   /* the peer sends no more */
    bool failed;  /* nothing more can be sent either */
    bool blocked; /* the socket takes nothing for now */
    bool closed;  /* and the user knows it */
    bool starved; /* it failed as memory ran out */
};

static void touch(struct weft_pipe *pipe)
{
    weft_turn_add_flush(pipe->options.turn, &pipe->flush);
}

/* -- the carrier's owner -- */

static void on_request(void *self, struct weft_exchange *exchange)
{
    struct weft_pipe *pipe = self;
    pipe->options.request(pipe->options.self, exchange);
}

static void on_refused(void *self, int status, const char *why)
{
    (void)self, (void)status, (void)why; /* the node has the answer, and it keeps the journal */
}

static void on_touched(void *self)
{
    touch(self);
}

/* -- the socket's user -- */

static void set_reading(struct weft_pipe *pipe)
{
    bool wants = !pipe->ended && !pipe->failed && weft_carrier_wants_input(pipe->carrier);
    if (wants != pipe->reading) {
        pipe->reading = wants;
        pipe->options.host->ops->read(pipe->options.socket, wants);
    }
}

static void on_opened(void *self, int status)
{
    (void)self, (void)status; /* it was open when it came */
}

static void on_received(void *self, const char *data, size_t size)
{
    struct weft_pipe *pipe = self;
    if (!pipe->failed) {
        weft_carrier_receive(pipe->carrier, data, size);
    }
    set_reading(pipe); /* now: the socket may have many more pieces ready before the flush comes */
    touch(pipe);
}

static void on_writable(void *self)
{
    struct weft_pipe *pipe = self;
    pipe->blocked = false;
    touch(pipe);
}

static void on_ended(void *self, int status)
{
    struct weft_pipe *pipe = self;
    pipe->ended = true;
    pipe->failed = pipe->failed || status < 0;
    pipe->starved = pipe->starved || status == WEFT_ERR_MEMORY;
    weft_carrier_hangup(pipe->carrier);
    touch(pipe);
}

static const struct weft_socket_user socket_user = {
    .opened = on_opened,
    .received = on_received,
    .writable = on_writable,
    .ended = on_ended,
};

/* -- bytes out -- */

static void write_out(struct weft_pipe *pipe)
{
    struct weft_slice views[VIEWS_MAX];
    size_t count = weft_bytes_peek(&pipe->output, views, VIEWS_MAX), offered = 0;
    for (size_t i = 0; i < count; i++) {
        offered += views[i].size;
    }
    int64_t taken = pipe->options.host->ops->write(pipe->options.socket, views, count);
    if (taken < 0) {
        pipe->failed = true;
        pipe->starved = taken == WEFT_ERR_MEMORY;
        return;
    }
    weft_bytes_drop(&pipe->output, (size_t)taken);
    pipe->blocked = (size_t)taken < offered;
}

static void push(struct weft_pipe *pipe)
{
    while (!pipe->failed && !pipe->blocked) {
        if (pipe->output.size < WEFT_HTTP_OUTPUT_HIGH) {
            weft_carrier_fill(pipe->carrier, &pipe->output);
        }
        if (pipe->output.size == 0) {
            return;
        }
        write_out(pipe);
    }
}

static void on_flush(struct weft_task *task)
{
    struct weft_pipe *pipe = WEFT_CONTAINER(task, struct weft_pipe, flush);
    push(pipe);
    set_reading(pipe);
    bool over = pipe->failed || (weft_carrier_done(pipe->carrier) && pipe->output.size == 0);
    if (over && !pipe->closed) {
        pipe->closed = true;
        pipe->options.closed(pipe->options.self,
                             pipe->starved || weft_carrier_starved(pipe->carrier) ? WEFT_ERR_MEMORY : 0);
    }
}

weft_time weft_pipe_deadline(const struct weft_pipe *pipe)
{
    return pipe->closed ? WEFT_NEVER : weft_carrier_deadline(pipe->carrier);
}

void weft_pipe_expire(struct weft_pipe *pipe)
{
    if (weft_pipe_deadline(pipe) <= pipe->options.turn->now) {
        weft_carrier_expire(pipe->carrier);
        touch(pipe);
    }
}

/* -- life -- */

int weft_pipe_new(struct weft_pipe **out, const struct weft_pipe_options *options)
{
    struct weft_pipe *pipe = *out = weft_zalloc(sizeof(*pipe));
    int error = pipe ? 0 : WEFT_ERR_MEMORY;
    if (error == 0) {
        const struct weft_carrier_options carrier = {
            .turn = options->turn,
            .owner = {.self = pipe, .request = on_request, .refused = on_refused, .touched = on_touched},
            .scheme = WEFT_SLICE("http"),
            .trusted = true,
        };
        pipe->options = *options;
        weft_task_init(&pipe->flush, on_flush);
        error = weft_h2_server_new(&pipe->carrier, &carrier);
    }
    if (error < 0) {
        options->host->ops->close(options->socket, true);
        weft_free(pipe);
        *out = NULL;
        return error;
    }
    options->host->ops->attach(options->socket, &socket_user, pipe);
    touch(pipe);
    return 0;
}

void weft_pipe_free(struct weft_pipe *pipe)
{
    if (!pipe) {
        return;
    }
    weft_carrier_free(pipe->carrier);
    weft_task_remove(&pipe->flush); /* what the carrier aborted may have touched us */
    weft_bytes_deinit(&pipe->output);
    pipe->options.host->ops->close(pipe->options.socket, pipe->failed);
    weft_free(pipe);
}
