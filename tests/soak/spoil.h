/* What sources and decoders make of a frame that is not as it should be, or not
 * as the one before.
 *
 * Thread rule: any thread, for the one who has @buffer and @rand. */
#pragma once

#include <gst/video/video.h>

typedef enum
{
  SPOIL_SHORT,  /* bytes are missing */
  SPOIL_PLANES, /* that do not lie in the buffer */
  SPOIL_CROP,   /* which may lie outside */
  SPOIL_ZONES,  /* regions of others */
  SPOIL_TIME,   /* none, or one from anywhere */
  SPOIL_DISCONT,
  SPOIL_N
} Spoil;

/* @buffer: writable, a frame of @info.  TRUE: it may be unreadable now. */
gboolean spoil (GstBuffer *buffer, Spoil how, const GstVideoInfo *info,
    GRand *rand);
/* An encoder takes it. */
gboolean spoil_is_coded (Spoil how);
