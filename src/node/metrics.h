/* node/metrics.h - what a node counts, and the Prometheus text of it. Labels come from the program's own tables, so
 * their number is bounded whatever callers send. */
#ifndef WEFT_NODE_METRICS_H
#define WEFT_NODE_METRICS_H

#include "base/bytes.h"
#include "node/access.h"

struct weft_externals;
struct weft_models;

#define WEFT_METRICS_BUCKETS 13 /* of a histogram, without +Inf */

struct weft_histogram {
    uint64_t buckets[WEFT_METRICS_BUCKETS + 1]; /* not cumulative; the last is what is above all bounds */
    uint64_t sum_us;
};

enum weft_status_class { WEFT_CLASS_2XX, WEFT_CLASS_3XX, WEFT_CLASS_4XX, WEFT_CLASS_5XX, WEFT_CLASS_CANCELLED };
#define WEFT_CLASSES 5

struct weft_metrics {
    uint64_t requests[WEFT_ROUTES][WEFT_CLASSES];
    struct weft_histogram duration[WEFT_ROUTES]; /* from a request's head to the end of its answer */
    struct weft_histogram first_byte;            /* relayed: from the head to the first byte of the answer's body */
    uint64_t malformed;                          /* refused before they were requests */
    uint64_t request_bytes, answer_bytes;        /* bodies */
    uint64_t connections_total, connections_refused, upstream_dials, upstream_failures;
    uint64_t running;                           /* requests being answered now */
    uint64_t connections, upstream_connections; /* open now */
    int64_t started_s;                          /* seconds since 1970, as the wall clock was then */
    weft_time started;                          /* the same by the host's `now`, which does not jump */
};

void weft_metrics_count(struct weft_metrics *metrics, enum weft_route route, int status, bool cancelled,
                        weft_time duration);
void weft_histogram_add(struct weft_histogram *histogram, weft_time value);

/* Appends the whole text (format 0.0.4). */
WEFT_MUST_USE int weft_metrics_print(const struct weft_metrics *metrics, const char *version, struct weft_bytes *out);
/* Appends what is known of each model: its name is a label, as its owner has put it there. */
WEFT_MUST_USE int weft_metrics_print_models(const struct weft_models *models, struct weft_bytes *out);

/* Appends what is known of each server that is not ours: its URL is a label, as its owner has written it. */
WEFT_MUST_USE int weft_metrics_print_externals(const struct weft_externals *externals, struct weft_bytes *out);

#endif
