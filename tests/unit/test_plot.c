/* Plots of a run's metrics. */
#include "drawing/plot.h"

#include "error.h"
#include "drawing/sheet.h"
#include "data/picture.h"
#include "folder.h"

#include <math.h>
#include <string.h>

static char *folder;

/* Number of pixels within 40 of curve @i's colour. */
static int
count_color (const DefcnPicture *picture, int i)
{
  double rgb[3];
  int n = 0;

  defcn_sheet_color (rgb, i);
  for (int k = 0; k < picture->width * picture->height; k++) {
    const guint8 *p = picture->rgb + 3 * k;

    n += ABS (p[0] - 255 * rgb[0]) < 40 && ABS (p[1] - 255 * rgb[1]) < 40
        && ABS (p[2] - 255 * rgb[2]) < 40;
  }
  return n;
}

/* What a run writes becomes a picture with a curve for every key that is
 * there, and none for the others. */
static void
test_curves (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *png = folder_file (folder, "plot.png");
  g_autoptr (GError) error = NULL;

  for (int i = 1; i <= 200; i++) {
    const double loss = 2 * exp (-i / 60.0) + 0.3 * fabs (sin (i * 7.7));

    g_string_append_printf (text,
        "{\"iteration\":%d,\"loss\":%g,\"loss_cls\":%g,\"lr\":0.1}\n", i * 10,
        loss, loss / 2);
    if (i % 40 == 0)
      g_string_append_printf (text,
          "{\"iteration\":%d,\"ap\":%g,\"class\":\"x\"}\n", i * 10,
          0.4 - 8.0 / i);
  }
  g_autofree char *path =
      folder_write (folder, "m.jsonl", text->str, text->len);
  g_assert_true (defcn_plot_metrics (path, png, &error));
  g_assert_no_error (error);

  g_autoptr (DefcnPicture) picture = defcn_picture_load (png, &error);
  g_assert_no_error (error);
  g_assert_cmpint (picture->width, >=, 600);
  static const gboolean there[] = { TRUE, TRUE, FALSE, FALSE, TRUE, FALSE,
    FALSE, FALSE, TRUE };
  for (gsize i = 0; i < G_N_ELEMENTS (there); i++) {
    const int n = count_color (picture, i);

    if (there[i] ? n < 100 : n > 20)
      g_error ("curve %zu has %d pixels", i, n);
  }
  /* Below the axes there is text alone. */
  for (int k = picture->width * 490; k < picture->width * picture->height; k++)
    g_assert_cmpint (picture->rgb[3 * k], ==, picture->rgb[3 * k + 1]);
}

/* Few numbers, or none, still make a picture. */
static void
test_few (void)
{
  static const char *const cases[] = {
    "",
    "\n\n",
    "{\"iteration\":1}",
    "{\"iteration\":0,\"loss\":0}\n",
    "{\"iteration\":5,\"loss\":1e30,\"ap\":0.5}\r\n",
    "{\"iteration\":5,\"loss\":-1,\"ap\":7,\"ap50\":-1}\n",
    "{\"iteration\":5,\"loss\":null,\"ap\":\"x\"}\n",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        folder_write (folder, "m.jsonl", cases[i], strlen (cases[i]));
    g_autofree char *png = folder_file (folder, "few.png");
    g_autoptr (GError) error = NULL;

    g_remove (png);
    g_assert_true (defcn_plot_metrics (path, png, &error));
    g_assert_no_error (error);
    g_autoptr (DefcnPicture) picture = defcn_picture_load (png, &error);
    g_assert_no_error (error);
  }
}

/* A bad line, a file that is not there and one that cannot be written are
 * named. */
static void
test_refused (void)
{
  static const struct
  {
    const char *text, *want;
  } cases[] = {
    { "{\"iteration\":1}\nloss=3\n", "line 2" },
    { "{\"iteration\":1}\n\n{\"iteration\":2", "line 3" },
    { "[1]\n", "line 1" },
    { "{\"loss\":1}\n", "line 1" },
    { "{\"iteration\":\"1\"}\n", "line 1" },
  };
  g_autofree char *png = folder_file (folder, "bad.png");
  g_autofree char *nowhere = folder_file (folder, "none/a.png");
  g_autofree char *missing = folder_file (folder, "missing.jsonl");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        folder_write (folder, "m.jsonl", cases[i].text, strlen (cases[i].text));
    g_autoptr (GError) error = NULL;

    g_assert_false (defcn_plot_metrics (path, png, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, cases[i].want));
    g_assert_nonnull (strstr (error->message, path));
    g_assert_false (g_file_test (png, G_FILE_TEST_EXISTS));
  }

  g_autoptr (GError) error = NULL;
  g_assert_false (defcn_plot_metrics (missing, png, &error));
  g_assert_nonnull (strstr (error->message, "missing.jsonl"));
  g_clear_error (&error);
  g_autofree char *path = folder_write (folder, "m.jsonl", "", 0);
  g_assert_false (defcn_plot_metrics (path, nowhere, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "none/a.png"));
}

/* The plot's geometry: axes from LEFT to RIGHT and from BOTTOM up to TOP. */
#define LEFT 70
#define RIGHT 830
#define TOP 30
#define BOTTOM 480

static DefcnPicture *
plot (const char *text)
{
  g_autofree char *path = folder_write (folder, "m.jsonl", text, strlen (text));
  g_autofree char *png = folder_file (folder, "plot.png");
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_plot_metrics (path, png, &error));
  g_assert_no_error (error);
  DefcnPicture *picture = defcn_picture_load (png, &error);
  g_assert_no_error (error);
  return picture;
}

/* Mean height of curve @i's solid pixels of column @x, -1: there is none. */
static double
height_at (const DefcnPicture *picture, int i, int x)
{
  double rgb[3], sum = 0;
  int n = 0;

  defcn_sheet_color (rgb, i);
  for (int y = TOP - 5; y < picture->height; y++) {
    const guint8 *p = picture->rgb + 3 * (y * picture->width + x);

    if (ABS (p[0] - 255 * rgb[0]) > 40 || ABS (p[1] - 255 * rgb[1]) > 40
        || ABS (p[2] - 255 * rgb[2]) > 40)
      continue;
    sum += y + 0.5;
    n++;
  }
  return n ? sum / n : -1;
}

/* Where a value of the left axis is drawn. */
static double
height_of (double value, double top)
{
  return BOTTOM + value / top * (TOP - BOTTOM);
}

/* The axes end at a round number; the solid line is the running mean of as many
 * values as there were; the faint one is the values themselves. */
static void
test_places (void)
{
  static const struct
  {
    double value, top;
  } ends[] = { { 1, 1 }, { 1.2, 1.5 }, { 1.8, 2 }, { 2.2, 2.5 }, { 2.7, 3 },
    { 3.9, 4 }, { 4.1, 5 }, { 5.1, 10 }, { 0.012, 0.015 }, { 30, 30 } };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_autofree char *text = g_strdup_printf ("{\"iteration\":0,\"loss\":%g}\n"
                                             "{\"iteration\":50,\"loss\":%g}\n"
                                             "{\"iteration\":80,\"loss\":%g}\n",
        ends[i].value, ends[i].value, ends[i].value);
    g_autoptr (DefcnPicture) picture = plot (text);

    for (int x = LEFT + 3; x < RIGHT - 3; x += 20)
      g_assert_cmpfloat_with_epsilon (height_at (picture, 0, x),
          height_of (ends[i].value, ends[i].top), 1);
  }

  g_autoptr (DefcnPicture) falling = plot ("{\"iteration\":0,\"loss\":1}\n"
                                           "{\"iteration\":80,\"loss\":0}\n");
  g_assert_cmpfloat_with_epsilon (height_at (falling, 0, RIGHT - 3),
      height_of (0.9 / 1.9, 1), 1.5);
  /* faint, in the middle, above nothing but white */
  const guint8 *p = falling->rgb
      + 3 * ((TOP + BOTTOM) / 2 * falling->width + (LEFT + RIGHT) / 2);
  double rgb[3];
  defcn_sheet_color (rgb, 0);
  for (int c = 0; c < 3; c++)
    if (rgb[c] < 0.1) /* what it takes from the ground */
      g_assert_cmpint (MIN (p[c], MIN (p[c - 3], p[c + 3])), <, 225);
}

/* AP has the right axis, whatever the losses, and marks; what is there has its
 * place in the legend, one after another.  A low AP fills its axis too. */
static void
test_right (void)
{
  g_autoptr (DefcnPicture) picture =
      plot ("{\"iteration\":0,\"loss\":6,\"ap\":0.25,\"loss_box\":null}\n"
            "{\"iteration\":200,\"loss\":6,\"ap\":0.25,\"ap50\":9}\n"
            "{\"iteration\":400,\"ap\":0.75,\"ap50\":9}\n");
  static const int legend[] = { 0, -1, -1, -1, 1, 2 };
  const int middle = (LEFT + RIGHT) / 2;

  g_assert_cmpfloat_with_epsilon (height_at (picture, 4, LEFT + 190),
      height_of (0.25, 1), 1.5);
  g_assert_cmpfloat_with_epsilon (height_at (picture, 4, RIGHT - 190),
      height_of (0.5, 1), 1.5);
  g_assert_cmpfloat_with_epsilon (height_at (picture, 5, RIGHT - 100), TOP,
      1.5); /* cut off */
  g_assert_cmpfloat_with_epsilon (height_at (picture, 0, LEFT + 100),
      height_of (6, 10), 1);
  g_assert_cmpfloat (height_at (picture, 0, middle + 10), <, 0);
  for (int i = 0; i < 6; i++) {
    double rgb[3];

    defcn_sheet_color (rgb, i);
    for (int k = 0; legend[i] >= 0 && k < 3; k++) {
      const int x = LEFT + 60 + 76 * legend[i] + 3 + 8 * k;
      const guint8 *p = picture->rgb + 3 * ((TOP - 14) * picture->width + x);

      for (int c = 0; c < 3; c++)
        g_assert_cmpint (ABS (p[c] - (int) (255 * rgb[c])), <=, 2);
    }
  }
}

/* The right axis ends at a round number over its largest value; all boxes have
 * a curve of their own, the rate goes from its largest value down. */
static void
test_low (void)
{
  g_autoptr (DefcnPicture) picture = plot (
      "{\"iteration\":0,\"ap\":0.018,\"no_nms\":{\"ap50\":0.01},\"lr\":0.004}\n"
      "{\"iteration\":400,\"ap\":0.018,\"no_nms\":{\"ap50\":0.01},\"lr\":0}\n");

  g_assert_cmpfloat_with_epsilon (height_at (picture, 4, LEFT + 190),
      height_of (0.018, 0.02), 1.5);
  g_assert_cmpfloat_with_epsilon (height_at (picture, 6, LEFT + 190),
      height_of (0.01, 0.02), 1.5);
  g_assert_cmpfloat_with_epsilon (height_at (picture, 8, LEFT + 190),
      height_of (0.75, 1), 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plot/curves", test_curves);
  g_test_add_func ("/plot/few", test_few);
  g_test_add_func ("/plot/refused", test_refused);
  g_test_add_func ("/plot/places", test_places);
  g_test_add_func ("/plot/right", test_right);
  g_test_add_func ("/plot/low", test_low);
  folder = folder_new ();
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
