/* Preloaded into the program under fire: compiled rules are kept in the folder KEPT_RULES, for the next life. Compiling is what takes
 * most of a start, and changes nothing that a fault could meet; so thousands of starts cost less.
 *
 * A file is a database as Hyperscan writes it, named by a hash of what it was compiled of. Threads: any. */
#include <dlfcn.h>
#include <fcntl.h>
#include <hs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES (64 << 20)

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;   /* FNV-1a */
    return hash;
}

static uint64_t hash_of(const char *const *patterns, const unsigned *flags, const unsigned *ids, unsigned count, unsigned mode)
{
    uint64_t hash = mix(0xcbf29ce484222325u, hs_version(), strlen(hs_version()));
    hash = mix(hash, &mode, sizeof mode);
    for (unsigned i = 0; i < count; i++) {
        hash = mix(hash, patterns[i], strlen(patterns[i]) + 1);
        hash = mix(hash, &flags[i], sizeof flags[i]);
        hash = mix(hash, &ids[i], sizeof ids[i]);
    }
    return hash;
}

/* NULL: there is none. */
static hs_database_t *take(const char *path)
{
    struct stat    status;
    hs_database_t *database = NULL;
    int            fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    if (fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size < MOST_BYTES) {
        size_t len = (size_t)status.st_size;
        char  *bytes = malloc(len);
        if (bytes != NULL && read(fd, bytes, len) == status.st_size && hs_deserialize_database(bytes, len, &database) != HS_SUCCESS)
            database = NULL;
        free(bytes);
    }
    close(fd);
    return database;
}

/* Whole or not at all. */
static void keep(const char *path, const hs_database_t *database)
{
    char   new[4096 + 16], *bytes = NULL;
    size_t len = 0;
    snprintf(new, sizeof new, "%s.%d", path, getpid());
    if (hs_serialize_database(database, &bytes, &len) != HS_SUCCESS) return;
    int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, bytes, len) == (ssize_t)len) rename(new, path);
        close(fd);
    }
    free(bytes);
}

hs_error_t hs_compile_multi(const char *const *patterns, const unsigned *flags, const unsigned *ids, unsigned count, unsigned mode,
                            const hs_platform_info_t *platform, hs_database_t **database, hs_compile_error_t **fault)
{
    __typeof__(&hs_compile_multi) real = (__typeof__(real))(uintptr_t)dlsym(RTLD_NEXT, "hs_compile_multi");
    const char                   *folder = getenv("KEPT_RULES");
    char                          path[4096];
    if (folder == NULL || platform != NULL) return real(patterns, flags, ids, count, mode, platform, database, fault);
    snprintf(path, sizeof path, "%s/%016" PRIx64, folder, hash_of(patterns, flags, ids, count, mode));
    *fault = NULL;
    if ((*database = take(path)) != NULL) return HS_SUCCESS;
    hs_error_t result = real(patterns, flags, ids, count, mode, platform, database, fault);
    if (result == HS_SUCCESS) keep(path, *database);
    return result;
}
