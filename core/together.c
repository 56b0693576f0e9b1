/* Steps that a backend may do together. */
#include "together.h"

/* Whether @a and @b do the same to different inputs. */
static gboolean
are_alike (const DefcnNode *a, const DefcnNode *b)
{
  if (a->kind != b->kind || a->relu != b->relu
      || a->y->precise != b->y->precise)
    return FALSE;
  switch (a->kind) {
    case DEFCN_OP_CONV:
      return !a->x[1] && !b->x[1] && a->w == b->w && a->b == b->b
          && a->stride == b->stride && a->groups == b->groups;
    case DEFCN_OP_GROUP_NORM:
      return a->w == b->w && a->b == b->b && a->groups == b->groups;
    case DEFCN_OP_TUBE_MAX:
      return a->phi == b->phi && a->y->c == b->y->c;
    case DEFCN_OP_BOX:
      return a->exponential == b->exponential;
    default:
      return FALSE;
  }
}

static gboolean
reads (const DefcnNode *node, const DefcnTensor *t)
{
  for (int k = 0; k < DEFCN_MAX_INPUTS; k++)
    if (node->x[k] == t)
      return TRUE;
  return FALSE;
}

/* How many steps from the first of @n on are alike, all inputs of each ready
 * before the first of them. */
static guint
count_together (const DefcnNode *nodes, guint n)
{
  for (guint i = 1; i < n; i++) {
    if (!are_alike (nodes, &nodes[i]))
      return i;
    for (guint k = 0; k < i; k++)
      if (reads (&nodes[i], nodes[k].y))
        return i;
  }
  return n;
}

void
defcn_together_mark (DefcnNode *nodes, guint n)
{
  for (guint i = 0, count; i < n; i += count) {
    count = count_together (nodes + i, n - i);
    for (guint k = 0; count > 1 && k < count; k++) {
      nodes[i + k].n_together = count;
      nodes[i + k].together = k;
    }
  }
}
