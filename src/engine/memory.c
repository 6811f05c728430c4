/* engine/memory.c - how much memory this process may still take: of the machine, and of its control group. */
#include "engine/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_READ_MAX ((size_t)8192) /* of such a file; what counts stands at its beginning */
#define PATH_TEXT_MAX 1024
#define GROUPS_MAX    32 /* control groups around each other; the outermost are looked at first */

/* The file as text, cut at `size`; "" if it cannot be read. */
static void read_text(char *text, size_t size, const char *root, const char *path)
{
    char full[PATH_TEXT_MAX];
    text[0] = '\0';
    int length = snprintf(full, sizeof(full), "%s%s", root, path);
    int descriptor = length > 0 && (size_t)length < sizeof(full) ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) {
        return;
    }
    size_t have = 0;
    ssize_t got = 0;
    while (have + 1 < size && (got = read(descriptor, text + have, size - 1 - have)) > 0) {
        have += (size_t)got;
    }
    text[have] = '\0';
    (void)close(descriptor); /* it was only read */
}

/* The number behind `name` at a line's start; false if there is none. */
static bool find_number(const char *text, const char *name, uint64_t *out)
{
    size_t size = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, name, size) == 0) {
            const char *digits = line + size + strspn(line + size, " :\t");
            char *end = NULL;
            *out = strtoull(digits, &end, 10);
            return end != digits;
        }
    }
    return false;
}

static void narrow(struct weft_memory *memory, uint64_t limit, uint64_t used, uint64_t reclaimable)
{
    uint64_t held = used > reclaimable ? used - reclaimable : 0;
    uint64_t left = limit > held ? limit - held : 0;
    memory->total = limit < memory->total ? limit : memory->total;
    memory->available = left < memory->available ? left : memory->available;
}

/* One control group's limit, if it has one. What is cached of files and not in use can be had back. */
static void read_group(struct weft_memory *memory, const char *root, const char *folder, const char *limit_name,
                       const char *used_name, const char *cache_name)
{
    char path[PATH_TEXT_MAX], text[FILE_READ_MAX];
    uint64_t limit = 0, used = 0, cached = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, limit_name); /* one that is cut does not exist */
    read_text(text, sizeof(text), root, path);
    if (!find_number(text, "", &limit)) { /* "max", or no such file */
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", folder, used_name);
    read_text(text, sizeof(text), root, path);
    if (!find_number(text, "", &used)) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/memory.stat", folder);
    read_text(text, sizeof(text), root, path);
    (void)find_number(text, cache_name, &cached); /* without it nothing counts as cached */
    narrow(memory, limit, used, cached);
}

/* Version 2: "0::/a/b" names our group below /sys/fs/cgroup; each group on the way may have a limit. */
static void read_groups(struct weft_memory *memory, const char *root)
{
    char text[FILE_READ_MAX], folder[PATH_TEXT_MAX];
    read_text(text, sizeof(text), root, "/proc/self/cgroup");
    const char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (line) {
        const char *name = strchr(line, '/');
        size_t size = strcspn(name, "\n");
        unsigned groups = 0;
        for (size_t end = 0; end <= size && groups < GROUPS_MAX; end++) {
            if (end == size || (name[end] == '/' && end > 0)) {
                (void)snprintf(folder, sizeof(folder), "/sys/fs/cgroup%.*s", (int)(end > 1 ? end : 0), name);
                read_group(memory, root, folder, "memory.max", "memory.current", "inactive_file");
                groups++;
            }
        }
        /* In a container the name may be the host's, and our own group the root that we see. */
        read_group(memory, root, "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file");
    }
    read_group(memory, root, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
               "total_inactive_file");
}

void weft_memory_read_under(struct weft_memory *memory, const char *root)
{
    char text[FILE_READ_MAX];
    uint64_t kib;
    *memory = (struct weft_memory){UINT64_MAX, UINT64_MAX};
    read_text(text, sizeof(text), root, "/proc/meminfo");
    if (find_number(text, "MemTotal", &kib)) {
        memory->total = kib * 1024;
    }
    if (find_number(text, "MemAvailable", &kib)) {
        memory->available = kib * 1024;
    }
    read_groups(memory, root);
}

void weft_memory_read(struct weft_memory *memory)
{
#ifdef __linux__
    weft_memory_read_under(memory, "");
#else
    /* What others use of it is not asked for: these systems compress and swap before they refuse. */
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t total = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
    *memory = (struct weft_memory){total, total};
#endif
}
