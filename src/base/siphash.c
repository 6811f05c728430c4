/* base/siphash.c - SipHash-2-4 as its authors describe it. */
#include "base/siphash.h"

uint64_t weft_load64(const uint8_t bytes[8])
{
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--) {
        number = number << 8 | bytes[i];
    }
    return number;
}

void weft_store64(uint8_t bytes[8], uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void rounds(uint64_t v[4], int count)
{
    for (int i = 0; i < count; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

uint64_t weft_siphash(const struct weft_siphash_key *key, const void *data, size_t size)
{
    uint64_t k0 = weft_load64(key->bytes), k1 = weft_load64(key->bytes + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    const uint8_t *at = data;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        take_word(v, weft_load64(at));
    }
    uint8_t last[8] = {0};
    if (left > 0) { /* no bytes may have no address */
        memcpy(last, at, left);
    }
    last[7] = (uint8_t)size;
    take_word(v, weft_load64(last));
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
