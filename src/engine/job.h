/* engine/job.h - what the service thread asks of the computing thread, and what comes back.
 *
 * A job is the service's until it is submitted and again after its last event; in between only `cancelled` may be
 * touched. Events come in batches, in order, one batch per step of the computing thread. */
#ifndef WEFT_ENGINE_JOB_H
#define WEFT_ENGINE_JOB_H

#include <stdatomic.h>

#include "base/arena.h"
#include "engine/sampler.h"
#include "engine/text.h"
#include "wire/native.h"

#define WEFT_JOB_CHOICES_MAX 16
#define WEFT_JOBS_MAX        256             /* submitted and not done; then WEFT_ERR_FULL: the client gets 503 */
#define WEFT_SCORE_MAX       ((size_t)32768) /* ids of one /score */

enum weft_job_kind { WEFT_JOB_GENERATE, WEFT_JOB_SCORE, WEFT_JOB_EMBED };

/* How the answer is constrained; texts live in the job's arena. */
struct weft_job_grammar {
    const char *text; /* NULL: none */
    bool lazy;
    const char *const *patterns;
    size_t pattern_count;
    const int32_t *tokens;
    size_t token_count;
    const int32_t *prefix; /* accepted before the answer's first token: the template wrote them into the prompt */
    size_t prefix_count;
};

struct weft_job {
    enum weft_job_kind kind;
    atomic_bool cancelled;
    struct weft_arena arena;
    const int32_t *prompt; /* ids */
    size_t prompt_count;
    struct weft_sampling sampling;
    uint64_t seed; /* of choice 0; choice i has seed + i */
    struct weft_job_grammar grammar;

    /* generate */
    uint16_t choices;
    uint32_t max_tokens; /* per choice, those of a resume included; 0 only with echo */
    const struct weft_slice *stops;
    size_t stop_count;
    const int32_t *preserved; /* special tokens whose text is wanted */
    size_t preserved_count;
    int32_t logprobs; /* -1: none; else how many alternatives */
    bool echo;        /* the prompt's tokens come first, as events with `prompt` set */
    bool ignore_end;  /* benches and tests: the end token is never chosen */
    struct {
        const int32_t *ids;
        size_t count;
    } resume[WEFT_JOB_CHOICES_MAX]; /* ids that were already delivered: read, not sampled, and not told again; but
                                       their text events come, marked `replayed`, so that a parser can follow */

    /* score: prompt[from..] is scored under `sampling` and `seed`; position 0 is prompt[from] */
    size_t from;

    /* for the service */
    void *owner;
};

enum weft_event_kind {
    WEFT_EVENT_PROGRESS, /* waiting or prefill: about once a second, and when a phase begins */
    WEFT_EVENT_TOKEN,
    WEFT_EVENT_FINISH, /* of one choice: right behind its last token, in the same batch */
    WEFT_EVENT_SCORE,  /* one position */
    WEFT_EVENT_VECTOR, /* an embedding */
    WEFT_EVENT_DONE,   /* the last of a job: `status` 0 or WEFT_ERR_*; the job is the service's again */
};

/* Lives in its batch's arena. */
struct weft_event {
    struct weft_event *next;
    struct weft_job *job;
    enum weft_event_kind kind;
    uint16_t choice;
    union {
        struct {
            uint32_t id;
            bool prompt, replayed, has_logprob;
            float logprob;
            struct weft_slice bytes; /* the token's */
            struct weft_slice shown; /* what of the text became showable with it */
            struct weft_logprob *top;
            uint8_t top_count;
        } token;
        struct {
            enum weft_finish reason;
            struct weft_slice stop;
        } finish;
        struct {
            enum weft_phase phase;
            uint32_t done, total;
        } progress;
        struct {
            uint32_t position;
            struct weft_margin margin;
            int32_t rank;
            float logprob;
        } score;
        struct {
            const float *at;
            size_t count;
        } vector;
        struct {
            int status;
            const char *problem; /* a fixed sentence, or NULL */
            uint32_t prompt_tokens, cached_tokens, completion_tokens;
            uint64_t waited_us, prefill_us, decode_us;
        } done;
    };
};

struct weft_event_batch {
    struct weft_event_batch *next;
    struct weft_arena arena;
    struct weft_event *first;
};

#endif
