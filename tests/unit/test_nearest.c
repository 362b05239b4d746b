#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"

static void the_nearest_name_is_one_that_may_have_been_meant(void **state)
{
    static const char *const names[] = {"redact", "rules", "check", "keygen", "mask", "pseudonym", "keep", NULL};
    static const struct {
        const char *given, *meant;
    } cases[] = {{"redcat", "redact"}, {"rule", "rules"}, {"chekc", "check"}, {"maks", "mask"}, {"Mask", "mask"},
                 {"pseudonim", "pseudonym"}, {"psuedonyms", "pseudonym"}, {"hide", NULL}, {"", NULL}, {"scan-everything", NULL},
                 {"a-name-that-is-longer-than-any-name-in-use", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = nearest_name(slice_from(cases[i].given), names);
        if (cases[i].meant == NULL) assert_null(nearest);
        else assert_string_equal(nearest, cases[i].meant);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_name_is_one_that_may_have_been_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
