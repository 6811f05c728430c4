/* node/peer_way.c - the way to a node of the mesh. */
#include "node/peer_way.h"

#include <stdio.h>

#include "base/error.h"

static int ask(void *self, struct weft_exchange *exchange)
{
    return weft_link_ask(self, exchange);
}

int weft_peer_way_direct(const struct weft_links *links, const struct weft_key *peer, struct weft_relay_target *target)
{
    struct weft_link *link = weft_links_to(links, peer);
    if (!link) {
        return WEFT_ERR_NOT_FOUND;
    }
    *target = (struct weft_relay_target){.ask = ask,
                                         .self = link,
                                         .scheme = WEFT_SLICE("https"),
                                         .authority = WEFT_SLICE("link"), /* the link puts its peer's id there */
                                         .path = WEFT_SLICE(WEFT_MESH_PATH)};
    return 0;
}

int weft_peer_way_relayed(const struct weft_links *links, const struct weft_key *gateway, const struct weft_key *peer,
                          char path[WEFT_PEER_WAY_PATH_MAX], struct weft_relay_target *target)
{
    char id[WEFT_PEER_ID_SIZE];
    int error = weft_peer_way_direct(links, gateway, target);
    weft_key_text(peer, id);
    int size = snprintf(path, WEFT_PEER_WAY_PATH_MAX, "%s%s", WEFT_MESH_PEERS_PATH, id); /* fits */
    target->path = weft_slice(path, (size_t)size);
    return error;
}
