/**
 * SECTION:element-defcnsnapshot
 * @title: defcnsnapshot
 * @short_description: writes pictures of what is found
 *
 * Writes a JPEG of an object, or of the frame that it is in
 * (#GstDefcnSnapshot:what), when something happens (#GstDefcnSnapshot:on):
 * defcntrack has a new track, defcnzones sees one enter a zone or cross a line,
 * or, without any of these, an object is there; without defcntrack a WARNING
 * says so.  Frames pass as they are.  Before defcnoverlay there are no boxes.
 *
 * The picture is written at once.  For as long as #GstDefcnSnapshot:interval
 * from then on a better moment of the same track, by its score, replaces it,
 * and no other event of that track makes one of its own; the file is the same,
 * and whoever opens it sees the old picture or the new one, whole.
 *
 * Nothing here waits for the disk.  Of a frame of which a picture is due, that
 * part is copied, and made RGB, by the thread that brings it: as much as one of
 * videoconvert's frames costs, and nothing for all other frames.  Another
 * thread encodes and writes.  What comes while #GstDefcnSnapshot:queue-size
 * pictures wait is dropped and counted (#GstDefcnSnapshot:stats), and the next
 * good moment of that track is tried instead.  A disk that is full or gone is
 * said once by a WARNING, and used again when it is back.  At EOS and when it
 * stops the element waits for pictures, five seconds at most.
 *
 * A file that is there already is never replaced, the new one gets a number
 * ("a-2.jpg"), unless nothing in #GstDefcnSnapshot:location tells one from the
 * other: then a picture of ours is.  #GstDefcnSnapshot:max-files and
 * #GstDefcnSnapshot:max-bytes keep the folder from growing: the oldest pictures
 * that a defcnsnapshot has written there go, whichever did and whenever.  Names
 * out of labels and sources cannot leave the folder, and no symbolic link below
 * it is followed.
 *
 * #GstDefcnSnapshot:redact hides classes in the pictures as defcnoverlay's does
 * in the video, and the whole picture where it is not sure of them.
 *
 * Of every picture that is written the bus gets an element message
 * `defcn-snapshot` {path, event ("track", "zone-entered", "zone-dwell",
 * "line-crossed", "object"), place and direction if there are, replaced
 * (boolean, of an earlier picture), width, height, bytes, source, label,
 * label_id, confidence, x_min, x_max, y_min, y_max, object_id, track_state,
 * track_age, timestamp, stream-time, running-time, utc, redacted ("no",
 * "boxes", or why the whole picture is)}.  #GstDefcnSnapshot:sidecar writes the
 * same beside the picture, as JSON.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 ! defcntrack !
 *     defcnsnapshot location="people/{label}-{id}-{time}.jpg" classes=person !
 *     fakesink
 * ]| Writes the best picture of everybody who is seen.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors !
 *     defcnsnapshot on=object what=frame interval=60000000000
 *     location="street/{time}.jpg" max-files=1000 ! fakesink
 * ]| Writes a frame a minute if there is anything in it.
 *
 * Since: 0.3
 */
#include "gstdefcnsnapshot.h"

#include <gst/video/video.h>

#include "field.h"
#include "list.h"
#include "meta.h"
#include "redact.h"
#include "publish/record.h"
#include "snapshot/caption.h"
#include "snapshot/due.h"
#include "snapshot/specs.h"
#include "snapshot/template.h"
#include "snapshot/writer.h"
#include "timing.h"
#include "view.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_snapshot_debug);
#define GST_CAT_DEFAULT gst_defcn_snapshot_debug

#define CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

/* How long EOS and a stop wait for the disk. */
#define PATIENCE (5 * GST_SECOND)

typedef struct
{
  guint64 written, replaced, dropped, failed, bytes, deleted;
} Stats;

struct _GstDefcnSnapshot
{
  GstBaseTransform parent;

  /* under the object lock */
  char *location;
  GstDefcnSnapshotLive live;
  gboolean is_changed; /* live, since the streaming thread took it */
  gboolean is_started;
  gboolean is_troubled; /* the last picture could not be written */
  Stats stats;

  /* from start to stop */
  GstDefcnTemplate *template;
  GstDefcnWriter *writer;

  /* streaming thread */
  GstDefcnSnapshotLive rule;
  char **classes, **redact; /* of rule */
  GstDefcnDueState state;
  GArray *due; /* GstDefcnDue, of the frame */
  GstVideoInfo info;
  guint64 now;        /* running time of the last frame */
  guint64 n;          /* pictures begun since start */
  gboolean is_warned; /* of a frame that cannot be read, since the caps */
  gboolean is_warned_untracked; /* that nobody tracks, since start */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

G_DEFINE_TYPE (GstDefcnSnapshot, gst_defcn_snapshot, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcnsnapshot, "defcnsnapshot", GST_RANK_NONE,
    GST_TYPE_DEFCN_SNAPSHOT)

/* What has become of a picture; the writer's thread. */

static void
warn_troubled (GstDefcnSnapshot *self, const GError *error)
{
  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_WARNING,
      error->domain, error->code, g_strdup (error->message),
      g_strdup ("Pictures are lost until this works again; nothing more is "
                "said meanwhile."),
      __FILE__, GST_FUNCTION, __LINE__);
}

static void
post_snapshot (GstDefcnSnapshot *self, GstDefcnTake *take,
    const GstDefcnOutcome *outcome)
{
  GstStructure *s = g_steal_pointer (&take->about);
  g_autofree char *path = g_utf8_make_valid (outcome->path, -1);

  gst_structure_set (s, "path", G_TYPE_STRING, path, "replaced", G_TYPE_BOOLEAN,
      outcome->replaced, "bytes", G_TYPE_UINT64, (guint64) outcome->bytes,
      NULL);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), s));
}

static void
on_done (GstElement *element, GstDefcnTake *take,
    const GstDefcnOutcome *outcome)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (element);
  gboolean was_troubled;

  GST_OBJECT_LOCK (self);
  was_troubled = self->is_troubled;
  self->is_troubled = !outcome->path;
  self->stats.failed += !outcome->path;
  self->stats.written += outcome->path && !outcome->replaced;
  self->stats.replaced += outcome->path && outcome->replaced;
  self->stats.bytes += outcome->bytes;
  self->stats.deleted += outcome->deleted;
  GST_OBJECT_UNLOCK (self);
  if (outcome->path)
    post_snapshot (self, take, outcome);
  else if (!was_troubled)
    warn_troubled (self, outcome->error);
  if (outcome->path && was_troubled)
    GST_INFO_OBJECT (self, "pictures can be written again");
}

/* Starting and stopping. */

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (base);
  g_autofree char *location = NULL;
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location ? self->location : "");
  self->stats = (Stats){ 0 };
  self->is_troubled = FALSE;
  self->is_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
  self->template = gst_defcn_template_new (location, &error);
  if (!self->template
      || !gst_defcn_folder_make (gst_defcn_template_folder (self->template),
          &error)) {
    g_clear_pointer (&self->template, gst_defcn_template_free);
    gst_defcn_error_post (GST_ELEMENT (self), error);
    return FALSE;
  }
  self->writer = gst_defcn_writer_new (gst_defcn_template_folder (
                                           self->template),
      gst_defcn_template_depth (self->template), GST_ELEMENT (self), on_done);
  self->state.keeper =
      gst_defcn_keeper_new ((GDestroyNotify) gst_defcn_slot_unref);
  self->state.untracked = G_MAXUINT64;
  self->now = self->n = 0;
  self->is_warned = self->is_warned_untracked = FALSE;
  gst_video_info_init (&self->info);
  GST_OBJECT_LOCK (self);
  self->is_started = TRUE;
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static void
warn_slow (GstDefcnSnapshot *self)
{
  GST_ELEMENT_WARNING (self, RESOURCE, WRITE,
      ("The folder of the pictures does not answer."),
      ("Pictures were not written within %d s.",
          (int) (PATIENCE / GST_SECOND)));
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (base);
  const guint left = gst_defcn_writer_close (self->writer, PATIENCE);

  self->writer = NULL;
  GST_OBJECT_LOCK (self);
  self->is_started = FALSE;
  self->stats.dropped += left;
  GST_OBJECT_UNLOCK (self);
  if (left)
    warn_slow (self);
  g_clear_pointer (&self->template, gst_defcn_template_free);
  g_clear_pointer (&self->state.keeper, gst_defcn_keeper_free);
  return TRUE;
}

/* Whoever hears of EOS finds the files. */
static gboolean
sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (base);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && self->writer
      && !gst_defcn_writer_drain (self->writer, PATIENCE))
    warn_slow (self);
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_snapshot_parent_class)
      ->sink_event (base, event);
}

static gboolean
set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (base);

  if (!gst_video_info_from_caps (&self->info, in)) {
    GST_ERROR_OBJECT (self, "no video: %" GST_PTR_FORMAT, in);
    return FALSE;
  }
  self->is_warned = FALSE;
  return TRUE;
}

/* A frame. */

static void
clear_rule (GstDefcnSnapshot *self)
{
  g_free (self->rule.source);
  g_free (self->rule.classes);
  g_free (self->rule.redact);
  g_clear_pointer (&self->classes, g_strfreev);
  g_clear_pointer (&self->redact, g_strfreev);
  self->rule = (GstDefcnSnapshotLive){ NULL };
}

/* (transfer full): the names, without spaces around; NULL for none. */
static char **
split (const char *text)
{
  char **names = text && *text ? gst_defcn_list_split (text) : NULL;

  for (char **name = names; name && *name; name++)
    g_strstrip (*name);
  return names;
}

static void
take_rule (GstDefcnSnapshot *self)
{
  GST_OBJECT_LOCK (self);
  if (self->is_changed) {
    clear_rule (self);
    self->rule = self->live;
    self->rule.source = g_strdup (self->live.source);
    self->rule.classes = g_strdup (self->live.classes);
    self->rule.redact = g_strdup (self->live.redact);
    self->classes = split (self->rule.classes);
    self->redact = split (self->rule.redact);
    self->is_changed = FALSE;
  }
  GST_OBJECT_UNLOCK (self);
}

/* *@source: (transfer full), its owner. */
static GstDefcnMoment
moment_of (GstDefcnSnapshot *self, GstBuffer *buffer, char **source)
{
  *source = self->rule.source ? g_strdup (self->rule.source)
                              : gst_object_get_name (GST_OBJECT (self));
  return (GstDefcnMoment){ *source, GST_BUFFER_PTS (buffer),
    gst_defcn_timing_stream (&GST_BASE_TRANSFORM (self)->segment,
        GST_BUFFER_PTS (buffer)),
    self->now };
}

static GstDefcnPixels
part_of (GstDefcnSnapshot *self, const GstDefcnDue *due, int w, int h)
{
  return self->rule.what == GST_DEFCN_SNAPSHOT_FRAME || !due->has_box
      ? (GstDefcnPixels){ 0, 0, w, h }
      : gst_defcn_picture_around (&due->object, self->rule.margin, w, h);
}

static void
count_failed (GstDefcnSnapshot *self, const GError *error)
{
  GST_OBJECT_LOCK (self);
  self->stats.failed++;
  GST_OBJECT_UNLOCK (self);
  if (self->is_warned)
    return;
  self->is_warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED, ("%s", error->message),
      ("No picture of it is written."));
}

/* (transfer full): the part of @buffer that @due wants, or NULL. */
static GstDefcnTake *
take_new (GstDefcnSnapshot *self, const GstDefcnDue *due, GstDefcnSlot *slot,
    const GstDefcnMoment *moment, GstBuffer *buffer)
{
  const GstDefcnSnapshotLive *rule = &self->rule;
  g_autoptr (GstDefcnTake) take = g_new0 (GstDefcnTake, 1);
  g_autoptr (GError) error = NULL;
  GstDefcnView view;
  gboolean good;

  take->slot = gst_defcn_slot_ref (slot);
  good = gst_defcn_view_map (&view, buffer, &self->info,
      GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF, &error);
  if (good) {
    const GstDefcnPixels part =
        part_of (self, due, view.visible.w, view.visible.h);

    good = gst_defcn_picture_cut (&take->picture, &view, &part, &error);
    gst_defcn_view_unmap (&view);
  }
  if (!good) {
    count_failed (self, error);
    return NULL;
  }
  gst_defcn_redact_judge (&take->redaction, buffer,
      (const char *const *) self->redact, rule->redact_margin, self->info.width,
      self->info.height);
  take->about = gst_defcn_caption_about (due, take, moment);
  take->quality = (int) rule->quality;
  take->with_record = rule->sidecar;
  take->max_files = rule->max_files;
  take->max_bytes = rule->max_bytes;
  return g_steal_pointer (&take);
}

/* (transfer full): the file for @due; NULL where that of its track has been
 * forgotten, there being too many, since it was found. */
static GstDefcnSlot *
slot_for (GstDefcnSnapshot *self, const GstDefcnDue *due,
    const GstDefcnMoment *moment)
{
  const gint64 id = due->object.track.id;
  GstDefcnSlot *slot;

  if (!due->is_new) {
    slot = gst_defcn_keeper_slot (self->state.keeper, id);
    return slot ? gst_defcn_slot_ref (slot) : NULL;
  }
  slot = gst_defcn_caption_slot (self->template, due, moment, self->n++);
  if (id > 0)
    gst_defcn_keeper_begin (self->state.keeper, id, gst_defcn_slot_ref (slot),
        self->now);
  return slot;
}

static void
take_picture (GstDefcnSnapshot *self, const GstDefcnDue *due,
    const GstDefcnMoment *moment, GstBuffer *buffer)
{
  const gint64 id = due->object.track.id;
  const GstDefcnPixels part =
      part_of (self, due, self->info.width, self->info.height);
  g_autoptr (GstDefcnSlot) slot = slot_for (self, due, moment);
  GstDefcnTake *take;

  if (!slot)
    return;
  if (!gst_defcn_writer_has_room (self->writer, slot, self->rule.queue_size,
          gst_defcn_picture_size (&part))) {
    GST_OBJECT_LOCK (self);
    self->stats.dropped++;
    GST_OBJECT_UNLOCK (self);
    GST_DEBUG_OBJECT (self, "%s: dropped, the queue is full", slot->name);
    return;
  }
  take = take_new (self, due, slot, moment, buffer);
  if (!take)
    return;
  gst_defcn_writer_push (self->writer, take);
  if (id > 0)
    gst_defcn_keeper_taken (self->state.keeper, id, due->score);
}

/* Whoever waits for pictures of tracks would wait for ever. */
static void
warn_untracked (GstDefcnSnapshot *self)
{
  if (!self->state.is_in_vain || self->is_warned_untracked)
    return;
  self->is_warned_untracked = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("Objects have no track: there is no picture of them."),
      ("Put defcntrack before %s, or set on=object.", GST_OBJECT_NAME (self)));
}

static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (base);
  g_autofree char *source = NULL;
  GstDefcnMoment moment;
  GstDefcnDueRule rule;

  take_rule (self);
  self->now = (guint64) gst_defcn_timing_next ((gint64) self->now,
      &base->segment, &self->info, GST_BUFFER_PTS (buffer));
  rule = (GstDefcnDueRule){ self->rule.on, self->classes, self->rule.threshold,
    self->rule.interval, self->rule.what == GST_DEFCN_SNAPSHOT_FRAME };
  g_array_set_size (self->due, 0);
  gst_defcn_due_find (self->due, &self->state, &rule, buffer, self->info.width,
      self->info.height, self->now);
  warn_untracked (self);
  if (!self->due->len)
    return GST_FLOW_OK;
  moment = moment_of (self, buffer, &source);
  for (guint i = 0; i < self->due->len; i++)
    take_picture (self, &g_array_index (self->due, GstDefcnDue, i), &moment,
        buffer);
  return GST_FLOW_OK;
}

/* Properties. */

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnSnapshot, member)
static const gsize fields[] = {
  [PROP_LOCATION] = FIELD (location),
  [PROP_SOURCE] = FIELD (live.source),
  [PROP_ON] = FIELD (live.on),
  [PROP_WHAT] = FIELD (live.what),
  [PROP_CLASSES] = FIELD (live.classes),
  [PROP_THRESHOLD] = FIELD (live.threshold),
  [PROP_MARGIN] = FIELD (live.margin),
  [PROP_INTERVAL] = FIELD (live.interval),
  [PROP_QUALITY] = FIELD (live.quality),
  [PROP_SIDECAR] = FIELD (live.sidecar),
  [PROP_MAX_FILES] = FIELD (live.max_files),
  [PROP_MAX_BYTES] = FIELD (live.max_bytes),
  [PROP_QUEUE_SIZE] = FIELD (live.queue_size),
  [PROP_REDACT] = FIELD (live.redact),
  [PROP_REDACT_MARGIN] = FIELD (live.redact_margin),
};

/* What is read when the element starts alone keeps its value while it runs. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (object);
  gpointer field = G_STRUCT_MEMBER_P (object, fields[id]);
  gboolean fixed, refused;

  GST_OBJECT_LOCK (self);
  fixed = self->is_started && !(pspec->flags & GST_PARAM_MUTABLE_PLAYING);
  refused = fixed && gst_defcn_field_differs (field, value, pspec);
  if (!fixed)
    gst_defcn_field_set (field, value);
  if (id == PROP_SOURCE)
    gst_defcn_record_hide_login (&self->live.source);
  self->is_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (refused)
    gst_defcn_field_warn_fixed (GST_ELEMENT (self), pspec);
}

static void
get_stats (GstDefcnSnapshot *self, GValue *value)
{
  Stats stats;

  GST_OBJECT_LOCK (self);
  stats = self->stats;
  GST_OBJECT_UNLOCK (self);
  g_value_take_boxed (value,
      gst_structure_new ("defcn-snapshot-stats", "written", G_TYPE_UINT64,
          stats.written, "replaced", G_TYPE_UINT64, stats.replaced, "dropped",
          G_TYPE_UINT64, stats.dropped, "failed", G_TYPE_UINT64, stats.failed,
          "bytes", G_TYPE_UINT64, stats.bytes, "deleted", G_TYPE_UINT64,
          stats.deleted, NULL));
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_STATS) {
    get_stats (GST_DEFCN_SNAPSHOT (object), value);
    return;
  }
  GST_OBJECT_LOCK (object);
  gst_defcn_field_get (value, G_STRUCT_MEMBER_P (object, fields[id]));
  GST_OBJECT_UNLOCK (object);
}

static void
finalize (GObject *object)
{
  GstDefcnSnapshot *self = GST_DEFCN_SNAPSHOT (object);

  clear_rule (self);
  g_free (self->location);
  g_free (self->live.source);
  g_free (self->live.classes);
  g_free (self->live.redact);
  g_array_unref (self->due);
  G_OBJECT_CLASS (gst_defcn_snapshot_parent_class)->finalize (object);
}

static void
gst_defcn_snapshot_class_init (GstDefcnSnapshotClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_snapshot_debug, "defcnsnapshot", 0,
      "writes pictures of detections");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  gst_defcn_snapshot_specs_install (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection snapshots",
      "Filter/Analyzer/Video", "Writes pictures of detected objects as JPEG",
      "The defcn authors");
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->sink_event = GST_DEBUG_FUNCPTR (sink_event);
  base->set_caps = GST_DEBUG_FUNCPTR (set_caps);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
  base->transform_ip_on_passthrough = TRUE;
}

static void
gst_defcn_snapshot_init (GstDefcnSnapshot *self)
{
  self->location = g_strdup (GST_DEFCN_SNAPSHOT_LOCATION);
  gst_defcn_snapshot_specs_defaults (&self->live);
  self->due = g_array_new (FALSE, FALSE, sizeof (GstDefcnDue));
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
