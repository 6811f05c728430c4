/* tests/unit/node/announcing_test.c - what a node says of itself, when, and when anew. */
#include "node/announcing.h"

#include <stdatomic.h>

#include "node/line.h"
#include "sim/child.h"
#include "unit/node/office.h"
#include "wire/engine_page.h"

#define SAID_MAX 16
#define FILE     "/m/Small-1B.gguf"
#define BUDGET   ((int64_t)7 << 30)

static struct scene {
    struct weft_loop loop;
    struct weft_config config;
    struct weft_children children;
    struct weft_models *models;
    struct weft_announcing announcing;
    const char *address;
    enum weft_roster_outcome outcome; /* of all that is said */
    size_t count;
    weft_time at[SAID_MAX];
    uint8_t bytes[SAID_MAX][WEFT_ANNOUNCEMENT_MAX];
    size_t sizes[SAID_MAX];
    struct weft_announcement last; /* it is read from the bytes */
} scene;

static weft_time turn(void *self, weft_time now)
{
    (void)self;
    scene.loop.turn.now = now;
    weft_timers_run(&scene.loop.timers, now);
    weft_turn_run(&scene.loop.turn);
    return weft_timers_next(&scene.loop.timers);
}

static void pass(weft_time time)
{
    weft_world_poke(office.host);
    weft_world_pass(office.world, time);
    scene.loop.turn.now = weft_world_now(office.world); /* what is called from here is in a turn of now */
}

static void on_changed(void *self, size_t index)
{
    (void)self, (void)index;
    weft_announcing_look(&scene.announcing);
}

static void on_hashed(void *self)
{
    on_changed(self, 0);
}

static void on_stopped(void *self)
{
    (void)self;
}

static const char *on_address(const void *self, char text[WEFT_HOSTPORT_MAX + 1])
{
    (void)self;
    if (scene.address) {
        (void)snprintf(text, WEFT_HOSTPORT_MAX + 1, "%s", scene.address);
    }
    return scene.address ? text : NULL;
}

static enum weft_roster_outcome on_say(void *self, struct weft_slice announcement)
{
    struct weft_signed parts;
    (void)self;
    assert_true(scene.count < SAID_MAX);
    uint8_t *bytes = scene.bytes[scene.count];
    memcpy(bytes, announcement.data, announcement.size);
    scene.sizes[scene.count] = announcement.size;
    scene.at[scene.count++] = scene.loop.turn.now;
    assert_int_equal(weft_announcement_read(weft_slice(bytes, announcement.size), &scene.last, &parts), 0);
    assert_true(weft_key_verify(&scene.last.key, WEFT_ANNOUNCEMENT_DOMAIN, parts.record, parts.signature));
    return scene.outcome;
}

static void begin_world(void)
{
    office_world(1);
    scene = (struct scene){.loop = {.host = office.host}, .outcome = WEFT_ROSTER_ADDED};
    scene.config = (struct weft_config){.engine_slots = 8,
                                        .engine_gpu_layers = 10000,
                                        .engine_stall = 10 * WEFT_SECOND,
                                        .engine_memory_budget = BUDGET,
                                        .queue_max = 8,
                                        .share = true};
    weft_world_set_guest(office.host, (struct weft_guest){.turn = turn});
    weft_children_start(&scene.children, office.world, weft_world_host(office.world, "engines"), office.host);
}

/* Models of which the first `named` are loaded at once. */
static void start_as(const struct weft_identity *node, const char *const *paths, size_t count, size_t named)
{
    static const struct weft_models_user user = {.changed = on_changed, .hashed = on_hashed, .stopped = on_stopped};
    char problem[WEFT_MODEL_PROBLEM_MAX];
    const struct weft_models_options models = {.loop = &scene.loop,
                                               .journal = &office.journal,
                                               .config = &scene.config,
                                               .engine = WEFT_CHILD_PROGRAM,
                                               .paths = paths,
                                               .count = count,
                                               .offered = count - named,
                                               .user = &user};
    assert_int_equal(weft_models_new(&scene.models, &models, problem), 0);
    const struct weft_announcing_options options = {.loop = &scene.loop,
                                                    .journal = &office.journal,
                                                    .config = &scene.config,
                                                    .state = office.state,
                                                    .node = node,
                                                    .models = scene.models,
                                                    .version = "weft 0.0.0-test",
                                                    .address = on_address,
                                                    .say = on_say};
    pass(0);
    assert_int_equal(weft_announcing_init(&scene.announcing, &options), 0);
    weft_models_start(scene.models);
    weft_models_hash(scene.models);
}

static void begin(const char *const *paths, size_t count, size_t named)
{
    begin_world();
    assert_int_equal(office_start(), 0);
    start_as(&office.gateway, paths, count, named);
}

static void end(void)
{
    weft_announcing_deinit(&scene.announcing);
    weft_announcing_deinit(&scene.announcing);
    weft_models_free(scene.models);
    scene.models = NULL;
    pass(WEFT_SECOND);
    weft_children_end(&scene.children);
    weft_world_set_guest(office.host, (struct weft_guest){0});
    weft_turn_run(&scene.loop.turn);
    weft_timers_deinit(&scene.loop.timers);
    office_end();
}

static const char *const small[] = {FILE};

/* -- what is said -- */

static void what_others_may_ask_for_is_named(void **state)
{
    (void)state;
    static const char *const paths[] = {"/m/Kept.gguf", "/m/a\u202eb.gguf", FILE};
    begin_world();
    weft_world_put_file(office.host, FILE, WEFT_SLICE("abc"));
    scene.config.models_kept_own.at[0] = WEFT_SLICE("kept");
    scene.config.models_kept_own.count = 1;
    scene.address = "gate.example.org:9340";
    assert_int_equal(office_start(), 0);
    start_as(&office.gateway, paths, WEFT_COUNT(paths), 0);
    weft_announcing_start(&scene.announcing);
    const struct weft_announcement *said = &scene.last;
    assert_int_equal(scene.count, 1);
    assert_int_equal(said->model_count, 0); /* their hashes are not known yet */
    pass(2 * WEFT_ANNOUNCING_PACE);
    assert_int_equal(scene.count, 2);
    struct weft_slice chain = weft_mesh_state_chain(office.state);
    assert_true(weft_key_equal(&said->key, &office.gateway.key));
    assert_true(weft_slice_equal(said->chain, chain));
    assert_int_equal(said->model_count, 1);
    assert_true(weft_slice_equal(said->models[0].alias, WEFT_SLICE("Small-1B")));
    assert_int_equal(said->models[0].hash[0], 0xba); /* of "abc" */
    assert_int_equal(said->address_count, 1);
    assert_true(weft_slice_equal(said->addresses[0], WEFT_SLICE("gate.example.org:9340")));
    assert_true(weft_slice_equal(said->version, WEFT_SLICE("weft 0.0.0-test")));
    assert_int_equal(said->memory, BUDGET);
    assert_int_equal(said->speed_centi, 0);
    assert_int_equal(said->incarnation, weft_mesh_state_incarnation(office.state));
    assert_int_equal(said->sequence, 2);
    assert_in_range(said->made_s, weft_mesh_state_now_s(office.state) - 2, weft_mesh_state_now_s(office.state));
    scene.config.share = false; /* its owner has thought better of it */
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 3);
    assert_int_equal(said->model_count, 0);
    end();
}

/* What a model's engine has said of itself is there once it has loaded. */
static void what_is_known_of_a_loaded_model_is_said_too(void **state)
{
    (void)state;
    begin_world();
    weft_world_put_file(office.host, FILE, WEFT_SLICE("abc"));
    assert_int_equal(office_start(), 0);
    start_as(&office.gateway, small, 1, 1);
    weft_announcing_start(&scene.announcing);
    pass(60 * WEFT_SECOND);
    const struct weft_announced_model *model = &scene.last.models[0];
    assert_int_equal(scene.last.model_count, 1);
    assert_int_equal(model->slots, 8);
    assert_true(model->context > 0);
    assert_true(weft_slice_equal(model->kernel_class, WEFT_SLICE("Q4_1/zen4/default")));
    assert_true(weft_slice_equal(scene.last.backend, WEFT_SLICE("zen4")));
    end();
}

static void one_that_was_given_up_is_not_named(void **state)
{
    (void)state;
    begin_world();
    assert_int_equal(office_start(), 0);
    start_as(&office.gateway, small, 1, 1);
    weft_announcing_start(&scene.announcing);
    pass(2 * WEFT_SECOND);
    assert_int_equal(scene.last.model_count, 1); /* it loads */
    scene.children.script.refuses = "The file is damaged.";
    weft_child_die(&scene.children.at[0], 9);
    pass(60 * WEFT_SECOND);
    assert_int_equal(scene.last.model_count, 0);
    end();
}

static void of_more_models_than_fit_the_first_are_named(void **state)
{
    (void)state;
    static char texts[WEFT_MODELS_MAX][160];
    static const size_t sizes[] = {118, 2}; /* of the names: bytes are short; places are */
    const char *paths[WEFT_MODELS_MAX];
    for (size_t k = 0; k < WEFT_COUNT(sizes); k++) {
        begin_world();
        for (size_t i = 0; i < WEFT_MODELS_MAX; i++) {
            (void)snprintf(texts[i], sizeof(texts[i]), "/m/%0*zu.gguf", (int)sizes[k], i);
            paths[i] = texts[i];
        }
        assert_int_equal(office_start(), 0);
        start_as(&office.gateway, paths, WEFT_MODELS_MAX, 0);
        pass(60 * WEFT_SECOND);
        weft_announcing_start(&scene.announcing);
        assert_int_equal(scene.count, 1);
        if (k == 0) {
            assert_in_range(scene.last.model_count, 10, WEFT_ANNOUNCEMENT_MODELS_MAX - 1);
            assert_in_range(scene.sizes[0], WEFT_ANNOUNCEMENT_MAX - 200, WEFT_ANNOUNCEMENT_MAX); /* not one more */
        } else {
            assert_int_equal(scene.last.model_count, WEFT_ANNOUNCEMENT_MODELS_MAX);
        }
        for (size_t i = 0; i < scene.last.model_count; i++) {
            assert_true(weft_slice_equal(scene.last.models[i].alias, weft_slice(texts[i] + 3, sizes[k])));
        }
        end();
    }
}

/* A gateway has let it in, to ask. */
static void a_client_says_only_that_it_is_there(void **state)
{
    (void)state;
    struct office_case asked;
    struct weft_joining_answer answer;
    const struct weft_identity *client = &office.nodes[0];
    begin_world();
    assert_int_equal(office_start(), 0);
    assert_int_equal(office_invite(1, DAY_S, WEFT_ROLE_CLIENT), 0);
    (void)office_apply(client, &asked);
    struct weft_key mesh = office.invite.mesh;
    office_crash();
    weft_children_end(&scene.children);
    weft_world_set_guest(office.host, (struct weft_guest){0});
    office.host = scene.loop.host = weft_world_host(office.world, "client");
    weft_world_set_guest(office.host, (struct weft_guest){.turn = turn});
    weft_children_start(&scene.children, office.world, weft_world_host(office.world, "its engines"), office.host);
    weft_world_put_file(office.host, FILE, WEFT_SLICE("abc"));
    assert_int_equal(office_start_as(client, false), 0);
    assert_int_equal(office_wait(weft_mesh_state_take(office.state, &mesh, weft_slice(asked.admission, asked.size),
                                                      &answer, office_changed, &office)),
                     0);
    start_as(client, small, 1, 0);
    pass(WEFT_SECOND);
    weft_announcing_start(&scene.announcing);
    assert_int_equal(scene.count, 1);
    assert_true(weft_key_equal(&scene.last.key, &client->key));
    assert_int_equal(scene.last.model_count, 0);
    assert_int_equal(scene.last.address_count, 0);
    struct weft_model_info info;
    weft_models_info(scene.models, 0, &info);
    assert_non_null(info.hash); /* it could have */
    end();
}

/* -- when -- */

static void what_changes_is_said_a_second_apart(void **state)
{
    (void)state;
    begin(NULL, 0, 0);
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 0); /* in no mesh yet */
    weft_announcing_start(&scene.announcing);
    assert_int_equal(scene.count, 1);
    pass(300 * WEFT_MS);
    weft_announcing_look(&scene.announcing); /* nothing is new */
    scene.address = "10.0.0.7:1";
    weft_announcing_look(&scene.announcing);
    scene.address = "10.0.0.7:2";
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 1);
    pass(2 * WEFT_ANNOUNCING_PACE);
    assert_int_equal(scene.count, 2); /* both at once */
    assert_true(scene.at[1] == scene.at[0] + WEFT_ANNOUNCING_PACE);
    assert_true(weft_slice_equal(scene.last.addresses[0], WEFT_SLICE("10.0.0.7:2")));
    assert_int_equal(scene.last.sequence, 2);
    scene.address = "10.0.0.7:3";
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 3);
    weft_announcing_stop(&scene.announcing);
    scene.address = NULL;
    weft_announcing_look(&scene.announcing);
    pass(2 * WEFT_ROSTER_RENEW_S * WEFT_SECOND);
    assert_int_equal(scene.count, 3);
    end();
}

static void it_is_said_again_before_others_forget_it(void **state)
{
    (void)state;
    const weft_time life = WEFT_ROSTER_RENEW_S * WEFT_SECOND;
    begin(NULL, 0, 0);
    weft_announcing_start(&scene.announcing);
    pass(8 * life);
    assert_in_range(scene.count, 8, SAID_MAX);
    weft_time first = scene.at[1] - scene.at[0];
    bool differ = false;
    for (size_t i = 1; i < scene.count; i++) {
        weft_time apart = scene.at[i] - scene.at[i - 1];
        assert_in_range(apart, life / 2, life);
        differ = differ || apart != first;
    }
    assert_true(differ); /* not all nodes that started together at once */
    assert_int_equal(scene.last.sequence, scene.count);
    end();
}

static void what_the_roster_refuses_is_in_the_journal(void **state)
{
    (void)state;
    begin(NULL, 0, 0);
    weft_announcing_start(&scene.announcing);
    assert_null(strstr(weft_world_log(office.host), "not announced"));
    scene.outcome = WEFT_ROSTER_SKEWED;
    scene.address = "10.0.0.7:1";
    pass(WEFT_ANNOUNCING_PACE);
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 2);
    const char *line = strstr(weft_world_log(office.host), "not announced");
    assert_non_null(line);
    assert_non_null(strstr(line, "skewed"));
    end();
}

/* -- others know more of it than it does -- */

static void who_was_outrun_goes_on_beyond(void **state)
{
    (void)state;
    begin(NULL, 0, 0);
    uint64_t before = weft_mesh_state_incarnation(office.state);
    weft_announcing_outrun(&scene.announcing, before + 4);
    weft_announcing_start(&scene.announcing);
    assert_int_equal(scene.last.incarnation, before); /* it was not running then */
    weft_announcing_outrun(&scene.announcing, before - 1);
    pass(WEFT_SECOND);
    assert_int_equal(scene.count, 1);
    weft_announcing_outrun(&scene.announcing, before + 4);
    weft_announcing_outrun(&scene.announcing, before + 9); /* one thing at a time: it is seen again */
    scene.address = "10.0.0.7:1";
    weft_announcing_look(&scene.announcing);
    assert_int_equal(scene.count, 1); /* it would be refused yet */
    pass(WEFT_SECOND);
    assert_int_equal(scene.count, 2);
    assert_int_equal(scene.last.incarnation, before + 5);
    assert_int_equal(scene.last.sequence, 1);
    assert_int_equal(weft_mesh_state_incarnation(office.state), before + 5);
    weft_world_fail_store(office.host, 0, WEFT_ERR_IO);
    weft_announcing_outrun(&scene.announcing, before + 20);
    pass(WEFT_SECOND);
    assert_non_null(strstr(weft_world_log(office.host), "not announced"));
    weft_world_fail_store(office.host, 0, 0);
    weft_announcing_outrun(&scene.announcing, before + 20);
    pass(WEFT_SECOND);
    assert_int_equal(scene.last.incarnation, before + 21);
    end();
}

/* -- how fast it is -- */

static void sample(uint64_t tokens)
{
    struct weft_engine_page *page = office.host->ops->shared(scene.children.at[0].process);
    atomic_store(&page->tokens_sampled, tokens);
    weft_announcing_measure(&scene.announcing);
}

static bool is_ready(void *self)
{
    (void)self;
    return weft_models_ready(scene.models) == 1;
}

static void on_nothing(void *self)
{
    (void)self;
}

static void on_back(void *self, bool stalled)
{
    (void)self, (void)stalled;
}

static void on_out(void *self, enum weft_line_out why)
{
    (void)self, (void)why;
}

/* The fastest of what was seen over two seconds of work without a break. */
static void its_speed_is_the_best_that_was_seen(void **state)
{
    (void)state;
    static const struct weft_place_user user = {.go = on_nothing, .back = on_back, .out = on_out};
    struct weft_place place = {.user = &user};
    begin_world();
    weft_world_put_file(office.host, FILE, WEFT_SLICE("abc"));
    assert_int_equal(office_start(), 0);
    start_as(&office.gateway, small, 1, 1);
    weft_world_poke(office.host);
    assert_true(weft_world_run(office.world, 600 * WEFT_SECOND, is_ready, NULL));
    weft_announcing_start(&scene.announcing);
    sample(1000);
    pass(2 * WEFT_SECOND);
    sample(9000); /* nobody has asked: it is no work */
    assert_int_equal(scene.announcing.speed_centi, 0);
    assert_int_equal(weft_line_join(weft_models_line(scene.models, 0), &place, 1, 1, 60 * WEFT_SECOND), 0);
    sample(9000);
    pass(WEFT_ANNOUNCING_MEASURE / 2);
    sample(9300);
    assert_int_equal(scene.announcing.speed_centi, 0); /* too short */
    pass(WEFT_ANNOUNCING_MEASURE / 2);
    sample(9100);
    pass(WEFT_SECOND);
    assert_int_equal(scene.last.speed_centi, 5000); /* 100 tokens in two seconds */
    size_t count = scene.count;
    pass(WEFT_SECOND);
    sample(9204); /* four in a hundred more */
    pass(2 * WEFT_SECOND);
    sample(9205); /* slower */
    pass(WEFT_SECOND);
    assert_int_equal(scene.count, count);
    pass(WEFT_SECOND);
    sample(9405);
    pass(WEFT_SECOND);
    assert_int_equal(scene.last.speed_centi, 10000);
    weft_line_leave(&place);
    pass(WEFT_SECOND);
    sample(9500);
    assert_int_equal(weft_line_join(weft_models_line(scene.models, 0), &place, 1, 1, 60 * WEFT_SECOND), 0);
    pass(2 * WEFT_SECOND);
    sample(90000); /* since it was looked last there was a break */
    assert_int_equal(scene.announcing.speed_centi, 10000);
    weft_line_leave(&place);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_may_ask_for_is_named),
        cmocka_unit_test(what_is_known_of_a_loaded_model_is_said_too),
        cmocka_unit_test(one_that_was_given_up_is_not_named),
        cmocka_unit_test(of_more_models_than_fit_the_first_are_named),
        cmocka_unit_test(a_client_says_only_that_it_is_there),
        cmocka_unit_test(what_changes_is_said_a_second_apart),
        cmocka_unit_test(it_is_said_again_before_others_forget_it),
        cmocka_unit_test(what_the_roster_refuses_is_in_the_journal),
        cmocka_unit_test(who_was_outrun_goes_on_beyond),
        cmocka_unit_test(its_speed_is_the_best_that_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
