/* Files that hold keys. Reading refuses one that others could read or change; writing never leaves half a file under the
 * name.
 *
 * (1) A key file is a regular file of the user or root, mode 0600 or stricter; one of root's that belongs to another group than
 *     root's may be readable for that group. Symbolic links are followed, since mounted secrets are links: what counts is the
 *     file at the end.
 * (2) A file is only replaced by who holds its lock, and only while it is the file that was read.
 * (3) The text is the caller's: who reads or writes one wipes it.
 *
 * Errors name the file and never quote what is in it. Thread: any; nothing is shared. */
#ifndef LETHE_REDACTION_KEY_FILE_H
#define LETHE_REDACTION_KEY_FILE_H

#include "base/error.h"

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#define KEY_FILE_MAX (64 * 1024)   /* bytes */

/* `text` has room for KEY_FILE_MAX + 1 bytes: the last is NUL. */
MUST_USE bool key_file_read(const char *path, char *text, size_t *len, struct error *);

/* As key_file_read(), for a file that need not be secret but must not be changed by others: group and others may read it. */
MUST_USE bool key_file_read_public(const char *path, char *text, size_t *len, struct error *);

/* A new file with this mode, whatever the umask; refuses to overwrite one. */
MUST_USE bool key_file_create(const char *path, const char *text, mode_t mode, struct error *);

/* A key file being changed. */
struct key_file {
    int         fd;              /* locked */
    const char *given;           /* its name, for messages; borrowed */
    char        path[PATH_MAX];  /* without links */
    struct stat as_read;
};

/* Reads a file and locks it against other changes. The file is held until key_file_release(), also when reading it failed. */
MUST_USE bool key_file_hold(struct key_file *, const char *path, char *text, size_t *len, struct error *);

/* Puts the text in place of what was read: a temporary file beside it, synced, renamed; mode, and the group that root gave it
 * to, kept. Fails if the file was changed meanwhile. */
MUST_USE bool key_file_replace(struct key_file *, const char *text, struct error *);

void key_file_release(struct key_file *);

#endif
