/* One frame's detections as a JSON record. */
#include "record.h"

#include <math.h>

/* The shortest text that reads back to the same bits, of which cJSON's own may
 * lose the last; nothing for what JSON has no number for. */
static void
add_double (cJSON *object, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value))
    return;
  for (int digits = 15; digits <= 17; digits++) {
    char format[8];

    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (text, sizeof text, format, value);
    if (g_ascii_strtod (text, NULL) == value)
      break;
  }
  cJSON_AddRawToObject (object, name, text);
}

static cJSON *
object_to_json (const GstDefcnObject *object, int width, int height)
{
  const char *label = object->label ? g_quark_to_string (object->label) : "";
  const GstDefcnPixels p = gst_defcn_meta_pixels (object, width, height);
  cJSON *item = cJSON_CreateObject ();
  cJSON *detection = cJSON_AddObjectToObject (item, "detection");
  cJSON *box = cJSON_AddObjectToObject (detection, "bounding_box");

  add_double (box, "x_min", object->x_min);
  add_double (box, "x_max", object->x_max);
  add_double (box, "y_min", object->y_min);
  add_double (box, "y_max", object->y_max);
  if (object->confidence >= 0)
    add_double (detection, "confidence", object->confidence);
  cJSON_AddStringToObject (detection, "label", label);
  if (object->label_id >= 0)
    cJSON_AddNumberToObject (detection, "label_id", object->label_id);
  cJSON_AddNumberToObject (item, "h", p.h);
  cJSON_AddStringToObject (item, "roi_type", label);
  cJSON_AddNumberToObject (item, "w", p.w);
  cJSON_AddNumberToObject (item, "x", p.x);
  cJSON_AddNumberToObject (item, "y", p.y);
  return item;
}

static void
add_mark (cJSON *object, const GstDefcnMark *mark)
{
  cJSON_AddBoolToObject (object, "inferred", mark->inferred);
  if (mark->lost)
    cJSON_AddNumberToObject (object, "lost", mark->lost);
  if (!mark->inferred)
    cJSON_AddStringToObject (object, "reason", mark->reason);
  else if (mark->lost)
    cJSON_AddStringToObject (object, "reason", "lost");
  if (mark->repeated)
    cJSON_AddBoolToObject (object, "repeated", TRUE);
}

/* To the nanosecond, of which a double loses some after a hundred days. */
static void
add_time (cJSON *object, const char *name, GstClockTime time)
{
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, time);
  cJSON_AddRawToObject (object, name, text);
}

/* The text that @printed is with @indent spaces for each level: cJSON indents
 * with tabs, has one after each colon, and escapes those in strings. */
static char *
indent_by (const char *printed, int indent)
{
  GString *text = g_string_new (NULL);

  for (const char *c = printed; *c; c++) {
    if (*c != '\t')
      g_string_append_c (text, *c);
    else if (c[-1] == ':')
      g_string_append_c (text, ' ');
    else
      g_string_append_printf (text, "%*s", indent, "");
  }
  return g_string_free (text, FALSE);
}

char *
gst_defcn_record_to_json (const GstDefcnRecord *record, const GArray *objects,
    int indent)
{
  cJSON *object = cJSON_CreateObject ();
  cJSON *array = cJSON_AddArrayToObject (object, "objects");
  cJSON *resolution;

  for (guint i = 0; i < objects->len; i++)
    cJSON_AddItemToArray (array,
        object_to_json (&g_array_index (objects, GstDefcnObject, i),
            record->width, record->height));
  resolution = cJSON_AddObjectToObject (object, "resolution");
  cJSON_AddNumberToObject (resolution, "width", record->width);
  cJSON_AddNumberToObject (resolution, "height", record->height);
  if (record->source)
    cJSON_AddStringToObject (object, "source", record->source);
  if (record->tags)
    cJSON_AddItemToObject (object, "tags", cJSON_Parse (record->tags));
  if (GST_CLOCK_TIME_IS_VALID (record->timestamp))
    add_time (object, "timestamp", record->timestamp);
  if (record->utc)
    cJSON_AddStringToObject (object, "timestamp_utc", record->utc);
  if (record->mark)
    add_mark (object, record->mark);

  g_autofree char *valid = NULL;
  char *text =
      indent < 0 ? cJSON_PrintUnformatted (object) : cJSON_Print (object);

  cJSON_Delete (object);
  /* Properties may be in any encoding; JSON is UTF-8. */
  valid = g_utf8_make_valid (text, -1);
  cJSON_free (text);
  return indent < 0 ? g_steal_pointer (&valid) : indent_by (valid, indent);
}
