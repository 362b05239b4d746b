/* Facts of clean records, on records made by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sinks/facts.h"
#include "clean.h"

#define MARCH_MS INT64_C(1772323200000)   /* 2026-03-01T00:00:00Z */

struct expected {
    const char *text;
    int64_t     time_ms;
    const char *category, *level, *result, *resource, *correlation;
};

static void assert_slice(struct slice got, const char *expected)
{
    if (!slice_equal(got, slice_from(expected))) fail_msg("got '%.*s', expected '%s'", (int)got.len, got.data, expected);
}

static void assert_facts(const struct record_facts *facts, const struct expected *e)
{
    assert_int_equal(facts->time_ms, e->time_ms);
    assert_slice(facts->category, e->category);
    assert_slice(facts->level, e->level);
    assert_slice(facts->result, e->result);
    assert_slice(facts->resource, e->resource);
    assert_slice(facts->correlation, e->correlation);
}

static void facts_come_from_the_fields_of_the_kind(void **state)
{
    static const struct expected table[] = {
        {"{\"time\":\"2026-03-01T00:00:01.5000000Z\",\"resourceId\":\"/S/1\",\"operationName\":\"A/WRITE\",\"category\":\"Administrative\","
         "\"resultType\":\"Start\",\"correlationId\":\"c-1\",\"Level\":4,\"level\":\"Information\"}",
         MARCH_MS + 1500, "Administrative", "Information", "Start", "/S/1", "c-1"},
        {"{\"time\":\"2026-03-01T00:00:00Z\",\"resourceId\":\"/S/1\",\"operationName\":\"A/WRITE\",\"category\":\"Policy\",\"level\":2}",
         MARCH_MS, "Policy", "Error", "", "/S/1", ""},
        {"{\"time\":\"2026-03-01T00:00:00Z\",\"tags\":{\"ai.operation.id\":\"op-1\"},\"data\":{\"baseType\":\"MessageData\",\"baseData\":"
         "{\"message\":\"m\",\"severityLevel\":2}}}",
         MARCH_MS, "MessageData", "Warning", "", "", "op-1"},
        {"{\"time\":\"yesterday\",\"Type\":\"Custom_CL\"}", NO_TIME, "Custom_CL", "", "", "", ""},
        {"{\"time\":\"2026-03-01T00:00:00Z\",\"category\":\"Policy\",\"resourceId\":\"\\u002fS\\ud800\",\"operationName\":\"\"}",
         MARCH_MS, "Policy", "", "", "/S\xEF\xBF\xBD", ""},
    };
    char                buffer[FACTS_ROOM];
    struct record_facts facts;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct clean c;
        clean_init(&c, table[i].text);
        record_facts(&c.record, c.keys, buffer, &facts);
        assert_facts(&facts, &table[i]);
        clean_release(&c);
    }
    (void)state;
}

static void facts_hold_replacements_and_nothing_from_under_a_span(void **state)
{
    static const struct expected table[] = {
        {"{\"time\":\"2026-03-01T00:00:00Z\",\"category\":\"Policy\",\"resourceId\":\"/runs/«secret|run-X»/«two|\\\"T\\\"»\","
         "\"operationName\":\"o\",\"level\":«2|\"[redacted:y]\"»,\"correlationId\":\"«c-1|»\"}",
         MARCH_MS, "Policy", "[redacted:y]", "", "/runs/run-X/\"T\"", ""},
        {"{\"time\":\"2026-03-01T00:00:00Z\",\"tags\":«{\"ai.operation.id\":\"op-1\"}|\"[redacted:z]\"»,\"data\":{\"baseType\":\"MessageData\"}}",
         MARCH_MS, "MessageData", "", "", "", ""},
    };
    char                buffer[FACTS_ROOM];
    struct record_facts facts;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct clean c;
        clean_init(&c, table[i].text);
        record_facts(&c.record, c.keys, buffer, &facts);
        assert_facts(&facts, &table[i]);
        clean_release(&c);
    }
    (void)state;
}

static void long_texts_are_cut_between_characters(void **state)
{
    char                buffer[FACTS_ROOM], text[8000];
    struct record_facts facts;
    struct clean        c;
    (void)state;
    int len = snprintf(text, sizeof text, "{\"time\":\"t\",\"operationName\":\"o\",\"category\":\"Policy\",\"resourceId\":\"a");
    for (int i = 0; i < 1000; i++) len += snprintf(text + len, 8, "%s", i % 2 == 0 ? "\xC3\xA4" : "\\u00e4");
    snprintf(text + len, 8, "\"}");
    clean_init(&c, text);
    record_facts(&c.record, c.keys, buffer, &facts);
    assert_int_equal(facts.resource.len, FACT_MAX - 1);   /* one byte, then characters of two */
    assert_memory_equal(facts.resource.data + FACT_MAX - 3, "\xC3\xA4", 2);
    clean_release(&c);
}

static void levels_are_understood_by_kind(void **state)
{
    static const struct {
        enum kind     kind;
        const char   *level;
        enum severity severity;
    } table[] = {
        {KIND_ACTIVITY_LOG, "1", SEVERITY_CRITICAL}, {KIND_ACTIVITY_LOG, "5", SEVERITY_VERBOSE}, {KIND_ACTIVITY_LOG, "0", SEVERITY_UNKNOWN},
        {KIND_APP_TRACE, "0", SEVERITY_VERBOSE}, {KIND_APP_TRACE, "4", SEVERITY_CRITICAL}, {KIND_APP_TRACE, "5", SEVERITY_UNKNOWN},
        {KIND_SCORING_REQUEST, "3", SEVERITY_ERROR}, {KIND_RESOURCE_LOG, "warn", SEVERITY_WARNING}, {KIND_RESOURCE_LOG, "", SEVERITY_UNKNOWN},
        {KIND_RESOURCE_LOG, "INFORMATIONAL", SEVERITY_INFORMATION}, {KIND_RESOURCE_LOG, "loud", SEVERITY_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(severity_of(table[i].kind, slice_from(table[i].level)), table[i].severity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_from_the_fields_of_the_kind),
        cmocka_unit_test(facts_hold_replacements_and_nothing_from_under_a_span),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(levels_are_understood_by_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
