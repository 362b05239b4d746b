/* entra_answer.c: what identity services answer. */
#ifndef LETHE_NET_ENTRA_PRIV_H
#define LETHE_NET_ENTRA_PRIV_H

#include "net/entra.h"

struct entra_answer {
    char    *token;     /* to be freed with secret_free() */
    uint64_t life_ms;
};

/* False: there is no token in it, or one that cannot be put into a header. */
bool entra_answer_read(const struct http_result *, uint64_t realtime_ms, struct entra_answer *);

/* Puts an answer that is no success into words. Always false. */
bool entra_explain(const struct http_result *, struct error *);

/* Overwrites the body, which held a token. */
void entra_forget_body(struct http_result *);

#endif
