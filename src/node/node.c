/* node/node.c - one whole node. */
#include "node/node.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/tls.h"
#include "node/call.h"
#include "node/client_port.h"
#include "node/errand.h"
#include "node/front.h"
#include "node/mesh.h"
#include "node/opt_in.h"
#include "node/owner_token.h"
#include "wire/json.h"

#define LAST_WORDS (2 * WEFT_SECOND) /* what clients get to read that their answer was cut */

enum node_state {
    NODE_NEW,
    NODE_STARTING, /* the owner token is being read or made */
    NODE_RUNNING,
    NODE_DRAINING, /* finishing what is running */
    NODE_PARTING,  /* nothing runs any more; the engines are ending */
    NODE_STOPPED,
};

struct weft_node {
    struct weft_node_options options;
    struct weft_loop loop;
    struct weft_journal journal;
    struct weft_metrics metrics;
    struct weft_front front;
    struct weft_random random;
    struct weft_upstream *upstream;
    struct weft_models *models;
    struct weft_externals *externals;
    struct weft_peers *peers;
    struct weft_tls_identity *web_identity;
    struct weft_tls_context *tls;
    struct weft_client_port clients;
    size_t connections_max;
    struct weft_timer drain_timer;
    enum node_state state;
    size_t cut; /* answers */
    bool accepting;
    bool cutting;                /* the drain took too long: who still waited was told */
    bool was_ready;              /* that was said */
    struct weft_kept_file owner; /* the owner's token */
    struct weft_mesh_port mesh;
    struct weft_mesh *in_mesh;
    struct weft_opt_in opt_in;
};

/* -- what it says -- */

static void note(struct weft_node *node, enum weft_log_level level, const char *event, const char *name,
                 const char *value)
{
    if (weft_journal_begin(&node->journal, level, event)) {
        if (name) {
            weft_journal_word(&node->journal, name, value);
        }
        weft_journal_end(&node->journal);
    }
}

/* -- connections -- */

static void set_accepting(struct weft_node *node)
{
    size_t count = node->clients.connection_count + weft_mesh_port_links(&node->mesh);
    bool accepting = node->state == NODE_RUNNING && count < node->connections_max;
    node->metrics.connections = count;
    if (accepting == node->accepting) {
        return;
    }
    node->accepting = accepting;
    weft_client_port_accept(&node->clients, accepting);
    weft_mesh_port_accept(&node->mesh, accepting);
    if (!accepting && node->state == NODE_RUNNING) {
        note(node, WEFT_LOG_WARN, "full", "meaning", "new connections wait until others close");
    }
}

static void on_request(void *self, struct weft_exchange *exchange, const struct weft_caller *caller)
{
    struct weft_node *node = self;
    weft_front_request(&node->front, exchange, caller);
}

static void on_refused(void *self, int status, const char *why)
{
    struct weft_node *node = self;
    node->metrics.malformed++;
    if (weft_journal_begin(&node->journal, WEFT_LOG_INFO, "refused")) {
        weft_journal_number(&node->journal, "status", status);
        weft_journal_word(&node->journal, "why", why);
        weft_journal_end(&node->journal);
    }
}

static void say_stopped(struct weft_node *node)
{
    node->state = NODE_STOPPED;
    note(node, WEFT_LOG_INFO, "stopped", NULL, NULL);
    node->options.stopped(node->options.self);
}

/* No client or link is left: what remains is to end the engines. */
static void part(struct weft_node *node)
{
    weft_timer_clear(&node->loop.timers, &node->drain_timer);
    if (weft_models_count(node->models) > 0) {
        node->state = NODE_PARTING;
        weft_models_stop(node->models);
    } else {
        say_stopped(node);
    }
}

static void note_failed(struct weft_node *node, const char *event, int why, const char *phrase)
{
    if (phrase && weft_journal_begin(&node->journal, WEFT_LOG_DEBUG, event)) {
        weft_journal_word(&node->journal, "error", weft_error_text(why));
        weft_journal_word(&node->journal, "why", phrase);
        weft_journal_end(&node->journal);
    }
}

/* Somebody came or went. */
static void look_who_is_left(struct weft_node *node)
{
    set_accepting(node);
    if (node->state == NODE_DRAINING && !node->clients.connections && weft_mesh_port_links(&node->mesh) == 0) {
        part(node);
    }
}

static void on_changed(void *self)
{
    look_who_is_left(self);
}

static void client_closed(void *self, int why, const char *phrase)
{
    note_failed(self, "connection failed", why, phrase);
}

static const struct weft_client_port_user clients_user = {
    .request = on_request, .refused = on_refused, .closed = client_closed, .changed = on_changed};

/* -- links -- */

static enum weft_principal link_who(void *self, const struct weft_key *key)
{
    const struct weft_node *node = self;
    return node->options.who ? node->options.who(node->options.self, key) : weft_mesh_who(node->in_mesh, key);
}

static void link_opened(void *self, struct weft_link *link)
{
    struct weft_node *node = self;
    weft_mesh_opened(node->in_mesh, link);
}

static void link_closed(void *self, struct weft_link *link, int why, const char *phrase)
{
    const struct weft_node *node = self;
    weft_mesh_closed(node->in_mesh, link, why, phrase);
    note_failed(self, "link failed", why, phrase);
}

static const struct weft_links_user links_user = {.who = link_who,
                                                  .request = on_request,
                                                  .refused = on_refused,
                                                  .opened = link_opened,
                                                  .closed = link_closed,
                                                  .changed = on_changed};

/* -- its end -- */

static void close_listeners(struct weft_node *node)
{
    weft_mesh_port_close(&node->mesh);
    weft_client_port_close(&node->clients);
}

static void on_drain_timeout(struct weft_timer *timer)
{
    struct weft_node *node = WEFT_CONTAINER(timer, struct weft_node, drain_timer);
    if (node->cutting) {
        weft_node_stop(node); /* who is left does not even read that */
        return;
    }
    node->cutting = true;
    if (weft_journal_begin(&node->journal, WEFT_LOG_WARN, "drain timed out")) {
        weft_journal_number(&node->journal, "cut", (int64_t)node->metrics.running);
        weft_journal_end(&node->journal);
    }
    node->cut = weft_front_cut(&node->front);
    weft_timer_set(&node->loop.timers, timer, node->loop.turn.now + LAST_WORDS);
}

static void forget_files(struct weft_node *node)
{
    weft_kept_forget(&node->owner);
    weft_opt_in_stop(&node->opt_in);
    weft_mesh_forget(node->in_mesh);
}

void weft_node_drain(struct weft_node *node, weft_time timeout)
{
    if (node->state >= NODE_DRAINING) {
        return;
    }
    node->state = NODE_DRAINING;
    weft_mesh_drain(node->in_mesh);
    forget_files(node);
    weft_time wait = timeout < 0 ? node->options.config->drain_timeout : timeout;
    if (weft_journal_begin(&node->journal, WEFT_LOG_INFO, "draining")) {
        weft_journal_number(&node->journal, "running", (int64_t)node->metrics.running);
        weft_journal_ms(&node->journal, "at_most_ms", wait);
        weft_journal_end(&node->journal);
    }
    close_listeners(node);
    weft_timer_set(&node->loop.timers, &node->drain_timer, node->loop.turn.now + wait);
    weft_client_port_drain(&node->clients);
    if (node->mesh.links) {
        weft_links_drain(node->mesh.links);
    }
    look_who_is_left(node);
}

static void close_connections(struct weft_node *node)
{
    weft_client_port_cut(&node->clients);
    if (node->mesh.links) {
        weft_links_cut(node->mesh.links);
    }
}

void weft_node_stop(struct weft_node *node)
{
    if (node->state == NODE_STOPPED) {
        return;
    }
    if (node->state == NODE_PARTING) {
        say_stopped(node); /* engines that are left are killed by weft_node_free() */
        return;
    }
    forget_files(node);
    node->cut += (size_t)node->metrics.running;
    close_listeners(node);
    close_connections(node);
    part(node);
}

/* -- its models -- */

static void look_whether_ready(struct weft_node *node)
{
    if (!node->was_ready && node->state == NODE_RUNNING && weft_models_ready(node->models) == 1) {
        node->was_ready = true;
        if (node->options.ready) {
            node->options.ready(node->options.self);
        }
    }
}

static void on_model_changed(void *self, size_t index)
{
    struct weft_node *node = self;
    struct weft_model_info info;
    weft_models_info(node->models, index, &info);
    if (node->options.model_changed) {
        node->options.model_changed(node->options.self, &info);
    }
    weft_mesh_models_changed(node->in_mesh);
    look_whether_ready(node);
}

static void on_model_hashed(void *self)
{
    struct weft_node *node = self;
    weft_mesh_models_changed(node->in_mesh);
}

static void on_models_stopped(void *self)
{
    struct weft_node *node = self;
    if (node->state == NODE_PARTING) {
        say_stopped(node);
    }
}

static const struct weft_models_user models_user = {
    .changed = on_model_changed, .hashed = on_model_hashed, .stopped = on_models_stopped};

static int make_models(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_models_options options = {
        .loop = &node->loop,
        .journal = &node->journal,
        .config = node->options.config,
        .engine = node->options.engine,
        .paths = node->options.models,
        .count = node->options.model_count,
        .offered = node->options.models_offered,
        .user = &models_user,
        .self = node,
    };
    char why[WEFT_MODEL_PROBLEM_MAX];
    int error = weft_models_new(&node->models, &options, why);
    if (error < 0) {
        (void)snprintf(problem, size, "%s", why); /* a cut sentence still helps */
    }
    return error;
}

static int make_externals(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_externals_options options = {
        .loop = &node->loop,
        .journal = &node->journal,
        .metrics = &node->metrics,
        .config = node->options.config,
        .keys = node->options.external_keys,
        .models = node->models,
        .id = node->options.config->externals.count > 0 ? weft_random_next(&node->random) : 0,
    };
    char why[WEFT_EXTERNAL_PROBLEM_MAX];
    int error = weft_externals_new(&node->externals, &options, why);
    if (error < 0) {
        (void)snprintf(problem, size, "%s", why); /* a cut sentence still helps */
    }
    return error;
}

/* -- its beginning -- */

static void cannot_start(struct weft_node *node, int status, const char *problem)
{
    close_listeners(node);
    node->state = NODE_STOPPED;
    node->options.started(node->options.self, status, problem);
}

/* With a key: where others come in, if that is set, and links from here. */
static int open_links(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_address *listen = &node->options.config->mesh_listen;
    node->front.key = node->mesh.identity.key;
    return weft_mesh_port_open(&node->mesh, listen->text[0] != '\0' ? listen : NULL, problem, size);
}

static int open_listeners(struct weft_node *node, char *problem, size_t size)
{
    int error = weft_client_port_open(&node->clients, problem, size);
    return error == 0 && weft_mesh_on(node->in_mesh) ? open_links(node, problem, size) : error;
}

static void run(struct weft_node *node)
{
    char problem[WEFT_NODE_PROBLEM_MAX];
    int error = open_listeners(node, problem, sizeof(problem));
    if (error < 0) {
        cannot_start(node, error, problem);
        return;
    }
    node->state = NODE_RUNNING;
    node->metrics.started_s = node->loop.host->ops->wall(node->loop.host) / 1000000;
    node->metrics.started = node->loop.host->ops->now(node->loop.host);
    set_accepting(node);
    note(node, WEFT_LOG_INFO, "started", "version", node->options.version);
    node->options.started(node->options.self, 0, "");
    weft_models_start(node->models);
    weft_externals_start(node->externals);
    weft_mesh_attach(node->in_mesh);
    weft_opt_in_start(&node->opt_in);
    look_whether_ready(node);
}

static void on_mesh(void *self, int status, const char *problem)
{
    struct weft_node *node = self;
    if (status < 0) {
        cannot_start(node, status, problem);
    } else {
        run(node);
    }
}

static void on_key(void *self, int status, const char *problem)
{
    struct weft_node *node = self;
    weft_mesh_found(node->in_mesh, status, problem);
}

/* It joins while it runs: from now on it has links. */
static int on_mesh_wanted(void *self, char *problem, size_t size)
{
    struct weft_node *node = self;
    int error = open_links(node, problem, size);
    if (error == 0) {
        node->accepting = false; /* said anew, to the new listener too */
        set_accepting(node);
    }
    return error;
}

static size_t make_token(void *self, struct weft_host *host, char text[WEFT_KEPT_TEXT_MAX])
{
    struct weft_node *node = self;
    return weft_owner_token_make(&node->front.access.owner, host, text);
}

static int take_token(void *self, struct weft_slice text)
{
    struct weft_node *node = self;
    return weft_owner_token_take(&node->front.access.owner, text);
}

static void on_token(void *self, int status, const char *problem)
{
    struct weft_node *node = self;
    if (status < 0) {
        cannot_start(node, status, problem);
    } else {
        weft_mesh_start(node->in_mesh);
    }
}

static const struct weft_kept_kind token_kind = {
    .what = "owner token",
    .useless = "It holds no token: remove it, and a new one is made.",
    .make = make_token,
    .take = take_token,
    .found = on_token,
};

void weft_node_start(struct weft_node *node)
{
    node->state = NODE_STARTING;
    weft_kept_find(&node->owner);
}

/* -- the front door's questions -- */

static uint64_t next_random(void *self)
{
    struct weft_node *node = self;
    return weft_random_next(&node->random);
}

static void drain_asked(void *self, weft_time timeout)
{
    weft_node_drain(self, timeout);
}

static bool is_draining(const void *self)
{
    const struct weft_node *node = self;
    return node->state != NODE_RUNNING;
}

/* -- the guest -- */

static weft_time turn(void *self, weft_time now)
{
    struct weft_node *node = self;
    node->loop.turn.now = now;
    weft_timers_run(&node->loop.timers, now);
    weft_turn_run(&node->loop.turn);
    return weft_timers_next(&node->loop.timers);
}

struct weft_guest weft_node_guest(struct weft_node *node)
{
    return (struct weft_guest){.self = node, .turn = turn};
}

/* -- made and unmade -- */

/* One for each engine that may run. */
static size_t engine_sockets(const struct weft_node *node)
{
    size_t models = node->options.model_count;
    return models < WEFT_MODELS_LOADED_MAX ? models : WEFT_MODELS_LOADED_MAX;
}

/* Half of the sockets are for the upstream where there is one: each relayed request may need one. */
static int share_sockets(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_config *config = node->options.config;
    size_t sockets = node->loop.host->ops->sockets_max(node->loop.host);
    size_t others = engine_sockets(node) + config->externals.count * WEFT_EXTERNAL_CONNECTIONS_MAX +
                    (config->gateway                       ? WEFT_LINKS_DIALLED_GATEWAY_MAX
                     : config->mesh_listen.text[0] != '\0' ? WEFT_LINKS_DIALLED_MAX
                                                           : 0);
    sockets = sockets > others ? sockets - others : 0;
    size_t clients = config->upstream_text.size > 0 ? sockets / 2 : sockets;
    if (clients < WEFT_NODE_CONNECTIONS_MIN) {
        (void)snprintf(problem, size,
                       "The limit of open files leaves room for %zu connections, too few to serve anyone. Raise it "
                       "(ulimit -n 4096).",
                       clients); /* fits */
        return WEFT_ERR_FULL;
    }
    size_t wanted = (size_t)config->connections_max;
    node->connections_max = clients < wanted ? clients : wanted;
    return 0;
}

static int make_upstream(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_config *config = node->options.config;
    if (config->upstream_text.size == 0) {
        return 0;
    }
    size_t sockets = node->loop.host->ops->sockets_max(node->loop.host) - node->connections_max -
                     engine_sockets(node); /* share_sockets() has seen that this is more than nothing */
    int error = weft_upstream_new(&node->upstream, &node->loop, &node->metrics, &config->upstream, sockets,
                                  weft_random_next(&node->random));
    if (error < 0) {
        (void)snprintf(problem, size, "Cannot use the upstream %.*s: %s.", (int)config->upstream_text.size,
                       config->upstream_text.data, weft_error_text(error)); /* a cut address still names it */
    }
    return error;
}

static int make_tls(struct weft_node *node, char *problem, size_t size)
{
    const struct weft_node_options *options = &node->options;
    if (options->certificate.size == 0) {
        return 0;
    }
    int error =
        weft_tls_identity_from_pem(&node->web_identity, options->certificate, options->certificate_key, problem, size);
    if (error < 0) {
        return error;
    }
    const struct weft_tls_server_options server = {.web = node->web_identity};
    error = weft_tls_server_context_new(&node->tls, &server);
    if (error < 0) {
        (void)snprintf(problem, size, "Cannot use the certificate: %s.", weft_error_text(error)); /* fits */
    }
    node->clients.tls = node->tls;
    return error;
}

static void init_clients(struct weft_node *node)
{
    const struct weft_client_port_options options = {.loop = &node->loop,
                                                     .metrics = &node->metrics,
                                                     .config = node->options.config,
                                                     .user = &clients_user,
                                                     .self = node};
    weft_client_port_init(&node->clients, &options);
}

static int init_mesh(struct weft_node *node)
{
    const struct weft_mesh_port_options options = {
        .loop = &node->loop,
        .metrics = &node->metrics,
        .security = node->options.security,
        .web = node->web_identity,
        .state_folder = node->options.state_folder,
        .body_max = (size_t)node->options.config->body_max,
        .strangers_max = node->connections_max / 2, /* the other half is for this node's own clients, and members */
        .found = on_key,
        .user = &links_user,
        .self = node,
    };
    const struct weft_mesh_options mesh = {
        .loop = &node->loop,
        .journal = &node->journal,
        .config = node->options.config,
        .folder = node->options.state_folder,
        .version = node->options.version,
        .port = &node->mesh,
        .started = on_mesh,
        .wanted = on_mesh_wanted,
        .self = node,
    };
    int error = weft_mesh_port_init(&node->mesh, &options);
    error = error < 0 ? error : weft_mesh_new(&node->in_mesh, &mesh);
    return error < 0
               ? error
               : weft_opt_in_init(&node->opt_in, &node->loop, &node->journal, node->in_mesh, node->options.mesh_key);
}

static int make_peers(struct weft_node *node)
{
    const struct weft_config *config = node->options.config;
    const struct weft_peers_options options = {
        .loop = &node->loop, .waiters_max = (size_t)config->queue_max, .stall = config->engine_stall};
    return weft_peers_new(&node->peers, &options);
}

static void make_front(struct weft_node *node)
{
    const struct weft_config *config = node->options.config;
    node->front = (struct weft_front){
        .loop = &node->loop,
        .journal = &node->journal,
        .metrics = &node->metrics,
        .upstream = node->upstream,
        .models = node->models,
        .externals = node->externals,
        .mesh = node->in_mesh,
        .peers = node->peers,
        .access =
            {
                .key = node->options.api_key,
                .hosts = config->hosts.at,
                .host_count = config->hosts.count,
                .origins = config->origins.at,
                .origin_count = config->origins.count,
            },
        .version = node->options.version,
        .queue_wait = config->queue_wait,
        .random = next_random,
        .drain = drain_asked,
        .draining = is_draining,
        .self = node,
    };
    node->loop.host->ops->entropy(node->loop.host, &node->front.mark_key, sizeof(node->front.mark_key));
}

int weft_node_new(struct weft_node **out, const struct weft_node_options *options, char *problem, size_t problem_size)
{
    struct weft_host *host = options->host;
    uint64_t seed;
    struct weft_node *node = *out = weft_zalloc(sizeof(*node));
    int error = WEFT_ERR_MEMORY;
    if (!node) {
        (void)snprintf(problem, problem_size, "This machine has no memory left to start."); /* fits */
        return error;
    }
    node->options = *options;
    node->loop.host = host;
    node->loop.turn.now = host->ops->now(host);
    weft_journal_init(&node->journal, host, options->config->log_level, options->journal_format);
    host->ops->entropy(host, &seed, sizeof(seed));
    weft_random_init(&node->random, seed);
    host->ops->entropy(host, &seed, sizeof(seed)); /* another one: request ids are public and lead back to the first */
    weft_json_setup(seed);
    weft_timer_init(&node->drain_timer, on_drain_timeout);
    init_clients(node);
    (void)snprintf(problem, problem_size, "The node's folder has too long a name, or memory ran out."); /* fits */
    error = weft_kept_init(&node->owner, &token_kind, node, host, options->state_folder, WEFT_NODE_TOKEN_FILE);
    if (error == 0) {
        error = weft_timers_reserve(&node->loop.timers);
    }
    if (error == 0) {
        error = share_sockets(node, problem, problem_size);
    }
    if (error == 0) {
        error = make_upstream(node, problem, problem_size);
    }
    if (error == 0) {
        error = make_tls(node, problem, problem_size);
    }
    if (error == 0) {
        error = init_mesh(node);
    }
    if (error == 0) {
        error = make_models(node, problem, problem_size);
    }
    if (error == 0) {
        error = make_externals(node, problem, problem_size);
    }
    if (error == 0) {
        error = make_peers(node);
    }
    if (error == 0) {
        weft_mesh_has(node->in_mesh, node->models, node->peers);
    }
    if (error < 0) {
        weft_node_free(node);
        *out = NULL;
        return error;
    }
    make_front(node);
    return 0;
}

void weft_node_free(struct weft_node *node)
{
    if (!node) {
        return;
    }
    if (node->in_mesh) {
        weft_mesh_forget(node->in_mesh);
    }
    close_listeners(node);
    close_connections(node);
    weft_upstream_free(node->upstream);
    /* What the ends that were left have to say to each other, relays above all, is said before they go; first those of
     * clients, which have requests at engines. */
    weft_turn_run(&node->loop.turn);
    weft_peers_free(node->peers);
    weft_externals_free(node->externals);
    weft_models_free(node->models);
    weft_turn_run(&node->loop.turn);
    weft_errands_end(&node->front);
    weft_opt_in_deinit(&node->opt_in);
    weft_mesh_free(node->in_mesh);
    weft_mesh_port_deinit(&node->mesh);
    weft_timer_clear(&node->loop.timers, &node->drain_timer);
    weft_timers_deinit(&node->loop.timers);
    weft_tls_context_free(node->tls);
    weft_tls_identity_free(node->web_identity);
    weft_free(node);
}

size_t weft_node_cut(const struct weft_node *node)
{
    return node->cut;
}

size_t weft_node_listeners(const struct weft_node *node)
{
    return node->clients.listener_count;
}

struct weft_config_listener weft_node_listener(const struct weft_node *node, size_t index)
{
    WEFT_ASSERT(index < node->clients.listener_count);
    return node->clients.listeners[index].bound;
}

const struct weft_address *weft_node_mesh_address(const struct weft_node *node)
{
    return node->mesh.listener ? &node->mesh.bound : NULL;
}

struct weft_links *weft_node_links(struct weft_node *node)
{
    return node->mesh.links;
}

struct weft_mesh *weft_node_mesh(const struct weft_node *node)
{
    return node->in_mesh;
}

size_t weft_node_connections_max(const struct weft_node *node)
{
    return node->connections_max;
}
