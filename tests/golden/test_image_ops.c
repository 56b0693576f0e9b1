/* Resampling, sizes and preprocessing against Pillow and the reference. */
#include "golden.h"
#include "scaler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const DefcnWeightsTensor *
lookup (const DefcnWeights *file, const char *format, int i)
{
  g_autofree char *name = g_strdup_printf (format, i);

  return defcn_weights_lookup (file, name);
}

static DefcnImage
rgb_image (const DefcnWeightsTensor *t)
{
  return (DefcnImage){ DEFCN_FORMAT_RGB, t->dims[1], t->dims[0], { t->data },
    { t->dims[1] * 3 } };
}

/* Bit-exact with Pillow, enlarging and shrinking, with both sets of kernels. */
static void
test_pil_bilinear (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  const DefcnWeightsTensor *in;
  int i = 0;

  for (; (in = lookup (file, "r%d.in", i / 2)); i++) {
    const DefcnWeightsTensor *out = lookup (file, "r%d.out", i / 2);
    const DefcnImage image = rgb_image (in);
    g_autofree guint8 *rgb = g_malloc (out->len);

    defcn_scaler_set_simd (scaler, i % 2);
    defcn_scaler_run (scaler, rgb, &image, 0, 0, image.width, image.height,
        out->dims[1], out->dims[0]);
    g_assert_cmpmem (rgb, out->len, out->data, out->len);
  }
  g_assert_cmpint (i, >, 0);
}

/* The file's rule is in its metadata. */
static DefcnInputRule
read_rule (const DefcnWeights *file)
{
  static const char *const names[] = { "short_edge", "max_size",
    "size_divisibility", "mean_bgr", "std" };
  const char *texts[G_N_ELEMENTS (names)];
  DefcnInputRule rule = { .bgr = TRUE };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    texts[i] = defcn_weights_metadata (file, names[i]);
    g_assert_nonnull (texts[i]);
  }
  rule.short_edge = atoi (texts[0]);
  rule.long_edge = atoi (texts[1]);
  rule.divisor = atoi (texts[2]);
  g_assert_cmpint (sscanf (texts[3], "%f,%f,%f", &rule.mean[0], &rule.mean[1],
                       &rule.mean[2]),
      ==, 3);
  g_assert_cmpint (sscanf (texts[4], "%f,%f,%f", &rule.std[0], &rule.std[1],
                       &rule.std[2]),
      ==, 3);
  return rule;
}

/* Image @i of the batch: size, resize, normalise, pad. */
static void
check_preprocess (const DefcnWeights *file, int i, const DefcnInputRule *rule,
    const DefcnImage *image)
{
  const DefcnWeightsTensor *bgr = lookup (file, "resized_bgr.%d", i);
  const DefcnWeightsTensor *batch = lookup (file, "tensor", 0);
  const int out_h = batch->dims[2], out_w = batch->dims[3];
  const gsize plane = (gsize) out_h * out_w;
  const float *expected = (const float *) batch->data + i * 3 * plane;
  g_autofree guint8 *rgb = g_malloc (bgr->len);
  g_autofree float *dst = g_new (float, 3 * plane);
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  int w, h;

  defcn_image_target_size (&w, &h, image->width, image->height,
      rule->short_edge, rule->long_edge);
  g_assert_cmpint (w, ==, bgr->dims[1]);
  g_assert_cmpint (h, ==, bgr->dims[0]);
  defcn_scaler_run (scaler, rgb, image, 0, 0, image->width, image->height, w,
      h);
  for (gsize j = 0; j < bgr->len; j++)
    g_assert_cmpint (rgb[j / 3 * 3 + 2 - j % 3], ==,
        ((const guint8 *) bgr->data)[j]);
  defcn_image_normalize (dst, rgb, w, h, out_w, out_h, rule);
  for (gsize j = 0; j < 3 * plane; j++) {
    float value;

    memcpy (&value, expected + j % 3 * plane + j / 3, sizeof value);
    g_assert_cmpfloat (dst[j], ==, value);
  }
}

/* The whole path of a batch. */
static void
test_preprocess (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  const DefcnInputRule rule = read_rule (file);
  const DefcnWeightsTensor *t;
  int i = 0;

  for (; (t = lookup (file, "rgb.%d", i)); i++) {
    const DefcnImage image = rgb_image (t);

    check_preprocess (file, i, &rule, &image);
  }
  g_assert_cmpint (i, >, 0);
}

/* Every row of the reference's table of sizes. */
static void
test_sizes (gconstpointer below)
{
  cJSON *json = testing_golden_json (below);
  const cJSON *rows = cJSON_GetObjectItemCaseSensitive (json, "rows"), *row;

  g_assert_cmpint (cJSON_GetArraySize (rows), >, 0);
  cJSON_ArrayForEach (row, rows)
  {
    int v[6], w, h;

    for (int i = 0; i < 6; i++)
      v[i] = cJSON_GetArrayItem (row, i)->valueint;
    defcn_image_target_size (&w, &h, v[1], v[0], v[2], v[3]);
    g_assert_cmpint (h, ==, v[4]);
    g_assert_cmpint (w, ==, v[5]);
  }
  cJSON_Delete (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/image", "ops/pil_bilinear*.safetensors",
      test_pil_bilinear);
  testing_golden_add ("/golden/image", "ops/preprocess*.safetensors",
      test_preprocess);
  testing_golden_add ("/golden/image", "ops/resize_sizes*.json", test_sizes);
  return g_test_run ();
}
