/* fuzz/external_reading_fuzz.c - whatever a server that is not ours sends becomes the same frames however it is cut,
 * and frames that an answer for a client can be made of. The first byte chooses the route and how many choices there
 * are, the next three how the rest is cut. */
#include "base/assert.h"
#include "base/error.h"
#include "node/external_reading.h"
#include "node/openai_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct listener {
    struct weft_openai_answer *answer;
    struct weft_bytes told; /* what a client gets */
    bool over;
};

static void hear(void *self, const struct weft_frame *frame)
{
    struct listener *listener = self;
    WEFT_ASSERT(!listener->over);
    if (frame->kind == WEFT_FRAME_ERROR) {
        WEFT_ASSERT(frame->error.status >= 400 && frame->error.code.size > 0 && frame->error.message.size > 0);
        listener->over = true;
    } else if (frame->kind == WEFT_FRAME_END) {
        WEFT_ASSERT(weft_openai_answer_end(listener->answer, &listener->told) == 0);
        listener->over = true;
    } else {
        WEFT_ASSERT(weft_openai_answer_frame(listener->answer, frame, 1, &listener->told) == 0);
    }
}

static int read_all(struct weft_slice stream, const uint8_t *head, bool cut, struct weft_bytes *told)
{
    struct weft_external_reading *reading;
    struct listener listener = {.over = false};
    struct weft_external_reading_options options = {.shape = head[0] & 1 ? WEFT_OPENAI_COMPLETION : WEFT_OPENAI_CHAT,
                                                    .choices = (uint16_t)(head[0] / 2 % 4 + 1),
                                                    .frame = hear,
                                                    .self = &listener};
    const struct weft_openai_answer_options answer = {
        .shape = options.shape, .stream = true, .include_usage = true, .choices = options.choices};
    WEFT_ASSERT(weft_openai_answer_new(&listener.answer, &answer) == 0);
    WEFT_ASSERT(weft_external_reading_new(&reading, &options) == 0);
    int status = 0;
    for (size_t round = 0; stream.size > 0 && status == 0; round++) {
        size_t size = cut ? (size_t)head[1 + round % 3] % 7 + 1 : stream.size;
        struct weft_slice part = weft_slice(stream.data, size < stream.size ? size : stream.size);
        stream = weft_slice(stream.data + part.size, stream.size - part.size);
        while ((status = weft_external_reading_take(reading, &part)) > 0) {
        }
    }
    if (status == 0) {
        status = weft_external_reading_end(reading);
    }
    WEFT_ASSERT((status == 0) == listener.over);
    weft_bytes_move(told, &listener.told);
    weft_external_reading_free(reading);
    weft_openai_answer_free(listener.answer);
    return status;
}

static void assert_same(struct weft_bytes *a, struct weft_bytes *b)
{
    WEFT_ASSERT(a->size == b->size);
    while (a->size > 0) {
        char left[512], right[512];
        size_t size = weft_bytes_read(a, left, sizeof(left));
        WEFT_ASSERT(weft_bytes_read(b, right, sizeof(right)) == size);
        WEFT_ASSERT(memcmp(left, right, size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > (1 << 16)) {
        return 0;
    }
    struct weft_slice stream = weft_slice(data + 4, size - 4);
    struct weft_bytes whole = {0}, cut = {0};
    struct weft_native_problem problem;
    int status = read_all(stream, data, false, &whole);
    WEFT_ASSERT(read_all(stream, data, true, &cut) == status);
    assert_same(&whole, &cut);
    weft_external_refusal(400 + data[1], stream, &problem);
    WEFT_ASSERT(problem.status >= 400 && problem.code[0] && problem.message[0]);
    weft_bytes_trim();
    return 0;
}
