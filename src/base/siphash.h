/* base/siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): for tables and sums of what strangers send.
 *
 * Who does not know the key cannot choose texts that fall into one place or sum up to the same. No signature. */
#ifndef WEFT_BASE_SIPHASH_H
#define WEFT_BASE_SIPHASH_H

#include "base/types.h"

#define WEFT_SIPHASH_KEY_SIZE 16

struct weft_siphash_key {
    uint8_t bytes[WEFT_SIPHASH_KEY_SIZE];
};

uint64_t weft_siphash(const struct weft_siphash_key *key, const void *data, size_t size);

/* Eight bytes as a number, the lowest first, on every machine. */
uint64_t weft_load64(const uint8_t bytes[8]);
void weft_store64(uint8_t bytes[8], uint64_t number);

#endif
