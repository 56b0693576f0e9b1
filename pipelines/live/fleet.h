/* All cameras, as the file has them.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include "camera.h"
#include "config.h"

G_BEGIN_DECLS

typedef struct
{
  LiveConfig *config;
  GPtrArray *cameras; /* LiveCamera */
  LiveRecords *records;
  gint64 started; /* real time, µs */

  /*< private >*/
  GPtrArray *leaving; /* LiveCamera that were stopped and have not ended */
  guint timer;
  gboolean watched;
  void (*on_picture) (LiveCamera *camera, gpointer user);
  gpointer user;
} LiveFleet;

/* Takes @config. */
LiveFleet *live_fleet_new (LiveConfig *config, LiveRecords *records,
    void (*on_picture) (LiveCamera *camera, gpointer user), gpointer user);

/* Takes @config: starts, stops and restarts the cameras that are new, gone and
 * changed, and no other. */
void live_fleet_update (LiveFleet *fleet, LiveConfig *config);

/* Whether anybody looks at the page. */
void live_fleet_set_watched (LiveFleet *fleet, gboolean watched);

/* NULL: there is no such camera. */
LiveCamera *live_fleet_find (LiveFleet *fleet, const char *name);

/* How many cameras have frames. */
guint live_fleet_running (LiveFleet *fleet);

/* Stops all and waits, running the main loop, for @timeout microseconds at
 * most.  FALSE: something hangs, and threads that run still. */
gboolean live_fleet_stop (LiveFleet *fleet, gint64 timeout);

/* After live_fleet_stop() has returned TRUE. */
void live_fleet_free (LiveFleet *fleet);

G_END_DECLS
