/* Detections on a buffer, written and read. */
#include "meta.h"

#include "custom.h"
#include "relations.h"
#include "scene.h"
#include "set.h"

#define MAX_SIDE 1000000 /* pixels, of what others write */

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

void
gst_defcn_meta_register (void)
{
  static gsize done = 0;

  if (!g_once_init_enter (&done))
    return;
  gst_defcn_custom_register (GST_DEFCN_META_NAME);
  gst_defcn_custom_register_geometry (GST_DEFCN_META_OBJECTS_NAME);
  gst_defcn_scene_register ();
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
    gst_defcn_object_track_to_structure (o, s);
    g_value_init (&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&item, s);
    gst_value_array_append_and_take_value (value, &item);
  }
}

static guint
next_set (GstBuffer *buffer)
{
  gpointer state = NULL;
  const GstStructure *s;
  guint set = 0, n;

  while ((s = gst_defcn_set_next_mark (buffer, &state)))
    if (gst_structure_get_uint (s, "set", &n))
      set = MAX (set, n + 1);
  return set;
}

/* @objects: NULL where nobody wants them, and nothing can be lost. */
static void
attach_boxes (GstBuffer *buffer, const GArray *objects, guint set)
{
  GstStructure *s = gst_defcn_custom_add (buffer, GST_DEFCN_META_OBJECTS_NAME);
  GValue value = G_VALUE_INIT;

  gst_structure_set (s, "set", G_TYPE_UINT, set, NULL);
  if (objects) {
    gst_defcn_meta_objects_to_value (&value, objects);
    gst_structure_take_value (s, "objects", &value);
  }
  gst_defcn_custom_note_crop (buffer, s);
}

void
gst_defcn_meta_mark_to_structure (const GstDefcnMark *mark, guint n_objects,
    GstStructure *s)
{
  gst_structure_set (s, "inferred", G_TYPE_BOOLEAN, mark->inferred, "reason",
      G_TYPE_STRING, mark->reason, "repeated", G_TYPE_BOOLEAN, mark->repeated,
      "inferred-timestamp", G_TYPE_UINT64, mark->timestamp, "model",
      G_TYPE_STRING, mark->model, "n-objects", G_TYPE_UINT, n_objects, "fresh",
      G_TYPE_BOOLEAN, mark->fresh, "model-name", G_TYPE_STRING,
      mark->model_name, "detector", G_TYPE_STRING, mark->detector, "frame",
      G_TYPE_UINT64, mark->frame, NULL);
  if (mark->predicted)
    gst_structure_set (s, "predicted", G_TYPE_BOOLEAN, TRUE, NULL);
}

/* @ids: of the first and the last object, the last less than the first where
 * there are none. */
static void
attach_mark (GstBuffer *buffer, const GstDefcnMark *mark, guint set,
    guint n_objects, const int ids[2])
{
  GstStructure *s = gst_defcn_custom_add (buffer, GST_DEFCN_META_NAME);

  gst_defcn_meta_mark_to_structure (mark, n_objects, s);
  gst_structure_set (s, "set", G_TYPE_UINT, set, NULL);
  if (mark->classes && *mark->classes)
    gst_structure_set (s, "classes", G_TYPE_STRING, mark->classes, NULL);
  if (mark->partial)
    gst_structure_set (s, "partial", G_TYPE_BOOLEAN, TRUE, NULL);
  if (ids[0] <= ids[1])
    gst_defcn_custom_set_ints (s, "ids", ids, 2);
}

/* As gvatrack does, which has no room for more. */
static void
add_object_id (GstVideoRegionOfInterestMeta *roi, const GstDefcnObject *o)
{
  if (o->track.id > 0 && o->track.id <= G_MAXINT)
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("object_id", "id", G_TYPE_INT, (int) o->track.id,
            NULL));
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
  add_object_id (roi, o);
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

GstDefcnMetaFlags
gst_defcn_meta_supported (void)
{
  return GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM
      | (gst_defcn_relations_supported () ? GST_DEFCN_META_ANALYTICS : 0);
}

static void
read_relations (GstBuffer *buffer, GArray *objects, const GArray *sets,
    int width, int height)
{
  const guint first = objects->len;

  gst_defcn_relations_read (buffer, objects, width, height);
  for (guint i = objects->len; i-- > first;)
    if (gst_defcn_set_has_id (sets,
            g_array_index (objects, GstDefcnObject, i).id))
      g_array_remove_index (objects, i);
}

static guint
count_tracked (const GArray *objects)
{
  guint n = 0;

  for (guint i = 0; i < objects->len; i++)
    n += g_array_index (objects, GstDefcnObject, i).track.id > 0;
  return n;
}

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
    relations = gst_defcn_relations_new (buffer,
        objects->len + count_tracked (objects));

  for (guint i = 0; has_ids && i < objects->len; i++, id++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    GstDefcnPixels p = gst_defcn_object_pixels (o, width, height);

    if (relations)
      id = gst_defcn_relations_add (relations, o, &p, id);
    if (flags & GST_DEFCN_META_ROI)
      attach_roi (buffer, o, &p, id);
    if (i == 0)
      ids[0] = id;
    ids[1] = id;
  }
  /* Behind the objects, whose ids are in a row. */
  for (guint i = 0; relations && i < objects->len; i++)
    gst_defcn_relations_set_track (buffer, ids[0] + (int) i,
        &g_array_index (objects, GstDefcnObject, i));
  attach_mark (buffer, mark, set, objects->len, ids);
}

void
gst_defcn_meta_attach_kept (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, const int ids[2])
{
  const guint set = next_set (buffer);

  attach_boxes (buffer, objects, set);
  attach_mark (buffer, mark, set, objects->len, ids);
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
    int track;
    GstDefcnPixels p = { (int) MIN (roi->x, MAX_SIDE),
      (int) MIN (roi->y, MAX_SIDE), (int) MIN (roi->w, MAX_SIDE),
      (int) MIN (roi->h, MAX_SIDE) };

    if ((s != NULL) != detected || gst_defcn_set_has_id (sets, roi->id))
      continue;
    if (!s || !gst_defcn_object_from_structure (&o, s))
      gst_defcn_object_set_pixels (&o, &p, width, height);
    s = gst_video_region_of_interest_meta_get_param (roi, "object_id");
    if (s && gst_structure_get_int (s, "id", &track))
      o.track.id = MAX (track, 0);
    o.label = roi->roi_type;
    g_array_append_val (objects, o);
  }
}

guint
gst_defcn_meta_read (GstBuffer *buffer, GArray *objects, int width, int height)
{
  g_autoptr (GArray) sets = gst_defcn_set_read_all (buffer);
  const guint before = objects->len;
  guint others;

  for (guint i = 0; i < sets->len; i++) {
    const GstDefcnSet *set = &g_array_index (sets, GstDefcnSet, i);

    if (set->boxes)
      gst_defcn_set_read_boxes (objects, set);
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

void
gst_defcn_meta_tell_tracks (GstBuffer *buffer, const GArray *objects)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi;
  guint i = 0, n_detected = 0;

  while ((roi = next_roi (buffer, &state)))
    n_detected +=
        gst_video_region_of_interest_meta_get_param (roi, "detection") != NULL;
  if (n_detected == 0 && objects->len
      && g_array_index (objects, GstDefcnObject, 0).confidence >= 0) {
    for (; i < objects->len; i++) {
      const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);

      gst_defcn_relations_set_track (buffer, o->id, o);
    }
    return;
  }
  state = NULL;
  while (i < objects->len && (roi = next_roi (buffer, &state)))
    if (!n_detected
        || gst_video_region_of_interest_meta_get_param (roi, "detection"))
      add_object_id (roi, &g_array_index (objects, GstDefcnObject, i++));
}

guint
gst_defcn_meta_read_marks (GstBuffer *buffer, GArray *marks)
{
  g_autoptr (GArray) sets = gst_defcn_set_read_all (buffer);

  for (guint i = 0; i < sets->len; i++) {
    const GstDefcnMark mark =
        gst_defcn_set_mark (&g_array_index (sets, GstDefcnSet, i));

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
    .detector = "",
    .classes = "" };
  gst_defcn_meta_read_marks (buffer, marks);
  for (guint i = 0; i < marks->len; i++) {
    *mark = g_array_index (marks, GstDefcnMark, i);
    lost += mark->lost;
  }
  mark->lost = lost;
  return marks->len > 0;
}
