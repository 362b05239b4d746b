/* Base64 with padding, as keys and signatures of Azure are written (RFC 4648 section 4). Thread: any. */
#ifndef LETHE_NET_BASE64_H
#define LETHE_NET_BASE64_H

#include "base/slice.h"

/* Whether it is base64 of something: a multiple of four characters of the alphabet, "=" only at the end. */
bool base64_is(struct slice);

/* Decodes. False: not base64, or more than `room` bytes. */
bool base64_read(struct slice, unsigned char *out, size_t room, size_t *len);

#define BASE64_ROOM(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Writes BASE64_ROOM(len) characters, the last of them NUL. */
void base64_write(const unsigned char *data, size_t len, char *out);

#endif
