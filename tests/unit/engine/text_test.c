/* tests/unit/engine/text_test.c - what is shown of a stream of tokens, beside a slow reference that starts anew at
 * each byte. */
#include "engine/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "wire/utf8.h"

#define STREAM_MAX 4096

/* -- the reference -- */

struct out {
    char data[STREAM_MAX * 3 + 4];
    size_t size;
};

static void out_add(struct out *out, const void *data, size_t size)
{
    assert_true(size <= sizeof(out->data) - out->size);
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

/* The WHATWG's UTF-8 decoder, step by step as the standard words it. Without `last` a character that is not finished
 * is left out. */
static void decode(struct weft_slice bytes, bool last, struct out *out)
{
    unsigned point = 0, needed = 0, seen = 0, lower = 0x80, upper = 0xBF;
    out->size = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned byte = (unsigned char)bytes.data[i];
        if (needed == 0) {
            if (byte <= 0x7F) {
                out_add(out, &bytes.data[i], 1);
            } else if (byte >= 0xC2 && byte <= 0xDF) {
                needed = 1;
                point = byte & 0x1F;
            } else if (byte >= 0xE0 && byte <= 0xEF) {
                lower = byte == 0xE0 ? 0xA0 : lower;
                upper = byte == 0xED ? 0x9F : upper;
                needed = 2;
                point = byte & 0xF;
            } else if (byte >= 0xF0 && byte <= 0xF4) {
                lower = byte == 0xF0 ? 0x90 : lower;
                upper = byte == 0xF4 ? 0x8F : upper;
                needed = 3;
                point = byte & 0x7;
            } else {
                out_add(out, "\xEF\xBF\xBD", 3);
            }
            continue;
        }
        if (byte < lower || byte > upper) {
            point = needed = seen = 0;
            lower = 0x80;
            upper = 0xBF;
            i--; /* "restore byte to ioQueue" */
            out_add(out, "\xEF\xBF\xBD", 3);
            continue;
        }
        lower = 0x80;
        upper = 0xBF;
        point = point << 6 | (byte & 0x3F);
        seen++;
        if (seen == needed) {
            char text[4];
            out_add(out, text, weft_utf8_encode(point, text));
            point = needed = seen = 0;
        }
    }
    if (needed != 0 && last) {
        out_add(out, "\xEF\xBF\xBD", 3);
    }
}

static bool ends_with(struct weft_slice bytes, struct weft_slice end)
{
    return bytes.size >= end.size && weft_slice_equal(weft_slice(bytes.data + bytes.size - end.size, end.size), end);
}

/* All that may be shown of `bytes`; the stop string that was met, or -1. */
static int reference(struct weft_slice bytes, const struct weft_slice *stops, size_t count, bool last, struct out *out)
{
    for (size_t end = 1; end <= bytes.size; end++) {
        int met = -1;
        for (size_t i = 0; i < count; i++) {
            if (ends_with(weft_slice(bytes.data, end), stops[i]) && (met < 0 || stops[i].size > stops[met].size)) {
                met = (int)i;
            }
        }
        if (met >= 0) {
            decode(weft_slice(bytes.data, end - stops[met].size), true, out);
            return met;
        }
    }
    size_t withheld = 0;
    for (size_t i = 0; i < count && !last; i++) {
        for (size_t size = 1; size < stops[i].size; size++) {
            if (size > withheld && ends_with(bytes, weft_slice(stops[i].data, size))) {
                withheld = size;
            }
        }
    }
    decode(weft_slice(bytes.data, bytes.size - withheld), last, out);
    return -1;
}

/* -- the comparison -- */

/* Adds the stream in parts of up to `step` bytes; what is shown is compared after each. Returns what met. */
static int check_stream(struct weft_slice stream, const struct weft_slice *stops, size_t count, size_t step,
                        struct weft_random *random)
{
    static struct out shown, expected;
    struct weft_text *text;
    assert_int_equal(weft_text_new(&text, stops, count), 0);
    struct weft_slice now;
    size_t added = 0;
    int status = 0, met = -1;
    shown.size = 0;
    while (added < stream.size && status == 0) {
        size_t size = (size_t)weft_random_below(random, step + 1);
        size = size < stream.size - added ? size : stream.size - added;
        status = weft_text_add(text, weft_slice(stream.data + added, size), &now);
        added += size;
        out_add(&shown, now.data, now.size);
        met = reference(weft_slice(stream.data, added), stops, count, false, &expected);
        assert_int_equal(status, met >= 0 ? 1 : 0);
        assert_int_equal(shown.size, expected.size);
        assert_memory_equal(shown.data, expected.data, shown.size);
    }
    assert_int_equal(weft_text_end(text, &now), 0);
    out_add(&shown, now.data, now.size);
    assert_int_equal(reference(weft_slice(stream.data, added), stops, count, true, &expected), met);
    assert_int_equal(shown.size, expected.size);
    assert_memory_equal(shown.data, expected.data, shown.size);
    assert_true(weft_utf8_valid(weft_slice(shown.data, shown.size)));
    assert_true(weft_slice_equal(weft_text_stopped_by(text), met >= 0 ? stops[met] : WEFT_SLICE("")));
    weft_text_free(text);
    return met;
}

/* Words that make overlaps, whole characters and broken ones likely. */
static size_t random_bytes(struct weft_random *random, char *data, size_t words, unsigned kind)
{
    static const struct weft_slice plain[] = {{"a", 1}, {"b", 1}, {"ab", 2}, {"aab", 3}};
    static const struct weft_slice mixed[] = {
        {"a", 1},    {"b", 1},    {"\xC3\xA9", 2}, {"\xE2\x82\xAC", 3}, {"\xF0\x9F\x98\x80", 4},
        {"\xE2", 1}, {"\x82", 1}, {"\xF0\x9F", 2}, {"\xED\xA0", 2},     {"\xF4\x90", 2},
        {"\xC0", 1}, {"\xFF", 1}, {"\xE0\x80", 2}, {"\0", 1},
    };
    size_t size = 0;
    for (size_t i = 0; i < words; i++) {
        char any = (char)weft_random_next(random);
        struct weft_slice word = kind == 0   ? plain[weft_random_below(random, WEFT_COUNT(plain))]
                                 : kind == 1 ? mixed[weft_random_below(random, WEFT_COUNT(mixed))]
                                             : weft_slice(&any, 1);
        memcpy(data + size, word.data, word.size);
        size += word.size;
    }
    return size;
}

static void test_random(void **state)
{
    (void)state;
    struct weft_random random;
    weft_random_init(&random, 20261121);
    size_t stopped = 0, rounds = 6000;
    for (size_t round = 0; round < rounds; round++) {
        unsigned kind = (unsigned)(round % 3);
        char stream[STREAM_MAX], stop_bytes[WEFT_TEXT_STOPS_MAX][64];
        size_t size = random_bytes(&random, stream, weft_random_below(&random, 80), kind);
        struct weft_slice stops[WEFT_TEXT_STOPS_MAX];
        size_t count = (size_t)weft_random_below(&random, 5) * (round % 7 == 0 ? 4 : 1);
        for (size_t i = 0; i < count; i++) {
            size_t length = random_bytes(&random, stop_bytes[i], 1 + weft_random_below(&random, 9), kind);
            stops[i] = weft_slice(stop_bytes[i], length);
            if (size > 8 && round % 2 == 0) { /* a piece of the stream, perhaps with another end */
                size_t from = (size_t)weft_random_below(&random, size - 8);
                memcpy(stop_bytes[i], stream + from, 8);
                stops[i].size = 1 + (size_t)weft_random_below(&random, 8);
                stop_bytes[i][stops[i].size - 1] ^= weft_random_below(&random, 2) ? 3 : 0;
            }
        }
        stopped += check_stream(weft_slice(stream, size), stops, count, 1 + round % 9, &random) >= 0 ? 1 : 0;
    }
    assert_true(stopped > rounds / 5 && stopped < rounds * 4 / 5); /* both ends were seen often */
}

static void test_cases(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *stops[3], *shown, *stop;
    } cases[] = {
        {"abcdef", {"cd"}, "ab", "cd"},
        {"abcdef", {"bcde", "cd"}, "ab", "cd"},     /* complete first */
        {"abcdef", {"d", "bcd", "cd"}, "a", "bcd"}, /* of those complete together the one that began first */
        {"abab", {"ab", "abab"}, "", "ab"},         /* a prefix of another */
        {"aaab", {"aab"}, "a", "aab"},              /* begins within its own beginning */
        {"abcab", {"abcabd"}, "abcab", ""},         /* never completed: all of it is shown in the end */
        {"x\xE2\x82", {"\x82"}, "x\xEF\xBF\xBD", "\x82"},
        {"\xF0\x9F\x98\x80!", {"!"}, "\xF0\x9F\x98\x80", "!"},
        {"\xF0\x9F\x98", {NULL}, "\xEF\xBF\xBD", ""},
        {"\xF0\x80\x80\x41\xED\xA0\x80\xC0\xAF",
         {NULL},
         "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD",
         ""},
        {"\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63",
         {NULL},
         "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x62\xEF\xBF\xBD\x63",
         ""},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_slice stops[3], now;
        size_t count = 0, size = strlen(cases[i].stream);
        for (; count < 3 && cases[i].stops[count]; count++) {
            stops[count] = weft_slice_text(cases[i].stops[count]);
        }
        for (size_t cut = 0; cut <= size; cut++) {
            struct weft_text *text;
            struct out shown = {.size = 0};
            assert_int_equal(weft_text_new(&text, stops, count), 0);
            int status = weft_text_add(text, weft_slice(cases[i].stream, cut), &now);
            out_add(&shown, now.data, now.size);
            if (status == 0) {
                status = weft_text_add(text, weft_slice(cases[i].stream + cut, size - cut), &now);
                out_add(&shown, now.data, now.size);
            }
            assert_int_equal(status, cases[i].stop[0] ? 1 : 0);
            assert_int_equal(weft_text_end(text, &now), 0);
            out_add(&shown, now.data, now.size);
            assert_true(weft_slice_equal(weft_slice(shown.data, shown.size), weft_slice_text(cases[i].shown)));
            assert_true(weft_slice_equal(weft_text_stopped_by(text), weft_slice_text(cases[i].stop)));
            weft_text_free(text);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    static char large[WEFT_TEXT_STOP_MAX + 1];
    memset(large, 'x', sizeof(large));
    struct weft_slice stops[WEFT_TEXT_STOPS_MAX + 1], now;
    for (size_t i = 0; i < WEFT_COUNT(stops); i++) {
        stops[i] = weft_slice(large, WEFT_TEXT_STOP_MAX - i);
    }
    struct weft_text *text;
    assert_int_equal(weft_text_new(&text, stops, WEFT_TEXT_STOPS_MAX + 1), WEFT_ERR_TOO_LARGE);
    assert_null(text);
    assert_int_equal(weft_text_new(&text, (const struct weft_slice[]){{large, sizeof(large)}}, 1), WEFT_ERR_TOO_LARGE);
    assert_int_equal(weft_text_new(&text, (const struct weft_slice[]){{"a", 1}, {"", 0}}, 2), WEFT_ERR_INVALID);
    assert_int_equal(weft_text_new(&text, stops, 1), 0);
    assert_int_equal(weft_text_add(text, weft_slice(large, WEFT_TEXT_STOP_MAX - 1), &now), 0);
    assert_int_equal(now.size, 0);
    assert_int_equal(weft_text_add(text, WEFT_SLICE("y"), &now), 0);
    assert_int_equal(now.size, WEFT_TEXT_STOP_MAX);
    assert_int_equal(weft_text_add(text, weft_slice(large, sizeof(large)), &now), 1);
    assert_int_equal(now.size, 0);
    weft_text_free(text);
    weft_text_free(NULL);
}

/* Memory that runs out changes nothing: the same call works later. Once the buffers are there, none is asked for. */
static void test_memory(void **state)
{
    (void)state;
    static char part[700];
    memset(part, 'x', sizeof(part));
    const struct weft_slice stops[] = {WEFT_SLICE("stop"), WEFT_SLICE("xxxy")};
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct weft_text *text;
        struct weft_slice now;
        weft_mem_fail_at(at);
        int error = weft_text_new(&text, stops, WEFT_COUNT(stops));
        for (int i = 0; i < 3 && error == 0; i++) {
            int status = weft_text_add(text, weft_slice(part, sizeof(part)), &now);
            if (status == WEFT_ERR_MEMORY) {
                weft_mem_fail_at(0);
                status = weft_text_add(text, weft_slice(part, sizeof(part)), &now);
            }
            assert_int_equal(status, 0);
            assert_int_equal(now.size, i == 0 ? sizeof(part) - 3 : sizeof(part));
        }
        done = error == 0 && !weft_mem_failed();
        weft_mem_fail_at(1);
        for (int i = 0; i < 1000 && done; i++) {
            assert_int_equal(weft_text_add(text, weft_slice(part, (size_t)i % 600), &now), 0);
        }
        weft_mem_fail_at(0);
        assert_true(error == 0 || (error == WEFT_ERR_MEMORY && !text));
        weft_text_free(text);
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
