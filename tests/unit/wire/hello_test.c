/* tests/unit/wire/hello_test.c - hellos: what they hold, what is refused, and which version two nodes speak. */
#include "wire/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

static struct weft_hello sample(void)
{
    return (struct weft_hello){.key = {{7}}, .least = 1, .most = 3, .version = WEFT_SLICE("0.1.0")};
}

static void test_both_ways(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_HELLO_MAX];
    struct weft_hello hello = sample(), again;
    hello.chain = WEFT_SLICE("not looked into here");
    int64_t size = weft_hello_write(&hello, bytes);
    assert_true(size > 0);
    assert_int_equal(weft_hello_read(weft_slice(bytes, (size_t)size), &again), 0);
    assert_true(weft_key_equal(&hello.key, &again.key));
    assert_int_equal(again.least, 1);
    assert_int_equal(again.most, 3);
    assert_true(weft_slice_equal(again.chain, hello.chain) && weft_slice_equal(again.version, hello.version));
    for (int64_t cut = 0; cut < size; cut++) { /* a whole field fewer is a hello too, once what must be there is */
        int error = weft_hello_read(weft_slice(bytes, (size_t)cut), &again);
        assert_true(error == WEFT_ERR_INVALID || (error == 0 && cut > WEFT_KEY_SIZE));
    }
}

static void test_no_hellos(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_HELLO_MAX];
    char text[WEFT_HELLO_TEXT_MAX + 1];
    memset(text, 'x', sizeof(text));
    struct weft_hello wrong[6];
    for (size_t i = 0; i < WEFT_COUNT(wrong); i++) {
        wrong[i] = sample();
    }
    wrong[0].key = (struct weft_key){{0}};
    wrong[1].least = 0;
    wrong[2].least = 4;
    wrong[3].most = WEFT_HELLO_PROTOCOL_MAX + 1;
    wrong[4].version = weft_slice(text, sizeof(text));
    wrong[5].version = WEFT_SLICE("two\nlines");
    for (size_t i = 0; i < WEFT_COUNT(wrong); i++) {
        assert_int_equal(weft_hello_write(&wrong[i], bytes), WEFT_ERR_INVALID);
    }
}

/* What a newer version adds is skipped; a newer major is refused. */
static void test_newer(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_HELLO_MAX + 1] = {0};
    struct weft_hello hello = sample(), again;
    int64_t size = weft_hello_write(&hello, bytes);
    assert_true(size > 0);
    static const uint8_t added[] = {9, 3, 'n', 'e', 'w'};
    memcpy(bytes + size, added, sizeof(added));
    assert_int_equal(weft_hello_read(weft_slice(bytes, (size_t)size + sizeof(added)), &again), 0);
    assert_int_equal(again.most, 3);
    bytes[0] = 2;
    assert_int_equal(weft_hello_read(weft_slice(bytes, (size_t)size), &again), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(weft_hello_read(weft_slice(bytes, sizeof(bytes)), &again), WEFT_ERR_TOO_LARGE);
}

static void test_protocol(void **state)
{
    (void)state;
    static const struct {
        uint32_t least, most, spoken;
    } rows[] = {{1, 1, 1}, {1, 2, 1}, {1, 65535, 1}, {2, 2, 0}, {2, 9, 0}};
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        const struct weft_hello hello = {.least = rows[i].least, .most = rows[i].most};
        assert_int_equal(weft_hello_protocol(&hello), rows[i].spoken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_no_hellos),
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
