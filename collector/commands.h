/* The commands. Each takes its options and returns the exit code:
 * 0 done; 1 some input could not be read or some output not written; 2 wrong usage or configuration; 3 done, and something
 * needs a look: records withheld, findings of a scan, a failed test. Where several apply: 2, then 1, then 3. */
#ifndef LETHE_COLLECTOR_COMMANDS_H
#define LETHE_COLLECTOR_COMMANDS_H

#include "options.h"
#include "pipeline.h"

enum { EXIT_DONE = 0, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2, EXIT_LOOK = 3 };

struct command {
    const char *name, *arguments, *summary;
    unsigned    takes;   /* options, by FOR_ */
    int       (*run)(const struct options *);
    const char *more;    /* printed after the options */
};

#define COMMANDS_MAX 16
extern const struct command commands[];   /* ended by a NULL name */

int command_redact(const struct options *);
int command_run(const struct options *);
int command_scan(const struct options *);
int command_explain(const struct options *);
int command_test(const struct options *);
int command_keygen(const struct options *);
int command_unseal(const struct options *);
int command_rules(const struct options *);
int command_check(const struct options *);
int command_completion(const struct options *);
int command_manual(const struct options *);

int exit_code_of(const struct error *);

/* Prints the error on standard error and returns its exit code. */
int command_failed(const struct error *);

/* The same for all mistakes of a configuration; the code is that of the first. */
struct mistakes;
int command_refused(struct mistakes *);

/* What redaction needs at start: keys and plan, by the options --key-file and --policy. */
struct setup {
    struct keyring *keys;
    struct plan    *plan;
};

MUST_USE bool setup_load(struct setup *, const struct options *, struct error *);
void setup_release(struct setup *);

/* Options that several commands have: --jobs, --max-record and --max-depth; the PATH arguments, which are standard input
 * when there are none. `avoid`: as for inputs_collect(). */
MUST_USE bool limits_read(const struct options *, struct pipeline_options *, struct error *);
MUST_USE bool inputs_read(const struct options *, const struct stat *avoid, struct input_list *, struct error *);

#endif
