/* Hybrid public key encryption: whoever has the public key can seal, only who has the private key can open.
 *
 * RFC 9180 in base mode, one message for each encapsulation: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (KEM 0x0020,
 * KDF 0x0001, AEAD 0x0002). A sealed message is `enc` (32 bytes), the ciphertext, and its tag (16 bytes).
 *
 * Base mode says nothing of who sealed: everybody has the public key.
 * Thread: one owner. */
#ifndef LETHE_REDACTION_HPKE_H
#define LETHE_REDACTION_HPKE_H

#include "base/error.h"
#include "base/slice.h"

#include <openssl/evp.h>

#define HPKE_KEY_BYTES 32
#define HPKE_TAG_BYTES 16
#define HPKE_OVERHEAD (HPKE_KEY_BYTES + HPKE_TAG_BYTES)
#define HPKE_MAX_TEXT ((size_t)1 << 30)

struct hpke;

/* `key` is an X25519 key, public for sealing, private for opening; it is copied by reference. `info` binds what is sealed to
 * its purpose. NULL: no memory. */
MUST_USE struct hpke *hpke_new(EVP_PKEY *key, struct slice info);
void hpke_free(struct hpke *);

/* `sealed` has room for HPKE_OVERHEAD bytes more than the text. False: no memory, or a public key that is none. */
MUST_USE bool hpke_seal(struct hpke *, struct slice associated, struct slice text, uint8_t *sealed);

/* `text` has room for HPKE_OVERHEAD bytes less than `sealed`. False: not sealed to this key, or damaged; `text` then holds
 * nothing that may be used. */
MUST_USE bool hpke_open(struct hpke *, struct slice associated, struct slice sealed, uint8_t *text);

#endif
