/* tests/conformance/gossip_vectors_test.c - messages of the gossip that tests/vectors/make.py writes in another
 * language: they are written here from the same values, the same to the byte, and read as these. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/text.h"
#include "wire/gossip_message.h"
#include "wire/json.h"

#define FILE_MAX   ((size_t)256 * 1024)
#define MEMORY_MAX ((size_t)64 * 1024)

static uint8_t memory[MEMORY_MAX]; /* what the slices of one message point into */
static size_t used;

static size_t unhex(struct weft_slice text)
{
    size_t size = text.size / 2;
    assert_true(text.size % 2 == 0 && used + size <= sizeof(memory));
    for (size_t i = 0; i < size; i++) {
        int high = weft_hex_value(text.data[2 * i]), low = weft_hex_value(text.data[2 * i + 1]);
        assert_true(high >= 0 && low >= 0);
        memory[used++] = (uint8_t)(high << 4 | low);
    }
    return size;
}

static struct weft_slice bytes_of(const json_t *value)
{
    uint8_t *start = memory + used;
    return weft_slice(start, value ? unhex(weft_json_slice(value)) : 0);
}

/* A list of hexadecimal texts, one behind the other. */
static struct weft_slice packed_of(const json_t *list)
{
    uint8_t *start = memory + used;
    size_t size = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        size += unhex(weft_json_slice(json_array_get(list, i)));
    }
    return weft_slice(start, size);
}

static struct weft_gossip_items items_of(const json_t *list)
{
    struct weft_gossip_items items = {.count = json_array_size(list)};
    for (size_t i = 0; i < items.count; i++) {
        items.at[i] = bytes_of(json_array_get(list, i));
    }
    return items;
}

static struct weft_slice names_of(const json_t *list)
{
    static uint8_t names[2][8 * WEFT_GOSSIP_NAME_MAX];
    static size_t turn;
    uint8_t *out = names[turn++ % 2]; /* a message has two such lists */
    size_t size = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct weft_slice key = bytes_of(json_object_get(one, "key"));
        struct weft_slice signature = bytes_of(json_object_get(one, "signature"));
        struct weft_gossip_name name = {
            .id = weft_gossip_id((const struct weft_key *)(const void *)key.data),
            .check = weft_gossip_short_check(weft_gossip_check((const uint8_t *)signature.data)),
            .incarnation = (uint64_t)json_integer_value(json_object_get(one, "incarnation")),
            .sequence = (uint64_t)json_integer_value(json_object_get(one, "sequence")),
        };
        size += weft_gossip_name_write(&name, out + size);
    }
    return weft_slice(out, size);
}

static struct weft_siphash_key salt_of(const json_t *of)
{
    struct weft_siphash_key salt;
    struct weft_slice bytes = bytes_of(json_object_get(of, "salt"));
    assert_int_equal(bytes.size, sizeof(salt));
    memcpy(salt.bytes, bytes.data, sizeof(salt));
    return salt;
}

static struct weft_gossip_digest digest_of(const json_t *digest)
{
    struct weft_slice sum = bytes_of(json_object_get(digest, "revocations"));
    return (struct weft_gossip_digest){.said = true,
                                       .salt = salt_of(digest),
                                       .sums = bytes_of(json_object_get(digest, "sums")),
                                       .revocations = weft_load64((const uint8_t *)sum.data)};
}

static struct weft_gossip_list list_of(const json_t *list)
{
    const json_t *buckets = json_object_get(list, "buckets");
    uint8_t *start = memory + used;
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        json_int_t place = json_integer_value(json_array_get(buckets, i));
        memory[used++] = (uint8_t)place;
        memory[used++] = (uint8_t)(place >> 8);
    }
    struct weft_slice places = weft_slice(start, 2 * json_array_size(buckets));
    return (struct weft_gossip_list){.said = true,
                                     .salt = salt_of(list),
                                     .buckets = places,
                                     .names = names_of(json_object_get(list, "names")),
                                     .revocations_said = true,
                                     .revocations = packed_of(json_object_get(list, "revocations"))};
}

static struct weft_gossip_items lines_of(const json_t *list)
{
    static uint8_t lines[4][WEFT_GOSSIP_LINE_MAX];
    struct weft_gossip_items items = {.count = json_array_size(list)};
    assert_true(items.count <= WEFT_COUNT(lines));
    for (size_t i = 0; i < items.count; i++) {
        const json_t *one = json_array_get(list, i);
        struct weft_gossip_line line = {.alias = weft_json_slice(json_object_get(one, "alias")),
                                        .peers = (uint64_t)json_integer_value(json_object_get(one, "peers"))};
        struct weft_slice hash = bytes_of(json_object_get(one, "hash"));
        memcpy(line.hash, hash.data, hash.size);
        int64_t size = weft_gossip_line_write(&line, lines[i]);
        assert_true(size > 0);
        items.at[i] = weft_slice(lines[i], (size_t)size);
    }
    return items;
}

static struct weft_gossip_message message_of(const json_t *vector)
{
    const json_t *digest = json_object_get(vector, "digest"), *list = json_object_get(vector, "list");
    const json_t *reach = json_object_get(vector, "reach");
    struct weft_gossip_message message = {
        .announcements = items_of(json_object_get(vector, "announcements")),
        .revocations = items_of(json_object_get(vector, "revocations")),
        .news = names_of(json_object_get(vector, "news")),
        .wants = packed_of(json_object_get(vector, "wants")),
        .revocation_wants = packed_of(json_object_get(vector, "revocation_wants")),
        .reach_again = json_is_true(json_object_get(vector, "reach_again")),
        .lines = lines_of(json_object_get(vector, "lines")),
        .used_said = json_object_get(vector, "used") != NULL,
        .used = packed_of(json_object_get(vector, "used")),
    };
    if (digest) {
        message.digest = digest_of(digest);
    }
    if (list) {
        message.list = list_of(list);
    }
    if (reach) {
        message.reach = (struct weft_gossip_reach){.said = true,
                                                   .anew = json_is_true(json_object_get(reach, "anew")),
                                                   .more = packed_of(json_object_get(reach, "more")),
                                                   .less = packed_of(json_object_get(reach, "less"))};
    }
    return message;
}

/* All but the items, of which the bytes speak. */
static void assert_same(const struct weft_gossip_message *one, const struct weft_gossip_message *other)
{
    assert_int_equal(one->announcements.count, other->announcements.count);
    assert_int_equal(one->revocations.count, other->revocations.count);
    assert_int_equal(one->lines.count, other->lines.count);
    assert_true(weft_slice_equal(one->news, other->news) && weft_slice_equal(one->wants, other->wants));
    assert_true(weft_slice_equal(one->revocation_wants, other->revocation_wants));
    assert_true(one->digest.said == other->digest.said && one->digest.revocations == other->digest.revocations);
    assert_true(weft_slice_equal(one->digest.sums, other->digest.sums));
    assert_true(one->list.said == other->list.said && weft_slice_equal(one->list.names, other->list.names));
    assert_true(weft_slice_equal(one->list.buckets, other->list.buckets));
    assert_true(weft_slice_equal(one->list.revocations, other->list.revocations));
    assert_true(one->reach.said == other->reach.said && one->reach.anew == other->reach.anew);
    assert_true(weft_slice_equal(one->reach.more, other->reach.more));
    assert_true(weft_slice_equal(one->reach.less, other->reach.less));
    assert_true(one->reach_again == other->reach_again && one->used_said == other->used_said);
    assert_true(weft_slice_equal(one->used, other->used));
}

/* The sums of the vectors, from the announcements and revocations of the first one. */
static void check_sums(const struct weft_gossip_message *message)
{
    uint32_t sums[WEFT_GOSSIP_BUCKETS_MIN] = {0};
    uint64_t revocations = 0;
    const struct weft_siphash_key *salt = &message->digest.salt;
    for (size_t i = 0; i < message->announcements.count; i++) {
        struct weft_announcement announcement;
        struct weft_signed parts;
        uint8_t bytes[WEFT_KEY_SIZE + 8];
        assert_int_equal(weft_announcement_read(message->announcements.at[i], &announcement, &parts), 0);
        memcpy(bytes, announcement.key.bytes, WEFT_KEY_SIZE);
        weft_store64(bytes + WEFT_KEY_SIZE, weft_gossip_check(parts.signature));
        sums[weft_siphash(salt, bytes, WEFT_KEY_SIZE) % WEFT_GOSSIP_BUCKETS_MIN] +=
            (uint32_t)weft_siphash(salt, bytes, sizeof(bytes));
    }
    for (size_t i = 0; i < message->revocations.count; i++) {
        const struct weft_slice *one = &message->revocations.at[i];
        uint8_t id[8];
        weft_store64(id, weft_gossip_check((const uint8_t *)one->data + one->size - WEFT_SIGNATURE_SIZE));
        revocations += weft_siphash(salt, id, sizeof(id));
    }
    assert_true(revocations == message->digest.revocations);
    for (size_t i = 0; i < WEFT_GOSSIP_BUCKETS_MIN; i++) {
        const uint8_t *sum = (const uint8_t *)message->digest.sums.data + 4 * i;
        assert_int_equal(sums[i],
                         (uint32_t)sum[0] | (uint32_t)sum[1] << 8 | (uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24);
    }
}

static void test_both_ways(void **state)
{
    (void)state;
    static char text[FILE_MAX];
    static uint8_t out[WEFT_GOSSIP_MESSAGE_MAX];
    json_t *root = NULL;
    FILE *file = fopen("tests/vectors/gossip.json", "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    assert_true(size > 0 && size < sizeof(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(weft_json_parse(weft_slice(text, size), &root, NULL), 0);
    const json_t *vectors = json_object_get(root, "vectors");
    assert_true(json_array_size(vectors) >= 10);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        used = 0;
        static struct weft_gossip_message message, again;
        message = message_of(json_array_get(vectors, i));
        struct weft_slice wanted = bytes_of(json_object_get(json_array_get(vectors, i), "bytes"));
        assert_int_equal(weft_gossip_message_write(&message, out, sizeof(out)), wanted.size);
        assert_memory_equal(out, wanted.data, wanted.size);
        assert_int_equal(weft_gossip_message_read(wanted, &again), 0);
        assert_same(&again, &message);
        if (i == 0) {
            check_sums(&again);
        }
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
