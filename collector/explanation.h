/* What lethe explain shows: a batch_writer that puts down, record by record, what would be redacted, why, and the record as
 * it would come out; never the value itself. Thread: a writer belongs to its worker, struct explanation is const. */
#ifndef LETHE_COLLECTOR_EXPLANATION_H
#define LETHE_COLLECTOR_EXPLANATION_H

#include "pipeline.h"

struct explanation {
    const struct plan *plan;
    bool               colour, only_changed;
};

struct batch_writer explanation_writer(struct explanation *);

#endif
