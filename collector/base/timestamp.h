/* Points in time as they stand in records. What is printed is made from the number alone, so that nothing of a record's
 * text gets into a report by way of a field that claims to be a time. */
#ifndef LETHE_BASE_TIMESTAMP_H
#define LETHE_BASE_TIMESTAMP_H

#include "base/error.h"
#include "base/slice.h"

#define TIMESTAMP_TEXT 32

/* Milliseconds since 1970 in UTC, from ISO 8601 (`T` or a space between date and time, any number of decimals, a zone or
 * none for UTC) or from a Unix time of 10 (seconds) or 13 digits (milliseconds). False: something else, or not between
 * the years 2000 and 2100, which is a clock that was never set. */
MUST_USE bool timestamp_parse(struct slice text, int64_t *ms);

/* "2024-05-01T10:11:12.345Z". Returns `out`. */
char *timestamp_text(int64_t ms, char out[TIMESTAMP_TEXT]);

#endif
