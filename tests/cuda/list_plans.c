/* What a network's pass consists of on an H200 that need not be there: every
 * step with its sizes, and the plan that cuDNN makes for a convolution.  Lines
 * of words, for tests/bench/count.py:
 *
 *   KIND NAME N H W C K OUT_H OUT_W SIZE STRIDE GROUPS INPUTS TOGETHER
 *     N_TOGETHER Y_BYTES ENGINE WORKSPACE COMPILED CPU_SECONDS KNOWN
 *
 * KNOWN: an earlier step has this plan.
 *
 * usage: list_plans N H W fp16|bf16|fp32 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "hopper.h"

static double
cpu_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static CudaType
type_of (const char *precision)
{
  return g_str_equal (precision, "fp16") ? CUDA_HALF
      : g_str_equal (precision, "bf16")  ? CUDA_BFLOAT
                                         : CUDA_FLOAT;
}

/* Memory that nobody touches: a plan is made of addresses. */
static void *
alloc (DefcnBackend *be, gsize bytes)
{
  void *mem = mmap (NULL, bytes, PROT_NONE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  return mem == MAP_FAILED ? NULL : mem;
}

static void
free_memory (DefcnBackend *be, void *mem)
{
}

static void
print_step (const DefcnNode *node, CudaType type)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int c = cuda_channels (x, type); /* in memory */
  int inputs = 0;

  while (inputs < DEFCN_MAX_INPUTS && node->x[inputs])
    inputs++;
  printf ("%s %s %d %d %d %d %d %d %d %d %d %d %d %d %d %d",
      defcn_backend_op_name (node->kind), node->name, x->n, x->h, x->w, c, y->c,
      y->h, y->w, node->size, node->stride, node->groups, inputs,
      node->together, node->n_together,
      y->precise || type == CUDA_FLOAT ? 4 : 2);
}

/* FALSE where there is no plan. */
static gboolean
print_plan (GHashTable *known, cudnnBackendDescriptor_t device,
    const GraphShape *shape)
{
  g_autofree char *text = graph_shape_text (shape);
  const double start = cpu_seconds ();
  const gboolean is_known = g_hash_table_contains (known, text);
  Graph *graph = is_known ? g_hash_table_lookup (known, text)
                          : graph_new (NULL, device, shape, NULL, 1, NULL);

  if (!graph) {
    printf (" none 0 0 0 0\n");
    return FALSE;
  }
  const double seconds = cpu_seconds () - start;
  printf (" %s %zu %d %.3f %d\n", graph_engine (graph), graph_workspace (graph),
      hopper_is_compiled (graph), is_known ? 0 : seconds, is_known);
  if (!is_known)
    g_hash_table_insert (known, g_steal_pointer (&text), graph);
  return TRUE;
}

int
main (int argc, char **argv)
{
  const char *const labels[] = { "person", NULL };
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal,
      g_free, (GDestroyNotify) graph_unref);
  cudnnBackendDescriptor_t device = hopper_new ();
  g_autoptr (GError) error = NULL;
  gboolean good = TRUE;

  if (argc != 5 || !device) {
    fprintf (stderr,
        argc != 5 ? "usage: list_plans N H W PRECISION\n"
                  : "no plans without a device\n");
    return 2;
  }
  g_strfreev (spec->labels);
  spec->labels = g_new0 (char *, 81);
  spec->n_classes = 80;
  for (int i = 0; i < 80; i++)
    spec->labels[i] = g_strdup_printf ("class%d", i);
  g_autoptr (DefcnParams) params = defcn_params_new_shapes (be);
  be->alloc = alloc;
  be->free = free_memory; /* the process ends */
  DefcnPlan *plan = defcn_architecture_build (spec, params, be, atoi (argv[1]),
      atoi (argv[2]), atoi (argv[3]));
  if (!defcn_net_plan (plan->net, FALSE, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);
    const GraphShape shape =
        hopper_shape (node, GRAPH_FORWARD, type_of (argv[4]), TRUE);

    print_step (node, type_of (argv[4]));
    if (node->kind != DEFCN_OP_CONV)
      printf (" - 0 0 0 0\n");
    else
      good &= print_plan (known, device, &shape);
  }
  defcn_architecture_free (plan);
  g_clear_pointer (&known, g_hash_table_unref);
  cudnnBackendDestroyDescriptor (device);
  return !good;
}
