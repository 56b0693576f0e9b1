/* How long to wait before a lost camera is tried again. */
#include "backoff.h"

gint64
live_backoff_fail (LiveBackoff *backoff, gint64 well, double random)
{
  gint64 due = backoff->min;

  if (well >= backoff->max)
    backoff->failures = 0;
  for (guint i = 0; i < backoff->failures && due < backoff->max; i++)
    due *= 2;
  due = MIN (due, backoff->max);
  if (backoff->failures < G_MAXUINT)
    backoff->failures++;
  return due / 2 + (gint64) ((double) due / 2 * random);
}
