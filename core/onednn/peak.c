/* What the vector units of all threads can do, measured. */
#include "engine.h"

#define ATTEMPTS 100
#define ROUNDS 100000 /* a third of a millisecond or so */

/* Operations a second of this thread: the best of its attempts, since whatever
 * comes between makes one slower.  All threads end with the first, so that none
 * has a core or its neighbours' power for itself. */
static double
best_attempt (const PeakKernels *kernels, gint *ended)
{
  float sums[16] __attribute__ ((aligned (64)));
  gint64 shortest = G_MAXINT64;

  for (int i = 0; i < 16; i++)
    sums[i] = 1;
  for (int i = 0; i < ATTEMPTS && !(i > 0 && g_atomic_int_get (ended)); i++) {
    const gint64 start = g_get_monotonic_time ();

    kernels->spin (sums, ROUNDS);
    shortest = MIN (shortest, g_get_monotonic_time () - start);
  }
  g_atomic_int_set (ended, TRUE);
  return 1e6 * kernels->flop * ROUNDS / MAX (shortest, 1);
}

double
defcn_onednn_peak (DefcnBackend *base)
{
  const Onednn *be = onednn_of (base);
  double sum = 0;
  gint ended = FALSE;
  int threads = 0;

  onednn_enter (base);
#pragma omp parallel reduction(+ : sum, threads)
  {
    threads = 1;
#pragma omp barrier
    sum = best_attempt (be->peak, &ended);
  }
  /* Threads beyond the cores take turns, each at its best alone. */
  return sum * MIN (1, (double) g_get_num_processors () / threads);
}
