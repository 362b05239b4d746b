#include "net/tls_floor.h"

#include <openssl/ssl.h>
#include <stdlib.h>

void tls_floor_forget_environment(void)
{
    static const char *const variables[] = {"SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
}

bool tls_floor_set(SSL_CTX *c, const char *ciphers)
{
    SSL_CTX_set_keylog_callback(c, NULL);
    if (SSL_CTX_get_security_level(c) < TLS_FLOOR_LEVEL) SSL_CTX_set_security_level(c, TLS_FLOOR_LEVEL);
    if (SSL_CTX_get_min_proto_version(c) < TLS1_2_VERSION && SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1) return false;
    return SSL_CTX_set_cipher_list(c, ciphers) == 1;
}
