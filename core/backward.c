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

/* A pass, and whom it tells. */
typedef struct
{
  DefcnNet *net;
  DefcnBackend *be;
  void (*final) (DefcnTensor *param, gpointer data);
  gpointer data;
} Pass;

static void
queue (gpointer data)
{
  const Pass *pass = data;

  for (guint i = defcn_net_count (pass->net); i-- > 0;) {
    const DefcnNode *node = defcn_net_node (pass->net, i);
    DefcnTensor *const params[] = { node->w, node->b };

    if (node->y->grad)
      pass->be->ops[node->kind].backward (pass->be, node);
    for (gsize k = 0; k < G_N_ELEMENTS (params); k++)
      if (params[k] && params[k]->grad
          && is_first_reader (pass->net, i, params[k]))
        pass->final (params[k], pass->data);
  }
}

void
defcn_backward_run (DefcnNet *net, DefcnBackend *be,
    void (*final) (DefcnTensor *param, gpointer data), gpointer data)
{
  Pass pass = { net, be, final, data };
  gpointer recording = NULL; /* a new one calls, and records nothing yet */

  if (!be->replay) {
    queue (&pass);
    return;
  }
  be->replay (be, &recording, queue, &pass);
  be->forget (be, recording);
}
