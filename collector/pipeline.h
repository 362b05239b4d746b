/* The batch pipeline: inputs through redaction to outputs. See pipeline.c for how. */
#ifndef LETHE_COLLECTOR_PIPELINE_H
#define LETHE_COLLECTOR_PIPELINE_H

#include "destination.h"
#include "report.h"
#include "sinks/encode.h"

struct pipeline_options {
    unsigned    jobs;
    enum format format;
    bool        keep_container, strict, resume;
    size_t      max_record;
    unsigned    max_depth;
};

/* Reads all inputs and writes their outputs; what goes wrong with one of them is told on the console and counted in the
 * result. False: it could not begin, and the error says why. */
MUST_USE bool pipeline_run(const struct pipeline_options *, const struct plan *, const struct input_list *,
                           const struct destination *, struct console *, struct run_result *, struct error *);

#endif
