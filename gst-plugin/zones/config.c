/* Zones and lines in a JSON file. */
#include "config.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "object.h"

static gboolean
read_point (GstDefcnPoint *p, const cJSON *item)
{
  const cJSON *x = cJSON_GetArrayItem (item, 0);
  const cJSON *y = cJSON_GetArrayItem (item, 1);

  if (!cJSON_IsArray (item) || cJSON_GetArraySize (item) != 2
      || !cJSON_IsNumber (x) || !cJSON_IsNumber (y))
    return FALSE;
  *p = (GstDefcnPoint){ x->valuedouble, y->valuedouble };
  return TRUE;
}

static gboolean
read_points (GArray *points, const cJSON *array, GError **error)
{
  const cJSON *item;
  GstDefcnPoint p;

  for (item = array->child; item; item = item->next) {
    if (!read_point (&p, item))
      break;
    g_array_append_val (points, p);
  }
  if (!cJSON_IsArray (array) || item)
    return gst_defcn_error_settings (error,
        "points are no array of pairs [X, Y] of numbers");
  return TRUE;
}

static gboolean
read_labels (GstDefcnLayoutOptions *options, const cJSON *array, GError **error)
{
  g_autoptr (GPtrArray) labels = g_ptr_array_new ();
  const cJSON *item;

  for (item = array->child; item; item = item->next) {
    if (!cJSON_IsString (item))
      break;
    g_ptr_array_add (labels, item->valuestring);
  }
  if (!cJSON_IsArray (array) || item)
    return gst_defcn_error_settings (error, "classes are no array of strings");
  g_ptr_array_add (labels, NULL);
  return gst_defcn_layout_set_labels (options,
      (const char *const *) labels->pdata, error);
}

static gboolean
read_option (GstDefcnLayoutOptions *options, const cJSON *item, GError **error)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (strcmp (item->string, "classes") == 0)
    return read_labels (options, item, error);
  if (cJSON_IsString (item))
    return gst_defcn_layout_set_option (options, item->string,
        item->valuestring, error);
  if (!cJSON_IsNumber (item))
    return gst_defcn_error_settings (error,
        "\"%s\" is neither a number nor a string", item->string);
  g_ascii_formatd (number, sizeof number, "%.15g", item->valuedouble);
  return gst_defcn_layout_set_option (options, item->string, number, error);
}

static gboolean
read_members (GArray *points, GstDefcnLayoutOptions *options, const cJSON *item,
    GError **error)
{
  const cJSON *member;

  for (member = item->child; member; member = member->next) {
    if (strcmp (member->string, "name") == 0)
      continue;
    if (strcmp (member->string, "points") == 0
            ? !read_points (points, member, error)
            : !read_option (options, member, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_place (GArray *layout, const cJSON *item, gboolean is_line,
    const GstDefcnLayoutOptions *defaults, GError **error)
{
  const char *name =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (item, "name"));
  g_autoptr (GArray) points =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnPoint));
  GstDefcnLayoutOptions options = *defaults;
  gboolean good;

  if (!name)
    return gst_defcn_error_settings (error, "one of the %s has no \"name\"",
        is_line ? "lines" : "zones");
  if (options.labels)
    g_array_ref (options.labels);
  good = read_members (points, &options, item, error);
  if (!good)
    g_prefix_error (error, "\"%s\": ", name);
  good = good
      && gst_defcn_layout_add (layout, name, is_line, points, &options, error);
  g_clear_pointer (&options.labels, g_array_unref);
  return good;
}

static gboolean
read_places (GArray *layout, const cJSON *array,
    const GstDefcnLayoutOptions *defaults, GError **error)
{
  const cJSON *item;

  if (!cJSON_IsArray (array))
    return gst_defcn_error_settings (error, "\"%s\" is no array",
        array->string);
  for (item = array->child; item; item = item->next)
    if (!read_place (layout, item, strcmp (array->string, "lines") == 0,
            defaults, error))
      return FALSE;
  return TRUE;
}

static gboolean
is_list (const cJSON *member)
{
  return strcmp (member->string, "zones") == 0
      || strcmp (member->string, "lines") == 0;
}

/* What holds for all comes first, wherever it stands. */
static gboolean
read_file (GArray *layout, const cJSON *file, GstDefcnLayoutOptions *options,
    GError **error)
{
  const cJSON *member;

  if (!cJSON_IsObject (file))
    return gst_defcn_error_settings (error, "no JSON object");
  for (member = file->child; member; member = member->next)
    if (!is_list (member) && !read_option (options, member, error))
      return FALSE;
  for (member = file->child; member; member = member->next)
    if (is_list (member) && !read_places (layout, member, options, error))
      return FALSE;
  return TRUE;
}

gboolean
gst_defcn_config_parse (GArray *layout, const char *text, const char *name,
    const GstDefcnLayoutOptions *defaults, GError **error)
{
  GstDefcnLayoutOptions options = *defaults;
  const char *end = NULL;
  cJSON *file = cJSON_ParseWithOpts (text, &end, TRUE);
  gboolean good;

  if (options.labels)
    g_array_ref (options.labels);
  if (file) {
    good = read_file (layout, file, &options, error);
  } else {
    int line = 1;

    for (const char *c = text; c < end; c++)
      line += *c == '\n';
    good = gst_defcn_error_settings (error, "no JSON, line %d", line);
  }
  if (!good)
    g_prefix_error (error, "%s: ", name);
  cJSON_Delete (file);
  g_clear_pointer (&options.labels, g_array_unref);
  return good;
}
