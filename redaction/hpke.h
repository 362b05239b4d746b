/* Hybrid public key encryption: whoever has the public key can seal, only who has the private key can open.
 *
 * RFC 9180 in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (KEM 0x0020, KDF 0x0001, AEAD 0x0002). Messages
 * that are sealed one after another share an encapsulated key, which costs some hundred times what a message does; each can be
 * opened without the others by its number in the sequence. A sealed message is the ciphertext and its tag (16 bytes).
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
#define HPKE_MAX_TEXT ((size_t)1 << 30)

struct hpke;

/* `key` is an X25519 key, public for sealing, private for opening; it is copied by reference. `info` binds what is sealed to
 * its purpose. NULL: no memory. */
MUST_USE struct hpke *hpke_new(EVP_PKEY *key, struct slice info);
void hpke_free(struct hpke *);

/* Begins a sequence of messages with a fresh key; `enc` is what the receiver needs to have it. False: no memory, or a public key
 * that is none. */
MUST_USE bool hpke_send(struct hpke *, uint8_t enc[HPKE_KEY_BYTES]);

/* The number of the message that is sealed next, from 0. */
uint64_t hpke_sequence(const struct hpke *);

/* The next message. `sealed` has room for HPKE_TAG_BYTES more than the text. False: no memory; the sequence is at its end. */
MUST_USE bool hpke_seal(struct hpke *, struct slice associated, struct slice text, uint8_t *sealed);

/* Takes the key of a sequence. False: no memory, or an `enc` that is none. */
MUST_USE bool hpke_receive(struct hpke *, const uint8_t enc[HPKE_KEY_BYTES]);

/* `text` has room for HPKE_TAG_BYTES less than `sealed`. False: not sealed to this key, not with this number, or damaged; `text`
 * then holds nothing that may be used. */
MUST_USE bool hpke_open(struct hpke *, uint64_t sequence, struct slice associated, struct slice sealed, uint8_t *text);

/* Forgets the key of the sequence. */
void hpke_forget(struct hpke *);

#endif
