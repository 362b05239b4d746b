/* What lethe scan finds, as bytes: a batch_writer that puts down what would be redacted, and where, and never the value.
 *
 * Formats: lines for people; JSON Lines, the last of which sums up; one SARIF 2.1.0 log (OASIS, "Static Analysis Results
 * Interchange Format Version 2.1.0").
 *
 * An address that the policy replaces by another address is counted but is no finding: the pseudonym of an address is an
 * address as well, so nobody can tell one from the other.
 *
 * Thread: a writer belongs to its worker; struct findings to the caller of the pipeline, who closes the writers. */
#ifndef LETHE_COLLECTOR_FINDINGS_H
#define LETHE_COLLECTOR_FINDINGS_H

#include "fingerprints.h"
#include "pipeline.h"
#include "text.h"

struct findings_format;

struct findings {
    const struct findings_format *format;
    const struct plan            *plan;
    const struct input_list      *inputs;
    const char                   *policy, *key_id;
    bool                          lasting;           /* a key file is in use: fingerprints can be compared between runs */
    bool                          readdresses;       /* addresses become addresses */
    char                         *folder;            /* the current one, with a slash at the end; NULL: not known */
    struct rule_info             *rules;             /* plan_rule() of every number */
    size_t                        rule_count;
    /* Of all writers that were closed. */
    uint64_t              *by_rule, total, addresses;
    struct fingerprint_set values;
};

/* NULL: there is no such format. */
const struct findings_format *findings_format_find(const char *name);

MUST_USE bool findings_init(struct findings *, const struct findings_format *, const struct plan *, const struct input_list *,
                            struct error *);
void findings_release(struct findings *);

struct batch_writer findings_writer(struct findings *);

/* 1: some input not read; 3: findings or withheld records; 0. */
int findings_exit_code(const struct findings *, const struct run_result *);

/* The summary for people. */
void findings_print(FILE *, const struct findings *, const struct run_result *, bool colour);

#endif
