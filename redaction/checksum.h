/* Checksums that some credential formats carry.
 *
 * A valid checksum proves a key; an invalid one proves nothing, since people blur the keys that they publish and logs
 * cut them. So checksums raise confidence, and only a format without any other mark is let in by its checksum alone
 * (the 52-character Azure DevOps token).
 *
 * Sources: Marvin32 as published in .NET and SymCrypt; the layouts of Microsoft's identifiable keys and of Entra client
 * secrets as in microsoft/security-utilities; GitHub's announcement of its token formats (2021); CRC-32 of ISO 3309. */
#ifndef LETHE_REDACTION_CHECKSUM_H
#define LETHE_REDACTION_CHECKSUM_H

#include "base/slice.h"

uint32_t crc32_of(struct slice bytes);   /* ISO 3309: "123456789" gives 0xCBF43926 */

uint64_t marvin32(struct slice bytes, uint64_t seed);

/* A key of Azure's first identifiable form (random, signature, checksum, base64): true if the last four bytes are the
 * Marvin32 of the others with one of the seeds in use. */
bool his_checksum_valid(struct slice key);

/* The newer form of 84 or 88 characters that holds JQQJ9. */
bool cask_checksum_valid(struct slice key);

/* A client secret of 40 characters with 8Q~ in it. */
bool entra_checksum_valid(struct slice secret);

/* ghp_, gho_, ... and 36 characters, of which the last six are the CRC-32 of the 30 before them, in base 62. */
bool github_checksum_valid(struct slice token);

/* 52 characters a-z2-7 whose bytes 2, 7, 8 and 22 are the CRC-32 of the others. */
bool devops_checksum_valid(struct slice token);

/* Decodes base64 or base64url, padded or not, up to size bytes. Returns the length, or 0 if a character is neither. */
size_t base64_decode(struct slice text, unsigned char *out, size_t size);

#endif
