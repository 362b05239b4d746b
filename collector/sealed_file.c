#include "sealed_file.h"

#include "destination.h"

bool sealed_file_open(struct sealed_file *f, const char *path, struct error *err)
{
    *f = (struct sealed_file){.path = path};
    return path == NULL || (f->output = output_open(path, destination_is_gzip(path), err)) != NULL;
}

bool sealed_file_write(struct sealed_file *f, const struct sealed_lines *lines, bool all, struct error *err)
{
    if (f->output == NULL) return true;
    bool written = all || error_set(err, ERROR_OUTPUT, "cannot write '%s': out of memory", f->path);
    if (written && output_write(f->output, slice_of(lines->data, lines->len), err)) return true;
    output_abandon(f->output);
    f->output = NULL;
    return false;
}

bool sealed_file_close(struct sealed_file *f, struct error *err)
{
    struct output *output = f->output;
    f->output = NULL;
    return output == NULL || output_finish(output, NULL, err);
}
