/* Where tracked objects have been.
 *
 * A trail is of one id: another one begins a trail of its own.  Its points are
 * the middle of the lower edge of the box, shares of the picture, so that they
 * hold in a picture of another size.  What is kept is bounded: so many trails,
 * and points of each that lie an even time apart.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "colors.h"
#include "paint.h"

G_BEGIN_DECLS

typedef struct _GstDefcnTrails GstDefcnTrails;

#define GST_DEFCN_TRAILS_MAX 1024 /* more objects at once have none */
#define GST_DEFCN_TRAILS_POINTS 64

GstDefcnTrails *gst_defcn_trails_new (void);
void gst_defcn_trails_free (GstDefcnTrails *trails);
void gst_defcn_trails_clear (GstDefcnTrails *trails);

/* The objects of a frame at @now, in ns; what is older than @keep goes.  A time
 * before the last one's clears all. */
void gst_defcn_trails_follow (GstDefcnTrails *trails, const GArray *objects,
    const GstDefcnColors *colors, gint64 now, gint64 keep);

/* Whether there is anything to draw, a line at least. */
gboolean gst_defcn_trails_are_seen (const GstDefcnTrails *trails);

/* How many points are kept, of all trails. */
guint gst_defcn_trails_count (const GstDefcnTrails *trails);

/* Draws into the canvas' clip, which is the picture; the lines are @thickness
 * wide where an object is and 1 where its trail ends. */
void gst_defcn_trails_draw (const GstDefcnTrails *trails,
    GstDefcnCanvas *canvas, int thickness);

G_END_DECLS
