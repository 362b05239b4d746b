#include "base/wakeup.h"

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool wakeup_init(struct wakeup *w, struct error *err)
{
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->fd >= 0 || error_set_errno(err, ERROR_MEMORY, "cannot make an eventfd");
}

void wakeup_release(struct wakeup *w)
{
    if (w->fd >= 0) close(w->fd);
    w->fd = -1;
}

void wakeup_signal(struct wakeup *w)
{
    const uint64_t one = 1;
    ssize_t        written = write(w->fd, &one, sizeof one);
    (void)written;   /* fails only when it is signalled over and over already */
}

void wakeup_clear(struct wakeup *w)
{
    uint64_t count;
    ssize_t  got = read(w->fd, &count, sizeof count);
    (void)got;
}

void wakeup_wait(struct wakeup *w, int wait_ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    if (poll(&p, 1, wait_ms) > 0) wakeup_clear(w);
}
