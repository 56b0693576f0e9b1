/* A model that several elements share, with a detector that the test plays. */
#include "fake_detector.h"
#include "rig.h"

#include <string.h>

#include "detect/worker.h"

#define W 160
#define H 120
/* Longer than any test: who waited for it would fail. */
#define EVER 10000

static const GstDefcnModelSetup one_by_one = { .path = (char *) "any",
  .device = (char *) "cpu",
  .workers = 1,
  .batch_size = 1 };

static GstDefcnModelSetup
batches (guint size, guint timeout)
{
  GstDefcnModelSetup setup = one_by_one;

  setup.batch_size = size;
  setup.batch_timeout = (int) timeout;
  return setup;
}

static GstDefcnWorker *
worker_new (const GstDefcnModelSetup *setup, guint depth)
{
  g_autoptr (GError) error = NULL;
  GstDefcnWorker *worker =
      gst_defcn_worker_new ("shared", setup, depth, NULL, &error);

  g_assert_no_error (error);
  return worker;
}

static GstDefcnSettings *
settings_new (float threshold)
{
  const GstDefcnLive live = { .interval = 1, .threshold = threshold };
  g_autoptr (GstDefcnModelInfo) info = gst_defcn_model_info_new ("any");

  return gst_defcn_settings_new (&live, info, NULL);
}

static GstDefcnJob *
job_of (int width, guint n_regions)
{
  g_autoptr (GstDefcnSettings) settings = settings_new (0.25f);
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoInfo info;
  GstDefcnJob *job;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, width, H);
  buffer = rig_frame_of (&info, 0);
  job = gst_defcn_job_new (buffer, &info, settings, FALSE, NULL);
  g_assert_nonnull (job);
  for (guint i = 1; i < n_regions; i++)
    gst_defcn_job_add_region (job, (int) i, 0, 8, 8, 0, 0);
  return job;
}

static void
submit (GstDefcnWorker *worker, int width)
{
  g_assert_true (gst_defcn_worker_submit (worker, job_of (width, 1)));
}

static void
collect (GstDefcnWorker *worker)
{
  g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (worker);

  g_assert_nonnull (job);
  g_assert_no_error (job->error);
}

/* The network is at a frame of @worker from now on. */
static void
occupy (GstDefcnWorker *worker)
{
  fake_detector_hold ();
  submit (worker, W);
  fake_detector_wait_held ();
}

/* One model is opened for all, whoever leaves first, and closed with the last
 * one. */
static void
test_one_model (void)
{
  GstDefcnWorker *workers[8];

  fake_detector_reset ();
  for (guint i = 0; i < 8; i++)
    workers[i] = worker_new (&one_by_one, 1);
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  g_assert_cmpuint (gst_defcn_worker_load (workers[3]).sharers, ==, 8);
  for (guint i = 0; i < 8; i++) {
    submit (workers[i], W);
    collect (workers[i]);
  }
  for (guint i = 0; i < 8; i++) {
    g_assert_cmpint (fake_detector_n_open (), ==, 1);
    gst_defcn_worker_free (workers[i]);
  }
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* What waits goes through together, a batch at most. */
static void
test_batch (void)
{
  const GstDefcnModelSetup setup = batches (4, 0);
  GstDefcnWorker *workers[6];

  fake_detector_reset ();
  for (guint i = 0; i < 6; i++)
    workers[i] = worker_new (&setup, 1);
  occupy (workers[0]);
  for (guint i = 1; i < 6; i++)
    submit (workers[i], W + (int) i);
  fake_detector_release ();
  for (guint i = 0; i < 6; i++)
    collect (workers[i]);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 6);
  for (guint i = 0; i < 6; i++) {
    g_assert_cmpint (fake_detector_image (i).width, ==, i ? W + i : W);
    g_assert_cmpuint (fake_detector_pass_of (i), ==, (i + 3) / 4);
    g_assert_cmpuint (fake_detector_company (i), ==, i == 0 || i == 5 ? 1 : 4);
  }
  g_assert_cmpuint (gst_defcn_worker_load (workers[0]).passes, ==, 3);
  g_assert_cmpuint (gst_defcn_worker_load (workers[0]).regions, ==, 6);
  for (guint i = 0; i < 6; i++)
    gst_defcn_worker_free (workers[i]);
}

/* Each lane has its turn: one frame waits for no more than one of each other
 * lane, however many those have. */
static void
test_turns (void)
{
  GstDefcnWorker *flood[2], *one;
  guint at = 0;

  fake_detector_reset ();
  for (guint i = 0; i < 2; i++)
    flood[i] = worker_new (&one_by_one, 8);
  one = worker_new (&one_by_one, 1);
  occupy (flood[0]);
  for (guint i = 0; i < 7; i++) {
    submit (flood[0], W);
    submit (flood[1], W + 1);
  }
  submit (one, W + 2);
  fake_detector_release ();
  collect (one);
  fake_detector_wait_runs (16);
  while (fake_detector_image (at).width != W + 2)
    at++;
  g_assert_cmpuint (at, <=, 3);
  for (guint i = 0; i < 2; i++)
    gst_defcn_worker_free (flood[i]);
  gst_defcn_worker_free (one);
}

/* Regions of one frame are a batch too, and many of them leave their share to
 * the others. */
static void
test_regions (void)
{
  const GstDefcnModelSetup setup = batches (4, 0);
  GstDefcnWorker *many, *one;
  g_autoptr (GstDefcnJob) job = NULL;

  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  many = worker_new (&setup, 1);
  one = worker_new (&setup, 1);
  occupy (one);
  g_assert_true (gst_defcn_worker_submit (many, job_of (W, 10)));
  fake_detector_release ();
  collect (one);
  job = gst_defcn_worker_collect (many);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 11);
  for (guint i = 1; i < 11; i++) {
    g_assert_cmpuint (fake_detector_pass_of (i), ==, (i + 3) / 4);
    g_assert_cmpint (fake_detector_region (i).x, ==, i - 1);
  }
  g_assert_cmpuint (job->timings.inference, ==, 3 * 20);
  g_clear_pointer (&job, gst_defcn_job_free);

  occupy (many);
  submit (one, W + 1);
  gst_defcn_worker_free (many); /* whose job is at work: nobody waits for it */
  many = worker_new (&setup, 1);
  g_assert_true (gst_defcn_worker_submit (many, job_of (W, 6)));
  fake_detector_release ();
  collect (one);
  job = gst_defcn_worker_collect (many);
  /* 11 was the abandoned one; then one's with three of the others' */
  g_assert_cmpuint (fake_detector_n_runs (), ==, 11 + 1 + 7);
  g_assert_cmpint (fake_detector_image (12).width, ==, W + 1);
  g_assert_cmpuint (fake_detector_company (12), ==, 4);
  g_assert_cmpuint (fake_detector_company (16), ==, 3);
  gst_defcn_worker_free (many);
  gst_defcn_worker_free (one);
}

/* A picture that makes a pass fail takes nobody with it. */
static void
test_bad_frame (void)
{
  const GstDefcnModelSetup setup = batches (4, 0);
  GstDefcnWorker *workers[4];

  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  for (guint i = 0; i < 4; i++)
    workers[i] = worker_new (&setup, 1);
  occupy (workers[0]);
  for (guint i = 1; i < 4; i++)
    submit (workers[i], i == 2 ? FAKE_DETECTOR_BAD_WIDTH : W);
  fake_detector_release ();
  for (guint i = 0; i < 4; i++) {
    g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (workers[i]);

    g_assert_cmpint (job->error != NULL, ==, i == 2);
    g_assert_cmpuint (job->objects->len, ==, i != 2);
  }
  for (guint i = 0; i < 4; i++)
    gst_defcn_worker_free (workers[i]);
}

/* Both have brought a frame lately, and are waited for from now on. */
static void
bring_both (GstDefcnWorker *a, GstDefcnWorker *b)
{
  gst_defcn_worker_set_timeout (a, 0);
  submit (a, W);
  submit (b, W);
  collect (a);
  collect (b);
  gst_defcn_worker_set_timeout (a, EVER);
}

/* Nobody has been waited for in vain since @start. */
static void
assert_soon (gint64 start)
{
  g_assert_cmpint (g_get_monotonic_time () - start, <, EVER * 1000);
}

static void
rest (GstDefcnWorker **worker)
{
  gst_defcn_worker_rest (*worker);
}

static void
flush (GstDefcnWorker **worker)
{
  gst_defcn_worker_set_flushing (*worker, TRUE);
}

static void
discard (GstDefcnWorker **worker)
{
  gst_defcn_worker_discard (*worker);
}

static void
leave (GstDefcnWorker **worker)
{
  g_clear_pointer (worker, gst_defcn_worker_free);
}

static void
bring (GstDefcnWorker **worker)
{
  submit (*worker, W);
}

static void
hurry (GstDefcnWorker **worker)
{
  gst_defcn_worker_set_timeout (*worker, 0);
}

/* A frame waits for that of another lane which has lately had one, until it
 * comes, or cannot be expected any more: the lane rests, is flushed or leaves,
 * or nobody is to wait. */
static void
test_company (void)
{
  static const struct
  {
    void (*happens) (GstDefcnWorker **worker);
    guint company;
  } cases[] = {
    { bring, 2 },
    { rest, 1 },
    { flush, 1 },
    { discard, 1 },
    { leave, 1 },
    { hurry, 1 },
  };
  const GstDefcnModelSetup setup = batches (2, EVER);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int early = 0; early < 2; early++) {
      const gint64 begin = g_get_monotonic_time ();
      GstDefcnWorker *a, *b;
      guint n;

      g_test_message ("case %u, %d", i, early);
      fake_detector_reset ();
      a = worker_new (&setup, 1);
      b = worker_new (&setup, 1);
      bring_both (a, b);
      n = fake_detector_n_runs ();
      if (early)
        cases[i].happens (&b);
      submit (a, W);
      if (!early) {
        g_assert_true (gst_defcn_worker_busy (a));
        g_assert_cmpuint (fake_detector_n_runs (), ==, n);
        cases[i].happens (&b);
      }
      collect (a);
      g_assert_cmpuint (fake_detector_company (n), ==, cases[i].company);
      assert_soon (begin);
      if (b)
        gst_defcn_worker_set_flushing (b, FALSE);
      gst_defcn_worker_free (b);
      gst_defcn_worker_free (a);
    }
}

/* Nobody waits who is alone, nor for one that has not begun, nor for one whose
 * frame is being looked at. */
static void
test_no_company (void)
{
  const gint64 begin = g_get_monotonic_time ();
  GstDefcnModelSetup setup = batches (2, EVER);
  GstDefcnWorker *a, *b;

  fake_detector_reset ();
  a = worker_new (&setup, 1);
  submit (a, W);
  collect (a);
  b = worker_new (&setup, 1);
  submit (a, W);
  collect (a);
  gst_defcn_worker_free (a);
  gst_defcn_worker_free (b);

  setup.workers = 2;
  a = worker_new (&setup, 1);
  b = worker_new (&setup, 1);
  occupy (a);
  submit (b, W);
  while (gst_defcn_worker_load (b).passes < 2 /* b's is not waiting */)
    g_thread_yield ();
  fake_detector_release ();
  collect (a);
  collect (b);
  assert_soon (begin);
  gst_defcn_worker_free (a);
  gst_defcn_worker_free (b);
}

/* A lane that stalls is waited for once. */
static void
test_stall (void)
{
  const gint64 begin = g_get_monotonic_time ();
  const GstDefcnModelSetup setup = batches (2, EVER);
  GstDefcnWorker *a, *b;

  fake_detector_reset ();
  a = worker_new (&setup, 1);
  b = worker_new (&setup, 1);
  bring_both (a, b);
  gst_defcn_worker_set_timeout (a, 20);
  submit (a, W);
  collect (a);
  gst_defcn_worker_set_timeout (a, EVER);
  for (guint i = 0; i < 3; i++) {
    submit (a, W);
    collect (a);
  }
  assert_soon (begin);
  gst_defcn_worker_free (b);
  gst_defcn_worker_free (a);
}

/* Whoever leaves while its frame is at work waits for nothing, and the others
 * get theirs; the last one waits. */
static void
test_leave (void)
{
  GstDefcnWorker *a, *b;

  fake_detector_reset ();
  a = worker_new (&one_by_one, 2);
  b = worker_new (&one_by_one, 1);
  occupy (a);
  submit (a, W + 1);
  submit (b, W + 2);
  gst_defcn_worker_free (a);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 0);
  fake_detector_release ();
  collect (b);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 2);
  g_assert_cmpint (fake_detector_image (1).width, ==, W + 2);
  submit (b, W);
  gst_defcn_worker_free (b);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* Jobs are collected in order, whichever worker ends first, and several run at
 * once, each by a detector of its own. */
static void
test_workers (void)
{
  GstDefcnModelSetup setup = one_by_one;
  GstDefcnWorker *worker;

  setup.workers = 2;
  fake_detector_reset ();
  worker = worker_new (&setup, 4);
  g_assert_cmpint (fake_detector_n_open (), ==, 2);
  for (guint round = 0; round < 20; round++) {
    const guint n = fake_detector_n_runs ();

    fake_detector_hold ();
    for (int i = 0; i < 4; i++)
      submit (worker, W + i);
    fake_detector_release ();
    for (int i = 0; i < 4; i++) {
      g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (worker);

      g_assert_cmpint (job->image.width, ==, W + i);
    }
    for (guint i = n; i < n + 4; i++)
      for (guint k = n; k < n + 4; k++)
        g_assert_cmpint (fake_detector_thread (i) == fake_detector_thread (k),
            ==, fake_detector_model (i) == fake_detector_model (k));
  }
  gst_defcn_worker_free (worker);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* Elements. */

static GstElement *
element_new (GstBus **bus, const char *description)
{
  g_autofree char *launch = g_strconcat ("defcndetect ", description, NULL);
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch (launch, &error);

  g_assert_no_error (error);
  gst_object_ref_sink (element);
  *bus = gst_bus_new ();
  gst_element_set_bus (element, *bus);
  return element;
}

static void
element_free (GstElement *element, GstBus *bus)
{
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}

/* Another model under the same name is an error that names both; other values
 * of the rest are ignored with a warning that names them. */
static void
test_conflict (void)
{
  static const struct
  {
    const char *description, *error, *warning;
  } cases[] = {
    { "model=/dev/null", NULL, NULL },
    { "model=/dev/../dev/null", NULL, NULL },
    { "", NULL, NULL },
    { "model=/dev/zero", "/dev/zero", NULL },
    { "threads=2", NULL, NULL },
    { "threads=3", NULL, "threads" },
    { "batch-size=3 batch-timeout=7 workers=2", NULL,
        "workers, batch-size, batch-timeout" },
    { "device=onednn precision=fp16", NULL, "device, precision" },
    { "exact=true autotune=true max-edge=99", NULL,
        "exact, max-edge, autotune" },
  };
  GstBus *bus;
  GstElement *first;

  fake_detector_reset ();
  first = element_new (&bus,
      "model=/dev/null device=cpu threads=2 batch-size=2 model-instance-id=x");
  g_assert_cmpint (gst_element_set_state (first, GST_STATE_PAUSED), !=,
      GST_STATE_CHANGE_FAILURE);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *description =
        g_strconcat (cases[i].description, " model-instance-id=x", NULL);
    GstBus *own;
    GstElement *element = element_new (&own, description);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    const GstStateChangeReturn ret =
        gst_element_set_state (element, GST_STATE_PAUSED);

    g_test_message ("%s", description);
    g_assert_cmpint (ret == GST_STATE_CHANGE_FAILURE, ==,
        cases[i].error != NULL);
    message =
        gst_bus_pop_filtered (own, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    g_assert_cmpint (message != NULL, ==,
        cases[i].error != NULL || cases[i].warning != NULL);
    if (cases[i].error) {
      gst_message_parse_error (message, &error, NULL);
      g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
      g_assert_nonnull (strstr (error->message, cases[i].error));
      g_assert_nonnull (strstr (error->message, "/dev/null"));
    } else if (cases[i].warning) {
      gst_message_parse_warning (message, &error, NULL);
      g_assert_nonnull (strstr (error->message, cases[i].warning));
    }
    element_free (element, own);
  }
  element_free (first, bus);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* An element without a model takes what another one of its name is going to
 * have, with all that goes with it, though it starts first; not what one of
 * another name has, or one that has gone. */
static void
test_order (void)
{
  GstBus *buses[4];
  GstElement *gone, *other, *first, *second;

  fake_detector_reset ();
  gone = element_new (&buses[0],
      "model=/dev/zero device=gone "
      "model-instance-id=x");
  other = element_new (&buses[1],
      "model=/dev/zero device=other "
      "model-instance-id=y");
  first = element_new (&buses[2], "model-instance-id=x");
  second = element_new (&buses[3],
      "model=/dev/null device=some:7 batch-size=5 "
      "threads=3 model-instance-id=x");
  element_free (gone, buses[0]);
  g_assert_cmpint (gst_element_set_state (first, GST_STATE_PAUSED), !=,
      GST_STATE_CHANGE_FAILURE);
  g_assert_cmpstr (fake_detector_options ().device, ==, "some:7");
  g_assert_cmpint (fake_detector_options ().threads, ==, 3);
  g_assert_cmpint (fake_detector_options ().batch, ==, 5);
  g_assert_cmpint (gst_element_set_state (second, GST_STATE_PAUSED), !=,
      GST_STATE_CHANGE_FAILURE);
  g_assert_cmpint (fake_detector_n_open (), ==, 1);
  g_assert_null (gst_bus_pop_filtered (buses[2], GST_MESSAGE_WARNING));
  g_assert_null (gst_bus_pop_filtered (buses[3], GST_MESSAGE_WARNING));
  element_free (first, buses[2]);
  element_free (second, buses[3]);
  element_free (other, buses[1]);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

typedef struct
{
  GstElement *element;
  GstStateChangeReturn ret;
} Start;

static gpointer
start (gpointer data)
{
  Start *s = data;

  s->ret = gst_element_set_state (s->element, GST_STATE_PAUSED);
  return NULL;
}

/* Who starts while another one opens the model waits for it; when that fails it
 * tries itself. */
static void
test_meanwhile (void)
{
  for (int fails = 0; fails < 2; fails++) {
    GstBus *buses[2];
    Start starts[2];
    GThread *threads[2];

    fake_detector_reset ();
    fake_detector_hold_opening ();
    for (int i = 0; i < 2; i++) {
      starts[i].element = element_new (&buses[i],
          "model=/dev/null device=cpu model-instance-id=x");
      threads[i] = g_thread_new ("start", start, &starts[i]);
      if (i == 0)
        fake_detector_wait_opening ();
      else
        fake_detector_wait_asleep (threads[i]);
    }
    fake_detector_set_open_error (fails ? DEFCN_ERROR_MODEL : -1);
    fake_detector_release_opening ();
    for (int i = 0; i < 2; i++) {
      g_thread_join (threads[i]);
      g_assert_cmpint (starts[i].ret == GST_STATE_CHANGE_FAILURE, ==, fails);
    }
    g_assert_cmpint (fake_detector_n_open (), ==, !fails);
    for (int i = 0; i < 2; i++)
      element_free (starts[i].element, buses[i]);
    g_assert_cmpint (fake_detector_n_open (), ==, 0);
  }
}

/* The statistics say who shares the model, how full its passes were and what it
 * takes, as after the last one: one worker's 1000 and 6 runs. */
static void
test_stats (void)
{
  GstHarness *h[2];
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstStructure) stats = NULL;
  guint sharers, workers, size;
  guint64 bytes;
  double mean;

  fake_detector_reset ();
  for (int i = 0; i < 2; i++)
    h[i] = fake_detector_harness ("model-instance-id=x batch-size=4",
        FAKE_DETECTOR_CAPS);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (fake_detector_pass (h[0], i));
  element = rig_element (h[1]);
  g_object_set (element, "roi", "0,0,9,9;1,1,9,9;2,2,9,9", NULL);
  gst_buffer_unref (fake_detector_pass (h[1], 0));
  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (
      gst_structure_get (stats, "sharers", G_TYPE_UINT, &sharers, "workers",
          G_TYPE_UINT, &workers, "batch-size", G_TYPE_UINT, &size, "batch-mean",
          G_TYPE_DOUBLE, &mean, "model-bytes", G_TYPE_UINT64, &bytes, NULL));
  g_assert_cmpuint (bytes, ==, 1006);
  g_assert_cmpuint (sharers, ==, 2);
  g_assert_cmpuint (workers, ==, 1);
  g_assert_cmpuint (size, ==, 4);
  g_assert_cmpfloat (mean, ==, 1.5);
  gst_harness_teardown (h[0]);
  gst_harness_teardown (h[1]);
}

/* What a frame may wait for others is part of the latency, where there are
 * others; whoever sets it sets it for all. */
static void
test_latency (void)
{
  GstHarness *h[2];
  g_autoptr (GstElement) element = NULL;

  fake_detector_reset ();
  h[0] = fake_detector_harness ("model-instance-id=x batch-size=4 "
                                "batch-timeout=30",
      FAKE_DETECTOR_CAPS);
  g_assert_cmpuint (gst_harness_query_latency (h[0]), ==, 0);
  h[1] = fake_detector_harness ("model-instance-id=x", FAKE_DETECTOR_CAPS);
  g_assert_cmpuint (gst_harness_query_latency (h[0]), ==, 30 * GST_MSECOND);
  element = rig_element (h[1]);
  g_object_set (element, "batch-timeout", 50, NULL);
  g_assert_cmpuint (gst_harness_query_latency (h[0]), ==, 50 * GST_MSECOND);
  gst_harness_teardown (h[1]);
  g_assert_cmpuint (gst_harness_query_latency (h[0]), ==, 0);
  gst_harness_teardown (h[0]);
}

static void
live_and_die (void)
{
  const GstDefcnModelSetup setup = batches (3, 0);
  GstDefcnWorker *workers[3];

  for (guint i = 0; i < 3; i++)
    workers[i] = worker_new (&setup, 2);
  for (guint i = 0; i < 6; i++)
    g_assert_true (gst_defcn_worker_submit (workers[i % 3], job_of (W, i)));
  gst_defcn_worker_discard (workers[1]);
  gst_defcn_worker_free (workers[0]);
  gst_defcn_job_free (gst_defcn_worker_collect (workers[2]));
  gst_defcn_worker_free (workers[1]);
  gst_defcn_worker_free (workers[2]);
}

/* Nothing stays behind, whatever was at work. */
static void
test_steady (void)
{
  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  rig_assert_steady (live_and_die);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/shared/one-model", test_one_model);
  g_test_add_func ("/shared/batch", test_batch);
  g_test_add_func ("/shared/turns", test_turns);
  g_test_add_func ("/shared/regions", test_regions);
  g_test_add_func ("/shared/bad-frame", test_bad_frame);
  g_test_add_func ("/shared/company", test_company);
  g_test_add_func ("/shared/no-company", test_no_company);
  g_test_add_func ("/shared/stall", test_stall);
  g_test_add_func ("/shared/leave", test_leave);
  g_test_add_func ("/shared/workers", test_workers);
  g_test_add_func ("/shared/conflict", test_conflict);
  g_test_add_func ("/shared/order", test_order);
  g_test_add_func ("/shared/meanwhile", test_meanwhile);
  g_test_add_func ("/shared/stats", test_stats);
  g_test_add_func ("/shared/latency", test_latency);
  g_test_add_func ("/shared/steady", test_steady);
  return rig_run ();
}
