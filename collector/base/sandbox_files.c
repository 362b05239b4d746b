/* Files: see sandbox.h. Sources: landlock(7), linux/landlock.h. */
#include "base/sandbox.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than the headers of some systems that we are built on. */
#define ACCESS_REFER    (1ull << 13)   /* version 2 */
#define ACCESS_TRUNCATE (1ull << 14)   /* version 3 */

#define MAKING  (LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
                 LANDLOCK_ACCESS_FS_MAKE_DIR)
#define NEVER   (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | WRITING)   /* the rights that a rule for something else than a folder may have */

struct sandbox_files {
    int      ruleset;
    unsigned version;
    uint64_t handled;
};

static unsigned confined_by;

/* The C library has no functions for these. */
static int create_ruleset(const struct landlock_ruleset_attr *attributes, size_t size, uint32_t flags)
{
    return (int)syscall(SYS_landlock_create_ruleset, attributes, size, flags);
}

static void allow(struct sandbox_files *f, const char *path, uint64_t access)
{
    struct stat status;
    if (f == NULL) return;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &status) == 0) {
        const struct landlock_path_beneath_attr rule = {
            .allowed_access = f->handled & (S_ISDIR(status.st_mode) ? access : access & OF_FILES), .parent_fd = fd};
        /* A pipe without a name cannot have a rule and needs none. */
        if (rule.allowed_access != 0) (void)syscall(SYS_landlock_add_rule, f->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(fd);
}

struct sandbox_files *sandbox_files_new(bool reads)
{
    int version = create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return NULL;
    struct sandbox_files *f = malloc(sizeof *f);
    if (f == NULL) return NULL;
    f->version = (unsigned)version;
    f->handled = NEVER | MAKING | LANDLOCK_ACCESS_FS_WRITE_FILE | (reads ? READING : 0);
    if (version >= 2) f->handled |= ACCESS_REFER;
    if (version >= 3) f->handled |= ACCESS_TRUNCATE;
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = f->handled};
    f->ruleset = create_ruleset(&attributes, sizeof attributes.handled_access_fs, 0);
    if (f->ruleset < 0) {
        free(f);
        return NULL;
    }
    if (SANDBOX_RELAXED) allow(f, "/proc", READING);
    return f;
}

void sandbox_may_read(struct sandbox_files *f, const char *path) { allow(f, path, READING); }

void sandbox_may_write_below(struct sandbox_files *f, const char *folder)
{
    allow(f, folder, READING | WRITING | MAKING | ACCESS_REFER);
}

void sandbox_may_write(struct sandbox_files *f, const char *file)
{
    struct stat status;
    char        resolved[PATH_MAX];
    if (stat(file, &status) == 0 && !S_ISREG(status.st_mode)) {
        allow(f, file, WRITING);
        return;
    }
    const char *name = realpath(file, resolved) != NULL ? resolved : file, *slash = strrchr(name, '/');
    char       *folder = slash == NULL ? strdup(".") : strndup(name, slash == name ? 1 : (size_t)(slash - name));
    if (folder != NULL) allow(f, folder, LANDLOCK_ACCESS_FS_READ_DIR | WRITING | MAKING);
    free(folder);
}

bool sandbox_confine(struct sandbox_files *f, struct error *err)
{
    if (f == NULL) return true;
    bool confined = syscall(SYS_landlock_restrict_self, f->ruleset, 0) == 0 ||
                    error_set_errno(err, ERROR_USAGE, "files cannot be confined here");
    if (confined) confined_by = f->version;
    close(f->ruleset);
    free(f);
    return confined;
}

unsigned sandbox_landlock(void) { return confined_by; }
