/* Buffers of other elements: a frame of any format whose video meta, crop,
 * marks, boxes and regions are whatever the input says, read and drawn on as
 * defcndetect, defcnoverlay and defcnpublish do. */
#include "input.h"

#include "detect/convert.h"
#include "detect/job.h"
#include "meta.h"
#include "overlay/draw.h"
#include "scaler.h"
#include "scene.h"
#include "view.h"

/* The input as numbers, zeros behind its end. */
typedef struct
{
  const uint8_t *data;
  size_t size;
} Input;

static guint
take (Input *in, guint bytes)
{
  guint value = 0;

  for (guint i = 0; i < bytes && in->size > 0; i++, in->size--)
    value = value << 8 | *in->data++;
  return value;
}

static GstVideoFormat
take_format (Input *in)
{
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  return formats[take (in, 1) % n];
}

static void
add_video_meta (GstBuffer *buffer, const GstVideoInfo *info, Input *in)
{
  GstVideoMeta *meta = gst_buffer_add_video_meta (buffer, 0,
      GST_VIDEO_INFO_FORMAT (info), info->width, info->height);
  const guint which = take (in, 1);

  if (!meta)
    return;
  for (guint p = 0; p < meta->n_planes; p++) {
    if (which & 1 << p)
      meta->offset[p] = take (in, 4);
    if (which & 16 << p)
      meta->stride[p] = (int) take (in, 4);
  }
  if (take (in, 1) & 1) {
    meta->width = take (in, 2);
    meta->height = take (in, 2);
  }
}

static void
add_crop (GstBuffer *buffer, Input *in)
{
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

  crop->x = take (in, 2);
  crop->y = take (in, 2);
  crop->width = take (in, 4);
  crop->height = take (in, 4);
}

static void
add_regions (GstBuffer *buffer, Input *in)
{
  for (guint n = take (in, 1); n > 0; n--) {
    char label[9] = { 0 };
    GstVideoRegionOfInterestMeta *roi;

    for (guint i = 0; i < 8; i++)
      label[i] = (char) take (in, 1);
    roi = gst_buffer_add_video_region_of_interest_meta (buffer, label,
        take (in, 4), take (in, 4), take (in, 4), take (in, 4));
    roi->id = (int) take (in, 4);
    roi->parent_id = (int) take (in, 4);
  }
}

static void take_value (GValue *value, Input *in, guint kind, int depth);

/* Fields that somebody looks at, of any types. */
static void
take_fields (GstStructure *s, Input *in, int depth)
{
  static const char *const names[] = { "objects", "set", "ids", "crop",
    "n-objects", "inferred", "reason", "repeated", "inferred-timestamp",
    "model", "label", "label_id", "parent_id", "confidence", "x_min", "x_max",
    "y_min", "y_max" };

  for (guint n = take (in, 1) % 16; n > 0; n--) {
    GValue value = G_VALUE_INIT;

    take_value (&value, in, take (in, 1), depth);
    gst_structure_take_value (s, names[take (in, 1) % G_N_ELEMENTS (names)],
        &value);
  }
}

static void
take_array (GValue *value, Input *in, int depth)
{
  guint kind = take (in, 1) % 9; /* of all its items, which are no arrays */

  if (kind == 6 || kind == 7)
    kind = 0;

  g_value_init (value, GST_TYPE_ARRAY);
  for (guint n = take (in, 1) % 8; n > 0; n--) {
    GValue item = G_VALUE_INIT;

    take_value (&item, in, kind, depth);
    gst_value_array_append_and_take_value (value, &item);
  }
}

static void
take_value (GValue *value, Input *in, guint kind, int depth)
{
  switch (kind % (depth > 0 ? 9 : 6)) {
    case 0:
      g_value_init (value, G_TYPE_INT);
      g_value_set_int (value, (int) take (in, 4));
      return;
    case 1:
      g_value_init (value, G_TYPE_UINT);
      g_value_set_uint (value, take (in, 4));
      return;
    case 2:
      g_value_init (value, G_TYPE_DOUBLE);
      g_value_set_double (value, (int) take (in, 2) / 65536.0);
      return;
    case 3: {
      char text[2] = { (char) (take (in, 1) & 127) };

      g_value_init (value, G_TYPE_STRING);
      g_value_set_string (value, text);
      return;
    }
    case 4:
      g_value_init (value, G_TYPE_BOOLEAN);
      g_value_set_boolean (value, take (in, 1) & 1);
      return;
    case 5:
      g_value_init (value, GST_TYPE_STRUCTURE); /* without one */
      return;
    case 6:
    case 7:
      take_array (value, in, depth - 1);
      return;
    default:
      g_value_init (value, GST_TYPE_STRUCTURE);
      g_value_take_boxed (value, gst_structure_new_empty ("object"));
      take_fields ((GstStructure *) gst_value_get_structure (value), in,
          depth - 1);
      return;
  }
}

static void
add_structures (GstBuffer *buffer, Input *in)
{
  for (guint n = take (in, 1) % 8; n > 0; n--)
    take_fields (gst_custom_meta_get_structure (
                     gst_buffer_add_custom_meta (buffer,
                         take (in, 1) & 1 ? GST_DEFCN_META_OBJECTS_NAME
                                          : GST_DEFCN_META_NAME)),
        in, 3);
}

static void
look (GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDefcnLive live = { .interval = 1 };
  GstDefcnModelInfo model = { .n_classes = 1 };
  g_autoptr (GstDefcnSettings) settings =
      gst_defcn_settings_new (&live, &model, NULL);
  g_autoptr (GstDefcnConvert) convert = gst_defcn_convert_new ();
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GstDefcnJob) job =
      gst_defcn_job_new (buffer, info, settings, FALSE, &error);
  guint8 rgb[8 * 8 * 3];

  fuzz_check (job, error);
  if (!job
      || (job->image.format == DEFCN_N_FORMATS
          && !gst_defcn_convert_run (convert, &job->image, &job->view.frame,
              &error))
      || !defcn_image_check (&job->image, &error))
    return;
  for (guint i = 0; i < job->regions->len; i++) {
    const DefcnRegion *r =
        &g_array_index (job->regions, GstDefcnRegion, i).rectangle;

    defcn_scaler_run (scaler, rgb, &job->image, r->x, r->y, r->w, r->h, 8, 8);
  }
}

/* In dots: fonts are the distribution's. */
static void
draw (GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstDefcnColors red = { .color = 0xff0000 };
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GstDefcnText) text =
      gst_defcn_text_new (GST_DEFCN_TEXT_DOTS, 10, info->width);
  g_autoptr (GstDefcnLabel) label =
      gst_defcn_label_new (GST_DEFCN_LABEL_DEFAULT, NULL);
  g_autoptr (GError) error = NULL;
  GstDefcnMark mark;
  GstDefcnView view;
  GstDefcnCanvas canvas;
  GstDefcnPaint paint;

  gst_defcn_meta_read_mark (buffer, &mark);
  gst_defcn_meta_read (buffer, objects, info->width, info->height);
  gst_defcn_scene_read_places (buffer, places);
  if (!gst_defcn_view_map (&view, buffer, info, GST_MAP_READWRITE, &error))
    return;
  g_array_set_size (objects, MIN (objects->len, 4));
  g_array_set_size (places, MIN (places->len, 4));
  gst_defcn_canvas_begin (&canvas, &view.frame, &view.visible);
  gst_defcn_draw_places (&canvas, text, places, 2);
  gst_defcn_draw_boxes (&canvas, objects, &red, 3);
  gst_defcn_draw_labels (&canvas, text, objects, &red, label);
  gst_defcn_paint_init (&paint, &view.frame.info, 0xff0000);
  gst_defcn_paint_rect (&canvas, &paint, view.visible.x, view.visible.y,
      view.visible.w, view.visible.h);
  gst_defcn_canvas_end (&canvas);
  gst_defcn_view_unmap (&view);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input in = { data, size };
  const GstDefcnMark ours = { TRUE, "", FALSE, 0, "" };
  const GstDefcnObject object = { 0.1, 0.1, 0.5, 0.5, 0.5, 0, 0, 0 };
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  GstVideoInfo info;
  GstVideoFormat format;
  GstBuffer *buffer;
  guint what, w, h;

  gst_init (NULL, NULL);
  gst_defcn_meta_register ();
  format = take_format (&in);
  w = 16 + take (&in, 1) % 48;
  h = 16 + take (&in, 1) % 48;
  if (!gst_video_info_set_format (&info, format, w, h)
      || !info.finfo->unpack_func)
    return 0;
  what = take (&in, 1);
  buffer = gst_buffer_new_allocate (NULL,
      what & 1 ? take (&in, 2) : GST_VIDEO_INFO_SIZE (&info), NULL);
  gst_buffer_memset (buffer, 0, 0x55, -1);
  if (what & 2)
    add_video_meta (buffer, &info, &in);
  if (what & 4)
    add_crop (buffer, &in);
  if (what & 8)
    add_regions (buffer, &in);
  add_structures (buffer, &in);
  look (buffer, &info);
  draw (buffer, &info);
  g_array_append_val (objects, object);
  gst_defcn_meta_attach (buffer, objects, &ours, gst_defcn_meta_supported (), w,
      h);
  draw (buffer, &info);
  gst_buffer_unref (buffer);
  return 0;
}
