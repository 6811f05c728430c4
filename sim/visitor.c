/* sim/visitor.c - one client of a crowd. */
#include "sim/visitor.h"

#include <stdio.h>

#include "base/assert.h"
#include "sim/frames.h"

#define AUTHORITY    "localhost"
#define REQUEST_MAX  4096
#define LEAVES_AFTER 2048 /* at most so many bytes */

/* Wrong in different ways; each must be answered with 4xx or 5xx, and its connection closed. */
static const char *const rude[] = {
    "GET /health HTTP/1.1\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n",
    "GET /health HTTP/1.1\nHost: localhost\n\n",
    "\x16\x03\x01\x02\x01\x01\r\n\r\n",
    "GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n",
};

static void print_h1(const struct weft_ask *ask, char *text, size_t size)
{
    int used = snprintf(text, size, "%s %s HTTP/1.1\r\nHost: " AUTHORITY "\r\n", ask->method, ask->path);
    for (const char *at = ask->fields; at && *at;) {
        const char *end = strchr(at, '\n');
        used += snprintf(text + used, size - (size_t)used, "%.*s\r\n", (int)(end - at), at);
        at = end + 1;
    }
    if (ask->body) {
        used += snprintf(text + used, size - (size_t)used, "Content-Length: %zu\r\n", strlen(ask->body));
    }
    used += snprintf(text + used, size - (size_t)used, "\r\n%s", ask->body ? ask->body : "");
    WEFT_ASSERT(used > 0 && (size_t)used < size);
}

static bool is_h2(const struct weft_visitor *visitor)
{
    return visitor->manner == WEFT_VISITOR_H2 || visitor->manner == WEFT_VISITOR_LEAVER_H2;
}

static void say_next(struct weft_visitor *visitor)
{
    const struct weft_ask *ask = visitor->asks[visitor->asked];
    if (is_h2(visitor)) {
        const struct weft_frames_request request = {
            .stream = (uint32_t)(visitor->asked * 2 + 1),
            .method = ask->method,
            .path = ask->path,
            .authority = AUTHORITY,
            .fields = ask->fields,
            .body = ask->body ? weft_slice_text(ask->body) : (struct weft_slice){0},
        };
        weft_frames_ask(&visitor->raw, &request);
    } else {
        char text[REQUEST_MAX];
        print_h1(ask, text, sizeof(text));
        weft_raw_text(&visitor->raw, text);
    }
    visitor->asked++;
}

static void read_answers(const struct weft_visitor *visitor, struct weft_answers *answers)
{
    struct weft_slice heard = weft_slice(visitor->raw.in, visitor->raw.in_size);
    uint64_t heads = 0;
    for (size_t i = 0; i < visitor->count; i++) {
        heads |= (uint64_t)(strcmp(visitor->asks[i]->method, "HEAD") == 0) << i;
    }
    if (is_h2(visitor)) {
        weft_answers_h2(answers, heard);
    } else {
        weft_answers_h1(answers, heard, heads, visitor->raw.ended);
    }
}

static void leave(struct weft_visitor *visitor)
{
    visitor->left = true;
    if (visitor->manner == WEFT_VISITOR_LEAVER_H2 && visitor->number % 2 == 0) {
        for (size_t i = 0; i < visitor->asked; i++) {
            weft_frames_reset(&visitor->raw, (uint32_t)(i * 2 + 1), 8); /* CANCEL */
        }
    }
    weft_raw_close(&visitor->raw, visitor->number % 3 == 0);
}

static void on_changed(struct weft_raw *raw)
{
    struct weft_visitor *visitor = raw->self;
    struct weft_answers answers;
    if (raw->ended) {
        return;
    }
    if (visitor->manner == WEFT_VISITOR_LEAVER || visitor->manner == WEFT_VISITOR_LEAVER_H2) {
        if (raw->heard >= visitor->leaves_after) {
            leave(visitor);
        }
    } else if (visitor->manner == WEFT_VISITOR_PATIENT && visitor->asked < visitor->count) {
        read_answers(visitor, &answers);
        if (answers.whole == visitor->asked) {
            say_next(visitor);
        }
    }
}

void weft_visitor_come(struct weft_visitor *visitor, struct weft_story *story, struct weft_host *host,
                       const char *address, const struct weft_ask *menu, size_t menu_count)
{
    struct weft_world *world = story->world;
    visitor->story = story;
    visitor->manner = (enum weft_manner)weft_world_below(world, WEFT_VISITOR_MANNERS);
    visitor->count = 1 + weft_world_below(world, WEFT_VISITOR_ASKS_MAX);
    visitor->asked = 0;
    visitor->left = false;
    visitor->leaves_after = weft_world_below(world, LEAVES_AFTER);
    for (size_t i = 0; i < visitor->count; i++) {
        visitor->asks[i] = &menu[weft_world_below(world, menu_count)];
    }
    weft_raw_dial(&visitor->raw, host, address);
    visitor->raw.changed = on_changed;
    visitor->raw.self = visitor;
    if (visitor->manner == WEFT_VISITOR_RUDE) {
        weft_raw_text(&visitor->raw, rude[weft_world_below(world, WEFT_COUNT(rude))]);
        visitor->count = visitor->asked = 0;
        return;
    }
    if (is_h2(visitor)) {
        weft_frames_hello(&visitor->raw);
    }
    size_t now = visitor->manner == WEFT_VISITOR_PATIENT ? 1 : visitor->count;
    while (visitor->asked < now) {
        say_next(visitor);
    }
}

bool weft_visitor_content(const struct weft_visitor *visitor)
{
    struct weft_answers answers;
    if (visitor->left || visitor->raw.ended) {
        return true;
    }
    if (visitor->manner == WEFT_VISITOR_RUDE) {
        return false; /* until it is hung up on */
    }
    read_answers(visitor, &answers);
    return answers.malformed || answers.whole >= visitor->count;
}

static void judge_answer(struct weft_visitor *visitor, size_t i, const struct weft_answer *answer, bool last,
                         bool rough)
{
    struct weft_story *story = visitor->story;
    const struct weft_ask *ask = visitor->asks[i];
    bool right =
        answer->status == ask->status || (answer->status == -1 && is_h2(visitor)) || (answer->status >= 502 && rough);
    weft_story_check(story, right, "visitor %u: %s %s is answered with %d, not %d", visitor->number, ask->method,
                     ask->path, answer->status, ask->status);
    weft_story_check(story, answer->whole || (ask->may_be_cut && last), "visitor %u: the answer to %s %s is not whole",
                     visitor->number, ask->method, ask->path);
    weft_story_check(story, !answer->reset || ask->may_be_cut, "visitor %u: %s %s is reset", visitor->number,
                     ask->method, ask->path);
}

void weft_visitor_judge(struct weft_visitor *visitor, bool rough)
{
    struct weft_story *story = visitor->story;
    struct weft_answers answers;
    read_answers(visitor, &answers);
    weft_story_check(story, !answers.malformed, "visitor %u heard what is no answer", visitor->number);
    if (visitor->manner == WEFT_VISITOR_RUDE) {
        bool refused = answers.count == 1 && answers.at[0].status >= 400;
        weft_story_check(story, visitor->raw.ended && (refused || (rough && answers.count == 0)),
                         "visitor %u was rude and got %zu answers, the first %d", visitor->number, answers.count,
                         answers.at[0].status);
    } else if (!visitor->left) {
        weft_story_check(story, answers.count <= visitor->asked, "visitor %u got %zu answers to %zu requests",
                         visitor->number, answers.count, visitor->asked);
        for (size_t i = 0; i < answers.count && i < visitor->asked; i++) {
            bool last = i + 1 == answers.count && visitor->raw.ended;
            const struct weft_answer *answer = &answers.at[i];
            size_t which = is_h2(visitor) ? (answer->stream - 1) / 2 : i;
            bool spared = rough && (answer->reset || (visitor->raw.ended && !answer->whole));
            if (!spared && which < visitor->count) {
                judge_answer(visitor, which, answer, last, rough);
            }
        }
        /* A body that must be cut takes an h1 connection with it: what was asked behind it is told by the end. */
        bool told = answers.count == visitor->count || (visitor->raw.ended && (rough || !is_h2(visitor)));
        weft_story_check(story, told, "visitor %u got %zu answers to %zu requests, and no end", visitor->number,
                         answers.count, visitor->count);
    }
    weft_raw_close(&visitor->raw, false);
}
