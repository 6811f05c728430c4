/* node/model_journal.c - what the journal says of models and their engines. */
#include "node/model_journal.h"

static bool say(struct weft_journal *journal, enum weft_log_level level, const char *event, struct weft_slice model)
{
    if (!weft_journal_begin(journal, level, event)) {
        return false;
    }
    weft_journal_text(journal, "model", model);
    return true;
}

static void say_why(struct weft_journal *journal, enum weft_log_level level, const char *event, struct weft_slice model,
                    const char *why)
{
    if (say(journal, level, event, model)) {
        weft_journal_word(journal, "why", why);
        weft_journal_end(journal);
    }
}

void weft_model_journal_started(struct weft_journal *journal, struct weft_slice model, int64_t process, int32_t threads)
{
    if (say(journal, WEFT_LOG_INFO, "engine started", model)) {
        weft_journal_number(journal, "process", process);
        weft_journal_number(journal, "threads", threads);
        weft_journal_end(journal);
    }
}

void weft_model_journal_ready(struct weft_journal *journal, struct weft_slice model,
                              const struct weft_model_facts *facts, weft_time after)
{
    if (say(journal, WEFT_LOG_INFO, "model ready", model)) {
        weft_journal_ms(journal, "after_ms", after);
        weft_journal_number(journal, "slots", facts->slots);
        weft_journal_number(journal, "context", facts->context_tokens);
        weft_journal_number(journal, "memory_mib", (int64_t)(facts->memory >> 20));
        weft_journal_word(journal, "cpu", facts->variant);
        weft_journal_word(journal, "sandbox", facts->sandbox);
        weft_journal_end(journal);
    }
}

void weft_model_journal_died(struct weft_journal *journal, struct weft_slice model, const char *why, weft_time restart)
{
    if (say(journal, WEFT_LOG_WARN, "engine died", model)) {
        weft_journal_word(journal, "why", why);
        weft_journal_ms(journal, "restart_in_ms", restart);
        weft_journal_end(journal);
    }
}

void weft_model_journal_given_up(struct weft_journal *journal, struct weft_slice model, const char *why)
{
    say_why(journal, WEFT_LOG_ERROR, "model given up", model, why);
}

void weft_model_journal_unloaded(struct weft_journal *journal, struct weft_slice model, const char *why)
{
    say_why(journal, WEFT_LOG_INFO, "model unloaded", model, why);
}

void weft_model_journal_left_out(struct weft_journal *journal, struct weft_slice model, const char *why)
{
    say_why(journal, WEFT_LOG_WARN, "model left out", model, why);
}
