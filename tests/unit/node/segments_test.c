/* tests/unit/node/segments_test.c - who wrote which part: what brought nothing is left out, who goes on is one. */
#include "node/segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct weft_key first = {{1}}, second = {{2}};

static void assert_written(const struct weft_segments *segments, const char *wanted)
{
    struct weft_bytes out = {0};
    char text[1024];
    assert_int_equal(weft_segments_write(segments, &out), 0);
    text[weft_bytes_read(&out, text, sizeof(text) - 1)] = '\0';
    weft_bytes_deinit(&out);
    assert_string_equal(text, wanted);
}

static void parts_are_told_with_who_wrote_them(void **state)
{
    (void)state;
    struct weft_segments segments = {0};
    assert_written(&segments, "[]");
    weft_segments_reach(&segments, 5); /* nobody was asked */
    weft_segments_begin(&segments, &second, WEFT_PEER_DIRECT, 0);
    weft_segments_begin(&segments, &first, WEFT_PEER_DIRECT, 0); /* the other one brought nothing */
    weft_segments_reach(&segments, 3);
    weft_segments_begin(&segments, &first, WEFT_PEER_DIRECT, 3);
    weft_segments_reach(&segments, 7);
    weft_segments_begin(&segments, &first, WEFT_PEER_RELAYED, 7); /* by another path */
    weft_segments_reach(&segments, 9);
    weft_segments_begin(&segments, &second, WEFT_PEER_DIRECT, 9);
    assert_int_equal(segments.count, 3);
    weft_segments_begin(&segments, &first, WEFT_PEER_RELAYED, 9);
    weft_segments_reach(&segments, 12);
    assert_written(&segments,
                   "[{\"peer\":\"aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"path\":\"direct\",\"from\":0,"
                   "\"to\":7},{\"peer\":\"aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"path\":"
                   "\"relayed\",\"from\":7,\"to\":12}]");
}

static void beyond_the_bound_the_last_one_takes_the_rest(void **state)
{
    (void)state;
    struct weft_segments segments = {0};
    for (size_t i = 0; i < (size_t)2 * WEFT_SEGMENTS_MAX; i++) {
        weft_segments_begin(&segments, i % 2 ? &first : &second, WEFT_PEER_DIRECT, i);
        weft_segments_reach(&segments, i + 1);
    }
    assert_int_equal(segments.count, WEFT_SEGMENTS_MAX);
    assert_int_equal(segments.at[WEFT_SEGMENTS_MAX - 1].to, 2 * WEFT_SEGMENTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_told_with_who_wrote_them),
                                       cmocka_unit_test(beyond_the_bound_the_last_one_takes_the_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
