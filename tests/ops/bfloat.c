/* Convolution of the CPU in bfloat16 (precision bf16): in inference 1x1 by
 * pairs, most on tiles, in training any but grouped ones. */
#include "half.h"
#include "rig.h"

#include <math.h>
#include <string.h>

#include "../testing.h"

/* Our code is several times as slow under a sanitizer, the library's is not. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BFLOAT_INSTRUMENTED TRUE
#elif defined(__has_feature)
#define BFLOAT_INSTRUMENTED                                                    \
  (__has_feature (address_sanitizer) || __has_feature (thread_sanitizer))
#else
#define BFLOAT_INSTRUMENTED FALSE
#endif

#define INNER (INNER_X | INNER_Y)

static const struct
{
  const char *name;
  RigShape shape;
} cases[] = {
  { "one", { DEFCN_OP_CONV, 1, 1, 1, 1, 1, 1, 1, 1 } },
  { "whole-blocks", { DEFCN_OP_CONV, 1, 8, 14, 32, 64, 1, 1, 1 } },
  { "odd-channels", { DEFCN_OP_CONV, 2, 5, 7, 17, 49, 1, 1, 1 } },
  { "odd-panel", { DEFCN_OP_CONV, 1, 9, 13, 40, 16, 1, 1, 1, .flags = BIAS } },
  { "narrow", { DEFCN_OP_CONV, 3, 3, 4, 3, 5, 1, 1, 1, .flags = BIAS | RELU } },
  { "residual",
      { DEFCN_OP_CONV, 2, 6, 31, 64, 24, 1, 1, 1,
          .flags = BIAS | RESIDUAL | RELU } },
  { "stride", { DEFCN_OP_CONV, 2, 10, 14, 24, 40, 1, 2, 1, .flags = BIAS } },
  { "stride-odd", { DEFCN_OP_CONV, 1, 7, 9, 20, 16, 1, 2, 1, .flags = RELU } },
  { "many-pieces",
      { DEFCN_OP_CONV, 1, 50, 61, 8, 33, 1, 1, 1, .flags = BIAS } },
  { "wide", { DEFCN_OP_CONV, 1, 4, 5, 960, 160, 1, 1, 1, .flags = BIAS } },
};

/* NULL where the CPU has none, which is all that can be amiss.  By pairs, be
 * they faster or not, and by tiles if it has them. */
static DefcnBackend *
backend_new (gboolean tiles)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) plain = defcn_backend_new ("cpu", 2, &error);

  g_assert_no_error (error);
  DefcnBackend *be = defcn_backend_new_in ("cpu", "bf16", 2, &error);
  if (plain->has_bf16) {
    g_assert_no_error (error);
    be->bf16_pairs = TRUE;
    be->bf16_tiles = be->bf16_tiles && tiles;
    return be;
  }
  g_assert_null (be);
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_test_skip (error->message);
  return NULL;
}

/* The step on @be from numbers of @rand and @value; the output, dense. */
static float *
run (DefcnBackend *be, const RigShape *shape, float (*value) (GRand *rand),
    char **implementation)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (Rig) rig = rig_new (be, shape, FALSE);
  const DefcnOp *op = &be->ops[DEFCN_OP_CONV];

  for (int i = 0; i < N_SLOTS; i++) {
    DefcnTensor *t = rig->slots[i];
    g_autofree float *values = t ? g_new (float, defcn_tensor_len (t)) : NULL;

    for (gsize k = 0; t && k < defcn_tensor_len (t); k++)
      values[k] = value (rand);
    if (t)
      testing_tensor_write (be, t, values);
  }
  if (implementation)
    *implementation =
        g_strdup (op->describe ? op->describe (be, &rig->node) : "plain");
  testing_forward (be, &rig->node);
  return testing_tensor_read (be, rig->node.y);
}

static float
integer (GRand *rand)
{
  return g_rand_int_range (rand, -8, 9);
}

static float
real (GRand *rand)
{
  return g_rand_double_range (rand, -1, 1);
}

/* Numbers that bfloat16 holds give the reference's result to the bit. */
static void
test_exact (gconstpointer data)
{
  const RigShape *shape = data;
  g_autoptr (DefcnBackend) be = backend_new (FALSE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);
  g_autofree char *name = NULL;

  if (!be)
    return;
  g_autofree float *y = run (be, shape, integer, &name);
  g_autofree float *wanted = run (oracle, shape, integer, NULL);
  const int h = (shape->h - 1) / shape->stride + 1;
  const int w = (shape->w - 1) / shape->stride + 1;
  const gsize bytes = (gsize) shape->n * h * w * shape->out * sizeof *y;

  g_assert_cmpstr (name, ==, "bfloat16");
  g_assert_cmpmem (y, bytes, wanted, bytes);
}

/* Other numbers are rounded once: 8 bits of each, sums in float32. */
static void
test_rounding (void)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, 20, 20, 128, 64, 1, 1, 1 };
  const gsize len = (gsize) 20 * 20 * 64;
  g_autoptr (DefcnBackend) be = backend_new (FALSE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);
  double worst = 0, largest = 0;

  if (!be)
    return;
  g_autofree float *y = run (be, &shape, real, NULL);
  g_autofree float *wanted = run (oracle, &shape, real, NULL);
  for (gsize i = 0; i < len; i++) {
    worst = MAX (worst, fabs (y[i] - wanted[i]));
    largest = MAX (largest, fabs (wanted[i]));
  }
  g_test_message ("off by %.1e of the largest value", worst / largest);
  g_assert_cmpfloat (worst, >, 1e-4 * largest);
  g_assert_cmpfloat (worst, <, 5e-3 * largest);
}

/* In inference everything but 1x1 stays in float32, in training what is grouped
 * and what takes longer to round than to compute. */
static void
test_elsewhere (void)
{
  static const RigShape others[] = {
    { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 1 },
    { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 1, 1, 2 },
    { DEFCN_OP_CONV, 1, 8, 8, 3, 32, 1, 1, 1, .flags = INPUT },
  };
  g_autoptr (DefcnBackend) be = backend_new (FALSE);

  for (guint i = 0; be && i <= G_N_ELEMENTS (others); i++) {
    const gboolean train = i == G_N_ELEMENTS (others);
    const RigShape *shape = train ? &cases[1].shape : &others[i];
    g_autoptr (Rig) rig = rig_new (be, shape, train);

    g_assert_cmpstr (be->ops[DEFCN_OP_CONV].describe (be, &rig->node), !=,
        "bfloat16");
  }
}

/* Microseconds of a step, the least of many: whatever else runs only adds. */
static gint64
least (gint64 known, DefcnBackend *be, const Rig *rig)
{
  const gint64 start = g_get_monotonic_time ();

  testing_forward (be, &rig->node);
  return MIN (known, g_get_monotonic_time () - start);
}

/* What bf16 chooses by itself takes no longer than float32, where rounding and
 * half the rate would take twice as long; without tiles too. */
static void
test_pays (gconstpointer tiles)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, 28, 28, 256, 256, 1, 1, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) plain = defcn_backend_new ("cpu", 1, NULL);
  g_autoptr (DefcnBackend) be = NULL;
  gint64 times[2] = { G_MAXINT64, G_MAXINT64 };

  if (!plain->has_bf16) {
    g_test_skip ("no bf16 on this CPU");
    return;
  }
  be = defcn_backend_new_in ("cpu", "bf16", 1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (be->bf16_pairs, ==, plain->bf16_pairs);
  be->bf16_tiles = be->bf16_tiles && tiles;
  g_autoptr (Rig) wide = rig_new (plain, &shape, FALSE);
  g_autoptr (Rig) narrow = rig_new (be, &shape, FALSE);
  for (int i = 0; i < 100; i++) {
    times[0] = least (times[0], plain, wide);
    times[1] = least (times[1], be, narrow);
  }
  g_test_message ("fp32 %d us, bf16 %d us", (int) times[0], (int) times[1]);
  if (!BFLOAT_INSTRUMENTED)
    g_assert_cmpint (times[1], <, times[0] * 5 / 4);
}

/* Where pairs are not faster, inference is that of float32 to the bit. */
static void
test_pairs (void)
{
  g_autoptr (DefcnBackend) plain = defcn_backend_new ("cpu", 2, NULL);
  g_autoptr (DefcnBackend) be = backend_new (FALSE);
  const RigShape *shape = &cases[2].shape;
  g_autofree char *name = NULL, *plain_name = NULL;

  if (!be)
    return;
  be->bf16_pairs = FALSE;
  g_autofree float *wanted = run (plain, shape, real, &plain_name);
  g_autofree float *y = run (be, shape, real, &name);
  const gsize bytes = (gsize) 2 * 5 * 7 * 49 * sizeof *y;

  g_assert_cmpstr (name, ==, plain_name);
  g_assert_cmpmem (y, bytes, wanted, bytes);
}

/* On tiles, what is between convolutions is bfloat16. */
static const struct
{
  const char *name;
  RigShape shape;
} on_tiles[] = {
  { "1x1", { DEFCN_OP_CONV, 1, 8, 14, 32, 64, 1, 1, 1, .flags = INNER } },
  { "odd-channels",
      { DEFCN_OP_CONV, 3, 5, 7, 17, 49, 1, 1, 1, .flags = INNER | BIAS } },
  { "in",
      { DEFCN_OP_CONV, 2, 9, 13, 40, 24, 1, 1, 1, .flags = INNER_X | BIAS } },
  { "out", { DEFCN_OP_CONV, 2, 9, 13, 24, 40, 1, 1, 1, .flags = INNER_Y } },
  { "neither", { DEFCN_OP_CONV, 2, 12, 11, 72, 40, 3, 1, 1, .flags = RELU } },
  { "3x3", { DEFCN_OP_CONV, 2, 9, 7, 24, 40, 3, 1, 1, .flags = INNER | RELU } },
  { "stride",
      { DEFCN_OP_CONV, 2, 10, 14, 24, 40, 3, 2, 1, .flags = INNER | BIAS } },
  { "7x7", { DEFCN_OP_CONV, 1, 17, 14, 16, 32, 7, 2, 1, .flags = INNER_Y } },
  { "picture",
      { DEFCN_OP_CONV, 2, 20, 26, 3, 24, 3, 2, 1,
          .flags = INPUT | INNER_Y | BIAS | RELU } },
  { "depthwise",
      { DEFCN_OP_CONV, 3, 9, 11, 40, 40, 3, 1, 40,
          .flags = INNER | BIAS | RELU } },
  { "depthwise-stride",
      { DEFCN_OP_CONV, 2, 9, 12, 24, 24, 3, 2, 24, .flags = INNER } },
  { "residual",
      { DEFCN_OP_CONV, 2, 6, 13, 64, 24, 1, 1, 1,
          .flags = INNER | RESIDUAL | INNER_RESIDUAL | BIAS | RELU } },
  { "residual-in",
      { DEFCN_OP_CONV, 2, 6, 13, 64, 24, 1, 1, 1,
          .flags = INNER | RESIDUAL | BIAS } },
  { "residual-out",
      { DEFCN_OP_CONV, 2, 6, 13, 64, 24, 3, 1, 1,
          .flags = INNER_X | RESIDUAL | INNER_RESIDUAL | RELU } },
  { "residual-beside",
      { DEFCN_OP_CONV, 2, 6, 13, 64, 24, 1, 1, 1,
          .flags = INNER_X | RESIDUAL } },
};

/* Numbers that bfloat16 holds give the reference's result, rounded once where
 * it is stored so, to the bit; what a wider block holds beyond the channels
 * stays zero. */
static void
test_tiles (gconstpointer data)
{
  const RigShape *shape = data;
  g_autoptr (DefcnBackend) be = backend_new (TRUE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);
  g_autofree char *name = NULL;

  if (!be)
    return;
  if (!be->bf16_tiles) {
    g_test_skip ("no AMX on this CPU");
    return;
  }
  g_autofree float *y = run (be, shape, integer, &name);
  g_autofree float *wanted = run (oracle, shape, integer, NULL);
  const int h = (shape->h - 1) / shape->stride + 1;
  const int w = (shape->w - 1) / shape->stride + 1;
  const gsize len = (gsize) shape->n * h * w * shape->out;

  for (gsize i = 0; shape->flags & INNER_Y && i < len; i++)
    wanted[i] =
        defcn_half_bfloat_to_float (defcn_half_bfloat_from_float (wanted[i]));
  g_test_message ("%s", name);
  g_assert_true (g_str_has_prefix (name, "bfloat16 "));
  g_assert_nonnull (strstr (name, shape->groups > 1 ? "dw" : "amx"));
  for (gsize i = 0; i < len; i++)
    g_assert_cmpfloat (y[i], ==, wanted[i]);
}

/* What is grouped but not depthwise, and what must not be rounded, is for no
 * tiles; nor is anything in training, or where they are not to be used. */
static void
test_no_tiles (void)
{
  static const struct
  {
    RigShape shape;
    gboolean train, taken;
  } table[] = {
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 1 }, FALSE, TRUE },
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 1 }, TRUE, FALSE },
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 1, .flags = PRECISE }, FALSE,
        FALSE },
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 2 }, FALSE, FALSE },
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 64, 3, 1, 32 }, FALSE, FALSE },
    { { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 32 }, FALSE, TRUE },
  };
  g_autoptr (DefcnBackend) be = backend_new (TRUE);

  if (!be)
    return;
  const gboolean has = be->bf16_tiles;
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    be->bf16_tiles = FALSE;
    g_autoptr (Rig) rig = rig_new (be, &table[i].shape, table[i].train);
    g_assert_false (be->takes_inner (be, &rig->node));
    be->bf16_tiles = has;
    g_assert_cmpint (be->takes_inner (be, &rig->node), ==,
        has && table[i].taken);
    be->bf16 = FALSE;
    g_assert_false (be->takes_inner (be, &rig->node));
    be->bf16 = TRUE;
  }
}

/* Such as have no other way but the direct convolution. */
typedef struct
{
  const char *name;
  RigShape shape;
  guint n_float; /* passes that stay in float32, at least */
} Trained;

static const Trained trained[] = {
  { "5x5",
      { DEFCN_OP_CONV, 1, 11, 13, 64, 48, 5, 1, 1, .flags = BIAS | RELU } },
  { "5x5-odd",
      { DEFCN_OP_CONV, 2, 9, 7, 50, 67, 5, 1, 1, .flags = BIAS | ADD_0 } },
  { "stride",
      { DEFCN_OP_CONV, 2, 10, 14, 64, 96, 3, 2, 1,
          .flags = BIAS | RESIDUAL | RELU } },
  { "stride-residual",
      { DEFCN_OP_CONV, 1, 9, 9, 96, 64, 3, 2, 1,
          .flags = RESIDUAL | ADD_0 | ADD_OTHERS } },
  { "1x1", { DEFCN_OP_CONV, 1, 12, 9, 256, 256, 1, 1, 1, .flags = BIAS } },
  { "1x1-add",
      { DEFCN_OP_CONV, 2, 5, 6, 512, 256, 1, 1, 1, .flags = BIAS | ADD_0 } },
  { "one-column", { DEFCN_OP_CONV, 2, 3, 1, 88, 96, 5, 2, 1 }, 1 },
  { "one-pixel", { DEFCN_OP_CONV, 2, 1, 1, 128, 96, 3, 2, 1, .flags = BIAS },
      1 },
};

enum
{
  OF_Y, /* y itself */
  OF_X, /* gradients */
  OF_RESIDUAL,
  OF_W,
  OF_B,
  N_RESULTS
};

/* Forward and backward on @be from numbers of @rand and @value, gradients onto
 * what is there; dense, NULL where there is none. */
static void
train (float **results, gsize *lens, DefcnBackend *be, const RigShape *shape,
    float (*value) (GRand *rand), char **implementation)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autoptr (Rig) rig = rig_new (be, shape, TRUE);
  DefcnTensor *const of[N_RESULTS] = { rig->node.y, rig->slots[0],
    rig->slots[1], rig->slots[SLOT_W], rig->slots[SLOT_B] };

  for (int i = 0; i < N_SLOTS + 1; i++) {
    DefcnTensor *t = i < N_SLOTS ? rig->slots[i] : rig->node.y;
    g_autofree float *values = t ? g_new (float, defcn_tensor_len (t)) : NULL;
    g_autofree float *grads = t ? g_new (float, defcn_tensor_len (t)) : NULL;

    for (gsize k = 0; t && k < defcn_tensor_len (t); k++) {
      values[k] = value (rand);
      grads[k] = value (rand);
    }
    if (t)
      testing_tensor_write (be, t, values);
    if (t && t->grad)
      testing_tensor_write_grad (be, t, grads);
  }
  *implementation = g_strdup (be->ops[DEFCN_OP_CONV].describe
          ? be->ops[DEFCN_OP_CONV].describe (be, &rig->node)
          : "plain");
  testing_forward (be, &rig->node);
  results[OF_Y] = testing_tensor_read (be, rig->node.y);
  testing_backward (be, &rig->node);
  for (int i = 0; i < N_RESULTS; i++) {
    lens[i] = of[i] ? defcn_tensor_len (of[i]) : 0;
    if (i > 0)
      results[i] = of[i] ? testing_tensor_read_grad (be, of[i]) : NULL;
  }
}

static guint
count (const char *text, const char *word)
{
  g_auto (GStrv) parts = g_strsplit (text, word, -1);

  return g_strv_length (parts) - 1;
}

/* All passes of training give the oracle's results to the bit from numbers that
 * bfloat16 holds.  Returns: (transfer full): what they run on. */
static char *
assert_trains (DefcnBackend *be, DefcnBackend *oracle, const RigShape *shape)
{
  float *found[N_RESULTS], *wanted[N_RESULTS];
  gsize lens[N_RESULTS];
  g_autofree char *name = NULL, *plain = NULL;

  train (found, lens, be, shape, integer, &name);
  train (wanted, lens, oracle, shape, integer, &plain);
  for (int i = 0; i < N_RESULTS; i++) {
    for (gsize k = 0; k < lens[i]; k++)
      if (found[i][k] != wanted[i][k])
        g_error ("%dx%dx%dx%d to %d, %dx%d stride %d, on %s: number %zu of "
                 "result %d is %g, wanted %g",
            shape->n, shape->h, shape->w, shape->c, shape->out, shape->size,
            shape->size, shape->stride, name, k, i, found[i][k], wanted[i][k]);
    g_free (found[i]);
    g_free (wanted[i]);
  }
  return g_steal_pointer (&name);
}

/* What is worth it is in bfloat16, forward and backward. */
static void
test_training (gconstpointer data)
{
  const Trained *t = data;
  g_autoptr (DefcnBackend) be = backend_new (TRUE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);

  if (!be)
    return;
  g_autofree char *name = assert_trains (be, oracle, &t->shape);
  g_test_message ("%s", name);
  g_assert_cmpuint (count (name, "bfloat16 "), <=, 3 - t->n_float);
  if (t->n_float == 0)
    g_assert_cmpuint (count (name, "bfloat16 "), ==, 3);
}

/* Shapes at random, what lies in the scratch being that of the one before: the
 * library's own code has been found to read beyond small maps. */
static void
test_training_shapes (void)
{
  static const int sizes[] = { 1, 3, 3, 3, 5, 7 };
  static const CaseFlags flags[] = { BIAS, RELU, ADD_0, RESIDUAL };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (DefcnBackend) be = backend_new (TRUE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);

  for (int i = 0; be && i < 120; i++) {
    RigShape shape = { DEFCN_OP_CONV, g_rand_int_range (rand, 1, 4),
      g_rand_int_range (rand, 1, 8), g_rand_int_range (rand, 1, 8),
      8 * g_rand_int_range (rand, 3, 14), 8 * g_rand_int_range (rand, 3, 14),
      sizes[g_rand_int_range (rand, 0, G_N_ELEMENTS (sizes))],
      g_rand_int_range (rand, 1, 3), 1 };

    for (gsize k = 0; k < G_N_ELEMENTS (flags); k++)
      shape.flags |= g_rand_boolean (rand) ? flags[k] : 0;
    g_free (assert_trains (be, oracle, &shape));
  }
}

/* Other numbers are rounded once before they are multiplied; a bias's gradient
 * is not. */
static void
test_training_rounds (void)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, 15, 14, 64, 64, 5, 1, 1,
    .flags = BIAS };
  g_autoptr (DefcnBackend) be = backend_new (TRUE);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);
  float *found[N_RESULTS], *wanted[N_RESULTS];
  gsize lens[N_RESULTS];
  g_autofree char *name = NULL, *plain = NULL;

  if (!be)
    return;
  train (found, lens, be, &shape, real, &name);
  train (wanted, lens, oracle, &shape, real, &plain);
  for (int i = 0; i < N_RESULTS; i++) {
    double worst = 0, largest = 0;

    for (gsize k = 0; k < lens[i]; k++) {
      worst = MAX (worst, fabs (found[i][k] - wanted[i][k]));
      largest = MAX (largest, fabs (wanted[i][k]));
    }
    g_test_message ("off by %.1e of the largest value",
        worst / MAX (largest, 1));
    if (i != OF_RESIDUAL && i != OF_B)
      g_assert_cmpfloat (worst, >, 1e-4 * largest);
    g_assert_cmpfloat (worst, <=, (i == OF_B ? 1e-6 : 5e-3) * largest);
    g_free (found[i]);
    g_free (wanted[i]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/bfloat/exact/%s", cases[i].name);
    g_test_add_data_func (path, &cases[i].shape, test_exact);
  }
  g_test_add_func ("/bfloat/rounding", test_rounding);
  g_test_add_func ("/bfloat/elsewhere", test_elsewhere);
  g_test_add_data_func ("/bfloat/pays/tiles", "tiles", test_pays);
  g_test_add_data_func ("/bfloat/pays/pairs", NULL, test_pays);
  g_test_add_func ("/bfloat/pairs", test_pairs);
  for (guint i = 0; i < G_N_ELEMENTS (on_tiles); i++) {
    g_autofree char *path =
        g_strdup_printf ("/bfloat/tiles/%s", on_tiles[i].name);
    g_test_add_data_func (path, &on_tiles[i].shape, test_tiles);
  }
  g_test_add_func ("/bfloat/no-tiles", test_no_tiles);
  for (guint i = 0; i < G_N_ELEMENTS (trained); i++) {
    g_autofree char *path =
        g_strdup_printf ("/bfloat/training/%s", trained[i].name);
    g_test_add_data_func (path, &trained[i], test_training);
  }
  g_test_add_func ("/bfloat/training-rounds", test_training_rounds);
  g_test_add_func ("/bfloat/training-shapes", test_training_shapes);
  return g_test_run ();
}
