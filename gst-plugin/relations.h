/* The GstAnalyticsRelationMeta of a buffer, where GStreamer has one (1.24): an
 * ODMtd for an object, and a TrackingMtd that relates to it where it is
 * tracked.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include "object.h"

G_BEGIN_DECLS

/* Whether this build has it; without it the others do nothing. */
gboolean gst_defcn_relations_supported (void);

/* The relation meta of @buffer, which is writable, with room for @n more
 * objects and tracks; NULL where there is none to be had. */
gpointer gst_defcn_relations_new (GstBuffer *buffer, guint n);

/* Adds @object, which has @pixels.  Returns the id that the ROI meta of the
 * same object gets, @otherwise on failure. */
int gst_defcn_relations_add (gpointer relations, const GstDefcnObject *object,
    const GstDefcnPixels *pixels, int otherwise);

/* Appends all objects, whoever wrote them. */
void gst_defcn_relations_read (GstBuffer *buffer, GArray *objects, int width,
    int height);

/* Relates the ODMtd @id to the track of @object. */
void gst_defcn_relations_set_track (GstBuffer *buffer, int id,
    const GstDefcnObject *object);

/* Whether there is something else on @buffer than objects and tracks. */
gboolean gst_defcn_relations_has_others (GstBuffer *buffer);

/* Takes the meta off @buffer, with all that is in it. */
void gst_defcn_relations_remove (GstBuffer *buffer);

G_END_DECLS
