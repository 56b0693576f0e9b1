/* Elements that share a model, come and go, and are meddled with by another
 * thread all the while, with a detector that the test plays. */
#include "fake_detector.h"
#include "rig.h"

#define STREAMS 4
#define ROUNDS 6
#define FRAMES 60
#define FRAME (GST_SECOND / 25)

typedef struct
{
  guint number;
  GMutex lock; /* guards what follows, and serializes what is pushed */
  GstHarness *h;
  guint pushed;
} Stream;

static Stream streams[STREAMS];
static gint over;

/* Of those who are not, no frame may be missing. */
static gboolean
is_flushed (const Stream *s)
{
  return s->number % 2 == 1;
}

static void
push_event (GstHarness *h, guint kind, guint n)
{
  g_autoptr (GstQuery) query = NULL;
  g_autofree char *caps = NULL;

  switch (kind) {
    case 0:
      gst_harness_push_event (h, gst_event_new_gap (n * FRAME, FRAME));
      break;
    case 1:
      gst_harness_push_event (h,
          gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "x", NULL)));
      break;
    case 2:
      query = gst_query_new_drain ();
      gst_pad_peer_query (h->srcpad, query);
      break;
    case 3:
      caps = g_strdup_printf (
          "video/x-raw,format=RGB,width=%u,height=120,framerate=25/1",
          160 + 16 * (n % 3));
      gst_harness_set_src_caps_str (h, caps);
      break;
    case 4:
      rig_push_segment (h);
      break;
    default:
      break;
  }
}

/* One frame, and perhaps something before it. */
static void
push_one (Stream *s, GRand *rand)
{
  const guint n = s->pushed;
  GstFlowReturn ret;
  GstBuffer *frame;

  g_mutex_lock (&s->lock);
  if (!is_flushed (s)) /* a flush may take them away */
    push_event (s->h, (guint) g_rand_int_range (rand, 0, 40), n);
  frame = rig_frame (s->h, n);
  if (g_rand_int_range (rand, 0, 20) == 0)
    GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
  ret = gst_harness_push (s->h, frame);
  g_assert_true (ret == GST_FLOW_OK || ret == GST_FLOW_FLUSHING);
  s->pushed++;
  g_mutex_unlock (&s->lock);
}

/* What went in, in order: all of it, unless some was flushed away. */
static void
check_output (Stream *s)
{
  GstClockTime last = GST_CLOCK_TIME_NONE;
  GstBuffer *out;
  guint n = 0;

  while ((out = gst_harness_try_pull (s->h))) {
    if (n++)
      g_assert_cmpuint (GST_BUFFER_PTS (out), >, last);
    last = GST_BUFFER_PTS (out);
    rig_mark (out); /* it has one */
    gst_buffer_unref (out);
  }
  g_assert_cmpuint (n, <=, FRAMES);
  if (!is_flushed (s))
    g_assert_cmpuint (n, ==, FRAMES);
}

static gpointer
stream (gpointer data)
{
  static const char *const more[] = { "", "no-block=true",
    "repeat-detections=true inference-interval=2", "skip-still=1",
    "roi=\"0,0,40,40;40,40,40,40;9,9,90,90\"" };
  Stream *s = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (s->number);

  for (guint round = 0; round < ROUNDS; round++) {
    g_autofree char *properties =
        g_strdup_printf ("model-instance-id=x batch-size=3 batch-timeout=1 "
                         "workers=2 nireq=%d "
                         "%s",
            g_rand_int_range (rand, 1, 5),
            more[g_rand_int_range (rand, 0, G_N_ELEMENTS (more))]);
    GstHarness *h;

    h = fake_detector_harness (properties, FAKE_DETECTOR_CAPS);
    g_mutex_lock (&s->lock);
    s->h = h;
    s->pushed = 0;
    g_mutex_unlock (&s->lock);
    for (guint i = 0; i < FRAMES; i++)
      push_one (s, rand);
    g_mutex_lock (&s->lock);
    gst_harness_push_event (h, gst_event_new_eos ());
    check_output (s);
    s->h = NULL;
    g_mutex_unlock (&s->lock);
    gst_harness_teardown (h);
  }
  return NULL;
}

/* With the stream's lock held. */
static void
set_something (GstHarness *h, GRand *rand)
{
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstStructure) stats = NULL;

  switch (g_rand_int_range (rand, 0, 7)) {
    case 0: /* another model with the same name would be no conflict */
      g_object_set (element, "model", "/dev/null", NULL);
      break;
    case 1:
      g_object_set (element, "threads", (guint) g_rand_int_range (rand, 0, 3),
          NULL);
      break;
    case 2:
      g_object_set (element, "batch-timeout", g_rand_int_range (rand, 0, 3),
          NULL);
      break;
    case 3:
      g_object_set (element, "no-block", g_rand_boolean (rand), NULL);
      break;
    case 4:
      g_object_set (element, "threshold", g_rand_double (rand), NULL);
      break;
    case 5:
      g_object_set (element, "skip-still",
          (float) g_rand_int_range (rand, 0, 2), NULL);
      break;
    default:
      g_object_get (element, "stats", &stats, NULL);
      break;
  }
}

/* The first half of it while frames are on their way, and the network at one
 * that the next ones overtake. */
static void
flush (Stream *s)
{
  g_autoptr (GstPad) pad = NULL;

  g_mutex_lock (&s->lock);
  if (s->h)
    pad = gst_object_ref (s->h->srcpad);
  g_mutex_unlock (&s->lock);
  if (!pad)
    return;
  fake_detector_hold ();
  g_usleep (500);
  gst_pad_push_event (pad, gst_event_new_flush_start ());
  /* The flush has woken who has the lock, unless that is the next round's. */
  for (guint i = 0; !g_mutex_trylock (&s->lock); i++) {
    if (i == 50)
      fake_detector_release ();
    g_usleep (100);
  }
  gst_pad_push_event (pad, gst_event_new_flush_stop (TRUE));
  if (s->h)
    rig_push_segment (s->h);
  g_mutex_unlock (&s->lock);
  fake_detector_let (4);
  g_usleep (500);
  fake_detector_release ();
}

static gpointer
meddle (gpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (99);

  while (!g_atomic_int_get (&over)) {
    Stream *s = &streams[g_rand_int_range (rand, 0, STREAMS)];

    if (is_flushed (s) && g_rand_int_range (rand, 0, 4) == 0) {
      flush (s);
    } else {
      g_mutex_lock (&s->lock);
      if (s->h)
        set_something (s->h, rand);
      g_mutex_unlock (&s->lock);
    }
    g_usleep (500);
  }
  return NULL;
}

/* No frame is lost or overtaken, whatever happens beside it, and all models are
 * closed in the end. */
static void
test_storm (void)
{
  GThread *threads[STREAMS], *meddler;

  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  g_atomic_int_set (&over, 0);
  for (guint i = 0; i < STREAMS; i++) {
    streams[i].number = i;
    threads[i] = g_thread_new ("stream", stream, &streams[i]);
  }
  meddler = g_thread_new ("meddle", meddle, NULL);
  for (guint i = 0; i < STREAMS; i++)
    g_thread_join (threads[i]);
  g_atomic_int_set (&over, 1);
  g_thread_join (meddler);
  for (guint i = 0; fake_detector_n_open () > 0 && i < 3000; i++)
    g_usleep (10000); /* one that was being opened */
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/storm/storm", test_storm);
  return rig_run ();
}
