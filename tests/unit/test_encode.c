/* The encoder, on clean batches made by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sinks/encode.h"
#include "clean.h"

#define MAX_RECORDS 8

struct fixture {
    struct name_set    *names;
    struct key_cache   *keys;
    struct parsed       parsed[MAX_RECORDS];
    struct clean_record records[MAX_RECORDS];
    struct span         spans[MAX_RECORDS][CLEAN_SPANS];
    struct clean_batch  batch;
    struct encoder     *encoder;
    struct encoded      out;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->names = name_set_new();
    f->keys = key_cache_new(f->names, NULL, NULL);
    f->batch.records = f->records;
    f->batch.keys = f->keys;
    *state = f;
    return f->keys == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < MAX_RECORDS; i++)
        if (f->parsed[i].text != NULL) parsed_release(&f->parsed[i]);
    encoder_free(f->encoder);
    encoded_release(&f->out);
    key_cache_free(f->keys);
    name_set_free(f->names);
    free(f);
    return 0;
}

/* Adds a record, marked as clean.h says. */
static struct clean_record *add(struct fixture *f, const char *text)
{
    size_t               number = f->batch.count++, count;
    char                *plain = malloc(strlen(text) + 1);
    struct clean_record *r = &f->records[number];
    size_t               len = clean_unmark(text, plain, f->spans[number], &count);
    parsed_init(&f->parsed[number], slice_of(plain, len));
    free(plain);
    assert_true(names_resolve(f->keys, &f->parsed[number].tape));
    *r = (struct clean_record){.piece = PIECE_RECORD, .tape = &f->parsed[number].tape, .text = slice_of(f->parsed[number].text, len),
                               .spans = f->spans[number], .span_count = count};
    r->kind = kind_recognise(r->tape, 0, f->keys);
    return r;
}

static void add_element(struct fixture *f, const char *text) { add(f, text)->element = true; }

static void add_glue(struct fixture *f, const char *text, bool opens)
{
    f->records[f->batch.count++] = (struct clean_record){.piece = PIECE_GLUE, .text = slice_from(text), .opens = opens};
}

static void encode(struct fixture *f, enum format format, bool keep_container)
{
    encoder_free(f->encoder);
    f->encoder = encoder_new(format, keep_container);
    assert_non_null(f->encoder);
    assert_true(encode_batch(f->encoder, &f->batch, &f->out));
}

static void assert_output(const struct fixture *f, const char *expected)
{
    if (!slice_equal(slice_of(f->out.data, f->out.len), slice_from(expected)))
        fail_msg("got      %.*s\nexpected %s", (int)f->out.len, f->out.data, expected);
}

static void check_one(void **state, enum format format, const char *text, const char *expected)
{
    struct fixture *f;
    set_up((void **)&f);
    (void)state;
    add(f, text);
    encode(f, format, false);
    assert_output(f, expected);
    tear_down((void **)&f);
}

struct pair {
    const char *text, *expected;
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- Original */

static void a_clean_record_is_copied_with_a_line_feed(void **state)
{
    check_one(state, FORMAT_ORIGINAL, "{\"a\" : [1.50, \"\\u0061\"],\t\"a\":null}", "{\"a\" : [1.50, \"\\u0061\"],\t\"a\":null}\n");
}

static void spans_are_replaced_wherever_they_are(void **state)
{
    static const struct pair pairs[] = {
        {"{\"a\":\"«secret|X»\"}", "{\"a\":\"X\"}\n"},
        {"{\"a\":\"one «secret|» two «second|[redacted:long-marker]»\"}", "{\"a\":\"one  two [redacted:long-marker]\"}\n"},
        {"{\"a\":\"«ab|X»«cd|Y»\",\"b\":1}", "{\"a\":\"XY\",\"b\":1}\n"},
        {"«{\"a\":1}|\"gone\"»", "\"gone\"\n"},
        {"{\"a\":«{\"b\":[1,2]}|\"[redacted:x]\"»,\"c\":«12|\"n\"»}", "{\"a\":\"[redacted:x]\",\"c\":\"n\"}\n"},
        {"{\"«key|k»\":1}", "{\"k\":1}\n"},
        {"[«1,|»2]", "[2]\n"},
        {"«\"s\"|\"t\"»", "\"t\"\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_ORIGINAL, pairs[i].text, pairs[i].expected);
}

static void a_pretty_printed_record_becomes_one_line(void **state)
{
    static const struct pair pairs[] = {
        {"{\n  \"a\" : 1,\r\n\r\n\t\"b\": [\n  ]\n}", "{\"a\" : 1,\"b\": []}\n"},
        {"{\n  \"a\": \"«x|y»\",\n  \"b\": «[\n1\n]|\"[redacted:z]\"»\n}", "{\"a\": \"y\",\"b\": \"[redacted:z]\"}\n"},
        {"{\"tab\":\t1}", "{\"tab\":\t1}\n"},
        {"[1,\r2]", "[1,2]\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_ORIGINAL, pairs[i].text, pairs[i].expected);
}

static void a_late_line_break_in_a_long_record_is_found(void **state)
{
    for (size_t len = 200; len < 600; len += 13) {
        char text[700], expected[700];
        memset(text, 'x', sizeof text);
        memcpy(text, "[\"", 2);
        memcpy(expected, text, sizeof text);
        memcpy(text + len, "\"\n]", 4);
        memcpy(expected + len, "\"]\n", 4);
        check_one(state, FORMAT_ORIGINAL, text, expected);
    }
}

/* Records of one batch lie one after another; whatever is between them, each ends in one line feed. */
static void adjacent_records_are_separated_by_one_line_feed(void **state)
{
    struct fixture     *f = *state;
    static const char   data[] = "{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}\n\n{\"d\":4}{\"e\":5},{\"f\":6}";
    static const size_t starts[] = {0, 8, 17, 26, 33, 41};
    for (size_t i = 0; i < COUNT(starts); i++)
        f->records[f->batch.count++] = (struct clean_record){.piece = PIECE_RECORD, .text = slice_of(data + starts[i], 7)};
    encode(f, FORMAT_ORIGINAL, false);
    assert_output(f, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n{\"e\":5}\n{\"f\":6}\n");
}

static void a_withheld_record_between_others_leaves_no_trace(void **state)
{
    struct fixture   *f = *state;
    static const char data[] = "{\"a\":1}\n{\"secret\":2}\n{\"c\":3}\n";
    f->records[0] = (struct clean_record){.piece = PIECE_RECORD, .text = slice_of(data, 7)};
    f->records[1] = (struct clean_record){.piece = PIECE_RECORD, .text = slice_of(data + 21, 7)};
    f->batch.count = 2;
    encode(f, FORMAT_ORIGINAL, false);
    assert_output(f, "{\"a\":1}\n{\"c\":3}\n");
}

static void a_span_at_the_end_of_an_adjacent_record_is_applied(void **state)
{
    struct fixture   *f = *state;
    static const char data[] = "\"one\"\n\"two\"\n";
    f->spans[0][0] = (struct span){0, 5, SLICE("\"X\"")};
    f->records[0] = (struct clean_record){.piece = PIECE_RECORD, .text = slice_of(data, 5), .spans = f->spans[0], .span_count = 1};
    f->records[1] = (struct clean_record){.piece = PIECE_RECORD, .text = slice_of(data + 6, 5)};
    f->batch.count = 2;
    encode(f, FORMAT_ORIGINAL, false);
    assert_output(f, "\"X\"\n\"two\"\n");
}

static void an_empty_batch_gives_no_bytes(void **state)
{
    struct fixture *f = *state;
    encode(f, FORMAT_ORIGINAL, true);
    assert_int_equal(f->out.len, 0);
    assert_true(f->out.joint == SIZE_MAX);
    assert_int_equal(f->out.after, CONTAINER_SAME);
}

static void output_of_an_earlier_batch_is_replaced(void **state)
{
    struct fixture *f = *state;
    add(f, "[1,2,3,4,5,6,7,8,9]");
    encode(f, FORMAT_ORIGINAL, false);
    f->batch.count = 0;
    f->records[MAX_RECORDS - 1] = f->records[0];
    add_glue(f, "]", false);
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "]");
}

/* --- Containers */

static void elements_of_a_container_are_joined_by_commas(void **state)
{
    struct fixture *f = *state;
    add_glue(f, "{\"records\": [\n", true);
    add_element(f, "{\"a\":\n1}");
    add_element(f, "{\"b\":\"«x|y»\"}");
    add_element(f, "3");
    add_glue(f, "]}", false);
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "{\"records\": [\n{\"a\":\n1},{\"b\":\"y\"},3]}");
    assert_true(f->out.joint == SIZE_MAX);
}

static void the_first_element_of_a_batch_inside_a_container_is_the_joint(void **state)
{
    struct fixture *f = *state;
    add_element(f, "1");
    add_element(f, "2");
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "1,2");
    assert_int_equal(f->out.joint, 0);
    assert_int_equal(f->out.after, CONTAINER_FILLED);
}

static void the_joint_comes_after_what_stands_before_the_element(void **state)
{
    struct fixture *f = *state;
    add(f, "{\"before\":\"«secret|x»\"}")->piece = PIECE_MEMBER;
    add_element(f, "1");
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "{\"before\":\"x\"}1");
    assert_int_equal(f->out.joint, 14);
}

static void a_container_opened_last_is_empty(void **state)
{
    struct fixture *f = *state;
    add_element(f, "1");
    add_glue(f, "]", false);
    add_glue(f, "[", true);
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "1][");
    assert_int_equal(f->out.joint, 0);
    assert_int_equal(f->out.after, CONTAINER_EMPTY);
}

static void a_batch_of_members_only_changes_nothing(void **state)
{
    struct fixture *f = *state;
    add(f, "{\"nextLink\":1}")->piece = PIECE_MEMBER;
    add_glue(f, ",", false);
    encode(f, FORMAT_ORIGINAL, true);
    assert_int_equal(f->out.after, CONTAINER_SAME);
    assert_true(f->out.joint == SIZE_MAX);
}

/* [{"records":[]},{"records":[1]}]: the glue that opens a page stands for an element of the outer array. */
static void pages_in_an_array_are_joined_whether_empty_or_not(void **state)
{
    struct fixture *f = *state;
    add_glue(f, "[", true);
    add_glue(f, "{", false);
    f->records[1].element = true;
    add_glue(f, "\"records\":[", true);
    add_glue(f, "]}", false);
    add_glue(f, "{", false);
    f->records[4].element = true;
    add_glue(f, "\"records\":[", true);
    add_element(f, "1");
    add_glue(f, "]}]", false);
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "[{\"records\":[]},{\"records\":[1]}]");
}

static void a_document_that_was_not_streamed_keeps_its_line_breaks(void **state)
{
    struct fixture *f = *state;
    add(f, "{\n \"records\": [\n  1\n ]\n}");
    encode(f, FORMAT_ORIGINAL, true);
    assert_output(f, "{\n \"records\": [\n  1\n ]\n}\n");
    assert_int_equal(f->out.after, CONTAINER_SAME);
}

static void without_keep_container_elements_are_lines(void **state)
{
    struct fixture *f = *state;
    add_element(f, "{\"a\":1}");
    add_element(f, "{\"b\":2}");
    encode(f, FORMAT_ORIGINAL, false);
    assert_output(f, "{\"a\":1}\n{\"b\":2}\n");
    assert_true(f->out.joint == SIZE_MAX);
}

/* --- Flat */

static void fields_come_first_in_the_order_of_the_table(void **state)
{
    check_one(state, FORMAT_FLAT,
              "{\"Type\":\"AppTraces\",\"Message\":\"hi\",\"Extra\":{\"a\":true},\"SeverityLevel\":2,\"TimeGenerated\":\"t\"}",
              "{\"kind\":\"app_trace\",\"time\":\"t\",\"category\":\"AppTraces\",\"level\":2,\"message\":\"hi\",\"Extra.a\":true}\n");
}

static void values_keep_type_and_bytes_and_go_under_their_paths(void **state)
{
    static const struct pair pairs[] = {
        {"{\"a\":{\"b\":[{\"uri\":\"x\"},-1.50e+3,null],\"c\":false}}",
         "{\"kind\":\"unknown\",\"a.b.0.uri\":\"x\",\"a.b.1\":-1.50e+3,\"a.b.2\":null,\"a.c\":false}\n"},
        {"{\"a.b\":{\"c d\":\"\\u00e9\\n\"}}", "{\"kind\":\"unknown\",\"a.b.c d\":\"\\u00e9\\n\"}\n"},
        {"{\n \"a\": {\n  \"b\": 1\n }\n}", "{\"kind\":\"unknown\",\"a.b\":1}\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_FLAT, pairs[i].text, pairs[i].expected);
}

static void empty_objects_and_arrays_are_kept(void **state)
{
    check_one(state, FORMAT_FLAT, "{\"a\":{},\"b\":[ ],\"c\":{\"d\":{}}}", "{\"kind\":\"unknown\",\"a\":{},\"b\":[ ],\"c.d\":{}}\n");
    check_one(state, FORMAT_FLAT, "{}", "{\"kind\":\"unknown\"}\n");
}

static void a_name_is_never_written_twice(void **state)
{
    static const struct pair pairs[] = {
        {"{\"a\":1,\"a\":2,\"a\":3}", "{\"kind\":\"unknown\",\"a\":1,\"a#2\":2,\"a#3\":3}\n"},
        {"{\"a#2\":1,\"a\":2,\"a\":3}", "{\"kind\":\"unknown\",\"a#2\":1,\"a\":2,\"a#3\":3}\n"},
        {"{\"a\":{\"b\":1},\"a.b\":2}", "{\"kind\":\"unknown\",\"a.b\":1,\"a.b#2\":2}\n"},
        {"{\"a\":1,\"\\u0061\":2}", "{\"kind\":\"unknown\",\"a\":1,\"\\u0061#2\":2}\n"},
        {"{\"kind\":1,\"A\":1,\"a\":2}", "{\"kind\":\"unknown\",\"kind#2\":1,\"A\":1,\"a\":2}\n"},
        {"{\"Type\":\"AppEvents\",\"category\":\"c\"}", "{\"kind\":\"app_event\",\"category\":\"AppEvents\",\"category#2\":\"c\"}\n"},
        {"{\"\":1,\"\":{\"\":2}}", "{\"kind\":\"unknown\",\"\":1,\"#2\":2}\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_FLAT, pairs[i].text, pairs[i].expected);
}

static void a_record_that_is_no_object_is_flattened_too(void **state)
{
    check_one(state, FORMAT_FLAT, "[1,[2]]", "{\"kind\":\"unknown\",\"0\":1,\"1.0\":2}\n");
    check_one(state, FORMAT_FLAT, "\"text\"", "{\"kind\":\"unknown\",\"value\":\"text\"}\n");
    check_one(state, FORMAT_FLAT, "«{\"a\":1}|\"[redacted:x]\"»", "{\"kind\":\"unknown\",\"value\":\"[redacted:x]\"}\n");
}

static void spans_are_applied_to_flat_values_and_names(void **state)
{
    static const struct pair pairs[] = {
        {"{\"a\":{\"b\":\"x«secret|Y»z\"}}", "{\"kind\":\"unknown\",\"a.b\":\"xYz\"}\n"},
        {"{\"a\":{\"b\":«12|\"n\"»,\"c\":1}}", "{\"kind\":\"unknown\",\"a.b\":\"n\",\"a.c\":1}\n"},
        {"{\"a\":«{\"b\":{\"c\":1}}|\"[redacted:x]\"»,\"d\":2}", "{\"kind\":\"unknown\",\"a\":\"[redacted:x]\",\"d\":2}\n"},
        {"{\"a\":{\"b\":«12|\"n\"»}}", "{\"kind\":\"unknown\",\"a.b\":\"n\"}\n"},
        {"{\"p\":{\"«run-7|R»-x\":{\"m\":1}}}", "{\"kind\":\"unknown\",\"p.R-x.m\":1}\n"},
        {"{\"«k1|K»\":1,\"«k2|K»\":2}", "{\"kind\":\"unknown\",\"K\":1,\"K#2\":2}\n"},
        {"{«\"k1\"|\"K\"»:1}", "{\"kind\":\"unknown\",\"K\":1}\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_FLAT, pairs[i].text, pairs[i].expected);
}

static void deleted_elements_do_not_appear_in_flat_output(void **state)
{
    static const struct pair pairs[] = {
        {"{\"a\":[«1,|»2,3]}", "{\"kind\":\"unknown\",\"a.0\":2,\"a.1\":3}\n"},
        {"{\"a\":[1«,{\"b\":2}|»],\"c\":{«\"d\":{\"e\":1}|»}}", "{\"kind\":\"unknown\",\"a.0\":1,\"c\":{}}\n"},
        {"{«\"a\":1,|»\"b\":2}", "{\"kind\":\"unknown\",\"b\":2}\n"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_one(state, FORMAT_FLAT, pairs[i].text, pairs[i].expected);
}

static void a_field_inside_something_replaced_is_not_given(void **state)
{
    check_one(state, FORMAT_FLAT, "{\"TimeGenerated\":\"t\",\"Type\":\"AmlRunEvent\",\"Properties\":«{\"RunId\":\"r-1\"}|\"[redacted:x]\"»}",
              "{\"kind\":\"aml_resource_log\",\"time\":\"t\",\"category\":\"AmlRunEvent\",\"Properties\":\"[redacted:x]\"}\n");
}

static void a_field_that_is_replaced_is_given_as_its_replacement(void **state)
{
    check_one(state, FORMAT_FLAT,
              "{\"Type\":\"AmlRunEvent\",\"RunId\":\"«r-1|run-X»\",\"environmentVariables\":«{\"A\":\"b\"}|\"[redacted:environment]\"»}",
              "{\"kind\":\"aml_resource_log\",\"category\":\"AmlRunEvent\",\"run_id\":\"run-X\",\"environment\":\"[redacted:environment]\"}\n");
}

static void environment_variables_are_flattened_under_their_field(void **state)
{
    check_one(state, FORMAT_FLAT,
              "{\"Type\":\"AmlRunEvent\",\"properties\":{\"environmentVariables\":{\"PATH\":\"/bin\",\"KEY\":\"«s|[redacted:environment]»\"},\"z\":1}}",
              "{\"kind\":\"aml_resource_log\",\"category\":\"AmlRunEvent\",\"environment.PATH\":\"/bin\","
              "\"environment.KEY\":\"[redacted:environment]\",\"properties.z\":1}\n");
}

static void an_object_whose_values_are_all_given_as_fields_leaves_nothing(void **state)
{
    check_one(state, FORMAT_FLAT, "{\"Type\":\"AmlRunEvent\",\"properties\":{\"runId\":\"r\"}}",
              "{\"kind\":\"aml_resource_log\",\"category\":\"AmlRunEvent\",\"run_id\":\"r\"}\n");
}

static void an_element_of_a_container_is_flattened_by_itself(void **state)
{
    struct fixture *f = *state;
    add(f, "{\"records\":[{\"x\":0},{\"Type\":\"AppEvents\",\"n\":{\"s\":\"«secret|S»\"}}]}");
    struct clean_record *r = &f->records[0];
    const struct node   *nodes = f->parsed[0].tape.nodes;
    for (uint32_t i = 1; i < f->parsed[0].tape.count; i++)
        if (nodes[i].type == NODE_OBJECT && nodes[i].next == f->parsed[0].tape.count) {
            r->node = i;
            break;
        }
    f->spans[0][0].start -= nodes[r->node].start;
    f->spans[0][0].end -= nodes[r->node].start;
    r->text = slice_sub(r->text, nodes[r->node].start, nodes[r->node].end);
    r->kind = kind_recognise(r->tape, r->node, f->keys);
    encode(f, FORMAT_FLAT, false);
    assert_output(f, "{\"kind\":\"app_event\",\"category\":\"AppEvents\",\"n.s\":\"S\"}\n");
}

static void several_flat_records_are_several_lines(void **state)
{
    struct fixture *f = *state;
    add(f, "{\"a\":1}");
    add(f, "{\"a\":2}");
    encode(f, FORMAT_FLAT, false);
    assert_output(f, "{\"kind\":\"unknown\",\"a\":1}\n{\"kind\":\"unknown\",\"a\":2}\n");
}

/* Every value would repeat the long name. */
static void hostile_paths_do_not_multiply_the_output(void **state)
{
    struct fixture *f = *state;
    enum { NAME = 50000, VALUES = 20000 };
    char *text = malloc(NAME + 2 * VALUES + 100), *to = text;
    to += snprintf(to, 10, "{\"");
    memset(to, 'n', NAME);
    to += NAME;
    to += snprintf(to, 10, "\":[");
    for (int i = 0; i < VALUES; i++) to += snprintf(to, 10, "0,");
    snprintf(to, 10, "\n0]}");
    add(f, text);
    encode(f, FORMAT_FLAT, false);
    assert_true(f->out.len < 2 * strlen(text));
    assert_null(memchr(f->out.data, '\n', f->out.len - 1));
    free(text);
}

static void many_names_are_all_told_apart(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(400000), *expected = malloc(400000), *to = text, *out = expected;
    to += snprintf(to, 10, "{");
    out += snprintf(out, 40, "{\"kind\":\"unknown\"");
    for (int i = 0; i < 5000; i++) {
        to += snprintf(to, 40, "%s\"a\":%d,\"b%d\":0", i > 0 ? "," : "", i, i);
        if (i == 0) out += snprintf(out, 40, ",\"a\":0,\"b0\":0");
        else out += snprintf(out, 40, ",\"a#%d\":%d,\"b%d\":0", i + 1, i, i);
    }
    snprintf(to, 10, "}");
    snprintf(out, 10, "}\n");
    add(f, text);
    encode(f, FORMAT_FLAT, false);
    assert_output(f, expected);
    free(text);
    free(expected);
}

/* --- One record at a time */

static void records_are_appended_one_by_one_without_line_feeds(void **state)
{
    static const enum format formats[] = {FORMAT_ORIGINAL, FORMAT_FLAT};
    static const char *const expected[] = {"<{\"a\":\"X\"}|{\"b\": 2}|", "<{\"kind\":\"unknown\",\"a\":\"X\"}|{\"kind\":\"unknown\",\"b\":2}|"};
    struct fixture *f = *state;
    add(f, "{\"a\":\"«secret|X»\"}");
    add(f, "{\n \"b\": 2\n}");
    for (size_t i = 0; i < COUNT(formats); i++) {
        encode(f, formats[i], false);
        f->out.len = 0;
        f->out.data[f->out.len++] = '<';
        for (size_t number = 0; number < 2; number++) {
            assert_true(encode_record(f->encoder, &f->records[number], f->keys, &f->out));
            assert_true(encoded_reserve(&f->out, 1));
            f->out.data[f->out.len++] = '|';
        }
        assert_output(f, expected[i]);
    }
}

/* --- Names of formats */

static void formats_are_found_by_their_names(void **state)
{
    enum format format;
    (void)state;
    assert_true(format_find("flat", &format));
    assert_int_equal(format, FORMAT_FLAT);
    assert_true(format_find("original", &format));
    assert_int_equal(format, FORMAT_ORIGINAL);
    assert_false(format_find("Flat", &format));
    assert_string_equal(format_text(FORMAT_FLAT), "flat");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_clean_record_is_copied_with_a_line_feed),
        TEST(spans_are_replaced_wherever_they_are),
        TEST(a_pretty_printed_record_becomes_one_line),
        TEST(a_late_line_break_in_a_long_record_is_found),
        TEST(adjacent_records_are_separated_by_one_line_feed),
        TEST(a_withheld_record_between_others_leaves_no_trace),
        TEST(a_span_at_the_end_of_an_adjacent_record_is_applied),
        TEST(an_empty_batch_gives_no_bytes),
        TEST(output_of_an_earlier_batch_is_replaced),
        TEST(elements_of_a_container_are_joined_by_commas),
        TEST(the_first_element_of_a_batch_inside_a_container_is_the_joint),
        TEST(the_joint_comes_after_what_stands_before_the_element),
        TEST(a_container_opened_last_is_empty),
        TEST(a_batch_of_members_only_changes_nothing),
        TEST(pages_in_an_array_are_joined_whether_empty_or_not),
        TEST(a_document_that_was_not_streamed_keeps_its_line_breaks),
        TEST(without_keep_container_elements_are_lines),
        TEST(fields_come_first_in_the_order_of_the_table),
        TEST(values_keep_type_and_bytes_and_go_under_their_paths),
        TEST(empty_objects_and_arrays_are_kept),
        TEST(a_name_is_never_written_twice),
        TEST(a_record_that_is_no_object_is_flattened_too),
        TEST(spans_are_applied_to_flat_values_and_names),
        TEST(deleted_elements_do_not_appear_in_flat_output),
        TEST(a_field_inside_something_replaced_is_not_given),
        TEST(a_field_that_is_replaced_is_given_as_its_replacement),
        TEST(environment_variables_are_flattened_under_their_field),
        TEST(an_object_whose_values_are_all_given_as_fields_leaves_nothing),
        TEST(an_element_of_a_container_is_flattened_by_itself),
        TEST(several_flat_records_are_several_lines),
        TEST(hostile_paths_do_not_multiply_the_output),
        TEST(many_names_are_all_told_apart),
        TEST(records_are_appended_one_by_one_without_line_feeds),
        TEST(formats_are_found_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
