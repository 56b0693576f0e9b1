/* Frames in flight, and the events between them. */
#include "ring.h"

/* A frame with its buffer, or an event. */
typedef struct
{
  GstDefcnFrame *frame;
  GstBuffer *buffer;
  GstEvent *event;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  gst_defcn_frame_free (entry->frame);
  gst_clear_buffer (&entry->buffer);
  gst_clear_event (&entry->event);
  g_free (entry);
}

void
gst_defcn_ring_init (GstDefcnDetect *self)
{
  g_queue_init (&self->ring);
}

void
gst_defcn_ring_clear (GstDefcnDetect *self)
{
  g_queue_clear_full (&self->ring, entry_free);
  self->in_flight = self->looked = 0;
}

/* As the element queue does. */
static gboolean
outlives_flush (const GstEvent *event)
{
  return event && GST_EVENT_IS_STICKY (event)
      && GST_EVENT_TYPE (event) != GST_EVENT_SEGMENT
      && GST_EVENT_TYPE (event) != GST_EVENT_EOS;
}

void
gst_defcn_ring_flush (GstDefcnDetect *self)
{
  for (const GList *l = self->ring.head; l; l = l->next) {
    const Entry *entry = l->data;

    if (outlives_flush (entry->event))
      gst_pad_store_sticky_event (GST_BASE_TRANSFORM_SRC_PAD (self),
          entry->event);
  }
  gst_defcn_ring_clear (self);
  self->verdict = GST_FLOW_OK;
}

gboolean
gst_defcn_ring_is_empty (const GstDefcnDetect *self)
{
  return g_queue_is_empty ((GQueue *) &self->ring);
}

static void
add (GstDefcnDetect *self, Entry entry)
{
  g_queue_push_tail (&self->ring, g_memdup2 (&entry, sizeof entry));
}

/* How many buffers there are of the pool that @buffer, or what it shares its
 * memory with, is of; 0: as many as are asked for. */
static guint
pool_size (GstBuffer *buffer)
{
  const GstParentBufferMeta *parent;
  GstStructure *config;
  guint max = 0;

  while (!buffer->pool && (parent = gst_buffer_get_parent_buffer_meta (buffer)))
    buffer = parent->buffer;
  if (!buffer->pool)
    return 0;
  config = gst_buffer_pool_get_config (buffer->pool);
  gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &max);
  gst_structure_free (config);
  return max;
}

/* Who waits for a buffer of an empty pool brings no frame to push the first one
 * out: upstream has one to fill, and downstream one to show. */
static guint
room_for (const GstDefcnDetect *self, GstBuffer *buffer)
{
  const guint max = self->nireq > 1 ? pool_size (buffer) : 0;

  return max ? CLAMP (max - 1, 1, self->nireq) : self->nireq;
}

void
gst_defcn_ring_add_frame (GstDefcnDetect *self, GstDefcnFrame *frame,
    GstBuffer *buffer)
{
  self->room = room_for (self, buffer);
  add (self, (Entry){ .frame = frame, .buffer = buffer });
  self->in_flight++;
}

void
gst_defcn_ring_add_event (GstDefcnDetect *self, GstEvent *event)
{
  add (self, (Entry){ .event = event });
}

static Entry *
take_first (GstDefcnDetect *self)
{
  Entry *entry = g_queue_pop_head (&self->ring);

  self->in_flight -= entry->frame != NULL;
  return entry;
}

/* Of the first entry, a frame. */
static gboolean
may_leave (GstDefcnDetect *self)
{
  const Entry *first = g_queue_peek_head (&self->ring);

  return self->in_flight >= self->room
      || gst_defcn_frame_is_ready (self, first->frame);
}

/* The first entry, waited for; *@buffer: if it is a frame that has not failed.
 */
static GstFlowReturn
let_out (GstDefcnDetect *self, GstBuffer **buffer)
{
  Entry *entry = take_first (self);
  GstFlowReturn ret = GST_FLOW_OK;

  if (entry->event) {
    gst_pad_push_event (GST_BASE_TRANSFORM_SRC_PAD (self),
        g_steal_pointer (&entry->event));
  } else {
    ret = gst_defcn_frame_end (self, entry->frame, entry->buffer);
    if (ret == GST_FLOW_OK)
      *buffer = g_steal_pointer (&entry->buffer);
  }
  entry_free (entry);
  return ret;
}

GstFlowReturn
gst_defcn_ring_pop (GstDefcnDetect *self, GstBuffer **buffer)
{
  GstFlowReturn ret = GST_FLOW_OK;

  *buffer = NULL;
  while (ret == GST_FLOW_OK && !*buffer && !gst_defcn_ring_is_empty (self)) {
    const Entry *first = g_queue_peek_head (&self->ring);

    if (first->frame && !may_leave (self))
      break;
    ret = let_out (self, buffer);
  }
  return ret;
}

/* Frames that nobody wants any more; events are told all the same. */
static void
drop_frames (GstDefcnDetect *self)
{
  GstBuffer *none = NULL;

  gst_defcn_worker_discard (self->worker);
  self->looked = 0;
  self->pending = FALSE;
  while (!gst_defcn_ring_is_empty (self)) {
    const Entry *first = g_queue_peek_head (&self->ring);

    if (first->frame)
      entry_free (take_first (self));
    else
      let_out (self, &none);
  }
}

void
gst_defcn_ring_drain (GstDefcnDetect *self)
{
  GstFlowReturn ret = GST_FLOW_OK;

  while (ret == GST_FLOW_OK && !gst_defcn_ring_is_empty (self)) {
    GstBuffer *buffer = NULL;

    ret = let_out (self, &buffer);
    if (buffer)
      ret = gst_pad_push (GST_BASE_TRANSFORM_SRC_PAD (self), buffer);
  }
  if (ret == GST_FLOW_OK)
    return;
  drop_frames (self);
  if (self->verdict == GST_FLOW_OK)
    self->verdict = ret;
}

GstFlowReturn
gst_defcn_ring_verdict (GstDefcnDetect *self)
{
  const GstFlowReturn verdict = self->verdict;

  self->verdict = GST_FLOW_OK;
  return verdict;
}
