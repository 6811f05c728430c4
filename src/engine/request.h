/* engine/request.h - what the node asks of the engine: JSON bodies, checked, as plain structs.
 *
 * docs/ENGINE.md has the members. The node is the only caller, so what this file does not know is refused too: a
 * misspelt member must not be silent. */
#ifndef WEFT_ENGINE_REQUEST_H
#define WEFT_ENGINE_REQUEST_H

#include "base/arena.h"
#include "engine/chat.h"
#include "engine/job.h"

#define WEFT_REQUEST_PROBLEM_MAX 160
#define WEFT_REQUEST_INPUTS_MAX  2048 /* of one /embed */
#define WEFT_REQUEST_STOPS_MAX   16
#define WEFT_REQUEST_CALL_ID_MAX 64 /* bytes of `call_ids` */

enum weft_request_kind {
    WEFT_REQUEST_GENERATE,
    WEFT_REQUEST_SCORE,
    WEFT_REQUEST_EMBED,
    WEFT_REQUEST_TOKENIZE,
    WEFT_REQUEST_DETOKENIZE,
    WEFT_REQUEST_THREADS,
};

/* A text, or ids; ids are within the vocabulary. */
struct weft_request_text {
    struct weft_slice text; /* UTF-8; data is NULL where ids were given */
    const int32_t *ids;
    size_t count;
};

/* What a member's absence means is in its place already: `max_tokens` is UINT32_MAX, the penalties see
 * WEFT_SAMPLER_HISTORY_MAX tokens, filters are off, temperature is 1. Members that a kind does not have keep the same.
 */
struct weft_request {
    enum weft_request_kind kind;

    /* generate and tokenize: chat.messages is not empty, or else the prompt is in `prompt`. The schema and grammar of
     * raw prompts and of /score are in `chat` too. `chat.reasoning` is true unless it was turned off. */
    struct weft_chat_request chat;
    struct weft_request_text prompt; /* generate; the text of tokenize; the ids of score and detokenize */
    bool special, begin;             /* tokenize: special tokens are meant; begin-of-text comes first */

    struct weft_request_text *inputs; /* embed */
    size_t input_count;

    /* as in struct weft_job */
    struct weft_sampling sampling;
    uint64_t seed; /* the bits of the 64-bit integer that was given */
    uint16_t choices;
    uint32_t max_tokens;
    const struct weft_slice *stops;
    size_t stop_count;
    int32_t logprobs; /* -1: none */
    bool echo, ignore_end;
    struct weft_request_text resume[WEFT_JOB_CHOICES_MAX]; /* ids */
    bool resumes;
    struct weft_slice call_ids; /* empty: none was given */
    size_t from;                /* score: the first of prompt.ids that is scored; at least 1, below prompt.count */
    int32_t threads;            /* threads: 1 to WEFT_ENGINE_THREADS_MAX */
};

/* Reads and checks a body. Everything *out points to lives in `arena`; texts there have a NUL behind them. `vocabulary`
 * is how many ids there are. WEFT_ERR_INVALID (and WEFT_ERR_TOO_LARGE, where a named limit was passed) with a sentence
 * that names the member, and holds nothing of its value; WEFT_ERR_UNSUPPORTED, with one that names none: a member that
 * no version up to this one has; WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_request_read(enum weft_request_kind kind, struct weft_slice body, int32_t vocabulary,
                                    struct weft_arena *arena, struct weft_request *out,
                                    char problem[WEFT_REQUEST_PROBLEM_MAX]);

#endif
