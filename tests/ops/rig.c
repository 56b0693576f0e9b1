/* One step on a backend with all its tensors, made from a case of a table. */
#include "rig.h"

static DefcnTensor *
new_tensor (Rig *rig, DefcnTensorRole role, int n, int h, int w, int c)
{
  const DefcnTensor like = { .n = n,
    .h = h,
    .w = w,
    .c = c,
    .role = role,
    .precise = rig->node.kind == DEFCN_OP_BOX }; /* as the net has it */

  return testing_tensor_new_like (rig->be, &like, FALSE);
}

static void
make_conv (Rig *rig, const RigShape *s)
{
  int h = (s->h + s->stride - 1) / s->stride;
  int w = (s->w + s->stride - 1) / s->stride;

  rig->node.y = new_tensor (rig, DEFCN_TENSOR_ACTIVATION, s->n, h, w, s->out);
  rig->slots[SLOT_W] = new_tensor (rig, DEFCN_TENSOR_PARAM, s->out, s->size,
      s->size, s->c / s->groups);
  if (s->flags & BIAS)
    rig->slots[SLOT_B] = new_tensor (rig, DEFCN_TENSOR_PARAM, 1, 1, 1, s->out);
  if (s->flags & RESIDUAL)
    rig->slots[1] =
        new_tensor (rig, DEFCN_TENSOR_ACTIVATION, s->n, h, w, s->out);
}

/* All tensors but x[0], without gradients. */
static void
make_tensors (Rig *rig, const RigShape *s)
{
  DefcnTensorRole role = DEFCN_TENSOR_ACTIVATION;

  if (s->kind == DEFCN_OP_CONV) {
    make_conv (rig, s);
    return;
  }
  if (s->kind == DEFCN_OP_MAX_POOL)
    rig->node.y =
        new_tensor (rig, role, s->n, (s->h + 1) / 2, (s->w + 1) / 2, s->c);
  else
    rig->node.y = new_tensor (rig, role, s->n, s->h, s->w, s->c);

  if (s->kind == DEFCN_OP_UPSAMPLE_ADD)
    rig->slots[1] = new_tensor (rig, role, s->n, s->h / 2, s->w / 2, s->c);
  for (int k = 0; s->kind == DEFCN_OP_TUBE_MAX && k < s->n_levels; k++)
    rig->slots[1 + k] =
        new_tensor (rig, role, s->n, s->levels[k].h, s->levels[k].w, s->c);
  if (s->kind == DEFCN_OP_GROUP_NORM || s->kind == DEFCN_OP_BOX)
    rig->slots[SLOT_W] = new_tensor (rig, DEFCN_TENSOR_PARAM, 1, 1, 1,
        s->kind == DEFCN_OP_BOX ? 1 : s->c);
  if (s->kind == DEFCN_OP_GROUP_NORM)
    rig->slots[SLOT_B] = new_tensor (rig, DEFCN_TENSOR_PARAM, 1, 1, 1, s->c);
}

static gboolean
wants_gradient (int slot, CaseFlags flags)
{
  if (slot == 0)
    return !(flags & (NO_DX0 | INPUT));
  if (slot == 1)
    return !(flags & NO_DX1);
  return slot < SLOT_W || !(flags & FROZEN);
}

static void
make_gradients (Rig *rig, CaseFlags flags)
{
  DefcnBackend *be = rig->be;
  DefcnTensor *y = rig->node.y;

  for (int i = 0; i < N_SLOTS; i++) {
    DefcnTensor *t = rig->slots[i];
    if (t && wants_gradient (i, flags))
      t->grad = be->alloc (be, be->size (be, t));
  }
  y->grad = be->alloc (be, be->size (be, y));
}

Rig *
rig_new (DefcnBackend *be, const RigShape *s, gboolean train)
{
  Rig *rig = g_new0 (Rig, 1);
  DefcnNode *node = &rig->node;

  rig->be = be;
  *node = (DefcnNode){
    .kind = s->kind,
    .name = "step",
    .size = s->size,
    .stride = s->stride,
    .pad = s->size / 2,
    .groups = s->groups,
    .relu = (s->flags & RELU) != 0,
    .exponential = (s->flags & EXPONENTIAL) != 0,
    .factor = s->factor,
    .n_levels = s->n_levels,
    .self = s->self,
    .phi = s->phi,
    .train = train,
  };
  make_tensors (rig, s);
  rig->slots[0] = new_tensor (rig,
      s->flags & INPUT ? DEFCN_TENSOR_INPUT : DEFCN_TENSOR_ACTIVATION, s->n,
      s->h, s->w, s->c);
  if (train)
    make_gradients (rig, s->flags);
  for (int i = 0; i < DEFCN_MAX_INPUTS; i++) {
    node->x[i] = rig->slots[i];
    node->accumulate[i] = (s->flags & (i ? ADD_OTHERS : ADD_0)) != 0;
  }
  node->w = rig->slots[SLOT_W];
  node->b = rig->slots[SLOT_B];
  testing_prepare (be, node);
  return rig;
}

void
rig_free (Rig *rig)
{
  testing_release (rig->be, &rig->node);
  for (int i = 0; i < N_SLOTS; i++)
    testing_tensor_free (rig->be, rig->slots[i]);
  testing_tensor_free (rig->be, rig->node.y);
  g_free (rig);
}
