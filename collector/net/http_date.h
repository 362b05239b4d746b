/* Dates as HTTP writes them: "Sun, 22 Nov 2026 04:00:00 GMT" (RFC 9110 section 5.6.7, IMF-fixdate; the two obsolete forms
 * are not read, since no service of Azure writes them). Thread: any. */
#ifndef LETHE_NET_HTTP_DATE_H
#define LETHE_NET_HTTP_DATE_H

#include "base/slice.h"

#include <time.h>

#define HTTP_DATE_BYTES 30   /* with the NUL */

/* False: not such a date. The name of the day is not compared with the date. */
bool http_date_read(struct slice text, time_t *seconds);

void http_date_write(time_t seconds, char text[HTTP_DATE_BYTES]);

#endif
