/* What the fuzzers share. */
#define _GNU_SOURCE
#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

const char *
fuzz_input_path (const uint8_t *data, size_t size)
{
  static char path[64];
  static int fd = -1;

  if (fd >= 0)
    close (fd);
  fd = memfd_create ("input", MFD_CLOEXEC);
  if (fd < 0 || write (fd, data, size) != (ssize_t) size)
    g_error ("no file in memory of %zu bytes", size);
  g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}

void
fuzz_check (gconstpointer result, const GError *error)
{
  if ((result != NULL) == (error != NULL))
    g_error (result ? "a result and an error" : "neither result nor error");
  if (error && (!error->message || !*error->message))
    g_error ("an error without a message");
}
