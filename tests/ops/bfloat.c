/* 1x1 convolution of the CPU in bfloat16 (precision bf16). */
#include "rig.h"

#include <math.h>

#include "../testing.h"

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

/* NULL where the CPU has none, which is all that can be amiss. */
static DefcnBackend *
backend_new (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) plain = defcn_backend_new ("cpu", 2, &error);

  g_assert_no_error (error);
  DefcnBackend *be = defcn_backend_new_in ("cpu", "bf16", 2, &error);
  if (plain->has_bf16) {
    g_assert_no_error (error);
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
  g_autoptr (DefcnBackend) be = backend_new ();
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
  g_autoptr (DefcnBackend) be = backend_new ();
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

/* Training and everything but 1x1 stay in float32. */
static void
test_elsewhere (void)
{
  static const RigShape others[] = {
    { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 3, 1, 1 },
    { DEFCN_OP_CONV, 1, 8, 8, 32, 32, 1, 1, 2 },
    { DEFCN_OP_CONV, 1, 8, 8, 3, 32, 1, 1, 1, .flags = INPUT },
  };
  g_autoptr (DefcnBackend) be = backend_new ();

  for (guint i = 0; be && i <= G_N_ELEMENTS (others); i++) {
    const gboolean train = i == G_N_ELEMENTS (others);
    const RigShape *shape = train ? &cases[1].shape : &others[i];
    g_autoptr (Rig) rig = rig_new (be, shape, train);

    g_assert_cmpstr (be->ops[DEFCN_OP_CONV].describe (be, &rig->node), !=,
        "bfloat16");
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
  return g_test_run ();
}
