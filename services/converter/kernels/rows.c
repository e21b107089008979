/* Rows of floats to GGML blocks, for one target; build.py compiles this file once per target, with NAME set.
 *
 * The same bytes as ggml's quantizers, with an importance matrix or without, compiled without fused operations.
 */
#ifdef __FAST_MATH__
#error "fast math changes the bytes"
#endif
#include "blocks32.h"
#include "kernels.h"
#include "min_scale.h"
#include "nonlinear.h"
#include "signed_scale.h"
#include "symmetric.h"

enum { F32 = 0, F16 = 1, BF16 = 30 }; /* GGML's numbers of types */

static void f32(const float *x, int values, uint8_t *out) { memcpy(out, x, 4 * (size_t)values); }

static void f16(const float *x, int values, uint8_t *out) {
    for (int i = 0; i < values; i += L) {
        H h = to_halves(load(x + i));
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

static void bf16(const float *x, int values, uint8_t *out) {
    for (int i = 0; i < values; i += L) {
        U all = (U)load(x + i);
        H h = low_halves((K)((all + 0x7fff + (all >> 16 & 1)) >> 16));
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

static const struct kind {
    int type, values, bytes;
    void (*put)(const float *x, int blocks, uint8_t *out);
    uint32_t limit; /* a value whose magnitude has these bits or more is infinite or NaN, or becomes infinite */
    /* With an importance matrix, where it matters; `spread` has the mean square of each block's row if `by_row`. */
    void (*put_weighted)(const float *x, const float *importance, const float *spread, int blocks, uint8_t *out);
    int by_row;
} KINDS[] = {
    {F32, 1, 4, f32, 0x7f800000, 0, 0},
    {F16, 1, 2, f16, 0x477ff000, 0, 0},
    {BF16, 1, 2, bf16, 0x7f7f8000, 0, 0},
    {2, 32, 18, q4_0, 0x7f800000, weighted_q4_0, 1},
    {3, 32, 20, 0, 0x7f800000, weighted_q4_1, 1},
    {6, 32, 22, q5_0, 0x7f800000, weighted_q5_0, 1},
    {7, 32, 24, q5_1, 0x7f800000, weighted_q5_1, 1},
    {8, 32, 34, q8_0, 0x7f800000, 0, 0},
    {12, 256, 144, q4_k, 0x7f800000, weighted_q4_k, 0},
    {13, 256, 176, q5_k, 0x7f800000, weighted_q5_k, 0},
    {14, 256, 210, q6_k, 0x7f800000, weighted_q6_k, 0},
    {20, 32, 18, iq4_nl, 0x7f800000, weighted_iq4_nl, 0},
    {23, 256, 136, iq4_xs, 0x7f800000, weighted_iq4_xs, 0},
};

INLINE V value_at(const uint8_t *x, int source, int64_t i) {
    V v;
    H h;
    if (source == F32) {
        memcpy(&v, x + 4 * i, sizeof v);
        return v;
    }
    memcpy(&h, x + 2 * i, sizeof h);
    return source == F16 ? from_half(h) : (V)(__builtin_convertvector(h, U) << 16);
}

/* Reads `values` values, a multiple of L, as floats; returns how many reach the limit. */
INLINE int64_t read_as(int source, const uint8_t *x, int values, uint32_t limit, float *out) {
    U reached = {0};
    for (int i = 0; i < values; i += L) {
        V v = value_at(x, source, i);
        store(out + i, v);
        reached -= (U)((K)mag(v) >= (int32_t)limit);
    }
    int64_t count = 0;
    EACH(k, L) count += reached[k];
    return count;
}

static int64_t read_values(int source, const uint8_t *x, int values, uint32_t limit, float *out) {
    if (source == F32) return read_as(F32, x, values, limit, out);
    return source == F16 ? read_as(F16, x, values, limit, out) : read_as(BF16, x, values, limit, out);
}

/* Quantizes up to CHUNK values; returns how many cannot be represented. */
static int64_t put_chunk(const struct kind *kind, int source, const uint8_t *x, int count, uint8_t *out) {
    float chunk[CHUNK] __attribute__((aligned(64)));
    uint8_t rest[4 * L] = {0};
    const int width = source == F32 ? 4 : 2, whole = count / L * L, left = count - whole, read = left ? whole + L : whole;
    int64_t refused = read_values(source, x, whole, kind->limit, chunk);
    if (left) {
        memcpy(rest, x + width * whole, (size_t)(width * left));
        refused += read_values(source, rest, L, kind->limit, chunk + whole);
    }
    memset(chunk + read, 0, 4 * (size_t)(CHUNK - read)); /* lanes without a block */
    kind->put(chunk, (kind->values > 1 ? count : whole) / kind->values, out);
    if (left) {
        kind->put(chunk + whole, L, rest);
        memcpy(out + kind->bytes * whole, rest, (size_t)(kind->bytes * left));
    }
    return refused;
}

/* The mean of a row's squares, summed in order. */
static float mean_square(int source, const uint8_t *x, int64_t length) {
    float part[CHUNK] __attribute__((aligned(64))), sum = 0;
    for (int64_t at = 0; at < length; at += CHUNK) {
        const int count = length - at < CHUNK ? (int)(length - at) : CHUNK;
        read_values(source, x + at * (source == F32 ? 4 : 2), count, 0x7f800000, part);
        EACH(i, count) sum += part[i] * part[i];
    }
    return sum / (float)length;
}

/* Quantizes rows whose length is a multiple of the blocks'. A chunk may hold parts of several rows. */
static int64_t put_weighted_rows(const struct kind *kind, int source, const uint8_t *x, int64_t values,
                                 const float *importance, int64_t length, uint8_t *out) {
    float chunk[CHUNK] __attribute__((aligned(64))), weights[CHUNK] __attribute__((aligned(64)));
    float spread[SUBBLOCKS(32)] = {0}, of_row = 0;
    const int width = source == F32 ? 4 : 2;
    int64_t refused = 0;
    for (int64_t at = 0; at < values; at += CHUNK) {
        const int count = values - at < CHUNK ? (int)(values - at) : CHUNK;
        refused += read_values(source, x + width * at, count, kind->limit, chunk);
        memset(chunk + count, 0, 4 * (size_t)(CHUNK - count)); /* lanes without a block */
        memset(weights + count, 0, 4 * (size_t)(CHUNK - count));
        for (int done = 0; done < count;) {
            const int64_t place = (at + done) % length;
            const int left = count - done, part = length - place < left ? (int)(length - place) : left;
            if (kind->by_row && place == 0) of_row = mean_square(source, x + width * (at + done), length);
            memcpy(weights + done, importance + place, 4 * (size_t)part);
            EACH(block, part / 32) spread[done / 32 + block] = of_row;
            done += part;
        }
        kind->put_weighted(chunk, weights, spread, count / kind->values, out);
        out += count / kind->values * kind->bytes;
    }
    return refused;
}

/* Quantizes values of type `source`; returns how many cannot be represented, or -1 for types that are not here. */
int64_t NAME(int type, int source, const uint8_t *x, int64_t values, const float *importance, int64_t length,
             uint8_t *out) {
    const struct kind *kind = KINDS, *end = KINDS + sizeof KINDS / sizeof *KINDS;
    int64_t refused = 0;
    while (kind < end && kind->type != type) kind++;
    if (kind == end || (source != F32 && source != F16 && source != BF16) || values % kind->values) return -1;
    if (importance && kind->put_weighted)
        return length % kind->values ? -1 : put_weighted_rows(kind, source, x, values, importance, length, out);
    if (!kind->put) return -1;
    for (int64_t at = 0; at < values; at += CHUNK) {
        const int count = values - at < CHUNK ? (int)(values - at) : CHUNK;
        refused += put_chunk(kind, source, x + at * (source == F32 ? 4 : 2), count, out + at / kind->values * kind->bytes);
    }
    return refused;
}
