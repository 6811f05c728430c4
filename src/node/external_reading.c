/* node/external_reading.c - what an OpenAI-compatible server answers, as frames of the native stream. */
#include "node/external_reading.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/openai_answer.h"
#include "wire/sse.h"

struct choice {
    bool finished;
    bool held;             /* the open call is not given yet: more of its name may come */
    uint32_t calls;        /* tool calls so far; the last one is open */
    bool unmarked;         /* the open one has neither a number nor an id */
    json_int_t call_index; /* of the open one, as the server counts them */
    json_t *call_id;       /* likewise; NULL: it told none */
    size_t name_size;
    char name[WEFT_EXTERNAL_CALL_NAME_MAX]; /* likewise */
};

struct weft_external_reading {
    struct weft_external_reading_options options;
    struct weft_sse sse;
    struct {
        bool completion_said;
        uint32_t prompt, cached, completion; /* 0 where it was not said, as far as we know */
    } usage;
    uint32_t counted; /* events that showed something: a token each, where the server says nothing better */
    int error;        /* what ended the reading */
    bool over;        /* the last frame was given */
    struct choice at[];
};

/* -- errors -- */

static bool contains(struct weft_slice text, const char *part)
{
    return text.data && memmem(text.data, text.size, part, strlen(part));
}

static bool is_overflow(const json_t *says, struct weft_slice message)
{
    return weft_json_is(json_object_get(says, "type"), "exceed_context_size_error") || /* llama-server */
           weft_json_is(json_object_get(says, "code"), "context_length_exceeded") ||   /* OpenAI */
           contains(message, "maximum context length");                                /* vLLM */
}

/* {"error":{"message":…}} is OpenAI's, {"error":"…"} an older Ollama's, {"message":…} an older vLLM's, {"detail":…}
 * FastAPI's. Empty where none of them is there. */
static struct weft_slice find_message(const json_t *json, const json_t **says)
{
    const json_t *error = json_object_get(json, "error");
    *says = json_is_object(error) ? error : json;
    const json_t *places[] = {error, json_object_get(*says, "message"), json_object_get(json, "detail")};
    for (size_t i = 0; i < WEFT_COUNT(places); i++) {
        if (json_is_string(places[i])) {
            return weft_json_slice(places[i]);
        }
    }
    return WEFT_SLICE("");
}

static void say(struct weft_openai_error *error, int status, const char *code, const char *otherwise,
                struct weft_slice message)
{
    if (message.size == 0) {
        weft_openai_error_set(error, status, code, "%s", otherwise);
    } else {
        weft_openai_error_set(error, status, code, "The external server says: %.*s",
                              (int)(message.size < WEFT_NATIVE_PROBLEM_MAX ? message.size : WEFT_NATIVE_PROBLEM_MAX),
                              message.data);
    }
}

static void explain(int status, const json_t *json, struct weft_openai_error *error)
{
    const json_t *says;
    struct weft_slice message = find_message(json, &says);
    if (status >= 300 && status < 400) {
        weft_openai_error_set(error, 502, "external_moved",
                              "The external server sends requests on to another address, where this node does not "
                              "follow: prompts and keys go only where its owner has said. Whoever runs this node has "
                              "to set `external` to that address.");
        return;
    }
    switch (status) {
    case 401:
    case 403:
    case 407:
        weft_openai_error_set(
            error, 502, "external_denied",
            "The external server does not let this node in: its key is missing or wrong. Whoever runs "
            "this node has to set it (`external`, with key_env or key_file).");
        return;
    case 404:
        say(error, 404, "model_not_found", "The external server has no such model any more.", message);
        return;
    case 408:
    case 425:
    case 429:
    case 502:
    case 503:
    case 504:
        weft_openai_error_set(error, 503, "external_busy",
                              "The external server takes no request at present. Try again shortly.");
        return;
    case 413:
        say(error, 413, "body_too_large", "The request is larger than the external server takes.", message);
        return;
    default:
        break;
    }
    if (is_overflow(says, message)) {
        say(error, 400, "context_overflow", "Prompt and answer do not fit into the context of the external model.",
            message);
    } else if ((status >= 400 && status < 500) || status == 501) {
        say(error, 400, "external_refused", "The external server refuses this request, and does not say why.", message);
    } else {
        say(error, 502, "external_failed", "The external server failed at this request, and does not say why.",
            message);
    }
}

void weft_external_refusal(int status, struct weft_slice body, struct weft_native_problem *problem)
{
    json_t *json = NULL;
    struct weft_openai_error error;
    if (weft_json_parse(body, &json, NULL) < 0) {
        json = NULL; /* what is no JSON says nothing more than its status */
    }
    explain(status, json, &error);
    json_decref(json);
    *problem = (struct weft_native_problem){.status = error.status};
    problem->passes = error.status == 503;
    problem->retry_s = error.status == 503 ? WEFT_NATIVE_RETRY_S : 0;
    (void)snprintf(problem->code, sizeof(problem->code), "%s", error.code);          /* fits: as large */
    (void)snprintf(problem->message, sizeof(problem->message), "%s", error.message); /* likewise */
}

/* -- frames -- */

static void give(struct weft_external_reading *reading, const struct weft_frame *frame)
{
    reading->options.frame(reading->options.self, frame);
}

/* More of the open call, with its name and id if it is the first. */
static void give_call_part(struct weft_external_reading *reading, uint16_t index, struct weft_slice arguments)
{
    struct choice *choice = &reading->at[index];
    struct weft_frame frame = {.kind = WEFT_FRAME_DELTA,
                               .choice = index,
                               .delta = {.part = WEFT_PART_TOOL_CALL,
                                         .call = (uint16_t)(choice->calls - 1),
                                         .text = arguments.data ? arguments : WEFT_SLICE(""),
                                         .id = WEFT_SLICE(""),
                                         .name = WEFT_SLICE("")}};
    if (choice->held) {
        choice->held = false;
        frame.delta.name = weft_slice(choice->name, choice->name_size);
        frame.delta.id = choice->call_id ? weft_json_slice(choice->call_id) : WEFT_SLICE("");
    }
    give(reading, &frame);
}

/* Something else comes: the name of the open call is whole. */
static void give_held_call(struct weft_external_reading *reading, uint16_t index)
{
    if (reading->at[index].held) {
        give_call_part(reading, index, WEFT_SLICE(""));
    }
}

static int give_text(struct weft_external_reading *reading, uint16_t index, enum weft_part part, const json_t *value,
                     bool *shown)
{
    if (!json_is_string(value)) {
        return !value || json_is_null(value) ? 0 : WEFT_ERR_INVALID;
    }
    const struct weft_frame frame = {
        .kind = WEFT_FRAME_DELTA, .choice = index, .delta = {.part = part, .text = weft_json_slice(value)}};
    if (frame.delta.text.size > 0) {
        give_held_call(reading, index);
        give(reading, &frame);
        *shown = true;
    }
    return 0;
}

/* A call is another one where its number is, or where it has a name and an id of its own: some servers send the number
 * 0 with each. Where neither is there, a name is all that tells calls apart, so each begins one. */
static bool is_next_call(const struct choice *choice, json_int_t index, const json_t *id, const json_t *name)
{
    bool named = json_string_length(name) > 0;
    bool other_id = id && named && choice->call_id && !json_equal(id, choice->call_id);
    return choice->calls == 0 || index != choice->call_index || other_id || (choice->unmarked && named);
}

static int begin_call(struct weft_external_reading *reading, uint16_t index, json_int_t place, json_t *id)
{
    struct choice *choice = &reading->at[index];
    if (choice->calls == WEFT_OPENAI_CALLS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    give_held_call(reading, index);
    choice->calls++;
    choice->call_index = place;
    json_decref(choice->call_id);
    choice->call_id = json_incref(id);
    choice->name_size = 0;
    choice->held = true;
    return 0;
}

/* It may come in pieces, until the arguments begin; some servers say all of it, or all so far, with each part of the
 * call. So two equal pieces are taken for one name. */
static int add_name(struct choice *choice, struct weft_slice piece)
{
    if (piece.size == 0 || weft_slice_equal(piece, weft_slice(choice->name, choice->name_size))) {
        return 0;
    }
    if (!choice->held) {
        return WEFT_ERR_INVALID;
    }
    if (piece.size > choice->name_size && memcmp(piece.data, choice->name, choice->name_size) == 0) {
        choice->name_size = 0; /* all so far */
    }
    if (piece.size > sizeof(choice->name) - choice->name_size) {
        return WEFT_ERR_TOO_LARGE;
    }
    memcpy(choice->name + choice->name_size, piece.data, piece.size);
    choice->name_size += piece.size;
    return 0;
}

static int give_call(struct weft_external_reading *reading, uint16_t index, json_t *call, bool *shown)
{
    struct choice *choice = &reading->at[index];
    const json_t *function = json_object_get(call, "function"), *name = json_object_get(function, "name");
    const json_t *arguments = json_object_get(function, "arguments"), *number = json_object_get(call, "index");
    json_t *id = json_object_get(call, "id");
    id = json_string_length(id) > 0 ? id : NULL;
    json_int_t place = json_is_integer(number) ? json_integer_value(number) : choice->call_index;
    if (arguments && !json_is_string(arguments) && !json_is_null(arguments)) {
        return WEFT_ERR_INVALID;
    }
    int error = 0;
    if (is_next_call(choice, place, id, name)) {
        error = json_string_length(name) > 0 ? begin_call(reading, index, place, id) : WEFT_ERR_INVALID;
        choice->unmarked = !id && !json_is_integer(number);
        *shown = true;
    }
    error = error < 0 ? error : add_name(choice, weft_json_slice(name));
    if (error == 0 && json_string_length(arguments) > 0) {
        give_call_part(reading, index, weft_json_slice(arguments));
        *shown = true;
    }
    return error;
}

static int give_delta(struct weft_external_reading *reading, uint16_t index, const json_t *delta, bool *shown)
{
    json_t *calls = json_object_get(delta, "tool_calls");
    const json_t *reasoning = json_object_get(delta, "reasoning_content");
    if (!json_is_string(reasoning)) {
        reasoning = json_object_get(delta, "reasoning"); /* Ollama's name, and a later vLLM's */
    }
    int error = give_text(reading, index, WEFT_PART_REASONING, reasoning, shown);
    if (error == 0) {
        error = give_text(reading, index, WEFT_PART_CONTENT, json_object_get(delta, "content"), shown);
    }
    for (size_t i = 0; error == 0 && i < json_array_size(calls); i++) {
        error = give_call(reading, index, json_array_get(calls, i), shown);
    }
    return error;
}

static void give_error(struct weft_external_reading *reading, const struct weft_openai_error *error)
{
    const struct weft_frame frame = {.kind = WEFT_FRAME_ERROR,
                                     .error = {.status = (uint16_t)error->status,
                                               .code = weft_slice_text(error->code),
                                               .message = weft_slice_text(error->message)}};
    reading->over = true;
    give(reading, &frame);
}

static int give_finish(struct weft_external_reading *reading, uint16_t index, const json_t *said, const json_t *stop)
{
    static const struct {
        const char *word;
        enum weft_finish reason;
    } reasons[] = {{"length", WEFT_FINISH_LENGTH},
                   {"tool_calls", WEFT_FINISH_TOOL_CALLS},
                   {"function_call", WEFT_FINISH_TOOL_CALLS}};
    struct weft_frame frame = {.kind = WEFT_FRAME_FINISH, .choice = index, .finish = {.reason = WEFT_FINISH_STOP}};
    if (weft_json_is(said, "content_filter")) {
        struct weft_openai_error error;
        weft_openai_error_set(&error, 502, "content_filter", "The external server withholds the rest of this answer.");
        give_error(reading, &error);
        return 0;
    }
    if (weft_json_is(said, "abort") || weft_json_is(said, "error")) {
        return WEFT_ERR_CLOSED; /* vLLM and SGLang, when they are being shut down */
    }
    for (size_t i = 0; i < WEFT_COUNT(reasons); i++) {
        if (weft_json_is(said, reasons[i].word)) {
            frame.finish.reason = reasons[i].reason;
        }
    }
    frame.finish.stop = json_is_string(stop) ? weft_json_slice(stop) : WEFT_SLICE(""); /* vLLM: else an id, or null */
    reading->at[index].finished = true;
    give_held_call(reading, index);
    give(reading, &frame);
    return 0;
}

/* -- events -- */

static int read_choice(struct weft_external_reading *reading, const json_t *said)
{
    bool chat = reading->options.shape == WEFT_OPENAI_CHAT, shown = false;
    const json_t *place = json_object_get(said, "index"), *finish = json_object_get(said, "finish_reason");
    json_int_t index = json_is_integer(place) ? json_integer_value(place) : 0;
    if (!json_is_object(said) || index < 0 || index >= reading->options.choices) {
        return WEFT_ERR_INVALID;
    }
    struct choice *choice = &reading->at[index];
    if (choice->finished) {
        return 0; /* some send its end twice, or an empty text after it */
    }
    int error = chat ? give_delta(reading, (uint16_t)index, json_object_get(said, "delta"), &shown)
                     : give_text(reading, (uint16_t)index, WEFT_PART_CONTENT, json_object_get(said, "text"), &shown);
    reading->counted += shown ? 1 : 0;
    if (error == 0 && json_is_string(finish) && json_string_length(finish) > 0) {
        error = give_finish(reading, (uint16_t)index, finish, json_object_get(said, "stop_reason"));
    }
    return error;
}

/* What can be no count was not said: *count stays as it is. */
static bool read_count(const json_t *object, const char *key, uint32_t *count)
{
    const json_t *value = json_object_get(object, key);
    bool said = json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= INT32_MAX;
    if (said) {
        *count = (uint32_t)json_integer_value(value);
    }
    return said;
}

static void read_usage(struct weft_external_reading *reading, const json_t *usage)
{
    (void)read_count(usage, "prompt_tokens", &reading->usage.prompt); /* of these nobody has a better count */
    (void)read_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens", &reading->usage.cached);
    if (read_count(usage, "completion_tokens", &reading->usage.completion)) {
        reading->usage.completion_said = true;
    }
}

/* Its status, where it says one: as a number, or as nothing that we could know. */
static void read_error(struct weft_external_reading *reading, const json_t *json)
{
    struct weft_openai_error error;
    const json_t *inner = json_object_get(json, "error");
    json_int_t code = json_integer_value(json_object_get(json_is_object(inner) ? inner : json, "code"));
    explain(code >= 400 && code <= 599 ? (int)code : 500, json, &error);
    give_error(reading, &error);
}

static bool is_error(const json_t *json, struct weft_slice type)
{
    const json_t *error = json_object_get(json, "error");
    return (error && !json_is_null(error)) || weft_json_is(json_object_get(json, "object"), "error") ||
           weft_slice_equal(type, WEFT_SLICE("error"));
}

static int read_json(struct weft_external_reading *reading, const json_t *json, struct weft_slice type)
{
    const json_t *choices = json_object_get(json, "choices");
    if (is_error(json, type)) {
        read_error(reading, json);
        return 0;
    }
    read_usage(reading, json_object_get(json, "usage"));
    int error = 0;
    for (size_t i = 0; error == 0 && !reading->over && i < json_array_size(choices); i++) {
        error = read_choice(reading, json_array_get(choices, i));
    }
    return error;
}

/* Everything was told, or the stream has stopped. */
static int finish_reading(struct weft_external_reading *reading)
{
    for (uint16_t i = 0; i < reading->options.choices; i++) {
        if (!reading->at[i].finished) {
            return WEFT_ERR_CLOSED;
        }
    }
    const struct weft_frame usage = {
        .kind = WEFT_FRAME_USAGE,
        .usage = {.prompt_tokens = reading->usage.prompt,
                  .cached_tokens = reading->usage.cached,
                  .completion_tokens = reading->usage.completion_said ? reading->usage.completion : reading->counted}};
    const struct weft_frame end = {.kind = WEFT_FRAME_END};
    reading->over = true;
    give(reading, &usage);
    give(reading, &end);
    return 0;
}

static int read_event(struct weft_external_reading *reading, const struct weft_sse_event *event)
{
    if (weft_slice_equal(event->data, WEFT_SLICE("[DONE]"))) {
        return finish_reading(reading);
    }
    if (event->data.size == 0) {
        return 0; /* a sign of life */
    }
    json_t *json = NULL;
    int error = weft_json_parse(event->data, &json, NULL);
    if (error == 0) {
        error = json_is_object(json) ? read_json(reading, json, event->type) : WEFT_ERR_INVALID;
        json_decref(json);
    }
    return error;
}

int weft_external_reading_take(struct weft_external_reading *reading, struct weft_slice *input)
{
    struct weft_sse_event event;
    if (reading->error < 0 || reading->over) {
        return reading->error;
    }
    int got = weft_sse_next(&reading->sse, input, &event);
    if (got > 0) {
        int error = read_event(reading, &event);
        got = error < 0 ? error : 1;
    }
    reading->error = got < 0 ? got : 0;
    return got;
}

int weft_external_reading_end(struct weft_external_reading *reading)
{
    if (reading->error == 0 && !reading->over) {
        reading->error = finish_reading(reading);
    }
    return reading->error;
}

/* -- its life -- */

int weft_external_reading_new(struct weft_external_reading **out, const struct weft_external_reading_options *options)
{
    struct weft_external_reading *reading = weft_zalloc(sizeof(*reading) + options->choices * sizeof(reading->at[0]));
    *out = reading;
    if (!reading) {
        return WEFT_ERR_MEMORY;
    }
    reading->options = *options;
    weft_sse_init(&reading->sse);
    return 0;
}

void weft_external_reading_free(struct weft_external_reading *reading)
{
    if (!reading) {
        return;
    }
    for (uint16_t i = 0; i < reading->options.choices; i++) {
        json_decref(reading->at[i].call_id);
    }
    weft_sse_deinit(&reading->sse);
    weft_free(reading);
}
