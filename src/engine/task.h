/* engine/task.h - a job while it is computed: its answers, and the events that it causes.
 *
 * Everything that its tokens need (samplers, grammars, texts) is made with it, by the service thread, so that the
 * computing thread need not wait for a grammar. What comes from the model comes in from outside: here is no libllama.
 */
#ifndef WEFT_ENGINE_TASK_H
#define WEFT_ENGINE_TASK_H

#include "engine/grammar.h"
#include "engine/outbox.h"
#include "engine/pieces.h"

struct weft_choice {
    struct weft_sampler *sampler;
    struct weft_grammar *grammar; /* NULL: none */
    struct weft_text *text;       /* of generate only */
    uint32_t count;               /* tokens so far, those of a resume included */
};

struct weft_task {
    struct weft_task *next; /* in a queue */
    struct weft_job *job;
    struct weft_choice answers[WEFT_JOB_CHOICES_MAX];
    struct weft_text *echo;   /* of the prompt, if it is wanted */
    float *vector;            /* of embed: the sum of the rows so far */
    uint16_t choices;         /* 1 if not generate */
    uint16_t begun, ended;    /* choices, in order; how many */
    bool read;                /* the first choice has read the whole prompt: others can begin with a copy */
    uint32_t cached, written; /* tokens that were not read again; tokens of all answers */
    weft_time submitted, started, answered, told;
    struct weft_event_batch *last; /* DONE, made with the task: it must come even when memory is out */
    struct weft_event *done;
};

/* What the functions below need beside the task. */
struct weft_task_tools {
    const struct weft_model *model;
    const struct weft_pieces *pieces;
    struct weft_outbox *outbox;
};

/* On error *out is NULL: WEFT_ERR_MEMORY; WEFT_ERR_INVALID or WEFT_ERR_TOO_LARGE if the grammar, a stop string, the
 * biases or what is asked of the prompt is refused; WEFT_ERR_UNSUPPORTED if the model does not do that. */
WEFT_MUST_USE int weft_task_new(struct weft_task **out, struct weft_job *job, const struct weft_model *model,
                                const struct weft_pieces *pieces);
void weft_task_free(struct weft_task *task);

/* Ids that a choice reads: of the prompt, then of what it resumes. */
size_t weft_task_reads(const struct weft_task *task, uint16_t choice);
int32_t weft_task_id(const struct weft_task *task, uint16_t choice, size_t i);
/* From which of these on the model's logits are wanted. */
size_t weft_task_logits_from(const struct weft_task *task, uint16_t choice);
/* Are logits wanted of more than the last one? */
bool weft_task_scores(const struct weft_task *task);

/* The functions that tell: 1 if the choice is complete (its FINISH is told), 0, or WEFT_ERR_*. */

/* What comes before anything is computed: the echo, if it needs no logits; the tokens of a resume. */
WEFT_MUST_USE int weft_task_begin(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice);
/* The next token of a choice, from the logits of the last one. *token is it. */
WEFT_MUST_USE int weft_task_sample(struct weft_task *task, const struct weft_task_tools *tools, uint16_t choice,
                                   const float *logits, int32_t *token);
/* Token `i` of the prompt, if it is echoed, for all choices; `logits` of the one before it, or NULL. */
WEFT_MUST_USE int weft_task_echo(struct weft_task *task, const struct weft_task_tools *tools, size_t i,
                                 const float *logits);
/* Token `i` of what is scored, with the logits of the one before it. */
WEFT_MUST_USE int weft_task_score(struct weft_task *task, const struct weft_task_tools *tools, size_t i,
                                  const float *logits);
/* The vector, of length 1. */
WEFT_MUST_USE int weft_task_vector(struct weft_task *task, const struct weft_task_tools *tools);
/* A sign of life. Nothing depends on it: without memory it is left out. */
void weft_task_progress(struct weft_task *task, const struct weft_task_tools *tools, enum weft_phase phase,
                        uint32_t done, uint32_t total);
/* The last event. The task is the caller's to free, the job is the service's. */
void weft_task_done(struct weft_task *task, struct weft_outbox *outbox, int status, const char *problem, weft_time now);

#endif
