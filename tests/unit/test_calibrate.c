/* The working threshold in a model file. */
#include "eval/calibrate.h"

#include "folder.h"
#include "spec.h"

#include <string.h>
#include <unistd.h>

static char *folder;

/* A file of one tensor with @spec, or none, and one more text. */
static char *
write_model (const char *spec)
{
  static const gint64 two = 2;
  static const float data[] = { 1, 2 };
  char *path = folder_file (folder, "m.safetensors");
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

  defcn_weights_writer_add (writer, "t", DEFCN_DTYPE_F16, 1, &two, data);
  defcn_weights_writer_metadata (writer, "defcn.training", "{\"ap\":0.5}");
  if (spec)
    defcn_weights_writer_metadata (writer, "defcn.spec", spec);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  return path;
}

static void
calibrate (const char *path, double threshold)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);

  g_assert_no_error (error);
  g_assert_true (defcn_calibrate_write (weights, threshold, &error));
  g_assert_no_error (error);
}

/* The field is new or another, in a spec that is otherwise as it was, fields of
 * another version too; tensors and other texts stay. */
static void
test_write (void)
{
  static const char *const labels[] = { "person", NULL };
  static const char before[] = "{\"depth\":50,\"later\":[1,2.5,\"x\"],"
                               "\"threshold\":0.05000000074505806}";
  static const char after[] = "{\"depth\":50,\"later\":[1,2.5,\"x\"],"
                              "\"threshold\":0.05000000074505806,"
                              "\"working_threshold\":0.34}";
  g_autofree char *path = write_model (before);

  calibrate (path, 0.34);
  calibrate (path, 0.5);
  calibrate (path, 0.34);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  const DefcnWeightsTensor *t = defcn_weights_lookup (weights, "t");
  g_assert_cmpstr (defcn_weights_metadata (weights, "defcn.spec"), ==, after);
  g_assert_cmpstr (defcn_weights_metadata (weights, "defcn.training"), ==,
      "{\"ap\":0.5}");
  g_assert_cmpint (t->dtype, ==, DEFCN_DTYPE_F16);
  g_assert_cmpuint (t->len, ==, 2);

  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);
  g_free (write_model (json));
  calibrate (path, 0.41);
  g_autoptr (DefcnWeights) real = defcn_weights_open (path, NULL);
  g_autoptr (DefcnSpec) read =
      defcn_spec_from_json (defcn_weights_metadata (real, "defcn.spec"), "",
          NULL);
  g_assert_nonnull (read);
  g_assert_cmpfloat (read->working_threshold, ==, 0.41f);
  g_assert_cmpfloat (read->threshold, ==, spec->threshold);
  g_remove (path);
}

/* What is no model is named and stays. */
static void
test_no_spec (void)
{
  static const char *const specs[] = { NULL, "", "[1]", "{" };

  for (gsize i = 0; i < G_N_ELEMENTS (specs); i++) {
    g_autofree char *path = write_model (specs[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
    g_autofree char *hash = defcn_weights_hash (weights);

    g_assert_false (defcn_calibrate_write (weights, 0.3, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_true (g_str_has_prefix (error->message, path));
    g_autoptr (DefcnWeights) kept = defcn_weights_open (path, NULL);
    g_autofree char *now = defcn_weights_hash (kept);
    g_assert_cmpstr (now, ==, hash);
    g_remove (path);
  }
}

/* Who may write the file and its folder may calibrate it, by a link too; a file
 * or a folder that is locked, or no file, is named. */
static void
test_check (void)
{
  static const struct
  {
    int file, folder;
    gboolean good;
  } rows[] = { { 0666, 0777, TRUE }, { 0444, 0777, FALSE },
    { 0666, 0555, FALSE } };
  g_autofree char *inner = folder_file (folder, "inner");
  g_autofree char *path = g_build_filename (inner, "m", NULL);
  g_autofree char *link = folder_file (folder, "link");
  const uid_t user = getuid ();

  g_assert_cmpint (g_chmod (folder, 0755), ==, 0);
  g_assert_cmpint (g_mkdir (inner, 0777), ==, 0);
  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
  g_assert_cmpint (symlink ("inner/m", link), ==, 0);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (rows); i++) {
    const gsize k = i / 2;
    const char *name = i % 2 ? link : path;
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (g_chmod (path, rows[k].file), ==, 0);
    g_assert_cmpint (g_chmod (inner, rows[k].folder), ==, 0);
    if (user == 0) /* who may write everywhere */
      g_assert_cmpint (setreuid (65534, 0), ==, 0);
    g_assert_cmpint (defcn_calibrate_check (name, &error), ==, rows[k].good);
    if (user == 0)
      g_assert_cmpint (setreuid (0, 0), ==, 0);
    if (!rows[k].good)
      g_assert_true (g_str_has_prefix (error->message, name));
    g_assert_cmpint (g_chmod (inner, 0755), ==, 0);
  }
  g_autoptr (GError) error = NULL;
  g_remove (path);
  g_assert_false (defcn_calibrate_check (path, &error));
  g_assert_nonnull (strstr (error->message, path));
  g_remove (link);
  g_rmdir (inner);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/calibrate/write", test_write);
  g_test_add_func ("/calibrate/no spec", test_no_spec);
  g_test_add_func ("/calibrate/check", test_check);
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
