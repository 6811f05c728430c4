/* tests/unit/wire/key_test.c - keys as peer ids. */
#include "wire/key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_text_and_back(void **state)
{
    (void)state;
    struct weft_key key, again;
    char text[WEFT_PEER_ID_SIZE];
    for (size_t i = 0; i < sizeof(key.bytes); i++) {
        key.bytes[i] = (uint8_t)i;
    }
    weft_key_text(&key, text);
    /* base64.b32encode(bytes(range(32))) of Python, in lower case and without its padding */
    assert_string_equal(text, "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq");
    assert_true(weft_key_parse(&again, weft_slice_text(text)));
    assert_true(weft_key_equal(&key, &again));
    again.bytes[31] ^= 1;
    assert_false(weft_key_equal(&key, &again));
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp",   /* a character too few */
        "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypqa", /* a character too many */
        "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypr",  /* bits left over */
        "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ",
        "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", /* all zeros are no key */
    };
    struct weft_key key;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_false(weft_key_parse(&key, weft_slice_text(cases[i])));
    }
}

static void test_none(void **state)
{
    (void)state;
    struct weft_key key = {0};
    assert_false(weft_key_set(&key));
    key.bytes[31] = 1;
    assert_true(weft_key_set(&key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_back),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
