/* Resampling, sizes and preprocessing against Pillow and the reference. */
#include "scaler.h"
#include "testing.h"
#include "weights.h"

#include <cjson/cJSON.h>
#include <string.h>

/* NULL after a skip that names the file. */
static DefcnWeights *
open_golden (const char *below)
{
  g_autofree char *path = testing_golden (below);
  g_autoptr (GError) error = NULL;

  if (!path) {
    g_test_skip_printf ("no golden %s", below);
    return NULL;
  }

  DefcnWeights *weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  return weights;
}

static const DefcnWeightsTensor *
get (const DefcnWeights *weights, const char *format, int i)
{
  g_autofree char *name = g_strdup_printf (format, i);
  const DefcnWeightsTensor *t = defcn_weights_lookup (weights, name);

  g_assert_nonnull (t);
  return t;
}

static DefcnImage
rgb_image (const DefcnWeightsTensor *t)
{
  return (DefcnImage){ DEFCN_FORMAT_RGB, t->dims[1], t->dims[0], { t->data },
    { t->dims[1] * 3 } };
}

/* Bit-exact with Pillow, enlarging and shrinking, with both sets of kernels. */
static void
test_pil_bilinear (void)
{
  g_autoptr (DefcnWeights) weights =
      open_golden ("ops/pil_bilinear.safetensors");
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (int i = 0; weights && i < 16; i++) {
    const DefcnWeightsTensor *in = get (weights, "r%d.in", i / 2);
    const DefcnWeightsTensor *out = get (weights, "r%d.out", i / 2);
    const DefcnImage image = rgb_image (in);
    g_autofree guint8 *rgb = g_malloc (out->len);

    defcn_scaler_set_simd (scaler, i % 2);
    defcn_scaler_run (scaler, rgb, &image, 0, 0, image.width, image.height,
        out->dims[1], out->dims[0]);
    g_assert_cmpmem (rgb, out->len, out->data, out->len);
  }
}

/* The whole path of two images: size, resize, normalise, pad to the batch. */
static void
test_preprocess (void)
{
  const DefcnInputRule rule = { 60, 100, 32, TRUE,
    { 103.53f, 116.28f, 123.675f }, { 1, 1, 1 } };
  g_autoptr (DefcnWeights) weights = open_golden ("ops/preprocess.safetensors");
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (int i = 0; weights && i < 2; i++) {
    const DefcnImage image = rgb_image (get (weights, "rgb.%d", i));
    const DefcnWeightsTensor *bgr = get (weights, "resized_bgr.%d", i);
    const gsize plane = 96 * 96;
    const float *expected =
        (const float *) get (weights, "tensor", 0)->data + i * 3 * plane;
    g_autofree guint8 *rgb = g_malloc (bgr->len);
    g_autofree float *dst = g_new (float, 3 * plane);
    int w, h;

    defcn_image_target_size (&w, &h, image.width, image.height, rule.short_edge,
        rule.long_edge);
    g_assert_cmpint (w, ==, bgr->dims[1]);
    g_assert_cmpint (h, ==, bgr->dims[0]);
    defcn_scaler_run (scaler, rgb, &image, 0, 0, image.width, image.height, w,
        h);
    for (gsize j = 0; j < bgr->len; j++)
      g_assert_cmpint (rgb[j / 3 * 3 + 2 - j % 3], ==,
          ((const guint8 *) bgr->data)[j]);
    defcn_image_normalize (dst, rgb, w, h, 96, 96, &rule);
    for (gsize j = 0; j < 3 * plane; j++) {
      float value;

      memcpy (&value, expected + j % 3 * plane + j / 3, sizeof value);
      g_assert_cmpfloat (dst[j], ==, value);
    }
  }
}

/* Every row of the reference's table of sizes. */
static void
test_sizes (void)
{
  g_autofree char *path = testing_golden ("ops/resize_sizes.json");
  g_autofree char *text = NULL;
  const cJSON *row;
  int n = 0;

  if (!path) {
    g_test_skip ("no golden ops/resize_sizes.json");
    return;
  }
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  cJSON_ArrayForEach (row, cJSON_GetObjectItem (json, "rows"))
  {
    int v[6], w, h;

    for (int i = 0; i < 6; i++)
      v[i] = cJSON_GetArrayItem (row, i)->valueint;
    defcn_image_target_size (&w, &h, v[1], v[0], v[2], v[3]);
    g_assert_cmpint (h, ==, v[4]);
    g_assert_cmpint (w, ==, v[5]);
    n++;
  }
  g_assert_cmpint (n, >, 10);
  cJSON_Delete (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/golden/image/pil-bilinear", test_pil_bilinear);
  g_test_add_func ("/golden/image/preprocess", test_preprocess);
  g_test_add_func ("/golden/image/sizes", test_sizes);
  return g_test_run ();
}
