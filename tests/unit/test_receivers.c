/* The formats of receivers, ecs, ocsf, cef and appinsights: golden records of every kind, and what is hostile.
 *
 * tests/golden/encode/<kind>-<what>.in is a record, marked as clean.h says; beside it is what each format makes of it. JSON is
 * laid out for people there: white space between tokens does not count. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sinks/encode.h"
#include "clean.h"

#include <dirent.h>

#define GOLDEN LETHE_SOURCE_DIR "/tests/golden/encode"
#define NOW INT64_C(1772323200000)   /* 2026-03-01T00:00:00Z */

static const enum format formats[] = {FORMAT_ECS, FORMAT_OCSF, FORMAT_CEF, FORMAT_APPINSIGHTS};
#define FORMATS (sizeof formats / sizeof formats[0])

/* The record in one format, NUL-terminated; to be freed. */
static char *encoded_as(enum format format, const char *text, const char *ikey)
{
    struct clean    c;
    struct encoded  out = {0};
    struct encoder *e = encoder_open(&(struct encoder_options){format, false, ikey, NOW});
    clean_init(&c, text);
    assert_non_null(e);
    assert_true(encode_record(e, &c.record, c.keys, &out));
    assert_true(encoded_reserve(&out, 1));
    out.data[out.len] = '\0';
    assert_int_equal(strlen(out.data), out.len);
    assert_null(memchr(out.data, '\n', out.len));
    encoder_free(e);
    clean_release(&c);
    return out.data;
}

/* Where `text` is in the record's output, which must be valid JSON if the format is. */
static void assert_contains(const char *output, const char *text)
{
    if (strstr(output, text) == NULL) fail_msg("'%.60s' is not in %.3000s", text, output);
}

static void assert_lacks(const char *output, const char *text)
{
    if (strstr(output, text) != NULL) fail_msg("'%.60s' is in %.3000s", text, output);
}

/* Parses it, names and all, and looks for members of one name in any object. */
static void assert_sound_json(const char *text)
{
    struct parsed p;
    parsed_init(&p, slice_from(text));
    const struct node *nodes = p.tape.nodes;
    for (uint32_t object = 0; object < p.tape.count; object++) {
        if (nodes[object].type != NODE_OBJECT || nodes[object].next - object > 4000) continue;
        for (uint32_t a = object + 1; a < nodes[object].next; a = nodes[a].next)
            for (uint32_t b = nodes[a].next; b < nodes[object].next; b = nodes[b].next)
                if (slice_equal(slice_sub(p.tape.text, nodes[a].start, nodes[a].end), slice_sub(p.tape.text, nodes[b].start, nodes[b].end)))
                    fail_msg("two members of one name: %.*s", (int)(nodes[a].end - nodes[a].start), p.tape.text.data + nodes[a].start);
    }
    parsed_release(&p);
}

/* --- Golden records */

static char *read_file(const char *path)
{
    FILE  *file = fopen(path, "r");
    char  *text = malloc(1 << 20);
    if (file == NULL) fail_msg("cannot open %s", path);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    while (len > 0 && text[len - 1] == '\n') len--;
    text[len] = '\0';
    return text;
}

/* Takes the white space between tokens away. */
static void compact(char *json)
{
    char *to = json;
    bool  string = false;
    for (const char *p = json; *p != '\0'; p++) {
        if (string && *p == '\\') *to++ = *p++;
        else if (*p == '"') string = !string;
        if (string || (*p != ' ' && *p != '\n')) *to++ = *p;
    }
    *to = '\0';
}

/* The name must begin with the kind. */
static void note_kind(const char *name, const char *text, bool kinds[KIND_COUNT])
{
    struct clean c;
    clean_init(&c, text);
    const char *kind = kind_text(c.record.kind.kind);
    if (strncmp(name, kind, strlen(kind)) != 0 || name[strlen(kind)] != '-') fail_msg("%s is of kind %s", name, kind);
    kinds[c.record.kind.kind] = true;
    clean_release(&c);
}

static void check_golden(const char *name, size_t stem, bool kinds[KIND_COUNT])
{
    char path[512];
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    char *in = read_file(path);
    note_kind(name, in, kinds);
    for (size_t i = 0; i < FORMATS; i++) {
        snprintf(path, sizeof path, GOLDEN "/%.*s.%s", (int)stem, name, format_text(formats[i]));
        char *expected = read_file(path), *got = encoded_as(formats[i], in, NULL);
        if (format_is_json(formats[i])) {
            compact(expected);
            assert_sound_json(got);
        }
        if (strcmp(got, expected) != 0) fail_msg("%.*s.%s\ngot      %s\nexpected %s", (int)stem, name, format_text(formats[i]), got, expected);
        free(expected);
        free(got);
    }
    free(in);
}

static void every_kind_has_its_golden_records_and_they_are_met(void **state)
{
    bool           kinds[KIND_COUNT] = {false};
    DIR           *folder = opendir(GOLDEN);
    struct dirent *entry;
    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        const char *end = strstr(entry->d_name, ".in");
        if (end != NULL && end[3] == '\0') check_golden(entry->d_name, (size_t)(end - entry->d_name), kinds);
    }
    closedir(folder);
    for (int k = 0; k < KIND_COUNT; k++)
        if (!kinds[k]) fail_msg("no golden record of kind %s", kind_text((enum kind)k));
}

/* --- CEF */

static void cef_escapes_what_has_a_meaning_and_nothing_else(void **state)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"{\"message\":\"a=b\"}", " msg=a\\=b"},
        {"{\"message\":\"a\\\\b\"}", " msg=a\\\\b"},
        {"{\"message\":\"a|b\"}", " msg=a|b"},
        {"{\"message\":\"a|\",\"b\":1}", " msg=a| azureB=1"},
        {"{\"message\":\"a\\nb\\rc\"}", " msg=a\\nb\\rc"},
        {"{\"message\":\" a \"}", " msg=\\u0020a\\u0020"},
        {"{\"message\":\"\\u0000\\u007f\\t\"}", " msg=\\u0000\\u007f\\u0009"},
        {"{\"message\":\"\\ud800\"}", " msg=\xEF\xBF\xBD"},
        {"{\"message\":\"a\\u2028b\"}", " msg=a\xE2\x80\xA8" "b"},
        {"{\"time\":\"t\",\"category\":\"Policy\",\"resourceId\":\"r\",\"operationName\":\"a|b\\\\c=d\\ne\"}",
         "|a\\|b\\\\c=d e|a\\|b\\\\c=d e|3|rt=1772323200000 act=a|b\\\\c\\=d\\ne"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *got = encoded_as(FORMAT_CEF, table[i].text, NULL);
        assert_contains(got, table[i].expected);
        free(got);
    }
}

/* "{...,"name":"xxx"}" with so many bytes of x. */
static char *long_record(const char *before, char byte, size_t len)
{
    char  *text = malloc(strlen(before) + len + 8);
    size_t at = (size_t)sprintf(text, "%s", before);
    memset(text + at, byte, len);
    strcpy(text + at + len, "\"}");
    return text;
}

static size_t run_of(const char *text, char byte)
{
    size_t len = 0;
    while (text[len] == byte) len++;
    return len;
}

static void a_cef_value_that_is_too_long_is_cut_and_stands_whole_in_the_rest(void **state)
{
    char *text = long_record("{\"message\":\"", 'x', 5000), *got = encoded_as(FORMAT_CEF, text, NULL);
    (void)state;
    assert_int_equal(run_of(strstr(got, " msg=") + 5, 'x'), 1023);
    assert_int_equal(run_of(strstr(got, " azureMessage=") + 14, 'x'), 5000);
    free(text);
    free(got);
}

/* --- Application Insights */

static void the_key_and_the_time_stand_where_sinks_look_for_them(void **state)
{
    static const char mine[] = "01234567-89ab-cdef-0123-456789abcdef", own[] = "11111111-2222-3333-4444-555555555555";
    static const char text[] = "{\"name\":\"n\",\"time\":\"2031-02-03T04:05:06Z\",\"iKey\":\"11111111-2222-3333-4444-555555555555\",\"data\":{\"baseType\":"
                               "\"EventData\",\"baseData\":{\"name\":\"e\"}}}";
    char *got = encoded_as(FORMAT_APPINSIGHTS, text, mine);
    (void)state;
    assert_memory_equal(got + APPINSIGHTS_IKEY_AT, mine, APPINSIGHTS_IKEY_LEN);
    assert_memory_equal(got + APPINSIGHTS_TIME_AT, "2031-02-03T04:05:06Z\"", 21);
    assert_contains(got, "\"iKey\":\"11111111-2222-3333-4444-555555555555\"}");   /* a property: it would be lost */
    free(got);
    got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
    assert_memory_equal(got + APPINSIGHTS_IKEY_AT, own, APPINSIGHTS_IKEY_LEN);
    free(got);
    got = encoded_as(FORMAT_APPINSIGHTS, "{\"a\":1}", NULL);
    assert_memory_equal(got + APPINSIGHTS_IKEY_AT, "00000000-0000-0000-0000-000000000000", APPINSIGHTS_IKEY_LEN);
    free(got);
}

static void a_long_property_goes_on_in_further_properties(void **state)
{
    char *text = long_record("{\"body\":\"", 'x', 20000), *got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
    (void)state;
    assert_int_equal(run_of(strstr(got, "\"body\":\"") + 8, 'x'), 8192);
    assert_int_equal(run_of(strstr(got, "\"body_2\":\"") + 10, 'x'), 8192);
    assert_int_equal(run_of(strstr(got, "\"body_3\":\"") + 10, 'x'), 20000 - 2 * 8192);
    assert_lacks(got, "_truncated");
    free(text);
    free(got);
}

static void parts_end_between_characters(void **state)
{
    char  text[20000], *got;
    size_t len = (size_t)sprintf(text, "{\"body\":\"x");
    (void)state;
    for (int i = 0; i < 3000; i++) len += (size_t)sprintf(text + len, "\xE2\x82\xAC");   /* three bytes each */
    sprintf(text + len, "\"}");
    got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
    assert_contains(got, "\xE2\x82\xAC\",\"body_2\":\"\xE2\x82\xAC");
    assert_sound_json(got);
    free(got);
}

static void an_item_is_never_larger_than_the_service_takes_and_says_what_it_lost(void **state)
{
    static const char *const beginnings[] = {
        "{\"body\":\"", "{\"message\":\"", "{\"time\":\"t\",\"category\":\"Policy\",\"resourceId\":\"r\",\"operationName\":\"",
        "{\"name\":\"n\",\"tags\":{\"ai.cloud.role\":\"r\"},\"data\":{\"baseType\":\"ExceptionData\",\"baseData\":{\"exceptions\":[{\"message\":\"m\"}],\"p\":\""};
    (void)state;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        for (int escaped = 0; escaped < 2; escaped++) {
            char *text = long_record(beginnings[i], escaped ? '\\' : 'x', 100000);   /* pairs of backslashes */
            if (i == 3) text = realloc(text, strlen(text) + 8), strcat(text, "}}");
            char *got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
            assert_in_range(strlen(got), 60000, 65536);
            assert_contains(got, "\"_truncated\":\"");
            assert_sound_json(got);
            free(text);
            free(got);
        }
}

static void names_of_properties_are_cut_and_told_in_full(void **state)
{
    char *name = long_record("{\"", 'n', 200), *text = malloc(500), *got;
    (void)state;
    sprintf(text, "%.*s\":\"v\"}", (int)strlen(name) - 2, name);
    got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
    assert_int_equal(run_of(strstr(got, "\"properties\":{\"") + 15, 'n'), 132);
    assert_contains(got, "nnn_name\":\"nnn");
    assert_int_equal(run_of(strstr(got, "_name\":\"") + 8, 'n'), 200);
    free(name);
    free(text);
    free(got);
}

static void tags_and_fields_have_their_lengths_and_what_is_cut_stands_whole_in_the_properties(void **state)
{
    char *text = malloc(10000), *got, role[600];
    (void)state;
    memset(role, 'r', 599);
    role[599] = '\0';
    sprintf(text, "{\"name\":\"n\",\"tags\":{\"ai.cloud.role\":\"%s\"},\"data\":{\"baseType\":\"EventData\",\"baseData\":{\"name\":\"%s\"}}}", role, role);
    got = encoded_as(FORMAT_APPINSIGHTS, text, NULL);
    assert_int_equal(run_of(strstr(got, "\"ai.cloud.role\":\"") + 17, 'r'), 256);
    assert_int_equal(run_of(strstr(got, "\"baseData\":{\"ver\":2,\"name\":\"") + 28, 'r'), 512);
    assert_int_equal(run_of(strstr(got, "\"tags.ai.cloud.role\":\"") + 22, 'r'), 599);
    assert_int_equal(run_of(strstr(got, "\"data.baseData.name\":\"") + 22, 'r'), 599);
    free(text);
    free(got);
}

static void fields_of_an_envelope_that_are_of_a_wrong_type_are_properties(void **state)
{
    char *got = encoded_as(FORMAT_APPINSIGHTS,
                           "{\"name\":\"n\",\"time\":\"2031-02-03T04:05:06Z\",\"sampleRate\":\"all\",\"tags\":{\"t\":[1]},\"data\":{\"baseType\":\"RemoteDependencyData\","
                           "\"baseData\":{\"name\":{\"a\":1},\"success\":\"maybe\",\"duration\":5,\"measurements\":{\"m\":\"x\",\"n\":2}}}}", NULL);
    (void)state;
    assert_contains(got, "\"tags\":{\"ai.location.ip\":\"0.0.0.0\"}");
    assert_contains(got, "\"success\":true");
    assert_contains(got, "\"name\":\"RemoteDependencyData\"");
    assert_contains(got, "\"measurements\":{\"n\":2}");
    assert_contains(got, "\"sampleRate\":\"all\"");
    assert_contains(got, "\"tags.t.0\":\"1\"");
    assert_contains(got, "\"data.baseData.name.a\":\"1\"");
    assert_contains(got, "\"data.baseData.success\":\"maybe\"");
    assert_contains(got, "\"data.baseData.measurements.m\":\"x\"");
    free(got);
}

/* --- All formats */

static void strings_of_100_kilobytes_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) {
        char *text = long_record("{\"odd\":\"", 'x', 100000), *got = encoded_as(formats[i], text, NULL);
        if (formats[i] != FORMAT_APPINSIGHTS) assert_int_equal(run_of(strstr(got, "xxx"), 'x'), 100000);
        free(text);
        free(got);
    }
}

static void five_thousand_members_of_one_name_are_all_told_apart(void **state)
{
    char *text = malloc(200000), *to = text + sprintf(text, "{");
    (void)state;
    for (int i = 0; i < 5000; i++) to += sprintf(to, "%s\"a\":%d", i > 0 ? "," : "", i);
    strcpy(to, "}");
    for (size_t i = 0; i < FORMATS; i++) {
        char *got = encoded_as(formats[i], text, NULL);
        if (formats[i] == FORMAT_CEF) assert_contains(got, " azureA5000=4999");
        else if (formats[i] == FORMAT_APPINSIGHTS) assert_contains(got, "\"a#3000\":\"2999\"");
        else assert_contains(got, "\"a#5000\":4999}");
        free(got);
    }
    free(text);
}

static void deep_nesting_becomes_text_where_objects_are_nested(void **state)
{
    enum { DEPTH = 120 };
    char  text[8 * DEPTH + 20], *to = text;
    (void)state;
    for (int i = 0; i < DEPTH; i++) to += sprintf(to, "{\"a\":");
    to += sprintf(to, "\"«s|[redacted:x]»\"");
    for (int i = 0; i < DEPTH; i++) to += sprintf(to, "}");
    for (size_t i = 0; i < FORMATS; i++) {
        char *got = encoded_as(formats[i], text, NULL);
        assert_contains(got, "[redacted:x]");
        if (formats[i] == FORMAT_ECS || formats[i] == FORMAT_OCSF) assert_contains(got, "{\"a\":\"{\\\"a\\\":{\\\"a\\\":");
        free(got);
    }
}

static void nothing_under_a_span_leaves_in_any_format(void **state)
{
    static const char *const texts[] = {
        "{\"time\":\"2031-02-03T04:05:06Z\",\"category\":\"Policy\",\"resourceId\":\"/subscriptions/«SECRET|X»/resourceGroups/«SECRET|Y»\","
        "\"operationName\":«\"SECRET\"|\"[m]\"»,\"callerIpAddress\":\"«SECRET|[ip]»\",\"identity\":{\"claims\":{\"upn\":\"«SECRET|u»@«SECRET|h»\"}},"
        "\"properties\":{\"statusMessage\":\"a «SECRET|[m]» b\"},\"level\":«\"SECRET\"|\"[m]\"»}",
        "{\"time\":«\"SECRET\"|\"[m]\"»,\"tags\":«{\"ai.operation.id\":\"SECRET\"}|\"[m]\"»,\"data\":{\"baseType\":\"RequestData\",\"baseData\":{"
        "\"url\":\"https://«SECRET|h»/p?«SECRET|q»\",\"duration\":«5|\"[m]\"»,\"success\":«\"SECRET\"|\"[m]\"»,\"properties\":{\"«SECRET|k»\":1,«\"SECRET\":2,|»\"b\":3}}}}",
        "{\"time\":\"2031-02-03T04:05:06Z\",\"data\":{\"baseType\":\"ExceptionData\",\"baseData\":{\"exceptions\":[«{\"message\":\"SECRET\"},|»{\"message\":\"«SECRET|m»\","
        "\"stack\":«\"SECRET\"|\"[m]\"»,\"x\":«[1,\"SECRET\"]|\"[m]\"»}]}}}",
        "«{\"a\":\"SECRET\"}|\"[m]\"»",
        "«\"SECRET\"|\"[m]\"»",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t k = 0; k < FORMATS; k++) {
            char *got = encoded_as(formats[k], texts[i], NULL);
            assert_lacks(got, "SECRET");
            if (format_is_json(formats[k])) assert_sound_json(got);
            free(got);
        }
}

static void an_encoder_keeps_nothing_of_the_record_before(void **state)
{
    static const char rich[] = "{\"time\":\"2031-02-03T04:05:06Z\",\"category\":\"Policy\",\"resourceId\":\"/subscriptions/s/resourceGroups/g\",\"operationName\":"
                               "\"a/write\",\"level\":\"Error\",\"correlationId\":\"c\",\"properties\":{\"a\":1}}";
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) {
        struct encoder *e = encoder_open(&(struct encoder_options){formats[i], false, NULL, NOW});
        struct encoded  out = {0};
        struct clean    first, second;
        clean_init(&first, rich);
        clean_init(&second, "{\"b\":2}");
        assert_true(encode_record(e, &first.record, first.keys, &out));
        size_t at = out.len;
        assert_true(encode_record(e, &second.record, second.keys, &out));
        char *alone = encoded_as(formats[i], "{\"b\":2}", NULL);
        assert_true(slice_equal(slice_of(out.data + at, out.len - at), slice_from(alone)));
        free(alone);
        clean_release(&first);
        clean_release(&second);
        encoded_release(&out);
        encoder_free(e);
    }
}

/* --- Values that are read out of others */

static void values_are_taken_apart(void **state)
{
    static const struct {
        const char *member, *ecs;   /* of a scoring request; what ECS makes of it */
    } table[] = {
        {"\"path\":\"https://user:pw@h.example:8443/a/b?x=1&y#f\"",
         "\"scheme\":\"https\",\"domain\":\"h.example\",\"port\":8443,\"path\":\"/a/b\",\"query\":\"x=1&y\",\"fragment\":\"f\""},
        {"\"path\":\"http://[2001:db8::1]:80/\"", "\"domain\":\"[2001:db8::1]\",\"port\":80,\"path\":\"/\""},
        {"\"path\":\"http://h?q\"", "\"domain\":\"h\",\"query\":\"q\""},
        {"\"path\":\"no url\"", "\"url\":{\"original\":\"no url\"}"},
        {"\"callerIpAddress\":\"192.0.2.1:80\"", "\"source\":{\"ip\":\"192.0.2.1\",\"port\":80}"},
        {"\"callerIpAddress\":\"[2001:db8::1]:443\"", "\"source\":{\"ip\":\"2001:db8::1\",\"port\":443}"},
        {"\"callerIpAddress\":\"2001:db8::1\"", "\"source\":{\"ip\":\"2001:db8::1\"}"},
        {"\"callerIpAddress\":\"256.1.1.1\"", "\"source\":{\"address\":\"256.1.1.1\"}"},
        {"\"callerIpAddress\":\"1.2.3.4\\u0000\"", "\"source\":{\"address\":\"1.2.3.4\\u0000\"}"},
        {"\"totalDurationMs\":37.4159", "\"duration\":37415900"},
        {"\"totalDurationMs\":\"0\"", "\"duration\":0"},
        {"\"totalDurationMs\":\"1.02:03:04.5\"", "\"duration\":93784500000000"},
        {"\"totalDurationMs\":\"99:00:00\"", "\"properties\":{\"totalDurationMs\":\"99:00:00\"}"},
        {"\"totalDurationMs\":1e3", "\"properties\":{\"totalDurationMs\":1e3}"},
        {"\"totalDurationMs\":-5", "\"properties\":{\"totalDurationMs\":-5}"},
        {"\"responseCode\":\"404\"", "\"outcome\":\"failure\""},
        {"\"responseCode\":99", "\"properties\":{\"responseCode\":99}"},
        {"\"requestPayloadSize\":\"12\"", "\"body\":{\"bytes\":12}"},
        {"\"requestPayloadSize\":99999999999999999999", "\"properties\":{\"requestPayloadSize\":99999999999999999999}"},
        {"\"userName\":\"a@b@c\"", "\"user\":{\"name\":\"a@b@c\"}"},
        {"\"userName\":\"@c\"", "\"user\":{\"name\":\"@c\"}"},
        {"\"userName\":\"a@c.example\"", "\"user\":{\"name\":\"a\",\"domain\":\"c.example\",\"email\":\"a@c.example\"}"},
        {"\"method\":\"brew\"", "\"method\":\"brew\""},
        {"\"method\":\"get\"", "\"method\":\"GET\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[600], *got;
        snprintf(text, sizeof text, "{\"time\":\"2031-02-03T04:05:06Z\",\"category\":\"AmlOnlineEndpointTrafficLog\",\"properties\":{%s}}", table[i].member);
        got = encoded_as(FORMAT_ECS, text, NULL);
        assert_contains(got, table[i].ecs);
        free(got);
    }
}

static void times_are_told_as_they_are_if_a_receiver_can_read_them(void **state)
{
    static const struct {
        const char *time, *ecs;
    } table[] = {
        {"2031-02-03T04:05:06.1234567Z", "{\"@timestamp\":\"2031-02-03T04:05:06.1234567Z\""},
        {"2031-02-03T04:05:06Z", "{\"@timestamp\":\"2031-02-03T04:05:06Z\""},
        {"2031-02-03 04:05:06", "{\"@timestamp\":\"2031-02-03T04:05:06.000Z\""},
        {"2031-02-03T04:05:06+02:00", "{\"@timestamp\":\"2031-02-03T02:05:06.000Z\""},
        {"yesterday", "{\"@timestamp\":\"2026-03-01T00:00:00.000Z\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[200], *got, kept[80];
        snprintf(text, sizeof text, "{\"time\":\"%s\",\"category\":\"AmlRunEvent\"}", table[i].time);
        got = encoded_as(FORMAT_ECS, text, NULL);
        snprintf(kept, sizeof kept, "\"time\":\"%s\"", table[i].time);
        assert_contains(got, table[i].ecs);
        if (i >= 2) assert_contains(got, kept);   /* what was rewritten stays in the rest */
        else assert_lacks(got, "\"time\"");
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_golden_records_and_they_are_met),
        cmocka_unit_test(cef_escapes_what_has_a_meaning_and_nothing_else),
        cmocka_unit_test(a_cef_value_that_is_too_long_is_cut_and_stands_whole_in_the_rest),
        cmocka_unit_test(the_key_and_the_time_stand_where_sinks_look_for_them),
        cmocka_unit_test(a_long_property_goes_on_in_further_properties),
        cmocka_unit_test(parts_end_between_characters),
        cmocka_unit_test(an_item_is_never_larger_than_the_service_takes_and_says_what_it_lost),
        cmocka_unit_test(names_of_properties_are_cut_and_told_in_full),
        cmocka_unit_test(tags_and_fields_have_their_lengths_and_what_is_cut_stands_whole_in_the_properties),
        cmocka_unit_test(fields_of_an_envelope_that_are_of_a_wrong_type_are_properties),
        cmocka_unit_test(strings_of_100_kilobytes_are_kept),
        cmocka_unit_test(five_thousand_members_of_one_name_are_all_told_apart),
        cmocka_unit_test(deep_nesting_becomes_text_where_objects_are_nested),
        cmocka_unit_test(nothing_under_a_span_leaves_in_any_format),
        cmocka_unit_test(an_encoder_keeps_nothing_of_the_record_before),
        cmocka_unit_test(values_are_taken_apart),
        cmocka_unit_test(times_are_told_as_they_are_if_a_receiver_can_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
