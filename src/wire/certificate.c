/* wire/certificate.c - certificates and chains as bytes. */
#include "wire/certificate.h"

#include "base/error.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))

enum {
    TAG_MESH = 1,
    TAG_ISSUER, /* left out if the root is the issuer */
    TAG_SUBJECT,
    TAG_ROLE,
    TAG_NOT_BEFORE,
    TAG_NOT_AFTER,
    TAG_SERIAL,
};

static const char *const roles[] = {
    [WEFT_ROLE_CLIENT] = "client",
    [WEFT_ROLE_PEER] = "peer",
    [WEFT_ROLE_GATEWAY] = "gateway",
};

const char *weft_role_text(enum weft_role role)
{
    return roles[role];
}

bool weft_role_parse(struct weft_slice text, enum weft_role *out)
{
    for (size_t i = WEFT_ROLE_CLIENT; i < WEFT_COUNT(roles); i++) {
        if (weft_slice_equal(text, weft_slice_text(roles[i]))) {
            *out = (enum weft_role)i;
            return true;
        }
    }
    return false;
}

int weft_role_read(const struct weft_record_field *field, enum weft_role *out)
{
    uint64_t role;
    int error = weft_record_to_number(field, UINT64_MAX, &role);
    if (error == 0 && (role < WEFT_ROLE_CLIENT || role > WEFT_ROLE_GATEWAY)) {
        error = WEFT_ERR_UNSUPPORTED;
    }
    if (error == 0) {
        *out = (enum weft_role)role;
    }
    return error;
}

int64_t weft_certificate_renew_s(const struct weft_certificate *certificate)
{
    return certificate->not_before_s + (certificate->not_after_s - certificate->not_before_s) / 2;
}

static bool dates_valid(const struct weft_certificate *certificate)
{
    return certificate->not_before_s >= 0 && certificate->not_before_s < certificate->not_after_s &&
           certificate->not_after_s <= WEFT_RECORD_SECOND_MAX;
}

static bool valid(const struct weft_certificate *certificate)
{
    return weft_key_set(&certificate->mesh) && weft_key_set(&certificate->issuer) &&
           weft_key_set(&certificate->subject) && certificate->role >= WEFT_ROLE_CLIENT &&
           certificate->role <= WEFT_ROLE_GATEWAY && dates_valid(certificate);
}

int64_t weft_certificate_write(const struct weft_certificate *certificate, uint8_t out[WEFT_CERTIFICATE_MAX])
{
    if (!valid(certificate)) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_CERTIFICATE_MAX - WEFT_SIGNATURE_SIZE, MAJOR);
    weft_record_key(&writer, TAG_MESH, &certificate->mesh);
    if (!weft_key_equal(&certificate->issuer, &certificate->mesh)) {
        weft_record_key(&writer, TAG_ISSUER, &certificate->issuer);
    }
    weft_record_key(&writer, TAG_SUBJECT, &certificate->subject);
    weft_record_number(&writer, TAG_ROLE, (uint64_t)certificate->role);
    weft_record_number(&writer, TAG_NOT_BEFORE, (uint64_t)certificate->not_before_s);
    weft_record_number(&writer, TAG_NOT_AFTER, (uint64_t)certificate->not_after_s);
    weft_record_number(&writer, TAG_SERIAL, certificate->serial);
    return weft_record_finish(&writer);
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_certificate *certificate = self;
    switch (field->tag) {
    case TAG_MESH:
        return weft_record_to_key(field, &certificate->mesh);
    case TAG_ISSUER:
        return weft_record_to_key(field, &certificate->issuer);
    case TAG_SUBJECT:
        return weft_record_to_key(field, &certificate->subject);
    case TAG_ROLE:
        return weft_role_read(field, &certificate->role);
    case TAG_NOT_BEFORE:
        return weft_record_to_second(field, &certificate->not_before_s);
    case TAG_NOT_AFTER:
        return weft_record_to_second(field, &certificate->not_after_s);
    case TAG_SERIAL:
        return weft_record_to_number(field, UINT64_MAX, &certificate->serial);
    default:
        return 0; /* of a newer version */
    }
}

int weft_certificate_read(struct weft_slice bytes, struct weft_certificate *out, struct weft_signed *parts)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required = BIT(TAG_MESH) | BIT(TAG_SUBJECT) | BIT(TAG_ROLE) | BIT(TAG_NOT_BEFORE) | BIT(TAG_NOT_AFTER) |
                    BIT(TAG_SERIAL),
        .single = BIT(TAG_MESH) | BIT(TAG_ISSUER) | BIT(TAG_SUBJECT) | BIT(TAG_ROLE) | BIT(TAG_NOT_BEFORE) |
                  BIT(TAG_NOT_AFTER) | BIT(TAG_SERIAL),
    };
    *out = (struct weft_certificate){0};
    int error = weft_signed_cut(bytes, WEFT_CERTIFICATE_MAX, parts);
    if (error == 0) {
        error = weft_record_read(parts->record, &shape, take, out);
    }
    if (error < 0) {
        return error;
    }
    if (weft_key_equal(&out->issuer, &out->mesh)) {
        return WEFT_ERR_INVALID; /* the root is meant by leaving the field out */
    }
    if (!weft_key_set(&out->issuer)) {
        out->issuer = out->mesh;
    }
    return dates_valid(out) ? 0 : WEFT_ERR_INVALID;
}

/* -- chains: fields without a major in front -- */

enum {
    TAG_OWN = 1,
    TAG_OWN_ISSUER,
};

int64_t weft_chain_write(const struct weft_chain *chain, uint8_t out[WEFT_CHAIN_MAX])
{
    if (chain->own.size <= WEFT_SIGNATURE_SIZE || chain->own.size > WEFT_CERTIFICATE_MAX ||
        chain->issuer.size > WEFT_CERTIFICATE_MAX) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start_fields(&writer, out, WEFT_CHAIN_MAX);
    weft_record_bytes(&writer, TAG_OWN, chain->own);
    if (chain->issuer.size > 0) {
        weft_record_bytes(&writer, TAG_OWN_ISSUER, chain->issuer);
    }
    return weft_record_finish(&writer);
}

static int take_link(void *self, const struct weft_record_field *field)
{
    struct weft_chain *chain = self;
    if (field->tag != TAG_OWN && field->tag != TAG_OWN_ISSUER) {
        return 0; /* of a newer version */
    }
    if (field->value.size > WEFT_CERTIFICATE_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    if (field->value.size <= WEFT_SIGNATURE_SIZE) {
        return WEFT_ERR_INVALID;
    }
    if (field->tag == TAG_OWN) {
        chain->own = field->value;
    } else {
        chain->issuer = field->value;
    }
    return 0;
}

int weft_chain_read(struct weft_slice bytes, struct weft_chain *out)
{
    static const struct weft_record_shape shape = {
        .required = BIT(TAG_OWN),
        .single = BIT(TAG_OWN) | BIT(TAG_OWN_ISSUER),
    };
    *out = (struct weft_chain){0};
    if (bytes.size > WEFT_CHAIN_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    return weft_record_read(bytes, &shape, take_link, out);
}
