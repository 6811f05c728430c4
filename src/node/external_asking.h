/* node/external_asking.h - what an OpenAI-compatible server is asked: the client's own request, and how an answer that
 * was cut goes on.
 *
 * Pure. Such a server knows no ids, so an answer goes on from its text: the server is given what was delivered as the
 * beginning of its own answer, in the way its kind knows. Where that cannot be said truly, or would not be the same
 * answer, it is not tried. */
#ifndef WEFT_NODE_EXTERNAL_ASKING_H
#define WEFT_NODE_EXTERNAL_ASKING_H

#include "node/openai_request.h"
#include "wire/native.h"

#define WEFT_EXTERNAL_TOLD_MAX ((size_t)16 * 1024 * 1024) /* bytes kept of an answer; a longer one cannot go on */

/* What is known of a server by how it lists its models. */
enum weft_external_kind {
    WEFT_EXTERNAL_OTHER,  /* nothing: what it does with the beginning of an answer is not known */
    WEFT_EXTERNAL_LLAMA,  /* llama-server */
    WEFT_EXTERNAL_VLLM,   /* vLLM or SGLang */
    WEFT_EXTERNAL_OLLAMA, /* Ollama */
};
const char *weft_external_kind_name(enum weft_external_kind kind); /* "llama-server"; "other" */

struct weft_external_asking {
    enum weft_openai_shape shape;
    json_t *body;   /* the client's */
    json_t *prompt; /* in it; of a completion */
    int64_t choices;
    bool echo;

    /* what was delivered so far */
    struct weft_bytes content, reasoning;
    uint32_t tokens;  /* counted by the pieces they came in */
    uint32_t resumed; /* those of them that the last request was told */
    bool begun;
    bool stuck; /* a tool call, a choice that is complete, or more than is kept: it cannot go on from here */
};

/* WEFT_ERR_INVALID, and *error says why, for a request that such a server cannot be asked for us. */
WEFT_MUST_USE int weft_external_asking_check(const struct weft_openai_request *request,
                                             struct weft_openai_error *error);

/* Of a request that was checked; keeps its body alive. */
void weft_external_asking_init(struct weft_external_asking *asking, const struct weft_openai_request *request);
void weft_external_asking_deinit(struct weft_external_asking *asking);

/* A frame that was delivered. */
void weft_external_asking_note(struct weft_external_asking *asking, const struct weft_frame *frame);

/* May the answer go on, if it is cut now? Always, as long as nothing was delivered. */
bool weft_external_asking_can_resume(const struct weft_external_asking *asking, enum weft_external_kind kind);

/* Appends the body of the next request: the whole answer, or what is still to come of it. `model` is what the server
 * calls it. WEFT_ERR_UNSUPPORTED where it cannot go on; WEFT_ERR_MEMORY. */
WEFT_MUST_USE int weft_external_asking_write(struct weft_external_asking *asking, enum weft_external_kind kind,
                                             struct weft_slice model, struct weft_bytes *out);

/* The usage that the last request was told, as that of the whole answer: what an earlier one delivered was its prompt.
 */
void weft_external_asking_usage(const struct weft_external_asking *asking, struct weft_frame *usage);

#endif
