/* fuzz/gossip_fuzz.c - any bytes on any kind of gossip link: they are heard or refused, and what is said can be read.
 *
 * The first byte chooses the link: a gateway's, our anchor's, a member's, a stranger's. The mesh is that of
 * tests/vectors, so the corpus has announcements and revocations that are taken. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "crypto/identity.h"
#include "mesh/gossip.h"

#define NOW_S 1795007200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft_key key_of(uint8_t byte)
{
    uint8_t seed[WEFT_SEED_SIZE];
    struct weft_identity identity;
    memset(seed, byte, sizeof(seed));
    weft_identity_init(&identity, seed);
    return identity.key;
}

/* Messages one behind the other, each of which can be read. */
static void check_output(struct weft_gossip_link *link)
{
    static uint8_t bytes[WEFT_GOSSIP_OUTPUT_MAX];
    static struct weft_gossip_message message;
    struct weft_bytes *output = weft_gossip_output(link);
    WEFT_ASSERT(output->size <= WEFT_GOSSIP_OUTPUT_MAX);
    size_t size = weft_bytes_read(output, bytes, sizeof(bytes));
    for (size_t at = 0; at < size;) {
        WEFT_ASSERT(size - at >= WEFT_GOSSIP_SIZE_SIZE);
        size_t length = (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        at += WEFT_GOSSIP_SIZE_SIZE;
        WEFT_ASSERT(length <= size - at);
        WEFT_ASSERT(weft_gossip_message_read(weft_slice(bytes + at, length), &message) == 0);
        at += length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_key root = key_of(1), self = key_of(9), other = key_of(3);
    struct weft_membership *membership;
    struct weft_roster *roster;
    struct weft_gossip *gossip;
    struct weft_gossip_link *link, *listener;
    struct weft_roster_settings of_roster = {.self = self, .entries_max = 50, .strangers_max = 10};
    struct weft_gossip_settings settings = {.self = self, .seed = 1};
    weft_time now = WEFT_SECOND;
    if (size == 0 || weft_membership_new(&membership, &root) < 0 ||
        weft_roster_new(&roster, &of_roster, membership) < 0) {
        return 0;
    }
    settings.membership = membership;
    settings.roster = roster;
    WEFT_ASSERT(weft_gossip_new(&gossip, &settings, now) == 0);
    WEFT_ASSERT(weft_gossip_open(gossip, &link, &other, (enum weft_gossip_kind)(data[0] % 4), 0, NULL, now) == 0);
    WEFT_ASSERT(weft_gossip_open(gossip, &listener, &root, WEFT_GOSSIP_GATEWAY, 0, NULL, now) == 0);
    weft_gossip_tick(gossip, now, NOW_S);
    int error = 0;
    for (size_t at = 1, part; at < size && error == 0; at += part) { /* in parts, in time */
        part = size - at < 777 ? size - at : 777;
        error = weft_gossip_receive(link, weft_slice(data + at, part), now, NOW_S);
        now += 300 * WEFT_MS;
        weft_gossip_tick(gossip, now, NOW_S);
    }
    check_output(link);
    check_output(listener);
    WEFT_ASSERT(weft_roster_size(roster) <= 50);
    weft_gossip_close(link, now);
    weft_gossip_free(gossip);
    weft_roster_free(roster);
    weft_membership_free(membership);
    weft_bytes_trim();
    return 0;
}
