#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/values.h"

struct sample {
    const char *name, *value;
    bool        quoted;
    char        after;
};

static void check(const struct sample *samples, size_t count, bool expected)
{
    for (size_t i = 0; i < count; i++)
        if (refers_to_value(slice_from(samples[i].name), slice_from(samples[i].value), samples[i].quoted, samples[i].after) != expected)
            fail_msg("%s = %s", samples[i].name, samples[i].value);
}

static void what_names_a_value_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"password", "self.config.password", false, ','}, {"password", "getpass(", false, ')'}, {"token", "os.environ[", false, '"'},
        {"token", "access_token", false, 0},              {"secret", "twitter_consumer_secret", false, ','},
        {"password", "${DB_PASSWORD}", true, '"'},        {"password", "{{ vault_password }}", true, '"'},
        {"password", "#{token", false, '}'},              {"password", "%s", true, '"'},
        {"password", "$password", false, 0},              {"api_key", "api_key", false, ')'},
        {"password", "mypassword", true, '"'},            {"password", "changeme", true, '"'},
        {"password", "string", false, ';'},               {"password", "/run/secrets/db", false, 0},
        {"credentials", "./my.creds", true, '"'},         {"password", "BCRYPT_AUTH_HASH", false, 0},
        {"password", " + flag", true, '"'},               {"key", "AKIA...", false, 0},
        {"password", "<enter", false, ' '},               {"password", "MYA*", false, ')'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
}

static void any_other_word_may_be_a_password(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"password", "hunter2", false, 0},      {"password", "zdrkwq", false, '}'},         {"password", "Q9x(t4r", false, 0},
        {"password", "thisismyhorse", true, '"'}, {"password", "goodhorse", false, 0},      {"password", "correct.horse", false, 0},
        {"password", "p$ss{w}rd", true, '"'},   {"password", "password1", false, 0},        {"password", "x7$Qe9", false, 0},
        {"token", "5f3a9c.b2", false, 0},       {"password", "Tr0ub4dor&3", true, '"'},     {"password", "letmein", true, '"'},
        {"password", "xy", false, 0},           {"password", "nTuhUmyoTioomWOqPKzKWumKqzxnJmPW", false, 0},
        {"password", "nTuhUmyoTioomWOqPKzKWumKqzxnJmToken", false, 0},
    };
    check(samples, sizeof samples / sizeof *samples, false);
}

static void names_of_examples_are_known_words(void **state)
{
    (void)state;
    static const char *const known[] = {"my_secret", "testPassword", "access-token", "password"};
    static const char *const unknown[] = {"horse", "goodspec", "secret1", "", "-", "passwordhorse"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_true(is_known_words(slice_from(known[i])));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (is_known_words(slice_from(unknown[i]))) fail_msg("%s", unknown[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_names_a_value_is_not_the_value),
        cmocka_unit_test(any_other_word_may_be_a_password),
        cmocka_unit_test(names_of_examples_are_known_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
