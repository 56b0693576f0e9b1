/* What a service manager is told. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
live_notify_send (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gsize len = path ? strlen (path) : 0;
  int fd;

  if (len < 2 || len > sizeof address.sun_path || !strchr ("/@", *path))
    return;
  memcpy (address.sun_path, path, len);
  if (*path == '@') /* an abstract name */
    address.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return;
  if (sendto (fd, state, strlen (state), MSG_NOSIGNAL,
          (struct sockaddr *) &address,
          (socklen_t) (offsetof (struct sockaddr_un, sun_path) + len))
      < 0)
    g_debug ("the service manager cannot be told: %s", g_strerror (errno));
  close (fd);
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
