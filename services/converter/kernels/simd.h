/* The few vector operations that the kernels need, for one target per compilation.
 *
 * V is L floats, K is L 32-bit integers, M is the result of a comparison. +, -, *, / and the bit operations are the
 * compiler's own for vectors (GCC and Clang). Nothing here rounds differently from the scalar operation.
 */
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define L 16
#elif defined(__AVX2__)
#define L 8
#else
#define L 4
#endif
#define INLINE static inline __attribute__((always_inline))
#define MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */
#define EACH(i, end) for (int i = 0; i < (end); i++)

typedef float V __attribute__((vector_size(4 * L)));
typedef int32_t K __attribute__((vector_size(4 * L)));
typedef uint32_t U __attribute__((vector_size(4 * L)));
typedef uint16_t H __attribute__((vector_size(2 * L)));
typedef uint8_t B __attribute__((vector_size(L)));

INLINE V splat(float a) { return a - (V){0}; }
INLINE K isplat(int32_t a) { return a - (K){0}; }
INLINE V load(const float *p) { V v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, V v) { memcpy(p, &v, sizeof v); }
INLINE V mag(V a) { return (V)((K)a & 0x7fffffff); }
INLINE V signs(V a) { return (V)((U)a & 0x80000000u); }

#if defined(__AVX512F__)
typedef __mmask16 M;
INLINE M lt(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE M eq(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INLINE M ne(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
INLINE M over(K a, int32_t n) { return _mm512_cmpgt_epi32_mask((__m512i)a, _mm512_set1_epi32(n)); }
INLINE V pick(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
INLINE K plus(K a, M m, int32_t n) { return (K)_mm512_mask_add_epi32((__m512i)a, m, (__m512i)a, _mm512_set1_epi32(n)); }
INLINE unsigned bits(M m) { return m; }
INLINE K highest(K a, K b) { return (K)_mm512_max_epi32((__m512i)a, (__m512i)b); }
INLINE K lowest(K a, K b) { return (K)_mm512_min_epi32((__m512i)a, (__m512i)b); }
INLINE V least(V a, V b) { return _mm512_min_ps(a, b); }
INLINE V most(V a, V b) { return _mm512_max_ps(a, b); }
INLINE V root(V a) { return _mm512_sqrt_ps(a); }
INLINE V whole(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE K truncated(V a) { return (K)_mm512_cvttps_epi32(a); }
INLINE float across_least(V a) { return _mm512_reduce_min_ps(a); }
INLINE float across_most(V a) { return _mm512_reduce_max_ps(a); }
INLINE V from_half(H h) { return _mm512_cvtph_ps((__m256i)h); }
INLINE H to_halves(V a) { return (H)_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT); }
INLINE H low_halves(K a) { return (H)_mm512_cvtepi32_epi16((__m512i)a); }
INLINE B low_bytes(K a) { return (B)_mm512_cvtepi32_epi8((__m512i)a); }
INLINE V look(const float table[8], K place) {
    return _mm512_permutexvar_ps((__m512i)place, _mm512_castps256_ps512(_mm256_loadu_ps(table)));
}
#elif defined(__AVX2__)
typedef K M;
INLINE M lt(V a, V b) { return (K)_mm256_cmp_ps(a, b, _CMP_LT_OQ); }
INLINE M eq(V a, V b) { return (K)_mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
INLINE M ne(V a, V b) { return (K)_mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
INLINE M over(K a, int32_t n) { return a > n; }
INLINE V pick(M m, V a, V b) { return _mm256_blendv_ps(b, a, (V)m); }
INLINE K plus(K a, M m, int32_t n) { return a + (m & n); }
INLINE unsigned bits(M m) { return (unsigned)_mm256_movemask_ps((V)m); }
INLINE K highest(K a, K b) { return (K)_mm256_max_epi32((__m256i)a, (__m256i)b); }
INLINE K lowest(K a, K b) { return (K)_mm256_min_epi32((__m256i)a, (__m256i)b); }
INLINE V least(V a, V b) { return _mm256_min_ps(a, b); }
INLINE V most(V a, V b) { return _mm256_max_ps(a, b); }
INLINE V root(V a) { return _mm256_sqrt_ps(a); }
INLINE V whole(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE K truncated(V a) { return (K)_mm256_cvttps_epi32(a); }
#define ACROSS(name, op)                                                          \
    INLINE float name(V a) {                                                      \
        __m128 b = op(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));    \
        b = op(b, _mm_movehl_ps(b, b));                                           \
        return _mm_cvtss_f32(op(b, _mm_shuffle_ps(b, b, 1)));                     \
    }
ACROSS(across_least, _mm_min_ps)
ACROSS(across_most, _mm_max_ps)
INLINE V from_half(H h) { return _mm256_cvtph_ps((__m128i)h); }
INLINE H to_halves(V a) { return (H)_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT); }
INLINE H low_halves(K a) {
    __m256i low = (__m256i)(a & 0xffff);
    return (H)_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
}
INLINE B low_bytes(K a) {
    H h = low_halves(a) & 0xff;
    int64_t all = _mm_cvtsi128_si64(_mm_packus_epi16((__m128i)h, (__m128i)h));
    B b;
    memcpy(&b, &all, sizeof b);
    return b;
}
INLINE V look(const float table[8], K place) { return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)place); }
#else
typedef K M;
INLINE M lt(V a, V b) { return a < b; }
INLINE M eq(V a, V b) { return a == b; }
INLINE M ne(V a, V b) { return a != b; }
INLINE M over(K a, int32_t n) { return a > n; }
INLINE V pick(M m, V a, V b) { return (V)((m & (K)a) | (~m & (K)b)); }
INLINE K plus(K a, M m, int32_t n) { return a + (m & n); }
INLINE unsigned bits(M m) { return (m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8); }
INLINE K highest(K a, K b) { return (K)pick(a > b, (V)a, (V)b); }
INLINE K lowest(K a, K b) { return (K)pick(a < b, (V)a, (V)b); }
INLINE V least(V a, V b) { return pick(a < b, a, b); }
INLINE V most(V a, V b) { return pick(a > b, a, b); }
INLINE V root(V a) { EACH(i, L) a[i] = __builtin_sqrtf(a[i]); return a; }
INLINE V whole(V a) { return (a + splat(MAGIC)) - splat(MAGIC); } /* for magnitudes below 2^22 */
INLINE K truncated(V a) { return __builtin_convertvector(a, K); }
INLINE float across_least(V a) {
    float b = a[0] < a[2] ? a[0] : a[2], c = a[1] < a[3] ? a[1] : a[3];
    return b < c ? b : c;
}
INLINE float across_most(V a) {
    float b = a[0] > a[2] ? a[0] : a[2], c = a[1] > a[3] ? a[1] : a[3];
    return b > c ? b : c;
}
INLINE V from_half(H h) {
    U u = __builtin_convertvector(h, U), all = u & 0x7fff;
    V a = (V)(all << 13) * 0x1p112f;
    a = pick((M)(all > 0x7bff), (V)(all << 13 | 0x7f800000), a); /* infinite or NaN */
    return (V)((U)a | (u & 0x8000) << 16);
}
INLINE H low_halves(K a) { return __builtin_convertvector((U)a, H); }
INLINE B low_bytes(K a) { return __builtin_convertvector((U)a, B); }
INLINE H to_halves(V a) { /* finite, smaller than 65520 */
    U all = (U)mag(a);
    U small = (U)(mag(a) + 0.5f) - 0x3f000000u; /* the sum's last bit is 2^-24 */
    U large = (all - 0x38000000u + 0xfff + (all >> 13 & 1)) >> 13;
    K half = (K)pick((M)(all < 0x38800000u), (V)small, (V)large);
    return low_halves(half | (K)((U)a >> 16 & 0x8000));
}
#endif
