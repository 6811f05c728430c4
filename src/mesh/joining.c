/* mesh/joining.c - applications made and answers taken. */
#include "mesh/joining.h"

#include "base/error.h"

int64_t weft_joining_redeem(const struct weft_identity *node, const struct weft_invite *invite,
                            const uint8_t link[WEFT_LINK_SIZE], uint8_t out[WEFT_APPLICATION_MAX])
{
    struct weft_identity key;
    uint8_t proven[WEFT_PROVEN_SIZE];
    struct weft_application application = {.mesh = invite->mesh, .node = node->key, .issuer = invite->issuer};
    weft_invite_identity(invite->secret, &key);
    application.invite = key.key;
    memcpy(application.link, link, WEFT_LINK_SIZE);
    weft_application_proven(&application, proven);
    weft_identity_sign(&key, WEFT_PROOF_DOMAIN, weft_slice(proven, sizeof(proven)), application.proof);
    weft_identity_deinit(&key);
    return weft_sign_application(node, &application, out);
}

int64_t weft_joining_renew(const struct weft_identity *node, const struct weft_key *mesh, struct weft_slice chain,
                           const uint8_t link[WEFT_LINK_SIZE], uint8_t out[WEFT_APPLICATION_MAX])
{
    struct weft_application application = {.mesh = *mesh, .node = node->key, .chain = chain};
    memcpy(application.link, link, WEFT_LINK_SIZE);
    return weft_sign_application(node, &application, out);
}

int weft_joining_take(struct weft_membership *membership, const struct weft_key *node, struct weft_slice answer,
                      int64_t now_s, struct weft_joining_answer *out)
{
    struct weft_admission admission;
    *out = (struct weft_joining_answer){0};
    int error = weft_admission_read(answer, &admission);
    if (error < 0) {
        return error;
    }
    if (admission.chain.size == 0) {
        out->refusal = admission.refusal;
        return WEFT_ERR_DENIED;
    }
    out->verdict = weft_membership_judge(membership, admission.chain, node, now_s, &out->certificate);
    if (out->verdict != WEFT_VERDICT_MEMBER) {
        return WEFT_ERR_CRYPTO;
    }
    out->chain = admission.chain;
    return 0;
}
