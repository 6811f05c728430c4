/* tests/torture/exchange_test.c - whole exchanges in which each allocation fails in turn.
 *
 * Run after run, the first allocation fails, then the second, until a run needs no more. Whatever fails, the client is
 * answered or its connection ends, soon; nothing crashes and nothing is left behind. The libraries allocate through
 * the same door, so theirs fail too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "sim/answers.h"
#include "sim/asker.h"
#include "sim/frames.h"
#include "sim/raw.h"
#include "sim/resident.h"
#include "support/tls_ends.h"
#include "wire/json.h"

#define PATIENCE (20 * WEFT_SECOND) /* by then everybody is told, though idle connections would stay longer */
#define RUNS_MAX 20000              /* allocations in one exchange */

/* TLS makes thousands of them. A sanitizer's build, which is slow, takes every so manieth; a release takes each. */
#ifdef __SANITIZE_ADDRESS__
#define TLS_STRIDE 7
#else
#define TLS_STRIDE 1
#endif

/* Longer than what is left of an arena's chunk, so that one header of an answer is there and the next one fails. */
#define LONG_TAG_8   "xxxxxxxx"
#define LONG_TAG_64  LONG_TAG_8 LONG_TAG_8 LONG_TAG_8 LONG_TAG_8 LONG_TAG_8 LONG_TAG_8 LONG_TAG_8 LONG_TAG_8
#define LONG_TAG_512 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64 LONG_TAG_64

static const char answer_h1[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                                "ETag: \"" LONG_TAG_512 LONG_TAG_512 "\"\r\n\r\n"
                                "a\r\ndata: one\n\r\n1\r\n\n\r\nc\r\ndata: done\n\n\r\n0\r\n\r\n";
static const char posted[] = "{\"model\":\"any\",\"stream\":true}";

enum speech { H1, H2, TLS };

struct variant {
    const char *name;
    enum speech speech;
    const char *yaml;
    const char *method, *path;
    const char *body;
    int status;
    bool owner;      /* the owner's token is shown */
    bool from_start; /* allocations fail from the node's making on */
};

static const struct variant variants[] = {
    {"health over h1", H1, "listen: [\"tcp:127.0.0.1:80\"]\n", "GET", "/health", NULL, 200, false, false},
    {"health over h2", H2, "listen: [\"tcp:127.0.0.1:80\"]\n", "GET", "/health", NULL, 200, false, false},
    {"metrics over h1", H1, "listen: [\"tcp:127.0.0.1:80\"]\n", "GET", "/metrics", NULL, 200, false, false},
    {"status over h1", H1, "listen: [\"tcp:127.0.0.1:80\"]\n", "GET", "/weft/v1/status", NULL, 200, true, false},
    {"a relay over h1", H1, "listen: [\"tcp:127.0.0.1:80\"]\nupstream: http://10.0.0.9:8000/base\n", "POST",
     "/v1/chat/completions", posted, 200, false, false},
    {"a relay over h2", H2, "listen: [\"tcp:127.0.0.1:80\"]\nupstream: h2c://10.0.0.9:8000\n", "POST",
     "/v1/chat/completions", posted, 200, false, false},
    {"a relay through TLS", TLS,
     "listen: [\"tls:127.0.0.1:80\"]\ncert: c.pem\nkey: k.pem\nupstream: http://10.0.0.9:8000\n", "POST",
     "/v1/chat/completions", posted, 200, false, false},
    {"a drain over h1", H1, "listen: [\"tcp:127.0.0.1:80\"]\n", "POST", "/weft/v1/drain", "{\"timeout_s\": 2}", 202,
     true, false},
    {"a node from its start", H1, "listen: [\"tcp:127.0.0.1:80\"]\nupstream: http://10.0.0.9:8000\n", "POST",
     "/v1/chat/completions", posted, 200, false, true},
};

static struct tls_authority authority;
static struct pem_text certificate, key;
static struct weft_tls_context *trusting;

/* One run: everything but the code under test is here, and allocates nothing. */
static struct run {
    const struct variant *variant;
    struct weft_world *world;
    struct weft_host *clients;
    struct weft_resident node;
    struct weft_raw client;
    struct weft_asker asker;
    struct weft_raw upstream[4];
    struct weft_raw_server server;
    struct weft_answers answers;
} run;

/* -- the upstream: canned bytes -- */

static void on_asked(struct weft_raw *raw)
{
    if (raw->ended) {
        weft_raw_close(raw, false);
        return;
    }
    if (run.variant->speech != H2) {
        if (raw->out_size == 0 && strstr(raw->in, posted)) {
            weft_raw_text(raw, answer_h1);
        }
        return;
    }
    /* A SETTINGS of its own; then, when the body's DATA has come, HEADERS (200, a content type) and two DATA. */
    static const char head[] = "\x88\x0f\x10\x11text/event-stream";
    if (raw->out_size == 0) {
        weft_frames_send(raw, 4, 0, 0, (struct weft_slice){0});
    }
    bool asked = false;
    for (size_t i = 0; i + sizeof(posted) <= raw->in_size + 1; i++) {
        asked |= memcmp(raw->in + i, posted, sizeof(posted) - 1) == 0;
    }
    if (asked && raw->out_size == 9) {
        weft_frames_send(raw, 1, 4, 1, weft_slice(head, sizeof(head) - 1));
        weft_frames_data(raw, 1, WEFT_SLICE("data: one\n\n"), false);
        weft_frames_data(raw, 1, WEFT_SLICE("data: done\n\n"), true);
    }
}

static void on_upstream_accepted(struct weft_raw *raw)
{
    raw->changed = on_asked;
}

/* -- the client -- */

static void ask_raw(void)
{
    const struct variant *v = run.variant;
    char token[128] = "", text[1024];
    if (v->owner) {
        struct weft_slice shown = weft_resident_token(&run.node);
        (void)snprintf(token, sizeof(token), "authorization: Bearer %.*s\n", (int)shown.size, shown.data);
    }
    weft_raw_dial(&run.client, run.clients, "127.0.0.1:80");
    if (v->speech == H2) {
        const struct weft_frames_request request = {
            .stream = 1,
            .method = v->method,
            .path = v->path,
            .authority = "localhost",
            .fields = v->body ? "content-type: application/json\ncookie: crumb\n" : token,
            .body = v->body ? weft_slice_text(v->body) : (struct weft_slice){0},
        };
        weft_frames_hello(&run.client);
        weft_frames_ask(&run.client, &request);
        return;
    }
    token[strcspn(token, "\n")] = '\0';
    (void)snprintf(text, sizeof(text),
                   "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%sContent-Type: application/json\r\nContent-Length: %zu\r\n"
                   "\r\n%s",
                   v->method, v->path, token, token[0] ? "\r\n" : "", v->body ? strlen(v->body) : 0,
                   v->body ? v->body : "");
    weft_raw_text(&run.client, text);
}

static bool told_raw(void *self)
{
    (void)self;
    struct weft_slice heard = weft_slice(run.client.in, run.client.in_size);
    if (run.variant->speech == H2) {
        weft_answers_h2(&run.answers, heard);
    } else {
        weft_answers_h1(&run.answers, heard, 0, run.client.ended);
    }
    return run.client.ended || run.answers.whole > 0;
}

static void ask_and_wait(void)
{
    const struct variant *v = run.variant;
    weft_time limit = weft_world_now(run.world) + PATIENCE;
    if (v->speech != TLS) {
        ask_raw();
        assert_true(weft_world_run(run.world, limit, told_raw, NULL));
        return;
    }
    if (weft_asker_dial(&run.asker, run.world, run.clients, "127.0.0.1:80", false, weft_tls_filters(trusting),
                        "weft.test") == 0 &&
        weft_asker_ask(&run.asker, v->method, v->path, "content-type: application/json\n", weft_slice_text(v->body)) ==
            0) {
        assert_true(weft_world_run(run.world, limit, weft_asker_told, &run.asker));
    }
}

static void judge(bool failed)
{
    const struct variant *v = run.variant;
    if (v->speech == TLS) {
        if (!failed) {
            assert_int_equal(run.asker.status, v->status);
            assert_true(run.asker.whole);
            assert_string_equal(run.asker.text, "data: one\n\ndata: done\n\n");
        }
        weft_asker_end(&run.asker);
        return;
    }
    assert_false(run.answers.malformed);
    if (!failed) {
        assert_int_equal(run.answers.whole, 1);
        assert_int_equal(run.answers.at[0].status, v->status);
        assert_false(run.answers.at[0].reset);
    } else if (run.answers.whole > 0 && v->speech == H1) {
        int status = run.answers.at[0].status;
        assert_true(status == v->status || status >= 500);
        const char *type = strcasestr(run.client.in, "\r\ncontent-type:");
        assert_true(type && !strcasestr(type + 1, "\r\ncontent-type:"));
    }
    weft_raw_close(&run.client, false);
}

/* Returns how many allocations are left over; *did_fail says whether one of them failed. */
static int64_t play(const struct variant *variant, uint64_t fail_at, bool *did_fail)
{
    const struct weft_world_options options = {.seed = 1, .calm = true};
    const struct weft_resident_options node = {
        .yaml = variant->yaml,
        .certificate = variant->speech == TLS ? pem_slice(&certificate) : (struct weft_slice){0},
        .certificate_key = pem_slice(&key),
    };
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    run.variant = variant;
    assert_int_equal(weft_world_new(&run.world, &options), 0);
    struct weft_host *host = weft_world_host(run.world, "node");
    run.clients = weft_world_host(run.world, "clients");
    run.server = (struct weft_raw_server){.host = weft_world_host(run.world, "upstream"),
                                          .at = run.upstream,
                                          .count = WEFT_COUNT(run.upstream),
                                          .accepted = on_upstream_accepted};
    weft_raw_listen(&run.server, "10.0.0.9:8000");
    int error = 0;
    if (variant->from_start) {
        weft_mem_fail_at(fail_at);
        error = weft_resident_begin(&run.node, host, run.world, &node);
        if (error == 0) {
            weft_time limit = weft_world_now(run.world) + PATIENCE;
            assert_true(weft_world_run(run.world, limit, weft_resident_started, &run.node));
            error = run.node.status;
        }
        assert_true(error == 0 || weft_mem_failed());
        assert_true(error == 0 || run.node.problem[0] != '\0');
    } else {
        weft_resident_start(&run.node, host, run.world, &node);
        weft_bytes_trim();
        weft_mem_fail_at(fail_at);
    }
    bool failed = weft_mem_failed();
    if (error == 0) {
        ask_and_wait();
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        judge(failed);
        weft_world_pass(run.world, WEFT_SECOND);
    }
    weft_mem_fail_at(0);
    weft_resident_end(&run.node);
    weft_raw_unlisten(&run.server);
    weft_world_pass(run.world, WEFT_SECOND);
    assert_int_equal(weft_world_links(run.world), 0);
    weft_world_free(run.world);
    weft_bytes_trim();
    *did_fail = failed;
    return weft_mem_live() - live;
}

static void test_variant(void **state)
{
    const struct variant *variant = *state;
    uint64_t runs = 1;
    bool failed;
    (void)play(variant, 0, &failed); /* libraries make what they keep */
    assert_int_equal(play(variant, 0, &failed), 0);
    assert_false(failed);
    uint64_t stride = variant->speech == TLS ? TLS_STRIDE : 1;
    for (failed = true; failed; runs += stride) {
        int64_t left = play(variant, runs, &failed);
        if (left != 0) { /* what a library makes once, and keeps, is not made again: OpenSSL's list of errors */
            left = play(variant, runs, &failed);
        }
        if (left != 0) {
            fail_msg("%s leaves %lld allocations when allocation %llu fails", variant->name, (long long)left,
                     (unsigned long long)runs);
        }
        assert_true(runs < RUNS_MAX);
    }
    assert_true(runs > 5); /* it did allocate */
    print_message("%s: %llu allocations failed in turn\n", variant->name, (unsigned long long)(runs / stride - 1));
}

int main(void)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    weft_tls_setup();
    weft_json_setup(1);
    tls_authority_init(&authority);
    tls_authority_issue(&authority, (struct certificate_wish){0}, &certificate, &key);
    const struct weft_tls_client_options options = {
        .verify = WEFT_TLS_VERIFY_NAME, .roots = pem_slice(&authority.roots), .alpn = alpn};
    if (weft_tls_client_context_new(&trusting, &options) < 0) {
        return 1;
    }
    struct CMUnitTest tests[WEFT_COUNT(variants)];
    for (size_t i = 0; i < WEFT_COUNT(variants); i++) {
        tests[i] = (struct CMUnitTest){
            .name = variants[i].name, .test_func = test_variant, .initial_state = (void *)(uintptr_t)&variants[i]};
    }
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    weft_tls_context_free(trusting);
    tls_authority_deinit(&authority);
    return failures;
}
