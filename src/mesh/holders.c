/* mesh/holders.c - which entries of a roster announce which model.
 *
 * An array that is kept sorted: to put one in moves what is behind it, which for a hundred thousand of them takes some
 * ten microseconds, less than the signature before it took to verify. To find costs two searches, and what is found
 * stands side by side. */
#include "mesh/holders.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#define ENTRY_BITS 24
#define ENTRY_MASK (((uint64_t)1 << ENTRY_BITS) - 1)

void weft_holders_init(struct weft_holders *holders, const struct weft_siphash_key *secret)
{
    *holders = (struct weft_holders){.secret = *secret};
}

void weft_holders_deinit(struct weft_holders *holders)
{
    weft_free(holders->items);
    *holders = (struct weft_holders){0};
}

uint64_t weft_holders_model(const struct weft_holders *holders, const uint8_t hash[WEFT_HASH_SIZE],
                            struct weft_slice alias)
{
    static const uint8_t none[WEFT_HASH_SIZE];
    bool verified = memcmp(hash, none, WEFT_HASH_SIZE) != 0;
    uint64_t sum = verified ? weft_siphash(&holders->secret, hash, WEFT_HASH_SIZE)
                            : weft_siphash(&holders->secret, alias.data, alias.size);
    return sum >> ENTRY_BITS;
}

/* The first that is not before this one. */
static size_t place_of(const struct weft_holders *holders, uint64_t item)
{
    size_t low = 0, high = holders->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (holders->items[middle] < item) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int weft_holders_reserve(struct weft_holders *holders, size_t more)
{
    size_t needed = holders->count + more;
    if (needed <= holders->room) {
        return 0;
    }
    size_t room = needed + needed / 8 + 64; /* little slack: it counts as memory of the entries */
    uint64_t *items = weft_realloc(holders->items, room * sizeof(*items));
    if (!items) {
        return WEFT_ERR_MEMORY;
    }
    holders->items = items;
    holders->room = room;
    return 0;
}

void weft_holders_add(struct weft_holders *holders, uint64_t model, uint32_t entry)
{
    uint64_t item = model << ENTRY_BITS | entry;
    size_t place = place_of(holders, item);
    if (place < holders->count && holders->items[place] == item) {
        return;
    }
    WEFT_ASSERT(holders->count < holders->room && entry <= WEFT_HOLDERS_ENTRY_MAX);
    memmove(&holders->items[place + 1], &holders->items[place], (holders->count - place) * sizeof(item));
    holders->items[place] = item;
    holders->count++;
}

void weft_holders_remove(struct weft_holders *holders, uint64_t model, uint32_t entry)
{
    uint64_t item = model << ENTRY_BITS | entry;
    size_t place = place_of(holders, item);
    if (place == holders->count || holders->items[place] != item) {
        return;
    }
    holders->count--;
    memmove(&holders->items[place], &holders->items[place + 1], (holders->count - place) * sizeof(item));
}

struct weft_holders_range weft_holders_find(const struct weft_holders *holders, uint64_t model)
{
    size_t first = place_of(holders, model << ENTRY_BITS);
    size_t end = place_of(holders, (model << ENTRY_BITS) + ENTRY_MASK); /* no entry has that number */
    return (struct weft_holders_range){.first = first, .count = end - first};
}

uint32_t weft_holders_entry(const struct weft_holders *holders, size_t index)
{
    WEFT_ASSERT(index < holders->count);
    return (uint32_t)(holders->items[index] & ENTRY_MASK);
}

uint64_t weft_holders_model_at(const struct weft_holders *holders, size_t index)
{
    WEFT_ASSERT(index < holders->count);
    return holders->items[index] >> ENTRY_BITS;
}
