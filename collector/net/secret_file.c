#include "net/secret_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

void secret_free(char *secret)
{
    if (secret == NULL) return;
    OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

static char *trimmed(const char *text, size_t len)
{
    static const char white[] = " \t\r\n";
    while (len > 0 && strchr(white, text[len - 1]) != NULL) len--;
    while (len > 0 && strchr(white, *text) != NULL) {
        text++;
        len--;
    }
    return len > 0 ? strndup(text, len) : NULL;
}

/* Up to `room` bytes; a file that has more fills them all. */
static ssize_t read_all(int fd, char *buffer, size_t room)
{
    size_t  len = 0;
    ssize_t got = 1;
    while (len < room && (got = read(fd, buffer + len, room - len)) > 0) len += (size_t)got;
    return got < 0 ? got : (ssize_t)len;
}

char *secret_file_read(const char *path, const char *what, struct error *err)
{
    static const size_t room = SECRET_FILE_BYTES + 1;
    char               *buffer = malloc(room), *secret = NULL;
    int                 fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t             len = fd >= 0 && buffer != NULL ? read_all(fd, buffer, room) : -1;
    if (buffer == NULL)
        error_set(err, ERROR_MEMORY, "out of memory");
    else if (len < 0)
        error_set_errno(err, ERROR_USAGE, "cannot read %s from '%s'", what, path);
    else if ((size_t)len == room)
        error_set(err, ERROR_USAGE, "cannot read %s from '%s': the file is longer than %d bytes", what, path, SECRET_FILE_BYTES);
    else if (memchr(buffer, '\0', (size_t)len) != NULL)
        error_set(err, ERROR_USAGE, "cannot read %s from '%s': it is no text", what, path);
    else if ((secret = trimmed(buffer, (size_t)len)) == NULL)
        error_set(err, ERROR_USAGE, "cannot read %s from '%s': the file is empty", what, path);
    if (fd >= 0) close(fd);
    if (buffer != NULL) OPENSSL_cleanse(buffer, room);
    free(buffer);
    return secret;
}
