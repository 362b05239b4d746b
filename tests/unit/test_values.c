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
        {"secret", "zebra_lake_secret", false, ','},      {"password", "string\\", true, '"'},
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
        {"password", "\xd0\xbe\xd0\xb7\xd0\xb5\xd1\x80\xd0\xbe", true, '"'},   /* a lake */
    };
    check(samples, sizeof samples / sizeof *samples, false);
}

/* Expressions of programs, by what stands in them and behind them. */
static void an_expression_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"password", "self->password", false, ';'},   {"password", "Config::Password", false, ';'},  {"token", "req?.token", false, ','},
        {"password", "{password", false, '}'},        {"password", "${horse", false, '}'},           {"password", "gather[", false, '\''},
        {"password", "horses{", false, '`'},          {"password", "-$HORSE", false, '}'},           {"password", "@horses", false, ','},
        {"password", "&horses", false, 0},            {"password", ":horses", false, 0},             {"password", "horses(data)", false, 0},
        {"password", "horses[index]", false, 0},      {"password", "horses(data", false, ','},       {"password", "horses(data", false, ';'},
        {"password", "horses(data", false, ')'},      {"password", "horses(data", false, ']'},       {"password", "horses(data", false, '"'},
        {"password", "refresh", false, '('},          {"password", "refresh", false, '['},           {"password", "horses{", false, 0},
        {"password", "zebras", false, '['},           {"password", "Zebra::Lakes", false, '('},      {"password", "zebra->lakeSecret", false, ';'},
        {"password", "{horse1", false, '}'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"password", "horses(data", false, ' '},      {"password", "horses+data", false, ' '},       {"password", "horses?data", false, 0},
        {"password", "horses:data", false, 0},        {"password", "horses-data", false, 0},         {"password", "horse123456.data", false, 0},
        {"password", "horses.", false, 0},            {"password", "@horses1", false, 0},            {"password", "horses(data)", true, '"'},
        {"password", "horses{data", false, ' '},      {"password", "horses.self.lakes", false, 0},   {"password", "horses?", false, 0},
        {"password", "-horses", false, 0},            {"password", "horses", false, '}'},
    };
    check(others, sizeof others / sizeof *others, false);
}

/* A value without quotes ends where the text begins that is an argument. */
static void a_call_with_a_text_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"pwd", "u(", false, '"'}, {"pwd", "s.cut(b", false, '\''}, {"pwd", "io.x(r", false, '"'}, {"token", "a->b(", false, '"'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"pwd", "u(", false, ' '}, {"pwd", "u(", true, '"'}, {"pwd", "q;u(", false, '"'}, {"pwd", "ub", false, '"'}, {"pwd", "u(z", false, '"'},
    };
    check(others, sizeof others / sizeof *others, false);
}

static void a_name_of_two_whole_words_is_told_from_letters_drawn_by_lot(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"token", "extJWT", false, ';'}, {"token", "old_JWT", false, ';'}};
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {{"token", "exTraJWT", false, ';'}, {"token", "kTnoJWT", false, ';'}};
    check(others, sizeof others / sizeof *others, false);
}

static void what_is_escaped_or_quoted_twice_is_read_without(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"pass", "[MASKED]\\r\\n", false, '"'}, {"pass", "********\\n", false, 0}, {"pass", "<pass> ", false, 0},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    check(&(struct sample){"pass", "q8Zr2L\\r\\n", false, '"'}, 1, false);
}

static void a_template_is_one_with_little_around_it(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"password", "%(horse)s", true, '"'},   {"password", "<%= horse %>", true, '"'},  {"password", "$(horse)", true, '"'}, {"password", "$[horse]", true, '"'},
        {"password", "{horse}", true, '"'},     {"password", "ab{horse}", true, '"'},     {"password", "abcdef${HORSE}", true, '"'}, {"password", "%d", true, '"'},
        {"password", "%2d", true, '"'},         {"password", "${a.b:-c}", true, '"'},     {"password", "{}:{}", true, '"'},
        {"password", "{lake}:{horse}", true, '"'}, {"password", "${LAKE}:${HORSE}", true, '"'}, {"password", "|1|{}|{}", true, '"'}, {"password", "%s:%2d", true, '"'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"password", "${ho;rse}q1", true, '"'}, {"password", "qwertyuiopas${X}", true, '"'}, {"password", "qwerty1{x}", true, '"'}, {"password", "qw1rty${}", true, '"'},
        {"password", "%5", true, '"'},          {"password", "%1x5", true, '"'},             {"password", "q1${horse", true, '"'},
        {"password", "{a}qwertyu{b}", true, '"'}, {"password", "${a}qwerty${b}uiopasd", true, '"'}, {"password", "{a}:{b;c}", true, '"'}, {"password", "%s%", true, '"'},
        {"password", "%s:q", true, '"'},
    };
    check(others, sizeof others / sizeof *others, false);
}

static void names_of_files_and_things_are_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"key", "~/keys/mine", false, 0},              {"key", "..\\keys\\mine", true, '"'},         {"key", "notes.md", true, '"'},
        {"key", "my-notes.json", true, '"'},           {"password", "ConvertTo-SecureString", false, 0}, {"password", "#see_below", false, 0},
        {"dbPassword", "Password", false, 0},          {"password", "horses\\n", false, '('},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"key", "/keys/mine1", true, '"'},             {"key", "keys:mine", true, '"'},                  {"key", ".mdx", true, '"'},
        {"key", "data123.json", true, '"'},            {"key", "notes.horse", true, '"'},                {"key", "no+tes.md", true, '"'},
        {"password", "ConvertTo-SecureString", true, '"'}, {"password", "Convert-To-String", false, 0},  {"password", "#ab", false, 0},
        {"password", "horses_lakes", false, 0},        {"password", "HORSES-LAKES", false, 0},
        {"password", "XQZ", false, 0},                 {"password", "XQZW", false, 0},              {"password", "HORSES_LAKES-XQZ", false, 0},
        {"password", "LAKES-Abcd", false, 0},          {"password", "horseTo-LakeShore", false, 0},
    };
    check(others, sizeof others / sizeof *others, false);
}

static void what_is_abridged_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"key", "BBBBBB", true, '"'},   {"key", "abcd...", true, '"'},  {"key", "0x1F", true, '"'},    {"key", "-0x1", false, 0}, {"key", "q1[...]z9", true, '"'}, {"key", "q1\xe2\x80\xa6", true, '"'},
        {"key", "q1n...-----", true, '"'}, {"key", "mya*", true, '"'},  {"key", "[your", true, '"'},   {"key", "{your", true, '"'},     {"key", "(your", true, '"'},
        {"key", "--", true, '"'},       {"key", "", true, '"'},        {"key", "-----BEGIN EC PRIVATE KEY-----", true, '\n'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"key", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", true, '"'},        /* so many may be padding of something */
        {"key", "q1w2e3r4t5y6u7i8...", true, '"'},                     /* long enough without the rest */
        {"key", "0x1F2e3D4c5B", true, '"'},                            {"key", "0z1F", true, '"'},  {"key", "1x1F", true, '"'},
        {"key", "MyAbc*", true, '"'},   {"key", "mybcdefg*", true, '"'}, {"key", "m1*", true, '"'},  {"key", "n...q1", true, '"'},
        {"key", "-----BEGIN EC PRIVATE KEY-----MHcC-----", true, '"'}, {"key", "-----BEGIN EC PRIVATE KEY", true, '"'}, {"key", "-----BEGUN q1-----", true, '"'},
        {"key", "q1\xe2\x82\xac", true, '"'}, {"key", "[horses;", true, '"'},
    };
    check(others, sizeof others / sizeof *others, false);
}

static void what_is_crossed_out_or_cut_off_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"pass", "xxxx-XXXX", true, '"'}, {"pass", "\\xx\\xx\\xx", false, 0},   {"pass", "xx:xx.xx/x*", true, '"'}, {"pass", "#{Horse.lake", false, ' '},
        {"pass", "${ab", false, ' '},     {"pass", "{{Lake::horse", false, ' '}, {"key", "a.pem", true, '"'},        {"key", "q-r.key", true, '"'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {
        {"pass", "xxxx-XXqX", true, '"'}, {"pass", "x-", true, '"'},             {"pass", "x+x", true, '"'},        {"pass", "#{q7;Lake", false, ' '},
        {"pass", "#{Q7.x", true, '"'},    {"pass", "#{Q7.x", false, 0},          {"pass", "%{Q7.x", false, ' '},    {"pass", "$Q7{x", false, ' '},
        {"key", "Qx.pem", true, '"'},
    };
    check(others, sizeof others / sizeof *others, false);
}

static void the_rest_of_a_program_is_not_the_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"key", ", 1q2w)", true, '"'}, {"key", "+ q1w2", true, '"'}, {"key", ") q1", true, '"'}, {"key", ".md5(q1", true, '"'}, {"key", "+(q1", true, '"'}, {"key", "+q", true, '"'},
        {"key", "\".hash($q1).\"", true, '\''}, {"key", "' + q1 + '", true, '"'}, {"key", "', q1", true, '"'},
    };
    check(samples, sizeof samples / sizeof *samples, true);
    static const struct sample others[] = {{"key", "+q1w2", true, '"'}, {"key", ")q1w2", true, '"'}, {"key", ", 1q2w)", false, 0}, {"key", "'q1w2", true, '"'},
                                           {"key", "' q1w2", true, '"'}};
    check(others, sizeof others / sizeof *others, false);
    char long_value[162];
    memset(long_value, 'x', 160);
    long_value[160] = '\0';
    long_value[0] = '$';
    check(&(struct sample){"key", long_value, true, '"'}, 1, true);
    strcat(long_value, "x");
    check(&(struct sample){"key", long_value, true, '"'}, 1, false);   /* nobody calls anything so */
}

static void names_of_examples_are_known_words(void **state)
{
    (void)state;
    static const char *const known[] = {"my_secret", "testPassword", "access-token", "password", "sha256", "ssh-ed25519-key", "test/data", "a_token", "Base64String", "passwordadmin"};
    static const char *const unknown[] = {"horse", "goodspec", "secret1", "", "-", "passwordhorse",
                                          "passwordpasswordpasswordpasswordpasswordpassworda", "sha255", "token-7", "a-b", "a", "test,data", "4-token"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_true(is_known_words(slice_from(known[i])));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (is_known_words(slice_from(unknown[i]))) fail_msg("%s", unknown[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_names_a_value_is_not_the_value),
        cmocka_unit_test(any_other_word_may_be_a_password),
        cmocka_unit_test(an_expression_is_not_the_value),
        cmocka_unit_test(a_call_with_a_text_is_not_the_value),
        cmocka_unit_test(a_name_of_two_whole_words_is_told_from_letters_drawn_by_lot),
        cmocka_unit_test(what_is_escaped_or_quoted_twice_is_read_without),
        cmocka_unit_test(a_template_is_one_with_little_around_it),
        cmocka_unit_test(names_of_files_and_things_are_not_the_value),
        cmocka_unit_test(what_is_abridged_is_not_the_value),
        cmocka_unit_test(what_is_crossed_out_or_cut_off_is_not_the_value),
        cmocka_unit_test(the_rest_of_a_program_is_not_the_value),
        cmocka_unit_test(names_of_examples_are_known_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
