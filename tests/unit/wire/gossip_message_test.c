/* tests/unit/wire/gossip_message_test.c - what is said on a gossip link is read as it was written, and nothing else. */
#include "wire/gossip_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"

static uint8_t out[WEFT_GOSSIP_MESSAGE_MAX];
static struct weft_gossip_message message, again;

static struct weft_slice written(void)
{
    int64_t size = weft_gossip_message_write(&message, out, sizeof(out));
    assert_true(size > 0);
    return weft_slice(out, (size_t)size);
}

static int reset(void **state)
{
    (void)state;
    message = again = (struct weft_gossip_message){0};
    return 0;
}

static size_t some_names(uint8_t *names, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        struct weft_gossip_name name = {
            .id = i, .check = 7, .incarnation = UINT64_MAX - i, .sequence = i == 0 ? UINT64_MAX : i};
        size += weft_gossip_name_write(&name, names + size);
    }
    return size;
}

static void test_all_of_it(void **state)
{
    (void)state;
    static uint8_t names[8 * WEFT_GOSSIP_NAME_MAX], sums[4 * WEFT_GOSSIP_BUCKETS_MIN];
    size_t size = some_names(names, 3);
    message.announcements = (struct weft_gossip_items){.at = {WEFT_SLICE("one"), WEFT_SLICE("two")}, .count = 2};
    message.revocations = (struct weft_gossip_items){.at = {WEFT_SLICE("gone")}, .count = 1};
    message.news = weft_slice(names, size);
    message.wants = weft_slice(names, 8);
    message.revocation_wants = weft_slice(names, 16);
    message.digest = (struct weft_gossip_digest){
        .said = true, .salt = {{1, 2}}, .sums = weft_slice(sums, sizeof(sums)), .revocations = UINT64_MAX};
    message.list = (struct weft_gossip_list){.said = true,
                                             .salt = {{3}},
                                             .buckets = weft_slice(sums, 4),
                                             .names = weft_slice(names, size),
                                             .revocations_said = true,
                                             .revocations = weft_slice(names, 24)};
    message.reach = (struct weft_gossip_reach){
        .said = true, .anew = true, .more = weft_slice(sums, 64), .less = weft_slice(sums, 32)};
    message.reach_again = true;
    message.lines = (struct weft_gossip_items){.at = {WEFT_SLICE("line")}, .count = 1};
    message.used_said = true;
    message.used = weft_slice(sums, 2 * WEFT_HASH_SIZE);
    struct weft_slice bytes = written();
    assert_int_equal(weft_gossip_message_read(bytes, &again), 0);
    assert_int_equal(again.announcements.count, 2);
    assert_true(weft_slice_equal(again.announcements.at[1], WEFT_SLICE("two")));
    assert_true(weft_slice_equal(again.revocations.at[0], WEFT_SLICE("gone")));
    assert_true(weft_slice_equal(again.news, message.news) && weft_slice_equal(again.wants, message.wants));
    assert_int_equal(again.revocation_wants.size, 16);
    assert_true(again.digest.said && again.digest.revocations == UINT64_MAX && again.digest.salt.bytes[1] == 2);
    assert_int_equal(again.digest.sums.size, sizeof(sums));
    assert_true(again.list.said && again.list.revocations_said && again.list.salt.bytes[0] == 3);
    assert_true(weft_slice_equal(again.list.names, message.list.names));
    assert_true(again.list.buckets.size == 4 && again.list.revocations.size == 24);
    assert_true(again.reach.said && again.reach.anew && again.reach.more.size == 64 && again.reach.less.size == 32);
    assert_true(again.reach_again && again.used_said && again.used.size == 64 && again.lines.count == 1);
    for (size_t cut = 1; cut < bytes.size; cut++) { /* a part of it is never all of it */
        if (weft_gossip_message_read(weft_slice(bytes.data, cut), &again) == 0) {
            assert_false(again.used_said);
        }
    }
}

/* What there is none of is left out, and to say none of it is something else only where it means something. */
static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(written().size, 1); /* the major */
    assert_int_equal(weft_gossip_message_read(weft_slice(out, 1), &again), 0);
    assert_false(again.digest.said || again.list.said || again.reach.said || again.used_said);
    message.used_said = message.list.said = message.list.revocations_said = message.reach.said = true;
    assert_int_equal(weft_gossip_message_read(written(), &again), 0);
    assert_true(again.used_said && again.list.revocations_said && again.reach.said);
    assert_int_equal(again.used.size + again.list.revocations.size + again.reach.more.size, 0);
}

static void test_names(void **state)
{
    (void)state;
    uint8_t names[4 * WEFT_GOSSIP_NAME_MAX];
    struct weft_gossip_name name;
    size_t size = some_names(names, 4);
    struct weft_slice rest = weft_slice(names, size);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(weft_gossip_name_next(&rest, &name), 1);
        assert_true(name.id == i && name.check == 7 && name.incarnation == UINT64_MAX - i);
    }
    assert_int_equal(weft_gossip_name_next(&rest, &name), 0);
    rest = weft_slice(names, size - 1);
    while (rest.size > WEFT_GOSSIP_NAME_MAX) {
        assert_int_equal(weft_gossip_name_next(&rest, &name), 1);
    }
    int status;
    while ((status = weft_gossip_name_next(&rest, &name)) > 0) {
        continue;
    }
    assert_int_equal(status, WEFT_ERR_INVALID);
}

static int read_fields(const char *bytes, size_t size)
{
    return weft_gossip_message_read(weft_slice(bytes, size), &again);
}

static void test_refused(void **state)
{
    (void)state;
    static uint8_t many[(WEFT_GOSSIP_NAMES_MAX + 1) * WEFT_GOSSIP_NAME_MAX];
    assert_int_equal(read_fields("", 0), WEFT_ERR_INVALID);
    assert_int_equal(read_fields("\2", 1), WEFT_ERR_UNSUPPORTED);
    assert_int_equal(read_fields("\1\4\0", 3), WEFT_ERR_INVALID);                /* wants of nothing */
    assert_int_equal(read_fields("\1\4\7\1\2\3\4\5\6\7", 10), WEFT_ERR_INVALID); /* half an id */
    assert_int_equal(read_fields("\1\3\0", 3), WEFT_ERR_INVALID);                /* no news */
    assert_int_equal(read_fields("\1\11\1\0", 4), WEFT_ERR_INVALID);             /* "yes" is 1 */
    assert_int_equal(read_fields("\1\10\3\2\1\0", 6), WEFT_ERR_INVALID);         /* reach: part of a key */
    assert_int_equal(read_fields("\1\6\0", 3), WEFT_ERR_INVALID);                /* sums without sums */
    assert_int_equal(read_fields("\1\11\1\1\11\1\1", 7), WEFT_ERR_INVALID);      /* twice */
    assert_int_equal(read_fields("\1\14\3new", 6), 0);                           /* of a newer version */
    message.digest = (struct weft_gossip_digest){.said = true, .sums = weft_slice(many, 4 * 300)};
    assert_int_equal(weft_gossip_message_read(written(), &again), WEFT_ERR_INVALID); /* no power of two */
    message.digest.sums.size = (size_t)2 * WEFT_GOSSIP_BUCKETS_MIN;
    assert_int_equal(weft_gossip_message_read(written(), &again), WEFT_ERR_INVALID); /* too few */
    message.digest.sums.size = (size_t)8 * WEFT_GOSSIP_BUCKETS_MAX;
    assert_int_equal(weft_gossip_message_read(written(), &again), WEFT_ERR_TOO_LARGE);
    message = (struct weft_gossip_message){.news = weft_slice(many, some_names(many, WEFT_GOSSIP_NAMES_MAX + 1))};
    assert_int_equal(weft_gossip_message_read(written(), &again), WEFT_ERR_TOO_LARGE);
    message = (struct weft_gossip_message){.used_said = true,
                                           .used = weft_slice(many, (WEFT_GOSSIP_USED_MAX + 1) * WEFT_HASH_SIZE)};
    assert_int_equal(weft_gossip_message_read(written(), &again), WEFT_ERR_TOO_LARGE);
}

static void test_bounds(void **state)
{
    (void)state;
    static uint8_t large[WEFT_GOSSIP_MESSAGE_MAX];
    for (size_t i = 0; i < WEFT_GOSSIP_ITEMS_MAX; i++) {
        message.announcements.at[i] = WEFT_SLICE("x");
    }
    message.announcements.count = WEFT_GOSSIP_ITEMS_MAX;
    struct weft_slice bytes = written();
    assert_int_equal(weft_gossip_message_read(bytes, &again), 0);
    memmove(out + 4, out + 1, bytes.size - 1); /* and one more in front */
    memcpy(out + 1, "\1\1x", 3);
    assert_int_equal(weft_gossip_message_read(weft_slice(out, bytes.size + 3), &again), WEFT_ERR_TOO_LARGE);
    message = (struct weft_gossip_message){.news = weft_slice(large, sizeof(large))};
    assert_int_equal(weft_gossip_message_write(&message, out, sizeof(out)), WEFT_ERR_TOO_LARGE);
    message = (struct weft_gossip_message){.reach = {.said = true, .more = weft_slice(large, sizeof(large))}};
    assert_int_equal(weft_gossip_message_write(&message, out, sizeof(out)), WEFT_ERR_TOO_LARGE);
    message = (struct weft_gossip_message){.reach_again = true, .reach = {.said = true}};
    for (size_t room = 0; room < 6; room++) {
        assert_int_equal(weft_gossip_message_write(&message, out, room), WEFT_ERR_TOO_LARGE);
    }
}

static void test_lines(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_GOSSIP_LINE_MAX];
    char long_alias[WEFT_ANNOUNCEMENT_ALIAS_MAX + 1];
    struct weft_gossip_line line = {.alias = WEFT_SLICE("llama"), .hash = {1}, .peers = UINT64_MAX}, read;
    for (int verified = 0; verified < 2; verified++) {
        line.hash[0] = (uint8_t)verified;
        int64_t size = weft_gossip_line_write(&line, bytes);
        assert_true(size > 0);
        assert_int_equal(weft_gossip_line_read(weft_slice(bytes, (size_t)size), &read), 0);
        assert_true(weft_slice_equal(read.alias, line.alias) && read.peers == line.peers);
        assert_memory_equal(read.hash, line.hash, sizeof(line.hash));
        assert_int_equal(weft_gossip_line_read(weft_slice(bytes, (size_t)size - 1), &read), WEFT_ERR_INVALID);
    }
    memset(long_alias, 'a', sizeof(long_alias));
    line.alias = weft_slice(long_alias, sizeof(long_alias));
    assert_int_equal(weft_gossip_line_write(&line, bytes), WEFT_ERR_INVALID);
    line.alias.size--;
    assert_int_equal(weft_gossip_line_write(&line, bytes), 2 + 1 + WEFT_ANNOUNCEMENT_ALIAS_MAX + 34 + 12);
    line.alias = WEFT_SLICE("a\n");
    assert_int_equal(weft_gossip_line_write(&line, bytes), WEFT_ERR_INVALID);
    line.alias = WEFT_SLICE("");
    assert_int_equal(weft_gossip_line_write(&line, bytes), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_of_it, reset), cmocka_unit_test_setup(test_nothing, reset),
        cmocka_unit_test_setup(test_names, reset),     cmocka_unit_test_setup(test_refused, reset),
        cmocka_unit_test_setup(test_bounds, reset),    cmocka_unit_test_setup(test_lines, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
