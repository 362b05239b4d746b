#include "sealed_log.h"

#include "base/folder.h"
#include "base/write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

void sealed_log_init(struct sealed_log *l, const char *path, uint64_t max_bytes)
{
    l->path = path;
    l->max_bytes = max_bytes;
    pthread_mutex_init(&l->lock, NULL);
}

void sealed_log_release(struct sealed_log *l) { pthread_mutex_destroy(&l->lock); }

static bool fail(const struct sealed_log *l, struct error *err)
{
    return error_set_errno(err, ERROR_OUTPUT, "cannot keep withheld records in '%s'", l->path);
}

static bool append(const struct sealed_log *l, int fd, struct slice lines, struct error *err)
{
    struct stat status;
    char        last = '\n';
    if (fstat(fd, &status) != 0) return fail(l, err);
    if (!S_ISREG(status.st_mode))
        return error_set(err, ERROR_OUTPUT, "cannot keep withheld records in '%s': it is not a file", l->path);
    if ((uint64_t)status.st_size + lines.len > l->max_bytes)
        return error_set(err, ERROR_OUTPUT,
                         "'%s' has reached its max_bytes (%" PRIu64 "): move it away, or withheld records are not kept", l->path,
                         l->max_bytes);
    if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) != 1) return fail(l, err);
    if (last != '\n' && !write_all(fd, SLICE("\n"))) return fail(l, err);
    if (!write_all(fd, lines) || fdatasync(fd) != 0) return fail(l, err);
    return status.st_size > 0 || folder_sync_above(l->path) || fail(l, err);   /* a new one: its name, too */
}

bool sealed_log_append(struct sealed_log *l, const struct sealed_lines *lines, struct error *err)
{
    pthread_mutex_lock(&l->lock);
    int  fd = open(l->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    bool appended = fd >= 0 ? append(l, fd, slice_of(lines->data, lines->len), err) : fail(l, err);
    if (fd >= 0) close(fd);
    pthread_mutex_unlock(&l->lock);
    return appended;
}
