/* Q6_K: 16 sub-blocks of 16 values, each with a signed 8-bit scale. One lane per sub-block. */
#pragma once
#include "lanes.h"

struct signed_fit {
    float scale[SUBBLOCKS(16)], largest[SUBBLOCKS(16)];
    uint8_t is_bad[SUBBLOCKS(16)];
};

struct tile16 {
    V x[16 * G], square[16 * G], cube[16 * G];
    V high[G], big[G], best[G], scale[G];
    unsigned bad[G];
};

INLINE void sums_of(const struct tile16 *t, const V *inverse, V *sum_xl, V *sum_l2) {
    GROUPS(g) sum_xl[g] = sum_l2[g] = splat(0);
    _Pragma("GCC unroll 16") EACH(i, 16) GROUPS(g) {
        const int at = i * G + g;
        V level = rounded(inverse[g] * t->x[at], -32, 31);
        sum_xl[g] = sum_xl[g] + t->cube[at] * level;
        sum_l2[g] = sum_l2[g] + (t->square[at] * level) * level;
    }
}

/* With an importance matrix, its values are in t->square. */
INLINE void first_signed_fit(struct tile16 *t, int is_weighted) {
    V inverse[G], sum_xl[G], sum_l2[G];
    GROUPS(g) {
        V high = splat(0), big = splat(0);
        EACH(i, 16) {
            V a = t->x[i * G + g], size = mag(a);
            M larger = lt(big, size);
            high = pick(larger, a, high);
            big = pick(larger, size, big);
            if (!is_weighted) t->square[i * G + g] = a * a;
            t->cube[i * G + g] = t->square[i * G + g] * a;
        }
        inverse[g] = splat(-32) / high;
        t->high[g] = high, t->big[g] = big;
        t->bad[g] = ~bits(lt(mag(inverse[g]) * big, splat(EXACT)));
    }
    sums_of(t, inverse, sum_xl, sum_l2);
    GROUPS(g) {
        t->scale[g] = pick(eq(sum_l2[g], splat(0)), splat(0), sum_xl[g] / sum_l2[g]);
        t->best[g] = t->scale[g] * sum_xl[g];
    }
}

INLINE void next_signed_fit(struct tile16 *t, float number) {
    V inverse[G], sum_xl[G], sum_l2[G];
    GROUPS(g) inverse[g] = splat(number) / t->high[g];
    sums_of(t, inverse, sum_xl, sum_l2);
    GROUPS(g) {
        M better = lt(splat(0), sum_l2[g]) & lt(t->best[g] * sum_l2[g], sum_xl[g] * sum_xl[g]);
        V scale = sum_xl[g] / sum_l2[g];
        t->scale[g] = pick(better, scale, t->scale[g]);
        t->best[g] = pick(better, scale * sum_xl[g], t->best[g]);
    }
}

INLINE void fit_signed_tiles(const float *x, const float *importance, int blocks, struct signed_fit *found) {
    struct tile16 t;
    for (int at = 0; at < 16 * blocks; at += TILE) {
        transpose(x + 16 * at, 16, t.x);
        if (importance) transpose(importance + 16 * at, 16, t.square);
        first_signed_fit(&t, importance != 0);
        for (int step = -9; step < 10; step++)
            if (step) next_signed_fit(&t, -(32.0f + 0.1f * (float)step));
        GROUPS(g) {
            store(found->scale + at + g * L, pick(lt(t.big[g], splat(EPSILON)), splat(0), t.scale[g]));
            store(found->largest + at + g * L, t.big[g]);
            unsigned bad = t.bad[g] & ~bits(lt(t.big[g], splat(EPSILON)));
            EACH(k, L) found->is_bad[at + g * L + k] = bad >> k & 1;
        }
    }
}

/* Writes d and the scales; returns each sub-block's value of a level, or 0 for a block that is all zero. */
INLINE int put_signed_scales(const float *scale, uint8_t *out, float *d) {
    float top = 0, largest = 0;
    EACH(j, 16) if (positive(scale[j]) > largest) largest = positive(scale[j]), top = scale[j];
    if (largest < EPSILON) {
        memset(out, 0, 210);
        return 0;
    }
    const float inverse = -128.0f / top;
    put_half(out + 208, 1 / inverse);
    const float unit = get_half(out + 208);
    EACH(j, 16) {
        int level = nearest(inverse * scale[j]);
        int8_t kept = (int8_t)(level > 127 ? 127 : level);
        out[192 + j] = (uint8_t)kept;
        d[j] = unit * (float)kept;
    }
    return 1;
}

/* Packs the levels of 256 values, low four bits and high two bits; a sub-block that is not kept has level 0. */
INLINE void put_signed_levels(const float *x, const float *d, const int32_t *kept, uint8_t *out) {
    EACH(h, 2) for (int l = 0; l < 32; l += L) {
        K level[4];
        EACH(k, 4) {
            const int at = 128 * h + 32 * k + l;
            level[k] = (level_of(load(x + at) / splat(d[at / 16]), -32, 31) + 32) & isplat(kept[at / 16]);
        }
        B a = low_bytes((level[0] & 15) | (level[2] & 15) << 4), b = low_bytes((level[1] & 15) | (level[3] & 15) << 4);
        B high = low_bytes(level[0] >> 4 | level[1] >> 4 << 2 | level[2] >> 4 << 4 | level[3] >> 4 << 6);
        memcpy(out + 64 * h + l, &a, sizeof a);
        memcpy(out + 64 * h + 32 + l, &b, sizeof b);
        memcpy(out + 128 + 32 * h + l, &high, sizeof high);
    }
}

/* The plain sequence for one block. */
static void plain_signed(const float *x, const float *importance, uint8_t *out) {
    float scale[16], d[16];
    uint8_t levels[256];
    EACH(j, 16) scale[j] = fit_signed(x + 16 * j, importance ? importance + 16 * j : 0, levels + 16 * j);
    if (!put_signed_scales(scale, out, d)) return;
    EACH(j, 16) {
        if (d[j] == 0) continue;
        EACH(i, 16) levels[16 * j + i] = (uint8_t)(clamp(nearest(x[16 * j + i] / d[j]), -32, 31) + 32);
    }
    EACH(h, 2) EACH(i, 32) {
        const uint8_t *q = levels + 128 * h + i;
        out[64 * h + i] = (uint8_t)((q[0] & 15) | (q[64] & 15) << 4);
        out[64 * h + 32 + i] = (uint8_t)((q[32] & 15) | (q[96] & 15) << 4);
        out[128 + 32 * h + i] = (uint8_t)(q[0] >> 4 | q[32] >> 4 << 2 | q[64] >> 4 << 4 | q[96] >> 4 << 6);
    }
}

INLINE void signed_scales(const float *x, const float *importance, int blocks, uint8_t *out) {
    struct signed_fit found;
    fit_signed_tiles(x, importance, blocks, &found);
    EACH(block, blocks) {
        const int at = 16 * block;
        float d[16];
        int32_t kept[16];
        int plain = 0, any = put_signed_scales(found.scale + at, out, d);
        EACH(j, 16) plain |= found.is_bad[at + j];
        if (any) EACH(j, 16) {
            kept[j] = ~0;
            if (d[j] == 0 && found.largest[at + j] < EPSILON) d[j] = __builtin_inff(), kept[j] = 0;
            else plain |= d[j] == 0 || !is_finite(d[j]) || !(found.largest[at + j] / positive(d[j]) < EXACT);
        }
        if (plain) plain_signed(x + 256 * block, importance ? importance + 256 * block : 0, out);
        else if (any) put_signed_levels(x + 256 * block, d, kept, out);
        out += 210;
    }
}

static void q6_k(const float *x, int blocks, uint8_t *out) { signed_scales(x, 0, blocks, out); }

static void weighted_q6_k(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out) {
    (void)spread;
    signed_scales(x, importance, blocks, out);
}
