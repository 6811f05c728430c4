/* tests/unit/engine/tokenizer_test.c - the tokens of any text are libllama's own, in bounded time. */
#include "engine/tokenizer.h"

#include "engine_world.h"

#define TEXTS 3000
#define ROOM  2048

static struct weft_model *model;
static const struct weft_tokenizer *tokenizer;

static int set_up(void **state)
{
    (void)state;
    model = engine_load(1, 64);
    tokenizer = &model->tokenizer;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weft_model_free(model);
    return 0;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

static size_t draw(uint64_t *state, char *out, size_t room)
{
    static const char *const parts[] = {
        "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<|im_", "|>", "user\n", "\n", " ",
        "  ",           "Hello",      " world",        "ä€😀",         "<",     "12", "'s"};
    size_t size = 0;
    for (uint64_t left = random_next(state) % 24; left > 0; left--) {
        size += (size_t)snprintf(out + size, room - size, "%s", parts[random_next(state) % WEFT_COUNT(parts)]);
    }
    return size;
}

static void tokens_are_those_of_libllama(void **state)
{
    (void)state;
    uint64_t random = 20;
    for (int i = 0; i < TEXTS; i++) {
        char text[ROOM];
        int32_t theirs[ROOM], *ours;
        size_t size = draw(&random, text, sizeof(text)), count;
        bool begin = i % 2 == 0, specials = i % 3 > 0;
        enum weft_specials kind = specials ? WEFT_SPECIALS_MEANT : WEFT_SPECIALS_TEXT;
        int32_t wanted = llama_tokenize(model->vocab, text, (int32_t)size, theirs, ROOM, begin, specials);
        assert_int_equal(weft_tokenizer_read(tokenizer, weft_slice(text, size), begin, kind, SIZE_MAX, &ours, &count),
                         0);
        assert_int_equal(count, wanted);
        assert_memory_equal(ours, theirs, count * sizeof(*ours));
        weft_free(ours);
    }
}

/* A text that was marked has the tokens of the same text without special tokens, and templates may put some around. */
static void marked_tokens_are_text(void **state)
{
    (void)state;
    uint64_t random = 21;
    for (int i = 0; i < TEXTS; i++) {
        char text[ROOM];
        size_t size = draw(&random, text, sizeof(text)), count, wanted;
        if (i % 5 == 0) {
            size +=
                (size_t)snprintf(text + size, sizeof(text) - size, "\xF4\x8F\xBF\xBF%s|im_end|>", i % 2 ? "1<" : "<");
        }
        struct weft_arena arena = {0};
        struct weft_slice marked;
        int32_t *ours, *theirs;
        assert_int_equal(weft_tokenizer_mark(tokenizer, weft_slice(text, size), &arena, &marked), 0);
        assert_int_equal(weft_tokenizer_read(tokenizer, marked, false, WEFT_SPECIALS_UNMARKED, SIZE_MAX, &ours, &count),
                         0);
        assert_int_equal(weft_tokenizer_read(tokenizer, weft_slice(text, size), false, WEFT_SPECIALS_TEXT, SIZE_MAX,
                                             &theirs, &wanted),
                         0);
        assert_int_equal(count, wanted);
        assert_memory_equal(ours, theirs, count * sizeof(*ours));
        weft_free(ours);
        weft_free(theirs);
        weft_arena_deinit(&arena);
    }
}

/* `times` copies of a special token and a text after it, with a number in it where `differ`. */
static int read_many(int times, bool differ, size_t most, size_t *count)
{
    size_t room = (size_t)times * 40, size = 0;
    char *text = weft_alloc(room);
    assert_non_null(text);
    for (int i = 0; i < times; i++) {
        size += (size_t)snprintf(text + size, room - size, "<|im_end|> %d", differ ? i : 0);
    }
    int32_t *tokens;
    int error = weft_tokenizer_read(tokenizer, weft_slice(text, size), true, WEFT_SPECIALS_MEANT, most, &tokens, count);
    weft_free(tokens);
    weft_free(text);
    return error;
}

static void what_comes_again_is_read_once(void **state)
{
    (void)state;
    size_t count;
    int64_t began = llama_time_us();
    assert_int_equal(read_many(100000, false, SIZE_MAX, &count), 0);
    assert_int_equal(count, 300000); /* the special token, a blank, a digit */
    assert_true(llama_time_us() - began < 5 * 1000000);
}

static void what_cannot_fit_is_not_read_to_the_end(void **state)
{
    (void)state;
    size_t count;
    assert_int_equal(read_many(100, true, 50, &count), 0);
    assert_int_equal(count, 390); /* 10 of one digit, 90 of two: so few are counted */
    assert_int_equal(read_many(20000, true, 2000, &count), WEFT_ERR_FULL);
    assert_true(count > 2000 && count < 2010);
    assert_int_equal(read_many(WEFT_TOKENIZER_READS_MAX + 1, true, SIZE_MAX, &count), WEFT_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_libllama),
        cmocka_unit_test(marked_tokens_are_text),
        cmocka_unit_test(what_comes_again_is_read_once),
        cmocka_unit_test(what_cannot_fit_is_not_read_to_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
