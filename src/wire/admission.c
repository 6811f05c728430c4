/* wire/admission.c - admissions and refusals as bytes. */
#include "wire/admission.h"

#include "base/error.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))

enum {
    TAG_CHAIN = 1, /* one of the two */
    TAG_REFUSAL,
};

#define NEW_INVITE "Ask whoever sent it for a new one."

static const struct {
    const char *word, *text;
} refusals[] = {
    [WEFT_REFUSAL_OTHER] = {"other", "The gateway refused for a reason that this weft does not know yet. Update weft "
                                     "here, then try again."},
    [WEFT_REFUSAL_MALFORMED] = {"malformed", "The gateway could not verify what this node asked it for, so it let "
                                             "nobody in. Try again; if it stays so, one of the two needs an update."},
    [WEFT_REFUSAL_NEWER] = {"newer", "The gateway runs an older weft that cannot read what this node asks it for. Let "
                                     "its owner update it, then try again."},
    [WEFT_REFUSAL_OTHER_MESH] = {"other_mesh", "This invite is for another mesh than the one of this gateway, so it is "
                                               "worth nothing here. " NEW_INVITE},
    [WEFT_REFUSAL_UNKNOWN] = {"unknown", "The gateway knows no such invite: it made none like it, or has long "
                                         "forgotten it. " NEW_INVITE},
    [WEFT_REFUSAL_REVOKED] = {"revoked", "This invite was revoked, so nobody can join with it any more. " NEW_INVITE},
    [WEFT_REFUSAL_EXPIRED] = {"expired", "This invite has expired, so nobody can join with it any more. " NEW_INVITE},
    [WEFT_REFUSAL_USED_UP] = {"used_up", "This invite was used as often as it may be, so nobody else can join with "
                                         "it. " NEW_INVITE},
    [WEFT_REFUSAL_KEY_REVOKED] = {"key_revoked", "This node was put out of the mesh, so it is not let in again. To "
                                                 "come back it needs a new key and a new invite."},
    [WEFT_REFUSAL_LAPSED] = {"lapsed", "This node's membership is worth nothing any more, so it cannot be renewed: it "
                                       "has expired, or who admitted it is no gateway any more. Join again with a new "
                                       "invite."},
    [WEFT_REFUSAL_ROOT_AWAY] = {"root_away", "Only the mesh's root key makes a gateway, and it does not lie on the "
                                             "gateway that was asked. Ask its owner to run `weft root certify` where "
                                             "the key is."},
    [WEFT_REFUSAL_ISSUER_AWAY] = {"issuer_away", "The gateway that made this invite cannot be reached now, and only it "
                                                 "can say whether the invite is good. Try again later."},
    [WEFT_REFUSAL_GATEWAY_LAPSED] = {"gateway_lapsed", "The gateway's own certificate has expired or was revoked, so "
                                                       "it can let nobody in. Let its owner renew it with `weft root "
                                                       "certify`."},
    [WEFT_REFUSAL_BUSY] = {"busy", "The gateway could not store the answer, so nothing was changed. Try again in a "
                                   "minute."},
};

_Static_assert(WEFT_COUNT(refusals) == WEFT_REFUSAL_COUNT, "each refusal has its sentence");

const char *weft_refusal_text(enum weft_refused refusal)
{
    return refusals[refusal].text;
}

const char *weft_refusal_word(enum weft_refused refusal)
{
    return refusals[refusal].word;
}

static bool chain_fits(struct weft_slice chain)
{
    return chain.size > 0 && chain.size <= WEFT_CHAIN_MAX;
}

int64_t weft_admission_write(const struct weft_admission *admission, uint8_t out[WEFT_ADMISSION_MAX])
{
    bool refused = admission->chain.size == 0;
    if (refused ? admission->refusal <= WEFT_REFUSAL_OTHER || admission->refusal >= WEFT_REFUSAL_COUNT
                : !chain_fits(admission->chain)) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_ADMISSION_MAX, MAJOR);
    if (refused) {
        weft_record_number(&writer, TAG_REFUSAL, (uint64_t)admission->refusal);
    } else {
        weft_record_bytes(&writer, TAG_CHAIN, admission->chain);
    }
    return weft_record_finish(&writer);
}

struct reading {
    struct weft_admission *out;
    bool refused;
};

static int take_refusal(struct reading *reading, const struct weft_record_field *field)
{
    uint64_t number = 0;
    int error = weft_record_to_number(field, UINT64_MAX, &number);
    if (error == 0 && number == 0) {
        error = WEFT_ERR_INVALID;
    }
    reading->refused = true;
    reading->out->refusal = number < WEFT_REFUSAL_COUNT ? (enum weft_refused)number : WEFT_REFUSAL_OTHER;
    return error;
}

static int take(void *self, const struct weft_record_field *field)
{
    struct reading *reading = self;
    switch (field->tag) {
    case TAG_CHAIN:
        reading->out->chain = field->value;
        return chain_fits(field->value) ? 0 : WEFT_ERR_INVALID;
    case TAG_REFUSAL:
        return take_refusal(reading, field);
    default:
        return 0; /* of a newer version */
    }
}

int weft_admission_read(struct weft_slice bytes, struct weft_admission *out)
{
    static const struct weft_record_shape shape = {.major = MAJOR, .single = BIT(TAG_CHAIN) | BIT(TAG_REFUSAL)};
    struct reading reading = {.out = out};
    *out = (struct weft_admission){0};
    if (bytes.size > WEFT_ADMISSION_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    int error = weft_record_read(bytes, &shape, take, &reading);
    if (error < 0) {
        return error;
    }
    return reading.refused != (out->chain.size > 0) ? 0 : WEFT_ERR_INVALID; /* one of the two, not both */
}
