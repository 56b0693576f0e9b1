/* Augmentation: the reference's pipeline exactly, and boxes that stay on what
 * they are of through everything else. */
#include "data/augment.h"

#include "scaler.h"
#include "scene.h"

#include <math.h>

static const DefcnAugment plain = { .short_edges = { 100 },
  .n_short_edges = 1,
  .long_edge = 160 };

/* A picture with a box in each quarter, clear of its edges. */
static DefcnPicture *
quarters_new (int width, int height, GArray **objects)
{
  DefcnPicture *picture = scene_new (width, height);
  const int w = width / 2, h = height / 2;

  *objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  for (int k = 0; k < 4; k++)
    scene_paint (picture, *objects, k, k % 2 * w + w / 5, k / 2 * h + h / 4,
        k % 2 * w + w - w / 6, k / 2 * h + h - h / 7);
  return picture;
}

static const DefcnObject *
object_of (const DefcnExample *example, int label)
{
  for (guint i = 0; i < example->objects->len; i++) {
    const DefcnObject *o = &g_array_index (example->objects, DefcnObject, i);

    if (o->label == label)
      return o;
  }
  return NULL;
}

/* Every box that is left lies on its colour; a box that went was cut. */
static void
check_example (const char *name, guint32 seed, const DefcnExample *example,
    double within)
{
  const int w = example->width, h = example->height;

  for (int label = 0; label < 4; label++) {
    const DefcnObject *o = object_of (example, label);
    const SceneExtent e = scene_find (example, label, 0, 0, w, h);

    if (o && !scene_fits (&e, o, within))
      g_error ("%s, seed %u: box %d is %g %g %g %g, its colour %d %d %d %d",
          name, seed, label, o->x1, o->y1, o->x2, o->y2, e.x1, e.y1, e.x2,
          e.y2);
    if (!o && e.n > 0 && MIN (e.x1, e.y1) > within
        && MIN (w - e.x2, h - e.y2) > within)
      g_error ("%s, seed %u: box %d went, but is in the picture", name, seed,
          label);
    if (o)
      g_assert_true (o->x1 >= 0 && o->y1 >= 0 && o->x2 <= w && o->y2 <= h
          && o->x1 < o->x2 && o->y1 < o->y2);
  }
}

/* Whatever is done to pictures of any shape, boxes follow their pixels. */
static void
test_boxes_follow (void)
{
  static const struct
  {
    const char *name;
    DefcnAugment augment;
    double within;
    gboolean whole; /* no box may go */
  } cases[] = {
    { "plain", { .short_edges = { 100 }, .n_short_edges = 1, .long_edge = 160 },
        1.5, TRUE },
    { "flip",
        { .short_edges = { 70, 110, 140 },
            .n_short_edges = 3,
            .long_edge = 150,
            .flip = 0.5f },
        1.5, TRUE },
    { "crop",
        { .short_edges = { 120 },
            .n_short_edges = 1,
            .long_edge = 200,
            .flip = 0.5f,
            .crop = 1 },
        3, FALSE },
    { "expand",
        { .short_edges = { 120 },
            .n_short_edges = 1,
            .long_edge = 200,
            .flip = 0.5f,
            .expand = 1 },
        1.5, TRUE },
    { "small canvas",
        { .flip = 0.5f,
            .canvas_width = 150,
            .canvas_height = 90,
            .scale_min = 0.4f,
            .scale_max = 1 },
        1.5, TRUE },
    { "large canvas",
        { .flip = 0.5f,
            .canvas_width = 110,
            .canvas_height = 160,
            .scale_min = 0.6f,
            .scale_max = 2 },
        3, FALSE },
    { "one size",
        { .canvas_width = 64,
            .canvas_height = 64,
            .scale_min = 1,
            .scale_max = 1 },
        1.5, TRUE },
  };
  static const int sizes[][2] = { { 150, 110 }, { 101, 153 }, { 90, 90 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint gone = 0;

    for (guint32 seed = 0; seed < 40; seed++) {
      const int *size = sizes[seed % G_N_ELEMENTS (sizes)];
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      g_autoptr (GArray) objects = NULL;
      g_autoptr (DefcnPicture) picture =
          quarters_new (size[0], size[1], &objects);
      g_autoptr (DefcnExample) example =
          defcn_augment_run (&cases[i].augment, picture, objects, rand);

      check_example (cases[i].name, seed, example, cases[i].within);
      g_assert_cmpuint (example->objects->len, >=, 1);
      gone += 4 - example->objects->len;
      if (cases[i].augment.canvas_width > 0) {
        g_assert_cmpint (example->width, ==, cases[i].augment.canvas_width);
        g_assert_cmpint (example->height, ==, cases[i].augment.canvas_height);
      }
    }
    g_assert_cmpint (gone == 0, ==, cases[i].whole);
  }
}

/* The reference's pipeline to the last bit of a float: size, pixels as the
 * scaler gives them, boxes scaled, clipped, mirrored. */
static void
test_reference (void)
{
  static const struct
  {
    int w, h, edge, limit, want_w, want_h;
  } cases[] = {
    { 200, 100, 100, 160, 160, 80 },
    { 100, 200, 100, 160, 80, 160 },
    { 120, 100, 100, 160, 120, 100 },
    { 64, 48, 100, 1333, 133, 100 },
    { 7, 5, 16, 100, 22, 16 },
    { 1, 1, 8, 100, 8, 8 },
  };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    const gboolean flip = i % 2;
    const int w = cases[i / 2].w, h = cases[i / 2].h;
    const int want_w = cases[i / 2].want_w, want_h = cases[i / 2].want_h;
    const DefcnAugment augment = { .short_edges = { cases[i / 2].edge },
      .n_short_edges = 1,
      .long_edge = cases[i / 2].limit,
      .flip = flip };
    const DefcnObject o = { .x1 = -3.25f,
      .y1 = h * 0.25f,
      .x2 = w * 0.5f,
      .y2 = h + 9.5f,
      .label = 3 };
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (1);
    g_autoptr (DefcnPicture) picture = defcn_picture_new (w, h);
    g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
    g_autofree guint8 *rgb = g_malloc (want_w * want_h * 3);

    g_array_append_val (objects, o);
    for (int k = 0; k < w * h * 3; k++)
      picture->rgb[k] = g_rand_int_range (rand, 0, 256);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    g_assert_cmpint (example->width, ==, want_w);
    g_assert_cmpint (example->height, ==, want_h);

    const DefcnImage image = defcn_picture_image (picture);
    defcn_scaler_run (scaler, rgb, &image, 0, 0, w, h, want_w, want_h);
    for (int k = 0; k < want_w * want_h; k++) {
      const int x = k % want_w, y = k / want_w;
      const int from = y * want_w + (flip ? want_w - 1 - x : x);

      g_assert_cmpmem (example->rgb + 3 * k, 3, rgb + 3 * from, 3);
    }

    g_assert_cmpuint (example->objects->len, ==, 1);
    const DefcnObject *box = &g_array_index (example->objects, DefcnObject, 0);
    const float half = w * 0.5f * (float) ((double) want_w / w);
    g_assert_cmpfloat (box->x1, ==, flip ? want_w - half : 0);
    g_assert_cmpfloat (box->x2, ==, flip ? want_w : half);
    g_assert_cmpfloat (box->y1, ==, h * 0.25f * (float) ((double) want_h / h));
    g_assert_cmpfloat (box->y2, ==, want_h);
    g_assert_cmpint (box->label, ==, 3);
  }
}

/* Crowds, boxes with bad polygons, boxes outside or of no area go; ignored ones
 * of CrowdHuman stay for the assignment to drop. */
static void
test_dropped (void)
{
  static const struct
  {
    DefcnObject object;
    gboolean kept;
  } cases[] = {
    { { 1, 2, 9, 9, .label = 0 }, TRUE },
    { { 1, 2, 9, 9, .label = -1 }, TRUE },
    { { 1, 2, 9, 9, .crowd = TRUE }, FALSE },
    { { 1, 2, 9, 9, .untrainable = TRUE }, FALSE },
    { { 1, 2, 1, 9, .label = 0 }, FALSE },
    { { 1, 9, 9, 9, .label = 0 }, FALSE },
    { { -9, 2, 0, 9, .label = 0 }, FALSE },
    { { 20, 2, 25, 9, .label = 0 }, FALSE },
    { { 1, -5, 9, -1, .label = 0 }, FALSE },
    { { 1, 10, 9, 11, .label = 0 }, FALSE },
    { { 19, 9, 30, 30, .label = 0 }, TRUE },
  };
  g_autoptr (DefcnPicture) picture = scene_new (20, 10);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (1);

    g_array_append_val (objects, cases[i].object);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&plain, picture, objects, rand);
    g_assert_cmpuint (example->objects->len, ==, cases[i].kept);
  }
}

/* A crop is about a box that is trained on, not about a crowd elsewhere. */
static void
test_crop_target (void)
{
  const DefcnAugment augment = { .short_edges = { 64 },
    .n_short_edges = 1,
    .long_edge = 200,
    .crop = 1 };

  for (guint32 seed = 0; seed < 60; seed++) {
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnPicture) picture = scene_new (80, 60);
    const DefcnObject crowd = { 70, 50, 80, 60, .crowd = TRUE };

    for (int k = 0; k < 5; k++)
      g_array_append_val (objects, crowd);
    scene_paint (picture, objects, 0, 1, 1, 9, 7);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    g_assert_cmpuint (example->objects->len, ==, 1);
  }
}

/* Without boxes a picture can still be cropped, expanded, flipped. */
static void
test_no_objects (void)
{
  const DefcnAugment augment = { .short_edges = { 30 },
    .n_short_edges = 1,
    .long_edge = 60,
    .flip = 1,
    .crop = 1,
    .expand = 1,
    .color = 0.5f };
  static const int sizes[][2] = { { 1, 1 }, { 1, 300 }, { 300, 2 } };

  for (gsize i = 0; i < 10 * G_N_ELEMENTS (sizes); i++) {
    const int *size = sizes[i % G_N_ELEMENTS (sizes)];
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (i);
    g_autoptr (DefcnPicture) picture = scene_new (size[0], size[1]);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);

    g_assert_cmpuint (example->objects->len, ==, 0);
    g_assert_cmpint (example->width, >=, 1);
    g_assert_cmpint (MAX (example->width, example->height), <=, 60);
  }
}

/* Every short edge is drawn, in about equal parts; half of the pictures are
 * flipped. */
static void
test_chances (void)
{
  const DefcnAugment augment = { .short_edges = { 10, 20, 30 },
    .n_short_edges = 3,
    .long_edge = 100,
    .flip = 0.5f };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = scene_new (20, 20);
  int drawn[4] = { 0 }, flipped = 0;

  scene_paint (picture, objects, 0, 0, 0, 10, 20);
  for (int i = 0; i < 600; i++) {
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);

    g_assert_cmpint (example->width % 10, ==, 0);
    drawn[example->width / 10]++;
    flipped += object_of (example, 0)->x1 > 0;
  }
  for (int k = 1; k <= 3; k++)
    g_assert_cmpint (ABS (drawn[k] - 200), <, 50);
  g_assert_cmpint (ABS (flipped - 300), <, 60);
}

/* Colour jitter leaves boxes alone and grey grey, moves brightness by its
 * strength at most, and turns hues little. */
static void
test_color (void)
{
  DefcnAugment augment = plain;
  g_autoptr (GArray) objects = NULL;
  g_autoptr (DefcnPicture) picture = quarters_new (100, 100, &objects);
  guint changed = 0;

  augment.color = 0.4f;
  for (guint32 seed = 0; seed < 30; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    const guint8 *grey = example->rgb;

    g_assert_cmpuint (example->objects->len, ==, 4);
    g_assert_cmpint (ABS (grey[0] - grey[1]), <=, 1);
    g_assert_cmpint (ABS (grey[0] - grey[2]), <=, 1);
    g_assert_cmpint (grey[0], >=, (int) ((120 - 0.4 * 8) * 0.6) - 1);
    g_assert_cmpint (grey[0], <=, (int) ((120 + 0.4 * 8) * 1.4) + 1);
    changed += grey[0] != 120;

    const DefcnObject *red = object_of (example, 0);
    const int x = (red->x1 + red->x2) / 2, y = (red->y1 + red->y2) / 2;
    const guint8 *p = example->rgb + (y * 100 + x) * 3;
    g_assert_cmpint (p[0], >, p[1] + 60);
    g_assert_cmpint (p[0], >, p[2] + 60);
  }
  g_assert_cmpuint (changed, >, 20);
}

/* The same numbers drawn give the same bytes. */
static void
test_deterministic (void)
{
  const DefcnAugment augment = { .short_edges = { 40, 50, 60 },
    .n_short_edges = 3,
    .long_edge = 100,
    .flip = 0.5f,
    .crop = 0.5f,
    .expand = 0.5f,
    .color = 0.3f };
  g_autoptr (GArray) objects = NULL;
  g_autoptr (DefcnPicture) picture = quarters_new (77, 55, &objects);

  for (guint32 seed = 0; seed < 10; seed++) {
    g_autoptr (GRand) one = g_rand_new_with_seed (seed);
    g_autoptr (GRand) two = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) a =
        defcn_augment_run (&augment, picture, objects, one);
    g_autoptr (DefcnExample) b =
        defcn_augment_run (&augment, picture, objects, two);

    g_assert_cmpmem (a->rgb, a->width * a->height * 3, b->rgb,
        b->width * b->height * 3);
    g_assert_cmpmem (a->objects->data, a->objects->len * sizeof (DefcnObject),
        b->objects->data, b->objects->len * sizeof (DefcnObject));
  }
  defcn_example_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/augment/boxes-follow", test_boxes_follow);
  g_test_add_func ("/augment/reference", test_reference);
  g_test_add_func ("/augment/dropped", test_dropped);
  g_test_add_func ("/augment/crop-target", test_crop_target);
  g_test_add_func ("/augment/no-objects", test_no_objects);
  g_test_add_func ("/augment/chances", test_chances);
  g_test_add_func ("/augment/color", test_color);
  g_test_add_func ("/augment/deterministic", test_deterministic);
  return g_test_run ();
}
