/* cli/input.c - files that are read before a node starts. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"

WEFT_PRINTF(3, 4)
static int refuse(struct weft_config_problem *problem, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments); /* cut if too long: it is for a person */
    va_end(arguments);
    return error;
}

static int refuse_errno(struct weft_config_problem *problem, const char *what, const char *path, int error)
{
    return refuse(problem, error == ENOENT || error == ENOTDIR ? WEFT_ERR_NOT_FOUND : WEFT_ERR_DENIED,
                  "%s %.200s cannot be read: %s", what, path, strerror(error));
}

static int read_all(int descriptor, struct weft_input *input, size_t max)
{
    while (input->size <= max) {
        ssize_t got = read(descriptor, input->data + input->size, max + 1 - input->size);
        if (got == 0) {
            input->data[input->size] = '\0';
            return 0;
        }
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        input->size += got > 0 ? (size_t)got : 0;
    }
    return EFBIG;
}

int weft_input_read(struct weft_input *input, const char *path, const char *what, size_t max, mode_t forbidden,
                    struct weft_config_problem *problem)
{
    *input = (struct weft_input){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat there;
    if (descriptor < 0) {
        return refuse_errno(problem, what, path, errno);
    }
    int status;
    if (fstat(descriptor, &there) != 0) {
        status = refuse_errno(problem, what, path, errno);
    } else if (S_ISREG(there.st_mode) && (there.st_mode & forbidden)) {
        status = refuse(problem, WEFT_ERR_DENIED,
                        "%s %.150s can be read by others on this machine (mode %04o), so it keeps no secret: `chmod "
                        "600 %.150s`, and change what is in it if they may have read it",
                        what, path, (unsigned)there.st_mode & 07777, path);
    } else if (!(input->data = weft_alloc(max + 2))) {
        status = refuse(problem, WEFT_ERR_MEMORY, "out of memory while reading %s", what);
    } else {
        int error = read_all(descriptor, input, max);
        status = error == 0 ? 0
                 : error == EFBIG
                     ? refuse(problem, WEFT_ERR_TOO_LARGE, "%s %.200s is larger than %zu bytes", what, path, max)
                     : refuse_errno(problem, what, path, error);
    }
    (void)close(descriptor); /* only read from */
    if (status < 0) {
        weft_input_deinit(input);
    }
    return status;
}

void weft_input_deinit(struct weft_input *input)
{
    if (input->data) {
        weft_secret_wipe(input->data, input->size);
    }
    weft_free(input->data);
    *input = (struct weft_input){0};
}
