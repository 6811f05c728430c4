/* wire/application.c - applications as bytes. */
#include "wire/application.h"

#include "base/error.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))

enum {
    TAG_MESH = 1,
    TAG_NODE,
    TAG_LINK,
    TAG_ISSUER, /* this and the next two: of an invite */
    TAG_INVITE,
    TAG_PROOF,
    TAG_CHAIN, /* or this one: to be renewed */
};

static bool chain_fits(struct weft_slice chain)
{
    return chain.size > 0 && chain.size <= WEFT_CHAIN_MAX;
}

/* Nobody applies with the mesh's own key: it certifies, and is no node. */
static bool valid(const struct weft_application *application)
{
    bool of_invite = weft_key_set(&application->issuer) && weft_key_set(&application->invite);
    bool of_none = !weft_key_set(&application->issuer) && !weft_key_set(&application->invite);
    return weft_key_set(&application->mesh) && weft_key_set(&application->node) &&
           !weft_key_equal(&application->mesh, &application->node) &&
           ((of_invite && application->chain.size == 0) || (of_none && chain_fits(application->chain)));
}

int64_t weft_application_write(const struct weft_application *application, uint8_t out[WEFT_APPLICATION_MAX])
{
    if (!valid(application)) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_APPLICATION_MAX - WEFT_SIGNATURE_SIZE, MAJOR);
    weft_record_key(&writer, TAG_MESH, &application->mesh);
    weft_record_key(&writer, TAG_NODE, &application->node);
    weft_record_bytes(&writer, TAG_LINK, weft_slice(application->link, sizeof(application->link)));
    if (application->chain.size > 0) {
        weft_record_bytes(&writer, TAG_CHAIN, application->chain);
    } else {
        weft_record_key(&writer, TAG_ISSUER, &application->issuer);
        weft_record_key(&writer, TAG_INVITE, &application->invite);
        weft_record_bytes(&writer, TAG_PROOF, weft_slice(application->proof, sizeof(application->proof)));
    }
    return weft_record_finish(&writer);
}

struct reading {
    struct weft_application *out;
    bool proof;
};

static int take(void *self, const struct weft_record_field *field)
{
    struct reading *reading = self;
    struct weft_application *application = reading->out;
    switch (field->tag) {
    case TAG_MESH:
        return weft_record_to_key(field, &application->mesh);
    case TAG_NODE:
        return weft_record_to_key(field, &application->node);
    case TAG_LINK:
        return weft_record_to_bytes(field, application->link, sizeof(application->link));
    case TAG_ISSUER:
        return weft_record_to_key(field, &application->issuer);
    case TAG_INVITE:
        return weft_record_to_key(field, &application->invite);
    case TAG_PROOF:
        reading->proof = true;
        return weft_record_to_bytes(field, application->proof, sizeof(application->proof));
    case TAG_CHAIN:
        application->chain = field->value;
        return chain_fits(field->value) ? 0 : WEFT_ERR_INVALID;
    default:
        return 0; /* of a newer version */
    }
}

int weft_application_read(struct weft_slice bytes, struct weft_application *out, struct weft_signed *parts)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required = BIT(TAG_MESH) | BIT(TAG_NODE) | BIT(TAG_LINK),
        .single = BIT(TAG_MESH) | BIT(TAG_NODE) | BIT(TAG_LINK) | BIT(TAG_ISSUER) | BIT(TAG_INVITE) | BIT(TAG_PROOF) |
                  BIT(TAG_CHAIN),
    };
    struct reading reading = {.out = out};
    *out = (struct weft_application){0};
    int error = weft_signed_cut(bytes, WEFT_APPLICATION_MAX, parts);
    if (error == 0) {
        error = weft_record_read(parts->record, &shape, take, &reading);
    }
    if (error < 0) {
        return error;
    }
    bool whole = valid(out) && reading.proof == weft_key_set(&out->invite);
    return whole ? 0 : WEFT_ERR_INVALID;
}

void weft_application_proven(const struct weft_application *application, uint8_t out[WEFT_PROVEN_SIZE])
{
    memcpy(out, application->mesh.bytes, WEFT_KEY_SIZE);
    memcpy(out + WEFT_KEY_SIZE, application->issuer.bytes, WEFT_KEY_SIZE);
    memcpy(out + (size_t)2 * WEFT_KEY_SIZE, application->node.bytes, WEFT_KEY_SIZE);
}
