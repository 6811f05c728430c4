/* engine/gbnf.c - the text of a grammar, read into rules.
 *
 *     rule      = name "::=" choices newline
 *     choices   = sequence { "|" sequence }
 *     sequence  = { item [ "*" | "+" | "?" | "{" m [ "," [ n ] ] "}" ] }
 *     item      = "text" | "[" ["^"] ranges "]" | "." | name | "(" choices ")" | ["!"] "<" token ">"
 *
 * A repetition is written out: x{2,4} is x x (x (x)?)?, each bracket a rule of its own. */
#include "engine/gbnf.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/utf8.h"

#define UNDEFINED  UINT32_MAX
#define UNLIMITED  UINT32_MAX
#define PASSES_MAX 64 /* over all rules, until no more are found that may be empty */

struct list {
    void *data;
    size_t count, room;
};

/* A name and the rule that it stands for. */
struct name {
    struct weft_slice text;
    uint32_t rule;
};

struct reader {
    struct weft_slice rest;
    const struct weft_gbnf_tokens *tokens;
    struct list elements, rules, ranges;
    struct list open;   /* elements of rules that are being read, the innermost last */
    struct list copy;   /* what is being repeated */
    struct name *names; /* open addressing */
    size_t name_room;   /* a power of two, and more than twice the names that fit into the text */
    size_t depth;
    bool has_tokens;
    int error;
};

static bool fail(struct reader *reader, int error)
{
    reader->error = reader->error < 0 ? reader->error : error;
    return false;
}

/* Room for `count` more. False, and the reader's error, if there is none. */
static bool list_reserve(struct reader *reader, struct list *list, size_t count, size_t size, size_t max)
{
    if (count > max - list->count) {
        return fail(reader, WEFT_ERR_TOO_LARGE);
    }
    size_t room = list->room == 0 ? 64 : list->room;
    while (room < list->count + count) {
        room *= 2; /* ends: there is a max */
    }
    if (room > list->room) {
        void *grown = weft_realloc(list->data, room * size);
        if (!grown) {
            return fail(reader, WEFT_ERR_MEMORY);
        }
        list->data = grown;
        list->room = room;
    }
    return true;
}

static bool add_elements(struct reader *reader, struct list *list, const struct weft_gbnf_element *elements,
                         size_t count)
{
    if (!list_reserve(reader, list, count, sizeof(*elements), WEFT_GBNF_ELEMENTS_MAX)) {
        return false;
    }
    if (count > 0) {
        memcpy((struct weft_gbnf_element *)list->data + list->count, elements, count * sizeof(*elements));
    }
    list->count += count;
    return true;
}

static bool open_add(struct reader *reader, enum weft_gbnf_kind kind, uint32_t value, uint32_t count)
{
    const struct weft_gbnf_element element = {.kind = kind, .value = value, .count = count};
    return add_elements(reader, &reader->open, &element, 1);
}

static bool add_range(struct reader *reader, uint32_t low, uint32_t high)
{
    const struct weft_gbnf_range range = {.low = low, .high = high};
    if (!list_reserve(reader, &reader->ranges, 1, sizeof(range), WEFT_GBNF_RANGES_MAX)) {
        return false;
    }
    ((struct weft_gbnf_range *)reader->ranges.data)[reader->ranges.count++] = range;
    return true;
}

static bool new_rule(struct reader *reader, uint32_t *rule)
{
    if (!list_reserve(reader, &reader->rules, 1, sizeof(uint32_t), WEFT_GBNF_RULES_MAX)) {
        return false;
    }
    *rule = (uint32_t)reader->rules.count++;
    ((uint32_t *)reader->rules.data)[*rule] = UNDEFINED;
    return true;
}

/* The open elements from `begin` on are this rule; the last of its definitions counts. */
static bool close_rule(struct reader *reader, uint32_t rule, size_t begin)
{
    uint32_t at = (uint32_t)reader->elements.count;
    if (!open_add(reader, WEFT_GBNF_END, 0, 0) ||
        !add_elements(reader, &reader->elements, (struct weft_gbnf_element *)reader->open.data + begin,
                      reader->open.count - begin)) {
        return false;
    }
    ((uint32_t *)reader->rules.data)[rule] = at;
    reader->open.count = begin;
    return true;
}

/* -- characters, names, numbers -- */

static char peek(const struct reader *reader)
{
    return reader->rest.size > 0 ? reader->rest.data[0] : '\0';
}

static void skip(struct reader *reader, size_t size)
{
    WEFT_ASSERT(size <= reader->rest.size);
    reader->rest = weft_slice(reader->rest.data + size, reader->rest.size - size);
}

static bool take(struct reader *reader, const char *text)
{
    struct weft_slice wanted = weft_slice_text(text);
    if (!weft_slice_starts(reader->rest, wanted)) {
        return false;
    }
    skip(reader, wanted.size);
    return true;
}

static void skip_space(struct reader *reader, bool lines)
{
    for (;;) {
        char next = peek(reader);
        if (next == '#') {
            while (reader->rest.size > 0 && peek(reader) != '\n' && peek(reader) != '\r') {
                skip(reader, 1);
            }
        } else if (next == ' ' || next == '\t' || (lines && (next == '\n' || next == '\r'))) {
            skip(reader, 1);
        } else {
            return;
        }
    }
}

static bool take_hex(struct reader *reader, size_t digits, uint32_t *value)
{
    *value = 0;
    if (reader->rest.size < digits) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    for (size_t i = 0; i < digits; i++) {
        int digit = weft_hex_value(reader->rest.data[i]);
        if (digit < 0) {
            return fail(reader, WEFT_ERR_INVALID);
        }
        *value = *value << 4 | (uint32_t)digit;
    }
    skip(reader, digits);
    return *value <= 0x10FFFF || fail(reader, WEFT_ERR_INVALID);
}

static bool take_escape(struct reader *reader, uint32_t *point)
{
    static const char plain[] = "\\\"[]-";
    skip(reader, 1);
    char letter = peek(reader);
    if (reader->rest.size == 0) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    skip(reader, 1);
    switch (letter) {
    case 'x':
        return take_hex(reader, 2, point);
    case 'u':
        return take_hex(reader, 4, point);
    case 'U':
        return take_hex(reader, 8, point);
    case 't':
        *point = '\t';
        return true;
    case 'r':
        *point = '\r';
        return true;
    case 'n':
        *point = '\n';
        return true;
    default:
        *point = (unsigned char)letter;
        return memchr(plain, letter, sizeof(plain) - 1) || fail(reader, WEFT_ERR_INVALID);
    }
}

/* One character of a text or a range, perhaps escaped. */
static bool take_point(struct reader *reader, uint32_t *point)
{
    *point = 0;
    if (peek(reader) == '\\') {
        return take_escape(reader, point);
    }
    size_t size = weft_utf8_step(reader->rest);
    if (size == 0) {
        return fail(reader, WEFT_ERR_INVALID); /* the end, or not UTF-8 */
    }
    unsigned char lead = (unsigned char)reader->rest.data[0];
    *point = size == 1 ? lead : lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        *point = *point << 6 | ((unsigned char)reader->rest.data[i] & 0x3Fu);
    }
    skip(reader, size);
    return true;
}

static bool is_name(char c)
{
    return weft_is_alnum(c) || c == '-';
}

static struct weft_slice take_name(struct reader *reader)
{
    struct weft_slice name = weft_slice(reader->rest.data, 0);
    while (is_name(peek(reader))) {
        skip(reader, 1);
        name.size++;
    }
    return name;
}

/* The rule of this name; if it is new, one that is yet to be defined. */
static bool find_rule(struct reader *reader, struct weft_slice name, uint32_t *rule)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
    }
    size_t at = (size_t)(hash ^ hash >> 32) & (reader->name_room - 1);
    while (reader->names[at].text.size > 0) {
        if (weft_slice_equal(reader->names[at].text, name)) {
            *rule = reader->names[at].rule;
            return true;
        }
        at = (at + 1) & (reader->name_room - 1);
    }
    if (!new_rule(reader, rule)) {
        return false;
    }
    reader->names[at] = (struct name){.text = name, .rule = *rule};
    return true;
}

/* What is larger than anything that could be written out becomes UNLIMITED - 1. */
static bool take_count(struct reader *reader, uint32_t *count)
{
    uint64_t value = 0;
    bool any = false;
    for (; peek(reader) >= '0' && peek(reader) <= '9'; skip(reader, 1)) {
        value = value * 10 + (uint64_t)(peek(reader) - '0');
        value = value < UNLIMITED ? value : UNLIMITED - 1;
        any = true;
    }
    *count = (uint32_t)value;
    return any || fail(reader, WEFT_ERR_INVALID);
}

/* -- items -- */

static bool read_text(struct reader *reader)
{
    skip(reader, 1);
    while (!take(reader, "\"")) {
        uint32_t point;
        if (!take_point(reader, &point) || !add_range(reader, point, point) ||
            !open_add(reader, WEFT_GBNF_CHARS, (uint32_t)reader->ranges.count - 1, 1)) {
            return false;
        }
    }
    return true;
}

static bool read_ranges(struct reader *reader)
{
    skip(reader, 1);
    enum weft_gbnf_kind kind = take(reader, "^") ? WEFT_GBNF_NOT_CHARS : WEFT_GBNF_CHARS;
    size_t first = reader->ranges.count;
    while (!take(reader, "]")) {
        uint32_t low, high;
        if (!take_point(reader, &low)) {
            return false;
        }
        high = low;
        bool to = reader->rest.size >= 2 && reader->rest.data[0] == '-' && reader->rest.data[1] != ']';
        if (to) {
            skip(reader, 1);
        }
        if ((to && !take_point(reader, &high)) || !add_range(reader, low, high)) {
            return false;
        }
    }
    if (reader->ranges.count == first) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    return open_add(reader, kind, (uint32_t)first, (uint32_t)(reader->ranges.count - first));
}

static bool read_token(struct reader *reader)
{
    enum weft_gbnf_kind kind = take(reader, "!") ? WEFT_GBNF_NOT_TOKEN : WEFT_GBNF_TOKEN;
    const char *end = reader->rest.size > 0 ? memchr(reader->rest.data, '>', reader->rest.size) : NULL;
    if (peek(reader) != '<' || !end) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    struct weft_slice text = weft_slice(reader->rest.data, (size_t)(end - reader->rest.data) + 1);
    uint32_t id;
    if (take(reader, "<[")) {
        if (!take_count(reader, &id) || !take(reader, "]>")) {
            return fail(reader, WEFT_ERR_INVALID);
        }
    } else {
        int32_t found = reader->tokens->find(reader->tokens->self, text);
        if (found < 0) {
            return fail(reader, WEFT_ERR_INVALID);
        }
        id = (uint32_t)found;
        skip(reader, text.size);
    }
    reader->has_tokens = true;
    return open_add(reader, kind, id, 0);
}

static bool read_choices(struct reader *reader, uint32_t rule, bool nested);

static bool read_brackets(struct reader *reader)
{
    uint32_t rule;
    skip(reader, 1);
    skip_space(reader, true);
    if (++reader->depth > WEFT_GBNF_DEPTH_MAX) {
        return fail(reader, WEFT_ERR_TOO_LARGE);
    }
    if (!new_rule(reader, &rule) || !read_choices(reader, rule, true)) {
        return false;
    }
    reader->depth--;
    if (!take(reader, ")")) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    return open_add(reader, WEFT_GBNF_RULE, rule, 0);
}

static bool read_reference(struct reader *reader)
{
    uint32_t rule;
    return find_rule(reader, take_name(reader), &rule) && open_add(reader, WEFT_GBNF_RULE, rule, 0);
}

/* One item; *found is false where none begins. */
static bool read_item(struct reader *reader, bool *found)
{
    char next = peek(reader);
    *found = true;
    switch (next) {
    case '"':
        return read_text(reader);
    case '[':
        return read_ranges(reader);
    case '(':
        return read_brackets(reader);
    case '<':
    case '!':
        return read_token(reader);
    case '.':
        skip(reader, 1);
        return open_add(reader, WEFT_GBNF_NOT_CHARS, 0, 0);
    default:
        *found = is_name(next);
        return !*found || read_reference(reader);
    }
}

/* -- repetitions -- */

/* A rule: what is repeated, then perhaps another rule; or nothing. With `itself` the other rule is this one. */
static bool add_optional(struct reader *reader, bool itself, uint32_t other, uint32_t *rule)
{
    size_t begin = reader->open.count;
    return new_rule(reader, rule) && add_elements(reader, &reader->open, reader->copy.data, reader->copy.count) &&
           (!(itself || other != UNDEFINED) || open_add(reader, WEFT_GBNF_RULE, itself ? *rule : other, 0)) &&
           open_add(reader, WEFT_GBNF_OR, 0, 0) && close_rule(reader, *rule, begin);
}

/* The open elements from `item` on, `least` to `most` times. */
static bool repeat(struct reader *reader, size_t item, uint32_t least, uint32_t most)
{
    const struct weft_gbnf_element *open = reader->open.data;
    size_t size = reader->open.count - item;
    reader->copy.count = 0;
    if (size == 0 || most < least || !add_elements(reader, &reader->copy, open + item, size)) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    uint64_t times = most == UNLIMITED ? (uint64_t)least + 1 : most;
    if (times * (size + 3) > WEFT_GBNF_ELEMENTS_MAX) {
        return fail(reader, WEFT_ERR_TOO_LARGE);
    }
    reader->open.count = item;
    uint32_t other = UNDEFINED;
    for (uint32_t i = least; i < most && most != UNLIMITED; i++) {
        if (!add_optional(reader, false, other, &other)) {
            return false;
        }
    }
    if (most == UNLIMITED && !add_optional(reader, true, UNDEFINED, &other)) {
        return false;
    }
    for (uint32_t i = 0; i < least; i++) {
        if (!add_elements(reader, &reader->open, reader->copy.data, reader->copy.count)) {
            return false;
        }
    }
    return other == UNDEFINED || open_add(reader, WEFT_GBNF_RULE, other, 0);
}

static bool read_repetition(struct reader *reader, size_t item, bool nested, bool *found)
{
    uint32_t least = 0, most = UNLIMITED;
    *found = true;
    if (take(reader, "?")) {
        most = 1;
    } else if (take(reader, "+")) {
        least = 1;
    } else if (take(reader, "{")) {
        skip_space(reader, nested);
        if (!take_count(reader, &least)) {
            return false;
        }
        skip_space(reader, nested);
        bool more = take(reader, ",");
        skip_space(reader, nested);
        most = more ? UNLIMITED : least;
        if ((more && peek(reader) != '}' && !take_count(reader, &most))) {
            return false;
        }
        skip_space(reader, nested);
        if (!take(reader, "}")) {
            return fail(reader, WEFT_ERR_INVALID);
        }
    } else if (!take(reader, "*")) {
        *found = false;
        return true;
    }
    skip_space(reader, nested);
    return repeat(reader, item, least, most);
}

/* -- rules -- */

static bool read_sequence(struct reader *reader, bool nested)
{
    bool found = true;
    while (found) {
        size_t item = reader->open.count;
        if (!read_item(reader, &found)) {
            return false;
        }
        skip_space(reader, nested);
        bool repeated = true;
        while (repeated) { /* x+? is (x+)? */
            if (!read_repetition(reader, item, nested, &repeated)) {
                return false;
            }
            found = found || repeated;
        }
    }
    return true;
}

static bool read_choices(struct reader *reader, uint32_t rule, bool nested)
{
    size_t begin = reader->open.count;
    if (!read_sequence(reader, nested)) {
        return false;
    }
    while (take(reader, "|")) {
        skip_space(reader, true);
        if (!open_add(reader, WEFT_GBNF_OR, 0, 0) || !read_sequence(reader, nested)) {
            return false;
        }
    }
    return close_rule(reader, rule, begin);
}

static bool read_rule(struct reader *reader)
{
    uint32_t rule;
    struct weft_slice name = take_name(reader);
    if (name.size == 0) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    skip_space(reader, false);
    if (!take(reader, "::=")) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    skip_space(reader, true);
    if (!find_rule(reader, name, &rule) || !read_choices(reader, rule, false)) {
        return false;
    }
    bool ended = take(reader, "\r\n") || take(reader, "\n") || take(reader, "\r") || reader->rest.size == 0;
    if (!ended) {
        return fail(reader, WEFT_ERR_INVALID);
    }
    skip_space(reader, true);
    return true;
}

static bool read_grammar(struct reader *reader)
{
    uint32_t root;
    const struct weft_gbnf_element end = {.kind = WEFT_GBNF_END};
    if (!find_rule(reader, WEFT_SLICE("root"), &root)) {
        return false;
    }
    const struct weft_gbnf_element start = {.kind = WEFT_GBNF_RULE, .value = root};
    if (!add_elements(reader, &reader->elements, &start, 1) || !add_elements(reader, &reader->elements, &end, 1)) {
        return false;
    }
    skip_space(reader, true);
    while (reader->rest.size > 0) {
        if (!read_rule(reader)) {
            return false;
        }
    }
    for (size_t i = 0; i < reader->rules.count; i++) {
        if (((const uint32_t *)reader->rules.data)[i] == UNDEFINED) {
            return fail(reader, WEFT_ERR_INVALID);
        }
    }
    return true;
}

/* -- left recursion -- */

enum visit { VISIT_NONE, VISIT_ON_THE_WAY, VISIT_DONE };

/* May an alternative from here on be empty, by what is known so far? */
static bool alternative_empty(const struct weft_gbnf *gbnf, uint32_t at, const uint8_t *empty)
{
    while (gbnf->elements[at].kind == WEFT_GBNF_RULE && empty[gbnf->elements[at].value]) {
        at++;
    }
    return weft_gbnf_ends(gbnf, at);
}

static bool rule_empty(const struct weft_gbnf *gbnf, uint32_t at, const uint8_t *empty)
{
    while (!alternative_empty(gbnf, at, empty)) {
        while (!weft_gbnf_ends(gbnf, at)) {
            at++;
        }
        if (gbnf->elements[at++].kind == WEFT_GBNF_END) {
            return false;
        }
    }
    return true;
}

/* Which rules may be empty. Forwards and backwards in turn, since rules mostly lean on their neighbours. */
static int find_empty(const struct weft_gbnf *gbnf, uint8_t *empty)
{
    bool changed = true;
    for (int pass = 0; changed; pass++) {
        if (pass == PASSES_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        changed = false;
        for (size_t i = 0; i < gbnf->rule_count; i++) {
            size_t rule = pass % 2 == 0 ? i : gbnf->rule_count - 1 - i;
            if (!empty[rule] && rule_empty(gbnf, gbnf->rules[rule], empty)) {
                empty[rule] = true;
                changed = true;
            }
        }
    }
    return 0;
}

/* The next element, from `at` on, that is a rule with which this one may begin; or the rule's end. */
static uint32_t next_left(const struct weft_gbnf *gbnf, uint32_t at, bool begins)
{
    for (;; at++) {
        const struct weft_gbnf_element *element = &gbnf->elements[at];
        if (element->kind == WEFT_GBNF_END || (element->kind == WEFT_GBNF_RULE && begins)) {
            return at;
        }
        begins = element->kind == WEFT_GBNF_OR;
    }
}

/* Is there a rule that can begin with itself? It could be gone into for ever. */
static int check_left(const struct weft_gbnf *gbnf, const uint8_t *empty, uint8_t *visits, uint32_t *way)
{
    for (size_t first = 0; first < gbnf->rule_count; first++) {
        size_t depth = 0;
        uint32_t rule = (uint32_t)first, at = 0;
        bool enter = visits[first] == VISIT_NONE;
        /* `way` holds where each rule on the way goes on, and which rule it is. */
        while (enter || depth > 0) {
            if (enter) {
                visits[rule] = VISIT_ON_THE_WAY;
                at = next_left(gbnf, gbnf->rules[rule], true);
                way[2 * depth + 1] = rule;
                depth++;
            }
            enter = false;
            const struct weft_gbnf_element *element = &gbnf->elements[at];
            if (element->kind == WEFT_GBNF_END) {
                visits[way[2 * depth - 1]] = VISIT_DONE;
                depth--;
                at = depth > 0 ? way[2 * depth - 2] : 0;
                continue;
            }
            if (visits[element->value] == VISIT_ON_THE_WAY) {
                return WEFT_ERR_INVALID;
            }
            way[2 * depth - 2] = next_left(gbnf, at + 1, empty[element->value]);
            enter = visits[element->value] == VISIT_NONE;
            rule = element->value;
            at = way[2 * depth - 2];
        }
    }
    return 0;
}

static int check_recursion(const struct weft_gbnf *gbnf)
{
    uint8_t *empty = weft_calloc(gbnf->rule_count, sizeof(*empty));
    uint8_t *visits = weft_calloc(gbnf->rule_count, sizeof(*visits));
    uint32_t *way = weft_calloc(gbnf->rule_count, 2 * sizeof(*way));
    int error = empty && visits && way ? find_empty(gbnf, empty) : WEFT_ERR_MEMORY;
    if (error == 0) {
        error = check_left(gbnf, empty, visits, way);
    }
    weft_free(way);
    weft_free(visits);
    weft_free(empty);
    return error;
}

int weft_gbnf_init(struct weft_gbnf *gbnf, struct weft_slice text, const struct weft_gbnf_tokens *tokens)
{
    struct reader reader = {.rest = text, .tokens = tokens, .name_room = 16};
    *gbnf = (struct weft_gbnf){0};
    while (reader.name_room < text.size + 16) { /* a name and what parts it from the next take two bytes */
        reader.name_room *= 2;
    }
    reader.names = weft_calloc(reader.name_room, sizeof(*reader.names));
    if (!reader.names) {
        return WEFT_ERR_MEMORY;
    }
    bool read = read_grammar(&reader);
    *gbnf = (struct weft_gbnf){.elements = reader.elements.data,
                               .rules = reader.rules.data,
                               .ranges = reader.ranges.data,
                               .element_count = reader.elements.count,
                               .rule_count = reader.rules.count,
                               .range_count = reader.ranges.count,
                               .has_tokens = reader.has_tokens};
    weft_free(reader.open.data);
    weft_free(reader.copy.data);
    weft_free(reader.names);
    int error = read ? check_recursion(gbnf) : reader.error;
    if (error < 0) {
        weft_gbnf_deinit(gbnf);
    }
    return error;
}

void weft_gbnf_deinit(struct weft_gbnf *gbnf)
{
    weft_free(gbnf->elements);
    weft_free(gbnf->rules);
    weft_free(gbnf->ranges);
    *gbnf = (struct weft_gbnf){0};
}
