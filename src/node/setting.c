/* node/setting.c - the one table of settings, and how to find a row of it. */
#include "node/setting.h"

#include "base/near.h"
#include "mesh/queue.h"
#include "node/config.h"

#define FIELD(member) offsetof(struct weft_config, member)

/* Rows of a section stand together; `--help` and docs/CONFIG.md keep this order. */
const struct weft_setting weft_settings[] = {
    {.flag = "home",
     .variable = "WEFT_HOME",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FOLDER",
     .help = "the folder that holds all state of this node (without it: the XDG places of the user)",
     .section = "Places",
     .at = FIELD(home)},
    {.flag = "config",
     .variable = "WEFT_CONFIG",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FILE",
     .help = "the settings file (YAML)",
     .section = "Places",
     .at = FIELD(file)},
    {.name = "listen",
     .flag = "listen",
     .variable = "WEFT_LISTEN",
     .kind = WEFT_SETTING_LISTENERS,
     .fallback = "tcp:127.0.0.1:9338,tcp:[::1]:9338",
     .argument = "ADDRESS",
     .help = "where to listen: tcp:ADDRESS:PORT, tls:ADDRESS:PORT or unix:PATH",
     .section = "Listening",
     .at = FIELD(listeners)},
    {.name = "port",
     .flag = "port",
     .variable = "WEFT_PORT",
     .kind = WEFT_SETTING_PORT,
     .fallback = "9338",
     .argument = "PORT",
     .help = "the port of the default addresses; not together with listen",
     .section = "Listening",
     .at = FIELD(port)},
    {.name = "cert",
     .flag = "cert",
     .variable = "WEFT_TLS_CERT",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FILE",
     .help = "the certificate chain of tls: addresses (PEM; browsers want ECDSA)",
     .section = "Listening",
     .at = FIELD(cert)},
    {.name = "key",
     .flag = "key",
     .variable = "WEFT_TLS_KEY",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FILE",
     .help = "the certificate's private key (PEM)",
     .section = "Listening",
     .at = FIELD(key)},
    {.name = "mesh.listen",
     .flag = "mesh-listen",
     .variable = "WEFT_MESH_LISTEN",
     .kind = WEFT_SETTING_ADDRESS,
     .fallback = "",
     .argument = "ADDRESS:PORT",
     .help = "where other nodes of a mesh reach this one (without it: nowhere)",
     .section = "Mesh",
     .at = FIELD(mesh_listen)},
    {.name = "mesh.address",
     .flag = "mesh-address",
     .variable = "WEFT_MESH_ADDRESS",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "HOST:PORT",
     .help = "where this node's invites say that it is reached (without it: the address of mesh.listen)",
     .section = "Mesh",
     .at = FIELD(mesh_address)},
    {.name = "mesh.gateway",
     .flag = "gateway",
     .variable = "WEFT_GATEWAY",
     .kind = WEFT_SETTING_SWITCH,
     .fallback = "false",
     .argument = "",
     .help = "be a gateway: if this node is in no mesh, a new one begins here",
     .section = "Mesh",
     .at = FIELD(gateway)},
    {.variable = "WEFT_MESH_KEY",
     .kind = WEFT_SETTING_SECRET,
     .fallback = "",
     .argument = "INVITE",
     .help = "join the mesh of this invite at the start, if this node is in none; JIMBOMESH_API_KEY means the same",
     .section = "Mesh",
     .at = FIELD(mesh_key)},
    {.name = "api_key_file",
     .flag = "api-key-file",
     .variable = "WEFT_API_KEY_FILE",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FILE",
     .help = "the file whose first line is the API key that clients must show",
     .section = "Access",
     .at = FIELD(api_key_file)},
    {.variable = "WEFT_API_KEY",
     .kind = WEFT_SETTING_SECRET,
     .fallback = "",
     .argument = "KEY",
     .help = "the API key itself, for where a file is impractical",
     .section = "Access",
     .at = FIELD(api_key)},
    {.name = "hosts",
     .flag = "host",
     .variable = "WEFT_HOSTS",
     .kind = WEFT_SETTING_HOSTS,
     .fallback = "",
     .argument = "NAME",
     .help = "one more name by which clients may call this node (the Host header)",
     .section = "Access",
     .at = FIELD(hosts)},
    {.name = "cors.origins",
     .flag = "cors-origin",
     .variable = "WEFT_CORS_ORIGINS",
     .kind = WEFT_SETTING_ORIGINS,
     .fallback = "",
     .argument = "ORIGIN",
     .help = "a web origin whose pages may call this node, such as https://example.org",
     .section = "Access",
     .at = FIELD(origins)},
    {.name = "upstream",
     .flag = "upstream",
     .variable = "WEFT_UPSTREAM",
     .kind = WEFT_SETTING_URL,
     .fallback = "",
     .argument = "URL",
     .help = "the server that /v1/ is relayed to: http://, https://, h2c:// (HTTP/2 without TLS) or unix:PATH",
     .section = "Serving",
     .at = FIELD(upstream_text)},
    {.name = "external",
     .flag = "external",
     .variable = "WEFT_EXTERNAL",
     .kind = WEFT_SETTING_EXTERNALS,
     .fallback = "",
     .argument = "URL [key_env=NAME|key_file=FILE]",
     .help =
         "an OpenAI-compatible server (llama-server, Ollama, vLLM) whose models are offered too; behind its URL, if "
         "it wants a key, key_env=NAME or key_file=FILE",
     .section = "Serving",
     .at = FIELD(externals)},
    {.name = "models",
     .flag = "model",
     .variable = "WEFT_MODELS",
     .kind = WEFT_SETTING_MODELS,
     .fallback = "",
     .argument = "PATH|NAME",
     .help = "a model to load at once: a GGUF file, or the name of one in the folder of models",
     .section = "Serving",
     .at = FIELD(models)},
    {.name = "no_model",
     .flag = "no-model",
     .variable = "WEFT_NO_MODEL",
     .kind = WEFT_SETTING_SWITCH,
     .fallback = "false",
     .argument = "",
     .help = "serve no model, whatever is in the folder of models",
     .section = "Serving",
     .at = FIELD(no_model)},
    {.name = "share",
     .flag = "share",
     .variable = "WEFT_SHARE",
     .kind = WEFT_SETTING_SWITCH,
     .fallback = "true",
     .argument = "",
     .help =
         "the mesh that this node joins may use its models; --share=false: they answer this machine's own clients only",
     .section = "Serving",
     .at = FIELD(share)},
    {.name = "private",
     .flag = "private",
     .variable = "WEFT_PRIVATE",
     .kind = WEFT_SETTING_MODELS,
     .fallback = "",
     .argument = "NAME",
     .help = "a model that the mesh may not use, by its name",
     .section = "Serving",
     .at = FIELD(models_kept_own)},
    {.name = "models_folder",
     .flag = "models-folder",
     .variable = "WEFT_MODELS_FOLDER",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FOLDER",
     .help = "its GGUF files are offered, and loaded when asked for (without it: `models` in the folder of this node's "
             "state)",
     .section = "Serving",
     .at = FIELD(models_folder)},
    {.name = "engine.slots",
     .flag = "slots",
     .variable = "WEFT_ENGINE_SLOTS",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "8",
     .min = 1,
     .max = 64,
     .argument = "COUNT",
     .help = "answers that a model writes at once; each holds memory for a whole context",
     .section = "Engine",
     .at = FIELD(engine_slots)},
    {.name = "engine.context",
     .flag = "context",
     .variable = "WEFT_ENGINE_CONTEXT",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "0",
     .min = 0,
     .max = 16 * 1024 * 1024,
     .argument = "TOKENS",
     .help = "prompt and answer together, per slot; 0: what the model was made for, up to 4096",
     .section = "Engine",
     .at = FIELD(engine_context)},
    {.name = "engine.threads",
     .flag = "threads",
     .variable = "WEFT_ENGINE_THREADS",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "0",
     .min = 0,
     .max = 1024,
     .argument = "COUNT",
     .help = "cores that all models together compute on; 0: all there are",
     .section = "Engine",
     .at = FIELD(engine_threads)},
    {.name = "engine.gpu_layers",
     .flag = "gpu-layers",
     .variable = "WEFT_ENGINE_GPU_LAYERS",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "10000",
     .min = 0,
     .max = 10000,
     .argument = "COUNT",
     .help = "layers that a GPU computes, where there is one; the default is all of them",
     .section = "Engine",
     .at = FIELD(engine_gpu_layers)},
    {.name = "engine.memory",
     .flag = "memory",
     .variable = "WEFT_ENGINE_MEMORY",
     .kind = WEFT_SETTING_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_MAX / 2,
     .argument = "SIZE",
     .help = "what one model may take; one that would take more is not loaded; 0: what the machine has free",
     .section = "Engine",
     .at = FIELD(engine_memory_max)},
    {.name = "engine.memory_budget",
     .flag = "memory-budget",
     .variable = "WEFT_ENGINE_MEMORY_BUDGET",
     .kind = WEFT_SETTING_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_MAX / 2,
     .argument = "SIZE",
     .help = "what all loaded models together may take; for more, the one used least recently goes; 0: what there is",
     .section = "Engine",
     .at = FIELD(engine_memory_budget)},
    {.name = "engine.keep_alive",
     .flag = "keep-alive",
     .variable = "WEFT_ENGINE_KEEP_ALIVE",
     .kind = WEFT_SETTING_DURATION,
     .fallback = "5m",
     .min = 0,
     .max = 365 * 24 * 3600 * WEFT_SECOND,
     .argument = "TIME",
     .help = "how long a model that was loaded when asked for stays when nobody uses it; 0: for ever",
     .section = "Engine",
     .at = FIELD(engine_keep_alive)},
    {.name = "engine.sandbox",
     .flag = "sandbox",
     .variable = "WEFT_ENGINE_SANDBOX",
     .kind = WEFT_SETTING_CHOICE,
     .fallback = "on",
     .choices = "on|off",
     .argument = "on|off",
     .help = "lock engines in: no network, no other program, no file but the model's folder",
     .section = "Engine",
     .at = FIELD(engine_sandbox)},
    {.name = "engine.exact",
     .flag = "exact",
     .variable = "WEFT_ENGINE_EXACT",
     .kind = WEFT_SETTING_SWITCH,
     .fallback = "false",
     .argument = "",
     .help = "answers depend on their request alone, to the last bit, whatever else is answered and wherever they are "
             "resumed; refuses models for which that was not shown",
     .section = "Engine",
     .at = FIELD(engine_exact)},
    {.name = "engine.stall",
     .flag = "stall",
     .variable = "WEFT_ENGINE_STALL",
     .kind = WEFT_SETTING_DURATION,
     .fallback = "10s",
     .min = WEFT_SECOND,
     .max = 3600 * WEFT_SECOND,
     .argument = "TIME",
     .help = "an answer of which nothing comes for so long is taken up again; an engine that is silent is ended",
     .section = "Engine",
     .at = FIELD(engine_stall)},
    {.name = "engine.program",
     .flag = "engine",
     .variable = "WEFT_ENGINE_PROGRAM",
     .kind = WEFT_SETTING_PATH,
     .fallback = "",
     .argument = "FILE",
     .help = "the engine program (without it: weft-engine beside this program)",
     .section = "Engine",
     .at = FIELD(engine_program)},
    {.name = "queue.max",
     .flag = "queue-max",
     .variable = "WEFT_QUEUE_MAX",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "256",
     .min = 1,
     .max = WEFT_QUEUE_WAITERS_MAX,
     .argument = "COUNT",
     .help = "requests that may wait for a model, one client's up to half; more are answered with 503",
     .section = "Queue",
     .at = FIELD(queue_max)},
    {.name = "queue.wait",
     .flag = "queue-wait",
     .variable = "WEFT_QUEUE_WAIT",
     .kind = WEFT_SETTING_DURATION,
     .fallback = "300s",
     .min = WEFT_SECOND,
     .max = 24 * 3600 * WEFT_SECOND,
     .argument = "TIME",
     .help = "how long a request may wait for its turn; then it is answered with 503",
     .section = "Queue",
     .at = FIELD(queue_wait)},
    {.name = "limits.body",
     .flag = "limits-body",
     .variable = "WEFT_LIMITS_BODY",
     .kind = WEFT_SETTING_SIZE,
     .fallback = "64MiB",
     .min = 1024,
     .max = (int64_t)4 * 1024 * 1024 * 1024,
     .argument = "SIZE",
     .help = "the largest request body; more is answered with 413",
     .section = "Limits",
     .at = FIELD(body_max)},
    {.name = "limits.connections",
     .flag = "limits-connections",
     .variable = "WEFT_LIMITS_CONNECTIONS",
     .kind = WEFT_SETTING_COUNT,
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .argument = "COUNT",
     .help = "connections held at once, as far as the system's descriptor limit allows",
     .section = "Limits",
     .at = FIELD(connections_max)},
    {.name = "drain_timeout",
     .flag = "drain-timeout",
     .variable = "WEFT_DRAIN_TIMEOUT",
     .kind = WEFT_SETTING_DURATION,
     .fallback = "30s",
     .min = 0,
     .max = 3600 * WEFT_SECOND,
     .argument = "TIME",
     .help = "how long answers may go on after SIGTERM",
     .section = "Limits",
     .at = FIELD(drain_timeout)},
    {.name = "log.format",
     .flag = "log-format",
     .variable = "WEFT_LOG_FORMAT",
     .kind = WEFT_SETTING_CHOICE,
     .fallback = "auto",
     .choices = "auto|pretty|json",
     .argument = "FORMAT",
     .help = "auto (pretty on a terminal, else json), pretty or json",
     .section = "Log",
     .at = FIELD(log_format)},
    {.name = "log.level",
     .flag = "log-level",
     .variable = "WEFT_LOG_LEVEL",
     .kind = WEFT_SETTING_CHOICE,
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .argument = "LEVEL",
     .help = "the least that is logged: debug, info, warn or error",
     .section = "Log",
     .at = FIELD(log_level)},
};

const size_t weft_setting_count = WEFT_COUNT(weft_settings);

/* -- finding rows -- */

typedef const char *name_of(const struct weft_setting *setting);

static const char *get_name(const struct weft_setting *setting)
{
    return setting->name;
}

static const char *get_flag(const struct weft_setting *setting)
{
    return setting->flag;
}

static const struct weft_setting *find(struct weft_slice text, name_of *get)
{
    for (size_t i = 0; i < weft_setting_count; i++) {
        const char *name = get(&weft_settings[i]);
        if (name && weft_slice_equal(weft_slice_text(name), text)) {
            return &weft_settings[i];
        }
    }
    return NULL;
}

const struct weft_setting *weft_setting_by_name(struct weft_slice name)
{
    return find(name, get_name);
}

const struct weft_setting *weft_setting_by_flag(struct weft_slice flag)
{
    return find(flag, get_flag);
}

/* The nearest row within a third of the letters. One whose name only has a section before or a name behind what was
 * written ("level" or "log" for "log.level") counts as one letter away. */
static const struct weft_setting *find_near(struct weft_slice text, name_of *get, char separator)
{
    const struct weft_setting *nearest = NULL;
    if (text.size == 0 || text.size > WEFT_NEAR_MAX) {
        return NULL;
    }
    size_t least = (text.size < 6 ? 6 : text.size) / 3 + 1;
    for (size_t i = 0; i < weft_setting_count; i++) {
        const char *name = get(&weft_settings[i]);
        if (!name) {
            continue;
        }
        struct weft_slice whole = weft_slice_text(name);
        size_t distance = weft_near_distance(text, whole);
        if (distance > 1 && whole.size > text.size) {
            size_t rest = whole.size - text.size;
            bool section = weft_slice_starts(whole, text) && name[text.size] == separator;
            bool member = name[rest - 1] == separator && weft_slice_equal(weft_slice(name + rest, text.size), text);
            distance = section || member ? 1 : distance;
        }
        if (distance < least) {
            least = distance;
            nearest = &weft_settings[i];
        }
    }
    return nearest;
}

const struct weft_setting *weft_setting_near_name(struct weft_slice name)
{
    return find_near(name, get_name, '.');
}

const struct weft_setting *weft_setting_near_flag(struct weft_slice flag)
{
    return find_near(flag, get_flag, '-');
}
