/* What TLS never goes below, whatever OpenSSL's own configuration says.
 *
 * The environment can name another configuration (OPENSSL_CONF) and other authorities (SSL_CERT_FILE, SSL_CERT_DIR), and asks for
 * keys to be written down (SSLKEYLOGFILE). Whoever sets variables could thus read along. So the authorities are the system's or
 * those that our configuration names, and a connection has at least what follows; a stricter configuration of OpenSSL stays in
 * force. */
#ifndef LETHE_NET_TLS_FLOOR_H
#define LETHE_NET_TLS_FLOOR_H

#include "base/error.h"

#include <openssl/types.h>

#define TLS_FLOOR_LEVEL   2   /* OpenSSL's security level: 112 bits, no SHA-1, no TLS before 1.2 */
#define TLS_FLOOR_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"   /* of TLS 1.2: forward secrecy, authenticated encryption */
#define TLS_FLOOR_COMMON  "DEFAULT:!aNULL:!eNULL"         /* for peers that may be older */
#define TLS_FLOOR_TEXT    TLS_FLOOR_COMMON ":@SECLEVEL=2"   /* both in one, for libraries that take a text only */

/* At the start of the program, before the first thread. */
void tls_floor_forget_environment(void);

/* Nothing lower than TLS 1.2 and the level above, no key log; `ciphers` is one of the two. False: OpenSSL has none of it. */
MUST_USE bool tls_floor_set(SSL_CTX *, const char *ciphers);

#endif
