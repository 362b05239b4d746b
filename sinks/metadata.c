#include "sinks/metadata.h"

#include <stdio.h>

bool metadata_append(const struct sink *s, const struct block *b, size_t i, struct encoded *out)
{
    struct slice bytes = sink_bytes(s, b, i);
    char         id[EVENT_ID_TEXT], members[128];
    bytes.len++;   /* the line feed */
    bool         has_place = s->format == FORMAT_ORIGINAL || s->format == FORMAT_FLAT;
    if (!s->metadata || !has_place || bytes.data[0] != '{') return encoded_append(out, bytes);
    event_id_text(&b->records[i], id);
    int len = snprintf(members, sizeof members, "{\"lethe_event_id\":\"%s\",\"lethe_kind\":\"%s\"%s", id,
                       kind_text((enum kind)b->records[i].kind), bytes.len > 3 ? "," : "");
    return encoded_append(out, slice_of(members, (size_t)len)) && encoded_append(out, slice_sub(bytes, 1, bytes.len));
}
