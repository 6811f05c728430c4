/* base/error.c - the sentence of each error. */
#include "base/error.h"

#include "base/types.h"

static const char *const texts[] = {
    [0] = "no error",
    [-WEFT_ERR_MEMORY] = "out of memory",
    [-WEFT_ERR_INVALID] = "not valid",
    [-WEFT_ERR_TOO_LARGE] = "too large",
    [-WEFT_ERR_FULL] = "full",
    [-WEFT_ERR_CLOSED] = "the other side closed",
    [-WEFT_ERR_CANCELLED] = "cancelled",
    [-WEFT_ERR_TIMEOUT] = "took too long",
    [-WEFT_ERR_NOT_FOUND] = "not found",
    [-WEFT_ERR_DENIED] = "not permitted",
    [-WEFT_ERR_BUSY] = "already in use",
    [-WEFT_ERR_REFUSED] = "nobody answers there",
    [-WEFT_ERR_UNREACHABLE] = "no way to reach it",
    [-WEFT_ERR_IO] = "reading or writing failed",
    [-WEFT_ERR_CRYPTO] = "the secure connection failed",
    [-WEFT_ERR_UNSUPPORTED] = "not supported",
    [-WEFT_ERR_EXISTS] = "already there",
};

const char *weft_error_text(int error)
{
    if (error > 0 || error < -(int)WEFT_COUNT(texts) + 1) {
        return "unknown error";
    }
    return texts[-error];
}
