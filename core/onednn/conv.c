/* Convolution: its passes, each in the way that was chosen for it. */
#include "choose.h"

#include "tiles.h"

typedef enum
{
  FORWARD,
  BACKWARD, /* all gradients, and the mask of a fused ReLU; else: */
  DATA,     /* gradient of x */
  WEIGHTS,  /* gradients of w and b */
  N_PASSES
} Pass;

static const OnednnPass *const choices[N_PASSES][6] = {
  { &defcn_onednn_tiles_forward, &defcn_onednn_bfloat_forward,
      &defcn_onednn_mixed_forward, &defcn_onednn_winograd_forward,
      &defcn_onednn_direct_forward },
  { &defcn_onednn_depthwise_backward },
  { &defcn_onednn_mixed_data, &defcn_onednn_winograd_data,
      &defcn_onednn_direct_data },
  { &defcn_onednn_mixed_weights, &defcn_onednn_winograd_weights,
      &defcn_onednn_direct_weights },
};

typedef struct
{
  const OnednnPass *passes[N_PASSES]; /* NULL: not wanted */
  gpointer states[N_PASSES];
  char *description;
  const OnednnRectified *rectified; /* y, with a fused ReLU */
} Conv;

static void
conv_release (DefcnBackend *base, DefcnNode *node)
{
  Conv *c = node->state;

  for (int i = 0; i < N_PASSES; i++)
    if (c->states[i])
      c->passes[i]->release (onednn_of (base), c->states[i]);
  g_hash_table_remove (onednn_of (base)->rectified, node->y);
  g_free (c->description);
  g_clear_pointer (&node->state, g_free);
}

/* Whether the first of the steps that may be taken together does them all. */
static gboolean
is_done_above (const DefcnNode *node)
{
  const DefcnNode *first = node - node->together;
  const Conv *c = node->together > 0 ? first->state : NULL;

  return c && c->passes[FORWARD] == &defcn_onednn_winograd_forward
      && defcn_onednn_passes_together (first) > 1;
}

static gboolean
is_wanted (const Conv *c, const DefcnNode *node, Pass pass)
{
  const gboolean backward = node->train && node->y->grad;

  switch (pass) {
    case BACKWARD:
      return backward && (node->x[0]->grad || node->w->grad);
    case DATA:
      return backward && node->x[0]->grad && !c->passes[BACKWARD];
    case WEIGHTS:
      return backward && node->w->grad && !c->passes[BACKWARD];
    default:
      return !is_done_above (node);
  }
}

static char *
description_of (const Conv *c)
{
  GString *text = g_string_new (c->states[FORWARD] ? NULL : "winograd above");

  for (int i = 0; i < N_PASSES; i++)
    if (c->states[i])
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "",
          c->passes[i]->describe (c->states[i]));
  return g_string_free (text, FALSE);
}

static gboolean
conv_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Onednn *be = onednn_of (base);
  Conv *c = node->state = g_new0 (Conv, 1);

  onednn_enter (base);
  for (int i = 0; i < N_PASSES; i++) {
    if (is_wanted (c, node, i)
        && !defcn_onednn_choose (&c->passes[i], &c->states[i], choices[i], be,
            node, error)) {
      conv_release (base, node);
      return FALSE;
    }
  }
  c->description = description_of (c);
  if (node->relu && node->train) {
    OnednnRectified *r = g_new0 (OnednnRectified, 1);

    g_hash_table_insert (be->rectified, node->y, r);
    c->rectified = r;
  }
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
  Onednn *be = onednn_of (base);
  const Conv *c = node->state;

  onednn_enter (base);
  if (c->states[BACKWARD]) {
    run (be, node, BACKWARD);
    return;
  }
  if (node->relu && !c->rectified->masked)
    defcn_onednn_elementwise_mask (base, node->y->grad, node->y->data, len);
  if (node->x[1] && node->x[1]->grad)
    defcn_onednn_elementwise_add (base, node->x[1]->grad, node->y->grad, len,
        node->accumulate[1]);
  run (be, node, WEIGHTS);
  run (be, node, DATA);
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
