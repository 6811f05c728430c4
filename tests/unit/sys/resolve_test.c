/* tests/unit/sys/resolve_test.c - names to addresses. No name server is asked: only names that need none. */
#include "unit/sys/stage.h"

struct outcome {
    bool done;
    int status;
    struct weft_address first;
    size_t count;
};

static void resolved(void *self, int status, const struct weft_address *addresses, size_t count)
{
    struct outcome *outcome = self;
    *outcome = (struct outcome){.done = true, .status = status, .count = count};
    if (count > 0) {
        outcome->first = addresses[0];
    }
}

static struct outcome resolve(const char *name)
{
    struct stage stage;
    stage_init(&stage);
    struct outcome outcome = {0};
    assert_int_equal(stage.ops->resolve(stage.host, name, 8080, resolved, &outcome), 0);
    assert_false(outcome.done); /* never from inside the call */
    stage_run(&stage, &outcome.done);
    stage_deinit(&stage);
    return outcome;
}

static void an_address_answers_for_itself(void **state)
{
    (void)state;
    static const char *const names[] = {"192.0.2.7", "::1", "2001:db8::17"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        struct outcome outcome = resolve(names[i]);
        assert_int_equal(outcome.status, 0);
        assert_int_equal(outcome.count, 1);
        assert_string_equal(outcome.first.text, names[i]);
        assert_int_equal(outcome.first.port, 8080);
    }
}

static void localhost_is_here(void **state)
{
    (void)state;
    struct outcome outcome = resolve("localhost");
    assert_int_equal(outcome.status, 0);
    assert_true(outcome.count >= 1);
    assert_true(strcmp(outcome.first.text, "127.0.0.1") == 0 || strcmp(outcome.first.text, "::1") == 0);
    assert_int_equal(outcome.first.port, 8080);
}

static void what_can_be_no_name_is_refused_at_once(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    char longest[400];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(stage.ops->resolve(stage.host, "", 1, resolved, NULL), WEFT_ERR_INVALID);
    assert_int_equal(stage.ops->resolve(stage.host, longest, 1, resolved, NULL), WEFT_ERR_INVALID);
    stage_deinit(&stage);
}

static void questions_are_bounded(void **state)
{
    (void)state;
    enum { JOBS_MAX = 256 }; /* WEFT_SYS_JOBS_MAX */
    struct stage stage;
    stage_init(&stage);
    struct outcome outcomes[JOBS_MAX] = {0};
    for (size_t i = 0; i < JOBS_MAX; i++) {
        assert_int_equal(stage.ops->resolve(stage.host, "::1", 1, resolved, &outcomes[i]), 0);
    }
    assert_int_equal(stage.ops->resolve(stage.host, "::1", 1, resolved, NULL), WEFT_ERR_FULL);
    stage_run(&stage, &outcomes[JOBS_MAX - 1].done);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_answers_for_itself),
        cmocka_unit_test(localhost_is_here),
        cmocka_unit_test(what_can_be_no_name_is_refused_at_once),
        cmocka_unit_test(questions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
