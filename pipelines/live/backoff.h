/* How long to wait before a lost camera is tried again: twice as long after
 * every failure, up to a limit, less a random part, lest all cameras of a
 * switch that was down come back in one moment.
 *
 * Thread rule: one thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Times in microseconds.  All zero but the first two is a new one. */
typedef struct
{
  gint64 min, max;
  guint failures; /* since it was well */
} LiveBackoff;

/* One more failure, after it had been well for @well (0: never was).  Being
 * well for as long as the longest wait makes good all failures before.
 * @random: 0 <= r < 1.  Returns: the wait, of half of what is due up to all of
 * it, min/2 at least. */
gint64 live_backoff_fail (LiveBackoff *backoff, gint64 well, double random);

G_END_DECLS
