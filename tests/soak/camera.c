/* A source that does what its thread tells it. */
#include "camera.h"

struct _Camera
{
  GstElement parent;
  GstPad *src;
  GMutex lock;      /* held while flushes are sent */
  gboolean seeking; /* FLUSH_START has been sent */
  guint streams;
};

G_DEFINE_TYPE (Camera, camera, GST_TYPE_ELEMENT)

static GstStaticPadTemplate template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

static gboolean
event (GstPad *pad, GstObject *parent, GstEvent *e)
{
  Camera *self = (Camera *) parent;
  GstSeekFlags flags = 0;

  if (GST_EVENT_TYPE (e) == GST_EVENT_SEEK)
    gst_event_parse_seek (e, NULL, NULL, &flags, NULL, NULL, NULL, NULL);
  gst_event_unref (e);
  if (!(flags & GST_SEEK_FLAG_FLUSH))
    return TRUE;
  g_mutex_lock (&self->lock);
  if (!self->seeking)
    gst_pad_push_event (self->src, gst_event_new_flush_start ());
  self->seeking = TRUE;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
finalize (GObject *object)
{
  g_mutex_clear (&((Camera *) object)->lock);
  G_OBJECT_CLASS (camera_parent_class)->finalize (object);
}

static void
camera_class_init (CameraClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
  gst_element_class_add_static_pad_template (GST_ELEMENT_CLASS (klass),
      &template);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Camera",
      "Source/Video", "Does what its thread tells it", "The defcn project");
}

static void
camera_init (Camera *self)
{
  g_mutex_init (&self->lock);
  self->src = gst_pad_new_from_static_template (&template, "src");
  gst_pad_set_event_function (self->src, event);
  gst_pad_use_fixed_caps (self->src);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}

void
camera_push_event (Camera *self, GstEvent *e)
{
  gst_pad_push_event (self->src, e);
}

void
camera_segment (Camera *self, guint64 n)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = n * CAMERA_FRAME;
  segment.base = n % 3 * GST_SECOND;
  gst_pad_push_event (self->src, gst_event_new_segment (&segment));
}

void
camera_caps (Camera *self, const GstVideoInfo *info)
{
  g_autoptr (GstCaps) caps = gst_video_info_to_caps (info);

  gst_pad_push_event (self->src, gst_event_new_caps (caps));
}

void
camera_begin (Camera *self, const GstVideoInfo *info, guint64 n)
{
  g_autofree char *name = g_strdup_printf ("stream %u", self->streams++);

  gst_pad_push_event (self->src, gst_event_new_stream_start (name));
  camera_caps (self, info);
  camera_segment (self, n);
}

void
camera_flush (Camera *self)
{
  g_mutex_lock (&self->lock);
  gst_pad_push_event (self->src, gst_event_new_flush_start ());
  gst_pad_push_event (self->src, gst_event_new_flush_stop (TRUE));
  self->seeking = FALSE;
  g_mutex_unlock (&self->lock);
}

void
camera_forget (Camera *self)
{
  g_mutex_lock (&self->lock);
  self->seeking = FALSE;
  g_mutex_unlock (&self->lock);
}

GstFlowReturn
camera_push (Camera *self, GstBuffer *buffer)
{
  return gst_pad_push (self->src, buffer);
}

gboolean
camera_sought (Camera *self)
{
  gboolean sought;

  g_mutex_lock (&self->lock);
  sought = self->seeking;
  if (sought)
    gst_pad_push_event (self->src, gst_event_new_flush_stop (TRUE));
  self->seeking = FALSE;
  g_mutex_unlock (&self->lock);
  return sought;
}

GstBuffer *
camera_frame (const GstVideoInfo *info, guint64 n)
{
  GstBuffer *buffer =
      gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstMapInfo map;
  guint32 state = (guint32) n * 2654435761u + 1;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++) {
    if (i % 16 == 0)
      state = state * 1664525u + 1013904223u;
    map.data[i] = (guint8) (state >> 24);
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_OFFSET (buffer) = n;
  GST_BUFFER_PTS (buffer) = n * CAMERA_FRAME;
  GST_BUFFER_DURATION (buffer) = CAMERA_FRAME;
  return buffer;
}
