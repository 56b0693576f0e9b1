/* Images of a run apart, each in a lane. */
#include "apart.h"

typedef struct
{
  DefcnApart *apart;
  DefcnBackend *be;
  DefcnModel *model;
  DefcnRunner *runner;
  GThread *thread;
} Lane;

struct _DefcnApart
{
  int threads, of_lane; /* of all, of each */
  GArray *lanes;        /* Lane */
  GMutex lock;
  GCond work, rest; /* there is an image; the last of them has been run */
  /* Of the run, under the lock. */
  const DefcnRun *run;
  GArray *images;     /* int, which of the run's */
  guint taken, ended; /* how many of them */
  gboolean closed;
};

/* Runs images until there will be no more. */
static gpointer
work (gpointer data)
{
  const Lane *lane = data;
  DefcnApart *a = lane->apart;

  g_mutex_lock (&a->lock);
  for (;;) {
    while (a->taken == a->images->len && !a->closed)
      g_cond_wait (&a->work, &a->lock);
    if (a->closed)
      break;

    const DefcnRun *run = a->run;
    const int i = g_array_index (a->images, int, a->taken++);
    g_mutex_unlock (&a->lock);
    const gboolean good = defcn_runner_pass (lane->runner, run, i, NULL);
    g_mutex_lock (&a->lock);
    if (!good) /* what others have not begun had better not be tried here */
      g_array_set_size (a->images, a->taken);
    if (++a->ended == a->images->len)
      g_cond_signal (&a->rest);
  }
  g_mutex_unlock (&a->lock);
  return NULL;
}

static void
lane_clear (gpointer data)
{
  Lane *lane = data;

  if (lane->thread)
    g_thread_join (lane->thread);
  defcn_runner_free (lane->runner);
  defcn_model_free (lane->model);
  defcn_backend_free (lane->be);
}

static gboolean
lane_init (Lane *lane, DefcnApart *a, DefcnModel *model)
{
  DefcnBackend *be = defcn_model_backend (model);

  lane->apart = a;
  lane->be = be->share (be, a->of_lane, NULL);
  if (!lane->be)
    return FALSE;
  lane->model = defcn_model_share (model, lane->be);
  lane->runner = defcn_runner_new (lane->model, 1, FALSE);
  lane->thread = g_thread_try_new ("defcn-lane", work, lane, NULL);
  return lane->thread != NULL;
}

/* How much faster than one some threads take an image, about: a seventh of the
 * time of one is not theirs to share, such as the waits between steps. */
static double
speedup (int threads)
{
  return threads / (1 + 0.15 * (threads - 1));
}

/* Whether @images in as many lanes are done before one after the other is on
 * all threads. */
static gboolean
is_worth (const DefcnApart *a, int images)
{
  return images * speedup (a->of_lane) > speedup (a->threads);
}

DefcnApart *
defcn_apart_new (DefcnModel *model, int images)
{
  const DefcnBackend *be = defcn_model_backend (model);
  const int n = MIN (images, be->threads);
  gboolean good;
  DefcnApart *a;

  if (n < 2 || !be->share)
    return NULL;
  a = g_new0 (DefcnApart, 1);
  a->threads = be->threads;
  a->of_lane = be->threads / n;
  a->lanes = g_array_sized_new (FALSE, TRUE, sizeof (Lane), n);
  a->images = g_array_new (FALSE, FALSE, sizeof (int));
  g_mutex_init (&a->lock);
  g_cond_init (&a->work);
  g_cond_init (&a->rest);
  g_array_set_size (a->lanes, n); /* which do not move from now on */
  g_array_set_clear_func (a->lanes, lane_clear);
  good = is_worth (a, n);
  for (int i = 0; good && i < n; i++)
    good = lane_init (&g_array_index (a->lanes, Lane, i), a, model);
  if (!good) {
    defcn_apart_free (a);
    return NULL;
  }
  /* While the lanes run the model does not. */
  defcn_model_alternate (model, g_array_index (a->lanes, Lane, 0).model);
  return a;
}

void
defcn_apart_free (DefcnApart *a)
{
  if (!a)
    return;
  g_mutex_lock (&a->lock);
  a->closed = TRUE;
  g_cond_broadcast (&a->work);
  g_mutex_unlock (&a->lock);
  g_array_unref (a->lanes);
  g_array_unref (a->images);
  g_mutex_clear (&a->lock);
  g_cond_clear (&a->work);
  g_cond_clear (&a->rest);
  g_free (a);
}

/* How many of @n images are for the lanes. */
static int
count_for_lanes (const DefcnApart *a, int n)
{
  const int lanes = a->lanes->len;

  return is_worth (a, n % lanes) ? n : n - n % lanes;
}

/* With the lock held. */
static void
choose_images (DefcnApart *a, const DefcnRun *run)
{
  g_array_set_size (a->images, 0);
  for (int i = 0; i < run->n; i++)
    if (defcn_run_waits (run, i))
      g_array_append_val (a->images, i);
  g_array_set_size (a->images, count_for_lanes (a, a->images->len));
  a->run = run;
  a->taken = a->ended = 0;
}

/* Adds the lanes' times, which went on side by side, as parts of @elapsed. */
static void
take_times (DefcnApart *a, DefcnRunnerTimes *times, gint64 elapsed)
{
  DefcnRunnerTimes sum = { 0 };

  for (guint i = 0; i < a->lanes->len; i++)
    defcn_runner_take_times (g_array_index (a->lanes, Lane, i).runner, &sum);

  const double all = sum.preprocess + sum.inference + sum.postprocess;
  if (all <= 0)
    return;
  times->preprocess += elapsed * sum.preprocess / all;
  times->inference += elapsed * sum.inference / all;
  times->postprocess += elapsed * sum.postprocess / all;
}

void
defcn_apart_run (DefcnApart *a, const DefcnRun *run, DefcnRunnerTimes *times)
{
  const gint64 start = g_get_monotonic_time ();

  g_mutex_lock (&a->lock);
  choose_images (a, run);
  g_cond_broadcast (&a->work);
  while (a->ended < a->images->len)
    g_cond_wait (&a->rest, &a->lock);
  take_times (a, times, g_get_monotonic_time () - start);
  g_mutex_unlock (&a->lock);
}

gsize
defcn_apart_bytes (const DefcnApart *a)
{
  gsize bytes = 0;

  for (guint i = 0; a && i < a->lanes->len; i++)
    bytes += defcn_model_bytes (g_array_index (a->lanes, Lane, i).model);
  return bytes;
}
