/* sim/mesh.c - a mesh begins, its gateways invite, nodes join, some are put out, and everything goes wrong meanwhile.
 *
 * Each node is a whole one, with a store, a clock and an owner of its own. Owners know nothing of faults: they ask
 * until they are told. When the swarm has healed, sim/judge.c says what must hold. */
#include "sim/mesh.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"

#define STEP        (100 * WEFT_MS)
#define ROUGH_MIN   (10 * WEFT_SECOND)
#define ROUGH_MAX   (50 * WEFT_SECOND)
#define SETTLE      (180 * WEFT_SECOND) /* after that, whoever is not told anything is forgotten */
#define AGAIN       WEFT_SECOND
#define BODY_MAX    256
#define PATIENCE    (120 * WEFT_SECOND) /* of who asks */
#define HEARSAY     (10 * WEFT_SECOND)  /* until everybody must have heard who serves what */
#define CHAT_ONE_IN 20                  /* steps */
#define NEWS        (3 * WEFT_SECOND)
#define NEWS_ONE_IN 2
#define OUT_ONE_IN  3                     /* of those who ask are at a node that was put out */
#define LAST_CHATS  WEFT_MESH_MEMBERS_MAX /* for them there is room when all has healed */

static const char *const names[] = {"g1", "g2", "g3", "p1", "p2", "p3", "p4", "p5", "s1", "s2"};

static weft_time below(const struct weft_mesh_play *play, weft_time bound)
{
    return (weft_time)weft_world_below(play->story->world, (uint64_t)bound);
}

bool weft_mesh_is_stranger(const struct weft_mesh_play *play, const struct weft_member *member)
{
    return (size_t)(member - play->members) >= play->gateways + play->peers;
}

/* -- deeds -- */

struct weft_deed *weft_mesh_add_deed(struct weft_mesh_play *play, const struct weft_deed *deed)
{
    if (play->deed_count == WEFT_MESH_DEEDS_MAX) {
        return NULL;
    }
    play->deeds[play->deed_count] = *deed;
    return &play->deeds[play->deed_count++];
}

static void hand_out(struct weft_mesh_play *play, const struct weft_deed *deed)
{
    for (size_t i = deed->first; i < deed->first + deed->count; i++) {
        memcpy(play->members[i].line, deed->line, sizeof(deed->line));
        play->members[i].again_at = weft_world_now(play->story->world) + below(play, play->handed);
    }
}

/* Somebody who is in, and whose owner knows. */
static struct weft_member *find_victim(struct weft_mesh_play *play, const struct weft_deed *deed)
{
    struct weft_member *victim = NULL;
    weft_time in = 0;
    for (size_t i = deed->first; i < deed->first + deed->count; i++) {
        if (play->members[i].standing == WEFT_MEMBER_TOLD_IN && below(play, ++in) == 0) {
            victim = &play->members[i]; /* each as likely as any other */
        }
    }
    return victim;
}

static void ask_for(struct weft_mesh_play *play, struct weft_deed *deed)
{
    char body[BODY_MAX];
    if (deed->kind == WEFT_DEED_PUT_OUT) {
        struct weft_key key;
        char id[WEFT_PEER_ID_SIZE];
        deed->out = deed->out ? deed->out : find_victim(play, deed);
        if (!deed->out || !weft_member_key(deed->out, &key)) {
            return;
        }
        weft_key_text(&key, id);
        (void)snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id); /* fits, as the others */
        weft_member_ask(deed->by, "POST", "/weft/v1/mesh/revoke", body);
    } else if (deed->made) {
        (void)snprintf(body, sizeof(body), "{\"id\":\"%s\"}", deed->id);
        weft_member_ask(deed->by, "POST", "/weft/v1/mesh/invites/revoke", body);
    } else {
        (void)snprintf(body, sizeof(body), "{\"uses\":%u,\"role\":\"%s\"}", deed->uses, deed->role);
        weft_member_ask(deed->by, "POST", "/weft/v1/mesh/invites", body);
    }
    deed->asked = true;
}

static void hear_of(struct weft_mesh_play *play, struct weft_deed *deed)
{
    deed->asked = false;
    deed->again_at = weft_world_now(play->story->world) + AGAIN;
    if (deed->by->status != 200) {
        return;
    }
    if (deed->kind == WEFT_DEED_PUT_OUT) {
        deed->out->revoked = deed->done = true;
        return;
    }
    if (!deed->made) {
        deed->made = weft_member_read(deed->by, "line", deed->line, sizeof(deed->line)) &&
                     weft_member_read(deed->by, "id", deed->id, sizeof(deed->id));
        weft_story_check(play->story, deed->made, "%s made an invite that has no line", deed->by->name);
        deed->done = deed->kind == WEFT_DEED_INVITE;
    } else {
        deed->done = true;
    }
    if (deed->done) {
        hand_out(play, deed);
    }
}

/* An owner does one thing at a time, and what he was told to do first goes first. */
static void do_deeds(struct weft_mesh_play *play)
{
    for (size_t i = 0; i < play->deed_count; i++) {
        struct weft_deed *deed = &play->deeds[i];
        if (deed->asked && !deed->by->asks) {
            hear_of(play, deed);
        }
    }
    for (size_t i = 0; i < play->deed_count; i++) {
        struct weft_deed *deed = &play->deeds[i];
        bool in = deed->by == &play->members[0] || deed->by->standing == WEFT_MEMBER_TOLD_IN;
        if (!deed->done && !deed->asked && !deed->by->asks && !deed->by->joins && in && weft_member_runs(deed->by) &&
            weft_world_now(play->story->world) >= deed->again_at) {
            ask_for(play, deed);
        }
    }
}

/* -- chats -- */

/* Whoever is there; more often one that was put out, if there is one. */
static const struct weft_member *draw_asker(struct weft_mesh_play *play)
{
    const struct weft_member *anybody = &play->members[below(play, (weft_time)play->count)];
    for (size_t i = 0; i < play->count; i++) {
        if (play->members[i].revoked && below(play, OUT_ONE_IN) == 0) {
            return &play->members[i];
        }
    }
    return anybody;
}

/* All gateways have just heard that one is out: others may not have. */
static bool is_news(const struct weft_mesh_play *play)
{
    weft_time now = weft_world_now(play->story->world);
    for (size_t i = 0; i < play->count; i++) {
        weft_time out_at = play->members[i].out_at;
        if (out_at <= now && now - out_at < NEWS) {
            return true;
        }
    }
    return false;
}

static void chat(struct weft_mesh_play *play, bool rough)
{
    bool room = play->chats.asked < WEFT_CHATS_ASKED_MAX - LAST_CHATS;
    weft_chats_hear(&play->chats);
    if (!rough || !room || below(play, is_news(play) ? NEWS_ONE_IN : CHAT_ONE_IN) > 0) {
        return;
    }
    const struct weft_member *member = draw_asker(play);
    if (member->standing == WEFT_MEMBER_TOLD_IN && weft_member_runs(member)) {
        (void)weft_chats_ask(&play->chats, member, true); /* false: too many wait for an answer */
    }
}

/* Since when every gateway has stored that it is out: a story puts out one node at most. */
static void note_out(struct weft_mesh_play *play)
{
    bool all = true;
    for (size_t i = 0; i < play->gateways; i++) {
        const struct weft_host *host = play->members[i].host;
        bool in = i == 0 || weft_world_store_record(host, WEFT_STORE_MEMBERSHIPS, 0);
        all = all && (!in || weft_world_store_record(host, WEFT_STORE_REVOCATIONS, 0));
    }
    for (size_t i = 0; i < play->deed_count; i++) {
        struct weft_member *out = play->deeds[i].out; /* whoever put it out may not have been told yet */
        if (out && !all) {
            out->out_at = WEFT_NEVER;
        } else if (out && out->out_at == WEFT_NEVER) {
            out->out_at = weft_world_now(play->story->world);
        }
    }
}

static void replace_file(struct weft_mesh_play *play)
{
    if (weft_world_now(play->story->world) >= play->replace_at) {
        play->replace_at = WEFT_NEVER;
        weft_chats_replace(&play->chats);
    }
}

/* Somebody who is in has the model: others can be answered. */
static bool is_served(const struct weft_mesh_play *play)
{
    for (size_t i = 0; i < play->count; i++) {
        const struct weft_member *member = &play->members[i];
        bool in = member->standing == WEFT_MEMBER_TOLD_IN && !member->revoked;
        if (in && weft_chats_serves(&play->chats, member)) {
            return true;
        }
    }
    return false;
}

/* When all is well each who is in is answered as if nothing had been; who was put out has what it serves itself. */
static void chat_at_last(struct weft_mesh_play *play)
{
    weft_time until = weft_world_now(play->story->world) + PATIENCE;
    while (!weft_chats_told(&play->chats) && weft_world_now(play->story->world) < until) {
        weft_mesh_pass(play, WEFT_SECOND, false); /* those who asked while it was not */
    }
    weft_story_check(play->story, weft_chats_told(&play->chats), "somebody who asked is never told anything");
    weft_mesh_pass(play, HEARSAY, false);
    for (size_t i = 0; i < play->count; i++) {
        const struct weft_member *member = &play->members[i];
        bool by_others = is_served(play) && !member->revoked, by_itself = weft_chats_serves(&play->chats, member);
        if (member->standing == WEFT_MEMBER_TOLD_IN) {
            bool asked = weft_chats_ask(&play->chats, member, !by_others && !by_itself);
            weft_story_check(play->story, asked, "there is no room for who asks at last");
        }
    }
    until = weft_world_now(play->story->world) + PATIENCE;
    while (!weft_chats_told(&play->chats) && weft_world_now(play->story->world) < until) {
        weft_mesh_pass(play, WEFT_SECOND, false);
    }
    weft_story_check(play->story, weft_chats_told(&play->chats), "afterwards somebody who asks is told nothing");
}

/* -- time -- */

void weft_mesh_pass(struct weft_mesh_play *play, weft_time span, bool faults)
{
    weft_time until = weft_world_now(play->story->world) + span;
    while (weft_world_now(play->story->world) < until) {
        if (faults) {
            weft_swarm_tick(&play->swarm);
            replace_file(play);
        }
        for (size_t i = 0; i < play->count; i++) {
            weft_member_tick(&play->members[i]);
        }
        do_deeds(play);
        note_out(play);
        chat(play, faults);
        weft_world_pass(play->story->world, 1 + below(play, STEP));
    }
}

bool weft_mesh_settled(const struct weft_mesh_play *play)
{
    for (size_t i = 0; i < play->deed_count; i++) {
        if (!play->deeds[i].done) {
            return false;
        }
    }
    for (size_t i = 0; i < play->count; i++) {
        const struct weft_member *member = &play->members[i];
        bool waits = member->line[0] != '\0' && member->standing == WEFT_MEMBER_OUTSIDE;
        if (waits || !weft_member_runs(member)) {
            return false;
        }
    }
    return true;
}

static void settle(struct weft_mesh_play *play)
{
    weft_time began = weft_world_now(play->story->world);
    while (!weft_mesh_settled(play) && weft_world_now(play->story->world) - began < SETTLE) {
        weft_mesh_pass(play, WEFT_SECOND, false);
    }
    weft_story_check(play->story, weft_mesh_settled(play), "somebody still waits to be told something");
}

/* -- the story -- */

static void plan(struct weft_mesh_play *play)
{
    struct weft_member *root = &play->members[0];
    size_t peers = play->gateways, strangers = play->gateways + play->peers;
    bool tight = below(play, 3) == 0; /* the invite is for one less than have it */
    struct weft_deed deeds[] = {
        {.kind = WEFT_DEED_INVITE, .by = root, .role = "gateway", .first = 1, .count = play->gateways - 1},
        {.kind = WEFT_DEED_INVITE, .by = root, .role = "peer", .first = peers, .count = play->peers - 1},
        {.kind = WEFT_DEED_TAKE_BACK, .by = root, .role = "peer", .first = strangers, .count = play->strangers},
        /* The last one is another gateway's guest. */
        {.kind = WEFT_DEED_INVITE,
         .by = &play->members[play->gateways - 1],
         .role = "client",
         .uses = 1,
         .first = strangers - 1,
         .count = 1},
        {.kind = WEFT_DEED_PUT_OUT, .by = root, .first = peers, .count = play->peers},
    };
    deeds[WEFT_COUNT(deeds) - 1].again_at = weft_world_now(play->story->world) + below(play, ROUGH_MIN + ROUGH_MAX);
    deeds[0].uses = (unsigned)deeds[0].count;
    deeds[1].uses = (unsigned)deeds[1].count - (tight && deeds[1].count > 1);
    deeds[2].uses = (unsigned)play->strangers;
    for (size_t i = 0; i < WEFT_COUNT(deeds); i++) {
        bool out = deeds[i].kind == WEFT_DEED_PUT_OUT;
        if (out ? below(play, 2) == 0 : deeds[i].uses > 0) {
            (void)weft_mesh_add_deed(play, &deeds[i]); /* there is room for all of these */
        }
    }
}

static void begin(struct weft_mesh_play *play)
{
    struct weft_world *world = play->story->world;
    play->people = weft_world_host(world, "people");
    play->gateways = 1 + (size_t)below(play, WEFT_MESH_GATEWAYS_MAX);
    play->peers = 2 + (size_t)below(play, WEFT_MESH_PEERS_MAX - 1);
    play->strangers = 1 + (size_t)below(play, WEFT_MESH_STRANGERS_MAX);
    play->count = play->gateways + play->peers + play->strangers;
    play->handed = 1 + below(play, ROUGH_MIN);
    for (size_t i = 0; i < play->count; i++) {
        bool gateway = i < play->gateways;
        size_t name = gateway ? i
                      : i < play->gateways + play->peers
                          ? WEFT_MESH_GATEWAYS_MAX + i - play->gateways
                          : WEFT_MESH_GATEWAYS_MAX + WEFT_MESH_PEERS_MAX + i - play->gateways - play->peers;
        weft_member_init(&play->members[i], play->story, play->people, names[name], (unsigned)i + 1, gateway, i == 0);
    }
    weft_chats_begin(&play->chats, play->story);
    for (size_t i = 0; i + 1 < play->peers; i++) { /* the last one is a client, which offers nothing */
        if (i == 0 || below(play, 2)) {
            weft_chats_serve(&play->chats, &play->members[play->gateways + i]);
        }
    }
    play->replace_at = below(play, 2) ? weft_world_now(world) + below(play, ROUGH_MAX) : WEFT_NEVER;
    weft_swarm_begin(&play->swarm, play->story, play->members, play->count);
    plan(play);
}

void weft_story_mesh(struct weft_story *story)
{
    struct weft_mesh_play *play = weft_zalloc(sizeof(*play));
    WEFT_ASSERT(play);
    play->story = story;
    begin(play);
    weft_mesh_pass(play, ROUGH_MIN + below(play, ROUGH_MAX), true);
    weft_swarm_heal(&play->swarm);
    settle(play);
    weft_mesh_find_together(play);
    chat_at_last(play);
    weft_mesh_judge(play);
    for (size_t i = 0; i < play->count; i++) {
        weft_member_end(&play->members[i]);
    }
    weft_chats_end(&play->chats);
    weft_world_pass(story->world, WEFT_SECOND);
    weft_story_check(story, weft_world_links(story->world) == 0, "%zu connections are left",
                     weft_world_links(story->world));
    weft_free(play);
}
