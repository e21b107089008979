/* Q4_K and Q5_K: 8 sub-blocks of 32 values, each with a 6-bit scale and a 6-bit minimum. One lane per sub-block. */
#pragma once
#include "lanes.h"

struct over_minimum {
    float scale[SUBBLOCKS(32)], minimum[SUBBLOCKS(32)], largest[SUBBLOCKS(32)], weight[SUBBLOCKS(32)];
    float inverse[SUBBLOCKS(32)], low[SUBBLOCKS(32)]; /* with which the best levels were made */
    uint8_t is_flat[SUBBLOCKS(32)], is_bad[SUBBLOCKS(32)];
};

struct tile32 {
    V x[32 * G], w[32 * G], level[32 * G];
    V low[G], high[G], big[G], sum_w[G], sum_x[G], best[G], scale[G], spread[G], chosen[G], chosen_low[G];
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

/* One more candidate for the inverse scale: `number` levels for the range. */
INLINE void next_fit(struct tile32 *t, float number, int top, int is_weighted) {
    V inverse[G], sum_l[G], sum_l2[G], sum_xl[G], slope[G], offset[G], error[G];
    M fits[G];
    GROUPS(g) {
        inverse[g] = splat(number) / (t->high[g] - t->low[g]);
        sum_l[g] = sum_l2[g] = sum_xl[g] = error[g] = splat(0);
    }
    EACH(i, 32) GROUPS(g) {
        V a = t->x[i * G + g], level = rounded(inverse[g] * (a - t->low[g]), 0, top), weighted = t->w[i * G + g] * level;
        t->level[i * G + g] = level;
        sum_l[g] = sum_l[g] + weighted;
        sum_l2[g] = sum_l2[g] + weighted * level;
        sum_xl[g] = sum_xl[g] + weighted * a;
    }
    GROUPS(g) {
        V det = t->sum_w[g] * sum_l2[g] - sum_l[g] * sum_l[g];
        slope[g] = (t->sum_w[g] * sum_xl[g] - t->sum_x[g] * sum_l[g]) / det;
        offset[g] = (sum_l2[g] * t->sum_x[g] - sum_l[g] * sum_xl[g]) / det;
        M above = lt(splat(0), offset[g]);
        slope[g] = pick(above, sum_xl[g] / sum_l2[g], slope[g]);
        offset[g] = pick(above, splat(0), offset[g]);
        fits[g] = lt(splat(0), det);
        t->bad[g] |= ~bits(lt(mag(inverse[g]) * (t->big[g] + mag(t->low[g])), splat(EXACT)));
    }
    EACH(i, 32) GROUPS(g) {
        V miss = (slope[g] * t->level[i * G + g] + offset[g]) - t->x[i * G + g];
        error[g] = error[g] + t->w[i * G + g] * (miss * miss);
    }
    GROUPS(g) {
        M better = fits[g] & lt(error[g], t->best[g]);
        t->best[g] = pick(better, error[g], t->best[g]);
        t->scale[g] = pick(better, slope[g], t->scale[g]);
        if (is_weighted) {
            t->chosen[g] = pick(better, inverse[g], t->chosen[g]);
            t->chosen_low[g] = pick(better, t->low[g], t->chosen_low[g]);
        }
        t->low[g] = pick(better, offset[g], t->low[g]);
    }
}

/* With an importance matrix, `spread` has the mean square that goes into each sub-block's weights. */
INLINE void fit_tiles(const float *x, const float *importance, const float *spread, int subblocks, struct search try,
                      struct over_minimum *found) {
    struct tile32 t;
    const int top = try.top, is_weighted = importance != 0;
    for (int at = 0; at < subblocks; at += TILE) {
        transpose(x + 32 * at, 32, t.x);
        if (is_weighted) transpose(importance + 32 * at, 32, t.w);
        if (is_weighted) EACH(g, G) t.spread[g] = load(spread + at + g * L);
        GROUPS(g) first_fit(&t, g, top, is_weighted);
        EACH(step, try.steps) next_fit(&t, try.first + try.delta * (float)step + (float)top, top, is_weighted);
        if (is_weighted) EACH(g, G) {
            store(found->weight + at + g * L, t.sum_w[g]);
            store(found->inverse + at + g * L, t.chosen[g]);
            store(found->low + at + g * L, t.chosen_low[g]);
        }
        GROUPS(g) {
            store(found->scale + at + g * L, t.scale[g]);
            store(found->minimum + at + g * L, -t.low[g]);
            store(found->largest + at + g * L, t.big[g]);
            EACH(k, L) {
                int place = at + g * L + k;
                found->is_flat[place] = t.flat[g] >> k & 1;
                found->is_bad[place] = t.bad[g] >> k & 1;
                if (found->is_flat[place]) found->scale[place] = 0, found->is_bad[place] = 0;
            }
        }
    }
}

/* Writes d, dmin and the 12 bytes of 6-bit scales and minima; returns each sub-block's values of both. */
INLINE void put_scales(const float *scale, const float *minimum, uint8_t *out, float *d, float *m) {
    float top = 0, top_m = 0;
    uint8_t *packed = out + 4;
    EACH(j, 8) top = scale[j] > top ? scale[j] : top;
    EACH(j, 8) top_m = minimum[j] > top_m ? minimum[j] : top_m;
    const float inverse = top > 0 ? 63.0f / top : 0, inverse_m = top_m > 0 ? 63.0f / top_m : 0;
    put_half(out, top / 63.0f);
    put_half(out + 2, top_m / 63.0f);
    const float unit = get_half(out), unit_m = get_half(out + 2);
    EACH(j, 8) {
        uint8_t a = (uint8_t)nearest(inverse * scale[j]), b = (uint8_t)nearest(inverse_m * minimum[j]);
        a = a > 63 ? 63 : a;
        b = b > 63 ? 63 : b;
        d[j] = unit * (float)a;
        m[j] = unit_m * (float)b;
        if (j < 4) {
            packed[j] = a;
            packed[j + 4] = b;
        } else {
            packed[j + 4] = (uint8_t)((a & 15) | (b & 15) << 4);
            packed[j - 4] |= (uint8_t)(a >> 4 << 6);
            packed[j] |= (uint8_t)(b >> 4 << 6);
        }
    }
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
    put_scales(scale, minimum, out, d, m);
    plain_levels(x, d, m, try.top, levels);
    pack_levels(levels, try.top, out);
}

/* Whether a sub-block with these values of a level and of the minimum takes the plain sequence. */
INLINE int is_plain(const struct over_minimum *found, int at, float *d, float *m) {
    if (found->is_bad[at]) return 1;
    if (*d == 0 && found->is_flat[at]) {
        *d = __builtin_inff(), *m = 0; /* every level becomes 0 */
        return 0;
    }
    return *d == 0 || !is_finite(*d) || !((found->largest[at] + *m) / *d < EXACT);
}

INLINE void over_minimum(const float *x, int blocks, uint8_t *out, struct search try) {
    const int top = try.top, size = top > 15 ? 176 : 144;
    struct over_minimum found;
    fit_tiles(x, 0, 0, 8 * blocks, try, &found);
    EACH(block, blocks) {
        const int at = 8 * block;
        float d[8], m[8];
        int plain = 0;
        put_scales(found.scale + at, found.minimum + at, out, d, m);
        EACH(j, 8) plain |= is_plain(&found, at + j, d + j, m + j);
        if (plain) plain_over_minimum(x + 256 * block, try, out);
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
