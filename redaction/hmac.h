/* HMAC-SHA-256 with the work that depends on the key alone done once, and messages split into a domain and a value.
 *
 * The padded key fills exactly one SHA-256 block on the inside and one on the outside (RFC 2104 section 2), so the hash
 * states after those blocks are kept instead of the key. Whoever has them can do all that the key can: they are
 * as secret as it is.
 *
 * Sources: RFC 2104; FIPS 180-4. Thread: a struct hmac_key is const after hmac_key_init() and shared. */
#ifndef LETHE_REDACTION_HMAC_H
#define LETHE_REDACTION_HMAC_H

#include "base/slice.h"

#include <openssl/sha.h>

#define HMAC_KEY_SIZE 32

struct hmac_key {
    SHA256_CTX inner, outer;
};

void hmac_key_init(struct hmac_key *, const uint8_t key[HMAC_KEY_SIZE]);

/* HMAC-SHA-256(key, domain NUL value). The domain is a C string, so no two domains can give one message. */
void hmac_compute(const struct hmac_key *, const char *domain, struct slice value, uint8_t out[SHA256_DIGEST_LENGTH]);

#endif
