/* tests/conformance/h1_test.c - every case of h1_cases.txt through the server carrier, whole, byte by byte and split at
 * random. However the bytes come, the answers are the same to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/http/h1_stage.h"

#define CASES_FILE  "tests/conformance/h1_cases.txt"
#define CASES_LEAST 150
#define LINE_MAX_   4096
#define SPLITS      12 /* seeds: 0 is whole, 1 is byte by byte */

struct table_case {
    char name[64];
    char *bytes;
    size_t size;
    int expected[STAGE_ANSWERS_MAX];
    size_t answers;
    bool keep;
};

static int hex(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Undoes the escapes, in place. */
static size_t unescape(char *text)
{
    char *to = text;
    for (char *from = text; *from; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        from++;
        switch (*from) {
        case 'r':
            *to++ = '\r';
            break;
        case 'n':
            *to++ = '\n';
            break;
        case 't':
            *to++ = '\t';
            break;
        case '0':
            *to++ = '\0';
            break;
        case 'x':
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
            break;
        default:
            assert_int_equal(*from, '\\');
            *to++ = '\\';
        }
    }
    return (size_t)(to - text);
}

static void add_bytes(struct table_case *it, char *text, size_t times)
{
    size_t size = unescape(text);
    it->bytes = realloc(it->bytes, it->size + size * times);
    assert_true(it->bytes || size * times == 0);
    for (size_t i = 0; i < times; i++) {
        memcpy(it->bytes + it->size, text, size);
        it->size += size;
    }
}

static void run_split(const struct table_case *it, uint32_t seed, struct stage *stage)
{
    assert_int_equal(stage_open(stage, 0), 0);
    stage_receive_split(stage, it->bytes, it->size, seed);
}

/* Everything that was sent, but for 100 Continue, which depends on when the body comes. */
static size_t without_continue(const struct stage *stage, char *to)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t size = stage->sent_size;
    memcpy(to, stage->sent, size);
    char *at = size > 0 ? memmem(to, size, line, sizeof(line) - 1) : NULL;
    if (at) {
        size -= sizeof(line) - 1;
        memmove(at, at + sizeof(line) - 1, size - (size_t)(at - to));
    }
    return size;
}

/* Says what is wrong, if anything is. */
static bool check_answers(const struct table_case *it, const struct stage *stage, uint32_t seed)
{
    struct stage_answer answers[STAGE_ANSWERS_MAX];
    size_t count = stage_answers(stage, answers);
    bool same = count == it->answers && weft_carrier_done(stage->carrier) == !it->keep;
    for (size_t i = 0; same && i < count; i++) {
        same = answers[i].status == it->expected[i] && answers[i].whole;
    }
    if (!same) {
        print_error("case %s, split %u: %zu answers (expected %zu), first %d (expected %d), %s\n", it->name, seed,
                    count, it->answers, count ? answers[0].status : 0, it->answers ? it->expected[0] : 0,
                    weft_carrier_done(stage->carrier) ? "closed" : "kept");
    }
    /* An answer after which the connection closes says so. */
    if (!it->keep && count > 0) {
        assert_true(weft_slice_equal(stage_header(answers[count - 1].head, "connection"), WEFT_SLICE("close")));
    }
    return same;
}

static bool run_case(const struct table_case *it)
{
    static char first[STAGE_TEXT_MAX], other[STAGE_TEXT_MAX];
    size_t first_size = 0;
    bool right = true;
    for (uint32_t seed = 0; seed < SPLITS; seed++) {
        struct stage stage;
        run_split(it, seed, &stage);
        right = check_answers(it, &stage, seed) && right;
        size_t size = without_continue(&stage, seed == 0 ? first : other);
        if (seed == 0) {
            first_size = size;
        } else {
            assert_int_equal(size, first_size);
            assert_memory_equal(other, first, size);
        }
        stage_close(&stage);
    }
    return right;
}

static void read_expected(struct table_case *it, const char *list)
{
    while (*list && *list != '-') {
        char *end;
        assert_true(it->answers < STAGE_ANSWERS_MAX);
        it->expected[it->answers++] = (int)strtol(list, &end, 10);
        assert_true(end > list);
        list = *end ? end + 1 : end;
    }
}

static void test_all_cases(void **state)
{
    (void)state;
    FILE *file = fopen(CASES_FILE, "rb");
    assert_non_null(file);
    static char line[LINE_MAX_];
    struct table_case it = {0};
    size_t count = 0, wrong = 0;
    while (fgets(line, sizeof(line), file)) {
        char *end = strchr(line, '\n');
        assert_non_null(end); /* no line is longer than the buffer */
        *end = '\0';
        if (*line == '\0' || *line == '#') {
            continue;
        }
        if (strncmp(line, "case ", 5) == 0) {
            assert_true(strlen(line + 5) < sizeof(it.name));
            it = (struct table_case){0};
            memcpy(it.name, line + 5, strlen(line + 5) + 1);
        } else if (strncmp(line, "send ", 5) == 0) {
            add_bytes(&it, line + 5, 1);
        } else if (strncmp(line, "repeat ", 7) == 0) {
            char *text;
            size_t times = strtoul(line + 7, &text, 10);
            add_bytes(&it, text + 1, times);
        } else if (strncmp(line, "expect ", 7) == 0) {
            read_expected(&it, line + 7);
        } else {
            assert_int_equal(strncmp(line, "fate ", 5), 0);
            it.keep = strcmp(line + 5, "keep") == 0;
            assert_true(it.keep || strcmp(line + 5, "close") == 0);
            wrong += !run_case(&it);
            free(it.bytes);
            count++;
        }
    }
    assert_int_equal(fclose(file), 0);
    print_message("%zu cases, %d splits each\n", count, SPLITS);
    assert_int_equal(wrong, 0);
    assert_true(count >= CASES_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
