/* tests/unit/wire/yaml_test.c - what a settings file says where, and what it may not say. */
#include "wire/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

static int decode(const char *text, size_t size, char *record, size_t room, struct weft_yaml_problem *problem)
{
    struct weft_arena arena;
    weft_arena_init(&arena);
    struct weft_yaml yaml;
    int status = weft_yaml_decode(weft_slice(text, size), &arena, &yaml, problem);
    size_t used = 0;
    record[0] = '\0';
    static const char kinds[] = {'=', '~', '[', '{'};
    for (size_t i = 0; i < yaml.count; i++) {
        const struct weft_yaml_entry *entry = &yaml.entries[i];
        int length = snprintf(record + used, room - used, "%s%c%s@%u:%u;", entry->path.data, kinds[entry->kind],
                              entry->text.data, entry->line, entry->column);
        assert_true(length > 0 && (size_t)length < room - used);
        used += (size_t)length;
    }
    weft_arena_deinit(&arena);
    return status;
}

static void test_decodes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *record;
    } cases[] = {
        {"", ""},
        {"# only a comment\n", ""},
        {"---\n...\n", ""},
        {"null\n", ""},
        {"{}\n", ""},
        {"a: 1\n", "a=1@1:4;"},
        {"\xEF\xBB\xBF"
         "a: 1\n",
         "a=1@1:5;"},
        {"a:\n  b:\n    c-d: x y\n  e_f: 'q: r'\ng: \"\\u00e9\"\n", "a.b.c-d=x y@3:10;a.e_f=q: r@4:8;g=\xC3\xA9@5:4;"},
        {"l:\n- a\n- b\n-\n- [c, d]\n- {e: f}\n",
         "l[0]=a@2:3;l[1]=b@3:3;l[2]~@4:2;l[3][0]=c@5:4;l[3][1]=d@5:7;l[4].e=f@6:7;"},
        {"a: []\nb: {}\nc:\nd: ~\ne: null\nf: ''\ng: 'null'\n",
         "a[@1:4;b{@2:4;c~@3:3;d~@4:4;e~@5:4;f=@6:4;g=null@7:4;"},
        {"t: |\n  x\n  y\nu: >-\n  x\n  y\n", "t=x\ny\n@1:4;u=x y@4:4;"},
        {"a: {b: {c: 1}, d: 2}\ne: 3\n", "a.b.c=1@1:12;a.d=2@1:19;e=3@2:4;"},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char record[512];
        struct weft_yaml_problem problem;
        assert_int_equal(decode(cases[i].text, strlen(cases[i].text), record, sizeof(record), &problem), 0);
        assert_string_equal(record, cases[i].record);
    }
}

static void test_refuses_with_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
        unsigned line;
    } cases[] = {
        {"a: 1\nb: &x 2\n", "anchors", 2},
        {"a: 1\n\nb: *x\n", "aliases", 3},
        {"a: !!int 1\n", "tags", 1},
        {"a: ! 1\n", "tags", 1},
        {"a: &x [1]\n", "anchors", 1},
        {"a: !m {b: 1}\n", "tags", 1},
        {"a: 1\nb: 2\na: 3\n", "`a` stands twice", 3},
        {"x:\n  a: 1\n  a:\n    b: 3\n", "`a` stands twice", 3},
        {"a: 1\n---\nb: 2\n", "second document", 2},
        {"- a\n", "lines such as", 1},
        {"text\n", "lines such as", 1},
        {"a: 1\n? [b]\n: c\n", "a name is expected", 2},
        {"a.b: 1\n", "a name is made of", 1},
        {"a: 1\n\"\": 1\n", "a name is made of", 2},
        {"<<: {a: 1}\n", "a name is made of", 1},
        {"a: 1\nb: [1\nc: 2\n", "line ", 3},
        {"a: b: c\n", "line 1: mapping values", 1},
        {"a:\n\t- b\n", "line 2: ", 2},
        {"a: 1\nb: \xFF\n", "line 2: ", 2},
        {"a: \"\\0\"\n", "NUL", 1},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "nested too deep", 1},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char record[512];
        struct weft_yaml_problem problem;
        assert_true(decode(cases[i].text, strlen(cases[i].text), record, sizeof(record), &problem) < 0);
        assert_int_equal(problem.line, cases[i].line);
        assert_non_null(strstr(problem.text, cases[i].sentence));
        char start[32];
        assert_true(snprintf(start, sizeof(start), "line %u: ", cases[i].line) > 0);
        assert_memory_equal(problem.text, start, strlen(start));
        assert_string_equal(record, "");
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static char text[WEFT_YAML_SIZE_MAX + 1];
    static char record[1 << 20];
    struct weft_yaml_problem problem;
    memset(text, '\n', sizeof(text));
    assert_int_equal(decode(text, sizeof(text) - 1, record, sizeof(record), &problem), 0);
    assert_int_equal(decode(text, sizeof(text), record, sizeof(record), &problem), WEFT_ERR_TOO_LARGE);

    for (int extra = 0; extra <= 1; extra++) {
        size_t used = (size_t)snprintf(text, sizeof(text), "l:\n");
        for (int i = 0; i < WEFT_YAML_ENTRIES_MAX + extra; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "- x\n");
        }
        assert_int_equal(decode(text, used, record, sizeof(record), &problem), extra == 0 ? 0 : WEFT_ERR_TOO_LARGE);
        assert_true(extra == 0 || problem.line == WEFT_YAML_ENTRIES_MAX + 2);
    }
    for (size_t extra = 0; extra <= 1; extra++) {
        size_t size = WEFT_YAML_PATH_MAX - 2 + extra; /* and "a." */
        memcpy(text, "a: {", 4);
        memset(text + 4, 'k', size);
        memcpy(text + 4 + size, ": 1}", 4);
        int status = decode(text, size + 8, record, sizeof(record), &problem);
        assert_int_equal(status, extra == 0 ? 0 : WEFT_ERR_TOO_LARGE);
    }
}

static void test_torture(void **state)
{
    (void)state;
    char text[2048];
    size_t used = (size_t)snprintf(text, sizeof(text), "a: {b: 1, c: []}\nl:\n");
    for (int i = 0; i < 100; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "- value%d\n", i);
    }
    int64_t live = weft_mem_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        static char record[8192];
        struct weft_yaml_problem problem;
        weft_mem_fail_at(at);
        int status = decode(text, used, record, sizeof(record), &problem);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, done ? 0 : WEFT_ERR_MEMORY);
        assert_string_equal(problem.text, done ? "" : "out of memory");
        assert_int_equal(weft_mem_live(), live);
        assert_true(!done || at > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_refuses_with_the_line),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
