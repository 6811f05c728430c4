/* sim/script.h - what a played engine says to a request, token by token: from the request alone.
 *
 * A hash of the seed, the choice and the position decides each token, its text, and when that text is shown: also those
 * who only read the answer know what it must be, byte for byte, and an engine can begin anywhere in it. Text is held
 * back for a while, as where a stop string may begin or a character is not whole, and shown in several deltas. */
#ifndef WEFT_SIM_SCRIPT_H
#define WEFT_SIM_SCRIPT_H

#include "wire/json.h"
#include "wire/native.h"

#define WEFT_SCRIPT_STOP        "<over>" /* the stop string, which ends an answer that may have it */
#define WEFT_SCRIPT_CHOICES_MAX 2
#define WEFT_SCRIPT_DELTAS_MAX  5
#define WEFT_SCRIPT_TEXT_MAX    256
#define WEFT_SCRIPT_PROMPT      5 /* tokens of every prompt */

struct weft_script {
    uint64_t seed;
    uint16_t choices;
    size_t tokens_max; /* of each choice */
    bool tools, thinks, stops, echo;
    int logprobs;    /* alternatives of each token; -1: none */
    size_t kills_at; /* the engine dies of the token at this place; SIZE_MAX: of none */
};

/* Of the body of a POST /generate. False if it says what the simulator's clients never ask. */
bool weft_script_read(struct weft_script *script, const json_t *body);

/* One token, and what becomes visible with it. Its texts lie in it and in the walk. */
struct weft_script_step {
    struct weft_frame token;
    struct weft_frame deltas[WEFT_SCRIPT_DELTAS_MAX];
    char bytes[16], shown[WEFT_SCRIPT_TEXT_MAX];
    char id[64];
};

/* One choice from its beginning. */
struct weft_script_walk {
    const struct weft_script *script;
    const char *call_ids; /* what ids of tool calls begin with */
    uint16_t choice;
    size_t echoed, at; /* tokens of the prompt and of the answer that are behind it */
    size_t held;       /* bytes of the answer that no delta has shown */
    char text[WEFT_SCRIPT_TEXT_MAX];
};

void weft_script_begin(struct weft_script_walk *walk, const struct weft_script *script, uint16_t choice,
                       const char *call_ids);
/* False: the choice is complete, and `finish` is how. */
bool weft_script_next(struct weft_script_walk *walk, struct weft_script_step *step);
struct weft_frame weft_script_finish(const struct weft_script_walk *walk);

size_t weft_script_length(const struct weft_script *script, uint16_t choice); /* tokens, an echoed prompt not counted */
uint32_t weft_script_id(const struct weft_script *script, uint16_t choice, size_t at);

#endif
