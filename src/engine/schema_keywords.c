/* engine/schema_keywords.c - keywords of JSON schemas: which there are, and what may stand where. */
#include "engine/schema_inside.h"

#include <stdio.h>

#include "base/error.h"

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
void weft_walk_fail(struct weft_walk *walk, int error, const char *sentence)
{
    if (walk->error == 0) {
        walk->error = error;
        snprintf(walk->problem, WEFT_SCHEMA_PROBLEM_MAX, "%s", sentence);
    }
}

void weft_walk_fail_keyword(struct weft_walk *walk, int error, const char *keyword, const char *what)
{
    char sentence[WEFT_SCHEMA_PROBLEM_MAX];
    snprintf(sentence, sizeof(sentence), "the schema's '%s' %s", keyword, what);
    weft_walk_fail(walk, error, sentence);
}

/* Tools are not held to what cannot be kept. */
void weft_walk_refuse(struct weft_walk *walk, const char *keyword, const char *what)
{
    if (walk->strict) {
        weft_walk_fail_keyword(walk, WEFT_ERR_UNSUPPORTED, keyword, what);
    }
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
void weft_walk_check_others(struct weft_walk *walk, const json_t *schema, unsigned types, const char *kept)
{
    for (size_t i = 0; i < WEFT_COUNT(keywords) && walk->strict; i++) {
        const json_t *value = json_object_get(schema, keywords[i].name);
        if (!value || (keywords[i].types & types) == 0 || idle(keywords[i].name, value)) {
            continue;
        }
        char word[40];
        snprintf(word, sizeof(word), " %s ", keywords[i].name);
        if (!strstr(kept, word)) {
            weft_walk_refuse(
                walk, keywords[i].name,
                "cannot be kept there, alone or beside what stands with it: leave it out or say it otherwise");
        }
    }
}

/* `fresh` is taken over; NULL says that memory ran out for it. */
void weft_walk_replace(struct weft_walk *walk, json_t *schema, const char *keyword, json_t *fresh)
{
    if (json_object_set_new(schema, keyword, fresh) != 0) {
        weft_walk_fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
}

void weft_walk_drop(struct weft_walk *walk, json_t *schema, const char *keyword)
{
    json_t *value = json_object_get(schema, keyword);
    if (value && (json_array_append(walk->dropped, value) != 0 || json_object_del(schema, keyword) != 0)) {
        weft_walk_fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
}

/* -- types of values -- */

unsigned weft_schema_type_named(const char *name)
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

unsigned weft_schema_type_of(const json_t *value)
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
unsigned weft_schema_types(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    if (!type) {
        return ALL;
    }
    unsigned types = weft_schema_type_named(json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++) {
        types |= weft_schema_type_named(json_string_value(json_array_get(type, i)));
    }
    return types;
}

bool weft_schema_requires(const json_t *schema, const char *name)
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

bool weft_schema_knows_format(const char *format)
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
