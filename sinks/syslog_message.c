#include "sinks/syslog_message.h"

#include "base/timestamp.h"
#include "sinks/facts.h"
#include "sinks/metadata.h"

#include <stdio.h>

#define COUNT_ROOM  12                        /* digits of a length and the space behind */
#define LAST_MS     253402300799999LL         /* 9999-12-31 */
#define HEADER_ROOM (SYSLOG_HOST_MAX + SYSLOG_APP_MAX + SYSLOG_SD_ID_MAX + 256)

bool syslog_is_field(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~') return false;
    return len > 0 && len <= most;
}

bool syslog_is_sd_id(const char *text)
{
    const char *at = strchr(text, '@');
    if (!syslog_is_field(text, SYSLOG_SD_ID_MAX) || strpbrk(text, "=]\"") != NULL || at == NULL || at == text) return false;
    return at[1] != '\0' && strspn(at + 1, "0123456789") == strlen(at + 1);
}

void syslog_make_field(const char *text, size_t most, char *out)
{
    size_t len = strnlen(text, most);
    for (size_t i = 0; i < len; i++) out[i] = text[i] <= ' ' || text[i] > '~' ? '-' : text[i];
    if (len == 0) out[len++] = '-';
    out[len] = '\0';
}

/* RFC 5424, table 2. */
static unsigned severity_number(const struct block *b, const struct block_record *r)
{
    switch (severity_of((enum kind)r->kind, block_label(b, r->level))) {
    case SEVERITY_CRITICAL: return 2;
    case SEVERITY_ERROR: return 3;
    case SEVERITY_WARNING: return 4;
    case SEVERITY_VERBOSE: return 7;
    case SEVERITY_INFORMATION:
    case SEVERITY_UNKNOWN: break;
    }
    return 6;
}

static bool append_escaped(struct encoded *out, struct slice text)
{
    if (!encoded_reserve(out, 2 * text.len)) return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\' || c == ']') out->data[out->len++] = '\\';
        out->data[out->len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    return true;
}

static bool append_param(struct encoded *out, const char *name, struct slice value)
{
    return encoded_append(out, SLICE(" ")) && encoded_append(out, slice_from(name)) && encoded_append(out, SLICE("=\"")) &&
           append_escaped(out, value) && encoded_append(out, SLICE("\""));
}

static bool append_header(const struct syslog_shape *shape, const struct block *b, const struct block_record *r,
                          struct encoded *out)
{
    char         head[HEADER_ROOM], time[TIMESTAMP_TEXT] = "-", id[EVENT_ID_TEXT];
    struct slice category = block_label(b, r->category);
    if (r->time_ms >= 0 && r->time_ms <= LAST_MS) timestamp_text(r->time_ms, time);
    event_id_text(r, id);
    int len = snprintf(head, sizeof head, "<%u>1 %s %s %s %u %s [%s event_id=\"%s\" redactions=\"%u\"",
                       shape->facility * 8 + severity_number(b, r), time, shape->host, shape->app, shape->process,
                       kind_text((enum kind)r->kind), shape->sd_id, id, (unsigned)r->redactions);
    return encoded_append(out, slice_of(head, (size_t)len)) && append_param(out, "policy", block_label(b, r->policy)) &&
           (category.len == 0 || append_param(out, "category", category)) && encoded_append(out, SLICE("] ")) &&
           (!shape->bom || encoded_append(out, SLICE("\xEF\xBB\xBF")));
}

/* What would end a frame early, or a text in a receiver written in C. */
static void make_one_line(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\0') bytes[i] = ' ';
}

/* The message stands COUNT_ROOM bytes behind `start`; it is moved to its length. */
static void put_count(struct encoded *out, size_t start)
{
    char   count[COUNT_ROOM + 1];
    size_t len = out->len - start - COUNT_ROOM;
    size_t digits = (size_t)snprintf(count, sizeof count, "%zu ", len);
    CHECK(digits <= COUNT_ROOM);
    memcpy(out->data + start, count, digits);
    memmove(out->data + start + digits, out->data + start + COUNT_ROOM, len);
    out->len = start + digits + len;
}

enum syslog_made syslog_append(const struct syslog_shape *shape, const struct sink *sink, const struct block *b, size_t i,
                               struct encoded *out)
{
    size_t start = out->len, room = shape->framing == FRAME_COUNTED ? COUNT_ROOM : 0, message = start + room;
    bool   made = encoded_reserve(out, room + 1);
    if (made) out->len = message;
    made = made && append_header(shape, b, &b->records[i], out) && metadata_append(sink, b, i, out);
    if (!made || --out->len - message > shape->max_message) {   /* the line feed does not belong to it */
        out->len = start;
        return made ? SYSLOG_TOO_LARGE : SYSLOG_NO_MEMORY;
    }
    if (shape->framing == FRAME_COUNTED) put_count(out, start);
    if (shape->framing == FRAME_LINE) {
        make_one_line(out->data + message, out->len - message);
        out->data[out->len++] = '\n';
    }
    return SYSLOG_MADE;
}
