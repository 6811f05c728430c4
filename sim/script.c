/* sim/script.c - what a played engine says to a request. */
#include "sim/script.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/utf8.h"

#define KILL         "kill " /* ... and at which token: what a message may say */
#define IDS          30000   /* of the vocabulary; the first ones mean something else */
#define IDS_FIRST    100
#define SHORTEST     8
#define LENGTHS      90 /* of answers, from the shortest on */
#define LONGER       40 /* is one with log probabilities: more than fits between an engine and a slow reader */
#define HELD_MAX     64 /* bytes: then they are shown */
#define PARTS_MAX    3  /* deltas of one part that a token brings, at most */
#define LOGPROB_UNIT 16 /* a sixteenth has few digits in any base */
#define LOGPROBS     200

/* Which hash a decision is taken from. */
enum { OF_LENGTH = 1, OF_ID, OF_PIECE, OF_SPLIT, OF_HOLD, OF_PARTS, OF_LOGPROB };

static const char *const pieces[] = {"the ", "weft", " of",  " a ", "loom", "\n",     "\"so\"", "\\",
                                     " {",   "}",    "\t",   "x",   "<ov",  "<",      "ver ",   "0.5",
                                     "ä",    "€",    "🧵", "]",   ",",    " thread"};
static const char *const split[] = {"ö", "€", "🧶", "字"}; /* over two tokens */
static const char *const prompt[WEFT_SCRIPT_PROMPT] = {"Once ", "upon ", "a ", "time", ", "};

static uint64_t hash(const struct weft_script *script, uint16_t choice, size_t at, uint64_t what)
{
    uint64_t value = script->seed + choice;
    const uint64_t parts[] = {at, what};
    for (size_t i = 0; i <= WEFT_COUNT(parts); i++) { /* splitmix64, a round for each part */
        value += 0x9e3779b97f4a7c15;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
        value = (value ^ value >> 27) * 0x94d049bb133111eb;
        value ^= value >> 31;
        value ^= i < WEFT_COUNT(parts) ? parts[i] << 1 : 0;
    }
    return value;
}

/* -- what was asked -- */

static json_int_t number(const json_t *body, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(body, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static size_t read_kill(const json_t *body)
{
    const json_t *message = json_array_get(json_object_get(body, "messages"), 0);
    const char *text = json_string_value(json_object_get(message, "content"));
    return text && strncmp(text, KILL, strlen(KILL)) == 0 ? strtoull(text + strlen(KILL), NULL, 10) : SIZE_MAX;
}

bool weft_script_read(struct weft_script *script, const json_t *body)
{
    const json_t *stop = json_object_get(body, "stop");
    json_int_t most = number(body, "max_tokens", INT32_MAX), choices = number(body, "n", 0);
    *script = (struct weft_script){
        .seed = (uint64_t)number(body, "seed", 0),
        .choices = (uint16_t)choices,
        .tokens_max = (size_t)most,
        .tools = json_object_get(body, "tools"),
        .thinks = json_object_get(body, "frequency_penalty"),
        .stops = stop,
        .echo = json_is_true(json_object_get(body, "echo")),
        .logprobs = (int)number(body, "logprobs", -1),
        .kills_at = read_kill(body),
    };
    bool known = json_object_get(body, "messages") || json_object_get(body, "prompt");
    return known && choices >= 1 && choices <= WEFT_SCRIPT_CHOICES_MAX && script->seed != 0 && most >= SHORTEST &&
           (!stop || weft_json_is(json_array_get(stop, 0), WEFT_SCRIPT_STOP));
}

/* -- tokens -- */

/* What ends an answer by itself, and is never shown: the stop string in two tokens, or the end token. */
static size_t tail_length(const struct weft_script *script)
{
    return script->stops ? 2 : 1;
}

static size_t own_length(const struct weft_script *script, uint16_t choice)
{
    return SHORTEST + hash(script, choice, 0, OF_LENGTH) % LENGTHS + (script->logprobs >= 0 ? LONGER : 0);
}

/* The client's limit cuts it, not its own end. */
static bool is_cut(const struct weft_script *script, uint16_t choice)
{
    return own_length(script, choice) + tail_length(script) > script->tokens_max;
}

/* Tokens that bring text. */
static size_t text_length(const struct weft_script *script, uint16_t choice)
{
    return is_cut(script, choice) ? script->tokens_max : own_length(script, choice);
}

size_t weft_script_length(const struct weft_script *script, uint16_t choice)
{
    return text_length(script, choice) + (is_cut(script, choice) ? 0 : tail_length(script));
}

uint32_t weft_script_id(const struct weft_script *script, uint16_t choice, size_t at)
{
    return IDS_FIRST + (uint32_t)(hash(script, choice, at, OF_ID) % (IDS - IDS_FIRST));
}

/* A character begins in the token at an even place and ends in the next one. */
static const char *split_at(const struct weft_script *script, uint16_t choice, size_t at)
{
    uint64_t drawn = hash(script, choice, at & ~(size_t)1, OF_SPLIT);
    bool splits = drawn % 6 == 0 && (at | 1) < text_length(script, choice);
    return splits ? split[(drawn >> 8) % WEFT_COUNT(split)] : NULL;
}

static struct weft_slice text_at(const struct weft_script *script, uint16_t choice, size_t at, char bytes[16])
{
    size_t length = text_length(script, choice);
    const char *whole = split_at(script, choice, at), *text = "";
    size_t from = 0, size;
    if (at >= length) {
        text = !script->stops ? "" : at == length ? "<ov" : "er>";
        size = strlen(text);
    } else if (whole) {
        text = whole;
        from = at & 1;
        size = at & 1 ? strlen(whole) - 1 : 1;
    } else {
        text = pieces[hash(script, choice, at, OF_PIECE) % WEFT_COUNT(pieces)];
        size = strlen(text);
    }
    WEFT_ASSERT(size <= 16);
    memcpy(bytes, text + from, size);
    return weft_slice(bytes, size);
}

static void set_logprobs(const struct weft_script *script, struct weft_frame *token, uint16_t choice, size_t at)
{
    uint64_t drawn = hash(script, choice, at, OF_LOGPROB);
    token->token.has_logprob = true;
    token->token.logprob = -(float)(drawn % LOGPROBS) / LOGPROB_UNIT;
    token->token.top_count = (uint8_t)script->logprobs;
    for (size_t i = 0; i < token->token.top_count; i++) {
        const char *text = pieces[(drawn + i) % WEFT_COUNT(pieces)];
        token->token.top[i] = (struct weft_logprob){
            .id = IDS_FIRST + (uint32_t)i, .logprob = -(float)i / LOGPROB_UNIT, .bytes = weft_slice_text(text)};
    }
}

/* -- deltas -- */

/* The first half of an answer that thinks is that; of one that calls, the first call. Even: no character is torn. */
static size_t middle(const struct weft_script *script, uint16_t choice)
{
    return text_length(script, choice) / 4 * 2;
}

static enum weft_part part_at(const struct weft_script *script, uint16_t choice, size_t at)
{
    bool first = at < middle(script, choice);
    return script->tools ? WEFT_PART_TOOL_CALL : script->thinks && first ? WEFT_PART_REASONING : WEFT_PART_CONTENT;
}

static size_t whole_characters(const char *text, size_t size)
{
    size_t whole = 0, step = 1;
    while (whole < size && step > 0) {
        step = weft_utf8_step(weft_slice(text + whole, size - whole));
        whole += step;
    }
    return whole;
}

static struct weft_frame *add_delta(const struct weft_script_walk *walk, struct weft_script_step *step)
{
    const struct weft_script *script = walk->script;
    WEFT_ASSERT(step->token.token.deltas < WEFT_SCRIPT_DELTAS_MAX);
    struct weft_frame *delta = &step->deltas[step->token.token.deltas++];
    *delta = (struct weft_frame){.kind = WEFT_FRAME_DELTA, .choice = walk->choice};
    delta->delta.part = part_at(script, walk->choice, walk->at);
    delta->delta.call = script->tools && walk->at >= middle(script, walk->choice);
    return delta;
}

/* What is held and whole is shown, in one delta or several. */
static void show(struct weft_script_walk *walk, struct weft_script_step *step)
{
    size_t parts = 1 + hash(walk->script, walk->choice, walk->at, OF_PARTS) % PARTS_MAX;
    size_t size = whole_characters(walk->text, walk->held), from = 0;
    memcpy(step->shown, walk->text, size);
    while (from < size) {
        size_t most = parts > 1 ? (size - from + 1) / 2 : size - from;
        size_t part = whole_characters(step->shown + from, most);
        part = part > 0 && parts > 1 ? part : size - from;
        add_delta(walk, step)->delta.text = weft_slice(step->shown + from, part);
        from += part;
        parts = parts > 1 ? parts - 1 : 1;
    }
    walk->held -= size;
    memmove(walk->text, walk->text + size, walk->held);
}

static void open_call(const struct weft_script_walk *walk, struct weft_script_step *step)
{
    struct weft_frame *delta = add_delta(walk, step);
    (void)snprintf(step->id, sizeof(step->id), "%s_%u_%u", walk->call_ids, walk->choice, delta->delta.call); /* fits */
    delta->delta.id = weft_slice_text(step->id);
    delta->delta.name = delta->delta.call ? WEFT_SLICE("listen") : WEFT_SLICE("look");
}

static void show_text(struct weft_script_walk *walk, struct weft_script_step *step)
{
    const struct weft_script *script = walk->script;
    size_t length = text_length(script, walk->choice), half = middle(script, walk->choice);
    if (script->tools && (walk->at == 0 || walk->at == half)) {
        open_call(walk, step);
    }
    bool last = walk->at + 1 == length || walk->at + 1 == half; /* what comes then is another part */
    bool holds = hash(script, walk->choice, walk->at, OF_HOLD) % 3 == 0 && walk->held < HELD_MAX;
    if (last || !holds) {
        show(walk, step);
    }
}

/* -- a walk through it -- */

void weft_script_begin(struct weft_script_walk *walk, const struct weft_script *script, uint16_t choice,
                       const char *call_ids)
{
    walk->script = script;
    walk->call_ids = call_ids;
    walk->choice = choice;
    walk->echoed = walk->at = walk->held = 0;
}

static void echo(struct weft_script_walk *walk, struct weft_script_step *step)
{
    struct weft_slice text = weft_slice_text(prompt[walk->echoed]);
    step->token.token.id = (uint32_t)walk->echoed++;
    step->token.token.prompt = true;
    step->token.token.bytes = text;
    step->token.token.deltas = 1;
    step->deltas[0] = (struct weft_frame){
        .kind = WEFT_FRAME_DELTA, .choice = walk->choice, .delta = {.part = WEFT_PART_CONTENT, .text = text}};
}

bool weft_script_next(struct weft_script_walk *walk, struct weft_script_step *step)
{
    const struct weft_script *script = walk->script;
    step->token = (struct weft_frame){.kind = WEFT_FRAME_TOKEN, .choice = walk->choice};
    if (script->echo && walk->echoed < WEFT_SCRIPT_PROMPT) {
        echo(walk, step);
        return true;
    }
    if (walk->at == weft_script_length(script, walk->choice)) {
        return false;
    }
    step->token.token.id = weft_script_id(script, walk->choice, walk->at);
    step->token.token.bytes = text_at(script, walk->choice, walk->at, step->bytes);
    if (script->logprobs >= 0) {
        set_logprobs(script, &step->token, walk->choice, walk->at);
    }
    if (walk->at < text_length(script, walk->choice)) {
        struct weft_slice bytes = step->token.token.bytes;
        memcpy(walk->text + walk->held, bytes.data, bytes.size);
        walk->held += bytes.size;
        show_text(walk, step);
    }
    walk->at++;
    return true;
}

struct weft_frame weft_script_finish(const struct weft_script_walk *walk)
{
    const struct weft_script *script = walk->script;
    struct weft_frame finish = {.kind = WEFT_FRAME_FINISH, .choice = walk->choice};
    bool cut = is_cut(script, walk->choice);
    finish.finish.reason = cut ? WEFT_FINISH_LENGTH : script->tools ? WEFT_FINISH_TOOL_CALLS : WEFT_FINISH_STOP;
    if (!cut && script->stops) {
        finish.finish.stop = WEFT_SLICE(WEFT_SCRIPT_STOP);
    }
    return finish;
}
