/* Laws of redaction that hold for every input, tried on thousands of invented records: valid stays valid, clean output stays
 * as it is, bytes outside of spans are kept, and neither the cut of the input nor what came before changes a result. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "inventing.h"
#include "policies_open.h"

#include <stdlib.h>

#define RECORDS 3000

static struct invented text, other;

/* Fails, showing both texts from shortly before they differ. */
static void fail_different(const char *claim, const char *expected, const char *found)
{
    size_t at = 0;
    while (expected[at] != '\0' && expected[at] == found[at]) at++;
    size_t from = at > 250 ? at - 250 : 0;
    fail_msg("%s:\n  %.400s\n  %.400s", claim, expected + from, found + from);
}

static void check_same(const char *claim, const char *expected, const char *found)
{
    if (strcmp(expected, found) != 0) fail_different(claim, expected, found);
}

/* --- Structure ------------------------------------------------------------------------------------------------------------- */

struct tree {
    struct parser parser;
    struct arena  arena;
    struct tape   tape;
    char         *padded;
};

/* False: it is not JSON. */
static bool tree_parse(struct tree *t, struct slice json)
{
    size_t at;
    free(t->padded);
    t->padded = calloc(1, json.len + PARSER_PADDING);
    assert_non_null(t->padded);
    memcpy(t->padded, json.data, json.len);
    arena_clear(&t->arena);
    return parser_parse(&t->parser, slice_of(t->padded, json.len), &t->arena, &t->tape, &at) == PARSE_OK;
}

static void tree_init(struct tree *t)
{
    *t = (struct tree){0};
    assert_true(parser_init(&t->parser, 4 << 20, PARSER_DEFAULT_DEPTH));
    arena_init(&t->arena, 1 << 16, (size_t)1 << 28);
}

static void tree_release(struct tree *t)
{
    parser_release(&t->parser);
    arena_release(&t->arena);
    free(t->padded);
}

static struct slice bytes_of(const struct tree *t, uint32_t n)
{
    return slice_sub(t->tape.text, t->tape.nodes[n].start, t->tape.nodes[n].end);
}

static bool contains(struct slice text_, const char *part) { return memmem(text_.data, text_.len, part, strlen(part)) != NULL; }

/* Whether a changed text shows that and why it was changed. */
static bool is_marked(struct slice changed)
{
    static const char *const marks[] = {"[redacted:", "run-", "user-", "name-", "ikey-"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (contains(changed, marks[i])) return true;
    return memchr(changed.data, '.', changed.len) != NULL;   /* an address in place of an address */
}

/* Compares node a of x with node b of y, and all below. */
static bool same_structure(const struct tree *x, uint32_t a, const struct tree *y, uint32_t b, bool whole_containers)
{
    const struct node *m = &x->tape.nodes[a], *n = &y->tape.nodes[b];
    if (m->type != n->type) {
        bool container = m->type == NODE_OBJECT || m->type == NODE_ARRAY;
        return n->type == NODE_STRING && (m->type == NODE_NUMBER || (container && whole_containers)) && is_marked(bytes_of(y, b));
    }
    if (m->type == NODE_STRING || m->type == NODE_KEY)
        if (!slice_equal(bytes_of(x, a), bytes_of(y, b)) && !is_marked(bytes_of(y, b))) return false;
    if (m->type == NODE_NUMBER && !slice_equal(bytes_of(x, a), bytes_of(y, b))) return false;
    if (m->type == NODE_KEY) return same_structure(x, a + 1, y, b + 1, whole_containers);
    if (m->type != NODE_OBJECT && m->type != NODE_ARRAY) return true;
    uint32_t i = a + 1, k = b + 1;
    while (i < m->next && k < n->next) {
        if (!same_structure(x, i, y, k, whole_containers)) return false;
        i = x->tape.nodes[i].next;
        k = y->tape.nodes[k].next;
    }
    return i == m->next && k == n->next;
}

static void check_structure(struct redacting *t, uint64_t seed, bool whole_containers)
{
    struct tree before, after;
    size_t withheld = 0;
    tree_init(&before);
    tree_init(&after);
    chance_seed(seed);
    for (int i = 0; i < RECORDS; i++) {
        text.len = 0;
        put_record(&text);
        put(&text, "\n");
        const char *out = redacting_text(t, invented_slice(&text));
        withheld += out[0] == '\0';
        if (out[0] == '\0') continue;
        assert_true(tree_parse(&before, invented_slice(&text)));
        if (!tree_parse(&after, slice_from(out))) fail_msg("not JSON any more:\n%s%s", text.data, out);
        if (!same_structure(&before, 0, &after, 0, whole_containers)) fail_msg("another structure:\n%s%s", text.data, out);
    }
    assert_true(withheld < RECORDS / 20);   /* those nested deeper than is looked at */
    tree_release(&before);
    tree_release(&after);
}

static void valid_json_stays_valid_with_the_same_structure(void **state)
{
    (void)state;
    check_structure(&standard, 1, false);
}

static void under_hbi_only_whole_values_are_exchanged(void **state)
{
    (void)state;
    check_structure(&hbi, 2, true);
}

/* --- Twice ------------------------------------------------------------------------------------------------------------------ */

static void redacting_the_output_changes_nothing(void **state)
{
    (void)state;
    chance_seed(3);
    for (int i = 0; i < RECORDS; i++) {
        text.len = other.len = 0;
        put_record(&text);
        put(&text, "\n");
        put(&other, redacting_text(&standard, invented_slice(&text)));
        check_same("redacted twice", other.data, redacting_text(&standard, invented_slice(&other)));
    }
}

/* --- Bytes outside of spans ------------------------------------------------------------------------------------------------- */

/* Takes clean records apart: what stands between the spans must be found in the output in order. */
static void see_spans(void *context, const struct clean_batch *batch)
{
    struct invented *expected = context;
    for (size_t i = 0; i < batch->count; i++) {
        const struct clean_record *c = &batch->records[i];
        uint32_t at = 0;
        for (size_t k = 0; k < c->span_count; k++) {
            assert_true(c->spans[k].start >= at && c->spans[k].start < c->spans[k].end && c->spans[k].end <= c->text.len);
            put_slice(expected, slice_sub(c->text, at, c->spans[k].start));
            put_slice(expected, c->spans[k].replacement);
            at = c->spans[k].end;
        }
        put_slice(expected, slice_sub(c->text, at, c->text.len));
        put(expected, "\n");
    }
}

static void bytes_outside_of_spans_are_kept(void **state)
{
    (void)state;
    static struct invented expected;
    hbi.see = see_spans;
    hbi.see_context = &expected;
    chance_seed(4);
    for (int i = 0; i < RECORDS; i++) {
        text.len = expected.len = 0;
        expected.data[0] = '\0';
        put_record(&text);
        put(&text, "\n");
        check_same("other bytes", expected.data, redacting_text(&hbi, invented_slice(&text)));
    }
    hbi.see = NULL;
}

/* --- The same, however it comes ---------------------------------------------------------------------------------------------- */

static void put_corpus(size_t records)
{
    text.len = 0;
    for (size_t i = 0; i < records; i++) {
        put_record(&text);
        put(&text, "\n");
        if (pick(20) == 0) put(&text, "a line of text with password=hunter2 in it\n");
        if (pick(20) == 0) put(&text, "{\"broken\":\n");
        if (pick(20) == 0) put(&text, "{\"records\":[{\"a\":1}, {\"token\":\"x\"}]}\n");
    }
}

static void the_cut_of_the_input_does_not_matter(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 7, 64, 4096};
    chance_seed(5);
    for (int round = 0; round < 6; round++) {
        put_corpus(150);
        other.len = 0;
        put(&other, redacting_text(&standard, invented_slice(&text)));
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            standard.read_bytes = cuts[i];
            check_same("another cut", other.data, redacting_text(&standard, invented_slice(&text)));
        }
        standard.read_bytes = 0;
    }
}

static void what_came_before_does_not_matter(void **state)
{
    (void)state;
    chance_seed(6);
    for (int round = 0; round < 12; round++) {
        put_corpus(150);
        other.len = 0;
        put(&other, redacting_text(&standard, invented_slice(&text)));
        check_same("the second time", other.data, redacting_text(&standard, invented_slice(&text)));
        redacting_renew(&standard);
        check_same("a fresh redactor", other.data, redacting_text(&standard, invented_slice(&text)));
    }
}

static void a_record_alone_is_the_same_as_among_others(void **state)
{
    (void)state;
    chance_seed(7);
    put_corpus(800);
    static struct invented together;
    together.len = other.len = 0;
    put(&together, redacting_text(&standard, invented_slice(&text)));
    for (const char *line = text.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        put(&other, redacting_text(&standard, slice_of(line, (size_t)(end - line) + 1)));
    check_same("alone", together.data, other.data);
}

/* --- Failures ------------------------------------------------------------------------------------------------------------------ */

/* Feeds a record that must be withheld between two that are fine. */
static void check_withheld(struct slice record, enum refusal why)
{
    const struct tally *tally = redactor_tally(standard.redactor);
    uint64_t before = tally->withheld[why], records = tally->records;
    char *input = malloc(record.len + 64);
    assert_non_null(input);
    size_t len = (size_t)snprintf(input, 16, "{\"a\":1}\n");
    memcpy(input + len, record.data, record.len);
    len += record.len;
    len += (size_t)snprintf(input + len, 16, "\n{\"b\":2}\n");
    assert_string_equal(redacting_text(&standard, slice_of(input, len)), "{\"a\":1}\n{\"b\":2}\n");
    assert_int_equal(tally->withheld[why], before + 1);
    assert_int_equal(tally->records, records + 3);
    free(input);
}

static void what_nests_too_deep_is_withheld(void **state)
{
    (void)state;
    text.len = 0;
    for (int i = 0; i < PARSER_DEFAULT_DEPTH + 1; i++) put(&text, "[");
    put(&text, "\"password=hunter2\"");
    for (int i = 0; i < PARSER_DEFAULT_DEPTH + 1; i++) put(&text, "]");
    check_withheld(invented_slice(&text), REFUSAL_DEPTH);
}

static void what_is_encoded_too_often_is_withheld(void **state)
{
    (void)state;
    text.len = 0;
    put(&text, "{\"a\":\"%");
    for (int i = 0; i < 12; i++) put(&text, "25");
    put(&text, "41 password\"}");
    check_withheld(invented_slice(&text), REFUSAL_DEPTH);
}

static void what_decodes_to_too_much_is_withheld(void **state)
{
    (void)state;
    text.len = 0;
    put(&text, "{\"a\":\"%2525252525252541 ");
    for (int i = 0; i < 7000; i++) put(&text, i % 7 ? "cGFzc3dvcmQ9" : " ");   /* runs that are decoded again at each level */
    put(&text, "\"}");
    check_withheld(invented_slice(&text), REFUSAL_BUDGET);
}

static void what_is_too_long_is_withheld(void **state)
{
    (void)state;
    size_t len = REDACTION_MAX_RECORD + 100;
    char *record = malloc(len + 1);
    assert_non_null(record);
    memset(record, 'x', len);
    memcpy(record, "{\"a\":\"", 6);
    memcpy(record + len - 2, "\"}", 2);
    check_withheld(slice_of(record, len), REFUSAL_LENGTH);
    free(record);
}

/* A text that was not looked at to the end because its record was refused must not pass for a known one later. */
static void a_text_of_a_refused_record_is_not_remembered(void **state)
{
    (void)state;
    static struct invented levels[2];
    const char *line = "{\"m\":\"some words in front REJfUEFTU1dPUkQ9U3VwZXJTZWNyZXRQdzEyMzQ1IGFuZCBtb3JlIHdvcmRz\"}\n";
    levels[0].len = 0;
    put_slice(&levels[0], slice_of(line, strlen(line) - 1));
    for (int i = 0; i < 8; i++) {
        struct invented *to = &levels[(i + 1) % 2];
        to->len = 0;
        put(to, "{\"m\":\"");
        put_string(to, invented_slice(&levels[i % 2]));
        put(to, "\"}");
    }
    put(&levels[0], "\n");
    redacting_renew(&standard);
    assert_string_equal(redacting_text(&standard, invented_slice(&levels[0])), "");
    assert_string_equal(redacting_text(&standard, slice_from(line)), "{\"m\":\"some words in front [redacted:sensitive-name]\"}\n");
}

static void counts_always_add_up(void **state)
{
    (void)state;
    struct redacting *const all[] = {&standard, &hbi, &keeping};
    chance_seed(8);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        redacting_renew(all[i]);
        for (int round = 0; round < 3; round++) {
            put_corpus(100);
            redacting_text(all[i], invented_slice(&text));
            const struct tally *t = redactor_tally(all[i]->redactor);
            assert_int_equal(t->records, t->clean + t->redacted + tally_withheld(t));
            assert_true(t->records >= 100 && t->redacted > 0);
        }
    }
}

static void many_records_in_one_container_are_all_kept(void **state)
{
    (void)state;
    text.len = 0;
    put(&text, "{\"records\":[");
    for (int i = 0; i < 1200; i++) {
        put(&text, i ? ",{\"runId\":\"" : "{\"runId\":\"");
        put_template(&text, "exp_1795319%d3_9f3c%h4\",\"m\":\"%w60");
        put(&text, "\"}");
    }
    put(&text, "]}\n");
    redacting_renew(&standard);
    redacting_text(&standard, invented_slice(&text));
    assert_int_equal(redactor_tally(standard.redactor)->redacted, 1200);
}

/* --- Look-alikes ------------------------------------------------------------------------------------------------------------------ */

static const char *const look_alikes[] = {
    "\"id\":\"%h8-%h4-%h4-%h4-%h12\"", "\"etag\":\"W/\\\"0x8DC%h12\\\"\"", "\"sha256\":\"%h64\"", "\"digest\":\"sha256:%h64\"",
    "\"traceparent\":\"00-%h32-%h16-01\"", "\"operation_Id\":\"%h32\"", "\"commit\":\"%h40\"", "\"IKey\":\"%h8-%h4-%h4-%h4-%h12\"",
    "\"nodeId\":\"tvmps_%h64_d\"", "\"time\":\"2026-11-%d2T10:00:00.%d7Z\"", "\"ticks\":6389%d14", "\"version\":\"1.%d2.%d3-beta+%h7\"",
    "\"image\":\"mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:2026%d4\"", "\"claims\":{\"aio\":\"%w22/%w30\",\"uti\":\"%w22\"}",
    "\"durationMs\":1%d3,\"ratio\":0.%d15", "\"category\":\"AmlComputeJobEvent\"", "\"m\":\"took 12.5 s, 100% done, a=b&c=d\"",
    "\"correlationId\":\"%h8-%h4-%h4-%h4-%h12\",\"resultSignature\":\"OK\"", "\"userAgent\":\"python-requests/2.31.0 (Linux 5.15.0-1052-azure)\"",
    "\"resourceId\":\"/SUBSCRIPTIONS/%h8-%h4-%h4-%h4-%h12/RESOURCEGROUPS/RG-%d2/PROVIDERS/MICROSOFT.STORAGE/STORAGEACCOUNTS/ACCT%d3\"",
    "\"serviceRequestId\":\"|%h32.%h16.\"", "\"m\":\"see https://learn.microsoft.com/en-us/azure/machine-learning/how-to-%a8?view=v%d1\"",
    "\"key\":\"color\",\"token_type\":\"Bearer\",\"expires_in\":1%d3,\"tokens\":2%d3", "\"path\":\"/var/lib/docker/overlay2/%h64/merged\"",
};

static void look_alikes_are_left_alone(void **state)
{
    (void)state;
    chance_seed(9);
    for (int i = 0; i < 4000; i++) {
        text.len = 0;
        put(&text, "{");
        const char *template = look_alikes[(size_t)i % (sizeof look_alikes / sizeof *look_alikes)];
        put_template(&text, template);
        put(&text, "}\n");
        check_same("changed", text.data, redacting_text(&standard, invented_slice(&text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_json_stays_valid_with_the_same_structure),
        cmocka_unit_test(under_hbi_only_whole_values_are_exchanged),
        cmocka_unit_test(redacting_the_output_changes_nothing),
        cmocka_unit_test(bytes_outside_of_spans_are_kept),
        cmocka_unit_test(the_cut_of_the_input_does_not_matter),
        cmocka_unit_test(what_came_before_does_not_matter),
        cmocka_unit_test(a_record_alone_is_the_same_as_among_others),
        cmocka_unit_test(what_nests_too_deep_is_withheld),
        cmocka_unit_test(what_is_encoded_too_often_is_withheld),
        cmocka_unit_test(what_decodes_to_too_much_is_withheld),
        cmocka_unit_test(what_is_too_long_is_withheld),
        cmocka_unit_test(a_text_of_a_refused_record_is_not_remembered),
        cmocka_unit_test(counts_always_add_up),
        cmocka_unit_test(many_records_in_one_container_are_all_kept),
        cmocka_unit_test(look_alikes_are_left_alone),
    };
    return cmocka_run_group_tests(tests, open_policies, close_policies);
}
