/* What sinks need to know of one clean record besides its bytes: to choose, to name, to route. All of it comes from the
 * clean text: a resource id that was replaced by a pseudonym is that pseudonym here as well.
 *
 * Thread: any; all state is the caller's. */
#ifndef LETHE_SINKS_FACTS_H
#define LETHE_SINKS_FACTS_H

#include "redaction/redaction.h"

#define FACT_MAX 512         /* bytes of each text; longer ones are cut between characters */
#define FACTS_ROOM 4096      /* bytes of the buffer for all texts of one record */
#define NO_TIME INT64_MIN

/* How bad, in one order for all kinds. */
enum severity {
    SEVERITY_UNKNOWN,
    SEVERITY_VERBOSE,
    SEVERITY_INFORMATION,
    SEVERITY_WARNING,
    SEVERITY_ERROR,
    SEVERITY_CRITICAL,
};

struct record_facts {
    enum kind     kind;
    int64_t       time_ms;       /* of the record's own time field, since 1970; or NO_TIME */
    enum severity severity;
    struct slice  category;      /* "Administrative", "AmlOnlineEndpointConsoleLog", "RequestData" */
    struct slice  level;         /* as it is in the record; a number that stands for a level is its name, "Error" */
    struct slice  result;        /* "Success", "Failed", "True" */
    struct slice  resource;      /* its id */
    struct slice  correlation;   /* the correlation id, or the operation id of Application Insights */
};

/* Fills in the facts. Texts are decoded UTF-8 in `buffer`, valid as long as that; empty where there is nothing. */
void record_facts(const struct clean_record *, struct key_cache *, char buffer[FACTS_ROOM], struct record_facts *);

/* What a level says, as the kind writes it: "Warning", "warn", or a number. */
enum severity severity_of(enum kind, struct slice level);
const char *severity_text(enum severity);   /* "Warning"; "" for unknown */

#endif
