/* Chooses how to compute a pass of a convolution.
 *
 * In training by estimated cost alone, so that a run repeats to the bit.  In
 * inference two that are estimated close to each other are measured: once in a
 * process for each shape, whatever the number of images and of threads, so that
 * all detectors of a process agree and an image gives the same in every batch,
 * on all threads or on one.
 */
#include "choose.h"

#include "tiles.h"

#include <math.h>

/* Costs this close are measured, */
#define CLOSE 1.5
/* and a time this much shorter goes against the estimate. */
#define SHORTER 0.93

/* Shape -> whether the second of the estimate was faster. */
static GHashTable *measured;
static GMutex measured_lock;

/* The cheapest, and the next if it is close, else NULL.  Whether something is
 * computed in bfloat16 is for the estimate alone, so that runs agree. */
static void
rank (const OnednnPass **ranked, const OnednnPass *const *choices,
    const Onednn *be, const DefcnNode *node)
{
  double costs[2] = { INFINITY, INFINITY };

  ranked[0] = ranked[1] = NULL;
  for (; *choices; choices++) {
    const double cost = (*choices)->cost (be, node);
    const int place = cost < costs[0] ? 0 : 1;

    if (cost >= costs[1])
      continue;
    if (place == 0) {
      costs[1] = costs[0];
      ranked[1] = ranked[0];
    }
    costs[place] = cost;
    ranked[place] = *choices;
  }
  if (costs[1] > CLOSE * costs[0] || ranked[0] == &defcn_onednn_tiles_forward
      || ranked[1] == &defcn_onednn_tiles_forward)
    ranked[1] = NULL;
}

static char *
key_of (const Onednn *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0];

  return g_strdup_printf ("block %d: %d/%d in %d groups, %dx%dx%d to %d%s%s",
      be->block, node->size, node->stride, node->groups, x->h, x->w, x->c,
      node->y->c, node->x[1] ? " + residual" : "",
      node->relu ? ", rectified" : "");
}

/* Microseconds, the least of some runs.  They take turns: each finds the caches
 * full of the other's weights, as it will find them full of another layer's. */
static void
measure (gint64 *times, const OnednnPass *const *passes, const gpointer *states,
    Onednn *be, const DefcnNode *node)
{
  times[0] = times[1] = G_MAXINT64;
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < 2; i++) {
      const gint64 start = g_get_monotonic_time ();

      passes[i]->run (be, node, states[i]);
      if (round > 0)
        times[i] = MIN (times[i], g_get_monotonic_time () - start);
    }
  }
}

/* Prepares both and keeps the faster, which @second tells. */
static gboolean
race (gboolean *second, gpointer *state, const OnednnPass *const *ranked,
    Onednn *be, const DefcnNode *node, GError **error)
{
  gpointer states[2];
  gint64 times[2];

  states[0] = ranked[0]->prepare (be, node, error);
  if (!states[0])
    return FALSE;
  states[1] = ranked[1]->prepare (be, node, error);
  if (!states[1]) {
    ranked[0]->release (be, states[0]);
    return FALSE;
  }
  measure (times, ranked, states, be, node);
  *second = times[1] < SHORTER * times[0];
  *state = states[*second];
  ranked[!*second]->release (be, states[!*second]);
  return TRUE;
}

static gboolean
choose_measured (const OnednnPass **pass, gpointer *state,
    const OnednnPass *const *ranked, Onednn *be, const DefcnNode *node,
    GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&measured_lock);
  g_autofree char *key = key_of (be, node);
  gpointer known;
  gboolean second;

  if (!measured)
    measured = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (g_hash_table_lookup_extended (measured, key, NULL, &known)) {
    *pass = ranked[GPOINTER_TO_INT (known)];
    *state = (*pass)->prepare (be, node, error);
    return *state != NULL;
  }
  if (!race (&second, state, ranked, be, node, error))
    return FALSE;
  *pass = ranked[second];
  g_hash_table_insert (measured, g_steal_pointer (&key),
      GINT_TO_POINTER (second));
  return TRUE;
}

gboolean
defcn_onednn_choose (const OnednnPass **pass, gpointer *state,
    const OnednnPass *const *choices, Onednn *be, const DefcnNode *node,
    GError **error)
{
  const OnednnPass *ranked[2];

  rank (ranked, choices, be, node);
  if (!ranked[0])
    return TRUE;
  if (ranked[1] && !node->train && defcn_onednn_passes_together (node) == 1)
    return choose_measured (pass, state, ranked, be, node, error);
  *pass = ranked[0];
  *state = (*pass)->prepare (be, node, error);
  return *state != NULL;
}
