/* Where the output of each input goes: all to one place, or each to a file of its own below a folder.
 *
 * "-" or nothing is standard output; a name that ends in "/" and an existing folder are mirrored into, the inputs keeping
 * their relative names; anything else is one file for all inputs. */
#ifndef LETHE_COLLECTOR_DESTINATION_H
#define LETHE_COLLECTOR_DESTINATION_H

#include "input.h"

struct destination {
    const char *path;         /* OUTPUT_STDOUT, a file, or the folder of a mirror */
    bool        mirror;
    bool        has_folder;   /* the folder of the mirror exists already, as `folder` */
    struct stat folder;
};

void destination_init(struct destination *, const char *output);

/* Refuses, before anything is written, outputs that are also inputs and inputs that would share an output. */
MUST_USE bool destination_check(const struct destination *, const struct input_list *, struct error *);

/* The output of this input, to be freed. NULL: no memory. */
MUST_USE char *destination_path(const struct destination *, const struct input *);

/* Whether the outputs of these inputs are there and not older than any of them; of a blob: made of the same version. */
bool destination_is_done(const struct destination *, const struct input *, size_t count);

/* The time that the output of an input gets, so that destination_is_done() knows it; NULL: that of its writing. */
const struct timespec *destination_done_time(const struct destination *, const struct input *);

/* A time for the output of inputs that could not be read to their end: it makes destination_is_done() false. */
struct timespec destination_undone_time(const struct input *, size_t count);

/* Output under this name is compressed. */
bool destination_is_gzip(const char *path);

#endif
