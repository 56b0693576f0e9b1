/* Detections on a buffer, written and read. */
#include "meta.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define MAX_SIDE 1000000 /* pixels, of what others write */
#define MAX_SETS 64      /* detectors in a row */

GType
gst_defcn_meta_flags_get_type (void)
{
  static gsize type = 0;
  static const GFlagsValue values[] = {
    { GST_DEFCN_META_ROI, "GstVideoRegionOfInterestMeta", "roi" },
    { GST_DEFCN_META_ANALYTICS, "GstAnalyticsODMtd (GStreamer 1.24)",
        "analytics" },
    { GST_DEFCN_META_CUSTOM, "Nothing but the custom meta \"defcn-objects\"",
        "custom" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_flags_register_static ("GstDefcnMetaFlags", values));
  return type;
}

/* TRUE when the crop of @buffer is that which was noted with the boxes:
 * videocrop may leave the memory as it is and change no more than that. */
static gboolean
has_same_crop (GstBuffer *buffer, const GstStructure *boxes)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  const GValue *noted = gst_structure_get_value (boxes, "crop");
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

/* What comes with the boxes into another buffer. */
static gboolean
transform_boxes (GstBuffer *to, GstCustomMeta *meta, GstBuffer *from,
    GQuark type, gpointer data, gpointer user_data)
{
  GstStructure *s = gst_custom_meta_get_structure (meta), *copy;
  const gboolean is_copy = GST_META_TRANSFORM_IS_COPY (type);

  if (!has_same_crop (from, s))
    return FALSE;
  if (is_copy
          ? ((const GstMetaTransformCopy *) data)->region
          : !GST_VIDEO_META_TRANSFORM_IS_SCALE (type) || !keeps_aspect (data))
    return FALSE;
  copy = gst_custom_meta_get_structure (
      gst_buffer_add_custom_meta (to, GST_DEFCN_META_OBJECTS_NAME));
  gst_structure_foreach (s, copy_field, copy);
  if (!is_copy) /* a picture that was made is as large as its frame */
    gst_structure_remove_field (copy, "crop");
  return TRUE;
}

void
gst_defcn_meta_register (void)
{
  static gsize done = 0;
  static const gchar *none[] = { NULL };
  static const gchar *geometry[] = { GST_META_TAG_VIDEO_STR,
    GST_META_TAG_VIDEO_SIZE_STR, GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  if (!g_once_init_enter (&done))
    return;
  if (!gst_meta_get_info (GST_DEFCN_META_NAME))
    gst_meta_register_custom (GST_DEFCN_META_NAME, none, NULL, NULL, NULL);
  if (!gst_meta_get_info (GST_DEFCN_META_OBJECTS_NAME))
    gst_meta_register_custom (GST_DEFCN_META_OBJECTS_NAME, geometry,
        transform_boxes, NULL, NULL);
  g_once_init_leave (&done, 1);
}

static const char *
label_text (const char *text)
{
  return g_quark_to_string (gst_defcn_object_label (text));
}

void
gst_defcn_meta_objects_to_value (GValue *value, const GArray *objects)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (guint i = 0; i < objects->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    GstStructure *s = gst_defcn_object_to_structure (o, "object");
    GValue item = G_VALUE_INIT;

    gst_structure_set (s, "label", G_TYPE_STRING, g_quark_to_string (o->label),
        "parent_id", G_TYPE_INT, o->parent_id, NULL);
    if (o->parent)
      gst_structure_set (s, "parent", G_TYPE_STRING,
          label_text (g_quark_to_string (o->parent)), NULL);
    g_value_init (&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&item, s);
    gst_value_array_append_and_take_value (value, &item);
  }
}

/* @meta of a buffer, one after the other. */
static GstStructure *
next_custom (GstBuffer *buffer, const char *name, gpointer *state)
{
  const GstMetaInfo *info = gst_meta_get_info (name);
  GstMeta *meta =
      info ? gst_buffer_iterate_meta_filtered (buffer, state, info->api) : NULL;

  return meta ? gst_custom_meta_get_structure ((GstCustomMeta *) meta) : NULL;
}

/* The next mark on @buffer: a frame that passed two detectors has two. */
static GstStructure *
next_mark (GstBuffer *buffer, gpointer *state)
{
  return next_custom (buffer, GST_DEFCN_META_NAME, state);
}

static guint
next_set (GstBuffer *buffer)
{
  gpointer state = NULL;
  const GstStructure *s;
  guint set = 0, n;

  while ((s = next_mark (buffer, &state)))
    if (gst_structure_get_uint (s, "set", &n))
      set = MAX (set, n + 1);
  return set;
}

static void
set_ints (GstStructure *s, const char *field, const int *values, guint n)
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

/* @objects: NULL where nobody wants them, and nothing can be lost. */
static void
attach_boxes (GstBuffer *buffer, const GArray *objects, guint set)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  GstStructure *s = gst_custom_meta_get_structure (
      gst_buffer_add_custom_meta (buffer, GST_DEFCN_META_OBJECTS_NAME));
  GValue value = G_VALUE_INIT;

  gst_structure_set (s, "set", G_TYPE_UINT, set, NULL);
  if (objects) {
    gst_defcn_meta_objects_to_value (&value, objects);
    gst_structure_take_value (s, "objects", &value);
  }
  if (crop) {
    const int edges[] = { crop->x, crop->y, crop->width, crop->height };

    set_ints (s, "crop", edges, G_N_ELEMENTS (edges));
  }
}

/* @ids: of the first and the last object, the last less than the first where
 * there are none. */
static void
attach_mark (GstBuffer *buffer, const GstDefcnMark *mark, guint set,
    guint n_objects, const int ids[2])
{
  GstStructure *s = gst_custom_meta_get_structure (
      gst_buffer_add_custom_meta (buffer, GST_DEFCN_META_NAME));

  gst_structure_set (s, "inferred", G_TYPE_BOOLEAN, mark->inferred, "reason",
      G_TYPE_STRING, mark->reason, "repeated", G_TYPE_BOOLEAN, mark->repeated,
      "inferred-timestamp", G_TYPE_UINT64, mark->timestamp, "model",
      G_TYPE_STRING, mark->model, "n-objects", G_TYPE_UINT, n_objects, "set",
      G_TYPE_UINT, set, NULL);
  gst_structure_set (s, "fresh", G_TYPE_BOOLEAN, mark->fresh, "model-name",
      G_TYPE_STRING, mark->model_name, "detector", G_TYPE_STRING,
      mark->detector, "frame", G_TYPE_UINT64, mark->frame, NULL);
  if (ids[0] <= ids[1])
    set_ints (s, "ids", ids, 2);
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
      gst_defcn_object_to_structure (o, "detection"));
}

static GstVideoRegionOfInterestMeta *
next_roi (GstBuffer *buffer, gpointer *state)
{
  return (
      GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (buffer,
      state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

/* Ids start at 1: 0 is what those who know no ids leave there.  Ones that leave
 * no room above them are nobody's count. */
static int
next_roi_id (GstBuffer *buffer)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi;
  int id = 1;

  while ((roi = next_roi (buffer, &state)))
    if (roi->id < G_MAXINT / 2)
      id = MAX (id, roi->id + 1);
  return id;
}

/* What is known of one mark while its buffer is read. */
typedef struct
{
  guint set, n_objects;
  int first, last; /* ids, none when last < first */
  GQuark detector;
  GstStructure *boxes; /* borrowed; NULL: lost, if there were any */
} Set;

static void
find_boxes (GstBuffer *buffer, Set *set)
{
  gpointer state = NULL;
  GstStructure *s;
  guint n;

  while ((s = next_custom (buffer, GST_DEFCN_META_OBJECTS_NAME, &state)))
    if (gst_structure_get_uint (s, "set", &n) && n == set->set
        && has_same_crop (buffer, s))
      set->boxes = s;
}

/* Returns: (transfer full): the Sets of the marks on @buffer. */
static GArray *
read_sets (GstBuffer *buffer)
{
  GArray *sets = g_array_new (FALSE, FALSE, sizeof (Set));
  gpointer state = NULL;
  GstStructure *s;

  while (sets->len < MAX_SETS && (s = next_mark (buffer, &state))) {
    const GValue *ids = gst_structure_get_value (s, "ids");
    Set set = { .first = 0, .last = -1 };

    gst_structure_get_uint (s, "set", &set.set);
    gst_structure_get_uint (s, "n-objects", &set.n_objects);
    set.detector =
        gst_defcn_object_label (gst_structure_get_string (s, "detector"));
    if (ids && GST_VALUE_HOLDS_ARRAY (ids)
        && gst_value_array_get_size (ids) == 2
        && G_VALUE_HOLDS_INT (gst_value_array_get_value (ids, 0))
        && G_VALUE_HOLDS_INT (gst_value_array_get_value (ids, 1))) {
      set.first = g_value_get_int (gst_value_array_get_value (ids, 0));
      set.last = g_value_get_int (gst_value_array_get_value (ids, 1));
    }
    find_boxes (buffer, &set);
    g_array_append_val (sets, set);
  }
  return sets;
}

/* Whether a ROI meta or an ODMtd is one of a defcndetect. */
static gboolean
is_ours (const GArray *sets, int id)
{
  for (guint i = 0; i < sets->len; i++) {
    const Set *set = &g_array_index (sets, Set, i);

    if (id >= set->first && id <= set->last)
      return TRUE;
  }
  return FALSE;
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
  GstAnalyticsRelationMeta *there =
      gst_buffer_get_analytics_relation_meta (buffer);

  /* Another one would count its ids from 0 again. */
  return there ? there
               : gst_buffer_add_analytics_relation_meta_full (buffer, &room);
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
read_relations (GstBuffer *buffer, GArray *objects, const GArray *sets,
    int width, int height)
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

    if (is_ours (sets, (int) od.id)
        || !gst_analytics_od_mtd_get_location (&od, &p.x, &p.y, &p.w, &p.h,
            &confidence))
      continue;
    o.id = (int) od.id;
    o.label = gst_analytics_od_mtd_get_obj_type (&od);
    o.confidence = confidence;
    gst_defcn_object_set_pixels (&o, &p, width, height);
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
read_relations (GstBuffer *buffer, GArray *objects, const GArray *sets,
    int width, int height)
{
}

#endif

void
gst_defcn_meta_attach (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, GstDefcnMetaFlags flags, int width, int height)
{
  const gboolean has_ids =
      (flags & (GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS)) != 0;
  const guint set = next_set (buffer);
  gpointer relations = NULL;
  int id = next_roi_id (buffer), ids[2] = { 0, -1 };

  attach_boxes (buffer, flags ? objects : NULL, set);
  if ((flags & GST_DEFCN_META_ANALYTICS) && objects->len)
    relations = relations_new (buffer, objects->len);

  for (guint i = 0; has_ids && i < objects->len; i++, id++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    GstDefcnPixels p = gst_defcn_object_pixels (o, width, height);

    if (relations)
      id = relations_add (relations, o, &p, id);
    if (flags & GST_DEFCN_META_ROI)
      attach_roi (buffer, o, &p, id);
    if (i == 0)
      ids[0] = id;
    ids[1] = id;
  }
  attach_mark (buffer, mark, set, objects->len, ids);
}

static void
read_boxes (GArray *objects, const Set *set)
{
  const GValue *list = gst_structure_get_value (set->boxes, "objects");
  const guint n = list && GST_VALUE_HOLDS_ARRAY (list)
      ? gst_value_array_get_size (list)
      : 0;
  const gboolean has_ids = (gint64) set->last - set->first + 1 == n && n;

  for (guint i = 0; i < n; i++) {
    const GValue *value = gst_value_array_get_value (list, i);
    const GstStructure *item = GST_VALUE_HOLDS_STRUCTURE (value)
        ? gst_value_get_structure (value)
        : NULL;
    GstDefcnObject o = { 0 };

    if (!item || !gst_defcn_object_from_structure (&o, item))
      continue;
    o.label = gst_defcn_object_label (gst_structure_get_string (item, "label"));
    gst_structure_get_int (item, "parent_id", &o.parent_id);
    o.parent =
        gst_defcn_object_label (gst_structure_get_string (item, "parent"));
    o.detector = set->detector;
    o.id = has_ids ? set->first + (int) i : -1;
    g_array_append_val (objects, o);
  }
}

/* Others' ROI metas with (@detected) or without a "detection". */
static void
read_rois (GstBuffer *buffer, GArray *objects, const GArray *sets, int width,
    int height, gboolean detected)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi;

  while ((roi = next_roi (buffer, &state))) {
    GstDefcnObject o = { .parent_id = roi->parent_id,
      .confidence = -1,
      .label_id = -1,
      .id = roi->id ? roi->id : -1 };
    GstStructure *s =
        gst_video_region_of_interest_meta_get_param (roi, "detection");
    GstDefcnPixels p = { (int) MIN (roi->x, MAX_SIDE),
      (int) MIN (roi->y, MAX_SIDE), (int) MIN (roi->w, MAX_SIDE),
      (int) MIN (roi->h, MAX_SIDE) };

    if ((s != NULL) != detected || is_ours (sets, roi->id))
      continue;
    if (!s || !gst_defcn_object_from_structure (&o, s))
      gst_defcn_object_set_pixels (&o, &p, width, height);
    o.label = roi->roi_type;
    g_array_append_val (objects, o);
  }
}

guint
gst_defcn_meta_read (GstBuffer *buffer, GArray *objects, int width, int height)
{
  g_autoptr (GArray) sets = read_sets (buffer);
  const guint before = objects->len;
  guint others;

  for (guint i = 0; i < sets->len; i++) {
    const Set *set = &g_array_index (sets, Set, i);

    if (set->boxes)
      read_boxes (objects, set);
  }
  others = objects->len;
  read_rois (buffer, objects, sets, width, height, TRUE);
  if (objects->len == others)
    read_relations (buffer, objects, sets, width, height);
  if (objects->len == others && sets->len == 0)
    read_rois (buffer, objects, sets, width, height, FALSE);
  for (guint i = others; i < objects->len; i++) {
    GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);

    o->label = gst_defcn_object_label (g_quark_to_string (o->label));
  }
  return objects->len - before;
}

static const char *
interned_field (const GstStructure *s, const char *name)
{
  const char *text = gst_structure_get_string (s, name);

  return text ? label_text (text) : "";
}

static GstDefcnMark
mark_from_structure (const GstStructure *s, const Set *set)
{
  GstDefcnMark mark = { .timestamp = GST_CLOCK_TIME_NONE };

  gst_structure_get_boolean (s, "inferred", &mark.inferred);
  gst_structure_get_boolean (s, "repeated", &mark.repeated);
  gst_structure_get_uint64 (s, "inferred-timestamp", &mark.timestamp);
  gst_structure_get_boolean (s, "fresh", &mark.fresh);
  gst_structure_get_uint64 (s, "frame", &mark.frame);
  mark.reason = interned_field (s, "reason");
  mark.model = interned_field (s, "model");
  mark.model_name = interned_field (s, "model-name");
  mark.detector = interned_field (s, "detector");
  mark.lost = set->boxes ? 0 : set->n_objects;
  return mark;
}

guint
gst_defcn_meta_read_marks (GstBuffer *buffer, GArray *marks)
{
  g_autoptr (GArray) sets = read_sets (buffer);
  gpointer state = NULL;
  GstStructure *s;

  for (guint i = 0; i < sets->len && (s = next_mark (buffer, &state)); i++) {
    const GstDefcnMark mark =
        mark_from_structure (s, &g_array_index (sets, Set, i));

    g_array_append_val (marks, mark);
  }
  return sets->len;
}

gboolean
gst_defcn_meta_read_mark (GstBuffer *buffer, GstDefcnMark *mark)
{
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof *mark);
  guint lost = 0;

  *mark = (GstDefcnMark){ .reason = "",
    .model = "",
    .timestamp = GST_CLOCK_TIME_NONE,
    .model_name = "",
    .detector = "" };
  gst_defcn_meta_read_marks (buffer, marks);
  for (guint i = 0; i < marks->len; i++) {
    *mark = g_array_index (marks, GstDefcnMark, i);
    lost += mark->lost;
  }
  mark->lost = lost;
  return marks->len > 0;
}
