/* node/model_journal.h - what the journal says of models and their engines. */
#ifndef WEFT_NODE_MODEL_JOURNAL_H
#define WEFT_NODE_MODEL_JOURNAL_H

#include "node/journal.h"
#include "node/model_facts.h"

void weft_model_journal_started(struct weft_journal *journal, struct weft_slice model, int64_t process,
                                int32_t threads);
void weft_model_journal_ready(struct weft_journal *journal, struct weft_slice model,
                              const struct weft_model_facts *facts, weft_time after);
void weft_model_journal_died(struct weft_journal *journal, struct weft_slice model, const char *why, weft_time restart);
void weft_model_journal_given_up(struct weft_journal *journal, struct weft_slice model, const char *why);
void weft_model_journal_unloaded(struct weft_journal *journal, struct weft_slice model, const char *why);
/* There is no room for it beside the others: it is loaded when it is asked for. */
void weft_model_journal_left_out(struct weft_journal *journal, struct weft_slice model, const char *why);

#endif
