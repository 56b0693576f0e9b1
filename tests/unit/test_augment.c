/* Augmentation: the reference's pipeline exactly, and boxes that stay on what
 * they are of through everything else. */
#include "data/augment.h"

#include "patches.h"
#include "scaler.h"

#include <math.h>

static const DefcnAugment plain = { .short_edges = { 100 },
  .n_short_edges = 1,
  .long_edge = 160 };

/* A picture with a box in each quarter, clear of its edges. */
static DefcnPicture *
quarters_new (int width, int height, GArray **objects)
{
  DefcnPicture *picture = patch_picture_new (width, height);
  const int w = width / 2, h = height / 2;

  *objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  for (int k = 0; k < 4; k++)
    patch_paint (picture, *objects, k, k % 2 * w + w / 5, k / 2 * h + h / 4,
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
    const PatchExtent e = patch_find (example, label, 0, 0, w, h);

    if (o && !patch_fits (&e, o, within))
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

/* Boxes with bad polygons, boxes outside or of no area go; crowds and what
 * CrowdHuman ignores stay as regions without a class. */
static void
test_dropped (void)
{
  static const struct
  {
    DefcnObject object;
    gboolean kept;
    int label;
  } cases[] = {
    { { 1, 2, 9, 9, .label = 3 }, TRUE, 3 },
    { { 1, 2, 9, 9, .label = -1 }, TRUE, -1 },
    { { 1, 2, 9, 9, .label = 3, .crowd = TRUE }, TRUE, -1 },
    { { 1, 2, 1, 9, .crowd = TRUE }, FALSE },
    { { 20, 2, 25, 9, .crowd = TRUE }, FALSE },
    { { 1, 2, 9, 9, .untrainable = TRUE }, FALSE },
    { { 1, 2, 1, 9, .label = 0 }, FALSE },
    { { 1, 9, 9, 9, .label = 0 }, FALSE },
    { { -9, 2, 0, 9, .label = 0 }, FALSE },
    { { 20, 2, 25, 9, .label = 0 }, FALSE },
    { { 1, -5, 9, -1, .label = 0 }, FALSE },
    { { 1, 10, 9, 11, .label = 0 }, FALSE },
    { { 19, 9, 30, 30, .label = 0 }, TRUE },
  };
  g_autoptr (DefcnPicture) picture = patch_picture_new (20, 10);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (1);

    g_array_append_val (objects, cases[i].object);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&plain, picture, objects, rand);
    g_assert_cmpuint (example->objects->len, ==, cases[i].kept);
    if (cases[i].kept)
      g_assert_cmpint (g_array_index (example->objects, DefcnObject, 0).label,
          ==, cases[i].label);
  }
}

/* Regions to ignore are clipped and mirrored as boxes are, on a canvas, in a
 * crop and in an expanded picture too, and a sliver of one stays. */
static void
test_regions (void)
{
  static const DefcnAugment augments[] = {
    { .short_edges = { 60 }, .n_short_edges = 1, .long_edge = 200, .flip = 1 },
    { .short_edges = { 60 }, .n_short_edges = 1, .long_edge = 200, .crop = 1 },
    { .short_edges = { 60 },
        .n_short_edges = 1,
        .long_edge = 200,
        .expand = 1 },
    { .canvas_width = 60,
        .canvas_height = 50,
        .scale_min = 1.5f,
        .scale_max = 2,
        .flip = 0.5f },
  };
  guint slivers = 0, gone = 0;

  for (guint k = 0; k < 120 * G_N_ELEMENTS (augments); k++) {
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (GRand) rand = g_rand_new_with_seed (k);
    g_autoptr (DefcnPicture) picture = patch_picture_new (80, 60);

    /* one that reaches over the edge, painted within */
    patch_paint (picture, objects, 1, 40, 8, 80, 50);
    DefcnObject *o = &g_array_index (objects, DefcnObject, 0);
    o->crowd = TRUE;
    o->x2 = 300;
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augments[k / 120], picture, objects, rand);
    const int w = example->width, h = example->height;
    const PatchExtent e = patch_find (example, 1, 0, 0, w, h);

    g_assert_cmpuint (example->objects->len, <=, 1);
    if (example->objects->len == 0) {
      g_assert_cmpint (MIN (e.x2 - e.x1, e.y2 - e.y1), <=, 2);
      gone++;
      continue;
    }
    o = &g_array_index (example->objects, DefcnObject, 0);
    g_assert_cmpint (o->label, ==, -1);
    g_assert_true (
        o->x1 >= 0 && o->y1 >= 0 && o->x2 <= w && o->y2 <= h && o->x1 < o->x2);
    if (e.n > 0 && !patch_fits (&e, o, 3))
      g_error ("case %u: %g %g %g %g, its colour %d %d %d %d", k, o->x1, o->y1,
          o->x2, o->y2, e.x1, e.y1, e.x2, e.y2);
    slivers += k / 120 == 3; /* less than a quarter of 260 x 42 */
  }
  g_assert_cmpuint (slivers, >, 80);
  g_assert_cmpuint (gone, <, 60);
}

/* A crop is about a box that is trained on, not about a crowd or an ignored box
 * elsewhere. */
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
    g_autoptr (DefcnPicture) picture = patch_picture_new (80, 60);
    const DefcnObject crowd = { 70, 50, 80, 60, .crowd = seed % 2,
      .label = seed % 2 - 1 };

    for (int k = 0; k < 5; k++)
      g_array_append_val (objects, crowd);
    patch_paint (picture, objects, 0, 1, 1, 9, 7);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    g_assert_nonnull (object_of (example, 0));
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
    g_autoptr (DefcnPicture) picture = patch_picture_new (size[0], size[1]);
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
  g_autoptr (DefcnPicture) picture = patch_picture_new (20, 20);
  int drawn[4] = { 0 }, flipped = 0;

  patch_paint (picture, objects, 0, 0, 0, 10, 20);
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

/* The picture's place in the example: where its white is. */
static PatchExtent
find_white (const DefcnExample *example)
{
  PatchExtent e = { 0, G_MAXINT, G_MAXINT, -1, -1 };

  for (int y = 0; y < example->height; y++) {
    for (int x = 0; x < example->width; x++) {
      const guint8 *p = example->rgb + ((gsize) y * example->width + x) * 3;
      const gboolean white = p[0] == 255 && p[1] == 255 && p[2] == 255;

      /* What is around it is zero after the normalisation. */
      if (!white)
        g_assert_cmpmem (p, 3, ((guint8[]){ 124, 116, 104 }), 3);
      if (!white)
        continue;
      e.n++;
      e.x1 = MIN (e.x1, x);
      e.y1 = MIN (e.y1, y);
      e.x2 = MAX (e.x2, x + 1);
      e.y2 = MAX (e.y2, y + 1);
    }
  }
  return e;
}

/* How often a value came close to both ends of its range; never beyond. */
typedef struct
{
  double low, high; /* the range */
  double least, most;
} Spread;

static Spread
spread_new (double low, double high)
{
  return (Spread){ low, high, high, low };
}

static void
spread_add (Spread *s, double value)
{
  g_assert_cmpfloat (value, >=, s->low);
  g_assert_cmpfloat (value, <=, s->high);
  s->least = MIN (s->least, value);
  s->most = MAX (s->most, value);
}

static void
spread_check (const Spread *s)
{
  const double slack = 0.15 * (s->high - s->low);

  g_assert_cmpfloat (s->least, <, s->low + slack);
  g_assert_cmpfloat (s->most, >, s->high - slack);
}

static DefcnPicture *
white_new (int width, int height)
{
  DefcnPicture *picture = defcn_picture_new (width, height);

  memset (picture->rgb, 255, (gsize) width * height * 3);
  return picture;
}

/* Expanding shrinks a picture to between two thirds and the whole of its size,
 * anywhere on a canvas of the mean colour. */
static void
test_expand (void)
{
  DefcnAugment augment = plain;
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = white_new (100, 100);
  Spread size = spread_new (66, 100), left = spread_new (0, 1),
         top = spread_new (0, 1);

  augment.expand = 1;
  for (guint32 seed = 0; seed < 200; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    const PatchExtent e = find_white (example);

    g_assert_cmpint (example->width, ==, 100);
    g_assert_cmpint (example->height, ==, 100);
    g_assert_cmpint (e.n, ==, (e.x2 - e.x1) * (e.y2 - e.y1));
    g_assert_cmpint (e.x2 - e.x1, ==, e.y2 - e.y1);
    spread_add (&size, e.x2 - e.x1);
    if (e.x2 - e.x1 < 90) {
      spread_add (&left, e.x1 / (double) (100 - (e.x2 - e.x1)));
      spread_add (&top, e.y1 / (double) (100 - (e.y2 - e.y1)));
    }
  }
  spread_check (&size);
  spread_check (&left);
  spread_check (&top);
}

/* On a canvas, sizes are drawn from the whole range, log-uniformly, and places
 * from all there are. */
static void
test_canvas (void)
{
  const DefcnAugment augment = { .canvas_width = 120,
    .canvas_height = 80,
    .scale_min = 0.25f,
    .scale_max = 1 };
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = white_new (50, 50);
  Spread size = spread_new (20, 80), left = spread_new (0, 1),
         top = spread_new (0, 1);
  int below = 0;

  for (guint32 seed = 0; seed < 300; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    const PatchExtent e = find_white (example);

    spread_add (&size, e.x2 - e.x1);
    spread_add (&left, e.x1 / (double) (120 - (e.x2 - e.x1)));
    if (e.y2 - e.y1 < 70)
      spread_add (&top, e.y1 / (double) (80 - (e.y2 - e.y1)));
    below += e.x2 - e.x1 < 40;
  }
  spread_check (&size);
  spread_check (&left);
  spread_check (&top);
  g_assert_cmpint (ABS (below - 150), <, 40); /* half the octaves */
}

/* A crop keeps a half to the whole of each side, and the pixel at the centre of
 * its box wherever that lies. */
static void
test_crop (void)
{
  const DefcnAugment augment = { .short_edges = { 100 },
    .n_short_edges = 1,
    .long_edge = 1000,
    .crop = 1 };
  Spread shape = spread_new (log (0.6), log (2.4));

  for (guint32 seed = 0; seed < 600; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (DefcnPicture) picture = patch_picture_new (120, 100);
    const int x = seed * 37 % 120, y = seed * 11 % 100;

    patch_paint (picture, objects, 0, x, y, x + 1, y + 1);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    g_assert_cmpuint (example->objects->len, ==, 1);
    g_assert_cmpint (MIN (example->width, example->height), ==, 100);
    spread_add (&shape,
        CLAMP (log ((double) example->width / example->height), shape.low,
            shape.high));
    g_assert_cmpint (example->width, <=, 240);
    g_assert_cmpint (example->height, <=, 167);
  }
  g_assert_cmpfloat (shape.least, <, log (0.72));
  g_assert_cmpfloat (shape.most, >, log (2));
}

/* A box that keeps a quarter of its area on the canvas stays, one that keeps
 * less goes. */
static void
test_visible (void)
{
  const DefcnAugment augment = { .canvas_width = 50,
    .canvas_height = 100,
    .scale_min = 2,
    .scale_max = 2 };
  int kept = 0, gone = 0;

  for (guint32 seed = 0; seed < 200; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (DefcnPicture) picture = patch_picture_new (100, 50);
    int x0 = -1;

    /* The columns' numbers, to see which are left; the fit is 0.5, so that
     * pixels keep their size. */
    for (int i = 0; i < 100 * 50; i++)
      memset (picture->rgb + 3 * i, i % 100, 3);
    const DefcnObject o = { 0, 10, 20, 40, .label = 0 };
    g_array_append_val (objects, o);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    for (int y = 0; y < 100 && x0 < 0; y++) {
      const guint8 *row = example->rgb + y * 50 * 3;

      x0 = row[0] == row[1] ? row[0] : -1;
    }
    const int visible = 20 - x0;
    if (visible != 5)
      g_assert_cmpuint (example->objects->len, ==, visible > 5);
    kept += example->objects->len;
    gone += visible > 0 && example->objects->len == 0;
  }
  g_assert_cmpint (kept, >, 20);
  g_assert_cmpint (gone, >, 5);
}

/* Luma, and the angle and length of the chroma, of a pixel. */
static void
measure_color (double *luma, double *angle, double *chroma, const guint8 *p)
{
  *luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
  *angle = atan2 (p[0] - *luma, p[2] - *luma);
  *chroma = hypot (p[0] - *luma, p[2] - *luma);
}

/* Colour jitter leaves boxes alone, grey grey and a colour as bright as its
 * grey; brightness, contrast and saturation take all factors of their range,
 * the hue turns both ways. */
static void
test_color (void)
{
  static const guint8 colors[3][3] = { { 60, 60, 60 }, { 120, 120, 120 },
    { 150, 110, 92 } }; /* the last of the same luma as the second */
  DefcnAugment augment = plain;
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = defcn_picture_new (90, 100);
  const DefcnObject object = { 10, 10, 50, 60, .label = 0 };
  Spread brightness = spread_new (0.59, 1.41),
         contrast = spread_new (0.58, 1.42);
  Spread saturation = spread_new (0.55, 1.45), hue = spread_new (-0.16, 0.16);
  double luma, angle, chroma;

  g_array_append_val (objects, object);
  for (int i = 0; i < 90 * 100; i++)
    memcpy (picture->rgb + 3 * i, colors[i % 90 / 30], 3);
  measure_color (&luma, &angle, &chroma, colors[2]);
  augment.color = 0.4f;
  augment.short_edges[0] = 90;
  for (guint32 seed = 0; seed < 300; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    const guint8 *dark = example->rgb + 3 * 10, *grey = example->rgb + 3 * 45,
                 *color = example->rgb + 3 * 75;
    double new_luma, new_angle, new_chroma;

    g_assert_cmpuint (example->objects->len, ==, 1);
    for (int c = 1; c < 3; c++) {
      g_assert_cmpint (ABS (grey[0] - grey[c]), <=, 1);
      g_assert_cmpint (ABS (dark[0] - dark[c]), <=, 1);
    }
    /* ((y - 128) c + 128) b of both greys. */
    const double both = (grey[1] - dark[1]) / 60.0;
    const double b = (grey[1] + 8 * both) / 128;
    spread_add (&brightness, b);
    spread_add (&contrast, both / b);

    if (MAX (color[0], MAX (color[1], color[2])) == 255)
      continue;
    measure_color (&new_luma, &new_angle, &new_chroma, color);
    g_assert_cmpfloat_with_epsilon (new_luma, grey[1], 1.3);
    spread_add (&saturation, new_chroma / chroma);
    spread_add (&hue, new_angle - angle);
  }
  spread_check (&brightness);
  spread_check (&contrast);
  spread_check (&saturation);
  spread_check (&hue);
}

/* White and black stay at the ends of the scale. */
static void
test_color_ends (void)
{
  DefcnAugment augment = plain;
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = white_new (100, 100);
  guint white = 0, black = 0;

  memset (picture->rgb, 0, 50 * 100 * 3);
  augment.color = 0.4f;
  for (guint32 seed = 0; seed < 40; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    const guint8 top = example->rgb[0], bottom = example->rgb[99 * 100 * 3];

    g_assert_cmpint (top, <=, (128 - 128 * 0.6) * 1.4 + 1);
    g_assert_cmpint (bottom, >=, (128 + 127 * 0.6) * 0.6 - 1);
    black += top == 0;
    white += bottom == 255;
  }
  g_assert_cmpuint (black, >, 10);
  g_assert_cmpuint (white, >, 10);
}

/* What is around the picture keeps the mean colour, which inference pads with,
 * whichever way the picture is turned. */
static void
test_color_around (void)
{
  DefcnAugment augment = { .canvas_width = 64,
    .canvas_height = 64,
    .scale_min = 0.3f,
    .scale_max = 0.3f,
    .flip = 0.5f,
    .color = 0.5f };
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = white_new (40, 30);

  for (guint32 seed = 0; seed < 40; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (DefcnExample) example =
        defcn_augment_run (&augment, picture, objects, rand);
    guint around = 0;

    for (int i = 0; i < 64 * 64; i++)
      around += memcmp (example->rgb + 3 * i, "\x7c\x74\x68", 3) == 0;
    g_assert_cmpuint (around, >=, 64 * 64 - 20 * 15 - 40);
    g_assert_cmpuint (around, <=, 64 * 64 - 18 * 13);
  }
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
  g_test_add_func ("/augment/regions", test_regions);
  g_test_add_func ("/augment/crop-target", test_crop_target);
  g_test_add_func ("/augment/no-objects", test_no_objects);
  g_test_add_func ("/augment/chances", test_chances);
  g_test_add_func ("/augment/expand", test_expand);
  g_test_add_func ("/augment/canvas", test_canvas);
  g_test_add_func ("/augment/crop", test_crop);
  g_test_add_func ("/augment/visible", test_visible);
  g_test_add_func ("/augment/color", test_color);
  g_test_add_func ("/augment/color-ends", test_color_ends);
  g_test_add_func ("/augment/color-around", test_color_around);
  g_test_add_func ("/augment/deterministic", test_deterministic);
  return g_test_run ();
}
