/* How long the tracker takes for a frame: N people of 40 x 100 pixels who walk
 * about in a picture of full HD, a tenth of them missed or of a low score.
 *
 *   tracker [PEOPLE [FRAMES]]    (100, 2000)
 *
 * Prints the median, the 95th percentile and the most, in milliseconds. */
#include <stdio.h>
#include <stdlib.h>

#include "tracker.h"

typedef struct
{
  double x, y, vx, vy;
} Walker;

static int
draw (DefcnBox *boxes, Walker *walkers, int people, GRand *rand)
{
  int n = 0;

  for (int i = 0; i < people; i++) {
    Walker *w = &walkers[i];
    const double fate = g_rand_double (rand);

    w->x += w->vx + g_rand_double_range (rand, -1, 1);
    w->y += w->vy + g_rand_double_range (rand, -1, 1);
    if (w->x < 0 || w->x > 1920)
      w->vx = -w->vx;
    if (w->y < 0 || w->y > 1080)
      w->vy = -w->vy;
    if (fate > 0.05)
      boxes[n++] = (DefcnBox){ (float) w->x - 20, (float) w->y - 50,
        (float) w->x + 20, (float) w->y + 50, fate < 0.1 ? 0.2f : 0.8f, 0 };
  }
  return n;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

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
  for (int i = 0; i < people; i++)
    walkers[i] = (Walker){ g_rand_double_range (rand, 0, 1920),
      g_rand_double_range (rand, 0, 1080), g_rand_double_range (rand, -3, 3),
      g_rand_double_range (rand, -3, 3) };
  for (int i = 0; i < frames; i++) {
    const int n = draw (boxes, walkers, people, rand);
    const gint64 start = g_get_monotonic_time ();

    defcn_tracker_update (tracker, boxes, n, i * G_GINT64_CONSTANT (40000000));
    took[i] = g_get_monotonic_time () - start;
  }
  qsort (took, frames, sizeof *took, compare);
  printf ("%d people, %d frames: median %.3f ms, 95 %% %.3f ms, most %.3f ms; "
          "%" G_GUINT64_FORMAT " ids\n",
      people, frames, (double) took[frames / 2] / 1000,
      (double) took[frames * 95 / 100] / 1000, (double) took[frames - 1] / 1000,
      defcn_tracker_next_id (tracker) - 1);
  return 0;
}
