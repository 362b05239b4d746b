/* Text that is put together piece by piece into a struct encoded, for what scan and explain write.
 *
 * (1) What is added as JSON or for showing holds no control character and no broken UTF-8, whatever came in.
 * (2) When memory is out, `failed` is set and stays; nothing more is added. */
#ifndef LETHE_COLLECTOR_TEXT_H
#define LETHE_COLLECTOR_TEXT_H

#include "base/slice.h"
#include "sinks/encode.h"

#include <stdarg.h>

struct text {
    struct encoded *out;
    bool            failed;
};

void text_add(struct text *, struct slice);

#define FORMATTED_BYTES 512   /* for what is formatted at once, and its NUL: CHECKed */

void text_format(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same into a buffer, of which the slice is a part: for those who add to something else. */
struct slice text_formatted(char buffer[FORMATTED_BYTES], const char *format, va_list) __attribute__((format(printf, 2, 0)));

/* As a JSON string, quotes included; each byte that is no UTF-8 becomes U+FFFD. */
void text_add_json(struct text *, struct slice);

/* As part of a JSON string: without the quotes. */
void text_add_escaped(struct text *, struct slice);

/* As it can be shown: control characters and broken UTF-8 as \x1b. */
void text_add_shown(struct text *, struct slice);

#endif
