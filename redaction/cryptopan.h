/* Crypto-PAn: a keyed one-to-one map of addresses onto addresses that keeps common prefixes exactly as long as they are.
 *
 * Bit i of the result is bit i of the address, flipped if the pseudorandom function of the i bits before it says so. The
 * function is the first bit of AES-128 over those bits, filled up to a block from a secret pad. The key is 32 bytes: the
 * AES key, then a block whose encryption is the pad.
 *
 * Source: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002, and its sample trace.
 * Thread: one. */
#ifndef LETHE_REDACTION_CRYPTOPAN_H
#define LETHE_REDACTION_CRYPTOPAN_H

#include "base/check.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTOPAN_BLOCK    16
#define CRYPTOPAN_KEY_SIZE (2 * CRYPTOPAN_BLOCK)

struct cryptopan {
    EVP_CIPHER_CTX *cipher;
    uint8_t         pad[CRYPTOPAN_BLOCK];
};

/* False: no memory, or OpenSSL offers no AES. cryptopan_release() may then be called or not. */
MUST_USE bool cryptopan_init(struct cryptopan *, const uint8_t key[CRYPTOPAN_KEY_SIZE]);
void cryptopan_release(struct cryptopan *);

/* Maps the address of `size` bytes (at most 16, network order) in place. */
void cryptopan_map(struct cryptopan *, uint8_t *address, size_t size);

#endif
