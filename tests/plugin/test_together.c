/* Elements that share a model: what each finds is what it would find alone. */
#include "rig.h"

#include <glib/gstdio.h>

#include "tiny_model.h"

#define N 5
#define FRAMES 4

static const struct
{
  const char *caps, *properties;
  guint interval; /* 0: every frame */
} streams[N] = {
  { "video/x-raw,format=RGB,width=160,height=120,framerate=25/1", "" },
  { "video/x-raw,format=NV12,width=160,height=120,framerate=25/1",
      "threshold=0.4" },
  { "video/x-raw,format=I420,width=128,height=96,framerate=30/1",
      "classes=car" },
  { "video/x-raw,format=GRAY8,width=90,height=160,framerate=5/1",
      "max-detections=3 inference-interval=2", 2 },
  { "video/x-raw,format=AYUV,width=160,height=120,framerate=25/1",
      "roi=0,0,80,120;80,0,80,120;20,20,100,80" },
};

typedef struct
{
  GstHarness *harness;
  guint interval;
  GArray *found[FRAMES]; /* GstDefcnObject */
} Stream;

static gpointer
pass (gpointer data)
{
  Stream *s = data;

  for (guint i = 0; i < FRAMES; i++) {
    g_autoptr (GstBuffer) out =
        gst_harness_push_and_pull (s->harness, rig_frame (s->harness, i));

    g_assert_nonnull (out);
    g_assert_cmpint (rig_mark (out).inferred, ==, i % s->interval == 0);
    s->found[i] = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    gst_defcn_meta_read (out, s->found[i], 1000, 1000);
  }
  return NULL;
}

static void
stream_init (Stream *s, guint i, const char *sharing)
{
  g_autofree char *properties =
      g_strconcat (streams[i].properties, " meta=custom ", sharing, NULL);

  s->harness = rig_harness (properties, streams[i].caps);
  s->interval = MAX (streams[i].interval, 1);
}

static void
stream_clear (Stream *s)
{
  gst_harness_teardown (s->harness);
  for (guint i = 0; i < FRAMES; i++)
    g_clear_pointer (&s->found[i], g_array_unref);
}

/* Each stream by itself. */
static void
pass_alone (Stream alone[N], const char *properties)
{
  for (guint i = 0; i < N; i++) {
    guint n = 0;

    stream_init (&alone[i], i, properties);
    pass (&alone[i]);
    for (guint k = 0; k < FRAMES; k++)
      n += alone[i].found[k]->len;
    g_assert_cmpuint (n, >, 0);
  }
}

static void
assert_streams (const Stream found[N], const Stream wanted[N])
{
  for (guint i = 0; i < N; i++)
    for (guint k = 0; k < FRAMES; k++)
      rig_assert_same (found[i].found[k], wanted[i].found[k]);
}

/* To the last bit, whatever went through the network with it: other formats,
 * sizes, regions, thresholds and intervals; and in batches of any size, on any
 * number of threads, where these do not decide about the sums. */
static void
test_same (void)
{
  static const struct
  {
    const char *batch, *sharing;
  } cases[] = {
    { "batch-size=1", "" },
    { "batch-size=3", "batch-timeout=20" },
    { "batch-size=2", "workers=2 batch-timeout=3" },
    { "batch-size=3", "threads=2 batch-timeout=20" },
    { "batch-size=3", "threads=3 batch-timeout=20" },
  };
  Stream first[N] = { 0 };

  pass_alone (first, "");
  for (guint k = 0; k < G_N_ELEMENTS (cases); k++) {
    g_autofree char *properties = g_strconcat ("model-instance-id=t ",
        cases[k].batch, " ", cases[k].sharing, NULL);
    Stream alone[N] = { 0 }, together[N] = { 0 };
    GThread *threads[N];

    pass_alone (alone, cases[k].batch);
    if (!g_getenv ("DEFCN_TEST_TOLERANCE"))
      assert_streams (alone, first);
    for (guint i = 0; i < N; i++)
      stream_init (&together[i], i, properties);
    for (guint i = 0; i < N; i++)
      threads[i] = g_thread_new ("stream", pass, &together[i]);
    for (guint i = 0; i < N; i++)
      g_thread_join (threads[i]);
    assert_streams (together, alone);
    for (guint i = 0; i < N; i++) {
      stream_clear (&alone[i]);
      stream_clear (&together[i]);
    }
  }
  for (guint i = 0; i < N; i++)
    stream_clear (&first[i]);
}

static void
count (GstElement *element, gboolean good, const char *path, gpointer data)
{
  g_assert_true (good);
  g_atomic_int_inc ((gint *) data);
}

static GArray *
objects_of (GstHarness *h, guint n)
{
  g_autoptr (GstBuffer) out = gst_harness_push_and_pull (h, rig_frame (h, n));
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  gst_defcn_meta_read (out, objects, 1000, 1000);
  return objects;
}

/* A model of another input size is taken on by all who share, and finds then
 * what it finds in an element that began with it. */
static void
test_reload (void)
{
  g_autofree char *other = rig_file ("other.safetensors", "");
  GstHarness *h[2], *fresh;
  gint n_told = 0;

  testing_tiny_model_write_as (other, 96, -3);
  for (int i = 0; i < 2; i++) {
    g_autoptr (GstElement) element = NULL;

    h[i] = rig_harness ("model-instance-id=r batch-size=2", streams[i].caps);
    element = rig_element (h[i]);
    g_signal_connect (element, "model-updated", G_CALLBACK (count), &n_told);
    g_array_unref (objects_of (h[i], 0));
  }
  {
    g_autoptr (GstElement) element = rig_element (h[1]);

    g_object_set (element, "model", other, NULL);
  }
  while (g_atomic_int_get (&n_told) < 2)
    g_usleep (1000);
  for (int i = 0; i < 2; i++) {
    g_autoptr (GArray) found = objects_of (h[i], 1), wanted = NULL;

    fresh = rig_harness_model (other, "", streams[i].caps);
    wanted = objects_of (fresh, 1);
    g_assert_cmpuint (wanted->len, >, 0);
    rig_assert_same (found, wanted);
    gst_harness_teardown (fresh);
  }
  for (int i = 0; i < 2; i++)
    gst_harness_teardown (h[i]);
}

/* Many streams in one pipeline, of which one ends early and one alone names the
 * model: the others come to their end. */
static void
test_pipeline (void)
{
  GString *launch = g_string_new (NULL);
  GstElement *pipeline;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  for (int i = 0; i < 6; i++)
    g_string_append_printf (launch,
        "videotestsrc num-buffers=%d pattern=snow ! "
        "video/x-raw,format=I420,width=%d,height=96 ! defcndetect name=d%d "
        "%s%s %s model-instance-id=p ! fakesink name=s%d ",
        i == 1 ? 1 : 30, 96 + 16 * i, i, i == 3 ? "model=" : "",
        i == 3 ? rig_model () : "",
        i == 3 ? "device=cpu threads=1 batch-size=4 batch-timeout=1000" : "",
        i);
  pipeline = gst_parse_launch (launch->str, &error);
  g_string_free (launch, TRUE);
  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  for (int i = 0; i < 6; i++) {
    g_autofree char *name = g_strdup_printf ("d%d", i);
    g_autoptr (GstElement) d = gst_bin_get_by_name (GST_BIN (pipeline), name);
    g_autoptr (GstStructure) stats = NULL;
    guint64 inferred;
    guint sharers;

    g_object_get (d, "stats", &stats, NULL);
    g_assert_true (gst_structure_get (stats, "inferred", G_TYPE_UINT64,
        &inferred, "sharers", G_TYPE_UINT, &sharers, NULL));
    g_assert_cmpuint (inferred, ==, i == 1 ? 1 : 30);
    g_assert_cmpuint (sharers, ==, 6);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/together/same", test_same);
  g_test_add_func ("/together/reload", test_reload);
  g_test_add_func ("/together/pipeline", test_pipeline);
  return rig_run ();
}
