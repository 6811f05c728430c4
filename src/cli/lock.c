/* cli/lock.c - one node per home: who holds it, and where that node answers.
 *
 * The system's lock on the file says whether a node lives, and goes with its process; the text in it is for people
 * and for `weft chat`. */
#include "cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

#define LOCK_NAME "/weft.lock"
#define LOOKS_MAX 100 /* a millisecond each */

static int lock_open(const struct weft_places *places, int flags)
{
    char path[WEFT_PLACES_PATH_MAX + sizeof(LOCK_NAME)];
    (void)snprintf(path, sizeof(path), "%s" LOCK_NAME, places->state); /* fits */
    return open(path, flags | O_CLOEXEC, 0600);
}

/* What the holder wrote: "process 123\nhttp://...\n". Empty if it cannot be read. */
static void read_text(int descriptor, char text[WEFT_LOCK_TEXT_MAX])
{
    ssize_t size = pread(descriptor, text, WEFT_LOCK_TEXT_MAX - 1, 0);
    text[size > 0 ? size : 0] = '\0';
}

static int refuse_held(int descriptor, const struct weft_places *places, struct weft_config_problem *problem)
{
    char text[WEFT_LOCK_TEXT_MAX];
    read_text(descriptor, text);
    const char *begins = "process ", *process = text + strlen(begins);
    bool known = strncmp(text, begins, strlen(begins)) == 0;
    const char *line = strchr(text, '\n');
    line = line && line[1] != '\0' ? line + 1 : NULL;
    char who[160] = "another weft";
    if (known) {
        (void)snprintf(who, sizeof(who), "another weft (process %.*s%s%.*s)", (int)strspn(process, "0123456789"),
                       process, line ? ", answering at " : "", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
    }
    (void)snprintf(
        problem->text, sizeof(problem->text),
        "%s already runs with the home %.150s: use that one, stop it first%s, or give this one a home of its "
        "own with --home FOLDER",
        who, places->state, known ? " (kill it by that number)" : "");
    return WEFT_ERR_BUSY;
}

/* A command that looks whether a node runs holds the lock for a moment, shared with others that look: no node. */
static bool hold(int descriptor)
{
    for (int tries = 0; tries < LOOKS_MAX; tries++) {
        if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        if (flock(descriptor, LOCK_SH | LOCK_NB) != 0) {
            return false;
        }
        (void)flock(descriptor, LOCK_UN); /* another node that starts now may have it */
        (void)poll(NULL, 0, 1);
    }
    return false;
}

int weft_lock_take(struct weft_lock *lock, const struct weft_places *places, struct weft_config_problem *problem)
{
    lock->descriptor = -1;
    int descriptor = lock_open(places, O_RDWR | O_CREAT);
    if (descriptor < 0) {
        (void)snprintf(problem->text, sizeof(problem->text),
                       "the folder %.200s cannot be written to (%s), so this node could keep nothing there",
                       places->state, strerror(errno));
        return WEFT_ERR_DENIED;
    }
    if (!hold(descriptor)) {
        int status = refuse_held(descriptor, places, problem);
        (void)close(descriptor); /* only read from */
        return status;
    }
    lock->descriptor = descriptor;
    char text[64];
    int size = snprintf(text, sizeof(text), "process %" PRId64 "\n", (int64_t)getpid());
    if (ftruncate(descriptor, 0) != 0 || write(descriptor, text, (size_t)size) != size) {
        (void)snprintf(problem->text, sizeof(problem->text), "nothing can be written in %.200s (%s): is the disk full?",
                       places->state, strerror(errno));
        weft_lock_release(lock);
        return WEFT_ERR_IO;
    }
    return 0;
}

void weft_lock_add_address(struct weft_lock *lock, const char *address)
{
    char line[WEFT_LOCK_TEXT_MAX];
    int size = snprintf(line, sizeof(line), "%s\n", address);
    /* Without it `weft chat` needs --url: nothing else is lost. */
    (void)!write(lock->descriptor, line, (size_t)size < sizeof(line) ? (size_t)size : 0);
}

void weft_lock_release(struct weft_lock *lock)
{
    if (lock->descriptor >= 0) {
        (void)!ftruncate(lock->descriptor, 0); /* what stays is stale, and the lock says so */
        (void)close(lock->descriptor);
        lock->descriptor = -1;
    }
}

int weft_lock_find(const struct weft_places *places, char *address, size_t size)
{
    int descriptor = lock_open(places, O_RDONLY);
    if (descriptor < 0) {
        return WEFT_ERR_NOT_FOUND;
    }
    char text[WEFT_LOCK_TEXT_MAX] = "";
    if (flock(descriptor, LOCK_SH | LOCK_NB) != 0) {
        read_text(descriptor, text);
    }
    (void)close(descriptor); /* and with it the shared lock, if that could be had */
    const char *line = strchr(text, '\n');
    size_t length = line ? strcspn(line + 1, "\n") : 0;
    if (length == 0 || length >= size) {
        return WEFT_ERR_NOT_FOUND;
    }
    memcpy(address, line + 1, length);
    address[length] = '\0';
    return 0;
}
