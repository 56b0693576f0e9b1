/* Progress of long work on stderr. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define BAR 24

struct _DefcnProgress
{
  char *what;
  gint64 total, first;
  gint64 start, drawn; /* monotonic microseconds */
  gboolean terminal, open;
};

DefcnProgress *
defcn_progress_new (const char *what, gint64 total)
{
  DefcnProgress *progress = g_new0 (DefcnProgress, 1);

  progress->what = g_strdup (what);
  progress->total = total;
  progress->first = -1;
  progress->start = g_get_monotonic_time ();
  progress->terminal = isatty (STDERR_FILENO);
  return progress;
}

static void
end_line (DefcnProgress *progress)
{
  if (progress->open)
    fputs ("\n", stderr);
  progress->open = FALSE;
}

void
defcn_progress_free (DefcnProgress *progress)
{
  if (!progress)
    return;
  end_line (progress);
  g_free (progress->what);
  g_free (progress);
}

/* "1:02:03", or "?" before there is something to extrapolate. */
static char *
time_left (const DefcnProgress *progress, gint64 done, gint64 now)
{
  const gint64 n = done - progress->first;
  const double seconds = (now - progress->start) * 1e-6;

  if (n <= 0 || progress->total <= 0)
    return g_strdup ("?");
  const gint64 left = seconds / n * (progress->total - done) + 0.5;
  return left >= 3600
      ? g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", left / 3600,
          (int) (left / 60 % 60), (int) (left % 60))
      : g_strdup_printf ("%d:%02d", (int) (left / 60), (int) (left % 60));
}

void
defcn_progress_update (DefcnProgress *progress, gint64 done, const char *format,
    ...)
{
  const gint64 now = g_get_monotonic_time ();
  const gint64 interval = progress->terminal ? 100000 : 10000000;
  va_list args;

  if (progress->first < 0) {
    progress->first = done;
    progress->drawn = now;
  }
  if (now - progress->drawn < interval && done != progress->total)
    return;
  progress->drawn = now;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *left = time_left (progress, done, now);
  if (!progress->terminal) {
    fprintf (stderr,
        "%s %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " left %s %s\n",
        progress->what, done, progress->total, left, text);
    return;
  }

  char bar[BAR + 1];
  for (int i = 0; i < BAR; i++)
    bar[i] = i * progress->total < done * BAR ? '#' : '.';
  bar[BAR] = '\0';
  fprintf (stderr,
      "\r\033[K%s [%s] %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " left %s %s",
      progress->what, bar, done, progress->total, left, text);
  fflush (stderr);
  progress->open = TRUE;
}

void
defcn_progress_message (DefcnProgress *progress, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (progress && progress->open)
    fputs ("\r\033[K", stderr);
  if (progress)
    progress->open = FALSE;
  fprintf (stderr, "%s\n", text);
}
