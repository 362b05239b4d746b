/* Datagrams to one place, by calls that never wait.
 *
 * Nothing tells that one arrived. When the other machine says that nobody listens there, the next call fails.
 *
 * Nothing tells either that a name means another machine now, so it is asked for again: when a call comes and the last answer is
 * DATAGRAM_NAME_MS old, datagrams wait for the new one. When there is none, they go where the last ones went. Thread: the
 * owner's. */
#ifndef LETHE_NET_DATAGRAM_CLIENT_H
#define LETHE_NET_DATAGRAM_CLIENT_H

#include "base/error.h"
#include "base/slice.h"

#include <poll.h>

#define DATAGRAM_MAX 65507   /* bytes of one over IPv4; IPv6 has room for some more */

#define DATAGRAM_NAME_MS 30000

enum datagram_sent { DATAGRAM_SENT, DATAGRAM_LATER, DATAGRAM_TOO_LARGE, DATAGRAM_FAILED };

struct datagram_client;

/* The host's text is borrowed. NULL: no memory. */
MUST_USE struct datagram_client *datagram_client_new(const char *host, unsigned port);
void datagram_client_free(struct datagram_client *);   /* NULL is allowed */

/* DATAGRAM_LATER: after what datagram_client_poll() waits for. After DATAGRAM_FAILED the client is good for nothing more. */
enum datagram_sent datagram_client_send(struct datagram_client *, struct slice, struct error *);
struct pollfd datagram_client_poll(const struct datagram_client *);

#endif
