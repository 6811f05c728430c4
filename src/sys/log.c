/* sys/log.c - log lines on their way to a descriptor that may be slow. */
#include "sys/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A pipe that poll(2) calls writable takes this much without blocking (POSIX: at least 512 and atomic; Linux: a page).
 */
#define WRITE_MAX 4096

void weft_log_init(struct weft_log *log, int descriptor)
{
    struct stat what;
    *log = (struct weft_log){
        .descriptor = descriptor,
        .blocks = fstat(descriptor, &what) != 0 || !S_ISREG(what.st_mode),
        .pretty = isatty(descriptor) == 1,
    };
    weft_bytes_init(&log->queue);
}

void weft_log_deinit(struct weft_log *log)
{
    (void)weft_log_flush(log); /* the process ends: what a full pipe does not take has no other way out */
    weft_bytes_deinit(&log->queue);
}

static bool append(struct weft_log *log, struct weft_slice line)
{
    char text[WEFT_LOG_LINE_MAX + 1];
    size_t size = line.size < WEFT_LOG_LINE_MAX ? line.size : WEFT_LOG_LINE_MAX;
    if (log->queue.size + size + 1 > WEFT_LOG_QUEUE_MAX) {
        return false;
    }
    memcpy(text, line.data, size);
    text[size] = '\n';
    return weft_bytes_append(&log->queue, text, size + 1) == 0; /* no memory: dropped like a line without place */
}

/* In the journal's form (node/journal.h), so that one reader understands both. */
static size_t format(const struct weft_log *log, char *line, size_t room, const char *text, uint64_t dropped)
{
    struct timespec wall = {0};
    struct tm date = {0};
    char stamp[32] = "", count[48] = "";
    (void)clock_gettime(CLOCK_REALTIME, &wall); /* cannot fail with this clock; then the time would be 1970 */
    (void)gmtime_r(&wall.tv_sec, &date);
    (void)strftime(stamp, sizeof(stamp), log->pretty ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &date);
    if (dropped > 0) {
        (void)snprintf(count, sizeof(count), log->pretty ? " dropped=%" PRIu64 : ",\"dropped\":%" PRIu64, dropped);
    }
    int size = log->pretty ? snprintf(line, room, "%s warn  %s%s", stamp, text, count)
                           : snprintf(line, room, "{\"time\":\"%s.%03dZ\",\"level\":\"warn\",\"event\":\"%s\"%s}",
                                      stamp, (int)(wall.tv_nsec / 1000000), text, count);
    return (size_t)size < room ? (size_t)size : room - 1; /* our own texts are short */
}

static bool say_dropped(struct weft_log *log)
{
    char line[256];
    size_t size =
        format(log, line, sizeof(line), "log lines were dropped: whatever reads them is too slow", log->dropped);
    return append(log, weft_slice(line, size));
}

void weft_log_line(struct weft_log *log, struct weft_slice line)
{
    /* Said once per jam: when it has cleared for good, not for every gap that a short line fits. */
    if (log->dropped > 0 && log->queue.size <= WEFT_LOG_QUEUE_MAX / 2 && say_dropped(log)) {
        log->dropped = 0;
    }
    if (log->dropped > 0 || !append(log, line)) {
        log->dropped++;
    }
}

void weft_log_say(struct weft_log *log, const char *text)
{
    char line[256];
    weft_log_line(log, weft_slice(line, format(log, line, sizeof(line), text, 0)));
}

/* False: not now, or never (then nothing is left in the queue). */
static bool takes_more(struct weft_log *log)
{
    if (!log->blocks) {
        return true;
    }
    struct pollfd ready = {.fd = log->descriptor, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT)) {
        return true;
    }
    if (ready.revents & (POLLERR | POLLHUP | POLLNVAL)) {
        weft_bytes_drop(&log->queue, log->queue.size); /* nobody will ever read it */
    }
    return false;
}

bool weft_log_flush(struct weft_log *log)
{
    while (log->queue.size > 0 && takes_more(log)) {
        struct weft_slice front = weft_bytes_front(&log->queue);
        ssize_t size = write(log->descriptor, front.data, front.size < WRITE_MAX ? front.size : WRITE_MAX);
        if (size < 0 && errno != EINTR && errno != EAGAIN) {
            weft_bytes_drop(&log->queue, log->queue.size); /* a full disk or a closed pipe: there is no one to tell */
        } else if (size <= 0) {
            return false;
        } else {
            weft_bytes_drop(&log->queue, (size_t)size);
        }
    }
    return log->queue.size == 0;
}
