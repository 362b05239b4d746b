/* The file source: what it does with files of each kind. Copies are in test_source_file_copies.c, its behaviour as a whole in
 * test_source_file_model.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "following.h"

#include <sys/resource.h>

static void a_torn_line_waits_for_its_rest_wherever_it_is_torn(void **state)
{
    (void)state;
    static const char *const lines[] = {"1 torn.\n", "1 torn.\r\n", "1 \xC3\xA5 \xE2\x82\xAC \xF0\x9F\x92\xA5.\r\n"};
    static const char *const texts[] = {"1 torn.", "1 torn.", "1 \xC3\xA5 \xE2\x82\xAC \xF0\x9F\x92\xA5."};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        for (size_t cut = 1; cut < strlen(lines[i]); cut++) {
            begin(&world, "*.log", "");
            start(&world);
            put(&world, "a.log", lines[i], cut);
            pass(&world, 60000);
            assert_int_equal(world.documents, 0);
            if (cut % 2 == 0) {
                crash(&world);
                start(&world);
                pass(&world, 1000);
            }
            put(&world, "a.log", lines[i] + cut, strlen(lines[i]) - cut);
            pass(&world, 1000);
            assert_int_equal(world.documents, 1);
            assert_string_equal(world.last, texts[i]);
            finish(&world);
        }
}

static void a_document_over_several_lines_and_writes_is_one(void **state)
{
    (void)state;
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "{\"a\":\n  1,\n");
    pass(&world, 5000);
    assert_int_equal(world.documents, 0);
    crash(&world);
    start(&world);
    pass(&world, 1000);
    puts_to(&world, "a.log", "  \"b\": 2\n}\n1 text.\n");
    pass(&world, 1000);
    assert_int_equal(world.documents, 2);
    expect_once(1, 1);
    finish(&world);
}

static void a_short_head_grows_without_being_taken_for_another_file(void **state)
{
    (void)state;
    char line[64];
    begin(&world, "*.log", "");
    for (unsigned i = 1; i <= 200; i++) {   /* a restart after each line, through the length of a sample */
        start(&world);
        snprintf(line, sizeof line, "%u short.\n", i);
        puts_to(&world, "a.log", line);
        pass(&world, 500);
        stop(&world);
    }
    expect_once(1, 200);
    finish(&world);
}

static void the_last_torn_line_of_a_removed_file_is_handed_out_after_the_wait(void **state)
{
    (void)state;
    begin(&world, "*.log", ", rotate_wait: 5s");
    start(&world);
    puts_to(&world, "a.log", "1 whole.\n2 without its line feed.");
    pass(&world, 1000);
    unlink(path_of(&world, "a.log"));
    pass(&world, 4000);
    assert_int_equal(world.documents, 1);
    pass(&world, 3000);
    assert_int_equal(world.documents, 2);
    expect_once(1, 2);
    pass(&world, 120000);
    settle(&world, MOST_WAITING);
    assert_int_equal(world.store.count, 1);   /* the time of the last look */
    finish(&world);
}

static void a_file_under_the_name_and_inode_of_a_removed_one_is_a_new_one(void **state)
{
    (void)state;
    begin(&world, "*.log", "");
    char line[64];
    start(&world);
    for (unsigned i = 1; i <= 100; i++) {   /* with the source stopped or not; the file system gives the inode out again at once */
        snprintf(line, sizeof line, "%u of a new file.\n", i);
        puts_to(&world, "a.log", line);
        pass(&world, 500);
        if (i % 2 == 0) stop(&world);
        unlink(path_of(&world, "a.log"));
        if (i % 2 == 0) start(&world);
    }
    expect_once(1, 100);
    finish(&world);
}

static void another_file_with_such_a_name_is_read_from_its_beginning(void **state)
{
    (void)state;
    begin(&world, "a*", "");
    start(&world);
    put_lines("a.log", 1, 100);
    pass(&world, 2000);
    put_lines("a.log.old", 101, 105);   /* shorter, other content */
    put_lines("a-1.log", 1, 3);         /* begins alike, goes on differently */
    put_lines("a-1.log", 106, 110);
    pass(&world, 5000);
    expect_once(4, 110);
    finish(&world);
}

static void a_file_that_was_rewritten_at_the_same_length_is_read_from_its_beginning(void **state)
{
    (void)state;
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "1 first.\n2 first.\n");
    pass(&world, 1000);
    stop(&world);
    assert_int_equal(truncate(path_of(&world, "a.log"), 0), 0);
    puts_to(&world, "a.log", "3 other.\n4 other.\n5 other.\n");
    start(&world);
    pass(&world, 1000);
    expect_once(1, 5);
    finish(&world);
}

static void zeros_before_a_writer_that_does_not_append_are_passed_over(void **state)
{
    (void)state;
    begin(&world, "*.log", "");
    start(&world);
    int fd = open(path_of(&world, "a.log"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "1 first.\n", 9), 9);
    pass(&world, 1000);
    assert_int_equal(ftruncate(fd, 0), 0);
    pass(&world, 1000);
    assert_int_equal(pwrite(fd, "2 behind a hole.\n", 17, 100 << 20), 17);
    pass(&world, 1000);
    close(fd);
    expect_once(1, 2);
    assert_int_equal(world.refused, 0);
    finish(&world);
}

static void a_file_under_several_names_is_read_once(void **state)
{
    (void)state;
    begin(&world, "*", "");
    start(&world);
    puts_to(&world, "a.log", "1 once.\n");
    assert_int_equal(link(path_of(&world, "a.log"), path_of(&world, "b.log")), 0);
    assert_int_equal(symlink(path_of(&world, "a.log"), path_of(&world, "c.log")), 0);
    pass(&world, 5000);
    unlink(path_of(&world, "a.log"));
    puts_to(&world, "b.log", "2 once.\n");
    pass(&world, 5000);
    expect_once(1, 2);
    finish(&world);
}

static void what_is_no_file_is_left_alone(void **state)
{
    (void)state;
    begin(&world, "*", "");
    start(&world);
    assert_int_equal(mkfifo(path_of(&world, "fifo"), 0600), 0);
    assert_int_equal(mkdir(path_of(&world, "folder"), 0700), 0);
    assert_int_equal(symlink("/dev/zero", path_of(&world, "zero")), 0);
    assert_int_equal(symlink("loop", path_of(&world, "loop")), 0);
    puts_to(&world, "a.log", "1 file.\n");
    pass(&world, 5000);
    expect_once(1, 1);
    unlink(path_of(&world, "a.log"));
    assert_int_equal(mkfifo(path_of(&world, "a.log"), 0600), 0);
    pass(&world, 5000);
    assert_int_equal(world.documents, 1);
    finish(&world);
}

static void reading_may_begin_at_the_end_and_goes_on_there(void **state)
{
    (void)state;
    begin(&world, "*.log", ", start: end");
    puts_to(&world, "a.log", "1 old.\n2 old.\n3 torn");
    start(&world);
    pass(&world, 1000);
    assert_int_equal(world.documents, 0);
    stop(&world);
    puts_to(&world, "a.log", " but ended.\n4 new.\n");
    puts_to(&world, "b.log", "5 of a new file.\n");
    start(&world);
    pass(&world, 1000);
    assert_int_equal(world.documents, 3);
    expect_once(3, 5);
    finish(&world);
}

static void packed_files_are_read_once_and_a_packed_one_is_the_plain_one(void **state)
{
    (void)state;
    begin(&world, "*", "");
    start(&world);
    puts_to(&world, "old.log", "1 packed before.\n");
    pack(&world, "old.log");
    puts_to(&world, "a.log", "2 first.\n");
    pass(&world, 5000);
    expect_once(1, 2);
    puts_to(&world, "a.log", "3 second.\n");
    move(&world, "a.log", "a.log.1");
    pass(&world, 500);
    pack(&world, "a.log.1");
    pass(&world, 30000);
    expect_once(1, 3);
    stop(&world);
    move(&world, "a.log.1.gz", "a.log.2.gz");
    start(&world);
    pass(&world, 30000);
    expect_once(1, 3);
    finish(&world);
}

/* A packed file that is still being written looks cut off, wherever that is. */
static void a_packed_file_that_grows_is_read_whole_wherever_it_was_cut(void **state)
{
    (void)state;
    static char packed[4096];
    begin(&world, "*", "");
    put_lines("a.log", 1, 30);
    pack(&world, "a.log");
    size_t len = slurp(&world, "a.log.gz", packed, sizeof packed);
    finish(&world);
    for (size_t cut = 1; cut < len; cut++) {
        begin(&world, "*", "");
        start(&world);
        put(&world, "b.gz", packed, cut);
        pass(&world, 3000);
        put(&world, "b.gz", packed + cut, len - cut);
        pass(&world, 3000);
        for (unsigned i = 1; i <= 30; i++)   /* what was torn at the cut is withheld, and read once more when it is whole */
            if (world.seen[i].times != 1 || world.seen[i].moved) fail_msg("cut at %zu of %zu: line %u was seen %u times", cut, len, i, world.seen[i].times);
        finish(&world);
    }
}

static void events_that_were_lost_lose_no_line(void **state)
{
    (void)state;
    char line[64];
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "1 x.\n");
    puts_to(&world, "b.log", "2 x.\n");
    pass(&world, 20000);   /* both are idle by now */
    for (unsigned i = 3; i < 20003; i++) {   /* more than the queue of inotify holds, each time another name */
        snprintf(line, sizeof line, "%u x.\n", i);
        puts_to(&world, i % 2 == 0 ? "a.log" : "b.log", line);
    }
    move(&world, "a.log", "a.log.1");
    puts_to(&world, "a.log", "20003 x.\n");
    puts_to(&world, "c.log", "20004 x.\n");
    pass(&world, 5000);
    expect_once(1, 20004);
    finish(&world);
}

static void lines_longer_than_a_record_are_withheld_without_being_held(void **state)
{
    (void)state;
    static char line[200000];
    begin(&world, "*.log", "");
    start(&world);
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 20; i++) put(&world, "a.log", line, sizeof line);
    puts_to(&world, "a.log", "\n1 after it.\n");
    pass(&world, 20000);
    assert_int_equal(world.refused, 1);
    expect_once(1, 1);
    finish(&world);
}

static void a_record_of_several_lines_is_held_until_nothing_came_for_long(void **state)
{
    (void)state;
    begin(&world, "*.log", ", multiline: traces, multiline_wait: 2s");
    start(&world);
    puts_to(&world, "a.log", "1 first\n");
    for (int i = 0; i < 5; i++) {   /* it grows for 7.5 s */
        pass(&world, 1500);
        puts_to(&world, "a.log", "  more\n");
    }
    pass(&world, 1000);
    assert_int_equal(world.documents, 0);
    puts_to(&world, "a.log", "  last.\n2 torn");
    pass(&world, 3000);
    assert_int_equal(world.documents, 1);
    assert_string_equal(world.last, "1 first\n  more\n  more\n  more\n  more\n  more\n  last.");
    uint64_t batches = world.batches;
    pass(&world, 60000);   /* what is torn is not ended, and costs nothing */
    assert_true(world.batches <= batches + 1);
    puts_to(&world, "a.log", " line.\n3 next.\n4 held.\n");
    pass(&world, 1000);
    assert_int_equal(world.documents, 3);
    pass(&world, 2000);
    expect_once(1, 4);
    finish(&world);
}

static void a_record_of_several_lines_is_whole_over_a_crash_and_a_rotation(void **state)
{
    (void)state;
    begin(&world, "*.log", ", multiline: stamped, multiline_wait: 2s, rotate_wait: 2s");
    start(&world);
    puts_to(&world, "a.log", "[INFO] 0\n[INFO]\n1 begun\n");
    pass(&world, 1000);
    settle(&world, MOST_WAITING);
    crash(&world);
    start(&world);
    puts_to(&world, "a.log", "more\n");
    pass(&world, 1000);
    move(&world, "a.log", "a.log.1");
    puts_to(&world, "a.log", "2 of the new file.\n");
    puts_to(&world, "a.log.1", "and ended.\n");
    pass(&world, 10000);
    assert_int_equal(world.strangers, 2);
    assert_int_equal(world.documents, 3);
    expect_once(2, 2);
    stop(&world);
    assert_int_equal(world.documents, 3);
    finish(&world);
}

static void unfinished_records_of_many_files_are_held_in_bounded_room_and_end_all_the_same(void **state)
{
    (void)state;
    static char line[MAX_RECORD - 4096];
    char        name[32];
    begin(&world, "*.log", ", multiline: traces, multiline_wait: 2s");
    start(&world);
    memset(line, 'x', sizeof line);
    for (unsigned i = 1; i <= 700; i++) {   /* more than 16 MiB in all */
        snprintf(name, sizeof name, "%u.log", i);
        int len = snprintf(line, sizeof line, "%u", i);
        line[len] = ' ';
        line[sizeof line - 2] = '.';
        line[sizeof line - 1] = '\n';
        put(&world, name, line, sizeof line);
    }
    pass(&world, 20000);
    assert_int_equal(world.documents, 700);
    expect_once(1, 700);
    finish(&world);
}

static void many_files_take_turns_with_few_descriptors(void **state)
{
    (void)state;
    char          name[32], text[64];
    struct rlimit before, few;
    begin(&world, "*.log", "");
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){64, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    start(&world);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            snprintf(name, sizeof name, "%u.log", i);
            snprintf(text, sizeof text, "%u of many.\n", 1 + round * 2000 + i);
            puts_to(&world, name, text);
        }
        pass(&world, 20000);
        settle(&world, MOST_WAITING);
    }
    expect_once(1, 6000);
    for (unsigned i = 0; i < 2000; i++) {   /* all are renamed at once, with more in them */
        char old[40];
        snprintf(name, sizeof name, "%u.log", i);
        snprintf(old, sizeof old, "%u.old", i);
        snprintf(text, sizeof text, "%u of many.\n", 6001 + i);
        puts_to(&world, name, text);
        move(&world, name, old);
    }
    pass(&world, 20000);
    setrlimit(RLIMIT_NOFILE, &before);
    expect_once(1, 8000);
    finish(&world);
}

/* What is logged meanwhile goes to a file. */
static int log_to(const char *path)
{
    int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    close(file);
    log_setup(false, LOG_DEBUG);
    return kept;
}

static void log_back(int kept)
{
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
}

/* No hash can fit: files are read again, and nobody is told that something is gone. */
static void with_another_key_files_are_read_again_and_nothing_counts_as_lost(void **state)
{
    (void)state;
    struct error err = {0};
    char         told[8192];
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "1 line.\n2 line.\n");
    pass(&world, 1000);
    stop(&world);
    struct keyring *old = world.keys;
    world.keys = keyring_ephemeral(&err);
    assert_non_null(world.keys);
    puts_to(&world, "a.log", "3 line.\n");
    int kept = log_to(path_of(&world, "told"));
    start(&world);
    pass(&world, 5000);
    log_back(kept);
    assert_int_equal(world.seen[1].times, 2);
    assert_int_equal(world.seen[2].times, 2);
    assert_int_equal(world.seen[3].times, 1);
    assert_int_equal(lost_bytes(), 0);
    told[slurp(&world, "told", told, sizeof told)] = '\0';
    assert_non_null(strstr(told, "a.log': it was read with another key of pseudonyms before; reading it from the beginning\n"));
    assert_null(strstr(told, "lost"));
    assert_null(strstr(told, "changed"));
    stop(&world);
    kept = log_to(path_of(&world, "told"));
    start(&world);   /* with that key it is known again, and a cut is a cut */
    assert_int_equal(truncate(path_of(&world, "a.log"), 0), 0);
    puts_to(&world, "a.log", "4 line.\n");
    pass(&world, 5000);
    log_back(kept);
    told[slurp(&world, "told", told, sizeof told)] = '\0';
    assert_int_equal(world.seen[3].times, 1);
    assert_int_equal(world.seen[4].times, 1);
    assert_non_null(strstr(told, "a.log': it was cut; reading it from the beginning\n"));
    assert_non_null(strstr(told, "no file beside it has what was cut: what came after byte 24 is lost"));
    keyring_free(old);
    finish(&world);
}

static void a_file_that_cannot_be_read_is_tried_again(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("does not apply: root may read every file\n");
        skip();
    }
    begin(&world, "*.log", "");
    start(&world);
    puts_to(&world, "a.log", "1 secret.\n");
    chmod(path_of(&world, "a.log"), 0);
    pass(&world, 5000);
    assert_int_equal(world.documents, 0);
    chmod(path_of(&world, "a.log"), 0600);
    pass(&world, 20000);
    expect_once(1, 1);
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_line_waits_for_its_rest_wherever_it_is_torn),
        cmocka_unit_test(with_another_key_files_are_read_again_and_nothing_counts_as_lost),
        cmocka_unit_test(a_document_over_several_lines_and_writes_is_one),
        cmocka_unit_test(a_short_head_grows_without_being_taken_for_another_file),
        cmocka_unit_test(the_last_torn_line_of_a_removed_file_is_handed_out_after_the_wait),
        cmocka_unit_test(a_file_under_the_name_and_inode_of_a_removed_one_is_a_new_one),
        cmocka_unit_test(another_file_with_such_a_name_is_read_from_its_beginning),
        cmocka_unit_test(a_file_that_was_rewritten_at_the_same_length_is_read_from_its_beginning),
        cmocka_unit_test(zeros_before_a_writer_that_does_not_append_are_passed_over),
        cmocka_unit_test(a_file_under_several_names_is_read_once),
        cmocka_unit_test(what_is_no_file_is_left_alone),
        cmocka_unit_test(reading_may_begin_at_the_end_and_goes_on_there),
        cmocka_unit_test(packed_files_are_read_once_and_a_packed_one_is_the_plain_one),
        cmocka_unit_test(a_packed_file_that_grows_is_read_whole_wherever_it_was_cut),
        cmocka_unit_test(events_that_were_lost_lose_no_line),
        cmocka_unit_test(lines_longer_than_a_record_are_withheld_without_being_held),
        cmocka_unit_test(a_record_of_several_lines_is_held_until_nothing_came_for_long),
        cmocka_unit_test(a_record_of_several_lines_is_whole_over_a_crash_and_a_rotation),
        cmocka_unit_test(unfinished_records_of_many_files_are_held_in_bounded_room_and_end_all_the_same),
        cmocka_unit_test(many_files_take_turns_with_few_descriptors),
        cmocka_unit_test(a_file_that_cannot_be_read_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
