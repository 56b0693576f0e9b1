/* Follows what the detectors of one stream find: a tracker for each of them,
 * with one line of ids.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "finding.h"
#include "tracker.h"

G_BEGIN_DECLS

typedef struct _GstDefcnFollower GstDefcnFollower;

typedef struct
{
  DefcnTrackerOptions tracker; /* but width and height, which frames have */
  gboolean keep_low; /* boxes below tracker.high without a track too */
} GstDefcnFollowRule;

/* One frame.  Times are running time in ns. */
typedef struct
{
  gint64 now;       /* of the frame */
  gint64 found;     /* of the frame that the objects were found in */
  GstClockTime pts; /* of the frame, may be none */
  int width, height;
} GstDefcnFollowTime;

GstDefcnFollower *gst_defcn_follower_new (void);
void gst_defcn_follower_free (GstDefcnFollower *follower);

/* Something else begins: all tracks end, ids go on. */
void gst_defcn_follower_reset (GstDefcnFollower *follower);

/* How many tracks were confirmed so far. */
guint64 gst_defcn_follower_tracks (const GstDefcnFollower *follower);

/* @finding of the @nth detector of that name: the objects of a frame that was
 * looked at get their tracks, those below the high threshold without one go;
 * another frame gets the objects that should be there.  Mark and flags say so.
 */
void gst_defcn_follower_follow (GstDefcnFollower *follower,
    GstDefcnFinding *finding, guint nth, const GstDefcnFollowRule *rule,
    const GstDefcnFollowTime *time);

/* What others than defcndetect have found in a frame: @objects get their
 * tracks. */
void gst_defcn_follower_follow_others (GstDefcnFollower *follower,
    GArray *objects, const GstDefcnFollowRule *rule,
    const GstDefcnFollowTime *time);

G_END_DECLS
