/* Counts who is in which zone and who goes over which line.
 *
 * Of an object only one point counts, its place's anchor, and of a track that
 * is known (track.id) where it was before.
 *
 *   Zone   A track that is inside, the border too, for min-time has entered,
 *          since it came in.  It leaves when it is farther from the border than
 *          hysteresis x its height, or when it has not been seen for lost_after
 *          (reason "lost"; it was there until it was seen last).  Who jumps
 *          over a zone between two frames was never in it.
 *   Line   A track goes over it when it comes from one side to the other
 *          between the two ends, jumping or not.  That counts when it is on the
 *          other side by more than hysteresis x its height, having been on the
 *          first by as much: who stands on a line and sways goes over it once
 *          or never, who comes back really both ways.  Forward is from the left
 *          hand to the right hand of who stands at the line's first end and
 *          looks at the second.
 *
 * Objects that nobody tracks count for the occupancy of zones alone.
 *
 * Times are in nanoseconds of any clock.  Thread rule: one thread at a time.
 */
#pragma once

#include "layout.h"
#include "scene.h"

G_BEGIN_DECLS

typedef struct _GstDefcnCounter GstDefcnCounter;

typedef struct
{
  gint64 now;
  gint64 lost_after; /* since a track was seen, until it is gone */
  double aspect;     /* the picture's width by its height, as displayed */
  gboolean known;    /* FALSE: nobody looked, and no objects says nothing */
} GstDefcnCounterFrame;

GstDefcnCounter *gst_defcn_counter_new (void);
void gst_defcn_counter_free (GstDefcnCounter *counter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnCounter, gst_defcn_counter_free)

/* Counts at the places of @layout from now on, pixels without a resolution
 * being those of a picture of @width x @height.  A place whose name, kind and
 * points were there before goes on as it is.  Who was in one that is gone
 * leaves it with the next frame (reason "removed").  Returns the name of a
 * place that reaches beyond the picture, 0 for none. */
GQuark gst_defcn_counter_set_layout (GstDefcnCounter *counter,
    const GArray *layout, int width, int height);

/* The stream is another: all tracks are lost with the next frame. */
void gst_defcn_counter_break (GstDefcnCounter *counter);

/* All counts begin anew; who is in a zone stays in it. */
void gst_defcn_counter_reset (GstDefcnCounter *counter);

/* One frame with its @objects (GstDefcnObject); appends what has happened to
 * @events (GstDefcnSceneEvent).  Returns how many objects nobody tracks. */
guint gst_defcn_counter_update (GstDefcnCounter *counter, const GArray *objects,
    const GstDefcnCounterFrame *frame, GArray *events);

/* Appends the places with their counts (GstDefcnScenePlace), as in the layout.
 */
void gst_defcn_counter_read (const GstDefcnCounter *counter, GArray *places);

G_END_DECLS
