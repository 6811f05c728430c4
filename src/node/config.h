/* node/config.h - every setting there is, where each may come from, and what was set.
 *
 * One table (setting.c) has a row per setting. From it come the defaults, what the file, the environment and the flags
 * may say, the text of `--help` and docs/CONFIG.md. Flags go over the environment, that over the file, that over the
 * defaults. Nothing here reads a file or the environment: the caller hands both in. */
#ifndef WEFT_NODE_CONFIG_H
#define WEFT_NODE_CONFIG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "host/host.h"
#include "wire/url.h"

#define WEFT_CONFIG_FILE_MAX      ((size_t)256 * 1024) /* bytes of the settings file */
#define WEFT_CONFIG_LISTENERS_MAX 16                   /* more of these four are refused */
#define WEFT_CONFIG_HOSTS_MAX     32
#define WEFT_CONFIG_ORIGINS_MAX   32
#define WEFT_CONFIG_MODELS_MAX    16
#define WEFT_CONFIG_EXTERNALS_MAX 8
#define WEFT_CONFIG_PROBLEM_MAX   512
#define WEFT_CONFIG_SETTINGS_MAX  64 /* rows of the table */

enum weft_config_scheme { WEFT_CONFIG_TCP, WEFT_CONFIG_TLS, WEFT_CONFIG_UNIX };

struct weft_config_listener {
    enum weft_config_scheme scheme;
    struct weft_address address;
};

struct weft_config_listeners {
    struct weft_config_listener at[WEFT_CONFIG_LISTENERS_MAX];
    size_t count;
};

struct weft_config_hosts { /* lower case, without a port */
    struct weft_slice at[WEFT_CONFIG_HOSTS_MAX];
    size_t count;
};

struct weft_config_origins { /* lower case: "https://example.org", "http://localhost:5173" */
    struct weft_slice at[WEFT_CONFIG_ORIGINS_MAX];
    size_t count;
};

struct weft_config_models { /* paths, or names of files in the folder of models */
    struct weft_slice at[WEFT_CONFIG_MODELS_MAX];
    size_t count;
};

struct weft_config_external { /* an OpenAI-compatible server */
    struct weft_slice name;   /* its URL, as it was written */
    struct weft_url url;
    struct weft_slice key_env, key_file; /* where its key is: empty, or the name of a variable, or of a file */
};

struct weft_config_externals {
    struct weft_config_external at[WEFT_CONFIG_EXTERNALS_MAX];
    size_t count;
};

enum weft_config_sandbox { WEFT_CONFIG_SANDBOX_ON, WEFT_CONFIG_SANDBOX_OFF };

enum weft_config_log_format { WEFT_CONFIG_LOG_AUTO, WEFT_CONFIG_LOG_PRETTY, WEFT_CONFIG_LOG_JSON };

enum weft_config_source { WEFT_CONFIG_DEFAULT, WEFT_CONFIG_FILE, WEFT_CONFIG_ENVIRONMENT, WEFT_CONFIG_FLAG };

/* Slices live in the arena with a NUL behind them; where nothing was set they are empty, and their data NULL. */
struct weft_config {
    struct weft_arena arena;
    struct weft_slice home;
    struct weft_slice file;
    struct weft_config_listeners listeners;
    bool listeners_by_default; /* nobody named them */
    uint16_t port;
    struct weft_slice cert, key;
    struct weft_address mesh_listen; /* an empty text: nowhere */
    struct weft_slice mesh_address;  /* host:port; empty: what mesh_listen says */
    bool gateway;
    struct weft_slice mesh_key; /* an invite's line; stays in the environment's memory, as api_key */
    struct weft_slice api_key_file;
    struct weft_slice api_key; /* stays in the environment's memory: no copy is made */
    struct weft_url upstream;
    struct weft_slice upstream_text; /* empty: no upstream */
    struct weft_config_externals externals;
    struct weft_config_models models;
    bool no_model;
    bool share;                                /* with the mesh: own models ... */
    struct weft_config_models models_kept_own; /* ... but for these, by their names */
    struct weft_slice models_folder;           /* empty: `models` in the state folder */
    struct weft_slice engine_program;          /* empty: weft-engine beside weft */
    int64_t engine_slots;                      /* of each model */
    int64_t engine_context;                    /* tokens per slot; 0: the model's own, up to a default */
    int64_t engine_threads;                    /* of all engines together; 0: as many as there are cores */
    int64_t engine_gpu_layers;
    int64_t engine_memory_max;    /* of each model, bytes; 0: what the machine has available */
    int64_t engine_memory_budget; /* of all models that are loaded, bytes; 0: likewise */
    weft_time engine_keep_alive;  /* of models that nobody named; 0: for ever */
    enum weft_config_sandbox engine_sandbox;
    bool engine_exact;
    weft_time engine_stall; /* no sign of life for so long: it hangs */
    int64_t queue_max;      /* waiting requests of each model */
    weft_time queue_wait;   /* of each request */
    struct weft_config_hosts hosts;
    struct weft_config_origins origins;
    int64_t body_max;
    int64_t connections_max;
    weft_time drain_timeout;
    enum weft_config_log_format log_format;
    enum weft_log_level log_level;
    enum weft_config_source sources[WEFT_CONFIG_SETTINGS_MAX]; /* by row of the table */
};

/* What is handed in. `argv` holds the flags only, without the program and the command. */
struct weft_config_input {
    int argc;
    char *const *argv;
    char *const *envp;      /* "NAME=value", NULL at the end; may be NULL itself */
    const char *file_name;  /* for messages */
    struct weft_slice file; /* the settings file; NULL data: there is none */
};

struct weft_config_problem {
    char text[WEFT_CONFIG_PROBLEM_MAX]; /* what is wrong, where it was said, what was expected */
};

/* Before the file can be read: what flags and environment say about --home and --config; NULL where nothing. */
void weft_config_locate(const struct weft_config_input *input, const char **home, const char **file);

/* Fills *config from all its sources and checks each value by itself. On error *problem says why, and *config is as
 * weft_config_deinit() leaves it. */
WEFT_MUST_USE int weft_config_init(struct weft_config *config, const struct weft_config_input *input,
                                   struct weft_config_problem *problem);
void weft_config_deinit(struct weft_config *config);

/* Checks the settings against each other. `has_key`: an API key was found, in the environment or a file. */
WEFT_MUST_USE int weft_config_check(const struct weft_config *config, bool has_key,
                                    struct weft_config_problem *problem);

/* May the mesh use the model of this name? */
bool weft_config_shares(const struct weft_config *config, struct weft_slice model);

/* The flags as `--help` lists them, and docs/CONFIG.md. */
WEFT_MUST_USE int weft_config_help(struct weft_bytes *out);
WEFT_MUST_USE int weft_config_markdown(struct weft_bytes *out);

#endif
