/* What the oneDNN backend alone does: it measures, and its library refuses. */
#include "rig.h"

#include <string.h>

#include "../testing.h"

static DefcnBackend *
backend_new (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new ("onednn", 1, &error);

  if (!be)
    testing_no_backend (error);
  return be;
}

/* Whether preparing a 3x3 convolution of a map of @side runs it. */
static gboolean
prepare_runs (DefcnBackend *be, int side, gboolean train)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, side, side, 16, 16, 3, 1, 1 };
  const gsize len = (gsize) side * side * 16;
  g_autoptr (Rig) rig = rig_new (be, &shape, train);
  g_autofree float *mark = g_new (float, len);

  for (gsize i = 0; i < len; i++)
    mark[i] = 7;
  testing_tensor_write (be, rig->node.y, mark);
  /* another step than the one that may have been measured already */
  testing_release (be, &rig->node);
  rig->node.relu = TRUE;
  testing_prepare (be, &rig->node);
  g_autofree float *y = testing_tensor_read (be, rig->node.y);

  return memcmp (y, mark, len * sizeof (float)) != 0;
}

/* Training chooses by the estimate alone, so that a run repeats to the bit,
 * where inference measures what is close. */
static void
test_measuring (void)
{
  g_autoptr (DefcnBackend) be = backend_new ();
  int n_measured = 0;

  for (int side = 4; be && side <= 40; side += 4) {
    g_assert_false (prepare_runs (be, side, TRUE));
    n_measured += prepare_runs (be, side, FALSE);
  }
  if (be)
    g_assert_cmpint (n_measured, >, 0);
}

/* What a step could not do is told once, with its name; the next steps are
 * themselves again. */
static void
test_error (void)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, 6, 5, 16, 16, 5, 1, 1,
    .flags = BIAS };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = backend_new ();
  g_autoptr (Rig) rig = be ? rig_new (be, &shape, FALSE) : NULL;

  if (!be)
    return;
  rig->node.b = NULL; /* not what was prepared */
  be->ops[DEFCN_OP_CONV].forward (be, &rig->node);
  g_assert_false (be->sync (be, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "step"));
  g_clear_error (&error);
  g_assert_true (be->sync (be, &error));
  g_assert_no_error (error);
  rig->node.b = rig->slots[SLOT_B];
  testing_forward (be, &rig->node);
}

/* What is large begins where a huge page does, and is zero to its end. */
static void
test_large (void)
{
  static const gsize sizes[] = { 8 << 20, (9 << 20) + 64, 33 << 20 };
  g_autoptr (DefcnBackend) be = backend_new ();

  for (gsize i = 0; be && i < G_N_ELEMENTS (sizes); i++) {
    char *mem = be->alloc (be, sizes[i]);

    g_assert_nonnull (mem);
    g_assert_cmpuint (GPOINTER_TO_SIZE (mem) % (2 << 20), ==, 0);
    g_assert_cmpint (mem[0], ==, 0);
    g_assert_cmpmem (mem, sizes[i] - 1, mem + 1, sizes[i] - 1);
    be->free (be, mem);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/onednn/measuring", test_measuring);
  g_test_add_func ("/onednn/error", test_error);
  g_test_add_func ("/onednn/large", test_large);
  return g_test_run ();
}
