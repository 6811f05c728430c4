/* fuzz/resume_fuzz.c - the ids that another node says were told, then attempts of a peer's answer that are cut again
 * and again: what is told is whole steps, none after its choice's finish, and the ids that are kept are those that were
 * told.
 *
 * First bytes: how many choices, how many frames to an attempt, the size of the ids' text (two, lowest first). Then the
 * text, then the stream. */
#include "base/assert.h"
#include "base/bytes.h"
#include "mesh/resume.h"

#define HEAD        4
#define CHOICES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    const struct weft_resume *resume;
    size_t tokens;   /* that were sampled */
    uint16_t choice; /* of the last step */
    unsigned left;   /* of its deltas */
    bool finished[CHOICES_MAX], usage;
};

static bool tell(void *self, const struct weft_frame *frame)
{
    struct told *told = self;
    switch (frame->kind) {
    case WEFT_FRAME_TOKEN:
        WEFT_ASSERT(told->left == 0 && !told->finished[frame->choice]);
        told->choice = frame->choice;
        told->left = frame->token.deltas;
        told->tokens += frame->token.prompt ? 0 : 1;
        break;
    case WEFT_FRAME_DELTA:
        WEFT_ASSERT(!told->finished[frame->choice]);
        WEFT_ASSERT(told->left > 0 ? frame->choice == told->choice : !weft_resume_possible(told->resume));
        told->left -= told->left > 0 ? 1 : 0;
        break;
    case WEFT_FRAME_FINISH:
        WEFT_ASSERT(told->left == 0 && !told->finished[frame->choice]);
        told->finished[frame->choice] = true;
        break;
    case WEFT_FRAME_USAGE:
        WEFT_ASSERT(told->left == 0 && !told->usage);
        told->usage = true;
        break;
    default:
        WEFT_ASSERT(frame->kind == WEFT_FRAME_PROGRESS && told->left == 0);
        break;
    }
    return true;
}

/* What the next attempt would be told is read as what was told. */
static void check_ids(const struct weft_resume *resume, uint16_t choices)
{
    struct weft_bytes out;
    struct weft_resume *again;
    json_t *ids;
    static char text[1024 * 1024];
    weft_bytes_init(&out);
    WEFT_ASSERT(weft_resume_write(resume, &out) == 0 && out.size <= sizeof(text));
    size_t size = weft_bytes_read(&out, text, sizeof(text));
    WEFT_ASSERT(weft_json_parse(weft_slice(text, size), &ids, NULL) == 0);
    WEFT_ASSERT(weft_resume_new(&again, choices) == 0);
    WEFT_ASSERT(weft_resume_read(again, ids) == 0);
    WEFT_ASSERT(weft_resume_tokens(again) == weft_resume_tokens(resume));
    json_decref(ids);
    weft_resume_free(again);
}

static void play(struct weft_resume *resume, struct weft_slice stream, unsigned each)
{
    struct told told = {.resume = resume};
    struct weft_native_reader reader;
    struct weft_bytes queue;
    struct weft_frame frame;
    size_t taken, before = weft_resume_tokens(resume);
    weft_native_reader_init(&reader);
    weft_bytes_init(&queue);
    WEFT_ASSERT(weft_bytes_append(&queue, stream.data, stream.size) == 0);
    int status = 0;
    for (unsigned count = 1; status >= 0 && weft_native_read(&reader, &queue, &frame, &taken) > 0; count++) {
        status = weft_resume_frame(resume, &frame, tell, &told);
        WEFT_ASSERT(told.left == 0); /* a step is told whole */
        WEFT_ASSERT(weft_resume_tokens(resume) == before + told.tokens);
        if (count % each == 0) {
            weft_resume_again(resume);
        }
    }
    weft_bytes_deinit(&queue);
    weft_native_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_resume *resume;
    json_t *ids = NULL;
    int error = 0;
    if (size < HEAD || size > (1 << 16)) {
        return 0;
    }
    uint16_t choices = (uint16_t)(1 + data[0] % CHOICES_MAX);
    size_t text = (size_t)data[2] | (size_t)data[3] << 8;
    text = text < size - HEAD ? text : size - HEAD;
    WEFT_ASSERT(weft_resume_new(&resume, choices) == 0);
    if (text > 0) {
        error = weft_json_parse(weft_slice(data + HEAD, text), &ids, NULL);
        error = error < 0 ? error : weft_resume_read(resume, ids);
        json_decref(ids);
    }
    if (error == 0) {
        play(resume, weft_slice(data + HEAD + text, size - HEAD - text), 1 + data[1] % 32u);
        check_ids(resume, choices);
    }
    weft_resume_free(resume);
    weft_bytes_trim();
    return 0;
}
