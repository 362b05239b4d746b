/* The limits of an HTTP listener, each with a name, a default and a range; http_limits.def holds them once. */
#ifndef LETHE_COLLECTOR_HTTP_LIMITS_H
#define LETHE_COLLECTOR_HTTP_LIMITS_H

#include <stdint.h>

struct http_limits {
#define HTTP_LIMIT(name, standard, least, most, help) uint64_t name;
#include "http_limits.def"
#undef HTTP_LIMIT
};

static const struct http_limits http_limits_standard = {
#define HTTP_LIMIT(name, standard, least, most, help) .name = standard,
#include "http_limits.def"
#undef HTTP_LIMIT
};

#endif
