/* wire/gossip_message.c - what is said on a gossip link, as bytes. */
#include "wire/gossip_message.h"

#include "base/error.h"
#include "wire/utf8.h"

#define MAJOR      1
#define BIT(tag)   ((uint32_t)1 << (tag))
#define SALT_SIZE  WEFT_SIPHASH_KEY_SIZE
#define SUM_SIZE   4
#define ID_SIZE    WEFT_GOSSIP_ID_SIZE
#define PLACE_SIZE 2 /* of a bucket's number */

enum {
    TAG_ANNOUNCEMENT = 1, /* repeated, as are revocations and lines */
    TAG_REVOCATION,
    TAG_NEWS,
    TAG_WANTS,
    TAG_REVOCATION_WANTS,
    TAG_DIGEST, /* this and the next two: fields of their own */
    TAG_LIST,
    TAG_REACH,
    TAG_REACH_AGAIN, /* the number 1 */
    TAG_LINE,
    TAG_USED,
};

enum {
    DIGEST_SALT = 1,
    DIGEST_SUMS,
    DIGEST_REVOCATIONS,
};

enum {
    LIST_SALT = 1,
    LIST_BUCKETS,
    LIST_NAMES,
    LIST_REVOCATIONS,
};

enum {
    REACH_ANEW = 1, /* the number 1 */
    REACH_MORE,
    REACH_LESS,
};

enum {
    LINE_ALIAS = 1,
    LINE_HASH, /* left out for an unverified model */
    LINE_PEERS,
};

uint64_t weft_gossip_id(const struct weft_key *key)
{
    return weft_load64(key->bytes);
}

uint64_t weft_gossip_check(const uint8_t signature[WEFT_SIGNATURE_SIZE])
{
    return weft_load64(signature + WEFT_SIGNATURE_SIZE / 2);
}

uint32_t weft_gossip_short_check(uint64_t check)
{
    return (uint32_t)(check >> 32);
}

/* -- packed things -- */

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        out[size++] = (uint8_t)(value | 0x80);
    }
    out[size++] = (uint8_t)value;
    return size;
}

size_t weft_gossip_name_write(const struct weft_gossip_name *name, uint8_t out[WEFT_GOSSIP_NAME_MAX])
{
    size_t size = ID_SIZE;
    weft_store64(out, name->id);
    for (int i = 0; i < 4; i++) {
        out[size++] = (uint8_t)(name->check >> (8 * i));
    }
    size += put_varint(out + size, name->incarnation);
    return size + put_varint(out + size, name->sequence);
}

bool weft_gossip_packed_next(struct weft_slice *packed, void *out, size_t size)
{
    if (packed->size < size || packed->size == 0) {
        return false;
    }
    memcpy(out, packed->data, size);
    *packed = weft_slice(packed->data + size, packed->size - size);
    return true;
}

int weft_gossip_name_next(struct weft_slice *names, struct weft_gossip_name *out)
{
    uint8_t start[ID_SIZE + 4];
    if (names->size == 0) {
        return 0;
    }
    if (!weft_gossip_packed_next(names, start, sizeof(start))) {
        return WEFT_ERR_INVALID;
    }
    out->id = weft_load64(start);
    out->check = 0;
    for (int i = 3; i >= 0; i--) {
        out->check = out->check << 8 | start[ID_SIZE + i];
    }
    int error = weft_record_varint(names, &out->incarnation);
    if (error == 0) {
        error = weft_record_varint(names, &out->sequence);
    }
    return error < 0 ? error : 1;
}

/* -- writing -- */

static void put_some(struct weft_record_writer *writer, uint32_t tag, struct weft_slice value)
{
    if (value.size > 0) {
        weft_record_bytes(writer, tag, value);
    }
}

static void put_items(struct weft_record_writer *writer, uint32_t tag, const struct weft_gossip_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        weft_record_bytes(writer, tag, items->at[i]);
    }
}

static void put_sum(struct weft_record_writer *writer, uint32_t tag, uint64_t sum)
{
    uint8_t bytes[8];
    weft_store64(bytes, sum);
    weft_record_bytes(writer, tag, weft_slice(bytes, sizeof(bytes)));
}

/* Fields of a field: written behind what there is, then moved there with their tag and size in front. */
static struct weft_record_writer begin_inside(const struct weft_record_writer *writer)
{
    struct weft_record_writer inner;
    size_t skip = writer->size + 1 + WEFT_RECORD_NUMBER_MAX; /* all of ours have tags of one byte */
    size_t room = writer->error == 0 && skip < writer->room ? writer->room - skip : 0;
    weft_record_start_fields(&inner, room > 0 ? writer->at + skip : NULL, room);
    return inner;
}

static void end_inside(struct weft_record_writer *writer, uint32_t tag, const struct weft_record_writer *inner)
{
    uint8_t head[1 + WEFT_RECORD_NUMBER_MAX] = {(uint8_t)tag};
    size_t size = 1 + put_varint(head + 1, inner->size);
    if (writer->error < 0 || inner->error < 0 || size + inner->size > writer->room - writer->size) {
        writer->error = WEFT_ERR_TOO_LARGE;
        return;
    }
    if (inner->size > 0) {
        memmove(writer->at + writer->size + size, inner->at, inner->size);
    }
    memcpy(writer->at + writer->size, head, size);
    writer->size += size + inner->size;
    writer->tag = tag;
}

static void put_digest(struct weft_record_writer *writer, const struct weft_gossip_digest *digest)
{
    struct weft_record_writer inner = begin_inside(writer);
    weft_record_bytes(&inner, DIGEST_SALT, weft_slice(digest->salt.bytes, SALT_SIZE));
    weft_record_bytes(&inner, DIGEST_SUMS, digest->sums);
    put_sum(&inner, DIGEST_REVOCATIONS, digest->revocations);
    end_inside(writer, TAG_DIGEST, &inner);
}

static void put_list(struct weft_record_writer *writer, const struct weft_gossip_list *list)
{
    struct weft_record_writer inner = begin_inside(writer);
    weft_record_bytes(&inner, LIST_SALT, weft_slice(list->salt.bytes, SALT_SIZE));
    put_some(&inner, LIST_BUCKETS, list->buckets);
    put_some(&inner, LIST_NAMES, list->names);
    if (list->revocations_said) {
        weft_record_bytes(&inner, LIST_REVOCATIONS, list->revocations);
    }
    end_inside(writer, TAG_LIST, &inner);
}

static void put_reach(struct weft_record_writer *writer, const struct weft_gossip_reach *reach)
{
    struct weft_record_writer inner = begin_inside(writer);
    if (reach->anew) {
        weft_record_number(&inner, REACH_ANEW, 1);
    }
    put_some(&inner, REACH_MORE, reach->more);
    put_some(&inner, REACH_LESS, reach->less);
    end_inside(writer, TAG_REACH, &inner);
}

int64_t weft_gossip_message_write(const struct weft_gossip_message *message, void *out, size_t room)
{
    struct weft_record_writer writer;
    weft_record_start(&writer, out, room < WEFT_GOSSIP_MESSAGE_MAX ? room : WEFT_GOSSIP_MESSAGE_MAX, MAJOR);
    put_items(&writer, TAG_ANNOUNCEMENT, &message->announcements);
    put_items(&writer, TAG_REVOCATION, &message->revocations);
    put_some(&writer, TAG_NEWS, message->news);
    put_some(&writer, TAG_WANTS, message->wants);
    put_some(&writer, TAG_REVOCATION_WANTS, message->revocation_wants);
    if (message->digest.said) {
        put_digest(&writer, &message->digest);
    }
    if (message->list.said) {
        put_list(&writer, &message->list);
    }
    if (message->reach.said) {
        put_reach(&writer, &message->reach);
    }
    if (message->reach_again) {
        weft_record_number(&writer, TAG_REACH_AGAIN, 1);
    }
    put_items(&writer, TAG_LINE, &message->lines);
    if (message->used_said) {
        weft_record_bytes(&writer, TAG_USED, message->used);
    }
    return weft_record_finish(&writer);
}

/* -- reading -- */

static int take_item(const struct weft_record_field *field, size_t max, struct weft_gossip_items *items)
{
    if (items->count == WEFT_GOSSIP_ITEMS_MAX || field->value.size > max) {
        return WEFT_ERR_TOO_LARGE;
    }
    items->at[items->count++] = field->value;
    return 0;
}

/* What is left out where there is nothing is not said as nothing, so that a message has one way to be written. */
static int take_packed(const struct weft_record_field *field, size_t size, size_t max, struct weft_slice *out)
{
    if (field->value.size == 0 || field->value.size % size != 0) {
        return WEFT_ERR_INVALID;
    }
    *out = field->value;
    return field->value.size / size > max ? WEFT_ERR_TOO_LARGE : 0;
}

static int take_names(const struct weft_record_field *field, struct weft_slice *out)
{
    struct weft_slice rest = field->value;
    struct weft_gossip_name name;
    size_t count = 0;
    int status;
    while ((status = weft_gossip_name_next(&rest, &name)) > 0) {
        if (++count > WEFT_GOSSIP_NAMES_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
    }
    *out = field->value;
    return status == 0 && count == 0 ? WEFT_ERR_INVALID : status;
}

static int take_yes(const struct weft_record_field *field, bool *out)
{
    uint64_t number;
    int error = weft_record_to_number(field, 1, &number);
    if (error < 0) {
        return error;
    }
    *out = number == 1;
    return *out ? 0 : WEFT_ERR_INVALID;
}

static int take_sum(const struct weft_record_field *field, uint64_t *out)
{
    uint8_t bytes[8];
    int error = weft_record_to_bytes(field, bytes, sizeof(bytes));
    if (error == 0) {
        *out = weft_load64(bytes);
    }
    return error;
}

static int take_of_digest(void *self, const struct weft_record_field *field)
{
    struct weft_gossip_digest *digest = self;
    switch (field->tag) {
    case DIGEST_SALT:
        return weft_record_to_bytes(field, digest->salt.bytes, SALT_SIZE);
    case DIGEST_SUMS: {
        size_t count = field->value.size / SUM_SIZE;
        if (count < WEFT_GOSSIP_BUCKETS_MIN || (count & (count - 1)) != 0) {
            return WEFT_ERR_INVALID;
        }
        return take_packed(field, SUM_SIZE, WEFT_GOSSIP_BUCKETS_MAX, &digest->sums);
    }
    case DIGEST_REVOCATIONS:
        return take_sum(field, &digest->revocations);
    default:
        return 0; /* of a newer version; and so below */
    }
}

static int take_of_list(void *self, const struct weft_record_field *field)
{
    struct weft_gossip_list *list = self;
    switch (field->tag) {
    case LIST_SALT:
        return weft_record_to_bytes(field, list->salt.bytes, SALT_SIZE);
    case LIST_BUCKETS:
        return take_packed(field, PLACE_SIZE, WEFT_GOSSIP_BUCKETS_MAX, &list->buckets);
    case LIST_NAMES:
        return take_names(field, &list->names);
    case LIST_REVOCATIONS:
        list->revocations_said = true;
        return field->value.size == 0 ? 0 : take_packed(field, ID_SIZE, SIZE_MAX, &list->revocations);
    default:
        return 0;
    }
}

static int take_of_reach(void *self, const struct weft_record_field *field)
{
    struct weft_gossip_reach *reach = self;
    switch (field->tag) {
    case REACH_ANEW:
        return take_yes(field, &reach->anew);
    case REACH_MORE:
        return take_packed(field, WEFT_KEY_SIZE, SIZE_MAX, &reach->more);
    case REACH_LESS:
        return take_packed(field, WEFT_KEY_SIZE, SIZE_MAX, &reach->less);
    default:
        return 0;
    }
}

static int take_digest(struct weft_gossip_message *message, struct weft_slice fields)
{
#define DIGEST_ALL (BIT(DIGEST_SALT) | BIT(DIGEST_SUMS) | BIT(DIGEST_REVOCATIONS))
    static const struct weft_record_shape shape = {.required = DIGEST_ALL, .single = DIGEST_ALL};
    message->digest.said = true;
    return weft_record_read(fields, &shape, take_of_digest, &message->digest);
}

static int take_list(struct weft_gossip_message *message, struct weft_slice fields)
{
    static const struct weft_record_shape shape = {
        .required = BIT(LIST_SALT),
        .single = BIT(LIST_SALT) | BIT(LIST_BUCKETS) | BIT(LIST_NAMES) | BIT(LIST_REVOCATIONS),
    };
    message->list.said = true;
    return weft_record_read(fields, &shape, take_of_list, &message->list);
}

static int take_reach(struct weft_gossip_message *message, struct weft_slice fields)
{
    static const struct weft_record_shape shape = {.single = BIT(REACH_ANEW) | BIT(REACH_MORE) | BIT(REACH_LESS)};
    message->reach.said = true;
    return weft_record_read(fields, &shape, take_of_reach, &message->reach);
}

static int take_used(struct weft_gossip_message *message, const struct weft_record_field *field)
{
    message->used_said = true; /* none is said too: the last one is not used any more */
    return field->value.size == 0 ? 0 : take_packed(field, WEFT_HASH_SIZE, WEFT_GOSSIP_USED_MAX, &message->used);
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_gossip_message *message = self;
    switch (field->tag) {
    case TAG_ANNOUNCEMENT: /* what is too large is counted where announcements are judged */
        return take_item(field, WEFT_GOSSIP_MESSAGE_MAX, &message->announcements);
    case TAG_REVOCATION:
        return take_item(field, WEFT_GOSSIP_MESSAGE_MAX, &message->revocations);
    case TAG_NEWS:
        return take_names(field, &message->news);
    case TAG_WANTS:
        return take_packed(field, ID_SIZE, WEFT_GOSSIP_NAMES_MAX, &message->wants);
    case TAG_REVOCATION_WANTS:
        return take_packed(field, ID_SIZE, SIZE_MAX, &message->revocation_wants);
    case TAG_DIGEST:
        return take_digest(message, field->value);
    case TAG_LIST:
        return take_list(message, field->value);
    case TAG_REACH:
        return take_reach(message, field->value);
    case TAG_REACH_AGAIN:
        return take_yes(field, &message->reach_again);
    case TAG_LINE:
        return take_item(field, WEFT_GOSSIP_MESSAGE_MAX, &message->lines);
    case TAG_USED:
        return take_used(message, field);
    default:
        return 0;
    }
}

int weft_gossip_message_read(struct weft_slice bytes, struct weft_gossip_message *out)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .single = BIT(TAG_NEWS) | BIT(TAG_WANTS) | BIT(TAG_REVOCATION_WANTS) | BIT(TAG_DIGEST) | BIT(TAG_LIST) |
                  BIT(TAG_REACH) | BIT(TAG_REACH_AGAIN) | BIT(TAG_USED),
    };
    *out = (struct weft_gossip_message){0};
    return bytes.size > WEFT_GOSSIP_MESSAGE_MAX ? WEFT_ERR_TOO_LARGE : weft_record_read(bytes, &shape, take, out);
}

/* -- lines of the catalogue -- */

static bool hash_set(const uint8_t hash[WEFT_HASH_SIZE])
{
    static const uint8_t none[WEFT_HASH_SIZE];
    return memcmp(hash, none, WEFT_HASH_SIZE) != 0;
}

static bool alias_valid(struct weft_slice alias)
{
    return alias.size > 0 && alias.size <= WEFT_ANNOUNCEMENT_ALIAS_MAX && weft_utf8_plain(alias);
}

int64_t weft_gossip_line_write(const struct weft_gossip_line *line, uint8_t out[WEFT_GOSSIP_LINE_MAX])
{
    struct weft_record_writer writer;
    if (!alias_valid(line->alias)) {
        return WEFT_ERR_INVALID;
    }
    weft_record_start_fields(&writer, out, WEFT_GOSSIP_LINE_MAX);
    weft_record_bytes(&writer, LINE_ALIAS, line->alias);
    if (hash_set(line->hash)) {
        weft_record_bytes(&writer, LINE_HASH, weft_slice(line->hash, WEFT_HASH_SIZE));
    }
    weft_record_number(&writer, LINE_PEERS, line->peers);
    return weft_record_finish(&writer);
}

static int take_of_line(void *self, const struct weft_record_field *field)
{
    struct weft_gossip_line *line = self;
    int error;
    switch (field->tag) {
    case LINE_ALIAS:
        line->alias = field->value;
        return alias_valid(line->alias) ? 0 : WEFT_ERR_INVALID;
    case LINE_HASH:
        error = weft_record_to_bytes(field, line->hash, WEFT_HASH_SIZE);
        return error == 0 && !hash_set(line->hash) ? WEFT_ERR_INVALID : error;
    case LINE_PEERS:
        return weft_record_to_number(field, UINT64_MAX, &line->peers);
    default:
        return 0;
    }
}

int weft_gossip_line_read(struct weft_slice bytes, struct weft_gossip_line *out)
{
    static const struct weft_record_shape shape = {
        .required = BIT(LINE_ALIAS) | BIT(LINE_PEERS),
        .single = BIT(LINE_ALIAS) | BIT(LINE_HASH) | BIT(LINE_PEERS),
    };
    *out = (struct weft_gossip_line){0};
    return weft_record_read(bytes, &shape, take_of_line, out);
}
