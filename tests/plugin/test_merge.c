/* What two regions have found is one object, or is not. */
#include "rig.h"

#include "detect/merge.h"

#define W 1000
#define H 800

/* Corners in pixels. */
typedef struct
{
  double x1, y1, x2, y2, confidence;
  int label;
  guint region;
} Found;

/* Two regions side by side that overlap from 400 to 600. */
static const GstDefcnRegion halves[] = {
  { { 0, 0, 600, H }, 1 },
  { { 400, 0, 600, H }, 2 },
};

static GArray *
merge (const Found *found, guint n, const GstDefcnRegion *regions,
    guint n_regions, const GstDefcnPixels *visible)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) owners = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (GstDefcnRegion));

  g_array_append_vals (all, regions, n_regions);
  for (guint i = 0; i < n; i++) {
    const Found *f = &found[i];
    const GstDefcnObject o = { (f->x1 - visible->x) / visible->w,
      (f->y1 - visible->y) / visible->h, (f->x2 - visible->x) / visible->w,
      (f->y2 - visible->y) / visible->h, f->confidence, f->label, 0,
      regions[f->region].parent_id };

    g_array_append_val (objects, o);
    g_array_append_val (owners, f->region);
  }
  gst_defcn_merge_regions (objects, owners, all, visible);
  g_assert_cmpuint (owners->len, ==, objects->len);
  return objects;
}

/* Two boxes and what becomes of them. */
static void
test_pairs (void)
{
  static const struct
  {
    const char *name;
    Found found[2];
    int stays; /* index of the one, -1: both */
    double confidence;
  } cases[] = {
    { "the same, the better one stays",
        { { 450, 100, 500, 200, 0.5, 0, 0 },
            { 451, 101, 500, 202, 0.8, 0, 1 } },
        1, 0.8 },
    { "the better one first",
        { { 450, 100, 500, 200, 0.8, 0, 0 },
            { 451, 101, 500, 202, 0.5, 0, 1 } },
        0, 0.8 },
    { "other classes",
        { { 450, 100, 500, 200, 0.5, 0, 0 },
            { 451, 101, 500, 202, 0.8, 1, 1 } },
        -1, 0 },
    { "in one region",
        { { 450, 100, 500, 200, 0.5, 0, 0 },
            { 451, 101, 500, 202, 0.8, 0, 0 } },
        -1, 0 },
    { "apart",
        { { 450, 100, 500, 200, 0.5, 0, 0 },
            { 480, 100, 530, 200, 0.8, 0, 1 } },
        -1, 0 },
    { "cut by the right edge of the first",
        { { 500, 100, 600, 300, 0.9, 0, 0 },
            { 500, 100, 690, 300, 0.6, 0, 1 } },
        1, 0.9 },
    { "cut by the left edge of the second",
        { { 290, 100, 500, 300, 0.6, 0, 0 },
            { 400, 100, 500, 300, 0.9, 0, 1 } },
        0, 0.9 },
    { "cut by both, the larger one stays",
        { { 300, 100, 600, 300, 0.6, 0, 0 },
            { 400, 100, 900, 300, 0.5, 0, 1 } },
        1, 0.6 },
    { "a neighbour of whom a sliver is seen",
        { { 590, 100, 600, 300, 0.6, 0, 0 },
            { 585, 100, 900, 300, 0.5, 0, 1 } },
        1, 0.6 },
    { "slivers of two who stand apart",
        { { 200, 100, 410, 300, 0.6, 0, 0 },
            { 400, 100, 590, 300, 0.5, 0, 1 } },
        -1, 0 },
    { "a stump beside the whole one",
        { { 584, 95, 600, 305, 0.6, 0, 0 }, { 594, 100, 700, 300, 0.5, 0, 1 } },
        1, 0.5 },
    { "a stump that the other region sees nothing of",
        { { 584, 95, 600, 305, 0.6, 0, 0 }, { 598, 100, 700, 300, 0.5, 0, 1 } },
        -1, 0 },
    { "no stump, but a whole one beside",
        { { 580, 95, 596, 305, 0.6, 0, 0 }, { 590, 100, 700, 300, 0.5, 0, 1 } },
        -1, 0 },
    { "one above the other",
        { { 500, 100, 560, 300, 0.6, 0, 0 },
            { 500, 280, 560, 480, 0.5, 0, 1 } },
        -1, 0 },
    { "outside of what both see",
        { { 100, 100, 200, 300, 0.6, 0, 0 },
            { 700, 100, 800, 300, 0.5, 0, 1 } },
        -1, 0 },
  };
  const GstDefcnPixels places[] = { { 0, 0, W, H }, { 0, 0, W, H } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) objects = merge (cases[i].found, 2, halves, 2, places);
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, 0);

    g_test_message ("%s", cases[i].name);
    if (cases[i].stays < 0) {
      g_assert_cmpuint (objects->len, ==, 2);
      g_assert_cmpfloat (o->confidence, ==, cases[i].found[0].confidence);
      continue;
    }
    g_assert_cmpuint (objects->len, ==, 1);
    g_assert_cmpfloat_with_epsilon (o->x_max * W,
        cases[i].found[cases[i].stays].x2, 1e-9);
    g_assert_cmpfloat_with_epsilon (o->x_min * W,
        cases[i].found[cases[i].stays].x1, 1e-9);
    g_assert_cmpfloat (o->confidence, ==, cases[i].confidence);
    g_assert_cmpint (o->parent_id, ==,
        halves[cases[i].found[cases[i].stays].region].parent_id);
  }
}

/* The edge of the picture cuts nothing: a box there stays by its confidence. */
static void
test_edge_of_picture (void)
{
  static const GstDefcnRegion regions[] = {
    { { 40, 0, 400, 400 }, 0 },
    { { 40, 0, 500, 500 }, 0 },
  };
  static const Found found[] = { { 40, 0, 140, 200, 0.9, 0, 0 },
    { 41, 0, 140, 200, 0.6, 0, 1 } };
  const GstDefcnPixels visible = { 40, 0, W, H };
  g_autoptr (GArray) objects = merge (found, 2, regions, 2, &visible);

  g_assert_cmpuint (objects->len, ==, 1);
  g_assert_cmpfloat (g_array_index (objects, GstDefcnObject, 0).x_min, ==, 0);
}

/* Two who stand close, found by both regions, are two; each goes with its own
 * other self. */
static void
test_crowd (void)
{
  static const Found found[] = {
    { 450, 100, 510, 300, 0.9, 0, 0 },
    { 462, 100, 522, 300, 0.8, 0, 0 },
    { 463, 100, 523, 300, 0.7, 0, 1 },
    { 451, 100, 511, 300, 0.6, 0, 1 },
  };
  const GstDefcnPixels visible = { 0, 0, W, H };
  g_autoptr (GArray) objects = merge (found, 4, halves, 2, &visible);

  g_assert_cmpuint (objects->len, ==, 2);
  g_assert_cmpfloat (g_array_index (objects, GstDefcnObject, 0).confidence, ==,
      0.9);
  g_assert_cmpfloat (g_array_index (objects, GstDefcnObject, 1).confidence, ==,
      0.8);
}

/* What many regions have found is one object, and nothing is none. */
static void
test_many (void)
{
  GstDefcnRegion regions[GST_DEFCN_MAX_REGIONS];
  Found found[GST_DEFCN_MAX_REGIONS];
  const GstDefcnPixels visible = { 0, 0, W, H };
  g_autoptr (GArray) one = NULL, none = NULL;

  for (guint i = 0; i < GST_DEFCN_MAX_REGIONS; i++) {
    regions[i] = (GstDefcnRegion){ { 0, 0, 700 + i, 700 }, i };
    found[i] = (Found){ 100, 100, 200, 200, 0.3 + i / 1000.0, 0, i };
  }
  one = merge (found, GST_DEFCN_MAX_REGIONS, regions, GST_DEFCN_MAX_REGIONS,
      &visible);
  g_assert_cmpuint (one->len, ==, 1);
  g_assert_cmpfloat (g_array_index (one, GstDefcnObject, 0).confidence, ==,
      0.3 + 63 / 1000.0);
  none = merge (found, 0, regions, 2, &visible);
  g_assert_cmpuint (none->len, ==, 0);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/merge/pairs", test_pairs);
  g_test_add_func ("/merge/edge-of-picture", test_edge_of_picture);
  g_test_add_func ("/merge/crowd", test_crowd);
  g_test_add_func ("/merge/many", test_many);
  return rig_run ();
}
