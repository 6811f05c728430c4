/* tests/conformance/h2_server_test.c - runs the table of h2 cases against the server, whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conformance/h2_server_cases.h"
#include "support/http_ends.h"

#define AFTERWARDS 101 /* the stream that shows that the connection lives */

static struct ends_pair pair; /* its server, and workers that echo */
static struct h2_heard heard;

static void write_step(struct weft_bytes *wire, const struct h2_step *step)
{
    if (step->raw) {
        h2_append(wire, step->bytes, step->size);
        return;
    }
    for (size_t i = 0; i < (step->times ? step->times : 1); i++) {
        size_t repeat = step->repeat ? step->repeat : 1;
        if (step->fields) {
            h2_headers(wire, step->flags, step->id, step->bytes, step->size);
            continue;
        }
        h2_frame_header(wire, step->size * repeat, step->type, step->flags, step->id);
        for (size_t j = 0; j < repeat; j++) {
            h2_append(wire, step->bytes, step->size);
        }
    }
}

static void hear(void)
{
    struct weft_bytes output;
    weft_bytes_init(&output);
    weft_turn_run(&pair.turn);
    weft_carrier_fill(pair.server, &output);
    h2_hear(&heard, &output);
    weft_bytes_deinit(&output);
}

static void deliver(struct weft_bytes *wire, size_t piece_max)
{
    char piece[4096];
    while (wire->size > 0) {
        size_t size = weft_bytes_read(wire, piece, piece_max < sizeof(piece) ? piece_max : sizeof(piece));
        weft_carrier_receive(pair.server, piece, size);
    }
    hear();
    hear();
}

static void check_lives(const char *name, struct weft_bytes *wire)
{
    h2_headers(wire, WHOLE, AFTERWARDS, GET, sizeof(GET) - 1);
    deliver(wire, SIZE_MAX);
    if (heard.goaway || weft_carrier_done(pair.server) || heard.status[AFTERWARDS / 2] != 200 ||
        !heard.ended[AFTERWARDS / 2]) {
        fail_msg("%s: the connection does not live on", name);
    }
}

static void run_case(const struct h2_case *c, size_t piece_max)
{
    struct weft_bytes wire;
    weft_bytes_init(&wire);
    h2_heard_init(&heard);
    assert_int_equal(ends_pair_init(&pair, 1, weft_h2_server_new, weft_h2_client_new), 0);
    if (!c->no_preface) {
        h2_append(&wire, H2_MAGIC, sizeof(H2_MAGIC) - 1);
        h2_frame(&wire, NGHTTP2_SETTINGS, 0, 0, "", 0);
    }
    uint32_t id = 0;
    for (size_t i = 0; i < WEFT_COUNT(c->steps); i++) {
        if (c->steps[i].bytes) {
            write_step(&wire, &c->steps[i]);
        }
        if (c->steps[i].type == NGHTTP2_HEADERS && c->steps[i].bytes && !c->steps[i].raw) {
            id = c->steps[i].id & 0x7fffffff;
        }
    }
    deliver(&wire, piece_max);

    int64_t status = heard.status[id / 2], reset = heard.reset[id / 2];
    int64_t goaway = heard.goaway ? (int64_t)heard.goaway_code : -1;
    bool as_expected = false;
    switch (c->outcome) {
    case ANSWERS:
        as_expected = status == c->code && heard.ended[id / 2] && goaway < 0 && reset <= 0 &&
                      (!c->word || strstr(heard.said, c->word));
        break;
    case RESETS:
        as_expected = reset == c->code && goaway < 0;
        break;
    case GOES_AWAY:
        as_expected = goaway == c->code && weft_carrier_done(pair.server);
        break;
    case IGNORES:
        as_expected = status == 0 && reset < 0 && goaway < 0;
        break;
    }
    if (!as_expected) {
        fail_msg("%s: status %d, reset %d, goaway %d", c->name, (int)status, (int)reset, (int)goaway);
    }
    if (c->outcome != GOES_AWAY) {
        check_lives(c->name, &wire);
    }
    bool fine = c->outcome == IGNORES || (c->outcome == ANSWERS && c->code == 200);
    if (pair.refused != (fine ? 0 : 1)) {
        fail_msg("%s: the owner was told %u times", c->name, pair.refused);
    }

    weft_bytes_deinit(&wire);
    h2_heard_deinit(&heard);
    ends_pair_deinit(&pair);
    assert_int_equal(weft_mem_live(), 0);
}

static void test_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(h2_server_cases); i++) {
        run_case(&h2_server_cases[i], SIZE_MAX);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(h2_server_cases); i++) {
        run_case(&h2_server_cases[i], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_byte_by_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
