/* Metadata in the bytes of a record, for sinks without a place of their own for it: with `metadata: true`, a record that is a
 * JSON object begins with the members lethe_event_id and lethe_kind. Only in the formats original and flat: the others have
 * schemas that know no such members. */
#ifndef LETHE_SINKS_METADATA_H
#define LETHE_SINKS_METADATA_H

#include "sinks/sink.h"

/* Appends record i as the sink sends it, with its line feed. False: no memory. */
MUST_USE bool metadata_append(const struct sink *, const struct block *, size_t i, struct encoded *out);

#endif
