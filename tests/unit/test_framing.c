/* Framing: which documents are found in a stream, wherever it is cut. Every expectation was written by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "framed.h"

struct example {
    const char  *name;
    struct slice input;
    const char  *expected;
};

static void print_difference(const struct framing_run *run, const char *name, const char *got, const char *expected)
{
    if (strcmp(got, expected) == 0) return;
    print_error("%s, max %zu, capacity %zu, pieces of %zu\n--- expected\n%s--- got\n%s", name, run->max_document,
                run->capacity, run->piece, expected, got);
    fail();
}

/* All cuts must give the expected documents, each with its line, and the byte count of the input. */
static void check_all_cuts(struct framing_run run, const char *name, const char *expected)
{
    static const size_t pieces[] = {1, 2, 3, 7, 64, SIZE_MAX}, extra[] = {0, 1, 13, 1000, 1 << 17};
    static struct framed got;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        for (size_t k = 0; k < sizeof extra / sizeof extra[0]; k++) {
            run.piece = pieces[i];
            run.capacity = run.max_document + PARSER_PADDING + extra[k];
            frame(run, &got);
            print_difference(&run, name, got.text, expected);
            assert_int_equal(got.bytes, run.text.len);
            assert_int_equal(got.failed, run.fails);
        }
    }
}

static void check_examples(const struct example *examples, size_t count, size_t max_document, bool keep_container)
{
    for (size_t i = 0; i < count; i++)
        check_all_cuts((struct framing_run){.text = examples[i].input, .max_document = max_document,
                                            .keep_container = keep_container},
                       examples[i].name, examples[i].expected);
}

#define CHECK_EXAMPLES(examples, max, keep) check_examples(examples, sizeof examples / sizeof examples[0], max, keep)

static void documents_are_found_in_lines_and_across_them(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"nothing", {"", 0}, ""},
        {"blanks", SLICE(" \n\r\n\t\n"), ""},
        {"json lines", SLICE("{\"a\":1}\n{\"b\":2}\r\n\r\n[3]\n"), "json 1@0 {\"a\":1}\njson 2@8 {\"b\":2}\njson 4@19 [3]\n"},
        {"no last line feed", SLICE("{\"a\":1}\n{\"b\":2}"), "json 1@0 {\"a\":1}\njson 2@8 {\"b\":2}\n"},
        {"white space around", SLICE("  {\"a\":1} \t\r\n \t[2] "), "json 1@2 {\"a\":1}\njson 2@15 [2]\n"},
        {"byte order mark", SLICE("\xEF\xBB\xBF{\"a\":1}\n\xEF\xBB\xBF{\"b\":2}\n"),
         "json 1@3 {\"a\":1}\njson 2@14 {\"b\":2}\n"},
        {"byte order mark before text", SLICE("\xEF\xBB\xBFhello\n"), "text 1@3 hello\n"},
        {"half a byte order mark", SLICE("\xEF\xBB"), "text 1@0 \xEF\xBB\n"},
        {"concatenated", SLICE("{\"a\":1}{\"b\":2} [3]{}\n{\"c\":4}"),
         "json 1@0 {\"a\":1}\njson 1@7 {\"b\":2}\njson 1@15 [3]\njson 1@18 {}\njson 2@21 {\"c\":4}\n"},
        {"pretty-printed", SLICE("{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n{\n}\n"),
         "json 1@0 {\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\njson 7@33 {\n}\n"},
        {"concatenated across lines", SLICE("{\n\"a\":1\n}{\n\"b\":2\n}\n"),
         "json 1@0 {\n\"a\":1\n}\njson 3@9 {\n\"b\":2\n}\n"},
        {"elements in the first column", SLICE("[\n{\"a\":1},\n{\"b\":2}\n]\n{\"c\":3}\n"),
         "json 1@0 [\n{\"a\":1},\n{\"b\":2}\n]\njson 5@21 {\"c\":3}\n"},
        {"a value in the first column", SLICE("{\"a\":\n{\"b\":2}\n}\n{\"c\":3}\n"),
         "json 1@0 {\"a\":\n{\"b\":2}\n}\njson 4@16 {\"c\":3}\n"},
        {"brackets in strings", SLICE("{\"a\":\"}]\\\"}\"}\n[\"[{\"]\n"), "json 1@0 {\"a\":\"}]\\\"}\"}\njson 2@14 [\"[{\"]\n"},
        {"raw line feed in a string", SLICE("{\"a\":\"x\ny\"}\n{\"b\":2}\n"), "json 1@0 {\"a\":\"x\ny\"}\njson 3@12 {\"b\":2}\n"},
        {"quoted json after a raw line feed", SLICE("{\"a\":\"x\n{\\\"k\\\":1}\ny\"}\n"), "json 1@0 {\"a\":\"x\n{\\\"k\\\":1}\ny\"}\n"},
        {"python's dictionary after a raw line feed", SLICE("{\"a\":\"x\n{'k':1}\ny\"}\n"), "json 1@0 {\"a\":\"x\n{'k':1}\ny\"}\n"},
        {"single quotes", SLICE("{'records': [{'a': 'it is \"}'}]}\n{\"b\":2}\n"),
         "json 1@0 {'records': [{'a': 'it is \"}'}]}\njson 2@33 {\"b\":2}\n"},
        {"a bracket in single quotes", SLICE("{'a': '}'}\n{\"b\":2}\n"), "json 1@0 {'a': '}'}\njson 2@11 {\"b\":2}\n"},
    };
    CHECK_EXAMPLES(examples, 1000, false);
}

static void lines_that_do_not_begin_like_json_are_text(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"text", SLICE("hello\r\n  indented \nlast"), "text 1@0 hello\ntext 2@7   indented \ntext 3@19 last\n"},
        {"scalars", SLICE("123\n\"text\"\ntrue\n"), "text 1@0 123\ntext 2@4 \"text\"\ntext 3@11 true\n"},
        {"log lines with brackets", SLICE("[INFO] up\n[2026-11-22 04:00:00 +0000] [7] up\n[04:00:00] up\n[nullable] up\n[]\n"),
         "text 1@0 [INFO] up\ntext 2@10 [2026-11-22 04:00:00 +0000] [7] up\ntext 3@45 [04:00:00] up\ntext 4@59 [nullable] up\n"
         "json 5@73 []\n"},
        {"arrays of everything", SLICE("[-1.5e+3]\n[true]\n[ null ]\n[\"a\"]\n[[]]\n[{}]\n[  ]\n"),
         "json 1@0 [-1.5e+3]\njson 2@10 [true]\njson 3@17 [ null ]\njson 4@26 [\"a\"]\njson 5@32 [[]]\njson 6@37 [{}]\n"
         "json 7@42 [  ]\n"},
        {"text between json", SLICE("{\"a\":1}\nhello\n{\"b\":2}\n"), "json 1@0 {\"a\":1}\ntext 2@8 hello\njson 3@14 {\"b\":2}\n"},
        {"nul bytes", {"{\"a\":1}\nx\0y\nz\n", 14}, "json 1@0 {\"a\":1}\nrefused 2@8 binary\ntext 3@12 z\n"},
        {"control bytes", SLICE("\x1b[31mred\x07\n"), "text 1@0 \x1b[31mred\x07\n"},
        {"carriage return at the end", SLICE("hello\r"), "text 1@0 hello\n"},
    };
    CHECK_EXAMPLES(examples, 1000, false);
}

static void what_else_is_on_the_line_spoils_a_document(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"garbage", SLICE("{\"a\":1} garbage \n{\"b\":2}\n"), "json 1@0 {\"a\":1} garbage\njson 2@17 {\"b\":2}\n"},
        {"a comma", SLICE("{\"a\":1},\r\n{\"b\":2}\n"), "json 1@0 {\"a\":1},\njson 2@10 {\"b\":2}\n"},
        {"garbage after the second", SLICE("{\"a\":1}{\"b\":2}x\n"), "json 1@0 {\"a\":1}\njson 1@7 {\"b\":2}x\n"},
        {"a closing bracket too many", SLICE("{\"a\":1}}\n{\"b\":2}\n"), "json 1@0 {\"a\":1}}\njson 2@9 {\"b\":2}\n"},
        {"garbage after several lines", SLICE("{\n\"a\":1} x\n{\"b\":2}\n"), "json 1@0 {\n\"a\":1} x\njson 3@11 {\"b\":2}\n"},
        {"wrong bracket", SLICE("{]\n{\"b\":2}\n"), "json 1@0 {]\njson 2@3 {\"b\":2}\n"},
        {"wrong bracket inside", SLICE("{\"a\":[1}\nhello\n{\"b\":2}\n"), "json 1@0 {\"a\":[1}\ntext 2@9 hello\njson 3@15 {\"b\":2}\n"},
        {"text in brackets", SLICE("{\"a\":1} [INFO] x\n"), "json 1@0 {\"a\":1} [INFO] x\n"},
    };
    CHECK_EXAMPLES(examples, 1000, false);
}

static void after_a_truncated_document_the_next_line_starts_afresh(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"in a string", SLICE("{\"a\":\"x\n{\"b\":2}\n"), "refused 1@0 truncated\njson 2@8 {\"b\":2}\n"},
        {"in an object", SLICE("{\"a\":1\n{\"b\":2}\n"), "refused 1@0 truncated\njson 2@7 {\"b\":2}\n"},
        {"after a comma", SLICE("{\"a\":1,\n{\"b\":2}\n{\"c\":3}\n"), "refused 1@0 truncated\njson 2@8 {\"b\":2}\njson 3@16 {\"c\":3}\n"},
        {"after a colon", SLICE("{\"a\":\n{\"b\":2}\n"), "refused 1@0 truncated\njson 2@6 {\"b\":2}\n"},
        {"in an array", SLICE("{\"a\":[1,\n{\"b\":2}\nhello\n"), "refused 1@0 truncated\njson 2@9 {\"b\":2}\ntext 3@17 hello\n"},
        {"two on the next line", SLICE("{\"a\":1\n{\"b\":2} {\"c\":3}\n"), "refused 1@0 truncated\njson 2@7 {\"b\":2}\njson 2@15 {\"c\":3}\n"},
        {"text is swallowed", SLICE("{\"a\":\"x\nhello\n{\"b\":2}\n"), "refused 1@0 truncated\njson 3@14 {\"b\":2}\n"},
        {"twice", SLICE("{\"a\":\"x\n{\"b\":\n{\"c\":3}\n"), "refused 1@0 truncated\njson 3@14 {\"c\":3}\n"},
        {"in a string, before a bracket", SLICE("{\"a\":\"x\n{\"b\":2}\n]\n"), "refused 1@0 truncated\njson 2@8 {\"b\":2}\ntext 3@16 ]\n"},
        {"in an object, before a bracket", SLICE("{\"a\":1\n{\"b\":2}\n}\n"), "refused 1@0 truncated\njson 2@7 {\"b\":2}\ntext 3@15 }\n"},
        {"at the end", SLICE("{\"b\":2}\n{\"a\":\"x\n"), "json 1@0 {\"b\":2}\nrefused 2@8 truncated\n"},
        {"the last bracket", SLICE("{"), "refused 1@0 truncated\n"},
        {"a container keeps what it has", SLICE("{\"records\":[{\"a\":1},{\"b\n{\"c\":3}\n"),
         "json 1@0 {\"records\":[{\"a\":1},{\"b\njson 2@24 {\"c\":3}\n"},
    };
    CHECK_EXAMPLES(examples, 1000, false);
}

/* Whatever byte a line is cut after, the lines around it survive. */
static void a_line_cut_anywhere_costs_no_other_line(void **state)
{
    (void)state;
    static struct framed got;
    const char *line = "{\"time\":\"t\",\"n\":[1,{\"k\":null}],\"o\":{\"e\":\"\\\"x\\\\\"},\"z\":true}";
    for (size_t cut = 1; cut < strlen(line); cut++) {
        char input[256];
        int len = snprintf(input, sizeof input, "{\"before\":1}\n%.*s\n{\"after\":1}\n{\"last\":1}\n", (int)cut, line);
        frame((struct framing_run){.text = slice_of(input, (size_t)len), .max_document = 1000, .capacity = 4096, .piece = 5}, &got);
        assert_int_equal(got.documents, 4);
        assert_non_null(strstr(got.text, "json 1@0 {\"before\":1}\nrefused 2@13 truncated\n"));
        assert_non_null(strstr(got.text, "{\"after\":1}\n"));
        assert_non_null(strstr(got.text, "{\"last\":1}\n"));
    }
}

static void what_is_too_long_is_passed_over(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"as long as allowed", SLICE("{\"a\":\"34567890123\"}\n{\"b\":2}\n"), "json 1@0 {\"a\":\"34567890123\"}\njson 2@20 {\"b\":2}\n"},
        {"one byte more", SLICE("{\"a\":\"345678901234\"}\n{\"b\":2}\n"), "refused 1@0 length\njson 2@21 {\"b\":2}\n"},
        {"more follows on the line", SLICE("{\"a\":\"3456789012345\"} {\"b\":2}\n{\"c\":3}\n"),
         "refused 1@0 length\njson 1@22 {\"b\":2}\njson 2@30 {\"c\":3}\n"},
        {"garbage follows on the line", SLICE("{\"a\":\"3456789012345\"} x\n{\"c\":3}\n"),
         "refused 1@0 length\nrefused 1@22 syntax\njson 2@24 {\"c\":3}\n"},
        {"across lines", SLICE("{\"a\":\"3456789012345\",\n\"x\":\n[]}\n{\"c\":3}\n"), "refused 1@0 length\njson 4@31 {\"c\":3}\n"},
        {"torn", SLICE("{\"a\":\"34567890123456789\n{\"c\":3}\n"), "refused 1@0 truncated\njson 2@24 {\"c\":3}\n"},
        {"torn, and what tears it does not fit beside it", SLICE("{\"a\":\"3456\n{\"b\":\"34567\"}\n{\"c\":3}\n"),
         "refused 1@0 truncated\njson 2@11 {\"b\":\"34567\"}\njson 3@25 {\"c\":3}\n"},
        {"at the end", SLICE("{\"a\":\"34567890123456789"), "refused 1@0 truncated\n"},
        {"text as long as allowed", SLICE("0123456789012345678\r\nx\n"), "text 1@0 0123456789012345678\ntext 2@21 x\n"},
        {"text of one byte more", SLICE("01234567890123456789\nx\n"), "refused 1@0 length\ntext 2@21 x\n"},
        {"much text", SLICE("012345678901234567890123456789\nx"), "refused 1@0 length\ntext 2@31 x\n"},
        {"much binary", {"012345678\0 01234567890123456789\nx", 33}, "refused 1@0 binary\ntext 2@32 x\n"},
        {"blanks before json", SLICE("                              {\"a\":1}\nx"), "json 1@30 {\"a\":1}\ntext 2@38 x\n"},
        {"blanks before text", SLICE("                              y\nx"), "refused 1@30 length\ntext 2@32 x\n"},
        {"blanks after json", SLICE("{\"a\":1}                                        \nx"), "json 1@0 {\"a\":1}\ntext 2@48 x\n"},
        {"garbage far behind", SLICE("{\"a\":1}                                       y\nx"),
         "json 1@0 {\"a\":1}\nrefused 1@46 syntax\ntext 2@48 x\n"},
        {"much garbage", SLICE("{\"a\":1} 0123456789012345678901234567890123456789\nx"), "refused 1@0 length\ntext 2@49 x\n"},
    };
    CHECK_EXAMPLES(examples, 19, false);
}

static void a_container_that_is_too_long_is_streamed(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"an array", SLICE("[{\"a\":1},\n {\"b\":2} , {\"c\":3},{\"d\":4},{\"e\":5}]\n{\"z\":0}\n"),
         "element 1@1 {\"a\":1}\nelement 2@11 {\"b\":2}\nelement 2@21 {\"c\":3}\nelement 2@29 {\"d\":4}\nelement 2@37 {\"e\":5}\n"
         "json 3@46 {\"z\":0}\n"},
        {"records", SLICE("{\"t\":[1,{}],\"Records\" : [ {\"a\":1},{\"b\":2},{\"c\":3}], \"u\":0}\n{\"z\":0}\n"),
         "element 1@26 {\"a\":1}\nelement 1@34 {\"b\":2}\nelement 1@42 {\"c\":3}\njson 2@59 {\"z\":0}\n"},
        {"a page", SLICE("{\"@odata.n\":1,\"value\":[{\"a\":1},{\"b\":2}],\"count\":2,\"nextLink\":\"x\"}\n"),
         "element 1@23 {\"a\":1}\nelement 1@31 {\"b\":2}\n"},
        {"value of something else", SLICE("{\"name\":\"x\",\"value\":[{\"a\":1},{\"b\":2},{\"c\":3}]}\n{\"z\":0}\n"),
         "refused 1@0 length\njson 2@47 {\"z\":0}\n"},
        {"records that are none", SLICE("{\"records\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}\n"), "refused 1@0 length\n"},
        {"records twice", SLICE("{\"records\":[{\"a\":1},{\"b\":2}],\"records\":[{\"c\":3}]}\n"),
         "element 1@12 {\"a\":1}\nelement 1@20 {\"b\":2}\nelement 1@40 {\"c\":3}\n"},
        {"an element too long", SLICE("[{\"a\":1},{\"b\":\"67890123456789012345678901234567890\",\"c\":[]},{\"d\":4}]"),
         "element 1@1 {\"a\":1}\nrefused 1@9 length\nelement 1@60 {\"d\":4}\n"},
        {"wrappers in an array", SLICE("[{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3}],\"p\":\"0\"},{\"records\":[{\"d\":4}]}]"),
         "element 1@13 {\"a\":1}\nelement 1@21 {\"b\":2}\nelement 1@29 {\"c\":3}\nelement 1@47 {\"records\":[{\"d\":4}]}\n"},
        {"scalars and garbage", SLICE("[1, \"a,]\" ,{\"b\":2} x,,[{}],true, {\"c\":3},]  y\n{\"z\":0}\n"),
         "element 1@1 1\nelement 1@4 \"a,]\"\nelement 1@11 {\"b\":2} x\nrefused 1@21 syntax\nelement 1@22 [{}]\nelement 1@27 true\n"
         "element 1@33 {\"c\":3}\nrefused 1@41 syntax\nrefused 1@44 syntax\njson 2@46 {\"z\":0}\n"},
        {"stray bytes in an object", SLICE("{7,\"records\":[{\"a\":1},{\"b\":2}]x,,}                  {\"z\":0}"),
         "refused 1@1 syntax\nelement 1@14 {\"a\":1}\nelement 1@22 {\"b\":2}\nrefused 1@30 syntax\nrefused 1@32 syntax\n"
         "refused 1@33 syntax\njson 1@52 {\"z\":0}\n"},
        {"cut off in an element", SLICE("[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{\"e\":\n"),
         "element 1@1 {\"a\":1}\nelement 1@9 {\"b\":2}\nelement 1@17 {\"c\":3}\nelement 1@25 {\"d\":4}\nrefused 1@33 truncated\n"},
        {"cut off between elements", SLICE("[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},\n\n"),
         "element 1@1 {\"a\":1}\nelement 1@9 {\"b\":2}\nelement 1@17 {\"c\":3}\nelement 1@25 {\"d\":4}\nrefused 3@35 truncated\n"},
        {"torn", SLICE("[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{\"e\":\"\n{\"z\":0}\nx"),
         "element 1@1 {\"a\":1}\nelement 1@9 {\"b\":2}\nelement 1@17 {\"c\":3}\nelement 1@25 {\"d\":4}\nrefused 1@33 truncated\n"
         "json 2@40 {\"z\":0}\ntext 3@48 x\n"},
        {"elements in the first column", SLICE("[\n{\"a\":1},\n{\"b\":2},\n{\"c\":3},\n{\"d\":4},\n{\"e\":5}\n]\n{\"z\":0}\n"),
         "element 2@2 {\"a\":1}\nelement 3@11 {\"b\":2}\nelement 4@20 {\"c\":3}\nelement 5@29 {\"d\":4}\nelement 6@38 {\"e\":5}\n"
         "json 8@48 {\"z\":0}\n"},
        {"single-quoted", SLICE("{'records': [{'a': 1}, {'b': 'x'}, {'c': 3}]}\n"),
         "element 1@13 {'a': 1}\nelement 1@23 {'b': 'x'}\nelement 1@35 {'c': 3}\n"},
        {"deep", SLICE("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],{\"a\":1}]"),
         "refused 1@1 length\nelement 1@85 {\"a\":1}\n"},
    };
    CHECK_EXAMPLES(examples, 32, false);
}

static void a_streamed_container_is_handed_out_whole_with_its_frame(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"an array", SLICE("[{\"a\":1},\n {\"b\":2} , {\"c\":3},{\"d\":4}] \n[]"),
         "opens 1@0 [\nelement 1@1 {\"a\":1}\nelement 2@11 {\"b\":2}\nelement 2@21 {\"c\":3}\nelement 2@29 {\"d\":4}\nglue 2@36 ]\nglue 2@37  \n\njson 3@39 []\n"},
        {"members around", SLICE("{\"t\":[1,{}],\"u\":0 ,\n\"records\":[{\"a\":1}, {\"b\":2}], \"v\":0,\"w\":1}"),
         "glue 1@0 {\nmember 1@1 \"t\":[1,{}]\nglue 1@11 ,\nmember 1@12 \"u\":0\nglue 1@19 ,\nopens 2@20 \"records\":[\n"
         "element 2@31 {\"a\":1}\nelement 2@40 {\"b\":2}\nglue 2@47 ]\nglue 2@49 ,\nmember 2@50 \"v\":0\nglue 2@55 ,\nmember 2@56 \"w\":1\n"
         "glue 2@61 }\n"},
        {"a member too long takes its comma along", SLICE("{\"t\":\"67890123456789012345678901234567890\",\"records\":[{\"a\":1}]}"),
         "refused 1@0 length\n"},
        {"a member too long behind", SLICE("{\"records\":[{\"a\":1}],\"t\":\"67890123456789012345678901234567890\",\"u\":1}"),
         "glue 1@0 {\nopens 1@1 \"records\":[\nelement 1@12 {\"a\":1}\nglue 1@19 ]\nrefused 1@21 length\nglue 1@62 ,\nmember 1@63 \"u\":1\n"
         "glue 1@68 }\n"},
        {"wrappers in an array", SLICE("[{\"z\":0},{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3}]},{\"d\":4}]"),
         "opens 1@0 [\nelement 1@1 {\"z\":0}\njoined 1@9 {\nopens 1@10 \"records\":[\nelement 1@21 {\"a\":1}\nelement 1@29 {\"b\":2}\n"
         "element 1@37 {\"c\":3}\nglue 1@44 ]\nglue 1@45 }\nelement 1@47 {\"d\":4}\nglue 1@54 ]\n"},
        {"a container that is cut off is closed", SLICE("{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3},{\n"),
         "glue 1@0 {\nopens 1@1 \"records\":[\nelement 1@12 {\"a\":1}\nelement 1@20 {\"b\":2}\nelement 1@28 {\"c\":3}\n"
         "refused 1@36 truncated\nglue 2@38 ]}\n\n"},
        {"a container that is torn is closed", SLICE("{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3\n{\"z\":0}\n"),
         "glue 1@0 {\nopens 1@1 \"records\":[\nelement 1@12 {\"a\":1}\nelement 1@20 {\"b\":2}\n"
         "refused 1@28 truncated\nglue 2@35 ]}\n\njson 2@35 {\"z\":0}\n"},
    };
    CHECK_EXAMPLES(examples, 32, true);
}

static void a_failing_source_costs_only_the_unfinished_document(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"json", SLICE("{\"a\":1}\n{\"b\":"), "json 1@0 {\"a\":1}\nrefused 2@8 truncated\n"},
        {"text", SLICE("hello\nhel"), "text 1@0 hello\nrefused 2@6 truncated\n"},
        {"nothing left over", SLICE("hello\n"), "text 1@0 hello\n"},
        {"a container", SLICE("[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{"),
         "element 1@1 {\"a\":1}\nelement 1@9 {\"b\":2}\nelement 1@17 {\"c\":3}\nelement 1@25 {\"d\":4}\nrefused 1@33 truncated\n"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        check_all_cuts((struct framing_run){.text = examples[i].input, .max_document = 32, .fails = true},
                       examples[i].name, examples[i].expected);
}

/* --- Properties ------------------------------------------------------------------------------------------------------- */

static uint64_t       random_state;
static enum multiline kind;   /* of the random input */

static size_t random_below(size_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % n;
}

static size_t random_input(char *out, size_t capacity)
{
    static const char *const words[] = {
        "{", "}", "[", "]", "\"", "\\", ",", ":", "\n", "\n", "\r\n", " ", "\"a\":1", "{\"a\":1}", "{\"b\":\"x y\"}", "[1,2]",
        "{\"records\":[", "{\"a\":1},", "]}", "{\"value\":[", "\"records\":[", "[{", "hello", "'", "{'a': 1}", "\xEF\xBB\xBF",
        "{\"k\":{\"l\":[{}]}}", "                    ", "0123456789", "\n{\"b\":2}\n", "\n{\"b\":2},\n", "\n[{\"b\":2}", "null",
        "\n  more", "\n\tat a.b(c)\n", "Traceback (most recent call last):\n", "ValueError: x\n", "2026-01-02 x\n", "\nWARN y", "\n\n",
        "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n", "nul\1",
    };
    size_t len = 0, count = 1 + random_below(40);
    kind = (enum multiline)random_below(MULTILINE_STAMPED + 1);
    for (size_t i = 0; i < count; i++) {
        const char *word = words[random_below(sizeof words / sizeof words[0])];
        if (len + strlen(word) > capacity) break;
        memcpy(out + len, word, strlen(word));
        len += strlen(word);
    }
    for (size_t i = 0; i < len; i++)
        if (out[i] == '\1') out[i] = '\0';
    return len;
}

static void random_input_gives_the_same_documents_however_it_is_cut(void **state)
{
    (void)state;
    static struct framed whole, cut;
    static const size_t longest[] = {5, 16, 48, 300, 5000};
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        char input[2048];
        random_state = seed;
        size_t len = random_input(input, sizeof input);
        struct framing_run run = {.text = slice_of(input, len), .max_document = longest[random_below(5)],
                                  .keep_container = random_below(2) == 0, .piece = SIZE_MAX, .capacity = 1 << 16, .multiline = kind};
        frame(run, &whole);
        run.piece = 1 + random_below(9);
        run.capacity = run.max_document + PARSER_PADDING + random_below(3) * random_below(40);
        frame(run, &cut);
        if (strcmp(whole.text, cut.text) == 0) continue;
        print_error("seed %llu:\n%.*s\n", (unsigned long long)seed, (int)len, input);
        print_difference(&run, "random", cut.text, whole.text);
    }
}

/* Between two documents lies nothing but white space and byte order marks, unless the first was refused. */
static void random_input_is_covered_by_documents(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        char input[2048];
        random_state = seed;
        struct piecewise p = {.text = slice_of(input, random_input(input, sizeof input)), .piece = 100};
        struct framer *f = framer_new(&(struct framer_options){.max_document = sizeof input, .multiline = kind});
        struct batch b;
        struct error error = {0};
        assert_true(batch_init(&b, 1 << 14));
        framer_reset(f, (struct byte_source){piecewise_read, &p});
        assert_int_equal(framer_fill(f, &b, &error), FILL_END);
        uint64_t covered = 0;
        for (size_t i = 0; i <= b.count; i++) {
            uint64_t next = i < b.count ? b.documents[i].offset : p.text.len;
            bool refused = i > 0 && b.documents[i - 1].form == DOCUMENT_REFUSED;
            assert_true(next >= covered);
            for (; covered < next && !refused; covered++)
                assert_non_null(memchr(" \t\r\n\xEF\xBB\xBF", input[covered], 7));
            if (i == b.count) break;
            const struct document *d = &b.documents[i];
            assert_memory_equal(b.data + d->start, input + d->offset, d->len);
            covered = d->offset + d->len;
        }
        batch_release(&b);
        framer_free(f);
    }
}

/* Writes what framing hands out, as a writer does: commas between elements, everything else as it is. */
static void reassemble(struct slice text, size_t max_document, size_t piece, char *written)
{
    struct piecewise p = {.text = text, .piece = piece};
    struct framer *f = framer_new(&(struct framer_options){.max_document = max_document, .keep_container = true});
    struct batch b;
    struct error error = {0};
    size_t len = 0;
    bool filled = false;
    enum fill fill;
    assert_true(batch_init(&b, max_document + PARSER_PADDING));
    framer_reset(f, (struct byte_source){piecewise_read, &p});
    do {
        batch_clear(&b);
        fill = framer_fill(f, &b, &error);
        for (size_t n = 0; n < b.count; n++) {
            const struct document *d = &b.documents[n];
            if (d->element && filled) written[len++] = ',';
            memcpy(written + len, b.data + d->start, d->len);
            len += d->len;
            filled = !d->opens;
        }
    } while (fill == FILL_SOME);
    written[len] = '\0';
    batch_release(&b);
    framer_free(f);
}

static void a_streamed_container_reassembles(void **state)
{
    (void)state;
    static const char *const containers[] = {
        "[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4},{\"e\":5}]\n",
        "{\"x\":{\"y\":[]},\"records\":[{\"a\":1},{\"b\":2},{\"c\":3}],\"z\":null}\r\n",
        "[{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4}],\"p\":1},{\"q\":2},{\"u\":0,\"records\":[{\"e\":1},{\"f\":2},{\"g\":3}]}]",
        "{\"records\":[{\"a\":1},{\"b\":2},{\"c\":3}],\"records\":[{\"d\":4}]}",
        ("{\"a\":\"0\",\"records\":[{}],\"c\":\"0123456\",\"d\":\"012345678\",\"e\":\"01234567890123\",\"f\":\"0\",\"g\":\"0123456789\","
        "\"h\":\"012345\",\"i\":\"0123\",\"j\":\"01234567890123456\",\"k\":\"01\",\"l\":\"0123\",\"m\":\"01234567890123\",\"n\":\"01\"}"),
    };
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++) {
        for (size_t max_document = 30; max_document < 40; max_document++) {
            char written[512];
            reassemble(slice_from(containers[i]), max_document, max_document % 10 + 1, written);
            assert_string_equal(written, containers[i]);
        }
    }
}

/* --- Inputs that grow ------------------------------------------------------------------------------------------------- */

/* Has one more byte at every second call, and nothing just now at the others. */
struct growing {
    struct slice text;
    size_t       at;
    bool         later;
};

static ptrdiff_t growing_read(void *context, char *buffer, size_t capacity, struct error *error)
{
    struct growing *g = context;
    (void)error;
    if (g->at == g->text.len) return 0;
    g->later = !g->later;
    if (g->later || capacity == 0) return BYTES_LATER;
    buffer[0] = g->text.data[g->at++];
    return 1;
}

/* Where a fresh framer may go on, after so many documents. */
struct stop {
    struct framer_place place;
    size_t              documents;
};

/* Frames as the text grows; every batch holds something of another input already. */
static size_t frame_growing(struct slice text, size_t max_document, struct framed *out, struct stop *stops, size_t room)
{
    struct growing g = {.text = text};
    struct framer *f = framer_new(&(struct framer_options){.max_document = max_document, .multiline = kind});
    struct batch   b;
    struct error   error = {0};
    enum fill      fill;
    size_t         count = 0;
    assert_true(batch_init(&b, 40 + FRAMER_ROOM(max_document)));
    framer_reset(f, (struct byte_source){growing_read, &g});
    *out = (struct framed){.len = 0};
    do {
        batch_clear(&b);
        memset(b.data, '#', b.used = 40);
        fill = framer_fill(f, &b, &error);
        for (size_t i = 0; i < b.count; i++) {
            assert_true(b.documents[i].len == 0 || b.documents[i].start >= 40);
            framed_add(out, &b, &b.documents[i]);
        }
        if (count < room) stops[count++] = (struct stop){framer_place(f), out->documents};
    } while (fill != FILL_END);
    batch_release(&b);
    framer_free(f);
    return count;
}

static void an_input_that_grows_byte_by_byte_gives_the_same_documents(void **state)
{
    (void)state;
    static struct framed whole, grown;
    static const size_t  longest[] = {5, 16, 48, 300};
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        char input[2048];
        random_state = seed;
        size_t             len = random_input(input, sizeof input);
        struct framing_run run = {.text = slice_of(input, len), .max_document = longest[random_below(4)], .piece = SIZE_MAX, .capacity = 1 << 16, .multiline = kind};
        frame(run, &whole);
        frame_growing(run.text, run.max_document, &grown, NULL, 0);
        if (strcmp(whole.text, grown.text) != 0) print_difference(&run, "growing", grown.text, whole.text);
    }
}

static const char *from_document(const struct framed *f, size_t number)
{
    return number < f->documents ? f->text + f->starts[number] : "";
}

/* All that a fresh framer finds from that place on. */
static void frame_from(struct slice text, size_t max_document, struct framer_place place, struct framed *out)
{
    struct piecewise p = {.text = text, .at = (size_t)place.offset, .piece = SIZE_MAX};
    struct framer   *f = framer_new(&(struct framer_options){.max_document = max_document, .multiline = kind});
    struct batch     b;
    struct error     error = {0};
    enum fill        fill;
    assert_true(batch_init(&b, 1 << 16));
    framer_resume(f, (struct byte_source){piecewise_read, &p}, place);
    *out = (struct framed){.len = 0};
    do {
        batch_clear(&b);
        fill = framer_fill(f, &b, &error);
        for (size_t i = 0; i < b.count; i++) framed_add(out, &b, &b.documents[i]);
    } while (fill == FILL_SOME);
    batch_release(&b);
    framer_free(f);
}

/* ... is what comes after, perhaps behind some that were handed out before. */
static void a_fresh_framer_goes_on_where_the_place_says(void **state)
{
    (void)state;
    static struct framed whole, rest;
    static struct stop   stops[4096];
    static const size_t  longest[] = {5, 16, 48, 300};
    for (uint64_t seed = 1; seed <= 600; seed++) {
        char input[2048];
        random_state = seed;
        struct slice text = slice_of(input, random_input(input, sizeof input));
        size_t       max_document = longest[random_below(4)];
        size_t       count = frame_growing(text, max_document, &whole, stops, sizeof stops / sizeof stops[0]);
        for (size_t i = 0; i < count; i++) {
            frame_from(text, max_document, stops[i].place, &rest);
            size_t left = whole.documents - stops[i].documents;
            assert_true(rest.documents >= left);
            const char *got = from_document(&rest, rest.documents - left), *expected = from_document(&whole, stops[i].documents);
            if (strcmp(got, expected) == 0) continue;
            fail_msg("seed %llu, longest %zu, kind %d, from %llu after %zu documents of\n%.*s\n--- expected\n%s--- got\n%s", (unsigned long long)seed,
                     max_document, (int)kind, (unsigned long long)stops[i].place.offset, stops[i].documents, (int)text.len, text.data, expected, got);
        }
    }
}

static void a_place_is_never_inside_a_private_key_over_lines(void **state)
{
    (void)state;
    kind = MULTILINE_OFF;
    static struct framed whole;
    static struct stop   stops[256];
    struct slice         text = SLICE("one\n-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\ntwo\n");
    size_t               count = frame_growing(text, 300, &whole, stops, 256);
    for (size_t i = 0; i < count; i++) assert_true(stops[i].place.offset <= 4 || stops[i].place.offset >= text.len - 4);
    assert_int_equal(stops[count - 1].place.offset, text.len);
    assert_int_equal(stops[count - 1].place.line, 7);
}

/* ... and a key that never ends holds the place for so many documents and no longer, of whatever form they are. */
static void a_key_that_does_not_end_does_not_hold_the_place_for_ever(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"a\":1}\n", "[1,\n2]\n", "torn {\n", "nul \0\n", "a line that is longer than the longest\n"};
    static const size_t      lengths[] = {8, 8, 7, 6, 39};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        static struct framed whole;
        static struct stop   stops[1 << 15];
        static char          text[1 << 14];
        size_t               len = 0;
        len += (size_t)snprintf(text, sizeof text, "-----BEGIN PRIVATE KEY-----\n");
        for (int n = 0; n < 250; n++, len += lengths[i]) memcpy(text + len, lines[i], lengths[i]);
        size_t count = frame_growing(slice_of(text, len), 32, &whole, stops, sizeof stops / sizeof stops[0]);
        assert_int_equal(stops[count - 1].place.offset, len);
        for (size_t n = 0; n < count; n++) assert_true(stops[n].documents > 200 || stops[n].place.offset == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_found_in_lines_and_across_them),
        cmocka_unit_test(lines_that_do_not_begin_like_json_are_text),
        cmocka_unit_test(what_else_is_on_the_line_spoils_a_document),
        cmocka_unit_test(after_a_truncated_document_the_next_line_starts_afresh),
        cmocka_unit_test(a_line_cut_anywhere_costs_no_other_line),
        cmocka_unit_test(what_is_too_long_is_passed_over),
        cmocka_unit_test(a_container_that_is_too_long_is_streamed),
        cmocka_unit_test(a_streamed_container_is_handed_out_whole_with_its_frame),
        cmocka_unit_test(a_failing_source_costs_only_the_unfinished_document),
        cmocka_unit_test(random_input_gives_the_same_documents_however_it_is_cut),
        cmocka_unit_test(random_input_is_covered_by_documents),
        cmocka_unit_test(a_streamed_container_reassembles),
        cmocka_unit_test(an_input_that_grows_byte_by_byte_gives_the_same_documents),
        cmocka_unit_test(a_fresh_framer_goes_on_where_the_place_says),
        cmocka_unit_test(a_place_is_never_inside_a_private_key_over_lines),
        cmocka_unit_test(a_key_that_does_not_end_does_not_hold_the_place_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
