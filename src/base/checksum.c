/* base/checksum.c - CRC-32, bit by bit: what it is for is short. */
#include "base/checksum.h"

uint32_t weft_checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (UINT32_C(0xedb88320) & (0 - (sum & 1)));
        }
    }
    return ~sum;
}
