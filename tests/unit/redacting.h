/* What the tests of redaction share: text in, clean text out, through framing, redaction and encoding as the program does
 * it. */
#ifndef LETHE_TESTS_REDACTING_H
#define LETHE_TESTS_REDACTING_H

#include "parser/framing.h"
#include "redaction/redaction.h"
#include "sinks/encode.h"

struct redacting {
    struct keyring  *keyring;
    struct plan     *plan;
    struct redactor *redactor;
    struct encoder  *encoder;
    struct framer   *framer;
    struct batch     batch;
    struct encoded   out;      /* of the last call, all batches together */
    bool             keep_container;
    size_t           read_bytes;   /* how many bytes framing gets at a time; 0: as many as it asks for */
    void           (*see)(void *context, const struct clean_batch *);   /* called with every clean batch; may be NULL */
    void            *see_context;
};

void redacting_open(struct redacting *, const char *policy, bool keep_container);
void redacting_close(struct redacting *);

/* A fresh redactor with the same plan and keys: it remembers nothing. */
void redacting_renew(struct redacting *);

/* The clean output for `text`, NUL-terminated, valid until the next call. */
const char *redacting_text(struct redacting *, struct slice text);

#endif
