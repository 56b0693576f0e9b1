/* Objects made unrecognisable. */
#include "redact.h"

#include <math.h>
#include <string.h>

#include "list.h"
#include "meta.h"
#include "samples.h"
#include "set.h"

#define UNIT 8       /* pixels that no subsampled sample reaches beyond */
#define BLOCKS 6     /* on the longer side of a box */
#define COMPONENTS 4 /* of a pixel, as GStreamer unpacks it */

/* Judging. */

/* Takes @why unless there is a reason already. */
static void
close_for (GstDefcnRedaction *redaction, const char *why)
{
  if (!redaction->why)
    redaction->why = g_strdup (why);
}

static gboolean
tells_of (const GstDefcnMark *mark, const char *name)
{
  g_auto (GStrv) told = gst_defcn_list_split (mark->classes);

  return g_strv_contains ((const char *const *) told, name);
}

static gboolean
has_looked (const GstDefcnMark *mark)
{
  return mark->inferred || mark->repeated || mark->predicted;
}

/* Whether one of @marks tells of all objects called @name. */
static void
judge_class (GstDefcnRedaction *redaction, const GArray *marks,
    const char *name)
{
  const char *why = "no detector tells of";
  g_autofree char *valid = NULL;

  for (guint i = 0; i < marks->len; i++) {
    const GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);
    const gboolean is_told = tells_of (mark, name);

    if (is_told && has_looked (mark) && !mark->partial)
      return;
    if (!has_looked (mark))
      why = "nobody has looked at it for";
    else if (is_told)
      why = "there may be more than what was looked at, or told, of";
  }
  if (redaction->why)
    return;
  valid = g_utf8_make_valid (name, -1);
  redaction->why = g_strdup_printf ("%s \"%s\"", why, valid);
}

/* Whether each of @sets has all the boxes that its mark counts. */
static void
judge_boxes (GstDefcnRedaction *redaction, const GArray *sets)
{
  g_autoptr (GArray) boxes =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  for (guint i = 0; i < sets->len; i++) {
    const GstDefcnSet *set = &g_array_index (sets, GstDefcnSet, i);

    g_array_set_size (boxes, 0);
    if (set->boxes)
      gst_defcn_set_read_boxes (boxes, set);
    if (boxes->len < set->n_objects)
      close_for (redaction, "boxes are lost");
  }
}

static void
keep_classes (GstDefcnRedaction *redaction, const char *const *classes)
{
  static const char overflow[] = "?"; /* of gst_defcn_object_label() */

  for (guint i = redaction->boxes->len; i-- > 0;) {
    const GQuark label =
        g_array_index (redaction->boxes, GstDefcnObject, i).label;
    const char *name = label ? g_quark_to_string (label) : "";

    if (!*name || g_str_equal (name, overflow))
      close_for (redaction, "the class of an object is not known");
    else if (!g_strv_contains (classes, name))
      g_array_remove_index_fast (redaction->boxes, i);
  }
}

void
gst_defcn_redact_judge (GstDefcnRedaction *redaction, GstBuffer *buffer,
    const char *const *classes, double margin, int width, int height)
{
  g_autoptr (GArray) sets = NULL, marks = NULL;

  *redaction = (GstDefcnRedaction){ NULL,
    g_array_new (FALSE, FALSE, sizeof (GstDefcnObject)), margin };
  if (!classes || !*classes)
    return;
  sets = gst_defcn_set_read_all (buffer);
  marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));
  if (gst_defcn_meta_read_marks (buffer, marks) == 0)
    close_for (redaction, "no defcndetect has marked it");
  judge_boxes (redaction, sets);
  for (const char *const *name = classes; *name; name++)
    judge_class (redaction, marks, *name);
  gst_defcn_meta_read (buffer, redaction->boxes, width, height);
  keep_classes (redaction, classes);
}

void
gst_defcn_redact_clear (GstDefcnRedaction *redaction)
{
  g_clear_pointer (&redaction->why, g_free);
  g_clear_pointer (&redaction->boxes, g_array_unref);
}

gboolean
gst_defcn_redact_is_needed (const GstDefcnRedaction *redaction)
{
  return redaction->why || redaction->boxes->len;
}

/* Pixelating. */

/* A side of a rectangle, cut into blocks. */
typedef struct
{
  int from, to; /* multiples of UNIT, or the end of the frame */
  int blocks;
} Side;

/* From @min to @max, widened to whole units inside a frame of @size. */
static Side
side_of (double min, double max, int block, int size)
{
  const int from = (int) floor (CLAMP (min, 0, size)) / UNIT * UNIT;
  const int to = (int) ceil (CLAMP (max, 0, size));
  const int end = MIN ((to + UNIT - 1) / UNIT * UNIT, size);

  return (Side){ from, end, MAX (1, (end - from) / block) };
}

static int
side_edge (const Side *side, int i)
{
  const gint64 length = side->to - side->from;

  return i == side->blocks
      ? side->to
      : side->from + (int) (length * i / side->blocks) / UNIT * UNIT;
}

/* One component's samples of the pixels from x[0], y[0] to before x[1], y[1].
 */
static void
average_block (GstVideoFrame *frame, guint c, const int x[2], const int y[2])
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const int w_sub = GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
  const int h_sub = GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
  const int pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
  const int stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
  const int left = x[0] >> w_sub, right = (x[1] - 1) >> w_sub;
  const int top = y[0] >> h_sub, bottom = (y[1] - 1) >> h_sub;
  guint8 *data = GST_VIDEO_FRAME_COMP_DATA (frame, c);
  const guint64 n = (guint64) (right - left + 1) * (bottom - top + 1);
  guint64 sum = n / 2;

  for (int row = top; row <= bottom; row++) {
    const guint8 *line = data + (gssize) row * stride;

    for (int column = left; column <= right; column++)
      sum += line[(gssize) column * pixel];
  }
  for (int row = top; row <= bottom; row++) {
    guint8 *line = data + (gssize) row * stride;

    for (int column = left; column <= right; column++)
      line[(gssize) column * pixel] = (guint8) (sum / n);
  }
}

static void
pixelate_bytes (GstVideoFrame *frame, const Side *across, const Side *down)
{
  for (int j = 0; j < down->blocks; j++)
    for (int i = 0; i < across->blocks; i++) {
      const int x[] = { side_edge (across, i), side_edge (across, i + 1) };
      const int y[] = { side_edge (down, j), side_edge (down, j + 1) };

      for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
        average_block (frame, c, x, y);
    }
}

/* A row as GStreamer unpacks it, of components of 8 or 16 bits. */
typedef struct
{
  gpointer pixels;
  gboolean is_wide;
  int width;
} Row;

static guint
row_get (const Row *row, gsize i)
{
  return row->is_wide ? ((const guint16 *) row->pixels)[i]
                      : ((const guint8 *) row->pixels)[i];
}

static void
row_set (Row *row, gsize i, guint value)
{
  if (row->is_wide)
    ((guint16 *) row->pixels)[i] = (guint16) value;
  else
    ((guint8 *) row->pixels)[i] = (guint8) value;
}

static void
row_unpack (Row *row, const GstVideoFrame *frame, int y)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  format->unpack_func (format, GST_VIDEO_PACK_FLAG_NONE, row->pixels,
      frame->data, frame->info.stride, 0, y, row->width);
}

/* @sums: of each block of the row, four components. */
static void
row_add (const Row *row, guint64 *sums, const Side *across)
{
  for (int i = 0; i < across->blocks; i++)
    for (int x = side_edge (across, i); x < side_edge (across, i + 1); x++)
      for (int c = 0; x < row->width && c < COMPONENTS; c++)
        sums[COMPONENTS * i + c] += row_get (row, (gsize) COMPONENTS * x + c);
}

static void
row_fill (Row *row, const guint64 *sums, const Side *across, int rows)
{
  for (int i = 0; i < across->blocks; i++) {
    const int from = side_edge (across, i);
    const int to = MIN (side_edge (across, i + 1), row->width);
    const guint64 n = (guint64) MAX (to - from, 1) * rows;

    for (int x = from; x < to; x++)
      for (int c = 0; c < COMPONENTS; c++)
        row_set (row, (gsize) COMPONENTS * x + c,
            (guint) ((sums[COMPONENTS * i + c] + n / 2) / n));
  }
}

/* Rows as GStreamer unpacks them, changed and packed again: formats of any
 * layout. */
static void
pixelate_unpacked (GstVideoFrame *frame, const Side *across, const Side *down)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const gboolean is_wide =
      GST_VIDEO_FORMAT_INFO_BITS (
          gst_video_format_get_info (format->unpack_format))
      > 8;
  const int width = gst_defcn_samples_packed_width (frame);
  g_autofree guint16 *pixels =
      g_new (guint16, (gsize) COMPONENTS * (width + 64));
  const gsize n_sums = (gsize) COMPONENTS * across->blocks;
  g_autofree guint64 *sums = g_new (guint64, n_sums);
  Row row = { pixels, is_wide, width };

  for (int j = 0; j < down->blocks; j++) {
    const int top = side_edge (down, j), bottom = side_edge (down, j + 1);

    memset (sums, 0, n_sums * sizeof *sums);
    for (int y = top; y < bottom; y++) {
      row_unpack (&row, frame, y);
      row_add (&row, sums, across);
    }
    for (int y = top; y < bottom; y++) {
      row_unpack (&row, frame, y);
      row_fill (&row, sums, across, bottom - top);
      format->pack_func (format, GST_VIDEO_PACK_FLAG_NONE, row.pixels, 0,
          frame->data, frame->info.stride, frame->info.chroma_site, y, width);
    }
  }
}

/* A rectangle of pixels that may reach beyond the frame; @longer: the side that
 * the blocks go by. */
static void
pixelate (GstVideoFrame *frame, const double ltrb[4], double longer)
{
  const int units = MAX (1, (int) ceil (longer / BLOCKS / UNIT));
  const int block = units * UNIT;
  const Side across =
      side_of (ltrb[0], ltrb[2], block, GST_VIDEO_FRAME_WIDTH (frame));
  const Side down =
      side_of (ltrb[1], ltrb[3], block, GST_VIDEO_FRAME_HEIGHT (frame));

  if (across.from >= across.to || down.from >= down.to)
    return;
  if (gst_defcn_samples_are_bytes (frame->info.finfo))
    pixelate_bytes (frame, &across, &down);
  else
    pixelate_unpacked (frame, &across, &down);
}

void
gst_defcn_redact_apply (const GstDefcnRedaction *redaction,
    GstVideoFrame *frame, const GstDefcnPixels *picture)
{
  const int w = GST_VIDEO_FRAME_WIDTH (frame);
  const int h = GST_VIDEO_FRAME_HEIGHT (frame);
  const double all[] = { 0, 0, w, h };

  if (redaction->why) {
    pixelate (frame, all, MAX (w, h));
    return;
  }
  for (guint i = 0; i < redaction->boxes->len; i++) {
    const GstDefcnObject *o =
        &g_array_index (redaction->boxes, GstDefcnObject, i);
    const double left = picture->x + o->x_min * picture->w;
    const double right = picture->x + o->x_max * picture->w;
    const double top = picture->y + o->y_min * picture->h;
    const double bottom = picture->y + o->y_max * picture->h;
    const double longer = MAX (right - left, bottom - top);
    const double m = redaction->margin * longer;
    const double box[] = { left - m, top - m, right + m, bottom + m };

    pixelate (frame, box, longer);
  }
}
