/* The options of the command line. options.def holds every option once; parsing, defaults and help come from it.
 *
 * Accepted: --name VALUE, --name=VALUE, -o VALUE, -oVALUE; options and paths in any order; "--" ends the options; "-" is a
 * path. Of an option given twice the last one counts. Names are not abbreviated. */
#ifndef LETHE_COLLECTOR_OPTIONS_H
#define LETHE_COLLECTOR_OPTIONS_H

#include "base/error.h"

#include <stddef.h>

/* Which command takes an option. */
enum {
    FOR_REDACT = 1 << 0,
    FOR_KEYGEN = 1 << 1,
    FOR_RULES = 1 << 2,
    FOR_CHECK = 1 << 3,
    FOR_SCAN = 1 << 4,
    FOR_EXPLAIN = 1 << 5,
    FOR_TEST = 1 << 6,
    FOR_RUN = 1 << 7,
    FOR_UNSEAL = 1 << 8,
    FOR_MANUAL = 1 << 9,
    FOR_READING = FOR_REDACT | FOR_SCAN | FOR_EXPLAIN,
    FOR_ALL = FOR_READING | FOR_KEYGEN | FOR_RULES | FOR_CHECK | FOR_TEST | FOR_RUN | FOR_UNSEAL | FOR_MANUAL,
};

enum option {
#define OPTION(id, short_name, name, argument, standard, commands, help) OPTION_##id,
#include "options.def"
    OPTION_COUNT
};

struct options {
    const char  *values[OPTION_COUNT];   /* NULL: not given; flags: "" */
    const char **paths;                  /* arguments that are no options, in order */
    size_t       path_count;
};

/* Reads the arguments after the command's name. The strings of argv are borrowed. */
MUST_USE bool options_parse(struct options *, unsigned command, int argc, char **argv, struct error *);
void options_release(struct options *);

bool        option_given(const struct options *, enum option);
const char *option_text(const struct options *, enum option);   /* the default when not given, which may be NULL */

/* A whole number from `least` to `most`. */
MUST_USE bool option_number(const struct options *, enum option, size_t least, size_t most, size_t *, struct error *);
/* As option_number(); K, M and G after the number stand for powers of 1024. */
MUST_USE bool option_bytes(const struct options *, enum option, size_t least, size_t most, size_t *, struct error *);

struct option_view {
    char        short_name;                      /* 0: none */
    const char *name, *argument, *standard, *help;   /* argument "": a flag; standard NULL: no default; help: lines */
};

/* The options of a command; how many. */
size_t options_of(unsigned command, struct option_view views[OPTION_COUNT]);

/* The same, for its help. */
void options_print(FILE *, unsigned command);

#endif
