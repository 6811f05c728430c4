/* node/owner_token.c - the token by which a node knows its owner, as it stands in its file. */
#include "node/owner_token.h"

#include "base/error.h"
#include "base/text.h"

_Static_assert(WEFT_BASE64URL_SIZE(WEFT_OWNER_TOKEN_BYTES) <= WEFT_KEPT_TEXT_MAX, "a token and a newline fit");

size_t weft_owner_token_make(struct weft_secret *out, struct weft_host *host, char text[WEFT_KEPT_TEXT_MAX])
{
    uint8_t secret[WEFT_OWNER_TOKEN_BYTES];
    host->ops->entropy(host, secret, sizeof(secret));
    weft_base64url(text, secret, sizeof(secret));
    weft_secret_wipe(secret, sizeof(secret));
    size_t size = strlen(text);
    *out = weft_secret_of(weft_slice(text, size));
    text[size] = '\n';
    return size + 1;
}

/* Ours, or one that its owner has put there: long enough, and such as a header can carry. */
int weft_owner_token_take(struct weft_secret *out, struct weft_slice text)
{
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r')) {
        text.size--;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f) { /* bytes over 0x7f are negative, or above: refused too */
            return WEFT_ERR_INVALID;
        }
    }
    if (text.size < WEFT_BASE64URL_SIZE(WEFT_OWNER_TOKEN_BYTES) - 1) {
        return WEFT_ERR_INVALID;
    }
    *out = weft_secret_of(text);
    return 0;
}
