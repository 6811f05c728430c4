/* host/store.h - what a node keeps for good, as named operations; host->ops->store() takes one.
 *
 * Each is one transaction. `done` comes later from the loop, never from inside the call, and in the order in which they
 * were asked for. With status 0 what was asked for stays done, whatever ends the process or the machine after that.
 * With an error nothing was changed for anybody who reads; only when the process ends before the next change may it
 * turn out to have been done after all, and then whole. So whatever is promised to others is promised after `done`.
 *
 * Keys are 32 bytes and mean nothing here; the one that is all zeros is none. */
#ifndef WEFT_HOST_STORE_H
#define WEFT_HOST_STORE_H

#include "base/types.h"

#define WEFT_STORE_VERSION 2 /* of the tables: a newer store is refused, an older one brought up to this */

#define WEFT_STORE_KEY_SIZE        32
#define WEFT_STORE_BYTES_MAX       ((size_t)520) /* a chain: two certificates of 256 bytes, each behind its size */
#define WEFT_STORE_PATH_MAX        ((size_t)4096)
#define WEFT_STORE_PROBLEM_MAX     ((size_t)1024)
#define WEFT_STORE_PAGE_MAX        16    /* rows of a list at once */
#define WEFT_STORE_QUEUE_MAX       64    /* operations not done yet: then WEFT_ERR_FULL, at once */
#define WEFT_STORE_INVITES_MAX     1024  /* at these bounds what has expired, or an invite that is revoked, makes */
#define WEFT_STORE_REDEMPTIONS_MAX 65536 /* room; if there is nothing such, it is WEFT_ERR_FULL */
#define WEFT_STORE_RECORDS_MAX     65536 /* of each table */
#define WEFT_STORE_USES_MAX        1000  /* of an invite */

struct weft_store_key {
    uint8_t bytes[WEFT_STORE_KEY_SIZE];
};

/* The tables of bytes that are signed, if nothing else is said, each under one key. */
enum weft_store_table {
    WEFT_STORE_MEMBERSHIPS, /* by mesh: this node's own certificate in it */
    WEFT_STORE_ISSUED,      /* by subject: the latest certificate that this node gave it */
    WEFT_STORE_REVOCATIONS, /* by a hash of what is revoked and who says so */
    WEFT_STORE_GATEWAYS,    /* by gateway: where it is (not signed) */
};
#define WEFT_STORE_TABLES 4

struct weft_store_record {
    struct weft_store_key key;
    int64_t expires_s; /* from then on it may make room for another */
    size_t size;
    uint8_t bytes[WEFT_STORE_BYTES_MAX];
};

/* An invite of this node's. Its secret is never here. */
struct weft_store_invite {
    struct weft_store_key id; /* the public key that its secret stands for (mesh/invites) */
    struct weft_store_key mesh;
    unsigned role; /* 1 to 255 */
    uint32_t uses, left;
    int64_t made_s, expires_s; /* valid up to and with this second */
    bool revoked;
};

enum weft_store_kind {
    WEFT_STORE_OPEN,  /* the file at `path`, made if it is not there, mode 0600, in a folder 0700; before all others */
    WEFT_STORE_CLOSE, /* it may be opened again */

    WEFT_STORE_PUT_INVITE,    /* `invite`, of which all uses are left; WEFT_ERR_EXISTS if its id is known */
    WEFT_STORE_LIST_INVITES,  /* those after `key` */
    WEFT_STORE_REVOKE_INVITE, /* `key` lets nobody in any more; it stays known as revoked until room is needed */
    WEFT_STORE_REDEEM, /* of invite `key` by node record.key, for the certificate in `record`: see the verdicts */
    WEFT_STORE_LIST_REDEMPTIONS, /* of invite `key`, as records; those after node record.key */

    WEFT_STORE_PUT,    /* `record` into `table`, in place of the one that had its key */
    WEFT_STORE_GET,    /* `key` of `table`; WEFT_ERR_NOT_FOUND if there is none. So with these: */
    WEFT_STORE_REMOVE, /* it goes */
    WEFT_STORE_LIST,   /* those of `table` after `key` */

    WEFT_STORE_RAISE, /* this node's own numbers, if `incarnation` and `sequence` are higher; tells what holds then */
    WEFT_STORE_SEQUENCE, /* tells them: zeros at first */
};
#define WEFT_STORE_KINDS 13

struct weft_store_op {
    enum weft_store_kind kind;
    enum weft_store_table table;
    const char *path;          /* need not outlive the call */
    struct weft_store_key key; /* of a list: the last one of the page before; zeros: from the beginning. So record.key
                                  in a list of redemptions */
    struct weft_store_invite invite;
    struct weft_store_record record;
    uint64_t incarnation, sequence; /* INT64_MAX at most */
    int64_t now_s; /* the wall clock's: what has expired at this second. For all that put, and redeem */
};

/* What came of a redemption. Only with WEFT_STORE_REDEEMED a use was counted. */
enum weft_store_verdict {
    WEFT_STORE_REDEEMED, /* the certificate is kept, and stands among the issued ones */
    WEFT_STORE_AGAIN,    /* this node has redeemed this invite before: result->record is the certificate it got then */
    WEFT_STORE_REFUSED,  /* result->refusal says why: no such invite, or as weft_invite_lets_in() has it */
};

struct weft_store_result {
    const char *problem; /* when the store itself failed: what that means and what to do, for people. Else NULL */
    unsigned version;    /* of a store that was opened: what it was before, 0 for a new one */
    enum weft_store_verdict verdict;
    unsigned refusal;                /* an enum weft_refused (wire/admission) */
    uint32_t left;                   /* of a redemption, unless the invite is unknown: uses */
    struct weft_store_record record; /* got, or redeemed */
    uint64_t incarnation, sequence;
    size_t count; /* of a list, in order of their keys */
    bool more;    /* there is another page */
    union {
        struct weft_store_invite invites[WEFT_STORE_PAGE_MAX];
        struct weft_store_record records[WEFT_STORE_PAGE_MAX];
    } page;
};

/* `result` holds during the call; of it only what fits the kind, and with an error only `problem`. WEFT_ERR_CLOSED: it
 * is not open. WEFT_ERR_EXISTS: it is. */
typedef void weft_store_done(void *self, int status, const struct weft_store_result *result);

bool weft_store_key_is_none(const struct weft_store_key *key);

/* What every store asks first: 0, WEFT_ERR_TOO_LARGE for bytes or a path over the bound, else WEFT_ERR_INVALID for what
 * is no operation. */
WEFT_MUST_USE int weft_store_op_check(const struct weft_store_op *op);

#endif
