/* Lines of text that belong to the record before them: stack traces, output that was wrapped.
 *
 * What a line is shows in the line alone, and for the last line of a Python traceback in the lines before it. The rules are
 * fixed, so that two runs never disagree; docs/run.md tells them to users.
 * Stateless but for `struct continuation`. Thread: its owner's. */
#ifndef LETHE_PARSER_CONTINUATION_H
#define LETHE_PARSER_CONTINUATION_H

#include "base/slice.h"

/* Which lines of text are one record. In every kind a line that begins like JSON stands for itself: that is framing's part. */
enum multiline {
    MULTILINE_OFF,       /* every line is a record */
    MULTILINE_TRACES,    /* a line is a record, with the lines after it that are indented or known parts of a trace */
    MULTILINE_STAMPED,   /* a record begins with a time or a level: all lines up to the next such one are its own */
};

/* By name: "off", "traces", "stamped". Ended by NULL. */
extern const char *const multiline_names[];

/* What is known of the record so far. Zero: nothing was met. */
struct continuation {
    bool in_traceback;   /* of Python: the first line that is not indented is its last */
};

/* Takes the first line of a record. */
void continuation_begin(struct continuation *, struct slice line);

/* Whether a line, not blank, belongs to the record; if so, it is taken. */
bool continuation_take(struct continuation *, enum multiline, struct slice line);

/* Whether a line begins with a time or a level of severity, perhaps in a bracket: "2026-11-26 09:31:33,1 INFO", "[warn]",
 * "I1126 09:31:33", "Nov 26 09:31:33", "ERROR:root:". */
bool begins_stamped(struct slice line);

#endif
