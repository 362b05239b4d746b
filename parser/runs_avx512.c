#include "parser/runs_priv.h"

#include <immintrin.h>

static inline uint64_t class_mask(const struct byte_class *c, const char *at)
{
    __m512i low = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)c->low));
    __m512i high = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)c->high));
    __m512i bytes = _mm512_loadu_si512(at), nibble = _mm512_set1_epi8(15);
    __m512i by_low = _mm512_shuffle_epi8(low, _mm512_and_si512(bytes, nibble));
    __m512i by_high = _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble));
    return _mm512_test_epi8_mask(by_low, by_high);
}

#include "parser/runs_loop.h"

bool runs_avx512(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    return runs_loop(c, text, min, from, to);
}
