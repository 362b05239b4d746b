/* See cryptopan.h. All blocks of an address are known beforehand (they depend on the original bits only), so they are
 * encrypted in one call: a call costs more than the blocks. */
#include "redaction/cryptopan.h"

#include <openssl/crypto.h>
#include <string.h>

bool cryptopan_init(struct cryptopan *pan, const uint8_t key[CRYPTOPAN_KEY_SIZE])
{
    int written = 0;
    pan->cipher = EVP_CIPHER_CTX_new();
    if (pan->cipher != NULL && EVP_EncryptInit_ex(pan->cipher, EVP_aes_128_ecb(), NULL, key, NULL) &&
        EVP_CIPHER_CTX_set_padding(pan->cipher, 0) &&
        EVP_EncryptUpdate(pan->cipher, pan->pad, &written, key + CRYPTOPAN_BLOCK, CRYPTOPAN_BLOCK) &&
        written == CRYPTOPAN_BLOCK)
        return true;
    cryptopan_release(pan);
    return false;
}

void cryptopan_release(struct cryptopan *pan)
{
    EVP_CIPHER_CTX_free(pan->cipher);
    pan->cipher = NULL;
    OPENSSL_cleanse(pan->pad, sizeof pan->pad);
}

static uint8_t bit_mask(size_t bit) { return (uint8_t)(0x80 >> (bit % 8)); }

void cryptopan_map(struct cryptopan *pan, uint8_t *address, size_t size)
{
    uint8_t blocks[8 * CRYPTOPAN_BLOCK * CRYPTOPAN_BLOCK], prefix[CRYPTOPAN_BLOCK];
    size_t  bits = 8 * size;
    int     written = 0;
    CHECK(size <= CRYPTOPAN_BLOCK);

    memcpy(prefix, pan->pad, sizeof prefix);
    for (size_t i = 0; i < bits; i++) {
        memcpy(blocks + i * CRYPTOPAN_BLOCK, prefix, CRYPTOPAN_BLOCK);
        prefix[i / 8] = (uint8_t)((prefix[i / 8] & ~bit_mask(i)) | (address[i / 8] & bit_mask(i)));
    }
    int length = (int)(bits * CRYPTOPAN_BLOCK);
    CHECK(EVP_EncryptUpdate(pan->cipher, blocks, &written, blocks, length) && written == length);
    for (size_t i = 0; i < bits; i++)
        if (blocks[i * CRYPTOPAN_BLOCK] & 0x80) address[i / 8] ^= bit_mask(i);
}
