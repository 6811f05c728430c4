/* node/metrics.c - what a node counts. */
#include "node/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "node/externals.h"
#include "node/line.h"
#include "node/models.h"

#define LINE_MAX_ 512 /* the longest line: names, labels and numbers are the program's own, or a model's name */
#define LABEL_MAX (2 * WEFT_MODEL_NAME_MAX + 1)

static const struct {
    weft_time us;
    const char *seconds;
} bounds[WEFT_METRICS_BUCKETS] = {
    {500, "0.0005"},  {1000, "0.001"},    {5000, "0.005"},      {10000, "0.01"}, {50000, "0.05"},
    {100000, "0.1"},  {500000, "0.5"},    {1000000, "1"},       {5000000, "5"},  {15000000, "15"},
    {60000000, "60"}, {300000000, "300"}, {1800000000, "1800"},
};

static const char *const class_names[WEFT_CLASSES] = {
    [WEFT_CLASS_2XX] = "2xx",
    [WEFT_CLASS_3XX] = "3xx",
    [WEFT_CLASS_4XX] = "4xx",
    [WEFT_CLASS_5XX] = "5xx",
    [WEFT_CLASS_CANCELLED] = "cancelled",
};

void weft_histogram_add(struct weft_histogram *histogram, weft_time value)
{
    size_t i = 0;
    while (i < WEFT_METRICS_BUCKETS && value > bounds[i].us) {
        i++;
    }
    histogram->buckets[i]++;
    histogram->sum_us += (uint64_t)value;
}

void weft_metrics_count(struct weft_metrics *metrics, enum weft_route route, int status, bool cancelled,
                        weft_time duration)
{
    enum weft_status_class class = cancelled      ? WEFT_CLASS_CANCELLED
                                   : status < 300 ? WEFT_CLASS_2XX
                                   : status < 400 ? WEFT_CLASS_3XX
                                   : status < 500 ? WEFT_CLASS_4XX
                                                  : WEFT_CLASS_5XX;
    metrics->requests[route][class]++;
    weft_histogram_add(&metrics->duration[route], duration);
}

struct printer {
    struct weft_bytes *out;
    int error;
};

static WEFT_PRINTF(2, 3) void line(struct printer *printer, const char *format, ...)
{
    char text[LINE_MAX_];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (printer->error == 0) {
        bool fits = size >= 0 && (size_t)size < sizeof(text);
        printer->error = fits ? weft_bytes_append(printer->out, text, (size_t)size) : WEFT_ERR_TOO_LARGE;
    }
}

static void head(struct printer *printer, const char *name, const char *type, const char *help)
{
    line(printer, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct printer *printer, const char *name, const char *type, const char *help, uint64_t value)
{
    head(printer, name, type, help);
    line(printer, "%s %" PRIu64 "\n", name, value);
}

/* `labels` is empty or ends in a comma. */
static void histogram(struct printer *printer, const char *name, const char *labels, const struct weft_histogram *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i < WEFT_METRICS_BUCKETS; i++) {
        count += h->buckets[i];
        line(printer, "%s_bucket{%sle=\"%s\"} %" PRIu64 "\n", name, labels, bounds[i].seconds, count);
    }
    count += h->buckets[WEFT_METRICS_BUCKETS];
    line(printer, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    size_t bare = strlen(labels) ? strlen(labels) - 1 : 0;
    const char *open = bare ? "{" : "", *close = bare ? "}" : "";
    line(printer, "%s_sum%s%.*s%s %" PRIu64 ".%06d\n", name, open, (int)bare, labels, close, h->sum_us / 1000000,
         (int)(h->sum_us % 1000000));
    line(printer, "%s_count%s%.*s%s %" PRIu64 "\n", name, open, (int)bare, labels, close, count);
}

static void requests(struct printer *printer, const struct weft_metrics *metrics)
{
    head(printer, "weft_requests_total", "counter", "Requests answered, by route and class of status.");
    for (int route = 0; route < WEFT_ROUTES; route++) {
        for (int class = 0; class < WEFT_CLASSES; class ++) {
            line(printer, "weft_requests_total{route=\"%s\",class=\"%s\"} %" PRIu64 "\n",
                 weft_route_name((enum weft_route)route), class_names[class], metrics->requests[route][class]);
        }
    }
    head(printer, "weft_request_duration_seconds", "histogram", "From a request's head to the end of its answer.");
    for (int route = 0; route < WEFT_ROUTES; route++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "route=\"%s\",", weft_route_name((enum weft_route)route)); /* fits */
        histogram(printer, "weft_request_duration_seconds", labels, &metrics->duration[route]);
    }
    head(printer, "weft_relay_first_byte_seconds", "histogram", "Relayed: from the head to the answer's first byte.");
    histogram(printer, "weft_relay_first_byte_seconds", "", &metrics->first_byte);
}

int weft_metrics_print(const struct weft_metrics *metrics, const char *version, struct weft_bytes *out)
{
    struct printer printer = {.out = out};
    head(&printer, "weft_build_info", "gauge", "Always 1; the label says which build this is.");
    line(&printer, "weft_build_info{version=\"%.64s\"} 1\n", version);
    requests(&printer, metrics);
    one(&printer, "weft_requests_running", "gauge", "Requests being answered now.", metrics->running);
    one(&printer, "weft_requests_malformed_total", "counter",
        "Refused before they were requests: malformed or too big.", metrics->malformed);
    one(&printer, "weft_request_bytes_total", "counter", "Bytes of request bodies.", metrics->request_bytes);
    one(&printer, "weft_answer_bytes_total", "counter", "Bytes of answer bodies.", metrics->answer_bytes);
    one(&printer, "weft_connections", "gauge", "Open connections of clients and other nodes.", metrics->connections);
    one(&printer, "weft_connections_total", "counter", "Connections accepted, and dialled to other nodes.",
        metrics->connections_total);
    one(&printer, "weft_connections_refused_total", "counter", "Connections closed at once for lack of memory.",
        metrics->connections_refused);
    one(&printer, "weft_upstream_connections", "gauge", "Open connections to the upstream.",
        metrics->upstream_connections);
    one(&printer, "weft_upstream_dials_total", "counter", "Connections tried to the upstream.",
        metrics->upstream_dials);
    one(&printer, "weft_upstream_failures_total", "counter",
        "Relayed requests that the upstream did not answer in full.", metrics->upstream_failures);
    one(&printer, "weft_start_time_seconds", "gauge", "When this node started, in seconds since 1970.",
        (uint64_t)metrics->started_s);
    return printer.error;
}

/* -- models -- */

/* A label's value: format 0.0.4 escapes these two (a name has no line breaks). */
static void escape(char out[LABEL_MAX], struct weft_slice name)
{
    size_t used = 0;
    for (size_t i = 0; i < name.size && i < WEFT_MODEL_NAME_MAX; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\') {
            out[used++] = '\\';
        }
        out[used++] = name.data[i];
    }
    out[used] = '\0';
}

/* Of each model's line. */
static void print_lines(struct printer *printer, const struct weft_models *models)
{
    static const struct {
        const char *name, *type, *help;
        size_t at; /* a uint64_t */
    } rows[] = {
        {"weft_queue_waiting", "gauge", "Requests that wait for a model.", offsetof(struct weft_line_info, waiting)},
        {"weft_queue_running", "gauge", "Requests that a model's engine works on.",
         offsetof(struct weft_line_info, running)},
        {"weft_answers_resumed_total", "counter", "Attempts at answers that were cut and went on in another one.",
         offsetof(struct weft_line_info, resumed)},
        {"weft_engine_stalls_total", "counter", "Silences of an engine, or of one answer, that were ended.",
         offsetof(struct weft_line_info, stalls)},
        {"weft_engine_strikes_total", "counter", "Deaths of engines that worked on one request alone.",
         offsetof(struct weft_line_info, strikes)},
        {"weft_queue_full_total", "counter", "Requests refused as too many waited.",
         offsetof(struct weft_line_info, full)},
        {"weft_queue_expired_total", "counter", "Requests that waited as long as they may, in vain.",
         offsetof(struct weft_line_info, expired)},
        {"weft_requests_struck_total", "counter", "Requests refused as they had ended engines.",
         offsetof(struct weft_line_info, struck)},
    };
    for (size_t row = 0; row < WEFT_COUNT(rows); row++) {
        head(printer, rows[row].name, rows[row].type, rows[row].help);
        for (size_t i = 0; i < weft_models_count(models); i++) {
            struct weft_model_info info;
            struct weft_line_info line_info;
            char name[LABEL_MAX];
            uint64_t value;
            weft_models_info(models, i, &info);
            weft_line_report(weft_models_line(models, i), &line_info);
            escape(name, info.name);
            memcpy(&value, (const char *)&line_info + rows[row].at, sizeof(value));
            line(printer, "%s{model=\"%s\"} %" PRIu64 "\n", rows[row].name, name, value);
        }
    }
}

int weft_metrics_print_models(const struct weft_models *models, struct weft_bytes *out)
{
    struct printer printer = {.out = out};
    struct weft_model_info info;
    char name[LABEL_MAX];
    size_t count = weft_models_count(models);
    head(&printer, "weft_model_state", "gauge", "1 for the state that a model is in, 0 for the others.");
    for (size_t i = 0; i < count; i++) {
        weft_models_info(models, i, &info);
        escape(name, info.name);
        for (int state = 0; state < WEFT_MODEL_STATES; state++) {
            line(&printer, "weft_model_state{model=\"%s\",state=\"%s\"} %d\n", name,
                 weft_model_state_name((enum weft_model_state)state), info.state == (enum weft_model_state)state);
        }
    }
    head(&printer, "weft_engine_starts_total", "counter", "Engines started, by model.");
    for (size_t i = 0; i < count; i++) {
        weft_models_info(models, i, &info);
        escape(name, info.name);
        line(&printer, "weft_engine_starts_total{model=\"%s\"} %" PRIu32 "\n", name, info.starts);
    }
    head(&printer, "weft_engine_deaths_total", "counter", "Engines that ended without being told to, by model.");
    for (size_t i = 0; i < count; i++) {
        weft_models_info(models, i, &info);
        escape(name, info.name);
        line(&printer, "weft_engine_deaths_total{model=\"%s\"} %" PRIu32 "\n", name, info.deaths);
    }
    head(&printer, "weft_engine_tokens_sampled_total", "counter",
         "Tokens that engines sampled, those that died included, by model.");
    for (size_t i = 0; i < count; i++) {
        weft_models_info(models, i, &info);
        escape(name, info.name);
        line(&printer, "weft_engine_tokens_sampled_total{model=\"%s\"} %" PRIu64 "\n", name, info.tokens_sampled);
    }
    head(&printer, "weft_model_unloads_total", "counter", "Engines told to end, for idleness or for another's memory.");
    for (size_t i = 0; i < count; i++) {
        weft_models_info(models, i, &info);
        escape(name, info.name);
        line(&printer, "weft_model_unloads_total{model=\"%s\"} %" PRIu32 "\n", name, info.unloads);
    }
    print_lines(&printer, models);
    return printer.error;
}

int weft_metrics_print_externals(const struct weft_externals *externals, struct weft_bytes *out)
{
    struct printer printer = {.out = out};
    struct weft_external_info info;
    char name[LABEL_MAX];
    size_t count = weft_externals_servers(externals);
    if (count == 0) {
        return 0;
    }
    head(&printer, "weft_external_up", "gauge", "1 for an external server that answers, 0 for one that does not.");
    for (size_t i = 0; i < count; i++) {
        weft_external_info(weft_externals_server(externals, i), &info);
        escape(name, info.name);
        line(&printer, "weft_external_up{server=\"%s\"} %d\n", name, info.state == WEFT_EXTERNAL_UP);
    }
    head(&printer, "weft_external_running", "gauge", "Answers that an external server writes now.");
    for (size_t i = 0; i < count; i++) {
        weft_external_info(weft_externals_server(externals, i), &info);
        escape(name, info.name);
        line(&printer, "weft_external_running{server=\"%s\"} %zu\n", name, info.running);
    }
    return printer.error;
}
