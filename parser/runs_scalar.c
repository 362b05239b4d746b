/* Runs without vectors, and the choice of the kernel. */
#include "parser/runs_priv.h"

static uint64_t class_mask(const struct byte_class *c, const char *at)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < 64; i++) mask |= (uint64_t)byte_class_has(c, at[i]) << i;
    return mask;
}

#include "parser/runs_loop.h"

bool runs_scalar(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    return runs_loop(c, text, min, from, to);
}

static runs_function *select_kernel(void)
{
#if defined(__x86_64__)
    if (index_kernel_avx512.supported()) return runs_avx512;
    if (index_kernel_avx2.supported()) return runs_avx2;
#endif
    return runs_scalar;
}

bool run_next(const struct byte_class *c, struct slice text, size_t min, size_t *from, size_t *to)
{
    static runs_function *kernel;   /* the same whoever sets it */
    runs_function *chosen = __atomic_load_n(&kernel, __ATOMIC_RELAXED);
    if (chosen == NULL) {
        chosen = select_kernel();
        __atomic_store_n(&kernel, chosen, __ATOMIC_RELAXED);
    }
    return chosen(c, text, min, from, to);
}
