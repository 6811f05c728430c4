/* sim/reader.c - a client that asks a model, and knows what the answer must be. */
#include "sim/reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim/answers.h"

#define TEXT_MAX      2048 /* of one part of an answer */
#define CALLS_MAX     2
#define PROMPT_TOKENS 7 /* that engines count */
#define TOKENS_MOST   40
#define EVENT         "data: "
#define DONE          "[DONE]"
#define TEXT_OF(x)    #x
#define NUMBER(x)     TEXT_OF(x)

/* -- asking -- */

static const char *const wishes[WEFT_READER_KINDS] = {
    [WEFT_READER_CHAT] = "\"frequency_penalty\":0.5,",
    [WEFT_READER_COMPLETION] = "\"echo\":true,\"max_tokens\":" NUMBER(TOKENS_MOST) ",",
    [WEFT_READER_TOOLS] = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"}},"
                          "{\"type\":\"function\",\"function\":{\"name\":\"listen\"}}],",
    [WEFT_READER_SCHEMA] = "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"any\","
                           "\"schema\":{\"type\":\"object\"}}},",
    [WEFT_READER_CHOICES] = "\"n\":2,",
    [WEFT_READER_LOGPROBS] = "\"logprobs\":true,\"top_logprobs\":20,",
    [WEFT_READER_STOP] = "\"stop\":[\"" WEFT_SCRIPT_STOP "\"],",
    [WEFT_READER_WHOLE] = "\"frequency_penalty\":-0.5,",
};

static struct weft_script script_of(enum weft_reader_kind kind, uint64_t seed, size_t kills_at)
{
    return (struct weft_script){
        .seed = seed,
        .choices = kind == WEFT_READER_CHOICES ? 2 : 1,
        .tokens_max = kind == WEFT_READER_COMPLETION ? TOKENS_MOST : INT32_MAX,
        .tools = kind == WEFT_READER_TOOLS,
        .thinks = kind == WEFT_READER_CHAT || kind == WEFT_READER_WHOLE,
        .stops = kind == WEFT_READER_STOP,
        .echo = kind == WEFT_READER_COMPLETION,
        .logprobs = kind == WEFT_READER_LOGPROBS ? WEFT_NATIVE_LOGPROBS_MAX : -1,
        .kills_at = kills_at,
    };
}

static void on_changed(struct weft_raw *raw)
{
    struct weft_reader *reader = raw->self;
    weft_time now = weft_world_now(reader->story->world);
    const char *at = strstr(raw->in + reader->scanned, EVENT "{");
    if (!at) {
        return;
    }
    if (reader->heard) {
        reader->heard(reader, now - reader->heard_at);
    }
    reader->heard_at = now;
    for (; at; at = strstr(at + 1, EVENT "{")) {
        reader->events++;
        reader->scanned = (size_t)(at - raw->in) + 1;
    }
}

void weft_reader_ask(struct weft_reader *reader, struct weft_story *story, struct weft_host *host, const char *address,
                     enum weft_reader_kind kind, uint64_t seed, size_t kills_at)
{
    char head[256];
    bool chat = kind != WEFT_READER_COMPLETION, stream = kind != WEFT_READER_WHOLE;
    reader->story = story;
    reader->kind = kind;
    reader->script = script_of(kind, seed, kills_at);
    reader->scanned = 0;
    reader->events = 0;
    reader->heard_at = weft_world_now(story->world);
    int used = snprintf(reader->body, sizeof(reader->body), "{\"model\":\"%s\",\"seed\":%" PRIu64 ",%s%s",
                        reader->model ? reader->model : WEFT_READER_MODEL, seed,
                        stream ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "", wishes[kind]);
    int most = (int)sizeof(reader->body) - used;
    if (!chat) {
        used += snprintf(reader->body + used, (size_t)most, "\"prompt\":\"Once upon a time, \"}");
    } else if (kills_at < SIZE_MAX) {
        used += snprintf(reader->body + used, (size_t)most,
                         "\"messages\":[{\"role\":\"user\",\"content\":\"kill %zu\"}]}", kills_at);
    } else {
        used +=
            snprintf(reader->body + used, (size_t)most, "\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}]}");
    }
    WEFT_ASSERT(used > 0 && (size_t)used < sizeof(reader->body));
    (void)snprintf(head, sizeof(head),
                   "POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
                   "application/json\r\nContent-Length: %d\r\n\r\n",
                   chat ? "chat/completions" : "completions", used); /* fits */
    weft_raw_dial(&reader->raw, host, address);
    reader->raw.changed = on_changed;
    reader->raw.self = reader;
    weft_raw_text(&reader->raw, head);
    weft_raw_text(&reader->raw, reader->body);
}

bool weft_reader_told(const struct weft_reader *reader)
{
    return reader->raw.ended;
}

void weft_reader_close(struct weft_reader *reader)
{
    weft_raw_close(&reader->raw, false);
}

/* -- what an answer says -- */

struct text {
    size_t size;
    char data[TEXT_MAX];
};

/* One choice, as it was heard or as it must be. */
struct spoken {
    struct text content, reasoning, calls[CALLS_MAX], names[CALLS_MAX], ids[CALLS_MAX];
    const char *finish; /* a literal, or NULL */
    size_t logprobs;    /* tokens that had one */
};

struct heard {
    struct weft_reader *reader;
    struct spoken choices[WEFT_SCRIPT_CHOICES_MAX];
    struct weft_script_walk walk; /* of the log probabilities */
    json_int_t prompt_tokens, completion_tokens;
    unsigned usages, wrong; /* `wrong`: what no answer may say */
    bool done;
    char code[WEFT_READER_CODE_MAX]; /* of an error */
};

/* Nothing that must be is as long as what is cut here. */
static void add(struct text *text, struct weft_slice more)
{
    size_t room = sizeof(text->data) - text->size, size = more.size < room ? more.size : room;
    memcpy(text->data + text->size, more.data ? more.data : "", size);
    text->size += size;
}

static bool same(const struct text *a, const struct text *b)
{
    return weft_slice_equal(weft_slice(a->data, a->size), weft_slice(b->data, b->size));
}

/* What it must be. Ids of tool calls are the node's to choose. */
static void speak(const struct weft_script *script, uint16_t choice, struct spoken *spoken)
{
    static const char *const reasons[] = {
        [WEFT_FINISH_STOP] = "stop", [WEFT_FINISH_LENGTH] = "length", [WEFT_FINISH_TOOL_CALLS] = "tool_calls"};
    struct weft_script_walk walk;
    struct weft_script_step step;
    size_t tokens = 0;
    weft_script_begin(&walk, script, choice, "");
    while (weft_script_next(&walk, &step)) {
        tokens++;
        for (uint16_t i = 0; i < step.token.token.deltas; i++) {
            const struct weft_frame *delta = &step.deltas[i];
            bool call = delta->delta.part == WEFT_PART_TOOL_CALL;
            add(call                                       ? &spoken->calls[delta->delta.call]
                : delta->delta.part == WEFT_PART_REASONING ? &spoken->reasoning
                                                           : &spoken->content,
                delta->delta.text);
            add(&spoken->names[call ? delta->delta.call : 0], delta->delta.name);
            spoken->logprobs = script->logprobs >= 0 ? tokens : 0; /* what no text shows is not told */
        }
    }
    const struct weft_frame finish = weft_script_finish(&walk);
    spoken->finish = reasons[finish.finish.reason];
}

/* -- reading -- */

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static void read_calls(struct heard *heard, struct spoken *spoken, const json_t *calls, bool whole)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = member(call, "function");
        json_int_t index = whole ? (json_int_t)i : json_integer_value(member(call, "index"));
        if (index < 0 || index >= CALLS_MAX) {
            heard->wrong++;
            continue;
        }
        add(&spoken->ids[index], weft_json_slice(member(call, "id")));
        add(&spoken->names[index], weft_json_slice(member(function, "name")));
        add(&spoken->calls[index], weft_json_slice(member(function, "arguments")));
    }
}

/* Of the tokens, one after the other: their bytes and how likely they were. */
static void read_logprobs(struct heard *heard, struct spoken *spoken, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i), *bytes = member(entry, "bytes");
        struct weft_script_step step;
        bool right = weft_script_next(&heard->walk, &step);
        const struct weft_slice text = right ? step.token.token.bytes : WEFT_SLICE("");
        right = right && json_array_size(bytes) == text.size &&
                fabs(json_number_value(member(entry, "logprob")) - (double)step.token.token.logprob) < 1e-5 &&
                json_array_size(member(entry, "top_logprobs")) == step.token.token.top_count;
        for (size_t k = 0; right && k < text.size; k++) {
            right = json_integer_value(json_array_get(bytes, k)) == (unsigned char)text.data[k];
        }
        heard->wrong += !right;
        spoken->logprobs++;
    }
}

static void read_finish(struct spoken *spoken, const json_t *finish)
{
    static const char *const known[] = {"stop", "length", "tool_calls"};
    for (size_t i = 0; i < WEFT_COUNT(known); i++) {
        if (weft_json_is(finish, known[i])) {
            spoken->finish = known[i];
        }
    }
}

static void read_choice(struct heard *heard, const json_t *choice)
{
    json_int_t index = json_integer_value(member(choice, "index"));
    if (index < 0 || index >= heard->reader->script.choices || heard->choices[index].finish) {
        heard->wrong++; /* nothing may come behind its end */
        return;
    }
    struct spoken *spoken = &heard->choices[index];
    const json_t *message = member(choice, "message"), *part = message ? message : member(choice, "delta");
    add(&spoken->content, weft_json_slice(member(choice, "text")));
    add(&spoken->content, weft_json_slice(member(part, "content")));
    add(&spoken->reasoning, weft_json_slice(member(part, "reasoning_content")));
    read_calls(heard, spoken, member(part, "tool_calls"), message);
    read_logprobs(heard, spoken, member(member(choice, "logprobs"), "content"));
    read_finish(spoken, member(choice, "finish_reason"));
}

static void read_json(struct heard *heard, struct weft_slice text)
{
    json_t *json;
    if (heard->done || heard->code[0] || weft_json_parse(text, &json, NULL) < 0) {
        heard->wrong++;
        return;
    }
    const json_t *choices = member(json, "choices"), *usage = member(json, "usage");
    const char *code = json_string_value(member(member(json, "error"), "code"));
    (void)snprintf(heard->code, sizeof(heard->code), "%s", code ? code : ""); /* a node's are shorter */
    for (size_t i = 0; i < json_array_size(choices); i++) {
        read_choice(heard, json_array_get(choices, i));
    }
    if (json_is_object(usage)) {
        heard->usages++;
        heard->prompt_tokens = json_integer_value(member(usage, "prompt_tokens"));
        heard->completion_tokens = json_integer_value(member(usage, "completion_tokens"));
    }
    json_decref(json);
}

/* Events with a blank line behind each, and comments. */
static void read_events(struct heard *heard, const char *text)
{
    for (const char *end; (end = strstr(text, "\n\n")); text = end + 2) {
        struct weft_slice event = weft_slice(text, (size_t)(end - text));
        if (weft_slice_equal(event, WEFT_SLICE(EVENT DONE))) {
            heard->wrong += heard->done;
            heard->done = true;
        } else if (weft_slice_starts(event, WEFT_SLICE(EVENT))) {
            read_json(heard, weft_slice(text + strlen(EVENT), event.size - strlen(EVENT)));
        } else if (event.size == 0 || event.data[0] != ':') {
            heard->wrong++;
        }
    }
    heard->wrong += *text != '\0';
}

/* Returns the status; 0 if no whole answer came. */
static int read_answer(struct weft_reader *reader, struct heard *heard)
{
    struct weft_answers answers;
    char *text = weft_alloc(WEFT_RAW_IN_MAX);
    WEFT_ASSERT(text);
    *heard = (struct heard){.reader = reader};
    weft_script_begin(&heard->walk, &reader->script, 0, "");
    weft_answers_h1(&answers, weft_slice(reader->raw.in, reader->raw.in_size), 0, reader->raw.ended);
    bool whole = !answers.malformed && answers.count == 1 && answers.whole == 1;
    if (whole && weft_answer_text(&answers.at[0], text, WEFT_RAW_IN_MAX) >= 0) {
        struct weft_slice type = weft_answer_field(&answers.at[0], "content-type");
        if (weft_slice_equal(type, WEFT_SLICE("text/event-stream"))) {
            read_events(heard, text);
        } else {
            read_json(heard, weft_slice_text(text));
        }
    }
    weft_free(text);
    memcpy(reader->code, heard->code, sizeof(reader->code));
    return whole ? answers.at[0].status : 0;
}

/* -- judging -- */

static void judge_choice(const struct heard *heard, uint16_t choice)
{
    const struct weft_reader *reader = heard->reader;
    struct weft_story *story = reader->story;
    const struct spoken *is = &heard->choices[choice];
    struct spoken must = {0};
    speak(&reader->script, choice, &must);
    weft_story_check(story, same(&is->content, &must.content),
                     "reader %d.%u: its text is not what was sampled (%zu bytes, not %zu)", reader->kind, choice,
                     is->content.size, must.content.size);
    weft_story_check(story, same(&is->reasoning, &must.reasoning),
                     "reader %d.%u: its thoughts are not what was sampled (%zu bytes, not %zu)", reader->kind, choice,
                     is->reasoning.size, must.reasoning.size);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        weft_story_check(story, same(&is->calls[i], &must.calls[i]) && same(&is->names[i], &must.names[i]),
                         "reader %d.%u: its tool call %zu is not what was sampled", reader->kind, choice, i);
    }
    weft_story_check(story, !reader->script.tools || (is->ids[0].size > 0 && !same(&is->ids[0], &is->ids[1])),
                     "reader %d.%u: its tool calls have no names of their own", reader->kind, choice);
    weft_story_check(story, is->finish && strcmp(is->finish, must.finish) == 0, "reader %d.%u: it ended by %s, not %s",
                     reader->kind, choice, is->finish ? is->finish : "nothing", must.finish);
    weft_story_check(story, is->logprobs == must.logprobs, "reader %d.%u: %zu log probabilities, not %zu", reader->kind,
                     choice, is->logprobs, must.logprobs);
}

void weft_reader_judge(struct weft_reader *reader)
{
    struct heard *heard = weft_alloc(sizeof(*heard));
    struct weft_story *story = reader->story;
    json_int_t tokens = 0;
    WEFT_ASSERT(heard);
    int status = read_answer(reader, heard);
    weft_story_check(story, status == 200 && !heard->code[0], "reader %d: answered with %d %s", reader->kind, status,
                     heard->code);
    for (uint16_t i = 0; i < reader->script.choices; i++) {
        judge_choice(heard, i);
        tokens += (json_int_t)weft_script_length(&reader->script, i);
    }
    weft_story_check(story, heard->wrong == 0, "reader %d: %u times, what no answer may say", reader->kind,
                     heard->wrong);
    weft_story_check(story, heard->done == (reader->kind != WEFT_READER_WHOLE), "reader %d: the stream has no end",
                     reader->kind);
    weft_story_check(
        story, heard->usages == 1 && heard->completion_tokens == tokens && heard->prompt_tokens == PROMPT_TOKENS,
        "reader %d: it was counted %d tokens, not %d", reader->kind, (int)heard->completion_tokens, (int)tokens);
    weft_free(heard);
}

static bool begins(const struct text *all, const struct text *some)
{
    return some->size <= all->size && memcmp(all->data, some->data, some->size) == 0;
}

void weft_reader_judge_rough(struct weft_reader *reader)
{
    struct heard *heard = weft_alloc(sizeof(*heard));
    struct weft_story *story = reader->story;
    WEFT_ASSERT(heard);
    int status = read_answer(reader, heard);
    bool failed = heard->code[0] != '\0';
    weft_story_check(story, status == 200 || failed, "reader %d: answered with %d and nothing", reader->kind, status);
    weft_story_check(story, heard->wrong == 0, "reader %d: %u times, what no answer may say", reader->kind,
                     heard->wrong);
    for (uint16_t i = 0; i < reader->script.choices; i++) {
        struct spoken must = {0};
        speak(&reader->script, i, &must);
        weft_story_check(story,
                         begins(&must.content, &heard->choices[i].content) &&
                             begins(&must.reasoning, &heard->choices[i].reasoning),
                         "reader %d.%u: what it was told is no beginning of its answer", reader->kind, i);
    }
    weft_free(heard);
    if (!failed) {
        weft_reader_judge(reader);
    }
}

void weft_reader_judge_struck(struct weft_reader *reader, bool at_once)
{
    struct heard *heard = weft_alloc(sizeof(*heard));
    struct weft_story *story = reader->story;
    WEFT_ASSERT(heard);
    int status = read_answer(reader, heard);
    weft_story_check(story, strcmp(heard->code, "request_kills_engine") == 0 && heard->wrong == 0,
                     "reader %d kills engines and is told \"%s\"", reader->kind, heard->code);
    weft_story_check(story, status == 500 || (status == 200 && !at_once), "reader %d kills engines and is told %d",
                     reader->kind, status);
    weft_free(heard);
}
