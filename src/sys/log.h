/* sys/log.h - log lines on their way to a descriptor that may be slow.
 *
 * A pipe that nobody reads would block whoever writes to it, and with it the loop. So lines wait in a bounded queue and
 * are written only as far as poll(2) says that the descriptor takes them; what finds the queue full is counted and
 * dropped, and the next line that fits says how many were. */
#ifndef WEFT_SYS_LOG_H
#define WEFT_SYS_LOG_H

#include "base/bytes.h"
#include "base/types.h"

#define WEFT_LOG_QUEUE_MAX ((size_t)256 * 1024) /* bytes waiting: then lines are dropped and counted */
#define WEFT_LOG_LINE_MAX  ((size_t)8 * 1024)   /* a longer line is cut */

struct weft_log {
    int descriptor; /* the caller's */
    bool blocks;    /* it may block: anything but a file */
    bool pretty;    /* a terminal: our own lines are plain, else JSON */
    struct weft_bytes queue;
    uint64_t dropped; /* since the last line that said so */
};

void weft_log_init(struct weft_log *log, int descriptor);
void weft_log_deinit(struct weft_log *log);                       /* flushes once; what does not go then is lost */
void weft_log_line(struct weft_log *log, struct weft_slice line); /* one line without its newline; copied */
/* A line of this room's own: a fixed text. */
void weft_log_say(struct weft_log *log, const char *text);
/* Writes what can be written without blocking. True when nothing is left. */
bool weft_log_flush(struct weft_log *log);

#endif
