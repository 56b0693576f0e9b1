/* What the properties of defcnoverlay draw, in frames on their way through it.
 */
#include "overlay_rig.h"

#include <string.h>

#include "overlay/text.h"
#include "scene.h"

#define W 320
#define H 240

typedef struct
{
  GstHarness *h;
  GstElement *overlay;
  GstBus *bus;
  guint n; /* frames so far */
} Rig;

static void
set_up (Rig *rig, const char *properties, const char *format)
{
  *rig = (Rig){ overlay_rig_harness (properties, format, W, H) };
  rig->overlay = gst_harness_find_element (rig->h, "defcnoverlay");
  rig->bus = gst_bus_new ();
  gst_element_set_bus (rig->overlay, rig->bus);
}

static void
tear_down (Rig *rig)
{
  gst_element_set_bus (rig->overlay, NULL);
  gst_object_unref (rig->bus);
  gst_object_unref (rig->overlay);
  gst_harness_teardown (rig->h);
}

/* A frame every 100 ms. */
static GstBuffer *
frame_of (Rig *rig, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark)
{
  GstVideoInfo info;
  GstBuffer *buffer;

  overlay_rig_info (&info, rig->h);
  buffer = overlay_rig_frame (&info, FALSE);
  GST_BUFFER_PTS (buffer) = rig->n++ * 100 * GST_MSECOND;
  if (mark)
    overlay_rig_attach (buffer, objects, n, mark, info.width, info.height);
  return buffer;
}

static GstBuffer *
draw (Rig *rig, GstVideoFrame *frame, const GstDefcnObject *objects, guint n)
{
  return overlay_rig_draw_frame (frame, rig->h,
      frame_of (rig, objects, n, &overlay_rig_looked));
}

static void
done (GstVideoFrame *frame, GstBuffer *buffer)
{
  gst_video_frame_unmap (frame);
  gst_buffer_unref (buffer);
}

/* How many columns from @x on of row @y are drawn. */
static int
drawn_width (GstVideoFrame *frame, int x, int y)
{
  int n = 0;

  while (x + n < GST_VIDEO_FRAME_WIDTH (frame)
      && overlay_rig_drawn (frame, x + n, y))
    n++;
  return n;
}

static guint
count_drawn (GstVideoFrame *frame)
{
  guint n = 0;

  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    for (int x = 0; x < GST_VIDEO_FRAME_WIDTH (frame); x++)
      n += overlay_rig_drawn (frame, x, y);
  return n;
}

static guint32
color_at (GstVideoFrame *frame, int x, int y)
{
  return (guint32) overlay_rig_sample (frame, 0, x, y) << 16
      | overlay_rig_sample (frame, 1, x, y) << 8
      | overlay_rig_sample (frame, 2, x, y);
}

static void
assert_warning (Rig *rig, const char *word)
{
  g_autoptr (GstMessage) message =
      gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, word));
}

static void
assert_no_warning (Rig *rig)
{
  g_assert_null (gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING));
}

/* A label says what label-format does, from the next frame on; what is none is
 * refused with a warning and the old one goes on, and reads back. */
static void
test_label_format (void)
{
  static const struct
  {
    const char *format;
    int characters; /* of the label then */
    const char *warning;
  } cases[] = {
    { "{label} {confidence} #{id} {age}s", 17, NULL },
    { "{name}", 17, "\"name\"" },
    { "{label", 17, "closing" },
    { "\xff", 17, "UTF-8" },
    { "{label}", 6, NULL },
    { "{detector}", 0, NULL },
    { "", 0, NULL },
    { NULL, 14, NULL },
  };
  GstDefcnObject o = overlay_rig_object (10, 100, 60, 160, W, H, "person");
  Rig rig;

  o.track = (GstDefcnObjectTrack){ 7, g_quark_from_string ("new"),
    .age = 9 * GST_SECOND };
  set_up (&rig, "color=0xffffff", "GRAY8");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *set = NULL, *before = NULL;
    GstVideoFrame frame;
    GstBuffer *buffer;
    const int n = cases[i].characters;

    g_object_get (rig.overlay, "label-format", &before, NULL);
    g_object_set (rig.overlay, "label-format", cases[i].format, NULL);
    g_object_get (rig.overlay, "label-format", &set, NULL);
    g_assert_cmpstr (set, ==, cases[i].warning ? before : cases[i].format);
    if (cases[i].warning)
      assert_warning (&rig, cases[i].warning);
    assert_no_warning (&rig);
    buffer = draw (&rig, &frame, &o, 1);
    g_assert_cmpint (drawn_width (&frame, 10, 91), ==, n ? 6 * n + 1 : 0);
    done (&frame, buffer);
  }
  tear_down (&rig);
}

/* What says nothing is an error when the element starts, which names it, and
 * the element starts once it is mended. */
static void
test_refused_start (void)
{
  static const char *const cases[][3] = {
    { "label-format", "{id", "{id}" },
    { "class-colors", "person=red", "person=0xff0000" },
    { "font", "\xff", "Sans" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstElement) overlay =
        gst_object_ref_sink (gst_element_factory_make ("defcnoverlay", NULL));
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    gst_element_set_bus (overlay, bus);
    g_object_set (overlay, cases[i][0], cases[i][1], NULL);
    g_assert_cmpint (gst_element_set_state (overlay, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_true (g_str_has_prefix (error->message, cases[i][0]));
    gst_element_set_state (overlay, GST_STATE_NULL);
    g_object_set (overlay, cases[i][0], cases[i][2], NULL);
    g_assert_cmpint (gst_element_set_state (overlay, GST_STATE_PAUSED), !=,
        GST_STATE_CHANGE_FAILURE);
    gst_element_set_state (overlay, GST_STATE_NULL);
    gst_element_set_bus (overlay, NULL);
  }
}

/* Classes have the colours that class-colors says, others one by their id if
 * they shall; color goes before both. */
static void
test_colors (void)
{
  GstDefcnObject two[] = {
    overlay_rig_object (10, 100, 60, 160, W, H, "person"),
    overlay_rig_object (100, 100, 160, 160, W, H, "dog"),
  };
  GstVideoFrame frame;
  GstBuffer *buffer;
  guint32 dog[3];
  Rig rig;

  set_up (&rig, "show-labels=false class-colors=\"person=0x123456\"", "RGB");
  two[1].track.id = 1;
  for (guint i = 0; i < 3; i++) { /* by class, and by two ids */
    if (i == 1)
      gst_util_set_object_arg (G_OBJECT (rig.overlay), "color-by", "id");
    two[1].track.id = i == 2 ? 2 : 1;
    buffer = draw (&rig, &frame, two, 2);
    g_assert_cmphex (color_at (&frame, 10, 100), ==, 0x123456);
    dog[i] = color_at (&frame, 100, 100);
    done (&frame, buffer);
  }
  g_assert_cmphex (dog[0], !=, dog[1]);
  g_assert_cmphex (dog[1], !=, dog[2]);

  g_object_set (rig.overlay, "class-colors", "dog", NULL);
  assert_warning (&rig, "\"dog\"");
  g_object_set (rig.overlay, "class-colors", "dog=#654321", NULL);
  buffer = draw (&rig, &frame, two, 2);
  g_assert_cmphex (color_at (&frame, 100, 100), ==, 0x654321);
  g_assert_cmphex (color_at (&frame, 10, 100), ==, 0xb0b0b0); /* no id */
  done (&frame, buffer);
  g_object_set (rig.overlay, "color", 0xabcdef, NULL);
  buffer = draw (&rig, &frame, two, 2);
  g_assert_cmphex (color_at (&frame, 100, 100), ==, 0xabcdef);
  g_assert_cmphex (color_at (&frame, 10, 100), ==, 0xabcdef);
  done (&frame, buffer);
  assert_no_warning (&rig);
  tear_down (&rig);
}

static int
strip_height (GstVideoFrame *frame, int x, int bottom)
{
  int n = 0;

  while (n < bottom && overlay_rig_drawn (frame, x, bottom - 1 - n))
    n++;
  return n;
}

/* Labels are as high as font-size says, in either font; a font that the plugin
 * cannot have is told of. */
static void
test_font (void)
{
  const GstDefcnObject o =
      overlay_rig_object (10, 200, 60, 230, W, H, "person");
  GstVideoFrame frame;
  GstBuffer *buffer;
  Rig rig;

  set_up (&rig, "color=0xffffff", "GRAY8");
  for (guint dots = 1; dots < 4; dots++) {
    g_object_set (rig.overlay, "font-size", 9 * dots, NULL);
    buffer = draw (&rig, &frame, &o, 1);
    g_assert_cmpint (strip_height (&frame, 10, 200), ==, 9 * dots);
    done (&frame, buffer);
  }
  g_object_set (rig.overlay, "font", "Sans", NULL);
  if (!gst_defcn_text_has_pango ()) {
    assert_warning (&rig, "without Pango");
  } else {
    for (int size = 10; size < 100; size *= 2) {
      g_object_set (rig.overlay, "font-size", size, NULL);
      buffer = draw (&rig, &frame, &o, 1);
      g_assert_cmpint (strip_height (&frame, 10, 200), >=, size);
      g_assert_cmpint (strip_height (&frame, 10, 200), <, size * 2);
      done (&frame, buffer);
    }
  }
  assert_no_warning (&rig);
  tear_down (&rig);
}

/* Labels of any script, the longest one, and one of markup, in formats of bytes
 * and others, tight and padded: text is on samples of the frame alone. */
static void
test_labels (void)
{
  static const char *const formats[] = { "I420", "NV12", "YUY2", "RGB", "RGBA",
    "GRAY8" };
  char longest[256] = { 0 };
  const char *labels[] = { longest, "<b>bold</b> &amp; %s",
    "\xd9\x83\xd9\x84\xd8\xa8", "\xe8\xa1\x8c\xe4\xba\xba" };

  memset (longest, 'M', 255);
  for (guint i = 0; i < G_N_ELEMENTS (formats) * G_N_ELEMENTS (labels); i++) {
    const GstDefcnObject o = overlay_rig_object (200, 100, 240, 160, W, H,
        labels[i % G_N_ELEMENTS (labels)]);
    g_autoptr (GstBuffer) buffer = NULL;
    GstVideoInfo info;
    GstVideoFrame frame;
    Rig rig;

    set_up (&rig, "", formats[i / G_N_ELEMENTS (labels)]);
    g_object_set (rig.overlay, "font", NULL, NULL);
    overlay_rig_info (&info, rig.h);
    buffer = overlay_rig_frame (&info, TRUE);
    overlay_rig_attach (buffer, &o, 1, &overlay_rig_looked, W, H);
    buffer = overlay_rig_draw_frame (&frame, rig.h, buffer);
    g_assert_cmpuint (count_drawn (&frame), >, 300);
    overlay_rig_assert_padding (&frame);
    gst_video_frame_unmap (&frame);
    assert_no_warning (&rig);
    tear_down (&rig);
  }
}

/* In a frame that is cut out of a larger one nothing that is drawn leaves the
 * picture: labels, trails, zones, redaction. */
static void
test_crop (void)
{
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  GstDefcnScenePlace place = { g_quark_from_string ("yard"),
    .points = g_array_new (FALSE, FALSE, sizeof (double)),
    .classes = g_array_new (FALSE, FALSE, sizeof (GstDefcnSceneCount)) };
  static const double corners[] = { 0, 0, 1, 0, 1, 1, 0, 1 };
  GstDefcnObject o = overlay_rig_object (0, 100, 40, 240, W, H, "person");
  GstVideoFrame frame;
  GstVideoInfo info;
  Rig rig;

  g_array_append_vals (place.points, corners, G_N_ELEMENTS (corners));
  g_array_append_val (places, place);
  o.track.id = 1;
  set_up (&rig, "trails=5 redact=person", "GRAY8");
  g_object_set (rig.overlay, "font", NULL, NULL);
  for (int i = 0; i < 2; i++) {
    GstVideoCropMeta *crop;

    g_clear_pointer (&buffer, gst_buffer_unref);
    buffer = gst_buffer_new_allocate (NULL, (W + 40) * (H + 40), NULL);
    gst_buffer_memset (buffer, 0, 77, (W + 40) * (H + 40));
    GST_BUFFER_PTS (buffer) = i * GST_SECOND;
    crop = gst_buffer_add_video_crop_meta (buffer);
    crop->x = 30;
    crop->y = 20;
    crop->width = W;
    crop->height = H;
    gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_GRAY8, W + 40,
        H + 40);
    o.x_min += 0.3 * i;
    o.x_max += 0.3 * i;
    overlay_rig_attach (buffer, &o, 1, &overlay_rig_looked, W, H);
    gst_defcn_scene_attach (buffer, places, NULL);
    buffer = gst_harness_push_and_pull (rig.h, buffer);
  }
  overlay_rig_info (&info, rig.h);
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  for (int y = 0; y < H + 40; y++)
    for (int x = 0; x < W + 40; x++)
      if (x < 30 || x >= 30 + W || y < 20 || y >= 20 + H)
        g_assert_false (overlay_rig_drawn (&frame, x, y));
  for (int x = 30; x < 30 + W; x++)
    g_assert_true (overlay_rig_drawn (&frame, x, 20)); /* the zone */
  gst_video_frame_unmap (&frame);
  tear_down (&rig);
}

/* Drawn pixels of row @y from @from to before @to. */
static int
row (GstVideoFrame *frame, int y, int from, int to)
{
  int n = 0;

  for (int x = from; x < to; x++)
    n += overlay_rig_drawn (frame, x, y);
  return n;
}

typedef enum
{
  GO_ON,
  FLUSH,
  NEW_STREAM,
  HIDE,
  ANOTHER_SIZE,
  NO_TRAILS,
  RESTART,
} Change;

/* A trail goes on through another size and ends with a flush, a stream, its
 * class hidden, a restart, and without the property; after the object it stays
 * until its time is over, and then frames pass untouched again. */
static void
test_trails (void)
{
  for (Change change = GO_ON; change <= RESTART; change++) {
    const gboolean goes_on = change == GO_ON || change == ANOTHER_SIZE;
    GstDefcnObject o = overlay_rig_object (10, 20, 30, 121, W, H, "person");
    const int scale = change == ANOTHER_SIZE ? 2 : 1;
    GstVideoFrame frame;
    GstBuffer *buffer, *in;
    Rig rig;

    g_test_message ("%d", change);
    set_up (&rig, "show-labels=false trails=1", "GRAY8");
    rig_push_segment (rig.h);
    o.track.id = 3;
    for (int i = 0; i < 3; i++) {
      buffer = draw (&rig, &frame, &o, 1);
      done (&frame, buffer);
      o.x_min += 50.0 / W;
      o.x_max += 50.0 / W;
    }
    if (change == FLUSH)
      rig_flush (rig.h);
    if (change == NEW_STREAM)
      gst_harness_push_event (rig.h, gst_event_new_stream_start ("other"));
    if (change == NEW_STREAM)
      rig_push_segment (rig.h);
    if (change == HIDE)
      g_object_set (rig.overlay, "hide-labels", "car", NULL);
    if (change == ANOTHER_SIZE)
      gst_harness_set_src_caps_str (rig.h,
          "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1");
    if (change == NO_TRAILS)
      g_object_set (rig.overlay, "trails", 0.0f, NULL);
    if (change == RESTART) {
      gst_element_set_state (rig.h->element, GST_STATE_NULL);
      gst_element_set_state (rig.h->element, GST_STATE_PLAYING);
      gst_harness_play (rig.h);
    }
    buffer = draw (&rig, &frame, NULL, 0);
    /* From 20 to 120 at the lower edges; 77 where nothing is. */
    g_assert_cmpint (row (&frame, 120 * scale, 20 * scale, 118 * scale), ==,
        goes_on ? 98 * scale : 0);
    g_assert_cmpint (row (&frame, 120 * scale, 124 * scale, W * scale), ==, 0);
    done (&frame, buffer);
    rig.n += 10;
    in = frame_of (&rig, NULL, 0, &overlay_rig_looked);
    gst_buffer_ref (in); /* who would draw on it had to copy it */
    buffer = gst_harness_push_and_pull (rig.h, in);
    g_assert_true (buffer == in);
    gst_buffer_unref (in);
    gst_buffer_unref (buffer);
    tear_down (&rig);
  }
}

static void
add_place (GArray *places, const char *name, gboolean is_line,
    const double *points, guint n)
{
  GstDefcnScenePlace place = { g_quark_from_string (name), is_line,
    g_array_new (FALSE, FALSE, sizeof (double)),
    .all = { .occupancy = 12, .forward = 3, .backward = 4 },
    .classes = g_array_new (FALSE, FALSE, sizeof (GstDefcnSceneCount)) };

  g_array_append_vals (place.points, points, 2 * n);
  g_array_append_val (places, place);
}

#define PLACE_COLOR 0x00e5ff

/* The name and the counts of a place on a strip that begins at @x, @y. */
static void
assert_count (GstVideoFrame *frame, int x, int y, const char *text)
{
  GstVideoInfo info;
  GstVideoFrame wanted;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstDefcnText) dots = gst_defcn_text_new ("dots", 10, W);
  const GstDefcnRun *run = gst_defcn_text_run (dots, text);
  GstDefcnCanvas canvas;
  GstDefcnPaint back, ink;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
  buffer = overlay_rig_frame (&info, FALSE);
  g_assert_true (
      gst_video_frame_map (&wanted, &info, buffer, GST_MAP_READWRITE));
  gst_defcn_paint_init (&back, &info, PLACE_COLOR);
  gst_defcn_paint_init (&ink, &info, 0);
  gst_defcn_canvas_begin (&canvas, &wanted, NULL);
  gst_defcn_paint_rect (&canvas, &back, x, y, run->advance + 1, 9);
  gst_defcn_paint_mask (&canvas, &ink, x + 1, y + 1, &run->mask);
  gst_defcn_canvas_end (&canvas);
  for (int row_at = y; row_at < y + 9; row_at++)
    for (int column = x; column < x + run->advance + 1; column++)
      g_assert_cmphex (color_at (frame, column, row_at), ==,
          color_at (&wanted, column, row_at));
  gst_video_frame_unmap (&wanted);
}

/* A zone has its outline, its name and who is in it; a line an arrow to the
 * side that is forward and both its counts; without objects too.
 * show-zones=false leaves frames alone. */
static void
test_zones (void)
{
  static const double yard[] = { 0.25, 0.25, 0.75, 0.25, 0.75, 0.5, 0.25, 0.5 };
  static const double door[] = { 0.1, 0.75, 0.9, 0.75 };
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  GstVideoFrame frame;
  GstBuffer *buffer, *in;
  const int x1 = 80, x2 = 239, y1 = 60, y2 = 120, line = 179; /* rounded */
  Rig rig;

  add_place (places, "yard", FALSE, yard, 4);
  add_place (places, "door", TRUE, door, 2);
  set_up (&rig, "", "RGB");
  in = frame_of (&rig, NULL, 0, NULL);
  gst_defcn_scene_attach (in, places, NULL);
  buffer = overlay_rig_draw_frame (&frame, rig.h, in);
  for (int x = x1; x <= x2; x++)
    g_assert_cmphex (color_at (&frame, x, y2), ==, PLACE_COLOR);
  for (int y = y1; y <= y2; y++) {
    g_assert_cmphex (color_at (&frame, x1, y), ==, PLACE_COLOR);
    g_assert_cmphex (color_at (&frame, x2, y), ==, PLACE_COLOR);
  }
  g_assert_false (overlay_rig_drawn (&frame, 160, 90)); /* inside */
  for (int x = 32; x < 286; x++)
    g_assert_cmphex (color_at (&frame, x, line), ==, PLACE_COLOR);
  /* From the middle of the line 15 pixels down, the picture's short side / 16.
   */
  for (int y = line; y < line + 15; y++)
    g_assert_cmphex (color_at (&frame, 159, y), ==, PLACE_COLOR);
  g_assert_false (overlay_rig_drawn (&frame, 159, line + 18));
  g_assert_false (overlay_rig_drawn (&frame, 159, line - 4));
  g_assert_true (overlay_rig_drawn (&frame, 156, line + 10)); /* its barbs */
  g_assert_true (overlay_rig_drawn (&frame, 163, line + 10));
  assert_count (&frame, 79, 49, "yard 12");
  assert_count (&frame, 31, 169, "door 3/4");
  done (&frame, buffer);

  g_object_set (rig.overlay, "show-zones", FALSE, NULL);
  in = frame_of (&rig, NULL, 0, NULL);
  gst_defcn_scene_attach (in, places, NULL);
  gst_buffer_ref (in);
  buffer = gst_harness_push_and_pull (rig.h, in);
  g_assert_true (buffer == in);
  gst_buffer_unref (in);
  gst_buffer_unref (buffer);
  tear_down (&rig);
}

/* Points anywhere, and a line without a length, draw what of them is in the
 * picture and end. */
static void
test_odd_zones (void)
{
  static const double far[] = { -1e300, 0.5, 1e300, 0.5, 0.5, 1e9 };
  static const double point[] = { 0.5, 0.25, 0.5, 0.25 };
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  GstVideoFrame frame;
  GstBuffer *buffer, *in;
  Rig rig;

  add_place (places, "far", FALSE, far, 3);
  add_place (places, "point", TRUE, point, 2);
  add_place (places, "two", FALSE, point, 2);
  set_up (&rig, "", "GRAY8");
  in = frame_of (&rig, NULL, 0, NULL);
  gst_defcn_scene_attach (in, places, NULL);
  buffer = overlay_rig_draw_frame (&frame, rig.h, in);
  for (int x = 0; x < W; x++)
    g_assert_true (overlay_rig_drawn (&frame, x, 120));
  done (&frame, buffer);
  tear_down (&rig);
}

/* A frame of which every pixel differs from its neighbours. */
static void
fill_noise (GstBuffer *buffer)
{
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = (guint8) (i * 167 + i / W * 59);
  gst_buffer_unmap (buffer, &map);
}

static guint
count_changed (GstBuffer *buffer, GstBuffer *before, const int box[4])
{
  GstMapInfo a, b;
  guint n = 0;

  g_assert_true (gst_buffer_map (buffer, &a, GST_MAP_READ));
  g_assert_true (gst_buffer_map (before, &b, GST_MAP_READ));
  for (int y = box[1]; y < box[3]; y++)
    for (int x = box[0]; x < box[2]; x++)
      n += a.data[y * W + x] != b.data[y * W + x];
  gst_buffer_unmap (buffer, &a);
  gst_buffer_unmap (before, &b);
  return n;
}

/* Objects of the classes are unrecognisable whether or not they are drawn, and
 * nothing else is; where it is not certain that all are there the whole picture
 * is, of which a warning tells once for each caps.  Frames of which nothing has
 * to be hidden pass untouched. */
static void
test_redact (void)
{
  static const struct
  {
    const char *label; /* of the object; NULL: none */
    gboolean marked, redacted, whole;
  } cases[] = {
    { "person", TRUE, TRUE, FALSE },
    { "car", TRUE, FALSE, FALSE },
    { NULL, TRUE, FALSE, FALSE },
    { NULL, FALSE, TRUE, TRUE },
    { NULL, FALSE, TRUE, TRUE },
  };
  const int box[] = { 96, 96, 160, 176 }, all[] = { 0, 0, W, H };
  const int wide[] = { 80, 80, 176, 192 }; /* by a tenth, to eights */
  GstDefcnMark looked = overlay_rig_looked;
  Rig rig;

  looked.classes = g_intern_static_string ("person,car");
  set_up (&rig, "redact=\" person ,dog\" hide-labels=\"person,car\"", "GRAY8");
  g_object_set (rig.overlay, "redact", " person ", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const GstDefcnObject o = overlay_rig_object (box[0], box[1], box[2], box[3],
        W, H, cases[i].label ? cases[i].label : "");
    g_autoptr (GstBuffer) in = frame_of (&rig, &o, cases[i].label ? 1 : 0,
        cases[i].marked ? &looked : NULL);
    g_autoptr (GstBuffer) out = NULL;

    g_test_message ("case %u", i);
    fill_noise (in);
    out = gst_harness_push_and_pull (rig.h, gst_buffer_ref (in));
    g_assert_cmpint (out == in, ==, !cases[i].redacted);
    if (cases[i].redacted)
      g_assert_cmpuint (count_changed (out, in, box), >, 64 * 80 * 9 / 10);
    g_assert_cmpint (count_changed (out, in, all)
            == count_changed (out, in, wide),
        ==, !cases[i].whole);
    if (i == 3)
      assert_warning (&rig, "unrecognisable");
    assert_no_warning (&rig);
  }
  gst_harness_set_src_caps_str (rig.h,
      "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1");
  gst_buffer_unref (
      gst_harness_push_and_pull (rig.h, frame_of (&rig, NULL, 0, NULL)));
  assert_warning (&rig, "unrecognisable");
  tear_down (&rig);
}

/* What is drawn lies over what is redacted. */
static void
test_redact_below (void)
{
  const GstDefcnObject o =
      overlay_rig_object (96, 96, 160, 160, W, H, "person");
  GstDefcnMark looked = overlay_rig_looked;
  g_autoptr (GstBuffer) in = NULL;
  GstBuffer *buffer;
  GstVideoFrame frame;
  Rig rig;

  looked.classes = g_intern_static_string ("person");
  set_up (&rig, "redact=person color=0xffffff", "GRAY8");
  in = frame_of (&rig, &o, 1, &looked);
  fill_noise (in);
  buffer = overlay_rig_draw_frame (&frame, rig.h, gst_buffer_ref (in));
  for (int at = 96; at < 160; at++) {
    g_assert_cmpuint (overlay_rig_sample (&frame, 0, at, 96), ==, 255);
    g_assert_cmpuint (overlay_rig_sample (&frame, 0, 159, at), ==, 255);
  }
  for (int x = 98; x < 103; x++) /* in a block of it */
    g_assert_cmpuint (overlay_rig_sample (&frame, 0, x, 102), ==,
        overlay_rig_sample (&frame, 0, 98, 101));
  done (&frame, buffer);
  tear_down (&rig);
}

/* By how much boxes are widened, from the next frame on. */
static void
test_redact_margin (void)
{
  const int box[] = { 96, 96, 160, 160 }, all[] = { 0, 0, W, H };
  const GstDefcnObject o =
      overlay_rig_object (box[0], box[1], box[2], box[3], W, H, "person");
  GstDefcnMark looked = overlay_rig_looked;
  guint before = 0;
  Rig rig;

  looked.classes = g_intern_static_string ("person");
  set_up (&rig, "redact=person hide-labels=person", "GRAY8");
  for (int i = 0; i < 3; i++) {
    static const int reach[] = { 0, 16, 64 }; /* of 64: 0, 1/4, 1 */
    g_autoptr (GstBuffer) in = frame_of (&rig, &o, 1, &looked);
    g_autoptr (GstBuffer) out = NULL;
    const int wide[] = { box[0] - reach[i], box[1] - reach[i],
      box[2] + reach[i], box[3] + reach[i] };

    g_object_set (rig.overlay, "redact-margin", reach[i] / 64.0f, NULL);
    fill_noise (in);
    out = gst_harness_push_and_pull (rig.h, gst_buffer_ref (in));
    g_assert_cmpuint (count_changed (out, in, all), ==,
        count_changed (out, in, wide));
    g_assert_cmpuint (count_changed (out, in, all), >, before);
    before = count_changed (out, in, all);
  }
  tear_down (&rig);
}

/* Values come back as they were set; defaults are the documented ones. */
static void
test_properties (void)
{
  static const struct
  {
    const char *name, *standard, *value;
  } cases[] = {
    { "label-format", NULL, "{id}" },
    { "color-by", "class", "id" },
    { "class-colors", NULL, "a=#000001" },
    { "font", NULL, "dots" },
    { "font-size", "0", "500" },
    { "trails", "0", "1.5" },
    { "show-zones", "TRUE", "FALSE" },
    { "redact", NULL, "a, b" },
    { "redact-margin", "0.1", "10" },
  };
  g_autoptr (GstElement) overlay =
      gst_object_ref_sink (gst_element_factory_make ("defcnoverlay", NULL));

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GParamSpec *spec =
        g_object_class_find_property (G_OBJECT_GET_CLASS (overlay),
            cases[i].name);
    GValue wanted = G_VALUE_INIT, found = G_VALUE_INIT;

    g_test_message ("%s", cases[i].name);
    g_value_init (&wanted, spec->value_type);
    g_value_init (&found, spec->value_type);
    g_object_get_property (G_OBJECT (overlay), cases[i].name, &found);
    if (cases[i].standard)
      g_assert_true (gst_value_deserialize (&wanted, cases[i].standard));
    g_assert_cmpint (g_param_values_cmp (spec, &wanted, &found), ==, 0);
    g_assert_true (gst_value_deserialize (&wanted, cases[i].value));
    g_object_set_property (G_OBJECT (overlay), cases[i].name, &wanted);
    g_object_get_property (G_OBJECT (overlay), cases[i].name, &found);
    g_assert_cmpint (g_param_values_cmp (spec, &wanted, &found), ==, 0);
    g_assert_true (spec->flags & GST_PARAM_MUTABLE_PLAYING);
    g_value_unset (&wanted);
    g_value_unset (&found);
  }
}

static void
draw_all_and_stop (void)
{
  static const double yard[] = { 0.25, 0.25, 0.75, 0.25, 0.75, 0.5 };
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  GstDefcnObject o = overlay_rig_object (4, 100, 12, 120, W, H, "person");
  Rig rig;

  add_place (places, "yard", FALSE, yard, 3);
  o.track.id = 1;
  set_up (&rig, "trails=2 redact=person class-colors=\"a=#000001\"", "NV12");
  g_object_set (rig.overlay, "label-format", "{label} {id}", "font", NULL,
      "hide-labels", "b", NULL);
  for (int i = 0; i < 3; i++) {
    GstBuffer *in = frame_of (&rig, &o, 1, i < 2 ? &overlay_rig_looked : NULL);

    gst_defcn_scene_attach (in, places, NULL);
    gst_buffer_unref (gst_harness_push_and_pull (rig.h, in));
    o.x_max += 0.1;
  }
  tear_down (&rig);
}

/* The element leaves no memory behind, whatever it drew. */
static void
test_steady (void)
{
  rig_assert_steady (draw_all_and_stop);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/styles/label-format", test_label_format);
  g_test_add_func ("/styles/refused-start", test_refused_start);
  g_test_add_func ("/styles/colors", test_colors);
  g_test_add_func ("/styles/font", test_font);
  g_test_add_func ("/styles/labels", test_labels);
  g_test_add_func ("/styles/crop", test_crop);
  g_test_add_func ("/styles/trails", test_trails);
  g_test_add_func ("/styles/zones", test_zones);
  g_test_add_func ("/styles/odd-zones", test_odd_zones);
  g_test_add_func ("/styles/redact", test_redact);
  g_test_add_func ("/styles/redact-below", test_redact_below);
  g_test_add_func ("/styles/redact-margin", test_redact_margin);
  g_test_add_func ("/styles/properties", test_properties);
  g_test_add_func ("/styles/steady", test_steady);
  return rig_run ();
}
