/* What the property tests share: a seeded source of chance, and invented secrets, texts, encodings and records. Equal seeds
 * give equal texts on every machine. Nothing here is a working credential. */
#ifndef LETHE_TESTS_INVENTING_H
#define LETHE_TESTS_INVENTING_H

#include "base/slice.h"

#define INVENTED_MAX (1 << 22)

/* A text that grows; what does not fit is a fault of the test. */
struct invented {
    size_t len;
    char   data[INVENTED_MAX];
};

void     chance_seed(uint64_t);
uint64_t chance(void);
size_t   pick(size_t count);   /* 0..count-1 */

void put(struct invented *, const char *text);
void put_slice(struct invented *, struct slice);
struct slice invented_slice(const struct invented *);

/* Writes a template: %b40 is 40 letters of base64, %w alphanumeric, %a letters, %u upper case and 2..7, %l lower case and
 * digits, %h lower-case hex, %d digits; %% is a percent sign; [ and ] stand around the secret part and are left out. Returns
 * the secret part, as it lies in the text. */
struct slice put_template(struct invented *, const char *template);

struct secret_format {
    const char *name, *template;
};
extern const struct secret_format secret_formats[];   /* ended by a NULL name */
extern const size_t               secret_format_count;

/* The ways to write a text inside another, by name. */
struct coat {
    const char *name;
    void      (*put)(struct invented *, struct slice text);
};
extern const struct coat coats[];   /* ended by a NULL name */
extern const size_t      coat_count;

/* `text` as the inside of a JSON string. */
void put_string(struct invented *, struct slice text);

/* A record of telemetry on one line, without the line end: keys, values and nesting by chance, with and without secrets. */
void put_record(struct invented *);

#endif
