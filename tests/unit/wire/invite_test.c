/* tests/unit/wire/invite_test.c - invites as lines: short enough, and known as cut, mistyped or newer. */
#include "wire/invite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"

static struct weft_invite sample(void)
{
    struct weft_invite invite = {.role = WEFT_ROLE_PEER,
                                 .expires_s = 1800000000,
                                 .addresses = {"gateway.example.org:4433", "[2001:db8::1]:4433"}};
    memset(invite.mesh.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(invite.issuer.bytes, 0xbb, WEFT_KEY_SIZE);
    memset(invite.secret, 0xcc, WEFT_INVITE_SECRET_SIZE);
    return invite;
}

static void assert_reads(struct weft_slice line, const struct weft_invite *wanted)
{
    struct weft_invite invite;
    assert_int_equal(weft_invite_read(line, &invite), 0);
    assert_true(weft_key_equal(&invite.mesh, &wanted->mesh));
    assert_true(weft_key_equal(&invite.issuer, &wanted->issuer));
    assert_memory_equal(invite.secret, wanted->secret, WEFT_INVITE_SECRET_SIZE);
    assert_int_equal(invite.role, wanted->role);
    assert_int_equal(invite.expires_s, wanted->expires_s);
    assert_string_equal(invite.addresses[0], wanted->addresses[0]);
    assert_string_equal(invite.addresses[1], wanted->addresses[1]);
}

static void test_there_and_back(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE], pasted[WEFT_INVITE_LINE_SIZE + 8];
    struct weft_invite invite = sample();
    assert_int_equal(weft_invite_write(&invite, line), 0);
    assert_true(weft_slice_starts(weft_slice_text(line), WEFT_SLICE("weft1")));
    assert_reads(weft_slice_text(line), &invite);
    (void)snprintf(pasted, sizeof(pasted), " \t%s \r\n", line);
    assert_reads(weft_slice_text(pasted), &invite);

    invite.addresses[1][0] = '\0';
    invite.role = WEFT_ROLE_GATEWAY;
    assert_int_equal(weft_invite_write(&invite, line), 0);
    assert_reads(weft_slice_text(line), &invite);
}

/* A name of `size` bytes with its port. */
static void name_address(char address[WEFT_HOSTPORT_MAX + 1], size_t size)
{
    memset(address, 'a', size);
    address[size / 2] = '.';
    memcpy(address + size - 6, ":65535", 7);
}

static void test_under_300_or_refused(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE];
    struct weft_invite invite = sample();
    invite.expires_s = WEFT_RECORD_SECOND_MAX;
    /* The longest numeric addresses always fit. */
    (void)snprintf(invite.addresses[0], sizeof(invite.addresses[0]), "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
    (void)snprintf(invite.addresses[1], sizeof(invite.addresses[1]), "[1111:2222:3333:4444:5555:6666:7777:9999]:65535");
    assert_int_equal(weft_invite_write(&invite, line), 0);
    assert_reads(weft_slice_text(line), &invite);

    for (size_t one = 10; one <= WEFT_HOSTPORT_MAX; one++) {
        for (size_t other = 10; other <= WEFT_HOSTPORT_MAX; other++) {
            name_address(invite.addresses[0], one);
            name_address(invite.addresses[1], other);
            int error = weft_invite_write(&invite, line);
            assert_int_equal(error, one + other <= WEFT_INVITE_ROOM ? 0 : WEFT_ERR_TOO_LARGE);
            if (error == 0) {
                assert_true(strlen(line) < 300);
                assert_reads(weft_slice_text(line), &invite);
            }
        }
        invite.addresses[1][0] = '\0'; /* one alone always fits */
        assert_int_equal(weft_invite_write(&invite, line), 0);
    }
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE];
    struct weft_invite invite = sample(), again;
    assert_int_equal(weft_invite_write(&invite, line), 0);
    for (size_t size = 0; size < strlen(line); size++) {
        int error = weft_invite_read(weft_slice(line, size), &again);
        assert_int_equal(error, size < 5 ? WEFT_ERR_INVALID : WEFT_ERR_CRYPTO);
    }
    for (size_t from = 1; from < strlen(line); from++) {
        assert_int_equal(weft_invite_read(weft_slice_text(line + from), &again), WEFT_ERR_INVALID);
    }
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE];
    struct weft_invite invite = sample(), again;
    assert_int_equal(weft_invite_write(&invite, line), 0);
    size_t size = strlen(line);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        line[bit / 8] = (char)(line[bit / 8] ^ (1 << (bit % 8)));
        int error = weft_invite_read(weft_slice(line, size), &again);
        if (bit / 8 >= 5) {
            assert_int_equal(error, WEFT_ERR_CRYPTO);
        } else {
            assert_true(error == WEFT_ERR_INVALID || error == WEFT_ERR_UNSUPPORTED); /* weft1 became weft3, say */
        }
        line[bit / 8] = (char)(line[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_int_equal(weft_invite_read(weft_slice(line, size), &again), 0);
}

/* Two characters that changed places are known too. */
static void test_mistyped(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE], longer[WEFT_INVITE_LINE_SIZE + 1];
    struct weft_invite invite = sample(), again;
    for (size_t i = 0; i < WEFT_KEY_SIZE; i++) {
        invite.mesh.bytes[i] = (uint8_t)(i * 37 + 1);
    }
    assert_int_equal(weft_invite_write(&invite, line), 0);
    for (size_t i = 5; line[i + 1] != '\0'; i++) {
        char here = line[i], next = line[i + 1];
        line[i] = next;
        line[i + 1] = here;
        assert_int_equal(weft_invite_read(weft_slice_text(line), &again), here == next ? 0 : WEFT_ERR_CRYPTO);
        line[i] = here;
        line[i + 1] = next;
    }
    (void)snprintf(longer, sizeof(longer), "%sA", line);
    assert_int_equal(weft_invite_read(weft_slice_text(longer), &again), WEFT_ERR_CRYPTO);
    char flood[1000];
    memset(flood, 'A', sizeof(flood));
    memcpy(flood, "weft1", 5);
    assert_int_equal(weft_invite_read(weft_slice(flood, sizeof(flood)), &again), WEFT_ERR_CRYPTO);
}

static void test_no_invite(void **state)
{
    (void)state;
    static const char *const cases[] = {"",        " ",       "weft",    "hello",
                                        "Weft1AQ", "weft0AQ", "weftyAQ", "https://example.org/weft1"};
    struct weft_invite invite;
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_invite_read(weft_slice_text(cases[i]), &invite), WEFT_ERR_INVALID);
    }
    assert_int_equal(weft_invite_read(WEFT_SLICE("weft2"), &invite), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(weft_invite_read(WEFT_SLICE("weft9AQ*"), &invite), WEFT_ERR_UNSUPPORTED);
}

/* A line with a good checksum over these fields. */
static int read_fields(uint8_t major, uint64_t role, const char *const addresses[], size_t count, uint32_t extra)
{
    uint8_t bytes[512];
    char line[1000] = "weft1";
    struct weft_record_writer writer;
    struct weft_invite invite = sample(), again;
    weft_record_start(&writer, bytes, sizeof(bytes) - 4, major);
    weft_record_key(&writer, 1, &invite.mesh);
    weft_record_key(&writer, 2, &invite.issuer);
    weft_record_bytes(&writer, 3, weft_slice(invite.secret, sizeof(invite.secret)));
    weft_record_number(&writer, 4, role);
    weft_record_number(&writer, 5, 1800000000);
    for (size_t i = 0; i < count; i++) {
        weft_record_bytes(&writer, 6, weft_slice_text(addresses[i]));
    }
    if (extra > 0) {
        weft_record_number(&writer, extra, 1);
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    uint32_t sum = weft_checksum(bytes, (size_t)size);
    for (int i = 0; i < 4; i++) {
        bytes[size + i] = (uint8_t)(sum >> (24 - 8 * i));
    }
    weft_base64url(line + 5, bytes, (size_t)size + 4);
    return weft_invite_read(weft_slice_text(line), &again);
}

static void test_versions(void **state)
{
    (void)state;
    static const char *const good[] = {"a:1", "b:2", "c:3"};
    static const char *const bad[] = {"a:0"};
    static const char *const empty[] = {""};
    assert_int_equal(read_fields(1, 1, good, 1, 0), 0);
    assert_int_equal(read_fields(1, 1, good, 2, 0), 0);
    assert_int_equal(read_fields(1, 1, good, 1, 7), 0); /* of a newer version */
    assert_int_equal(read_fields(2, 1, good, 1, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 4, good, 1, 0), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields(1, 1, good, 3, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 1, good, 0, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 1, bad, 1, 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields(1, 1, empty, 1, 0), WEFT_ERR_INVALID);
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    char line[WEFT_INVITE_LINE_SIZE];
    struct weft_invite cases[6];
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        cases[i] = sample();
    }
    cases[0].mesh = cases[1].issuer = (struct weft_key){0};
    cases[2].role = 0;
    cases[3].expires_s = -1;
    cases[4].addresses[0][0] = '\0';
    cases[5].addresses[1][0] = '\n';
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_invite_write(&cases[i], line), WEFT_ERR_INVALID);
    }
}

static void test_sentences_and_wiping(void **state)
{
    (void)state;
    static const int errors[] = {WEFT_ERR_INVALID, WEFT_ERR_CRYPTO, WEFT_ERR_UNSUPPORTED, WEFT_ERR_TOO_LARGE};
    static const struct weft_invite nothing;
    for (size_t i = 0; i < WEFT_COUNT(errors); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(weft_invite_problem(errors[i]), weft_invite_problem(errors[j]));
        }
    }
    struct weft_invite invite = sample();
    weft_invite_deinit(&invite);
    assert_memory_equal(&invite, &nothing, sizeof(invite));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_under_300_or_refused),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_mistyped),
        cmocka_unit_test(test_no_invite),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_sentences_and_wiping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
