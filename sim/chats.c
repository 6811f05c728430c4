/* sim/chats.c - who in a mesh serves a model, and who asks for it. */
#include "sim/chats.h"

#include "base/assert.h"

#define GAP_MIN (4 * WEFT_MS) /* from a step of an engine to the next */
#define GAP_MAX (40 * WEFT_MS)
#define SEEDS   1024 /* of requests, for each seed of the story */

static const char *const models[] = {"/models/" WEFT_READER_MODEL ".gguf"};

void weft_chats_serve(struct weft_chats *chats, struct weft_member *member)
{
    static const char *const names[] = {"e1", "e2", "e3", "e4", "e5"};
    struct weft_world *world = chats->story->world;
    WEFT_ASSERT(chats->server_count < WEFT_CHATS_SERVERS_MAX);
    struct weft_batch *batch = &chats->servers[chats->server_count];
    struct weft_host *host = weft_world_host(world, names[chats->server_count++]);
    weft_batch_start(batch, chats->story, host, member->host);
    batch->gap = GAP_MIN + (weft_time)weft_world_below(world, (uint64_t)GAP_MAX);
    batch->shared = true;
    member->models = models;
    member->model_count = WEFT_COUNT(models);
}

void weft_chats_ask(struct weft_chats *chats, const struct weft_member *member)
{
    for (size_t i = 0; chats->asked < WEFT_CHATS_ASKED_MAX && i < WEFT_CHATS_READERS_MAX; i++) {
        struct weft_chat *chat = &chats->chats[i];
        if (!chat->at) {
            uint64_t seed =
                chats->story->seed % ((uint64_t)1 << 40) * SEEDS + 1 + chats->asked++ * WEFT_SCRIPT_CHOICES_MAX;
            enum weft_reader_kind kind =
                (enum weft_reader_kind)weft_world_below(chats->story->world, WEFT_READER_KINDS);
            chat->at = member;
            chat->crashes = member->crashes;
            weft_reader_ask(&chat->reader, chats->story, member->people, member->api, kind, seed, SIZE_MAX);
            return;
        }
    }
}

void weft_chats_hear(struct weft_chats *chats, bool rough)
{
    for (size_t i = 0; i < WEFT_CHATS_READERS_MAX; i++) {
        struct weft_chat *chat = &chats->chats[i];
        bool gone = chat->at && chat->crashes != chat->at->crashes;
        if (!chat->at || (!gone && !weft_reader_told(&chat->reader))) {
            continue;
        }
        if (!gone && rough) {
            weft_reader_judge_rough(&chat->reader);
        } else if (!gone) {
            weft_reader_judge(&chat->reader);
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
        weft_batch_stop(&chats->servers[i]);
    }
}
