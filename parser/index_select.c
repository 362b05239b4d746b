/* The kernels compiled in, and which of them this CPU can run. */
#include "parser/index.h"

const struct index_kernel *const index_kernels[] = {
#if defined(__x86_64__)
    &index_kernel_avx512,
    &index_kernel_avx2,
#elif defined(__aarch64__)
    &index_kernel_neon,
#endif
    &index_kernel_scalar,
    NULL,
};

const struct index_kernel *index_select(void)
{
    const struct index_kernel *const *k = index_kernels;
    while (!(*k)->supported()) k++;
    return *k;
}

size_t balance_scan(struct balance *b, struct slice text, uint32_t floor)
{
    return index_select()->balance(b, text, floor);
}
