/* Passes of the network: images -> network input -> heads -> boxes. */
#include "runner.h"

#include <string.h>

#include "decoder.h"
#include "input.h"

struct _DefcnRunner
{
  DefcnBackend *be;
  DefcnModel *model;
  DefcnInput *input;
  DefcnDecoder *decoder;
  int most;
  gboolean fills;
  GArray *batch;         /* int, which images go through the network together */
  const DefcnPlan *plan; /* of the pass */
  /* The last image: its place, and which of the pass's images it is. */
  DefcnPlace place;
  int at;
  DefcnRunnerTimes times;
};

DefcnRunner *
defcn_runner_new (DefcnModel *model, int most, gboolean fills)
{
  const DefcnSpec *spec = defcn_model_spec (model);
  DefcnRunner *r = g_new0 (DefcnRunner, 1);

  r->be = defcn_model_backend (model);
  r->model = model;
  r->input = defcn_input_new (r->be, &spec->input);
  r->decoder = defcn_decoder_new (r->be, spec->n_classes);
  r->most = most;
  r->fills = fills;
  r->batch = g_array_new (FALSE, FALSE, sizeof (int));
  return r;
}

void
defcn_runner_free (DefcnRunner *r)
{
  if (!r)
    return;
  defcn_input_free (r->input);
  defcn_decoder_free (r->decoder);
  g_array_unref (r->batch);
  g_free (r);
}

/* The image of place @k of the batch. */
static int
batch_at (const DefcnRunner *r, guint k)
{
  return g_array_index (r->batch, int, k);
}

static const DefcnDecodeRule *
rule_of (const DefcnRun *run, int i)
{
  return run->rules ? &run->rules[i] : &run->rule;
}

/* What suits the whole batch, if its rules agree on duplicates. */
static void
seek_for_batch (DefcnRunner *r, const DefcnRun *run)
{
  float threshold = G_MAXFLOAT;

  for (guint k = 0; k < r->batch->len; k++) {
    const DefcnDecodeRule *rule = rule_of (run, batch_at (r, k));

    if (rule->topk > 0)
      threshold = MIN (threshold,
          defcn_boxes_threshold (rule, defcn_model_spec (r->model)->n_classes));
  }
  defcn_decoder_seek (r->decoder, threshold,
      rule_of (run, batch_at (r, 0))->duplicate_iou);
}

static void
find (gpointer data)
{
  DefcnRunner *r = data;

  defcn_decoder_find (r->decoder, r->plan);
}

static void
preprocess (gpointer data)
{
  DefcnRunner *r = data;

  r->be->pass->preprocess (r->be, r->plan->input);
}

void
defcn_runner_decode (DefcnRunner *r, GArray *boxes, const DefcnDecodeRule *rule)
{
  g_return_if_fail (r->place.w > 0);

  defcn_decoder_decode (r->decoder, boxes, r->at, rule);
  defcn_place_boxes (boxes, &r->place);
}

void
defcn_runner_forget (DefcnRunner *r)
{
  r->place.w = 0;
}

/* The images from @first on that have its size in the network and wait: a power
 * of two of them, so that there are few plans, or all that make a full pass. */
static void
gather_batch (DefcnRunner *r, const DefcnRun *run, int first)
{
  const DefcnPlace *wanted = defcn_run_place (run, first);
  guint n = 1;

  g_array_set_size (r->batch, 0);
  for (int i = first; i < run->n && (int) r->batch->len < r->most; i++) {
    const DefcnPlace *place = defcn_run_place (run, i);

    if (defcn_run_waits (run, i) && place->pad_w == wanted->pad_w
        && place->pad_h == wanted->pad_h)
      g_array_append_val (r->batch, i);
  }
  if (r->fills || r->batch->len == (guint) r->most) /* as told */
    return;
  while (2 * n <= r->batch->len)
    n *= 2;
  g_array_set_size (r->batch, n);
}

/* The plan of the batch, of half of it where there is no memory for the whole,
 * and so on; where passes are always full, from then on. */
static const DefcnPlan *
plan_batch (DefcnRunner *r, const DefcnRun *run, GError **error)
{
  const DefcnPlace *place = defcn_run_place (run, batch_at (r, 0));

  for (;;) {
    const guint n = r->fills ? (guint) r->most : r->batch->len;
    const DefcnPlan *plan = defcn_model_plan (r->model, n, place->pad_h,
        place->pad_w, n == 1 ? error : NULL);

    if (plan || n == 1)
      return plan;
    if (r->fills)
      r->most = n / 2;
    g_array_set_size (r->batch, MIN (r->batch->len, n / 2));
  }
}

/* All of it as one piece of work, which the backend repeats. */
static void
run_pass (DefcnRunner *r, const DefcnRun *run)
{
  seek_for_batch (r, run);
  defcn_net_forward_between (r->plan->net, preprocess, find, r);
}

/* The boxes of the batch. */
static gboolean
decode_batch (DefcnRunner *r, const DefcnRun *run, GError **error)
{
  for (guint k = 0; k < r->batch->len; k++) {
    const int i = batch_at (r, k);
    DefcnPlace *place = defcn_run_place (run, i);

    r->place = *place;
    r->at = k;
    defcn_runner_decode (r, run->boxes[i], rule_of (run, i));
    place->done = TRUE;
    run->done (r, i, run->data);
  }
  return defcn_decoder_check (r->decoder, error);
}

static gboolean
run_batch (DefcnRunner *r, const DefcnRun *run, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const DefcnPlan *plan = r->plan = plan_batch (r, run, error);

  if (!plan)
    return FALSE;
  const gboolean is_placed = defcn_input_place (r->input, plan->input,
      run->images, run->places, r->batch);
  if (!is_placed
      && !defcn_input_upload (r->input, plan->input, run->images, run->places,
          r->batch, error))
    return FALSE;

  const gint64 prepared = g_get_monotonic_time ();
  if (is_placed)
    run_pass (r, run);
  else
    defcn_net_forward (plan->net);
  if (!r->be->sync (r->be, error))
    return FALSE;
  if (!defcn_decoder_take (r->decoder, plan, is_placed))
    return defcn_input_no_memory (defcn_run_place (run, batch_at (r, 0)),
        error);

  const gint64 inferred = g_get_monotonic_time ();
  if (!decode_batch (r, run, error))
    return FALSE;
  r->times.preprocess += prepared - start;
  r->times.inference += inferred - prepared;
  r->times.postprocess += g_get_monotonic_time () - inferred;
  return TRUE;
}

gboolean
defcn_runner_pass (DefcnRunner *r, const DefcnRun *run, int first,
    GError **error)
{
  defcn_runner_forget (r);
  gather_batch (r, run, first);
  if (run_batch (r, run, error))
    return TRUE;
  for (guint k = 0; k < r->batch->len; k++)
    defcn_run_place (run, batch_at (r, k))->done = FALSE;
  defcn_runner_forget (r);
  if (r->most == 1 && run->n > 1)
    g_prefix_error (error, "image %d: ", first);
  return FALSE;
}

gboolean
defcn_runner_run (DefcnRunner *r, const DefcnRun *run, GError **error)
{
  const DefcnPlace *last = defcn_run_place (run, run->n - 1);

  for (int round = 0; round < 2; round++)
    for (int i = 0; i < run->n; i++) {
      const DefcnPlace *place = defcn_run_place (run, i);
      const gboolean is_late =
          place->pad_w == last->pad_w && place->pad_h == last->pad_h;

      if (defcn_run_waits (run, i) && is_late == (round == 1)
          && !defcn_runner_pass (r, run, i, error))
        return FALSE;
    }
  return TRUE;
}

void
defcn_runner_take_times (DefcnRunner *r, DefcnRunnerTimes *times)
{
  times->preprocess += r->times.preprocess;
  times->inference += r->times.inference;
  times->postprocess += r->times.postprocess;
  memset (&r->times, 0, sizeof r->times);
}
