/* TLS for a server: OpenSSL behind calls that never wait.
 *
 * TLS 1.2 or 1.3, forward secrecy and authenticated ciphers only, no renegotiation, no compression, no resumption (so that
 * no key outlives its connection), "http/1.1" by ALPN. With a file of client CAs, a client without a valid certificate from
 * them is refused; nothing can turn that off.
 * Error texts name files and reasons of OpenSSL, never a byte of a key. Thread: one at a time. */
#ifndef LETHE_COLLECTOR_HTTP_TLS_H
#define LETHE_COLLECTOR_HTTP_TLS_H

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

struct http_tls;           /* what all connections share */
struct http_tls_session;   /* one connection */

/* Results of the calls below that are not a number of bytes. The connection waits for that, or is beyond use. */
enum http_io { HTTP_IO_END = 0, HTTP_IO_WAIT_READ = -1, HTTP_IO_WAIT_WRITE = -2, HTTP_IO_FAILED = -3 };

/* PEM files: certificate chain, its key, and the CAs of clients or NULL. NULL and an error when they cannot be used. */
MUST_USE struct http_tls *http_tls_new(const char *certificate, const char *key, const char *client_ca, struct error *);
void http_tls_free(struct http_tls *);

/* The socket stays the caller's. NULL: no memory. */
MUST_USE struct http_tls_session *http_tls_open(struct http_tls *, int fd);
void http_tls_close(struct http_tls_session *);

/* 1: done. */
MUST_USE int http_tls_handshake(struct http_tls_session *);
/* Bytes, HTTP_IO_END when the client said that nothing follows, or one of the others. A connection that is cut without
 * that word has failed. */
MUST_USE ssize_t http_tls_read(struct http_tls_session *, void *data, size_t capacity);
/* At least one byte, or one of the others. */
MUST_USE ssize_t http_tls_write(struct http_tls_session *, const void *data, size_t len);
/* Says that nothing follows, if that can be said without waiting. */
void http_tls_shutdown(struct http_tls_session *);

#endif
