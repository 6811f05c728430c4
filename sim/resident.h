/* sim/resident.h - one whole node that lives on a host of the world. */
#ifndef WEFT_SIM_RESIDENT_H
#define WEFT_SIM_RESIDENT_H

#include "node/node.h"
#include "sim/world.h"

#define WEFT_RESIDENT_HOME  "/state"
#define WEFT_RESIDENT_TOKEN "/state/owner.token"

struct weft_resident {
    struct weft_world *world;
    struct weft_host *host;
    struct weft_config config;
    struct weft_node *node; /* NULL: gone */
    bool started, stopped, ready;
    size_t changes; /* of its models */
    enum weft_principal (*who)(void *self, const struct weft_key *key);
    void *who_self;
    int status;
    char problem[WEFT_NODE_PROBLEM_MAX + 4096];
};

/* What it is told; empty slices and NULL where nothing. */
struct weft_resident_options {
    const char *yaml; /* its settings file */
    const char *api_key;
    const char *mesh_key; /* an invite's line */
    struct weft_slice certificate, certificate_key;
    enum weft_journal_format journal_format;
    const char *const *models; /* paths; its engine is WEFT_CHILD_PROGRAM (see child.h) */
    size_t model_count;
    size_t models_offered;                                              /* the last so many of them */
    const struct weft_link_security *security;                          /* NULL: the world's */
    enum weft_principal (*who)(void *self, const struct weft_key *key); /* see struct weft_node_options */
    void *who_self;
};

/* Makes a node and starts it. An error if it could not be made; whether it runs is told by `started` later. */
WEFT_MUST_USE int weft_resident_begin(struct weft_resident *resident, struct weft_host *host, struct weft_world *world,
                                      const struct weft_resident_options *options);
/* The same, and waits until it runs; asserts that it does. */
void weft_resident_start(struct weft_resident *resident, struct weft_host *host, struct weft_world *world,
                         const struct weft_resident_options *options);
void weft_resident_drain(struct weft_resident *resident, weft_time timeout);
/* It runs, or cannot; all its models are ready; it has stopped. `self` is a struct weft_resident. */
bool weft_resident_started(void *self);
bool weft_resident_ready(void *self);
bool weft_resident_stopped(void *self);
/* At once, whatever it does. */
void weft_resident_end(struct weft_resident *resident);
/* The owner's token, from the file. */
struct weft_slice weft_resident_token(const struct weft_resident *resident);

#endif
