/* What one zone or line has counted, in all and by class.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "scene.h"

G_BEGIN_DECLS

typedef struct _GstDefcnTally GstDefcnTally;

GstDefcnTally *gst_defcn_tally_new (void);
void gst_defcn_tally_free (GstDefcnTally *tally);

/* Somebody of class @label enters the zone, or leaves it after @dwell ns. */
void gst_defcn_tally_enter (GstDefcnTally *tally, GQuark label);
void gst_defcn_tally_leave (GstDefcnTally *tally, GQuark label, guint64 dwell);

/* Somebody goes over the line. */
void gst_defcn_tally_cross (GstDefcnTally *tally, GQuark label,
    gboolean forward);

/* Somebody without a track is in the zone, until they are forgotten. */
void gst_defcn_tally_see (GstDefcnTally *tally, GQuark label);
void gst_defcn_tally_forget (GstDefcnTally *tally);

/* All begins anew but who is in the zone. */
void gst_defcn_tally_reset (GstDefcnTally *tally);

/* Returns: (transfer full): GstDefcnSceneCount of each label that was there;
 * *@all: of all together. */
GArray *gst_defcn_tally_read (const GstDefcnTally *tally,
    GstDefcnSceneCount *all);

G_END_DECLS
