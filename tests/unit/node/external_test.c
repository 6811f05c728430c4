/* tests/unit/node/external_test.c - a server that is not ours: found, watched, asked, lost and found again. */
#include "node/external.h"
#include "node/external_reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "unit/node/outsider.h"
#include "wire/json.h"

#define LIST_MAX ((size_t)4 * 1024 * 1024) /* what is read of a list of models, as the sentence says it */

static struct stage {
    int64_t live;
    struct weft_world *world;
    struct weft_host *node;
    struct weft_loop loop;
    struct weft_journal journal;
    struct weft_metrics metrics;
    struct weft_external *external;
    size_t changes;
} stage;

static struct asker {
    struct weft_external_attempt *attempt;
    char text[512];
    size_t used, begun, frames, signs, finishes;
    size_t pause_after, cancel_after;
    bool ended, whole;
    struct weft_native_problem problem;
} asker;

/* -- the node -- */

static weft_time turn(void *self, weft_time now)
{
    (void)self;
    stage.loop.turn.now = now;
    weft_timers_run(&stage.loop.timers, now);
    weft_turn_run(&stage.loop.turn);
    return weft_timers_next(&stage.loop.timers);
}

static void changed(void *self)
{
    assert_ptr_equal(self, &stage);
    stage.changes++;
}

static void pass(weft_time time)
{
    weft_world_poke(stage.node);
    weft_world_pass(stage.world, time);
}

static void begin(const char *url, const char *key)
{
    const struct weft_world_options options = {.seed = 3, .calm = true};
    weft_bytes_trim();
    stage = (struct stage){.live = weft_mem_live()};
    asker = (struct asker){.used = 0};
    assert_int_equal(weft_world_new(&stage.world, &options), 0);
    stage.node = weft_world_host(stage.world, "node");
    stage.loop.host = stage.node;
    stage.loop.turn.now = weft_world_now(stage.world);
    weft_world_set_guest(stage.node, (struct weft_guest){.turn = turn});
    weft_journal_init(&stage.journal, stage.node, WEFT_LOG_DEBUG, WEFT_JOURNAL_JSON);
    outsider_begin(stage.world);
    struct weft_external_options external = {.loop = &stage.loop,
                                             .journal = &stage.journal,
                                             .metrics = &stage.metrics,
                                             .stall = 10 * WEFT_SECOND,
                                             .name = weft_slice_text(url),
                                             .key = weft_slice_text(key),
                                             .id = 7,
                                             .changed = changed,
                                             .self = &stage};
    assert_int_equal(weft_url_parse(external.name, &external.url, NULL), 0);
    assert_int_equal(weft_external_new(&stage.external, &external), 0);
    weft_external_start(stage.external);
}

static void begin_up(void)
{
    begin("http://" OUTSIDER_AT "/v1", "");
    pass(WEFT_SECOND);
}

/* Nothing is left behind, and the key stands nowhere. */
static void end(void)
{
    weft_external_free(stage.external);
    weft_turn_run(&stage.loop.turn);
    outsider_die();
    assert_null(strstr(weft_world_log(stage.node), "secret"));
    pass(WEFT_SECOND);
    assert_int_equal(weft_world_sockets(stage.node), 0);
    weft_timers_deinit(&stage.loop.timers);
    weft_world_free(stage.world);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), stage.live);
}

static struct weft_external_info look(void)
{
    struct weft_external_info info;
    weft_external_info(stage.external, &info);
    return info;
}

/* -- who asks -- */

static void asker_begun(void *self)
{
    ((struct asker *)self)->begun++;
}

static void asker_frame(void *self, const struct weft_frame *frame)
{
    struct asker *one = self;
    assert_non_null(one->attempt); /* nothing comes after a cancel */
    one->frames++;
    if (frame->kind == WEFT_FRAME_PROGRESS) {
        one->signs++;
    } else if (frame->kind == WEFT_FRAME_DELTA) {
        one->used += (size_t)snprintf(one->text + one->used, sizeof(one->text) - one->used, "%.*s",
                                      (int)frame->delta.text.size, frame->delta.text.data);
    } else if (frame->kind == WEFT_FRAME_FINISH) {
        one->finishes++;
    }
    if (one->pause_after > 0 && one->frames == one->pause_after) {
        weft_external_pause(one->attempt, true);
    }
    if (one->cancel_after > 0 && one->frames == one->cancel_after) {
        weft_external_cancel(one->attempt);
        one->attempt = NULL;
    }
}

static void asker_ended(void *self, const struct weft_native_problem *problem)
{
    struct asker *one = self;
    assert_false(one->ended);
    one->ended = true;
    one->whole = !problem;
    one->attempt = NULL;
    if (problem) {
        one->problem = *problem;
    }
}

static const struct weft_native_user user = {.begun = asker_begun, .frame = asker_frame, .ended = asker_ended};

static int try(struct asker *one)
{
    struct weft_bytes body = {0};
    assert_int_equal(weft_bytes_append(&body, "{\"messages\":[]}", 15), 0);
    const struct weft_external_attempt_options options = {
        .shape = WEFT_OPENAI_CHAT, .choices = 1, .body = &body, .user = &user, .self = one};
    weft_world_poke(stage.node);
    int error = weft_external_ask(&one->attempt, stage.external, &options);
    weft_bytes_deinit(&body);
    return error;
}

static void ask(void)
{
    asker = (struct asker){.pause_after = asker.pause_after, .cancel_after = asker.cancel_after};
    assert_int_equal(try(&asker), 0);
    pass(WEFT_SECOND / 10);
}

/* -- found -- */

static void test_it_is_found_with_its_models(void **state)
{
    (void)state;
    begin_up();
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    assert_int_equal(look().kind, WEFT_EXTERNAL_LLAMA);
    assert_int_equal(look().models, 2);
    assert_null(look().problem);
    assert_int_equal(weft_external_find(stage.external, WEFT_SLICE("other")), 1);
    assert_int_equal(weft_external_find(stage.external, WEFT_SLICE("nothing")), -1);
    assert_true(weft_slice_equal(weft_external_model(stage.external, 0), WEFT_SLICE("m:1b")));
    assert_non_null(strstr(outsider.heard, "GET /v1/models HTTP/1.1\r\n"));
    assert_null(strstr(outsider.heard, "uthorization"));
    assert_int_equal(stage.changes, 1);
    end();
}

static void test_it_is_looked_at_now_and_then(void **state)
{
    (void)state;
    begin_up();
    pass(10 * WEFT_EXTERNAL_CHECK);
    assert_in_range(outsider.checks, 10, 12);
    assert_int_equal(stage.changes, 1);
    outsider.models =
        "{\"data\":[{\"id\":\"new\",\"owned_by\":\"vllm\"},{\"id\":\"\"},{\"id\":7},{\"id\":\"a\\u0007\"}]}";
    pass(WEFT_EXTERNAL_CHECK);
    assert_int_equal(stage.changes, 2);
    assert_int_equal(look().models, 1); /* what is no name is passed over */
    assert_int_equal(look().kind, WEFT_EXTERNAL_VLLM);
    assert_int_equal(weft_external_find(stage.external, WEFT_SLICE("new")), 0);
    end();
}

static void test_a_key_is_shown_to_it_and_to_nobody_else(void **state)
{
    (void)state;
    begin("http://" OUTSIDER_AT, "secret-key"); /* and without a path the API's usual one is meant */
    pass(WEFT_SECOND);
    assert_non_null(strstr(outsider.heard, "GET /v1/models HTTP/1.1\r\n"));
    assert_non_null(strstr(outsider.heard, "uthorization: Bearer secret-key\r\n"));
    outsider.models_status = 401;
    outsider.models = "{\"error\":{\"message\":\"wrong key secret-key\"}}";
    pass(2 * WEFT_EXTERNAL_CHECK);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(look().problem, "it does not take the key that it is shown");
    outsider.models_status = 200;
    outsider.models = OUTSIDER_MODELS;
    pass(2 * WEFT_EXTERNAL_CHECK);
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("x") OUTSIDER_STOP;
    ask();
    assert_non_null(strstr(outsider.heard, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(outsider.heard, "uthorization: Bearer secret-key\r\n"));
    assert_non_null(strstr(outsider.heard, "\r\n\r\n{\"messages\":[]}"));
    end();
}

/* -- lost -- */

static void test_it_is_not_there_and_comes(void **state)
{
    (void)state;
    begin("http://" OUTSIDER_AT "/v1", "");
    outsider_die();
    pass(3 * WEFT_SECOND);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(look().problem, "it cannot be reached");
    assert_int_equal(look().models, 0);
    assert_false(look().given_up);
    assert_int_equal(try(&asker), WEFT_ERR_BUSY);
    pass(WEFT_EXTERNAL_PATIENCE);
    assert_true(look().given_up);
    outsider_listen();
    pass(WEFT_EXTERNAL_PAUSE_MAX + WEFT_SECOND);
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    assert_false(look().given_up);
    assert_null(look().problem);
    end();
}

static void speak_plainly(struct weft_raw *raw)
{
    weft_raw_text(raw, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

/* What was wrong before is not why it cannot be reached now. */
static void test_it_speaks_no_tls_and_is_gone(void **state)
{
    (void)state;
    begin("https://" OUTSIDER_AT "/v1", "");
    outsider.at.accepted = speak_plainly;
    pass(WEFT_SECOND);
    assert_non_null(look().problem);
    assert_string_not_equal(look().problem, "it cannot be reached");
    outsider_die();
    pass(60 * WEFT_SECOND);
    assert_string_equal(look().problem, "it cannot be reached");
    end();
}

static void test_it_does_not_answer(void **state)
{
    (void)state;
    begin_up();
    outsider.models = NULL;
    pass(WEFT_EXTERNAL_CHECK + WEFT_EXTERNAL_CHECK_TIME + WEFT_SECOND);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(look().problem, "it does not answer");
    assert_int_equal(look().models, 2); /* they are remembered: a request for one is told that it cannot be had now */
    end();
}

static void test_what_is_no_such_server(void **state)
{
    (void)state;
    static const char *const lists[] = {"hello", "[]", "{}", "{\"data\":7}", "{\"models\":[]}"};
    for (size_t i = 0; i < WEFT_COUNT(lists); i++) {
        begin("http://" OUTSIDER_AT "/v1", "");
        outsider.models = lists[i];
        pass(WEFT_SECOND / 4);
        assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
        assert_non_null(strstr(look().problem, "does not list models"));
        end();
    }
}

static void test_it_sends_requests_elsewhere(void **state)
{
    (void)state;
    begin("http://" OUTSIDER_AT "/v1", "");
    outsider.models_status = 308;
    pass(WEFT_SECOND / 4);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(
        look().problem,
        "it sends requests on to another address, where this node does not follow: its URL has to be that one");
    end();
}

static void test_its_list_is_too_long(void **state)
{
    (void)state;
    static char part[64 * 1024];
    begin("http://" OUTSIDER_AT "/v1", "");
    outsider.models = NULL;
    pass(WEFT_SECOND / 10);
    struct weft_raw *raw = &outsider_peers[0];
    memset(part, ' ', sizeof(part)); /* JSON may begin so */
    weft_raw_text(raw, "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    for (size_t sent = 0; sent <= LIST_MAX && look().state != WEFT_EXTERNAL_DOWN; sent += sizeof(part)) {
        assert_true(sent < LIST_MAX || look().state == WEFT_EXTERNAL_ASKED); /* as much is read */
        weft_raw_send(raw, weft_slice(part, sizeof(part)));
        while (raw->out_sent < raw->out_size) {
            pass(WEFT_MS);
        }
        raw->out_sent = raw->out_size = 0;
    }
    pass(WEFT_SECOND / 4);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(look().problem, "its list of models is longer than the 4 MiB that are read");
    end();
}

static void test_it_breaks_its_list_off(void **state)
{
    (void)state;
    begin("http://" OUTSIDER_AT "/v1", "");
    outsider.models = NULL;
    pass(WEFT_SECOND / 10);
    weft_raw_text(&outsider_peers[0], "HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n{\"data\":[");
    weft_raw_close(&outsider_peers[0], false);
    pass(WEFT_SECOND / 4);
    assert_string_equal(look().problem, "it broke the connection off before it had told its models");
    end();
}

/* -- asked -- */

static void test_an_answer_comes_in_frames(void **state)
{
    (void)state;
    begin_up();
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_CHUNK("lo") OUTSIDER_STOP;
    ask();
    assert_true(asker.ended && asker.whole);
    assert_string_equal(asker.text, "Hello");
    assert_int_equal(asker.begun, 1);
    assert_int_equal(asker.finishes, 1);
    assert_int_equal(look().running, 0);
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    end();
}

static void test_an_answer_is_cut(void **state)
{
    (void)state;
    static const char *const answers[] = {OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel"),
                                          OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") "data: {\"choi", OUTSIDER_EVENTS, ""};
    for (size_t i = 0; i < WEFT_COUNT(answers); i++) {
        begin_up();
        outsider.answers[0] = answers[i];
        outsider.cuts = true;
        ask();
        assert_true(asker.ended && !asker.whole);
        assert_string_equal(asker.text, i < 2 ? "Hel" : "");
        assert_string_equal(asker.problem.code, "engine_lost");
        assert_int_equal(asker.problem.status, 502);
        assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
        pass(2 * WEFT_SECOND); /* it was only this answer */
        assert_int_equal(look().state, WEFT_EXTERNAL_UP);
        end();
    }
}

/* Nobody listens there, though it was there a moment ago: it has heard of nothing. */
static void test_it_is_gone_when_it_is_asked(void **state)
{
    (void)state;
    begin_up();
    pass(WEFT_EXTERNAL_CHECK / 2); /* no connection is kept for so long */
    outsider_die();
    ask();
    assert_true(asker.ended && asker.problem.passes);
    assert_string_equal(asker.problem.code, "external_unreachable");
    assert_int_equal(asker.problem.status, 503);
    assert_true(asker.problem.retry_s > 0);
    assert_int_equal(outsider.posts, 0);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_string_equal(look().problem, "it cannot be reached");
    end();
}

/* While it loads a model llama-server refuses everything; one that is up and refuses again is waited for longer. */
static void test_it_takes_nothing_at_present(void **state)
{
    (void)state;
    weft_time waited = 0;
    begin_up();
    outsider.answers[0] = "HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n"
                          "{\"error\":{\"message\":\"Loading\",\"code\":503}}\n\n";
    for (int i = 0; i < 5; i++) {
        weft_time from = weft_world_now(stage.world);
        while (look().state != WEFT_EXTERNAL_UP) {
            pass(WEFT_SECOND / 10);
        }
        weft_time took = weft_world_now(stage.world) - from;
        assert_true(i == 0 || took > waited);
        waited = took;
        ask();
        assert_true(asker.ended && !asker.whole);
        assert_string_equal(asker.problem.code, "external_busy");
        assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    }
    end();
}

static void test_it_refuses_a_request(void **state)
{
    (void)state;
    begin_up();
    outsider.answers[0] = "HTTP/1.1 400 X\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n"
                          "{\"error\":{\"message\":\"too bad\"}}";
    ask();
    assert_int_equal(asker.problem.status, 400);
    assert_string_equal(asker.problem.code, "external_refused");
    assert_string_equal(asker.problem.message, "The external server says: too bad");
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    end();
}

static void test_it_does_not_stream(void **state)
{
    (void)state;
    begin_up();
    outsider.answers[0] = "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    ask();
    assert_string_equal(asker.problem.code, "external_malformed");
    assert_int_equal(asker.begun, 0);
    end();
}

static void test_it_says_too_much_at_once(void **state)
{
    (void)state;
    char name[WEFT_EXTERNAL_CALL_NAME_MAX + 2] = "", answer[1024];
    memset(name, 'x', sizeof(name) - 1);
    (void)snprintf(answer, sizeof(answer),
                   OUTSIDER_EVENTS
                   "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"%s\"}}]}}]}\n\n",
                   name); /* fits */
    begin_up();
    outsider.answers[0] = answer;
    ask();
    assert_int_equal(asker.problem.status, 502);
    assert_string_equal(asker.problem.code, "answer_too_large");
    assert_non_null(strstr(asker.problem.message, "an event over 1 MiB"));
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    end();
}

static void test_a_slow_reader_and_one_who_leaves(void **state)
{
    (void)state;
    begin_up();
    outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("a") OUTSIDER_CHUNK("b") OUTSIDER_CHUNK("c") OUTSIDER_STOP;
    asker.pause_after = 2;
    ask();
    pass(30 * WEFT_SECOND);
    assert_string_equal(asker.text, "ab");
    assert_int_equal(asker.signs, 0);
    assert_false(asker.ended);
    weft_world_poke(stage.node);
    weft_external_pause(asker.attempt, false);
    pass(WEFT_SECOND);
    assert_string_equal(asker.text, "abc");
    assert_true(asker.whole);
    asker.pause_after = 0;
    asker.cancel_after = 1;
    ask();
    assert_string_equal(asker.text, "a");
    assert_false(asker.ended);
    assert_int_equal(look().running, 0);
    assert_int_equal(look().state, WEFT_EXTERNAL_UP);
    end();
}

/* -- silence -- */

static void test_silence_is_looked_into(void **state)
{
    (void)state;
    begin_up();
    ask(); /* it is not answered */
    size_t checks = outsider.checks;
    pass(20 * WEFT_SECOND);
    assert_in_range(outsider.checks - checks, 17, 20);
    assert_in_range(asker.signs, 17, 20);
    outsider.models = NULL; /* now it hangs */
    pass(2 * WEFT_SECOND);
    size_t signs = asker.signs;
    assert_false(asker.ended);
    pass(10 * WEFT_SECOND);
    assert_int_equal(asker.signs, signs);
    assert_int_equal(look().state, WEFT_EXTERNAL_DOWN);
    assert_true(asker.ended && !asker.whole);
    assert_string_equal(asker.problem.code, "engine_lost");
    assert_true(asker.problem.passes);
    end();
}

static void test_silence_does_not_last_for_ever(void **state)
{
    (void)state;
    begin_up();
    outsider.answers[0] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    ask();
    pass((WEFT_EXTERNAL_SILENCE + 2) * WEFT_EXTERNAL_TICK);
    assert_true(asker.ended && !asker.whole);
    assert_string_equal(asker.problem.code, "external_silent");
    end();
}

static void test_as_many_as_may(void **state)
{
    (void)state;
    static struct asker many[WEFT_EXTERNAL_RUNNING_MAX];
    begin_up();
    for (size_t i = 0; i < WEFT_EXTERNAL_RUNNING_MAX; i++) {
        many[i] = (struct asker){.used = 0};
        assert_int_equal(try(&many[i]), 0);
    }
    assert_int_equal(try(&asker), WEFT_ERR_FULL);
    assert_int_equal(look().running, WEFT_EXTERNAL_RUNNING_MAX);
    pass(WEFT_SECOND); /* a host's own answers are awaited: a node is freed after its loop has ended */
    end();             /* they are forgotten */
    for (size_t i = 0; i < WEFT_EXTERNAL_RUNNING_MAX; i++) {
        assert_false(many[i].ended);
    }
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t countdown = 1; failed; countdown++) {
        begin_up();
        outsider.answers[0] = OUTSIDER_EVENTS OUTSIDER_CHUNK("Hel") OUTSIDER_STOP;
        weft_mem_fail_at(countdown);
        int error = try(&asker);
        pass(WEFT_EXTERNAL_CHECK); /* a check is among what fails */
        failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(error < 0 || asker.ended);
        assert_true(failed || asker.whole);
        pass(WEFT_EXTERNAL_PAUSE_MAX);
        assert_int_equal(look().state, WEFT_EXTERNAL_UP);
        end();
    }
}

static int set_up(void **state)
{
    (void)state;
    weft_json_setup(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_found_with_its_models),
        cmocka_unit_test(test_it_is_looked_at_now_and_then),
        cmocka_unit_test(test_a_key_is_shown_to_it_and_to_nobody_else),
        cmocka_unit_test(test_it_is_not_there_and_comes),
        cmocka_unit_test(test_it_speaks_no_tls_and_is_gone),
        cmocka_unit_test(test_it_does_not_answer),
        cmocka_unit_test(test_what_is_no_such_server),
        cmocka_unit_test(test_it_sends_requests_elsewhere),
        cmocka_unit_test(test_its_list_is_too_long),
        cmocka_unit_test(test_it_breaks_its_list_off),
        cmocka_unit_test(test_an_answer_comes_in_frames),
        cmocka_unit_test(test_an_answer_is_cut),
        cmocka_unit_test(test_it_is_gone_when_it_is_asked),
        cmocka_unit_test(test_it_takes_nothing_at_present),
        cmocka_unit_test(test_it_refuses_a_request),
        cmocka_unit_test(test_it_does_not_stream),
        cmocka_unit_test(test_it_says_too_much_at_once),
        cmocka_unit_test(test_a_slow_reader_and_one_who_leaves),
        cmocka_unit_test(test_silence_is_looked_into),
        cmocka_unit_test(test_silence_does_not_last_for_ever),
        cmocka_unit_test(test_as_many_as_may),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
