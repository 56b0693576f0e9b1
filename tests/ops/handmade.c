/* Every row of a backend on values small enough to be worked out by hand. */
#include "rig.h"

#include "../testing.h"

#define MAX_VALUES 16

/* Weights, slots and shapes are those of rig.h; gradients start at zero. */
typedef struct
{
  const char *name;
  RigShape shape;
  float given[N_SLOTS][MAX_VALUES]; /* by slot: x[0] .., w, b */
  float y[MAX_VALUES];
  float dy[MAX_VALUES];
  float grads[N_SLOTS][MAX_VALUES];
} Case;

static const Case cases[] = {
  /* y (i, j) = x (i - 1, j + 1) + 10 x (i, j) + 1000: which tap is which */
  { "conv/taps", { DEFCN_OP_CONV, 1, 2, 3, 1, 1, 3, 1, 1, .flags = BIAS },
      { { 1, 2, 3, 4, 5, 6 }, [SLOT_W] = { 0, 0, 1, 0, 10, 0, 0, 0, 0 },
          [SLOT_B] = { 1000 } },
      { 1010, 1020, 1030, 1042, 1053, 1060 }, { 1, 0, 0, 0, 1, 0 },
      { { 10, 0, 1, 0, 10, 0 }, [SLOT_W] = { 1, 2, 3, 4, 6, 8, 0, 4, 5 },
          [SLOT_B] = { 2 } } },
  /* y (i, j) = x (2 i, 2 j) + 100 x (2 i + 1, 2 j + 1) */
  { "conv/stride", { DEFCN_OP_CONV, 1, 3, 3, 1, 1, 3, 2, 1 },
      { { 1, 2, 3, 4, 5, 6, 7, 8, 9 },
          [SLOT_W] = { 0, 0, 0, 0, 1, 0, 0, 0, 100 } },
      { 501, 3, 7, 9 }, { 1, 0, 0, 2 },
      { { 1, 0, 0, 0, 100, 0, 0, 0, 2 },
          [SLOT_W] = { 10, 12, 0, 16, 19, 2, 0, 4, 5 } } },
  /* what is not rectified may be negative */
  { "conv/negative", { DEFCN_OP_CONV, 1, 1, 1, 1, 1, 1, 1, 1 },
      { { 2 }, [SLOT_W] = { -3 } }, { -6 }, { 1 },
      { { -3 }, [SLOT_W] = { 2 } } },
  { "conv/two-channels", { DEFCN_OP_CONV, 1, 1, 2, 2, 2, 1, 1, 1 },
      { { 1, 2, 3, 4 }, [SLOT_W] = { 1, 10, 2, 20 } }, { 21, 42, 43, 86 },
      { 1, 0, 0, 1 }, { { 1, 10, 2, 20 }, [SLOT_W] = { 1, 2, 3, 4 } } },
  { "conv/groups-residual-relu",
      { DEFCN_OP_CONV, 1, 1, 1, 4, 2, 1, 1, 2,
          .flags = BIAS | RESIDUAL | RELU },
      { { 1, 2, 3, 4 },
          { 90, -90 }, [SLOT_W] = { 1, 10, 2, 20 }, [SLOT_B] = { -100, 1 } },
      { 11, 0 }, { 1, 1 },
      { { 1, 10, 0, 0 },
          { 1, 0 }, [SLOT_W] = { 1, 2, 0, 0 }, [SLOT_B] = { 1, 0 } } },
  /* row 1, 2, 4: half a pixel right of the first is 1.5; one and a half right
   * of the second and half a pixel left of the third, 2 and 3 */
  { "deform/right",
      { DEFCN_OP_DEFORM_CONV, 1, 1, 3, 1, 1, 1, 1, 1, .offsets = 2 },
      { { 1, 2, 4 }, { 0, 0.5f, 0, 1.5f, 0, -0.5f }, [SLOT_W] = { 10 } },
      { 15, 20, 30 }, { 1, 2, 4 },
      { { 5, 25, 30 },
          { -15, 10, -40, -80, -120, 80 }, [SLOT_W] = { 17.5f } } },
  /* a column: down; a mask of 1 / 2; what is a whole pixel outside is 0, and so
   * are its gradients */
  { "deform/down",
      { DEFCN_OP_DEFORM_CONV, 1, 3, 1, 1, 1, 1, 1, 1, .offsets = 3,
          .flags = BIAS },
      { { 2, 4, 8 }, { 0.25f, 0, 0, -2, 0, 0, 0.5f, 0, 0 }, [SLOT_W] = { 4 },
          [SLOT_B] = { 1 } },
      { 6, 1, 9 }, { 1, 1, 1 },
      { { 1.5f, 0.5f, 1 }, { 4, -5, 2.5f, 0, 0, 0, -16, -8, 4 },
          [SLOT_W] = { 3.25f }, [SLOT_B] = { 3 } } },
  { "max-pool/ramp", { DEFCN_OP_MAX_POOL, 1, 3, 3, 1, .stride = 2 },
      { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } }, { 5, 6, 8, 9 }, { 1, 2, 3, 4 },
      { { 0, 0, 0, 0, 1, 2, 0, 3, 4 } } },
  /* padding never wins, not even against negative values */
  { "max-pool/negative", { DEFCN_OP_MAX_POOL, 1, 3, 3, 1, .stride = 2 },
      { { -1, -2, -3, -4, -5, -6, -7, -8, -9 } }, { -1, -2, -4, -5 },
      { 1, 2, 3, 4 }, { { 1, 2, 0, 3, 4 } } },
  { "max-pool/tie", { DEFCN_OP_MAX_POOL, 1, 2, 2, 1, .stride = 2 },
      { { 7, 7, 7, 7 } }, { 7 }, { 1 }, { { 1, 0, 0, 0 } } },
  { "relu/zero", { DEFCN_OP_RELU, 1, 1, 4, 1 }, { { -1, 0, 2, -0.5f } },
      { 0, 0, 2, 0 }, { 1, 1, 3, 1 }, { { 0, 0, 3, 0 } } },
  /* one group over both channels: mean 2, variance 1; 1 / sqrt (1 + 1e-5) */
  { "group-norm/one-group",
      { DEFCN_OP_GROUP_NORM, 1, 1, 2, 2, .groups = 1, .vector = 2,
          .flags = BIAS },
      { { 1, 3, 1, 3 }, [SLOT_W] = { 2, 1 }, [SLOT_B] = { 0.5f, 0 } },
      { -1.49999f, 0.999995f, -1.49999f, 0.999995f }, { 1, 0, 0, 0 },
      { { 1, -5e-6f, -0.99999f, -5e-6f }, [SLOT_W] = { -0.999995f, 0 },
          [SLOT_B] = { 1, 0 } } },
  /* mean 2, variance 4; and a group without variance, which is its bias */
  { "group-norm/two-groups",
      { DEFCN_OP_GROUP_NORM, 1, 1, 2, 2, .groups = 2, .vector = 2,
          .flags = BIAS | RELU },
      { { 0, 5, 4, 5 }, [SLOT_W] = { 1, 7 }, [SLOT_B] = { 0, 3 } },
      { 0, 3, 0.99999875f, 3 }, { 9, 0, 0, 0 }, { { 0 } } },
  { "upsample-add/nearest",
      { DEFCN_OP_UPSAMPLE_ADD, 1, 2, 4, 1, .inputs = { { 1, 2 } } },
      { { 1, 2, 3, 4, 5, 6, 7, 8 }, { 10, 20 } },
      { 11, 12, 23, 24, 15, 16, 27, 28 }, { 1, 2, 3, 4, 5, 6, 7, 8 },
      { { 1, 2, 3, 4, 5, 6, 7, 8 }, { 14, 22 } } },
  /* the coarse level 0, 4 becomes 0, 1, 3, 4 */
  { "tube-max/coarser",
      { DEFCN_OP_TUBE_MAX, 1, 1, 4, 1,
          .node = { .n_levels = 2, .self = 0, .phi = 1 },
          .inputs = { { 1, 4 }, { 1, 2 } } },
      { { 100, 200, 300, 400 }, { 2, 0, 2, 9 }, { 0, 4 } },
      { 102, 201, 303, 409 }, { 1, 1, 1, 1 },
      { { 1, 1, 1, 1 }, { 1, 0, 0, 1 }, { 1, 1 } } },
  /* the fine level 0, 2, 4, 6 becomes 1, 5; the residual is rectified */
  { "tube-max/finer",
      { DEFCN_OP_TUBE_MAX, 1, 1, 2, 1,
          .node = { .n_levels = 2, .self = 1, .phi = 1 },
          .inputs = { { 1, 4 }, { 1, 2 } }, .flags = RELU },
      { { -3, 1 }, { 0, 2, 4, 6 }, { 2, 3 } }, { 0, 6 }, { 1, 1 },
      { { 0, 1 }, { 0, 0, 0.5f, 0.5f }, { 0, 0 } } },
  /* rows 0, 8 become 0, 2, 6, 8: the vertical weights */
  { "tube-max/rows",
      { DEFCN_OP_TUBE_MAX, 1, 4, 2, 1,
          .node = { .n_levels = 2, .self = 0, .phi = 1 },
          .inputs = { { 4, 2 }, { 2, 1 } } },
      { { 0 }, { 0, 0, 9, 0, 9, 0, 0, 0 }, { 0, 8 } },
      { 0, 0, 9, 2, 9, 6, 8, 8 }, { 0, 0, 0, 4, 0, 8, 1, 2 },
      { { 0, 0, 0, 4, 0, 8, 1, 2 }, { 0 }, { 3 + 2, 1 + 6 + 1 + 2 } } },
  { "tube-max/window",
      { DEFCN_OP_TUBE_MAX, 1, 2, 4, 1,
          .node = { .n_levels = 1, .self = 0, .phi = 3 },
          .inputs = { { 2, 4 } } },
      { { 0 }, { -1, -2, -3, -4, -5, -6, -7, 8 } },
      { -1, -1, 8, 8, -1, -1, 8, 8 }, { 1, 2, 3, 4, 5, 6, 7, 8 },
      { { 1, 2, 3, 4, 5, 6, 7, 8 }, { 14, 0, 0, 0, 0, 0, 0, 22 } } },
  { "tube-max/wide-window",
      { DEFCN_OP_TUBE_MAX, 1, 1, 6, 1,
          .node = { .n_levels = 1, .self = 0, .phi = 5 },
          .inputs = { { 1, 6 } } },
      { { 0 }, { 9, 0, 0, 0, 0, 8 } }, { 9, 9, 9, 8, 8, 8 },
      { 1, 1, 1, 1, 1, 1 }, { { 1, 1, 1, 1, 1, 1 }, { 3, 0, 0, 0, 0, 3 } } },
  /* ties: the lower level, then the upper row, then the left column */
  { "tube-max/tie-levels",
      { DEFCN_OP_TUBE_MAX, 1, 1, 2, 1,
          .node = { .n_levels = 2, .self = 1, .phi = 1 },
          .inputs = { { 1, 4 }, { 1, 2 } } },
      { { 0 }, { 3, 3, 3, 3 }, { 3, 3 } }, { 3, 3 }, { 2, 4 },
      { { 2, 4 }, { 1, 1, 2, 2 }, { 0, 0 } } },
  { "tube-max/tie-rows",
      { DEFCN_OP_TUBE_MAX, 1, 3, 2, 1,
          .node = { .n_levels = 1, .self = 0, .phi = 3 },
          .inputs = { { 3, 2 } } },
      { { 0 }, { 0, 5, 5, 0, 5, 5 } }, { 5, 5, 5, 5, 5, 5 },
      { 1, 1, 1, 1, 1, 1 }, { { 1, 1, 1, 1, 1, 1 }, { 0, 4, 2, 0, 0, 0 } } },
  { "box/relu",
      { DEFCN_OP_BOX, 1, 1, 1, 4, .vector = 1, .flags = PRECISE,
          .node = { .factor = 8 } },
      { { -1, 0, 2, 0.5f }, [SLOT_W] = { 2 } }, { 0, 0, 32, 8 }, { 1, 1, 1, 1 },
      { { 0, 0, 16, 16 }, [SLOT_W] = { 20 } } },
  /* the factor is not used */
  { "box/exp",
      { DEFCN_OP_BOX, 1, 1, 2, 1, .vector = 1, .flags = PRECISE,
          .node = { .factor = 8, .exponential = TRUE } },
      { { 0, 2 }, [SLOT_W] = { 0.5f } }, { 1, (float) G_E }, { 1, 1 },
      { { 0.5f, (float) (G_E / 2) }, [SLOT_W] = { (float) (2 * G_E) } } },
  /* half a width to the right and a height up: its lower edge is above the
   * location; twice as wide, and as high as a box may be: 62.5 heights */
  { "anchors/beside",
      { DEFCN_OP_ANCHORS, 1, 1, 2, 4, .flags = PRECISE,
          .node = { .n_anchors = 1, .anchors = { { 0, 0, 8, 4 } } } },
      { { 0.5f, -1, (float) G_LN2, 0, 0, 0, 0, 9 } },
      { 4, 6, 12, -2, 4, 125, 4, 125 }, { 1, 1, 2, 3, 1, 1, 1, 1 },
      { { 8, 8, 24, 8, 0, 0, 8, 0 } } },
};

/* Forward and backward give the worked-out values. */
static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);
  g_autoptr (Rig) rig = NULL;
  g_autofree float *y = NULL;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  rig = rig_new (be, &c->shape, TRUE);
  for (int i = 0; i < N_SLOTS; i++)
    if (rig->slots[i])
      testing_tensor_write (be, rig->slots[i], c->given[i]);
  testing_forward (be, &rig->node);
  y = testing_tensor_read (be, rig->node.y);
  testing_assert_close (y, c->y, defcn_tensor_len (rig->node.y), 1e-6, "y");

  testing_tensor_write_grad (be, rig->node.y, c->dy);
  testing_backward (be, &rig->node);
  for (int i = 0; i < N_SLOTS; i++) {
    g_autofree char *what = g_strdup_printf ("gradient of slot %d", i);
    g_autofree float *grad = NULL;
    if (!rig->slots[i])
      continue;
    grad = testing_tensor_read_grad (be, rig->slots[i]);
    testing_assert_close (grad, c->grads[i], defcn_tensor_len (rig->slots[i]),
        1e-6, what);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/ops/%s/handmade/%s",
        testing_backend (), cases[i].name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  return g_test_run ();
}
