/* Scanning with the catalogue, and what a hit means. Loading is in rules_load.c. */
#include "redaction/rules_priv.h"

struct rules_scratch {
    hs_scratch_t    *vectorscan;
    struct rule_hit *hits;
    size_t           count, capacity;
    bool             sorted;
    const struct rules *set;     /* of the scan that is going on, how many rules are in it, and its text */
    uint32_t            rules;
    struct slice        text;
};

void rules_free(struct rules *set)
{
    if (!set) return;
    hs_free_database(set->database);
    arena_release(&set->arena);
    free(set);
}

size_t rules_count(const struct rules *set) { return set->count; }

struct rule_view rules_get(const struct rules *set, size_t number)
{
    CHECK(number < set->count);
    return set->all[number].view;
}

/* --- Scanning --------------------------------------------------------------------------------------------------------- */

struct rules_scratch *rules_scratch_new(const struct rules *set)
{
    struct rules_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch) return NULL;
    scratch->capacity = 1024;
    scratch->hits = malloc(scratch->capacity * sizeof *scratch->hits);
    bool ok = scratch->hits && (!set->database || hs_alloc_scratch(set->database, &scratch->vectorscan) == HS_SUCCESS);
    if (ok) return scratch;
    rules_scratch_free(scratch);
    return NULL;
}

void rules_scratch_free(struct rules_scratch *scratch)
{
    if (!scratch) return;
    hs_free_scratch(scratch->vectorscan);
    free(scratch->hits);
    free(scratch);
}

/* By their ends; of those that end together what is read as text comes before rules: of two that find the same, the last gives
 * the name. `context`: the number of rules. */
static int by_end(const void *a, const void *b, void *context)
{
    const struct rule_hit *x = a, *y = b;
    const uint32_t rules = *(const uint32_t *)context;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return (x->number < rules) - (y->number < rules);
}

#define NEAR 32   /* hits behind which one is put in its place at once */

/* Hits come by their ends, but for those whose tail was read: they belong behind the few that end within it. */
static void put_in_order(struct rules_scratch *scratch, struct rule_hit hit)
{
    struct rule_hit *hits = scratch->hits;
    size_t at = scratch->count, lowest = at > NEAR ? at - NEAR : 0;
    while (at > lowest && by_end(&hit, &hits[at - 1], &scratch->rules) < 0) at--;
    if (at > 0 && at == lowest) scratch->sorted = false;
    for (size_t same = at; same > lowest && hits[same - 1].end == hit.end; same--)
        if (hits[same - 1].number == hit.number) return;   /* another word before the same tail */
    memmove(hits + at + 1, hits + at, (scratch->count - at) * sizeof hit);
    hits[at] = hit;
    scratch->count++;
}

static int on_match(unsigned number, unsigned long long from, unsigned long long end, unsigned flags, void *context)
{
    (void)from;
    (void)flags;
    struct rules_scratch *scratch = context;
    struct rule_hit hit = {number, (uint32_t)end};
    pattern_tail *tail = number >= scratch->rules ? scratch->set->tails[number - scratch->rules] : NULL;
    if (tail != NULL && !tail(scratch->text, &hit.end)) return 0;
    if (scratch->count == scratch->capacity) {
        struct rule_hit *more = realloc(scratch->hits, 2 * scratch->capacity * sizeof *more);
        if (!more) return 1;
        scratch->hits = more;
        scratch->capacity *= 2;
    }
    put_in_order(scratch, hit);
    return 0;
}

bool rules_scan(const struct rules *set, struct rules_scratch *scratch, struct slice text, const struct rule_hit **hits,
                size_t *count)
{
    CHECK(text.len <= UINT32_MAX);
    scratch->set = set;
    scratch->rules = (uint32_t)set->count;
    scratch->text = text;
    scratch->count = 0;
    scratch->sorted = true;
    if (set->database && text.len > 0 &&
        hs_scan(set->database, text.data, (unsigned)text.len, 0, scratch->vectorscan, on_match, scratch) != HS_SUCCESS)
        return false;
    if (!scratch->sorted) qsort_r(scratch->hits, scratch->count, sizeof *scratch->hits, by_end, &scratch->rules);
    *hits = scratch->hits;
    *count = scratch->count;
    return true;
}

/* --- Spans ------------------------------------------------------------------------------------------------------------ */

static bool accepted(const struct rule *rule, struct slice text, uint32_t *from, uint32_t *to)
{
    uint32_t len = *to - *from;
    if (*from >= *to || len < rule->length_min || len > rule->length_max) return false;
    for (size_t i = 0; i < rule->check_count; i++)
        if (!rule->checks[i].verifier->check(text, from, to, rule->checks[i].argument)) return false;
    return *from < *to;
}

/* Walks from the end of the match to where the secret begins; *start is where the match (and what goes before) begins. */
static bool find_start(const struct rule *rule, struct slice text, uint32_t end, uint32_t *start, uint32_t *from)
{
    CHECK(end <= text.len);
    if (end < rule->width) return false;
    *start = end - rule->width;
    if (rule->keep == RULE_KEEP_ALL) {
        for (*from = end; *from < text.len && *from - end < rule->gap_max && charset_has(&rule->gap, text.data[*from]);) ++*from;
        return *from - end >= rule->gap_min;
    }
    if (*start < rule->before_count) return false;
    for (uint32_t i = 0; i < rule->before_count; i++)
        if (!charset_has(&rule->before, text.data[--*start])) return false;
    *from = *start + rule->keep;
    return true;
}

/* Whether a terminal's colour sequence, ESC [ digits m, ends at `at`. */
static bool ends_colour(struct slice text, uint32_t at)
{
    if (text.data[at - 1] != 'm') return false;
    uint32_t from = at - 1;
    while (from > 0 && at - from < 16 && (ascii_is_digit(text.data[from - 1]) || text.data[from - 1] == ';')) from--;
    return from > 1 && text.data[from - 1] == '[' && text.data[from - 2] == '\x1b';
}

bool rule_span(const struct rules *set, uint32_t number, struct slice text, uint32_t end, uint32_t *from, uint32_t *to)
{
    CHECK(number < set->count);
    const struct rule *rule = &set->all[number];
    uint32_t start;
    if (!find_start(rule, text, end, &start, from)) return false;
    if (rule->boundary_left && start > 0 && ascii_is_alnum(text.data[start - 1]) && !ends_colour(text, start)) return false;
    uint32_t at = *from > end ? *from : end;
    *to = at;
    if (rule->extends)
        while (*to < text.len && *to - at < rule->extend_max && charset_has(&rule->extend, text.data[*to])) ++*to;
    if (rule->has_until)
        while (*to < text.len && *to - *from <= rule->length_max && !charset_has(&rule->until, text.data[*to])) ++*to;
    if (rule->boundary_right && *to < text.len && ascii_is_alnum(text.data[*to])) return false;
    return accepted(rule, text, from, to);
}

/* --- Formats without a literal ----------------------------------------------------------------------------------------- */

/* Asks the finders of a trigger about one place; of a run *from and *to are its ends. */
static bool look(const struct rules *set, enum trigger trigger, struct slice text, uint32_t at, uint32_t *number,
                 uint32_t *from, uint32_t *to)
{
    for (size_t i = 0; finders[i].name; i++) {
        if (finders[i].trigger != trigger || set->by_finder[i] == 0) continue;
        const struct rule *rule = &set->all[set->by_finder[i] - 1];
        if (!finders[i].find(text, at, from, to) || !accepted(rule, text, from, to)) continue;
        *number = set->by_finder[i] - 1;
        return true;
    }
    return false;
}

bool rules_digits(const struct rules *set, struct slice text, uint32_t at, uint32_t *number, uint32_t *from, uint32_t *to)
{
    while (at < text.len) {
        if (ascii_is_digit(text.data[at]) && look(set, TRIGGER_DIGITS, text, at, number, from, to)) return true;
        while (at < text.len && ascii_is_digit(text.data[at])) at++;
        while (at < text.len && (text.data[at] == ' ' || text.data[at] == '-' || text.data[at] == '+')) at++;
        if (at == text.len || !ascii_is_digit(text.data[at])) break;
    }
    return false;
}

static bool next_byte(const struct rules *set, enum trigger trigger, char byte, struct slice text, uint32_t *cursor,
                      uint32_t *number, uint32_t *from, uint32_t *to)
{
    while (*cursor < text.len) {
        const char *place = memchr(text.data + *cursor, byte, text.len - *cursor);
        if (!place) break;
        uint32_t at = (uint32_t)(place - text.data);
        *cursor = at + 1;
        if (look(set, trigger, text, at, number, from, to)) return true;
    }
    *cursor = (uint32_t)text.len;
    return false;
}

static bool next_run(const struct rules *set, struct slice text, uint32_t *cursor, uint32_t *number, uint32_t *from,
                     uint32_t *to)
{
    uint32_t start, end;
    while (find_base32_run(text, *cursor, &start, &end)) {
        *cursor = end;
        *from = start;
        *to = end;
        if (look(set, TRIGGER_RUN, text, start, number, from, to)) return true;
    }
    *cursor = (uint32_t)text.len;
    return false;
}

bool rules_next(const struct rules *set, struct slice text, struct rules_cursor *cursor, uint32_t *number, uint32_t *from,
                uint32_t *to)
{
    return next_byte(set, TRIGGER_UNDERSCORE, '_', text, &cursor->underscore, number, from, to) ||
           next_byte(set, TRIGGER_SIGN, '@', text, &cursor->sign, number, from, to) ||
           next_run(set, text, &cursor->run, number, from, to);
}
