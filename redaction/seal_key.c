/* Keys for sealing: X25519 in PEM files, PKCS #8 for private and SubjectPublicKeyInfo for public ones (RFC 8410). */
#include "redaction/seal_priv.h"

#include "redaction/key_file.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

bool seal_key_of(EVP_PKEY *pkey, struct seal_key *key)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[32];
    size_t len = sizeof key->bytes;
    if (EVP_PKEY_get_raw_public_key(pkey, key->bytes, &len) != 1 || len != sizeof key->bytes ||
        EVP_Digest(key->bytes, len, hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (size_t i = 0; i < SEAL_ID_LENGTH; i++) key->id[i] = digits[i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4];
    key->id[SEAL_ID_LENGTH] = '\0';
    return true;
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

/* Asking for a pass phrase would wait for a terminal; there is none. */
static int no_pass_phrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static EVP_PKEY *parse_pem(const char *text, size_t len, bool private)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    EVP_PKEY *pkey = NULL;
    if (bio != NULL)
        pkey = private ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return pkey;
}

EVP_PKEY *seal_key_parse(const char *path, const char *text, size_t len, bool private, struct error *err)
{
    const char *what = private ? "private" : "public";
    EVP_PKEY *pkey = parse_pem(text, len, private);
    if (pkey != NULL && EVP_PKEY_is_a(pkey, "X25519")) return pkey;
    if (pkey != NULL) error_set(err, ERROR_USAGE, "key file '%s' is no X25519 key; lethe keygen --seal makes one", path);
    else if (strstr(text, "ENCRYPTED PRIVATE KEY") != NULL)
        error_set(err, ERROR_USAGE, "key file '%s' has a pass phrase; take it off with openssl pkey, in a private folder", path);
    else if (private ? strstr(text, "BEGIN PUBLIC KEY") != NULL : strstr(text, "BEGIN PRIVATE KEY") != NULL)
        error_set(err, ERROR_USAGE, "key file '%s' is not the %s key but the other one of the pair", path, what);
    else error_set(err, ERROR_USAGE, "key file '%s' holds no %s key in PEM", path, what);
    EVP_PKEY_free(pkey);
    return NULL;
}

bool seal_key_load(const char *path, struct seal_key *key, struct error *err)
{
    size_t len;
    char *text = malloc(KEY_FILE_MAX + 1);
    if (text == NULL) return error_set(err, ERROR_MEMORY, "no memory to read key file '%s'", path);
    EVP_PKEY *pkey = key_file_read_public(path, text, &len, err) ? seal_key_parse(path, text, len, false, err) : NULL;
    OPENSSL_cleanse(text, KEY_FILE_MAX + 1);   /* it may have been the private one, by mistake */
    free(text);
    bool good = pkey != NULL && (seal_key_of(pkey, key) || error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path));
    EVP_PKEY_free(pkey);
    return good;
}

/* --- Making ----------------------------------------------------------------------------------------------------------- */

/* The key as PEM; *text is of size KEY_FILE_MAX + 1. */
static bool print_pem(EVP_PKEY *pkey, bool private, char *text)
{
    BIO *bio = BIO_new(private ? BIO_s_secmem() : BIO_s_mem());
    bool printed = bio != NULL && (private ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                           : PEM_write_bio_PUBKEY(bio, pkey)) == 1;
    int len = printed ? BIO_read(bio, text, KEY_FILE_MAX) : 0;
    BIO_free(bio);
    ERR_clear_error();
    if (len > 0) text[len] = '\0';
    return len > 0;
}

static bool store(EVP_PKEY *pkey, const char *path, const char *public_path, char *text, struct error *err)
{
    if (access(public_path, F_OK) == 0)
        return error_set(err, ERROR_USAGE, "'%s' already exists; key files are never overwritten", public_path);
    if (!print_pem(pkey, true, text)) return error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    if (!key_file_create(path, text, 0600, err)) return false;
    bool stored = print_pem(pkey, false, text) || error_set(err, ERROR_MEMORY, "no memory for key file '%s'", public_path);
    stored = stored && key_file_create(public_path, text, 0644, err);
    if (!stored) unlink(path);
    return stored;
}

bool seal_key_generate(const char *path, struct error *err)
{
    char *public_path = NULL, *text = malloc(KEY_FILE_MAX + 1);
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    bool named = asprintf(&public_path, "%s.pub", path) >= 0;
    bool done = named && text != NULL && pkey != NULL;
    if (!done) error_set(err, ERROR_MEMORY, "no memory for key file '%s'", path);
    done = done && store(pkey, path, public_path, text, err);
    if (text != NULL) OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    if (named) free(public_path);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return done;
}
