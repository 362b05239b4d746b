#include "redaction/key_file.h"

#include "base/folder.h"
#include "base/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TEMPORARY_SUFFIX ".lethe-tmp"

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static bool check_file(int fd, const char *path, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return error_set_errno(err, ERROR_USAGE, "cannot examine key file '%s'", path);
    if (!S_ISREG(status.st_mode)) return error_set(err, ERROR_USAGE, "key file '%s' is not a regular file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return error_set(err, ERROR_USAGE, "key file '%s' belongs to user %u; it must be yours or root's", path,
                         (unsigned)status.st_uid);
    return true;
}

static bool check_mode(int fd, const char *path, mode_t most, const char *advice, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return error_set_errno(err, ERROR_USAGE, "cannot examine key file '%s'", path);
    if ((status.st_mode & 07777 & ~most) == 0) return true;
    return error_set(err, ERROR_USAGE, "key file '%s' has mode %04o; %s", path, (unsigned)(status.st_mode & 07777), advice);
}

/* Root has given it to a service, as secrets of a container are: the service reads it as a member of the group, and cannot
 * change it. */
static bool is_given_by_root(const struct stat *status) { return status->st_uid == 0 && status->st_gid != 0; }

static bool check_secret(int fd, const char *path, struct error *err)
{
    struct stat status;
    if (!check_file(fd, path, err)) return false;
    if (fstat(fd, &status) == 0 && is_given_by_root(&status))
        return check_mode(fd, path, 0640, "only root and its group may read it: chmod 640", err);
    return check_mode(fd, path, 0600, "only its owner may read it: chmod 600", err);
}

/* Reads up to `size` bytes; returns how many, or -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, buffer + have, size - have);
        if (n == 0) break;
        if (n > 0) have += (size_t)n;
        else if (errno != EINTR) return -1;
    }
    return (ssize_t)have;
}

static bool read_text(int fd, const char *path, char *text, size_t *len, struct error *err)
{
    ssize_t have = read_all(fd, text, KEY_FILE_MAX + 1);
    if (have < 0) return error_set_errno(err, ERROR_USAGE, "cannot read key file '%s'", path);
    if (have > KEY_FILE_MAX) return error_set(err, ERROR_USAGE, "key file '%s' is larger than %d bytes", path, KEY_FILE_MAX);
    text[have] = '\0';
    *len = (size_t)have;
    return true;
}

static int open_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);   /* a FIFO must not hang us */
    if (fd < 0) error_set_errno(err, ERROR_USAGE, "cannot open key file '%s'", path);
    return fd;
}

bool key_file_read(const char *path, char *text, size_t *len, struct error *err)
{
    int fd = open_file(path, err);
    if (fd < 0) return false;
    bool good = check_secret(fd, path, err) && read_text(fd, path, text, len, err);
    close(fd);
    return good;
}

bool key_file_read_public(const char *path, char *text, size_t *len, struct error *err)
{
    int fd = open_file(path, err);
    if (fd < 0) return false;
    bool good = check_file(fd, path, err) && check_mode(fd, path, 0644, "only its owner may change it: chmod 644", err) &&
                read_text(fd, path, text, len, err);
    close(fd);
    return good;
}

/* --- Writing ---------------------------------------------------------------------------------------------------------- */

/* Fills a new file and closes it; errno on failure. */
static bool fill(int fd, const char *text, mode_t mode)
{
    bool stored = fchmod(fd, mode) == 0 && write_all(fd, slice_from(text)) && fsync(fd) == 0;
    int reason = errno;
    bool closed = close(fd) == 0;
    if (!stored) errno = reason;
    return stored && closed;
}

bool key_file_create(const char *path, const char *text, mode_t mode, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_USAGE, "'%s' already exists; key files are never overwritten", path);
    if (fd < 0) return error_set_errno(err, ERROR_OUTPUT, "cannot create key file '%s'", path);
    if (fill(fd, text, mode) && folder_sync_above(path)) return true;
    error_set_errno(err, ERROR_OUTPUT, "cannot write key file '%s'", path);
    unlink(path);
    return false;
}

/* --- Changing --------------------------------------------------------------------------------------------------------- */

/* Where file systems have no locks, the comparison before the file is replaced must do. */
static bool lock(const struct key_file *f, struct error *err)
{
    if (flock(f->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
    return error_set(err, ERROR_USAGE, "key file '%s' is being changed by another process; try again", f->given);
}

bool key_file_hold(struct key_file *f, const char *path, char *text, size_t *len, struct error *err)
{
    *f = (struct key_file){.fd = -1, .given = path};
    if (realpath(path, f->path) == NULL) return error_set_errno(err, ERROR_USAGE, "cannot open key file '%s'", path);
    f->fd = open_file(f->path, err);
    if (f->fd < 0 || !check_secret(f->fd, path, err) || !lock(f, err)) return false;
    if (fstat(f->fd, &f->as_read) != 0) return error_set_errno(err, ERROR_USAGE, "cannot examine key file '%s'", path);
    return read_text(f->fd, path, text, len, err);
}

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* Whether the name still leads to the file that was read, as it was read. */
static bool unchanged(const struct key_file *f)
{
    struct stat now;
    const struct stat *then = &f->as_read;
    return lstat(f->path, &now) == 0 && now.st_dev == then->st_dev && now.st_ino == then->st_ino &&
           now.st_size == then->st_size && same_time(now.st_mtim, then->st_mtim) && same_time(now.st_ctim, then->st_ctim);
}

/* Creates the file beside it that is to take its place. Who holds the lock may remove what a killed process left. */
static int create_beside(const char *temporary)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != EEXIST || unlink(temporary) != 0) return fd;
    return open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

bool key_file_replace(struct key_file *f, const char *text, struct error *err)
{
    char temporary[PATH_MAX];
    const char *slash = strrchr(f->path, '/');
    int len = snprintf(temporary, sizeof temporary, "%.*s/.%s" TEMPORARY_SUFFIX, (int)(slash - f->path), f->path, slash + 1);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return error_set(err, ERROR_OUTPUT, "the name of key file '%s' is too long", f->given);
    int fd = create_beside(temporary);
    if (fd < 0) return error_set_errno(err, ERROR_OUTPUT, "cannot write beside key file '%s'", f->given);
    bool given = geteuid() == 0 && is_given_by_root(&f->as_read) && fchown(fd, 0, f->as_read.st_gid) == 0;
    bool filled = fill(fd, text, f->as_read.st_mode & (given ? 0640 : 0600));
    bool ours = !filled || unchanged(f);
    if (filled && ours && rename(temporary, f->path) == 0) {
        if (folder_sync_above(f->path)) return true;
        return error_set_errno(err, ERROR_OUTPUT, "key file '%s' was replaced, but its folder cannot be synced", f->given);
    }
    if (ours) error_set_errno(err, ERROR_OUTPUT, "cannot write key file '%s'", f->given);
    else error_set(err, ERROR_USAGE, "key file '%s' was changed by another process meanwhile; it was left as it is", f->given);
    unlink(temporary);
    return false;
}

void key_file_release(struct key_file *f)
{
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
}
