/* A block as it is kept:
 *
 *     offset  bytes
 *          0      4   "LTB1"
 *          4      4   flags: PACKED, SEALED
 *          8      8   records
 *         16      8   length, unpacked
 *         24      8   length of what follows the header
 *         32     16   epoch; zeros when not sealed
 *         48      8   nonce in that epoch; 0 when not sealed
 *         56      8   id of the key; 0 when not sealed
 *         64     16   sealed: tag of AES-256-GCM. Otherwise the first half of SHA-256 over what the tag would cover
 *         80          the bytes: deflate (RFC 1951) when PACKED, then encrypted when SEALED
 *
 * Numbers are little endian. Tag and sum cover the block's number, the first 64 bytes of the header and the bytes, so that
 * a block under another number is found out. */
#include "store_priv.h"

#include <endian.h>
#include <isa-l/igzip_lib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define MAGIC        "LTB1"
#define FLAG_PACKED  1u
#define FLAG_SEALED  2u
#define CHECKED      64                    /* bytes of the header that tag and sum cover */
#define HEADER_BYTES (CHECKED + SUM_BYTES)
#define BLOCK_MAX    (512u * 1024 * 1024)  /* bytes of a block, unpacked; SQLite takes at most 10^9 in a row */
#define BUFFER_KEPT  (4 * 1024 * 1024)     /* bytes of a packer's buffer between commits */
#define NONCE_BYTES  12

struct packer {
    struct isal_zstream stream;
    uint8_t             level_buffer[ISAL_DEF_LVL1_DEFAULT];
    uint8_t            *bytes;   /* header and what follows it */
    size_t              capacity;
};

struct header {
    uint32_t       flags;
    uint64_t       records, len, packed_len, nonce, key_id;
    const uint8_t *epoch;   /* NULL: zeros */
};

/* --- The header ----------------------------------------------------------------------------------------------------------- */

static void put(uint8_t *at, uint64_t number)
{
    number = htole64(number);
    memcpy(at, &number, sizeof number);
}

static uint64_t get(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return le64toh(number);
}

static void write_header(uint8_t *at, const struct header *h)
{
    uint32_t flags = htole32(h->flags);
    memset(at, 0, HEADER_BYTES);
    memcpy(at, MAGIC, 4);
    memcpy(at + 4, &flags, sizeof flags);
    put(at + 8, h->records);
    put(at + 16, h->len);
    put(at + 24, h->packed_len);
    if (h->epoch != NULL) memcpy(at + 32, h->epoch, EPOCH_BYTES);
    put(at + 48, h->nonce);
    put(at + 56, h->key_id);
}

/* Only what is needed to go on to the check: nothing in it is to be trusted. False: certainly not a block. */
static bool read_header(struct slice packed, struct header *h)
{
    const uint8_t *at = (const uint8_t *)packed.data;
    uint32_t       flags;
    if (packed.len < HEADER_BYTES || memcmp(at, MAGIC, 4) != 0) return false;
    memcpy(&flags, at + 4, sizeof flags);
    *h = (struct header){.flags = le32toh(flags), .records = get(at + 8), .len = get(at + 16), .packed_len = get(at + 24),
                         .epoch = at + 32, .nonce = get(at + 48), .key_id = get(at + 56)};
    return (h->flags & ~(FLAG_PACKED | FLAG_SEALED)) == 0 && h->len <= BLOCK_MAX && h->packed_len == packed.len - HEADER_BYTES &&
           ((h->flags & FLAG_PACKED) != 0 || h->packed_len == h->len);
}

uint64_t block_key_id(struct slice packed)
{
    struct header h;
    return read_header(packed, &h) && (h.flags & FLAG_SEALED) != 0 ? h.key_id : 0;
}

/* --- Sums and seals ------------------------------------------------------------------------------------------------------- */

static void first_half(EVP_MD_CTX *ctx, uint8_t sum[SUM_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    CHECK(EVP_DigestFinal_ex(ctx, digest, NULL) == 1);
    EVP_MD_CTX_free(ctx);
    memcpy(sum, digest, SUM_BYTES);
}

static EVP_MD_CTX *sum_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    return ctx;
}

static void block_sum(uint64_t seq, const uint8_t *header, size_t packed_len, uint8_t sum[SUM_BYTES])
{
    EVP_MD_CTX *ctx = sum_new();
    uint8_t     number[8];
    put(number, seq);
    CHECK(EVP_DigestUpdate(ctx, number, sizeof number) == 1 && EVP_DigestUpdate(ctx, header, CHECKED) == 1 &&
          EVP_DigestUpdate(ctx, header + HEADER_BYTES, packed_len) == 1);
    first_half(ctx, sum);
}

void row_sum(char kind, const struct slice *parts, size_t count, uint8_t sum[SUM_BYTES])
{
    EVP_MD_CTX *ctx = sum_new();
    CHECK(EVP_DigestUpdate(ctx, &kind, 1) == 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t len[8];
        put(len, parts[i].len);
        CHECK(EVP_DigestUpdate(ctx, len, sizeof len) == 1 && EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1);
    }
    first_half(ctx, sum);
}

/* Ready for the bytes themselves; NULL: no memory. */
static EVP_CIPHER_CTX *cipher_new(bool encrypt, const uint8_t key[KEY_BYTES], uint64_t seq, const uint8_t *header)
{
    uint8_t         nonce[NONCE_BYTES] = {0}, number[8];
    int             len;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    memcpy(nonce + NONCE_BYTES - 8, header + 48, 8);
    put(number, seq);
    if (ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &len, number, sizeof number) == 1 && EVP_CipherUpdate(ctx, NULL, &len, header, CHECKED) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

static bool seal(const struct store_keys *keys, uint64_t seq, uint8_t *header, size_t packed_len)
{
    int             len;
    EVP_CIPHER_CTX *ctx = cipher_new(true, keys->epoch_key, seq, header);
    uint8_t        *bytes = header + HEADER_BYTES;
    bool            good = ctx != NULL && EVP_CipherUpdate(ctx, bytes, &len, bytes, (int)packed_len) == 1 &&
                EVP_CipherFinal_ex(ctx, bytes + len, &len) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SUM_BYTES, header + CHECKED) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

/* Into `plain`, which has room for packed_len bytes. */
static enum block_state unseal(const struct store_keys *keys, uint64_t seq, const uint8_t *header, size_t packed_len,
                               uint8_t *plain)
{
    uint8_t key[KEY_BYTES], tag[SUM_BYTES];
    int     len;
    if (!store_epoch_key(keys, header + 32, key)) return BLOCK_NO_MEMORY;
    EVP_CIPHER_CTX *ctx = cipher_new(false, key, seq, header);
    OPENSSL_cleanse(key, sizeof key);
    if (ctx == NULL) return BLOCK_NO_MEMORY;
    memcpy(tag, header + CHECKED, SUM_BYTES);
    bool good = EVP_CipherUpdate(ctx, plain, &len, header + HEADER_BYTES, (int)packed_len) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SUM_BYTES, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, plain + len, &len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return good ? BLOCK_GOOD : BLOCK_BAD;
}

/* --- Packing -------------------------------------------------------------------------------------------------------------- */

struct packer *packer_new(void)
{
    struct packer *p = malloc(sizeof *p);
    if (p == NULL) return NULL;
    p->bytes = NULL;
    p->capacity = 0;
    isal_deflate_init(&p->stream);
    p->stream.level = 1;
    p->stream.level_buf = p->level_buffer;
    p->stream.level_buf_size = sizeof p->level_buffer;
    return p;
}

void packer_free(struct packer *p)
{
    if (p == NULL) return;
    free(p->bytes);
    free(p);
}

void packer_shrink(struct packer *p)
{
    if (p->capacity <= BUFFER_KEPT) return;
    free(p->bytes);
    p->bytes = NULL;
    p->capacity = 0;
}

static bool make_room(struct packer *p, size_t bytes)
{
    if (p->capacity >= bytes) return true;
    free(p->bytes);
    p->bytes = malloc(bytes);
    p->capacity = p->bytes != NULL ? bytes : 0;
    return p->bytes != NULL;
}

static size_t length(const struct store_block *block)
{
    size_t len = 0;
    for (size_t i = 0; i < sizeof block->pieces / sizeof *block->pieces; i++) len += block->pieces[i].len;
    return len;
}

/* Into `room` bytes; how many it took, or 0: it does not fit, so packing would not pay. */
static size_t deflate(struct packer *p, const struct store_block *block, uint8_t *out, size_t room)
{
    struct isal_zstream *stream = &p->stream;
    size_t               count = sizeof block->pieces / sizeof *block->pieces;
    isal_deflate_reset(stream);
    stream->gzip_flag = IGZIP_DEFLATE;
    stream->flush = NO_FLUSH;
    stream->end_of_stream = 0;
    stream->next_out = out;
    stream->avail_out = (uint32_t)room;
    for (size_t i = 0; i < count; i++) {
        stream->next_in = (uint8_t *)(uintptr_t)block->pieces[i].data;   /* the library does not write to it */
        stream->avail_in = (uint32_t)block->pieces[i].len;
        stream->end_of_stream = i + 1 == count;
        do {
            CHECK(isal_deflate(stream) == COMP_OK);
            if (stream->avail_out == 0) return 0;
        } while (stream->avail_in > 0);
    }
    while (stream->internal_state.state != ZSTATE_END) {
        CHECK(isal_deflate(stream) == COMP_OK);
        if (stream->avail_out == 0) return 0;
    }
    return room - stream->avail_out;
}

static void copy_pieces(const struct store_block *block, uint8_t *out)
{
    for (size_t i = 0; i < sizeof block->pieces / sizeof *block->pieces; i++) {
        if (block->pieces[i].len > 0) memcpy(out, block->pieces[i].data, block->pieces[i].len);
        out += block->pieces[i].len;
    }
}

bool block_pack(struct packer *p, struct store_keys *keys, const struct store_block *block, struct slice *packed)
{
    size_t len = length(block);
    CHECK(len <= BLOCK_MAX);
    if (!make_room(p, HEADER_BYTES + len)) return false;
    uint8_t      *header = p->bytes, *bytes = p->bytes + HEADER_BYTES;
    struct header h = {.flags = FLAG_PACKED, .records = block->records, .len = len, .packed_len = deflate(p, block, bytes, len)};
    if (h.packed_len == 0) {
        h.flags = 0;
        h.packed_len = len;
        copy_pieces(block, bytes);
    }
    if (keys->id != 0) {
        h.flags |= FLAG_SEALED;
        h.epoch = keys->epoch;
        h.nonce = ++keys->counter;
        h.key_id = keys->id;
    }
    write_header(header, &h);
    if (keys->id == 0) block_sum(block->seq, header, h.packed_len, header + CHECKED);
    else if (!seal(keys, block->seq, header, h.packed_len)) return false;
    *packed = slice_of((const char *)header, HEADER_BYTES + h.packed_len);
    return true;
}

/* --- Unpacking ------------------------------------------------------------------------------------------------------------ */

/* From the bytes as they were before they were sealed. */
static enum block_state inflate(const struct header *h, const uint8_t *bytes, uint8_t *out)
{
    if ((h->flags & FLAG_PACKED) == 0) {
        memcpy(out, bytes, h->len);
        return BLOCK_GOOD;
    }
    struct inflate_state *state = malloc(sizeof *state);
    if (state == NULL) return BLOCK_NO_MEMORY;
    isal_inflate_init(state);
    state->next_in = (uint8_t *)(uintptr_t)bytes;   /* the library does not write to it */
    state->avail_in = (uint32_t)h->packed_len;
    state->next_out = out;
    state->avail_out = (uint32_t)h->len;
    bool good = isal_inflate_stateless(state) == ISAL_DECOMP_OK && state->avail_out == 0;
    free(state);
    return good ? BLOCK_GOOD : BLOCK_BAD;
}

static enum block_state unpack(const struct header *h, const uint8_t *bytes, char **data, size_t *len)
{
    uint8_t *out = malloc(h->len + 1);
    if (out == NULL) return BLOCK_NO_MEMORY;
    enum block_state state = inflate(h, bytes, out);
    if (state == BLOCK_GOOD) {
        *data = (char *)out;
        *len = h->len;
    } else {
        free(out);
    }
    return state;
}

static enum block_state unpack_sealed(const struct store_keys *keys, uint64_t seq, const uint8_t *header, const struct header *h,
                                      char **data, size_t *len)
{
    if (keys->id == 0 || h->key_id != keys->id) return BLOCK_LOCKED;
    uint8_t *bytes = malloc(h->packed_len + 1);
    if (bytes == NULL) return BLOCK_NO_MEMORY;
    enum block_state state = unseal(keys, seq, header, h->packed_len, bytes);
    if (state == BLOCK_GOOD) state = unpack(h, bytes, data, len);
    free(bytes);
    return state;
}

enum block_state block_unpack(const struct store_keys *keys, uint64_t seq, struct slice packed, char **data, size_t *len)
{
    struct header  h;
    const uint8_t *header = (const uint8_t *)packed.data;
    if (!read_header(packed, &h)) return BLOCK_BAD;
    if ((h.flags & FLAG_SEALED) != 0) return unpack_sealed(keys, seq, header, &h, data, len);
    uint8_t sum[SUM_BYTES];
    block_sum(seq, header, h.packed_len, sum);
    if (memcmp(sum, header + CHECKED, SUM_BYTES) != 0) return BLOCK_BAD;
    return unpack(&h, header + HEADER_BYTES, data, len);
}
