#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/tails.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

/* The same tails for the C library's regular expressions, and the pieces of which texts are made. */
static const struct sample {
    pattern_tail *tail;
    const char   *expression;
    const char   *pieces[12];
} samples[] = {
    {tail_assignment, "^[]\"'\\]{0,3}[ \t]{0,40}[?.+|]{0,2}[=:>]", {"\"", "'", "\\", "]", " ", "             ", "\t", "?", "|", "=", ">", "x"}},
    {tail_numbered, "^[a-zA-Z0-9_.-]{1,24}[]\"'\\]{0,3}[ \t]{0,40}[=:>]", {"a", "Z9", "_.-", "seventeen_letters", "\"", "]", " ", "\t", "=", ":", "/", "'"}},
    {tail_typed, "^[ :]{1,2}[&[]{0,2}([sS][tT][rR][iI][nN][gG]|[sS][tT][rR]|[aA][nN][yY]|[cC][hH][aA][rR])[]*]{0,3} {0,2}=",
     {" ", ":", "&", "[", "string", "Str", "any", "char", "*", "]", "=", "x"}},
    {tail_pair, "^[\"'\\]{1,4}[ ,{\t\r\n]{1,8}[\"'\\]{0,3}([vV][aA][lL][uU][eE]|default|content)[\"'\\]{0,3} {0,2}[=:]",
     {"\"", "'", "\\", " ", ",", "{", "\n", "Value", "default", "content", "=", ":"}},
    {tail_argument, "^[]\"'\\]{0,3} ?, {0,2}[\"']", {"\"", "'", "\\", "]", " ", ",", "  ", ", ", "\",", "x", "]", "'"}},
};

/* Thirty thousand texts of up to twelve pieces each, drawn from a seed. */
static void a_tail_is_read_as_its_expression_says(void **state)
{
    uint32_t seed = 17;
    (void)state;
    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        regex_t  compiled;
        unsigned found = 0;
        assert_int_equal(regcomp(&compiled, samples[s].expression, REG_EXTENDED), 0);
        for (int i = 0; i < 30000; i++) {
            char       text[300] = "";
            size_t     len = 0;
            regmatch_t match = {.rm_eo = 0};
            seed = seed * 1664525 + 1013904223;
            for (unsigned pieces = 1 + (seed >> 28) % 12; pieces > 0; pieces--) {
                seed = seed * 1664525 + 1013904223;
                len += (size_t)sprintf(text + len, "%s", samples[s].pieces[(seed >> 16) % 12]);
            }
            uint32_t end = 1;
            bool     expected = regexec(&compiled, text, 1, &match, 0) == 0;
            if (samples[s].tail(slice_of(text, len), &end) != expected || (expected && end != (uint32_t)match.rm_eo))
                fail_msg("%s: '%s' ends at %u, expected %d", samples[s].expression, text, end, expected ? (int)match.rm_eo : -1);
            found += expected;
        }
        assert_true(found > 100);   /* the pieces are worth something */
        regfree(&compiled);
    }
}

static void a_tail_ends_with_its_text(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++)
        for (size_t p = 0; p < 12; p++) {
            uint32_t    end = 1;
            const char *piece = samples[s].pieces[p];
            if (piece[1] != '\0' || strchr("=:>", *piece) != NULL) continue;
            assert_false(samples[s].tail(slice_of(piece, 1), &end));
            assert_int_equal(end, 1);
        }
}

static void a_type_has_two_marks_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool        ends;
    } texts[] = {{": &[str]] =", true}, {": &&&str =", false}, {": str]]]] =", false}, {": zebra =", false}, {": str   =", false}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t end = 1;
        assert_int_equal(tail_typed(slice_from(texts[i].text), &end), texts[i].ends);
        if (texts[i].ends) assert_int_equal(end, strlen(texts[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_is_read_as_its_expression_says),
        cmocka_unit_test(a_tail_ends_with_its_text),
        cmocka_unit_test(a_type_has_two_marks_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
