/* node/mesh_loading.h - how a node's mesh comes back from the store, page by page. */
#ifndef WEFT_NODE_MESH_LOADING_H
#define WEFT_NODE_MESH_LOADING_H

#include "host/host.h"
#include "mesh/invites.h"
#include "mesh/membership.h"
#include "node/journal.h"

/* Embedded; zeroed at first. All but the last two is its user's to set. */
struct weft_mesh_loading {
    struct weft_host *host;
    struct weft_journal *journal;
    struct weft_membership *membership; /* its mesh's rows are taken, others left */
    struct weft_invites *invites;
    int64_t now_s;
    /* Everything is there (0), or what the store said, and why in a sentence. */
    void (*done)(void *self, int status, const char *problem);
    void *self;
    size_t index;   /* of the invite whose uses are read */
    size_t dropped; /* rows that could not be taken: they are said in the journal */
};

/* `done` comes later; the store is open. */
void weft_mesh_loading_start(struct weft_mesh_loading *loading);

/* What is stored of an invite and its uses, as mesh/invites has it, and the other way round. */
struct weft_store_invite weft_mesh_loading_row(const struct weft_invite_entry *entry, const struct weft_key *mesh);
struct weft_store_key weft_mesh_loading_key(const struct weft_key *key);

#endif
