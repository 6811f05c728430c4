/* host/address.h - addresses as text: reading, writing, and what they reach. */
#ifndef WEFT_HOST_ADDRESS_H
#define WEFT_HOST_ADDRESS_H

#include "host/host.h"

#define WEFT_ADDRESS_PRINT_MAX (WEFT_ADDRESS_TEXT_MAX + 8) /* brackets, a colon and a port besides the text */

/* Reads "127.0.0.1:80" or "[::1]:80": numeric, with a port, 0 included. WEFT_ERR_INVALID if it is not that. */
WEFT_MUST_USE int weft_address_parse(struct weft_slice text, struct weft_address *out);

/* A path as an address. WEFT_ERR_INVALID if it is empty or holds a NUL, WEFT_ERR_TOO_LARGE if it is too long. */
WEFT_MUST_USE int weft_address_unix(struct weft_slice path, struct weft_address *out);

/* "127.0.0.1:80", "[::1]:80" or the path, with a NUL. Returns `buffer`. */
const char *weft_address_print(const struct weft_address *address, char buffer[WEFT_ADDRESS_PRINT_MAX]);

/* Only this machine can reach it: 127.0.0.0/8, ::1 (also as ::ffff:127.0.0.0/104) or a Unix socket. */
bool weft_address_is_loopback(const struct weft_address *address);

#endif
