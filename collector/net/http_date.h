/* Dates as HTTP writes them (RFC 9110 section 5.6.7): "Sun, 22 Nov 2026 04:00:00 GMT", and the two obsolete forms, which are
 * read: "Sunday, 22-Nov-26 04:00:00 GMT" and "Sun Nov 22 04:00:00 2026". Thread: any. */
#ifndef LETHE_NET_HTTP_DATE_H
#define LETHE_NET_HTTP_DATE_H

#include "base/slice.h"

#include <time.h>

#define HTTP_DATE_BYTES 30   /* with the NUL */

/* False: not such a date. The name of the day is not compared with the date. */
bool http_date_read(struct slice text, time_t *seconds);

void http_date_write(time_t seconds, char text[HTTP_DATE_BYTES]);

#endif
