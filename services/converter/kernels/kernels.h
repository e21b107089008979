/* What the shared library does; so8t_converter/kernels.py calls it. */
#pragma once
#include <stdint.h>

/* Arguments: GGML's number of the type to write, that of the type to read (F32, F16, BF16), the values; the importance
 * matrix of a row and its length, or a null pointer; where to write. */
typedef int64_t rows(int type, int source, const uint8_t *x, int64_t values, const float *importance, int64_t length,
                     uint8_t *out);

rows rows_plain, rows_avx2, rows_avx512;
