/* The worker: one thread, and the detector that lives in it. */
#include "worker.h"
#include "convert.h"
#include "merge.h"
#include "meta.h"

struct _GstDefcnWorker
{
  GThread *thread;
  GMutex lock; /* guards what follows up to the blank line */
  GCond changed;
  GstDefcnJob *waiting, *running, *finished;
  gboolean discarded; /* nobody wants the running one */
  gboolean flushing, quit;

  /* Written by the thread before `opened`, constant after it. */
  char *path;
  DefcnDetectorOptions options;
  GstDefcnModelInfo *info;
  GError *error;
  gboolean opened; /* or failed; guarded by the lock */

  /* The thread's own. */
  DefcnDetector *detector;
  GstDefcnSettings *applied;
  GQuark *labels;
  GArray *boxes;
  GstDefcnConvert *convert;
};

static GstDefcnModelInfo *
model_info_new (const DefcnDetector *detector)
{
  GstDefcnModelInfo *info = g_new0 (GstDefcnModelInfo, 1);

  info->n_classes = defcn_detector_n_classes (detector);
  info->labels = g_new0 (char *, info->n_classes + 1);
  for (int i = 0; i < info->n_classes; i++)
    info->labels[i] = g_strdup (defcn_detector_label (detector, i));
  info->threshold = defcn_detector_working_threshold (detector);
  info->max_detections = defcn_detector_max_detections (detector);
  info->duplicate_filter = defcn_detector_duplicate_filter (detector);
  info->hash = g_intern_string (defcn_detector_hash (detector));
  info->device = g_intern_string (defcn_detector_device (detector));
  info->reads_cuda = defcn_detector_reads (detector, DEFCN_MEMORY_CUDA);
  info->description = g_strdup (defcn_detector_description (detector));
  info->passed_over = g_strdup (defcn_detector_passed_over (detector));
  info->tuning_problem = g_strdup (defcn_detector_tuning_problem (detector));
  return info;
}

static void
apply_settings (GstDefcnWorker *worker, GstDefcnSettings *settings)
{
  if (worker->applied == settings)
    return;
  defcn_detector_set_threshold (worker->detector, settings->threshold);
  defcn_detector_set_class_thresholds (worker->detector,
      settings->class_thresholds);
  defcn_detector_set_max_detections (worker->detector,
      settings->max_detections);
  defcn_detector_set_duplicate_filter (worker->detector,
      settings->duplicate_filter);
  gst_defcn_settings_unref (worker->applied);
  worker->applied = gst_defcn_settings_ref (settings);
}

static GQuark
label_quark (GstDefcnWorker *worker, int label)
{
  if (!worker->labels)
    worker->labels = g_new0 (GQuark, worker->info->n_classes);
  if (!worker->labels[label])
    worker->labels[label] = g_quark_from_string (worker->info->labels[label]);
  return worker->labels[label];
}

static void
take_boxes (GstDefcnWorker *worker, GstDefcnJob *job, GArray *owners,
    guint region)
{
  const GstDefcnRegion *r =
      &g_array_index (job->regions, GstDefcnRegion, region);
  const GstDefcnPixels *all = &job->view.visible;
  const double w = all->w, h = all->h;

  for (guint i = 0; i < worker->boxes->len; i++) {
    const DefcnBox *b = &g_array_index (worker->boxes, DefcnBox, i);
    const GstDefcnObject o = { (b->x1 - all->x) / w, (b->y1 - all->y) / h,
      (b->x2 - all->x) / w, (b->y2 - all->y) / h, b->score, b->label,
      label_quark (worker, b->label), r->parent_id, r->parent };

    g_array_append_val (job->objects, o);
    g_array_append_val (owners, region);
  }
}

static gint
compare_confidence (gconstpointer a, gconstpointer b)
{
  double x = ((const GstDefcnObject *) a)->confidence;
  double y = ((const GstDefcnObject *) b)->confidence;

  return (x < y) - (x > y);
}

/* The regions one after the other: any number of them fits into memory, and
 * what is found in one does not depend on the others. */
static void
run (GstDefcnWorker *worker, GstDefcnJob *job)
{
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (GArray) owners = g_array_new (FALSE, FALSE, sizeof (guint));

  apply_settings (worker, job->settings);
  if (job->image.format == DEFCN_N_FORMATS) {
    if (!gst_defcn_convert_run (worker->convert, &job->image, &job->view.frame,
            &job->error))
      return;
    job->timings.preprocess = (g_get_monotonic_time () - start) * 1000;
  }
  for (guint i = 0; i < job->regions->len; i++) {
    const GstDefcnRegion *r = &g_array_index (job->regions, GstDefcnRegion, i);
    DefcnTimings t;

    if (!defcn_detector_run (worker->detector, &worker->boxes, &job->image,
            &r->rectangle, 1, &job->error))
      return;
    defcn_detector_timings (worker->detector, &t);
    job->timings.preprocess += t.preprocess;
    job->timings.inference += t.inference;
    job->timings.postprocess += t.postprocess;
    take_boxes (worker, job, owners, i);
  }
  if (job->regions->len < 2)
    return;
  if (job->settings->merge)
    gst_defcn_merge_regions (job->objects, owners, job->regions,
        &job->view.visible);
  g_array_sort (job->objects, compare_confidence);
  if (job->objects->len > (guint) job->settings->max_detections)
    g_array_set_size (job->objects, job->settings->max_detections);
}

static void
serve (GstDefcnWorker *worker)
{
  g_mutex_lock (&worker->lock);
  for (;;) {
    GstDefcnJob *job;

    while (!worker->waiting && !worker->quit)
      g_cond_wait (&worker->changed, &worker->lock);
    if (worker->quit)
      break;
    job = worker->running = g_steal_pointer (&worker->waiting);
    g_mutex_unlock (&worker->lock);
    run (worker, job);
    /* Now, not when the next frame comes: upstream's pool may be short. */
    gst_defcn_job_release_pixels (job);
    g_mutex_lock (&worker->lock);
    worker->running = NULL;
    if (worker->discarded)
      gst_defcn_job_free (job);
    else
      worker->finished = job;
    worker->discarded = FALSE;
    g_cond_broadcast (&worker->changed);
  }
  g_mutex_unlock (&worker->lock);
}

static gpointer
worker_main (gpointer data)
{
  GstDefcnWorker *worker = data;

  worker->detector =
      defcn_detector_new (worker->path, &worker->options, &worker->error);
  if (worker->detector)
    worker->info = model_info_new (worker->detector);
  g_mutex_lock (&worker->lock);
  worker->opened = TRUE;
  g_cond_broadcast (&worker->changed);
  g_mutex_unlock (&worker->lock);

  if (worker->detector)
    serve (worker);
  g_clear_pointer (&worker->detector, defcn_detector_free);
  return NULL;
}

GstDefcnWorker *
gst_defcn_worker_new (const char *path, const DefcnDetectorOptions *options,
    GError **error)
{
  GstDefcnWorker *worker = g_new0 (GstDefcnWorker, 1);

  g_mutex_init (&worker->lock);
  g_cond_init (&worker->changed);
  worker->path = g_strdup (path);
  worker->options = *options;
  worker->boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  worker->convert = gst_defcn_convert_new ();
  worker->thread = g_thread_try_new ("defcn", worker_main, worker, error);
  if (!worker->thread) {
    gst_defcn_worker_free (worker);
    return NULL;
  }

  g_mutex_lock (&worker->lock);
  while (!worker->opened)
    g_cond_wait (&worker->changed, &worker->lock);
  g_mutex_unlock (&worker->lock);
  /* The strings are the caller's and not looked at again. */
  worker->options = (DefcnDetectorOptions){ 0 };
  if (!worker->info) {
    g_propagate_error (error, g_steal_pointer (&worker->error));
    gst_defcn_worker_free (worker);
    return NULL;
  }
  return worker;
}

void
gst_defcn_worker_free (GstDefcnWorker *worker)
{
  if (!worker)
    return;
  if (worker->thread) {
    g_mutex_lock (&worker->lock);
    worker->quit = TRUE;
    g_cond_broadcast (&worker->changed);
    g_mutex_unlock (&worker->lock);
    g_thread_join (worker->thread);
  }
  gst_defcn_job_free (worker->waiting);
  gst_defcn_job_free (worker->finished);
  gst_defcn_settings_unref (worker->applied);
  gst_defcn_model_info_free (worker->info);
  g_array_unref (worker->boxes);
  gst_defcn_convert_free (worker->convert);
  g_free (worker->labels);
  g_free (worker->path);
  g_clear_error (&worker->error);
  g_cond_clear (&worker->changed);
  g_mutex_clear (&worker->lock);
  g_free (worker);
}

GstDefcnModelInfo *
gst_defcn_worker_info (GstDefcnWorker *worker)
{
  return worker->info;
}

/* With the lock held: wait until nothing runs, FALSE when flushing. */
static gboolean
wait_idle (GstDefcnWorker *worker)
{
  while ((worker->waiting || worker->running) && !worker->flushing)
    g_cond_wait (&worker->changed, &worker->lock);
  return !worker->flushing;
}

gboolean
gst_defcn_worker_busy (GstDefcnWorker *worker)
{
  gboolean busy;

  g_mutex_lock (&worker->lock);
  busy = worker->waiting || worker->running;
  g_mutex_unlock (&worker->lock);
  return busy;
}

gboolean
gst_defcn_worker_submit (GstDefcnWorker *worker, GstDefcnJob *job)
{
  gboolean idle;

  g_mutex_lock (&worker->lock);
  idle = wait_idle (worker);
  if (idle) {
    g_clear_pointer (&worker->finished, gst_defcn_job_free);
    worker->waiting = g_steal_pointer (&job);
    g_cond_broadcast (&worker->changed);
  }
  g_mutex_unlock (&worker->lock);
  gst_defcn_job_free (job);
  return idle;
}

GstDefcnJob *
gst_defcn_worker_collect (GstDefcnWorker *worker)
{
  GstDefcnJob *job = NULL;

  g_mutex_lock (&worker->lock);
  if (wait_idle (worker))
    job = g_steal_pointer (&worker->finished);
  g_mutex_unlock (&worker->lock);
  return job;
}

GstDefcnJob *
gst_defcn_worker_poll (GstDefcnWorker *worker, gboolean *busy)
{
  GstDefcnJob *job;

  g_mutex_lock (&worker->lock);
  *busy = worker->waiting || worker->running;
  job = g_steal_pointer (&worker->finished);
  g_mutex_unlock (&worker->lock);
  return job;
}

void
gst_defcn_worker_discard (GstDefcnWorker *worker)
{
  g_mutex_lock (&worker->lock);
  g_clear_pointer (&worker->waiting, gst_defcn_job_free);
  g_clear_pointer (&worker->finished, gst_defcn_job_free);
  worker->discarded = worker->running != NULL;
  g_mutex_unlock (&worker->lock);
}

void
gst_defcn_worker_set_flushing (GstDefcnWorker *worker, gboolean flushing)
{
  g_mutex_lock (&worker->lock);
  worker->flushing = flushing;
  g_cond_broadcast (&worker->changed);
  g_mutex_unlock (&worker->lock);
}
