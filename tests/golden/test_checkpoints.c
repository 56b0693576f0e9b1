/* Real files of the reference: its checkpoints, its ImageNet backbones, and the
 * lists of what its published networks are made of. */
#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "import/formats.h"
#include "import/importer.h"
#include "import/derive.h"
#include "golden.h"
#include "testing.h"

/* The golden file below checkpoints/, or NULL after g_test_skip(). */
static char *
checkpoint_path (const char *name)
{
  g_autofree char *below = g_build_filename ("checkpoints", name, NULL);
  char *path = testing_golden (below);

  if (!path)
    g_test_skip (below);
  return path;
}

static DefcnForeign *
open_foreign (const char *path)
{
  g_autoptr (GError) error = NULL;
  DefcnForeign *foreign = defcn_formats_open (path, &error);

  g_assert_no_error (error);
  return foreign;
}

/* @t is tensor @name of @file, number for number; within half precision if
 * @half. */
static void
assert_tensor (const DefcnForeignTensor *t, const DefcnWeights *file,
    const char *name, gboolean half)
{
  const gint64 *dims = testing_golden_dims (file, name);
  gsize len;
  g_autofree float *wanted = testing_golden_floats (file, name, &len);

  g_assert_cmpuint (t->len, ==, len);
  for (int i = 0; i < t->n_dims; i++)
    g_assert_cmpint (t->dims[i], ==, dims[i]);
  for (gsize i = 0; i < len; i++) {
    if (half && t->n_dims == 4)
      g_assert_cmpfloat (fabsf (t->data[i] - wanted[i]), <=,
          fabsf (wanted[i]) * 0x1p-11f + 0x1p-25f);
    else
      g_assert_cmpfloat (t->data[i], ==, wanted[i]);
  }
}

/* Each checkpoint format gives the official tensors, exactly. */
static void
test_checkpoints (void)
{
  static const struct
  {
    const char *name;
    gint64 iteration;
    gboolean half;
  } cases[] = {
    { "model_iter_0000002.pth", 1, FALSE },
    { "model_iter_0000002_legacy.pth", 1, FALSE },
    { "model_only_module_prefix_f16conv.pth", -1, TRUE },
    { "model_iter_0000002.safetensors", -1, FALSE },
  };
  g_autoptr (DefcnWeights) file =
      testing_golden_open ("checkpoints/model_iter_0000002.safetensors");

  for (gsize i = 0; file && i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = checkpoint_path (cases[i].name);

    if (!path)
      return;
    g_autoptr (DefcnForeign) foreign = open_foreign (path);
    g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    DefcnNaming naming;

    g_assert_cmpint (foreign->iteration, ==, cases[i].iteration);
    g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
    g_assert_cmpint (naming, ==, DEFCN_NAMING_OFFICIAL);
    g_assert_cmpuint (ignored->len, ==, 0);
    g_assert_cmpuint (foreign->tensors->len, ==, defcn_weights_count (file));
    for (guint k = 0; k < foreign->tensors->len; k++) {
      const DefcnForeignTensor *t = foreign->tensors->pdata[k];

      assert_tensor (t, file, t->name, cases[i].half);
    }
  }
}

/* The momentum of the training checkpoint belongs to the right parameters:
 * norms of all, and the numbers of those that are stored. */
static void
test_momentum (void)
{
  g_autofree char *path = checkpoint_path ("model_iter_0000002.pth");
  g_autofree char *text =
      testing_golden_text ("checkpoints/momentum_norms.json");
  g_autoptr (DefcnWeights) file =
      testing_golden_open ("checkpoints/momentum_iter_0000002.safetensors");
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;
  guint exact = 0;

  if (!path || !text || !file)
    return;
  g_autoptr (DefcnForeign) foreign = open_foreign (path);
  cJSON *norms = cJSON_Parse (text);
  g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
  g_assert_true (defcn_naming_momentum (foreign, &error));
  g_assert_cmpuint (foreign->momentum->len, ==, cJSON_GetArraySize (norms));
  for (guint i = 0; i < foreign->momentum->len; i++) {
    const DefcnForeignTensor *t = foreign->momentum->pdata[i];
    const cJSON *norm = cJSON_GetObjectItemCaseSensitive (norms, t->name);
    double sum = 0;

    for (gsize k = 0; k < t->len; k++)
      sum += (double) t->data[k] * t->data[k];
    g_assert_nonnull (norm);
    g_assert_cmpfloat_with_epsilon (sqrt (sum), norm->valuedouble,
        1e-5 * norm->valuedouble);
    if (testing_golden_has (file, t->name)) {
      assert_tensor (t, file, t->name, FALSE);
      exact++;
    }
  }
  g_assert_cmpuint (exact, ==, defcn_weights_count (file));
  cJSON_Delete (norms);
}

/* Both pickles of the Caffe2-named backbone give the expected tensors, exactly,
 * with the names of the map. */
static void
test_caffe2 (void)
{
  static const char *const names[] = { "R-50-tiny_py2.pkl",
    "R-50-tiny_py3.pkl" };
  g_autoptr (DefcnWeights) file = testing_golden_open (
      "checkpoints/R-50-tiny_expected_bottom_up.safetensors");
  g_autofree char *text =
      testing_golden_text ("checkpoints/R-50-tiny_name_map.json");

  if (!file || !text)
    return;
  cJSON *map = cJSON_Parse (text);
  const cJSON *entry;
  cJSON_ArrayForEach (entry, map)
  {
    g_autofree char *found =
        defcn_naming_translate (DEFCN_NAMING_CAFFE2, entry->string);
    g_autofree char *wanted =
        g_strconcat ("backbone.bottom_up.", entry->valuestring, NULL);

    if (g_str_has_prefix (entry->string, "fc"))
      g_assert_null (found);
    else
      g_assert_cmpstr (found, ==, wanted);
  }
  cJSON_Delete (map);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = checkpoint_path (names[i]);
    g_autoptr (DefcnForeign) foreign = open_foreign (path);
    g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    DefcnNaming naming;

    g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
    g_assert_cmpuint (foreign->tensors->len, ==, defcn_weights_count (file));
    for (guint k = 0; k < foreign->tensors->len; k++) {
      const DefcnForeignTensor *t = foreign->tensors->pdata[k];

      assert_tensor (t, file, t->name, FALSE);
    }
  }
}

/* A converted checkpoint is a model: it opens and its heads are those that the
 * reference computes from the same weights. */
static void
test_forward (void)
{
  g_autofree char *path = checkpoint_path ("model_iter_0000002.pth");
  g_autoptr (DefcnWeights) golden =
      testing_golden_open ("checkpoints/forward_from_checkpoint.safetensors");
  g_autofree char *folder = g_dir_make_tmp ("defcn-import-XXXXXX", NULL);
  g_autofree char *output = g_build_filename (folder, "m.safetensors", NULL);
  const DefcnImporterOptions options = { 0 };
  g_autoptr (GError) error = NULL;

  if (!path || !golden)
    return;
  g_autoptr (DefcnImporterResult) done =
      defcn_importer_run (path, output, &options, &error);
  g_assert_no_error (error);
  g_assert_true (done->full);
  g_assert_cmpint (done->spec->n_classes, ==, 5);
  g_assert_true (done->spec->filter_norm);
  g_assert_cmpint (done->spec->freeze_at, ==, 2);
  g_assert_true (done->spec->input.bgr);

  g_autoptr (DefcnBackend) be = defcn_backend_new ("cpu", 1, &error);
  g_autoptr (DefcnWeights) file = defcn_weights_open (output, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (file, be, FALSE, &error);
  g_assert_no_error (error);

  const gint64 *dims = testing_golden_dims (golden, "image.0");
  const int h = dims[0], w = dims[1];
  g_autofree int *pixels = testing_golden_ints (golden, "image.0", NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, h, w, &error);
  g_autofree float *x = g_new (float, (gsize) h *w * 3);
  for (gsize i = 0; i < (gsize) h * w * 3; i++)
    x[i] = pixels[i] - done->spec->input.mean[i % 3];
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnTensor *const heads[] = { plan->logits[l], plan->deltas[l],
      plan->filter[l] };
    static const char *const names[] = { "logits", "deltas", "filter" };

    for (int k = 0; k < 3; k++) {
      const DefcnTensor *t = heads[k];
      g_autofree char *name = g_strdup_printf ("%s.p%d", names[k], l + 3);
      g_autofree float *wanted = testing_golden_floats (golden, name, NULL);
      g_autofree float *found = g_new (float, defcn_tensor_len (t));

      testing_golden_to_nhwc (wanted, 1, t->c, t->h, t->w);
      be->download (be, t, found, t->data);
      g_assert_cmpfloat (testing_golden_difference (found, wanted,
                             defcn_tensor_len (t)),
          <=, 1e-4);
    }
  }
  g_unlink (output);
  g_rmdir (folder);
}

/* The tensors that a listing names, without numbers. */
static DefcnForeign *
foreign_of_listing (const cJSON *listing)
{
  DefcnForeign *foreign = defcn_foreign_new ("listing", "json", 0);
  const cJSON *item, *dim;

  cJSON_ArrayForEach (item, cJSON_GetObjectItem (listing, "tensors"))
  {
    DefcnForeignTensor *t = g_new0 (DefcnForeignTensor, 1);

    t->name = g_strdup (cJSON_GetObjectItem (item, "name")->valuestring);
    cJSON_ArrayForEach (dim, cJSON_GetObjectItem (item, "shape"))
        t->dims[t->n_dims++] = dim->valuedouble;
    g_ptr_array_add (foreign->tensors, t);
    g_hash_table_insert (foreign->by_name, t->name, t);
  }
  return foreign;
}

/* The model's parameters are the tensors of the listing, name and shape. */
static void
assert_same_parameters (DefcnModel *model, const DefcnForeign *foreign)
{
  const DefcnParams *params = defcn_model_params (model);

  g_assert_cmpuint (defcn_params_count (params), ==, foreign->tensors->len);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, p->name);

    if (!t)
      g_error ("%s is not in the listing", p->name);
    if (p->kind == DEFCN_PARAM_WEIGHT) {
      g_assert_cmpint (t->n_dims, ==, 4);
      g_assert_cmpint (t->dims[0], ==, p->n);
      g_assert_cmpint (t->dims[1], ==, p->c);
      g_assert_cmpint (t->dims[2], ==, p->h);
      g_assert_cmpint (t->dims[3], ==, p->w);
    } else {
      g_assert_cmpint (t->n_dims, ==, 1);
      g_assert_cmpint (t->dims[0], ==, p->c);
    }
  }
}

/* The spec that the listing @name leads to; *@foreign: its tensors.  NULL after
 * g_test_skip() or with @error set. */
static DefcnSpec *
spec_of_listing (DefcnForeign **foreign, const char *name, GError **error)
{
  g_autofree char *below = g_strdup_printf ("state_dicts/%s.json", name);
  g_autofree char *text = testing_golden_text (below);
  gboolean full;

  if (!text)
    return NULL;
  cJSON *listing = cJSON_Parse (text);
  *foreign = foreign_of_listing (listing);
  cJSON_Delete (listing);
  DefcnSpec *spec =
      defcn_derive_spec (&full, *foreign, DEFCN_NAMING_OFFICIAL, NULL, error);
  g_assert_true (!spec || full);
  return spec;
}

/* From the listing of a published network follows the spec of a network with
 * the same parameters. */
static void
test_listings (void)
{
  static const struct
  {
    const char *name;
    int depth;
    gboolean filter, filter_norm, p6_from_c5;
    const char *last_label;
  } cases[] = {
    { "poto", 50, FALSE, FALSE, FALSE, "toothbrush" },
    { "poto_3dmf_aux", 50, TRUE, TRUE, FALSE, "toothbrush" },
    { "poto_3dmf_wo_gn", 50, TRUE, FALSE, FALSE, "toothbrush" },
    { "poto_3dmf_r101", 101, TRUE, TRUE, FALSE, "toothbrush" },
    { "poto_3dmf_aux_p6_from_c5_pre_fix", 50, TRUE, TRUE, TRUE, "toothbrush" },
    { "ch_poto_3dmf_aux", 50, TRUE, TRUE, FALSE, "person" },
  };
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnForeign) foreign = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnSpec) spec =
        spec_of_listing (&foreign, cases[i].name, &error);

    g_assert_no_error (error);
    if (!spec)
      return;
    g_assert_cmpint (spec->depth, ==, cases[i].depth);
    g_assert_cmpint (spec->filter, ==, cases[i].filter);
    g_assert_cmpint (spec->filter_norm, ==, cases[i].filter_norm);
    g_assert_cmpint (spec->p6_from_c5, ==, cases[i].p6_from_c5);
    g_assert_cmpstr (spec->labels[spec->n_classes - 1], ==,
        cases[i].last_label);
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, &error);
    g_assert_no_error (error);
    assert_same_parameters (model, foreign);
  }
}

/* Networks that differ in how they are trained alone have one spec. */
static void
test_same_networks (void)
{
  static const char *const pairs[][2] = { { "center", "poto" },
    { "loss", "poto" }, { "fcos_wo_ctr", "poto" }, { "poto_argmax", "poto" },
    { "poto_3dmf", "poto_3dmf_aux" },
    { "poto_3dmf_wo_gn_aux", "poto_3dmf_wo_gn" },
    { "ch_poto_3dmf", "ch_poto_3dmf_aux" } };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++) {
    g_autoptr (DefcnForeign) a = NULL, b = NULL;
    g_autoptr (DefcnSpec) x = spec_of_listing (&a, pairs[i][0], NULL);
    g_autoptr (DefcnSpec) y = spec_of_listing (&b, pairs[i][1], NULL);

    if (!x || !y)
      return;
    g_autofree char *found = defcn_spec_to_json (x);
    g_autofree char *wanted = defcn_spec_to_json (y);
    g_assert_cmpstr (found, ==, wanted);
    g_assert_cmpuint (a->tensors->len, ==, b->tensors->len);
  }
}

/* What no network of ours has is refused by name. */
static void
test_other_networks (void)
{
  static const char *const cases[][2] = { { "fcos", "centerness" },
    { "fcos_p6_from_c5_pre_fix", "centerness" }, { "ch_fcos", "centerness" },
    { "ch_atss", "centerness" },
    { "poto_3dmf_x101_32x8d_dcn_proposed", "deformable" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnForeign) foreign = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnSpec) spec =
        spec_of_listing (&foreign, cases[i][0], &error);

    g_assert_null (spec);
    if (!foreign)
      return;
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
    g_assert_nonnull (strstr (error->message, cases[i][1]));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checkpoints/formats", test_checkpoints);
  g_test_add_func ("/checkpoints/momentum", test_momentum);
  g_test_add_func ("/checkpoints/caffe2", test_caffe2);
  g_test_add_func ("/checkpoints/forward", test_forward);
  g_test_add_func ("/checkpoints/listings", test_listings);
  g_test_add_func ("/checkpoints/same-networks", test_same_networks);
  g_test_add_func ("/checkpoints/other-networks", test_other_networks);
  return g_test_run ();
}
