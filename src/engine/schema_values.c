/* engine/schema_values.c - schemas of one type: values, integers, strings, arrays, objects. */
#include "engine/schema_inside.h"

#include <math.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/pattern.h"

#define INTEGER_BOUND ((json_int_t)1000000000000000) /* the converter's decimals */

/* -- values -- */

static void add_literal(struct weft_walk *walk, const json_t *value, unsigned types)
{
    walk->literals += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (++walk->values > WEFT_SCHEMA_VALUES_MAX || walk->literals > WEFT_WALK_LITERALS_MAX) {
        weft_walk_fail(walk, WEFT_ERR_TOO_LARGE,
                       "the schema's const and enum have more than 1000 values, or 256 KiB of them");
    }
    if ((weft_schema_type_of(value) & types) == 0) {
        weft_walk_refuse(walk, "enum", "or 'const' has a value that is not of the schema's type");
    }
}

void weft_walk_values(struct weft_walk *walk, json_t *schema, unsigned types)
{
    const json_t *value = json_object_get(schema, "const");
    if (value) {
        weft_walk_check_others(walk, schema, weft_schema_type_of(value), " const type ");
        add_literal(walk, value, types);
        return;
    }
    weft_walk_check_others(walk, schema, ALL, " enum type ");
    const json_t *values = json_object_get(schema, "enum");
    if (json_array_size(values) == 0) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "enum", "must be an array with at least one value");
    }
    for (size_t i = 0; i < json_array_size(values) && walk->error == 0; i++) {
        add_literal(walk, json_array_get(values, i), types);
    }
}

/* A bound of integers that the converter can count with, or gone. */
static void check_bound(struct weft_walk *walk, json_t *schema, const char *keyword)
{
    const json_t *value = json_object_get(schema, keyword);
    if (!value) {
        return;
    }
    if (!json_is_number(value)) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, keyword, "must be a number");
    } else if (!(fabs(json_number_value(value)) < (double)INTEGER_BOUND)) {
        weft_walk_refuse(walk, keyword, "must lie between -1e15 and 1e15");
        weft_walk_drop(walk, schema, keyword);
    }
}

void weft_walk_integer(struct weft_walk *walk, json_t *schema)
{
    static const char *const bounds[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    weft_walk_check_others(walk, schema, INTEGERS, " type minimum maximum exclusiveMinimum exclusiveMaximum ");
    for (size_t i = 0; i < WEFT_COUNT(bounds); i++) {
        check_bound(walk, schema, bounds[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (weft_schema_has(schema, bounds[i]) && weft_schema_has(schema, bounds[i + 2])) {
            weft_walk_refuse(walk, bounds[i + 2], "stands beside the one that is not exclusive: one of them is enough");
        }
    }
    /* the integers that are left */
    double least = weft_schema_has(schema, bounds[0])
                       ? ceil(json_number_value(json_object_get(schema, bounds[0])))
                       : floor(json_number_value(json_object_get(schema, bounds[2]))) + 1;
    double most = weft_schema_has(schema, bounds[1]) ? floor(json_number_value(json_object_get(schema, bounds[1])))
                                                     : ceil(json_number_value(json_object_get(schema, bounds[3]))) - 1;
    bool both = (weft_schema_has(schema, bounds[0]) || weft_schema_has(schema, bounds[2])) &&
                (weft_schema_has(schema, bounds[1]) || weft_schema_has(schema, bounds[3]));
    if (both && least > most) {
        weft_walk_refuse(walk, "minimum", "and 'maximum' leave no integer between them");
        for (size_t i = 0; i < WEFT_COUNT(bounds); i++) {
            weft_walk_drop(walk, schema, bounds[i]);
        }
    }
}

/* Of a keyword that may be absent. */
static bool is_count(const json_t *value)
{
    return !value || (json_is_integer(value) && json_integer_value(value) >= 0);
}

/* minX and maxX: how often. A large maximum is taken as a smaller one, which allows less. */
static void check_counts(struct weft_walk *walk, json_t *schema, const char *least_name, const char *most_name)
{
    const json_t *least = json_object_get(schema, least_name), *most = json_object_get(schema, most_name);
    if (!is_count(least) || !is_count(most)) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, is_count(least) ? most_name : least_name,
                               "must be an integer from 0 on");
        return;
    }
    json_int_t from = json_integer_value(least), to = most ? json_integer_value(most) : from;
    if (from > WEFT_SCHEMA_REPEAT_MAX || to < from) {
        weft_walk_refuse(walk, least_name, "is above 500, or above the maximum");
        weft_walk_drop(walk, schema, least_name);
    }
    if (most && to > WEFT_SCHEMA_REPEAT_MAX) {
        weft_walk_replace(walk, schema, most_name, json_integer(WEFT_SCHEMA_REPEAT_MAX));
    }
}

static void walk_pattern(struct weft_walk *walk, json_t *schema)
{
    weft_walk_check_others(walk, schema, STRINGS, " type pattern ");
    const json_t *pattern = json_object_get(schema, "pattern");
    if (!json_is_string(pattern)) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "pattern", "must be a text");
        return;
    }
    if (!walk->strict) {
        weft_walk_drop(walk, schema, "pattern");
        return;
    }
    char *fresh = weft_alloc(WEFT_PATTERN_RESULT_MAX);
    if (!fresh) {
        weft_walk_fail(walk, WEFT_ERR_MEMORY, "out of memory");
        return;
    }
    int error = weft_pattern_rewrite(weft_slice(json_string_value(pattern), json_string_length(pattern)), fresh);
    if (error == 0) {
        walk->literals += strlen(fresh);
        walk->work += strlen(fresh);
        weft_walk_replace(walk, schema, "pattern", json_string(fresh));
    } else {
        weft_walk_fail_keyword(walk, error, "pattern",
                               error == WEFT_ERR_INVALID ? "is no regular expression"
                               : error == WEFT_ERR_TOO_LARGE
                                   ? "is too large: up to 512 bytes, repetitions up to 256"
                                   : "cannot be kept: no look-around, back references or borders, and "
                                     "only what stands in a JSON string as itself");
    }
    weft_free(fresh);
}

void weft_walk_string(struct weft_walk *walk, json_t *schema)
{
    const char *format = json_string_value(json_object_get(schema, "format"));
    if (weft_schema_has(schema, "pattern")) {
        walk_pattern(walk, schema);
        return;
    }
    if (weft_schema_knows_format(format)) {
        weft_walk_check_others(walk, schema, STRINGS, " type format ");
        return;
    }
    if (format) {
        weft_walk_refuse(walk, "format",
                         "is none of date, time, date-time and uuid: say it by a pattern, or leave it out");
    }
    weft_walk_check_others(walk, schema, STRINGS, " type format minLength maxLength ");
    check_counts(walk, schema, "minLength", "maxLength");
}

void weft_walk_array(struct weft_walk *walk, json_t *schema)
{
    bool prefix = json_is_array(json_object_get(schema, "prefixItems"));
    if (prefix && !json_is_array(json_object_get(schema, "items"))) {
        weft_walk_drop(walk, schema, "items"); /* of what comes behind the tuple: nothing does */
    }
    const char *keyword = weft_schema_has(schema, "items") ? "items" : "prefixItems";
    json_t *items = json_object_get(schema, keyword);
    weft_walk_check_others(walk, schema, ARRAYS,
                           keyword[0] == 'i' ? " type items minItems maxItems "
                                             : " type prefixItems minItems maxItems ");
    check_counts(walk, schema, "minItems", "maxItems");
    walk->level++;
    if (json_is_array(items)) {
        json_int_t count = (json_int_t)json_array_size(items);
        const json_t *most = json_object_get(schema, "maxItems");
        if (count < json_integer_value(json_object_get(schema, "minItems")) ||
            (most && count > json_integer_value(most))) {
            weft_walk_refuse(walk, keyword, "has another number of elements than minItems and maxItems allow");
        }
        for (size_t i = 0; i < json_array_size(items) && walk->error == 0; i++) {
            weft_walk_element(walk, items, i);
        }
    } else if (items) {
        weft_walk_member(walk, schema, keyword);
    }
    walk->level--;
}

/* -- objects -- */

static void check_required(struct weft_walk *walk, const json_t *schema)
{
    const json_t *required = json_object_get(schema, "required"), *properties = json_object_get(schema, "properties");
    if (json_array_size(required) > json_object_size(properties)) {
        weft_walk_refuse(walk, "required", "names a property twice, or one that 'properties' does not have");
    }
    for (size_t i = 0; i < json_array_size(required) && walk->error == 0; i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name || !weft_schema_has(properties, name)) {
            weft_walk_refuse(walk, "required", "names what 'properties' does not have");
        }
    }
}

static void walk_properties(struct weft_walk *walk, json_t *schema, json_t *properties)
{
    size_t optional = 0, names = 0, count = json_object_size(properties);
    if (count > WEFT_SCHEMA_PROPERTIES_MAX) {
        weft_walk_fail_keyword(walk, WEFT_ERR_TOO_LARGE, "properties", "has more than 100 of them");
        return;
    }
    /* Of a copy: a $ref may lead to the properties themselves, and the walk change them. */
    json_t *copy = json_copy(properties);
    if (json_object_size(copy) != count) { /* jansson leaves out what it has no memory for */
        weft_walk_fail(walk, WEFT_ERR_MEMORY, "out of memory");
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
            weft_walk_fail_keyword(walk, WEFT_ERR_TOO_LARGE, "properties", "has a name of more than 128 bytes");
        }
        optional += weft_schema_requires(schema, name) ? 0 : 1;
        names += size;
        size_t path = walk->path;
        walk->path += size + 1;
        weft_walk_member(walk, properties, name);
        walk->path = path;
    }
    json_decref(copy);
    /* a rule for each property, and one for each optional one behind each optional one */
    walk->work += (count + optional * (optional + 1) / 2) * (walk->path + names / (count ? count : 1) + 16);
}

void weft_walk_object(struct weft_walk *walk, json_t *schema)
{
    weft_walk_check_others(walk, schema, OBJECTS, " type properties required additionalProperties ");
    json_t *properties = json_object_get(schema, "properties");
    if (properties && !json_is_object(properties)) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "properties", "must be an object");
        return;
    }
    check_required(walk, schema);
    walk->level++;
    if (json_object_size(properties) > 0) {
        /* The converter's rule for the names of further properties lets broken JSON through; none is allowed too. */
        if (!json_is_false(json_object_get(schema, "additionalProperties"))) {
            weft_walk_drop(walk, schema, "additionalProperties");
        }
        walk_properties(walk, schema, properties);
    } else if (json_is_object(json_object_get(schema, "additionalProperties"))) {
        weft_walk_member(walk, schema, "additionalProperties");
    }
    walk->level--;
}
