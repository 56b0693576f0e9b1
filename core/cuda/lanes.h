/* Streams beside the backend's for convolutions that go together
 * (DefcnNode.n_together): none reads what another writes, so the small maps of
 * a pyramid need not wait for each other.
 *
 * Thread rule: as the backend's. */
#pragma once

#include "module.h"

G_BEGIN_DECLS

/* NULL with @error. */
CudaLanes *cuda_lanes_new (GError **error);
void cuda_lanes_free (CudaLanes *lanes);

/* Which lane @node takes, 0: the backend's stream. */
int cuda_lane_of (const DefcnNode *node);

/* Between these two the backend's stream is the lane of @node.  The first of
 * the steps opens the lanes, behind all that is queued; what is queued after
 * the last of them waits for all. */
void cuda_lanes_begin (Cuda *be, const DefcnNode *node);
void cuda_lanes_end (Cuda *be, const DefcnNode *node);

G_END_DECLS
