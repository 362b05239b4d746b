#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/checksum.h"
#include "redaction/finders.h"
#include "redaction/verify.h"

#include <stdio.h>

/* --- The checksum of Azure DevOps: of an invented token whose sum a separate program worked out ------------------------- */

static void a_token_is_recognised_by_its_checksum(void **state)
{
    (void)state;
    static const struct {
        struct slice token;
        bool         valid;
    } cases[] = {
        {SLICE("y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), true},
        {SLICE("bmyiovl2t7cdrwhjbyzvq7ncy7wbcns3qcsuzsxpcq4v5a5izxza"), true},    /* the other constant */
        {SLICE("y2kjgonkjpbpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), false},   /* one letter is another */
        {SLICE("y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abt"), false},
        {SLICE("Y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), false},   /* no letter of the alphabet, */
        {SLICE("{2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), false},
        {SLICE("12kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), false},
        {SLICE("82kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (devops_checksum_valid(cases[i].token) != cases[i].valid) fail_msg("case %zu", i);
}

/* The test vectors of RFC 4648, section 10, and the two alphabets. */
static void base64_decodes_both_alphabets_with_or_without_padding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes;
    } cases[] = {{"Zm9vYmFy", "foobar"}, {"Zm9vYg==", "foob"}, {"Zm9vYg", "foob"}, {"Zm8=", "fo"}, {"Pz8/", "???"},
                 {"Pz8_", "???"}, {"+/+/", "\xfb\xff\xbf"}, {"-_-_", "\xfb\xff\xbf"}, {"Zm9v!", ""}, {"Zm9v{", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char out[16];
        size_t len = base64_decode(slice_from(cases[i].text), out, sizeof out);
        assert_int_equal(len, strlen(cases[i].bytes));
        assert_memory_equal(out, cases[i].bytes, len);
    }
    unsigned char small[2];
    assert_int_equal(base64_decode(SLICE("Zm9vYmFy"), small, sizeof small), 2);
}

/* --- Looks ---------------------------------------------------------------------------------------------------------------- */

static void entropy_counts_bits_per_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double      bits;
    } cases[] = {{"", 0}, {"aaaa", 0}, {"abab", 1}, {"abcd", 2}, {"aabbccddeeffgghh", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double bits = entropy(slice_from(cases[i].text));
        assert_true(bits > cases[i].bits - 1e-9 && bits < cases[i].bits + 1e-9);
    }
}

/* Texts of 1 to 300 bytes from alphabets of 1 to 64, drawn from a seed. */
static void whether_entropy_reaches_a_limit_agrees_with_entropy(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (size_t i = 0; i < 20000; i++) {
        char   text[300];
        size_t len = 1 + i % sizeof text, letters = 1 + i % 64;
        for (size_t k = 0; k < len; k++) {
            seed = seed * 1664525 + 1013904223;
            text[k] = (char)('0' + (seed >> 16) % letters);
        }
        struct slice s = slice_of(text, len);
        for (double bits = 0; bits <= 6; bits += 0.2) {
            assert_int_equal(entropy_reaches(s, bits), entropy(s) >= bits);
            assert_int_equal(entropy_exceeds(s, bits), entropy(s) > bits);
        }
        assert_true(entropy_reaches(s, entropy(s)));
        assert_false(entropy_exceeds(s, entropy(s)));
    }
    assert_true(entropy_reaches(SLICE(""), 0));
    assert_false(entropy_reaches(SLICE(""), 0.1));
}

static void luhn_accepts_the_usual_test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *digits;
        bool        valid;
    } cases[] = {{"4111111111111111", true}, {"378282246310005", true}, {"79927398713", true}, {"79927398710", false},
                 {"4111111111111112", false}, {"0", true}, {"", false}, {"4111-1111", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(luhn_valid(slice_from(cases[i].digits)), cases[i].valid);
}

static void guids_are_told_by_their_form(void **state)
{
    (void)state;
    assert_true(looks_like_guid(SLICE("5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a25")));
    assert_true(looks_like_guid(SLICE("5E2A7C10-93BD-4F6E-A1C8-0D4B7F3E9A25")));
    assert_false(looks_like_guid(SLICE("5e2a7c1093bd4f6ea1c80d4b7f3e9a25")));
    assert_false(looks_like_guid(SLICE("5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a2g")));
    assert_false(looks_like_guid(SLICE("5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a255")));
}

static void placeholders_are_told_from_secrets(void **state)
{
    (void)state;
    static const char *const placeholders[] = {"", "<password>", "${DB_PASSWORD}", "$(secret)", "$SECRET_2", "{{token}}", "%PASSWORD%", "********",
                                               "xxxxxxxx", "XXXX", "...", "null", "None", "changeme", "[redacted:jwt]", "your-key-here", "0000"};
    static const char *const secrets[] = {"hunter2", "password", "$ecret", "aaaaaaaa", "nullable1", "x1x1", "Changeme1", "pa<ss>", "$2b$12$x", "11111111"};
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (!looks_like_placeholder(slice_from(placeholders[i]))) fail_msg("'%s' is a placeholder", placeholders[i]);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (looks_like_placeholder(slice_from(secrets[i]))) fail_msg("'%s' is none", secrets[i]);
}

/* --- Verifiers ------------------------------------------------------------------------------------------------------------ */

static void verifiers_judge_the_span(void **state)
{
    (void)state;
    static const struct {
        const char *verifier, *text;
        double      argument;
        bool        stands;
    } cases[] = {
        {"entropy", "abcdefgh", 3, true},         {"entropy", "aabbccdd", 2.5, false},
        {"min-length", "12345678", 8, true},      {"min-length", "1234567", 8, false},
        {"not-guid", "5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a25", 0, false},
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, false},
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a2g", 0, true},
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a2", 0, true},
        {"has-digit", "abc1", 0, true},           {"has-digit", "abc", 0, false},
        {"has-letter", "1a", 0, true},            {"has-letter", "12", 0, false},
        {"mixed", "aB3", 0, true},                {"mixed", "ab3", 0, false},
        {"mixed-or-hex", "sk-5e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, true},
        {"mixed-or-hex", "sk-a-long-name-of-a-thing-in-words-2", 0, false},
        {"one-case", "oy2abc", 0, true},          {"one-case", "oy2aBc", 0, false},
        {"credential", "authentication", 0, false}, {"credential", "Required", 0, false},
        {"credential", "a1b2", 0, true},          {"credential", "qWeRtY", 0, true},
        {"base64", "Zm9vYmFy", 6, true},          {"base64", "Zm9v", 6, false},
        {"basic-credentials", "bWFqYTpwdw==", 0, true}, {"basic-credentials", "authentication", 0, false},
        {"user-password", "maja:hunter2", 0, true}, {"user-password", "maja", 0, false}, {"user-password", "maja:$PW", 0, false},
        {"run-id", "search", 0, false},           {"run-id", "nightly-4", 0, true}, {"run-id", "4711", 0, false},
        {"run-id", "a1", 0, false},               {"run-id", "<run-id>", 0, false}, {"run-id", "RUN", 0, true},
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c10", 0, false},                                           /* 40: SHA-1 */
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b", 0, false},                           /* 56 */
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, false},                   /* 64 */
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, false},   /* 96 */
        {"not-hash", "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25"
                     "5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, false},                   /* 128 */
        {"mixed", "AB3", 0, false},               {"mixed", "aBc", 0, false},
        {"mixed-or-hex", "aB3", 0, true},         {"mixed-or-hex", "AB3", 0, false}, {"mixed-or-hex", "abc", 0, false},
        {"mixed-or-hex", "5E2A7C1093BD4F6EA1C80D4B7F3E9A25", 0, false}, {"mixed-or-hex", "5e2a7c1093bd4f6ea1c80d4b7f3e9a2", 0, false},
        {"mixed-or-hex", "5e2a7c1093bd4f6ea1c80d4b7f3e9a25", 0, true},
        {"one-case", "OY2ABC", 0, true},          {"one-case", "123", 0, true},
        {"credential", "", 0, false},             {"credential", "xxxx", 0, false}, {"credential", "123456789012", 0, true},
        {"credential", "12345678901", 0, false},  {"credential", "REQUIRED", 0, false}, {"credential", "Q", 0, false},
        {"base64", "Zg==", 0, true},              {"base64", "!", 0, false},       {"base64", "Z", 0, false},
        {"basic-credentials", "Og==", 0, false},  {"basic-credentials", "YTo=", 0, true}, {"basic-credentials", "YWI=", 0, false},
        {"user-password", "maja:", 0, false},     {"user-password", "$maja:hunter2", 0, false}, {"user-password", "maja:<password>", 0, false},
        {"after-curl", "abc", 0, false},          {"not-placeholder", "<key>", 0, false}, {"not-placeholder", "key", 0, true},
        {"not-words", "my_secret", 0, false},     {"not-words", "mx7secret", 0, true},
        {"devops-checksum", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga", 0, true},
        {"devops-checksum", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcnga", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct verifier *verifier = verifier_find(slice_from(cases[i].verifier));
        assert_non_null(verifier);
        struct slice text = slice_from(cases[i].text);
        uint32_t from = 0, to = (uint32_t)text.len;
        if (verifier->check(text, &from, &to, cases[i].argument) != cases[i].stands)
            fail_msg("%s of '%s' is not %d", cases[i].verifier, cases[i].text, cases[i].stands);
    }
}

/* `hit` is what the pattern matched; `result` what the verifier makes of it, or NULL. */
static void verifiers_move_the_span(void **state)
{
    (void)state;
    static const struct {
        const char *verifier, *text, *hit, *result;
    } cases[] = {
        {"after-colon", "SharedKey st:c2ln", "st:c2ln", "c2ln"},
        {"jwt", "t=eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.;", "eyJh", "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ."},
        {"jwt", "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln more", "eyJh", "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln"},
        {"jwt", "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn.x", "eyJh", "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn"},
        {"jwt", "eyJub3Rqc29uYXRhbGw.eyJhIjoiYmNkZWYifQ", "eyJu", NULL},
        {"jwt", "eyJhbGciOiJub25lIn0", "eyJh", NULL},
        {"jwt", "xeyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ", "eyJh", NULL},
        {"pem", "a -----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\nb", "PRIVATE KEY",
         "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----"},
        {"pem", "-----BEGIN EC PRIVATE KEY-----\nQUJD\nQUJD", "PRIVATE KEY", "-----BEGIN EC PRIVATE KEY-----\nQUJD\nQUJD"},
        {"pem", "-----BEGIN A PRIVATE KEY-----\nQQ\n-----BEGIN B PRIVATE KEY-----\nUQ", "PRIVATE KEY", "-----BEGIN A PRIVATE KEY-----\nQQ\n"},
        {"pem", "the PRIVATE KEY", "PRIVATE KEY", NULL},
        {"sk-before", "k=sk-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbb", "T3BlbkFJbbbb", "sk-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbb"},
        {"sk-before", "k=aaaaaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbb", "T3BlbkFJbbbb", NULL},
        {"entra-token", "t=0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", "0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb"},
        {"entra-token", "t=1.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.5.Agbbbb", ".Agbbbb", "1.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.5.Agbbbb"},
        {"entra-token", "www.example.com.Agbbbb", ".Agbbbb", NULL},
        {"workspace-job", "/workspaces/ws/jobs/j1", "j1", "j1"},
        {"workspace-job", "/batch/ws/jobs/j1", "j1", NULL},
        {"workspace-job", "/jobs/j1", "j1", NULL},
        {"workspace-job", "obs/j1", "j1", NULL},
        {"workspace-job", "ws/jobs/j1", "j1", NULL},
        {"workspace-job", "/workspaces//jobs/j1", "j1", NULL},
        {"workspace-job", "xworkspaces/ws/jobs/j1", "j1", NULL},
        {"workspace-job", "/workspaces/ws-0123456789012345678901234567890123456789012345678901234567890123456789/jobs/j1", "j1", NULL},
        {"after-colon", "SharedKey st:", "st:", NULL},
        {"after-colon", "SharedKey st", "st", NULL},
        {"jwt", "t=eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0", NULL},
        {"jwt", "eyJhbGciOiJub25lIn0;eyJhIjoiYmNkZWYifQ", "eyJh", NULL},
        {"jwt", "eyJhIjox.eyJhIjoiYmNkZWYifQ", "eyJh", NULL},                         /* a first part too short for a header */
        {"jwt", "WyJhbGciOiJub25lIl0.eyJhIjoiYmNkZWYifQ", "WyJh", NULL},              /* ["alg":"none"] */
        {"jwt", "eyJhbGciOiJub25l.eyJhIjoiYmNkZWYifQ", "eyJh", NULL},                 /* {"alg":"none */
        {"jwt", "e2FsZzogMX0xMjM0NX0.eyJhIjoiYmNkZWYifQ", "e2Fs", NULL},              /* {alg: 1}12345} */
        {"jwt", "ewogICAgIA0JICAgICAg.eyJhIjoiYmNkZWYifQ", "ewog", NULL},             /* a brace and white space */
        {"jwt", "ewoNCSAiYWxnIjoxCn0KIA.eyJhIjoiYmNkZWYifQ", "ewoN", "ewoNCSAiYWxnIjoxCn0KIA.eyJhIjoiYmNkZWYifQ"},   /* white space of every sort */
        {"jwt", "eyJhbGciOiJub25lIn0.abcdefghi", "eyJh", NULL},                       /* nine characters of a payload */
        {"jwt", "eyJhbGciOiJub25lIn0.abcdefghij", "eyJh", "eyJhbGciOiJub25lIn0.abcdefghij"},
        {"jwt", "eyJhbGciOiJub25lIn0.a.b", "eyJh", "eyJhbGciOiJub25lIn0.a.b"},
        {"pem", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nQUJD\n-----END PGP PRIVATE KEY BLOCK-----x", "PRIVATE KEY",
         "-----BEGIN PGP PRIVATE KEY BLOCK-----\nQUJD\n-----END PGP PRIVATE KEY BLOCK-----"},
        {"pem", "-----BEGIN PRIVATE KEY QUJD\n-----END PRIVATE KEY", "PRIVATE KEY", "-----BEGIN PRIVATE KEY QUJD\n-----END PRIVATE KEY"},
        {"pem", "-----BEGIN PRIVATE KEY-----\nQUJD\n----- that was it", "PRIVATE KEY", "-----BEGIN PRIVATE KEY-----\nQUJD\n-----"},
        {"pem", "-----BEGIN A KEY WHOSE NAME IS MUCH LONGER THAN THE NAME OF ANY THAT IS KNOWN PRIVATE KEY-----\nQ", "PRIVATE KEY", NULL},
        {"pem", "-----BEGIN \nPRIVATE KEY-----", "PRIVATE KEY", NULL},
        {"pem", "-----BEGIN PRIVATE KEY-----\nMIIE...q8Zr\n-----END PRIVATE KEY-----", "PRIVATE KEY", NULL},
        {"pem", "-----END PRIVATE KEY-----\\n", "PRIVATE KEY", NULL},
        {"pem", "-----BEGIN PRIVATE KEY-----\nMIIE\xe2\x80\xa6\n-----END PRIVATE KEY-----", "PRIVATE KEY", NULL},
        {"pem", "-----BEGIN PRIVATE KEY-----\nMIIEq8Zr2LmK0vXwPb7NcYtD...\n-----END PRIVATE KEY-----", "PRIVATE KEY",
         "-----BEGIN PRIVATE KEY-----\nMIIEq8Zr2LmK0vXwPb7NcYtD...\n-----END PRIVATE KEY-----"},
        {"pem", "-----BEGIN PRIVATE KEY-----\nMIIE...q8Zr", "PRIVATE KEY", "-----BEGIN PRIVATE KEY-----\nMIIE...q8Zr"},
        {"entra-token", "A.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "t=0.Baaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "t=0,Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "t=2.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "x0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", NULL},
        {"entra-token", "0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb", ".Agbbbb", "0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.Agbbbb"},
        {"entra-token", "0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaa5.Agbbbb", ".Agbbbb", "0.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaa5.Agbbbb"},
        {"entra-token", "5.Agbbbb", ".Agbbbb", NULL},
        {"sk-before", "sk-aT3BlbkFJbbbb", "T3BlbkFJbbbb", NULL},
        {"sk-before", "sk-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbb", "T3BlbkFJbbbb", "sk-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbb"},
        {"whole-url", "see https://hooks.example/services/T1", "services/T1", "https://hooks.example/services/T1"},
        {"whole-url", "services/T1", "services/T1", "services/T1"},
        {"after-curl", "curl -u maja:hunter2", "maja:hunter2", "maja:hunter2"},
        {"after-scheme", "Bearer abcdef\x7fgh", "Bearer", "abcdef"},
        {"after-scheme", "harbour abcdef", "harbour", NULL},
        {"jwt", "/eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln/next", "eyJh", "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln"},
        {"jwt", "t=eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln/ab+cd more", "eyJh", "eyJhbGciOiJub25lIn0.eyJhIjoiYmNkZWYifQ.c2ln/ab+cd"},
        {"shell-word", "-p 'ab'cd x", "ab'cd", "ab'cd"},
        {"shell-word", "-p '' x", "' x", NULL},
        {"password-option", "mysql -pq8Zr2L db", "mysql", "q8Zr2L"},
        {"password-option", "mysql\n -pq8Zr2L", "mysql", NULL},
        {"password-option", "mysql -p'' db", "mysql", NULL},
        {"password-option", "mysql -pab1 db", "mysql", NULL},
        {"password-option", "mysql -p1234567 db", "mysql", NULL},
        {"password-option", "mysql -p<password> db", "mysql", NULL},
        {"password-option", "mysql -p0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefabcde", "mysql", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice text = slice_from(cases[i].text);
        uint32_t from = (uint32_t)(strstr(cases[i].text, cases[i].hit) - cases[i].text);
        uint32_t to = from + (uint32_t)strlen(cases[i].hit);
        bool stands = verifier_find(slice_from(cases[i].verifier))->check(text, &from, &to, 0);
        if (stands != (cases[i].result != NULL) ||
            (stands && !slice_equal(slice_sub(text, from, to), slice_from(cases[i].result))))
            fail_msg("case %zu (%s): [%u, %u)", i, cases[i].verifier, from, to);
    }
}

/* What is looked at has an end: a command line, the credentials of a header. */
static void a_verifier_looks_no_further_than_its_limit(void **state)
{
    static char text[20000];
    uint32_t from = 0, to = 6;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "Bearer ", 7);
    assert_true(verifier_find(SLICE("after-scheme"))->check(slice_of(text, sizeof text), &from, &to, 0));
    assert_int_equal(from, 7);
    assert_int_equal(to, 7 + 16384);
    memcpy(text, "mysql -p ", 9);   /* the option stands alone and ends the text, */
    from = 0;
    to = 5;
    assert_false(verifier_find(SLICE("password-option"))->check(slice_of(text, 8), &from, &to, 1));
    memset(text + 5, ' ', 600);     /* or is too far away */
    memcpy(text + 605, " -pq8Zr2L", 9);
    to = 5;
    assert_false(verifier_find(SLICE("password-option"))->check(slice_of(text, 614), &from, &to, 0));
    memset(text, 'x', sizeof text);
    from = to = 0;
    assert_true(verifier_find(SLICE("shell-word"))->check(slice_of(text, sizeof text), &from, &to, 0));
    assert_int_equal(to, 512);
}

/* Certificates in a header make it long: its beginning must do. */
static void a_token_may_have_a_header_of_any_length(void **state)
{
    static const char start[] = "eyJ4NWMiOlsi";   /* {"x5c":[" */
    (void)state;
    for (size_t middle = 4000; middle <= 12000; middle += 4000) {
        char     text[16384];
        size_t   len = (size_t)sprintf(text, "%s", start);
        uint32_t from = 0, to = 4;
        memset(text + len, 'Q', middle);
        len += middle;
        len += (size_t)sprintf(text + len, "Il19.eyJhIjoiYmNkZWYifQ.c2ln;");   /* "]} */
        assert_true(verifier_find(SLICE("jwt"))->check(slice_of(text, len), &from, &to, 0));
        assert_int_equal(to, len - 1);
        text[1] = 'z';
        assert_false(verifier_find(SLICE("jwt"))->check(slice_of(text, len), &from, &to, 0));
    }
}

/* --- Finders -------------------------------------------------------------------------------------------------------------- */

static const struct finder *finder(const char *name)
{
    for (size_t i = 0; finders[i].name; i++)
        if (strcmp(finders[i].name, name) == 0) return &finders[i];
    return NULL;
}

/* The place lies between `before` and `after`; `result` is the text found, or NULL. */
static void finders_judge_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *finder, *before, *after, *result;
    } cases[] = {
        {"card-number", "", "4111111111111111", "4111111111111111"},
        {"card-number", "", "4111 1111 1111 1111", "4111 1111 1111 1111"},
        {"card-number", "2025-11-23 ", "4111111111111111 ok", "4111111111111111"},
        {"card-number", "", "3782-822463-10005", "3782-822463-10005"},
        {"card-number", "", "41111 111111 11111", NULL},
        {"card-number", "x", "4111111111111111", NULL},
        {"card-number", "0.", "4111111111111111", NULL},
        {"card-number", "", "4111111111111111.5", NULL},
        {"card-number", "", "1700000000000001", NULL},
        {"card-number", "", "638123456789012344", NULL},
        {"card-number", "", "41111111111111111115", NULL},
        {"card-number", "", "4111111111111111 ", "4111111111111111"},
        {"card-number", "", "4111 1111-1111 1111", NULL},            /* one separator only */
        {"card-number", "", "4111 1111 1111 1111 x", "4111 1111 1111 1111"},
        {"card-number", "", "4438 2447 5309 5410 336", "4438 2447 5309 5410 336"},
        {"card-number", "", "4111 1111 1111 1111 111 1", "4111 1111 1111 1111"},   /* five groups at most */
        {"card-number", "", "4111111111111111x", NULL},
        {"card-number", "a-", "4111111111111111-b", NULL},           /* part of a longer id */
        {"card-number", "a-", "4111111111111111", "4111111111111111"},
        {"card-number", "--", "4111111111111111-b", "4111111111111111"},
        {"card-number", "-", "4111111111111111-b", "4111111111111111"},
        {"card-number", "a-", "4111111111111111 b", "4111111111111111"},
        {"card-number", ".", "4111111111111111", "4111111111111111"},
        {"card-number", "0,", "4111111111111111", NULL},
        {"card-number", "x.", "4111111111111111", "4111111111111111"},
        {"card-number", "", "4111111111111111.", "4111111111111111"},
        {"card-number", "", "4111111111111111.x", "4111111111111111"},
        {"personal-number", "", "640823+3234", "640823+3234"},
        {"personal-number", "", "640823", NULL},
        {"personal-number", "", "640823 3234", NULL},
        {"personal-number", "", "6408233-3234", NULL},
        {"personal-number", "", "640823323-3234", NULL},
        {"personal-number", "", "640823-323", NULL},
        {"personal-number", "", "640823-323x", NULL},
        {"personal-number", "", "640823-32341", NULL},
        {"personal-number", "", "640823-3234-", "640823-3234"},
        {"personal-number", "", "640823-3234 x", "640823-3234"},
        {"personal-number", "", "640823-3234.5", NULL},
        {"personal-number", "a", "640823-3234", "640823-3234"},
        {"personal-number", "", "640229-3234", "640229-3234"},
        {"personal-number", "", "640230-3231", NULL},                /* February has no thirtieth */
        {"personal-number", "", "641232-3237", NULL},
        {"personal-number", "", "640431-3238", NULL},
        {"personal-number", "", "000101-1238", "000101-1238"},
        {"personal-number", "", "640900-3230", NULL},
        {"personal-number", "", "640060-3230", NULL},                /* no month */
        {"personal-number", "", "640860-3238", NULL},                /* the day nought, as a coordination number */
        {"personal-number", "", "640892-3230", NULL},                /* the thirty-second, as a coordination number */
        {"personal-number", "", "17640823-3234", NULL},
        {"personal-number", "", "21640823-3234", NULL},
        {"personal-number", "", "18640823-3234", "18640823-3234"},
        {"personal-number", "", "640823-3234", "640823-3234"},
        {"personal-number", "", "19640823-3234", "19640823-3234"},
        {"personal-number", "", "640883-3231", "640883-3231"},     /* a coordination number: the day plus 60 */
        {"personal-number", "", "641323-3237", NULL},
        {"personal-number", "", "640823-3235", NULL},
        {"personal-number", "", "640823-3234-1", NULL},
        {"personal-number", "a-", "640823-3234", NULL},
        {"friendly-run-name", "job calm_pear", "_k3v9x2mzq1.", "calm_pear_k3v9x2mzq1"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_12", "calm_pear_k3v9x2mzq1_12"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzqa", NULL},
        {"friendly-run-name", "calm_pear", "_1234567890", NULL},
        {"friendly-run-name", "pear", "_k3v9x2mzq1", NULL},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq", NULL},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1b", NULL},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1A", NULL},
        {"friendly-run-name", "calm_p", "_k3v9x2mzq1", NULL},
        {"friendly-run-name", "c_pear", "_k3v9x2mzq1", NULL},
        {"friendly-run-name", "calm-pear", "_k3v9x2mzq1", NULL},
        {"friendly-run-name", "Acalm_pear", "_k3v9x2mzq1", NULL},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_", "calm_pear_k3v9x2mzq1"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_x", "calm_pear_k3v9x2mzq1"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_12a", "calm_pear_k3v9x2mzq1"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_1234567", "calm_pear_k3v9x2mzq1"},
        {"friendly-run-name", "calm_pear", "_k3v9x2mzq1_123456", "calm_pear_k3v9x2mzq1_123456"},
        {"friendly-run-name", "calm_abcdefghijklmnopqrstuvwxyz", "_k3v9x2mzq1", NULL},
        {"timed-run-name", "a_b-c", "_1795319000_9f3c21ab", "a_b-c_1795319000_9f3c21ab"},
        {"timed-run-name", "a", "_1795319000_9f3c21a", NULL},
        {"timed-run-name", "", "_1795319000_9f3c21ab", NULL},
        {"timed-run-name", " ", "_1795319000_9f3c21ab", NULL},
        {"timed-run-name", "a b", "_1795319000_9f3c21ab_3.", "b_1795319000_9f3c21ab_3"},
        {"timed-run-name", "a", "_2795319000_9f3c21ab", NULL},
        {"timed-run-name", "a", "_1795319000-9f3c21ab", NULL},
        {"timed-run-name", "a", "_17953190x0_9f3c21ab", NULL},
        {"timed-run-name", "a", "_1795319000_9f3c21aB", NULL},
        {"timed-run-name", "a", "_1795319000_9f3c21ag", NULL},
        {"timed-run-name", "a", "_1795319000_9f3c21ab7", NULL},
        {"email", "<maja.berg", "@contoso.example>", "maja.berg@contoso.example"},
        {"email", "maja", "@localhost", NULL},
        {"email", "", "@contoso.example", NULL},
        {"email", "maja", "@contoso.example.", "maja@contoso.example"},
        {"email", "maja", "@contoso.example-", "maja@contoso.example"},
        {"email", "-maja", "@contoso.example", "maja@contoso.example"},
        {"email", "...", "@contoso.example", NULL},
        {"email", "maja", "@.example", NULL},
        {"email", "maja", "@contoso.e", NULL},
        {"email", "maja", "@contoso.ex4mple", NULL},
        {"email", "maja", "@contoso..example", NULL},
        {"email", "maja", "@con_toso.example", NULL},
        {"email", "maja+x#1_b-c", "@contoso.example", "maja+x#1_b-c@contoso.example"},
        {"email", "m\001aja", "@contoso.example", "aja@contoso.example"},
        {"url-password", "amqp://u:p@ss", "@host/v", "p@ss"},
        {"url-password", "amqp://u:p", "@ss@host/v", NULL},
        {"url-password", "https://host:443/a", "@b", NULL},
        {"url-password", "https://maja", "@host", NULL},
        {"url-password", "https://maja:", "@host", NULL},
        {"url-password", "maja:pw", "@host", NULL},
        {"url-password", "https://maja:12", "@host", "12"},
        {"url-password", "https://host:44/x", "@y", NULL},
        {"url-password", "//maja:pw", "@host", NULL},
        {"url-password", "x//maja:pw", "@host", NULL},
        {"url-password", "x:/maja:pw", "@host", NULL},
        {"url-password", "https://ma ja:pw", "@host", NULL},
        {"url-password", "https://ma/ja:pw", "@host", NULL},
        {"url-password", "https://ma?ja:pw", "@host", NULL},
        {"url-password", "https://ma#ja:pw", "@host", NULL},
        {"url-password", "https://maja:p:w", "@host", "p:w"},
        {"url-password", "https://maja:443", "@host", "443"},
        {"url-password", "https://host:443?x", "@host", NULL},
        {"url-password", "https://maja:p\"w", "@host", NULL},
        {"url-password", "https://maja:p'w", "@host", NULL},
        {"url-password", "https://maja:p<w", "@host", NULL},
        {"url-password", "https://maja:p>w", "@host", NULL},
        {"url-password", "https://maja:p`w", "@host", NULL},
        {"url-password", "https://maja:pw", "@host\"@", "pw"},
        {"url-password", "https://maja:pw", "@host<@", "pw"},
        {"url-password", "https://maja:pw", "@host", "pw"},
        {"url-password", "https://:pw", "@host", "pw"},
        {"url-password", "://a:pw", "@host", "pw"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        uint32_t from = 0, to = 0;
        snprintf(text, sizeof text, "%s%s", cases[i].before, cases[i].after);
        bool found = finder(cases[i].finder)->find(slice_from(text), (uint32_t)strlen(cases[i].before), &from, &to);
        if (found != (cases[i].result != NULL) ||
            (found && !slice_equal(slice_of(text + from, to - from), slice_from(cases[i].result))))
            fail_msg("case %zu: '%s' gives [%u, %u)", i, text, from, to);
    }
}

/* Numbers of no card that exists, made up behind prefixes of issuers; their last digit is right. */
static void a_card_number_is_issued_with_its_prefix_and_length(void **state)
{
    static const char *const issued[] = {
        "4910115445229", "4290844204253662", "4438244753095410336", "5112808371165960", "5574434600647362", "2221729999159653", "2720935533247229",
        "345519264136303", "371009935196701", "30008844448222", "30517676406231", "36740799980460", "38568854331107", "39931056711857",
        "6011056791075530", "6440606768191206", "6497084211223103", "6546988017465570", "6261883075886077", "3528914118061562", "3589470577044462",
        "5018508801586281", "5020707521558465", "5038961889001929", "6304929602315343", "6759043859775751", "6761503310853246", "6763421312439971"};
    static const char *const others[] = {
        "40128891342801", "5059764293490470", "5624172919117582", "2220656593002305", "2721191189278220", "510218635469613", "3427221769646382",
        "30625288652306", "3699648170893347", "6435304387912122", "62719911673921805", "3527017946311042", "3590674271526487", "6760647920370884",
        "6764962964467421", "50187715612745599", "7000645405973048"};
    uint32_t from, to;
    (void)state;
    for (size_t i = 0; i < sizeof issued / sizeof *issued; i++)
        if (!finder("card-number")->find(slice_from(issued[i]), 0, &from, &to) || to != strlen(issued[i])) fail_msg("%s is a card's", issued[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (finder("card-number")->find(slice_from(others[i]), 0, &from, &to)) fail_msg("%s is no card's", others[i]);
}

/* What goes back, or on, without an end is given up: a place costs so many steps and no more. */
static void a_place_is_looked_at_so_far_and_no_farther(void **state)
{
    static char text[1024];
    uint32_t    from, to;
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + 600, "@contoso.example", 17);
    assert_true(finder("email")->find(slice_of(text, 616), 600, &from, &to));
    assert_int_equal(from, 600 - 128);
    memset(text, 'a', sizeof text);
    text[600] = '@';
    assert_false(finder("email")->find(slice_of(text, sizeof text), 600, &from, &to));
    assert_false(finder("url-password")->find(slice_of(text, sizeof text), 600, &from, &to));
    memcpy(text, "https://u:", 10);
    assert_false(finder("url-password")->find(slice_of(text, sizeof text), 600, &from, &to));   /* 590 bytes are no password */
    memcpy(text + 590, "//u:", 4);
    memcpy(text + 584, "https:", 6);
    assert_true(finder("url-password")->find(slice_of(text, sizeof text), 600, &from, &to));
    assert_int_equal(from, 594);
    text[900] = '@';
    assert_true(finder("url-password")->find(slice_of(text, sizeof text), 600, &from, &to));    /* another host's, far behind */
    memset(text, 'a', sizeof text);
    memcpy(text + 500, "_1795319000_9f3c21ab.", 21);
    assert_true(finder("timed-run-name")->find(slice_of(text, sizeof text), 500, &from, &to));
    assert_int_equal(from, 500 - 256);
}

static void tokens_of_one_alphabet_stand_alone(void **state)
{
    static const struct {
        const char *finder, *text;
        uint32_t    at;
        bool        found;
    } cases[] = {
        {"devops-token", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga", 0, true},
        {"devops-token", "Y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga", 1, false},
        {"devops-token", " y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga ", 1, true},
        {"devops-token", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcogaA", 0, false},
        {"devops-token", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcogaa", 0, false},
        {"devops-token", "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcog", 0, false},
        {"nkey-seed", "SUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQM", 0, true},
        {"nkey-seed", "SUAHDE6HZS52", 0, false},
        {"nkey-seed", "-SUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQM-", 1, true},
        {"devops-token", "Ay2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga", 1, false},
        {"nkey-seed", "SBAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQM", 0, false},
        {"nkey-seed", "XUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQM", 0, false},
        {"nkey-seed", "SUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQ", 0, false},
        {"nkey-seed", "aSUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQM", 1, false},
        {"nkey-seed", "SUAHDE6HZS52KKM7SNIPXR6LGDFGUSYEZSHYCK7NTZTKLEQWDBR5GVJXQMa", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice text = slice_from(cases[i].text);
        uint32_t from, to;
        bool run = find_base32_run(text, cases[i].at, &from, &to) && from == cases[i].at;
        if ((run && finder(cases[i].finder)->find(text, from, &from, &to)) != cases[i].found)
            fail_msg("%s: %s at %u", cases[i].finder, cases[i].text, cases[i].at);
    }
}

static void a_run_of_52_is_found_wherever_it_stands(void **state)
{
    (void)state;
    char text[400];
    for (uint32_t at = 0; at < 300; at++) {
        uint32_t from, to;
        memset(text, '-', sizeof text);
        memset(text + at, 'q', 52);
        assert_true(find_base32_run(slice_of(text, sizeof text), 0, &from, &to));
        assert_int_equal(from, at);
        assert_int_equal(to, at + 52);
        assert_false(find_base32_run(slice_of(text, sizeof text), to, &from, &to));
        text[at + 20] = '1';
        assert_false(find_base32_run(slice_of(text, sizeof text), 0, &from, &to));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_recognised_by_its_checksum),
        cmocka_unit_test(base64_decodes_both_alphabets_with_or_without_padding),
        cmocka_unit_test(entropy_counts_bits_per_byte),
        cmocka_unit_test(whether_entropy_reaches_a_limit_agrees_with_entropy),
        cmocka_unit_test(luhn_accepts_the_usual_test_numbers),
        cmocka_unit_test(guids_are_told_by_their_form),
        cmocka_unit_test(placeholders_are_told_from_secrets),
        cmocka_unit_test(verifiers_judge_the_span),
        cmocka_unit_test(verifiers_move_the_span),
        cmocka_unit_test(a_verifier_looks_no_further_than_its_limit),
        cmocka_unit_test(a_token_may_have_a_header_of_any_length),
        cmocka_unit_test(finders_judge_a_place),
        cmocka_unit_test(a_card_number_is_issued_with_its_prefix_and_length),
        cmocka_unit_test(a_place_is_looked_at_so_far_and_no_farther),
        cmocka_unit_test(tokens_of_one_alphabet_stand_alone),
        cmocka_unit_test(a_run_of_52_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
