/* RetinaNet against torchvision: anchors, matching, coding, losses and their
 * gradients, of a picture of 96x64 pixels. */
#include "anchors.h"
#include "assign/assign.h"
#include "assign/retinanet.h"
#include "golden.h"
#include "testing.h"
#include "train/loss.h"

#define BELOW "ops/retinanet.safetensors"
#define HEIGHT 64
#define WIDTH 96
#define ANCHORS 9

/* What the file has, and the sides that its codes are of. */
typedef struct
{
  DefcnWeights *file;
  DefcnLevel levels[DEFCN_N_LEVELS];
  DefcnPoint *points;
  float *logits, *codes, *sides;
  GArray *objects;
  int n, n_classes;
} Rig;

static const DefcnAssignRule rule = { .assigner = &defcn_retinanet_assigner };

static DefcnAnchor
anchor_of (const DefcnPoint *p)
{
  DefcnAnchor anchors[ANCHORS];

  defcn_anchors_fill (anchors, ANCHORS, p->level);
  return anchors[p->anchor];
}

/* FALSE after a skip. */
static gboolean
rig_init (Rig *rig)
{
  gsize len;
  gsize at = 0;

  *rig = (Rig){ .file = testing_golden_open (BELOW) };
  if (!rig->file)
    return FALSE;
  rig->logits = testing_golden_floats (rig->file, "logits", NULL);
  rig->codes = testing_golden_floats (rig->file, "codes", &len);
  rig->objects = testing_golden_objects (rig->file, "");
  rig->n_classes = testing_golden_dims (rig->file, "logits")[1];
  rig->n = len / 4;
  rig->sides = g_new (float, len);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const int stride = defcn_boxes_stride (l);
    DefcnLevel *level = &rig->levels[l];

    *level = (DefcnLevel){ .h = (HEIGHT + stride - 1) / stride,
      .w = (WIDTH + stride - 1) / stride,
      .stride = stride,
      .anchors = ANCHORS,
      .logits = rig->logits + at * rig->n_classes,
      .deltas = rig->sides + at * 4 };
    at += defcn_level_boxes (level);
  }
  g_assert_cmpuint (at, ==, rig->n);
  rig->points = defcn_points_new (rig->levels, DEFCN_N_LEVELS, rig->n_classes);
  for (int j = 0; j < rig->n; j++) {
    const DefcnAnchor a = anchor_of (&rig->points[j]);

    defcn_anchors_decode (rig->sides + 4 * j, rig->codes + 4 * j, &a);
  }
  return TRUE;
}

static void
rig_clear (Rig *rig)
{
  defcn_weights_free (rig->file);
  g_free (rig->points);
  g_free (rig->logits);
  g_free (rig->codes);
  g_free (rig->sides);
  if (rig->objects)
    g_array_unref (rig->objects);
}

static DefcnAssignment *
assign (const Rig *rig)
{
  DefcnAssignment *a = defcn_assignment_new (rig->n, rig->n_classes);

  defcn_assign_run (a, &rule, rig->levels, DEFCN_N_LEVELS, rig->objects, NULL,
      0);
  return a;
}

/* Every anchor is where torchvision has it, and every box that is decoded. */
static void
test_boxes (void)
{
  Rig rig;

  if (rig_init (&rig)) {
    g_autofree float *anchors =
        testing_golden_floats (rig.file, "anchors", NULL);
    g_autofree float *decoded =
        testing_golden_floats (rig.file, "decoded", NULL);

    for (int j = 0; j < rig.n; j++) {
      const DefcnPoint *p = &rig.points[j];
      const DefcnAnchor a = anchor_of (p);
      const float *s = rig.sides + 4 * j, *d = decoded + 4 * j;
      const float box[] = { p->x + a.x - a.w / 2, p->y + a.y - a.h / 2,
        p->x + a.x + a.w / 2, p->y + a.y + a.h / 2 };
      const float found[] = { p->x - s[0], p->y - s[1], p->x + s[2],
        p->y + s[3] };

      for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat_with_epsilon (box[i], anchors[4 * j + i], 1e-4);
        g_assert_cmpfloat_with_epsilon (found[i], d[i],
            2e-6 * MAX (1000, fabsf (d[i])));
      }
    }
  }
  rig_clear (&rig);
}

/* Each anchor is of the object, the background or neither that torchvision's
 * matcher says, and its target is coded likewise. */
static void
test_matching (void)
{
  Rig rig;

  if (rig_init (&rig)) {
    g_autofree int *matched = testing_golden_ints (rig.file, "matched", NULL);
    g_autofree float *targets =
        testing_golden_floats (rig.file, "targets", NULL);
    g_autoptr (DefcnAssignment) a = assign (&rig);
    int n = 0;

    for (int j = 0; j < rig.n; j++) {
      const DefcnAnchor anchor = anchor_of (&rig.points[j]);
      const int i = matched[j];
      float code[4];

      g_assert_cmpint (a->objects[j], ==, MAX (i, -1));
      g_assert_cmpint (a->classes[j], ==,
          i >= 0        ? g_array_index (rig.objects, DefcnObject, i).label
              : i == -1 ? rig.n_classes
                        : DEFCN_CLASS_IGNORED);
      if (i < 0)
        continue;
      n++;
      defcn_anchors_encode (code, a->targets[j], &anchor);
      for (int k = 0; k < 4; k++)
        g_assert_cmpfloat_with_epsilon (code[k], targets[4 * j + k], 1e-5);
    }
    g_assert_cmpint (a->n_foreground, ==, n);
  }
  rig_clear (&rig);
}

/* Both losses, and their gradients down to logits and codes. */
static void
test_losses (void)
{
  Rig rig;

  if (rig_init (&rig)) {
    g_autofree float *cls =
        testing_golden_floats (rig.file, "loss.classification", NULL);
    g_autofree float *box =
        testing_golden_floats (rig.file, "loss.bbox_regression", NULL);
    g_autofree float *want_logits =
        testing_golden_floats (rig.file, "grad.logits", NULL);
    g_autofree float *want_codes =
        testing_golden_floats (rig.file, "grad.codes", NULL);
    g_autofree float *dlogits = g_new0 (float, rig.n *rig.n_classes);
    g_autofree float *dsides = g_new0 (float, rig.n * 4);
    g_autofree float *dcodes = g_new (float, rig.n * 4);
    g_autoptr (DefcnAssignment) a = assign (&rig);
    DefcnLevelGrad grads[DEFCN_N_LEVELS];

    for (int l = 0; l < DEFCN_N_LEVELS; l++)
      grads[l] = (DefcnLevelGrad){ .logits = dlogits
            + (rig.levels[l].logits - rig.logits),
        .deltas = dsides + (rig.levels[l].deltas - rig.sides) };
    g_assert_cmpfloat_with_epsilon (defcn_loss_focal (grads, rig.levels,
                                        DEFCN_N_LEVELS, a,
                                        1.0 / a->n_foreground),
        cls[0], 1e-5 * cls[0]);
    g_assert_cmpfloat_with_epsilon (defcn_loss_l1 (grads, rig.levels,
                                        DEFCN_N_LEVELS, a,
                                        1.0 / a->n_foreground),
        box[0], 1e-5 * box[0]);
    for (int j = 0; j < rig.n; j++) {
      const DefcnAnchor anchor = anchor_of (&rig.points[j]);

      defcn_anchors_slope (dcodes + 4 * j, dsides + 4 * j, rig.sides + 4 * j,
          rig.codes + 4 * j, &anchor);
    }
    g_assert_cmpfloat (testing_golden_difference (dlogits, want_logits,
                           (gsize) rig.n * rig.n_classes),
        <=, 1e-5);
    g_assert_cmpfloat (testing_golden_difference (dcodes, want_codes,
                           (gsize) rig.n * 4),
        <=, 1e-4);
  }
  rig_clear (&rig);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/golden/retinanet/boxes", test_boxes);
  g_test_add_func ("/golden/retinanet/matching", test_matching);
  g_test_add_func ("/golden/retinanet/losses", test_losses);
  return g_test_run ();
}
