/* What a store does when its files are not what was written. STORE_STEP=1 flips every byte and cuts at every length, which
 * takes an hour; without it a sample is tried. */
#include "storing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>

#define BLOCKS 12

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
    print_message("%s: %u tried, %u without loss, %u lost one block, %u lost more, %u lost the position\n", what, t->tried,
                  t->whole,
                  t->lost_one, t->lost_more, t->no_position);
}

static void flip_each(struct image *damaged, const struct image *database, const struct image *log, size_t step, struct tally *t)
{
    bool has_position;
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

/* A disk that lost a sector or a page takes the heads of frames along, not only their content. */
static void a_page_of_the_log_that_became_zeros_costs_little(void **state)
{
    struct image database, log;
    struct tally t = {0};
    bool         has_position;
    char         kept[4096];
    (void)state;
    make_images(BLOCKS - 2, &database, &log);
    for (size_t at = 0; at + sizeof kept <= log.len; at += sizeof kept) {
        memcpy(kept, log.data + at, sizeof kept);
        memset(log.data + at, 0, sizeof kept);
        lay_out(&database, &log);
        unsigned found = blocks_found(&has_position);
        count(&t, found, has_position);
        memcpy(log.data + at, kept, sizeof kept);
    }
    tell("log with a page of zeros", &t);
    assert_true(t.lost_more * 10 <= t.tried);
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
    bool         has_position;
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
    assert_string_equal(err.text,
                        "store 'store' was written by a newer version of this program; use that one, or an empty folder");
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

/* In a process of its own: closing the file here would drop the locks of the store that has it open. */
static void overwrite_pages(off_t from, off_t to)
{
    int   status;
    pid_t child = fork();
    if (child == 0) {
        static char page[4096];
        int         fd = open("store/store.db", O_WRONLY);
        bool        good = fd >= 0;
        memset(page, 0x5a, sizeof page);
        for (off_t at = from; good && at < to; at++)
            good = pwrite(fd, page, sizeof page, at * (off_t)sizeof page) == (ssize_t)sizeof page;
        _exit(!good);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_database_that_is_damaged_while_it_is_open_is_rescued_by_the_commit_that_meets_it(void **state)
{
    struct error err = {0};
    unsigned     found = 0;
    (void)state;
    struct store *s = opened("store");
    commit_blocks(s, 1, 1201);
    store_close(s);
    s = opened("store");
    assert_int_equal(load_block(s, 1200), STORE_FOUND);
    overwrite_pages(20, 60);
    assert_int_equal(commit_block(s, 1201, 2, 600, &err), STORE_OK);
    assert_int_equal(commit_block(s, 1202, 2, 1190, &err), STORE_OK);
    for (uint64_t seq = 1190; seq < 1203; seq++) found += load_block(s, seq) == STORE_FOUND;
    assert_int_equal(found, 13);
    assert_int_equal(position_in(s), 1202);
    assert_int_equal(store_figures(s).blocks, 13);
    store_close(s);
    s = opened("store");
    assert_int_equal(load_block(s, 1202), STORE_FOUND);
    assert_int_equal(store_next(s, 0), 1190);
    store_close(s);
    DIR     *folder = opendir("store");
    unsigned asides = 0;
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        const char *end = strrchr(e->d_name, 'Z');
        asides += strstr(e->d_name, ".damaged-") != NULL && end != NULL && end[1] == '\0';
    }
    closedir(folder);
    assert_int_equal(asides, 1);
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

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_new_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_flipped_byte_of_the_database_costs_little),
        IN_FOLDER(a_flipped_byte_of_the_log_costs_little),
        IN_FOLDER(a_page_of_the_log_that_became_zeros_costs_little),
        IN_FOLDER(any_length_of_the_files_opens),
        IN_FOLDER(a_torn_end_of_the_log_takes_nothing_else_along),
        IN_FOLDER(a_damaged_position_is_dropped_and_its_stream_starts_over),
        IN_FOLDER(a_sink_whose_cursor_is_damaged_gets_the_whole_spool),
        IN_FOLDER(a_damaged_next_number_is_made_up_for),
        IN_FOLDER(a_block_beyond_the_next_number_is_not_offered),
        IN_FOLDER(a_store_of_a_newer_format_is_left_alone),
        IN_FOLDER(garbage_is_set_aside_and_a_new_store_begun),
        IN_FOLDER(a_database_that_is_damaged_while_it_is_open_is_rescued_by_the_commit_that_meets_it),
        IN_FOLDER(a_rescue_that_was_interrupted_is_finished),
        IN_FOLDER(sealed_blocks_are_saved_from_a_damaged_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
