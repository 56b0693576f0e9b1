/* Runs a fuzzer's function on every file of its corpus, as normal tests. */
#include "input.h"

static void
test_file (gconstpointer path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  gsize size;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  /* A copy of exactly its size, whose ends the sanitizers know. */
  g_autofree uint8_t *copy = g_memdup2 (data, size);
  g_assert_cmpint (LLVMFuzzerTestOneInput (copy, size), ==, 0);
}

static int
by_text (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(char *const *) a, *(char *const *) b);
}

/* usage: replay CORPUS */
int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  g_autoptr (GDir) dir = g_dir_open (argc > 1 ? argv[1] : "", 0, &error);
  if (!dir)
    g_error ("%s", error->message);
  for (const char *name; (name = g_dir_read_name (dir));)
    g_ptr_array_add (paths, g_build_filename (argv[1], name, NULL));
  if (paths->len == 0)
    g_error ("%s: no inputs", argv[1]);
  g_ptr_array_sort (paths, by_text);
  for (guint i = 0; i < paths->len; i++) {
    g_autofree char *base = g_path_get_basename (paths->pdata[i]);
    g_autofree char *test = g_strconcat ("/fuzz/", base, NULL);

    g_test_add_data_func (test, paths->pdata[i], test_file);
  }
  return g_test_run ();
}
