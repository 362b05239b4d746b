/* What the files of sealing share. */
#ifndef LETHE_REDACTION_SEAL_PRIV_H
#define LETHE_REDACTION_SEAL_PRIV_H

#include "redaction/hpke.h"
#include "redaction/seal.h"

#define SEAL_INFO SLICE("lethe sealed record 1")
#define SEAL_VERSION "1"
#define SEAL_OVERHEAD (HPKE_KEY_BYTES + HPKE_TAG_BYTES)   /* bytes that sealing adds */

/* The id and the public bytes of a key. */
MUST_USE bool seal_key_of(EVP_PKEY *, struct seal_key *);

/* The key in the text of a PEM file; text[len] is NUL. NULL: `err` says what it is instead. */
MUST_USE EVP_PKEY *seal_key_parse(const char *path, const char *text, size_t len, bool private, struct error *);

#endif
