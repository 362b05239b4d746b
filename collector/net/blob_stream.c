/* A blob as a stream: one range after the other, of one version. */
#include "net/blob_client.h"

#define MOST_CHANGES 20   /* versions followed within one read: a writer that is quicker than reading */

struct blob_stream {
    struct blob_client *client;
    char               *container, *name;
    const char         *shown;
    struct blob_item    item;      /* the version being read; size: where reading ends */
    uint64_t            offset;    /* of the next range */
    char               *buffer;    /* BLOB_RANGE_BYTES */
    size_t              len, used;
};

struct blob_stream *blob_stream_open(struct blob_client *client, const char *container, struct slice name,
                                     const struct blob_item *item, const char *shown, struct error *err)
{
    struct blob_stream *s = calloc(1, sizeof *s);
    if (s != NULL) {
        *s = (struct blob_stream){.client = client, .container = strdup(container), .name = strndup(name.data, name.len),
                                  .shown = shown, .item = *item, .buffer = malloc(BLOB_RANGE_BYTES)};
        if (s->container != NULL && s->name != NULL && s->buffer != NULL) return s;
    }
    blob_stream_close(s);
    error_set(err, ERROR_INPUT, "cannot read '%s': out of memory", shown);
    return NULL;
}

void blob_stream_close(struct blob_stream *s)
{
    if (s == NULL) return;
    free(s->container);
    free(s->name);
    free(s->buffer);
    free(s);
}

static bool fail(const struct blob_stream *s, const char *why, struct error *err)
{
    return error_set(err, ERROR_INPUT, "cannot read '%s': %s", s->shown, why);
}

/* The version that was to be read is gone. One that only grew holds the same bytes up to where reading ends. */
static bool follow(struct blob_stream *s, struct error *err)
{
    struct blob_item  now;
    struct error      why = {0};
    enum blob_outcome outcome = blob_properties(s->client, s->container, slice_from(s->name), &now, &why);
    if (outcome != BLOB_DONE) return fail(s, why.text, err);
    bool grew = now.type == BLOB_APPEND && s->item.type == BLOB_APPEND && now.created == s->item.created &&
                now.size >= s->item.size;
    if (!grew && s->offset > 0) return fail(s, "it was replaced while it was read", err);
    if (grew) now.size = s->item.size;
    s->item = now;
    return true;
}

static bool read_range(struct blob_stream *s, struct error *err)
{
    for (unsigned changes = 0; s->offset < s->item.size; changes++) {
        uint64_t          left = s->item.size - s->offset;
        size_t            wanted = left < BLOB_RANGE_BYTES ? (size_t)left : BLOB_RANGE_BYTES;
        const char       *etag = s->item.etag[0] != '\0' ? s->item.etag : NULL;
        struct error      why = {0};
        enum blob_outcome outcome = blob_read(s->client, s->container, slice_from(s->name), etag, s->offset, s->buffer, wanted,
                                              &s->len, &why);
        s->used = 0;
        s->offset += s->len;
        if (outcome == BLOB_DONE) return true;
        if (outcome == BLOB_NOTHING_NEW) return fail(s, "it is shorter than it was", err);
        if (outcome != BLOB_CHANGED) return fail(s, why.text, err);
        if (changes == MOST_CHANGES) return fail(s, "it changes all the time", err);
        if (!follow(s, err)) return false;
    }
    return true;
}

ptrdiff_t blob_stream_read(void *stream, char *buffer, size_t capacity, struct error *err)
{
    struct blob_stream *s = stream;
    if (s->used == s->len) {
        s->used = s->len = 0;
        if (!read_range(s, err)) return -1;
    }
    size_t len = s->len - s->used < capacity ? s->len - s->used : capacity;
    if (len > 0) memcpy(buffer, s->buffer + s->used, len);
    s->used += len;
    return (ptrdiff_t)len;
}
