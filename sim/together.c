/* sim/together.c - a healed mesh finds together: who is in is attached and known to all gateways, who is out is not. */
#include <stdio.h>

#include "sim/mesh.h"

#define BOUND   (60 * WEFT_SECOND) /* until everybody must have found everybody */
#define WANTED  2                  /* gateways, for each node */
#define WHY_MAX 128

/* What is still missing, for whoever looks at it. */
struct look {
    struct weft_mesh_play *play;
    bool together;
    char why[WHY_MAX];
};

static void miss(struct look *look, const struct weft_member *member, const char *what, const char *whom)
{
    if (look->together) {
        (void)snprintf(look->why, sizeof(look->why), "%s %s %s", member->name, what, whom); /* cut is enough */
    }
    look->together = false;
}

static bool is_in(const struct weft_mesh_play *play, const struct weft_member *member)
{
    return member == &play->members[0] || (member->standing == WEFT_MEMBER_TOLD_IN && !member->revoked);
}

/* The one of `list` that has this member's key, or NULL. */
static const json_t *find(const json_t *list, const struct weft_member *member)
{
    struct weft_key key;
    char id[WEFT_PEER_ID_SIZE];
    if (!weft_member_key(member, &key)) {
        return NULL;
    }
    weft_key_text(&key, id);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(item, "id"));
        if (text && strcmp(text, id) == 0) {
            return item;
        }
    }
    return NULL;
}

/* It is attached to as many gateways as it wants, and there are; who is out is attached to none. */
static void look_at_gateways(struct look *look, const struct weft_member *member, const json_t *gateways)
{
    size_t others = 0, attached = json_array_size(gateways);
    for (size_t i = 0; i < look->play->gateways; i++) {
        others += is_in(look->play, &look->play->members[i]) && member != &look->play->members[i];
    }
    size_t wanted = others < WANTED ? others : WANTED;
    if (!is_in(look->play, member) && attached > 0) {
        miss(look, member, "is out, and still attached", "");
    }
    if (is_in(look->play, member) && attached < wanted) {
        miss(look, member, "is not attached to as many gateways as it could be", "");
    }
}

/* A gateway knows all who are in as alive, and nobody else as anything. */
static void look_at_peers(struct look *look, const struct weft_member *gateway, const json_t *peers)
{
    size_t known = 0;
    for (size_t i = 0; i < look->play->count; i++) {
        const struct weft_member *member = &look->play->members[i];
        const json_t *peer = member == gateway ? NULL : find(peers, member);
        const char *state = json_string_value(json_object_get(peer, "state"));
        bool alive = state && strcmp(state, "alive") == 0;
        known += peer ? 1 : 0;
        if (member != gateway && is_in(look->play, member) && !alive) {
            miss(look, gateway, "does not know as alive", member->name);
        } else if (!is_in(look->play, member) && peer) {
            miss(look, gateway, "knows as a peer", member->name);
        }
    }
    if (known != json_array_size(peers)) {
        miss(look, gateway, "knows somebody who is", "nobody");
    }
}

static void look_at(struct look *look, struct weft_member *member)
{
    json_t *body = NULL;
    int status = weft_member_call(member, "GET", "/weft/v1/mesh", "");
    int error = weft_json_parse(weft_slice_text(member->text), &body, NULL);
    if (status != 200 || error < 0) {
        miss(look, member, "does not answer", "");
        return;
    }
    const json_t *peers = json_object_get(body, "peers");
    look_at_gateways(look, member, json_object_get(body, "gateways"));
    if (member->gateway && is_in(look->play, member)) {
        look_at_peers(look, member, peers);
    }
    json_decref(body);
}

void weft_mesh_find_together(struct weft_mesh_play *play)
{
    struct look look = {.play = play};
    weft_time until = weft_world_now(play->story->world) + BOUND;
    while (!look.together && weft_world_now(play->story->world) < until) {
        look.together = true;
        weft_mesh_pass(play, WEFT_SECOND, false);
        for (size_t i = 0; i < play->count; i++) {
            look_at(&look, &play->members[i]);
        }
    }
    weft_story_check(play->story, look.together, "the mesh does not find together: %s", look.why);
}
