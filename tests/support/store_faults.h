/* tests/support/store_faults.h - makes SQLite's memory or its disk fail at a chosen call.
 *
 * Under SQLite, by its own doors (sqlite3_config, a VFS), so the code under test is what ships. */
#ifndef WEFT_TESTS_SUPPORT_STORE_FAULTS_H
#define WEFT_TESTS_SUPPORT_STORE_FAULTS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/tables.h"

enum store_fault {
    STORE_FAULT_NONE,
    STORE_FAULT_MEMORY, /* an allocation */
    STORE_FAULT_DISK,   /* a read, write, sync, truncation or opening; a write is torn */
    STORE_FAULT_FULL,   /* a write finds the disk full */
};

static _Atomic(int) store_fault;         /* enum store_fault */
static _Atomic(uint64_t) store_fault_at; /* this many calls from now, 1 the next */
static _Atomic(bool) store_fault_sticky; /* and all after it */
static _Atomic(bool) store_fault_came, store_fault_tore;

static inline void store_faults_on(enum store_fault fault, uint64_t at, bool sticky)
{
    store_fault_at = at;
    store_fault_sticky = sticky;
    store_fault_came = store_fault_tore = false;
    store_fault = (int)fault;
}

/* Says whether it came to that. */
static inline bool store_faults_off(void)
{
    store_fault = STORE_FAULT_NONE;
    return store_fault_came;
}

static inline bool store_fault_now(enum store_fault fault)
{
    if (store_fault != (int)fault) {
        return false;
    }
    if (store_fault_at > 0 && --store_fault_at == 0) {
        store_fault_came = true;
        return true;
    }
    return store_fault_came && store_fault_sticky;
}

/* -- memory: SQLite's own allocator beneath -- */

static sqlite3_mem_methods store_memory;

static inline void *store_memory_alloc(int size)
{
    return store_fault_now(STORE_FAULT_MEMORY) ? NULL : store_memory.xMalloc(size);
}

static inline void *store_memory_realloc(void *pointer, int size)
{
    return store_fault_now(STORE_FAULT_MEMORY) ? NULL : store_memory.xRealloc(pointer, size);
}

/* -- the disk: the system's VFS beneath -- */

struct store_disk_file {
    sqlite3_file file;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *store_disk_real;
static sqlite3_vfs store_disk;

#define REAL(file) (((struct store_disk_file *)(void *)(file))->real)
#define PASS(name, parameters, arguments)                                                                              \
    static inline int store_disk_##name parameters                                                                     \
    {                                                                                                                  \
        return REAL(file)->pMethods->x##name arguments;                                                                \
    }
#define FAIL(name, code, parameters, arguments)                                                                        \
    static inline int store_disk_##name parameters                                                                     \
    {                                                                                                                  \
        return store_fault_now(STORE_FAULT_DISK) ? (code) : REAL(file)->pMethods->x##name arguments;                   \
    }

FAIL(Read, SQLITE_IOERR_READ, (sqlite3_file * file, void *data, int size, sqlite3_int64 at),
     (REAL(file), data, size, at))
FAIL(Truncate, SQLITE_IOERR_TRUNCATE, (sqlite3_file * file, sqlite3_int64 size), (REAL(file), size))
FAIL(Sync, SQLITE_IOERR_FSYNC, (sqlite3_file * file, int flags), (REAL(file), flags))
FAIL(FileSize, SQLITE_IOERR_FSTAT, (sqlite3_file * file, sqlite3_int64 *size), (REAL(file), size))
PASS(Lock, (sqlite3_file * file, int lock), (REAL(file), lock))
PASS(Unlock, (sqlite3_file * file, int lock), (REAL(file), lock))
PASS(CheckReservedLock, (sqlite3_file * file, int *out), (REAL(file), out))
PASS(FileControl, (sqlite3_file * file, int op, void *argument), (REAL(file), op, argument))
PASS(SectorSize, (sqlite3_file * file), (REAL(file)))
PASS(DeviceCharacteristics, (sqlite3_file * file), (REAL(file)))
FAIL(ShmMap, SQLITE_IOERR_SHMMAP, (sqlite3_file * file, int region, int size, int extend, void volatile **out),
     (REAL(file), region, size, extend, out))
PASS(ShmLock, (sqlite3_file * file, int offset, int count, int flags), (REAL(file), offset, count, flags))
PASS(ShmUnmap, (sqlite3_file * file, int delete), (REAL(file), delete))

static inline void store_disk_ShmBarrier(sqlite3_file *file)
{
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static inline int store_disk_Write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    if (store_fault_now(STORE_FAULT_FULL)) {
        return SQLITE_FULL;
    }
    if (store_fault_now(STORE_FAULT_DISK)) {
        if (!store_fault_tore) {
            store_fault_tore = true;
            (void)REAL(file)->pMethods->xWrite(REAL(file), data, size / 2, at); /* torn: a half of it is there */
        }
        return SQLITE_IOERR_WRITE;
    }
    return REAL(file)->pMethods->xWrite(REAL(file), data, size, at);
}

static inline int store_disk_Close(sqlite3_file *file)
{
    return REAL(file)->pMethods ? REAL(file)->pMethods->xClose(REAL(file)) : SQLITE_OK;
}

static const sqlite3_io_methods store_disk_methods = {
    .iVersion = 2, /* without memory-mapped reads */
    .xClose = store_disk_Close,
    .xRead = store_disk_Read,
    .xWrite = store_disk_Write,
    .xTruncate = store_disk_Truncate,
    .xSync = store_disk_Sync,
    .xFileSize = store_disk_FileSize,
    .xLock = store_disk_Lock,
    .xUnlock = store_disk_Unlock,
    .xCheckReservedLock = store_disk_CheckReservedLock,
    .xFileControl = store_disk_FileControl,
    .xSectorSize = store_disk_SectorSize,
    .xDeviceCharacteristics = store_disk_DeviceCharacteristics,
    .xShmMap = store_disk_ShmMap,
    .xShmLock = store_disk_ShmLock,
    .xShmBarrier = store_disk_ShmBarrier,
    .xShmUnmap = store_disk_ShmUnmap,
};

static inline int store_disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct store_disk_file *own = (struct store_disk_file *)(void *)file;
    own->file.pMethods = NULL; /* then it is not closed */
    if (store_fault_now(STORE_FAULT_DISK)) {
        return SQLITE_CANTOPEN;
    }
    own->real = (sqlite3_file *)(void *)(own + 1);
    int code = store_disk_real->xOpen(store_disk_real, name, own->real, flags, out);
    own->file.pMethods = code == SQLITE_OK ? &store_disk_methods : NULL;
    return code;
}

/* Before SQLite is used at all. */
static inline int store_faults_init(void)
{
    int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &store_memory);
    sqlite3_mem_methods methods = store_memory;
    methods.xMalloc = store_memory_alloc;
    methods.xRealloc = store_memory_realloc;
    code = code ? code : sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    code = code ? code : sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* or few allocations were any */
    code = code ? code : sqlite3_initialize();
    store_disk_real = sqlite3_vfs_find(NULL);
    store_disk = *store_disk_real;
    store_disk.pNext = NULL;
    store_disk.zName = "weft-faults";
    store_disk.szOsFile = (int)sizeof(struct store_disk_file) + store_disk_real->szOsFile;
    store_disk.xOpen = store_disk_open;
    return code ? code : sqlite3_vfs_register(&store_disk, 1);
}

#undef REAL
#undef PASS
#undef FAIL

#endif
