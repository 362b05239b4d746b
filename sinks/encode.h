/* Clean records to bytes: the only place that writes output bytes. The spans of a record are applied while its text is
 * copied, once.
 *
 * Formats:
 *   original  the record's own bytes with its spans replaced; line breaks between tokens are left out, so that one
 *             record is one line
 *   flat      one level: the fields of the kinds table under their names, then everything else under its path with dots
 *   ecs       Elastic Common Schema, for Elasticsearch and OpenSearch
 *   ocsf      Open Cybersecurity Schema Framework
 *   cef       Common Event Format, a line of text, without syslog header
 *   appinsights  an envelope of the ingestion protocol of Application Insights
 * What the last four have no field for goes to their place for the rest: mapping.def.
 *
 * Thread: an encoder belongs to one thread; several may work at once. */
#ifndef LETHE_SINKS_ENCODE_H
#define LETHE_SINKS_ENCODE_H

#include "redaction/redaction.h"

enum format { FORMAT_ORIGINAL, FORMAT_FLAT, FORMAT_ECS, FORMAT_OCSF, FORMAT_CEF, FORMAT_APPINSIGHTS, FORMAT_COUNT };

bool        format_find(const char *name, enum format *);   /* "original", "flat" */
const char *format_text(enum format);
bool        format_is_json(enum format);

/* Bytes ready to be written, in order. With keep_container, `joint` is the offset at which a comma must be put if the
 * container already has an element from an earlier batch; SIZE_MAX: nowhere. See encode_batch(). */
struct encoded {
    char  *data;
    size_t len, capacity;
    size_t joint;
    enum { CONTAINER_SAME, CONTAINER_EMPTY, CONTAINER_FILLED } after;   /* what the writer then knows of the open container */
};

/* What an item of the format appinsights begins with, so that a sink can put its own key and time in:
 * {"ver":1,"iKey":"00000000-0000-0000-0000-000000000000","time":"2026-11-22T04:20:00.123Z", ... */
#define APPINSIGHTS_IKEY_AT 17
#define APPINSIGHTS_IKEY_LEN 36
#define APPINSIGHTS_TIME_AT 63

struct encoder;

#define NOW_IS_THE_CLOCK INT64_MIN

struct encoder_options {
    enum format format;
    bool        keep_container;   /* encode_batch() only; FORMAT_ORIGINAL only */
    const char *ikey;             /* appinsights: the instrumentation key, APPINSIGHTS_IKEY_LEN characters, borrowed; NULL: that
                                     of the record if it is one, else zeros */
    int64_t     now_ms;           /* stands for the time of records that have none; NOW_IS_THE_CLOCK */
};

/* NULL: no memory. */
MUST_USE struct encoder *encoder_open(const struct encoder_options *);
MUST_USE struct encoder *encoder_new(enum format, bool keep_container);   /* with the other options as they mostly are */
void encoder_free(struct encoder *);

/* Replaces out's contents; out grows as needed and is released with encoded_release(). False: no memory. */
MUST_USE bool encode_batch(struct encoder *, const struct clean_batch *, struct encoded *out);

/* Appends one record, which ends no line: sinks frame records themselves. The key cache is the one that resolved the keys of
 * the record's tape. What is in `out` besides data, len and capacity is left alone. False: no memory. */
MUST_USE bool encode_record(struct encoder *, const struct clean_record *, struct key_cache *, struct encoded *out);

void encoded_release(struct encoded *);

/* Makes room for so many bytes after out->len. False: no memory. */
MUST_USE bool encoded_reserve(struct encoded *, size_t bytes);

/* Adds the bytes; afterwards data is never NULL, also when there are none. False: no memory. */
MUST_USE bool encoded_append(struct encoded *, struct slice bytes);

#endif
