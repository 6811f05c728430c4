/* base/error.h - what can go wrong, as negative numbers with a sentence each. */
#ifndef WEFT_BASE_ERROR_H
#define WEFT_BASE_ERROR_H

enum weft_error {
    WEFT_ERR_MEMORY = -1,       /* an allocation failed */
    WEFT_ERR_INVALID = -2,      /* the input breaks its grammar */
    WEFT_ERR_TOO_LARGE = -3,    /* a named limit was passed */
    WEFT_ERR_FULL = -4,         /* a bounded table or queue has no place */
    WEFT_ERR_CLOSED = -5,       /* the other side is gone */
    WEFT_ERR_CANCELLED = -6,    /* whoever asked no longer wants it */
    WEFT_ERR_TIMEOUT = -7,      /* a deadline passed */
    WEFT_ERR_NOT_FOUND = -8,    /* no such file, name or address */
    WEFT_ERR_DENIED = -9,       /* the system said no */
    WEFT_ERR_BUSY = -10,        /* an address or file is taken by someone else */
    WEFT_ERR_REFUSED = -11,     /* nobody listens there */
    WEFT_ERR_UNREACHABLE = -12, /* no route to there */
    WEFT_ERR_IO = -13,          /* a read or write failed for another reason */
    WEFT_ERR_CRYPTO = -14,      /* a handshake, signature or key was wrong */
    WEFT_ERR_UNSUPPORTED = -15, /* valid, but not something we do */
    WEFT_ERR_EXISTS = -16,      /* it is there already */
};

/* A short phrase ("out of memory") that fits after a colon; never NULL. */
const char *weft_error_text(int error);

#endif
