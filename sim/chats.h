/* sim/chats.h - who in a mesh serves a model, and who asks for it, at whichever node: each knows what he must be told.
 *
 * All ask for one model, by its name and the beginning of its hash. */
#ifndef WEFT_SIM_CHATS_H
#define WEFT_SIM_CHATS_H

#include "sim/batch.h"
#include "sim/member.h"
#include "sim/reader.h"

#define WEFT_CHATS_SERVERS_MAX 5
#define WEFT_CHATS_READERS_MAX 12
#define WEFT_CHATS_ASKED_MAX   WEFT_BATCH_REQUESTS_MAX /* ever: then nobody asks any more */

struct weft_chat {
    struct weft_reader reader;
    const struct weft_member *at; /* NULL: not in use */
    unsigned crashes;             /* of that node, when he asked */
    weft_time asked_at;
    bool may_fail; /* he may be told an error, behind a right beginning of his answer */
};

struct weft_chats_server {
    struct weft_chats *chats;
    struct weft_member *member;
    struct weft_batch batch;
    weft_time replaced_at; /* processes that begin from then on read another file */
};

struct weft_chats {
    struct weft_story *story;
    char model[64];
    size_t server_count, asked;
    struct weft_chats_server servers[WEFT_CHATS_SERVERS_MAX];
    struct weft_chat chats[WEFT_CHATS_READERS_MAX];
};

void weft_chats_begin(struct weft_chats *chats, struct weft_story *story);
/* From now on this member serves the model; before its first start. */
void weft_chats_serve(struct weft_chats *chats, struct weft_member *member);
/* One of those who serve gets another model's file in the place of this one, and its engine ends: at once if it has
 * nothing to do, or in the middle of an answer. */
void weft_chats_replace(struct weft_chats *chats);
bool weft_chats_serves(const struct weft_chats *chats, const struct weft_member *member);
/* Somebody asks there, if there is room for another one; false if not. */
bool weft_chats_ask(struct weft_chats *chats, const struct weft_member *member, bool may_fail);
/* Hears those who were told all. */
void weft_chats_hear(struct weft_chats *chats);
bool weft_chats_told(const struct weft_chats *chats); /* nobody waits any more */
void weft_chats_end(struct weft_chats *chats);

#endif
