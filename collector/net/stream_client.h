/* One connection to another machine: TCP, or TLS on it, by calls that never wait.
 *
 * What TCP acknowledges has reached a kernel, not a program. A program that took all of it can still be known: when we say
 * that nothing follows and the other side then ends the connection in order, it has read everything; had it left anything
 * unread, its kernel would have sent a reset instead. So stream_client_end() is how a sender learns that what it wrote was read.
 * Before TLS has been agreed on, with the certificate verified, not one byte of the owner's is sent.
 *
 * (1) STREAM_ENDED is reached only after the other side's end, said in TLS where there is TLS, with every byte of ours
 *     acknowledged and no reset.
 * (2) What the other side sends is read, so that its end is seen, and thrown away.
 * (3) Without progress for timeout_ms it fails, whatever it is doing; with nothing under way it may be idle for ever, as long as
 *     the other machine answers when TCP asks after it: two minutes after it vanished the connection has failed.
 * Thread: the owner's. */
#ifndef LETHE_NET_STREAM_CLIENT_H
#define LETHE_NET_STREAM_CLIENT_H

#include "base/error.h"

#include <openssl/types.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

struct stream_options {
    const char *host;         /* a name or an address */
    unsigned    port;
    SSL_CTX    *tls;          /* borrowed (net/stream_tls.h); NULL: plain TCP */
    const char *server_name;  /* that the certificate must be for; NULL: host */
    unsigned    timeout_ms;
};

enum stream_state {
    STREAM_OPENING,
    STREAM_OPEN,      /* stream_client_write() takes bytes */
    STREAM_ENDING,    /* after stream_client_end() */
    STREAM_ENDED,     /* all that was written has been read */
    STREAM_LEFT,      /* the other side ended it of its own accord: what it had not read is unknown */
    STREAM_FAILED,
};

struct stream_client;

/* Begins to connect. Options are copied, their texts borrowed. NULL: no memory. */
MUST_USE struct stream_client *stream_client_new(const struct stream_options *);
/* Cuts the connection, whatever its state; NULL is allowed. */
void stream_client_free(struct stream_client *);

/* Goes on as far as possible without waiting. The error is that of STREAM_FAILED. */
enum stream_state stream_client_step(struct stream_client *, struct error *);

/* Returns how many bytes were taken; 0: none now, or the connection is broken, as the next step tells. STREAM_OPEN only. */
size_t stream_client_write(struct stream_client *, const char *data, size_t len);

/* Positions in the stream of bytes on the wire, which is longer than what was written: how far it goes by now, and how far
 * the other machine has acknowledged it. */
uint64_t stream_client_written(const struct stream_client *);
uint64_t stream_client_acknowledged(const struct stream_client *);

/* Nothing more will be written. */
void stream_client_end(struct stream_client *);

/* What to wait for before the next step, and at most how long: -1 for ever. `to_write`: there is something to write. */
struct pollfd stream_client_poll(const struct stream_client *, bool to_write);
int stream_client_wait_ms(const struct stream_client *);

#endif
