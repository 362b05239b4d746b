/* Where a request may go, and what is told about how it ended. */
#include "net/http_priv.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#define CODE_BYTES 64   /* longest x-ms-error-code that is told */

/* --- Addresses -------------------------------------------------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
    struct in_addr address;
    if (slice_equal_nocase(slice_from(host), SLICE("localhost")) || strcmp(host, "[::1]") == 0) return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool is_link_local(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 16 == (169 << 8 | 254);
}

static bool check_parts(CURLU *url, bool link_local, char host[HTTP_HOST_BYTES], bool *plain, struct error *err)
{
    char *scheme = NULL, *name = NULL, *port = NULL, *user = NULL;
    bool  allowed = false;
    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(url, CURLUPART_HOST, &name, 0);
    curl_url_get(url, CURLUPART_PORT, &port, 0);
    curl_url_get(url, CURLUPART_USER, &user, 0);
    if (scheme == NULL || name == NULL) {
        error_set(err, ERROR_USAGE, "an address that is none: https://host/path is needed");
        goto done;
    }
    snprintf(host, HTTP_HOST_BYTES, "%s%s%s", name, port ? ":" : "", port ? port : "");
    *plain = strcmp(scheme, "http") == 0;
    if (user != NULL)
        error_set(err, ERROR_USAGE, "the address of '%s' holds a user or password; give credentials by a file", host);
    else if (*plain && !is_loopback(name) && !(link_local && is_link_local(name)))
        error_set(err, ERROR_USAGE, "'%s' would be spoken to without TLS; use https", host);
    else if (!*plain && strcmp(scheme, "https") != 0)
        error_set(err, ERROR_USAGE, "'%s' is not to be reached by https", host);
    else
        allowed = true;
done:
    curl_free(scheme);
    curl_free(name);
    curl_free(port);
    curl_free(user);
    return allowed;
}

bool http_url_check(const char *text, bool link_local, char host[HTTP_HOST_BYTES], bool *plain, struct error *err)
{
    CURLU *url = curl_url();
    if (url == NULL) return error_set(err, ERROR_MEMORY, "out of memory");
    bool allowed = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK
                       ? check_parts(url, link_local, host, plain, err)
                       : error_set(err, ERROR_USAGE, "an address that is none: https://host/path is needed");
    curl_url_cleanup(url);
    return allowed;
}

/* RFC 9110: a name is a token, a value holds no control characters but the tab. */
bool http_header_allowed(const struct http_header *h)
{
    const char *c;
    if (*h->name == '\0' || strlen(h->name) + strlen(h->value) > HTTP_HEADER_LEN) return false;
    for (c = h->name; *c != '\0'; c++)
        if (!ascii_is_alnum(*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL) return false;
    for (c = h->value; *c != '\0'; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) return false;
    return true;
}

/* --- What is told ----------------------------------------------------------------------------------------------------- */

/* libcurl compares the name before it has asked for OpenSSL's verdict, which is "unspecified" until then. */
static bool is_other_name(long verify_result)
{
    return verify_result == X509_V_OK || verify_result == X509_V_ERR_UNSPECIFIED || verify_result == X509_V_ERR_HOSTNAME_MISMATCH;
}

static void describe_certificate(struct http_result *r, const struct http_trouble *t)
{
    if (t->code == CURLE_SSL_CACERT_BADFILE)
        snprintf(r->text, sizeof r->text, "cannot use the CA file for '%s': it holds no certificate in PEM form", t->host);
    else if (t->code == CURLE_PEER_FAILED_VERIFICATION && is_other_name(t->verify_result))
        snprintf(r->text, sizeof r->text, "the certificate of '%s' is for another name; nothing was sent", t->host);
    else if (t->code == CURLE_PEER_FAILED_VERIFICATION)
        snprintf(r->text, sizeof r->text,
                 "the certificate of '%s' is not trusted: %s; nothing was sent (a CA of your own: give its file)", t->host,
                 X509_verify_cert_error_string(t->verify_result));
    else
        snprintf(r->text, sizeof r->text, "no TLS with '%s': is it https, with TLS 1.2 or newer? Nothing was sent", t->host);
}

static void describe_connection(struct http_result *r, const struct http_trouble *t)
{
    char        reason[128];
    bool        proxy = t->code == CURLE_COULDNT_RESOLVE_PROXY || t->code == CURLE_PROXY;
    const char *through = proxy ? "the proxy for " : "";
    if (t->code == CURLE_COULDNT_RESOLVE_HOST || t->code == CURLE_COULDNT_RESOLVE_PROXY)
        snprintf(r->text, sizeof r->text, "cannot find %s'%s': no address for that name", through, t->host);
    else if (t->refused_by_proxy)
        snprintf(r->text, sizeof r->text, "the proxy does not connect to '%s'", t->host);
    else if (t->os_errno != 0)
        snprintf(r->text, sizeof r->text, "cannot connect to %s'%s': %s", through, t->host,
                 strerror_r((int)t->os_errno, reason, sizeof reason));
    else
        snprintf(r->text, sizeof r->text, "cannot connect to %s'%s'", through, t->host);
}

static const char *hint(int status)
{
    switch (status) {
    case 400: return "the service does not understand the request";
    case 401: return "the credentials are not accepted";
    case 403: return "the credentials lack the right, or a firewall keeps this machine out";
    case 404: return "there is no such thing at that address";
    case 409:
    case 412: return "it has changed meanwhile";
    case 413: return "the request is too large for it";
    case 408:
    case 429:
    case 439:
    case 503: return "the service is busy";
    default: break;
    }
    if (status / 100 == 3) return "redirects are not followed; give the final address";
    return status / 100 == 5 ? "the service has a fault" : "not what was asked for";
}

/* Codes such as "AuthenticationFailed" are names of faults; what does not look like one is not told. */
static const char *error_code(const struct http_result *r)
{
    const char *code = http_result_header(r, "x-ms-error-code");
    if (code == NULL || *code == '\0' || strlen(code) > CODE_BYTES) return NULL;
    for (const char *c = code; *c != '\0'; c++)
        if (!ascii_is_alpha(*c)) return NULL;
    return code;
}

static void describe_status(struct http_result *r, const struct http_trouble *t)
{
    const char *code = error_code(r);
    if (r->status / 100 == 2) return;
    snprintf(r->text, sizeof r->text, "'%s' answered %d%s%s: %s", t->host, r->status, code ? " " : "", code ? code : "",
             hint(r->status));
}

void http_result_describe(struct http_result *r, const struct http_trouble *t)
{
    switch (r->failure) {
    case HTTP_ANSWERED: describe_status(r, t); break;
    case HTTP_NOT_SENT: snprintf(r->text, sizeof r->text, "cannot talk to '%s': out of memory", t->host); break;
    case HTTP_NO_CONNECTION: describe_connection(r, t); break;
    case HTTP_NOT_TRUSTED: describe_certificate(r, t); break;
    case HTTP_TIMED_OUT:
        snprintf(r->text, sizeof r->text, "no answer from '%s' in time (%u s)", t->host, (t->total_ms + 999) / 1000);
        break;
    case HTTP_CUT: snprintf(r->text, sizeof r->text, "'%s' broke the connection off, or does not speak HTTP", t->host); break;
    case HTTP_TOO_LONG: snprintf(r->text, sizeof r->text, "the answer of '%s' is longer than the limit", t->host); break;
    case HTTP_UNWANTED: snprintf(r->text, sizeof r->text, "the answer of '%s' is not what was asked for", t->host); break;
    case HTTP_STOPPED: snprintf(r->text, sizeof r->text, "stopped before '%s' had answered", t->host); break;
    }
}

enum http_verdict http_result_verdict(const struct http_result *r)
{
    switch (r->failure) {
    case HTTP_ANSWERED: break;
    case HTTP_NO_CONNECTION:
    case HTTP_TIMED_OUT:
    case HTTP_CUT: return HTTP_TRANSIENT;
    default: return HTTP_FATAL;
    }
    if (r->status / 100 == 2) return HTTP_DONE;
    /* 439: daily cap of Application Insights */
    if (r->status == 408 || r->status == 425 || r->status == 429 || r->status == 439) return HTTP_TRANSIENT;
    return r->status / 100 == 5 && r->status != 501 && r->status != 505 ? HTTP_TRANSIENT : HTTP_FATAL;
}
