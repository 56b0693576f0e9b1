/* The text that tells one convolution from another. */
#include "graph_shape.h"

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
