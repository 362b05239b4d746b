/* What the profiles do to records, by example. Pseudonyms are shown as <run>, <user>, <name>, <ikey>. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policies_open.h"

#include <stdlib.h>

struct example {
    const char *in, *out;
};


/* Pseudonyms differ from key to key: "run-K7QM-<26 characters>" becomes "<run>". */
static void hide_pseudonyms(const char *text, char *out)
{
    static const char *const kinds[] = {"run", "user", "name", "ikey"};
    while (*text != '\0') {
        size_t skip = 0;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds && skip == 0; k++) {
            size_t len = strlen(kinds[k]);
            if (strncmp(text, kinds[k], len) != 0 || text[len] != '-' || strlen(text) < len + 32 || text[len + 5] != '-') continue;
            if (strspn(text + len + 6, "abcdefghijklmnopqrstuvwxyz234567") < 26) continue;
            skip = len + 32;
            *out++ = '<';
            memcpy(out, kinds[k], len);
            out += len;
            *out++ = '>';
        }
        if (skip == 0) *out++ = *text++;
        else text += skip;
    }
    *out = '\0';
}

static void check_all(struct redacting *t, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *in = NULL, *expected = NULL;
        assert_true(asprintf(&in, "%s\n", examples[i].in) > 0);
        assert_true(asprintf(&expected, examples[i].out[0] ? "%s\n" : "%s", examples[i].out) >= 0);
        const char *out = redacting_text(t, slice_from(in));
        char *shown = malloc(strlen(out) + 1);
        hide_pseudonyms(out, shown);
        if (strcmp(shown, expected) != 0) fail_msg("\n  in       %s  out      %s  expected %s", in, shown, expected);
        char *first = strdup(out);
        if (strcmp(redacting_text(t, slice_from(first)), first) != 0) fail_msg("not idempotent: %s%s", first, t->out.data);
        free(first);
        free(in);
        free(expected);
        free(shown);
    }
}

#define CHECK_ALL(profile, ...)                                                                                                \
    static const struct example examples[] = {__VA_ARGS__};                                                                    \
    (void)state;                                                                                                               \
    check_all(profile, examples, sizeof examples / sizeof *examples)

static void clean_records_stay_byte_for_byte(void **state)
{
    CHECK_ALL(&standard,
        {"{ \"a\" : 1.50 , \"A\":1e5,\"a\":null, \"t\":\"\\u0041\\/\" }", "{ \"a\" : 1.50 , \"A\":1e5,\"a\":null, \"t\":\"\\u0041\\/\" }"},
        {"{\"IKey\":\"448325ee-0763-4067-aecd-ee4149f3cddc\",\"traceparent\":\"00-c8b09320b1db6f09f21a941accb186ac-e296e3682e520d7b-01\"}",
         "{\"IKey\":\"448325ee-0763-4067-aecd-ee4149f3cddc\",\"traceparent\":\"00-c8b09320b1db6f09f21a941accb186ac-e296e3682e520d7b-01\"}"},
        {"{\"identity\":{\"claims\":{\"name\":\"Ada Berg\",\"aio\":\"cKB4DGfxlzRuLZexiYgoILKMH795Efn5eTdwnYtPHhWxru8QuaPCVY5FNtq\"}}}",
         "{\"identity\":{\"claims\":{\"name\":\"Ada Berg\",\"aio\":\"cKB4DGfxlzRuLZexiYgoILKMH795Efn5eTdwnYtPHhWxru8QuaPCVY5FNtq\"}}}"},
        {"{\"token_type\":\"Bearer\",\"max_tokens\":512,\"passwordLastSet\":\"2026-01-01\"}",
         "{\"token_type\":\"Bearer\",\"max_tokens\":512,\"passwordLastSet\":\"2026-01-01\"}"});
}

static void a_sensitive_name_masks_its_value(void **state)
{
    CHECK_ALL(&standard,
        {"{\"password\":\"hunter2\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
        {"{\"DB_Password\":\"a\\\"b\\u0041\"}", "{\"DB_Password\":\"[redacted:sensitive-name]\"}"},
        {"{\"password\":12345}", "{\"password\":\"[redacted:sensitive-name]\"}"},
        {"{\"password\":null,\"secret\":true,\"apiKey\":\"\"}", "{\"password\":null,\"secret\":true,\"apiKey\":\"\"}"},
        {"{\"password\":\"<password>\"}", "{\"password\":\"<password>\"}"},
        {"{\"key\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\",\"key\":\"blue\"}", "{\"key\":\"[redacted:sensitive-name]\",\"key\":\"blue\"}"},
        {"{\"passwords\":[\"one1\",{\"name\":\"p\",\"value\":\"two2\"}]}",
         "{\"passwords\":[\"[redacted:sensitive-name]\",{\"name\":\"p\",\"value\":\"[redacted:sensitive-name]\"}]}"},
        {"{\"token\":\"J1mJ5xq4b\",\"next\":{\"token\":\"attention\"}}", "{\"token\":\"[redacted:sensitive-name]\",\"next\":{\"token\":\"attention\"}}"},
        {"{\"code\":\"J1mJ5xq4b\"}", "{\"code\":\"J1mJ5xq4b\"}"},
        {"{\"p\\u0061ssword\":\"hunter2\"}", "{\"p\\u0061ssword\":\"[redacted:sensitive-name]\"}"});
}

static void names_count_in_free_text_too(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"login with password=hunter2, ok\"}", "{\"m\":\"login with password=[redacted:sensitive-name], ok\"}"},
        {"{\"m\":\"DB_PASSWORD: 'a b c' next\"}", "{\"m\":\"DB_PASSWORD: '[redacted:sensitive-name]' next\"}"},
        {"{\"m\":\"{'client_secret': 'xy', 'n': 1\"}", "{\"m\":\"{'client_secret': '[redacted:sensitive-name]', 'n': 1\"}"},
        {"{\"m\":\"GET /x?api-key=abc123&n=1\"}", "{\"m\":\"GET /x?api-key=[redacted:sensitive-name]&n=1\"}"},
        {"{\"m\":\"password is required; password: incorrect\"}", "{\"m\":\"password is required; password: incorrect\"}"},
        {"{\"m\":\"az login --password hunter2 --tenant t\"}", "{\"m\":\"az login --password [redacted:sensitive-name] --tenant t\"}"},
        {"{\"m\":\"Cookie: a=b; c=d\\nHost: x\"}", "{\"m\":\"Cookie: [redacted:cookie-header]\\nHost: x\"}"},
        {"{\"m\":\"<adminPassword>x1</adminPassword>\"}", "{\"m\":\"<adminPassword>[redacted:sensitive-name]</adminPassword>\"}"},
        {"{\"m\":\"/score?user=a&password=Abc_Def-Ghi&page=5\"}", "{\"m\":\"/score?user=a&password=[redacted:sensitive-name]&page=5\"}"},
        {"{\"m\":\"agent/0.9 password=hItpt_kAA8F.ctx\"}", "{\"m\":\"agent/0.9 password=[redacted:sensitive-name]\"}"},
        {"{\"m\":\"agent/0.9 password=UbjtE-sRJeobyTZKyvR_Qzq\"}", "{\"m\":\"agent/0.9 password=[redacted:sensitive-name]\"}"},
        {"{\"m\":\"connect(password=config.database)\"}", "{\"m\":\"connect(password=config.database)\"}"},
        {"{\"m\":\"pwd=trouts; PWD=/home/ada\"}", "{\"m\":\"pwd=[redacted:sensitive-name]; PWD=/home/ada\"}"},
        {"plain password=hunter2", "{\"message\":\"plain password=[redacted:sensitive-name]\"}"});
}

static void secrets_in_text_are_found_however_they_are_written(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"acmeToken := `q8Zr2LmK0vXw`\"}", "{\"m\":\"acmeToken := `[redacted:sensitive-name]`\"}"},
        {"{\"m\":\"setProperty('API_TOKEN', 'q8Zr2LmK0vXw')\"}", "{\"m\":\"setProperty('API_TOKEN', '[redacted:sensitive-name]')\"}"},
        {"{\"m\":\"var apiToken string = 'q8Zr2LmK0vXw'\"}", "{\"m\":\"var apiToken string = '[redacted:sensitive-name]'\"}"},
        {"{\"m\":\"<add key='SmtpPassword' value='q8Zr2L'/>\"}", "{\"m\":\"<add key='SmtpPassword' value='[redacted:sensitive-name]'/>\"}"},
        {"{\"m\":\"<apiToken>\\n  q8Zr2LmK0vXw\\n</apiToken>\"}", "{\"m\":\"<apiToken>\\n  [redacted:sensitive-name]\\n</apiToken>\"}"},
        {"{\"m\":\"acme SECRET 5f3a9cb2e1d04786af35\"}", "{\"m\":\"acme SECRET [redacted:sensitive-name]\"}"},
        {"{\"m\":\"deepgram = 5f3a9cb2e1d04786af355f3a9cb2e1d04786af35\"}", "{\"m\":\"deepgram = [redacted:sensitive-name]\"}"},
        {"{\"m\":\"the password is 'maj4x9'\"}", "{\"m\":\"the password is '[redacted:sensitive-name]'\"}"},
        {"{\"m\":\"new PSCredential('maja', 'q8Zr2L')\"}", "{\"m\":\"new PSCredential('maja', '[redacted:sensitive-name]')\"}"},
        {"{\"m\":\"Server=db;UID=sa;PWD=horse9;\"}", "{\"m\":\"Server=db;UID=sa;PWD=[redacted:sensitive-name];\"}"},
        {"{\"m\":\"if (password == 'q8Zr2L')\"}", "{\"m\":\"if (password == '[redacted:sensitive-name]')\"}"},
        {"{\"m\":\"\\u001b[93msk-5f3a9cb2e1d04786af355f3a9cb2e1d0\\u001b[0m\"}",
         "{\"m\":\"\\u001b[93m[redacted:deepseek-key]\\u001b[0m\"}"},
        {"{\"m\":\"p\\u0000a\\u0000s\\u0000s\\u0000w\\u0000o\\u0000r\\u0000d\\u0000=\\u0000h\\u0000u\\u0000n\\u0000t\\u0000e\\u0000r\\u00002\\u0000\"}",
         "{\"m\":\"p\\u0000a\\u0000s\\u0000s\\u0000w\\u0000o\\u0000r\\u0000d\\u0000=\\u0000[redacted:sensitive-name]\\u0000\"}"},
        {"{\"m\":\"x cABhAHMAcwB3AG8AcgBkAD0AaAB1AG4AdABlAHIAMgAyADIAMgA= y\"}", "{\"m\":\"x [redacted:sensitive-name] y\"}"});
}

static void a_value_goes_to_its_end_whatever_stands_in_it(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"password=x7)Qe9rTz next\"}",
         "{\"m\":\"password=[redacted:sensitive-name] next\"}"},
        {"{\"m\":\"db_pass: m{{h}o)p${e]nob(ody, next\"}",
         "{\"m\":\"db_pass: [redacted:sensitive-name], next\"}"},
        {"{\"m\":\"connect(password=q8Zr2L)\"}",
         "{\"m\":\"connect(password=[redacted:sensitive-name])\"}"},
        {"{\"m\":\"{user: maja, password: q8Zr2L}\"}",
         "{\"m\":\"{user: maja, password: [redacted:sensitive-name]}\"}"},
        {"{\"m\":\"<Pool(password=q8Zr2L)>\"}",
         "{\"m\":\"<Pool(password=[redacted:sensitive-name])>\"}"},
        {"{\"m\":\"acme kraken q8Zr2LmK0vXw-7Nc/=YtD4fGh+9Bd ok\"}",
         "{\"m\":\"acme kraken [redacted:sensitive-name] ok\"}"},
        {"{\"m\":\"export API_TOKEN='q8Zr2L''x1y2z3'\"}",
         "{\"m\":\"export API_TOKEN='[redacted:sensitive-name]'\"}"},
        {"{\"m\":\"password = \\\"q8Zr2L\\\" + \\\"x1y2z3\\\";\"}",
         "{\"m\":\"password = \\\"[redacted:sensitive-name]\\\" + \\\"[redacted:sensitive-name]\\\";\"}"},
        {"{\"m\":\"token: \\\"q8Zr2LmK0vXwPb7N\\n    cYtD4fGhT5x8Ls3J\\n    kQ==\\\" ok\"}",
         "{\"m\":\"token: \\\"[redacted:sensitive-name]\\\" ok\"}"},
        {"{\"m\":\"token: \\\"q8Zr2LmK0vXwPb7N\\nand then \\\"more\\\"\"}",
         "{\"m\":\"token: \\\"[redacted:sensitive-name]\\nand then \\\"more\\\"\"}"});
}

/* As programs write JSON into a text of their own: what follows a value is no value. */
static void an_escaped_quote_closes_a_value_and_opens_none(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"send('{\\\\\\\"auth_token\\\\\\\":\\\\\\\"q8Zr2L\\\\\\\",\\\\\\\"host\\\\\\\":\\\\\\\"h\\\\\\\"}')\"}",
         "{\"m\":\"send('{\\\\\\\"auth_token\\\\\\\":\\\\\\\"[redacted:sensitive-name]\\\\\\\",\\\\\\\"host\\\\\\\":\\\\\\\"h\\\\\\\"}')\"}"},
        {"{\"m\":\"api_token=\\\\\\\"q8Zr2L\\\\\\\" + \\\\\\\"x1y2z3\\\\\\\", \\\\\\\"h\\\\\\\"\"}",
         "{\"m\":\"api_token=\\\\\\\"[redacted:sensitive-name]\\\\\\\" + \\\\\\\"[redacted:sensitive-name]\\\\\\\", \\\\\\\"h\\\\\\\"\"}"});
}

/* CSV (RFC 4180) and SQL double quotes that stand in a text; Python opens long texts by three. */
/* CSV (RFC 4180) and SQL double quotes that stand in a text; Python opens long texts by three. */
/* The line that ends it belongs to no key of its own. */
/* CSV (RFC 4180) and SQL double quotes that stand in a text; Python opens long texts by three. */
/* The line that ends it belongs to no key of its own. */
/* CSV (RFC 4180) and SQL double quotes that stand in a text; Python opens long texts by three. */
static void doubled_quotes_open_a_value_as_one_does(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"1,\\\"{\\\"\\\"user\\\"\\\":\\\"\\\"maja\\\"\\\",\\\"\\\"password\\\"\\\":\\\"\\\"q8Zr2L\\\"\\\",\\\"\\\"host\\\"\\\":\\\"\\\"h\\\"\\\"}\\\",ok\"}",
         "{\"m\":\"1,\\\"{\\\"\\\"user\\\"\\\":\\\"\\\"maja\\\"\\\",\\\"\\\"password\\\"\\\":\\\"\\\"[redacted:sensitive-name]\\\"\\\",\\\"\\\"host\\\"\\\":\\\"\\\"h\\\"\\\"}\\\",ok\"}"},
        {"{\"m\":\"1,\\\"{\\\"\\\"account_key\\\"\\\": \\\"\\\"/q8Z r2L\\\"\\\",\\\"\\\"n\\\"\\\":1}\\\"\"}",
         "{\"m\":\"1,\\\"{\\\"\\\"account_key\\\"\\\": \\\"\\\"[redacted:sensitive-name]\\\"\\\",\\\"\\\"n\\\"\\\":1}\\\"\"}"},
        {"{\"m\":\"exec('create login x with password = ''q8Z;r2L'', n = ''h''')\"}",
         "{\"m\":\"exec('create login x with password = ''[redacted:sensitive-name]'', n = ''h''')\"}"},
        {"{\"m\":\"exec('exec(''alter login x with password = ''''q8Z''r2L'''' '')')\"}",
         "{\"m\":\"exec('exec(''alter login x with password = ''''[redacted:sensitive-name]'''' '')')\"}"},
        {"{\"m\":\"password = \\\"\\\"\\\"q8Z\\\"r2L\\\"\\\"\\\" + x\"}",
         "{\"m\":\"password = \\\"\\\"\\\"[redacted:sensitive-name]\\\"\\\"\\\" + x\"}"},
        {"{\"m\":\"password = '''q8Zr2L' h\"}", "{\"m\":\"password = '''[redacted:sensitive-name]' h\"}"},
        {"{\"m\":\"password=\\\"\\\" user=\\\"h\\\" api_token=\\\"\\\", n='h'\"}",
         "{\"m\":\"password=\\\"\\\" user=\\\"h\\\" api_token=\\\"\\\", n='h'\"}"});
}

static void a_tag_between_quotes_is_a_placeholder_and_opens_no_element(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"set-login \\\"<password>\\\" -Plain now\"}",
         "{\"m\":\"set-login \\\"<password>\\\" -Plain now\"}"},
        {"{\"m\":\"login = '<password>'; n = 'h'\"}", "{\"m\":\"login = '<password>'; n = 'h'\"}"},
        {"{\"m\":\"<password>\\\"q8Zr2L\\\"</password>\"}",
         "{\"m\":\"<password>\\\"[redacted:sensitive-name]\\\"</password>\"}"});
}

static void a_variable_that_holds_no_secret_goes_as_any_variable_does(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"run -e ACME_TOKEN={your token} -e ACME_TOKEN=q8Zr2L x\"}",
         "{\"m\":\"run -e ACME_TOKEN=[redacted:environment] token} -e ACME_TOKEN=[redacted:sensitive-name] x\"}"},
        {"{\"m\":\"export ACME_TOKEN=$OTHER_TOKEN\"}", "{\"m\":\"export ACME_TOKEN=[redacted:environment]\"}"});
}

static void the_name_of_a_credential_stands_for_it_in_a_url_too(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"GET https://h.example/hook?repo_token=ACME_REPO_TOKEN&n=1\"}",
         "{\"m\":\"GET https://h.example/hook?repo_token=ACME_REPO_TOKEN&n=1\"}"},
        {"{\"m\":\"GET https://h.example/hook?repo_token=ACME_REPO_LAKES&n=1\"}",
         "{\"m\":\"GET https://h.example/hook?repo_token=[redacted:sensitive-name]&n=1\"}"},
        {"{\"m\":\"GET https://h.example/hook?repo_token=Acme_Repo_Token&n=1\"}",
         "{\"m\":\"GET https://h.example/hook?repo_token=[redacted:sensitive-name]&n=1\"}"});
}

/* The line that ends it belongs to no key of its own. */
static void a_private_key_that_was_left_out_is_none(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"'key' => '-----BEGIN PRIVATE KEY-----\\\\n...\\\\n-----END PRIVATE KEY-----\\\\n', 'n' => 'h'\"}",
         "{\"m\":\"'key' => '-----BEGIN PRIVATE KEY-----\\\\n...\\\\n-----END PRIVATE KEY-----\\\\n', 'n' => 'h'\"}"},
        {"{\"m\":\"private_key=\\\"-----BEGIN RSA PRIVATE KEY-----\\\\\\\\n...\\\\\\\\n-----END RSA PRIVATE KEY-----\\\\\\\\n\\\", n\"}",
         "{\"m\":\"private_key=\\\"-----BEGIN RSA PRIVATE KEY-----\\\\\\\\n...\\\\\\\\n-----END RSA PRIVATE KEY-----\\\\\\\\n\\\", n\"}"},
        {"{\"m\":\"private_key=\\\"-----BEGIN RSA PRIVATE KEY-----\\\\nq8Zr2LmK0vXwPb7NcYtD4fGh\\\\n-----END RSA PRIVATE KEY-----\\\\n\\\", n\"}",
         "{\"m\":\"private_key=\\\"[redacted:sensitive-name]\\\", n\"}"},
        {"{\"m\":\"'-----BEGIN PRIVATE KEY-----\\\\nq8Zr2LmK0vXwPb7NcYtD4fGh\\\\n-----END PRIVATE KEY-----\\\\n', 'n'\"}",
         "{\"m\":\"'[redacted:private-key]\\\\n', 'n'\"}"});
}

static void a_name_may_go_on_behind_its_word_and_stand_far_from_its_sign(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"{\\\"credential_value\\\": \\\"horse-lake\\\", \\\"n\\\": 1} ok\"}",
         "{\"m\":\"{\\\"credential_value\\\": \\\"[redacted:sensitive-name]\\\", \\\"n\\\": 1} ok\"}"},
        {"{\"m\":\"passphrase_old=horselake account_key_eu=horselake n=h\"}",
         "{\"m\":\"passphrase_old=[redacted:sensitive-name] account_key_eu=[redacted:sensitive-name] n=h\"}"},
        {"{\"m\":\"password                    = \\\"horselake\\\"\"}",
         "{\"m\":\"password                    = \\\"[redacted:sensitive-name]\\\"\"}"},
        {"{\"m\":\"private-key.pem                    : horselake\"}",
         "{\"m\":\"private-key.pem                    : [redacted:sensitive-name]\"}"},
        {"{\"m\":\"credential_type: horselake credential_id=horselake\"}",
         "{\"m\":\"credential_type: horselake credential_id=horselake\"}"},
        {"{\"m\":\"policy passwordExpiryDays: 90, tokenRefreshIntervalSeconds=3600\"}",
         "{\"m\":\"policy passwordExpiryDays: 90, tokenRefreshIntervalSeconds=3600\"}"});
}

/* The line that ends it belongs to no key of its own. */
/* The line that ends it belongs to no key of its own. */
static void bytes_of_a_key_as_numbers_go(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"Secret: []byte{33, 9, 100, 0x64, 245, 164, 134, 217}, ok\"}",
         "{\"m\":\"Secret: []byte{[redacted:sensitive-name]}, ok\"}"},
        {"{\"m\":\"signing_key = bytes([12, 99, 201, 7, 88, 143, 54, 200])\"}",
         "{\"m\":\"signing_key = bytes([[redacted:sensitive-name]])\"}"},
        {"{\"m\":\"secret sizes: [12, 99]\"}",
         "{\"m\":\"secret sizes: [12, 99]\"}"},
        {"{\"m\":\"key: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\"}",
         "{\"m\":\"key: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\"}"});
}

static void a_short_token_goes_if_letters_and_digits_take_turns_in_it(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"token: J1mJ5xq4b\"}",
         "{\"m\":\"token: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"GET /badge.svg?token=7U8C68I1L7 HTTP/1.1\"}",
         "{\"m\":\"GET /badge.svg?token=[redacted:sensitive-name] HTTP/1.1\"}"},
        {"{\"m\":\"GET /callback?code=7U8C68I1L7&n=1\"}",
         "{\"m\":\"GET /callback?code=[redacted:sensitive-name]&n=1\"}"},
        {"{\"m\":\"\\\"tokens\\\":[\\\"587bc5ed45f4577c\\\",\\\"4d1c00271216c5b7\\\"]\"}",
         "{\"m\":\"\\\"tokens\\\":[\\\"[redacted:sensitive-name]\\\",\\\"[redacted:sensitive-name]\\\"]\"}"},
        {"{\"m\":\"token: attention\"}",
         "{\"m\":\"token: attention\"}"},
        {"{\"m\":\"token: 20261126\"}",
         "{\"m\":\"token: 20261126\"}"},
        {"{\"m\":\"token: step12345\"}",
         "{\"m\":\"token: step12345\"}"},
        {"{\"m\":\"code: E1001x2y\"}",
         "{\"m\":\"code: E1001x2y\"}"});
}

static void a_secret_is_an_argument_or_an_option(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"Connect-X -CertFilePassword q8Zr2L -Tenant t\"}",
         "{\"m\":\"Connect-X -CertFilePassword [redacted:sensitive-name] -Tenant t\"}"},
        {"{\"m\":\"if updated.Password != \\\"q8Zr2L\\\" {\"}",
         "{\"m\":\"if updated.Password != \\\"[redacted:sensitive-name]\\\" {\"}"},
        {"{\"m\":\"insert into u values ('maja', password('q8Zr2L'))\"}",
         "{\"m\":\"insert into u values ('maja', password('[redacted:sensitive-name]'))\"}"},
        {"{\"m\":\"create user maja identified by q8Zr2L temporary\"}",
         "{\"m\":\"create user maja identified by [redacted:sensitive-name] temporary\"}"},
        {"{\"m\":\"setopt(c, CURLOPT_PASSWORD, \\\"horsebattery\\\")\"}",
         "{\"m\":\"setopt(c, CURLOPT_PASSWORD, \\\"[redacted:sensitive-name]\\\")\"}"},
        {"{\"m\":\"smtp.login(\\\"maja\\\", \\\"q8Zr2L\\\")\"}",
         "{\"m\":\"smtp.login(\\\"maja\\\", \\\"[redacted:sensitive-name]\\\")\"}"},
        {"{\"m\":\"new PDO(\\\"sqlsrv:server = db\\\", \\\"maja\\\", \\\"q8Zr2L\\\")\"}",
         "{\"m\":\"new PDO(\\\"sqlsrv:server = db\\\", \\\"maja\\\", \\\"[redacted:sensitive-name]\\\")\"}"},
        {"{\"m\":\"<add key=\\\"GitHubPat\\\" value=\\\"5f3a9cb2e1d04786af35\\\" />\"}",
         "{\"m\":\"<add key=\\\"GitHubPat\\\" value=\\\"[redacted:sensitive-name]\\\" />\"}"},
        {"{\"m\":\"\\\"oauth_verifier\\\": \\\"q8Zr2L\\\"\"}",
         "{\"m\":\"\\\"oauth_verifier\\\": \\\"[redacted:sensitive-name]\\\"\"}"},
        {"{\"m\":\"password(\\\"enter yours: \\\")\"}",
         "{\"m\":\"password(\\\"enter yours: \\\")\"}"},
        {"{\"m\":\"the token is expired\"}",
         "{\"m\":\"the token is expired\"}"},
        {"{\"m\":\"password required\"}",
         "{\"m\":\"password required\"}"});
}

static void credentials_that_a_program_encodes_go(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"File 'a.py': h = base64.b64encode(b'maja:horselake').decode()\"}",
         "{\"m\":\"File 'a.py': h = base64.b64encode(b'[redacted:sensitive-name]').decode()\"}"},
        {"{\"m\":\"btoa(\\\"maja:horselake\\\") Base64.encode64( \\\"maja:q8Zr\\\")\"}",
         "{\"m\":\"btoa(\\\"[redacted:sensitive-name]\\\") Base64.encode64( \\\"[redacted:sensitive-name]\\\")\"}"},
        {"{\"m\":\"btoa(\\\"https://h.example/x\\\") btoa(\\\"maja horse: lake\\\") btoa(\\\"horselake\\\") btoa(\\\":horselake\\\") btoa(\\\"maja:x7z\\\")\"}",
         "{\"m\":\"btoa(\\\"https://h.example/x\\\") btoa(\\\"maja horse: lake\\\") btoa(\\\"horselake\\\") btoa(\\\":horselake\\\") btoa(\\\"maja:x7z\\\")\"}"},
        {"{\"m\":\"btoa('user:password') btoa(`maja:horselake`) b64encode(f'{user}:{key}') btoa('maja:${PW}')\"}",
         "{\"m\":\"btoa('user:password') btoa(`maja:horselake`) b64encode(f'{user}:{key}') btoa('maja:${PW}')\"}"});
}

static void a_filter_of_ldap_may_name_its_rule_before_the_value(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"(&(uid=maja)(userPassword:2.5.13.18:=horselake))\"}",
         "{\"m\":\"(&(uid=maja)(userPassword:2.5.13.18:=[redacted:sensitive-name]))\"}"},
        {"{\"m\":\"(userPassword:2.5.13.18:=\\\\xx\\\\xx)\"}", "{\"m\":\"(userPassword:2.5.13.18:=\\\\xx\\\\xx)\"}"},
        {"{\"m\":\"userPassword:2.5.13.18=x\"}", "{\"m\":\"userPassword:[redacted:sensitive-name]\"}"},
        {"{\"m\":\"password: 1234\"}", "{\"m\":\"password: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"password:=12.34\"}", "{\"m\":\"password:=[redacted:sensitive-name]\"}"});
}

static void the_name_of_an_algorithm_is_no_key(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"allowed_keys=[\\\"ecdsa-sha2-nistp256\\\"]\"}",
         "{\"m\":\"allowed_keys=[\\\"ecdsa-sha2-nistp256\\\"]\"}"},
        {"{\"m\":\"kex: key=ssh-ed25519-aes256 password: sha512\"}",
         "{\"m\":\"kex: key=ssh-ed25519-aes256 password: sha512\"}"},
        {"{\"m\":\"key=ecdsa-sha2-nistp255\"}", "{\"m\":\"key=[redacted:sensitive-name]\"}"});
}

static void a_list_of_secrets_is_one_in_csv_and_in_a_text_of_json_too(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"1,\\\"{\\\"\\\"api_tokens\\\"\\\":[\\\"\\\"q8Zr2L\\\"\\\",\\\"\\\"x1y2z3\\\"\\\"],\\\"\\\"n\\\"\\\":\\\"\\\"h\\\"\\\"}\\\"\"}",
         "{\"m\":\"1,\\\"{\\\"\\\"api_tokens\\\"\\\":[\\\"\\\"[redacted:sensitive-name]\\\"\\\",\\\"\\\"[redacted:sensitive-name]\\\"\\\"],\\\"\\\"n\\\"\\\":\\\"\\\"h\\\"\\\"}\\\"\"}"},
        {"{\"m\":\"api_tokens = [\\\\\\\"q8Zr2L\\\\\\\", \\\\\\\"x1y2z3\\\\\\\"], h=\\\\\\\"i\\\\\\\"\"}",
         "{\"m\":\"api_tokens = [\\\\\\\"[redacted:sensitive-name]\\\\\\\", \\\\\\\"[redacted:sensitive-name]\\\\\\\"], h=\\\\\\\"i\\\\\\\"\"}"},
        {"{\"m\":\"Cookie: a=b; :password => 'horselake', c=d\"}", "{\"m\":\"Cookie: [redacted:sensitive-name]\"}"});
}

static void every_text_of_a_list_of_secrets_goes(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"secrets = ['q8Zr2L', 'x1y2z3', 7] ok\"}",
         "{\"m\":\"secrets = ['[redacted:sensitive-name]', '[redacted:sensitive-name]', 7] ok\"}"},
        {"{\"m\":\"secrets = ['q8Zr2L' 'x1y2z3']\"}",
         "{\"m\":\"secrets = ['[redacted:sensitive-name]' '[redacted:sensitive-name]']\"}"},
        {"{\"m\":\"secrets = ['q8Zr2L']\"}",
         "{\"m\":\"secrets = ['[redacted:sensitive-name]']\"}"},
        {"{\"m\":\"secrets = ['q8Zr2L', 'string']\"}",
         "{\"m\":\"secrets = ['[redacted:sensitive-name]', 'string']\"}"},
        {"{\"m\":\"secrets = ['q8Zr2L',\"}",
         "{\"m\":\"secrets = ['[redacted:sensitive-name]',\"}"},
        {"{\"m\":\"secrets = 'q8Zr2L', 'x1y2z3'\"}",
         "{\"m\":\"secrets = '[redacted:sensitive-name]', 'x1y2z3'\"}"});
}

static void a_connection_string_goes_as_far_as_it_goes(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"connectionString=Server=db;Pwd=x1y2z3,4 next\"}",
         "{\"m\":\"connectionString=[redacted:sensitive-name] next\"}"},
        {"{\"m\":\"connectionString=Server=db;Pwd=x1y2z3</add>\"}",
         "{\"m\":\"connectionString=[redacted:sensitive-name]</add>\"}"},
        {"{\"m\":\"Cookie: a=b; c=d\"}",
         "{\"m\":\"Cookie: [redacted:cookie-header]\"}"});
}

static void a_guid_is_the_key_of_something_in_particular_or_an_id(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"acme_key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"acme_key: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"cache_key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"cache_key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}"},
        {"{\"m\":\"my_code=448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"my_code=448325ee-0763-4067-aecd-ee4149f3cddc\"}"},
        {"{\"m\":\"key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}"},
        {"{\"m\":\"x-i-key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"x-i-key: 448325ee-0763-4067-aecd-ee4149f3cddc\"}"});
}

static void what_an_expression_is_made_of_is_looked_at(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"password = sha256('q8Zr2LmK0vXwPb7NcYtD4fGh')\"}",
         "{\"m\":\"password = sha256('[redacted:sensitive-name]')\"}"},
        {"{\"m\":\"password = hash('short')\"}",
         "{\"m\":\"password = hash('short')\"}"},
        {"{\"m\":\"password = hash(data)\"}",
         "{\"m\":\"password = hash(data)\"}"},
        {"{\"m\":\"password = sha256('q8Zr2LmK0vXwPb7NcYtD4fGh\"}",
         "{\"m\":\"password = sha256('[redacted:sensitive-name]\"}"});
}

static void a_value_is_read_behind_whatever_sign_announces_it(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"<password> --next\"}",
         "{\"m\":\"<password> --next\"}"},
        {"{\"m\":\"password > q8Zr2L\"}",
         "{\"m\":\"password > q8Zr2L\"}"},
        {"{\"m\":\"<password>q8Zr2L</password>\"}",
         "{\"m\":\"<password>[redacted:sensitive-name]</password>\"}"},
        {"{\"m\":\"--password q8Zr2L -x\"}",
         "{\"m\":\"--password [redacted:sensitive-name] -x\"}"},
        {"{\"m\":\"-password --token\"}",
         "{\"m\":\"-password --token\"}"},
        {"{\"m\":\"my-password q8Zr2L\"}",
         "{\"m\":\"my-password q8Zr2L\"}"},
        {"{\"m\":\"password=(q8Zr2L\"}",
         "{\"m\":\"password=[redacted:sensitive-name]\"}"},
        {"{\"m\":\"password := 'q8Zr2L'\"}",
         "{\"m\":\"password := '[redacted:sensitive-name]'\"}"},
        {"{\"m\":\"password => 'q8Zr2L'\"}",
         "{\"m\":\"password => '[redacted:sensitive-name]'\"}"},
        {"{\"m\":\"password\\n= x\"}",
         "{\"m\":\"password\\n= x\"}"},
        {"{\"m\":\"password:\\n   'q8Zr2L'\"}",
         "{\"m\":\"password:\\n   '[redacted:sensitive-name]'\"}"});
}

static void people_in_text_are_told_by_what_announces_them(void **state)
{
    CHECK_ALL(&hbi,
        {"{\"m\":\"deployed by Maja Lindqvist ok\"}", "{\"m\":\"deployed by <user> ok\"}"},
        {"{\"m\":\"deployed by Maja ok\"}", "{\"m\":\"deployed by Maja ok\"}"},
        {"{\"m\":\"made for \xc3" "\x85" "sa \xc3" "\x96" "berg-Lind x\"}", "{\"m\":\"made for <user> x\"}"},
        {"{\"m\":\"sent by Maja\"}", "{\"m\":\"sent by Maja\"}"},
        {"{\"m\":\"sent by Maja Berg\"}", "{\"m\":\"sent by <user>\"}"},
        {"{\"m\":\"sent from M Berg\"}", "{\"m\":\"sent from M Berg\"}"},
        {"{\"m\":\"is by maja lindqvist\"}", "{\"m\":\"is by maja lindqvist\"}"},
        {"{\"m\":\"upn=maja.berg ok\"}", "{\"m\":\"upn=<user> ok\"}"},
        {"{\"m\":\"user: unknown\"}", "{\"m\":\"user: unknown\"}"},
        {"{\"m\":\"username: maja.berg\"}", "{\"m\":\"username: <user>\"}"});
}

static void a_header_and_its_value_are_a_pair_in_an_array_too(void **state)
{
    CHECK_ALL(&standard,
        {"{\"h\":[[\"Authorization\",\"Bearer q8Zr2L\"],[\"Accept\",\"*/*\"]]}", "{\"h\":[[\"Authorization\",\"[redacted:sensitive-name]\"],[\"Accept\",\"*/*\"]]}"},
        {"{\"h\":[\"Host\",\"x\",\"X-Api-Key\",\"q8Zr2L\"]}", "{\"h\":[\"Host\",\"x\",\"X-Api-Key\",\"[redacted:sensitive-name]\"]}"},
        {"{\"h\":[\"X-Api-Key\",5,\"X-Api-Key\"]}", "{\"h\":[\"X-Api-Key\",5,\"X-Api-Key\"]}"},
        {"{\"h\":[\"X\\u002dApi\\u002dKey\",\"q8Zr2L\"]}", "{\"h\":[\"X\\u002dApi\\u002dKey\",\"[redacted:sensitive-name]\"]}"},
        {"{\"columns\":[\"password\",\"username\",\"token\"]}", "{\"columns\":[\"password\",\"username\",\"token\"]}"},
        {"{\"p%61ssword\":\"q8Zr2L\"}", "{\"p%61ssword\":\"[redacted:sensitive-name]\"}"});
}

static void what_only_names_a_secret_stays(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"password = getpass(); token=self.token\"}", "{\"m\":\"password = getpass(); token=self.token\"}"},
        {"{\"m\":\"client_secret=client_secret, password: str\"}", "{\"m\":\"client_secret=client_secret, password: str\"}"},
        {"{\"m\":\"cache key 5f3a9cb2e1d04786af355f3a9cb2e1d0\"}", "{\"m\":\"cache key 5f3a9cb2e1d04786af355f3a9cb2e1d0\"}"},
        {"{\"m\":\"lockToken=448325ee-0763-4067-aecd-ee4149f3cddc\"}", "{\"m\":\"lockToken=448325ee-0763-4067-aecd-ee4149f3cddc\"}"},
        {"{\"m\":\"heroku release 448325ee-0763-4067-aecd-ee4149f3cddc\"}",
         "{\"m\":\"heroku release 448325ee-0763-4067-aecd-ee4149f3cddc\"}"});
}

static void json_inside_strings_is_cleaned_and_stays_json(void **state)
{
    CHECK_ALL(&standard,
        {"{\"b\":\"{\\\"password\\\":\\\"hunter2\\\",\\\"n\\\": 1}\"}",
         "{\"b\":\"{\\\"password\\\":\\\"[redacted:sensitive-name]\\\",\\\"n\\\": 1}\"}"},
        {"{\"b\":\"{\\\"c\\\":\\\"{\\\\\\\"password\\\\\\\":123}\\\"}\"}",
         "{\"b\":\"{\\\"c\\\":\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"[redacted:sensitive-name]\\\\\\\"}\\\"}\"}"},
        {"{\"b\":\"[1, 2\"}", "{\"b\":\"[1, 2\"}"},
        {"{\"b\":\"{\\\"password\\\":\\\"hunt\"}", "{\"b\":\"{\\\"password\\\":\\\"[redacted:sensitive-name]\"}"});
}

static void encodings_are_undone_before_looking(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"x%20password%3Dhunter2%20y\"}", "{\"m\":\"x%20password%3D[redacted:sensitive-name]%20y\"}"},
        {"{\"m\":\"x%2520password%253Dhunter2%2520y\"}", "{\"m\":\"x%2520password%253D[redacted:sensitive-name]%2520y\"}"},
        {"{\"m\":\"{&quot;password&quot;:&quot;hunter2&quot;}\"}", "{\"m\":\"{&quot;password&quot;:&quot;[redacted:sensitive-name]&quot;}\"}"},
        {"{\"m\":\"cfg cGFzc3dvcmQ9aHVudGVyMjIyMg== end\"}", "{\"m\":\"cfg [redacted:sensitive-name] end\"}"},
        {"{\"m\":\"P\\u0061ssword=\\u0068unter2\"}", "{\"m\":\"P\\u0061ssword=[redacted:sensitive-name]\"}"},
        {"{\"m\":\"%7B%22password%22%3A12345%7D\"}", "{\"m\":\"%7B%22password%22%3A%22[redacted:sensitive-name]%22%7D\"}"});
}

static void environment_variables_keep_their_names(void **state)
{
    CHECK_ALL(&standard,
        {"{\"environmentVariables\":{\"A_B\":\"v1\",\"PATH\":\"/bin\",\"N\":5}}",
         "{\"environmentVariables\":{\"A_B\":\"[redacted:environment]\",\"PATH\":\"/bin\",\"N\":\"[redacted:environment]\"}}"},
        {"{\"env\":[{\"name\":\"A_B\",\"value\":\"v1\"},{\"name\":\"PATH\",\"value\":\"/bin\"}]}",
         "{\"env\":[{\"name\":\"A_B\",\"value\":\"[redacted:environment]\"},{\"name\":\"PATH\",\"value\":\"/bin\"}]}"},
        {"{\"env\":[\"A_B=v1\",\"PATH=/bin\"]}", "{\"env\":[\"A_B=[redacted:environment]\",\"PATH=/bin\"]}"},
        {"{\"environment\":[\"north\",\"south\"]}", "{\"environment\":[\"north\",\"south\"]}"},
        {"{\"name\":\"COLOUR\",\"value\":\"north\",\"next\":{\"name\":\"colour\",\"value\":\"north\"}}",
         "{\"name\":\"COLOUR\",\"value\":\"[redacted:environment]\",\"next\":{\"name\":\"colour\",\"value\":\"north\"}}"},
        {"{\"environment\":{\"name\":\"fraud-env\",\"version\":\"3\"}}", "{\"environment\":{\"name\":\"fraud-env\",\"version\":\"3\"}}"},
        {"{\"m\":\"env {'A_B': 'v1', 'PATH': '/bin'}\"}", "{\"m\":\"env {'A_B': '[redacted:environment]', 'PATH': '/bin'}\"}"},
        {"{\"m\":\"export A_B=v1\\nexport C_D=v2\"}", "{\"m\":\"export A_B=[redacted:environment]\\nexport C_D=[redacted:environment]\"}"},
        {"{\"environmentVariables\":{\"AZUREML_RUN_ID\":\"exp_1795319000_9f3c21ab\"}}",
         "{\"environmentVariables\":{\"AZUREML_RUN_ID\":\"<run>\"}}"});
}

static void run_names_become_pseudonyms_everywhere_in_the_record(void **state)
{
    CHECK_ALL(&standard,
        {"{\"runId\":\"exp_1795319000_9f3c21ab\",\"m\":\"run EXP_1795319000_9F3C21AB failed\"}", "{\"runId\":\"<run>\",\"m\":\"run <run> failed\"}"},
        {"{\"runId\":\"448325ee-0763-4067-aecd-ee4149f3cddc\",\"u\":\"x/448325ee-0763-4067-aecd-ee4149f3cddc?y\"}",
         "{\"runId\":\"<run>\",\"u\":\"x/<run>?y\"}"},
        {"{\"id\":\"/subscriptions/s/workspaces/w/jobs/my-job-7/x\"}", "{\"id\":\"/subscriptions/s/workspaces/w/jobs/<run>/x\"}"});
}

static void a_removed_value_is_removed_from_the_rest_of_the_record(void **state)
{
    CHECK_ALL(&standard,
        {"{\"password\":\"Tr0ub4dor&3x\",\"m\":\"bad Tr0ub4dor&3x\",\"k\":{\"Tr0ub4dor&3x\":1}}",
         "{\"password\":\"[redacted:sensitive-name]\",\"m\":\"bad [redacted:sensitive-name]\",\"k\":{\"[redacted:sensitive-name]\":1}}"},
        {"{\"environmentVariables\":{\"MODE\":\"production\"},\"m\":\"production\"}",
         "{\"environmentVariables\":{\"MODE\":\"[redacted:environment]\"},\"m\":\"production\"}"},
        {"{\"password\":\"horsebattery\",\"m\":\"so horsebattery it is\"}",
         "{\"password\":\"[redacted:sensitive-name]\",\"m\":\"so [redacted:sensitive-name] it is\"}"},
        {"{\"runId\":\"production\",\"m\":\"in production\"}", "{\"runId\":\"<run>\",\"m\":\"in production\"}"},   /* a word */
        {"{\"runId\":\"production1\",\"m\":\"in production1\"}", "{\"runId\":\"<run>\",\"m\":\"in <run>\"}"},
        {"{\"runId\":\"of-production\",\"m\":\"in of-production\"}", "{\"runId\":\"<run>\",\"m\":\"in <run>\"}"},
        {"{\"runId\":\"of_production\",\"m\":\"in of_production\"}", "{\"runId\":\"<run>\",\"m\":\"in <run>\"}"});
}

/* A name that is its own password would tell it; other words that are as short are left alone. */
static void a_user_who_is_his_password_goes_with_it(void **state)
{
    CHECK_ALL(&standard,
        {"{\"m\":\"nats://lakes:lakes@h.example\"}",
         "{\"m\":\"nats://[redacted:url-password]:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"rediss://redys:redys@redys.example\"}",
         "{\"m\":\"rediss://[redacted:url-password]:[redacted:url-password]@redys.example\"}"},
        {"{\"m\":\"redys://redys:redys@h.example\"}",
         "{\"m\":\"redys://[redacted:url-password]:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"redys://:redys@h.example\"}", "{\"m\":\"redys://:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"nats%3A%2F%2Flakes%3Alakes%40h.example\"}",
         "{\"m\":\"nats%3A%2F%2F[redacted:url-password]%3A[redacted:url-password]%40h.example\"}"},
        {"{\"m\":\"nats://lakes-and-horses7:lakes-and-horses7@h.example\"}",
         "{\"m\":\"nats://[redacted:url-password]:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"nats://[redacted:url-password]@h.example\"}",
         "{\"m\":\"nats://[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"nats://[redacted:none]:lakes@h.example\"}",
         "{\"m\":\"nats://[redacted:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"{user: maja7, password: maja7}\"}",
         "{\"m\":\"{user: [redacted:sensitive-name], password: [redacted:sensitive-name]}\"}"},
        {"{\"m\":\"user: maja77, password: maja7\"}",
         "{\"m\":\"user: maja77, password: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"maja7 maja7 password: maja7 maja7\"}",
         "{\"m\":\"maja7 [redacted:sensitive-name] password: [redacted:sensitive-name] maja7\"}"},
        {"{\"m\":\"user maja7\\npassword: maja7\"}", "{\"m\":\"user maja7\\npassword: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"nats://mim:maja7@h.example\"}", "{\"m\":\"nats://mim:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"nats://morris:maja7@h.example\"}", "{\"m\":\"nats://morris:[redacted:url-password]@h.example\"}"},
        {"{\"m\":\"user 7007 password: 7007\"}", "{\"m\":\"user 7007 password: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"user xyq password: xyq\"}", "{\"m\":\"user xyq password: [redacted:sensitive-name]\"}"},
        {"{\"m\":\"user maja7                                                            password: maja7\"}",
         "{\"m\":\"user maja7                                                            password: [redacted:sensitive-name]\"}"},
        {"{\"user\":\"maja7\",\"password\":\"maja7\",\"m\":\"maja7\"}",
         "{\"user\":\"[redacted:sensitive-name]\",\"password\":\"[redacted:sensitive-name]\",\"m\":\"maja7\"}"},
        {"{\"maja7\":1,\"password\":\"maja7\"}", "{\"maja7\":1,\"password\":\"[redacted:sensitive-name]\"}"});
}

/* A name that is its own password would tell it; other words that are as short are left alone. */
/* A name that is its own password would tell it; other words that are as short are left alone. */
static void forged_markers_and_pseudonyms_are_examined(void **state)
{
    CHECK_ALL(&standard,
        {"{\"password\":\"[redacted:sensitive-name]\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
        {"{\"password\":\"[redacted:no-such-rule]\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
        {"{\"password\":\"[redacted:sensitive-name]hunter2\"}", "{\"password\":\"[redacted:sensitive-name]\"}"},
        {"{\"m\":\"password=[redacted:sensitive-name]hunter2\"}", "{\"m\":\"password=[redacted:sensitive-name]\"}"},
        {"{\"runId\":\"run-AAAA-abcdefghijklmnopqrstuvwxyz\"}", "{\"runId\":\"<run>\"}"});
}

static void hbi_takes_people_addresses_and_model_data_as_well(void **state)
{
    CHECK_ALL(&hbi,
        {"{\"caller\":\"ada@contoso.example\",\"m\":\"by ADA@contoso.example\"}", "{\"caller\":\"<user>\",\"m\":\"by <user>\"}"},
        {"{\"environmentVariables\":{\"A_B\":\"v1\"}}", "{\"environmentVariables\":\"[redacted:environment]\"}"},
        {"{\"environment\":{}}", "{\"environment\":{}}"},
        {"{\"x\":\"{\\\"environmentVariables\\\":{\\\"A_B\\\":\\\"v1\\\"}}\"}", "{\"x\":\"{\\\"environmentVariables\\\":\\\"[redacted:environment]\\\"}\"}"},
        {"{\"endpointName\":\"fraud-scorer\"}", "{\"endpointName\":\"<name>\"}"},
        {"{\"Input\":{\"amount\":1}}", "{\"Input\":\"[redacted:model-data]\"}"},
        {"{\"path\":\"/score?customer=7&n=\"}", "{\"path\":\"/score?customer=[redacted:query-value]&n=\"}"},
        {"{\"iKey\":\"448325ee-0763-4067-aecd-ee4149f3cddc\",\"name\":\"M.448325ee07634067aecdee4149f3cddc.R\"}",
         "{\"iKey\":\"<ikey>\",\"name\":\"M.<ikey>.R\"}"});
}

static void an_address_keeps_its_network_under_hbi(void **state)
{
    (void)state;
    const char *out = redacting_text(&hbi, SLICE("{\"callerIpAddress\":\"198.51.100.7\",\"b\":\"198.51.100.9\"}\n"));
    unsigned a[4], b[4];
    assert_int_equal(sscanf(out, "{\"callerIpAddress\":\"%u.%u.%u.%u\",\"b\":\"%u.%u.%u.%u\"}", a, a + 1, a + 2, a + 3, b, b + 1, b + 2, b + 3), 8);
    assert_memory_equal(a, b, 3 * sizeof *a);
    assert_true(a[3] != b[3]);
    assert_null(strstr(out, "198.51.100"));
}

static void a_private_key_logged_line_by_line_goes_line_by_line(void **state)
{
    (void)state;
    const char *out = redacting_text(&standard, SLICE("start\n2026-11-22 I -----BEGIN PRIVATE KEY-----\n"
                                                      "2026-11-22 I Gt2Sef9PQxmDMRuqrud1XG2L3tCshqKNFjNOfl7mayGkGsb6LVw9\n"
                                                      "aGVsbG8=\n-----END PRIVATE KEY-----\naGVsbG8=\n"));
    assert_string_equal(out, "{\"message\":\"start\"}\n{\"message\":\"2026-11-22 I [redacted:private-key]\"}\n"
                             "{\"message\":\"2026-11-22 I [redacted:private-key]\"}\n"
                             "{\"message\":\"[redacted:private-key]\"}\n{\"message\":\"-----END PRIVATE KEY-----\"}\n"
                             "{\"message\":\"aGVsbG8=\"}\n");
}

static void what_cannot_be_examined_is_withheld(void **state)
{
    (void)state;
    char deep[128] = "{\"a\":\"%", *end = deep + strlen(deep);
    for (int level = 0; level < 12; level++) end = stpcpy(end, "25");
    stpcpy(end, "41 and more\"}\n{\"b\":1}\n");
    const struct tally *tally = redactor_tally(standard.redactor);
    uint64_t before = tally_withheld(tally);
    assert_string_equal(redacting_text(&standard, slice_from(deep)), "{\"b\":1}\n");
    assert_int_equal(tally_withheld(tally), before + 1);
    assert_string_equal(redacting_text(&standard, SLICE("{\"a\":\n{\"b\":1}\n")), "{\"b\":1}\n");
    assert_int_equal(tally_withheld(tally), before + 2);
}

static void a_kept_container_loses_only_what_is_withheld(void **state)
{
    CHECK_ALL(&keeping,
        {"{\"records\":[{\"password\":\"x1\"}, {\"b\":2}],\"token\":\"q8Zr2LmK0vXwPb7NcYtD4fGh\"}",
         "{\"records\":[{\"password\":\"[redacted:sensitive-name]\"}, {\"b\":2}],\"token\":\"[redacted:sensitive-name]\"}"},
        {"[{\"a\":1},{\"b\":2}]", "[{\"a\":1},{\"b\":2}]"},
        {"[{\"a\":1},{\"b\":},{\"c\":3}]", "[{\"a\":1},{\"c\":3}]"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_records_stay_byte_for_byte),
        cmocka_unit_test(a_sensitive_name_masks_its_value),
        cmocka_unit_test(names_count_in_free_text_too),
        cmocka_unit_test(secrets_in_text_are_found_however_they_are_written),
        cmocka_unit_test(a_value_goes_to_its_end_whatever_stands_in_it),
        cmocka_unit_test(an_escaped_quote_closes_a_value_and_opens_none),
        cmocka_unit_test(doubled_quotes_open_a_value_as_one_does),
        cmocka_unit_test(a_tag_between_quotes_is_a_placeholder_and_opens_no_element),
        cmocka_unit_test(a_variable_that_holds_no_secret_goes_as_any_variable_does),
        cmocka_unit_test(the_name_of_a_credential_stands_for_it_in_a_url_too),
        cmocka_unit_test(a_private_key_that_was_left_out_is_none),
        cmocka_unit_test(a_name_may_go_on_behind_its_word_and_stand_far_from_its_sign),
        cmocka_unit_test(bytes_of_a_key_as_numbers_go),
        cmocka_unit_test(a_short_token_goes_if_letters_and_digits_take_turns_in_it),
        cmocka_unit_test(a_secret_is_an_argument_or_an_option),
        cmocka_unit_test(credentials_that_a_program_encodes_go),
        cmocka_unit_test(a_filter_of_ldap_may_name_its_rule_before_the_value),
        cmocka_unit_test(the_name_of_an_algorithm_is_no_key),
        cmocka_unit_test(a_list_of_secrets_is_one_in_csv_and_in_a_text_of_json_too),
        cmocka_unit_test(every_text_of_a_list_of_secrets_goes),
        cmocka_unit_test(a_connection_string_goes_as_far_as_it_goes),
        cmocka_unit_test(a_guid_is_the_key_of_something_in_particular_or_an_id),
        cmocka_unit_test(what_an_expression_is_made_of_is_looked_at),
        cmocka_unit_test(a_value_is_read_behind_whatever_sign_announces_it),
        cmocka_unit_test(people_in_text_are_told_by_what_announces_them),
        cmocka_unit_test(a_header_and_its_value_are_a_pair_in_an_array_too),
        cmocka_unit_test(what_only_names_a_secret_stays),
        cmocka_unit_test(json_inside_strings_is_cleaned_and_stays_json),
        cmocka_unit_test(encodings_are_undone_before_looking),
        cmocka_unit_test(environment_variables_keep_their_names),
        cmocka_unit_test(run_names_become_pseudonyms_everywhere_in_the_record),
        cmocka_unit_test(a_removed_value_is_removed_from_the_rest_of_the_record),
        cmocka_unit_test(a_user_who_is_his_password_goes_with_it),
        cmocka_unit_test(forged_markers_and_pseudonyms_are_examined),
        cmocka_unit_test(hbi_takes_people_addresses_and_model_data_as_well),
        cmocka_unit_test(an_address_keeps_its_network_under_hbi),
        cmocka_unit_test(a_private_key_logged_line_by_line_goes_line_by_line),
        cmocka_unit_test(what_cannot_be_examined_is_withheld),
        cmocka_unit_test(a_kept_container_loses_only_what_is_withheld),
    };
    return cmocka_run_group_tests(tests, open_policies, close_policies);
}
