/* store/database.h - a file of SQLite's as we use it: opened with care, errors as sentences.
 *
 * One thread at a time. Nothing here takes memory by base/mem.h: SQLite has its own. */
#ifndef WEFT_STORE_DATABASE_H
#define WEFT_STORE_DATABASE_H

#include <sqlite3.h>

#include "host/store.h"

#define WEFT_DATABASE_BUSY_MS 2000 /* how long another program's lock is waited for: then WEFT_ERR_BUSY */

struct weft_database {
    sqlite3 *handle; /* NULL: not open */
    bool opening;
    char path[WEFT_STORE_PATH_MAX];
    char problem[WEFT_STORE_PROBLEM_MAX]; /* what the last error of this room means; "" if it was none of the file's */
};

/* What a statement is given for its ?1, ?2 ... */
struct weft_database_value {
    const void *bytes; /* NULL: a number */
    size_t size;
    int64_t number;
};

/* Opens the file, or makes it, with its folder if need be, and brings its tables up to WEFT_STORE_VERSION; *version is
 * what it was before. Keeps `path` for its sentences. On error it is not open, and the file is as it was:
 * WEFT_ERR_INVALID if it is damaged or somebody else's, WEFT_ERR_UNSUPPORTED if it is newer, WEFT_ERR_DENIED if it may
 * not be written, WEFT_ERR_FULL, WEFT_ERR_BUSY, WEFT_ERR_MEMORY, WEFT_ERR_IO. */
WEFT_MUST_USE int weft_database_open(struct weft_database *database, const char *path, unsigned *version);
void weft_database_close(struct weft_database *database);

/* Starts a statement: 1 and its first row in *rows, to be finalized, or 0 and NULL if there is none. */
WEFT_MUST_USE int weft_database_ask(struct weft_database *database, const char *sql,
                                    const struct weft_database_value *values, size_t count, sqlite3_stmt **rows);
/* Goes on to its next row: 1, or 0 behind the last. */
WEFT_MUST_USE int weft_database_next(struct weft_database *database, sqlite3_stmt *rows);
/* Runs a statement to its end; returns how many rows it changed. */
WEFT_MUST_USE int weft_database_do(struct weft_database *database, const char *sql,
                                   const struct weft_database_value *values, size_t count);

/* BEGIN; everything until _end is one transaction. */
WEFT_MUST_USE int weft_database_begin(struct weft_database *database);
/* Makes it durable if `status` is not an error, else takes it back. Returns `status`, or the error of that. */
WEFT_MUST_USE int weft_database_end(struct weft_database *database, int status);

/* What is read cannot have been written by us. Returns the error. */
WEFT_MUST_USE int weft_database_damaged(struct weft_database *database);

#endif
