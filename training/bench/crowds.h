/* What comes after the network, by the number of objects.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "stages.h"

G_BEGIN_DECLS

/* From heads on the device to boxes with 1, 10, 100 and 500 objects, or as many
 * as the finest level has room for: fills crowds and n_found.  For a batch of
 * one; what the heads held is gone.  FALSE with @error. */
gboolean defcn_bench_crowds_measure (DefcnBench *bench, GError **error);

G_END_DECLS
