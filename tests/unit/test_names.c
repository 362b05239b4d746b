/* Name sets and key caches. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "parser/kinds_priv.h"
#include "parsed.h"

struct fixture {
    struct name_set  *names;
    struct key_cache *cache;
    int               classified;        /* calls of classify */
    char              last[64];          /* the last key it was given */
    struct parsed     parsed;
};

static uint32_t classify(const void *context, struct slice key)
{
    struct fixture *f = (struct fixture *)(uintptr_t)context;
    f->classified++;
    assert_true(key.len < sizeof f->last);
    memcpy(f->last, key.data, key.len);
    f->last[key.len] = '\0';
    return (uint32_t)key.len;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->names = name_set_new();
    f->cache = key_cache_new(f->names, classify, f);
    *state = f;
    return f->names == NULL || f->cache == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    key_cache_free(f->cache);
    name_set_free(f->names);
    free(f);
    return 0;
}

static bool resolve(struct fixture *f, const char *text)
{
    parsed_init(&f->parsed, slice_from(text));
    return names_resolve(f->cache, &f->parsed.tape);
}

/* The entry of the nth key of the document. */
static struct key_entry *nth_key(struct fixture *f, int n)
{
    for (uint32_t i = 0; i < f->parsed.tape.count; i++)
        if (f->parsed.tape.nodes[i].type == NODE_KEY && n-- == 0) return key_cache_get(f->cache, f->parsed.tape.nodes[i].name);
    fail_msg("the document has fewer keys");
    return NULL;
}

static void assert_text(struct slice actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.len);
}

/* --- Name sets */

static void the_names_of_the_kinds_table_come_first(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(name_set_find(f->names, SLICE("category")), NAME_CATEGORY);
    assert_int_equal(name_set_find(f->names, SLICE("Request Id")), NAME_REQUEST_ID_SPACED);
    assert_int_equal(name_set_add(f->names, SLICE("something else")), NAME_COUNT);
}

static void names_compare_without_case_of_ascii_letters(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(name_set_find(f->names, SLICE("REQUESTBODY")), NAME_REQUEST_BODY);
    assert_int_equal(name_set_find(f->names, SLICE("requestBody")), NAME_REQUEST_BODY);
    name_id id = name_set_add(f->names, SLICE("Gr\xc3\xb6\xc3\x9f" "E"));
    assert_int_equal(name_set_find(f->names, SLICE("gR\xc3\xb6\xc3\x9f" "e")), id);
    assert_int_equal(name_set_find(f->names, SLICE("gR\xc3\x96\xc3\x9f" "e")), 0);
}

static void adding_a_name_twice_gives_the_same_number(void **state)
{
    struct fixture *f = *state;
    name_id id = name_set_add(f->names, SLICE("Alpha"));
    assert_int_not_equal(id, 0);
    assert_int_equal(name_set_add(f->names, SLICE("aLPHA")), id);
}

static void an_unknown_name_is_zero(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(name_set_find(f->names, SLICE("no such name")), 0);
}

static void a_long_name_is_compared_to_its_end(void **state)
{
    struct fixture *f = *state;
    char            name[301];
    memset(name, 'n', sizeof name);
    name_id shorter = name_set_add(f->names, slice_of(name, 300));
    name[299] = 'm';
    name_id other = name_set_add(f->names, slice_of(name, 300));
    assert_int_not_equal(shorter, 0);
    assert_int_not_equal(other, shorter);
    assert_int_equal(name_set_find(f->names, slice_of(name, 300)), other);
}

static void names_run_out_at_65535(void **state)
{
    struct fixture *f = *state;
    char            text[16];
    name_id         id = 0, last = 0;
    for (int i = 0; i < 70000; i++) {
        id = name_set_add(f->names, slice_of(text, (size_t)snprintf(text, sizeof text, "name%d", i)));
        if (id == 0) break;
        last = id;
    }
    assert_int_equal(id, 0);
    assert_int_equal(last, UINT16_MAX);
    assert_int_equal(name_set_find(f->names, SLICE("name0")), NAME_COUNT);
    assert_int_equal(name_set_find(f->names, SLICE("category")), NAME_CATEGORY);
}

/* --- Key caches */

static void every_key_of_a_document_is_resolved(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "{\"Time\":1,\"a\":[{\"x\":{\"correlationID\":2}},{\"\":3}],\"operationName\":\"\"}"));
    static const struct { const char *raw; name_id name; } expected[] = {
        {"Time", NAME_TIME}, {"a", 0}, {"x", 0}, {"correlationID", NAME_CORRELATION_ID}, {"", 0}, {"operationName", NAME_OPERATION_NAME},
    };
    for (int i = 0; i < 6; i++) {
        assert_text(nth_key(f, i)->raw, expected[i].raw);
        assert_int_equal(nth_key(f, i)->name, expected[i].name);
    }
    parsed_release(&f->parsed);
}

static void a_spelling_keeps_its_slot_and_is_classified_once(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "{\"one\":1,\"two\":2,\"one\":3}"));
    struct key_entry *one = nth_key(f, 0);
    assert_ptr_equal(nth_key(f, 2), one);
    assert_int_equal(one->traits, 3);
    parsed_release(&f->parsed);
    assert_true(resolve(f, "[{\"two\":1},{\"one\":1,\"One\":2}]"));
    assert_ptr_equal(nth_key(f, 1), one);
    assert_ptr_not_equal(nth_key(f, 2), one);
    assert_int_equal(f->classified, 3);
    parsed_release(&f->parsed);
}

static void a_key_with_escapes_is_classified_and_named_by_its_decoded_text(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "{\"c\\u0061tegor\\u0079\":1}"));
    assert_string_equal(f->last, "category");
    assert_int_equal(nth_key(f, 0)->name, NAME_CATEGORY);
    assert_text(nth_key(f, 0)->raw, "c\\u0061tegor\\u0079");
    parsed_release(&f->parsed);
}

/* Whatever followed a key last time, a wrong guess must never stand: the keys differ in one byte, at any place. */
static void keys_that_differ_in_one_byte_are_told_apart(void **state)
{
    struct fixture *f = *state;
    for (int len = 1; len <= 40; len++)
        for (int at = 0; at < len; at++) {
            char text[160], key[48], other[48];
            memset(key, 'k', sizeof key);
            key[len] = '\0';
            memcpy(other, key, sizeof key);
            other[at] = 'K';
            snprintf(text, sizeof text, "{\"first\":{\"%s\":0},\"first\":{\"%s\":0}}", key, other);
            assert_true(resolve(f, text));
            assert_text(nth_key(f, 1)->raw, key);
            assert_text(nth_key(f, 3)->raw, other);
            parsed_release(&f->parsed);
        }
}

static void a_key_that_is_the_beginning_of_another_is_told_apart(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "{\"a\":{\"requestIdentity\":0},\"a\":{\"requestId\":0},\"a\":{\"requestIdentity2\":0}}"));
    assert_text(nth_key(f, 1)->raw, "requestIdentity");
    assert_text(nth_key(f, 3)->raw, "requestId");
    assert_text(nth_key(f, 5)->raw, "requestIdentity2");
    parsed_release(&f->parsed);
}

static char *many_keys(int count)
{
    char *text = malloc((size_t)count * 16 + 16), *p = text;
    *p++ = '{';
    for (int i = 0; i < count; i++) p += snprintf(p, 16, "%s\"%d\":0", i > 0 ? "," : "", i);
    memcpy(p, "}", 2);
    return text;
}

static void a_document_may_have_as_many_spellings_as_there_are_slots(void **state)
{
    struct fixture *f = *state;
    char           *text = many_keys(KEY_CACHE_SLOTS);
    assert_true(resolve(f, text));
    assert_text(nth_key(f, 0)->raw, "0");
    assert_text(nth_key(f, KEY_CACHE_SLOTS - 1)->raw, "65534");
    assert_int_equal(f->classified, KEY_CACHE_SLOTS);
    parsed_release(&f->parsed);
    free(text);
}

static void one_spelling_more_is_not_resolved(void **state)
{
    struct fixture *f = *state;
    char           *text = many_keys(KEY_CACHE_SLOTS + 1);
    assert_false(resolve(f, text));
    parsed_release(&f->parsed);
    free(text);
}

static void trimming_a_full_cache_makes_room(void **state)
{
    struct fixture *f = *state;
    char           *text = many_keys(KEY_CACHE_SLOTS);
    assert_true(resolve(f, text));
    parsed_release(&f->parsed);
    free(text);
    assert_false(resolve(f, "{\"new\":1}"));
    parsed_release(&f->parsed);
    key_cache_trim(f->cache);
    assert_true(resolve(f, "{\"new\":1,\"7\":1}"));
    assert_text(nth_key(f, 0)->raw, "new");
    assert_text(nth_key(f, 1)->raw, "7");
    parsed_release(&f->parsed);
}

static void trimming_a_cache_with_room_forgets_nothing(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "{\"one\":1}"));
    nth_key(f, 0)->examined = true;
    parsed_release(&f->parsed);
    key_cache_trim(f->cache);
    assert_true(resolve(f, "{\"one\":1}"));
    assert_true(nth_key(f, 0)->examined);
    assert_int_equal(f->classified, 1);
    parsed_release(&f->parsed);
}

static void keys_longer_than_the_store_are_not_resolved(void **state)
{
    struct fixture *f = *state;
    size_t          len = (size_t)17 * 1024 * 1024;
    char           *text = malloc(len + 8);
    memcpy(text, "{\"", 2);
    memset(text + 2, 'k', len);
    memcpy(text + 2 + len, "\":1}", 5);
    assert_false(resolve(f, text));
    assert_int_equal(f->classified, 0);
    parsed_release(&f->parsed);
    free(text);
}

static void a_document_without_keys_is_resolved(void **state)
{
    struct fixture *f = *state;
    assert_true(resolve(f, "[1,\"text\",null]"));
    assert_int_equal(f->classified, 0);
    parsed_release(&f->parsed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_names_of_the_kinds_table_come_first),
        TEST(names_compare_without_case_of_ascii_letters),
        TEST(adding_a_name_twice_gives_the_same_number),
        TEST(an_unknown_name_is_zero),
        TEST(a_long_name_is_compared_to_its_end),
        TEST(names_run_out_at_65535),
        TEST(every_key_of_a_document_is_resolved),
        TEST(a_spelling_keeps_its_slot_and_is_classified_once),
        TEST(a_key_with_escapes_is_classified_and_named_by_its_decoded_text),
        TEST(keys_that_differ_in_one_byte_are_told_apart),
        TEST(a_key_that_is_the_beginning_of_another_is_told_apart),
        TEST(a_document_may_have_as_many_spellings_as_there_are_slots),
        TEST(one_spelling_more_is_not_resolved),
        TEST(trimming_a_full_cache_makes_room),
        TEST(trimming_a_cache_with_room_forgets_nothing),
        TEST(keys_longer_than_the_store_are_not_resolved),
        TEST(a_document_without_keys_is_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
