/* Names of values are those of RFC 9180: sections 4 (KEM, labels), 5.1 (key schedule), 5.2 (nonces), 7 (numbers of the
 * algorithms). */
#include "redaction/hpke.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <stdlib.h>

#define HASH_BYTES 32
#define NONCE_BYTES 12
#define CONTEXT_BYTES (1 + 2 * HASH_BYTES)
#define MAX_LABELLED 256   /* of what goes into the KDF: the longest is the key schedule's context with its label */

static const uint8_t kem_suite[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t hpke_suite[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02};

struct message_key {
    uint8_t key[HASH_BYTES], nonce[NONCE_BYTES];   /* the nonce of message 0 */
};

struct hpke {
    EVP_PKEY       *key;
    uint8_t         recipient[HPKE_KEY_BYTES];   /* its public key: pkRm */
    uint8_t         context[CONTEXT_BYTES];      /* of the key schedule */
    EVP_KDF_CTX    *kdf;
    EVP_PKEY_CTX   *generator;
    EVP_CIPHER     *cipher;
    EVP_CIPHER_CTX *cipher_context;
    bool               ready;                    /* there is a sequence: */
    struct message_key messages;
    uint64_t           sequence;                 /* number of the next message */
    uint8_t            enc[HPKE_KEY_BYTES];
};

/* --- Key derivation --------------------------------------------------------------------------------------------------- */

/* What is hashed: "HPKE-v1", suite, label, value. */
struct labelled {
    uint8_t bytes[MAX_LABELLED];
    size_t  len;
};

static void put(struct labelled *l, const void *bytes, size_t len)
{
    CHECK(len <= sizeof l->bytes - l->len);
    if (len > 0) memcpy(l->bytes + l->len, bytes, len);
    l->len += len;
}

static void put_label(struct labelled *l, struct slice suite, const char *label, struct slice value)
{
    put(l, "HPKE-v1", 7);
    put(l, suite.data, suite.len);
    put(l, label, strlen(label));
    put(l, value.data, value.len);
}

static struct slice suite_of(const uint8_t *suite, size_t len) { return slice_of((const char *)suite, len); }

#define KEM_SUITE suite_of(kem_suite, sizeof kem_suite)
#define HPKE_SUITE suite_of(hpke_suite, sizeof hpke_suite)

static OSSL_PARAM octets(const char *name, const uint8_t *bytes, size_t len)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, len);   /* the library does not write to it */
}

static bool derive(struct hpke *h, int mode, const uint8_t *key, size_t key_len, OSSL_PARAM extra, uint8_t *out, size_t len)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode), octets(OSSL_KDF_PARAM_KEY, key, key_len), extra, OSSL_PARAM_END,
    };
    EVP_KDF_CTX_reset(h->kdf);
    return EVP_KDF_derive(h->kdf, out, len, params) == 1;
}

static bool labelled_extract(struct hpke *h, struct slice suite, struct slice salt, const char *label, struct slice ikm,
                             uint8_t out[HASH_BYTES])
{
    static const uint8_t none[HASH_BYTES];   /* RFC 5869: no salt is a salt of zeros */
    struct labelled l = {.len = 0};
    put_label(&l, suite, label, ikm);
    OSSL_PARAM with = salt.len > 0 ? octets(OSSL_KDF_PARAM_SALT, (const uint8_t *)salt.data, salt.len)
                                   : octets(OSSL_KDF_PARAM_SALT, none, sizeof none);
    bool done = derive(h, EVP_KDF_HKDF_MODE_EXTRACT_ONLY, l.bytes, l.len, with, out, HASH_BYTES);
    OPENSSL_cleanse(&l, sizeof l);
    return done;
}

static bool labelled_expand(struct hpke *h, struct slice suite, const uint8_t prk[HASH_BYTES], const char *label,
                            struct slice info, uint8_t *out, size_t len)
{
    struct labelled l = {.len = 0};
    const uint8_t length[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    put(&l, length, sizeof length);
    put_label(&l, suite, label, info);
    return derive(h, EVP_KDF_HKDF_MODE_EXPAND_ONLY, prk, HASH_BYTES, octets(OSSL_KDF_PARAM_INFO, l.bytes, l.len), out, len);
}

/* mode || psk_id_hash || info_hash: the same for every message. */
static bool make_context(struct hpke *h, struct slice info)
{
    h->context[0] = 0;   /* base mode */
    return labelled_extract(h, HPKE_SUITE, SLICE(""), "psk_id_hash", SLICE(""), h->context + 1) &&
           labelled_extract(h, HPKE_SUITE, SLICE(""), "info_hash", info, h->context + 1 + HASH_BYTES);
}

/* --- Encapsulation and key schedule ------------------------------------------------------------------------------------ */

static bool diffie_hellman(EVP_PKEY *own, EVP_PKEY *other, uint8_t dh[HPKE_KEY_BYTES])
{
    size_t len = HPKE_KEY_BYTES;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    /* A point of small order, whose secret would be zero, is refused by the library. */
    bool done = c != NULL && EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, other) == 1 &&
                EVP_PKEY_derive(c, dh, &len) == 1 && len == HPKE_KEY_BYTES;
    EVP_PKEY_CTX_free(c);
    return done;
}

static bool schedule(struct hpke *h, const uint8_t dh[HPKE_KEY_BYTES], const uint8_t enc[HPKE_KEY_BYTES], struct message_key *m)
{
    uint8_t kem_context[2 * HPKE_KEY_BYTES], prk[HASH_BYTES], shared[HASH_BYTES], secret[HASH_BYTES];
    struct slice context = suite_of(h->context, sizeof h->context);
    memcpy(kem_context, enc, HPKE_KEY_BYTES);
    memcpy(kem_context + HPKE_KEY_BYTES, h->recipient, HPKE_KEY_BYTES);
    bool done = labelled_extract(h, KEM_SUITE, SLICE(""), "eae_prk", suite_of(dh, HPKE_KEY_BYTES), prk) &&
                labelled_expand(h, KEM_SUITE, prk, "shared_secret", suite_of(kem_context, sizeof kem_context), shared,
                                sizeof shared) &&
                labelled_extract(h, HPKE_SUITE, suite_of(shared, sizeof shared), "secret", SLICE(""), secret) &&
                labelled_expand(h, HPKE_SUITE, secret, "key", context, m->key, sizeof m->key) &&
                labelled_expand(h, HPKE_SUITE, secret, "base_nonce", context, m->nonce, sizeof m->nonce);
    OPENSSL_cleanse(prk, sizeof prk);
    OPENSSL_cleanse(shared, sizeof shared);
    OPENSSL_cleanse(secret, sizeof secret);
    return done;
}

/* --- Sequences -------------------------------------------------------------------------------------------------------- */

void hpke_forget(struct hpke *h)
{
    OPENSSL_cleanse(&h->messages, sizeof h->messages);
    h->ready = false;
    h->sequence = 0;
}

/* Ends the attempt to begin one. */
static bool begun(struct hpke *h, bool done, uint8_t dh[HPKE_KEY_BYTES])
{
    OPENSSL_cleanse(dh, HPKE_KEY_BYTES);
    h->ready = done;
    if (done) return true;
    hpke_forget(h);
    ERR_clear_error();
    return false;
}

bool hpke_send(struct hpke *h, uint8_t enc[HPKE_KEY_BYTES])
{
    uint8_t dh[HPKE_KEY_BYTES];
    EVP_PKEY *ephemeral = NULL;
    size_t len = HPKE_KEY_BYTES;
    hpke_forget(h);
    bool done = EVP_PKEY_keygen(h->generator, &ephemeral) == 1 && EVP_PKEY_get_raw_public_key(ephemeral, h->enc, &len) == 1 &&
                diffie_hellman(ephemeral, h->key, dh) && schedule(h, dh, h->enc, &h->messages);
    EVP_PKEY_free(ephemeral);
    if (done) memcpy(enc, h->enc, HPKE_KEY_BYTES);
    return begun(h, done, dh);
}

bool hpke_receive(struct hpke *h, const uint8_t enc[HPKE_KEY_BYTES])
{
    uint8_t dh[HPKE_KEY_BYTES];
    if (h->ready && memcmp(h->enc, enc, HPKE_KEY_BYTES) == 0) return true;
    hpke_forget(h);
    memcpy(h->enc, enc, HPKE_KEY_BYTES);
    EVP_PKEY *sender = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, enc, HPKE_KEY_BYTES);
    bool done = sender != NULL && diffie_hellman(h->key, sender, dh) && schedule(h, dh, enc, &h->messages);
    EVP_PKEY_free(sender);
    return begun(h, done, dh);
}

uint64_t hpke_sequence(const struct hpke *h) { return h->sequence; }

/* --- Messages --------------------------------------------------------------------------------------------------------- */

static void nonce_of(const struct hpke *h, uint64_t sequence, uint8_t nonce[NONCE_BYTES])
{
    memcpy(nonce, h->messages.nonce, NONCE_BYTES);
    for (size_t i = 0; i < sizeof sequence; i++) nonce[NONCE_BYTES - 1 - i] ^= (uint8_t)(sequence >> 8 * i);
}

bool hpke_seal(struct hpke *h, struct slice associated, struct slice text, uint8_t *sealed)
{
    CHECK(h->ready && text.len <= HPKE_MAX_TEXT && associated.len <= HPKE_MAX_TEXT);
    EVP_CIPHER_CTX *c = h->cipher_context;
    uint8_t nonce[NONCE_BYTES];
    int len = 0;
    if (h->sequence == UINT64_MAX) return false;
    nonce_of(h, h->sequence++, nonce);   /* no number twice, also when it fails */
    bool done = EVP_EncryptInit_ex2(c, h->cipher, h->messages.key, nonce, NULL) == 1 &&
                EVP_EncryptUpdate(c, NULL, &len, (const uint8_t *)associated.data, (int)associated.len) == 1 &&
                EVP_EncryptUpdate(c, sealed, &len, (const uint8_t *)text.data, (int)text.len) == 1 &&
                EVP_EncryptFinal_ex(c, sealed + text.len, &len) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, HPKE_TAG_BYTES, sealed + text.len) == 1;
    if (!done) ERR_clear_error();
    return done;
}

bool hpke_open(struct hpke *h, uint64_t sequence, struct slice associated, struct slice sealed, uint8_t *text)
{
    CHECK(h->ready);
    EVP_CIPHER_CTX *c = h->cipher_context;
    uint8_t nonce[NONCE_BYTES];
    int len = 0;
    if (sealed.len < HPKE_TAG_BYTES || sealed.len > HPKE_MAX_TEXT + HPKE_TAG_BYTES || associated.len > HPKE_MAX_TEXT)
        return false;
    size_t text_len = sealed.len - HPKE_TAG_BYTES;
    void *tag = (void *)(uintptr_t)(sealed.data + text_len);   /* the library does not write to it */
    nonce_of(h, sequence, nonce);
    bool done = EVP_DecryptInit_ex2(c, h->cipher, h->messages.key, nonce, NULL) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, HPKE_TAG_BYTES, tag) == 1 &&
                EVP_DecryptUpdate(c, NULL, &len, (const uint8_t *)associated.data, (int)associated.len) == 1 &&
                EVP_DecryptUpdate(c, text, &len, (const uint8_t *)sealed.data, (int)text_len) == 1 &&
                EVP_DecryptFinal_ex(c, text + text_len, &len) == 1;
    if (!done) ERR_clear_error();
    return done;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

static bool fetch(struct hpke *h)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    h->kdf = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    h->generator = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    h->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    h->cipher_context = EVP_CIPHER_CTX_new();
    return h->kdf != NULL && h->cipher != NULL && h->cipher_context != NULL && h->generator != NULL &&
           EVP_PKEY_keygen_init(h->generator) == 1;
}

struct hpke *hpke_new(EVP_PKEY *key, struct slice info)
{
    struct hpke *h = calloc(1, sizeof *h);
    size_t len = HPKE_KEY_BYTES;
    if (h == NULL) return NULL;
    if (EVP_PKEY_up_ref(key) == 1) h->key = key;
    if (h->key != NULL && EVP_PKEY_get_raw_public_key(key, h->recipient, &len) == 1 && len == HPKE_KEY_BYTES && fetch(h) &&
        make_context(h, info))
        return h;
    ERR_clear_error();
    hpke_free(h);
    return NULL;
}

void hpke_free(struct hpke *h)
{
    if (h == NULL) return;
    hpke_forget(h);
    EVP_PKEY_free(h->key);
    EVP_KDF_CTX_free(h->kdf);
    EVP_PKEY_CTX_free(h->generator);
    EVP_CIPHER_free(h->cipher);
    EVP_CIPHER_CTX_free(h->cipher_context);
    free(h);
}
