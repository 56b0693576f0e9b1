/* How long the tracker takes for a frame: N people of 40 x 100 pixels who walk
 * about in a picture of full HD, a tenth of them missed or of a low score.
 *
 *   tracker [PEOPLE [FRAMES]]    (100, 2000)
 *
 * Prints the median, the 95th percentile and the most, in milliseconds. */
#include <stdio.h>
#include <stdlib.h>

#include "tracker.h"
#include "walkers.h"

int
main (int argc, char **argv)
{
  const int people = argc > 1 ? atoi (argv[1]) : 100;
  const int frames = argc > 2 ? atoi (argv[2]) : 2000;
  g_autoptr (DefcnTracker) tracker =
      defcn_tracker_new (&defcn_tracker_defaults);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  if (people < 1 || frames < 1) {
    fprintf (stderr, "usage: tracker [PEOPLE [FRAMES]]\n");
    return 2;
  }
  g_autofree DefcnBox *boxes = g_new (DefcnBox, people);
  g_autofree Walker *walkers = g_new (Walker, people);
  g_autofree gint64 *took = g_new (gint64, frames);
  walkers_init (walkers, people, rand);
  for (int i = 0; i < frames; i++) {
    const int n = walkers_step (boxes, walkers, people, rand);
    const gint64 start = g_get_monotonic_time ();

    defcn_tracker_update (tracker, boxes, n, i * G_GINT64_CONSTANT (40000000));
    took[i] = g_get_monotonic_time () - start;
  }
  qsort (took, frames, sizeof *took, walkers_compare);
  printf ("%d people, %d frames: median %.3f ms, 95 %% %.3f ms, most %.3f ms; "
          "%" G_GUINT64_FORMAT " ids\n",
      people, frames, (double) took[frames / 2] / 1000,
      (double) took[frames * 95 / 100] / 1000, (double) took[frames - 1] / 1000,
      defcn_tracker_next_id (tracker) - 1);
  return 0;
}
