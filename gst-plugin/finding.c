/* What the defcndetects have put on a buffer, taken off it. */
#include "finding.h"

#include "relations.h"
#include "set.h"

static void
clear_finding (gpointer finding)
{
  g_array_unref (((GstDefcnFinding *) finding)->objects);
}

GArray *
gst_defcn_finding_list_new (void)
{
  GArray *findings = g_array_new (FALSE, FALSE, sizeof (GstDefcnFinding));

  g_array_set_clear_func (findings, clear_finding);
  return findings;
}

/* Who takes what off a buffer. */
typedef struct
{
  GArray *sets;           /* GstDefcnSet, those that are taken */
  const GArray *findings; /* GstDefcnFinding, theirs behind others' */
  const GstMetaInfo *mark, *boxes;
  gboolean with_ids; /* ROI metas too */
  guint n_rois;
} Taking;

static gboolean
is_taken (const Taking *taking, GstMeta *meta)
{
  const GstStructure *s =
      gst_custom_meta_get_structure ((GstCustomMeta *) meta);
  guint set = 0;

  gst_structure_get_uint (s, "set", &set);
  for (guint i = 0; i < taking->sets->len; i++)
    if (g_array_index (taking->sets, GstDefcnSet, i).set == set)
      return TRUE;
  return FALSE;
}

/* Ids of ODMtds begin at 0, which those who know no ids leave in a ROI meta:
 * the id alone is no proof.  videoconvert drops the "detection". */
static gboolean
is_roi_taken (const Taking *taking, GstVideoRegionOfInterestMeta *roi)
{
  if (!gst_defcn_set_has_id (taking->sets, roi->id))
    return FALSE;
  if (gst_video_region_of_interest_meta_get_param (roi, "detection"))
    return TRUE;
  for (guint i = 0; i < taking->findings->len; i++) {
    const GArray *objects =
        g_array_index (taking->findings, GstDefcnFinding, i).objects;

    for (guint k = 0; k < objects->len; k++) {
      const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, k);

      if (o->id == roi->id && o->label == roi->roi_type)
        return TRUE;
    }
  }
  return FALSE;
}

static gboolean
take_meta (GstBuffer *buffer, GstMeta **meta, gpointer data)
{
  Taking *taking = data;
  const GType api = (*meta)->info->api;

  if (api == taking->mark->api || api == taking->boxes->api) {
    if (is_taken (taking, *meta))
      *meta = NULL;
  } else if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE
      && is_roi_taken (taking, (GstVideoRegionOfInterestMeta *) *meta)) {
    taking->n_rois++;
    if (taking->with_ids)
      *meta = NULL;
  }
  return TRUE;
}

/* How many ODMtds are of @sets; *@alone: there is nothing else. */
static guint
count_ours (GstBuffer *buffer, const GArray *sets, gboolean *alone)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  guint ours = 0;

  gst_defcn_relations_read (buffer, all, 1, 1);
  for (guint i = 0; i < all->len; i++)
    ours +=
        gst_defcn_set_has_id (sets, g_array_index (all, GstDefcnObject, i).id);
  *alone = ours == all->len && !gst_defcn_relations_has_others (buffer);
  return ours;
}

void
gst_defcn_finding_take_all (GstBuffer *buffer, GArray *findings)
{
  g_autoptr (GArray) sets = gst_defcn_set_read_all (buffer);
  const guint first = findings->len;
  Taking taking = { sets, findings, gst_meta_get_info (GST_DEFCN_META_NAME),
    gst_meta_get_info (GST_DEFCN_META_OBJECTS_NAME) };

  for (guint i = 0; i < sets->len;) {
    const GstDefcnSet *set = &g_array_index (sets, GstDefcnSet, i);
    GstDefcnFinding finding = { .mark = gst_defcn_set_mark (set),
      .ids = { set->first, set->last } };

    if (!set->boxes || !gst_structure_has_field (set->boxes, "objects")) {
      g_array_remove_index (sets, i);
      continue;
    }
    finding.objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    gst_defcn_set_read_boxes (finding.objects, set);
    g_array_append_val (findings, finding);
    i++;
  }

  const guint n_ods = count_ours (buffer, sets, &taking.with_ids);
  gst_buffer_foreach_meta (buffer, take_meta, &taking);
  if (n_ods && taking.with_ids)
    gst_defcn_relations_remove (buffer);
  for (guint i = first; i < findings->len; i++) {
    GstDefcnFinding *f = &g_array_index (findings, GstDefcnFinding, i);

    f->kept = !taking.with_ids;
    if (f->objects->len)
      f->flags = (taking.n_rois ? GST_DEFCN_META_ROI : 0)
          | (n_ods ? GST_DEFCN_META_ANALYTICS : 0) | GST_DEFCN_META_CUSTOM;
  }
}

void
gst_defcn_finding_put (GstBuffer *buffer, const GstDefcnFinding *finding,
    int width, int height)
{
  if (finding->kept)
    gst_defcn_meta_attach_kept (buffer, finding->objects, &finding->mark,
        finding->ids);
  else
    gst_defcn_meta_attach (buffer, finding->objects, &finding->mark,
        finding->flags, width, height);
}
