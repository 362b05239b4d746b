#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "blob_marks.h"

#include <stdlib.h>

#define MANY 2000

/* Few different first bytes, so that many keys want one slot. */
static void make_key(uint32_t number, uint8_t key[BLOB_HASH_BYTES])
{
    memset(key, 0, BLOB_HASH_BYTES);
    key[0] = (uint8_t)(number % 7);
    memcpy(key + 8, &number, sizeof number);
}

static size_t find(const struct blob_marks *t, uint32_t number)
{
    uint8_t key[BLOB_HASH_BYTES];
    make_key(number, key);
    return blob_marks_find(t, key);
}

static size_t add(struct blob_marks *t, uint32_t number)
{
    uint8_t key[BLOB_HASH_BYTES];
    make_key(number, key);
    size_t at = blob_marks_add(t, key);
    t->items[at].mark.size = number;
    return at;
}

static bool is_odd(void *context, const struct blob_entry *e)
{
    ++*(size_t *)context;
    return e->mark.size % 2 == 1;
}

static void a_blob_is_found_by_its_key_until_it_is_forgotten(void **state)
{
    struct blob_marks t = {0};
    size_t            asked = 0;
    (void)state;
    assert_true(find(&t, 1) == BLOB_UNKNOWN);
    for (uint32_t n = 0; n < MANY; n++) add(&t, n);
    for (uint32_t n = 0; n < MANY; n++) assert_int_equal(t.items[find(&t, n)].mark.size, n);
    assert_true(find(&t, MANY) == BLOB_UNKNOWN);
    blob_marks_sweep(&t, is_odd, &asked);
    assert_int_equal(asked, MANY);
    assert_int_equal(t.count, (MANY / 2));
    for (uint32_t n = 0; n < MANY; n++) assert_int_equal(find(&t, n) != BLOB_UNKNOWN, n % 2 == 0);
    blob_marks_release(&t);
}

static void the_last_one_goes_and_nobody_is_lost_who_had_stepped_aside_for_it(void **state)
{
    struct blob_marks t = {0};
    (void)state;
    for (uint32_t n = 0; n < 100; n++) {
        add(&t, n);
        for (uint32_t m = 1000; m < 1010; m++) {
            add(&t, m);
            blob_marks_drop_last(&t);
            assert_true(find(&t, m) == BLOB_UNKNOWN);
        }
        for (uint32_t m = 0; m <= n; m++) assert_int_equal(find(&t, m), m);
    }
    while (t.count > 0) {
        blob_marks_drop_last(&t);
        for (uint32_t m = 0; m < 100; m++) assert_int_equal(find(&t, m) != BLOB_UNKNOWN, m < t.count);
    }
    blob_marks_release(&t);
}

static void a_mark_is_read_as_it_was_written(void **state)
{
    struct blob_entry e = {.mark = {.version = BLOB_MARK_VERSION, .epoch = 3, .place = {4096, 17}, .handed_to = 4100, .size = 5000, .etag = 7}};
    struct blob_mark  mark;
    struct position   p;
    uint8_t           key[BLOB_HASH_BYTES];
    uint32_t          second;
    (void)state;
    make_key(5, e.key);
    blob_mark_write(&e, false, &p);
    assert_true(blob_mark_read(&p, key, &mark));
    assert_memory_equal(key, e.key, sizeof key);
    assert_memory_equal(&mark, &e.mark, sizeof mark);
    assert_false(blob_horizon_read(&p, key, &second));
    p.value[0]++;   /* of another version of the program */
    assert_false(blob_mark_read(&p, key, &mark));
    blob_mark_write(&e, true, &p);
    assert_int_equal(p.value_len, 0);
    assert_false(blob_mark_read(&p, key, &mark));
}

static void a_horizon_is_no_mark(void **state)
{
    struct blob_mark mark;
    struct position  p;
    uint8_t          key[BLOB_HASH_BYTES], found[BLOB_HASH_BYTES];
    uint32_t         second = 0;
    (void)state;
    make_key(9, key);
    blob_horizon_write(key, 1795320000, &p);
    assert_false(blob_mark_read(&p, found, &mark));
    assert_true(blob_horizon_read(&p, found, &second));
    assert_memory_equal(found, key, sizeof key);
    assert_int_equal(second, 1795320000);
}

static void versions_differ_and_none_is_zero(void **state)
{
    (void)state;
    assert_true(blob_etag_hash("\"0x8DF2A1B2C3D4E5F\"") == blob_etag_hash("\"0x8DF2A1B2C3D4E5F\""));
    assert_true(blob_etag_hash("\"0x8DF2A1B2C3D4E5F\"") != blob_etag_hash("\"0x8DF2A1B2C3D4E60\""));
    assert_true(blob_etag_hash("") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blob_is_found_by_its_key_until_it_is_forgotten),
        cmocka_unit_test(the_last_one_goes_and_nobody_is_lost_who_had_stepped_aside_for_it),
        cmocka_unit_test(a_mark_is_read_as_it_was_written),
        cmocka_unit_test(a_horizon_is_no_mark),
        cmocka_unit_test(versions_differ_and_none_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
