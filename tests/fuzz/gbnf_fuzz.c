/* fuzz/gbnf_fuzz.c - any text is read as a grammar or refused; what it then reads is the same from what was kept as
 * anew, and every bound holds. */
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/automaton.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t find_token(void *self, struct weft_slice text)
{
    (void)self;
    return (int32_t)text.size % 3 - 1;
}

/* Follows the characters; what is found on the way goes into `trail`: bit 0 may end, bit 1 may go on with a letter. */
static int follow(struct weft_automaton *automaton, uint32_t state, struct weft_slice text, char *trail)
{
    int error = 0;
    for (size_t i = 0; i < text.size && error == 0 && state != WEFT_AUTOMATON_DEAD; i++) {
        uint32_t named, before = state;
        trail[i] = (char)((weft_automaton_may_end(automaton, state) ? 1 : 0) |
                          (weft_automaton_may_step(automaton, state, 'a', 'z') > 0 ? 2 : 0));
        error = weft_automaton_step(automaton, before, (unsigned char)text.data[i], &state);
        if (error == 0 && i % 5 == 4) {
            error = weft_automaton_step_token(automaton, before, 1, &named);
            error = error < 0 ? error : weft_automaton_join(automaton, state, named, &state);
        }
    }
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096) {
        return 0;
    }
    /* The first byte says how much of the end is followed; the rest is the grammar. */
    const struct weft_gbnf_tokens tokens = {.find = find_token};
    size_t length = data[0] % 64u < size ? data[0] % 64u : size - 1;
    struct weft_slice grammar = weft_slice(data + 1, size - 1 - length),
                      text = weft_slice(data + size - length, length);
    struct weft_gbnf gbnf;
    int error = weft_gbnf_init(&gbnf, grammar, &tokens);
    WEFT_ASSERT(error == 0 || error == WEFT_ERR_INVALID || error == WEFT_ERR_TOO_LARGE);
    if (error == 0) {
        struct weft_automaton *automaton;
        uint32_t state;
        error = weft_automaton_new(&automaton, &gbnf, &state);
        WEFT_ASSERT(error == 0 || error == WEFT_ERR_TOO_LARGE);
        if (error == 0) {
            char first[64] = {0}, second[64] = {0};
            int once = follow(automaton, state, text, first);
            weft_automaton_begin(automaton);
            WEFT_ASSERT(weft_automaton_make_room(automaton, &state) == 0 || once < 0);
            int again = once == 0 ? follow(automaton, state, text, second) : once;
            WEFT_ASSERT(again == once && (once < 0 || memcmp(first, second, sizeof(first)) == 0));
            weft_automaton_free(automaton);
        }
        weft_gbnf_deinit(&gbnf);
    }
    WEFT_ASSERT(weft_mem_live() == 0);
    return 0;
}
