/* Score maps: the scores that the detector finds, where the picture is. */
#include "report/maps.h"

#include "detector.h"
#include "folder.h"
#include "tiny_model.h"

#include <math.h>

#define TOLERANCE 1e-5

static char *folder;

static DefcnPicture *
noise (int width, int height)
{
  DefcnPicture *picture = defcn_picture_new (width, height);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (int i = 0; i < width * height * 3; i++)
    picture->rgb[i] = g_rand_int_range (rand, 0, 256);
  return picture;
}

/* The best score of all locations. */
static double
best_of (const DefcnScoreMap maps[DEFCN_N_LEVELS])
{
  double best = 0;

  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    for (int i = 0; i < maps[l].w * maps[l].h; i++)
      best = fmax (best, maps[l].scores[i]);
  return best;
}

/* The best of a location's classes is in the maps, as the detector scores it,
 * of models with and without 3DMF, with centerness and with nine boxes a
 * location. */
static void
test_scores (void)
{
  for (int kind = 0; kind < 4; kind++) {
    g_autofree char *path = folder_file (folder,
        kind == 3 ? "anchors.safetensors" : "tiny.safetensors");
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
    g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
    g_autoptr (DefcnModel) plain =
        defcn_model_open (weights, be, FALSE, &error);
    g_assert_no_error (error);
    g_autoptr (DefcnSpec) spec = defcn_spec_copy (defcn_model_spec (plain));
    guint n_missing;

    spec->filter = kind == 0;
    spec->centerness = kind == 2;
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 3, &error);
    g_assert_no_error (error);
    g_assert_true (defcn_model_load (model, weights, TRUE, &n_missing, &error));
    const DefcnSubject subject = { .be = be, .model = model };
    g_autoptr (DefcnPicture) picture = noise (96, 64);
    DefcnScoreMap maps[DEFCN_N_LEVELS] = { { 0 } };
    g_assert_true (defcn_maps_find (maps, &subject, picture, &error));

    g_autoptr (DefcnDetector) detector = defcn_detector_new_from_model (model);
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    const DefcnImage image = defcn_picture_image (picture);
    defcn_detector_set_threshold (detector, 0.1f);
    defcn_detector_set_duplicate_filter (detector, 0);
    defcn_detector_set_nms (detector, 0);
    g_assert_true (
        defcn_detector_run (detector, &boxes, &image, NULL, 1, &error));
    g_assert_cmpuint (boxes->len, >, 0);
    g_assert_cmpfloat_with_epsilon (best_of (maps),
        g_array_index (boxes, DefcnBox, 0).score, TOLERANCE);
    defcn_maps_clear (maps);
  }
}

/* As large as the picture in the network's input, not as that with its
 * padding; of the smallest picture too. */
static void
test_sizes (void)
{
  static const struct
  {
    int width, height, w, h; /* of P3 */
  } rows[] = { { 96, 64, 12, 8 }, { 100, 64, 13, 8 }, { 64, 100, 8, 13 },
    { 1, 1, 8, 8 }, { 500, 20, 16, 1 } };
  g_autofree char *path = folder_file (folder, "tiny.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  const DefcnSubject subject = { .be = be, .model = model };

  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (DefcnPicture) picture = noise (rows[i].width, rows[i].height);
    DefcnScoreMap maps[DEFCN_N_LEVELS] = { { 0 } };

    g_assert_true (defcn_maps_find (maps, &subject, picture, &error));
    g_assert_cmpint (maps[0].w, ==, rows[i].w);
    g_assert_cmpint (maps[0].h, ==, rows[i].h);
    for (int l = 1; l < DEFCN_N_LEVELS; l++) {
      g_assert_cmpint (maps[l].w, ==, (maps[l - 1].w + 1) / 2);
      g_assert_cmpint (maps[l].h, ==, (maps[l - 1].h + 1) / 2);
    }
    defcn_maps_clear (maps);
  }
}

static int
luma (double score)
{
  guint8 rgb[3];

  defcn_maps_color (rgb, score);
  return 2 * rgb[0] + 7 * rgb[1] + rgb[2];
}

/* The higher a score, the lighter; what is none is dark. */
static void
test_colors (void)
{
  for (int i = 1; i <= 100; i++)
    g_assert_cmpint (luma (i / 100.0), >=, luma ((i - 1) / 100.0));
  g_assert_cmpint (luma (1), >, 3 * luma (0));
  g_assert_cmpint (luma (NAN), ==, luma (0));
  g_assert_cmpint (luma (-1), ==, luma (0));
  g_assert_cmpint (luma (2), ==, luma (1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_autofree char *path = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (path);
  g_autofree char *anchors = folder_file (folder, "anchors.safetensors");
  testing_tiny_model_write_anchors (anchors);
  g_test_add_func ("/maps/scores", test_scores);
  g_test_add_func ("/maps/sizes", test_sizes);
  g_test_add_func ("/maps/colors", test_colors);
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
