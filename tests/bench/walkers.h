/* People of 40 x 100 pixels who walk about in a picture of full HD, a tenth of
 * them missed or of a low score. */
#pragma once

#include "boxes.h"

#include <glib.h>

typedef struct
{
  double x, y, vx, vy;
} Walker;

static inline void
walkers_init (Walker *walkers, int people, GRand *rand)
{
  for (int i = 0; i < people; i++)
    walkers[i] = (Walker){ g_rand_double_range (rand, 0, 1920),
      g_rand_double_range (rand, 0, 1080), g_rand_double_range (rand, -3, 3),
      g_rand_double_range (rand, -3, 3) };
}

/* The boxes of the next frame; returns how many. */
static inline int
walkers_step (DefcnBox *boxes, Walker *walkers, int people, GRand *rand)
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

static inline int
walkers_compare (gconstpointer a, gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}
