/* What the forms of a report share: counters in the order in which they are told, and numbers and states as text. */
#ifndef LETHE_COLLECTOR_REPORT_PRIV_H
#define LETHE_COLLECTOR_REPORT_PRIV_H

#include "report.h"
#include "sinks/output.h"

struct counter {
    const char *name;
    uint64_t    count;
};

struct counters {
    struct counter *items;   /* to be freed */
    size_t          count;
};

/* Room for `most` counters. An empty list when memory is out. */
struct counters counters_new(size_t most);
void            count_add(struct counters *, const char *name, uint64_t);   /* 0 is not told */
struct counters counters_sorted(struct counters);                           /* most first; equal ones by name */

struct counters count_redactions(const struct tally *, const struct plan *);
struct counters count_withheld(const struct tally *);
struct counters count_kinds(const struct tally *);
struct counters count_repairs(const struct tally *);

/* 1234567 -> "1,234,567" */
#define NUMBER_TEXT 32
char *number_text(uint64_t, char out[NUMBER_TEXT]);

const char *input_state_text(enum input_state);   /* "done" */

/* shown_text() of up to 1023 bytes. */
char *shown_slice(struct slice, char *out, size_t capacity);

MUST_USE bool report_write_json(struct output *, const struct run_result *, const struct run_facts *, struct error *);
MUST_USE bool report_write_html(struct output *, const struct run_result *, const struct run_facts *, struct error *);

#endif
