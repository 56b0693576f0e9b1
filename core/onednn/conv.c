/* Convolution: chooses an implementation for each of its passes. */
#include "conv.h"

typedef enum
{
  FORWARD,
  DATA,    /* gradient of x */
  WEIGHTS, /* gradients of w and b */
  N_PASSES
} Pass;

/* The first that suits is taken. */
static const ConvPass *const choices[N_PASSES][2] = {
  { &defcn_onednn_winograd_forward, &defcn_onednn_direct_forward },
  { &defcn_onednn_winograd_data, &defcn_onednn_direct_data },
  { &defcn_onednn_winograd_weights, &defcn_onednn_direct_weights },
};

typedef struct
{
  const ConvPass *passes[N_PASSES]; /* NULL: not wanted */
  gpointer states[N_PASSES];
  char *description;
} Conv;

void
defcn_onednn_conv_error (GError **error, const DefcnNode *node,
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
defcn_onednn_bias_gradient (Onednn *be, const DefcnNode *node)
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
      defcn_onednn_sum_plane (sums,
          y->grad + ((gsize) n * blocks + block) * plane, y->h * y->w,
          be->block);
    for (int k = 0; k < lanes; k++)
      node->b->grad[block * be->block + k] += sums[k];
  }
}

static void
conv_release (DefcnBackend *base, DefcnNode *node)
{
  Conv *c = node->state;

  for (int i = 0; i < N_PASSES; i++)
    if (c->states[i])
      c->passes[i]->release (onednn_of (base), c->states[i]);
  g_free (c->description);
  g_clear_pointer (&node->state, g_free);
}

static gboolean
is_wanted (const DefcnNode *node, Pass pass)
{
  switch (pass) {
    case DATA:
      return node->train && node->y->grad && node->x[0]->grad;
    case WEIGHTS:
      return node->train && node->y->grad && node->w->grad;
    default:
      return TRUE;
  }
}

static gboolean
conv_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Onednn *be = onednn_of (base);
  Conv *c = node->state = g_new0 (Conv, 1);
  GString *description = g_string_new (NULL);

  onednn_enter (base);
  for (int i = 0; i < N_PASSES; i++) {
    const ConvPass *const *choice = choices[i];

    if (!is_wanted (node, i))
      continue;

    while (!(*choice)->suits (be, node))
      choice++;
    c->passes[i] = *choice;
    c->states[i] = c->passes[i]->prepare (be, node, error);
    if (!c->states[i]) {
      g_string_free (description, TRUE);
      conv_release (base, node);
      return FALSE;
    }
    g_string_append_printf (description, "%s%s", i > 0 ? " " : "",
        c->passes[i]->describe (c->states[i]));
  }
  c->description = g_string_free (description, FALSE);
  return TRUE;
}

static void
run (Onednn *be, const DefcnNode *node, Pass pass)
{
  const Conv *c = node->state;

  if (c->states[pass])
    c->passes[pass]->run (be, node, c->states[pass]);
}

static void
conv_forward (DefcnBackend *base, const DefcnNode *node)
{
  onednn_enter (base);
  run (onednn_of (base), node, FORWARD);
}

static void
conv_backward (DefcnBackend *base, const DefcnNode *node)
{
  const gsize len = base->size (base, node->y) / sizeof (float);

  onednn_enter (base);
  if (node->relu)
    defcn_onednn_mask (base, node->y->grad, node->y->data, len);
  if (node->x[1] && node->x[1]->grad)
    defcn_onednn_add (base, node->x[1]->grad, node->y->grad, len,
        node->accumulate[1]);
  run (onednn_of (base), node, WEIGHTS);
  run (onednn_of (base), node, DATA);
}

static const char *
conv_describe (DefcnBackend *be, const DefcnNode *node)
{
  return ((const Conv *) node->state)->description;
}

const DefcnOp defcn_onednn_conv = {
  .prepare = conv_prepare,
  .forward = conv_forward,
  .backward = conv_backward,
  .release = conv_release,
  .describe = conv_describe,
};
