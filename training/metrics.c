/* The metrics of a run as lines of JSON. */
#include "metrics.h"

#include "error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

struct _DefcnMetrics
{
  FILE *file;
  char *path;
};

/* The lines of @text up to iteration @last. */
static GString *
keep_lines (const char *text, gint64 last)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *kept = g_string_new (NULL);

  for (guint i = 0; lines[i]; i++) {
    cJSON *object = cJSON_Parse (lines[i]);
    const cJSON *at = cJSON_GetObjectItemCaseSensitive (object, "iteration");

    if (cJSON_IsNumber (at) && at->valuedouble <= last)
      g_string_append_printf (kept, "%s\n", lines[i]);
    cJSON_Delete (object);
  }
  return kept;
}

DefcnMetrics *
defcn_metrics_open (const char *path, gint64 last, GError **error)
{
  g_autofree char *text = NULL;

  if (last >= 0)
    g_file_get_contents (path, &text, NULL, NULL);
  g_autoptr (GString) kept = keep_lines (text ? text : "", last);
  if (!g_file_set_contents (path, kept->str, kept->len, error))
    return NULL;

  FILE *file = g_fopen (path, "a");
  if (!file) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: cannot be written",
        path);
    return NULL;
  }
  DefcnMetrics *metrics = g_new (DefcnMetrics, 1);
  metrics->file = file;
  metrics->path = g_strdup (path);
  return metrics;
}

void
defcn_metrics_free (DefcnMetrics *metrics)
{
  if (!metrics)
    return;
  fclose (metrics->file);
  g_free (metrics->path);
  g_free (metrics);
}

gboolean
defcn_metrics_write (DefcnMetrics *metrics, cJSON *object, GError **error)
{
  char *line = cJSON_PrintUnformatted (object);
  const gboolean good =
      fprintf (metrics->file, "%s\n", line) > 0 && fflush (metrics->file) == 0;

  if (!good)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: cannot be written: %s", metrics->path, g_strerror (errno));
  cJSON_free (line);
  cJSON_Delete (object);
  return good;
}
