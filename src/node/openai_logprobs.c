/* node/openai_logprobs.c - how likely the shown tokens were, in the two shapes of OpenAI's API. */
#include "node/openai_logprobs.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/utf8.h"

#define CHAT_LIST  0 /* of entries */
#define TOKENS     0 /* of a completion, and so on */
#define LOGPROBS   1
#define TOPS       2
#define PLACES     3
#define PIECES_MAX 128 /* bytes of a token that are spelled out; what is left of a longer one is not shown here */

/* A token's bytes as a text: those that are no UTF-8 by themselves are spelled out, as OpenAI does. */
struct spelled {
    struct weft_slice text;
    char buffer[8 + 4 * PIECES_MAX];
};

static void spell(struct spelled *spelled, enum weft_openai_shape shape, struct weft_slice bytes)
{
    bool is_key = shape == WEFT_OPENAI_COMPLETION; /* it may be one, where a NUL would end it */
    spelled->text = bytes;
    if (weft_utf8_valid(bytes) && !(is_key && bytes.size > 0 && memchr(bytes.data, '\0', bytes.size))) {
        return;
    }
    const char *before = is_key ? "bytes:" : "";
    size_t used = strlen(before);
    memcpy(spelled->buffer, before, used);
    for (size_t i = 0; i < bytes.size && i < PIECES_MAX; i++) {
        (void)snprintf(spelled->buffer + used, 5, "\\x%02x", (unsigned char)bytes.data[i]);
        used += 4;
    }
    spelled->text = weft_slice(spelled->buffer, used);
}

/* To six places: what a double adds to a float is noise, and a third of the bytes. */
static void write_logprob(struct weft_json *json, float logprob)
{
    double value = WEFT_OPENAI_LOGPROB_LEAST; /* also for what is not a number */
    if (logprob > WEFT_OPENAI_LOGPROB_LEAST) {
        value = logprob < 0 ? (double)(int64_t)((double)logprob * 1e6 - 0.5) / 1e6 : 0;
    }
    weft_json_double(json, value);
}

/* -- chat -- */

static void write_chat_token(struct weft_json *json, struct weft_slice bytes, float logprob)
{
    struct spelled spelled;
    spell(&spelled, WEFT_OPENAI_CHAT, bytes);
    weft_json_add_string(json, "token", spelled.text);
    weft_json_key(json, "logprob");
    write_logprob(json, logprob);
    weft_json_key(json, "bytes");
    weft_json_array(json);
    for (size_t i = 0; i < bytes.size; i++) {
        weft_json_int(json, (unsigned char)bytes.data[i]);
    }
    weft_json_array_end(json);
}

static void write_chat_entry(struct weft_json *json, const struct weft_frame *token)
{
    weft_json_object(json);
    write_chat_token(json, token->token.bytes, token->token.logprob);
    weft_json_key(json, "top_logprobs");
    weft_json_array(json);
    for (size_t i = 0; i < token->token.top_count; i++) {
        weft_json_object(json);
        write_chat_token(json, token->token.top[i].bytes, token->token.top[i].logprob);
        weft_json_object_end(json);
    }
    weft_json_array_end(json);
    weft_json_object_end(json);
}

/* -- completion -- */

/* An object from text to logprob. Two tokens may have the same text: the likelier one keeps the name. */
static void write_tops(struct weft_json *json, const struct weft_frame *token)
{
    weft_json_object(json);
    for (size_t i = 0; i < token->token.top_count; i++) {
        const struct weft_logprob *top = &token->token.top[i];
        bool named = false;
        for (size_t j = 0; j < i && !named; j++) {
            named = weft_slice_equal(token->token.top[j].bytes, top->bytes);
        }
        struct spelled spelled;
        spell(&spelled, WEFT_OPENAI_COMPLETION, top->bytes);
        if (!named && spelled.text.size < sizeof(spelled.buffer)) { /* no vocabulary has a longer one */
            char key[sizeof(spelled.buffer)] = "";
            memcpy(key, spelled.text.data ? spelled.text.data : "", spelled.text.size);
            weft_json_key(json, key);
            write_logprob(json, top->logprob);
        }
    }
    weft_json_object_end(json);
}

static void write_list_item(struct weft_json *json, int list, const struct weft_frame *token, uint64_t place)
{
    struct spelled spelled;
    bool known = token->token.has_logprob; /* the first token of a prompt comes from nothing */
    if (list == TOKENS) {
        spell(&spelled, WEFT_OPENAI_COMPLETION, token->token.bytes);
        weft_json_string(json, spelled.text);
    } else if (list == PLACES) {
        weft_json_int(json, (int64_t)place);
    } else if (!known) {
        weft_json_null(json);
    } else if (list == LOGPROBS) {
        write_logprob(json, token->token.logprob);
    } else {
        write_tops(json, token);
    }
}

/* -- both -- */

void weft_openai_logprobs_clear(struct weft_openai_logprobs *logprobs)
{
    for (size_t i = 0; i < WEFT_OPENAI_LOGPROBS_LISTS; i++) {
        weft_bytes_deinit(&logprobs->lists[i]);
    }
}

size_t weft_openai_logprobs_size(const struct weft_openai_logprobs *logprobs)
{
    size_t size = 0;
    for (size_t i = 0; i < WEFT_OPENAI_LOGPROBS_LISTS; i++) {
        size += logprobs->lists[i].size;
    }
    return size;
}

static int begin_item(struct weft_bytes *list)
{
    return list->size > 0 ? weft_bytes_append(list, ",", 1) : 0;
}

int weft_openai_logprobs_add(struct weft_openai_logprobs *logprobs, enum weft_openai_shape shape,
                             const struct weft_frame *token, uint64_t place)
{
    int lists = shape == WEFT_OPENAI_CHAT ? 1 : WEFT_OPENAI_LOGPROBS_LISTS;
    int error = 0;
    for (int list = 0; error == 0 && list < lists; list++) {
        error = begin_item(&logprobs->lists[list]);
        if (error == 0) {
            struct weft_json json;
            weft_json_start(&json, &logprobs->lists[list]);
            if (shape == WEFT_OPENAI_CHAT) {
                write_chat_entry(&json, token);
            } else {
                write_list_item(&json, list, token, place);
            }
            error = weft_json_finish(&json);
        }
    }
    return error;
}

int weft_openai_logprobs_move(struct weft_openai_logprobs *to, struct weft_openai_logprobs *from)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < WEFT_OPENAI_LOGPROBS_LISTS; i++) {
        if (from->lists[i].size > 0) {
            error = begin_item(&to->lists[i]);
        }
        if (error == 0) {
            weft_bytes_move(&to->lists[i], &from->lists[i]);
        }
    }
    return error;
}

void weft_openai_logprobs_write(struct weft_openai_logprobs *logprobs, enum weft_openai_shape shape,
                                struct weft_json *json)
{
    static const char *const names[] = {
        [TOKENS] = "tokens", [LOGPROBS] = "token_logprobs", [TOPS] = "top_logprobs", [PLACES] = "text_offset"};
    bool chat = shape == WEFT_OPENAI_CHAT;
    weft_json_object(json);
    for (size_t i = 0; i < (chat ? 1 : WEFT_COUNT(names)); i++) {
        weft_json_key(json, chat ? "content" : names[i]);
        weft_json_array(json);
        weft_json_splice(json, &logprobs->lists[i]);
        weft_json_array_end(json);
    }
    if (chat) {
        weft_json_key(json, "refusal");
        weft_json_null(json);
    }
    weft_json_object_end(json);
    weft_openai_logprobs_clear(logprobs);
}
