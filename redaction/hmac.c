/* See hmac.h.
 *
 * OpenSSL's own SHA256_* calls are deprecated since 3.0 in favour of EVP, but only they let a hash state be copied by
 * assignment; an EVP_MAC with its key kept costs nearly twice as much per value, a one-shot HMAC about ten times. Pseudonyms
 * are made several times per record, so this one file uses them. */
#include "redaction/hmac.h"

#include "base/check.h"

#include <openssl/crypto.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void absorb_padded_key(SHA256_CTX *state, const uint8_t key[HMAC_KEY_SIZE], uint8_t pad)
{
    uint8_t block[SHA256_CBLOCK];
    memset(block, pad, sizeof block);
    for (size_t i = 0; i < HMAC_KEY_SIZE; i++) block[i] ^= key[i];
    CHECK(SHA256_Init(state) && SHA256_Update(state, block, sizeof block));
    OPENSSL_cleanse(block, sizeof block);
}

void hmac_key_init(struct hmac_key *hmac, const uint8_t key[HMAC_KEY_SIZE])
{
    absorb_padded_key(&hmac->inner, key, 0x36);
    absorb_padded_key(&hmac->outer, key, 0x5c);
}

void hmac_compute(const struct hmac_key *hmac, const char *domain, struct slice value,
                  uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX state = hmac->inner;
    CHECK(SHA256_Update(&state, domain, strlen(domain) + 1));
    CHECK(SHA256_Update(&state, value.data, value.len));
    CHECK(SHA256_Final(out, &state));
    state = hmac->outer;
    CHECK(SHA256_Update(&state, out, SHA256_DIGEST_LENGTH) && SHA256_Final(out, &state));
}
