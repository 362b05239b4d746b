/* Reads small files that hold one secret: a key, a token, a connection string. */
#ifndef LETHE_NET_SECRET_FILE_H
#define LETHE_NET_SECRET_FILE_H

#include "base/error.h"

#define SECRET_FILE_BYTES (64 * 1024)

/* The content without white space around it, as a string to be freed with secret_free(). NULL and an error: it cannot be
 * read, is empty, longer than SECRET_FILE_BYTES, or has NUL bytes. `what` is for the message: "the account key". */
MUST_USE char *secret_file_read(const char *path, const char *what, struct error *);

/* Overwrites and frees a string. NULL is allowed. */
void secret_free(char *);

#endif
