#include "net/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without it OpenSSL would ask at the terminal for the password of a key. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static bool is_absent(unsigned long code)
{
    return (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
           (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED);
}

/* OpenSSL's later complaints say what it could not do, an earlier one why. */
static const char *reason(void)
{
    const char   *text = ERR_reason_error_string(ERR_peek_last_error());
    unsigned long code;
    while ((code = ERR_get_error()) != 0) {
        if (is_absent(code)) return "there is none in it, in PEM";
        if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ) return "it has a password";
    }
    return text != NULL ? text : "it does not fit";
}

/* Anything else could have no end, or keep us waiting. */
static bool is_file(const char *file, const char *what, struct error *err)
{
    struct stat status;
    if (stat(file, &status) != 0) return error_set_errno(err, ERROR_USAGE, "cannot use '%s' as %s", file, what);
    return S_ISREG(status.st_mode) || error_set(err, ERROR_USAGE, "cannot use '%s' as %s: it is not a regular file", file, what);
}

static bool refuse(struct error *err, const char *what, const char *file)
{
    if (access(file, R_OK) != 0) error_set_errno(err, ERROR_USAGE, "cannot use '%s' as %s", file, what);
    else error_set(err, ERROR_USAGE, "cannot use '%s' as %s: %s", file, what, reason());
    ERR_clear_error();
    return false;
}

bool tls_files_identify(SSL_CTX *c, const char *certificate, const char *key, struct error *err)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(c, no_password);
    if (!is_file(certificate, "a certificate", err) || !is_file(key, "the certificate's key", err)) return false;
    if (SSL_CTX_use_certificate_chain_file(c, certificate) != 1) return refuse(err, "a certificate", certificate);
    return (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(c) == 1) ||
           refuse(err, "the certificate's key", key);
}

bool tls_files_trust(SSL_CTX *c, const char *file, const char *what, struct error *err)
{
    ERR_clear_error();
    return is_file(file, what, err) && (SSL_CTX_load_verify_file(c, file) == 1 || refuse(err, what, file));
}

bool tls_files_check(const char *certificate, const char *key, const char *ca_file, struct error *err)
{
    SSL_CTX *c = SSL_CTX_new(TLS_method());
    if (c == NULL) return error_set(err, ERROR_MEMORY, "no memory for TLS");
    bool sound = (certificate == NULL || key == NULL || tls_files_identify(c, certificate, key, err)) &&
                 (ca_file == NULL || tls_files_trust(c, ca_file, "the authority's certificate", err));
    SSL_CTX_free(c);
    return sound;
}
