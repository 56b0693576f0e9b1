/* A backward pass that tells which gradients are complete. */
#include "backward.h"

/* Whether no step before @i reads the parameter @t. */
static gboolean
is_first_reader (const DefcnNet *net, guint i, const DefcnTensor *t)
{
  for (guint k = 0; k < i; k++) {
    const DefcnNode *node = defcn_net_node (net, k);

    if (node->w == t || node->b == t)
      return FALSE;
  }
  return TRUE;
}

void
defcn_backward_run (DefcnNet *net, DefcnBackend *be,
    void (*final) (DefcnTensor *param, gpointer data), gpointer data)
{
  for (guint i = defcn_net_count (net); i-- > 0;) {
    const DefcnNode *node = defcn_net_node (net, i);
    DefcnTensor *const params[] = { node->w, node->b };

    if (node->y->grad)
      be->ops[node->kind].backward (be, node);
    for (gsize k = 0; k < G_N_ELEMENTS (params); k++)
      if (params[k] && params[k]->grad && is_first_reader (net, i, params[k]))
        final (params[k], data);
  }
}
