/* A pass: regions of frames through the network together. */
#include "pass.h"
#include "merge.h"
#include "meta.h"

struct _GstDefcnPass
{
  GstDefcnBatch batch;
  GQueue converters; /* GstDefcnConvert that no job has */

  /* What the detector is called with. */
  GPtrArray *boxes; /* GArray of DefcnBox */
  GArray *images, *regions, *rules, *units;
};

GstDefcnPass *
gst_defcn_pass_new (void)
{
  GstDefcnPass *pass = g_new0 (GstDefcnPass, 1);

  pass->batch.units = g_array_new (FALSE, FALSE, sizeof (GstDefcnUnit));
  pass->batch.jobs = g_ptr_array_new ();
  g_queue_init (&pass->converters);
  pass->boxes = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  pass->images = g_array_new (FALSE, FALSE, sizeof (DefcnImage));
  pass->regions = g_array_new (FALSE, FALSE, sizeof (DefcnRegion));
  pass->rules = g_array_new (FALSE, FALSE, sizeof (DefcnDecodeRule));
  pass->units = g_array_new (FALSE, FALSE, sizeof (GstDefcnUnit));
  return pass;
}

void
gst_defcn_pass_free (GstDefcnPass *pass)
{
  g_array_unref (pass->batch.units);
  g_ptr_array_unref (pass->batch.jobs);
  g_queue_clear_full (&pass->converters,
      (GDestroyNotify) gst_defcn_convert_free);
  g_ptr_array_unref (pass->boxes);
  g_array_unref (pass->images);
  g_array_unref (pass->regions);
  g_array_unref (pass->rules);
  g_array_unref (pass->units);
  g_free (pass);
}

GstDefcnBatch *
gst_defcn_pass_batch (GstDefcnPass *pass)
{
  return &pass->batch;
}

/* Formats of others.  The converter stays with the job as long as its pixels
 * do. */
static void
convert (GstDefcnPass *pass, GstDefcnJob *job)
{
  const gint64 start = g_get_monotonic_time ();

  if (job->image.format != DEFCN_N_FORMATS)
    return;
  job->convert = g_queue_pop_head (&pass->converters);
  if (!job->convert)
    job->convert = gst_defcn_convert_new ();
  if (gst_defcn_convert_run (job->convert, &job->image, &job->view.frame,
          &job->error))
    job->timings.preprocess = (g_get_monotonic_time () - start) * 1000;
}

static DefcnDecodeRule
rule_of (const DefcnDetector *detector, const GstDefcnSettings *settings)
{
  DefcnDecodeRule rule = defcn_detector_rule (detector);

  rule.threshold = settings->threshold;
  rule.class_thresholds = settings->class_thresholds;
  rule.max_detections = settings->max_detections;
  rule.duplicate_iou = settings->duplicate_filter;
  return rule;
}

/* The regions of the batch, or those of one job, whose job has no error. */
static void
gather (GstDefcnPass *pass, const DefcnDetector *detector,
    const GstDefcnJob *one)
{
  g_array_set_size (pass->images, 0);
  g_array_set_size (pass->regions, 0);
  g_array_set_size (pass->rules, 0);
  g_array_set_size (pass->units, 0);
  for (guint i = 0; i < pass->batch.units->len; i++) {
    const GstDefcnUnit *unit =
        &g_array_index (pass->batch.units, GstDefcnUnit, i);
    const GstDefcnJob *job = unit->job;

    if (job->error || (one && job != one))
      continue;
    const DefcnDecodeRule rule = rule_of (detector, job->settings);

    g_array_append_val (pass->images, job->image);
    g_array_append_val (pass->regions,
        g_array_index (job->regions, GstDefcnRegion, unit->region).rectangle);
    g_array_append_val (pass->rules, rule);
    g_array_append_val (pass->units, *unit);
    if (pass->boxes->len < pass->units->len)
      g_ptr_array_add (pass->boxes,
          g_array_new (FALSE, FALSE, sizeof (DefcnBox)));
  }
}

/* The objects in @boxes of one region of @job. */
static void
take_boxes (GstDefcnJob *job, guint region, const GArray *boxes)
{
  const GstDefcnRegion *r =
      &g_array_index (job->regions, GstDefcnRegion, region);
  const GstDefcnPixels *all = &job->view.visible;
  const double w = all->w, h = all->h;

  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);
    const GstDefcnObject o = { (b->x1 - all->x) / w, (b->y1 - all->y) / h,
      (b->x2 - all->x) / w, (b->y2 - all->y) / h, b->score, b->label,
      g_quark_from_string (job->info->labels[b->label]), r->parent_id,
      r->parent };

    g_array_append_val (job->objects, o);
    g_array_append_val (job->owners, region);
  }
}

/* A pass takes as long for each that is in it. */
static void
take_times (GstDefcnJob *job, const DefcnTimings *t)
{
  job->timings.preprocess += t->preprocess;
  job->timings.inference += t->inference;
  job->timings.postprocess += t->postprocess;
}

/* FALSE with @error: nothing was taken. */
static gboolean
run (GstDefcnPass *pass, DefcnDetector *detector, const GstDefcnJob *one,
    GError **error)
{
  DefcnTimings t;
  guint n;

  gather (pass, detector, one);
  n = pass->units->len;
  if (!n)
    return TRUE;
  if (!defcn_detector_run_by (detector, (GArray **) pass->boxes->pdata,
          (const DefcnImage *) (gpointer) pass->images->data,
          (const DefcnRegion *) (gpointer) pass->regions->data,
          (const DefcnDecodeRule *) (gpointer) pass->rules->data, (int) n,
          error))
    return FALSE;
  defcn_detector_timings (detector, &t);
  for (guint i = 0; i < pass->batch.jobs->len; i++) {
    GstDefcnJob *job = pass->batch.jobs->pdata[i];

    if (!job->error && (!one || job == one))
      take_times (job, &t);
  }
  for (guint i = 0; i < n; i++) {
    const GstDefcnUnit *u = &g_array_index (pass->units, GstDefcnUnit, i);

    take_boxes (u->job, u->region, pass->boxes->pdata[i]);
  }
  return TRUE;
}

static gint
compare_confidence (gconstpointer a, gconstpointer b)
{
  double x = ((const GstDefcnObject *) a)->confidence;
  double y = ((const GstDefcnObject *) b)->confidence;

  return (x < y) - (x > y);
}

/* What one region has found the detector has cut and sorted itself. */
static void
join_regions (GstDefcnJob *job)
{
  if (job->regions->len < 2)
    return;
  if (job->settings->merge)
    gst_defcn_merge_regions (job->objects, job->owners, job->regions,
        &job->view.visible);
  g_array_sort (job->objects, compare_confidence);
  if (job->objects->len > (guint) job->settings->max_detections)
    g_array_set_size (job->objects, job->settings->max_detections);
}

static void
end_job (GstDefcnPass *pass, GstDefcnJob *job)
{
  if (job->error)
    g_array_set_size (job->objects, 0);
  else if (job->next_region < job->regions->len)
    return;
  else
    join_regions (job);
  if (job->convert)
    g_queue_push_head (&pass->converters, g_steal_pointer (&job->convert));
  /* Now, not when the next frame comes: upstream's pool may be short. */
  gst_defcn_job_release_pixels (job);
  g_clear_pointer (&job->engine, gst_defcn_engine_unref);
}

void
gst_defcn_pass_run (GstDefcnPass *pass, guint at)
{
  GPtrArray *jobs = pass->batch.jobs;
  /* It has to outlive the last of the jobs. */
  g_autoptr (GstDefcnEngine) engine =
      gst_defcn_engine_ref (((GstDefcnJob *) jobs->pdata[0])->engine);
  DefcnDetector *detector = engine->detectors->pdata[at];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < jobs->len; i++)
    convert (pass, jobs->pdata[i]);
  if (!run (pass, detector, NULL, &error)) {
    for (guint i = 0; i < jobs->len && jobs->len > 1; i++) {
      GstDefcnJob *job = jobs->pdata[i];
      g_autoptr (GError) own = NULL;

      if (!job->error && !run (pass, detector, job, &own))
        job->error = g_steal_pointer (&own);
    }
    if (jobs->len == 1)
      ((GstDefcnJob *) jobs->pdata[0])->error = g_steal_pointer (&error);
  }
  gst_defcn_engine_weigh (engine, at);
  for (guint i = 0; i < jobs->len; i++)
    end_job (pass, jobs->pdata[i]);
}
