/* bench/scale.c - a mesh of many nodes and gateways on a fake clock: how soon all know what one says, what that costs.
 *
 * Each gateway and each node is a whole membership, roster and gossip of src/mesh; the bytes between them go through
 * the world of the gossip's tests, and a signature that many verify is computed once (bench/once.c). Prints one JSON
 * object, which bench/scale reads; docs/SCALE.md says what all of it means. The same seed gives the same figures, but
 * for offer_us. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "bench/flags.h"
#include "bench/once.h"
#include "mesh/anchor.h"
#include "unit/mesh/gossip_world.h"

#define GATEWAYS_MAX 64
#define NODES_MAX    20000
#define MODELS       50 /* that the nodes serve: each one, and uses the same from others */
#define WATCHES_MAX  4096
#define TIMES_MAX    32768
#define GIVE_UP      (120 * WEFT_SECOND)
#define LOOK         (10 * WEFT_MS) /* how often it is looked who knows what */

#define GATEWAY_UPLINK (100 * 1000 * 1000 / 8)
#define NODE_UPLINK    (10 * 1000 * 1000 / 8)
#define SET_UP_TRIPS   4                       /* one way: TCP, then TLS */
#define PACKET_HEADS   (20 + 32 + 22 + 9 + 52) /* IPv4, TCP with its timestamps, TLS, HTTP/2; and an acknowledgement */

#define SETTLE      (5 * WEFT_SECOND)
#define STEADY_S    30
#define PROBES      500
#define PROBE_EVERY (100 * WEFT_MS)
#define CHURN_S     60
#define CHURN_AWAY  (10 * WEFT_SECOND)
#define PARTITION_S 30
#define PER_MINUTE  100 /* 1 % of the nodes is one in so many */

/* A connection: dialled when its timer fires. */
struct wire {
    struct weft_timer dial;
    struct world_node *one, *other;
    bool attaches; /* `one` is a node, and attached to `other` */
    struct world_end ends[2];
};

struct member {
    struct world_node node;
    struct wire wires[2];
    struct weft_timer renew, back;
    bool knows; /* somebody who serves what it uses */
};

/* Something that all gateways are to hear of. */
struct watch {
    const struct world_node *of;
    uint64_t sequence;
    bool gone;
    weft_time since;
    size_t known_by; /* the first so many gateways */
};

struct times {
    weft_time at[TIMES_MAX];
    size_t count;
};

static struct world world;
static struct world_node *gateways;
static struct member *members;
static struct wire *between; /* gateways: i * GATEWAYS_MAX + j with j < i */
static size_t gateway_count, member_count;
static struct watch watches[WATCHES_MAX];
static size_t watch_count;
static struct times announced, left, came, ready;

/* -- connections -- */

static void on_dial(struct weft_timer *timer)
{
    struct wire *wire = WEFT_CONTAINER(timer, struct wire, dial);
    if (wire->attaches) {
        world_attach(wire->ends, wire->one, wire->other);
    } else {
        world_join_gateways(wire->ends, wire->one, wire->other);
    }
}

/* It is there when it is set up, after up to so long. */
static void dial(struct wire *wire, weft_time spread)
{
    weft_time wait = spread > 0 ? (weft_time)weft_random_below(&world.random, (uint64_t)spread) : 0;
    weft_timer_set(&world.timers, &wire->dial, world.now + SET_UP_TRIPS * world.delay + wait);
}

static void hang_up(struct wire *wire)
{
    weft_timer_clear(&world.timers, &wire->dial);
    if (wire->ends[0].link) {
        world_cut(&wire->ends[0]);
    }
}

static void init_wire(struct wire *wire, struct world_node *one, struct world_node *other, bool attaches)
{
    *wire = (struct wire){.one = one, .other = other, .attaches = attaches};
    weft_timer_init(&wire->dial, on_dial);
    assert_int_equal(weft_timers_reserve(&world.timers), 0);
}

/* To two gateways by chance. */
static void attach(struct member *member, weft_time spread)
{
    size_t first = (size_t)weft_random_below(&world.random, gateway_count);
    size_t skip = 1 + (size_t)weft_random_below(&world.random, gateway_count - 1);
    member->wires[0].other = &gateways[first];
    member->wires[1].other = &gateways[(first + skip) % gateway_count];
    dial(&member->wires[0], spread);
    dial(&member->wires[1], spread);
}

static void cut_between(size_t i, size_t j)
{
    hang_up(&between[i * GATEWAYS_MAX + j]);
}

/* -- who has heard -- */

static void watch(const struct world_node *of, bool gone)
{
    assert_true(watch_count < WATCHES_MAX);
    watches[watch_count++] =
        (struct watch){.of = of, .sequence = of->self.announcement.sequence, .gone = gone, .since = world.now};
}

static bool has_heard(const struct world_node *who, const struct watch *of)
{
    const struct weft_entry *entry = weft_roster_get(who->roster, &of->of->self.identity.key);
    bool live = entry && weft_roster_state(entry) == WEFT_ROSTER_LIVE;
    return of->gone ? !live : live && entry->bytes && entry->sequence >= of->sequence;
}

static void note(struct times *times, weft_time took)
{
    assert_true(times->count < TIMES_MAX);
    times->at[times->count++] = took;
}

static void look(struct times *announcements)
{
    for (size_t i = watch_count; i-- > 0;) {
        struct watch *one = &watches[i];
        while (one->known_by < gateway_count && has_heard(&gateways[one->known_by], one)) {
            one->known_by++;
        }
        if (one->known_by == gateway_count) {
            note(one->gone ? &left : announcements, world.now - one->since);
            *one = watches[--watch_count];
        }
    }
}

static void run_for(weft_time so_long, struct times *announcements)
{
    for (weft_time end = world.now + so_long; world.now < end;) {
        world_run(&world, LOOK);
        look(announcements);
    }
}

/* -- nodes -- */

static void on_renew(struct weft_timer *timer)
{
    struct member *member = WEFT_CONTAINER(timer, struct member, renew);
    world_announce(&member->node);
    weft_timer_set(&world.timers, timer, world.now + WEFT_ROSTER_RENEW_S * WEFT_SECOND);
}

/* It comes back with something new to say, by other gateways. */
static void on_back(struct weft_timer *timer)
{
    struct member *member = WEFT_CONTAINER(timer, struct member, back);
    world_announce(&member->node);
    attach(member, 0);
    watch(&member->node, false);
}

static bool is_away(const struct member *member)
{
    return !member->wires[0].ends[0].link || !member->wires[1].ends[0].link;
}

static void leave(struct member *member)
{
    hang_up(&member->wires[0]);
    hang_up(&member->wires[1]);
    watch(&member->node, true);
    weft_timer_set(&world.timers, &member->back, world.now + CHURN_AWAY);
}

static void add_member(struct member *member, uint32_t number)
{
    static const uint64_t life_us = (uint64_t)WEFT_ROSTER_RENEW_S * (uint64_t)WEFT_SECOND;
    world_add(&world, &member->node, number, WEFT_ROLE_PEER);
    member->node.uplink = NODE_UPLINK;
    furnish(&member->node.self, number, MODELS);
    world_announce(&member->node);
    weft_gossip_use(member->node.gossip,
                    (const uint8_t(*)[WEFT_HASH_SIZE]) & member->node.self.announcement.models[0].hash, 1);
    for (size_t i = 0; i < 2; i++) {
        init_wire(&member->wires[i], &member->node, NULL, true);
    }
    weft_timer_init(&member->renew, on_renew);
    weft_timer_init(&member->back, on_back);
    assert_int_equal(weft_timers_reserve(&world.timers), 0);
    assert_int_equal(weft_timers_reserve(&world.timers), 0);
    weft_timer_set(&world.timers, &member->renew, world.now + (weft_time)weft_random_below(&world.random, life_us));
}

static void make_mesh(uint64_t seed)
{
    make_people();
    world_init(&world, seed);
    gateways = weft_calloc(gateway_count, sizeof(*gateways));
    members = weft_calloc(member_count, sizeof(*members));
    between = weft_calloc(GATEWAYS_MAX * GATEWAYS_MAX, sizeof(*between));
    assert_true(gateways && members && between);
    for (size_t i = 0; i < gateway_count; i++) {
        world_add(&world, &gateways[i], NODES_MAX + (uint32_t)i, WEFT_ROLE_GATEWAY);
        gateways[i].uplink = GATEWAY_UPLINK;
        furnish(&gateways[i].self, (uint32_t)i, MODELS);
        world_announce(&gateways[i]);
        for (size_t j = 0; j < i; j++) {
            init_wire(&between[i * GATEWAYS_MAX + j], &gateways[i], &gateways[j], false);
        }
    }
    for (size_t i = 0; i < member_count; i++) {
        add_member(&members[i], (uint32_t)i);
    }
}

static void end_mesh(void)
{
    for (size_t i = 0; i < member_count; i++) {
        weft_timer_clear(&world.timers, &members[i].renew);
        weft_timer_clear(&world.timers, &members[i].back);
        hang_up(&members[i].wires[0]);
        hang_up(&members[i].wires[1]);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        for (size_t j = 0; j < i; j++) {
            cut_between(i, j);
        }
    }
    for (size_t i = 0; i < member_count; i++) {
        world_remove(&members[i].node);
    }
    for (size_t i = 0; i < gateway_count; i++) {
        world_remove(&gateways[i]);
    }
    weft_free(members);
    weft_free(gateways);
    weft_free(between);
    world_end_all(&world);
}

/* -- what is printed -- */

static int by_size(const void *one, const void *other)
{
    const weft_time *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static void print_times(const char *name, struct times *times)
{
    double sum = 0;
    for (size_t i = 0; i < times->count; i++) {
        sum += (double)times->at[i];
    }
    assert_true(times->count > 0);
    qsort(times->at, times->count, sizeof(times->at[0]), by_size);
    printf("\"%s\": {\"count\": %zu, \"mean_s\": %.3f, \"p99_s\": %.3f, \"worst_s\": %.3f}, ", name, times->count,
           sum / (double)times->count / 1e6, (double)times->at[(times->count * 99 + 99) / 100 - 1] / 1e6,
           (double)times->at[times->count - 1] / 1e6);
}

struct traffic {
    uint64_t gateways_out, gateways_in, nodes_out, nodes_in, node_packets;
};

static struct traffic traffic_so_far(void)
{
    struct traffic sum = {0};
    for (size_t i = 0; i < gateway_count; i++) {
        struct weft_gossip_counts counts = weft_gossip_counts(gateways[i].gossip);
        sum.gateways_out += counts.bytes_out;
        sum.gateways_in += counts.bytes_in;
    }
    for (size_t i = 0; i < member_count; i++) {
        struct weft_gossip_counts counts = weft_gossip_counts(members[i].node.gossip);
        sum.nodes_out += counts.bytes_out;
        sum.nodes_in += counts.bytes_in;
        sum.node_packets += members[i].node.packets_out + members[i].node.packets_in;
    }
    return sum;
}

/* Bytes a second, of one of each, since `before`. */
static void print_traffic(const char *name, const struct traffic *before, double seconds)
{
    struct traffic now = traffic_so_far();
    double per_gateway = seconds * (double)gateway_count, per_node = seconds * (double)member_count;
    uint64_t of_nodes = now.nodes_out - before->nodes_out + now.nodes_in - before->nodes_in;
    printf(
        "\"%s\": {\"gateway_to_gateways\": %.1f, \"gateway_in_and_out\": %.1f, \"node_in\": %.2f, \"node_out\": %.2f, "
        "\"node_with_heads\": %.2f}, ",
        name, (double)(now.gateways_out - before->gateways_out - (now.nodes_in - before->nodes_in)) / per_gateway,
        (double)(now.gateways_out - before->gateways_out + now.gateways_in - before->gateways_in) / per_gateway,
        (double)(now.nodes_in - before->nodes_in) / per_node, (double)(now.nodes_out - before->nodes_out) / per_node,
        ((double)of_nodes + (double)(now.node_packets - before->node_packets) * PACKET_HEADS) / per_node);
}

/* -- what is measured -- */

/* What all nodes and gateways have said up to now is what all gateways are to hold, and reach all of them. */
static struct watch *watch_all(void)
{
    size_t count = member_count + gateway_count;
    struct watch *all = weft_calloc(count, sizeof(*all));
    assert_non_null(all);
    for (size_t i = 0; i < count; i++) {
        const struct world_node *of = i < member_count ? &members[i].node : &gateways[i - member_count];
        all[i] = (struct watch){.of = of, .sequence = of->self.announcement.sequence};
    }
    return all;
}

/* Nobody leaves meanwhile, so what was found stays true, and `all` is gone through once for each gateway: *at says how
 * far. */
static bool all_have_heard(const struct watch *all, size_t *at)
{
    size_t count = member_count + gateway_count;
    while (*at < count * gateway_count && has_heard(&gateways[*at / count], &all[*at % count])) {
        (*at)++;
    }
    return *at == count * gateway_count;
}

/* Whether this node could ask somebody else for the model it uses. */
static bool has_somebody(const struct member *member)
{
    const struct weft_roster *roster = member->node.roster;
    const uint8_t *hash = member->node.self.announcement.models[0].hash;
    struct weft_holders_range range = weft_roster_holders(roster, hash, weft_slice("", 0));
    for (size_t i = 0; i < range.count; i++) {
        const struct weft_entry *entry = weft_roster_holder(roster, range, i, hash, weft_slice("", 0));
        if (entry && !weft_key_equal(&entry->key, &member->node.self.identity.key) &&
            weft_roster_state(entry) == WEFT_ROSTER_LIVE) {
            return true;
        }
    }
    return false;
}

static size_t find_ready(weft_time start)
{
    size_t waiting = 0;
    for (size_t i = 0; i < member_count; i++) {
        if (!members[i].knows && has_somebody(&members[i])) {
            members[i].knows = true;
            note(&ready, world.now - start);
        }
        waiting += members[i].knows ? 0 : 1;
    }
    return waiting;
}

/* Everything begins at once: gateways, nodes, and all links between them. */
static void measure_cold(void)
{
    weft_time start = world.now, same = 0;
    struct watch *all = watch_all();
    size_t heard = 0;
    struct traffic before = traffic_so_far();
    for (size_t i = 0; i < gateway_count; i++) {
        for (size_t j = 0; j < i; j++) {
            dial(&between[i * GATEWAYS_MAX + j], WEFT_ANCHOR_SPREAD);
        }
    }
    for (size_t i = 0; i < member_count; i++) {
        attach(&members[i], WEFT_ANCHOR_SPREAD);
    }
    for (bool waiting = true; (waiting || same == 0) && world.now - start < GIVE_UP;) {
        world_run(&world, 5 * LOOK);
        waiting = find_ready(start) > 0;
        if (same == 0 && all_have_heard(all, &heard)) {
            same = world.now - start;
            struct traffic now = traffic_so_far();
            printf("\"cold_s\": %.2f, \"cold_sent_by_gateway\": %.0f, ", (double)same / 1e6,
                   (double)(now.gateways_out - before.gateways_out) / (double)gateway_count);
        }
    }
    weft_free(all);
    assert_true(same > 0 && ready.count == member_count);
    print_times("ready", &ready);
}

static void measure_steady(void)
{
    struct traffic before = traffic_so_far();
    world_run(&world, STEADY_S * WEFT_SECOND);
    print_traffic("steady", &before, STEADY_S);
}

static void measure_announcements(void)
{
    for (size_t i = 0; i < PROBES; i++) {
        struct member *member = &members[weft_random_below(&world.random, member_count)];
        world_announce(&member->node);
        watch(&member->node, false);
        run_for(PROBE_EVERY, &announced);
    }
    run_for(SETTLE, &announced);
    assert_int_equal(watch_count, 0);
    print_times("announcement", &announced);
}

/* So many seconds in which 1 % of the nodes a minute leaves, and comes back by other gateways. */
static void churn(int seconds)
{
    size_t due = 0;
    for (int i = 0; i < seconds; i++) {
        for (due += member_count; due >= (size_t)60 * PER_MINUTE; due -= (size_t)60 * PER_MINUTE) {
            struct member *member = &members[weft_random_below(&world.random, member_count)];
            if (!is_away(member)) {
                leave(member);
            }
        }
        run_for(WEFT_SECOND, &came);
    }
}

static void measure_churn(void)
{
    struct traffic before = traffic_so_far();
    churn(CHURN_S);
    print_traffic("churn", &before, CHURN_S);
    run_for(CHURN_AWAY + SETTLE, &came);
    assert_int_equal(watch_count, 0);
    print_times("leaving", &left);
    print_times("coming", &came);
}

/* Half of the gateways and the other half do not reach each other, while nodes come and go. */
static void measure_partition(void)
{
    size_t half = gateway_count / 2;
    for (size_t i = half; i < gateway_count; i++) {
        for (size_t j = 0; j < half; j++) {
            cut_between(i, j);
        }
    }
    churn(PARTITION_S);
    for (size_t i = 0; i < member_count; i++) {
        struct member *member = &members[i];
        if (member->back.place != 0) { /* it is away still */
            weft_timer_set(&world.timers, &member->back, world.now);
        }
    }
    run_for(SETTLE, &came);
    watch_count = 0; /* what was not heard across the split */
    weft_time start = world.now;
    struct watch *all = watch_all();
    size_t heard = 0;
    for (size_t i = half; i < gateway_count; i++) {
        for (size_t j = 0; j < half; j++) {
            dial(&between[i * GATEWAYS_MAX + j], WEFT_ANCHOR_AGAIN_MAX);
        }
    }
    while (!all_have_heard(all, &heard) && world.now - start < GIVE_UP) {
        world_run(&world, LOOK);
    }
    weft_free(all);
    assert_true(world.now - start < GIVE_UP);
    printf("\"healing_s\": %.2f, ", (double)(world.now - start) / 1e6);
}

/* A roster of its own, to which all that a gateway holds is offered. */
static void measure_memory(void)
{
    struct weft_membership *membership;
    struct weft_roster *roster;
    struct weft_roster_settings settings = {.self = root.key, .secret = {{1}}, .entries_max = world.entries_max};
    size_t bytes = 0, count = 0;
    uint32_t cursor = 0;
    assert_int_equal(weft_membership_new(&membership, &root.key), 0);
    int64_t live = weft_mem_live();
    struct mallinfo2 before = mallinfo2();
    assert_int_equal(weft_roster_new(&roster, &settings, membership), 0);
    bench_check_again = true;
    clock_t begin = clock();
    for (const struct weft_entry *entry; (entry = weft_roster_next(gateways[0].roster, &cursor));) {
        struct weft_gossip_name name;
        assert_int_equal(weft_roster_offer(roster, weft_roster_bytes(entry), WEFT_ROSTER_RELAYED, world.now,
                                           world_now_s(&world), &name),
                         WEFT_ROSTER_ADDED);
        bytes += entry->size;
        count++;
    }
    double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
    bench_check_again = false;
    struct mallinfo2 after = mallinfo2();
    size_t announcements, others, heap = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    weft_roster_memory(roster, &announcements, &others);
    assert_int_equal(announcements, bytes);
    printf("\"announcement_bytes\": %.0f, \"entry_stated\": %.0f, \"entry_heap\": %.0f, \"entry_allocations\": %.3f, "
           "\"offer_us\": %.0f, ",
           (double)bytes / (double)count, (double)others / (double)count, (double)(heap - bytes) / (double)count,
           (double)(weft_mem_live() - live) / (double)count, took / (double)count * 1e6);
    weft_roster_free(roster);
    weft_membership_free(membership);
}

static void print_refused(void)
{
    uint64_t refused = 0, unsaid = 0;
    for (size_t i = 0; i < gateway_count; i++) {
        for (int outcome = WEFT_ROSTER_MALFORMED; outcome < WEFT_ROSTER_OUTCOMES; outcome++) {
            refused += weft_roster_count(gateways[i].roster, (enum weft_roster_outcome)outcome);
        }
        unsaid += weft_gossip_counts(gateways[i].gossip).unsaid;
    }
    printf("\"refused\": %llu, \"unsaid\": %llu}\n", (unsigned long long)refused, (unsigned long long)unsaid);
}

int main(int argc, char **argv)
{
    int nodes = 625, gates = 50, seed = 1;
    const struct bench_flag flags[] = {
        {.name = "--nodes", .number = &nodes, .max = NODES_MAX},
        {.name = "--gateways", .number = &gates, .max = GATEWAYS_MAX},
        {.name = "--seed", .number = &seed, .max = 1000000000},
    };
    for (int at = 1; at < argc;) {
        if (bench_flag_take(flags, WEFT_COUNT(flags), argc, argv, &at) <= 0) {
            (void)fprintf(stderr, "bench_scale: --nodes N, --gateways N (at least 2), --seed N; not \"%s\"\n",
                          argv[at]);
            return 2;
        }
    }
    if (gates < 2) {
        (void)fprintf(stderr, "bench_scale: each node has two gateways, so --gateways is 2 at least\n");
        return 2;
    }
    gateway_count = (size_t)gates;
    member_count = (size_t)nodes;
    make_mesh((uint64_t)seed);
    printf("{\"seed\": %d, \"gateways\": %d, \"nodes\": %d, ", seed, gates, nodes);
    measure_cold();
    measure_announcements();
    measure_steady();
    measure_churn();
    measure_partition();
    measure_memory();
    print_refused();
    end_mesh();
    return 0;
}
