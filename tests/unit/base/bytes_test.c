/* tests/unit/base/bytes_test.c - the byte queue, against a plain array that does the same. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define MODEL_MAX ((size_t)1 << 20)

/* The same queue, done the plain way. */
struct model {
    char data[MODEL_MAX];
    size_t size;
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Mostly small, sometimes around a block's size, sometimes several blocks. */
static size_t random_size(uint64_t *seed)
{
    uint32_t kind = next_random(seed) % 10;
    if (kind < 6) {
        return next_random(seed) % 300;
    }
    return kind < 9 ? WEFT_BYTES_BLOCK - 40 + next_random(seed) % 60 : next_random(seed) % (5 * WEFT_BYTES_BLOCK);
}

static void assert_same(const struct weft_bytes *bytes, const struct model *model)
{
    assert_int_equal(bytes->size, model->size);
    static struct weft_slice views[MODEL_MAX / 64];
    size_t count = weft_bytes_peek(bytes, views, WEFT_COUNT(views));
    assert_true(count < WEFT_COUNT(views));
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(views[i].size > 0 && views[i].size <= model->size - at);
        assert_memory_equal(views[i].data, model->data + at, views[i].size);
        at += views[i].size;
    }
    assert_int_equal(at, model->size);
    struct weft_slice front = weft_bytes_front(bytes);
    assert_int_equal(front.size, count == 0 ? 0 : views[0].size);
    assert_true(count == 0 || front.data == views[0].data);
}

static void model_append(struct model *model, const char *data, size_t size)
{
    assert_true(size <= MODEL_MAX - model->size);
    memcpy(model->data + model->size, data, size);
    model->size += size;
}

static void model_drop(struct model *model, size_t size)
{
    memmove(model->data, model->data + size, model->size - size);
    model->size -= size;
}

static void do_random_operation(struct weft_bytes bytes[2], struct model models[2], uint64_t *seed)
{
    static char scratch[6 * WEFT_BYTES_BLOCK];
    size_t which = next_random(seed) % 2;
    struct weft_bytes *queue = &bytes[which];
    struct model *model = &models[which];
    size_t size = random_size(seed);
    switch (next_random(seed) % 8) {
    case 0:
    case 1:
    case 2: {
        for (size_t i = 0; i < size; i++) {
            scratch[i] = (char)next_random(seed);
        }
        bool fail = next_random(seed) % 4 == 0;
        weft_mem_fail_at(fail ? 1 + next_random(seed) % 3 : 0);
        int status = weft_bytes_append(queue, scratch, size);
        fail = fail && weft_mem_failed();
        weft_mem_fail_at(0);
        assert_int_equal(status, fail ? WEFT_ERR_MEMORY : 0); /* all of it, or nothing */
        model_append(model, scratch, fail ? 0 : size);
        break;
    }
    case 3:
    case 4:
        size = size < model->size ? size : model->size;
        weft_bytes_drop(queue, size);
        model_drop(model, size);
        break;
    case 5: {
        size_t got = weft_bytes_read(queue, scratch, size);
        assert_int_equal(got, size < model->size ? size : model->size);
        assert_memory_equal(scratch, model->data, got);
        model_drop(model, got);
        break;
    }
    case 6:
        weft_bytes_move(queue, &bytes[1 - which]);
        model_append(model, models[1 - which].data, models[1 - which].size);
        models[1 - which].size = 0;
        break;
    default:
        if (next_random(seed) % 8 == 0) {
            weft_bytes_deinit(queue);
            model->size = 0;
        } else if (next_random(seed) % 8 == 0) {
            weft_bytes_trim();
        }
    }
}

static void test_random_operations(void **state)
{
    (void)state;
    static struct model models[2];
    struct weft_bytes bytes[2];
    weft_bytes_init(&bytes[0]);
    weft_bytes_init(&bytes[1]);
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    for (uint64_t first = 1; first <= 20; first++) {
        uint64_t seed = first;
        for (int i = 0; i < 1000; i++) {
            do_random_operation(bytes, models, &seed);
            assert_same(&bytes[0], &models[0]);
            assert_same(&bytes[1], &models[1]);
            for (size_t n = 0; n < 2; n++) {
                if (models[n].size > MODEL_MAX / 4) { /* or the model would run over */
                    weft_bytes_deinit(&bytes[n]);
                    models[n].size = 0;
                }
            }
        }
    }
    weft_bytes_deinit(&bytes[0]);
    weft_bytes_deinit(&bytes[1]);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), live);
}

static void test_a_steady_stream_allocates_nothing(void **state)
{
    (void)state;
    struct weft_bytes bytes;
    weft_bytes_init(&bytes);
    static char event[200];
    for (int round = 0; round < 2; round++) {
        weft_mem_fail_at(round == 0 ? 0 : 1); /* any allocation of the second round fails */
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(weft_bytes_append(&bytes, event, sizeof(event)), 0);
            weft_bytes_drop(&bytes, sizeof(event));
        }
    }
    assert_false(weft_mem_failed());
    weft_mem_fail_at(0);
    weft_bytes_deinit(&bytes);
}

static void test_small_moves_share_blocks(void **state)
{
    (void)state;
    struct weft_bytes to, from;
    weft_bytes_init(&to);
    weft_bytes_init(&from);
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(weft_bytes_append(&from, "0123456789", 10), 0);
        weft_bytes_move(&to, &from);
        assert_int_equal(from.size, 0);
        assert_null(weft_bytes_front(&from).data);
    }
    assert_int_equal(to.size, 10000);
    assert_true(weft_mem_live() - live <= 10000 / (WEFT_BYTES_BLOCK - 64) + 2);
    weft_bytes_deinit(&to);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), live);
}

static void test_spares_are_bounded(void **state)
{
    (void)state;
    weft_bytes_trim();
    int64_t live = weft_mem_live();
    struct weft_bytes bytes;
    weft_bytes_init(&bytes);
    static char block[WEFT_BYTES_BLOCK];
    for (int i = 0; i < 3 * WEFT_BYTES_SPARES_MAX; i++) {
        assert_int_equal(weft_bytes_append(&bytes, block, sizeof(block)), 0);
    }
    weft_bytes_deinit(&bytes);
    assert_int_equal(weft_mem_live() - live, WEFT_BYTES_SPARES_MAX);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), live);
}

static void test_peek_stops_at_max(void **state)
{
    (void)state;
    struct weft_bytes bytes;
    weft_bytes_init(&bytes);
    struct weft_slice views[3];
    assert_int_equal(weft_bytes_peek(&bytes, views, 3), 0);
    static char much[5 * WEFT_BYTES_BLOCK];
    assert_int_equal(weft_bytes_append(&bytes, much, sizeof(much)), 0);
    assert_int_equal(weft_bytes_peek(&bytes, views, 3), 3);
    assert_int_equal(weft_bytes_peek(&bytes, views, 0), 0);
    assert_int_equal(weft_bytes_append(&bytes, NULL, 0), 0);
    assert_int_equal(bytes.size, sizeof(much));
    weft_bytes_deinit(&bytes);
    weft_bytes_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),        cmocka_unit_test(test_a_steady_stream_allocates_nothing),
        cmocka_unit_test(test_small_moves_share_blocks), cmocka_unit_test(test_spares_are_bounded),
        cmocka_unit_test(test_peek_stops_at_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
