/* `defcn bench --batch`: a batch whose images go apart. */
#include "batch.h"

#include "apart.h"

static void
done (DefcnRunner *runner, int i, gpointer data)
{
}

/* The whole frame fills the whole input. */
static DefcnPlace
place_of (const DefcnBench *b)
{
  const DefcnTensor *x = b->plan->input;

  return (DefcnPlace){ .region = { 0, 0, b->image.width, b->image.height },
    .w = x->w,
    .h = x->h,
    .upright_w = x->w,
    .upright_h = x->h,
    .pad_w = x->w,
    .pad_h = x->h };
}

/* Frames, places and boxes of a batch. */
static void
run_init (DefcnRun *run, const DefcnBench *b)
{
  *run = (DefcnRun){ .boxes = g_new (GArray *, b->batch),
    .places = g_array_new (FALSE, FALSE, sizeof (DefcnPlace)),
    .rule = defcn_spec_decode_rule (defcn_model_spec (b->model)),
    .n = b->batch,
    .done = done };

  DefcnImage *images = g_new (DefcnImage, b->batch);
  const DefcnPlace place = place_of (b);

  for (int i = 0; i < b->batch; i++) {
    images[i] = b->image;
    run->boxes[i] = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    g_array_append_val (run->places, place);
  }
  run->images = images;
}

static void
run_clear (DefcnRun *run)
{
  for (int i = 0; i < run->n; i++)
    g_array_unref (run->boxes[i]);
  g_free (run->boxes);
  g_free ((gpointer) run->images);
  g_array_unref (run->places);
}

gboolean
defcn_bench_batch_measure (DefcnBench *b, GError **error)
{
  DefcnRunnerTimes times = { 0 };
  gboolean good = TRUE;
  DefcnRun run;

  if (b->batch == b->plan->input->n)
    return TRUE;

  DefcnApart *apart = defcn_apart_new (b->model, b->batch);
  DefcnRunner *runner = defcn_runner_new (b->model, 1, FALSE);
  run_init (&run, b);
  for (int r = -1; good && r < b->whole_batch.n; r++) { /* -1 warms up */
    const double start = defcn_bench_stages_now ();

    for (int i = 0; i < run.n; i++)
      defcn_run_place (&run, i)->done = FALSE;
    if (apart)
      defcn_apart_run (apart, &run, &times);
    good = defcn_runner_run (runner, &run, error);
    b->whole_batch.ms[MAX (r, 0)] = defcn_bench_stages_now () - start;
  }
  b->batch_bytes = defcn_model_bytes (b->model) - b->weight_bytes
      + defcn_apart_bytes (apart);
  run_clear (&run);
  defcn_runner_free (runner);
  defcn_apart_free (apart);
  return good;
}
