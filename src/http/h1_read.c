/* http/h1_read.c - HTTP/1.x messages as they come in: the guard first, then llhttp, then an exchange. */
#include "http/h1_read.h"

#include "base/assert.h"
#include "base/error.h"

static const struct weft_refusal bad_message = {400, "bad_message", "The message is malformed."};
static const struct weft_refusal unknown_method = {501, "unknown_method", "This server does not know that method."};

/* -- llhttp's callbacks: they only note -- */

static struct weft_h1_reader *reader_of(llhttp_t *parser)
{
    return WEFT_CONTAINER(parser, struct weft_h1_reader, parser);
}

/* Heads and trailers are given to llhttp whole, so a piece of one comes as one span. */
static int on_method(llhttp_t *parser, const char *at, size_t size)
{
    reader_of(parser)->head->method = weft_slice(at, size);
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    reader_of(parser)->head->target = weft_slice(at, size);
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct weft_h1_head *head = reader_of(parser)->head;
    if (head->count == WEFT_HTTP_FIELDS_MAX) {
        return -1; /* the guard has counted them: it cannot come to this */
    }
    head->fields[head->count++] = (struct weft_field){.name = weft_slice(at, size)};
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct weft_h1_head *head = reader_of(parser)->head;
    if (head->count == 0) {
        return -1; /* a value without a name: it cannot come to this either */
    }
    head->fields[head->count - 1].value = weft_h1_trim(weft_slice(at, size));
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    parser->upgrade = 0; /* we take no upgrade: what follows is HTTP */
    return reader_of(parser)->bodiless ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct weft_h1_reader *reader = reader_of(parser);
    if (reader->exchange && reader->error == 0) {
        enum weft_way way = reader->kind == WEFT_H1_REQUEST ? WEFT_REQUEST : WEFT_ANSWER;
        reader->error = weft_exchange_write(reader->exchange, way, at, size);
    }
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    reader_of(parser)->complete = true;
    return 0;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* -- the reader -- */

void weft_h1_reader_init(struct weft_h1_reader *reader, enum weft_h1_kind kind, uint64_t body_max)
{
    *reader = (struct weft_h1_reader){.kind = kind, .body_max = body_max};
    weft_h1_reader_next(reader);
}

void weft_h1_reader_next(struct weft_h1_reader *reader)
{
    llhttp_init(&reader->parser, reader->kind == WEFT_H1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    weft_h1_guard_init(&reader->guard, reader->kind);
    reader->phase = WEFT_H1_HEAD;
    reader->exchange = NULL;
    reader->error = 0;
    reader->bodiless = reader->complete = false;
}

static llhttp_errno_t execute(struct weft_h1_reader *reader, struct weft_slice input, struct weft_h1_head *head)
{
    reader->head = head;
    llhttp_errno_t error = llhttp_execute(&reader->parser, input.data, input.size);
    reader->head = NULL;
    return error;
}

/* Two readers, one message: what llhttp made of the head must be what the guard made of it. */
static bool agree(const struct weft_h1_reader *reader, const struct weft_h1_head *head)
{
    const struct weft_h1_guard *guard = &reader->guard;
    bool chunked = (reader->parser.flags & F_CHUNKED) != 0;
    bool body = !reader->bodiless &&
                (guard->chunked || guard->length > 0 || (guard->length < 0 && reader->kind == WEFT_H1_ANSWER));
    if (head->count != guard->fields || reader->complete == body) {
        return false;
    }
    return !body || (chunked == guard->chunked &&
                     (guard->length <= 0 || reader->parser.content_length == (uint64_t)guard->length));
}

int weft_h1_read_head(struct weft_h1_reader *reader, struct weft_slice input, struct weft_h1_head *head,
                      const struct weft_refusal **why)
{
    WEFT_ASSERT(reader->phase == WEFT_H1_HEAD);
    int size = weft_h1_guard_check(&reader->guard, input);
    if (size <= 0) {
        *why = reader->guard.why;
        return size;
    }
    head->method = head->target = (struct weft_slice){0};
    head->count = 0;
    if (reader->kind == WEFT_H1_ANSWER &&
        (reader->guard.status < 200 || reader->guard.status == 204 || reader->guard.status == 304)) {
        reader->bodiless = true; /* RFC 9112 6.3 */
    }
    llhttp_errno_t error = execute(reader, weft_slice(input.data, (size_t)size), head);
    if (error != HPE_OK || !agree(reader, head)) {
        bool method = error == HPE_INVALID_METHOD || error == HPE_INVALID_CONSTANT;
        *why = method && reader->kind == WEFT_H1_REQUEST ? &unknown_method : &bad_message;
        return WEFT_ERR_INVALID;
    }
    weft_h1_chunks_init(&reader->chunks, reader->body_max);
    reader->phase = reader->complete ? WEFT_H1_OVER : WEFT_H1_BODY;
    return size;
}

/* Gives llhttp what the guard has passed. */
static int64_t feed(struct weft_h1_reader *reader, struct weft_slice input, struct weft_h1_head *head,
                    const struct weft_refusal **why)
{
    if (execute(reader, input, head) != HPE_OK) {
        *why = &bad_message;
        return WEFT_ERR_INVALID;
    }
    if (reader->error == WEFT_ERR_MEMORY) {
        return WEFT_ERR_MEMORY;
    }
    /* WEFT_ERR_CLOSED: nobody reads this body any more, and what is left of it is dropped. */
    if (reader->complete) {
        reader->phase = WEFT_H1_OVER;
    }
    return (int64_t)input.size;
}

static int64_t read_trailers(struct weft_h1_reader *reader, struct weft_slice input, const struct weft_refusal **why)
{
    int size = weft_h1_guard_check(&reader->guard, input);
    if (size <= 0) {
        *why = reader->guard.why;
        return size;
    }
    struct weft_h1_head head;
    head.count = 0;
    int64_t used = feed(reader, weft_slice(input.data, (size_t)size), &head, why);
    if (used >= 0 && (!reader->complete || head.count != reader->guard.fields)) {
        *why = &bad_message;
        return WEFT_ERR_INVALID;
    }
    struct weft_exchange *exchange = reader->exchange;
    enum weft_way way = reader->kind == WEFT_H1_REQUEST ? WEFT_REQUEST : WEFT_ANSWER;
    for (size_t i = 0; used >= 0 && exchange && i < head.count; i++) {
        if (weft_fields_add(&exchange->flows[way].trailers, &exchange->arena, head.fields[i].name,
                            head.fields[i].value) < 0) {
            return WEFT_ERR_MEMORY; /* the guard has passed name, value and number: it is nothing else */
        }
    }
    return used;
}

static int64_t read_chunks(struct weft_h1_reader *reader, struct weft_slice input, const struct weft_refusal **why)
{
    int64_t fit = weft_h1_chunks_check(&reader->chunks, input);
    if (fit < 0) {
        *why = reader->chunks.why;
        return fit;
    }
    int64_t used = feed(reader, weft_slice(input.data, (size_t)fit), NULL, why);
    if (used >= 0 && weft_h1_chunks_over(&reader->chunks)) {
        weft_h1_guard_init(&reader->guard, WEFT_H1_TRAILERS);
        reader->phase = WEFT_H1_TRAILING;
    }
    return used;
}

/* A body of known length, or until the connection's end. */
static int64_t read_plain(struct weft_h1_reader *reader, struct weft_slice input, const struct weft_refusal **why)
{
    int64_t *left = &reader->guard.length;
    if (*left >= 0 && input.size > (uint64_t)*left) {
        input.size = (size_t)*left;
    }
    int64_t used = feed(reader, input, NULL, why);
    if (used >= 0 && *left >= 0) {
        *left -= used;
        if (reader->complete != (*left == 0)) {
            *why = &bad_message;
            return WEFT_ERR_INVALID;
        }
    }
    return used;
}

int64_t weft_h1_read_body(struct weft_h1_reader *reader, struct weft_slice input, const struct weft_refusal **why)
{
    int64_t total = 0;
    while (input.size > 0 && (reader->phase == WEFT_H1_BODY || reader->phase == WEFT_H1_TRAILING)) {
        int64_t used = reader->phase == WEFT_H1_TRAILING ? read_trailers(reader, input, why)
                       : reader->guard.chunked           ? read_chunks(reader, input, why)
                                                         : read_plain(reader, input, why);
        if (used < 0) {
            return used;
        }
        if (used == 0) {
            break;
        }
        total += used;
        input.data += used;
        input.size -= (size_t)used;
    }
    return total;
}

bool weft_h1_read_end(struct weft_h1_reader *reader)
{
    bool to_the_end = reader->phase == WEFT_H1_BODY && !reader->guard.chunked && reader->guard.length < 0;
    if (to_the_end && llhttp_finish(&reader->parser) == HPE_OK && reader->complete) {
        reader->phase = WEFT_H1_OVER;
    }
    return reader->phase == WEFT_H1_OVER;
}

/* -- what Connection says -- */

static int add_option(struct weft_h1_options *options, struct weft_slice name)
{
    if (name.size == 0) {
        return 0; /* RFC 9110 5.6.1.2: empty list elements are ignored */
    }
    if (weft_slice_equal_nocase(name, WEFT_SLICE("close"))) {
        options->close = true;
    } else if (weft_slice_equal_nocase(name, WEFT_SLICE("keep-alive"))) {
        options->keep_alive = true;
    } else if (options->count == WEFT_H1_OPTIONS_MAX) {
        return WEFT_ERR_INVALID;
    } else {
        options->names[options->count++] = name;
    }
    return 0;
}

static int add_options(struct weft_h1_options *options, struct weft_slice list)
{
    int error = 0;
    while (error == 0 && list.size > 0) {
        const char *comma = memchr(list.data, ',', list.size);
        size_t size = comma ? (size_t)(comma - list.data) : list.size;
        error = add_option(options, weft_h1_trim(weft_slice(list.data, size)));
        size += comma ? 1 : 0;
        list = weft_slice(list.data + size, list.size - size);
    }
    return error;
}

int weft_h1_options_read(struct weft_h1_options *options, const struct weft_h1_head *head)
{
    options->close = options->keep_alive = false;
    options->count = 0;
    int error = 0;
    for (size_t i = 0; error == 0 && i < head->count; i++) {
        if (weft_slice_equal_nocase(head->fields[i].name, WEFT_SLICE("connection"))) {
            error = add_options(options, head->fields[i].value);
        }
    }
    return error;
}

static bool travels(struct weft_slice name, const struct weft_h1_options *options)
{
    if (weft_field_is_framing(name)) {
        return false;
    }
    for (size_t i = 0; i < options->count; i++) {
        if (weft_slice_equal_nocase(name, options->names[i])) {
            return false;
        }
    }
    return true;
}

int weft_h1_fields_copy(struct weft_fields *to, struct weft_arena *arena, const struct weft_h1_head *head,
                        const struct weft_h1_options *options, size_t extra, char **rest)
{
    size_t count = 0, size = extra;
    uint8_t places[WEFT_HTTP_FIELDS_MAX];
    for (size_t i = 0; i < head->count; i++) {
        if (travels(head->fields[i].name, options)) {
            places[count++] = (uint8_t)i;
            size += head->fields[i].name.size + head->fields[i].value.size + 1;
        }
    }
    struct weft_field *at = weft_arena_alloc(arena, count * sizeof(*at) + size);
    if (!at) {
        return WEFT_ERR_MEMORY;
    }
    char *text = (char *)(at + count);
    for (size_t i = 0; i < count; i++) {
        const struct weft_field *from = &head->fields[places[i]];
        at[i].name = weft_slice(text, from->name.size);
        for (size_t k = 0; k < from->name.size; k++) {
            *text++ = weft_token_lower(from->name.data[k]);
        }
        at[i].value = weft_slice(text, from->value.size);
        if (from->value.size > 0) {
            memcpy(text, from->value.data, from->value.size);
        }
        text += from->value.size;
        *text++ = '\0';
    }
    *to = (struct weft_fields){.at = at, .count = count, .room = count};
    *rest = text;
    return 0;
}
