/* sys/cores.c - how many cores this process may keep busy: those it may run on, and the share it was given.
 *
 * A container's share of time is no fewer cores to the scheduler: a program that takes them all is stopped for most of
 * each period, in the middle of whatever its threads wait for together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sys/inside.h"

#define TEXT_MAX 4096 /* of a file of the kernel's, and of a path to one */

/* Reads a small file whole, with a NUL at its end. False if it is not there or too long. */
static bool read_text(const char *path, char text[TEXT_MAX])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    size_t size = fread(text, 1, TEXT_MAX - 1, file);
    text[size] = '\0';
    bool whole = feof(file) && !ferror(file);
    (void)fclose(file); /* was only read */
    return whole;
}

static bool read_file(const char *folder, const char *group, const char *name, char text[TEXT_MAX])
{
    char path[TEXT_MAX];
    int size = snprintf(path, sizeof(path), "%s%s/%s", folder, group, name);
    return size > 0 && (size_t)size < sizeof(path) && read_text(path, text);
}

/* Whole cores, at least one; SIZE_MAX where the time is not limited. */
static size_t share(const char *quota, const char *period)
{
    int64_t may = strtoll(quota, NULL, 10), of = strtoll(period, NULL, 10); /* "max" and "-1" are no limit */
    if (may <= 0 || of <= 0) {
        return SIZE_MAX;
    }
    return may < of ? 1 : (size_t)(may / of);
}

/* What one group is given, by the files of version 2 ("cpu.max") or 1 (beneath "/cpu"). */
static size_t group_share(const char *root, const char *group)
{
    char quota[TEXT_MAX], period[TEXT_MAX];
    size_t cores = SIZE_MAX;
    if (read_file(root, group, "cpu.max", quota)) {
        const char *space = strchr(quota, ' ');
        cores = space ? share(quota, space) : SIZE_MAX;
    }
    char old[TEXT_MAX];
    int size = snprintf(old, sizeof(old), "%s/cpu", root);
    if (size > 0 && (size_t)size < sizeof(old) && read_file(old, group, "cpu.cfs_quota_us", quota) &&
        read_file(old, group, "cpu.cfs_period_us", period)) {
        size_t older = share(quota, period);
        cores = older < cores ? older : cores;
    }
    return cores;
}

/* A group has no more than each of those it is in. */
static size_t least_share(const char *root, char *group)
{
    size_t least = SIZE_MAX;
    for (;;) {
        size_t cores = group_share(root, group);
        least = cores < least ? cores : least;
        char *slash = strrchr(group, '/');
        if (!slash) {
            return least;
        }
        *slash = '\0';
    }
}

/* The line of /proc/self/cgroup that is about processor time: "0::/path", or "N:cpu,cpuacct:/path". */
static bool is_about_time(const char *line)
{
    const char *names = strchr(line, ':');
    const char *path = names ? strchr(names + 1, ':') : NULL;
    for (const char *at = names; path && at < path; at = strpbrk(at + 1, ",:")) {
        bool whole = strncmp(at + 1, "cpu", 3) == 0 && (at[4] == ',' || at[4] == ':');
        if (whole || (at == names && at + 1 == path)) {
            return true;
        }
    }
    return false;
}

size_t weft_cores_given(const char *root, const char *groups)
{
    char text[TEXT_MAX], *rest = text;
    size_t least = SIZE_MAX;
    if (!read_text(groups, text)) {
        return least;
    }
    for (const char *line; (line = strsep(&rest, "\n"));) {
        if (is_about_time(line)) {
            char group[TEXT_MAX];
            (void)snprintf(group, sizeof(group), "%s", strchr(strchr(line, ':') + 1, ':') + 1); /* fits: part of text */
            size_t cores = least_share(root, group);
            least = cores < least ? cores : least;
        }
    }
    return least;
}

size_t weft_cores(struct weft_host *host)
{
    (void)host; /* one machine for all */
    size_t may_run = uv_available_parallelism(), given = weft_cores_given("/sys/fs/cgroup", "/proc/self/cgroup");
    return given < may_run ? given : may_run;
}
