#include "redaction/checksum.h"

#include <zlib.h>

/* --- Base 64 ---------------------------------------------------------------------------------------------------------- */

static int base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

size_t base64_decode(struct slice text, unsigned char *out, size_t size)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len && text.data[i] != '=' && len < size; i++) {
        int value = base64_value((unsigned char)text.data[i]);
        if (value < 0) return 0;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[len++] = (unsigned char)(bits >> held);
    }
    return len;
}

/* --- Tokens of Azure DevOps ------------------------------------------------------------------------------------------- */

bool devops_checksum_valid(struct slice token)
{
    static const int places[4] = {2, 7, 8, 22};
    unsigned char bytes[32] = {0}, rest[28];
    if (token.len != 52) return false;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (size_t i = 0; i < 52; i++) {
        char c = token.data[i];
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && (c < '2' || c > '7')) return false;
        bits = bits << 5 | (uint32_t)(letter ? c - 'a' : c - '2' + 26);
        held += 5;
        if (held < 8) continue;
        held -= 8;
        bytes[len++] = (unsigned char)(bits >> held);
    }
    uint32_t found = 0;
    for (size_t i = 0, n = 0, p = 0; i < 32; i++) {
        if (p < 4 && (int)i == places[p]) found |= (uint32_t)bytes[i] << (8 * p++);
        else rest[n++] = bytes[i];
    }
    uint32_t sum = (uint32_t)crc32(0, rest, sizeof rest);
    return (sum ^ 0xE0B9692Du) == found || (sum ^ 0x1019F92Eu) == found;
}
