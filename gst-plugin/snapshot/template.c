/* Names of files out of a template and what others call things. */
#include "template.h"

#include <string.h>

#define MAX_FIELD 80     /* bytes of what a field holds */
#define MAX_EXTENSION 10 /* bytes, its dot too */

struct _GstDefcnTemplate
{
  char *folder, *rest;
};

static const char *const names[GST_DEFCN_N_FIELDS] = { "source", "label", "id",
  "time", "pts", "event", "place", "n" };

static gboolean
refuse (const char *location, const char *why, GError **error)
{
  g_autofree char *valid = g_utf8_make_valid (location, -1);

  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "location \"%s\" %s.", valid, why);
  return FALSE;
}

/* The field that *@at begins with, behind its brace, and advances it beyond the
 * other brace; GST_DEFCN_N_FIELDS: none. */
static GstDefcnField
parse_field (const char **at)
{
  const char *end = strchr (*at, '}');
  const gsize length = end ? (gsize) (end - *at) : 0;
  GstDefcnField field = 0;

  while (end && field < GST_DEFCN_N_FIELDS
      && (strlen (names[field]) != length
          || memcmp (names[field], *at, length) != 0))
    field++;
  if (!end || field == GST_DEFCN_N_FIELDS)
    return GST_DEFCN_N_FIELDS;
  *at = end + 1;
  return field;
}

static gboolean
check_fields (const char *location, GError **error)
{
  for (const char *c = location; *c;) {
    if (*c++ != '{')
      continue;
    if (*c == '{') {
      c++;
      continue;
    }
    if (parse_field (&c) == GST_DEFCN_N_FIELDS)
      return refuse (location,
          "has a field that is not known: there are {source}, {label}, {id}, "
          "{time}, {pts}, {event}, {place}, {n}, and {{ for a brace",
          error);
  }
  return TRUE;
}

static gboolean
check_parts (const char *location, const char *rest, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (rest, "/", -1);
  const guint n = g_strv_length (parts);

  for (guint i = 0; i < n; i++) {
    if (!*parts[i])
      return refuse (location,
          i + 1 == n ? "names no file" : "has an empty folder name", error);
    if (g_str_equal (parts[i], ".") || g_str_equal (parts[i], ".."))
      return refuse (location, "goes through \".\" or \"..\" below its folder",
          error);
  }
  return n > 0 || refuse (location, "names no file", error);
}

GstDefcnTemplate *
gst_defcn_template_new (const char *location, GError **error)
{
  const char *brace = strchr (location, '{');
  /* The last "/" before the first field. */
  const char *slash = brace ? g_strrstr_len (location, brace - location, "/")
                            : strrchr (location, '/');
  const char *rest = slash ? slash + 1 : location;
  GstDefcnTemplate *template;

  if (!check_fields (location, error) || !check_parts (location, rest, error))
    return NULL;
  template = g_new0 (GstDefcnTemplate, 1);
  template->rest = g_strdup (rest);
  template->folder = !slash ? g_strdup (".")
      : slash == location   ? g_strdup ("/")
                            : g_strndup (location, slash - location);
  return template;
}

void
gst_defcn_template_free (GstDefcnTemplate *template)
{
  if (!template)
    return;
  g_free (template->folder);
  g_free (template->rest);
  g_free (template);
}

const char *
gst_defcn_template_folder (const GstDefcnTemplate *template)
{
  return template->folder;
}

guint
gst_defcn_template_depth (const GstDefcnTemplate *template)
{
  guint n = 0;

  for (const char *c = template->rest; *c; c++)
    n += *c == '/';
  return n;
}

/* The literal text up to the next field, for @text, (nullable), and the field;
 * GST_DEFCN_N_FIELDS at the end. */
static GstDefcnField
next_field (const char **at, GString *text)
{
  while (**at) {
    const char c = *(*at)++;

    if (c == '{' && **at != '{')
      return parse_field (at);
    *at += c == '{';
    if (text)
      g_string_append_c (text, c);
  }
  return GST_DEFCN_N_FIELDS;
}

gboolean
gst_defcn_template_is_unique (const GstDefcnTemplate *template)
{
  const char *at = template->rest;
  GstDefcnField field;

  while ((field = next_field (&at, NULL)) != GST_DEFCN_N_FIELDS)
    if (field == GST_DEFCN_FIELD_ID || field == GST_DEFCN_FIELD_TIME
        || field == GST_DEFCN_FIELD_PTS || field == GST_DEFCN_FIELD_N)
      return TRUE;
  return FALSE;
}

/* What some file system, or who reads a list of names, takes for more than a
 * letter. */
static gboolean
is_odd (gunichar c)
{
  return g_unichar_iscntrl (c) || g_unichar_type (c) == G_UNICODE_FORMAT
      || g_unichar_type (c) == G_UNICODE_LINE_SEPARATOR
      || g_unichar_type (c) == G_UNICODE_PARAGRAPH_SEPARATOR
      || (c < 128 && strchr ("/\\:*?\"<>|", (int) c));
}

static void
append_value (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value ? value : "", -1);
  const gsize before = text->len;

  for (const char *c = valid; *c; c = g_utf8_next_char (c)) {
    const gunichar character = g_utf8_get_char (c);

    if (text->len - before + g_unichar_to_utf8 (character, NULL) > MAX_FIELD)
      break;
    g_string_append_unichar (text, is_odd (character) ? '_' : character);
  }
  if (text->len == before)
    g_string_append_c (text, '_');
}

/* Bytes of the first whole characters of @text that fit into @most. */
static gsize
fitting (const char *text, gsize most)
{
  gsize n = MIN (strlen (text), most);

  while (n > 0 && ((guchar) text[n] & 0xc0) == 0x80)
    n--;
  return n;
}

/* Not hidden, not ".", not "..", not too long; an ending stays. */
static void
append_part (GString *path, char *part)
{
  const char *dot = strrchr (part, '.');
  const char *ending = dot && strlen (dot) <= MAX_EXTENSION ? dot : "";
  const gsize stem = strlen (part) - strlen (ending);

  if (*part == '.')
    *part = '_';
  if (path->len)
    g_string_append_c (path, '/');
  if (strlen (part) <= GST_DEFCN_TEMPLATE_MAX) {
    g_string_append (path, part);
    return;
  }
  g_string_append_len (path, part,
      fitting (part, MIN (stem, GST_DEFCN_TEMPLATE_MAX - strlen (ending))));
  g_string_append (path, ending);
}

char *
gst_defcn_template_expand (const GstDefcnTemplate *template,
    const char *const fields[GST_DEFCN_N_FIELDS])
{
  GString *text = g_string_new (NULL), *path = g_string_new (NULL);
  const char *at = template->rest;
  g_auto (GStrv) parts = NULL;
  GstDefcnField field;

  while ((field = next_field (&at, text)) != GST_DEFCN_N_FIELDS)
    append_value (text, fields[field]);
  parts = g_strsplit (text->str, "/", -1);
  for (char **part = parts; *part; part++)
    append_part (path, *part);
  g_string_free (text, TRUE);
  return g_string_free (path, FALSE);
}
