/* All cameras. */
#include "fleet.h"

#define TICK 200 /* ms */

static gboolean
on_tick (gpointer data)
{
  LiveFleet *fleet = data;

  for (guint i = 0; i < fleet->cameras->len; i++)
    live_camera_tick (g_ptr_array_index (fleet->cameras, i));
  for (guint i = fleet->leaving->len; i-- > 0;)
    if (((LiveCamera *) g_ptr_array_index (fleet->leaving, i))->ending == 0)
      g_ptr_array_remove_index_fast (fleet->leaving, i);
  return G_SOURCE_CONTINUE;
}

static LiveCamera *
add (LiveFleet *fleet, const LiveCameraConfig *config)
{
  LiveCamera *camera = live_camera_new (config, fleet->config, fleet->records,
      fleet->on_picture, fleet->user);

  live_camera_set_watched (camera, fleet->watched);
  return camera;
}

static void
leave (LiveFleet *fleet, LiveCamera *camera)
{
  live_camera_stop (camera);
  g_ptr_array_add (fleet->leaving, live_camera_ref (camera));
}

LiveFleet *
live_fleet_new (LiveConfig *config, LiveRecords *records,
    void (*on_picture) (LiveCamera *, gpointer), gpointer user)
{
  LiveFleet *fleet = g_new0 (LiveFleet, 1);
  const GDestroyNotify unref = (GDestroyNotify) live_camera_unref;

  fleet->config = config;
  fleet->records = records;
  fleet->started = g_get_real_time ();
  fleet->cameras = g_ptr_array_new_with_free_func (unref);
  fleet->leaving = g_ptr_array_new_with_free_func (unref);
  fleet->on_picture = on_picture;
  fleet->user = user;
  for (guint i = 0; i < config->cameras->len; i++)
    g_ptr_array_add (fleet->cameras,
        add (fleet, g_ptr_array_index (config->cameras, i)));
  fleet->timer = g_timeout_add (TICK, on_tick, fleet);
  return fleet;
}

void
live_fleet_update (LiveFleet *fleet, LiveConfig *config)
{
  const gboolean same_model = live_config_share_model (config, fleet->config);
  LiveConfig *old = fleet->config;
  g_autoptr (GPtrArray) before = fleet->cameras;

  fleet->config = config;
  fleet->cameras =
      g_ptr_array_new_with_free_func ((GDestroyNotify) live_camera_unref);
  for (guint i = 0; i < config->cameras->len; i++) {
    const LiveCameraConfig *wanted = g_ptr_array_index (config->cameras, i);
    LiveCamera *kept = NULL;

    for (guint j = 0; same_model && !kept && j < before->len; j++) {
      LiveCamera *camera = g_ptr_array_index (before, j);

      if (live_config_camera_equal (camera->config, wanted))
        kept = live_camera_ref (camera);
    }
    if (kept)
      live_camera_set_live (kept, config);
    g_ptr_array_add (fleet->cameras, kept ? kept : add (fleet, wanted));
  }
  for (guint i = 0; i < before->len; i++) {
    LiveCamera *camera = g_ptr_array_index (before, i);

    if (!g_ptr_array_find (fleet->cameras, camera, NULL))
      leave (fleet, camera);
  }
  live_config_free (old);
}

void
live_fleet_set_watched (LiveFleet *fleet, gboolean watched)
{
  fleet->watched = watched;
  for (guint i = 0; i < fleet->cameras->len; i++)
    live_camera_set_watched (g_ptr_array_index (fleet->cameras, i), watched);
}

LiveCamera *
live_fleet_find (LiveFleet *fleet, const char *name)
{
  for (guint i = 0; i < fleet->cameras->len; i++) {
    LiveCamera *camera = g_ptr_array_index (fleet->cameras, i);

    if (g_str_equal (camera->config->name, name))
      return camera;
  }
  return NULL;
}

guint
live_fleet_running (LiveFleet *fleet)
{
  guint n = 0;

  for (guint i = 0; i < fleet->cameras->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (fleet->cameras, i);

    n += camera->state == LIVE_CAMERA_RUNNING;
  }
  return n;
}

static gboolean
on_wait (gpointer data)
{
  return G_SOURCE_CONTINUE; /* the loop looks at the clock */
}

gboolean
live_fleet_stop (LiveFleet *fleet, gint64 timeout)
{
  const gint64 until = g_get_monotonic_time () + timeout;
  const guint waker = g_timeout_add (50, on_wait, NULL);

  for (guint i = 0; i < fleet->cameras->len; i++)
    leave (fleet, g_ptr_array_index (fleet->cameras, i));
  g_ptr_array_set_size (fleet->cameras, 0);
  while (fleet->leaving->len > 0 && g_get_monotonic_time () < until) {
    g_main_context_iteration (NULL, TRUE);
    on_tick (fleet);
  }
  g_source_remove (waker);
  for (guint i = 0; i < fleet->leaving->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (fleet->leaving, i);

    g_warning ("camera \"%s\" does not stop", camera->config->name);
  }
  return fleet->leaving->len == 0;
}

void
live_fleet_free (LiveFleet *fleet)
{
  if (!fleet)
    return;
  g_source_remove (fleet->timer);
  g_ptr_array_unref (fleet->cameras);
  g_ptr_array_unref (fleet->leaving);
  live_config_free (fleet->config);
  g_free (fleet);
}
