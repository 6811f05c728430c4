/* sim/chats.h - who in a mesh serves a model, and who asks for it, at whichever node: each knows what he must be told.
 */
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
};

struct weft_chats {
    struct weft_story *story;
    size_t server_count, asked;
    struct weft_batch servers[WEFT_CHATS_SERVERS_MAX];
    struct weft_chat chats[WEFT_CHATS_READERS_MAX];
};

/* From now on this member serves the model; before its first start. */
void weft_chats_serve(struct weft_chats *chats, struct weft_member *member);
/* Somebody asks there, if there is room for another one. */
void weft_chats_ask(struct weft_chats *chats, const struct weft_member *member);
/* Hears those who were told all. `rough`: faults strike, so an answer may end with an error that says so behind a right
 * beginning; it never says anything wrong, or twice. */
void weft_chats_hear(struct weft_chats *chats, bool rough);
bool weft_chats_told(const struct weft_chats *chats); /* nobody waits any more */
void weft_chats_end(struct weft_chats *chats);

#endif
