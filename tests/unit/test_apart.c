/* Images of a batch apart: what they give, where they run, what they take and
 * what becomes of those that cannot. */
#include "detector.h"

#include <glib/gstdio.h>
#include <string.h>

#include "folder.h"
#include "model.h"
#include "tiny_model.h"

enum
{
  MOST = 9,
  THREADS = 4
};

static char *folder;
static char *model_path;

static DefcnImage images[MOST];

/* Noise in blocks, of five sizes and shapes. */
static void
make_images (void)
{
  static const int sizes[][2] = { { 200, 150 }, { 90, 160 }, { 128, 128 },
    { 200, 150 }, { 31, 77 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (int i = 0; i < MOST; i++) {
    const int w = sizes[i % 5][0], h = sizes[i % 5][1];
    guint8 *rgb = g_malloc ((gsize) w * h * 3);
    guint8 values[20][26][3];

    for (gsize k = 0; k < sizeof values; k++)
      (&values[0][0][0])[k] = g_rand_int_range (rand, 0, 256);
    for (int k = 0; k < w * h * 3; k++)
      rgb[k] = values[k / 3 / w / 8][k / 3 % w / 8][k % 3];
    images[i] = (DefcnImage){ DEFCN_FORMAT_RGB, w, h, { rgb }, { 3 * w } };
  }
}

static void
boxes_init (GArray **boxes)
{
  for (int i = 0; i < MOST; i++)
    boxes[i] = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
}

static void
boxes_clear (GArray **boxes)
{
  for (int i = 0; i < MOST; i++)
    g_array_unref (boxes[i]);
}

static void
assert_same (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (a->data, a->len * sizeof (DefcnBox), b->data,
      b->len * sizeof (DefcnBox));
}

/* Networks that have every kind of op between them. */
static const struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth, dcn_from, fpn, anchors;
} networks[] = {
  { "plain", DEFCN_BACKBONE_RESNET, 18, 0, 48, 0 },
  { "deformable", DEFCN_BACKBONE_RESNET, 50, 4, 32, 0 },
  { "mobile", DEFCN_BACKBONE_MOBILENETV2, 18, 0, 16, 0 },
  { "anchors", DEFCN_BACKBONE_RESNET, 18, 0, 16, 9 },
};

static void
set_all (DefcnModel *model, const char *name, float value, float factor)
{
  const DefcnParam *p = defcn_params_lookup (defcn_model_params (model), name);

  for (gsize i = 0; p && i < defcn_param_len (p); i++)
    p->value[i] = p->value[i] * factor + value;
}

/* Everybody's offsets are noise, and scores are anything. */
static void
stir (DefcnModel *model)
{
  DefcnParams *params = defcn_model_params (model);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (strstr (p->name, "offset") && p->kind == DEFCN_PARAM_WEIGHT)
      for (gsize k = 0; k < defcn_param_len (p); k++)
        p->value[k] = (float) (k * 7919 % 101) / 2000 - 0.025f;
  }
  set_all (model, "head.cls_score.bias", 0, 0);
  set_all (model, "head.cls_score.weight", 0, 30);
  set_all (model, "head.filter.weight", 0, 30);
  set_all (model, "head.bbox_pred.bias", 2, 0);
  set_all (model, "head.bbox_pred.weight", 0, 10);
  defcn_params_upload (params);
}

static DefcnModel *
model_new (guint network, DefcnBackend *be)
{
  static const char *const labels[] = { "person", "car", "dog", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GError) error = NULL;

  spec->backbone = networks[network].backbone;
  spec->depth = networks[network].depth;
  spec->dcn_from = networks[network].dcn_from;
  spec->dcn_modulated = spec->dcn_head = spec->dcn_from > 0;
  spec->stem_channels = 8;
  spec->res2_channels = spec->depth == 50 ? 32 : 8;
  spec->group_width = 8;
  spec->fpn_channels = networks[network].fpn;
  spec->norm_groups = 4;
  spec->tower_depth = 2;
  spec->anchors = networks[network].anchors;
  spec->filter = spec->anchors == 0;
  spec->input.short_edge = 64;
  spec->input.long_edge = 128;
  spec->threshold = 0.2f;
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 5, &error);
  g_assert_no_error (error);
  stir (model);
  return model;
}

/* Bit for bit, an image gives the same alone on one thread and in any company
 * on any number of threads. */
static void
assert_same_everywhere (const char *backend, const char *precision,
    guint network)
{
  GArray *alone[MOST], *together[MOST];
  g_autoptr (GArray) again = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  /* of one network every number of images, where that is quick */
  const gboolean every = network == 0 && !g_str_equal (backend, "reference");

  boxes_init (alone);
  boxes_init (together);
  for (int threads = 1; threads <= THREADS; threads++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be =
        defcn_backend_new_in (backend, precision, threads, &error);
    g_assert_no_error (error);
    g_autoptr (DefcnModel) model = model_new (network, be);
    g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);

    for (int i = 0; i < MOST && threads == 1; i++) {
      g_assert_true (
          defcn_detector_run (d, &alone[i], &images[i], NULL, 1, &error));
      g_assert_cmpuint (alone[i]->len, >, 0);
    }
    for (int n = MOST; n > 0; n -= n > 4 && !every ? 3 : 1) {
      g_assert_true (defcn_detector_run (d, together, images, NULL, n, &error));
      for (int i = 0; i < n; i++)
        assert_same (together[i], alone[i]);
      defcn_detector_decode (d, again);
      assert_same (again, alone[n - 1]);
    }
  }
  boxes_clear (alone);
  boxes_clear (together);
}

/* @data: the backend. */
static void
test_same (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new (data, 1, &error);

  if (!be) {
    g_test_skip (error->message);
    return;
  }
  const guint n = g_str_equal (data, "reference") ? 1 : G_N_ELEMENTS (networks);
  for (guint k = 0; k < n; k++) {
    g_test_message ("%s", networks[k].name);
    assert_same_everywhere (data, "fp32", k);
  }
  for (guint k = 1; be->has_bf16 && k < 2; k++)
    assert_same_everywhere (data, "bf16", k);
}

/* The same of a bundled model and pictures of a common size, where oneDNN has
 * more ways to share a step among threads, and the reference takes too long. */
static void
test_same_bundled (void)
{
  const char *top = g_getenv ("DEFCN_TEST_SOURCES");
  g_autofree char *path = g_build_filename (top ? top : ".", "pipelines",
      "models", "person-small.safetensors", NULL);
  g_autofree guint8 *rgb = g_malloc (768 * 576 * 3);
  GArray *alone[MOST], *together[MOST];
  DefcnImage some[4];
  g_autoptr (GError) missing = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("onednn", 1, &missing);

  if (!be) {
    g_test_skip (missing->message);
    return;
  }
  for (int i = 0; i < 768 * 576 * 3; i++)
    rgb[i] = (i / 3 / 768 / 9 * 31 + i / 3 % 768 / 7 * 17 + i % 3 * 5) % 256;
  for (int i = 0; i < 4; i++)
    some[i] = (DefcnImage){ DEFCN_FORMAT_RGB, 768 - 16 * (i / 2), 576, { rgb },
      { 768 * 3 } };
  boxes_init (alone);
  boxes_init (together);
  for (int threads = 1; threads <= THREADS; threads++) {
    const DefcnDetectorOptions options = { .device = "onednn",
      .threads = threads,
      .batch = 4 };
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDetector) d = defcn_detector_new (path, &options, &error);

    g_assert_no_error (error);
    defcn_detector_set_threshold (d, 0.001f);
    for (int i = 0; i < 4 && threads == 1; i++) {
      g_assert_true (
          defcn_detector_run (d, &alone[i], &some[i], NULL, 1, &error));
      g_assert_cmpuint (alone[i]->len, >, 0);
    }
    for (int n = 4; n > 0; n -= 3) {
      g_assert_true (defcn_detector_run (d, together, some, NULL, n, &error));
      for (int i = 0; i < n; i++)
        assert_same (together[i], alone[i]);
    }
  }
  boxes_clear (alone);
  boxes_clear (together);
}

/* What the rigged backend does and has seen; there is one max-pool in a
 * network. */
static struct
{
  GMutex lock;
  GCond changed;
  int alone, apart; /* passes of the backend, of those that share with it */
  int threads;      /* that one of the latter had */
  int inside, meet; /* passes under way, and how many wait for each other */
  gboolean met;
  int blocks, most; /* of memory, and how many there may be */
  gsize bytes;
  void *(*alloc) (DefcnBackend *be, gsize bytes);
  void (*pool) (DefcnBackend *be, const DefcnNode *node);
  gboolean fails_apart, fails_alone; /* on images that are marked */
} rig;

static GPrivate marked; /* this thread has one */

static void
rigged_pool (DefcnBackend *be, const DefcnNode *node)
{
  const gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  g_mutex_lock (&rig.lock);
  if (be->parent) {
    rig.apart++;
    rig.threads = be->threads;
    rig.met |= ++rig.inside == rig.meet;
    g_cond_broadcast (&rig.changed);
    while (rig.meet && !rig.met
        && g_cond_wait_until (&rig.changed, &rig.lock, end))
      ;
    rig.inside--;
  } else {
    rig.alone++;
  }
  g_mutex_unlock (&rig.lock);
  rig.pool (be, node);
}

static void *
rigged_alloc (DefcnBackend *be, gsize bytes)
{
  void *mem = NULL;

  g_mutex_lock (&rig.lock);
  if (rig.blocks < rig.most) {
    mem = rig.alloc (be, bytes);
    rig.blocks++;
  }
  g_mutex_unlock (&rig.lock);
  return mem;
}

/* An image is marked where its first pixel is white. */
static void
rigged_upload (DefcnBackend *be, const DefcnTensor *t, void *mem,
    const float *src)
{
  memcpy (mem, src, defcn_tensor_len (t) * sizeof (float));
  if (t->role == DEFCN_TENSOR_INPUT)
    g_private_set (&marked,
        GINT_TO_POINTER (src[0] > 151 && src[1] > 138 && src[2] > 131));
}

static gboolean
rigged_sync (DefcnBackend *be, GError **error)
{
  if (!g_private_get (&marked)
      || !(be->parent ? rig.fails_apart : rig.fails_alone))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "it is marked");
  return FALSE;
}

static DefcnBackend *
rigged_new (int threads)
{
  DefcnBackend *be = defcn_backend_new ("reference", threads, NULL);

  rig.alone = rig.apart = rig.threads = rig.inside = rig.meet = rig.blocks = 0;
  rig.met = rig.fails_apart = rig.fails_alone = FALSE;
  rig.most = G_MAXINT;
  rig.alloc = be->alloc;
  rig.pool = be->ops[DEFCN_OP_MAX_POOL].forward;
  be->alloc = rigged_alloc;
  be->upload = rigged_upload;
  be->sync = rigged_sync;
  be->ops[DEFCN_OP_MAX_POOL].forward = rigged_pool;
  return be;
}

/* As many images as there are lanes go together, a rest that would leave too
 * many threads idle one by one on all of them; lanes share the threads, as many
 * as the first run has images. */
static void
test_lanes (void)
{
  static const struct
  {
    int threads, n, apart, of_lane;
  } cases[] = { { 1, 9, 0, 0 }, { 2, 1, 0, 0 }, { 2, 2, 2, 1 }, { 2, 3, 2, 1 },
    { 2, 8, 8, 1 }, { 2, 9, 8, 1 }, { 3, 2, 0, 0 }, { 3, 3, 3, 1 },
    { 3, 5, 3, 1 }, { 4, 2, 2, 2 }, { 4, 3, 3, 1 }, { 4, 6, 4, 1 },
    { 4, 7, 7, 1 }, { 4, 8, 8, 1 }, { 8, 2, 2, 4 }, { 8, 4, 4, 2 },
    { 8, 5, 5, 1 }, { 8, 9, 8, 1 } };
  GArray *boxes[MOST];

  boxes_init (boxes);
  for (guint k = 0; k < G_N_ELEMENTS (cases); k++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be = rigged_new (cases[k].threads);
    g_autoptr (DefcnModel) model = model_new (0, be);
    g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);

    rig.meet = MIN (cases[k].apart, cases[k].threads);
    g_assert_true (
        defcn_detector_run (d, boxes, images, NULL, cases[k].n, &error));
    g_assert_cmpint (rig.apart, ==, cases[k].apart);
    g_assert_cmpint (rig.alone, ==, cases[k].n - cases[k].apart);
    g_assert_cmpint (rig.threads, ==, cases[k].of_lane);
    g_assert_true (rig.met || !rig.meet); /* at the same time */
  }
  boxes_clear (boxes);
}

/* The activations of a batch are those of as many images as there are threads,
 * whatever ran before and after on all of them. */
static void
test_memory (void)
{
  GArray *boxes[MOST];
  DefcnImage same[MOST];

  boxes_init (boxes);
  for (int i = 0; i < MOST; i++)
    same[i] = images[0];
  for (int threads = 1; threads <= THREADS; threads++) {
    DefcnDetectorOptions options = { .device = "cpu", .threads = threads };
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDetector) alone =
        defcn_detector_new (model_path, &options, &error);
    g_assert_no_error (error);
    const gsize weights = defcn_detector_bytes (alone);
    g_assert_true (defcn_detector_run (alone, boxes, same, NULL, 1, &error));
    const gsize one = defcn_detector_bytes (alone) - weights;
    g_assert_cmpuint (one, >, 0);

    for (int first = 0; first < 2; first++) {
      options.batch = 8;
      g_autoptr (DefcnDetector) d =
          defcn_detector_new (model_path, &options, &error);
      g_assert_no_error (error);
      if (first) /* a frame alone, before any batch */
        g_assert_true (defcn_detector_run (d, boxes, same, NULL, 1, &error));
      for (int n = 8; n <= MOST; n++)
        g_assert_true (defcn_detector_run (d, boxes, same, NULL, n, &error));
      g_assert_true (defcn_detector_run (d, boxes, same, NULL, 1, &error));
      g_assert_cmpuint (defcn_detector_bytes (d), ==, weights + threads * one);
    }
  }
  boxes_clear (boxes);
}

/* Who shares memory for activations gives it back, and as long as one of the
 * two has it it counts. */
static void
test_memory_shared (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = rigged_new (2);
  g_autoptr (DefcnModel) model = model_new (0, be);
  DefcnBackend *lane = be->share (be, 1, &error);
  DefcnModel *other = defcn_model_share (model, lane);
  const gsize weights = defcn_model_bytes (model);

  g_assert_cmpuint (defcn_model_bytes (other), ==, 0);
  defcn_model_alternate (model, other);
  const int blocks = rig.blocks;
  const DefcnPlan *theirs = defcn_model_plan (other, 1, 64, 96, &error);
  const gsize one = defcn_model_bytes (other);
  g_assert_cmpuint (one, >, 0);
  const DefcnPlan *ours = defcn_model_plan (model, 1, 64, 96, &error);
  g_assert_true (ours->input->data == theirs->input->data);
  g_assert_cmpint (rig.blocks, ==, blocks + 1);
  g_assert_cmpuint (defcn_model_bytes (model), ==, weights);
  defcn_model_plan (model, 1, 96, 96, &error); /* another size is its own */
  g_assert_cmpint (rig.blocks, ==, blocks + 2);
  defcn_model_free (other);
  defcn_backend_free (lane);
  g_assert_cmpuint (defcn_model_bytes (model), >=, weights + 2 * one);
  defcn_net_forward (ours->net);
  g_assert_nonnull (defcn_model_plan (model, 1, 32, 96, &error));
}

/* A backend that shares is as the other is set, with threads of its own.
 * @data: the backend. */
static void
test_share (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new (data, 3, &error);

  if (!be) {
    g_test_skip (error->message);
    return;
  }
  be->exact = TRUE;
  be->passed_over = g_strdup ("something");
  be->plan_bytes = 12345;
  g_autoptr (DefcnBackend) other = be->share (be, 2, &error);
  g_assert_no_error (error);
  g_assert_cmpint (other->threads, ==, 2);
  g_assert_true (other->exact && other->parent == be && !other->share);
  g_assert_true (!other->passed_over && !other->tune);
  g_assert_cmpuint (other->plan_bytes, ==, be->plan_bytes);
  g_assert_cmpstr (other->precision, ==, be->precision);
  g_assert_cmpint (be->threads, ==, 3);
}

static DefcnImage
marked_image (void)
{
  static guint8 white[60 * 60 * 3];

  memset (white, 255, sizeof white);
  return (DefcnImage){ DEFCN_FORMAT_RGB, 60, 60, { white }, { 180 } };
}

/* What lanes find no memory for, or fail at, is done on all threads. */
static void
test_lanes_fail (void)
{
  GArray *boxes[MOST], *wanted[MOST];
  DefcnImage some[MOST];

  memcpy (some, images, sizeof some);
  some[4] = marked_image ();
  boxes_init (boxes);
  boxes_init (wanted);
  for (int fails = 0; fails < 2; fails++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be = rigged_new (2);
    g_autoptr (DefcnModel) model = model_new (0, be);
    g_autoptr (DefcnDetector) alone = defcn_detector_new_from_model (model);
    g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);

    for (int i = 0; i < MOST; i++)
      g_assert_true (
          defcn_detector_run (alone, &wanted[i], &some[i], NULL, 1, &error));
    rig.alone = 0;
    rig.fails_apart = fails;
    if (!fails)
      rig.most = rig.blocks;
    g_assert_true (defcn_detector_run (d, boxes, some, NULL, 8, &error));
    for (int i = 0; i < 8; i++)
      assert_same (boxes[i], wanted[i]);
    g_assert_cmpint (rig.alone, >=, 1);
  }
  boxes_clear (boxes);
  boxes_clear (wanted);
}

/* An image that cannot be done anywhere fails the run, with one error that
 * names it, and leaves no boxes; the next run is as if nothing had been. */
static void
test_error (void)
{
  GArray *boxes[MOST];
  DefcnImage some[MOST];
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = rigged_new (2);
  g_autoptr (DefcnModel) model = model_new (0, be);
  g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);

  memcpy (some, images, sizeof some);
  some[4] = marked_image ();
  boxes_init (boxes);
  rig.fails_apart = rig.fails_alone = TRUE;
  g_assert_false (defcn_detector_run (d, boxes, some, NULL, 8, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_cmpstr (error->message, ==, "image 4: it is marked");
  for (int i = 0; i < 8; i++)
    g_assert_cmpuint (boxes[i]->len, ==, 0);
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*place*w > 0*");
  defcn_detector_decode (d, boxes[0]);
  g_test_assert_expected_messages ();
  g_clear_error (&error);
  g_assert_false (defcn_detector_run (d, boxes, &some[4], NULL, 1, &error));
  g_assert_cmpstr (error->message, ==, "it is marked"); /* the only one */
  g_clear_error (&error);
  g_assert_true (defcn_detector_run (d, boxes, images, NULL, 8, &error));
  for (int i = 0; i < 8; i++)
    g_assert_cmpuint (boxes[i]->len, >, 0);
  boxes_clear (boxes);
}

static const float only_cars[] = { 2, 0.1f, 2 };

typedef struct
{
  DefcnDetector *detector;
  GArray *cars[MOST];
  int told[MOST], inside;
} Told;

/* By other settings, which are set back. */
static void
count_cars (int i, gpointer data)
{
  Told *t = data;

  g_assert_cmpint (++t->inside, ==, 1);
  t->told[i]++;
  defcn_detector_set_class_thresholds (t->detector, only_cars);
  defcn_detector_decode (t->detector, t->cars[i]);
  defcn_detector_set_class_thresholds (t->detector,
      (const float[]){ 0.3f, 0.3f, 0.3f });
  g_assert_cmpint (--t->inside, ==, 0);
}

/* Every image is told once, one at a time, while it can be decoded by other
 * settings, which the other lanes know nothing of. */
static void
test_each (void)
{
  GArray *boxes[MOST];
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = rigged_new (4);
  g_autoptr (DefcnModel) model = model_new (0, be);
  g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
  g_autoptr (DefcnDetector) alone = defcn_detector_new_from_model (model);
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  Told told = { .detector = d };

  boxes_init (boxes);
  boxes_init (told.cars);
  for (int round = 0; round < 5; round++) {
    defcn_detector_set_class_thresholds (d,
        (const float[]){ 0.3f, 0.3f, 0.3f });
    g_assert_true (defcn_detector_run_each (d, boxes, images, NULL, MOST,
        count_cars, &told, &error));
  }
  for (int i = 0; i < MOST; i++) {
    g_assert_cmpint (told.told[i], ==, 5);
    defcn_detector_set_threshold (alone, 0.3f);
    g_assert_true (
        defcn_detector_run (alone, &wanted, &images[i], NULL, 1, &error));
    assert_same (boxes[i], wanted);
    defcn_detector_set_class_thresholds (alone, only_cars);
    defcn_detector_decode (alone, wanted);
    defcn_detector_set_class_thresholds (alone, NULL);
    assert_same (told.cars[i], wanted);
  }
  boxes_clear (boxes);
  boxes_clear (told.cars);
}

/* New weights count in the lanes too.  @data: the backend. */
static void
test_weights (gconstpointer data)
{
  GArray *boxes[MOST], *before[MOST];
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new (data, 2, &error);

  if (!be) {
    g_test_skip (error->message);
    return;
  }
  g_autoptr (DefcnModel) model = model_new (1, be);
  g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
  boxes_init (boxes);
  boxes_init (before);
  g_assert_true (defcn_detector_run (d, before, images, NULL, 8, &error));
  for (guint i = 0; i < defcn_params_count (defcn_model_params (model)); i++) {
    DefcnParam *p = defcn_params_get (defcn_model_params (model), i);

    for (gsize k = 0; p->kind == DEFCN_PARAM_WEIGHT && k < defcn_param_len (p);
         k++)
      p->value[k] *= 1.1f;
  }
  defcn_params_upload (defcn_model_params (model));
  g_assert_true (defcn_detector_run (d, boxes, images, NULL, 8, &error));
  for (int i = 0; i < 8; i++) {
    g_autoptr (DefcnDetector) alone = defcn_detector_new_from_model (model);

    g_assert_true (
        defcn_detector_run (alone, &wanted, &images[i], NULL, 1, &error));
    assert_same (boxes[i], wanted);
    g_assert_true (boxes[i]->len != before[i]->len
        || memcmp (boxes[i]->data, before[i]->data,
               boxes[i]->len * sizeof (DefcnBox))
            != 0);
  }
  boxes_clear (boxes);
  boxes_clear (before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model_path = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (model_path);
  make_images ();
  g_test_add_data_func ("/apart/same/reference", "reference", test_same);
  g_test_add_data_func ("/apart/same/onednn", "onednn", test_same);
  g_test_add_func ("/apart/same/bundled", test_same_bundled);
  g_test_add_func ("/apart/lanes", test_lanes);
  g_test_add_func ("/apart/lanes/fail", test_lanes_fail);
  g_test_add_func ("/apart/memory", test_memory);
  g_test_add_func ("/apart/memory/shared", test_memory_shared);
  g_test_add_data_func ("/apart/share/reference", "reference", test_share);
  g_test_add_data_func ("/apart/share/onednn", "onednn", test_share);
  g_test_add_func ("/apart/error", test_error);
  g_test_add_func ("/apart/each", test_each);
  g_test_add_data_func ("/apart/weights/reference", "reference", test_weights);
  g_test_add_data_func ("/apart/weights/onednn", "onednn", test_weights);

  const int status = g_test_run ();
  for (int i = 0; i < MOST; i++)
    g_free ((guint8 *) images[i].planes[0]);
  g_free (model_path);
  folder_remove (folder);
  return status;
}
