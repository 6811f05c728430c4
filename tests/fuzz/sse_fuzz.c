/* fuzz/sse_fuzz.c - a stream gives the same events however it is cut; what is written reads back; the tail of a
 * stream is where its events say. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A record of all events: type, data, id, each with a mark behind it that no line holds. */
static int read_all(struct weft_slice stream, const uint8_t *cuts, size_t cut_count, struct weft_bytes *record)
{
    struct weft_sse sse;
    weft_sse_init(&sse);
    int status = 0;
    for (size_t round = 0; stream.size > 0 && status == 0; round++) {
        size_t size = cut_count == 0 ? stream.size : (size_t)cuts[round % cut_count] % 7 + 1;
        struct weft_slice part = weft_slice(stream.data, size < stream.size ? size : stream.size);
        stream = weft_slice(stream.data + part.size, stream.size - part.size);
        struct weft_sse_event event;
        while ((status = weft_sse_next(&sse, &part, &event)) > 0) {
            const struct weft_slice texts[] = {event.type, event.data, event.id};
            for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
                WEFT_ASSERT(!memchr(texts[i].data, '\r', texts[i].size));
                WEFT_ASSERT(weft_bytes_append(record, texts[i].data, texts[i].size) == 0);
                WEFT_ASSERT(weft_bytes_append(record, "\r", 1) == 0);
            }
        }
        WEFT_ASSERT(status < 0 || part.size == 0);
    }
    weft_sse_deinit(&sse);
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

/* Where the tail stands between two events, one more event changes nothing of what came before, and is read whole. */
static void check_tail(struct weft_slice stream, const struct weft_bytes *before, size_t half)
{
    struct weft_sse_tail whole, parts;
    weft_sse_tail_init(&whole);
    weft_sse_tail_init(&parts);
    weft_sse_tail_pass(&whole, stream);
    weft_sse_tail_pass(&parts, weft_slice(stream.data, half));
    weft_sse_tail_pass(&parts, weft_slice(stream.data + half, stream.size - half));
    WEFT_ASSERT(weft_sse_tail_between(&whole) == weft_sse_tail_between(&parts));
    if (!weft_sse_tail_between(&whole)) {
        return;
    }
    static char longer[1 << 17];
    static const char appended[] = "event: error\ndata: x\n\n";
    if (stream.size + sizeof(appended) > sizeof(longer)) {
        return;
    }
    memcpy(longer, stream.data, stream.size);
    memcpy(longer + stream.size, appended, sizeof(appended) - 1);
    struct weft_bytes after;
    weft_bytes_init(&after);
    WEFT_ASSERT(read_all(weft_slice(longer, stream.size + sizeof(appended) - 1), NULL, 0, &after) == 0);
    static char record[1 << 20];
    size_t size = weft_bytes_read(&after, record, sizeof(record));
    size_t added = sizeof "error\rx\r" - 1; /* and the id that the stream gave last */
    WEFT_ASSERT(size >= before->size + added);
    WEFT_ASSERT(memcmp(record + before->size, "error\rx\r", added) == 0);
    WEFT_ASSERT(memchr(record + before->size + added, '\r', size - before->size - added) == record + size - 1);
    weft_bytes_deinit(&after);
}

static void check_writer(struct weft_slice data)
{
    struct weft_bytes out, expected;
    weft_bytes_init(&out);
    weft_bytes_init(&expected);
    WEFT_ASSERT(weft_sse_write(&out, WEFT_SLICE("delta"), data) == 0);
    static char wire[1 << 20];
    size_t size = weft_bytes_read(&out, wire, sizeof(wire));
    WEFT_ASSERT(weft_bytes_append(&expected, "delta\r", 6) == 0);
    for (size_t i = 0; i < data.size; i++) { /* line breaks of all kinds come back as newlines */
        bool pair = data.data[i] == '\r' && i + 1 < data.size && data.data[i + 1] == '\n';
        WEFT_ASSERT(pair || weft_bytes_append(&expected, data.data[i] == '\r' ? "\n" : &data.data[i], 1) == 0);
    }
    WEFT_ASSERT(weft_bytes_append(&expected, "\r\r", 2) == 0);
    WEFT_ASSERT(read_all(weft_slice(wire, size), NULL, 0, &out) == 0);
    assert_same(&out, &expected);
    weft_bytes_deinit(&out);
    weft_bytes_deinit(&expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > (1 << 16)) {
        return 0;
    }
    /* The first bytes say how the rest is cut. */
    struct weft_slice stream = weft_slice(data + 4, size - 4);
    struct weft_bytes whole, cut;
    weft_bytes_init(&whole);
    weft_bytes_init(&cut);
    int first = read_all(stream, NULL, 0, &whole);
    int second = read_all(stream, data, 4, &cut);
    WEFT_ASSERT(first == 0 && second == 0); /* such a short stream passes no bound */
    check_tail(stream, &whole, data[0] * stream.size / 256);
    check_writer(stream);
    assert_same(&whole, &cut);
    weft_bytes_deinit(&whole);
    weft_bytes_deinit(&cut);
    weft_bytes_trim();
    return 0;
}
