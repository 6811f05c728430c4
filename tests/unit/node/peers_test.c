/* tests/unit/node/peers_test.c - who is asked, which model is meant, and answers over nodes of the mesh that die,
 * stall, refuse, are full or gone. */
#include "unit/node/fellows.h"

static struct weft_peers *peers;

static int setup(void **state)
{
    (void)state;
    engines_begin();
    memset(fellows, 0, sizeof(fellows));
    const struct weft_peers_options options = {.loop = &engines.loop, .waiters_max = 8, .stall = WEFT_SECOND};
    return weft_peers_new(&peers, &options);
}

static int teardown(void **state)
{
    (void)state;
    weft_peers_free(peers);
    engines_end();
    return 0;
}

static const uint8_t *hash_of(uint8_t byte)
{
    static uint8_t hash[WEFT_HOST_HASH_SIZE];
    memset(hash, byte, sizeof(hash));
    return hash;
}

/* The number of the fellow that is chosen, or an error. */
static int choose(uint8_t hash, struct weft_peers_choice *choice)
{
    static const struct weft_key nobody;
    int error = weft_peers_choose(peers, hash_of(hash), &nobody, 0, choice);
    return error < 0 ? error : choice->key.bytes[0] - 1;
}

static int choose_and_let_go(uint8_t hash)
{
    struct weft_peers_choice choice;
    int chosen = choose(hash, &choice);
    weft_peers_done(peers, hash_of(hash), &choice, NULL);
    return chosen;
}

/* -- who is asked -- */

static void who_holds_it_and_is_there_is_asked(void **state)
{
    (void)state;
    assert_int_equal(choose_and_let_go(7), WEFT_ERR_NOT_FOUND);
    fellow_set(peers, 0, "One", 6, true);
    fellow_set(peers, 1, "One", 7, false);
    assert_int_equal(choose_and_let_go(7), WEFT_ERR_NOT_FOUND);
    fellow_set(peers, 2, "Two", 7, true);
    assert_int_equal(choose_and_let_go(7), 2);
    fellows[2].away = true;
    assert_int_equal(choose_and_let_go(7), WEFT_ERR_NOT_FOUND);
    fellow_set(peers, 1, "One", 7, true);
    assert_int_equal(choose_and_let_go(7), 1);
    weft_peers_remove(peers, &fellows[1].key);
    assert_int_equal(choose_and_let_go(7), WEFT_ERR_NOT_FOUND);
}

static void of_equals_each_gets_some(void **state)
{
    (void)state;
    int count[FELLOWS] = {0};
    for (size_t i = 0; i < FELLOWS; i++) {
        fellow_set(peers, i, "One", 7, true);
    }
    for (size_t i = 0; i < 400; i++) {
        count[choose_and_let_go(7)]++;
    }
    for (size_t i = 0; i < FELLOWS; i++) {
        assert_in_range(count[i], 60, 140);
    }
}

/* Their slots are two. What was sent there counts until they say more. */
static void the_least_loaded_is_asked(void **state)
{
    (void)state;
    struct weft_peers_choice choices[4];
    fellow_set(peers, 0, "One", 7, true);
    fellow_set(peers, 1, "One", 7, true);
    weft_peers_load(peers, &fellows[0].key, 2, 3);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(choose_and_let_go(7), 1);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(choose(7, &choices[i]), 1);
    }
    weft_peers_load(peers, &fellows[1].key, 6, 0); /* these four are among them */
    assert_int_equal(choose_and_let_go(7), 0);
    for (size_t i = 0; i < 4; i++) {
        weft_peers_done(peers, hash_of(7), &choices[i], NULL);
        weft_peers_done(peers, hash_of(7), &choices[i], NULL); /* nothing any more */
    }
    weft_peers_load(peers, &fellows[0].key, UINT32_MAX, UINT32_MAX);
    assert_int_equal(choose_and_let_go(7), 1);
    weft_peers_remove(peers, &fellows[1].key);
    assert_int_equal(choose_and_let_go(7), 0);
}

/* However much room one says to have, it fills. */
static void nobody_has_room_for_everybody(void **state)
{
    (void)state;
    fellows[0].slots = UINT32_MAX;
    fellow_set(peers, 0, "One", 7, true);
    fellow_set(peers, 1, "One", 7, true);
    weft_peers_load(peers, &fellows[0].key, 600, 0);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(choose_and_let_go(7), 1);
    }
}

static void who_has_failed_is_asked_last_for_a_while(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    struct weft_native_problem problem = {.status = 502, .code = "engine_lost"};
    fellow_set(peers, 0, "One", 7, true);
    assert_int_equal(choose(7, &choice), 0);
    weft_peers_done(peers, hash_of(7), &choice, &problem);
    assert_true(problem.passes);
    assert_string_equal(problem.code, "peer_lost");
    assert_int_equal(choose_and_let_go(7), 0); /* it is the only one */
    fellow_set(peers, 1, "One", 7, true);
    weft_peers_load(peers, &fellows[1].key, 50, 50);
    assert_int_equal(choose_and_let_go(7), 1);
    engines_pass(WEFT_PEERS_AVOID + WEFT_SECOND);
    engines_pass(0); /* a turn, which learns the time */
    assert_int_equal(choose_and_let_go(7), 0);
    assert_int_equal(weft_peers_choose(peers, hash_of(7), &fellows[0].key, 0, &choice), 0); /* it failed just now */
    assert_true(weft_key_equal(&choice.key, &fellows[1].key));
    weft_peers_done(peers, hash_of(7), &choice, NULL);
}

static void who_came_again_is_not_avoided_for_what_was_before(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    struct weft_native_problem problem = {.status = 502, .code = "engine_lost"};
    fellow_set(peers, 0, "One", 7, true);
    assert_int_equal(choose(7, &choice), 0);
    weft_peers_done(peers, hash_of(7), &choice, &problem);
    fellow_set(peers, 1, "One", 7, true);
    weft_peers_load(peers, &fellows[1].key, 50, 50);
    fellows[0].since = engines.loop.turn.now; /* so it was before, and is news only to us */
    fellow_set(peers, 0, "One", 7, true);
    assert_int_equal(choose_and_let_go(7), 1);
    fellows[0].since = engines.loop.turn.now + WEFT_MS; /* it went, and came, and only that was told */
    fellow_set(peers, 0, "One", 7, true);
    assert_int_equal(choose_and_let_go(7), 0);
}

static void what_was_asked_wrongly_is_nobodys_fault(void **state)
{
    (void)state;
    struct weft_peers_choice choice;
    struct weft_native_problem problem = {.status = 400, .code = "context_overflow", .passes = true};
    fellow_set(peers, 0, "One", 7, true);
    fellow_set(peers, 1, "One", 7, true);
    weft_peers_load(peers, &fellows[1].key, 9, 9);
    assert_int_equal(choose(7, &choice), 0);
    weft_peers_done(peers, hash_of(7), &choice, &problem);
    assert_false(problem.passes);
    assert_int_equal(choose_and_let_go(7), 0);
}

static void there_is_a_bound(void **state)
{
    (void)state;
    struct weft_peer peer = {.alive = true, .target = fellow_target};
    for (size_t i = 0; i < WEFT_PEERS_MAX; i++) {
        memcpy(peer.key.bytes, &(const uint32_t){(uint32_t)i + 1}, sizeof(uint32_t));
        assert_int_equal(weft_peers_set(peers, &peer), 0);
    }
    assert_int_equal(weft_peers_set(peers, &peer), 0);
    peer.key.bytes[31] = 1;
    assert_int_equal(weft_peers_set(peers, &peer), WEFT_ERR_FULL);
    weft_mem_fail_at(1);
    peer.key.bytes[31] = 0;
    assert_int_equal(weft_peers_set(peers, &peer), WEFT_ERR_MEMORY);
    weft_mem_fail_at(0);
}

/* -- which model is meant -- */

static const char *shown(size_t index, bool taken)
{
    static char text[WEFT_PEERS_SHOWN_MAX];
    (void)weft_peers_show(peers, index, taken, text);
    return text;
}

static int find(const char *typed, bool exact)
{
    struct weft_model_match match;
    int found = weft_peers_find(peers, weft_slice_text(typed), exact, &match);
    return found >= 0 ? found : match.kind == WEFT_MODEL_MATCH_SEVERAL ? -2 : -1;
}

static void models_are_listed_once_for_each_name_and_hash(void **state)
{
    (void)state;
    struct weft_peers_model model;
    fellow_set(peers, 0, "Small-1B", 0x7f, true);
    fellow_set(peers, 1, "small-1b", 0x7f, false);
    fellow_set(peers, 2, "Other-2B", 0x7f, true);
    assert_int_equal(weft_peers_models(peers), 2);
    weft_peers_model(peers, (size_t)find("small-1b", true), &model);
    assert_true(model.peers == 2 && model.alive == 1 && model.slots == 2 && model.context == 4096);
    assert_string_equal(shown((size_t)find("other-2b", true), false), "Other-2B");
    assert_string_equal(shown((size_t)find("other-2b", true), true), "Other-2B@7f7f7f7f");
    weft_peers_remove(peers, &fellows[2].key);
    assert_int_equal(weft_peers_models(peers), 1);
}

static void of_what_is_said_to_be_served_so_much_is_kept(void **state)
{
    (void)state;
    static struct weft_peer_said said[WEFT_PEERS_SAID_MAX + 1];
    for (size_t i = 0; i < WEFT_COUNT(said); i++) {
        said[i] =
            (struct weft_peer_said){.name = WEFT_SLICE("One"), .hash = {(uint8_t)i, (uint8_t)(i >> 8)}, .peers = 2};
    }
    weft_peers_say(peers, said, WEFT_COUNT(said));
    assert_int_equal(weft_peers_models(peers), WEFT_PEERS_SAID_MAX);
    fellow_set(peers, 0, "One", 7, true); /* one that was not said */
    assert_int_equal(weft_peers_models(peers), WEFT_PEERS_SAID_MAX + 1);
    assert_int_equal(choose_and_let_go(0), WEFT_ERR_NOT_FOUND); /* of the first that was said nobody is known */
    weft_peers_say(peers, NULL, 0);
    assert_int_equal(weft_peers_models(peers), 1);
}

static void two_files_of_one_name_are_told_apart(void **state)
{
    (void)state;
    fellow_set(peers, 0, "Small-1B", 0x7f, true);
    assert_int_equal(find("small", false), 0);
    fellow_set(peers, 1, "Small-1B", 0xab, true);
    assert_int_equal(find("Small-1B", true), -2);
    assert_int_equal(find("small", false), -2);
    int one = find("small-1b@7f7f7f7f", true), other = find("SMALL-1B@ABAB", true);
    assert_true(one >= 0 && other >= 0 && one != other);
    assert_string_equal(shown((size_t)one, false), "Small-1B@7f7f7f7f");
    assert_string_equal(shown((size_t)other, false), "Small-1B@abababab");
    assert_int_equal(find("small@abab", false), other);
    assert_int_equal(find("small@aba", false), -1); /* too short to be one */
    assert_int_equal(find("small@cdcd", false), -1);
    assert_int_equal(find("@abab", false), -1);
    assert_int_equal(find("small@", false), -2);
}

static void names_that_are_none_are_passed_over(void **state)
{
    (void)state;
    char long_name[WEFT_PEERS_NAME_MAX + 2];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    fellow_set(peers, 0, long_name, 1, true);
    fellow_set(peers, 1, "", 2, true);
    assert_int_equal(weft_peers_models(peers), 0);
    fellow_set(peers, 2, long_name + 1, 3, true);
    assert_int_equal(weft_peers_models(peers), 1);
    assert_int_equal(strlen(shown(0, true)), WEFT_PEERS_NAME_MAX + 1 + WEFT_PEERS_HASH_DIGITS);
}

/* -- answers over them: by node/delivery -- */

#define TOKENS 100
#define HASH   0xab /* each byte of the model's */

static struct house {
    struct weft_peers *peers;
    struct weft_journal journal;
    struct weft_delivery *delivery; /* NULL: over */
    uint32_t ids[64 * 1024];
    size_t tokens, deltas, finishes, usages, waits, pauses_at;
    uint32_t completion;
    bool whole, failed, leaves_in_frame;
    struct weft_native_problem problem;
    struct weft_segments segments;
} house;

static void begin(void)
{
    engines_begin();
    memset(&house, 0, sizeof(house));
    memset(fellows, 0, sizeof(fellows));
    weft_journal_init(&house.journal, engines.host, WEFT_LOG_INFO, WEFT_JOURNAL_JSON);
    const struct weft_peers_options options = {.loop = &engines.loop, .waiters_max = 8, .stall = 2 * WEFT_SECOND};
    assert_int_equal(weft_peers_new(&house.peers, &options), 0);
    for (size_t i = 0; i < FELLOWS; i++) {
        fellows[i].tokens = TOKENS;
    }
}

static void end(void)
{
    if (house.delivery) {
        weft_delivery_cancel(house.delivery);
    }
    engines_pass(WEFT_SECOND);
    fellows_end();
    weft_peers_free(house.peers);
    engines_end();
}

static int on_begin(void *self, struct weft_bytes *body)
{
    (void)self;
    return weft_bytes_append(body, "{\"prompt\":\"canary\"}", strlen("{\"prompt\":\"canary\"}"));
}

static void on_frame(void *self, const struct weft_frame *frame)
{
    (void)self;
    assert_true(frame->kind != WEFT_FRAME_LOAD);
    if (frame->kind == WEFT_FRAME_TOKEN) {
        assert_true(house.tokens < WEFT_COUNT(house.ids));
        house.ids[house.tokens++] = frame->token.id;
    }
    house.deltas += frame->kind == WEFT_FRAME_DELTA;
    house.finishes += frame->kind == WEFT_FRAME_FINISH;
    if (frame->kind == WEFT_FRAME_USAGE) {
        house.usages++;
        house.completion = frame->usage.completion_tokens;
    }
    if (house.pauses_at > 0 && house.tokens == house.pauses_at) {
        house.pauses_at = 0;
        weft_delivery_pause(house.delivery, true);
    }
    if (house.leaves_in_frame && frame->kind == WEFT_FRAME_TOKEN) {
        weft_delivery_cancel(house.delivery);
        house.delivery = NULL;
    }
}

static void on_waiting(void *self, size_t ahead, weft_time estimate)
{
    (void)self, (void)ahead, (void)estimate;
    house.waits++;
}

static void on_ended(void *self, const struct weft_native_problem *problem)
{
    (void)self;
    house.segments = *weft_delivery_segments(house.delivery);
    house.delivery = NULL;
    house.whole = !problem;
    house.failed = problem;
    if (problem) {
        house.problem = *problem;
    }
}

static int ask(void)
{
    static const struct weft_delivery_user user = {
        .begin = on_begin, .frame = on_frame, .waiting = on_waiting, .ended = on_ended};
    uint8_t hash[WEFT_HOST_HASH_SIZE];
    memset(hash, HASH, sizeof(hash));
    const struct weft_delivery_options options = {
        .loop = &engines.loop,
        .journal = &house.journal,
        .id = "req-1",
        .peers = house.peers,
        .name = WEFT_SLICE("Small-1B"),
        .hash = hash,
        .choices = 1,
        .wait = 300 * WEFT_SECOND,
        .user = &user,
        .self = &house,
    };
    engines_pass(0);
    return weft_delivery_start(&house.delivery, &options, &house.problem);
}

static bool is_over(void *self)
{
    (void)self;
    return !house.delivery;
}

static bool has_some(void *self)
{
    (void)self;
    return house.tokens > 0;
}

/* All of it, in order, once. */
static void assert_whole(size_t tokens)
{
    if (house.failed) {
        fail_msg("%d %s %s", house.problem.status, house.problem.code, house.problem.message);
    }
    assert_true(house.whole);
    assert_int_equal(house.tokens, tokens);
    assert_int_equal(house.deltas, tokens);
    assert_int_equal(house.completion, tokens);
    assert_true(house.finishes == 1 && house.usages == 1);
    for (size_t i = 0; i < tokens; i++) {
        assert_int_equal(house.ids[i], tokens - i);
    }
}

static size_t asked(void)
{
    size_t asked = 0;
    for (size_t i = 0; i < FELLOWS; i++) {
        asked += fellows[i].asked;
    }
    return asked;
}

/* The one that is not so loaded is asked first. */
static void two_of_them(uint32_t load_of_second)
{
    fellow_set(house.peers, 0, "Small-1B", HASH, true);
    fellow_set(house.peers, 1, "Small-1B", HASH, true);
    weft_peers_load(house.peers, &fellows[1].key, load_of_second, 0);
}

/* -- who goes -- */

static void an_answer_goes_on_at_another_one(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellow_set(house.peers, 2, "Small-1B", HASH + 1, true); /* of the same name, and idle: never asked */
    fellows[0].end = FELLOW_CUT;
    fellows[0].writes = 10;
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
    assert_whole(TOKENS);
    assert_int_equal(fellows[0].asked, 1);
    assert_int_equal(fellows[1].asked, 1);
    assert_int_equal(fellows[2].asked, 0);
    assert_string_equal(fellows[0].body, "{\"prompt\":\"canary\"}");
    assert_string_equal(fellows[1].body, "{\"prompt\":\"canary\",\"resume\":[[100,99,98,97,96,95,94,93,92,91]]}");
    assert_string_equal(fellows[1].model, "abababababababababababababababababababababababababababababababab");
    assert_int_equal(house.segments.count, 2);
    assert_true(weft_key_equal(&house.segments.at[0].peer, &fellows[0].key));
    assert_true(house.segments.at[0].from == 0 && house.segments.at[0].to == 10);
    assert_true(house.segments.at[1].from == 10 && house.segments.at[1].to == TOKENS);
    assert_int_equal(house.segments.at[1].path, WEFT_PEER_RELAYED);
    assert_null(strstr(weft_world_log(engines.host), "canary"));
    end();
}

/* Each time, one after the other: each begins where the one before ended. */
static void one_that_dies_again_and_again_gets_on(void **state)
{
    (void)state;
    begin();
    fellow_set(house.peers, 0, "Small-1B", HASH, true);
    fellows[0].end = FELLOW_CUT;
    fellows[0].writes = 7;
    assert_int_equal(ask(), 0);
    engines_pass(3 * WEFT_SECOND); /* the only one, so it is asked again */
    assert_true(fellows[0].asked > 3);
    fellows[0].end = FELLOW_WHOLE;
    assert_true(engines_wait(is_over, NULL));
    assert_whole(TOKENS);
    assert_int_equal(house.segments.count, 1);
    end();
}

static void one_that_never_brings_anything_is_given_up(void **state)
{
    (void)state;
    begin();
    two_of_them(0);
    fellows[0].end = fellows[1].end = FELLOW_CUT;
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
    assert_true(house.failed);
    assert_string_equal(house.problem.code, "peer_lost");
    assert_int_equal(house.problem.status, 502);
    assert_int_equal(asked(), WEFT_DELIVERY_BARREN_MAX);
    assert_in_range(fellows[0].asked, 1, WEFT_DELIVERY_BARREN_MAX - 1); /* both */
    end();
}

static void one_that_falls_silent_is_left(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].end = FELLOW_SILENT;
    fellows[0].writes = 5;
    assert_int_equal(ask(), 0);
    engines_pass(WEFT_SECOND);
    assert_int_equal(house.tokens, 5);
    assert_int_equal(fellows[1].asked, 0);
    engines_pass(2 * WEFT_SECOND);
    assert_true(engines_wait(is_over, NULL));
    assert_whole(TOKENS);
    assert_int_equal(fellows[0].left, 1); /* it was told */
    end();
}

/* -- who does not take it -- */

/* What others have failed at is not told in its words, nor ended by them. */
static void nor_is_it_one_that_has_tried(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].end = fellows[1].end = FELLOW_REFUSES;
    fellows[0].status = 421;
    fellows[0].code = "model_not_held";
    fellows[1].status = 502;
    fellows[1].code = "peer_gone";
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
    assert_int_equal(fellows[0].asked, 1);
    assert_int_equal(fellows[1].asked, WEFT_DELIVERY_BARREN_MAX);
    assert_string_equal(house.problem.code, "peer_gone");
    end();
}

static void one_that_does_not_hold_it_is_not_asked_for_it_again(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].end = FELLOW_REFUSES;
    fellows[0].status = 421;
    fellows[0].code = "model_not_held";
    for (size_t i = 1; i <= 2; i++) {
        house.tokens = house.deltas = house.finishes = house.usages = 0;
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_whole(TOKENS);
        assert_int_equal(fellows[0].asked, 1);
        assert_int_equal(fellows[1].asked, i);
        assert_int_equal(house.segments.count, 1);
    }
    fellow_set(house.peers, 0, "Small-1B", HASH, true); /* it says so anew */
    fellows[0].end = FELLOW_WHOLE;
    house.tokens = house.deltas = house.finishes = house.usages = 0;
    weft_peers_load(house.peers, &fellows[1].key, 9, 0);
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
    assert_int_equal(fellows[0].asked, 2);
    end();
}

static void when_all_are_full_that_is_said(void **state)
{
    (void)state;
    begin();
    two_of_them(0);
    for (size_t i = 0; i < 2; i++) {
        fellows[i].end = FELLOW_REFUSES;
        fellows[i].status = 503;
        fellows[i].code = "queue_full";
    }
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
    assert_int_equal(house.problem.status, 503);
    assert_string_equal(house.problem.code, "queue_full");
    assert_true(house.problem.retry_s > 0);
    assert_true(fellows[0].asked > 0 && fellows[1].asked > 0);
    end();
}

static void who_is_full_says_for_how_long(void **state)
{
    static const struct {
        const char *said;
        int told;
    } rows[] = {{NULL, WEFT_NATIVE_RETRY_S},
                {"17", 17},
                {"0", WEFT_NATIVE_RETRY_S},
                {"soon", WEFT_NATIVE_RETRY_S},
                {"99999999999999", WEFT_NATIVE_RETRY_S}};
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        begin();
        fellow_set(house.peers, 0, "Small-1B", HASH, true);
        fellows[0].end = FELLOW_REFUSES;
        fellows[0].status = 503;
        fellows[0].code = "draining";
        fellows[0].retry_s = rows[i].said;
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_string_equal(house.problem.code, "draining");
        assert_int_equal(house.problem.retry_s, rows[i].told);
        end();
    }
}

struct failure {
    enum fellow_end end;
    int status;
    const char *code;
};

/* The one that is asked first writes a little, or nothing, and fails so. */
static void ask_two_of_whom_one_fails(const struct failure *failure)
{
    begin();
    two_of_them(2);
    fellows[0].end = failure->end;
    fellows[0].status = failure->status;
    fellows[0].code = failure->code;
    fellows[0].writes = 3;
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(is_over, NULL));
}

static void what_is_wrong_with_the_request_is_final(void **state)
{
    static const struct failure rows[] = {{FELLOW_REFUSES, 400, "context_overflow"},
                                          {FELLOW_ERROR, 400, "context_overflow"},
                                          {FELLOW_ERROR, 500, "request_kills_engine"}};
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        ask_two_of_whom_one_fails(&rows[i]);
        assert_int_equal(house.problem.status, rows[i].status);
        assert_string_equal(house.problem.code, rows[i].code);
        assert_int_equal(asked(), 1);
        end();
    }
}

/* Nodes give one file different contexts: what did not fit into one may fit into another, also in mid-answer. Whose
 * is not larger is not asked for that again. */
static void a_larger_context_goes_on_where_one_was_too_small(void **state)
{
    (void)state;
    for (size_t written = 0; written <= 5; written += 5) {
        begin();
        fellows[0].context = fellows[1].context = 2048;
        two_of_them(2);
        fellow_set(house.peers, 2, "Small-1B", HASH, true);
        weft_peers_load(house.peers, &fellows[2].key, 9, 0);
        fellows[0].end = FELLOW_CUT;
        fellows[0].writes = written;
        fellows[1].end = FELLOW_REFUSES;
        fellows[1].status = 400;
        fellows[1].code = "context_overflow";
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_whole(TOKENS);
        assert_int_equal(fellows[0].asked, 1);
        assert_int_equal(fellows[1].asked, 1);
        assert_int_equal(fellows[2].asked, 1);
        end();
    }
}

/* What it could not do itself, another may. */
static void an_engine_that_failed_there_need_not_fail_elsewhere(void **state)
{
    static const struct failure rows[] = {
        {FELLOW_ERROR, 502, "engine_lost"},
        {FELLOW_REFUSES, 400, "unknown_member"}}; /* its weft is older, and the other one's need not be */
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        ask_two_of_whom_one_fails(&rows[i]);
        assert_whole(TOKENS);
        end();
    }
}

/* Each frame can be read, and they make no sense. */
static void one_that_raves_is_left(void **state)
{
    static const enum fellow_end ends[] = {FELLOW_RAVES, FELLOW_CLOSES};
    (void)state;
    for (size_t i = 0; i < WEFT_COUNT(ends); i++) {
        begin();
        two_of_them(2);
        fellows[0].end = ends[i];
        fellows[0].writes = 3;
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_whole(TOKENS);
        assert_int_equal(house.segments.count, 2);
        fellows[1].end = ends[i]; /* when all do, that is said */
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_string_equal(house.problem.code, "peer_malformed");
        end();
    }
}

/* Its code would be journaled. */
static void what_a_peer_calls_an_error_is_a_word_or_nothing(void **state)
{
    static const char *const codes[] = {"the canary sings", "Canary", "canary\n", ""};
    (void)state;
    for (size_t i = 0; i < 2 * WEFT_COUNT(codes); i++) {
        begin();
        two_of_them(2);
        fellows[0].end = i % 2 ? FELLOW_REFUSES : FELLOW_ERROR;
        fellows[0].status = 503;
        fellows[0].code = codes[i / 2];
        assert_int_equal(ask(), 0);
        assert_true(engines_wait(is_over, NULL));
        assert_whole(TOKENS);
        assert_int_equal(fellows[0].asked, 1);
        assert_null(strstr(weft_world_log(engines.host), "anary"));
        assert_non_null(strstr(weft_world_log(engines.host), "peer_malformed"));
        end();
    }
}

/* -- nobody is there -- */

static void who_has_nobody_waits_and_goes_on(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].end = fellows[1].end = FELLOW_SILENT;
    fellows[0].writes = 5;
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(has_some, NULL));
    fellows[0].away = fellows[1].away = true; /* before anybody has noticed */
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(asked(), 1);
    assert_true(house.waits > 3);
    fellow_set(house.peers, 0, "Small-1B", HASH, false);
    fellow_set(house.peers, 1, "Small-1B", HASH, false);
    fellows[0].away = fellows[1].away = false;
    engines_pass(10 * WEFT_SECOND);
    assert_int_equal(asked(), 1);
    fellows[1].end = FELLOW_WHOLE;
    fellow_set(house.peers, 1, "Small-1B", HASH, true);
    assert_true(engines_wait(is_over, NULL));
    assert_whole(TOKENS);
    end();
}

static void nobody_for_long_is_an_error(void **state)
{
    (void)state;
    begin();
    two_of_them(0);
    fellows[0].end = fellows[1].end = FELLOW_CUT;
    fellows[0].writes = fellows[1].writes = 4;
    assert_int_equal(ask(), 0);
    assert_true(engines_wait(has_some, NULL));
    weft_peers_remove(house.peers, &fellows[0].key);
    weft_peers_remove(house.peers, &fellows[1].key);
    engines_pass(WEFT_PEERS_PATIENCE - 2 * WEFT_SECOND);
    assert_non_null(house.delivery);
    assert_true(engines_wait(is_over, NULL));
    assert_string_equal(house.problem.code, "no_peer");
    assert_int_equal(house.problem.status, 503);
    assert_true(house.problem.retry_s > 0);
    assert_non_null(strstr(house.problem.message, "Small-1B"));
    end();
}

/* -- the reader -- */

static void a_slow_reader_slows_the_peer_down(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].tokens = fellows[1].tokens = 60000;
    fellows[0].end = FELLOW_CUT;
    fellows[0].writes = 40000;
    house.pauses_at = 10;
    assert_int_equal(ask(), 0);
    engines_pass(60 * WEFT_SECOND); /* it is the reader who is silent */
    assert_int_equal(house.tokens, 10);
    assert_int_equal(fellows[1].asked, 0);
    assert_in_range(fellows[0].most_unread, 1, 1024 * 1024);
    weft_delivery_pause(house.delivery, false);
    assert_true(engines_wait(is_over, NULL));
    assert_whole(60000);
    assert_int_equal(house.segments.at[1].from, 40000);
    end();
}

static void who_leaves_is_told_to_the_peer(void **state)
{
    (void)state;
    begin();
    two_of_them(2);
    fellows[0].end = FELLOW_SILENT;
    fellows[0].writes = 5;
    house.leaves_in_frame = true;
    assert_int_equal(ask(), 0);
    engines_pass(WEFT_SECOND);
    assert_null(house.delivery);
    assert_int_equal(house.tokens, 1);
    assert_int_equal(fellows[0].left, 1);
    assert_int_equal(fellows[1].asked, 0);
    end();
}

/* -- memory -- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool done = false;
    size_t failures = 0, wholes = 0;
    for (uint64_t at = 1; !done; at++) {
        begin();
        two_of_them(2);
        fellows[0].end = FELLOW_CUT;
        fellows[0].writes = 10;
        engines_pass(0);
        weft_bytes_trim();
        weft_mem_fail_at(at);
        int error = ask();
        bool over = error < 0 || engines_wait(is_over, NULL);
        done = !weft_mem_failed();
        weft_mem_fail_at(0);
        assert_true(over);
        if (house.whole) {
            assert_whole(TOKENS);
            wholes++;
        } else {
            assert_true(house.problem.status >= 500 && house.problem.message[0]);
            failures++;
        }
        end();
    }
    if (failures <= 20 || wholes == 0) {
        fail_msg("%zu failures, %zu wholes", failures, wholes);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        test(who_holds_it_and_is_there_is_asked),
        test(of_equals_each_gets_some),
        test(the_least_loaded_is_asked),
        test(nobody_has_room_for_everybody),
        test(who_has_failed_is_asked_last_for_a_while),
        test(who_came_again_is_not_avoided_for_what_was_before),
        test(what_was_asked_wrongly_is_nobodys_fault),
        test(there_is_a_bound),
        test(models_are_listed_once_for_each_name_and_hash),
        test(of_what_is_said_to_be_served_so_much_is_kept),
        test(two_files_of_one_name_are_told_apart),
        test(names_that_are_none_are_passed_over),
        cmocka_unit_test(an_answer_goes_on_at_another_one),
        cmocka_unit_test(one_that_dies_again_and_again_gets_on),
        cmocka_unit_test(one_that_never_brings_anything_is_given_up),
        cmocka_unit_test(one_that_falls_silent_is_left),
        cmocka_unit_test(one_that_does_not_hold_it_is_not_asked_for_it_again),
        cmocka_unit_test(nor_is_it_one_that_has_tried),
        cmocka_unit_test(when_all_are_full_that_is_said),
        cmocka_unit_test(who_is_full_says_for_how_long),
        cmocka_unit_test(what_is_wrong_with_the_request_is_final),
        cmocka_unit_test(a_larger_context_goes_on_where_one_was_too_small),
        cmocka_unit_test(an_engine_that_failed_there_need_not_fail_elsewhere),
        cmocka_unit_test(one_that_raves_is_left),
        cmocka_unit_test(what_a_peer_calls_an_error_is_a_word_or_nothing),
        cmocka_unit_test(who_has_nobody_waits_and_goes_on),
        cmocka_unit_test(nobody_for_long_is_an_error),
        cmocka_unit_test(a_slow_reader_slows_the_peer_down),
        cmocka_unit_test(who_leaves_is_told_to_the_peer),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
