/* What all TLS connections of one destination share: whom to trust, and who we are.
 *
 * TLS 1.2 or 1.3, forward secrecy and authenticated ciphers only. The peer's certificate must be valid, from an authority that
 * is trusted, and for the name that was asked for; nothing can turn that off. Thread: one at a time. */
#ifndef LETHE_NET_STREAM_TLS_H
#define LETHE_NET_STREAM_TLS_H

#include "base/error.h"

#include <openssl/ssl.h>

struct stream_tls_options {
    const char *ca_file;            /* PEM; NULL: the system's */
    const char *certificate, *key;  /* PEM, ours: chain and key, or NULL */
};

/* NULL: a file cannot be used (ERROR_USAGE), or no memory. */
MUST_USE SSL_CTX *stream_tls_new(const struct stream_tls_options *, struct error *);

/* A connection to be shaken hands on, for a peer whose certificate is for `name`, a host's or an address. NULL: no memory. */
MUST_USE SSL *stream_tls_open(SSL_CTX *, int fd, const char *name);

/* Why the last call failed: an error that holds nothing of the peer's words. `place` is host and port. */
void stream_tls_failed(const SSL *, const char *place, struct error *);

#endif
