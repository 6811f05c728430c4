/* node/openai_request.h - what a client of OpenAI's API asks: read, checked, and said again for an engine.
 *
 * Pure: the text of a body comes in, a checked request comes out, and from that the body of POST /generate
 * (docs/ENGINE.md). One table (openai_request.c) has a row per parameter: what it may be, whether it is honoured,
 * refused or passed over; docs/API.md tells clients the same. */
#ifndef WEFT_NODE_OPENAI_REQUEST_H
#define WEFT_NODE_OPENAI_REQUEST_H

#include "node/openai_error.h"
#include "wire/json.h"

#define WEFT_OPENAI_CHOICES_MAX       16
#define WEFT_OPENAI_MESSAGES_MAX      4096
#define WEFT_OPENAI_TOOLS_MAX         128
#define WEFT_OPENAI_TOOL_NAME_MAX     64
#define WEFT_OPENAI_STOPS_MAX         16
#define WEFT_OPENAI_STOP_MAX          1024 /* bytes of one */
#define WEFT_OPENAI_BIAS_MAX          1024
#define WEFT_OPENAI_GRAMMAR_MAX       ((size_t)1024 * 1024)
#define WEFT_OPENAI_COMPLETION_TOKENS 16 /* of a completion that does not say: as OpenAI has it */

enum weft_openai_shape {
    WEFT_OPENAI_CHAT,       /* POST /v1/chat/completions */
    WEFT_OPENAI_COMPLETION, /* POST /v1/completions */
};

enum weft_openai_tools { WEFT_OPENAI_TOOLS_AUTO, WEFT_OPENAI_TOOLS_NONE, WEFT_OPENAI_TOOLS_REQUIRED };

/* Values of JSON are in `body`. Numbers that may be missing are NaN or -1 where they are; see each. */
struct weft_openai_request {
    enum weft_openai_shape shape;
    json_t *body;
    struct weft_slice model;             /* empty: none was named */
    json_t *messages;                    /* of a chat */
    json_t *prompt;                      /* of a completion: a text, or an array of ids */
    json_t *tools;                       /* NULL: none */
    bool allowed[WEFT_OPENAI_TOOLS_MAX]; /* which of them, by place */
    enum weft_openai_tools tool_choice;
    bool parallel_tool_calls;
    json_t *schema;            /* an object, or NULL */
    bool any_object;           /* the answer is any JSON object */
    struct weft_slice grammar; /* empty: none */
    json_t *template_args;     /* an object, or NULL */
    struct weft_slice effort;  /* of reasoning; empty: not said */
    bool no_reasoning, continue_final_message;
    bool stream, include_usage;
    int64_t choices;
    int64_t max_tokens; /* -1: until the context is full */
    json_t *stop;       /* a text or an array, or NULL */
    bool has_seed;
    int64_t seed;
    double temperature, top_p, min_p, repeat_penalty, frequency_penalty, presence_penalty; /* NaN: not said */
    int64_t top_k, penalty_last_n;                                                         /* -2: not said */
    json_t *logit_bias;                                                                    /* an object, or NULL */
    int64_t logprobs;                                                                      /* -1: none */
    bool echo, ignore_end;

    /* of the reading */
    bool wants_logprobs, keeps_open; /* logprobs and add_generation_prompt:false, as a chat says them */
    int64_t top_logprobs, best_of;   /* -1: not said */
    int64_t max_completion_tokens;   /* -1: not said */
    json_t *chosen;                  /* tool_choice; NULL: not said */
    json_t *stream_options;
};

/* Reads and checks. WEFT_ERR_INVALID, and *error says why; WEFT_ERR_MEMORY. On error *request is as _deinit leaves it.
 */
WEFT_MUST_USE int weft_openai_request_init(struct weft_openai_request *request, enum weft_openai_shape shape,
                                           struct weft_slice text, struct weft_openai_error *error);
void weft_openai_request_deinit(struct weft_openai_request *request);

#endif
