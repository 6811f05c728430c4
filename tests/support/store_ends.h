/* tests/support/store_ends.h - a store to ask and wait for: the real one in a folder, or a world's. */
#ifndef WEFT_TESTS_SUPPORT_STORE_ENDS_H
#define WEFT_TESTS_SUPPORT_STORE_ENDS_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "host/host.h"
#include "store/store.h"

/* -- a folder of its own: in memory where there is such a thing, since thousands of commits would wait for a disk -- */

struct store_folder {
    char path[64], file[96];
};

static inline void store_folder_init(struct store_folder *folder, bool on_disk)
{
    bool memory = !on_disk && access("/dev/shm", W_OK) == 0;
    snprintf(folder->path, sizeof(folder->path), "%s/weft-store-XXXXXX", memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof(folder->file), "%s/state/mesh.db", folder->path);
}

static inline void store_folder_empty(const char *path)
{
    char inner[512];
    DIR *entries = opendir(path);
    if (!entries) {
        return;
    }
    for (const struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        unlink(inner); /* not the folders */
    }
    closedir(entries);
}

static inline void store_folder_deinit(struct store_folder *folder)
{
    char inner[96];
    snprintf(inner, sizeof(inner), "%s/state", folder->path);
    store_folder_empty(inner);
    rmdir(inner);
    store_folder_empty(folder->path);
    assert_int_equal(rmdir(folder->path), 0);
}

/* -- rows -- */

static inline struct weft_store_key store_key(uint32_t number)
{
    struct weft_store_key key = {{0}};
    for (size_t i = 0; i < sizeof(key.bytes); i++) {
        key.bytes[i] = (uint8_t)(number >> (8 * (3 - i % 4))); /* sorted as their numbers are */
    }
    return key;
}

static inline struct weft_store_record store_record(uint32_t key, int64_t expires_s, const char *bytes)
{
    struct weft_store_record record = {.key = store_key(key), .expires_s = expires_s, .size = strlen(bytes)};
    memcpy(record.bytes, bytes, record.size);
    return record;
}

static inline struct weft_store_op store_invite(uint32_t id, uint32_t uses, int64_t expires_s)
{
    struct weft_store_op op = {.kind = WEFT_STORE_PUT_INVITE};
    op.invite = (struct weft_store_invite){.id = store_key(id),
                                           .mesh = store_key(9),
                                           .made_s = expires_s - 10,
                                           .role = 2,
                                           .uses = uses,
                                           .expires_s = expires_s};
    return op;
}

static inline struct weft_store_op store_redeem(uint32_t id, uint32_t node, const char *certificate, int64_t now_s)
{
    return (struct weft_store_op){.kind = WEFT_STORE_REDEEM,
                                  .key = store_key(id),
                                  .record = store_record(node, 5000, certificate),
                                  .now_s = now_s};
}

/* -- asking -- */

struct store_end {
    struct weft_host *host;
    struct weft_sys *sys;
    struct weft_store *store;
    bool done;
    int status;
    struct weft_store_result result;
    char problem[WEFT_STORE_PROBLEM_MAX];
};

static inline void store_end_done(void *self, int status, const struct weft_store_result *result)
{
    struct store_end *end = self;
    assert_false(end->done);
    end->done = true;
    end->status = status;
    end->result = *result;
    snprintf(end->problem, sizeof(end->problem), "%s", result->problem ? result->problem : "");
    assert_true(status < 0 || !result->problem);
}

static inline weft_time store_end_turn(void *self, weft_time now)
{
    struct store_end *end = self;
    (void)now;
    if (end->done) {
        weft_sys_stop(end->sys);
    }
    return WEFT_NEVER;
}

static inline void store_end_init(struct store_end *end)
{
    *end = (struct store_end){0};
    assert_int_equal(weft_sys_new(&end->sys), 0);
    assert_int_equal(weft_store_new(&end->store, end->sys), 0);
    end->host = weft_sys_host(end->sys);
}

static inline void store_end_deinit(struct store_end *end)
{
    assert_true(weft_sys_free(end->sys));
    weft_store_free(end->store);
    weft_bytes_trim();
    assert_int_equal(weft_mem_live(), 0);
}

static inline int store_end_ask(struct store_end *end, const struct weft_store_op *op)
{
    end->done = false;
    int status = end->host->ops->store(end->host, op, store_end_done, end);
    assert_false(end->done); /* never from inside the call */
    if (status < 0) {
        return status;
    }
    struct weft_guest guest = {.self = end, .turn = store_end_turn};
    while (!end->done) {
        assert_int_equal(weft_sys_run(end->sys, guest), 0);
    }
    return end->status;
}

static inline int store_end_open(struct store_end *end, const char *path)
{
    return store_end_ask(end, &(struct weft_store_op){.kind = WEFT_STORE_OPEN, .path = path});
}

#endif
