/* engine/prompt.h - what a model reads before it answers, and what its answer must fit: from a request to ids and a
 * grammar. */
#ifndef WEFT_ENGINE_PROMPT_H
#define WEFT_ENGINE_PROMPT_H

#include "engine/errand.h"

struct weft_prompt {
    struct weft_chat_prompt *chat; /* rendered messages, or a schema's grammar alone; NULL: neither */
    int32_t *tokens;               /* owned, where `ids` are not the request's */
    const int32_t *ids;
    size_t count;
};

/* Each of these refuses the errand where it returns an error, and then leaves nothing in *prompt; the errand is gone.
 * What is made is freed with _deinit. */

/* The request's messages (and tools, and what else a template takes). */
WEFT_MUST_USE int weft_prompt_chat(struct weft_prompt *prompt, struct weft_errand *errand);
WEFT_MUST_USE int weft_prompt_text(struct weft_prompt *prompt, struct weft_errand *errand, struct weft_slice text,
                                   bool begin, bool specials);
/* A text, begun as the model wants it, in which special tokens are meant; or ids as they are. */
WEFT_MUST_USE int weft_prompt_raw(struct weft_prompt *prompt, struct weft_errand *errand,
                                  const struct weft_request_text *given);
/* What the answer must fit, by the request or by the template; its texts live as long as the prompt and the errand. */
WEFT_MUST_USE int weft_prompt_grammar(struct weft_prompt *prompt, struct weft_errand *errand,
                                      struct weft_job_grammar *out);

void weft_prompt_deinit(struct weft_prompt *prompt);

#endif
