/* What the core makes of pictures, for test_export.py to compare with; and the
 * models that it does so with: every architecture that a model file can have.
 *
 * usage: core_pass kinds                       names of the models, a line each
 *        core_pass make KIND MODEL             writes one
 *        core_pass run MODEL N WIDTH HEIGHT OUT
 *
 * "run" draws N pictures and writes, as safetensors: "pixels" (n, h, w, 3) in
 * RGB; "input" (n, 3, h, w), normalised and padded; the heads under the names
 * of the export; "boxes" (n, max_detections, 4), "scores" and "labels", of the
 * model's rule without a threshold and without NMS, with zeros for what is not
 * there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"
#include "tiny_spec.h"
#include "train/recipe.h"

static DefcnSpec *
spec_of_coco (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new ("coco.poto.3dmf", &error);
  DefcnSpec *spec;

  g_assert_no_error (error);
  g_assert_true (defcn_recipe_set (recipe, "annotations=none", &error));
  g_assert_true (defcn_recipe_set (recipe, "images=none", &error));
  g_assert_true (defcn_recipe_finish (recipe, &error));
  spec = defcn_spec_copy (recipe->spec);
  g_strfreev (spec->labels);
  spec->n_classes = 80;
  spec->labels = g_new0 (char *, 81);
  for (int i = 0; i < 80; i++)
    spec->labels[i] = g_strdup_printf ("class %d", i);
  return spec;
}

/* The rows of @kinds, in their order. */
static DefcnSpec *
spec_of (guint kind)
{
  static const int depths[] = { 18, 34, 50, 101, 152 };
  DefcnSpec *s;

  if (kind == 0)
    return spec_of_coco ();
  s = kind == 6
      ? tiny_spec (DEFCN_BACKBONE_MOBILENETV2, 0, TRUE)
      : tiny_spec (DEFCN_BACKBONE_RESNET,
          depths[kind > G_N_ELEMENTS (depths) ? 0 : kind - 1], kind != 2);
  s->duplicate_iou = kind % 2 ? 0.3f : 0;
  switch (kind) {
    case 2: /* baseline: no 3DMF, exp, NMS, C5 */
      s->norm_reg_targets = FALSE;
      s->p6_from_c5 = TRUE;
      s->nms_iou = 0.6f;
      break;
    case 3: /* ResNeXt, torchvision's pixels and strides */
      s->groups = 4;
      s->stride_in_1x1 = FALSE;
      s->input.bgr = FALSE;
      s->input.std[0] = 58.395f;
      s->input.std[1] = 57.12f;
      s->input.std[2] = 57.375f;
      break;
    case 4: /* a larger tube, another divisor, few boxes */
      s->tau = 4;
      s->phi = 5;
      s->input.divisor = 64;
      s->topk = 7;
      s->max_detections = 50;
      break;
    case 5: /* a tube of one level, no towers */
      s->tau = 0;
      s->tower_depth = 0;
      break;
    case 7: /* see shake() */
      s->duplicate_iou = 0.2f;
      break;
    case 8: /* deformable, with masks, in groups and strided, and in the head */
      s->depth = 50;
      s->res2_channels = 16;
      s->groups = 4;
      s->stride_in_1x1 = FALSE;
      s->dcn_from = 4;
      s->dcn_head = TRUE;
      break;
    case 9: /* without masks */
      s->dcn_from = 5;
      s->dcn_modulated = FALSE;
      break;
    case 6:
      s->filter_norm = FALSE;
      s->duplicate_iou = 0.6f;
      break;
    case 10: /* boxes beside their locations */
      s->anchors = 1;
      s->duplicate_iou = 0.3f;
      break;
    case 11: /* nine boxes a location, towers without norms */
      s->anchors = 9;
      s->norm_groups = 0;
      s->filter = s->filter_norm = FALSE;
      break;
    case 12:
      s->centerness = TRUE;
      s->filter = s->filter_norm = FALSE;
      break;
    default:
      break;
  }
  return s;
}

static const char *const kinds[] = { "coco.poto.3dmf", "resnet18",
  "resnet34-baseline", "resnext50", "resnet101-tau4", "resnet152-tau0",
  "mobilenetv2", "ties", "resnext50-dcn", "resnet18-dcnv1", "resnet18-anchors",
  "resnet18-retinanet", "resnet18-fcos", NULL };

/* Statistics, biases and scales that are no identity, heads strong enough to
 * find something in noise, and residuals that do not grow with the depth.  With
 * @ties all pictures are the same to it: every score is, on every level. */
static void
shake (DefcnModel *model, gboolean ties)
{
  DefcnParams *params = defcn_model_params (model);
  const double strong = 80 / sqrt (defcn_model_spec (model)->fpn_channels);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    DefcnParam *p = defcn_params_get (params, i);
    const gboolean last = g_str_has_prefix (p->name, "head.cls_score.")
        || g_str_has_prefix (p->name, "head.filter.");
    const gboolean boxes = g_str_has_prefix (p->name, "head.bbox_pred.");

    for (gsize k = 0; k < defcn_param_len (p); k++) {
      if (g_str_has_suffix (p->name, "_offset.weight")) /* 0 so far */
        p->value[k] = g_rand_double_range (rand, -0.05, 0.05);
      else if (p->kind == DEFCN_PARAM_WEIGHT)
        p->value[k] *= ties ? 0 : last ? strong : boxes ? 3 : 1;
      else if (p->kind == DEFCN_PARAM_BIAS)
        p->value[k] = boxes ? 1.5
            : ties          ? 0
                            : g_rand_double_range (rand, -1, 0.5);
      else if (g_str_has_suffix (p->name, "running_mean"))
        p->value[k] = g_rand_double_range (rand, -0.2, 0.2);
      else
        p->value[k] *=
            (g_str_has_suffix (p->name, ".conv3.norm.weight") ? 0.3 : 1)
            * g_rand_double_range (rand, 0.8, 1.25);
    }
  }
  defcn_params_upload (params);
}

static int
make (const char *kind, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (DefcnSpec) spec = NULL;
  g_autoptr (DefcnModel) model = NULL;
  guint i = 0;

  while (kinds[i] && !g_str_equal (kinds[i], kind))
    i++;
  g_assert_nonnull (kinds[i]);
  spec = spec_of (i);
  model = defcn_model_new (spec, be, FALSE, 5, &error);
  g_assert_no_error (error);
  shake (model, g_str_equal (kind, "ties"));
  defcn_model_save (model, writer, DEFCN_DTYPE_F32);
  defcn_weights_writer_save (writer, path, &error);
  g_assert_no_error (error);
  return 0;
}

static void
write_floats (DefcnWeightsWriter *writer, const char *name, const float *values,
    gint64 a, gint64 b, gint64 c, gint64 d)
{
  const gint64 dims[] = { a, b, c, d };

  defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims, values);
}

/* NHWC -> NCHW */
static void
write_map (DefcnWeightsWriter *writer, const char *name, const float *values,
    const DefcnTensor *t)
{
  const gsize hw = (gsize) t->h * t->w;
  g_autofree float *turned = g_new (float, defcn_tensor_len (t));

  for (int n = 0; n < t->n; n++)
    for (gsize i = 0; i < hw; i++)
      for (int c = 0; c < t->c; c++)
        turned[(n * t->c + c) * hw + i] = values[(n * hw + i) * t->c + c];
  write_floats (writer, name, turned, t->n, t->c, t->h, t->w);
}

static void
write_head (DefcnWeightsWriter *writer, DefcnBackend *be, const char *name,
    int level, const DefcnTensor *t)
{
  g_autofree char *full = g_strdup_printf ("%s_p%d", name, level + 3);
  g_autofree float *values = NULL;

  if (!t)
    return;
  values = g_new (float, defcn_tensor_len (t));
  be->download (be, t, values, t->data);
  write_map (writer, full, values, t);
}

static void
write_boxes (DefcnWeightsWriter *writer, const DefcnPlan *plan,
    DefcnBackend *be, const DefcnSpec *spec)
{
  const int n = plan->input->n, max = spec->max_detections;
  DefcnDecodeRule rule = defcn_spec_decode_rule (spec);
  DefcnLevel levels[DEFCN_N_LEVELS];
  g_autofree float *heads = g_new (float, defcn_heads_len (plan));
  g_autofree float *corners = g_new0 (float, (gsize) n *max * 4);
  g_autofree float *scores = g_new0 (float, (gsize) n *max);
  g_autofree float *labels_of = g_new0 (float, (gsize) n *max);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  rule.threshold = 0;
  rule.nms_iou = 0;
  defcn_heads_download (levels, heads, plan, be);
  for (int i = 0; i < n; i++) {
    defcn_boxes_decode (boxes, levels, DEFCN_N_LEVELS, spec->n_classes, &rule);
    for (guint k = 0; k < boxes->len; k++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

      memcpy (corners + ((gsize) i * max + k) * 4, &b->x1, 4 * sizeof (float));
      scores[(gsize) i * max + k] = b->score;
      labels_of[(gsize) i * max + k] = b->label;
    }
    defcn_heads_next (levels, spec->n_classes);
  }
  write_floats (writer, "boxes", corners, n, max, 4, 1);
  write_floats (writer, "scores", scores, n, max, 1, 1);
  write_floats (writer, "labels", labels_of, n, max, 1, 1);
}

/* Coloured blocks of all sizes over noise. */
static void
draw (guint8 *rgb, int w, int h, GRand *rand)
{
  for (int i = 0; i < w * h * 3; i++)
    rgb[i] = g_rand_int_range (rand, 90, 160);
  for (int i = 0; i < 40; i++) {
    const int x = g_rand_int_range (rand, 0, w);
    const int y = g_rand_int_range (rand, 0, h);
    const int side = 4 << g_rand_int_range (rand, 0, 5);
    const guint32 colour = g_rand_int (rand);

    for (int v = y; v < MIN (y + 2 * side, h); v++)
      for (int u = x; u < MIN (x + side, w); u++)
        for (int c = 0; c < 3; c++)
          rgb[((gsize) v * w + u) * 3 + c] = colour >> 8 * c;
  }
}

static int
run (const char *path, int n, int w, int h, const char *out)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cpu", 1, &error);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (DefcnModel) model = NULL;
  const gsize pixels = (gsize) w * h * 3;
  g_autofree guint8 *rgb = g_malloc (pixels * n);
  g_autofree float *bytes = g_new (float, pixels *n);

  g_assert_no_error (error);
  be->exact = TRUE;
  model = defcn_model_open (weights, be, FALSE, &error);
  g_assert_no_error (error);

  const DefcnSpec *spec = defcn_model_spec (model);
  const int divisor = spec->input.divisor;
  const DefcnPlan *plan =
      defcn_model_plan (model, n, (h + divisor - 1) / divisor * divisor,
          (w + divisor - 1) / divisor * divisor, &error);
  g_assert_no_error (error);
  const DefcnTensor *x = plan->input;
  g_autofree float *input = g_new (float, defcn_tensor_len (x));
  for (int i = 0; i < n; i++) {
    draw (rgb + i * pixels, w, h, rand);
    defcn_image_normalize (input + defcn_tensor_len (x) / n * i,
        rgb + i * pixels, w, h, x->w, x->h, &spec->input);
  }
  for (gsize i = 0; i < pixels * n; i++)
    bytes[i] = rgb[i];
  write_floats (writer, "pixels", bytes, n, h, w, 3);
  write_map (writer, "input", input, x);
  be->upload (be, x, x->data, input);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    write_head (writer, be, "logits", l, plan->logits[l]);
    write_head (writer, be, "ltrb", l, plan->deltas[l]);
    write_head (writer, be, "filter", l, plan->filter[l]);
  }
  write_boxes (writer, plan, be, spec);
  defcn_weights_writer_save (writer, out, &error);
  g_assert_no_error (error);
  return 0;
}

int
main (int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "";

  if (argc == 2 && g_str_equal (what, "kinds"))
    for (guint i = 0; kinds[i]; i++)
      g_print ("%s\n", kinds[i]);
  else if (argc == 4 && g_str_equal (what, "make"))
    return make (argv[2], argv[3]);
  else if (argc == 7 && g_str_equal (what, "run"))
    return run (argv[2], atoi (argv[3]), atoi (argv[4]), atoi (argv[5]),
        argv[6]);
  else
    return 2;
  return 0;
}
