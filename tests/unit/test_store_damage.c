/* What a store does when its disk fails or lies. STORE_STEP=1 flips every byte and cuts at every length, which takes an hour;
 * without it a sample is tried. */
#include "storing.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>

#define BLOCKS 12

/* --- A disk that fails on command ------------------------------------------------------------------------------------------ */

enum operation { READS, WRITES, SYNCS, OPERATIONS };

static struct {
    sqlite3_vfs vfs, *real;
    int         fail[OPERATIONS];       /* SQLite's result; 0: works */
    unsigned    calls[OPERATIONS];
    unsigned    syncs_after_failure;    /* on a handle whose sync has failed */
} disk;

struct handle {
    sqlite3_file         base;
    struct sqlite3_file *real;
    bool                 failed;
};

static sqlite3_file *real_file(sqlite3_file *f) { return ((struct handle *)f)->real; }

static int close_handle(sqlite3_file *f)
{
    int result = real_file(f)->pMethods->xClose(real_file(f));
    free(real_file(f));
    return result;
}

static int outcome(enum operation which)
{
    disk.calls[which]++;
    return disk.fail[which];
}

static int read_handle(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
    int failure = outcome(READS);
    return failure ? failure : real_file(f)->pMethods->xRead(real_file(f), data, len, at);
}

static int write_handle(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    int failure = outcome(WRITES);
    return failure ? failure : real_file(f)->pMethods->xWrite(real_file(f), data, len, at);
}

static int sync_handle(sqlite3_file *f, int flags)
{
    struct handle *h = (struct handle *)f;
    int            failure = outcome(SYNCS);
    if (h->failed) disk.syncs_after_failure++;
    h->failed = h->failed || failure;
    return failure ? failure : h->real->pMethods->xSync(h->real, flags);
}

#define PASS(name, parameters, ...) \
    static int name##_handle parameters { return real_file(f)->pMethods->name(real_file(f) __VA_ARGS__); }
PASS(xTruncate, (sqlite3_file *f, sqlite3_int64 size), , size)
PASS(xFileSize, (sqlite3_file *f, sqlite3_int64 *size), , size)
PASS(xLock, (sqlite3_file *f, int lock), , lock)
PASS(xUnlock, (sqlite3_file *f, int lock), , lock)
PASS(xCheckReservedLock, (sqlite3_file *f, int *result), , result)
PASS(xFileControl, (sqlite3_file *f, int op, void *arg), , op, arg)
PASS(xSectorSize, (sqlite3_file *f))
PASS(xDeviceCharacteristics, (sqlite3_file *f))
PASS(xShmMap, (sqlite3_file *f, int page, int size, int extend, void volatile **out), , page, size, extend, out)
PASS(xShmLock, (sqlite3_file *f, int offset, int n, int flags), , offset, n, flags)
PASS(xShmUnmap, (sqlite3_file *f, int delete), , delete)

static void barrier_handle(sqlite3_file *f) { real_file(f)->pMethods->xShmBarrier(real_file(f)); }

static const sqlite3_io_methods methods = {
    2, close_handle, read_handle, write_handle, xTruncate_handle, sync_handle, xFileSize_handle, xLock_handle, xUnlock_handle,
    xCheckReservedLock_handle, xFileControl_handle, xSectorSize_handle, xDeviceCharacteristics_handle, xShmMap_handle, xShmLock_handle,
    barrier_handle, xShmUnmap_handle, NULL, NULL,
};

static int open_handle(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct handle *h = (struct handle *)f;
    (void)vfs;
    h->real = calloc(1, (size_t)disk.real->szOsFile);
    h->failed = false;
    int result = disk.real->xOpen(disk.real, name, h->real, flags, out);
    h->base.pMethods = result == SQLITE_OK ? &methods : NULL;
    if (result != SQLITE_OK) free(h->real);
    return result;
}

static int use_failing_disk(void **state)
{
    memset(&disk, 0, sizeof disk);
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "failing";
    disk.vfs.szOsFile = sizeof(struct handle);
    disk.vfs.xOpen = open_handle;
    return in_memory(state) || sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK;
}

static int leave_failing_disk(void **state)
{
    sqlite3_vfs_unregister(&disk.vfs);
    return leave_folder(state);
}

static void a_failed_sync_undoes_the_commit_and_is_not_tried_again_on_the_same_handle(void **state)
{
    struct error  err = {0};
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 6);
    disk.fail[SYNCS] = SQLITE_IOERR_FSYNC;
    assert_int_equal(commit_block(s, 6, 1, 1, &err), STORE_FAILED);
    assert_string_equal(err.text, "cannot write store 'store': disk I/O error");
    disk.fail[SYNCS] = 0;
    struct store_change nothing = {0};
    assert_int_equal(store_commit(s, &nothing, &err), STORE_OK);
    assert_int_equal(disk.syncs_after_failure, 0);
    assert_int_equal(load_block(s, 5), STORE_FOUND);
    assert_int_equal(load_block(s, 6), STORE_GONE);
    assert_int_equal(store_next_seq(s), 6);
    assert_int_equal(position_in(s), 5);
    assert_int_equal(store_figures(s).blocks, 5);
    commit_blocks(s, 6, 8);
    store_close(s);
    s = opened("store");
    for (uint64_t seq = 1; seq < 8; seq++) assert_int_equal(load_block(s, seq), STORE_FOUND);
    store_close(s);
}

static void a_failing_disk_loses_nothing_that_was_acknowledged(void **state)
{
    static const int failures[OPERATIONS] = {SQLITE_IOERR_READ, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};
    (void)state;
    for (int which = 0; which < OPERATIONS; which++) {
        struct error  err = {0};
        struct store *s = opened("store");
        uint64_t      there = 0;
        for (uint64_t seq = 1; seq < 60; seq++) {
            disk.fail[which] = seq % 7 == 0 || seq % 7 == 1 ? failures[which] : 0;
            if (commit_block(s, seq, 1, 1, &err) == STORE_OK) there |= (uint64_t)1 << seq;
            if (seq % 5 == 0) store_maintain(s);
        }
        disk.fail[which] = 0;
        assert_true(__builtin_popcountll(there) > 30);
        store_close(s);
        s = opened("store");
        for (uint64_t seq = 1; seq < 60; seq++) assert_int_equal(load_block(s, seq), there >> seq & 1 ? STORE_FOUND : STORE_GONE);
        assert_int_equal(store_figures(s).blocks, (uint64_t)__builtin_popcountll(there));
        assert_int_equal(disk.syncs_after_failure, 0);
        store_close(s);
        remove_folder("store");
    }
}

static void a_full_disk_is_told_and_passes(void **state)
{
    struct error  err = {0};
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 4);
    disk.fail[WRITES] = SQLITE_FULL;
    assert_int_equal(commit_block(s, 4, 1, 1, &err), STORE_FULL);
    assert_true(store_figures(s).full);
    assert_int_equal(load_block(s, 3), STORE_FOUND);
    disk.fail[WRITES] = 0;
    commit_blocks(s, 4, 6);
    assert_false(store_figures(s).full);
    store_close(s);
}

static void a_block_that_cannot_be_read_just_now_is_not_taken_for_lost(void **state)
{
    struct error  err = {0};
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 200);
    store_close(s);
    s = opened("store");
    disk.fail[READS] = SQLITE_IOERR_READ;
    for (int i = 0; i < 3; i++) assert_int_equal(load_block(s, 100), STORE_UNREADABLE);
    disk.fail[READS] = 0;
    assert_int_equal(load_block(s, 100), STORE_FOUND);
    assert_int_equal(store_next(s, 101), 101);
    (void)err;
    store_close(s);
}

/* --- Images of a store ----------------------------------------------------------------------------------------------------- */

struct image {
    uint8_t *data;
    size_t   len;
};

static struct image read_image(const char *path)
{
    struct stat  status;
    struct image image = {0};
    int          fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    image.len = (size_t)status.st_size;
    image.data = malloc(image.len + 1);
    assert_int_equal(read(fd, image.data, image.len), image.len);
    close(fd);
    return image;
}

/* Database and log as a kill would leave them, `logged` blocks of BLOCKS only in the log. */
static void make_images(uint64_t logged, struct image *database, struct image *log)
{
    struct store *s = opened("made");
    if (logged < BLOCKS) commit_blocks(s, 1, BLOCKS - logged + 1);
    store_close(s);
    s = opened("made");
    commit_blocks(s, BLOCKS - logged + 1, BLOCKS + 1);
    *database = read_image("made/store.db");
    *log = read_image("made/store.db-wal");
    store_close(s);
    remove_folder("made");
}

static void lay_out(const struct image *database, const struct image *log)
{
    remove_folder("store");
    assert_int_equal(mkdir("store", 0700), 0);
    write_file("store/store.db", database->data, database->len, 0600);
    if (log->len > 0) write_file("store/store.db-wal", log->data, log->len, 0600);
}

/* Opens what is there and reads all: the store goes on, and nothing wrong is handed out. How many blocks are found. */
static unsigned blocks_found(bool *has_position)
{
    struct error  err = {0};
    struct store *s = opened("store");
    unsigned      found = 0, offered = 0;
    for (uint64_t seq = 0; (seq = store_next(s, seq)) != UINT64_MAX; seq++) {
        assert_true(++offered < 100);
        found += load_block(s, seq) == STORE_FOUND;
    }
    *has_position = position_in(s) != 0;
    uint64_t new = store_next_seq(s);
    if (new <= BLOCKS) new = BLOCKS + 1;   /* a log that was lost takes its numbers along */
    assert_int_equal(commit_block(s, new, 1, 1, &err), STORE_OK);
    assert_int_equal(load_block(s, new), STORE_FOUND);
    assert_int_equal(position_in(s), new);
    assert_int_equal(commit_block(s, new + 1, new + 1, new + 1, &err), STORE_OK);   /* deletes all others, damaged or not */
    assert_int_equal(load_block(s, new + 1), STORE_FOUND);
    assert_int_equal(store_next(s, 0), new + 1);
    store_close(s);
    s = opened("store");
    assert_int_equal(load_block(s, new + 1), STORE_FOUND);
    store_close(s);
    return found;
}

static size_t step_of(size_t sampled)
{
    const char *text = getenv("STORE_STEP");
    size_t      step = text != NULL ? strtoul(text, NULL, 10) : 0;
    return step > 0 ? step : sampled;
}

struct tally {
    unsigned tried, whole, lost_one, lost_more, no_position;
};

static void count(struct tally *t, unsigned found, bool has_position)
{
    t->tried++;
    if (found == BLOCKS) t->whole++;
    else if (found + 1 == BLOCKS) t->lost_one++;
    else t->lost_more++;
    t->no_position += !has_position;
}

static void count_opening(struct tally *t)
{
    bool     has_position;
    unsigned found = blocks_found(&has_position);
    count(t, found, has_position);
}

static void tell(const char *what, const struct tally *t)
{
    print_message("%s: %u tried, %u without loss, %u lost one block, %u lost more, %u lost the position\n", what, t->tried, t->whole,
                  t->lost_one, t->lost_more, t->no_position);
}

static void flip_each(struct image *damaged, const struct image *database, const struct image *log, size_t step, struct tally *t)
{
    bool has_position = false;
    for (size_t at = 0; at < damaged->len; at += step) {
        uint8_t change = at % 3 == 0 ? 0xff : (uint8_t)(1u << at % 8);
        damaged->data[at] ^= change;
        lay_out(database, log);
        unsigned found = blocks_found(&has_position);
        count(t, found, has_position);
        damaged->data[at] ^= change;
    }
}

static void a_flipped_byte_of_the_database_costs_little(void **state)
{
    struct image database, log, none = {0};
    struct tally t = {0};
    (void)state;
    make_images(0, &database, &log);
    flip_each(&database, &database, &none, step_of(211), &t);
    tell("database", &t);
    assert_true(t.lost_more * 20 <= t.tried);
    free(database.data);
    free(log.data);
}

static void a_flipped_byte_of_the_log_costs_little(void **state)
{
    struct image database, log;
    struct tally t = {0};
    (void)state;
    make_images(BLOCKS - 2, &database, &log);
    flip_each(&log, &database, &log, step_of(307), &t);
    tell("log", &t);
    assert_true(t.lost_more * 20 <= t.tried);
    t = (struct tally){0};
    flip_each(&database, &database, &log, step_of(331), &t);
    tell("database below a log", &t);
    free(database.data);
    free(log.data);
}

static void any_length_of_the_files_opens(void **state)
{
    struct image database, log, none = {0};
    struct tally t = {0};
    (void)state;
    make_images(BLOCKS / 2, &database, &log);
    for (size_t len = 0; len < log.len; len += step_of(1201)) {
        struct image cut = {log.data, len};
        lay_out(&database, &cut);
        count_opening(&t);
    }
    tell("cut log", &t);
    assert_int_equal(t.no_position, 0);
    t = (struct tally){0};
    for (size_t len = 0; len < database.len; len += step_of(1201)) {
        struct image cut = {database.data, len};
        lay_out(&cut, &log);
        count_opening(&t);
        lay_out(&cut, &none);
        count_opening(&t);
    }
    tell("cut database", &t);
    free(database.data);
    free(log.data);
}

static void a_torn_end_of_the_log_takes_nothing_else_along(void **state)
{
    struct image database, log;
    bool         has_position = false;
    (void)state;
    make_images(BLOCKS, &database, &log);
    memset(log.data + log.len - 100, 0, 100);   /* the last commit was never finished */
    lay_out(&database, &log);
    assert_int_equal(blocks_found(&has_position), BLOCKS - 1);
    free(database.data);
    free(log.data);
}

/* --- Single rows ----------------------------------------------------------------------------------------------------------- */

static void run_sql(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open("store/store.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_damaged_position_is_dropped_and_its_stream_starts_over(void **state)
{
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 4);
    store_close(s);
    run_sql("UPDATE position SET value = x'37'");
    s = opened("store");
    assert_int_equal(position_in(s), 0);
    store_close(s);
}

static void a_sink_whose_cursor_is_damaged_gets_the_whole_spool(void **state)
{
    static const char *const damage[] = {"UPDATE cursor SET next = 4", "UPDATE cursor SET sink = x'41'"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct error  err = {0};
        struct store *s = opened("store");
        uint64_t      next;
        commit_blocks(s, 1, 6);
        assert_int_equal(commit_block(s, 6, 2, 2, &err), STORE_OK);
        store_close(s);
        run_sql(damage[i]);
        s = opened("store");
        assert_true(store_cursor(s, "siem", &next));
        assert_int_equal(next, 2);
        store_close(s);
        remove_folder("store");
    }
}

static void a_damaged_next_number_is_made_up_for(void **state)
{
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 6);
    store_close(s);
    run_sql("UPDATE meta SET next = 2");
    s = opened("store");
    assert_int_equal(store_next_seq(s), 6);
    assert_int_equal(load_block(s, 5), STORE_FOUND);
    store_close(s);
}

static void a_block_beyond_the_next_number_is_not_offered(void **state)
{
    struct store *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 6);
    store_close(s);
    run_sql("UPDATE head SET seq = 1125899906842627 WHERE seq = 3; UPDATE body SET seq = 1125899906842627 WHERE seq = 3");
    s = opened("store");
    assert_true(store_next(s, 6) == UINT64_MAX);
    assert_int_equal(store_next_seq(s), 6);
    store_close(s);
}

static void a_store_of_a_newer_format_is_left_alone(void **state)
{
    struct store_report report;
    struct error        err = {0};
    (void)state;
    store_close(opened("store"));
    /* sum over 'm', 8, 2, 8, 1: numbers of 8 bytes, little endian */
    run_sql("UPDATE meta SET format = 2, sum = x'255b856511d5608a8bfe4c47aaa2424d'");
    assert_null(try_open("store", PLENTY, NULL, &report, &err));
    assert_string_equal(err.text, "store 'store' was written by a newer version of this program; use that one, or an empty folder");
}

/* --- Setting aside --------------------------------------------------------------------------------------------------------- */

static void garbage_is_set_aside_and_a_new_store_begun(void **state)
{
    struct store_report report = {0};
    struct error        err = {0};
    static char         garbage[50000];
    char                aside[300];
    (void)state;
    assert_int_equal(mkdir("store", 0700), 0);
    memset(garbage, 'g', sizeof garbage);
    write_file("store/store.db", garbage, sizeof garbage, 0600);
    struct store *s = try_open("store", PLENTY, NULL, &report, &err);
    assert_non_null(s);
    assert_true(report.set_aside);
    snprintf(aside, sizeof aside, "store/%s", report.aside);
    assert_int_equal(access(aside, F_OK), 0);
    commit_blocks(s, 1, 3);
    store_close(s);
}

static void a_rescue_that_was_interrupted_is_finished(void **state)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 4);
    store_close(s);
    assert_int_equal(rename("store/store.db", "store/store.db.rescued"), 0);
    write_file("store/store.db", "damaged", 7, 0600);
    write_file("store/store.db-wal", "damaged", 7, 0600);
    write_file("store/store.db.new", "half", 4, 0600);
    s = try_open("store", PLENTY, NULL, &report, &err);
    assert_non_null(s);
    assert_int_equal(report.blocks, 3);
    for (uint64_t seq = 1; seq < 4; seq++) assert_int_equal(load_block(s, seq), STORE_FOUND);
    assert_int_equal(access("store/store.db.new", F_OK), -1);
    assert_int_equal(access("store/store.db.rescued", F_OK), -1);
    store_close(s);
}

static void sealed_blocks_are_saved_from_a_damaged_database(void **state)
{
    struct store_report report = {0};
    struct error        err = {0};
    (void)state;
    write_file("key", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 64, 0600);
    struct store *s = try_open("store", PLENTY, "key", &report, &err);
    commit_blocks(s, 1, 9);
    store_close(s);
    struct image database = read_image("store/store.db");
    memset(database.data, 0, 4096);
    write_file("store/store.db", database.data, database.len, 0600);
    s = try_open("store", PLENTY, "key", &report, &err);
    assert_non_null(s);
    assert_true(report.set_aside);
    assert_int_equal(report.blocks, 8);
    assert_int_equal(report.damaged_blocks, 0);
    for (uint64_t seq = 1; seq < 9; seq++) assert_int_equal(load_block(s, seq), STORE_FOUND);
    assert_int_equal(position_in(s), 8);
    store_close(s);
    free(database.data);
}

/* --- A disk without space --------------------------------------------------------------------------------------------------- */

static void fill_disk(const char *path, size_t leave)
{
    static char zeros[4096];
    int         fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t       size = 0;
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros) size += (off_t)sizeof zeros;
    assert_int_equal(ftruncate(fd, size > (off_t)leave ? size - (off_t)leave : 0), 0);
    close(fd);
}

static void a_full_file_system_holds_up_commits_until_there_is_space(void **state)
{
    struct error err = {0};
    uint64_t     seq = 1, old = 0;
    (void)state;
    assert_int_equal(mkdir("disk", 0700), 0);
    if (mount("none", "disk", "tmpfs", 0, "size=8m,mode=0700") != 0) {
        print_message("cannot mount a file system: %s\n", strerror(errno));
        skip();
    }
    struct store *s = opened("disk/store");
    while (commit_block(s, seq, 1, 1, &err) == STORE_OK && seq < 100000) {
        if (++seq == 100) fill_disk("disk/ballast", 300 * 1024);
    }
    bool full = store_figures(s).full, mentions = strstr(err.text, "disk/store") != NULL;
    old = seq - 1;
    err = (struct error){0};
    enum store_result freeing = store_commit(s, &(struct store_change){.keep_from = old}, &err);   /* a full disk lets go of what is not needed */
    enum store_load   last = load_block(s, old);
    unlink("disk/ballast");
    err = (struct error){0};
    enum store_result after = commit_block(s, seq, 1, old, &err);
    enum store_load   new = load_block(s, seq);
    store_maintain(s);
    store_close(s);
    s = opened("disk/store");
    bool whole = load_block(s, old) == STORE_FOUND && load_block(s, seq) == STORE_FOUND && position_in(s) == seq;
    store_close(s);
    umount2("disk", MNT_DETACH);
    assert_true(full && mentions && old > 90);
    assert_int_equal(freeing, STORE_OK);
    assert_int_equal(last, STORE_FOUND);
    assert_int_equal(after, STORE_OK);
    assert_int_equal(new, STORE_FOUND);
    assert_true(whole);
}

static void a_file_system_that_becomes_read_only_is_told_and_passes(void **state)
{
    struct error err = {0};
    (void)state;
    assert_int_equal(mkdir("disk", 0700), 0);
    if (mount("none", "disk", "tmpfs", 0, "size=16m,mode=0700") != 0) {
        print_message("cannot mount a file system: %s\n", strerror(errno));
        skip();
    }
    struct store *s = opened("disk/store");
    commit_blocks(s, 1, 5);
    store_close(s);
    bool ro = mount("none", "disk", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0;
    struct store_report report;
    struct store       *refused = try_open("disk/store", PLENTY, NULL, &report, &err);
    bool                back = mount("none", "disk", NULL, MS_REMOUNT, NULL) == 0;
    s = opened("disk/store");
    enum store_load last = load_block(s, 4);
    store_close(s);
    umount2("disk", MNT_DETACH);
    assert_true(ro && back);
    assert_null(refused);
    assert_string_equal(err.text, "cannot open 'lock' in store 'disk/store': read-only file system");
    assert_int_equal(last, STORE_FOUND);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_memory, leave_folder)
#define FAILING(test) cmocka_unit_test_setup_teardown(test, use_failing_disk, leave_failing_disk)
    const struct CMUnitTest tests[] = {
        FAILING(a_failed_sync_undoes_the_commit_and_is_not_tried_again_on_the_same_handle),
        FAILING(a_failing_disk_loses_nothing_that_was_acknowledged),
        FAILING(a_full_disk_is_told_and_passes),
        FAILING(a_block_that_cannot_be_read_just_now_is_not_taken_for_lost),
        IN_FOLDER(a_flipped_byte_of_the_database_costs_little),
        IN_FOLDER(a_flipped_byte_of_the_log_costs_little),
        IN_FOLDER(any_length_of_the_files_opens),
        IN_FOLDER(a_torn_end_of_the_log_takes_nothing_else_along),
        IN_FOLDER(a_damaged_position_is_dropped_and_its_stream_starts_over),
        IN_FOLDER(a_sink_whose_cursor_is_damaged_gets_the_whole_spool),
        IN_FOLDER(a_damaged_next_number_is_made_up_for),
        IN_FOLDER(a_block_beyond_the_next_number_is_not_offered),
        IN_FOLDER(a_store_of_a_newer_format_is_left_alone),
        IN_FOLDER(garbage_is_set_aside_and_a_new_store_begun),
        IN_FOLDER(a_rescue_that_was_interrupted_is_finished),
        IN_FOLDER(sealed_blocks_are_saved_from_a_damaged_database),
        IN_FOLDER(a_full_file_system_holds_up_commits_until_there_is_space),
        IN_FOLDER(a_file_system_that_becomes_read_only_is_told_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
