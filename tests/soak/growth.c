/* What grows in this process. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "growth.h"

guint64
growth_resident (void)
{
  g_autofree char *text = NULL;
  unsigned long long pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    sscanf (text, "%*u %llu", &pages);
  return pages * (guint64) sysconf (_SC_PAGESIZE) / 1024;
}

static guint
entries (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

guint
growth_descriptors (void)
{
  return entries ("/proc/self/fd") - 1; /* the folder's own */
}

guint
growth_threads (void)
{
  return entries ("/proc/self/task");
}

void
growth_show_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL);
    g_autofree char *to = g_file_read_link (path, NULL);

    g_printerr ("descriptor %s: %s\n", name, to ? to : "gone");
  }
}

void
growth_add (Growth *g, double minutes, double kilobytes)
{
  g->n++;
  g->x += minutes;
  g->y += kilobytes;
  g->xx += minutes * minutes;
  g->xy += minutes * kilobytes;
  g->yy += kilobytes * kilobytes;
}

double
growth_slope (const Growth *g, double *noise)
{
  const double sxx = g->xx - g->x * g->x / g->n;
  const double sxy = g->xy - g->x * g->y / g->n;
  const double syy = g->yy - g->y * g->y / g->n;

  *noise = HUGE_VAL;
  if (g->n < 3 || sxx <= 0)
    return 0;
  *noise = sqrt (MAX (syy - sxy * sxy / sxx, 0) / (g->n - 2) / sxx);
  return sxy / sxx;
}
