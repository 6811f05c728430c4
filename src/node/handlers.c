/* node/handlers.c - what each route does. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "node/call.h"
#include "node/line.h"
#include "node/mesh_view.h"
#include "node/openai.h"
#include "node/relay.h"
#include "wire/json.h"

void weft_call_health(struct weft_call *call)
{
    weft_call_json(call, 200, WEFT_SLICE("{\"status\":\"ok\"}\n"));
}

/* Why it is not ready: a model that was given up, or how far those are that load at once. No names: anybody may ask. */
static int write_not_ready(const struct weft_models *models, struct weft_bytes *text)
{
    struct weft_json json;
    double progress = 0;
    const char *problem = NULL;
    size_t named = 0;
    for (size_t i = 0; i < weft_models_count(models); i++) {
        struct weft_model_info info;
        weft_models_info(models, i, &info);
        if (info.named) {
            named++;
            progress += info.progress;
            problem = problem || info.state != WEFT_MODEL_FAILED ? problem : info.problem;
        }
    }
    weft_json_start(&json, text);
    weft_json_object(&json);
    weft_json_add_text(&json, "status", problem ? "failed" : "loading");
    if (problem) {
        weft_json_add_text(&json, "problem", problem);
    } else {
        weft_json_add_double(&json, "progress", named > 0 ? progress / (double)named : 1);
    }
    weft_json_object_end(&json);
    return weft_json_finish(&json);
}

void weft_call_ready(struct weft_call *call)
{
    const struct weft_front *front = call->front;
    if (front->draining(front->self)) {
        weft_call_put_off(call, &(const struct weft_refusal){503, "draining", "This node is shutting down."},
                          WEFT_CALL_RETRY_S);
    } else if (weft_models_ready(front->models) == 1) {
        weft_call_json(call, 200, WEFT_SLICE("{\"status\":\"ready\"}\n"));
    } else {
        struct weft_bytes text = {0};
        int error = write_not_ready(front->models, &text);
        weft_call_answer(call, 503, WEFT_SLICE("application/json"), &text, error);
    }
}

void weft_call_metrics(struct weft_call *call)
{
    struct weft_bytes text = {0};
    int error = weft_metrics_print(call->front->metrics, call->front->version, &text);
    error = error < 0 ? error : weft_metrics_print_models(call->front->models, &text);
    error = error < 0 ? error : weft_metrics_print_externals(call->front->externals, &text);
    error = error < 0 ? error : weft_mesh_view_metrics(call->front->mesh, &text);
    weft_call_answer(call, 200, WEFT_SLICE("text/plain; version=0.0.4; charset=utf-8"), &text, error);
}

static void write_model(struct weft_json *json, const struct weft_model_info *info)
{
    char hash[2 * WEFT_HOST_HASH_SIZE + 1];
    weft_json_object(json);
    weft_json_add_string(json, "name", info->name);
    weft_json_key(json, "sha256");
    if (info->hash) {
        weft_hex(hash, info->hash, WEFT_HOST_HASH_SIZE);
        weft_json_text(json, hash);
    } else {
        weft_json_null(json);
    }
    weft_json_add_text(json, "state", weft_model_state_name(info->state));
    weft_json_add_double(json, "progress", info->progress);
    weft_json_add_bool(json, "named", info->named);
    weft_json_add_bool(json, "waits", info->waits);
    weft_json_add_int(json, "users", (int64_t)info->users);
    weft_json_add_int(json, "process", info->process);
    weft_json_add_int(json, "starts", info->starts);
    weft_json_add_int(json, "deaths", info->deaths);
    weft_json_add_int(json, "unloads", info->unloads);
    weft_json_add_int(json, "tokens_sampled", (int64_t)info->tokens_sampled);
    weft_json_add_int(json, "steps", (int64_t)info->steps);
    weft_json_add_int(json, "slots", info->slots);
    weft_json_add_int(json, "context", info->context_tokens);
    weft_json_add_int(json, "threads", info->threads);
    weft_json_add_int(json, "memory", (int64_t)info->memory);
    weft_json_add_text(json, "description", info->description);
    weft_json_add_text(json, "variant", info->variant);
    weft_json_add_text(json, "sandbox", info->sandbox);
    weft_json_add_bool(json, "exact", info->exact);
    weft_json_key(json, "problem");
    if (info->problem) {
        weft_json_text(json, info->problem);
    } else {
        weft_json_null(json);
    }
    weft_json_object_end(json);
}

static void write_models(struct weft_json *json, const struct weft_models *models)
{
    weft_json_key(json, "models");
    weft_json_array(json);
    for (size_t i = 0; i < weft_models_count(models); i++) {
        struct weft_model_info info;
        weft_models_info(models, i, &info);
        write_model(json, &info);
    }
    weft_json_array_end(json);
}

static void write_externals(struct weft_json *json, const struct weft_externals *externals)
{
    weft_json_key(json, "externals");
    weft_json_array(json);
    for (size_t i = 0; i < weft_externals_servers(externals); i++) {
        struct weft_external_info info;
        weft_external_info(weft_externals_server(externals, i), &info);
        weft_json_object(json);
        weft_json_add_string(json, "server", info.name);
        weft_json_add_text(json, "state", weft_external_state_name(info.state));
        weft_json_add_text(json, "kind", weft_external_kind_name(info.kind));
        weft_json_add_int(json, "models", (int64_t)info.models);
        weft_json_add_int(json, "running", (int64_t)info.running);
        weft_json_key(json, "problem");
        if (info.problem) {
            weft_json_text(json, info.problem);
        } else {
            weft_json_null(json);
        }
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
}

void weft_call_status(struct weft_call *call)
{
    const struct weft_front *front = call->front;
    const struct weft_metrics *metrics = front->metrics;
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_time up = front->loop->host->ops->now(front->loop->host) - metrics->started;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_add_text(&json, "version", front->version);
    weft_json_add_int(&json, "uptime_s", up / WEFT_SECOND);
    weft_json_add_bool(&json, "draining", front->draining(front->self));
    weft_json_add_int(&json, "connections", (int64_t)metrics->connections);
    weft_json_add_int(&json, "running", (int64_t)metrics->running);
    write_models(&json, front->models);
    write_externals(&json, front->externals);
    weft_json_key(&json, "upstream");
    if (front->upstream) {
        weft_json_object(&json);
        weft_json_add_string(&json, "authority", weft_upstream_authority(front->upstream));
        weft_json_add_int(&json, "connections", (int64_t)metrics->upstream_connections);
        weft_json_object_end(&json);
    } else {
        weft_json_null(&json);
    }
    weft_json_object_end(&json);
    weft_call_answer(call, 200, WEFT_SLICE("application/json"), &text, weft_json_finish(&json));
}

/* -- load: who waits and runs, for those who choose when and where to ask -- */

static void write_load(struct weft_json *json, struct weft_slice name, enum weft_model_state state,
                       const struct weft_line *before)
{
    struct weft_line_info line;
    weft_line_report(before, &line);
    weft_json_object(json);
    weft_json_add_string(json, "name", name);
    weft_json_add_text(json, "state", weft_model_state_name(state));
    weft_json_add_int(json, "slots", (int64_t)line.slots);
    weft_json_add_int(json, "running", (int64_t)line.running);
    weft_json_add_int(json, "waiting", (int64_t)line.waiting);
    weft_json_key(json, "estimate_s");
    if (line.estimate == WEFT_NEVER) {
        weft_json_null(json);
    } else {
        int64_t tenths = line.estimate / (WEFT_SECOND / 10);
        weft_json_double(json, (double)tenths / 10);
    }
    weft_json_object_end(json);
}

/* The models of one server share its line. */
static void write_external_load(struct weft_json *json, const struct weft_external_offer *offer)
{
    struct weft_external_info server;
    weft_external_info(offer->server, &server);
    write_load(json, offer->name, weft_external_model_state(&server), offer->line);
}

void weft_call_load(struct weft_call *call)
{
    const struct weft_models *models = call->front->models;
    struct weft_externals *externals = call->front->externals;
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_add_bool(&json, "draining", call->front->draining(call->front->self));
    weft_json_key(&json, "models");
    weft_json_array(&json);
    for (size_t i = 0; i < weft_models_count(models); i++) {
        struct weft_model_info info;
        weft_models_info(models, i, &info);
        write_load(&json, info.name, info.state, weft_models_line(models, i));
    }
    for (size_t i = 0; i < weft_externals_count(externals); i++) {
        struct weft_external_offer offer = weft_externals_at(externals, i);
        write_external_load(&json, &offer);
    }
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    weft_call_answer(call, 200, WEFT_SLICE("application/json"), &text, weft_json_finish(&json));
}

/* -- drain: {"timeout_s": N}, or no body -- */

static void start_drain(struct weft_call *call, weft_time timeout)
{
    call->front->drain(call->front->self, timeout);
    weft_call_json(call, 202, WEFT_SLICE("{\"status\":\"draining\"}\n"));
}

static int read_timeout(struct weft_slice text, weft_time *timeout)
{
    json_t *body;
    int error = weft_json_parse(text, &body, NULL);
    if (error < 0) {
        return error;
    }
    json_int_t seconds = -1;
    json_t *given = json_object_get(body, "timeout_s");
    bool valid = json_is_object(body) && (!given || json_is_integer(given));
    if (valid && given) {
        seconds = json_integer_value(given);
        valid = seconds >= 0 && seconds <= 24 * 3600;
    }
    json_decref(body);
    *timeout = seconds < 0 ? -1 : (weft_time)seconds * WEFT_SECOND;
    return valid ? 0 : WEFT_ERR_INVALID;
}

static void drain_body_came(struct weft_call *call)
{
    struct weft_bytes *bytes = &call->exchange->flows[WEFT_REQUEST].bytes;
    size_t size = bytes->size;
    char *text = weft_alloc(size + 1);
    if (!text) {
        weft_call_close(call, 0, false, WEFT_ERR_MEMORY);
        weft_exchange_leave(call->exchange, WEFT_WORKER, WEFT_ERR_MEMORY);
        return;
    }
    size = weft_bytes_tail(bytes, text, size); /* all of it */
    weft_exchange_take(call->exchange, WEFT_REQUEST, size);
    weft_time timeout = -1;
    int error = size > 0 ? read_timeout(weft_slice(text, size), &timeout) : 0;
    weft_free(text);
    if (error == WEFT_ERR_MEMORY) {
        weft_call_refuse(call, weft_refusal_for_error(error));
    } else if (error < 0) {
        weft_call_refuse(call,
                         &(const struct weft_refusal){
                             400, "invalid_body",
                             "The body must be empty, or a JSON object with timeout_s in whole seconds, up to a day."});
    } else {
        start_drain(call, timeout);
    }
}

static void drain_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_call *call = self;
    if (exchange->aborted[WEFT_ASKER]) {
        weft_call_close(call, 0, true, 0);
        weft_exchange_leave(exchange, WEFT_WORKER, WEFT_ERR_CANCELLED);
    } else if (exchange->flows[WEFT_REQUEST].bytes.size > WEFT_FRONT_BODY_MAX) {
        weft_call_refuse(call, weft_refusal_for_error(WEFT_ERR_TOO_LARGE));
    } else if (exchange->flows[WEFT_REQUEST].ended) {
        drain_body_came(call);
    }
}

void weft_call_drain(struct weft_call *call)
{
    weft_exchange_want_body(call->exchange);
    weft_exchange_attach(call->exchange, WEFT_WORKER, drain_wake, call);
}

/* -- /v1/ -- */

/* The client is told what to look at; the owner also what was found. */
static void say_not_trusted(const struct weft_call *call)
{
    struct weft_journal *journal = call->front->journal;
    const char *why = weft_upstream_why(call->front->upstream);
    if (why && weft_journal_begin(journal, WEFT_LOG_WARN, "upstream not trusted")) {
        weft_journal_word(journal, "id", call->id);
        weft_journal_word(journal, "why", why);
        weft_journal_end(journal);
    }
}

static void relay_done(void *self, const struct weft_relay_result *result)
{
    struct weft_call *call = self;
    if (result->error == WEFT_ERR_CRYPTO) {
        say_not_trusted(call);
    }
    if (result->error) {
        call->front->metrics->upstream_failures++;
    }
    if (result->first_byte > 0) {
        weft_histogram_add(&call->front->metrics->first_byte, result->first_byte - call->started);
    }
    weft_call_close(call, result->status, result->cancelled, result->error);
}

static void cut_relay(struct weft_call *call)
{
    weft_relay_cut(call->worker, &weft_call_cut_off, WEFT_CALL_RETRY_S);
}

static int ask_upstream(void *self, struct weft_exchange *exchange)
{
    return weft_upstream_ask(self, exchange);
}

static void relay(struct weft_call *call)
{
    struct weft_upstream *upstream = call->front->upstream;
    const struct weft_relay_options options = {
        .loop = call->front->loop,
        .target = {.ask = ask_upstream,
                   .self = upstream,
                   .scheme = weft_upstream_scheme(upstream),
                   .authority = weft_upstream_authority(upstream),
                   .via = weft_upstream_via(upstream),
                   .path = weft_upstream_path(upstream)},
        .done = relay_done,
        .self = call,
    };
    struct weft_relay *started;
    int error = weft_relay_start(&started, call->exchange, &options);
    if (error == 0) {
        call->cut = cut_relay;
        call->worker = started;
    } else {
        weft_call_close(call, 0, false, error);
        weft_exchange_leave(call->exchange, WEFT_WORKER, error);
    }
}

void weft_call_api(struct weft_call *call)
{
    const struct weft_upstream *upstream = call->front->upstream;
    struct weft_slice via = weft_externals_via(call->front->externals);
    if (via.size > 0 && weft_relay_loops(call->exchange, via)) {
        weft_call_refuse(call, &(const struct weft_refusal){508, "external_loops",
                                                            "This request has come back to the node that asked it. "
                                                            "The external setting must not lead back here."});
    } else if (upstream && weft_relay_loops(call->exchange, weft_upstream_via(upstream))) {
        weft_call_refuse(call, &(const struct weft_refusal){508, "upstream_loops",
                                                            "This request has come back to the node that relayed it. "
                                                            "The upstream setting must not lead back here."});
    } else if (upstream) {
        relay(call);
    } else {
        weft_openai_call(call);
    }
}
