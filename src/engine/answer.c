/* engine/answer.c - from the events of a job to the frames of the native stream. */
#include "engine/answer.h"

#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"

#define CHARACTER_MAX 4 /* bytes of one in UTF-8 */

struct choice {
    struct weft_chat_parser *parser; /* NULL: its text is shown as it comes */
    bool whole;                      /* the parser has all of it */
    bool broken;                     /* it is not what its beginning promised */
};

struct weft_answer {
    struct weft_answer_options options;
    struct choice choices[WEFT_JOB_CHOICES_MAX];
    struct weft_frame progress; /* how far it is */

    /* of the step that is being added */
    uint16_t choice;
    bool silent; /* it was delivered before */
    struct weft_bytes deltas;
    uint16_t delta_count;
};

/* -- deltas -- */

/* How much of the text goes into one frame: whole characters. */
static size_t piece_of(struct weft_slice text)
{
    if (text.size <= WEFT_ANSWER_DELTA_MAX) {
        return text.size;
    }
    size_t size = WEFT_ANSWER_DELTA_MAX;
    for (size_t back = 0; back < CHARACTER_MAX; back++) {
        if (((unsigned char)text.data[size - back] & 0xC0) != 0x80) { /* a character begins there */
            return size - back;
        }
    }
    return size; /* it is no UTF-8; the reader finds out */
}

static int write_delta(struct weft_answer *answer, const struct weft_frame *delta)
{
    struct weft_frame piece = *delta;
    struct weft_slice rest = delta->delta.text.size > 0 ? delta->delta.text : WEFT_SLICE("");
    piece.choice = answer->choice;
    do {
        if (answer->delta_count == UINT16_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        piece.delta.text = weft_slice(rest.data, piece_of(rest));
        int error = weft_native_write(&answer->deltas, &piece);
        if (error < 0) {
            return error;
        }
        answer->delta_count++;
        rest.data += piece.delta.text.size;
        rest.size -= piece.delta.text.size;
        piece.delta.id = piece.delta.name = (struct weft_slice){0}; /* said with the first */
    } while (rest.size > 0);
    return 0;
}

static int on_told(void *self, const struct weft_frame *delta)
{
    struct weft_answer *answer = self;
    return answer->silent ? 0 : write_delta(answer, delta);
}

/* A resumed answer makes the same ids: they hold what was asked for and where they stand, and nothing else. */
static void on_call_id(void *self, uint16_t call, char *id, size_t size)
{
    const struct weft_answer *answer = self;
    struct weft_slice prefix = answer->options.call_ids;
    (void)snprintf(id, size, "%.*s_%u_%u", (int)prefix.size, prefix.size > 0 ? prefix.data : "",
                   (unsigned)answer->choice, (unsigned)call); /* `call_ids` is bounded, so it fits */
}

static int parse(struct weft_answer *answer, struct choice *choice, struct weft_slice text, bool last)
{
    const struct weft_chat_parser_user user = {.told = on_told, .call_id = on_call_id, .self = answer};
    int error = weft_chat_parser_add(choice->parser, text, last, &user);
    choice->whole = choice->whole || last;
    if (error == WEFT_ERR_INVALID) {
        choice->broken = true;
        return 0; /* whether that is a failure depends on how the choice ends */
    }
    return error;
}

static void begin_step(struct weft_answer *answer, uint16_t choice, bool silent)
{
    answer->choice = choice;
    answer->silent = silent;
    answer->delta_count = 0;
    weft_bytes_deinit(&answer->deltas);
}

/* -- frames -- */

static int write_error(struct weft_bytes *out, uint16_t status, const char *code, const char *message)
{
    const struct weft_frame frame = {
        .kind = WEFT_FRAME_ERROR,
        .error = {.status = status, .code = weft_slice_text(code), .message = weft_slice_text(message)}};
    int error = weft_native_write(out, &frame);
    return error < 0 ? error : 1;
}

static bool is_last(const struct weft_event *event)
{
    const struct weft_event *next = event->next;
    return next && next->kind == WEFT_EVENT_FINISH && next->job == event->job && next->choice == event->choice;
}

static int write_token(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out)
{
    struct weft_frame frame = {.kind = WEFT_FRAME_TOKEN,
                               .choice = event->choice,
                               .token = {.id = event->token.id,
                                         .deltas = answer->delta_count,
                                         .prompt = event->token.prompt,
                                         .has_logprob = event->token.has_logprob,
                                         .logprob = event->token.logprob,
                                         .bytes = event->token.bytes,
                                         .top_count = event->token.top_count}};
    for (size_t i = 0; i < event->token.top_count; i++) {
        frame.token.top[i] = event->token.top[i];
    }
    int error = weft_native_write(out, &frame);
    if (error == 0) {
        weft_bytes_move(out, &answer->deltas);
    }
    return error;
}

/* Another token is told: from the first one on it writes. */
static void count_token(struct weft_answer *answer)
{
    struct weft_frame *progress = &answer->progress;
    uint32_t before = progress->progress.phase == WEFT_PHASE_DECODE ? progress->progress.done : 0;
    progress->progress.phase = WEFT_PHASE_DECODE;
    progress->progress.done = before + 1;
    progress->progress.total = 0;
}

static int add_token(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out)
{
    struct choice *choice = &answer->choices[event->choice];
    struct weft_slice shown = event->token.shown;
    int error = 0;
    begin_step(answer, event->choice, event->token.replayed);
    if (choice->parser && !event->token.prompt) {
        bool last = is_last(event);
        if ((shown.size > 0 || last) && !choice->broken) {
            error = parse(answer, choice, shown, last);
        }
    } else if (shown.size > 0 && !answer->silent) {
        const struct weft_frame delta = {.kind = WEFT_FRAME_DELTA, .delta = {.part = WEFT_PART_CONTENT, .text = shown}};
        error = write_delta(answer, &delta);
    }
    if (error < 0 || answer->silent) {
        return error;
    }
    if (!event->token.prompt) {
        count_token(answer);
    }
    return write_token(answer, event, out);
}

static bool is_clients(const struct weft_answer *answer, struct weft_slice stop)
{
    for (size_t i = 0; i < answer->options.stop_count; i++) {
        if (weft_slice_equal(answer->options.stops[i], stop)) {
            return true;
        }
    }
    return false;
}

static int add_finish(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out)
{
    struct choice *choice = &answer->choices[event->choice];
    struct weft_frame frame = {
        .kind = WEFT_FRAME_FINISH,
        .choice = event->choice,
        .finish = {.reason = event->finish.reason,
                   /* The template's own stop strings are no news to the client: the model has ended its turn. */
                   .stop = is_clients(answer, event->finish.stop) ? event->finish.stop : (struct weft_slice){0}}};
    int error = 0;
    if (choice->parser && !choice->whole && !choice->broken) { /* its last token was delivered before */
        begin_step(answer, event->choice, true);
        error = parse(answer, choice, (struct weft_slice){0}, true);
    }
    if (error < 0) {
        return error;
    }
    bool by_itself = frame.finish.reason == WEFT_FINISH_STOP && frame.finish.stop.size == 0;
    if (by_itself && choice->broken) {
        return write_error(out, 500, "bad_tool_call",
                           "The model meant to call a tool, but what it wrote is not a valid call. Ask again, perhaps "
                           "with another seed or a lower temperature, or require a tool: then it cannot go wrong.");
    }
    if (by_itself && choice->parser && weft_chat_parser_calls(choice->parser) > 0) {
        frame.finish.reason = WEFT_FINISH_TOOL_CALLS;
    }
    return weft_native_write(out, &frame);
}

static int add_progress(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out)
{
    answer->progress.progress.phase = event->progress.phase;
    answer->progress.progress.done = event->progress.done;
    answer->progress.progress.total = event->progress.total;
    return weft_answer_sign(answer, out);
}

static int add_failure(const struct weft_event *event, struct weft_bytes *out)
{
    const char *problem = event->done.problem;
    switch (event->done.status) {
    case WEFT_ERR_MEMORY:
        return write_error(out, 503, "out_of_memory",
                           problem ? problem : "The engine ran out of memory while it answered. Try again later.");
    case WEFT_ERR_NOT_FOUND:
    case WEFT_ERR_TOO_LARGE:
        return write_error(out, 400, "invalid_grammar",
                           problem ? problem : "The grammar asks for too much: make it simpler.");
    case WEFT_ERR_CANCELLED:
        return write_error(out, 503, "cancelled", problem ? problem : "The engine is ending, and so is this answer.");
    default:
        return write_error(out, 500, "engine_failed",
                           problem ? problem : "The engine could not go on with this answer. Ask again.");
    }
}

static int add_done(const struct weft_event *event, struct weft_bytes *out)
{
    if (event->done.status < 0) {
        return add_failure(event, out);
    }
    const struct weft_frame usage = {.kind = WEFT_FRAME_USAGE,
                                     .usage = {.prompt_tokens = event->done.prompt_tokens,
                                               .cached_tokens = event->done.cached_tokens,
                                               .completion_tokens = event->done.completion_tokens,
                                               .waited_us = event->done.waited_us,
                                               .prefill_us = event->done.prefill_us,
                                               .decode_us = event->done.decode_us}};
    const struct weft_frame end = {.kind = WEFT_FRAME_END};
    int error = weft_native_write(out, &usage);
    if (error == 0) {
        error = weft_native_write(out, &end);
    }
    return error < 0 ? error : 1;
}

int weft_answer_add(struct weft_answer *answer, const struct weft_event *event, struct weft_bytes *out)
{
    switch (event->kind) {
    case WEFT_EVENT_PROGRESS:
        return add_progress(answer, event, out);
    case WEFT_EVENT_TOKEN:
        return add_token(answer, event, out);
    case WEFT_EVENT_FINISH:
        return add_finish(answer, event, out);
    case WEFT_EVENT_DONE:
        return add_done(event, out);
    case WEFT_EVENT_SCORE:
    case WEFT_EVENT_VECTOR:
        break; /* of other jobs */
    }
    return 0;
}

int weft_answer_sign(const struct weft_answer *answer, struct weft_bytes *out)
{
    return weft_native_write(out, &answer->progress);
}

/* -- life -- */

int weft_answer_new(struct weft_answer **out, const struct weft_answer_options *options)
{
    struct weft_answer *answer = *out = weft_zalloc(sizeof(*answer));
    if (!answer) {
        return WEFT_ERR_MEMORY;
    }
    answer->options = *options;
    answer->progress.kind = WEFT_FRAME_PROGRESS;
    weft_bytes_init(&answer->deltas);
    for (uint16_t i = 0; options->prompt && i < options->choices; i++) {
        int error = weft_chat_parser_new(&answer->choices[i].parser, options->prompt);
        if (error < 0) {
            weft_answer_free(answer);
            *out = NULL;
            return error;
        }
    }
    return 0;
}

void weft_answer_free(struct weft_answer *answer)
{
    if (!answer) {
        return;
    }
    for (size_t i = 0; i < WEFT_COUNT(answer->choices); i++) {
        weft_chat_parser_free(answer->choices[i].parser);
    }
    weft_bytes_deinit(&answer->deltas);
    weft_free(answer);
}
