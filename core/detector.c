/* The detector: images -> network input -> heads -> boxes. */
#include "detector.h"

#include <string.h>

#include "decoder.h"
#include "input.h"
#include "model.h"
#include "place.h"

#define MAX_BATCH 4 /* where the backend does not say */
/* Of plans, where each size of the input comes in passes of many sizes. */
#define BATCH_BYTES ((gsize) 4 << 30)

struct _DefcnDetector
{
  DefcnBackend *be;
  DefcnModel *model;
  gboolean owns_model; /* and the backend */
  DefcnInput *input;
  DefcnDecoder *decoder;
  char *hash, *description;
  int most;       /* images in a pass, as told; 0: what suits the device */
  gboolean fills; /* and never fewer */
  DefcnDecodeRule rule;
  float *class_thresholds; /* what rule points to, or NULL */
  GArray *places;          /* of a run's images */
  GArray *batch; /* int, which of them go through the network together */
  const DefcnPlan *plan; /* of the pass */
  /* The last image: its place, and which of the pass's images it is. */
  DefcnPlace place;
  int at;
  DefcnTimings timings;
};

/* Arguments of a run. */
typedef struct
{
  GArray **boxes;
  const DefcnImage *images;
  const DefcnRegion *regions;   /* NULL: whole images */
  const DefcnDecodeRule *rules; /* NULL: the detector's own */
  int n;
  void (*each) (int i, gpointer data); /* NULL: nobody wants to know */
  gpointer data;
} Run;

static char *
describe (const DefcnBackend *be)
{
  const char *precision = be->precision ? be->precision : "fp32";

  if (g_str_has_prefix (be->name, "cuda"))
    return g_strdup_printf ("%s, %s", be->name, precision);
  return g_strdup_printf ("%s, %d thread%s, %s", be->name, be->threads,
      be->threads == 1 ? "" : "s", precision);
}

/* What follows from the model. */
static void
init (DefcnDetector *d)
{
  d->input = defcn_input_new (d->be, &defcn_model_spec (d->model)->input);
  d->decoder =
      defcn_decoder_new (d->be, defcn_model_spec (d->model)->n_classes);
  d->places = g_array_new (FALSE, TRUE, sizeof (DefcnPlace));
  d->batch = g_array_new (FALSE, FALSE, sizeof (int));
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
  init (d);
  if (options->batch > 0) {
    d->most = options->batch;
    d->fills = d->be->sums_by_batch;
    if (d->most > 1 && !d->be->plan_bytes)
      d->be->plan_bytes = BATCH_BYTES;
  }
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
  defcn_input_free (d->input);
  defcn_decoder_free (d->decoder);
  g_clear_pointer (&d->places, g_array_unref);
  g_clear_pointer (&d->batch, g_array_unref);
  if (d->owns_model) {
    defcn_model_free (d->model);
    defcn_backend_free (d->be);
  }
  g_free (d->hash);
  g_free (d->description);
  g_free (d->class_thresholds);
  g_free (d);
}

static DefcnPlace *
place_at (const DefcnDetector *d, int i)
{
  return &g_array_index (d->places, DefcnPlace, i);
}

/* The image of place @k of the batch. */
static int
batch_at (const DefcnDetector *d, guint k)
{
  return g_array_index (d->batch, int, k);
}

static const DefcnDecodeRule *
rule_of (const DefcnDetector *d, const Run *run, int i)
{
  return run->rules ? &run->rules[i] : &d->rule;
}

/* What suits the whole batch, if its rules agree on duplicates. */
static void
seek_for_batch (DefcnDetector *d, const Run *run)
{
  float threshold = G_MAXFLOAT;

  for (guint k = 0; k < d->batch->len; k++) {
    const DefcnDecodeRule *rule = rule_of (d, run, batch_at (d, k));

    if (rule->topk > 0)
      threshold = MIN (threshold,
          defcn_boxes_threshold (rule, defcn_detector_n_classes (d)));
  }
  defcn_decoder_seek (d->decoder, threshold,
      rule_of (d, run, batch_at (d, 0))->duplicate_iou);
}

static void
find (gpointer data)
{
  DefcnDetector *d = data;

  defcn_decoder_find (d->decoder, d->plan);
}

static void
preprocess (gpointer data)
{
  DefcnDetector *d = data;

  d->be->pass->preprocess (d->be, d->plan->input);
}

/* The last image. */
static void
decode (DefcnDetector *d, GArray *boxes, const DefcnDecodeRule *rule)
{
  defcn_decoder_decode (d->decoder, boxes, d->at, rule);
  defcn_place_boxes (boxes, &d->place);
}

void
defcn_detector_decode (DefcnDetector *d, GArray *boxes)
{
  g_return_if_fail (d->place.w > 0);

  decode (d, boxes, &d->rule);
}

/* Images in a pass. */
static int
most (const DefcnDetector *d)
{
  if (d->most > 0)
    return d->most;
  return d->be->batch > 0 ? d->be->batch : MAX_BATCH;
}

/* The images from @first on that have its size in the network and wait: a power
 * of two of them, so that there are few plans, or all that make a full pass. */
static void
gather_batch (DefcnDetector *d, int first)
{
  const DefcnPlace *wanted = place_at (d, first);
  guint n = 1;

  g_array_set_size (d->batch, 0);
  for (int i = first;
       i < (int) d->places->len && (int) d->batch->len < most (d); i++) {
    const DefcnPlace *place = place_at (d, i);

    if (!place->done && place->w > 0 && place->pad_w == wanted->pad_w
        && place->pad_h == wanted->pad_h)
      g_array_append_val (d->batch, i);
  }
  if (d->fills || d->batch->len == (guint) d->most) /* as told */
    return;
  while (2 * n <= d->batch->len)
    n *= 2;
  g_array_set_size (d->batch, n);
}

/* The plan of the batch, of half of it where there is no memory for the whole,
 * and so on; where passes are always full, from then on. */
static const DefcnPlan *
plan_batch (DefcnDetector *d, GError **error)
{
  const DefcnPlace *place = place_at (d, batch_at (d, 0));

  for (;;) {
    const guint n = d->fills ? (guint) d->most : d->batch->len;
    const DefcnPlan *plan = defcn_model_plan (d->model, n, place->pad_h,
        place->pad_w, n == 1 ? error : NULL);

    if (plan || n == 1)
      return plan;
    if (d->fills)
      d->most = n / 2;
    g_array_set_size (d->batch, MIN (d->batch->len, n / 2));
  }
}

/* All of it as one piece of work, which the backend repeats. */
static void
run_pass (DefcnDetector *d, const Run *run)
{
  seek_for_batch (d, run);
  defcn_net_forward_between (d->plan->net, preprocess, find, d);
}

/* One pass of the network, over the batch that begins with image @first. */
static gboolean
run_batch (DefcnDetector *d, const Run *run, int first, GError **error)
{
  const gint64 start = g_get_monotonic_time ();

  d->place.w = 0;
  gather_batch (d, first);
  const DefcnPlan *plan = d->plan = plan_batch (d, error);
  if (!plan)
    return FALSE;
  const gboolean is_placed = defcn_input_place (d->input, plan->input,
      run->images, d->places, d->batch);
  if (!is_placed
      && !defcn_input_upload (d->input, plan->input, run->images, d->places,
          d->batch, error))
    return FALSE;

  const gint64 prepared = g_get_monotonic_time ();
  if (is_placed)
    run_pass (d, run);
  else
    defcn_net_forward (plan->net);
  if (!d->be->sync (d->be, error))
    return FALSE;
  if (!defcn_decoder_take (d->decoder, plan, is_placed))
    return defcn_input_no_memory (place_at (d, first), error);

  const gint64 inferred = g_get_monotonic_time ();
  for (guint k = 0; k < d->batch->len; k++) {
    const int i = batch_at (d, k);
    DefcnPlace *place = place_at (d, i);

    place->done = TRUE;
    d->place = *place;
    d->at = k;
    decode (d, run->boxes[i], rule_of (d, run, i));
    if (run->each)
      run->each (i, run->data);
  }
  if (!defcn_decoder_check (d->decoder, error)) {
    d->place.w = 0;
    return FALSE;
  }
  d->timings.preprocess += (prepared - start) * 1000;
  d->timings.inference += (inferred - prepared) * 1000;
  d->timings.postprocess += (g_get_monotonic_time () - inferred) * 1000;
  return TRUE;
}

/* All images; those of the last one's size at the end, so that the last image
 * is the last of the last pass. */
static gboolean
run_all (DefcnDetector *d, const Run *run, GError **error)
{
  const DefcnPlace *last = place_at (d, run->n - 1);

  d->place.w = 0;
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < run->n; i++) {
      const DefcnPlace *place = place_at (d, i);
      const gboolean is_late =
          place->pad_w == last->pad_w && place->pad_h == last->pad_h;

      if (place->w > 0 && !place->done && is_late == (round == 1)
          && !run_batch (d, run, i, error))
        return FALSE;
    }
  if (last->w == 0)
    d->place.w = 0;
  return TRUE;
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

static gboolean
run_images (DefcnDetector *d, const Run *run, GError **error)
{
  gboolean good = TRUE;

  memset (&d->timings, 0, sizeof d->timings);
  for (int i = 0; i < run->n; i++)
    g_array_set_size (run->boxes[i], 0);
  for (int i = 0; i < run->n && good; i++) {
    good = check_image (d, &run->images[i], error);
    if (!good && run->n > 1)
      g_prefix_error (error, "image %d: ", i);
  }
  g_array_set_size (d->places, 0);
  g_array_set_size (d->places, run->n);
  for (int i = 0; i < run->n && good; i++)
    defcn_place_find (place_at (d, i), &run->images[i],
        run->regions ? &run->regions[i] : NULL,
        &defcn_model_spec (d->model)->input);
  good = good && (run->n == 0 || run_all (d, run, error));
  for (int i = 0; i < run->n && !good; i++)
    g_array_set_size (run->boxes[i], 0);
  return good;
}

gboolean
defcn_detector_run (DefcnDetector *d, GArray **boxes, const DefcnImage *images,
    const DefcnRegion *regions, int n, GError **error)
{
  return run_images (d, &(Run){ boxes, images, regions, .n = n }, error);
}

gboolean
defcn_detector_run_by (DefcnDetector *d, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error)
{
  return run_images (d, &(Run){ boxes, images, regions, rules, n }, error);
}

gboolean
defcn_detector_run_each (DefcnDetector *d, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions, int n,
    void (*each) (int i, gpointer data), gpointer data, GError **error)
{
  const Run all = { boxes, images, regions, NULL, n, each, data };

  return run_images (d, &all, error);
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
  return defcn_model_bytes (d->model);
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
