/* fuzz/native_fuzz.c - a native stream gives the same frames however it is cut, and a frame that was read is written
 * back byte for byte. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every frame is written again into `again`. `from` is what of the stream they were. */
static int read_all(struct weft_slice stream, const uint8_t *cuts, size_t cut_count, struct weft_bytes *again,
                    size_t *from)
{
    struct weft_native_reader reader;
    struct weft_bytes queue;
    weft_native_reader_init(&reader);
    weft_bytes_init(&queue);
    int status = 0;
    *from = 0;
    for (size_t round = 0; stream.size > 0 && status == 0; round++) {
        size_t size = cut_count == 0 ? stream.size : (size_t)cuts[round % cut_count] % 23 + 1;
        size = size < stream.size ? size : stream.size;
        WEFT_ASSERT(weft_bytes_append(&queue, stream.data, size) == 0);
        stream = weft_slice(stream.data + size, stream.size - size);
        struct weft_frame frame;
        size_t taken;
        while ((status = weft_native_read(&reader, &queue, &frame, &taken)) > 0) {
            size_t before = again->size;
            WEFT_ASSERT(weft_native_write(again, &frame) == 0);
            WEFT_ASSERT(again->size - before <= taken); /* less where unknown kinds were skipped */
            *from += taken;
        }
    }
    weft_bytes_deinit(&queue);
    weft_native_reader_deinit(&reader);
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
    /* The first bytes say how the rest is cut. */
    struct weft_slice stream = weft_slice(data + 4, size - 4);
    struct weft_bytes whole, cut, frames;
    weft_bytes_init(&whole);
    weft_bytes_init(&cut);
    weft_bytes_init(&frames);
    size_t from_whole, from_cut;
    int first = read_all(stream, NULL, 0, &whole, &from_whole);
    int second = read_all(stream, data, 4, &cut, &from_cut);
    WEFT_ASSERT(first == second && whole.size == cut.size);
    if (whole.size == from_whole) { /* nothing was skipped: what was written again is what was there */
        WEFT_ASSERT(weft_bytes_append(&frames, stream.data, from_whole) == 0);
        assert_same(&frames, &whole);
        WEFT_ASSERT(weft_bytes_append(&whole, stream.data, from_whole) == 0);
    }
    assert_same(&whole, &cut);
    weft_bytes_deinit(&frames);
    weft_bytes_deinit(&cut);
    weft_bytes_deinit(&whole);
    weft_bytes_trim();
    return 0;
}
