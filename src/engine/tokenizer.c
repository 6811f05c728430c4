/* engine/tokenizer.c - from text to tokens, in bounded time. */
#include "engine/tokenizer.h"

#include <limits.h>
#include <llama.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

#define KNOWN 1024 /* texts that are remembered while one prompt is read; a power of two */

/* A mark is a code point that is no character, and then "1"; the code point itself is written with "0". */
#define ESCAPE      "\xF4\x8F\xBF\xBF"
#define ESCAPE_SIZE (sizeof(ESCAPE) - 1)
#define ESCAPED     ESCAPE "0"
#define MARK        ESCAPE "1"

struct weft_tokenizer_special {
    const char *text;
    size_t size;
    int32_t token;
    enum llama_token_attr attributes;
};

/* A part of the text: one special token, or what stands between two. */
struct part {
    size_t at, size;
    int32_t token; /* or LLAMA_TOKEN_NULL */
};

struct parts {
    struct part *at;
    size_t count, room;
};

/* Where a text was read before, and what it gave. */
struct known {
    size_t at, size; /* of the text; size 0: nothing yet */
    size_t first, count;
};

struct reading {
    const struct weft_tokenizer *tokenizer;
    struct weft_slice text;
    enum weft_specials specials;
    struct parts parts;
    int32_t *tokens;
    size_t count, room, most, reads;
    bool broken_off;
    struct known known[KNOWN];
};

/* -- life -- */

static bool is_special(enum llama_token_attr attributes)
{
    return (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0;
}

static int longest_first(const void *left, const void *right)
{
    const struct weft_tokenizer_special *a = left, *b = right;
    if (a->size != b->size) {
        return a->size > b->size ? -1 : 1;
    }
    return a->token < b->token ? -1 : a->token > b->token;
}

/* Those whose texts are read piece by piece, each without regard to the others. */
static bool cuts(const struct llama_model *model, const struct llama_vocab *vocab)
{
    char kind[16];
    int32_t size = llama_model_meta_val_str(model, "tokenizer.ggml.model", kind, sizeof(kind));
    enum llama_vocab_type type = llama_vocab_type(vocab);
    return size > 0 && ((type == LLAMA_VOCAB_TYPE_SPM && strcmp(kind, "llama") == 0) ||
                        (type == LLAMA_VOCAB_TYPE_BPE && strcmp(kind, "gpt2") == 0));
}

int weft_tokenizer_init(struct weft_tokenizer *tokenizer, const struct llama_model *model)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    *tokenizer = (struct weft_tokenizer){.vocab = vocab, .cuts = cuts(model, vocab)};
    int32_t count = tokenizer->cuts ? llama_vocab_n_tokens(vocab) : 0;
    size_t room = 0;
    for (int32_t token = 0; token < count; token++) {
        room += is_special(llama_vocab_get_attr(vocab, token)) ? 1 : 0;
    }
    if (room == 0) {
        return 0;
    }
    tokenizer->specials = weft_calloc(room, sizeof(*tokenizer->specials));
    if (!tokenizer->specials) {
        return WEFT_ERR_MEMORY;
    }
    for (int32_t token = 0; token < count; token++) {
        struct weft_tokenizer_special special = {.text = llama_vocab_get_text(vocab, token),
                                                 .token = token,
                                                 .attributes = llama_vocab_get_attr(vocab, token)};
        special.size = strlen(special.text);
        if (is_special(special.attributes) && special.size > 0) {
            tokenizer->specials[tokenizer->special_count++] = special;
        }
    }
    qsort(tokenizer->specials, tokenizer->special_count, sizeof(*tokenizer->specials), longest_first);
    return 0;
}

void weft_tokenizer_deinit(struct weft_tokenizer *tokenizer)
{
    weft_free(tokenizer->specials);
    *tokenizer = (struct weft_tokenizer){0};
}

/* -- cutting -- */

static int add_part(struct parts *parts, size_t at, size_t size, int32_t token)
{
    if (size == 0) {
        return 0;
    }
    if (parts->count == parts->room) {
        size_t room = parts->room ? 2 * parts->room : 64;
        struct part *more = weft_realloc(parts->at, room * sizeof(*more));
        if (!more) {
            return WEFT_ERR_MEMORY;
        }
        parts->at = more;
        parts->room = room;
    }
    parts->at[parts->count++] = (struct part){at, size, token};
    return 0;
}

/* As isspace() has it without a locale. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One part becomes what is left of it, and the special token wherever it stands there. */
static int cut_part(const struct weft_tokenizer_special *special, struct weft_slice text, struct part part,
                    struct parts *out)
{
    size_t end = part.at + part.size;
    const char *found;
    int error = 0;
    while (error == 0 && part.at < end &&
           (found = memmem(text.data + part.at, end - part.at, special->text, special->size))) {
        size_t at = (size_t)(found - text.data), before = at;
        while ((special->attributes & LLAMA_TOKEN_ATTR_LSTRIP) && before > part.at && is_space(text.data[before - 1])) {
            before--;
        }
        error = add_part(out, part.at, before - part.at, LLAMA_TOKEN_NULL);
        error = error < 0 ? error : add_part(out, at, special->size, special->token);
        part.at = at + special->size;
        while ((special->attributes & LLAMA_TOKEN_ATTR_RSTRIP) && part.at < end && is_space(text.data[part.at])) {
            part.at++;
        }
    }
    return error < 0 ? error : add_part(out, part.at, end - part.at, LLAMA_TOKEN_NULL);
}

static int cut(struct reading *reading, const struct weft_tokenizer_special *special)
{
    if (reading->text.size == 0 || !memmem(reading->text.data, reading->text.size, special->text, special->size)) {
        return 0;
    }
    struct parts parts = {0};
    int error = 0;
    for (size_t i = 0; i < reading->parts.count && error == 0; i++) {
        struct part part = reading->parts.at[i];
        error = part.token == LLAMA_TOKEN_NULL ? cut_part(special, reading->text, part, &parts)
                                               : add_part(&parts, part.at, part.size, part.token);
    }
    weft_free(reading->parts.at);
    reading->parts = parts;
    return error;
}

static int cut_all(struct reading *reading)
{
    const struct weft_tokenizer *tokenizer = reading->tokenizer;
    int error = add_part(&reading->parts, 0, reading->text.size, LLAMA_TOKEN_NULL);
    for (size_t i = 0; i < tokenizer->special_count && error == 0; i++) {
        const struct weft_tokenizer_special *special = &tokenizer->specials[i];
        bool meant =
            reading->specials != WEFT_SPECIALS_TEXT || (special->attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0;
        error = meant ? cut(reading, special) : 0;
    }
    return error;
}

/* -- marks -- */

static const char *find(struct weft_slice text, struct weft_slice what)
{
    return memmem(text.data, text.size, what.data, what.size);
}

/* Would it act in a prompt, if somebody wrote it into a message? */
static bool acts(const struct weft_tokenizer_special *special)
{
    return (special->attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) == 0 && !strcasestr(special->text, "think");
}

/* Where a special token stands, `gaps` says of each of its bytes but the first that it must not follow the one before:
 * then none is left, however they overlap. Not made (NULL) where there is none. */
static int find_gaps(const struct weft_tokenizer *tokenizer, struct weft_slice text, bool **gaps)
{
    for (size_t i = 0; i < tokenizer->special_count; i++) {
        const struct weft_tokenizer_special *special = &tokenizer->specials[i];
        struct weft_slice what = {special->text, acts(special) ? special->size : 0}, rest = text;
        while (what.size > 0 && (rest.data = find(rest, what))) {
            *gaps = *gaps ? *gaps : weft_zalloc(text.size * sizeof(**gaps));
            if (!*gaps) {
                return WEFT_ERR_MEMORY;
            }
            memset(*gaps + (rest.data - text.data) + 1, true, what.size - 1);
            rest = weft_slice(rest.data + 1, (size_t)(text.data + text.size - rest.data) - 1);
        }
    }
    return 0;
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* Writes the marked text to `out`, or with NULL only counts its bytes. */
static size_t write_marked(struct weft_slice text, const bool *gaps, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        bool escape = text.size - i >= ESCAPE_SIZE && memcmp(text.data + i, ESCAPE, ESCAPE_SIZE) == 0;
        struct weft_slice before =
            gaps && gaps[i] && begins_character(text.data[i]) ? WEFT_SLICE(MARK) : WEFT_SLICE("");
        struct weft_slice here = escape ? WEFT_SLICE(ESCAPED) : weft_slice(text.data + i, 1);
        if (out) {
            memcpy(out + size, before.data, before.size);
            memcpy(out + size + before.size, here.data, here.size);
        }
        size += before.size + here.size;
        i += escape ? ESCAPE_SIZE - 1 : 0;
    }
    return size;
}

int weft_tokenizer_mark(const struct weft_tokenizer *tokenizer, struct weft_slice messages, struct weft_arena *arena,
                        struct weft_slice *out)
{
    bool *gaps = NULL;
    *out = messages;
    int error = tokenizer->cuts ? find_gaps(tokenizer, messages, &gaps) : 0;
    if (error == 0 && tokenizer->cuts && (gaps || find(messages, WEFT_SLICE(ESCAPE)))) {
        size_t size = write_marked(messages, gaps, NULL);
        char *marked = weft_arena_alloc(arena, size);
        error = marked ? 0 : WEFT_ERR_MEMORY;
        *out = marked ? weft_slice(marked, write_marked(messages, gaps, marked)) : messages;
    }
    weft_free(gaps);
    return error;
}

/* Takes the marks out of a text, in its place. */
static size_t unmark(char *text, size_t size)
{
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        bool escape = size - i > ESCAPE_SIZE && memcmp(text + i, ESCAPE, ESCAPE_SIZE) == 0;
        if (escape && text[i + ESCAPE_SIZE] == '1') {
            i += ESCAPE_SIZE;
        } else if (escape && text[i + ESCAPE_SIZE] == '0') {
            memmove(text + kept, ESCAPE, ESCAPE_SIZE);
            kept += ESCAPE_SIZE;
            i += ESCAPE_SIZE;
        } else {
            text[kept++] = text[i];
        }
    }
    return kept;
}

/* -- reading -- */

static int make_room(struct reading *reading, size_t more)
{
    if (reading->room - reading->count >= more) {
        return 0;
    }
    size_t room = 2 * reading->room + more;
    int32_t *tokens = weft_realloc(reading->tokens, room * sizeof(*tokens));
    if (!tokens) {
        return WEFT_ERR_MEMORY;
    }
    reading->tokens = tokens;
    reading->room = room;
    return 0;
}

/* A vocabulary may want a token that it does not have. */
static int add_token(struct reading *reading, int32_t token)
{
    int error = make_room(reading, 1);
    if (error == 0 && token != LLAMA_TOKEN_NULL) {
        reading->tokens[reading->count++] = token;
    }
    return error;
}

/* By libllama. A token is a byte or more in nearly every vocabulary; where it is not, the second round has the true
 * number. */
static int read_text(struct reading *reading, struct weft_slice text, bool add_begin, bool specials)
{
    int32_t room = (int32_t)text.size + 8;
    for (int round = 0; round < 2; round++) {
        if (make_room(reading, (size_t)room) < 0) {
            return WEFT_ERR_MEMORY;
        }
        int32_t got = llama_tokenize(reading->tokenizer->vocab, text.data, (int32_t)text.size,
                                     reading->tokens + reading->count, room, add_begin, specials);
        if (got >= 0) {
            reading->count += (size_t)got;
            return 0;
        }
        if (got == INT32_MIN) {
            break;
        }
        room = -got;
    }
    return WEFT_ERR_TOO_LARGE;
}

/* What stands between two special tokens. */
static int read_between(struct reading *reading, struct weft_slice text)
{
    if (reading->specials != WEFT_SPECIALS_UNMARKED || !find(text, WEFT_SLICE(ESCAPE))) {
        return read_text(reading, text, false, false);
    }
    char *plain = weft_alloc(text.size);
    if (!plain) {
        return WEFT_ERR_MEMORY;
    }
    memcpy(plain, text.data, text.size);
    int error = read_text(reading, weft_slice(plain, unmark(plain, text.size)), false, false);
    weft_free(plain);
    return error;
}

static struct known *find_known(struct reading *reading, struct weft_slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
    }
    return &reading->known[(hash ^ hash >> 32) & (KNOWN - 1)];
}

static int read_part(struct reading *reading, const struct part *part)
{
    struct weft_slice text = weft_slice(reading->text.data + part->at, part->size);
    struct known *known = find_known(reading, text);
    if (known->size == text.size && memcmp(reading->text.data + known->at, text.data, text.size) == 0) {
        if (make_room(reading, known->count) < 0) {
            return WEFT_ERR_MEMORY;
        }
        memcpy(reading->tokens + reading->count, reading->tokens + known->first,
               known->count * sizeof(*reading->tokens));
        reading->count += known->count;
        return 0;
    }
    if (reading->reads++ == WEFT_TOKENIZER_READS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    size_t first = reading->count;
    int error = read_between(reading, text);
    if (error == 0) {
        *known = (struct known){part->at, part->size, first, reading->count - first};
    }
    return error;
}

static int read_parts(struct reading *reading, bool add_begin)
{
    const struct llama_vocab *vocab = reading->tokenizer->vocab;
    int error = add_begin && llama_vocab_get_add_bos(vocab) ? add_token(reading, llama_vocab_bos(vocab)) : 0;
    for (size_t i = 0; i < reading->parts.count && error == 0; i++) {
        const struct part *part = &reading->parts.at[i];
        if (reading->count > reading->most && reading->reads > WEFT_TOKENIZER_READS_FEW) {
            reading->broken_off = true;
            return 0;
        }
        error = part->token == LLAMA_TOKEN_NULL ? read_part(reading, part) : add_token(reading, part->token);
    }
    bool ends = add_begin && llama_vocab_get_add_eos(vocab);
    return error == 0 && ends ? add_token(reading, llama_vocab_eos(vocab)) : error;
}

int weft_tokenizer_read(const struct weft_tokenizer *tokenizer, struct weft_slice text, bool add_begin,
                        enum weft_specials specials, size_t most, int32_t **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (text.size > WEFT_TOKENIZER_TEXT_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    struct reading *reading = weft_zalloc(sizeof(*reading));
    if (!reading) {
        return WEFT_ERR_MEMORY;
    }
    *reading = (struct reading){.tokenizer = tokenizer, .text = text, .specials = specials, .most = most};
    int error = make_room(reading, 8); /* an empty text has an array of tokens, too */
    if (error == 0 && tokenizer->cuts) {
        error = cut_all(reading);
        error = error < 0 ? error : read_parts(reading, add_begin);
    } else if (error == 0) {
        error = read_text(reading, text, add_begin, specials != WEFT_SPECIALS_TEXT);
    }
    if (error == 0) {
        *count = reading->count;
        error = reading->broken_off ? WEFT_ERR_FULL : 0;
    }
    if (error == 0) {
        *out = reading->tokens;
    } else {
        weft_free(reading->tokens);
    }
    weft_free(reading->parts.at);
    weft_free(reading);
    return error;
}
