/* node/openai_answer.c - an engine's frames, as the answer that clients of OpenAI's API expect. */
#include "node/openai_answer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "node/openai_logprobs.h"

struct choice {
    bool begun, finished;
    enum weft_finish reason;
    uint16_t deltas;                           /* of the last token, that are still to come */
    uint64_t characters;                       /* of the tokens so far */
    size_t calls;                              /* tool calls so far; the last one is open */
    struct weft_openai_logprobs waiting;       /* of tokens that no text shows yet */
    struct weft_openai_logprobs shown;         /* collected */
    struct weft_bytes text, reasoning, called; /* collected: inside of strings; of the array of tool calls */
};

struct weft_openai_answer {
    struct weft_openai_answer_options options;
    char *head; /* what every event begins with, or the whole answer */
    size_t head_size;
    size_t collected;  /* bytes */
    weft_time told_at; /* when anything was said last; 0: nothing yet */
    struct {
        uint32_t prompt, cached, completion;
    } usage;
    struct choice at[];
};

/* -- pieces -- */

static int append(struct weft_bytes *out, struct weft_slice text)
{
    return weft_bytes_append(out, text.data, text.size);
}

static const char *finish_name(enum weft_finish reason)
{
    static const char *const names[] = {
        [WEFT_FINISH_STOP] = "stop", [WEFT_FINISH_LENGTH] = "length", [WEFT_FINISH_TOOL_CALLS] = "tool_calls"};
    return names[reason];
}

static void write_usage(const struct weft_openai_answer *answer, struct weft_json *json)
{
    weft_json_object(json);
    weft_json_add_int(json, "prompt_tokens", answer->usage.prompt);
    weft_json_add_int(json, "completion_tokens", answer->usage.completion);
    weft_json_add_int(json, "total_tokens", (int64_t)answer->usage.prompt + answer->usage.completion);
    weft_json_key(json, "prompt_tokens_details");
    weft_json_object(json);
    weft_json_add_int(json, "cached_tokens", answer->usage.cached);
    weft_json_object_end(json);
    weft_json_object_end(json);
}

static void write_tool_call(struct weft_json *json, const struct weft_frame *delta, bool first)
{
    weft_json_object(json);
    weft_json_add_int(json, "index", delta->delta.call);
    if (first) {
        weft_json_add_string(json, "id", delta->delta.id);
        weft_json_add_text(json, "type", "function");
    }
    weft_json_key(json, "function");
    weft_json_object(json);
    if (first) {
        weft_json_add_string(json, "name", delta->delta.name);
    }
    weft_json_add_string(json, "arguments", delta->delta.text);
    weft_json_object_end(json);
    weft_json_object_end(json);
}

/* -- streamed: one event -- */

static int begin_event(const struct weft_openai_answer *answer, struct weft_json *json, struct weft_bytes *out)
{
    int error = weft_bytes_append(out, answer->head, answer->head_size);
    weft_json_start(json, out);
    return error;
}

static int end_event(const struct weft_openai_answer *answer, struct weft_json *json, struct weft_bytes *out)
{
    int error = weft_json_finish(json);
    if (error < 0) {
        return error;
    }
    /* with include_usage OpenAI says null in every event but the last */
    return append(out, answer->options.include_usage ? WEFT_SLICE("],\"usage\":null}\n\n") : WEFT_SLICE("]}\n\n"));
}

/* An event about one choice. `delta`: what is new, or NULL; `finish`: how it ended, or NULL. With neither it is the
 * first one, which says who speaks. */
static int send(struct weft_openai_answer *answer, uint16_t index, const struct weft_frame *delta, const char *finish,
                struct weft_bytes *out)
{
    bool chat = answer->options.shape == WEFT_OPENAI_CHAT;
    struct choice *choice = &answer->at[index];
    struct weft_json json;
    int error = begin_event(answer, &json, out);
    if (error < 0) {
        return error;
    }
    weft_json_object(&json);
    weft_json_add_int(&json, "index", index);
    if (!chat) {
        weft_json_add_string(&json, "text", delta ? delta->delta.text : WEFT_SLICE(""));
    } else {
        weft_json_key(&json, "delta");
        weft_json_object(&json);
        if (delta && delta->delta.part == WEFT_PART_TOOL_CALL) {
            weft_json_key(&json, "tool_calls");
            weft_json_array(&json);
            write_tool_call(&json, delta, delta->delta.call == choice->calls);
            weft_json_array_end(&json);
        } else if (delta) {
            weft_json_add_string(&json, delta->delta.part == WEFT_PART_REASONING ? "reasoning_content" : "content",
                                 delta->delta.text);
        } else if (!finish) {
            weft_json_add_text(&json, "role", "assistant");
            weft_json_add_text(&json, "content", "");
            weft_json_key(&json, "refusal");
            weft_json_null(&json);
        }
        weft_json_object_end(&json);
    }
    weft_json_key(&json, "logprobs");
    if (answer->options.logprobs && delta && delta->delta.part == WEFT_PART_CONTENT) {
        weft_openai_logprobs_write(&choice->waiting, answer->options.shape, &json);
    } else {
        weft_json_null(&json);
    }
    weft_json_key(&json, "finish_reason");
    if (finish) {
        weft_json_text(&json, finish);
    } else {
        weft_json_null(&json);
    }
    weft_json_object_end(&json);
    return end_event(answer, &json, out);
}

/* -- collected -- */

static int collect_call(struct choice *choice, const struct weft_frame *delta)
{
    struct weft_bytes *called = &choice->called;
    if (delta->delta.call + (size_t)1 == choice->calls) {
        return weft_json_escape(called, delta->delta.text);
    }
    struct weft_json json;
    int error =
        choice->calls > 0 ? append(called, WEFT_SLICE("\"}},{\"id\":")) : append(called, WEFT_SLICE("{\"id\":"));
    if (error == 0) {
        weft_json_start(&json, called);
        weft_json_string(&json, delta->delta.id);
        error = weft_json_finish(&json);
    }
    if (error == 0) {
        error = append(called, WEFT_SLICE(",\"type\":\"function\",\"function\":{\"name\":"));
    }
    if (error == 0) {
        weft_json_start(&json, called);
        weft_json_string(&json, delta->delta.name);
        error = weft_json_finish(&json);
    }
    if (error == 0) {
        error = append(called, WEFT_SLICE(",\"arguments\":\""));
    }
    return error < 0 ? error : weft_json_escape(called, delta->delta.text);
}

static int collect(struct weft_openai_answer *answer, uint16_t index, const struct weft_frame *delta)
{
    struct choice *choice = &answer->at[index];
    answer->collected += delta->delta.text.size + delta->delta.id.size + delta->delta.name.size;
    if (answer->collected > WEFT_OPENAI_ANSWER_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    if (delta->delta.part == WEFT_PART_TOOL_CALL) {
        return collect_call(choice, delta);
    }
    bool reasoning = delta->delta.part == WEFT_PART_REASONING;
    int error = weft_json_escape(reasoning ? &choice->reasoning : &choice->text, delta->delta.text);
    return error < 0 || reasoning ? error : weft_openai_logprobs_move(&choice->shown, &choice->waiting);
}

/* A text that was collected, as a value. */
static void write_collected(struct weft_json *json, const char *before, struct weft_bytes *inside, const char *after)
{
    struct weft_bytes whole = {0};
    int error = weft_bytes_append(&whole, before, strlen(before));
    if (error == 0) {
        weft_bytes_move(&whole, inside);
        error = weft_bytes_append(&whole, after, strlen(after));
    }
    if (error < 0 && json->error == 0) {
        json->error = error;
    }
    weft_json_splice(json, &whole);
    weft_bytes_deinit(&whole);
}

static void write_message(struct weft_json *json, struct choice *choice)
{
    weft_json_object(json);
    weft_json_add_text(json, "role", "assistant");
    weft_json_key(json, "content");
    if (choice->text.size == 0 && choice->calls > 0) {
        weft_json_null(json);
    } else {
        write_collected(json, "\"", &choice->text, "\"");
    }
    weft_json_key(json, "refusal");
    weft_json_null(json);
    if (choice->reasoning.size > 0) {
        weft_json_key(json, "reasoning_content");
        write_collected(json, "\"", &choice->reasoning, "\"");
    }
    if (choice->calls > 0) {
        weft_json_key(json, "tool_calls");
        write_collected(json, "[", &choice->called, "\"}}]");
    }
    weft_json_object_end(json);
}

static int write_whole(struct weft_openai_answer *answer, struct weft_bytes *out)
{
    const struct weft_openai_answer_options *options = &answer->options;
    int error = weft_bytes_append(out, answer->head, answer->head_size);
    for (uint16_t i = 0; error == 0 && i < options->choices; i++) {
        struct choice *choice = &answer->at[i];
        struct weft_json json;
        error = i > 0 ? append(out, WEFT_SLICE(",")) : 0;
        weft_json_start(&json, out);
        json.error = error;
        weft_json_object(&json);
        weft_json_add_int(&json, "index", i);
        if (options->shape == WEFT_OPENAI_CHAT) {
            weft_json_key(&json, "message");
            write_message(&json, choice);
        } else {
            weft_json_key(&json, "text");
            write_collected(&json, "\"", &choice->text, "\"");
        }
        weft_json_key(&json, "logprobs");
        if (options->logprobs) {
            weft_openai_logprobs_write(&choice->shown, options->shape, &json);
        } else {
            weft_json_null(&json);
        }
        weft_json_add_text(&json, "finish_reason", finish_name(choice->reason));
        weft_json_object_end(&json);
        error = weft_json_finish(&json);
    }
    struct weft_json json;
    if (error == 0) {
        error = append(out, WEFT_SLICE("],\"usage\":"));
    }
    weft_json_start(&json, out);
    json.error = error;
    write_usage(answer, &json);
    error = weft_json_finish(&json);
    return error < 0 ? error : append(out, WEFT_SLICE("}\n"));
}

/* -- frames -- */

static int take_token(struct weft_openai_answer *answer, struct choice *choice, const struct weft_frame *frame)
{
    choice->deltas = frame->token.deltas;
    uint64_t place = choice->characters;
    for (size_t i = 0; i < frame->token.bytes.size; i++) {
        choice->characters += ((unsigned char)frame->token.bytes.data[i] & 0xC0) != 0x80; /* begins one */
    }
    if (!answer->options.logprobs || !(frame->token.has_logprob || frame->token.prompt)) {
        return 0;
    }
    size_t before = weft_openai_logprobs_size(&choice->waiting);
    int error = weft_openai_logprobs_add(&choice->waiting, answer->options.shape, frame, place);
    size_t after = weft_openai_logprobs_size(&choice->waiting);
    answer->collected += answer->options.stream ? 0 : after - before;
    if (error == 0 && (after > WEFT_OPENAI_ANSWER_MAX || answer->collected > WEFT_OPENAI_ANSWER_MAX)) {
        error = WEFT_ERR_TOO_LARGE;
    }
    return error;
}

/* The next tool call of a choice, or more of the last one. */
static bool call_fits(const struct choice *choice, const struct weft_frame *delta)
{
    return delta->delta.call == choice->calls || delta->delta.call + (size_t)1 == choice->calls;
}

static int take_delta(struct weft_openai_answer *answer, struct choice *choice, const struct weft_frame *frame,
                      struct weft_bytes *out)
{
    uint16_t index = frame->choice;
    enum weft_part part = frame->delta.part;
    bool chat = answer->options.shape == WEFT_OPENAI_CHAT;
    bool is_call = part == WEFT_PART_TOOL_CALL;
    if ((!chat && part != WEFT_PART_CONTENT) || (is_call && !call_fits(choice, frame))) {
        return WEFT_ERR_INVALID;
    }
    if (is_call && frame->delta.call >= WEFT_OPENAI_CALLS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    if (choice->deltas > 0) {
        choice->deltas--;
    }
    int error = 0;
    if (!answer->options.stream) {
        error = collect(answer, index, frame);
    } else if (is_call || frame->delta.text.size > 0) {
        if (chat && !choice->begun) {
            error = send(answer, index, NULL, NULL, out);
        }
        choice->begun = true;
        error = error < 0 ? error : send(answer, index, frame, NULL, out);
    }
    if (is_call && frame->delta.call == choice->calls) {
        choice->calls++;
    }
    if (part != WEFT_PART_CONTENT && choice->deltas == 0) {
        weft_openai_logprobs_clear(&choice->waiting); /* what showed them is no content */
    }
    return error;
}

static int take_finish(struct weft_openai_answer *answer, struct choice *choice, const struct weft_frame *frame,
                       struct weft_bytes *out)
{
    choice->finished = true;
    choice->reason = frame->finish.reason;
    weft_openai_logprobs_clear(&choice->waiting); /* a stop text, the end token: never shown */
    if (!answer->options.stream) {
        return 0;
    }
    int error = 0;
    if (answer->options.shape == WEFT_OPENAI_CHAT && !choice->begun) {
        error = send(answer, frame->choice, NULL, NULL, out);
    }
    choice->begun = true;
    return error < 0 ? error : send(answer, frame->choice, NULL, finish_name(choice->reason), out);
}

/* A comment between events, which clients pass over: proxies and people see that it goes on, also where text is held
 * back. `phase`: what the engine is at. */
static int sign(enum weft_phase phase, const struct weft_frame *frame, struct weft_bytes *out)
{
    char line[80];
    int size;
    switch (phase) {
    case WEFT_PHASE_WAITING:
        return append(out, WEFT_SLICE(": waiting\n\n"));
    case WEFT_PHASE_PREFILL:
        size = snprintf(line, sizeof(line), ": reading the prompt, %" PRIu32 " of %" PRIu32 " tokens\n\n",
                        frame->progress.done, frame->progress.total);
        return weft_bytes_append(out, line, (size_t)size);
    default:
        return append(out, WEFT_SLICE(": writing\n\n"));
    }
}

int weft_openai_answer_wait(size_t ahead, weft_time estimate, struct weft_bytes *out)
{
    char line[96];
    int size = estimate == WEFT_NEVER
                   ? snprintf(line, sizeof(line), ": waiting, %zu before you\n\n", ahead)
                   : snprintf(line, sizeof(line), ": waiting, %zu before you, about %" PRId64 " s\n\n", ahead,
                              (estimate + WEFT_SECOND - 1) / WEFT_SECOND);
    return weft_bytes_append(out, line, (size_t)size); /* it fits */
}

static int take(struct weft_openai_answer *answer, const struct weft_frame *frame, struct weft_bytes *out)
{
    if (frame->choice >= answer->options.choices || answer->at[frame->choice].finished) {
        return WEFT_ERR_INVALID;
    }
    struct choice *choice = &answer->at[frame->choice];
    switch (frame->kind) {
    case WEFT_FRAME_TOKEN:
        return take_token(answer, choice, frame);
    case WEFT_FRAME_DELTA:
        return take_delta(answer, choice, frame, out);
    case WEFT_FRAME_FINISH:
        return take_finish(answer, choice, frame, out);
    default:
        return WEFT_ERR_INVALID;
    }
}

int weft_openai_answer_frame(struct weft_openai_answer *answer, const struct weft_frame *frame, weft_time now,
                             struct weft_bytes *out)
{
    size_t before = out->size;
    enum weft_phase phase = WEFT_PHASE_DECODE;
    int error = 0;
    if (frame->kind == WEFT_FRAME_PROGRESS) {
        phase = frame->progress.phase;
    } else if (frame->kind == WEFT_FRAME_USAGE) {
        answer->usage.prompt = frame->usage.prompt_tokens;
        answer->usage.cached = frame->usage.cached_tokens;
        answer->usage.completion = frame->usage.completion_tokens;
    } else {
        error = take(answer, frame, out);
    }
    bool more = frame->kind == WEFT_FRAME_TOKEN && frame->token.deltas > 0; /* its text comes now */
    bool soon = answer->told_at == 0 ? phase == WEFT_PHASE_DECODE : now - answer->told_at < WEFT_OPENAI_SIGN_GAP;
    if (error == 0 && answer->options.stream && out->size == before && !soon && !more) {
        error = sign(phase, frame, out);
    }
    answer->told_at = out->size > before ? now : answer->told_at;
    return error;
}

static int end_stream(const struct weft_openai_answer *answer, struct weft_bytes *out)
{
    int error = 0;
    if (answer->options.include_usage) {
        struct weft_json json;
        error = weft_bytes_append(out, answer->head, answer->head_size);
        if (error == 0) {
            error = append(out, WEFT_SLICE("],\"usage\":"));
        }
        weft_json_start(&json, out);
        json.error = error;
        write_usage(answer, &json);
        error = weft_json_finish(&json);
        if (error == 0) {
            error = append(out, WEFT_SLICE("}\n\n"));
        }
    }
    return error < 0 ? error : append(out, WEFT_SLICE("data: [DONE]\n\n"));
}

int weft_openai_answer_end(struct weft_openai_answer *answer, struct weft_bytes *out)
{
    for (uint16_t i = 0; i < answer->options.choices; i++) {
        if (!answer->at[i].finished) {
            return WEFT_ERR_INVALID;
        }
    }
    return answer->options.stream ? end_stream(answer, out) : write_whole(answer, out);
}

int weft_openai_answer_fail(const struct weft_openai_error *error, struct weft_bytes *out)
{
    int status = append(out, WEFT_SLICE("data: "));
    if (status == 0) {
        status = weft_openai_error_write(error, out);
    }
    return status < 0 ? status : append(out, WEFT_SLICE("\n\n"));
}

/* -- its life -- */

/* {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":…,"choices":[ and for a stream "data: " before it. */
static int make_head(struct weft_openai_answer *answer)
{
    static const char *const objects[2][2] = {
        [WEFT_OPENAI_CHAT] = {"chat.completion", "chat.completion.chunk"},
        [WEFT_OPENAI_COMPLETION] = {"text_completion", "text_completion"},
    };
    const struct weft_openai_answer_options *options = &answer->options;
    struct weft_bytes text = {0};
    struct weft_json json;
    int error = options->stream ? append(&text, WEFT_SLICE("data: ")) : 0;
    weft_json_start(&json, &text);
    json.error = error;
    weft_json_object(&json);
    weft_json_add_string(&json, "id", options->id);
    weft_json_add_text(&json, "object", objects[options->shape][options->stream]);
    weft_json_add_int(&json, "created", options->created_s);
    weft_json_add_string(&json, "model", options->model);
    weft_json_add_string(&json, "system_fingerprint", options->fingerprint);
    weft_json_key(&json, "choices");
    weft_json_array(&json);
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    error = weft_json_finish(&json);
    if (error == 0) {
        answer->head_size = text.size - 2; /* the brackets stay open */
        answer->head = weft_alloc(text.size);
        error = answer->head ? 0 : WEFT_ERR_MEMORY;
    }
    if (error == 0) {
        (void)weft_bytes_read(&text, answer->head, answer->head_size);
    }
    weft_bytes_deinit(&text);
    return error;
}

int weft_openai_answer_new(struct weft_openai_answer **out, const struct weft_openai_answer_options *options)
{
    struct weft_openai_answer *answer = weft_zalloc(sizeof(*answer) + options->choices * sizeof(answer->at[0]));
    *out = answer;
    if (!answer) {
        return WEFT_ERR_MEMORY;
    }
    answer->options = *options;
    int error = make_head(answer);
    if (error < 0) {
        weft_openai_answer_free(answer);
        *out = NULL;
    }
    return error;
}

void weft_openai_answer_free(struct weft_openai_answer *answer)
{
    if (!answer) {
        return;
    }
    for (uint16_t i = 0; i < answer->options.choices; i++) {
        struct choice *choice = &answer->at[i];
        weft_openai_logprobs_clear(&choice->waiting);
        weft_openai_logprobs_clear(&choice->shown);
        weft_bytes_deinit(&choice->text);
        weft_bytes_deinit(&choice->reasoning);
        weft_bytes_deinit(&choice->called);
    }
    weft_free(answer->head);
    weft_free(answer);
}
