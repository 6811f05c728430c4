/* wire/revocation.c - revocations as bytes. */
#include "wire/revocation.h"

#include "base/error.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))

enum {
    TAG_MESH = 1,
    TAG_ISSUER, /* its certificate; left out if the root signs */
    TAG_SUBJECT,
    TAG_MADE,
    TAG_UNTIL,
};

static bool issuer_fits(struct weft_slice issuer)
{
    return issuer.size > WEFT_SIGNATURE_SIZE && issuer.size <= WEFT_CERTIFICATE_MAX;
}

static bool dates_valid(const struct weft_revocation *revocation)
{
    return revocation->made_s >= 0 && revocation->made_s < revocation->until_s &&
           revocation->until_s <= WEFT_RECORD_SECOND_MAX;
}

int64_t weft_revocation_write(const struct weft_revocation *revocation, uint8_t out[WEFT_REVOCATION_MAX])
{
    if (!weft_key_set(&revocation->mesh) || !weft_key_set(&revocation->subject) || !dates_valid(revocation) ||
        (revocation->issuer.size > 0 && !issuer_fits(revocation->issuer))) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_REVOCATION_MAX - WEFT_SIGNATURE_SIZE, MAJOR);
    weft_record_key(&writer, TAG_MESH, &revocation->mesh);
    if (revocation->issuer.size > 0) {
        weft_record_bytes(&writer, TAG_ISSUER, revocation->issuer);
    }
    weft_record_key(&writer, TAG_SUBJECT, &revocation->subject);
    weft_record_number(&writer, TAG_MADE, (uint64_t)revocation->made_s);
    weft_record_number(&writer, TAG_UNTIL, (uint64_t)revocation->until_s);
    return weft_record_finish(&writer);
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_revocation *revocation = self;
    switch (field->tag) {
    case TAG_MESH:
        return weft_record_to_key(field, &revocation->mesh);
    case TAG_ISSUER:
        revocation->issuer = field->value;
        return issuer_fits(field->value) ? 0 : WEFT_ERR_INVALID;
    case TAG_SUBJECT:
        return weft_record_to_key(field, &revocation->subject);
    case TAG_MADE:
        return weft_record_to_second(field, &revocation->made_s);
    case TAG_UNTIL:
        return weft_record_to_second(field, &revocation->until_s);
    default:
        return 0; /* of a newer version */
    }
}

int weft_revocation_read(struct weft_slice bytes, struct weft_revocation *out, struct weft_signed *parts)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required = BIT(TAG_MESH) | BIT(TAG_SUBJECT) | BIT(TAG_MADE) | BIT(TAG_UNTIL),
        .single = BIT(TAG_MESH) | BIT(TAG_ISSUER) | BIT(TAG_SUBJECT) | BIT(TAG_MADE) | BIT(TAG_UNTIL),
    };
    *out = (struct weft_revocation){0};
    int error = weft_signed_cut(bytes, WEFT_REVOCATION_MAX, parts);
    if (error == 0) {
        error = weft_record_read(parts->record, &shape, take, out);
    }
    return error == 0 && !dates_valid(out) ? WEFT_ERR_INVALID : error;
}
