/* `defcn info` and `defcn import` of files that are not the usual ones. */
#include <glib/gstdio.h>
#include <string.h>

#include "../folder.h"
#include "model.h"
#include "tiny_model.h"
#include "tool.h"

static char *folder, *model;

/* Runs `defcn COMMAND @path @arguments`, which succeeds; (transfer full): what
 * it says. */
static char *
say (const char *command, const char *path, const char *const *arguments)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  g_autofree char *err = NULL;
  char *out;

  g_ptr_array_add (args, (char *) command);
  g_ptr_array_add (args, (char *) path);
  for (; *arguments; arguments++)
    g_ptr_array_add (args, (char *) *arguments);
  g_ptr_array_add (args, NULL);
  if (tool_run (&out, &err, (const char *const *) args->pdata) != 0)
    g_error ("%s", err);
  g_assert_cmpstr (err, ==, "");
  return out;
}

static char *
info (const char *path)
{
  return say ("info", path, (const char *const[]){ NULL });
}

static void
assert_has (const char *text, const char *part)
{
  if (!strstr (text, part))
    g_error ("no \"%s\" in:\n%s", part, text);
}

/* Copies the model's tensors but those whose names begin with @left_out, and
 * adds @n_more that no network has.  Returns: (transfer full): path. */
static char *
write_weights (const char *name, const char *left_out, int n_more)
{
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model, NULL);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  static const gint64 one = 1;
  static const float zero = 0;
  char *path = folder_file (folder, name);

  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    g_autofree float *data = g_new (float, t->len);

    if (g_str_has_prefix (t->name, left_out))
      continue;
    g_assert_true (defcn_weights_read (weights, t, data, NULL));
    defcn_weights_writer_add (writer, t->name, DEFCN_DTYPE_F32, t->n_dims,
        t->dims, data);
  }
  for (int i = 0; i < n_more; i++) {
    g_autofree char *extra = g_strdup_printf ("other.%02d", i);

    defcn_weights_writer_add (writer, extra, DEFCN_DTYPE_F32, 1, &one, &zero);
  }
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  return path;
}

/* Eight classes are named, and more are told; NMS has its IoU, pixels their
 * order. */
static void
test_spec (void)
{
  static const char *const nine[] = { "a", "b", "c", "d", "e", "f", "g", "h",
    "i", NULL };
  static const char *const eight[] = { "a", "b", "c", "d", "e", "f", "g", "h",
    NULL };
  g_autofree char *path = folder_file (folder, "labels");
  g_autofree char *other = folder_file (folder, "other");

  testing_tiny_model_write_labels (path, nine);
  g_autofree char *many = info (path);
  assert_has (many, "classes     9: a, b, c, d, e, f, g, h, ..\n");
  testing_tiny_model_write_labels (path, eight);
  g_autofree char *few = info (path);
  assert_has (few, "classes     8: a, b, c, d, e, f, g, h\n");
  assert_has (few,
      ", no NMS\nduplicates  not filtered\n"
      "in use      score above 0.3\n");

  g_free (say ("import", path,
      (const char *const[]){ "--output", other, "--set", "norm_groups=4",
          "--set", "nms_iou=0.5", "--set", "duplicate_iou=0.75", "--set",
          "working_threshold=0.25", "--set", "bgr=false", "--set", "topk=77",
          "--partial", NULL }));
  g_autofree char *changed = info (other);
  assert_has (changed, "best 77 per level");
  assert_has (changed, ", NMS at IoU 0.5\n");
  assert_has (changed,
      "duplicates  dropped locally above IoU 0.75\n"
      "in use      score above 0.25\n");
  assert_has (changed, "pixels      RGB, ");
}

/* Networks of every kind are told in words, by both; the work is that of the
 * JSON, for the input that a picture comes to. */
static void
test_networks (void)
{
  static const char *const labels[] = { "a", "b", NULL };
  static const struct
  {
    int depth, groups;
    gboolean filter, filter_norm, p6_from_c5;
    const char *told, *imported;
    int dcn_from;
    gboolean dcn_head;
  } cases[] = {
    { 50, 2, FALSE, FALSE, FALSE,
        "ResNeXt-50 2x4, DCNv2 from res3 on, FPN 16 (P6 from P5), 2-layer "
        "towers, the last DCNv2\n",
        "ResNeXt-50 2x4, DCNv2 from res3 on detector, 2 classes, DCN in the "
        "towers, from",
        3, TRUE },
    { 18, 1, TRUE, FALSE, FALSE,
        "ResNet-18, FPN 16 (P6 from P5), 2-layer towers, 3DMF tau 2 phi 3 "
        "without norm\n",
        "ResNet-18 detector, 2 classes, 3DMF, from" },
    { 50, 2, FALSE, FALSE, TRUE,
        "ResNeXt-50 2x4, FPN 16 (P6 from C5), 2-layer towers\n",
        "ResNeXt-50 2x4 detector, 2 classes, P6 from C5, from" },
    { 0, 1, TRUE, TRUE, FALSE,
        "MobileNetV2, FPN 16 (P6 from P5), 2-layer towers, 3DMF tau 2 phi 3\n",
        "MobileNetV2 detector, 2 classes, 3DMF, from" },
  };
  g_autofree char *path = folder_file (folder, "network");
  g_autofree char *output = folder_file (folder, "output");
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

    if (cases[i].depth == 0) {
      spec->backbone = DEFCN_BACKBONE_MOBILENETV2;
    } else {
      spec->stem_channels = 8;
      spec->res2_channels = cases[i].depth < 50 ? 8 : 16;
    }
    spec->depth = cases[i].depth;
    spec->groups = cases[i].groups;
    if (cases[i].groups > 1)
      spec->group_width = 4;
    spec->fpn_channels = 16;
    spec->norm_groups = 4;
    spec->tower_depth = 2;
    spec->filter = cases[i].filter;
    spec->filter_norm = cases[i].filter_norm;
    spec->p6_from_c5 = cases[i].p6_from_c5;
    spec->dcn_from = cases[i].dcn_from;
    spec->dcn_head = cases[i].dcn_head;
    spec->input.short_edge = 64;
    spec->input.long_edge = 128;
    g_autoptr (DefcnModel) network = defcn_model_new (spec, be, FALSE, 1, NULL);
    g_assert_nonnull (network);
    defcn_model_save (network, writer, DEFCN_DTYPE_F32);
    g_assert_true (defcn_weights_writer_save (writer, path, NULL));

    g_autofree char *text =
        say ("info", path, (const char *const[]){ "--size", "100x70", NULL });
    g_autofree char *out = say ("info", path,
        (const char *const[]){ "--json", "--size", "100x70", NULL });
    g_autofree char *imported = say ("import", path,
        (const char *const[]){ "--output", output, "--half", "--set",
            "norm_groups=4", NULL });
    cJSON *json = cJSON_Parse (out);
    g_autofree char *work =
        g_strdup_printf ("%.2f GMAC for a picture of 100x70 (network 96x64)\n",
            tool_number (json, "gmac"));
    g_autofree char *size = g_strdup_printf ("\n%g tensors, %.2f million",
        tool_number (json, "tensors"), tool_number (json, "parameters") * 1e-6);
    assert_has (text, cases[i].told);
    assert_has (text, work);
    assert_has (imported, cases[i].imported);
    assert_has (imported, size);
    cJSON_Delete (json);

    g_autoptr (DefcnWeights) half = defcn_weights_open (output, NULL);
    g_assert_cmpint (defcn_weights_lookup (half, "head.cls_score.weight")
                         ->dtype,
        ==, DEFCN_DTYPE_F16);
    g_assert_cmpint (defcn_weights_lookup (half, "head.cls_score.bias")->dtype,
        ==, DEFCN_DTYPE_F32);
  }
}

/* Tensors of a checkpoint's optimizer are counted apart, what is no model is
 * said to be none, and notes of a training are told. */
static void
test_checkpoint (void)
{
  static const gint64 dims[] = { 2, 3 };
  static const float values[6] = { 0 };
  g_autofree char *path = folder_file (folder, "checkpoint");
  g_autofree char *bare = folder_file (folder, "bare");
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (DefcnWeightsWriter) plain = defcn_weights_writer_new ();

  defcn_weights_writer_add (writer, "a", DEFCN_DTYPE_F32, 2, dims, values);
  defcn_weights_writer_add (writer, "b", DEFCN_DTYPE_F32, 1, dims, values);
  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("optimizer.%d", i);

    defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 2, dims, values);
  }
  defcn_weights_writer_metadata (writer, "defcn.backbone", "{\"depth\":18}");
  defcn_weights_writer_metadata (writer, "defcn.training",
      "{\"who\":\"me\",\"n\":5,\"list\":[1,2]}");
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  g_autofree char *text = info (path);
  assert_has (text, "tensors     2, 0.00 million numbers\n");
  assert_has (text, "checkpoint  3 tensors of the optimizer\n");
  assert_has (text,
      "network     none: not a whole model, a backbone to train "
      "from\nbackbone\n  depth        18\ntraining\n"
      "  who          me\n  n            5\n"
      "  list         [1,2]\n");
  g_autofree char *out =
      say ("info", path, (const char *const[]){ "--json", NULL });
  cJSON *json = cJSON_Parse (out);
  g_assert_cmpfloat (tool_number (json, "tensors"), ==, 2);
  g_assert_cmpfloat (tool_number (json, "parameters"), ==, 8);
  g_assert_cmpfloat (tool_number (json, "optimizer_tensors"), ==, 3);
  g_assert_false (cJSON_HasObjectItem (json, "input_size"));
  g_assert_false (cJSON_HasObjectItem (json, "spec"));
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "backbone"),
                         "depth"),
      ==, 18);
  cJSON_Delete (json);

  defcn_weights_writer_add (plain, "a", DEFCN_DTYPE_F32, 2, dims, values);
  defcn_weights_writer_metadata (plain, "defcn.training", "by hand");
  g_assert_true (defcn_weights_writer_save (plain, bare, NULL));
  g_autofree char *rest = info (bare);
  assert_has (rest,
      "network     none: not a whole model\ntraining\n"
      "  by hand\n");
  g_assert_null (strstr (rest, "optimizer"));
  g_assert_null (strstr (rest, "backbone"));
}

/* Both kinds of annotations: what is ignored, a crowd, or without area is
 * counted apart; the fullest image need not be the last. */
static void
test_data (void)
{
  static const char odgt[] =
      "{\"ID\":\"a\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[1,2,3,4]},"
      "{\"tag\":\"mask\",\"fbox\":[1,2,3,4],\"extra\":{\"ignore\":1}},"
      "{\"tag\":\"person\",\"fbox\":[1,2,0,4]}]}\n"
      "{\"ID\":\"b\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[1,2,3,4]}]}\n"
      "{\"ID\":\"c\",\"gtboxes\":[]}\n";
  g_autofree char *path =
      folder_write (folder, "a.odgt", odgt, sizeof odgt - 1);
  g_autofree char *text = info (path);
  g_autofree char *out =
      say ("info", path, (const char *const[]){ "--json", NULL });
  cJSON *json = cJSON_Parse (out);

  assert_has (text,
      "images      3, 2 of them to train on\n"
      "objects     4, at most 3 on an image\n"
      "ignored     1 regions\nno area     1 boxes\n"
      "classes     1\n         3  person\n");
  g_assert_null (strstr (text, "crowd "));
  g_assert_cmpfloat (tool_number (json, "images"), ==, 3);
  g_assert_cmpfloat (tool_number (json, "trainable_images"), ==, 2);
  g_assert_cmpfloat (tool_number (json, "objects"), ==, 4);
  g_assert_cmpfloat (tool_number (json, "most_on_an_image"), ==, 3);
  g_assert_cmpfloat (tool_number (json, "crowd"), ==, 0);
  g_assert_cmpfloat (tool_number (json, "ignored"), ==, 1);
  g_assert_cmpfloat (tool_number (json, "without_area"), ==, 1);
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "classes"),
                         "person"),
      ==, 3);
  cJSON_Delete (json);
}

/* What is missing stops an import or, with --partial, is told, eight names of
 * it or with --verbose all; likewise what no network has. */
static void
test_missing (void)
{
  static const char tower[] = "head.bbox_";
  g_autofree char *input = write_weights ("input", tower, 9);
  g_autofree char *output = folder_file (folder, "output");
  const char *const strict[] = { "import", input, "--output", output, "--set",
    "norm_groups=4", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_remove (output);
  g_assert_cmpint (tool_run (&out, &err, strict), ==, 1);
  assert_has (err, tower);
  g_assert_cmpstr (out, ==, "");
  g_assert_false (g_file_test (output, G_FILE_TEST_EXISTS));

  g_autofree char *few = say ("import", input,
      (const char *const[]){ "--output", output, "--set", "norm_groups=4",
          "--partial", NULL });
  g_autofree char *all = say ("import", input,
      (const char *const[]){ "--output", output, "--set", "norm_groups=4",
          "--partial", "--verbose", NULL });
  assert_has (few,
      "missing, left at their initial values: 6\n"
      "  head.bbox_subnet.0.weight\n");
  assert_has (few, "not used: 9\n  other.00\n");
  assert_has (few, "  other.07\n  .. and 1 more (--verbose)\n");
  g_assert_null (strstr (few, "other.08"));
  assert_has (all, "  other.07\n  other.08\n");
  g_assert_null (strstr (all, "more (--verbose)"));
}

/* The summary: one class or classes, tensors and numbers, how to go on from a
 * backbone. */
static void
test_summary (void)
{
  static const char *const person[] = { "person", NULL };
  g_autofree char *path = folder_file (folder, "person");
  g_autofree char *output = folder_file (folder, "output");
  g_autofree char *labels =
      folder_write (folder, "labels.txt", "a\nb\n\n\n", 6);
  const char *const options[] = { "--output", output, "--set", "norm_groups=4",
    NULL };
  const char *const two[] = { "import", model, "--output", output, "--labels",
    labels, NULL };
  g_autofree char *out = NULL, *err = NULL;

  testing_tiny_model_write_labels (path, person);
  g_autofree char *one = say ("import", path, options);
  assert_has (one,
      ": ResNet-18 detector, 1 class, 3DMF, from safetensors "
      "(cvpods names)\n");
  g_autofree char *three = say ("import", model, options);
  assert_has (three, " detector, 3 classes, 3DMF, from");
  assert_has (three, " million numbers, pixels BGR\n");
  g_assert_null (strstr (three, "start from it"));
  g_assert_null (strstr (three, "missing"));
  g_assert_cmpint (tool_run (&out, &err, two), ==, 1);
  assert_has (err, "2 labels for a head of 3 classes");

  g_autofree char *input = write_weights ("backbone", "head.", 0);
  g_autofree char *start =
      say ("import", input, (const char *const[]){ "--output", output, NULL });
  assert_has (start, ": ResNet-18 backbone, from safetensors (");
  assert_has (start, "start from it with: defcn train --init ");
  g_assert_null (strstr (start, "torchvision"));
}

/* Text of a file is a cell of the table: it moves no cursor and forges no row,
 * as metadata, as the name of a class, in an error. */
static void
test_clean (void)
{
  static const char data[] =
      "{\"images\":[{\"id\":1,\"file_name\":\"/\\u009b31ma\"}],"
      "\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"b\"}]}";
  g_autofree char *path = write_weights ("clean.safetensors", "none", 0);
  g_autofree char *json =
      folder_write (folder, "clean.json", data, strlen (data));
  const char *const eval[] = { "eval", "--model", model, "--annotations", json,
    "--images", folder, NULL };
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  g_autofree char *out = NULL, *err = NULL;

  g_assert_true (defcn_weights_set_metadata (weights, "defcn.training",
      "{\"a\":\"x\\u001b[31m\\rfile\\nsha256      forged\"}", NULL));
  g_autofree char *text = info (path);
  g_assert_null (strchr (text, '\x1b'));
  g_assert_null (strchr (text, '\r'));
  g_assert_null (strstr (text, "\nsha256      forged"));
  assert_has (text, "forged");

  g_assert_cmpint (tool_run (&out, &err, eval), ==, 1);
  assert_has (err, "--absolute-names");
  g_assert_null (strstr (err, "\302\233"));
  g_remove (path);
  g_remove (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (model);
  g_test_add_func ("/files/spec", test_spec);
  g_test_add_func ("/files/networks", test_networks);
  g_test_add_func ("/files/checkpoint", test_checkpoint);
  g_test_add_func ("/files/data", test_data);
  g_test_add_func ("/files/clean", test_clean);
  g_test_add_func ("/files/missing", test_missing);
  g_test_add_func ("/files/summary", test_summary);

  const int status = g_test_run ();
  g_free (model);
  folder_remove (folder);
  return status;
}
