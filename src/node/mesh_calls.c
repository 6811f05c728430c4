/* node/mesh_calls.c - what a node's owner asks about the mesh and has done there. */

#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "node/errand.h"
#include "node/mesh_view.h"
#include "wire/json.h"
#include "wire/letter.h"

#define ACTS      "/weft/v1/mesh/"
#define USES      1
#define JSON_TYPE WEFT_SLICE("application/json")

static const struct weft_refusal no_mesh = {
    409, "no_mesh",
    "This node is in no mesh: join one with an invite (`weft join`), or begin one (`weft up --gateway`)."};
static const struct weft_refusal no_gateway = {
    409, "no_gateway", "This node is no gateway, or the root's key is needed and not here: ask where that is."};
static const struct weft_refusal itself = {409, "itself",
                                           "That is this gateway itself, or the mesh's root: it leaves with `weft "
                                           "leave`, and another gateway puts it out with "
                                           "what `weft root revoke` prints. The root cannot be put out."};
static const struct weft_refusal bad_body = {
    400, "invalid_body", "The body must be a JSON object with the members that docs/MESH.md names."};
static const struct weft_refusal full = {503, "busy", "Too much of that is under way: try again in a moment."};

static void refuse_with(struct weft_call *call, int status, const char *code, const char *why)
{
    /* The store's sentences may hold paths, and so quotes, which JSON escapes. */
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_key(&json, "error");
    weft_json_object(&json);
    weft_json_add_text(&json, "message", why);
    weft_json_add_text(&json, "type", status < 500 ? "invalid_request_error" : "server_error");
    weft_json_key(&json, "param");
    weft_json_null(&json);
    weft_json_add_text(&json, "code", code);
    weft_json_object_end(&json);
    weft_json_object_end(&json);
    weft_call_answer(call, status, JSON_TYPE, &text, weft_json_finish(&json));
}

/* -- errands -- */

/* It could not begin. */
static void drop_errand(struct weft_errand *errand, int error)
{
    struct weft_call *call = weft_errand_end(errand);
    switch (error) {
    case WEFT_ERR_CLOSED:
        weft_call_refuse(call, &no_mesh);
        break;
    case WEFT_ERR_DENIED:
        weft_call_refuse(call, &no_gateway);
        break;
    case WEFT_ERR_NOT_FOUND:
        refuse_with(call, 404, "not_found", "There is no such invite of this node's: `weft invite --list` shows them.");
        break;
    case WEFT_ERR_FULL:
        weft_call_put_off(call, &full, WEFT_CALL_RETRY_S);
        break;
    case WEFT_ERR_TOO_LARGE:
    case WEFT_ERR_INVALID:
        refuse_with(call, 400, "out_of_bounds",
                    "An invite has 1 to 1000 uses and lasts 30 days at most; a node's id has 52 characters.");
        break;
    default:
        weft_call_refuse(call, weft_refusal_for_error(error));
        break;
    }
}

static void answer_done(struct weft_call *call, int status, const char *problem)
{
    if (status == 0) {
        weft_call_json(call, 200, WEFT_SLICE("{\"status\":\"done\"}\n"));
    } else {
        refuse_with(call, 500, "not_stored", problem);
    }
}

static void on_done(void *self, int status, const char *problem)
{
    struct weft_call *call = weft_errand_end(self);
    if (call) {
        answer_done(call, status, problem);
    }
}

/* -- bodies -- */

/* The body as JSON; NULL, and the call is answered, if it is none. */
static json_t *read_body(struct weft_call *call)
{
    char text[WEFT_FRONT_BODY_MAX];
    const struct weft_bytes *bytes = &call->exchange->flows[WEFT_REQUEST].bytes;
    size_t size = weft_bytes_tail(bytes, text, bytes->size);
    json_t *body = NULL;
    weft_exchange_take(call->exchange, WEFT_REQUEST, size);
    int error = size == 0 ? WEFT_ERR_INVALID : weft_json_parse(weft_slice(text, size), &body, NULL);
    weft_secret_wipe(text, size); /* perhaps an invite */
    if (error < 0 || !json_is_object(body)) {
        json_decref(body);
        weft_call_refuse(call, error == WEFT_ERR_MEMORY ? weft_refusal_for_error(error) : &bad_body);
        return NULL;
    }
    return body;
}

static int64_t whole(const json_t *value, int64_t fallback)
{
    return !value ? fallback : json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

/* -- what it looks like -- */

void weft_call_mesh(struct weft_call *call)
{
    struct weft_bytes text = {0};
    struct weft_json json;
    weft_json_start(&json, &text);
    weft_mesh_view_write(call->front->mesh, call->front->loop->turn.now, &json);
    weft_call_answer(call, 200, JSON_TYPE, &text, weft_json_finish(&json));
}

static void write_invite(struct weft_json *json, const struct weft_invite_state *invite)
{
    weft_json_add_text(json, "id", invite->id);
    weft_json_add_text(json, "role", weft_role_text(invite->entry->role));
    weft_json_add_int(json, "uses", invite->uses);
    weft_json_add_int(json, "uses_max", invite->entry->uses_max);
    weft_json_add_int(json, "made", invite->entry->made_s);
    weft_json_add_int(json, "expires", invite->entry->expires_s);
    weft_json_add_bool(json, "revoked", invite->entry->revoked);
}

static void list_invites(struct weft_call *call)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    const struct weft_invites *invites = state ? weft_mesh_state_invites(state) : NULL;
    struct weft_bytes text = {0};
    struct weft_json json;
    if (!invites) {
        weft_call_refuse(call, &no_mesh);
        return;
    }
    weft_json_start(&json, &text);
    weft_json_object(&json);
    weft_json_key(&json, "invites");
    weft_json_array(&json);
    for (size_t i = 0; i < weft_invites_count(invites); i++) {
        struct weft_invite_state invite = weft_invites_at(invites, i);
        weft_json_object(&json);
        write_invite(&json, &invite);
        weft_json_object_end(&json);
    }
    weft_json_array_end(&json);
    weft_json_object_end(&json);
    weft_call_answer(call, 200, JSON_TYPE, &text, weft_json_finish(&json));
}

/* -- invites -- */

static void on_invited(void *self, int status, const char *line, const struct weft_invite_state *invite,
                       const char *problem)
{
    struct weft_call *call = weft_errand_end(self);
    struct weft_bytes text = {0};
    struct weft_json json;
    if (!call) {
        return;
    }
    if (status < 0) {
        answer_done(call, status, problem);
        return;
    }
    weft_json_start(&json, &text);
    weft_json_object(&json);
    if (line[0] != '\0') {
        weft_json_add_text(&json, "line", line);
    }
    write_invite(&json, invite);
    weft_json_object_end(&json);
    weft_call_answer(call, 200, JSON_TYPE, &text, weft_json_finish(&json));
}

/* Who may make invites, as whom? Else the call is answered. */
static struct weft_admitting *admitting_of(struct weft_call *call)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    struct weft_registrar registrar;
    if (!state || !weft_mesh_state_membership(state)) {
        weft_call_refuse(call, &no_mesh);
        return NULL;
    }
    if (!weft_mesh_state_registrar(state, &registrar)) {
        weft_call_refuse(call, &no_gateway);
        return NULL;
    }
    return weft_mesh_admitting(call->front->mesh);
}

/* An invite names a second gateway too, if this one knows any, and there is room: then the first may be gone. */
static void name_another(struct weft_admitting_wish *wish, const struct weft_attaching *attaching)
{
    struct weft_attaching_gateway other;
    if (weft_attaching_at(attaching, 0, &other) &&
        strlen(wish->addresses[0]) + strlen(other.address) <= WEFT_INVITE_ROOM) {
        wish->addresses[1] = other.address;
    }
}

static void make_invite(struct weft_call *call, const json_t *body)
{
    char address[WEFT_HOSTPORT_MAX + 1];
    struct weft_admitting *admitting = admitting_of(call);
    if (!admitting) {
        return;
    }
    struct weft_slice role = weft_json_slice(json_object_get(body, "role"));
    int64_t uses = whole(json_object_get(body, "uses"), USES);
    struct weft_admitting_wish wish = {
        .uses = uses > 0 && uses <= UINT32_MAX ? (uint32_t)uses : 0,
        .life_s = whole(json_object_get(body, "ttl_s"), WEFT_INVITE_LIFE_S),
        .role = WEFT_ROLE_PEER,
        .addresses = {weft_mesh_address(call->front->mesh, address)},
    };
    if (role.size > 0 && !weft_role_parse(role, &wish.role)) {
        weft_call_refuse(call, &bad_body);
        return;
    }
    if (!wish.addresses[0]) {
        refuse_with(call, 409, "no_address",
                    "An invite says where this gateway is reached, and nobody has said that: start it with "
                    "--mesh-address HOST:PORT, as others reach it.");
        return;
    }
    name_another(&wish, weft_mesh_attaching(call->front->mesh));
    struct weft_errand *errand = weft_errand_new(call);
    int error = errand ? weft_admitting_invite(admitting, &wish, on_invited, errand) : 0;
    if (error < 0) {
        drop_errand(errand, error);
    }
}

static void take_back_invite(struct weft_call *call, const json_t *body)
{
    struct weft_admitting *admitting = admitting_of(call);
    struct weft_errand *errand = admitting ? weft_errand_new(call) : NULL;
    int error =
        errand ? weft_admitting_take_back(admitting, weft_json_slice(json_object_get(body, "id")), on_invited, errand)
               : 0;
    if (error < 0) {
        drop_errand(errand, error);
    }
}

/* -- joining, leaving, putting out -- */

static void on_joined(void *self, const struct weft_mesh_joined *joined)
{
    struct weft_call *call = weft_errand_end(self);
    if (!call) {
        return;
    }
    if (joined->status < 0) {
        refuse_with(call, joined->status == WEFT_ERR_UNREACHABLE || joined->status == WEFT_ERR_TIMEOUT ? 504 : 409,
                    joined->code, joined->problem);
    } else {
        weft_call_mesh(call);
    }
}

static void join(struct weft_call *call, const json_t *body)
{
    struct weft_slice line = weft_json_slice(json_object_get(body, "line"));
    struct weft_errand *errand;
    if (!line.data) {
        weft_call_refuse(call, &bad_body);
    } else if ((errand = weft_errand_new(call))) {
        weft_mesh_join(call->front->mesh, line, on_joined, errand);
    }
}

static void leave(struct weft_call *call, const json_t *body)
{
    (void)body;
    struct weft_errand *errand = weft_errand_new(call);
    int error = errand ? weft_mesh_leave(call->front->mesh, on_done, errand) : 0;
    if (error < 0) {
        drop_errand(errand, error == WEFT_ERR_NOT_FOUND ? WEFT_ERR_CLOSED : error);
    }
}

/* A gateway, and the root whose key it may hold: neither can sign that it is out itself. */
static bool is_itself(const struct weft_mesh_state *state, const struct weft_key *node)
{
    const struct weft_certificate *own = state ? weft_mesh_state_certificate(state) : NULL;
    return own && own->role == WEFT_ROLE_GATEWAY &&
           (weft_key_equal(&own->subject, node) || weft_key_equal(&own->mesh, node));
}

/* What only the root can do is not done, and a gateway without its key cannot know whether it was that. */
static void on_put_out(void *self, int status, const char *problem)
{
    struct weft_call *call = weft_errand_end(self);
    const struct weft_mesh_state *state = call ? weft_mesh_state_of(call->front->mesh) : NULL;
    if (call && status == 0) {
        weft_call_json(call, 200,
                       state && weft_mesh_state_has_root(state)
                           ? WEFT_SLICE("{\"status\":\"done\",\"by\":\"root\"}\n")
                           : WEFT_SLICE("{\"status\":\"done\",\"by\":\"gateway\"}\n"));
    } else if (call) {
        answer_done(call, status, problem);
    }
}

static void put_out(struct weft_call *call, const json_t *body)
{
    struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    struct weft_key node;
    struct weft_errand *errand = weft_errand_new(call);
    if (!errand) {
        return;
    }
    int status = WEFT_ERR_CLOSED;
    if (!weft_key_parse(&node, weft_json_slice(json_object_get(body, "id")))) {
        status = WEFT_ERR_INVALID;
    } else if (is_itself(state, &node)) {
        weft_call_refuse(weft_errand_end(errand), &itself);
        return;
    } else if (state) {
        status = weft_mesh_state_put_out(state, &node, on_put_out, errand);
    }
    if (status < 0) {
        drop_errand(errand, status);
    } else if (status == 0) { /* it was out already */
        on_put_out(errand, 0, "");
    }
}

/* -- letters of the root -- */

/* `else_why`: what any other error means. */
static const char *letter_problem(int status, const char *else_why)
{
    switch (status) {
    case WEFT_ERR_FULL:
    case WEFT_ERR_MEMORY:
        return "This node has no room for it now: try again in a moment.";
    case WEFT_ERR_TIMEOUT:
        return "It was made later than now: is a clock wrong, here or where it was made?";
    default:
        return else_why;
    }
}

static int deliver_certificate(struct weft_mesh_state *state, struct weft_slice bytes, struct weft_errand *errand,
                               const char **why)
{
    enum weft_verdict verdict;
    int status = weft_mesh_state_certify(state, bytes, &verdict, on_done, errand);
    *why = letter_problem(status, status == WEFT_ERR_CRYPTO ? weft_verdict_text(verdict) : *why);
    return status;
}

static int deliver_revocation(struct weft_mesh_state *state, struct weft_slice bytes, struct weft_errand *errand,
                              const char **why)
{
    int status = weft_mesh_state_revoke(state, bytes, on_done, errand);
    if (status == 0) { /* a later one is known */
        on_done(errand, 0, "");
    }
    *why = letter_problem(status, "This revocation is not one of this node's mesh, or not its root's.");
    return status;
}

static void deliver(struct weft_call *call, const json_t *body)
{
    struct weft_mesh_state *state = weft_mesh_state_of(call->front->mesh);
    struct weft_slice line = weft_json_slice(json_object_get(body, "letter"));
    const char *why = "That is no letter of a root: one line that begins with \"weft certificate v1\" or \"weft "
                      "revocation v1\", as `weft root` prints it.";
    uint8_t bytes[WEFT_LETTER_BYTES_MAX];
    if (!line.data || !state || !weft_mesh_state_membership(state)) {
        weft_call_refuse(call, line.data ? &no_mesh : &bad_body);
        return;
    }
    struct weft_errand *errand = weft_errand_new(call);
    if (!errand) {
        return;
    }
    int64_t size = weft_letter_read(WEFT_CERTIFICATE_DOMAIN, line, bytes);
    int status = (int)size;
    if (size >= 0) {
        status = deliver_certificate(state, weft_slice(bytes, (size_t)size), errand, &why);
    } else if ((size = weft_letter_read(WEFT_REVOCATION_DOMAIN, line, bytes)) >= 0) {
        status = deliver_revocation(state, weft_slice(bytes, (size_t)size), errand, &why);
    } else if (size == WEFT_ERR_CRYPTO || status == WEFT_ERR_CRYPTO) {
        why = "This letter was cut or mistyped: copy the whole line.";
    }
    if (status < 0) {
        refuse_with(weft_errand_end(errand), 409, "letter_refused", why);
    }
}

/* -- the routes below -- */

static const struct act {
    struct weft_slice name;
    void (*run)(struct weft_call *call, const json_t *body);
} acts[] = {
    {{"invites", 7}, make_invite}, {{"invites/revoke", 14}, take_back_invite},
    {{"join", 4}, join},           {{"leave", 5}, leave},
    {{"revoke", 6}, put_out},      {{"letter", 6}, deliver},
};

static struct weft_slice act_name(const struct weft_call *call)
{
    struct weft_slice target = call->exchange->request.target;
    const char *query = memchr(target.data, '?', target.size);
    size_t end = query ? (size_t)(query - target.data) : target.size, start = strlen(ACTS);
    return weft_slice(target.data + start, end - start);
}

static const struct act *find_act(const struct weft_call *call)
{
    struct weft_slice name = act_name(call);
    for (size_t i = 0; i < WEFT_COUNT(acts); i++) {
        if (weft_slice_equal(acts[i].name, name)) {
            return &acts[i];
        }
    }
    return NULL;
}

static void act_wake(void *self, struct weft_exchange *exchange)
{
    struct weft_call *call = self;
    (void)exchange;
    if (weft_errand_body_came(call, WEFT_FRONT_BODY_MAX)) {
        json_t *body = read_body(call);
        if (body) {
            find_act(call)->run(call, body); /* it was found before */
            json_decref(body);
        }
    }
}

void weft_call_mesh_acts(struct weft_call *call)
{
    struct weft_slice method = call->exchange->request.method;
    bool posts = weft_slice_equal(method, WEFT_SLICE("POST"));
    if (!posts && weft_slice_equal(act_name(call), WEFT_SLICE("invites"))) {
        list_invites(call);
    } else if (posts && find_act(call)) {
        weft_exchange_want_body(call->exchange);
        weft_exchange_attach(call->exchange, WEFT_WORKER, act_wake, call);
    } else {
        weft_call_refuse(call, &(const struct weft_refusal){404, "not_found", "There is nothing at this path."});
    }
}
