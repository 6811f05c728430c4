/* tests/unit/http/h2_client_test.c - the h2 client and server back to back: whole exchanges, whatever size the pieces
 * have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/limits.h"
#include "support/http_ends.h"

#define STREAMS 64

static struct ends_pair pair;
static struct ends_asker askers[STREAMS];

static void set_up(uint32_t seed)
{
    memset(askers, 0, sizeof(askers));
    assert_int_equal(ends_pair_init(&pair, seed, weft_h2_server_new, weft_h2_client_new), 0);
    ends_pump(&pair);
}

static void tear_down(void)
{
    assert_int_equal(pair.refused, 0);
    ends_pair_deinit(&pair);
    assert_int_equal(weft_mem_live(), 0);
}

static void test_one_exchange(void **state)
{
    (void)state;
    set_up(1);
    assert_true(ends_ask(&pair, &askers[0], "GET"));
    ends_pump(&pair);
    assert_true(askers[0].complete);
    assert_int_equal(askers[0].status, 200);
    assert_int_equal(weft_carrier_running(pair.client), 0);
    assert_int_equal(weft_carrier_running(pair.server), 0);
    tear_down();
}

static void test_many_streams_in_pieces(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        set_up(seed);
        pair.piece_max = seed == 1 ? 1 : seed * 1500;
        for (unsigned i = 0; i < STREAMS; i++) {
            askers[i] =
                (struct ends_asker){.seed = i, .to_send = seed == 1 ? i * 17 : i * i * 50, .with_trailers = i % 3 == 0};
            assert_true(ends_ask(&pair, &askers[i], "POST"));
            if (i % 5 == 0)
                ends_pump(&pair);
        }
        ends_pump(&pair);
        for (unsigned i = 0; i < STREAMS; i++) {
            assert_true(askers[i].complete);
            assert_false(askers[i].wrong);
            assert_int_equal(askers[i].got, askers[i].to_send);
            assert_string_equal(askers[i].trailer, i > 0 && i % 3 == 0 ? "42" : "");
        }
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_exchange),
        cmocka_unit_test(test_many_streams_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
