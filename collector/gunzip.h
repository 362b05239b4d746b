/* A gzip stream as a source of bytes: RFC 1952, several members one after another, each with its checksum verified.
 *
 * Zeros after the last member are padding, as tape blocks leave it, and are passed over; anything else there is an
 * error, since it cannot be told from a damaged member. What was unpacked before an error is handed out first.
 *
 * The unpacking is ISA-L's, which needs less than half of zlib's time. Thread: one at a time. */
#ifndef LETHE_COLLECTOR_GUNZIP_H
#define LETHE_COLLECTOR_GUNZIP_H

#include "parser/framing.h"

struct gunzip;

/* `name` is for messages and must outlive the result. NULL: no memory. */
MUST_USE struct gunzip *gunzip_new(struct byte_source packed, const char *name);
void gunzip_free(struct gunzip *);

/* As byte_source.read. The error names the offset in the packed stream. */
ptrdiff_t gunzip_read(void *gunzip, char *buffer, size_t capacity, struct error *);

#endif
