/* wire/record.c - the codec of what is signed. */
#include "wire/record.h"

#include "base/assert.h"
#include "base/error.h"

/* -- writing -- */

static void put(struct weft_record_writer *writer, const void *data, size_t size)
{
    if (writer->error < 0) {
        return;
    }
    if (size > writer->room - writer->size) {
        writer->error = WEFT_ERR_TOO_LARGE;
        return;
    }
    if (size > 0) { /* an empty slice may have no address */
        memcpy(writer->at + writer->size, data, size);
    }
    writer->size += size;
}

static size_t varint(uint8_t out[WEFT_RECORD_NUMBER_MAX], uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        out[size++] = (uint8_t)(value | 0x80);
    }
    out[size++] = (uint8_t)value;
    return size;
}

static void put_varint(struct weft_record_writer *writer, uint64_t value)
{
    uint8_t bytes[WEFT_RECORD_NUMBER_MAX];
    put(writer, bytes, varint(bytes, value));
}

void weft_record_start_fields(struct weft_record_writer *writer, void *memory, size_t room)
{
    *writer = (struct weft_record_writer){.at = memory, .room = room};
}

void weft_record_start(struct weft_record_writer *writer, void *memory, size_t room, uint8_t major)
{
    WEFT_ASSERT(major > 0);
    weft_record_start_fields(writer, memory, room);
    put(writer, &major, 1);
}

void weft_record_bytes(struct weft_record_writer *writer, uint32_t tag, struct weft_slice value)
{
    WEFT_ASSERT(tag > 0 && tag <= WEFT_RECORD_TAG_MAX && tag >= writer->tag);
    writer->tag = tag;
    put_varint(writer, tag);
    put_varint(writer, value.size);
    put(writer, value.data, value.size);
}

void weft_record_number(struct weft_record_writer *writer, uint32_t tag, uint64_t value)
{
    uint8_t bytes[WEFT_RECORD_NUMBER_MAX];
    weft_record_bytes(writer, tag, weft_slice(bytes, varint(bytes, value)));
}

void weft_record_key(struct weft_record_writer *writer, uint32_t tag, const struct weft_key *key)
{
    weft_record_bytes(writer, tag, weft_slice(key->bytes, sizeof(key->bytes)));
}

int64_t weft_record_finish(const struct weft_record_writer *writer)
{
    return writer->error < 0 ? writer->error : (int64_t)writer->size;
}

/* -- reading -- */

int weft_record_varint(struct weft_slice *bytes, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes->size && i < WEFT_RECORD_NUMBER_MAX; i++) {
        uint8_t byte = (uint8_t)bytes->data[i];
        if (i == WEFT_RECORD_NUMBER_MAX - 1 && byte > 1) {
            return WEFT_ERR_INVALID; /* more than 64 bits */
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            if (byte == 0 && i > 0) {
                return WEFT_ERR_INVALID; /* it could be shorter */
            }
            *bytes = weft_slice(bytes->data + i + 1, bytes->size - i - 1);
            *out = value;
            return 0;
        }
    }
    return WEFT_ERR_INVALID; /* cut short, or without an end */
}

static int next_field(struct weft_slice *rest, struct weft_record_field *field)
{
    uint64_t tag = 0, size = 0;
    int error = weft_record_varint(rest, &tag);
    if (error == 0) {
        error = weft_record_varint(rest, &size);
    }
    if (error < 0) {
        return error;
    }
    if (tag < field->tag || tag == 0 || tag > WEFT_RECORD_TAG_MAX || size > rest->size) {
        return WEFT_ERR_INVALID;
    }
    field->tag = (uint32_t)tag;
    field->value = weft_slice(rest->data, (size_t)size);
    *rest = weft_slice(rest->data + size, rest->size - (size_t)size);
    return 0;
}

/* The major is gone from `bytes` afterwards. */
static int open_record(struct weft_slice *bytes, uint8_t major)
{
    if (major == 0) {
        return 0;
    }
    if (bytes->size == 0) {
        return WEFT_ERR_INVALID;
    }
    uint8_t found = (uint8_t)bytes->data[0];
    *bytes = weft_slice(bytes->data + 1, bytes->size - 1);
    return found > major ? WEFT_ERR_UNSUPPORTED : found < major ? WEFT_ERR_INVALID : 0;
}

int weft_record_read(struct weft_slice bytes, const struct weft_record_shape *shape, weft_record_take *take, void *self)
{
    struct weft_record_field field = {0};
    uint32_t seen = 0;
    int error = open_record(&bytes, shape->major);
    for (size_t count = 0; error == 0 && bytes.size > 0; count++) {
        if (count == WEFT_RECORD_FIELDS_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        error = next_field(&bytes, &field);
        if (error < 0) {
            return error;
        }
        uint32_t bit = field.tag < WEFT_RECORD_KNOWN_MAX ? (uint32_t)1 << field.tag : 0;
        if ((seen & bit & shape->single) != 0) {
            return WEFT_ERR_INVALID;
        }
        seen |= bit;
        error = take(self, &field);
    }
    if (error == 0 && (shape->required & ~seen) != 0) {
        error = WEFT_ERR_INVALID;
    }
    return error;
}

int weft_record_to_number(const struct weft_record_field *field, uint64_t max, uint64_t *out)
{
    struct weft_slice rest = field->value;
    uint64_t value;
    int error = weft_record_varint(&rest, &value);
    if (error < 0) {
        return error;
    }
    if (rest.size > 0 || value > max) {
        return WEFT_ERR_INVALID;
    }
    *out = value;
    return 0;
}

int weft_record_to_second(const struct weft_record_field *field, int64_t *out)
{
    uint64_t value;
    int error = weft_record_to_number(field, WEFT_RECORD_SECOND_MAX, &value);
    if (error == 0) {
        *out = (int64_t)value;
    }
    return error;
}

int weft_record_to_bytes(const struct weft_record_field *field, void *out, size_t size)
{
    if (field->value.size != size) {
        return WEFT_ERR_INVALID;
    }
    memcpy(out, field->value.data, size);
    return 0;
}

int weft_record_to_key(const struct weft_record_field *field, struct weft_key *out)
{
    int error = weft_record_to_bytes(field, out->bytes, sizeof(out->bytes));
    return error == 0 && !weft_key_set(out) ? WEFT_ERR_INVALID : error;
}

/* -- signed records -- */

int weft_signed_cut(struct weft_slice bytes, size_t max, struct weft_signed *out)
{
    if (bytes.size <= WEFT_SIGNATURE_SIZE) {
        return WEFT_ERR_INVALID;
    }
    if (bytes.size > max) {
        return WEFT_ERR_TOO_LARGE;
    }
    size_t size = bytes.size - WEFT_SIGNATURE_SIZE;
    out->record = weft_slice(bytes.data, size);
    out->signature = (const uint8_t *)bytes.data + size;
    return 0;
}
