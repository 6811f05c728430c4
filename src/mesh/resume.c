/* mesh/resume.c - what was delivered of an answer, so that another attempt goes on where one was cut. */
#include "mesh/resume.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/json.h"

#define FIRST_IDS 64 /* room for so many; then twice as many each time */

struct choice {
    uint32_t *ids; /* that were told */
    size_t count, room;
    size_t echo_told, echo_seen; /* tokens of an echoed prompt: by any attempt, by this one */
    bool finished;
};

struct weft_resume {
    struct weft_bytes step; /* frames of a step that is not whole yet */
    struct weft_native_reader reader;
    uint32_t id; /* the step's token */
    uint16_t choice;
    uint16_t missing; /* deltas of the step that are still to come */
    bool echoes;      /* its token is one of the prompt */
    bool known;       /* it was told before: left out */
    bool loose;       /* text came without a token */
    bool usage_told;
    uint16_t count;
    struct choice at[];
};

int weft_resume_new(struct weft_resume **out, uint16_t choices)
{
    struct weft_resume *resume = *out = weft_zalloc(sizeof(*resume) + choices * sizeof(resume->at[0]));
    if (!resume) {
        return WEFT_ERR_MEMORY;
    }
    resume->count = choices;
    weft_bytes_init(&resume->step);
    weft_native_reader_init(&resume->reader);
    return 0;
}

void weft_resume_free(struct weft_resume *resume)
{
    if (!resume) {
        return;
    }
    for (uint16_t i = 0; i < resume->count; i++) {
        weft_free(resume->at[i].ids);
    }
    weft_native_reader_deinit(&resume->reader);
    weft_bytes_deinit(&resume->step);
    weft_free(resume);
}

void weft_resume_again(struct weft_resume *resume)
{
    weft_bytes_deinit(&resume->step);
    resume->missing = 0;
    for (uint16_t i = 0; i < resume->count; i++) {
        resume->at[i].echo_seen = 0;
    }
}

/* -- a step -- */

static int make_room(struct choice *choice)
{
    if (choice->count < choice->room) {
        return 0;
    }
    size_t room = choice->room == 0 ? FIRST_IDS : 2 * choice->room;
    if (room > WEFT_RESUME_IDS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    uint32_t *ids = weft_realloc(choice->ids, room * sizeof(*ids));
    if (!ids) {
        return WEFT_ERR_MEMORY;
    }
    choice->ids = ids;
    choice->room = room;
    return 0;
}

/* The step is whole, and counts as told from here: what comes of telling it is the listener's own affair. */
static int keep(struct weft_resume *resume)
{
    struct choice *choice = &resume->at[resume->choice];
    if (resume->echoes) {
        choice->echo_told++;
        return 0;
    }
    int error = make_room(choice);
    if (error == 0) {
        choice->ids[choice->count++] = resume->id;
    }
    return error;
}

static int tell_step(struct weft_resume *resume, weft_resume_tell *tell, void *self)
{
    struct weft_frame frame;
    size_t taken; /* of a queue that is ours */
    int error = keep(resume), got = error < 0 ? error : 1;
    while (got > 0 && resume->step.size > 0) {
        got = weft_native_read(&resume->reader, &resume->step, &frame, &taken);
        if (got > 0 && !tell(self, &frame)) {
            break;
        }
    }
    weft_bytes_deinit(&resume->step);
    return got < 0 ? got : 1;
}

static int take_token(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell, void *self)
{
    struct choice *choice = &resume->at[frame->choice];
    bool known = false;
    if (frame->token.prompt) {
        known = choice->echo_seen < choice->echo_told;
        choice->echo_seen++;
    }
    if (resume->missing > 0 || (choice->finished && !known)) {
        return WEFT_ERR_INVALID;
    }
    resume->id = frame->token.id;
    resume->choice = frame->choice;
    resume->missing = frame->token.deltas;
    resume->echoes = frame->token.prompt;
    resume->known = known;
    if (known) {
        return 0;
    }
    if (resume->missing > 0) {
        return weft_native_write(&resume->step, frame);
    }
    int error = keep(resume);
    if (error == 0) {
        (void)tell(self, frame); /* it was the only frame of the step */
    }
    return error < 0 ? error : 1;
}

static int take_delta(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell, void *self)
{
    if (resume->missing == 0) {
        if (resume->at[frame->choice].finished) {
            return WEFT_ERR_INVALID;
        }
        resume->loose = true;
        (void)tell(self, frame); /* likewise */
        return 1;
    }
    if (frame->choice != resume->choice) {
        return WEFT_ERR_INVALID;
    }
    int error = resume->known ? 0 : weft_native_write(&resume->step, frame);
    if (error == 0 && resume->step.size > WEFT_RESUME_STEP_MAX) {
        error = WEFT_ERR_TOO_LARGE;
    }
    resume->missing--;
    if (error < 0 || resume->known || resume->missing > 0) {
        return error;
    }
    return tell_step(resume, tell, self);
}

/* -- other frames -- */

static int take_finish(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell, void *self)
{
    struct choice *choice = &resume->at[frame->choice];
    if (resume->missing > 0) {
        return WEFT_ERR_INVALID;
    }
    if (choice->finished) {
        return 0;
    }
    choice->finished = true;
    (void)tell(self, frame); /* one frame */
    return 1;
}

static int take_usage(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell, void *self)
{
    struct weft_frame usage = *frame;
    if (resume->missing > 0) {
        return WEFT_ERR_INVALID;
    }
    if (resume->usage_told) {
        return 0;
    }
    if (!resume->loose) {
        usage.usage.completion_tokens = (uint32_t)weft_resume_tokens(resume); /* bounded, 16 choices of 16 Mi at most */
    }
    resume->usage_told = true;
    (void)tell(self, &usage); /* one frame */
    return 0;
}

int weft_resume_frame(struct weft_resume *resume, const struct weft_frame *frame, weft_resume_tell *tell, void *self)
{
    bool of_choice =
        frame->kind == WEFT_FRAME_TOKEN || frame->kind == WEFT_FRAME_DELTA || frame->kind == WEFT_FRAME_FINISH;
    if (of_choice && frame->choice >= resume->count) {
        return WEFT_ERR_INVALID;
    }
    switch (frame->kind) {
    case WEFT_FRAME_TOKEN:
        return take_token(resume, frame, tell, self);
    case WEFT_FRAME_DELTA:
        return take_delta(resume, frame, tell, self);
    case WEFT_FRAME_FINISH:
        return take_finish(resume, frame, tell, self);
    case WEFT_FRAME_USAGE:
        return take_usage(resume, frame, tell, self);
    case WEFT_FRAME_PROGRESS:
        (void)tell(self, frame); /* one frame */
        return 0;
    case WEFT_FRAME_ERROR:
    case WEFT_FRAME_END:
    case WEFT_FRAME_LOAD:
        break;
    }
    return WEFT_ERR_INVALID;
}

/* -- what somebody else has told -- */

static int read_choice(struct choice *choice, const json_t *ids)
{
    size_t count = json_array_size(ids); /* 0 for what is none */
    int error = json_is_array(ids) ? 0 : WEFT_ERR_INVALID;
    for (size_t i = 0; i < count && error == 0; i++) {
        const json_t *id = json_array_get(ids, i);
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        error = value < 0 || value > UINT32_MAX ? WEFT_ERR_INVALID : make_room(choice);
        if (error == 0) {
            choice->ids[choice->count++] = (uint32_t)value;
        }
    }
    return error;
}

int weft_resume_read(struct weft_resume *resume, const json_t *ids)
{
    int error = json_is_array(ids) && json_array_size(ids) == resume->count ? 0 : WEFT_ERR_INVALID;
    for (uint16_t i = 0; i < resume->count && error == 0; i++) {
        error = read_choice(&resume->at[i], json_array_get(ids, i));
    }
    return error;
}

/* -- what the next attempt is told -- */

bool weft_resume_possible(const struct weft_resume *resume)
{
    return !resume->loose;
}

bool weft_resume_whole(const struct weft_resume *resume)
{
    uint16_t finished = 0;
    while (finished < resume->count && resume->at[finished].finished) {
        finished++;
    }
    return finished == resume->count;
}

size_t weft_resume_tokens(const struct weft_resume *resume)
{
    size_t tokens = 0;
    for (uint16_t i = 0; i < resume->count; i++) {
        tokens += resume->at[i].count;
    }
    return tokens;
}

int weft_resume_write(const struct weft_resume *resume, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_array(&json);
    for (uint16_t i = 0; i < resume->count; i++) {
        weft_json_array(&json);
        for (size_t k = 0; k < resume->at[i].count; k++) {
            weft_json_int(&json, resume->at[i].ids[k]);
        }
        weft_json_array_end(&json);
    }
    weft_json_array_end(&json);
    return weft_json_finish(&json);
}
