/* What is known of the cameras, as JSON. */
#include "status.h"

#include <cjson/cJSON.h>
#include <math.h>

static double
rounded (double value)
{
  return round (value * 1000) / 1000;
}

/* Ages of frames, of those that there were. */
static void
add_age (cJSON *object, const LiveCamera *camera)
{
  const double age = live_camera_age (camera);

  if (age >= 0)
    cJSON_AddNumberToObject (object, "last_frame_age", rounded (age));
  else
    cJSON_AddNullToObject (object, "last_frame_age");
}

/* (transfer full) */
static cJSON *
describe (const LiveCamera *camera)
{
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "state",
      live_camera_state_name (camera->state));
  cJSON_AddNumberToObject (object, "frames",
      (double) live_camera_stats (camera).frames);
  cJSON_AddNumberToObject (object, "fps", rounded (camera->fps));
  cJSON_AddNumberToObject (object, "losses", (double) camera->losses);
  add_age (object, camera);
  if (camera->problem)
    cJSON_AddStringToObject (object, "last_problem", camera->problem);
  return object;
}

/* (transfer full), freed by g_free() as any. */
static char *
print (cJSON *json)
{
  char *printed = cJSON_PrintUnformatted (json);
  char *text = g_strdup (printed);

  cJSON_free (printed);
  cJSON_Delete (json);
  return text;
}

char *
live_status_health (LiveFleet *fleet, gboolean *ok)
{
  cJSON *json = cJSON_CreateObject ();
  const guint running = live_fleet_running (fleet);
  cJSON *cameras;

  *ok = running == fleet->cameras->len;
  cJSON_AddStringToObject (json, "status", *ok ? "ok" : "degraded");
  cJSON_AddNumberToObject (json, "running", running);
  cameras = cJSON_AddObjectToObject (json, "cameras");
  for (guint i = 0; i < fleet->cameras->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (fleet->cameras, i);

    cJSON_AddItemToObject (cameras, camera->config->name, describe (camera));
  }
  return print (json);
}

char *
live_status_page (LiveFleet *fleet, gboolean login)
{
  cJSON *json = cJSON_CreateObject ();
  cJSON *cameras = cJSON_AddArrayToObject (json, "cameras");

  cJSON_AddBoolToObject (json, "login", login);
  for (guint i = 0; i < fleet->cameras->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (fleet->cameras, i);
    const LiveBranchStats stats = live_camera_stats (camera);
    cJSON *object = describe (camera);

    cJSON_AddNumberToObject (object, "id", camera->id);
    cJSON_AddStringToObject (object, "name", camera->config->name);
    cJSON_AddStringToObject (object, "uri", camera->shown);
    cJSON_AddNumberToObject (object, "inferences", (double) stats.inferred);
    cJSON_AddNumberToObject (object, "objects", (double) stats.objects);
    if (camera->config->track)
      cJSON_AddNumberToObject (object, "tracks", (double) stats.tracks);
    cJSON_AddNumberToObject (object, "inference_ms",
        rounded (stats.inference_p50 * 1000));
    cJSON_AddNumberToObject (object, "records", (double) camera->records);
    /* A record is JSON as it is. */
    if (camera->record)
      cJSON_AddRawToObject (object, "record", camera->record);
    cJSON_AddItemToArray (cameras, object);
  }
  return print (json);
}
