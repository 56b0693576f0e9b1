/* Picture file -> detector -> boxes, against the reference's own. */
#include "detector.h"
#include "data/picture.h"
#include "golden.h"
#include "synth.h"
#include "testing.h"

#include <glib/gstdio.h>
#include <math.h>

#define SCORE_TOLERANCE 1e-4

/* A model file of the case @name, with the sizes of @entry.  NULL after a
 * skip. */
static DefcnDetector *
open_detector (const char *name, const cJSON *entry)
{
  g_autofree char *below = g_strdup_printf ("models/%s/config.json", name);
  g_autofree char *config = testing_golden (below);
  g_autofree char *skip = NULL, *path = NULL;
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;
  const DefcnDetectorOptions options = { .device = testing_backend () };

  if (!config) {
    g_test_skip_printf ("no golden data: %s", below);
    return NULL;
  }

  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnSpec) spec = testing_synth_spec (config, &skip);
  if (!spec) {
    g_test_skip (skip);
    return NULL;
  }
  spec->input.short_edge = testing_golden_number (entry, "short_edge", 800);
  spec->input.long_edge = testing_golden_number (entry, "max_size", 1333);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, &error);
  g_assert_no_error (error);
  testing_synth_fill (model, config);
  defcn_model_save (model, writer, DEFCN_DTYPE_F32);

  const int fd = g_file_open_tmp ("defcn-XXXXXX", &path, &error);
  g_assert_no_error (error);
  g_close (fd, NULL);
  defcn_weights_writer_save (writer, path, &error);
  g_assert_no_error (error);
  DefcnDetector *detector = defcn_detector_new (path, &options, &error);
  if (!detector)
    testing_no_backend (error);
  g_remove (path);
  return detector;
}

static DefcnBox
expected_box (const cJSON *entry, int i)
{
  const cJSON *xyxy =
      cJSON_GetArrayItem (cJSON_GetObjectItem (entry, "boxes_xyxy"), i);
  float v[4];

  for (int k = 0; k < 4; k++)
    v[k] = cJSON_GetArrayItem (xyxy, k)->valuedouble;
  return (DefcnBox){ v[0], v[1], v[2], v[3],
    cJSON_GetArrayItem (cJSON_GetObjectItem (entry, "scores"), i)->valuedouble,
    cJSON_GetArrayItem (cJSON_GetObjectItem (entry, "classes"), i)->valueint };
}

static gboolean
is_close (const DefcnBox *a, const DefcnBox *b, float scale)
{
  const float *p = &a->x1, *q = &b->x1;

  if (a->label != b->label || fabsf (a->score - b->score) > SCORE_TOLERANCE)
    return FALSE;
  for (int k = 0; k < 4; k++) {
    if (fabsf (p[k] - q[k]) > MAX (0.05f * scale, 1e-4f * fabsf (q[k])))
      return FALSE;
  }
  return TRUE;
}

/* Every box of @a has one of its own in @b, but for those so close to the
 * threshold, or to the last where there are @most, that rounding decides. */
static void
assert_covered (const DefcnBox *a, int n_a, const DefcnBox *b, int n_b,
    float scale, float threshold, int most)
{
  g_autofree gboolean *taken = g_new0 (gboolean, n_b + 1);
  /* a box that lies outside the picture is dropped after the last is chosen */
  const float last = n_b > 0 && MAX (n_a, n_b) >= most ? b[n_b - 1].score : -1;

  for (int i = 0; i < n_a; i++) {
    int j = 0;

    while (j < n_b && (taken[j] || !is_close (&a[i], &b[j], scale)))
      j++;
    if (j < n_b)
      taken[j] = TRUE;
    else if (fabsf (a[i].score - threshold) > SCORE_TOLERANCE
        && fabsf (a[i].score - last) > SCORE_TOLERANCE)
      g_error ("box %d, class %d, score %f, %f %f %f %f has no partner", i,
          a[i].label, a[i].score, a[i].x1, a[i].y1, a[i].x2, a[i].y2);
  }
}

static void
check_boxes (const GArray *boxes, const cJSON *entry,
    const DefcnDetector *detector, float scale)
{
  const DefcnBox *found = (const DefcnBox *) boxes->data;
  const float threshold = defcn_detector_threshold (detector);
  const int most = defcn_detector_max_detections (detector);
  const int n = cJSON_GetArraySize (cJSON_GetObjectItem (entry, "boxes_xyxy"));
  g_autofree DefcnBox *expected = g_new (DefcnBox, n + 1);

  for (int i = 0; i < n; i++)
    expected[i] = expected_box (entry, i);
  g_test_message ("%u boxes, wanted %d", boxes->len, n);
  assert_covered (found, boxes->len, expected, n, scale, threshold, most);
  assert_covered (expected, n, found, boxes->len, scale, threshold, most);
  for (guint i = 1; i < boxes->len; i++)
    g_assert_cmpfloat (found[i - 1].score, >=, found[i].score);
}

static void
check_entry (const char *name, const cJSON *entry)
{
  const char *image = cJSON_GetObjectItem (entry, "image")->valuestring;
  g_autofree char *below = g_strdup_printf ("e2e/images/%s.png", image);
  g_autofree char *path = testing_golden (below);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  if (!path) {
    g_test_skip_printf ("no golden data: %s", below);
    return;
  }
  g_autoptr (DefcnDetector) detector = open_detector (name, entry);
  if (!detector)
    return;
  g_autoptr (DefcnPicture) picture = defcn_picture_load (path, &error);
  g_assert_no_error (error);

  const DefcnImage view = defcn_picture_image (picture);
  const float scale = (float) MIN (view.width, view.height)
      / testing_golden_number (entry, "short_edge", 800);
  g_assert_true (defcn_detector_run (detector, &boxes, &view, NULL, 1, &error));
  check_boxes (boxes, entry, detector, MAX (scale, 1));
}

/* One size of one picture on one model.  The large ones take seconds: plain C
 * has them in the slow mode alone. */
typedef struct
{
  const char *model;
  const cJSON *entry;
} Case;

static void
test_case (gconstpointer data)
{
  const Case *c = data;

  if (!g_test_slow () && g_str_equal (testing_backend (), "reference")
      && testing_golden_number (c->entry, "short_edge", 800) >= 800)
    g_test_skip ("large: in the slow mode");
  else
    check_entry (c->model, c->entry);
}

static void
test_absent (void)
{
  g_test_skip ("no golden data: e2e/detections.json");
}

/* Every entry of every model that the file names. */
int
main (int argc, char **argv)
{
  g_autofree char *path = testing_golden ("e2e/detections.json");
  cJSON *json = path ? testing_golden_json ("e2e/detections.json") : NULL;
  const cJSON *model, *entry;

  g_test_init (&argc, &argv, NULL);
  if (!json)
    g_test_add_func ("/golden/detections", test_absent);
  cJSON_ArrayForEach (model, json)
  {
    int i = 0;

    cJSON_ArrayForEach (entry, model)
    {
      g_autofree char *name =
          g_strdup_printf ("/golden/detections/%s/%d-%s", model->string, i++,
              cJSON_GetStringValue (cJSON_GetObjectItem (entry, "image")));
      const Case c = { model->string, entry };

      g_test_add_data_func_full (name, g_memdup2 (&c, sizeof c), test_case,
          g_free);
    }
  }
  const int status = g_test_run ();
  cJSON_Delete (json);
  return status;
}
