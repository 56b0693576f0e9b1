/* Detections on a buffer, written and read. */
#include "meta.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

GType
gst_defcn_meta_flags_get_type (void)
{
  static gsize type = 0;
  static const GFlagsValue values[] = {
    { GST_DEFCN_META_ROI, "GstVideoRegionOfInterestMeta", "roi" },
    { GST_DEFCN_META_ANALYTICS, "GstAnalyticsODMtd (GStreamer 1.24)",
        "analytics" },
    { GST_DEFCN_META_CUSTOM, "Normalised, in the custom meta", "custom" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_flags_register_static ("GstDefcnMetaFlags", values));
  return type;
}

void
gst_defcn_meta_register (void)
{
  static gsize done = 0;
  static const gchar *tags[] = { NULL };

  if (!g_once_init_enter (&done))
    return;
  if (!gst_meta_get_info (GST_DEFCN_META_NAME))
    gst_meta_register_custom (GST_DEFCN_META_NAME, tags, NULL, NULL, NULL);
  g_once_init_leave (&done, 1);
}

/* The nearest border between two pixels; NaN is none beyond 0. */
static int
round_edge (double edge, int size)
{
  return (int) (MIN (MAX (edge, 0), 1) * size + 0.5);
}

static void
round_side (int *start, int *length, double min, double max, int size)
{
  const int a = round_edge (min, size), b = round_edge (max, size);
  const double middle = MIN (MAX ((min + max) / 2, 0), 1) * size;

  *start = a < b ? a : MIN ((int) middle, size - 1);
  *length = MAX (b - a, 1);
}

GstDefcnPixels
gst_defcn_meta_pixels (const GstDefcnObject *object, int width, int height)
{
  GstDefcnPixels p;

  round_side (&p.x, &p.w, object->x_min, object->x_max, width);
  round_side (&p.y, &p.h, object->y_min, object->y_max, height);
  return p;
}

static void
object_set_pixels (GstDefcnObject *o, const GstDefcnPixels *p, int width,
    int height)
{
  o->x_min = CLAMP ((double) p->x / width, 0, 1);
  o->y_min = CLAMP ((double) p->y / height, 0, 1);
  o->x_max = CLAMP (((double) p->x + p->w) / width, 0, 1);
  o->y_max = CLAMP (((double) p->y + p->h) / height, 0, 1);
}

/* The fields that the "detection" of a ROI meta and an object of the custom
 * meta share. */
static GstStructure *
object_to_structure (const GstDefcnObject *o, const char *name)
{
  return gst_structure_new (name, "label_id", G_TYPE_INT, o->label_id,
      "confidence", G_TYPE_DOUBLE, o->confidence, "x_min", G_TYPE_DOUBLE,
      o->x_min, "x_max", G_TYPE_DOUBLE, o->x_max, "y_min", G_TYPE_DOUBLE,
      o->y_min, "y_max", G_TYPE_DOUBLE, o->y_max, NULL);
}

/* FALSE, with what is missing at -1, unless @s has a normalised box. */
static gboolean
object_from_structure (GstDefcnObject *o, const GstStructure *s)
{
  if (!gst_structure_get_double (s, "confidence", &o->confidence))
    o->confidence = -1;
  if (!gst_structure_get_int (s, "label_id", &o->label_id))
    o->label_id = -1;
  if (!gst_structure_get (s, "x_min", G_TYPE_DOUBLE, &o->x_min, "x_max",
          G_TYPE_DOUBLE, &o->x_max, "y_min", G_TYPE_DOUBLE, &o->y_min, "y_max",
          G_TYPE_DOUBLE, &o->y_max, NULL))
    return FALSE;
  /* Some writers put pixels here. */
  return o->x_min >= 0 && o->y_min >= 0 && o->x_max <= 1 && o->y_max <= 1
      && o->x_min < o->x_max && o->y_min < o->y_max;
}

void
gst_defcn_meta_objects_to_value (GValue *value, const GArray *objects)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (guint i = 0; i < objects->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    GstStructure *s = object_to_structure (o, "object");
    GValue item = G_VALUE_INIT;

    gst_structure_set (s, "label", G_TYPE_STRING, g_quark_to_string (o->label),
        NULL);
    g_value_init (&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&item, s);
    gst_value_array_append_and_take_value (value, &item);
  }
}

static void
attach_mark (GstBuffer *buffer, const GArray *objects, const GstDefcnMark *mark,
    gboolean with_objects)
{
  GstCustomMeta *meta =
      gst_buffer_add_custom_meta (buffer, GST_DEFCN_META_NAME);
  GstStructure *s = gst_custom_meta_get_structure (meta);

  gst_structure_set (s, "inferred", G_TYPE_BOOLEAN, mark->inferred, "reason",
      G_TYPE_STRING, mark->reason, "repeated", G_TYPE_BOOLEAN, mark->repeated,
      "inferred-timestamp", G_TYPE_UINT64, mark->timestamp, "model",
      G_TYPE_STRING, mark->model, "n-objects", G_TYPE_UINT, objects->len, NULL);
  if (with_objects) {
    GValue value = G_VALUE_INIT;

    gst_defcn_meta_objects_to_value (&value, objects);
    gst_structure_take_value (s, "objects", &value);
  }
}

static void
attach_roi (GstBuffer *buffer, const GstDefcnObject *o, const GstDefcnPixels *p,
    int id)
{
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta_id (buffer, o->label, p->x,
          p->y, p->w, p->h);

  roi->id = id;
  roi->parent_id = o->parent_id;
  gst_video_region_of_interest_meta_add_param (roi,
      object_to_structure (o, "detection"));
}

static GstVideoRegionOfInterestMeta *
next_roi (GstBuffer *buffer, gpointer *state)
{
  return (
      GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (buffer,
      state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

/* Ids start at 1: 0 is what those who know no ids leave there. */
static int
next_roi_id (GstBuffer *buffer)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi;
  int id = 1;

  while ((roi = next_roi (buffer, &state)))
    id = MAX (id, roi->id + 1);
  return id;
}

#ifdef HAVE_ANALYTICS

GstDefcnMetaFlags
gst_defcn_meta_supported (void)
{
  return GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS | GST_DEFCN_META_CUSTOM;
}

/* Room for all objects at once: growing it costs five times as much. */
static gpointer
relations_new (GstBuffer *buffer, guint n)
{
  GstAnalyticsRelationMetaInitParams room = { n + 8, (n + 8) * 96 };

  return gst_buffer_add_analytics_relation_meta_full (buffer, &room);
}

/* The id that the ROI meta of the same object gets, @otherwise on failure. */
static int
relations_add (gpointer relations, const GstDefcnObject *o,
    const GstDefcnPixels *p, int otherwise)
{
  GstAnalyticsODMtd od = { 0 };

  if (!gst_analytics_relation_meta_add_od_mtd (relations, o->label, p->x, p->y,
          p->w, p->h, (gfloat) o->confidence, &od))
    return otherwise;
  return (int) od.id;
}

static void
read_relations (GstBuffer *buffer, GArray *objects, int width, int height)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsODMtd od;
  gpointer state = NULL;

  while (relations
      && gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &od)) {
    GstDefcnObject o = { .label_id = -1 };
    gfloat confidence;
    GstDefcnPixels p;

    if (!gst_analytics_od_mtd_get_location (&od, &p.x, &p.y, &p.w, &p.h,
            &confidence))
      continue;
    o.label = gst_analytics_od_mtd_get_obj_type (&od);
    o.confidence = confidence;
    object_set_pixels (&o, &p, width, height);
    g_array_append_val (objects, o);
  }
}

#else

GstDefcnMetaFlags
gst_defcn_meta_supported (void)
{
  return GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM;
}

static gpointer
relations_new (GstBuffer *buffer, guint n)
{
  return NULL;
}

static int
relations_add (gpointer relations, const GstDefcnObject *o,
    const GstDefcnPixels *p, int otherwise)
{
  return otherwise;
}

static void
read_relations (GstBuffer *buffer, GArray *objects, int width, int height)
{
}

#endif

void
gst_defcn_meta_attach (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, GstDefcnMetaFlags flags, int width, int height)
{
  gpointer relations = NULL;
  int id = next_roi_id (buffer);

  attach_mark (buffer, objects, mark, (flags & GST_DEFCN_META_CUSTOM) != 0);
  if ((flags & GST_DEFCN_META_ANALYTICS) && objects->len)
    relations = relations_new (buffer, objects->len);

  for (guint i = 0; i < objects->len; i++, id++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    GstDefcnPixels p = gst_defcn_meta_pixels (o, width, height);

    if (relations)
      id = relations_add (relations, o, &p, id);
    if (flags & GST_DEFCN_META_ROI)
      attach_roi (buffer, o, &p, id);
  }
}

/* The next mark on @buffer: a frame that passed two detectors has two. */
static GstStructure *
next_mark (GstBuffer *buffer, gpointer *state)
{
  const GstMetaInfo *info = gst_meta_get_info (GST_DEFCN_META_NAME);
  GstMeta *meta =
      info ? gst_buffer_iterate_meta_filtered (buffer, state, info->api) : NULL;

  return meta ? gst_custom_meta_get_structure ((GstCustomMeta *) meta) : NULL;
}

static void
read_custom (GstBuffer *buffer, GArray *objects)
{
  gpointer state = NULL;
  GstStructure *s;

  while ((s = next_mark (buffer, &state))) {
    const GValue *list = gst_structure_get_value (s, "objects");

    for (guint i = 0; list && i < gst_value_array_get_size (list); i++) {
      const GstStructure *item =
          gst_value_get_structure (gst_value_array_get_value (list, i));
      GstDefcnObject o = { 0 };

      if (!object_from_structure (&o, item))
        continue;
      o.label = g_quark_from_string (gst_structure_get_string (item, "label"));
      g_array_append_val (objects, o);
    }
  }
}

/* ROI metas with (@detected) or without a "detection". */
static void
read_rois (GstBuffer *buffer, GArray *objects, int width, int height,
    gboolean detected)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi;

  while ((roi = next_roi (buffer, &state))) {
    GstDefcnObject o = { .label = roi->roi_type,
      .parent_id = roi->parent_id,
      .confidence = -1,
      .label_id = -1 };
    GstStructure *s =
        gst_video_region_of_interest_meta_get_param (roi, "detection");
    GstDefcnPixels p = { (int) roi->x, (int) roi->y, (int) roi->w,
      (int) roi->h };

    if ((s != NULL) != detected)
      continue;
    if (!s || !object_from_structure (&o, s))
      object_set_pixels (&o, &p, width, height);
    g_array_append_val (objects, o);
  }
}

/* Bare ROI metas are detections that lost their structure on the way, unless
 * a detector said that it found nothing: then they are somebody's zones. */
static gboolean
bare_rois_are_objects (GstBuffer *buffer)
{
  gpointer state = NULL;
  GstStructure *s;
  guint n, sum = 0;
  gboolean marked = FALSE;

  while ((s = next_mark (buffer, &state))) {
    marked = TRUE;
    if (gst_structure_get_uint (s, "n-objects", &n))
      sum += n;
  }
  return !marked || sum;
}

/* Others' labels may be in any encoding. */
static GQuark
valid_label (GQuark label)
{
  const char *text = g_quark_to_string (label);
  g_autofree char *valid = NULL;

  if (!text || g_utf8_validate (text, -1, NULL))
    return label;
  valid = g_utf8_make_valid (text, -1);
  return g_quark_from_string (valid);
}

guint
gst_defcn_meta_read (GstBuffer *buffer, GArray *objects, int width, int height)
{
  guint before = objects->len;

  read_custom (buffer, objects);
  if (objects->len == before)
    read_rois (buffer, objects, width, height, TRUE);
  if (objects->len == before)
    read_relations (buffer, objects, width, height);
  if (objects->len == before && bare_rois_are_objects (buffer))
    read_rois (buffer, objects, width, height, FALSE);
  for (guint i = before; i < objects->len; i++) {
    GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);

    o->label = valid_label (o->label);
  }
  return objects->len - before;
}

gboolean
gst_defcn_meta_read_mark (GstBuffer *buffer, GstDefcnMark *mark)
{
  gpointer state = NULL;
  GstStructure *s, *last = NULL;
  const char *reason, *model;

  *mark = (GstDefcnMark){ .reason = "",
    .model = "",
    .timestamp = GST_CLOCK_TIME_NONE };
  while ((s = next_mark (buffer, &state)))
    last = s;
  if (!last)
    return FALSE;

  gst_structure_get_boolean (last, "inferred", &mark->inferred);
  gst_structure_get_boolean (last, "repeated", &mark->repeated);
  gst_structure_get_uint64 (last, "inferred-timestamp", &mark->timestamp);
  reason = gst_structure_get_string (last, "reason");
  model = gst_structure_get_string (last, "model");
  mark->reason = g_intern_string (reason ? reason : "");
  mark->model = g_intern_string (model ? model : "");
  return TRUE;
}
