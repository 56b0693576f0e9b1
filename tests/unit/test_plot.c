/* Plots of a run's metrics, and boxes drawn on pictures. */
#include "drawing/plot.h"

#include "error.h"
#include "drawing/draw.h"
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

  defcn_draw_color (rgb, i);
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
  static const gboolean there[] = { TRUE, TRUE, FALSE, FALSE, TRUE, FALSE };
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

/* A box is drawn around its edges in its class's colour; the rest of the
 * picture, away from its label, stays as it was. */
static void
test_boxes (void)
{
  static const char *const labels[] = { "one", "two" };
  const DefcnBox boxes[] = { { 20, 40, 100, 90, 0.9f, 1 },
    { -50, -50, 400, 400, 0.5f, 0 } };
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (DefcnPicture) picture = defcn_picture_new (150, 120);
  double rgb[3];

  memset (picture->rgb, 77, 150 * 120 * 3);
  g_array_append_vals (array, boxes, 2);
  defcn_draw_boxes (picture, array, labels);
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
test_colors (void)
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
  g_test_add_func ("/plot/curves", test_curves);
  g_test_add_func ("/plot/few", test_few);
  g_test_add_func ("/plot/refused", test_refused);
  g_test_add_func ("/draw/boxes", test_boxes);
  g_test_add_func ("/draw/colors", test_colors);
  folder = folder_new ();
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
