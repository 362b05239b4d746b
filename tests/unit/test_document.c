/* Opening documents: which records they hold, what is repaired, what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "framed.h"
#include "parser/document.h"

#define MAX_BYTES 100000

/* One document in a batch of its own, at offset 100 and line 10 of its input. */
struct opened {
    struct parser          parser;
    struct arena           arena;
    struct batch           batch;
    struct opened_document document;
};

static void open_one(struct opened *o, struct slice text, struct document d, size_t arena_bytes)
{
    assert_true(parser_init(&o->parser, MAX_BYTES, PARSER_DEFAULT_DEPTH));
    arena_init(&o->arena, arena_bytes < 65536 ? arena_bytes : 65536, arena_bytes);
    assert_true(batch_init(&o->batch, text.len + 1));
    memcpy(o->batch.data, text.data, text.len);
    o->batch.used = text.len;
    d.len = (uint32_t)text.len;
    d.offset = 100;
    d.line = 10;
    *batch_add(&o->batch) = d;
    document_open(&o->parser, &o->batch, o->batch.documents, &o->arena, &o->document);
}

static void release_one(struct opened *o)
{
    batch_release(&o->batch);
    arena_release(&o->arena);
    parser_release(&o->parser);
}

/* "10@100 {...}" for a record, "!10@100 syntax 107" for a refused one: line, offset, and bytes or reason and fault. */
static void describe(const struct opened *o, char *out, size_t room)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < o->document.count; i++) {
        const struct record *r = &o->document.records[i];
        assert_true((r->refusal == REFUSAL_NONE) == (r->tape != NULL));
        len += (size_t)snprintf(out + len, room - len, "%s%llu@%llu ", r->tape ? "" : "!", (unsigned long long)r->line,
                                (unsigned long long)r->offset);
        if (r->tape == NULL) {
            len += (size_t)snprintf(out + len, room - len, "%s %llu\n", refusal_text(r->refusal), (unsigned long long)r->fault_at);
            continue;
        }
        const struct node *n = &r->tape->nodes[r->node];
        len += (size_t)snprintf(out + len, room - len, "%.*s\n", (int)(n->end - n->start), r->tape->text.data + n->start);
    }
    assert_true(len < room);
}

struct example {
    const char  *name;
    struct slice text;
    const char  *expected;
    enum repair  repair;
};

static void check_examples(const struct example *examples, size_t count, struct document form)
{
    for (size_t i = 0; i < count; i++) {
        struct opened o;
        char got[4096];
        open_one(&o, examples[i].text, form, 1 << 24);
        describe(&o, got, sizeof got);
        if (strcmp(got, examples[i].expected) != 0 || o.document.repair != examples[i].repair) {
            print_error("%s\n--- expected (repair %s)\n%s--- got (repair %s)\n%s", examples[i].name,
                        repair_text(examples[i].repair), examples[i].expected, repair_text(o.document.repair), got);
            fail();
        }
        release_one(&o);
    }
}

#define CHECK_EXAMPLES(examples, ...) \
    check_examples(examples, sizeof examples / sizeof examples[0], (struct document){__VA_ARGS__})

static void containers_are_unwrapped(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a bare record", SLICE("{\"a\":1}"), "10@100 {\"a\":1}\n", 0},
        {"a list", SLICE("[{\"a\":1},\n{\"b\":2}]"), "10@101 {\"a\":1}\n11@110 {\"b\":2}\n", 0},
        {"an empty list", SLICE("[]"), "10@100 []\n", 0},
        {"a list of other things", SLICE("[{\"a\":1},2]"), "10@100 [{\"a\":1},2]\n", 0},
        {"records", SLICE("{\"x\":\"\\u0072\",\"Records\":[{\"a\":1},{\"b\":2}]}"), "10@125 {\"a\":1}\n10@133 {\"b\":2}\n", 0},
        {"no records", SLICE("{\"records\":[]}"), "", 0},
        {"records that are none", SLICE("{\"records\":[1]}"), "10@100 {\"records\":[1]}\n", 0},
        {"records twice", SLICE("{\"records\":[{\"a\":1}],\"RECORDS\":[{\"b\":2}]}"), "10@112 {\"a\":1}\n10@132 {\"b\":2}\n", 0},
        {"a page", SLICE("{\"@odata.context\":\"c\",\"value\":[{\"a\":1}],\"nextLink\":null,\"Count\":1}"), "10@131 {\"a\":1}\n", 0},
        {"a value in a record", SLICE("{\"name\":\"n\",\"value\":[{\"a\":1}]}"),
         "10@100 {\"name\":\"n\",\"value\":[{\"a\":1}]}\n", 0},
        {"a scalar value", SLICE("{\"value\":1}"), "10@100 {\"value\":1}\n", 0},
        {"wrappers in a list", SLICE("[{\"records\":[{\"a\":1}],\"p\":0},\n\n{\"records\":[{\"b\":2}]}]"),
         "10@113 {\"a\":1}\n12@143 {\"b\":2}\n", 0},
        {"a record in a list of wrappers", SLICE("[{\"records\":[{\"a\":1}]},{\"c\":3}]"), "10@113 {\"a\":1}\n10@123 {\"c\":3}\n", 0},
        {"records deeper down", SLICE("{\"a\":{\"records\":[{\"b\":2}]}}"), "10@100 {\"a\":{\"records\":[{\"b\":2}]}}\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_JSON);
}

static void the_container_is_told_from_the_record(void **state)
{
    (void)state;
    struct opened o;
    open_one(&o, SLICE("{\"records\":[{\"a\":1}]}"), (struct document){.form = DOCUMENT_JSON}, 1 << 20);
    assert_true(o.document.container);
    assert_non_null(o.document.tape);
    assert_ptr_equal(o.document.records[0].tape, o.document.tape);
    assert_int_not_equal(o.document.records[0].node, 0);
    release_one(&o);
    open_one(&o, SLICE("{\"a\":1}"), (struct document){.form = DOCUMENT_JSON}, 1 << 20);
    assert_false(o.document.container);
    assert_int_equal(o.document.records[0].node, 0);
    release_one(&o);
    open_one(&o, SLICE("[{\"a\":1},{\"b\":x}]"), (struct document){.form = DOCUMENT_JSON}, 1 << 20);
    assert_true(o.document.container);
    assert_null(o.document.tape);
    release_one(&o);
}

static void an_element_that_is_an_array_is_one_record(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"an array", SLICE("[{\"a\":1},{\"b\":2}]"), "10@100 [{\"a\":1},{\"b\":2}]\n", 0},
        {"a wrapper", SLICE("{\"records\":[{\"a\":1},{\"b\":2}]}"), "10@112 {\"a\":1}\n10@120 {\"b\":2}\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_JSON, .element = true);
}

static void known_faults_are_repaired(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"line feeds", SLICE("{\"a\":\"x\r\ny\tz\",\n\"b\":\"\\\"\n\"}"), "10@100 {\"a\":\"x\\r\\ny\\tz\",\n\"b\":\"\\\"\\n\"}\n", REPAIR_LINE_FEED},
        {"line feeds in records", SLICE("{\"records\":[{\"a\":\"x\ny\"},{\"b\":2}]}"), "10@100 {\"a\":\"x\\ny\"}\n10@100 {\"b\":2}\n", REPAIR_LINE_FEED},
        {"single quotes", SLICE("{'records': [{'a': 'x', 'b': None, 'c': [True, False]}]}"),
         "10@100 {\"a\": \"x\", \"b\": null, \"c\": [true, false]}\n", REPAIR_QUOTES},
        {"quotes within", SLICE("[ {'a': 'say \"hi\"', 'b': \"it's\", 'c': 'it\\'s'}]"),
         "10@100 {\"a\": \"say \\\"hi\\\"\", \"b\": \"it's\", \"c\": \"it's\"}\n", REPAIR_QUOTES},
        {"escapes", SLICE("{'a': '\\x1b\\xe9\\n\\\\\\u00e9\\U0001f600\\a'}"),
         "10@100 {\"a\": \"\\u001b\\u00e9\\n\\\\\\u00e9\\ud83d\\ude00\\u0007\"}\n", REPAIR_QUOTES},
        {"words in strings stay", SLICE("{'None': 'True'}"), "10@100 {\"None\": \"True\"}\n", REPAIR_QUOTES},
        {"an escape of neither language", SLICE("{'a': '\\q'}"), "!10@100 syntax 101\n", 0},
        {"a backslash before a line feed", SLICE("{\"a\":\"x\\\ny\"}"), "!10@100 control 108\n", 0},
        {"another control character", SLICE("{\"a\":\"x\x01y\"}"), "!10@100 control 107\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_JSON);
}

static void what_cannot_be_read_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"grammar", SLICE("{\"a\":x}"), "!10@100 syntax 105\n", 0},
        {"trailing comma", SLICE("{\"a\":1,}"), "!10@100 syntax 107\n", 0},
        {"garbage behind", SLICE("{\"a\":1} x"), "!10@100 syntax 108\n", 0},
        {"numbers in front of text", SLICE("[7] [INFO] started"), "!10@100 syntax 104\n", 0},
        {"wrong bracket", SLICE("{\"a\":[1}"), "!10@100 syntax 107\n", 0},
        {"invalid utf-8", SLICE("{\"a\":\"\xff\"}"), "!10@100 utf8 106\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_JSON);
}

static void a_broken_element_is_refused_alone(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"grammar", SLICE("[{\"a\":1},\n{\"b\":x},\n{\"c\":3}]"), "10@101 {\"a\":1}\n!11@110 syntax 115\n12@119 {\"c\":3}\n", 0},
        {"invalid utf-8", SLICE("{\"records\":[{\"a\":\"\xff\"},{\"b\":2}]}"), "!10@112 utf8 118\n10@122 {\"b\":2}\n", 0},
        {"control", SLICE("{\"records\":[{\"a\":\"\x01\"},{\"b\":2}]}"), "!10@112 control 118\n10@122 {\"b\":2}\n", 0},
        {"trailing comma", SLICE("{\"records\":[{\"a\":1},]}"), "10@112 {\"a\":1}\n!10@120 syntax 120\n", 0},
        {"truncated", SLICE("{\"records\":[{\"a\":1},{\"b\":"), "10@112 {\"a\":1}\n!10@120 truncated 125\n", 0},
        {"truncated between", SLICE("[{\"a\":1},"), "10@101 {\"a\":1}\n!10@109 truncated 109\n", 0},
        {"garbage behind", SLICE("[{\"a\":1}] x"), "10@101 {\"a\":1}\n!10@110 syntax 110\n", 0},
        {"a fault beside the records", SLICE("{\"records\":[{\"a\":1}],\"b\":x}"), "10@112 {\"a\":1}\n!10@100 syntax 125\n", 0},
        {"a wrapper among others", SLICE("[{\"records\":[{\"a\":1},{\"b\":x}]},{\"c\":3}]"),
         "10@113 {\"a\":1}\n!10@121 syntax 126\n10@131 {\"c\":3}\n", 0},
        {"a repaired neighbour", SLICE("[{\"a\":\"x\ny\"},{\"b\":x},{\"c\":3}]"), "10@101 {\"a\":\"x\\ny\"}\n!11@113 syntax 118\n11@121 {\"c\":3}\n", REPAIR_LINE_FEED},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_JSON);
}

static void too_deep_an_element_is_refused_alone(void **state)
{
    (void)state;
    char text[2048] = "[{\"a\":1},{\"b\":", expected[128];
    size_t len = strlen(text);
    memset(text + len, '[', 200);
    memset(text + len + 200, ']', 200);
    memcpy(text + len + 400, "},{\"c\":3}]", sizeof "},{\"c\":3}]");
    struct example example = {"deep", slice_from(text), expected, 0};
    /* At 128 levels the parser stops: `{` is the first, so the fault is at the 128th `[`. */
    snprintf(expected, sizeof expected, "10@101 {\"a\":1}\n!10@109 depth %zu\n10@%zu {\"c\":3}\n", 100 + len + 127, 100 + len + 402);
    check_examples(&example, 1, (struct document){.form = DOCUMENT_JSON});
}

static void a_line_becomes_a_message(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"text", SLICE("hello"), "10@100 {\"message\":\"hello\"}\n", 0},
        {"quotes and controls", SLICE("say \"hi\" \\ \x1b[0m\t"), "10@100 {\"message\":\"say \\\"hi\\\" \\\\ \\u001b[0m\\t\"}\n", 0},
        {"utf-8", SLICE("h\xc3\xa9"), "10@100 {\"message\":\"h\xc3\xa9\"}\n", 0},
        {"invalid utf-8", SLICE("h\xe9 x"), "!10@100 utf8 101\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_TEXT);
}

static void a_long_line_becomes_a_message(void **state)
{
    (void)state;
    struct opened o;
    static char text[3000], expected[2 * sizeof text];
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 7 == 0 ? '"' : 'x';
    size_t len = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        if (text[i] == '"') expected[len++] = '\\';
        expected[len++] = text[i];
    }
    open_one(&o, slice_of(text, sizeof text), (struct document){.form = DOCUMENT_TEXT}, 1 << 20);
    const struct tape *tape = o.document.tape;
    assert_non_null(tape);
    assert_int_equal(tape->nodes[2].end - tape->nodes[2].start, len);
    assert_memory_equal(tape->text.data + tape->nodes[2].start, expected, len);
    release_one(&o);
}

static void a_member_becomes_an_object(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"member", SLICE("\"a\":[1,{}]"), "10@100 {\"a\":[1,{}]}\n", 0},
        {"records are one record here", SLICE("\"records\":[{}]"), "10@100 {\"records\":[{}]}\n", 0},
        {"broken", SLICE("\"a\":x"), "!10@100 syntax 104\n", 0},
    };
    CHECK_EXAMPLES(examples, .form = DOCUMENT_MEMBER);
}

static void what_framing_refused_stays_refused(void **state)
{
    (void)state;
    static const struct example example = {"binary", {"x\0y", 3}, "!10@100 binary 103\n", 0};
    check_examples(&example, 1, (struct document){.form = DOCUMENT_REFUSED, .refusal = REFUSAL_BINARY});
}

/* With an arena of any size the answer is the records, or one refusal for memory. */
static void a_full_arena_is_one_refusal(void **state)
{
    (void)state;
    static const struct { struct slice text; enum document_form form; } cases[] = {
        {SLICE("[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{\"e\":5},{\"f\":6},{\"g\":7},{\"h\":8},{\"i\":9}]"), DOCUMENT_JSON},
        {SLICE("[{\"a\":\"x\ny\"},{\"b\":x},{\"c\":3}]"), DOCUMENT_JSON},
        {SLICE("{'a': 'x'}"), DOCUMENT_JSON},
        {SLICE("hello"), DOCUMENT_TEXT},
        {SLICE("\"a\":1"), DOCUMENT_MEMBER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char whole[4096], got[4096];
        struct opened o;
        open_one(&o, cases[i].text, (struct document){.form = cases[i].form}, 1 << 20);
        describe(&o, whole, sizeof whole);
        release_one(&o);
        for (size_t bytes = 8; bytes < 4096; bytes += 8) {
            open_one(&o, cases[i].text, (struct document){.form = cases[i].form}, bytes);
            describe(&o, got, sizeof got);
            if (strcmp(got, whole) != 0) assert_string_equal(got, "!10@100 memory 100\n");
            else assert_int_equal(o.document.repair == REPAIR_NONE, i != 1 && i != 2);
            release_one(&o);
        }
        assert_string_equal(got, whole);
    }
}

/* --- Streamed and whole ----------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static size_t random_below(size_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % n;
}

/* A container of many small elements, some of them broken, some of them wrappers; sometimes cut off. */
static size_t random_container(char *out, size_t room)
{
    static const char *const elements[] = {
        "{\"a\":1}", "{\"b\":\"x,]}\\\"\"}", "{\"c\":[{},[1]]}", "{\"d\":\"x\ny\"}", "{\"e\":x}", "{\"f\":\"\xff\"}",
        "{\"records\":[{\"g\":1},{\"h\":2}]}", "{\"records\":[{\"g\":1},{\"h\":x}]}", "{\"value\":[{\"i\":1}]}",
        "{\"j\":\"\t\"}", "{'k': None}", "{\"l\":1} 2",
    };
    static const char *const joints[] = {",", ", ", ",\n", ",\n  ", "\n,"};
    bool sound = random_below(2) == 0, wrapper = random_below(2) == 0;
    size_t count = 20 + random_below(20), len = 0;
    if (wrapper) len += (size_t)snprintf(out, room, "{\"t\":[{}],%s\"records\":[", random_below(2) ? "\n" : "");
    else out[len++] = '[';
    len += (size_t)snprintf(out + len, room - len, "{\"first\":true}");
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, room - len, "%s%s", joints[random_below(5)], elements[random_below(sound ? 4 : 12)]);
    if (!sound && random_below(3) == 0) return len - random_below(6);
    len += (size_t)snprintf(out + len, room - len, "]%s\n", wrapper ? ",\"u\":\"]\"}" : "");
    return len;
}

/* The records of a text, one after another, as framed with a limit; refused ones are left out. */
static void records_of(struct slice text, size_t max_document, char *out, size_t room)
{
    struct piecewise p = {.text = text, .piece = 50};
    struct framer *f = framer_new(&(struct framer_options){.max_document = max_document});
    struct parser parser;
    struct arena arena;
    struct batch b;
    struct error error = {0};
    size_t len = 0;
    enum fill fill;
    assert_true(parser_init(&parser, MAX_BYTES, PARSER_DEFAULT_DEPTH));
    assert_true(batch_init(&b, max_document + 200));
    arena_init(&arena, 65536, 1 << 24);
    framer_reset(f, (struct byte_source){piecewise_read, &p});
    do {
        batch_clear(&b);
        fill = framer_fill(f, &b, &error);
        for (size_t i = 0; i < b.count; i++) {
            struct opened_document d;
            document_open(&parser, &b, &b.documents[i], &arena, &d);
            for (size_t k = 0; k < d.count; k++) {
                if (d.records[k].refusal != REFUSAL_NONE) continue;
                const struct node *n = &d.records[k].tape->nodes[d.records[k].node];
                len += (size_t)snprintf(out + len, room - len, "%.*s\n", (int)(n->end - n->start),
                                        d.records[k].tape->text.data + n->start);
            }
        }
    } while (fill == FILL_SOME);
    out[len] = '\0';
    arena_release(&arena);
    batch_release(&b);
    parser_release(&parser);
    framer_free(f);
}

static void a_streamed_container_holds_the_records_of_the_whole(void **state)
{
    (void)state;
    static char text[8192], whole[16384], streamed[16384];
    for (random_state = 1; random_state < 3000; random_state++) {
        uint64_t seed = random_state;
        size_t len = random_container(text, sizeof text);
        records_of(slice_of(text, len), sizeof text, whole, sizeof whole);
        records_of(slice_of(text, len), 60, streamed, sizeof streamed);
        if (strcmp(whole, streamed) != 0) print_error("seed %llu:\n%.*s\n", (unsigned long long)seed, (int)len, text);
        assert_string_equal(streamed, whole);
        random_state = seed;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_are_unwrapped),
        cmocka_unit_test(the_container_is_told_from_the_record),
        cmocka_unit_test(an_element_that_is_an_array_is_one_record),
        cmocka_unit_test(known_faults_are_repaired),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_its_place),
        cmocka_unit_test(a_broken_element_is_refused_alone),
        cmocka_unit_test(too_deep_an_element_is_refused_alone),
        cmocka_unit_test(a_line_becomes_a_message),
        cmocka_unit_test(a_long_line_becomes_a_message),
        cmocka_unit_test(a_member_becomes_an_object),
        cmocka_unit_test(what_framing_refused_stays_refused),
        cmocka_unit_test(a_full_arena_is_one_refusal),
        cmocka_unit_test(a_streamed_container_holds_the_records_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
