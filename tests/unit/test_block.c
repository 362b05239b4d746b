#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redacting.h"
#include "sinks/sink.h"

#include <stdlib.h>
#include <unistd.h>

static const struct sink_type plain = {.name = "plain"}, far = {.name = "far", .network = true};

struct blocks {
    struct redacting     redacting;
    struct sink          sink[3];
    struct sink         *sinks[3];
    struct block_scheme  scheme;
    struct gate         *gate;
    struct block_filler *filler;
    struct block        *block;
    size_t               gated[8], gated_count;
};

static void note_gated(void *context, size_t record)
{
    struct blocks *b = context;
    b->gated[b->gated_count++] = record;
}

static void fill_block(void *context, const struct clean_batch *clean)
{
    static const struct origin origin = {.stream = "sixteen bytes ..", .number = 7};
    struct blocks             *b = context;
    block_clear(b->block);
    assert_true(block_fill(b->filler, b->block, clean, &origin, note_gated, b));
}

/* Sinks: "all" in original, "flat" in flat, "some" in original with a filter. */
static void open_blocks(struct blocks *b, const struct text_list *kinds, const struct text_list *levels)
{
    struct error err = {0};
    *b = (struct blocks){.sink = {{.type = &plain, .name = "all", .format = FORMAT_ORIGINAL},
                                  {.type = &plain, .name = "flat", .format = FORMAT_FLAT, .number = 1, .encoding = 1},
                                  {.type = &far, .name = "some", .format = FORMAT_ORIGINAL, .number = 2}}};
    if (kinds != NULL) b->sink[2].filter.kinds = *kinds;
    if (levels != NULL) b->sink[2].filter.levels = *levels;
    for (int i = 0; i < 3; i++) b->sinks[i] = &b->sink[i];
    redacting_open(&b->redacting, "standard", false);
    block_scheme_init(&b->scheme, b->sinks, 3);
    b->gate = gate_new(b->redacting.plan, &err);
    b->filler = block_filler_new(&b->scheme, b->redacting.keyring, b->gate);
    b->block = block_new();
    assert_true(b->gate != NULL && b->filler != NULL && b->block != NULL);
    b->redacting.see = fill_block;
    b->redacting.see_context = b;
}

static void close_blocks(struct blocks *b)
{
    block_free(b->block);
    block_filler_free(b->filler);
    gate_free(b->gate);
    redacting_close(&b->redacting);
}

static const char three[] = "{\"time\":\"2026-03-14T09:30:00.5Z\",\"category\":\"AmlRunEvent\",\"resourceId\":\"/SUB/1\",\"operationName\":\"x\",\"level\":\"Error\","
                            "\"properties\":{\"password\":\"Heron-Lake_4471\"}}\n"
                            "just a line\n"
                            "{\"a\":[1,2]}\n";

static void assert_bytes(const struct blocks *b, unsigned encoding, size_t record, const char *expected)
{
    struct slice bytes = block_bytes(b->block, encoding, record);
    assert_int_equal(bytes.len, strlen(expected));
    assert_memory_equal(bytes.data, expected, bytes.len);
}

/* A block goes to the store as it lies in memory. */
static void a_record_of_a_block_holds_nothing_of_what_was_there_before(void **state)
{
    static const uint8_t zeros[4];
    struct blocks        b;
    (void)state;
    open_blocks(&b, NULL, NULL);
    (void)redacting_text(&b.redacting, slice_from(three));
    memset(b.block->records, 0xa5, b.block->capacity * sizeof *b.block->records);
    (void)redacting_text(&b.redacting, slice_from(three));
    for (size_t i = 0; i < b.block->count; i++) {
        const struct block_record *r = &b.block->records[i];
        assert_memory_equal(r->zero, zeros, sizeof r->zero);
        assert_int_equal(r->also_zero, 0);
    }
    assert_int_equal(b.block->count, 3);
    close_blocks(&b);
}

static void a_block_has_every_record_in_every_format(void **state)
{
    struct blocks b;
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, slice_from(three));
    assert_int_equal(b.block->count, 3);
    assert_bytes(&b, 0, 1, "{\"message\":\"just a line\"}");
    assert_bytes(&b, 0, 2, "{\"a\":[1,2]}");
    assert_non_null(memmem(block_bytes(b.block, 1, 1).data, block_bytes(b.block, 1, 1).len, "just a line", 11));
    assert_null(memmem(b.block->encodings[0].bytes.data, b.block->encodings[0].bytes.len, "Heron", 5));
    assert_null(memmem(b.block->encodings[1].bytes.data, b.block->encodings[1].bytes.len, "Heron", 5));
    assert_int_equal(b.block->records[0].redactions, 1);
    assert_int_equal(b.block->records[0].time_ms, 1773480600500);
    struct slice level = block_label(b.block, b.block->records[0].level);
    assert_true(slice_equal(level, SLICE("Error")));
    for (size_t i = 0; i < 3; i++) assert_true(slice_equal(block_label(b.block, b.block->records[i].policy), SLICE("standard")));
    close_blocks(&b);
}

static void a_filter_decides_which_sink_gets_a_record(void **state)
{
    static const char *const levels[] = {"warn*", "ERROR"};
    const struct text_list   list = {levels, 2};
    struct blocks            b;
    (void)state;
    open_blocks(&b, NULL, &list);
    redacting_text(&b.redacting, slice_from(three));
    assert_int_equal(b.block->records[0].sinks, 7);
    assert_int_equal(b.block->records[1].sinks, 3);
    assert_int_equal(b.block->records[2].sinks, 3);
    close_blocks(&b);
}

static const char kinds[] = "{\"level\":\"Warning\",\"category\":\"AmlRunEvent\",\"resultType\":\"Failed\"}\n"
                            "{\"level\":\"Error\",\"category\":\"AmlOther\",\"resultType\":\"Succeeded\"}\n"
                            "{\"a\":1}\n";

/* Which of the records of `kinds` the first sink gets with this filter, bit by bit; the others have none and get all. */
static unsigned passing(struct blocks *b, const struct sink_filter *filter)
{
    unsigned passed = 0;
    b->sink[0].filter = *filter;
    block_filler_free(b->filler);
    b->filler = block_filler_new(&b->scheme, b->redacting.keyring, b->gate);
    assert_non_null(b->filler);
    redacting_text(&b->redacting, slice_from(kinds));
    assert_int_equal(b->block->count, 3);
    for (size_t i = 0; i < 3; i++) {
        passed |= (b->block->records[i].sinks & 1) << i;
        assert_int_equal(b->block->records[i].sinks & 6, 6);
    }
    return passed;
}

static void a_filter_asks_for_every_list_that_it_has(void **state)
{
    static const char *const levels[] = {"warn*"}, *const categories[] = {"amlrunevent"}, *const results[] = {"Succ*", "failed"}, *const none[] = {""},
                      *const longer[] = {"warnings*"}, *const kind[] = {"no such kind"};
    struct blocks b;
    (void)state;
    open_blocks(&b, NULL, NULL);
    assert_int_equal(passing(&b, &(struct sink_filter){.levels = {levels, 1}}), 1);
    assert_int_equal(passing(&b, &(struct sink_filter){.levels = {longer, 1}}), 0);
    assert_int_equal(passing(&b, &(struct sink_filter){.categories = {categories, 1}}), 1);
    assert_int_equal(passing(&b, &(struct sink_filter){.results = {results, 2}}), 3);
    assert_int_equal(passing(&b, &(struct sink_filter){.results = {results, 2}, .levels = {levels, 1}}), 1);
    assert_int_equal(passing(&b, &(struct sink_filter){.levels = {none, 1}}), 4);   /* a record without a level */
    assert_int_equal(passing(&b, &(struct sink_filter){.kinds = {kind, 1}}), 0);
    close_blocks(&b);
}

#define GITHUB "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

/* Both of its formats go over the network, each to two sinks; redaction was told to keep secrets, so the gate finds one in each. */
static void a_record_that_the_gate_holds_back_is_told_once(void **state)
{
    struct sink       sinks[4] = {{.type = &far, .name = "a", .format = FORMAT_ORIGINAL}, {.type = &far, .name = "b", .format = FORMAT_ORIGINAL, .number = 1},
                                  {.type = &far, .name = "c", .format = FORMAT_FLAT, .number = 2, .encoding = 1},
                                  {.type = &plain, .name = "d", .format = FORMAT_FLAT, .number = 3, .encoding = 1}};
    struct sink      *list[4] = {&sinks[0], &sinks[1], &sinks[2], &sinks[3]};
    struct blocks     b;
    struct redacting  keeping;
    char              path[] = "/tmp/lethe-block-XXXXXX";
    static const char policy[] = "extends: standard\nclasses: {secret: keep}\n";
    int               fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0 && write(fd, policy, sizeof policy - 1) == sizeof policy - 1 && close(fd) == 0);
    open_blocks(&b, NULL, NULL);
    redacting_open(&keeping, path, false);
    unlink(path);
    keeping.see = fill_block;
    keeping.see_context = &b;
    block_filler_free(b.filler);
    block_scheme_init(&b.scheme, list, 4);
    assert_true(b.scheme.gated[0] && b.scheme.gated[1]);
    b.filler = block_filler_new(&b.scheme, b.redacting.keyring, b.gate);
    redacting_text(&keeping, SLICE("{\"a\":1}\n{\"note\":\"" GITHUB "\"}\n{\"b\":1}\n"));
    assert_int_equal(b.gated_count, 1);
    assert_int_equal(b.gated[0], 1);
    assert_int_equal(b.block->records[0].sinks, 15);
    assert_int_equal(b.block->records[1].sinks, 0);
    assert_int_equal(b.block->records[2].sinks, 15);
    redacting_close(&keeping);
    close_blocks(&b);
}

/* As records of two resources have theirs. */
static void fill_with_two_policies(void *context, const struct clean_batch *clean)
{
    static const struct origin origin = {.stream = "sixteen bytes ..", .number = 7};
    struct blocks             *b = context;
    struct clean_record        records[3];
    struct clean_batch         batch = *clean;
    assert_int_equal(clean->count, 3);
    memcpy(records, clean->records, sizeof records);
    records[1].policy = records[2].policy = "hbi";
    batch.records = records;
    block_clear(b->block);
    assert_true(block_fill(b->filler, b->block, &batch, &origin, note_gated, b));
}

static void each_record_of_a_block_knows_its_policy(void **state)
{
    struct blocks b;
    (void)state;
    open_blocks(&b, NULL, NULL);
    b.redacting.see = fill_with_two_policies;
    redacting_text(&b.redacting, slice_from(three));
    assert_true(slice_equal(block_label(b.block, b.block->records[0].policy), SLICE("standard")));
    assert_true(slice_equal(block_label(b.block, b.block->records[1].policy), SLICE("hbi")));
    assert_true(slice_equal(block_label(b.block, b.block->records[2].policy), SLICE("hbi")));
    close_blocks(&b);
}

static void event_ids_are_equal_for_the_same_place_and_different_otherwise(void **state)
{
    struct blocks b;
    uint8_t       ids[3][EVENT_ID_BYTES];
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, slice_from(three));
    for (int i = 0; i < 3; i++) memcpy(ids[i], b.block->records[i].event_id, EVENT_ID_BYTES);
    assert_memory_not_equal(ids[0], ids[1], EVENT_ID_BYTES);
    assert_memory_not_equal(ids[1], ids[2], EVENT_ID_BYTES);
    redacting_text(&b.redacting, slice_from(three));
    for (int i = 0; i < 3; i++) assert_memory_equal(ids[i], b.block->records[i].event_id, EVENT_ID_BYTES);
    close_blocks(&b);
}

/* Single quotes are repaired; all records of such a document have its place. */
static void records_of_a_repaired_document_have_ids_of_their_own(void **state)
{
    struct blocks b;
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, SLICE("{'records':[{'a':1},{'a':1},{'a':1}]}\n"));
    assert_int_equal(b.block->count, 3);
    assert_memory_not_equal(b.block->records[0].event_id, b.block->records[1].event_id, EVENT_ID_BYTES);
    assert_memory_not_equal(b.block->records[1].event_id, b.block->records[2].event_id, EVENT_ID_BYTES);
    close_blocks(&b);
}

/* --- As bytes --------------------------------------------------------------------------------------------------------------------- */

static void a_block_comes_back_from_its_bytes(void **state)
{
    struct blocks  b;
    struct encoded bytes = {.joint = SIZE_MAX};
    struct block  *back = block_new();
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, slice_from(three));
    assert_true(block_serialize(b.block, &b.scheme, 5, &bytes));
    assert_int_equal(block_restore(back, &b.scheme, UINT32_MAX, slice_of(bytes.data, bytes.len)), RESTORE_DONE);
    assert_int_equal(back->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(slice_equal(block_bytes(back, 0, i), block_bytes(b.block, 0, i)));
        assert_int_equal(back->records[i].sinks, b.block->records[i].sinks & 5);
        assert_memory_equal(back->records[i].event_id, b.block->records[i].event_id, EVENT_ID_BYTES);
        assert_true(slice_equal(block_label(back, back->records[i].resource), block_label(b.block, b.block->records[i].resource)));
    }
    encoded_release(&bytes);
    block_free(back);
    close_blocks(&b);
}

/* The next run has its sinks in another order, one is new, one changed its format, one is gone. */
static void sinks_are_known_by_name_when_a_block_comes_back(void **state)
{
    struct blocks       b;
    struct encoded      bytes = {.joint = SIZE_MAX};
    struct block       *back = block_new();
    struct sink         now[3] = {{.type = &plain, .name = "new", .format = FORMAT_FLAT},
                                  {.type = &plain, .name = "some", .format = FORMAT_ORIGINAL, .number = 1, .encoding = 1},
                                  {.type = &plain, .name = "all", .format = FORMAT_FLAT, .number = 2}};
    struct sink        *sinks[3] = {&now[0], &now[1], &now[2]};
    struct block_scheme scheme;
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, slice_from(three));
    assert_true(block_serialize(b.block, &b.scheme, 5, &bytes));
    block_scheme_init(&scheme, sinks, 3);
    assert_int_equal(block_restore(back, &scheme, UINT32_MAX, slice_of(bytes.data, bytes.len)), RESTORE_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(back->records[i].sinks, 6);
        assert_true(slice_equal(block_bytes(back, 1, i), block_bytes(b.block, 0, i)));
        assert_true(slice_equal(block_bytes(back, 0, i), block_bytes(b.block, 0, i)));   /* as it was kept: it is JSON */
    }
    assert_int_equal(back->refitted, 1);
    encoded_release(&bytes);
    block_free(back);
    close_blocks(&b);
}

static void a_block_for_one_sink_comes_back_without_what_others_get(void **state)
{
    struct blocks  b;
    struct encoded bytes = {.joint = SIZE_MAX};
    struct block  *back = block_new();
    (void)state;
    open_blocks(&b, NULL, NULL);   /* the second sink has a format of its own */
    redacting_text(&b.redacting, slice_from(three));
    assert_true(block_serialize(b.block, &b.scheme, 7, &bytes));
    assert_int_equal(block_restore(back, &b.scheme, 1, slice_of(bytes.data, bytes.len)), RESTORE_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(back->records[i].sinks, b.block->records[i].sinks & 1);
        assert_true(slice_equal(block_bytes(back, 0, i), block_bytes(b.block, 0, i)));
    }
    assert_true(b.block->encodings[1].bytes.len > 0);
    assert_int_equal(back->encodings[1].bytes.len, 0);
    encoded_release(&bytes);
    block_free(back);
    close_blocks(&b);
}

/* A run keeps its block in `kept`; the next one has the sink in `now`. */
static void assert_refitted(enum format kept, enum format now, const char *line, const char *expected)
{
    struct sink          then = {.type = &plain, .name = "x", .format = kept}, later = {.type = &plain, .name = "x", .format = now};
    struct sink         *const then_list[] = {&then}, *const later_list[] = {&later};
    struct block_scheme  written, read;
    struct block        *block = block_new(), *back = block_new();
    uint32_t             starts[2] = {0, (uint32_t)strlen(line) + 1};
    struct block_record  record = {.sinks = 1, .time_ms = 1773480600500};
    struct encoded       bytes = {.joint = SIZE_MAX};
    block_scheme_init(&written, then_list, 1);
    block_scheme_init(&read, later_list, 1);
    block->count = 1;
    block->records = &record;
    block->encodings[0].starts = starts;
    assert_true(encoded_append(&block->encodings[0].bytes, slice_from(line)) && encoded_append(&block->encodings[0].bytes, SLICE("\n")));
    assert_true(block_serialize(block, &written, 1, &bytes));
    assert_int_equal(block_restore(back, &read, UINT32_MAX, slice_of(bytes.data, bytes.len)), RESTORE_DONE);
    struct slice got = block_bytes(back, 0, 0);
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.data, expected, got.len);
    assert_int_equal(back->refitted, kept != now);
    block->records = NULL;
    block->encodings[0].starts = NULL;
    encoded_release(&bytes);
    block_free(block);
    block_free(back);
}

static void what_was_kept_in_another_format_becomes_a_record_of_the_wanted_one(void **state)
{
    static const char json[] = "{\"a\":\"x=\\\\\"}", cef[] = "CEF:0|a|b|1|c|d|3|msg=\"q\"";
    (void)state;
    assert_refitted(FORMAT_CEF, FORMAT_CEF, cef, cef);
    assert_refitted(FORMAT_FLAT, FORMAT_ORIGINAL, json, json);
    assert_refitted(FORMAT_CEF, FORMAT_FLAT, cef, "{\"message\":\"CEF:0|a|b|1|c|d|3|msg=\\\"q\\\"\"}");
    assert_refitted(FORMAT_FLAT, FORMAT_ECS, json,
                    "{\"@timestamp\":\"2026-03-14T09:30:00.500Z\",\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":\"event\"},"
                    "\"message\":\"{\\\"a\\\":\\\"x=\\\\\\\\\\\"}\"}");
    assert_refitted(FORMAT_ORIGINAL, FORMAT_CEF, json,
                    "CEF:0|lethe|lethe|1.0|kept|record kept in another format|0|rt=1773480600500 msg={\"a\":\"x\\=\\\\\\\\\"}");
    assert_refitted(FORMAT_CEF, FORMAT_APPINSIGHTS, cef,
                    "{\"ver\":1,\"iKey\":\"00000000-0000-0000-0000-000000000000\",\"time\":\"2026-03-14T09:30:00.500Z\","
                    "\"name\":\"Microsoft.ApplicationInsights.Message\",\"data\":{\"baseType\":\"MessageData\",\"baseData\":{\"ver\":2,"
                    "\"message\":\"CEF:0|a|b|1|c|d|3|msg=\\\"q\\\"\",\"properties\":{}}}}");
    assert_refitted(FORMAT_CEF, FORMAT_OCSF, cef,
                    "{\"class_uid\":0,\"class_name\":\"Base Event\",\"category_uid\":0,\"category_name\":\"Uncategorized\",\"activity_id\":0,"
                    "\"type_uid\":0,\"time\":1773480600500,\"severity_id\":0,\"message\":\"CEF:0|a|b|1|c|d|3|msg=\\\"q\\\"\","
                    "\"metadata\":{\"version\":\"1.8.0\",\"product\":{\"name\":\"lethe\",\"vendor_name\":\"lethe\"}}}");
}

static void damaged_bytes_are_no_block_or_a_sound_one(void **state)
{
    struct blocks  b;
    struct encoded bytes = {.joint = SIZE_MAX};
    struct block  *back = block_new();
    (void)state;
    open_blocks(&b, NULL, NULL);
    redacting_text(&b.redacting, slice_from(three));
    assert_true(block_serialize(b.block, &b.scheme, 3, &bytes));
    for (size_t len = 0; len < bytes.len; len++) {
        char *cut = malloc(len + 1);   /* so that a sanitizer sees a byte too many */
        memcpy(cut, bytes.data, len);
        block_clear(back);
        assert_int_equal(block_restore(back, &b.scheme, UINT32_MAX, slice_of(cut, len)), RESTORE_DAMAGED);
        free(cut);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            size_t seen = 0;
            bytes.data[i] ^= (char)(1 << bit);
            block_clear(back);
            if (block_restore(back, &b.scheme, UINT32_MAX, slice_of(bytes.data, bytes.len)) == RESTORE_DONE)
                for (size_t r = 0; r < back->count; r++) seen += block_bytes(back, 0, r).len + block_label(back, back->records[r].resource).len;
            assert_true(seen < 2 * bytes.len);
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    encoded_release(&bytes);
    block_free(back);
    close_blocks(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_a_block_holds_nothing_of_what_was_there_before),
        cmocka_unit_test(a_block_has_every_record_in_every_format),
        cmocka_unit_test(a_filter_decides_which_sink_gets_a_record),
        cmocka_unit_test(a_filter_asks_for_every_list_that_it_has),
        cmocka_unit_test(a_record_that_the_gate_holds_back_is_told_once),
        cmocka_unit_test(each_record_of_a_block_knows_its_policy),
        cmocka_unit_test(event_ids_are_equal_for_the_same_place_and_different_otherwise),
        cmocka_unit_test(records_of_a_repaired_document_have_ids_of_their_own),
        cmocka_unit_test(a_block_comes_back_from_its_bytes),
        cmocka_unit_test(sinks_are_known_by_name_when_a_block_comes_back),
        cmocka_unit_test(a_block_for_one_sink_comes_back_without_what_others_get),
        cmocka_unit_test(what_was_kept_in_another_format_becomes_a_record_of_the_wanted_one),
        cmocka_unit_test(damaged_bytes_are_no_block_or_a_sound_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
