/* store/database.c - a file of SQLite's as we use it: opened with care, errors as sentences. */
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/schema.h"

#define APPLICATION_ID 1466263156 /* "Weft", where file(1) and others look */
#define PATH_SHOWN     600        /* bytes of the path in a sentence */

/* -- errors -- */

/* What to do, by what is wrong: when the file cannot be opened, and when it was and something cannot be done. */
struct advice {
    const char *opening, *running;
};

static struct advice advice_on(int status)
{
    switch (status) {
    case WEFT_ERR_INVALID:
        return (struct advice){"Nothing in it was changed. Put a copy of it back; or move it away and start again, and "
                               "the node forgets which invites and certificates it gave.",
                               "End the node and put a copy of it back; or move it away and start again, and the node "
                               "forgets which invites and certificates it gave."};
    case WEFT_ERR_UNSUPPORTED: /* this one only when it is opened */
        return (struct advice){"Nothing in it was changed. Start the newer Weft, which can read it.", ""};
    case WEFT_ERR_DENIED:
        return (struct advice){
            "Let the user who runs Weft own and write the file and its folder, then start the node again.",
            "Let the user who runs Weft own and write the file and its folder, then try again."};
    case WEFT_ERR_FULL:
        return (struct advice){"What it holds is still there. Make room, then start the node again.",
                               "What it holds is still there. Make room, then try again."};
    case WEFT_ERR_BUSY:
        return (struct advice){"End the other program, then start the node again.",
                               "End the other program, then try again."};
    case WEFT_ERR_MEMORY:
        return (struct advice){"Start it again when there is more memory.", "Try again when there is more memory."};
    default:
        return (struct advice){"Look at the disk, then start the node again.", "Look at the disk, then try again."};
    }
}

/* Says it; returns `status`. */
static int fail(struct weft_database *database, int status, const char *what, const char *reason)
{
    struct advice advice = advice_on(status);
    (void)snprintf(database->problem, sizeof(database->problem),
                   "%.*s, where this node keeps what it knows of its mesh, %s (%s). %s. %s", PATH_SHOWN, database->path,
                   what, reason,
                   database->opening ? "This node goes on without the mesh" : "What was asked for was not done",
                   database->opening ? advice.opening : advice.running); /* fits */
    return status;
}

static int fail_system(struct weft_database *database, int number)
{
    char reason[64];
    (void)snprintf(reason, sizeof(reason), "error %d of the system", number); /* fits */
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return fail(database, WEFT_ERR_DENIED, "may not be written",
                    number == EROFS ? "it is on a read-only file system" : "the system does not let this user");
    case ENOSPC:
    case EDQUOT:
        return fail(database, WEFT_ERR_FULL, "finds no room", "the disk is full");
    case ELOOP:
    case EISDIR:
    case ENXIO:
        return fail(database, WEFT_ERR_INVALID, "is no plain file", "it is a link, a folder or a device");
    case ENOENT:
    case ENOTDIR:
        return fail(database, WEFT_ERR_DENIED, "cannot be made", "its folder is in none that is there");
    }
    return fail(database, WEFT_ERR_IO, "cannot be opened", reason);
}

/* `code` is SQLite's, extended or not. Its own words are fixed ones: none of what is kept is in them. */
static int fail_sqlite(struct weft_database *database, int code)
{
    const char *reason = sqlite3_errstr(code);
    int number = database->handle ? sqlite3_system_errno(database->handle) : 0;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return fail(database, WEFT_ERR_MEMORY, "could not be used", "out of memory");
    case SQLITE_FULL:
        return fail_system(database, ENOSPC);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return number == ENOSPC || number == EDQUOT ? fail_system(database, number)
                                                    : fail(database, WEFT_ERR_DENIED, "may not be written", reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(database, WEFT_ERR_BUSY, "is in use by another program", reason);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* we ask for nothing that breaks one */
        return fail(database, WEFT_ERR_INVALID, "is damaged", reason);
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM) {
            return fail(database, WEFT_ERR_MEMORY, "could not be used", "out of memory");
        }
        if (number == ENOSPC || number == EDQUOT) {
            return fail_system(database, number);
        }
        break;
    }
    return fail(database, WEFT_ERR_IO, "could not be read or written", reason);
}

int weft_database_damaged(struct weft_database *database)
{
    return fail_sqlite(database, SQLITE_CORRUPT);
}

/* -- statements -- */

static int bind(sqlite3_stmt *statement, const struct weft_database_value *values, size_t count)
{
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        int place = (int)i + 1;
        code = values[i].bytes
                   ? sqlite3_bind_blob(statement, place, values[i].bytes, (int)values[i].size, SQLITE_STATIC)
                   : sqlite3_bind_int64(statement, place, values[i].number);
    }
    return code;
}

int weft_database_next(struct weft_database *database, sqlite3_stmt *rows)
{
    int code = sqlite3_step(rows);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : fail_sqlite(database, code);
}

int weft_database_ask(struct weft_database *database, const char *sql, const struct weft_database_value *values,
                      size_t count, sqlite3_stmt **rows)
{
    *rows = NULL;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, rows, NULL);
    code = code == SQLITE_OK ? bind(*rows, values, count) : code;
    int status = code == SQLITE_OK ? weft_database_next(database, *rows) : fail_sqlite(database, code);
    if (status <= 0) {
        (void)sqlite3_finalize(*rows); /* says again what the step has said */
        *rows = NULL;
    }
    return status;
}

int weft_database_do(struct weft_database *database, const char *sql, const struct weft_database_value *values,
                     size_t count)
{
    sqlite3_stmt *rows;
    int before = sqlite3_total_changes(database->handle);
    int status = weft_database_ask(database, sql, values, count, &rows);
    while (status > 0) {
        status = weft_database_next(database, rows);
    }
    (void)sqlite3_finalize(rows); /* as above */
    return status < 0 ? status : sqlite3_total_changes(database->handle) - before;
}

/* One number; `missing` if there is no row. */
static int ask_number(struct weft_database *database, const char *sql, int64_t missing, int64_t *out)
{
    sqlite3_stmt *rows;
    int status = weft_database_ask(database, sql, NULL, 0, &rows);
    *out = status > 0 ? sqlite3_column_int64(rows, 0) : missing;
    (void)sqlite3_finalize(rows); /* as above */
    return status < 0 ? status : 0;
}

static int run_script(struct weft_database *database, const char *sql)
{
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail_sqlite(database, code);
}

int weft_database_begin(struct weft_database *database)
{
    return run_script(database, "BEGIN IMMEDIATE");
}

/* What is written into a file that nobody finds any more is lost with the process. */
static int look_whether_gone(struct weft_database *database)
{
    int gone = 0;
    int code = sqlite3_file_control(database->handle, NULL, SQLITE_FCNTL_HAS_MOVED, &gone);
    if (code == SQLITE_OK && gone) {
        return fail(database, WEFT_ERR_INVALID, "is gone", "it was moved or deleted while the node ran");
    }
    return 0; /* where that cannot be told, it is written as ever */
}

int weft_database_end(struct weft_database *database, int status)
{
    if (status >= 0) {
        int error = look_whether_gone(database);
        error = error < 0 ? error : run_script(database, "COMMIT");
        status = error < 0 ? error : status;
    }
    if (!sqlite3_get_autocommit(database->handle)) {
        /* Fails only where SQLite has rolled back by itself, and then there is nothing left to take back. */
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* -- opening -- */

/* The file's name survives a power cut only when its folder is written too. Makes the folder if it is not there. */
static int prepare_folder(struct weft_database *database, bool sync)
{
    char folder[WEFT_STORE_PATH_MAX] = ".";
    const char *slash = strrchr(database->path, '/');
    if (slash) {
        size_t size = slash == database->path ? 1 : (size_t)(slash - database->path);
        memcpy(folder, database->path, size);
        folder[size] = '\0';
    }
    if (!sync) {
        (void)mkdir(folder, 0700); /* where it fails and is needed, the file cannot be opened in it */
        return 0;
    }
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return fail_system(database, errno);
    }
    int number = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno; /* some file systems cannot, and need not */
    (void)close(descriptor);                                            /* nothing was written through it */
    return number == 0 ? 0 : fail_system(database, number);
}

/* What SQLite gets is a plain file of this user's, for nobody else; what it puts beside it has the same mode. */
static int prepare_file(struct weft_database *database)
{
    struct stat there;
    int status = prepare_folder(database, false);
    int descriptor = open(database->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (status < 0 || descriptor < 0) {
        return descriptor < 0 ? fail_system(database, errno) : status;
    }
    if (fstat(descriptor, &there) != 0) {
        status = fail_system(database, errno);
    } else if (!S_ISREG(there.st_mode)) {
        status = fail_system(database, ENXIO);
    } else if (there.st_uid != geteuid()) {
        status = fail(database, WEFT_ERR_DENIED, "is not to be trusted", "it belongs to another user");
    } else if ((there.st_mode & 0777) != 0600 && fchmod(descriptor, 0600) != 0) {
        status = fail_system(database, errno);
    }
    (void)close(descriptor); /* nothing was written through it */
    return status < 0 ? status : prepare_folder(database, true);
}

/* Is it ours to use? Looks only. */
static int check_file(struct weft_database *database, unsigned *version)
{
    int64_t application, found, objects, sound;
    int status = ask_number(database, "PRAGMA application_id", 0, &application);
    status = status < 0 ? status : ask_number(database, "PRAGMA user_version", 0, &found);
    status = status < 0 ? status : ask_number(database, "SELECT count(*) FROM sqlite_schema", 0, &objects);
    if (status < 0) {
        return status;
    }
    if (application != APPLICATION_ID && (application != 0 || objects > 0 || found != 0)) {
        return fail(database, WEFT_ERR_INVALID, "is not Weft's", "it is the database of another program");
    }
    if (found > WEFT_STORE_VERSION) {
        return fail(database, WEFT_ERR_UNSUPPORTED, "was written by a newer Weft", "this one knows older tables only");
    }
    if (found < 0) {
        return weft_database_damaged(database);
    }
    *version = (unsigned)found;
    status = ask_number(database, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)", 0, &sound);
    return status < 0 ? status : sound ? 0 : weft_database_damaged(database);
}

/* Also when there is nothing to bring up: that it cannot be written is better known now than by the first redemption.
 */
static int bring_up(struct weft_database *database, unsigned version)
{
    char stamp[96];
    int status = weft_database_begin(database);
    if (status < 0) {
        return status;
    }
    for (unsigned step = version; status >= 0 && step < WEFT_STORE_VERSION; step++) {
        status = run_script(database, weft_schema[step]);
    }
    (void)snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                   WEFT_STORE_VERSION); /* fits */
    status = status < 0 ? status : run_script(database, stamp);
    return weft_database_end(database, status);
}

/* Each commit is on the disk before it returns: synchronous FULL, and on Macs their own word for it. Where there can be
 * no write-ahead log (some network file systems), SQLite keeps its rollback journal, which is as durable. */
static int set_up(struct weft_database *database, unsigned *version)
{
    sqlite3 *handle = database->handle;
    int code = sqlite3_busy_timeout(handle, WEFT_DATABASE_BUSY_MS);
    code = code ? code : sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    code = code ? code : sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int status = code ? fail_sqlite(database, code) : 0;
    status = status < 0 ? status
                        : run_script(database, "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;"
                                               "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;"
                                               "PRAGMA synchronous = FULL");
    status = status < 0 ? status : check_file(database, version);
    status = status < 0 ? status : run_script(database, "PRAGMA journal_mode = WAL");
    return status < 0 ? status : bring_up(database, *version);
}

int weft_database_open(struct weft_database *database, const char *path, unsigned *version)
{
    WEFT_ASSERT(!database->handle);
    int size = snprintf(database->path, sizeof(database->path), "%s", path);
    WEFT_ASSERT(size > 0 && (size_t)size < sizeof(database->path)); /* weft_store_op_check() measured it */
    database->opening = true;
    int status = prepare_file(database);
    if (status == 0) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        int code = sqlite3_open_v2(database->path, &database->handle, flags, NULL);
        status = code == SQLITE_OK ? set_up(database, version) : fail_sqlite(database, code);
    }
    if (status < 0) {
        weft_database_close(database);
    }
    database->opening = false;
    return status;
}

void weft_database_close(struct weft_database *database)
{
    int code = sqlite3_close(database->handle); /* what it could not tidy up, the next start does */
    WEFT_ASSERT(code != SQLITE_BUSY);           /* every statement was finalized */
    database->handle = NULL;
}
