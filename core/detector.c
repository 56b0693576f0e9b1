/* The detector: images -> network input -> heads -> boxes. */
#include "detector.h"

#include <string.h>

#include "apart.h"

#define MAX_BATCH 4 /* where the backend does not say */
/* Of plans, where each size of the input comes in passes of many sizes. */
#define BATCH_BYTES ((gsize) 4 << 30)

struct _DefcnDetector
{
  DefcnBackend *be;
  DefcnModel *model;
  gboolean owns_model; /* and the backend */
  DefcnRunner *runner;
  DefcnApart *apart; /* NULL: not yet, or there are no lanes */
  gboolean has_apart;
  char *hash, *description;
  int most; /* images in a pass, as told; 0: what suits the device */
  DefcnDecodeRule rule;
  float *class_thresholds; /* what rule points to, or NULL */
  float *run_thresholds;   /* the same for as long as a run takes */
  GArray *places;          /* of a run's images */
  DefcnRunner *last;       /* who has the last image */
  DefcnTimings timings;
};

/* What a run is for. */
typedef struct
{
  DefcnDetector *detector;
  GMutex lock;
  DefcnRunner *last; /* who has run the last image */
  int n;
  void (*each) (int i, gpointer data); /* NULL: nobody wants to know */
  gpointer data;
} Caller;

static char *
describe (const DefcnBackend *be)
{
  const char *precision = be->precision ? be->precision : "fp32";

  if (g_str_has_prefix (be->name, "cuda"))
    return g_strdup_printf ("%s, %s", be->name, precision);
  return g_strdup_printf ("%s, %d thread%s, %s", be->name, be->threads,
      be->threads == 1 ? "" : "s", precision);
}

/* Images in a pass. */
static int
most (const DefcnDetector *d)
{
  if (d->most > 0)
    return d->most;
  return d->be->batch > 0 ? d->be->batch : MAX_BATCH;
}

/* What follows from the model and how it is to run. */
static void
init (DefcnDetector *d)
{
  const DefcnSpec *spec = defcn_model_spec (d->model);

  d->runner = defcn_runner_new (d->model, d->be->share ? 1 : most (d),
      d->most > 0 && d->be->sums_by_batch);
  d->last = d->runner;
  d->places = g_array_new (FALSE, TRUE, sizeof (DefcnPlace));
  d->run_thresholds = g_new (float, spec->n_classes);
  d->rule = defcn_spec_decode_rule (defcn_model_spec (d->model));
  d->description = describe (d->be);
}

/* The model on a device; FALSE leaves neither. */
static gboolean
open_on (DefcnDetector *d, const char *device, DefcnWeights *weights,
    const DefcnDetectorOptions *options, GError **error)
{
  d->be = defcn_backend_new_in (device, options->precision, options->threads,
      error);
  if (!d->be)
    return FALSE;
  d->be->exact = options->exact;
  if (options->autotune)
    d->be->tune = defcn_tune_open (defcn_weights_path (weights));
  d->model = defcn_model_open (weights, d->be, FALSE, error);
  if (d->model && d->be->sync (d->be, error)) /* the weights have arrived */
    return TRUE;
  g_clear_pointer (&d->model, defcn_model_free);
  g_clear_pointer (&d->be, defcn_backend_free);
  return FALSE;
}

/* "auto" whose device has no room for the model, say, goes on to the CPU. */
static gboolean
open_anywhere (DefcnDetector *d, DefcnWeights *weights,
    const DefcnDetectorOptions *options, GError **error)
{
  const char *device = options->device;
  g_autoptr (GError) why = NULL;

  if (open_on (d, device, weights, options, &why))
    return TRUE;
  if ((!device || g_str_equal (device, "auto"))
      && g_error_matches (why, DEFCN_ERROR, DEFCN_ERROR_BACKEND)
      && open_on (d, "cpu", weights, options, NULL)) {
    d->be->passed_over = g_strdup (why->message);
    return TRUE;
  }
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

static gboolean
check_input (const DefcnDetector *d, const char *path,
    const DefcnDetectorOptions *options, GError **error)
{
  const DefcnInputRule *rule = &defcn_model_spec (d->model)->input;
  const int limit =
      options->max_edge > 0 ? options->max_edge : DEFCN_DETECTOR_MAX_EDGE;

  if (rule->long_edge <= limit)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: its pictures have up to %d pixels a side, more than the %d that "
      "max-edge allows",
      path, rule->long_edge, limit);
  return FALSE;
}

DefcnDetector *
defcn_detector_new (const char *path, const DefcnDetectorOptions *options,
    GError **error)
{
  const DefcnDetectorOptions defaults = { 0 };
  g_autoptr (DefcnDetector) d = g_new0 (DefcnDetector, 1);

  d->owns_model = TRUE;
  g_return_val_if_fail (path != NULL, NULL);
  if (!options)
    options = &defaults;

  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, error);
  if (!weights || !open_anywhere (d, weights, options, error)
      || !check_input (d, path, options, error))
    return NULL;

  d->hash = defcn_weights_hash (weights);
  d->most = MAX (options->batch, 0);
  if (d->most > 1 && !d->be->plan_bytes && !d->be->share)
    d->be->plan_bytes = BATCH_BYTES;
  init (d);
  return g_steal_pointer (&d);
}

DefcnDetector *
defcn_detector_new_from_model (DefcnModel *model)
{
  DefcnDetector *d = g_new0 (DefcnDetector, 1);

  d->model = model;
  d->be = defcn_model_backend (model);
  init (d);
  return d;
}

void
defcn_detector_free (DefcnDetector *d)
{
  if (!d)
    return;
  defcn_apart_free (d->apart);
  defcn_runner_free (d->runner);
  g_clear_pointer (&d->places, g_array_unref);
  if (d->owns_model) {
    defcn_model_free (d->model);
    defcn_backend_free (d->be);
  }
  g_free (d->hash);
  g_free (d->description);
  g_free (d->class_thresholds);
  g_free (d->run_thresholds);
  g_free (d);
}

static gboolean
check_image (const DefcnDetector *d, const DefcnImage *image, GError **error)
{
  if (!defcn_image_check (image, error))
    return FALSE;
  if (defcn_detector_reads (d, image->memory))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "the image is in the memory of a CUDA device, device \"%s\" reads the "
      "host's",
      d->be->name);
  return FALSE;
}

/* An image has its boxes; of several one at a time is told. */
static void
done (DefcnRunner *runner, int i, gpointer data)
{
  Caller *caller = data;

  g_mutex_lock (&caller->lock);
  if (i == caller->n - 1)
    caller->last = runner;
  caller->detector->last = runner;
  if (caller->each)
    caller->each (i, caller->data);
  g_mutex_unlock (&caller->lock);
}

/* Images in lanes, and on all threads or in passes of several what is left. */
static gboolean
run_all (DefcnDetector *d, const DefcnRun *run, GError **error)
{
  DefcnRunnerTimes times = { 0 };

  if (run->n > 1 && !d->has_apart) {
    d->apart = defcn_apart_new (d->model, d->most > 0 ? d->most : run->n);
    d->has_apart = TRUE;
  }
  if (run->n > 1 && d->apart)
    defcn_apart_run (d->apart, run, &times);
  if (!defcn_runner_run (d->runner, run, error))
    return FALSE;
  defcn_runner_take_times (d->runner, &times);
  d->timings.preprocess = times.preprocess * 1000;
  d->timings.inference = times.inference * 1000;
  d->timings.postprocess = times.postprocess * 1000;
  return TRUE;
}

/* The detector's rule for as long as a run takes, whatever each() sets. */
static DefcnDecodeRule
keep_rule (DefcnDetector *d)
{
  DefcnDecodeRule rule = d->rule;

  if (rule.class_thresholds)
    rule.class_thresholds = memcpy (d->run_thresholds, rule.class_thresholds,
        defcn_detector_n_classes (d) * sizeof (float));
  return rule;
}

static gboolean
check_images (const DefcnDetector *d, const DefcnRun *run, GError **error)
{
  for (int i = 0; i < run->n; i++) {
    if (check_image (d, &run->images[i], error))
      continue;
    if (run->n > 1)
      g_prefix_error (error, "image %d: ", i);
    return FALSE;
  }
  return TRUE;
}

/* @regions: NULL: whole images; @rules: NULL: the detector's own; @each: NULL:
 * nobody wants to know. */
static gboolean
run_images (DefcnDetector *d, GArray **boxes, const DefcnImage *images,
    const DefcnRegion *regions, const DefcnDecodeRule *rules, int n,
    void (*each) (int i, gpointer data), gpointer data, GError **error)
{
  Caller caller = { .detector = d, .n = n, .each = each, .data = data };
  const DefcnRun run = { boxes, images, d->places, rules, keep_rule (d), n,
    done, &caller };
  gboolean good;

  memset (&d->timings, 0, sizeof d->timings);
  for (int i = 0; i < n; i++)
    g_array_set_size (boxes[i], 0);
  g_array_set_size (d->places, 0);
  g_array_set_size (d->places, n);
  defcn_runner_forget (d->runner);
  good = check_images (d, &run, error);
  for (int i = 0; i < n && good; i++)
    defcn_place_find (defcn_run_place (&run, i), &images[i],
        regions ? &regions[i] : NULL, &defcn_model_spec (d->model)->input);
  g_mutex_init (&caller.lock);
  good = good && (n == 0 || run_all (d, &run, error));
  g_mutex_clear (&caller.lock);
  d->last = good && caller.last ? caller.last : d->runner;
  if (!good || !caller.last)
    defcn_runner_forget (d->runner);
  for (int i = 0; i < n && !good; i++)
    g_array_set_size (boxes[i], 0);
  return good;
}

gboolean
defcn_detector_run (DefcnDetector *d, GArray **boxes, const DefcnImage *images,
    const DefcnRegion *regions, int n, GError **error)
{
  return run_images (d, boxes, images, regions, NULL, n, NULL, NULL, error);
}

gboolean
defcn_detector_run_by (DefcnDetector *d, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error)
{
  return run_images (d, boxes, images, regions, rules, n, NULL, NULL, error);
}

gboolean
defcn_detector_run_each (DefcnDetector *d, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions, int n,
    void (*each) (int i, gpointer data), gpointer data, GError **error)
{
  return run_images (d, boxes, images, regions, NULL, n, each, data, error);
}

void
defcn_detector_decode (DefcnDetector *d, GArray *boxes)
{
  defcn_runner_decode (d->last, boxes, &d->rule);
}

void
defcn_detector_set_threshold (DefcnDetector *d, float threshold)
{
  d->rule.threshold = threshold;
}

void
defcn_detector_set_class_thresholds (DefcnDetector *d, const float *thresholds)
{
  const gsize n = defcn_detector_n_classes (d);
  float *copy =
      thresholds ? g_memdup2 (thresholds, n * sizeof *thresholds) : NULL;

  g_free (d->class_thresholds);
  d->class_thresholds = copy;
  d->rule.class_thresholds = d->class_thresholds;
}

void
defcn_detector_set_max_detections (DefcnDetector *d, int max)
{
  d->rule.max_detections = max;
}

void
defcn_detector_set_nms (DefcnDetector *d, float iou)
{
  d->rule.nms_iou = iou;
}

float
defcn_detector_nms (const DefcnDetector *d)
{
  return d->rule.nms_iou;
}

void
defcn_detector_set_duplicate_filter (DefcnDetector *d, float iou)
{
  d->rule.duplicate_iou = iou;
}

float
defcn_detector_duplicate_filter (const DefcnDetector *d)
{
  return d->rule.duplicate_iou;
}

void
defcn_detector_set_nms_range (DefcnDetector *d, const DefcnNmsRange *range)
{
  d->rule.nms_range = *range;
}

void
defcn_detector_set_max_filter (DefcnDetector *d, const DefcnMaxFilter *filter)
{
  d->rule.max_filter = *filter;
}

DefcnDecodeRule
defcn_detector_rule (const DefcnDetector *d)
{
  return d->rule;
}

int
defcn_detector_n_classes (const DefcnDetector *d)
{
  return defcn_model_spec (d->model)->n_classes;
}

const char *
defcn_detector_label (const DefcnDetector *d, int i)
{
  g_return_val_if_fail (i >= 0 && i < defcn_detector_n_classes (d), NULL);

  return defcn_model_spec (d->model)->labels[i];
}

float
defcn_detector_threshold (const DefcnDetector *d)
{
  return d->rule.threshold;
}

float
defcn_detector_working_threshold (const DefcnDetector *d)
{
  return defcn_model_spec (d->model)->working_threshold;
}

int
defcn_detector_max_detections (const DefcnDetector *d)
{
  return d->rule.max_detections;
}

gboolean
defcn_detector_reads (const DefcnDetector *d, DefcnMemory memory)
{
  return memory == DEFCN_MEMORY_HOST || memory == d->be->reads;
}

const char *
defcn_detector_hash (const DefcnDetector *d)
{
  return d->hash;
}

const char *
defcn_detector_device (const DefcnDetector *d)
{
  return d->be->name;
}

const char *
defcn_detector_description (const DefcnDetector *d)
{
  return d->description;
}

gsize
defcn_detector_bytes (const DefcnDetector *d)
{
  return defcn_model_bytes (d->model) + defcn_apart_bytes (d->apart);
}

const char *
defcn_detector_passed_over (const DefcnDetector *d)
{
  return d->be->passed_over;
}

const char *
defcn_detector_tuning_problem (const DefcnDetector *d)
{
  return d->be->tune ? defcn_tune_problem (d->be->tune) : NULL;
}

void
defcn_detector_timings (const DefcnDetector *d, DefcnTimings *timings)
{
  *timings = d->timings;
}
