/* The detector, over a tiny random model written for the purpose. */
#include "detector.h"

#include <glib/gstdio.h>
#include <string.h>

#include "scaler.h"
#include "testing.h"
#include "tiny_model.h"

static char *folder;
static char *model_path;

static DefcnDetector *
open_detector (void)
{
  const DefcnDetectorOptions options = { .device = testing_backend (),
    .threads = 1 };
  g_autoptr (GError) error = NULL;
  DefcnDetector *d = defcn_detector_new (model_path, &options, &error);

  g_assert_no_error (error);
  return d;
}

/* Noise in blocks, so that something of it survives the resize. */
static DefcnImage
noise (int width, int height, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const int cells = width / 8 + 1;
  guint8 *rgb = g_malloc ((gsize) width * height * 3);
  g_autofree guint8 *values = g_malloc ((gsize) cells * (height / 8 + 1) * 3);

  for (int i = 0; i < cells * (height / 8 + 1) * 3; i++)
    values[i] = g_rand_int_range (rand, 0, 256);
  for (int i = 0; i < width * height * 3; i++) {
    const int x = i / 3 % width, y = i / 3 / width;

    rgb[i] = values[(y / 8 * cells + x / 8) * 3 + i % 3];
  }
  return (
      DefcnImage){ DEFCN_FORMAT_RGB, width, height, { rgb }, { 3 * width } };
}

static void
noise_clear (DefcnImage *image)
{
  g_free ((guint8 *) image->planes[0]);
}

static GArray *
boxes_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (DefcnBox));
}

static GArray *
detect (DefcnDetector *d, const DefcnImage *image, const DefcnRegion *region)
{
  GArray *boxes = boxes_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_detector_run (d, &boxes, image, region, 1, &error));
  g_assert_no_error (error);
  return boxes;
}

static void
assert_same (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (a->data, a->len * sizeof (DefcnBox), b->data,
      b->len * sizeof (DefcnBox));
}

static const DefcnBox *
box_at (const GArray *boxes, guint i)
{
  return &g_array_index (boxes, DefcnBox, i);
}

/* What the file says is what the detector says. */
static void
test_properties (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, NULL);
  g_autofree char *hash = defcn_weights_hash (weights);

  g_assert_cmpint (defcn_detector_n_classes (d), ==, 3);
  g_assert_cmpstr (defcn_detector_label (d, 2), ==, "dog");
  g_assert_cmpfloat (defcn_detector_threshold (d), ==, 0.3f);
  g_assert_cmpint (defcn_detector_max_detections (d), ==, 50);
  g_assert_cmpstr (defcn_detector_hash (d), ==, hash);
  g_assert_cmpstr (defcn_detector_device (d), ==, testing_backend ());
}

/* Boxes come best first, above the threshold, inside the image, with area; the
 * stages' times are kept. */
static void
test_run (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage image = noise (200, 150, 1);
  g_autoptr (GArray) boxes = detect (d, &image, NULL);
  DefcnTimings timings;

  g_assert_cmpuint (boxes->len, >, 5);
  g_assert_cmpuint (boxes->len, <=, 50);
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = box_at (boxes, i);

    g_assert_true (b->x1 >= 0 && b->x1 < b->x2 && b->x2 <= 200);
    g_assert_true (b->y1 >= 0 && b->y1 < b->y2 && b->y2 <= 150);
    g_assert_cmpfloat (b->score, >, 0.3f);
    g_assert_true (i == 0 || box_at (boxes, i - 1)->score >= b->score);
    g_assert_true (b->label >= 0 && b->label < 3);
  }
  defcn_detector_timings (d, &timings);
  g_assert_cmpuint (timings.preprocess, >, 0);
  g_assert_cmpuint (timings.inference, >, 0);
  noise_clear (&image);
}

/* What it takes is more with every new size of pictures, and no more with one
 * that was there. */
static void
test_bytes (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage wide = noise (200, 150, 1), high = noise (150, 200, 2);
  gsize bytes = defcn_detector_bytes (d);

  g_assert_cmpuint (bytes, >, 0);
  for (int i = 0; i < 2; i++) {
    const DefcnImage *image = i ? &high : &wide;

    g_array_unref (detect (d, image, NULL));
    g_assert_cmpuint (defcn_detector_bytes (d), >, bytes);
    bytes = defcn_detector_bytes (d);
    g_array_unref (detect (d, image, NULL));
    g_assert_cmpuint (defcn_detector_bytes (d), ==, bytes);
  }
  noise_clear (&wide);
  noise_clear (&high);
}

/* A model that wants pictures larger than one allows is refused, with both
 * numbers. */
static void
test_max_edge (void)
{
  static const struct
  {
    int short_edge, allowed;
    gboolean opens;
  } cases[] = { { 1024, 0, TRUE }, { 1025, 0, FALSE }, { 1025, 2050, TRUE },
    { 1025, 2049, FALSE }, { 32, 63, FALSE } };
  g_autofree char *path = g_build_filename (folder, "edge.safetensors", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnDetectorOptions options = { .device = testing_backend (),
      .threads = 1,
      .max_edge = cases[i].allowed };
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDetector) d = NULL;

    testing_tiny_model_write_as (path, cases[i].short_edge, 0);
    d = defcn_detector_new (path, &options, &error);
    g_assert_cmpint (d != NULL, ==, cases[i].opens);
    if (!d) {
      g_autofree char *number = g_strdup_printf ("%d", 2 * cases[i].short_edge);

      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
      g_assert_nonnull (strstr (error->message, number));
      g_assert_nonnull (strstr (error->message, "max-edge"));
    }
  }
  g_unlink (path);
}

/* A region gives, bit for bit, the boxes of the same pixels cut out, shifted
 * by its corner; what lies outside the image is cut off. */
static void
test_region (void)
{
  static const DefcnRegion regions[] = { { 9, 7, 120, 90 }, { 0, 0, 200, 150 },
    { -50, 31, 120, 400 }, { 100, -9, G_MAXINT, 80 }, { 199, 149, 9, 9 } };
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage image = noise (200, 150, 2);
  guint found = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (regions); i++) {
    const int x1 = MAX (0, regions[i].x), y1 = MAX (0, regions[i].y);
    const int x2 = MIN (200, (gint64) regions[i].x + regions[i].w);
    const int y2 = MIN (150, regions[i].y + regions[i].h);
    DefcnImage crop = image;

    crop.planes[0] += y1 * crop.strides[0] + 3 * x1;
    crop.width = x2 - x1;
    crop.height = y2 - y1;

    g_autoptr (GArray) a = detect (d, &image, &regions[i]);
    g_autoptr (GArray) b = detect (d, &crop, NULL);
    for (guint j = 0; j < b->len; j++) {
      DefcnBox *box = &g_array_index (b, DefcnBox, j);

      box->x1 += x1;
      box->x2 += x1;
      box->y1 += y1;
      box->y2 += y1;
    }
    assert_same (a, b);
    found += a->len;
  }
  g_assert_cmpuint (found, >, 20);
  noise_clear (&image);
}

/* Mirrors ('m'), turns upside down ('f') or transposes ('t') an RGB image. */
static DefcnImage
change (const DefcnImage *from, char how)
{
  const gboolean swaps = how == 't';
  const int w = swaps ? from->height : from->width;
  const int h = swaps ? from->width : from->height;
  guint8 *rgb = g_malloc ((gsize) w * h * 3);

  for (int y = 0; y < h; y++) {
    for (int x = 0; x < w; x++) {
      const int column = swaps ? y : how == 'm' ? w - 1 - x : x;
      const int row = swaps ? x : how == 'f' ? h - 1 - y : y;

      memcpy (rgb + 3 * (y * w + x),
          from->planes[0] + row * from->strides[0] + 3 * column, 3);
    }
  }
  return (DefcnImage){ DEFCN_FORMAT_RGB, w, h, { rgb }, { 3 * w } };
}

static void
change_box (DefcnBox *b, const DefcnImage *from, char how)
{
  const DefcnBox old = *b;

  if (how == 't') {
    b->x1 = old.y1;
    b->y1 = old.x1;
    b->x2 = old.y2;
    b->y2 = old.x2;
  } else if (how == 'm') {
    b->x1 = from->width - old.x2;
    b->x2 = from->width - old.x1;
  } else {
    b->y1 = from->height - old.y2;
    b->y2 = from->height - old.y1;
  }
}

/* An image that lies on its side or stands on its head is shown upright, and
 * its boxes are where it has them. */
static void
test_orientation (void)
{
  /* What makes such an image of an upright one. */
  static const char *const changes[DEFCN_N_ORIENTATIONS] = {
    [DEFCN_ORIENTATION_UPRIGHT] = "",
    [DEFCN_ORIENTATION_RIGHT] = "mt",
    [DEFCN_ORIENTATION_HALF] = "mf",
    [DEFCN_ORIENTATION_LEFT] = "ft",
    [DEFCN_ORIENTATION_MIRROR] = "m",
    [DEFCN_ORIENTATION_FLIP] = "f",
    [DEFCN_ORIENTATION_TRANSPOSE] = "t",
    [DEFCN_ORIENTATION_ANTI_TRANSPOSE] = "mft",
  };
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage upright = noise (100, 64, 4); /* which needs no resize */

  for (int i = 0; i < DEFCN_N_ORIENTATIONS; i++) {
    g_autoptr (GArray) wanted = detect (d, &upright, NULL);
    g_autoptr (GArray) found = NULL;
    DefcnImage image = change (&upright, 0);

    g_assert_cmpuint (wanted->len, >, 3);
    for (const char *c = changes[i]; *c; c++) {
      DefcnImage changed = change (&image, *c);

      for (guint k = 0; k < wanted->len; k++)
        change_box (&g_array_index (wanted, DefcnBox, k), &image, *c);
      noise_clear (&image);
      image = changed;
    }
    image.orientation = i;
    found = detect (d, &image, NULL);
    g_assert_cmpuint (found->len, ==, wanted->len);
    for (guint k = 0; k < found->len; k++) {
      const DefcnBox *f = box_at (found, k), *w = box_at (wanted, k);

      g_assert_cmpfloat_with_epsilon (f->x1, w->x1, 1e-4);
      g_assert_cmpfloat_with_epsilon (f->y1, w->y1, 1e-4);
      g_assert_cmpfloat_with_epsilon (f->x2, w->x2, 1e-4);
      g_assert_cmpfloat_with_epsilon (f->y2, w->y2, 1e-4);
      g_assert_cmpfloat (f->score, ==, w->score);
      g_assert_cmpint (f->label, ==, w->label);
    }
    noise_clear (&image);
  }
  noise_clear (&upright);
}

/* Pixels that are twice as wide as high are shown as wide as they are, upright
 * ones too. */
static void
test_pixel_aspect (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  DefcnImage narrow = noise (64, 64, 5);
  g_autofree guint8 *rgb = g_malloc (128 * 64 * 3);
  const DefcnImage wide = { DEFCN_FORMAT_RGB, 128, 64, { rgb }, { 128 * 3 } };
  DefcnImage side;

  narrow.par_n = 20;
  narrow.par_d = 10;
  defcn_scaler_run (scaler, rgb, &narrow, 0, 0, 64, 64, 128, 64);
  side = change (&narrow, 't');
  side.par_n = 1;
  side.par_d = 2;
  side.orientation = DEFCN_ORIENTATION_TRANSPOSE;
  for (int turned = 0; turned < 2; turned++) {
    g_autoptr (GArray) wanted = detect (d, &wide, NULL);
    g_autoptr (GArray) found = detect (d, turned ? &side : &narrow, NULL);

    g_assert_cmpuint (wanted->len, >, 3);
    g_assert_cmpuint (found->len, ==, wanted->len);
    for (guint k = 0; k < found->len; k++) {
      const DefcnBox *f = box_at (found, k), *w = box_at (wanted, k);

      /* One that is turned is rounded in the other order of its passes. */
      g_assert_cmpfloat_with_epsilon (turned ? f->y1 : f->x1, w->x1 / 2,
          turned ? 0.5 : 1e-4);
      g_assert_cmpfloat_with_epsilon (turned ? f->x1 : f->y1, w->y1,
          turned ? 0.5 : 1e-4);
    }
  }
  noise_clear (&narrow);
  noise_clear (&side);
}

/* A region that misses the image is not an error; it has no boxes. */
static void
test_region_outside (void)
{
  static const DefcnRegion regions[] = { { 200, 0, 5, 5 }, { -9, 0, 9, 9 },
    { 5, 5, 0, 10 }, { 5, 5, -5, 10 }, { G_MAXINT, G_MAXINT, 10, 10 },
    { G_MININT, 0, 10, 10 } };
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage image = noise (200, 150, 2);

  for (gsize i = 0; i < G_N_ELEMENTS (regions); i++) {
    g_autoptr (GArray) boxes = detect (d, &image, &regions[i]);

    g_assert_cmpuint (boxes->len, ==, 0);
  }
  noise_clear (&image);
}

/* Bit for bit, what an image gives does not depend on what runs with it, in
 * what order, or before. */
static void
test_batch_independence (void)
{
  static const int sizes[][2] = { { 200, 150 }, { 90, 160 }, { 128, 128 },
    { 200, 150 }, { 31, 77 } };
  enum
  {
    N = G_N_ELEMENTS (sizes)
  };
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage images[N], reversed[N];
  GArray *alone[N], *together[N], *backwards[N];
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < N; i++) {
    images[i] = reversed[N - 1 - i] = noise (sizes[i][0], sizes[i][1], 10 + i);
    alone[i] = detect (d, &images[i], NULL);
    together[i] = boxes_new ();
    backwards[i] = boxes_new ();
  }
  g_assert_true (defcn_detector_run (d, together, images, NULL, N, &error));
  g_assert_true (defcn_detector_run (d, backwards, reversed, NULL, N, &error));
  for (int i = 0; i < N; i++) {
    assert_same (alone[i], together[i]);
    assert_same (alone[i], backwards[N - 1 - i]);
  }
  g_assert_cmpuint (alone[0]->len, >, 0);
  g_assert_true (defcn_detector_run (d, together, images, NULL, 0, &error));
  for (int i = 0; i < N; i++) {
    g_array_unref (alone[i]);
    g_array_unref (together[i]);
    g_array_unref (backwards[i]);
    noise_clear (&images[i]);
  }
}

/* Bit for bit, an image gives the same in every company that a batch allows, be
 * they of other formats and sizes, by its own rule of decoding each. */
static void
test_company (void)
{
  enum
  {
    N = 6
  };
  static const int batches[] = { 1, 3, 4, 6 };
  float only_car[] = { 2, 0.1f, 2 };
  g_autoptr (DefcnDetector) d = open_detector ();
  const DefcnDecodeRule rule = defcn_detector_rule (d);
  DefcnImage images[N];
  DefcnRegion regions[N];
  DefcnDecodeRule rules[N];
  GArray *alone[N], *together[N];
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < N; i++) {
    images[i] = noise (i % 2 ? 160 : 120, i % 3 ? 120 : 90, 20 + i);
    if (i == 2)
      images[i].format = DEFCN_FORMAT_BGR;
    if (i == 4) { /* its first plane is enough of that */
      images[i].format = DEFCN_FORMAT_GRAY8;
      images[i].strides[0] = images[i].width;
    }
    regions[i] = (DefcnRegion){ i, 2 * i, 100, 80 };
    rules[i] = rule;
    together[i] = boxes_new ();
  }
  rules[1].class_thresholds = only_car;
  rules[3].max_detections = 2;
  rules[4].threshold = 0.5f;
  for (int i = 0; i < N; i++) {
    alone[i] = boxes_new ();
    g_assert_true (defcn_detector_run_by (d, &alone[i], &images[i], &regions[i],
        &rules[i], 1, &error));
    g_assert_cmpuint (alone[i]->len, >, 0);
  }
  g_assert_cmpuint (alone[3]->len, ==, 2);
  for (guint i = 0; i < alone[1]->len; i++)
    g_assert_cmpint (box_at (alone[1], i)->label, ==, 1);
  for (guint b = 0; b < G_N_ELEMENTS (batches); b++) {
    const DefcnDetectorOptions options = { .device = testing_backend (),
      .threads = 1,
      .batch = batches[b] };
    g_autoptr (DefcnDetector) other =
        defcn_detector_new (model_path, &options, &error);

    g_assert_no_error (error);
    for (int first = 0; first < N; first++)
      for (int n = 1; n <= N - first; n++) {
        g_assert_true (defcn_detector_run_by (other, together + first,
            images + first, regions + first, rules + first, n, &error));
        for (int i = first; i < first + n; i++)
          assert_same (together[i], alone[i]);
      }
    g_assert_cmpfloat (defcn_detector_rule (other).threshold, ==,
        rule.threshold);
  }
  for (int i = 0; i < N; i++) {
    g_array_unref (alone[i]);
    g_array_unref (together[i]);
    noise_clear (&images[i]);
  }
}

/* Settings take effect with the next run and cut the list as they should. */
static void
test_settings (void)
{
  float only_car[] = { 2, 0.3f, 2 };
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage image = noise (200, 150, 1);
  g_autoptr (GArray) all = detect (d, &image, NULL);
  const float middle = box_at (all, all->len / 2)->score;

  defcn_detector_set_threshold (d, middle);
  g_autoptr (GArray) half = detect (d, &image, NULL);
  g_assert_cmpuint (half->len, >, 0);
  g_assert_cmpuint (half->len, <, all->len);
  for (guint i = 0; i < half->len; i++)
    g_assert_cmpfloat (box_at (half, i)->score, >, middle);

  defcn_detector_set_class_thresholds (d, only_car);
  only_car[1] = 2; /* it has its own copy */
  g_autoptr (GArray) cars = detect (d, &image, NULL);
  g_assert_cmpuint (cars->len, >, 0);
  for (guint i = 0; i < cars->len; i++)
    g_assert_cmpint (box_at (cars, i)->label, ==, 1);

  defcn_detector_set_class_thresholds (d, NULL);
  defcn_detector_set_threshold (d, 0.3f);
  defcn_detector_set_max_detections (d, 3);
  g_assert_cmpint (defcn_detector_max_detections (d), ==, 3);
  g_autoptr (GArray) three = detect (d, &image, NULL);
  g_assert_cmpmem (three->data, three->len * sizeof (DefcnBox), all->data,
      3 * sizeof (DefcnBox));

  defcn_detector_set_max_detections (d, 5000);
  g_autoptr (GArray) many = detect (d, &image, NULL);
  defcn_detector_set_nms (d, 0.2f);
  g_autoptr (GArray) apart = detect (d, &image, NULL);
  g_assert_cmpuint (apart->len, <, many->len);
  g_assert_cmpmem (apart->data, sizeof (DefcnBox), all->data,
      sizeof (DefcnBox));

  defcn_detector_set_nms (d, 0);
  defcn_detector_set_duplicate_filter (d, 0.2f);
  g_assert_cmpfloat (defcn_detector_duplicate_filter (d), ==, 0.2f);
  g_autoptr (GArray) alone = detect (d, &image, NULL);
  g_assert_cmpuint (alone->len, <, many->len);
  g_assert_cmpmem (alone->data, sizeof (DefcnBox), all->data,
      sizeof (DefcnBox));

  defcn_detector_set_max_detections (d, 50);
  defcn_detector_set_duplicate_filter (d, 0);
  g_autoptr (GArray) again = detect (d, &image, NULL);
  assert_same (again, all);
  noise_clear (&image);
}

/* Candidates per level, NMS and the local duplicate filter are the model's
 * until they are set; the working threshold stays the model's. */
static void
test_rule (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnSpec) spec = defcn_spec_copy (defcn_model_spec (model));
  DefcnImage image = noise (200, 150, 1);

  spec->topk = 1;
  spec->nms_iou = 0.25f;
  spec->duplicate_iou = 0.5f;
  spec->working_threshold = 0.375f;
  g_autoptr (DefcnModel) other = defcn_model_new (spec, be, FALSE, 1, &error);
  g_assert_true (defcn_model_load (other, weights, FALSE, NULL, &error));
  g_autoptr (DefcnDetector) all = defcn_detector_new_from_model (model);
  g_autoptr (DefcnDetector) few = defcn_detector_new_from_model (other);
  g_assert_cmpfloat (defcn_detector_nms (all), ==, 0);
  g_assert_cmpfloat (defcn_detector_nms (few), ==, 0.25f);
  g_assert_cmpfloat (defcn_detector_duplicate_filter (all), ==, 0);
  g_assert_cmpfloat (defcn_detector_duplicate_filter (few), ==, 0.5f);
  g_assert_cmpfloat (defcn_detector_working_threshold (all), ==, 0.3f);
  g_assert_cmpfloat (defcn_detector_working_threshold (few), ==, 0.375f);
  defcn_detector_set_threshold (few, 0.01f);
  g_assert_cmpfloat (defcn_detector_working_threshold (few), ==, 0.375f);
  g_autoptr (GArray) many = detect (all, &image, NULL);
  g_autoptr (GArray) best = detect (few, &image, NULL);
  g_assert_cmpuint (many->len, >, DEFCN_N_LEVELS);
  g_assert_cmpuint (best->len, <=, DEFCN_N_LEVELS);
  g_assert_cmpmem (best->data, sizeof (DefcnBox), many->data,
      sizeof (DefcnBox));
  noise_clear (&image);
}

/* The order of the channels in memory does not matter. */
static void
test_formats (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  DefcnImage rgb = noise (100, 80, 4), bgr = noise (100, 80, 4);
  guint8 *mem = (guint8 *) bgr.planes[0];

  bgr.format = DEFCN_FORMAT_BGR;
  for (int i = 0; i < 100 * 80; i++, mem += 3) {
    const guint8 red = mem[0];

    mem[0] = mem[2];
    mem[2] = red;
  }
  g_autoptr (GArray) a = detect (d, &rgb, NULL);
  g_autoptr (GArray) b = detect (d, &bgr, NULL);
  g_assert_cmpuint (a->len, >, 0);
  assert_same (a, b);
  noise_clear (&rgb);
  noise_clear (&bgr);
}

/* The smallest and the most oblong images run. */
static void
test_extreme_sizes (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 600, 2 }, { 1, 300 } };
  g_autoptr (DefcnDetector) d = open_detector ();

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    DefcnImage image = noise (sizes[i][0], sizes[i][1], 3);
    g_autoptr (GArray) boxes = detect (d, &image, NULL);

    for (guint j = 0; j < boxes->len; j++)
      g_assert_true (box_at (boxes, j)->x2 <= sizes[i][0]
          && box_at (boxes, j)->y2 <= sizes[i][1]);
    noise_clear (&image);
  }
}

/* One bad image fails the call, is named, and leaves no boxes anywhere. */
static void
test_bad_image (void)
{
  g_autoptr (DefcnDetector) d = open_detector ();
  g_autoptr (GError) error = NULL;
  DefcnImage images[2] = { noise (100, 80, 1), noise (100, 80, 1) };
  GArray *boxes[] = { boxes_new (), boxes_new () };

  g_assert_true (defcn_detector_run (d, boxes, images, NULL, 2, &error));
  g_assert_cmpuint (boxes[0]->len, >, 0);
  images[1].strides[0] = 299;
  g_assert_false (defcn_detector_run (d, boxes, images, NULL, 2, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "image 1: "));
  g_assert_nonnull (strstr (error->message, "299"));
  g_clear_error (&error); /* one alone has no number */
  g_assert_false (defcn_detector_run (d, boxes, &images[1], NULL, 1, &error));
  g_assert_true (g_str_has_prefix (error->message, "plane 0 "));
  for (int i = 0; i < 2; i++) {
    g_assert_cmpuint (boxes[i]->len, ==, 0);
    g_array_unref (boxes[i]);
    noise_clear (&images[i]);
  }
}

/* Exact convolution finds the same boxes within rounding, but not to the bit:
 * the option reaches the engine, and is off unless set. */
static void
test_exact (void)
{
  g_autofree char *path = g_build_filename (folder, "large", NULL);
  DefcnImage image = noise (512, 384, 3);
  GArray *boxes[3];
  static const gboolean exact[] = { FALSE, TRUE, FALSE };
  gboolean reference = FALSE;

  testing_tiny_model_write_as (path, 256, 0);
  for (int i = 0; i < 3; i++) {
    const DefcnDetectorOptions options = { .device = "cpu",
      .threads = 1,
      .exact = exact[i] };
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDetector) d = defcn_detector_new (path, &options, &error);

    g_assert_no_error (error);
    boxes[i] = detect (d, &image, NULL);
    reference = g_str_equal (defcn_detector_device (d), "reference");
  }
  assert_same (boxes[0], boxes[2]);
  g_assert_cmpuint (boxes[0]->len, >, 5);
  g_assert_cmpuint (boxes[0]->len, ==, boxes[1]->len);
  for (guint i = 0; i < boxes[0]->len; i++) {
    const DefcnBox *a = box_at (boxes[0], i), *b = box_at (boxes[1], i);

    g_assert_cmpint (a->label, ==, b->label);
    g_assert_cmpfloat_with_epsilon (a->score, b->score, 1e-4);
    g_assert_cmpfloat_with_epsilon (a->x1, b->x1, 1e-4 * image.width);
    g_assert_cmpfloat_with_epsilon (a->y1, b->y1, 1e-4 * image.width);
    g_assert_cmpfloat_with_epsilon (a->x2, b->x2, 1e-4 * image.width);
    g_assert_cmpfloat_with_epsilon (a->y2, b->y2, 1e-4 * image.width);
  }
  if (!reference)
    g_assert_true (memcmp (boxes[0]->data, boxes[1]->data,
        boxes[0]->len * sizeof (DefcnBox)));
  for (int i = 0; i < 3; i++)
    g_array_unref (boxes[i]);
  noise_clear (&image);
  g_remove (path);
}

/* With autotune a tuning file that is none is told, and no reason to fail; a
 * backend that measures nothing finds the same and writes nothing. */
static void
test_autotune (void)
{
  static const char *const texts[] = { NULL, "nonsense",
    "{\"defcn.tune\": 1}" };
  g_autofree char *path = g_strconcat (model_path, ".tune.json", NULL);
  DefcnImage image = noise (200, 100, 3);
  g_autoptr (DefcnDetector) plain = open_detector ();
  g_autoptr (GArray) wanted = detect (plain, &image, NULL);

  g_assert_null (defcn_detector_tuning_problem (plain));
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    const DefcnDetectorOptions options = { .device = testing_backend (),
      .threads = 1,
      .autotune = TRUE };
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;

    if (texts[i])
      g_assert_true (g_file_set_contents (path, texts[i], -1, NULL));
    g_autoptr (DefcnDetector) d =
        defcn_detector_new (model_path, &options, &error);
    g_assert_no_error (error);
    g_autoptr (GArray) found = detect (d, &image, NULL);
    const char *problem = defcn_detector_tuning_problem (d);
    assert_same (wanted, found);
    g_assert_cmpint (problem != NULL, ==, i == 1);
    g_assert_true (!problem || strstr (problem, path));
    g_autoptr (DefcnDetector) untuned = open_detector ();
    g_assert_null (defcn_detector_tuning_problem (untuned));
    g_file_get_contents (path, &text, NULL, NULL);
    g_assert_cmpstr (text, ==, texts[i]);
  }
  g_remove (path);
  noise_clear (&image);
}

/* A file, device or precision that will not do is refused with a reason. */
static void
test_open_errors (void)
{
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  g_autofree char *garbage = g_build_filename (folder, "garbage", NULL);
  g_autofree char *foreign = g_build_filename (folder, "foreign", NULL);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  const struct
  {
    const char *path, *device, *precision, *word;
  } cases[] = {
    { missing, "reference", NULL, missing },
    { garbage, "reference", NULL, garbage },
    { foreign, "reference", NULL, "defcn.spec" },
    { model_path, "tpu", NULL, "tpu" },
    { model_path, "reference", "fp16", "fp16" },
    { model_path, "reference", "bf16", "bf16" },
    { model_path, "reference", "fp8", "fp8" },
  };

  g_assert_true (g_file_set_contents (garbage, "not a model", -1, NULL));
  defcn_weights_writer_add (writer, "x", DEFCN_DTYPE_F32, 1, (gint64[]){ 1 },
      (float[]){ 1 });
  g_assert_true (defcn_weights_writer_save (writer, foreign, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnDetectorOptions options = { .device = cases[i].device,
      .precision = cases[i].precision };
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_detector_new (cases[i].path, &options, &error));
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, cases[i].word));
  }
  g_remove (garbage);
  g_remove (foreign);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-detector-XXXXXX", NULL);
  model_path = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write (model_path);

  g_test_add_func ("/detector/properties", test_properties);
  g_test_add_func ("/detector/run", test_run);
  g_test_add_func ("/detector/bytes", test_bytes);
  g_test_add_func ("/detector/autotune", test_autotune);
  g_test_add_func ("/detector/max-edge", test_max_edge);
  g_test_add_func ("/detector/region", test_region);
  g_test_add_func ("/detector/region/outside", test_region_outside);
  g_test_add_func ("/detector/orientation", test_orientation);
  g_test_add_func ("/detector/pixel-aspect", test_pixel_aspect);
  g_test_add_func ("/detector/batch-independence", test_batch_independence);
  g_test_add_func ("/detector/company", test_company);
  g_test_add_func ("/detector/settings", test_settings);
  g_test_add_func ("/detector/rule", test_rule);
  g_test_add_func ("/detector/formats", test_formats);
  g_test_add_func ("/detector/extreme-sizes", test_extreme_sizes);
  g_test_add_func ("/detector/bad-image", test_bad_image);
  g_test_add_func ("/detector/exact", test_exact);
  g_test_add_func ("/detector/open-errors", test_open_errors);

  const int status = g_test_run ();
  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  g_free (folder);
  return status;
}
