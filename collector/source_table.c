/* Every type of source. A new one is a line here and its file. */
#include "source.h"

extern const struct source_type source_blob, source_file, source_http, source_kafka, source_stdin;

const struct source_type *const source_types[] = {&source_blob, &source_file, &source_http, &source_kafka, &source_stdin, NULL};
