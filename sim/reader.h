/* sim/reader.h - a client that asks a model, reads its answer to the end, and knows what it must be.
 *
 * One request of OpenAI's API over HTTP/1.1. What it hears is read by jansson and a few lines of its own, and compared
 * with what sim/script.h has for that request: every text, every log probability, every count. */
#ifndef WEFT_SIM_READER_H
#define WEFT_SIM_READER_H

#include "sim/raw.h"
#include "sim/scenario.h"
#include "sim/script.h"

#define WEFT_READER_MODEL    "Played-1B"
#define WEFT_READER_BODY_MAX 1024
#define WEFT_READER_CODE_MAX 64

enum weft_reader_kind {
    WEFT_READER_CHAT,       /* that thinks first */
    WEFT_READER_COMPLETION, /* with its prompt echoed, cut by its own limit now and then */
    WEFT_READER_TOOLS,      /* two calls */
    WEFT_READER_SCHEMA,
    WEFT_READER_CHOICES, /* two of them */
    WEFT_READER_LOGPROBS,
    WEFT_READER_STOP,  /* ended by a stop string */
    WEFT_READER_WHOLE, /* not streamed */
};
#define WEFT_READER_KINDS 8

struct weft_reader {
    struct weft_raw raw;
    struct weft_story *story;
    struct weft_script script; /* what it asks for */
    enum weft_reader_kind kind;
    size_t scanned;     /* bytes of what it heard */
    weft_time heard_at; /* the last piece of its answer, or when it asked */
    uint64_t events;
    const char *model; /* NULL: WEFT_READER_MODEL */
    /* A piece of the answer is here, so long after the one before. May be NULL. */
    void (*heard)(struct weft_reader *reader, weft_time pause);
    void *self;
    char body[WEFT_READER_BODY_MAX];
    char code[WEFT_READER_CODE_MAX]; /* of the error it was told, once it was judged; "": none */
};

/* Asks. `kills_at`: its engine dies of that token; SIZE_MAX: of none. All of *reader but `model`, `heard` and `self` is
 * set. */
void weft_reader_ask(struct weft_reader *reader, struct weft_story *story, struct weft_host *host, const char *address,
                     enum weft_reader_kind kind, uint64_t seed, size_t kills_at);
bool weft_reader_told(const struct weft_reader *reader); /* all that it will be told */
/* It was told its whole answer, and nothing else. */
void weft_reader_judge(struct weft_reader *reader);
/* The same, or it was told an error, behind a beginning of its answer or none. */
void weft_reader_judge_rough(struct weft_reader *reader);
/* It was told that its request kills engines: `at_once`, or behind a part of its answer. */
void weft_reader_judge_struck(struct weft_reader *reader, bool at_once);
void weft_reader_close(struct weft_reader *reader);

#endif
