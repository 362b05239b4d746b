#include "redaction/checksum.h"

#include "base/check.h"

/* --- CRC-32 ----------------------------------------------------------------------------------------------------------- */

uint32_t crc32_of(struct slice bytes)
{
    static const uint32_t of_four_bits[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                              0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.data[i];
        crc = of_four_bits[crc & 15] ^ crc >> 4;
        crc = of_four_bits[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* --- Marvin32 --------------------------------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t x, unsigned bits) { return (x << bits) | (x >> (32 - bits)); }

static void mix(uint32_t *low, uint32_t *high)
{
    *high ^= *low;
    *low = rotate(*low, 20) + *high;
    *high = rotate(*high, 9) ^ *low;
    *low = rotate(*low, 27) + *high;
    *high = rotate(*high, 19);
}

uint64_t marvin32(struct slice bytes, uint64_t seed)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    size_t left = bytes.len;
    for (; left >= 4; at += 4, left -= 4) {
        low += (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        mix(&low, &high);
    }
    uint32_t last = 0x80u << (8 * left);
    for (size_t i = 0; i < left; i++) last |= (uint32_t)at[i] << (8 * i);
    low += last;
    mix(&low, &high);
    mix(&low, &high);
    return (uint64_t)high << 32 | low;
}

/* The first eight letters of a name, read as a big-endian number. */
static uint64_t seed_of(const char *name)
{
    uint64_t seed = 0;
    for (int i = 0; i < 8; i++) seed = seed << 8 | (unsigned char)name[i];
    return seed;
}

static uint32_t folded(uint64_t hash) { return (uint32_t)(hash >> 32) ^ (uint32_t)hash; }

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

/* --- Formats ---------------------------------------------------------------------------------------------------------- */

static bool marvin_ends(const unsigned char *bytes, size_t len, uint64_t seed)
{
    uint32_t sum = folded(marvin32(slice_of((const char *)bytes, len - 4), seed));
    unsigned char expected[4] = {(unsigned char)sum, (unsigned char)(sum >> 8), (unsigned char)(sum >> 16),
                                 (unsigned char)(sum >> 24)};
    return memcmp(bytes + len - 4, expected, 4) == 0;
}

bool his_checksum_valid(struct slice key)
{
    static const char *const seeds[] = {
        "Default0", "MastRW00", "MastRO00", "SystRW00", "SystRO00", "SysAll00", "Resour00", "Encryp00", "AbAcct00",
        "Classic0", "Tenant00", "IoTHub00", "Gatewy00", "GitKey00", "System00", "Send0000", "Manage00", "Listen00",
        "Unknown0", "DpsKey00", "Device00", "SendRecv", "Access00", "ACRDflt0", "PAdmin00", "Query000", "Master00",
        "Functi00", "UsrPwd00"};
    unsigned char bytes[66];
    size_t len = base64_decode(key, bytes, sizeof bytes);
    if (len != 64 && len != 32 && len != 39 && len != 40) return false;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        if (marvin_ends(bytes, len, seed_of(seeds[i]))) return true;
    return false;
}

/* Six digits, least significant last. */
static void base62(uint32_t number, char out[6])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (int i = 5; i >= 0; i--, number /= 62) out[i] = digits[number % 62];
}

bool cask_checksum_valid(struct slice key)
{
    unsigned char bytes[60];
    if ((key.len != 84 && key.len != 88) || base64_decode(slice_of(key.data, 80), bytes, sizeof bytes) != 60) return false;
    uint32_t sum = folded(marvin32(slice_of((const char *)bytes, 60), seed_of("Default0")));
    uint32_t big_endian = (sum & 0xff) << 24 | (sum >> 8 & 0xff) << 16 | (sum >> 16 & 0xff) << 8 | sum >> 24;
    char text[6];
    base62(big_endian, text);
    return memcmp(key.data + 80, text, 4) == 0;
}

bool entra_checksum_valid(struct slice secret)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~";
    if (secret.len != 40) return false;
    uint32_t sum = folded(marvin32(slice_of(secret.data, 37), seed_of("AadPwd00")));
    char text[6];
    for (int i = 5; i >= 0; i--, sum /= 66) text[i] = alphabet[sum % 66];
    return memcmp(secret.data + 37, text, 3) == 0;
}

bool github_checksum_valid(struct slice token)
{
    if (token.len != 40) return false;
    char text[6];
    base62(crc32_of(slice_of(token.data + 4, 30)), text);
    return memcmp(token.data + 34, text, 6) == 0;
}

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
    uint32_t sum = crc32_of(slice_of((const char *)rest, sizeof rest));
    return (sum ^ 0xE0B9692Du) == found || (sum ^ 0x1019F92Eu) == found;
}
