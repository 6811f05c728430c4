/* cli/up.c - `weft up`: reads the settings, starts a node, says where it is, and ends it as it is told. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/key.h"
#include "cli/lock.h"
#include "cli/model_files.h"
#include "cli/settings.h"
#include "cli/version.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "host/address.h"
#include "node/mesh.h"
#include "node/model_facts.h"
#include "node/node.h"
#include "store/hashes.h"
#include "store/store.h"
#include "sys/program.h"
#include "sys/sys.h"

#define PEM_MAX       ((size_t)256 * 1024) /* bytes of a certificate chain or of a key */
#define WHERE_SIZE    (WEFT_ADDRESS_PRINT_MAX + 16)
#define OFFERED_SHOWN 8
#define UNIX          "unix:"

struct up {
    struct weft_settings settings;
    struct weft_mesh_key mesh_key;
    struct weft_api_key key, external_keys[WEFT_CONFIG_EXTERNALS_MAX];
    struct weft_lock lock;
    struct weft_model_files models;
    struct weft_input certificate, certificate_key;
    struct weft_config_problem problem;
    struct weft_sys *sys;
    struct weft_store *store;
    struct weft_hashes *hashes;
    struct weft_node *node;
    char beside[WEFT_PROGRAM_PATH_MAX]; /* the engine that came with this program */
    const char *engine;
    int said; /* tenths of a model's loading, so that each is said once */
    bool pretty, keyed;
    bool ready; /* it has said so */
    int signals;
    int exit;
};

static int say_problem(const char *text)
{
    fprintf(stderr, "weft: %s\n", text);
    return WEFT_EXIT_FAILURE;
}

int weft_up_print_more(void)
{
    printf(
        "\nA node answers at the addresses it listens on, in OpenAI's API: for its own models, and for those of each\n"
        "--external. With --upstream it relays /v1/ to that server instead.\n"
        "Each flag can stand in the settings file or the environment too; flags go over the environment, that over\n"
        "the file. The file is weft.yaml in the folder named by --home, else $XDG_CONFIG_HOME/weft/weft.yaml.\n\n");
    return weft_help_print(weft_config_help);
}

/* -- what it says -- */

/* 9968 as 9,968. */
static const char *grouped(size_t number, char out[32])
{
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%zu", number);
    char *at = out;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

static void print_where(const struct weft_config_listener *listener, char where[WHERE_SIZE])
{
    static const char *const schemes[] = {
        [WEFT_CONFIG_TCP] = "http://", [WEFT_CONFIG_TLS] = "https://", [WEFT_CONFIG_UNIX] = UNIX};
    char address[WEFT_ADDRESS_PRINT_MAX];
    (void)snprintf(where, WHERE_SIZE, "%s%s", schemes[listener->scheme],
                   weft_address_print(&listener->address, address)); /* fits */
}

static void say_listeners(struct up *up)
{
    for (size_t i = 0; i < weft_node_listeners(up->node); i++) {
        struct weft_config_listener listener = weft_node_listener(up->node, i);
        char where[WHERE_SIZE];
        print_where(&listener, where);
        printf("listening on %s\n", where);
        weft_lock_add_address(&up->lock, where);
    }
    const struct weft_address *mesh = weft_node_mesh_address(up->node);
    if (mesh) {
        char address[WEFT_ADDRESS_PRINT_MAX];
        printf("listening for other nodes on %s\n", weft_address_print(mesh, address));
    }
}

/* What whoever begins a mesh must know. */
static void say_begun(const struct up *up)
{
    const struct weft_mesh_state *state = weft_mesh_state_of(weft_node_mesh(up->node));
    char mesh[WEFT_PEER_ID_SIZE];
    if (state && weft_mesh_state_begun(state)) {
        weft_key_text(weft_membership_mesh(weft_mesh_state_membership(state)), mesh);
        printf("a new mesh has begun: %s\n"
               "its root key is %s: whoever has that says who its gateways are. You may move it to a safe place, also\n"
               "one without a network; `weft root` signs with it there. `weft invite` invites others.\n",
               mesh, weft_mesh_state_root_path(state));
    }
}

static void say_limit(const struct up *up)
{
    char holds[32], asked[32], files[32];
    size_t max = weft_node_connections_max(up->node), wanted = (size_t)up->settings.config.connections_max;
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail for a limit that exists */
    if (max >= wanted) {
        printf("holds up to %s connections\n", grouped(max, holds));
    } else {
        printf("holds up to %s connections: the limit of open files is %s%s. For the %s that are set, raise it "
               "(`ulimit -Hn`)\n",
               grouped(max, holds), grouped((size_t)limit.rlim_cur, files),
               up->settings.config.upstream_text.size > 0 ? ", and each may need one more for the upstream" : "",
               grouped(wanted, asked));
    }
}

static void on_started(void *self, int status, const char *problem)
{
    struct up *up = self;
    if (status < 0) {
        up->exit = say_problem(problem);
        weft_sys_stop(up->sys);
        return;
    }
    say_listeners(up);
    say_begun(up);
    say_limit(up);
    (void)fflush(stdout); /* nobody may be listening: the node runs all the same */
}

static void on_model_changed(void *self, const struct weft_model_info *info)
{
    struct up *up = self;
    const char *name = info->name.data;
    int size = (int)info->name.size, tenths = (int)(info->progress * 10);
    if (info->state == WEFT_MODEL_READY) {
        printf("%.*s is ready: %d slots of %d tokens, %.1f GiB, CPU %s, sandbox %s%s\n", size, name, info->slots,
               info->context_tokens, (double)info->memory / (1 << 30), info->variant, info->sandbox,
               info->exact ? ", exact" : "");
    } else if (info->state == WEFT_MODEL_FAILED) {
        fprintf(stderr, "weft: %.*s is not served: %s\n", size, name, info->problem);
        up->exit = info->named ? WEFT_EXIT_FAILURE : up->exit;
        if (info->named &&
            !up->ready) { /* what was asked for cannot be had: better known now than by the first request */
            weft_node_stop(up->node);
        }
    } else if (info->state == WEFT_MODEL_UNLOADED && info->problem) {
        fprintf(stderr, "weft: %.*s does not fit beside the others, and is loaded when asked for: %s\n", size, name,
                info->problem);
    } else if (info->state == WEFT_MODEL_LOADING && tenths > up->said) {
        printf("loading %.*s: %d %%\n", size, name, tenths * 10);
    }
    up->said = info->state == WEFT_MODEL_LOADING ? tenths : -1;
    (void)fflush(stdout); /* as above */
}

/* Those that are loaded when somebody asks for them: "a, b, c and 4 more". */
static void say_offered(const struct up *up)
{
    const struct weft_model_files *models = &up->models;
    size_t first = models->count - models->offered;
    if (models->offered == 0) {
        return;
    }
    printf("loaded when asked for: ");
    for (size_t i = first; i < models->count && i < first + OFFERED_SHOWN; i++) {
        struct weft_slice name = weft_model_name(models->paths[i]);
        printf("%s%.*s", i == first ? "" : ", ", (int)name.size, name.data);
    }
    if (models->offered > OFFERED_SHOWN) {
        printf(" and %zu more (`weft models` lists them)", models->offered - OFFERED_SHOWN);
    }
    if (models->left_out > 0) {
        printf("; %zu of %s are left out, as a node offers %d at most", models->left_out, models->folder,
               WEFT_MODELS_MAX);
    }
    printf("\n");
}

/* The first listener that needs no trust in a certificate, or else the first. */
static struct weft_config_listener easiest_listener(const struct up *up)
{
    for (size_t i = 0; i < weft_node_listeners(up->node); i++) {
        struct weft_config_listener listener = weft_node_listener(up->node, i);
        if (listener.scheme != WEFT_CONFIG_TLS) {
            return listener;
        }
    }
    return weft_node_listener(up->node, 0);
}

/* Lines that work when pasted into a shell of this machine. What would need quotes within quotes is not said. */
static void say_try(const struct up *up)
{
    struct weft_slice first = weft_model_name(up->models.paths[0]);
    struct weft_config_listener listener = easiest_listener(up);
    const char *key = up->settings.config.api_key_file.size > 0 ? up->settings.config.api_key_file.data : "";
    char where[WHERE_SIZE], chat[WEFT_PROGRAM_PATH_MAX];
    print_where(&listener, where);
    if (strpbrk(first.data, "'\"\\") || strchr(where, '\'') || strchr(key, '\'')) {
        return;
    }
    bool local = listener.scheme == WEFT_CONFIG_UNIX;
    printf("try it:\n  curl %s%s%s/v1/chat/completions -H 'Content-Type: application/json'",
           local ? "--unix-socket '" : "", local ? where + strlen(UNIX) : where, local ? "' http://localhost" : "");
    if (key[0]) {
        printf(" -H \"Authorization: Bearer $(head -n 1 '%s')\"", key);
    } else if (up->keyed) {
        printf(" -H \"Authorization: Bearer $WEFT_API_KEY\"");
    }
    printf(" -d '{\"model\":\"%.*s\",\"messages\":[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]}'\n",
           (int)first.size, first.data);
    if (weft_program_beside("weft", chat) == 0 && !strchr(chat, '\'')) {
        printf("or talk to it:\n  '%s' chat --url '%s'%s%s%s\n", chat, where, key[0] ? " --api-key-file '" : "", key,
               key[0] ? "'" : "");
    }
}

static void say_no_model(const struct up *up)
{
    const struct weft_mesh_state *mesh = weft_mesh_state_of(weft_node_mesh(up->node));
    const char *answers = mesh && weft_mesh_state_membership(mesh) ? "/v1 answers with what others of its mesh serve"
                                                                   : "/v1 lists none and answers the rest with 503";
    if (up->settings.config.no_model) {
        printf("ready: no model, as was asked (no_model), so %s\n", answers);
    } else {
        printf("ready: no model, so %s; put a GGUF file into %s, or name one with --model\n", answers,
               up->models.folder);
    }
}

static void on_ready(void *self)
{
    struct up *up = self;
    up->ready = true;
    if (up->models.count > 0) {
        say_offered(up);
        printf("ready: /v1 answers\n");
        say_try(up);
    } else if (up->settings.config.externals.count > 0) {
        printf("ready: /v1 answers with the models of %zu external server%s\n", up->settings.config.externals.count,
               up->settings.config.externals.count == 1 ? "" : "s");
    } else if (up->settings.config.upstream_text.size > 0) {
        printf("ready: /v1 is relayed to %s\n", up->settings.config.upstream_text.data);
    } else {
        say_no_model(up);
    }
    (void)fflush(stdout); /* as above */
}

static void on_stopped(void *self)
{
    struct up *up = self;
    if (weft_node_cut(up->node) > 0) {
        up->exit = WEFT_EXIT_FAILURE;
    }
    weft_sys_stop(up->sys);
}

/* The journal says it too; this is for whoever has just pressed Ctrl-C. */
static void say_draining(struct up *up)
{
    if (up->pretty) {
        char line[160];
        int size = snprintf(line, sizeof(line),
                            "weft: what is running is finished first, for at most %" PRId64 " s; again to end now",
                            up->settings.config.drain_timeout / WEFT_SECOND);
        struct weft_host *host = weft_sys_host(up->sys);
        host->ops->log(host, WEFT_LOG_INFO, weft_slice(line, (size_t)size));
    }
}

static void on_signal(void *self, int number)
{
    (void)number; /* both ask for the same */
    struct up *up = self;
    if (up->signals++ == 0) {
        say_draining(up);
        weft_node_drain(up->node, -1);
    } else {
        weft_node_stop(up->node); /* cuts what runs ... */
        weft_node_stop(up->node); /* ... and does not wait for engines either */
    }
}

/* -- what it is told -- */

static int load_secrets(struct up *up)
{
    const struct weft_config *config = &up->settings.config;
    int status = weft_key_take(&up->key, &up->settings.config, &up->problem);
    if (status == 0) {
        status = weft_mesh_key_take(&up->mesh_key, &up->settings.config, &up->problem);
    }
    if (status == 0) {
        status = weft_keys_take_external(up->external_keys, config, &up->problem);
    }
    if (status == 0) {
        status = weft_config_check(config, up->key.size > 0, &up->problem);
    }
    if (status == 0 && config->cert.size > 0) {
        status = weft_input_read(&up->certificate, config->cert.data, "the certificate", PEM_MAX, 0, &up->problem);
    }
    if (status == 0 && config->key.size > 0) {
        /* A group may be let in on purpose (as Debian's ssl-cert is); everybody never is. */
        status = weft_input_read(&up->certificate_key, config->key.data, "the certificate's key", PEM_MAX, S_IROTH,
                                 &up->problem);
    }
    return status;
}

static bool is_pretty(const struct up *up)
{
    return up->settings.config.log_format == WEFT_CONFIG_LOG_PRETTY ||
           (up->settings.config.log_format == WEFT_CONFIG_LOG_AUTO && isatty(STDERR_FILENO) == 1);
}

/* -- its life -- */

static int find_engine(struct up *up)
{
    struct weft_slice set = up->settings.config.engine_program;
    int status = set.size > 0 ? 0 : weft_program_beside("weft-engine", up->beside);
    up->engine = set.size > 0 ? set.data : up->beside;
    if (status < 0 && up->models.count > 0) {
        (void)snprintf(
            up->problem.text, sizeof(up->problem.text),
            "Cannot tell where this program is, and so not where weft-engine is (%s). Name it with --engine.",
            weft_error_text(status)); /* fits */
        return status;
    }
    return 0;
}

static int make_node(struct up *up)
{
    struct weft_slice external_keys[WEFT_CONFIG_EXTERNALS_MAX];
    for (size_t i = 0; i < WEFT_CONFIG_EXTERNALS_MAX; i++) {
        external_keys[i] = weft_slice(up->external_keys[i].text, up->external_keys[i].size);
    }
    struct weft_node_options options = {
        .host = weft_sys_host(up->sys),
        .config = &up->settings.config,
        .certificate = weft_slice(up->certificate.data, up->certificate.size),
        .certificate_key = weft_slice(up->certificate_key.data, up->certificate_key.size),
        .mesh_key = weft_slice_text(up->mesh_key.line),
        .state_folder = up->settings.places.state,
        .version = weft_version,
        .journal_format = up->pretty ? WEFT_JOURNAL_PRETTY : WEFT_JOURNAL_JSON,
        .engine = up->engine,
        .models = (const char *const *)up->models.paths,
        .model_count = up->models.count,
        .external_keys = external_keys,
        .models_offered = up->models.offered,
        .security = &weft_tls_links,
        .started = on_started,
        .model_changed = on_model_changed,
        .ready = on_ready,
        .stopped = on_stopped,
        .self = up,
    };
    up->keyed = up->key.size > 0;
    if (up->keyed) {
        options.api_key = weft_secret_of(weft_slice(up->key.text, up->key.size));
    }
    int status = weft_node_new(&up->node, &options, up->problem.text, sizeof(up->problem.text));
    weft_secret_wipe(&up->key, sizeof(up->key)); /* the node has its hash */
    weft_secret_wipe(&up->mesh_key, sizeof(up->mesh_key));
    weft_secret_wipe(up->external_keys, sizeof(up->external_keys));
    weft_input_deinit(&up->certificate_key);
    weft_input_deinit(&up->certificate);
    return status;
}

static int run_node(struct up *up)
{
    int status = weft_sys_new(&up->sys);
    if (status < 0) {
        return say_problem(status == WEFT_ERR_FULL ? "the limit of open files is too low to run at all: raise it "
                                                     "(`ulimit -n 4096`)"
                                                   : "out of memory before the start");
    }
    if (weft_store_new(&up->store, up->sys) < 0) {
        return say_problem("out of memory before the start");
    }
    weft_sys_log_pretty(up->sys, up->pretty);
    status = weft_sys_on_signal(up->sys, on_signal, up); /* one that comes before the loop runs waits for it */
    if (status < 0) {
        return say_problem("signals cannot be watched, so this node could not be ended well; is memory short?");
    }
    status = weft_hashes_new(&up->hashes, up->sys, up->settings.places.state);
    if (status < 0) {
        return say_problem("out of memory before the start");
    }
    status = find_engine(up);
    if (status == 0) {
        status = make_node(up);
    }
    if (status < 0) {
        return say_problem(up->problem.text);
    }
    weft_node_start(up->node);
    status = weft_sys_run(up->sys, weft_node_guest(up->node));
    return status < 0 ? say_problem("the event loop could not run") : up->exit;
}

int weft_up_run(int argc, char **argv)
{
    struct up up = {.exit = WEFT_EXIT_OK, .said = -1, .lock = {.descriptor = -1}};
    (void)umask(0077); /* what a node makes is its owner's only; cannot fail */
    int status = weft_settings_read(&up.settings, argc, argv, &up.problem);
    if (status == 0) {
        status = load_secrets(&up);
    }
    if (status == 0) {
        status = weft_model_files_find(&up.models, &up.settings.config, &up.settings.places, &up.problem);
    }
    if (status == 0) {
        status = weft_places_make(&up.settings.places, &up.problem);
    }
    if (status == 0) {
        status = weft_lock_take(&up.lock, &up.settings.places, &up.problem);
    }
    if (status < 0) {
        (void)say_problem(up.problem.text);
        up.exit = status == WEFT_ERR_MEMORY || status == WEFT_ERR_BUSY ? WEFT_EXIT_FAILURE : WEFT_EXIT_USAGE;
    } else {
        up.pretty = is_pretty(&up);
        up.exit = run_node(&up);
    }
    weft_node_free(up.node);
    bool hangs = !weft_sys_free(up.sys);
    if (!hangs) {
        weft_store_free(up.store);
    }
    if (!hangs) {
        weft_hashes_free(up.hashes);
    }
    weft_secret_wipe(&up.key, sizeof(up.key));
    weft_secret_wipe(&up.mesh_key, sizeof(up.mesh_key));
    weft_secret_wipe(up.external_keys, sizeof(up.external_keys));
    weft_input_deinit(&up.certificate_key);
    weft_input_deinit(&up.certificate);
    weft_lock_release(&up.lock);
    weft_model_files_deinit(&up.models);
    weft_settings_deinit(&up.settings);
    weft_bytes_trim();
    if (hangs) {
        _exit(up.exit); /* stdout was flushed when the node was ready */
    }
    return up.exit;
}
