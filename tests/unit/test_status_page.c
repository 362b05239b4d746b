#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "metrics.h"
#include "status_page.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define NOW_MS 1000000000u

static uint64_t now_ms(void) { return NOW_MS; }

/* --- A run with one source and two sinks, of which the second is not required ------------------------------------------------- */

static struct source_type source_type = {.name = "file"};
static struct sink_type   sink_type = {.name = "null"};

struct miniature {
    struct source         source;
    struct sink           sinks[2];
    struct source        *source_list[1];
    struct sink          *sink_list[2];
    struct config         config;
    struct block_scheme   scheme;
    struct rule_total     rules[2];
    struct stream_figures figures;
};

static int begin(void **state)
{
    struct miniature *m = calloc(1, sizeof *m);
    struct error      err = {0};
    assert_non_null(m);
    clock_set(now_ms, now_ms);
    m->source = (struct source){.type = &source_type, .name = "console"};
    m->sinks[0] = (struct sink){.type = &sink_type, .name = "siem", .required = true};
    m->sinks[1] = (struct sink){.type = &sink_type, .name = "archive", .number = 1};
    m->source_list[0] = &m->source;
    for (size_t i = 0; i < 2; i++) m->sink_list[i] = &m->sinks[i];
    m->config = (struct config){.sources = m->source_list, .source_count = 1, .sinks = m->sink_list, .sink_count = 2};
    m->rules[0].id = "azure-storage-key";
    m->rules[1].id = "own \"rule\" \\ here";
    block_scheme_init(&m->scheme, m->sink_list, 2);
    m->figures = (struct stream_figures){.config = &m->config, .started_ms = NOW_MS - 5000, .rules = m->rules, .rule_count = 2, .ready = true};
    m->figures.ledger = ledger_new(&(struct ledger_options){.scheme = &m->scheme, .sources = m->source_list, .source_count = 1, .sinks = m->sink_list,
                                                           .sink_count = 2, .blocks = 4}, &err);
    assert_non_null(m->figures.ledger);
    *state = m;
    return 0;
}

static int end(void **state)
{
    struct miniature *m = *state;
    ledger_free(m->figures.ledger);
    free(m);
    clock_set(NULL, NULL);
    return 0;
}

static void assert_readiness(const struct miniature *m, bool ready, const char *text)
{
    struct encoded out = {0};
    bool           found = !ready;
    assert_true(readiness_write(&m->figures, &out, &found));
    assert_int_equal(found, ready);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    encoded_release(&out);
}

static char *metrics_of(const struct miniature *m)
{
    struct encoded out = {0};
    assert_true(metrics_write(&m->figures, &out) && encoded_reserve(&out, 1));
    out.data[out.len] = '\0';
    return out.data;
}

/* --- Readiness ---------------------------------------------------------------------------------------------------------------- */

static void a_required_sink_may_fail_for_less_than_a_minute(void **state)
{
    struct miniature *m = *state;
    assert_readiness(m, true, "ready\n");
    atomic_store(&m->sinks[0].counters.failing_since_ms, NOW_MS - 59999);
    assert_readiness(m, true, "ready\n");
    atomic_store(&m->sinks[0].counters.failing_since_ms, NOW_MS - 61000);
    assert_readiness(m, false, "not ready: sink siem has been failing for 61 s\n");
}

static void a_sink_that_is_not_required_may_fail_for_ever(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->sinks[1].counters.failing_since_ms, 1);
    assert_readiness(m, true, "ready\n");
}

static void a_spool_that_waits_and_a_disk_that_is_full_or_broken_are_told_apart(void **state)
{
    struct miniature *m = *state;
    m->figures.spool_full = true;
    assert_readiness(m, false, "not ready: the spool is full\n");
    m->figures.disk_full = true;
    assert_readiness(m, false, "not ready: the disk of the spool is full\n");
    m->figures.spool_full = m->figures.disk_full = false;
    m->figures.store_failing = true;
    assert_readiness(m, false, "not ready: the store cannot be written\n");
}

static void every_reason_is_told(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->sinks[0].counters.failing_since_ms, NOW_MS - 90000);
    m->figures.ready = false;
    assert_readiness(m, false, "not ready: stopping\nnot ready: sink siem has been failing for 90 s\n");
}

static void a_clock_that_was_set_back_is_no_failure_of_centuries(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->sinks[0].counters.failing_since_ms, NOW_MS + 5000);
    assert_readiness(m, true, "ready\n");
}

/* --- Metrics and the object --------------------------------------------------------------------------------------------------- */

static void the_id_of_a_rule_is_escaped_in_a_label(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->rules[1].count, 7);
    char *text = metrics_of(m);
    assert_non_null(strstr(text, "lethe_redactions_total{rule=\"azure-storage-key\"} 0\n"
                                 "lethe_redactions_total{rule=\"own \\\"rule\\\" \\\\ here\"} 7\n"));
    free(text);
}

static void a_lag_that_is_not_known_has_no_sample(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->source.counters.lag_bytes, 12);
    char *text = metrics_of(m);
    assert_non_null(strstr(text, "\nlethe_source_lag_bytes{source=\"console\"} 12\n"));
    free(text);
    atomic_store(&m->source.counters.lag_bytes, UINT_FAST64_MAX);
    text = metrics_of(m);
    assert_null(strstr(text, "\nlethe_source_lag_bytes{"));
    free(text);
}

static void times_are_seconds_with_three_places(void **state)
{
    struct miniature *m = *state;
    atomic_store(&m->sinks[0].counters.failing_since_ms, NOW_MS - 1007);
    char *text = metrics_of(m);
    assert_non_null(strstr(text, "\nlethe_sink_failing_seconds{sink=\"siem\"} 1.007\n"));
    assert_non_null(strstr(text, "\nlethe_start_time_seconds 999995.000\n"));
    free(text);
}

static void the_object_is_json_and_has_the_trouble_of_a_sink(void **state)
{
    struct miniature *m = *state;
    struct encoded    out = {0};
    snprintf(m->sinks[0].trouble, sizeof m->sinks[0].trouble, "refused \"here\"\n\xff");
    atomic_store(&m->source.counters.lag_bytes, UINT_FAST64_MAX);
    atomic_store(&m->rules[1].count, 7);
    assert_true(status_write(&m->figures, &out));
    cJSON *object = cJSON_ParseWithLength(out.data, out.len);
    assert_non_null(object);
    const cJSON *sink = cJSON_GetArrayItem(cJSON_GetObjectItem(object, "sinks"), 0);
    const cJSON *source = cJSON_GetArrayItem(cJSON_GetObjectItem(object, "sources"), 0);
    const cJSON *rules = cJSON_GetObjectItem(object, "redactions");
    assert_string_equal(cJSON_GetObjectItem(sink, "trouble")->valuestring, "refused \"here\"\n\xef\xbf\xbd");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(source, "lag_bytes")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(object, "spool")));
    assert_int_equal(cJSON_GetArraySize(rules), 1);   /* what never happened is left out */
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(rules, 0), "name")->valuestring, "own \"rule\" \\ here");
    cJSON_Delete(object);
    encoded_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_required_sink_may_fail_for_less_than_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(a_sink_that_is_not_required_may_fail_for_ever, begin, end),
        cmocka_unit_test_setup_teardown(a_spool_that_waits_and_a_disk_that_is_full_or_broken_are_told_apart, begin, end),
        cmocka_unit_test_setup_teardown(every_reason_is_told, begin, end),
        cmocka_unit_test_setup_teardown(a_clock_that_was_set_back_is_no_failure_of_centuries, begin, end),
        cmocka_unit_test_setup_teardown(the_id_of_a_rule_is_escaped_in_a_label, begin, end),
        cmocka_unit_test_setup_teardown(a_lag_that_is_not_known_has_no_sample, begin, end),
        cmocka_unit_test_setup_teardown(times_are_seconds_with_three_places, begin, end),
        cmocka_unit_test_setup_teardown(the_object_is_json_and_has_the_trouble_of_a_sink, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
