/* node/peers.c - the other nodes of the mesh as this one asks them. */
#include "node/peers.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#define FULL        1000                /* a peer whose slots are all taken, as a load; less: some are free */
#define NEAR        (FULL / 4)          /* who differs by no more is as good */
#define AVOIDED     ((uint64_t)1 << 40) /* a load beyond all that are said */
#define LAST        ((uint64_t)1 << 41)
#define SAID_MAX    1000000 /* of requests at a peer: more are not believed */
#define SLOTS_MAX   1024    /* likewise: whoever said to have very many would look idle, and get all requests */
#define RETRY_S_MAX 5       /* so soon a peer that was full is looked at again */

struct holding {
    struct weft_peer_model model;
    bool denied; /* the peer has said that it does not hold it, after it had said that it does */
};

struct peer {
    struct peer *next;
    struct weft_peer is;    /* but for its models */
    uint32_t own, own_then; /* requests of ours that run there: now, and when it said its load last */
    weft_time failed;       /* or was full, the last time ... */
    weft_time avoid_until;  /* ... and so it is avoided */
    uint64_t passed_over;   /* in this round of choosing */
    size_t count;
    struct holding at[]; /* and behind them the names */
};

struct entry {
    const struct weft_peer_model *model; /* of one that holds it */
    size_t peers, alive;
    uint32_t context, slots;
};

/* A model whose peers are not known. */
struct said {
    struct weft_peer_model model;
    size_t peers;
    char name[WEFT_PEERS_NAME_MAX];
};

struct weft_peers {
    struct weft_peers_options options;
    struct weft_line *line;
    struct peer *first;
    size_t count;
    uint64_t round;
    bool listed; /* the entries are as the peers are */
    size_t said_count, entry_count;
    struct said said[WEFT_PEERS_SAID_MAX];
    struct entry entries[WEFT_PEERS_MODELS_MAX];
};

const char *weft_peer_path_name(enum weft_peer_path path)
{
    static const char *const names[] = {[WEFT_PEER_DIRECT] = "direct", [WEFT_PEER_RELAYED] = "relayed"};
    return names[path];
}

static bool same_hash(const uint8_t *one, const uint8_t *other)
{
    return memcmp(one, other, WEFT_HOST_HASH_SIZE) == 0;
}

/* -- who is there -- */

static struct peer **place_of(struct weft_peers *peers, const struct weft_key *key)
{
    struct peer **at = &peers->first;
    while (*at && !weft_key_equal(&(*at)->is.key, key)) {
        at = &(*at)->next;
    }
    return at;
}

static bool is_named(const struct weft_peer_model *model)
{
    return model->name.size > 0 && model->name.size <= WEFT_PEERS_NAME_MAX;
}

static struct peer *peer_new(const struct weft_peer *said)
{
    size_t most = said->model_count < WEFT_PEERS_OF_PEER_MAX ? said->model_count : WEFT_PEERS_OF_PEER_MAX, names = 0;
    for (size_t i = 0; i < most; i++) {
        names += is_named(&said->models[i]) ? said->models[i].name.size : 0;
    }
    struct peer *peer = weft_zalloc(sizeof(*peer) + most * sizeof(peer->at[0]) + names);
    if (!peer) {
        return NULL;
    }
    peer->is = *said;
    peer->is.models = NULL;
    char *text = (char *)&peer->at[most];
    for (size_t i = 0; i < most; i++) {
        if (is_named(&said->models[i])) {
            struct weft_peer_model *model = &peer->at[peer->count++].model;
            *model = said->models[i];
            memcpy(text, model->name.data, model->name.size);
            model->name.data = text;
            text += model->name.size;
        }
    }
    return peer;
}

int weft_peers_set(struct weft_peers *peers, const struct weft_peer *said)
{
    struct peer **at = place_of(peers, &said->key), *before = *at;
    if (!before && peers->count >= WEFT_PEERS_MAX) {
        return WEFT_ERR_FULL;
    }
    struct peer *peer = peer_new(said);
    if (!peer) {
        return WEFT_ERR_MEMORY;
    }
    if (before) {
        peer->next = before->next;
        peer->own = peer->own_then = before->own;
        peer->failed = before->failed;
        peer->avoid_until = said->since > before->failed ? 0 : before->avoid_until; /* else it is another life */
        weft_free(before);
    } else {
        peers->count++;
    }
    *at = peer;
    peers->listed = false;
    return 0;
}

void weft_peers_load(struct weft_peers *peers, const struct weft_key *key, uint32_t running, uint32_t waiting)
{
    struct peer *peer = *place_of(peers, key);
    if (peer) {
        peer->is.running = running;
        peer->is.waiting = waiting;
        peer->own_then = peer->own;
    }
}

void weft_peers_remove(struct weft_peers *peers, const struct weft_key *key)
{
    struct peer **at = place_of(peers, key), *peer = *at;
    if (peer) {
        *at = peer->next;
        peers->count--;
        peers->listed = false;
        weft_free(peer);
    }
}

/* -- their models -- */

static struct entry *entry_of(struct weft_peers *peers, const struct weft_peer_model *model)
{
    for (size_t i = 0; i < peers->entry_count; i++) {
        struct entry *entry = &peers->entries[i];
        if (same_hash(entry->model->hash, model->hash) && weft_slice_equal_nocase(entry->model->name, model->name)) {
            return entry;
        }
    }
    if (peers->entry_count == WEFT_PEERS_MODELS_MAX) {
        return NULL;
    }
    struct entry *entry = &peers->entries[peers->entry_count++];
    *entry = (struct entry){.model = model};
    return entry;
}

/* Those that nobody holds who is known. */
static void list_said(struct weft_peers *peers)
{
    size_t known = peers->entry_count;
    for (size_t i = 0; i < peers->said_count; i++) {
        const struct said *said = &peers->said[i];
        size_t at = 0;
        while (at < known && !same_hash(peers->entries[at].model->hash, said->model.hash)) {
            at++;
        }
        struct entry *entry = at < known ? NULL : entry_of(peers, &said->model);
        if (entry) {
            entry->peers = entry->alive = said->peers;
        }
    }
}

/* When somebody wants to know: peers say what they are far more often. */
static void list(struct weft_peers *peers)
{
    if (peers->listed) {
        return;
    }
    peers->listed = true;
    peers->entry_count = 0;
    for (const struct peer *peer = peers->first; peer; peer = peer->next) {
        for (size_t i = 0; i < peer->count; i++) {
            const struct weft_peer_model *model = &peer->at[i].model;
            struct entry *entry = peer->at[i].denied ? NULL : entry_of(peers, model);
            if (!entry) {
                continue;
            }
            entry->peers++;
            entry->alive += peer->is.alive;
            entry->context = model->context > entry->context ? model->context : entry->context;
            entry->slots += peer->is.alive ? model->slots : 0;
        }
    }
    list_said(peers);
}

void weft_peers_say(struct weft_peers *peers, const struct weft_peer_said *said, size_t count)
{
    peers->said_count = 0;
    for (size_t i = 0; i < count && peers->said_count < WEFT_PEERS_SAID_MAX; i++) {
        if (said[i].name.size == 0 || said[i].name.size > WEFT_PEERS_NAME_MAX || said[i].peers == 0) {
            continue;
        }
        struct said *out = &peers->said[peers->said_count++];
        out->model = (struct weft_peer_model){.name = weft_slice(out->name, said[i].name.size)};
        out->peers = said[i].peers < WEFT_PEERS_MAX ? (size_t)said[i].peers : WEFT_PEERS_MAX;
        memcpy(out->model.hash, said[i].hash, sizeof(out->model.hash));
        memcpy(out->name, said[i].name.data, said[i].name.size);
    }
    peers->listed = false;
}

size_t weft_peers_models(struct weft_peers *peers)
{
    list(peers);
    return peers->entry_count;
}

void weft_peers_model(struct weft_peers *peers, size_t index, struct weft_peers_model *model)
{
    list(peers);
    WEFT_ASSERT(index < peers->entry_count);
    const struct entry *entry = &peers->entries[index];
    *model = (struct weft_peers_model){.name = entry->model->name,
                                       .hash = entry->model->hash,
                                       .peers = entry->peers,
                                       .alive = entry->alive,
                                       .context = entry->context,
                                       .slots = entry->slots};
}

struct weft_slice weft_peers_show(struct weft_peers *peers, size_t index, bool taken, char text[WEFT_PEERS_SHOWN_MAX])
{
    struct weft_peers_model model;
    char digits[2 * WEFT_HOST_HASH_SIZE + 1];
    weft_peers_model(peers, index, &model);
    for (size_t i = 0; i < peers->entry_count; i++) {
        taken = taken || (i != index && weft_slice_equal_nocase(peers->entries[i].model->name, model.name));
    }
    weft_hex(digits, model.hash, WEFT_HOST_HASH_SIZE);
    int size = snprintf(text, WEFT_PEERS_SHOWN_MAX, "%.*s%s%.*s", (int)model.name.size, model.name.data,
                        taken ? "@" : "", taken ? WEFT_PEERS_HASH_DIGITS : 0, digits); /* fits */
    return weft_slice(text, (size_t)size);
}

/* -- by their names -- */

struct weft_slice weft_peers_cut_hash(struct weft_slice *typed)
{
    size_t digits = 0;
    while (digits < typed->size && weft_hex_value(typed->data[typed->size - digits - 1]) >= 0) {
        digits++;
    }
    size_t name = typed->size - digits;
    if (digits < WEFT_PEERS_HASH_DIGITS_MIN || digits > (size_t)2 * WEFT_HOST_HASH_SIZE || name < 2 ||
        typed->data[name - 1] != '@') {
        return WEFT_SLICE("");
    }
    struct weft_slice cut = weft_slice(typed->data + name, digits);
    typed->size = name - 1;
    return cut;
}

bool weft_peers_hash_begins(const uint8_t hash[WEFT_HOST_HASH_SIZE], struct weft_slice digits)
{
    for (size_t i = 0; i < digits.size; i++) {
        int digit = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;
        if (weft_hex_value(digits.data[i]) != digit) {
            return false;
        }
    }
    return true;
}

/* The match speaks of those that were asked about: `indices` are theirs. */
static void translate(struct weft_model_match *match, const size_t *indices)
{
    for (size_t i = 0; i < match->count; i++) {
        match->at[i] = indices[match->at[i]];
    }
}

static void match_exactly(struct weft_model_match *match, struct weft_slice typed, const struct weft_slice *names,
                          size_t count)
{
    size_t found = 0;
    *match = (struct weft_model_match){.kind = WEFT_MODEL_MATCH_NONE};
    for (size_t i = 0; i < count; i++) {
        if (weft_slice_equal_nocase(names[i], typed)) {
            found++;
            if (match->count < WEFT_MODEL_MATCH_MAX) {
                match->at[match->count++] = i;
            }
        }
    }
    match->more = found - match->count;
    match->kind = found == 0 ? WEFT_MODEL_MATCH_NONE : found == 1 ? WEFT_MODEL_MATCH_ONE : WEFT_MODEL_MATCH_SEVERAL;
}

int weft_peers_find(struct weft_peers *peers, struct weft_slice typed, bool exact, struct weft_model_match *match)
{
    struct weft_slice names[WEFT_PEERS_MODELS_MAX], digits = weft_peers_cut_hash(&typed);
    size_t indices[WEFT_PEERS_MODELS_MAX], count = 0;
    list(peers);
    for (size_t i = 0; i < peers->entry_count; i++) {
        if (weft_peers_hash_begins(peers->entries[i].model->hash, digits)) {
            names[count] = peers->entries[i].model->name;
            indices[count++] = i;
        }
    }
    if (exact) {
        match_exactly(match, typed, names, count);
    } else {
        weft_model_match_find(match, typed, names, count);
    }
    translate(match, indices);
    return match->kind == WEFT_MODEL_MATCH_ONE ? (int)match->at[0] : -1;
}

/* -- asking one -- */

static const struct holding *holding_of(const struct peer *peer, const uint8_t hash[WEFT_HOST_HASH_SIZE])
{
    for (size_t i = 0; i < peer->count; i++) {
        if (same_hash(peer->at[i].model.hash, hash) && !peer->at[i].denied) {
            return &peer->at[i];
        }
    }
    return NULL;
}

static uint64_t bounded(uint32_t said)
{
    return said < SAID_MAX ? said : SAID_MAX;
}

/* Who is wanted. */
struct wish {
    const uint8_t *hash;
    const struct weft_key *last;
    uint32_t context_over;
};

/* What it said, and what of ours came since. UINT64_MAX: it is not to be asked. */
static uint64_t load_of(const struct weft_peers *peers, const struct peer *peer, const struct wish *wish)
{
    const struct holding *holding = holding_of(peer, wish->hash);
    if (!holding || !peer->is.alive || peer->passed_over == peers->round) {
        return UINT64_MAX;
    }
    if (wish->context_over > 0 && holding->model.context <= wish->context_over) {
        return UINT64_MAX;
    }
    uint64_t at_it = bounded(peer->is.running) + bounded(peer->is.waiting) + peer->own;
    at_it = at_it > peer->own_then ? at_it - peer->own_then : 0;
    uint64_t slots = holding->model.slots > 0 ? holding->model.slots : 1;
    slots = slots < SLOTS_MAX ? slots : SLOTS_MAX;
    uint64_t load = at_it * FULL / slots;
    load += peer->avoid_until > peers->options.loop->turn.now ? AVOIDED : 0;
    return load + (weft_key_equal(&peer->is.key, wish->last) ? LAST : 0);
}

/* Of those that are as good as the best, two by chance, and the better of them: what many know of one peer is late, and
 * all of them would go there. */
static struct peer *pick(struct weft_peers *peers, const struct wish *wish)
{
    struct weft_host *host = peers->options.loop->host;
    uint64_t best = UINT64_MAX, count = 0, chance[2];
    for (const struct peer *peer = peers->first; peer; peer = peer->next) {
        uint64_t load = load_of(peers, peer, wish);
        best = load < best ? load : best;
    }
    if (best == UINT64_MAX) {
        return NULL;
    }
    for (const struct peer *peer = peers->first; peer; peer = peer->next) {
        uint64_t load = load_of(peers, peer, wish);
        count += load != UINT64_MAX && load - best <= NEAR;
    }
    WEFT_ASSERT(count > 0); /* the best is among them */
    host->ops->entropy(host, chance, sizeof(chance));
    chance[0] %= count;
    chance[1] %= count;
    struct peer *chosen[2] = {NULL};
    uint64_t index = 0, loads[2] = {0};
    for (struct peer *peer = peers->first; peer; peer = peer->next) {
        uint64_t load = load_of(peers, peer, wish);
        if (load == UINT64_MAX || load - best > NEAR) {
            continue;
        }
        for (size_t i = 0; i < 2; i++) {
            chosen[i] = index == chance[i] ? peer : chosen[i];
            loads[i] = index == chance[i] ? load : loads[i];
        }
        index++;
    }
    return loads[1] < loads[0] ? chosen[1] : chosen[0];
}

int weft_peers_choose(struct weft_peers *peers, const uint8_t hash[WEFT_HOST_HASH_SIZE], const struct weft_key *last,
                      uint32_t context_over, struct weft_peers_choice *choice)
{
    const struct wish wish = {.hash = hash, .last = last, .context_over = context_over};
    struct peer *peer;
    peers->round++;
    *choice = (struct weft_peers_choice){.path = WEFT_PEER_DIRECT};
    while ((peer = pick(peers, &wish))) { /* ends: each round passes one over */
        if (peer->is.target(peer->is.self, &peer->is.key, &choice->target) == 0) {
            choice->key = peer->is.key;
            choice->path = peer->is.path;
            choice->context = holding_of(peer, hash)->model.context;
            peer->own++;
            return 0;
        }
        peer->passed_over = peers->round; /* it cannot be asked now: another one can */
    }
    return WEFT_ERR_NOT_FOUND;
}

/* In its own words it speaks of its engine; here it is the peer. */
static void rename_problem(struct weft_native_problem *problem)
{
    bool lost = strcmp(problem->code, "engine_lost") == 0;
    if (!lost && strcmp(problem->code, "engine_malformed") != 0) {
        return;
    }
    (void)snprintf(problem->code, sizeof(problem->code), "%s", lost ? "peer_lost" : "peer_malformed");
    (void)snprintf(problem->message, sizeof(problem->message), "%s",
                   lost ? "The node of the mesh that was answering went away before the answer was complete, and no "
                          "other one could go on. Ask again."
                        : "The node of the mesh that was answering did so in a way that this node does not understand. "
                          "One of the two may be too old: see which versions they run."); /* both fit */
}

/* What is wrong with the request is so everywhere, but for what an older weft does not know; and what ended one peer's
 * engine shall not end another's. */
static bool is_final(const struct weft_native_problem *problem)
{
    bool wrong = problem->status == 400 && strcmp(problem->code, "unknown_member") != 0;
    return wrong || problem->status == 413 || problem->status == 422 ||
           strcmp(problem->code, "request_kills_engine") == 0;
}

/* Whether somebody is there with a larger context than one that was too small. */
static bool has_larger(const struct weft_peers *peers, const uint8_t hash[WEFT_HOST_HASH_SIZE], uint32_t context)
{
    for (const struct peer *peer = peers->first; peer; peer = peer->next) {
        const struct holding *holding = peer->is.alive ? holding_of(peer, hash) : NULL;
        if (holding && holding->model.context > context) {
            return true;
        }
    }
    return false;
}

static void blame(struct weft_peers *peers, struct peer *peer, const uint8_t hash[WEFT_HOST_HASH_SIZE],
                  const struct weft_native_problem *problem)
{
    weft_time avoid = WEFT_PEERS_AVOID;
    for (size_t i = 0; i < peer->count && problem->status == 421; i++) {
        peer->at[i].denied = peer->at[i].denied || same_hash(peer->at[i].model.hash, hash);
        peers->listed = false;
        avoid = 0;
    }
    if (problem->status == 503) {
        int retry_s = problem->retry_s < RETRY_S_MAX ? problem->retry_s : RETRY_S_MAX;
        avoid = retry_s * WEFT_SECOND;
    }
    peer->failed = peers->options.loop->turn.now;
    peer->avoid_until = peer->failed + avoid;
}

void weft_peers_done(struct weft_peers *peers, const uint8_t hash[WEFT_HOST_HASH_SIZE],
                     struct weft_peers_choice *choice, struct weft_native_problem *problem)
{
    if (!weft_key_set(&choice->key)) {
        return;
    }
    struct peer *peer = *place_of(peers, &choice->key); /* it may have gone, and come again */
    if (peer && peer->own > 0) {
        peer->own--;
        peer->own_then = peer->own_then < peer->own ? peer->own_then : peer->own;
    }
    uint32_t context = choice->context;
    *choice = (struct weft_peers_choice){.path = WEFT_PEER_DIRECT};
    if (!problem) {
        return;
    }
    if (is_final(problem)) {
        problem->passes = strcmp(problem->code, WEFT_PEERS_OVERFLOW) == 0 && has_larger(peers, hash, context);
        return;
    }
    problem->passes = problem->passes || problem->status != 503; /* a 503 of our own: no memory here */
    rename_problem(problem);
    if (peer && problem->passes) {
        blame(peers, peer, hash, problem);
    }
}

/* -- its life -- */

struct weft_line *weft_peers_line(const struct weft_peers *peers)
{
    return peers->line;
}

int weft_peers_new(struct weft_peers **out, const struct weft_peers_options *options)
{
    static const struct weft_line_user nobody = {.wanted = NULL}; /* there is no engine to want or to end */
    struct weft_peers *peers = *out = weft_zalloc(sizeof(*peers));
    if (!peers) {
        return WEFT_ERR_MEMORY;
    }
    peers->options = *options;
    const struct weft_line_options line = {
        .loop = options->loop, .waiters_max = options->waiters_max, .stall = options->stall, .user = &nobody};
    int error = weft_line_new(&peers->line, &line);
    if (error < 0) {
        weft_free(peers);
        *out = NULL;
        return error;
    }
    weft_line_open(peers->line, WEFT_PEERS_RUNNING_MAX);
    return 0;
}

void weft_peers_free(struct weft_peers *peers)
{
    if (!peers) {
        return;
    }
    while (peers->first) {
        struct peer *peer = peers->first;
        peers->first = peer->next;
        weft_free(peer);
    }
    weft_line_free(peers->line);
    weft_free(peers);
}
