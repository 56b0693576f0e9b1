/* The shape of a convolution, and the text that tells it from another. */
#include "graph_shape.h"

GraphShape
graph_shape_of (const DefcnNode *node, GraphKind kind, CudaType type,
    CudaType y_type, gboolean tf32)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  return (GraphShape){
    .kind = kind,
    .n = x->n,
    .h = x->h,
    .w = x->w,
    .c = cuda_channels (x, type),
    .k = y->c,
    .out_h = y->h,
    .out_w = y->w,
    .size = node->size,
    .stride = node->stride,
    .pad = node->pad,
    .groups = node->groups,
    .x_type = type,
    .w_type = type,
    .y_type = y_type,
    .tf32 = tf32,
  };
}

char *
graph_shape_text (const GraphShape *s)
{
  static const char *const kinds[] = { "forward", "data", "filter" };
  static const char *const types[] = { "float", "half", "bfloat" };

  return g_strdup_printf ("%s %dx%dx%dx%d k%d %dx%d s%d p%d g%d %s %s%s%s%s%s",
      kinds[s->kind], s->n, s->h, s->w, s->c, s->k, s->size, s->size, s->stride,
      s->pad, s->groups, types[s->x_type], types[s->y_type],
      s->bias ? " bias" : "", s->residual ? " residual" : "",
      s->relu ? " relu" : "",
      s->x_type == CUDA_FLOAT && s->tf32 ? " tf32" : "");
}
