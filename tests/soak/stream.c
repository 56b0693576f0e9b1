/* One stream of the soak. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "camera.h"
#include "chain.h"
#include "inject.h"
#include "spoil.h"
#include "storm.h"
#include "stream.h"

/* A fault comes about every so many frames. */
#define RARE 30
/* For so many frames an injected fault earns its error: queues hold some. */
#define EXCUSED 300
/* Seconds after which what does not move hangs. */
#define PATIENCE 60

/* What faults there are by the error that they earn, and what that says. */
typedef enum
{
  OTHER, /* none of the project's, or one that says that it is injected */
  READ,
  MEMORY,
  WRITE,
  N_EXCUSES
} Excuse;

static const char *const earned[N_EXCUSES] = { NULL, "A frame cannot be read",
  "no memory", "Detections cannot be written" };

struct _Stream
{
  const StreamOptions *options;
  guint number;
  GRand *rand; /* the thread's */
  GThread *thread;
  gint quit, ended, faults, restarts, unexpected; /* atomic */
  gint given;                                     /* atomic, frames */

  GMutex lock; /* held while the pipeline is made, started, stopped */
  GstElement *pipeline;
  Ledger ledger;

  /* The thread's. */
  Camera *camera;
  GstVideoInfo info;
  guint64 frame;              /* number of the next one */
  guint64 excused[N_EXCUSES]; /* up to this frame such errors are expected */
  guint64 lost;               /* of the ledger, as far as it was told */
  guint kind;                 /* of chain */
  const char *last;           /* fault between two frames, and when that was */
  guint64 last_frame;
  gboolean raw;   /* the detector gets the camera's very frames */
  gboolean parts; /* from those who share its model, when it starts again */
  char *log;

  /* Atomic. */
  gint slow, dying; /* what the sink does with its next frame */
  gint reader;      /* of a FIFO, -1: none */
};

static guint
draw (Stream *self, guint n)
{
  return (guint) g_rand_int_range (self->rand, 0, (gint32) n);
}

/* The sink's faults. */
static GstPadProbeReturn
sink_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Stream *self = data;
  const gint slow = g_atomic_int_get (&self->slow);
  const gint dying = g_atomic_int_get (&self->dying);

  if (slow) {
    g_atomic_int_set (&self->slow, 0);
    g_usleep (slow);
  }
  if (!dying)
    return GST_PAD_PROBE_OK;
  g_atomic_int_set (&self->dying, 0);
  ledger_die (&self->ledger);
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  info->data = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = dying;
  return GST_PAD_PROBE_HANDLED;
}

static void
watch (Stream *self)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (self->pipeline), "detect");
  g_autoptr (GstElement) sink =
      gst_bin_get_by_name (GST_BIN (self->pipeline), "sink");
  g_autoptr (GstPad) into = gst_element_get_static_pad (detect, "sink");
  g_autoptr (GstPad) from = gst_element_get_static_pad (sink, "sink");

  ledger_watch (&self->ledger, into, from, !self->raw);
  gst_pad_add_probe (from, GST_PAD_PROBE_TYPE_BUFFER, sink_frame, self, NULL);
}

/* Elements that share a model, several frames in flight, several networks: what
 * has no name of its model's is alone.  Those of one name begin with one model,
 * and a reload of any of them is one of all. */
static void
share (Stream *self)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (self->pipeline), "detect");
  static const char *const ids[] = { "a", "b", NULL };
  const guint id = draw (self, G_N_ELEMENTS (ids));

  g_object_set (detect, "model-instance-id", ids[id], "model",
      self->options->models[ids[id] ? id : draw (self, 2)], "batch-size",
      1 + draw (self, 4), "batch-timeout", 5, "nireq", 1 + draw (self, 4),
      "workers", 1 + draw (self, 2), NULL);
}

/* The others of its name have another model by now, or it was stopped when it
 * was to load the one that is none: goes on without them, and with a model. */
static void
part (Stream *self)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (self->pipeline), "detect");

  g_object_set (detect, "model-instance-id", NULL, "model",
      self->options->models[draw (self, 2)], NULL);
}

static void
build (Stream *self)
{
  const guint kind =
      chain_kind (self->pipeline ? draw (self, chain_kinds ()) : self->number);
  GstElement *first;

  self->kind = kind;
  self->raw = chain_is_raw (kind);
  self->pipeline = chain_new (kind, self->options->device, self->log);
  share (self);
  self->camera = g_object_new (CAMERA_TYPE, "name", "camera", NULL);
  first = gst_bin_get_by_name (GST_BIN (self->pipeline), "first");
  gst_bin_add (GST_BIN (self->pipeline), GST_ELEMENT (self->camera));
  gst_element_link (GST_ELEMENT (self->camera), first);
  gst_object_unref (first);
  watch (self);
}

static void
new_caps (Stream *self)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_I420,
    GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGRx,
    GST_VIDEO_FORMAT_GRAY8, GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_I420_10LE,
    GST_VIDEO_FORMAT_UYVP };

  static const int sizes[][2] = { { 32, 32 }, { 320, 180 }, { 162, 122 },
    { 64, 240 }, { 300, 48 } };
  const int *size = sizes[draw (self, G_N_ELEMENTS (sizes))];

  /* Few sizes: the engine keeps what it has made for each. */
  gst_video_info_set_format (&self->info,
      formats[draw (self, G_N_ELEMENTS (formats))], size[0], size[1]);
  self->info.fps_n = 1 + draw (self, 60);
  self->info.fps_d = 1;
  self->info.par_n = 1 + draw (self, 2);
}

static gboolean
is_ours (GstObject *source)
{
  const char *name = GST_IS_ELEMENT (source)
      ? GST_OBJECT_NAME (gst_element_get_factory (GST_ELEMENT (source)))
      : "";

  return g_str_has_prefix (name, "defcn");
}

/* What nobody should have seen. */
static void
tell (Stream *self, const char *what, const char *debug)
{
  if (g_atomic_int_add (&self->unexpected, 1) < 5)
    g_printerr ("stream %u, frame %" G_GUINT64_FORMAT ": %s (%s)\n",
        self->number, self->frame, what, debug ? debug : "");
}

static gboolean
is_earned (const Stream *self, const char *message)
{
  for (guint i = 0; i < N_EXCUSES; i++)
    if (earned[i] && strstr (message, earned[i]))
      return self->frame <= self->excused[i];
  return strstr (message, "injected") != NULL;
}

/* Whether some fault may still have an effect. */
static gboolean
is_excused (const Stream *self)
{
  for (guint i = 0; i < N_EXCUSES; i++)
    if (self->frame <= self->excused[i])
      return TRUE;
  return FALSE;
}

/* Messages are read: what is an error, and none has earned it, is told. */
static gboolean
failed (Stream *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  GstMessage *message;
  gboolean any = FALSE;

  while ((message = gst_bus_pop (bus))) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) error = NULL;
      g_autofree char *debug = NULL;

      any = TRUE;
      gst_message_parse_error (message, &error, &debug);
      if (g_str_has_prefix (error->message, "model-instance-id=")
          || g_str_has_prefix (error->message, self->options->models[2]))
        self->parts = TRUE;
      /* A corrupt coded frame is the decoder's to complain of. */
      if (!self->parts && is_ours (GST_MESSAGE_SRC (message))
          && !is_earned (self, error->message))
        tell (self, error->message, debug);
    }
    gst_message_unref (message);
  }
  return any;
}

/* With the lock held. */
static void
halt (Stream *self, GstState state)
{
  gst_element_set_state (self->pipeline, state);
  camera_forget (self->camera);
  ledger_forget (&self->ledger);
}

static void
start (Stream *self)
{
  g_mutex_lock (&self->lock);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_mutex_unlock (&self->lock);
  camera_begin (self->camera, &self->info, self->frame);
}

static void
stop (Stream *self, GstState state)
{
  g_mutex_lock (&self->lock);
  halt (self, state);
  g_mutex_unlock (&self->lock);
  failed (self);
}

static void
set_location (Stream *self, const char *location)
{
  g_autoptr (GstElement) publish =
      gst_bin_get_by_name (GST_BIN (self->pipeline), "publish");

  g_object_set (publish, "location", location, NULL);
}

static void
close_reader (Stream *self)
{
  const int reader = g_atomic_int_get (&self->reader);

  if (reader >= 0
      && g_atomic_int_compare_and_exchange (&self->reader, reader, -1))
    close (reader);
}

static void
restart (Stream *self)
{
  g_atomic_int_inc (&self->restarts);
  stop (self, GST_STATE_READY);
  set_location (self, self->log);
  close_reader (self);
  if (self->parts)
    part (self);
  self->parts = FALSE;
  memset (self->excused, 0, sizeof self->excused);
  g_atomic_int_set (&self->dying, 0); /* nothing would excuse it */
  start (self);
}

static void
excuse (Stream *self, Excuse what)
{
  self->excused[what] = MAX (self->excused[what], self->frame + EXCUSED);
}

/* Removed, and another one added: other elements, another codec. */
static void
replace (Stream *self)
{
  GstElement *old = self->pipeline;

  excuse (self, OTHER);
  /* In one piece: the storm would have the old one READY again, and what is
   * let go in that state is never freed. */
  g_mutex_lock (&self->lock);
  halt (self, GST_STATE_NULL);
  build (self);
  g_mutex_unlock (&self->lock);
  gst_object_unref (old);
  g_remove (self->log);
  new_caps (self);
  restart (self);
}

/* Faults between two frames. */

static void
change_caps (Stream *self)
{
  new_caps (self);
  camera_caps (self->camera, &self->info);
}

static void
gap (Stream *self)
{
  camera_push_event (self->camera,
      gst_event_new_gap (self->frame * CAMERA_FRAME, CAMERA_FRAME));
  self->frame++;
}

static void
segment (Stream *self)
{
  camera_segment (self->camera, self->frame);
}

static void
flush (Stream *self)
{
  camera_flush (self->camera);
  camera_segment (self->camera, self->frame);
}

/* All frames have to come out before it does. */
static void
end (Stream *self)
{
  gboolean bad = FALSE;

  camera_push_event (self->camera, gst_event_new_eos ());
  for (guint i = 0; !ledger_wait_eos (&self->ledger) && !bad; i++) {
    bad = failed (self);
    if (i == PATIENCE)
      g_error ("stream %u: no end of the stream", self->number);
  }
  if (!failed (self) && !bad && !is_excused (self))
    ledger_end (&self->ledger);
  camera_flush (self->camera);
  camera_begin (self->camera, &self->info, self->frame);
}

static void
turn (Stream *self)
{
  static const char *const ways[] = { "rotate-90", "rotate-0",
    "flip-rotate-180", "nonsense" };

  camera_push_event (self->camera,
      gst_event_new_tag (gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION,
          ways[draw (self, G_N_ELEMENTS (ways))], NULL)));
}

static void
silence (Stream *self)
{
  g_usleep ((1 + draw (self, 200)) * (gulong) G_TIME_SPAN_MILLISECOND);
}

static void
slow_sink (Stream *self)
{
  g_atomic_int_set (&self->slow, (gint) (1 + draw (self, 100)) * 1000);
}

static void
dying_sink (Stream *self)
{
  static const GstFlowReturn ways[] = { GST_FLOW_ERROR, GST_FLOW_EOS,
    GST_FLOW_NOT_LINKED };

  excuse (self, OTHER);
  excuse (self, READ); /* a queue may discard a CAPS event, too */
  g_atomic_int_set (&self->dying, ways[draw (self, G_N_ELEMENTS (ways))]);
}

static void
full_disk (Stream *self)
{
  self->excused[WRITE] = G_MAXUINT64; /* until it starts again */
  stop (self, GST_STATE_READY);
  set_location (self, "/dev/full");
  start (self);
}

/* A reader that does not read, and goes after a while.  In one piece: when the
 * storm has it go before it is written to, the writer waits for the next one,
 * which does not come. */
static void
closed_pipe (Stream *self)
{
  g_autofree char *name = g_strconcat (self->log, ".fifo", NULL);

  self->excused[WRITE] = G_MAXUINT64;
  g_mutex_lock (&self->lock);
  halt (self, GST_STATE_READY);
  close_reader (self);
  g_remove (name);
  if (mkfifo (name, 0600) == 0) {
    g_atomic_int_set (&self->reader, open (name, O_RDONLY | O_NONBLOCK));
    set_location (self, name);
  }
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_mutex_unlock (&self->lock);
  failed (self);
  camera_begin (self->camera, &self->info, self->frame);
}

static const struct
{
  const char *name;
  void (*run) (Stream *);
} between[] = {
  { "change-caps", change_caps },
  { "change-caps", change_caps },
  { "gap", gap },
  { "segment", segment },
  { "flush", flush },
  { "end", end },
  { "turn", turn },
  { "silence", silence },
  { "slow-sink", slow_sink },
  { "dying-sink", dying_sink },
  { "full-disk", full_disk },
  { "closed-pipe", closed_pipe },
  { "restart", restart },
  { "replace", replace },
};

/* Faults of a frame. */

static GstBuffer *
inject (Stream *self, GstBuffer *buffer, Inject what)
{
  guint8 pixels[INJECT_SIZE];

  if (what == INJECT_MEMORY) { /* which is taken for a size that is new */
    gst_buffer_unref (buffer);
    change_caps (self);
    buffer = camera_frame (&self->info, self->frame);
  }
  inject_mark (pixels, what);
  gst_buffer_fill (buffer, 0, pixels, sizeof pixels);
  if (what != INJECT_SLOW)
    excuse (self, what == INJECT_MEMORY ? MEMORY : OTHER);
  return buffer;
}

/* Coded, the others would be an encoder's to complain of. */
static gboolean
is_possible (const Stream *self, guint fault)
{
  return self->raw || (fault < SPOIL_N && spoil_is_coded (fault));
}

static GstBuffer *
spoil_or_inject (Stream *self, GstBuffer *buffer)
{
  const guint fault = draw (self, SPOIL_N + INJECT_N);

  if (!is_possible (self, fault))
    return buffer;
  g_atomic_int_inc (&self->faults);
  if (fault >= SPOIL_N)
    return inject (self, buffer, fault - SPOIL_N);
  if (spoil (buffer, fault, &self->info, self->rand))
    excuse (self, READ);
  return buffer;
}

static void
tell_lost (Stream *self)
{
  const guint64 lost = ledger_lost (&self->ledger);

  if (lost > self->lost)
    g_printerr ("stream %u, frame %" G_GUINT64_FORMAT ", chain %u: "
                "%" G_GUINT64_FORMAT " lost; %s at %" G_GUINT64_FORMAT
                ", excused to %" G_GUINT64_FORMAT "\n",
        self->number, self->frame, self->kind, lost - self->lost, self->last,
        self->last_frame, self->excused[OTHER]);
  self->lost = lost;
}

static void
step (Stream *self)
{
  const guint dice = draw (self, 2 * RARE);
  guint fault;
  GstBuffer *buffer;
  GstFlowReturn flow;

  if (dice == 0) {
    g_atomic_int_inc (&self->faults);
    fault = draw (self, G_N_ELEMENTS (between));
    self->last = between[fault].name;
    self->last_frame = self->frame;
    between[fault].run (self);
  }
  buffer = camera_frame (&self->info, self->frame);
  if (dice == 1)
    buffer = spoil_or_inject (self, buffer);
  flow = camera_push (self->camera, buffer);
  self->frame++;
  g_atomic_int_inc (&self->given);
  tell_lost (self);
  if (camera_sought (self->camera)) {
    g_atomic_int_inc (&self->faults);
    camera_begin (self->camera, &self->info, self->frame);
  } else if (failed (self) || flow != GST_FLOW_OK) {
    if (flow == GST_FLOW_NOT_NEGOTIATED && self->raw)
      tell (self, "not negotiated", NULL);
    restart (self);
  }
}

static gpointer
run (gpointer data)
{
  Stream *self = data;

  start (self);
  while (!g_atomic_int_get (&self->quit)) {
    step (self);
    g_usleep (self->options->pause);
  }
  stop (self, GST_STATE_NULL);
  g_atomic_int_set (&self->ended, 1);
  return NULL;
}

Stream *
stream_new (const StreamOptions *options, guint number, guint32 seed)
{
  Stream *self = g_new0 (Stream, 1);

  self->options = options;
  self->number = number;
  self->rand = g_rand_new_with_seed (seed + 1000 * number);
  self->log = g_strdup_printf ("%s/%u.json", options->folder, number);
  self->reader = -1;
  self->last = "nothing";
  g_mutex_init (&self->lock);
  ledger_init (&self->ledger);
  new_caps (self);
  build (self);
  return self;
}

void
stream_start (Stream *self)
{
  self->thread = g_thread_new ("stream", run, self);
}

void
stream_free (Stream *self)
{
  const gint64 begin = g_get_monotonic_time ();

  g_atomic_int_set (&self->quit, 1);
  /* It may wait for the reader of a pipe, or open the next one just now. */
  while (!g_atomic_int_get (&self->ended)) {
    close_reader (self);
    g_usleep (10 * G_TIME_SPAN_MILLISECOND);
    if (g_get_monotonic_time () - begin > PATIENCE * G_TIME_SPAN_SECOND)
      g_error ("stream %u hangs when it is to end", self->number);
  }
  g_thread_join (self->thread);
  gst_object_unref (self->pipeline);
  close_reader (self);
  ledger_clear (&self->ledger);
  g_mutex_clear (&self->lock);
  g_rand_free (self->rand);
  g_free (self->log);
  g_free (self);
}

void
stream_counts (Stream *self, StreamCounts *counts)
{
  g_mutex_lock (&self->ledger.lock);
  counts->frames = self->ledger.out;
  counts->lost = self->ledger.lost;
  counts->reordered = self->ledger.reordered;
  g_mutex_unlock (&self->ledger.lock);
  counts->given = (guint) g_atomic_int_get (&self->given);
  counts->faults = (guint) g_atomic_int_get (&self->faults);
  counts->restarts = (guint) g_atomic_int_get (&self->restarts);
  counts->unexpected = (guint) g_atomic_int_get (&self->unexpected);
}

void
stream_tell (Stream *self)
{
  g_printerr ("stream %u: chain %u, frame %" G_GUINT64_FORMAT
              ", %s at %" G_GUINT64_FORMAT ", reader %d, %s\n",
      self->number, self->kind, self->frame, self->last, self->last_frame,
      g_atomic_int_get (&self->reader),
      gst_element_state_get_name (GST_STATE (self->pipeline)));
}

void
stream_storm (Stream *self, GRand *rand)
{
  g_mutex_lock (&self->lock);
  g_atomic_int_inc (&self->faults);
  if (g_rand_int_range (rand, 0, 4) == 0)
    close_reader (self);
  /* Stopped, the camera's thread finds its pads flushing, and starts again. */
  if (storm (self->pipeline, self->options->models, self->log, rand)) {
    camera_forget (self->camera);
    ledger_forget (&self->ledger);
  }
  g_mutex_unlock (&self->lock);
}
