/* The two faults of JSON from Azure that are repaired: each function writes a corrected copy of a text, which the strict
 * parser then has to accept; nothing is concluded from the repair itself.
 *
 * Copies are taken from the arena, with PARSER_PADDING behind them. Unless REPAIR_DONE, *repaired is not set.
 * Thread: that of the arena. */
#ifndef LETHE_PARSER_REPAIR_H
#define LETHE_PARSER_REPAIR_H

#include "parser/parser.h"

enum repair_status { REPAIR_DONE, REPAIR_NOTHING, REPAIR_NO_MEMORY };

/* Line feeds, carriage returns and tabs inside double-quoted strings become escapes. */
enum repair_status repair_line_feeds(struct slice text, struct arena *, struct slice *repaired);

/* Text that begins with {' or [' or [{' is read as the repr() of a Python object: strings in single or double quotes
 * with Python's escapes, None, True, False. */
enum repair_status repair_quotes(struct slice text, struct arena *, struct slice *repaired);

#endif
