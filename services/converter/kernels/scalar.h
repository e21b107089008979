/* Scalar steps, and the plain sequence for the rare sub-blocks where the lanes' shortcuts do not hold.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_*_ref, make_qkx2_quants, make_qx_quants).
 */
#pragma once
#include "simd.h"

#define MAGIC 12582912.0f    /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */
#define MAGIC_BITS 0x4B400000 /* level 0 */
#define EXACT 4.0e6f         /* the magic number rounds correctly up to 2^22 */
#define EPSILON 1e-15f       /* a group whose largest value is below is all zero */

INLINE float positive(float a) { return __builtin_fabsf(a); }
INLINE int clamp(int a, int low, int high) { return a < low ? low : a > high ? high : a; }
INLINE int is_finite(float a) { return positive(a) < __builtin_inff(); }

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

/* Levels 0..top of 32 values over a minimum; returns the scale. */
static float fit_over_minimum(const float *x, int top, float first, int steps, uint8_t *levels, float *minimum) {
    float squares = 0, low = x[0], high = x[0];
    EACH(i, 32) squares += x[i] * x[i];
    const float mean = __builtin_sqrtf(squares / 32);
    float sum_w = mean + positive(x[0]), sum_x = sum_w * x[0];
    for (int i = 1; i < 32; i++) {
        float w = mean + positive(x[i]);
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        sum_w += w;
        sum_x += w * x[i];
    }
    low = low > 0 ? 0 : low;
    memset(levels, 0, 32);
    *minimum = -low;
    if (high == low) return 0;
    float inverse = (float)top / (high - low), scale = 1 / inverse, best = 0;
    for (int step = -1; step < steps; step++) {
        uint8_t tried[32];
        float sum_l = 0, sum_l2 = 0, sum_xl = 0, error = 0, offset = low, slope = scale;
        if (step >= 0) inverse = (first + 0.1f * (float)step + (float)top) / (high - low);
        EACH(i, 32) {
            float w = mean + positive(x[i]), level = (float)clamp(nearest(inverse * (x[i] - low)), 0, top);
            tried[i] = (uint8_t)level;
            sum_l += w * level;
            sum_l2 += w * level * level;
            sum_xl += w * level * x[i];
        }
        if (step >= 0) {
            float det = sum_w * sum_l2 - sum_l * sum_l;
            if (!(det > 0)) continue;
            slope = (sum_w * sum_xl - sum_x * sum_l) / det;
            offset = (sum_l2 * sum_x - sum_l * sum_xl) / det;
            if (offset > 0) offset = 0, slope = sum_xl / sum_l2;
        }
        EACH(i, 32) {
            float miss = slope * (float)tried[i] + offset - x[i];
            error += (mean + positive(x[i])) * (miss * miss);
        }
        if (step >= 0 && !(error < best)) continue;
        memcpy(levels, tried, 32);
        best = error, scale = slope, low = offset;
    }
    *minimum = -low;
    return scale;
}

/* Levels 0..63, 32 being zero, of 16 values; returns the scale. */
static float fit_signed(const float *x, uint8_t *levels) {
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
            float w = x[i] * x[i];
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
