#include "report_priv.h"

#include <stdlib.h>

/* Most first; equal ones by name. */
static int by_count(const void *a, const void *b)
{
    const struct counter *left = a, *right = b;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

struct counters counters_new(size_t most) { return (struct counters){calloc(most + 1, sizeof(struct counter)), 0}; }

void count_add(struct counters *c, const char *name, uint64_t count)
{
    if (count > 0 && c->items != NULL) c->items[c->count++] = (struct counter){name, count};
}

struct counters counters_sorted(struct counters c)
{
    if (c.count > 0) qsort(c.items, c.count, sizeof *c.items, by_count);
    return c;
}

struct counters count_redactions(const struct tally *t, const struct plan *plan)
{
    struct counters c = counters_new(t->rule_count);
    for (size_t i = 0; i < t->rule_count; i++) count_add(&c, plan_rule(plan, i).id, t->redactions[i]);
    return counters_sorted(c);
}

struct counters count_withheld(const struct tally *t)
{
    struct counters c = counters_new(REFUSAL_COUNT);
    for (size_t i = 0; i < REFUSAL_COUNT; i++) count_add(&c, refusal_text((enum refusal)i), t->withheld[i]);
    return counters_sorted(c);
}

struct counters count_kinds(const struct tally *t)
{
    struct counters c = counters_new(KIND_COUNT);
    for (size_t i = 0; i < KIND_COUNT; i++) count_add(&c, kind_text((enum kind)i), t->kinds[i]);
    return counters_sorted(c);
}

struct counters count_repairs(const struct tally *t)
{
    struct counters c = counters_new(REPAIR_COUNT);
    for (size_t i = REPAIR_NONE + 1; i < REPAIR_COUNT; i++) count_add(&c, repair_text((enum repair)i), t->repaired[i]);
    return counters_sorted(c);
}

char *number_text(uint64_t number, char out[NUMBER_TEXT])
{
    char digits[24];
    int  len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

static const char *const state_texts[] = {
    [INPUT_NOT_READ] = "not-read", [INPUT_DONE] = "done",           [INPUT_SKIPPED] = "skipped",
    [INPUT_FAILED] = "failed",     [INPUT_UNWRITTEN] = "unwritten",
};

const char *input_state_text(enum input_state state) { return state_texts[state]; }

char *shown_slice(struct slice text, char *out, size_t capacity)
{
    char copy[1024];
    size_t len = text.len < sizeof copy ? text.len : sizeof copy - 1;
    memcpy(copy, text.data, len);
    copy[len] = '\0';
    return shown_text(copy, out, capacity);
}
