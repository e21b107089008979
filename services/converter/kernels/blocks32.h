/* Q8_0, Q5_0, Q5_1 and Q4_0: blocks of 32 values with one scale. Lanes are the values of a block.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_*_ref). In blocks so small that the inverse of the scale overflows, ggml
 * converts infinity and NaN to an integer; on x86-64 the levels become 0, and so they do here everywhere.
 */
#pragma once
#include "scalar.h"

INLINE float range_of(const float *x, float *low, float *high) {
    V least_of = load(x), most_of = least_of;
    for (int l = L; l < 32; l += L) {
        least_of = least(load(x + l), least_of);
        most_of = most(load(x + l), most_of);
    }
    *low = across_least(least_of);
    *high = across_most(most_of);
    return positive(*high > -*low ? *high : *low);
}

/* The first value with the largest magnitude; 0 if all are zero. */
INLINE float largest_of(const float *x) {
    float low, high, size = range_of(x, &low, &high);
    if (size == 0) return 0;
    if (high != -low) return high == size ? high : low;
    EACH(i, 32) if (positive(x[i]) == size) return x[i];
    return size;
}

/* Packs 32 levels, which start 16 lanes apart: low four bits, and the fifth of each in the result. */
INLINE uint32_t put_nibbles(K first, K second, int l, uint8_t *out) {
    B packed = low_bytes((first & 15) | (second & 15) << 4);
    memcpy(out + l, &packed, sizeof packed);
    return bits(over(first, 15)) << l | bits(over(second, 15)) << (l + 16);
}

static void q8_0(const float *x, int blocks, uint8_t *out) {
    const K below_half = (K)splat(0x1.fffffep-2f);
    EACH(block, blocks) {
        float low, high, d = range_of(x, &low, &high) / 127.0f, inverse = d ? 1.0f / d : 0;
        put_half(out, d);
        for (int l = 0; l < 32; l += L) {
            V a = load(x + l) * splat(inverse); /* rounds half away from zero */
            B packed = low_bytes(truncated(a + (V)((K)signs(a) | below_half)));
            memcpy(out + 2 + l, &packed, sizeof packed);
        }
        if (!is_finite(inverse)) memset(out + 2, 0, 32);
        x += 32;
        out += 34;
    }
}

/* Q4_0 and Q5_0: levels 0..2 * half - 1, `half` being zero. */
INLINE void symmetric(const float *x, int blocks, uint8_t *out, int half) {
    const int head = half > 8 ? 6 : 2;
    EACH(block, blocks) {
        const float d = largest_of(x) / (float)-half, inverse = d ? 1.0f / d : 0;
        uint32_t fifth = 0;
        put_half(out, d);
        for (int l = 0; l < 16; l += L) {
            K level[2];
            EACH(k, 2) {
                V a = load(x + l + 16 * k) * splat(inverse) + splat((float)half + 0.5f);
                level[k] = lowest(truncated(a), isplat(2 * half - 1));
            }
            fifth |= put_nibbles(level[0], level[1], l, out + head);
        }
        if (!is_finite(inverse)) memset(out + head, 0, 16), fifth = 0;
        if (half > 8) memcpy(out + 2, &fifth, sizeof fifth);
        x += 32;
        out += head + 16;
    }
}

static void q4_0(const float *x, int blocks, uint8_t *out) { symmetric(x, blocks, out, 8); }
static void q5_0(const float *x, int blocks, uint8_t *out) { symmetric(x, blocks, out, 16); }

static void q5_1(const float *x, int blocks, uint8_t *out) {
    EACH(block, blocks) {
        float low, high;
        uint32_t fifth = 0;
        range_of(x, &low, &high);
        const float d = (high - low) / 31.0f, inverse = d ? 1.0f / d : 0;
        if (low == 0) EACH(i, 32) if (x[i] == 0) { /* the first zero's sign */
            low = x[i];
            break;
        }
        put_half(out, d);
        put_half(out + 2, low);
        for (int l = 0; l < 16; l += L) {
            K first = truncated((load(x + l) - splat(low)) * splat(inverse) + splat(0.5f));
            K second = truncated((load(x + l + 16) - splat(low)) * splat(inverse) + splat(0.5f));
            fifth |= put_nibbles(first, second, l, out + 8);
        }
        if (!is_finite(inverse) || !is_finite(d)) memset(out + 8, 0, 16), fifth = 0;
        memcpy(out + 4, &fifth, sizeof fifth);
        x += 32;
        out += 24;
    }
}
