/* tests/unit/node/metrics_test.c - what is counted, and whether Prometheus could read it. */
#include "node/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define TEXT_MAX ((size_t)256 * 1024)

static char text[TEXT_MAX];

static void print(const struct weft_metrics *metrics)
{
    struct weft_bytes out = {0};
    assert_int_equal(weft_metrics_print(metrics, "1.2.3", &out), 0);
    assert_true(out.size < TEXT_MAX);
    text[weft_bytes_read(&out, text, TEXT_MAX - 1)] = '\0';
    weft_bytes_deinit(&out);
}

/* -- the grammar of the text format 0.0.4, as far as it is used -- */

struct sample {
    char name[64];
    char labels[160]; /* between the braces */
    double value;
};

static bool is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return size > 0;
}

static void check_labels(const char *labels)
{
    while (*labels) {
        size_t name = strcspn(labels, "=");
        assert_true(is_name(labels, name) && labels[name] == '=' && labels[name + 1] == '"');
        labels += name + 2;
        labels += strcspn(labels, "\"\\\n");
        assert_true(*labels == '"'); /* nothing in it needs an escape */
        labels++;
        if (*labels == ',') {
            labels++;
            assert_true(*labels != '\0');
        } else {
            assert_true(*labels == '\0');
        }
    }
}

static struct sample read_sample(const char *line)
{
    struct sample sample = {.value = 0};
    size_t name = strcspn(line, "{ ");
    assert_true(is_name(line, name) && name < sizeof(sample.name));
    memcpy(sample.name, line, name);
    line += name;
    if (*line == '{') {
        size_t labels = strcspn(line + 1, "}");
        assert_true(labels > 0 && labels < sizeof(sample.labels) && line[labels + 1] == '}');
        memcpy(sample.labels, line + 1, labels);
        check_labels(sample.labels);
        line += labels + 2;
    }
    assert_true(*line == ' ' && line[1] >= '0' && line[1] <= '9');
    char *end;
    sample.value = strtod(line + 1, &end);
    assert_true(*end == '\n');
    return sample;
}

/* No two lines begin alike: a series (name and labels) or "# HELP name" comes once. `size` takes in the space after. */
static void check_once(const char *line, size_t size)
{
    for (const char *earlier = text; earlier < line; earlier = strchr(earlier, '\n') + 1) {
        if (strncmp(earlier, line, size) == 0) {
            fail_msg("twice: %.*s", (int)size, line);
        }
    }
}

/* What a histogram's samples must be to each other. */
struct buckets {
    double last, infinite;
    char last_bound[16];
};

static void check_histogram(struct buckets *buckets, const struct sample *sample, const char *suffix)
{
    if (strcmp(suffix, "_bucket") == 0) {
        const char *le = strstr(sample->labels, "le=\"");
        assert_non_null(le);
        assert_true(sample->value >= buckets->last); /* cumulative */
        if (buckets->last_bound[0]) {
            assert_true(strtod(le + 4, NULL) > strtod(buckets->last_bound, NULL)); /* "+Inf" reads as infinity */
        }
        (void)snprintf(buckets->last_bound, sizeof(buckets->last_bound), "%.10s", le + 4);
        buckets->last = buckets->infinite = sample->value;
    } else if (strcmp(suffix, "_count") == 0) {
        assert_true(strncmp(buckets->last_bound, "+Inf", 4) == 0);
        assert_true(sample->value == buckets->infinite);
        *buckets = (struct buckets){0};
    }
}

/* Reads the whole text; returns how many samples it holds. */
static size_t check_text(void)
{
    char type[64] = "", kind[16] = "", help[64] = "";
    struct buckets buckets = {0};
    size_t samples = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n')); /* the last line has its end too */
        if (strncmp(line, "# HELP ", 7) == 0) {
            size_t size = strcspn(line + 7, " ");
            assert_true(is_name(line + 7, size) && size < sizeof(help));
            assert_true(strcspn(line, "\n") > 7 + size + 1); /* it says something */
            (void)snprintf(help, sizeof(help), "%.*s", (int)size, line + 7);
            check_once(line, 7 + size + 1);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[64];
            assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, kind), 2);
            assert_string_equal(name, help); /* told once, each after its HELP and before its samples */
            check_once(line, 7 + strlen(name) + 1);
            memcpy(type, name, sizeof(type));
        } else {
            struct sample sample = read_sample(line);
            check_once(line, strcspn(line, " ") + 1);
            assert_int_equal(strncmp(sample.name, type, strlen(type)), 0);
            const char *suffix = sample.name + strlen(type);
            if (strcmp(kind, "histogram") == 0) {
                check_histogram(&buckets, &sample, suffix);
            } else {
                assert_string_equal(suffix, "");
            }
            if (strcmp(kind, "counter") == 0) {
                assert_non_null(strstr(sample.name, "_total"));
            }
            samples++;
        }
    }
    return samples;
}

static bool says(const char *line)
{
    const char *found = strstr(text, line);
    return found && (found == text || found[-1] == '\n') && found[strlen(line)] == '\n';
}

static void test_empty(void **state)
{
    (void)state;
    struct weft_metrics metrics = {.started_s = 1800000000};
    print(&metrics);
    size_t samples = check_text();
    assert_true(samples > 100);
    assert_true(says("weft_build_info{version=\"1.2.3\"} 1"));
    assert_true(says("weft_start_time_seconds 1800000000"));
    /* The number of series never depends on what callers sent. */
    weft_metrics_count(&metrics, WEFT_ROUTE_NONE, 404, false, 1);
    weft_metrics_count(&metrics, WEFT_ROUTE_API, 599, false, INT64_MAX);
    print(&metrics);
    assert_int_equal(check_text(), samples);
}

static void test_counts(void **state)
{
    (void)state;
    struct weft_metrics metrics = {.request_bytes = UINT64_MAX, .connections = 3};
    weft_metrics_count(&metrics, WEFT_ROUTE_HEALTH, 200, false, 500);
    weft_metrics_count(&metrics, WEFT_ROUTE_HEALTH, 204, false, 501);
    weft_metrics_count(&metrics, WEFT_ROUTE_HEALTH, 304, false, 2 * 3600 * WEFT_SECOND);
    weft_metrics_count(&metrics, WEFT_ROUTE_API, 404, false, 0);
    weft_metrics_count(&metrics, WEFT_ROUTE_API, 503, false, 0);
    weft_metrics_count(&metrics, WEFT_ROUTE_API, 200, true, 0); /* who left was not answered, whatever had begun */
    weft_metrics_count(&metrics, WEFT_ROUTE_API, 0, true, 0);
    print(&metrics);
    (void)check_text(); /* how many is not the question here */
    assert_true(says("weft_requests_total{route=\"/health\",class=\"2xx\"} 2"));
    assert_true(says("weft_requests_total{route=\"/health\",class=\"3xx\"} 1"));
    assert_true(says("weft_requests_total{route=\"/v1/\",class=\"4xx\"} 1"));
    assert_true(says("weft_requests_total{route=\"/v1/\",class=\"5xx\"} 1"));
    assert_true(says("weft_requests_total{route=\"/v1/\",class=\"cancelled\"} 2"));
    assert_true(says("weft_request_duration_seconds_bucket{route=\"/health\",le=\"0.0005\"} 1"));
    assert_true(says("weft_request_duration_seconds_bucket{route=\"/health\",le=\"0.001\"} 2"));
    assert_true(says("weft_request_duration_seconds_bucket{route=\"/health\",le=\"1800\"} 2"));
    assert_true(says("weft_request_duration_seconds_bucket{route=\"/health\",le=\"+Inf\"} 3"));
    assert_true(says("weft_request_duration_seconds_sum{route=\"/health\"} 7200.001001"));
    assert_true(says("weft_request_duration_seconds_count{route=\"/health\"} 3"));
    assert_true(says("weft_request_bytes_total 18446744073709551615"));
    assert_true(says("weft_connections 3"));
}

static void test_long_version(void **state)
{
    (void)state;
    struct weft_metrics metrics = {0};
    struct weft_bytes out = {0};
    char version[500];
    memset(version, 'v', sizeof(version) - 1);
    version[sizeof(version) - 1] = '\0';
    assert_int_equal(weft_metrics_print(&metrics, version, &out), 0);
    weft_bytes_deinit(&out);
}

/* Out of memory at any point is told, and whoever asked drops what is there. */
static void test_no_memory(void **state)
{
    (void)state;
    struct weft_metrics metrics = {0};
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    uint64_t at = 1;
    for (bool failed = true; failed; at++) {
        struct weft_bytes out = {0};
        weft_bytes_trim(); /* or the blocks would come from the spares */
        weft_mem_fail_at(at);
        int error = weft_metrics_print(&metrics, "1", &out);
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, failed ? WEFT_ERR_MEMORY : 0);
        weft_bytes_deinit(&out);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
    }
    assert_true(at > 3); /* a block at the least was wanted twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_long_version),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
