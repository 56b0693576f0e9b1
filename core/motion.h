/* Motion of one tracked box: a Kalman filter in time, not in frames.
 *
 * The centre moves with constant velocity that is disturbed at random, the size
 * stands still and is disturbed too.  The noises are ByteTrack's (Zhang et al.,
 * ECCV 2022, after DeepSORT), given there for each of 30 frames a second, here
 * as rates, so that one long step is as good as many short ones.  They grow
 * with the height of the box; the axes do not know of each other.
 *
 * Units: whatever the boxes are in, and seconds.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "boxes.h"

G_BEGIN_DECLS

/* One coordinate of the centre. */
typedef struct
{
  double x, v;       /* place, and velocity a second */
  double xx, xv, vv; /* covariance */
} DefcnMotionAxis;

typedef struct
{
  DefcnMotionAxis x, y;
  double w, h, ww, hh; /* size, and its variance */
} DefcnMotion;

/* Begins with @box, which has an area, at rest. */
void defcn_motion_init (DefcnMotion *motion, const DefcnBox *box);

/* Moves on by @seconds, 0 or more. */
void defcn_motion_predict (DefcnMotion *motion, double seconds);

/* Takes what was found where it is now. */
void defcn_motion_update (DefcnMotion *motion, const DefcnBox *box);

/* Corners of the box where it is now; score and label are left. */
void defcn_motion_box (const DefcnMotion *motion, DefcnBox *box);

/* Standard deviation of the centre in its worse direction. */
double defcn_motion_spread (const DefcnMotion *motion);

G_END_DECLS
