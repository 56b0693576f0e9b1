/* `defcn bench --dump`: the network as a list of steps with its numbers, which
 * tests/bench runs on other engines. */
#include "dump.h"

#include <cjson/cJSON.h>

/* Number of the tensor: 0 for the input, i + 1 for what step i computes. */
static int
number_of (const DefcnBench *b, const DefcnTensor *t)
{
  if (t == b->plan->input)
    return 0;
  for (guint i = 0; i < defcn_net_count (b->plan->net); i++)
    if (defcn_net_node (b->plan->net, i)->y == t)
      return i + 1;
  g_return_val_if_reached (-1);
}

static void
write_tensor (const DefcnBench *b, DefcnWeightsWriter *writer, const char *name,
    const DefcnTensor *t)
{
  const gint64 dims[] = { t->n, t->h, t->w, t->c };
  g_autofree float *values = g_new (float, defcn_tensor_len (t));

  b->be->download (b->be, t, values, t->data);
  defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims, values);
}

/* Centres and sizes of a location's anchors, in a row. */
static cJSON *
anchors_of (const DefcnNode *node)
{
  cJSON *array = cJSON_CreateArray ();

  for (int i = 0; i < node->n_anchors; i++) {
    const DefcnAnchor *a = &node->anchors[i];

    cJSON_AddItemToArray (array,
        cJSON_CreateFloatArray ((float[]){ a->x, a->y, a->w, a->h }, 4));
  }
  return array;
}

static cJSON *
describe (const DefcnBench *b, const DefcnNode *node)
{
  cJSON *step = cJSON_CreateObject ();
  cJSON *inputs = cJSON_AddArrayToObject (step, "inputs");
  const struct
  {
    const char *name;
    double value;
  } numbers[] = {
    { "size", node->size },
    { "stride", node->stride },
    { "pad", node->pad },
    { "groups", node->groups },
    { "relu", node->relu },
    { "exponential", node->exponential },
    { "factor", node->factor },
    { "levels", node->n_levels },
    { "self", node->self },
    { "phi", node->phi },
  };

  cJSON_AddStringToObject (step, "kind", defcn_backend_op_name (node->kind));
  cJSON_AddStringToObject (step, "name", node->name);
  for (int i = 0; i < DEFCN_MAX_INPUTS && node->x[i]; i++)
    cJSON_AddItemToArray (inputs,
        cJSON_CreateNumber (number_of (b, node->x[i])));
  cJSON_AddItemToObject (step, "shape",
      cJSON_CreateIntArray ((int[]){ node->y->n, node->y->h, node->y->w,
                                node->y->c },
          4));
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    cJSON_AddNumberToObject (step, numbers[i].name, numbers[i].value);
  if (node->n_anchors > 0)
    cJSON_AddItemToObject (step, "anchors", anchors_of (node));
  return step;
}

static void
write_heads (const DefcnBench *b, DefcnWeightsWriter *writer)
{
  for (int i = 0; i < DEFCN_N_LEVELS; i++) {
    const DefcnTensor *heads[] = { b->plan->logits[i], b->plan->deltas[i],
      b->plan->filter[i] };

    for (gsize k = 0; k < G_N_ELEMENTS (heads); k++) {
      g_autofree char *name =
          heads[k] ? g_strdup_printf ("y%d", number_of (b, heads[k])) : NULL;

      if (name)
        write_tensor (b, writer, name, heads[k]);
    }
  }
}

gboolean
defcn_bench_dump (const DefcnBench *b, const char *path, GError **error)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  const DefcnTensor *x = b->plan->input;
  const gint64 dims[] = { x->n, x->h, x->w, x->c };
  cJSON *steps = cJSON_CreateArray ();

  defcn_weights_writer_add (writer, "y0", DEFCN_DTYPE_F32, 4, dims, b->input);
  for (guint i = 0; i < defcn_net_count (b->plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b->plan->net, i);
    g_autofree char *w = g_strdup_printf ("w%u", i + 1);
    g_autofree char *bias = g_strdup_printf ("b%u", i + 1);

    cJSON_AddItemToArray (steps, describe (b, node));
    if (node->w)
      write_tensor (b, writer, w, node->w);
    if (node->b)
      write_tensor (b, writer, bias, node->b);
  }
  write_heads (b, writer);

  char *text = cJSON_PrintUnformatted (steps);
  defcn_weights_writer_metadata (writer, "defcn.steps", text);
  cJSON_free (text);
  cJSON_Delete (steps);
  return defcn_weights_writer_save (writer, path, error);
}
