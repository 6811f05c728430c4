/* tests/unit/wire/native_test.c - frames as docs/ENGINE.md lays them out, written, read, cut anywhere, and broken. */
#include "wire/native.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

#define STREAM_MAX (1 << 16)

static const struct weft_frame progress = {.kind = WEFT_FRAME_PROGRESS,
                                           .progress = {.phase = WEFT_PHASE_PREFILL, .done = 512, .total = 70000}};
static const struct weft_frame token = {
    .kind = WEFT_FRAME_TOKEN, .choice = 258, .token = {.id = 49151, .deltas = 3, .bytes = {"\xC3", 1}}};
static const struct weft_frame likely = {
    .kind = WEFT_FRAME_TOKEN,
    .token = {.id = 5,
              .prompt = true,
              .has_logprob = true,
              .logprob = -0.5f,
              .bytes = {"a\0b", 3},
              .top = {{.id = 5, .logprob = -0.5f, .bytes = {"a\0b", 3}}, {.id = 6, .logprob = -INFINITY}},
              .top_count = 2}};
static const struct weft_frame content = {
    .kind = WEFT_FRAME_DELTA, .choice = 1, .delta = {.part = WEFT_PART_CONTENT, .text = {"h\xC3\xA9", 3}}};
static const struct weft_frame call = {
    .kind = WEFT_FRAME_DELTA,
    .delta = {.part = WEFT_PART_TOOL_CALL, .call = 2, .id = {"call_1", 6}, .name = {"weather", 7}, .text = {"{\"", 2}}};
static const struct weft_frame finish = {
    .kind = WEFT_FRAME_FINISH, .choice = 15, .finish = {.reason = WEFT_FINISH_LENGTH, .stop = {"###", 3}}};
static const struct weft_frame usage = {.kind = WEFT_FRAME_USAGE,
                                        .usage = {.prompt_tokens = 1,
                                                  .cached_tokens = 2,
                                                  .completion_tokens = 3,
                                                  .waited_us = 4,
                                                  .prefill_us = UINT64_MAX,
                                                  .decode_us = 1ull << 40}};
static const struct weft_frame failure = {
    .kind = WEFT_FRAME_ERROR, .error = {.status = 503, .code = {"full", 4}, .message = {"Come again.", 11}}};
static const struct weft_frame end = {.kind = WEFT_FRAME_END};
static const struct weft_frame load = {.kind = WEFT_FRAME_LOAD, .load = {.running = 3, .waiting = 70000}};
static const struct weft_frame *const all[] = {&progress, &token,   &likely, &content, &call,
                                               &finish,   &failure, &usage,  &load,    &end};

static size_t write_all(char *stream, const struct weft_frame *const *frames, size_t count)
{
    struct weft_bytes out;
    weft_bytes_init(&out);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(weft_native_write(&out, frames[i]), 0);
    }
    assert_true(out.size <= STREAM_MAX);
    size_t size = weft_bytes_read(&out, stream, STREAM_MAX);
    weft_bytes_deinit(&out);
    return size;
}

/* Feeds a stream in parts of 1 to `step` bytes; what is read is written again. The last status comes back. */
static int read_again(struct weft_slice stream, size_t step, struct weft_random *random, struct weft_bytes *again)
{
    struct weft_native_reader reader;
    struct weft_bytes queue;
    weft_native_reader_init(&reader);
    weft_bytes_init(&queue);
    size_t fed = 0, taken_all = 0;
    int status = 0;
    while (fed < stream.size && status == 0) {
        size_t size = 1 + (size_t)weft_random_below(random, step);
        size = size < stream.size - fed ? size : stream.size - fed;
        assert_int_equal(weft_bytes_append(&queue, stream.data + fed, size), 0);
        fed += size;
        struct weft_frame frame;
        size_t taken;
        while ((status = weft_native_read(&reader, &queue, &frame, &taken)) > 0) {
            taken_all += taken;
            assert_int_equal(weft_native_write(again, &frame), 0);
        }
        taken_all += taken;
        assert_int_equal(taken_all + queue.size, fed);
    }
    if (status < 0) { /* an error stays */
        struct weft_frame frame;
        size_t taken, left = queue.size;
        assert_int_equal(weft_native_read(&reader, &queue, &frame, &taken), status);
        assert_int_equal(taken, 0);
        assert_int_equal(queue.size, left);
    }
    weft_bytes_deinit(&queue);
    weft_native_reader_deinit(&reader);
    return status;
}

static int read_once(const char *data, size_t size)
{
    struct weft_random random;
    weft_random_init(&random, 1);
    struct weft_bytes again;
    weft_bytes_init(&again);
    int status = read_again(weft_slice(data, size), size, &random, &again);
    weft_bytes_deinit(&again);
    return status;
}

/* The layouts, byte by byte: an engine and a node of different ages must agree on them. */
static void test_layout(void **state)
{
    (void)state;
    static const struct {
        const struct weft_frame *frame;
        struct weft_slice wire;
    } cases[] = {
        {&progress, {"\x0A\0\0\0\x06\x01\0\x02\0\0\x70\x11\x01\0", 14}},
        {&token, {"\x0D\0\0\0\x01\x02\x01\xFF\xBF\0\0\x03\0\0\x01\0\xC3", 17}},
        {&likely,
         {"\x2B\0\0\0\x01\0\0\x05\0\0\0\0\0\x03\x03\0a\0b\0\0\0\xBF\x02\x05\0\0\0\0\0\0\xBF\x03\0a\0b\x06\0\0\0\0\0\x80"
          "\xFF\0\0",
          47}},
        {&content, {"\x0B\0\0\0\x02\x01\0\0\x03\0\0\0h\xC3\xA9", 15}},
        {&call,
         {"\x1C\0\0\0\x02\0\0\x02\x02\0\x06"
          "call_1\x07\0weather\x02\0\0\0{\"",
          32}},
        {&finish, {"\x09\0\0\0\x03\x0F\0\x01\x03\0###", 13}},
        {&usage,
         {"\x25\0\0\0\x04\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
          "\0\0\0\0\0\x01\0\0",
          41}},
        {&failure,
         {"\x15\0\0\0\x07\xF7\x01\x04"
          "full\x0B\0Come again.",
          25}},
        {&end, {"\x01\0\0\0\x08", 5}},
        {&load, {"\x09\0\0\0\x09\x03\0\0\0\x70\x11\x01\0", 13}},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char stream[STREAM_MAX];
        size_t size = write_all(stream, &cases[i].frame, 1);
        assert_int_equal(size, cases[i].wire.size);
        assert_memory_equal(stream, cases[i].wire.data, size);
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct weft_bytes queue;
    struct weft_native_reader reader;
    weft_bytes_init(&queue);
    weft_native_reader_init(&reader);
    struct weft_frame read;
    size_t taken;
    assert_int_equal(weft_native_read(&reader, &queue, &read, &taken), 0);
    assert_int_equal(taken, 0);
    assert_int_equal(weft_native_write(&queue, &likely), 0);
    assert_int_equal(weft_native_write(&queue, &call), 0);
    assert_int_equal(weft_native_read(&reader, &queue, &read, &taken), 1);
    assert_int_equal(taken, 47);
    assert_true(read.kind == WEFT_FRAME_TOKEN && read.token.id == 5 && read.token.prompt && read.token.has_logprob);
    assert_true(read.token.top_count == 2 && read.token.top[1].id == 6 && isinf(read.token.top[1].logprob));
    assert_true(weft_slice_equal(read.token.top[0].bytes, weft_slice("a\0b", 3)));
    assert_int_equal(weft_native_read(&reader, &queue, &read, &taken), 1);
    assert_true(read.kind == WEFT_FRAME_DELTA && read.delta.part == WEFT_PART_TOOL_CALL && read.delta.call == 2);
    assert_true(weft_slice_equal(read.delta.id, WEFT_SLICE("call_1")));
    assert_true(weft_slice_equal(read.delta.name, WEFT_SLICE("weather")));
    assert_true(weft_slice_equal(read.delta.text, WEFT_SLICE("{\"")));
    assert_int_equal(queue.size, 0);
    weft_native_reader_deinit(&reader);
    weft_bytes_deinit(&queue);
}

static void test_any_split(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 20261121);
    for (int round = 0; round < 300; round++) {
        const struct weft_frame *frames[200];
        static char big[20000], stream[STREAM_MAX], out[STREAM_MAX];
        memset(big, 'x', sizeof(big));
        const struct weft_frame large = {.kind = WEFT_FRAME_DELTA, .delta = {.text = {big, sizeof(big)}}};
        for (size_t i = 0; i < WEFT_COUNT(frames); i++) {
            frames[i] = i == 77 ? &large : all[weft_random_below(&random, WEFT_COUNT(all))];
        }
        size_t size = write_all(stream, frames, WEFT_COUNT(frames));
        struct weft_bytes again;
        weft_bytes_init(&again);
        size_t step = round % 3 == 0 ? 3 : round % 3 == 1 ? 100 : 9000;
        assert_int_equal(read_again(weft_slice(stream, size), step, &random, &again), 0);
        assert_int_equal(again.size, size);
        (void)weft_bytes_read(&again, out, sizeof(out)); /* all of it: its size was just looked at */
        assert_memory_equal(out, stream, size);
        weft_bytes_deinit(&again);
    }
}

/* Every cut of a frame's fields, and every byte more, is no frame. */
static void test_wrong_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(all); i++) {
        char stream[STREAM_MAX];
        size_t size = write_all(stream, &all[i], 1);
        assert_int_equal(read_once(stream, size), 0);
        for (size_t length = 0; length <= size - 4 + 3; length++) {
            stream[0] = (char)length;
            stream[size] = stream[size + 1] = stream[size + 2] = 0;
            assert_int_equal(read_once(stream, length + 4), length == size - 4 ? 0 : WEFT_ERR_INVALID);
        }
    }
}

static void test_wrong_fields(void **state)
{
    (void)state;
    static const struct weft_slice cases[] = {
        {"\0\0\0\0", 4},                                              /* nothing, not even a kind */
        {"\x0D\0\0\0\x01\0\0\0\0\0\0\0\0\x04\x01\0x", 17},            /* an unknown flag */
        {"\x11\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\0\0\0\xC0\x7F\0", 21}, /* a logprob that is no number */
        {"\x1B\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01\0\0\0\0\xFF\xFF\xFF\xFF\0\0", 31}, /* and an alternative */
        {"\x08\0\0\0\x02\0\0\x03\0\0\0\0", 12},                                                 /* an unknown part */
        {"\x09\0\0\0\x02\0\0\0\x01\0\0\0\xC3", 13},                                             /* half a character */
        {"\x06\0\0\0\x03\0\0\x03\0\0", 10},                                                     /* an unknown reason */
        {"\x0A\0\0\0\x06\x03\0\0\0\0\0\0\0\0", 14},                                             /* an unknown phase */
        {"\x09\0\0\0\x07\xF7\x01\x01\xFF\0\0\0\0", 13}, /* a code that is not UTF-8 */
        {"\x02\0\0\0\x08\0", 6},                        /* more than the end */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(read_once(cases[i].data, cases[i].size), WEFT_ERR_INVALID);
    }
    char many[4096] = "\0\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x15"; /* 21 alternatives: one too many */
    size_t size = 21 + 21 * 10;
    many[0] = (char)(size - 4);
    assert_int_equal(read_once(many, size), WEFT_ERR_INVALID);
    many[20] = 20;
    many[0] = (char)(size - 10 - 4);
    assert_int_equal(read_once(many, size - 10), 0);
}

static void test_unknown_kinds(void **state)
{
    (void)state;
    static const char stream[] = "\x03\0\0\0\x05zz\x01\0\0\0\x08\x01\0\0\0\0\x02\0\0\0\xFFz\x01\0\0\0\x08";
    struct weft_random random;
    weft_random_init(&random, 7);
    for (size_t step = 1; step < sizeof(stream); step++) {
        struct weft_bytes again;
        weft_bytes_init(&again);
        assert_int_equal(read_again(weft_slice(stream, sizeof(stream) - 1), step, &random, &again), 0);
        char out[10];
        assert_int_equal(again.size, sizeof(out));
        (void)weft_bytes_read(&again, out, sizeof(out)); /* all of it */
        assert_memory_equal(out, "\x01\0\0\0\x08\x01\0\0\0\x08", sizeof(out));
        weft_bytes_deinit(&again);
    }
}

static void test_limits(void **state)
{
    (void)state;
    char *text = weft_zalloc(WEFT_NATIVE_FRAME_MAX);
    assert_non_null(text);
    struct weft_bytes out;
    weft_bytes_init(&out);
    struct weft_native_reader reader;
    weft_native_reader_init(&reader);
    struct weft_frame frame = {.kind = WEFT_FRAME_DELTA, .delta = {.text = {text, WEFT_NATIVE_FRAME_MAX - 8}}}, read;
    size_t taken;
    assert_int_equal(weft_native_write(&out, &frame), 0); /* the largest frame there is */
    assert_int_equal(out.size, WEFT_NATIVE_FRAME_MAX + 4);
    assert_int_equal(weft_native_read(&reader, &out, &read, &taken), 1);
    assert_int_equal(read.delta.text.size, WEFT_NATIVE_FRAME_MAX - 8);
    frame.delta.text.size++;
    assert_int_equal(weft_native_write(&out, &frame), WEFT_ERR_TOO_LARGE);
    const struct weft_slice long16 = {text, 65536}, long8 = {text, 256};
    const struct weft_frame too_large[] = {
        {.kind = WEFT_FRAME_TOKEN, .token = {.bytes = long16}},
        {.kind = WEFT_FRAME_TOKEN, .token = {.has_logprob = true, .top_count = WEFT_NATIVE_LOGPROBS_MAX + 1}},
        {.kind = WEFT_FRAME_TOKEN, .token = {.has_logprob = true, .top = {{.bytes = long16}}, .top_count = 1}},
        {.kind = WEFT_FRAME_DELTA, .delta = {.part = WEFT_PART_TOOL_CALL, .id = long8}},
        {.kind = WEFT_FRAME_DELTA, .delta = {.part = WEFT_PART_TOOL_CALL, .name = long16}},
        {.kind = WEFT_FRAME_FINISH, .finish = {.stop = long16}},
        {.kind = WEFT_FRAME_ERROR, .error = {.code = long8}},
        {.kind = WEFT_FRAME_ERROR, .error = {.message = long16}},
    };
    for (size_t i = 0; i < WEFT_COUNT(too_large); i++) {
        assert_int_equal(weft_native_write(&out, &too_large[i]), WEFT_ERR_TOO_LARGE);
    }
    assert_int_equal(out.size, 0);
    assert_int_equal(weft_bytes_append(&out, "\x01\0\x10\0", 4), 0); /* known from its length alone */
    assert_int_equal(weft_native_read(&reader, &out, &read, &taken), WEFT_ERR_TOO_LARGE);
    weft_native_reader_deinit(&reader);
    weft_bytes_deinit(&out);
    weft_free(text);
}

/* Memory that runs out leaves both queues as they were; the same call works later. */
static void test_torture(void **state)
{
    (void)state;
    static char text[10000];
    const struct weft_frame frame = {.kind = WEFT_FRAME_DELTA, .delta = {.text = {text, sizeof(text)}}};
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_bytes queue;
        struct weft_native_reader reader;
        struct weft_frame read;
        weft_bytes_init(&queue);
        weft_native_reader_init(&reader);
        size_t taken = 0;
        weft_mem_fail_at(at);
        int written = weft_native_write(&queue, &frame);
        size_t there = queue.size;
        int got = weft_native_read(&reader, &queue, &read, &taken);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(written == 0 ? there == sizeof(text) + 12 : written == WEFT_ERR_MEMORY && there == 0 && got == 0);
        if (got == WEFT_ERR_MEMORY) {
            assert_int_equal(taken, 0);
            assert_int_equal(queue.size, there);
            got = weft_native_read(&reader, &queue, &read, &taken);
        }
        assert_int_equal(got, written == 0 ? 1 : 0);
        weft_native_reader_deinit(&reader);
        weft_bytes_deinit(&queue);
        weft_bytes_trim();
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),     cmocka_unit_test(test_fields),       cmocka_unit_test(test_any_split),
        cmocka_unit_test(test_wrong_size), cmocka_unit_test(test_wrong_fields), cmocka_unit_test(test_unknown_kinds),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
