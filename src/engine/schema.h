/* engine/schema.h - JSON schemas that an answer can be held to: which they are, and in which words libllama-common
 * understands them rightly.
 *
 * Its converter to a grammar passes over what it does not know, and some of what it takes costs without bound. So a
 * schema is walked first as the converter will walk it: what could not be kept is refused by the name of its keyword,
 * the work is bounded, and what it would get wrong is said in other words. What comes out may allow less than the
 * schema, never more: an answer that fits the grammar fits the schema. */
#ifndef WEFT_ENGINE_SCHEMA_H
#define WEFT_ENGINE_SCHEMA_H

#include "base/types.h"

#define WEFT_SCHEMA_PROBLEM_MAX    256
#define WEFT_SCHEMA_TEXT_MAX       ((size_t)256 * 1024) /* of one schema, or of all tools of a request */
#define WEFT_SCHEMA_NODES_MAX      1024                 /* schemas within a schema, counted as often as they are used */
#define WEFT_SCHEMA_PROPERTIES_MAX 100                  /* of one object: the grammar grows with its square */
#define WEFT_SCHEMA_VALUES_MAX     1000                 /* of all enums together */
#define WEFT_SCHEMA_REPEAT_MAX     500 /* a larger maxItems or maxLength is taken as this, a larger minimum refused */
#define WEFT_SCHEMA_NAME_MAX       128 /* bytes of a property's name */
#define WEFT_SCHEMA_TOOLS_MAX      128
#define WEFT_SCHEMA_TOOL_NAME_MAX  64

#ifdef __cplusplus
extern "C" {
#endif

/* *out is the schema as the converter shall have it, with a NUL behind it; the caller's, from base/mem.
 * WEFT_ERR_UNSUPPORTED for a keyword that cannot be kept, WEFT_ERR_INVALID for what is no schema, WEFT_ERR_TOO_LARGE,
 * WEFT_ERR_MEMORY; then *out is NULL and `problem` a sentence that holds nothing of the schema but keywords. */
WEFT_MUST_USE int weft_schema_prepare(struct weft_slice schema, char **out, char problem[WEFT_SCHEMA_PROBLEM_MAX]);

/* The same for an array of tools (the OpenAI API's shape). Arguments are the model's best effort, so a constraint that
 * cannot be kept is no reason to refuse a tool: it stays what the model is told. What would cost without bound is
 * refused or, where that changes little, left out. */
WEFT_MUST_USE int weft_schema_prepare_tools(struct weft_slice tools, char **out, char problem[WEFT_SCHEMA_PROBLEM_MAX]);

#ifdef __cplusplus
}
#endif

#endif
