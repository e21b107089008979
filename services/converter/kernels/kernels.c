/* Chooses among the targets for which rows.c was compiled. */
#include "kernels.h"

#define EXPORTED __attribute__((visibility("default")))

static const struct target {
    const char *name;
    rows *run;
} TARGETS[] = {
#ifdef __x86_64__
    {"avx512", rows_avx512},
    {"avx2", rows_avx2},
#endif
    {"plain", rows_plain},
};
enum { COUNT = sizeof TARGETS / sizeof *TARGETS };

static int is_usable(rows *run) {
#ifdef __x86_64__
    __builtin_cpu_init();
    if (run == rows_avx2) return __builtin_cpu_supports("avx2"); /* every such processor has F16C */
    if (run == rows_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
    return run == rows_plain;
}

/* The name of the place-th target that this processor can run, fastest first; a null pointer at the end. */
EXPORTED const char *so8t_target(int place) {
    for (int i = 0; i < COUNT; i++)
        if (is_usable(TARGETS[i].run) && place-- == 0) return TARGETS[i].name;
    return 0;
}

/* Runs the place-th usable target. Other parameters need another name: who finds this one may call it so. */
EXPORTED int64_t so8t_weighted_rows(int place, int type, int source, const uint8_t *x, int64_t values,
                                    const float *importance, int64_t length, uint8_t *out) {
    for (int i = 0; i < COUNT; i++)
        if (is_usable(TARGETS[i].run) && place-- == 0)
            return TARGETS[i].run(type, source, x, values, importance, length, out);
    return -1;
}
