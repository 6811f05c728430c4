/* engine/schema.c - JSON schemas that an answer can be held to.
 *
 * The walk mirrors libllama-common's converter (json-schema.cpp): the same keyword decides what a schema is, a `type`
 * array is walked once per type, a $ref once per spelling. So what the walk counts is what the converter will do. */
#include "engine/schema.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/schema_inside.h"

/* Bytes of rule names that the converter will go over: some 100 ns each. */
#define WORK_MAX ((size_t)4 * 1000 * 1000)

/* -- what a schema is -- */

/* A schema within a schema; `true` is said as {}. */
void weft_walk_element(struct weft_walk *walk, json_t *array, size_t index)
{
    if (json_is_true(json_array_get(array, index)) && json_array_set_new(array, index, json_object()) != 0) {
        weft_walk_fail(walk, WEFT_ERR_MEMORY, "out of memory");
    }
    weft_walk_schema(walk, json_array_get(array, index));
}

void weft_walk_member(struct weft_walk *walk, json_t *object, const char *name)
{
    if (json_is_true(json_object_get(object, name))) {
        weft_walk_replace(walk, object, name, json_object());
    }
    weft_walk_schema(walk, json_object_get(object, name));
}

static void walk_untyped(struct weft_walk *walk, json_t *schema)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    if (weft_schema_has(schema, "properties") || (additional && !json_is_true(additional))) {
        weft_walk_object(walk, schema);
    } else if (weft_schema_has(schema, "allOf")) {
        weft_walk_all_of(walk, schema);
    } else if (weft_schema_has(schema, "items") || weft_schema_has(schema, "prefixItems")) {
        weft_walk_array(walk, schema);
    } else if (weft_schema_has(schema, "pattern") || weft_schema_has(schema, "minLength") ||
               weft_schema_has(schema, "maxLength") ||
               weft_schema_knows_format(json_string_value(json_object_get(schema, "format")))) {
        weft_walk_string(walk, schema);
    } else {
        weft_walk_check_others(walk, schema, ALL, "");
    }
}

static void walk_typed(struct weft_walk *walk, json_t *schema, unsigned types)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    bool properties = weft_schema_has(schema, "properties") || (additional && !json_is_true(additional));
    switch (types) {
    case OBJECTS:
        if (!properties && weft_schema_has(schema, "allOf")) {
            weft_walk_all_of(walk, schema);
        } else {
            weft_walk_object(walk, schema);
        }
        break;
    case STRINGS:
        if (weft_schema_has(schema, "allOf")) {
            weft_walk_all_of(walk, schema);
        } else {
            weft_walk_string(walk, schema);
        }
        break;
    case ARRAYS:
        weft_walk_array(walk, schema);
        break;
    case INTEGERS:
        weft_walk_integer(walk, schema);
        break;
    case NULLS:
    case BOOLEANS:
    case NUMBERS:
        weft_walk_check_others(walk, schema, types, " type ");
        break;
    default:
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "type",
                               "must be null, boolean, integer, number, string, array or object, or an array of those");
    }
}

/* Once per type that a `type` array names, as the converter does. */
static void walk_type(struct weft_walk *walk, json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    bool several = json_is_array(type);
    bool values = weft_schema_has(schema, "const") || weft_schema_has(schema, "enum");
    size_t count = several ? json_array_size(type) : 1;
    if (count == 0 || count > 7) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "type", "must name one to seven types");
        return;
    }
    for (size_t i = 0; i < count && walk->error == 0; i++) {
        const json_t *one = several ? json_array_get(type, i) : type;
        walk->nodes += several ? 1 : 0;
        if (values) {
            weft_walk_values(walk, schema, weft_schema_types(schema));
        } else if (one) {
            walk_typed(walk, schema, weft_schema_type_named(json_string_value(one)));
        } else {
            walk_untyped(walk, schema);
        }
    }
}

void weft_walk_schema(struct weft_walk *walk, json_t *schema)
{
    if (!json_is_object(schema)) {
        weft_walk_fail(walk, WEFT_ERR_INVALID, "the schema has a part that is no object (false allows nothing)");
        return;
    }
    walk->work += walk->path + 16;
    if (++walk->nodes > WEFT_SCHEMA_NODES_MAX || walk->work > WORK_MAX) {
        weft_walk_fail(walk, WEFT_ERR_TOO_LARGE,
                       "the schema is too large: up to 1024 schemas within it, and long paths count");
    } else if (weft_schema_has(schema, "$ref")) {
        weft_walk_ref(walk, schema);
    } else if (weft_schema_has(schema, "oneOf") || weft_schema_has(schema, "anyOf")) {
        weft_walk_alternatives(walk, schema);
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

static void walk_root(struct weft_walk *walk, json_t *root)
{
    walk->root = root;
    walk->ref_count = 0;
    walk->path = 0;
    if (json_is_object(root) && json_object_size(root) == 0) {
        weft_walk_replace(walk, root, "type", json_string("object")); /* any JSON object */
    }
    weft_walk_schema(walk, root);
    /* what stands behind the last node counts as well */
    if (walk->work > WORK_MAX || walk->literals > WEFT_WALK_LITERALS_MAX) {
        weft_walk_fail(walk, WEFT_ERR_TOO_LARGE,
                       "the schema is too large: make its names, patterns or objects smaller");
    }
}

static struct weft_walk *walk_new(bool strict, char *problem)
{
    struct weft_walk *walk = weft_zalloc(sizeof(*walk));
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
static int walk_end(struct weft_walk *walk, json_t *root, char **out, char *problem)
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
    struct weft_walk *walk = walk_new(true, problem);
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

static void walk_tool(struct weft_walk *walk, const json_t *tools, size_t index)
{
    const json_t *tool = json_array_get(tools, index);
    const char *type = json_string_value(json_object_get(tool, "type"));
    json_t *function = json_object_get(tool, "function");
    if (!type || strcmp(type, "function") != 0 || !json_is_object(function)) {
        weft_walk_fail(walk, WEFT_ERR_UNSUPPORTED, "a tool is no function: only tools of type function are known");
        return;
    }
    const json_t *name = json_object_get(function, "name");
    if (!name_fits(name)) {
        weft_walk_fail(walk, WEFT_ERR_INVALID, "a tool's name must be 1 to 64 letters, digits, or any of _ - . :");
        return;
    }
    for (size_t i = 0; i < index; i++) {
        const json_t *other = json_object_get(json_object_get(json_array_get(tools, i), "function"), "name");
        if (json_equal(other, name)) {
            weft_walk_fail(walk, WEFT_ERR_INVALID, "two tools have the same name");
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
    struct weft_walk *walk = walk_new(false, problem);
    size_t count = json_array_size(root);
    if (walk && (count == 0 || count > WEFT_SCHEMA_TOOLS_MAX)) {
        weft_walk_fail(walk, WEFT_ERR_INVALID, "tools must be an array of 1 to 128 functions");
    }
    for (size_t i = 0; walk && i < count && walk->error == 0; i++) {
        walk_tool(walk, root, i);
    }
    return walk_end(walk, root, out, problem);
}
