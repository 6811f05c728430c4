/* node/mesh_view.h - a node's mesh as its owner sees it: what the node is there, to which gateways it is attached, and
 * who else is there. */
#ifndef WEFT_NODE_MESH_VIEW_H
#define WEFT_NODE_MESH_VIEW_H

#include "node/mesh.h"
#include "wire/json.h"

#define WEFT_MESH_VIEW_PEERS_MAX 1024 /* shown; how many there are is said too */

/* The object that GET /weft/v1/mesh answers, in a mesh or in none. */
void weft_mesh_view_write(const struct weft_mesh *mesh, weft_time now, struct weft_json *json);
/* Appends what the gossip counts, as metrics. Nothing in no mesh; NULL is none. */
WEFT_MUST_USE int weft_mesh_view_metrics(const struct weft_mesh *mesh, struct weft_bytes *out);

#endif
