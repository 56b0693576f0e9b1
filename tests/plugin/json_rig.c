/* What the tests of defcnpublish share. */
#include "json_rig.h"

#include <string.h>

GstHarness *
json_rig_harness (const char *location, const char *properties)
{
  GstHarness *h = gst_harness_new ("defcnpublish");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");
  g_auto (GStrv) pairs = g_strsplit (properties, ";", -1);

  gst_element_set_state (h->element, GST_STATE_NULL);
  if (location)
    g_object_set (element, "location", location, NULL);
  for (guint i = 0; pairs[i] && *pairs[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (pairs[i], "=", 2);

    if (G_IS_PARAM_SPEC_STRING (
            g_object_class_find_property (G_OBJECT_GET_CLASS (element),
                pair[0])))
      g_object_set (element, pair[0], pair[1], NULL); /* any bytes */
    else
      gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
  }
  gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
  gst_harness_play (h);
  return h;
}

GstBuffer *
json_rig_frame (guint i, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark)
{
  GstBuffer *buffer =
      gst_buffer_new_allocate (NULL, JSON_RIG_WIDTH * JSON_RIG_HEIGHT, NULL);
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  GST_BUFFER_PTS (buffer) = i * (GST_SECOND / 25);
  g_array_append_vals (array, objects, n);
  if (mark)
    gst_defcn_meta_attach (buffer, array, mark, GST_DEFCN_META_CUSTOM,
        JSON_RIG_WIDTH, JSON_RIG_HEIGHT);
  return buffer;
}

GstDefcnObject
json_rig_object (const char *label)
{
  return (GstDefcnObject){ 0.25, 0.5, 0.75, 1, 0.875, 2,
    g_quark_from_string (label), 0 };
}

void
json_rig_push (GstHarness *h, GstBuffer *buffer)
{
  GstBuffer *out = gst_harness_push_and_pull (h, buffer);

  g_assert_true (out == buffer); /* passes uncopied */
  gst_buffer_unref (out);
}

void
json_rig_push_eos (GstHarness *h)
{
  g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
}

char *
json_rig_contents (const char *path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

void
json_rig_free (cJSON **json)
{
  cJSON_Delete (*json);
}

cJSON *
json_rig_parse_lines (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  cJSON *array = cJSON_CreateArray ();
  const guint n = g_strv_length (lines);

  g_assert_cmpstr (lines[n - 1], ==, "");
  for (guint i = 0; i + 1 < n; i++) {
    cJSON *record = cJSON_Parse (lines[i]);

    g_assert_true (cJSON_IsObject (record));
    cJSON_AddItemToArray (array, record);
  }
  return array;
}

cJSON *
json_rig_at (cJSON *json, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, ".", -1);

  for (guint i = 0; names[i]; i++) {
    json = g_ascii_isdigit (*names[i])
        ? cJSON_GetArrayItem (json, atoi (names[i]))
        : cJSON_GetObjectItemCaseSensitive (json, names[i]);
    if (!json)
      return NULL;
  }
  return json;
}

double
json_rig_number (cJSON *json, const char *path)
{
  cJSON *item = json_rig_at (json, path);

  if (!cJSON_IsNumber (item))
    g_error ("%s is no number", path);
  return item->valuedouble;
}

const char *
json_rig_string (cJSON *json, const char *path)
{
  cJSON *item = json_rig_at (json, path);

  if (!cJSON_IsString (item))
    g_error ("%s is no string", path);
  return item->valuestring;
}

void
json_rig_assert_array (const char *path, int n)
{
  g_autofree char *text = json_rig_contents (path);
  const char *end = NULL;
  JSON_RIG_AUTO *json = cJSON_ParseWithOpts (text, &end, TRUE);

  g_test_message ("%s", text);
  g_assert_true (cJSON_IsArray (json));
  g_assert_cmpint (cJSON_GetArraySize (json), ==, n);
}
