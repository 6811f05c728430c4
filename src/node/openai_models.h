/* node/openai_models.h - this node's models as OpenAI's API lists them, and the one that a client names. */
#ifndef WEFT_NODE_OPENAI_MODELS_H
#define WEFT_NODE_OPENAI_MODELS_H

#include "node/externals.h"
#include "node/models.h"
#include "node/openai_error.h"
#include "node/peers.h"

/* All that is offered: this node's own models, those of servers that are not ours, and the mesh's. */
struct weft_openai_offers {
    const struct weft_models *models;
    struct weft_externals *externals;
    struct weft_peers *peers;
};

/* One of them. */
struct weft_openai_model {
    struct weft_external_offer external; /* no server: it is ours, or the mesh's */
    bool mesh;
    bool by_hash; /* ours: it was asked for by the hash of its file, not by its name alone */
    size_t index; /* of ours, or the mesh's in this turn */
};

size_t weft_openai_models_count(const struct weft_openai_offers *offers);

/* Appends the list of all models, or one of them. */
WEFT_MUST_USE int weft_openai_models_write(const struct weft_openai_offers *offers, struct weft_bytes *out);
WEFT_MUST_USE int weft_openai_model_write(const struct weft_openai_offers *offers,
                                          const struct weft_openai_model *model, struct weft_bytes *out);

/* The name of one of the mesh's, by which clients name it. */
struct weft_slice weft_openai_model_name(const struct weft_openai_offers *offers, const struct weft_openai_model *model,
                                         char text[WEFT_PEERS_SHOWN_MAX]);

/* The model that goes by `name`: ours first, but for one of another's that is called exactly so. WEFT_ERR_INVALID, and
 * *error says why (404, or 400 where none is named). */
WEFT_MUST_USE int weft_openai_model_find(const struct weft_openai_offers *offers, struct weft_slice name,
                                         struct weft_openai_model *model, struct weft_openai_error *error);
/* The same from a part of a path, where bytes may be written as %41. */
WEFT_MUST_USE int weft_openai_model_find_path(const struct weft_openai_offers *offers, struct weft_slice part,
                                              struct weft_openai_model *model, struct weft_openai_error *error);

#endif
