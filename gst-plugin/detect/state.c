/* What every part of defcndetect does with what it knows. */
#include "state.h"

GST_DEBUG_CATEGORY (gst_defcn_detect_debug);

GstDefcnSetup
gst_defcn_state_copy_setup (const GstDefcnDetect *self)
{
  GstDefcnSetup copy = self->setup;

  copy.model = gst_defcn_model_setup_copy (&copy.model);
  copy.labels = g_strdup (copy.labels);
  copy.labels_file = g_strdup (copy.labels_file);
  copy.object_class = g_strdup (copy.object_class);
  copy.instance_id = g_strdup (copy.instance_id);
  return copy;
}

void
gst_defcn_state_clear_setup (GstDefcnSetup *setup)
{
  gst_defcn_model_setup_clear (&setup->model);
  g_free (setup->labels);
  g_free (setup->labels_file);
  g_free (setup->object_class);
  g_free (setup->instance_id);
}

/* How the model is used by all that share it. */
static void
add_load (GstStructure *s, const GstDefcnWorkerLoad *load)
{
  gst_structure_set (s, "sharers", G_TYPE_UINT, load->sharers, "workers",
      G_TYPE_UINT, load->workers, "batch-size", G_TYPE_UINT, load->batch_size,
      "batch-mean", G_TYPE_DOUBLE,
      load->passes ? (double) load->regions / load->passes : 0.0, "model-bytes",
      G_TYPE_UINT64, load->bytes, NULL);
}

GstStructure *
gst_defcn_state_stats (GstDefcnDetect *self)
{
  GstDefcnWorkerLoad load = { 0 };
  GstStructure *s;

  GST_OBJECT_LOCK (self);
  s = gst_defcn_stats_to_structure (&self->stats,
      self->worker ? gst_defcn_worker_info (self->worker) : NULL);
  if (self->worker)
    load = gst_defcn_worker_load (self->worker);
  GST_OBJECT_UNLOCK (self);
  add_load (s, &load);
  return s;
}

void
gst_defcn_state_reset (GstDefcnDetect *self)
{
  self->since = 0;
  self->pending = FALSE;
  self->looked = 0;
  g_clear_pointer (&self->last, g_array_unref);
  g_clear_pointer (&self->last_info, gst_defcn_model_info_unref);
  self->last_time = GST_CLOCK_TIME_NONE;
  gst_defcn_still_forget (&self->still);
}

GstClockTime
gst_defcn_state_latency (const GstDefcnDetect *self)
{
  if (self->settings && self->settings->no_block)
    return 0;
  return (MAX (self->setup.nireq, 1) - 1) * self->frame_time
      + gst_defcn_stats_percentile (&self->stats, GST_DEFCN_TIME_TOTAL, 95)
      + (self->worker
              ? gst_defcn_worker_load (self->worker).timeout * GST_MSECOND
              : 0);
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
