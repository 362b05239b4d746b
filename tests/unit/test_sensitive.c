#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/sensitive.h"

static void names_that_announce_a_secret_are_told_from_those_that_speak_about_one(void **state)
{
    (void)state;
    static const struct {
        const char      *name;
        enum sensitivity expected;
    } names[] = {
        {"password", NAME_STRONG}, {"DB_PASSWORD", NAME_STRONG}, {"dbPassword", NAME_STRONG}, {"db-pwd", NAME_STRONG},
        {"adminUserPassword", NAME_STRONG}, {"client_secret", NAME_STRONG}, {"clientSecret", NAME_STRONG},
        {"AZURE_STORAGE_CONNECTION_STRING", NAME_STRONG}, {"connectionString", NAME_STRONG}, {"AccountKey", NAME_STRONG},
        {"userStorageKey", NAME_STRONG}, {"sasToken", NAME_STRONG}, {"access_token", NAME_STRONG}, {"AZUREML_RUN_TOKEN", NAME_STRONG},
        {"Authorization", NAME_STRONG}, {"Set-Cookie", NAME_STRONG}, {"Ocp-Apim-Subscription-Key", NAME_STRONG},
        {"x-functions-key", NAME_STRONG}, {"api-key", NAME_STRONG}, {"APIKey", NAME_STRONG}, {"OPENAI_API_KEY", NAME_STRONG},
        {"sshPrivateKey", NAME_STRONG}, {"MSI_SECRET", NAME_STRONG}, {"IDENTITY_HEADER", NAME_STRONG},
        {"pass%77ord", NAME_STRONG}, {"\xef\xbd\x90\xef\xbd\x81\xef\xbd\x93\xef\xbd\x93\xef\xbd\x97\xef\xbd\x8f\xef\xbd\x92\xef\xbd\x84", NAME_STRONG},
        {"\xef\xbc\xa4\xef\xbc\xa2_\xef\xbc\xb0\xef\xbc\xb7\xef\xbc\xa4", NAME_STRONG}, {"100%", NAME_PLAIN}, {"pass%7", NAME_PLAIN}, {"pas%zzword", NAME_PLAIN}, {"pass%7zord", NAME_PLAIN},
        {"ikey", NAME_PLAIN}, {"webhook_url", NAME_STRONG}, {"slack_webhook_url", NAME_STRONG}, {"session_id", NAME_WEAK}, {"value", NAME_PLAIN}, {"key value", NAME_WEAK},
        {"pat", NAME_WEAK}, {"sas", NAME_WEAK}, {"github_pat", NAME_STRONG}, {"\xef\xbd\x9f\xef\xbc\x80", NAME_PLAIN}, {"creds", NAME_STRONG},
        {"lockToken", NAME_PLAIN}, {"encrypted_key", NAME_PLAIN}, {"access_token_expires_at", NAME_PLAIN},
        {"key", NAME_WEAK}, {"token", NAME_WEAK}, {"code", NAME_WEAK}, {"sig", NAME_WEAK}, {"primaryKey", NAME_WEAK},
        {"secondaryKey", NAME_WEAK}, {"key1", NAME_WEAK},
        {"SharedAccessKeyName", NAME_PLAIN}, {"passwordLastSet", NAME_PLAIN}, {"token_type", NAME_PLAIN},
        {"token_endpoint", NAME_PLAIN}, {"publicKey", NAME_PLAIN}, {"keyVaultId", NAME_PLAIN}, {"key_id", NAME_PLAIN},
        {"statusCode", NAME_PLAIN}, {"resultCode", NAME_PLAIN}, {"max_tokens", NAME_PLAIN}, {"keyword", NAME_PLAIN},
        {"secret_name", NAME_PLAIN}, {"monkey", NAME_PLAIN}, {"partitionKey", NAME_PLAIN}, {"author", NAME_PLAIN},
        {"passwordExpiryDays", NAME_PLAIN}, {"token_ttl", NAME_PLAIN}, {"TokenLifetimeMinutes", NAME_PLAIN}, {"secret-bits", NAME_PLAIN},
        {"PASSWORD_RETRIES", NAME_PLAIN}, {"passwordHistory", NAME_STRONG}, {"token_refresh_interval", NAME_PLAIN},
        {"CredentialManager", NAME_PLAIN}, {"token_service", NAME_PLAIN}, {"secretFileExtension", NAME_PLAIN}, {"managerPassword", NAME_STRONG},
        {"password_service", NAME_STRONG}, {"password_manager", NAME_STRONG}, {"tokenServicePassword", NAME_STRONG}, {"TokenHandler", NAME_PLAIN},
        {"holidaysPassword", NAME_STRONG}, {"secret_bytes", NAME_STRONG}, {"daysSecret", NAME_STRONG},
        {"message", NAME_PLAIN}, {"name", NAME_PLAIN}, {"", NAME_PLAIN}, {"a", NAME_PLAIN}, {"compass", NAME_PLAIN},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name_sensitivity(slice_from(names[i].name)) != names[i].expected)
            fail_msg("%s is taken for %d", names[i].name, name_sensitivity(slice_from(names[i].name)));
}

static void only_long_mixed_values_look_like_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool        expected;
    } values[] = {
        {"q8Zr2LmK0vXwPb7NcYtD4fGh", true}, {"8c1f02b7a94e4d3c9b5a6f7e8d9c0b1a", true}, {"Zk3/9sdf+Qw8eRt5Yu7i==", true},
        {"448325ee-0763-4067-aecd-ee4149f3cddc", false}, {"2026-11-22T04:00:00.1234567Z", false}, {"12345678901234567890", false},
        {"/subscriptions/x/resourceGroups/rg-01", false}, {"westeurope", false}, {"https://host.example/path/1234567", false},
        {"production-cluster-01", false}, {"short1A", false}, {"two words 12345678", false}, {"1.27.0.20261122", false},
        {"QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUiOpAsDfG", true},          /* 41 letters of both cases */
        {"QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUiOpAsD", false},           /* 39 */
        {"QwErTyUiOpAsDf/hJkLzXcVbNmQwErTyUi/pAsDfG", false}, {"QwErTyUiOpAsDf.hJkLzXcVbNmQwErTyUiOpAsDfG", false},
        {"qwertyuiopasdfghjklzxcvbnmqwertyuiopasdfg", false}, {"QWERTYUIOPASDFGHJKLZXCVBNMQWERTYUIOPASDFG", false},
        {"[q8Zr2LmK0vXw]", false}, {"q8Zr2LmK0vX", false}, {"12.34-56.78-9ab", false}, {"/abc1/Def2/ghi3X", false}, {"abc1://Def2ghi3XyZ", false},
        {"abc1/def2/ghi3/jkl", false}, {"aBc1/dEf2/gHi3/jKl", true}, {"ab-cd-ef-gh-01", false}, {"abcdefghij-klmnop1", false},
        {"ABCDEFGHIJ-KLMNOP1", false}, {"aBcDeFgHiJ-kLmNoP1", true}, {"2026-11-22Tab:cd:EFGHij", false}, {"2026-11-22Xab:cd:EFGHij", true},
        {"AB-CD-EF-GH-01", false}, {"aB-cD-eF-gH-01x", true}, {"aaaaaaaaaaa1B", false}, {"abababababababab1212Ab", false}, {"xxxxxxxxxxxxx", false},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (looks_like_credential(slice_from(values[i].value)) != values[i].expected) fail_msg("%s", values[i].value);
}

static void a_placeholder_says_nothing_and_odd_brackets_hold_a_value(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool        nothing;
    } values[] = {
        {"", true}, {"<password>", true}, {"${DB_PASSWORD_1}", true}, {"$(pw)", true}, {"<1>", true}, {"<key 1>", true}, {"<key-1>", true}, {"{{name}}", true}, {"****", true},
        {"<x7$Qe9>", false}, {"{a1}", false}, {"$ecret", false}, {"<a", false}, {"[redacted:jwt]", false}, {"hunter2", false},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true}, {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (says_nothing(slice_from(values[i].value)) != values[i].nothing) fail_msg("%s", values[i].value);
}

static void a_name_of_tokens_ends_so(void **state)
{
    (void)state;
    assert_true(name_is_token(SLICE("apiTokens")));
    assert_true(name_is_token(SLICE("token")));
    assert_false(name_is_token(SLICE("tokenize")));
    assert_false(name_is_token(SLICE("oken")));
    assert_false(name_is_token(SLICE("")));
}

static void a_value_is_no_credential_if_it_is_too_long(void **state)
{
    static char value[8194];
    (void)state;
    for (size_t i = 0; i < 8193; i++) value[i] = "q8Zr2LmK0vXwPb7NcYtD4fGh"[i % 24];
    assert_true(looks_like_credential(slice_of(value, 8192)));
    assert_false(looks_like_credential(slice_of(value, 8193)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_announce_a_secret_are_told_from_those_that_speak_about_one),
        cmocka_unit_test(a_placeholder_says_nothing_and_odd_brackets_hold_a_value),
        cmocka_unit_test(a_name_of_tokens_ends_so),
        cmocka_unit_test(a_value_is_no_credential_if_it_is_too_long),
        cmocka_unit_test(only_long_mixed_values_look_like_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
