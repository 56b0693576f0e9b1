/* How long OpenMP's threads spin for the next loop before they sleep.
 *
 * A network has hundreds of loops, with a few microseconds between two: threads
 * that sleep at once have to be woken for each, which costs a third of a pass
 * on two cores of a virtual machine.  libgomp's default of 300 000 turns, some
 * milliseconds, costs every other thread that wants the core its time.  So
 * many are enough for the one, and too few for the other
 * (tests/bench/results/spin-2026-11-30.md).
 */
#pragma once

#include <glib.h>

#define DEFCN_SPIN "2000"

/* FALSE: somebody has decided already. */
static inline gboolean
defcn_spin_is_open (void)
{
  return !g_getenv ("OMP_WAIT_POLICY") && !g_getenv ("GOMP_SPINCOUNT");
}

/* Before libgomp is loaded, which reads it then; as long as there are no other
 * threads that read the environment, as g_setenv() says. */
static inline void
defcn_spin_set (void)
{
  if (defcn_spin_is_open ())
    g_setenv ("GOMP_SPINCOUNT", DEFCN_SPIN, TRUE);
}
