/* node/relay.c - carries an exchange from one carrier to another. */
#include "node/relay.h"

#include "base/error.h"
#include "http/refusal.h"
#include "wire/sse.h"

/* What travels on. Everything else is between a client and us: cookies, keys, forwarding headers, our own names. */
static const char *const request_fields[] = {"accept", "content-encoding", "content-type", "idempotency-key", "via"};
static const char *const answer_fields[] = {"cache-control",    "content-disposition", "content-encoding",
                                            "content-language", "content-type",        "etag",
                                            "last-modified",    "retry-after"};
static const char *const trailer_fields[] = {"content-digest", "repr-digest", "server-timing"};

#define RETRY_S 1 /* a node that is short of connections or memory may have some again by then */

/* Lives in the outer exchange's arena. */
struct weft_relay {
    struct weft_relay_options options;
    struct weft_relay_result result;
    struct weft_exchange *outer; /* the client's: we are its worker */
    struct weft_exchange *inner; /* the upstream's: we are its asker */
    struct weft_timer silence;
    weft_time heard; /* when the upstream last said something, or was given something */
    struct weft_sse_tail tail;
    bool events; /* the answer is a stream of server-sent events */
};

static bool is_listed(struct weft_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weft_slice_equal(name, weft_slice_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static int copy_fields(struct weft_exchange *to, struct weft_fields *into, const struct weft_fields *from,
                       const char *const *names, size_t count)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < from->count; i++) {
        const struct weft_field *field = &from->at[i];
        if (is_listed(field->name, names, count)) {
            error = weft_fields_add(into, &to->arena, field->name, field->value);
        }
    }
    return error;
}

/* The end, whatever came before: both exchanges are left and nothing of the relay may be touched any more. */
static void finish(struct weft_relay *relay, int why)
{
    struct weft_loop *loop = relay->options.loop;
    weft_timer_clear(&loop->timers, &relay->silence);
    weft_timers_release(&loop->timers);
    if (relay->inner) {
        weft_exchange_leave(relay->inner, WEFT_ASKER, why ? WEFT_ERR_CANCELLED : 0);
    }
    relay->result.status = relay->outer->answer_begun ? relay->outer->answer.status : 0;
    relay->result.request_bytes = relay->outer->flows[WEFT_REQUEST].written;
    relay->result.answer_bytes = relay->outer->flows[WEFT_ANSWER].written;
    relay->options.done(relay->options.self, &relay->result);
    weft_exchange_leave(relay->outer, WEFT_WORKER, why);
}

static struct weft_refusal refusal_for(int error)
{
    switch (error) {
    case WEFT_ERR_REFUSED:
    case WEFT_ERR_UNREACHABLE:
        return (struct weft_refusal){
            502, "upstream_unreachable",
            "The upstream server did not take the request. Check that it runs, and the upstream setting."};
    case WEFT_ERR_NOT_FOUND:
        return (struct weft_refusal){502, "upstream_unknown",
                                     "The upstream server's name leads nowhere. Check the upstream setting."};
    case WEFT_ERR_TIMEOUT:
        return (struct weft_refusal){504, "upstream_timeout", "The upstream server took too long."};
    case WEFT_ERR_CRYPTO:
        return (struct weft_refusal){502, "upstream_not_trusted",
                                     "The secure connection to the upstream server failed. It must speak TLS 1.3, and "
                                     "its certificate must be valid "
                                     "for that name."};
    case WEFT_ERR_FULL:
        return (struct weft_refusal){503, "too_many_connections",
                                     "This node has no connection left for another request. Try again shortly."};
    case WEFT_ERR_MEMORY:
        return *weft_refusal_for_error(error);
    case WEFT_ERR_INVALID:
        return (struct weft_refusal){502, "upstream_malformed", "The upstream server's answer is not valid HTTP."};
    default:
        return (struct weft_refusal){502, "upstream_closed",
                                     "The upstream server closed the connection before it had answered."};
    }
}

/* In mid-stream the head is gone: an event stream that stands between two events gets one more, that says what
 * happened, and ends in order. Any other body is cut, so that nobody can take it for whole. */
static int end_events(struct weft_relay *relay, const struct weft_refusal *refusal)
{
    char body[WEFT_REFUSAL_BODY_MAX];
    int size = weft_refusal_body(body, sizeof(body), refusal);
    if (size < 0) {
        return size;
    }
    struct weft_bytes event = {0};
    int error = weft_sse_write(&event, WEFT_SLICE("error"), weft_slice(body, (size_t)size));
    if (error == 0) {
        error = weft_exchange_move(relay->outer, WEFT_ANSWER, &event);
    }
    weft_bytes_deinit(&event);
    if (error == 0) {
        weft_exchange_end(relay->outer, WEFT_ANSWER);
    }
    return error;
}

static void end_with(struct weft_relay *relay, const struct weft_refusal *refusal, int retry_s, int error)
{
    struct weft_exchange *outer = relay->outer;
    int failed = error;
    if (!outer->answer_begun) {
        failed = weft_exchange_refuse(outer, refusal, retry_s);
    } else if (relay->events && weft_sse_tail_between(&relay->tail) && outer->flows[WEFT_ANSWER].length < 0) {
        failed = end_events(relay, refusal);
    }
    finish(relay, failed < 0 ? error : 0);
}

static const struct weft_relay_kind upstream_kind = {
    .request_fields = request_fields, .request_field_count = WEFT_COUNT(request_fields), .refusal_for = refusal_for};

static void fail(struct weft_relay *relay, int error)
{
    struct weft_refusal refusal = relay->options.kind->refusal_for(error);
    relay->result.error = error;
    end_with(relay, &refusal, refusal.status == 503 ? RETRY_S : 0, error);
}

void weft_relay_cut(struct weft_relay *relay, const struct weft_refusal *why, int retry_s)
{
    relay->result.cancelled = relay->outer->aborted[WEFT_ASKER] != 0;
    end_with(relay, why, retry_s, relay->result.cancelled ? WEFT_ERR_CANCELLED : WEFT_ERR_CLOSED);
}

/* Moves what one flow holds into the other, as far as there is room. Returns how much, or an error. */
static int64_t carry(struct weft_exchange *from, struct weft_exchange *to, enum weft_way way)
{
    if (from->flows[way].bytes.size == 0 || weft_exchange_room(to, way) == 0) {
        return 0;
    }
    struct weft_bytes some = {0};
    size_t size = weft_exchange_take_all(from, way, &some);
    int error = weft_exchange_move(to, way, &some);
    weft_bytes_deinit(&some);
    return error < 0 ? error : (int64_t)size;
}

/* Everything is carried: the trailers, then the end. */
static int end_flow(struct weft_exchange *from, struct weft_exchange *to, enum weft_way way)
{
    int error = copy_fields(to, &to->flows[way].trailers, &from->flows[way].trailers, trailer_fields,
                            WEFT_COUNT(trailer_fields));
    if (error == 0) {
        weft_exchange_end(to, way);
    }
    return error;
}

static int carry_request(struct weft_relay *relay)
{
    struct weft_exchange *outer = relay->outer, *inner = relay->inner;
    if (inner->body_wanted) {
        weft_exchange_want_body(outer);
    }
    if (inner->flows[WEFT_REQUEST].ended || inner->aborted[WEFT_ASKER] || inner->aborted[WEFT_WORKER]) {
        return 0;
    }
    int64_t carried = carry(outer, inner, WEFT_REQUEST);
    if (carried > 0) {
        relay->heard = relay->options.loop->turn.now;
    }
    /* WEFT_ERR_CLOSED: the upstream wants no more of it, and its answer says why. */
    return weft_exchange_drained(outer, WEFT_REQUEST) ? end_flow(outer, inner, WEFT_REQUEST) : 0;
}

static bool is_events(const struct weft_exchange *exchange)
{
    return weft_slice_starts(weft_fields_value(&exchange->answer.fields, "content-type"),
                             WEFT_SLICE("text/event-stream"));
}

static int begin_answer(struct weft_relay *relay)
{
    struct weft_exchange *outer = relay->outer, *inner = relay->inner;
    size_t ours = outer->answer.fields.count;
    int error =
        copy_fields(outer, &outer->answer.fields, &inner->answer.fields, answer_fields, WEFT_COUNT(answer_fields));
    if (error < 0) {
        outer->answer.fields.count = ours; /* a refusal takes its place, with a type of its own */
        return error;
    }
    outer->answer.status = inner->answer.status;
    outer->flows[WEFT_ANSWER].length = inner->flows[WEFT_ANSWER].length;
    relay->events = is_events(inner);
    weft_exchange_begin_answer(outer);
    return 0;
}

static int carry_answer(struct weft_relay *relay)
{
    struct weft_exchange *outer = relay->outer, *inner = relay->inner;
    if (inner->answer_begun && !outer->answer_begun) {
        int error = begin_answer(relay);
        if (error < 0) {
            return error;
        }
    }
    if (relay->events && weft_exchange_room(outer, WEFT_ANSWER) > 0) {
        char last[sizeof(relay->tail.last)];
        size_t size = weft_bytes_tail(&inner->flows[WEFT_ANSWER].bytes, last, sizeof(last));
        weft_sse_tail_pass(&relay->tail, weft_slice(last, size));
    }
    int64_t carried = carry(inner, outer, WEFT_ANSWER);
    if (carried > 0) {
        relay->heard = relay->options.loop->turn.now;
        if (relay->result.first_byte == 0) {
            relay->result.first_byte = relay->heard;
        }
    }
    return carried < 0 ? (int)carried : 0;
}

/* An answer that has failed before any of it went out is refused, unless whole events have come: they are passed on. */
static bool is_stillborn(const struct weft_relay *relay)
{
    const struct weft_exchange *inner = relay->inner;
    if (relay->outer->answer_begun || !inner->answer_begun || !inner->aborted[WEFT_WORKER]) {
        return false;
    }
    struct weft_sse_tail tail;
    char last[sizeof(tail.last)];
    size_t size = weft_bytes_tail(&inner->flows[WEFT_ANSWER].bytes, last, sizeof(last));
    weft_sse_tail_init(&tail);
    weft_sse_tail_pass(&tail, weft_slice(last, size));
    return size == 0 || !is_events(inner) || !weft_sse_tail_between(&tail);
}

static void pump(void *self, struct weft_exchange *woken)
{
    struct weft_relay *relay = self;
    (void)woken; /* one look does for both */
    if (relay->outer->aborted[WEFT_ASKER]) {
        relay->result.cancelled = true;
        finish(relay, WEFT_ERR_CANCELLED);
        return;
    }
    int error = carry_request(relay);
    if (error == 0) {
        error = is_stillborn(relay) ? relay->inner->aborted[WEFT_WORKER] : carry_answer(relay);
    }
    bool over = error == 0 && weft_exchange_drained(relay->inner, WEFT_ANSWER);
    if (over) {
        error = end_flow(relay->inner, relay->outer, WEFT_ANSWER);
    }
    if (error < 0) {
        fail(relay, error);
    } else if (over) {
        finish(relay, 0);
    } else if (relay->inner->aborted[WEFT_WORKER] && relay->inner->flows[WEFT_ANSWER].bytes.size == 0) {
        fail(relay, relay->inner->aborted[WEFT_WORKER]);
    }
}

/* To take more of the answer, or to send more of a body of which the upstream has taken all there was. */
static bool waits_for_client(const struct weft_relay *relay)
{
    const struct weft_flow *body = &relay->outer->flows[WEFT_REQUEST];
    size_t here = body->bytes.size + relay->inner->flows[WEFT_REQUEST].bytes.size;
    return relay->outer->flows[WEFT_ANSWER].bytes.size > 0 || (relay->outer->body_wanted && !body->ended && here == 0);
}

static void on_silence(struct weft_timer *timer)
{
    struct weft_relay *relay = WEFT_CONTAINER(timer, struct weft_relay, silence);
    struct weft_loop *loop = relay->options.loop;
    if (waits_for_client(relay)) {
        relay->heard = loop->turn.now;
    }
    weft_time at = relay->heard + WEFT_RELAY_SILENCE;
    if (at <= loop->turn.now) {
        fail(relay, WEFT_ERR_TIMEOUT);
    } else {
        weft_timer_set(&loop->timers, &relay->silence, at);
    }
}

static int make_inner(struct weft_relay *relay)
{
    struct weft_exchange *outer = relay->outer;
    const struct weft_relay_target *target = &relay->options.target;
    const struct weft_relay_kind *kind = relay->options.kind;
    int error = weft_exchange_new(&relay->inner, &relay->options.loop->turn);
    if (error < 0) {
        return error;
    }
    struct weft_exchange *inner = relay->inner;
    struct weft_slice path = target->path;
    struct weft_slice asks = relay->options.asks.size > 0 ? relay->options.asks : outer->request.target;
    inner->request = (struct weft_request_head){
        .method = weft_arena_copy(&inner->arena, outer->request.method),
        .scheme = weft_arena_copy(&inner->arena, target->scheme),
        .authority = weft_arena_copy(&inner->arena, target->authority),
        .target = weft_arena_print(&inner->arena, "%.*s%.*s", (int)path.size, path.data ? path.data : "",
                                   (int)asks.size, asks.data),
    };
    inner->flows[WEFT_REQUEST].length = outer->flows[WEFT_REQUEST].length;
    if (!inner->request.method.data || !inner->request.scheme.data || !inner->request.authority.data ||
        !inner->request.target.data) {
        return WEFT_ERR_MEMORY;
    }
    error = copy_fields(inner, &inner->request.fields, &outer->request.fields, kind->request_fields,
                        kind->request_field_count);
    if (error < 0 || target->via.size == 0) {
        return error;
    }
    return weft_fields_add(&inner->request.fields, &inner->arena, WEFT_SLICE("via"), target->via);
}

/* Via is a list, which may come in parts; our part of it occurs nowhere by chance. */
bool weft_relay_loops(const struct weft_exchange *exchange, struct weft_slice ours)
{
    const struct weft_fields *fields = &exchange->request.fields;
    for (size_t i = 0; i < fields->count; i++) {
        struct weft_slice rest = fields->at[i].value;
        bool is_via = weft_slice_equal(fields->at[i].name, WEFT_SLICE("via"));
        for (; is_via && rest.size >= ours.size; rest.data++, rest.size--) {
            if (weft_slice_starts(rest, ours)) {
                return true;
            }
        }
    }
    return false;
}

int weft_relay_start(struct weft_relay **out, struct weft_exchange *exchange, const struct weft_relay_options *options)
{
    struct weft_relay *relay = weft_arena_alloc(&exchange->arena, sizeof(*relay));
    *out = NULL;
    if (!relay) {
        return WEFT_ERR_MEMORY;
    }
    *relay = (struct weft_relay){.options = *options, .outer = exchange, .heard = options->loop->turn.now};
    relay->options.kind = options->kind ? options->kind : &upstream_kind;
    weft_sse_tail_init(&relay->tail);
    weft_timer_init(&relay->silence, on_silence);
    int error = weft_timers_reserve(&options->loop->timers);
    if (error < 0) {
        return error;
    }
    error = make_inner(relay);
    if (error < 0) {
        goto release_timer;
    }
    weft_exchange_attach(relay->inner, WEFT_ASKER, pump, relay);
    error = options->target.ask(options->target.self, relay->inner);
    if (error < 0) {
        weft_exchange_leave(relay->inner, WEFT_WORKER, error); /* pump hears it like any later failure */
    }
    weft_exchange_attach(exchange, WEFT_WORKER, pump, relay);
    weft_timer_set(&options->loop->timers, &relay->silence, relay->heard + WEFT_RELAY_SILENCE);
    *out = relay;
    return 0;

release_timer:
    if (relay->inner) {
        weft_exchange_leave(relay->inner, WEFT_ASKER, error);
        weft_exchange_leave(relay->inner, WEFT_WORKER, error);
    }
    weft_timers_release(&options->loop->timers);
    return error;
}
