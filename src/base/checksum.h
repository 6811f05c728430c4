/* base/checksum.h - CRC-32: was a text cut or mistyped? No protection against those who mean it. */
#ifndef WEFT_BASE_CHECKSUM_H
#define WEFT_BASE_CHECKSUM_H

#include "base/types.h"

/* The CRC-32 of ISO 3309, as in zip and PNG. Any change within 32 bits that stand together is always found. */
uint32_t weft_checksum(const void *data, size_t size);

#endif
