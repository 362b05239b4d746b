/* A response as it goes over the wire. */
#ifndef LETHE_COLLECTOR_HTTP_MESSAGE_H
#define LETHE_COLLECTOR_HTTP_MESSAGE_H

#include "http_server.h"

struct http_message {
    char  *data;    /* malloc'ed; NULL: no memory */
    size_t start;   /* of the first byte to send */
    size_t end;     /* behind the head, to which the body is added unless the request was HEAD */
    size_t total;   /* behind the body */
    int    status;
};

/* A status out of range, or a field that would break the line, is a bug of the caller's. Thread: any. */
struct http_message http_message_make(const struct http_answer *);

/* Adds "Connection: close". Only before anything was sent, and once. */
void http_message_set_close(struct http_message *);

#endif
