/* The status page of a streaming run, and what it shows: status.html, status.css, status.js and status.svg are embedded by the
 * build, /status.json is made for each request. Thread: any. */
#ifndef LETHE_COLLECTOR_STATUS_PAGE_H
#define LETHE_COLLECTOR_STATUS_PAGE_H

#include "sinks/encode.h"
#include "stream.h"

extern const char status_html[], status_css[], status_js[], status_svg[];

#define READY_FAILING_MS 60000

/* Both append; `out` is released by the caller in any case. False: no memory. */

/* Ready is what has started and is not stopping, with no required sink failing for READY_FAILING_MS or longer, and room in the
 * spool. Writes "ready", or the reasons against it, a line for each. */
MUST_USE bool readiness_write(const struct stream_figures *, struct encoded *out, bool *ready);

/* One JSON object. Times are milliseconds; what is not known is null. */
MUST_USE bool status_write(const struct stream_figures *, struct encoded *out);

#endif
