/* The 6-bit levels of a block's scales and minima, weighed by their sub-blocks' weights. One lane per block and kind.
 *
 * Source: ggml, src/ggml-quants.c (make_qp_quants).
 */
#pragma once
#include "lanes.h"

#define BLOCKS SUBBLOCKS(256)
#define COLUMNS (2 * BLOCKS) /* first the blocks' scales, then their minima */

struct units {
    float x[8][COLUMNS], w[8][COLUMNS]; /* given: a row per sub-block of a block */
    float unit[COLUMNS];
    int32_t level[8][COLUMNS];
    uint8_t is_bad[COLUMNS]; /* the lanes' shortcuts do not hold */
};

/* The plain sequence. A negative value's level is negative modulo 256, as in ggml. */
static float plain_units(const float *x, const float *w, uint8_t *levels) {
    float top = 0, best = 0, sum_xl = 0, sum_l2 = 0;
    EACH(i, 8) top = top > x[i] ? top : x[i];
    memset(levels, 0, 8);
    if (top < EPSILON) return 0;
    float inverse = 63 / top, scale = 1 / inverse;
    EACH(i, 8) {
        levels[i] = (uint8_t)nearest(inverse * x[i]);
        float miss = x[i] - scale * (float)levels[i];
        best += w[i] * miss * miss;
    }
    for (int step = -4; step <= 4; step++) {
        const float tried = (0.1f * (float)step + 63) / top, slope = 1 / tried;
        float error = 0;
        if (step == 0) continue;
        EACH(i, 8) {
            int level = nearest(tried * x[i]);
            float miss = x[i] - slope * (float)(level < 63 ? level : 63);
            error += w[i] * miss * miss;
        }
        if (error < best) best = error, inverse = tried;
    }
    EACH(i, 8) {
        int level = nearest(inverse * x[i]);
        level = level < 63 ? level : 63;
        levels[i] = (uint8_t)level;
        sum_xl += w[i] * x[i] * (float)level;
        sum_l2 += w[i] * (float)level * (float)level;
    }
    int changes = 1;
    for (int turn = 0; turn < 5 && changes; turn++) {
        changes = 0;
        EACH(i, 8) {
            float xl = sum_xl - w[i] * x[i] * (float)levels[i], l2 = sum_l2 - w[i] * (float)levels[i] * (float)levels[i];
            if (!(xl > 0 && l2 > 0)) continue;
            int level = nearest(x[i] * l2 / xl);
            level = level < 63 ? level : 63;
            if (level == levels[i]) continue;
            xl += w[i] * x[i] * (float)level;
            l2 += w[i] * (float)level * (float)level;
            if (!(xl * xl * sum_l2 > sum_xl * sum_xl * l2)) continue;
            levels[i] = (uint8_t)level, sum_xl = xl, sum_l2 = l2, changes++;
        }
    }
    return sum_l2 > 0 ? sum_xl / sum_l2 : 0;
}

/* The error of the levels that this inverse scale gives. */
INLINE V error_of_units(const V *x, const V *w, V inverse) {
    const V scale = splat(1) / inverse;
    V error = splat(0);
    EACH(i, 8) {
        V miss = x[i] - scale * rounded(inverse * x[i], 0, 63);
        error = error + (w[i] * miss) * miss;
    }
    return error;
}

/* Moves single levels to where the unit then suits all better; returns the lanes with a move, and adds to `bad` those
 * whose shortcuts fail. */
INLINE unsigned move_levels(const V *x, const V *w, V *level, V *sum_xl, V *sum_l2, unsigned *bad) {
    unsigned moves = 0;
    EACH(i, 8) {
        V xl = *sum_xl - (w[i] * x[i]) * level[i], l2 = *sum_l2 - (w[i] * level[i]) * level[i];
        M is_possible = lt(splat(0), xl) & lt(splat(0), l2);
        V exact = (x[i] * l2) / xl, moved = rounded(exact, 0, 63);
        *bad |= bits(is_possible) & ~bits(lt(exact, splat(EXACT)));
        xl = xl + (w[i] * x[i]) * moved;
        l2 = l2 + (w[i] * moved) * moved;
        M better = is_possible & ne(moved, level[i]) & lt((*sum_xl * *sum_xl) * l2, (xl * xl) * *sum_l2);
        level[i] = pick(better, moved, level[i]);
        *sum_xl = pick(better, xl, *sum_xl);
        *sum_l2 = pick(better, l2, *sum_l2);
        moves |= bits(better);
    }
    return moves;
}

INLINE void fit_units(struct units *found) {
    for (int at = 0; at < COLUMNS; at += L) {
        V x[8], w[8], level[8], top = splat(0), sum_xl = splat(0), sum_l2 = splat(0);
        unsigned bad = 0;
        EACH(i, 8) {
            x[i] = load(found->x[i] + at), w[i] = load(found->w[i] + at);
            top = pick(lt(x[i], top), top, x[i]);
            bad |= bits(lt(x[i], splat(0))) | bits(ne(x[i], x[i]));
        }
        V inverse = splat(63) / top, best = error_of_units(x, w, inverse);
        bad |= ~bits(lt(inverse * top, splat(EXACT)));
        for (int step = -4; step <= 4; step++) {
            if (step == 0) continue;
            V tried = splat(0.1f * (float)step + 63) / top, error = error_of_units(x, w, tried);
            M better = lt(error, best);
            best = pick(better, error, best);
            inverse = pick(better, tried, inverse);
        }
        EACH(i, 8) {
            level[i] = rounded(inverse * x[i], 0, 63);
            sum_xl = sum_xl + (w[i] * x[i]) * level[i];
            sum_l2 = sum_l2 + (w[i] * level[i]) * level[i];
        }
        EACH(turn, 5) if (!move_levels(x, w, level, &sum_xl, &sum_l2, &bad)) break;
        M is_zero = lt(top, splat(EPSILON));
        store(found->unit + at, pick(is_zero, splat(0), pick(lt(splat(0), sum_l2), sum_xl / sum_l2, splat(0))));
        EACH(i, 8) {
            K whole = truncated(pick(is_zero, splat(0), level[i]));
            memcpy(found->level[i] + at, &whole, sizeof whole);
        }
        bad &= ~bits(is_zero);
        EACH(lane, L) found->is_bad[at + lane] = bad >> lane & 1;
    }
}
