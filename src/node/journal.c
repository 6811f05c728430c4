/* node/journal.c - what a node says about itself. */
#include "node/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

#define TAIL 16 /* kept free for `,"cut":true}` */

static const char *const level_names[] = {
    [WEFT_LOG_DEBUG] = "debug",
    [WEFT_LOG_INFO] = "info",
    [WEFT_LOG_WARN] = "warn",
    [WEFT_LOG_ERROR] = "error",
};

void weft_journal_init(struct weft_journal *journal, struct weft_host *host, enum weft_log_level level,
                       enum weft_journal_format format)
{
    *journal = (struct weft_journal){.host = host, .level = level, .format = format};
}

/* Adds a whole piece or, if it does not fit, none of it: a line is cut between pairs. */
static WEFT_PRINTF(2, 3) void add(struct weft_journal *journal, const char *format, ...)
{
    size_t room = sizeof(journal->line) - TAIL - journal->used;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(journal->line + journal->used, room, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= room) {
        journal->line_cut = true;
    } else if (!journal->line_cut) {
        journal->used += (size_t)size;
    }
}

bool weft_journal_begin(struct weft_journal *journal, enum weft_log_level level, const char *event)
{
    journal->line_open = level >= journal->level;
    if (!journal->line_open) {
        return false;
    }
    journal->line_level = level;
    journal->line_cut = false;
    journal->used = 0;
    int64_t wall = journal->host->ops->wall(journal->host);
    struct weft_date d = weft_date(wall / 1000000);
    if (journal->format == WEFT_JOURNAL_JSON) {
        add(journal, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"%s\",\"event\":\"%s\"", d.year,
            d.month, d.day, d.hour, d.minute, d.second, (int)(wall / 1000 % 1000), level_names[level], event);
    } else {
        add(journal, "%02d:%02d:%02d %-5s %s", d.hour, d.minute, d.second, level_names[level], event);
    }
    return true;
}

/* Turns into \u00xx (JSON) or ? (pretty) what would break a line. Returns false if `out` is too small. */
static bool escape(char *out, size_t room, struct weft_slice value, bool json)
{
    size_t used = 0;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        size_t wants = plain || !json ? 1 : 6;
        if (used + wants >= room) {
            return false;
        }
        if (plain) {
            out[used] = (char)c;
        } else if (json) {
            (void)snprintf(out + used, room - used, "\\u%04x", c); /* measured above */
        } else {
            out[used] = '?';
        }
        used += wants;
    }
    out[used] = '\0';
    return true;
}

void weft_journal_text(struct weft_journal *journal, const char *name, struct weft_slice value)
{
    if (!journal->line_open) {
        return;
    }
    char text[WEFT_JOURNAL_LINE_MAX];
    bool json = journal->format == WEFT_JOURNAL_JSON;
    if (!escape(text, sizeof(text), value, json)) {
        journal->line_cut = true;
        return;
    }
    add(journal, json ? ",\"%s\":\"%s\"" : memchr(text, ' ', strlen(text)) ? " %s=\"%s\"" : " %s=%s", name, text);
}

void weft_journal_word(struct weft_journal *journal, const char *name, const char *value)
{
    weft_journal_text(journal, name, weft_slice_text(value));
}

void weft_journal_number(struct weft_journal *journal, const char *name, int64_t value)
{
    if (journal->line_open) {
        add(journal, journal->format == WEFT_JOURNAL_JSON ? ",\"%s\":%" PRId64 : " %s=%" PRId64, name, value);
    }
}

void weft_journal_ms(struct weft_journal *journal, const char *name, weft_time value)
{
    if (journal->line_open) {
        add(journal, journal->format == WEFT_JOURNAL_JSON ? ",\"%s\":%" PRId64 ".%03d" : " %s=%" PRId64 ".%03d", name,
            value / WEFT_MS, (int)(value % WEFT_MS));
    }
}

void weft_journal_end(struct weft_journal *journal)
{
    if (!journal->line_open) {
        return;
    }
    journal->line_open = false;
    bool json = journal->format == WEFT_JOURNAL_JSON;
    const char *tail = journal->line_cut ? (json ? ",\"cut\":true}" : " cut=true") : (json ? "}" : "");
    memcpy(journal->line + journal->used, tail, strlen(tail));
    journal->host->ops->log(journal->host, journal->line_level,
                            weft_slice(journal->line, journal->used + strlen(tail)));
}
