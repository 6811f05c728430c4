/* mesh/by_key.c - things that are found by a node's key. */
#include "mesh/by_key.h"

#include "base/assert.h"
#include "base/mem.h"

void weft_by_key_init(struct weft_by_key *table, const struct weft_siphash_key *secret)
{
    *table = (struct weft_by_key){.secret = *secret, .head_count = WEFT_BY_KEY_HEADS};
    table->heads = table->few;
}

void weft_by_key_deinit(struct weft_by_key *table)
{
    if (table->heads != table->few) {
        weft_free(table->heads);
    }
    *table = (struct weft_by_key){.head_count = 0};
}

static struct weft_keyed **head_of(const struct weft_by_key *table, const struct weft_key *key)
{
    uint64_t hash = weft_siphash(&table->secret, key->bytes, WEFT_KEY_SIZE);
    return &table->heads[hash & (table->head_count - 1)];
}

/* Those of a chain come into new chains in their order. */
static void move_chain(const struct weft_by_key *table, struct weft_keyed *one)
{
    for (struct weft_keyed *next; one; one = next) {
        struct weft_keyed **at = head_of(table, &one->key);
        while (*at) {
            at = &(*at)->next;
        }
        next = one->next;
        one->next = NULL;
        *at = one;
    }
}

static void grow(struct weft_by_key *table)
{
    struct weft_keyed **heads = weft_calloc(2 * table->head_count, sizeof(struct weft_keyed *)), **old = table->heads;
    size_t old_count = table->head_count;
    if (!heads) {
        return;
    }
    table->heads = heads;
    table->head_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        move_chain(table, old[i]);
    }
    if (old != table->few) {
        weft_free(old);
    }
}

void weft_by_key_put(struct weft_by_key *table, struct weft_keyed *one)
{
    if (table->count >= table->head_count) {
        grow(table);
    }
    struct weft_keyed **at = head_of(table, &one->key);
    one->next = *at;
    *at = one;
    table->count++;
}

void weft_by_key_remove(struct weft_by_key *table, struct weft_keyed *one)
{
    struct weft_keyed **at = head_of(table, &one->key);
    while (*at && *at != one) {
        at = &(*at)->next;
    }
    WEFT_ASSERT(*at);
    *at = one->next;
    one->next = NULL;
    table->count--;
}

static struct weft_keyed *of_key(struct weft_keyed *one, const struct weft_key *key)
{
    while (one && !weft_key_equal(&one->key, key)) {
        one = one->next;
    }
    return one;
}

struct weft_keyed *weft_by_key_first(const struct weft_by_key *table, const struct weft_key *key)
{
    return of_key(*head_of(table, key), key);
}

struct weft_keyed *weft_by_key_next(const struct weft_keyed *one)
{
    return of_key(one->next, &one->key);
}
