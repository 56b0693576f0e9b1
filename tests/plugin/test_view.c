/* What is a frame and what is not, and which part of it is the picture. */
#include "rig.h"
#include "view.h"

#define W 32
#define H 24

/* A frame of I420 whose video meta says what it likes. */
typedef struct
{
  const char *name, *error; /* NULL: it is taken */
  gsize offset[3];
  int stride[3];
  guint width, height, bytes;
} Case;

#define AREA (W * H)
static const Case cases[] = {
  { "plain", NULL, { 0, AREA, AREA * 5 / 4 }, { W, W / 2, W / 2 }, W, H,
      AREA * 3 / 2 },
  { "one byte less", "plane 2", { 0, AREA, AREA * 5 / 4 }, { W, W / 2, W / 2 },
      W, H, AREA * 3 / 2 - 1 },
  { "padded", NULL, { 0, 2 * AREA, 3 * AREA }, { 2 * W, W, W }, W, H,
      4 * AREA },
  { "last row short", NULL, { 0, 2 * AREA, 3 * AREA }, { 2 * W, W, W }, W, H,
      3 * AREA + (H / 2 - 1) * W + W / 2 },
  { "last row too short", "plane 2", { 0, 2 * AREA, 3 * AREA }, { 2 * W, W, W },
      W, H, 3 * AREA + (H / 2 - 1) * W + W / 2 - 1 },
  { "far strides", "plane 0", { 0, AREA, AREA * 5 / 4 },
      { 1000000, 500000, 500000 }, W, H, AREA * 3 / 2 },
  { "the chroma's alone", "plane 1", { 0, AREA, AREA * 5 / 4 },
      { W, 500000, W / 2 }, W, H, AREA * 3 / 2 },
  { "backwards", "plane 0", { 0, AREA, AREA * 5 / 4 }, { -W, W / 2, W / 2 }, W,
      H, AREA * 3 / 2 },
  { "the largest stride", "plane 0", { 0, AREA, AREA * 5 / 4 },
      { G_MAXINT, W / 2, W / 2 }, W, H, AREA * 3 / 2 },
  { "all planes in one", NULL, { 0, 0, 0 }, { W, W, W }, W, H, AREA },
  { "a taller frame", "plane 0", { 0, AREA, AREA * 5 / 4 }, { W, W / 2, W / 2 },
      W, 2 * H, AREA * 3 / 2 },
  { "no pixels", "0 x 24", { 0, AREA, AREA * 5 / 4 }, { W, W / 2, W / 2 }, 0, H,
      AREA * 3 / 2 },
  { "too many", "32 x 4000000000", { 0, AREA, AREA * 5 / 4 },
      { W, W / 2, W / 2 }, W, 4000000000u, AREA * 3 / 2 },
  { "offset beyond", "begin outside", { 0, AREA, 9 * AREA },
      { W, W / 2, W / 2 }, W, H, AREA * 3 / 2 },
};

static void
info_of (GstVideoInfo *info, GstVideoFormat format)
{
  g_assert_true (gst_video_info_set_format (info, format, W, H));
}

/* Mapped if @wanted is NULL, else refused with those words in the error. */
static void
assert_maps (GstBuffer *buffer, const GstVideoInfo *info, const char *wanted)
{
  g_autoptr (GError) error = NULL;
  GstDefcnView view;

  if (gst_defcn_view_map (&view, buffer, info, GST_MAP_READ, &error)) {
    g_assert_null (wanted);
    gst_defcn_view_unmap (&view);
    return;
  }
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (wanted);
  g_assert_nonnull (strstr (error->message, wanted));
}

/* No plane may end outside of its memory, whatever the video meta says; the
 * error names the plane. */
static void
test_planes (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, c->bytes, NULL);
  gsize offset[4] = { c->offset[0], c->offset[1], c->offset[2] };
  int stride[4] = { c->stride[0], c->stride[1], c->stride[2] };
  GstVideoInfo info;

  info_of (&info, GST_VIDEO_FORMAT_I420);
  gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_FORMAT_I420, W, H, 3,
      offset, stride);
  gst_buffer_get_video_meta (buffer)->width = c->width;
  gst_buffer_get_video_meta (buffer)->height = c->height;
  assert_maps (buffer, &info, c->error);
}

/* A video meta of another format than the caps' is refused. */
static void
test_format (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 4 * AREA, NULL);
  GstVideoInfo info;

  info_of (&info, GST_VIDEO_FORMAT_BGRx);
  gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_I420, W, H);
  assert_maps (buffer, &info, "I420");
}

/* Formats that are no rows of components are taken as GStreamer lays them out,
 * and not otherwise. */
static void
test_odd_formats (void)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_v210,
    GST_VIDEO_FORMAT_RGB8P, GST_VIDEO_FORMAT_NV12_64Z32,
    GST_VIDEO_FORMAT_IYU1 };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    for (int wrong = 0; wrong < 2; wrong++) {
      GstVideoInfo info;
      g_autoptr (GstBuffer) buffer = NULL;
      GstVideoMeta *meta;

      info_of (&info, formats[i]);
      buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
      assert_maps (buffer, &info, NULL);
      meta = gst_buffer_add_video_meta_full (buffer, 0, formats[i], W, H,
          info.finfo->n_planes, info.offset, info.stride);
      meta->stride[0] += wrong;
      assert_maps (buffer, &info, wrong ? "plane 0" : NULL);
    }
  }
}

/* What is visible: the frame of the caps, less where the memory has less, or
 * the crop, which has to be inside. */
static void
test_visible (void)
{
  static const struct
  {
    guint w, h, crop[4];
    int wanted[4]; /* no width: refused */
  } crops[] = {
    { W, H, { 0 }, { 0, 0, W, H } },
    { W + 16, H + 8, { 0 }, { 0, 0, W, H } },
    { W, H, { 4, 6, 8, 10 }, { 4, 6, 8, 10 } },
    { W + 16, H + 8, { 16, 8, W, H }, { 16, 8, W, H } },
    { W + 16, H + 8, { 17, 8, W, H }, { 0 } },
    { W + 16, H + 8, { 16, 9, W, H }, { 0 } },
    { W, H, { W, 0, 1, 1 }, { 0 } },
    { W, H, { 0, H, 1, 1 }, { 0 } },
    { W, H, { 0, 0, 0, 1 }, { 0 } },
    { W, H, { 1, 0, G_MAXUINT, 1 }, { 0 } },
    { W, H, { 0, 1, 1, G_MAXUINT }, { 0 } },
    { W, H, { G_MAXUINT, 0, 2, 1 }, { 0 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (crops); i++) {
    const guint *c = crops[i].crop;
    const int *wanted = crops[i].wanted;
    g_autoptr (GstBuffer) buffer = NULL;
    g_autoptr (GError) error = NULL;
    GstVideoInfo info, padded;
    GstDefcnView view;

    g_test_message ("case %u", i);
    info_of (&info, GST_VIDEO_FORMAT_GRAY8);
    gst_video_info_set_format (&padded, GST_VIDEO_FORMAT_GRAY8, crops[i].w,
        crops[i].h);
    buffer = gst_buffer_new_allocate (NULL, padded.size, NULL);
    gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_GRAY8, crops[i].w,
        crops[i].h);
    if (i > 1) {
      GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

      crop->x = c[0];
      crop->y = c[1];
      crop->width = c[2];
      crop->height = c[3];
    }
    if (!gst_defcn_view_map (&view, buffer, &info, GST_MAP_READ, &error)) {
      g_assert_cmpint (wanted[2], ==, 0);
      g_assert_nonnull (strstr (error->message, "crop"));
      continue;
    }
    g_assert_cmpint (view.visible.x, ==, wanted[0]);
    g_assert_cmpint (view.visible.y, ==, wanted[1]);
    g_assert_cmpint (view.visible.w, ==, wanted[2]);
    g_assert_cmpint (view.visible.h, ==, wanted[3]);
    gst_defcn_view_unmap (&view);
  }
}

/* Memory that nobody may read. */
typedef GstAllocator Closed;
typedef GstAllocatorClass ClosedClass;
static GType closed_get_type (void);
G_DEFINE_TYPE (Closed, closed, GST_TYPE_ALLOCATOR)

static gpointer
closed_map (GstMemory *memory, gsize size, GstMapFlags flags)
{
  return NULL;
}

static void
closed_free (GstAllocator *allocator, GstMemory *memory)
{
  g_free (memory);
}

static void
closed_class_init (ClosedClass *klass)
{
  klass->free = closed_free;
}

static void
closed_init (Closed *self)
{
  self->mem_map = closed_map;
}

static GstMemory *
closed_memory (gsize size)
{
  GstMemory *memory = g_new0 (GstMemory, 1);
  GstAllocator *allocator = g_object_new (closed_get_type (), NULL);

  gst_object_ref_sink (allocator);
  gst_memory_init (memory, 0, allocator, NULL, size, 0, 0, size);
  gst_object_unref (allocator); /* the memory has one */
  return memory;
}

/* What is no frame says why: too few bytes, or none that can be read. */
static void
test_unmapped (void)
{
  g_autoptr (GstBuffer) small = gst_buffer_new_allocate (NULL, AREA, NULL);
  g_autoptr (GstBuffer) closed = gst_buffer_new ();
  GstVideoInfo info;

  info_of (&info, GST_VIDEO_FORMAT_I420);
  assert_maps (small, &info, "768 bytes are no frame");
  gst_buffer_append_memory (closed, closed_memory (AREA * 3 / 2));
  assert_maps (closed, &info, "its memory cannot be mapped");
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/view/planes/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_planes);
  }
  g_test_add_func ("/view/format", test_format);
  g_test_add_func ("/view/odd-formats", test_odd_formats);
  g_test_add_func ("/view/visible", test_visible);
  g_test_add_func ("/view/unmapped", test_unmapped);
  return rig_run ();
}
