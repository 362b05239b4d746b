/* A check of the matcher itself, at every start.
 *
 * Vectorscan 5.4.9 loses matches near the end of a block on some CPUs, with some combinations of patterns: a pattern of one
 * literal byte and a class was lost at two places of three with AVX-512, and which patterns share an engine depends on the
 * rules that a policy leaves. A lost match is a leaked secret, and nothing would tell. So an example of every rule is put at
 * the end of a buffer in several ways, as values come to stand in a batch, and must be found; if it is not, nothing starts.
 * It costs about a millisecond. tests/unit/test_scan.c does the same at many more places. */
#include "redaction/rules_priv.h"

#define LONGEST 700    /* of an example that is checked */
#define BUFFER (LONGEST + 256)

static bool is_found(const struct rules *set, struct rules_scratch *scratch, struct slice text, uint32_t number, size_t end,
                     bool *memory)
{
    const struct rule_hit *hits;
    size_t count;
    if (!rules_scan(set, scratch, text, &hits, &count)) {
        *memory = false;
        return false;
    }
    for (size_t i = count; i > 0; i--)
        if (hits[i - 1].number == number && hits[i - 1].end == end) return true;
    return false;
}

/* The end of the first match of the number in the text alone, 0 if there is none. */
static size_t end_alone(const struct rules *set, struct rules_scratch *scratch, struct slice text, uint32_t number)
{
    const struct rule_hit *hits;
    size_t count;
    if (!rules_scan(set, scratch, text, &hits, &count)) return 0;
    for (size_t i = 0; i < count; i++)
        if (hits[i].number == number) return hits[i].end;
    return 0;
}

static bool check_example(const struct rules *set, struct rules_scratch *scratch, const char *id, uint32_t number,
                          struct slice example, struct error *err)
{
    static const struct { size_t before, after; char filler; } places[] = {
        {1, 1, '\0'}, {7, 40, 'x'}, {30, 0, ' '}, {63, 1, 'x'}, {64, 20, '\0'}, {100, 63, '/'}, {130, 1, '7'},
    };
    char buffer[BUFFER];
    bool memory = true;
    size_t end = end_alone(set, scratch, example, number);
    if (end == 0) return error_set(err, ERROR_USAGE, "rule '%s': the matcher does not find its own example", id);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t len = places[i].before + example.len + places[i].after;
        memset(buffer, places[i].filler, len);
        memcpy(buffer + places[i].before, example.data, example.len);
        if (is_found(set, scratch, slice_of(buffer, len), number, places[i].before + end, &memory)) continue;
        return error_set(err, memory ? ERROR_USAGE : ERROR_MEMORY,
                         memory ? "rule '%s': the pattern matcher of this machine loses matches (a fault of libhs); nothing can be "
                                  "redacted safely" : "no memory to check rule '%s'", id);
    }
    return true;
}

bool rules_check_matcher(const struct rules *set, const struct extra_pattern *extra, size_t extra_count, struct error *err)
{
    if (set->database == NULL) return true;
    struct rules_scratch *scratch = rules_scratch_new(set);
    bool ok = scratch != NULL || error_set(err, ERROR_MEMORY, "no memory to check the matcher");
    for (uint32_t i = 0; ok && i < set->count; i++) {
        const struct rule *rule = &set->all[i];
        if (!rule->enabled || rule->pattern == NULL || rule->match_count == 0 || rule->view.example.len > LONGEST) continue;
        ok = check_example(set, scratch, rule->view.id, i, rule->view.example, err);
    }
    for (size_t i = 0; ok && i < extra_count; i++)
        if (extra[i].example != NULL)
            ok = check_example(set, scratch, extra[i].example, (uint32_t)(set->count + i), slice_from(extra[i].example), err);
    rules_scratch_free(scratch);
    return ok;
}
