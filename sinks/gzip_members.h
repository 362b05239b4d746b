/* A packed file that grows: every piece is a gzip member of its own, so that the file is a whole gzip file after each of them
 * (RFC 1952, section 2.2: members follow each other), and a crash tears the last one at most.
 *
 * Each member tells its length in an extra field (RFC 1952, section 2.3.1.1) with the id "LT": 4 bytes, little-endian, of the
 * whole member. So the end of what is whole is found without unpacking all that is before it.
 * Thread: a packer has one owner. */
#ifndef LETHE_SINKS_GZIP_MEMBERS_H
#define LETHE_SINKS_GZIP_MEMBERS_H

#include "sinks/encode.h"

struct gzip_members;

MUST_USE struct gzip_members *gzip_members_new(void);   /* NULL: no memory */
void gzip_members_free(struct gzip_members *);          /* NULL is allowed */

/* Appends the bytes as one member. False: no memory. */
MUST_USE bool gzip_members_pack(struct gzip_members *, struct slice bytes, struct encoded *out);

enum gzip_found {
    GZIP_OURS,         /* whole up to *end; what is behind it is torn */
    GZIP_FOREIGN,      /* a gzip member of another make stands in it */
    GZIP_UNREADABLE,   /* errno; or no memory */
};

/* How far a file of `size` bytes is whole. The last member is unpacked: its checksum is right. */
MUST_USE enum gzip_found gzip_members_measure(int fd, uint64_t size, uint64_t *end);

#endif
