/* A model file for tests that need one and do not care which. */
#include "tiny_model.h"

static void
set_all (DefcnModel *model, const char *name, float value, float factor)
{
  const DefcnParam *p = defcn_params_lookup (defcn_model_params (model), name);

  g_assert_nonnull (p);
  for (gsize i = 0; i < defcn_param_len (p); i++)
    p->value[i] = p->value[i] * factor + value;
}

static const char *const default_labels[] = { "person", "car", "dog", NULL };

static void
write_model (const char *path, const char *const *labels, int short_edge,
    float bias, int anchors)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;

  spec->depth = 18;
  spec->stem_channels = spec->res2_channels = 8;
  spec->fpn_channels = 16;
  spec->norm_groups = 4;
  spec->tower_depth = 1;
  spec->input.short_edge = short_edge;
  spec->input.long_edge = 2 * short_edge;
  spec->threshold = 0.3f;
  spec->max_detections = 50;
  spec->anchors = anchors;
  spec->filter = anchors == 0;

  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 5, &error);
  g_assert_no_error (error);
  /* The initial prior alone would keep every score at 0.01. */
  set_all (model, "head.cls_score.bias", bias, 0);
  set_all (model, "head.cls_score.weight", 0, 30);
  if (spec->filter)
    set_all (model, "head.filter.weight", 0, 30);
  set_all (model, "head.bbox_pred.bias", 2, 0);
  set_all (model, "head.bbox_pred.weight", 0, 10);
  defcn_model_save (model, writer, DEFCN_DTYPE_F32);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);
}

void
testing_tiny_model_write (const char *path)
{
  write_model (path, default_labels, 64, 0, 0);
}

void
testing_tiny_model_write_as (const char *path, int short_edge, float bias)
{
  write_model (path, default_labels, short_edge, bias, 0);
}

void
testing_tiny_model_write_labels (const char *path, const char *const *labels)
{
  write_model (path, labels, 64, 0, 0);
}

void
testing_tiny_model_write_anchors (const char *path)
{
  write_model (path, default_labels, 64, 0, 9);
}
