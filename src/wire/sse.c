/* wire/sse.c - server-sent events: reading, writing, and knowing when a stream stands between two of them. */
#include "wire/sse.h"

#include "base/error.h"
#include "base/mem.h"

#define FIRST_ROOM 256 /* what a text gets at first */

/* -- reading -- */

void weft_sse_init(struct weft_sse *sse)
{
    *sse = (struct weft_sse){0};
}

static void text_deinit(struct weft_sse_text *text)
{
    weft_free(text->data);
    *text = (struct weft_sse_text){.data = NULL};
}

void weft_sse_deinit(struct weft_sse *sse)
{
    text_deinit(&sse->line);
    text_deinit(&sse->type);
    text_deinit(&sse->data);
    text_deinit(&sse->id);
}

static int text_add(struct weft_sse_text *text, const char *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (size > text->room - text->size) {
        size_t room = text->room == 0 ? FIRST_ROOM : text->room;
        while (room - text->size < size) {
            room *= 2; /* ends: what is added is bounded by WEFT_SSE_EVENT_MAX */
        }
        char *grown = weft_realloc(text->data, room);
        if (!grown) {
            return WEFT_ERR_MEMORY;
        }
        text->data = grown;
        text->room = room;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    return 0;
}

static struct weft_slice text_slice(const struct weft_sse_text *text)
{
    return weft_slice(text->size == 0 ? "" : text->data, text->size);
}

/* One "name: value" line. Fields that are not known are ignored, as the standard says. */
static int take_field(struct weft_sse *sse, struct weft_slice name, struct weft_slice value)
{
    if (weft_slice_equal(name, WEFT_SLICE("data"))) {
        /* The newline goes between two lines here, not behind each and off the last again: the same in effect. */
        int status = sse->has_data ? text_add(&sse->data, "\n", 1) : 0;
        sse->has_data = true;
        return status < 0 ? status : text_add(&sse->data, value.data, value.size);
    }
    if (weft_slice_equal(name, WEFT_SLICE("event"))) {
        sse->type.size = 0;
        return text_add(&sse->type, value.data, value.size);
    }
    if (weft_slice_equal(name, WEFT_SLICE("id")) && !memchr(value.data, '\0', value.size)) {
        sse->id.size = 0;
        return text_add(&sse->id, value.data, value.size);
    }
    return 0;
}

/* A whole line stands in sse->line. 1 if it was the empty one that gives an event out. */
static int take_line(struct weft_sse *sse)
{
    struct weft_slice line = text_slice(&sse->line);
    bool comment = sse->in_comment;
    sse->line.size = 0; /* the bytes stay until more are added */
    sse->in_comment = false;
    if (!sse->begun && weft_slice_starts(line, WEFT_SLICE("\xEF\xBB\xBF"))) {
        line = weft_slice(line.data + 3, line.size - 3);
    }
    sse->begun = true;
    if (comment) {
        return 0;
    }
    if (line.size == 0) {
        sse->has_event = true;
        return sse->has_data ? 1 : 0;
    }
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon) {
        return take_field(sse, line, WEFT_SLICE(""));
    }
    size_t before = (size_t)(colon - line.data);
    struct weft_slice value = weft_slice(colon + 1, line.size - before - 1);
    if (value.size > 0 && value.data[0] == ' ') {
        value = weft_slice(value.data + 1, value.size - 1);
    }
    return take_field(sse, weft_slice(line.data, before), value);
}

/* Part of a line. A comment's bytes are dropped, so that it has no bound. */
static int add_to_line(struct weft_sse *sse, const char *data, size_t size)
{
    if (size == 0 || sse->in_comment) {
        return 0;
    }
    if (sse->line.size == 0 && data[0] == ':') {
        sse->in_comment = true;
        return 0;
    }
    /* The newline that a data line may add counts too. */
    size_t held = sse->line.size + sse->data.size + sse->type.size + sse->id.size + 1;
    if (held > WEFT_SSE_EVENT_MAX || size > WEFT_SSE_EVENT_MAX - held) {
        return WEFT_ERR_TOO_LARGE;
    }
    return text_add(&sse->line, data, size);
}

static void clear_event(struct weft_sse *sse)
{
    sse->data.size = 0;
    sse->type.size = 0;
    sse->has_data = false;
    sse->has_event = false;
}

static bool is_break(char byte)
{
    return byte == '\n' || byte == '\r';
}

int weft_sse_next(struct weft_sse *sse, struct weft_slice *input, struct weft_sse_event *event)
{
    while (sse->error == 0 && input->size > 0) {
        if (sse->has_event) {
            clear_event(sse);
        }
        size_t size = 0;
        while (size < input->size && !is_break(input->data[size])) {
            size++;
        }
        bool ended = size < input->size;
        bool swallowed = ended && size == 0 && sse->after_cr && input->data[0] == '\n';
        bool by_cr = ended && input->data[size] == '\r';
        int status = add_to_line(sse, input->data, size);
        size_t used = size + (ended ? 1 : 0);
        *input = weft_slice(input->data + used, input->size - used);
        sse->after_cr = by_cr;
        if (status == 0 && ended && !swallowed) {
            status = take_line(sse);
        }
        if (status < 0) {
            sse->error = status;
        }
        if (status > 0) {
            *event = (struct weft_sse_event){
                .type = text_slice(&sse->type), .data = text_slice(&sse->data), .id = text_slice(&sse->id)};
            return 1;
        }
    }
    return sse->error;
}

/* -- writing -- */

static int write_line(struct weft_bytes *out, struct weft_slice name, struct weft_slice value)
{
    int status = weft_bytes_append(out, name.data, name.size);
    if (status == 0) {
        status = weft_bytes_append(out, value.data, value.size);
    }
    return status < 0 ? status : weft_bytes_append(out, "\n", 1);
}

int weft_sse_write(struct weft_bytes *out, struct weft_slice type, struct weft_slice data)
{
    for (size_t i = 0; i < type.size; i++) {
        if (is_break(type.data[i])) {
            return WEFT_ERR_INVALID;
        }
    }
    int status = type.size == 0 ? 0 : write_line(out, WEFT_SLICE("event: "), type);
    bool more = true;
    while (status == 0 && more) {
        size_t size = 0;
        while (size < data.size && !is_break(data.data[size])) {
            size++;
        }
        status = write_line(out, WEFT_SLICE("data: "), weft_slice(data.data, size));
        more = size < data.size;
        if (more) {
            bool pair = data.data[size] == '\r' && size + 1 < data.size && data.data[size + 1] == '\n';
            size += pair ? 2 : 1;
            data = weft_slice(data.data + size, data.size - size);
        }
    }
    return status < 0 ? status : weft_bytes_append(out, "\n", 1);
}

/* -- relaying -- */

void weft_sse_tail_init(struct weft_sse_tail *tail)
{
    memset(tail->last, '\n', sizeof(tail->last)); /* a stream begins as if an event had just ended */
}

void weft_sse_tail_pass(struct weft_sse_tail *tail, struct weft_slice bytes)
{
    size_t kept = sizeof(tail->last);
    if (bytes.size >= kept) {
        memcpy(tail->last, bytes.data + bytes.size - kept, kept);
    } else if (bytes.size > 0) {
        memmove(tail->last, tail->last + bytes.size, kept - bytes.size);
        memcpy(tail->last + kept - bytes.size, bytes.data, bytes.size);
    }
}

bool weft_sse_tail_between(const struct weft_sse_tail *tail)
{
    const char *last = tail->last;
    if (!is_break(last[2])) {
        return false;
    }
    /* "\r\n" is one line end; the line before it must be empty. */
    return last[1] == '\r' && last[2] == '\n' ? is_break(last[0]) : is_break(last[1]);
}
