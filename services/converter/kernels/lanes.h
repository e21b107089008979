/* Tiles: sub-blocks side by side in the lanes of G vectors, so that chains of additions overlap. */
#pragma once
#include "scalar.h"

#define G 2
#define TILE (L * G)
#define CHUNK 2048 /* values quantized at a time; the working set stays in the first-level cache */
#define SUBBLOCKS(size) (CHUNK / (size))
#define GROUPS(g) _Pragma("GCC unroll 2") EACH(g, G)

/* Rounds to the nearest integer and clamps it: the clamp works on the bits, where integers are ordered too. */
INLINE K rounded_bits(V a, int low, int high) {
    K all = (K)(a + splat(MAGIC));
    return lowest(highest(all, isplat(MAGIC_BITS + low)), isplat(MAGIC_BITS + high));
}
INLINE V rounded(V a, int low, int high) {
#ifdef __AVX512F__ /* one operation less; with AVX2 it measures slower */
    return least(most(whole(a), splat((float)low)), splat((float)high));
#else
    return (V)rounded_bits(a, low, high) - splat(MAGIC);
#endif
}
INLINE K level_of(V a, int low, int high) { return rounded_bits(a, low, high) - isplat(MAGIC_BITS); }

/* Transposes L vectors. */
INLINE void swap_sides(V *a) {
#ifdef __clang__
    V b[L];
    EACH(i, L) EACH(k, L) b[i][k] = a[k][i];
    memcpy(a, b, sizeof b);
#else /* exchanges quadrants, then quadrants of quadrants */
    K place;
    EACH(k, L) place[k] = k;
    _Pragma("GCC unroll 4") for (int step = L / 2; step; step /= 2) {
        const K is_second = (place & step) != 0, low = place + (is_second & (L - step)), high = low + step;
        _Pragma("GCC unroll 16") EACH(i, L) if (!(i & step)) {
            V first = a[i], second = a[i + step];
            a[i] = __builtin_shuffle(first, second, low);
            a[i + step] = __builtin_shuffle(first, second, high);
        }
    }
#endif
}

/* Reads TILE sub-blocks of `size` values as [value][lane]. */
INLINE void transpose(const float *x, int size, V *tile) {
    for (int start = 0; start < size; start += L) GROUPS(g) {
        V square[L];
        EACH(lane, L) square[lane] = load(x + (g * L + lane) * size + start);
        swap_sides(square);
        EACH(i, L) tile[(start + i) * G + g] = square[i];
    }
}

/* The sum of the squares of each block of 256 values of a chunk, each in order. */
INLINE void squares_of_blocks(const float *x, float *sums) {
    for (int first = 0; first < SUBBLOCKS(256); first += L) {
        V sum = splat(0);
        for (int start = 0; start < 256; start += L) {
            V square[L];
            EACH(lane, L) square[lane] = load(x + (first + lane) % SUBBLOCKS(256) * 256 + start);
            swap_sides(square);
            EACH(i, L) sum = sum + square[i] * square[i];
        }
        EACH(lane, L) if (first + lane < SUBBLOCKS(256)) sums[first + lane] = sum[lane];
    }
}
