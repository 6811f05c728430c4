/* node/gateway_book.h - where a mesh's gateways are, in memory and in the store: a node that starts again finds them
 * again. */
#ifndef WEFT_NODE_GATEWAY_BOOK_H
#define WEFT_NODE_GATEWAY_BOOK_H

#include "host/host.h"
#include "node/journal.h"
#include "wire/hostport.h"
#include "wire/key.h"

#define WEFT_GATEWAY_BOOK_MAX      160           /* gateways: more are not kept */
#define WEFT_GATEWAY_ADDRESSES_MAX 4             /* of one: more are not kept */
#define WEFT_GATEWAY_ENTRY_MAX     320           /* bytes of a written entry */
#define WEFT_GATEWAY_KEPT_S        (365 * 86400) /* after it was written last, an entry may make room in the store */

struct weft_gateway_entry {
    struct weft_key gateway;
    struct weft_key mesh;
    bool named; /* by an invite: some of these addresses may be another gateway's */
    size_t count;
    char addresses[WEFT_GATEWAY_ADDRESSES_MAX][WEFT_HOSTPORT_MAX + 1];
};

/* As bytes, without the gateway's key. */
size_t weft_gateway_entry_write(const struct weft_gateway_entry *entry, uint8_t out[WEFT_GATEWAY_ENTRY_MAX]);
/* WEFT_ERR_INVALID or WEFT_ERR_UNSUPPORTED. */
WEFT_MUST_USE int weft_gateway_entry_read(struct weft_slice bytes, const struct weft_key *gateway,
                                          struct weft_gateway_entry *out);

struct weft_gateway_row {
    struct weft_gateway_entry entry; /* without an address: it is to go */
    bool dirty;                      /* not stored as it is */
};

/* Embedded; it is written one row after the other, so it never floods the store. What cannot be stored is said in the
 * journal, holds all the same, and is tried again when the next one is put or added. */
struct weft_gateway_book {
    struct weft_host *host;
    struct weft_journal *journal;
    void (*found)(void *self, const struct weft_gateway_entry *entry); /* read from the store */
    void *self;
    struct weft_key mesh; /* of which it is read */
    size_t count;
    bool writing;
    struct weft_key written; /* the row that is being written, or was last */
    struct weft_gateway_row rows[WEFT_GATEWAY_BOOK_MAX];
};

void weft_gateway_book_init(struct weft_gateway_book *book, struct weft_host *host, struct weft_journal *journal,
                            void (*found)(void *self, const struct weft_gateway_entry *entry), void *self);
/* Tells `found` what is in memory of `mesh` already, and then what the store has of it, page by page; the rest is
 * forgotten and thrown away there; of no mesh (NULL) all of it. */
void weft_gateway_book_read(struct weft_gateway_book *book, const struct weft_key *mesh);
/* In place of what was known of that gateway; on its way to the store when this returns. True: it is news. */
bool weft_gateway_book_put(struct weft_gateway_book *book, const struct weft_gateway_entry *entry);
/* One more address of this gateway's, which has answered there. */
void weft_gateway_book_add(struct weft_gateway_book *book, const struct weft_key *gateway, struct weft_slice address);
void weft_gateway_book_remove(struct weft_gateway_book *book, const struct weft_key *gateway);

/* Adds one to an entry; false for what is none, or one too many. */
bool weft_gateway_entry_add(struct weft_gateway_entry *entry, struct weft_slice address);

#endif
