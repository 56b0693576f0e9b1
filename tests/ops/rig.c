/* One step on a backend with all its tensors, made from a case of a table. */
#include "rig.h"

static DefcnTensor *
new_tensor (Rig *rig, const RigShape *s, DefcnTensorRole role, int n, int h,
    int w, int c)
{
  const DefcnTensor like = { .n = n,
    .h = h,
    .w = w,
    .c = c,
    .role = role,
    .precise = (s->flags & PRECISE) != 0 };

  return testing_tensor_new_like (rig->be, &like, FALSE);
}

/* What only convolutions see is that before its memory is taken. */
static DefcnTensor *
new_inner (Rig *rig, const RigShape *s, DefcnTensorRole role, CaseFlags inner,
    int h, int w, int c)
{
  const DefcnTensor like = { .n = s->n,
    .h = h,
    .w = w,
    .c = c,
    .role = role,
    .precise = (s->flags & PRECISE) != 0,
    .inner = (s->flags & inner) != 0 };

  return testing_tensor_new_like (rig->be, &like, FALSE);
}

/* All tensors, without gradients. */
static void
make_tensors (Rig *rig, const RigShape *s)
{
  const DefcnTensorRole role = DEFCN_TENSOR_ACTIVATION;
  const int stride = MAX (s->stride, 1), out = s->out > 0 ? s->out : s->c;
  const int h = (s->h + stride - 1) / stride;
  const int w = (s->w + stride - 1) / stride;
  const int side = s->out > 0 ? s->size : 1;
  DefcnTensor **slots = rig->slots;

  slots[0] = new_inner (rig, s, s->flags & INPUT ? DEFCN_TENSOR_INPUT : role,
      INNER_X, s->h, s->w, s->c);
  if (s->offsets > 0) {
    RigShape precise = *s;

    precise.flags |= PRECISE;
    slots[1] = new_tensor (rig, &precise, role, s->n, h, w, s->offsets);
  }
  if (s->flags & RESIDUAL)
    slots[s->offsets > 0 ? 2 : 1] =
        new_inner (rig, s, role, INNER_RESIDUAL, h, w, out);
  for (int k = 0; k < DEFCN_MAX_INPUTS - 1 && s->inputs[k].h > 0; k++)
    slots[1 + k] =
        new_tensor (rig, s, role, s->n, s->inputs[k].h, s->inputs[k].w, s->c);
  if (s->out > 0)
    slots[SLOT_W] = new_tensor (rig, s, DEFCN_TENSOR_PARAM, out, side, side,
        s->c / s->groups);
  else if (s->vector > 0)
    slots[SLOT_W] = new_tensor (rig, s, DEFCN_TENSOR_PARAM, 1, 1, 1, s->vector);
  if (s->flags & BIAS)
    slots[SLOT_B] = new_tensor (rig, s, DEFCN_TENSOR_PARAM, 1, 1, 1, out);
  rig->node.y = new_inner (rig, s, role, INNER_Y, h, w, out);
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
  *node = s->node;
  node->kind = s->kind;
  node->name = "step";
  node->size = s->size;
  node->stride = s->stride;
  node->pad = s->size / 2;
  node->groups = s->groups;
  node->relu = (s->flags & RELU) != 0;
  node->train = train;
  make_tensors (rig, s);
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
