/* tests/torture/store_test.c - the store, real and simulated: the same answers, and what was answered stays, whatever
 * fails or ends in between. */
#include "support/store_ends.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/random.h"
#include "sim/world.h"
#include "support/store_faults.h"
#include "wire/admission.h"

#define SEQUENCES      150
#define SEQUENCE_OPS   150
#define CROWDED_ONE_IN 10 /* sequences: longer, and mostly put into one table, so that lists have pages */
#define NODES          20
#define NODES_KNOWN    4 /* of them, whose records are asked for where it is not crowded: so that some are there */
#define INVITES        3
#define KILLS          30
#define AHEAD          8 /* redemptions under way at once when the process is killed */
#define FAULT_NODES    3
#define FAULTS_MAX     20000 /* far more than the story has */
#define CRASHES        200

/* -- the same answers -- */

static int64_t draw(struct weft_random *random, int64_t from, int64_t to)
{
    return from + (int64_t)weft_random_below(random, (uint64_t)(to - from + 1));
}

static struct weft_store_op draw_op(struct weft_random *random, const char *path, bool crowded)
{
    struct weft_store_op op = {.path = path, .now_s = draw(random, 0, 100)};
    op.kind = (enum weft_store_kind)draw(random, WEFT_STORE_PUT_INVITE, WEFT_STORE_KINDS - 1);
    if (draw(random, 1, 4) == 1) {
        op.kind = WEFT_STORE_REDEEM; /* what it is all for */
    }
    if (draw(random, 1, 20) == 1) {
        op.kind = draw(random, 0, 1) ? WEFT_STORE_OPEN : WEFT_STORE_CLOSE;
    }
    op.table = (enum weft_store_table)draw(random, 0, WEFT_STORE_TABLES - 1);
    if (crowded && draw(random, 1, 4) > 1) {
        op.kind = draw(random, 1, 4) > 1 ? WEFT_STORE_PUT : WEFT_STORE_LIST;
        op.table = WEFT_STORE_REVOCATIONS;
    }
    bool redeems = op.kind == WEFT_STORE_REDEEM; /* by few nodes, so that some come again */
    uint32_t node = (uint32_t)draw(random, 1, redeems ? 3 : crowded ? NODES : NODES_KNOWN);
    uint32_t id = (uint32_t)draw(random, 1, INVITES);
    bool of_invites = redeems || op.kind == WEFT_STORE_REVOKE_INVITE || op.kind == WEFT_STORE_LIST_REDEMPTIONS;
    op.key = store_key(of_invites ? id : node);
    if ((op.kind == WEFT_STORE_LIST || op.kind == WEFT_STORE_LIST_INVITES) && draw(random, 0, 1)) {
        op.key = store_key(0);
    }
    op.invite = store_invite(id, (uint32_t)draw(random, 1, 3), draw(random, 0, 200)).invite;
    op.record = (struct weft_store_record){.key = store_key(node), .expires_s = draw(random, 0, 200)};
    op.record.size = (size_t)draw(random, 1, draw(random, 0, 3) ? 8 : WEFT_STORE_BYTES_MAX);
    for (size_t i = 0; i < op.record.size; i++) {
        op.record.bytes[i] = (uint8_t)draw(random, 0, 255);
    }
    if (op.kind == WEFT_STORE_LIST_REDEMPTIONS && draw(random, 0, 1)) {
        op.record.key = store_key(0);
    }
    op.incarnation = (uint64_t)draw(random, 0, 3);
    op.sequence = (uint64_t)draw(random, 0, 5);
    return op;
}

static bool same_record(const struct weft_store_record *a, const struct weft_store_record *b)
{
    return memcmp(&a->key, &b->key, sizeof(a->key)) == 0 && a->expires_s == b->expires_s &&
           weft_slice_equal(weft_slice(a->bytes, a->size), weft_slice(b->bytes, b->size));
}

static bool same_invite(const struct weft_store_invite *a, const struct weft_store_invite *b)
{
    return memcmp(&a->id, &b->id, sizeof(a->id)) == 0 && memcmp(&a->mesh, &b->mesh, sizeof(a->mesh)) == 0 &&
           a->role == b->role && a->uses == b->uses && a->left == b->left && a->made_s == b->made_s &&
           a->expires_s == b->expires_s && a->revoked == b->revoked;
}

static bool same_result(enum weft_store_kind kind, const struct weft_store_result *a, const struct weft_store_result *b)
{
    bool same = a->version == b->version && a->verdict == b->verdict && a->refusal == b->refusal &&
                a->left == b->left && same_record(&a->record, &b->record) && a->incarnation == b->incarnation &&
                a->sequence == b->sequence && a->count == b->count && a->more == b->more;
    for (size_t i = 0; same && i < a->count; i++) {
        same = kind == WEFT_STORE_LIST_INVITES ? same_invite(&a->page.invites[i], &b->page.invites[i])
                                               : same_record(&a->page.records[i], &b->page.records[i]);
    }
    return same;
}

/* Each refusal is one of its own. */
#define VERDICTS (WEFT_STORE_REFUSED + 1 + WEFT_REFUSAL_USED_UP - WEFT_REFUSAL_UNKNOWN)

static unsigned verdict_of(const struct store_end *end)
{
    unsigned verdict = (unsigned)end->result.verdict;
    return verdict == WEFT_STORE_REFUSED ? verdict + end->result.refusal - WEFT_REFUSAL_UNKNOWN : verdict;
}

static bool is_done(void *self)
{
    return ((struct store_end *)self)->done;
}

static int ask_world(struct store_end *end, struct weft_world *world, const struct weft_store_op *op)
{
    end->done = false;
    int status = end->host->ops->store(end->host, op, store_end_done, end);
    assert_false(end->done); /* never from inside the call */
    if (status < 0) {
        return status;
    }
    assert_true(weft_world_run(world, WEFT_NEVER, is_done, end));
    return end->status;
}

static void run_sequence(struct store_end *real, uint64_t seed, const char *path, unsigned *did, unsigned *pages)
{
    struct weft_world *world;
    struct store_end fake = {0};
    struct weft_random random;
    struct weft_store_op op = {.kind = WEFT_STORE_OPEN, .path = path};
    weft_random_init(&random, seed);
    assert_int_equal(weft_world_new(&world, &(struct weft_world_options){.seed = seed}), 0);
    fake.host = weft_world_host(world, "fake");
    bool crowded = seed % CROWDED_ONE_IN == 0;
    for (int i = 0; i < (crowded ? 4 : 1) * SEQUENCE_OPS; i++) {
        int status = store_end_ask(real, &op), faked = ask_world(&fake, world, &op);
        if (status != faked || (status == 0 && !same_result(op.kind, &real->result, &fake.result))) {
            fail_msg("seed %llu, operation %d of kind %d: %d and %d, verdicts %u and %u", (unsigned long long)seed, i,
                     (int)op.kind, status, faked, verdict_of(real), verdict_of(&fake));
        }
        did[op.kind] += status == 0 ? 1 : 0;
        did[WEFT_STORE_KINDS + verdict_of(real)] += status == 0 && op.kind == WEFT_STORE_REDEEM ? 1 : 0;
        *pages += status == 0 && real->result.more ? 1 : 0;
        op = draw_op(&random, path, crowded);
    }
    weft_world_free(world);
}

static void both_stores_give_the_same_answers(void **state)
{
    (void)state;
    unsigned did[WEFT_STORE_KINDS + VERDICTS] = {0}, pages = 0;
    struct store_folder folder;
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++) {
        struct store_end real;
        store_folder_init(&folder, false);
        store_end_init(&real);
        run_sequence(&real, seed, folder.file, did, &pages);
        store_end_deinit(&real);
        store_folder_deinit(&folder);
    }
    assert_true(pages > 100);
    for (size_t i = 0; i < WEFT_COUNT(did); i++) {
        if (did[i] < 100) { /* of every kind, and every verdict */
            fail_msg("kind or verdict %zu came %u times only", i, did[i]);
        }
    }
}

/* -- each allocation and each call of the file system fails in turn -- */

/* What the store must know at the end: by what it answered. */
struct told {
    bool answered[FAULT_NODES + 1], invited;
    unsigned asked;
};

static struct weft_database database;
static struct weft_store_result result;

static int run(struct weft_store_op op, const char *path)
{
    op.path = path;
    int status = weft_tables_run(&database, &op, &result);
    assert_true(status <= 0 && (status == 0 || op.kind == WEFT_STORE_PUT_INVITE || op.kind == WEFT_STORE_CLOSE ||
                                op.kind == WEFT_STORE_REVOKE_INVITE || status != WEFT_ERR_EXISTS));
    if (status < 0 && status != WEFT_ERR_CLOSED && status != WEFT_ERR_EXISTS && !database.problem[0]) {
        fail_msg("an error without a sentence: %d of kind %d", status, (int)op.kind);
    }
    return status;
}

static const char *certificate_of(uint32_t node)
{
    static char text[32];
    snprintf(text, sizeof(text), "certificate of %u", (unsigned)node);
    return text;
}

/* Goes on after errors, as a node does. */
static void tell_story(const char *path, struct told *told)
{
    *told = (struct told){0};
    if (run((struct weft_store_op){.kind = WEFT_STORE_OPEN}, path) < 0) {
        return;
    }
    told->invited = run(store_invite(1, FAULT_NODES + 2, 2000), path) == 0;
    for (uint32_t node = 1; node <= FAULT_NODES; node++) {
        told->asked++;
        int status = run(store_redeem(1, node, certificate_of(node), 1000), path);
        told->answered[node] =
            status == 0 && (result.verdict == WEFT_STORE_REDEEMED || result.verdict == WEFT_STORE_AGAIN);
        if (status == 0 && told->invited) {
            assert_true(told->answered[node]);
        }
    }
    weft_database_close(&database);
}

/* Nothing fails any more: what was answered is there, and the counts are true. */
static void check_story(const char *path, const struct told *told)
{
    sqlite3_stmt *rows;
    unsigned answered = 0;
    if (database.handle) {
        weft_database_close(&database);
    }
    assert_int_equal(run((struct weft_store_op){.kind = WEFT_STORE_OPEN}, path), 0);
    assert_int_equal(weft_database_ask(&database,
                                       "SELECT (SELECT count(*) FROM redemptions), (SELECT count(*) FROM issued),"
                                       " (SELECT count(*) FROM invites), (SELECT total(uses - uses_left) FROM invites)",
                                       NULL, 0, &rows),
                     1);
    unsigned redeemed = (unsigned)sqlite3_column_int(rows, 0);
    assert_int_equal(sqlite3_column_int(rows, 1), redeemed);
    assert_int_equal(sqlite3_column_int(rows, 3), redeemed);
    assert_true(!told->invited || sqlite3_column_int(rows, 2) == 1);
    assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    for (uint32_t node = 1; node <= FAULT_NODES; node++) {
        if (told->answered[node]) {
            answered++;
            assert_int_equal(run(store_redeem(1, node, "another", 1000), path), 0);
            assert_int_equal(result.verdict, WEFT_STORE_AGAIN);
            assert_int_equal(result.record.size, strlen(certificate_of(node)));
            assert_memory_equal(result.record.bytes, certificate_of(node), result.record.size);
        }
    }
    assert_true(answered <= redeemed && redeemed <= told->asked);
    weft_database_close(&database);
}

/* While it is made and opened each `step`th, then each: opening alone is three of four. If all after it fail as well,
 * each `step`th. */
static void fail_each_in_turn(enum store_fault fault, bool sticky, uint64_t step)
{
    struct store_folder folder;
    struct told told = {0};
    uint64_t at = 0, rounds = 0;
    unsigned errors = 0;
    bool came = true;
    while (came) {
        at += told.invited && !sticky ? 1 : step;
        rounds++;
        assert_true(at < FAULTS_MAX);
        store_folder_init(&folder, false);
        store_faults_on(fault, at, sticky);
        tell_story(folder.file, &told);
        came = store_faults_off();
        errors += told.answered[FAULT_NODES] ? 0 : 1;
        check_story(folder.file, &told);
        store_folder_deinit(&folder);
    }
    assert_true(told.answered[FAULT_NODES]); /* the last round, in which nothing failed */
    assert_true(rounds > 20 && errors > 5);
    print_message("%llu of %llu calls failed; after %u of them the story did not end as it should\n",
                  (unsigned long long)(rounds - 1), (unsigned long long)(at - 1), errors);
}

static void an_allocation_that_fails_loses_nothing(void **state)
{
    (void)state;
    fail_each_in_turn(STORE_FAULT_MEMORY, false, 5);
    fail_each_in_turn(STORE_FAULT_MEMORY, true, 11);
}

static void a_disk_that_fails_or_is_full_loses_nothing(void **state)
{
    (void)state;
    fail_each_in_turn(STORE_FAULT_DISK, false, 1);
    fail_each_in_turn(STORE_FAULT_FULL, false, 1);
    fail_each_in_turn(STORE_FAULT_FULL, true, 1);
}

/* As if the process had ended there, in the middle of a write. */
static void a_write_that_is_torn_loses_nothing(void **state)
{
    (void)state;
    fail_each_in_turn(STORE_FAULT_DISK, true, 1);
}

/* -- killed -- */

struct child {
    struct store_end end;
    struct weft_host *host;
    uint32_t round, next;
    unsigned under_way;
    int tell;
};

static void ask_more(struct child *child);

static void on_redeemed(void *self, int status, const struct weft_store_result *told)
{
    struct child *child = self;
    uint32_t node = (uint32_t)told->record.key.bytes[2] << 8 | told->record.key.bytes[3];
    uint32_t answer[2] = {node, told->left};
    child->under_way--;
    if (status < 0 || (told->verdict != WEFT_STORE_REDEEMED && told->verdict != WEFT_STORE_AGAIN) ||
        write(child->tell, answer, sizeof(answer)) != sizeof(answer)) {
        _exit(3);
    }
    ask_more(child);
}

/* Every node asks twice in a row: its answer may have been lost. */
static void ask_more(struct child *child)
{
    while (child->under_way < AHEAD) {
        uint32_t node = ++child->next / 2 + 1;
        struct weft_store_op op = store_redeem(child->round, node, certificate_of(node), 1000);
        child->under_way++;
        if (child->host->ops->store(child->host, &op, on_redeemed, child) < 0) {
            _exit(4);
        }
    }
}

static _Noreturn void be_child(const char *path, uint32_t round, int tell)
{
    static struct child child;
    child = (struct child){.round = round, .tell = tell};
    store_end_init(&child.end);
    child.host = child.end.host;
    if (store_end_open(&child.end, path) < 0) {
        _exit(5);
    }
    child.end.done = false;
    ask_more(&child);
    int status = weft_sys_run(child.end.sys, (struct weft_guest){.self = &child.end, .turn = store_end_turn});
    _exit(6 - status); /* it never ends by itself */
}

/* Takes in the answers; all but the last few come while the child is still there. Returns how many nodes were told. */
static uint32_t take_answers(int from, uint32_t uses, uint32_t *left)
{
    uint32_t answer[2], nodes = 0;
    *left = uses;
    while (read(from, answer, sizeof(answer)) == sizeof(answer)) { /* a pipe's small writes are whole */
        assert_true(answer[0] == nodes || answer[0] == nodes + 1); /* in order, each of them twice */
        nodes = answer[0];
        *left = answer[1] < *left ? answer[1] : *left;
    }
    return nodes;
}

static void check_after_kill(struct store_end *end, uint32_t round, uint32_t nodes, uint32_t uses, uint32_t told_left)
{
    struct weft_store_op list = {.kind = WEFT_STORE_LIST_INVITES, .key = store_key(round - 1)};
    assert_int_equal(store_end_ask(end, &list), 0);
    assert_int_equal(end->result.count, 1);
    uint32_t used = uses - end->result.page.invites[0].left;
    assert_true(used >= nodes && used <= nodes + AHEAD);        /* none is lost, none counted twice */
    assert_true(end->result.page.invites[0].left <= told_left); /* nor less than was told */
    for (uint32_t node = 1; node <= used; node++) {             /* as many as are counted are there, and whole */
        struct weft_store_op again = store_redeem(round, node, "another", 1000);
        assert_int_equal(store_end_ask(end, &again), 0);
        assert_int_equal(end->result.verdict, WEFT_STORE_AGAIN);
        assert_int_equal(end->result.record.size, strlen(certificate_of(node)));
        assert_memory_equal(end->result.record.bytes, certificate_of(node), end->result.record.size);
    }
}

static void a_process_that_is_killed_has_lost_nothing_it_answered(void **state)
{
    (void)state;
    const uint32_t uses = WEFT_STORE_USES_MAX;
    struct store_folder folder;
    struct weft_random random;
    uint32_t answered = 0, rounds_with_answers = 0;
    weft_random_init(&random, 6);
    store_folder_init(&folder, true);
    for (uint32_t round = 1; round <= KILLS; round++) {
        struct store_end end;
        struct weft_store_op invite = store_invite(round, uses, 2000);
        int tell[2], status;
        uint32_t left;
        store_end_init(&end);
        assert_int_equal(store_end_open(&end, folder.file), 0);
        assert_int_equal(store_end_ask(&end, &invite), 0);
        store_end_deinit(&end);
        assert_int_equal(pipe(tell), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(tell[0]);
            be_child(folder.file, round, tell[1]);
        }
        close(tell[1]);
        struct pollfd first = {.fd = tell[0], .events = POLLIN};
        if (round % 4 != 0) { /* else it is killed while it starts, perhaps */
            assert_int_equal(poll(&first, 1, 20000), 1);
        }
        (void)poll(NULL, 0, (int)draw(&random, 0, 60)); /* a moment of its life */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        uint32_t nodes = take_answers(tell[0], uses, &left);
        close(tell[0]);
        store_end_init(&end);
        assert_int_equal(store_end_open(&end, folder.file), 0);
        check_after_kill(&end, round, nodes, uses, left);
        store_end_deinit(&end);
        answered += nodes;
        rounds_with_answers += nodes > 0 ? 1 : 0;
    }
    store_folder_deinit(&folder);
    print_message("%u redemptions answered in %d lives, %u of them with answers\n", answered, KILLS,
                  rounds_with_answers);
    assert_true(rounds_with_answers >= KILLS / 2);
}

/* -- the simulated one crashes -- */

struct client {
    unsigned answered;
    uint32_t told[NODES + 1]; /* by node: 1 if it was let in */
};

static void on_client(void *self, int status, const struct weft_store_result *told)
{
    struct client *client = self;
    assert_int_equal(status, 0);
    assert_int_equal(told->verdict, WEFT_STORE_REDEEMED);
    client->told[told->record.key.bytes[3]] = 1;
    client->answered++;
}

static void a_simulated_crash_loses_only_what_was_not_answered(void **state)
{
    (void)state;
    unsigned lost = 0, kept_untold = 0;
    for (uint64_t seed = 1; seed <= CRASHES; seed++) {
        struct weft_world *world;
        struct store_end end = {0};
        struct client client = {0};
        struct weft_store_op open = {.kind = WEFT_STORE_OPEN, .path = "state/mesh.db"}, invite;
        invite = store_invite(1, NODES, 2000);
        assert_int_equal(weft_world_new(&world, &(struct weft_world_options){.seed = seed}), 0);
        end.host = weft_world_host(world, "gateway");
        assert_int_equal(ask_world(&end, world, &open), 0);
        assert_int_equal(ask_world(&end, world, &invite), 0);
        weft_world_slow_store(end.host, 5 * WEFT_MS);
        for (uint32_t node = 1; node <= NODES; node++) {
            struct weft_store_op op = store_redeem(1, node, certificate_of(node), 1000);
            assert_int_equal(end.host->ops->store(end.host, &op, on_client, &client), 0);
        }
        weft_world_pass(world, (weft_time)weft_world_below(world, 100 * WEFT_MS));
        unsigned answered = client.answered;
        weft_world_crash_store(end.host);
        weft_world_pass(world, WEFT_SECOND);
        assert_int_equal(client.answered, answered); /* a dead process is told nothing */
        assert_int_equal(ask_world(&end, world, &invite), WEFT_ERR_CLOSED);
        assert_int_equal(ask_world(&end, world, &open), 0);
        struct weft_store_op list = {.kind = WEFT_STORE_LIST_INVITES};
        assert_int_equal(ask_world(&end, world, &list), 0);
        unsigned used = NODES - end.result.page.invites[0].left;
        assert_true(used >= answered);
        for (uint32_t node = 1; node <= NODES; node++) {
            assert_int_equal(client.told[node], node <= answered);
            struct weft_store_op again = store_redeem(1, node, "another", 1000);
            assert_int_equal(ask_world(&end, world, &again), 0);
            assert_int_equal(end.result.verdict, node <= used ? WEFT_STORE_AGAIN : WEFT_STORE_REDEEMED);
        }
        lost += NODES - used;
        kept_untold += used - answered;
        weft_world_free(world);
    }
    assert_true(lost > 0 && kept_untold > 0);
}

static void a_simulated_disk_that_is_full_keeps_what_it_has(void **state)
{
    (void)state;
    struct weft_world *world;
    struct store_end end = {0};
    struct weft_store_op open = {.kind = WEFT_STORE_OPEN, .path = "state/mesh.db"}, invite, list, redeem;
    assert_int_equal(weft_world_new(&world, &(struct weft_world_options){.seed = 1}), 0);
    end.host = weft_world_host(world, "gateway");
    invite = store_invite(1, 2, 2000);
    list = (struct weft_store_op){.kind = WEFT_STORE_LIST_INVITES};
    redeem = store_redeem(1, 7, "c", 1000);
    assert_int_equal(ask_world(&end, world, &open), 0);
    assert_int_equal(ask_world(&end, world, &invite), 0);
    weft_world_fail_store(end.host, 0, WEFT_ERR_FULL);
    assert_int_equal(ask_world(&end, world, &redeem), WEFT_ERR_FULL);
    assert_true(end.problem[0] != '\0');
    assert_int_equal(ask_world(&end, world, &list), 0);
    assert_int_equal(end.result.page.invites[0].left, 2);
    weft_world_fail_store(end.host, WEFT_ERR_IO, WEFT_ERR_IO);
    assert_int_equal(ask_world(&end, world, &list), WEFT_ERR_IO);
    weft_world_crash_store(end.host);
    assert_int_equal(ask_world(&end, world, &open), WEFT_ERR_IO);
    weft_world_fail_store(end.host, 0, 0);
    assert_int_equal(ask_world(&end, world, &open), 0);
    assert_int_equal(ask_world(&end, world, &redeem), 0);
    assert_int_equal(end.result.left, 1);
    weft_world_free(world);
}

static int faults_init(void **state)
{
    (void)state;
    return store_faults_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_stores_give_the_same_answers),
        cmocka_unit_test(an_allocation_that_fails_loses_nothing),
        cmocka_unit_test(a_disk_that_fails_or_is_full_loses_nothing),
        cmocka_unit_test(a_write_that_is_torn_loses_nothing),
        cmocka_unit_test(a_process_that_is_killed_has_lost_nothing_it_answered),
        cmocka_unit_test(a_simulated_crash_loses_only_what_was_not_answered),
        cmocka_unit_test(a_simulated_disk_that_is_full_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, faults_init, NULL);
}
