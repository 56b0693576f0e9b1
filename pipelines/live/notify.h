/* What a service manager is told, by systemd's protocol (sd_notify(3)): text in
 * a datagram to the socket that NOTIFY_SOCKET names; nothing without it.
 *
 * Thread rule: one thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "READY=1", "STOPPING=1", "STATUS=..", several on lines. */
void live_notify_send (const char *state);

/* Microseconds between two "WATCHDOG=1", half of what WATCHDOG_USEC allows; 0:
 * none are expected. */
gint64 live_notify_interval (void);

G_END_DECLS
