/* Which way up the frames of a stream are, by their image-orientation tags.
 *
 * Thread rule: the streaming thread's.
 */
#pragma once

#include <gst/video/video.h>

#include "image.h"

G_BEGIN_DECLS

/* What the tags of a stream have said: of the stream itself, which goes before,
 * and of all its container.  All zero: nothing. */
typedef struct
{
  gboolean is_set[2]; /* by GstTagScope */
  DefcnOrientation scopes[2];
  gboolean turned; /* upstream has, or has been told to: tags are outdated */
} GstDefcnOrientation;

/* Notes what @tags say, if they do.  @sink: where they came in.
 *
 * An element before it that turns frames (GstVideoDirection, as videoflip) may
 * pass the tags on as they were, and always does up to GStreamer 1.24: where
 * one is set to turn, tags count for nothing. */
void gst_defcn_orientation_take (GstDefcnOrientation *orientation,
    GstTagList *tags, GstPad *sink);

/* What turns the frames upright. */
DefcnOrientation gst_defcn_orientation_of (const GstDefcnOrientation *o);

G_END_DECLS
