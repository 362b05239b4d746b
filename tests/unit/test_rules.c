#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/rules_priv.h"

#include <stdio.h>

/* --- Running rules over texts -------------------------------------------------------------------------------------------- */

struct found {
    uint32_t from, to;
};

static struct rules *set;
static struct rules_scratch *scratch;

/* All spans that one rule finds in a text, by whichever way it is triggered. */
static size_t find_all(uint32_t rule, struct slice text, struct found *out, size_t capacity)
{
    const struct rule_hit *hits;
    size_t hit_count, count = 0;
    uint32_t number, from, to;
    struct rules_cursor cursor = {0};
    assert_true(rules_scan(set, scratch, text, &hits, &hit_count));
    for (size_t i = 0; i < hit_count && count < capacity; i++)
        if (hits[i].number == rule && rule_span(set, rule, text, hits[i].end, &from, &to))
            out[count++] = (struct found){from, to};
    while (count < capacity && rules_next(set, text, &cursor, &number, &from, &to))
        if (number == rule) out[count++] = (struct found){from, to};
    for (uint32_t i = 0; i < text.len && count < capacity; i++)
        if (ascii_is_digit(text.data[i]) && (i == 0 || !ascii_is_digit(text.data[i - 1])) &&
            rules_digits(set, text, i, &number, &from, &to)) {
            if (number == rule) out[count++] = (struct found){from, to};
            i = to - 1;
        }
    return count;
}

static struct rules *load(const char *yaml, struct error *err)
{
    struct rule_source sources[] = {{"t.yaml", (const unsigned char *)yaml, strlen(yaml)}, {NULL, NULL, 0}};
    return rules_load_sources(sources, NULL, NULL, NULL, 0, err);
}

/* --- The catalogue ------------------------------------------------------------------------------------------------------- */

static void every_rule_finds_exactly_the_secret_in_its_examples(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (uint32_t n = 0; n < set->count; n++) {
        const struct rule *rule = &set->all[n];
        for (size_t i = 0; i < rule->match_count; i++) {
            char text[65536];
            size_t len;
            uint32_t from, to;
            struct found found[8];
            assert_true(rule->match[i].len < sizeof text);
            assert_true(example_parse(rule->match[i], text, &len, &from, &to));
            size_t count = find_all(n, slice_of(text, len), found, 8);
            bool exact = count > 0;
            for (size_t k = 0; k < count; k++) exact = exact && found[k].from == from && found[k].to == to;
            if (exact) continue;
            failures++;
            print_error("%s:%d: %s: example %zu: %zu found", rule->view.file, rule->view.line, rule->view.id, i + 1, count);
            if (count > 0) print_error(": %u..%u instead of %u..%u", found[0].from, found[0].to, from, to);
            print_error("\n");
        }
    }
    assert_int_equal(failures, 0);
}

static void no_rule_finds_anything_in_its_counter_examples(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (uint32_t n = 0; n < set->count; n++) {
        const struct rule *rule = &set->all[n];
        for (size_t i = 0; i < rule->nomatch_count; i++) {
            struct found found[1];
            if (find_all(n, rule->nomatch[i], found, 1) == 0) continue;
            failures++;
            print_error("%s:%d: %s: counter-example %zu: found at %u..%u\n", rule->view.file, rule->view.line, rule->view.id,
                        i + 1, found[0].from, found[0].to);
        }
    }
    assert_int_equal(failures, 0);
}

static void rules_are_told_apart_by_id_and_have_an_example(void **state)
{
    (void)state;
    assert_true(rules_count(set) > 200);
    for (size_t i = 0; i < rules_count(set); i++) {
        struct rule_view view = rules_get(set, i);
        assert_true(view.example.len > 0);
        assert_null(memmem(view.example.data, view.example.len, "\xe2\x9f\xa6", 3));
        for (size_t k = 0; k < i; k++) assert_string_not_equal(view.id, rules_get(set, k).id);
    }
}

static void no_rule_finds_identifiers_that_azure_logs_are_full_of(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a25",
        "operation_Id 5e2a7c1093bd4f6ea1c80d4b7f3e9a25",
        "00-5e2a7c1093bd4f6ea1c80d4b7f3e9a25-a1c80d4b7f3e9a25-01",
        "W/\"datetime'2025-11-23T08%3A25%3A00.0000000Z'\"",
        "\"0x8DBEC5A7C1093BD\"",
        "sha256:5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25",
        "tvmps_5e2a7c1093bd4f6ea1c80d4b7f3e9a255e2a7c1093bd4f6ea1c80d4b7f3e9a25_d",
        "aio AXQAi/8TAAAAQ7d1mC0bTq2mZ8yXv+o3JkLpR5sWnE9uHgFzDxCaVbNmKlIoPtYrEw==",
        "uti q7d1mC0bTq2mZ8yXvo3JAA rh 0.AQ4Aq7d1mC0bTq2mZ8yXvo3JkLpR5sWnE9uHgFzD.",
        "/subscriptions/5e2a7c10-93bd-4f6e-a1c8-0d4b7f3e9a25/resourceGroups/rg-churn/providers/Microsoft.MachineLearningServices/workspaces/ws-churn",
        "L3N1YnNjcmlwdGlvbnMvNWUyYTdjMTAtOTNiZC00ZjZlLWExYzgtMGQ0YjdmM2U5YTI1L3Jlc291cmNlR3JvdXBz",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        "azsdk-python-mgmt-machinelearningservices/2.0.0 Python/3.9.17 (Linux-5.15.0-1040-azure-x86_64-with-glibc2.31)",
        "0.4539148803436467, 0.5499740000000018, 17.00000000000000004",
        "638679999000000000 1700000000000 20251123082500",
        "token_type=Bearer expires_in=3599 code=200 status=success",
        "Basic authentication is disabled; use bearer tokens or SharedKey authorization",
    };
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        for (uint32_t n = 0; n < set->count; n++) {
            struct found found[1];
            if (find_all(n, slice_from(texts[t]), found, 1) > 0)
                fail_msg("%s finds something in text %zu", set->all[n].view.id, t);
        }
}

/* --- Scanning ------------------------------------------------------------------------------------------------------------- */

static void extra_patterns_are_numbered_after_the_catalogue(void **state)
{
    (void)state;
    static const struct extra_pattern extra[] = {{"passw[o0]rd", true, "password", NULL}, {"zebra", false, "zebra", NULL}};
    struct error err = {0};
    struct rules *other = rules_load(NULL, NULL, extra, 2, &err);
    assert_non_null(other);
    struct rules_scratch *own = rules_scratch_new(other);
    assert_non_null(own);
    const struct rule_hit *hits;
    size_t count;
    assert_true(rules_scan(other, own, SLICE("a zebra, a Zebra, a PASSW0RD"), &hits, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].number, rules_count(other) + 1);
    assert_int_equal(hits[0].end, 7);
    assert_int_equal(hits[1].number, rules_count(other));
    assert_int_equal(hits[1].end, 28);
    rules_scratch_free(own);
    rules_free(other);
}

static void hits_are_ordered_by_the_ends_of_their_tails(void **state)
{
    (void)state;
    static const struct extra_pattern extra[] = {{"(zebra|bra)[ =]", false, "zebra =", tail_assignment}, {" =", false, " =", NULL}, {"  ", false, "  ", NULL}};
    static const struct rule_hit expected[] = {{2, 7}, {2, 8}, {0, 9}, {1, 9}, {0, 17}};   /* bra, in zebra, has the same tail */
    struct error err = {0};
    struct rules *other = rules_load(NULL, NULL, extra, 3, &err);
    assert_non_null(other);
    struct rules_scratch *own = rules_scratch_new(other);
    assert_non_null(own);
    const struct rule_hit *hits;
    size_t count;
    assert_true(rules_scan(other, own, SLICE("zebra   =, zebra=, zebra ."), &hits, &count));
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hits[i].number - rules_count(other), expected[i].number);
        assert_int_equal(hits[i].end, expected[i].end);
    }
    rules_scratch_free(own);
    rules_free(other);
}

/* Ends far behind. */
static bool tail_far(struct slice text, uint32_t *end)
{
    *end += 100;
    return *end <= text.len;
}

/* A hit within the tails of more hits than are looked through; two words before the same tail are one hit. */
static void hits_are_ordered_however_many_tails_they_lie_in(void **state)
{
    (void)state;
    static const struct extra_pattern extra[] = {{"z", false, NULL, tail_far}, {"b", false, "b", NULL}, {"(horse|lake)[a-z_]", false, "horse_=", tail_numbered}};
    char text[200];
    struct error err = {0};
    struct rules *other = rules_load(NULL, NULL, extra, 3, &err);
    assert_non_null(other);
    struct rules_scratch *own = rules_scratch_new(other);
    assert_non_null(own);
    const struct rule_hit *hits;
    size_t count, first = rules_count(other);
    memset(text, ' ', sizeof text);
    memset(text, 'z', 40);
    memcpy(text + 40, "b horse_1=", 10);
    assert_true(rules_scan(other, own, slice_of(text, sizeof text), &hits, &count));
    assert_int_equal(count, 42);
    assert_int_equal(hits[0].number, first + 1);
    assert_int_equal(hits[0].end, 41);
    assert_int_equal(hits[1].number, first + 2);
    assert_int_equal(hits[1].end, 50);
    for (size_t i = 2; i < count; i++) {
        assert_int_equal(hits[i].number, first);
        assert_int_equal(hits[i].end, 99 + i);   /* 101 to 140 */
    }
    assert_true(rules_scan(other, own, SLICE("horse_lake_1="), &hits, &count));
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].end, 13);
    rules_scratch_free(own);
    rules_free(other);
}

static bool only_ids_with_azure(const void *context, const char *id, enum rule_class class_)
{
    (void)context;
    (void)class_;
    return strncmp(id, "azure-", 6) == 0;
}

static void a_rule_that_is_not_enabled_keeps_its_number_and_finds_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct rules *some = rules_load(only_ids_with_azure, NULL, NULL, 0, &err);
    assert_non_null(some);
    assert_int_equal(rules_count(some), rules_count(set));
    struct rules_scratch *own = rules_scratch_new(some);
    assert_non_null(own);
    const struct rule_hit *hits;
    size_t count;
    uint32_t number, from, to;
    struct rules_cursor cursor = {0};
    assert_true(rules_scan(some, own, SLICE("Bearer 0123456789abcdef AccountKey=x"), &hits, &count));
    assert_int_equal(count, 1);
    assert_string_equal(rules_get(some, hits[0].number).id, "azure-account-key");
    assert_false(rules_next(some, SLICE("http://u:p@h maja@contoso.example a_b_k3v9x2mzq1"), &cursor, &number, &from, &to));
    assert_false(rules_digits(some, SLICE("4111111111111111"), 0, &number, &from, &to));
    rules_scratch_free(own);
    rules_free(some);
}

static void hits_are_ordered_by_their_end_and_all_are_kept(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char text[COUNT * 12];
    const struct rule_hit *hits;
    size_t count;
    for (size_t i = 0; i < COUNT; i++) memcpy(text + i * 12, "AccountKey= ", 12);
    assert_true(rules_scan(set, scratch, slice_of(text, sizeof text), &hits, &count));
    assert_int_equal(count, COUNT);
    for (size_t i = 0; i < count; i++) assert_int_equal(hits[i].end, i * 12 + 11);
}

static void an_empty_text_has_no_hits(void **state)
{
    (void)state;
    const struct rule_hit *hits;
    size_t count = 7;
    assert_true(rules_scan(set, scratch, slice_of("", 0), &hits, &count));
    assert_int_equal(count, 0);
}

/* A scan may cover many values laid side by side; a match across two of them must not reach outside the one asked for. */
static void a_hit_that_began_before_the_text_is_none(void **state)
{
    (void)state;
    uint32_t from, to;
    for (uint32_t n = 0; n < set->count; n++)
        if (set->all[n].pattern)
            for (uint32_t end = 0; end <= 3; end++) {
                bool found = rule_span(set, n, SLICE("key"), end, &from, &to);
                if (found) assert_true(from < to && to <= 3);
            }
}

static uint32_t number_of(const char *id)
{
    for (uint32_t n = 0; n < set->count; n++)
        if (strcmp(set->all[n].view.id, id) == 0) return n;
    fail_msg("no rule %s", id);
    return 0;
}

static void a_key_is_found_whether_its_checksum_is_right_or_not(void **state)
{
    (void)state;
    static const char valid[] = "Ik2zwEQHfwcepYyNGfB51YbmwxAscRuzOl8G5UBBBpiA84YrNbuBhOwc8fjOWOrOwd8S7Ba16j7p+AStFntirg==";
    static const char blurred[] = "xxxxxEQHfwcepYyNGfB51YbmwxAscRuzOl8G5UBBBpiA84YrNbuBhOwc8fjOWOrOwd8S7Ba16j7p+AStFntirg==";
    uint32_t number = number_of("azure-storage-key");
    struct found found[2];
    assert_int_equal(find_all(number, slice_from(valid), found, 2), 1);
    assert_int_equal(find_all(number, slice_from(blurred), found, 2), 1);
}

static void a_run_of_digits_gives_all_its_numbers_in_order(void **state)
{
    (void)state;
    static const struct slice text = SLICE("19640823-3234  4111111111111111 640823-3234 378282246310005");
    static const char *const expected[] = {"19640823-3234", "4111111111111111", "640823-3234", "378282246310005"};
    uint32_t number, from, to = 0;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(rules_digits(set, text, to, &number, &from, &to));
        assert_true(slice_equal(slice_sub(text, from, to), slice_from(expected[i])));
    }
    assert_false(rules_digits(set, text, to, &number, &from, &to));
}

static void one_walk_finds_names_addresses_and_tokens_among_others(void **state)
{
    (void)state;
    static const struct slice text = SLICE("x_y job calm_pear_k3v9x2mzq1 by maja@contoso.example at https://u:p4ss@h/ run a_1795319000_9f3c21ab "
                                           "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga");
    static const char *const expected[] = {"calm_pear_k3v9x2mzq1", "a_1795319000_9f3c21ab", "maja@contoso.example", "p4ss",
                                           "y2kjgonkjpcpcvpr57amxb5hv6xyewcxcvpbhivgl5te6abtcoga"};
    struct rules_cursor cursor = {0};
    uint32_t number, from, to;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(rules_next(set, text, &cursor, &number, &from, &to));
        assert_true(slice_equal(slice_sub(text, from, to), slice_from(expected[i])));
    }
    assert_false(rules_next(set, text, &cursor, &number, &from, &to));
    assert_false(rules_next(set, text, &cursor, &number, &from, &to));
}

/* --- Loading -------------------------------------------------------------------------------------------------------------- */

#define RULE_HEAD "- id: a\n  title: A\n  class: secret\n"
#define RULE_TAIL "  references: [\"https://a.example\"]\n  match: ['\xe2\x9f\xa6" "abcdef\xe2\x9f\xa7']\n  nomatch: [x]\n"

static void a_faulty_rule_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *error;
    } cases[] = {
        {"id: a\n", "t.yaml:1:1: a list is wanted here, not a mapping"},
        {RULE_HEAD "  patern: abcdef\n" RULE_TAIL, "t.yaml:4:3: unknown key 'patern': did you mean 'pattern'?"},
        {"- id: a\n  title: A\n", "t.yaml:1:3: the rule lacks 'class'"},
        {"- id: A_b\n  title: A\n  class: secret\n  pattern: abcdef\n" RULE_TAIL, "t.yaml:1:7: an id is made of a-z, 0-9 and dashes"},
        {RULE_HEAD "  pattern: abcdef\n" RULE_TAIL RULE_HEAD "  pattern: abcdef\n" RULE_TAIL, "t.yaml:8:7: the id 'a' is taken: t.yaml:1"},
        {"- id: a\n  title: A\n  class: secrets\n  pattern: abcdef\n" RULE_TAIL, "t.yaml:3:10: unknown class 'secrets': did you mean 'secret'?"},
        {RULE_HEAD RULE_TAIL, "t.yaml:1:3: one of pattern and find is wanted"},
        {RULE_HEAD "  pattern: abcdef\n  find: email\n" RULE_TAIL, "t.yaml:1:3: one of pattern and find is wanted"},
        {RULE_HEAD "  find: e-mail\n" RULE_TAIL, "t.yaml:4:9: unknown finder 'e-mail': did you mean 'email'?"},
        {RULE_HEAD "  pattern: 'abc(def'\n" RULE_TAIL, "t.yaml:4:12: the pattern does not compile: "},
        {RULE_HEAD "  pattern: '(?:abcd)?'\n" RULE_TAIL, "t.yaml:4:12: the pattern matches the empty text"},
        {RULE_HEAD "  pattern: 'abcd[0-9]+'\n" RULE_TAIL, "t.yaml:4:12: the pattern has no greatest width"},
        {RULE_HEAD "  pattern: 'abcd[0-9]{2,4}'\n" RULE_TAIL, "t.yaml:4:12: the pattern matches texts of 6 to 8 bytes: one width is needed, or keep: all"},
        {RULE_HEAD "  pattern: '[0-9]{16}'\n" RULE_TAIL, "t.yaml:4:12: no usable literal"},
        {RULE_HEAD "  pattern: '(?:abcd|x[0-9]{3})'\n" RULE_TAIL, "t.yaml:4:12: no usable literal"},
        {RULE_HEAD "  pattern: abcdef\n  keep: 6\n" RULE_TAIL, "t.yaml:5:9: keep leaves nothing of the match: write keep: all"},
        {RULE_HEAD "  pattern: abcdef\n  keep: all\n" RULE_TAIL, "t.yaml:1:3: with keep: all, extend or until must say what the secret is"},
        {RULE_HEAD "  pattern: abcdef\n  gap: {class: alnum, max: 3}\n" RULE_TAIL, "t.yaml:5:3: a gap needs keep: all"},
        {RULE_HEAD "  pattern: abcdef\n  extend: {class: letters, max: 3}\n" RULE_TAIL, "t.yaml:5:19: neither the name of a class of characters nor [...]"},
        {RULE_HEAD "  pattern: abcdef\n  extend: {class: '[z-a]', max: 3}\n" RULE_TAIL, "t.yaml:5:19: neither the name of a class of characters nor [...]"},
        {RULE_HEAD "  pattern: abcdef\n  extend: {class: hex}\n" RULE_TAIL, "t.yaml:5:11: wants class and max"},
        {RULE_HEAD "  pattern: abcdef\n  extend: {class: hex, max: 3}\n  until: x\n" RULE_TAIL, "t.yaml:6:3: extend and until exclude one another"},
        {RULE_HEAD "  pattern: abcdef\n  length: [9, 3]\n" RULE_TAIL, "t.yaml:5:15: must lie between 9 and "},
        {RULE_HEAD "  pattern: abcdef\n  keep: all\n  until: x\n  length: [1, 2000]\n" RULE_TAIL, "t.yaml:7:11: with until, the greatest length is at most 1024"},
        {RULE_HEAD "  pattern: abcdef\n  verify: [entorpy 3]\n" RULE_TAIL, "t.yaml:5:12: unknown verifier 'entorpy': did you mean 'entropy'?"},
        {RULE_HEAD "  pattern: abcdef\n  verify: [entropy]\n" RULE_TAIL, "t.yaml:5:12: 'entropy' wants bits per character"},
        {RULE_HEAD "  pattern: abcdef\n  verify: [mixed 3]\n" RULE_TAIL, "t.yaml:5:12: 'mixed' wants no argument"},
        {RULE_HEAD "  pattern: '(?:abcde|abcdef)'\n  keep: all\n  until: x\n  boundary: left\n" RULE_TAIL, "t.yaml:4:12: a boundary on the left needs a pattern of one width"},
        {"- {id: a, title: A, class: secret, pattern: abcdef, references: [], match: [x], nomatch: [x]}\n", "t.yaml:1:65: at least one reference is wanted"},
        {"- {id: a, title: A, class: secret, pattern: abcdef, references: [\"http://a.example\"], match: [x], nomatch: [x]}\n", "t.yaml:1:66: a reference begins with https://"},
        {"- {id: a, title: A, class: secret, pattern: abcdef, references: [\"https://a.example\"], match: [abcdef], nomatch: [x]}\n", "t.yaml:1:96: the secret must stand between one"},
        {"- {id: a, title: A, class: secret, pattern: abcdef, references: [\"https://a.example\"], match: [], nomatch: [x]}\n", "t.yaml:1:95: from 1 to 16 examples are wanted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct rules *rules = load(cases[i].yaml, &err);
        if (rules || strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            print_error("case %zu: '%s' instead of '%s'\n", i, err.text, cases[i].error);
        assert_null(rules);
        assert_memory_equal(err.text, cases[i].error, strlen(cases[i].error));
    }
}

static void a_literal_is_three_characters_that_stand_in_every_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool        literal;
    } cases[] = {{"abc", true}, {"ab", false}, {"ab[c]", false}, {"ab?cd", false}, {"abcd?", true}, {"a\\.b", true}, {"a\\db", false}, {"a.b.c", false},
                 {"(?:abc|def)[0-9]", true}, {"(?:abc|de)[0-9]{9}", false}, {"(?:abc)?de", false}, {"[abc]{3}", false}, {"x{3}", false}, {"[]abc]", false}, {"ab(?:cd|ef)gh", false}, {"[^\\]abc]xyz", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pattern_has_literal(cases[i].pattern) != cases[i].literal) fail_msg("%s", cases[i].pattern);
}

static void a_rule_may_keep_context_a_gap_and_stop_at_a_character(void **state)
{
    (void)state;
    static const char yaml[] = "- id: a\n  title: A\n  class: secret\n  pattern: 'pin(?:code)?'\n  keep: all\n  gap: {class: '[ :=]', min: 1, max: 3}\n"
                               "  until: ';'\n  length: [2, 4]\n" "  references: ['https://x.example']\n  match: ['pin: ⟦123⟧;']\n  nomatch: ['x']\n";
    static const struct {
        const char *text, *secret;
    } cases[] = {{"pin: 123;x", "123"}, {"pincode=1234", "1234"}, {"pin1234", NULL}, {"pin=1;", NULL}, {"pin=12345;", NULL}, {"pin =", NULL}};
    struct error err = {0};
    struct rules *rules = load(yaml, &err);
    assert_non_null(rules);
    struct rules_scratch *own = rules_scratch_new(rules);
    assert_non_null(own);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rule_hit *hits;
        size_t count, found = 0;
        uint32_t from, to;
        struct slice text = slice_from(cases[i].text);
        assert_true(rules_scan(rules, own, text, &hits, &count));
        for (size_t h = 0; h < count; h++) {
            if (!rule_span(rules, hits[h].number, text, hits[h].end, &from, &to)) continue;
            found++;
            if (!cases[i].secret || !slice_equal(slice_sub(text, from, to), slice_from(cases[i].secret))) fail_msg("%s", cases[i].text);
        }
        assert_int_equal(found, cases[i].secret != NULL);
    }
    rules_scratch_free(own);
    rules_free(rules);
}

/* `ids`: those that are not there. */
static bool is_another(const void *ids, const char *rule, enum rule_class class_)
{
    (void)class_;
    for (const char *const *id = ids; *id != NULL; id++)
        if (strcmp(rule, *id) == 0) return false;
    return true;
}

/* test_rules [RULE...]: as if these rules were not there, in which case the examples of each must tell. */
int main(int argc, char **argv)
{
    struct error err = {0};
    set = rules_load(argc > 1 ? is_another : NULL, argv + 1, NULL, 0, &err);
    if (argc > 1) cmocka_set_test_filter("every_rule_finds_exactly_the_secret_in_its_examples");
    if (!set) print_error("%s\n", err.text);
    scratch = set ? rules_scratch_new(set) : NULL;
    if (!scratch) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_finds_exactly_the_secret_in_its_examples),
        cmocka_unit_test(no_rule_finds_anything_in_its_counter_examples),
        cmocka_unit_test(rules_are_told_apart_by_id_and_have_an_example),
        cmocka_unit_test(no_rule_finds_identifiers_that_azure_logs_are_full_of),
        cmocka_unit_test(extra_patterns_are_numbered_after_the_catalogue),
        cmocka_unit_test(hits_are_ordered_by_the_ends_of_their_tails),
        cmocka_unit_test(hits_are_ordered_however_many_tails_they_lie_in),
        cmocka_unit_test(a_rule_that_is_not_enabled_keeps_its_number_and_finds_nothing),
        cmocka_unit_test(hits_are_ordered_by_their_end_and_all_are_kept),
        cmocka_unit_test(an_empty_text_has_no_hits),
        cmocka_unit_test(a_hit_that_began_before_the_text_is_none),
        cmocka_unit_test(a_key_is_found_whether_its_checksum_is_right_or_not),
        cmocka_unit_test(a_run_of_digits_gives_all_its_numbers_in_order),
        cmocka_unit_test(one_walk_finds_names_addresses_and_tokens_among_others),
        cmocka_unit_test(a_faulty_rule_is_refused_with_its_place),
        cmocka_unit_test(a_literal_is_three_characters_that_stand_in_every_match),
        cmocka_unit_test(a_rule_may_keep_context_a_gap_and_stop_at_a_character),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rules_scratch_free(scratch);
    rules_free(set);
    return failed;
}
