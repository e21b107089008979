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
INLINE V rounded(V a, int low, int high) { return (V)rounded_bits(a, low, high) - splat(MAGIC); }
INLINE K level_of(V a, int low, int high) { return rounded_bits(a, low, high) - isplat(MAGIC_BITS); }

/* Reads TILE sub-blocks of `size` values as [value][lane]. */
INLINE void transpose(const float *x, int size, V *tile) {
    float *out = (float *)tile;
    EACH(lane, TILE) EACH(i, size) out[i * TILE + lane] = x[lane * size + i];
}
