/* Random numbers that are the same on every machine: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2021), seeded through splitmix64. Thread: each its own. */
#ifndef LETHE_BENCH_RANDOM_H
#define LETHE_BENCH_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

static inline uint64_t random_rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t random_next(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = random_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotate(s[3], 45);
    return result;
}

static inline uint32_t random_below(struct random *r, uint32_t n)
{
    return (uint32_t)(((random_next(r) >> 32) * (uint64_t)n) >> 32);
}

static inline void random_seed(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        r->state[i] = z ^ (z >> 31);
    }
}

#endif
