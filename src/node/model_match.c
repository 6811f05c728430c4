/* node/model_match.c - which model is meant by a name as people type it.
 *
 * A name is taken apart into words, and words into pieces: letters, numbers, and sizes, which are a number and its
 * unit. "SmolLM2-135M-Instruct-Q4_1" is smollm 2, 135m, instruct, q 4, 1. So "llama3" finds Llama-3-8B, "llama-3b" does
 * not. */
#include "node/model_match.h"

#include <stdio.h>

#include "base/near.h"
#include "base/text.h"

#define PIECES_MAX 64 /* a name that has more fits nothing but itself */
#define NOT_NEAR   SIZE_MAX
#define FAMILY     (2 * WEFT_NEAR_MAX) /* how far apart two are that only begin alike, less what they share */

struct piece {
    struct weft_slice text;
    bool begins; /* a word */
};

struct pieces {
    struct piece at[PIECES_MAX];
    size_t count;
};

/* Better ones stand below. */
enum fit {
    FIT_NOT,
    FIT_IN_ORDER,  /* words of the name were left out */
    FIT_BEGINNING, /* the name goes on */
    FIT_WHOLE,
    FIT_EXACT, /* to the letter */
};

/* -- taking names apart -- */

enum kind { KIND_BETWEEN, KIND_LETTER, KIND_DIGIT };

/* Bytes above ASCII are letters: parts of them, in UTF-8. */
static enum kind kind_of(char c)
{
    if (c >= '0' && c <= '9') {
        return KIND_DIGIT;
    }
    return weft_is_alnum(c) || ((unsigned char)c & 0x80) ? KIND_LETTER : KIND_BETWEEN;
}

static struct weft_slice rest_of(struct weft_slice text, size_t from)
{
    return weft_slice(text.data + from, text.size - from);
}

/* "3.2" is one number; "4.gguf" begins with one. */
static size_t number_size(struct weft_slice text)
{
    size_t size = 0;
    while (size < text.size && kind_of(text.data[size]) == KIND_DIGIT) {
        size++;
        if (size + 1 < text.size && text.data[size] == '.' && kind_of(text.data[size + 1]) == KIND_DIGIT) {
            size++;
        }
    }
    return size;
}

/* "135m", "1.5b", "8x7b", "128k" at the end of a word; 0 if it begins with none. */
static size_t measure_size(struct weft_slice text)
{
    size_t size = number_size(text);
    if (size > 0 && size < text.size && (text.data[size] == 'x' || text.data[size] == 'X')) {
        size_t factor = number_size(rest_of(text, size + 1));
        size += factor > 0 ? factor + 1 : 0;
    }
    bool unit = size > 0 && size < text.size && strchr("bBmMkKtT", text.data[size]);
    return unit && size + 1 == text.size ? size + 1 : 0;
}

static size_t letters_size(struct weft_slice text)
{
    size_t size = 0;
    while (size < text.size && kind_of(text.data[size]) == KIND_LETTER) {
        size++;
    }
    return size;
}

/* Letters and digits, and points between two digits. */
static size_t word_size(struct weft_slice text)
{
    size_t size = 0;
    while (size < text.size && kind_of(text.data[size]) != KIND_BETWEEN) {
        size_t number = number_size(rest_of(text, size));
        size += number > 0 ? number : 1;
    }
    return size;
}

/* They say nothing of which model it is. */
static bool is_noise(struct weft_slice word)
{
    return weft_slice_equal_nocase(word, WEFT_SLICE("gguf")) || weft_slice_equal_nocase(word, WEFT_SLICE("latest"));
}

/* False if there are too many. */
static bool add_word(struct pieces *pieces, struct weft_slice word)
{
    bool begins = true;
    while (word.size > 0) {
        size_t size = measure_size(word);
        size = size > 0 ? size : number_size(word);
        size = size > 0 ? size : letters_size(word);
        if (pieces->count == PIECES_MAX) {
            return false;
        }
        pieces->at[pieces->count++] = (struct piece){.text = weft_slice(word.data, size), .begins = begins};
        word = rest_of(word, size);
        begins = false;
    }
    return true;
}

/* Empty if there is nothing, or too much, to take apart. */
static void take_apart(struct pieces *pieces, struct weft_slice text)
{
    pieces->count = 0;
    while (text.size > 0) {
        size_t size = word_size(text);
        struct weft_slice word = weft_slice(text.data, size);
        if (size > 0 && !is_noise(word) && !add_word(pieces, word)) {
            pieces->count = 0;
            return;
        }
        text = rest_of(text, size > 0 ? size : 1);
    }
}

/* Without the organisation and the suffix. */
static struct weft_slice bare(struct weft_slice typed)
{
    struct weft_slice suffix = WEFT_SLICE(".gguf");
    for (size_t i = typed.size; i > 0; i--) {
        if (typed.data[i - 1] == '/') {
            typed = rest_of(typed, i);
            break;
        }
    }
    if (typed.size > suffix.size && weft_slice_equal_nocase(rest_of(typed, typed.size - suffix.size), suffix)) {
        typed.size -= suffix.size;
    }
    return typed;
}

/* -- how well one fits -- */

static bool is_number(struct weft_slice piece)
{
    return kind_of(piece.data[piece.size - 1]) == KIND_DIGIT;
}

static bool begins_word(const struct pieces *pieces, size_t at)
{
    return at == pieces->count || pieces->at[at].begins;
}

/* A word of the name that people leave out without meaning another model. */
static bool is_left_out(const struct pieces *name, size_t at)
{
    static const char *const words[] = {"instruct", "it", "chat"};
    if (at == name->count || !name->at[at].begins || !begins_word(name, at + 1)) {
        return false;
    }
    struct weft_slice piece = name->at[at].text;
    if (kind_of(piece.data[0]) == KIND_DIGIT) {
        return !is_number(piece); /* a size; a bare number is a version */
    }
    for (size_t i = 0; i < WEFT_COUNT(words); i++) {
        if (weft_slice_equal_nocase(piece, weft_slice_text(words[i]))) {
            return true;
        }
    }
    return false;
}

/* The pieces from `first` up to `end` of what was typed are those of the name at `at`. A number must end where the
 * name's word does: "gemma3" is not gemma-3n. */
static bool word_fits(const struct pieces *typed, size_t first, size_t end, const struct pieces *name, size_t at)
{
    for (size_t i = first; i < end; i++, at++) {
        if (at >= name->count || !weft_slice_equal_nocase(typed->at[i].text, name->at[at].text)) {
            return false;
        }
    }
    return !is_number(typed->at[end - 1].text) || begins_word(name, at);
}

static enum fit fit_from(const struct pieces *typed, const struct pieces *name, size_t at)
{
    bool left_out = false;
    for (size_t i = 0; i < typed->count;) {
        size_t end = i + 1;
        while (!begins_word(typed, end)) {
            end++;
        }
        if (word_fits(typed, i, end, name, at)) {
            at += end - i;
            i = end;
        } else if (i > 0 && is_left_out(name, at)) {
            left_out = true;
            at++;
        } else {
            return FIT_NOT;
        }
    }
    return left_out ? FIT_IN_ORDER : at == name->count ? FIT_WHOLE : FIT_BEGINNING;
}

/* Where the name begins that people know: behind its maker's, as in "google_gemma-3-270m" and "Meta-Llama-3-8B". 0 if
 * none stands before it. */
static size_t behind_maker(const struct pieces *pieces, struct weft_slice name)
{
    static const char *const makers[] = {"meta", "google", "microsoft", "nvidia", "ibm"};
    const char *line = memchr(name.data, '_', name.size);
    if (line && memchr(line, '-', name.size - (size_t)(line - name.data))) {
        for (size_t i = 1; i < pieces->count; i++) {
            if (pieces->at[i].text.data > line) {
                return pieces->at[i].begins ? i : 0;
            }
        }
    }
    for (size_t i = 0; i < WEFT_COUNT(makers) && pieces->count > 1; i++) {
        if (weft_slice_equal_nocase(pieces->at[0].text, weft_slice_text(makers[i])) && pieces->at[1].begins) {
            return 1;
        }
    }
    return 0;
}

static enum fit fit_of(struct weft_slice text, const struct pieces *typed, struct weft_slice name)
{
    struct pieces pieces;
    if (weft_slice_equal_nocase(text, name)) {
        return FIT_EXACT;
    }
    take_apart(&pieces, name);
    if (typed->count == 0 || pieces.count == 0) {
        return FIT_NOT;
    }
    enum fit fit = fit_from(typed, &pieces, 0);
    size_t behind = behind_maker(&pieces, name);
    enum fit other = behind > 0 ? fit_from(typed, &pieces, behind) : FIT_NOT;
    return fit > other ? fit : other;
}

/* -- how far one is, where none fits -- */

/* The first pieces, small letters, nothing between them; empty if that is too long to be compared. */
static struct weft_slice join(char text[WEFT_NEAR_MAX], const struct pieces *pieces, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count && i < pieces->count; i++) {
        struct weft_slice piece = pieces->at[i].text;
        for (size_t j = 0; j < piece.size; j++) {
            char c = piece.data[j];
            if (used == WEFT_NEAR_MAX) {
                return weft_slice(text, 0);
            }
            text[used++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
    }
    return weft_slice(text, used);
}

/* One that is spelt alike up to a third of the letters, or begins as it was typed, or is of the same family. */
static size_t farness(struct weft_slice text, const struct pieces *typed, struct weft_slice name)
{
    char texts[3][WEFT_NEAR_MAX];
    struct pieces pieces;
    take_apart(&pieces, name);
    struct weft_slice asked = join(texts[0], typed, typed->count), whole = join(texts[1], &pieces, pieces.count);
    struct weft_slice part = join(texts[2], &pieces, typed->count); /* as much of the name as was typed */
    size_t far = weft_near_distance(asked, whole), far_part = weft_near_distance(asked, part);
    far = far < far_part ? far : far_part;
    if (asked.size > 0 && far <= asked.size / 3) {
        return far;
    }
    if (text.size > 0 && text.size < name.size && weft_slice_equal_nocase(weft_slice(name.data, text.size), text)) {
        return 1;
    }
    size_t shared = 0;
    while (shared < typed->count && shared < pieces.count &&
           weft_slice_equal_nocase(typed->at[shared].text, pieces.at[shared].text)) {
        shared++;
    }
    return shared > 0 && !is_number(pieces.at[0].text) ? FAMILY - (shared < WEFT_NEAR_MAX ? shared : WEFT_NEAR_MAX)
                                                       : NOT_NEAR;
}

/* The nearest, in order; of those that are as near, the first. */
static void find_near(struct weft_model_match *match, struct weft_slice text, const struct pieces *typed,
                      const struct weft_slice *names, size_t count)
{
    size_t far[WEFT_MODEL_MATCH_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        size_t away = farness(text, typed, names[i]), place = match->count;
        while (place > 0 && far[place - 1] > away) {
            place--;
        }
        if (away == NOT_NEAR || place == WEFT_MODEL_MATCH_MAX) {
            continue;
        }
        match->count += match->count < WEFT_MODEL_MATCH_MAX ? 1 : 0;
        for (size_t j = match->count - 1; j > place; j--) {
            far[j] = far[j - 1];
            match->at[j] = match->at[j - 1];
        }
        far[place] = away;
        match->at[place] = i;
    }
}

/* -- which one -- */

void weft_model_match_find(struct weft_model_match *match, struct weft_slice typed, const struct weft_slice *names,
                           size_t count)
{
    struct pieces pieces;
    enum fit best = FIT_NOT;
    *match = (struct weft_model_match){.kind = WEFT_MODEL_MATCH_NONE};
    if (typed.size == 0 || typed.size > WEFT_MODEL_TYPED_MAX) {
        return;
    }
    struct weft_slice text = bare(typed);
    take_apart(&pieces, text);
    for (size_t i = 0; i < count; i++) {
        enum fit fit = fit_of(text, &pieces, names[i]);
        if (fit > best) {
            best = fit;
            match->count = match->more = 0;
        }
        if (fit == FIT_NOT || fit < best) {
            continue;
        }
        if (match->count < WEFT_MODEL_MATCH_MAX) {
            match->at[match->count++] = i;
        } else {
            match->more++;
        }
    }
    if (match->count == 0) {
        find_near(match, text, &pieces, names, count);
    } else {
        match->kind = match->count == 1 ? WEFT_MODEL_MATCH_ONE : WEFT_MODEL_MATCH_SEVERAL;
    }
}

/* -- as a text -- */

void weft_model_match_join(const struct weft_model_match *match, const struct weft_slice *names, const char *last,
                           char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < match->count && used < size; i++) {
        const char *before = i == 0 ? "" : i + 1 == match->count && match->more == 0 ? last : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%.*s", before, (int)names[i].size, names[i].data);
    }
    if (match->more > 0 && used < size) {
        (void)snprintf(text + used, size - used, " and %zu more", match->more); /* cut as said */
    }
}
