/* Whether a frame looks like the last one that went through the network. */
#include "still.h"

/* Cells of a region, each way, and how many rows of a cell are read. */
#define CELLS 32
#define ROWS 8

/* An unpacker may write a few more pixels than it is asked for. */
#define SLACK 64

/* How GStreamer hands out a row: A, Y, U, V or A, R, G, B, of 8 or 16 bits. */
typedef struct
{
  const GstVideoFormatInfo *format; /* of the frame */
  gboolean wide;
  guint weights[3]; /* of what follows A, sixteenths of luma */
} Unpacked;

static Unpacked
unpacked (const GstVideoFrame *frame)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const GstVideoFormatInfo *row =
      gst_video_format_get_info (format->unpack_format);
  Unpacked u = { format, GST_VIDEO_FORMAT_INFO_DEPTH (row, 0) > 8,
    { 16, 0, 0 } };

  if (GST_VIDEO_FORMAT_INFO_IS_RGB (row)) {
    u.weights[0] = 5;
    u.weights[1] = 9;
    u.weights[2] = 2;
  }
  return u;
}

/* The sum over the pixels @from to @to, in sixteenths of a step of 8 or 16
 * bits. */
static guint64
sum_row (const guint8 *row, const Unpacked *u, int from, int to)
{
  const guint *w = u->weights;
  guint64 sum = 0;

  if (u->wide) {
    const guint16 *p = (const guint16 *) row;

    for (int x = from; x < to; x++)
      sum += (guint64) w[0] * p[4 * x + 1] + w[1] * p[4 * x + 2]
          + w[2] * p[4 * x + 3];
  } else {
    for (int x = from; x < to; x++)
      sum +=
          w[0] * row[4 * x + 1] + w[1] * row[4 * x + 2] + w[2] * row[4 * x + 3];
  }
  return sum;
}

/* Appends the means of one row of cells, of the rows @top to @bottom. */
static void
add_cells (GstDefcnStill *still, const GstVideoFrame *frame,
    const DefcnRegion *r, int top, int bottom)
{
  const Unpacked u = unpacked (frame);
  const int rows = MIN (ROWS, bottom - top), cells = MIN (CELLS, r->w);
  const double unit = 16.0 * rows * (u.wide ? 257 : 1);
  guint64 sums[CELLS] = { 0 };

  for (int i = 0; i < rows; i++) {
    const int y = top + (2 * i + 1) * (bottom - top) / (2 * rows);

    u.format->unpack_func (u.format, GST_VIDEO_PACK_FLAG_NONE, still->row,
        frame->data, frame->info.stride, 0, y, r->x + r->w);
    for (int c = 0; c < cells; c++)
      sums[c] += sum_row (still->row, &u, r->x + c * r->w / cells,
          r->x + (c + 1) * r->w / cells);
  }
  for (int c = 0; c < cells; c++) {
    const int width = (c + 1) * r->w / cells - c * r->w / cells;
    const float mean = (float) ((double) sums[c] / (unit * width));

    g_array_append_val (still->now, mean);
  }
}

static void
measure (GstDefcnStill *still, const GstDefcnJob *job)
{
  const gsize size =
      8 * ((gsize) GST_VIDEO_FRAME_WIDTH (&job->view.frame) + SLACK);

  if (size > still->row_size) {
    still->row = g_realloc (still->row, size);
    still->row_size = size;
  }
  g_array_set_size (still->now, 0);
  for (guint i = 0; i < job->regions->len; i++) {
    const DefcnRegion *r =
        &g_array_index (job->regions, GstDefcnRegion, i).rectangle;
    const int cells = MIN (CELLS, r->h);

    for (int c = 0; c < cells; c++)
      add_cells (still, &job->view.frame, r, r->y + c * r->h / cells,
          r->y + (c + 1) * r->h / cells);
  }
}

static gboolean
same_regions (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++) {
    const GstDefcnRegion *x = &g_array_index (a, GstDefcnRegion, i);
    const GstDefcnRegion *y = &g_array_index (b, GstDefcnRegion, i);

    if (x->rectangle.x != y->rectangle.x || x->rectangle.y != y->rectangle.y
        || x->rectangle.w != y->rectangle.w || x->rectangle.h != y->rectangle.h
        || x->parent_id != y->parent_id || x->parent != y->parent)
      return FALSE;
  }
  return TRUE;
}

/* Whether the earlier result would do for @job if the pictures are alike.  Time
 * that stands still counts as too long. */
static gboolean
is_comparable (const GstDefcnStill *still, const GstDefcnJob *job)
{
  const GstDefcnSettings *s = job->settings;

  return still->regions && still->settings == s && still->run == job->run
      && same_regions (still->regions, job->regions)
      && GST_CLOCK_TIME_IS_VALID (job->timestamp)
      && GST_CLOCK_TIME_IS_VALID (still->looked) && job->timestamp > still->seen
      && job->timestamp - still->looked < MIN (s->max_still, s->max_age);
}

/* Cell by cell: what moves is small. */
static gboolean
is_alike (const GArray *a, const GArray *b, float steps)
{
  for (guint i = 0; i < a->len; i++) {
    const float d = g_array_index (a, float, i) - g_array_index (b, float, i);

    if (ABS (d) > steps)
      return FALSE;
  }
  return TRUE;
}

gboolean
gst_defcn_still_can (const GstDefcnJob *job)
{
  return job->image.memory == DEFCN_MEMORY_HOST;
}

gboolean
gst_defcn_still_check (GstDefcnStill *still, const GstDefcnJob *job)
{
  GArray *means;
  gboolean alike;

  if (job->settings->skip_still <= 0 || !gst_defcn_still_can (job)) {
    gst_defcn_still_forget (still);
    return FALSE;
  }
  if (!still->now) {
    still->now = g_array_new (FALSE, FALSE, sizeof (float));
    still->means = g_array_new (FALSE, FALSE, sizeof (float));
  }
  measure (still, job);
  alike = is_comparable (still, job)
      && is_alike (still->means, still->now, job->settings->skip_still);
  still->seen = job->timestamp;
  if (alike)
    return TRUE;

  means = still->means;
  still->means = still->now;
  still->now = means;
  g_clear_pointer (&still->regions, g_array_unref);
  still->regions = g_array_ref (job->regions);
  gst_defcn_settings_unref (still->settings);
  still->settings = gst_defcn_settings_ref (job->settings);
  still->looked = job->timestamp;
  still->run = job->run;
  return FALSE;
}

void
gst_defcn_still_forget (GstDefcnStill *still)
{
  g_clear_pointer (&still->means, g_array_unref);
  g_clear_pointer (&still->now, g_array_unref);
  g_clear_pointer (&still->regions, g_array_unref);
  gst_defcn_settings_unref (still->settings);
  g_free (still->row);
  *still = (GstDefcnStill){ 0 };
}
