/* Lists in one string. */
#include "list.h"

/* The items of @text with @separator between them; "\" takes its meaning from
 * it, and from another "\". */
static char **
split (const char *text, char separator)
{
  GPtrArray *items = g_ptr_array_new ();
  GString *item = g_string_new (NULL);

  for (const char *c = text; *c; c++) {
    if (*c == '\\' && (c[1] == separator || c[1] == '\\')) {
      g_string_append_c (item, *++c);
    } else if (*c == separator) {
      g_ptr_array_add (items, g_string_free (item, FALSE));
      item = g_string_new (NULL);
    } else {
      g_string_append_c (item, *c);
    }
  }
  g_ptr_array_add (items, g_string_free (item, FALSE));
  g_ptr_array_add (items, NULL);
  return (char **) g_ptr_array_free (items, FALSE);
}

char **
defcn_list_split (const char *text)
{
  return split (text, ';');
}

char *
defcn_list_join (const char *const *items)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; items[i]; i++) {
    if (i > 0)
      g_string_append_c (text, ';');
    for (const char *c = items[i]; *c; c++) {
      if (*c == ';' || (*c == '\\' && (c[1] == ';' || c[1] == '\\' || !c[1])))
        g_string_append_c (text, '\\');
      g_string_append_c (text, *c);
    }
  }
  return g_string_free (text, FALSE);
}

char *
defcn_list_from_commas (const char *text)
{
  g_auto (GStrv) items = split (text, ',');

  return defcn_list_join ((const char *const *) items);
}
