/* Lanes: the jobs that wait for a model, one queue for each element.
 *
 * Turns go round the lanes, a region at a time: a lane with many waiting frames
 * or regions takes no more of a pass than what the others leave.
 *
 * Thread rule: none of its own; the lock of who owns the lanes guards them.
 */
#pragma once

#include "job.h"

G_BEGIN_DECLS

typedef struct
{
  GQueue jobs;       /* GstDefcnJob, in the order in which they came */
  guint depth;       /* how many may be unfinished */
  gboolean flushing; /* nobody waits for them */
  gboolean awaited;  /* a frame of it is worth waiting for */
  GCond changed;     /* one of them is done, or flushing */
  GObject *owner;    /* whose it is, nullable */
} GstDefcnLane;

void gst_defcn_lane_init (GstDefcnLane *lane, guint depth, GObject *owner);
void gst_defcn_lane_clear (GstDefcnLane *lane);
guint gst_defcn_lane_unfinished (const GstDefcnLane *lane);
/* Returns: (nullable): the first job that somebody wants, borrowed. */
GstDefcnJob *gst_defcn_lane_oldest (const GstDefcnLane *lane);
/* Frees the oldest finished jobs that nobody has collected, as far as another
 * one needs their room. */
void gst_defcn_lane_make_room (GstDefcnLane *lane);
/* Forgets all jobs: what runs is freed when it is done. */
void gst_defcn_lane_discard (GstDefcnLane *lane);

typedef struct
{
  GPtrArray *all; /* GstDefcnLane, borrowed */
  guint next;     /* whose turn it is */
} GstDefcnLanes;

void gst_defcn_lanes_init (GstDefcnLanes *lanes);
void gst_defcn_lanes_clear (GstDefcnLanes *lanes);
void gst_defcn_lanes_add (GstDefcnLanes *lanes, GstDefcnLane *lane);
/* With its jobs: what runs is freed when it is done. */
void gst_defcn_lanes_remove (GstDefcnLanes *lanes, GstDefcnLane *lane);

/* Regions that wait, as far as @most. */
guint gst_defcn_lanes_waiting (const GstDefcnLanes *lanes, guint most);
/* When the job came that has waited longest, monotonic us; one waits. */
gint64 gst_defcn_lanes_since (const GstDefcnLanes *lanes);
/* Whether a lane without a waiting frame is likely to bring one. */
gboolean gst_defcn_lanes_expect (const GstDefcnLanes *lanes);
/* Such lanes are not waited for again before their next frame. */
void gst_defcn_lanes_give_up (GstDefcnLanes *lanes);

typedef struct
{
  GstDefcnJob *job;
  guint region; /* of the job's */
} GstDefcnUnit;

/* What goes through the network together. */
typedef struct
{
  GArray *units;   /* GstDefcnUnit */
  GPtrArray *jobs; /* whose they are, each once */
} GstDefcnBatch;

/* Fills @batch with @most regions at most, whose jobs run from now on, all by
 * one model. */
void gst_defcn_lanes_take (GstDefcnLanes *lanes, GstDefcnBatch *batch,
    guint most);
/* The jobs of @batch have had their pass: they wait for the next one or are
 * done. */
void gst_defcn_lanes_give_back (GstDefcnLanes *lanes, GstDefcnBatch *batch);

G_END_DECLS
