/* tests/conformance/vectors_test.c - the vectors that tests/vectors/make.py writes in another language: what it signed
 * is read and verified here, and what is written here from the same values is the same to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "mesh/joining.h"
#include "wire/hello.h"
#include "wire/json.h"
#include "wire/letter.h"

#define FILE_MAX ((size_t)64 * 1024)

struct bytes {
    uint8_t data[WEFT_ANNOUNCEMENT_MAX];
    size_t size;
};

static json_t *load(const char *name)
{
    static char text[FILE_MAX];
    char path[128];
    json_t *root = NULL;
    (void)snprintf(path, sizeof(path), "tests/vectors/%s.json", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    assert_true(size > 0 && size < sizeof(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(weft_json_parse(weft_slice(text, size), &root, NULL), 0);
    return root;
}

static struct weft_slice text_of(const json_t *vector, const char *key)
{
    struct weft_slice text = weft_json_slice(json_object_get(vector, key));
    assert_non_null(text.data);
    return text;
}

static int64_t number_of(const json_t *vector, const char *key)
{
    const json_t *value = json_object_get(vector, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static struct bytes bytes_of(const json_t *vector, const char *key)
{
    struct weft_slice text = text_of(vector, key);
    struct bytes bytes = {.size = text.size / 2};
    assert_true(text.size % 2 == 0 && bytes.size <= sizeof(bytes.data));
    for (size_t i = 0; i < bytes.size; i++) {
        int high = weft_hex_value(text.data[2 * i]), low = weft_hex_value(text.data[2 * i + 1]);
        assert_true(high >= 0 && low >= 0);
        bytes.data[i] = (uint8_t)(high << 4 | low);
    }
    return bytes;
}

static void fixed_of(const json_t *vector, const char *key, void *out, size_t size)
{
    struct bytes bytes = bytes_of(vector, key);
    if (bytes.size == 0) { /* a hash that nobody knows */
        memset(out, 0, size);
        return;
    }
    assert_int_equal(bytes.size, size);
    memcpy(out, bytes.data, size);
}

static struct weft_key key_of(const json_t *vector, const char *key)
{
    struct weft_key out;
    fixed_of(vector, key, out.bytes, sizeof(out.bytes));
    return out;
}

static struct weft_identity signer_of(const json_t *vector)
{
    struct weft_identity signer;
    uint8_t seed[WEFT_SEED_SIZE];
    fixed_of(vector, "seed", seed, sizeof(seed));
    weft_identity_init(&signer, seed);
    return signer;
}

static enum weft_role role_of(const json_t *vector)
{
    enum weft_role role = 0;
    assert_true(weft_role_parse(text_of(vector, "role"), &role));
    return role;
}

static void assert_bytes(const void *data, int64_t size, const struct bytes *wanted)
{
    assert_int_equal(size, wanted->size);
    assert_memory_equal(data, wanted->data, wanted->size);
}

static void check_identity(const json_t *vector)
{
    struct weft_identity identity = signer_of(vector), again;
    struct weft_key key = key_of(vector, "key");
    struct bytes bytes = bytes_of(vector, "bytes"), signature = bytes_of(vector, "signature");
    uint8_t signed_here[WEFT_SIGNATURE_SIZE];
    char id[WEFT_PEER_ID_SIZE], text[WEFT_IDENTITY_TEXT_SIZE];
    const char *why;
    assert_true(weft_key_equal(&identity.key, &key));
    weft_key_text(&key, id);
    assert_true(weft_slice_equal(text_of(vector, "peer_id"), weft_slice_text(id)));
    weft_identity_sign(&identity, text_of(vector, "domain"), weft_slice(bytes.data, bytes.size), signed_here);
    assert_bytes(signed_here, sizeof(signed_here), &signature);
    assert_true(weft_key_verify(&key, text_of(vector, "domain"), weft_slice(bytes.data, bytes.size), signature.data));
    weft_identity_text(&identity, WEFT_IDENTITY_NODE, text);
    assert_true(weft_slice_equal(text_of(vector, "node_file"), weft_slice_text(text)));
    weft_identity_text(&identity, WEFT_IDENTITY_ROOT, text);
    assert_true(weft_slice_equal(text_of(vector, "root_file"), weft_slice_text(text)));
    assert_int_equal(weft_identity_parse(&again, WEFT_IDENTITY_ROOT, text_of(vector, "root_file"), &why), 0);
    assert_memory_equal(&again, &identity, sizeof(again));
}

/* As people carry it, both ways. */
static void check_letter(const json_t *vector, struct weft_slice domain, const struct bytes *wanted)
{
    char line[WEFT_LETTER_SIZE];
    uint8_t again[WEFT_LETTER_BYTES_MAX];
    assert_int_equal(weft_letter_write(domain, weft_slice(wanted->data, wanted->size), line), 0);
    assert_true(weft_slice_equal(text_of(vector, "letter"), weft_slice_text(line)));
    assert_bytes(again, weft_letter_read(domain, text_of(vector, "letter"), again), wanted);
}

static void check_certificate(const json_t *vector)
{
    struct weft_identity signer = signer_of(vector);
    struct bytes wanted = bytes_of(vector, "bytes");
    const json_t *serial = json_object_get(vector, "serial");
    struct weft_certificate certificate = {
        .mesh = key_of(vector, "mesh"),
        .issuer = key_of(vector, "issuer"),
        .subject = key_of(vector, "subject"),
        .role = role_of(vector),
        .not_before_s = number_of(vector, "not_before"),
        .not_after_s = number_of(vector, "not_after"),
        .serial = strtoull(json_string_value(serial), NULL, 10),
    };
    struct weft_certificate again;
    struct weft_signed parts;
    uint8_t out[WEFT_CERTIFICATE_MAX];
    assert_bytes(out, weft_sign_certificate(&signer, &certificate, out), &wanted);
    assert_int_equal(weft_certificate_read(weft_slice(wanted.data, wanted.size), &again, &parts), 0);
    assert_true(weft_key_verify(&certificate.issuer, WEFT_CERTIFICATE_DOMAIN, parts.record, parts.signature));
    assert_true(weft_key_equal(&again.subject, &certificate.subject));
    assert_int_equal(again.serial, certificate.serial);
    check_letter(vector, WEFT_CERTIFICATE_DOMAIN, &wanted);
}

static void check_revocation(const json_t *vector)
{
    struct weft_identity signer = signer_of(vector);
    struct bytes wanted = bytes_of(vector, "bytes"), issuer = bytes_of(vector, "issuer");
    struct weft_revocation revocation = {
        .mesh = key_of(vector, "mesh"),
        .subject = key_of(vector, "subject"),
        .issuer = weft_slice(issuer.data, issuer.size),
        .made_s = number_of(vector, "made"),
        .until_s = number_of(vector, "until"),
    };
    struct weft_revocation again;
    struct weft_signed parts;
    uint8_t out[WEFT_REVOCATION_MAX];
    assert_bytes(out, weft_sign_revocation(&signer, &revocation, out), &wanted);
    assert_int_equal(weft_revocation_read(weft_slice(wanted.data, wanted.size), &again, &parts), 0);
    assert_true(weft_key_verify(&signer.key, WEFT_REVOCATION_DOMAIN, parts.record, parts.signature));
    assert_int_equal(again.until_s, revocation.until_s);
    check_letter(vector, WEFT_REVOCATION_DOMAIN, &wanted);
}

static void check_invite(const json_t *vector)
{
    struct weft_invite invite = {
        .mesh = key_of(vector, "mesh"),
        .issuer = key_of(vector, "issuer"),
        .role = role_of(vector),
        .expires_s = number_of(vector, "expires"),
    };
    struct weft_invite again;
    struct weft_key key = key_of(vector, "key");
    struct weft_identity proves;
    char line[WEFT_INVITE_LINE_SIZE];
    fixed_of(vector, "secret", invite.secret, sizeof(invite.secret));
    const json_t *addresses = json_object_get(vector, "addresses");
    for (size_t i = 0; i < json_array_size(addresses) && i < WEFT_INVITE_ADDRESSES_MAX; i++) {
        struct weft_slice address = weft_json_slice(json_array_get(addresses, i));
        (void)snprintf(invite.addresses[i], sizeof(invite.addresses[i]), "%.*s", (int)address.size, address.data);
    }
    assert_int_equal(weft_invite_write(&invite, line), 0);
    assert_true(weft_slice_equal(text_of(vector, "line"), weft_slice_text(line)));
    assert_int_equal(weft_invite_read(text_of(vector, "line"), &again), 0);
    assert_string_equal(again.addresses[0], invite.addresses[0]);
    assert_string_equal(again.addresses[1], invite.addresses[1]);
    weft_invite_identity(again.secret, &proves);
    assert_true(weft_key_equal(&proves.key, &key));
}

/* What a node writes is what it would have been in the other language, its proof too. */
static void check_application(const json_t *vector)
{
    struct weft_identity node = signer_of(vector);
    struct bytes wanted = bytes_of(vector, "bytes"), chain = bytes_of(vector, "chain"),
                 proof = bytes_of(vector, "proof");
    struct weft_application again;
    struct weft_signed parts;
    uint8_t link[WEFT_LINK_SIZE], out[WEFT_APPLICATION_MAX];
    struct weft_key mesh = key_of(vector, "mesh");
    fixed_of(vector, "link", link, sizeof(link));
    if (chain.size > 0) {
        assert_bytes(out, weft_joining_renew(&node, &mesh, weft_slice(chain.data, chain.size), link, out), &wanted);
    } else {
        struct weft_invite invite = {.mesh = mesh, .issuer = key_of(vector, "issuer")};
        fixed_of(vector, "secret", invite.secret, sizeof(invite.secret));
        assert_bytes(out, weft_joining_redeem(&node, &invite, link, out), &wanted);
    }
    assert_int_equal(weft_application_read(weft_slice(wanted.data, wanted.size), &again, &parts), 0);
    assert_true(weft_key_verify(&again.node, WEFT_APPLICATION_DOMAIN, parts.record, parts.signature));
    assert_memory_equal(again.proof, proof.data, proof.size);
}

static void check_admission(const json_t *vector)
{
    struct bytes wanted = bytes_of(vector, "bytes"), chain = bytes_of(vector, "chain");
    struct weft_admission again, admission = {.chain = weft_slice(chain.data, chain.size),
                                              .refusal = (enum weft_refused)number_of(vector, "refusal")};
    uint8_t out[WEFT_ADMISSION_MAX];
    assert_bytes(out, weft_admission_write(&admission, out), &wanted);
    assert_int_equal(weft_admission_read(weft_slice(wanted.data, wanted.size), &again), 0);
    assert_int_equal(again.refusal, admission.refusal);
    if (chain.size == 0) {
        struct weft_slice word = weft_slice_text(weft_refusal_word(again.refusal));
        assert_true(weft_slice_equal(text_of(vector, "word"), word));
    }
}

static void read_model(const json_t *vector, struct weft_announced_model *model)
{
    *model = (struct weft_announced_model){
        .alias = text_of(vector, "alias"),
        .quant = text_of(vector, "quant"),
        .kernel_class = text_of(vector, "kernel_class"),
        .context = (uint32_t)number_of(vector, "context"),
        .slots = (uint32_t)number_of(vector, "slots"),
    };
    fixed_of(vector, "hash", model->hash, sizeof(model->hash));
    fixed_of(vector, "template_hash", model->template_hash, sizeof(model->template_hash));
}

static void check_hello(const json_t *vector)
{
    struct bytes wanted = bytes_of(vector, "bytes"), chain = bytes_of(vector, "chain");
    const struct weft_hello hello = {.key = key_of(vector, "key"),
                                     .least = (uint32_t)number_of(vector, "least"),
                                     .most = (uint32_t)number_of(vector, "most"),
                                     .chain = weft_slice(chain.data, chain.size),
                                     .version = text_of(vector, "version")};
    struct weft_hello again;
    uint8_t out[WEFT_HELLO_MAX];
    assert_bytes(out, weft_hello_write(&hello, out), &wanted);
    assert_int_equal(weft_hello_read(weft_slice(wanted.data, wanted.size), &again), 0);
    assert_true(weft_key_equal(&again.key, &hello.key) && weft_slice_equal(again.chain, hello.chain));
}

static void check_announcement(const json_t *vector)
{
    struct weft_identity signer = signer_of(vector);
    struct bytes wanted = bytes_of(vector, "bytes"), chain = bytes_of(vector, "chain");
    const json_t *addresses = json_object_get(vector, "addresses"), *models = json_object_get(vector, "models");
    struct weft_announcement announcement = {
        .key = key_of(vector, "key"),
        .chain = weft_slice(chain.data, chain.size),
        .incarnation = (uint64_t)number_of(vector, "incarnation"),
        .sequence = (uint64_t)number_of(vector, "sequence"),
        .made_s = number_of(vector, "made"),
        .address_count = json_array_size(addresses),
        .model_count = json_array_size(models),
        .backend = text_of(vector, "backend"),
        .device = text_of(vector, "device"),
        .version = text_of(vector, "version"),
        .memory = (uint64_t)number_of(vector, "memory"),
        .speed_centi = (uint32_t)number_of(vector, "speed_centi"),
    };
    struct weft_announcement again;
    struct weft_signed parts;
    uint8_t out[WEFT_ANNOUNCEMENT_MAX];
    for (size_t i = 0; i < announcement.address_count; i++) {
        announcement.addresses[i] = weft_json_slice(json_array_get(addresses, i));
    }
    for (size_t i = 0; i < announcement.model_count; i++) {
        read_model(json_array_get(models, i), &announcement.models[i]);
    }
    assert_bytes(out, weft_sign_announcement(&signer, &announcement, out), &wanted);
    assert_int_equal(weft_announcement_read(weft_slice(wanted.data, wanted.size), &again, &parts), 0);
    assert_true(weft_key_verify(&again.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
    assert_int_equal(again.model_count, announcement.model_count);
}

static void test_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*check)(const json_t *vector);
    } kinds[] = {
        {"identity", check_identity},         {"certificate", check_certificate},
        {"revocation", check_revocation},     {"invite", check_invite},
        {"announcement", check_announcement}, {"application", check_application},
        {"admission", check_admission},       {"hello", check_hello},
    };
    for (size_t i = 0; i < WEFT_COUNT(kinds); i++) {
        json_t *root = load(kinds[i].name);
        const json_t *vectors = json_object_get(root, "vectors");
        assert_true(json_array_size(vectors) >= 2);
        for (size_t j = 0; j < json_array_size(vectors); j++) {
            kinds[i].check(json_array_get(vectors, j));
        }
        json_decref(root);
    }
}

static void test_chain(void **state)
{
    (void)state;
    json_t *root = load("certificate");
    const json_t *vector = json_object_get(root, "chain");
    struct bytes own = bytes_of(vector, "own"), issuer = bytes_of(vector, "issuer"), whole = bytes_of(vector, "bytes");
    struct weft_chain chain = {.own = weft_slice(own.data, own.size), .issuer = weft_slice(issuer.data, issuer.size)};
    uint8_t out[WEFT_CHAIN_MAX];
    assert_bytes(out, weft_chain_write(&chain, out), &whole);
    json_decref(root);
}

static void test_invites_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int error;
    } reasons[] = {{"no invite", WEFT_ERR_INVALID}, {"damaged", WEFT_ERR_CRYPTO}, {"newer", WEFT_ERR_UNSUPPORTED}};
    json_t *root = load("invite");
    const json_t *refused = json_object_get(root, "refused");
    struct weft_invite invite;
    assert_true(json_array_size(refused) >= 3);
    for (size_t i = 0; i < json_array_size(refused); i++) {
        const json_t *vector = json_array_get(refused, i);
        int error = 0;
        for (size_t j = 0; j < WEFT_COUNT(reasons); j++) {
            if (weft_json_is(json_object_get(vector, "why"), reasons[j].why)) {
                error = reasons[j].error;
            }
        }
        assert_int_not_equal(error, 0);
        assert_int_equal(weft_invite_read(text_of(vector, "line"), &invite), error);
    }
    assert_int_equal(weft_invite_read(text_of(json_object_get(root, "skipped"), "line"), &invite), 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_invites_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
