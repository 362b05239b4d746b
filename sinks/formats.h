/* The formats of receivers: each turns a reading into bytes. The list is in encode.c. */
#ifndef LETHE_SINKS_FORMATS_H
#define LETHE_SINKS_FORMATS_H

#include "sinks/encode.h"
#include "sinks/reading.h"

struct receiver_format {
    void *(*open)(const struct encoder_options *);                      /* NULL: no memory */
    void  (*close)(void *format);
    bool  (*write)(void *format, struct reading *, struct encoded *);   /* appends one record; false: no memory */
};

extern const struct receiver_format format_ecs, format_ocsf, format_cef, format_appinsights;

#endif
