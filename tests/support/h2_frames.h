/* tests/support/h2_frames.h - for tests: h2 frames written byte by byte, and what a peer said, read back.
 *
 * Written without nghttp2, as what it would refuse to send is the point; only HPACK on the way back is its. */
#ifndef WEFT_TESTS_SUPPORT_H2_FRAMES_H
#define WEFT_TESTS_SUPPORT_H2_FRAMES_H

#include <nghttp2/nghttp2.h>

#include "base/assert.h"
#include "base/bytes.h"

#include <stdlib.h>

#define H2_MAGIC       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_STREAMS_MAX 2048 /* stream ids that are noted are below twice this */

enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 0x20 };

/* What was received from a server or client. */
struct h2_heard {
    nghttp2_hd_inflater *inflater;
    struct weft_bytes rest; /* bytes of a frame that is not complete */
    bool goaway;
    uint32_t goaway_code, last_id;
    int settings, pings_acked, continues;
    int status[H2_STREAMS_MAX];
    int64_t reset[H2_STREAMS_MAX]; /* code, or -1 */
    int64_t length;                /* the last content-length, or -1 */
    char trailer[32];              /* the last x-sum */
    char said[256];                /* the start of the last piece of a body */
    bool ended[H2_STREAMS_MAX];
    uint64_t body[H2_STREAMS_MAX]; /* bytes */
    uint64_t window[H2_STREAMS_MAX];
};

static inline void h2_append(struct weft_bytes *to, const void *data, size_t size)
{
    int error = weft_bytes_append(to, data, size);
    WEFT_ASSERT(error == 0);
}

/* A frame header whose length need not be true. */
static inline void h2_frame_header(struct weft_bytes *to, size_t length, unsigned type, unsigned flags, uint32_t id)
{
    unsigned char head[9] = {(unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length,
                             (unsigned char)type,           (unsigned char)flags,         (unsigned char)(id >> 24),
                             (unsigned char)(id >> 16),     (unsigned char)(id >> 8),     (unsigned char)id};
    h2_append(to, head, sizeof(head));
}

static inline void h2_frame(struct weft_bytes *to, unsigned type, unsigned flags, uint32_t id, const void *payload,
                            size_t size)
{
    h2_frame_header(to, size, type, flags, id);
    h2_append(to, payload, size);
}

/* HPACK: an integer of 7 bits' prefix, with the first byte's other bit clear. */
static inline void h2_pack_size(struct weft_bytes *to, size_t size)
{
    unsigned char byte = size < 127 ? (unsigned char)size : 127;
    h2_append(to, &byte, 1);
    if (size < 127) {
        return;
    }
    for (size -= 127; size >= 128; size >>= 7) {
        byte = (unsigned char)(0x80 | (size & 0x7f));
        h2_append(to, &byte, 1);
    }
    byte = (unsigned char)size;
    h2_append(to, &byte, 1);
}

/* HPACK: a literal field, not indexed, not Huffman coded. */
static inline void h2_pack(struct weft_bytes *to, const char *name, size_t name_size, const char *value,
                           size_t value_size)
{
    h2_append(to, "", 1);
    h2_pack_size(to, name_size);
    h2_append(to, name, name_size);
    h2_pack_size(to, value_size);
    h2_append(to, value, value_size);
}

/* Fields as lines "name=value\n"; a name may begin with a colon. */
static inline void h2_pack_lines(struct weft_bytes *to, const char *lines, size_t size)
{
    for (const char *end = lines + size; lines < end;) {
        const char *equals = memchr(lines, '=', (size_t)(end - lines));
        WEFT_ASSERT(equals);
        const char *stop = memchr(equals, '\n', (size_t)(end - equals));
        WEFT_ASSERT(stop);
        h2_pack(to, lines, (size_t)(equals - lines), equals + 1, (size_t)(stop - equals - 1));
        lines = stop + 1;
    }
}

/* A field block as HEADERS and as many CONTINUATIONs as it takes. END_HEADERS is set on the last where `flags` has it.
 */
static inline void h2_block(struct weft_bytes *to, unsigned flags, uint32_t id, struct weft_bytes *block)
{
    static char piece[16384];
    unsigned type = NGHTTP2_HEADERS;
    do {
        size_t size = weft_bytes_read(block, piece, sizeof(piece));
        unsigned now = flags & (block->size == 0 ? 0xffu : 0xffu - END_HEADERS);
        h2_frame(to, type, type == NGHTTP2_HEADERS ? now : now & END_HEADERS, id, piece, size);
        type = NGHTTP2_CONTINUATION;
    } while (block->size > 0);
}

static inline void h2_headers(struct weft_bytes *to, unsigned flags, uint32_t id, const char *lines, size_t size)
{
    struct weft_bytes block;
    weft_bytes_init(&block);
    h2_pack_lines(&block, lines, size);
    h2_block(to, flags, id, &block);
    weft_bytes_deinit(&block);
}

static inline void h2_heard_init(struct h2_heard *heard)
{
    *heard = (struct h2_heard){.length = -1};
    weft_bytes_init(&heard->rest);
    for (size_t i = 0; i < H2_STREAMS_MAX; i++) {
        heard->reset[i] = -1;
    }
    int error = nghttp2_hd_inflate_new(&heard->inflater);
    WEFT_ASSERT(error == 0);
}

static inline void h2_heard_deinit(struct h2_heard *heard)
{
    nghttp2_hd_inflate_del(heard->inflater);
    weft_bytes_deinit(&heard->rest);
}

static inline int h2_heard_block(struct h2_heard *heard, const uint8_t *block, size_t size)
{
    int status = 0, flags = 0;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(heard->inflater, &nv, &flags, block, size, 1);
        WEFT_ASSERT(used >= 0);
        block += used;
        size -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0) {
            status = atoi((const char *)nv.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && nv.namelen == 14 && memcmp(nv.name, "content-length", 14) == 0) {
            heard->length = atoll((const char *)nv.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && nv.namelen == 5 && memcmp(nv.name, "x-sum", 5) == 0 &&
            nv.valuelen < sizeof(heard->trailer)) {
            memcpy(heard->trailer, nv.value, nv.valuelen);
        }
    }
    nghttp2_hd_inflate_end_headers(heard->inflater);
    return status;
}

static inline uint32_t h2_number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_heard_frame(struct h2_heard *heard, const uint8_t *frame, size_t size)
{
    const uint8_t *payload = frame + 9;
    unsigned type = frame[3], flags = frame[4];
    uint32_t id = h2_number(frame + 5);
    WEFT_ASSERT(id / 2 < H2_STREAMS_MAX);
    if (type == NGHTTP2_HEADERS) {
        WEFT_ASSERT(flags & END_HEADERS);
        int status = h2_heard_block(heard, payload, size);
        if (status == 100) {
            heard->continues++;
        } else if (status > 0) {
            heard->status[id / 2] = status;
        }
    } else if (type == NGHTTP2_DATA) {
        heard->body[id / 2] += size;
        size_t part = size < sizeof(heard->said) ? size : sizeof(heard->said) - 1;
        memcpy(heard->said, payload, part);
        heard->said[part] = '\0';
    } else if (type == NGHTTP2_RST_STREAM) {
        heard->reset[id / 2] = h2_number(payload);
    } else if (type == NGHTTP2_GOAWAY) {
        heard->goaway = true;
        heard->last_id = h2_number(payload);
        heard->goaway_code = h2_number(payload + 4);
    } else if (type == NGHTTP2_WINDOW_UPDATE) {
        heard->window[id / 2] += h2_number(payload);
    }
    heard->settings += type == NGHTTP2_SETTINGS && !(flags & ACK);
    heard->pings_acked += type == NGHTTP2_PING && (flags & ACK);
    heard->ended[id / 2] |= (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && (flags & END_STREAM);
}

/* Reads all of `from`. */
static inline void h2_hear(struct h2_heard *heard, struct weft_bytes *from)
{
    static uint8_t frame[9 + 16384];
    weft_bytes_move(&heard->rest, from);
    while (heard->rest.size >= 9) {
        struct weft_bytes *rest = &heard->rest;
        struct weft_slice views[8];
        size_t count = weft_bytes_peek(rest, views, 8), have = 0;
        for (size_t i = 0; i < count && have < sizeof(frame); i++) {
            size_t part = views[i].size < sizeof(frame) - have ? views[i].size : sizeof(frame) - have;
            memcpy(frame + have, views[i].data, part);
            have += part;
        }
        size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        WEFT_ASSERT(size <= 16384);
        if (rest->size < 9 + size) {
            return;
        }
        WEFT_ASSERT(have >= 9 + size);
        weft_bytes_drop(rest, 9 + size);
        h2_heard_frame(heard, frame, size);
    }
}

#endif
