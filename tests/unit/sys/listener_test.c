/* tests/unit/sys/listener_test.c - sockets that others dial: Unix files, busy ports, pauses. */
#include "unit/sys/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/inside.h"

static char folder[] = "/tmp/weft-listener-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test has left something */
}

static struct weft_address unix_address(void)
{
    struct weft_address address = {.kind = WEFT_ADDRESS_UNIX};
    snprintf(address.text, sizeof(address.text), "%s/socket", folder);
    return address;
}

static void a_unix_socket_is_its_owners_and_goes_with_the_listener(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address address = unix_address();
    struct door door;
    struct peer client = {.stage = &stage, .wanted = 2}, server = {.wanted = 2};
    assert_int_equal(door_open(&door, &stage, &server, &address), 0);
    assert_string_equal(door.bound.text, address.text);
    struct stat file;
    assert_int_equal(lstat(address.text, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_int_equal(stage.ops->dial(stage.host, &address, &peer_user, &client, &client.socket), 0);
    stage_run(&stage, &door.accepted);
    stage_run(&stage, &client.opened);
    assert_int_equal(client.status, 0);
    assert_int_equal(peer_write(&client, "hi", 2), 2);
    stage_run(&stage, &server.enough);
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    assert_int_not_equal(lstat(address.text, &file), 0);
    stage_deinit(&stage);
}

/* What a crash leaves: the file, and nobody behind it. */
static void a_dead_unix_socket_is_replaced(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address address = unix_address();
    struct sockaddr_un dead = {.sun_family = AF_UNIX};
    memcpy(dead.sun_path, address.text, sizeof(dead.sun_path));
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&dead, sizeof(dead)), 0);
    assert_int_equal(close(descriptor), 0);
    struct door door;
    struct peer server = {0};
    assert_int_equal(door_open(&door, &stage, &server, &address), 0);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

static void a_live_unix_socket_is_busy_and_stays(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address address = unix_address();
    struct door first, second;
    struct peer server = {0};
    assert_int_equal(door_open(&first, &stage, &server, &address), 0);
    assert_int_equal(door_open(&second, &stage, &server, &address), WEFT_ERR_BUSY);
    assert_null(second.listener);
    assert_int_equal(access(address.text, F_OK), 0);
    stage.ops->unlisten(first.listener);
    stage_deinit(&stage);
}

static void a_file_in_the_way_is_never_removed(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address address = unix_address();
    int descriptor = open(address.text, O_CREAT | O_WRONLY, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
    struct door door;
    struct peer server = {0};
    assert_int_equal(door_open(&door, &stage, &server, &address), WEFT_ERR_EXISTS);
    assert_int_equal(unlink(address.text), 0);
    stage_deinit(&stage);
}

static void a_taken_port_is_busy_and_free_again_after_unlisten(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    struct door first, second;
    struct peer server = {0};
    assert_int_equal(door_open(&first, &stage, &server, &any), 0);
    struct weft_address same = first.bound;
    assert_int_equal(door_open(&second, &stage, &server, &same), WEFT_ERR_BUSY);
    stage.ops->unlisten(first.listener);
    assert_int_equal(door_open(&second, &stage, &server, &same), 0); /* without a turn of the loop between */
    stage.ops->unlisten(second.listener);
    stage_deinit(&stage);
}

static void while_accepting_is_off_the_kernel_keeps_the_connection(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    struct door door;
    struct peer client = {.stage = &stage}, server = {0};
    assert_int_equal(door_open(&door, &stage, &server, &any), 0);
    stage.ops->accept(door.listener, false);
    assert_int_equal(stage.ops->dial(stage.host, &door.bound, &peer_user, &client, &client.socket), 0);
    stage_run(&stage, &client.opened);
    assert_int_equal(client.status, 0);
    assert_false(door.accepted);
    stage.ops->accept(door.listener, true);
    stage_run(&stage, &door.accepted);
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

struct pause_watch {
    struct stage *stage;
    const struct door *door;
    struct rlimit limit; /* to be restored once accepting has paused */
    size_t turns;
    bool paused;
};

static weft_time watch_turn(void *self, weft_time now)
{
    struct pause_watch *watch = self;
    watch->turns++;
    if (!watch->paused && uv_is_active((uv_handle_t *)&watch->stage->sys->accept_again)) {
        watch->paused = true;
        assert_false(watch->door->accepted);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &watch->limit), 0);
        watch->turns = 0;
    }
    if (watch->door->accepted) {
        weft_sys_stop(watch->stage->sys);
    }
    return watch->paused ? WEFT_NEVER : now + WEFT_MS;
}

/* Out of descriptors: the loop sleeps, the connection is neither dropped nor forgotten. */
static void out_of_descriptors_accepting_pauses_and_comes_back(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    struct door door;
    struct peer client = {.stage = &stage}, server = {0};
    assert_int_equal(door_open(&door, &stage, &server, &any), 0);
    assert_int_equal(stage.ops->dial(stage.host, &door.bound, &peer_user, &client, &client.socket), 0);

    struct pause_watch watch = {.stage = &stage, .door = &door};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &watch.limit), 0);
    int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    struct rlimit none_left = {.rlim_cur = (rlim_t)next, .rlim_max = watch.limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none_left), 0);

    assert_int_equal(weft_sys_run(stage.sys, (struct weft_guest){.self = &watch, .turn = watch_turn}), 0);
    assert_true(watch.paused);
    assert_in_range(watch.turns, 1, 4); /* a batch or two: nothing woke the guest until the connection came */
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

/* The host's own bound, before the kernel's. */
static void at_the_socket_bound_accepting_pauses(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage);
    struct weft_address any = {.kind = WEFT_ADDRESS_TCP, .text = "127.0.0.1"};
    struct door door;
    struct peer client = {.stage = &stage}, server = {0};
    assert_int_equal(door_open(&door, &stage, &server, &any), 0);
    stage.sys->sockets_max = 1; /* the client's own */
    assert_int_equal(stage.ops->dial(stage.host, &door.bound, &peer_user, &client, &client.socket), 0);
    stage_run(&stage, &client.opened);
    assert_int_equal(client.status, 0);
    assert_false(door.accepted);
    stage.sys->sockets_max = 2;
    stage_run(&stage, &door.accepted);
    peer_close(&client, false);
    peer_close(&server, false);
    stage.ops->unlisten(door.listener);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unix_socket_is_its_owners_and_goes_with_the_listener),
        cmocka_unit_test(a_dead_unix_socket_is_replaced),
        cmocka_unit_test(a_live_unix_socket_is_busy_and_stays),
        cmocka_unit_test(a_file_in_the_way_is_never_removed),
        cmocka_unit_test(a_taken_port_is_busy_and_free_again_after_unlisten),
        cmocka_unit_test(while_accepting_is_off_the_kernel_keeps_the_connection),
        cmocka_unit_test(out_of_descriptors_accepting_pauses_and_comes_back),
        cmocka_unit_test(at_the_socket_bound_accepting_pauses),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
