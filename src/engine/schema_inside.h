/* engine/schema_inside.h - the walk over a schema, as the files that do it share it. */
#ifndef WEFT_ENGINE_SCHEMA_INSIDE_H
#define WEFT_ENGINE_SCHEMA_INSIDE_H

#include "engine/schema.h"
#include "wire/json.h"

/* Types of values, as bits. */
enum weft_schema_type { NULLS = 1, BOOLEANS = 2, INTEGERS = 4, FRACTIONS = 8, STRINGS = 16, ARRAYS = 32, OBJECTS = 64 };
#define NUMBERS (INTEGERS | FRACTIONS)
#define ALL     (NULLS | BOOLEANS | NUMBERS | STRINGS | ARRAYS | OBJECTS)

/* Bytes of const, enum and patterns in the grammar. */
#define WEFT_WALK_LITERALS_MAX ((size_t)256 * 1024)

struct weft_seen_ref {
    const char *text;
    unsigned level; /* where it was met */
    bool open;      /* being walked */
};

struct weft_walk {
    json_t *root;
    bool strict; /* for answers; tools are best effort */
    int error;   /* the first one sticks */
    char *problem;
    size_t nodes, values, literals, work;
    size_t path;    /* bytes of the rule's name, about */
    unsigned level; /* arrays and objects of the answer around it */
    struct weft_seen_ref refs[WEFT_SCHEMA_NODES_MAX];
    size_t ref_count;
    json_t *dropped; /* what was taken out: a walk that is not over may stand in it, by way of a $ref */
};

static inline bool weft_schema_has(const json_t *schema, const char *keyword)
{
    return json_object_get(schema, keyword);
}

/* -- schema_keywords.c: what may stand where -- */

void weft_walk_fail(struct weft_walk *walk, int error, const char *sentence);
void weft_walk_fail_keyword(struct weft_walk *walk, int error, const char *keyword, const char *what);
/* Only where the answer is held to the schema. */
void weft_walk_refuse(struct weft_walk *walk, const char *keyword, const char *what);
/* Every keyword that constrains `types` is among the `kept` ones (a list with a space around each), or is refused. */
void weft_walk_check_others(struct weft_walk *walk, const json_t *schema, unsigned types, const char *kept);
/* `fresh` is taken over; NULL says that memory ran out for it. */
void weft_walk_replace(struct weft_walk *walk, json_t *schema, const char *keyword, json_t *fresh);
void weft_walk_drop(struct weft_walk *walk, json_t *schema, const char *keyword);
unsigned weft_schema_type_named(const char *name); /* 0 if it is none */
unsigned weft_schema_type_of(const json_t *value);
unsigned weft_schema_types(const json_t *schema); /* those that `type` names; ALL if it is not there */
bool weft_schema_requires(const json_t *schema, const char *name);
bool weft_schema_knows_format(const char *format);

/* -- schema_compose.c: $ref, anyOf, oneOf, allOf -- */

void weft_walk_ref(struct weft_walk *walk, json_t *schema);
void weft_walk_alternatives(struct weft_walk *walk, json_t *schema);
void weft_walk_all_of(struct weft_walk *walk, json_t *schema);

/* -- schema_values.c: one type each -- */

void weft_walk_values(struct weft_walk *walk, json_t *schema, unsigned types); /* const, enum */
void weft_walk_integer(struct weft_walk *walk, json_t *schema);
void weft_walk_string(struct weft_walk *walk, json_t *schema);
void weft_walk_array(struct weft_walk *walk, json_t *schema);
void weft_walk_object(struct weft_walk *walk, json_t *schema);

/* -- schema.c -- */

void weft_walk_schema(struct weft_walk *walk, json_t *schema);
/* A schema within a schema; `true` is said as {}. */
void weft_walk_element(struct weft_walk *walk, json_t *array, size_t index);
void weft_walk_member(struct weft_walk *walk, json_t *object, const char *name);

#endif
