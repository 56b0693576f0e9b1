/* The thread that encodes and writes pictures, and the queue before it. */
#include "writer.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "jpeg.h"

/* What pictures that wait may take together; a single one may take more. */
#define MAX_BYTES ((gsize) 128 << 20)

struct _GstDefcnWriter
{
  gint refs; /* the owner's and the thread's */
  GstDefcnFolder *folder;
  char *path; /* of it */
  GWeakRef owner;
  GstDefcnWriterDone done;
  GThread *thread;

  GMutex lock;
  GCond changed;
  GQueue takes; /* all below under the lock */
  gsize bytes;  /* of their pixels */
  gboolean is_busy, is_ended;
};

GstDefcnSlot *
gst_defcn_slot_new (char *name, GstDefcnFolderHow how)
{
  GstDefcnSlot *slot = g_atomic_rc_box_new0 (GstDefcnSlot);

  slot->name = name;
  slot->how = how;
  return slot;
}

GstDefcnSlot *
gst_defcn_slot_ref (GstDefcnSlot *slot)
{
  return g_atomic_rc_box_acquire (slot);
}

static void
clear_slot (gpointer data)
{
  GstDefcnSlot *slot = data;

  g_free (slot->name);
  gst_defcn_file_clear (&slot->file);
  gst_defcn_file_clear (&slot->record);
}

void
gst_defcn_slot_unref (GstDefcnSlot *slot)
{
  if (slot)
    g_atomic_rc_box_release_full (slot, clear_slot);
}

void
gst_defcn_take_free (GstDefcnTake *take)
{
  if (!take)
    return;
  gst_defcn_slot_unref (take->slot);
  gst_defcn_picture_clear (&take->picture);
  gst_defcn_redact_clear (&take->redaction);
  g_clear_pointer (&take->about, gst_structure_free);
  g_free (take);
}

static gsize
size_of (const GstDefcnTake *take)
{
  return GST_VIDEO_INFO_SIZE (&take->picture.info);
}

/* Writing, in the thread. */

static GBytes *
encode (GstDefcnTake *take, GError **error)
{
  GstDefcnPicture *picture = &take->picture;
  GstVideoFrame frame;
  GBytes *jpeg;

  if (!gst_video_frame_map (&frame, &picture->info, picture->pixels,
          GST_MAP_READWRITE)) {
    g_set_error_literal (error, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE,
        "No memory for a picture.");
    return NULL;
  }
  if (gst_defcn_redact_is_needed (&take->redaction))
    gst_defcn_redact_apply (&take->redaction, &frame, &picture->whole);
  jpeg = gst_defcn_jpeg_encode (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
      picture->info.width, picture->info.height,
      GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), take->quality, error);
  gst_video_frame_unmap (&frame);
  return jpeg;
}

static gboolean
add_field (GQuark field, const GValue *value, gpointer to)
{
  const char *name = g_quark_to_string (field);
  g_autofree char *number = NULL;
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (G_VALUE_HOLDS_STRING (value)) {
    cJSON_AddStringToObject (to, name, g_value_get_string (value));
  } else if (G_VALUE_HOLDS_BOOLEAN (value)) {
    cJSON_AddBoolToObject (to, name, g_value_get_boolean (value));
  } else if (G_VALUE_HOLDS_DOUBLE (value)) {
    if (isfinite (g_value_get_double (value)))
      cJSON_AddRawToObject (to, name,
          g_ascii_formatd (text, sizeof text, "%.9g",
              g_value_get_double (value)));
  } else if (!G_VALUE_HOLDS_UINT64 (value)
      || GST_CLOCK_TIME_IS_VALID (g_value_get_uint64 (value))) {
    /* integers, which a double of cJSON's would round */
    number = gst_value_serialize (value);
    cJSON_AddRawToObject (to, name, number);
  }
  return TRUE;
}

/* What the message says, as a line of JSON. */
static GBytes *
record_of (const GstDefcnTake *take)
{
  cJSON *object = cJSON_CreateObject ();
  g_autofree char *name = g_path_get_basename (take->slot->file.name);
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  char *text, *line;

  /* First, as GST_DEFCN_FOLDER_RECORD has it. */
  cJSON_AddNumberToObject (object, "defcnsnapshot", 1);
  cJSON_AddStringToObject (object, "picture", valid);
  gst_structure_foreach (take->about, add_field, object);
  text = cJSON_PrintUnformatted (object);
  cJSON_Delete (object);
  line = g_strconcat (text, "\n", NULL);
  cJSON_free (text);
  return g_bytes_new_take (line, strlen (line));
}

static gboolean
write_record (GstDefcnWriter *writer, GstDefcnTake *take, gsize *bytes,
    GError **error)
{
  GstDefcnSlot *slot = take->slot;
  g_autoptr (GBytes) data = record_of (take);
  g_autofree char *name =
      gst_defcn_folder_beside (slot->file.name, GST_DEFCN_FOLDER_RECORD_ENDING);

  *bytes += g_bytes_get_size (data);
  return gst_defcn_folder_write (writer->folder, &slot->record, name, slot->how,
      data, NULL, error);
}

static gboolean
write_picture (GstDefcnWriter *writer, GstDefcnTake *take,
    GstDefcnOutcome *outcome, GError **error)
{
  GstDefcnSlot *slot = take->slot;
  g_autoptr (GBytes) jpeg = encode (take, error);

  if (!jpeg
      || !gst_defcn_folder_write (writer->folder, &slot->file, slot->name,
          slot->how, jpeg, &outcome->replaced, error))
    return FALSE;
  outcome->bytes = g_bytes_get_size (jpeg);
  if (take->with_record && !write_record (writer, take, &outcome->bytes, error))
    return FALSE;
  outcome->deleted = gst_defcn_folder_limit (writer->folder, take->max_files,
      take->max_bytes, &slot->file);
  return TRUE;
}

static void
write_take (GstDefcnWriter *writer, GstDefcnTake *take)
{
  GstDefcnOutcome outcome = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  GstElement *owner;

  if (write_picture (writer, take, &outcome, &error))
    path = g_build_filename (writer->path, take->slot->file.name, NULL);
  outcome.path = path;
  outcome.error = error;
  owner = g_weak_ref_get (&writer->owner);
  if (owner)
    writer->done (owner, take, &outcome);
  g_clear_object (&owner);
}

static void
unref (GstDefcnWriter *writer)
{
  GstDefcnTake *take;

  if (!g_atomic_int_dec_and_test (&writer->refs))
    return;
  while ((take = g_queue_pop_head (&writer->takes)))
    gst_defcn_take_free (take);
  gst_defcn_folder_close (writer->folder);
  g_weak_ref_clear (&writer->owner);
  g_mutex_clear (&writer->lock);
  g_cond_clear (&writer->changed);
  g_free (writer->path);
  g_free (writer);
}

static gpointer
run (gpointer data)
{
  GstDefcnWriter *writer = data;

  g_mutex_lock (&writer->lock);
  while (!writer->is_ended) {
    GstDefcnTake *take = g_queue_pop_head (&writer->takes);

    if (!take) {
      g_cond_wait (&writer->changed, &writer->lock);
      continue;
    }
    writer->bytes -= size_of (take);
    writer->is_busy = TRUE;
    g_mutex_unlock (&writer->lock);
    write_take (writer, take);
    gst_defcn_take_free (take);
    g_mutex_lock (&writer->lock);
    writer->is_busy = FALSE;
    g_cond_broadcast (&writer->changed);
  }
  g_mutex_unlock (&writer->lock);
  unref (writer);
  return NULL;
}

/* The others. */

GstDefcnWriter *
gst_defcn_writer_new (const char *folder, guint depth, GstElement *owner,
    GstDefcnWriterDone done)
{
  GstDefcnWriter *writer = g_new0 (GstDefcnWriter, 1);

  writer->refs = 2;
  writer->folder = gst_defcn_folder_open (folder, depth);
  writer->path = g_strdup (folder);
  g_weak_ref_init (&writer->owner, owner);
  writer->done = done;
  g_mutex_init (&writer->lock);
  g_cond_init (&writer->changed);
  writer->thread = g_thread_new ("defcnsnapshot", run, writer);
  return writer;
}

/* With the lock held. */
static GList *
waiting_for (GstDefcnWriter *writer, const GstDefcnSlot *slot)
{
  for (GList *l = slot ? writer->takes.head : NULL; l; l = l->next)
    if (((GstDefcnTake *) l->data)->slot == slot)
      return l;
  return NULL;
}

gboolean
gst_defcn_writer_has_room (GstDefcnWriter *writer, const GstDefcnSlot *slot,
    guint most, gsize bytes)
{
  gboolean has_room;

  g_mutex_lock (&writer->lock);
  has_room = waiting_for (writer, slot) || writer->takes.length == 0
      || (writer->takes.length < most && writer->bytes + bytes <= MAX_BYTES);
  g_mutex_unlock (&writer->lock);
  return has_room;
}

void
gst_defcn_writer_push (GstDefcnWriter *writer, GstDefcnTake *take)
{
  GstDefcnTake *earlier = NULL;
  GList *link;

  g_mutex_lock (&writer->lock);
  link = waiting_for (writer, take->slot);
  if (link) {
    earlier = link->data;
    writer->bytes -= size_of (earlier);
    link->data = take;
  } else {
    g_queue_push_tail (&writer->takes, take);
  }
  writer->bytes += size_of (take);
  g_cond_broadcast (&writer->changed);
  g_mutex_unlock (&writer->lock);
  gst_defcn_take_free (earlier);
}

/* With the lock held. */
static gboolean
drain (GstDefcnWriter *writer, GstClockTime timeout)
{
  const gint64 end = g_get_monotonic_time () + GST_TIME_AS_USECONDS (timeout);

  while (writer->takes.length || writer->is_busy)
    if (!g_cond_wait_until (&writer->changed, &writer->lock, end))
      return !writer->takes.length && !writer->is_busy;
  return TRUE;
}

gboolean
gst_defcn_writer_drain (GstDefcnWriter *writer, GstClockTime timeout)
{
  gboolean drained;

  g_mutex_lock (&writer->lock);
  drained = drain (writer, timeout);
  g_mutex_unlock (&writer->lock);
  return drained;
}

guint
gst_defcn_writer_close (GstDefcnWriter *writer, GstClockTime timeout)
{
  guint left = 0;

  if (!writer)
    return 0;
  g_mutex_lock (&writer->lock);
  if (!drain (writer, timeout))
    left = writer->takes.length + writer->is_busy;
  writer->is_ended = TRUE;
  g_cond_broadcast (&writer->changed);
  g_mutex_unlock (&writer->lock);
  if (left)
    g_thread_unref (writer->thread);
  else
    g_thread_join (writer->thread);
  unref (writer);
  return left;
}
