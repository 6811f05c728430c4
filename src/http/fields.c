/* http/fields.c - the headers of a head, checked once for every carrier. */
#include "base/assert.h"
#include "base/error.h"
#include "http/exchange.h"
#include "http/limits.h"

#define FIELDS_FIRST 12 /* most heads have fewer; the table doubles */

/* RFC 9110 5.6.2: what a token is made of, with upper case turned to lower; 0 elsewhere. */
static const char token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|',   ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',   ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',   ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',   ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',   ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',   ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

char weft_token_lower(char c)
{
    return token_lower[(unsigned char)c];
}

bool weft_token_valid(struct weft_slice token)
{
    for (size_t i = 0; i < token.size; i++) {
        if (!weft_token_lower(token.data[i])) {
            return false;
        }
    }
    return token.size > 0;
}

/* RFC 9110 5.5: no control character but tab, nothing blank at either end. Bytes over 127 are let through, opaque. */
bool weft_field_value_valid(struct weft_slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    if (value.size == 0) {
        return true;
    }
    char first = value.data[0], last = value.data[value.size - 1];
    return first != ' ' && first != '\t' && last != ' ' && last != '\t';
}

static bool is_named(struct weft_slice name, const char *lower)
{
    return weft_slice_equal_nocase(name, weft_slice_text(lower));
}

bool weft_field_is_framing(struct weft_slice name)
{
    switch (name.size) {
    case 2:
        return is_named(name, "te");
    case 4:
        return is_named(name, "host");
    case 6:
        return is_named(name, "expect");
    case 7:
        return is_named(name, "trailer") || is_named(name, "upgrade");
    case 10:
        return is_named(name, "connection") || is_named(name, "keep-alive");
    case 14:
        return is_named(name, "content-length");
    case 16:
        return is_named(name, "proxy-connection");
    case 17:
        return is_named(name, "transfer-encoding");
    default:
        return false;
    }
}

/* RFC 9110 6.5.1: what must not come after the body, because somebody has acted on the head already. */
bool weft_field_may_trail(struct weft_slice name)
{
    static const char *const refused[] = {"authorization",    "proxy-authorization", "cookie",        "set-cookie",
                                          "content-encoding", "content-type",        "content-range", "max-forwards"};
    for (size_t i = 0; i < WEFT_COUNT(refused); i++) {
        if (is_named(name, refused[i])) {
            return false;
        }
    }
    return !weft_field_is_framing(name);
}

static int make_room(struct weft_fields *fields, struct weft_arena *arena)
{
    if (fields->count < fields->room) {
        return 0;
    }
    if (fields->count >= WEFT_HTTP_FIELDS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    size_t room = fields->room ? fields->room * 2 : FIELDS_FIRST;
    if (room > WEFT_HTTP_FIELDS_MAX) {
        room = WEFT_HTTP_FIELDS_MAX;
    }
    struct weft_field *at = weft_arena_alloc(arena, room * sizeof(*at));
    if (!at) {
        return WEFT_ERR_MEMORY;
    }
    if (fields->count > 0) {
        memcpy(at, fields->at, fields->count * sizeof(*at));
    }
    fields->at = at;
    fields->room = room;
    return 0;
}

int weft_fields_add(struct weft_fields *fields, struct weft_arena *arena, struct weft_slice name,
                    struct weft_slice value)
{
    if (!weft_token_valid(name) || !weft_field_value_valid(value)) {
        return WEFT_ERR_INVALID;
    }
    int error = make_room(fields, arena);
    if (error < 0) {
        return error;
    }
    char *copy = weft_arena_alloc(arena, name.size + value.size + 1);
    if (!copy) {
        return WEFT_ERR_MEMORY;
    }
    for (size_t i = 0; i < name.size; i++) {
        copy[i] = weft_token_lower(name.data[i]);
    }
    if (value.size > 0) {
        memcpy(copy + name.size, value.data, value.size);
    }
    copy[name.size + value.size] = '\0';
    fields->at[fields->count++] =
        (struct weft_field){weft_slice(copy, name.size), weft_slice(copy + name.size, value.size)};
    return 0;
}

const struct weft_field *weft_fields_find(const struct weft_fields *fields, const char *name)
{
    struct weft_slice wanted = weft_slice_text(name);
    for (size_t i = 0; i < fields->count; i++) {
        if (weft_slice_equal(fields->at[i].name, wanted)) {
            return &fields->at[i];
        }
    }
    return NULL;
}

struct weft_slice weft_fields_value(const struct weft_fields *fields, const char *name)
{
    const struct weft_field *field = weft_fields_find(fields, name);
    return field ? field->value : (struct weft_slice){0};
}

size_t weft_fields_count(const struct weft_fields *fields, const char *name)
{
    struct weft_slice wanted = weft_slice_text(name);
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        count += weft_slice_equal(fields->at[i].name, wanted);
    }
    return count;
}
