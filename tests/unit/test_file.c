/* Files that are read and written: what is no regular file stays what it is, a
 * link's target too, a full disk is an error. */
#include "data/file.h"
#include "data/output.h"
#include "error.h"
#include "folder.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static void
assert_text (const char *path, const char *want)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, want);
}

/* New and old files; nothing else is left in the folder. */
static void
test_write (void)
{
  g_autofree char *path = folder_file (folder, "a");
  g_autoptr (GError) error = NULL;
  const guint before = folder_count (folder);

  g_assert_true (defcn_output_write (path, "one", -1, &error));
  assert_text (path, "one");
  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
  g_assert_true (defcn_output_write (path, "twos", 3, &error));
  assert_text (path, "two");
  g_assert_no_error (error);
  g_assert_cmpuint (folder_count (folder), ==, before + 1);

  g_autoptr (DefcnOutput) output = defcn_output_open (path, &error);
  fputs ("three", defcn_output_file (output));
  g_clear_pointer (&output, defcn_output_free);
  assert_text (path, "two");
  g_assert_cmpuint (folder_count (folder), ==, before + 1);
}

/* A symbolic link is replaced, its target stays. */
static void
test_link (void)
{
  g_autofree char *target = folder_write (folder, "target", "old", 3);
  g_autofree char *link = folder_file (folder, "link");

  g_assert_cmpint (symlink (target, link), ==, 0);
  g_assert_true (defcn_output_write (link, "new", -1, NULL));
  assert_text (target, "old");
  assert_text (link, "new");
  g_assert_false (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
}

static gpointer
read_fifo (gpointer path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

/* A FIFO and a device are written into, and are there afterwards. */
static void
test_special (void)
{
  g_autofree char *fifo = folder_file (folder, "fifo");
  struct stat about;

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  GThread *thread = g_thread_new ("read", read_fifo, fifo);
  g_assert_true (defcn_output_write (fifo, "through", -1, NULL));
  g_autofree char *text = g_thread_join (thread);
  g_assert_cmpstr (text, ==, "through");
  g_assert_cmpint (stat (fifo, &about), ==, 0);
  g_assert_true (S_ISFIFO (about.st_mode));

  g_assert_true (defcn_output_write ("/dev/null", "x", -1, NULL));
  g_assert_cmpint (stat ("/dev/null", &about), ==, 0);
  g_assert_true (S_ISCHR (about.st_mode));
}

/* What cannot be written is named with the reason. */
static void
test_refused (void)
{
  static const struct
  {
    const char *path, *words;
  } cases[] = { { "/dev/full", "No space left" },
    { "/dev/null/x", "/dev/null/x: cannot be written" }, { "/", "folder" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (defcn_output_write (cases[i].path, "x", -1, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_true (i == 2 || strstr (error->message, cases[i].words));
    g_assert_true (g_str_has_prefix (error->message, cases[i].path));
  }
}

/* What would fail, or take an input's place, is known before the work. */
static void
test_check (void)
{
  g_autofree char *input = folder_file (folder, "input");
  g_autofree char *link = folder_file (folder, "link-to-input");
  g_autofree char *twin = g_build_filename (folder, ".", "input", NULL);
  g_autofree char *fresh = folder_file (folder, "fresh");
  const char *const inputs[] = { "/nonexistent", input, NULL };
  const struct
  {
    const char *path, *words; /* NULL: good */
  } cases[] = { { NULL, NULL }, { "-", NULL }, { fresh, NULL },
    { link, NULL }, /* it alone is replaced */
    { "/dev/null", NULL }, { input, "is read too" }, { twin, "is read too" },
    { folder, "is a folder" }, { "/nonexistent/x", "does not exist" } };

  g_assert_true (g_file_set_contents (input, "x", -1, NULL));
  g_assert_cmpint (symlink (input, link), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (defcn_output_check (cases[i].path, inputs, &error), ==,
        cases[i].words == NULL);
    if (!cases[i].words)
      continue;
    g_assert_true (g_str_has_prefix (error->message, cases[i].path));
    g_assert_nonnull (strstr (error->message, cases[i].words));
  }
  g_assert_true (defcn_output_check (input, NULL, NULL));
  g_assert_false (g_file_test (fresh, G_FILE_TEST_EXISTS));
  g_remove (link);
  g_remove (input);
}

/* Room is there or not for all files together, however large one may be; none
 * of them stays. */
static void
test_room (void)
{
  static const guint64 small[] = { 1000, 0, 3000 }, large[] = { 10, 5000 };
  const guint before = folder_count (folder);
  g_autoptr (GError) error = NULL;
  struct rlimit limit, low;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  low = limit;
  low.rlim_cur = 4096;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &low), ==, 0);
  const gboolean fits = defcn_output_check_room (folder, small, 3, &error);
  const gboolean too = defcn_output_check_room (folder, large, 2, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  signal (SIGXFSZ, SIG_DFL);
  g_assert_true (fits);
  g_assert_false (too);
  g_assert_true (g_str_has_prefix (error->message, folder));
  g_assert_nonnull (strstr (error->message, "no room for the 5.0"));
  g_assert_cmpuint (folder_count (folder), ==, before);
  g_clear_error (&error);

  g_assert_false (defcn_output_check_room ("/nowhere", small, 1, &error));
  g_assert_true (g_str_has_prefix (error->message, "/nowhere"));
}

/* A regular file is read whole, up to a limit; nothing else is, at once. */
static void
test_read (void)
{
  static const char bytes[] = "a\0b";
  g_autofree char *path = folder_write (folder, "read", bytes, 3);
  g_autofree char *empty = folder_write (folder, "empty", "", 0);
  g_autofree char *fifo = folder_file (folder, "unread");
  const char *const bad[] = { fifo, "/dev/zero", folder, "/nowhere" };
  g_autofree char *data = NULL, *none = NULL;
  g_autoptr (GError) error = NULL;
  gsize len;

  g_assert_true (defcn_file_read (&data, &len, path, 3, &error));
  g_assert_cmpmem (data, len, bytes, 3);
  g_assert_true (defcn_file_read (&none, &len, empty, 0, &error));
  g_assert_cmpuint (len, ==, 0);
  g_assert_no_error (error);
  g_clear_pointer (&data, g_free);
  g_assert_false (defcn_file_read (&data, &len, path, 2, &error));
  g_assert_nonnull (strstr (error->message, "3 bytes, more than 2"));
  g_clear_error (&error);

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_false (defcn_file_read (&data, &len, bad[i], 99, &error));
    g_assert_true (g_str_has_prefix (error->message, bad[i]));
    g_clear_error (&error);
    g_assert_null (defcn_file_map (bad[i], &error));
    g_assert_true (g_str_has_prefix (error->message, bad[i]));
    g_clear_error (&error);
  }
  g_autoptr (GMappedFile) map = defcn_file_map (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_mapped_file_get_length (map), ==, 3);
}

/* Text is UTF-8 without a byte order mark, whatever of Unicode it was in; what
 * is cut off is named with its encoding. */
static void
test_text (void)
{
  static const char plain[] = "{\"\303\244\342\202\254\360\237\230\200\": 1}";
  static const char *const encodings[] = { "UTF-8", "UTF-16LE", "UTF-16BE",
    "UTF-32LE", "UTF-32BE" };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (encodings); i++) {
    const char *encoding = encodings[i / 2];
    g_autofree char *source =
        g_strconcat (i % 2 ? "\357\273\277" : "", plain, NULL);
    gsize n, len, size;
    g_autofree char *bytes =
        g_convert (source, -1, encoding, "UTF-8", NULL, &n, NULL);
    g_autofree char *path = folder_write (folder, "text", bytes, n);
    g_autofree char *text = NULL, *none = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_true (defcn_file_read_text (&text, &len, path, n, &error));
    g_assert_no_error (error);
    g_assert_cmpmem (text, len + 1, plain, sizeof plain);
    g_autoptr (GBytes) map = defcn_file_map_text (path, &error);
    g_assert_no_error (error);
    const char *mapped = g_bytes_get_data (map, &size);
    g_assert_cmpmem (mapped, size, plain, strlen (plain));

    g_free (folder_write (folder, "text", bytes, n - 1));
    if (i < 2)
      continue;
    g_assert_false (defcn_file_read_text (&none, &len, path, n, &error));
    g_assert_nonnull (strstr (error->message, encoding));
    g_clear_error (&error);
    g_assert_null (defcn_file_map_text (path, &error));
    g_assert_true (g_str_has_prefix (error->message, path));
    g_assert_nonnull (strstr (error->message, encoding));
  }

  static const char *const odd[] = { "", "\357\273", "\357\273\277", "a" };
  for (gsize i = 0; i < G_N_ELEMENTS (odd); i++) {
    g_autofree char *path =
        folder_write (folder, "text", odd[i], strlen (odd[i]));
    g_autofree char *text = NULL;
    gsize len;

    g_assert_true (defcn_file_read_text (&text, &len, path, 9, NULL));
    g_assert_cmpstr (text, ==, i == 2 ? "" : odd[i]);
    g_autoptr (GBytes) map = defcn_file_map_text (path, NULL);
    g_assert_cmpuint (g_bytes_get_size (map), ==, i == 2 ? 0 : len);
  }
  g_assert_null (defcn_file_map_text ("/nowhere", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/file/write", test_write);
  g_test_add_func ("/file/link", test_link);
  g_test_add_func ("/file/special", test_special);
  g_test_add_func ("/file/refused", test_refused);
  g_test_add_func ("/file/check", test_check);
  g_test_add_func ("/file/room", test_room);
  g_test_add_func ("/file/read", test_read);
  g_test_add_func ("/file/text", test_text);

  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
