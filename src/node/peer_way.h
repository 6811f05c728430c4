/* node/peer_way.h - the way to a node of the mesh: over a link to it, or through a gateway that has one.
 *
 * Both lead to what that node has below /mesh/v1, so who asks it need not know which one it is. */
#ifndef WEFT_NODE_PEER_WAY_H
#define WEFT_NODE_PEER_WAY_H

#include "node/link.h"
#include "node/relay.h"

#define WEFT_MESH_PATH         "/mesh/v1"
#define WEFT_MESH_PEERS_PATH   "/mesh/v1/peers/" /* at a gateway; then the node's id, and what is asked of it */
#define WEFT_PEER_WAY_PATH_MAX (sizeof(WEFT_MESH_PEERS_PATH) + WEFT_PEER_ID_SIZE)

/* Where requests to it go; the target holds for this turn. WEFT_ERR_NOT_FOUND if there is no link on which they can be
 * asked now. */
WEFT_MUST_USE int weft_peer_way_direct(const struct weft_links *links, const struct weft_key *peer,
                                       struct weft_relay_target *target);
/* `path` is for the target, and must live as long. */
WEFT_MUST_USE int weft_peer_way_relayed(const struct weft_links *links, const struct weft_key *gateway,
                                        const struct weft_key *peer, char path[WEFT_PEER_WAY_PATH_MAX],
                                        struct weft_relay_target *target);

#endif
