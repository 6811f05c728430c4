/* node/model_hash.c - the SHA-256 of a model's file, and whether it is that of what its engine has loaded. */
#include "node/model_hash.h"

#include "base/error.h"

static void take(struct weft_model_hash *hash, int status, const uint8_t bytes[WEFT_HOST_HASH_SIZE])
{
    bool first = hash->told == hash->begun + 1;
    bool same = status == 0 && hash->known && memcmp(hash->bytes, bytes, sizeof(hash->bytes)) == 0;
    if (first) {
        hash->known = hash->holds = status == 0;
    } else {
        hash->holds = hash->holds && same;
    }
    if (first && status == 0) {
        memcpy(hash->bytes, bytes, sizeof(hash->bytes));
    }
    if (first && hash->found) {
        hash->found(hash->self);
    }
}

/* They come in the order in which they were asked for. */
static void on_hashed(void *self, int status, const uint8_t bytes[WEFT_HOST_HASH_SIZE])
{
    struct weft_model_hash *hash = self;
    hash->told++;
    if (hash->told > hash->begun) { /* else it is of an earlier load */
        take(hash, status, bytes);
    }
}

bool weft_model_hash_asks(const struct weft_model_hash *hash)
{
    return hash->told < hash->asked;
}

void weft_model_hash_begin(struct weft_model_hash *hash)
{
    hash->holds = false;
    hash->begun = hash->asked;
    weft_model_hash_check(hash);
}

void weft_model_hash_check(struct weft_model_hash *hash)
{
    /* One that cannot be asked for now is not known: the model is served here, and to nobody else. */
    int error = hash->host->ops->hash_file(hash->host, hash->path, on_hashed, hash);
    hash->asked += error == 0;
    hash->holds = hash->holds && error == 0;
}

void weft_model_hash_forget(struct weft_model_hash *hash)
{
    hash->host->ops->forget_hashes(hash->host, hash);
}
