#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "gunzip.h"
#include "input.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* `printf 'hello\n' | gzip -n`, written down. */
#define MEMBER "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00"
/* The same with a file name in the header (FNAME, RFC 1952 section 2.3.1). */
#define NAMED_MEMBER "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03" "a.txt\0" "\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00"
#define MEMBER_BYTES 26
/* With everything a header may have: extra field (3 bytes), name, comment, checksum of the header. */
#define FULL_MEMBER "\x1f\x8b\x08\x1e\x00\x00\x00\x00\x00\x03" "\x03\x00" "abc" "a.txt\0" "a note\0" "\xff\xff" \
                    "\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00"

/* --- gunzip ----------------------------------------------------------------------------------------------------------- */

/* Bytes in memory that come in pieces. */
struct pieces {
    struct slice left;
    size_t       piece;
};

static ptrdiff_t read_piece(void *context, char *buffer, size_t capacity, struct error *err)
{
    struct pieces *p = context;
    size_t         len = p->piece < capacity ? p->piece : capacity;
    (void)err;
    if (len > p->left.len) len = p->left.len;
    memcpy(buffer, p->left.data, len);
    p->left = slice_sub(p->left, len, p->left.len);
    return (ptrdiff_t)len;
}

/* Unpacks all of `packed`, read in pieces, asking for `step` bytes at a time. */
static size_t unpack(struct slice packed, size_t piece, size_t step, char *out, size_t capacity, struct error *err)
{
    struct pieces  pieces = {packed, piece};
    struct gunzip *g = gunzip_new((struct byte_source){read_piece, &pieces}, "x.gz");
    size_t         len = 0;
    ptrdiff_t      got;
    assert_non_null(g);
    do {
        assert_true(len + step <= capacity);
        got = gunzip_read(g, out + len, step, err);
        if (got > 0) len += (size_t)got;
    } while (got > 0);
    assert_int_equal(got, err->code == ERROR_NONE ? 0 : -1);
    gunzip_free(g);
    return len;
}

static void whole_streams_are_unpacked_however_they_are_cut(void **state)
{
    static const struct {
        struct slice packed, text;
    } cases[] = {
        {SLICE(MEMBER), SLICE("hello\n")},
        {SLICE(NAMED_MEMBER), SLICE("hello\n")},
        {SLICE(MEMBER MEMBER), SLICE("hello\nhello\n")},
        {SLICE(MEMBER NAMED_MEMBER MEMBER), SLICE("hello\nhello\nhello\n")},
        {SLICE(FULL_MEMBER FULL_MEMBER), SLICE("hello\nhello\n")},
        {SLICE(MEMBER "\0\0\0\0"), SLICE("hello\n")},
    };
    char out[256];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= 100; piece++)
            for (size_t step = 1; step <= 20; step++) {
                struct error err = {0};
                size_t       len = unpack(cases[i].packed, piece, step, out, sizeof out, &err);
                assert_int_equal(err.code, ERROR_NONE);
                assert_true(slice_equal(slice_of(out, len), cases[i].text));
            }
}

static void a_stream_that_ends_early_is_an_error_wherever_it_ends(void **state)
{
    const struct slice two = SLICE(MEMBER FULL_MEMBER);
    char               out[256];
    (void)state;
    for (size_t cut = 1; cut < two.len; cut++) {
        struct error err = {0};
        size_t       len = unpack(slice_sub(two, 0, cut), 7, 16, out, sizeof out, &err);
        if (cut == MEMBER_BYTES) {
            assert_int_equal(err.code, ERROR_NONE);
        } else {
            assert_int_equal(err.code, ERROR_INPUT);
            assert_non_null(strstr(err.text, "cannot unpack 'x.gz': ends too early at byte "));
        }
        assert_true(len <= 12);
        if (cut >= MEMBER_BYTES) assert_memory_equal(out, "hello\n", 6);
    }
}

static void what_was_unpacked_before_an_error_is_handed_out(void **state)
{
    static const struct {
        struct slice packed;
        const char  *reason;
    } cases[] = {
        {SLICE(MEMBER "garbage"), "cannot unpack 'x.gz': something that is not gzip follows at byte 26 of the gzip file"},
        {SLICE(MEMBER "\0\0x"), "cannot unpack 'x.gz': something that is not gzip follows at byte 28 of the gzip file"},
        {SLICE(MEMBER "\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x03"), "unknown compression method"},
        {SLICE(MEMBER "\x1f\x8c\x08\x00\x00\x00\x00\x00\x00\x03"), "damaged header"},
        {SLICE(MEMBER "\x1f\x8b\x08\x20\x00\x00\x00\x00\x00\x03"), "damaged header"},
        {SLICE(MEMBER "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "damaged data"},
        /* the checksum, then the length, is off by one */
        {SLICE("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x21\x30\x3a\x36\x06\x00\x00\x00"), "wrong checksum"},
        {SLICE("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x07\x00\x00\x00"), "wrong checksum"},
    };
    char out[256];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        size_t       len = unpack(cases[i].packed, 1000, 64, out, sizeof out, &err);
        assert_true(slice_equal(slice_of(out, len), SLICE("hello\n")));
        assert_int_equal(err.code, ERROR_INPUT);
        assert_non_null(strstr(err.text, cases[i].reason));
    }
}

static ptrdiff_t read_nothing(void *context, char *buffer, size_t capacity, struct error *err)
{
    (void)context, (void)buffer, (void)capacity;
    error_set(err, ERROR_INPUT, "cannot read 'x.gz': input/output error");
    return -1;
}

static void a_read_that_fails_is_passed_on(void **state)
{
    struct gunzip *g = gunzip_new((struct byte_source){read_nothing, NULL}, "x.gz");
    struct error   err = {0};
    char           out[16];
    (void)state;
    assert_int_equal(gunzip_read(g, out, sizeof out, &err), -1);
    assert_string_equal(err.text, "cannot read 'x.gz': input/output error");
    gunzip_free(g);
}

/* --- The list, in a folder of its own ---------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void make_file(const char *path, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), content.len);
    close(fd);
}

static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/lethe-test-input-XXXXXX");
    *state = folder;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) return -1;
    if (mkdir("in", 0700) != 0 || mkdir("in/b", 0700) != 0 || mkdir("in/empty", 0700) != 0) return -1;
    make_file("in/c", SLICE("c"));
    make_file("in/.hidden", SLICE("h"));
    make_file("in/b/z", SLICE("z"));
    make_file("in/.c.lethe-tmp", SLICE("left over"));
    return symlink("../in/c", "in/link") != 0 || symlink("b", "in/folder-link") != 0 || symlink("nowhere", "in/dangling") != 0;
}

static int leave_folder(void **state)
{
    int failed = chdir("/") != 0 || nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0;
    free(*state);
    return failed;
}

struct expected_input {
    const char *path, *relative;
    int         fault;
};

static void expect_inputs(const char *argument, const struct expected_input *expected, size_t count)
{
    struct input_list list;
    struct error      err = {0};
    assert_true(inputs_collect(&list, &argument, 1, NULL, NULL, &err));
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list.items[i].path, expected[i].path);
        assert_string_equal(list.items[i].relative, expected[i].relative);
        assert_int_equal(list.items[i].fault, expected[i].fault);
    }
    inputs_release(&list);
}

static void a_folder_is_its_files_sorted_by_name(void **state)
{
    static const struct expected_input expected[] = {
        {"in/.hidden", ".hidden", 0}, {"in/b/z", "b/z", 0}, {"in/c", "c", 0}, {"in/dangling", "dangling", 2 /* ENOENT */},
        {"in/link", "link", 0},
    };
    (void)state;
    expect_inputs("in", expected, COUNT(expected));
    expect_inputs("in/", expected, COUNT(expected));
}

static void a_file_is_known_by_its_last_part(void **state)
{
    static const struct expected_input expected[] = {{"in/b/z", "z", 0}};
    (void)state;
    expect_inputs("in/b/z", expected, 1);
}

static void a_pattern_is_the_files_that_match(void **state)
{
    static const struct expected_input expected[] = {{"in/b/z", "z", 0}, {"in/c", "c", 0}};
    (void)state;
    expect_inputs("in/[bc]", expected, COUNT(expected));
}

static void what_is_missing_is_an_input_with_a_fault(void **state)
{
    static const struct expected_input file[] = {{"in/missing", "missing", 2}}, pattern[] = {{"missing*", "missing*", 2}};
    (void)state;
    expect_inputs("in/missing", file, 1);
    expect_inputs("missing*", pattern, 1);
}

static void the_folder_to_avoid_is_not_entered(void **state)
{
    const char       *argument = "in";
    struct input_list list;
    struct stat       avoid;
    struct error      err = {0};
    (void)state;
    assert_int_equal(stat("in/b", &avoid), 0);
    assert_true(inputs_collect(&list, &argument, 1, &avoid, NULL, &err));
    for (size_t i = 0; i < list.count; i++) assert_string_not_equal(list.items[i].path, "in/b/z");
    inputs_release(&list);
}

static void a_reader_gives_the_bytes_of_plain_and_packed_files(void **state)
{
    static const struct {
        struct slice content, text;
    } cases[] = {
        {SLICE(""), SLICE("")},           {SLICE("x"), SLICE("x")},          {SLICE("hello\n"), SLICE("hello\n")},
        {SLICE("\x1f"), SLICE("\x1f")}, {SLICE(MEMBER), SLICE("hello\n")}, {SLICE("\x1fx"), SLICE("\x1fx")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct input   input = {.path = (char *)(uintptr_t)"file", .relative = "file"};
        struct error   err = {0};
        char           out[64];
        size_t         len = 0;
        ptrdiff_t      got;
        make_file("file", cases[i].content);
        struct reader *r = reader_open(&input, &err);
        assert_non_null(r);
        struct byte_source source = reader_source(r);
        while ((got = source.read(source.context, out + len, 3, &err)) > 0) len += (size_t)got;
        assert_int_equal(got, 0);
        assert_true(slice_equal(slice_of(out, len), cases[i].text));
        assert_int_equal(reader_offset(r), cases[i].content.len);
        reader_close(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_streams_are_unpacked_however_they_are_cut),
        cmocka_unit_test(a_stream_that_ends_early_is_an_error_wherever_it_ends),
        cmocka_unit_test(what_was_unpacked_before_an_error_is_handed_out),
        cmocka_unit_test(a_read_that_fails_is_passed_on),
        cmocka_unit_test(a_folder_is_its_files_sorted_by_name),
        cmocka_unit_test(a_file_is_known_by_its_last_part),
        cmocka_unit_test(a_pattern_is_the_files_that_match),
        cmocka_unit_test(what_is_missing_is_an_input_with_a_fault),
        cmocka_unit_test(the_folder_to_avoid_is_not_entered),
        cmocka_unit_test(a_reader_gives_the_bytes_of_plain_and_packed_files),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
