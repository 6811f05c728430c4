/* node/kept_file.c - a small secret of a node in a file of its own: read, or made and written there. */
#include "node/kept_file.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "crypto/secret.h"

#define PROBLEM_MAX (WEFT_KEPT_PATH_SIZE + 512)

static void end(struct weft_kept_file *file, int status, const char *problem)
{
    file->awaited = false;
    file->kind->found(file->self, status, problem);
}

static const char *advice(const struct weft_kept_file *file, int status)
{
    switch (status) {
    case WEFT_ERR_INVALID:
    case WEFT_ERR_TOO_LARGE:
    case WEFT_ERR_UNSUPPORTED:
        return file->kind->useless;
    case WEFT_ERR_IO:
        return "Is its disk full, or broken? WEFT_HOME names another folder.";
    default:
        return "It must be yours to read, in a folder that is yours to write; WEFT_HOME names another folder.";
    }
}

static void fail(struct weft_kept_file *file, int status, const char *doing)
{
    char problem[PROBLEM_MAX];
    (void)snprintf(problem, sizeof(problem), "Cannot %s the %s %s: %s. %s", doing, file->kind->what, file->path,
                   weft_error_text(status), advice(file, status)); /* fits: the path has a bound */
    end(file, status, problem);
}

static void read_file(struct weft_kept_file *file);

static void on_written(void *self, int status)
{
    struct weft_kept_file *file = self;
    weft_secret_wipe(file->text, sizeof(file->text));
    if (!file->awaited) {
        return;
    }
    if (status == WEFT_ERR_EXISTS && !file->there) {
        file->there = true; /* another node on this folder was first: its file is as good */
        read_file(file);
    } else if (status < 0) {
        fail(file, status, "write");
    } else {
        end(file, 0, "");
    }
}

static void make(struct weft_kept_file *file)
{
    struct weft_host *host = file->host;
    size_t size = file->kind->make(file->self, host, file->text);
    WEFT_ASSERT(size <= sizeof(file->text));
    int error = host->ops->write_file(host, file->path, weft_slice(file->text, size), true, on_written, file);
    if (error < 0) {
        weft_secret_wipe(file->text, sizeof(file->text));
        fail(file, error, "write");
    }
}

static void on_read(void *self, int status, struct weft_slice content)
{
    struct weft_kept_file *file = self;
    if (!file->awaited) {
        return;
    }
    if (status == WEFT_ERR_NOT_FOUND && file->looks) {
        end(file, status, "");
        return;
    }
    if (status == WEFT_ERR_NOT_FOUND && !file->there) {
        make(file);
        return;
    }
    if (status < 0) {
        fail(file, status, "read");
        return;
    }
    status = file->kind->take(file->self, content);
    if (status < 0) {
        fail(file, status, "use");
    } else {
        end(file, 0, "");
    }
}

static void read_file(struct weft_kept_file *file)
{
    int error = file->host->ops->read_file(file->host, file->path, WEFT_KEPT_TEXT_MAX, on_read, file);
    if (error < 0) {
        fail(file, error, "read");
    }
}

int weft_kept_init(struct weft_kept_file *file, const struct weft_kept_kind *kind, void *self, struct weft_host *host,
                   const char *folder, const char *name)
{
    *file = (struct weft_kept_file){.host = host, .kind = kind, .self = self};
    int size = snprintf(file->path, sizeof(file->path), "%s/%s", folder, name);
    return size < 0 || (size_t)size >= sizeof(file->path) ? WEFT_ERR_TOO_LARGE : 0;
}

void weft_kept_find(struct weft_kept_file *file)
{
    file->awaited = true;
    file->looks = false;
    read_file(file);
}

void weft_kept_look(struct weft_kept_file *file)
{
    file->awaited = true;
    file->looks = true;
    read_file(file);
}

void weft_kept_forget(struct weft_kept_file *file)
{
    file->awaited = false;
}
