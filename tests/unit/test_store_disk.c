/* What a store does when its disk fails, is full or may not be written. */
#include "storing.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>

/* --- A disk that fails on command ------------------------------------------------------------------------------------------ */

enum operation { READS, WRITES, SYNCS, OPERATIONS };

static struct {
    sqlite3_vfs vfs, *real;
    int         fail[OPERATIONS];       /* SQLite's result; 0: works */
    unsigned    calls[OPERATIONS];
    const char *bad_sector;             /* what holds these bytes cannot be read; NULL: all can */
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
    int result = failure ? failure : real_file(f)->pMethods->xRead(real_file(f), data, len, at);
    bool bad = result == SQLITE_OK && disk.bad_sector != NULL &&
               memmem(data, (size_t)len, disk.bad_sector, strlen(disk.bad_sector)) != NULL;
    return bad ? SQLITE_IOERR_READ : result;
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
    xCheckReservedLock_handle, xFileControl_handle, xSectorSize_handle, xDeviceCharacteristics_handle, xShmMap_handle,
        xShmLock_handle,
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
    return in_new_folder(state) || sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK;
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
    assert_true(store_figures(s).failing && !store_figures(s).full);
    assert_int_equal(store_figures(s).failed_commits, 1);
    assert_int_equal(store_figures(s).full_commits, 0);
    disk.fail[SYNCS] = 0;
    struct store_change nothing = {0};
    assert_int_equal(store_commit(s, &nothing, &err), STORE_OK);
    assert_false(store_figures(s).failing);
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
    assert_true(store_figures(s).full && store_figures(s).disk_full && !store_figures(s).failing);
    assert_int_equal(store_figures(s).full_commits, 1);
    assert_int_equal(store_figures(s).failed_commits, 0);
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

static uint64_t now_ms;

static uint64_t told_time(void) { return now_ms; }

static void a_block_that_the_disk_refuses_for_good_is_stepped_over_and_a_disk_that_is_away_costs_nothing(void **state)
{
    struct error err = {0};
    static char  noise[20000];
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(rand() >> 7);
    memcpy(noise + sizeof noise - 200, "unlucky", 7);
    memcpy(noise + sizeof noise - 300, "unlucky", 7);   /* one of them is not cut by the end of a page */
    struct store      *s = opened("store");
    struct store_block block = {2, 1, {{noise, sizeof noise}}};
    commit_blocks(s, 1, 2);
    assert_int_equal(store_commit(s, &(struct store_change){.blocks = &block, .block_count = 1}, &err), STORE_OK);
    commit_blocks(s, 3, 5);
    store_close(s);
    s = opened("store");
    now_ms = 1000;
    clock_set(told_time, NULL);
    disk.fail[READS] = SQLITE_IOERR_READ;
    for (int i = 0; i < 100; i++, now_ms += 10000) assert_int_equal(load_block(s, 2), STORE_UNREADABLE);
    disk.fail[READS] = 0;
    disk.bad_sector = "unlucky";
    char  *data;
    size_t len;
    int    tries = 0;
    for (; store_load(s, 2, &data, &len, &err) == STORE_UNREADABLE && tries < 20; tries++) now_ms += 20000;
    assert_in_range(tries, 2, 10);
    assert_int_equal(store_load(s, 2, &data, &len, &err), STORE_DAMAGED);
    assert_int_equal(store_figures(s).damaged_blocks, 1);
    assert_int_equal(store_next(s, 3), 3);
    assert_int_equal(load_block(s, 3), STORE_FOUND);
    disk.bad_sector = NULL;
    assert_int_equal(store_load(s, 2, &data, &len, &err), STORE_FOUND);
    free(data);
    clock_set(NULL, NULL);
    store_close(s);
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
    /* a full disk lets go of what is not needed */
    enum store_result freeing = store_commit(s, &(struct store_change){.keep_from = old}, &err);
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
    bool ro = mount("none", "disk", "", MS_REMOUNT | MS_RDONLY, NULL) == 0;
    struct store_report report;
    struct store       *refused = try_open("disk/store", PLENTY, NULL, &report, &err);
    bool                back = mount("none", "disk", "", MS_REMOUNT, NULL) == 0;
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
        FAILING(a_block_that_the_disk_refuses_for_good_is_stepped_over_and_a_disk_that_is_away_costs_nothing),
        FAILING(a_block_that_cannot_be_read_just_now_is_not_taken_for_lost),
        IN_FOLDER(a_full_file_system_holds_up_commits_until_there_is_space),
        IN_FOLDER(a_file_system_that_becomes_read_only_is_told_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
