/* Picture file -> detector -> boxes, against the reference's own. */
#include "detector.h"
#include "data/picture.h"
#include "synth.h"
#include "testing.h"

#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

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
    g_test_skip_printf ("no golden %s", below);
    return NULL;
  }

  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnSpec) spec = testing_synth_spec (config, &skip);
  g_assert_nonnull (spec);
  spec->input.short_edge = cJSON_GetObjectItem (entry, "short_edge")->valueint;
  spec->input.long_edge = cJSON_GetObjectItem (entry, "max_size")->valueint;
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
  g_assert_no_error (error);
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
 * threshold or to the last that was kept that rounding decides. */
static void
assert_covered (const DefcnBox *a, int n_a, const DefcnBox *b, int n_b,
    float scale, float threshold)
{
  g_autofree gboolean *taken = g_new0 (gboolean, n_b + 1);
  const float last = n_b > 0 ? b[n_b - 1].score : 0;

  for (int i = 0; i < n_a; i++) {
    int j = 0;

    while (j < n_b && (taken[j] || !is_close (&a[i], &b[j], scale)))
      j++;
    if (j < n_b)
      taken[j] = TRUE;
    else if (a[i].score > threshold + SCORE_TOLERANCE
        && fabsf (a[i].score - last) > SCORE_TOLERANCE)
      g_error ("box %d, class %d, score %f, %f %f %f %f has no partner", i,
          a[i].label, a[i].score, a[i].x1, a[i].y1, a[i].x2, a[i].y2);
  }
}

static void
check_entry (const char *name, const cJSON *entry)
{
  const char *image = cJSON_GetObjectItem (entry, "image")->valuestring;
  const int n = cJSON_GetObjectItem (entry, "n")->valueint;
  g_autofree char *below = g_strdup_printf ("e2e/images/%s.png", image);
  g_autofree char *path = testing_golden (below);
  g_autofree DefcnBox *expected = g_new (DefcnBox, n + 1);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (path);
  g_autoptr (DefcnDetector) detector = open_detector (name, entry);
  if (!detector)
    return;
  g_autoptr (DefcnPicture) picture = defcn_picture_load (path, &error);
  g_assert_no_error (error);

  const DefcnImage view = defcn_picture_image (picture);
  const float scale = (float) MIN (view.width, view.height)
      / cJSON_GetObjectItem (entry, "short_edge")->valueint;
  g_assert_true (defcn_detector_run (detector, &boxes, &view, NULL, 1, &error));
  for (int i = 0; i < n; i++)
    expected[i] = expected_box (entry, i);

  const DefcnBox *found = (const DefcnBox *) boxes->data;
  g_assert_cmpint (ABS ((int) boxes->len - n), <=, 1);
  assert_covered (found, boxes->len, expected, n, MAX (scale, 1), 0.05f);
  assert_covered (expected, n, found, boxes->len, MAX (scale, 1), 0.05f);
  for (guint i = 1; i < boxes->len; i++)
    g_assert_cmpfloat (found[i - 1].score, >=, found[i].score);
}

/* Each image of the case at each size.  The large one takes seconds, so that
 * plain C, and the second model, have it in the slow mode alone. */
static void
test_detections (gconstpointer name)
{
  g_autofree char *path = testing_golden ("e2e/detections.json");
  g_autofree char *text = NULL;
  const gboolean large = g_test_slow ()
      || (!g_str_equal (testing_backend (), "reference")
          && g_str_equal (name, "coco_poto_3dmf_aux"));
  const cJSON *entry;

  if (!path) {
    g_test_skip ("no golden e2e/detections.json");
    return;
  }
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  const cJSON *entries = cJSON_GetObjectItem (json, name);
  g_assert_cmpint (cJSON_GetArraySize (entries), >, 2);
  cJSON_ArrayForEach (entry, entries)
  {
    if (large || cJSON_GetObjectItem (entry, "short_edge")->valueint < 800)
      check_entry (name, entry);
  }
  cJSON_Delete (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/golden/detections/coco", "coco_poto_3dmf_aux",
      test_detections);
  g_test_add_data_func ("/golden/detections/crowdhuman", "ch_poto_3dmf_aux",
      test_detections);
  return g_test_run ();
}
