/* sim/chats.c - who in a mesh serves a model, and who asks for it. */
#include "sim/chats.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/text.h"
#include "crypto/secret.h"

#define GAP_MIN (4 * WEFT_MS) /* from a step of an engine to the next */
#define GAP_MAX (40 * WEFT_MS)
#define SEEDS   1024 /* of requests, for each seed of the story */
#define DIGITS  8    /* of the model's hash */
#define CRASH   11   /* the signal */

#define FILE_OF_MODEL "/models/" WEFT_READER_MODEL ".gguf"

static const char *const models[] = {FILE_OF_MODEL};

void weft_chats_begin(struct weft_chats *chats, struct weft_story *story)
{
    struct weft_secret hash = weft_secret_of(WEFT_SLICE(FILE_OF_MODEL)); /* as the world has it of a file it has not */
    char digits[2 * sizeof(hash.hash) + 1];
    weft_hex(digits, hash.hash, sizeof(hash.hash));
    chats->story = story;
    (void)snprintf(chats->model, sizeof(chats->model), "%s@%.*s", WEFT_READER_MODEL, DIGITS, digits); /* fits */
}

/* -- who serves -- */

static const struct weft_chat *find(const struct weft_chats *chats, uint64_t seed)
{
    for (size_t i = 0; i < WEFT_CHATS_READERS_MAX; i++) {
        if (chats->chats[i].at && chats->chats[i].reader.script.seed == seed) {
            return &chats->chats[i];
        }
    }
    return NULL;
}

/* Every gateway knew that it was out before this was asked, and does. */
static bool is_barred(const struct weft_member *member, const struct weft_chat *chat)
{
    return member->out_at < chat->asked_at;
}

static void on_takes(struct weft_batch *batch, const struct weft_child *child, uint64_t seed)
{
    const struct weft_chats_server *server = batch->self;
    const struct weft_chat *chat = find(server->chats, seed); /* NULL: whoever asked is gone */
    struct weft_story *story = server->chats->story;
    weft_story_check(story, child->began < server->replaced_at, "%s answers with another model than was asked for",
                     server->member->name);
    if (chat && chat->at != server->member) {
        weft_story_check(story, !is_barred(chat->at, chat), "%s was put out, and %s answers it", chat->at->name,
                         server->member->name);
        weft_story_check(story, !is_barred(server->member, chat), "%s was put out, and %s asks it",
                         server->member->name, chat->at->name);
    }
}

void weft_chats_serve(struct weft_chats *chats, struct weft_member *member)
{
    static const char *const names[] = {"e1", "e2", "e3", "e4", "e5"};
    struct weft_world *world = chats->story->world;
    WEFT_ASSERT(chats->server_count < WEFT_CHATS_SERVERS_MAX);
    struct weft_chats_server *server = &chats->servers[chats->server_count];
    struct weft_host *host = weft_world_host(world, names[chats->server_count++]);
    weft_batch_start(&server->batch, chats->story, host, member->host);
    server->batch.gap = GAP_MIN + (weft_time)weft_world_below(world, (uint64_t)GAP_MAX);
    server->batch.shared = true;
    server->batch.takes = on_takes;
    server->batch.self = server;
    server->chats = chats;
    server->member = member;
    server->replaced_at = WEFT_NEVER;
    member->models = models;
    member->model_count = WEFT_COUNT(models);
}

void weft_chats_replace(struct weft_chats *chats)
{
    struct weft_world *world = chats->story->world;
    struct weft_chats_server *server = &chats->servers[weft_world_below(world, chats->server_count)];
    struct weft_child *child = weft_batch_child(&server->batch);
    weft_world_fault(server->member->host, NULL, 0, "another model's file is put in place of its own");
    weft_world_put_file(server->member->host, FILE_OF_MODEL, WEFT_SLICE("another model"));
    server->replaced_at = weft_world_now(world);
    if (child && weft_batch_running(&server->batch) == 0) {
        weft_child_die(child, CRASH);
    } else {
        weft_batch_doom(&server->batch, weft_world_below(world, 2) ? WEFT_BATCH_CUT : WEFT_BATCH_UNSAID, 0, CRASH);
    }
}

bool weft_chats_serves(const struct weft_chats *chats, const struct weft_member *member)
{
    for (size_t i = 0; i < chats->server_count; i++) {
        if (chats->servers[i].member == member) {
            return chats->servers[i].replaced_at == WEFT_NEVER;
        }
    }
    return false;
}

/* -- who asks -- */

bool weft_chats_ask(struct weft_chats *chats, const struct weft_member *member, bool may_fail)
{
    for (size_t i = 0; chats->asked < WEFT_CHATS_ASKED_MAX && i < WEFT_CHATS_READERS_MAX; i++) {
        struct weft_chat *chat = &chats->chats[i];
        if (!chat->at) {
            struct weft_world *world = chats->story->world;
            uint64_t seed =
                chats->story->seed % ((uint64_t)1 << 40) * SEEDS + 1 + chats->asked++ * WEFT_SCRIPT_CHOICES_MAX;
            enum weft_reader_kind kind = (enum weft_reader_kind)weft_world_below(world, WEFT_READER_KINDS);
            chat->at = member;
            chat->crashes = member->crashes;
            chat->asked_at = weft_world_now(world);
            chat->may_fail = may_fail;
            chat->reader.model = chats->model;
            weft_reader_ask(&chat->reader, chats->story, member->people, member->api, kind, seed, SIZE_MAX);
            return true;
        }
    }
    return false;
}

/* That a node lacks a model is between nodes, unless it is the asker's own that had it when he asked. */
static void judge(struct weft_chats *chats, struct weft_chat *chat)
{
    if (chat->may_fail) {
        weft_reader_judge_rough(&chat->reader);
    } else {
        weft_reader_judge(&chat->reader);
    }
    bool own = false;
    for (size_t i = 0; i < chats->server_count; i++) {
        own = own || (chats->servers[i].member == chat->at && chats->servers[i].replaced_at != WEFT_NEVER);
    }
    weft_story_check(chats->story, own || strcmp(chat->reader.code, "model_not_held") != 0,
                     "who asks at %s is told that another node lacks the model", chat->at->name);
}

void weft_chats_hear(struct weft_chats *chats)
{
    for (size_t i = 0; i < WEFT_CHATS_READERS_MAX; i++) {
        struct weft_chat *chat = &chats->chats[i];
        bool gone = chat->at && chat->crashes != chat->at->crashes;
        if (!chat->at || (!gone && !weft_reader_told(&chat->reader))) {
            continue;
        }
        if (!gone) {
            judge(chats, chat);
        }
        weft_reader_close(&chat->reader);
        chat->at = NULL;
    }
}

bool weft_chats_told(const struct weft_chats *chats)
{
    for (size_t i = 0; i < WEFT_CHATS_READERS_MAX; i++) {
        if (chats->chats[i].at) {
            return false;
        }
    }
    return true;
}

void weft_chats_end(struct weft_chats *chats)
{
    for (size_t i = 0; i < WEFT_CHATS_READERS_MAX; i++) {
        if (chats->chats[i].at) {
            weft_reader_close(&chats->chats[i].reader);
        }
    }
    for (size_t i = 0; i < chats->server_count; i++) {
        weft_batch_stop(&chats->servers[i].batch);
    }
}
