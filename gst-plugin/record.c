/* One frame's detections as a JSON record. */
#include "record.h"

#include <math.h>

static cJSON *
object_to_json (const GstDefcnObject *object, int width, int height)
{
  const char *label = object->label ? g_quark_to_string (object->label) : "";
  const int x = lround (object->x_min * width);
  const int y = lround (object->y_min * height);
  cJSON *item = cJSON_CreateObject ();
  cJSON *detection = cJSON_AddObjectToObject (item, "detection");
  cJSON *box = cJSON_AddObjectToObject (detection, "bounding_box");

  cJSON_AddNumberToObject (box, "x_min", object->x_min);
  cJSON_AddNumberToObject (box, "x_max", object->x_max);
  cJSON_AddNumberToObject (box, "y_min", object->y_min);
  cJSON_AddNumberToObject (box, "y_max", object->y_max);
  if (object->confidence >= 0)
    cJSON_AddNumberToObject (detection, "confidence", object->confidence);
  cJSON_AddStringToObject (detection, "label", label);
  if (object->label_id >= 0)
    cJSON_AddNumberToObject (detection, "label_id", object->label_id);
  cJSON_AddNumberToObject (item, "h", lround (object->y_max * height) - y);
  cJSON_AddStringToObject (item, "roi_type", label);
  cJSON_AddNumberToObject (item, "w", lround (object->x_max * width) - x);
  cJSON_AddNumberToObject (item, "x", x);
  cJSON_AddNumberToObject (item, "y", y);
  return item;
}

static void
add_mark (cJSON *object, const GstDefcnMark *mark)
{
  cJSON_AddBoolToObject (object, "inferred", mark->inferred);
  if (!mark->inferred)
    cJSON_AddStringToObject (object, "reason", mark->reason);
  if (mark->repeated)
    cJSON_AddBoolToObject (object, "repeated", TRUE);
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
    cJSON_AddNumberToObject (object, "timestamp", record->timestamp);
  if (record->utc)
    cJSON_AddStringToObject (object, "timestamp_utc", record->utc);
  if (record->mark)
    add_mark (object, record->mark);

  char *text =
      indent < 0 ? cJSON_PrintUnformatted (object) : cJSON_Print (object);
  char *json = g_strdup (text);
  cJSON_free (text);
  cJSON_Delete (object);
  return json;
}
