/* Values of JSON as tools write them. */
#include "json_value.h"

#include <math.h>
#include <string.h>

gboolean
defcn_json_value_number (double *number, const cJSON *value)
{
  const char *text = cJSON_GetStringValue (value);
  char *end;

  if (text) {
    *number = g_ascii_strtod (text, &end);
    return end != text && *end == '\0' && isfinite (*number);
  }
  if (!cJSON_IsNumber (value))
    return FALSE;
  *number = value->valuedouble;
  return isfinite (*number);
}

gboolean
defcn_json_value_box (double box[4], const cJSON *value)
{
  if (!cJSON_IsArray (value) || cJSON_GetArraySize (value) != 4)
    return FALSE;
  for (int k = 0; k < 4; k++)
    if (!defcn_json_value_number (&box[k], cJSON_GetArrayItem (value, k)))
      return FALSE;
  return TRUE;
}

gboolean
defcn_json_value_flag (const cJSON *value)
{
  const char *text = cJSON_GetStringValue (value);
  double number;

  return cJSON_IsTrue (value)
      || (text && g_ascii_strcasecmp (text, "true") == 0)
      || (defcn_json_value_number (&number, value) && number != 0);
}

gboolean
defcn_json_value_replace_nan (GString *json)
{
  static const char *const words[] = { "NaN", "-Infinity", "Infinity" };
  g_autoptr (GString) text = g_string_sized_new (json->len);
  gboolean any = FALSE, quoted = FALSE;

  for (const char *c = json->str; *c; c++) {
    gsize skip = 0;

    for (gsize k = 0; !quoted && !skip && k < G_N_ELEMENTS (words); k++)
      skip = g_str_has_prefix (c, words[k]) ? strlen (words[k]) : 0;
    if (skip > 0) {
      g_string_append (text, "null");
      c += skip - 1;
      any = TRUE;
      continue;
    }
    if (*c == '"')
      quoted = !quoted;
    else if (quoted && *c == '\\' && c[1])
      g_string_append_c (text, *c++);
    g_string_append_c (text, *c);
  }
  g_string_assign (json, text->str);
  return any;
}
