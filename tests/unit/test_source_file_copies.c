/* The file source: what becomes of a file that is cut, and of its copies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "following.h"

/* A world whose log has had so many lines read. */
static void begin_read(const char *pattern, unsigned lines)
{
    begin(&world, pattern, "");
    start(&world);
    put_lines("a.log", 1, lines);
    pass(&world, 2000);
}

static void a_file_that_was_cut_is_read_from_its_beginning(void **state)
{
    (void)state;
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "1 before the cut.\n2 before the cut.\n");
    pass(&world, 1000);
    uint8_t stream[16];
    memcpy(stream, world.seen[1].stream, sizeof stream);
    puts_to(&world, "a.log", "not read.\n");
    assert_int_equal(truncate(path_of(&world, "a.log"), 0), 0);
    puts_to(&world, "a.log", "3 after it.\n");
    pass(&world, 1000);
    expect_once(1, 3);
    assert_int_equal(world.seen[3].offset, 0);
    assert_memory_not_equal(world.seen[3].stream, stream, sizeof stream);
    finish(&world);
}

/* As logrotate's copytruncate. */
static void copy_and_cut(const char *name, const char *copied)
{
    copy(&world, name, copied);
    assert_int_equal(truncate(path_of(&world, name), 0), 0);
}

/* Caught up, lagging, or stopped while the file is copied and cut; whether the pattern has the copy or not. */
static void the_unread_rest_of_a_file_that_was_cut_is_read_from_its_copy(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a.log*"}, *const copies[] = {"a.log.1", "a.log-20261126", "a-20261126.log"};
    for (int i = 0; i < 2 * 3 * 3; i++) {
        const char *copied = copies[i / 2 % 3];
        int         lag = i / 6;
        begin_read(patterns[i % 2], 100);
        if (lag == 2) stop(&world);
        if (lag > 0) put_lines("a.log", 101, 200);
        copy_and_cut("a.log", copied);
        put_lines("a.log", 301, 310);
        if (lag == 2) start(&world);
        pass(&world, 10000);
        stop(&world);
        start(&world);
        pass(&world, 10000);
        expect_once(1, lag > 0 ? 200 : 100);
        expect_once(301, 310);
        assert_int_equal(lost_bytes(), 0);
        finish(&world);
    }
}

static void a_copy_that_is_there_before_the_cut_is_nothing_new(void **state)
{
    (void)state;
    begin_read("a.log*", 100);
    put_lines("a.log", 101, 150);
    copy(&world, "a.log", "a.log.1");
    pass(&world, 5000);   /* copying takes so long */
    put_lines("a.log", 151, 160);   /* not in the copy */
    pass(&world, 100);
    assert_int_equal(truncate(path_of(&world, "a.log"), 0), 0);
    put_lines("a.log", 201, 210);
    pass(&world, 10000);
    for (unsigned i = 1; i <= 160; i++)   /* what was read twice is the same event */
        if (world.seen[i].times == 0 || world.seen[i].moved || (world.seen[i].times > 1 && i <= 100)) fail_msg("line %u: %u", i, world.seen[i].times);
    expect_once(201, 210);
    finish(&world);
}

static void a_copy_of_a_file_that_is_renamed_then_is_nothing_new(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 4; i++) {
        begin_read(patterns[i % 2], 100);
        if (i / 2 != 0) stop(&world);
        copy(&world, "a.log", "a.log.bak");
        if (i / 2 != 0) start(&world);
        pass(&world, 5000);
        put_lines("a.log", 101, 110);
        pass(&world, 1000);
        move(&world, "a.log", "a.log.1");
        put_lines("a.log", 111, 120);
        pass(&world, 20000);
        stop(&world);
        start(&world);
        pass(&world, 20000);
        put_lines("a.log.bak", 121, 125);
        pass(&world, 5000);
        expect_once(1, 125);
        finish(&world);
    }
}

static void a_packed_copy_has_the_rest_too(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a.log*"};
    for (int i = 0; i < 2; i++) {
        begin_read(patterns[i], 100);
        stop(&world);
        put_lines("a.log", 101, 200);
        copy_and_cut("a.log", "a.log.1");
        pack(&world, "a.log.1");
        put_lines("a.log", 301, 310);
        start(&world);
        pass(&world, 10000);
        expect_once(1, 200);
        expect_once(301, 310);
        finish(&world);
    }
}

static void read_a_little(unsigned lines)
{
    put_lines("a.log", 1, lines);
    pass(&world, 1000);
    put_lines("a.log", lines + 1, 20000);
    now_ms += 250;
    assert_int_equal(fill_once(&world), SOURCE_FILLED);   /* much less than there is */
    assert_int_equal(world.seen[20000].times, 0);
}

static void what_is_cut_while_the_reader_lags_is_read_from_the_copy(void **state)
{
    (void)state;
    begin(&world, "a.log*", "");
    start(&world);
    read_a_little(10);
    copy_and_cut("a.log", "a.log.1");
    put_lines("a.log", 20001, 20010);
    pass(&world, 20000);
    expect_once(1, 20010);
    assert_int_equal(lost_bytes(), 0);
    finish(&world);
}

/* Times of files are that coarse. */
static void let_time_pass(void)
{
    for (uint64_t from = clock_realtime_ms(); clock_realtime_ms() < from + 30;) continue;
}

/* One content after another, as they were written. */
static void expect_in_order(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (world.seen[i].turn >= world.seen[i + 1].turn) fail_msg("line %u was seen after line %u", i, i + 1);
}

/* As logrotate does it: the older copy moves on, and may be packed. */
static void copy_and_cut_again(bool packed)
{
    if (packed) pack(&world, "a.log.1");
    move(&world, packed ? "a.log.1.gz" : "a.log.1", packed ? "a.log.2.gz" : "a.log.2");
    copy_and_cut("a.log", "a.log.1");
    if (packed) pack(&world, "a.log.1");
}

/* While nobody looked, or while lethe was down, which ends once more as soon as it has seen that; copies packed or not; whether the pattern
 * has them or not. */
static void all_contents_of_a_file_that_was_cut_twice_are_read_in_their_order(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 2 * 2 * 7; i++) {
        bool packed = i / 2 % 2 != 0;
        int  ending = i / 4 < 3 ? i / 4 : 2, again = i / 4 - 2;
        begin_read(patterns[i % 2], 100);
        if (ending == 1) stop(&world);
        if (ending == 2) settle(&world, MOST_WAITING);
        put_lines("a.log", 101, 120);
        if (ending == 2) pass(&world, 1000);
        if (ending == 2) crash(&world);
        put_lines("a.log", 121, 150);
        copy_and_cut("a.log", "a.log.1");
        put_lines("a.log", 151, 250);
        copy_and_cut_again(packed);
        put_lines("a.log", 251, 500);   /* more than was read before the first cut */
        if (ending > 0) start(&world);
        if (again > 0) {
            for (int n = 0; n < 4; n++) (void)fill_once(&world);
            settle(&world, (size_t)again);
            crash(&world);
            start(&world);
        }
        pass(&world, 20000);
        if (ending == 0) assert_int_equal(lost_bytes(), 0);
        stop(&world);
        start(&world);
        pass(&world, 20000);
        for (unsigned n = 1; n <= 500; n++) {
            bool twice = ending == 2 && n > 100 && n <= 120;
            if (world.seen[n].times < 1u + twice || (again <= 0 && world.seen[n].times > 1u + twice) || world.seen[n].moved) fail_msg("%d: line %u: %u", i, n, world.seen[n].times);
        }
        if (again <= 0) expect_in_order(1, 500);
        finish(&world);
    }
}

/* The first cut is noticed, and what was written after it is cut away unread. */
static void what_is_cut_before_its_turn_came_is_read_from_its_copy(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 4; i++) {
        bool packed = i / 2 != 0;
        begin(&world, patterns[i % 2], "");
        start(&world);
        read_a_little(10);
        copy_and_cut("a.log", "a.log.1");
        put_lines("a.log", 20001, 20010);
        now_ms += 250;
        assert_int_equal(fill_once(&world), SOURCE_FILLED);
        now_ms += 250;
        assert_int_equal(fill_once(&world), SOURCE_FILLED);   /* of the copy */
        assert_int_equal(world.seen[20001].times, 0);
        copy_and_cut_again(packed);
        put_lines("a.log", 20011, 20020);
        pass(&world, 20000);
        expect_once(1, 20020);
        expect_in_order(1, 20019);
        assert_int_equal(lost_bytes(), 0);
        finish(&world);
    }
}

/* Copies wait for each other: what is copied now for what was, what was packed for the plain file that it may have been. */
static void what_is_copied_and_packed_while_earlier_copies_wait_is_read_after_them(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 2; i++) {
        begin_read(patterns[i], 100);
        stop(&world);
        put_lines("a.log", 101, 150);
        copy_and_cut("a.log", "a.log.1");
        put_lines("a.log", 151, 250);
        copy_and_cut_again(true);
        put_lines("a.log", 251, 300);
        start(&world);
        now_ms += 250;
        assert_int_equal(fill_once(&world), SOURCE_FILLED);
        move(&world, "a.log.2.gz", "a.log.3.gz");
        move(&world, "a.log.1.gz", "a.log.2.gz");
        copy_and_cut("a.log", "a.log.1");
        put_lines("a.log", 301, 310);
        now_ms += 250;
        assert_int_equal(fill_once(&world), SOURCE_FILLED);
        pack(&world, "a.log.1");
        pass(&world, 30000);
        expect_once(1, 310);
        expect_in_order(1, 309);
        finish(&world);
    }
}

static void a_copy_that_never_comes_to_rest_does_not_keep_the_log_from_being_read(void **state)
{
    (void)state;
    begin_read("*.log", 100);
    stop(&world);
    copy_and_cut("a.log", "a.log.1");
    pack(&world, "a.log.1");
    put_lines("a.log", 101, 110);
    start(&world);
    for (int i = 0; i < 4 * 90; i++) {
        puts_to(&world, "a.log.1.gz", "x");
        if (i == 4 * 50) assert_int_equal(world.seen[101].times, 0);
        pass(&world, 250);
    }
    expect_once(1, 110);
    finish(&world);
}

/* Its writer was slow, and the file was renamed long ago: the half is handed out, once with a rest that is half again. Then a crash, after
 * which all of it is read again. */
static void records_after_a_first_one_that_was_torn_keep_their_events(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 3; restarts++) {
        begin(&world, "*.log", ", rotate_wait: 2s");
        start(&world);
        puts_to(&world, "a.log", "1 li");
        pass(&world, 1000);
        settle(&world, world.waiting_count);
        move(&world, "a.log", "a.log.1");
        pass(&world, 10000);
        assert_int_equal(world.documents, 1);   /* the half */
        puts_to(&world, "a.log.1", "ne of");
        if (restarts == 2) pass(&world, 10000);
        if (restarts > 0) {
            struct store kept = world.store;
            stop(&world);
            start(&world);
            pass(&world, 250);
            puts_to(&world, "a.log.1", " test.\r\n2 line of test.\n3 line of test.\n");
            pass(&world, 1000);
            world.store = kept;                 /* as if nothing of it was settled */
        } else {
            puts_to(&world, "a.log.1", " test.\r\n2 line of test.\n3 line of test.\n");
            pass(&world, 1000);
        }
        assert_int_equal(world.seen[3].times, 1);
        crash(&world);
        start(&world);
        pass(&world, 1000);
        assert_int_equal(world.seen[3].times, 2);
        assert_false(world.seen[2].moved || world.seen[3].moved);
        finish(&world);
    }
}

/* What was handed out before a crash and is met again copied or packed is the same event, if the position was kept since the file was met
 * with something in it. */
static void a_content_keeps_its_events_when_it_is_copied_or_packed(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 2 * 2 * 2 * 2; i++) {
        bool cuts = i / 2 % 2 != 0, packs = i / 4 % 2 != 0, read_before = i / 8 != 0;
        begin(&world, patterns[i % 2], "");
        start(&world);
        puts_to(&world, "a.log", read_before ? "1 of these lines.\n" : "1 of");
        pass(&world, 1000);
        settle(&world, MOST_WAITING);
        if (!read_before) puts_to(&world, "a.log", " these lines.\n");
        put_lines("a.log", 2, 100);
        pass(&world, 1000);
        crash(&world);
        expect_once(1, 100);
        if (cuts) copy_and_cut("a.log", "a.log.1");
        else move(&world, "a.log", "a.log.1");
        if (packs) pack(&world, "a.log.1");
        put_lines("a.log", 101, 300);
        start(&world);
        pass(&world, 20000);
        for (unsigned n = 1; n <= 100; n++)
            if (world.seen[n].times == 0 || world.seen[n].moved) fail_msg("%d: line %u: %u", i, n, world.seen[n].times);
        expect_once(101, 300);
        finish(&world);
    }
}

static void files_packed_while_nobody_looks_of_which_nothing_was_read_are_all_found(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*.log", "a*"};
    for (int i = 0; i < 2; i++) {
        char name[32];
        begin_read(patterns[i], 10);
        move(&world, "a.log", "a.log.read");
        pass(&world, 30000);
        let_time_pass();
        pass(&world, 60000);   /* read to its end, packed, and forgotten */
        pack(&world, "a.log.read");
        put_lines("a.log", 11, 15);
        pass(&world, 90000);
        stop(&world);
        for (unsigned n = 0; n < 4; n++) {
            put_lines("a.log", 100 * n + 100, 100 * n + 199);
            snprintf(name, sizeof name, "a.log.%u", n);
            move(&world, "a.log", name);
            pack(&world, name);
        }
        put_lines("a.log", 500, 510);
        start(&world);
        pass(&world, 20000);
        stop(&world);
        start(&world);
        pass(&world, 20000);
        if (i == 0) expect_once(1, 15);
        expect_once(100, 510);
        finish(&world);
    }
}

/* Met under the name that it has after a rotation, not read, moved on and packed. */
static void a_file_that_moved_on_before_it_was_packed_is_found(void **state)
{
    (void)state;
    char name[32];
    begin_read("*.log", 10);
    stop(&world);
    move(&world, "a.log", "a.log.2");
    put_lines("a.log.1", 11, 20);
    put_lines("a.log", 21, 30);
    start(&world);
    pass(&world, 250);   /* a.log.1 is met, and held */
    assert_int_equal(world.seen[11].times, 0);
    let_time_pass();
    puts_to(&world, "b.log", "31 of another.\n");
    pass(&world, 250);
    stop(&world);
    for (unsigned n = 4; n > 2; n--) {
        snprintf(name, sizeof name, "a.log.%u", n);
        move(&world, n == 4 ? "a.log.2" : "a.log.1", name);
        pack(&world, name);
    }
    start(&world);
    pass(&world, 20000);
    expect_once(1, 31);
    finish(&world);
}

static void what_is_cut_without_a_copy_is_counted(void **state)
{
    (void)state;
    begin(&world, "a.log*", "");
    start(&world);
    read_a_little(10);
    puts_to(&world, "a.log.1", "of another content, as long as anything could be, and longer than that, too.\n");
    struct stat status;
    assert_int_equal(stat(path_of(&world, "a.log"), &status), 0);
    assert_int_equal(truncate(path_of(&world, "a.log"), 0), 0);
    put_lines("a.log", 20001, 20010);
    pass(&world, 20000);
    expect_once(20001, 20010);
    unsigned seen = 1;
    while (world.seen[seen].times == 1) seen++;
    assert_in_range(lost_bytes(), (uint64_t)status.st_size - world.seen[seen - 1].offset - 4096, (uint64_t)status.st_size - world.seen[seen - 1].offset);
    assert_int_equal(world.strangers, 1);
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_was_cut_is_read_from_its_beginning),
        cmocka_unit_test(the_unread_rest_of_a_file_that_was_cut_is_read_from_its_copy),
        cmocka_unit_test(a_copy_that_is_there_before_the_cut_is_nothing_new),
        cmocka_unit_test(a_copy_of_a_file_that_is_renamed_then_is_nothing_new),
        cmocka_unit_test(a_packed_copy_has_the_rest_too),
        cmocka_unit_test(what_is_cut_while_the_reader_lags_is_read_from_the_copy),
        cmocka_unit_test(all_contents_of_a_file_that_was_cut_twice_are_read_in_their_order),
        cmocka_unit_test(what_is_cut_before_its_turn_came_is_read_from_its_copy),
        cmocka_unit_test(what_is_copied_and_packed_while_earlier_copies_wait_is_read_after_them),
        cmocka_unit_test(a_copy_that_never_comes_to_rest_does_not_keep_the_log_from_being_read),
        cmocka_unit_test(records_after_a_first_one_that_was_torn_keep_their_events),
        cmocka_unit_test(a_content_keeps_its_events_when_it_is_copied_or_packed),
        cmocka_unit_test(files_packed_while_nobody_looks_of_which_nothing_was_read_are_all_found),
        cmocka_unit_test(a_file_that_moved_on_before_it_was_packed_is_found),
        cmocka_unit_test(what_is_cut_without_a_copy_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
