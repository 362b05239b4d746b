/* The key of the store. A key file holds 32 bytes: as they are, in hex, or in base64, and a line feed at most.
 *
 * Blocks are sealed with keys of an epoch, HKDF(master, epoch), and nonces that count from 1: a random nonce for each of
 * very many blocks under one key could turn up twice. Sources: RFC 5869 (HKDF), NIST SP 800-38D section 8.2.1 (nonces). */
#include "store_priv.h"

#include "redaction/key_file.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <sys/mman.h>

#define HEX_DIGITS     (2 * KEY_BYTES)
#define BASE64_DIGITS  44

/* --- The file ------------------------------------------------------------------------------------------------------------ */

static bool from_hex(const uint8_t *text, uint8_t key[KEY_BYTES])
{
    for (size_t i = 0; i < KEY_BYTES; i++) {
        int high = ascii_hex_digit((char)text[2 * i]), low = ascii_hex_digit((char)text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool from_base64(const uint8_t *text, uint8_t key[KEY_BYTES])
{
    uint8_t decoded[BASE64_DIGITS / 4 * 3];   /* padding is decoded as a zero byte */
    bool    good = text[BASE64_DIGITS - 1] == '=' && text[BASE64_DIGITS - 2] != '=' &&
                EVP_DecodeBlock(decoded, text, BASE64_DIGITS) == (int)sizeof decoded && decoded[KEY_BYTES] == 0;
    if (good) memcpy(key, decoded, KEY_BYTES);
    OPENSSL_cleanse(decoded, sizeof decoded);
    return good;
}

static bool parse(const uint8_t *text, size_t len, uint8_t key[KEY_BYTES])
{
    if (len == KEY_BYTES) {
        memcpy(key, text, KEY_BYTES);
        return true;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
    return (len == HEX_DIGITS && from_hex(text, key)) || (len == BASE64_DIGITS && from_base64(text, key));
}

/* --- Deriving ------------------------------------------------------------------------------------------------------------- */

static bool derive(const struct store_keys *keys, struct slice salt, struct slice info, uint8_t *out, size_t len)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)keys->master, KEY_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.data, salt.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.data, info.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF     *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    bool         good = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

bool store_epoch_key(const struct store_keys *keys, const uint8_t epoch[EPOCH_BYTES], uint8_t key[KEY_BYTES])
{
    return derive(keys, slice_of((const char *)epoch, EPOCH_BYTES), SLICE("lethe store: blocks of an epoch"), key, KEY_BYTES);
}

/* --- Keys ----------------------------------------------------------------------------------------------------------------- */

static bool load(struct store_keys *keys, const char *path, struct error *err)
{
    char  *text = malloc(KEY_FILE_MAX + 1);
    size_t len = 0;
    CHECK(text != NULL);
    bool good = key_file_read(path, text, &len, err);
    if (good && !parse((const uint8_t *)text, len, keys->master))
        good = error_set(err, ERROR_USAGE, "key file '%s' does not hold %d bytes, as they are, in hex or in base64: "
                         "make one with 'openssl rand -base64 %d'", path, KEY_BYTES, KEY_BYTES);
    OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    return good;
}

/* The id fits into SQLite's integers and is never 0. */
static bool begin_epoch(struct store_keys *keys)
{
    if (RAND_bytes(keys->epoch, EPOCH_BYTES) != 1) return false;
    uint8_t id[sizeof keys->id];
    if (!derive(keys, SLICE("lethe store"), SLICE("lethe store: id of the key"), id, sizeof id)) return false;
    for (size_t i = 0; i < sizeof id; i++) keys->id = keys->id << 8 | id[i];
    keys->id = (keys->id >> 2) | 1;
    return store_epoch_key(keys, keys->epoch, keys->epoch_key);
}

struct store_keys *store_keys_new(const char *key_file, struct error *err)
{
    struct store_keys *keys = mmap(NULL, sizeof *keys, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (keys == MAP_FAILED) {
        error_set_errno(err, ERROR_MEMORY, "cannot get memory for the key of the store");
        return NULL;
    }
    /* Both only narrow where the key could turn up; RLIMIT_MEMLOCK or an old kernel may refuse them. */
    (void)mlock(keys, sizeof *keys);
    (void)madvise(keys, sizeof *keys, MADV_DONTDUMP);
    if (key_file == NULL || (load(keys, key_file, err) && (begin_epoch(keys) ||
        error_set(err, ERROR_INPUT, "cannot derive keys from key file '%s'", key_file)))) return keys;
    store_keys_free(keys);
    return NULL;
}

void store_keys_free(struct store_keys *keys)
{
    if (keys == NULL) return;
    OPENSSL_cleanse(keys, sizeof *keys);
    munmap(keys, sizeof *keys);
}
