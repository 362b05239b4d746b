#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redacting.h"
#include "redaction/seal.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], private_path[96], public_path[104];

static int make_keys(void **state)
{
    (void)state;
    struct error err = {0};
    snprintf(directory, sizeof directory, "/tmp/lethe-seal-XXXXXX");
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(private_path, sizeof private_path, "%s/key", directory);
    snprintf(public_path, sizeof public_path, "%s/key.pub", directory);
    return seal_key_generate(private_path, &err) ? 0 : -1;
}

static int remove_keys(void **state)
{
    (void)state;
    unlink(private_path);
    unlink(public_path);
    return rmdir(directory);
}

static struct sealer *new_sealer(void)
{
    struct error err = {0};
    struct seal_key key;
    assert_true(seal_key_load(public_path, &key, &err));
    struct sealer *s = sealer_new(&key, &err);
    assert_non_null(s);
    return s;
}

static struct unsealer *new_unsealer(void)
{
    struct error err = {0};
    struct unsealer *u = unsealer_new(private_path, &err);
    assert_non_null(u);
    return u;
}

/* --- What redaction withholds ----------------------------------------------------------------------------------------- */

struct sealing {
    struct sealer      *sealer;
    struct seal_facts   facts;
    struct sealed_lines lines;
};

static void seal_batch(void *context, const struct clean_batch *batch)
{
    struct sealing *s = context;
    assert_true(withheld_seal(s->sealer, batch, &s->facts, &s->lines));
}

/* Redacts the text and seals what is withheld; keep_container or not. */
static struct sealing seal_withheld(struct slice text, bool keep_container)
{
    struct redacting t;
    struct sealing s = {.sealer = new_sealer(), .facts = {SLICE("in.jsonl"), {1769860800, 123456789}}};   /* 2026-01-31T12:00:00Z */
    redacting_open(&t, "standard", keep_container);
    t.see = seal_batch;
    t.see_context = &s;
    redacting_text(&t, text);
    redacting_close(&t);
    sealer_free(s.sealer);
    return s;
}

/* Takes the next line off the lines, copied with the padding that a parser wants. */
static char *take_line(struct slice *lines, struct slice *line)
{
    const char *lf = memchr(lines->data, '\n', lines->len);
    assert_non_null(lf);
    *line = slice_of(lines->data, (size_t)(lf - lines->data));
    char *copy = calloc(1, line->len + PARSER_PADDING);
    assert_non_null(copy);
    memcpy(copy, line->data, line->len);
    *lines = slice_sub(*lines, line->len + 1, lines->len);
    line->data = copy;
    return copy;
}

static void assert_slice(struct slice s, const char *expected, size_t len)
{
    assert_int_equal(s.len, len);
    assert_memory_equal(s.data, expected, len);
}

static void what_is_withheld_comes_out_as_it_was_read(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char  *raw[3];
    } cases[] = {
        {SLICE("{\"a\":1}\n{\"pass\nword\n"), {"{\"pass\nword"}},
        {SLICE("{\"a\":01}\n"), {"{\"a\":01}"}},
        {SLICE("\xff\xfe plain\n{\"a\":\"\xff\"}\n"), {"\xff\xfe plain", "{\"a\":\"\xff\"}"}},
        {SLICE("{\"records\":[{\"a\":1},{\"b\":tru},{\"c\":3},{\"d\":0x1}]}\n"), {"{\"b\":tru}", "{\"d\":0x1}"}},
        {SLICE("[{\"a\":1}, {\"b\":\"\x01\"}, {\"c\":"), {"{\"b\":\"\x01\"}", "{\"c\":"}},
        {SLICE("{\"records\":[{\"a\":1}],\"b\":}\n"), {"{\"records\":[{\"a\":1}],\"b\":}"}},
    };
    struct unsealer *u = new_unsealer();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealing s = seal_withheld(cases[i].text, false);
        struct slice lines = slice_of(s.lines.data, s.lines.len), line;
        for (size_t n = 0; n < 3 && cases[i].raw[n] != NULL; n++) {
            struct unsealed out;
            char *copy = take_line(&lines, &line);
            assert_int_equal(unseal_line(u, line, &out), UNSEALED);
            assert_slice(out.raw, cases[i].raw[n], strlen(cases[i].raw[n]));
            free(copy);
        }
        assert_int_equal(lines.len, 0);
        sealed_lines_release(&s.lines);
    }
    unsealer_free(u);
}

static void assert_second_element_is_kept(const char *element, size_t len, bool keep_container)
{
    struct unsealer *u = new_unsealer();
    struct unsealed out;
    size_t size = len + 64;
    char *text = malloc(size);
    assert_non_null(text);
    int text_len = snprintf(text, size, "[{\"a\":1}, %.*s ,{\"c\":3}]\n", (int)len, element);
    struct sealing s = seal_withheld(slice_of(text, (size_t)text_len), keep_container);
    struct slice lines = slice_of(s.lines.data, s.lines.len), line;
    char *copy = take_line(&lines, &line);
    assert_int_equal(unseal_line(u, line, &out), UNSEALED);
    assert_slice(out.raw, element, len);
    assert_int_equal(lines.len, 0);
    free(copy);
    free(text);
    sealed_lines_release(&s.lines);
    unsealer_free(u);
}

/* "%2525..41": each percent sign encoded once more, deeper than is followed. */
static const char *deep_text(void)
{
    static char deep[4096] = "%41 secret";
    while (strlen(deep) < 32) {
        char more[4096] = "%25";
        strcat(more, deep + 1);
        strcpy(deep, more);
    }
    return deep;
}

static void an_element_that_is_refused_while_it_is_examined_is_kept_alone(void **state)
{
    (void)state;
    char element[4200];
    int len = snprintf(element, sizeof element, "{\"b\":\"%s\"}", deep_text());
    for (int keep = 0; keep < 2; keep++) assert_second_element_is_kept(element, (size_t)len, keep);
}

static void what_is_read_as_something_else_is_kept_as_it_was(void **state)
{
    (void)state;
    static const char *const forms[] = {"a \"line\" with %s\n", "{'single': '%s'}\n", "{\"a\":\"line\nfeed %s\"}\n"};
    struct unsealer *u = new_unsealer();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[4200];
        struct unsealed out;
        struct slice lines, line;
        const char *end = strstr(forms[i], "%s");
        int len = snprintf(text, sizeof text, "%.*s%s%s", (int)(end - forms[i]), forms[i], deep_text(), end + 2);
        struct sealing s = seal_withheld(slice_of(text, (size_t)len), false);
        lines = slice_of(s.lines.data, s.lines.len);
        char *copy = take_line(&lines, &line);
        assert_int_equal(unseal_line(u, line, &out), UNSEALED);
        assert_slice(out.raw, text, (size_t)len - 1);
        free(copy);
        sealed_lines_release(&s.lines);
    }
    unsealer_free(u);
}

static void a_record_that_is_too_long_to_be_kept_leaves_its_facts(void **state)
{
    (void)state;
    static char text[3 * REDACTION_MAX_RECORD];
    struct unsealer *u = new_unsealer();
    struct unsealed out;
    memset(text, 'x', sizeof text);
    memcpy(text, "{\"b\":\"", 6);
    memcpy(text + sizeof text - 3, "\"}\n", 3);
    struct sealing s = seal_withheld(slice_of(text, sizeof text), false);
    struct slice lines = slice_of(s.lines.data, s.lines.len), line;
    char *copy = take_line(&lines, &line);
    assert_int_equal(unseal_line(u, line, &out), UNSEALED_FACTS);
    assert_non_null(memmem(out.facts.data, out.facts.len, "\"reason\":\"length\"", 17));
    assert_int_equal(lines.len, 0);
    free(copy);
    sealed_lines_release(&s.lines);
    unsealer_free(u);
}

/* --- The line --------------------------------------------------------------------------------------------------------- */

static void a_line_says_what_is_known_and_holds_no_byte_of_the_record(void **state)
{
    (void)state;
    char expected[256];
    struct unsealer *u = new_unsealer();
    struct sealing s = seal_withheld(SLICE("{\"a\":1}\n{\"marker\":tru}\n"), false);
    int len = snprintf(expected, sizeof expected, "{\"lethe_sealed\":1,\"key\":\"%s\",\"time\":\"2026-01-31T12:00:00.123Z\",\"source\":\"in.jsonl\",\"line\":2,"
                       "\"offset\":8,\"fault_at\":21,\"reason\":\"syntax\",\"sequence\":0,\"sealed\":\"", unsealer_id(u));
    assert_true(s.lines.len > (size_t)len);
    assert_memory_equal(s.lines.data, expected, (size_t)len);
    assert_null(memmem(s.lines.data, s.lines.len, "marker", 6));
    sealed_lines_release(&s.lines);
    unsealer_free(u);
}

static void names_of_sources_are_json_whatever_they_are(void **state)
{
    (void)state;
    static const struct { struct slice name; const char *written; } cases[] = {
        {SLICE("a\"b\\c\nd"), "\"source\":\"a\\\"b\\\\c\\nd\","},
        {SLICE("\xff" "a\xc3"), "\"source\":\"\xef\xbf\xbd" "a\xef\xbf\xbd\","},
        {SLICE(""), "\"source\":\"\","},
        {SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4"),   /* cut in the middle of a letter at 64 bytes */
         "\"source\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4\","},
    };
    struct sealer *sealer = new_sealer();
    struct unsealer *u = new_unsealer();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealed_lines lines = {0};
        struct unsealed out;
        struct slice rest, line;
        struct clean_record r = {.text = SLICE("raw"), .line = 1};
        assert_true(clean_record_seal(sealer, &r, REFUSAL_GATE, &(struct seal_facts){.source = cases[i].name}, &lines));
        rest = slice_of(lines.data, lines.len);
        char *copy = take_line(&rest, &line);
        assert_non_null(memmem(line.data, line.len, cases[i].written, strlen(cases[i].written)));
        assert_int_equal(unseal_line(u, line, &out), UNSEALED);
        assert_slice(out.raw, "raw", 3);
        free(copy);
        sealed_lines_release(&lines);
    }
    sealer_free(sealer);
    unsealer_free(u);
}

/* A sealed line, with room behind it. */
static char *sealed_line(const char *raw, size_t *len)
{
    struct sealer *sealer = new_sealer();
    struct sealed_lines lines = {0};
    struct slice rest, line;
    struct clean_record r = {.text = slice_from(raw), .line = 7, .offset = 100};
    assert_true(clean_record_seal(sealer, &r, REFUSAL_GATE, &(struct seal_facts){.source = SLICE("s"), .time = {1769860800, 0}}, &lines));
    rest = slice_of(lines.data, lines.len);
    char *copy = take_line(&rest, &line);
    *len = line.len;
    sealed_lines_release(&lines);
    sealer_free(sealer);
    return copy;
}

static void a_line_with_any_byte_changed_is_refused(void **state)
{
    (void)state;
    static const char *const raws[] = {"r", "ra", "raw", "raw with more of it"};   /* base64 with every padding */
    struct unsealer *u = new_unsealer();
    for (size_t r = 0; r < sizeof raws / sizeof *raws; r++) {
        size_t len;
        struct unsealed out;
        char *line = sealed_line(raws[r], &len);
        assert_int_equal(unseal_line(u, slice_of(line, len), &out), UNSEALED);
        for (size_t i = 0; i < len; i++) {
            char before = line[i];
            for (int bit = 0; bit < 8; bit++) {
                line[i] = (char)(before ^ (1 << bit));
                assert_true(unseal_line(u, slice_of(line, len), &out) > UNSEALED_FACTS);
                assert_int_equal(out.raw.len, 0);
            }
            line[i] = before;
        }
        for (size_t shorter = 0; shorter < len; shorter++) assert_true(unseal_line(u, slice_of(line, shorter), &out) > UNSEALED_FACTS);
        free(line);
    }
    unsealer_free(u);
}

static void a_line_cannot_lose_or_swap_its_facts(void **state)
{
    (void)state;
    static const char *const facts[] = {",\"line\":7", ",\"offset\":100", ",\"source\":\"s\"", ",\"fault_at\":100"};
    struct unsealer *u = new_unsealer();
    struct unsealed out;
    size_t len;
    char *line = sealed_line("raw", &len);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        size_t cut = strlen(facts[i]);
        char *shorter = calloc(1, len + PARSER_PADDING), *at = memmem(line, len, facts[i], cut);
        assert_true(shorter != NULL && at != NULL);
        memcpy(shorter, line, (size_t)(at - line));
        memcpy(shorter + (at - line), at + cut, len - (size_t)(at - line) - cut);
        assert_int_equal(unseal_line(u, slice_of(shorter, len - cut), &out), UNSEAL_DAMAGED);
        free(shorter);
    }
    free(line);
    unsealer_free(u);
}

static void other_lines_are_told_apart(void **state)
{
    (void)state;
    static const struct { const char *line; enum unsealing result; } cases[] = {
        {"", UNSEAL_NOT_SEALED},
        {"{}", UNSEAL_NOT_SEALED},
        {"[1]", UNSEAL_NOT_SEALED},
        {"{\"lethe_sealed\":1}", UNSEAL_DAMAGED},
        {"{\"message\":\"a line\"}", UNSEAL_NOT_SEALED},
        {"{\"lethe_sealed\":2,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":1,\"offset\":1,\"fault_at\":1,\"reason\":\"\",\"sequence\":0,\"sealed\":\"\"}", UNSEAL_VERSION},
        {"{\"lethe_sealed\":1,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":1,\"offset\":1,\"fault_at\":1,\"reason\":\"\",\"sequence\":0,\"sealed\":\"\"}", UNSEAL_OTHER_KEY},
        {"{\"lethe_sealed\":1,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":1,\"offset\":1,\"fault_at\":1,\"reason\":\"\"}", UNSEALED_FACTS},
        {"{\"lethe_sealed\":1,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":1,\"offset\":1,\"fault_at\":1,\"reason\":\"\",\"sequence\":0}", UNSEAL_DAMAGED},
        {"{\"lethe_sealed\":1,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":1,\"offset\":1,\"fault_at\":1,\"reason\":\"\",\"sequence\":0,\"sealed\":\"\",\"x\":1}", UNSEAL_DAMAGED},
        {"{\"lethe_sealed\":1,\"key\":\"k\",\"time\":\"\",\"source\":\"\",\"line\":\"1\",\"offset\":1,\"fault_at\":1,\"reason\":\"\"}", UNSEAL_DAMAGED},
    };
    struct unsealer *u = new_unsealer();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct unsealed out;
        char line[512] = "";
        strcpy(line, cases[i].line);
        assert_int_equal(unseal_line(u, slice_from(line), &out), cases[i].result);
    }
    unsealer_free(u);
}

static void another_private_key_opens_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    char other_path[128], other_public[160];
    size_t len;
    struct unsealed out;
    char *line = sealed_line("raw", &len);
    snprintf(other_path, sizeof other_path, "%s/other", directory);
    snprintf(other_public, sizeof other_public, "%s.pub", other_path);
    assert_true(seal_key_generate(other_path, &err));
    struct unsealer *other = unsealer_new(other_path, &err), *own = new_unsealer();
    assert_non_null(other);
    assert_int_equal(unseal_line(other, slice_of(line, len), &out), UNSEAL_OTHER_KEY);
    assert_slice(out.key, unsealer_id(own), SEAL_ID_LENGTH);

    memcpy(memmem(line, len, unsealer_id(own), SEAL_ID_LENGTH), unsealer_id(other), SEAL_ID_LENGTH);   /* a lie about the key */
    assert_int_equal(unseal_line(other, slice_of(line, len), &out), UNSEAL_DAMAGED);
    unsealer_free(other);
    unsealer_free(own);
    free(line);
    unlink(other_path);
    unlink(other_public);
}

/* --- Keys ------------------------------------------------------------------------------------------------------------- */

static void write_public(const char *text, mode_t mode)
{
    FILE *f = fopen(public_path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(public_path, mode), 0);
}

static void the_private_file_is_closed_and_the_public_one_open_to_readers(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(stat(private_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(public_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
}

static void neither_file_of_a_pair_is_overwritten(void **state)
{
    (void)state;
    struct error err = {0};
    assert_false(seal_key_generate(private_path, &err));
    assert_non_null(strstr(err.text, "already exists"));
    err = (struct error){0};
    assert_int_equal(unlink(private_path), 0);
    assert_false(seal_key_generate(private_path, &err));
    assert_non_null(strstr(err.text, "key.pub' already exists"));
    assert_int_equal(access(private_path, F_OK), -1);
}

static void a_faulty_public_key_is_refused_and_the_error_says_why(void **state)
{
    (void)state;
    static const struct { const char *text; mode_t mode; const char *error; } cases[] = {
        {"", 0644, "holds no public key in PEM"},
        {"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEA\n-----END PUBLIC KEY-----\n", 0644, "holds no public key in PEM"},
        {"-----BEGIN PRIVATE KEY-----\n", 0644, "is not the public key but the other one of the pair"},
        /* Ed25519, from RFC 8410, section 10.1 */
        {"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n", 0644,
         "is no X25519 key"},
        {"", 0664, "has mode 0664; only its owner may change it: chmod 644"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct seal_key key;
        write_public(cases[i].text, cases[i].mode);
        assert_false(seal_key_load(public_path, &key, &err));
        assert_non_null(strstr(err.text, cases[i].error));
        assert_int_equal(err.code, ERROR_USAGE);
    }
}

static void the_id_of_a_key_is_the_beginning_of_its_hash(void **state)
{
    (void)state;
    struct error err = {0};
    struct seal_key key;
    /* The public key of RFC 7748, section 6.1 (Alice), and what sha256sum says of it. */
    write_public("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n-----END PUBLIC KEY-----\n", 0644);
    bool loaded = seal_key_load(public_path, &key, &err);
    if (!loaded) print_message("%s\n", err.text);
    assert_true(loaded);
    assert_string_equal(key.id, "300c9c9603b92a4b");
}

static void a_private_key_that_others_could_read_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(chmod(private_path, 0640), 0);
    assert_null(unsealer_new(private_path, &err));
    assert_non_null(strstr(err.text, "has mode 0640; only its owner may read it"));
}

static void a_public_key_opens_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(chmod(public_path, 0600), 0);
    assert_null(unsealer_new(public_path, &err));
    assert_non_null(strstr(err.text, "is not the private key but the other one of the pair"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_keys, remove_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_withheld_comes_out_as_it_was_read),
        TEST(an_element_that_is_refused_while_it_is_examined_is_kept_alone),
        TEST(what_is_read_as_something_else_is_kept_as_it_was),
        TEST(a_record_that_is_too_long_to_be_kept_leaves_its_facts),
        TEST(a_line_says_what_is_known_and_holds_no_byte_of_the_record),
        TEST(names_of_sources_are_json_whatever_they_are),
        TEST(a_line_with_any_byte_changed_is_refused),
        TEST(a_line_cannot_lose_or_swap_its_facts),
        TEST(other_lines_are_told_apart),
        TEST(another_private_key_opens_nothing),
        TEST(the_private_file_is_closed_and_the_public_one_open_to_readers),
        TEST(neither_file_of_a_pair_is_overwritten),
        TEST(a_faulty_public_key_is_refused_and_the_error_says_why),
        TEST(the_id_of_a_key_is_the_beginning_of_its_hash),
        TEST(a_private_key_that_others_could_read_is_refused),
        TEST(a_public_key_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
