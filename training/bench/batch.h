/* The time of a batch whose images go apart.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "stages.h"

G_BEGIN_DECLS

/* Fills the time of a batch of options.batch images as the detector runs them,
 * and the memory of its activations, where that is not the plan that the stages
 * are of.  FALSE with @error. */
gboolean defcn_bench_batch_measure (DefcnBench *bench, GError **error);

G_END_DECLS
