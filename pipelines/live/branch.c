/* One camera's pipeline and the thread that changes its states. */
#include "branch.h"

#include <gst/app/gstappsink.h>
#include <string.h>
#include <unistd.h>

#include "elements.h"

typedef enum
{
  COMMAND_STOP = 1,
  COMMAND_REWIND,
} Command;

struct _LiveBranch
{
  GstElement *pipeline, *detect;
  GstElement *track; /* NULL: it does not */
  int records;
  LiveBranchEvents events;
  gpointer user;
  GAsyncQueue *commands; /* of the thread */

  /* main thread */
  gboolean stopped;
  guint bus_watch;

  gint fps;            /* atomic */
  gint64 last_picture; /* streaming thread */

  GMutex lock;
  GBytes *picture; /* that the main thread has not taken */
  LiveBranchStats stats;
};

static void
branch_free (gpointer data)
{
  LiveBranch *branch = data;

  g_clear_object (&branch->detect);
  g_clear_object (&branch->track);
  g_clear_object (&branch->pipeline);
  g_async_queue_unref (branch->commands);
  g_clear_pointer (&branch->picture, g_bytes_unref);
  g_mutex_clear (&branch->lock);
}

static void
branch_unref (gpointer branch)
{
  g_atomic_rc_box_release_full (branch, branch_free);
}

/* Calls @function in the main thread, whose loop may not run yet, with a
 * reference of @branch. */
static void
invoke (LiveBranch *branch, GSourceFunc function)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, function,
      g_atomic_rc_box_acquire (branch), branch_unref);
}

/* Streaming threads. */

static gboolean
take_picture (gpointer data)
{
  LiveBranch *branch = data;
  g_autoptr (GBytes) picture = NULL;

  g_mutex_lock (&branch->lock);
  picture = g_steal_pointer (&branch->picture);
  g_mutex_unlock (&branch->lock);
  if (picture && !branch->stopped)
    branch->events.picture (picture, branch->user);
  return G_SOURCE_REMOVE;
}

static GstFlowReturn
on_sample (GstAppSink *sink, gpointer data)
{
  LiveBranch *branch = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
  GstMapInfo map;
  GBytes *old;

  if (!buffer || !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return GST_FLOW_OK;
  g_mutex_lock (&branch->lock);
  old = branch->picture;
  branch->picture = g_bytes_new (map.data, map.size);
  g_mutex_unlock (&branch->lock);
  gst_buffer_unmap (buffer, &map);
  if (old)
    g_bytes_unref (old); /* the main thread has been called for that one */
  else
    invoke (branch, take_picture);
  return GST_FLOW_OK;
}

/* Every frame that was published: counted, and let through to the page now and
 * then. */
static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  LiveBranch *branch = data;
  const gint64 now = g_get_monotonic_time ();
  const gint64 wait = G_USEC_PER_SEC / MAX (g_atomic_int_get (&branch->fps), 1);

  g_mutex_lock (&branch->lock);
  branch->stats.frames++;
  branch->stats.last_frame = now;
  g_mutex_unlock (&branch->lock);
  /* Frames come a little early and late. */
  if (branch->last_picture && now - branch->last_picture < wait - wait / 8)
    return GST_PAD_PROBE_DROP;
  branch->last_picture = now;
  return GST_PAD_PROBE_OK;
}

/* What the main thread tells. */

static void
on_error (LiveBranch *branch, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL, *text = NULL;
  const char *detail;

  gst_message_parse_error (message, &error, &debug);
  /* After where in the code, the last line says what it was. */
  detail = debug ? strrchr (debug, '\n') : NULL;
  text = g_strdup_printf ("%s (%s%s%s)", error->message,
      GST_MESSAGE_SRC_NAME (message), detail ? ": " : "",
      detail ? detail + 1 : "");
  branch->events.failed (text, branch->user);
}

/* The branch's own thread. */

/* Its message says why, and may not have come to the main thread yet. */
static gboolean
tell_not_started (gpointer data)
{
  LiveBranch *branch = data;
  g_autoptr (GstBus) bus = gst_element_get_bus (branch->pipeline);
  g_autoptr (GstMessage) message = NULL;

  if (branch->stopped)
    return G_SOURCE_REMOVE;
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (message)
    on_error (branch, message);
  else
    branch->events.failed ("it cannot be started", branch->user);
  return G_SOURCE_REMOVE;
}

static gboolean
tell_no_rewind (gpointer data)
{
  LiveBranch *branch = data;

  if (!branch->stopped)
    branch->events.failed ("the stream has ended", branch->user);
  return G_SOURCE_REMOVE;
}

static gboolean
tell_ended (gpointer data)
{
  LiveBranch *branch = data;

  branch->events.ended (branch->user);
  return G_SOURCE_REMOVE;
}

static guint64
count (const GstStructure *stats, const char *name)
{
  guint64 value = 0;

  gst_structure_get_uint64 (stats, name, &value);
  return value;
}

/* Here, since whoever holds the detector's lock might do so for long. */
static void
read_stats (LiveBranch *branch)
{
  g_autoptr (GstStructure) s = NULL;
  LiveBranchStats *stats = &branch->stats;
  guint64 tracks = 0;

  if (branch->track)
    g_object_get (branch->track, "tracks", &tracks, NULL);
  g_object_get (branch->detect, "stats", &s, NULL);
  if (!s)
    return;
  g_mutex_lock (&branch->lock);
  stats->inferred = count (s, "inferred");
  stats->objects = count (s, "objects");
  stats->tracks = tracks;
  stats->skipped_interval = count (s, "skipped-interval");
  stats->skipped_qos = count (s, "skipped-qos");
  stats->skipped_busy = count (s, "skipped-busy");
  stats->skipped_region = count (s, "skipped-region");
  stats->skipped_still = count (s, "skipped-still");
  stats->inference_p50 = (double) count (s, "inference-p50") / GST_SECOND;
  stats->inference_p95 = (double) count (s, "inference-p95") / GST_SECOND;
  stats->model_bytes = count (s, "model-bytes");
  g_mutex_unlock (&branch->lock);
}

static gpointer
run (gpointer data)
{
  LiveBranch *branch = data;
  int command = 0;

  if (gst_element_set_state (branch->pipeline, GST_STATE_PLAYING)
      == GST_STATE_CHANGE_FAILURE)
    invoke (branch, tell_not_started);
  while (command != COMMAND_STOP) {
    command = GPOINTER_TO_INT (
        g_async_queue_timeout_pop (branch->commands, G_USEC_PER_SEC));
    if (command == COMMAND_REWIND
        && !gst_element_seek_simple (branch->pipeline, GST_FORMAT_TIME,
            GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, 0))
      invoke (branch, tell_no_rewind);
    read_stats (branch);
  }
  gst_element_set_state (branch->pipeline, GST_STATE_NULL);
  close (branch->records);
  invoke (branch, tell_ended);
  branch_unref (branch);
  return NULL;
}

/* The main thread. */

static void
on_warning (LiveBranch *branch, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  gst_message_parse_warning (message, &error, NULL);
  text = g_strdup_printf ("%s (%s)", error->message,
      GST_MESSAGE_SRC_NAME (message));
  branch->events.warning (text, branch->user);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  LiveBranch *branch = data;

  if (branch->stopped)
    return G_SOURCE_CONTINUE;
  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (branch, message);
      break;
    case GST_MESSAGE_WARNING:
      on_warning (branch, message);
      break;
    case GST_MESSAGE_EOS: /* a file begins anew, and others fail at that */
      g_async_queue_push (branch->commands, GINT_TO_POINTER (COMMAND_REWIND));
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static void
connect_pipeline (LiveBranch *branch)
{
  GstAppSinkCallbacks callbacks = { .new_sample = on_sample };
  g_autoptr (GstElement) second =
      gst_bin_get_by_name (GST_BIN (branch->pipeline), "second");
  g_autoptr (GstElement) sink =
      gst_bin_get_by_name (GST_BIN (branch->pipeline), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (second, "sink");
  g_autoptr (GstBus) bus = gst_element_get_bus (branch->pipeline);

  /* The pipeline lives no longer than the branch. */
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, branch, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, branch, NULL);
  branch->bus_watch = gst_bus_add_watch_full (bus, G_PRIORITY_DEFAULT,
      on_message, g_atomic_rc_box_acquire (branch), branch_unref);
}

LiveBranch *
live_branch_new (const LiveCameraConfig *camera, const LiveConfig *config,
    int records, const LiveBranchEvents *events, gpointer user, GError **error)
{
  GstElement *pipeline = live_elements_new (camera, config, records, error);
  LiveBranch *branch;

  if (!pipeline) {
    close (records);
    return NULL;
  }
  branch = g_atomic_rc_box_new0 (LiveBranch);
  branch->pipeline = pipeline;
  branch->detect = gst_bin_get_by_name (GST_BIN (pipeline), "detect");
  branch->track = gst_bin_get_by_name (GST_BIN (pipeline), "track");
  branch->records = records;
  branch->events = *events;
  branch->user = user;
  branch->commands = g_async_queue_new ();
  branch->fps = 1;
  g_mutex_init (&branch->lock);
  connect_pipeline (branch);
  g_thread_unref (
      g_thread_new ("branch", run, g_atomic_rc_box_acquire (branch)));
  return branch;
}

void
live_branch_stop (LiveBranch *branch)
{
  branch->stopped = TRUE;
  g_source_remove (branch->bus_watch);
  g_async_queue_push (branch->commands, GINT_TO_POINTER (COMMAND_STOP));
  branch_unref (branch);
}

LiveBranchStats
live_branch_stats (LiveBranch *branch)
{
  LiveBranchStats stats;

  g_mutex_lock (&branch->lock);
  stats = branch->stats;
  g_mutex_unlock (&branch->lock);
  return stats;
}

void
live_branch_set_fps (LiveBranch *branch, guint fps)
{
  g_atomic_int_set (&branch->fps, (int) fps);
}
