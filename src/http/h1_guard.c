/* http/h1_guard.c - the strict check of heads and trailers that stands before llhttp. */
#include "http/h1_guard.h"

#include "base/error.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/target.h"

#define R(name, status, code, why) static const struct weft_refusal name = {status, code, why}
R(bad_request_line, 400, "bad_request_line", "The request line is not 'METHOD target HTTP/1.1' with single spaces.");
R(unknown_method, 501, "unknown_method", "This server does not know that method.");
R(target_too_long, 414, "target_too_long", "The request target is longer than 8 KiB.");
R(bad_version, 505, "bad_version", "This server speaks HTTP/1.0 and HTTP/1.1 here.");
R(bad_status_line, 400, "bad_status_line", "The status line is malformed.");
R(bare_lf, 400, "bare_lf", "Lines must end with CR LF, and this one ends with a bare LF.");
R(bare_cr, 400, "bare_cr", "A CR must be followed by an LF.");
R(folded, 400, "folded_header", "A header may not go on in the next line.");
R(space_before_colon, 400, "space_before_colon", "No blank may stand between a header's name and its colon.");
R(bad_name, 400, "bad_header", "A header's name holds a character that names may not hold.");
R(bad_value, 400, "bad_header", "A header's value holds a control character.");
R(too_many, 431, "headers_too_large", "There are more than 100 headers.");
R(head_too_large, 431, "headers_too_large", "The headers are larger than 64 KiB.");
R(host_missing, 400, "bad_host", "An HTTP/1.1 request needs a Host header.");
R(host_twice, 400, "bad_host", "There is more than one Host header.");
R(bad_host, 400, "bad_host", "The Host header holds no valid host.");
R(bad_length, 400, "bad_content_length", "Content-Length must be one decimal number.");
R(length_twice, 400, "bad_content_length", "There is more than one Content-Length.");
R(length_overflow, 413, "body_too_large", "The Content-Length is larger than any body this server takes.");
R(bad_coding, 501, "bad_transfer_encoding", "The only transfer coding this server knows is 'chunked'.");
R(coding_twice, 400, "bad_transfer_encoding", "There is more than one Transfer-Encoding.");
R(old_coding, 400, "bad_transfer_encoding", "HTTP/1.0 has no Transfer-Encoding.");
R(both_framings, 400, "two_framings", "A message may not have both Content-Length and Transfer-Encoding.");
R(bad_trailer, 400, "bad_trailer", "A trailer may not carry framing, routing or credentials.");
#undef R

/* What a byte may be part of. */
enum { TOKEN = 1, VISIBLE = 2, VALUE = 4 };
/* clang-format off */
static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    4, 7, 6, 7, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6,
    6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 6, 7, 0,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
};
/* clang-format on */

/* Every step takes what it can from guard->at on, and returns 0 or WEFT_ERR_INVALID by way of this. */
static int refuse(struct weft_h1_guard *guard, const struct weft_refusal *why)
{
    guard->why = why;
    return WEFT_ERR_INVALID;
}

static bool is_class(char c, int class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

/* Passes the bytes of `class`, and counts how many the piece now has. */
static size_t run(struct weft_h1_guard *guard, struct weft_slice input, int class)
{
    uint32_t at = guard->at;
    while (at < input.size && is_class(input.data[at], class)) {
        at++;
    }
    guard->at = at;
    return at - guard->mark;
}

static struct weft_slice text_of(struct weft_slice input, struct weft_h1_span span)
{
    return weft_slice(input.data + span.at, span.size);
}

static struct weft_h1_span since_mark(const struct weft_h1_guard *guard)
{
    return (struct weft_h1_span){guard->mark, guard->at - guard->mark};
}

/* Passes one byte; the next piece begins behind it. */
static int then(struct weft_h1_guard *guard, int (*step)(struct weft_h1_guard *, struct weft_slice))
{
    guard->mark = ++guard->at;
    guard->step = step;
    return 0;
}

/* -- what a field means for the framing -- */

static bool is_named(struct weft_slice name, const char *lower)
{
    return weft_slice_equal_nocase(name, weft_slice_text(lower));
}

struct weft_slice weft_h1_trim(struct weft_slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* RFC 9112 6.3 lets equal duplicates pass; we do not: no client that we know sends them, and smugglers do. */
static int read_length(struct weft_h1_guard *guard, struct weft_slice value)
{
    if (guard->length >= 0) {
        return refuse(guard, &length_twice);
    }
    int64_t length = 0;
    bool overflow = false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return refuse(guard, &bad_length);
        }
        int digit = value.data[i] - '0';
        overflow = overflow || length > (INT64_MAX - digit) / 10;
        length = overflow ? 0 : length * 10 + digit;
    }
    if (value.size == 0 || overflow) {
        return refuse(guard, overflow ? &length_overflow : &bad_length);
    }
    guard->length = length;
    return 0;
}

static int read_coding(struct weft_h1_guard *guard, struct weft_slice value)
{
    if (guard->minor == 0) {
        return refuse(guard, &old_coding);
    }
    if (guard->chunked) {
        return refuse(guard, &coding_twice);
    }
    if (!is_named(value, "chunked")) {
        return refuse(guard, &bad_coding);
    }
    guard->chunked = true;
    return 0;
}

static int read_host(struct weft_h1_guard *guard, struct weft_slice input, struct weft_slice value)
{
    if (guard->has_host) {
        return refuse(guard, &host_twice);
    }
    if (!weft_authority_valid(value)) {
        return refuse(guard, &bad_host);
    }
    guard->has_host = true;
    guard->host = (struct weft_h1_span){(uint32_t)(value.data - input.data), (uint32_t)value.size};
    return 0;
}

/* A whole line has been passed, but for its LF: guard->name, and the value since guard->mark. */
static int read_field(struct weft_h1_guard *guard, struct weft_slice input)
{
    struct weft_slice name = text_of(input, guard->name);
    if (guard->kind == WEFT_H1_TRAILERS) {
        return weft_field_may_trail(name) ? 0 : refuse(guard, &bad_trailer);
    }
    struct weft_h1_span span = since_mark(guard);
    span.size -= 1; /* its CR */
    struct weft_slice value = weft_h1_trim(text_of(input, span));
    if (name.size == 4 && guard->kind == WEFT_H1_REQUEST && is_named(name, "host")) {
        return read_host(guard, input, value);
    }
    if (name.size == 14 && is_named(name, "content-length")) {
        return read_length(guard, value);
    }
    if (name.size == 17 && is_named(name, "transfer-encoding")) {
        return read_coding(guard, value);
    }
    return 0;
}

/* -- field lines -- */

static int step_line(struct weft_h1_guard *guard, struct weft_slice input);

/* After the last line; guard->step NULL says that it is over. */
static int step_end_lf(struct weft_h1_guard *guard, struct weft_slice input)
{
    if (input.data[guard->at] != '\n') {
        return refuse(guard, &bare_cr);
    }
    if (guard->kind == WEFT_H1_REQUEST && guard->minor == 1 && !guard->has_host) {
        return refuse(guard, &host_missing);
    }
    if (guard->chunked && guard->length >= 0) {
        return refuse(guard, &both_framings);
    }
    return then(guard, NULL);
}

static int step_value_lf(struct weft_h1_guard *guard, struct weft_slice input)
{
    if (input.data[guard->at] != '\n') {
        return refuse(guard, &bare_cr);
    }
    int error = read_field(guard, input);
    return error < 0 ? error : then(guard, step_line);
}

static int step_value(struct weft_h1_guard *guard, struct weft_slice input)
{
    (void)run(guard, input, VALUE); /* as long as it likes: the head has its bound */
    if (guard->at == input.size) {
        return 0;
    }
    char c = input.data[guard->at];
    if (c != '\r') {
        return refuse(guard, c == '\n' ? &bare_lf : &bad_value);
    }
    guard->at++; /* the mark stays, for read_field */
    guard->step = step_value_lf;
    return 0;
}

static int step_name(struct weft_h1_guard *guard, struct weft_slice input)
{
    size_t size = run(guard, input, TOKEN);
    if (guard->at == input.size) {
        return 0;
    }
    char c = input.data[guard->at];
    if (c == ':' && size > 0) {
        guard->name = since_mark(guard);
        return then(guard, step_value);
    }
    if (c == '\n') {
        return refuse(guard, &bare_lf);
    }
    return refuse(guard, (c == ' ' || c == '\t') && size > 0 ? &space_before_colon : &bad_name);
}

static int step_line(struct weft_h1_guard *guard, struct weft_slice input)
{
    char c = input.data[guard->at];
    if (c == '\r') {
        return then(guard, step_end_lf);
    }
    if (c == ' ' || c == '\t') {
        return refuse(guard, &folded); /* RFC 9112 5.2; before the first field likewise, 2.2 */
    }
    if (c == '\n') {
        return refuse(guard, &bare_lf);
    }
    if (++guard->fields > WEFT_HTTP_FIELDS_MAX) {
        return refuse(guard, &too_many);
    }
    guard->step = step_name;
    return 0;
}

/* -- start lines -- */

static int step_start_lf(struct weft_h1_guard *guard, struct weft_slice input)
{
    if (input.data[guard->at] != '\n') {
        return refuse(guard, &bare_cr);
    }
    return then(guard, step_line);
}

/* Where the line has to be `pattern`, with a digit for each 'd': 1 when it is through, 0 to wait, or an error. */
static int match(struct weft_h1_guard *guard, struct weft_slice input, const char *pattern, size_t size)
{
    while (guard->at < input.size && guard->at - guard->mark < size) {
        char c = input.data[guard->at], wanted = pattern[guard->at - guard->mark];
        if (wanted == 'd' ? c < '0' || c > '9' : c != wanted) {
            return WEFT_ERR_INVALID;
        }
        guard->at++;
    }
    return guard->at - guard->mark == size;
}

static int step_version(struct weft_h1_guard *guard, struct weft_slice input)
{
    int matched = match(guard, input, "HTTP/d.d\r", 9);
    if (matched < 0) {
        return refuse(guard, input.data[guard->at] == '\n' ? &bare_lf : &bad_request_line);
    }
    if (matched == 0) {
        return 0;
    }
    const char *version = input.data + guard->mark + 5;
    if (version[0] != '1' || version[2] > '1') {
        return refuse(guard, &bad_version);
    }
    guard->minor = (uint8_t)(version[2] - '0');
    guard->step = step_start_lf;
    return 0;
}

static int step_target(struct weft_h1_guard *guard, struct weft_slice input)
{
    size_t size = run(guard, input, VISIBLE);
    if (size > WEFT_HTTP_TARGET_MAX) {
        return refuse(guard, &target_too_long);
    }
    if (guard->at == input.size) {
        return 0;
    }
    char c = input.data[guard->at];
    if (c != ' ' || size == 0) {
        return refuse(guard, c == '\n' ? &bare_lf : &bad_request_line);
    }
    guard->target = since_mark(guard);
    return then(guard, step_version);
}

static int step_method(struct weft_h1_guard *guard, struct weft_slice input)
{
    guard->begun = true;
    size_t size = run(guard, input, TOKEN);
    if (size > WEFT_H1_METHOD_MAX) {
        return refuse(guard, &unknown_method);
    }
    if (guard->at == input.size) {
        return 0;
    }
    char c = input.data[guard->at];
    if (c != ' ' || size == 0) {
        return refuse(guard, c == '\n' ? &bare_lf : &bad_request_line);
    }
    return then(guard, step_target);
}

static int step_empty_lf(struct weft_h1_guard *guard, struct weft_slice input)
{
    if (input.data[guard->at] != '\n') {
        return refuse(guard, &bare_cr);
    }
    return then(guard, step_method);
}

/* RFC 9112 2.2: an empty line before the request line is let pass, once; some clients send one after a body. */
static int step_request(struct weft_h1_guard *guard, struct weft_slice input)
{
    if (input.data[guard->at] == '\r') {
        return then(guard, step_empty_lf);
    }
    guard->step = step_method;
    return 0;
}

static int step_reason(struct weft_h1_guard *guard, struct weft_slice input)
{
    (void)run(guard, input, VALUE); /* as long as it likes: the head has its bound */
    if (guard->at == input.size) {
        return 0;
    }
    if (input.data[guard->at] != '\r') {
        return refuse(guard, &bad_status_line);
    }
    return then(guard, step_start_lf);
}

/* RFC 9112 4 wants a blank after the code even where no reason follows; enough servers leave it out. */
static int step_reason_blank(struct weft_h1_guard *guard, struct weft_slice input)
{
    char c = input.data[guard->at];
    if (c != ' ' && c != '\r') {
        return refuse(guard, &bad_status_line);
    }
    guard->step = step_reason;
    return 0;
}

static int step_answer(struct weft_h1_guard *guard, struct weft_slice input)
{
    guard->begun = true;
    int matched = match(guard, input, "HTTP/1.d ddd", 12);
    if (matched < 0) {
        return refuse(guard, &bad_status_line);
    }
    if (matched == 0) {
        return 0;
    }
    const char *line = input.data + guard->mark;
    guard->minor = line[7] != '0';
    guard->status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    if (guard->status < 100 || guard->status > 599) {
        return refuse(guard, &bad_status_line);
    }
    guard->step = step_reason_blank;
    return 0;
}

/* -- the whole -- */

void weft_h1_guard_init(struct weft_h1_guard *guard, enum weft_h1_kind kind)
{
    static int (*const first[])(struct weft_h1_guard *, struct weft_slice) = {
        [WEFT_H1_REQUEST] = step_request,
        [WEFT_H1_ANSWER] = step_answer,
        [WEFT_H1_TRAILERS] = step_line,
    };
    *guard = (struct weft_h1_guard){.step = first[kind], .length = -1, .kind = (uint8_t)kind};
}

int weft_h1_guard_check(struct weft_h1_guard *guard, struct weft_slice input)
{
    bool cut = input.size > WEFT_HTTP_HEAD_MAX;
    if (cut) {
        input.size = WEFT_HTTP_HEAD_MAX;
    }
    /* Each step takes at least a byte, or hands on to one that does. */
    while (guard->at < input.size) {
        int error = guard->step(guard, input);
        if (error < 0) {
            return error;
        }
        if (!guard->step) {
            return (int)guard->at;
        }
    }
    return cut ? refuse(guard, &head_too_large) : 0;
}
