/* Settings of a source or sink: what its mapping in the configuration file may hold, as a table beside the code that uses
 * it. The configuration reader fills the struct by the table, so that checking, defaults, `lethe check` and the list of
 * settings in the documentation come from one place.
 *
 * A table ends with a row without a name. Memory of texts belongs to the configuration and lives as long as it. */
#ifndef LETHE_BASE_SETTING_H
#define LETHE_BASE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
    SETTING_TEXT,      /* const char *; NULL when not given and without a default */
    SETTING_FILE,      /* const char *, the path of a file that is read when the run begins: another content is another setting */
    SETTING_SECRET,    /* const char *; never shown; `${NAME}` and `${file:PATH}` are the ways to give one */
    SETTING_TEXTS,     /* struct text_list: one text or a list of them */
    SETTING_SECRETS,   /* the same, never shown */
    SETTING_NUMBER,    /* uint64_t */
    SETTING_BYTES,     /* uint64_t; K, M, G for powers of 1024 */
    SETTING_DURATION,  /* uint64_t, milliseconds; written with ms, s, m, h or d */
    SETTING_BOOL,      /* bool */
    SETTING_CHOICE,    /* int: which of `choices` */
};

struct text_list {
    const char *const *items;
    size_t             count;
};

struct setting {
    const char        *name;
    enum setting_type  type;
    size_t             offset;     /* of the member in the struct */
    const char        *standard;   /* the default, as it would be written; NULL: none */
    bool               required;
    uint64_t           least, most;   /* of numbers, bytes and durations; most 0: no bound */
    const char *const *choices;    /* SETTING_CHOICE: ended by NULL */
    const char        *help;       /* one line, lower case */
    bool               written;    /* a path, or the template of one, that is written to; see confine.h */
};

#endif
