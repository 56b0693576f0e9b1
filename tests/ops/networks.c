/* Whole networks of a backend (DEFCN_TEST_BACKEND), step by step. */
#include "model.h"

#include <string.h>

#include "../testing.h"

typedef struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth, res2_channels;
  int fpn_channels;
  gboolean train;
} Network;

static const Network networks[] = {
  { "resnet18", DEFCN_BACKBONE_RESNET, 18, 64, 96, FALSE },
  { "resnet18-training", DEFCN_BACKBONE_RESNET, 18, 64, 96, TRUE },
  { "resnet50", DEFCN_BACKBONE_RESNET, 50, 256, 256, FALSE },
  { "resnet50-training", DEFCN_BACKBONE_RESNET, 50, 256, 256, TRUE },
  { "mobilenetv2", DEFCN_BACKBONE_MOBILENETV2, 50, 256, 64, FALSE },
  { "mobilenetv2-training", DEFCN_BACKBONE_MOBILENETV2, 50, 256, 64, TRUE },
};

/* The library behind a backend does not fall back to its own reference code, a
 * hundred times as slow, at any step of the networks that people use. */
static void
test_implementations (gconstpointer data)
{
  const Network *n = data;
  const char *const labels[] = { "person", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 2, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);

  if (g_str_equal (be->name, "reference")) {
    g_test_skip ("the reference backend has no library behind it");
    return;
  }
  spec->backbone = n->backbone;
  spec->depth = n->depth;
  spec->res2_channels = n->res2_channels;
  spec->fpn_channels = n->fpn_channels;
  spec->norm_groups = 16;
  g_autoptr (DefcnModel) model =
      defcn_model_new (spec, be, n->train, 1, &error);
  g_assert_no_error (error);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 320, 448, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);
    const DefcnOp *op = &be->ops[node->kind];
    const char *name = op->describe ? op->describe (be, node) : NULL;

    if (name && strstr (name, "ref"))
      g_error ("%s, %d x %d x %d x %d to %d channels, runs on \"%s\"",
          node->name, node->x[0]->n, node->x[0]->h, node->x[0]->w,
          node->x[0]->c, node->y->c, name);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    g_autofree char *path = g_strdup_printf ("/networks/%s/%s",
        testing_backend (), networks[i].name);
    g_test_add_data_func (path, &networks[i], test_implementations);
  }
  return g_test_run ();
}
