/* The types that lay out a block from levels 0..top, with an importance matrix: Q4_K, Q5_K, Q4_0, Q5_0, Q4_1, Q5_1.
 *
 * Source: ggml, src/ggml-quants.c (quantize_row_*_impl).
 */
#pragma once
#include "blocks32.h"
#include "min_scale.h"
#include "units.h"

static const struct search WEIGHTED4 = {15, -0.9f, 0.05f, 37}, WEIGHTED5 = {31, -0.9f, 0.05f, 37};

INLINE void gather_units(const struct over_minimum *found, int blocks, struct units *units) {
    EACH(j, 8) EACH(block, BLOCKS) {
        const int at = 8 * block + j, is_there = block < blocks;
        units->x[j][block] = is_there ? found->scale[at] : 0;
        units->x[j][BLOCKS + block] = is_there ? found->minimum[at] : 0;
        units->w[j][block] = units->w[j][BLOCKS + block] = is_there ? found->weight[at] : 0;
    }
}

/* The plain sequence for one block. */
static void plain_weighted_over_minimum(const float *x, const float *importance, struct search try, uint8_t *out) {
    float scale[8], minimum[8], weight[8], d[8], m[8];
    uint8_t levels[256], ls[8], lm[8];
    const float spread = 2 * squares_of(x, 256) / 256;
    EACH(j, 8) {
        float w[32];
        important_weights(x + 32 * j, importance + 32 * j, spread, 32, w);
        weight[j] = 0;
        EACH(i, 32) weight[j] += w[i];
        scale[j] = fit_over_minimum(x + 32 * j, w, try, levels + 32 * j, minimum + j);
    }
    const float unit = plain_units(scale, weight, ls), unit_m = plain_units(minimum, weight, lm);
    if (try.top > 15) EACH(j, 8) {
        ls[j] = ls[j] < 63 ? ls[j] : 63;
        lm[j] = lm[j] < 63 ? lm[j] : 63;
    }
    put_scales(unit, unit_m, ls, lm, out, d, m);
    plain_levels(x, d, m, try.top, levels);
    pack_levels(levels, try.top, out);
}

INLINE void weighted_over_minimum(const float *x, const float *importance, int blocks, uint8_t *out, struct search try) {
    const int size = try.top > 15 ? 176 : 144;
    float squares[BLOCKS], spread[SUBBLOCKS(32)];
    struct over_minimum found;
    struct units units;
    squares_of_blocks(x, squares);
    EACH(j, SUBBLOCKS(32)) spread[j] = 2 * squares[j / 8] / 256;
    fit_tiles(x, importance, spread, 8 * blocks, try, &found);
    gather_units(&found, blocks, &units);
    fit_units(&units);
    EACH(block, blocks) {
        float d[8], m[8];
        uint8_t ls[8], lm[8];
        const int is_bad = units.is_bad[block] | units.is_bad[BLOCKS + block];
        EACH(j, 8) ls[j] = (uint8_t)units.level[j][block], lm[j] = (uint8_t)units.level[j][BLOCKS + block];
        put_scales(units.unit[block], units.unit[BLOCKS + block], ls, lm, out, d, m);
        if (is_plain(&found, 8 * block, d, m) | is_bad) plain_weighted_over_minimum(x + 256 * block, importance + 256 * block, try, out);
        else put_levels(x + 256 * block, d, m, try.top, out + 16, out + size - 128);
        out += size;
    }
}

static void weighted_q4_k(const float *x, const float *importance, const float *unused, int blocks, uint8_t *out) {
    (void)unused;
    weighted_over_minimum(x, importance, blocks, out, WEIGHTED4);
}

static void weighted_q5_k(const float *x, const float *importance, const float *unused, int blocks, uint8_t *out) {
    (void)unused;
    weighted_over_minimum(x, importance, blocks, out, WEIGHTED5);
}

/* Writes the 32 levels behind a block's head. */
INLINE void put_block_levels(const K *level, int is_five, int head, uint8_t *out) {
    uint32_t fifth = 0;
    EACH(l, 16 / L) fifth |= put_nibbles(level[l], level[l + 16 / L], l * L, out + head);
    if (is_five) memcpy(out + head - 4, &fifth, sizeof fifth);
}

/* Q4_1 and Q5_1; `spread` has the mean square of each block's row. */
INLINE void weighted_minimum_blocks(const float *x, const float *importance, const float *spread, int blocks,
                                    uint8_t *out, struct search try) {
    const int head = try.top > 15 ? 8 : 4;
    struct over_minimum found;
    fit_tiles(x, importance, spread, blocks, try, &found);
    EACH(block, blocks) {
        K level[32 / L];
        float scale = found.scale[block], minimum = found.minimum[block];
        if (found.is_bad[block]) {
            float w[32];
            uint8_t levels[32];
            important_weights(x, importance, spread[block], 32, w);
            scale = fit_over_minimum(x, w, try, levels, &minimum);
            EACH(i, 32) level[i / L][i % L] = levels[i];
        } else {
            EACH(l, 32 / L) {
                V a = splat(found.inverse[block]) * (load(x + l * L) - splat(found.low[block]));
                level[l] = found.is_flat[block] ? isplat(0) : level_of(a, 0, try.top);
            }
        }
        put_half(out, scale);
        put_half(out + 2, -minimum);
        put_block_levels(level, try.top > 15, head, out);
        x += 32;
        importance += 32;
        out += head + 16;
    }
}

static void weighted_q4_1(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out) {
    weighted_minimum_blocks(x, importance, spread, blocks, out, WEIGHTED4);
}

static void weighted_q5_1(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out) {
    weighted_minimum_blocks(x, importance, spread, blocks, out, WEIGHTED5);
}
