/* engine/tokenizer.h - from text to tokens, in bounded time.
 *
 * libllama looks for special tokens by walking over all that it found so far, and prepares anew for each text between
 * two of them: some hundred kilobytes with a special token at every few bytes hold it for minutes. So the text is cut
 * here, by libllama's own rules, texts that come again are read once, and it ends where the prompt cannot fit. */
#ifndef WEFT_ENGINE_TOKENIZER_H
#define WEFT_ENGINE_TOKENIZER_H

#include "base/arena.h"
#include "base/types.h"

struct llama_model;
struct llama_vocab;

#define WEFT_TOKENIZER_TEXT_MAX  ((size_t)64 * 1024 * 1024) /* bytes of one text; then WEFT_ERR_TOO_LARGE */
#define WEFT_TOKENIZER_READS_MAX 8192 /* different texts between special tokens, about 2 ms each; then likewise */
#define WEFT_TOKENIZER_READS_FEW 256  /* so many are read to the end, however many tokens they give */

struct weft_tokenizer {
    const struct llama_vocab *vocab;
    struct weft_tokenizer_special *specials; /* the longest first */
    size_t special_count;
    bool cuts; /* false: this kind of vocabulary is left to libllama as a whole */
};

/* WEFT_ERR_MEMORY; then nothing is to be freed. */
WEFT_MUST_USE int weft_tokenizer_init(struct weft_tokenizer *tokenizer, const struct llama_model *model);
void weft_tokenizer_deinit(struct weft_tokenizer *tokenizer);

enum weft_specials {
    WEFT_SPECIALS_TEXT,     /* a special token in the text is only text */
    WEFT_SPECIALS_MEANT,    /* it is that token */
    WEFT_SPECIALS_UNMARKED, /* likewise, unless weft_tokenizer_mark() has marked it as only text */
};

/* Marks special tokens in messages (JSON), so that they stay text when a template has put its own around them: nobody
 * ends a turn, or begins another's, by writing so. Left as they are: those that say where thoughts begin and end, which
 * templates look for, and those that the vocabulary itself takes for text. *out is `messages` if there is none, else
 * the arena's. */
WEFT_MUST_USE int weft_tokenizer_mark(const struct weft_tokenizer *tokenizer, struct weft_slice messages,
                                      struct weft_arena *arena, struct weft_slice *out);

/* *out is from base/mem. `add_begin`: begin-of-text is added where the model wants it. WEFT_ERR_FULL if there are more
 * than `most` tokens and it would take long to count them: *count then says how many there are at least. */
WEFT_MUST_USE int weft_tokenizer_read(const struct weft_tokenizer *tokenizer, struct weft_slice text, bool add_begin,
                                      enum weft_specials specials, size_t most, int32_t **out, size_t *count);

#endif
