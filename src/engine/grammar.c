/* engine/grammar.c - what a grammar lets come next, token by token.
 *
 * Tokens are bytes here: a token may come if its characters may, one by one, and the beginning of a character that it
 * ends in can become one that may. Tokens that end the answer may come where the grammar may end, and only there. */
#include "engine/grammar.h"

#include <llama.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/automaton.h"

#define PIECE_MAX   1024 /* bytes of a token; no grammar takes a longer one */
#define TRIGGER_MAX 256  /* bytes of a text that wakes */

/* The beginning of a character: so many bytes are to come. */
struct partial {
    uint32_t value, missing;
};

struct place {
    uint32_t state;
    struct partial partial;
};

struct weft_grammar {
    const struct llama_vocab *vocab;
    struct weft_gbnf gbnf;
    struct weft_automaton *automaton;
    struct place place;

    bool asleep;
    struct weft_slice words[WEFT_GRAMMAR_TRIGGERS_MAX]; /* each in `texts` */
    size_t word_count;
    char *texts;
    int32_t tokens[WEFT_GRAMMAR_TRIGGERS_MAX];
    size_t token_count;
    char tail[TRIGGER_MAX + PIECE_MAX]; /* the last bytes that came while it slept */
    size_t tail_size;
};

/* -- what wakes it -- */

/* A pattern, which must be a text with its special characters escaped: what libllama-common makes of a template's
 * marks. Other regular expressions are refused: matching them has no bound on time or stack. */
static int read_word(const char *pattern, char *text, struct weft_slice *word)
{
    static const char special[] = ".^$|()*+?[]{}";
    size_t size = 0;
    for (const char *at = pattern; *at; at++) {
        bool escaped = *at == '\\';
        at += escaped ? 1 : 0;
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        bool meant = escaped ? !letter : !memchr(special, *at, sizeof(special) - 1);
        if (*at == '\0' || !meant) {
            return WEFT_ERR_UNSUPPORTED;
        }
        if (size == TRIGGER_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        text[size++] = *at;
    }
    *word = weft_slice(text, size);
    return size > 0 ? 0 : WEFT_ERR_INVALID;
}

static int set_triggers(struct weft_grammar *grammar, const struct weft_grammar_options *options)
{
    if (options->trigger_pattern_count > WEFT_GRAMMAR_TRIGGERS_MAX ||
        options->trigger_token_count > WEFT_GRAMMAR_TRIGGERS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    grammar->asleep = options->lazy;
    grammar->texts = weft_calloc(options->trigger_pattern_count, TRIGGER_MAX);
    int error = grammar->texts ? 0 : WEFT_ERR_MEMORY;
    for (size_t i = 0; i < options->trigger_pattern_count && error == 0; i++) {
        error = read_word(options->trigger_patterns[i], grammar->texts + i * TRIGGER_MAX, &grammar->words[i]);
        grammar->word_count++;
    }
    for (size_t i = 0; i < options->trigger_token_count; i++) {
        grammar->tokens[grammar->token_count++] = options->trigger_tokens[i];
    }
    return error;
}

/* -- making -- */

static int32_t find_token(void *self, struct weft_slice text)
{
    const struct llama_vocab *vocab = self;
    int32_t ids[2];
    if (text.size > PIECE_MAX) {
        return -1;
    }
    return llama_tokenize(vocab, text.data, (int32_t)text.size, ids, 2, false, true) == 1 ? ids[0] : -1;
}

int weft_grammar_new(struct weft_grammar **out, const struct weft_grammar_options *options)
{
    *out = NULL;
    struct weft_slice text = weft_slice_text(options->text);
    if (text.size > WEFT_GRAMMAR_TEXT_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    struct weft_grammar *grammar = weft_zalloc(sizeof(*grammar));
    if (!grammar) {
        return WEFT_ERR_MEMORY;
    }
    grammar->vocab = options->vocab;
    /* The vocabulary is only read: a callback's `self` has no const. */
    const struct weft_gbnf_tokens tokens = {.find = find_token, .self = (void *)(uintptr_t)options->vocab};
    int error = set_triggers(grammar, options);
    if (error == 0) {
        error = weft_gbnf_init(&grammar->gbnf, text, &tokens);
    }
    if (error == 0) {
        error = weft_automaton_new(&grammar->automaton, &grammar->gbnf, &grammar->place.state);
    }
    if (error < 0) {
        weft_grammar_free(grammar);
        return error;
    }
    *out = grammar;
    return 0;
}

void weft_grammar_free(struct weft_grammar *grammar)
{
    if (!grammar) {
        return;
    }
    weft_automaton_free(grammar->automaton);
    weft_gbnf_deinit(&grammar->gbnf);
    weft_free(grammar->texts);
    weft_free(grammar);
}

/* -- characters -- */

/* One byte more of the characters. 1 if *point is complete, 0 if more must come, WEFT_ERR_INVALID if it is none. */
static int decode(struct partial *partial, unsigned char byte, uint32_t *point)
{
    if (partial->missing == 0) {
        uint32_t missing = byte < 0x80 ? 0 : byte < 0xC2 ? 9 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : byte < 0xF5 ? 3 : 9;
        if (missing == 9) {
            return WEFT_ERR_INVALID;
        }
        *point = byte;
        *partial = (struct partial){.value = byte & (0x3Fu >> missing), .missing = missing};
        return missing == 0 ? 1 : 0;
    }
    uint32_t value = partial->value << 6 | (byte & 0x3Fu), missing = partial->missing - 1;
    bool overlong = (missing == 1 && value < 0x20) || (missing == 2 && value < 0x10);
    bool surrogate =
        missing == 0 ? value >= 0xD800 && value <= 0xDFFF : missing == 1 && value >= 0x360 && value <= 0x37F;
    bool beyond = missing == 2 && value > 0x10F;
    if ((byte & 0xC0) != 0x80 || overlong || surrogate || beyond) {
        return WEFT_ERR_INVALID;
    }
    *partial = (struct partial){.value = missing == 0 ? 0 : value, .missing = missing};
    *point = value;
    return missing == 0 ? 1 : 0;
}

/* Can what has begun become a character that may come? 1 or 0. */
static int may_complete(struct weft_grammar *grammar, const struct place *place)
{
    uint32_t missing = place->partial.missing;
    if (missing == 0) {
        return 1;
    }
    uint32_t low = place->partial.value << (6 * missing), high = low | ((1u << (6 * missing)) - 1);
    if (low == 0) { /* nothing overlong */
        low = missing == 2 ? 0x800 : 0x10000;
    }
    return weft_automaton_may_step(grammar->automaton, place->state, low, high);
}

/* Where these bytes lead. 1, or 0 if they may not come. */
static int walk(struct weft_grammar *grammar, struct weft_slice bytes, struct place *place)
{
    for (size_t i = 0; i < bytes.size; i++) {
        uint32_t point;
        int status = decode(&place->partial, (unsigned char)bytes.data[i], &point);
        if (status < 0) {
            return 0;
        }
        if (status > 0) {
            int error = weft_automaton_step(grammar->automaton, place->state, point, &place->state);
            if (error < 0 || place->state == WEFT_AUTOMATON_DEAD) {
                return error;
            }
        }
    }
    return may_complete(grammar, place);
}

/* -- tokens -- */

/* The bytes of a token, or none if there are too many. */
static struct weft_slice piece_of(const struct weft_grammar *grammar, int32_t token, char piece[PIECE_MAX])
{
    int32_t size = llama_token_to_piece(grammar->vocab, token, piece, PIECE_MAX, 0, true);
    return weft_slice(piece, size > 0 ? (size_t)size : 0);
}

/* Where a token leads. 1, or 0 if it may not come. */
static int walk_token(struct weft_grammar *grammar, int32_t token, struct place *place)
{
    struct weft_automaton *automaton = grammar->automaton;
    if (llama_vocab_is_eog(grammar->vocab, token)) {
        return weft_automaton_may_end(automaton, place->state) && place->partial.missing == 0 ? 1 : 0;
    }
    char room[PIECE_MAX];
    struct weft_slice piece = piece_of(grammar, token, room);
    struct place named = {.state = WEFT_AUTOMATON_DEAD}, before = *place;
    int status = 0;
    if (grammar->gbnf.has_tokens && place->partial.missing == 0) {
        status = weft_automaton_step_token(automaton, place->state, (uint32_t)token, &named.state);
    }
    if (status == 0 && piece.size > 0 && piece.data[0] != '\0') {
        status = walk(grammar, piece, place);
    }
    if (status < 0 || named.state == WEFT_AUTOMATON_DEAD) {
        return status;
    }
    if (status > 0 && place->partial.missing == 0) { /* by its characters and by its name: both readings go on */
        status = weft_automaton_join(automaton, place->state, named.state, &place->state);
        return status < 0 ? status : 1;
    }
    *place = status > 0 ? *place : (struct place){.state = named.state, .partial = before.partial};
    return 1;
}

int weft_grammar_test(struct weft_grammar *grammar, const int32_t *tokens, size_t count, bool *ok)
{
    int error = grammar->asleep ? 0 : weft_automaton_make_room(grammar->automaton, &grammar->place.state);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct place place = grammar->place;
        int status = grammar->asleep ? 1 : walk_token(grammar, tokens[i], &place);
        ok[i] = status > 0;
        error = status < 0 ? status : 0;
    }
    return error;
}

static bool is_trigger(const struct weft_grammar *grammar, int32_t token)
{
    for (size_t i = 0; i < grammar->token_count; i++) {
        if (grammar->tokens[i] == token) {
            return true;
        }
    }
    return false;
}

/* Where in the tail the first word that is there begins, or SIZE_MAX. */
static size_t find_word(const struct weft_grammar *grammar)
{
    for (size_t i = 0; i < grammar->word_count; i++) {
        const char *at = memmem(grammar->tail, grammar->tail_size, grammar->words[i].data, grammar->words[i].size);
        if (at) {
            return (size_t)(at - grammar->tail);
        }
    }
    return SIZE_MAX;
}

/* A token has come while it slept. Does a text that wakes it end in it, what is from its beginning on must fit. */
static int accept_asleep(struct weft_grammar *grammar, int32_t token)
{
    struct weft_slice piece = piece_of(grammar, token, grammar->tail + grammar->tail_size);
    grammar->tail_size += piece.size;
    size_t begin = find_word(grammar);
    if (begin == SIZE_MAX) {
        size_t drop = grammar->tail_size > TRIGGER_MAX ? grammar->tail_size - TRIGGER_MAX : 0;
        memmove(grammar->tail, grammar->tail + drop, grammar->tail_size - drop);
        grammar->tail_size -= drop;
        return 0;
    }
    struct place place = grammar->place;
    int status = walk(grammar, weft_slice(grammar->tail + begin, grammar->tail_size - begin), &place);
    if (status > 0) {
        grammar->place = place;
        grammar->asleep = false;
        return 0;
    }
    grammar->tail_size -= piece.size;
    return status < 0 ? status : WEFT_ERR_INVALID;
}

int weft_grammar_accept(struct weft_grammar *grammar, int32_t token)
{
    weft_automaton_begin(grammar->automaton); /* all that is asked until the next token comes counts together */
    int error = weft_automaton_make_room(grammar->automaton, &grammar->place.state);
    bool wakes = grammar->asleep && is_trigger(grammar, token);
    if (error < 0 || (grammar->asleep && !wakes)) {
        return error < 0 ? error : accept_asleep(grammar, token);
    }
    struct place place = grammar->place;
    int status = walk_token(grammar, token, &place);
    if (status > 0) {
        grammar->place = place;
        grammar->asleep = false;
    }
    return status < 0 ? status : status > 0 ? 0 : WEFT_ERR_INVALID;
}

bool weft_grammar_awake(const struct weft_grammar *grammar)
{
    return !grammar->asleep;
}
