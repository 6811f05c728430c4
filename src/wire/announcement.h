/* wire/announcement.h - a node's signed statement of what it is and serves.
 *
 * Anybody may relay it, nobody can forge it: it is kept and passed on as the bytes that came. */
#ifndef WEFT_WIRE_ANNOUNCEMENT_H
#define WEFT_WIRE_ANNOUNCEMENT_H

#include "wire/certificate.h"
#include "wire/hostport.h"

#define WEFT_ANNOUNCEMENT_DOMAIN        WEFT_SLICE("weft announcement v1")
#define WEFT_ANNOUNCEMENT_MAX           4096 /* bytes, the signature included */
#define WEFT_ANNOUNCEMENT_ADDRESSES_MAX 4
#define WEFT_ANNOUNCEMENT_MODELS_MAX    32
#define WEFT_ANNOUNCEMENT_ALIAS_MAX     128 /* bytes of texts */
#define WEFT_ANNOUNCEMENT_TEXT_MAX      64  /* quant, kernel class, backend, device, version */
#define WEFT_HASH_SIZE                  32  /* SHA-256 */

/* Texts are UTF-8 without control characters (weft_utf8_plain); empty where nothing is said. */
struct weft_announced_model {
    struct weft_slice alias;               /* not empty */
    uint8_t hash[WEFT_HASH_SIZE];          /* of its file; all zeros: unverified, as an external engine's */
    uint8_t template_hash[WEFT_HASH_SIZE]; /* of its chat template and tokenizer; all zeros likewise */
    struct weft_slice quant, kernel_class;
    uint32_t context, slots;
};

struct weft_announcement {
    struct weft_key key;                                          /* whose it is, and who signed it */
    struct weft_slice chain;                                      /* its certificates (weft_chain_read) */
    uint64_t incarnation;                                         /* rises with each start of the node */
    uint64_t sequence;                                            /* rises with each announcement of that start */
    int64_t made_s;                                               /* since 1970, by the node's clock */
    struct weft_slice addresses[WEFT_ANNOUNCEMENT_ADDRESSES_MAX]; /* host:port */
    size_t address_count;
    struct weft_announced_model models[WEFT_ANNOUNCEMENT_MODELS_MAX];
    size_t model_count;
    struct weft_slice backend, device, version;
    uint64_t memory;      /* bytes that models may take */
    uint32_t speed_centi; /* tokens in a hundred seconds, as measured; 0: not measured */
};

/* The record without its signature. How many bytes; WEFT_ERR_TOO_LARGE: so many models and texts do not fit;
 * WEFT_ERR_INVALID: it could not be read back. */
WEFT_MUST_USE int64_t weft_announcement_write(const struct weft_announcement *announcement,
                                              uint8_t out[WEFT_ANNOUNCEMENT_MAX]);
/* Verifies nothing; slices point into `bytes`. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_announcement_read(struct weft_slice bytes, struct weft_announcement *out,
                                         struct weft_signed *parts);

#endif
