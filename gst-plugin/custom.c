/* Custom metas, and where they go along. */
#include "custom.h"

/* Scalers keep the display aspect or put borders around the picture; with less
 * than two pixels of borders no box moves by more than one. */
static gboolean
keeps_aspect (const GstVideoMetaTransform *scale)
{
  const GstVideoInfo *in = scale->in_info, *out = scale->out_info;
  const double from = (double) in->width * in->par_n / in->par_d / in->height;
  const double to = (double) out->width * out->par_n / out->par_d / out->height;

  return from > to ? out->height * (1 - to / from) < 2
                   : out->width * (1 - from / to) < 2;
}

static gboolean
copy_field (GQuark name, const GValue *value, gpointer to)
{
  gst_structure_id_set_value (to, name, value);
  return TRUE;
}

/* What comes along into another buffer.  @name: of the meta. */
static gboolean
transform_geometry (GstBuffer *to, GstCustomMeta *meta, GstBuffer *from,
    GQuark type, gpointer data, gpointer name)
{
  GstStructure *s = gst_custom_meta_get_structure (meta), *copy;
  const gboolean is_copy = GST_META_TRANSFORM_IS_COPY (type);

  if (!gst_defcn_custom_same_crop (from, s))
    return FALSE;
  if (is_copy
          ? ((const GstMetaTransformCopy *) data)->region
          : !GST_VIDEO_META_TRANSFORM_IS_SCALE (type) || !keeps_aspect (data))
    return FALSE;
  copy = gst_defcn_custom_add (to, name);
  gst_structure_foreach (s, copy_field, copy);
  if (!is_copy) /* a picture that was made is as large as its frame */
    gst_structure_remove_field (copy, "crop");
  return TRUE;
}

void
gst_defcn_custom_register (const char *name)
{
  static const gchar *none[] = { NULL };

  if (!gst_meta_get_info (name))
    gst_meta_register_custom (name, none, NULL, NULL, NULL);
}

void
gst_defcn_custom_register_geometry (const char *name)
{
  static const gchar *geometry[] = { GST_META_TAG_VIDEO_STR,
    GST_META_TAG_VIDEO_SIZE_STR, GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  if (!gst_meta_get_info (name))
    gst_meta_register_custom (name, geometry, transform_geometry,
        (gpointer) name, NULL);
}

GstStructure *
gst_defcn_custom_add (GstBuffer *buffer, const char *name)
{
  return gst_custom_meta_get_structure (
      gst_buffer_add_custom_meta (buffer, name));
}

GstStructure *
gst_defcn_custom_next (GstBuffer *buffer, const char *name, gpointer *state)
{
  const GstMetaInfo *info = gst_meta_get_info (name);
  GstMeta *meta =
      info ? gst_buffer_iterate_meta_filtered (buffer, state, info->api) : NULL;

  return meta ? gst_custom_meta_get_structure ((GstCustomMeta *) meta) : NULL;
}

void
gst_defcn_custom_set_ints (GstStructure *s, const char *field,
    const int *values, guint n)
{
  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;

  g_value_init (&array, GST_TYPE_ARRAY);
  g_value_init (&item, G_TYPE_INT);
  for (guint i = 0; i < n; i++) {
    g_value_set_int (&item, values[i]);
    gst_value_array_append_value (&array, &item);
  }
  gst_structure_take_value (s, field, &array);
}

void
gst_defcn_custom_note_crop (GstBuffer *buffer, GstStructure *s)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);

  if (crop) {
    const int edges[] = { (int) crop->x, (int) crop->y, (int) crop->width,
      (int) crop->height };

    gst_defcn_custom_set_ints (s, "crop", edges, G_N_ELEMENTS (edges));
  }
}

gboolean
gst_defcn_custom_same_crop (GstBuffer *buffer, const GstStructure *s)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  const GValue *noted = gst_structure_get_value (s, "crop");
  guint now[4] = { 0 };

  if (!crop || !noted)
    return !crop && !noted;
  now[0] = crop->x;
  now[1] = crop->y;
  now[2] = crop->width;
  now[3] = crop->height;
  if (!GST_VALUE_HOLDS_ARRAY (noted) || gst_value_array_get_size (noted) != 4)
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    const GValue *v = gst_value_array_get_value (noted, i);

    if (!G_VALUE_HOLDS_INT (v) || g_value_get_int (v) != (int) now[i])
      return FALSE;
  }
  return TRUE;
}
