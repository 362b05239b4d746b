/* See pseudonym.h.
 *
 * Telemetry names the same runs and people over and over, so each pseudonymiser remembers what it made last, in a
 * direct-mapped table. A slot holds the value itself and is used only if all of it is equal: a collision of the hash
 * costs time, never a wrong pseudonym. */
#include "redaction/pseudonym.h"

#include "redaction/cryptopan.h"
#include "redaction/keyring.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>

#define NAME_CHARS   16
#define CHECK_CHARS  10
#define CODE_CHARS   (NAME_CHARS + CHECK_CHARS)
#define CACHE_SLOTS  1024   /* a power of two */
#define CACHED_VALUE 100    /* bytes; with it a slot fills two cache lines */

_Static_assert(CRYPTOPAN_KEY_SIZE == SHA256_DIGEST_LENGTH, "an HMAC is a Crypto-PAn key");
_Static_assert(INET6_ADDRSTRLEN <= PSEUDONYM_MAX, "an address fits");

struct cache_slot {
    uint8_t used, kind;   /* used: length of the value + 1, or 0 */
    char    code[CODE_CHARS];
    char    value[CACHED_VALUE];
};

struct pseudonymiser {
    const struct keyring *keyring;
    struct cryptopan      v4, v6;
    struct cache_slot     cache[CACHE_SLOTS];
};

/* Also the domains of the HMAC; "check", "fingerprint" and "crypto-pan" are taken and can be no kind. */
static const char *const kinds[PSEUDONYM_COUNT] = {
#define PSEUDONYM(id, text) [PSEUDONYM_##id] = text,
#include "redaction/pseudonym_kinds.def"
};

/* --- Life ------------------------------------------------------------------------------------------------------------- */

/* The two families have keys of their own: with one key, the first half of every IPv6 pseudonym would tell how the IPv4
 * address of the same bits is mapped. */
static bool init_addresses(struct cryptopan *pan, const struct hmac_key *hmac, struct slice family)
{
    uint8_t key[SHA256_DIGEST_LENGTH];
    hmac_compute(hmac, "crypto-pan", family, key);
    bool done = cryptopan_init(pan, key);
    OPENSSL_cleanse(key, sizeof key);
    return done;
}

struct pseudonymiser *pseudonymiser_new(const struct keyring *keyring)
{
    struct pseudonymiser *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    p->keyring = keyring;
    const struct hmac_key *hmac = &keyring->keys[keyring->writer].hmac;
    if (init_addresses(&p->v4, hmac, SLICE("ipv4")) && init_addresses(&p->v6, hmac, SLICE("ipv6"))) return p;
    pseudonymiser_free(p);
    return NULL;
}

void pseudonymiser_free(struct pseudonymiser *p)
{
    if (p == NULL) return;
    cryptopan_release(&p->v4);
    cryptopan_release(&p->v6);
    OPENSSL_cleanse(p, sizeof *p);
    free(p);
}

/* --- Making ----------------------------------------------------------------------------------------------------------- */

/* Base 32 of the first `chars` * 5 bits. */
static void encode(const uint8_t *bytes, size_t chars, char *out)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < chars; i++) {
        if (held < 5) {
            bits = bits << 8 | *bytes++;
            held += 8;
        }
        held -= 5;
        out[i] = alphabet[bits >> held & 31];
    }
}

static void write_check(const struct hmac_key *hmac, struct slice before, char out[CHECK_CHARS])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hmac_compute(hmac, "check", before, digest);
    encode(digest, CHECK_CHARS, out);
}

void pseudonym_fingerprint(struct pseudonymiser *p, struct slice secret, char out[FINGERPRINT_CHARS])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hmac_compute(&p->keyring->keys[p->keyring->writer].hmac, "fingerprint", secret, digest);
    encode(digest, FINGERPRINT_CHARS, out);
}

static size_t write_head(enum pseudonym_kind kind, const char *key_id, char *out)
{
    size_t len = strlen(kinds[kind]);
    memcpy(out, kinds[kind], len);
    out[len++] = '-';
    memcpy(out + len, key_id, KEY_ID_LENGTH);
    len += KEY_ID_LENGTH;
    out[len++] = '-';
    return len;
}

static uint64_t hash_step(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static struct cache_slot *cache_slot(struct pseudonymiser *p, enum pseudonym_kind kind, struct slice value)
{
    uint64_t hash = value.len << 8 | (uint64_t)kind, word;
    size_t   i = 0;
    for (; i + sizeof word <= value.len; i += sizeof word) {
        memcpy(&word, value.data + i, sizeof word);
        hash = hash_step(hash, word);
    }
    for (word = 0; i < value.len; i++) word = word << 8 | (uint8_t)value.data[i];
    return &p->cache[hash_step(hash, word) % CACHE_SLOTS];
}

static bool cache_holds(const struct cache_slot *slot, enum pseudonym_kind kind, struct slice value)
{
    return slot->used == value.len + 1 && slot->kind == kind &&
           (value.len == 0 || memcmp(slot->value, value.data, value.len) == 0);
}

static void cache_fill(struct cache_slot *slot, enum pseudonym_kind kind, struct slice value, const char *code)
{
    CHECK(value.len <= CACHED_VALUE);
    slot->used = (uint8_t)(value.len + 1);
    slot->kind = (uint8_t)kind;
    memcpy(slot->code, code, CODE_CHARS);
    if (value.len > 0) memcpy(slot->value, value.data, value.len);
}

size_t pseudonym_write(struct pseudonymiser *p, enum pseudonym_kind kind, struct slice value, char out[PSEUDONYM_MAX])
{
    const struct keyring_key *key = &p->keyring->keys[p->keyring->writer];
    CHECK(kind < PSEUDONYM_COUNT);
    size_t head = write_head(kind, key->id, out);
    struct cache_slot *slot = value.len <= CACHED_VALUE ? cache_slot(p, kind, value) : NULL;

    if (slot != NULL && cache_holds(slot, kind, value)) {
        memcpy(out + head, slot->code, CODE_CHARS);
        return head + CODE_CHARS;
    }
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hmac_compute(&key->hmac, kinds[kind], value, digest);
    encode(digest, NAME_CHARS, out + head);
    write_check(&key->hmac, slice_of(out, head + NAME_CHARS), out + head + NAME_CHARS);
    if (slot != NULL) cache_fill(slot, kind, value, out + head);
    return head + CODE_CHARS;
}

/* --- Knowing again ---------------------------------------------------------------------------------------------------- */

/* Length of "<kind>-" at the start of text, or 0. */
static size_t kind_at_start(struct slice text)
{
    for (size_t kind = 0; kind < PSEUDONYM_COUNT; kind++) {
        if (text.len == 0 || text.data[0] != kinds[kind][0]) continue;
        size_t len = strlen(kinds[kind]);
        if (text.len > len && text.data[len] == '-' && memcmp(text.data, kinds[kind], len) == 0) return len + 1;
    }
    return 0;
}

static const struct keyring_key *find_key(const struct keyring *keyring, const char *id)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (memcmp(keyring->keys[i].id, id, KEY_ID_LENGTH) == 0) return &keyring->keys[i];
    return NULL;
}

static bool goes_on(char c) { return ascii_is_alnum(c) || c == '-' || c == '_'; }

size_t pseudonym_at_start(struct pseudonymiser *p, struct slice text)
{
    size_t kind = kind_at_start(text);
    size_t before = kind + KEY_ID_LENGTH + 1 + NAME_CHARS, len = before + CHECK_CHARS;
    if (kind == 0 || text.len < len || text.data[kind + KEY_ID_LENGTH] != '-') return 0;
    if (text.len > len && goes_on(text.data[len])) return 0;
    const struct keyring_key *key = find_key(p->keyring, text.data + kind);
    if (key == NULL) return 0;

    char expected[CHECK_CHARS];
    write_check(&key->hmac, slice_sub(text, 0, before), expected);
    return CRYPTO_memcmp(expected, text.data + before, CHECK_CHARS) == 0 ? len : 0;
}

bool pseudonym_is_ours(struct pseudonymiser *p, struct slice text)
{
    return text.len > 0 && pseudonym_at_start(p, text) == text.len;
}

/* --- Addresses -------------------------------------------------------------------------------------------------------- */

size_t pseudonym_write_ip(struct pseudonymiser *p, struct slice value, char out[PSEUDONYM_MAX])
{
    static const uint8_t unspecified[sizeof(struct in6_addr)];
    char    text[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(struct in6_addr)];

    if (value.len == 0 || value.len >= sizeof text || memchr(value.data, '\0', value.len) != NULL) return 0;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';

    int family = memchr(value.data, ':', value.len) != NULL ? AF_INET6 : AF_INET;
    size_t size = family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
    if (inet_pton(family, text, address) != 1) return 0;
    if (memcmp(address, unspecified, size) == 0) {
        memcpy(out, value.data, value.len);
        return value.len;
    }
    cryptopan_map(family == AF_INET6 ? &p->v6 : &p->v4, address, size);
    CHECK(inet_ntop(family, address, out, PSEUDONYM_MAX) != NULL);
    return strlen(out);
}
