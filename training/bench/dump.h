/* A measured network as a file, so that another engine can run the same.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "stages.h"

G_BEGIN_DECLS

/* Writes a safetensors file: "y0" is the input, "wN" and "bN" the parameters of
 * step N, with the batch norm folded in, "yN" what the heads gave, all NHWC or
 * OHWI; metadata "defcn.steps" is a JSON array of the steps, from 1, with the
 * numbers of their inputs.  FALSE with @error. */
gboolean defcn_bench_dump (const DefcnBench *bench, const char *path,
    GError **error);

G_END_DECLS
