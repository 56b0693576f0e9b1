/* Whether a frame looks like the last one that went through the network.
 *
 * Of every region the means of its luma over a grid of 32 x 32 cells are
 * compared, each over eight rows of a cell: noise averages out, and what moves
 * a person's width changes a cell by several steps.  Compared is with the frame
 * that was looked at last, not with the one before: slow changes add up.
 *
 * Thread rule: none of its own; the streaming thread's.
 */
#pragma once

#include "job.h"

G_BEGIN_DECLS

/* All zero is a good start, nothing to compare with. */
typedef struct
{
  GArray *means, *now; /* float, luma steps, a grid for each region */
  GArray *regions;     /* GstDefcnRegion, of @means; NULL: no such frame */
  GstDefcnSettings *settings; /* of that frame */
  GstClockTime looked, seen;  /* its PTS, and that of the last one compared */
  guint run;
  guint8 *row; /* pixels as GStreamer unpacks them */
  gsize row_size;
} GstDefcnStill;

/* Whether pixels of @job can be compared: those in a device's memory are not.
 */
gboolean gst_defcn_still_can (const GstDefcnJob *job);

/* TRUE: by job->settings->skip_still luma steps at most @job differs from the
 * last one that this was FALSE for, which has the same settings, regions and
 * run, and is less than max_still and max_age older.  FALSE: @job is to be
 * looked at, and the next ones are compared with it. */
gboolean gst_defcn_still_check (GstDefcnStill *still, const GstDefcnJob *job);

/* The next frame is compared with none; frees what @still has. */
void gst_defcn_still_forget (GstDefcnStill *still);

G_END_DECLS
