/* Q4_K and Q5_K: 8 sub-blocks of 32 values, each with a 6-bit scale and a 6-bit minimum. One lane per sub-block. */
#pragma once
#include "lanes.h"

#define TEAM 2 /* tiles in turns, so that the divisions for one overlap with the loops over the other */
#define TEAMS(k) _Pragma("GCC unroll 2") EACH(k, TEAM)
/* With 32 turns, one process in ten ran at half the speed from start to end; with eight, none of a hundred did. */
#define EACH_OF_32(i) _Pragma("GCC unroll 4") EACH(i, 32)

struct over_minimum {
    float scale[SUBBLOCKS(32)], minimum[SUBBLOCKS(32)], largest[SUBBLOCKS(32)], weight[SUBBLOCKS(32)];
    float inverse[SUBBLOCKS(32)], low[SUBBLOCKS(32)]; /* with which the best levels were made */
    int32_t is_flat[SUBBLOCKS(32)], is_bad[SUBBLOCKS(32)];
};

struct tile32 {
    V x[32 * G], w[32 * G], level[32 * G];
    V low[G], high[G], big[G], sum_w[G], sum_x[G], best[G], scale[G], spread[G], chosen[G], chosen_low[G];
    V inverse[G], slope[G], offset[G];
    M fits[G];
    unsigned bad[G], flat[G];
};

/* The weight of the i-th value; with an importance matrix, its value is in t->w. */
INLINE V weight_of(const struct tile32 *t, int i, int g, V mean, int is_weighted) {
    V a = t->x[i * G + g];
    return is_weighted ? t->w[i * G + g] * root(t->spread[g] + a * a) : mean + mag(a);
}

INLINE void first_fit(struct tile32 *t, int g, int top, int is_weighted) {
    V squares = splat(0), low = t->x[g], high = low, best = splat(0);
    if (!is_weighted) EACH(i, 32) squares = squares + t->x[i * G + g] * t->x[i * G + g];
    const V mean = root(squares / splat(32));
    V w = weight_of(t, 0, g, mean, is_weighted), sum_w = w, sum_x = w * low;
    t->w[g] = w;
    for (int i = 1; i < 32; i++) {
        V a = t->x[i * G + g];
        low = least(a, low);
        high = most(a, high);
        w = weight_of(t, i, g, mean, is_weighted);
        t->w[i * G + g] = w;
        sum_w = sum_w + w;
        sum_x = sum_x + w * a;
    }
    t->big[g] = most(high, -low);
    low = pick(lt(splat(0), low), splat(0), low);
    const V inverse = splat((float)top) / (high - low), scale = splat(1) / inverse;
    EACH(i, 32) {
        V a = t->x[i * G + g], miss = (scale * rounded(inverse * (a - low), 0, top) + low) - a;
        best = best + t->w[i * G + g] * (miss * miss);
    }
    t->flat[g] = bits(eq(high, low));
    t->bad[g] = ~bits(lt(inverse * t->big[g], splat(EXACT)));
    t->low[g] = low, t->high[g] = high, t->sum_w[g] = sum_w, t->sum_x[g] = sum_x;
    t->scale[g] = scale, t->best[g] = best, t->chosen[g] = inverse, t->chosen_low[g] = low;
}

/* The levels for the tried inverse scales, and the scale and offset that suit these best; `fits` has the lanes with such.
 * Only if `may_exceed` can a level be above `top`, except in lanes whose inverse scale is negative: these are bad. */
INLINE void solve_tile(struct tile32 *t, int top, int may_exceed) {
    V sum_l[G], sum_l2[G], sum_xl[G];
    GROUPS(g) sum_l[g] = sum_l2[g] = sum_xl[g] = splat(0);
    EACH_OF_32(i) GROUPS(g) {
        V a = t->x[i * G + g], exact = t->inverse[g] * (a - t->low[g]);
        if (may_exceed) exact = least(exact, splat((float)top));
        V level = (V)highest((K)whole(exact), isplat(0)), weighted = t->w[i * G + g] * level;
        t->level[i * G + g] = level;
        sum_l[g] = sum_l[g] + weighted;
        sum_l2[g] = sum_l2[g] + weighted * level;
        sum_xl[g] = sum_xl[g] + weighted * a;
    }
    GROUPS(g) {
        V det = t->sum_w[g] * sum_l2[g] - sum_l[g] * sum_l[g];
        V slope = (t->sum_w[g] * sum_xl[g] - t->sum_x[g] * sum_l[g]) / det;
        V offset = (sum_l2[g] * t->sum_x[g] - sum_l[g] * sum_xl[g]) / det;
        M above = lt(splat(0), offset);
        if (bits(above)) { /* rare: most steps are spared a division */
            slope = pick(above, sum_xl[g] / sum_l2[g], slope);
            offset = pick(above, splat(0), offset);
        }
        t->slope[g] = slope, t->offset[g] = offset;
        t->fits[g] = lt(splat(0), det);
        V largest = t->inverse[g] * (t->big[g] + mag(t->low[g]));
        t->bad[g] |= ~bits(lt(splat(0), largest) & lt(largest, splat(EXACT)));
    }
}

/* Keeps what was solved where its error is less; then tries `number` levels for the range. */
INLINE void keep_better(struct tile32 *t, float number, int is_weighted) {
    V error[G];
    GROUPS(g) error[g] = splat(0);
    EACH_OF_32(i) GROUPS(g) {
        V miss = (t->slope[g] * t->level[i * G + g] + t->offset[g]) - t->x[i * G + g];
        error[g] = error[g] + t->w[i * G + g] * (miss * miss);
    }
    GROUPS(g) {
        M better = t->fits[g] & lt(error[g], t->best[g]);
        t->best[g] = pick(better, error[g], t->best[g]);
        t->scale[g] = pick(better, t->slope[g], t->scale[g]);
        if (is_weighted) {
            t->chosen[g] = pick(better, t->inverse[g], t->chosen[g]);
            t->chosen_low[g] = pick(better, t->low[g], t->chosen_low[g]);
        }
        t->low[g] = pick(better, t->offset[g], t->low[g]);
        t->inverse[g] = splat(number) / (t->high[g] - t->low[g]);
    }
}

/* How many levels a step tries for the range. */
INLINE float number_of(struct search try, int step) { return try.first + try.delta * (float)step + (float)try.top; }

/* A value is at most the sub-block's highest, whose level before rounding is the number of levels tried. */
INLINE void search_tiles(struct tile32 *t, struct search try, int is_weighted) {
    EACH(k, TEAM) GROUPS(g) t[k].inverse[g] = splat(number_of(try, 0)) / (t[k].high[g] - t[k].low[g]);
    EACH(step, try.steps) {
        const int may_exceed = number_of(try, step) > (float)try.top + 0.49f;
        const float next = number_of(try, step + 1);
        if (may_exceed) TEAMS(k) solve_tile(t + k, try.top, 1);
        else TEAMS(k) solve_tile(t + k, try.top, 0);
        TEAMS(k) keep_better(t + k, next, is_weighted);
    }
}

/* Stores what was found for the sub-blocks from `at`. */
INLINE void keep_fits(const struct tile32 *t, int at, int is_weighted, struct over_minimum *found) {
    GROUPS(g) {
        const int place = at + g * L;
        if (is_weighted) {
            store(found->weight + place, t->sum_w[g]);
            store(found->inverse + place, t->chosen[g]);
            store(found->low + place, t->chosen_low[g]);
        }
        store(found->scale + place, t->scale[g]);
        store(found->minimum + place, -t->low[g]);
        store(found->largest + place, t->big[g]);
        EACH(k, L) {
            found->is_flat[place + k] = t->flat[g] >> k & 1;
            found->is_bad[place + k] = t->bad[g] >> k & 1;
            if (found->is_flat[place + k]) found->scale[place + k] = 0, found->is_bad[place + k] = 0;
        }
    }
}

/* With an importance matrix, `spread` has the mean square that goes into each sub-block's weights. */
INLINE void fit_tiles(const float *x, const float *importance, const float *spread, int subblocks, struct search try,
                      struct over_minimum *found) {
    struct tile32 tiles[TEAM];
    const int top = try.top, is_weighted = importance != 0;
    for (int first = 0; first < subblocks; first += TEAM * TILE) {
        EACH(k, TEAM) {
            struct tile32 *t = tiles + k;
            const int at = first + k * TILE;
            transpose(x + 32 * at, 32, t->x);
            if (is_weighted) transpose(importance + 32 * at, 32, t->w);
            if (is_weighted) EACH(g, G) t->spread[g] = load(spread + at + g * L);
            GROUPS(g) first_fit(t, g, top, is_weighted);
        }
        search_tiles(tiles, try, is_weighted);
        EACH(k, TEAM) keep_fits(tiles + k, first + k * TILE, is_weighted, found);
    }
}

/* Writes d, dmin and the 12 bytes of 6-bit levels of scales and minima; those above 63 spoil their neighbors, as in ggml.
 * Returns each sub-block's values of both as they will be read. */
INLINE void put_scales(float unit, float unit_m, const uint8_t *ls, const uint8_t *lm, uint8_t *out, float *d, float *m) {
    const uint32_t low = 0x0f0f0f0f, top = 0x03030303, six = 0x3f3f3f3f;
    uint32_t a[2], b[2], packed[3];
    uint8_t read[16];
    memcpy(a, ls, 8);
    memcpy(b, lm, 8);
    packed[0] = a[0] | (a[1] >> 4 & top) << 6; /* four bytes at a time */
    packed[1] = b[0] | (b[1] >> 4 & top) << 6;
    packed[2] = (a[1] & low) | (b[1] & low) << 4;
    put_half(out, unit);
    put_half(out + 2, unit_m);
    memcpy(out + 4, packed, 12);
    a[0] = packed[0] & six, a[1] = (packed[2] & low) | (packed[0] >> 6 & top) << 4;
    b[0] = packed[1] & six, b[1] = (packed[2] >> 4 & low) | (packed[1] >> 6 & top) << 4;
    memcpy(read, a, 8);
    memcpy(read + 8, b, 8);
    unit = get_half(out), unit_m = get_half(out + 2);
    EACH(j, 8) d[j] = unit * (float)read[j];
    EACH(j, 8) m[j] = unit_m * (float)read[8 + j];
}

/* The same without an importance matrix. */
INLINE void put_plain_scales(const float *scale, const float *minimum, uint8_t *out, float *d, float *m) {
    float top = 0, top_m = 0;
    uint8_t ls[8], lm[8];
    EACH(j, 8) top = scale[j] > top ? scale[j] : top;
    EACH(j, 8) top_m = minimum[j] > top_m ? minimum[j] : top_m;
    const float inverse = top > 0 ? 63.0f / top : 0, inverse_m = top_m > 0 ? 63.0f / top_m : 0;
    EACH(j, 8) {
        uint8_t a = (uint8_t)nearest(inverse * scale[j]), b = (uint8_t)nearest(inverse_m * minimum[j]);
        ls[j] = a > 63 ? 63 : a;
        lm[j] = b > 63 ? 63 : b;
    }
    put_scales(top / 63.0f, top_m / 63.0f, ls, lm, out, d, m);
}

/* Packs the levels of 256 values: low four bits, and above 15 the fifth. */
INLINE void put_levels(const float *x, const float *d, const float *m, int top, uint8_t *high, uint8_t *low) {
    for (int l = 0; l < 32; l += L) {
        K fifth = isplat(0);
        EACH(g, 4) {
            const float *y = x + 64 * g + l;
            K a = level_of((load(y) + splat(m[2 * g])) / splat(d[2 * g]), 0, top);
            K b = level_of((load(y + 32) + splat(m[2 * g + 1])) / splat(d[2 * g + 1]), 0, top);
            B packed = low_bytes((a & 15) | (b & 15) << 4);
            memcpy(low + 32 * g + l, &packed, sizeof packed);
            fifth |= (a >> 4 | b >> 4 << 1) << (2 * g);
        }
        if (top > 15) {
            B packed = low_bytes(fifth);
            memcpy(high + l, &packed, sizeof packed);
        }
    }
}

static void plain_levels(const float *x, const float *d, const float *m, int top, uint8_t *levels) {
    EACH(j, 8) {
        if (!d[j]) continue;
        EACH(i, 32) levels[32 * j + i] = (uint8_t)clamp(nearest((x[32 * j + i] + m[j]) / d[j]), 0, top);
    }
}

/* Packs the 256 levels of a block. */
static void pack_levels(const uint8_t *levels, int top, uint8_t *out) {
    uint8_t *high = out + 16, *low = top > 15 ? out + 48 : out + 16;
    if (top > 15) memset(high, 0, 32);
    EACH(g, 4) EACH(i, 32) {
        uint8_t a = levels[64 * g + i], b = levels[64 * g + 32 + i];
        low[32 * g + i] = (uint8_t)((a & 15) | (b & 15) << 4);
        if (top > 15) high[i] |= (uint8_t)((a >> 4 | b >> 4 << 1) << (2 * g));
    }
}

/* The plain sequence for one block. */
static void plain_over_minimum(const float *x, struct search try, uint8_t *out) {
    float scale[8], minimum[8], d[8], m[8];
    uint8_t levels[256];
    EACH(j, 8) {
        float w[32];
        plain_weights(x + 32 * j, w);
        scale[j] = fit_over_minimum(x + 32 * j, w, try, levels + 32 * j, minimum + j);
    }
    put_plain_scales(scale, minimum, out, d, m);
    plain_levels(x, d, m, try.top, levels);
    pack_levels(levels, try.top, out);
}

/* Whether a block with these values of a level and of the minimum takes the plain sequence; `at` is its first sub-block. */
INLINE int is_plain(const struct over_minimum *found, int at, float *d, float *m) {
    int32_t plain = 0;
    EACH(j, 8) {
        const int32_t is_zero = (d[j] == 0) & found->is_flat[at + j];
        d[j] = is_zero ? __builtin_inff() : d[j]; /* every level becomes 0 */
        m[j] = is_zero ? 0 : m[j];
        const int32_t is_usable = is_zero | ((d[j] != 0) & is_finite(d[j]));
        plain |= found->is_bad[at + j] | !is_usable | !((found->largest[at + j] + m[j]) / d[j] < EXACT);
    }
    return plain;
}

INLINE void over_minimum(const float *x, int blocks, uint8_t *out, struct search try) {
    const int top = try.top, size = top > 15 ? 176 : 144;
    struct over_minimum found;
    fit_tiles(x, 0, 0, 8 * blocks, try, &found);
    EACH(block, blocks) {
        const int at = 8 * block;
        float d[8], m[8];
        put_plain_scales(found.scale + at, found.minimum + at, out, d, m);
        if (is_plain(&found, at, d, m)) plain_over_minimum(x + 256 * block, try, out);
        else put_levels(x + 256 * block, d, m, top, out + 16, out + size - 128);
        out += size;
    }
}

static void q4_k(const float *x, int blocks, uint8_t *out) {
    over_minimum(x, blocks, out, (struct search){15, -1.0f, 0.1f, 21});
}

static void q5_k(const float *x, int blocks, uint8_t *out) {
    over_minimum(x, blocks, out, (struct search){31, -0.5f, 0.1f, 16});
}
