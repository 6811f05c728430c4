/* wire/peek.c - what a JSON object says at its top, without building a tree. */
#include "wire/peek.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/utf8.h"

#define ONES UINT64_C(0x0101010101010101)

/* Stands in the text. Nothing behind `end` is ever read. */
struct walk {
    const char *at, *end;
};

static int next_byte(const struct walk *walk)
{
    return walk->at < walk->end ? (unsigned char)*walk->at : -1;
}

static void skip_space(struct walk *walk)
{
    while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r')) {
        walk->at++;
    }
}

/* Four hex digits, or -1. */
static int32_t read_hex(struct walk *walk)
{
    if (walk->end - walk->at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = weft_hex_value(*walk->at++);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* One escape, from behind its backslash: the code point, or -1. Half a surrogate pair is none. */
static int32_t read_escape(struct walk *walk)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    int letter = next_byte(walk);
    if (letter <= 0) {
        return -1;
    }
    walk->at++;
    if (letter != 'u') {
        const char *found = strchr(letters, letter);
        return found ? bytes[found - letters] : -1;
    }
    int32_t high = read_hex(walk);
    if (high < 0xD800 || high > 0xDFFF) {
        return high;
    }
    if (high > 0xDBFF || walk->end - walk->at < 6 || walk->at[0] != '\\' || walk->at[1] != 'u') {
        return -1;
    }
    walk->at += 2;
    int32_t low = read_hex(walk);
    if (low < 0xDC00 || low > 0xDFFF) {
        return -1;
    }
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* 0x80 in some byte of it if any byte of `word` is 0; in none if none is. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - ONES) & ~word & (0x80 * ONES);
}

/* How many bytes from here stand for themselves in a string: eight at once, because bodies carry whole pictures. */
static size_t plain_run(const struct walk *walk)
{
    size_t left = (size_t)(walk->end - walk->at), run = 0;
    for (; left - run >= 8; run += 8) {
        uint64_t word;
        memcpy(&word, walk->at + run, sizeof(word));
        uint64_t control = (word - 0x20 * ONES) & ~word;
        uint64_t special = control | zero_bytes(word ^ ('"' * ONES)) | zero_bytes(word ^ ('\\' * ONES));
        if (((word | special) & (0x80 * ONES)) != 0) {
            break;
        }
    }
    return run;
}

/* One string, from its first quote to behind its last. What it decodes to goes into `buffer` as far as that
 * reaches; *length is all of it. */
static int read_string(struct walk *walk, char *buffer, size_t room, size_t *length)
{
    *length = 0;
    if (next_byte(walk) != '"') {
        return WEFT_ERR_INVALID;
    }
    walk->at++;
    while (walk->at < walk->end) {
        unsigned char byte = (unsigned char)*walk->at;
        char encoded[4];
        const char *piece = walk->at;
        size_t size = plain_run(walk);
        if (size > 0) {
            walk->at += size;
        } else if (byte == '"') {
            walk->at++;
            return 0;
        } else if (byte == '\\') {
            walk->at++;
            int32_t point = read_escape(walk);
            if (point < 0) {
                return WEFT_ERR_INVALID;
            }
            size = weft_utf8_encode((uint32_t)point, encoded);
            piece = encoded;
        } else {
            size = 1;
            if (byte >= 0x80) {
                size = weft_utf8_step(weft_slice(walk->at, (size_t)(walk->end - walk->at)));
            }
            if (byte < 0x20 || size == 0) {
                return WEFT_ERR_INVALID;
            }
            walk->at += size;
        }
        if (*length + size <= room) {
            memcpy(buffer + *length, piece, size);
        }
        *length += size;
    }
    return WEFT_ERR_INVALID; /* no closing quote */
}

static size_t skip_digits(struct walk *walk)
{
    const char *from = walk->at;
    while (walk->at < walk->end && *walk->at >= '0' && *walk->at <= '9') {
        walk->at++;
    }
    return (size_t)(walk->at - from);
}

static int skip_number(struct walk *walk)
{
    if (next_byte(walk) == '-') {
        walk->at++;
    }
    bool zero = next_byte(walk) == '0';
    size_t digits = skip_digits(walk);
    if (digits == 0 || (zero && digits > 1)) {
        return WEFT_ERR_INVALID;
    }
    if (next_byte(walk) == '.') {
        walk->at++;
        if (skip_digits(walk) == 0) {
            return WEFT_ERR_INVALID;
        }
    }
    if (next_byte(walk) == 'e' || next_byte(walk) == 'E') {
        walk->at++;
        if (next_byte(walk) == '+' || next_byte(walk) == '-') {
            walk->at++;
        }
        if (skip_digits(walk) == 0) {
            return WEFT_ERR_INVALID;
        }
    }
    return 0;
}

static int skip_word(struct walk *walk, struct weft_slice word)
{
    if (!weft_slice_starts(weft_slice(walk->at, (size_t)(walk->end - walk->at)), word)) {
        return WEFT_ERR_INVALID;
    }
    walk->at += word.size;
    return 0;
}

/* A key and the colon and space behind it. The key comes out decoded, its length too where it is longer than `key`. */
static int read_key(struct walk *walk, char key[WEFT_PEEK_KEY_MAX], size_t *length)
{
    int status = read_string(walk, key, WEFT_PEEK_KEY_MAX, length);
    if (status < 0) {
        return status;
    }
    skip_space(walk);
    if (next_byte(walk) != ':') {
        return WEFT_ERR_INVALID;
    }
    walk->at++;
    skip_space(walk);
    return 0;
}

/* Behind a member: 1 if another one follows, 0 if `closing` was taken. */
static int next_member(struct walk *walk, char closing)
{
    skip_space(walk);
    int byte = next_byte(walk);
    if (byte != ',' && byte != closing) {
        return WEFT_ERR_INVALID;
    }
    walk->at++;
    skip_space(walk);
    return byte == ',' ? 1 : 0;
}

static int skip_value(struct walk *walk, unsigned depth, enum weft_peek_kind *kind);

static struct weft_peek *find_wanted(struct weft_peek *wanted, size_t count, struct weft_slice key)
{
    for (size_t i = 0; i < count; i++) {
        if (weft_slice_equal(weft_slice_text(wanted[i].key), key)) {
            return &wanted[i];
        }
    }
    return NULL;
}

/* An object, from its brace on; fills what is wanted of its members. */
static int walk_object(struct walk *walk, unsigned depth, struct weft_peek *wanted, size_t count)
{
    if (depth > WEFT_PEEK_DEPTH_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    walk->at++;
    skip_space(walk);
    if (next_byte(walk) == '}') {
        walk->at++;
        return 0;
    }
    int status;
    do {
        char key[WEFT_PEEK_KEY_MAX];
        size_t length;
        status = read_key(walk, key, &length);
        if (status < 0) {
            return status;
        }
        struct weft_peek *found = length > sizeof(key) ? NULL : find_wanted(wanted, count, weft_slice(key, length));
        if (found && found->kind != WEFT_PEEK_ABSENT) {
            return WEFT_ERR_INVALID; /* twice: which one holds would depend on the reader */
        }
        const char *from = walk->at;
        enum weft_peek_kind kind;
        status = skip_value(walk, depth, &kind);
        if (status < 0) {
            return status;
        }
        if (found) {
            found->kind = kind;
            found->raw = weft_slice(from, (size_t)(walk->at - from));
        }
        status = next_member(walk, '}');
    } while (status > 0);
    return status;
}

static int walk_array(struct walk *walk, unsigned depth)
{
    if (depth > WEFT_PEEK_DEPTH_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    walk->at++;
    skip_space(walk);
    if (next_byte(walk) == ']') {
        walk->at++;
        return 0;
    }
    int status;
    do {
        enum weft_peek_kind kind;
        status = skip_value(walk, depth, &kind);
        if (status < 0) {
            return status;
        }
        status = next_member(walk, ']');
    } while (status > 0);
    return status;
}

/* One value within `depth` others; calls itself no deeper than WEFT_PEEK_DEPTH_MAX. */
static int skip_value(struct walk *walk, unsigned depth, enum weft_peek_kind *kind)
{
    size_t length;
    switch (next_byte(walk)) {
    case '{':
        *kind = WEFT_PEEK_OBJECT;
        return walk_object(walk, depth + 1, NULL, 0);
    case '[':
        *kind = WEFT_PEEK_ARRAY;
        return walk_array(walk, depth + 1);
    case '"':
        *kind = WEFT_PEEK_STRING;
        return read_string(walk, NULL, 0, &length);
    case 'n':
        *kind = WEFT_PEEK_NULL;
        return skip_word(walk, WEFT_SLICE("null"));
    case 't':
        *kind = WEFT_PEEK_TRUE;
        return skip_word(walk, WEFT_SLICE("true"));
    case 'f':
        *kind = WEFT_PEEK_FALSE;
        return skip_word(walk, WEFT_SLICE("false"));
    default:
        *kind = WEFT_PEEK_NUMBER;
        return skip_number(walk);
    }
}

int weft_peek(struct weft_slice text, struct weft_peek *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        WEFT_ASSERT(strlen(wanted[i].key) <= WEFT_PEEK_KEY_MAX);
        wanted[i].kind = WEFT_PEEK_ABSENT;
        wanted[i].raw = weft_slice(NULL, 0);
    }
    if (text.size == 0) {
        return WEFT_ERR_INVALID;
    }
    struct walk walk = {.at = text.data, .end = text.data + text.size};
    skip_space(&walk);
    if (next_byte(&walk) != '{') {
        return WEFT_ERR_INVALID;
    }
    int status = walk_object(&walk, 1, wanted, count);
    if (status < 0) {
        return status;
    }
    skip_space(&walk);
    return walk.at == walk.end ? 0 : WEFT_ERR_INVALID;
}

int64_t weft_peek_string(const struct weft_peek *found, char *buffer, size_t size)
{
    if (found->kind != WEFT_PEEK_STRING) {
        return WEFT_ERR_INVALID;
    }
    struct walk walk = {.at = found->raw.data, .end = found->raw.data + found->raw.size};
    size_t length;
    int status = read_string(&walk, buffer, size, &length);
    if (status < 0) {
        return status;
    }
    return length > size ? WEFT_ERR_TOO_LARGE : (int64_t)length;
}
