#include "source.h"

#include "redaction/redaction.h"

#include <stdlib.h>

bool cargo_reserve_origins(struct cargo *c, size_t count)
{
    if (count <= c->origin_capacity) return true;
    size_t         capacity = count > 2 * c->origin_capacity ? count : 2 * c->origin_capacity;
    struct origin *origins = reallocarray(c->origins, capacity, sizeof *origins);
    if (origins == NULL) return false;
    c->origins = origins;
    c->origin_capacity = capacity;
    return true;
}

uint32_t cargo_add_origin(struct cargo *c, const struct origin *origin)
{
    CHECK(cargo_reserve_origins(c, c->origin_count + 1));
    c->origins[c->origin_count] = *origin;
    return (uint32_t)c->origin_count++;
}

void *receipt_new(size_t bytes, struct error *err)
{
    void *receipt = calloc(1, bytes);
    if (receipt == NULL) error_set(err, ERROR_MEMORY, "no memory for a batch");
    return receipt;
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
