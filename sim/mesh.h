/* sim/mesh.h - a mesh of whole nodes, what its people want of it, and what must hold of it afterwards. */
#ifndef WEFT_SIM_MESH_H
#define WEFT_SIM_MESH_H

#include "sim/chats.h"
#include "sim/member.h"
#include "sim/swarm.h"

#define WEFT_MESH_GATEWAYS_MAX  3
#define WEFT_MESH_PEERS_MAX     5
#define WEFT_MESH_STRANGERS_MAX 2
#define WEFT_MESH_MEMBERS_MAX   (WEFT_MESH_GATEWAYS_MAX + WEFT_MESH_PEERS_MAX + WEFT_MESH_STRANGERS_MAX)
#define WEFT_MESH_DEEDS_MAX     8
#define WEFT_MESH_TEXT_MAX      128

/* What the owner of a gateway does, one after the other, each until he is told that it is done. */
enum weft_deed_kind {
    WEFT_DEED_INVITE,    /* makes an invite, and hands its line out */
    WEFT_DEED_TAKE_BACK, /* makes one, takes it back, and hands its line out then */
    WEFT_DEED_PUT_OUT,   /* puts a node out */
};

struct weft_deed {
    enum weft_deed_kind kind;
    struct weft_member *by;
    const char *role;
    unsigned uses;
    bool asked, made, done;
    weft_time again_at;
    size_t first, count; /* members, who get the line, or one of whom is put out */
    struct weft_member *out;
    char line[WEFT_INVITE_LINE_SIZE], id[WEFT_MESH_TEXT_MAX];
};

struct weft_mesh_play {
    struct weft_story *story;
    struct weft_host *people;
    struct weft_swarm swarm;
    size_t gateways, peers, strangers, count;
    struct weft_member members[WEFT_MESH_MEMBERS_MAX]; /* gateways, then peers, then strangers */
    weft_time handed;                                  /* a line takes up to so long to whoever it is for */
    size_t deed_count;
    struct weft_deed deeds[WEFT_MESH_DEEDS_MAX];
    struct weft_chats chats;
    weft_time replace_at; /* a model's file is replaced then, if faults strike; WEFT_NEVER: not any more */
};

bool weft_mesh_is_stranger(const struct weft_mesh_play *play, const struct weft_member *member);
/* Whoever owns what does what he wants, for so long. */
void weft_mesh_pass(struct weft_mesh_play *play, weft_time span, bool faults);
/* Lets a deed be done: NULL if there is no room for it. */
struct weft_deed *weft_mesh_add_deed(struct weft_mesh_play *play, const struct weft_deed *deed);
bool weft_mesh_settled(const struct weft_mesh_play *play); /* everybody was told all he waits for */

/* together.c: after a while each is attached, and gateways know who is in. */
void weft_mesh_find_together(struct weft_mesh_play *play);

/* judge.c: all has healed. What is wrong is told by the story's checks. */
void weft_mesh_judge(struct weft_mesh_play *play);

#endif
