/* What the defcndetects have put on a buffer, taken off it, to be put back
 * changed.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include "meta.h"

G_BEGIN_DECLS

/* What one defcndetect has put on a buffer. */
typedef struct
{
  GstDefcnMark mark;
  GArray *objects;         /* GstDefcnObject, owned */
  GstDefcnMetaFlags flags; /* forms the objects had, 0 where there are none */
  gboolean kept;           /* ROI metas and ODMtds have stayed, with these */
  int ids[2];
} GstDefcnFinding;

/* (transfer full): an empty array of GstDefcnFinding. */
GArray *gst_defcn_finding_list_new (void);

/* Takes off @buffer, which is writable, what each defcndetect has put there and
 * appends it to @findings, in their order.  Not those whose boxes are lost, nor
 * those that gave none away (no flag).  Where an element has put metadata of
 * its own beside our ODMtds, which may be about them, ODMtds and ROI metas
 * stay. */
void gst_defcn_finding_take_all (GstBuffer *buffer, GArray *findings);

/* Puts @finding back, or something in its place. */
void gst_defcn_finding_put (GstBuffer *buffer, const GstDefcnFinding *finding,
    int width, int height);

G_END_DECLS
