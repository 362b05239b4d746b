/* Shared by http_client.c (requests), http_answer.c (what comes in) and http_text.c (what is told). */
#ifndef LETHE_NET_HTTP_PRIV_H
#define LETHE_NET_HTTP_PRIV_H

#include "net/http_client.h"

#define HTTP_HOST_BYTES 280   /* a name of 253, a port, quotes */

/* --- http_answer.c ---------------------------------------------------------------------------------------------------- */

/* An answer as it comes in. `fault` says why taking it ended, if it did. */
struct http_answer {
    int               status;
    enum http_failure fault;
    char             *headers, *body;
    size_t            headers_len, body_len, body_room;
    size_t            header_bytes, body_bytes;   /* received, kept or not */
    size_t            max_body;
};

/* A line of the head. Status lines begin a new head: that of "100 Continue" or of a proxy is forgotten. */
bool http_answer_add_header(struct http_answer *, struct slice line);
bool http_answer_count_body(struct http_answer *, size_t len);
bool http_answer_add_body(struct http_answer *, struct slice piece);
void http_answer_move(struct http_answer *, struct http_result *);
void http_answer_release(struct http_answer *);

/* --- http_text.c ------------------------------------------------------------------------------------------------------ */

/* Whether a request may go to this URL. Writes "host:port" (the host alone where the port is the usual one), and whether
 * it is plain http. */
MUST_USE bool http_url_check(const char *url, bool link_local, char host[HTTP_HOST_BYTES], bool *plain, struct error *);
bool http_header_allowed(const struct http_header *);

struct http_trouble {
    const char *host;
    int         code;            /* of libcurl */
    long        verify_result;   /* of OpenSSL */
    long        os_errno;
    unsigned    total_ms;
    bool        refused_by_proxy;
};

/* Writes result->text. */
void http_result_describe(struct http_result *, const struct http_trouble *);

#endif
