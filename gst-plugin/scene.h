/* What defcnzones says of a frame: the zones and lines in it, what they have
 * counted so far, and what has just happened at them.
 *
 * Two custom metas carry it.  "defcn-places" says where things are,
 *
 *   places      array   of structures "place" {name (string), kind ("zone" or
 *                       "line"), points (array of double: x, y, x, y, .. 0..1
 *                       of the frame), counts, classes (array of structures
 *                       {label (string), counts})}; the counts are
 *                       occupancy (uint), entered, left (uint64), dwell_mean
 *                       and dwell_max (uint64, ns) of a zone, forward and
 *                       backward (uint64) of a line
 *   boxes       array   of structures {x_min, x_max, y_min, y_max (double)}:
 *                       of the objects of the events, in their order
 *   set         uint    which events these are of
 *   crop        array   as in "defcn-objects"
 *
 * and goes along as "defcn-objects" does (meta.h): it is not there after a crop
 * or a flip, and right after a scaling.  "defcn-events" says what happened,
 *
 *   events      array   of structures "event" {type, place, direction, reason
 *                       (strings, the last two may be absent), dwell (uint64,
 *                       ns, may be absent), label (string), label_id (int),
 *                       confidence (double)}, and of the object's track what
 *                       "defcn-objects" has
 *   set         uint
 *
 * without tags, so that it goes along everywhere.  It is there on a frame where
 * something happened alone.  Several defcnzones in a row have their own of
 * both.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include "object.h"

G_BEGIN_DECLS

#define GST_DEFCN_META_PLACES_NAME "defcn-places"
#define GST_DEFCN_META_EVENTS_NAME "defcn-events"

/* Since the element started, or was reset. */
typedef struct
{
  GQuark label;              /* 0: all */
  guint occupancy;           /* who is in the zone now */
  guint64 entered, left;     /* the zone */
  guint64 dwell_mean;        /* ns, of those who have left; 0: nobody has */
  guint64 dwell_max;         /* ns, likewise */
  guint64 forward, backward; /* over the line */
} GstDefcnSceneCount;

typedef struct
{
  GQuark name; /* UTF-8 */
  gboolean is_line;
  GArray *points; /* double, x and y in turn, 0..1 of the frame: a line's two
                     ends, a zone's corners */
  GstDefcnSceneCount all;
  GArray *classes; /* GstDefcnSceneCount, of each label that was there */
} GstDefcnScenePlace;

typedef struct
{
  GQuark type;      /* "zone-entered", "zone-left", "zone-dwell" (is there for
                       longer than the zone's loitering time), "line-crossed" */
  GQuark place;     /* its name */
  GQuark direction; /* of line-crossed: "forward" or "backward"; else 0 */
  GQuark reason;    /* of zone-left: 0 when it was seen to leave, "lost" when it
                       is no longer seen, "removed" when the zone went */
  GstClockTime dwell;    /* ns, of zone-left and zone-dwell; else NONE */
  GstDefcnObject object; /* as of that frame, or when it was seen last, with its
                            track.  Its box is empty (x_max == x_min) where it
                            is no longer known, after a crop or a flip */
} GstDefcnSceneEvent;

/* Makes the metas known; gst_defcn_meta_register() calls it. */
void gst_defcn_scene_register (void);

/* Returns: (transfer full): for GstDefcnScenePlaces, whose points and classes
 * it owns; and for GstDefcnSceneEvents. */
GArray *gst_defcn_scene_places_new (void);
GArray *gst_defcn_scene_events_new (void);

/* Adds @places and @events to what is on @buffer, which is writable.  Either
 * may be NULL or empty. */
void gst_defcn_scene_attach (GstBuffer *buffer, const GArray *places,
    const GArray *events);

/* Append what is on @buffer, of every defcnzones in their order, to arrays of
 * the two functions above.  Whatever others have written names are UTF-8
 * without control characters, points finite and at least two.  Return how many.
 */
guint gst_defcn_scene_read_places (GstBuffer *buffer, GArray *places);
guint gst_defcn_scene_read_events (GstBuffer *buffer, GArray *events);

/* Makes an unset @value a GstValueArray of structures as in the metas, empty
 * for NULL.  @with_boxes: each event with its x_min, x_max, y_min and y_max. */
void gst_defcn_scene_places_to_value (GValue *value, const GArray *places);
void gst_defcn_scene_events_to_value (GValue *value, const GArray *events,
    gboolean with_boxes);

G_END_DECLS
