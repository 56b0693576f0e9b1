/* The sets of metas on a buffer: a mark and its boxes each. */
#include "set.h"

#include "custom.h"

#define MAX_SETS 64 /* detectors in a row */

GstStructure *
gst_defcn_set_next_mark (GstBuffer *buffer, gpointer *state)
{
  return gst_defcn_custom_next (buffer, GST_DEFCN_META_NAME, state);
}

static void
find_boxes (GstBuffer *buffer, GstDefcnSet *set)
{
  gpointer state = NULL;
  GstStructure *s;
  guint n;

  while (
      (s = gst_defcn_custom_next (buffer, GST_DEFCN_META_OBJECTS_NAME, &state)))
    if (gst_structure_get_uint (s, "set", &n) && n == set->set
        && gst_defcn_custom_same_crop (buffer, s))
      set->boxes = s;
}

GArray *
gst_defcn_set_read_all (GstBuffer *buffer)
{
  GArray *sets = g_array_new (FALSE, FALSE, sizeof (GstDefcnSet));
  gpointer state = NULL;
  GstStructure *s;

  while (
      sets->len < MAX_SETS && (s = gst_defcn_set_next_mark (buffer, &state))) {
    const GValue *ids = gst_structure_get_value (s, "ids");
    GstDefcnSet set = { .first = 0, .last = -1, .mark = s };

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

gboolean
gst_defcn_set_has_id (const GArray *sets, int id)
{
  for (guint i = 0; i < sets->len; i++) {
    const GstDefcnSet *set = &g_array_index (sets, GstDefcnSet, i);

    if (id >= set->first && id <= set->last)
      return TRUE;
  }
  return FALSE;
}

void
gst_defcn_set_read_boxes (GArray *objects, const GstDefcnSet *set)
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
    gst_defcn_object_track_from_structure (&o, item);
    g_array_append_val (objects, o);
  }
}

static const char *
interned_field (const GstStructure *s, const char *name)
{
  const char *text = gst_structure_get_string (s, name);

  return text ? g_quark_to_string (gst_defcn_object_label (text)) : "";
}

/* Whoever wrote it in this process has interned it; of others' nothing is kept.
 */
static const char *
known_field (const GstStructure *s, const char *name)
{
  const char *text = gst_structure_get_string (s, name);
  const GQuark known = text ? g_quark_try_string (text) : 0;

  return known ? g_quark_to_string (known) : "";
}

GstDefcnMark
gst_defcn_set_mark (const GstDefcnSet *set)
{
  const GstStructure *s = set->mark;
  GstDefcnMark mark = { .timestamp = GST_CLOCK_TIME_NONE };

  gst_structure_get_boolean (s, "inferred", &mark.inferred);
  gst_structure_get_boolean (s, "repeated", &mark.repeated);
  gst_structure_get_uint64 (s, "inferred-timestamp", &mark.timestamp);
  gst_structure_get_boolean (s, "fresh", &mark.fresh);
  gst_structure_get_boolean (s, "predicted", &mark.predicted);
  gst_structure_get_boolean (s, "partial", &mark.partial);
  gst_structure_get_uint64 (s, "frame", &mark.frame);
  mark.reason = interned_field (s, "reason");
  mark.model = interned_field (s, "model");
  mark.model_name = interned_field (s, "model-name");
  mark.detector = interned_field (s, "detector");
  mark.classes = known_field (s, "classes");
  mark.lost = set->boxes ? 0 : set->n_objects;
  return mark;
}
