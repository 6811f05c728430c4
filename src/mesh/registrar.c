/* mesh/registrar.c - applications heard and certificates given. */
#include "mesh/registrar.h"

#include "base/error.h"

/* -- certificates -- */

static int64_t refuse(enum weft_refused *why, enum weft_refused refusal)
{
    *why = refusal;
    return WEFT_ERR_DENIED;
}

static int64_t certify_gateway(const struct weft_registrar *registrar, const struct weft_key *node, int64_t now_s,
                               uint64_t serial, uint8_t chain[WEFT_CHAIN_MAX], enum weft_refused *why)
{
    uint8_t own[WEFT_CERTIFICATE_MAX];
    if (!registrar->root) {
        return refuse(why, WEFT_REFUSAL_ROOT_AWAY);
    }
    int64_t size = weft_issue_gateway(registrar->root, node, now_s, WEFT_GATEWAY_LIFE_S, serial, own);
    if (size < 0) {
        return refuse(why, WEFT_REFUSAL_MALFORMED); /* the mesh's own key, or a clock past all years */
    }
    return weft_chain_write(&(struct weft_chain){.own = weft_slice(own, (size_t)size)}, chain);
}

/* Is the gateway still one? Then *out is its certificate. */
static bool in_office(const struct weft_registrar *registrar, int64_t now_s, struct weft_certificate *out)
{
    uint8_t chain[WEFT_CHAIN_MAX];
    int64_t size = weft_chain_write(&(struct weft_chain){.own = registrar->certificate}, chain);
    return size > 0 && weft_membership_judge(registrar->membership, weft_slice(chain, (size_t)size),
                                             &registrar->gateway->key, now_s, out) == WEFT_VERDICT_MEMBER;
}

int64_t weft_registrar_certify(const struct weft_registrar *registrar, const struct weft_key *node, enum weft_role role,
                               int64_t now_s, uint64_t serial, uint8_t chain[WEFT_CHAIN_MAX], enum weft_refused *why)
{
    struct weft_certificate office;
    uint8_t own[WEFT_CERTIFICATE_MAX];
    if (weft_membership_revoked(registrar->membership, node, role, now_s)) {
        return refuse(why, WEFT_REFUSAL_KEY_REVOKED);
    }
    if (!in_office(registrar, now_s, &office)) {
        return refuse(why, WEFT_REFUSAL_GATEWAY_LAPSED);
    }
    if (role == WEFT_ROLE_GATEWAY) {
        return certify_gateway(registrar, node, now_s, serial, chain, why);
    }
    int64_t size = weft_issue_member(registrar->gateway, &office, node, role, now_s, serial, own);
    if (size < 0) {
        return refuse(why, WEFT_REFUSAL_GATEWAY_LAPSED); /* its own certificate ends now */
    }
    struct weft_chain links = {.own = weft_slice(own, (size_t)size), .issuer = registrar->certificate};
    return weft_chain_write(&links, chain);
}

/* -- applications -- */

static enum weft_registrar_step refuse_case(struct weft_registrar_case *out, enum weft_refused refusal)
{
    out->refusal = refusal;
    return WEFT_REGISTRAR_REFUSE;
}

static bool proven(const struct weft_application *application)
{
    uint8_t text[WEFT_PROVEN_SIZE];
    weft_application_proven(application, text);
    return weft_key_verify(&application->invite, WEFT_PROOF_DOMAIN, weft_slice(text, sizeof(text)), application->proof);
}

static enum weft_registrar_step hear_invite(const struct weft_registrar *registrar,
                                            const struct weft_application *application, bool passed_on,
                                            struct weft_registrar_case *out)
{
    if (!proven(application)) {
        return refuse_case(out, WEFT_REFUSAL_MALFORMED);
    }
    if (weft_key_equal(&application->issuer, &registrar->gateway->key)) {
        return WEFT_REGISTRAR_REDEEM;
    }
    /* Passed on once, to its issuer; never in circles. */
    return passed_on ? refuse_case(out, WEFT_REFUSAL_UNKNOWN) : WEFT_REGISTRAR_FORWARD;
}

static enum weft_registrar_step hear_renewal(const struct weft_registrar *registrar,
                                             const struct weft_application *application, int64_t now_s, uint64_t serial,
                                             struct weft_registrar_case *out)
{
    struct weft_certificate shown;
    enum weft_verdict verdict =
        weft_membership_judge(registrar->membership, application->chain, &application->node, now_s, &shown);
    if (verdict == WEFT_VERDICT_REVOKED) {
        return refuse_case(out, WEFT_REFUSAL_KEY_REVOKED);
    }
    if (verdict != WEFT_VERDICT_MEMBER) {
        return refuse_case(out, WEFT_REFUSAL_LAPSED);
    }
    if (!weft_membership_renewal_due(&shown, now_s + WEFT_SKEW_S)) {
        out->chain_size = application->chain.size; /* so nobody has a gateway sign for him as often as he likes */
        memcpy(out->chain, application->chain.data, application->chain.size);
        return WEFT_REGISTRAR_ADMIT;
    }
    int64_t size =
        weft_registrar_certify(registrar, &application->node, shown.role, now_s, serial, out->chain, &out->refusal);
    if (size < 0) {
        return WEFT_REGISTRAR_REFUSE;
    }
    out->chain_size = (size_t)size;
    return WEFT_REGISTRAR_ADMIT;
}

enum weft_registrar_step weft_registrar_hear(const struct weft_registrar *registrar, struct weft_slice application,
                                             const uint8_t *link, int64_t now_s, uint64_t serial,
                                             struct weft_registrar_case *out)
{
    struct weft_application asked;
    struct weft_signed parts = {0};
    *out = (struct weft_registrar_case){0};
    int error = weft_application_read(application, &asked, &parts);
    if (error < 0) {
        return refuse_case(out, error == WEFT_ERR_UNSUPPORTED ? WEFT_REFUSAL_NEWER : WEFT_REFUSAL_MALFORMED);
    }
    if ((link && memcmp(link, asked.link, WEFT_LINK_SIZE) != 0) ||
        !weft_key_verify(&asked.node, WEFT_APPLICATION_DOMAIN, parts.record, parts.signature)) {
        return refuse_case(out, WEFT_REFUSAL_MALFORMED);
    }
    if (!weft_key_equal(&asked.mesh, weft_membership_mesh(registrar->membership))) {
        return refuse_case(out, WEFT_REFUSAL_OTHER_MESH);
    }
    out->node = asked.node;
    out->invite = asked.invite;
    out->issuer = asked.issuer;
    return asked.chain.size > 0 ? hear_renewal(registrar, &asked, now_s, serial, out)
                                : hear_invite(registrar, &asked, !link, out);
}
