/* Zones and lines as users write them, and what is wrong with them. */
#include <math.h>
#include <string.h>

#include "rig.h"
#include "zones/config.h"
#include "zones/text.h"

static const GstDefcnLayoutOptions defaults = { .hysteresis = 0.5,
  .min_time = 7 };

static const GstDefcnLayoutPlace *
place (const GArray *layout, guint i)
{
  g_assert_cmpuint (i, <, layout->len);
  return &g_array_index (layout, GstDefcnLayoutPlace, i);
}

static void
assert_place (const GstDefcnLayoutPlace *p, const char *name, gboolean is_line,
    guint n, double last_x, double last_y)
{
  GstDefcnPoint last;

  g_assert_cmpstr (g_quark_to_string (p->name), ==, name);
  g_assert_cmpint (p->is_line, ==, is_line);
  g_assert_cmpuint (p->points->len, ==, n);
  last = g_array_index (p->points, GstDefcnPoint, n - 1);
  g_assert_true (last.x == last_x && last.y == last_y);
}

static void
assert_options (const GstDefcnLayoutOptions *o, int width, int height,
    GstDefcnAnchor anchor, double hysteresis, guint min_time, guint loitering,
    const char *labels)
{
  g_autoptr (GString) all = g_string_new (NULL);

  g_assert_cmpint (o->width, ==, width);
  g_assert_cmpint (o->height, ==, height);
  g_assert_cmpint (o->anchor, ==, anchor);
  g_assert_true (o->hysteresis == hysteresis);
  g_assert_cmpuint (o->min_time, ==, min_time);
  g_assert_cmpuint (o->loitering, ==, loitering);
  for (guint i = 0; o->labels && i < o->labels->len; i++)
    g_string_append_printf (all, "%s|",
        g_quark_to_string (g_array_index (o->labels, GQuark, i)));
  g_assert_cmpstr (all->str, ==, labels);
}

/* All that the short form has. */
static void
test_text (void)
{
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  g_autoptr (GError) error = NULL;

  gst_defcn_text_parse (layout,
      " the door :line 0.1,0.5 0.9,0.25 ;;\n"
      "hof \xc3\xbc: polygon 0,0 1,0  1,1\tclasses=traffic\\ light,a\\,b "
      "min-time=0 loitering=10000 anchor=centre hysteresis=1 "
      "resolution=1280x720\r\nc: polygon 0,0 640,0 640,480 0,480.5;",
      &defaults, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (layout->len, ==, 3);
  assert_place (place (layout, 0), "the door", TRUE, 2, 0.9, 0.25);
  assert_options (&place (layout, 0)->options, 0, 0, GST_DEFCN_ANCHOR_FEET, 0.5,
      7, 0, "");
  assert_place (place (layout, 1), "hof \xc3\xbc", FALSE, 3, 1, 1);
  assert_options (&place (layout, 1)->options, 1280, 720,
      GST_DEFCN_ANCHOR_CENTRE, 1, 0, 10000, "traffic light|a,b|");
  g_assert_false (place (layout, 1)->in_pixels);
  assert_place (place (layout, 2), "c", FALSE, 4, 0, 480.5);
  g_assert_true (place (layout, 2)->in_pixels);
}

/* All that a file has: what holds for all, before or behind them. */
static void
test_config (void)
{
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  g_autoptr (GError) error = NULL;

  gst_defcn_config_parse (layout,
      "\xef\xbb\xbf{\"classes\": [\"car\"], \"zones\": [{\"name\": \"yard\", "
      "\"points\": [[0, 0], [1280, 0], [1e3, 720]]}, {\"points\": [[0, 0.5], "
      "[1, 0], [0.5, 1]], \"name\": \"b\", \"classes\": [], \"anchor\": "
      "\"head\", \"loitering\": 5}], \"lines\": [{\"name\": \"door\", "
      "\"points\": [[0.1, 0.5], [0.9, 0.5]], \"hysteresis\": 0.1, "
      "\"classes\": [\"a, b\", \"c\"]}], \"resolution\": \"1280x720\", "
      "\"min-time\": 3, \"anchor\": \"left\"}\n",
      "c.json", &defaults, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (layout->len, ==, 3);
  assert_place (place (layout, 0), "yard", FALSE, 3, 1000, 720);
  assert_options (&place (layout, 0)->options, 1280, 720, GST_DEFCN_ANCHOR_LEFT,
      0.5, 3, 0, "car|");
  assert_place (place (layout, 1), "b", FALSE, 3, 0.5, 1);
  assert_options (&place (layout, 1)->options, 1280, 720, GST_DEFCN_ANCHOR_HEAD,
      0.5, 3, 5, "");
  assert_place (place (layout, 2), "door", TRUE, 2, 0.9, 0.5);
  assert_options (&place (layout, 2)->options, 1280, 720, GST_DEFCN_ANCHOR_LEFT,
      0.1, 3, 0, "a, b|c|");
}

/* Nothing is nothing. */
static void
test_empty (void)
{
  static const char *texts[] = { "", " ", ";", "\n ; \n" };
  static const char *files[] = { "{}", "{\"zones\": [], \"lines\": []}" };
  g_autoptr (GArray) layout = gst_defcn_layout_new ();

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_true (gst_defcn_text_parse (layout, texts[i], &defaults, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    g_assert_true (
        gst_defcn_config_parse (layout, files[i], "f", &defaults, NULL));
  g_assert_cmpuint (layout->len, ==, 0);
}

/* What is refused, and what the message names. */
static void
test_refused (void)
{
  static const struct
  {
    const char *text, *message;
  } cases[] = {
    { "door", "\"door\" is no place" },
    { "a: line 0,0 1,1; door", "\"door\" is no place" },
    { "a:", "\"a\" is \"\", wanted is polygon or line" },
    { "a: circle 0,0 1,1", "\"a\" is \"circle\"" },
    { ": line 0,0 1,1", "no name" },
    { "a: line 0,0 1,1; a: line 0,0 1,0", "\"a\" is there twice" },
    { "a\x01: line 0,0 1,1", "control character" },
    { "\xff: line 0,0 1,1", "no UTF-8" },
    { "a: line 0,0", "\"a\": a line has two points, not 1" },
    { "a: line 0,0 1,1 0,1", "a line has two points, not 3" },
    { "a: line 0.5,0.5 0.5,0.5", "\"a\": the line has no length" },
    { "a: polygon 0,0 1,1",
        "\"a\": a polygon has three points or more, not 2" },
    { "a: polygon", "three points or more, not 0" },
    { "a: polygon 0,0 0.5,0.5 1,1 0.2,0.2",
        "\"a\": all points of the polygon "
        "are on one line" },
    { "a: polygon 0,0 0,0 0,0", "on one line" },
    { "a: line 0,0 nan,1", "point nan,1 is no number" },
    { "a: line 0,0 inf,1", "is no number" },
    { "a: line 0,0 0.5,-0.1", "point 0.5,-0.1 is outside of the picture" },
    { "a: line 0.1,0.5 1.1,0.5", "point 0.1,0.5 is neither whole pixels" },
    { "a: line 0,5 641,5 resolution=640x480", "point 641,5 is outside" },
    { "a: line 0,5 5,481 resolution=640x480", "point 5,481 is outside" },
    { "a: line 0,0 1", "\"a\": \"1\" is neither a point" },
    { "a: line 0,0 1,1,1", "\"1,1,1\" is neither a point" },
    { "a: line 0,0 1,", "\"1,\" is neither a point" },
    { "a: line 0,0 1,1 colour=red", "\"a\": there is no option \"colour\"" },
    { "a: line 0,0 1,1 anchor=foot",
        "\"a\": anchor is \"foot\", wanted is feet" },
    { "a: line 0,0 1,1 hysteresis=2", "hysteresis is \"2\"" },
    { "a: line 0,0 1,1 hysteresis=nan", "hysteresis is \"nan\"" },
    { "a: line 0,0 1,1 hysteresis=", "hysteresis is \"\"" },
    { "a: line 0,0 1,1 min-time=-1", "min-time is \"-1\"" },
    { "a: line 0,0 1,1 min-time=1s", "min-time is \"1s\"" },
    { "a: line 0,0 1,1 loitering=99999999999", "loitering is" },
    { "a: line 0,0 1,1 resolution=640", "resolution is \"640\"" },
    { "a: line 0,0 1,1 resolution=0x480", "resolution is" },
    { "a: line 0,0 1,1 resolution=640x480x", "resolution is" },
    { "a: line 0,0 1,1 resolution=640x-480", "resolution is" },
    { "a: line 0,0 1,1 classes=a,,b", "a class has no name" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) layout = gst_defcn_layout_new ();
    g_autoptr (GError) error = NULL;
    g_autofree char *shown = g_strescape (cases[i].text, NULL);

    g_test_message ("%s", shown);
    g_assert_false (
        gst_defcn_text_parse (layout, cases[i].text, &defaults, &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].message));
  }
}

/* The same of files. */
static void
test_refused_files (void)
{
  static const struct
  {
    const char *text, *message;
  } cases[] = {
    { "", "f.json: no JSON, line 1" },
    { "{\n\"zones\": [\n}", "f.json: no JSON, line 3" },
    { "{} {}", "no JSON" },
    { "[]", "f.json: no JSON object" },
    { "{\"zones\": {}}", "\"zones\" is no array" },
    { "{\"areas\": []}", "\"areas\" is neither" },
    { "{\"zone\": \"a\"}", "there is no option \"zone\"" },
    { "{\"zones\": [3]}", "one of the zones has no \"name\"" },
    { "{\"lines\": [{\"name\": 3}]}", "one of the lines has no \"name\"" },
    { "{\"lines\": [{\"name\": \"a\"}]}",
        "f.json: \"a\": a line has two "
        "points, not 0" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": 3}]}",
        "\"a\": points are no array" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, 0], [1]]}]}",
        "points are no array of pairs" },
    { "{\"lines\": [{\"name\": \"a\", \"points\": [[0, 0], [1, \"1\"]]}]}",
        "points are no array of pairs" },
    { "{\"zones\": [{\"name\": \"a\", \"classes\": \"car\"}]}",
        "\"a\": classes are no array" },
    { "{\"zones\": [{\"name\": \"a\", \"classes\": [3]}]}",
        "\"a\": classes are no array" },
    { "{\"zones\": [{\"name\": \"a\", \"anchor\": null}]}",
        "\"anchor\" is neither a number nor a string" },
    { "{\"zones\": [{\"name\": \"a\", \"min-time\": 0.5}]}",
        "min-time is \"0.5\"" },
    { "{\"zones\": [{\"name\": \"a\", \"points\": [[0, 0], [1, 0], [1, 1]]}], "
      "\"lines\": [{\"name\": \"a\", \"points\": [[0, 0], [1, 0]]}]}",
        "\"a\" is there twice" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) layout = gst_defcn_layout_new ();
    g_autoptr (GError) error = NULL;
    g_autofree char *shown = g_strescape (cases[i].text, NULL);

    g_test_message ("%s", shown);
    g_assert_false (gst_defcn_config_parse (layout, cases[i].text, "f.json",
        &defaults, &error));
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].message));
  }
}

/* As many as there may be, and one more. */
static void
test_limits (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *name = g_strnfill (GST_DEFCN_MAX_LABEL, 'n');
  g_autofree char *longest = g_strconcat (name, ": line 0,0 1,1", NULL);
  g_autofree char *longer = g_strconcat ("n", longest, NULL);
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (gst_defcn_text_parse (layout, longest, &defaults, NULL));
  g_assert_false (gst_defcn_text_parse (layout, longer, &defaults, NULL));
  for (int i = 1; i < GST_DEFCN_LAYOUT_MAX_PLACES; i++)
    g_string_append_printf (text, "%d: line 0,0 1,1;", i);
  g_assert_true (gst_defcn_text_parse (layout, text->str, &defaults, NULL));
  g_assert_false (
      gst_defcn_text_parse (layout, "one: line 0,0 1,1", &defaults, &error));
  g_assert_nonnull (strstr (error->message, "more than 4096 places"));

  g_array_set_size (layout, 0);
  g_string_assign (text, "a: polygon 0,0 1,0");
  for (int i = 2; i < GST_DEFCN_LAYOUT_MAX_POINTS; i++)
    g_string_append (text, " 0.5,0.5");
  g_assert_true (gst_defcn_text_parse (layout, text->str, &defaults, NULL));
  g_string_append (text, " 1,1");
  *text->str = 'b';
  g_assert_false (gst_defcn_text_parse (layout, text->str, &defaults, NULL));
}

/* A star of five points that crosses itself is outside in its middle, and a
 * hollow one where it is open. */
static void
test_shapes (void)
{
  GstDefcnPoint star[5];
  static const GstDefcnPoint hollow[] = { { 0, 0 }, { 1, 0 }, { 1, 1 },
    { 0.9, 1 }, { 0.9, 0.1 }, { 0.1, 0.1 }, { 0.1, 1 }, { 0, 1 } };

  for (int i = 0; i < 5; i++)
    star[i] = (GstDefcnPoint){ 0.5 + 0.5 * sin (i * 4 * G_PI / 5),
      0.5 - 0.5 * cos (i * 4 * G_PI / 5) };
  g_assert_false (gst_defcn_shape_holds (star, 5, (GstDefcnPoint){ 0.5, 0.5 }));
  g_assert_true (gst_defcn_shape_holds (star, 5, (GstDefcnPoint){ 0.5, 0.1 }));
  g_assert_false (gst_defcn_shape_holds (star, 5, (GstDefcnPoint){ 0.1, 0.1 }));
  for (int x = 0; x <= 10; x++)
    for (int y = 0; y <= 10; y++)
      g_assert_cmpint (gst_defcn_shape_holds (hollow, 8,
                           (GstDefcnPoint){ x / 10.0, y / 10.0 }),
          ==, x <= 1 || x >= 9 || y <= 1);
  g_assert_true (
      gst_defcn_shape_border (hollow, 8, (GstDefcnPoint){ 0.5, 0.6 }, 1)
      == 0.4);
  g_assert_true (
      ABS (gst_defcn_shape_border (hollow, 8, (GstDefcnPoint){ 0.5, 0.7 }, 0.5)
          - 0.2)
      < 1e-12);
}

/* To the nearest point between the ends, in heights of the picture. */
static void
test_distance (void)
{
  static const GstDefcnPoint a = { 0.25, 0.5 }, b = { 0.75, 0.5 };
  static const struct
  {
    GstDefcnPoint p;
    double aspect, distance;
  } cases[] = {
    { { 0.5, 0.75 }, 1, 0.25 },
    { { 0.5, 0.25 }, 2, 0.25 },
    { { 0, 0.5 }, 1, 0.25 },
    { { 1, 0.5 }, 2, 0.5 },
    { { 0.25, 0.5 }, 1, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_true (gst_defcn_shape_distance (a, b, cases[i].p, cases[i].aspect)
        == cases[i].distance);
  g_assert_true (gst_defcn_shape_distance (a, a, b, 1) == 0.5);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/layout/text", test_text);
  g_test_add_func ("/layout/config", test_config);
  g_test_add_func ("/layout/empty", test_empty);
  g_test_add_func ("/layout/refused", test_refused);
  g_test_add_func ("/layout/refused-files", test_refused_files);
  g_test_add_func ("/layout/limits", test_limits);
  g_test_add_func ("/layout/shapes", test_shapes);
  g_test_add_func ("/layout/distance", test_distance);
  return rig_run ();
}
