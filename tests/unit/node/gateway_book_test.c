/* tests/unit/node/gateway_book_test.c - where gateways are, over starts. */
#include "node/gateway_book.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/error.h"
#include "sim/world.h"

static struct {
    struct weft_world *world;
    struct weft_host *host;
    struct weft_journal journal;
    struct weft_gateway_book book;
    size_t found;
    struct weft_gateway_entry entries[WEFT_WORLD_STORE_RECORDS_MAX];
} scene;

static const struct weft_key mesh = {{1}}, other_mesh = {{2}};

static void on_found(void *self, const struct weft_gateway_entry *entry)
{
    assert_ptr_equal(self, &scene);
    scene.entries[scene.found++] = *entry;
}

static void on_opened(void *self, int status, const struct weft_store_result *result)
{
    (void)self, (void)result;
    assert_int_equal(status, 0);
}

static void settle(void)
{
    weft_world_poke(scene.host);
    weft_world_pass(scene.world, WEFT_SECOND);
}

static weft_time turn(void *self, weft_time now)
{
    (void)self, (void)now;
    return WEFT_NEVER;
}

static int begin(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof(scene));
    assert_int_equal(weft_world_new(&scene.world, &(const struct weft_world_options){.seed = 3, .calm = true}), 0);
    scene.host = weft_world_host(scene.world, "node");
    weft_world_set_guest(scene.host, (struct weft_guest){.turn = turn});
    weft_journal_init(&scene.journal, scene.host, WEFT_LOG_DEBUG, WEFT_JOURNAL_JSON);
    const struct weft_store_op open = {.kind = WEFT_STORE_OPEN, .path = "/state/mesh.db"};
    assert_int_equal(scene.host->ops->store(scene.host, &open, on_opened, NULL), 0);
    settle();
    weft_gateway_book_init(&scene.book, scene.host, &scene.journal, on_found, &scene);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weft_world_free(scene.world);
    return 0;
}

/* As after a start. */
static size_t read_anew(const struct weft_key *of)
{
    settle();
    scene.found = 0;
    weft_gateway_book_init(&scene.book, scene.host, &scene.journal, on_found, &scene);
    weft_gateway_book_read(&scene.book, of);
    settle();
    return scene.found;
}

static struct weft_gateway_entry entry_of(uint8_t gateway, const char *address)
{
    struct weft_gateway_entry entry = {.gateway = {{9, gateway}}, .mesh = mesh};
    assert_true(weft_gateway_entry_add(&entry, weft_slice_text(address)));
    return entry;
}

static void an_entry_is_read_as_it_was_written(void **state)
{
    (void)state;
    uint8_t bytes[WEFT_GATEWAY_ENTRY_MAX];
    struct weft_gateway_entry entry = {.gateway = {{7}}, .mesh = mesh, .named = true}, read;
    assert_false(weft_gateway_entry_add(&entry, WEFT_SLICE("nowhere")));
    for (int i = 0; i < WEFT_GATEWAY_ADDRESSES_MAX; i++) { /* each as long as any */
        char address[WEFT_HOSTPORT_MAX + 1];
        memset(address, 'x', sizeof(address));
        memcpy(address + WEFT_HOSTPORT_MAX - 5, ":9340", 6);
        address[0] = (char)('a' + i);
        assert_int_equal(strlen(address), WEFT_HOSTPORT_MAX);
        assert_true(weft_gateway_entry_add(&entry, weft_slice_text(address)));
    }
    assert_false(weft_gateway_entry_add(&entry, WEFT_SLICE("one.example:1"))); /* too many */
    size_t size = weft_gateway_entry_write(&entry, bytes);
    assert_int_equal(weft_gateway_entry_read(weft_slice(bytes, size), &entry.gateway, &read), 0);
    assert_memory_equal(&read, &entry, sizeof(read));
    for (size_t cut = 0; cut < size; cut++) {
        int status = weft_gateway_entry_read(weft_slice(bytes, cut), &entry.gateway, &read);
        assert_true(status < 0 || read.count < entry.count); /* at the end of a field it is a shorter one */
    }
    bytes[0] = 2;
    assert_int_equal(weft_gateway_entry_read(weft_slice(bytes, size), &entry.gateway, &read), WEFT_ERR_UNSUPPORTED);
}

static void it_comes_back_after_a_start(void **state)
{
    (void)state;
    weft_gateway_book_read(&scene.book, &mesh);
    for (uint8_t i = 0; i < 40; i++) { /* more than a page, and more than the store takes at once */
        const struct weft_gateway_entry entry = entry_of(i, "gate.example:9340");
        assert_true(weft_gateway_book_put(&scene.book, &entry));
        assert_false(weft_gateway_book_put(&scene.book, &entry)); /* no news */
    }
    assert_int_equal(read_anew(&mesh), 40);
    assert_string_equal(scene.entries[39].addresses[0], "gate.example:9340");
    const struct weft_key one = {{9, 1}}, stranger = {{8}};
    weft_gateway_book_add(&scene.book, &one, WEFT_SLICE("10.0.0.1:9340"));
    weft_gateway_book_add(&scene.book, &one, WEFT_SLICE("10.0.0.1:9340"));
    weft_gateway_book_add(&scene.book, &stranger, WEFT_SLICE("10.0.0.2:9340"));
    weft_gateway_book_remove(&scene.book, &(const struct weft_key){{9, 0}});
    weft_gateway_book_remove(&scene.book, &(const struct weft_key){{77}}); /* nobody */
    assert_int_equal(read_anew(&mesh), 40);
    assert_true(weft_key_equal(&scene.entries[0].gateway, &stranger));
    assert_true(weft_key_equal(&scene.entries[1].gateway, &one));
    assert_int_equal(scene.entries[1].count, 2);
    assert_true(weft_key_equal(&scene.entries[0].mesh, &mesh));
}

static void of_another_mesh_nothing_stays(void **state)
{
    (void)state;
    struct weft_gateway_entry entry = entry_of(1, "gate.example:9340");
    weft_gateway_book_read(&scene.book, &mesh);
    assert_true(weft_gateway_book_put(&scene.book, &entry));
    entry.mesh = other_mesh;
    entry.gateway.bytes[1] = 2;
    assert_true(weft_gateway_book_put(&scene.book, &entry));
    assert_int_equal(read_anew(&mesh), 1);
    assert_int_equal(read_anew(&other_mesh), 0);
    assert_int_equal(read_anew(&mesh), 0);
    assert_true(weft_gateway_book_put(&scene.book, &entry));
    assert_int_equal(read_anew(NULL), 0); /* it has left */
    assert_int_equal(read_anew(&other_mesh), 0);
}

static void what_the_disk_refuses_is_said_and_holds_until_the_end(void **state)
{
    (void)state;
    const struct weft_gateway_entry entry = entry_of(1, "gate.example:9340");
    weft_gateway_book_read(&scene.book, &mesh);
    settle();
    weft_world_fail_store(scene.host, 0, WEFT_ERR_FULL);
    assert_true(weft_gateway_book_put(&scene.book, &entry));
    settle();
    assert_non_null(strstr(weft_world_log(scene.host), "gateways not kept"));
    assert_false(weft_gateway_book_put(&scene.book, &entry));
    settle();
    weft_world_fail_store(scene.host, 0, 0);
    assert_int_equal(read_anew(&mesh), 0);
}

/* A node that joins with a full disk is named its gateway before it is in, and reads the book when it is. */
static void what_the_disk_refused_is_found_and_tried_again(void **state)
{
    (void)state;
    const struct weft_gateway_entry entry = entry_of(1, "gate.example:9340");
    weft_world_fail_store(scene.host, 0, WEFT_ERR_FULL);
    assert_true(weft_gateway_book_put(&scene.book, &entry));
    settle();
    weft_gateway_book_read(&scene.book, &mesh);
    settle();
    assert_int_equal(scene.found, 1);
    weft_world_fail_store(scene.host, 0, 0);
    assert_false(weft_gateway_book_put(&scene.book, &entry)); /* no news, but to be stored */
    assert_int_equal(read_anew(&mesh), 1);
    weft_gateway_book_read(&scene.book, &other_mesh);
    settle();
    assert_int_equal(scene.found, 1);
}

static void more_than_it_holds_are_left_out(void **state)
{
    (void)state;
    weft_gateway_book_read(&scene.book, &mesh);
    weft_world_fail_store(scene.host, 0, WEFT_ERR_FULL); /* the fake holds less */
    for (unsigned i = 0; i <= WEFT_GATEWAY_BOOK_MAX; i++) {
        const struct weft_gateway_entry entry = entry_of((uint8_t)i, "gate.example:9340");
        assert_int_equal(weft_gateway_book_put(&scene.book, &entry), i < WEFT_GATEWAY_BOOK_MAX);
    }
    settle();
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        test(an_entry_is_read_as_it_was_written),
        test(it_comes_back_after_a_start),
        test(of_another_mesh_nothing_stays),
        test(what_the_disk_refuses_is_said_and_holds_until_the_end),
        test(what_the_disk_refused_is_found_and_tried_again),
        test(more_than_it_holds_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
