/* tests/unit/engine/automaton_test.c - texts that a grammar reads, and how far it is followed. */
#include "engine/automaton.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"

struct followed {
    struct weft_gbnf gbnf;
    struct weft_automaton *automaton;
    uint32_t state;
};

static int follow(struct followed *followed, const char *text)
{
    assert_int_equal(weft_gbnf_init(&followed->gbnf, weft_slice_text(text), NULL), 0);
    return weft_automaton_new(&followed->automaton, &followed->gbnf, &followed->state);
}

static void unfollow(struct followed *followed)
{
    weft_automaton_free(followed->automaton);
    weft_gbnf_deinit(&followed->gbnf);
}

/* 1 if the text is whole, 0 if it may go on, -1 if it is none. */
static int reads(struct followed *followed, const char *text)
{
    uint32_t state = followed->state;
    for (; *text; text++) {
        assert_int_equal(weft_automaton_step(followed->automaton, state, (unsigned char)*text, &state), 0);
    }
    if (state == WEFT_AUTOMATON_DEAD) {
        return -1;
    }
    return weft_automaton_may_end(followed->automaton, state) ? 1 : 0;
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *grammar;
        struct {
            const char *text;
            int expected;
        } texts[8];
    } cases[] = {
        {"root ::= \"ab\" | \"ac\"", {{"", 0}, {"a", 0}, {"ab", 1}, {"ac", 1}, {"ad", -1}, {"abc", -1}}},
        {"root ::= \"a\"{2,4}", {{"a", 0}, {"aa", 1}, {"aaa", 1}, {"aaaa", 1}, {"aaaaa", -1}}},
        {"root ::= (\"a\" | \"aa\")* \"b\"", {{"aaaaaaaaaaaa", 0}, {"aaaaab", 1}, {"b", 1}, {"ba", -1}}},
        {"root ::= \"(\" root \")\" | \"\"", {{"((()))", 1}, {"((", 0}, {"(()", 0}, {")", -1}, {"", 1}}},
        {"root ::= a b? c*\na ::= [x-z]\nb ::= .\nc ::= [^b]",
         {{"x", 1}, {"xb", 1}, {"xbb", -1}, {"xbcc", 1}, {"b", -1}}},
        {"root ::= x | \"\"\nx ::= \"\" | \"a\" x", {{"", 1}, {"aaa", 1}, {"b", -1}}},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct followed followed;
        assert_int_equal(follow(&followed, cases[i].grammar), 0);
        for (int again = 0; again < 2; again++) { /* once more, from what was kept */
            for (size_t j = 0; j < 8 && cases[i].texts[j].text; j++) {
                assert_int_equal(reads(&followed, cases[i].texts[j].text), cases[i].texts[j].expected);
            }
        }
        unfollow(&followed);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    struct followed followed;
    assert_int_equal(follow(&followed, "root ::= [b-dx] | [^a-z\\u1000]"), 0);
    static const struct {
        uint32_t low, high;
        bool may;
    } cases[] = {{'a', 'a', false}, {'a', 'b', true},     {'e', 'w', false},       {'x', 'x', true},
                 {'A', 'Z', true},  {0x800, 0x83F, true}, {0x1000, 0x1000, false}, {0xFC0, 0x103F, false}};
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        assert_int_equal(weft_automaton_may_step(followed.automaton, followed.state, cases[i].low, cases[i].high),
                         cases[i].may);
    }
    unfollow(&followed);
}

/* Long texts whose states are ever new: what is kept stays bounded, and the place is not lost. */
static void test_forgetting(void **state)
{
    (void)state;
    struct followed followed;
    assert_int_equal(follow(&followed, "root ::= (\"(\" root \")\")*"), 0);
    size_t depth = 0;
    struct weft_random random;
    weft_random_init(&random, 6);
    for (int i = 0; i < 600000; i++) {
        weft_automaton_begin(followed.automaton);
        assert_int_equal(weft_automaton_make_room(followed.automaton, &followed.state), 0);
        bool opens = weft_random_below(&random, 3) != 0 ? depth < 20000 : depth == 0;
        assert_int_equal(weft_automaton_step(followed.automaton, followed.state, opens ? '(' : ')', &followed.state),
                         0);
        assert_int_not_equal(followed.state, WEFT_AUTOMATON_DEAD);
        depth = opens ? depth + 1 : depth - 1;
        assert_int_equal(weft_automaton_may_end(followed.automaton, followed.state), depth == 0);
    }
    unfollow(&followed);
}

/* Texts that can be read in too many ways are an error, soon: never an endless wait, never all of the memory. */
static void test_explosions(void **state)
{
    (void)state;
    static const struct {
        const char *grammar, *text;
        int expected;
    } cases[] = {
        {"root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         WEFT_ERR_TOO_LARGE},
        {"root ::= (\"a\" | x){0,40} \"b\"\nx ::= (\"a\" | y){0,40}\ny ::= (\"a\" | z){0,40}\nz ::= (\"a\" root){0,40}",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", WEFT_ERR_TOO_LARGE},
        {"root ::= (\"a\" | [^b] | .)* (\"a\"{0,200} | [a-c]{0,300}){0,300}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         0},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        struct followed followed;
        int error = follow(&followed, cases[i].grammar);
        for (const char *at = cases[i].text; *at && error == 0; at++) {
            weft_automaton_begin(followed.automaton);
            error = weft_automaton_make_room(followed.automaton, &followed.state);
            error = error < 0 ? error : weft_automaton_step(followed.automaton, followed.state, 'a', &followed.state);
        }
        assert_int_equal(error, cases[i].expected);
        unfollow(&followed);
    }
}

/* One look at many stacks with many ranges each: the bound holds within it, not only behind it. */
static void test_one_look_is_bounded(void **state)
{
    (void)state;
    enum { RANGES = 20000, ALTERNATIVES = 20000 };
    static const char head[] = "root ::= c", other[] = " | c \"a\"", tail[] = "\nc ::= [";
    static char grammar[RANGES + ALTERNATIVES * sizeof(other) + 64];
    size_t size = strlen(head);
    memcpy(grammar, head, size);
    for (int i = 0; i < ALTERNATIVES; i++, size += strlen(other)) {
        memcpy(grammar + size, other, strlen(other));
    }
    memcpy(grammar + size, tail, strlen(tail));
    size += strlen(tail);
    memset(grammar + size, 'b', RANGES);
    grammar[size + RANGES] = ']';
    struct followed followed;
    uint32_t next;
    assert_int_equal(follow(&followed, grammar), 0);
    weft_automaton_begin(followed.automaton);
    assert_int_equal(weft_automaton_step(followed.automaton, followed.state, 'x', &next), WEFT_ERR_TOO_LARGE);
    weft_automaton_begin(followed.automaton);
    assert_int_equal(weft_automaton_may_step(followed.automaton, followed.state, 'x', 'z'), WEFT_ERR_TOO_LARGE);
    weft_automaton_begin(followed.automaton);
    assert_int_equal(weft_automaton_may_step(followed.automaton, followed.state, 'a', 'b'), 1);
    unfollow(&followed);
}

/* What is asked counts until new work begins, room made or not. */
static void test_work_adds_up(void **state)
{
    (void)state;
    struct followed followed;
    assert_int_equal(follow(&followed, "root ::= (\"a\" | \"b\" | \"c\" | \"d\"){1,4}"), 0);
    for (int round = 0; round < 2; round++) {
        int error = 0;
        size_t looks = 0;
        weft_automaton_begin(followed.automaton);
        while (error == 0 && looks <= WEFT_AUTOMATON_WORK_MAX) {
            error = weft_automaton_make_room(followed.automaton, &followed.state);
            error = error < 0 ? error : weft_automaton_may_step(followed.automaton, followed.state, 'x', 'z');
            looks++;
        }
        assert_int_equal(error, WEFT_ERR_TOO_LARGE);
    }
    unfollow(&followed);
}

static void test_torture(void **state)
{
    (void)state;
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct followed followed = {.automaton = NULL};
        weft_mem_fail_at(0);
        assert_int_equal(
            weft_gbnf_init(&followed.gbnf, WEFT_SLICE("root ::= (\"a\" root \"b\" | [a-c]){1,9} | \"x\""), NULL), 0);
        weft_mem_fail_at(at);
        int error = weft_automaton_new(&followed.automaton, &followed.gbnf, &followed.state);
        uint32_t next = 0, both = 0;
        for (int i = 0; i < 8 && error == 0; i++) {
            error = weft_automaton_step(followed.automaton, followed.state, 'a', &next);
            error = error < 0 ? error : weft_automaton_join(followed.automaton, followed.state, next, &both);
            followed.state = error == 0 ? next : followed.state;
        }
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(error, done ? 0 : WEFT_ERR_MEMORY);
        unfollow(&followed);
        assert_int_equal(weft_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_explosions),
        cmocka_unit_test(test_one_look_is_bounded),
        cmocka_unit_test(test_work_adds_up),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
