/* `defcn bench`: the time of a detection, stage by stage. */
#include "stages.h"

#include "device_options.h"
#include "heads.h"
#include "progress.h"

#include <time.h>

/* Which stage a step belongs to: the first prefix of its name that fits. */
static const struct
{
  const char *prefix;
  DefcnStage stage;
} prefixes[] = {
  { "backbone.bottom_up.stem", DEFCN_STAGE_STEM },
  { "max_pool", DEFCN_STAGE_STEM },
  { "backbone.bottom_up.res2", DEFCN_STAGE_RES2 },
  { "backbone.bottom_up.res3", DEFCN_STAGE_RES3 },
  { "backbone.bottom_up.res4", DEFCN_STAGE_RES4 },
  { "backbone.bottom_up.res5", DEFCN_STAGE_RES5 },
  { "backbone.bottom_up", DEFCN_STAGE_BACKBONE },
  { "head.cls_subnet", DEFCN_STAGE_TOWERS },
  { "head.bbox_subnet", DEFCN_STAGE_TOWERS },
  { "head.max3d", DEFCN_STAGE_MAX3D }, { "head.filter", DEFCN_STAGE_FILTER },
  { "head.cls_score", DEFCN_STAGE_CLS }, { "head.bbox_pred", DEFCN_STAGE_BOX },
  { "head.scales", DEFCN_STAGE_BOX },
  { "", DEFCN_STAGE_FPN }, /* laterals, outputs, P6, P7 and what joins them */
};

double
defcn_bench_stages_now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static DefcnStage
stage_of (const DefcnNode *node)
{
  int i = 0;

  while (!g_str_has_prefix (node->name, prefixes[i].prefix))
    i++;
  return prefixes[i].stage;
}

/* The network that `defcn train` would build; the recipe's data is not used,
 * but a recipe without is not complete. */
static DefcnRecipe *
make_recipe (const DefcnBenchOptions *o, GError **error)
{
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (o->preset, error);

  if (!recipe || !defcn_recipe_set (recipe, "annotations=none", error)
      || !defcn_recipe_set (recipe, "images=none", error))
    return NULL;
  for (char **s = o->settings; s && *s; s++)
    if (!defcn_recipe_set (recipe, *s, error))
      return NULL;
  if (!defcn_recipe_finish (recipe, error))
    return NULL;

  DefcnSpec *spec = recipe->spec;
  g_strfreev (spec->labels);
  spec->labels = g_new0 (char *, o->classes + 1);
  spec->n_classes = o->classes;
  for (int i = 0; i < o->classes; i++)
    spec->labels[i] = g_strdup_printf ("class%d", i);
  return g_steal_pointer (&recipe);
}

static gboolean
open_model (DefcnBench *b, const DefcnBenchOptions *o, GError **error)
{
  g_autoptr (DefcnWeights) weights = NULL;

  b->recipe = make_recipe (o, error);
  if (!b->recipe)
    return FALSE;
  b->be = defcn_device_options_open (&o->device, o->model, error);
  if (!b->be)
    return FALSE;
  if (!o->model) {
    b->model = defcn_model_new (b->recipe->spec, b->be, o->train, 1, error);
    return b->model != NULL;
  }
  weights = defcn_weights_open (o->model, error);
  if (weights)
    b->model = defcn_model_open (weights, b->be, o->train, error);
  return b->model != NULL;
}

static void
samples_init (DefcnSamples *s, int n)
{
  s->ms = g_new0 (double, n);
  s->n = n;
}

gboolean
defcn_bench_stages_open (DefcnBench *b, const DefcnBenchOptions *o,
    GError **error)
{
  enum
  {
    W = 1920,
    H = 1080
  };

  if (!open_model (b, o, error))
    return FALSE;

  /* what was read, before it is measured anew */
  if (b->be->tune && defcn_tune_problem (b->be->tune))
    g_printerr ("defcn bench: --autotune: %s\n",
        defcn_tune_problem (b->be->tune));

  const int divisor = defcn_model_spec (b->model)->input.divisor;
  const int w = (o->width + divisor - 1) / divisor * divisor;
  const int h = (o->height + divisor - 1) / divisor * divisor;
  b->batch = o->batch;
  b->weight_bytes = defcn_model_bytes (b->model);
  b->plan = defcn_model_plan (b->model,
      b->be->share && !o->train ? 1 : o->batch, h, w, error);
  if (!b->plan)
    return FALSE;

  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  b->frame = g_malloc (W * H * 3 / 2);
  for (int i = 0; i < W * H * 3 / 2; i++)
    b->frame[i] = g_rand_int (rand) >> 24;
  b->image = (DefcnImage){ DEFCN_FORMAT_NV12, W, H,
    { b->frame, b->frame + W * H }, { W, W }, DEFCN_MATRIX_BT709, FALSE };
  b->rgb = g_malloc ((gsize) w * h * 3);
  b->input = g_new (float, defcn_tensor_len (b->plan->input));
  b->heads = g_new (float, defcn_heads_len (b->plan));
  b->boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  b->scaler = defcn_scaler_new ();
  defcn_scaler_set_threads (b->scaler, b->be->threads);

  const guint n_nodes = defcn_net_count (b->plan->net);
  for (int i = 0; i < DEFCN_N_STAGES; i++)
    samples_init (&b->stages[i], o->repetitions);
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++)
    samples_init (&b->crowds[i], o->repetitions);
  samples_init (&b->forward, o->repetitions);
  samples_init (&b->total, o->repetitions);
  samples_init (&b->whole_batch, o->repetitions);
  b->nodes = g_new0 (DefcnSamples, n_nodes);
  for (guint i = 0; i < n_nodes; i++) {
    const DefcnNode *node = defcn_net_node (b->plan->net, i);

    samples_init (&b->nodes[i], o->repetitions);
    b->macs[stage_of (node)] += defcn_node_macs (node);
  }
  return TRUE;
}

void
defcn_bench_stages_close (DefcnBench *b)
{
  for (guint i = 0; b->nodes && i < defcn_net_count (b->plan->net); i++)
    g_free (b->nodes[i].ms);
  g_free (b->nodes);
  for (int i = 0; i < DEFCN_N_STAGES; i++)
    g_free (b->stages[i].ms);
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++)
    g_free (b->crowds[i].ms);
  g_free (b->forward.ms);
  g_free (b->total.ms);
  g_free (b->whole_batch.ms);
  if (b->boxes)
    g_array_unref (b->boxes);
  defcn_scaler_free (b->scaler);
  g_free (b->heads);
  g_free (b->input);
  g_free (b->rgb);
  g_free (b->frame);
  defcn_model_free (b->model);
  defcn_backend_free (b->be);
  defcn_recipe_free (b->recipe);
}

/* The frame fills the whole input, once per image of the batch. */
static void
preprocess (DefcnBench *b)
{
  const DefcnTensor *x = b->plan->input;

  for (int i = 0; i < x->n; i++) {
    defcn_scaler_run (b->scaler, b->rgb, &b->image, 0, 0, b->image.width,
        b->image.height, x->w, x->h);
    defcn_image_normalize (b->input + (gsize) i * x->h * x->w * 3, b->rgb, x->w,
        x->h, x->w, x->h, &defcn_model_spec (b->model)->input);
  }
}

static void
postprocess (DefcnBench *b, DefcnLevel levels[DEFCN_N_LEVELS])
{
  const DefcnSpec *spec = defcn_model_spec (b->model);
  const DefcnDecodeRule rule = defcn_spec_decode_rule (spec);

  for (int n = 0; n < b->plan->input->n; n++) {
    defcn_boxes_decode (b->boxes, levels, DEFCN_N_LEVELS, spec->n_classes,
        &rule);
    defcn_heads_next (levels, spec->n_classes);
  }
}

/* One step at a time, each waited for. */
static gboolean
measure_nodes (DefcnBench *b, int repetition, GError **error)
{
  for (guint i = 0; i < defcn_net_count (b->plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b->plan->net, i);
    const double start = defcn_bench_stages_now ();

    b->be->ops[node->kind].forward (b->be, node);
    if (!b->be->sync (b->be, error))
      return FALSE;

    const double ms = defcn_bench_stages_now () - start;
    b->nodes[i].ms[repetition] = ms;
    b->stages[stage_of (node)].ms[repetition] += ms;
  }
  return TRUE;
}

/* Repetition -1 warms up and leaves no trace. */
static gboolean
measure (DefcnBench *b, int repetition, GError **error)
{
  const int at = MAX (repetition, 0);
  const DefcnTensor *x = b->plan->input;
  DefcnLevel levels[DEFCN_N_LEVELS];
  double t[6] = { defcn_bench_stages_now () };

  preprocess (b);
  t[1] = defcn_bench_stages_now ();
  b->be->upload (b->be, x, x->data, b->input);
  if (!b->be->sync (b->be, error))
    return FALSE;
  t[2] = defcn_bench_stages_now ();
  defcn_net_forward (b->plan->net);
  if (!b->be->sync (b->be, error))
    return FALSE;
  t[3] = defcn_bench_stages_now ();
  defcn_heads_download (levels, b->heads, b->plan, b->be);
  t[4] = defcn_bench_stages_now ();
  postprocess (b, levels);
  t[5] = defcn_bench_stages_now ();

  for (int i = 0; i < DEFCN_N_STAGES; i++)
    b->stages[i].ms[at] = 0;
  b->stages[DEFCN_STAGE_PREPROCESS].ms[at] = t[1] - t[0];
  b->stages[DEFCN_STAGE_UPLOAD].ms[at] = t[2] - t[1];
  b->forward.ms[at] = t[3] - t[2];
  b->stages[DEFCN_STAGE_DOWNLOAD].ms[at] = t[4] - t[3];
  b->stages[DEFCN_STAGE_POSTPROCESS].ms[at] = t[5] - t[4];
  b->total.ms[at] = t[5] - t[0];
  return measure_nodes (b, at, error);
}

gboolean
defcn_bench_stages_measure (DefcnBench *b, GError **error)
{
  const int repetitions = b->total.n;
  g_autoptr (DefcnProgress) progress =
      defcn_progress_new ("bench", repetitions);

  for (int i = -1; i < repetitions; i++) {
    defcn_progress_update (progress, MAX (i, 0), "%s", "");
    if (!measure (b, i, error))
      return FALSE;
  }
  if (b->be->peak)
    b->peak = b->be->peak (b->be);
  return TRUE;
}
