/* The listener of the administrator: figures and health of a streaming run, over HTTP.
 *
 *   /metrics       Prometheus text (metrics.h)            /healthz   200 while the process works
 *   /status.json   the same for the page (status_page.h)  /readyz    200 or 503 with the reasons
 *   /              the status page
 *
 * (1) It only reads figures; no request changes anything.
 * (2) With a token it is needed for everything that tells names or numbers: `Authorization: Bearer TOKEN`, or HTTP Basic with
 *     any user and the token as password, which is what a browser can do. /healthz and /readyz need none, for probes; without
 *     it /readyz keeps the reasons to itself.
 * (3) Without a token a request must name this machine by an address or as "localhost", so that no web page can read the figures
 *     through a name of its own that leads here (DNS rebinding).
 * Thread: the main thread, or the one that stops the run; requests are answered in a thread of its own. */
#ifndef LETHE_COLLECTOR_ADMIN_H
#define LETHE_COLLECTOR_ADMIN_H

#include "config.h"
#include "stream.h"

struct admin;

/* Binds the address; requests wait until admin_start(). The settings are borrowed. */
MUST_USE struct admin *admin_open(const struct admin_settings *, struct error *);

/* The stream must have been started, and must outlive the listener. */
MUST_USE bool admin_start(struct admin *, struct stream *, struct error *);

/* Requests that have begun are answered. NULL is allowed. */
void admin_close(struct admin *);

#endif
