#include "parser/runs_priv.h"

#include <immintrin.h>

static inline uint32_t half_mask(__m256i low, __m256i high, const char *at)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at), nibble = _mm256_set1_epi8(15);
    __m256i by_low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    __m256i by_high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(by_low, by_high), _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(none);
}

static inline uint64_t class_mask(const struct byte_class *c, const char *at)
{
    __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)c->low));
    __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)c->high));
    return half_mask(low, high, at) | (uint64_t)half_mask(low, high, at + 32) << 32;
}

#include "parser/runs_loop.h"

bool runs_avx2(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    return runs_loop(c, text, min, from, to);
}
