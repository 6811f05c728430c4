/* node/known.c - whom a node knows: a sorted list of keys, and the chain that each has shown. */
#include "node/known.h"

#include "base/error.h"
#include "base/mem.h"

#define ROOM_FIRST ((size_t)16)

struct entry {
    struct weft_key key;
    int64_t ends_s;
    size_t size;
    uint8_t chain[];
};

struct weft_known {
    struct entry **entries; /* by key: whoever chooses keys cannot make it slow */
    size_t count, room;
};

int weft_known_new(struct weft_known **out)
{
    *out = weft_zalloc(sizeof(**out));
    return *out ? 0 : WEFT_ERR_MEMORY;
}

void weft_known_forget_all(struct weft_known *known)
{
    for (size_t i = 0; i < known->count; i++) {
        weft_free(known->entries[i]);
    }
    weft_free(known->entries);
    *known = (struct weft_known){0};
}

void weft_known_free(struct weft_known *known)
{
    if (known) {
        weft_known_forget_all(known);
        weft_free(known);
    }
}

/* Where `key` is, or would be. */
static size_t place_of(const struct weft_known *known, const struct weft_key *key, bool *there)
{
    size_t low = 0, high = known->count;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(known->entries[middle]->key.bytes, key->bytes, WEFT_KEY_SIZE);
        if (order == 0) {
            *there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return low;
}

static const struct entry *find(const struct weft_known *known, const struct weft_key *key)
{
    bool there;
    size_t place = place_of(known, key, &there);
    return there ? known->entries[place] : NULL;
}

static int make_room(struct weft_known *known)
{
    if (known->count < known->room) {
        return 0;
    }
    if (known->count >= WEFT_KNOWN_MAX) {
        return WEFT_ERR_FULL;
    }
    size_t room = known->room == 0 ? ROOM_FIRST : 2 * known->room;
    struct entry **entries = weft_realloc(known->entries, room * sizeof(struct entry *));
    if (!entries) {
        return WEFT_ERR_MEMORY;
    }
    known->entries = entries;
    known->room = room < WEFT_KNOWN_MAX ? room : WEFT_KNOWN_MAX;
    return 0;
}

static int keep(struct weft_known *known, const struct weft_key *key, struct weft_slice chain)
{
    bool there;
    size_t place = place_of(known, key, &there);
    int error = there ? 0 : make_room(known);
    struct entry *entry = error < 0 ? NULL : weft_alloc(sizeof(*entry) + chain.size);
    if (!entry) {
        return error < 0 ? error : WEFT_ERR_MEMORY;
    }
    *entry = (struct entry){.key = *key, .ends_s = weft_membership_ends_s(chain), .size = chain.size};
    memcpy(entry->chain, chain.data, chain.size);
    if (there) {
        weft_free(known->entries[place]);
    } else {
        memmove(&known->entries[place + 1], &known->entries[place], (known->count - place) * sizeof(struct entry *));
        known->count++;
    }
    known->entries[place] = entry;
    return 0;
}

enum weft_verdict weft_known_show(struct weft_known *known, struct weft_membership *membership,
                                  const struct weft_key *key, struct weft_slice chain, int64_t now_s, int *error)
{
    struct weft_certificate certificate;
    enum weft_verdict verdict = weft_membership_judge(membership, chain, key, now_s, &certificate);
    *error = verdict == WEFT_VERDICT_MEMBER ? keep(known, key, chain) : 0;
    return verdict;
}

int64_t weft_known_ends_s(const struct weft_known *known, const struct weft_key *key)
{
    const struct entry *entry = find(known, key);
    return entry ? entry->ends_s : INT64_MAX;
}

const struct weft_key *weft_known_ended(const struct weft_known *known, int64_t now_s, size_t *cursor)
{
    while (*cursor < known->count) {
        const struct entry *entry = known->entries[(*cursor)++];
        if (entry->ends_s < now_s) {
            return &entry->key;
        }
    }
    return NULL;
}

void weft_known_forget(struct weft_known *known, const struct weft_key *key)
{
    bool there;
    size_t place = place_of(known, key, &there);
    if (there) {
        weft_free(known->entries[place]);
        known->count--;
        memmove(&known->entries[place], &known->entries[place + 1], (known->count - place) * sizeof(struct entry *));
    }
}

bool weft_known_has(const struct weft_known *known, const struct weft_key *key)
{
    return find(known, key);
}

bool weft_known_leans(const struct weft_known *known, const struct weft_key *key, const struct weft_key *subject)
{
    const struct entry *entry = find(known, key);
    struct weft_chain links;
    struct weft_certificate own;
    struct weft_signed parts;
    if (weft_key_equal(key, subject)) {
        return true;
    }
    return entry && weft_chain_read(weft_slice(entry->chain, entry->size), &links) == 0 &&
           weft_certificate_read(links.own, &own, &parts) == 0 && weft_key_equal(&own.issuer, subject);
}

int weft_known_role(const struct weft_known *known, struct weft_membership *membership, const struct weft_key *key,
                    int64_t now_s)
{
    const struct entry *entry = membership ? find(known, key) : NULL;
    struct weft_certificate certificate;
    bool counts = entry && weft_membership_judge(membership, weft_slice(entry->chain, entry->size), key, now_s,
                                                 &certificate) == WEFT_VERDICT_MEMBER;
    return counts ? (int)certificate.role : 0;
}

enum weft_principal weft_known_who(const struct weft_known *known, struct weft_membership *membership,
                                   const struct weft_key *key, int64_t now_s)
{
    int role = weft_known_role(known, membership, key, now_s);
    return role == 0 ? WEFT_ANONYMOUS : role == WEFT_ROLE_GATEWAY ? WEFT_GATEWAY : WEFT_MEMBER;
}
