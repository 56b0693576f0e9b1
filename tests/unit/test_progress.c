/* Progress: what stands on a terminal and in a log, and when. */
#include "progress.h"

#include "text.h"

#include <string.h>

static gint64 now;

static gint64
get_now (void)
{
  return now;
}

/* A memory stream and the progress on it. */
typedef struct
{
  DefcnProgress *progress;
  FILE *file;
  char *text;
  gsize len;
} Rig;

static void
rig_init (Rig *rig, gboolean terminal, int columns, const char *what,
    gint64 total)
{
  now = 5 * G_USEC_PER_SEC;
  *rig = (Rig){ .file = NULL };
  rig->file = open_memstream (&rig->text, &rig->len);
  rig->progress = defcn_progress_new_on (&(DefcnProgressOutput){ rig->file,
                                             terminal, columns, get_now },
      what, total);
}

/* Frees the progress too.  Returns: (transfer full): all that was written. */
static char *
rig_finish (Rig *rig)
{
  defcn_progress_free (rig->progress);
  fclose (rig->file);
  return rig->text;
}

/* What a single update at the given second shows. */
typedef struct
{
  const char *name;
  gboolean terminal;
  int columns;
  gint64 total, first, done;
  double seconds;
  const char *text, *want;
} Case;

static const Case cases[] = {
  { "bar", TRUE, 0, 8, 0, 2, 10, "x",
      "go [######..................] 2/8 "
      "left 0:30 x" },
  { "bar/whole", TRUE, 0, 8, 0, 8, 10, "x",
      "go [########################] "
      "8/8 left 0:00 x" },
  { "bar/beyond", TRUE, 0, 8, 0, 9, 10, "x",
      "go [########################] "
      "9/8 left 0:00 x" },
  { "bar/large", TRUE, 0, G_MAXINT64, 0, 1, 10, "x",
      "go [#.......................] 1/9223372036854775807 left " },
  { "bar/no-total", TRUE, 0, 0, 0, 3, 10, "x", "go 3 x" },
  { "bar/cut", TRUE, 20, 8, 0, 2, 10, "x", "go [######........." },
  { "bar/cut-in-text", TRUE, 50, 8, 0, 2, 10, "\303\251\303\251\303\251",
      "go [######..................] 2/8 left 0:30 \303\251\303\251\303\251" },
  { "bar/cut-between-characters", TRUE, 46, 8, 0, 2, 10,
      "\303\251\303\251\303\251",
      "go [######..................] 2/8 left 0:30 \303\251" },
  { "bar/control", TRUE, 0, 8, 0, 2, 10, "a\nb\033[2Jc",
      "go [######..................] 2/8 left 0:30 a b [2Jc" },
  { "bar/control-c1", TRUE, 0, 8, 0, 2, 10, "a\302\2332Jc",
      "go [######..................] 2/8 left 0:30 a 2Jc" },
  { "line", FALSE, 0, 8, 0, 2, 10, "x", "go 2/8 left 0:30 x" },
  { "line/not-cut", FALSE, 10, 8, 0, 2, 10, "x", "go 2/8 left 0:30 x" },
  { "line/no-total", FALSE, 0, 0, 0, 3, 10, "x", "go 3 x" },
  { "line/negative-total", FALSE, 0, -1, 0, 3, 10, "x", "go 3 x" },
  { "line/bytes", FALSE, 0, 8, 0, 2, 10, "\377",
      "go 2/8 left 0:30 "
      "\357\277\275" },
  { "left/minutes", FALSE, 0, 100, 0, 1, 10, "", "go 1/100 left 16:30 " },
  { "left/hours", FALSE, 0, 1000, 0, 1, 10, "", "go 1/1000 left 2:46:30 " },
  { "left/resumed", FALSE, 0, 100, 80, 90, 20, "", "go 90/100 left 0:20 " },
  { "left/unknown", FALSE, 0, 100, 80, 80, 20, "", "go 80/100 left ? " },
};

/* The first update says where the work starts, the second shows the case's
 * line; a bar is drawn over the last one and its line ends with the work. */
static void
test_line (gconstpointer data)
{
  const Case *c = data;
  const char *start = c->terminal ? "\r\033[K" : "";
  Rig rig;

  rig_init (&rig, c->terminal, c->columns, "go", c->total);
  defcn_progress_update (rig.progress, c->first, "start");
  now += c->seconds * G_USEC_PER_SEC;
  defcn_progress_update (rig.progress, c->done, "%s", c->text);
  g_autofree char *text = rig_finish (&rig);

  g_assert_true (g_str_has_prefix (text, start));
  if (!g_str_has_suffix (c->want, "left ")) /* of the end of time */
    g_assert_cmpuint (strlen (text), ==, strlen (start) + strlen (c->want) + 1);
  g_assert_cmpint (strncmp (text + strlen (start), c->want, strlen (c->want)),
      ==, 0);
  g_assert_true (g_str_has_suffix (text, "\n"));
}

/* Ten seconds of an update each 10 ms: ten lines a second on a terminal, one
 * in ten seconds elsewhere, and the last in either. */
static void
test_interval (void)
{
  for (int terminal = 0; terminal < 2; terminal++) {
    Rig rig;

    rig_init (&rig, terminal, 0, "go", 1005);
    for (int i = 0; i <= 1005; i++) {
      defcn_progress_update (rig.progress, i, "x");
      now += G_USEC_PER_SEC / 100;
    }
    g_autofree char *text = rig_finish (&rig);
    g_assert_cmpint (text_count (text, " left "), ==, terminal ? 101 : 2);
    g_assert_cmpint (text_count (text, "1005/1005"), ==, 1);
    g_assert_cmpint (text_count (text, "\n"), ==, terminal ? 1 : 2);
  }
}

/* Nothing to do: no line at all, not even an empty bar. */
static void
test_nothing (void)
{
  for (int terminal = 0; terminal < 2; terminal++) {
    Rig rig;

    rig_init (&rig, terminal, 0, "go", 0);
    defcn_progress_update (rig.progress, 0, "start");
    g_autofree char *text = rig_finish (&rig);
    g_assert_cmpstr (text, ==, "");
  }
}

/* A message takes the bar's place and stays; the next bar is below it. */
static void
test_message (void)
{
  Rig rig;

  rig_init (&rig, TRUE, 0, "go", 2);
  defcn_progress_update (rig.progress, 0, "start");
  now += G_USEC_PER_SEC;
  defcn_progress_update (rig.progress, 1, "x");
  defcn_progress_message (rig.progress, "%d%%", 50);
  defcn_progress_message (rig.progress, "more");
  g_autofree char *text = rig_finish (&rig);
  g_assert_cmpstr (text, ==,
      "\r\033[Kgo [############............] 1/2 left 0:01 x"
      "\r\033[K50%\nmore\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/progress/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], test_line);
  }
  g_test_add_func ("/progress/interval", test_interval);
  g_test_add_func ("/progress/nothing", test_nothing);
  g_test_add_func ("/progress/message", test_message);
  return g_test_run ();
}
