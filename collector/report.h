/* What a run did: counted while it runs, printed as a summary for people and written as a report, JSON for machines or a
 * page for people. All hold names of files, rules, kinds, reasons and examined fields, keyed fingerprints, times and
 * numbers; never a byte of a value. */
#ifndef LETHE_COLLECTOR_REPORT_H
#define LETHE_COLLECTOR_REPORT_H

#include "console.h"
#include "input.h"
#include "inventory.h"
#include "redaction/redaction.h"

#include <time.h>

enum input_state {
    INPUT_NOT_READ,   /* the run stopped before, or while, it was read */
    INPUT_DONE,
    INPUT_SKIPPED,    /* --resume found its output */
    INPUT_FAILED,     /* could not be opened, or not be read to its end */
    INPUT_UNWRITTEN,  /* its output could not be written */
};

struct input_result {
    enum input_state state;
    uint64_t         bytes;   /* read, unpacked */
    uint64_t         records, clean, redacted, withheld;
};

struct run_result {
    struct input_result *inputs;   /* one for each of the list */
    size_t               count;
    struct tally         tally;
    struct inventory    *inventory;   /* NULL unless a report wants one, which costs time */
    uint64_t             bytes_in, bytes_out;
    struct timespec      started, finished;
    double               seconds;
    bool                 outputs_failed;   /* some output could not be written */
    bool                 unwanted;         /* the reader of standard output went away */
};

MUST_USE bool run_result_init(struct run_result *, size_t inputs, const struct plan *, struct error *);
MUST_USE bool run_result_want_inventory(struct run_result *, const struct plan *, struct error *);   /* before the run */
void run_result_release(struct run_result *);
size_t run_result_inputs(const struct run_result *, enum input_state);

/* 1: some input not read or output not written; 3: records withheld; 0. */
int run_result_exit_code(const struct run_result *);

/* What the counters belong to. */
struct run_facts {
    const struct plan       *plan;
    const char              *policy, *key_id;
    const struct input_list *inputs;
    bool                     lasting_key;   /* of a key file: fingerprints agree with those of other runs */
};

/* Whether there is a form of report for such a name. */
bool report_knows(const char *path);

void report_print(FILE *, const struct run_result *, const struct run_facts *, bool colour);
/* By the name: .html is a page, .json an object. */
MUST_USE bool report_write(const char *path, const struct run_result *, const struct run_facts *, struct error *);

#endif
