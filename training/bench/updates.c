/* `defcn bench --train`: how long an update of the weights takes. */
#include "updates.h"

#include "progress.h"

#define OBJECTS 8 /* on an image, about as many as COCO has */

/* An image of noise with boxes anywhere, none narrower than 16 pixels unless
 * the image is. */
static DefcnExample *
make_example (GRand *rand, int w, int h, int n_classes)
{
  DefcnExample *example = g_new0 (DefcnExample, 1);
  const gsize len = (gsize) w * h * 3;

  example->width = w;
  example->height = h;
  example->rgb = g_malloc (len);
  for (gsize i = 0; i < len; i++)
    example->rgb[i] = g_rand_int (rand) >> 24;
  example->objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));
  for (int i = 0; i < OBJECTS; i++) {
    const float ow = g_rand_double_range (rand, MIN (16, w / 2), w);
    const float oh = g_rand_double_range (rand, MIN (16, h / 2), h);
    DefcnObject o = { .label = g_rand_int_range (rand, 0, n_classes) };

    o.x1 = g_rand_double (rand) * (w - ow);
    o.y1 = g_rand_double (rand) * (h - oh);
    o.x2 = o.x1 + ow;
    o.y2 = o.y1 + oh;
    g_array_append_val (example->objects, o);
  }
  return example;
}

gboolean
defcn_bench_updates_measure (DefcnBench *b, GError **error)
{
  const DefcnTensor *x = b->plan->input;
  DefcnParams *params = defcn_model_params (b->model);
  const int batch = x->n, repetitions = b->total.n;
  g_autoptr (DefcnStep) step = defcn_step_new (b->model, &b->recipe->step);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (params, &b->recipe->optimizer);
  g_autoptr (DefcnProgress) progress =
      defcn_progress_new ("bench", repetitions);
  g_autoptr (GPtrArray) examples =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_example_free);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (int i = 0; i < batch; i++)
    g_ptr_array_add (examples,
        make_example (rand, x->w, x->h,
            defcn_model_spec (b->model)->n_classes));
  for (int i = -1; i < repetitions; i++) {
    const int at = MAX (i, 0);
    const double start = defcn_bench_stages_now ();
    DefcnStepLosses losses;

    defcn_progress_update (progress, at, "%s", "");
    if (!defcn_step_run (step, (DefcnExample **) examples->pdata, batch, batch,
            &losses, error))
      return FALSE;

    const double there = defcn_bench_stages_now ();
    defcn_optimizer_step (optimizer, i + 1);
    defcn_params_upload (params);

    const double end = defcn_bench_stages_now ();
    b->stages[DEFCN_STAGE_GRADIENTS].ms[at] = there - start;
    b->stages[DEFCN_STAGE_UPDATE].ms[at] = end - there;
    b->total.ms[at] = end - start;
  }
  return TRUE;
}
