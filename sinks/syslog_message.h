/* Records as messages of syslog, RFC 5424:
 *
 *   <134>1 2026-11-22T04:20:00.123Z host lethe 4711 activity_log [lethe@32473 event_id="..." redactions="2" policy="standard"
 *   category="Administrative"] {"time":...
 *
 * The time is the record's own, "-" where it has none. The severity follows its level, and is "informational" without one. The id
 * of the message is the kind of the record. Texts in structured data are UTF-8 with `"`, `\` and `]` escaped and control
 * characters replaced by spaces.
 *
 * Framing:
 *   FRAME_COUNTED  length, space, message: RFC 5425 (TLS) and RFC 6587, 3.4.1
 *   FRAME_LINE     message, line feed: RFC 6587, 3.4.2. Line feeds, carriage returns and zeros inside become spaces
 *   FRAME_NONE     a message is a datagram: RFC 5426
 * Thread: any. */
#ifndef LETHE_SINKS_SYSLOG_MESSAGE_H
#define LETHE_SINKS_SYSLOG_MESSAGE_H

#include "sinks/sink.h"

#define SYSLOG_HOST_MAX  255   /* bytes of the fields: RFC 5424, 6 */
#define SYSLOG_APP_MAX   48
#define SYSLOG_SD_ID_MAX 32

enum syslog_framing { FRAME_COUNTED, FRAME_LINE, FRAME_NONE };

/* What all messages of a sink have in common. Texts have passed syslog_is_field() or syslog_is_sd_id(). */
struct syslog_shape {
    unsigned            facility;      /* 0 to 23 */
    const char         *host, *app;
    unsigned            process;
    const char         *sd_id;         /* "lethe@32473" */
    bool                bom;           /* the text begins with the mark of UTF-8 */
    enum syslog_framing framing;
    size_t              max_message;   /* bytes, without what frames it */
};

enum syslog_made { SYSLOG_MADE, SYSLOG_TOO_LARGE, SYSLOG_NO_MEMORY };

/* Appends record i as a frame; nothing unless SYSLOG_MADE. */
enum syslog_made syslog_append(const struct syslog_shape *, const struct sink *, const struct block *, size_t i,
                               struct encoded *out);

/* Printable ASCII without spaces, 1 to `most` bytes. */
bool syslog_is_field(const char *text, size_t most);

/* A name of one's own for structured data: NAME@NUMBER, the number an enterprise's, of at most SYSLOG_SD_ID_MAX bytes. */
bool syslog_is_sd_id(const char *text);

/* A text made to a field: other bytes become '-'; "-" when there is nothing. `out` has room for most + 1 bytes. */
void syslog_make_field(const char *text, size_t most, char *out);

#endif
