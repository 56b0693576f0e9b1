/* What every part of defcndetect does with what it knows. */
#include "state.h"

GST_DEBUG_CATEGORY (gst_defcn_detect_debug);

GstStructure *
gst_defcn_state_stats (GstDefcnDetect *self)
{
  GstStructure *s;

  GST_OBJECT_LOCK (self);
  s = gst_defcn_stats_to_structure (&self->stats,
      self->worker ? gst_defcn_worker_info (self->worker) : NULL);
  GST_OBJECT_UNLOCK (self);
  return s;
}

GstClockTime
gst_defcn_state_latency (const GstDefcnDetect *self)
{
  if (self->settings && self->settings->no_block)
    return 0;
  return gst_defcn_stats_percentile (&self->stats, GST_DEFCN_TIME_TOTAL, 95);
}

void
gst_defcn_state_take_context (GstDefcnDetect *self, GstObject *context)
{
  GstObject *old;

  GST_OBJECT_LOCK (self);
  old = self->cuda;
  self->cuda = context;
  GST_OBJECT_UNLOCK (self);
  gst_clear_object (&old);
}
