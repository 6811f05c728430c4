/* host/store.c - whether something is an operation of the store. */
#include "host/store.h"

#include "base/error.h"

enum need {
    NEED_PATH = 1,
    NEED_KEY = 2,
    NEED_TABLE = 4,
    NEED_INVITE = 8,
    NEED_RECORD = 16,
    NEED_NUMBERS = 32,
};

static const unsigned needs[WEFT_STORE_KINDS] = {
    [WEFT_STORE_OPEN] = NEED_PATH,
    [WEFT_STORE_CLOSE] = 0,
    [WEFT_STORE_PUT_INVITE] = NEED_INVITE,
    [WEFT_STORE_LIST_INVITES] = 0,
    [WEFT_STORE_REVOKE_INVITE] = NEED_KEY,
    [WEFT_STORE_REDEEM] = NEED_KEY | NEED_RECORD,
    [WEFT_STORE_LIST_REDEMPTIONS] = NEED_KEY,
    [WEFT_STORE_PUT] = NEED_TABLE | NEED_RECORD,
    [WEFT_STORE_GET] = NEED_TABLE | NEED_KEY,
    [WEFT_STORE_REMOVE] = NEED_TABLE | NEED_KEY,
    [WEFT_STORE_LIST] = NEED_TABLE,
    [WEFT_STORE_RAISE] = NEED_NUMBERS,
    [WEFT_STORE_SEQUENCE] = 0,
};

bool weft_store_key_is_none(const struct weft_store_key *key)
{
    static const struct weft_store_key none;
    return memcmp(key, &none, sizeof(none)) == 0;
}

static bool invite_is_whole(const struct weft_store_invite *invite)
{
    return !weft_store_key_is_none(&invite->id) && !weft_store_key_is_none(&invite->mesh) && invite->role >= 1 &&
           invite->role <= UINT8_MAX && invite->uses >= 1 && invite->uses <= WEFT_STORE_USES_MAX;
}

int weft_store_op_check(const struct weft_store_op *op)
{
    if ((size_t)op->kind >= WEFT_COUNT(needs)) {
        return WEFT_ERR_INVALID;
    }
    unsigned need = needs[op->kind];
    if ((need & NEED_PATH && (!op->path || !op->path[0])) || (need & NEED_KEY && weft_store_key_is_none(&op->key)) ||
        (need & NEED_TABLE && (size_t)op->table >= WEFT_STORE_TABLES) ||
        (need & NEED_INVITE && !invite_is_whole(&op->invite)) ||
        (need & NEED_RECORD && (weft_store_key_is_none(&op->record.key) || op->record.size == 0)) ||
        (need & NEED_NUMBERS && (op->incarnation > INT64_MAX || op->sequence > INT64_MAX))) {
        return WEFT_ERR_INVALID;
    }
    if ((need & NEED_RECORD && op->record.size > WEFT_STORE_BYTES_MAX) ||
        (need & NEED_PATH && strnlen(op->path, WEFT_STORE_PATH_MAX) == WEFT_STORE_PATH_MAX)) {
        return WEFT_ERR_TOO_LARGE;
    }
    return 0;
}
