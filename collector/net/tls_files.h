/* The PEM files that TLS needs, of servers and clients alike, and what is told of those that do not fit. Thread: any, one context
 * by one at a time. */
#ifndef LETHE_NET_TLS_FILES_H
#define LETHE_NET_TLS_FILES_H

#include "base/error.h"

#include <openssl/types.h>

/* Our own certificate with its chain, and its key. A key with a password is refused: nobody is asked for it. */
MUST_USE bool tls_files_identify(SSL_CTX *, const char *certificate, const char *key, struct error *);

/* Whether files of a configuration can be used so, before anything is begun with them; those that are NULL are passed over. */
MUST_USE bool tls_files_check(const char *certificate, const char *key, const char *ca_file, struct error *);

/* Certificates of the authorities that are trusted; `what` they are, for the error. */
MUST_USE bool tls_files_trust(SSL_CTX *, const char *file, const char *what, struct error *);

#endif
