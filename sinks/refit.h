/* Records that were kept in the format of an earlier configuration, for a sink that sends another now.
 *
 * The record itself is gone, so it cannot be encoded again: its kept text becomes a minimal record of the wanted format. Nothing
 * is lost, and no receiver gets what is not of its format.
 *   original, flat   JSON as it was kept; a line of text as {"message":"..."}
 *   ecs, ocsf        the kept text as `message`, with the record's time (or that of now); ocsf: class 0, Base Event
 *   cef              the kept text as `msg`, cut at REFIT_MESSAGE bytes
 *   appinsights      a message, cut at REFIT_MESSAGE bytes
 * Thread: any. */
#ifndef LETHE_SINKS_REFIT_H
#define LETHE_SINKS_REFIT_H

#include "sinks/encode.h"

#define REFIT_MESSAGE 32768

struct refit {
    enum format to;
    bool        json;      /* what is kept is a JSON object */
    int64_t     time_ms;   /* of the record, or INT64_MIN */
};

/* Appends the record, without line feed. False: no memory. */
MUST_USE bool refit_append(const struct refit *, struct slice kept, struct encoded *out);

#endif
