/* engine/slot.c - the places where answers are written, and what each holds of earlier work. */
#include "engine/slot.h"

/* How much of the first `held` ids of a slot is the beginning of `ids`, too. */
static size_t same(const struct weft_slot *slot, size_t held, const int32_t *ids, size_t limit)
{
    size_t most = held < limit ? held : limit;
    size_t count = 0;
    while (count < most && slot->ids[count] == ids[count]) {
        count++;
    }
    return count;
}

static size_t shared(const struct weft_slot *slot, const int32_t *ids, size_t limit)
{
    return same(slot, slot->count, ids, limit);
}

static bool beside_busy(const struct weft_slot *slots, size_t count, size_t i)
{
    return (i > 0 && slots[i - 1].task) || (i + 1 < count && slots[i + 1].task);
}

/* Is free slot `a` better to overwrite than free slot `b`? libllama computes neighbours in one go, so those of busy
 * ones come first; then what was not used for longest. */
static bool rather(const struct weft_slot *slots, size_t count, size_t a, size_t b)
{
    bool a_beside = beside_busy(slots, count, a), b_beside = beside_busy(slots, count, b);
    return a_beside != b_beside ? a_beside : slots[a].used < slots[b].used;
}

int weft_slot_choose(const struct weft_slot *slots, size_t count, const int32_t *ids, size_t limit, size_t copy_rows,
                     struct weft_slot_choice *out)
{
    size_t place = count, stay = count, source = 0;
    size_t stay_kept = 0, source_kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t kept = shared(&slots[i], ids, limit);
        if (kept > source_kept) {
            source = i;
            source_kept = kept;
        }
        if (slots[i].task) {
            continue;
        }
        /* In place only where all is there, or most of what the slot holds goes on: another conversation's beginning
         * may be the same, and the rest of it will be wanted again. */
        if (kept > stay_kept && (kept == limit || kept >= slots[i].count - kept)) {
            stay = i;
            stay_kept = kept;
        }
        if (place == count || rather(slots, count, i, place)) {
            place = i;
        }
    }
    if (place == count) {
        return 0;
    }
    if (stay < count && source_kept <= stay_kept + copy_rows) {
        *out = (struct weft_slot_choice){.slot = stay, .source = stay, .kept = stay_kept};
        return 1;
    }
    size_t place_kept = shared(&slots[place], ids, limit);
    *out = (struct weft_slot_choice){.slot = place, .source = place, .kept = place_kept};
    if (source_kept > place_kept + copy_rows) {
        out->source = source;
        out->kept = source_kept;
    }
    return 1;
}

bool weft_slot_await(struct weft_slot *slots, size_t count, const int32_t *ids, size_t limit, size_t least)
{
    size_t now = 0, soon = 0, reader = 0;
    for (size_t i = 0; i < count; i++) {
        size_t kept = shared(&slots[i], ids, limit);
        size_t later = slots[i].task ? same(&slots[i], slots[i].want, ids, limit) : 0;
        now = kept > now ? kept : now;
        if (later > soon) {
            reader = i;
            soon = later;
        }
    }
    if (soon <= now + least) {
        return false;
    }
    struct weft_slot *slot = &slots[reader];
    slot->awaited = slot->awaited == 0 || soon < slot->awaited ? soon : slot->awaited;
    return true;
}
