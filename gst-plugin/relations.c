/* The GstAnalyticsRelationMeta of a buffer, where GStreamer has one. */
#include "relations.h"

#ifdef HAVE_ANALYTICS

#include <gst/analytics/analytics.h>

gboolean
gst_defcn_relations_supported (void)
{
  return TRUE;
}

/* Room for all at once: growing it costs five times as much. */
gpointer
gst_defcn_relations_new (GstBuffer *buffer, guint n)
{
  GstAnalyticsRelationMetaInitParams room = { n + 8, (n + 8) * 96 };
  GstAnalyticsRelationMeta *there =
      gst_buffer_get_analytics_relation_meta (buffer);

  /* Another one would count its ids from 0 again. */
  return there ? there
               : gst_buffer_add_analytics_relation_meta_full (buffer, &room);
}

/* Both ways, for those who begin with either. */
static void
add_track (GstAnalyticsRelationMeta *relations, guint od,
    const GstDefcnObjectTrack *track)
{
  GstAnalyticsTrackingMtd mtd = { 0 };

  if (track->id <= 0
      || !gst_analytics_relation_meta_add_tracking_mtd (relations,
          (guint64) track->id, track->first_seen, &mtd))
    return;
  gst_analytics_relation_meta_set_relation (relations,
      GST_ANALYTICS_REL_TYPE_RELATE_TO, od, mtd.id);
  gst_analytics_relation_meta_set_relation (relations,
      GST_ANALYTICS_REL_TYPE_RELATE_TO, mtd.id, od);
}

int
gst_defcn_relations_add (gpointer relations, const GstDefcnObject *o,
    const GstDefcnPixels *p, int otherwise)
{
  GstAnalyticsODMtd od = { 0 };

  if (!gst_analytics_relation_meta_add_od_mtd (relations, o->label, p->x, p->y,
          p->w, p->h, (gfloat) o->confidence, &od))
    return otherwise;
  return (int) od.id;
}

static gint64
track_id (GstAnalyticsRelationMeta *relations, guint od)
{
  GstAnalyticsTrackingMtd mtd;
  GstClockTime first, last;
  gpointer state = NULL;
  gboolean lost;
  guint64 id;

  if (!gst_analytics_relation_meta_get_direct_related (relations, od,
          GST_ANALYTICS_REL_TYPE_RELATE_TO,
          gst_analytics_tracking_mtd_get_mtd_type (), &state, &mtd)
      || !gst_analytics_tracking_mtd_get_info (&mtd, &id, &first, &last, &lost)
      || id > G_MAXINT64)
    return 0;
  return (gint64) id;
}

void
gst_defcn_relations_read (GstBuffer *buffer, GArray *objects, int width,
    int height)
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
    o.id = (int) od.id;
    o.label = gst_analytics_od_mtd_get_obj_type (&od);
    o.confidence = confidence;
    o.track.id = track_id (relations, od.id);
    gst_defcn_object_set_pixels (&o, &p, width, height);
    g_array_append_val (objects, o);
  }
}

void
gst_defcn_relations_set_track (GstBuffer *buffer, int id,
    const GstDefcnObject *object)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);

  if (relations && id >= 0)
    add_track (relations, (guint) id, &object->track);
}

gboolean
gst_defcn_relations_has_others (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsMtd mtd;
  gpointer state = NULL;

  while (relations
      && gst_analytics_relation_meta_iterate (relations, &state,
          GST_ANALYTICS_MTD_TYPE_ANY, &mtd)) {
    const GstAnalyticsMtdType type = gst_analytics_mtd_get_mtd_type (&mtd);

    if (type != gst_analytics_od_mtd_get_mtd_type ()
        && type != gst_analytics_tracking_mtd_get_mtd_type ())
      return TRUE;
  }
  return FALSE;
}

void
gst_defcn_relations_remove (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);

  if (relations)
    gst_buffer_remove_meta (buffer, (GstMeta *) relations);
}

#else

gboolean
gst_defcn_relations_supported (void)
{
  return FALSE;
}

gpointer
gst_defcn_relations_new (GstBuffer *buffer, guint n)
{
  return NULL;
}

int
gst_defcn_relations_add (gpointer relations, const GstDefcnObject *o,
    const GstDefcnPixels *p, int otherwise)
{
  return otherwise;
}

void
gst_defcn_relations_read (GstBuffer *buffer, GArray *objects, int width,
    int height)
{
}

void
gst_defcn_relations_set_track (GstBuffer *buffer, int id,
    const GstDefcnObject *object)
{
}

gboolean
gst_defcn_relations_has_others (GstBuffer *buffer)
{
  return FALSE;
}

void
gst_defcn_relations_remove (GstBuffer *buffer)
{
}

#endif
