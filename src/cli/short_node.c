/* cli/short_node.c - a node that runs only until one thing is done. */
#include "cli/short_node.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/lock.h"
#include "cli/mesh_ask.h"
#include "cli/version.h"
#include "crypto/tls.h"
#include "store/store.h"
#include "sys/sys.h"

struct weft_short_node {
    struct weft_settings *settings;
    void (*act)(void *self, struct weft_short_node *node);
    void *self;
    struct weft_lock lock;
    struct weft_sys *sys;
    struct weft_store *store;
    struct weft_node *node;
    struct weft_config_problem problem;
    int exit;
};

static void on_started(void *self, int status, const char *problem)
{
    struct weft_short_node *node = self;
    if (status < 0) {
        node->exit = weft_mesh_say(problem, WEFT_EXIT_FAILURE);
        weft_sys_stop(node->sys);
    } else {
        node->act(node->self, node);
    }
}

static void on_stopped(void *self)
{
    struct weft_short_node *node = self;
    weft_sys_stop(node->sys);
}

static void on_signal(void *self, int number)
{
    (void)number;
    weft_short_node_end(self, WEFT_EXIT_FAILURE);
}

void weft_short_node_end(struct weft_short_node *node, int exit)
{
    node->exit = exit;
    weft_node_drain(node->node, WEFT_SECOND); /* not at once: a link may be telling just now that it is over */
}

struct weft_mesh *weft_short_node_mesh(const struct weft_short_node *node)
{
    return weft_node_mesh(node->node);
}

static void make_quiet(struct weft_config *config)
{
    config->listeners.count = 0;
    config->listeners_by_default = false;
    config->models.count = 0;
    config->externals.count = 0;
    config->upstream_text = (struct weft_slice){0};
    config->mesh_listen.text[0] = '\0';
    config->gateway = false;
    config->log_level = WEFT_LOG_ERROR;
}

static int run(struct weft_short_node *node)
{
    int status = weft_sys_new(&node->sys);
    status = status < 0 ? status : weft_store_new(&node->store, node->sys);
    status = status < 0 ? status : weft_sys_on_signal(node->sys, on_signal, node);
    if (status < 0) {
        return weft_mesh_say(weft_error_text(status), WEFT_EXIT_FAILURE);
    }
    make_quiet(&node->settings->config);
    const struct weft_node_options options = {
        .host = weft_sys_host(node->sys),
        .config = &node->settings->config,
        .state_folder = node->settings->places.state,
        .version = weft_version,
        .journal_format = WEFT_JOURNAL_PRETTY,
        .security = &weft_tls_links,
        .started = on_started,
        .stopped = on_stopped,
        .self = node,
    };
    status = weft_node_new(&node->node, &options, node->problem.text, sizeof(node->problem.text));
    if (status < 0) {
        return weft_mesh_say(node->problem.text, WEFT_EXIT_FAILURE);
    }
    weft_node_start(node->node);
    status = weft_sys_run(node->sys, weft_node_guest(node->node));
    return status < 0 ? weft_mesh_say("the event loop could not run", WEFT_EXIT_FAILURE) : node->exit;
}

int weft_short_node_run(struct weft_settings *settings, void (*act)(void *self, struct weft_short_node *node),
                        void *self)
{
    struct weft_short_node node = {
        .settings = settings, .act = act, .self = self, .lock = {.descriptor = -1}, .exit = WEFT_EXIT_FAILURE};
    (void)umask(0077); /* as `weft up` */
    int exit;
    if (weft_places_make(&settings->places, &node.problem) < 0 ||
        weft_lock_take(&node.lock, &settings->places, &node.problem) < 0) {
        exit = weft_mesh_say(node.problem.text, WEFT_EXIT_FAILURE);
    } else {
        exit = run(&node);
    }
    weft_node_free(node.node);
    bool hangs = !weft_sys_free(node.sys);
    if (!hangs) {
        weft_store_free(node.store);
    }
    weft_lock_release(&node.lock);
    if (hangs) {
        (void)fflush(stdout);
        _exit(exit);
    }
    return exit;
}
