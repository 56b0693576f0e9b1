/* Another model while a defcndetect runs: asked for by its properties, opened
 * in the background (reload.h), taken on by each element with its next frame.
 */
#pragma once

#include "state.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_ASK_MODEL,
  GST_DEFCN_ASK_DEVICE,
  GST_DEFCN_ASK_PRECISION,
  GST_DEFCN_ASK_THREADS,
} GstDefcnAsk;

/* Asks for what runs, or is being opened, with the one property that has been
 * set.  From any thread, without locks. */
void gst_defcn_adopt_request (GstDefcnDetect *self, GstDefcnAsk what);
/* Asks for what has been set otherwise since @opened, which runs, was read. */
void gst_defcn_adopt_changes (GstDefcnDetect *self,
    const GstDefcnModelSetup *opened);

/* Returns: (transfer full): the model for a frame that has just come; labels
 * and settings are for it.  The streaming thread's. */
GstDefcnEngine *gst_defcn_adopt (GstDefcnDetect *self);

G_END_DECLS
