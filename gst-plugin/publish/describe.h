/* What a buffer carries, as a record.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "record.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean add_empty; /* what has nothing to say has a record too */
  gboolean utc;       /* with the wall-clock time of now */
  int indent;         /* as of gst_defcn_record_to_json() */
} GstDefcnDescribeOptions;

/* The record of @buffer; NULL where it has neither objects, lost ones counted,
 * nor events, and @add_empty is not set.  Times are of the stream by @segment,
 * none where that does not go by time.  @rest has what is not on a buffer:
 * width, height, frame, seq, source and tags, and "frame" gives way to the
 * number that defcndetect has given the frame.  (transfer full) */
char *gst_defcn_describe_frame (GstBuffer *buffer, const GstSegment *segment,
    const GstDefcnRecord *rest, const GstDefcnDescribeOptions *options);

G_END_DECLS
