/* mesh/entries.c - where a roster's entries lie, how they are found, and who goes first. */
#include "mesh/entries.h"

#include "base/assert.h"
#include "base/mem.h"

#define HEADS_MIN ((size_t)64)

void weft_entries_init(struct weft_entries *entries, const struct weft_siphash_key *secret)
{
    *entries = (struct weft_entries){.secret = *secret};
}

void weft_entries_deinit(struct weft_entries *entries)
{
    for (size_t i = 0; i < WEFT_COUNT(entries->blocks); i++) {
        weft_free(entries->blocks[i]);
    }
    weft_free(entries->heads);
    *entries = (struct weft_entries){0};
}

/* A place that is free has a key of zeros, which is nobody's. */
static struct weft_entry *entry_at(const struct weft_entries *entries, uint32_t place)
{
    return &entries->blocks[place / WEFT_ENTRIES_BLOCK][place % WEFT_ENTRIES_BLOCK];
}

static struct weft_entry *behind(const struct weft_entries *entries, uint32_t link)
{
    return link == 0 ? NULL : entry_at(entries, link - 1);
}

struct weft_entry *weft_entries_at(const struct weft_entries *entries, uint32_t place)
{
    if (place >= entries->used) {
        return NULL;
    }
    struct weft_entry *entry = entry_at(entries, place);
    return weft_key_set(&entry->key) ? entry : NULL;
}

struct weft_entry *weft_entries_next(const struct weft_entries *entries, uint32_t *cursor)
{
    while (*cursor < entries->used) {
        struct weft_entry *entry = weft_entries_at(entries, (*cursor)++);
        if (entry) {
            return entry;
        }
    }
    return NULL;
}

/* -- the hash table -- */

static uint32_t *head_of(const struct weft_entries *entries, const uint8_t id[8])
{
    return &entries->heads[weft_siphash(&entries->secret, id, 8) & (entries->head_count - 1)];
}

static int grow_heads(struct weft_entries *entries)
{
    if (entries->count < entries->head_count) {
        return 0;
    }
    size_t head_count = entries->head_count == 0 ? HEADS_MIN : 2 * entries->head_count;
    uint32_t *heads = weft_calloc(head_count, sizeof(*heads)), cursor = 0;
    if (!heads) {
        return -1;
    }
    weft_free(entries->heads);
    entries->heads = heads;
    entries->head_count = head_count;
    for (struct weft_entry *entry; (entry = weft_entries_next(entries, &cursor));) {
        uint32_t *head = head_of(entries, entry->key.bytes);
        entry->next = *head;
        *head = entry->place + 1;
    }
    return 0;
}

struct weft_entry *weft_entries_find(const struct weft_entries *entries, const struct weft_key *key)
{
    if (entries->head_count == 0) {
        return NULL;
    }
    struct weft_entry *entry = behind(entries, *head_of(entries, key->bytes));
    while (entry && !weft_key_equal(&entry->key, key)) {
        entry = behind(entries, entry->next);
    }
    return entry;
}

struct weft_entry *weft_entries_by_id(const struct weft_entries *entries, uint64_t id)
{
    uint8_t bytes[8];
    weft_store64(bytes, id);
    if (entries->head_count == 0) {
        return NULL;
    }
    struct weft_entry *entry = behind(entries, *head_of(entries, bytes));
    while (entry && memcmp(entry->key.bytes, bytes, sizeof(bytes)) != 0) {
        entry = behind(entries, entry->next);
    }
    return entry;
}

/* -- coming and going -- */

/* A free place, or one more; NULL without memory. */
static struct weft_entry *take_place(struct weft_entries *entries)
{
    if (entries->vacant != 0) {
        struct weft_entry *entry = entry_at(entries, entries->vacant - 1);
        entries->vacant = entry->next;
        return entry;
    }
    WEFT_ASSERT(entries->used < WEFT_ENTRIES_MAX);
    struct weft_entry **block = &entries->blocks[entries->used / WEFT_ENTRIES_BLOCK];
    if (!*block) {
        *block = weft_calloc(WEFT_ENTRIES_BLOCK, sizeof(**block));
    }
    if (!*block) {
        return NULL;
    }
    struct weft_entry *entry = entry_at(entries, entries->used);
    entry->place = entries->used++;
    return entry;
}

struct weft_entry *weft_entries_add(struct weft_entries *entries, const struct weft_key *key)
{
    if (grow_heads(entries) < 0) {
        return NULL;
    }
    struct weft_entry *entry = take_place(entries);
    if (!entry) {
        return NULL;
    }
    uint32_t *head = head_of(entries, key->bytes);
    *entry = (struct weft_entry){.key = *key, .place = entry->place, .next = *head};
    *head = entry->place + 1;
    entries->count++;
    return entry;
}

void weft_entries_remove(struct weft_entries *entries, struct weft_entry *entry)
{
    weft_entries_move(entries, entry, WEFT_ENTRIES_NOWHERE);
    uint32_t *link = head_of(entries, entry->key.bytes);
    while (*link != entry->place + 1) {
        WEFT_ASSERT(*link != 0); /* it was put there */
        link = &entry_at(entries, *link - 1)->next;
    }
    *link = entry->next;
    *entry = (struct weft_entry){.place = entry->place, .next = entries->vacant};
    entries->vacant = entry->place + 1;
    entries->count--;
}

/* -- lists -- */

static void leave_list(struct weft_entries *entries, struct weft_entry *entry)
{
    struct weft_entry *before = behind(entries, entry->list_before), *after = behind(entries, entry->list_next);
    if (before) {
        before->list_next = entry->list_next;
    } else {
        entries->lists[entry->list].first = entry->list_next;
    }
    if (after) {
        after->list_before = entry->list_before;
    } else {
        entries->lists[entry->list].last = entry->list_before;
    }
    entries->lists[entry->list].count--;
    entry->list_before = entry->list_next = 0;
    entry->list = WEFT_ENTRIES_NOWHERE;
}

void weft_entries_move(struct weft_entries *entries, struct weft_entry *entry, enum weft_entry_list list)
{
    if (entry->list == (uint8_t)list) {
        return;
    }
    if (entry->list != WEFT_ENTRIES_NOWHERE) {
        leave_list(entries, entry);
    }
    if (list == WEFT_ENTRIES_NOWHERE) {
        return;
    }
    struct weft_entry *last = behind(entries, entries->lists[list].last);
    entry->list = (uint8_t)list;
    entry->list_before = entries->lists[list].last;
    entries->lists[list].last = entry->place + 1;
    if (last) {
        last->list_next = entry->place + 1;
    } else {
        entries->lists[list].first = entry->place + 1;
    }
    entries->lists[list].count++;
}

struct weft_entry *weft_entries_first(const struct weft_entries *entries, enum weft_entry_list list)
{
    return behind(entries, entries->lists[list].first);
}

struct weft_entry *weft_entries_last(const struct weft_entries *entries, enum weft_entry_list list)
{
    return behind(entries, entries->lists[list].last);
}

size_t weft_entries_memory(const struct weft_entries *entries)
{
    size_t size = entries->head_count * sizeof(*entries->heads);
    for (size_t i = 0; i < WEFT_COUNT(entries->blocks); i++) {
        size += entries->blocks[i] ? WEFT_ENTRIES_BLOCK * sizeof(struct weft_entry) : 0;
    }
    return size;
}
