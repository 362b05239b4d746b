/* Every type of sink. A new one is a line here and its file, sink_<name>.c: see README.md. */
#include "sinks/sink.h"

#define SINKS(SINK) \
    SINK(sink_file) \
    SINK(sink_kafka) \
    SINK(sink_stdout) \
    SINK(sink_null) \
    SINK(sink_appinsights) \
    SINK(sink_http) \
    SINK(sink_syslog)

#define DECLARE(sink) extern const struct sink_type sink;
#define LIST(sink) &sink,

SINKS(DECLARE)

const struct sink_type *const sink_types[] = {SINKS(LIST) NULL};
