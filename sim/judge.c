/* sim/judge.c - what must hold of a mesh when everything has healed.
 *
 * It asks owners' routes, looks into the stores, and judges chains by itself with what the gateways' stores have. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "mesh/membership.h"
#include "sim/mesh.h"

#define BODY_MAX (WEFT_INVITE_LINE_SIZE + 32)

static struct weft_store_key store_key(const struct weft_key *key)
{
    struct weft_store_key out;
    memcpy(out.bytes, key->bytes, sizeof(out.bytes));
    return out;
}

/* Whose key this is; NULL: nobody's. */
static struct weft_member *owner_of(struct weft_mesh_play *play, const struct weft_store_key *wanted)
{
    for (size_t i = 0; i < play->count; i++) {
        struct weft_key key;
        if (weft_member_key(&play->members[i], &key) && memcmp(key.bytes, wanted->bytes, sizeof(key.bytes)) == 0) {
            return &play->members[i];
        }
    }
    return NULL;
}

/* A use for each who came in by it, and no other. */
static void judge_invite(struct weft_mesh_play *play, const struct weft_member *gateway,
                         const struct weft_store_invite *invite)
{
    struct weft_story *story = play->story;
    size_t uses = weft_world_store_uses(gateway->host, &invite->id, NULL), by_members = 0;
    for (size_t i = 0; i < play->count; i++) {
        const struct weft_member *member = &play->members[i];
        struct weft_key key;
        struct weft_store_key node;
        if (!weft_member_key(member, &key)) {
            continue;
        }
        node = store_key(&key);
        size_t own = weft_world_store_uses(gateway->host, &invite->id, &node);
        by_members += own;
        weft_story_check(story, own <= 1, "%s is counted %zu times", member->name, own);
        weft_story_check(story, own == 0 || member->standing == WEFT_MEMBER_TOLD_IN, "%s is counted, and not in",
                         member->name);
        weft_story_check(story, own == 0 || !invite->revoked, "%s came in by an invite that was taken back",
                         member->name);
    }
    weft_story_check(story, by_members == uses, "%s counts %zu uses, of whom %zu are known", gateway->name, uses,
                     by_members);
    weft_story_check(story, uses + invite->left == invite->uses, "%s: %zu uses and %" PRIu32 " left are not %" PRIu32,
                     gateway->name, uses, invite->left, invite->uses);
}

/* What a gateway says of its invites is what it has stored. */
static void judge_told_uses(struct weft_mesh_play *play, struct weft_member *gateway)
{
    json_t *body = NULL;
    size_t told = 0, stored = 0;
    int status = weft_member_call(gateway, "GET", "/weft/v1/mesh/invites", "");
    int error = weft_json_parse(weft_slice_text(gateway->text), &body, NULL);
    weft_story_check(play->story, status == 200 && error == 0, "%s does not list its invites: %d", gateway->name,
                     status);
    const json_t *list = error == 0 ? json_object_get(body, "invites") : NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        told += (size_t)json_integer_value(json_object_get(json_array_get(list, i), "uses"));
    }
    json_decref(body);
    for (size_t i = 0; i < weft_world_store_invites(gateway->host); i++) {
        stored += weft_world_store_uses(gateway->host, &weft_world_store_invite(gateway->host, i)->id, NULL);
    }
    weft_story_check(play->story, told == stored, "%s tells of %zu uses, and has stored %zu", gateway->name, told,
                     stored);
}

/* Nobody has a certificate who should not. */
static void judge_issued(struct weft_mesh_play *play, const struct weft_member *gateway)
{
    const struct weft_store_record *record;
    for (size_t i = 0; (record = weft_world_store_record(gateway->host, WEFT_STORE_ISSUED, i)); i++) {
        const struct weft_member *member = owner_of(play, &record->key);
        weft_story_check(play->story, member, "%s has certified a key that nobody has", gateway->name);
        weft_story_check(play->story, !member || !weft_mesh_is_stranger(play, member), "%s has certified %s",
                         gateway->name, member ? member->name : "");
    }
}

/* All revocations that any gateway has stored. */
static void hear_revocations(struct weft_mesh_play *play, struct weft_membership *membership, int64_t now_s)
{
    const struct weft_store_record *record;
    for (size_t i = 0; i < play->gateways; i++) {
        const struct weft_host *host = play->members[i].host;
        for (size_t at = 0; (record = weft_world_store_record(host, WEFT_STORE_REVOCATIONS, at)); at++) {
            int error = weft_membership_revoke(membership, weft_slice(record->bytes, record->size), now_s);
            weft_story_check(play->story, error >= 0, "%s has stored a revocation that is none: %d",
                             play->members[i].name, error);
        }
    }
}

static void judge_chain(struct weft_mesh_play *play, const struct weft_member *member,
                        struct weft_membership *membership, int64_t now_s)
{
    struct weft_story *story = play->story;
    const struct weft_store_record *record = weft_world_store_record(member->host, WEFT_STORE_MEMBERSHIPS, 0);
    struct weft_key key;
    bool has_key = weft_member_key(member, &key);
    if (member->standing != WEFT_MEMBER_TOLD_IN) {
        weft_story_check(story, !record || !weft_mesh_is_stranger(play, member), "%s is in, and unknown", member->name);
        return;
    }
    weft_story_check(story, has_key && record, "%s was told that it is in, and has nothing that shows it",
                     member->name);
    if (has_key && record) {
        struct weft_certificate certificate;
        enum weft_verdict verdict =
            weft_membership_judge(membership, weft_slice(record->bytes, record->size), &key, now_s, &certificate);
        weft_story_check(story, verdict == (member->revoked ? WEFT_VERDICT_REVOKED : WEFT_VERDICT_MEMBER),
                         "%s: its chain is judged: %s", member->name, weft_verdict_word(verdict));
    }
}

static void judge_chains(struct weft_mesh_play *play)
{
    struct weft_member *root = &play->members[0];
    struct weft_membership *membership;
    struct weft_key mesh;
    char id[WEFT_PEER_ID_SIZE];
    int status = weft_member_call(root, "GET", "/weft/v1/mesh", "");
    bool known =
        status == 200 && weft_member_read(root, "mesh", id, sizeof(id)) && weft_key_parse(&mesh, weft_slice_text(id));
    weft_story_check(play->story, known, "%s does not say which mesh it is in: %d", root->name, status);
    if (!known) {
        return;
    }
    int error = weft_membership_new(&membership, &mesh);
    WEFT_ASSERT(error == 0);
    int64_t now_s = root->host->ops->wall(root->host) / WEFT_SECOND;
    hear_revocations(play, membership, now_s);
    for (size_t i = 1; i < play->count; i++) {
        judge_chain(play, &play->members[i], membership, now_s);
    }
    weft_membership_free(membership);
}

/* A good invite lets in whoever is new, and not who was put out. */
static void judge_afterwards(struct weft_mesh_play *play)
{
    struct weft_member *root = &play->members[0];
    char line[WEFT_INVITE_LINE_SIZE], body[BODY_MAX];
    int status = weft_member_call(root, "POST", "/weft/v1/mesh/invites", "{\"uses\":10}");
    bool made = status == 200 && weft_member_read(root, "line", line, sizeof(line));
    weft_story_check(play->story, made, "afterwards no invite can be made: %d", status);
    (void)snprintf(body, sizeof(body), "{\"line\":\"%s\"}", line); /* fits */
    for (size_t i = play->gateways; made && i < play->count; i++) {
        struct weft_member *member = &play->members[i];
        if (member->revoked) {
            status = weft_member_call(member, "POST", "/weft/v1/mesh/leave", "{}");
            weft_story_check(play->story, status == 200, "%s cannot leave: %d", member->name, status);
        } else if (member->standing == WEFT_MEMBER_TOLD_IN) {
            continue;
        }
        char code[WEFT_MEMBER_CODE_MAX];
        status = weft_member_call(member, "POST", "/weft/v1/mesh/join", body);
        (void)weft_member_read(member, "code", code, sizeof(code)); /* "" if it is in */
        bool right = member->revoked ? status == 409 && strcmp(code, "key_revoked") == 0 : status == 200;
        weft_story_check(play->story, right, "afterwards %s asks to join and gets %d %s", member->name, status, code);
    }
}

void weft_mesh_judge(struct weft_mesh_play *play)
{
    for (size_t i = 0; i < play->gateways; i++) {
        struct weft_member *gateway = &play->members[i];
        for (size_t at = 0; at < weft_world_store_invites(gateway->host); at++) {
            judge_invite(play, gateway, weft_world_store_invite(gateway->host, at));
        }
        judge_issued(play, gateway);
        if (i == 0 || gateway->standing == WEFT_MEMBER_TOLD_IN) {
            judge_told_uses(play, gateway);
        }
    }
    judge_chains(play);
    judge_afterwards(play);
}
