/* engine/main.c - weft-engine: the order of things at start. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/backend.h"
#include "engine/chat.h"
#include "engine/commit.h"
#include "engine/estimate.h"
#include "engine/guard.h"
#include "engine/model.h"
#include "engine/options.h"
#include "engine/sandbox.h"
#include "engine/service.h"
#include "sys/sys.h"

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks at the end takes calls that the sandbox forbids; unit tests look for them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

/* What the parts of a start share. */
struct engine {
    struct weft_engine_options options;
    struct weft_sys *sys;
    struct weft_socket *socket;    /* to the node; the service closes it */
    struct weft_engine_page *page; /* that the node reads; NULL: there is none */
    int error;                     /* what ended the connection to the node, or 0 */
    struct weft_backend backend;
    char sandbox_level[WEFT_SANDBOX_LEVEL_MAX];
    char problem[WEFT_ENGINE_PROBLEM_MAX];
};

static int refused(const struct engine *engine, int status)
{
    (void)fprintf(stderr, "weft-engine: %s\n", engine->problem);
    return status;
}

static int say_version(const struct engine *engine)
{
    (void)printf("weft-engine %s (%s)\nlibllama v%s\nCPU variant: %s\n", WEFT_VERSION, WEFT_COMMIT,
                 weft_backend_llama_version(), engine->backend.variant);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int test_sandbox(const struct engine *engine)
{
    char report[WEFT_SANDBOX_REPORT_MAX] = "";
    int allowed = weft_sandbox_try(&engine->options, report, sizeof(report));
    (void)printf("%ssandbox: %s\n", report, engine->sandbox_level);
    return fflush(stdout) == 0 && allowed == 0 ? 0 : 1;
}

static uint64_t memory_taken(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0; /* fails only for a bad number */
    }
#ifdef __APPLE__
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

/* Loads, computes a whole step, says what it is and took, and ends. */
static int check(struct engine *engine)
{
    struct weft_model_progress progress = {0};
    struct weft_model *model = NULL;
    uint64_t before = memory_taken();
    if (weft_model_load(&model, &engine->options, &engine->backend, &progress, engine->problem) < 0) {
        return refused(engine, 1);
    }
    if (weft_model_exercise(model, engine->problem) < 0) {
        weft_model_free(model);
        return refused(engine, 1);
    }
    char says[WEFT_ESTIMATE_TEXT_MAX];
    weft_estimate_say(&model->estimate, says);
    (void)printf("loaded: %s, %d tokens in its vocabulary, trained for %d\nmemory: %s\n"
                 "estimated: %llu bytes\ntaken: %llu bytes\nsandbox: %s\n",
                 model->description, model->vocabulary, model->trained_tokens, says,
                 (unsigned long long)model->estimate.total, (unsigned long long)(memory_taken() - before),
                 engine->sandbox_level);
    weft_model_free(model);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void poke(void *self)
{
    const struct engine *engine = self;
    weft_sys_poke(engine->sys);
}

static void ended(void *self, int error)
{
    struct engine *engine = self;
    engine->error = error;
    weft_sys_stop(engine->sys);
}

/* `problem`: NULL, or why no model can be loaded. The node is told, and starts no other one in vain. */
static int serve(struct engine *engine, const char *problem)
{
    const struct weft_service_options options = {.host = weft_sys_host(engine->sys),
                                                 .socket = engine->socket,
                                                 .engine = &engine->options,
                                                 .backend = &engine->backend,
                                                 .sandbox_level = engine->sandbox_level,
                                                 .page = engine->page,
                                                 .problem = problem,
                                                 .poke = poke,
                                                 .ended = ended,
                                                 .self = engine};
    struct weft_service *service = NULL;
    int status = weft_service_new(&service, &options);
    if (status == 0) {
        status = weft_sys_run(engine->sys, weft_service_guest(service)); /* until the node goes */
        status = status < 0 ? status : engine->error;
    }
    weft_service_free(service);
    if (status < 0) {
        (void)snprintf(engine->problem, sizeof(engine->problem), "The engine cannot serve: %s.",
                       weft_error_text(status));
        return refused(engine, status == WEFT_ERR_MEMORY ? WEFT_ENGINE_EXIT_MEMORY : 1);
    }
    return 0;
}

/* What is asked of the system while it still answers everything, and then the lock. */
static int prepare(struct engine *engine)
{
    struct weft_engine_options *options = &engine->options;
    if (options->threads == 0) {
        struct weft_host *host = weft_sys_host(engine->sys);
        options->threads = (int32_t)host->ops->cores(host);
    }
    int status = weft_backend_load(&engine->backend, options, engine->problem);
    return status < 0 || options->version
               ? status
               : weft_sandbox_enter(options, &engine->backend, engine->sandbox_level, engine->problem);
}

static int run(struct engine *engine)
{
    const struct weft_engine_options *options = &engine->options;
    bool serves = !options->version && !options->check && !options->sandbox_test;
    if (serves && weft_sys_inherit(engine->sys, WEFT_ENGINE_SOCKET, &engine->socket) < 0) {
        (void)snprintf(engine->problem, sizeof(engine->problem),
                       "There is no socket to serve on: weft starts this program by itself. To look at a model, add "
                       "--check; weft-engine --help says more.");
        return refused(engine, WEFT_ENGINE_EXIT_USAGE);
    }
    void *page = NULL;
    if (serves && weft_sys_inherit_memory(WEFT_ENGINE_PAGE, sizeof(*engine->page), &page) == 0) {
        engine->page = page; /* whoever starts it without one does not want to know */
    }
    int status = prepare(engine);
    if (serves) {
        return serve(engine, status < 0 ? engine->problem : NULL);
    }
    if (status < 0) {
        return refused(engine, 1);
    }
    if (options->version) {
        return say_version(engine);
    }
    return options->sandbox_test ? test_sandbox(engine) : check(engine);
}

int main(int argc, char **argv)
{
    static struct engine engine;
    if (weft_engine_options_read(&engine.options, argc, argv, engine.problem) < 0) {
        return refused(&engine, WEFT_ENGINE_EXIT_USAGE);
    }
    if (engine.options.help) {
        (void)fputs(weft_engine_options_help(), stdout);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    weft_chat_setup();
    int status = weft_guard_setup();
    if (status == 0) {
        status = weft_sys_new(&engine.sys); /* core dumps are off from here on */
    }
    if (status < 0) {
        (void)snprintf(engine.problem, sizeof(engine.problem), "The engine cannot start: %s.", weft_error_text(status));
        return refused(&engine, status == WEFT_ERR_MEMORY ? WEFT_ENGINE_EXIT_MEMORY : 1);
    }
    status = run(&engine);
    if (!weft_sys_free(engine.sys)) {
        _exit(status); /* a worker thread still hangs in a disk: exit(3) would wait for it */
    }
    return status;
}
