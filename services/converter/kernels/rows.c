/* Rows of floats to GGML blocks, for one target; build.py compiles this file once per target, with NAME set.
 *
 * The same bytes as ggml's reference quantizers without an importance matrix, compiled without fused operations.
 */
#ifdef __FAST_MATH__
#error "fast math changes the bytes"
#endif
#include "blocks32.h"
#include "kernels.h"
#include "min_scale.h"
#include "nonlinear.h"
#include "signed_scale.h"

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
} KINDS[] = {
    {F32, 1, 4, f32, 0x7f800000},     {F16, 1, 2, f16, 0x477ff000},     {BF16, 1, 2, bf16, 0x7f7f8000},
    {2, 32, 18, q4_0, 0x7f800000},    {6, 32, 22, q5_0, 0x7f800000},    {7, 32, 24, q5_1, 0x7f800000},
    {8, 32, 34, q8_0, 0x7f800000},    {12, 256, 144, q4_k, 0x7f800000}, {13, 256, 176, q5_k, 0x7f800000},
    {14, 256, 210, q6_k, 0x7f800000}, {20, 32, 18, iq4_nl, 0x7f800000}, {23, 256, 136, iq4_xs, 0x7f800000},
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

/* Quantizes values of type `source`; returns how many cannot be represented, or -1 for types that are not here. */
int64_t NAME(int type, int source, const uint8_t *x, int64_t values, uint8_t *out) {
    const struct kind *kind = KINDS, *end = KINDS + sizeof KINDS / sizeof *KINDS;
    int64_t refused = 0;
    while (kind < end && kind->type != type) kind++;
    if (kind == end || (source != F32 && source != F16 && source != BF16) || values % kind->values) return -1;
    for (int64_t at = 0; at < values; at += CHUNK) {
        const int count = values - at < CHUNK ? (int)(values - at) : CHUNK;
        refused += put_chunk(kind, source, x + at * (source == F32 ? 4 : 2), count, out + at / kind->values * kind->bytes);
    }
    return refused;
}
