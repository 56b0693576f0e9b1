/* A detector that the test plays. */
#include "fake_detector.h"

#include "gstdefcndetect.h"
#include "meta.h"
#include "rig.h"

#define N_CLASSES 3
#define PATIENCE (30 * G_USEC_PER_SEC)

typedef struct
{
  GArray *boxes; /* DefcnBox */
  DefcnTimings timings;
} Run;

typedef struct
{
  DefcnImage image;
  DefcnRegion region;
  guint pass, company;
  guint model;
  GThread *thread;
} Seen;

struct _DefcnDetector
{
  float threshold, class_thresholds[N_CLASSES];
  gboolean per_class;
  int max_detections;
  float duplicate_filter;
  DefcnTimings timings;
  guint model;       /* which one was opened */
  const char *other; /* in place of "dog" */
};

/* What the linker puts in the place of g_cond_wait() for what is linked here.
 */
void __real_g_cond_wait (GCond *cond, GMutex *mutex);
void __wrap_g_cond_wait (GCond *cond, GMutex *mutex);

typedef struct
{
  GThread *thread;
  GCond *cond;
  GMutex *mutex;
} Sleeper;

static GMutex asleep_lock;
static GCond asleep_changed;
static GArray *asleep; /* Sleeper */
static GThread *frozen;

static GMutex lock;
static GCond changed;
static GPtrArray *runs;
static GArray *seen;
static gboolean held, waiting, failing;
static guint n_let; /* runs that are not held */
static const char *passed_over, *tuning_problem;
static int open_error = -1, n_open;
static guint n_passes, n_models, pace;
static gboolean opening_held, opening;
static const char *other_label;
static DefcnDetectorOptions options;
static struct _DefcnDetector last;
static GThread *last_thread;

/* With the lock held: its index, -1 when it is awake. */
static int
find_sleeper (const GThread *thread)
{
  for (guint i = 0; i < asleep->len; i++)
    if (g_array_index (asleep, Sleeper, i).thread == thread)
      return (int) i;
  return -1;
}

static gboolean
wakes (const GThread *thread)
{
  gboolean awake;

  g_mutex_lock (&asleep_lock);
  awake = frozen != thread;
  if (awake)
    g_array_remove_index_fast (asleep, find_sleeper (thread));
  g_mutex_unlock (&asleep_lock);
  return awake;
}

void
__wrap_g_cond_wait (GCond *cond, GMutex *mutex)
{
  const Sleeper self = { g_thread_self (), cond, mutex };

  g_mutex_lock (&asleep_lock);
  g_array_append_val (asleep, self);
  g_cond_broadcast (&asleep_changed);
  g_mutex_unlock (&asleep_lock);
  do
    __real_g_cond_wait (cond, mutex);
  while (!wakes (self.thread));
}

static void
run_free (gpointer data)
{
  Run *run = data;

  g_array_unref (run->boxes);
  g_free (run);
}

void
fake_detector_init (int *argc, char ***argv)
{
  rig_init_bare (argc, argv);
  gst_element_register (NULL, "defcndetect", GST_RANK_NONE,
      GST_TYPE_DEFCN_DETECT);
  runs = g_ptr_array_new_with_free_func (run_free);
  /* Room enough not to grow while a test watches the heap. */
  asleep = g_array_sized_new (FALSE, FALSE, sizeof (Sleeper), 64);
  seen = g_array_sized_new (FALSE, FALSE, sizeof (Seen), 8192);
}

void
fake_detector_reset (void)
{
  g_mutex_lock (&lock);
  g_ptr_array_set_size (runs, 0);
  g_array_set_size (seen, 0);
  held = failing = opening_held = FALSE;
  passed_over = tuning_problem = other_label = NULL;
  n_passes = n_models = n_let = pace = 0;
  open_error = -1;
  g_mutex_unlock (&lock);
}

void
fake_detector_set_problems (const char *over, const char *tuning)
{
  g_mutex_lock (&lock);
  passed_over = over;
  tuning_problem = tuning;
  g_mutex_unlock (&lock);
}

void
fake_detector_set_open_error (int code)
{
  g_mutex_lock (&lock);
  open_error = code;
  g_mutex_unlock (&lock);
}

void
fake_detector_add_run (const DefcnBox *boxes, guint n, DefcnTimings timings)
{
  Run *run = g_new0 (Run, 1);

  run->boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  if (n)
    g_array_append_vals (run->boxes, boxes, n);
  run->timings = timings;
  g_mutex_lock (&lock);
  g_ptr_array_add (runs, run);
  g_mutex_unlock (&lock);
}

void
fake_detector_set_failing (gboolean fail)
{
  g_mutex_lock (&lock);
  failing = fail;
  g_mutex_unlock (&lock);
}

void
fake_detector_set_pace (guint ms)
{
  g_mutex_lock (&lock);
  pace = ms;
  g_mutex_unlock (&lock);
}

void
fake_detector_hold (void)
{
  g_mutex_lock (&lock);
  held = TRUE;
  g_mutex_unlock (&lock);
}

void
fake_detector_let (guint n)
{
  g_mutex_lock (&lock);
  n_let = n;
  g_mutex_unlock (&lock);
}

void
fake_detector_release (void)
{
  g_mutex_lock (&lock);
  held = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

void
fake_detector_wait_held (void)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&lock);
  while (!waiting)
    if (!g_cond_wait_until (&changed, &lock, end))
      g_error ("the detector was not asked");
  g_mutex_unlock (&lock);
}

void
fake_detector_wait_runs (guint n)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&lock);
  while (seen->len < n)
    if (!g_cond_wait_until (&changed, &lock, end))
      g_error ("the detector was asked %u times", seen->len);
  g_mutex_unlock (&lock);
}

void
fake_detector_wait_asleep (GThread *thread)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&asleep_lock);
  while (find_sleeper (thread) < 0)
    if (!g_cond_wait_until (&asleep_changed, &asleep_lock, end))
      g_error ("a thread does not wait");
  g_mutex_unlock (&asleep_lock);
}

static GThread *
worker_thread (void)
{
  GThread *thread;

  g_mutex_lock (&lock);
  thread = last_thread;
  g_mutex_unlock (&lock);
  return thread;
}

void
fake_detector_wait_idle (void)
{
  fake_detector_wait_asleep (worker_thread ());
}

void
fake_detector_freeze (void)
{
  fake_detector_wait_idle ();
  g_mutex_lock (&asleep_lock);
  frozen = worker_thread ();
  g_mutex_unlock (&asleep_lock);
}

/* Under its mutex, lest it falls asleep again after the call. */
void
fake_detector_thaw (void)
{
  Sleeper sleeper;

  g_mutex_lock (&asleep_lock);
  sleeper = g_array_index (asleep, Sleeper, find_sleeper (frozen));
  g_mutex_unlock (&asleep_lock);
  g_mutex_lock (sleeper.mutex);
  g_mutex_lock (&asleep_lock);
  frozen = NULL;
  g_mutex_unlock (&asleep_lock);
  g_cond_broadcast (sleeper.cond);
  g_mutex_unlock (sleeper.mutex);
}

guint
fake_detector_n_runs (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = seen->len;
  g_mutex_unlock (&lock);
  return n;
}

static Seen
seen_at (guint run)
{
  Seen at;

  g_mutex_lock (&lock);
  g_assert_cmpuint (run, <, seen->len);
  at = g_array_index (seen, Seen, run);
  g_mutex_unlock (&lock);
  return at;
}

guint
fake_detector_pass_of (guint run)
{
  return seen_at (run).pass;
}

guint
fake_detector_company (guint run)
{
  return seen_at (run).company;
}

guint
fake_detector_model (guint run)
{
  return seen_at (run).model;
}

GThread *
fake_detector_thread (guint run)
{
  return seen_at (run).thread;
}

void
fake_detector_hold_opening (void)
{
  g_mutex_lock (&lock);
  opening_held = TRUE;
  g_mutex_unlock (&lock);
}

void
fake_detector_release_opening (void)
{
  g_mutex_lock (&lock);
  opening_held = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

void
fake_detector_wait_opening (void)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&lock);
  while (!opening)
    if (!g_cond_wait_until (&changed, &lock, end))
      g_error ("nothing was opened");
  g_mutex_unlock (&lock);
}

void
fake_detector_set_other_label (const char *label)
{
  g_mutex_lock (&lock);
  other_label = label;
  g_mutex_unlock (&lock);
}

DefcnImage
fake_detector_image (guint run)
{
  return seen_at (run).image;
}

DefcnRegion
fake_detector_region (guint run)
{
  return seen_at (run).region;
}

static struct _DefcnDetector
last_copy (void)
{
  struct _DefcnDetector copy;

  g_mutex_lock (&lock);
  copy = last;
  g_mutex_unlock (&lock);
  return copy;
}

float
fake_detector_duplicate_filter (void)
{
  return last_copy ().duplicate_filter;
}

float
fake_detector_threshold (void)
{
  return last_copy ().threshold;
}

int
fake_detector_max_detections (void)
{
  return last_copy ().max_detections;
}

float
fake_detector_class_threshold (int label)
{
  const struct _DefcnDetector copy = last_copy ();

  return copy.per_class ? copy.class_thresholds[label] : -1;
}

DefcnDetectorOptions
fake_detector_options (void)
{
  DefcnDetectorOptions copy;

  g_mutex_lock (&lock);
  copy = options;
  g_mutex_unlock (&lock);
  return copy;
}

int
fake_detector_n_open (void)
{
  int n;

  g_mutex_lock (&lock);
  n = n_open;
  g_mutex_unlock (&lock);
  return n;
}

guint
fake_detector_n_opened (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = n_models;
  g_mutex_unlock (&lock);
  return n;
}

const DefcnBox fake_detector_box = { 16, 30, 48, 102, 0.75f, 2 };
const DefcnTimings fake_detector_times = { 1, 20, 300 };

GstHarness *
fake_detector_harness (const char *properties, const char *caps)
{
  return rig_harness_model ("/dev/null", properties, caps);
}

GstHarness *
fake_detector_finding (const char *properties)
{
  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  return fake_detector_harness (properties, FAKE_DETECTOR_CAPS);
}

GstBuffer *
fake_detector_pass (GstHarness *h, guint n)
{
  GstBuffer *out = gst_harness_push_and_pull (h, rig_frame (h, n));

  g_assert_nonnull (out);
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, n * (GST_SECOND / 25));
  return out;
}

void
fake_detector_restart (GstHarness *h)
{
  g_autoptr (GstElement) element = rig_element (h);

  gst_element_set_state (element, GST_STATE_READY);
  gst_element_set_state (element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (h, FAKE_DETECTOR_CAPS);
}

/* What follows is the face of the core, detector.h. */

DefcnDetector *
defcn_detector_new (const char *path, const DefcnDetectorOptions *given,
    GError **error)
{
  DefcnDetector *detector = NULL;

  g_mutex_lock (&lock);
  opening = TRUE;
  g_cond_broadcast (&changed);
  while (opening_held)
    g_cond_wait (&changed, &lock);
  opening = FALSE;
  options = *given;
  options.device = g_intern_string (given->device);
  options.precision = g_intern_string (given->precision);
  if (open_error >= 0) {
    g_set_error (error, DEFCN_ERROR, open_error, "it does not open");
  } else {
    detector = g_new0 (DefcnDetector, 1);
    detector->model = n_models++;
    detector->other = other_label;
    n_open++;
  }
  g_mutex_unlock (&lock);
  return detector;
}

void
defcn_detector_free (DefcnDetector *detector)
{
  g_mutex_lock (&lock);
  n_open--;
  g_mutex_unlock (&lock);
  g_free (detector);
}

/* With the lock held: what the last image that was seen has in it. */
static void
play (DefcnDetector *detector, GArray *boxes, const DefcnDecodeRule *rule)
{
  const guint n = seen->len - 1;
  const Run *run = runs->len ? runs->pdata[MIN (n, runs->len - 1)] : NULL;

  detector->timings = run ? run->timings : (DefcnTimings){ 1, 1, 1 };
  if (rule) {
    detector->threshold = rule->threshold;
    detector->max_detections = rule->max_detections;
    detector->duplicate_filter = rule->duplicate_iou;
    detector->per_class = rule->class_thresholds != NULL;
    for (int i = 0; rule->class_thresholds && i < N_CLASSES; i++)
      detector->class_thresholds[i] = rule->class_thresholds[i];
  }
  last = *detector;
  if (run && run->boxes->len && !failing)
    g_array_append_vals (boxes, run->boxes->data, run->boxes->len);
}

/* With the lock held: a picture that is marked so fails with its company. */
static gboolean
fails (const DefcnImage *images, int n, GError **error)
{
  gboolean bad = failing;

  for (int i = 0; i < n; i++)
    bad |= images[i].width == FAKE_DETECTOR_BAD_WIDTH;
  if (bad)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "it was told to");
  return bad;
}

gboolean
defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error)
{
  gboolean good;
  guint ms;

  for (int i = 0; i < n; i++)
    g_array_set_size (boxes[i], 0);
  g_mutex_lock (&lock);
  ms = pace;
  g_mutex_unlock (&lock);
  g_usleep (ms * 1000);
  g_mutex_lock (&lock);
  if (held && n_let) {
    n_let--;
  } else {
    waiting = held;
    g_cond_broadcast (&changed);
    while (held)
      g_cond_wait (&changed, &lock);
    waiting = FALSE;
  }
  last_thread = g_thread_self ();
  for (int i = 0; i < n; i++) {
    const Seen now = { images[i], regions[i], n_passes, (guint) n,
      detector->model, g_thread_self () };

    g_array_append_val (seen, now);
    play (detector, boxes[i], rules ? &rules[i] : NULL);
  }
  n_passes++;
  good = !fails (images, n, error);
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
  return good;
}

gboolean
defcn_detector_run (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions, int n, GError **error)
{
  return defcn_detector_run_by (detector, boxes, images, regions, NULL, n,
      error);
}

DefcnDecodeRule
defcn_detector_rule (const DefcnDetector *detector)
{
  return (DefcnDecodeRule){ .topk = 1000 };
}

void
defcn_detector_timings (const DefcnDetector *detector, DefcnTimings *timings)
{
  *timings = detector->timings;
}

float
defcn_detector_duplicate_filter (const DefcnDetector *detector)
{
  return 0.75f;
}

int
defcn_detector_n_classes (const DefcnDetector *detector)
{
  return N_CLASSES;
}

const char *
defcn_detector_label (const DefcnDetector *detector, int i)
{
  static const char *const labels[N_CLASSES] = { "person", "car", "dog" };

  return i == 2 && detector->other ? detector->other : labels[i];
}

float
defcn_detector_working_threshold (const DefcnDetector *detector)
{
  return 0.3f;
}

int
defcn_detector_max_detections (const DefcnDetector *detector)
{
  return 50;
}

gboolean
defcn_detector_reads (const DefcnDetector *detector, DefcnMemory memory)
{
  return memory == DEFCN_MEMORY_HOST;
}

const char *
defcn_detector_hash (const DefcnDetector *detector)
{
  static const char *const hashes[] = { "c0ffee", "decaf", "7ea" };

  return hashes[MIN (detector->model, G_N_ELEMENTS (hashes) - 1)];
}

const char *
defcn_detector_device (const DefcnDetector *detector)
{
  return "fake";
}

const char *
defcn_detector_description (const DefcnDetector *detector)
{
  return "fake, 1 thread, fp32";
}

/* More with every run. */
gsize
defcn_detector_bytes (const DefcnDetector *detector)
{
  return 1000 + fake_detector_n_runs ();
}

const char *
defcn_detector_passed_over (const DefcnDetector *detector)
{
  return passed_over;
}

const char *
defcn_detector_tuning_problem (const DefcnDetector *detector)
{
  return tuning_problem;
}
