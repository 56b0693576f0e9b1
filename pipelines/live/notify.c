/* What a service manager is told. */
#include "notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

void
live_notify_send (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocket) out = NULL;
  g_autoptr (GError) error = NULL;

  if (!path)
    return;
  if (*path == '@') /* an abstract name */
    address = g_unix_socket_address_new_with_type (path + 1, -1,
        G_UNIX_SOCKET_ADDRESS_ABSTRACT);
  else
    address = g_unix_socket_address_new (path);
  out = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM,
      G_SOCKET_PROTOCOL_DEFAULT, &error);
  if (out) {
    g_socket_set_blocking (out, FALSE);
    g_socket_send_to (out, address, state, strlen (state), NULL, &error);
  }
  if (error)
    g_debug ("the service manager cannot be told: %s", error->message);
}

gint64
live_notify_interval (void)
{
  const char *usec = g_getenv ("WATCHDOG_USEC"),
             *pid = g_getenv ("WATCHDOG_PID");
  guint64 limit = 0;

  if (!usec || !g_getenv ("NOTIFY_SOCKET")
      || (pid && g_ascii_strtoull (pid, NULL, 10) != (guint64) getpid ())
      || !g_ascii_string_to_unsigned (usec, 10, 2, G_MAXINT64, &limit, NULL))
    return 0;
  return (gint64) (limit / 2);
}
