/* Tracks: which boxes of a video are of one object.
 *
 * After ByteTrack (Zhang et al., ECCV 2022): boxes of high score go to the
 * tracks first, then those of low score to the tracks that were seen last time
 * and have found none.  A pair is worth its IoU with where the track should be
 * by now (motion.h), classes apart, and the best set of pairs is taken
 * (hungarian.h).  What is ours: time is time, not frames, so that odd intervals
 * and gaps are nothing special; and where a track's place is not sure, after a
 * gap or at its beginning, a pair that does not overlap is tried with both
 * boxes widened by what is not sure (buffered IoU, Yang et al., WACV 2023).
 * ByteTrack begins tracks at a higher score than it matches; here they begin at
 * once and are confirmed by their mean, which one lucky frame does not lift.
 *
 *   new        found, not often or surely enough yet; one miss and it ends
 *   confirmed  found in options.confirm frames in a row, by boxes with a mean
 *              score of options.sure, not on top of another confirmed one; has
 *              an id from then on
 *   lost       confirmed once, not found in the last frame
 *   ended      told of once, then forgotten; its id is never given again
 *
 *   tracker = defcn_tracker_new (&defcn_tracker_defaults);
 *   for each frame
 *     if it was looked at
 *       defcn_tracker_update (tracker, boxes, n, time);
 *       tracks = defcn_tracker_tracks (tracker, &n_tracks);
 *     else
 *       defcn_tracker_predict (tracker, array, time);
 *
 * The same calls give the same tracks.  Memory: options.max_tracks tracks, and
 * what the boxes of the fullest frame need.
 *
 * Units: boxes in any, the same in both directions; times in nanoseconds on any
 * clock that runs forwards.
 *
 * Thread rule: one thread at a time per tracker.
 */
#pragma once

#include "boxes.h"

G_BEGIN_DECLS

typedef struct _DefcnTracker DefcnTracker;

typedef struct
{
  float high;      /* score >= this begins tracks and is matched first: 0.36,
                    * the working threshold of the bundled model */
  float low;       /* score >= this keeps tracks, less is not read: 0.1 */
  float high_iou;  /* pairs need more: 0.2; in the first round, */
  float low_iou;   /* 0.5; in the second, */
  float new_iou;   /* 0.3; in the one of new tracks */
  float sure;      /* mean score that confirms a track: 0.55 */
  int confirm;     /* frames in a row until a track is confirmed: 3 */
  gint64 max_lost; /* ns without a box until a track ends: 2 s */
  int max_tracks;  /* at a time, more do not begin: 1000 */
  float width, height; /* of the picture, 0: not known.  A track that is lost
                        * with its centre outside ends. */
} DefcnTrackerOptions;

extern const DefcnTrackerOptions defcn_tracker_defaults;

typedef enum
{
  DEFCN_TRACK_NEW,
  DEFCN_TRACK_CONFIRMED,
  DEFCN_TRACK_LOST,
  DEFCN_TRACK_ENDED,
} DefcnTrackState;

typedef struct
{
  guint64 serial; /* 1, 2, .. in the order that they began */
  guint64 id;     /* 1, 2, .. in the order they were confirmed; 0: not yet */
  DefcnTrackState state;
  DefcnBox box;  /* where it is by its motion; score and label of the last box
                  * that was found */
  float vx, vy;  /* of its centre, a second */
  gint64 born;   /* when it was found first */
  gint64 seen;   /* when it was found last */
  int found;     /* how often it was, */
  double scores; /* and the sum of the scores */
  int detection; /* index of its box in the last frame; -1: none */
} DefcnTrack;

/* Never fails; @options are copied. */
DefcnTracker *defcn_tracker_new (const DefcnTrackerOptions *options);
void defcn_tracker_free (DefcnTracker *tracker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnTracker, defcn_tracker_free)

/* From the next frame on.  Tracks go on. */
void defcn_tracker_set_options (DefcnTracker *tracker,
    const DefcnTrackerOptions *options);

/* A frame that was looked at: all that was found in it, in any order.  Boxes
 * without an area or with a number that is not finite are nobody's.  A @time
 * before the last one ends all tracks first. */
void defcn_tracker_update (DefcnTracker *tracker, const DefcnBox *boxes, int n,
    gint64 time);

/* The tracks after the last frame by serial, those that ended in it too.  Valid
 * until the next call. */
const DefcnTrack *defcn_tracker_tracks (const DefcnTracker *tracker, int *n);

/* Appends to @tracks (DefcnTrack) those found in the last frame that was looked
 * at, where they should be at @time; for a frame that was not.  FALSE, and
 * none, when nothing was looked at for max_lost, or @time is before that: then
 * nobody knows. */
gboolean defcn_tracker_predict (const DefcnTracker *tracker, GArray *tracks,
    gint64 time);

/* Ends all tracks, without telling; serials and ids go on. */
void defcn_tracker_reset (DefcnTracker *tracker);

/* The next id is at least @id: for several trackers that share a line of
 * them. */
void defcn_tracker_set_next_id (DefcnTracker *tracker, guint64 id);
guint64 defcn_tracker_next_id (const DefcnTracker *tracker);

G_END_DECLS
