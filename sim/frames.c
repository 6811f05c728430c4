/* sim/frames.c - HTTP/2 spelled by hand (RFC 9113, RFC 7541). */
#include "sim/frames.h"

#include "base/assert.h"

#define BLOCK_MAX 4096 /* of a head */

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, END_HEADERS = 4 };

void weft_frames_send(struct weft_raw *raw, unsigned type, unsigned flags, uint32_t stream, struct weft_slice payload)
{
    const unsigned char head[9] = {
        (unsigned char)(payload.size >> 16),
        (unsigned char)(payload.size >> 8),
        (unsigned char)payload.size,
        (unsigned char)type,
        (unsigned char)flags,
        (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16),
        (unsigned char)(stream >> 8),
        (unsigned char)stream,
    };
    WEFT_ASSERT(payload.size <= 16384);
    weft_raw_send(raw, weft_slice(head, sizeof(head)));
    if (payload.size > 0) {
        weft_raw_send(raw, payload);
    }
}

void weft_frames_hello(struct weft_raw *raw)
{
    /* Wide windows, of 16 MiB: what is tested is not this peer's patience. */
    static const unsigned char settings[6] = {0, 4, 1, 0, 0, 0}, window[4] = {1, 0, 0, 0};
    weft_raw_text(raw, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    weft_frames_send(raw, SETTINGS, 0, 0, weft_slice(settings, sizeof(settings)));
    weft_frames_send(raw, WINDOW_UPDATE, 0, 0, weft_slice(window, sizeof(window)));
}

struct block {
    unsigned char bytes[BLOCK_MAX];
    size_t size;
};

static void put_string(struct block *block, struct weft_slice text)
{
    WEFT_ASSERT(text.size < 127 + 128 && block->size + text.size + 2 <= BLOCK_MAX);
    if (text.size < 127) {
        block->bytes[block->size++] = (unsigned char)text.size;
    } else { /* RFC 7541 5.1: a prefix of seven ones, and the rest */
        block->bytes[block->size++] = 127;
        block->bytes[block->size++] = (unsigned char)(text.size - 127);
    }
    memcpy(block->bytes + block->size, text.data, text.size);
    block->size += text.size;
}

/* RFC 7541 6.2.2: a literal without indexing, with a new name. */
static void put_field(struct block *block, struct weft_slice name, struct weft_slice value)
{
    block->bytes[block->size++] = 0;
    put_string(block, name);
    put_string(block, value);
}

static void put_fields(struct block *block, const char *fields)
{
    while (fields && *fields) {
        const char *colon = strchr(fields, ':'), *end = strchr(fields, '\n');
        if (!colon || !end || end < colon + 2) {
            weft_assert_failed("name: value", __FILE__, __LINE__); /* the test's own text is wrong */
            return;
        }
        put_field(block, weft_slice(fields, (size_t)(colon - fields)),
                  weft_slice(colon + 2, (size_t)(end - colon - 2)));
        fields = end + 1;
    }
}

void weft_frames_ask(struct weft_raw *raw, const struct weft_frames_request *request)
{
    struct block block = {.size = 0};
    bool ends = request->body.size == 0 && !request->open;
    put_field(&block, WEFT_SLICE(":method"), weft_slice_text(request->method));
    put_field(&block, WEFT_SLICE(":scheme"), WEFT_SLICE("http"));
    put_field(&block, WEFT_SLICE(":authority"), weft_slice_text(request->authority));
    put_field(&block, WEFT_SLICE(":path"), weft_slice_text(request->path));
    put_fields(&block, request->fields);
    weft_frames_send(raw, HEADERS, END_HEADERS | (ends ? END_STREAM : 0), request->stream,
                     weft_slice(block.bytes, block.size));
    if (request->body.size > 0) {
        weft_frames_data(raw, request->stream, request->body, !request->open);
    }
}

void weft_frames_data(struct weft_raw *raw, uint32_t stream, struct weft_slice body, bool end)
{
    weft_frames_send(raw, DATA, end ? END_STREAM : 0, stream, body);
}

void weft_frames_reset(struct weft_raw *raw, uint32_t stream, uint32_t code)
{
    const unsigned char payload[4] = {(unsigned char)(code >> 24), (unsigned char)(code >> 16),
                                      (unsigned char)(code >> 8), (unsigned char)code};
    weft_frames_send(raw, RST_STREAM, 0, stream, weft_slice(payload, sizeof(payload)));
}
