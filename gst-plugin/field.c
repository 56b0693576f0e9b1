/* Properties that are plain fields of an element. */
#include "field.h"

void
gst_defcn_field_set (gpointer field, const GValue *value)
{
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_STRING:
      g_free (*(char **) field);
      *(char **) field = g_value_dup_string (value);
      break;
    case G_TYPE_BOOLEAN:
      *(gboolean *) field = g_value_get_boolean (value);
      break;
    case G_TYPE_INT:
      *(int *) field = g_value_get_int (value);
      break;
    case G_TYPE_UINT:
      *(guint *) field = g_value_get_uint (value);
      break;
    case G_TYPE_UINT64:
      *(guint64 *) field = g_value_get_uint64 (value);
      break;
    case G_TYPE_FLOAT:
      *(float *) field = g_value_get_float (value);
      break;
    case G_TYPE_ENUM:
      *(int *) field = g_value_get_enum (value);
      break;
    case G_TYPE_FLAGS:
      *(guint *) field = g_value_get_flags (value);
      break;
    default:
      g_return_if_reached ();
  }
}

void
gst_defcn_field_get (GValue *value, gconstpointer field)
{
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
    case G_TYPE_STRING:
      g_value_set_string (value, *(char *const *) field);
      break;
    case G_TYPE_BOOLEAN:
      g_value_set_boolean (value, *(const gboolean *) field);
      break;
    case G_TYPE_INT:
      g_value_set_int (value, *(const int *) field);
      break;
    case G_TYPE_UINT:
      g_value_set_uint (value, *(const guint *) field);
      break;
    case G_TYPE_UINT64:
      g_value_set_uint64 (value, *(const guint64 *) field);
      break;
    case G_TYPE_FLOAT:
      g_value_set_float (value, *(const float *) field);
      break;
    case G_TYPE_ENUM:
      g_value_set_enum (value, *(const int *) field);
      break;
    case G_TYPE_FLAGS:
      g_value_set_flags (value, *(const guint *) field);
      break;
    default:
      g_return_if_reached ();
  }
}

gboolean
gst_defcn_field_differs (gconstpointer field, const GValue *value,
    GParamSpec *pspec)
{
  GValue now = G_VALUE_INIT;
  gboolean differs;

  g_value_init (&now, G_PARAM_SPEC_VALUE_TYPE (pspec));
  gst_defcn_field_get (&now, field);
  differs = g_param_values_cmp (pspec, &now, value) != 0;
  g_value_unset (&now);
  return differs;
}

void
gst_defcn_field_warn_fixed (GstElement *element, const GParamSpec *pspec)
{
  GST_ELEMENT_WARNING (element, RESOURCE, SETTINGS,
      ("\"%s\" cannot be changed while the element runs.", pspec->name),
      ("The old value goes on; set it in the state READY or NULL."));
}
