#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sinks/gzip_members.h"

#include <stdio.h>
#include <zlib.h>

/* Three members, and where each ends. */
struct packed {
    struct encoded bytes;
    size_t         ends[3];
};

static const char *const texts[3] = {"{\"message\":\"one\"}\n", "{\"message\":\"two\"}\n{\"message\":\"two and a half\"}\n", "{\"message\":\"three\"}\n"};

static void pack(struct packed *p)
{
    struct gzip_members *g = gzip_members_new();
    *p = (struct packed){.bytes = {.joint = SIZE_MAX}};
    assert_non_null(g);
    for (int i = 0; i < 3; i++) {
        assert_true(gzip_members_pack(g, slice_from(texts[i]), &p->bytes));
        p->ends[i] = p->bytes.len;
    }
    gzip_members_free(g);
}

static enum gzip_found measure(const char *data, size_t len, uint64_t *end)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fflush(file), 0);
    enum gzip_found found = gzip_members_measure(fileno(file), len, end);
    fclose(file);
    return found;
}

static void every_member_is_one_to_zlib_too(void **state)
{
    struct packed p;
    char          text[200];
    (void)state;
    pack(&p);
    for (size_t i = 0, from = 0; i < 3; from = p.ends[i++]) {
        z_stream z = {.next_in = (Bytef *)p.bytes.data + from, .avail_in = (uInt)(p.ends[i] - from), .next_out = (Bytef *)text, .avail_out = sizeof text};
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_in, 0);
        assert_int_equal(z.total_out, strlen(texts[i]));
        assert_memory_equal(text, texts[i], z.total_out);
        inflateEnd(&z);
    }
    encoded_release(&p.bytes);
}

static void of_a_file_cut_anywhere_the_whole_members_are_found(void **state)
{
    struct packed p;
    (void)state;
    pack(&p);
    for (size_t len = 0; len <= p.bytes.len; len++) {
        uint64_t end = 1, whole = 0;
        for (int i = 0; i < 3; i++) whole = p.ends[i] <= len ? p.ends[i] : whole;
        assert_int_equal(measure(p.bytes.data, len, &end), GZIP_OURS);
        assert_int_equal(end, whole);
    }
    encoded_release(&p.bytes);
}

/* What is found whole is what was written: a byte that changed is in none of it, as far as only the last member can be torn. */
static void a_byte_that_changed_in_the_last_member_costs_that_member_only(void **state)
{
    struct packed p;
    (void)state;
    pack(&p);
    for (size_t at = p.ends[1]; at < p.bytes.len; at++) {
        uint64_t end = 0;
        bool     told = at >= p.ends[1] + 3 && at < p.ends[1] + 16;   /* of the head: then it looks as if another had packed it */
        p.bytes.data[at] ^= 0x55;
        enum gzip_found found = measure(p.bytes.data, p.bytes.len, &end);
        assert_true(found == (told ? GZIP_FOREIGN : GZIP_OURS));
        assert_int_equal(end, p.ends[1]);
        p.bytes.data[at] ^= 0x55;
    }
    encoded_release(&p.bytes);
}

static void what_another_program_packed_is_told(void **state)
{
    static const uint8_t foreign[30] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uint64_t             end = 1;
    (void)state;
    assert_int_equal(measure((const char *)foreign, sizeof foreign, &end), GZIP_FOREIGN);
    assert_int_equal(end, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_one_to_zlib_too),
        cmocka_unit_test(of_a_file_cut_anywhere_the_whole_members_are_found),
        cmocka_unit_test(a_byte_that_changed_in_the_last_member_costs_that_member_only),
        cmocka_unit_test(what_another_program_packed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
