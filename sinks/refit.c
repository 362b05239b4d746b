#include "sinks/refit.h"

#include "base/clock.h"
#include "base/timestamp.h"
#include "sinks/json_out.h"
#include "sinks/mapping.h"

#include <stdio.h>

static bool put(struct encoded *out, const char *text) { return encoded_append(out, slice_from(text)); }

/* Not through the middle of a character. */
static struct slice shortened(struct slice text)
{
    size_t len = text.len;
    if (len <= REFIT_MESSAGE) return text;
    for (len = REFIT_MESSAGE; len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80; len--) continue;
    return slice_of(text.data, len);
}

static bool put_message(struct encoded *out, const char *before, struct slice text, const char *behind)
{
    return put(out, before) && json_put_string(out, text) && put(out, behind);
}

/* Values of CEF: backslash and `=` are escaped; the kept text is one line. */
static bool put_cef(struct encoded *out, struct slice text, int64_t time_ms)
{
    char head[96];
    snprintf(head, sizeof head, "CEF:0|lethe|lethe|1.0|kept|record kept in another format|0|rt=%lld msg=", (long long)time_ms);
    if (!put(out, head)) return false;
    for (size_t from = 0, at = 0; at <= text.len; at++) {
        if (at < text.len && text.data[at] != '\\' && text.data[at] != '=') continue;
        if (!encoded_append(out, slice_sub(text, from, at)) || (at < text.len && !put(out, "\\"))) return false;
        from = at;
    }
    return true;
}

bool refit_append(const struct refit *r, struct slice kept, struct encoded *out)
{
    int64_t time_ms = r->time_ms != INT64_MIN ? r->time_ms : (int64_t)clock_realtime_ms();
    char    time[TIMESTAMP_TEXT], head[256];
    timestamp_text(time_ms, time);
    switch (r->to) {
    case FORMAT_ORIGINAL:
    case FORMAT_FLAT: return r->json ? encoded_append(out, kept) : put_message(out, "{\"message\":", kept, "}");
    case FORMAT_ECS:
        snprintf(head, sizeof head,
                 "{\"@timestamp\":\"%s\",\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":\"event\"},\"message\":", time);
        return put_message(out, head, kept, "}");
    case FORMAT_OCSF:
        snprintf(head, sizeof head,
                 "{\"class_uid\":0,\"class_name\":\"Base Event\",\"category_uid\":0,\"category_name\":\"Uncategorized\",\"activity_id\":0,\"type_uid\":0,"
                 "\"time\":%lld,\"severity_id\":0,\"message\":", (long long)time_ms);
        return put_message(out, head, kept,
                           ",\"metadata\":{\"version\":\"1.8.0\",\"product\":{\"name\":\"lethe\",\"vendor_name\":\"lethe\"}}}");
    case FORMAT_CEF: return put_cef(out, shortened(kept), time_ms);
    case FORMAT_APPINSIGHTS:
        snprintf(head, sizeof head,
                 "{\"ver\":1,\"iKey\":\"00000000-0000-0000-0000-000000000000\",\"time\":\"%s\",\"name\":\"Microsoft.ApplicationInsights.Message\","
                 "\"data\":{\"baseType\":\"MessageData\",\"baseData\":{\"ver\":2,\"message\":", time);
        return put_message(out, head, shortened(kept),
                           kept.len > REFIT_MESSAGE ? ",\"properties\":{\"_truncated\":\"true\"}}}}" : ",\"properties\":{}}}}");
    case FORMAT_COUNT: break;
    }
    CHECK(false);
    return false;
}
