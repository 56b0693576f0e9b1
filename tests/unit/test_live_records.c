/* Records of live on their way to a place. */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"

/* What a camera is told of its records. */
typedef struct
{
  GString *lines;
  gboolean ended;
} Told;

static void
on_line (const char *line, gpointer user)
{
  Told *told = user;

  g_string_append_printf (told->lines, "%s\n", line);
}

static void
on_end (gpointer user)
{
  Told *told = user;

  told->ended = TRUE;
}

static int
add (LiveRecords *records, Told *told)
{
  g_autoptr (GError) error = NULL;
  const int fd = live_records_add (records, on_line, told, on_end, &error);

  g_assert_no_error (error);
  return fd;
}

static void
put (int fd, const char *text)
{
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
}

/* Closes what a camera writes to, and waits until that has been read. */
static void
end (int fd, const Told *told)
{
  close (fd);
  while (!told->ended)
    g_main_context_iteration (NULL, TRUE);
}

/* Until so many were written and dropped. */
static void
wait_for (LiveRecords *records, guint64 written, guint64 dropped)
{
  guint64 w, d;

  do {
    g_main_context_iteration (NULL, FALSE);
    g_thread_yield ();
    live_records_count (records, &w, &d);
  } while (w + d < written + dropped);
  g_assert_cmpuint (w, ==, written);
  g_assert_cmpuint (d, ==, dropped);
}

static void
assert_file (const char *path, const char *wanted)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, wanted);
}

/* Lines of several cameras never mix, however they come in; what has no end is
 * none. */
static void
test_lines (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_write (folder, "r", "old\n", 4);
  LiveRecords *records = live_records_new (path, NULL);
  Told a = { g_string_new (NULL), FALSE }, b = { g_string_new (NULL), FALSE };
  const int to_a = add (records, &a), to_b = add (records, &b);

  put (to_a, "a 1\na");
  wait_for (records, 1, 0);
  put (to_b, "b 1\nb 2\n");
  wait_for (records, 3, 0);
  put (to_a, " 2\na 3");
  wait_for (records, 4, 0);
  end (to_a, &a);
  end (to_b, &b);
  g_assert_cmpstr (a.lines->str, ==, "a 1\na 2\n");
  g_assert_cmpstr (b.lines->str, ==, "b 1\nb 2\n");
  live_records_free (records, G_USEC_PER_SEC);
  assert_file (path, "old\na 1\nb 1\nb 2\na 2\n");
  g_string_free (a.lines, TRUE);
  g_string_free (b.lines, TRUE);
  folder_remove (folder);
}

/* A line that somebody was killed at is no part of the next one, nor when the
 * file is opened again. */
static void
test_cut (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_write (folder, "r", "1\n{\"obj", 7);
  LiveRecords *records = live_records_new (path, NULL);
  Told told = { g_string_new (NULL), FALSE };
  const int to = add (records, &told);
  int other;

  put (to, "2\n");
  wait_for (records, 1, 0);
  assert_file (path, "1\n{\"obj\n2\n");
  other = open (path, O_WRONLY | O_APPEND);
  put (other, "{");
  close (other);
  live_records_reopen (records);
  put (to, "3\n");
  wait_for (records, 2, 0);
  put (to, "4\n");
  end (to, &told);
  live_records_free (records, G_USEC_PER_SEC);
  assert_file (path, "1\n{\"obj\n2\n{\n3\n4\n");
  g_string_free (told.lines, TRUE);
  folder_remove (folder);
}

/* A file that was moved is begun anew when that is said. */
static void
test_moved (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_file (folder, "r");
  g_autofree char *old = folder_file (folder, "r.1");
  LiveRecords *records = live_records_new (path, NULL);
  Told told = { g_string_new (NULL), FALSE };
  const int to = add (records, &told);

  put (to, "1\n");
  wait_for (records, 1, 0);
  g_assert_cmpint (g_rename (path, old), ==, 0);
  put (to, "2\n");
  wait_for (records, 2, 0);
  live_records_reopen (records);
  put (to, "3\n");
  wait_for (records, 3, 0);
  end (to, &told);
  live_records_free (records, G_USEC_PER_SEC);
  assert_file (old, "1\n2\n");
  assert_file (path, "3\n");
  g_string_free (told.lines, TRUE);
  folder_remove (folder);
}

static void
assert_read (int fd, const char *wanted)
{
  char text[16] = "";

  g_assert_cmpint (read (fd, text, sizeof text - 1), ==, strlen (wanted));
  g_assert_cmpstr (text, ==, wanted);
}

/* A FIFO whose reader has gone costs the record that finds it so, and no other
 * one where there is another to be opened. */
static void
test_reader (void)
{
  char *folder = folder_new ();
  g_autofree char *path = folder_file (folder, "r");
  LiveRecords *records;
  Told told = { g_string_new (NULL), FALSE };
  int from, to;

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  from = open (path, O_RDONLY | O_NONBLOCK);
  records = live_records_new (path, NULL);
  to = add (records, &told);
  put (to, "1\n");
  wait_for (records, 1, 0);
  assert_read (from, "1\n");
  close (from);
  put (to, "2\n");
  wait_for (records, 1, 1);
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  from = open (path, O_RDONLY | O_NONBLOCK);
  put (to, "3\n");
  wait_for (records, 2, 1);
  assert_read (from, "3\n");
  close (from);
  end (to, &told);
  g_assert_cmpstr (told.lines->str, ==, "1\n2\n3\n");
  live_records_free (records, G_USEC_PER_SEC);
  g_string_free (told.lines, TRUE);
  folder_remove (folder);
}

/* No place: cameras hear of their records, and nothing is counted. */
static void
test_none (void)
{
  LiveRecords *records = live_records_new ("none", NULL);
  Told told = { g_string_new (NULL), FALSE };
  const int to = add (records, &told);

  put (to, "1\n");
  end (to, &told);
  g_assert_cmpstr (told.lines->str, ==, "1\n");
  wait_for (records, 0, 0);
  live_records_free (records, G_USEC_PER_SEC);
  g_string_free (told.lines, TRUE);
}

/* A place that there cannot be is told of. */
static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (live_records_new ("/none/r", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, "\"/none/r\""));
}

/* Tells nobody, and leaves errno as one that asks for a terminal does. */
static void
on_log (const char *domain, GLogLevelFlags level, const char *message,
    gpointer user)
{
  errno = ENOTTY;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_default_handler (on_log, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/live/records/lines", test_lines);
  g_test_add_func ("/live/records/cut", test_cut);
  g_test_add_func ("/live/records/moved", test_moved);
  g_test_add_func ("/live/records/reader", test_reader);
  g_test_add_func ("/live/records/none", test_none);
  g_test_add_func ("/live/records/refused", test_refused);
  return g_test_run ();
}
