/* Boxes on pictures, pixel by pixel. */
#include "drawing/draw.h"

#include <cairo.h>
#include <math.h>
#include <string.h>

static const char *const labels[] = { "a", "bc", NULL };

static DefcnPicture *
picture_new (void)
{
  DefcnPicture *picture = defcn_picture_new (160, 100);

  for (int i = 0; i < 160 * 100; i++)
    memcpy (picture->rgb + 3 * i, (guint8[]){ 10, 20, 30 }, 3);
  return picture;
}

static void
draw (DefcnPicture *picture, const DefcnBox *boxes, guint n)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  g_array_append_vals (array, boxes, n);
  defcn_draw_boxes (picture, array, labels);
}

/* Whether the pixel has the colour of class @label, -1: of the ground. */
static gboolean
is_color (const DefcnPicture *picture, int x, int y, int label)
{
  const guint8 *p = picture->rgb + 3 * (y * picture->width + x);
  double rgb[3] = { 10 / 255.0, 20 / 255.0, 30 / 255.0 };

  if (label >= 0)
    defcn_draw_color (rgb, label);
  for (int c = 0; c < 3; c++)
    if (ABS (p[c] - 255 * rgb[c]) > 1.5)
      return FALSE;
  return TRUE;
}

/* How far a label of DejaVu or whatever "sans" is reaches. */
static int
text_width (const char *text)
{
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, 8, 8);
  cairo_t *cr = cairo_create (surface);
  cairo_text_extents_t extents;

  cairo_select_font_face (cr, "sans", CAIRO_FONT_SLANT_NORMAL,
      CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, 12);
  cairo_text_extents (cr, text, &extents);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  return extents.x_advance;
}

/* Hues a golden ratio apart, a bit darker than pure. */
static void
test_colors (void)
{
  static const double want[][3] = { { 0.017, 0.85, 0 }, { 0.85, 0, 0.265027 },
    { 0, 0.513053, 0.85 } };

  for (int i = 0; i < 3; i++) {
    double rgb[3];

    defcn_draw_color (rgb, i);
    for (int c = 0; c < 3; c++)
      g_assert_cmpfloat_with_epsilon (rgb[c], want[i][c], 1e-5);
  }
}

/* Two pixels of outline, the label on top of it, nothing else. */
static void
test_box (void)
{
  static const DefcnBox box = { 20, 40, 140, 80, 0.5f, 0 };
  g_autoptr (DefcnPicture) picture = picture_new ();
  const int right = 19 + text_width ("a 0.50") + 4; /* of the label */
  int n_white = 0;

  draw (picture, &box, 1);
  for (int y = 45; y < 75; y++)
    for (int x = 0; x < 160; x++)
      g_assert_cmpint (is_color (picture, x, y, 0), ==,
          x == 19 || x == 20 || x == 139 || x == 140);
  for (int y = 42; y < 100; y++)
    g_assert_cmpint (is_color (picture, 60, y, 0), ==, y == 79 || y == 80);
  for (int y = 0; y < 38; y++) {
    g_assert_cmpint (is_color (picture, 19, y, 0), ==, y >= 26);
    g_assert_cmpint (is_color (picture, right - 1, y, 0), ==, y >= 26);
    g_assert_true (is_color (picture, 18, y, -1));
    g_assert_true (is_color (picture, right + 1, y, -1));
  }
  for (int i = 0; i < 160 * 40; i++)
    n_white += picture->rgb[3 * i] > 200 && picture->rgb[3 * i + 1] > 200
        && picture->rgb[3 * i + 2] > 200;
  g_assert_cmpint (n_white, >, 20);
  for (int y = 82; y < 100; y++)
    for (int x = 0; x < 160; x++)
      g_assert_true (is_color (picture, x, y, -1));
}

/* A label that has no room above its box slips into it. */
static void
test_border (void)
{
  static const float tops[] = { 0, 5, 14, 20 };

  for (gsize i = 0; i < G_N_ELEMENTS (tops); i++) {
    const DefcnBox box = { 20, tops[i], 140, 80, 0.5f, 1 };
    g_autoptr (DefcnPicture) picture = picture_new ();
    const int column = 19 + text_width ("bc 0.50") + 2;
    const int top = MAX (tops[i] - 14, 0);

    draw (picture, &box, 1);
    for (int y = 0; y < 14; y++)
      g_assert_true (is_color (picture, column, top + y, 1));
    g_assert_false (is_color (picture, column, top + 18, 1));
  }
}

/* The better of two that meet is on top. */
static void
test_order (void)
{
  static const DefcnBox boxes[] = { { 20, 40, 140, 80, 0.9f, 0 },
    { 20, 40, 140, 80, 0.8f, 1 } };
  g_autoptr (DefcnPicture) picture = picture_new ();

  draw (picture, boxes, 2);
  g_assert_true (is_color (picture, 20, 60, 0));
  g_assert_true (is_color (picture, 80, 80, 0));
}

/* Without boxes a picture stays as it is. */
static void
test_none (void)
{
  g_autoptr (DefcnPicture) picture = defcn_picture_new (7, 5);

  for (int i = 0; i < 7 * 5 * 3; i++)
    picture->rgb[i] = 2 * i;
  draw (picture, NULL, 0);
  for (int i = 0; i < 7 * 5 * 3; i++)
    g_assert_cmpint (picture->rgb[i], ==, 2 * i);
}

/* A box is drawn around its edges in its class's colour; the rest of the
 * picture, away from its label, stays as it was. */
static void
test_edges (void)
{
  const DefcnBox boxes[] = { { 20, 40, 100, 90, 0.9f, 1 },
    { -50, -50, 400, 400, 0.5f, 0 } };
  g_autoptr (DefcnPicture) picture = defcn_picture_new (150, 120);
  double rgb[3];

  memset (picture->rgb, 77, 150 * 120 * 3);
  draw (picture, boxes, 2);
  defcn_draw_color (rgb, 1);

  static const int edges[][2] = { { 60, 90 }, { 20, 70 }, { 100, 70 },
    { 90, 40 } };
  for (gsize i = 0; i < G_N_ELEMENTS (edges); i++) {
    const guint8 *p = picture->rgb + (edges[i][1] * 150 + edges[i][0]) * 3;

    for (int c = 0; c < 3; c++)
      g_assert_cmpint (ABS (p[c] - (int) (255 * rgb[c])), <=, 2);
  }
  for (int y = 44; y < 86; y++) {
    for (int x = 24; x < 96; x++)
      g_assert_cmpint (picture->rgb[(y * 150 + x) * 3], ==, 77);
  }
}

/* Colours next to each other differ clearly. */
static void
test_neighbours (void)
{
  for (int i = 0; i < 100; i++) {
    double a[3], b[3], distance = 0;

    defcn_draw_color (a, i);
    defcn_draw_color (b, i + 1);
    for (int c = 0; c < 3; c++) {
      g_assert_true (a[c] >= 0 && a[c] <= 1);
      distance += fabs (a[c] - b[c]);
    }
    g_assert_cmpfloat (distance, >, 0.3);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/draw/colors", test_colors);
  g_test_add_func ("/draw/box", test_box);
  g_test_add_func ("/draw/border", test_border);
  g_test_add_func ("/draw/order", test_order);
  g_test_add_func ("/draw/none", test_none);
  g_test_add_func ("/draw/edges", test_edges);
  g_test_add_func ("/draw/neighbours", test_neighbours);
  return g_test_run ();
}
