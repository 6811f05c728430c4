/* node/peer_relay.c - a gateway passes on what one node of the mesh asks another: POST /mesh/v1/peers/ID/generate.
 *
 * It carries bytes, both ways, as far as there is room, and adds nothing; before sealing exists it can read them. */

#include "base/error.h"
#include "node/call.h"
#include "node/delivery.h"
#include "node/peer_way.h"

static const char *const request_fields[] = {"content-type", WEFT_MESH_MODEL_FIELD};

static const struct weft_refusal not_found = {404, "not_found", "There is nothing at this path."};
static const struct weft_refusal not_attached = {
    404, "peer_not_attached",
    "No node with this id is attached to this gateway, or to one that it reaches. Ask another node."};

static struct weft_refusal refusal_for(int error)
{
    switch (error) {
    case WEFT_ERR_MEMORY:
        return *weft_refusal_for_error(error);
    case WEFT_ERR_FULL:
        return (struct weft_refusal){503, "peer_full", "The link to that node carries as much as it may. Ask another."};
    case WEFT_ERR_TIMEOUT:
        return (struct weft_refusal){504, "peer_silent", "That node has said nothing for too long."};
    default:
        return (struct weft_refusal){502, "peer_gone", "The link to that node has ended before it had answered."};
    }
}

static const struct weft_relay_kind kind = {
    .request_fields = request_fields, .request_field_count = WEFT_COUNT(request_fields), .refusal_for = refusal_for};

static void on_done(void *self, const struct weft_relay_result *result)
{
    weft_call_close(self, result->status, result->cancelled, result->error);
}

static void cut(struct weft_call *call)
{
    weft_relay_cut(call->worker, &weft_call_cut_off, WEFT_CALL_RETRY_S);
}

/* Whose id stands in the path, and what is asked of it: only that which nodes ask each other to answer. */
static bool read_path(struct weft_slice target, struct weft_key *peer)
{
    size_t start = strlen(WEFT_MESH_PEERS_PATH), id = WEFT_PEER_ID_SIZE - 1;
    return target.size > start + id && weft_key_parse(peer, weft_slice(target.data + start, id)) &&
           weft_slice_equal(weft_slice(target.data + start + id, target.size - start - id),
                            WEFT_SLICE(WEFT_MESH_GENERATE));
}

/* To a node that is attached here, or by the gateway where it is; a gateway that asks has done that already, so nothing
 * goes round in circles. */
static int find_way(struct weft_call *call, const struct weft_links *links, const struct weft_key *peer,
                    struct weft_relay_target *target)
{
    const struct weft_mesh_gossip *gossip = weft_mesh_gossip(call->front->mesh);
    const struct weft_gossiping *gossiping = gossip ? weft_mesh_gossip_of(gossip) : NULL;
    const struct weft_roster *roster = gossiping ? weft_gossiping_roster(gossiping) : NULL;
    int error = weft_peer_way_direct(links, peer, target);
    if (error == 0 || call->principal == WEFT_GATEWAY || !roster) {
        return error;
    }
    const struct weft_entry *entry = weft_roster_get(roster, peer);
    const struct weft_key *by = entry ? weft_mesh_gossip_by(gossip, entry) : NULL;
    char *path = by ? weft_arena_alloc(&call->exchange->arena, WEFT_PEER_WAY_PATH_MAX) : NULL;
    return path ? weft_peer_way_relayed(links, by, peer, path, target) : error;
}

void weft_call_peers(struct weft_call *call)
{
    const struct weft_front *front = call->front;
    const struct weft_links *links = weft_mesh_gateway(front->mesh) ? weft_mesh_links(front->mesh) : NULL;
    struct weft_relay_options options = {
        .loop = front->loop, .asks = WEFT_SLICE(WEFT_MESH_GENERATE), .kind = &kind, .done = on_done, .self = call};
    struct weft_relay *started;
    struct weft_key peer;
    if (!links || !read_path(call->exchange->request.target, &peer)) {
        weft_call_refuse(call, &not_found);
        return;
    }
    if (find_way(call, links, &peer, &options.target) < 0) {
        weft_call_refuse(call, &not_attached);
        return;
    }
    int error = weft_relay_start(&started, call->exchange, &options);
    if (error == 0) {
        call->cut = cut;
        call->worker = started;
    } else {
        weft_call_close(call, 0, false, error);
        weft_exchange_leave(call->exchange, WEFT_WORKER, error);
    }
}
