/* From foreign tensors to a model file: names, what is filled in, the spec,
 * what is missing. */
#include "import/importer.h"
#include "import/derive.h"
#include "testing.h"

#include <glib/gstdio.h>

#include <math.h>
#include <string.h>

static const char *const labels[] = { "person", "car", "dog", NULL };
static char *folder;

/* Each name goes to the official one, or to none. */
static void
test_names (void)
{
  static const struct
  {
    DefcnNaming naming;
    const char *theirs, *ours; /* below backbone.bottom_up; NULL: dropped */
  } cases[] = {
    { DEFCN_NAMING_DETECTRON2, "stem.conv1.weight", "stem.conv1.weight" },
    { DEFCN_NAMING_DETECTRON2, "res5.2.conv3.norm.bias",
        "res5.2.conv3.norm.bias" },
    { DEFCN_NAMING_DETECTRON2, "res2.0.conv1.norm.num_batches_tracked", NULL },
    { DEFCN_NAMING_DETECTRON2, "fc.weight", NULL },
    { DEFCN_NAMING_DETECTRON2, "rest.weight", NULL },
    { DEFCN_NAMING_CAFFE2, "conv1_w", "stem.conv1.weight" },
    { DEFCN_NAMING_CAFFE2, "res_conv1_bn_s", "stem.conv1.norm.weight" },
    { DEFCN_NAMING_CAFFE2, "res_conv1_bn_b", "stem.conv1.norm.bias" },
    { DEFCN_NAMING_CAFFE2, "res4_22_branch2b_bn_rm",
        "res4.22.conv2.norm.running_mean" },
    { DEFCN_NAMING_CAFFE2, "res4_22_branch2b_bn_riv",
        "res4.22.conv2.norm.running_var" },
    { DEFCN_NAMING_CAFFE2, "res2_0_branch1_w", "res2.0.shortcut.weight" },
    { DEFCN_NAMING_CAFFE2, "res2_0_branch2d_w", NULL },
    { DEFCN_NAMING_CAFFE2, "res2_0_branch2a", NULL },
    { DEFCN_NAMING_CAFFE2, "res2_0_branch2a_b", NULL },
    { DEFCN_NAMING_CAFFE2, "conv1_w_momentum", NULL },
    { DEFCN_NAMING_CAFFE2, "fc1000_w", NULL },
    { DEFCN_NAMING_TORCHVISION, "conv1.weight", "stem.conv1.weight" },
    { DEFCN_NAMING_TORCHVISION, "conv1.bias", "stem.conv1.norm.bias" },
    { DEFCN_NAMING_TORCHVISION, "bn1.running_var",
        "stem.conv1.norm.running_var" },
    { DEFCN_NAMING_TORCHVISION, "bn1.num_batches_tracked", NULL },
    { DEFCN_NAMING_TORCHVISION, "layer1.0.conv3.weight",
        "res2.0.conv3.weight" },
    { DEFCN_NAMING_TORCHVISION, "layer4.2.bn3.weight",
        "res5.2.conv3.norm.weight" },
    { DEFCN_NAMING_TORCHVISION, "layer2.0.downsample.0.weight",
        "res3.0.shortcut.weight" },
    { DEFCN_NAMING_TORCHVISION, "layer2.0.downsample.1.running_mean",
        "res3.0.shortcut.norm.running_mean" },
    { DEFCN_NAMING_TORCHVISION, "layer2.0.downsample.0.bias",
        "res3.0.shortcut.norm.bias" },
    { DEFCN_NAMING_TORCHVISION, "layer2.0.conv4.weight", NULL },
    { DEFCN_NAMING_TORCHVISION, "layerx.0.conv1.weight", NULL },
    { DEFCN_NAMING_TORCHVISION, "fc.bias", NULL },
    { DEFCN_NAMING_MXNET, "m_features_conv0_weight", "stem.conv.weight" },
    { DEFCN_NAMING_MXNET, "m_features_batchnorm0_gamma",
        "stem.conv.norm.weight" },
    { DEFCN_NAMING_MXNET, "m_features_conv1_weight", NULL },
    { DEFCN_NAMING_MXNET, "m_features_batchnorm1_beta", NULL },
    { DEFCN_NAMING_MXNET, "m_features_linearbottleneck16_conv0_weight",
        "block16.expand.weight" },
    { DEFCN_NAMING_MXNET, "m_features_linearbottleneck3_conv1_weight",
        "block3.depthwise.weight" },
    { DEFCN_NAMING_MXNET, "m_features_linearbottleneck3_batchnorm2_beta",
        "block3.project.norm.bias" },
    { DEFCN_NAMING_MXNET, "m_features_linearbottleneck3_conv3_weight", NULL },
    { DEFCN_NAMING_MXNET, "m_output_pred_weight", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *found =
        defcn_naming_translate (cases[i].naming, cases[i].theirs);
    g_autofree char *wanted = cases[i].ours
        ? g_strconcat ("backbone.bottom_up.", cases[i].ours, NULL)
        : NULL;

    g_assert_cmpstr (found, ==, wanted);
  }

  static const char *const official[][2] = {
    { "backbone.fpn_lateral3.bias", "backbone.fpn_lateral3.bias" },
    { "head.scales.0.scale", "head.scales.0.scale" },
    { "backbone.bottom_up.stem.conv1.norm.num_batches_tracked", NULL },
    { "pixel_mean", NULL },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (official); i++) {
    g_autofree char *found =
        defcn_naming_translate (DEFCN_NAMING_OFFICIAL, official[i][0]);

    g_assert_cmpstr (found, ==, official[i][1]);
  }
}

/* Adds a tensor of ones: a vector of @out, or a 1x1 convolution. */
static void
add_ones (DefcnForeign *foreign, const char *name, gint64 out, gboolean conv)
{
  static const guint8 ones[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  const DefcnForeignArray array = { .data = ones,
    .bytes = sizeof ones,
    .element = DEFCN_ELEMENT_U8,
    .n_dims = conv ? 4 : 1,
    .dims = { out, 1, 1, 1 },
    .strides = { 1, 1, 1, 1 } };
  g_autoptr (GError) error = NULL;

  defcn_foreign_add (foreign, name, &array, &error);
  g_assert_no_error (error);
}

static void
assert_values (const DefcnForeign *foreign, const char *name, float value)
{
  g_autofree char *full = g_strconcat ("backbone.bottom_up.", name, NULL);
  const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, full);

  g_assert_nonnull (t);
  g_assert_cmpuint (t->len, ==, 4);
  for (gsize i = 0; i < t->len; i++)
    g_assert_cmpfloat (t->data[i], ==, value);
}

/* A folded convolution and an affine norm are completed so that the scale is
 * exactly what it was; a whole norm stays; a norm alone goes. */
static void
test_complete (void)
{
  const float one = 1 - 1e-5f;
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("x", "", 1000);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;

  add_ones (foreign, "conv1.weight", 4, TRUE);
  add_ones (foreign, "conv1.bias", 4, FALSE);
  add_ones (foreign, "layer1.0.conv1.weight", 4, TRUE);
  add_ones (foreign, "layer1.0.bn1.weight", 4, FALSE);
  add_ones (foreign, "layer1.0.bn1.bias", 4, FALSE);
  add_ones (foreign, "layer1.0.conv2.weight", 4, TRUE);
  add_ones (foreign, "layer1.0.bn2.weight", 4, FALSE);
  add_ones (foreign, "layer1.0.bn2.bias", 4, FALSE);
  add_ones (foreign, "layer1.0.bn2.running_mean", 4, FALSE);
  add_ones (foreign, "layer1.0.bn2.running_var", 4, FALSE);
  add_ones (foreign, "layer4.0.conv1.bias", 4, FALSE);
  add_ones (foreign, "fc.weight", 4, FALSE);
  g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
  g_assert_cmpint (naming, ==, DEFCN_NAMING_TORCHVISION);

  assert_values (foreign, "stem.conv1.norm.weight", 1);
  assert_values (foreign, "stem.conv1.norm.bias", 1);
  assert_values (foreign, "stem.conv1.norm.running_mean", 0);
  assert_values (foreign, "stem.conv1.norm.running_var", one);
  assert_values (foreign, "res2.0.conv1.norm.weight", 1);
  assert_values (foreign, "res2.0.conv1.norm.running_var", one);
  assert_values (foreign, "res2.0.conv2.norm.running_mean", 1);
  assert_values (foreign, "res2.0.conv2.norm.running_var", 1);
  g_assert_cmpfloat (1 / sqrtf (one + 1e-5f), ==, 1);
  g_assert_cmpuint (foreign->tensors->len, ==, 15);
  g_assert_cmpuint (ignored->len, ==, 2);
  g_assert_cmpstr (ignored->pdata[0], ==, "fc.weight");
  g_assert_cmpstr (ignored->pdata[1], ==,
      "backbone.bottom_up.res5.0.conv1.norm.bias");
}

/* Norms of FrozenBatchNorm before version 3 lose 1e-5 of the variance, others
 * do not. */
static void
test_versions (void)
{
  static const char base[] = "backbone.bottom_up.res2.0.";
  static const char *const convs[] = { "conv1", "conv2", "conv3" };
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("x", "", 1000);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;

  for (int i = 0; i < 3; i++) {
    g_autofree char *weight = g_strconcat (base, convs[i], ".weight", NULL);
    g_autofree char *mean =
        g_strconcat (base, convs[i], ".norm.running_mean", NULL);
    g_autofree char *variance =
        g_strconcat (base, convs[i], ".norm.running_var", NULL);

    add_ones (foreign, weight, 4, TRUE);
    add_ones (foreign, mean, 4, FALSE);
    add_ones (foreign, variance, 4, FALSE);
    if (i > 0)
      g_hash_table_insert (foreign->versions,
          g_strconcat (base, convs[i], ".norm", NULL), GINT_TO_POINTER (i + 1));
  }
  g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
  assert_values (foreign, "res2.0.conv1.norm.running_var", 1);
  assert_values (foreign, "res2.0.conv2.norm.running_var", 1 - 1e-5f);
  assert_values (foreign, "res2.0.conv3.norm.running_var", 1);
}

/* Names of nothing known, and two tensors of one meaning, are errors. */
static void
test_bad_names (void)
{
  g_autoptr (DefcnForeign) unknown = defcn_foreign_new ("u.pth", "", 1000);
  g_autoptr (DefcnForeign) twice = defcn_foreign_new ("t.pth", "", 1000);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;

  add_ones (unknown, "encoder.0.weight", 4, TRUE);
  g_assert_false (defcn_naming_apply (&naming, unknown, ignored, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "encoder.0.weight"));
  g_assert_true (g_str_has_prefix (error->message, "u.pth: "));
  g_clear_error (&error);

  add_ones (twice, "conv1.weight", 4, TRUE);
  add_ones (twice, "conv1.bias", 4, FALSE);
  add_ones (twice, "bn1.bias", 4, FALSE);
  g_assert_false (defcn_naming_apply (&naming, twice, ignored, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "bn1.bias"));
}

/* Momentum finds the stages that were frozen; what fits none is an error. */
static void
test_momentum (void)
{
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("x", "", 1000);
  g_autoptr (GError) error = NULL;
  DefcnForeignTensor *m = g_new0 (DefcnForeignTensor, 1);

  g_assert_true (defcn_naming_momentum (foreign, &error));
  add_ones (foreign, "backbone.bottom_up.stem.conv1.weight", 4, TRUE);
  add_ones (foreign, "backbone.bottom_up.stem.conv1.norm.weight", 4, FALSE);
  add_ones (foreign, "backbone.bottom_up.res2.0.conv1.weight", 4, TRUE);
  add_ones (foreign, "backbone.bottom_up.res3.0.conv1.weight", 3, TRUE);
  add_ones (foreign, "head.filter.bias", 1, FALSE);
  add_ones (foreign, "anchor_generator.cell_anchors.0", 4, FALSE);
  m->n_dims = 4;
  m->dims[0] = 3;
  m->dims[1] = m->dims[2] = m->dims[3] = 1;
  g_ptr_array_add (foreign->momentum, m);
  g_ptr_array_add (foreign->momentum, NULL);
  g_assert_true (defcn_naming_momentum (foreign, &error));
  g_assert_cmpstr (m->name, ==, "backbone.bottom_up.res3.0.conv1.weight");

  m->dims[0] = 5;
  g_assert_false (defcn_naming_momentum (foreign, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "2 parameters"));
}

/* A network of real depth and tiny widths. */
static DefcnSpec *
tiny_spec (int depth)
{
  DefcnSpec *spec = defcn_spec_new (labels);

  spec->depth = depth;
  spec->stem_channels = 8;
  spec->res2_channels = depth < 50 ? 8 : 16;
  if (depth >= 50)
    spec->group_width = 4;
  spec->fpn_channels = 32;
  spec->tower_depth = 2;
  return spec;
}

static DefcnModel *
model_of (const DefcnSpec *spec, DefcnBackend *be)
{
  g_autoptr (GError) error = NULL;
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 3, &error);

  g_assert_no_error (error);
  return model;
}

static DefcnBackend *
reference (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new ("reference", 1, &error);

  g_assert_no_error (error);
  return be;
}

static char *
file_path (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* The torchvision name of a backbone's tensor, NULL for another's. */
static char *
torchvision_name (const char *name)
{
  static const char *const changes[][2] = {
    { "stem.conv1.norm.", "bn1." },
    { "stem.conv1.", "conv1." },
    { "res2.", "layer1." },
    { "res3.", "layer2." },
    { "res4.", "layer3." },
    { "res5.", "layer4." },
    { "conv1.norm.", "bn1." },
    { "conv2.norm.", "bn2." },
    { "conv3.norm.", "bn3." },
    { "shortcut.norm.", "downsample.1." },
    { "shortcut.", "downsample.0." },
  };

  if (!g_str_has_prefix (name, "backbone.bottom_up."))
    return NULL;
  GString *text = g_string_new (name + strlen ("backbone.bottom_up."));
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++)
    g_string_replace (text, changes[i][0], changes[i][1], 0);
  return g_string_free (text, FALSE);
}

static char *
same_name (const char *name)
{
  return g_strdup (name);
}

/* Saves the model's parameters under the names of @rename without any
 * metadata, but for @left_out.  Returns: (transfer full): path. */
static char *
save_foreign (DefcnModel *model, char *(*rename) (const char *name),
    const char *left_out)
{
  g_autofree char *whole = file_path ("whole");
  char *path = file_path ("foreign");
  g_autoptr (DefcnWeightsWriter) all = defcn_weights_writer_new ();
  g_autoptr (DefcnWeightsWriter) some = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;

  defcn_model_save (model, all, DEFCN_DTYPE_F32);
  g_assert_true (defcn_weights_writer_save (all, whole, &error));
  g_autoptr (DefcnWeights) weights = defcn_weights_open (whole, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    g_autofree char *name = rename (t->name);
    g_autofree float *data = g_new (float, t->len);

    if (!name || g_strcmp0 (t->name, left_out) == 0)
      continue;
    g_assert_true (defcn_weights_read (weights, t, data, &error));
    defcn_weights_writer_add (some, name, DEFCN_DTYPE_F32, t->n_dims, t->dims,
        data);
  }
  g_assert_true (defcn_weights_writer_save (some, path, &error));
  return path;
}

/* Imports @input to "imported" and fails the test if that fails. */
static DefcnImporterResult *
import (const char *input, const DefcnImporterOptions *options)
{
  g_autofree char *output = file_path ("imported");
  g_autoptr (GError) error = NULL;
  DefcnImporterResult *done =
      defcn_importer_run (input, output, options, &error);

  g_assert_no_error (error);
  return done;
}

static DefcnWeights *
open_imported (void)
{
  g_autofree char *path = file_path ("imported");
  g_autoptr (GError) error = NULL;
  DefcnWeights *weights = defcn_weights_open (path, &error);

  g_assert_no_error (error);
  return weights;
}

/* A conversion that fails with @word and writes nothing. */
static void
assert_not_imported (const char *input, const DefcnImporterOptions *options,
    const char *word)
{
  g_autofree char *output = file_path ("not-there");
  g_autoptr (GError) error = NULL;

  g_assert_null (defcn_importer_run (input, output, options, &error));
  g_assert_nonnull (error);
  if (!strstr (error->message, word))
    g_error ("\"%s\" does not say \"%s\"", error->message, word);
  g_assert_false (g_file_test (output, G_FILE_TEST_EXISTS));
}

/* The spec of every kind of network comes back from its tensors, and with it
 * the model itself. */
static void
test_specs (void)
{
  static const struct
  {
    int depth, groups;
    gboolean filter, filter_norm, p6_from_c5;
    int dcn_from;
    gboolean no_masks, dcn_head;
  } cases[] = {
    { 50, 1, TRUE, TRUE, FALSE, 3 }, { 18, 1, TRUE, TRUE, FALSE, 5, TRUE },
    { 101, 8, TRUE, TRUE, FALSE, 2, FALSE, TRUE },
    { 34, 1, TRUE, TRUE, FALSE, 0, TRUE, TRUE }, { 18, 1, TRUE, TRUE, FALSE },
    { 34, 1, FALSE, FALSE, FALSE }, { 50, 1, TRUE, FALSE, TRUE },
    { 50, 4, TRUE, TRUE, FALSE }, { 101, 1, FALSE, FALSE, FALSE },
    { 152, 1, TRUE, TRUE, TRUE }, { 0, 1, TRUE, TRUE, FALSE }, /* MobileNetV2 */
  };
  g_autoptr (DefcnBackend) be = reference ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnSpec) spec = tiny_spec (cases[i].depth);

    spec->groups = cases[i].groups;
    spec->filter = cases[i].filter;
    spec->filter_norm = cases[i].filter_norm;
    spec->p6_from_c5 = cases[i].p6_from_c5;
    spec->dcn_from = cases[i].dcn_from;
    spec->dcn_modulated = !cases[i].no_masks;
    spec->dcn_head = cases[i].dcn_head;
    if (cases[i].groups > 1) { /* as published */
      spec->stride_in_1x1 = FALSE;
      memcpy (spec->input.std, (float[]){ 57.375f, 57.12f, 58.395f },
          sizeof spec->input.std);
    }
    if (cases[i].depth == 0) { /* widths of its own */
      g_autoptr (DefcnSpec) standard = defcn_spec_new (labels);

      spec->backbone = DEFCN_BACKBONE_MOBILENETV2;
      spec->stem_channels = standard->stem_channels;
      spec->res2_channels = standard->res2_channels;
      spec->group_width = standard->group_width;
    }
    if (cases[i].depth == 18 || cases[i].depth == 34)
      spec->group_width = 64; /* unused */

    g_autoptr (DefcnModel) model = model_of (spec, be);
    g_autofree char *input = save_foreign (model, same_name, NULL);
    const DefcnImporterOptions options = { .labels = labels };
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    g_autofree char *found = defcn_spec_to_json (done->spec);
    g_autofree char *wanted = defcn_spec_to_json (spec);
    g_autoptr (GError) error = NULL;

    g_assert_cmpstr (found, ==, wanted);
    g_assert_true (done->full);
    g_assert_cmpuint (done->missing->len, ==, 0);
    g_assert_cmpuint (done->ignored->len, ==, 0);
    g_autoptr (DefcnWeights) file = open_imported ();
    g_autoptr (DefcnModel) again = defcn_model_open (file, be, FALSE, &error);
    g_assert_no_error (error);
    const DefcnParams *a = defcn_model_params (model);
    const DefcnParams *b = defcn_model_params (again);
    g_assert_cmpuint (defcn_params_count (a), ==, defcn_params_count (b));
    for (guint k = 0; k < defcn_params_count (a); k++) {
      const DefcnParam *p = defcn_params_get (a, k);
      const DefcnParam *q = defcn_params_lookup (b, p->name);

      g_assert_cmpmem (p->value, defcn_param_len (p) * sizeof (float), q->value,
          defcn_param_len (q) * sizeof (float));
    }
  }
}

/* The anchors of a checkpoint, beside its weights: x1, y1, x2, y2 of a location
 * of every level but @left_out, P3's @scale times as large. */
static char *
save_anchors (DefcnModel *model, int left_out, int rows, float scale)
{
  g_autofree char *plain = save_foreign (model, same_name, NULL);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (plain, NULL);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  char *path = file_path ("anchors");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    g_autofree float *data = g_new (float, t->len);

    g_assert_true (defcn_weights_read (weights, t, data, &error));
    defcn_weights_writer_add (writer, t->name, DEFCN_DTYPE_F32, t->n_dims,
        t->dims, data);
  }
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *name =
        g_strdup_printf ("anchor_generator.cell_anchors.%d", l);
    const float half = (16 << l) * (l == 0 ? scale : 1);
    const float boxes[] = { -half, -half, half, half, -1, -1, 1, 1 };

    if (l != left_out)
      defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 2,
          (const gint64[]){ rows, 4 }, boxes);
  }
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  return path;
}

/* A checkpoint with anchors is a model whose boxes are relative to them; other
 * anchors than those are refused by name. */
static void
test_anchors (void)
{
  static const struct
  {
    int left_out, rows;
    float scale;
    const char *word; /* of the refusal */
  } cases[] = { { -1, 1, 1, NULL }, { 3, 1, 1, "cell_anchors.3" },
    { -1, 2, 1, "cell_anchors.0" },
    { -1, 1, 1.25f, "the first of 32 x 32 pixels" } };
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  const DefcnImporterOptions options = { .labels = labels };

  spec->group_width = 64; /* unused */
  spec->filter = spec->filter_norm = FALSE;
  spec->anchors = 1;
  g_autoptr (DefcnModel) model = model_of (spec, be);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *input =
        save_anchors (model, cases[i].left_out, cases[i].rows, cases[i].scale);

    if (cases[i].word) {
      assert_not_imported (input, &options, cases[i].word);
      continue;
    }
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    g_autofree char *found = defcn_spec_to_json (done->spec);
    g_autofree char *wanted = defcn_spec_to_json (spec);
    g_assert_cmpstr (found, ==, wanted);
    g_assert_cmpuint (done->missing->len, ==, 0);
    g_assert_cmpuint (done->ignored->len, ==, DEFCN_N_LEVELS);
  }
}

/* The first convolution of the box tower is deformable, not the last. */
static char *
first_offset (const char *name)
{
  GString *text = g_string_new (name);

  g_string_replace (text, "bbox_subnet.2_offset", "bbox_subnet.0_offset", 0);
  return g_string_free (text, FALSE);
}

/* A tower that is deformable elsewhere than at its end, or alone, is refused by
 * the name of a tensor. */
static void
test_towers (void)
{
  static const char last[] = "head.bbox_subnet.2_offset.weight";
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  const DefcnImporterOptions options = { .labels = labels };

  spec->filter = spec->filter_norm = FALSE;
  spec->norm_groups = 0;
  spec->tower_depth = 2;
  spec->dcn_head = TRUE;
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *alone = save_foreign (model, same_name, last);
  assert_not_imported (alone, &options,
      "\"head.bbox_subnet.2_offset.weight\" is missing");
  g_autofree char *first = save_foreign (model, first_offset, NULL);
  assert_not_imported (first, &options,
      "\"head.bbox_subnet.0_offset.weight\" is there");
}

/* A RetinaNet, of whose anchors a file may say nothing, and whose towers
 * without norms may end deformable. */
static void
test_retinanet (void)
{
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  const DefcnImporterOptions options = { .labels = labels };

  spec->group_width = 64; /* unused */
  spec->filter = spec->filter_norm = FALSE;
  spec->anchors = 9;
  spec->norm_groups = 0;
  spec->nms_iou = 0.5f;
  spec->p6_from_c5 = TRUE;
  spec->tower_depth = 2;
  for (int deformable = 0; deformable < 2; deformable++) {
    spec->dcn_head = deformable;
    g_autoptr (DefcnModel) model = model_of (spec, be);
    g_autofree char *input = save_foreign (model, same_name, NULL);
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    g_autofree char *found = defcn_spec_to_json (done->spec);
    g_autofree char *wanted = defcn_spec_to_json (spec);

    g_assert_cmpstr (found, ==, wanted);
    g_assert_cmpuint (done->missing->len, ==, 0);
    g_assert_cmpuint (done->ignored->len, ==, 0);
    g_autofree char *others = save_anchors (model, -1, 2, 1);
    assert_not_imported (others, &options, "wanted 9 anchors a location");
  }
}

/* A backbone of torchvision's names: its tensors, its pixels, a note of both,
 * and no spec, for it is no model. */
static void
test_backbone (void)
{
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, torchvision_name, NULL);
  const DefcnImporterOptions options = { 0 };
  g_autoptr (DefcnImporterResult) done = import (input, &options);
  g_autoptr (DefcnWeights) file = open_imported ();
  g_autoptr (GError) error = NULL;
  const DefcnParams *params = defcn_model_params (model);
  guint n = 0, missing;

  g_assert_false (done->full);
  g_assert_cmpint (done->naming, ==, DEFCN_NAMING_TORCHVISION);
  g_assert_false (done->spec->stride_in_1x1);
  g_assert_false (done->spec->input.bgr);
  g_assert_cmpfloat (done->spec->input.mean[0], ==, 123.675f);
  g_assert_cmpfloat (done->spec->input.std[2], ==, 57.375f);
  g_assert_null (defcn_weights_metadata (file, "defcn.spec"));
  g_assert_nonnull (strstr (defcn_weights_metadata (file, "defcn.backbone"),
      "\"bgr\":false"));
  g_assert_nonnull (
      strstr (defcn_weights_metadata (file, "defcn.training"), "torchvision"));

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const gboolean wanted = g_str_has_prefix (p->name, "backbone.bottom_up.");

    g_assert_cmpint (defcn_weights_lookup (file, p->name) != NULL, ==, wanted);
    n += wanted;
  }
  g_assert_cmpuint (defcn_weights_count (file), ==, n);
  g_assert_cmpuint (done->n_tensors, ==, n);

  g_assert_true (defcn_model_load (model, file, TRUE, &missing, &error));
  g_assert_cmpuint (missing, ==, defcn_params_count (params) - n);
  g_assert_null (defcn_model_open (file, be, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "defcn import"));
}

static char *
detectron2_name (const char *name)
{
  return g_str_has_prefix (name, "backbone.bottom_up.")
      ? g_strdup (name + strlen ("backbone.bottom_up."))
      : NULL;
}

/* Of Caffe2, where means and variances are folded into the rest. */
static char *
caffe2_name (const char *name)
{
  static const char *const changes[][2] = {
    { "stem.conv1.norm.", "res_conv1_bn." },
    { "stem.conv1.", "conv1." },
    { ".conv1.", "_branch2a." },
    { ".conv2.", "_branch2b." },
    { ".conv3.", "_branch2c." },
    { ".shortcut.", "_branch1." },
    { ".norm.", "_bn." },
    { "_bn.weight", "_bn_s" },
    { "_bn.bias", "_bn_b" },
    { ".weight", "_w" },
    { ".", "_" },
  };

  if (!g_str_has_prefix (name, "backbone.bottom_up.")
      || strstr (name, ".running_"))
    return NULL;
  GString *text = g_string_new (name + strlen ("backbone.bottom_up."));
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++)
    g_string_replace (text, changes[i][0], changes[i][1], 0);
  return g_string_free (text, FALSE);
}

/* ResNeXt-101 of 32 and of 64 groups under the names that they are published
 * with: groups and widths come from the tensors, the stride is in the 3x3, the
 * pixels are the publisher's; every tensor is taken. */
static void
test_resnexts (void)
{
  static const struct
  {
    char *(*rename) (const char *name);
    DefcnNaming naming;
    gboolean bgr;
    float std; /* of red */
  } publishers[] = {
    { torchvision_name, DEFCN_NAMING_TORCHVISION, FALSE, 58.395f },
    { detectron2_name, DEFCN_NAMING_DETECTRON2, TRUE, 58.395f },
    { caffe2_name, DEFCN_NAMING_CAFFE2, TRUE, 58.395f },
  };
  static const int shapes[][2] = { { 32, 2 }, { 64, 1 } };
  g_autoptr (DefcnBackend) be = reference ();

  for (gsize i = 0; i < G_N_ELEMENTS (publishers) * 2; i++) {
    const int groups = shapes[i % 2][0], width = shapes[i % 2][1];
    g_autoptr (DefcnSpec) spec = tiny_spec (101);

    spec->groups = groups;
    spec->group_width = width;
    g_autoptr (DefcnModel) model = model_of (spec, be);
    g_autofree char *input =
        save_foreign (model, publishers[i / 2].rename, NULL);
    const DefcnImporterOptions options = { 0 };
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    const DefcnSpec *found = done->spec;

    g_assert_cmpint (done->naming, ==, publishers[i / 2].naming);
    g_assert_true (!done->full && found->depth == 101);
    g_assert_cmpint (found->groups, ==, groups);
    g_assert_cmpint (found->group_width, ==, width);
    g_assert_cmpint (found->dcn_from, ==, 0);
    g_assert_false (found->stride_in_1x1);
    g_assert_cmpint (found->input.bgr, ==, publishers[i / 2].bgr);
    g_assert_cmpfloat (found->input.std[found->input.bgr ? 2 : 0], ==,
        publishers[i / 2].std);
    g_assert_cmpuint (done->missing->len, ==, 0);
    g_assert_cmpuint (done->ignored->len, ==, 0);
    /* stem, 33 blocks of three, 4 shortcuts; each with a norm of four */
    g_assert_cmpuint (done->n_tensors, ==, (1 + 3 * 33 + 4) * 5);
  }
}

/* MMDetection's, of its DCN modules. */
static char *
mmdetection_name (const char *name)
{
  g_autofree char *theirs = torchvision_name (name);
  GString *text;

  if (!theirs)
    return NULL;
  text = g_string_new (theirs);
  g_string_replace (text, "conv2_offset.", "conv2.conv_offset.", 0);
  return g_string_free (text, FALSE);
}

/* A deformable backbone keeps its offsets under others' names, and tells the
 * recipe of them; what is deformable in part, or in groups, is refused by the
 * name of a tensor. */
static void
test_deformable (void)
{
  static char *(*const renames[]) (
      const char *name) = { detectron2_name, mmdetection_name };
  static const char left_out[] =
      "backbone.bottom_up.res4.1.conv2_offset.weight";
  g_autoptr (DefcnSpec) spec = tiny_spec (50);
  g_autoptr (DefcnBackend) be = reference ();
  const DefcnImporterOptions options = { 0 };

  spec->dcn_from = 4;
  g_autoptr (DefcnModel) model = model_of (spec, be);
  for (gsize i = 0; i < G_N_ELEMENTS (renames); i++) {
    g_autofree char *input = save_foreign (model, renames[i], NULL);
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    g_autoptr (DefcnWeights) file = open_imported ();

    g_assert_cmpint (done->spec->dcn_from, ==, 4);
    g_assert_true (done->spec->dcn_modulated);
    g_assert_cmpuint (done->ignored->len, ==, 0);
    g_assert_nonnull (defcn_weights_lookup (file, left_out));
    g_assert_nonnull (strstr (defcn_weights_metadata (file, "defcn.backbone"),
        "\"dcn_from\":4,\"dcn_modulated\":true"));
  }
  g_autofree char *holed = save_foreign (model, same_name, left_out);
  assert_not_imported (holed, &options,
      "\"backbone.bottom_up.res4.1.conv2_offset.weight\" is missing");
  g_autofree char *half = save_foreign (model, same_name,
      "backbone.bottom_up.res4.0.conv2_offset.weight");
  assert_not_imported (half, &options,
      "\"backbone.bottom_up.res4.1.conv2_offset.weight\" is there");
}

/* A missing tensor is named; --partial leaves it out of a backbone and at its
 * initial value in a model. */
static void
test_missing (void)
{
  static const char weight[] = "backbone.bottom_up.res5.0.conv1.weight";
  static const char bias[] = "head.cls_score.bias";
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  const DefcnImporterOptions strict = { 0 }, partial = { .partial = TRUE };
  float values[3];

  g_autofree char *backbone = save_foreign (model, torchvision_name, weight);
  assert_not_imported (backbone, &strict, weight);
  g_autoptr (DefcnImporterResult) done = import (backbone, &partial);
  g_assert_cmpuint (done->missing->len, ==, 5); /* with its norm */
  g_assert_cmpuint (done->ignored->len, ==, 4);
  g_autoptr (DefcnWeights) file = open_imported ();
  g_assert_null (defcn_weights_lookup (file, weight));

  g_autofree char *whole = save_foreign (model, same_name, bias);
  assert_not_imported (whole, &strict, bias);
  g_autoptr (DefcnImporterResult) full = import (whole, &partial);
  g_assert_cmpuint (full->missing->len, ==, 1);
  g_assert_cmpstr (full->missing->pdata[0], ==, bias);
  g_autoptr (DefcnWeights) filled = open_imported ();
  g_assert_true (defcn_weights_read (filled,
      defcn_weights_lookup (filled, bias), values, NULL));
  g_assert_cmpfloat_with_epsilon (values[0], -4.59512f, 1e-5);
  gsize n = 0;
  for (guint i = 0; i < defcn_params_count (defcn_model_params (model)); i++)
    n += defcn_param_len (defcn_params_get (defcn_model_params (model), i));
  g_assert_cmpuint (full->n_numbers, ==, n - 3);
  g_assert_nonnull (
      strstr (defcn_weights_metadata (filled, "defcn.training"), bias));
}

/* A weight that is missing has the value that a new network has, in the file's
 * order. */
static void
test_initial (void)
{
  static const char name[] = "head.bbox_pred.weight";
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  const DefcnImporterOptions options = { .partial = TRUE };
  g_autofree char *input = save_foreign (model, same_name, name);
  g_autoptr (DefcnImporterResult) done = import (input, &options);
  g_autoptr (DefcnModel) fresh =
      defcn_model_new (done->spec, be, FALSE, 0, NULL);
  g_autoptr (DefcnWeights) file = open_imported ();
  g_autoptr (DefcnModel) again = defcn_model_open (file, be, FALSE, NULL);
  const DefcnParam *p = defcn_params_lookup (defcn_model_params (fresh), name);
  const DefcnParam *q = defcn_params_lookup (defcn_model_params (again), name);

  g_assert_cmpmem (p->value, defcn_param_len (p) * sizeof (float), q->value,
      defcn_param_len (q) * sizeof (float));
}

/* A detector of one class is CrowdHuman's, which has larger pictures and more
 * people on them. */
static void
test_crowd (void)
{
  static const char *const person[] = { "person", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (person);
  g_autoptr (DefcnBackend) be = reference ();

  spec->depth = 18;
  spec->stem_channels = spec->res2_channels = 8;
  spec->fpn_channels = 32;
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, same_name, NULL);
  const DefcnImporterOptions options = { 0 };
  g_autoptr (DefcnImporterResult) done = import (input, &options);
  g_assert_cmpint (done->spec->n_classes, ==, 1);
  g_assert_cmpint (done->spec->input.long_edge, ==, 1400);
  g_assert_cmpint (done->spec->input.short_edge, ==, 800);
  g_assert_cmpint (done->spec->max_detections, ==, 500);
}

/* Not even --partial makes a network of a file that has nothing of it. */
static void
test_nothing (void)
{
  static const char name[] = "backbone.bottom_up.block0.depthwise.weight";
  static const gint64 dims[] = { 32, 1, 3, 3 };
  const DefcnImporterOptions as_it_is = { .partial = TRUE };
  const DefcnImporterOptions other = { .partial = TRUE,
    .settings = (char *[]){ "backbone=resnet", "depth=18", "stem_channels=8",
        "res2_channels=8", NULL } };
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *path = file_path ("foreign");
  g_autofree float *zeros = g_new0 (float, 32 * 9);

  defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims, zeros);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  g_autoptr (DefcnImporterResult) one = import (path, &as_it_is);
  g_assert_cmpuint (one->n_tensors, ==, 1);
  assert_not_imported (path, &other, "tensors are missing");

  g_autoptr (DefcnWeightsWriter) scalar = defcn_weights_writer_new ();
  defcn_weights_writer_add (scalar, name, DEFCN_DTYPE_F32, 0, dims, zeros);
  g_assert_true (defcn_weights_writer_save (scalar, path, NULL));
  assert_not_imported (path, &as_it_is,
      "is a scalar, the model wants 32x1x3x3");
}

/* The file's name stands in the metadata, whatever its bytes are. */
static void
test_provenance (void)
{
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, same_name, NULL);
  g_autofree char *odd = file_path ("odd\xff");
  const DefcnImporterOptions options = { 0 };

  g_assert_cmpint (g_rename (input, odd), ==, 0);
  g_autoptr (DefcnImporterResult) done = import (odd, &options);
  g_autoptr (DefcnWeights) file = open_imported ();
  const char *json = defcn_weights_metadata (file, "defcn.training");
  g_assert_true (g_utf8_validate (json, -1, NULL));
  g_assert_nonnull (strstr (json, "\"imported\":\"odd\xef\xbf\xbd\""));
  g_assert_nonnull (strstr (json, "\"format\":\"safetensors\""));
  g_assert_null (strstr (json, "missing"));
  g_assert_null (strstr (json, "iteration"));
  g_remove (odd);
}

/* Half precision is for convolution weights alone. */
static void
test_half (void)
{
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, same_name, NULL);
  const DefcnImporterOptions options = { .dtype = DEFCN_DTYPE_F16 };
  g_autoptr (DefcnImporterResult) done = import (input, &options);
  g_autoptr (DefcnWeights) file = open_imported ();

  g_assert_cmpstr (done->spec->labels[2], ==, "class2");
  for (guint i = 0; i < defcn_weights_count (file); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (file, i);

    g_assert_cmpint (t->dtype, ==,
        t->n_dims == 4 ? DEFCN_DTYPE_F16 : DEFCN_DTYPE_F32);
  }
}

/* Fields of the spec can be set, within their range. */
static void
test_settings (void)
{
  static const struct
  {
    const char *settings[3];
    const char *word; /* of the error, NULL for none */
  } cases[] = {
    { { "max_detections=300", "stride_in_1x1=false" }, NULL },
    { { "mean=[1,2,3]", "labels=[\"a\",\"b\",\"c\"]" }, NULL },
    { { "backbone=resnet" }, NULL },
    { { "backbone=vgg" }, "vgg" },
    { { "max_detections=0" }, "max_detections" },
    { { "max_detections=many" }, "max_detections" },
    { { "no_such=1" }, "no_such=1" },
    { { "threshold" }, "threshold" },
    { { "threshold=" }, "threshold" },
    { { "=1" }, "=1" },
    { { "depth=34" }, "missing" },
    { { "fpn_channels=64" }, "the model wants" },
  };
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, same_name, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnImporterOptions options = { .settings =
                                               (char **) cases[i].settings };

    if (cases[i].word) {
      assert_not_imported (input, &options, cases[i].word);
      continue;
    }
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    if (i == 0) {
      g_assert_cmpint (done->spec->max_detections, ==, 300);
      g_assert_false (done->spec->stride_in_1x1);
    } else if (i == 1) {
      g_assert_cmpfloat (done->spec->input.mean[2], ==, 3);
      g_assert_cmpstr (done->spec->labels[1], ==, "b");
    }
  }
}

/* The name of a backbone's tensor behind @prefix; "head." stays what it is. */
static const char *detector_prefix;

static char *
detector_name (const char *name)
{
  g_autofree char *theirs = torchvision_name (name);

  return theirs ? g_strconcat (detector_prefix, theirs, NULL)
      : g_str_has_prefix (name, "head.") ? g_strconcat ("bbox_", name, NULL)
                                         : g_strconcat ("neck.", name, NULL);
}

/* Of others' detectors the backbone is taken, and said whose it is. */
static void
test_detectors (void)
{
  static const struct
  {
    const char *prefix, *what;
  } cases[] = { { "backbone.", "MMDetection" },
    { "backbone.body.", "torchvision" }, { "backbone.0.body.", "DETR" },
    { "any.where.", "around a ResNet" } };
  const DefcnImporterOptions options = { 0 };
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnSpec) spec = tiny_spec (50);
  g_autoptr (DefcnModel) model = model_of (spec, be);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    detector_prefix = cases[i].prefix;
    g_autofree char *input = save_foreign (model, detector_name, NULL);
    g_autoptr (DefcnImporterResult) done = import (input, &options);
    g_autoptr (DefcnWeights) weights = open_imported ();

    g_assert_nonnull (strstr (done->detector, cases[i].what));
    g_assert_false (done->full);
    g_assert_cmpint (done->spec->depth, ==, 50);
    g_assert_cmpuint (done->missing->len, ==, 0);
    g_assert_cmpuint (done->ignored->len, >, 10);
    g_assert_nonnull (defcn_weights_lookup (weights,
        "backbone.bottom_up.res5.2.conv3.weight"));
    for (guint k = 0; k < defcn_weights_count (weights); k++)
      g_assert_true (g_str_has_prefix (defcn_weights_get (weights, k)->name,
          "backbone.bottom_up."));
  }

  /* A detector of ours gives its backbone too. */
  const DefcnImporterOptions backbone = { .backbone = TRUE };
  g_autofree char *own = save_foreign (model, same_name, NULL);
  g_autoptr (DefcnImporterResult) done = import (own, &backbone);
  g_autoptr (DefcnWeights) weights = open_imported ();
  g_assert_false (done->full);
  g_assert_null (done->detector);
  g_assert_null (defcn_weights_lookup (weights, "head.cls_score.weight"));
  g_assert_nonnull (
      defcn_weights_lookup (weights, "backbone.bottom_up.stem.conv1.weight"));
}

/* Names of networks without a backbone of ours are told whose they are; so are
 * heads of anchors. */
static void
test_strangers (void)
{
  static const struct
  {
    const char *name, *what;
  } cases[] = { { "model.0.conv.weight", "ultralytics" },
    { "backbone.backbone.stem.conv.conv.weight", "YOLOX" },
    { "backbone.body.patch.weight", "(the first is \"backbone.body" },
    { "patch_embed.proj.weight", "transformer" },
    { "resnet.embedder.embedder.convolution.weight", "Hugging Face" },
    { "any.weight", "(the first is \"any.weight\")" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("s.pth", "", 1000);
    g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    DefcnNaming naming;

    add_ones (foreign, cases[i].name, 4, TRUE);
    g_assert_false (defcn_naming_apply (&naming, foreign, ignored, &error));
    if (!strstr (error->message, cases[i].what))
      g_error ("%s: %s", cases[i].name, error->message);
  }

  g_autoptr (DefcnForeign) anchors = defcn_foreign_new ("a.pth", "", 1000);
  g_autoptr (GError) error = NULL;
  gboolean full;
  add_ones (anchors, "head.cls_score.weight", 1, TRUE);
  add_ones (anchors, "head.bbox_pred.weight", 8, TRUE);
  g_assert_null (
      defcn_derive_spec (&full, anchors, DEFCN_NAMING_OFFICIAL, NULL, &error));
  g_assert_nonnull (strstr (error->message, "2 anchors at a location"));
  g_assert_nonnull (strstr (error->message, "--backbone"));
}

/* Labels have to be as many as classes; a wrong depth, an absent input and a
 * folder that is not there are named. */
static void
test_errors (void)
{
  static const char *const two[] = { "a", "b", NULL };
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  g_autofree char *input = save_foreign (model, same_name, NULL);
  const DefcnImporterOptions options = { 0 }, labelled = { .labels = two };
  g_autoptr (GError) error = NULL;

  assert_not_imported (input, &labelled, "2 labels for a head of 3 classes");
  assert_not_imported ("/nonexistent.pth", &options, "/nonexistent.pth");
  g_assert_null (
      defcn_importer_run (input, "/nonexistent/output", &options, &error));
  g_assert_nonnull (strstr (error->message, "/nonexistent/output"));

  g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("x.pth", "", 1000);
  gboolean full;
  g_clear_error (&error);
  add_ones (foreign, "backbone.bottom_up.stem.conv1.weight", 4, TRUE);
  g_assert_null (
      defcn_derive_spec (&full, foreign, DEFCN_NAMING_OFFICIAL, NULL, &error));
  g_assert_nonnull (strstr (error->message, "0, 0, 0 basic blocks"));
}

/* Labels by the number of classes. */
static void
test_labels (void)
{
  g_auto (GStrv) coco = defcn_derive_labels (80);
  g_auto (GStrv) person = defcn_derive_labels (1);
  g_auto (GStrv) other = defcn_derive_labels (3);

  g_assert_cmpuint (g_strv_length (coco), ==, 80);
  g_assert_cmpstr (coco[0], ==, "person");
  g_assert_cmpstr (coco[79], ==, "toothbrush");
  g_assert_cmpuint (g_strv_length (person), ==, 1);
  g_assert_cmpstr (person[0], ==, "person");
  g_assert_cmpuint (g_strv_length (other), ==, 3);
  g_assert_cmpstr (other[2], ==, "class2");
}

/* A file of @folder_path in numpy's form. */
static void
write_npy (const char *folder_path, const char *name, int n_dims,
    const int *dims, const float *data)
{
  g_autoptr (GString) header = g_string_new (NULL);
  g_autoptr (GString) bytes = g_string_new_len ("\x93NUMPY\1\0", 8);
  g_autofree char *path = g_strdup_printf ("%s/%s.npy", folder_path, name);
  gsize len = 1;

  g_string_append (header,
      "{'descr': '<f4', 'fortran_order': False, "
      "'shape': (");
  for (int i = 0; i < n_dims; i++) {
    g_string_append_printf (header, "%d,", dims[i]);
    len *= dims[i];
  }
  g_string_append (header, "), }\n");
  g_string_append_c (bytes, header->len & 0xff);
  g_string_append_c (bytes, header->len >> 8);
  g_string_append_len (bytes, header->str, header->len);
  g_string_append_len (bytes, (const char *) data, len * sizeof *data);
  g_assert_true (g_file_set_contents (path, bytes->str, bytes->len, NULL));
}

/* A folder of arrays with torchvision's names, norms folded into the
 * convolutions: a backbone whose norms are the biases alone. */
static void
test_arrays (void)
{
  const DefcnImporterOptions options = { 0 };
  g_autoptr (DefcnSpec) spec = tiny_spec (18);
  g_autoptr (DefcnBackend) be = reference ();
  g_autoptr (DefcnModel) model = model_of (spec, be);
  const DefcnParams *params = defcn_model_params (model);
  g_autofree char *arrays = file_path ("arrays");
  guint n = 0;

  g_assert_cmpint (g_mkdir (arrays, 0700), ==, 0);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    g_autofree char *name = torchvision_name (p->name);
    const int dims[] = { p->n, p->c, p->h, p->w };
    const gsize len = defcn_param_len (p);
    g_autofree float *values = g_new (float, len);

    if (!name || p->kind != DEFCN_PARAM_WEIGHT)
      continue;
    for (gsize k = 0; k < len; k++)
      values[k] = 0.25f * i + k;
    write_npy (arrays, name, 4, dims, values);
    g_autoptr (GString) bias = g_string_new (name);
    g_string_replace (bias, ".weight", ".bias", 0);
    write_npy (arrays, bias->str, 1, dims, values);
    n++;
  }

  g_autoptr (DefcnImporterResult) done = import (arrays, &options);
  g_autoptr (DefcnWeights) file = open_imported ();
  g_assert_cmpint (done->spec->depth, ==, 18);
  g_assert_cmpint (done->naming, ==, DEFCN_NAMING_TORCHVISION);
  g_assert_cmpstr (done->format, ==, "numpy");
  g_assert_false (done->full);
  g_assert_false (done->spec->input.bgr);
  g_assert_cmpuint (done->n_tensors, ==, 5 * n);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const DefcnWeightsTensor *t = defcn_weights_lookup (file, p->name);

    if (!g_str_has_prefix (p->name, "backbone.bottom_up."))
      continue;
    g_assert_nonnull (t);
    g_autofree float *values = g_new (float, t->len);
    g_assert_true (defcn_weights_read (file, t, values, NULL));
    for (gsize k = 0; k < t->len; k++) {
      if (p->kind == DEFCN_PARAM_WEIGHT)
        g_assert_cmpfloat (values[k], ==, 0.25f * i + k);
      else if (g_str_has_suffix (p->name, ".norm.weight"))
        g_assert_cmpfloat (values[k], ==, 1);
      else if (g_str_has_suffix (p->name, ".running_mean"))
        g_assert_cmpfloat (values[k], ==, 0);
      else if (g_str_has_suffix (p->name, ".running_var"))
        g_assert_cmpfloat (values[k], ==, 1 - 1e-5f);
      else
        g_assert_cmpfloat (values[k] - floorf (values[k]), ==,
            values[0] - floorf (values[0]));
    }
  }

  GDir *dir = g_dir_open (arrays, 0, NULL);
  const char *entry;
  while ((entry = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (arrays, entry, NULL);

    g_remove (path);
  }
  g_dir_close (dir);
  g_rmdir (arrays);
}

/* The published backbones of the data folder: MobileNetV2 is whole, ResNet-18
 * lacks four convolutions; what is imported are the numbers of the files. */
static void
test_published (void)
{
  static const struct
  {
    const char *folder, *file, *name;
    int depth;
    guint n_tensors, missing;
  } cases[] = {
    { "mobilenetv2", "mobilenetv20_features_linearbottleneck0_conv2_weight.npy",
        "backbone.bottom_up.block0.project.weight", 0, 260, 0 },
    { "resnet18-folded", "layer2.0.downsample.0.weight.npy",
        "backbone.bottom_up.res3.0.shortcut.weight", 18, 80, 20 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *below =
        g_build_filename ("..", "data", "weights", cases[i].folder, NULL);
    g_autofree char *path = testing_golden (below);
    const DefcnImporterOptions partial = { .partial = TRUE };

    if (!path) {
      g_test_skip (below);
      return;
    }
    g_autoptr (DefcnImporterResult) done = import (path, &partial);
    g_assert_cmpint (done->spec->depth, ==, cases[i].depth);
    g_assert_false (done->spec->input.bgr);
    g_assert_cmpuint (done->n_tensors, ==, cases[i].n_tensors);
    g_assert_cmpuint (done->missing->len, ==, cases[i].missing);

    g_autofree char *source = g_build_filename (path, cases[i].file, NULL);
    g_autofree char *bytes = NULL;
    g_autoptr (DefcnWeights) file = open_imported ();
    const DefcnWeightsTensor *t = defcn_weights_lookup (file, cases[i].name);
    gsize size;
    g_assert_true (g_file_get_contents (source, &bytes, &size, NULL));
    g_assert_cmpmem (t->data, t->len * 4, bytes + size - t->len * 4,
        t->len * 4);
  }
}

int
main (int argc, char **argv)
{
  static const char *const files[] = { "whole", "foreign", "imported" };

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-import-XXXXXX", NULL);
  g_test_add_func ("/importer/names", test_names);
  g_test_add_func ("/importer/complete", test_complete);
  g_test_add_func ("/importer/versions", test_versions);
  g_test_add_func ("/importer/bad-names", test_bad_names);
  g_test_add_func ("/importer/momentum", test_momentum);
  g_test_add_func ("/importer/towers", test_towers);
  g_test_add_func ("/importer/retinanet", test_retinanet);
  g_test_add_func ("/importer/anchors", test_anchors);
  g_test_add_func ("/importer/specs", test_specs);
  g_test_add_func ("/importer/backbone", test_backbone);
  g_test_add_func ("/importer/resnexts", test_resnexts);
  g_test_add_func ("/importer/deformable", test_deformable);
  g_test_add_func ("/importer/missing", test_missing);
  g_test_add_func ("/importer/initial", test_initial);
  g_test_add_func ("/importer/crowd", test_crowd);
  g_test_add_func ("/importer/nothing", test_nothing);
  g_test_add_func ("/importer/provenance", test_provenance);
  g_test_add_func ("/importer/half", test_half);
  g_test_add_func ("/importer/settings", test_settings);
  g_test_add_func ("/importer/errors", test_errors);
  g_test_add_func ("/importer/labels", test_labels);
  g_test_add_func ("/importer/detectors", test_detectors);
  g_test_add_func ("/importer/strangers", test_strangers);
  g_test_add_func ("/importer/arrays", test_arrays);
  g_test_add_func ("/importer/published", test_published);

  const int status = g_test_run ();
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = file_path (files[i]);

    g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return status;
}
