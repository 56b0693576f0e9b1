/* Lists of names in a property. */
#include "list.h"

char **
gst_defcn_list_split (const char *text)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  GString *item = g_string_new (NULL);

  for (const char *c = text; *c; c++) {
    if (*c == '\\' && (c[1] == ',' || c[1] == '\\')) {
      g_string_append_c (item, *++c);
    } else if (*c == ',') {
      g_ptr_array_add (items, g_string_free (item, FALSE));
      item = g_string_new (NULL);
    } else {
      g_string_append_c (item, *c);
    }
  }
  if (*text)
    g_ptr_array_add (items, g_string_free (item, FALSE));
  else
    g_string_free (item, TRUE);
  g_ptr_array_add (items, NULL);
  return (char **) g_ptr_array_steal (items, NULL);
}
