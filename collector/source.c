#include "source.h"

#include "redaction/redaction.h"

#include <stdlib.h>

uint32_t cargo_add_origin(struct cargo *c, const struct origin *origin)
{
    if (c->origin_count == c->origin_capacity) {
        c->origin_capacity = 2 * c->origin_capacity + 16;
        c->origins = reallocarray(c->origins, c->origin_capacity, sizeof *c->origins);
        CHECK(c->origins != NULL);
    }
    c->origins[c->origin_count] = *origin;
    return (uint32_t)c->origin_count++;
}

void source_fingerprint(const struct source *s, const char *domain, struct slice bytes, uint8_t out[16])
{
    uint8_t tag[KEYRING_TAG_BYTES];
    keyring_tag(s->keys, domain, bytes, tag);
    memcpy(out, tag, 16);
}

void source_stream_id(const struct source *s, struct slice bytes, uint8_t id[16])
{
    uint8_t name[16], both[32];
    source_fingerprint(s, "source", slice_from(s->name), name);
    memcpy(both, name, sizeof name);
    source_fingerprint(s, "stream", bytes, both + sizeof name);
    source_fingerprint(s, "source-stream", slice_of((const char *)both, sizeof both), id);
}
