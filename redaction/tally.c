#include "redaction/plan.h"

#include <stdlib.h>

bool tally_init(struct tally *t, const struct plan *plan)
{
    *t = (struct tally){.rule_count = plan_rule_count(plan)};
    t->redactions = calloc(t->rule_count, sizeof *t->redactions);
    return t->redactions != NULL;
}

void tally_release(struct tally *t)
{
    free(t->redactions);
    t->redactions = NULL;
}

void tally_add(struct tally *total, const struct tally *part)
{
    CHECK(total->rule_count == part->rule_count);
    total->records += part->records;
    total->clean += part->clean;
    total->redacted += part->redacted;
    for (int i = 0; i < REFUSAL_COUNT; i++) total->withheld[i] += part->withheld[i];
    for (int i = 0; i < KIND_COUNT; i++) total->kinds[i] += part->kinds[i];
    for (int i = 0; i < REPAIR_COUNT; i++) total->repaired[i] += part->repaired[i];
    for (size_t i = 0; i < total->rule_count; i++) total->redactions[i] += part->redactions[i];
}

uint64_t tally_withheld(const struct tally *t)
{
    uint64_t sum = 0;
    for (int i = 0; i < REFUSAL_COUNT; i++) sum += t->withheld[i];
    return sum;
}

uint64_t tally_redactions(const struct tally *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->rule_count; i++) sum += t->redactions[i];
    return sum;
}
