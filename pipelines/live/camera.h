/* A camera: one branch after another, restarted when it is lost, with a wait
 * that grows; and what is known of it.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include <glib.h>

#include "backoff.h"
#include "branch.h"
#include "config.h"
#include "records.h"

G_BEGIN_DECLS

typedef enum
{
  LIVE_CAMERA_STARTING, /* no frame yet */
  LIVE_CAMERA_RUNNING,
  LIVE_CAMERA_WAITING, /* to be tried again */
  LIVE_CAMERA_STUCK,   /* too many of its branches do not end */
  LIVE_CAMERA_STOPPED,
} LiveCameraState;

typedef struct _LiveCamera LiveCamera;

struct _LiveCamera
{
  guint id; /* no other camera had or gets it */
  LiveCameraConfig *config;
  char *shown; /* the address */
  LiveCameraState state;
  guint64 starts, losses;
  char *problem;       /* the last one; NULL: none yet */
  double fps;          /* of the last seconds */
  GBytes *picture;     /* JPEG; NULL: none of this branch yet */
  guint64 pictures;    /* how many there were */
  gint64 picture_time; /* real time, µs */
  char *record;        /* the last one, JSON; NULL: none yet */
  guint64 records;
  guint ending; /* branches that were stopped and have not ended */

  /*< private >*/
  const LiveConfig *live;
  LiveRecords *output;
  LiveBranch *branch;
  LiveBackoff backoff;
  gint64 started, retry_at, first_frame, measured;
  guint64 measured_frames;
  LiveBranchStats past; /* of branches before */
  gint64 warned;
  guint64 warnings;
  guint fps_limit;
  void (*on_picture) (LiveCamera *camera, gpointer user);
  gpointer user;
};

/* @live: has to live as long, see live_camera_set_live().  @on_picture is
 * called for every new picture. */
LiveCamera *live_camera_new (const LiveCameraConfig *config,
    const LiveConfig *live, LiveRecords *output,
    void (*on_picture) (LiveCamera *camera, gpointer user), gpointer user);
LiveCamera *live_camera_ref (LiveCamera *camera);
void live_camera_unref (LiveCamera *camera);

void live_camera_set_live (LiveCamera *camera, const LiveConfig *live);

/* Starts what is to be started and finds what is silent; a few times a second.
 */
void live_camera_tick (LiveCamera *camera);

/* For good; returns at once, `ending` tells how far that is. */
void live_camera_stop (LiveCamera *camera);

/* Whether somebody looks: pictures are made as often as the file says, else
 * once a second. */
void live_camera_set_watched (LiveCamera *camera, gboolean watched);

/* Of all branches until now; the last frame and times are of the one that runs.
 */
LiveBranchStats live_camera_stats (const LiveCamera *camera);
/* Seconds since the last frame; below 0: there was none since its start. */
double live_camera_age (const LiveCamera *camera);
const char *live_camera_state_name (LiveCameraState state);

G_END_DECLS
