/* One camera's pipeline, from its address to records and JPEG pictures.
 *
 * A pipeline of its own for each: an error, a state change that hangs, a clock
 * or a flush of one is none of another's, and a restart is a new one.  What may
 * block, changing states and seeking, is done by a thread of the branch: one
 * that never comes back costs this branch alone.
 *
 * Thread rule: the main thread, where the callbacks are called too.
 */
#pragma once

#include <gst/gst.h>

#include "config.h"

G_BEGIN_DECLS

typedef struct _LiveBranch LiveBranch;

/* Of a branch that was not stopped yet. */
typedef struct
{
  /* It does not go on: stop it. */
  void (*failed) (const char *reason, gpointer user);
  void (*warning) (const char *text, gpointer user);
  /* The newest picture; those before, that nobody took, are gone. */
  void (*picture) (GBytes *jpeg, gpointer user);
  /* After live_branch_stop(): nothing of it is left. */
  void (*ended) (gpointer user);
} LiveBranchEvents;

/* What was counted since the start, a second ago at most but for the frames;
 * times in seconds. */
typedef struct
{
  guint64 frames;    /* that were published */
  gint64 last_frame; /* g_get_monotonic_time(); 0: there was none */
  guint64 inferred, objects;
  guint64 tracks; /* objects that have got an id */
  guint64 skipped_interval, skipped_qos, skipped_busy, skipped_region,
      skipped_still;
  double inference_p50, inference_p95;
  guint64 model_bytes; /* of the model that all share */
} LiveBranchStats;

/* Starts it.  @records: where lines are written to, closed by the branch.  NULL
 * and @error, of the domain GST_CORE_ERROR, if an element is missing or does
 * not take a value. */
LiveBranch *live_branch_new (const LiveCameraConfig *camera,
    const LiveConfig *config, int records, const LiveBranchEvents *events,
    gpointer user, GError **error);

/* Returns at once; of the events `ended` alone is to come. */
void live_branch_stop (LiveBranch *branch);

LiveBranchStats live_branch_stats (LiveBranch *branch);

/* As many pictures a second are made at most. */
void live_branch_set_fps (LiveBranch *branch, guint fps);

G_END_DECLS
