/* engine/gguf_reader.c - reads a file forward, never past its end, and says in a sentence why it stopped. */
#include "engine/gguf_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST_BYTES 64 /* enough to tell what a file is that is no GGUF */

int weft_gguf_refuse(struct weft_gguf_reader *reader, int error, const char *format, ...)
{
    va_list arguments;
    int size = snprintf(reader->problem, WEFT_ENGINE_PROBLEM_MAX, "%s ", reader->name);
    va_start(arguments, format);
    if (size > 0 && size < WEFT_ENGINE_PROBLEM_MAX) { /* cut if too long: it is for a person */
        (void)vsnprintf(reader->problem + size, (size_t)(WEFT_ENGINE_PROBLEM_MAX - size), format, arguments);
    }
    va_end(arguments);
    return error;
}

const char *weft_gguf_size(char text[WEFT_GGUF_SIZE_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < WEFT_COUNT(units)) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(text, WEFT_GGUF_SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

/* -- opening -- */

static void take_name(struct weft_gguf_reader *reader, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    size_t used = 0;
    for (; *name && used + 1 < sizeof(reader->name); name++) { /* a name may hold what does things to terminals */
        reader->name[used++] = *name >= ' ' && *name <= '~' ? *name : '?';
    }
    reader->name[used] = '\0';
}

/* Files that people take for a model, by how they begin. */
static const struct {
    const char *begins, *says;
} others[] = {
    {"<!", "is a web page, not a model: the download was refused, or needs a login. Download the file itself"},
    {"<html", "is a web page, not a model: the download was refused, or needs a login. Download the file itself"},
    {"version https://git-lfs", "is only a pointer to the model, as git keeps it. Fetch the file itself: git lfs pull"},
    {"PK", "is a zip archive (or a PyTorch model). Weft runs GGUF files: unpack it, or convert the model"},
    {"GGML", "is of a format that came before GGUF. Download the model as a GGUF file"},
    {"tjgg", "is of a format that came before GGUF. Download the model as a GGUF file"},
    {"FUGG", "is a GGUF file written backwards, for a machine of other byte order. Download another one"},
};

static int refuse_other(struct weft_gguf_reader *reader, const char *first)
{
    for (size_t i = 0; i < WEFT_COUNT(others); i++) {
        if (strncmp(first, others[i].begins, strlen(others[i].begins)) == 0) {
            return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "%s.", others[i].says);
        }
    }
    if (strstr(first, "{\"")) { /* after its length: safetensors */
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "looks like a safetensors model or JSON. Weft runs GGUF files: convert it, or download "
                                "the model as one.");
    }
    return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                            "is not a GGUF file: it does not begin like one. Weft runs models in that format; check "
                            "what was downloaded.");
}

static int look_at_it(struct weft_gguf_reader *reader)
{
    struct stat about;
    if (fstat(reader->descriptor, &about) != 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_IO, "cannot be read: %s.", strerror(errno));
    }
    if (S_ISDIR(about.st_mode)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is a folder. Name the GGUF file in it.");
    }
    if (!S_ISREG(about.st_mode)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is no ordinary file, and a model must be one.");
    }
    reader->size = (uint64_t)about.st_size;
    if (reader->size == 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is empty: download it again.");
    }
    char first[FIRST_BYTES + 1] = "";
    ssize_t got = pread(reader->descriptor, first, FIRST_BYTES, 0);
    if (got < 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_IO, "cannot be read: %s.", strerror(errno));
    }
    for (ssize_t i = 4; i < got; i++) { /* safetensors begin with a number */
        first[i] = first[i] ? first[i] : ' ';
    }
    return memcmp(first, "GGUF", 4) == 0 ? 0 : refuse_other(reader, first);
}

int weft_gguf_reader_open(struct weft_gguf_reader *reader, const char *path, char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    reader->size = reader->at = reader->buffered_at = 0;
    reader->buffered = 0;
    reader->problem = problem;
    take_name(reader, path);
    reader->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would have us wait */
    if (reader->descriptor < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? weft_gguf_refuse(reader, WEFT_ERR_NOT_FOUND,
                                      "is not there. Was it moved or renamed? Check its path.")
                   : weft_gguf_refuse(reader, errno == EACCES || errno == EPERM ? WEFT_ERR_DENIED : WEFT_ERR_IO,
                                      "cannot be opened: %s.", strerror(errno));
    }
    int status = look_at_it(reader);
    if (status < 0) {
        weft_gguf_reader_close(reader);
    }
    return status;
}

void weft_gguf_reader_close(struct weft_gguf_reader *reader)
{
    if (reader->descriptor >= 0) {
        (void)close(reader->descriptor); /* it was only read */
        reader->descriptor = -1;
    }
}

/* -- reading -- */

static int refuse_short(struct weft_gguf_reader *reader)
{
    char size[WEFT_GGUF_SIZE_TEXT];
    return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                            "is cut short: its %s end in the middle of what describes it. Download it again.",
                            weft_gguf_size(size, reader->size));
}

static int fill(struct weft_gguf_reader *reader)
{
    ssize_t got = pread(reader->descriptor, reader->buffer, sizeof(reader->buffer), (off_t)reader->at);
    if (got < 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_IO, "cannot be read: %s.", strerror(errno));
    }
    reader->buffered_at = reader->at;
    reader->buffered = (size_t)got;
    return got > 0 ? 0 : refuse_short(reader); /* it shrank meanwhile */
}

int weft_gguf_take(struct weft_gguf_reader *reader, void *out, size_t size)
{
    unsigned char *to = out;
    if (size > reader->size - reader->at) {
        return refuse_short(reader);
    }
    while (size > 0) {
        uint64_t end = reader->buffered_at + reader->buffered;
        if (reader->at < reader->buffered_at || reader->at >= end) {
            int status = fill(reader);
            if (status < 0) {
                return status;
            }
            continue;
        }
        size_t part = size < end - reader->at ? size : (size_t)(end - reader->at);
        memcpy(to, reader->buffer + (reader->at - reader->buffered_at), part);
        to += part;
        reader->at += part;
        size -= part;
    }
    return 0;
}

int weft_gguf_take_u32(struct weft_gguf_reader *reader, uint32_t *out)
{
    unsigned char bytes[4] = {0};
    int status = weft_gguf_take(reader, bytes, sizeof(bytes));
    *out = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return status;
}

int weft_gguf_take_u64(struct weft_gguf_reader *reader, uint64_t *out)
{
    uint32_t low = 0, high = 0;
    int status = weft_gguf_take_u32(reader, &low);
    if (status == 0) {
        status = weft_gguf_take_u32(reader, &high);
    }
    *out = (uint64_t)high << 32 | low;
    return status;
}

int weft_gguf_skip(struct weft_gguf_reader *reader, uint64_t size)
{
    if (size > reader->size - reader->at) {
        return refuse_short(reader);
    }
    reader->at += size;
    return 0;
}

int weft_gguf_take_text(struct weft_gguf_reader *reader, const char *what, size_t max, char *out, size_t room,
                        uint64_t *size)
{
    int status = weft_gguf_take_u64(reader, size);
    if (status < 0) {
        return status;
    }
    if (*size > max) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: %s claims to be %llu bytes long. Download it again.", what,
                                (unsigned long long)*size);
    }
    size_t kept = room == 0 ? 0 : *size < room ? (size_t)*size : room - 1;
    status = weft_gguf_take(reader, out, kept);
    if (room > 0) {
        out[kept] = '\0';
    }
    return status < 0 ? status : weft_gguf_skip(reader, *size - kept);
}
