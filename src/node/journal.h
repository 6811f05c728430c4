/* node/journal.h - what a node says about itself: one line an event, with names and values, never content.
 *
 * A line is begun, gets its pairs and is ended; below the level it costs nothing. Values are the program's own words,
 * numbers and ids: whoever adds a pair answers for its not being anybody's content. */
#ifndef WEFT_NODE_JOURNAL_H
#define WEFT_NODE_JOURNAL_H

#include "host/host.h"

#define WEFT_JOURNAL_LINE_MAX 1024 /* a longer line loses its last pairs and says so: "cut":true */

enum weft_journal_format {
    WEFT_JOURNAL_PRETTY, /* for people: "08:49:37 info  request route=/health status=200" */
    WEFT_JOURNAL_JSON,   /* for programs: {"time":"...","level":"info","event":"request",...} */
};

struct weft_journal {
    struct weft_host *host;
    enum weft_log_level level; /* the least that is said */
    enum weft_journal_format format;
    enum weft_log_level line_level;
    bool line_open, line_cut;
    size_t used;
    char line[WEFT_JOURNAL_LINE_MAX];
};

void weft_journal_init(struct weft_journal *journal, struct weft_host *host, enum weft_log_level level,
                       enum weft_journal_format format);

/* False if the level is not said: then nothing else needs to be called, and nothing happens if it is. */
bool weft_journal_begin(struct weft_journal *journal, enum weft_log_level level, const char *event);
void weft_journal_text(struct weft_journal *journal, const char *name, struct weft_slice value);
void weft_journal_word(struct weft_journal *journal, const char *name, const char *value);
void weft_journal_number(struct weft_journal *journal, const char *name, int64_t value);
void weft_journal_ms(struct weft_journal *journal, const char *name,
                     weft_time value); /* milliseconds with a fraction */
void weft_journal_end(struct weft_journal *journal);

#endif
