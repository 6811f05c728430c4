/* tests/unit/wire/announcement_test.c - announcements: what they hold, how large they are, and what is refused. */
#include "wire/announcement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

#define MEDIAN_MAX 1024

static uint8_t chain[WEFT_CHAIN_MAX];

/* A certificate as a mesh makes them, and nobody's signature behind it. */
static struct weft_slice certificate(const struct weft_key *issuer, uint8_t subject, uint8_t out[WEFT_CERTIFICATE_MAX])
{
    struct weft_certificate made = {.issuer = *issuer,
                                    .role = WEFT_ROLE_PEER,
                                    .not_before_s = 1795000000,
                                    .not_after_s = 1797592000,
                                    .serial = 1000};
    memset(made.mesh.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(made.subject.bytes, subject, WEFT_KEY_SIZE);
    int64_t size = weft_certificate_write(&made, out);
    assert_true(size > 0);
    memset(out + size, 0x55, WEFT_SIGNATURE_SIZE);
    return weft_slice(out, (size_t)size + WEFT_SIGNATURE_SIZE);
}

static struct weft_slice realistic_chain(void)
{
    uint8_t own[WEFT_CERTIFICATE_MAX], issuer[WEFT_CERTIFICATE_MAX];
    struct weft_key root, gateway;
    memset(root.bytes, 0xaa, WEFT_KEY_SIZE);
    memset(gateway.bytes, 0xbb, WEFT_KEY_SIZE);
    struct weft_chain links = {.own = certificate(&gateway, 0xcc, own), .issuer = certificate(&root, 0xbb, issuer)};
    int64_t size = weft_chain_write(&links, chain);
    assert_true(size > 0);
    return weft_slice(chain, (size_t)size);
}

static struct weft_announced_model model(const char *alias)
{
    struct weft_announced_model made = {.alias = weft_slice_text(alias),
                                        .quant = WEFT_SLICE("Q4_K_M"),
                                        .kernel_class = WEFT_SLICE("libggml-cpu-sapphirerapids"),
                                        .context = 32768,
                                        .slots = 8};
    memset(made.hash, 0x11, sizeof(made.hash));
    memset(made.template_hash, 0x22, sizeof(made.template_hash));
    return made;
}

/* One node with two models, in values as they are met. */
static struct weft_announcement sample(void)
{
    struct weft_announcement announcement = {
        .chain = realistic_chain(),
        .incarnation = 1795000123,
        .sequence = 4711,
        .made_s = 1795003600,
        .addresses = {WEFT_SLICE("192.168.178.35:4433"), WEFT_SLICE("[2001:db8:85a3::8a2e:370:7334]:4433")},
        .address_count = 2,
        .models = {model("Llama-3.2-3B-Instruct-Q4_K_M"), model("Qwen2.5-Coder-7B-Instruct-Q4_K_M")},
        .model_count = 2,
        .backend = WEFT_SLICE("cuda"),
        .device = WEFT_SLICE("NVIDIA GeForce RTX 4070 Ti SUPER"),
        .version = WEFT_SLICE("0.1.0 (54e403e)"),
        .memory = (uint64_t)16 << 30,
        .speed_centi = 11273,
    };
    memset(announcement.key.bytes, 0xcc, WEFT_KEY_SIZE);
    return announcement;
}

static struct weft_slice written(const struct weft_announcement *announcement, uint8_t out[WEFT_ANNOUNCEMENT_MAX])
{
    int64_t size = weft_announcement_write(announcement, out);
    assert_true(size > 0);
    memset(out + size, 0x55, WEFT_SIGNATURE_SIZE);
    return weft_slice(out, (size_t)size + WEFT_SIGNATURE_SIZE);
}

static void assert_model(const struct weft_announced_model *one, const struct weft_announced_model *other)
{
    assert_true(weft_slice_equal(one->alias, other->alias));
    assert_memory_equal(one->hash, other->hash, WEFT_HASH_SIZE);
    assert_memory_equal(one->template_hash, other->template_hash, WEFT_HASH_SIZE);
    assert_true(weft_slice_equal(one->quant, other->quant));
    assert_true(weft_slice_equal(one->kernel_class, other->kernel_class));
    assert_int_equal(one->context, other->context);
    assert_int_equal(one->slots, other->slots);
}

static size_t assert_there_and_back(const struct weft_announcement *one)
{
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    struct weft_announcement other;
    struct weft_signed parts;
    struct weft_slice whole = written(one, bytes);
    assert_int_equal(weft_announcement_read(whole, &other, &parts), 0);
    assert_true(weft_key_equal(&one->key, &other.key));
    assert_true(weft_slice_equal(one->chain, other.chain));
    assert_int_equal(one->incarnation, other.incarnation);
    assert_int_equal(one->sequence, other.sequence);
    assert_int_equal(one->made_s, other.made_s);
    assert_int_equal(one->address_count, other.address_count);
    for (size_t i = 0; i < one->address_count; i++) {
        assert_true(weft_slice_equal(one->addresses[i], other.addresses[i]));
    }
    assert_int_equal(one->model_count, other.model_count);
    for (size_t i = 0; i < one->model_count; i++) {
        assert_model(&one->models[i], &other.models[i]);
    }
    assert_true(weft_slice_equal(one->backend, other.backend));
    assert_true(weft_slice_equal(one->device, other.device));
    assert_true(weft_slice_equal(one->version, other.version));
    assert_int_equal(one->memory, other.memory);
    assert_int_equal(one->speed_centi, other.speed_centi);
    return whole.size;
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct weft_announcement announcement = sample();
    size_t size = assert_there_and_back(&announcement);
    assert_true(size < MEDIAN_MAX);

    announcement = (struct weft_announcement){.key = announcement.key}; /* says nothing but who it is */
    assert_there_and_back(&announcement);

    announcement = sample(); /* an external engine's model: nobody knows its file */
    announcement.models[1] = (struct weft_announced_model){.alias = WEFT_SLICE("gpt-oss:20b")};
    announcement.models[0].context = announcement.models[0].slots = UINT32_MAX;
    announcement.memory = announcement.incarnation = announcement.sequence = UINT64_MAX;
    announcement.speed_centi = UINT32_MAX;
    announcement.made_s = WEFT_RECORD_SECOND_MAX;
    assert_there_and_back(&announcement);
}

static void test_largest(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    char alias[WEFT_ANNOUNCEMENT_ALIAS_MAX], text[WEFT_ANNOUNCEMENT_TEXT_MAX];
    memset(alias, 'a', sizeof(alias));
    memset(text, 'q', sizeof(text));
    struct weft_announcement announcement = sample();
    struct weft_announced_model large = model("");
    large.alias = weft_slice(alias, sizeof(alias));
    large.quant = large.kernel_class = weft_slice(text, sizeof(text));
    large.context = large.slots = UINT32_MAX;
    size_t fits = 0;
    for (size_t count = 1; count <= WEFT_ANNOUNCEMENT_MODELS_MAX; count++) {
        announcement.models[count - 1] = large;
        announcement.model_count = count;
        int64_t size = weft_announcement_write(&announcement, bytes);
        if (size > 0) {
            fits = count;
            assert_there_and_back(&announcement);
        } else {
            assert_int_equal(size, WEFT_ERR_TOO_LARGE);
        }
    }
    assert_true(fits >= 8 && fits < WEFT_ANNOUNCEMENT_MODELS_MAX);

    /* As many small ones as there may be do fit. */
    for (size_t i = 0; i < WEFT_ANNOUNCEMENT_MODELS_MAX; i++) {
        announcement.models[i] = model("llama3.2");
        announcement.models[i].kernel_class = (struct weft_slice){0};
        memset(announcement.models[i].template_hash, 0, WEFT_HASH_SIZE);
    }
    assert_there_and_back(&announcement);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    struct weft_announcement announcement = sample(), again;
    struct weft_signed parts;
    struct weft_slice whole = written(&announcement, bytes);
    for (size_t cut = 0; cut < whole.size; cut++) { /* at a field's end it can be read, and its signature is wrong */
        int error = weft_announcement_read(weft_slice(bytes, cut), &again, &parts);
        assert_true(error == WEFT_ERR_INVALID || (error == 0 && parts.record.size < whole.size - WEFT_SIGNATURE_SIZE));
    }
    static const uint8_t longer[WEFT_ANNOUNCEMENT_MAX + 1] = {1};
    assert_int_equal(weft_announcement_read(weft_slice(longer, sizeof(longer)), &again, &parts), WEFT_ERR_TOO_LARGE);
}

static void test_writes_nothing_that_is_not_one(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX];
    char text[WEFT_ANNOUNCEMENT_ALIAS_MAX + 1];
    memset(text, 'a', sizeof(text));
    struct weft_slice too_long = weft_slice(text, WEFT_ANNOUNCEMENT_TEXT_MAX + 1);
    for (int i = 0; i < 14; i++) {
        struct weft_announcement announcement = sample();
        switch (i) {
        case 0:
            announcement.key = (struct weft_key){0};
            break;
        case 1:
            announcement.chain.size = WEFT_CHAIN_MAX + 1;
            break;
        case 2:
            announcement.made_s = -1;
            break;
        case 3:
            announcement.address_count = WEFT_ANNOUNCEMENT_ADDRESSES_MAX + 1;
            break;
        case 4:
            announcement.model_count = WEFT_ANNOUNCEMENT_MODELS_MAX + 1;
            break;
        case 5:
            announcement.addresses[1] = WEFT_SLICE("nowhere");
            break;
        case 6:
            announcement.backend = too_long;
            break;
        case 7:
            announcement.device = WEFT_SLICE("\033[2J");
            break;
        case 8:
            announcement.version = WEFT_SLICE("a\nb");
            break;
        case 9:
            announcement.models[0].alias = (struct weft_slice){0};
            break;
        case 10:
            announcement.models[0].alias = weft_slice(text, sizeof(text));
            break;
        case 11:
            announcement.models[1].quant = too_long;
            break;
        case 12:
            announcement.models[1].kernel_class = WEFT_SLICE("\xff");
            break;
        default:
            announcement.made_s = WEFT_RECORD_SECOND_MAX + 1;
            break;
        }
        assert_int_equal(weft_announcement_write(&announcement, bytes), WEFT_ERR_INVALID);
    }
}

/* What the sample's first five fields are, then one field more. */
static int read_with(uint8_t major, uint32_t tag, struct weft_slice value, size_t times)
{
    uint8_t bytes[WEFT_ANNOUNCEMENT_MAX] = {0};
    struct weft_record_writer writer;
    struct weft_announcement announcement = sample(), again;
    struct weft_signed parts;
    weft_record_start(&writer, bytes, sizeof(bytes) - WEFT_SIGNATURE_SIZE, major);
    weft_record_key(&writer, 1, &announcement.key);
    weft_record_bytes(&writer, 2, announcement.chain);
    for (uint32_t i = 3; i <= 5; i++) {
        weft_record_number(&writer, i, 7);
    }
    for (size_t i = 0; i < times; i++) {
        weft_record_bytes(&writer, tag, value);
    }
    int64_t size = weft_record_finish(&writer);
    assert_true(size > 0);
    return weft_announcement_read(weft_slice(bytes, (size_t)size + WEFT_SIGNATURE_SIZE), &again, &parts);
}

static void test_versions(void **state)
{
    (void)state;
    static const char zeros[WEFT_HASH_SIZE + 2] = {2, 32};
    const struct {
        uint8_t major;
        uint32_t tag;
        struct weft_slice value;
        size_t times;
        int error;
    } cases[] = {
        {1, 13, WEFT_SLICE("of a newer version"), 3, 0},
        {2, 13, WEFT_SLICE("x"), 1, WEFT_ERR_UNSUPPORTED},
        {1, 6, WEFT_SLICE("a:1"), 4, 0},
        {1, 6, WEFT_SLICE("a:1"), 5, WEFT_ERR_TOO_LARGE},
        {1, 6, WEFT_SLICE("a"), 1, WEFT_ERR_INVALID},
        {1, 7, WEFT_SLICE("\1\1m"), 32, 0},
        {1, 7, WEFT_SLICE("\1\1m"), 33, WEFT_ERR_TOO_LARGE},
        {1, 7, WEFT_SLICE("\1\1m\x09\0\x09\0"), 1, 0},          /* a model's field of a newer version */
        {1, 7, WEFT_SLICE(""), 1, WEFT_ERR_INVALID},            /* a model without an alias */
        {1, 7, WEFT_SLICE("\1\0"), 1, WEFT_ERR_INVALID},        /* an empty one */
        {1, 7, WEFT_SLICE("\1\1m\1\1m"), 1, WEFT_ERR_INVALID},  /* two */
        {1, 7, WEFT_SLICE("\1\1\n"), 1, WEFT_ERR_INVALID},      /* one that breaks the line */
        {1, 7, WEFT_SLICE("\1\1m\2\1x"), 1, WEFT_ERR_INVALID},  /* a short hash */
        {1, 7, WEFT_SLICE("\1\1m\6\1\0"), 1, WEFT_ERR_INVALID}, /* nothing said is left out, not 0 */
        {1, 7, WEFT_SLICE("\1\1m\6\5\xff\xff\xff\xff\x0f"), 1, 0},
        {1, 7, WEFT_SLICE("\1\1m\6\5\xff\xff\xff\xff\x1f"), 1, WEFT_ERR_INVALID}, /* more than 32 bits */
        {1, 8, WEFT_SLICE(""), 1, WEFT_ERR_INVALID},
        {1, 8, WEFT_SLICE("cpu"), 2, WEFT_ERR_INVALID},
        {1, 10, WEFT_SLICE("\0"), 1, WEFT_ERR_INVALID},
        {1, 11, WEFT_SLICE("\xff\xff\xff\xff\x1f"), 1, WEFT_ERR_INVALID},
        {1, 5, WEFT_SLICE("\7"), 1, WEFT_ERR_INVALID}, /* `made` twice */
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(read_with(cases[i].major, cases[i].tag, cases[i].value, cases[i].times), cases[i].error);
    }
    char model_of_zeros[3 + sizeof(zeros)] = "\1\1m";
    memcpy(model_of_zeros + 3, zeros, sizeof(zeros));
    assert_int_equal(read_with(1, 7, weft_slice(model_of_zeros, sizeof(model_of_zeros)), 1), WEFT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_largest),
        cmocka_unit_test(test_cut_anywhere),   cmocka_unit_test(test_writes_nothing_that_is_not_one),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
