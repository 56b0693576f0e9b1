/* Optimisers, schedules, averaged weights and their state on disk. */
#include "train/optimizer.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define N_STEPS 7

static const DefcnOptimizerOptions sgd = { .kind = DEFCN_OPTIMIZER_SGD,
  .lr = 0.1,
  .momentum = 0.9,
  .weight_decay = 0.01,
  .backbone_lr = 1,
  .iterations = 100 };

static const DefcnOptimizerOptions adamw = { .kind = DEFCN_OPTIMIZER_ADAMW,
  .lr = 0.01,
  .weight_decay = 0.1,
  .backbone_lr = 1,
  .iterations = 100 };

/* One parameter of every kind, with fixed random values. */
typedef struct
{
  DefcnBackend *be;
  DefcnParams *params;
} Fixture;

static void
fixture_init (Fixture *f, guint32 seed)
{
  DefcnTensor *w, *b;

  f->be = defcn_backend_new ("reference", 1, NULL);
  f->params = defcn_params_new (f->be, TRUE);
  defcn_params_conv (f->params, &w, &b, "backbone.bottom_up.stem.conv1", TRUE,
      FALSE, FALSE, DEFCN_INIT_NORMAL, 1, 0, 4, 3, 3);
  defcn_params_conv (f->params, &w, &b, "backbone.bottom_up.res3.0.conv1", TRUE,
      FALSE, TRUE, DEFCN_INIT_NORMAL, 1, 0, 4, 3, 3);
  defcn_params_conv (f->params, &w, &b, "backbone.fpn_lateral3", FALSE, TRUE,
      TRUE, DEFCN_INIT_UNIFORM, 1, 0, 2, 1, 3);
  defcn_params_conv (f->params, &w, &b, "head.cls_score", FALSE, TRUE, TRUE,
      DEFCN_INIT_NORMAL, 1, 0.5f, 3, 3, 4);
  defcn_params_vector (f->params, "head.cls_subnet.1.weight", DEFCN_PARAM_NORM,
      1, 5);
  defcn_params_vector (f->params, "head.scales.0.scale", DEFCN_PARAM_SCALE, 1,
      1);
  defcn_params_initialize (f->params, seed);
}

static void
fixture_clear (Fixture *f)
{
  defcn_params_free (f->params);
  defcn_backend_free (f->be);
}

/* Gradients of iteration @i, always the same for it. */
static void
set_gradients (DefcnParams *params, int i)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (100 + i);

  for (guint k = 0; k < defcn_params_count (params); k++) {
    DefcnParam *p = defcn_params_get (params, k);

    for (gsize j = 0; p->grad && j < defcn_param_len (p); j++)
      p->grad[j] = g_rand_double_range (rand, -1, 1);
  }
}

static double
norm_of_gradients (DefcnParams *params)
{
  double sum = 0;

  for (guint k = 0; k < defcn_params_count (params); k++) {
    DefcnParam *p = defcn_params_get (params, k);

    for (gsize j = 0; p->grad && j < defcn_param_len (p); j++)
      sum += (double) p->grad[j] * p->grad[j];
  }
  return sqrt (sum);
}

/* All values one after the other; (transfer full). */
static float *
snapshot (DefcnParams *params, gsize *len)
{
  GArray *values = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint k = 0; k < defcn_params_count (params); k++) {
    DefcnParam *p = defcn_params_get (params, k);

    g_array_append_vals (values, p->value, defcn_param_len (p));
  }
  if (len)
    *len = values->len;
  return (float *) g_array_free (values, FALSE);
}

/* Rates by hand: warm-up line, steps from their own iteration on, cosine from
 * the full rate to the final one and not beyond. */
static void
test_rates (void)
{
  const DefcnOptimizerOptions step = { .lr = 2,
    .schedule = DEFCN_SCHEDULE_STEP,
    .iterations = 100,
    .steps = { 50, 80 },
    .n_steps = 2,
    .warmup = 10,
    .warmup_factor = 0.1 };
  const DefcnOptimizerOptions cosine = { .lr = 2,
    .schedule = DEFCN_SCHEDULE_COSINE,
    .iterations = 101,
    .final_lr = 0.1 };
  const DefcnOptimizerOptions single = { .lr = 2,
    .schedule = DEFCN_SCHEDULE_COSINE,
    .iterations = 1,
    .final_lr = 0.1 };
  const DefcnOptimizerOptions flat = { .lr = 2 };
  const DefcnOptimizerOptions both = { .lr = 2,
    .schedule = DEFCN_SCHEDULE_COSINE,
    .iterations = 101,
    .warmup = 50,
    .final_lr = 0.1 };
  const struct
  {
    const DefcnOptimizerOptions *options;
    gint64 i;
    double want;
  } cases[] = { { &step, 0, 0.2 }, { &step, 5, 1.1 }, { &step, 9, 1.82 },
    { &step, 10, 2 }, { &step, 49, 2 }, { &step, 50, 0.2 }, { &step, 79, 0.2 },
    { &step, 80, 0.02 }, { &step, 1000, 0.02 }, { &cosine, 0, 2 },
    { &cosine, 50, 1.1 }, { &cosine, 25, 0.2 + 1.8 * (1 + M_SQRT1_2) / 2 },
    { &cosine, 100, 0.2 }, { &cosine, 5000, 0.2 }, { &single, 0, 0.2 },
    { &flat, 0, 2 }, { &flat, 7, 2 }, { &both, 0, 0 },
    { &both, 25, 0.1 + 0.9 * (1 + M_SQRT1_2) / 2 }, { &both, 50, 1.1 } };

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    g_assert_cmpfloat_with_epsilon (defcn_optimizer_lr (cases[k].options,
                                        cases[k].i),
        cases[k].want, 1e-12);
}

/* Warm-up, stable, decay: the full rate, then in a line to the final one at the
 * last iteration and not beyond; where there is no cooldown, the full rate to
 * the end. */
static void
test_wsd (void)
{
  const DefcnOptimizerOptions wsd = { .lr = 2,
    .schedule = DEFCN_SCHEDULE_WSD,
    .iterations = 101,
    .warmup = 10,
    .warmup_factor = 0.1,
    .final_lr = 0.1,
    .cooldown = 0.2 };
  const struct
  {
    double cooldown;
    gint64 iterations, warmup, i;
    double want;
  } cases[] = { { 0.2, 101, 10, 0, 0.2 }, { 0.2, 101, 10, 5, 1.1 },
    { 0.2, 101, 10, 10, 2 }, { 0.2, 101, 10, 79, 2 },
    { 0.2, 101, 10, 80, 2 - 1.8 * 0.2 / 20.2 },
    { 0.2, 101, 10, 90, 2 - 1.8 * 10.2 / 20.2 }, { 0.2, 101, 10, 100, 0.2 },
    { 0.2, 101, 10, 5000, 0.2 }, { 0, 101, 0, 0, 2 }, { 0, 101, 0, 100, 2 },
    { 1, 100, 0, 0, 2 - 1.8 / 100 }, { 1, 100, 0, 49, 1.1 },
    { 1, 100, 0, 99, 0.2 }, { 0.2, 1, 0, 0, 0.2 }, { 0, 1, 0, 0, 2 },
    { 1, 1, 0, 0, 0.2 } };
  DefcnOptimizerOptions shorter = wsd, longer = wsd;

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
    DefcnOptimizerOptions o = wsd;

    o.cooldown = cases[k].cooldown;
    o.iterations = cases[k].iterations;
    o.warmup = cases[k].warmup;
    g_assert_cmpfloat_with_epsilon (defcn_optimizer_lr (&o, cases[k].i),
        cases[k].want, 1e-12);
  }

  /* Until the cooldown of the shorter one, how long a run is shows nowhere. */
  shorter.iterations = 50;
  longer.iterations = 1000;
  for (int i = 0; i < 40; i++)
    g_assert_cmpfloat (defcn_optimizer_lr (&shorter, i), ==,
        defcn_optimizer_lr (&longer, i));
  g_assert_cmpfloat (defcn_optimizer_lr (&shorter, 40), <, 2);
  g_assert_cmpfloat (defcn_optimizer_lr (&longer, 799), ==, 2);
  g_assert_cmpfloat (defcn_optimizer_lr (&longer, 800), <, 2);
}

/* SGD in double: decay on all but norms, the backbone's own rate, frozen and
 * buffer parameters as they were. */
static void
test_sgd (void)
{
  DefcnOptimizerOptions options = sgd;
  Fixture f;
  gsize len, at = 0;

  options.backbone_lr = 0.5;
  fixture_init (&f, 1);
  g_autofree float *start = snapshot (f.params, &len);
  g_autofree double *p = g_new (double, len);
  g_autofree double *v = g_new0 (double, len);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (f.params, &options);
  for (gsize j = 0; j < len; j++)
    p[j] = start[j];

  for (int i = 0; i < 3; i++) {
    at = 0;
    set_gradients (f.params, i);
    for (guint k = 0; k < defcn_params_count (f.params); k++) {
      const DefcnParam *q = defcn_params_get (f.params, k);
      const double decay = q->kind == DEFCN_PARAM_NORM ? 0 : 0.01;
      const double lr = strstr (q->name, "bottom_up") ? 0.05 : 0.1;

      for (gsize j = 0; j < defcn_param_len (q); j++, at++) {
        if (!q->trainable)
          continue;
        v[at] = 0.9 * v[at] + q->grad[j] + decay * p[at];
        p[at] -= lr * v[at];
      }
    }
    const double norm = norm_of_gradients (f.params);
    g_assert_cmpfloat_with_epsilon (defcn_optimizer_step (optimizer, i), norm,
        1e-9);
  }

  g_autofree float *found = snapshot (f.params, NULL);
  int moved = 0;
  for (gsize j = 0; j < len; j++) {
    g_assert_cmpfloat_with_epsilon (found[j], p[j], 2e-6);
    moved += found[j] != start[j];
  }
  g_assert_cmpint (moved, >, 0);
  const DefcnParam *frozen =
      defcn_params_lookup (f.params, "backbone.bottom_up.stem.conv1.weight");
  g_assert_false (frozen->trainable);
  g_assert_cmpint (moved, ==, 4 * 27 + 2 * 3 + 2 + 3 * 36 + 3 + 5 + 1);
  fixture_clear (&f);
}

/* AdamW in double: bias correction from the iteration, decoupled decay on
 * convolution weights alone.  @size: of the gradients. */
static void
check_adamw (float size)
{
  DefcnOptimizerOptions options = adamw;
  Fixture f;
  gsize len;

  options.backbone_lr = 0.25;
  fixture_init (&f, 2);
  g_autofree float *start = snapshot (f.params, &len);
  g_autofree double *p = g_new (double, len);
  g_autofree double *m = g_new0 (double, len);
  g_autofree double *v = g_new0 (double, len);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (f.params, &options);
  for (gsize j = 0; j < len; j++)
    p[j] = start[j];

  for (int i = 0; i < N_STEPS; i++) {
    gsize at = 0;

    set_gradients (f.params, i);
    for (guint k = 0; k < defcn_params_count (f.params); k++) {
      const DefcnParam *q = defcn_params_get (f.params, k);

      for (gsize j = 0; q->grad && j < defcn_param_len (q); j++)
        q->grad[j] *= size;
    }
    for (guint k = 0; k < defcn_params_count (f.params); k++) {
      const DefcnParam *q = defcn_params_get (f.params, k);
      const double decay = q->kind == DEFCN_PARAM_WEIGHT ? 0.1 : 0;
      const double lr = strstr (q->name, "bottom_up") ? 0.0025 : 0.01;

      for (gsize j = 0; j < defcn_param_len (q); j++, at++) {
        if (!q->trainable)
          continue;
        const double g = q->grad[j];
        m[at] = 0.9 * m[at] + 0.1 * g;
        v[at] = 0.999 * v[at] + 0.001 * g * g;
        p[at] *= 1 - lr * decay;
        p[at] -= lr * m[at] / (1 - pow (0.9, i + 1))
            / (sqrt (v[at] / (1 - pow (0.999, i + 1))) + 1e-8);
      }
    }
    defcn_optimizer_step (optimizer, i);
  }

  g_autofree float *found = snapshot (f.params, NULL);
  for (gsize j = 0; j < len; j++)
    g_assert_cmpfloat_with_epsilon (found[j], p[j], 5e-6);
  fixture_clear (&f);
}

/* Also of gradients no larger than its epsilon. */
static void
test_adamw (void)
{
  check_adamw (1);
  check_adamw (1e-8f);
}

/* A clipped step is that of the scaled gradient, a norm below the limit is let
 * be, and the norm returned is the one before. */
static void
test_clip (void)
{
  for (int clipped = 0; clipped < 2; clipped++) {
    DefcnOptimizerOptions options = sgd;
    Fixture a, b;
    gsize len;

    fixture_init (&a, 3);
    fixture_init (&b, 3);
    set_gradients (a.params, 0);
    set_gradients (b.params, 0);
    const double norm = norm_of_gradients (a.params);
    options.clip_norm = clipped ? norm / 4 : norm * 4;
    for (guint k = 0; clipped && k < defcn_params_count (b.params); k++) {
      DefcnParam *p = defcn_params_get (b.params, k);

      for (gsize j = 0; p->grad && j < defcn_param_len (p); j++)
        p->grad[j] /= 4;
    }
    g_autoptr (DefcnOptimizer) x = defcn_optimizer_new (a.params, &options);
    g_autoptr (DefcnOptimizer) y = defcn_optimizer_new (b.params, &sgd);
    g_assert_cmpfloat_with_epsilon (defcn_optimizer_step (x, 0), norm, 1e-9);
    defcn_optimizer_step (y, 0);

    g_autofree float *found = snapshot (a.params, &len);
    g_autofree float *want = snapshot (b.params, NULL);
    for (gsize j = 0; j < len; j++)
      g_assert_cmpfloat_with_epsilon (found[j], want[j], 1e-6);
    fixture_clear (&a);
    fixture_clear (&b);
  }
}

/* A gradient that is not finite changes nothing: neither the weights then nor,
 * through the state, what later steps do. */
static void
test_not_finite (void)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY };
  const DefcnOptimizerOptions *const kinds[] = { &sgd, &adamw };

  for (gsize k = 0; k < G_N_ELEMENTS (kinds) * G_N_ELEMENTS (bad); k++) {
    DefcnOptimizerOptions options = *kinds[k % 2];
    Fixture a, b;
    gsize len;

    options.ema = 0.5;
    options.clip_norm = 1;
    fixture_init (&a, 4);
    fixture_init (&b, 4);
    g_autoptr (DefcnOptimizer) x = defcn_optimizer_new (a.params, &options);
    g_autoptr (DefcnOptimizer) y = defcn_optimizer_new (b.params, &options);
    for (int i = 0; i < 4; i++) {
      if (i == 2) {
        g_autofree float *before = snapshot (a.params, &len);
        set_gradients (a.params, 50);
        defcn_params_lookup (a.params, "head.scales.0.scale")->grad[0] =
            bad[k / 2];
        g_assert_false (isfinite (defcn_optimizer_step (x, i)));
        g_autofree float *after = snapshot (a.params, NULL);
        g_assert_cmpmem (before, len * 4, after, len * 4);
      }
      set_gradients (a.params, i);
      set_gradients (b.params, i);
      defcn_optimizer_step (x, i);
      defcn_optimizer_step (y, i);
    }
    defcn_optimizer_swap_ema (x);
    defcn_optimizer_swap_ema (y);
    g_autofree float *found = snapshot (a.params, &len);
    g_autofree float *want = snapshot (b.params, NULL);
    g_assert_cmpmem (found, len * 4, want, len * 4);
    fixture_clear (&a);
    fixture_clear (&b);
  }
}

/* The average with its ramp, by hand on one weight; swapping twice is nothing;
 * without EMA swapping is nothing. */
static void
test_ema (void)
{
  DefcnOptimizerOptions options = sgd;
  Fixture f;

  options.ema = 0.3;
  fixture_init (&f, 5);
  DefcnParam *scale = defcn_params_lookup (f.params, "head.scales.0.scale");
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (f.params, &options);
  double ema = scale->value[0];

  for (int i = 0; i < N_STEPS; i++) {
    const double decay = MIN (0.3, (1.0 + i) / (10.0 + i));

    set_gradients (f.params, i);
    defcn_optimizer_step (optimizer, i);
    ema = decay * ema + (1 - decay) * scale->value[0];
    defcn_optimizer_swap_ema (optimizer);
    g_assert_cmpfloat_with_epsilon (scale->value[0], ema, 1e-6);
    defcn_optimizer_swap_ema (optimizer);
  }

  const float current = scale->value[0];
  gsize len;
  g_autofree float *before = snapshot (f.params, &len);
  g_assert_cmpfloat (fabs (current - ema), >, 1e-3);
  defcn_optimizer_swap_ema (optimizer);
  g_assert_cmpfloat_with_epsilon (scale->value[0], ema, 1e-6);
  defcn_optimizer_swap_ema (optimizer);
  g_autofree float *after = snapshot (f.params, NULL);
  g_assert_cmpmem (before, len * 4, after, len * 4);

  g_autoptr (DefcnOptimizer) none = defcn_optimizer_new (f.params, &sgd);
  defcn_optimizer_swap_ema (none);
  g_autofree float *same = snapshot (f.params, NULL);
  g_assert_cmpmem (before, len * 4, same, len * 4);
  fixture_clear (&f);
}

/* Between two swaps neither steps nor saves: both would mix the copies up. */
static void
test_swapped (void)
{
  DefcnOptimizerOptions options = sgd;
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  Fixture f;
  gsize len;

  options.ema = 0.5;
  fixture_init (&f, 6);
  set_gradients (f.params, 0);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (f.params, &options);
  defcn_optimizer_swap_ema (optimizer);
  g_autofree float *before = snapshot (f.params, &len);
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*swapped*");
  defcn_optimizer_step (optimizer, 0);
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*swapped*");
  defcn_optimizer_save (optimizer, writer);
  g_test_assert_expected_messages ();
  g_autofree float *after = snapshot (f.params, NULL);
  g_assert_cmpmem (before, len * 4, after, len * 4);
  fixture_clear (&f);
}

static char *
save (const DefcnOptimizer *optimizer)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;
  char *path = NULL;
  const int fd = g_file_open_tmp ("defcn-optimizer-XXXXXX", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  defcn_optimizer_save (optimizer, writer);
  defcn_weights_writer_save (writer, path, &error);
  g_assert_no_error (error);
  return path;
}

static void
run (DefcnOptimizer *optimizer, DefcnParams *params, int from, int to)
{
  for (int i = from; i < to; i++) {
    set_gradients (params, i);
    defcn_optimizer_step (optimizer, i);
  }
}

/* Stopping anywhere, saving, loading into a fresh optimizer and going on gives
 * the very bits of a run in one piece, average included. */
static void
test_resume (void)
{
  const DefcnOptimizerOptions *const kinds[] = { &sgd, &adamw };

  for (int k = 0; k < 4; k++) {
    DefcnOptimizerOptions options = *kinds[k % 2];

    options.ema = k / 2 ? 0.9 : 0;
    options.schedule = DEFCN_SCHEDULE_COSINE;
    options.warmup = 3;
    for (int stop = 0; stop <= N_STEPS; stop += 3) {
      g_autoptr (GError) error = NULL;
      Fixture a, b, c;
      gsize len;

      fixture_init (&a, 7);
      fixture_init (&b, 7);
      fixture_init (&c, 8); /* other values, until they are loaded */
      g_autoptr (DefcnOptimizer) whole =
          defcn_optimizer_new (a.params, &options);
      g_autoptr (DefcnOptimizer) first =
          defcn_optimizer_new (b.params, &options);
      g_autoptr (DefcnOptimizer) second =
          defcn_optimizer_new (c.params, &options);
      run (whole, a.params, 0, N_STEPS);
      run (first, b.params, 0, stop);

      g_autofree char *path = save (first);
      g_autoptr (DefcnWeights) file = defcn_weights_open (path, &error);
      g_assert_no_error (error);
      g_assert_true (defcn_optimizer_load (second, file, &error));
      g_assert_no_error (error);
      g_unlink (path);
      for (guint i = 0; i < defcn_params_count (c.params); i++) {
        DefcnParam *p = defcn_params_get (c.params, i);

        memcpy (p->value, defcn_params_lookup (b.params, p->name)->value,
            defcn_param_len (p) * sizeof (float));
      }
      run (second, c.params, stop, N_STEPS);
      for (int swap = 0; swap < 2; swap++) {
        g_autofree float *want = snapshot (a.params, &len);
        g_autofree float *found = snapshot (c.params, NULL);

        g_assert_cmpmem (want, len * 4, found, len * 4);
        defcn_optimizer_swap_ema (whole);
        defcn_optimizer_swap_ema (second);
      }
      fixture_clear (&a);
      fixture_clear (&b);
      fixture_clear (&c);
    }
  }
}

/* A file of another optimizer, shape or dtype is refused with the tensor's
 * name. */
static void
test_load_errors (void)
{
  static const struct
  {
    gint64 dims[4];
    int n_dims;
    DefcnDtype dtype;
    const char *message;
  } cases[] = {
    { { 1, 1, 1, 1 }, 0, DEFCN_DTYPE_F32, "*no tensor*" },
    { { 1, 1, 1, 2 }, 4, DEFCN_DTYPE_F32, "*1x1x1x2*1x1x1x1*" },
    { { 2, 1, 1, 1 }, 4, DEFCN_DTYPE_F32, "*2x1x1x1*1x1x1x1*" },
    { { 1, 2, 1, 1 }, 4, DEFCN_DTYPE_F32, "*1x2x1x1*1x1x1x1*" },
    { { 1, 1, 2, 1 }, 4, DEFCN_DTYPE_F32, "*1x1x2x1*1x1x1x1*" },
    { { 1, 1 }, 2, DEFCN_DTYPE_F32, "*1x1 *1x1x1x1*" },
    { { 1, 1, 1, 1 }, 4, DEFCN_DTYPE_F16, "*dtype*F32*" },
  };
  static const float values[2] = { 0, 0 };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
    g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
    g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
    g_autoptr (GError) error = NULL;
    g_autofree char *path = NULL;

    defcn_params_vector (params, "scale", DEFCN_PARAM_SCALE, 1, 1);
    g_autoptr (DefcnOptimizer) optimizer = defcn_optimizer_new (params, &sgd);
    if (cases[c].n_dims)
      defcn_weights_writer_add (writer, "optimizer.momentum.scale",
          cases[c].dtype, cases[c].n_dims, cases[c].dims, values);
    g_close (g_file_open_tmp ("defcn-optimizer-XXXXXX", &path, NULL), NULL);
    g_assert_true (defcn_weights_writer_save (writer, path, NULL));
    g_autoptr (DefcnWeights) file = defcn_weights_open (path, &error);
    g_assert_no_error (error);
    g_unlink (path);
    g_assert_false (defcn_optimizer_load (optimizer, file, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
    g_assert_true (g_pattern_match_simple (cases[c].message, error->message));
    g_assert_nonnull (strstr (error->message, "optimizer.momentum.scale"));
    g_assert_nonnull (strstr (error->message, path));
  }
}

static gboolean
copy_state (float *state, gsize n, gpointer data)
{
  GArray *all = data;

  g_array_append_vals (all, state, n);
  return all->len < 200;
}

static gboolean
append_state (float *state, gsize n, gpointer data)
{
  g_array_append_vals (data, state, n);
  return TRUE;
}

static gboolean
paste_state (float *state, gsize n, gpointer data)
{
  GArray *all = data;

  memcpy (state, all->data, n * sizeof *state);
  g_array_remove_range (all, 0, n);
  return TRUE;
}

/* Whoever visits the state sees all of it, and what it writes is the state:
 * with it a second optimizer goes on as the first. */
static void
test_visit (void)
{
  for (int k = 0; k < 2; k++) {
    DefcnOptimizerOptions options = k ? adamw : sgd;
    g_autofree float *want = NULL, *found = NULL;
    gsize len;
    Fixture f, g;

    options.ema = 0.9;
    fixture_init (&f, 3);
    fixture_init (&g, 3);
    g_autoptr (DefcnOptimizer) first = defcn_optimizer_new (f.params, &options);
    g_autoptr (DefcnOptimizer) second =
        defcn_optimizer_new (g.params, &options);
    g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (float));

    run (first, f.params, 0, 4);
    g_assert_false (defcn_optimizer_visit (first, copy_state, all));
    g_assert_cmpuint (all->len, >=, 200); /* and no further */
    g_array_set_size (all, 0);
    g_assert_cmpuint (defcn_params_count (f.params), ==,
        defcn_params_count (g.params));
    for (guint i = 0; i < defcn_params_count (f.params); i++) {
      const DefcnParam *p = defcn_params_get (f.params, i);

      memcpy (defcn_params_get (g.params, i)->value, p->value,
          defcn_param_len (p) * sizeof (float));
    }
    defcn_optimizer_visit (first, append_state, all);
    g_assert_true (defcn_optimizer_visit (second, paste_state, all));
    g_assert_cmpuint (all->len, ==, 0);
    run (first, f.params, 4, 7);
    run (second, g.params, 4, 7);
    defcn_optimizer_swap_ema (first);
    defcn_optimizer_swap_ema (second);
    want = snapshot (f.params, &len);
    found = snapshot (g.params, NULL);
    g_assert_cmpmem (want, len * 4, found, len * 4);
    g_clear_pointer (&first, defcn_optimizer_free);
    g_clear_pointer (&second, defcn_optimizer_free);
    fixture_clear (&f);
    fixture_clear (&g);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/optimizer/rates", test_rates);
  g_test_add_func ("/optimizer/wsd", test_wsd);
  g_test_add_func ("/optimizer/sgd", test_sgd);
  g_test_add_func ("/optimizer/adamw", test_adamw);
  g_test_add_func ("/optimizer/clip", test_clip);
  g_test_add_func ("/optimizer/not-finite", test_not_finite);
  g_test_add_func ("/optimizer/ema", test_ema);
  g_test_add_func ("/optimizer/swapped", test_swapped);
  g_test_add_func ("/optimizer/resume", test_resume);
  g_test_add_func ("/optimizer/visit", test_visit);
  g_test_add_func ("/optimizer/load-errors", test_load_errors);
  return g_test_run ();
}
