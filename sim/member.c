/* sim/member.c - one whole node of a simulated mesh, and its owner. */
#include "sim/member.h"

#include <stdio.h>

#include "base/assert.h"
#include "crypto/identity.h"
#include "node/mesh_port.h"
#include "sim/weather.h"

#define PATIENCE  (40 * WEFT_SECOND) /* for one answer */
#define AGAIN_MIN (WEFT_SECOND / 2)  /* then he tries again */
#define AGAIN_MAX (3 * WEFT_SECOND)
#define RESTART   WEFT_SECOND /* a node that could not start is started again */
#define API_PORT  8100u
#define MESH_PORT 9340u
#define KEY_FILE  WEFT_RESIDENT_HOME "/" WEFT_MESH_KEY_FILE
#define BODY_MAX  512
#define BYTES_MAX 2048

static weft_time now_of(const struct weft_member *member)
{
    return weft_world_now(member->story->world);
}

static weft_time below(const struct weft_member *member, weft_time bound)
{
    return (weft_time)weft_world_below(member->story->world, (uint64_t)bound);
}

/* -- the node -- */

static void start(struct weft_member *member)
{
    const struct weft_resident_options options = {
        .yaml = member->yaml, .models = member->models, .model_count = member->model_count};
    int error = weft_resident_begin(&member->node, member->host, member->story->world, &options);
    weft_story_check(member->story, error == 0, "%s cannot be made: %s", member->name, member->node.problem);
    member->up = error == 0;
    member->back_at = WEFT_NEVER;
}

void weft_member_init(struct weft_member *member, struct weft_story *story, struct weft_host *people, const char *name,
                      unsigned number, bool gateway, bool begins)
{
    *member =
        (struct weft_member){.story = story, .people = people, .name = name, .gateway = gateway, .out_at = WEFT_NEVER};
    member->host = weft_world_host(story->world, name);
    (void)snprintf(member->api, sizeof(member->api), "127.0.0.1:%u", API_PORT + number); /* they fit, all of them */
    (void)snprintf(member->address, sizeof(member->address), "10.0.0.%u:%u", number, MESH_PORT);
    int size = snprintf(member->yaml, sizeof(member->yaml), "listen: [\"tcp:%s\"]\n", member->api);
    if (gateway) {
        (void)snprintf(member->yaml + size, sizeof(member->yaml) - (size_t)size,
                       "mesh: {gateway: %s, listen: \"%s\"}\n", begins ? "true" : "false", member->address);
    }
    member->back_at = now_of(member);
}

static void hang_up(struct weft_member *member)
{
    if (member->asks) {
        weft_raw_close(&member->raw, true);
        member->asks = false;
    }
}

static void end_node(struct weft_member *member)
{
    if (member->up) {
        weft_resident_end(&member->node);
        weft_world_crash(member->host);
        member->up = false;
    }
}

void weft_member_end(struct weft_member *member)
{
    hang_up(member);
    end_node(member);
}

void weft_member_crash(struct weft_member *member, bool power, weft_time back_in)
{
    if (!member->up) {
        return;
    }
    member->crashes++;
    weft_world_fault(member->host, NULL, back_in, power ? "loses its power" : "crashes");
    if (power) {
        (void)weft_weather_drop(member->host, NULL, true); /* as many as there are */
    }
    end_node(member);
    member->back_at = now_of(member) + back_in;
}

bool weft_member_runs(const struct weft_member *member)
{
    return member->up && member->node.started && member->node.status == 0;
}

/* -- asking -- */

void weft_member_ask(struct weft_member *member, const char *method, const char *path, const char *body)
{
    char bytes[BYTES_MAX];
    struct weft_slice token = weft_resident_token(&member->node);
    int size = snprintf(bytes, sizeof(bytes),
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %.*s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        method, path, (int)token.size, token.data, strlen(body), body);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(bytes) && !member->asks);
    member->asks = true;
    member->status = 0;
    member->text[0] = '\0';
    member->asked_at = now_of(member);
    weft_raw_dial(&member->raw, member->people, member->api);
    weft_raw_text(&member->raw, bytes);
}

static void hear(struct weft_member *member)
{
    struct weft_answers answers;
    bool late = now_of(member) - member->asked_at > PATIENCE;
    if (!member->asks || (!member->raw.ended && !late)) {
        return;
    }
    weft_answers_h1(&answers, weft_slice(member->raw.in, member->raw.in_size), 0, member->raw.ended);
    if (answers.count > 0 && answers.at[0].whole && answers.at[0].status > 0) {
        int64_t size = weft_answer_text(&answers.at[0], member->text, sizeof(member->text));
        weft_story_check(member->story, size >= 0, "%s: an answer is too long for its owner", member->name);
        member->status = answers.at[0].status;
    }
    hang_up(member);
}

bool weft_member_read(const struct weft_member *member, const char *name, char *out, size_t size)
{
    json_t *body = NULL;
    int error = weft_json_parse(weft_slice_text(member->text), &body, NULL);
    const json_t *found = error == 0 ? json_object_get(body, name) : NULL;
    const json_t *problem = error == 0 ? json_object_get(body, "error") : NULL;
    found = found ? found : json_object_get(problem, name);
    const char *text = json_string_value(found);
    out[0] = '\0';
    if (text) {
        (void)snprintf(out, size, "%s", text); /* cut, if it is longer */
    }
    json_decref(body);
    return text;
}

static bool has_told(void *self)
{
    struct weft_member *member = self;
    hear(member);
    return !member->asks;
}

int weft_member_call(struct weft_member *member, const char *method, const char *path, const char *body)
{
    struct weft_world *world = member->story->world;
    (void)weft_world_run(world, now_of(member) + 2 * PATIENCE, has_told, member); /* what he has asked before */
    hang_up(member);
    if (!weft_member_runs(member)) {
        return 0;
    }
    weft_member_ask(member, method, path, body);
    (void)weft_world_run(world, now_of(member) + 2 * PATIENCE, has_told, member); /* false: then he got none */
    hang_up(member);
    return member->status;
}

/* -- joining -- */

/* It is no use to ask again with the same line. */
static bool is_final(const char *code)
{
    static const char *const words[] = {"used_up",   "expired", "revoked",    "key_revoked", "damaged",
                                        "no_invite", "newer",   "in_another", "unknown",     "other_mesh"};
    for (size_t i = 0; i < WEFT_COUNT(words); i++) {
        if (strcmp(words[i], code) == 0) {
            return true;
        }
    }
    return false;
}

static void hear_of_joining(struct weft_member *member)
{
    (void)weft_member_read(member, "code", member->code, sizeof(member->code)); /* "": there is none */
    if (member->status == 200 || strcmp(member->code, "already_in") == 0) {
        member->standing = WEFT_MEMBER_TOLD_IN;
        char text[64];
        (void)snprintf(text, sizeof(text), "%s is told that it is in", member->name); /* names are short */
        weft_world_note(member->story->world, text);
    } else if (member->status == 409 && is_final(member->code)) {
        member->standing = WEFT_MEMBER_REFUSED;
    }
}

static void try_to_join(struct weft_member *member)
{
    char body[BODY_MAX];
    if (member->joins && !member->asks) {
        member->joins = false;
        member->again_at = now_of(member) + AGAIN_MIN + below(member, AGAIN_MAX);
        hear_of_joining(member);
    }
    if (member->asks || member->line[0] == '\0' || member->standing != WEFT_MEMBER_OUTSIDE ||
        !weft_member_runs(member) || now_of(member) < member->again_at) {
        return;
    }
    int size = snprintf(body, sizeof(body), "{\"line\":\"%s\"}", member->line);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(body));
    member->tries++;
    weft_member_ask(member, "POST", "/weft/v1/mesh/join", body);
    member->joins = true;
}

void weft_member_tick(struct weft_member *member)
{
    hear(member);
    if (member->up && member->node.started && member->node.status < 0) {
        end_node(member);
        member->back_at = now_of(member) + RESTART;
    }
    if (!member->up && now_of(member) >= member->back_at) {
        start(member);
    }
    try_to_join(member);
}

bool weft_member_key(const struct weft_member *member, struct weft_key *key)
{
    struct weft_identity identity;
    const char *why;
    struct weft_slice file = weft_world_file(member->host, KEY_FILE);
    if (!file.data || weft_identity_parse(&identity, WEFT_IDENTITY_NODE, file, &why) < 0) {
        return false;
    }
    *key = identity.key;
    weft_identity_deinit(&identity);
    return true;
}
