/* A camera: one branch after another. */
#include "camera.h"

#include <string.h>

#include "uri.h"

#define MAX_ENDING 3                 /* branches of a camera that hang */
#define MEASURE (2 * G_USEC_PER_SEC) /* for frames a second */
#define WARN_EVERY (60 * G_USEC_PER_SEC)
#define MAX_RECORD 16384 /* that the page is told */

LiveCamera *
live_camera_ref (LiveCamera *camera)
{
  return g_rc_box_acquire (camera);
}

static void
camera_clear (gpointer data)
{
  LiveCamera *camera = data;

  live_config_camera_free (camera->config);
  g_free (camera->shown);
  g_free (camera->problem);
  g_free (camera->record);
  g_clear_pointer (&camera->picture, g_bytes_unref);
}

void
live_camera_unref (LiveCamera *camera)
{
  g_rc_box_release_full (camera, camera_clear);
}

LiveCamera *
live_camera_new (const LiveCameraConfig *config, const LiveConfig *live,
    LiveRecords *output, void (*on_picture) (LiveCamera *, gpointer),
    gpointer user)
{
  static guint ids = 0;
  LiveCamera *camera = g_rc_box_new0 (LiveCamera);

  camera->id = ++ids;
  camera->config = live_config_camera_copy (config);
  camera->shown = live_uri_shown (config->uri);
  camera->state = LIVE_CAMERA_WAITING; /* until the next tick */
  camera->output = output;
  camera->fps_limit = 1;
  camera->on_picture = on_picture;
  camera->user = user;
  live_camera_set_live (camera, live);
  return camera;
}

void
live_camera_set_live (LiveCamera *camera, const LiveConfig *live)
{
  camera->live = live;
  camera->backoff.min = (gint64) live->retry_min * G_USEC_PER_SEC;
  camera->backoff.max = (gint64) live->retry_max * G_USEC_PER_SEC;
}

static void
add_stats (LiveBranchStats *sum, const LiveBranchStats *stats)
{
  sum->frames += stats->frames;
  sum->last_frame = stats->last_frame;
  sum->inferred += stats->inferred;
  sum->objects += stats->objects;
  sum->tracks += stats->tracks;
  sum->skipped_interval += stats->skipped_interval;
  sum->skipped_qos += stats->skipped_qos;
  sum->skipped_busy += stats->skipped_busy;
  sum->skipped_region += stats->skipped_region;
  sum->skipped_still += stats->skipped_still;
  sum->inference_p50 = stats->inference_p50;
  sum->inference_p95 = stats->inference_p95;
  sum->model_bytes = stats->model_bytes;
}

static void
let_go (LiveCamera *camera)
{
  const LiveBranchStats stats = live_branch_stats (camera->branch);

  add_stats (&camera->past, &stats);
  camera->past.last_frame = 0;
  camera->past.inference_p50 = camera->past.inference_p95 = 0;
  camera->past.model_bytes = 0;
  g_clear_pointer (&camera->picture, g_bytes_unref);
  camera->fps = 0;
  camera->ending++;
  live_branch_stop (g_steal_pointer (&camera->branch));
}

static void
lose (LiveCamera *camera, const char *problem)
{
  const gint64 now = g_get_monotonic_time ();
  const gint64 well = camera->first_frame ? now - camera->first_frame : 0;
  const gint64 wait =
      live_backoff_fail (&camera->backoff, well, g_random_double ());

  g_free (camera->problem);
  camera->problem = live_uri_redact (problem, camera->config->uri);
  camera->losses++;
  camera->state = LIVE_CAMERA_WAITING;
  camera->retry_at = now + wait;
  g_warning ("camera \"%s\" (%s) is lost: %s; it is tried again in %.1f s",
      camera->config->name, camera->shown, camera->problem,
      (double) wait / G_USEC_PER_SEC);
  if (camera->branch)
    let_go (camera);
}

/* What the branch tells. */

static void
on_failed (const char *reason, gpointer user)
{
  lose (user, reason);
}

/* One a minute: some elements warn of every frame. */
static void
on_warning (const char *text, gpointer user)
{
  LiveCamera *camera = user;
  const gint64 now = g_get_monotonic_time ();
  g_autofree char *shown = NULL;

  camera->warnings++;
  if (camera->warned && now - camera->warned < WARN_EVERY)
    return;
  camera->warned = now;
  shown = live_uri_redact (text, camera->config->uri);
  g_warning ("camera \"%s\": %s (warning %" G_GUINT64_FORMAT ")",
      camera->config->name, shown, camera->warnings);
}

static void
on_picture (GBytes *jpeg, gpointer user)
{
  LiveCamera *camera = user;

  g_clear_pointer (&camera->picture, g_bytes_unref);
  camera->picture = g_bytes_ref (jpeg);
  camera->picture_time = g_get_real_time ();
  camera->pictures++;
  camera->on_picture (camera, camera->user);
}

static void
on_ended (gpointer user)
{
  LiveCamera *camera = user;

  camera->ending--;
  live_camera_unref (camera);
}

static void
on_record (const char *line, gpointer user)
{
  LiveCamera *camera = user;

  camera->records++;
  if (strlen (line) > MAX_RECORD)
    return;
  g_free (camera->record);
  camera->record = g_strdup (line);
}

/* Time passes. */

static void
start (LiveCamera *camera)
{
  static const LiveBranchEvents events = { on_failed, on_warning, on_picture,
    on_ended };
  g_autoptr (GError) error = NULL;
  int records;

  if (camera->ending >= MAX_ENDING) {
    if (camera->state != LIVE_CAMERA_STUCK)
      g_warning ("camera \"%s\": %u branches of it do not end, it is not "
                 "started before one has",
          camera->config->name, camera->ending);
    camera->state = LIVE_CAMERA_STUCK;
    return;
  }
  camera->state = LIVE_CAMERA_STARTING;
  camera->starts++;
  camera->started = g_get_monotonic_time ();
  camera->first_frame = 0;
  records = live_records_add (camera->output, on_record,
      live_camera_ref (camera), (GDestroyNotify) live_camera_unref, &error);
  if (records >= 0)
    camera->branch = live_branch_new (camera->config, camera->live, records,
        &events, camera, &error);
  if (!camera->branch) {
    lose (camera, error->message);
    return;
  }
  live_camera_ref (camera); /* of the branch, until it has ended */
  live_branch_set_fps (camera->branch, camera->fps_limit);
}

static void
measure (LiveCamera *camera, guint64 frames, gint64 now)
{
  if (now - camera->measured < MEASURE)
    return;
  camera->fps = (double) (frames - camera->measured_frames) * G_USEC_PER_SEC
      / (double) (now - camera->measured);
  camera->measured = now;
  camera->measured_frames = frames;
}

/* Seconds until the next frame at most.  Before the first one there is a model
 * to be loaded and hands to be shaken, which a machine that is busy with the
 * others is given more time for when it did not do. */
static guint
patience (const LiveCamera *camera, gboolean started)
{
  const guint limit = camera->config->timeout;

  return started ? limit : 2 * limit << MIN (camera->backoff.failures, 2);
}

static void
watch (LiveCamera *camera, gint64 now)
{
  const LiveBranchStats stats = live_branch_stats (camera->branch);
  const gint64 last = stats.last_frame;
  const guint limit = patience (camera, last != 0);
  g_autofree char *problem = NULL;

  if (last && camera->state == LIVE_CAMERA_STARTING) {
    camera->state = LIVE_CAMERA_RUNNING;
    camera->first_frame = last;
    camera->measured = now;
    camera->measured_frames = 0;
    g_message ("camera \"%s\" (%s) is there", camera->config->name,
        camera->shown);
  }
  if (last)
    measure (camera, stats.frames, now);
  if (now - (last ? last : camera->started) <= (gint64) limit * G_USEC_PER_SEC)
    return;
  problem = g_strdup_printf ("no frame for %u s", limit);
  lose (camera, problem);
}

void
live_camera_tick (LiveCamera *camera)
{
  const gint64 now = g_get_monotonic_time ();

  switch (camera->state) {
    case LIVE_CAMERA_STARTING:
    case LIVE_CAMERA_RUNNING:
      watch (camera, now);
      break;
    case LIVE_CAMERA_WAITING:
    case LIVE_CAMERA_STUCK:
      if (now >= camera->retry_at)
        start (camera);
      break;
    case LIVE_CAMERA_STOPPED:
      break;
  }
}

void
live_camera_stop (LiveCamera *camera)
{
  if (camera->branch)
    let_go (camera);
  camera->state = LIVE_CAMERA_STOPPED;
}

void
live_camera_set_watched (LiveCamera *camera, gboolean watched)
{
  camera->fps_limit = watched ? camera->config->page_fps : 1;
  if (camera->branch)
    live_branch_set_fps (camera->branch, camera->fps_limit);
}

LiveBranchStats
live_camera_stats (const LiveCamera *camera)
{
  LiveBranchStats sum = camera->past;

  if (camera->branch) {
    const LiveBranchStats now = live_branch_stats (camera->branch);

    add_stats (&sum, &now);
  }
  return sum;
}

double
live_camera_age (const LiveCamera *camera)
{
  const gint64 last = live_camera_stats (camera).last_frame;

  if (!last)
    return -1;
  return (double) (g_get_monotonic_time () - last) / G_USEC_PER_SEC;
}

const char *
live_camera_state_name (LiveCameraState state)
{
  static const char *const names[] = { "starting", "running", "waiting",
    "stuck", "stopped" };

  return names[state];
}
