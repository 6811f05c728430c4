/* tests/unit/sys/address_test.c - addresses as text, and as the kernel wants them. */
#include "unit/sys/stage.h"

#include <sys/un.h>

#include "sys/inside.h"

static void text_goes_to_the_kernel_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
    } cases[] = {{"127.0.0.1", AF_INET}, {"0.0.0.0", AF_INET}, {"::1", AF_INET6}, {"2001:db8::17", AF_INET6}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_address address = {.kind = WEFT_ADDRESS_TCP, .port = 9338}, back;
        memcpy(address.text, cases[i].text, strlen(cases[i].text) + 1);
        struct sockaddr_storage kernel;
        socklen_t size;
        assert_int_equal(weft_sys_address_parse(&address, &kernel, &size), 0);
        assert_int_equal(kernel.ss_family, cases[i].family);
        assert_int_equal(weft_sys_address_print((struct sockaddr *)&kernel, &back), 0);
        assert_string_equal(back.text, cases[i].text);
        assert_int_equal(back.port, 9338);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "localhost", "127.0.0.1:80", "[::1]", "1.2.3", "256.1.1.1", ":::"};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct weft_address address = {.kind = WEFT_ADDRESS_TCP};
        memcpy(address.text, cases[i], strlen(cases[i]) + 1);
        struct sockaddr_storage kernel;
        socklen_t size;
        assert_int_equal(weft_sys_address_parse(&address, &kernel, &size), WEFT_ERR_INVALID);
    }
}

static void a_path_fits_to_its_last_byte(void **state)
{
    (void)state;
    struct weft_address address = {.kind = WEFT_ADDRESS_UNIX};
    struct sockaddr_storage kernel;
    socklen_t size;
    memset(address.text, 'p', sizeof(address.text) - 1);
    assert_int_equal(weft_sys_address_parse(&address, &kernel, &size), 0);
    assert_string_equal(((struct sockaddr_un *)&kernel)->sun_path, address.text);
    address.text[sizeof(address.text) - 1] = 'p'; /* no NUL */
    assert_int_equal(weft_sys_address_parse(&address, &kernel, &size), WEFT_ERR_INVALID);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_int_equal(weft_sys_address_print((struct sockaddr *)&un, &address), WEFT_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_to_the_kernel_and_back),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_path_fits_to_its_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
