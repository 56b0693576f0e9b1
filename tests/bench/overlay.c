/* What labels cost in a frame of full HD: PEOPLE labels "#7 person 0.81", whose
 * scores change from frame to frame.
 *
 *   overlay-bench [PEOPLE [ROUNDS]]    (20, 15)
 *
 * Ways:
 *   dots               the dot font
 *   pango              Pango, pieces of text kept, masks blended in place
 *   pango anew         Pango, every piece rendered in every frame, likewise
 *   composition        Pango, GstVideoOverlayComposition's blend of labels
 *                      whose pictures are all there already
 *   composition anew   the same of labels rendered in every frame
 *
 * A round measures all of them one after the other, by the CPU time of the
 * thread, which what else runs hardly changes.  Prints, of the rounds, the
 * median in milliseconds a frame, and the median of the ratio to dots. */
#include <pango/pangocairo.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "overlay/draw.h"
#include "overlay/pango.h"

#define W 1920
#define H 1080
#define FRAMES 20 /* of a way in a round */
#define MAX_ROUNDS 101

typedef struct
{
  GstVideoFrame frame;
  GArray *objects;
  GstDefcnColors colors;
  GstDefcnLabel *label;
  GstDefcnText *dots, *text;
  GstDefcnPango *pango;
  GHashTable *pictures; /* char *: GstBuffer * */
  PangoLayout *layout;
} Bench;

static void
draw_labels (Bench *bench, GstDefcnText *text)
{
  GstDefcnCanvas canvas;

  gst_defcn_text_trim (text);
  gst_defcn_canvas_begin (&canvas, &bench->frame, NULL);
  gst_defcn_draw_labels (&canvas, text, bench->objects, &bench->colors,
      bench->label);
  gst_defcn_canvas_end (&canvas);
}

static void
draw_dots (Bench *bench)
{
  draw_labels (bench, bench->dots);
}

static void
draw_pango (Bench *bench)
{
  draw_labels (bench, bench->text);
}

/* As gst_defcn_draw_labels() does it, without what is kept. */
static void
draw_anew (Bench *bench)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  GstDefcnCanvas canvas;
  GstDefcnPaint back, ink;

  gst_defcn_canvas_begin (&canvas, &bench->frame, NULL);
  gst_defcn_paint_init (&back, &bench->frame.info, 0x2ecc40);
  gst_defcn_paint_init (&ink, &bench->frame.info, 0);
  for (guint i = 0; i < bench->objects->len; i++) {
    const GstDefcnObject *o =
        &g_array_index (bench->objects, GstDefcnObject, i);
    int x = (int) (o->x_min * W), y = (int) (o->y_min * H);

    g_ptr_array_set_size (pieces, 0);
    gst_defcn_label_pieces (bench->label, o, pieces);
    for (guint p = 0; p < pieces->len; p++) {
      GstDefcnRun run = { 0 };

      gst_defcn_pango_render (bench->pango, &run, pieces->pdata[p]);
      gst_defcn_paint_rect (&canvas, &back, x, y - run.ascent - run.descent,
          run.advance, run.ascent + run.descent);
      gst_defcn_paint_mask (&canvas, &ink, x + run.x, y - run.descent + run.y,
          &run.mask);
      x += run.advance;
      g_free (run.mask.cover);
    }
  }
  gst_defcn_canvas_end (&canvas);
}

static char *
text_of (Bench *bench, const GstDefcnObject *object)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);

  gst_defcn_label_pieces (bench->label, object, pieces);
  g_ptr_array_add (pieces, NULL);
  return g_strjoinv (NULL, (char **) pieces->pdata);
}

/* A label as a picture, text on its strip. */
static GstBuffer *
picture_of (Bench *bench, const char *text)
{
  cairo_surface_t *surface;
  cairo_t *cairo;
  GstBuffer *buffer;
  GstMapInfo map;
  int w, h;

  pango_layout_set_text (bench->layout, text, -1);
  pango_layout_get_pixel_size (bench->layout, &w, &h);
  buffer = gst_buffer_new_allocate (NULL, (gsize) 4 * w * h, NULL);
  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  surface = cairo_image_surface_create_for_data (map.data, CAIRO_FORMAT_ARGB32,
      w, h, 4 * w);
  cairo = cairo_create (surface);
  cairo_set_source_rgb (cairo, 0.18, 0.8, 0.25);
  cairo_paint (cairo);
  cairo_set_source_rgb (cairo, 0, 0, 0);
  pango_cairo_show_layout (cairo, bench->layout);
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, w, h);
  return buffer;
}

static void
draw_composition (Bench *bench)
{
  GstVideoOverlayComposition *composition =
      gst_video_overlay_composition_new (NULL);

  for (guint i = 0; i < bench->objects->len; i++) {
    const GstDefcnObject *o =
        &g_array_index (bench->objects, GstDefcnObject, i);
    char *text = text_of (bench, o);
    GstBuffer *picture = g_hash_table_lookup (bench->pictures, text);
    GstVideoOverlayRectangle *rectangle;
    GstVideoMeta *meta;

    if (!picture) {
      picture = picture_of (bench, text);
      g_hash_table_insert (bench->pictures, g_strdup (text), picture);
    }
    meta = gst_buffer_get_video_meta (picture);
    rectangle =
        gst_video_overlay_rectangle_new_raw (picture, (int) (o->x_min * W),
            (int) (o->y_min * H) - (int) meta->height, meta->width,
            meta->height, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
    gst_video_overlay_composition_add_rectangle (composition, rectangle);
    gst_video_overlay_rectangle_unref (rectangle);
    g_free (text);
  }
  gst_video_overlay_composition_blend (composition, &bench->frame);
  gst_video_overlay_composition_unref (composition);
}

static void
draw_composition_anew (Bench *bench)
{
  g_hash_table_remove_all (bench->pictures);
  draw_composition (bench);
}

static const struct
{
  const char *name;
  void (*draw) (Bench *bench);
} ways[] = {
  { "dots", draw_dots },
  { "pango", draw_pango },
  { "pango anew", draw_anew },
  { "composition", draw_composition },
  { "composition anew", draw_composition_anew },
};

static double
cpu_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * (double) now.tv_sec + 1e-6 * (double) now.tv_nsec;
}

static void
change_scores (Bench *bench, int frame)
{
  for (guint i = 0; i < bench->objects->len; i++)
    g_array_index (bench->objects, GstDefcnObject, i).confidence =
        0.5 + 0.01 * ((frame + (int) i) % 50);
}

/* Milliseconds a frame. */
static double
measure (Bench *bench, guint way)
{
  const double start = cpu_ms ();

  for (int i = 0; i < FRAMES; i++) {
    change_scores (bench, i);
    ways[way].draw (bench);
  }
  return (cpu_ms () - start) / FRAMES;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
median (double *values, int n)
{
  qsort (values, n, sizeof (double), compare);
  return values[n / 2];
}

static void
make_bench (Bench *bench, int people)
{
  const int size = gst_defcn_draw_font_size (W, H);
  PangoFontDescription *font = pango_font_description_from_string ("Sans");
  PangoFontMap *map = pango_cairo_font_map_get_default ();
  PangoContext *context = pango_font_map_create_context (map);

  *bench =
      (Bench){ .objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject)) };
  for (int i = 0; i < people; i++) {
    const GstDefcnObject o = { 0.05 + i % 5 * 0.18, 0.1 + i / 5 % 8 * 0.1, 0.9,
      0.95, 0.5, 0, g_quark_from_string ("person"), .track = { .id = i + 1 } };

    g_array_append_val (bench->objects, o);
  }
  bench->label = gst_defcn_label_new (GST_DEFCN_LABEL_DEFAULT, NULL);
  bench->dots = gst_defcn_text_new (GST_DEFCN_TEXT_DOTS, size, W);
  bench->text = gst_defcn_text_new (NULL, size, W);
  bench->pango = gst_defcn_pango_new (NULL, size, W);
  bench->pictures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) gst_buffer_unref);
  pango_font_description_set_absolute_size (font, (double) size * PANGO_SCALE);
  bench->layout = pango_layout_new (context);
  pango_layout_set_font_description (bench->layout, font);
  pango_font_description_free (font);
  g_object_unref (context);
}

static void
print_format (Bench *bench, GstVideoFormat format, int rounds)
{
  double ms[G_N_ELEMENTS (ways)][MAX_ROUNDS];
  double ratio[G_N_ELEMENTS (ways)][MAX_ROUNDS];
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoInfo info;

  gst_video_info_set_format (&info, format, W, H);
  buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_memset (buffer, 0, 77, info.size);
  gst_video_frame_map (&bench->frame, &info, buffer, GST_MAP_READWRITE);
  for (int round = -1; round < rounds; round++)
    for (guint way = 0; way < G_N_ELEMENTS (ways); way++) {
      const double took = measure (bench, way);

      if (round < 0) /* warms up */
        continue;
      ms[way][round] = took;
      ratio[way][round] = took / ms[0][round];
    }
  gst_video_frame_unmap (&bench->frame);
  printf ("%s, %u labels\n", gst_video_format_to_string (format),
      bench->objects->len);
  for (guint way = 0; way < G_N_ELEMENTS (ways); way++)
    printf ("  %-17s %7.3f ms  %6.2f of dots\n", ways[way].name,
        median (ms[way], rounds), median (ratio[way], rounds));
}

int
main (int argc, char **argv)
{
  const int people = argc > 1 ? atoi (argv[1]) : 20;
  const int rounds = argc > 2 ? atoi (argv[2]) : 15;
  Bench bench;

  gst_init (&argc, &argv);
  if (people < 1 || rounds < 1 || rounds > MAX_ROUNDS) {
    fprintf (stderr, "usage: overlay-bench [PEOPLE [ROUNDS]]\n");
    return 2;
  }
  make_bench (&bench, people);
  if (!bench.pango) {
    fprintf (stderr, "overlay-bench: no fonts\n");
    return 1;
  }
  print_format (&bench, GST_VIDEO_FORMAT_NV12, rounds);
  print_format (&bench, GST_VIDEO_FORMAT_I420, rounds);
  print_format (&bench, GST_VIDEO_FORMAT_I420_10LE, rounds);
  return 0;
}
