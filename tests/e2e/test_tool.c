/* The commands of `defcn` but train and eval. */
#include <string.h>

#include "detector.h"
#include "data/picture.h"
#include "folder.h"
#include "tiny_model.h"
#include "tool.h"

static char *folder;
static char *model;

/* Wrong usage is 2, a failed run 1; either says on stderr what is the matter,
 * and nothing on stdout. */
static void
test_errors (void)
{
  const struct
  {
    const char *args[11];
    int status;
    const char *word;
  } cases[] = {
    { { NULL }, 2, "Usage" },
    { { "fly" }, 2, "fly" },
    { { "information" }, 2, "information" },
    { { "bench", "--no-such-option" }, 2, "no-such-option" },
    { { "bench", "--size", "64" }, 2, "--size" },
    { { "bench", "--size", "0x64" }, 2, "--size" },
    { { "bench", "--size", "64x0" }, 2, "--size" },
    { { "bench", "--size", "64x64x" }, 2, "--size" },
    { { "bench", "--size", "64x64 px" }, 2, "--size" },
    { { "bench", "--size", "x64" }, 2, "--size" },
    { { "bench", "--size", "16385x1" }, 2, "--size" },
    { { "bench", "--size", "1x16385" }, 2, "--size" },
    { { "bench", "--repetitions", "0" }, 2, "--repetitions" },
    { { "bench", "--classes", "0" }, 2, "--classes" },
    { { "bench", "--batch", "0" }, 2, "--batch" },
    { { "bench", "stray" }, 2, "stray" },
    { { "bench", "--model", "a", "--preset", "b" }, 2, "--preset" },
    { { "bench", "--train", "--dump", "x" }, 2, "--train" },
    { { "bench", "--train", "--verbose" }, 2, "--train" },
    { { "bench", "--autotune" }, 2, "--autotune" },
    { { "bench", "--threads", "-1" }, 2, "--threads" },
    { { "bench", "--model", model, "--size", "32x32", "--save", "/dev/null/x" },
        1, "/dev/null/x" },
    { { "bench", "--model", "/nonexistent" }, 1, "/nonexistent" },
    { { "bench", "--preset", "none" }, 1, "coco.poto" },
    { { "bench", "--set", "backbone=vgg" }, 1, "backbone" },
    { { "bench", "--device", "tpu" }, 1, "tpu" },
    { { "bench", "--device", "reference", "--precision", "bf16" }, 1, "bf16" },
    { { "bench", "--precision", "fp8" }, 1, "fp8" },
    { { "detect" }, 2, "--model" },
    { { "detect", "--model", model }, 2, "picture" },
    { { "detect", "--model", model, "x.png", "--threshold", "1.5" }, 2,
        "--threshold" },
    { { "detect", "--model", model, "x.png", "--threshold", "nan" }, 2,
        "--threshold" },
    { { "detect", "--model", model, "x.png", "--duplicate-filter", "1.5" }, 2,
        "--duplicate-filter" },
    { { "detect", "--model", model, "x.png", "--duplicate-filter", "nan" }, 2,
        "--duplicate-filter" },
    { { "detect", "--model", model, "x.png", "--max-filter", "2,2" }, 2,
        "--max-filter" },
    { { "detect", "--model", model, "x.png", "--threads", "-1" }, 2,
        "--threads" },
    { { "detect", "--model", "/nonexistent", "x.png" }, 1, "/nonexistent" },
    { { "detect", "--model", model, "x.png", "--output", "/dev/null/x" }, 1,
        "/dev/null/x" },
    { { "detect", "--model", model, "/nonexistent.png" }, 1,
        "/nonexistent.png" },
    { { "detect", "--model", model, "/dev" }, 1, "/dev" },
    { { "detect", "--model", model, "x.png", "--max-megapixels", "300" }, 2,
        "--max-megapixels" },
    { { "track", "--model", model, "/", "--max-megapixels", "-1" }, 2,
        "--max-megapixels" },
    { { "convert" }, 2, "INPUT" },
    { { "convert", "/nonexistent.json" }, 2, "OUTPUT" },
    { { "convert", "/nonexistent.json", "/nowhere/x.odgt" }, 1,
        "/nonexistent.json" },
    { { "convert", "/nonexistent", "x.json" }, 1, "say which" },
    { { "convert", "x.json", model, "--to", "coco" }, 1, "--force" },
    { { "convert", "x.json", "y.json", "--from", "xml" }, 1, "coco, crowd" },
    { { "import" }, 2, "INPUT" },
    { { "import", model }, 2, "--output" },
    { { "import", model, model, "--output", "x" }, 2, "INPUT" },
    { { "import", model, "--output", model }, 1, "is read too" },
    { { "import", "/nonexistent", "--output", "x" }, 1, "/nonexistent" },
    { { "import", model, "--output", "x", "--labels", "/nonexistent" }, 1,
        "/nonexistent" },
    { { "import", model, "--output", "x", "--set", "norm_groups=5" }, 1,
        "norm groups" },
    { { "info" }, 2, "FILE" },
    { { "info", "/nonexistent" }, 1, "/nonexistent" },
    { { "info", model, model }, 2, "FILE" },
    { { "info", model, "--size", "0x1" }, 2, "--size" },
    { { "info", model, "--size", "1x0" }, 2, "--size" },
    { { "info", model, "--size", "16385x1" }, 2, "--size" },
    { { "info", model, "--size", "1x16385" }, 2, "--size" },
    { { "info", model, "--size", "64x64x" }, 2, "--size" },
    { { "info", model, "--size", "64" }, 2, "--size" },
    { { "info", "/nonexistent.odgt" }, 1, "/nonexistent.odgt" },
    { { "eval", "--model", model, "-a", "x" }, 2, "--images" },
    { { "eval", "--model", model, "-i", "/" }, 2, "--annotations" },
    { { "eval", "-a", "x", "-i", "/" }, 2, "--model" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "y" }, 2, "unexpected" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--max-megapixels", "269" },
        2, "--max-megapixels" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--threshold", "nan" }, 2,
        "threshold" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--threshold", "1.01" }, 2,
        "threshold" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--duplicate-threshold",
          "nan" },
        2, "threshold" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--duplicate-threshold",
          "-0.1" },
        2, "threshold" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--nms", "1" }, 2, "--nms" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--nms", "nan" }, 2,
        "--nms" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--nms", "-0.1" }, 2,
        "--nms" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--duplicate-filter", "1" },
        2, "--duplicate-filter" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--duplicate-filter",
          "-0.1" },
        2, "--duplicate-filter" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--recall", "1.01" }, 2,
        "--recall" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--recall", "nan" }, 2,
        "--recall" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--recall", "-0.1" }, 2,
        "--recall" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--bootstrap", "-1" }, 2,
        "--bootstrap is not in 0 .. 100000" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--bootstrap", "100001" }, 2,
        "--bootstrap is not in 0 .. 100000" },
    { { "eval", "--tracks", "x", "-a", "x", "--bootstrap", "9" }, 2,
        "--tracks goes with" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--crowd", "0" }, 2,
        "--crowd" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--max-damaged", "1.1" }, 2,
        "--max-damaged" },
    { { "convert", "x.json", "y.odgt", "--max-damaged", "-1" }, 2,
        "--max-damaged" },
    { { "report", "x", "--max-damaged", "nan" }, 2, "--max-damaged" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--reliability", "/" }, 1,
        "is a folder" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--limit", "-1" }, 2,
        "--limit" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--threads", "-1" }, 2,
        "--threads" },
    { { "eval", "-m", model, "-a", "x", "-i", model }, 1, "no such folder" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--json", model }, 1,
        "is read too" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--detections", model,
          "--force" },
        1, "is read too" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--json", "/" }, 1,
        "is a folder" },
    { { "eval", "-m", model, "-a", "x", "-i", "/", "--detections", "/none/x" },
        1, "does not exist" },
    { { "train", "a.ini", "b.ini" }, 2, "one CONFIG" },
    { { "info", g_getenv ("DEFCN_TOOL") }, 1, "safetensors" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint (tool_run (&out, &err, cases[i].args), ==, cases[i].status);
    g_assert_cmpstr (out, ==, "");
    g_assert_nonnull (strstr (err, cases[i].word));
  }
}

/* Help and version go to stdout and succeed. */
static void
test_help (void)
{
  static const char *const cases[][3] = { { "--version" }, { "--help" },
    { "help" }, { "train", "--help-recipe" }, { "bench", "--help" },
    { "import", "--help" }, { "info", "--help" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint (tool_run (&out, &err, cases[i]), ==, 0);
    g_assert_nonnull (strstr (out, "defcn"));
    g_assert_cmpstr (err, ==, "");
  }
}

/* Every stage of the network is there, and their work adds up to it; dead
 * activations give their memory to later ones. */
static void
test_bench_json (void)
{
  const char *const args[] = { "bench", "--model", model, "--size", "100x60",
    "--batch", "2", "--repetitions", "3", "--threads", "2", "--device",
    "reference", "--json", NULL };
  const char *const stages[] = { "preprocess", "upload", "stem", "res2", "res3",
    "res4", "res5", "fpn", "towers", "3dmf", "filter", "cls", "box", "download",
    "postprocess" };
  g_autofree char *out = NULL, *err = NULL;
  double gflop = 0;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  cJSON *json = cJSON_Parse (out);
  g_assert_nonnull (json);
  g_assert_cmpfloat (tool_number (json, "width"), ==, 128);
  g_assert_cmpfloat (tool_number (json, "height"), ==, 64);
  g_assert_cmpfloat (tool_number (json, "batch"), ==, 2);
  g_assert_cmpfloat (tool_number (json, "threads"), ==, 2);
  g_assert_cmpfloat (tool_number (json, "repetitions"), ==, 3);
  g_assert_true (cJSON_IsFalse (cJSON_GetObjectItem (json, "exact")));
  g_assert_cmpfloat (tool_number (json, "images_per_second"), >, 0);
  g_assert_null (cJSON_GetObjectItem (json, "crowds")); /* of a batch of one */
  const cJSON *rows = cJSON_GetObjectItem (json, "stages");
  g_assert_cmpint (cJSON_GetArraySize (rows), ==, G_N_ELEMENTS (stages));
  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++) {
    const cJSON *row = cJSON_GetObjectItem (rows, stages[i]);

    g_assert_nonnull (row);
    g_assert_true (tool_number (row, "ms_least") <= tool_number (row, "ms"));
    g_assert_true (tool_number (row, "ms") <= tool_number (row, "ms_p90"));
    g_assert_true (tool_number (row, "ms_p90") <= tool_number (row, "ms_most"));
    if (cJSON_GetObjectItem (row, "gflop"))
      gflop += tool_number (row, "gflop");
  }
  const cJSON *network = cJSON_GetObjectItem (json, "network");
  g_assert_cmpfloat_with_epsilon (gflop, tool_number (network, "gflop"), 1e-3);
  /* the batch goes apart: its time is beside that of one image */
  const cJSON *whole = cJSON_GetObjectItem (json, "whole_batch");
  g_assert_cmpfloat_with_epsilon (tool_number (whole, "ms") / 2e3,
      1 / tool_number (json, "images_per_second"), 1e-3);
  g_assert_cmpfloat (tool_number (json, "activations_mb"), >, 0);
  g_assert_cmpfloat (tool_number (json, "activations_mb"), <,
      tool_number (json, "activations_unshared_mb"));
  cJSON_Delete (json);
}

/* All objects of a crowd come out of the heads, as many as there is room
 * for. */
static void
test_bench_crowds (void)
{
  static const int wanted[] = { 1, 10, 100, 128 };
  const char *const args[] = { "bench", "--model", model, "--size", "128x64",
    "--repetitions", "2", "--threads", "1", "--device", "reference", "--json",
    NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  cJSON *json = cJSON_Parse (out);
  g_assert_nonnull (json);
  const cJSON *crowds = cJSON_GetObjectItem (json, "crowds");
  g_assert_cmpint (cJSON_GetArraySize (crowds), ==, G_N_ELEMENTS (wanted));
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
    const cJSON *row = cJSON_GetArrayItem (crowds, i);

    g_assert_cmpfloat (tool_number (row, "objects"), ==, wanted[i]);
    g_assert_cmpfloat (tool_number (row, "ms"), >, 0);
  }
  cJSON_Delete (json);
}

/* The CPU backend's peak is measured, and every share is of it. */
static void
test_bench_peak (void)
{
  const char *const args[] = { "bench", "--model", model, "--size", "128x128",
    "--repetitions", "2", "--threads", "1", "--device", "onednn", "--json",
    NULL };
  g_autofree char *out = NULL, *err = NULL;

  const int status = tool_run (&out, &err, args);
  if (status != 0 && strstr (err, "\"onednn\" is unknown or not built in")) {
    g_test_skip (err);
    return;
  }
  g_assert_cmpint (status, ==, 0);
  cJSON *json = cJSON_Parse (out);
  const double peak = tool_number (json, "peak_gflop_per_second");
  const cJSON *row = cJSON_GetObjectItem (json, "network");
  g_assert_cmpfloat (peak, >, 1);
  g_assert_cmpfloat_with_epsilon (tool_number (row, "peak_percent"),
      tool_number (row, "gflop_per_second") / peak * 100, 1e-2);
  for (row = cJSON_GetObjectItem (json, "stages")->child; row; row = row->next)
    g_assert_true (cJSON_HasObjectItem (row, "gflop")
        == cJSON_HasObjectItem (row, "peak_percent"));
  cJSON_Delete (json);
}

/* A training step has its two stages alone, which make up the total; the saved
 * file names the machine and what computed. */
static void
test_bench_train (void)
{
  g_autofree char *path = g_build_filename (folder, "train.json", NULL);
  const char *const args[] = { "bench", "--train", "--exact", "--model", model,
    "--size", "64x64", "--batch", "2", "--repetitions", "1", "--save", path,
    NULL };
  g_autofree char *out = NULL, *err = NULL, *text = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_assert_nonnull (strstr (out, "\ngradients "));
  g_assert_null (strstr (out, "\nnetwork "));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  const cJSON *rows = cJSON_GetObjectItem (json, "stages");
  g_assert_cmpint (cJSON_GetArraySize (rows), ==, 2);
  g_assert_cmpfloat_with_epsilon (tool_number (cJSON_GetObjectItem (rows,
                                                   "gradients"),
                                      "ms")
          + tool_number (cJSON_GetObjectItem (rows, "update"), "ms"),
      tool_number (cJSON_GetObjectItem (json, "total"), "ms"), 1e-3);
  g_assert_true (cJSON_IsTrue (cJSON_GetObjectItem (json, "exact")));
  g_assert_cmpfloat (tool_number (json, "training_mb"), >,
      tool_number (json, "activations_unshared_mb"));
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "machine"),
                         "cores"),
      >=, 1);
  g_assert_nonnull (
      cJSON_GetObjectItem (cJSON_GetObjectItem (json, "machine"), "cpu"));
  g_assert_nonnull (
      cJSON_GetObjectItem (cJSON_GetObjectItem (json, "versions"), "defcn"));
  cJSON_Delete (json);
  g_remove (path);
}

/* The table names the stages; --verbose also every step. */
static void
test_bench_text (void)
{
  const char *const args[] = { "bench", "--model", model, "--size", "64x64",
    "--repetitions", "1", "--verbose", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_assert_nonnull (strstr (out, "\ntowers "));
  g_assert_nonnull (strstr (out, "images/s"));
  g_assert_nonnull (strstr (out, "MB of activations"));
  g_assert_nonnull (strstr (out, "\nhead.cls_score "));
}

/* A tuning file that is none is named and does not stop the measurement. */
static void
test_bench_autotune (void)
{
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);
  const char *const args[] = { "bench", "--model", model, "--size", "64x64",
    "--repetitions", "1", "--autotune", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_true (g_file_set_contents (path, "nonsense", -1, NULL));
  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_assert_nonnull (strstr (out, "images/s"));
  g_assert_nonnull (strstr (err, path));
  g_remove (path);
}

/* A dump has all steps, each fed by earlier ones, their parameters, and what
 * went in and came out. */
static void
test_bench_dump (void)
{
  g_autofree char *path = g_build_filename (folder, "dump", NULL);
  const char *const args[] = { "bench", "--model", model, "--size", "64x64",
    "--repetitions", "1", "--device", "reference", "--dump", path, NULL };
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr (GError) error = NULL;
  int n_heads = 0, n = 0;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_autoptr (DefcnWeights) dump = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  cJSON *steps = cJSON_Parse (defcn_weights_metadata (dump, "defcn.steps"));
  const cJSON *step, *input;
  cJSON_ArrayForEach (step, steps)
  {
    g_autofree char *w = g_strdup_printf ("w%d", ++n);
    g_autofree char *y = g_strdup_printf ("y%d", n);
    const char *kind = cJSON_GetObjectItem (step, "kind")->valuestring;

    cJSON_ArrayForEach (input, cJSON_GetObjectItem (step, "inputs"))
        g_assert_true (input->valueint >= 0 && input->valueint < n);
    if (g_str_equal (kind, "conv"))
      g_assert_cmpint (defcn_weights_lookup (dump, w)->dims[1], ==,
          tool_number (step, "size"));
    n_heads += defcn_weights_lookup (dump, y) != NULL;
  }
  g_assert_cmpint (n, >, 50);
  g_assert_cmpint (n_heads, ==, 15); /* three on five levels */
  g_assert_cmpint (defcn_weights_lookup (dump, "y0")->dims[1], ==, 64);
  cJSON_Delete (steps);
  g_remove (path);
}

/* A network without weights has the classes of COCO. */
static void
test_bench_preset (void)
{
  g_autofree char *path = g_build_filename (folder, "dump", NULL);
  const char *const args[] = { "bench", "--set", "backbone=resnet18", "--set",
    "fpn_channels=32", "--size", "32x32", "--repetitions", "1", "--dump", path,
    NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_autoptr (DefcnWeights) dump = defcn_weights_open (path, NULL);
  cJSON *steps = cJSON_Parse (defcn_weights_metadata (dump, "defcn.steps"));
  const cJSON *step;
  int n = 0;
  cJSON_ArrayForEach (step, steps)
  {
    if (!strstr (cJSON_GetObjectItem (step, "name")->valuestring, "cls_score"))
      continue;
    g_assert_cmpint (cJSON_GetArrayItem (cJSON_GetObjectItem (step, "shape"), 3)
                         ->valueint,
        ==, 80);
    n++;
  }
  g_assert_cmpint (n, ==, 5);
  cJSON_Delete (steps);
  g_remove (path);
}

/* Without a size it is that of the paper's frames. */
static void
test_bench_size (void)
{
  const char *const args[] = { "bench", "--model", model, "--repetitions", "1",
    "--json", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  cJSON *json = cJSON_Parse (out);
  g_assert_cmpfloat (tool_number (json, "width"), ==, 864);
  g_assert_cmpfloat (tool_number (json, "height"), ==, 512);
  g_assert_cmpfloat (tool_number (json, "batch"), ==, 1);
  cJSON_Delete (json);
}

/* Three noise pictures, a file that is none, and a text that is no picture by
 * its name.  Returns: the folder. */
static char *
write_pictures (void)
{
  static const char *const names[] = { "b.png", "a.jpeg", "c.PNG" };
  char *pictures = g_build_filename (folder, "in", NULL);
  g_autofree char *bad = g_build_filename (pictures, "bad.jpg", NULL);
  g_autofree char *text = g_build_filename (pictures, "notes.txt", NULL);

  g_assert_cmpint (g_mkdir (pictures, 0700), ==, 0);
  g_assert_true (g_file_set_contents (bad, "not a picture", -1, NULL));
  g_assert_true (g_file_set_contents (text, "notes", -1, NULL));
  for (int i = 0; i < 3; i++) {
    g_autofree char *path = g_build_filename (pictures, names[i], NULL);
    g_autoptr (DefcnPicture) picture = defcn_picture_new (120, 90 + 10 * i);
    g_autoptr (GRand) rand = g_rand_new_with_seed (i);
    guint8 values[16 * 16 * 3];

    for (gsize j = 0; j < sizeof values; j++)
      values[j] = g_rand_int_range (rand, 0, 256);
    for (int j = 0; j < 120 * picture->height * 3; j++)
      picture->rgb[j] =
          values[(j / 360 / 8 * 16 + j / 3 % 120 / 8) * 3 + j % 3];
    g_assert_true (defcn_picture_save (picture, path, NULL));
  }
  return pictures;
}

/* The command's boxes are the detector's own, rounded. */
static void
assert_detections (const cJSON *entry)
{
  const DefcnDetectorOptions options = { .device = "reference" };
  const char *path =
      cJSON_GetStringValue (cJSON_GetObjectItem (entry, "image"));
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (DefcnDetector) d = defcn_detector_new (model, &options, NULL);
  g_autoptr (DefcnPicture) picture = defcn_picture_load (path, NULL);
  const DefcnImage image = defcn_picture_image (picture);
  const cJSON *list = cJSON_GetObjectItem (entry, "detections");

  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, NULL));
  g_assert_cmpfloat (tool_number (entry, "width"), ==, image.width);
  g_assert_cmpfloat (tool_number (entry, "height"), ==, image.height);
  g_assert_cmpint (cJSON_GetArraySize (list), ==, boxes->len);
  g_assert_cmpuint (boxes->len, >, 0);
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);
    const cJSON *item = cJSON_GetArrayItem (list, i);
    const cJSON *box = cJSON_GetObjectItem (item, "box");

    g_assert_cmpstr (cJSON_GetStringValue (cJSON_GetObjectItem (item, "label")),
        ==, defcn_detector_label (d, b->label));
    g_assert_cmpfloat (tool_number (item, "class"), ==, b->label);
    g_assert_cmpfloat_with_epsilon (tool_number (item, "score"), b->score,
        1e-6);
    for (int k = 0; k < 4; k++)
      g_assert_cmpfloat_with_epsilon (cJSON_GetArrayItem (box, k)->valuedouble,
          (&b->x1)[k], 0.006);
  }
}

/* A folder gives its pictures by name; the bad one is named and fails the run,
 * but not the others; annotated pictures keep their names and sizes. */
static void
test_detect_folder (void)
{
  static const char *const names[] = { "a.jpeg", "b.png", "c.PNG" };
  g_autofree char *in = write_pictures ();
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *file = g_build_filename (folder, "out.json", NULL);
  const char *const args[] = { "detect", "--model", model, "--device",
    "reference", "--output", output, "--json", file, in, NULL };
  g_autofree char *out = NULL, *err = NULL, *text = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 1);
  g_assert_cmpstr (out, ==, "");
  g_assert_nonnull (strstr (err, "bad.jpg"));
  g_assert_nonnull (strstr (err, "1 of 4"));
  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 3);
  for (int i = 0; i < 3; i++) {
    const cJSON *entry = cJSON_GetArrayItem (json, i);
    g_autofree char *path = g_build_filename (output, names[i], NULL);
    g_autoptr (DefcnPicture) drawn = defcn_picture_load (path, NULL);

    g_assert_true (g_str_has_suffix (cJSON_GetStringValue (
                                         cJSON_GetObjectItem (entry, "image")),
        names[i]));
    assert_detections (entry);
    g_assert_nonnull (drawn);
    g_assert_cmpint (drawn->width, ==, 120);
  }
  cJSON_Delete (json);
  folder_remove_all (in);
  folder_remove_all (output);
  g_remove (file);
}

/* JSON lines, plain lines, the settings, and no overwriting of an input. */
static void
test_detect_forms (void)
{
  g_autofree char *in = write_pictures ();
  g_autofree char *png = g_build_filename (in, "b.png", NULL);
  g_autofree char *lines = g_build_filename (folder, "out.jsonl", NULL);
  g_autofree char *other = g_build_filename (folder, "other", NULL);
  g_autofree char *twin = g_build_filename (other, "b.png", NULL);
  const char *const plain[] = { "detect", "--model", model, png,
    "--max-detections", "2", NULL };
  const char *const stdout_lines[] = { "detect", "--model", model, png, png,
    "--json", "-", "--threshold", "1", NULL };
  const char *const file_lines[] = { "detect", "--model", model, png, png,
    "--json", lines, NULL };
  const char *const same[] = { "detect", "--model", model, png, "--output", in,
    NULL };
  const char *const later[] = { "detect", "--model", model, twin, png,
    "--output", in, NULL };
  const char *const json[] = { "detect", "--model", model, in, "--json", png,
    NULL };
  const char *const nowhere[] = { "detect", "--model", model, in, "--json",
    "/nowhere/x.json", NULL };
  g_autofree char *text = NULL, *before = NULL, *after = NULL;
  char *out, *err;
  gsize n_before, n_after;

  g_assert_cmpint (tool_run (&out, &err, plain), ==, 0);
  g_auto (GStrv) rows = g_strsplit (out, "\n", -1);
  g_assert_cmpuint (g_strv_length (rows), ==, 3); /* the last one is empty */
  g_auto (GStrv) columns = g_strsplit (rows[0], "\t", -1);
  g_assert_cmpuint (g_strv_length (columns), ==, 7);
  g_assert_cmpstr (columns[0], ==, png);
  g_assert_true (g_regex_match_simple ("^(person|car|dog)\t[01]\\.\\d{3}(\t\\d+"
                                       "\\.\\d){4}$",
      rows[0] + strlen (png) + 1, 0, 0));
  g_free (out);
  g_free (err);

  g_assert_cmpint (tool_run (&out, &err, stdout_lines), ==, 0);
  g_auto (GStrv) entries = g_strsplit (out, "\n", -1);
  g_assert_cmpuint (g_strv_length (entries), ==, 3);
  g_assert_nonnull (strstr (entries[1], "\"detections\":[]"));
  g_free (out);
  g_free (err);

  g_assert_cmpint (tool_run (&out, &err, file_lines), ==, 0);
  g_assert_true (g_file_get_contents (lines, &text, NULL, NULL));
  g_auto (GStrv) written = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (written), ==, 3);
  g_free (out);
  g_free (err);

  g_assert_true (g_file_get_contents (png, &before, &n_before, NULL));
  g_assert_cmpint (tool_run (&out, &err, same), ==, 1);
  g_assert_nonnull (strstr (err, "--output"));
  g_free (out);
  g_free (err);
  g_assert_cmpint (g_mkdir (other, 0700), ==, 0);
  g_assert_true (g_file_set_contents (twin, before, n_before, NULL));
  g_assert_cmpint (tool_run (&out, &err, later), ==, 1);
  g_assert_nonnull (strstr (err, "b.png: is read too"));
  folder_remove_all (other);
  g_free (out);
  g_free (err);
  g_assert_cmpint (tool_run (&out, &err, json), ==, 1);
  g_assert_nonnull (strstr (err, "b.png: is read too"));
  g_free (out);
  g_free (err);
  g_assert_cmpint (tool_run (&out, &err, nowhere), ==, 1);
  g_assert_nonnull (strstr (err, "does not exist"));
  g_assert_null (strstr (err, "bad.jpg")); /* before the first picture */
  g_assert_true (g_file_get_contents (png, &after, &n_after, NULL));
  g_assert_cmpmem (before, n_before, after, n_after);
  g_free (out);
  g_free (err);
  folder_remove_all (in);
  g_remove (lines);
}

/* Inputs are taken as they are given, a folder's by name; a threshold of 0 is
 * one; the duplicate filter leaves less. */
static void
test_detect_order (void)
{
  static const char *const wanted[] = { "c.PNG", "a.jpeg", "b.png", "c.PNG" };
  g_autofree char *in = write_pictures ();
  g_autofree char *first = g_build_filename (in, "c.PNG", NULL);
  g_autofree char *bad = g_build_filename (in, "bad.jpg", NULL);
  const char *const all[] = { "detect", "--model", model, first, in, "--json",
    "-", NULL };
  const char *const low[] = { "detect", "--model", model, first, in, "--json",
    "-", "--threshold", "0", "--max-detections", "1000", NULL };
  const char *const most[] = { "detect", "--model", model, first, in, "--json",
    "-", "--max-detections", "1000", NULL };
  const char *const apart[] = { "detect", "--model", model, first, in, "--json",
    "-", "--max-detections", "1000", "--duplicate-filter", "0.2", NULL };
  g_autofree char *out = NULL, *err = NULL, *out_low = NULL, *err_low = NULL;
  g_autofree char *out_most = NULL, *err_most = NULL;
  g_autofree char *out_apart = NULL, *err_apart = NULL;

  g_remove (bad);
  g_assert_cmpint (tool_run (&out, &err, all), ==, 0);
  g_auto (GStrv) rows = g_strsplit (out, "\n", -1);
  g_assert_cmpuint (g_strv_length (rows), ==, 5);
  for (int i = 0; i < 4; i++)
    g_assert_nonnull (strstr (rows[i], wanted[i]));
  g_assert_cmpint (tool_run (&out_low, &err_low, low), ==, 0);
  g_assert_cmpint (tool_run (&out_most, &err_most, most), ==, 0);
  g_assert_cmpuint (strlen (out_low), >, strlen (out_most));
  g_assert_cmpint (tool_run (&out_apart, &err_apart, apart), ==, 0);
  g_assert_cmpuint (strlen (out_apart), <, strlen (out_most));
  folder_remove_all (in);
}

/* Pictures of one name from two folders are numbered; a most of one is one; an
 * array without pictures is an array, and the status tells. */
static void
test_detect_names (void)
{
  g_autofree char *in = write_pictures ();
  g_autofree char *png = g_build_filename (in, "b.png", NULL);
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *array = g_build_filename (folder, "out.json", NULL);
  const char *const names[] = { "b.png", "2-b.png", "3-b.png", "1-b.png" };
  const char *const three[] = { "detect", "--model", model, png, png, png,
    "--output", output, "--max-detections", "1", NULL };
  const char *const none[] = { "detect", "--model", model, "/nonexistent.png",
    "--json", array, NULL };
  g_autofree char *text = NULL;
  char *out, *err;

  g_assert_cmpint (tool_run (&out, &err, three), ==, 0);
  g_auto (GStrv) rows = g_strsplit (out, "\n", -1);
  g_assert_cmpuint (g_strv_length (rows), ==, 4); /* the last one is empty */
  for (int i = 0; i < 4; i++) {
    g_autofree char *path = g_build_filename (output, names[i], NULL);

    g_assert_cmpint (g_file_test (path, G_FILE_TEST_EXISTS), ==, i < 3);
  }
  g_free (out);
  g_free (err);

  g_assert_cmpint (tool_run (&out, &err, none), ==, 1);
  g_assert_true (g_file_get_contents (array, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "[]\n");
  g_free (out);
  g_free (err);

  /* Nothing of a name reaches a terminal, or is a line or a column. */
  g_autofree char *odd = g_build_filename (in, "a\tb\nc\302\2331m.png", NULL);
  const char *const clean[] = { "detect", "--model", model, odd,
    "--max-detections", "1", NULL };
  g_assert_cmpint (g_rename (png, odd), ==, 0);
  g_assert_cmpint (tool_run (&out, &err, clean), ==, 0);
  g_assert_nonnull (strstr (out, "/a?b?c?1m.png\t"));
  g_free (out);
  g_free (err);
  folder_remove_all (in);
  folder_remove_all (output);
  g_remove (array);
}

/* What `defcn info` says about @path as JSON. */
static cJSON *
info_json (const char *path)
{
  const char *const args[] = { "info", path, "--size", "100x50", "--json",
    NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  cJSON *json = cJSON_Parse (out);
  g_assert_nonnull (json);
  return json;
}

/* Tells network, input, work, classes and hash of a model, in both forms; the
 * work is that of the multiply-adds that bench counts. */
static void
test_info (void)
{
  const char *const text[] = { "info", model, NULL };
  const char *const words[] = {
    "network     ResNet-18, FPN 16 (P6 from P5), 1-layer towers, 3DMF tau 2 "
    "phi 3\n",
    "short edge 64, long edge at most 128, padded to 32\n",
    "pixels      BGR, mean 103.53 116.28 123.675, std 1 1 1\n",
    " GMAC for a picture of 1920x1080 (network 128x64)\n",
    "boxes       score above 0.3, best 1000 per level, at most 50, no NMS\n",
    "classes     3: person, car, dog\n", "sha256", "million numbers\n"
  };
  const char *const bench[] = { "bench", "--model", model, "--size", "128x64",
    "--repetitions", "1", "--device", "reference", "--json", NULL };
  g_autofree char *out = NULL, *err = NULL, *measured = NULL, *bytes = NULL;
  gsize size;

  g_assert_cmpint (tool_run (&out, &err, text), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_assert_nonnull (strstr (out, words[i]));

  cJSON *json = info_json (model);
  g_assert_true (g_file_get_contents (model, &bytes, &size, NULL));
  g_autofree char *hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256,
      (const guchar *) bytes, size);
  g_assert_cmpstr (cJSON_GetObjectItem (json, "sha256")->valuestring, ==, hash);
  const cJSON *input = cJSON_GetObjectItem (json, "input_size");
  g_assert_cmpint (cJSON_GetArrayItem (input, 0)->valueint, ==, 128);
  g_assert_cmpint (cJSON_GetArrayItem (input, 1)->valueint, ==, 64);
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "spec"), "tau"),
      ==, 2);

  g_clear_pointer (&err, g_free);
  g_assert_cmpint (tool_run (&measured, &err, bench), ==, 0);
  cJSON *counted = cJSON_Parse (measured);
  g_assert_cmpfloat_with_epsilon (2 * tool_number (json, "gmac"),
      tool_number (cJSON_GetObjectItem (counted, "network"), "gflop"), 1e-3);
  cJSON_Delete (counted);
  cJSON_Delete (json);
}

/* Tells what an annotation file holds, in both forms, and what is wrong with
 * one. */
static void
test_info_data (void)
{
  static const char data[] =
      "{\"images\": [{\"id\": 7, \"file_name\": \"a.jpg\", \"width\": 90, "
      "\"height\": 60}, {\"id\": 8, \"file_name\": \"b.jpg\", \"width\": 9, "
      "\"height\": 6}], \"categories\": [{\"id\": 3, \"name\": \"cat\"}, "
      "{\"id\": 5, \"name\": \"dog\", \"supercategory\": \"pets\"}, "
      "{\"id\": 1, \"name\": \"pets\"}], \"annotations\": ["
      "{\"id\": 4, \"image_id\": 9, \"category_id\": 5, \"bbox\": [1, 2, 3, "
      "4]}, "
      "{\"id\": 5, \"image_id\": 7, \"category_id\": 5, \"bbox\": []}, "
      "{\"id\": 1, \"image_id\": 7, \"category_id\": 5, \"iscrowd\": 0, "
      "\"area\": 200, \"bbox\": [1, 2, 10, 20]}, "
      "{\"id\": 2, \"image_id\": 7, \"category_id\": 5, \"iscrowd\": 1, "
      "\"area\": 200, \"bbox\": [1, 2, 10, 20]}, "
      "{\"id\": 3, \"image_id\": 7, \"category_id\": 3, \"iscrowd\": 0, "
      "\"area\": 20, \"bbox\": [1, 2, 10, 2]}]}";
  g_autofree char *path = g_build_filename (folder, "data.json", NULL);
  g_autofree char *out = NULL, *err = NULL, *none = NULL, *why = NULL;
  const char *const text[] = { "info", path, NULL };

  g_assert_true (g_file_set_contents (path, data, -1, NULL));
  g_assert_cmpint (tool_run (&out, &err, text), ==, 0);
  g_assert_nonnull (strstr (out, "2, 1 of them to train on"));
  g_assert_nonnull (strstr (out, "1  dog"));
  g_assert_nonnull (strstr (out, "no class    pets, which nothing"));
  g_assert_nonnull (strstr (out, "damaged     1 annotations, skipped"));
  g_assert_nonnull (strstr (out, "orphans     1 annotations of no image"));
  g_assert_nonnull (strstr (out, "  annotation 4: no image 9"));

  cJSON *json = info_json (path);
  g_assert_cmpfloat (tool_number (json, "images"), ==, 2);
  g_assert_cmpfloat (tool_number (json, "objects"), ==, 3);
  g_assert_cmpfloat (tool_number (json, "crowd"), ==, 1);
  g_assert_cmpfloat (tool_number (json, "most_on_an_image"), ==, 3);
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "classes"), "cat"),
      ==, 1);
  cJSON_Delete (json);

  g_assert_true (g_file_set_contents (path, data, sizeof data / 2, NULL));
  g_assert_cmpint (tool_run (&none, &why, text), ==, 1);
  g_assert_cmpstr (none, ==, "");
  g_assert_nonnull (strstr (why, path));
  g_remove (path);
}

/* Annotations become a folder of another format, and that a file again; what is
 * there is not written over unasked. */
static void
test_convert (void)
{
  static const char data[] =
      "{\"images\": [{\"id\": 7, \"file_name\": \"a.jpg\", \"width\": 90, "
      "\"height\": 60}], \"categories\": [{\"id\": 3, \"name\": \"cat\"}, "
      "{\"id\": 5, \"name\": \"dog\"}], \"annotations\": ["
      "{\"id\": 1, \"image_id\": 7, \"category_id\": 5, "
      "\"bbox\": [1, 2, 10, 20]}, {\"id\": 2, \"image_id\": 7, "
      "\"category_id\": 3, \"bbox\": [1, 2, 10, 2]}]}";
  g_autofree char *path = g_build_filename (folder, "data.json", NULL);
  g_autofree char *voc = g_build_filename (folder, "voc", NULL);
  g_autofree char *back = g_build_filename (folder, "back.json", NULL);
  const char *const to[] = { "convert", path, voc, "--to", "voc",
    "--classes=dog", NULL };
  const char *const from[] = { "convert", voc, back, NULL };
  const char *const none[] = { "convert", path, back, "--force", "--classes",
    "owl", NULL };
  char *out, *err;

  g_assert_true (g_file_set_contents (path, data, -1, NULL));
  g_assert_cmpint (tool_run (&out, &err, to), ==, 0);
  g_assert_nonnull (strstr (out, "1 images, 1 objects"));
  g_assert_nonnull (strstr (err, "classes left out: cat"));
  g_free (out);
  g_free (err);
  g_assert_cmpint (tool_run (&out, &err, from), ==, 0);
  g_free (out);
  g_free (err);
  cJSON *json = info_json (back);
  g_assert_cmpfloat (tool_number (cJSON_GetObjectItem (json, "classes"), "dog"),
      ==, 1);
  cJSON_Delete (json);
  g_assert_cmpint (tool_run (&out, &err, from), ==, 1);
  g_assert_nonnull (strstr (err, "--force"));
  g_free (out);
  g_free (err);
  g_assert_cmpint (tool_run (&out, &err, none), ==, 1);
  g_assert_nonnull (strstr (err, "owl"));
  g_free (out);
  g_free (err);
  folder_remove_all (voc);
  g_remove (path);
  g_remove (back);
}

/* Sizes come from pictures, of which the largest is what --max-megapixels says,
 * as the message about it does. */
static void
test_convert_large (void)
{
  g_autofree char *yolo = g_build_filename (folder, "yolo", NULL);
  g_autofree char *picture_path = g_build_filename (yolo, "a.png", NULL);
  g_autofree char *label = g_build_filename (yolo, "a.txt", NULL);
  g_autofree char *path = g_build_filename (folder, "large.json", NULL);
  g_autoptr (DefcnPicture) picture = defcn_picture_new (1100, 1000);
  static const struct
  {
    const char *megapixels;
    int status;
    const char *done, *message;
  } cases[] = { { "1", 0, ": 0 images", "more than 1 megapixels (max-mega" },
    { "2", 0, ": 1 images, 1 objects", "" },
    { "269", 2, "", "--max-megapixels" } };

  g_assert_cmpint (g_mkdir (yolo, 0700), ==, 0);
  g_assert_true (defcn_picture_save (picture, picture_path, NULL));
  g_assert_true (g_file_set_contents (label, "0 .5 .5 .1 .1\n", -1, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *const args[] = { "convert", yolo, path, "--force",
      "--max-megapixels", cases[i].megapixels, NULL };
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint (tool_run (&out, &err, args), ==, cases[i].status);
    g_assert_nonnull (strstr (out, cases[i].done));
    g_assert_nonnull (strstr (err, cases[i].message));
  }
  folder_remove_all (yolo);
  g_assert_cmpint (g_remove (path), ==, 0);
}

/* A model goes through import as foreign weights do: recognised, relabelled,
 * set, and told about; without what shapes do not tell it is refused. */
static void
test_import (void)
{
  g_autofree char *output = g_build_filename (folder, "imported", NULL);
  g_autofree char *labels = g_build_filename (folder, "labels", NULL);
  const char *const args[] = { "import", model, "--output", output, "--labels",
    labels, "--set", "norm_groups=4", "--half", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_true (
      g_file_set_contents (labels, "one\ntwo \nthree\n\n", -1, NULL));
  g_assert_cmpint (tool_run (&out, &err, args), ==, 0);
  g_assert_cmpstr (err, ==, "");
  g_assert_nonnull (strstr (out, "ResNet-18 detector, 3 classes, 3DMF"));

  cJSON *json = info_json (output), *original = info_json (model);
  const cJSON *spec = cJSON_GetObjectItem (json, "spec");
  const cJSON *names = cJSON_GetObjectItem (spec, "labels");
  const cJSON *training = cJSON_GetObjectItem (json, "training");
  g_assert_cmpstr (cJSON_GetArrayItem (names, 1)->valuestring, ==, "two");
  g_assert_cmpstr (cJSON_GetObjectItem (training, "naming")->valuestring, ==,
      "cvpods");
  g_assert_cmpfloat (tool_number (json, "parameters"), ==,
      tool_number (original, "parameters"));
  cJSON_Delete (json);
  cJSON_Delete (original);

  g_autofree char *again = NULL, *why = NULL;
  g_assert_true (g_file_set_contents (labels, "one\n\nthree\n", -1, NULL));
  g_assert_cmpint (tool_run (&again, &why, args), ==, 1);
  g_assert_nonnull (strstr (why, "line 2 is empty"));
  g_remove (output);
  g_remove (labels);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-tool-XXXXXX", NULL);
  model = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write (model);

  g_test_add_func ("/tool/errors", test_errors);
  g_test_add_func ("/tool/help", test_help);
  g_test_add_func ("/tool/bench/json", test_bench_json);
  g_test_add_func ("/tool/bench/peak", test_bench_peak);
  g_test_add_func ("/tool/bench/text", test_bench_text);
  g_test_add_func ("/tool/bench/crowds", test_bench_crowds);
  g_test_add_func ("/tool/bench/train", test_bench_train);
  g_test_add_func ("/tool/bench/autotune", test_bench_autotune);
  g_test_add_func ("/tool/bench/dump", test_bench_dump);
  g_test_add_func ("/tool/bench/size", test_bench_size);
  g_test_add_func ("/tool/bench/preset", test_bench_preset);
  g_test_add_func ("/tool/detect/folder", test_detect_folder);
  g_test_add_func ("/tool/detect/names", test_detect_names);
  g_test_add_func ("/tool/detect/order", test_detect_order);
  g_test_add_func ("/tool/detect/forms", test_detect_forms);
  g_test_add_func ("/tool/info", test_info);
  g_test_add_func ("/tool/info/data", test_info_data);
  g_test_add_func ("/tool/convert", test_convert);
  g_test_add_func ("/tool/convert/large", test_convert_large);
  g_test_add_func ("/tool/import", test_import);

  const int status = g_test_run ();
  g_remove (model);
  g_rmdir (folder);
  g_free (model);
  g_free (folder);
  return status;
}
