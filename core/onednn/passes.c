/* What the passes of a convolution have in common. */
#include "passes.h"

gboolean
defcn_onednn_passes_mask_early (Onednn *be, const DefcnNode *node)
{
  OnednnRectified *r = g_hash_table_lookup (be->rectified, node->x[0]);

  /* The first reader, and none behind that would write the gradient first. */
  if (!r || r->readers != 1 || node->accumulate[0] || node->x[0] == node->x[1])
    return FALSE;
  r->masked = TRUE;
  return TRUE;
}

void
defcn_onednn_passes_error (GError **error, const DefcnNode *node,
    const char *what)
{
  const DefcnTensor *x = node->x[0];

  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "onednn: %s: %dx%d convolution stride %d of %d x %d x %d x %d to %d "
      "channels in %d groups: %s",
      node->name, node->size, node->size, node->stride, x->n, x->h, x->w, x->c,
      node->y->c, node->groups, what);
}

void
defcn_onednn_passes_bias_gradient (Onednn *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  const gsize plane = onednn_plane (be, y);
  const int blocks = onednn_blocks (be, y);

  if (!node->b || !node->b->grad)
    return;
#pragma omp parallel for
  for (int block = 0; block < blocks; block++) {
    const int lanes = MIN (be->block, y->c - block * be->block);
    double sums[16] = { 0 };

    for (int n = 0; n < y->n; n++)
      defcn_onednn_elementwise_sum_plane (sums,
          y->grad + ((gsize) n * blocks + block) * plane, y->h * y->w,
          be->block);
    for (int k = 0; k < lanes; k++)
      node->b->grad[block * be->block + k] += sums[k];
  }
}
