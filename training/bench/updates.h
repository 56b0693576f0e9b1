/* How long an update of the weights takes.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "stages.h"

G_BEGIN_DECLS

/* Training steps on one fixed batch of noise with boxes: fills the stages
 * gradients and update, and the total; the first step is not counted.  Called
 * with the plan of a model opened for training and room for the samples.  FALSE
 * with @error. */
gboolean defcn_bench_updates_measure (DefcnBench *bench, GError **error);

G_END_DECLS
