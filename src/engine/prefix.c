/* engine/prefix.c - what libllama's memory holds of a slot: cut, copied, checked. */
#include "engine/prefix.h"

#include <llama.h>

/* Are all positions there that token `kept` will look at? */
static bool whole(const struct weft_model *model, llama_memory_t memory, llama_seq_id sequence, size_t kept)
{
    llama_pos first = llama_memory_seq_pos_min(memory, sequence);
    llama_pos last = llama_memory_seq_pos_max(memory, sequence);
    int32_t window = llama_model_n_swa(model->llama);
    llama_pos needed = window > 0 && (int64_t)kept > window ? (llama_pos)kept - window : 0;
    return first >= 0 && first <= needed && last + 1 == (llama_pos)kept;
}

void weft_prefix_cut(const struct weft_model *model, struct weft_slot *slots, size_t slot, size_t kept)
{
    llama_memory_t memory = llama_get_memory(model->context);
    llama_seq_id sequence = (llama_seq_id)slot;
    if (kept > 0 && memory && llama_memory_seq_rm(memory, sequence, (llama_pos)kept, -1) &&
        whole(model, memory, sequence, kept)) {
        slots[slot].count = kept;
        return;
    }
    if (memory) {
        (void)llama_memory_seq_rm(memory, sequence, -1, -1); /* a whole sequence can always go */
    }
    slots[slot].count = 0;
}

void weft_prefix_take(const struct weft_model *model, struct weft_slot *slots, const struct weft_slot_choice *choice)
{
    struct weft_slot *slot = &slots[choice->slot];
    if (choice->kept > 0 && choice->source != choice->slot) {
        llama_memory_t memory = llama_get_memory(model->context);
        (void)llama_memory_seq_rm(memory, (llama_seq_id)choice->slot, -1, -1);
        llama_memory_seq_cp(memory, (llama_seq_id)choice->source, (llama_seq_id)choice->slot, -1, -1);
        memcpy(slot->ids, slots[choice->source].ids, choice->kept * sizeof(*slot->ids));
    }
    weft_prefix_cut(model, slots, choice->slot, choice->kept);
}
