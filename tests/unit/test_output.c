#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "gunzip.h"
#include "input.h"
#include "sinks/output.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <unistd.h>

#define TEMPORARY ".out.lethe-tmp"

static bool exists(const char *path) { return access(path, F_OK) == 0; }

static bool holds(const char *path, struct slice text)
{
    char    found[1024];
    int     fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? -1 : read(fd, found, sizeof found);
    if (fd >= 0) close(fd);
    return len >= 0 && slice_equal(slice_of(found, (size_t)len), text);
}

static void make_file(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static struct output *opened(const char *path)
{
    struct error   err = {0};
    struct output *o = output_open(path, false, &err);
    assert_non_null(o);
    return o;
}

static void the_final_name_appears_only_at_the_end(void **state)
{
    struct error   err = {0};
    struct output *o = opened("out");
    (void)state;
    assert_true(output_write(o, SLICE("clean\n"), &err));
    assert_true(output_flush(o, &err));
    assert_true(holds(TEMPORARY, SLICE("clean\n")));
    assert_false(exists("out"));
    assert_true(output_finish(o, NULL, &err));
    assert_true(holds("out", SLICE("clean\n")));
    assert_false(exists(TEMPORARY));
}

static void an_abandoned_output_leaves_nothing(void **state)
{
    struct error   err = {0};
    struct output *o = opened("out");
    (void)state;
    assert_true(output_write(o, SLICE("clean\n"), &err));
    output_abandon(o);
    assert_false(exists("out"));
    assert_false(exists(TEMPORARY));
}

static void an_abandoned_output_leaves_the_old_file(void **state)
{
    (void)state;
    make_file("out", "old");
    output_abandon(opened("out"));
    assert_true(holds("out", SLICE("old")));
}

static void a_rename_that_fails_leaves_nothing(void **state)
{
    struct error   err = {0};
    struct output *o = opened("out");
    (void)state;
    assert_int_equal(mkdir("out", 0700), 0);
    assert_false(output_finish(o, NULL, &err));
    assert_string_equal(err.text, "cannot write 'out': is a directory");
    assert_false(exists(TEMPORARY));
}

static void the_name_of_a_temporary_file_is_never_too_long(void **state)
{
    char           name[256];
    struct error   err = {0};
    struct output *o;
    (void)state;
    memset(name, 'n', 255);
    name[255] = '\0';
    o = opened(name);
    assert_true(output_finish(o, NULL, &err));
    assert_true(exists(name));
}

static void a_leftover_is_replaced(void **state)
{
    struct error   err = {0};
    struct output *o;
    (void)state;
    make_file(TEMPORARY, "half of something longer");
    o = opened("out");
    assert_true(output_write(o, SLICE("new"), &err));
    assert_true(output_finish(o, NULL, &err));
    assert_true(holds("out", SLICE("new")));
}

static void a_temporary_file_that_is_being_written_is_left_alone(void **state)
{
    struct error err = {0};
    int          fd = open(TEMPORARY, O_RDWR | O_CREAT, 0600);
    (void)state;
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_null(output_open("out", false, &err));
    assert_string_equal(err.text, "cannot write 'out': another run is writing it");
    assert_true(exists(TEMPORARY));
    close(fd);
}

static void a_link_in_place_of_the_temporary_file_is_not_followed(void **state)
{
    struct error err = {0};
    (void)state;
    make_file("victim", "untouched");
    assert_int_equal(symlink("victim", TEMPORARY), 0);
    assert_null(output_open("out", false, &err));
    assert_true(holds("victim", SLICE("untouched")));
}

static void an_output_that_is_a_link_replaces_the_file_it_leads_to(void **state)
{
    struct error   err = {0};
    struct stat    status;
    struct output *o;
    (void)state;
    make_file("real", "old");
    assert_int_equal(symlink("real", "out"), 0);
    o = opened("out");
    assert_true(output_write(o, SLICE("new"), &err));
    assert_true(output_finish(o, NULL, &err));
    assert_true(holds("real", SLICE("new")));
    assert_int_equal(lstat("out", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
}

static void a_full_device_fails_with_its_reason(void **state)
{
    struct error   err = {0};
    struct output *o = opened("/dev/full");
    (void)state;
    assert_true(output_write(o, SLICE("collected first"), &err));
    assert_false(output_finish(o, NULL, &err));
    assert_string_equal(err.text, "cannot write '/dev/full': no space left on device");
}

static void a_time_given_becomes_the_time_of_the_file(void **state)
{
    const struct timespec modified = {1000000000, 5};
    struct error          err = {0};
    struct stat           status;
    (void)state;
    assert_true(output_finish(opened("out"), &modified, &err));
    assert_int_equal(stat("out", &status), 0);
    assert_int_equal(status.st_mtim.tv_sec, 1000000000);
    assert_int_equal(status.st_mtim.tv_nsec, 5);
}

static void small_and_large_pieces_are_written_in_order(void **state)
{
    enum { LARGE = 700 * 1000, SMALL = 7, ROUNDS = 5 };
    char          *piece = malloc(LARGE), *found = malloc(LARGE);
    struct error   err = {0};
    struct output *o = opened("out");
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        memset(piece, 'a' + i, LARGE);
        assert_true(output_write(o, slice_of(piece, SMALL), &err));
        assert_true(output_write(o, slice_of(piece, LARGE), &err));
        assert_true(output_write(o, slice_of(piece, 0), &err));
    }
    assert_int_equal(output_bytes(o), ROUNDS * (LARGE + SMALL));
    assert_true(output_finish(o, NULL, &err));
    int fd = open("out", O_RDONLY);
    for (int i = 0; i < ROUNDS; i++) {
        memset(piece, 'a' + i, LARGE);
        assert_int_equal(read(fd, found, SMALL), SMALL);
        assert_memory_equal(found, piece, SMALL);
        assert_int_equal(read(fd, found, LARGE), LARGE);
        assert_memory_equal(found, piece, LARGE);
    }
    assert_int_equal(read(fd, found, 1), 0);
    close(fd);
    free(piece);
    free(found);
}

/* Numbers that do not repeat, so that packing has something to do. */
static void fill_with_noise(char *data, size_t len)
{
    uint32_t x = 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (char)(x >> 24 & 0x3f);
    }
}

static void a_packed_output_unpacks_to_what_was_written(void **state)
{
    enum { BYTES = 3000000, PIECE = 123457 };
    char          *data = malloc(BYTES), *found = malloc(BYTES + 1);
    struct error   err = {0};
    struct input   input = {.path = (char *)(uintptr_t)"out.gz", .relative = "out.gz"};
    struct output *o = output_open("out.gz", true, &err);
    size_t         len = 0;
    ptrdiff_t      got;
    (void)state;
    fill_with_noise(data, BYTES);
    for (size_t at = 0; at < BYTES; at += PIECE)
        assert_true(output_write(o, slice_of(data + at, BYTES - at < PIECE ? BYTES - at : PIECE), &err));
    assert_true(output_finish(o, NULL, &err));

    struct reader     *r = reader_open(&input, &err);
    struct byte_source source = reader_source(r);
    while ((got = source.read(source.context, found + len, BYTES + 1 - len, &err)) > 0) len += (size_t)got;
    assert_int_equal(got, 0);
    assert_true(slice_equal(slice_of(found, len), slice_of(data, BYTES)));
    assert_true(reader_offset(r) < BYTES);
    reader_close(r);
    free(data);
    free(found);
}

static void an_empty_packed_output_is_a_valid_one(void **state)
{
    struct error   err = {0};
    struct input   input = {.path = (char *)(uintptr_t)"out.gz", .relative = "out.gz"};
    struct output *o = output_open("out.gz", true, &err);
    char           byte;
    (void)state;
    assert_true(output_finish(o, NULL, &err));
    struct reader     *r = reader_open(&input, &err);
    struct byte_source source = reader_source(r);
    assert_true(reader_offset(r) > 0);
    assert_int_equal(source.read(source.context, &byte, 1, &err), 0);
    reader_close(r);
}

static void missing_folders_are_made(void **state)
{
    struct error err = {0};
    (void)state;
    assert_true(output_make_folders("a/b/c", &err));
    assert_true(exists("a/b"));
    assert_false(exists("a/b/c"));
    make_file("file", "");
    assert_false(output_make_folders("file/b/c", &err));
    assert_string_equal(err.text, "cannot create 'file/b': not a directory");
}

/* --- Each test has a folder of its own --------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/lethe-test-output-XXXXXX");
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave_folder(void **state)
{
    int failed = chdir("/") != 0 || nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0;
    free(*state);
    return failed;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_final_name_appears_only_at_the_end),
        IN_FOLDER(an_abandoned_output_leaves_nothing),
        IN_FOLDER(an_abandoned_output_leaves_the_old_file),
        IN_FOLDER(a_rename_that_fails_leaves_nothing),
        IN_FOLDER(the_name_of_a_temporary_file_is_never_too_long),
        IN_FOLDER(a_leftover_is_replaced),
        IN_FOLDER(a_temporary_file_that_is_being_written_is_left_alone),
        IN_FOLDER(a_link_in_place_of_the_temporary_file_is_not_followed),
        IN_FOLDER(an_output_that_is_a_link_replaces_the_file_it_leads_to),
        IN_FOLDER(a_full_device_fails_with_its_reason),
        IN_FOLDER(a_time_given_becomes_the_time_of_the_file),
        IN_FOLDER(small_and_large_pieces_are_written_in_order),
        IN_FOLDER(a_packed_output_unpacks_to_what_was_written),
        IN_FOLDER(an_empty_packed_output_is_a_valid_one),
        IN_FOLDER(missing_folders_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
