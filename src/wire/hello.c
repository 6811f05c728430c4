/* wire/hello.c - hellos as bytes. */
#include "wire/hello.h"

#include "base/error.h"
#include "wire/utf8.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))

enum {
    TAG_KEY = 1,
    TAG_LEAST,
    TAG_MOST,
    TAG_CHAIN, /* left out, as what follows, where nothing is said */
    TAG_VERSION,
};

static bool valid(const struct weft_hello *hello)
{
    return weft_key_set(&hello->key) && hello->least > 0 && hello->least <= hello->most &&
           hello->most <= WEFT_HELLO_PROTOCOL_MAX && hello->chain.size <= WEFT_CHAIN_MAX &&
           hello->version.size <= WEFT_HELLO_TEXT_MAX && weft_utf8_plain(hello->version);
}

int64_t weft_hello_write(const struct weft_hello *hello, uint8_t out[WEFT_HELLO_MAX])
{
    struct weft_record_writer writer;
    if (!valid(hello)) {
        return WEFT_ERR_INVALID;
    }
    weft_record_start(&writer, out, WEFT_HELLO_MAX, MAJOR);
    weft_record_key(&writer, TAG_KEY, &hello->key);
    weft_record_number(&writer, TAG_LEAST, hello->least);
    weft_record_number(&writer, TAG_MOST, hello->most);
    if (hello->chain.size > 0) {
        weft_record_bytes(&writer, TAG_CHAIN, hello->chain);
    }
    if (hello->version.size > 0) {
        weft_record_bytes(&writer, TAG_VERSION, hello->version);
    }
    return weft_record_finish(&writer);
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_hello *hello = self;
    uint64_t number = 0;
    int error = 0;
    switch (field->tag) {
    case TAG_KEY:
        return weft_record_to_key(field, &hello->key);
    case TAG_LEAST:
    case TAG_MOST:
        error = weft_record_to_number(field, WEFT_HELLO_PROTOCOL_MAX, &number);
        *(field->tag == TAG_LEAST ? &hello->least : &hello->most) = (uint32_t)number;
        return error;
    case TAG_CHAIN:
        hello->chain = field->value;
        return field->value.size == 0 ? WEFT_ERR_INVALID : 0;
    case TAG_VERSION:
        hello->version = field->value;
        return field->value.size == 0 ? WEFT_ERR_INVALID : 0;
    default:
        return 0; /* of a newer version */
    }
}

int weft_hello_read(struct weft_slice bytes, struct weft_hello *out)
{
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required = BIT(TAG_KEY) | BIT(TAG_LEAST) | BIT(TAG_MOST),
        .single = BIT(TAG_KEY) | BIT(TAG_LEAST) | BIT(TAG_MOST) | BIT(TAG_CHAIN) | BIT(TAG_VERSION),
    };
    *out = (struct weft_hello){.least = 0};
    if (bytes.size > WEFT_HELLO_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    int error = weft_record_read(bytes, &shape, take, out);
    return error < 0 ? error : valid(out) ? 0 : WEFT_ERR_INVALID;
}

uint32_t weft_hello_protocol(const struct weft_hello *hello)
{
    uint32_t most = hello->most < WEFT_PROTOCOL_MOST ? hello->most : WEFT_PROTOCOL_MOST;
    return most >= hello->least && most >= WEFT_PROTOCOL_LEAST ? most : 0;
}
