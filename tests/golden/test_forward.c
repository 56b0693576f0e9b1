/* Whole networks against the reference code: features, heads and detections of
 * every case of the golden set that is found, on the backend under test. */
#include "boxes.h"
#include "image.h"
#include "synth.h"
#include "testing.h"
#include "weights.h"

#include <math.h>
#include <string.h>

/* Tolerances of the golden set's README. */
#define HEAD_TOLERANCE 1e-4
#define SCORE_TOLERANCE 1e-4
#define BOX_TOLERANCE 0.05
#define BOX_RELATIVE 1e-4

typedef struct
{
  char *config, *file; /* paths */
} Case;

static float *
read_floats (const DefcnWeights *file, const char *name, gsize *len)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  g_autoptr (GError) error = NULL;

  if (!t)
    return NULL;
  float *values = g_new (float, t->len);
  defcn_weights_read (file, t, values, &error);
  g_assert_no_error (error);
  *len = t->len;
  return values;
}

static gint64
read_int (const DefcnWeights *file, const char *name, gsize i)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  gint64 value;

  g_assert_nonnull (t);
  g_assert_cmpint (t->dtype, ==, DEFCN_DTYPE_I64);
  g_assert_cmpuint (i, <, t->len);
  memcpy (&value, (const char *) t->data + i * sizeof value, sizeof value);
  return value;
}

/* Image @i of @file, BGR at network size; a missing one is in the file that
 * the metadata name.  *@owner keeps the data alive. */
static const DefcnWeightsTensor *
find_image (const DefcnWeights *file, const Case *c, int i,
    DefcnWeights **owner)
{
  g_autofree char *name = g_strdup_printf ("image.%d", i);
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  const char *other = t ? NULL : defcn_weights_metadata (file, name);

  *owner = NULL;
  if (!other || !g_str_has_prefix (other, "same as "))
    return t;

  /* "same as models/<case>/<file>#<tensor>" */
  g_auto (GStrv) parts = g_strsplit (other + strlen ("same as "), "#", 2);
  g_autofree char *dir = g_path_get_dirname (c->file);
  g_autofree char *path = g_build_filename (dir, "..", "..", parts[0], NULL);
  *owner = defcn_weights_open (path, NULL);
  g_assert_nonnull (*owner);
  return defcn_weights_lookup (*owner, parts[1]);
}

/* Largest difference of a (n, h, w, c) tensor from the file's NCHW, over the
 * largest value. */
static void
compare_tensor (const DefcnModel *model, const DefcnTensor *t,
    const DefcnWeights *file, const char *name)
{
  DefcnBackend *be = defcn_model_backend (model);
  gsize len;
  g_autofree float *expected = read_floats (file, name, &len);

  if (!expected)
    return;
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

static void
compare_heads (const DefcnModel *model, const DefcnPlan *plan,
    const DefcnWeights *file)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *fpn = g_strdup_printf ("fpn.p%d", l + 3);
    g_autofree char *logits = g_strdup_printf ("logits.p%d", l + 3);
    g_autofree char *deltas = g_strdup_printf ("deltas.p%d", l + 3);
    g_autofree char *filter = g_strdup_printf ("filter.p%d", l + 3);

    if (l < 3) {
      g_autofree char *res = g_strdup_printf ("backbone.res%d", l + 3);

      compare_tensor (model, plan->features[l], file, res);
    }
    compare_tensor (model, plan->fpn[l], file, fpn);
    g_assert_nonnull (defcn_weights_lookup (file, logits));
    compare_tensor (model, plan->logits[l], file, logits);
    compare_tensor (model, plan->deltas[l], file, deltas);
    if (plan->filter[l])
      compare_tensor (model, plan->filter[l], file, filter);
  }
}

/* The expected detections "<prefix>.<i>.boxes", .scores, .classes. */
static GArray *
read_boxes (const DefcnWeights *file, const char *prefix, int i)
{
  GArray *boxes = g_array_new (FALSE, TRUE, sizeof (DefcnBox));
  g_autofree char *b = g_strdup_printf ("%s.%d.boxes", prefix, i);
  g_autofree char *s = g_strdup_printf ("%s.%d.scores", prefix, i);
  g_autofree char *c = g_strdup_printf ("%s.%d.classes", prefix, i);
  gsize n_boxes = 0, n = 0;
  g_autofree float *corners = read_floats (file, b, &n_boxes);
  g_autofree float *scores = read_floats (file, s, &n);

  for (gsize k = 0; k < n; k++) {
    const DefcnBox box = { corners[4 * k], corners[4 * k + 1],
      corners[4 * k + 2], corners[4 * k + 3], scores[k],
      read_int (file, c, k) };

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

/* Whether a box may be in one list alone: its score is within the tolerance of
 * the threshold or of the last one kept. */
static gboolean
is_marginal (const DefcnBox *box, float threshold, float last)
{
  return fabsf (box->score - threshold) <= SCORE_TOLERANCE
      || box->score <= last + SCORE_TOLERANCE;
}

/* Every box of @a has its own partner in @b, or is marginal. */
static void
match (const GArray *a, const GArray *b, float threshold, float last,
    double scale)
{
  g_autofree gboolean *used = g_new0 (gboolean, b->len + 1);

  for (guint i = 0; i < a->len; i++) {
    const DefcnBox *box = &g_array_index (a, DefcnBox, i);
    guint j = 0;

    while (j < b->len
        && (used[j] || !is_same (box, &g_array_index (b, DefcnBox, j), scale)))
      j++;
    if (j < b->len)
      used[j] = TRUE;
    else if (!is_marginal (box, threshold, last))
      g_error ("no partner for box %u: %g %g %g %g score %g label %d", i,
          box->x1, box->y1, box->x2, box->y2, box->score, box->label);
  }
}

static void
compare_boxes (const GArray *found, const GArray *expected, float threshold,
    double scale)
{
  const float last = expected->len
      ? g_array_index (expected, DefcnBox, expected->len - 1).score
      : 0;

  g_assert_cmpuint (expected->len, >, 0);
  match (found, expected, threshold, last, scale);
  match (expected, found, threshold, last, scale);
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
  DefcnBackend *be = defcn_model_backend (model);
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_free);
  DefcnLevel levels[DEFCN_N_LEVELS];

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnTensor *const tensors[] = { plan->logits[l], plan->deltas[l],
      plan->filter[l] };
    const float *values[3] = { NULL };

    for (int k = 0; k < 3 && tensors[k]; k++) {
      const gsize len = defcn_tensor_len (tensors[k]);
      float *v = g_new (float, len);

      be->download (be, tensors[k], v, tensors[k]->data);
      g_ptr_array_add (kept, v);
      values[k] = v + i * (len / tensors[k]->n);
    }
    levels[l] = (DefcnLevel){ plan->logits[l]->h, plan->logits[l]->w, 8 << l,
      values[0], values[1], values[2] };
  }

  const DefcnDecodeRule rule = { .threshold = spec->threshold,
    .topk = spec->topk,
    .max_detections = spec->max_detections,
    .nms_iou = spec->nms_iou };
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) raw = read_boxes (file, "raw_det", i);
  g_autoptr (GArray) final = read_boxes (file, "det", i);
  g_autofree char *size = g_strdup_printf ("det.%d.out_size", i);

  defcn_boxes_decode (found, levels, DEFCN_N_LEVELS, spec->n_classes, &rule);
  compare_boxes (found, raw, spec->threshold, 1);

  const double out_h = read_int (file, size, 0),
               out_w = read_int (file, size, 1);
  defcn_boxes_to_image (found, out_w / width, out_h / height, 0, 0, out_w,
      out_h);
  compare_boxes (found, final, spec->threshold,
      MAX (MAX (out_w / width, out_h / height), 1));
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *skip = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 2, &error);
  if (!be) {
    testing_no_backend (error);
    return;
  }
  g_autoptr (DefcnModel) model =
      testing_synth_model (c->config, be, TRUE, &skip);

  if (!model) {
    g_test_skip (skip);
    return;
  }

  g_autoptr (DefcnWeights) file = defcn_weights_open (c->file, &error);
  g_assert_no_error (error);
  const DefcnWeightsTensor *head = defcn_weights_lookup (file, "logits.p3");
  g_assert_nonnull (head);
  const int n = head->dims[0], h = head->dims[2] * 8, w = head->dims[3] * 8;
  const DefcnPlan *plan = defcn_model_plan (model, n, h, w, &error);
  g_assert_no_error (error);

  g_autofree float *x = g_new (float, defcn_tensor_len (plan->input));
  g_autofree int *sizes = g_new (int, 2 * n);
  for (int i = 0; i < n; i++) {
    g_autoptr (DefcnWeights) owner = NULL;
    const DefcnWeightsTensor *t = find_image (file, c, i, &owner);

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
        &defcn_model_spec (model)->input);
  }
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  compare_heads (model, plan, file);
  for (int i = 0; i < n; i++)
    compare_detections (model, plan, file, i, sizes[2 * i], sizes[2 * i + 1]);
}

static void
case_free (gpointer data)
{
  Case *c = data;

  g_free (c->config);
  g_free (c->file);
  g_free (c);
}

static void
no_golden (void)
{
  g_test_skip ("no golden set (DEFCN_GOLDEN)");
}

int
main (int argc, char **argv)
{
  g_autofree char *models = testing_golden ("models");
  g_autoptr (GDir) dir = models ? g_dir_open (models, 0, NULL) : NULL;
  g_autoptr (GPtrArray) cases = g_ptr_array_new_with_free_func (case_free);

  g_test_init (&argc, &argv, NULL);
  if (!dir)
    g_test_add_func ("/golden/forward", no_golden);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *folder = g_build_filename (models, name, NULL);
    g_autoptr (GDir) files = g_dir_open (folder, 0, NULL);

    for (const char *file; files && (file = g_dir_read_name (files));) {
      Case *c;

      if (!g_str_has_prefix (file, "forward_")
          || !g_str_has_suffix (file, ".safetensors"))
        continue;
      c = g_new (Case, 1);
      c->config = g_build_filename (folder, "config.json", NULL);
      c->file = g_build_filename (folder, file, NULL);
      g_ptr_array_add (cases, c);
      g_autofree char *path =
          g_strdup_printf ("/golden/forward/%s/%s", name, file);
      g_test_add_data_func (path, c, test_case);
    }
  }
  return g_test_run ();
}
