/* wire/record.h - the one codec of everything that is signed, kept or gossiped.
 *
 * A record is one byte, its major version, then fields: a tag (1 and up, never going down), the size of the value, the
 * value. Tags, sizes and numbers are varints: seven bits to a byte, the lowest first, the top bit set on all but the
 * last, in as few bytes as they need. So a record that says the same thing has one way to say it, and what was signed
 * is kept, relayed and verified as the bytes that came.
 *
 * A reader skips tags that it does not know: they are of a newer version, which changed nothing that it must know.
 * Otherwise the major changes, and an older reader refuses politely: WEFT_ERR_UNSUPPORTED. */
#ifndef WEFT_WIRE_RECORD_H
#define WEFT_WIRE_RECORD_H

#include "wire/key.h"

#define WEFT_RECORD_TAG_MAX    16383 /* larger ones are WEFT_ERR_INVALID */
#define WEFT_RECORD_KNOWN_MAX  32    /* tags that a shape can know are below */
#define WEFT_RECORD_FIELDS_MAX 256   /* of one record: then WEFT_ERR_TOO_LARGE */
#define WEFT_RECORD_NUMBER_MAX 10    /* bytes of a varint of 64 bits */

/* -- writing -- */

/* Writes into memory of the caller's. The first error sticks, and weft_record_finish() tells it. */
struct weft_record_writer {
    uint8_t *at;
    size_t size, room;
    uint32_t tag; /* the last one */
    int error;
};

void weft_record_start(struct weft_record_writer *writer, void *memory, size_t room, uint8_t major);
/* The same without a major: for fields that are the value of a field. */
void weft_record_start_fields(struct weft_record_writer *writer, void *memory, size_t room);
/* Tags come in ascending order, as the reader demands: asserted. */
void weft_record_bytes(struct weft_record_writer *writer, uint32_t tag, struct weft_slice value);
void weft_record_number(struct weft_record_writer *writer, uint32_t tag, uint64_t value);
void weft_record_key(struct weft_record_writer *writer, uint32_t tag, const struct weft_key *key);
/* How many bytes; WEFT_ERR_TOO_LARGE if there was no room. */
WEFT_MUST_USE int64_t weft_record_finish(const struct weft_record_writer *writer);

/* -- reading -- */

struct weft_record_field {
    uint32_t tag;
    struct weft_slice value; /* points into what is read */
};

/* What a record of a kind must look like. Bit n stands for tag n. */
struct weft_record_shape {
    uint8_t major;     /* 0: fields only */
    uint32_t required; /* without one of these it is WEFT_ERR_INVALID */
    uint32_t single;   /* these may come once only; required ones are named here too, unless they may repeat */
};

/* Gets each field in turn, those with unknown tags too; 0, or an error that ends the reading. */
typedef int weft_record_take(void *self, const struct weft_record_field *field);

/* WEFT_ERR_UNSUPPORTED: of a newer major. WEFT_ERR_INVALID: anything else that is wrong. */
WEFT_MUST_USE int weft_record_read(struct weft_slice bytes, const struct weft_record_shape *shape,
                                   weft_record_take *take, void *self);

/* What a field holds: WEFT_ERR_INVALID if it does not. */
WEFT_MUST_USE int weft_record_to_number(const struct weft_record_field *field, uint64_t max, uint64_t *out);
WEFT_MUST_USE int weft_record_to_second(const struct weft_record_field *field, int64_t *out); /* since 1970 */
WEFT_MUST_USE int weft_record_to_bytes(const struct weft_record_field *field, void *out, size_t size);
WEFT_MUST_USE int weft_record_to_key(const struct weft_record_field *field, struct weft_key *out); /* not all zeros */

#define WEFT_RECORD_SECOND_MAX 253402300799 /* the last second of the year 9999 */

/* One varint at the start of `bytes`, which then begins behind it. */
WEFT_MUST_USE int weft_record_varint(struct weft_slice *bytes, uint64_t *out);

/* -- signed records: the record, then 64 bytes of signature -- */

struct weft_signed {
    struct weft_slice record;
    const uint8_t *signature; /* WEFT_SIGNATURE_SIZE bytes */
};

/* Cuts without looking inside: WEFT_ERR_INVALID if it is too short, WEFT_ERR_TOO_LARGE if it is longer than `max`. */
WEFT_MUST_USE int weft_signed_cut(struct weft_slice bytes, size_t max, struct weft_signed *out);

#endif
