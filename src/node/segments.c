/* node/segments.c - which nodes wrote which parts of an answer. */
#include "node/segments.h"

#include "wire/json.h"

void weft_segments_begin(struct weft_segments *segments, const struct weft_key *peer, enum weft_peer_path path,
                         size_t tokens)
{
    struct weft_segment *last = segments->count > 0 ? &segments->at[segments->count - 1] : NULL;
    if (last && last->from == tokens) {
        segments->count--; /* it had brought nothing */
        last = segments->count > 0 ? &segments->at[segments->count - 1] : NULL;
    }
    bool goes_on = last && weft_key_equal(&last->peer, peer) && last->path == path;
    if (goes_on || segments->count == WEFT_SEGMENTS_MAX) {
        return;
    }
    segments->at[segments->count++] = (struct weft_segment){.peer = *peer, .path = path, .from = tokens, .to = tokens};
}

void weft_segments_reach(struct weft_segments *segments, size_t tokens)
{
    if (segments->count > 0) {
        segments->at[segments->count - 1].to = tokens;
    }
}

int weft_segments_write(const struct weft_segments *segments, struct weft_bytes *out)
{
    struct weft_json json;
    weft_json_start(&json, out);
    weft_json_array(&json);
    for (size_t i = 0; i < segments->count; i++) {
        const struct weft_segment *segment = &segments->at[i];
        char peer[WEFT_PEER_ID_SIZE];
        weft_key_text(&segment->peer, peer);
        weft_json_object(&json);
        weft_json_add_text(&json, "peer", peer);
        weft_json_add_text(&json, "path", weft_peer_path_name(segment->path));
        weft_json_add_int(&json, "from", (int64_t)segment->from);
        weft_json_add_int(&json, "to", (int64_t)segment->to);
        weft_json_object_end(&json);
    }
    weft_json_array_end(&json);
    return weft_json_finish(&json);
}
