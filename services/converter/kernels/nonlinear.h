/* IQ4_NL and IQ4_XS: levels are places in a table of 16 unequal steps. One lane per group of 32 values.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_iq4_nl_impl, best_index_int8).
 */
#pragma once
#include "lanes.h"

/* ggml picks the nearer of two neighboring steps, the upper one if both are as near. Its float subtractions are exact
 * where they decide, so comparing with the middle is the same; the middles are half integers. */
static const float MIDDLES[4][8] = {
    {-4.5f, 0, 0, 0, 0, 0, 0, 0},                  /* place 8 */
    {-57, 0, 0, 0, 45.5f, 0, 0, 0},                /* places 4, 12 */
    {-93.5f, 0, -28.5f, 0, 19, 0, 79, 0},          /* places 2, 6, 10, 14 */
    {-115.5f, -74, -42, -16, 7, 31.5f, 61, 101},   /* odd places */
};
static const float EVEN_STEPS[8] = {-127, -83, -49, -22, 1, 25, 53, 89};
static const float ODD_STEPS[8] = {-104, -65, -35, -10, 13, 38, 69, 113};

#if L == 4
INLINE V look(const float table[8], K place) {
    V found = splat(table[0]);
    for (int k = 1; k < 8; k++) found = pick(place == k, splat(table[k]), found);
    return found;
}
#endif

/* Half of the place, and whether the place is odd. NaN belongs to the last place. */
INLINE M place_of(V a, K *half) {
    *half = plus(isplat(4), lt(a, splat(MIDDLES[0][0])), -4);
    *half = plus(*half + 2, lt(a, look(MIDDLES[1], *half)), -2);
    *half = plus(*half + 1, lt(a, look(MIDDLES[2], *half)), -1);
    return lt(a, look(MIDDLES[3], *half)); /* true: even */
}

INLINE K nonlinear_level(V a) {
    K half;
    M even = place_of(a, &half);
    return plus(half + half + 1, even, -1);
}

INLINE V nonlinear_step(V a) {
    K half;
    M even = place_of(a, &half);
    return pick(even, look(EVEN_STEPS, half), look(ODD_STEPS, half));
}

INLINE void nonlinear_sums(const V *x, const V *w, const V *inverse, V *sum_xl, V *sum_l2) {
    GROUPS(g) sum_xl[g] = sum_l2[g] = splat(0);
    _Pragma("GCC unroll 32") EACH(i, 32) GROUPS(g) {
        V a = x[i * G + g], step = nonlinear_step(inverse[g] * a), weighted = (w ? w[i * G + g] : a * a) * step;
        sum_xl[g] = sum_xl[g] + weighted * a;
        sum_l2[g] = sum_l2[g] + weighted * step;
    }
}

/* The scales of TILE groups of 32 values, 0 for a group that is all zero. Without an importance matrix, squares are
 * the weights; with one, `spread` has a mean square for each group. */
INLINE void fit_nonlinear(const float *values, const float *importance, const float *spread, float *scales) {
    V x[32 * G], weights[32 * G], high[G], big[G], inverse[G], sum_xl[G], sum_l2[G], scale[G], best[G], *w = 0;
    transpose(values, 32, x);
    if (importance) {
        transpose(importance, 32, weights);
        w = weights;
        GROUPS(g) EACH(i, 32) {
            V a = x[i * G + g];
            w[i * G + g] = w[i * G + g] * root(load(spread + g * L) + a * a);
        }
    }
    GROUPS(g) {
        high[g] = big[g] = splat(0);
        EACH(i, 32) {
            V a = x[i * G + g], size = mag(a);
            M larger = lt(big[g], size);
            high[g] = pick(larger, a, high[g]);
            big[g] = pick(larger, size, big[g]);
        }
        inverse[g] = splat(1) / (-high[g] / splat(-127));
    }
    nonlinear_sums(x, w, inverse, sum_xl, sum_l2);
    GROUPS(g) {
        scale[g] = pick(lt(splat(0), sum_l2[g]), sum_xl[g] / sum_l2[g], splat(0));
        best[g] = scale[g] * sum_xl[g];
    }
    for (int step = -7; step <= 7; step++) {
        GROUPS(g) inverse[g] = splat((float)(step - 127)) / high[g];
        nonlinear_sums(x, w, inverse, sum_xl, sum_l2);
        GROUPS(g) {
            M better = lt(splat(0), sum_l2[g]) & lt(best[g] * sum_l2[g], sum_xl[g] * sum_xl[g]);
            V ratio = sum_xl[g] / sum_l2[g];
            scale[g] = pick(better, ratio, scale[g]);
            best[g] = pick(better, ratio * sum_xl[g], best[g]);
        }
    }
    GROUPS(g) store(scales + g * L, pick(lt(big[g], splat(EPSILON)), splat(0), scale[g]));
}

INLINE void put_nonlinear(const float *x, float inverse, uint8_t *out) {
    for (int l = 0; l < 16; l += L) {
        K a = nonlinear_level(splat(inverse) * load(x + l)), b = nonlinear_level(splat(inverse) * load(x + 16 + l));
        B packed = low_bytes(a | b << 4);
        memcpy(out + l, &packed, sizeof packed);
    }
}

INLINE void nonlinear_blocks(const float *x, const float *w, const float *spread, int blocks, uint8_t *out) {
    float scale[SUBBLOCKS(32)];
    for (int at = 0; at < blocks; at += TILE) fit_nonlinear(x + 32 * at, w ? w + 32 * at : 0, w ? spread + at : 0, scale + at);
    EACH(block, blocks) {
        put_half(out, scale[block]);
        put_nonlinear(x + 32 * block, scale[block] ? 1 / scale[block] : 0, out + 2);
        out += 18;
    }
}

INLINE void nonlinear_superblocks(const float *x, const float *w, const float *spread, int blocks, uint8_t *out) {
    float scales[SUBBLOCKS(32)];
    for (int at = 0; at < 8 * blocks; at += TILE)
        fit_nonlinear(x + 32 * at, w ? w + 32 * at : 0, w ? spread + at : 0, scales + at);
    EACH(block, blocks) {
        const float *scale = scales + 8 * block;
        float top = 0, largest = 0;
        EACH(j, 8) if (positive(scale[j]) > largest) largest = positive(scale[j]), top = scale[j];
        const float d = -top / 32, inverse = d ? 1 / d : 0;
        memset(out, 0, 8);
        put_half(out, d);
        EACH(j, 8) {
            const int level = clamp(nearest(inverse * scale[j]), -32, 31), kept = level + 32;
            const float unit = d * (float)level;
            out[2 + j / 4] |= (uint8_t)(kept >> 4 << 2 * (j % 4));
            out[4 + j / 2] |= (uint8_t)((kept & 15) << 4 * (j % 2));
            put_nonlinear(x + 256 * block + 32 * j, unit ? 1 / unit : 0, out + 8 + 16 * j);
        }
        out += 136;
    }
}

static void iq4_nl(const float *x, int blocks, uint8_t *out) { nonlinear_blocks(x, 0, 0, blocks, out); }
static void iq4_xs(const float *x, int blocks, uint8_t *out) { nonlinear_superblocks(x, 0, 0, blocks, out); }

static void weighted_iq4_nl(const float *x, const float *importance, const float *unused, int blocks, uint8_t *out) {
    float spread[SUBBLOCKS(32)];
    (void)unused;
    EACH(block, SUBBLOCKS(32)) spread[block] = squares_of(x + 32 * block, 32) * (2.0f / 32);
    nonlinear_blocks(x, importance, spread, blocks, out);
}

static void weighted_iq4_xs(const float *x, const float *importance, const float *unused, int blocks, uint8_t *out) {
    float squares[SUBBLOCKS(256)], spread[SUBBLOCKS(32)];
    (void)unused;
    squares_of_blocks(x, squares);
    EACH(j, SUBBLOCKS(32)) spread[j] = squares[j / 8] * (2.0f / 256);
    nonlinear_superblocks(x, importance, spread, blocks, out);
}
