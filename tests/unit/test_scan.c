/* The automaton reports every match, wherever it stands in the buffer. Vectorscan has had faults that lose matches near the
 * end of a block with some combinations of patterns and instruction sets; this holds our own set, as it is loaded, to it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redaction/rules_priv.h"

#include <stdio.h>

#define TEXT_PATTERN(id, class_, caseless, example, tail, pattern) {pattern, caseless, example, tail},
static const struct extra_pattern extras[] = {
#include "redaction/text_patterns.def"
};
enum { EXTRAS = sizeof extras / sizeof *extras };

#define MOST 70000
static struct rules *set;
static struct rules_scratch *scratch;
static char buffer[MOST + 1024];

/* The end of a hit of this number at or after `from`, or 0. */
static uint32_t hit_end(uint32_t number, size_t len, uint32_t from)
{
    const struct rule_hit *hits;
    size_t count;
    assert_true(rules_scan(set, scratch, slice_of(buffer, len), &hits, &count));
    for (size_t i = 0; i < count; i++)
        if (hits[i].number == number && hits[i].end >= from) return hits[i].end;
    return 0;
}

/* How often the match is lost that the text alone has. */
static unsigned lost(uint32_t number, struct slice text, const char *name)
{
    static const size_t tails[] = {0, 1, 5, 20, 40, 63, 64, 65, 100, 150};
    static const char fillers[] = {'x', ' ', '/', '7'};
    unsigned misses = 0, tries = 0;
    memcpy(buffer, text.data, text.len);
    uint32_t end = hit_end(number, text.len, 0);
    if (end == 0 && number < set->count) return 0;   /* found without the automaton */
    if (end == 0) print_error("%s: no match even alone\n", name);
    assert_int_not_equal(end, 0);
    for (size_t f = 0; f < sizeof fillers; f++)
        for (size_t before = 0; before < 200; before += 3)
            for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
                memset(buffer, fillers[f], before + text.len + tails[t]);
                memcpy(buffer + before, text.data, text.len);
                tries++;
                misses += hit_end(number, before + text.len + tails[t], (uint32_t)before + end) != before + end;
            }
    if (misses > 0) print_error("%s: lost %u of %u\n", name, misses, tries);
    return misses;
}

static void a_match_is_reported_wherever_it_stands(void **state)
{
    (void)state;
    unsigned misses = 0;
    for (uint32_t n = 0; n < set->count; n++) {
        char     text[65536];
        size_t   len;
        uint32_t from, to;
        if (set->all[n].match_count == 0 || set->all[n].match[0].len > 900) continue;
        assert_true(example_parse(set->all[n].match[0], text, &len, &from, &to));
        misses += lost(n, slice_of(text, len), set->all[n].view.id) > 0;
    }
    for (uint32_t i = 0; i < EXTRAS; i++) misses += lost((uint32_t)set->count + i, slice_from(extras[i].example), extras[i].example) > 0;
    assert_int_equal(misses, 0);
}

static int open_rules(void **state)
{
    struct error err = {0};
    (void)state;
    set = rules_load(NULL, NULL, extras, EXTRAS, &err);
    scratch = set ? rules_scratch_new(set) : NULL;
    return scratch ? 0 : -1;
}

static int close_rules(void **state)
{
    (void)state;
    rules_scratch_free(scratch);
    rules_free(set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_match_is_reported_wherever_it_stands)};
    return cmocka_run_group_tests(tests, open_rules, close_rules);
}
