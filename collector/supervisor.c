#include "supervisor.h"

#include "base/clock.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void supervisor_tell(const char *state)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, strlen(path));
    if (*path == '@') address.sun_path[0] = '\0';   /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, len);
    close(fd);
}

void supervisor_alive(void)
{
    static uint64_t told_ms;
    const char     *every_us = getenv("WATCHDOG_USEC");
    uint64_t        every_ms = every_us != NULL ? strtoull(every_us, NULL, 10) / 1000 : 0, now = clock_monotonic_ms();
    if (every_ms == 0 || now - told_ms < every_ms / 3) return;
    told_ms = now;
    supervisor_tell("WATCHDOG=1");
}
