/* engine/prefix.h - what libllama's memory holds of a slot: cut, copied, checked. */
#ifndef WEFT_ENGINE_PREFIX_H
#define WEFT_ENGINE_PREFIX_H

#include "engine/model.h"
#include "engine/slot.h"

/* Leaves the first `kept` tokens of a slot, or nothing if the model's memory cannot do that (a state that only goes
 * forward, a window that has moved on): correctness first. slot->count says what is left. */
void weft_prefix_cut(const struct weft_model *model, struct weft_slot *slots, size_t slot, size_t kept);
/* Makes `choice` true; slot->count says what came of it. libllama copies a whole slot, with its next step. */
void weft_prefix_take(const struct weft_model *model, struct weft_slot *slots, const struct weft_slot_choice *choice);

#endif
