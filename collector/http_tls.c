#include "http_tls.h"

#include "net/tls_files.h"
#include "net/tls_floor.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define CLIENT_CHAIN_DEPTH 8

/* These two are OpenSSL's own objects; the names keep OpenSSL out of the header. */
static SSL_CTX *context_of(struct http_tls *tls) { return (SSL_CTX *)tls; }
static SSL     *session_of(struct http_tls_session *s) { return (SSL *)s; }

/* RFC 7301: a client that speaks other protocols only is told so by an alert. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
                           void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char             *chosen;
    (void)ssl, (void)context;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool configure(SSL_CTX *context, const char *certificate, const char *key, const char *client_ca, struct error *err)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (!tls_floor_set(context, TLS_FLOOR_CIPHERS) || SSL_CTX_set_num_tickets(context, 0) != 1)
        return error_set(err, ERROR_INPUT, "OpenSSL does not offer TLS 1.2 with ECDHE");
    if (!tls_files_identify(context, certificate, key, err)) return false;
    if (client_ca == NULL) return true;
    if (!tls_files_trust(context, client_ca, "the CA of clients", err)) return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);
    if (names == NULL)
        return error_set(err, ERROR_USAGE, "cannot use '%s' as the CA of clients: there is no certificate in it", client_ca);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CLIENT_CHAIN_DEPTH);
    return true;
}

struct http_tls *http_tls_new(const char *certificate, const char *key, const char *client_ca, struct error *err)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for TLS");
        return NULL;
    }
    if (configure(context, certificate, key, client_ca, err)) return (struct http_tls *)context;
    SSL_CTX_free(context);
    return NULL;
}

void http_tls_free(struct http_tls *tls) { SSL_CTX_free(context_of(tls)); }

struct http_tls_session *http_tls_open(struct http_tls *tls, int fd)
{
    SSL *ssl = SSL_new(context_of(tls));
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1) {
        SSL_set_accept_state(ssl);
        return (struct http_tls_session *)ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

void http_tls_close(struct http_tls_session *s) { SSL_free(session_of(s)); }

static ssize_t result(struct http_tls_session *s, int n)
{
    if (n > 0) return n;
    int why = SSL_get_error(session_of(s), n);
    ERR_clear_error();
    switch (why) {
    case SSL_ERROR_ZERO_RETURN: return HTTP_IO_END;
    case SSL_ERROR_WANT_READ: return HTTP_IO_WAIT_READ;
    case SSL_ERROR_WANT_WRITE: return HTTP_IO_WAIT_WRITE;
    default: return HTTP_IO_FAILED;
    }
}

/* The queue of errors belongs to the thread, not to the connection: what is left there, by whomever, would condemn the
 * next call that only has to wait. So it is cleared before and after. */
int http_tls_handshake(struct http_tls_session *s)
{
    ERR_clear_error();
    return (int)result(s, SSL_do_handshake(session_of(s)));
}

ssize_t http_tls_read(struct http_tls_session *s, void *data, size_t capacity)
{
    ERR_clear_error();
    return result(s, SSL_read(session_of(s), data, capacity > INT_MAX ? INT_MAX : (int)capacity));
}

ssize_t http_tls_write(struct http_tls_session *s, const void *data, size_t len)
{
    ERR_clear_error();
    return result(s, SSL_write(session_of(s), data, len > INT_MAX ? INT_MAX : (int)len));
}

void http_tls_shutdown(struct http_tls_session *s)
{
    if (SSL_is_init_finished(session_of(s))) (void)SSL_shutdown(session_of(s));
    ERR_clear_error();
}
