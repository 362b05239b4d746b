#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool folder_sync(const char *folder)
{
    int  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);   /* EINVAL: it cannot */
    int  number = errno;
    if (fd >= 0) close(fd);
    errno = number;
    return synced;
}

bool folder_sync_above(const char *path)
{
    const char *slash = strrchr(path, '/');
    char       *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    bool        synced = folder != NULL && folder_sync(folder);
    int         number = errno;
    free(folder);
    errno = number;
    return synced;
}
