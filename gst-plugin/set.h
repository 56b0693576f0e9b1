/* The sets of metas on a buffer: what meta.c and finding.c read them by.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "mark.h"
#include "object.h"

G_BEGIN_DECLS

/* What is known of one mark while its buffer is read. */
typedef struct
{
  guint set, n_objects;
  int first, last; /* ids, none when last < first */
  GQuark detector;
  const GstStructure *mark;  /* borrowed */
  const GstStructure *boxes; /* borrowed; NULL: lost, if there were any */
} GstDefcnSet;

/* The marks on @buffer, one after the other: a frame that passed two detectors
 * has two. */
GstStructure *gst_defcn_set_next_mark (GstBuffer *buffer, gpointer *state);

/* Returns: (transfer full): the sets of the marks on @buffer, in their order.
 */
GArray *gst_defcn_set_read_all (GstBuffer *buffer);

/* Whether a ROI meta or an ODMtd is one of a defcndetect. */
gboolean gst_defcn_set_has_id (const GArray *sets, int id);

/* Appends the boxes of @set, which has not lost them. */
void gst_defcn_set_read_boxes (GArray *objects, const GstDefcnSet *set);

/* What the mark of @set says. */
GstDefcnMark gst_defcn_set_mark (const GstDefcnSet *set);

G_END_DECLS
