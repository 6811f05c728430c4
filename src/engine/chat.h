/* engine/chat.h - chat templates, tool calls and schemas, by libllama-common: the C face of chat_shim.cpp, the one C++
 * file.
 *
 * No exception leaves it: every function answers with a WEFT_ERR_* and a sentence that holds nothing of the content.
 * A template is a program that came with a model: rendering is bounded by a watchdog (see engine/guard.h). */
#ifndef WEFT_ENGINE_CHAT_H
#define WEFT_ENGINE_CHAT_H

#include "base/types.h"
#include "wire/native.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_CHAT_PROBLEM_MAX 256
#define WEFT_CHAT_CALL_ID_MAX 128 /* a tool call's id and its NUL */

struct llama_model;
struct weft_chat;        /* a model's template; shared by all requests, used by one thread */
struct weft_chat_parser; /* one choice of an answer, being parsed */

/* Once, in main, beside weft_guard_setup(): what C++ throws and nobody catches ends the process by engine/guard.h, and
 * libllama-common, which would quote prompts and answers, says nothing. */
void weft_chat_setup(void);

/* The template of the model, or if it has none (*has_template says) a plain one: a transcript, "User: ...", then
 * "Assistant:", which base models follow best since they have read many; it stops at "\nUser:". Renders a short
 * conversation once, so that a template that does not work is known at load. On error *out is NULL. */
WEFT_MUST_USE int weft_chat_new(struct weft_chat **out, const struct llama_model *model, bool *has_template,
                                char problem[WEFT_CHAT_PROBLEM_MAX]);
void weft_chat_free(struct weft_chat *chat);
/* What its template knows, for /info. */
bool weft_chat_knows_tools(const struct weft_chat *chat);
bool weft_chat_knows_reasoning(const struct weft_chat *chat);

enum weft_tool_choice { WEFT_TOOLS_AUTO, WEFT_TOOLS_NONE, WEFT_TOOLS_REQUIRED };

/* JSON texts are in the OpenAI API's shape; what is empty was not given. */
struct weft_chat_request {
    struct weft_slice messages; /* an array */
    struct weft_slice tools;    /* an array; a forced function comes alone, with WEFT_TOOLS_REQUIRED */
    enum weft_tool_choice tool_choice;
    bool parallel_tool_calls;
    struct weft_slice schema;        /* the answer must fit it: an object; "{}" for any JSON object */
    struct weft_slice grammar;       /* or this GBNF */
    struct weft_slice template_args; /* an object */
    bool continue_final_message;     /* the last message is the beginning of the answer */
    bool reasoning;                  /* let the model think, where its template can */
    int64_t now_s;                   /* for templates that say the date */
};

/* One request, rendered: to be read only. What it points to lives as long as it does. */
struct weft_chat_prompt {
    /* Special tokens are meant, but for those that engine/tokenizer.h marked in the messages; begin-of-text is not in
     * it where the vocabulary adds it. */
    struct weft_slice text;
    struct weft_slice grammar; /* empty: none */
    bool lazy;                 /* the grammar sleeps until one of these, as engine/grammar.h wants them: */
    const char *const *patterns;
    size_t pattern_count;
    const int32_t *tokens;
    size_t token_count;
    /* Tokens that the grammar must have accepted before the answer's first one: the beginning of the assistant's turn,
     * which the template has written into the prompt. None for a lazy grammar, and none for the client's own. */
    const int32_t *prefix;
    size_t prefix_count;
    const struct weft_slice *stops; /* of the template, beside the client's */
    size_t stop_count;
    const int32_t *preserved; /* tokens whose text the parser needs although they are special */
    size_t preserved_count;
    bool parsed; /* false where the answer is shown as it comes: no parser is needed */
};

WEFT_MUST_USE int weft_chat_render(struct weft_chat *chat, const struct weft_chat_request *request,
                                   struct weft_chat_prompt **out, char problem[WEFT_CHAT_PROBLEM_MAX]);
void weft_chat_prompt_free(struct weft_chat_prompt *prompt);

/* A JSON schema alone (for raw prompts), as GBNF; *out is a prompt with a grammar and no text. */
WEFT_MUST_USE int weft_chat_schema(struct weft_slice schema, struct weft_chat_prompt **out,
                                   char problem[WEFT_CHAT_PROBLEM_MAX]);

/* The prompt must outlive its parsers. */
WEFT_MUST_USE int weft_chat_parser_new(struct weft_chat_parser **out, const struct weft_chat_prompt *prompt);
void weft_chat_parser_free(struct weft_chat_parser *parser);

/* Adds text of the answer (whole characters); `final` with the last of it. Deltas are told in order by `told`, as
 * frames of kind WEFT_FRAME_DELTA without their choice; their slices hold during the call. A tool call has its id from
 * `call_id` (called once per tool call, in order; it writes a NUL-terminated text of at most WEFT_CHAT_CALL_ID_MAX).
 * WEFT_ERR_INVALID if the answer has no such shape: what is already told stands. */
struct weft_chat_parser_user {
    int (*told)(void *self, const struct weft_frame *delta);
    void (*call_id)(void *self, uint16_t call, char *id, size_t size);
    void *self;
};
WEFT_MUST_USE int weft_chat_parser_add(struct weft_chat_parser *parser, struct weft_slice text, bool final,
                                       const struct weft_chat_parser_user *user);
/* Tool calls so far. */
size_t weft_chat_parser_calls(const struct weft_chat_parser *parser);

#ifdef __cplusplus
}
#endif

#endif
