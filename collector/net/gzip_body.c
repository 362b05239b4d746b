#include "net/gzip_body.h"

#include <zlib.h>

#define LEVEL 1
#define WINDOW_GZIP (15 + 16)   /* the largest window; 16 asks zlib for a gzip header */
#define MEMORY_LEVEL 8          /* zlib's default */
#define PIECE_SLACK 16          /* zlib promises its bound for input in one piece */

struct gzip_body {
    z_stream stream;
    char    *data;
    size_t   room;
};

struct gzip_body *gzip_body_new(void)
{
    struct gzip_body *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    if (deflateInit2(&g->stream, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK) return g;
    free(g);
    return NULL;
}

void gzip_body_free(struct gzip_body *g)
{
    if (g == NULL) return;
    deflateEnd(&g->stream);
    free(g->data);
    free(g);
}

/* Room for whatever the pieces may become, so that packing never stops half-way. */
static bool make_room(struct gzip_body *g, const struct slice *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += pieces[i].len;
    CHECK(total < UINT32_MAX / 2);   /* zlib counts with 32 bits */
    size_t needed = deflateBound(&g->stream, total) + PIECE_SLACK * count;
    if (needed <= g->room) return true;
    char *grown = realloc(g->data, needed);
    if (grown == NULL) return false;
    g->data = grown;
    g->room = needed;
    return true;
}

bool gzip_body_pack(struct gzip_body *g, const struct slice *pieces, size_t count, struct slice *packed)
{
    z_stream *z = &g->stream;
    CHECK(deflateReset(z) == Z_OK);
    if (!make_room(g, pieces, count)) return false;
    z->next_out = (Bytef *)g->data;
    z->avail_out = (uInt)g->room;
    for (size_t i = 0; i < count; i++) {
        z->next_in = (z_const Bytef *)(uintptr_t)pieces[i].data;
        z->avail_in = (uInt)pieces[i].len;
        if (pieces[i].len > 0) CHECK(deflate(z, Z_NO_FLUSH) == Z_OK && z->avail_in == 0);
    }
    CHECK(deflate(z, Z_FINISH) == Z_STREAM_END);
    *packed = slice_of(g->data, g->room - z->avail_out);
    return true;
}
