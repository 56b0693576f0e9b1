/* What the vector units of all threads can do, measured. */
#include "engine.h"

#define ATTEMPTS 100
#define ROUNDS 100000 /* a third of a millisecond or so */
/* Of each of two that are compared; a few tens of microseconds. */
#define TURNS 8
#define FEW_ROUNDS 10000
/* CPUs multiply bfloat16 twice as fast as float32 (AMD's) or half as fast
 * (Intel's): what lies between says that something else was measured. */
#define ABOVE 1.4

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

/* The best of turns: whatever comes between makes one slower. */
gboolean
defcn_onednn_peak_is_above (const Onednn *be, const PeakKernels *other)
{
  const PeakKernels *const kernels[2] = { be->peak, other };
  gint64 shortest[2] = { G_MAXINT64, G_MAXINT64 };
  float sums[16] __attribute__ ((aligned (64)));

  for (int k = 0; k < 16; k++)
    sums[k] = 1;
  for (int i = 0; i < 2 * TURNS; i++) {
    const gint64 start = g_get_monotonic_time ();

    kernels[i % 2]->spin (sums, FEW_ROUNDS);
    shortest[i % 2] = MIN (shortest[i % 2], g_get_monotonic_time () - start);
  }
  return (double) other->flop / MAX (shortest[1], 1)
      > ABOVE * be->peak->flop / MAX (shortest[0], 1);
}
