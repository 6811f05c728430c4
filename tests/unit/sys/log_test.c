/* tests/unit/sys/log_test.c - log lines to a reader that may be slow. */
#include "unit/sys/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sys/log.h"

static size_t drain(int descriptor, char *text, size_t room)
{
    size_t size = 0;
    ssize_t got;
    while (size < room && (got = read(descriptor, text + size, room - size)) > 0) {
        size += (size_t)got;
    }
    return size;
}

static void pipe_make(int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0); /* the test's end: the log's own stays blocking */
}

static void lines_come_out_in_order(void **state)
{
    (void)state;
    int ends[2];
    pipe_make(ends);
    struct weft_log log;
    weft_log_init(&log, ends[1]);
    weft_log_line(&log, WEFT_SLICE("one"));
    weft_log_line(&log, WEFT_SLICE("two"));
    assert_true(weft_log_flush(&log));
    char text[64];
    assert_int_equal(drain(ends[0], text, sizeof(text)), 8);
    assert_memory_equal(text, "one\ntwo\n", 8);
    weft_log_deinit(&log);
    close(ends[0]);
    close(ends[1]);
}

/* Nobody reads: nothing blocks (or this test never ends), what has no place is counted, and the count is told. */
static void a_reader_that_is_slow_costs_lines_not_time(void **state)
{
    (void)state;
    int ends[2];
    pipe_make(ends);
    struct weft_log log;
    weft_log_init(&log, ends[1]);
    char line[1000];
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 2000; i++) {
        weft_log_line(&log, weft_slice(line, sizeof(line)));
        (void)weft_log_flush(&log);
        assert_true(log.queue.size <= WEFT_LOG_QUEUE_MAX);
    }
    uint64_t dropped = log.dropped;
    assert_true(dropped > 0);
    static char text[4 * 1024 * 1024];
    size_t size = 0;
    while (!weft_log_flush(&log)) {
        size += drain(ends[0], text + size, sizeof(text) - size);
    }
    weft_log_line(&log, WEFT_SLICE("after"));
    assert_true(weft_log_flush(&log));
    size += drain(ends[0], text + size, sizeof(text) - size - 1);
    text[size] = '\0';
    char told[32];
    snprintf(told, sizeof(told), "\"dropped\":%d}\nafter\n", (int)dropped);
    assert_non_null(strstr(text, told));
    size_t whole = (2000 - (size_t)dropped) * (sizeof(line) + 1);
    assert_int_equal((size_t)(strchr(text, '{') - text), whole);
    weft_log_deinit(&log);
    close(ends[0]);
    close(ends[1]);
}

static void a_line_too_long_is_cut(void **state)
{
    (void)state;
    int ends[2];
    pipe_make(ends);
    struct weft_log log;
    weft_log_init(&log, ends[1]);
    static char line[2 * WEFT_LOG_LINE_MAX];
    memset(line, 'x', sizeof(line));
    weft_log_line(&log, weft_slice(line, sizeof(line)));
    assert_int_equal(log.queue.size, WEFT_LOG_LINE_MAX + 1);
    weft_log_deinit(&log);
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_is_gone_costs_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage); /* SIGPIPE is ignored from here on */
    int ends[2];
    pipe_make(ends);
    close(ends[0]);
    struct weft_log log;
    weft_log_init(&log, ends[1]);
    weft_log_line(&log, WEFT_SLICE("hello?"));
    assert_true(weft_log_flush(&log));
    assert_int_equal(log.queue.size, 0);
    weft_log_deinit(&log);
    close(ends[1]);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order),
        cmocka_unit_test(a_reader_that_is_slow_costs_lines_not_time),
        cmocka_unit_test(a_line_too_long_is_cut),
        cmocka_unit_test(a_reader_that_is_gone_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
