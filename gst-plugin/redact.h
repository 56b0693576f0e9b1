/* Makes objects of given classes unrecognisable: their boxes become blocks of
 * one colour each.
 *
 * It fails closed.  The whole picture becomes blocks where it is not certain
 * that the boxes of all such objects are there: nobody has marked the frame; it
 * was not looked at and has no repeated or predicted boxes; boxes are lost; the
 * class of an object is not known; no detector tells of a class that was asked
 * for (a typing error, defcndetect's `classes`, a model that has no such
 * class); regions of it alone were looked at; as much was found as
 * `max-detections` lets through.  What nobody finds is nevertheless not hidden,
 * and who comes into the picture between two looks is seen until the next.
 *
 *   // once for every frame, before anything is drawn
 *   gst_defcn_redact_judge (&redaction, buffer, classes, margin, w, h);
 *   if (gst_defcn_redact_is_needed (&redaction))   // make it writable, map it
 *     gst_defcn_redact_apply (&redaction, &view.frame, &view.visible);
 *   gst_defcn_redact_clear (&redaction);
 *
 * Thread rule: re-entrant; a redaction and a frame are for one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "object.h"

G_BEGIN_DECLS

/* What has to be done to one frame. */
typedef struct
{
  /* Why the whole picture becomes blocks, a clause in English for a warning;
   * NULL: the boxes alone do. */
  char *why;
  GArray *boxes; /* GstDefcnObject */
  double margin; /* by how much of their longer side they are widened */
} GstDefcnRedaction;

#define GST_DEFCN_REDACT_MARGIN 0.1

/* Says in @redaction, which is written over, what has to be done to @buffer, a
 * frame of @width x @height as the caps have it.  @classes: NULL-terminated
 * names, as gst_defcn_list_split() makes them, without spaces around; NULL or
 * none: nothing.  @margin: 0 or more; each edge of a box is moved outwards by
 * so much of its longer side, as people move between two looks. */
void gst_defcn_redact_judge (GstDefcnRedaction *redaction, GstBuffer *buffer,
    const char *const *classes, double margin, int width, int height);
void gst_defcn_redact_clear (GstDefcnRedaction *redaction);

gboolean gst_defcn_redact_is_needed (const GstDefcnRedaction *redaction);

/* Pixelates @frame, mapped for reading and writing, of any format that the
 * overlay draws on.  @picture: where in it the picture lies that boxes are
 * shares of; may reach beyond it (a frame that is cut out of the picture).
 *
 * Blocks have at least a sixth of the box's longer side, the widening not
 * counted, and 8 pixels: a face of a person is one or two of them.  They begin
 * and end at multiples of 8 pixels of the frame, or at its end, so that no
 * sample of subsampled chroma is shared with the outside; every component of a
 * block gets its mean. */
void gst_defcn_redact_apply (const GstDefcnRedaction *redaction,
    GstVideoFrame *frame, const GstDefcnPixels *picture);

G_END_DECLS
