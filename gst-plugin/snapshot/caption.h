/* What a picture is called, and what is said of it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "due.h"
#include "template.h"
#include "writer.h"

G_BEGIN_DECLS

/* Of a frame. */
typedef struct
{
  const char *source;
  GstClockTime timestamp, stream_time, running_time;
} GstDefcnMoment;

/* Returns: (transfer full): a file for @due, the @n-th, and for what will be
 * better. */
GstDefcnSlot *gst_defcn_caption_slot (const GstDefcnTemplate *template,
    const GstDefcnDue *due, const GstDefcnMoment *moment, guint64 n);

/* Returns: (transfer full): the message about @take, which has its slot,
 * picture and redaction, without what the writer knows. */
GstStructure *gst_defcn_caption_about (const GstDefcnDue *due,
    const GstDefcnTake *take, const GstDefcnMoment *moment);

G_END_DECLS
