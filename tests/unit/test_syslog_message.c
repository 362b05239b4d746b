/* Messages of syslog; what is expected is written by hand from RFC 5424 (6), RFC 5425 (4.3) and RFC 6587 (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sinks/syslog_message.h"

#include <stdio.h>
#include <stdlib.h>

#define ID "000102030405060708090a0b0c0d0e0f"

/* A block of one record; its texts are put together here, as block_fill() does. */
struct made {
    struct sink         sink;
    struct block        block;
    struct block_record record;
    uint32_t            starts[2];
    struct encoded      out;
};

static const struct syslog_shape standard = {.facility = 16, .host = "collector-1", .app = "lethe", .process = 4711, .sd_id = "lethe@32473",
                                             .framing = FRAME_NONE, .max_message = 65507};

static struct label add_label(struct block *b, struct slice text)
{
    struct label l = {(uint32_t)b->labels.len, (uint32_t)text.len};
    assert_true(encoded_append(&b->labels, text));
    return l;
}

static void make(struct made *m, enum kind kind, const char *level, int64_t time_ms, struct slice category, struct slice text)
{
    *m = (struct made){.sink = {.format = FORMAT_FLAT}, .record = {.kind = (uint8_t)kind, .time_ms = time_ms, .redactions = 2}};
    for (unsigned i = 0; i < EVENT_ID_BYTES; i++) m->record.event_id[i] = (uint8_t)i;
    m->record.level = add_label(&m->block, slice_from(level));
    m->record.category = add_label(&m->block, category);
    m->record.policy = add_label(&m->block, SLICE("standard"));
    m->block.records = &m->record;
    m->block.count = 1;
    m->block.encodings[0].starts = m->starts;
    assert_true(encoded_append(&m->block.encodings[0].bytes, text) && encoded_append(&m->block.encodings[0].bytes, SLICE("\n")));
    m->starts[1] = (uint32_t)text.len + 1;
}

static void release(struct made *m)
{
    encoded_release(&m->block.labels);
    encoded_release(&m->block.encodings[0].bytes);
    encoded_release(&m->out);
}

static void assert_message(struct made *m, const struct syslog_shape *shape, struct slice expected)
{
    m->out.len = 0;
    assert_int_equal(syslog_append(shape, &m->sink, &m->block, 0, &m->out), SYSLOG_MADE);
    if (m->out.len != expected.len || memcmp(m->out.data, expected.data, expected.len) != 0)
        fail_msg("is\n%.*s\nnot\n%.*s", (int)m->out.len, m->out.data, (int)expected.len, expected.data);
}

#define SD "[lethe@32473 event_id=\"" ID "\" redactions=\"2\" policy=\"standard\""

static void a_message_has_the_fields_of_rfc_5424(void **state)
{
    (void)state;
    struct made m;
    make(&m, KIND_ACTIVITY_LOG, "Error", 1795321200123, SLICE("Administrative"), SLICE("{\"a\":1}"));
    /* local0 is 16, error 3: 16 * 8 + 3 */
    assert_message(&m, &standard, SLICE("<131>1 2026-11-22T04:20:00.123Z collector-1 lethe 4711 activity_log " SD " category=\"Administrative\"] {\"a\":1}"));
    release(&m);
}

static void a_record_without_time_category_and_level_has_a_nil_time_and_is_informational(void **state)
{
    (void)state;
    struct made m;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE(""), SLICE("{}"));
    assert_message(&m, &standard, SLICE("<134>1 - collector-1 lethe 4711 unknown " SD "] {}"));
    release(&m);
}

static void the_priority_is_eight_times_the_facility_and_the_severity(void **state)
{
    (void)state;
    static const struct {
        const char *level;
        unsigned    facility;
        const char *begins;
    } cases[] = {{"Critical", 0, "<2>1 "},       {"Error", 1, "<11>1 "},       {"Warning", 13, "<108>1 "}, {"Informational", 16, "<134>1 "},
                 {"Verbose", 23, "<191>1 "},     {"no level", 23, "<190>1 "},  {"1", 16, "<130>1 "},       {"4", 16, "<134>1 "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made         m;
        struct syslog_shape shape = standard;
        shape.facility = cases[i].facility;
        make(&m, KIND_RESOURCE_LOG, cases[i].level, 0, SLICE(""), SLICE("{}"));
        assert_int_equal(syslog_append(&shape, &m.sink, &m.block, 0, &m.out), SYSLOG_MADE);
        assert_memory_equal(m.out.data, cases[i].begins, strlen(cases[i].begins));
        release(&m);
    }
}

static void values_of_structured_data_are_escaped_and_on_one_line(void **state)
{
    (void)state;
    struct made m;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE("q\" b\\ r] [=\n\r\t\x7f m\xC3\xB6re"), SLICE("{}"));
    assert_message(&m, &standard, SLICE("<134>1 - collector-1 lethe 4711 unknown " SD " category=\"q\\\" b\\\\ r\\] [=     m\xC3\xB6re\"] {}"));
    release(&m);
}

static void a_counted_message_stands_behind_its_length(void **state)
{
    (void)state;
    struct made         m;
    struct syslog_shape shape = standard;
    char                expected[400], message[300];
    shape.framing = FRAME_COUNTED;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE(""), SLICE("{\"m\":\"\xC3\xB6\"}"));
    snprintf(message, sizeof message, "<134>1 - collector-1 lethe 4711 unknown " SD "] {\"m\":\"\xC3\xB6\"}");
    snprintf(expected, sizeof expected, "%zu %s", strlen(message), message);
    assert_memory_equal(expected, "141 <", 5);   /* 40 before the structured data, 90 of it, a space, 10 bytes of text */
    assert_message(&m, &shape, slice_from(expected));
    m.out.len = 0;
    assert_true(encoded_append(&m.out, SLICE("before")));
    assert_int_equal(syslog_append(&shape, &m.sink, &m.block, 0, &m.out), SYSLOG_MADE);
    assert_int_equal(m.out.len, 6 + strlen(expected));
    assert_memory_equal(m.out.data + 6, expected, strlen(expected));
    release(&m);
}

static void a_mark_of_utf_8_is_counted(void **state)
{
    (void)state;
    struct made         m;
    struct syslog_shape shape = standard;
    shape.framing = FRAME_COUNTED;
    shape.bom = true;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE(""), SLICE("{\"m\":\"\xC3\xB6\"}"));
    assert_message(&m, &shape, SLICE("144 <134>1 - collector-1 lethe 4711 unknown " SD "] \xEF\xBB\xBF{\"m\":\"\xC3\xB6\"}"));
    release(&m);
}

static void nothing_inside_a_line_ends_it(void **state)
{
    (void)state;
    struct made         m;
    struct syslog_shape shape = standard;
    shape.framing = FRAME_LINE;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE("a\nb"), SLICE("CEF:0|a\nb\rc\0d\te"));
    assert_message(&m, &shape, SLICE("<134>1 - collector-1 lethe 4711 unknown " SD " category=\"a b\"] CEF:0|a b c d\te\n"));
    release(&m);
}

static void a_message_is_as_long_as_may_be_and_no_longer(void **state)
{
    (void)state;
    struct made         m;
    struct syslog_shape shape = standard;
    make(&m, KIND_UNKNOWN, "", INT64_MIN, SLICE(""), SLICE("{\"m\":\"\xC3\xB6\"}"));
    for (int framing = FRAME_COUNTED; framing <= FRAME_NONE; framing++) {
        shape.framing = (enum syslog_framing)framing;
        m.out.len = 0;
        shape.max_message = 141;
        assert_int_equal(syslog_append(&shape, &m.sink, &m.block, 0, &m.out), SYSLOG_MADE);
        size_t len = m.out.len;
        shape.max_message = 140;
        assert_int_equal(syslog_append(&shape, &m.sink, &m.block, 0, &m.out), SYSLOG_TOO_LARGE);
        assert_int_equal(m.out.len, len);
    }
    release(&m);
}

static void fields_are_printable_ascii_without_spaces(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "a\n", "\xC3\xB6", "a\x7f", "toolong"};
    char                     out[7];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(syslog_is_field(bad[i], 6));
    assert_true(syslog_is_field("!short", 6) && syslog_is_field("~", 1));
    syslog_make_field("a b\xC3\xB6 and more", 6, out);
    assert_string_equal(out, "a-b---");
    syslog_make_field("", 6, out);
    assert_string_equal(out, "-");
}

static void a_name_of_structured_data_has_the_number_of_an_enterprise(void **state)
{
    (void)state;
    static const char *const good[] = {"lethe@32473", "a@1", "exampleSDID@32473"}, *const bad[] = {"lethe", "@32473", "lethe@", "lethe@x", "le the@1", "l=@1", "l]@1",
                                                                                                  "l\"@1", "a@1@2", "more-than-thirty-two-bytes-of-it@32473"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(syslog_is_sd_id(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(syslog_is_sd_id(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_the_fields_of_rfc_5424),
        cmocka_unit_test(a_record_without_time_category_and_level_has_a_nil_time_and_is_informational),
        cmocka_unit_test(the_priority_is_eight_times_the_facility_and_the_severity),
        cmocka_unit_test(values_of_structured_data_are_escaped_and_on_one_line),
        cmocka_unit_test(a_counted_message_stands_behind_its_length),
        cmocka_unit_test(a_mark_of_utf_8_is_counted),
        cmocka_unit_test(nothing_inside_a_line_ends_it),
        cmocka_unit_test(a_message_is_as_long_as_may_be_and_no_longer),
        cmocka_unit_test(fields_are_printable_ascii_without_spaces),
        cmocka_unit_test(a_name_of_structured_data_has_the_number_of_an_enterprise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
