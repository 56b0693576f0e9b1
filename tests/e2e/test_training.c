/* `defcn train` by its numbers: what it logs, when it evaluates, what it
 * keeps.  That it learns is train.sh's. */
#include <math.h>
#include <glib/gstdio.h>
#include <string.h>

#include "data/picture.h"
#include "tool.h"
#include "weights.h"

#define N 4 /* pictures, two to a batch */

static char *folder, *annotations;

static void
remove_run (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, entry, NULL);

    g_remove (child);
  }
  g_rmdir (path);
}

/* Trains a tiny network in the folder @name, with more @arguments.  Returns:
 * the status. */
static int
train (char **err, const char *name, const char *const *arguments)
{
  static const char *const common[] = { "--set=backbone=mobilenetv2",
    "--set=pixels=torchvision", "--set=freeze_at=0", "--set=fpn_channels=16",
    "--set=norm_groups=4", "--set=tower_depth=1", "--set=batch=2",
    "--set=workers=1", "--set=threads=1", "--set=canvas_width=32",
    "--set=canvas_height=32", "--set=short_edge=32", "--set=test_long_edge=32",
    "--set=iterations=4", "--set=warmup=4", "--set=warmup_factor=0.5",
    "--set=lr=0.001", "--set=log_interval=1", "--set=eval_interval=0" };
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  g_autofree char *output = g_build_filename (folder, name, NULL);
  g_autofree char *out = NULL;

  g_ptr_array_add (args, "train");
  g_ptr_array_add (args, "--annotations");
  g_ptr_array_add (args, annotations);
  g_ptr_array_add (args, "--images");
  g_ptr_array_add (args, folder);
  g_ptr_array_add (args, "--output");
  g_ptr_array_add (args, output);
  for (gsize i = 0; i < G_N_ELEMENTS (common); i++)
    g_ptr_array_add (args, (char *) common[i]);
  for (; *arguments; arguments++)
    g_ptr_array_add (args, (char *) *arguments);
  g_ptr_array_add (args, NULL);

  const int status = tool_run (&out, err, (const char *const *) args->pdata);
  g_assert_cmpstr (out, ==, "");
  return status;
}

static void
train_well (const char *name, const char *const *arguments)
{
  g_autofree char *err = NULL;

  if (train (&err, name, arguments) != 0)
    g_error ("%s", err);
}

/* The lines of its metrics that have the key. */
static GPtrArray *
read_lines (const char *name, const char *key)
{
  GPtrArray *found =
      g_ptr_array_new_with_free_func ((GDestroyNotify) cJSON_Delete);
  g_autofree char *path =
      g_build_filename (folder, name, "metrics.jsonl", NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (char **line = lines; *line; line++) {
    cJSON *object = cJSON_Parse (*line);

    g_assert_nonnull (object);
    if (cJSON_HasObjectItem (object, key))
      g_ptr_array_add (found, object);
    else
      cJSON_Delete (object);
  }
  return found;
}

/* How many updates the model in file @file has seen. */
static double
iterations_of (const char *name, const char *file)
{
  g_autofree char *path = g_build_filename (folder, name, file, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);

  g_assert_no_error (error);
  cJSON *training =
      cJSON_Parse (defcn_weights_metadata (weights, "defcn.training"));
  const double n = tool_number (training, "iterations");
  cJSON_Delete (training);
  return n;
}

static gboolean
has_file (const char *name, const char *file)
{
  g_autofree char *path = g_build_filename (folder, name, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* A line has the iteration, epoch and rate of its last update, and the means of
 * all since the line before. */
static void
test_lines (void)
{
  static const char *const means[] = { "loss", "loss_cls", "loss_box",
    "loss_aux", "foreground", "grad_norm" };

  train_well ("one", (const char *const[]){ NULL });
  train_well ("two", (const char *const[]){ "--set=log_interval=2", NULL });
  g_autoptr (GPtrArray) one = read_lines ("one", "loss");
  g_autoptr (GPtrArray) two = read_lines ("two", "loss");
  g_assert_cmpuint (one->len, ==, 4);
  g_assert_cmpuint (two->len, ==, 2);
  for (int i = 0; i < 4; i++) {
    const cJSON *line = one->pdata[i];

    g_assert_cmpfloat (tool_number (line, "iteration"), ==, i + 1);
    g_assert_cmpfloat (tool_number (line, "epoch"), ==, (i + 1) / 2.0);
    g_assert_cmpfloat_with_epsilon (tool_number (line, "lr"),
        0.001 * (0.5 + i / 8.0), 1e-9);
    g_assert_cmpfloat_with_epsilon (tool_number (line, "loss"),
        tool_number (line, "loss_cls") + tool_number (line, "loss_box")
            + tool_number (line, "loss_aux"),
        1e-5);
    g_assert_cmpfloat (tool_number (line, "loss_aux"), >, 0);
    g_assert_cmpfloat (tool_number (line, "foreground"), ==, 2);
    g_assert_cmpfloat (tool_number (line, "images_per_second"), >, 0);
    const double waited = tool_number (line, "waited");
    g_assert_true (waited >= 0 && waited <= 1);
    g_assert_cmpfloat (tool_number (line, "cache_mib"), >, 0);
  }
  /* 8 of 4 pictures were trained on, 5 more are decoded ahead at most */
  const double cached = tool_number (one->pdata[3], "cached");
  g_assert_true (cached >= 4.0 / 8 && cached <= 9.0 / 13);
  for (int i = 0; i < 2; i++)
    for (gsize k = 0; k < G_N_ELEMENTS (means); k++) {
      const double a = tool_number (one->pdata[2 * i], means[k]);
      const double b = tool_number (one->pdata[2 * i + 1], means[k]);

      g_assert_cmpfloat_with_epsilon (tool_number (two->pdata[i], means[k]),
          (a + b) / 2, 1e-6 * (a + b));
    }
  g_assert_cmpfloat (iterations_of ("one", "model.safetensors"), ==, 4);
  g_assert_false (has_file ("one", "best.safetensors"));
  g_assert_false (has_file ("one", "curve.png"));
  remove_run ("one");
  remove_run ("two");
}

/* The log says how many decoded pictures may stay, and without a cache
 * nothing; what is learnt is the same to the byte. */
static void
test_cache (void)
{
  static const char *const names[] = { "default", "small", "none" };
  static const char *const settings[] = { "--set=cache=-1", "--set=cache=3",
    "--set=cache=0" };
  static const char *const words[] = { "a quarter of the free memory",
    "at most 3 MiB", NULL };
  g_autofree char *first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path =
        g_build_filename (folder, names[i], "model.safetensors", NULL);
    g_autoptr (GError) error = NULL;
    g_autofree char *err = NULL;
    const int status =
        train (&err, names[i], (const char *const[]){ settings[i], NULL });

    g_assert_cmpint (status, ==, 0);
    if (words[i])
      g_assert_nonnull (strstr (err, words[i]));
    else
      g_assert_null (strstr (err, "decoded pictures"));
    g_autoptr (GPtrArray) lines = read_lines (names[i], "cached");
    g_assert_cmpuint (lines->len, ==, words[i] ? 4 : 0);

    g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
    g_assert_no_error (error);
    const DefcnWeightsTensor *t =
        defcn_weights_lookup (weights, "head.cls_score.weight");
    g_assert_nonnull (t);
    g_autofree float *values =
        g_new (float, t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]);
    g_assert_true (defcn_weights_read (weights, t, values, &error));
    g_autofree char *sum =
        g_compute_checksum_for_data (G_CHECKSUM_SHA1, (const guchar *) values,
            t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3] * sizeof (float));
    if (first)
      g_assert_cmpstr (sum, ==, first);
    else
      first = g_steal_pointer (&sum);
    remove_run (names[i]);
  }
}

/* The bytes of its checkpoint. */
static GBytes *
read_checkpoint (const char *name)
{
  g_autofree char *path =
      g_build_filename (folder, name, "checkpoint.safetensors", NULL);
  char *bytes;
  gsize len;

  g_assert_true (g_file_get_contents (path, &bytes, &len, NULL));
  return g_bytes_new_take (bytes, len);
}

/* In bf16 on a CPU the losses are near those of fp32, the recipe says what it
 * was, and a run in two pieces ends in the bytes of one in one. */
static void
test_precision (void)
{
  const char *const half[] = { "--device=cpu", "--precision=bf16", NULL };
  const char *const first[] = { "--device=cpu", "--precision=bf16",
    "--stop-after=2", NULL };
  const char *const second[] = { "--device=cpu", "--precision=bf16", "--resume",
    NULL };
  g_autofree char *err = NULL, *text = NULL;
  g_autofree char *ini = g_build_filename (folder, "half", "recipe.ini", NULL);
  double off = 0;

  if (train (&err, "half", half) != 0) {
    if (!strstr (err, "has no bf16"))
      g_error ("%s", err);
    g_test_skip ("the CPU has no bf16");
    remove_run ("half");
    return;
  }
  train_well ("full", (const char *const[]){ "--device=cpu", NULL });
  g_autoptr (GPtrArray) found = read_lines ("half", "loss");
  g_autoptr (GPtrArray) wanted = read_lines ("full", "loss");
  for (int i = 0; i < 4; i++) {
    const double loss = tool_number (found->pdata[i], "loss");
    const double want = tool_number (wanted->pdata[i], "loss");

    off = MAX (off, fabs (loss - want) / want);
  }
  g_test_message ("losses are off by %.2g", off);
  g_assert_cmpfloat (off, >, 0); /* it is bf16 */
  g_assert_cmpfloat (off, <, 0.05);
  g_assert_true (g_file_get_contents (ini, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\nprecision=bf16\n"));

  train_well ("parts", first);
  train_well ("parts", second);
  g_autoptr (GBytes) whole = read_checkpoint ("half");
  g_autoptr (GBytes) parts = read_checkpoint ("parts");
  g_assert_true (g_bytes_equal (whole, parts));
  remove_run ("half");
  remove_run ("full");
  remove_run ("parts");
}

/* Evaluations come at their interval and at the end, once there; of models as
 * good as each other the first is kept. */
static void
test_evaluations (void)
{
  static const int at[] = { 2, 4 };

  train_well ("best",
      (const char *const[]){ "--val-annotations", annotations, "--val-images",
          folder, "--set=eval_interval=2", NULL });
  g_autoptr (GPtrArray) lines = read_lines ("best", "ap50");
  g_assert_cmpuint (lines->len, ==, G_N_ELEMENTS (at));
  for (gsize i = 0; i < G_N_ELEMENTS (at); i++) {
    g_assert_cmpfloat (tool_number (lines->pdata[i], "iteration"), ==, at[i]);
    g_assert_cmpfloat (tool_number (lines->pdata[i], "images"), ==, N);
    g_assert_cmpfloat (tool_number (lines->pdata[i], "ap"), ==, 0);
  }
  g_assert_cmpfloat (iterations_of ("best", "best.safetensors"), ==, 2);
  g_assert_cmpfloat (iterations_of ("best", "model.safetensors"), ==, 4);
  g_assert_true (has_file ("best", "curve.png"));
  remove_run ("best");
}

/* It stops where it is told and goes on from there, its lines with it; beyond
 * its end it does not go. */
static void
test_stops (void)
{
  g_autofree char *err = NULL;

  g_assert_cmpint (train (&err, "stop",
                       (const char *const[]){ "--stop-after", "3", NULL }),
      ==, 0);
  g_assert_nonnull (strstr (err, "stopped at iteration 3; --resume goes on"));
  g_assert_true (has_file ("stop", "checkpoint.safetensors"));
  g_assert_false (has_file ("stop", "model.safetensors"));
  train_well ("stop",
      (const char *const[]){ "--resume", "--stop-after", "9", NULL });
  g_autoptr (GPtrArray) lines = read_lines ("stop", "loss");
  g_assert_cmpuint (lines->len, ==, 4);
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat (tool_number (lines->pdata[i], "iteration"), ==, i + 1);
  g_assert_cmpfloat (iterations_of ("stop", "model.safetensors"), ==, 4);
  remove_run ("stop");
}

/* Twenty updates without a finite gradient are enough. */
static void
test_lost (void)
{
  g_autofree char *err = NULL;
  int n = 0;

  g_assert_cmpint (train (&err, "lost",
                       (const char *const[]){ "--set=lr=10",
                           "--set=backbone_lr=100", "--set=warmup=0",
                           "--set=iterations=60", NULL }),
      ==, 1);
  for (const char *at = err; (at = strstr (at, "is not finite")); at++)
    n++;
  g_assert_cmpint (n, ==, 20);
  g_assert_nonnull (strstr (err, "20 updates in a row without a finite"));
  g_assert_nonnull (strstr (err, "lower lr"));
  g_autoptr (GPtrArray) lines = read_lines ("lost", "loss");
  for (guint i = 0; i < lines->len; i++) /* of none there is no line */
    tool_number (lines->pdata[i], "loss");
  remove_run ("lost");
}

static void
write_data (void)
{
  g_autoptr (GString) images = g_string_new (NULL);
  g_autoptr (GString) objects = g_string_new (NULL);

  for (int i = 0; i < N; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autoptr (DefcnPicture) picture = defcn_picture_new (32, 32);

    for (int k = 0; k < 32 * 32 * 3; k++)
      picture->rgb[k] = 40 * i + k % 97;
    g_assert_true (defcn_picture_save (picture, path, NULL));
    g_string_append_printf (images,
        "%s{\"id\":%d,\"file_name\":\"%s\",\"width\":32,\"height\":32}",
        i ? "," : "", i, name);
    g_string_append_printf (objects,
        "%s{\"id\":%d,\"image_id\":%d,\"category_id\":1,\"iscrowd\":0,"
        "\"bbox\":[%d,6,16,18],\"area\":288}",
        i ? "," : "", i, i, 3 + i);
  }
  g_autofree char *text = g_strdup_printf ("{\"images\":[%s],\"annotations\":["
                                           "%s],\"categories\":[{\"id\":1,"
                                           "\"name\":\"block\"}]}",
      images->str, objects->str);
  g_assert_true (g_file_set_contents (annotations, text, -1, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-training-XXXXXX", NULL);
  annotations = g_build_filename (folder, "a.json", NULL);
  write_data ();
  g_test_add_func ("/training/lines", test_lines);
  g_test_add_func ("/training/cache", test_cache);
  g_test_add_func ("/training/precision", test_precision);
  g_test_add_func ("/training/evaluations", test_evaluations);
  g_test_add_func ("/training/stops", test_stops);
  g_test_add_func ("/training/lost", test_lost);

  const int status = g_test_run ();
  remove_run (".");
  g_rmdir (folder);
  g_free (annotations);
  g_free (folder);
  return status;
}
