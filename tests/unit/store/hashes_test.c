/* tests/unit/store/hashes_test.c - hashes of real files: right, kept, and looked at again when the file was touched. */
#include "store/hashes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABD   "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define MANY  (3 * 1024 * 1024)

static struct house {
    char folder[64], model[128], kept[128];
    struct weft_sys *sys;
    struct weft_hashes *hashes;
    bool done;
    int status;
    char hash[2 * WEFT_HOST_HASH_SIZE + 1];
} house;

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void get(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&house, 0, sizeof(house));
    (void)snprintf(house.folder, sizeof(house.folder), "/tmp/weft-hashes-XXXXXX");
    assert_non_null(mkdtemp(house.folder));
    (void)snprintf(house.model, sizeof(house.model), "%s/model.gguf", house.folder);
    (void)snprintf(house.kept, sizeof(house.kept), "%s/%s", house.folder, WEFT_HASHES_FILE);
    put(house.model, "abc");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(house.model);
    (void)unlink(house.kept);
    return rmdir(house.folder);
}

static void begin(void)
{
    assert_int_equal(weft_sys_new(&house.sys), 0);
    assert_int_equal(weft_hashes_new(&house.hashes, house.sys, house.folder), 0);
}

static void end(void)
{
    assert_true(weft_sys_free(house.sys));
    weft_hashes_free(house.hashes);
    weft_bytes_trim();
}

static void on_done(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE])
{
    (void)self;
    assert_false(house.done);
    house.done = true;
    house.status = status;
    house.hash[0] = '\0';
    if (hash) {
        weft_hex(house.hash, hash, WEFT_HOST_HASH_SIZE);
    }
}

static weft_time turn(void *self, weft_time now)
{
    (void)self, (void)now;
    if (house.done) {
        weft_sys_stop(house.sys);
    }
    return WEFT_NEVER;
}

static int ask(const char *path)
{
    struct weft_host *host = weft_sys_host(house.sys);
    house.done = false;
    int status = host->ops->hash_file(host, path, on_done, &house);
    assert_false(house.done); /* never from inside the call */
    while (status == 0 && !house.done) {
        assert_int_equal(weft_sys_run(house.sys, (struct weft_guest){.turn = turn}), 0);
    }
    return status < 0 ? status : house.status;
}

static void assert_is(const char *hash)
{
    assert_int_equal(ask(house.model), 0);
    assert_string_equal(house.hash, hash);
}

/* What is kept is told as it stands there: so it is seen that the file was not read again. */
static void change_what_is_kept(void)
{
    char text[512];
    get(house.kept, text, sizeof(text));
    memcpy(text, OTHER, strlen(OTHER));
    put(house.kept, text);
}

static void a_file_is_read_once_and_again_when_it_was_touched(void **state)
{
    (void)state;
    begin();
    assert_is(ABC);
    end();
    change_what_is_kept();
    begin();
    assert_is(OTHER);
    put(house.model, "abd");
    assert_is(ABD);
    end();
    begin();
    assert_is(ABD);
    end();
}

static void what_is_kept_may_be_spoiled(void **state)
{
    static const char *const texts[] = {"", "\n", "no such line\n", ABC " 3 1\n", ABC " 3 1 2 3 4\n", ABC " 3 1 2 3"};
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        put(house.kept, texts[i]);
        begin();
        assert_is(ABC);
        end();
    }
    assert_int_equal(unlink(house.kept), 0);
    assert_int_equal(mkdir(house.kept, 0700), 0); /* it can be neither read nor written */
    begin();
    assert_is(ABC);
    end();
    assert_int_equal(rmdir(house.kept), 0);
}

static void a_large_file_is_hashed_piece_by_piece(void **state)
{
    (void)state;
    FILE *file = fopen(house.model, "w");
    assert_non_null(file);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(fputc('a', file), 'a');
    }
    assert_int_equal(fclose(file), 0);
    begin();
    assert_is("6f850bc94ae6f7de14297c01616c36d712d22864497b28a63b81d776b035e656");
    end();
}

static void what_is_no_file_is_an_error(void **state)
{
    (void)state;
    begin();
    assert_int_equal(ask(house.folder), WEFT_ERR_INVALID);
    assert_int_equal(unlink(house.model), 0);
    assert_int_equal(ask(house.model), WEFT_ERR_NOT_FOUND);
    assert_int_equal(access(house.kept, F_OK), -1);
    end();
}

static void never(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE])
{
    (void)self, (void)status, (void)hash;
    fail_msg("told what was forgotten");
}

static void who_is_forgotten_is_not_told(void **state)
{
    (void)state;
    int other;
    begin();
    struct weft_host *host = weft_sys_host(house.sys);
    assert_int_equal(host->ops->hash_file(host, house.model, never, &other), 0);
    host->ops->forget_hashes(host, &other);
    assert_is(ABC);
    assert_int_equal(host->ops->hash_file(host, house.model, never, &other), 0); /* nor at the end */
    end();
}

static void a_host_that_cannot_says_so(void **state)
{
    (void)state;
    assert_int_equal(weft_sys_new(&house.sys), 0);
    assert_int_equal(ask(house.model), WEFT_ERR_UNSUPPORTED);
    struct weft_host *host = weft_sys_host(house.sys);
    host->ops->forget_hashes(host, &house);
    assert_true(weft_sys_free(house.sys));
}

static void without_memory_it_is_refused_at_once(void **state)
{
    (void)state;
    struct weft_hashes *hashes;
    begin();
    for (uint64_t countdown = 1; countdown <= 2; countdown++) { /* the worker, the job */
        weft_mem_fail_at(countdown);
        assert_int_equal(ask(house.model), WEFT_ERR_MEMORY);
        weft_mem_fail_at(0);
    }
    assert_is(ABC);
    end();
    assert_int_equal(weft_sys_new(&house.sys), 0);
    weft_mem_fail_at(1);
    assert_int_equal(weft_hashes_new(&hashes, house.sys, house.folder), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
    assert_null(hashes);
    assert_true(weft_sys_free(house.sys));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_file_is_read_once_and_again_when_it_was_touched),
        test(what_is_kept_may_be_spoiled),
        test(a_large_file_is_hashed_piece_by_piece),
        test(what_is_no_file_is_an_error),
        test(who_is_forgotten_is_not_told),
        test(a_host_that_cannot_says_so),
        test(without_memory_it_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
