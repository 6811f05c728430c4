/* tests/unit/mesh/resume_test.c - attempts that are cut at every place make one whole answer. */
#include "mesh/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define SCRIPT_MAX 32

static struct told {
    char text[4096]; /* one word for each frame */
    size_t size, frames;
    size_t stop_at; /* after so many frames nobody listens; 0: always */
    int progress;
} told;

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    told.size += (size_t)vsnprintf(told.text + told.size, sizeof(told.text) - told.size, format, args);
    va_end(args);
    assert_true(told.size < sizeof(told.text));
}

static bool tell(void *self, const struct weft_frame *frame)
{
    (void)self;
    switch (frame->kind) {
    case WEFT_FRAME_TOKEN:
        say("%s%u:%u ", frame->token.prompt ? "echo" : "token", frame->choice, frame->token.id);
        break;
    case WEFT_FRAME_DELTA:
        say("delta%u:%.*s ", frame->choice, (int)frame->delta.text.size, frame->delta.text.data);
        break;
    case WEFT_FRAME_FINISH:
        say("finish%u ", frame->choice);
        break;
    case WEFT_FRAME_USAGE:
        say("usage:%u+%u ", frame->usage.prompt_tokens, frame->usage.completion_tokens);
        break;
    case WEFT_FRAME_PROGRESS:
        told.progress++;
        return true;
    default:
        fail();
    }
    told.frames++;
    return told.stop_at == 0 || told.frames < told.stop_at;
}

static struct weft_frame token(uint16_t choice, uint32_t id, uint16_t deltas)
{
    return (struct weft_frame){
        .kind = WEFT_FRAME_TOKEN, .choice = choice, .token = {.id = id, .deltas = deltas, .bytes = WEFT_SLICE("x")}};
}

static struct weft_frame echo(uint16_t choice, uint32_t id, uint16_t deltas)
{
    struct weft_frame frame = token(choice, id, deltas);
    frame.token.prompt = true;
    return frame;
}

static struct weft_frame delta(uint16_t choice, const char *text)
{
    return (struct weft_frame){.kind = WEFT_FRAME_DELTA,
                               .choice = choice,
                               .delta = {.part = WEFT_PART_CONTENT, .text = weft_slice_text(text)}};
}

static struct weft_frame finish(uint16_t choice)
{
    return (struct weft_frame){.kind = WEFT_FRAME_FINISH, .choice = choice, .finish = {.reason = WEFT_FINISH_STOP}};
}

static struct weft_frame usage(uint32_t completion)
{
    return (struct weft_frame){.kind = WEFT_FRAME_USAGE,
                               .usage = {.prompt_tokens = 2, .completion_tokens = completion}};
}

static const struct weft_frame progress = {.kind = WEFT_FRAME_PROGRESS, .progress = {.phase = WEFT_PHASE_DECODE}};

static struct weft_resume *begin(uint16_t choices)
{
    struct weft_resume *resume;
    told = (struct told){.size = 0};
    weft_bytes_trim();
    assert_int_equal(weft_resume_new(&resume, choices), 0);
    return resume;
}

static int take(struct weft_resume *resume, struct weft_frame frame)
{
    return weft_resume_frame(resume, &frame, tell, NULL);
}

static const char *ids(const struct weft_resume *resume)
{
    static char text[256];
    struct weft_bytes out = {0};
    assert_int_equal(weft_resume_write(resume, &out), 0);
    assert_true(out.size < sizeof(text));
    text[weft_bytes_read(&out, text, sizeof(text) - 1)] = '\0';
    return text;
}

/* -- an undisturbed answer -- */

static void a_step_is_told_when_it_is_whole(void **state)
{
    (void)state;
    struct weft_resume *resume = begin(1);
    assert_int_equal(take(resume, token(0, 7, 2)), 0);
    assert_int_equal(take(resume, delta(0, "a")), 0);
    assert_int_equal(take(resume, progress), 0); /* at once, whatever else waits */
    assert_int_equal(told.progress, 1);
    assert_int_equal(told.frames, 0);
    assert_string_equal(ids(resume), "[[]]");
    assert_int_equal(take(resume, delta(0, "b")), 1);
    assert_string_equal(told.text, "token0:7 delta0:a delta0:b ");
    assert_int_equal(take(resume, token(0, 8, 0)), 1); /* withheld text: an id all the same */
    assert_string_equal(ids(resume), "[[7,8]]");
    assert_int_equal(take(resume, finish(0)), 1);
    assert_int_equal(take(resume, usage(2)), 0);
    assert_string_equal(told.text, "token0:7 delta0:a delta0:b token0:8 finish0 usage:2+2 ");
    weft_resume_free(resume);
}

/* -- cut anywhere -- */

/* What an engine says of an answer with two choices and an echoed prompt, of which `given` ids of each choice were
 * delivered. */
static size_t script(struct weft_frame *out, const size_t given[2])
{
    size_t count = 0;
    for (uint16_t choice = 0; choice < 2; choice++) {
        out[count++] = echo(choice, 1, 1);
        out[count++] = delta(choice, "P");
        out[count++] = echo(choice, 2, 0);
    }
    if (given[0] < 1) {
        out[count++] = token(0, 10, 1);
        out[count++] = delta(0, "a");
    }
    if (given[1] < 1) {
        out[count++] = token(1, 20, 0);
    }
    if (given[0] < 2) {
        out[count++] = token(0, 11, 2);
        out[count++] = delta(0, "b");
        out[count++] = delta(0, "c");
    }
    out[count++] = finish(0);
    if (given[1] < 2) {
        out[count++] = token(1, 21, 1);
        out[count++] = delta(1, "d");
    }
    out[count++] = finish(1);
    out[count++] = usage(4);
    assert_true(count <= SCRIPT_MAX);
    return count;
}

static void count_ids(const struct weft_resume *resume, size_t given[2])
{
    const char *text = ids(resume);
    given[0] = given[1] = 0;
    for (size_t choice = 0; *text; text++) {
        given[choice] += *text >= '0' && *text <= '9' && (text[1] < '0' || text[1] > '9');
        choice += *text == ']' && text[1] == ',';
    }
}

/* Frames of each choice in their order: which choice came first may differ, what each says may not. */
static void of_choice(char which, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (const char *word = told.text, *next; *word; word = next) {
        next = strchr(word, ' ') + 1;
        const char *digit = strpbrk(word, "0123456789");
        if (digit && digit < next && *digit == which && strncmp(word, "usage", 5) != 0) {
            used += (size_t)snprintf(out + used, size - used, "%.*s", (int)(next - word), word);
            assert_true(used < size);
        }
    }
}

static void an_answer_cut_twice_anywhere_is_whole(void **state)
{
    (void)state;
    struct weft_frame frames[SCRIPT_MAX];
    size_t whole = script(frames, (size_t[2]){0, 0}), tried = 0;
    for (size_t first = 0; first <= whole; first++) {
        for (size_t second = 0; second <= whole; second++) {
            struct weft_resume *resume = begin(2);
            const size_t cuts[] = {first, second, SCRIPT_MAX};
            for (size_t attempt = 0; attempt < WEFT_COUNT(cuts); attempt++) {
                size_t given[2];
                count_ids(resume, given);
                size_t count = script(frames, given);
                weft_resume_again(resume);
                for (size_t i = 0; i < count && i < cuts[attempt]; i++) {
                    assert_true(take(resume, frames[i]) >= 0);
                }
            }
            char text[256];
            of_choice('0', text, sizeof(text));
            assert_string_equal(text,
                                "echo0:1 delta0:P echo0:2 token0:10 delta0:a token0:11 delta0:b delta0:c finish0 ");
            of_choice('1', text, sizeof(text));
            assert_string_equal(text, "echo1:1 delta1:P echo1:2 token1:20 token1:21 delta1:d finish1 ");
            assert_non_null(strstr(told.text, "usage:2+4 "));
            assert_string_equal(ids(resume), "[[10,11],[20,21]]");
            assert_int_equal(weft_resume_tokens(resume), 4);
            weft_resume_free(resume);
            tried++;
        }
    }
    assert_true(tried > 200);
}

/* The engine counts what it was given back too, or does not: what was told decides. */
static void usage_counts_what_was_told_and_is_told_once(void **state)
{
    (void)state;
    struct weft_resume *resume = begin(1);
    assert_int_equal(take(resume, token(0, 5, 0)), 1);
    weft_resume_again(resume);
    assert_int_equal(take(resume, token(0, 6, 0)), 1);
    assert_int_equal(take(resume, finish(0)), 1);
    assert_int_equal(take(resume, usage(1)), 0);
    weft_resume_again(resume); /* cut before its end */
    assert_int_equal(take(resume, finish(0)), 0);
    assert_int_equal(take(resume, usage(77)), 0);
    assert_string_equal(told.text, "token0:5 token0:6 finish0 usage:2+2 ");
    weft_resume_free(resume);
}

static void who_stops_listening_hears_no_more(void **state)
{
    (void)state;
    struct weft_resume *resume = begin(1);
    told.stop_at = 2;
    assert_int_equal(take(resume, token(0, 5, 2)), 0);
    assert_int_equal(take(resume, delta(0, "a")), 0);
    assert_int_equal(take(resume, delta(0, "b")), 1);
    assert_string_equal(told.text, "token0:5 delta0:a ");
    weft_resume_free(resume);
}

/* -- what cannot come -- */

static void what_cannot_come_is_an_error(void **state)
{
    (void)state;
    const struct {
        struct weft_frame first, second;
    } rows[] = {
        {token(0, 1, 1), token(0, 2, 0)}, /* a delta is missing */
        {token(0, 1, 1), finish(0)},
        {token(0, 1, 1), usage(1)},
        {token(0, 1, 1), delta(1, "a")}, /* another choice's */
        {finish(0), token(0, 1, 0)},     /* it is over */
        {finish(0), delta(0, "a")},
        {finish(0), echo(0, 1, 0)},
        {progress, token(2, 1, 0)}, /* no such choice */
        {progress, finish(2)},
        {progress, {.kind = WEFT_FRAME_END}},
        {progress, {.kind = WEFT_FRAME_ERROR}},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_resume *resume = begin(2);
        assert_true(take(resume, rows[i].first) >= 0);
        assert_int_equal(take(resume, rows[i].second), WEFT_ERR_INVALID);
        weft_resume_free(resume);
    }
}

/* Text without a token, as other servers send it, is told; but no ids lead there. */
static void text_without_ids_cannot_be_resumed(void **state)
{
    (void)state;
    struct weft_resume *resume = begin(1);
    assert_true(weft_resume_possible(resume));
    assert_int_equal(take(resume, token(0, 1, 0)), 1);
    assert_true(weft_resume_possible(resume));
    assert_int_equal(take(resume, delta(0, "a")), 1);
    assert_false(weft_resume_possible(resume));
    assert_int_equal(take(resume, usage(9)), 0);
    assert_string_equal(told.text, "token0:1 delta0:a usage:2+9 ");
    weft_resume_free(resume);
}

/* An answer that others began goes on here, and may be cut here too. */
static void what_others_have_told_is_known(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "[]", "[[1],[2],[3]]", "[[1],2]", "[[1],[-1]]", "[[1],[4294967296]]", "[[1],[\"2\"]]", "{}"};
    struct weft_resume *resume;
    struct weft_bytes out = {0};
    char text[64];
    json_t *ids = json_pack("[[i,i],[]]", 7, 8);
    const struct weft_frame next = token(0, 9, 0);
    memset(&told, 0, sizeof(told));
    assert_int_equal(weft_resume_new(&resume, 2), 0);
    assert_int_equal(weft_resume_read(resume, ids), 0);
    assert_int_equal(weft_resume_tokens(resume), 2);
    assert_int_equal(weft_resume_frame(resume, &next, tell, NULL), 1);
    assert_string_equal(told.text, "token0:9 ");
    assert_int_equal(weft_resume_write(resume, &out), 0);
    text[weft_bytes_read(&out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "[[7,8,9],[]]");
    weft_bytes_deinit(&out);
    weft_resume_free(resume);
    json_decref(ids);
    for (size_t i = 0; i < WEFT_COUNT(wrong); i++) {
        assert_int_equal(weft_json_parse(weft_slice_text(wrong[i]), &ids, NULL), 0);
        assert_int_equal(weft_resume_new(&resume, 2), 0);
        assert_int_equal(weft_resume_read(resume, ids), WEFT_ERR_INVALID);
        weft_resume_free(resume);
        json_decref(ids);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct weft_frame frames[SCRIPT_MAX];
    size_t count = script(frames, (size_t[2]){0, 0}), failures = 0;
    for (uint64_t at = 1;; at++) {
        weft_bytes_trim();
        int64_t live = weft_mem_live();
        struct weft_resume *resume;
        told = (struct told){.size = 0};
        weft_mem_fail_at(at);
        int error = weft_resume_new(&resume, 2);
        for (size_t i = 0; i < count && error >= 0; i++) {
            error = take(resume, frames[i]);
        }
        bool failed = weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error < 0, failed);
        assert_true(error >= 0 || error == WEFT_ERR_MEMORY);
        weft_resume_free(resume);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
        if (!failed) {
            break;
        }
        failures++;
    }
    assert_true(failures >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_told_when_it_is_whole),
        cmocka_unit_test(an_answer_cut_twice_anywhere_is_whole),
        cmocka_unit_test(usage_counts_what_was_told_and_is_told_once),
        cmocka_unit_test(who_stops_listening_hears_no_more),
        cmocka_unit_test(what_cannot_come_is_an_error),
        cmocka_unit_test(text_without_ids_cannot_be_resumed),
        cmocka_unit_test(what_others_have_told_is_known),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
