/* Texts as runs: who renders them, and those that are kept. */
#include "text.h"

#include "dots.h"
#include "pango.h"

/* What is kept: labels with their scores are some hundreds of short texts, and
 * one that is long and large is some 100 kB. */
#define MAX_RUNS 1024
#define MAX_BYTES (4 << 20)

struct _GstDefcnText
{
  GstDefcnPango *pango; /* NULL: dots */
  int size, max_width;
  GHashTable *runs; /* char *: GstDefcnRun * */
  gsize bytes;
};

static void
run_free (gpointer data)
{
  GstDefcnRun *run = data;

  g_free (run->mask.cover);
  g_free (run);
}

GstDefcnText *
gst_defcn_text_new (const char *font, int size, int max_width)
{
  GstDefcnText *text = g_new0 (GstDefcnText, 1);

  text->size = size;
  text->max_width = max_width;
  text->runs =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, run_free);
  if (g_strcmp0 (font, GST_DEFCN_TEXT_DOTS) != 0)
    text->pango = gst_defcn_pango_new (font, size, max_width);
  return text;
}

void
gst_defcn_text_free (GstDefcnText *text)
{
  if (!text)
    return;
  gst_defcn_pango_free (text->pango);
  g_hash_table_unref (text->runs);
  g_free (text);
}

gboolean
gst_defcn_text_has_pango (void)
{
  return gst_defcn_pango_is_there ();
}

static int
dot_size (const GstDefcnText *text)
{
  return MAX ((text->size + GST_DEFCN_DOTS_HEIGHT / 2) / GST_DEFCN_DOTS_HEIGHT,
      1);
}

GstDefcnTextBorder
gst_defcn_text_border (const GstDefcnText *text)
{
  const int dot = dot_size (text), side = MAX (text->size / 4, 2);

  /* A cell of the dot font ends with the gap to the next one. */
  return text->pango ? (GstDefcnTextBorder){ side, side, 0, 0 }
                     : (GstDefcnTextBorder){ dot, 0, dot, dot };
}

/* All go at once: what is in use is soon back. */
void
gst_defcn_text_trim (GstDefcnText *text)
{
  if (g_hash_table_size (text->runs) < MAX_RUNS && text->bytes < MAX_BYTES)
    return;
  g_hash_table_remove_all (text->runs);
  text->bytes = 0;
}

guint
gst_defcn_text_count (const GstDefcnText *text)
{
  return g_hash_table_size (text->runs);
}

const GstDefcnRun *
gst_defcn_text_run (GstDefcnText *text, const char *string)
{
  GstDefcnRun *run = g_hash_table_lookup (text->runs, string);

  if (run)
    return run;
  run = g_new0 (GstDefcnRun, 1);
  if (text->pango)
    gst_defcn_pango_render (text->pango, run, string);
  else
    gst_defcn_dots_render (run, string, dot_size (text), text->max_width);
  g_hash_table_insert (text->runs, g_strdup (string), run);
  text->bytes += (gsize) run->mask.stride * run->mask.h;
  return run;
}
