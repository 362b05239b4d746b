/* The kernels of runs.h. Private to parser/ and its tests. */
#ifndef LETHE_PARSER_RUNS_PRIV_H
#define LETHE_PARSER_RUNS_PRIV_H

#include "parser/index.h"
#include "parser/runs.h"

typedef bool runs_function(const struct byte_class *, struct slice text, size_t min, size_t *from, size_t *to);

runs_function runs_scalar, runs_avx2, runs_avx512;

#endif
