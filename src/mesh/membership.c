/* mesh/membership.c - what a chain of certificates is worth. */
#include "mesh/membership.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/identity.h"

/* A gateway's certificate whose signature was verified: it need not be again. */
struct issuer {
    uint64_t used; /* when, by the count of uses; 0: a free place */
    size_t size;
    uint8_t bytes[WEFT_CERTIFICATE_MAX];
};

struct revocation {
    struct weft_key subject, issuer; /* the mesh's key for the root */
    int64_t until_s;
    size_t size;
    uint8_t *bytes; /* ours */
};

struct weft_membership {
    struct weft_key mesh;
    uint64_t uses;
    struct issuer issuers[WEFT_ISSUERS_MAX];
    struct revocation *revocations; /* sorted by subject, then issuer */
    size_t count, room;
};

static const struct {
    const char *word, *text;
} verdicts[] = {
    [WEFT_VERDICT_MEMBER] = {"member", "It is a member of this mesh."},
    [WEFT_VERDICT_MALFORMED] = {"malformed", "What it shows is no membership certificate, so it is not let in. Let it "
                                             "join again with a new invite."},
    [WEFT_VERDICT_NEWER] = {"newer",
                            "Its membership certificate was made by a newer weft, and this one cannot read it. "
                            "Update weft here."},
    [WEFT_VERDICT_OTHER_MESH] = {"other_mesh",
                                 "It is a member of another mesh, not of this one. To come here it needs an "
                                 "invite of this mesh."},
    [WEFT_VERDICT_OTHER_KEY] = {"other_key",
                                "The membership certificate that it shows is somebody else's, so it is not let "
                                "in. Let it join with an invite of its own."},
    [WEFT_VERDICT_ISSUER_UNKNOWN] = {"issuer_unknown",
                                     "Whoever admitted it is no gateway that this mesh's root key has "
                                     "certified. Let it join again by one that is."},
    [WEFT_VERDICT_ROLE] = {"role",
                           "Its membership certificate gives it a role that its issuer may not give, so it is worth "
                           "nothing. Gateways are certified with the root key, peers and clients by gateways."},
    [WEFT_VERDICT_TOO_LONG] = {"too_long",
                               "Its membership certificate would last longer than a gateway may give, so it is "
                               "worth nothing. Let it join again; its gateway may need an update."},
    [WEFT_VERDICT_FORGED] = {"forged",
                             "A signature of its membership certificate is wrong: it was damaged or forged. Let "
                             "it join again with a new invite."},
    [WEFT_VERDICT_NOT_YET] = {"not_yet", "Its membership begins later than now. Is a clock wrong, here or where it was "
                                         "admitted?"},
    [WEFT_VERDICT_EXPIRED] = {"expired",
                              "Its membership has expired. If the clocks are right, it was away for long: let it "
                              "join again with a new invite."},
    [WEFT_VERDICT_ISSUER_NOT_YET] = {"issuer_not_yet",
                                     "The gateway that admitted it becomes one later than now. Is a clock "
                                     "wrong, here or where the gateway was certified?"},
    [WEFT_VERDICT_ISSUER_EXPIRED] = {"issuer_expired",
                                     "The certificate of the gateway that admitted it has expired. Renew "
                                     "the gateway's with `weft root certify`."},
    [WEFT_VERDICT_REVOKED] = {"revoked",
                              "Its membership was revoked: it is no longer let in. To come back it needs a new "
                              "key and a new invite."},
    [WEFT_VERDICT_ISSUER_REVOKED] = {"issuer_revoked",
                                     "The gateway that admitted it was revoked, and its members with it. "
                                     "Let it join again by another gateway."},
};

_Static_assert(WEFT_COUNT(verdicts) == WEFT_VERDICT_COUNT, "each verdict has its sentence");

const char *weft_verdict_text(enum weft_verdict verdict)
{
    return verdicts[verdict].text;
}

const char *weft_verdict_word(enum weft_verdict verdict)
{
    return verdicts[verdict].word;
}

int weft_membership_new(struct weft_membership **out, const struct weft_key *mesh)
{
    *out = weft_zalloc(sizeof(**out));
    if (!*out) {
        return WEFT_ERR_MEMORY;
    }
    (*out)->mesh = *mesh;
    return 0;
}

void weft_membership_free(struct weft_membership *membership)
{
    if (!membership) {
        return;
    }
    for (size_t i = 0; i < membership->count; i++) {
        weft_free(membership->revocations[i].bytes);
    }
    weft_free(membership->revocations);
    weft_free(membership);
}

const struct weft_key *weft_membership_mesh(const struct weft_membership *membership)
{
    return &membership->mesh;
}

/* -- revocations, sorted -- */

static int compare(const struct revocation *entry, const struct weft_key *subject, const struct weft_key *issuer)
{
    int order = memcmp(entry->subject.bytes, subject->bytes, WEFT_KEY_SIZE);
    return order != 0 ? order : memcmp(entry->issuer.bytes, issuer->bytes, WEFT_KEY_SIZE);
}

/* The first that is not before this one. */
static size_t place_of(const struct weft_membership *membership, const struct weft_key *subject,
                       const struct weft_key *issuer)
{
    size_t low = 0, high = membership->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&membership->revocations[middle], subject, issuer) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool weft_membership_revoked(const struct weft_membership *membership, const struct weft_key *key, enum weft_role role,
                             int64_t now_s)
{
    static const struct weft_key first; /* no issuer's key is before it */
    for (size_t i = place_of(membership, key, &first); i < membership->count; i++) {
        const struct revocation *entry = &membership->revocations[i];
        if (!weft_key_equal(&entry->subject, key)) {
            break;
        }
        bool in_power = role != WEFT_ROLE_GATEWAY || weft_key_equal(&entry->issuer, &membership->mesh);
        if (in_power && now_s <= entry->until_s + WEFT_SKEW_S) {
            return true;
        }
    }
    return false;
}

/* -- verdicts -- */

static bool verified(const struct weft_key *key, const struct weft_signed *parts)
{
    return weft_key_verify(key, WEFT_CERTIFICATE_DOMAIN, parts->record, parts->signature);
}

/* Of a certificate that names the root as its issuer. */
static bool verified_by_root(struct weft_membership *membership, struct weft_slice bytes,
                             const struct weft_signed *parts)
{
    struct issuer *oldest = &membership->issuers[0];
    membership->uses++;
    for (size_t i = 0; i < WEFT_ISSUERS_MAX; i++) {
        struct issuer *issuer = &membership->issuers[i];
        if (issuer->used > 0 && weft_slice_equal(weft_slice(issuer->bytes, issuer->size), bytes)) {
            issuer->used = membership->uses;
            return true;
        }
        if (issuer->used < oldest->used) {
            oldest = issuer;
        }
    }
    if (!verified(&membership->mesh, parts)) {
        return false;
    }
    oldest->used = membership->uses;
    oldest->size = bytes.size;
    memcpy(oldest->bytes, bytes.data, bytes.size); /* weft_certificate_read() held it to its size */
    return true;
}

static enum weft_verdict of_error(int error)
{
    return error == WEFT_ERR_UNSUPPORTED ? WEFT_VERDICT_NEWER : WEFT_VERDICT_MALFORMED;
}

static enum weft_verdict judge_dates(const struct weft_certificate *certificate, int64_t now_s)
{
    if (now_s < certificate->not_before_s - WEFT_SKEW_S) {
        return WEFT_VERDICT_NOT_YET;
    }
    return now_s > certificate->not_after_s + WEFT_SKEW_S ? WEFT_VERDICT_EXPIRED : WEFT_VERDICT_MEMBER;
}

/* A gateway's, of the root; all but its dates and whether it is revoked. */
static enum weft_verdict judge_gateway(struct weft_membership *membership, struct weft_slice bytes,
                                       struct weft_certificate *out)
{
    struct weft_signed parts;
    int error = weft_certificate_read(bytes, out, &parts);
    if (error < 0) {
        return of_error(error);
    }
    if (!weft_key_equal(&out->mesh, &membership->mesh)) {
        return WEFT_VERDICT_OTHER_MESH;
    }
    if (!weft_key_equal(&out->issuer, &membership->mesh)) {
        return WEFT_VERDICT_ISSUER_UNKNOWN;
    }
    if (out->role != WEFT_ROLE_GATEWAY) {
        return WEFT_VERDICT_ROLE;
    }
    return verified_by_root(membership, bytes, &parts) ? WEFT_VERDICT_MEMBER : WEFT_VERDICT_FORGED;
}

/* A peer's or client's, of the gateway whose certificate comes with it. */
static enum weft_verdict judge_by_gateway(struct weft_membership *membership, const struct weft_chain *chain,
                                          const struct weft_certificate *own, const struct weft_signed *parts,
                                          int64_t now_s)
{
    struct weft_certificate issuer;
    if (chain->issuer.size == 0) {
        return WEFT_VERDICT_ISSUER_UNKNOWN;
    }
    enum weft_verdict verdict = judge_gateway(membership, chain->issuer, &issuer);
    if (verdict != WEFT_VERDICT_MEMBER) {
        return verdict;
    }
    if (!weft_key_equal(&issuer.subject, &own->issuer)) {
        return WEFT_VERDICT_ISSUER_UNKNOWN;
    }
    if (own->role == WEFT_ROLE_GATEWAY) {
        return WEFT_VERDICT_ROLE;
    }
    if (own->not_after_s - own->not_before_s > WEFT_MEMBER_LIFE_S) {
        return WEFT_VERDICT_TOO_LONG;
    }
    if (!verified(&own->issuer, parts)) {
        return WEFT_VERDICT_FORGED;
    }
    verdict = judge_dates(&issuer, now_s);
    if (verdict != WEFT_VERDICT_MEMBER) {
        return verdict == WEFT_VERDICT_NOT_YET ? WEFT_VERDICT_ISSUER_NOT_YET : WEFT_VERDICT_ISSUER_EXPIRED;
    }
    return weft_membership_revoked(membership, &issuer.subject, WEFT_ROLE_GATEWAY, now_s) ? WEFT_VERDICT_ISSUER_REVOKED
                                                                                          : WEFT_VERDICT_MEMBER;
}

enum weft_verdict weft_membership_judge(struct weft_membership *membership, struct weft_slice chain,
                                        const struct weft_key *subject, int64_t now_s, struct weft_certificate *out)
{
    struct weft_chain links;
    struct weft_signed parts = {0};
    *out = (struct weft_certificate){0};
    int error = weft_chain_read(chain, &links);
    if (error == 0) {
        error = weft_certificate_read(links.own, out, &parts);
    }
    if (error < 0) {
        return of_error(error);
    }
    if (!weft_key_equal(&out->mesh, &membership->mesh)) {
        return WEFT_VERDICT_OTHER_MESH;
    }
    if (!weft_key_equal(&out->subject, subject)) {
        return WEFT_VERDICT_OTHER_KEY;
    }
    enum weft_verdict verdict;
    if (!weft_key_equal(&out->issuer, &membership->mesh)) {
        verdict = judge_by_gateway(membership, &links, out, &parts, now_s);
    } else {
        verdict = links.issuer.size > 0 ? WEFT_VERDICT_MALFORMED : judge_gateway(membership, links.own, out);
    }
    if (verdict == WEFT_VERDICT_MEMBER) {
        verdict = judge_dates(out, now_s);
    }
    if (verdict == WEFT_VERDICT_MEMBER && weft_membership_revoked(membership, subject, out->role, now_s)) {
        verdict = WEFT_VERDICT_REVOKED;
    }
    return verdict;
}

int64_t weft_membership_ends_s(struct weft_slice chain)
{
    struct weft_chain links;
    struct weft_certificate own, issuer;
    struct weft_signed parts;
    if (weft_chain_read(chain, &links) < 0 || weft_certificate_read(links.own, &own, &parts) < 0) {
        return 0;
    }
    if (links.issuer.size == 0) {
        return own.not_after_s + WEFT_SKEW_S;
    }
    if (weft_certificate_read(links.issuer, &issuer, &parts) < 0) {
        return 0;
    }
    return (own.not_after_s < issuer.not_after_s ? own.not_after_s : issuer.not_after_s) + WEFT_SKEW_S;
}

bool weft_membership_renewal_due(const struct weft_certificate *certificate, int64_t now_s)
{
    return now_s >= weft_certificate_renew_s(certificate);
}

/* -- taking revocations -- */

static void remove_at(struct weft_membership *membership, size_t index)
{
    weft_free(membership->revocations[index].bytes);
    membership->count--;
    memmove(&membership->revocations[index], &membership->revocations[index + 1],
            (membership->count - index) * sizeof(membership->revocations[0]));
}

/* Who signed it, if that was in its power at the time: the mesh's key for the root. */
static int signer_of(struct weft_membership *membership, const struct weft_revocation *revocation, int64_t now_s,
                     struct weft_key *out)
{
    struct weft_certificate issuer;
    *out = membership->mesh;
    if (revocation->issuer.size == 0) {
        return 0;
    }
    switch (judge_gateway(membership, revocation->issuer, &issuer)) {
    case WEFT_VERDICT_MEMBER:
        break;
    case WEFT_VERDICT_FORGED:
        return WEFT_ERR_CRYPTO;
    case WEFT_VERDICT_NEWER:
        return WEFT_ERR_UNSUPPORTED;
    case WEFT_VERDICT_MALFORMED:
        return WEFT_ERR_INVALID;
    default:
        return WEFT_ERR_DENIED;
    }
    /* By the day it was made, not by today: so that it is worth the same wherever and whenever it is heard of. */
    if (judge_dates(&issuer, revocation->made_s) != WEFT_VERDICT_MEMBER ||
        revocation->until_s - revocation->made_s > WEFT_REVOKED_S ||
        weft_membership_revoked(membership, &issuer.subject, WEFT_ROLE_GATEWAY, now_s)) {
        return WEFT_ERR_DENIED;
    }
    *out = issuer.subject;
    return 0;
}

static void remove_past(struct weft_membership *membership, int64_t now_s)
{
    for (size_t i = membership->count; i-- > 0;) {
        if (now_s > membership->revocations[i].until_s + WEFT_SKEW_S) {
            remove_at(membership, i);
        }
    }
}

static void remove_of_issuer(struct weft_membership *membership, const struct weft_key *issuer)
{
    for (size_t i = membership->count; i-- > 0;) {
        if (weft_key_equal(&membership->revocations[i].issuer, issuer)) {
            remove_at(membership, i);
        }
    }
}

static size_t count_of_issuer(const struct weft_membership *membership, const struct weft_key *issuer)
{
    size_t count = 0;
    for (size_t i = 0; i < membership->count; i++) {
        count += weft_key_equal(&membership->revocations[i].issuer, issuer) ? 1 : 0;
    }
    return count;
}

/* The gateways' one that ends first goes for one of the root's. */
static int make_room(struct weft_membership *membership, const struct weft_key *signer)
{
    bool root = weft_key_equal(signer, &membership->mesh);
    if (!root && count_of_issuer(membership, signer) >= WEFT_REVOCATIONS_OF_ISSUER_MAX) {
        return WEFT_ERR_FULL;
    }
    if (membership->count < WEFT_REVOCATIONS_MAX) {
        return 0;
    }
    size_t first = WEFT_REVOCATIONS_MAX;
    for (size_t i = 0; root && i < membership->count; i++) {
        const struct revocation *entry = &membership->revocations[i];
        if (!weft_key_equal(&entry->issuer, &membership->mesh) &&
            (first == WEFT_REVOCATIONS_MAX || entry->until_s < membership->revocations[first].until_s)) {
            first = i;
        }
    }
    if (first == WEFT_REVOCATIONS_MAX) {
        return WEFT_ERR_FULL;
    }
    remove_at(membership, first);
    return 0;
}

static int grow(struct weft_membership *membership)
{
    if (membership->count < membership->room) {
        return 0;
    }
    size_t room = membership->room == 0 ? 16 : 2 * membership->room;
    struct revocation *revocations = weft_realloc(membership->revocations, room * sizeof(*revocations));
    if (!revocations) {
        return WEFT_ERR_MEMORY;
    }
    membership->revocations = revocations;
    membership->room = room;
    return 0;
}

static int keep(struct weft_membership *membership, const struct weft_revocation *revocation,
                const struct weft_key *signer, struct weft_slice bytes)
{
    size_t place = place_of(membership, &revocation->subject, signer);
    bool known =
        place < membership->count && compare(&membership->revocations[place], &revocation->subject, signer) == 0;
    if (known && membership->revocations[place].until_s >= revocation->until_s) {
        return 0;
    }
    uint8_t *copy = weft_alloc(bytes.size);
    if (!copy) {
        return WEFT_ERR_MEMORY;
    }
    memcpy(copy, bytes.data, bytes.size);
    int error = known ? 0 : make_room(membership, signer);
    if (error == 0 && !known) {
        error = grow(membership);
    }
    if (error < 0) {
        weft_free(copy);
        return error;
    }
    place = place_of(membership, &revocation->subject, signer); /* room may have been made before it */
    struct revocation *entry = &membership->revocations[place];
    if (known) {
        weft_free(entry->bytes);
    } else {
        WEFT_ASSERT(membership->count < WEFT_REVOCATIONS_MAX);
        memmove(entry + 1, entry, (membership->count - place) * sizeof(*entry));
        membership->count++;
    }
    *entry = (struct revocation){.subject = revocation->subject,
                                 .issuer = *signer,
                                 .until_s = revocation->until_s,
                                 .size = bytes.size,
                                 .bytes = copy};
    return 1;
}

int weft_membership_revoke(struct weft_membership *membership, struct weft_slice bytes, int64_t now_s)
{
    struct weft_revocation revocation;
    struct weft_signed parts;
    struct weft_key signer;
    int status = weft_revocation_read(bytes, &revocation, &parts);
    if (status < 0) {
        return status;
    }
    if (!weft_key_equal(&revocation.mesh, &membership->mesh)) {
        return WEFT_ERR_NOT_FOUND;
    }
    if (weft_key_equal(&revocation.subject, &membership->mesh)) {
        return WEFT_ERR_DENIED; /* the root is nobody's to take back */
    }
    if (revocation.made_s > now_s + WEFT_SKEW_S) {
        return WEFT_ERR_TIMEOUT;
    }
    if (now_s > revocation.until_s + WEFT_SKEW_S) {
        return 0;
    }
    status = signer_of(membership, &revocation, now_s, &signer);
    if (status < 0) {
        return status;
    }
    if (!weft_key_verify(&signer, WEFT_REVOCATION_DOMAIN, parts.record, parts.signature)) {
        return WEFT_ERR_CRYPTO;
    }
    remove_past(membership, now_s);
    status = keep(membership, &revocation, &signer, bytes);
    if (status > 0 && weft_key_equal(&signer, &membership->mesh)) {
        remove_of_issuer(membership, &revocation.subject);
    }
    return status;
}

size_t weft_membership_revocations(const struct weft_membership *membership)
{
    return membership->count;
}

struct weft_slice weft_membership_revocation(const struct weft_membership *membership, size_t index)
{
    WEFT_ASSERT(index < membership->count);
    return weft_slice(membership->revocations[index].bytes, membership->revocations[index].size);
}

bool weft_membership_keeps(const struct weft_membership *membership, struct weft_slice revocation)
{
    for (size_t i = 0; i < membership->count; i++) {
        if (weft_slice_equal(weft_membership_revocation(membership, i), revocation)) {
            return true;
        }
    }
    return false;
}
