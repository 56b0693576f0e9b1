/* Where the records of defcnpublish go, and what can go wrong there. */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include "json_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "publish/output.h"
#include "publish/place.h"

/* What the linker puts in the place of write() and close() for what is linked
 * here. */
ssize_t __real_write (int fd, const void *data, size_t size);
ssize_t __wrap_write (int fd, const void *data, size_t size);

int __real_close (int fd);
int __wrap_close (int fd);

static int close_error; /* of the next close(), 0: none */

int
__wrap_close (int fd)
{
  const int status = __real_close (fd);

  if (!close_error)
    return status;
  errno = close_error;
  close_error = 0;
  return -1;
}

static int interrupted_fd = -1; /* fails in all ways that pass */
static guint n_interrupted;
static size_t largest; /* that was written at a time */

ssize_t
__wrap_write (int fd, const void *data, size_t size)
{
  largest = MAX (largest, size);
  if (fd != interrupted_fd)
    return __real_write (fd, data, size);
  switch (n_interrupted++ % 3) {
    case 0:
      errno = EINTR;
      return -1;
    case 1:
      errno = EAGAIN;
      return -1;
    default:
      return __real_write (fd, data, MIN (size, 3));
  }
}

static const GstDefcnMark looked = { TRUE, "", FALSE, 0, "c0ffee" };

/* file-format=json leaves one valid array, of none, one or many records, when
 * EOS has passed and not only when the element stops.  A second EOS and the
 * stop add nothing; what follows after a flush goes on with the array. */
static void
test_array (void)
{
  const GstDefcnObject o = json_rig_object ("dog");

  for (guint n = 0; n < 4; n++) {
    g_autofree char *path = rig_file ("array.json", "");
    GstHarness *h = json_rig_harness (path, "file-format=json");
    guint sum = 0;

    for (guint turn = 0; turn < 3; turn++) {
      for (guint i = 0; i < n; i++)
        json_rig_push (h, json_rig_frame (sum++, &o, 1, &looked));
      json_rig_push_eos (h);
      json_rig_assert_array (path, sum);
      rig_flush (h);
      json_rig_push_eos (h);
      json_rig_assert_array (path, sum);
      rig_flush (h);
    }
    /* After an empty array too. */
    json_rig_push (h, json_rig_frame (sum++, &o, 1, &looked));
    gst_harness_teardown (h);
    json_rig_assert_array (path, sum);
  }
}

/* Without EOS the array is complete after the element stopped. */
static void
test_array_stopped (void)
{
  g_autofree char *path = rig_file ("stopped.json", "");
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "file-format=json");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  json_rig_push (h, json_rig_frame (1, &o, 1, &looked));
  gst_harness_teardown (h);
  json_rig_assert_array (path, 2);
}

/* A descriptor is written to and left open for its owner. */
static void
test_fd (void)
{
  g_autofree char *path = rig_file ("fd.jsonl", "");
  g_autofree char *text = NULL;
  g_autofree char *properties = NULL;
  const GstDefcnObject o = json_rig_object ("dog");
  const int fd = g_open (path, O_WRONLY | O_TRUNC, 0600);
  GstHarness *h;

  g_assert_cmpint (fd, >=, 0);
  properties = g_strdup_printf ("fd=%d", fd);
  h = json_rig_harness (NULL, properties);
  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  gst_harness_teardown (h);
  g_assert_cmpint (write (fd, "{}\n", 3), ==, 3);
  close (fd);
  text = json_rig_contents (path);
  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 2);
}

/* A pipe cannot be gone back in: after EOS and a flush each stretch is an array
 * of its own, and nothing fails. */
static void
test_pipe (void)
{
  const GstDefcnObject o = json_rig_object ("dog");
  g_autofree char *properties = NULL;
  char text[4096];
  const char *end;
  GstHarness *h;
  gssize n;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  properties = g_strdup_printf ("fd=%d;file-format=json", fds[1]);
  h = json_rig_harness (NULL, properties);
  for (int i = 0; i < 2; i++) {
    json_rig_push (h, json_rig_frame (i, &o, 1, &looked));
    json_rig_push_eos (h);
    rig_flush (h);
  }
  gst_harness_teardown (h);
  close (fds[1]);
  n = read (fds[0], text, sizeof text - 1);
  g_assert_cmpint (n, >, 0);
  text[n] = 0;
  close (fds[0]);

  end = text;
  for (int i = 0; i < 2; i++) {
    JSON_RIG_AUTO *json = cJSON_ParseWithOpts (end, &end, FALSE);

    g_assert_cmpint (cJSON_GetArraySize (json), ==, 1);
  }
  g_assert_cmpstr (end, ==, "\n"); /* and no third */
}

static void
assert_error (GstBus *bus, GQuark domain, int code, const char *name)
{
  g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_ERROR);
  g_autoptr (GstMessage) more = NULL;
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, name));
  more = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_null (more); /* one fault, one message */
}

/* A place that cannot be opened, and tags that are no object, keep the element
 * from starting, with an error that names them. */
static void
test_cannot_start (void)
{
  static const struct
  {
    const char *property, *value;
    int code;
  } cases[] = {
    { "location", "/nowhere/at/all.jsonl", GST_RESOURCE_ERROR_OPEN_WRITE },
    { "location", "/", GST_RESOURCE_ERROR_OPEN_WRITE },
    { "location", "", GST_RESOURCE_ERROR_OPEN_WRITE },
    { "tags", "[1, 2]", GST_RESOURCE_ERROR_SETTINGS },
    { "tags", "{", GST_RESOURCE_ERROR_SETTINGS },
    { "tags", "{} {}", GST_RESOURCE_ERROR_SETTINGS },
    { "tags", "", GST_RESOURCE_ERROR_SETTINGS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstElement) element =
        gst_element_factory_make ("defcnpublish", NULL);
    g_autoptr (GstBus) bus = gst_bus_new ();

    gst_object_ref_sink (element);
    gst_element_set_bus (element, bus);
    g_object_set (element, cases[i].property, cases[i].value, NULL);
    g_test_message ("%s=%s", cases[i].property, cases[i].value);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    assert_error (bus, GST_RESOURCE_ERROR, cases[i].code, cases[i].value);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
  }
}

/* "-" and no location at all are standard output, which stays open. */
static void
test_stdout (void)
{
  static const char *const locations[] = { "-", NULL, "/dev/stdout" };

  for (guint i = 0; i < G_N_ELEMENTS (locations); i++) {
    g_autofree char *path = rig_file ("stdout.jsonl", "");
    g_autofree char *text = NULL;
    const GstDefcnObject o = json_rig_object ("dog");
    g_autoptr (GstElement) element =
        gst_element_factory_make ("defcnpublish", NULL);
    const int file = g_open (path, O_WRONLY | O_TRUNC, 0600);
    int saved;
    GstHarness *h;

    gst_object_ref_sink (element);
    g_object_set (element, "location", locations[i], NULL);
    fflush (stdout);
    saved = dup (STDOUT_FILENO);
    g_assert_cmpint (dup2 (file, STDOUT_FILENO), ==, STDOUT_FILENO);
    h = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
    json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
    gst_harness_teardown (h);
    g_assert_cmpint (dup2 (saved, STDOUT_FILENO), ==, STDOUT_FILENO);
    close (saved);
    close (file);

    text = json_rig_contents (path);
    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpint (cJSON_GetArraySize (json), ==, 1);
  }
}

typedef struct
{
  GstHarness *h;
  int fd;
  guint pushed;
  GstFlowReturn flow;
} Feeder;

#define MANY 1000 /* records are more than a pipe holds */

static gpointer
feed (gpointer data)
{
  Feeder *feeder = data;
  const GstDefcnObject o = json_rig_object ("dog");

  while (feeder->flow == GST_FLOW_OK && feeder->pushed < MANY) {
    feeder->flow = gst_harness_push (feeder->h,
        json_rig_frame (feeder->pushed, &o, 1, &looked));
    feeder->pushed++;
  }
  return NULL;
}

/* A write that a signal interrupts, that has no room after all, or that takes a
 * few bytes only, is gone on with; all that is written is whole. */
static void
test_interrupted (void)
{
  g_autofree char *path = rig_file ("interrupted.jsonl", "");
  g_autofree char *text = NULL;
  const int fd = g_open (path, O_WRONLY | O_TRUNC, 0600);
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output =
      gst_defcn_output_open (NULL, fd, GST_DEFCN_OUTPUT_ARRAY, &error);

  g_assert_no_error (error);
  interrupted_fd = fd;
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (gst_defcn_output_write (output, "{\"a record\":1}",
                         &error),
        ==, GST_FLOW_OK);
  g_assert_true (gst_defcn_output_close (output, &error));
  g_assert_no_error (error);
  interrupted_fd = -1;
  close (fd);
  g_assert_cmpuint (n_interrupted, >, 30);
  text = json_rig_contents (path);
  g_assert_cmpstr (text, ==,
      "[\n{\"a record\":1},\n{\"a record\":1},\n{\"a record\":1}\n]\n");
}

/* A file of which the system tells when it is closed that it was not written is
 * one that was not, unless that has been told before. */
static void
test_close_error (void)
{
  g_autofree char *path = rig_file ("close.json", "");
  const gboolean full = g_file_test ("/dev/full", G_FILE_TEST_EXISTS);

  for (int told = 0; told < (full ? 2 : 1); told++) {
    g_autoptr (GError) error = NULL;
    GstDefcnOutput *output = gst_defcn_output_open (told ? "/dev/full" : path,
        -1, GST_DEFCN_OUTPUT_ARRAY, &error);

    g_assert_no_error (error);
    g_assert_cmpint (gst_defcn_output_write (output, "{}", &error), ==,
        told ? GST_FLOW_ERROR : GST_FLOW_OK);
    g_clear_error (&error);
    close_error = ENOSPC;
    g_assert_cmpint (gst_defcn_output_close (output, &error), ==, told);
    g_assert_cmpint (close_error, ==, 0);
    if (told) {
      g_assert_no_error (error);
    } else {
      g_assert_error (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_NO_SPACE_LEFT);
      g_assert_nonnull (strstr (error->message, "close.json"));
    }
  }
}

#define LONG 100000

/* No more is written at a time than a pipe takes at once when it says that it
 * has room: a record of any length can be given up.  A file takes all of it. */
static void
test_long_record (void)
{
  g_autofree char *record = g_strnfill (LONG, 'x');
  g_autofree char *path = rig_file ("long.json", "");
  g_autofree char *text = NULL;
  g_autofree char *piped = g_malloc0 (LONG + 2);
  g_autoptr (GError) error = NULL;
  gsize n = 0;
  int fds[2];

  for (int to_pipe = 0; to_pipe < 2; to_pipe++) {
    GstDefcnOutput *output;

    g_assert_cmpint (pipe (fds), ==, 0);
    g_assert_cmpint (fcntl (fds[1], F_SETPIPE_SZ, 2 * LONG), >=, 2 * LONG);
    output = to_pipe ? gst_defcn_output_open (NULL, fds[1], 0, &error)
                     : gst_defcn_output_open (path, -1, 0, &error);
    largest = 0;
    g_assert_cmpint (gst_defcn_output_write (output, record, &error), ==,
        GST_FLOW_OK);
    g_assert_cmpuint (largest, ==, to_pipe ? PIPE_BUF : LONG + 1);
    g_assert_true (gst_defcn_output_close (output, &error));
    close (fds[1]);
    if (to_pipe)
      for (gssize part = 1; part > 0; n += part)
        part = read (fds[0], piped + n, LONG + 1 - n);
    close (fds[0]);
  }
  text = json_rig_contents (path);
  g_assert_cmpuint (strlen (text), ==, LONG + 1);
  g_assert_true (g_str_has_prefix (text, record));
  g_assert_cmpuint (n, ==, LONG + 1);
  g_assert_cmpstr (piped, ==, text);
}

/* append keeps what the file has, and ends a line that was not; without it a
 * start empties the file.  An array is not appended to. */
static void
test_append (void)
{
  static const struct
  {
    const char *before, *properties, *after;
  } cases[] = {
    { "{\"kept\":1}\n", "append=true", "{\"kept\":1}\n{\"obj" },
    { "{\"cut\":", "append=true", "{\"cut\":\n{\"obj" },
    { "", "append=true", "{\"obj" },
    { "{\"kept\":1}\n", "", "{\"obj" },
  };
  const GstDefcnObject o = json_rig_object ("dog");
  g_autofree char *array = rig_file ("append.json", "[]");
  g_autofree char *kept = NULL;
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcnpublish", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("append.jsonl", cases[i].before);
    g_autofree char *text = NULL;

    for (int start = 0; start < 2; start++) {
      GstHarness *h = json_rig_harness (path, cases[i].properties);

      json_rig_push (h, json_rig_frame (start, &o, 1, &looked));
      gst_harness_teardown (h);
    }
    text = json_rig_contents (path);
    g_test_message ("%s", text);
    g_assert_true (g_str_has_prefix (text, cases[i].after));
    g_assert_cmpint (strstr (text, "\"timestamp\":0,") != NULL, ==,
        *cases[i].properties != 0);
    g_assert_nonnull (strstr (text, "\"timestamp\":40000000,"));
  }
  gst_object_ref_sink (element);
  g_object_set (element, "location", array, "append", TRUE, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "file-format", "json");
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (element, GST_STATE_NULL);
  kept = json_rig_contents (array);
  g_assert_cmpstr (kept, ==, "[]");
}

/* Who writes together: each has its letter and its output. */
#define N_WRITERS 3
#define N_LINES 40
#define LINE 10000 /* more than a pipe takes at once */

typedef struct
{
  const char *location;
  int fd;
  char letter;
} Writer;

static gpointer
write_lines (gpointer data)
{
  const Writer *writer = data;
  g_autofree char *line = g_strnfill (LINE, writer->letter);
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output =
      gst_defcn_output_open (writer->location, writer->fd, 0, &error);

  g_assert_no_error (error);
  for (int i = 0; i < N_LINES; i++)
    g_assert_cmpint (gst_defcn_output_write (output, line, &error), ==,
        GST_FLOW_OK);
  g_assert_true (gst_defcn_output_close (output, &error));
  return NULL;
}

/* Reads to the end, slowly enough for a pipe to be full. */
static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char part[3000];
  gssize n;

  while ((n = read (fd, part, sizeof part)) > 0)
    g_string_append_len (text, part, n);
  close (fd);
  return g_string_free (text, FALSE);
}

static void
assert_lines (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint counts[N_WRITERS] = { 0 };

  for (guint i = 0; lines[i] && *lines[i]; i++) {
    g_assert_cmpuint (strlen (lines[i]), ==, LINE);
    g_assert_cmpuint (strspn (lines[i], (char[]){ *lines[i], 0 }), ==, LINE);
    g_assert_cmpint (*lines[i], <, 'a' + N_WRITERS);
    counts[*lines[i] - 'a']++;
  }
  for (guint i = 0; i < N_WRITERS; i++)
    g_assert_cmpuint (counts[i], ==, N_LINES);
}

/* Starts all, as threads or as processes, reads what they write, waits. */
static char *
run_writers (const char *location, const int *fds, gboolean processes,
    int reader)
{
  GThread *threads[N_WRITERS];
  pid_t pids[N_WRITERS];
  Writer writers[N_WRITERS];
  char *text = NULL;

  for (guint i = 0; i < N_WRITERS; i++) {
    writers[i] = (Writer){ location, fds ? fds[i] : -1, (char) ('a' + i) };
    if (!processes) {
      threads[i] = g_thread_new ("writer", write_lines, &writers[i]);
      continue;
    }
    pids[i] = fork ();
    if (pids[i] == 0) {
      write_lines (&writers[i]);
      _exit (0);
    }
  }
  if (processes && fds)
    close (fds[0]); /* the children have theirs */
  if (processes && reader >= 0)
    text = read_all (reader);
  for (guint i = 0; i < N_WRITERS; i++) {
    int status = 0;

    if (!processes)
      g_thread_join (threads[i]);
    else
      g_assert_cmpint (waitpid (pids[i], &status, 0), ==, pids[i]);
    g_assert_cmpint (status, ==, 0);
  }
  return text;
}

static gpointer
read_thread (gpointer data)
{
  return read_all (GPOINTER_TO_INT (data));
}

/* Publishers that write to one file at the same time, by name, by one
 * descriptor or by one each, from one process or from several, leave whole
 * lines, all of them. */
static void
test_together_file (void)
{
  for (int way = 0; way < 6; way++) {
    g_autofree char *path = rig_file ("together.jsonl", "");
    g_autofree char *text = NULL;
    const gboolean by_name = way % 3 == 0, processes = way / 3;
    int fds[N_WRITERS];

    g_test_message ("way %d", way);
    for (guint i = 0; i < N_WRITERS; i++)
      fds[i] = i > 0 && way % 3 == 1 ? fds[0] : g_open (path, O_WRONLY, 0);
    if (by_name) {
      /* The first has written when the others come: nothing is emptied. */
      g_autoptr (GError) error = NULL;
      GstDefcnOutput *output = gst_defcn_output_open (path, -1, 0, &error);

      g_assert_cmpint (gst_defcn_output_write (output, "first", &error), ==,
          GST_FLOW_OK);
      g_free (run_writers (path, NULL, processes, -1));
      g_assert_true (gst_defcn_output_close (output, &error));
    } else {
      g_free (run_writers (NULL, fds, processes, -1));
    }
    for (guint i = 0; i < N_WRITERS; i++)
      if (i == 0 || fds[i] != fds[0])
        close (fds[i]);
    text = json_rig_contents (path);
    g_assert_cmpint (g_str_has_prefix (text, "first\n"), ==, by_name);
    assert_lines (text + (by_name ? strlen ("first\n") : 0));
  }
}

/* The same of a socket, where there are no locks and the turns within a process
 * do. */
static void
test_together_socket (void)
{
  int fds[2];
  g_autofree char *text = NULL;
  GThread *reader;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
  reader = g_thread_new ("reader", read_thread, GINT_TO_POINTER (fds[0]));
  run_writers (NULL, (int[]){ fds[1], fds[1], fds[1] }, FALSE, -1);
  close (fds[1]);
  text = g_thread_join (reader);
  assert_lines (text);
}

/* The same of a pipe, whose descriptor processes inherit, and of a FIFO. */
static void
test_together_pipe (void)
{
  for (int way = 0; way < 4; way++) {
    g_autofree char *text = NULL;
    int fds[2], all[N_WRITERS];
    GThread *reader = NULL;

    g_test_message ("way %d", way);
    if (way % 2 == 0) {
      g_assert_cmpint (pipe (fds), ==, 0);
      for (guint i = 0; i < N_WRITERS; i++)
        all[i] = fds[1];
      if (way / 2) {
        text = run_writers (NULL, all, TRUE, fds[0]);
      } else {
        reader = g_thread_new ("reader", read_thread, GINT_TO_POINTER (fds[0]));
        run_writers (NULL, all, FALSE, -1);
        close (fds[1]);
        text = g_thread_join (reader);
      }
    } else {
      g_autofree char *path = rig_file ("together.fifo", "");

      g_assert_cmpint (g_unlink (path), ==, 0);
      g_assert_cmpint (mkfifo (path, 0600), ==, 0);
      /* Read and write, so that it does not end between two writers. */
      fds[0] = g_open (path, O_RDONLY | O_NONBLOCK, 0);
      fds[1] = g_open (path, O_WRONLY, 0);
      g_assert_cmpint (fcntl (fds[0], F_SETFL, 0), ==, 0);
      reader = g_thread_new ("reader", read_thread, GINT_TO_POINTER (fds[0]));
      run_writers (path, NULL, way / 2, -1);
      close (fds[1]);
      text = g_thread_join (reader);
    }
    assert_lines (text);
  }
}

static gboolean
refused (const char *path, GstDefcnOutputFlags flags)
{
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output = gst_defcn_output_open (path, -1, flags, &error);

  if (output) {
    gst_defcn_output_close (output, NULL);
    return FALSE;
  }
  return g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY)
      && strstr (error->message, path);
}

/* A file that an array is written to is nobody else's, of this process or of
 * another, and what it has stays; no more does an array come to lines.  A
 * device, which keeps nothing, is everybody's. */
static void
test_alone (void)
{
  static const GstDefcnOutputFlags flags[] = { 0, GST_DEFCN_OUTPUT_ARRAY };

  for (int i = 0; i < 3; i++) {
    g_autofree char *path = rig_file ("alone.json", "");
    g_autofree char *text = NULL;
    g_autoptr (GError) error = NULL;
    GstDefcnOutput *output =
        gst_defcn_output_open (path, -1, flags[i < 2], &error);
    GstDefcnOutput *null =
        gst_defcn_output_open ("/dev/null", -1, flags[1], &error);
    const GstDefcnOutputFlags other = flags[i != 0];
    pid_t pid;
    int status;

    g_assert_no_error (error);
    gst_defcn_output_write (output, "{}", &error);
    g_assert_false (refused ("/dev/null", other));
    g_assert_true (refused (path, other));
    pid = fork ();
    if (pid == 0)
      _exit (refused (path, other) ? 7 : 8);
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_cmpint (WEXITSTATUS (status), ==, 7);
    g_assert_true (gst_defcn_output_close (output, &error));
    g_assert_true (gst_defcn_output_close (null, &error));
    text = json_rig_contents (path);
    g_assert_cmpstr (text, ==, i < 2 ? "[\n{}\n]\n" : "{}\n");
    g_assert_false (refused (path, other));
  }
}

static char *
make_fifo (void)
{
  char *path = rig_file ("reader.fifo", "");

  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  return path;
}

static gpointer
write_one (gpointer data)
{
  return GINT_TO_POINTER (gst_defcn_output_write (data, "{}", NULL));
}

/* A FIFO without a reader is opened all the same; a record waits for the
 * reader, or for being cancelled, and closing waits for neither. */
static void
test_fifo (void)
{
  for (int cancel = 0; cancel < 2; cancel++) {
    g_autofree char *path = make_fifo ();
    g_autoptr (GError) error = NULL;
    GstDefcnOutput *output;
    GThread *thread;
    char text[16];
    int fd;

    alarm (60); /* ends what waits all the same */
    output = gst_defcn_output_open (path, -1, GST_DEFCN_OUTPUT_ARRAY, &error);
    g_assert_no_error (error);
    thread = g_thread_new ("write", write_one, output);
    if (cancel) {
      gst_defcn_output_cancel (output);
      g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==,
          GST_FLOW_FLUSHING);
      g_assert_true (gst_defcn_output_close (output, &error));
      g_assert_no_error (error);
    } else {
      fd = g_open (path, O_RDONLY, 0);
      g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==,
          GST_FLOW_OK);
      g_assert_true (gst_defcn_output_close (output, &error));
      g_assert_cmpint (read (fd, text, sizeof text), ==, 7);
      g_assert_cmpmem (text, 7, "[\n{}\n]\n", 7);
      close (fd);
    }
    alarm (0);
  }
}

/* The element goes to PLAYING and back while its FIFO has no reader. */
static void
test_fifo_states (void)
{
  g_autofree char *path = make_fifo ();
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcnpublish", NULL);

  gst_object_ref_sink (element);
  g_object_set (element, "location", path, NULL);
  alarm (60);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PLAYING), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  alarm (0);
}

/* What has the number of standard output when that is closed is not written to:
 * nothing, what exec() would close, what is read, what came after the plugin
 * was loaded. */
static void
test_stdout_closed (void)
{
  for (int i = 0; i < 5; i++) {
    g_autofree char *path = rig_file ("other.jsonl", "theirs");
    g_autofree char *text = NULL;
    g_autoptr (GError) error = NULL;
    const int fd = g_open (path, i == 2 ? O_RDONLY : O_WRONLY | O_APPEND, 0);
    const int saved = fcntl (STDOUT_FILENO, F_DUPFD, 100);
    GstDefcnOutput *output;

    fflush (stdout);
    close (STDOUT_FILENO);
    if (i == 3)
      gst_defcn_place_init ();
    if (i > 0)
      g_assert_cmpint (dup3 (fd, STDOUT_FILENO, i == 1 ? O_CLOEXEC : 0), ==,
          STDOUT_FILENO);
    output = gst_defcn_output_open (NULL, -1, 0, &error);
    if (output) {
      gst_defcn_output_write (output, "{}", NULL);
      gst_defcn_output_close (output, NULL);
    }
    g_assert_cmpint (dup2 (saved, STDOUT_FILENO), ==, STDOUT_FILENO);
    close (saved);
    close (fd);
    gst_defcn_place_init ();

    g_test_message ("case %d", i);
    text = json_rig_contents (path);
    if (i < 4) {
      g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE);
      g_assert_nonnull (strstr (error->message, "standard output"));
      g_assert_cmpstr (text, ==, "theirs");
    } else {
      g_assert_cmpstr (text, ==, "theirs{}\n");
    }
  }
}

/* After a cancel nothing is written, room or not, the end of the array neither.
 */
static void
test_cancelled (void)
{
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output;
  char text[64];
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  output = gst_defcn_output_open (NULL, fds[1], GST_DEFCN_OUTPUT_ARRAY, &error);
  g_assert_cmpint (gst_defcn_output_write (output, "{}", &error), ==,
      GST_FLOW_OK);
  gst_defcn_output_cancel (output);
  for (int i = 0; i < 2; i++)
    g_assert_cmpint (gst_defcn_output_write (output, "{\"late\":1}", &error),
        ==, GST_FLOW_FLUSHING);
  g_assert_cmpint (gst_defcn_output_end (output, &error), ==,
      GST_FLOW_FLUSHING);
  g_assert_true (gst_defcn_output_close (output, &error));
  g_assert_no_error (error);
  close (fds[1]);
  g_assert_cmpint (read (fds[0], text, sizeof text), ==, 4);
  g_assert_cmpmem (text, 4, "[\n{}", 4);
  close (fds[0]);
}

/* Descriptor 0 is one like others. */
static void
test_fd_zero (void)
{
  g_autofree char *path = rig_file ("zero.jsonl", "");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  const int fd = g_open (path, O_WRONLY | O_TRUNC, 0600);
  const int saved = dup (STDIN_FILENO);
  GstDefcnOutput *output;

  g_assert_cmpint (dup2 (fd, STDIN_FILENO), ==, STDIN_FILENO);
  output = gst_defcn_output_open (NULL, 0, 0, &error);
  g_assert_cmpint (gst_defcn_output_write (output, "{}", &error), ==,
      GST_FLOW_OK);
  g_assert_true (gst_defcn_output_close (output, &error));
  if (saved >= 0) {
    g_assert_cmpint (dup2 (saved, STDIN_FILENO), ==, STDIN_FILENO);
    close (saved);
  }
  close (fd);
  text = json_rig_contents (path);
  g_assert_cmpstr (text, ==, "{}\n");
}

static void
open_and_close (void)
{
  g_autofree char *path = rig_file ("steady.json", "");
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output =
      gst_defcn_output_open (path, -1, GST_DEFCN_OUTPUT_ARRAY, &error);

  gst_defcn_output_write (output, "{}", &error);
  g_assert_true (gst_defcn_output_close (output, &error));
  g_assert_null (
      gst_defcn_output_open ("/", -1, GST_DEFCN_OUTPUT_ARRAY, &error));
}

/* Neither memory nor a descriptor is left behind. */
static void
test_steady (void)
{
  const int before = dup (STDERR_FILENO);
  int after;

  close (before);
  rig_assert_steady (open_and_close);
  after = dup (STDERR_FILENO);
  close (after);
  g_assert_cmpint (after, ==, before);
}

/* A slow reader gets every record, be the descriptor one that waits or not. */
static void
test_slow_reader (void)
{
  for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *properties = NULL;
    Feeder feeder = { 0 };
    GThread *thread;
    char part[512];
    gssize n;
    int fds[2];

    g_assert_cmpint (pipe (fds), ==, 0);
    g_assert_cmpint (fcntl (fds[1], F_SETPIPE_SZ, 4096), ==, 4096);
    if (nonblocking)
      g_assert_cmpint (fcntl (fds[1], F_SETFL, O_NONBLOCK), ==, 0);
    properties = g_strdup_printf ("fd=%d", fds[1]);
    feeder.h = json_rig_harness (NULL, properties);
    gst_harness_set_drop_buffers (feeder.h, TRUE);
    thread = g_thread_new ("feed", feed, &feeder);
    g_usleep (20000); /* the pipe is full */
    while ((n = read (fds[0], part, sizeof part)) > 0) {
      g_string_append_len (text, part, n);
      if (strstr (text->str + MAX (0, (gssize) text->len - 600),
              "\"timestamp\":39960000000"))
        break;
    }
    g_thread_join (thread);
    g_assert_cmpint (feeder.flow, ==, GST_FLOW_OK);
    gst_harness_teardown (feeder.h);
    close (fds[1]);
    while ((n = read (fds[0], part, sizeof part)) > 0)
      g_string_append_len (text, part, n);
    close (fds[0]);
    JSON_RIG_AUTO *json = json_rig_parse_lines (text->str);
    g_assert_cmpint (cJSON_GetArraySize (json), ==, MANY);
  }
}

/* Stopping does not wait for a reader who has stopped reading, and is no
 * error. */
static void
test_stalled_reader (void)
{
  static const char *const formats[] = { "json-lines", "json" };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *properties = NULL;
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GstElement) element = NULL;
    Feeder feeder = { 0 };
    GThread *thread;
    int fds[2], before, pending = 0;

    g_assert_cmpint (pipe (fds), ==, 0);
    g_assert_cmpint (fcntl (fds[1], F_SETPIPE_SZ, 4096), ==, 4096);
    properties = g_strdup_printf ("fd=%d;file-format=%s", fds[1], formats[i]);
    feeder.h = json_rig_harness (NULL, properties);
    element = gst_harness_find_element (feeder.h, "defcnpublish");
    gst_element_set_bus (element, bus);
    thread = g_thread_new ("feed", feed, &feeder);
    do { /* until it waits, as near as one can tell */
      before = pending;
      g_usleep (20000);
      g_assert_cmpint (ioctl (fds[0], FIONREAD, &pending), ==, 0);
    } while (pending == 0 || pending != before);
    gst_element_set_state (element, GST_STATE_NULL);
    g_thread_join (thread);
    g_assert_cmpint (feeder.flow, ==, GST_FLOW_FLUSHING);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_assert_null (message);
    gst_element_set_bus (element, NULL);
    gst_harness_teardown (feeder.h);
    close (fds[0]);
    close (fds[1]);
  }
}

/* A flush does not wait for a reader who has stopped reading either.  The
 * record that it cut is completed before the next one, so that the reader finds
 * whole lines. */
static void
test_flush (void)
{
  for (int turn = 0; turn < 2; turn++) {
    g_autofree char *properties = NULL;
    g_autofree char *source = g_strnfill (turn ? 10000 : 10, 's');
    g_autofree char *text = NULL;
    Feeder feeder = { 0 };
    GThread *thread, *reader;
    int fds[2], before, pending = 0;

    g_assert_cmpint (pipe (fds), ==, 0);
    g_assert_cmpint (fcntl (fds[1], F_SETPIPE_SZ, 4096), ==, 4096);
    properties = g_strdup_printf ("fd=%d;source=%s", fds[1], source);
    feeder.h = json_rig_harness (NULL, properties);
    gst_harness_set_drop_buffers (feeder.h, TRUE);
    thread = g_thread_new ("feed", feed, &feeder);
    do { /* until it waits, as near as one can tell */
      before = pending;
      g_usleep (20000);
      g_assert_cmpint (ioctl (fds[0], FIONREAD, &pending), ==, 0);
    } while (pending == 0 || pending != before);
    alarm (60);
    gst_harness_push_event (feeder.h, gst_event_new_flush_start ());
    g_thread_join (thread);
    alarm (0);
    g_assert_cmpint (feeder.flow, ==, GST_FLOW_FLUSHING);
    rig_flush (feeder.h);
    reader = g_thread_new ("reader", read_thread, GINT_TO_POINTER (fds[0]));
    feeder.flow = GST_FLOW_OK;
    feeder.pushed = MANY - 10;
    feed (&feeder);
    g_assert_cmpint (feeder.flow, ==, GST_FLOW_OK);
    gst_harness_teardown (feeder.h);
    close (fds[1]);
    text = g_thread_join (reader);

    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    const int n = cJSON_GetArraySize (json);
    g_assert_cmpint (n, >, 10);
    for (int i = 0; i < n; i++)
      g_assert_true (
          json_rig_number (cJSON_GetArrayItem (json, i), "seq") == i);
    g_assert_true (json_rig_number (cJSON_GetArrayItem (json, n - 10), "pts")
        == (MANY - 10) * 40000000.0);
  }
}

/* Closing does not wait for the room that the end of the array would take, and
 * that is no error. */
static void
test_no_room_to_end (void)
{
  g_autoptr (GError) error = NULL;
  GstDefcnOutput *output;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  g_assert_cmpint (fcntl (fds[1], F_SETFL, O_NONBLOCK), ==, 0);
  output = gst_defcn_output_open (NULL, fds[1], GST_DEFCN_OUTPUT_ARRAY, &error);
  g_assert_cmpint (gst_defcn_output_write (output, "{}", &error), ==,
      GST_FLOW_OK);
  while (write (fds[1], " ", 1) == 1) {
  }
  alarm (60); /* ends what waits all the same */
  g_assert_true (gst_defcn_output_close (output, &error));
  alarm (0);
  g_assert_no_error (error);
  close (fds[0]);
  close (fds[1]);
}

/* A number too high to be taken again at once. */
static int
closed_descriptor (void)
{
  const int fd = fcntl (STDERR_FILENO, F_DUPFD, 500);

  close (fd);
  return fd;
}

static int
closed_pipe (void)
{
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  close (fds[0]);
  return fds[1];
}

/* A full disk, a closed descriptor and a pipe without a reader end the flow
 * with one error of the right kind, at the first record, at EOS or when the
 * element stops; whatever comes afterwards says nothing more.  EOS passes. */
static void
test_write_errors (void)
{
  static const struct
  {
    const char *location;
    int (*fd) (void);
    const char *name;
    int code;
  } places[] = {
    { "/dev/full", NULL, "/dev/full", GST_RESOURCE_ERROR_NO_SPACE_LEFT },
    { NULL, closed_descriptor, "descriptor", GST_RESOURCE_ERROR_WRITE },
    { NULL, closed_pipe, "descriptor", GST_RESOURCE_ERROR_WRITE },
  };
  static const struct
  {
    const char *format;
    guint frames;
    gboolean eos;
  } cases[] = {
    { "json-lines", 1, FALSE },
    { "json-lines", 3, TRUE },
    { "json", 1, FALSE },
    { "json", 3, TRUE },
    { "json", 0, TRUE },
    { "json", 0, FALSE },
  };
  const GstDefcnObject o = json_rig_object ("dog");

  signal (SIGPIPE, SIG_DFL);
  for (guint i = 0; i < G_N_ELEMENTS (places) * G_N_ELEMENTS (cases); i++) {
    const guint c = i % G_N_ELEMENTS (cases), p = i / G_N_ELEMENTS (cases);
    const int fd = places[p].fd ? places[p].fd () : -1;
    g_autofree char *properties =
        g_strdup_printf ("fd=%d;file-format=%s", fd, cases[c].format);
    g_autoptr (GstElement) element = NULL;
    g_autoptr (GstBus) bus = gst_bus_new ();
    GstHarness *h;

    if (places[p].location
        && !g_file_test (places[p].location, G_FILE_TEST_EXISTS))
      continue;
    g_test_message ("%s, case %u", places[p].name, c);
    h = json_rig_harness (places[p].location, properties);
    element = gst_harness_find_element (h, "defcnpublish");
    gst_element_set_bus (element, bus);
    for (guint frame = 0; frame < cases[c].frames; frame++)
      g_assert_cmpint (gst_harness_push (h,
                           json_rig_frame (frame, &o, 1, &looked)),
          ==, GST_FLOW_ERROR);
    if (cases[c].eos) {
      g_autoptr (GstEvent) event = NULL;

      json_rig_push_eos (h);
      while ((event = gst_harness_pull_event (h))
          && GST_EVENT_TYPE (event) != GST_EVENT_EOS)
        g_clear_pointer (&event, gst_event_unref);
      g_assert_nonnull (event);
    }
    if (cases[c].frames || cases[c].eos)
      g_assert_true (gst_bus_have_pending (bus));
    /* To READY: further down the bus would be flushed. */
    gst_element_set_state (element, GST_STATE_READY);
    assert_error (bus, GST_RESOURCE_ERROR, places[p].code, places[p].name);
    gst_element_set_bus (element, NULL);
    gst_harness_teardown (h);
    if (fd >= 0)
      close (fd);
  }
}

/* In a process of its own: the signal that ended it, 0 for none, when what it
 * writes to is a pipe that nobody reads any more. */
static int
signal_of_broken_pipe (gboolean is_stdout)
{
  int status = 0;
  pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0) {
    const int fd = is_stdout ? -1 : closed_pipe ();
    sigset_t pending, mask;
    GstDefcnOutput *output;

    if (is_stdout)
      dup2 (closed_pipe (), STDOUT_FILENO);
    output = gst_defcn_output_open (NULL, fd, 0, NULL);
    if (gst_defcn_output_write (output, "{}", NULL) != GST_FLOW_ERROR)
      _exit (1);
    sigpending (&pending);
    pthread_sigmask (SIG_BLOCK, NULL, &mask);
    _exit (sigismember (&pending, SIGPIPE) || sigismember (&mask, SIGPIPE));
  }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFSIGNALED (status) || WEXITSTATUS (status) == 0);
  return WIFSIGNALED (status) ? WTERMSIG (status) : 0;
}

/* A reader that goes ends no process, but that of a command whose standard
 * output it was. */
static void
test_broken_pipe (void)
{
  signal (SIGPIPE, SIG_DFL);
  g_assert_cmpint (signal_of_broken_pipe (FALSE), ==, 0);
  g_assert_cmpint (signal_of_broken_pipe (TRUE), ==, SIGPIPE);
}

/* After an error the element starts afresh. */
static void
test_restart_after_error (void)
{
  g_autofree char *path = rig_file ("restart.json", "old");
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness ("/dev/full", "file-format=json");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");

  if (!g_file_test ("/dev/full", G_FILE_TEST_EXISTS)) {
    gst_harness_teardown (h);
    g_test_skip ("/dev/full is missing");
    return;
  }
  g_assert_cmpint (gst_harness_push (h, json_rig_frame (0, &o, 1, &looked)), ==,
      GST_FLOW_ERROR);
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_set (element, "location", path, NULL);
  gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
  gst_harness_play (h);
  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  gst_harness_teardown (h);
  json_rig_assert_array (path, 1);
}

/* What needs a start is refused while the element runs, with a warning that
 * names it, and keeps its value; the same value again is no change. */
static void
test_refused (void)
{
  static const struct
  {
    const char *name, *value, *same;
  } cases[] = {
    { "location", "/nowhere", NULL },
    { "fd", "7", "-1" },
    { "file-format", "json", "json-lines" },
    { "append", "true", "false" },
    { "tags", "{\"n\":2}", "{\"n\":1}" },
  };
  g_autofree char *path = rig_file ("refused.jsonl", "");
  GstHarness *h = json_rig_harness (path, "tags={\"n\":1}");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    GParamSpec *spec =
        g_object_class_find_property (G_OBJECT_GET_CLASS (element),
            cases[i].name);
    GValue before = G_VALUE_INIT, after = G_VALUE_INIT;

    g_value_init (&before, spec->value_type);
    g_value_init (&after, spec->value_type);
    g_object_get_property (G_OBJECT (element), cases[i].name, &before);
    gst_util_set_object_arg (G_OBJECT (element), cases[i].name, cases[i].value);
    g_object_get_property (G_OBJECT (element), cases[i].name, &after);
    g_assert_cmpint (g_param_values_cmp (spec, &before, &after), ==, 0);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
    gst_message_parse_warning (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull (strstr (error->message, cases[i].name));
    gst_util_set_object_arg (G_OBJECT (element), cases[i].name,
        cases[i].same ? cases[i].same : path);
    g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING));
    g_value_unset (&before);
    g_value_unset (&after);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* What is set while frames flow holds from the next one on; what needs a start
 * waits for one, and the file stays whole. */
static void
test_live (void)
{
  g_autofree char *path = rig_file ("live.json", "");
  g_autofree char *text = NULL;
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "file-format=json;tags={\"n\":1}");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  json_rig_push (h, json_rig_frame (1, NULL, 0, &looked));
  g_object_set (element, "source", "s", "add-empty-results", TRUE,
      "timestamp-utc", TRUE, "json-indent", 2, "tags", "{", "location",
      "/nowhere", NULL);
  gst_util_set_object_arg (G_OBJECT (element), "file-format", "json-lines");
  json_rig_push (h, json_rig_frame (2, NULL, 0, &looked));
  gst_harness_teardown (h);
  json_rig_assert_array (path, 2);
  text = json_rig_contents (path);
  JSON_RIG_AUTO *json = cJSON_Parse (text);
  g_assert_null (json_rig_at (json, "0.source"));
  g_assert_null (json_rig_at (json, "0.timestamp_utc"));
  g_assert_cmpstr (json_rig_string (json, "1.source"), ==, "s");
  g_assert_nonnull (json_rig_at (json, "1.timestamp_utc"));
  g_assert_true (json_rig_number (json, "1.tags.n") == 1);
  g_assert_nonnull (strstr (text, "\n  \"objects\""));
}

/* Each start writes a new file; stopping before any frame leaves a valid empty
 * one. */
static void
test_states (void)
{
  g_autofree char *path = rig_file ("states.json", "old");
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "file-format=json");

  for (int i = 0; i < 3; i++) {
    if (i > 0) {
      gst_element_set_state (h->element, GST_STATE_NULL);
      gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
      gst_harness_play (h);
    }
    for (int j = 0; j <= i; j++)
      json_rig_push (h, json_rig_frame (j, &o, 1, &looked));
    gst_element_set_state (h->element, GST_STATE_NULL);
    json_rig_assert_array (path, i + 1);
  }
  for (int i = 0; i < 2; i++) {
    gst_element_set_state (h->element, GST_STATE_PAUSED);
    gst_element_set_state (h->element, GST_STATE_NULL);
    json_rig_assert_array (path, 0);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/output/array", test_array);
  g_test_add_func ("/output/array-stopped", test_array_stopped);
  g_test_add_func ("/output/fd", test_fd);
  g_test_add_func ("/output/pipe", test_pipe);
  g_test_add_func ("/output/cannot-start", test_cannot_start);
  g_test_add_func ("/output/stdout", test_stdout);
  g_test_add_func ("/output/interrupted", test_interrupted);
  g_test_add_func ("/output/close-error", test_close_error);
  g_test_add_func ("/output/long-record", test_long_record);
  g_test_add_func ("/output/append", test_append);
  g_test_add_func ("/output/together/file", test_together_file);
  g_test_add_func ("/output/together/pipe", test_together_pipe);
  g_test_add_func ("/output/together/socket", test_together_socket);
  g_test_add_func ("/output/alone", test_alone);
  g_test_add_func ("/output/broken-pipe", test_broken_pipe);
  g_test_add_func ("/output/fifo", test_fifo);
  g_test_add_func ("/output/fifo-states", test_fifo_states);
  g_test_add_func ("/output/stdout-closed", test_stdout_closed);
  g_test_add_func ("/output/flush", test_flush);
  g_test_add_func ("/output/cancelled", test_cancelled);
  g_test_add_func ("/output/fd-zero", test_fd_zero);
  g_test_add_func ("/output/steady", test_steady);
  g_test_add_func ("/output/slow-reader", test_slow_reader);
  g_test_add_func ("/output/stalled-reader", test_stalled_reader);
  g_test_add_func ("/output/no-room-to-end", test_no_room_to_end);
  g_test_add_func ("/output/write-errors", test_write_errors);
  g_test_add_func ("/output/restart-after-error", test_restart_after_error);
  g_test_add_func ("/output/refused", test_refused);
  g_test_add_func ("/output/live", test_live);
  g_test_add_func ("/output/states", test_states);
  return rig_run ();
}
