/* Progress of long work on stderr. */
#include "progress.h"

#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define BAR 24
#define ERASE "\r\033[K"
#define TERMINAL_INTERVAL (G_USEC_PER_SEC / 10)
#define LINE_INTERVAL (10 * G_USEC_PER_SEC)

struct _DefcnProgress
{
  DefcnProgressOutput output;
  char *what;
  gint64 total, first;
  gint64 start, drawn; /* of the output's clock */
  gboolean open;       /* the cursor is behind a bar */
};

DefcnProgress *
defcn_progress_new_on (const DefcnProgressOutput *output, const char *what,
    gint64 total)
{
  DefcnProgress *progress = g_new0 (DefcnProgress, 1);

  progress->output = *output;
  progress->what = g_strdup (what);
  progress->total = MAX (total, 0);
  progress->first = -1;
  progress->start = output->clock ();
  return progress;
}

DefcnProgress *
defcn_progress_new (const char *what, gint64 total)
{
  const DefcnProgressOutput output = { .file = stderr,
    .terminal = isatty (STDERR_FILENO),
    .clock = g_get_monotonic_time };

  return defcn_progress_new_on (&output, what, total);
}

void
defcn_progress_free (DefcnProgress *progress)
{
  if (!progress)
    return;
  if (progress->open)
    fputs ("\n", progress->output.file);
  g_free (progress->what);
  g_free (progress);
}

/* "1:02:03", or "?" before there is something to extrapolate. */
static char *
time_left (const DefcnProgress *progress, gint64 done, gint64 now)
{
  const gint64 n = done - progress->first;
  const gint64 rest = MAX (progress->total - done, 0);

  if (n <= 0)
    return g_strdup (rest > 0 ? "?" : "0:00");
  const double seconds = (now - progress->start) * 1e-6 / n * rest;
  const gint64 left = MIN (seconds, 1e15) + 0.5;
  return left >= 3600
      ? g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", left / 3600,
          (int) (left / 60 % 60), (int) (left % 60))
      : g_strdup_printf ("%d:%02d", (int) (left / 60), (int) (left % 60));
}

/* Appends " [###..] 3/8 left 0:05", or the number alone without a total. */
static void
append_state (GString *line, const DefcnProgress *progress, gint64 done,
    gint64 now)
{
  if (progress->total == 0) {
    g_string_append_printf (line, " %" G_GINT64_FORMAT, done);
    return;
  }
  if (progress->output.terminal) {
    const double share = (double) done / progress->total;

    g_string_append (line, " [");
    for (int i = 0; i < BAR; i++)
      g_string_append_c (line, i < share * BAR ? '#' : '.');
    g_string_append_c (line, ']');
  }
  g_autofree char *left = time_left (progress, done, now);
  g_string_append_printf (line,
      " %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " left %s", done,
      progress->total, left);
}

/* Characters that fit beside the cursor; a longer line could not be erased. */
static glong
width (const DefcnProgressOutput *output)
{
  struct winsize size;

  if (output->columns > 0)
    return output->columns - 1;
  if (ioctl (fileno (output->file), TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    return size.ws_col - 1;
  return G_MAXLONG;
}

static void
draw (DefcnProgress *progress, const char *line)
{
  const DefcnProgressOutput *output = &progress->output;

  if (!output->terminal) {
    fprintf (output->file, "%s\n", line);
    return;
  }
  const glong shown = MIN (g_utf8_strlen (line, -1), width (output));
  g_autofree char *cut = g_utf8_substring (line, 0, shown);
  fprintf (output->file, ERASE "%s", cut);
  fflush (output->file);
  progress->open = TRUE;
}

void
defcn_progress_update (DefcnProgress *progress, gint64 done, const char *format,
    ...)
{
  const gint64 now = progress->output.clock ();
  const gint64 interval =
      progress->output.terminal ? TERMINAL_INTERVAL : LINE_INTERVAL;
  g_autoptr (GString) line = g_string_new (progress->what);
  va_list args;

  if (progress->first < 0) {
    progress->first = done;
    progress->drawn = now;
  }
  if (now - progress->drawn < interval
      && (done != progress->total || done == 0))
    return;
  progress->drawn = now;

  append_state (line, progress, done, now);
  g_string_append_c (line, ' ');
  va_start (args, format);
  g_string_append_vprintf (line, format, args);
  va_end (args);
  g_autofree char *clean = defcn_terminal_text (line->str, ' ', FALSE);
  draw (progress, clean);
}

void
defcn_progress_message (DefcnProgress *progress, const char *format, ...)
{
  FILE *file = progress ? progress->output.file : stderr;
  va_list args;

  if (progress && progress->open) {
    fputs (ERASE, file);
    progress->open = FALSE;
  }
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *clean = defcn_terminal_text (text, '?', TRUE);
  fprintf (file, "%s\n", clean);
}
