/* The worker of defcndetect and its jobs, with a detector that the test plays.
 */
#include "fake_detector.h"
#include "rig.h"

#include "detect/worker.h"

#define W 160
#define H 120

static GstDefcnSettings *
settings_new (void)
{
  g_autoptr (GstDefcnSettings) s = NULL;
  GstDefcnLive live = { .interval = 1 };
  GstDefcnModelInfo info = { .n_classes = 3,
    .threshold = 0.3f,
    .max_detections = 50 };

  s = gst_defcn_settings_new (&live, &info, NULL);
  g_assert_nonnull (s);
  return g_steal_pointer (&s);
}

static GstDefcnWorker *
worker_new_with (guint workers, guint depth)
{
  const GstDefcnModelSetup setup = { .path = (char *) "any",
    .device = (char *) "cpu",
    .workers = workers };
  g_autoptr (GError) error = NULL;
  GstDefcnWorker *worker =
      gst_defcn_worker_new (NULL, &setup, depth, NULL, &error);

  g_assert_no_error (error);
  return worker;
}

static GstDefcnWorker *
worker_new (void)
{
  return worker_new_with (1, 1);
}

static GstDefcnWorker *
worker_new_afresh (void)
{
  fake_detector_reset ();
  return worker_new ();
}

static GstDefcnJob *
job_with (GstDefcnSettings *settings, guint n)
{
  GstVideoInfo info;
  g_autoptr (GstBuffer) buffer = NULL;
  GstDefcnJob *job;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
  buffer = rig_frame_of (&info, n);
  job = gst_defcn_job_new (buffer, &info, settings, FALSE, NULL);
  g_assert_nonnull (job);
  return job;
}

static GstDefcnJob *
job_new (guint n)
{
  g_autoptr (GstDefcnSettings) settings = settings_new ();

  return job_with (settings, n);
}

static GstDefcnJob *
poll (GstDefcnWorker *worker)
{
  gboolean busy;

  return gst_defcn_worker_poll (worker, &busy);
}

static void
assert_collects (GstDefcnWorker *worker, guint n)
{
  g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (worker);

  g_assert_nonnull (job);
  g_assert_cmpuint (job->timestamp, ==, n * (GST_SECOND / 25));
}

static void
assert_collects_nothing (GstDefcnWorker *worker)
{
  g_assert_null (poll (worker));
  g_assert_null (gst_defcn_worker_collect (worker));
}

/* Each plane is where GStreamer has it, with the matrix and the range of the
 * caps; a matrix that they do not tell goes by the height, where SD ends. */
static void
test_image (void)
{
  static const struct
  {
    const char *colorimetry;
    int height;
    DefcnMatrix matrix;
    gboolean full_range;
  } cases[] = {
    { "bt601", 720, DEFCN_MATRIX_BT601, FALSE },
    { "bt709", 480, DEFCN_MATRIX_BT709, FALSE },
    { "bt2020", 480, DEFCN_MATRIX_BT2020, FALSE },
    { "2:2:5:1", 720, DEFCN_MATRIX_BT601, FALSE }, /* FCC */
    { "2:5:7:1", 480, DEFCN_MATRIX_BT709, FALSE }, /* SMPTE 240M */
    { "1:4:5:1", 480, DEFCN_MATRIX_BT601, TRUE },
    { "1:3:5:1", 480, DEFCN_MATRIX_BT709, TRUE },
    { "2:0:5:1", 240, DEFCN_MATRIX_BT601, FALSE },
    { "2:0:5:1", 576, DEFCN_MATRIX_BT601, FALSE },
    { "2:0:5:1", 578, DEFCN_MATRIX_BT709, FALSE },
    { "1:0:5:1", 720, DEFCN_MATRIX_BT709, TRUE },
    { "0:3:5:1", 480, DEFCN_MATRIX_BT709, FALSE }, /* unknown range */
  };
  g_autoptr (GstDefcnSettings) settings = settings_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    g_autoptr (GstDefcnJob) job = NULL;
    GstVideoInfo info;

    g_test_message ("%s, %d", cases[i].colorimetry, cases[i].height);
    gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 34,
        cases[i].height);
    g_assert_true (gst_video_colorimetry_from_string (&info.colorimetry,
        cases[i].colorimetry));
    buffer = rig_frame_of (&info, 7);
    job = gst_defcn_job_new (buffer, &info, settings, FALSE, NULL);
    g_assert_cmpint (job->image.format, ==, DEFCN_FORMAT_I420);
    g_assert_cmpint (job->image.memory, ==, DEFCN_MEMORY_HOST);
    g_assert_cmpint (job->image.width, ==, 34);
    g_assert_cmpint (job->image.height, ==, cases[i].height);
    g_assert_cmpint (job->image.matrix, ==, cases[i].matrix);
    g_assert_cmpint (job->image.full_range, ==, cases[i].full_range);
    for (int p = 0; p < 3; p++) {
      g_assert_cmpint (job->image.strides[p], ==, p ? 20 : 36);
      g_assert_true ((const guint8 *) job->image.planes[p]
          == (const guint8 *) job->image.planes[0] + info.offset[p]);
    }
    g_assert_cmpuint (job->timestamp, ==, GST_BUFFER_PTS (buffer));
    g_assert_cmpuint (job->regions->len, ==, 1);
    g_assert_cmpint (g_array_index (job->regions, GstDefcnRegion, 0)
                         .rectangle.w,
        ==, 34);
    g_assert_cmpint (g_array_index (job->regions, GstDefcnRegion, 0)
                         .rectangle.h,
        ==, cases[i].height);
  }
}

static void
refuse_jobs (void)
{
  g_autoptr (GstDefcnSettings) settings = settings_new ();
  g_autoptr (GstBuffer) small = gst_buffer_new_allocate (NULL, 16, NULL);
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, 16, 16);
  g_assert_null (gst_defcn_job_new (small, &info, settings, FALSE, NULL));
}

/* A buffer that is too short gives no job, and nothing of it stays. */
static void
test_no_job (void)
{
  rig_assert_steady (refuse_jobs);
}

/* Objects are relative to the frame, carry their label and the ROI they were
 * found in; those of all regions are sorted, the best ones stay, and the times
 * are those of all runs. */
static void
test_regions (void)
{
  static const DefcnBox first[] = {
    { 16, 12, 32, 60, 0.75f, 2 },
    { 0, 0, 160, 120, 0.25f, 0 },
  };
  static const DefcnBox second[] = { { 80, 90, 120, 105, 0.5f, 1 } };
  static const struct
  {
    GstDefcnObject object;
    const char *label;
  } wanted[] = {
    { { 0.1, 0.1, 0.2, 0.5, 0.75, 2, 0, 11 }, "dog" },
    { { 0.5, 0.75, 0.75, 0.875, 0.5, 1, 0, 22 }, "car" },
    { { 0, 0, 1, 1, 0.25, 0, 0, 11 }, "person" },
  };
  const GstDefcnRegion regions[] = { { { 1, 2, 30, 40 }, 11 },
    { { 50, 60, 70, 50 }, 22 } };
  const DefcnTimings times[] = { { 1, 20, 300 }, { 4000, 50000, 600000 } };

  for (int most = 3; most > 1; most--) {
    GstDefcnWorker *worker = worker_new_afresh ();
    GstDefcnJob *job = job_new (0);
    g_autoptr (GstDefcnJob) done = NULL;

    fake_detector_add_run (first, 2, times[0]);
    fake_detector_add_run (second, 1, times[1]);
    job->settings->max_detections = most;
    g_array_set_size (job->regions, 0);
    g_array_append_vals (job->regions, regions, 2);
    g_assert_true (gst_defcn_worker_submit (worker, job));
    done = gst_defcn_worker_collect (worker);
    g_assert_true (done == job);
    g_assert_no_error (done->error);
    g_assert_cmpuint (done->timings.preprocess, ==, 4001);
    g_assert_cmpuint (done->timings.inference, ==, 50020);
    g_assert_cmpuint (done->timings.postprocess, ==, 600300);
    g_assert_cmpuint (fake_detector_n_runs (), ==, 2);
    for (guint i = 0; i < 2; i++) {
      const DefcnRegion r = fake_detector_region (i);

      g_assert_cmpmem (&r, sizeof r, &regions[i].rectangle, sizeof r);
    }
    g_assert_cmpuint (done->objects->len, ==, most);
    for (int i = 0; i < most; i++) {
      const GstDefcnObject *w = &wanted[i].object;
      const GstDefcnObject *o =
          &g_array_index (done->objects, GstDefcnObject, i);

      g_assert_cmpfloat_with_epsilon (o->x_min, w->x_min, 1e-9);
      g_assert_cmpfloat_with_epsilon (o->y_min, w->y_min, 1e-9);
      g_assert_cmpfloat_with_epsilon (o->x_max, w->x_max, 1e-9);
      g_assert_cmpfloat_with_epsilon (o->y_max, w->y_max, 1e-9);
      g_assert_cmpfloat (o->confidence, ==, w->confidence);
      g_assert_cmpint (o->label_id, ==, w->label_id);
      g_assert_cmpint (o->parent_id, ==, w->parent_id);
      g_assert_cmpstr (g_quark_to_string (o->label), ==, wanted[i].label);
    }
    gst_defcn_worker_free (worker);
  }
}

/* One region is left as the detector has it, however many it finds: it has cut
 * and sorted them itself. */
static void
test_one_region (void)
{
  static const DefcnBox boxes[] = { { 1, 1, 2, 2, 0.25f, 0 },
    { 1, 1, 2, 2, 0.5f, 0 } };
  GstDefcnWorker *worker = worker_new_afresh ();
  g_autoptr (GstDefcnJob) done = NULL;

  fake_detector_add_run (boxes, 2, (DefcnTimings){ 1, 1, 1 });
  gst_defcn_worker_submit (worker, job_new (0));
  done = gst_defcn_worker_collect (worker);
  g_assert_cmpuint (done->objects->len, ==, 2);
  g_assert_cmpfloat (g_array_index (done->objects, GstDefcnObject, 0)
                         .confidence,
      ==, 0.25);
  gst_defcn_worker_free (worker);
}

/* The detector has the settings of the job that it works on. */
static void
test_settings (void)
{
  static const char *const lists[] = { NULL, "dog=0.75", NULL };
  GstDefcnWorker *worker = worker_new_afresh ();

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++) {
    GstDefcnLive live = { .threshold = 0.125f * (i + 1),
      .max_detections_set = TRUE,
      .max_detections = i + 5,
      .duplicate_filter = 0.25f * i,
      .class_thresholds = (char *) lists[i] };
    g_autoptr (GstDefcnSettings) settings =
        gst_defcn_settings_new (&live, gst_defcn_worker_info (worker), NULL);

    g_assert_nonnull (settings);
    for (int turn = 0; turn < 2; turn++) {
      gst_defcn_worker_submit (worker, job_with (settings, 0));
      assert_collects (worker, 0);
      g_assert_cmpfloat (fake_detector_threshold (), ==, live.threshold);
      g_assert_cmpint (fake_detector_max_detections (), ==, i + 5);
      g_assert_cmpfloat (fake_detector_duplicate_filter (), ==, 0.25f * i);
      g_assert_cmpfloat (fake_detector_class_threshold (2), ==,
          lists[i] ? 0.75f : -1);
    }
  }
  gst_defcn_worker_free (worker);
}

/* What the model says comes over, unchanged. */
static void
test_info (void)
{
  GstDefcnWorker *worker;
  const GstDefcnModelInfo *info;

  fake_detector_reset ();
  fake_detector_set_problems ("no GPU", "torn file");
  worker = worker_new ();
  info = gst_defcn_worker_info (worker);
  g_assert_cmpint (info->n_classes, ==, 3);
  g_assert_cmpuint (g_strv_length (info->labels), ==, 3);
  g_assert_cmpstr (info->labels[0], ==, "person");
  g_assert_cmpstr (info->labels[2], ==, "dog");
  g_assert_cmpfloat (info->threshold, ==, 0.3f);
  g_assert_cmpint (info->max_detections, ==, 50);
  g_assert_cmpfloat (info->duplicate_filter, ==, 0.75f);
  g_assert_cmpstr (info->hash, ==, "c0ffee");
  g_assert_cmpstr (info->device, ==, "fake");
  g_assert_false (info->reads_cuda);
  g_assert_cmpstr (info->passed_over, ==, "no GPU");
  g_assert_cmpstr (info->tuning_problem, ==, "torn file");
  gst_defcn_worker_free (worker);
}

/* A model that does not open is the core's own error. */
static void
open_in_vain (void)
{
  const GstDefcnModelSetup setup = { .path = (char *) "any" };
  g_autoptr (GError) error = NULL;

  g_assert_null (gst_defcn_worker_new (NULL, &setup, 1, NULL, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
}

static void
test_open_error (void)
{
  fake_detector_reset ();
  fake_detector_set_open_error (DEFCN_ERROR_MODEL);
  rig_assert_steady (open_in_vain);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* A run that fails ends the job with its error: what is left of it is not
 * tried. */
static void
test_run_error (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();
  GstDefcnJob *job = job_new (0);
  const GstDefcnRegion region = { { 0, 0, 8, 8 }, 0 };
  g_autoptr (GstDefcnJob) done = NULL;

  fake_detector_set_failing (TRUE);
  g_array_append_val (job->regions, region);
  gst_defcn_worker_submit (worker, job);
  done = gst_defcn_worker_collect (worker);
  g_assert_error (done->error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 1);
  g_assert_cmpuint (done->objects->len, ==, 0);
  gst_defcn_worker_free (worker);
}

/* The pixels are let go when the job has run, though nobody has asked for it
 * yet: the pool they are of may be short. */
static void
test_pixels_released (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();
  g_autoptr (GstDefcnSettings) settings = settings_new ();
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
  buffer = rig_frame_of (&info, 0);
  fake_detector_hold ();
  gst_defcn_worker_submit (worker,
      gst_defcn_job_new (buffer, &info, settings, FALSE, NULL));
  fake_detector_wait_held ();
  g_assert_true (gst_defcn_worker_busy (worker));
  g_assert_true (gst_buffer_is_writable (buffer));
  g_assert_false (gst_buffer_is_all_memory_writable (buffer));
  fake_detector_release ();
  while (gst_defcn_worker_busy (worker))
    g_thread_yield ();
  g_assert_true (gst_buffer_is_all_memory_writable (buffer));
  assert_collects (worker, 0);
  gst_defcn_worker_free (worker);
}

typedef struct
{
  GstDefcnWorker *worker;
  GstDefcnJob *job; /* NULL: collect */
  gboolean result;
} Waiter;

static gpointer
wait_for_worker (gpointer data)
{
  Waiter *w = data;

  if (w->job) {
    w->result = gst_defcn_worker_submit (w->worker, w->job);
  } else {
    g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (w->worker);

    w->result = job != NULL;
  }
  return NULL;
}

/* Whoever waits for the detector, to hand over or to collect, is woken by a
 * flush while it still works, gets nothing, and the one after it too. */
static void
test_flush (void)
{
  for (int submits = 0; submits < 2; submits++)
    for (int late = 0; late < 2; late++) {
      Waiter w = { .worker = worker_new_afresh () };
      GThread *thread;

      fake_detector_hold ();
      g_assert_true (gst_defcn_worker_submit (w.worker, job_new (0)));
      fake_detector_wait_held ();
      w.job = submits ? job_new (1) : NULL;
      if (late) /* before it comes, else while it waits */
        gst_defcn_worker_set_flushing (w.worker, TRUE);
      thread = g_thread_new ("waiter", wait_for_worker, &w);
      if (!late)
        fake_detector_wait_asleep (thread);
      gst_defcn_worker_set_flushing (w.worker, TRUE);
      g_thread_join (thread);
      g_assert_false (w.result);
      g_assert_true (gst_defcn_worker_busy (w.worker));
      g_assert_cmpuint (fake_detector_n_runs (), ==, 0);

      gst_defcn_worker_set_flushing (w.worker, FALSE);
      fake_detector_release ();
      assert_collects (w.worker, 0);
      assert_collects_nothing (w.worker);
      gst_defcn_worker_free (w.worker);
    }
}

/* Nor is there anything to collect for who would wait while a flush lasts, be
 * it there already. */
static void
test_flush_finished (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();

  gst_defcn_worker_submit (worker, job_new (3));
  fake_detector_wait_runs (1);
  fake_detector_wait_idle ();
  gst_defcn_worker_set_flushing (worker, TRUE);
  g_assert_null (gst_defcn_worker_collect (worker));
  gst_defcn_worker_set_flushing (worker, FALSE);
  assert_collects (worker, 3);
  gst_defcn_worker_free (worker);
}

/* What is discarded while it runs is never collected, what is discarded when it
 * has finished neither, and the next job is. */
static void
test_discard (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();

  for (int i = 0; i < 3; i++) {
    fake_detector_hold ();
    gst_defcn_worker_submit (worker, job_new (1));
    fake_detector_wait_held ();
    gst_defcn_worker_discard (worker);
    g_assert_true (gst_defcn_worker_busy (worker));
    fake_detector_release ();
    assert_collects_nothing (worker);
    g_assert_false (gst_defcn_worker_busy (worker));
    gst_defcn_worker_submit (worker, job_new (4));
    assert_collects (worker, 4);

    gst_defcn_worker_submit (worker, job_new (2));
    while (gst_defcn_worker_busy (worker))
      g_thread_yield ();
    gst_defcn_worker_discard (worker);
    assert_collects_nothing (worker);

    gst_defcn_worker_submit (worker, job_new (3));
    assert_collects (worker, 3);
    assert_collects_nothing (worker);
  }
  gst_defcn_worker_free (worker);
}

/* A job that the thread has not taken yet is one that it is busy with; it can
 * be discarded, which leaves nothing to wait for. */
static void
test_before_it_runs (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();

  gst_defcn_worker_submit (worker, job_new (0));
  assert_collects (worker, 0);
  fake_detector_freeze ();
  gst_defcn_worker_submit (worker, job_new (1));
  g_assert_true (gst_defcn_worker_busy (worker));
  g_assert_null (poll (worker));
  gst_defcn_worker_discard (worker);
  g_assert_false (gst_defcn_worker_busy (worker));
  assert_collects_nothing (worker);
  gst_defcn_worker_submit (worker, job_new (2));
  fake_detector_thaw ();
  assert_collects (worker, 2);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 2);
  gst_defcn_worker_free (worker);
}

/* Whoever waits for a job that the thread has not taken yet gets it. */
static void
test_wait_before_it_runs (void)
{
  Waiter w = { .worker = worker_new_afresh () };
  GThread *thread;

  gst_defcn_worker_submit (w.worker, job_new (0));
  assert_collects (w.worker, 0);
  fake_detector_freeze ();
  gst_defcn_worker_submit (w.worker, job_new (1));
  thread = g_thread_new ("waiter", wait_for_worker, &w);
  fake_detector_wait_asleep (thread);
  fake_detector_thaw ();
  g_thread_join (thread);
  g_assert_true (w.result);
  gst_defcn_worker_free (w.worker);
}

/* Handing over waits for the job that runs, and its result is lost then. */
static void
test_submit_twice (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();

  gst_defcn_worker_submit (worker, job_new (1));
  gst_defcn_worker_submit (worker, job_new (2));
  assert_collects (worker, 2);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 2);
  assert_collects_nothing (worker);
  gst_defcn_worker_free (worker);
}

static void
live_and_die (void)
{
  GstDefcnWorker *worker = worker_new ();

  gst_defcn_worker_submit (worker, job_new (0));
  gst_defcn_worker_submit (worker, job_new (1));
  gst_defcn_job_free (gst_defcn_worker_collect (worker));
  for (guint i = 0; i < 8; i++) { /* some before it begins, some later */
    gst_defcn_worker_submit (worker, job_new (2));
    gst_defcn_worker_discard (worker);
  }
  gst_defcn_worker_submit (worker, job_new (3));
  while (gst_defcn_worker_busy (worker))
    g_thread_yield ();
  gst_defcn_worker_discard (worker);
  gst_defcn_worker_submit (worker, job_new (4));
  gst_defcn_worker_free (worker);
}

/* A worker leaves nothing behind, whatever it was at: no job, no settings, no
 * detector. */
static void
test_steady (void)
{
  fake_detector_reset ();
  fake_detector_set_problems ("no GPU", "torn file");
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  rig_assert_steady (live_and_die);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

static void
fail_and_die (void)
{
  GstDefcnWorker *worker = worker_new ();

  gst_defcn_worker_submit (worker, job_new (0));
  gst_defcn_job_free (gst_defcn_worker_collect (worker));
  gst_defcn_worker_set_flushing (worker, TRUE);
  gst_defcn_worker_submit (worker, job_new (1));
  gst_defcn_worker_free (worker);
}

/* Nor after an error and a flush. */
static void
test_steady_after_errors (void)
{
  fake_detector_reset ();
  fake_detector_set_failing (TRUE);
  rig_assert_steady (fail_and_die);
}

static void
relabel (void)
{
  GstDefcnWorker *worker = worker_new ();
  GstDefcnModelInfo *info = gst_defcn_worker_info (worker);

  g_assert_true (gst_defcn_model_info_relabel (info, "a,b,c", NULL, NULL));
  g_assert_true (gst_defcn_model_info_relabel (info, "d,e,f", NULL, NULL));
  g_assert_false (gst_defcn_model_info_relabel (info, "a,b", NULL, NULL));
  g_assert_false (gst_defcn_model_info_relabel (info, "a,,b", NULL, NULL));
  g_assert_false (gst_defcn_model_info_relabel (info, NULL, "/nowhere", NULL));
  g_assert_cmpstr (info->labels[2], ==, "f");
  gst_defcn_worker_free (worker);
}

static void
parse_lists (void)
{
  static const char *const lists[][3] = { { "dog=0.5", "dog", "0,0,9,9" },
    { "dog=2", "dog", NULL }, { "dog=0.5", "cat", NULL },
    { "dog=0.5", "dog", "0,0,9,9;x" } };
  GstDefcnWorker *worker = worker_new ();

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++) {
    const GstDefcnLive live = { .class_thresholds = (char *) lists[i][0],
      .classes = (char *) lists[i][1],
      .roi = (char *) lists[i][2] };
    g_autoptr (GstDefcnSettings) s =
        gst_defcn_settings_new (&live, gst_defcn_worker_info (worker), NULL);

    g_assert_cmpint (s != NULL, ==, i == 0);
  }
  gst_defcn_worker_free (worker);
}

/* Nor do labels and settings, accepted or refused. */
static void
test_steady_settings (void)
{
  fake_detector_reset ();
  rig_assert_steady (relabel);
  rig_assert_steady (parse_lists);
}

/* A job is running or has finished, and never neither: who polls while one ends
 * cannot miss it. */
static void
test_poll (void)
{
  GstDefcnWorker *worker = worker_new_afresh ();
  GstDefcnJob *job;
  gboolean busy;

  fake_detector_hold ();
  g_assert_true (gst_defcn_worker_submit (worker, job_new (3)));
  fake_detector_wait_held ();
  g_assert_null (gst_defcn_worker_poll (worker, &busy));
  g_assert_true (busy);
  fake_detector_release ();
  do
    job = gst_defcn_worker_poll (worker, &busy);
  while (busy);
  g_assert_nonnull (job);
  g_assert_cmpuint (job->timestamp, ==, 3 * (GST_SECOND / 25));
  gst_defcn_job_free (job);
  g_assert_null (gst_defcn_worker_poll (worker, &busy));
  g_assert_false (busy);
  gst_defcn_worker_free (worker);
}

static void
add_job (GstDefcnLane *lane, guint n, GstDefcnJobState state,
    gboolean abandoned)
{
  GstDefcnJob *job = job_new (n);

  job->state = state;
  job->abandoned = abandoned;
  g_queue_push_tail (&lane->jobs, job);
}

static void
assert_has (const GstDefcnLane *lane, guint n)
{
  const GstDefcnJob *oldest = gst_defcn_lane_oldest (lane);

  g_assert_nonnull (oldest);
  g_assert_cmpuint (oldest->timestamp, ==, n * (GST_SECOND / 25));
}

/* With several workers a job may be done before an older one that was
 * discarded: there is room for the next one beside them, and what a pass has is
 * never freed; results that nobody collects make room, the oldest first. */
static void
test_room (void)
{
  GstDefcnLane lane;

  gst_defcn_lane_init (&lane, 2, NULL);
  add_job (&lane, 1, GST_DEFCN_JOB_RUNNING, TRUE);
  add_job (&lane, 2, GST_DEFCN_JOB_DONE, FALSE);
  gst_defcn_lane_make_room (&lane);
  g_assert_cmpuint (lane.jobs.length, ==, 2);
  assert_has (&lane, 2);

  add_job (&lane, 3, GST_DEFCN_JOB_DONE, FALSE);
  gst_defcn_lane_make_room (&lane);
  g_assert_cmpuint (lane.jobs.length, ==, 2);
  assert_has (&lane, 3);
  gst_defcn_lane_clear (&lane);

  gst_defcn_lane_init (&lane, 2, NULL);
  add_job (&lane, 4, GST_DEFCN_JOB_RUNNING, FALSE);
  add_job (&lane, 5, GST_DEFCN_JOB_DONE, FALSE);
  gst_defcn_lane_make_room (&lane);
  g_assert_cmpuint (lane.jobs.length, ==, 2);
  gst_defcn_lane_clear (&lane);
}

/* What was thrown away may run for longer than what came after it: neither that
 * nor the result of the latter makes room for a third one. */
static void
test_overtaken (void)
{
  GstDefcnWorker *worker;

  fake_detector_reset ();
  worker = worker_new_with (2, 2);
  fake_detector_hold ();
  g_assert_true (gst_defcn_worker_submit (worker, job_new (1)));
  fake_detector_wait_held ();
  gst_defcn_worker_discard (worker);
  fake_detector_let (2);
  g_assert_true (gst_defcn_worker_submit (worker, job_new (2)));
  fake_detector_wait_runs (1);
  fake_detector_wait_idle ();
  g_assert_true (gst_defcn_worker_submit (worker, job_new (3)));
  assert_collects (worker, 2);
  assert_collects (worker, 3);
  fake_detector_release ();
  assert_collects_nothing (worker);
  gst_defcn_worker_free (worker);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/worker/image", test_image);
  g_test_add_func ("/worker/poll", test_poll);
  g_test_add_func ("/worker/no-job", test_no_job);
  g_test_add_func ("/worker/regions", test_regions);
  g_test_add_func ("/worker/one-region", test_one_region);
  g_test_add_func ("/worker/settings", test_settings);
  g_test_add_func ("/worker/info", test_info);
  g_test_add_func ("/worker/open-error", test_open_error);
  g_test_add_func ("/worker/run-error", test_run_error);
  g_test_add_func ("/worker/pixels-released", test_pixels_released);
  g_test_add_func ("/worker/flush", test_flush);
  g_test_add_func ("/worker/flush-finished", test_flush_finished);
  g_test_add_func ("/worker/discard", test_discard);
  g_test_add_func ("/worker/before-it-runs", test_before_it_runs);
  g_test_add_func ("/worker/wait-before-it-runs", test_wait_before_it_runs);
  g_test_add_func ("/worker/submit-twice", test_submit_twice);
  g_test_add_func ("/worker/room", test_room);
  g_test_add_func ("/worker/overtaken", test_overtaken);
  g_test_add_func ("/worker/steady", test_steady);
  g_test_add_func ("/worker/steady-after-errors", test_steady_after_errors);
  g_test_add_func ("/worker/steady-settings", test_steady_settings);
  return rig_run ();
}
