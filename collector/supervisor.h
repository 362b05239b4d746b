/* What systemd wants to hear of a service: READY, STOPPING, WATCHDOG, through the datagram socket that NOTIFY_SOCKET names
 * (sd_notify(3)). Without that variable nothing happens. Thread: the main thread. */
#ifndef LETHE_COLLECTOR_SUPERVISOR_H
#define LETHE_COLLECTOR_SUPERVISOR_H

void supervisor_tell(const char *state);   /* "READY=1" */

/* To be called often; tells the watchdog as often as WATCHDOG_USEC asks. */
void supervisor_alive(void);

#endif
