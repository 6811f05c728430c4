/* tests/unit/node/model_hash_test.c - a model's hash holds for what was loaded, and for nothing else. */
#include "node/model_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "sim/world.h"

#define PATH "/m/Small-1B.gguf"

static struct house {
    struct weft_world *world;
    struct weft_host *host;
    struct weft_model_hash hash;
    size_t found;
} house;

static void on_found(void *self)
{
    assert_ptr_equal(self, &house);
    house.found++;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(weft_world_new(&house.world, &(const struct weft_world_options){.seed = 3, .calm = true}), 0);
    house.host = weft_world_host(house.world, "node");
    house.hash = (struct weft_model_hash){.host = house.host, .path = PATH, .found = on_found, .self = &house};
    house.found = 0;
    weft_world_put_file(house.host, PATH, WEFT_SLICE("abc"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weft_world_free(house.world);
    return 0;
}

static void pass(void)
{
    weft_world_pass(house.world, WEFT_SECOND);
}

static void it_holds_from_load_to_load(void **state)
{
    (void)state;
    weft_model_hash_begin(&house.hash);
    assert_false(house.hash.known || house.hash.holds);
    weft_model_hash_check(&house.hash); /* ready before the file was read */
    pass();
    assert_true(house.hash.known && house.hash.holds);
    assert_int_equal(house.hash.bytes[0], 0xba);
    assert_int_equal(house.found, 1); /* the second one says nothing new */
    weft_model_hash_begin(&house.hash);
    assert_true(house.hash.known && !house.hash.holds);
    pass();
    assert_true(house.hash.known && house.hash.holds);
    assert_int_equal(house.found, 2);
}

static void a_file_that_changes_while_it_is_loaded_does_not_hold(void **state)
{
    (void)state;
    weft_model_hash_begin(&house.hash);
    pass();
    weft_world_put_file(house.host, PATH, WEFT_SLICE("abd"));
    weft_model_hash_check(&house.hash);
    pass();
    assert_true(house.hash.known && !house.hash.holds);
    assert_int_equal(house.hash.bytes[0], 0xba);
    weft_model_hash_check(&house.hash);
    pass();
    assert_false(house.hash.holds); /* not in this load any more */
    weft_model_hash_begin(&house.hash);
    pass();
    weft_model_hash_check(&house.hash);
    pass();
    assert_true(house.hash.holds);
    assert_int_equal(house.hash.bytes[0], 0xa5);
}

/* What is still on its way from an earlier load says nothing of this one. */
static void an_earlier_answer_does_not_count(void **state)
{
    (void)state;
    weft_model_hash_begin(&house.hash);
    weft_model_hash_begin(&house.hash);
    pass();
    assert_true(house.hash.holds);
    assert_int_equal(house.hash.told, 2);
    weft_world_fail_files(house.host, WEFT_ERR_IO, 0);
    weft_model_hash_begin(&house.hash);
    pass();
    assert_false(house.hash.known || house.hash.holds);
    weft_world_fail_files(house.host, 0, 0);
    weft_model_hash_check(&house.hash);
    pass();
    assert_false(house.hash.known || house.hash.holds);
}

static void who_forgets_is_told_nothing(void **state)
{
    (void)state;
    weft_model_hash_begin(&house.hash);
    weft_model_hash_forget(&house.hash);
    pass();
    assert_int_equal(house.hash.told, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(it_holds_from_load_to_load),
        test(a_file_that_changes_while_it_is_loaded_does_not_hold),
        test(an_earlier_answer_does_not_count),
        test(who_forgets_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
