/* sys/shared.c - memory that a process shares with its child: no file has it, and it goes with the last of the two. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifndef __linux__
#include <stdio.h>
#endif

#include "base/error.h"
#include "sys/inside.h"

#ifdef __linux__

/* The child could cut it off, and the parent would die of its next look. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int open_memory(size_t size)
{
    int descriptor = memfd_create("weft", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) {
        return -1;
    }
    if (fchmod(descriptor, S_IRUSR | S_IWUSR) < 0 || ftruncate(descriptor, (off_t)size) < 0 ||
        fcntl(descriptor, F_ADD_SEALS, SEALS) < 0) {
        (void)close(descriptor); /* it never held anything */
        return -1;
    }
    return descriptor;
}

#else

/* It has a name for a moment, which nobody else can have made or opened. Its size is set once and for all. */
static int open_memory(size_t size)
{
    static unsigned count; /* one thread makes them */
    char name[32];
    (void)snprintf(name, sizeof(name), "/weft-%ld-%u", (long)getpid(), count++);   /* fits */
    int descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR); /* closed on exec */
    if (descriptor < 0) {
        return -1;
    }
    if (shm_unlink(name) < 0 || ftruncate(descriptor, (off_t)size) < 0) {
        (void)close(descriptor); /* it never held anything */
        return -1;
    }
    return descriptor;
}

#endif

static int map(int descriptor, size_t size, void **out)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    *out = at == MAP_FAILED ? NULL : at;
    return *out ? 0 : WEFT_ERR_MEMORY;
}

int weft_shared_new(struct weft_shared *shared, size_t size, int *child)
{
    *shared = (struct weft_shared){.size = size};
    *child = open_memory(size);
    if (*child < 0) {
        return WEFT_ERR_MEMORY; /* or no descriptor is left: whoever starts a process hears the same then */
    }
    int status = map(*child, size, &shared->at);
    if (status < 0) {
        (void)close(*child); /* likewise */
        *child = -1;
    }
    return status;
}

void weft_shared_free(struct weft_shared *shared)
{
    if (shared->at) {
        (void)munmap(shared->at, shared->size); /* fails only for what is no mapping */
        shared->at = NULL;
    }
}

/* -- a child's side -- */

int weft_sys_inherit_memory(int descriptor, size_t size, void **out)
{
    struct stat about;
    *out = NULL;
    if (fstat(descriptor, &about) < 0 || about.st_nlink > 0 || about.st_size < (off_t)size) {
        return WEFT_ERR_INVALID;
    }
    int status = map(descriptor, size, out);
    if (status == 0) {
        (void)close(descriptor); /* the mapping is all that is needed */
    }
    return status;
}
