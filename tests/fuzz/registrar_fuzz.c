/* fuzz/registrar_fuzz.c - somebody with a key of its own asks a gateway for anything: the input is what it signs. Who
 * is admitted was a member before; nobody else gets further than to an invite, and with a proof only. */
#include <stdlib.h>

#include "base/assert.h"
#include "mesh/registrar.h"

#define NOW_S   1795007200                       /* when the certificates of tests/vectors hold */
#define LATER_S (NOW_S + WEFT_MEMBER_LIFE_S / 2) /* when they are due to be renewed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft_identity root, gateway, node;
static uint8_t certificate[WEFT_CERTIFICATE_MAX];
static struct weft_registrar registrar;

static void identity(struct weft_identity *who, uint8_t byte)
{
    uint8_t seed[WEFT_SEED_SIZE];
    memset(seed, byte, sizeof(seed));
    weft_identity_init(who, seed);
}

/* The people of tests/vectors. */
static void set_up(void)
{
    identity(&root, 1);
    identity(&gateway, 2);
    identity(&node, 3);
    int64_t size = weft_issue_gateway(&root, &gateway.key, NOW_S, WEFT_GATEWAY_LIFE_S, 1, certificate);
    WEFT_ASSERT(size > 0);
    registrar = (struct weft_registrar){
        .gateway = &gateway, .root = &root, .certificate = weft_slice(certificate, (size_t)size)};
    WEFT_ASSERT(weft_membership_new(&registrar.membership, &root.key) == 0);
}

static void hear(struct weft_slice application, int64_t now_s)
{
    struct weft_registrar_case found;
    struct weft_certificate held;
    enum weft_registrar_step step = weft_registrar_hear(&registrar, application, NULL, now_s, 7, &found);
    if (step == WEFT_REGISTRAR_ADMIT) {
        WEFT_ASSERT(weft_membership_judge(registrar.membership, weft_slice(found.chain, found.chain_size), &node.key,
                                          now_s, &held) == WEFT_VERDICT_MEMBER);
        WEFT_ASSERT(held.role == WEFT_ROLE_PEER); /* as in the one chain that this node was ever given */
        WEFT_ASSERT((held.serial == 7) == (now_s == LATER_S));
    } else if (step == WEFT_REGISTRAR_REFUSE) {
        WEFT_ASSERT(found.refusal > WEFT_REFUSAL_OTHER && found.refusal < WEFT_REFUSAL_COUNT);
    } else {
        WEFT_ASSERT(weft_key_equal(&found.node, &node.key) && weft_key_set(&found.invite));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > WEFT_APPLICATION_MAX) { /* a little over the bound is of interest too */
        return 0;
    }
    if (!registrar.membership) {
        set_up();
    }
    uint8_t *bytes = malloc(size + WEFT_SIGNATURE_SIZE); /* of the exact size: a read past it is seen */
    if (!bytes) {
        abort();
    }
    memcpy(bytes, data, size);
    weft_identity_sign(&node, WEFT_APPLICATION_DOMAIN, weft_slice(data, size), bytes + size);
    hear(weft_slice(bytes, size + WEFT_SIGNATURE_SIZE), NOW_S);
    hear(weft_slice(bytes, size + WEFT_SIGNATURE_SIZE), LATER_S);
    free(bytes);
    return 0;
}
