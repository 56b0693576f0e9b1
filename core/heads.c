/* The head outputs of a plan, level by level. */
#include "heads.h"

static gsize
len_of (const DefcnTensor *head)
{
  return head ? defcn_tensor_len (head) : 0;
}

gsize
defcn_heads_len (const DefcnPlan *plan)
{
  gsize len = 0;

  for (int i = 0; i < DEFCN_N_LEVELS; i++)
    len += defcn_tensor_len (plan->logits[i])
        + defcn_tensor_len (plan->deltas[i]) + len_of (plan->filter[i])
        + len_of (plan->centerness[i]) + len_of (plan->aux_logits[i]);
  return len;
}

void
defcn_heads_describe (DefcnLevel levels[DEFCN_N_LEVELS], const DefcnPlan *plan)
{
  for (int i = 0; i < DEFCN_N_LEVELS; i++)
    levels[i] = (DefcnLevel){ .h = plan->logits[i]->h,
      .w = plan->logits[i]->w,
      .stride = defcn_boxes_stride (i),
      .anchors = plan->deltas[i]->c / 4 };
}

/* Returns: @head in host memory at *@at, which moves behind it. */
static const float *
download (DefcnBackend *be, float **at, const DefcnTensor *head)
{
  float *dst = *at;

  if (!head)
    return NULL;
  be->download (be, head, dst, head->data);
  *at += defcn_tensor_len (head);
  return dst;
}

void
defcn_heads_download (DefcnLevel levels[DEFCN_N_LEVELS], float *values,
    const DefcnPlan *plan, DefcnBackend *be)
{
  float *at = values;

  defcn_heads_describe (levels, plan);
  for (int i = 0; i < DEFCN_N_LEVELS; i++) {
    levels[i].logits = download (be, &at, plan->logits[i]);
    levels[i].deltas = download (be, &at, plan->deltas[i]);
    levels[i].filter = download (be, &at, plan->filter[i]);
    levels[i].centerness = download (be, &at, plan->centerness[i]);
    levels[i].aux_logits = download (be, &at, plan->aux_logits[i]);
  }
}

void
defcn_heads_next (DefcnLevel levels[DEFCN_N_LEVELS], int n_classes)
{
  for (int i = 0; i < DEFCN_N_LEVELS; i++) {
    const gsize locations = defcn_level_boxes (&levels[i]);

    levels[i].logits += locations * n_classes;
    levels[i].deltas += locations * 4;
    if (levels[i].filter)
      levels[i].filter += locations;
    if (levels[i].centerness)
      levels[i].centerness += locations;
    if (levels[i].aux_logits)
      levels[i].aux_logits += locations * n_classes;
  }
}

DefcnHeads
defcn_heads_on_device (const DefcnPlan *plan)
{
  DefcnHeads heads = { plan->logits, plan->deltas, plan->filter,
    plan->aux_logits, DEFCN_N_LEVELS };

  for (int i = 0; i < DEFCN_N_LEVELS; i++)
    heads.strides[i] = defcn_boxes_stride (i);
  return heads;
}
