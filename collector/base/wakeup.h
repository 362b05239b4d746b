/* Something a thread can wait for and any thread can set off: a wait that another thread ends. Signals add up to one.
 * Thread: one waits, any signals. */
#ifndef LETHE_BASE_WAKEUP_H
#define LETHE_BASE_WAKEUP_H

#include "base/error.h"

struct wakeup {
    int fd;   /* readable when signalled: may be polled beside other descriptors */
};

MUST_USE bool wakeup_init(struct wakeup *, struct error *);
void wakeup_release(struct wakeup *);
void wakeup_signal(struct wakeup *);
void wakeup_clear(struct wakeup *);
void wakeup_wait(struct wakeup *, int wait_ms);   /* until signalled, and clears it */

#endif
