#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "blob_input.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *endpoint, *account, *container, *prefix;
    } cases[] = {
        {"https://st1.blob.core.windows.net/logs", "https://st1.blob.core.windows.net", "st1", "logs", ""},
        {"https://st1.blob.core.windows.net/logs/", "https://st1.blob.core.windows.net", "st1", "logs", ""},
        {"https://st1.blob.core.windows.net/logs/a/b", "https://st1.blob.core.windows.net", "st1", "logs", "a/b"},
        {"HTTPS://st1-secondary.blob.core.windows.net/$web//x", "HTTPS://st1-secondary.blob.core.windows.net", "st1-secondary", "$web", "/x"},
        {"https://st1.blob.core.windows.net/logs/a%20b%3Fc%25%2f%zz%4", "https://st1.blob.core.windows.net", "st1", "logs", "a b?c%/%zz%4"},
        {"http://127.0.0.1:10000/devstoreaccount1/logs/p", "http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1", "logs", "p"},
        {"https://localhost:10000/acc/logs", "https://localhost:10000/acc", "acc", "logs", ""},
        {"http://[::1]:10000/acc/logs/", "http://[::1]:10000/acc", "acc", "logs", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct blob_address a;
        struct error        err = {0};
        if (!blob_address_parse(cases[i].text, &a, &err)) fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(a.endpoint, cases[i].endpoint);
        assert_string_equal(a.account, cases[i].account);
        assert_string_equal(a.container, cases[i].container);
        assert_string_equal(a.prefix, cases[i].prefix);
        blob_address_release(&a);
    }
}

static void what_is_no_address_of_blobs_is_refused(void **state)
{
    static const char *const bad[] = {
        "https://", "https:///logs", "https://st1.blob.core.windows.net", "https://st1.blob.core.windows.net/", "https://st1.blob.core.windows.net/lo",
        "https://st1.blob.core.windows.net/a_b/c", "http://127.0.0.1/acc", "http://127.0.0.1//acc/logs", "https://user:pw@st1.blob.core.windows.net/logs",
        "https://st1.blob.core.windows.net/logs/a#b", "https://st1.blob.core.windows.net/logs?sig=s3cret",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct blob_address a;
        struct error        err = {0};
        if (blob_address_parse(bad[i], &a, &err)) fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_null(strstr(err.text, "s3cret"));
    }
}

static void names_stay_below_the_folder(void **state)
{
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"a", "a"}, {"a/b.json", "a/b.json"}, {"..", "%2E%2E"}, {".", "%2E"}, {"", "%2F"}, {"/etc/passwd", "%2F/etc/passwd"}, {"a/", "a/%2F"},
        {"a//b", "a/%2F/b"}, {"../../x", "%2E%2E/%2E%2E/x"}, {"...", "..."}, {"a/..b/.c", "a/..b/.c"}, {"resourceId=/X", "resourceId=/X"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *path = blob_safe_path(cases[i].name);
        assert_string_equal(path, cases[i].path);
        free(path);
    }
}

static struct blob_ref *listed(time_t modified, const char *etag)
{
    struct blob_ref *ref = calloc(1, sizeof *ref + 1);
    ref->item.modified = modified;
    blob_etag_take(ref->item.etag, slice_from(etag));
    return ref;
}

static void another_etag_or_time_is_another_stamp(void **state)
{
    struct blob_ref *a = listed(1795320000, "0x8DF2A1B2C3D4E5F"), *b = listed(1795320000, "0x8DF2A1B2C3D4E60"), *c = listed(1795320001, "0x8DF2A1B2C3D4E5F");
    (void)state;
    assert_int_equal(blob_ref_stamp(a).tv_sec, 1795320000);
    assert_int_not_equal(blob_ref_stamp(a).tv_nsec, blob_ref_stamp(b).tv_nsec);
    assert_int_equal(blob_ref_stamp(a).tv_nsec, blob_ref_stamp(c).tv_nsec);
    assert_int_equal(blob_ref_stamp(c).tv_sec, 1795320001);
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(what_is_no_address_of_blobs_is_refused),
        cmocka_unit_test(names_stay_below_the_folder),
        cmocka_unit_test(another_etag_or_time_is_another_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
