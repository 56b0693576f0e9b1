/* Real files of the reference: its checkpoints, its ImageNet backbones, and the
 * lists of what its published networks are made of. */
#include "golden.h"
#include "import/formats.h"
#include "import/importer.h"
#include "synth.h"
#include "testing.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define ITERATION "_iter_"

/* "checkpoints/model_iter_0000002.pth": a checkpoint of the reference's;
 * beside it are its tensors, momentum_iter_0000002.safetensors and
 * momentum_norms.json.  Returns: (transfer full): the file in the same folder
 * that is called @prefix, the iteration, @suffix. */
static char *
sibling (const char *below, const char *prefix, const char *suffix)
{
  g_autofree char *folder = g_path_get_dirname (below);
  const char *number = strstr (below, ITERATION);

  return g_strdup_printf ("%s/%s%.*s%s", folder, prefix,
      number ? (int) strcspn (number, ".") : 0, number ? number : "", suffix);
}

static DefcnForeign *
open_foreign (const char *path)
{
  g_autoptr (GError) error = NULL;
  DefcnForeign *foreign = defcn_formats_open (path, FALSE, &error);

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

/* The tensors that the checkpoint @below holds: of the same iteration, or of
 * the one that there is. */
static DefcnWeights *
open_expected (const char *below)
{
  g_autofree char *folder = g_path_get_dirname (below);
  g_autofree char *path = testing_golden (folder);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autofree char *found = NULL;

  for (const char *name; (name = g_dir_read_name (dir));) {
    const char *number = strstr (name, ITERATION);
    const gsize len = number ? strcspn (number, "._") : 0;

    if (!g_str_has_prefix (name, "model_") || !number
        || !g_str_has_suffix (name, ".safetensors"))
      continue;
    if (!found || (len > 0 && strstr (below, number) == number)) {
      g_free (found);
      found = g_build_filename (folder, name, NULL);
    }
  }
  if (!found)
    g_test_skip_printf ("no golden data: %s/model_iter_*.safetensors", folder);
  return found ? testing_golden_open (found) : NULL;
}

/* A checkpoint of any format gives the official tensors, exactly; its iteration
 * is the one before that in its name. */
static void
test_formats (gconstpointer below)
{
  g_autofree char *path = testing_golden (below);
  const gboolean half = strstr (below, "f16") != NULL;
  const char *number = strstr (below, ITERATION);
  g_autoptr (DefcnWeights) file = open_expected (below);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;

  if (!file)
    return;
  g_autoptr (DefcnForeign) foreign = open_foreign (path);
  if (number && g_str_has_suffix (below, ".pth"))
    g_assert_cmpint (foreign->iteration, ==,
        g_ascii_strtoll (number + strlen (ITERATION), NULL, 10) - 1);
  else
    g_assert_cmpint (foreign->iteration, ==, -1);
  g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
  g_assert_cmpint (naming, ==, DEFCN_NAMING_OFFICIAL);
  g_assert_cmpuint (ignored->len, ==, 0);
  g_assert_cmpuint (foreign->tensors->len, ==, defcn_weights_count (file));
  for (guint k = 0; k < foreign->tensors->len; k++) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[k];

    assert_tensor (t, file, t->name, half);
  }
}

/* The momentum of the training checkpoint belongs to the right parameters:
 * norms of all, and the numbers of those that are stored. */
static void
test_momentum (gconstpointer below)
{
  g_autofree char *path = testing_golden (below);
  g_autofree char *folder = g_path_get_dirname (below);
  g_autofree char *norms_below =
      g_build_filename (folder, "momentum_norms.json", NULL);
  g_autofree char *momentum = sibling (below, "momentum", ".safetensors");
  g_autoptr (DefcnWeights) file = testing_golden_open (momentum);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;
  guint exact = 0;

  cJSON *norms = file ? testing_golden_json (norms_below) : NULL;
  if (!norms)
    return;
  g_autoptr (DefcnForeign) foreign = open_foreign (path);
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

/* "checkpoints/R-50-tiny_name_map.json" and its expected tensors belong to
 * pickles whose names begin likewise. */
static char *
pickle_sibling (const char *below, const char *suffix)
{
  const char *end = strrchr (below, '_');

  return g_strdup_printf ("%.*s%s", (int) (end - (const char *) below), below,
      suffix);
}

/* The names of the map become those of the backbone, or nothing. */
static void
check_names (const cJSON *map)
{
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
}

/* A pickle of the Caffe2-named backbone gives the expected tensors, exactly,
 * with the names of the map. */
static void
test_caffe2 (gconstpointer below)
{
  g_autofree char *path = testing_golden (below);
  g_autofree char *wanted =
      pickle_sibling (below, "_expected_bottom_up.safetensors");
  g_autofree char *names = pickle_sibling (below, "_name_map.json");
  g_autoptr (DefcnWeights) file = testing_golden_open (wanted);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;
  cJSON *map = file ? testing_golden_json (names) : NULL;

  if (!map)
    return;
  check_names (map);
  cJSON_Delete (map);
  g_autoptr (DefcnForeign) foreign = open_foreign (path);
  g_assert_true (defcn_naming_apply (&naming, foreign, ignored, &error));
  g_assert_cmpuint (foreign->tensors->len, ==, defcn_weights_count (file));
  for (guint k = 0; k < foreign->tensors->len; k++) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[k];

    assert_tensor (t, file, t->name, FALSE);
  }
}

static DefcnImporterResult *
convert (const char *path, const char *output)
{
  const DefcnImporterOptions options = { 0 };
  g_autoptr (GError) error = NULL;
  DefcnImporterResult *done =
      defcn_importer_run (path, output, &options, &error);

  if (!done)
    g_test_skip (error->message);
  return done;
}

/* The first checkpoint of the folder. */
static char *
find_checkpoint (const char *folder)
{
  g_autofree char *path = testing_golden (folder);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name; (name = g_dir_read_name (dir));)
    if (g_str_has_prefix (name, "model_") && strstr (name, ITERATION)
        && g_str_has_suffix (name, ".pth"))
      return g_build_filename (path, name, NULL);
  g_test_skip_printf ("no golden data: %s/model_iter_*.pth", folder);
  return NULL;
}

static void
compare_head (DefcnBackend *be, const DefcnTensor *t,
    const DefcnWeights *golden, const char *kind, int level)
{
  g_autofree char *name = g_strdup_printf ("%s.p%d", kind, level + 3);

  if (!t || !testing_golden_has (golden, name))
    return;
  g_autofree float *wanted = testing_golden_floats (golden, name, NULL);
  g_autofree float *found = g_new (float, defcn_tensor_len (t));

  testing_golden_to_nhwc (wanted, t->n, t->c, t->h, t->w);
  be->download (be, t, found, t->data);
  g_assert_cmpfloat (testing_golden_difference (found, wanted,
                         defcn_tensor_len (t)),
      <=, 1e-4);
}

static void
check_heads (DefcnModel *model, const DefcnWeights *golden)
{
  DefcnBackend *be = defcn_model_backend (model);
  const float *mean = defcn_model_spec (model)->input.mean;
  const gint64 *dims = testing_golden_dims (golden, "logits.p3");
  const int h = dims[2] * 8, w = dims[3] * 8;
  const gint64 *size = testing_golden_dims (golden, "image.0");
  g_autofree int *pixels = testing_golden_ints (golden, "image.0", NULL);
  g_autofree float *x = g_new0 (float, (gsize) h *w * 3);
  g_autoptr (GError) error = NULL;
  const DefcnPlan *plan = defcn_model_plan (model, 1, h, w, &error);

  g_assert_no_error (error);
  for (int i = 0; i < size[0]; i++)
    for (int j = 0; j < size[1] * 3; j++)
      x[(gsize) i * w * 3 + j] = pixels[i * size[1] * 3 + j] - mean[j % 3];
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    compare_head (be, plan->logits[l], golden, "logits", l);
    compare_head (be, plan->deltas[l], golden, "deltas", l);
    compare_head (be, plan->filter[l], golden, "filter", l);
  }
}

/* A converted checkpoint is a model: it opens and its heads are those that the
 * reference computes from the same weights. */
static void
test_forward (gconstpointer below)
{
  g_autoptr (DefcnWeights) golden = testing_golden_open (below);
  g_autofree char *within = g_path_get_dirname (below);
  g_autofree char *path = find_checkpoint (within);
  g_autofree char *folder = g_dir_make_tmp ("defcn-import-XXXXXX", NULL);
  g_autofree char *output = g_build_filename (folder, "m.safetensors", NULL);
  g_autoptr (DefcnImporterResult) done = path ? convert (path, output) : NULL;
  g_autoptr (GError) error = NULL;

  if (done) {
    const DefcnSpec *spec = done->spec;

    g_assert_true (done->full);
    g_assert_cmpint (spec->n_classes, ==,
        testing_golden_dims (golden, "logits.p3")[1]);
    g_assert_cmpint (spec->filter, ==,
        testing_golden_has (golden, "filter.p3"));
    g_assert_true (spec->input.bgr);

    g_autoptr (DefcnBackend) be = defcn_backend_new ("cpu", 1, &error);
    g_autoptr (DefcnWeights) file = defcn_weights_open (output, &error);
    g_autoptr (DefcnModel) model = defcn_model_open (file, be, FALSE, &error);
    g_assert_no_error (error);
    check_heads (model, golden);
  }
  g_unlink (output);
  g_rmdir (folder);
}

static int
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static char *
join_sorted (GPtrArray *lines)
{
  g_ptr_array_sort (lines, by_text);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

/* Names and shapes of the listing's parameters: what is neither of the backbone
 * nor of the head is a constant, such as anchors. */
static char *
parameters_of_listing (const cJSON *tensors)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  const cJSON *item, *dim;

  cJSON_ArrayForEach (item, tensors)
  {
    const char *name =
        cJSON_GetStringValue (cJSON_GetObjectItem (item, "name"));
    GString *line = g_string_new (name);

    cJSON_ArrayForEach (dim, cJSON_GetObjectItem (item, "shape"))
        g_string_append_printf (line, " %d", dim->valueint);
    if (g_str_has_prefix (name, "backbone.")
        || g_str_has_prefix (name, "head."))
      g_ptr_array_add (lines, g_string_free (line, FALSE));
    else
      g_string_free (line, TRUE);
  }
  return join_sorted (lines);
}

/* The same of a model with that spec. */
static char *
parameters_of_spec (const DefcnSpec *spec)
{
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, &error);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  g_assert_no_error (error);
  const DefcnParams *params = defcn_model_params (model);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    g_ptr_array_add (lines,
        p->kind == DEFCN_PARAM_WEIGHT
            ? g_strdup_printf ("%s %d %d %d %d", p->name, p->n, p->c, p->h,
                p->w)
            : g_strdup_printf ("%s %d", p->name, p->c));
  }
  return join_sorted (lines);
}

/* Many listings lead to one spec, and a model of full size takes a second. */
static const char *
parameters_of_spec_once (const DefcnSpec *spec)
{
  static GHashTable *known;
  g_autofree char *json = defcn_spec_to_json (spec);

  if (!known)
    known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!g_hash_table_contains (known, json))
    g_hash_table_insert (known, g_strdup (json), parameters_of_spec (spec));
  return g_hash_table_lookup (known, json);
}

/* A network that is refused has a tensor that no network of ours has. */
static gboolean
names_tensor (const char *message, const cJSON *tensors)
{
  const cJSON *item;

  cJSON_ArrayForEach (item, tensors)
  {
    g_autofree char *name = g_strdup_printf ("\"%s\"",
        cJSON_GetStringValue (cJSON_GetObjectItem (item, "name")));

    if (strstr (message, name))
      return TRUE;
  }
  return FALSE;
}

static int
count_blocks (const cJSON *tensors)
{
  const cJSON *item;
  int n = 0;

  cJSON_ArrayForEach (item, tensors)
  {
    const char *name =
        cJSON_GetStringValue (cJSON_GetObjectItem (item, "name"));

    n += strstr (name, "bottom_up.res") && strstr (name, ".conv2.weight");
  }
  return n;
}

/* From the listing of a published network follows the spec of a network with
 * the same parameters; what its name says of it is in it. */
static void
test_listing (gconstpointer below)
{
  cJSON *listing = testing_golden_json (below);
  const cJSON *tensors = cJSON_GetObjectItem (listing, "tensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnSpec) spec = testing_synth_derive (tensors, below, &error);

  if (!spec) {
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
    g_assert_true (names_tensor (error->message, tensors));
    g_test_skip (error->message);
  } else {
    const char *last = spec->labels[spec->n_classes - 1];

    g_assert_cmpint (spec->filter, ==, strstr (below, "3dmf") != NULL);
    g_assert_cmpint (spec->filter_norm, ==,
        spec->filter && !strstr (below, "wo_gn"));
    g_assert_cmpint (spec->p6_from_c5, ==, strstr (below, "from_c5") != NULL);
    if (spec->n_classes == 80)
      g_assert_cmpstr (last, ==, "toothbrush");
    if (spec->n_classes == 1)
      g_assert_cmpstr (last, ==, "person");
    /* three convolutions a block, one of the stem and the head's layer */
    if (spec->depth >= 50)
      g_assert_cmpint (spec->depth, ==, 3 * count_blocks (tensors) + 2);
    g_autofree char *wanted = parameters_of_listing (tensors);
    g_assert_cmpint (spec->anchors, ==, strstr (below, "anchor") != NULL);
    g_assert_cmpstr (parameters_of_spec_once (spec), ==, wanted);
  }
  cJSON_Delete (listing);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name, *pattern;
    GTestDataFunc run;
  } tests[] = {
    { "/checkpoints/formats", "checkpoints/model_*", test_formats },
    { "/checkpoints/momentum", "checkpoints/model" ITERATION "*[0-9].pth",
        test_momentum },
    { "/checkpoints/caffe2", "checkpoints/*.pkl", test_caffe2 },
    { "/checkpoints/forward", "checkpoints/forward_*.safetensors",
        test_forward },
    { "/checkpoints/listings", "state_dicts/*.json", test_listing },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    testing_golden_add (tests[i].name, tests[i].pattern, tests[i].run);
  return g_test_run ();
}
