/* Zones and lines in a text that fits a command line. */
#include "text.h"

#include <string.h>

#include "list.h"
#include "object.h"

/* (transfer full): the words of @text, parted by blanks but those behind a
 * backslash. */
static GPtrArray *
split_words (const char *text)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  GString *word = g_string_new (NULL);

  for (const char *c = text;; c++) {
    if (*c == '\\' && c[1] == ' ') {
      g_string_append_c (word, *++c);
    } else if (*c && !g_ascii_isspace (*c)) {
      g_string_append_c (word, *c);
    } else {
      if (word->len)
        g_ptr_array_add (words, g_strdup (word->str));
      g_string_truncate (word, 0);
      if (!*c)
        break;
    }
  }
  g_string_free (word, TRUE);
  return words;
}

static gboolean
read_point (GstDefcnPoint *p, const char *word)
{
  char *end;

  p->x = g_ascii_strtod (word, &end);
  if (end == word || *end != ',')
    return FALSE;
  word = end + 1;
  p->y = g_ascii_strtod (word, &end);
  return end != word && !*end;
}

/* @word: "NAME=VALUE". */
static gboolean
read_option (GstDefcnLayoutOptions *options, const char *word, GError **error)
{
  const char *equals = strchr (word, '=');
  g_autofree char *name = g_strndup (word, (gsize) (equals - word));

  if (strcmp (name, "classes") == 0) {
    g_auto (GStrv) labels = gst_defcn_list_split (equals + 1);

    return gst_defcn_layout_set_labels (options, (const char *const *) labels,
        error);
  }
  return gst_defcn_layout_set_option (options, name, equals + 1, error);
}

static gboolean
read_words (GArray *points, GstDefcnLayoutOptions *options,
    const GPtrArray *words, GError **error)
{
  for (guint i = 1; i < words->len; i++) {
    const char *word = g_ptr_array_index (words, i);
    GstDefcnPoint p;

    if (strchr (word, '=')) {
      if (!read_option (options, word, error))
        return FALSE;
    } else if (read_point (&p, word)) {
      g_array_append_val (points, p);
    } else {
      return gst_defcn_error_settings (error,
          "\"%s\" is neither a point X,Y nor an option NAME=VALUE", word);
    }
  }
  return TRUE;
}

static gboolean
parse_place (GArray *layout, const char *text,
    const GstDefcnLayoutOptions *defaults, GError **error)
{
  const char *colon = strchr (text, ':');
  g_autoptr (GArray) points =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnPoint));
  GstDefcnLayoutOptions options = *defaults;
  g_autoptr (GPtrArray) words = split_words (colon ? colon + 1 : "");
  const char *kind = words->len ? g_ptr_array_index (words, 0) : "";
  g_autofree char *name = NULL;
  gboolean good;

  if (!colon)
    return gst_defcn_error_settings (error,
        "\"%s\" is no place NAME: polygon|line X,Y X,Y ..", text);
  name = g_strstrip (g_strndup (text, (gsize) (colon - text)));
  if (strcmp (kind, "polygon") != 0 && strcmp (kind, "line") != 0)
    return gst_defcn_error_settings (error,
        "\"%s\" is \"%s\", wanted is polygon or line", name, kind);
  if (options.labels)
    g_array_ref (options.labels);
  good = read_words (points, &options, words, error);
  if (!good)
    g_prefix_error (error, "\"%s\": ", name);
  good = good
      && gst_defcn_layout_add (layout, name, *kind == 'l', points, &options,
          error);
  g_clear_pointer (&options.labels, g_array_unref);
  return good;
}

gboolean
gst_defcn_text_parse (GArray *layout, const char *text,
    const GstDefcnLayoutOptions *defaults, GError **error)
{
  g_auto (GStrv) places = g_strsplit_set (text, ";\n\r", -1);

  for (char **place = places; *place; place++)
    if (*g_strstrip (*place) && !parse_place (layout, *place, defaults, error))
      return FALSE;
  return TRUE;
}
