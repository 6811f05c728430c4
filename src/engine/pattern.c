/* engine/pattern.c - regular expressions of JSON schemas, in words that become a right grammar. */
#include "engine/pattern.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/utf8.h"

/* Any character that stands in a JSON string as itself; a dot leaves out line ends, as in ECMA-262. */
#define UNSAFE "\\x22\\x5C\\x00-\\x1F\\x7F"
#define ANY    "[^" UNSAFE "]"
#define DOT    "[^" UNSAFE "\\u2028\\u2029]"

struct range {
    uint32_t from, to;
};

/* The characters of one class. */
struct set {
    struct range ranges[WEFT_PATTERN_RANGES_MAX];
    size_t count;
    bool negated;
};

struct rewriting {
    const char *at, *end;
    char *out;
    size_t size;
    unsigned depth;
    int error; /* the first one sticks */
};

static void fail(struct rewriting *work, int error)
{
    if (work->error == 0) {
        work->error = error;
    }
    work->at = work->end;
}

static void put(struct rewriting *work, const char *text)
{
    size_t size = strlen(text);
    if (work->error != 0) {
        return;
    }
    if (size >= WEFT_PATTERN_RESULT_MAX - work->size) {
        fail(work, WEFT_ERR_TOO_LARGE);
        return;
    }
    memcpy(work->out + work->size, text, size + 1);
    work->size += size;
}

static bool more(const struct rewriting *work)
{
    return work->at < work->end;
}

static bool next_is(const struct rewriting *work, char c)
{
    return more(work) && *work->at == c;
}

/* -- sets of characters -- */

static void set_add(struct rewriting *work, struct set *set, uint32_t from, uint32_t to)
{
    if (set->count == WEFT_PATTERN_RANGES_MAX) {
        fail(work, WEFT_ERR_TOO_LARGE);
        return;
    }
    set->ranges[set->count++] = (struct range){from, to};
}

static void put_point(struct rewriting *work, uint32_t point)
{
    char text[8];
    if (point < 0x80 && weft_is_alnum((char)point)) {
        snprintf(text, sizeof(text), "%c", (char)point);
    } else if (point < 0x80) {
        snprintf(text, sizeof(text), "\\x%02X", (unsigned)point);
    } else {
        text[weft_utf8_encode(point, text)] = '\0';
    }
    put(work, text);
}

static void put_range(struct rewriting *work, uint32_t from, uint32_t to)
{
    put_point(work, from);
    if (to > from) {
        put(work, "-");
        put_point(work, to);
    }
}

/* What of a range may stand in a JSON string as itself. Returns how many pieces were put. */
static size_t put_safe_range(struct rewriting *work, struct range range)
{
    static const struct range safe[] = {
        {0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x7E}, {0x80, 0xD7FF}, {0xE000, 0x10FFFF},
    };
    size_t pieces = 0;
    for (size_t i = 0; i < WEFT_COUNT(safe); i++) {
        uint32_t from = range.from > safe[i].from ? range.from : safe[i].from;
        uint32_t to = range.to < safe[i].to ? range.to : safe[i].to;
        if (from <= to) {
            put_range(work, from, to);
            pieces++;
        }
    }
    return pieces;
}

static void put_set(struct rewriting *work, const struct set *set)
{
    put(work, set->negated ? "[^" UNSAFE : "[");
    size_t pieces = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (set->negated) {
            put_range(work, set->ranges[i].from, set->ranges[i].to);
        } else {
            pieces += put_safe_range(work, set->ranges[i]);
        }
    }
    if (!set->negated && pieces == 0) {
        fail(work, WEFT_ERR_UNSUPPORTED);
    }
    put(work, "]");
}

/* The ranges of \d, \w and \s; false for another letter. */
static bool set_add_named(struct rewriting *work, struct set *set, char letter)
{
    static const struct range digits[] = {{'0', '9'}};
    static const struct range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const struct range space[] = {
        {0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF},
    };
    const struct range *ranges = letter == 'd' ? digits : letter == 'w' ? word : space;
    size_t count = letter == 'd' ? WEFT_COUNT(digits) : letter == 'w' ? WEFT_COUNT(word) : WEFT_COUNT(space);
    if (letter != 'd' && letter != 'w' && letter != 's') {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        set_add(work, set, ranges[i].from, ranges[i].to);
    }
    return true;
}

/* -- characters -- */

static uint32_t read_hex(struct rewriting *work, int digits)
{
    uint32_t point = 0;
    for (int i = 0; i < digits; i++) {
        int value = more(work) ? weft_hex_value(*work->at++) : -1;
        if (value < 0) {
            fail(work, WEFT_ERR_INVALID);
            return 0;
        }
        point = point * 16 + (uint32_t)value;
    }
    if (point >= 0xD800 && point <= 0xDFFF) {
        fail(work, WEFT_ERR_UNSUPPORTED); /* half of a pair */
    }
    return point;
}

/* One character as itself. */
static uint32_t read_point(struct rewriting *work)
{
    const unsigned char *bytes = (const unsigned char *)work->at;
    size_t size = weft_utf8_step(weft_slice(work->at, (size_t)(work->end - work->at)));
    if (size == 0) {
        fail(work, WEFT_ERR_INVALID);
        return 0;
    }
    uint32_t point = size == 1 ? bytes[0] : bytes[0] & (0xFFU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        point = point << 6 | (bytes[i] & 0x3FU);
    }
    work->at += size;
    return point;
}

/* What follows a backslash, where it is one character. */
static uint32_t read_escape(struct rewriting *work)
{
    static const char letters[] = "t\tn\nr\rf\fv\v"; /* pairs: the letter and what it means */
    if (!more(work)) {
        fail(work, WEFT_ERR_INVALID);
        return 0;
    }
    char letter = *work->at;
    if (letter == 'x' || letter == 'u') {
        work->at++;
        return read_hex(work, letter == 'x' ? 2 : 4);
    }
    for (const char *pair = letters; *pair != '\0'; pair += 2) {
        if (*pair == letter) {
            work->at++;
            return (unsigned char)pair[1];
        }
    }
    if (weft_is_alnum(letter)) {
        fail(work, WEFT_ERR_UNSUPPORTED); /* a back reference, a border, a property */
        return 0;
    }
    return read_point(work);
}

/* One end of a range in a class; false if it was a named set, which is none. */
static bool read_member(struct rewriting *work, struct set *set, uint32_t *point)
{
    if (!next_is(work, '\\')) {
        *point = read_point(work);
        return true;
    }
    work->at++;
    if (more(work) && set_add_named(work, set, *work->at)) {
        work->at++;
        return false;
    }
    if (next_is(work, 'b')) { /* in a class: backspace */
        work->at++;
        *point = 8;
        return true;
    }
    *point = read_escape(work);
    return true;
}

static void rewrite_class(struct rewriting *work)
{
    struct set set = {.count = 0};
    if (next_is(work, '^')) {
        work->at++;
        set.negated = true;
    }
    while (more(work) && *work->at != ']') {
        uint32_t from, to;
        if (!read_member(work, &set, &from)) {
            continue;
        }
        to = from;
        if (work->end - work->at >= 2 && work->at[0] == '-' && work->at[1] != ']') {
            work->at++;
            if (!read_member(work, &set, &to)) {
                set_add(work, &set, '-', '-'); /* [a-\d]: three members */
                to = from;
            }
        }
        if (to < from) {
            fail(work, WEFT_ERR_INVALID);
        }
        set_add(work, &set, from, to);
    }
    if (!next_is(work, ']') || set.count == 0) {
        fail(work, WEFT_ERR_INVALID);
        return;
    }
    work->at++;
    put_set(work, &set);
}

/* -- structure -- */

static void put_character(struct rewriting *work, uint32_t point)
{
    struct set set = {.count = 0};
    set_add(work, &set, point, point);
    put_set(work, &set);
}

static void rewrite_escape(struct rewriting *work)
{
    struct set set = {.count = 0};
    char letter = more(work) ? *work->at : '\0';
    bool upper = letter == 'D' || letter == 'W' || letter == 'S';
    if (set_add_named(work, &set, upper ? (char)(letter - 'A' + 'a') : letter)) {
        work->at++;
        set.negated = upper;
        put_set(work, &set);
        return;
    }
    uint32_t point = read_escape(work);
    if (work->error == 0) {
        put_character(work, point);
    }
}

static uint32_t read_count(struct rewriting *work)
{
    if (!more(work) || *work->at < '0' || *work->at > '9') {
        fail(work, WEFT_ERR_INVALID);
        return 0;
    }
    uint32_t count = 0;
    while (more(work) && *work->at >= '0' && *work->at <= '9') {
        count = count * 10 + (uint32_t)(*work->at++ - '0');
        count = count > 100000 ? 100000 : count; /* far past what is taken */
    }
    return count;
}

static void rewrite_braces(struct rewriting *work)
{
    uint32_t least = read_count(work), most = least;
    bool bounded = true;
    if (next_is(work, ',')) {
        work->at++;
        bounded = !next_is(work, '}');
        most = bounded ? read_count(work) : 0;
    }
    if (!next_is(work, '}') || (bounded && most < least)) {
        fail(work, WEFT_ERR_INVALID);
        return;
    }
    work->at++;
    if (least > WEFT_PATTERN_REPEAT_MAX) {
        fail(work, WEFT_ERR_TOO_LARGE);
    } else if (bounded && most == 0) {
        fail(work, WEFT_ERR_UNSUPPORTED);
    }
    most = most > WEFT_PATTERN_REPEAT_MAX ? WEFT_PATTERN_REPEAT_MAX : most;
    char text[32];
    if (bounded) {
        snprintf(text, sizeof(text), "{%u,%u}", (unsigned)least, (unsigned)most);
    } else {
        snprintf(text, sizeof(text), "{%u,}", (unsigned)least);
    }
    put(work, text);
}

/* What may follow an atom. A lazy one matches the same texts, since the whole is anchored. */
static void rewrite_quantifier(struct rewriting *work)
{
    if (!more(work)) {
        return;
    }
    char c = *work->at;
    if (c == '{') {
        work->at++;
        rewrite_braces(work);
    } else if (c == '*' || c == '+' || c == '?') {
        work->at++;
        put(work, (char[]){c, '\0'});
    } else {
        return;
    }
    if (next_is(work, '?')) {
        work->at++;
    }
    if (more(work) && strchr("*+?{", *work->at)) {
        fail(work, WEFT_ERR_INVALID);
    }
}

static void rewrite_alternatives(struct rewriting *work);

static void rewrite_group(struct rewriting *work)
{
    if (next_is(work, '?')) {
        if (work->end - work->at < 2 || work->at[1] != ':') {
            fail(work, WEFT_ERR_UNSUPPORTED); /* look-around, a name */
            return;
        }
        work->at += 2;
    }
    if (++work->depth > WEFT_PATTERN_DEPTH_MAX) {
        fail(work, WEFT_ERR_TOO_LARGE);
        return;
    }
    put(work, "(");
    rewrite_alternatives(work);
    work->depth--;
    if (!next_is(work, ')')) {
        fail(work, WEFT_ERR_INVALID);
        return;
    }
    work->at++;
    put(work, ")");
}

static void rewrite_atom(struct rewriting *work)
{
    char c = *work->at;
    if (c == '(') {
        work->at++;
        rewrite_group(work);
    } else if (c == '[') {
        work->at++;
        rewrite_class(work);
    } else if (c == '.') {
        work->at++;
        put(work, DOT);
    } else if (c == '\\') {
        work->at++;
        rewrite_escape(work);
    } else if (c == '^' || c == '$') {
        fail(work, WEFT_ERR_UNSUPPORTED); /* in the middle it matches nothing, or a border */
    } else if (strchr("*+?{", c)) {
        fail(work, WEFT_ERR_INVALID);
    } else {
        uint32_t point = read_point(work);
        if (work->error == 0) {
            put_character(work, point);
        }
    }
}

/* Up to `|`, the group's end or the pattern's. Only the outermost may be anchored. */
static void rewrite_sequence(struct rewriting *work)
{
    bool outermost = work->depth == 0;
    if (outermost && next_is(work, '^')) {
        work->at++;
    } else if (outermost) {
        put(work, ANY "*");
    }
    while (more(work) && *work->at != '|' && *work->at != ')') {
        if (outermost && *work->at == '$' && (work->end - work->at == 1 || work->at[1] == '|')) {
            work->at++;
            return;
        }
        rewrite_atom(work);
        rewrite_quantifier(work);
    }
    if (outermost) {
        put(work, ANY "*");
    }
}

static void rewrite_alternatives(struct rewriting *work)
{
    rewrite_sequence(work);
    while (next_is(work, '|')) {
        work->at++;
        put(work, "|");
        rewrite_sequence(work);
    }
}

int weft_pattern_rewrite(struct weft_slice pattern, char out[WEFT_PATTERN_RESULT_MAX])
{
    out[0] = '\0';
    if (pattern.size > WEFT_PATTERN_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    if (pattern.size == 0 || memchr(pattern.data, '\0', pattern.size)) {
        return WEFT_ERR_UNSUPPORTED;
    }
    struct rewriting work = {.at = pattern.data, .end = pattern.data + pattern.size, .out = out};
    put(&work, "^(");
    rewrite_alternatives(&work);
    if (more(&work)) {
        fail(&work, WEFT_ERR_INVALID); /* a `)` that nobody opened */
    }
    put(&work, ")$");
    return work.error;
}
