#include "storing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define KILLS 50

/* --- What is kept --------------------------------------------------------------------------------------------------------- */

static void a_new_store_is_empty(void **state)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = try_open("store", PLENTY, NULL, &report, &err);
    uint64_t            next;
    (void)state;
    assert_non_null(s);
    assert_int_equal(report.blocks, 0);
    assert_false(report.set_aside);
    assert_int_equal(store_next_seq(s), 1);
    assert_true(store_next(s, 0) == UINT64_MAX);
    assert_int_equal(load_block(s, 1), STORE_GONE);
    assert_false(store_cursor(s, "siem", &next));
    assert_int_equal(position_in(s), 0);
    assert_int_equal(store_bytes_from(s, 0), 0);
    store_close(s);
}

static void what_was_committed_is_there_after_a_start(void **state)
{
    struct store_report report = {0};
    struct error        err = {0};
    struct store       *s = opened("store");
    uint64_t            next = 0;
    (void)state;
    commit_blocks(s, 1, 30);
    assert_int_equal(commit_block(s, 30, 7, 1, &err), STORE_OK);
    struct store_figures before = store_figures(s);
    store_close(s);
    s = try_open("store", PLENTY, NULL, &report, &err);
    assert_non_null(s);
    assert_int_equal(report.blocks, 30);
    assert_int_equal(report.bytes, before.bytes);
    assert_int_equal(store_next_seq(s), 31);
    for (uint64_t seq = 1; seq <= 30; seq++) assert_int_equal(load_block(s, seq), STORE_FOUND);
    assert_int_equal(load_block(s, 31), STORE_GONE);
    assert_int_equal(position_in(s), 30);
    assert_true(store_cursor(s, "siem", &next));
    assert_int_equal(next, 7);
    store_close(s);
}

static void a_block_of_any_kind_comes_back_as_it_was(void **state)
{
    static char  noise[100000], zeros[3000000];
    struct store *s = opened("store");
    struct error  err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(rand() >> 7);
    const struct slice pieces[] = {{"", 0}, {"x", 1}, {noise, sizeof noise}, {zeros, sizeof zeros}};
    for (size_t i = 0; i < 4; i++) {
        struct store_block block = {i + 1, 1, {{0}, pieces[i], {0}, {0}}};
        assert_int_equal(store_commit(s, &(struct store_change){.blocks = &block, .block_count = 1}, &err), STORE_OK);
        char  *data;
        size_t len;
        assert_int_equal(store_load(s, i + 1, &data, &len, &err), STORE_FOUND);
        assert_int_equal(len, pieces[i].len);
        assert_memory_equal(data, pieces[i].data, len);
        free(data);
    }
    assert_true(store_figures(s).bytes < sizeof noise + 10000);
    store_close(s);
}

static void blocks_before_keep_from_are_gone(void **state)
{
    struct store *s = opened("store");
    struct error  err = {0};
    (void)state;
    commit_blocks(s, 1, 11);
    uint64_t after = store_bytes_from(s, 6);
    assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 6}, &err), STORE_OK);
    assert_int_equal(store_next(s, 0), 6);
    assert_int_equal(load_block(s, 5), STORE_GONE);
    assert_int_equal(load_block(s, 6), STORE_FOUND);
    assert_int_equal(store_figures(s).blocks, 5);
    assert_int_equal(store_figures(s).bytes, after);
    store_close(s);
    s = opened("store");
    assert_int_equal(store_next(s, 0), 6);
    assert_int_equal(store_figures(s).blocks, 5);
    assert_int_equal(store_next_seq(s), 11);
    store_close(s);
}

static void an_emptied_store_remembers_the_next_number(void **state)
{
    struct store *s = opened("store");
    struct error  err = {0};
    (void)state;
    commit_blocks(s, 1, 6);
    assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 6, .next_seq = 9}, &err), STORE_OK);
    store_close(s);
    s = opened("store");
    assert_true(store_next(s, 0) == UINT64_MAX);
    assert_int_equal(store_next_seq(s), 9);
    store_close(s);
}

static void many_blocks_go_over_several_commits_but_are_gone_for_readers_at_once(void **state)
{
    enum { COUNT = 5000, AT_ONCE = 1000 };
    static struct store_block blocks[AT_ONCE];
    struct store             *s = opened("store");
    struct error              err = {0};
    (void)state;
    for (uint64_t done = 0; done < COUNT; done += AT_ONCE) {
        for (uint64_t i = 0; i < AT_ONCE; i++) blocks[i] = (struct store_block){done + i + 1, 1, {SLICE("{}\n")}};
        assert_int_equal(store_commit(s, &(struct store_change){.blocks = blocks, .block_count = AT_ONCE}, &err), STORE_OK);
    }
    uint64_t each = store_figures(s).bytes / COUNT;
    for (uint64_t seq = 1; seq <= COUNT; seq += 499) assert_int_equal(store_bytes_from(s, seq), (COUNT - seq + 1) * each);
    assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 4990}, &err), STORE_OK);
    assert_int_equal(store_next(s, 0), 4990);
    assert_int_equal(store_figures(s).blocks, 11);
    assert_int_equal(store_figures(s).bytes, 11 * each);
    store_maintain(s);
    assert_int_equal(store_next(s, 0), 4990);
    store_close(s);
    s = opened("store");
    assert_int_equal(store_next(s, 0), 4990);
    assert_int_equal(store_figures(s).blocks, 11);
    store_close(s);
}

static void numbers_may_have_gaps_and_come_in_any_order(void **state)
{
    static const uint64_t seqs[] = {500, 3, 90, 4000, 91};
    struct store         *s = opened("store");
    struct error          err = {0};
    (void)state;
    for (size_t i = 0; i < 5; i++) assert_int_equal(commit_block(s, seqs[i], 1, 1, &err), STORE_OK);
    assert_int_equal(store_next(s, 0), 3);
    assert_int_equal(store_next(s, 4), 90);
    assert_int_equal(store_next(s, 92), 500);
    assert_int_equal(store_next(s, 501), 4000);
    assert_true(store_next(s, 4001) == UINT64_MAX);
    assert_int_equal(store_next_seq(s), 4001);
    assert_int_equal(store_bytes_from(s, 0), store_figures(s).bytes);
    uint64_t last = store_bytes_from(s, 4000);
    assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 501}, &err), STORE_OK);
    assert_int_equal(store_figures(s).blocks, 1);
    assert_int_equal(store_figures(s).bytes, last);
    store_close(s);
}

/* --- Positions and cursors ------------------------------------------------------------------------------------------------ */

struct seen {
    size_t count;
    char   keys[8][8], values[8][8];
};

static void see(void *context, const struct position *p)
{
    struct seen *seen = context;
    memcpy(seen->keys[seen->count], p->key, p->key_len);
    memcpy(seen->values[seen->count++], p->value, p->value_len);
}

static struct position position_of(const char *key, const char *value)
{
    struct position p = {.key_len = (uint16_t)strlen(key), .value_len = (uint16_t)strlen(value)};
    memcpy(p.key, key, p.key_len);
    memcpy(p.value, value, p.value_len);
    return p;
}

static void positions_are_kept_by_source_and_key(void **state)
{
    struct store         *s = opened("store");
    struct error          err = {0};
    const struct position p[] = {position_of("b", "1"), position_of("a", "2"), position_of("b", "3"), position_of("c", "4"),
                                 position_of("c", ""), position_of("a", "9")};
    const struct store_position changes[] = {{"x", &p[0]}, {"x", &p[1]}, {"x", &p[2]}, {"x", &p[3]}, {"x", &p[4]}, {"y", &p[5]}};
    struct seen                 seen = {0};
    (void)state;
    assert_int_equal(store_commit(s, &(struct store_change){.positions = changes, .position_count = 6}, &err), STORE_OK);
    store_close(s);
    s = opened("store");
    store_each_position(s, "x", see, &seen);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.keys[0], "a");
    assert_string_equal(seen.values[0], "2");
    assert_string_equal(seen.keys[1], "b");
    assert_string_equal(seen.values[1], "3");
    store_close(s);
}

static void see_cursor(void *context, const char *sink, uint64_t next)
{
    struct seen *seen = context;
    snprintf(seen->keys[seen->count], 8, "%s", sink);
    snprintf(seen->values[seen->count++], 8, "%llu", (unsigned long long)next);
}

static void cursors_are_kept_until_their_sink_is_dropped(void **state)
{
    struct store             *s = opened("store");
    struct error              err = {0};
    const struct store_cursor cursors[] = {{"siem", 5}, {"file", 3}, {"siem", 6}};
    const char *const         dropped[] = {"file"};
    struct seen               seen = {0};
    uint64_t                  next;
    (void)state;
    assert_int_equal(store_commit(s, &(struct store_change){.cursors = cursors, .cursor_count = 3}, &err), STORE_OK);
    store_each_cursor(s, see_cursor, &seen);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.keys[0], "file");
    assert_string_equal(seen.values[1], "6");
    assert_int_equal(store_commit(s, &(struct store_change){.dropped_sinks = dropped, .dropped_count = 1}, &err), STORE_OK);
    assert_false(store_cursor(s, "file", &next));
    assert_true(store_cursor(s, "siem", &next));
    assert_int_equal(next, 6);
    store_close(s);
}

/* --- Limits --------------------------------------------------------------------------------------------------------------- */

static void the_quota_refuses_a_block_and_all_that_comes_with_it(void **state)
{
    struct store_report report;
    struct error        err = {0};
    struct store       *s = try_open("store", 20000, NULL, &report, &err);
    uint64_t            seq = 1;
    (void)state;
    while (commit_block(s, seq, 1, 1, &err) == STORE_OK) seq++;
    assert_true(seq > 2 && seq < 60);
    assert_non_null(strstr(err.text, "is full: "));
    assert_true(store_figures(s).full);
    assert_int_equal(store_figures(s).full_commits, 1);
    assert_int_equal(store_figures(s).failed_commits, 0);   /* nothing is broken */
    assert_false(store_figures(s).disk_full || store_figures(s).failing);
    assert_true(store_figures(s).bytes <= 20000);
    assert_int_equal(position_in(s), seq - 1);
    assert_int_equal(store_next_seq(s), seq);
    assert_int_equal(load_block(s, seq), STORE_GONE);
    err = (struct error){0};
    assert_int_equal(commit_block(s, seq, seq, seq, &err), STORE_OK);   /* what it deletes makes room for it */
    assert_false(store_figures(s).full);
    assert_int_equal(store_next(s, 0), seq);
    store_close(s);
}

static void a_block_that_no_room_is_enough_for_is_told_with_what_to_do(void **state)
{
    struct store_report report;
    struct error        err = {0};
    struct store       *s = try_open("store", 100, NULL, &report, &err);
    (void)state;
    assert_int_equal(commit_block(s, 1, 1, 1, &err), STORE_FULL);
    assert_non_null(strstr(err.text, "max_bytes is 100: raise it"));
    store_close(s);
}

static void a_second_process_is_refused(void **state)
{
    struct store *s = opened("store");
    char          expected[128];
    int           status;
    (void)state;
    snprintf(expected, sizeof expected, "store 'store' is in use by another process, %ld; each needs a store of its own",
             (long)getpid());
    pid_t child = fork();
    if (child == 0) {
        struct store_report report;
        struct error        err = {0};
        _exit(try_open("store", PLENTY, NULL, &report, &err) != NULL || strcmp(err.text, expected) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(s);
    store_close(opened("store"));
}

static void refused(const char *path, const char *text)
{
    struct store_report report;
    struct error        err = {0};
    assert_null(try_open(path, PLENTY, NULL, &report, &err));
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, ERROR_USAGE);
}

static void a_folder_that_others_control_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir("real", 0700), 0);
    assert_int_equal(symlink("real", "link"), 0);
    refused("link", "store 'link' is a symbolic link; name the folder itself");
    refused("link/", "store 'link' is a symbolic link; name the folder itself");
    write_file("file", "", 0, 0600);
    refused("file", "store 'file' is not a folder");
    assert_int_equal(mkdir("open", 0700), 0);
    assert_int_equal(chmod("open", 0770), 0);
    refused("open", "store 'open' has mode 0770; only its owner may write to it: chmod 700");
    if (geteuid() != 0) return;
    assert_int_equal(mkdir("theirs", 0700), 0);
    assert_int_equal(chown("theirs", 12345, 12345), 0);
    refused("theirs", "store 'theirs' belongs to user 12345, not to the user of this process, 0");
}

static void nobody_else_can_read_the_files(void **state)
{
    static const char *const names[] = {"store/store.db", "store/store.db-wal", "store/store.db-shm", "store/lock",
                                        "store/reserve"};
    struct stat              status;
    mode_t                   before = umask(0);
    struct store            *s = opened("store");
    (void)state;
    commit_blocks(s, 1, 3);
    assert_int_equal(stat("store", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(stat(names[i], &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    store_close(s);
    umask(before);
}

static void a_link_in_place_of_the_database_is_not_followed(void **state)
{
    struct store_report report;
    struct error        err = {0};
    (void)state;
    assert_int_equal(mkdir("store", 0700), 0);
    write_file("elsewhere", "", 0, 0600);
    assert_int_equal(symlink("../elsewhere", "store/store.db"), 0);
    assert_null(try_open("store", PLENTY, NULL, &report, &err));
    struct stat status;
    assert_int_equal(stat("elsewhere", &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void pages_go_back_to_the_file_system(void **state)
{
    struct store *s = opened("store");
    struct error  err = {0};
    struct stat   before, after;
    static char   noise[1000000];
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(rand() >> 7);
    for (uint64_t seq = 1; seq <= 60; seq++) {
        struct store_block block = {seq, 1, {{noise, sizeof noise}}};
        assert_int_equal(store_commit(s, &(struct store_change){.blocks = &block, .block_count = 1, .keep_from = 1}, &err),
                         STORE_OK);
        assert_int_equal(stat("store/store.db-wal", &before), 0);
        assert_true(before.st_size < 20 * 1000 * 1000);
    }
    store_maintain(s);
    assert_int_equal(stat("store/store.db", &before), 0);
    assert_true(before.st_size > 50 * 1000 * 1000);
    assert_int_equal(store_commit(s, &(struct store_change){.keep_from = 61}, &err), STORE_OK);
    for (int i = 0; i < 10; i++) store_maintain(s);
    assert_int_equal(stat("store/store.db", &after), 0);
    assert_true(after.st_size < 20 * 1000 * 1000);
    store_close(s);
}

/* --- Kills ---------------------------------------------------------------------------------------------------------------- */

static void commit_until_killed(int acknowledge)
{
    struct error  err = {0};
    struct store *s = opened("store");
    for (uint64_t seq = store_next_seq(s);; seq++) {
        uint64_t keep_from = seq > 40 ? seq - 40 : 1;
        if (commit_block(s, seq, keep_from, keep_from, &err) != STORE_OK) _exit(1);
        if (write(acknowledge, &seq, sizeof seq) != (ssize_t)sizeof seq) _exit(2);
        if (seq % 37 == 0) store_maintain(s);
    }
}

/* Kills a process that commits after `acks` acknowledgements and a little; the last number that was acknowledged. */
static uint64_t last_acknowledged(int acks)
{
    int      ends[2], status;
    uint64_t seq = 0, last = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        commit_until_killed(ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < acks && read(ends[0], &seq, sizeof seq) == (ssize_t)sizeof seq; i++) last = seq;
    for (volatile int spin = rand() % 300000; spin > 0; spin--) continue;
    kill(child, SIGKILL);
    while (read(ends[0], &seq, sizeof seq) == (ssize_t)sizeof seq) last = seq;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void commits_survive_kills(void **state)
{
    (void)state;
    for (int round = 0; round < KILLS; round++) {
        uint64_t      last = last_acknowledged(1 + rand() % 30), next = 0;
        struct store *s = opened("store");
        uint64_t      there = position_in(s), keep_from = there > 40 ? there - 40 : 1;
        assert_true(there == last || there == last + 1);   /* written, but killed before it was said */
        assert_int_equal(store_next_seq(s), there + 1);
        assert_true(store_cursor(s, "siem", &next));
        assert_int_equal(next, keep_from);
        assert_int_equal(store_next(s, 0), keep_from);
        for (uint64_t seq = keep_from; seq <= there; seq++) assert_int_equal(load_block(s, seq), STORE_FOUND);
        assert_int_equal(store_figures(s).blocks, there - keep_from + 1);
        store_close(s);
    }
}

/* --- Threads -------------------------------------------------------------------------------------------------------------- */

struct race {
    struct store *store;
    atomic_bool   over;
    atomic_ulong  loads;
};

static void *load_all_the_time(void *context)
{
    struct race *race = context;
    uint64_t     seq = 0;
    while (!atomic_load(&race->over)) {
        seq = store_next(race->store, seq + 1);
        if (seq == UINT64_MAX) seq = 0;
        else if (load_block(race->store, seq) == STORE_FOUND) atomic_fetch_add(&race->loads, 1);
        store_bytes_from(race->store, seq);
        store_figures(race->store);
        position_in(race->store);
    }
    return NULL;
}

static void blocks_are_read_while_others_are_written(void **state)
{
    struct race   race = {.store = opened("store")};
    struct error  err = {0};
    pthread_t     threads[3];
    uint64_t      seq = 1;
    (void)state;
    for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, load_all_the_time, &race), 0);
    for (; seq < 400 || atomic_load(&race.loads) < 100; seq++) {
        assert_int_equal(commit_block(race.store, seq, 1, seq > 50 ? seq - 50 : 1, &err), STORE_OK);
        if (seq % 50 == 0) store_maintain(race.store);
    }
    atomic_store(&race.over, true);
    for (size_t i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    assert_int_equal(store_figures(race.store).damaged_blocks, 0);
    store_close(race.store);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_new_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_new_store_is_empty),
        IN_FOLDER(what_was_committed_is_there_after_a_start),
        IN_FOLDER(a_block_of_any_kind_comes_back_as_it_was),
        IN_FOLDER(blocks_before_keep_from_are_gone),
        IN_FOLDER(an_emptied_store_remembers_the_next_number),
        IN_FOLDER(many_blocks_go_over_several_commits_but_are_gone_for_readers_at_once),
        IN_FOLDER(numbers_may_have_gaps_and_come_in_any_order),
        IN_FOLDER(positions_are_kept_by_source_and_key),
        IN_FOLDER(cursors_are_kept_until_their_sink_is_dropped),
        IN_FOLDER(the_quota_refuses_a_block_and_all_that_comes_with_it),
        IN_FOLDER(a_block_that_no_room_is_enough_for_is_told_with_what_to_do),
        IN_FOLDER(a_second_process_is_refused),
        IN_FOLDER(a_folder_that_others_control_is_refused),
        IN_FOLDER(nobody_else_can_read_the_files),
        IN_FOLDER(a_link_in_place_of_the_database_is_not_followed),
        IN_FOLDER(pages_go_back_to_the_file_system),
        IN_FOLDER(commits_survive_kills),
        IN_FOLDER(blocks_are_read_while_others_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
