/* Values of JSON as tools write them. */
#include "json_value.h"

#include <math.h>

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
