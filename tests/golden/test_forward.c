/* Whole networks against the reference code: features, heads and detections of
 * every case of the golden set that is found, on the backend under test. */
#include "boxes.h"
#include "golden.h"
#include "heads.h"
#include "image.h"
#include "synth.h"
#include "testing.h"

#include <math.h>

/* Tolerances of the golden set's README. */
#define HEAD_TOLERANCE 1e-4
#define SCORE_TOLERANCE 1e-4
#define BOX_TOLERANCE 0.05
#define BOX_RELATIVE 1e-4

/* Largest difference of a (n, h, w, c) tensor from the file's NCHW, over the
 * largest value. */
static void
compare_tensor (const DefcnModel *model, const DefcnTensor *t,
    const DefcnWeights *file, const char *name)
{
  DefcnBackend *be = defcn_model_backend (model);
  gsize len;

  if (!testing_golden_has (file, name))
    return;
  g_autofree float *expected = testing_golden_floats (file, name, &len);
  g_assert_cmpuint (len, ==, defcn_tensor_len (t));
  g_autofree float *found = g_new (float, len);
  be->download (be, t, found, t->data);

  double difference = 0, largest = 0;
  gsize k = 0;
  for (int n = 0; n < t->n; n++) {
    for (int ch = 0; ch < t->c; ch++) {
      for (int i = 0; i < t->h * t->w; i++, k++) {
        const double d =
            found[((gsize) n * t->h * t->w + i) * t->c + ch] - expected[k];

        g_assert_true (isfinite (d));
        difference = MAX (difference, fabs (d));
        largest = MAX (largest, fabs (expected[k]));
      }
    }
  }
  g_test_message ("%s: %.2g of %.3g", name, difference, largest);
  g_assert_cmpfloat (difference, <=, HEAD_TOLERANCE * largest);
}

/* What the boxes @t are decoded from; all is kept in training. */
static const DefcnTensor *
coded (const DefcnPlan *plan, const DefcnTensor *t)
{
  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);

    if (node->y == t)
      return node->x[0];
  }
  g_assert_not_reached ();
}

static void
compare_heads (const DefcnModel *model, const DefcnPlan *plan,
    const DefcnWeights *file)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *fpn = g_strdup_printf ("fpn.p%d", l + 3);
    g_autofree char *logits = g_strdup_printf ("logits.p%d", l + 3);
    g_autofree char *deltas = g_strdup_printf ("deltas.p%d", l + 3);
    g_autofree char *filter = g_strdup_printf ("filter.p%d", l + 3);
    g_autofree char *centerness = g_strdup_printf ("centerness.p%d", l + 3);

    if (l < 3) {
      g_autofree char *res = g_strdup_printf ("backbone.res%d", l + 3);

      compare_tensor (model, plan->features[l], file, res);
    }
    compare_tensor (model, plan->fpn[l], file, fpn);
    compare_tensor (model, plan->logits[l], file, logits);
    compare_tensor (model,
        defcn_model_spec (model)->anchors > 0 ? coded (plan, plan->deltas[l])
                                              : plan->deltas[l],
        file, deltas);
    if (plan->filter[l])
      compare_tensor (model, plan->filter[l], file, filter);
    if (plan->centerness[l])
      compare_tensor (model, plan->centerness[l], file, centerness);
  }
}

/* The expected detections "<prefix>.<i>.boxes", .scores, .classes; NULL where
 * the file has none. */
static GArray *
read_boxes (const DefcnWeights *file, const char *prefix, int i)
{
  g_autofree char *b = g_strdup_printf ("%s.%d.boxes", prefix, i);
  g_autofree char *s = g_strdup_printf ("%s.%d.scores", prefix, i);
  g_autofree char *c = g_strdup_printf ("%s.%d.classes", prefix, i);
  gsize n;

  if (!testing_golden_has (file, b))
    return NULL;
  g_autofree float *corners = testing_golden_floats (file, b, NULL);
  g_autofree float *scores = testing_golden_floats (file, s, &n);
  g_autofree int *classes = testing_golden_ints (file, c, NULL);
  GArray *boxes = g_array_new (FALSE, TRUE, sizeof (DefcnBox));

  for (gsize k = 0; k < n; k++) {
    const DefcnBox box = { corners[4 * k], corners[4 * k + 1],
      corners[4 * k + 2], corners[4 * k + 3], scores[k], classes[k] };

    g_array_append_val (boxes, box);
  }
  return boxes;
}

static gboolean
is_same (const DefcnBox *a, const DefcnBox *b, double scale)
{
  const float *p = &a->x1, *q = &b->x1;

  if (a->label != b->label || fabsf (a->score - b->score) > SCORE_TOLERANCE)
    return FALSE;
  for (int k = 0; k < 4; k++) {
    const double d = fabs (p[k] - q[k]);

    if (d > BOX_TOLERANCE * scale && d > BOX_RELATIVE * fabs (q[k]))
      return FALSE;
  }
  return TRUE;
}

/* Every box of @a has its own partner in @b, or is marginal: its score is
 * within the tolerance of one of @cuts, where rounding decides what is kept. */
static void
match (const GArray *a, const GArray *b, const float *cuts, int n_cuts,
    double scale)
{
  g_autofree gboolean *used = g_new0 (gboolean, b->len + 1);

  for (guint i = 0; i < a->len; i++) {
    const DefcnBox *box = &g_array_index (a, DefcnBox, i);
    gboolean marginal = FALSE;
    guint j = 0;

    while (j < b->len
        && (used[j] || !is_same (box, &g_array_index (b, DefcnBox, j), scale)))
      j++;
    for (int k = 0; k < n_cuts; k++)
      marginal |= fabsf (box->score - cuts[k]) <= SCORE_TOLERANCE;
    if (j < b->len)
      used[j] = TRUE;
    else if (!marginal)
      g_error ("no partner for box %u: %g %g %g %g score %g label %d", i,
          box->x1, box->y1, box->x2, box->y2, box->score, box->label);
  }
}

/* The scores at which rounding decides: the threshold and, where there are as
 * many as may be, the last one's.  Returns: how many. */
static int
find_cuts (float cuts[2], const GArray *expected, const DefcnSpec *spec)
{
  cuts[0] = spec->threshold;
  if (expected->len == 0 || (int) expected->len < spec->max_detections)
    return 1;
  cuts[1] = g_array_index (expected, DefcnBox, expected->len - 1).score;
  return 2;
}

static void
compare_boxes (const GArray *found, const GArray *expected, const float *cuts,
    int n_cuts, double scale)
{
  match (found, expected, cuts, n_cuts, scale);
  match (expected, found, cuts, n_cuts, scale);
  for (guint i = 1; i < found->len; i++)
    g_assert_cmpfloat (g_array_index (found, DefcnBox, i).score, <=,
        g_array_index (found, DefcnBox, i - 1).score);
}

/* Detections of image @i of the batch, before and after the rescale. */
static void
compare_detections (const DefcnModel *model, const DefcnPlan *plan,
    const DefcnWeights *file, int i, int width, int height)
{
  const DefcnSpec *spec = defcn_model_spec (model);
  g_autofree float *values = g_new (float, defcn_heads_len (plan));
  DefcnLevel levels[DEFCN_N_LEVELS];
  float cuts[2];

  defcn_heads_download (levels, values, plan, defcn_model_backend (model));
  for (int k = 0; k < i; k++)
    defcn_heads_next (levels, spec->n_classes);

  const DefcnDecodeRule rule = { .threshold = spec->threshold,
    .topk = spec->topk,
    .max_detections = spec->max_detections,
    .nms_iou = spec->nms_iou };
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) raw = read_boxes (file, "raw_det", i);
  g_autoptr (GArray) final = read_boxes (file, "det", i);
  g_autofree char *size = g_strdup_printf ("det.%d.out_size", i);

  defcn_boxes_decode (found, levels, DEFCN_N_LEVELS, spec->n_classes, &rule);
  if (!raw && !final)
    return;
  const int n_cuts = find_cuts (cuts, raw ? raw : final, spec);
  if (raw)
    compare_boxes (found, raw, cuts, n_cuts, 1);
  if (!final)
    return;

  g_autofree int *out = testing_golden_ints (file, size, NULL);
  const double out_h = out[0], out_w = out[1];
  defcn_boxes_to_image (found, out_w / width, out_h / height, 0, 0, out_w,
      out_h);
  compare_boxes (found, final, cuts, n_cuts,
      MAX (MAX (out_w / width, out_h / height), 1));
}

/* The batch of the file's images: one per row of the heads. */
static float *
read_batch (int *sizes, const DefcnWeights *file, const DefcnSpec *spec, int n,
    int h, int w)
{
  float *x = g_new (float, (gsize) n *h *w * 3);

  for (int i = 0; i < n; i++) {
    g_autoptr (DefcnWeights) owner = NULL;
    const DefcnWeightsTensor *t = testing_golden_image (file, i, &owner);

    g_assert_nonnull (t);
    const int ih = t->dims[0], iw = t->dims[1];
    g_autofree guint8 *rgb = g_memdup2 (t->data, t->len);
    for (gsize k = 0; k < t->len; k += 3) {
      const guint8 b = rgb[k];

      rgb[k] = rgb[k + 2];
      rgb[k + 2] = b;
    }
    sizes[2 * i] = iw;
    sizes[2 * i + 1] = ih;
    defcn_image_normalize (x + (gsize) i * h * w * 3, rgb, iw, ih, w, h,
        &spec->input);
  }
  return x;
}

static void
run_case (DefcnModel *model, const DefcnWeights *file)
{
  DefcnBackend *be = defcn_model_backend (model);
  const gint64 *head = testing_golden_dims (file, "logits.p3");
  const int n = head[0], h = head[2] * 8, w = head[3] * 8;
  g_autoptr (GError) error = NULL;
  g_autofree int *sizes = g_new (int, 2 * n);
  g_autofree float *x =
      read_batch (sizes, file, defcn_model_spec (model), n, h, w);
  const DefcnPlan *plan = defcn_model_plan (model, n, h, w, &error);

  g_assert_no_error (error);
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  compare_heads (model, plan, file);
  for (int i = 0; i < n; i++)
    compare_detections (model, plan, file, i, sizes[2 * i], sizes[2 * i + 1]);
}

static void
test_case (gconstpointer below)
{
  g_autofree char *folder = g_path_get_dirname (below);
  g_autofree char *config_below =
      g_build_filename (folder, "config.json", NULL);
  g_autofree char *config = testing_golden (config_below);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 2, &error);

  if (!be) {
    testing_no_backend (error);
    return;
  }
  if (!config) {
    g_test_skip_printf ("no golden data: %s", config_below);
    return;
  }
  g_autoptr (DefcnModel) model = testing_synth_model (config, be, TRUE, &skip);
  if (!model) {
    g_test_skip (skip);
    return;
  }
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  run_case (model, file);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/forward", "models/*/forward_*.safetensors",
      test_case);
  return g_test_run ();
}
