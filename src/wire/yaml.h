/* wire/yaml.h - a settings file: one YAML document, from memory, as a flat list of what it says where.
 *
 * A strict part of YAML: mappings, lists and scalars. Anchors, aliases, tags, a key that stands twice and a second
 * document are refused with the line. See docs/decisions/2026-11-21-yaml-with-libyaml.md. */
#ifndef WEFT_WIRE_YAML_H
#define WEFT_WIRE_YAML_H

#include "base/arena.h"
#include "base/types.h"

#define WEFT_YAML_SIZE_MAX    ((size_t)256 * 1024) /* bytes of the file. At this and the next three bounds: refused, */
#define WEFT_YAML_DEPTH_MAX   8                    /* mappings and lists within each other.          and said so.   */
#define WEFT_YAML_ENTRIES_MAX 1024                 /* scalars and empty mappings and lists                           */
#define WEFT_YAML_PATH_MAX    200                  /* bytes of a path                                                */
#define WEFT_YAML_PROBLEM_MAX 320

enum weft_yaml_kind {
    WEFT_YAML_TEXT,       /* a scalar; `text` has it, quotes resolved */
    WEFT_YAML_NOTHING,    /* a key with nothing behind it, or a plain ~ or null */
    WEFT_YAML_EMPTY_LIST, /* [] */
    WEFT_YAML_EMPTY_MAP,  /* {} */
};

struct weft_yaml_entry {
    struct weft_slice path; /* "log.level", "listen[0]"; NUL-terminated behind its size */
    enum weft_yaml_kind kind;
    struct weft_slice text; /* NUL-terminated behind its size; holds no NUL itself */
    unsigned line, column;  /* of the value, from 1 */
};

struct weft_yaml {
    struct weft_yaml_entry *entries; /* in the order of the file */
    size_t count;
};

struct weft_yaml_problem {
    unsigned line, column;            /* from 1; 0 if no place is to blame */
    char text[WEFT_YAML_PROBLEM_MAX]; /* a sentence that begins with the line: "line 3: ..." */
};

/* Decodes `text` into `arena`. An empty document is fine and says nothing. WEFT_ERR_INVALID, WEFT_ERR_TOO_LARGE or
 * WEFT_ERR_MEMORY otherwise, and why in *problem. */
WEFT_MUST_USE int weft_yaml_decode(struct weft_slice text, struct weft_arena *arena, struct weft_yaml *out,
                                   struct weft_yaml_problem *problem);

#endif
