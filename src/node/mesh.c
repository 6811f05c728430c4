/* node/mesh.c - what a node has to do with its mesh. */
#include "node/mesh.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "host/address.h"
#include "node/expiring.h"
#include "node/renewing.h"

enum stage {
    MESH_OFF,     /* no key and no state, or not known yet */
    MESH_FINDING, /* the key */
    MESH_LOADING, /* the state */
    MESH_ON,
};

struct weft_mesh {
    struct weft_mesh_options options;
    enum stage stage;
    bool starting; /* `started` is still to be said */
    struct weft_mesh_state *state;
    struct weft_admitting *admitting;
    struct weft_applying applying;
    struct weft_known *known;
    struct weft_attaching *attaching;
    struct weft_renewing renewing;
    struct weft_expiring expiring;
    struct weft_mesh_gossip *gossip;
    struct weft_models *models;
    struct weft_peers *peers;
    /* Leaving: one at a time. */
    weft_mesh_state_done *left;
    void *left_self;
    /* Joining: one at a time. */
    bool joins;
    struct weft_invite invite;
    void (*joined)(void *self, const struct weft_mesh_joined *joined);
    void *joined_self;
    char problem[WEFT_MESH_PROBLEM_MAX];
};

static void go_on_joining(struct weft_mesh *mesh);
static void end_joining(struct weft_mesh *mesh, int status, const char *code, const char *problem);

/* -- its beginning -- */

static void end_start(struct weft_mesh *mesh, int status, const char *problem)
{
    if (mesh->starting) {
        mesh->starting = false;
        mesh->options.started(mesh->options.self, status, problem);
    } else if (mesh->joins) {
        if (status < 0) {
            end_joining(mesh, status, "cannot_begin", problem);
        } else {
            go_on_joining(mesh);
        }
    }
}

static void free_parts(struct weft_mesh *mesh)
{
    weft_expiring_deinit(&mesh->expiring);
    weft_mesh_gossip_free(mesh->gossip);
    weft_renewing_deinit(&mesh->renewing);
    weft_attaching_free(mesh->attaching);
    weft_known_free(mesh->known);
    weft_admitting_free(mesh->admitting);
    weft_mesh_state_free(mesh->state);
    mesh->gossip = NULL;
    mesh->attaching = NULL;
    mesh->known = NULL;
    mesh->admitting = NULL;
    mesh->state = NULL;
}

static void give_up(struct weft_mesh *mesh, int status, const char *problem)
{
    free_parts(mesh);
    mesh->stage = MESH_OFF;
    end_start(mesh, status, problem);
}

static void on_loaded(void *self, int status, const char *problem)
{
    struct weft_mesh *mesh = self;
    if (status < 0) {
        (void)snprintf(mesh->problem, sizeof(mesh->problem), "%s", problem); /* a cut sentence still helps */
        give_up(mesh, status, mesh->problem);
        return;
    }
    mesh->stage = MESH_ON;
    end_start(mesh, 0, "");
}

static void on_attached(void *self, const struct weft_key *gateway, struct weft_link *ask)
{
    const struct weft_mesh *mesh = self;
    weft_mesh_gossip_attached(mesh->gossip, gateway, ask);
}

static void on_detached(void *self, const struct weft_key *gateway)
{
    const struct weft_mesh *mesh = self;
    weft_mesh_gossip_detached(mesh->gossip, gateway);
}

static const struct weft_attaching_user attaching_user = {.attached = on_attached, .detached = on_detached};

static const char *address_of(const void *self, char text[WEFT_HOSTPORT_MAX + 1])
{
    return weft_mesh_address(self, text);
}

static const struct weft_links *links_of(const void *self)
{
    return weft_mesh_links(self);
}

static void on_heard_revoked(void *self, const struct weft_key *subject)
{
    weft_mesh_revoked(self, subject);
}

static int make_gossip(struct weft_mesh *mesh)
{
    const struct weft_mesh_gossip_options options = {.loop = mesh->options.loop,
                                                     .journal = mesh->options.journal,
                                                     .config = mesh->options.config,
                                                     .state = mesh->state,
                                                     .node = &mesh->options.port->identity,
                                                     .version = mesh->options.version,
                                                     .models = mesh->models,
                                                     .peers = mesh->peers,
                                                     .attaching = mesh->attaching,
                                                     .address = address_of,
                                                     .links = links_of,
                                                     .revoked = on_heard_revoked,
                                                     .self = mesh};
    return weft_mesh_gossip_new(&mesh->gossip, &options);
}

static int make_expiring(struct weft_mesh *mesh)
{
    const struct weft_expiring_options options = {.loop = mesh->options.loop,
                                                  .state = mesh->state,
                                                  .known = mesh->known,
                                                  .gossip = mesh->gossip,
                                                  .links = links_of,
                                                  .self = mesh};
    return weft_expiring_init(&mesh->expiring, &options);
}

static int make_parts(struct weft_mesh *mesh, const struct weft_mesh_state_options *options)
{
    int error = weft_mesh_state_new(&mesh->state, options);
    if (error == 0) {
        error = weft_admitting_new(&mesh->admitting, mesh->state, options->host, options->journal);
    }
    if (error == 0) {
        error = weft_known_new(&mesh->known);
    }
    if (error == 0) {
        const struct weft_attaching_options attaching = {.loop = mesh->options.loop,
                                                         .journal = mesh->options.journal,
                                                         .state = mesh->state,
                                                         .known = mesh->known,
                                                         .version = mesh->options.version,
                                                         .user = &attaching_user,
                                                         .self = mesh};
        error = weft_attaching_new(&mesh->attaching, &attaching);
    }
    if (error == 0) {
        error = weft_renewing_init(&mesh->renewing, mesh->options.loop, mesh->options.journal, options->node,
                                   mesh->state, mesh->attaching);
    }
    if (error == 0) {
        error = make_gossip(mesh);
    }
    return error < 0 ? error : make_expiring(mesh);
}

static void on_revoked(void *self, struct weft_slice revocation, const struct weft_key *subject)
{
    struct weft_mesh *mesh = self;
    weft_mesh_revoked(mesh, subject);
    weft_mesh_gossip_tell(mesh->gossip, revocation);
}

static void on_leaves(void *self)
{
    const struct weft_mesh *mesh = self;
    weft_mesh_gossip_stop(mesh->gossip);
}

static void load(struct weft_mesh *mesh)
{
    const struct weft_mesh_state_options options = {
        .host = mesh->options.loop->host,
        .journal = mesh->options.journal,
        .node = &mesh->options.port->identity,
        .folder = mesh->options.folder,
        .begins = mesh->options.config->gateway,
        .loaded = on_loaded,
        .revoked = on_revoked,
        .leaves = on_leaves,
        .self = mesh,
    };
    mesh->stage = MESH_LOADING;
    int error = mesh->state ? 0 : make_parts(mesh, &options);
    if (error < 0) {
        give_up(mesh, error, "This machine has no memory left for the mesh.");
        return;
    }
    weft_mesh_state_load(mesh->state);
}

void weft_mesh_found(struct weft_mesh *mesh, int status, const char *problem)
{
    if (status < 0) {
        mesh->stage = MESH_OFF;
        bool none = status == WEFT_ERR_NOT_FOUND && mesh->starting;
        end_start(mesh, none ? 0 : status, none ? "" : problem);
    } else {
        load(mesh);
    }
}

void weft_mesh_start(struct weft_mesh *mesh)
{
    const struct weft_config *config = mesh->options.config;
    mesh->starting = true;
    mesh->stage = MESH_FINDING;
    if (config->gateway || config->mesh_listen.text[0] != '\0') {
        weft_mesh_port_find(mesh->options.port);
    } else {
        weft_mesh_port_look(mesh->options.port);
    }
}

void weft_mesh_forget(struct weft_mesh *mesh)
{
    mesh->starting = false;
    mesh->joined = NULL;
    mesh->left = NULL;
    weft_applying_stop(&mesh->applying);
    if (mesh->gossip) {
        weft_mesh_gossip_stop(mesh->gossip);
    }
    if (mesh->attaching) {
        weft_expiring_stop(&mesh->expiring);
        weft_renewing_stop(&mesh->renewing);
        weft_attaching_stop(mesh->attaching);
    }
    weft_mesh_port_forget(mesh->options.port);
    if (mesh->state) {
        weft_mesh_state_forget(mesh->state);
    }
}

/* -- what it is -- */

bool weft_mesh_on(const struct weft_mesh *mesh)
{
    return mesh->stage == MESH_ON;
}

struct weft_links *weft_mesh_links(const struct weft_mesh *mesh)
{
    return mesh->options.port->links;
}

bool weft_mesh_gateway(const struct weft_mesh *mesh)
{
    const struct weft_certificate *own = weft_mesh_on(mesh) ? weft_mesh_state_certificate(mesh->state) : NULL;
    return own && own->role == WEFT_ROLE_GATEWAY;
}

struct weft_mesh_state *weft_mesh_state_of(const struct weft_mesh *mesh)
{
    return weft_mesh_on(mesh) ? mesh->state : NULL;
}

struct weft_admitting *weft_mesh_admitting(const struct weft_mesh *mesh)
{
    return weft_mesh_on(mesh) ? mesh->admitting : NULL;
}

const struct weft_identity *weft_mesh_identity(const struct weft_mesh *mesh)
{
    return &mesh->options.port->identity;
}

const char *weft_mesh_address(const struct weft_mesh *mesh, char text[WEFT_HOSTPORT_MAX + 1])
{
    struct weft_slice named = mesh->options.config->mesh_address;
    const struct weft_mesh_port *port = mesh->options.port;
    char printed[WEFT_ADDRESS_PRINT_MAX];
    if (named.size > 0 && named.size <= WEFT_HOSTPORT_MAX) {
        memcpy(text, named.data, named.size);
        text[named.size] = '\0';
        return text;
    }
    bool anywhere = strcmp(port->bound.text, "0.0.0.0") == 0 || strcmp(port->bound.text, "::") == 0;
    (void)weft_address_print(&port->bound, printed);
    size_t size = strlen(printed);
    if (!port->listener || anywhere || size > WEFT_HOSTPORT_MAX) {
        return NULL;
    }
    memcpy(text, printed, size + 1);
    return text;
}

struct weft_attaching *weft_mesh_attaching(const struct weft_mesh *mesh)
{
    return weft_mesh_on(mesh) ? mesh->attaching : NULL;
}

struct weft_mesh_gossip *weft_mesh_gossip(const struct weft_mesh *mesh)
{
    return weft_mesh_on(mesh) ? mesh->gossip : NULL;
}

void weft_mesh_models_changed(struct weft_mesh *mesh)
{
    if (weft_mesh_on(mesh)) {
        weft_mesh_gossip_models_changed(mesh->gossip);
    }
}

void weft_mesh_want(struct weft_mesh *mesh, const uint8_t hash[WEFT_HASH_SIZE])
{
    if (mesh && weft_mesh_on(mesh)) {
        weft_mesh_gossip_want(mesh->gossip, hash);
    }
}

/* -- who others are -- */

static struct weft_membership *membership_of(const struct weft_mesh *mesh)
{
    return weft_mesh_on(mesh) ? weft_mesh_state_membership(mesh->state) : NULL;
}

enum weft_principal weft_mesh_who(const struct weft_mesh *mesh, const struct weft_key *key)
{
    struct weft_membership *membership = membership_of(mesh);
    return membership ? weft_known_who(mesh->known, membership, key, weft_mesh_state_now_s(mesh->state))
                      : WEFT_ANONYMOUS;
}

enum weft_verdict weft_mesh_meet(struct weft_mesh *mesh, const struct weft_key *key, struct weft_slice chain,
                                 int *error)
{
    struct weft_membership *membership = membership_of(mesh);
    WEFT_ASSERT(membership);
    enum weft_verdict verdict =
        weft_known_show(mesh->known, membership, key, chain, weft_mesh_state_now_s(mesh->state), error);
    struct weft_link *link = verdict == WEFT_VERDICT_MEMBER ? weft_links_of(mesh->options.port->links, key) : NULL;
    for (; link; link = weft_link_next_of(link)) {
        weft_link_welcome(link);
    }
    return verdict;
}

struct weft_link *weft_mesh_link_to(const struct weft_mesh *mesh, const struct weft_key *key)
{
    const struct weft_links *links = mesh->options.port->links;
    return links ? weft_links_to(links, key) : NULL;
}

static void cut_links(const struct weft_mesh *mesh, const struct weft_key *subject)
{
    struct weft_links *links = mesh->options.port->links;
    for (struct weft_link *link = links ? weft_links_next(links, NULL) : NULL; link;
         link = weft_links_next(links, link)) {
        const struct weft_key *key = weft_link_key(link);
        if (key && weft_known_leans(mesh->known, key, subject) && weft_mesh_who(mesh, key) == WEFT_ANONYMOUS) {
            weft_link_cut(link, "its peer was put out of the mesh"); /* in the flush, not here */
        }
    }
}

void weft_mesh_revoked(struct weft_mesh *mesh, const struct weft_key *subject)
{
    if (membership_of(mesh)) {
        cut_links(mesh, subject);
        if (weft_mesh_who(mesh, subject) == WEFT_ANONYMOUS) {
            weft_attaching_forget(mesh->attaching, subject);
        }
    }
}

/* What a key has shown holds as long as any link of its does. */
static void forget_key(struct weft_mesh *mesh, const struct weft_link *closed)
{
    const struct weft_links *links = mesh->options.port->links;
    const struct weft_key *key = weft_link_key(closed);
    if (!key || !mesh->known || !weft_known_has(mesh->known, key)) {
        return;
    }
    const struct weft_link *other = weft_links_of(links, key);
    other = other == closed ? weft_link_next_of(other) : other;
    if (!other) {
        weft_known_forget(mesh->known, key);
    }
}

/* -- attaching and leaving -- */

void weft_mesh_attach(struct weft_mesh *mesh)
{
    if (!membership_of(mesh) || !mesh->options.port->links) {
        return;
    }
    weft_renewing_start(&mesh->renewing);
    weft_expiring_start(&mesh->expiring);
    int error = weft_mesh_gossip_start(mesh->gossip);
    if (error == 0) {
        error = weft_attaching_start(mesh->attaching, mesh->options.port->links);
    }
    if (error < 0 && weft_journal_begin(mesh->options.journal, WEFT_LOG_ERROR, "not attaching")) {
        weft_journal_word(mesh->options.journal, "error", weft_error_text(error));
        weft_journal_word(mesh->options.journal, "meaning", "this node meets nobody until it is started again");
        weft_journal_end(mesh->options.journal);
    }
}

static void on_left(void *self, int status, const char *problem)
{
    struct weft_mesh *mesh = self;
    weft_mesh_state_done *left = mesh->left;
    mesh->left = NULL;
    if (status == 0) {
        weft_expiring_stop(&mesh->expiring);
        weft_renewing_stop(&mesh->renewing);
        weft_attaching_leave(mesh->attaching);
        weft_known_forget_all(mesh->known);
        if (mesh->options.port->links) {
            weft_links_drain(mesh->options.port->links);
        }
    }
    if (left) {
        left(mesh->left_self, status, problem);
    }
}

int weft_mesh_leave(struct weft_mesh *mesh, weft_mesh_state_done *done, void *self)
{
    if (!membership_of(mesh)) {
        return WEFT_ERR_NOT_FOUND;
    }
    if (mesh->left) {
        return WEFT_ERR_FULL;
    }
    int error = weft_mesh_state_leave(mesh->state, on_left, mesh);
    if (error == 0) {
        mesh->left = done;
        mesh->left_self = self;
    }
    return error;
}

/* -- joining -- */

static void end_joining(struct weft_mesh *mesh, int status, const char *code, const char *problem)
{
    const struct weft_mesh_joined joined = {.status = status, .code = code, .problem = problem};
    void (*done)(void *self, const struct weft_mesh_joined *joined) = mesh->joined;
    mesh->joins = false;
    mesh->joined = NULL;
    weft_invite_deinit(&mesh->invite);
    if (done) {
        done(mesh->joined_self, &joined);
    }
}

WEFT_PRINTF(4, 5)
static void refuse_joining(struct weft_mesh *mesh, int status, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(mesh->problem, sizeof(mesh->problem), format, arguments); /* a cut sentence still helps */
    va_end(arguments);
    end_joining(mesh, status, code, mesh->problem);
}

void weft_mesh_drain(struct weft_mesh *mesh)
{
    weft_mesh_state_done *left = mesh->left;
    mesh->left = NULL;
    if (mesh->joins) {
        refuse_joining(mesh, WEFT_ERR_CLOSED, "stopping",
                       "This node is being stopped. Start it, and join again with the same invite: that counts as one "
                       "use.");
    }
    if (left) {
        left(mesh->left_self, WEFT_ERR_CLOSED, "This node is being stopped. Start it, and see whether it has left.");
    }
}

static void on_stored(void *self, int status, const char *problem)
{
    struct weft_mesh *mesh = self;
    if (status < 0) {
        refuse_joining(mesh, status, "not_stored",
                       "This node was admitted, and could not keep its certificate: %s Join again with the same "
                       "invite: that counts as one use.",
                       problem);
    } else {
        weft_mesh_attach(mesh);
        end_joining(mesh, 0, "", "");
    }
}

static int64_t write_application(void *self, const uint8_t link[WEFT_LINK_SIZE], uint8_t out[WEFT_APPLICATION_MAX])
{
    struct weft_mesh *mesh = self;
    return weft_joining_redeem(weft_mesh_identity(mesh), &mesh->invite, link, out);
}

/* Whoever answered there is none of the mesh's gateways, or none that can say. */
static bool another_may_do(int status, enum weft_refused refusal)
{
    bool cannot_say = refusal == WEFT_REFUSAL_ISSUER_AWAY || refusal == WEFT_REFUSAL_BUSY ||
                      refusal == WEFT_REFUSAL_OTHER_MESH || refusal == WEFT_REFUSAL_GATEWAY_LAPSED;
    return status == WEFT_ERR_CRYPTO || (status == WEFT_ERR_DENIED && cannot_say);
}

static bool on_answered(void *self, struct weft_slice admission)
{
    struct weft_mesh *mesh = self;
    struct weft_joining_answer answer;
    struct weft_slice addresses[WEFT_INVITE_ADDRESSES_MAX];
    size_t count = 0;
    for (; count < WEFT_INVITE_ADDRESSES_MAX && mesh->invite.addresses[count][0] != '\0'; count++) {
        addresses[count] = weft_slice_text(mesh->invite.addresses[count]);
    }
    /* In the store before the certificate: whoever is in knows where the gateways are. */
    weft_attaching_name(mesh->attaching, &mesh->invite.mesh, &mesh->invite.issuer, addresses, count);
    int status = weft_mesh_state_take(mesh->state, &mesh->invite.mesh, admission, &answer, on_stored, mesh);
    if (mesh->applying.at + 1 < mesh->applying.count && another_may_do(status, answer.refusal)) {
        return false;
    }
    if (status == WEFT_ERR_DENIED) {
        refuse_joining(mesh, status, weft_refusal_word(answer.refusal), "%s", weft_refusal_text(answer.refusal));
    } else if (status == WEFT_ERR_CRYPTO) {
        refuse_joining(mesh, status, "other_mesh",
                       "Whoever answers at the invite's address is no gateway of the invite's mesh: %s",
                       weft_verdict_text(answer.verdict));
    } else if (status < 0) {
        refuse_joining(mesh, status, "not_understood",
                       "What the gateway answered cannot be used (%s): is one of the two programs much older?",
                       weft_error_text(status));
    }
    return true;
}

static void on_failed(void *self, int why, const char *address)
{
    struct weft_mesh *mesh = self;
    refuse_joining(mesh, why, "unreachable",
                   "No gateway of this invite's mesh answers (the last one tried was %s: %s). Is it running, and is "
                   "this machine connected?",
                   address, weft_error_text(why));
}

static const struct weft_applying_user applying_user = {
    .write = write_application, .answered = on_answered, .failed = on_failed};

/* With a key and a state. */
static void go_on_joining(struct weft_mesh *mesh)
{
    const struct weft_membership *membership = weft_mesh_state_membership(mesh->state);
    const char *addresses[WEFT_INVITE_ADDRESSES_MAX];
    size_t count = 0;
    if (membership) {
        bool same = weft_key_equal(weft_membership_mesh(membership), &mesh->invite.mesh);
        refuse_joining(mesh, WEFT_ERR_EXISTS, same ? "already_in" : "in_another",
                       same ? "This node is in that mesh already: nothing is to be done."
                            : "This node is in another mesh, and can be in one at a time: `weft leave` first.");
        return;
    }
    if (!mesh->options.port->links) {
        char why[WEFT_MESH_PROBLEM_MAX];
        int error = mesh->options.wanted(mesh->options.self, why, sizeof(why));
        if (error < 0) {
            refuse_joining(mesh, error, "cannot_begin", "%s", why);
            return;
        }
    }
    for (size_t i = 0; i < WEFT_INVITE_ADDRESSES_MAX && mesh->invite.addresses[i][0] != '\0'; i++) {
        addresses[count++] = mesh->invite.addresses[i];
    }
    int error = weft_applying_start(&mesh->applying, mesh->options.port->links, addresses, count);
    if (error < 0) {
        refuse_joining(mesh, error, "cannot_begin", "Joining cannot begin: %s. Try again in a moment.",
                       weft_error_text(error));
    }
}

void weft_mesh_join(struct weft_mesh *mesh, struct weft_slice line,
                    void (*done)(void *self, const struct weft_mesh_joined *joined), void *self)
{
    static const struct weft_mesh_joined busy = {
        WEFT_ERR_BUSY, "busy", "This node is joining a mesh, or still starting: wait until that is done."};
    bool ready = mesh->stage == MESH_ON || mesh->stage == MESH_OFF;
    if (mesh->joins || !ready || mesh->applying.runs || mesh->applying.resolves) {
        done(self, &busy);
        return;
    }
    mesh->joined = done;
    mesh->joined_self = self;
    int error = weft_invite_read(line, &mesh->invite);
    if (error < 0) {
        const char *code = error == WEFT_ERR_CRYPTO ? "damaged" : error == WEFT_ERR_UNSUPPORTED ? "newer" : "no_invite";
        refuse_joining(mesh, error, code, "%s", weft_invite_problem(error));
        return;
    }
    mesh->joins = true;
    if (mesh->stage == MESH_ON) {
        go_on_joining(mesh);
    } else {
        mesh->stage = MESH_FINDING;
        weft_mesh_port_find(mesh->options.port);
    }
}

/* -- links -- */

void weft_mesh_opened(struct weft_mesh *mesh, struct weft_link *link)
{
    weft_applying_opened(&mesh->applying, link);
    if (mesh->attaching) {
        weft_attaching_opened(mesh->attaching, link);
    }
}

void weft_mesh_closed(struct weft_mesh *mesh, const struct weft_link *link, int why, const char *phrase)
{
    weft_applying_closed(&mesh->applying, link, why);
    if (mesh->attaching) {
        weft_attaching_closed(mesh->attaching, link, why, phrase);
    }
    forget_key(mesh, link);
}

/* -- made and unmade -- */

int weft_mesh_new(struct weft_mesh **out, const struct weft_mesh_options *options)
{
    struct weft_mesh *mesh = *out = weft_zalloc(sizeof(*mesh));
    if (!mesh) {
        return WEFT_ERR_MEMORY;
    }
    mesh->options = *options;
    weft_applying_init(&mesh->applying, options->loop, &applying_user, mesh);
    return 0;
}

void weft_mesh_has(struct weft_mesh *mesh, struct weft_models *models, struct weft_peers *peers)
{
    mesh->models = models;
    mesh->peers = peers;
}

void weft_mesh_free(struct weft_mesh *mesh)
{
    if (!mesh) {
        return;
    }
    weft_applying_deinit(&mesh->applying);
    free_parts(mesh);
    weft_invite_deinit(&mesh->invite);
    weft_free(mesh);
}
