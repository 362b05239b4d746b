/* A server on 127.0.0.1 that gives the answers of a script, one for each request, whoever asks, and keeps the requests. */
#ifndef LETHE_TESTS_LOOPBACK_H
#define LETHE_TESTS_LOOPBACK_H

#include "base/slice.h"

#define LOOPBACK_SILENCE ((struct slice){NULL, 0})   /* in a script: no answer, the connection stays open */
#define LOOPBACK_END SLICE("")                       /* the connection ends without an answer */

/* An answer that keeps the connection open; length: of the body, as text. */
#define ANSWER(status, headers, length, body) SLICE("HTTP/1.1 " status "\r\n" headers "Content-Length: " length "\r\n\r\n" body)

struct loopback;

struct loopback *loopback_start(const struct slice *answers, size_t count);   /* when the script is over: silence */
/* Instead of a script: asked in the connection's thread. Requests are counted, not kept. */
struct loopback *loopback_compute(struct slice (*answer)(void *context, const char *request), void *context);
void loopback_stop(struct loopback *);
unsigned loopback_port(const struct loopback *);

/* Requests that came so far; the text of one of them, head and body. */
size_t loopback_requests(struct loopback *);
const char *loopback_request(struct loopback *, size_t number);
size_t loopback_connections(struct loopback *);

/* "http://127.0.0.1:PORT" and the path, in a buffer that the next call overwrites. */
const char *loopback_url(const struct loopback *, const char *path);

#endif
