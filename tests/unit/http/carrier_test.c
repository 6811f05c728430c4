/* tests/unit/http/carrier_test.c - calls reach the kind of carrier they are for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/carrier.h"

/* A carrier that only notes what it was asked. */
struct dummy {
    struct weft_carrier carrier;
    char calls[16];
    size_t count;
};

static void note(const struct weft_carrier *carrier, char call)
{
    /* The dummy is never const; some calls see it so. */
    struct dummy *dummy = WEFT_CONTAINER(carrier, struct dummy, carrier);
    dummy->calls[dummy->count++] = call;
}

static void on_free(struct weft_carrier *carrier)
{
    note(carrier, 'f');
}

static void on_receive(struct weft_carrier *carrier, const char *data, size_t size)
{
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(size, 3);
    note(carrier, 'r');
}

static void on_hangup(struct weft_carrier *carrier)
{
    note(carrier, 'h');
}

static void on_fill(struct weft_carrier *carrier, struct weft_bytes *output)
{
    assert_null(output);
    note(carrier, 'o');
}

static bool on_wants_input(const struct weft_carrier *carrier)
{
    note(carrier, 'w');
    return true;
}

static bool on_done(const struct weft_carrier *carrier)
{
    note(carrier, 'd');
    return true;
}

static size_t on_running(const struct weft_carrier *carrier)
{
    note(carrier, 'n');
    return 7;
}

static weft_time on_deadline(const struct weft_carrier *carrier)
{
    note(carrier, 't');
    return 8;
}

static void on_expire(struct weft_carrier *carrier)
{
    note(carrier, 'e');
}

static void on_drain(struct weft_carrier *carrier)
{
    note(carrier, 'x');
}

static bool on_can_ask(const struct weft_carrier *carrier)
{
    note(carrier, 'c');
    return true;
}

static int on_ask(struct weft_carrier *carrier, struct weft_exchange *exchange)
{
    assert_null(exchange);
    note(carrier, 'a');
    return WEFT_ERR_FULL;
}

static const struct weft_carrier_ops ops = {
    .free = on_free,
    .receive = on_receive,
    .hangup = on_hangup,
    .fill = on_fill,
    .wants_input = on_wants_input,
    .done = on_done,
    .running = on_running,
    .deadline = on_deadline,
    .expire = on_expire,
    .drain = on_drain,
    .can_ask = on_can_ask,
    .ask = on_ask,
};

static void test_each_call(void **state)
{
    (void)state;
    struct dummy dummy = {.carrier.ops = &ops};
    struct weft_carrier *carrier = &dummy.carrier;
    weft_carrier_receive(carrier, "abc", 3);
    weft_carrier_hangup(carrier);
    weft_carrier_fill(carrier, NULL);
    assert_true(weft_carrier_wants_input(carrier));
    assert_true(weft_carrier_done(carrier));
    assert_int_equal(weft_carrier_running(carrier), 7);
    assert_int_equal(weft_carrier_deadline(carrier), 8);
    weft_carrier_expire(carrier);
    weft_carrier_drain(carrier);
    assert_true(weft_carrier_can_ask(carrier));
    assert_int_equal(weft_carrier_ask(carrier, NULL), WEFT_ERR_FULL);
    weft_carrier_free(carrier);
    assert_string_equal(dummy.calls, "rhowdntexcaf");
}

static void test_nothing_to_free(void **state)
{
    (void)state;
    weft_carrier_free(NULL);
}

static void test_servers_ask_nobody(void **state)
{
    (void)state;
    struct weft_carrier_ops server = ops;
    server.can_ask = NULL;
    server.ask = NULL;
    struct dummy dummy = {.carrier.ops = &server};
    assert_false(weft_carrier_can_ask(&dummy.carrier));
    assert_int_equal(dummy.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call),
        cmocka_unit_test(test_nothing_to_free),
        cmocka_unit_test(test_servers_ask_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
