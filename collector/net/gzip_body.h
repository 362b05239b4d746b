/* Packs the bodies of requests: gzip at level 1, which costs least. Thread: one owner. */
#ifndef LETHE_NET_GZIP_BODY_H
#define LETHE_NET_GZIP_BODY_H

#include "base/check.h"
#include "base/slice.h"

struct gzip_body;

MUST_USE struct gzip_body *gzip_body_new(void);   /* NULL: no memory */
void gzip_body_free(struct gzip_body *);          /* NULL is allowed */

/* Packs the pieces, one behind the other, as one gzip member. The result is in the packer's memory and holds until the next
 * call. False: no memory. */
MUST_USE bool gzip_body_pack(struct gzip_body *, const struct slice *pieces, size_t count, struct slice *packed);

#endif
