/* The figures of a streaming run as Prometheus text, version 0.0.4.
 *
 * Label values come from closed sets alone: names of the configuration, ids of rules, reasons, kinds. Times are seconds, sizes
 * bytes; what counts up ends in _total. docs/monitoring.md lists them all. Thread: any. */
#ifndef LETHE_COLLECTOR_METRICS_H
#define LETHE_COLLECTOR_METRICS_H

#include "sinks/encode.h"
#include "stream.h"

/* Appends; `out` is released by the caller in any case. False: no memory. */
MUST_USE bool metrics_write(const struct stream_figures *, struct encoded *out);

/* Time since the first failure after the last success; 0: the sink is well. */
uint64_t sink_failing_ms(const struct sink *);

#endif
