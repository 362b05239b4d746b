/* Standard error: messages, and the one line at its bottom that the progress bar draws on.
 *
 * Every message goes through console_message(), which is where control characters and broken UTF-8 in file names are
 * made visible (\x1b) instead of reaching the terminal. Thread: one at a time. */
#ifndef LETHE_COLLECTOR_CONSOLE_H
#define LETHE_COLLECTOR_CONSOLE_H

#include "base/slice.h"

struct console {
    bool quiet, verbose;
    bool terminal;
    bool colour;      /* a terminal, and NO_COLOR is not set */
    bool bar_shown;   /* the cursor stands at the end of a progress bar */
};

void console_init(struct console *, bool quiet, bool verbose);

/* The file is a terminal, and NO_COLOR is not set. */
bool colour_wanted(int fd);

/* Prints "lethe: ", the message and a line feed. */
void console_message(struct console *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes the progress bar, if there is one. */
void console_clear(struct console *);

/* Writes `text` fit to be shown and ends it with NUL; what does not fit is cut off. Returns `out`. */
char *shown_text(const char *text, char *out, size_t capacity);

/* The length of the character that the text begins with if it is UTF-8 of Unicode's making and no control character; else 0. */
size_t printable_length(struct slice text);

#endif
