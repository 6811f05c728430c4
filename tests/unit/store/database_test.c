/* tests/unit/store/database_test.c - opening the file: made, brought up, or refused with a sentence and left as it was.
 */
#include "store/database.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "unit/store/folder.h"

#define NOBODY 65534
#define KEY_1  "1111111111111111111111111111111111111111111111111111111111111111" /* in hex */
#define KEY_2  "2222222222222222222222222222222222222222222222222222222222222222"
#define KEY_3  "3333333333333333333333333333333333333333333333333333333333333333"

static struct weft_database database;

static int close_and_teardown(void **state)
{
    weft_database_close(&database);
    return teardown(state);
}

static int try_open(unsigned *version)
{
    database.problem[0] = '\0';
    int status = weft_database_open(&database, folder.file, version);
    assert_int_equal(!database.handle, status < 0);
    return status;
}

/* One that ends well, and is closed again. */
static unsigned open_well(void)
{
    unsigned version = 99;
    assert_int_equal(try_open(&version), 0);
    weft_database_close(&database);
    return version;
}

static void assert_refused(int status, const char *what)
{
    unsigned version;
    assert_int_equal(try_open(&version), status);
    if (!strstr(database.problem, what) || !strstr(database.problem, "goes on without the mesh") ||
        !strstr(database.problem, folder.file)) {
        fail_msg("it says: %s", database.problem);
    }
}

static mode_t mode_of(const char *path)
{
    struct stat there;
    assert_int_equal(stat(path, &there), 0);
    return there.st_mode & 0777;
}

static void script(const char *sql)
{
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(folder.file, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static size_t content(char *out, size_t size)
{
    int descriptor = open(folder.file, O_RDONLY);
    assert_true(descriptor >= 0);
    ssize_t got = read(descriptor, out, size);
    assert_true(got >= 0 && close(descriptor) == 0);
    return (size_t)got;
}

static void overwrite(off_t at, const char *bytes, size_t size)
{
    int descriptor = open(folder.file, O_WRONLY | O_CREAT, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, bytes, size, at), (ssize_t)size);
    assert_int_equal(close(descriptor), 0);
}

static void a_new_one_is_made_for_its_owner_only(void **state)
{
    (void)state;
    char beside[128];
    unsigned version = 99;
    assert_int_equal(try_open(&version), 0);
    assert_int_equal(version, 0);
    assert_int_equal(mode_of(folder.file), 0600);
    snprintf(beside, sizeof(beside), "%s-wal", folder.file);
    assert_int_equal(mode_of(beside), 0600);
    snprintf(beside, sizeof(beside), "%s/state", folder.path);
    assert_int_equal(mode_of(beside), 0700);
    weft_database_close(&database);
    assert_int_equal(open_well(), WEFT_STORE_VERSION);
}

static void each_commit_is_on_the_disk_before_it_returns(void **state)
{
    (void)state;
    unsigned version;
    sqlite3_stmt *rows;
    assert_int_equal(try_open(&version), 0);
    static const char *const questions[] = {
        "SELECT journal_mode = 'wal' FROM pragma_journal_mode",
        "SELECT synchronous = 2 FROM pragma_synchronous",
        "SELECT foreign_keys = 1 FROM pragma_foreign_keys",
        "SELECT timeout = 2000 FROM pragma_busy_timeout",
    };
    for (size_t i = 0; i < WEFT_COUNT(questions); i++) {
        assert_int_equal(weft_database_ask(&database, questions[i], NULL, 0, &rows), 1);
        assert_int_equal(sqlite3_column_int(rows, 0), 1);
        assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    }
}

static void a_file_that_others_may_read_is_closed_to_them(void **state)
{
    (void)state;
    (void)open_well();
    assert_int_equal(chmod(folder.file, 0644), 0);
    (void)open_well();
    assert_int_equal(mode_of(folder.file), 0600);
}

static void a_newer_one_is_refused_and_left_as_it_was(void **state)
{
    (void)state;
    static char before[65536], after[65536];
    (void)open_well();
    script("PRAGMA user_version = 1000");
    size_t size = content(before, sizeof(before));
    assert_refused(WEFT_ERR_UNSUPPORTED, "newer Weft");
    assert_int_equal(content(after, sizeof(after)), size);
    assert_memory_equal(before, after, size);
    script("PRAGMA user_version = 2");
    assert_int_equal(open_well(), WEFT_STORE_VERSION);
}

/* Version 1 as it was written, and not by today's first step. */
static const char version_1[] =
    "CREATE TABLE invites ("
    " id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 32), mesh BLOB NOT NULL CHECK (length(mesh) = 32),"
    " role INTEGER NOT NULL, uses INTEGER NOT NULL,"
    " uses_left INTEGER NOT NULL CHECK (uses_left BETWEEN 0 AND uses), made_s INTEGER NOT NULL,"
    " expires_s INTEGER NOT NULL, revoked INTEGER NOT NULL CHECK (revoked IN (0, 1))) STRICT;"
    "CREATE TABLE redemptions ("
    " invite BLOB NOT NULL REFERENCES invites (id) ON DELETE CASCADE, node BLOB NOT NULL CHECK (length(node) = 32),"
    " expires_s INTEGER NOT NULL, certificate BLOB NOT NULL, PRIMARY KEY (invite, node)) STRICT;"
    "CREATE TABLE memberships (key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
    " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE issued (key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
    " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE revocations (key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
    " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE sequence (only_row INTEGER PRIMARY KEY CHECK (only_row = 1),"
    " incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL) STRICT;"
    "INSERT INTO sequence VALUES (1, 7, 9);"
    "INSERT INTO invites VALUES (x'" KEY_1 "', x'" KEY_2 "', 2, 3, 2, 1000, 2000, 0);"
    "INSERT INTO redemptions VALUES (x'" KEY_1 "', x'" KEY_3 "', 5000, x'0102');"
    "INSERT INTO memberships VALUES (x'" KEY_2 "', 5000, x'0304');"
    "PRAGMA application_id = 1466263156; PRAGMA user_version = 1";

static void an_older_one_is_brought_up_with_what_it_holds(void **state)
{
    (void)state;
    static const char *const questions[] = {
        "SELECT incarnation = 7 AND sequence = 9 FROM sequence",
        "SELECT uses_left = 2 AND certificate = x'0102' FROM invites JOIN redemptions ON id = invite",
        "SELECT bytes = x'0304' FROM memberships",
        "SELECT count(*) = 0 FROM gateways",
    };
    unsigned version;
    sqlite3_stmt *rows;
    (void)open_well(); /* its folder, and a file that is for its owner */
    assert_int_equal(unlink(folder.file), 0);
    script(version_1);
    assert_int_equal(open_well(), 1);
    assert_int_equal(try_open(&version), 0);
    assert_int_equal(version, WEFT_STORE_VERSION);
    for (size_t i = 0; i < WEFT_COUNT(questions); i++) {
        assert_int_equal(weft_database_ask(&database, questions[i], NULL, 0, &rows), 1);
        assert_int_equal(sqlite3_column_int(rows, 0), 1);
        assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    }
}

static void a_database_of_another_program_is_refused(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof(path), "%s/state", folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    script("CREATE TABLE theirs (a)");
    assert_refused(WEFT_ERR_INVALID, "another program");
    script("SELECT a FROM theirs; DROP TABLE theirs; PRAGMA application_id = 7");
    assert_refused(WEFT_ERR_INVALID, "another program");
}

static void a_file_that_is_none_of_sqlites_is_refused_and_left_as_it_was(void **state)
{
    (void)state;
    char path[96], after[4096];
    static char text[4096];
    memset(text, 'x', sizeof(text));
    snprintf(path, sizeof(path), "%s/state", folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    overwrite(0, text, sizeof(text));
    assert_refused(WEFT_ERR_INVALID, "is damaged");
    assert_int_equal(content(after, sizeof(after)), sizeof(text));
    assert_memory_equal(after, text, sizeof(text));
}

static void a_damaged_one_is_refused(void **state)
{
    (void)state;
    char zeros[64] = {0};
    (void)open_well();
    overwrite(4096 + 100, zeros, sizeof(zeros)); /* within a page of a table: harmless, it is unused ... */
    overwrite(4096, "\xff\xff\xff\xff", 4);      /* ... and its first byte, which says what kind of page it is */
    assert_refused(WEFT_ERR_INVALID, "is damaged");
}

static void a_link_or_a_folder_is_no_file(void **state)
{
    (void)state;
    char path[96], other[96];
    snprintf(path, sizeof(path), "%s/state", folder.path);
    snprintf(other, sizeof(other), "%s/elsewhere", folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(symlink(other, folder.file), 0);
    assert_refused(WEFT_ERR_INVALID, "no plain file");
    assert_int_not_equal(access(other, F_OK), 0);
    assert_int_equal(unlink(folder.file), 0);
    assert_int_equal(mkfifo(folder.file, 0600), 0);
    assert_refused(WEFT_ERR_INVALID, "no plain file");
    assert_int_equal(unlink(folder.file), 0);
    assert_int_equal(mkdir(folder.file, 0700), 0);
    assert_refused(WEFT_ERR_INVALID, "no plain file");
    assert_int_equal(rmdir(folder.file), 0);
}

static void a_folder_that_is_nowhere_is_said(void **state)
{
    (void)state;
    struct store_folder there = folder;
    snprintf(folder.file, sizeof(folder.file), "%s/no/where/mesh.db", folder.path);
    assert_refused(WEFT_ERR_DENIED, "cannot be made");
    folder = there;
}

/* A user who is not root: modes do not stop that one. Nothing is asked of the file but as this user. */
static void become(uid_t user)
{
    if (getuid() == 0) {
        assert_int_equal(seteuid(user), 0);
    }
}

static void what_may_not_be_written_is_said_and_works_again_later(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof(path), "%s/state", folder.path);
    if (getuid() == 0) {
        assert_int_equal(chown(folder.path, NOBODY, (gid_t)-1), 0);
    }
    become(NOBODY);
    (void)open_well();
    assert_int_equal(chmod(path, 0500), 0); /* the file may be written, but nothing be put beside it */
    assert_refused(WEFT_ERR_DENIED, "may not be written");
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(chmod(folder.file, 0400), 0);
    assert_refused(WEFT_ERR_DENIED, "may not be written");
    assert_int_equal(chmod(folder.file, 0600), 0);
    assert_int_equal(open_well(), WEFT_STORE_VERSION);
    become(0);
}

static void a_file_of_another_user_is_not_trusted(void **state)
{
    (void)state;
    if (getuid() != 0) {
        skip(); /* only root can give a file away */
    }
    (void)open_well();
    assert_int_equal(chown(folder.file, NOBODY, (gid_t)-1), 0);
    assert_refused(WEFT_ERR_DENIED, "belongs to another user");
    assert_int_equal(chown(folder.file, 0, (gid_t)-1), 0);
    assert_int_equal(open_well(), WEFT_STORE_VERSION);
}

static void another_program_that_writes_is_said(void **state)
{
    (void)state;
    sqlite3 *other;
    (void)open_well();
    assert_int_equal(sqlite3_open(folder.file, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(WEFT_ERR_BUSY, "in use by another program");
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(open_well(), WEFT_STORE_VERSION);
}

/* It would be written into the deleted file, and be gone after the next start. */
static void what_is_written_where_nobody_finds_it_is_refused(void **state)
{
    (void)state;
    unsigned version;
    assert_int_equal(try_open(&version), 0);
    assert_int_equal(unlink(folder.file), 0);
    assert_int_equal(weft_database_begin(&database), 0);
    assert_int_equal(weft_database_end(&database, 0), WEFT_ERR_INVALID);
    assert_non_null(strstr(database.problem, "it was moved or deleted while the node ran"));
    assert_non_null(strstr(database.problem, "What was asked for was not done"));
}

static void a_transaction_that_failed_leaves_nothing(void **state)
{
    (void)state;
    unsigned version;
    sqlite3_stmt *rows;
    assert_int_equal(try_open(&version), 0);
    assert_int_equal(weft_database_begin(&database), 0);
    assert_int_equal(weft_database_do(&database, "UPDATE sequence SET sequence = 5", NULL, 0), 1);
    assert_int_equal(weft_database_end(&database, WEFT_ERR_FULL), WEFT_ERR_FULL);
    assert_int_equal(weft_database_ask(&database, "SELECT sequence FROM sequence", NULL, 0, &rows), 1);
    assert_int_equal(sqlite3_column_int(rows, 0), 0);
    assert_int_equal(weft_database_next(&database, rows), 0);
    assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    assert_int_equal(weft_database_do(&database, "UPDATE sequence SET sequence = -1, only_row = 2", NULL, 0),
                     WEFT_ERR_INVALID); /* breaks what the tables hold to be true */
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, close_and_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_new_one_is_made_for_its_owner_only),
        test(each_commit_is_on_the_disk_before_it_returns),
        test(a_file_that_others_may_read_is_closed_to_them),
        test(an_older_one_is_brought_up_with_what_it_holds),
        test(a_newer_one_is_refused_and_left_as_it_was),
        test(a_database_of_another_program_is_refused),
        test(a_file_that_is_none_of_sqlites_is_refused_and_left_as_it_was),
        test(a_damaged_one_is_refused),
        test(a_link_or_a_folder_is_no_file),
        test(a_folder_that_is_nowhere_is_said),
        test(what_may_not_be_written_is_said_and_works_again_later),
        test(a_file_of_another_user_is_not_trusted),
        test(another_program_that_writes_is_said),
        test(what_is_written_where_nobody_finds_it_is_refused),
        test(a_transaction_that_failed_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
