/* engine/schema.c - JSON schemas that an answer can be held to.
 *
 * The walk mirrors libllama-common's converter (json-schema.cpp): the same keyword decides what a schema is, a `type`
 * array is walked once per type, a $ref once per spelling. So what the walk counts is what the converter will do. */
#include "engine/schema.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/pattern.h"
#include "wire/json.h"

#define INTEGER_BOUND ((json_int_t)1000000000000000) /* the converter's decimals */
#define REF_MAX       256                            /* bytes of a $ref */
#define ONE_OF_MAX    32
/* Bytes of rule names that the converter will go over: some 100 ns each. */
#define WORK_MAX ((size_t)4 * 1000 * 1000)
/* Bytes of const and enum in the grammar. */
#define LITERALS_MAX ((size_t)256 * 1024)

/* -- keywords -- */

enum { NULLS = 1, BOOLEANS = 2, INTEGERS = 4, FRACTIONS = 8, STRINGS = 16, ARRAYS = 32, OBJECTS = 64 };
#define NUMBERS (INTEGERS | FRACTIONS)
#define ALL     (NULLS | BOOLEANS | NUMBERS | STRINGS | ARRAYS | OBJECTS)

/* What constrains, and values of which types. Everything else is an annotation. */
static const struct keyword {
    const char *name;
    unsigned types;
} keywords[] = {
    {"$ref", ALL},
    {"$dynamicRef", ALL},
    {"$recursiveRef", ALL},
    {"anyOf", ALL},
    {"oneOf", ALL},
    {"allOf", ALL},
    {"not", ALL},
    {"if", ALL},
    {"const", ALL},
    {"enum", ALL},
    {"type", ALL},
    {"pattern", STRINGS},
    {"minLength", STRINGS},
    {"maxLength", STRINGS},
    {"format", STRINGS},
    {"multipleOf", NUMBERS},
    {"minimum", NUMBERS},
    {"maximum", NUMBERS},
    {"exclusiveMinimum", NUMBERS},
    {"exclusiveMaximum", NUMBERS},
    {"items", ARRAYS},
    {"prefixItems", ARRAYS},
    {"contains", ARRAYS},
    {"minItems", ARRAYS},
    {"maxItems", ARRAYS},
    {"uniqueItems", ARRAYS},
    {"unevaluatedItems", ARRAYS},
    {"properties", OBJECTS},
    {"required", OBJECTS},
    {"additionalProperties", OBJECTS},
    {"patternProperties", OBJECTS},
    {"propertyNames", OBJECTS},
    {"minProperties", OBJECTS},
    {"maxProperties", OBJECTS},
    {"dependentRequired", OBJECTS},
    {"dependentSchemas", OBJECTS},
    {"dependencies", OBJECTS},
    {"unevaluatedProperties", OBJECTS},
};

struct seen_ref {
    const char *text;
    unsigned level; /* where it was met */
    bool open;      /* being walked */
};

struct walk {
    json_t *root;
    bool strict; /* for answers; tools are best effort */
    int error;   /* the first one sticks */
    char *problem;
    size_t nodes, values, literals, work;
    size_t path;    /* bytes of the rule's name, about */
    unsigned level; /* arrays and objects of the answer around it */
    struct seen_ref refs[WEFT_SCHEMA_NODES_MAX];
    size_t ref_count;
    json_t *dropped; /* what was taken out: a walk that is not over may stand in it, by way of a $ref */
};

static void walk_schema(struct walk *walk, json_t *schema);

static void fail(struct walk *walk, int error, const char *sentence)
{
    if (walk->error == 0) {
        walk->error = error;
        snprintf(walk->problem, WEFT_SCHEMA_PROBLEM_MAX, "%s", sentence);
    }
}

static void fail_keyword(struct walk *walk, int error, const char *keyword, const char *what)
{
    char sentence[WEFT_SCHEMA_PROBLEM_MAX];
    snprintf(sentence, sizeof(sentence), "the schema's '%s' %s", keyword, what);
    fail(walk, error, sentence);
}

/* Tools are not held to what cannot be kept. */
static void refuse(struct walk *walk, const char *keyword, const char *what)
{
    if (walk->strict) {
        fail_keyword(walk, WEFT_ERR_UNSUPPORTED, keyword, what);
    }
}

static bool has(const json_t *schema, const char *keyword)
{
    return json_object_get(schema, keyword);
}

/* Says nothing, whatever the answer. */
static bool idle(const char *keyword, const json_t *value)
{
    if (strncmp(keyword, "min", 3) == 0 && json_is_integer(value) && strcmp(keyword, "minimum") != 0) {
        return json_integer_value(value) == 0;
    }
    if (strcmp(keyword, "uniqueItems") == 0) {
        return json_is_false(value);
    }
    bool open = strncmp(keyword, "unevaluated", 11) == 0 || strcmp(keyword, "additionalProperties") == 0;
    return open && json_is_true(value);
}

/* Every keyword that constrains `types` is among the `kept` ones (a list with a space around each), or is refused. */
static void check_others(struct walk *walk, const json_t *schema, unsigned types, const char *kept)
{
    for (size_t i = 0; i < WEFT_COUNT(keywords) && walk->strict; i++) {
        const json_t *value = json_object_get(schema, keywords[i].name);
        if (!value || (keywords[i].types & types) == 0 || idle(keywords[i].name, value)) {
            continue;
        }
        char word[40];
        snprintf(word, sizeof(word), " %s ", keywords[i].name);
        if (!strstr(kept, word)) {
            refuse(walk, keywords[i].name,
                   "cannot be kept there, alone or beside what stands with it: leave it out or say it otherwise");
        }
    }
}

/* `fresh` is taken over; NULL says that memory ran out for it. */
static void replace(struct walk *walk, json_t *schema, const char *keyword, json_t *fresh)
{
    if (json_object_set_new(schema, keyword, fresh) != 0) {
        fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
}

static void drop(struct walk *walk, json_t *schema, const char *keyword)
{
    json_t *value = json_object_get(schema, keyword);
    if (value && (json_array_append(walk->dropped, value) != 0 || json_object_del(schema, keyword) != 0)) {
        fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
}

/* -- types of values -- */

static unsigned type_named(const char *name)
{
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {
        {"null", NULLS},     {"boolean", BOOLEANS}, {"integer", INTEGERS}, {"number", NUMBERS},
        {"string", STRINGS}, {"array", ARRAYS},     {"object", OBJECTS},
    };
    for (size_t i = 0; name && i < WEFT_COUNT(names); i++) {
        if (strcmp(names[i].name, name) == 0) {
            return names[i].types;
        }
    }
    return 0;
}

static unsigned type_of_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return OBJECTS;
    case JSON_ARRAY:
        return ARRAYS;
    case JSON_STRING:
        return STRINGS;
    case JSON_INTEGER:
        return INTEGERS;
    case JSON_REAL:
        return FRACTIONS;
    case JSON_NULL:
        return NULLS;
    default:
        return BOOLEANS;
    }
}

/* Those that `type` names: one, or several in an array. ALL if it is not there. */
static unsigned types_named(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    if (!type) {
        return ALL;
    }
    unsigned types = type_named(json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++) {
        types |= type_named(json_string_value(json_array_get(type, i)));
    }
    return types;
}

/* -- references -- */

/* What a $ref points to, as the converter finds it: no escapes are decoded. */
static json_t *resolve(const struct walk *walk, const char *ref)
{
    char text[REF_MAX + 1];
    size_t size = strlen(ref);
    if (strncmp(ref, "#/", 2) != 0 || size > REF_MAX || strpbrk(ref, "~%")) {
        return NULL;
    }
    memcpy(text, ref + 1, size);
    json_t *target = walk->root;
    for (char *at = text; target && *at == '/';) {
        char *key = at + 1;
        at = key + strcspn(key, "/");
        char after = *at;
        *at = '\0';
        if (json_is_object(target)) {
            target = json_object_get(target, key);
        } else if (json_is_array(target) && *key != '\0' && strspn(key, "0123456789") == strlen(key) &&
                   strlen(key) < 6) {
            size_t index = 0;
            for (const char *digit = key; *digit != '\0'; digit++) {
                index = index * 10 + (size_t)(*digit - '0');
            }
            target = json_array_get(target, index);
        } else {
            target = NULL;
        }
        *at = after;
    }
    return target;
}

/* Behind all the $refs that a schema consists of; NULL if they lead nowhere, or round. */
static json_t *resolve_all(const struct walk *walk, json_t *schema)
{
    for (size_t i = 0; i < 16; i++) {
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        if (!ref) {
            return schema;
        }
        schema = resolve(walk, ref);
    }
    return NULL;
}

static void walk_ref(struct walk *walk, json_t *schema)
{
    check_others(walk, schema, ALL, " $ref ");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    json_t *target = ref ? resolve(walk, ref) : NULL;
    if (!target) {
        fail_keyword(walk, WEFT_ERR_UNSUPPORTED, "$ref",
                     "leads nowhere: it must be a path within this schema, such as #/$defs/name, without ~ and %");
        return;
    }
    for (size_t i = 0; i < walk->ref_count; i++) {
        if (strcmp(walk->refs[i].text, ref) == 0) {
            if (walk->refs[i].open && walk->refs[i].level == walk->level) {
                fail_keyword(walk, WEFT_ERR_INVALID, "$ref", "comes back to itself with nothing between");
            }
            return;
        }
    }
    if (walk->ref_count == WEFT_SCHEMA_NODES_MAX) { /* each has a node of its own, so that is counted before */
        fail(walk, WEFT_ERR_TOO_LARGE, "the schema is too large");
        return;
    }
    struct seen_ref *seen = &walk->refs[walk->ref_count++];
    *seen = (struct seen_ref){.text = ref, .level = walk->level, .open = true};
    size_t path = walk->path;
    walk->path = strlen(ref);
    walk_schema(walk, target);
    walk->path = path;
    seen->open = false;
}

/* -- alternatives -- */

static unsigned types_possible(const struct walk *walk, json_t *schema)
{
    schema = resolve_all(walk, schema);
    if (!schema || !json_is_object(schema)) {
        return ALL;
    }
    const json_t *value = json_object_get(schema, "const");
    const json_t *values = json_object_get(schema, "enum");
    unsigned types = value ? type_of_value(value) : 0;
    for (size_t i = 0; i < json_array_size(values); i++) {
        types |= type_of_value(json_array_get(values, i));
    }
    if (types == 0 && !has(schema, "type") && has(schema, "properties")) {
        types = OBJECTS; /* which is all that the converter makes of it */
    }
    return types != 0 ? types : types_named(schema);
}

static bool is_required(const json_t *schema, const char *name)
{
    const json_t *required = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *one = json_string_value(json_array_get(required, i));
        if (one && strcmp(one, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The i-th value that a const or enum allows, or NULL. */
static json_t *value_allowed(const json_t *schema, size_t i)
{
    json_t *value = json_object_get(schema, "const");
    return value ? (i == 0 ? value : NULL) : json_array_get(json_object_get(schema, "enum"), i);
}

/* No value is allowed by both, as far as const and enum say. */
static bool values_apart(const struct walk *walk, json_t *a, json_t *b)
{
    a = resolve_all(walk, a);
    b = resolve_all(walk, b);
    if (!value_allowed(a, 0) || !value_allowed(b, 0)) {
        return false;
    }
    for (size_t i = 0; value_allowed(a, i); i++) {
        for (size_t k = 0; value_allowed(b, k); k++) {
            if (json_equal(value_allowed(a, i), value_allowed(b, k))) {
                return false;
            }
        }
    }
    return true;
}

/* Can no answer fit both? By its type, its value, or a member that tells them apart. */
static bool apart(const struct walk *walk, json_t *a, json_t *b)
{
    a = resolve_all(walk, a);
    b = resolve_all(walk, b);
    if (!a || !b) {
        return false;
    }
    if ((types_possible(walk, a) & types_possible(walk, b)) == 0 || values_apart(walk, a, b)) {
        return true;
    }
    json_t *others = json_object_get(b, "properties");
    const char *name;
    json_t *property;
    json_object_foreach(json_object_get(a, "properties"), name, property)
    {
        json_t *other = json_object_get(others, name);
        if (other && is_required(a, name) && is_required(b, name) && values_apart(walk, property, other)) {
            return true;
        }
    }
    return false;
}

/* The converter takes oneOf as anyOf, so its branches must exclude each other. */
static void check_one_of(struct walk *walk, const json_t *branches)
{
    size_t count = json_array_size(branches);
    if (count > ONE_OF_MAX && walk->strict) {
        fail_keyword(walk, WEFT_ERR_TOO_LARGE, "oneOf", "has more than 32 branches");
        return;
    }
    for (size_t i = 0; i < count && walk->strict; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!apart(walk, json_array_get(branches, i), json_array_get(branches, k))) {
                refuse(
                    walk, "oneOf",
                    "has branches that one answer might fit both: say anyOf, or tell them apart by their types or by "
                    "a required property with a const");
                return;
            }
        }
    }
}

/* A schema within a schema; `true` is said as {}. */
static void walk_element(struct walk *walk, json_t *array, size_t index)
{
    if (json_is_true(json_array_get(array, index)) && json_array_set_new(array, index, json_object()) != 0) {
        fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
    walk_schema(walk, json_array_get(array, index));
}

static void walk_member(struct walk *walk, json_t *object, const char *name)
{
    if (json_is_true(json_object_get(object, name))) {
        replace(walk, object, name, json_object());
    }
    walk_schema(walk, json_object_get(object, name));
}

static void walk_list(struct walk *walk, json_t *schema, const char *keyword)
{
    json_t *list = json_object_get(schema, keyword);
    if (json_array_size(list) == 0) {
        fail_keyword(walk, WEFT_ERR_INVALID, keyword, "must be an array with at least one schema");
    }
    for (size_t i = 0; i < json_array_size(list) && walk->error == 0; i++) {
        walk_element(walk, list, i);
    }
}

static void walk_alternatives(struct walk *walk, json_t *schema)
{
    bool one = has(schema, "oneOf");
    check_others(walk, schema, ALL, one ? " oneOf " : " anyOf ");
    if (one) {
        check_one_of(walk, json_object_get(schema, "oneOf"));
    }
    walk_list(walk, schema, one ? "oneOf" : "anyOf");
}

/* -- allOf -- */

/* A lone part is the schema itself. */
static bool merge_all_of(struct walk *walk, json_t *schema)
{
    json_t *parts = json_object_get(schema, "allOf");
    json_t *part = json_array_get(parts, 0);
    if (json_array_size(parts) != 1 || !json_is_object(part)) {
        return false;
    }
    const char *name;
    json_t *value;
    json_object_foreach(part, name, value)
    {
        if (has(schema, name) && (strcmp(name, "allOf") == 0 || !json_equal(json_object_get(schema, name), value)) &&
            strcmp(name, "description") != 0 && strcmp(name, "title") != 0) {
            return false;
        }
    }
    drop(walk, schema, "allOf");
    json_object_foreach(part, name, value)
    {
        if (!has(schema, name)) {
            replace(walk, schema, name, json_incref(value));
        }
    }
    return true;
}

/* The converter joins the properties of objects, and passes over all else. */
static void check_part(struct walk *walk, const json_t *parts, size_t index)
{
    const json_t *part = resolve_all(walk, json_array_get(parts, index));
    check_others(walk, part, OBJECTS, " type properties required ");
    const json_t *own = json_object_get(part, "properties");
    if (!json_is_object(own) || json_object_size(own) == 0 || (types_named(part) & OBJECTS) == 0) {
        refuse(walk, "allOf", "has a part that is no object with properties: only those can be joined");
        return;
    }
    const json_t *required = json_object_get(part, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name || !has(own, name)) {
            refuse(walk, "allOf", "has a part that requires a property of another part");
        }
    }
    for (size_t i = 0; i < index; i++) {
        json_t *other = resolve_all(walk, json_array_get(parts, i));
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(other, "properties"), name, value)
        {
            if (has(own, name)) {
                refuse(walk, "allOf", "has one property in two of its parts");
            }
        }
    }
}

static void walk_all_of(struct walk *walk, json_t *schema)
{
    if (merge_all_of(walk, schema)) {
        if (walk->error == 0) {
            walk_schema(walk, schema);
        }
        return;
    }
    check_others(walk, schema, ALL, " allOf type ");
    if ((types_named(schema) & OBJECTS) == 0) {
        refuse(walk, "allOf", "stands beside another type than object");
    }
    const json_t *parts = json_object_get(schema, "allOf");
    walk_list(walk, schema, "allOf");
    for (size_t i = 0; i < json_array_size(parts) && walk->error == 0; i++) {
        check_part(walk, parts, i);
    }
}

/* -- values -- */

static void add_literal(struct walk *walk, const json_t *value, unsigned types)
{
    walk->literals += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (++walk->values > WEFT_SCHEMA_VALUES_MAX || walk->literals > LITERALS_MAX) {
        fail(walk, WEFT_ERR_TOO_LARGE, "the schema's const and enum have more than 1000 values, or 256 KiB of them");
    }
    if ((type_of_value(value) & types) == 0) {
        refuse(walk, "enum", "or 'const' has a value that is not of the schema's type");
    }
}

static void walk_values(struct walk *walk, json_t *schema, unsigned types)
{
    const json_t *value = json_object_get(schema, "const");
    if (value) {
        check_others(walk, schema, type_of_value(value), " const type ");
        add_literal(walk, value, types);
        return;
    }
    check_others(walk, schema, ALL, " enum type ");
    const json_t *values = json_object_get(schema, "enum");
    if (json_array_size(values) == 0) {
        fail_keyword(walk, WEFT_ERR_INVALID, "enum", "must be an array with at least one value");
    }
    for (size_t i = 0; i < json_array_size(values) && walk->error == 0; i++) {
        add_literal(walk, json_array_get(values, i), types);
    }
}

/* A bound of integers that the converter can count with, or gone. */
static void check_bound(struct walk *walk, json_t *schema, const char *keyword)
{
    const json_t *value = json_object_get(schema, keyword);
    if (!value) {
        return;
    }
    if (!json_is_number(value)) {
        fail_keyword(walk, WEFT_ERR_INVALID, keyword, "must be a number");
    } else if (!(fabs(json_number_value(value)) < (double)INTEGER_BOUND)) {
        refuse(walk, keyword, "must lie between -1e15 and 1e15");
        drop(walk, schema, keyword);
    }
}

static void walk_integer(struct walk *walk, json_t *schema)
{
    static const char *const bounds[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    check_others(walk, schema, INTEGERS, " type minimum maximum exclusiveMinimum exclusiveMaximum ");
    for (size_t i = 0; i < WEFT_COUNT(bounds); i++) {
        check_bound(walk, schema, bounds[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (has(schema, bounds[i]) && has(schema, bounds[i + 2])) {
            refuse(walk, bounds[i + 2], "stands beside the one that is not exclusive: one of them is enough");
        }
    }
    /* the integers that are left */
    double least = has(schema, bounds[0]) ? ceil(json_number_value(json_object_get(schema, bounds[0])))
                                          : floor(json_number_value(json_object_get(schema, bounds[2]))) + 1;
    double most = has(schema, bounds[1]) ? floor(json_number_value(json_object_get(schema, bounds[1])))
                                         : ceil(json_number_value(json_object_get(schema, bounds[3]))) - 1;
    bool both =
        (has(schema, bounds[0]) || has(schema, bounds[2])) && (has(schema, bounds[1]) || has(schema, bounds[3]));
    if (both && least > most) {
        refuse(walk, "minimum", "and 'maximum' leave no integer between them");
        for (size_t i = 0; i < WEFT_COUNT(bounds); i++) {
            drop(walk, schema, bounds[i]);
        }
    }
}

/* minX and maxX: how often. A large maximum is taken as a smaller one, which allows less. */
static void check_counts(struct walk *walk, json_t *schema, const char *least_name, const char *most_name)
{
    const json_t *least = json_object_get(schema, least_name), *most = json_object_get(schema, most_name);
    if ((least && (!json_is_integer(least) || json_integer_value(least) < 0)) ||
        (most && (!json_is_integer(most) || json_integer_value(most) < 0))) {
        fail_keyword(walk, WEFT_ERR_INVALID, least ? least_name : most_name, "must be an integer from 0 on");
        return;
    }
    json_int_t from = json_integer_value(least), to = most ? json_integer_value(most) : from;
    if (from > WEFT_SCHEMA_REPEAT_MAX || to < from) {
        refuse(walk, least_name, "is above 500, or above the maximum");
        drop(walk, schema, least_name);
    }
    if (most && to > WEFT_SCHEMA_REPEAT_MAX) {
        replace(walk, schema, most_name, json_integer(WEFT_SCHEMA_REPEAT_MAX));
    }
}

static bool known_format(const char *format)
{
    static const char *const known[] = {"date",  "time",  "date-time", "uuid", "uuid1",
                                        "uuid2", "uuid3", "uuid4",     "uuid5"};
    for (size_t i = 0; format && i < WEFT_COUNT(known); i++) {
        if (strcmp(format, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void walk_pattern(struct walk *walk, json_t *schema)
{
    check_others(walk, schema, STRINGS, " type pattern ");
    const json_t *pattern = json_object_get(schema, "pattern");
    if (!json_is_string(pattern)) {
        fail_keyword(walk, WEFT_ERR_INVALID, "pattern", "must be a text");
        return;
    }
    if (!walk->strict) {
        drop(walk, schema, "pattern");
        return;
    }
    char *fresh = weft_alloc(WEFT_PATTERN_RESULT_MAX);
    if (!fresh) {
        fail(walk, WEFT_ERR_MEMORY, "out of memory");
        return;
    }
    int error = weft_pattern_rewrite(weft_slice(json_string_value(pattern), json_string_length(pattern)), fresh);
    if (error == 0) {
        walk->literals += strlen(fresh);
        walk->work += strlen(fresh);
        replace(walk, schema, "pattern", json_string(fresh));
    } else {
        fail_keyword(walk, error, "pattern",
                     error == WEFT_ERR_INVALID     ? "is no regular expression"
                     : error == WEFT_ERR_TOO_LARGE ? "is too large: up to 512 bytes, repetitions up to 256"
                                                   : "cannot be kept: no look-around, back references or borders, and "
                                                     "only what stands in a JSON string as itself");
    }
    weft_free(fresh);
}

static void walk_string(struct walk *walk, json_t *schema)
{
    const char *format = json_string_value(json_object_get(schema, "format"));
    if (has(schema, "pattern")) {
        walk_pattern(walk, schema);
        return;
    }
    if (known_format(format)) {
        check_others(walk, schema, STRINGS, " type format ");
        return;
    }
    if (format) {
        refuse(walk, "format", "is none of date, time, date-time and uuid: say it by a pattern, or leave it out");
    }
    check_others(walk, schema, STRINGS, " type format minLength maxLength ");
    check_counts(walk, schema, "minLength", "maxLength");
}

static void walk_array(struct walk *walk, json_t *schema)
{
    bool prefix = json_is_array(json_object_get(schema, "prefixItems"));
    if (prefix && !json_is_array(json_object_get(schema, "items"))) {
        drop(walk, schema, "items"); /* of what comes behind the tuple: nothing does */
    }
    const char *keyword = has(schema, "items") ? "items" : "prefixItems";
    json_t *items = json_object_get(schema, keyword);
    check_others(walk, schema, ARRAYS,
                 keyword[0] == 'i' ? " type items minItems maxItems " : " type prefixItems minItems maxItems ");
    check_counts(walk, schema, "minItems", "maxItems");
    walk->level++;
    if (json_is_array(items)) {
        json_int_t count = (json_int_t)json_array_size(items);
        const json_t *most = json_object_get(schema, "maxItems");
        if (count < json_integer_value(json_object_get(schema, "minItems")) ||
            (most && count > json_integer_value(most))) {
            refuse(walk, keyword, "has another number of elements than minItems and maxItems allow");
        }
        for (size_t i = 0; i < json_array_size(items) && walk->error == 0; i++) {
            walk_element(walk, items, i);
        }
    } else if (items) {
        walk_member(walk, schema, keyword);
    }
    walk->level--;
}

/* -- objects -- */

static void check_required(struct walk *walk, const json_t *schema)
{
    const json_t *required = json_object_get(schema, "required"), *properties = json_object_get(schema, "properties");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name || !has(properties, name)) {
            refuse(walk, "required", "names what 'properties' does not have");
        }
    }
}

static void walk_properties(struct walk *walk, json_t *schema, json_t *properties)
{
    size_t optional = 0, names = 0, count = json_object_size(properties);
    if (count > WEFT_SCHEMA_PROPERTIES_MAX) {
        fail_keyword(walk, WEFT_ERR_TOO_LARGE, "properties", "has more than 100 of them");
        return;
    }
    /* Of a copy: a $ref may lead to the properties themselves, and the walk change them. */
    json_t *copy = json_copy(properties);
    if (json_object_size(copy) != count) { /* jansson leaves out what it has no memory for */
        fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
    const char *name;
    json_t *value;
    json_object_foreach(copy, name, value)
    {
        if (walk->error != 0) {
            break;
        }
        size_t size = strlen(name);
        if (size > WEFT_SCHEMA_NAME_MAX) {
            fail_keyword(walk, WEFT_ERR_TOO_LARGE, "properties", "has a name of more than 128 bytes");
        }
        optional += is_required(schema, name) ? 0 : 1;
        names += size;
        size_t path = walk->path;
        walk->path += size + 1;
        walk_member(walk, properties, name);
        walk->path = path;
    }
    json_decref(copy);
    /* a rule for each property, and one for each optional one behind each optional one */
    walk->work += (count + optional * (optional + 1) / 2) * (walk->path + names / (count ? count : 1) + 16);
}

static void walk_object(struct walk *walk, json_t *schema)
{
    check_others(walk, schema, OBJECTS, " type properties required additionalProperties ");
    json_t *properties = json_object_get(schema, "properties");
    if (properties && !json_is_object(properties)) {
        fail_keyword(walk, WEFT_ERR_INVALID, "properties", "must be an object");
        return;
    }
    check_required(walk, schema);
    walk->level++;
    if (json_object_size(properties) > 0) {
        /* The converter's rule for the names of further properties lets broken JSON through; none is allowed too. */
        if (!json_is_false(json_object_get(schema, "additionalProperties"))) {
            drop(walk, schema, "additionalProperties");
        }
        walk_properties(walk, schema, properties);
    } else if (json_is_object(json_object_get(schema, "additionalProperties"))) {
        walk_member(walk, schema, "additionalProperties");
    }
    walk->level--;
}

/* -- what a schema is -- */

static void walk_untyped(struct walk *walk, json_t *schema)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    if (has(schema, "properties") || (additional && !json_is_true(additional))) {
        walk_object(walk, schema);
    } else if (has(schema, "allOf")) {
        walk_all_of(walk, schema);
    } else if (has(schema, "items") || has(schema, "prefixItems")) {
        walk_array(walk, schema);
    } else if (has(schema, "pattern") || has(schema, "minLength") || has(schema, "maxLength") ||
               known_format(json_string_value(json_object_get(schema, "format")))) {
        walk_string(walk, schema);
    } else {
        check_others(walk, schema, ALL, "");
    }
}

static void walk_typed(struct walk *walk, json_t *schema, unsigned types)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    bool properties = has(schema, "properties") || (additional && !json_is_true(additional));
    switch (types) {
    case OBJECTS:
        if (!properties && has(schema, "allOf")) {
            walk_all_of(walk, schema);
        } else {
            walk_object(walk, schema);
        }
        break;
    case STRINGS:
        if (has(schema, "allOf")) {
            walk_all_of(walk, schema);
        } else {
            walk_string(walk, schema);
        }
        break;
    case ARRAYS:
        walk_array(walk, schema);
        break;
    case INTEGERS:
        walk_integer(walk, schema);
        break;
    case NULLS:
    case BOOLEANS:
    case NUMBERS:
        check_others(walk, schema, types, " type ");
        break;
    default:
        fail_keyword(walk, WEFT_ERR_INVALID, "type",
                     "must be null, boolean, integer, number, string, array or object, or an array of those");
    }
}

/* Once per type that a `type` array names, as the converter does. */
static void walk_type(struct walk *walk, json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    bool several = json_is_array(type);
    bool values = has(schema, "const") || has(schema, "enum");
    size_t count = several ? json_array_size(type) : 1;
    if (count == 0 || count > 7) {
        fail_keyword(walk, WEFT_ERR_INVALID, "type", "must name one to seven types");
        return;
    }
    for (size_t i = 0; i < count && walk->error == 0; i++) {
        const json_t *one = several ? json_array_get(type, i) : type;
        walk->nodes += several ? 1 : 0;
        if (values) {
            walk_values(walk, schema, types_named(schema));
        } else if (one) {
            walk_typed(walk, schema, type_named(json_string_value(one)));
        } else {
            walk_untyped(walk, schema);
        }
    }
}

static void walk_schema(struct walk *walk, json_t *schema)
{
    if (!json_is_object(schema)) {
        fail(walk, WEFT_ERR_INVALID, "the schema has a part that is no object (false allows nothing)");
        return;
    }
    walk->work += walk->path + 16;
    if (++walk->nodes > WEFT_SCHEMA_NODES_MAX || walk->work > WORK_MAX) {
        fail(walk, WEFT_ERR_TOO_LARGE, "the schema is too large: up to 1024 schemas within it, and long paths count");
    } else if (has(schema, "$ref")) {
        walk_ref(walk, schema);
    } else if (has(schema, "oneOf") || has(schema, "anyOf")) {
        walk_alternatives(walk, schema);
    } else {
        walk_type(walk, schema);
    }
}

/* -- whole texts -- */

static int parse(struct weft_slice text, json_t **tree, const char *what, char *problem)
{
    struct weft_json_problem why;
    if (text.size > WEFT_SCHEMA_TEXT_MAX) {
        snprintf(problem, WEFT_SCHEMA_PROBLEM_MAX, "the %s more than 256 KiB long", what);
        return WEFT_ERR_TOO_LARGE;
    }
    int error = weft_json_parse(text, tree, &why);
    if (error != 0) {
        snprintf(problem, WEFT_SCHEMA_PROBLEM_MAX, "the %s not understood: %s", what, why.text);
    }
    return error;
}

static int dump(const json_t *tree, char **out, char *problem)
{
    size_t size = json_dumpb(tree, NULL, 0, JSON_COMPACT);
    char *text = size == 0 ? NULL : weft_alloc(size + 1);
    if (!text || json_dumpb(tree, text, size, JSON_COMPACT) != size) {
        weft_free(text);
        snprintf(problem, WEFT_SCHEMA_PROBLEM_MAX, "out of memory");
        return WEFT_ERR_MEMORY;
    }
    text[size] = '\0';
    *out = text;
    return 0;
}

static void walk_root(struct walk *walk, json_t *root)
{
    walk->root = root;
    walk->ref_count = 0;
    walk->path = 0;
    if (json_is_object(root) && json_object_size(root) == 0) {
        replace(walk, root, "type", json_string("object")); /* any JSON object */
    }
    walk_schema(walk, root);
    /* what stands behind the last node counts as well */
    if (walk->work > WORK_MAX || walk->literals > LITERALS_MAX) {
        fail(walk, WEFT_ERR_TOO_LARGE, "the schema is too large: make its names, patterns or objects smaller");
    }
}

static struct walk *walk_new(bool strict, char *problem)
{
    struct walk *walk = weft_zalloc(sizeof(*walk));
    json_t *dropped = json_array();
    if (!walk || !dropped) {
        json_decref(dropped);
        weft_free(walk);
        return NULL;
    }
    walk->strict = strict;
    walk->problem = problem;
    walk->dropped = dropped;
    return walk;
}

/* Frees both; the text of the tree, if all went well. A walk that is NULL could not be made. */
static int walk_end(struct walk *walk, json_t *root, char **out, char *problem)
{
    int error = WEFT_ERR_MEMORY;
    if (walk) {
        error = walk->error != 0 ? walk->error : dump(root, out, problem);
        json_decref(walk->dropped);
    } else {
        snprintf(problem, WEFT_SCHEMA_PROBLEM_MAX, "out of memory");
    }
    weft_free(walk);
    json_decref(root);
    return error;
}

int weft_schema_prepare(struct weft_slice schema, char **out, char problem[WEFT_SCHEMA_PROBLEM_MAX])
{
    *out = NULL;
    json_t *root;
    int error = parse(schema, &root, "schema is", problem);
    if (error != 0) {
        return error;
    }
    struct walk *walk = walk_new(true, problem);
    if (walk) {
        walk_root(walk, root);
    }
    return walk_end(walk, root, out, problem);
}

static bool name_fits(const json_t *name)
{
    size_t size = json_string_length(name);
    const char *text = json_string_value(name);
    return text && size > 0 && size <= WEFT_SCHEMA_TOOL_NAME_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:") == size;
}

static void walk_tool(struct walk *walk, const json_t *tools, size_t index)
{
    const json_t *tool = json_array_get(tools, index);
    const char *type = json_string_value(json_object_get(tool, "type"));
    json_t *function = json_object_get(tool, "function");
    if (!type || strcmp(type, "function") != 0 || !json_is_object(function)) {
        fail(walk, WEFT_ERR_UNSUPPORTED, "a tool is no function: only tools of type function are known");
        return;
    }
    const json_t *name = json_object_get(function, "name");
    if (!name_fits(name)) {
        fail(walk, WEFT_ERR_INVALID, "a tool's name must be 1 to 64 letters, digits, or any of _ - . :");
        return;
    }
    for (size_t i = 0; i < index; i++) {
        const json_t *other = json_object_get(json_object_get(json_array_get(tools, i), "function"), "name");
        if (json_equal(other, name)) {
            fail(walk, WEFT_ERR_INVALID, "two tools have the same name");
        }
    }
    if (!json_is_string(json_object_get(function, "description"))) {
        json_object_del(function, "description"); /* absent is fine, null is as good */
    }
    json_t *parameters = json_object_get(function, "parameters");
    if (json_is_null(parameters)) {
        json_object_del(function, "parameters");
    } else if (parameters) {
        walk_root(walk, parameters);
    }
}

int weft_schema_prepare_tools(struct weft_slice tools, char **out, char problem[WEFT_SCHEMA_PROBLEM_MAX])
{
    *out = NULL;
    json_t *root;
    int error = parse(tools, &root, "tools are", problem);
    if (error != 0) {
        return error;
    }
    struct walk *walk = walk_new(false, problem);
    size_t count = json_array_size(root);
    if (walk && (count == 0 || count > WEFT_SCHEMA_TOOLS_MAX)) {
        fail(walk, WEFT_ERR_INVALID, "tools must be an array of 1 to 128 functions");
    }
    for (size_t i = 0; walk && i < count && walk->error == 0; i++) {
        walk_tool(walk, root, i);
    }
    return walk_end(walk, root, out, problem);
}
