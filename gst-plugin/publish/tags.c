/* The property "tags" of defcnpublish. */
#include "tags.h"

#include <cjson/cJSON.h>
#include <string.h>

/* Appends the string that @text begins with; returns what follows it. */
static const char *
copy_string (GString *out, const char *text)
{
  g_string_append_c (out, *text++);
  for (; *text != '"'; text++) {
    if ((guchar) *text < ' ')
      g_string_append_printf (out, "\\u%04x", *text);
    else
      g_string_append_c (out, *text);
    if (*text == '\\')
      g_string_append_c (out, *++text);
  }
  g_string_append_c (out, *text);
  return text + 1;
}

/* The same of a number, NULL where it is none of JSON: "01", "1." */
static const char *
copy_number (GString *out, const char *text)
{
  const gsize n = strspn (text, "+-0123456789.eE");
  g_autofree char *number = g_strndup (text, n);

  if (!g_regex_match_simple ("\\A-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)"
                             "?\\z",
          number, 0, 0))
    return NULL;
  g_string_append (out, number);
  return text + n;
}

/* cJSON has found @text to be an object but is easy with numbers, blanks and
 * control characters.  NULL for what it should not have let pass. */
static char *
copy_object (const char *text)
{
  g_autoptr (GString) out = g_string_new (NULL);

  while (text && *text)
    if (*text == '"')
      text = copy_string (out, text);
    else if (*text == '-' || g_ascii_isdigit (*text))
      text = copy_number (out, text);
    else if ((guchar) *text <= ' ')
      text++;
    else
      g_string_append_c (out, *text++);
  return text ? g_string_free (g_steal_pointer (&out), FALSE) : NULL;
}

char *
gst_defcn_tags_new (const char *text, GError **error)
{
  const char *start = text + (g_str_has_prefix (text, "\xef\xbb\xbf") ? 3 : 0);
  cJSON *object = cJSON_ParseWithOpts (start, NULL, TRUE);
  char *copy = cJSON_IsObject (object) ? copy_object (start) : NULL;

  cJSON_Delete (object);
  if (!copy)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "\"tags\" is not a JSON object: %s", text);
  return copy;
}
