/* node/mesh_gossip.c - what a node knows of its mesh, and the mesh of it. */
#include "node/mesh_gossip.h"

#include "base/error.h"
#include "base/mem.h"

struct weft_mesh_gossip {
    struct weft_mesh_gossip_options options;
    struct weft_gossiping *gossiping;
    struct weft_announcing announcing;
    struct weft_mesh_peers peers;
    bool runs, gateway; /* as what it was started */
    uint64_t learnt;    /* stamp of the last announcement that was looked at for where a gateway is */
};

static bool is_gateway(const struct weft_mesh_gossip *gossip)
{
    return weft_mesh_state_certificate(gossip->options.state)->role == WEFT_ROLE_GATEWAY;
}

/* -- what is made of what others say -- */

static void learn(const struct weft_mesh_gossip *gossip, const struct weft_entry *entry)
{
    struct weft_announcement said;
    struct weft_signed parts;
    if (weft_announcement_read(weft_roster_bytes(entry), &said, &parts) == 0 && said.address_count > 0) {
        weft_attaching_learn(gossip->options.attaching, &entry->key, said.addresses, said.address_count);
    }
}

static void learn_gateways(struct weft_mesh_gossip *gossip, const struct weft_roster *roster)
{
    uint64_t latest = gossip->learnt;
    uint32_t cursor = 0;
    for (const struct weft_entry *entry; (entry = weft_roster_next(roster, &cursor));) {
        if (entry->bytes && entry->kind == WEFT_ENTRY_MEMBER && entry->role == WEFT_ROLE_GATEWAY &&
            entry->stamp > gossip->learnt) {
            learn(gossip, entry);
            latest = entry->stamp > latest ? entry->stamp : latest;
        }
    }
    gossip->learnt = latest;
}

static void attach_again(struct weft_mesh_gossip *gossip)
{
    struct weft_attaching_gateway gateway;
    for (size_t i = 0; weft_attaching_at(gossip->options.attaching, i, &gateway); i++) {
        weft_gossiping_attached(gossip->gossiping, gateway.key, gateway.ask);
    }
}

static void note_stopped(const struct weft_mesh_gossip *gossip, int error)
{
    if (weft_journal_begin(gossip->options.journal, WEFT_LOG_ERROR, "no gossip")) {
        weft_journal_word(gossip->options.journal, "error", weft_error_text(error));
        weft_journal_word(gossip->options.journal, "meaning", "this node knows nobody until it is started again");
        weft_journal_end(gossip->options.journal);
    }
}

/* The root has made it a gateway: what it says and hears is another. */
static void begin_anew(struct weft_mesh_gossip *gossip)
{
    weft_mesh_gossip_stop(gossip);
    int error = weft_mesh_gossip_start(gossip);
    if (error < 0) {
        note_stopped(gossip, error);
    } else {
        attach_again(gossip);
    }
}

static void on_changed(void *self)
{
    struct weft_mesh_gossip *gossip = self;
    const struct weft_roster *roster = weft_gossiping_roster(gossip->gossiping);
    uint64_t incarnation;
    if (!roster) {
        return;
    }
    if (is_gateway(gossip) != gossip->gateway) {
        begin_anew(gossip);
        return;
    }
    learn_gateways(gossip, roster);
    weft_mesh_peers_update(&gossip->peers);
    if (weft_roster_outrun(roster, &incarnation)) {
        weft_announcing_outrun(&gossip->announcing, incarnation);
    }
    weft_announcing_measure(&gossip->announcing);
    weft_announcing_look(&gossip->announcing); /* its certificate may have been renewed */
}

static void on_revoked(void *self, const struct weft_key *subject)
{
    const struct weft_mesh_gossip *gossip = self;
    gossip->options.revoked(gossip->options.self, subject);
}

static int on_ask(void *self, struct weft_link *link, struct weft_exchange *exchange)
{
    (void)self;
    return weft_link_ask(link, exchange);
}

static const struct weft_gossiping_user gossiping_user = {.ask = on_ask, .changed = on_changed, .revoked = on_revoked};

static enum weft_roster_outcome on_say(void *self, struct weft_slice announcement)
{
    struct weft_mesh_gossip *gossip = self;
    return weft_gossiping_announce(gossip->gossiping, announcement);
}

static const char *address_of(const void *self, char text[WEFT_HOSTPORT_MAX + 1])
{
    const struct weft_mesh_gossip *gossip = self;
    return gossip->options.address(gossip->options.self, text);
}

static const struct weft_links *links_of(const void *self)
{
    const struct weft_mesh_gossip *gossip = self;
    return gossip->options.links(gossip->options.self);
}

/* -- what it is told -- */

void weft_mesh_gossip_attached(struct weft_mesh_gossip *gossip, const struct weft_key *gateway, struct weft_link *ask)
{
    weft_gossiping_attached(gossip->gossiping, gateway, ask);
}

void weft_mesh_gossip_detached(struct weft_mesh_gossip *gossip, const struct weft_key *gateway)
{
    weft_gossiping_detached(gossip->gossiping, gateway);
}

int weft_mesh_gossip_accept(struct weft_mesh_gossip *gossip, struct weft_exchange *exchange, const struct weft_key *key,
                            bool gateway)
{
    return weft_gossiping_accept(gossip->gossiping, exchange, key, gateway);
}

void weft_mesh_gossip_models_changed(struct weft_mesh_gossip *gossip)
{
    weft_announcing_look(&gossip->announcing);
}

void weft_mesh_gossip_tell(struct weft_mesh_gossip *gossip, struct weft_slice revocation)
{
    weft_gossiping_tell(gossip->gossiping, revocation);
}

void weft_mesh_gossip_want(struct weft_mesh_gossip *gossip, const uint8_t hash[WEFT_HASH_SIZE])
{
    if (gossip->runs) {
        weft_mesh_peers_want(&gossip->peers, hash);
    }
}

const struct weft_gossiping *weft_mesh_gossip_of(const struct weft_mesh_gossip *gossip)
{
    return gossip->gossiping;
}

const struct weft_key *weft_mesh_gossip_by(const struct weft_mesh_gossip *gossip, const struct weft_entry *entry)
{
    return weft_mesh_peers_by(&gossip->peers, entry);
}

/* -- its life -- */

int weft_mesh_gossip_start(struct weft_mesh_gossip *gossip)
{
    if (gossip->runs) {
        return 0;
    }
    int error = weft_gossiping_start(gossip->gossiping);
    if (error < 0) {
        return error;
    }
    gossip->runs = true;
    gossip->gateway = is_gateway(gossip);
    gossip->learnt = 0;
    weft_models_hash(gossip->options.models); /* a model is announced by its hash */
    weft_announcing_start(&gossip->announcing);
    return 0;
}

void weft_mesh_gossip_stop(struct weft_mesh_gossip *gossip)
{
    if (gossip->runs) {
        gossip->runs = false;
        weft_announcing_stop(&gossip->announcing);
        weft_mesh_peers_forget(&gossip->peers);
        weft_gossiping_stop(gossip->gossiping);
    }
}

int weft_mesh_gossip_new(struct weft_mesh_gossip **out, const struct weft_mesh_gossip_options *options)
{
    struct weft_mesh_gossip *gossip = *out = weft_zalloc(sizeof(*gossip));
    if (!gossip) {
        return WEFT_ERR_MEMORY;
    }
    gossip->options = *options;
    const struct weft_gossiping_options gossiping = {.loop = options->loop,
                                                     .journal = options->journal,
                                                     .state = options->state,
                                                     .node = options->node,
                                                     .user = &gossiping_user,
                                                     .self = gossip};
    const struct weft_announcing_options announcing = {.loop = options->loop,
                                                       .journal = options->journal,
                                                       .config = options->config,
                                                       .state = options->state,
                                                       .node = options->node,
                                                       .models = options->models,
                                                       .version = options->version,
                                                       .address = address_of,
                                                       .say = on_say,
                                                       .self = gossip};
    int error = weft_gossiping_new(&gossip->gossiping, &gossiping);
    if (error == 0) {
        error = weft_announcing_init(&gossip->announcing, &announcing);
    }
    if (error < 0) {
        weft_mesh_gossip_free(gossip);
        *out = NULL;
        return error;
    }
    const struct weft_mesh_peers_options peers = {.gossiping = gossip->gossiping,
                                                  .peers = options->peers,
                                                  .self_key = options->node->key,
                                                  .models = options->models,
                                                  .links = links_of,
                                                  .self = gossip};
    weft_mesh_peers_init(&gossip->peers, &peers);
    return 0;
}

void weft_mesh_gossip_free(struct weft_mesh_gossip *gossip)
{
    if (!gossip) {
        return;
    }
    weft_mesh_gossip_stop(gossip);
    weft_announcing_deinit(&gossip->announcing);
    weft_gossiping_free(gossip->gossiping);
    weft_mesh_peers_deinit(&gossip->peers);
    weft_free(gossip);
}
