#include "net/base64.h"

#include <openssl/evp.h>

static size_t padding(struct slice s)
{
    size_t count = 0;
    while (count < 2 && count < s.len && s.data[s.len - 1 - count] == '=') count++;
    return count;
}

bool base64_is(struct slice s)
{
    if (s.len == 0 || s.len % 4 != 0) return false;
    for (size_t i = 0; i < s.len - padding(s); i++)
        if (!ascii_is_alnum(s.data[i]) && s.data[i] != '+' && s.data[i] != '/') return false;
    return true;
}

/* The library decodes padding as zeros, and wants room for them. */
bool base64_read(struct slice s, unsigned char *out, size_t room, size_t *len)
{
    if (!base64_is(s) || s.len / 4 * 3 > room || s.len > INT32_MAX) return false;
    int decoded = EVP_DecodeBlock(out, (const unsigned char *)s.data, (int)s.len);
    if (decoded < 0) return false;
    *len = (size_t)decoded - padding(s);
    return true;
}

void base64_write(const unsigned char *data, size_t len, char *out) { EVP_EncodeBlock((unsigned char *)out, data, (int)len); }
