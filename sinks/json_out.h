/* Clean values as JSON, appended to an output: what the formats of receivers share.
 *
 * Strings come out as valid Unicode: a lone surrogate is U+FFFD. All functions: false means no memory. */
#ifndef LETHE_SINKS_JSON_OUT_H
#define LETHE_SINKS_JSON_OUT_H

#include "sinks/encode.h"
#include "sinks/reading.h"

MUST_USE bool json_put_text(struct encoded *, struct slice text);           /* the inside of a string */
MUST_USE bool json_put_string(struct encoded *, struct slice text);         /* with quotes */

/* A node that is no object or array, or is replaced as a whole. `as_string`: a number or literal gets quotes. */
MUST_USE bool json_put_node(struct encoded *, const struct clean_record *, uint32_t node, bool as_string);

/* The JSON of any node as a string. */
MUST_USE bool json_put_as_text(struct encoded *, const struct clean_record *, uint32_t node, struct grown *scratch);

/* Nodes and texts as strings, numbers as numbers, literals as they are. */
MUST_USE bool json_put_cell(struct encoded *, const struct clean_record *, const struct cell *);

#endif
