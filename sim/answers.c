/* sim/answers.c - what a client was told. */
#include "sim/answers.h"

#include "base/assert.h"

/* -- h1 -- */

static struct weft_slice line_at(struct weft_slice text, size_t at)
{
    const char *end = at < text.size ? memchr(text.data + at, '\n', text.size - at) : NULL;
    if (!end || end == text.data + at || end[-1] != '\r') {
        return (struct weft_slice){0};
    }
    return weft_slice(text.data + at, (size_t)(end - text.data) - at - 1);
}

struct weft_slice weft_answer_field(const struct weft_answer *answer, const char *name)
{
    size_t at = 0, name_size = strlen(name);
    for (struct weft_slice line = line_at(answer->head, 0); line.data && line.size > 0;
         line = line_at(answer->head, at)) {
        if (line.size > name_size && line.data[name_size] == ':' &&
            weft_slice_equal_nocase(weft_slice(line.data, name_size), weft_slice_text(name))) {
            size_t skip = name_size + 1;
            while (skip < line.size && line.data[skip] == ' ') {
                skip++;
            }
            return weft_slice(line.data + skip, line.size - skip);
        }
        at += line.size + 2;
    }
    return (struct weft_slice){0};
}

static int64_t number(struct weft_slice text, int base)
{
    int64_t value = 0;
    if (text.size == 0 || text.size > 12) {
        return -1;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *digits = "0123456789abcdef", *digit = memchr(digits, text.data[i] | 0x20, (size_t)base);
        if (!digit) {
            return -1;
        }
        value = value * base + (digit - digits);
    }
    return value;
}

/* The size of a chunked body with its lines, 0 if it is not whole yet, -1 if it is wrong. */
static int64_t chunked(struct weft_slice text, size_t *content, char *to, size_t room)
{
    size_t at = 0;
    *content = 0;
    for (;;) {
        struct weft_slice line = line_at(text, at);
        if (!line.data) {
            return memchr(text.data + at, '\n', text.size - at) ? -1 : 0;
        }
        int64_t size = number(line, 16);
        if (size < 0) {
            return -1;
        }
        at += line.size + 2;
        if (size == 0) {
            break;
        }
        if (text.size - at < (size_t)size + 2) {
            return 0;
        }
        if (memcmp(text.data + at + size, "\r\n", 2) != 0) {
            return -1;
        }
        if (to && *content + (size_t)size < room) {
            memcpy(to + *content, text.data + at, (size_t)size);
        }
        *content += (size_t)size;
        at += (size_t)size + 2;
    }
    for (;;) { /* trailers */
        struct weft_slice line = line_at(text, at);
        if (!line.data) {
            return 0;
        }
        at += line.size + 2;
        if (line.size == 0) {
            return (int64_t)at;
        }
    }
}

int64_t weft_answer_text(const struct weft_answer *answer, char *text, size_t size)
{
    if (answer->body_size >= size) {
        return -1;
    }
    size_t content = answer->body.size;
    if (weft_answer_field(answer, "transfer-encoding").data) {
        (void)chunked(answer->body, &content, text, size); /* it was whole, or what is there is copied */
    } else if (content > 0) {
        memcpy(text, answer->body.data, content);
    }
    text[content] = '\0';
    return (int64_t)content;
}

static struct weft_slice head_of(struct weft_slice text)
{
    for (size_t i = 0; i + 4 <= text.size; i++) {
        if (memcmp(text.data + i, "\r\n\r\n", 4) == 0) {
            return weft_slice(text.data, i + 4);
        }
    }
    return (struct weft_slice){0};
}

/* Finds the body of the answer whose head is read. Returns its bytes, 0 with `whole` false if some are missing. */
static int64_t find_body(struct weft_answer *answer, struct weft_slice rest, bool bodiless, bool ended)
{
    struct weft_slice length = weft_answer_field(answer, "content-length");
    struct weft_slice encoding = weft_answer_field(answer, "transfer-encoding");
    if (length.data && encoding.data) {
        return -1;
    }
    if (bodiless || answer->status == 204 || answer->status == 304) {
        answer->whole = true;
        return 0;
    }
    answer->body = rest;
    if (encoding.data) {
        int64_t size = chunked(rest, &answer->body_size, NULL, 0);
        answer->whole = size > 0;
        answer->body.size = size > 0 ? (size_t)size : rest.size;
        return size;
    }
    if (!length.data) {
        answer->whole = ended;
        answer->body_size = rest.size;
        return ended ? (int64_t)rest.size : 0;
    }
    int64_t size = number(length, 10);
    answer->whole = size >= 0 && rest.size >= (size_t)size;
    answer->body.size = answer->whole ? (size_t)size : rest.size;
    answer->body_size = answer->body.size;
    return size < 0 ? -1 : (answer->whole ? size : 0);
}

void weft_answers_h1(struct weft_answers *answers, struct weft_slice heard, uint64_t heads, bool ended)
{
    *answers = (struct weft_answers){0};
    while (heard.size > 0) {
        struct weft_slice head = head_of(heard);
        if (!head.data) {
            return;
        }
        int64_t status = head.size > 12 ? number(weft_slice(head.data + 9, 3), 10) : -1;
        if (memcmp(head.data, "HTTP/1.", 7) != 0 || status < 100 || answers->count == WEFT_ANSWERS_MAX) {
            answers->malformed = true;
            return;
        }
        heard = weft_slice(heard.data + head.size, heard.size - head.size);
        if (status == 100) {
            answers->continues++;
            continue;
        }
        struct weft_answer *answer = &answers->at[answers->count];
        *answer = (struct weft_answer){.status = (int)status, .head = head};
        bool bodiless = heads >> answers->count & 1;
        answers->count++;
        int64_t size = find_body(answer, heard, bodiless, ended);
        answers->malformed = size < 0;
        if (!answer->whole) {
            return;
        }
        answers->whole++;
        heard = weft_slice(heard.data + size, heard.size - (size_t)size);
    }
}

/* -- h2: frames of RFC 9113 -- */

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, GOAWAY = 7 };
enum { END_STREAM = 1, PADDED = 8, PRIORITY = 0x20 };

/* HPACK (RFC 7541): a status that stands first, indexed in the static table or as a literal with an indexed name. */
static int status_of(struct weft_slice block)
{
    static const int indexed[] = {200, 204, 206, 304, 400, 404, 500};
    size_t at = 0;
    while (at < block.size && ((unsigned char)block.data[at] & 0xe0) == 0x20) {
        at++; /* a change of the table's size, small enough for one byte */
    }
    if (at >= block.size) {
        return 0;
    }
    unsigned char first = (unsigned char)block.data[at];
    if (first >= 0x88 && first <= 0x8e) {
        return indexed[first - 0x88];
    }
    bool literal = first == 0x08 || first == 0x18 || first == 0x48;
    if (literal && at + 5 <= block.size && block.data[at + 1] == 3) {
        return (int)number(weft_slice(block.data + at + 2, 3), 10);
    }
    return -1; /* in another spelling */
}

static struct weft_answer *answer_on(struct weft_answers *answers, uint32_t stream)
{
    for (size_t i = 0; i < answers->count; i++) {
        if (answers->at[i].stream == stream) {
            return &answers->at[i];
        }
    }
    if (answers->count == WEFT_ANSWERS_MAX) {
        answers->malformed = true;
        return &answers->at[0];
    }
    struct weft_answer *answer = &answers->at[answers->count++];
    *answer = (struct weft_answer){.stream = stream};
    return answer;
}

static void read_frame(struct weft_answers *answers, unsigned type, unsigned flags, uint32_t stream,
                       struct weft_slice payload)
{
    if (type == GOAWAY) {
        answers->goaway = true;
    }
    if (type != DATA && type != HEADERS && type != RST_STREAM) {
        return;
    }
    struct weft_answer *answer = answer_on(answers, stream);
    if (answer->whole) {
        answers->malformed |= type != RST_STREAM; /* a reset may follow an answer whose request was not read */
        return;
    }
    if (type == HEADERS) {
        size_t skip = (flags & PADDED ? 1u : 0u) + (flags & PRIORITY ? 5u : 0u);
        int status = status_of(weft_slice(payload.data + skip, payload.size > skip ? payload.size - skip : 0));
        if (answer->status == 0 && status != 100) {
            answer->status = status;
        }
    } else if (type == DATA) {
        answer->body_size += payload.size;
    }
    answer->reset = type == RST_STREAM;
    answer->whole = type == RST_STREAM || (flags & END_STREAM);
    answers->whole += answer->whole;
}

void weft_answers_h2(struct weft_answers *answers, struct weft_slice heard)
{
    *answers = (struct weft_answers){0};
    for (size_t at = 0; at + 9 <= heard.size;) {
        const unsigned char *f = (const unsigned char *)heard.data + at;
        size_t size = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        uint32_t stream = ((uint32_t)f[5] << 24 | (uint32_t)f[6] << 16 | (uint32_t)f[7] << 8 | f[8]) & 0x7fffffff;
        if (size > 16384) {
            answers->malformed = true;
            return;
        }
        if (heard.size - at < 9 + size) {
            return;
        }
        read_frame(answers, f[3], f[4], stream, weft_slice(heard.data + at + 9, size));
        at += 9 + size;
    }
}
