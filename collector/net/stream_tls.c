#include "net/stream_tls.h"

#include "net/tls_files.h"
#include "net/tls_floor.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

static bool configure(SSL_CTX *c, const struct stream_tls_options *o, struct error *err)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    if (!tls_floor_set(c, TLS_FLOOR_CIPHERS)) return error_set(err, ERROR_NETWORK, "OpenSSL does not offer TLS 1.2 with ECDHE");
    if (o->ca_file == NULL) SSL_CTX_set_default_verify_paths(c);
    else if (!tls_files_trust(c, o->ca_file, "the authority's certificate", err)) return false;
    return o->certificate == NULL || tls_files_identify(c, o->certificate, o->key, err);
}

SSL_CTX *stream_tls_new(const struct stream_tls_options *o, struct error *err)
{
    ERR_clear_error();
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (c == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for TLS");
        return NULL;
    }
    if (configure(c, o, err)) return c;
    SSL_CTX_free(c);
    return NULL;
}

/* An address must stand in the certificate as one; it is never sent as a name. */
static bool set_name(SSL *ssl, const char *name)
{
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1) return true;
    ERR_clear_error();
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *stream_tls_open(SSL_CTX *c, int fd, const char *name)
{
    SSL *ssl = SSL_new(c);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && set_name(ssl, name)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

void stream_tls_failed(const SSL *ssl, const char *place, struct error *err)
{
    long        verdict = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    const char *hint = SSL_is_init_finished(ssl) ? "" : "; is it TLS 1.2 or newer? Nothing was sent";
    if (verdict != X509_V_OK)
        error_set(err, ERROR_NETWORK,
                  "the certificate of %s is not trusted: %s; nothing was sent (look at ca_file and server_name)", place,
                  X509_verify_cert_error_string(verdict));
    else if (reason != NULL)
        error_set(err, ERROR_NETWORK, "TLS with %s failed: %s%s", place, reason, hint);
    else error_set(err, ERROR_NETWORK, "%s broke the TLS connection", place);
    ERR_clear_error();
}
