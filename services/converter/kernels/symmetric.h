/* Q4_0 and Q5_0 with an importance matrix: 32 levels around zero. One lane per block.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_q4_0_impl, make_qx_quants). Values are at least EPSILON where a scale
 * is sought, so that the inverse scale neither overflows nor makes levels too large to round.
 */
#pragma once
#include "weighted.h"

struct symmetric_tile {
    V x[32 * G], w[32 * G], high[G], big[G], best[G], scale[G], chosen[G];
};

INLINE void try_symmetric(struct symmetric_tile *t, int half, float number, int is_first) {
    V inverse[G], sum_xl[G], sum_l2[G];
    GROUPS(g) {
        inverse[g] = splat(number) / t->high[g];
        sum_xl[g] = sum_l2[g] = splat(0);
    }
    EACH(i, 32) GROUPS(g) {
        V a = t->x[i * G + g], w = t->w[i * G + g], level = rounded(inverse[g] * a, -half, half - 1);
        sum_xl[g] = sum_xl[g] + (w * a) * level;
        sum_l2[g] = sum_l2[g] + (w * level) * level;
    }
    GROUPS(g) {
        V ratio = sum_xl[g] / sum_l2[g];
        if (is_first) {
            t->scale[g] = pick(eq(sum_l2[g], splat(0)), splat(0), ratio);
            t->best[g] = t->scale[g] * sum_xl[g];
            t->chosen[g] = inverse[g];
            continue;
        }
        M better = lt(splat(0), sum_l2[g]) & lt(t->best[g] * sum_l2[g], sum_xl[g] * sum_xl[g]);
        t->scale[g] = pick(better, ratio, t->scale[g]);
        t->best[g] = pick(better, ratio * sum_xl[g], t->best[g]);
        t->chosen[g] = pick(better, inverse[g], t->chosen[g]);
    }
}

/* Returns the scales, and the inverse scales that make the levels; both are 0 for a block that is all zero. */
INLINE void fit_symmetric(const float *x, const float *importance, const float *spread, int half, float *scale,
                          float *inverse) {
    struct symmetric_tile t;
    transpose(x, 32, t.x);
    transpose(importance, 32, t.w);
    GROUPS(g) {
        t.high[g] = t.big[g] = splat(0);
        EACH(i, 32) {
            V a = t.x[i * G + g], size = mag(a);
            M larger = lt(t.big[g], size);
            t.high[g] = pick(larger, a, t.high[g]);
            t.big[g] = pick(larger, size, t.big[g]);
            t.w[i * G + g] = t.w[i * G + g] * root(load(spread + g * L) + a * a);
        }
    }
    try_symmetric(&t, half, (float)-half, 1);
    for (int step = -9; step < 10; step++)
        if (step) try_symmetric(&t, half, -((float)half + 0.1f * (float)step), 0);
    GROUPS(g) {
        M is_zero = lt(t.big[g], splat(EPSILON));
        store(scale + g * L, pick(is_zero, splat(0), t.scale[g]));
        store(inverse + g * L, pick(is_zero, splat(0), t.chosen[g]));
    }
}

INLINE void weighted_symmetric(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out,
                               int half) {
    const int head = half > 8 ? 6 : 2;
    float scale[SUBBLOCKS(32)], inverse[SUBBLOCKS(32)];
    for (int at = 0; at < blocks; at += TILE)
        fit_symmetric(x + 32 * at, importance + 32 * at, spread + at, half, scale + at, inverse + at);
    EACH(block, blocks) {
        K level[32 / L];
        EACH(l, 32 / L) {
            level[l] = level_of(splat(inverse[block]) * load(x + l * L), -half, half - 1) + half;
            if (inverse[block] == 0) level[l] = isplat(0);
        }
        put_half(out, scale[block]);
        put_block_levels(level, half > 8, head, out);
        x += 32;
        out += head + 16;
    }
}

static void weighted_q4_0(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out) {
    weighted_symmetric(x, importance, spread, blocks, out, 8);
}

static void weighted_q5_0(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out) {
    weighted_symmetric(x, importance, spread, blocks, out, 16);
}
