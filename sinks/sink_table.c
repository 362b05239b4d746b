/* Every type of sink. A new one is a line here and its file. */
#include "sinks/sink.h"

extern const struct sink_type sink_file, sink_kafka, sink_stdout, sink_null, sink_appinsights, sink_http, sink_syslog;

const struct sink_type *const sink_types[] = {&sink_file, &sink_kafka, &sink_stdout, &sink_null, &sink_appinsights, &sink_http,
                                              &sink_syslog, NULL};
