/* Scalar steps, and the plain sequence for the rare sub-blocks where the lanes' shortcuts do not hold.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_*_ref, make_qkx2_quants, make_qkx3_quants, make_qx_quants).
 */
#pragma once
#include "simd.h"

#define MAGIC_BITS 0x4B400000 /* level 0 */
#define EXACT 4.0e6f         /* the magic number rounds correctly up to 2^22 */
#define EPSILON 1e-15f       /* a group whose largest value is below is all zero */

INLINE float positive(float a) { return __builtin_fabsf(a); }
INLINE int clamp(int a, int low, int high) { return a < low ? low : a > high ? high : a; }
INLINE int is_finite(float a) { return positive(a) < __builtin_inff(); }

INLINE float squares_of(const float *x, int count) {
    float sum = 0;
    EACH(i, count) sum += x[i] * x[i];
    return sum;
}

INLINE int nearest(float a) {
    int32_t all;
    a = a + MAGIC;
    memcpy(&all, &a, sizeof all);
    return (all & 0x7fffff) - 0x400000;
}

INLINE uint16_t to_half(float a) {
    uint32_t all, small;
    float shifted = positive(a) + 0.5f; /* its last bit is 2^-24 while a is a denormal half */
    memcpy(&all, &a, sizeof all);
    memcpy(&small, &shifted, sizeof small);
    uint16_t sign = all >> 16 & 0x8000;
    all &= 0x7fffffff;
    if (all > 0x7f800000) return sign | 0x7e00;
    if (all >= 0x47800000) return sign | 0x7c00;
    if (all < 0x38800000) return sign | (uint16_t)(small - 0x3f000000);
    return sign | (uint16_t)((all - 0x38000000 + 0xfff + (all >> 13 & 1)) >> 13);
}

INLINE float half_value(uint16_t half) {
    uint32_t all = (uint32_t)(half & 0x7fff) << 13;
    float a;
    memcpy(&a, &all, sizeof a);
    a = (half & 0x7c00) == 0x7c00 ? a * 0x1p112f * 0x1p112f : a * 0x1p112f;
    return half & 0x8000 ? -a : a;
}

INLINE void put_half(uint8_t *out, float a) {
    uint16_t half = to_half(a);
    memcpy(out, &half, sizeof half);
}

INLINE float get_half(const uint8_t *out) {
    uint16_t half;
    memcpy(&half, out, sizeof half);
    return half_value(half);
}

/* The weights of 32 values without an importance matrix. */
static void plain_weights(const float *x, float *w) {
    const float mean = __builtin_sqrtf(squares_of(x, 32) / 32);
    EACH(i, 32) w[i] = mean + positive(x[i]);
}

/* The weights of `count` values with one; `spread` is a mean square. */
INLINE void important_weights(const float *x, const float *importance, float spread, int count, float *w) {
    EACH(i, count) w[i] = importance[i] * __builtin_sqrtf(spread + x[i] * x[i]);
}

struct weighted {
    float low, high, w, x; /* low end, at most 0, and high end; sums */
};

static struct weighted weigh(const float *x, const float *w) {
    struct weighted s = {x[0], x[0], w[0], w[0] * x[0]};
    for (int i = 1; i < 32; i++) {
        s.low = x[i] < s.low ? x[i] : s.low;
        s.high = x[i] > s.high ? x[i] : s.high;
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    s.low = s.low > 0 ? 0 : s.low;
    return s;
}

/* Sets levels, and the scale and minimum that suit them best; returns whether there are such. */
static int solve(const float *x, const float *w, struct weighted s, float inverse, int top, uint8_t *levels,
                 float *scale, float *low) {
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    EACH(i, 32) {
        float level = (float)clamp(nearest(inverse * (x[i] - s.low)), 0, top);
        levels[i] = (uint8_t)level;
        sum_l += w[i] * level;
        sum_l2 += w[i] * level * level;
        sum_xl += w[i] * level * x[i];
    }
    const float det = s.w * sum_l2 - sum_l * sum_l;
    *scale = (s.w * sum_xl - s.x * sum_l) / det;
    *low = (sum_l2 * s.x - sum_l * sum_xl) / det;
    if (*low > 0) *low = 0, *scale = sum_xl / sum_l2;
    return det > 0;
}

/* Inverse scales to try: that of `top` levels for the range, then first + step * delta more levels. */
struct search {
    int top;
    float first, delta;
    int steps;
};

/* Levels 0..top of 32 values over a minimum; returns the scale. */
static float fit_over_minimum(const float *x, const float *w, struct search try, uint8_t *levels, float *minimum) {
    const int top = try.top;
    struct weighted s = weigh(x, w);
    float inverse = (float)top / (s.high - s.low), scale = 1 / inverse, best = 0;
    memset(levels, 0, 32);
    *minimum = -s.low;
    if (s.high == s.low) return 0;
    for (int step = -1; step < try.steps; step++) {
        uint8_t tried[32];
        float error = 0, slope, low;
        if (step >= 0) inverse = (try.first + try.delta * (float)step + (float)top) / (s.high - s.low);
        const int is_solved = solve(x, w, s, inverse, top, tried, &slope, &low);
        if (step < 0) slope = scale, low = s.low;
        EACH(i, 32) {
            float miss = slope * (float)tried[i] + low - x[i];
            error += w[i] * (miss * miss);
        }
        if (step >= 0 && !(is_solved && error < best)) continue;
        memcpy(levels, tried, 32);
        best = error, scale = slope, s.low = low;
    }
    *minimum = -s.low;
    return scale;
}

/* Levels 0..63, 32 being zero, of 16 values; returns the scale. Without an importance matrix, squares are the weights. */
static float fit_signed(const float *x, const float *importance, uint8_t *levels) {
    float largest = 0, high = 0, scale = 0, best = 0;
    EACH(i, 16) if (positive(x[i]) > largest) largest = positive(x[i]), high = x[i];
    memset(levels, 0, 16);
    if (largest < EPSILON) return 0;
    for (int step = -10; step < 10; step++) {
        if (step == 0) continue;
        float inverse = step == -10 ? -32.0f / high : -(32.0f + 0.1f * (float)step) / high, sum_xl = 0, sum_l2 = 0;
        uint8_t tried[16];
        EACH(i, 16) {
            int level = clamp(nearest(inverse * x[i]), -32, 31);
            float w = importance ? importance[i] : x[i] * x[i];
            tried[i] = (uint8_t)(level + 32);
            sum_xl += w * x[i] * (float)level;
            sum_l2 += w * (float)level * (float)level;
        }
        if (step == -10) {
            scale = sum_l2 != 0 ? sum_xl / sum_l2 : 0;
        } else if (sum_l2 > 0 && sum_xl * sum_xl > best * sum_l2) {
            scale = sum_xl / sum_l2;
        } else {
            continue;
        }
        best = scale * sum_xl;
        memcpy(levels, tried, 16);
    }
    return scale;
}
