/* The checksum that one credential format carries, and base64.
 *
 * A valid checksum proves a key; an invalid one proves nothing, since people blur the keys that they publish and logs
 * cut them. So only a format without any other mark is let in by its checksum alone: the 52-character Azure DevOps token.
 *
 * Sources: the layout of the token as in microsoft/security-utilities; CRC-32 of ISO 3309. */
#ifndef LETHE_REDACTION_CHECKSUM_H
#define LETHE_REDACTION_CHECKSUM_H

#include "base/slice.h"

/* 52 characters a-z2-7 whose bytes 2, 7, 8 and 22 are the CRC-32 of the others. */
bool devops_checksum_valid(struct slice token);

/* Decodes base64 or base64url, padded or not, up to size bytes. Returns the length, or 0 if a character is neither. */
size_t base64_decode(struct slice text, unsigned char *out, size_t size);

#endif
