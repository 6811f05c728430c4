/* engine/schema_compose.c - schemas made of others: $ref, anyOf, oneOf, allOf. */
#include "engine/schema_inside.h"

#include "base/error.h"

#define REF_MAX    256 /* bytes of a $ref */
#define ONE_OF_MAX 32

/* -- references -- */

/* What a $ref points to, as the converter finds it: no escapes are decoded. */
static json_t *resolve(const struct weft_walk *walk, const char *ref)
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
static json_t *resolve_all(const struct weft_walk *walk, json_t *schema)
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

void weft_walk_ref(struct weft_walk *walk, json_t *schema)
{
    weft_walk_check_others(walk, schema, ALL, " $ref ");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    json_t *target = ref ? resolve(walk, ref) : NULL;
    if (!target) {
        weft_walk_fail_keyword(
            walk, WEFT_ERR_UNSUPPORTED, "$ref",
            "leads nowhere: it must be a path within this schema, such as #/$defs/name, without ~ and %");
        return;
    }
    for (size_t i = 0; i < walk->ref_count; i++) {
        if (strcmp(walk->refs[i].text, ref) == 0) {
            if (walk->refs[i].open && walk->refs[i].level == walk->level) {
                weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, "$ref", "comes back to itself with nothing between");
            }
            return;
        }
    }
    if (walk->ref_count == WEFT_SCHEMA_NODES_MAX) { /* each has a node of its own, so that is counted before */
        weft_walk_fail(walk, WEFT_ERR_TOO_LARGE, "the schema is too large");
        return;
    }
    struct weft_seen_ref *seen = &walk->refs[walk->ref_count++];
    *seen = (struct weft_seen_ref){.text = ref, .level = walk->level, .open = true};
    size_t path = walk->path;
    walk->path = strlen(ref);
    weft_walk_schema(walk, target);
    walk->path = path;
    seen->open = false;
}

/* -- alternatives -- */

static unsigned types_possible(const struct weft_walk *walk, json_t *schema)
{
    schema = resolve_all(walk, schema);
    if (!schema || !json_is_object(schema)) {
        return ALL;
    }
    const json_t *value = json_object_get(schema, "const");
    const json_t *values = json_object_get(schema, "enum");
    unsigned types = value ? weft_schema_type_of(value) : 0;
    for (size_t i = 0; i < json_array_size(values); i++) {
        types |= weft_schema_type_of(json_array_get(values, i));
    }
    if (types == 0 && !weft_schema_has(schema, "type") && weft_schema_has(schema, "properties")) {
        types = OBJECTS; /* which is all that the converter makes of it */
    }
    return types != 0 ? types : weft_schema_types(schema);
}

/* The i-th value that a const or enum allows, or NULL. */
static json_t *value_allowed(const json_t *schema, size_t i)
{
    json_t *value = json_object_get(schema, "const");
    return value ? (i == 0 ? value : NULL) : json_array_get(json_object_get(schema, "enum"), i);
}

/* No value is allowed by both, as far as const and enum say. */
static bool values_apart(const struct weft_walk *walk, json_t *a, json_t *b)
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
static bool apart(const struct weft_walk *walk, json_t *a, json_t *b)
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
        if (other && weft_schema_requires(a, name) && weft_schema_requires(b, name) &&
            values_apart(walk, property, other)) {
            return true;
        }
    }
    return false;
}

/* The converter takes oneOf as anyOf, so its branches must exclude each other. */
static void check_one_of(struct weft_walk *walk, const json_t *branches)
{
    size_t count = json_array_size(branches);
    if (count > ONE_OF_MAX && walk->strict) {
        weft_walk_fail_keyword(walk, WEFT_ERR_TOO_LARGE, "oneOf", "has more than 32 branches");
        return;
    }
    for (size_t i = 0; i < count && walk->strict; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!apart(walk, json_array_get(branches, i), json_array_get(branches, k))) {
                weft_walk_refuse(
                    walk, "oneOf",
                    "has branches that one answer might fit both: say anyOf, or tell them apart by their types or by "
                    "a required property with a const");
                return;
            }
        }
    }
}

static void walk_list(struct weft_walk *walk, json_t *schema, const char *keyword)
{
    json_t *list = json_object_get(schema, keyword);
    if (json_array_size(list) == 0) {
        weft_walk_fail_keyword(walk, WEFT_ERR_INVALID, keyword, "must be an array with at least one schema");
    }
    for (size_t i = 0; i < json_array_size(list) && walk->error == 0; i++) {
        weft_walk_element(walk, list, i);
    }
}

void weft_walk_alternatives(struct weft_walk *walk, json_t *schema)
{
    bool one = weft_schema_has(schema, "oneOf");
    weft_walk_check_others(walk, schema, ALL, one ? " oneOf " : " anyOf ");
    walk_list(walk, schema, one ? "oneOf" : "anyOf");
    if (one && walk->error == 0) { /* behind the walk: it bounds the values that are compared here, each with each */
        check_one_of(walk, json_object_get(schema, "oneOf"));
    }
}

/* -- allOf -- */

/* A lone part is the schema itself. */
static bool merge_all_of(struct weft_walk *walk, json_t *schema)
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
        if (weft_schema_has(schema, name) &&
            (strcmp(name, "allOf") == 0 || !json_equal(json_object_get(schema, name), value)) &&
            strcmp(name, "description") != 0 && strcmp(name, "title") != 0) {
            return false;
        }
    }
    weft_walk_drop(walk, schema, "allOf");
    json_object_foreach(part, name, value)
    {
        if (!weft_schema_has(schema, name)) {
            weft_walk_replace(walk, schema, name, json_incref(value));
        }
    }
    return true;
}

/* The converter joins the properties of objects, and passes over all else. */
static void check_part(struct weft_walk *walk, const json_t *parts, size_t index)
{
    const json_t *part = resolve_all(walk, json_array_get(parts, index));
    weft_walk_check_others(walk, part, OBJECTS, " type properties required ");
    const json_t *own = json_object_get(part, "properties");
    if (!json_is_object(own) || json_object_size(own) == 0 || (weft_schema_types(part) & OBJECTS) == 0) {
        weft_walk_refuse(walk, "allOf", "has a part that is no object with properties: only those can be joined");
        return;
    }
    const json_t *required = json_object_get(part, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name || !weft_schema_has(own, name)) {
            weft_walk_refuse(walk, "allOf", "has a part that requires a property of another part");
        }
    }
    for (size_t i = 0; i < index; i++) {
        json_t *other = resolve_all(walk, json_array_get(parts, i));
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(other, "properties"), name, value)
        {
            if (weft_schema_has(own, name)) {
                weft_walk_refuse(walk, "allOf", "has one property in two of its parts");
            }
        }
    }
}

void weft_walk_all_of(struct weft_walk *walk, json_t *schema)
{
    if (merge_all_of(walk, schema)) {
        if (walk->error == 0) {
            weft_walk_schema(walk, schema);
        }
        return;
    }
    weft_walk_check_others(walk, schema, ALL, " allOf type ");
    if ((weft_schema_types(schema) & OBJECTS) == 0) {
        weft_walk_refuse(walk, "allOf", "stands beside another type than object");
    }
    const json_t *parts = json_object_get(schema, "allOf");
    walk_list(walk, schema, "allOf");
    for (size_t i = 0; i < json_array_size(parts) && walk->strict && walk->error == 0; i++) {
        check_part(walk, parts, i);
    }
}
