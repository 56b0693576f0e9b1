/* The tool `defcn`, run as people run it.  DEFCN_TOOL is its path. */
#include <cjson/cJSON.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tiny_model.h"

static char *folder;
static char *model;

/* Runs the tool with @args, NULL-terminated.  Returns: its exit status. */
static int
run (char **out, char **err, const char *const *args)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (argv, (char *) g_getenv ("DEFCN_TOOL"));
  for (; *args; args++)
    g_ptr_array_add (argv, (char *) *args);
  g_ptr_array_add (argv, NULL);

  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *) argv->pdata,
          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
          &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, out, err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  return g_subprocess_get_exit_status (process);
}

/* Wrong usage is 2, a failed run 1; either says on stderr what is the matter,
 * and nothing on stdout. */
static void
test_errors (void)
{
  const struct
  {
    const char *args[6];
    int status;
    const char *word;
  } cases[] = {
    { { NULL }, 2, "Usage" },
    { { "fly" }, 2, "fly" },
    { { "bench", "--no-such-option" }, 2, "no-such-option" },
    { { "bench", "--size", "64" }, 2, "--size" },
    { { "bench", "--size", "0x64" }, 2, "--size" },
    { { "bench", "--batch", "0" }, 2, "--batch" },
    { { "bench", "stray" }, 2, "stray" },
    { { "bench", "--model", "a", "--preset", "b" }, 2, "--preset" },
    { { "bench", "--model", "/nonexistent" }, 1, "/nonexistent" },
    { { "bench", "--preset", "none" }, 1, "coco.poto" },
    { { "bench", "--set", "backbone=vgg" }, 1, "backbone" },
    { { "bench", "--device", "tpu" }, 1, "tpu" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint (run (&out, &err, cases[i].args), ==, cases[i].status);
    g_assert_cmpstr (out, ==, "");
    g_assert_nonnull (strstr (err, cases[i].word));
  }
}

/* Help and version go to stdout and succeed. */
static void
test_help (void)
{
  static const char *const cases[][3] = { { "--version" }, { "--help" },
    { "bench", "--help" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_assert_cmpint (run (&out, &err, cases[i]), ==, 0);
    g_assert_nonnull (strstr (out, "defcn"));
    g_assert_cmpstr (err, ==, "");
  }
}

static double
number (const cJSON *object, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  g_assert_true (cJSON_IsNumber (item));
  return item->valuedouble;
}

/* Every stage of the network is there, and their work adds up to it. */
static void
test_bench_json (void)
{
  const char *const args[] = { "bench", "--model", model, "--size", "100x60",
    "--batch", "2", "--repetitions", "3", "--threads", "1", "--device",
    "reference", "--json", NULL };
  const char *const stages[] = { "preprocess", "stem", "res2", "res3", "res4",
    "res5", "fpn", "towers", "3dmf", "filter", "cls", "box", "postprocess" };
  g_autofree char *out = NULL, *err = NULL;
  double gflop = 0;

  g_assert_cmpint (run (&out, &err, args), ==, 0);
  cJSON *json = cJSON_Parse (out);
  g_assert_nonnull (json);
  g_assert_cmpfloat (number (json, "width"), ==, 128);
  g_assert_cmpfloat (number (json, "height"), ==, 64);
  g_assert_cmpfloat (number (json, "batch"), ==, 2);
  g_assert_cmpfloat (number (json, "images_per_second"), >, 0);
  const cJSON *rows = cJSON_GetObjectItem (json, "stages");
  g_assert_cmpint (cJSON_GetArraySize (rows), ==, G_N_ELEMENTS (stages));
  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++) {
    const cJSON *row = cJSON_GetObjectItem (rows, stages[i]);

    g_assert_nonnull (row);
    g_assert_true (number (row, "ms_least") <= number (row, "ms"));
    g_assert_true (number (row, "ms") <= number (row, "ms_most"));
    if (cJSON_GetObjectItem (row, "gflop"))
      gflop += number (row, "gflop");
  }
  const cJSON *network = cJSON_GetObjectItem (json, "network");
  g_assert_cmpfloat_with_epsilon (gflop, number (network, "gflop"), 1e-3);
  cJSON_Delete (json);
}

/* The table names the stages; --verbose also every step. */
static void
test_bench_text (void)
{
  const char *const args[] = { "bench", "--model", model, "--size", "64x64",
    "--repetitions", "1", "--verbose", NULL };
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (run (&out, &err, args), ==, 0);
  g_assert_nonnull (strstr (out, "\ntowers "));
  g_assert_nonnull (strstr (out, "images/s"));
  g_assert_nonnull (strstr (out, "\nhead.cls_score "));
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
  g_test_add_func ("/tool/bench/text", test_bench_text);

  const int status = g_test_run ();
  g_remove (model);
  g_rmdir (folder);
  g_free (model);
  g_free (folder);
  return status;
}
