/* node/gateway_book.c - where gateways are, on their way to the store and back. */
#include "node/gateway_book.h"

#include "base/assert.h"
#include "base/error.h"
#include "node/mesh_loading.h"
#include "wire/record.h"

/* -- an entry -- */

enum { TAG_MESH = 1, TAG_NAMED = 2, TAG_ADDRESS = 3 };

static const struct weft_record_shape shape = {
    .major = 1, .required = 1U << TAG_MESH | 1U << TAG_ADDRESS, .single = 1U << TAG_MESH | 1U << TAG_NAMED};

bool weft_gateway_entry_add(struct weft_gateway_entry *entry, struct weft_slice address)
{
    struct weft_hostport read;
    if (entry->count >= WEFT_GATEWAY_ADDRESSES_MAX || weft_hostport_parse(address, &read) < 0) {
        return false;
    }
    memcpy(entry->addresses[entry->count], address.data, address.size);
    entry->addresses[entry->count++][address.size] = '\0';
    return true;
}

size_t weft_gateway_entry_write(const struct weft_gateway_entry *entry, uint8_t out[WEFT_GATEWAY_ENTRY_MAX])
{
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_GATEWAY_ENTRY_MAX, shape.major);
    weft_record_key(&writer, TAG_MESH, &entry->mesh);
    if (entry->named) {
        weft_record_number(&writer, TAG_NAMED, 1);
    }
    for (size_t i = 0; i < entry->count; i++) {
        weft_record_bytes(&writer, TAG_ADDRESS, weft_slice_text(entry->addresses[i]));
    }
    int64_t size = weft_record_finish(&writer);
    WEFT_ASSERT(size > 0); /* four addresses and a key fit */
    return (size_t)size;
}

static int take_field(void *self, const struct weft_record_field *field)
{
    struct weft_gateway_entry *entry = self;
    uint64_t number;
    switch (field->tag) {
    case TAG_MESH:
        return weft_record_to_key(field, &entry->mesh);
    case TAG_NAMED:
        entry->named = true;
        return weft_record_to_number(field, 1, &number);
    case TAG_ADDRESS:
        return weft_gateway_entry_add(entry, field->value) ? 0 : WEFT_ERR_INVALID;
    default:
        return 0;
    }
}

int weft_gateway_entry_read(struct weft_slice bytes, const struct weft_key *gateway, struct weft_gateway_entry *out)
{
    *out = (struct weft_gateway_entry){.gateway = *gateway};
    return weft_record_read(bytes, &shape, take_field, out);
}

/* -- the table -- */

static struct weft_gateway_row *find(struct weft_gateway_book *book, const struct weft_key *gateway)
{
    for (size_t i = 0; i < book->count; i++) {
        if (weft_key_equal(&book->rows[i].entry.gateway, gateway)) {
            return &book->rows[i];
        }
    }
    return NULL;
}

static struct weft_gateway_row *find_or_add(struct weft_gateway_book *book, const struct weft_key *gateway)
{
    struct weft_gateway_row *row = find(book, gateway);
    if (!row && book->count < WEFT_GATEWAY_BOOK_MAX) {
        row = &book->rows[book->count++];
        *row = (struct weft_gateway_row){.entry = {.gateway = *gateway, .mesh = book->mesh}};
    }
    return row;
}

static bool same(const struct weft_gateway_entry *a, const struct weft_gateway_entry *b)
{
    bool equal = a->count == b->count && a->named == b->named && weft_key_equal(&a->mesh, &b->mesh);
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = strcmp(a->addresses[i], b->addresses[i]) == 0;
    }
    return equal;
}

/* -- the store -- */

static void note_failed(const struct weft_gateway_book *book, int status)
{
    if (weft_journal_begin(book->journal, WEFT_LOG_WARN, "gateways not kept")) {
        weft_journal_word(book->journal, "error", weft_error_text(status));
        weft_journal_word(book->journal, "meaning", "after its next start this node may not find all gateways");
        weft_journal_end(book->journal);
    }
}

static int ask(struct weft_gateway_book *book, struct weft_store_op *op, weft_store_done *done)
{
    op->table = WEFT_STORE_GATEWAYS;
    op->now_s = book->host->ops->wall(book->host) / WEFT_SECOND;
    int error = book->host->ops->store(book->host, op, done, book);
    if (error < 0) {
        note_failed(book, error);
    }
    return error;
}

static void write_next(struct weft_gateway_book *book);

static void on_written(void *self, int status, const struct weft_store_result *result)
{
    struct weft_gateway_book *book = self;
    (void)result;
    struct weft_gateway_row *row = find(book, &book->written);
    book->writing = false;
    if (status < 0 && status != WEFT_ERR_NOT_FOUND) { /* one that is to go was not there */
        note_failed(book, status);
        if (row) {
            row->dirty = true;
        }
        return; /* the others would fail too, and all wait for the next that is to be stored */
    }
    write_next(book);
}

static int write_row(struct weft_gateway_book *book, const struct weft_gateway_entry *entry)
{
    struct weft_store_op op = {.kind = entry->count > 0 ? WEFT_STORE_PUT : WEFT_STORE_REMOVE,
                               .key = weft_mesh_loading_key(&entry->gateway)};
    if (op.kind == WEFT_STORE_PUT) {
        op.record.key = op.key;
        op.record.expires_s = book->host->ops->wall(book->host) / WEFT_SECOND + WEFT_GATEWAY_KEPT_S;
        op.record.size = weft_gateway_entry_write(entry, op.record.bytes);
    }
    return ask(book, &op, on_written);
}

static void write_next(struct weft_gateway_book *book)
{
    for (size_t i = book->count; !book->writing && i-- > 0;) {
        struct weft_gateway_row *row = &book->rows[i];
        if (row->dirty) {
            book->written = row->entry.gateway;
            if (write_row(book, &row->entry) < 0) {
                return; /* that was said; it is tried again with the next one */
            }
            book->writing = true;
            row->dirty = false;
            if (row->entry.count == 0) {
                *row = book->rows[--book->count];
            }
        }
    }
}

bool weft_gateway_book_put(struct weft_gateway_book *book, const struct weft_gateway_entry *entry)
{
    struct weft_gateway_row *row = entry->count > 0 ? find_or_add(book, &entry->gateway) : NULL;
    bool news = row && !same(&row->entry, entry);
    if (news) {
        *row = (struct weft_gateway_row){.entry = *entry, .dirty = true};
    }
    write_next(book);
    return news;
}

void weft_gateway_book_add(struct weft_gateway_book *book, const struct weft_key *gateway, struct weft_slice address)
{
    struct weft_gateway_row *row = find_or_add(book, gateway);
    for (size_t i = 0; row && i < row->entry.count; i++) {
        if (weft_slice_equal(weft_slice_text(row->entry.addresses[i]), address)) {
            row = NULL; /* it is there */
        }
    }
    if (row && weft_gateway_entry_add(&row->entry, address)) {
        row->dirty = true;
    }
    write_next(book);
}

void weft_gateway_book_remove(struct weft_gateway_book *book, const struct weft_key *gateway)
{
    struct weft_gateway_row *row = find(book, gateway);
    if (row) {
        row->entry.count = 0;
        row->dirty = true;
        write_next(book);
    }
}

static void take_row(struct weft_gateway_book *book, const struct weft_store_record *record)
{
    struct weft_gateway_row row = {0};
    struct weft_key gateway;
    memcpy(gateway.bytes, record->key.bytes, sizeof(gateway.bytes));
    int error = weft_gateway_entry_read(weft_slice(record->bytes, record->size), &gateway, &row.entry);
    bool ours = error == 0 && weft_key_set(&book->mesh) && weft_key_equal(&row.entry.mesh, &book->mesh);
    if (!ours) { /* of a mesh that was left */
        row.entry = (struct weft_gateway_entry){.gateway = gateway};
        row.dirty = true;
    }
    if (find(book, &gateway) || book->count >= WEFT_GATEWAY_BOOK_MAX) {
        return; /* it was learnt anew meanwhile; or there is no place */
    }
    book->rows[book->count++] = row;
    if (ours) {
        book->found(book->self, &row.entry);
    }
}

static void on_listed(void *self, int status, const struct weft_store_result *result)
{
    struct weft_gateway_book *book = self;
    if (status < 0) {
        note_failed(book, status);
        return;
    }
    for (size_t i = 0; i < result->count; i++) {
        take_row(book, &result->page.records[i]);
    }
    write_next(book);
    if (result->more && result->count > 0) {
        struct weft_store_op op = {.kind = WEFT_STORE_LIST, .key = result->page.records[result->count - 1].key};
        (void)ask(book, &op, on_listed); /* what fails is said */
    }
}

void weft_gateway_book_read(struct weft_gateway_book *book, const struct weft_key *mesh)
{
    struct weft_store_op op = {.kind = WEFT_STORE_LIST};
    size_t kept = 0;
    book->mesh = mesh ? *mesh : (struct weft_key){0};
    for (size_t i = 0; i < book->count; i++) {
        if (mesh && book->rows[i].entry.count > 0 && weft_key_equal(&book->rows[i].entry.mesh, mesh)) {
            book->rows[kept++] = book->rows[i];
        }
    }
    book->count = kept;
    for (size_t i = 0; i < kept; i++) {
        book->found(book->self, &book->rows[i].entry);
    }
    (void)ask(book, &op, on_listed); /* what fails is said */
}

void weft_gateway_book_init(struct weft_gateway_book *book, struct weft_host *host, struct weft_journal *journal,
                            void (*found)(void *self, const struct weft_gateway_entry *entry), void *self)
{
    *book = (struct weft_gateway_book){.host = host, .journal = journal, .found = found, .self = self};
}
