/* Another model while frames flow, with a detector that the test plays. */
#include "fake_detector.h"
#include "rig.h"

#include "detect/reload.h"

#include <string.h>

typedef struct
{
  GMutex lock;
  GCond changed;
  guint n_good, n_bad;
  char *path; /* of the last one */
} Told;

static void
updated (GstElement *element, gboolean good, const char *path, gpointer data)
{
  Told *told = data;

  g_mutex_lock (&told->lock);
  *(good ? &told->n_good : &told->n_bad) += 1;
  g_free (told->path);
  told->path = g_strdup (path);
  g_cond_broadcast (&told->changed);
  g_mutex_unlock (&told->lock);
}

/* Waits until so many have been told of. */
static void
wait_told (Told *told, guint n)
{
  const gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  g_mutex_lock (&told->lock);
  while (told->n_good + told->n_bad < n)
    if (!g_cond_wait_until (&told->changed, &told->lock, end))
      g_error ("model-updated was emitted %u times",
          told->n_good + told->n_bad);
  g_mutex_unlock (&told->lock);
}

typedef struct
{
  GstHarness *h;
  GstElement *element;
  GstBus *bus;
  Told told;
} Stream;

static void
stream_init (Stream *s, const char *properties)
{
  *s = (Stream){ .h = fake_detector_harness (properties, FAKE_DETECTOR_CAPS) };
  s->element = rig_element (s->h);
  s->bus = rig_bus (s->h);
  g_signal_connect (s->element, "model-updated", G_CALLBACK (updated),
      &s->told);
}

static void
stream_clear (Stream *s)
{
  gst_element_set_bus (s->element, NULL);
  gst_object_unref (s->bus);
  gst_object_unref (s->element);
  gst_harness_teardown (s->h);
  g_free (s->told.path);
}

static void
start (Stream *s, const char *properties)
{
  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  stream_init (s, properties);
}

static void
assert_model (Stream *s, guint n, const char *hash, const char *name)
{
  g_autoptr (GstBuffer) out = fake_detector_pass (s->h, n);

  g_assert_cmpstr (rig_mark (out).model, ==, hash);
  g_assert_cmpstr (rig_mark (out).model_name, ==, name);
}

static void
assert_warning (Stream *s, const char *words)
{
  g_autoptr (GstMessage) message = rig_message (s->bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  g_assert_nonnull (strstr (error->message, words));
}

static void
assert_no_warning (Stream *s)
{
  g_assert_null (gst_bus_pop_filtered (s->bus, GST_MESSAGE_WARNING));
}

static void
assert_property (Stream *s, const char *name, const char *wanted)
{
  GValue value = G_VALUE_INIT;
  g_autofree char *text = NULL;

  g_object_get_property (G_OBJECT (s->element), name, &value);
  text = gst_value_serialize (&value);
  g_assert_cmpstr (text, ==, wanted);
  g_value_unset (&value);
}

/* While the new model is being opened frames go on with the old one, and from
 * the swap on with the new: the mark says which has seen a frame.  The new one
 * has been tried on a picture of their size before.  The old one is closed. */
static void
test_swap (void)
{
  Stream s;

  start (&s, "");
  assert_model (&s, 0, "c0ffee", "null");
  fake_detector_hold_opening ();
  g_object_set (s.element, "model", "/dev/zero", NULL);
  fake_detector_wait_opening ();
  for (guint i = 1; i < 4; i++)
    assert_model (&s, i, "c0ffee", "null");
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  fake_detector_release_opening ();
  wait_told (&s.told, 1);
  g_assert_cmpuint (s.told.n_good, ==, 1);
  g_assert_cmpstr (s.told.path, ==, "/dev/zero");
  g_assert_cmpuint (fake_detector_n_runs (), ==, 5);
  g_assert_cmpuint (fake_detector_model (4), ==, 1);
  g_assert_cmpint (fake_detector_image (4).width, ==, FAKE_DETECTOR_WIDTH);
  g_assert_cmpint (fake_detector_image (4).height, ==, FAKE_DETECTOR_HEIGHT);
  assert_model (&s, 4, "decaf", "zero");
  g_assert_cmpuint (fake_detector_model (5), ==, 1);
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  assert_property (&s, "model", "/dev/zero");
  assert_no_warning (&s);
  stream_clear (&s);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* Objects that are repeated are those of the model that found them. */
static void
test_repeated (void)
{
  Stream s;

  start (&s, "inference-interval=3 repeat-detections=true");
  assert_model (&s, 0, "c0ffee", "null");
  g_object_set (s.element, "model", "/dev/zero", NULL);
  wait_told (&s.told, 1);
  assert_model (&s, 1, "c0ffee", "null");
  assert_model (&s, 2, "c0ffee", "null");
  assert_model (&s, 3, "decaf", "zero");
  stream_clear (&s);
}

/* A frame that is at work when the models are swapped ends with the old one. */
static void
test_at_work (void)
{
  Stream s;
  guint n = 1;

  start (&s, "no-block=true");
  fake_detector_hold ();
  gst_buffer_unref (fake_detector_pass (s.h, 0));
  fake_detector_wait_held ();
  fake_detector_hold_opening ();
  g_object_set (s.element, "model", "/dev/zero", NULL);
  fake_detector_wait_opening ();
  fake_detector_release ();
  fake_detector_release_opening ();
  wait_told (&s.told, 1);
  for (;; n++) {
    g_autoptr (GstBuffer) out = fake_detector_pass (s.h, n);

    if (!rig_mark (out).fresh)
      continue;
    g_assert_cmpuint (rig_mark (out).timestamp, ==, 0);
    g_assert_cmpstr (rig_mark (out).model, ==, "c0ffee");
    break;
  }
  stream_clear (&s);
}

/* Whatever fails, the old model goes on, a warning says why, and the properties
 * say what runs. */
static void
test_failure (void)
{
  static const struct
  {
    const char *name, *value;
    int core; /* -1: it opens and fails to run */
    const char *words;
  } cases[] = {
    { "model", "/no/where", DEFCN_ERROR_MODEL, "/no/where" },
    { "model", "/dev/zero", DEFCN_ERROR_MODEL, "it does not open" },
    { "device", "cuda:3", DEFCN_ERROR_BACKEND, "it does not open" },
    { "precision", "bf16", DEFCN_ERROR_BACKEND, "it does not open" },
    { "threads", "77", DEFCN_ERROR_BACKEND, "it does not open" },
    { "model", "/dev/zero", -1, "it was told to" },
  };
  static const char *const names[] = { "model", "device", "precision",
    "threads" };
  Stream s;
  char *before[4];

  start (&s, "");
  for (int k = 0; k < 4; k++) {
    GValue value = G_VALUE_INIT;

    g_object_get_property (G_OBJECT (s.element), names[k], &value);
    before[k] = gst_value_serialize (&value);
    g_value_unset (&value);
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("case %u", i);
    assert_model (&s, i, "c0ffee", "null");
    if (cases[i].core < 0)
      fake_detector_set_failing (TRUE);
    else
      fake_detector_set_open_error (cases[i].core);
    gst_util_set_object_arg (G_OBJECT (s.element), cases[i].name,
        cases[i].value);
    wait_told (&s.told, i + 1);
    fake_detector_set_failing (FALSE);
    fake_detector_set_open_error (-1);
    g_assert_cmpuint (s.told.n_bad, ==, i + 1);
    assert_warning (&s, cases[i].words);
    for (int k = 0; k < 4; k++)
      assert_property (&s, names[k], before[k]);
    g_assert_cmpint (fake_detector_n_open (), ==, 1);
  }
  for (int k = 0; k < 4; k++)
    g_free (before[k]);
  stream_clear (&s);
}

/* Device, precision and threads are asked for with the model that runs, or that
 * is to come; of several wishes the last one wins, and is told of alone. */
static void
test_last_wins (void)
{
  Stream s;

  start (&s, "batch-size=3");
  fake_detector_hold_opening ();
  g_object_set (s.element, "model", "/dev/zero", NULL);
  fake_detector_wait_opening ();
  g_object_set (s.element, "model", "/dev/full", "threads", 5, NULL);
  gst_util_set_object_arg (G_OBJECT (s.element), "precision", "bf16");
  g_object_set (s.element, "device", "some:9", NULL);
  fake_detector_release_opening ();
  wait_told (&s.told, 1);
  g_assert_cmpstr (s.told.path, ==, "/dev/full");
  g_assert_cmpint (fake_detector_options ().threads, ==, 5);
  g_assert_cmpint (fake_detector_options ().batch, ==, 3);
  g_assert_cmpstr (fake_detector_options ().precision, ==, "bf16");
  g_assert_cmpstr (fake_detector_options ().device, ==, "some:9");
  assert_model (&s, 0, "7ea", "full"); /* the second was not used */
  g_assert_cmpuint (s.told.n_good, ==, 1);
  assert_property (&s, "threads", "5");
  /* What stays as it is asks for nothing, but the same file may be another. */
  g_object_set (s.element, "threads", 5, "device", "some:9", NULL);
  g_object_set (s.element, "model", "/dev/full", NULL);
  wait_told (&s.told, 2);
  g_assert_cmpuint (s.told.n_good, ==, 2);
  assert_no_warning (&s);
  stream_clear (&s);
}

/* All that share a model take on the new one, whoever has set it, and each
 * tells of it; of a failure only who has set it does.  The path that others
 * have to agree with is the new one then. */
static void
test_shared (void)
{
  Stream s[3];

  start (&s[0], "model-instance-id=x");
  stream_init (&s[1], "model-instance-id=x");
  g_object_set (s[1].element, "model", "/dev/zero", NULL);
  wait_told (&s[0].told, 1);
  wait_told (&s[1].told, 1);
  for (int i = 0; i < 2; i++) {
    assert_model (&s[i], 0, "decaf", "zero");
    assert_property (&s[i], "model", "/dev/zero");
  }
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  stream_init (&s[2], "model=/dev/zero model-instance-id=x");
  assert_model (&s[2], 0, "decaf", "zero");
  fake_detector_set_open_error (DEFCN_ERROR_MODEL);
  g_object_set (s[0].element, "model", "/no/where", NULL);
  wait_told (&s[0].told, 2);
  g_assert_cmpuint (s[0].told.n_bad, ==, 1);
  assert_warning (&s[0], "/no/where");
  for (int i = 0; i < 3; i++) {
    assert_model (&s[i], 1, "decaf", "zero");
    g_assert_cmpuint (s[i].told.n_bad, ==, i == 0);
  }
  for (int i = 0; i < 3; i++)
    stream_clear (&s[i]);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

static gpointer
to_playing (gpointer element)
{
  gst_element_set_state (element, GST_STATE_PLAYING);
  return NULL;
}

/* What is set while the first model is being opened is not lost: another one
 * takes its place then, and what cannot change any more is refused. */
static void
test_set_while_opening (void)
{
  g_autofree char *labels = NULL;
  Stream s;
  GThread *thread;

  start (&s, "");
  gst_element_set_state (s.element, GST_STATE_READY);
  fake_detector_hold_opening ();
  thread = g_thread_new ("start", to_playing, s.element);
  fake_detector_wait_opening ();
  g_object_set (s.element, "model", "/dev/zero", "precision", 3,
      "batch-timeout", 7, "labels", "a,b,c", NULL);
  assert_warning (&s, "labels");
  g_object_get (s.element, "labels", &labels, NULL);
  g_assert_null (labels);
  fake_detector_release_opening ();
  g_thread_join (thread);
  wait_told (&s.told, 1);
  gst_harness_set_src_caps_str (s.h, FAKE_DETECTOR_CAPS);
  assert_model (&s, 0, "7ea", "zero");
  g_assert_cmpstr (fake_detector_options ().precision, ==, "bf16");
  assert_no_warning (&s);
  stream_clear (&s);
}

/* A batch-timeout that is set while a model is being opened goes on with it:
 * who joins with the same one has no other values. */
static void
test_timeout_meanwhile (void)
{
  const char *sharing =
      "model=/dev/zero model-instance-id=x batch-size=2 batch-timeout=20";
  Stream s[2];

  start (&s[0], "model-instance-id=x batch-size=2");
  fake_detector_hold_opening ();
  g_object_set (s[0].element, "model", "/dev/zero", NULL);
  fake_detector_wait_opening ();
  g_object_set (s[0].element, "batch-timeout", 20, NULL);
  fake_detector_release_opening ();
  wait_told (&s[0].told, 1);
  stream_init (&s[1], sharing);
  fake_detector_restart (s[1].h); /* now that it has a bus */
  assert_no_warning (&s[1]);
  g_assert_cmpuint (gst_harness_query_latency (s[0].h), ==, 20 * GST_MSECOND);
  for (int i = 0; i < 2; i++)
    stream_clear (&s[i]);
}

/* Lists of classes are read anew: what the new model does not have is left out
 * with a warning that names it, and comes back with one that has it.  What is
 * set then is checked against the new one. */
static void
test_classes (void)
{
  Stream s;

  start (&s, "classes=dog,car class-thresholds=dog=0.5,car=0.25");
  gst_buffer_unref (fake_detector_pass (s.h, 0));
  g_assert_cmpfloat (fake_detector_class_threshold (2), ==, 0.5f);
  g_assert_cmpfloat (fake_detector_class_threshold (0), >, 1);
  fake_detector_set_other_label ("cat");
  g_object_set (s.element, "model", "/dev/zero", NULL);
  wait_told (&s.told, 1);
  gst_buffer_unref (fake_detector_pass (s.h, 1));
  assert_warning (&s, "dog of class-thresholds, dog of classes");
  g_assert_cmpfloat (fake_detector_class_threshold (1), ==, 0.25f);
  g_assert_cmpfloat (fake_detector_class_threshold (2), >, 1);
  /* a property that has nothing to do with it */
  g_object_set (s.element, "threshold", 0.125f, NULL);
  gst_buffer_unref (fake_detector_pass (s.h, 2));
  g_assert_cmpfloat (fake_detector_threshold (), ==, 0.125f);
  assert_no_warning (&s);
  g_object_set (s.element, "class-thresholds", "dog=0.5", NULL);
  assert_warning (&s, "no class \"dog\"");
  assert_property (&s, "class-thresholds", "\"dog\\=0.5\\,car\\=0.25\"");
  g_object_set (s.element, "class-thresholds", "cat=0.75", NULL);
  g_object_set (s.element, "classes", "cat", NULL);
  gst_buffer_unref (fake_detector_pass (s.h, 3));
  g_assert_cmpfloat (fake_detector_class_threshold (2), ==, 0.75f);
  g_assert_cmpfloat (fake_detector_class_threshold (1), >, 1);
  assert_no_warning (&s);
  stream_clear (&s);
}

static const char *
label_of (GstBuffer *buffer)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  gst_defcn_meta_read (buffer, objects, 1000, 1000);
  g_assert_cmpuint (objects->len, ==, 1);
  return g_quark_to_string (g_array_index (objects, GstDefcnObject, 0).label);
}

/* Labels are the element's own where it has some, else the new file's; those
 * that do not fit any more are left with a warning. */
static void
test_labels (void)
{
  static const char *const own[] = { "", "labels=a,b,c" };

  for (int i = 0; i < 2; i++) {
    Stream s;
    g_autoptr (GstBuffer) before = NULL, after = NULL;

    start (&s, own[i]);
    before = fake_detector_pass (s.h, 0);
    g_assert_cmpstr (label_of (before), ==, i ? "c" : "dog");
    fake_detector_set_other_label ("cat");
    g_object_set (s.element, "model", "/dev/zero", NULL);
    wait_told (&s.told, 1);
    after = fake_detector_pass (s.h, 1);
    g_assert_cmpstr (label_of (after), ==, i ? "c" : "cat");
    assert_no_warning (&s);
    stream_clear (&s);
  }
  {
    Stream s;
    g_autofree char *path = rig_file ("labels.txt", "a\nb\nc\n");
    g_autofree char *properties = g_strconcat ("labels-file=", path, NULL);
    g_autoptr (GstBuffer) out = NULL;

    start (&s, properties);
    g_assert_true (g_file_set_contents (path, "a\nb\n", -1, NULL));
    g_object_set (s.element, "model", "/dev/zero", NULL);
    wait_told (&s.told, 1);
    out = fake_detector_pass (s.h, 0);
    g_assert_cmpstr (label_of (out), ==, "dog");
    assert_warning (&s, "2 labels, the model has 3 classes");
    stream_clear (&s);
  }
}

/* Who stops while a model is being opened does not wait for it; it is closed
 * again, and the element may start anew meanwhile. */
static void
test_stop (void)
{
  const gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  Stream s;

  start (&s, "");
  gst_buffer_unref (fake_detector_pass (s.h, 0));
  fake_detector_hold_opening ();
  g_object_set (s.element, "model", "/dev/zero", NULL);
  fake_detector_wait_opening ();
  gst_element_set_state (s.element, GST_STATE_NULL);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
  fake_detector_release_opening ();
  gst_element_set_state (s.element, GST_STATE_PLAYING);
  while ((fake_detector_n_opened () < 3 || fake_detector_n_open () != 1)
      && g_get_monotonic_time () < end)
    g_usleep (1000);
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  g_assert_cmpuint (s.told.n_good + s.told.n_bad, ==, 0);
  stream_clear (&s);
}

/* The handler of the signal may do what it likes, stopping included. */
static void
stop_it (GstElement *element, gboolean good, const char *path, gpointer data)
{
  gst_element_set_state (element, GST_STATE_NULL);
}

static void
test_stop_in_handler (void)
{
  Stream s;

  start (&s, "");
  g_signal_connect (s.element, "model-updated", G_CALLBACK (stop_it), NULL);
  g_object_set (s.element, "model", "/dev/zero", NULL);
  wait_told (&s.told, 1);
  for (;;) {
    GstState state;

    gst_element_get_state (s.element, &state, NULL, GST_CLOCK_TIME_NONE);
    if (state == GST_STATE_NULL)
      break;
    g_thread_yield ();
  }
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
  stream_clear (&s);
}

static gint n_told; /* atomic */

static void
count_told (GObject *owner, const GstDefcnModelSetup *setup,
    const GError *error)
{
  g_atomic_int_inc (&n_told);
}

static const GstDefcnModelSetup any_model = { .path = (char *) "any",
  .device = (char *) "cpu",
  .workers = 1,
  .batch_size = 1 };

static void
ask_again (gpointer shared, GObject *asker)
{
  fake_detector_hold_opening ();
  g_assert_true (gst_defcn_reload (shared, &any_model, NULL, count_told, NULL));
}

/* A wish that comes just when the last one has been fulfilled is fulfilled
 * once: the thread of the last one leaves it to its own. */
static void
test_asked_at_the_end (void)
{
  GstDefcnLane lane;
  GstDefcnShared *shared;
  g_autoptr (GObject) owner = g_object_new (G_TYPE_OBJECT, NULL);
  GObject *asker = g_object_new (G_TYPE_OBJECT, NULL);
  const gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  fake_detector_reset ();
  g_atomic_int_set (&n_told, 0);
  gst_defcn_lane_init (&lane, 1, owner);
  shared = gst_defcn_shared_join (NULL, &any_model, &lane, NULL);
  g_assert_nonnull (shared);
  g_object_weak_ref (asker, ask_again, shared);
  fake_detector_hold_opening ();
  g_assert_true (
      gst_defcn_reload (shared, &any_model, asker, count_told, NULL));
  g_object_unref (asker); /* the thread has the last reference */
  fake_detector_release_opening ();
  while (g_atomic_int_get (&n_told) < 1 && g_get_monotonic_time () < end)
    g_usleep (1000);
  fake_detector_wait_opening ();
  g_usleep (50000); /* for a second one */
  fake_detector_release_opening ();
  while (!g_atomic_ref_count_compare (&shared->refs, 1)
      && g_get_monotonic_time () < end)
    g_usleep (1000);
  g_assert_true (g_atomic_ref_count_compare (&shared->refs, 1));
  g_assert_cmpint (g_atomic_int_get (&n_told), ==, 2);
  gst_defcn_shared_leave (shared, &lane);
  gst_defcn_lane_clear (&lane);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/reload/swap", test_swap);
  g_test_add_func ("/reload/repeated", test_repeated);
  g_test_add_func ("/reload/at-work", test_at_work);
  g_test_add_func ("/reload/failure", test_failure);
  g_test_add_func ("/reload/last-wins", test_last_wins);
  g_test_add_func ("/reload/shared", test_shared);
  g_test_add_func ("/reload/set-while-opening", test_set_while_opening);
  g_test_add_func ("/reload/timeout-meanwhile", test_timeout_meanwhile);
  g_test_add_func ("/reload/classes", test_classes);
  g_test_add_func ("/reload/labels", test_labels);
  g_test_add_func ("/reload/stop", test_stop);
  g_test_add_func ("/reload/stop-in-handler", test_stop_in_handler);
  g_test_add_func ("/reload/asked-at-the-end", test_asked_at_the_end);
  return rig_run ();
}
