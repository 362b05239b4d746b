/* The addresses of a name, asked for by a thread of its own: the system's resolver may take half a minute to say no, and the
 * owner has other things to do meanwhile. Numbers are answered at once, without a thread.
 *
 * Thread: the owner's. A lookup that is let go ends by itself, whenever the resolver does. */
#ifndef LETHE_NET_LOOKUP_H
#define LETHE_NET_LOOKUP_H

#include "base/error.h"

#include <netdb.h>

struct lookup;

/* `type`: SOCK_STREAM or SOCK_DGRAM. NULL: no memory. */
MUST_USE struct lookup *lookup_start(const char *host, unsigned port, int type);
void lookup_free(struct lookup *);   /* NULL is allowed */

/* Readable when the answer is there. */
int lookup_fd(const struct lookup *);
bool lookup_is_done(const struct lookup *);

/* When it is done: the addresses, which live as long as the lookup; NULL and an error if there are none. */
const struct addrinfo *lookup_addresses(const struct lookup *, struct error *);

#endif
