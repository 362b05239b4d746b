#include "redaction/memo.h"

#include <sys/random.h>

struct memo *memo_new(void)
{
    struct memo *m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    CHECK(getrandom(m->seeds, sizeof m->seeds, 0) == (ssize_t)sizeof m->seeds);
    return m;
}

void memo_free(struct memo *m) { free(m); }

/* Both halves of the product of 64 by 64 bits, folded. */
static uint64_t mix(uint64_t x, uint64_t y)
{
    __uint128_t product = (__uint128_t)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word(const char *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

struct memo_key memo_key(const struct memo *m, struct slice text)
{
    uint64_t a = m->seeds[0] ^ text.len, b = m->seeds[1] + text.len;
    size_t i = 0;
    for (; i + 16 <= text.len; i += 16) {
        uint64_t x = word(text.data + i), y = word(text.data + i + 8);
        a = mix(x ^ m->seeds[2] ^ a, y ^ m->seeds[3]);
        b = mix(y ^ m->seeds[0] ^ b, x ^ m->seeds[1]) + a;
    }
    char tail[16] = {0};
    memcpy(tail, text.data + i, text.len - i);
    uint64_t x = word(tail), y = word(tail + 8);
    a = mix(x ^ m->seeds[3] ^ a, y ^ m->seeds[1]);
    b = mix(y ^ m->seeds[2] ^ b, x ^ m->seeds[0]) ^ a;
    return (struct memo_key){mix(a ^ m->seeds[0], m->seeds[2]), mix(b ^ m->seeds[1], m->seeds[3]) | 1};
}

bool memo_has(const struct memo *m, struct memo_key key)
{
    const struct memo_key *slot = &m->slots[key.a % MEMO_SLOTS];
    return ((slot->a ^ key.a) | (slot->b ^ key.b)) == 0;
}

void memo_add(struct memo *m, struct memo_key key) { m->slots[key.a % MEMO_SLOTS] = key; }
