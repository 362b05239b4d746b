/* The commands. Each takes its options and returns the exit code:
 * 0 done; 1 some input could not be read or some output not written; 2 wrong usage or configuration; 3 done, but records
 * were withheld. Where several apply: 2, then 1, then 3. */
#ifndef LETHE_COLLECTOR_COMMANDS_H
#define LETHE_COLLECTOR_COMMANDS_H

#include "options.h"
#include "redaction/redaction.h"

enum { EXIT_DONE = 0, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2, EXIT_WITHHELD = 3 };

int command_redact(const struct options *);
int command_keygen(const struct options *);
int command_rules(const struct options *);
int command_check(const struct options *);

/* Prints the error on standard error and returns its exit code. */
int command_failed(const struct error *);

/* What redaction needs at start: keys and plan, by the options --key-file and --policy. */
struct setup {
    struct keyring *keys;
    struct plan    *plan;
};

MUST_USE bool setup_load(struct setup *, const struct options *, struct error *);
void setup_release(struct setup *);

#endif
