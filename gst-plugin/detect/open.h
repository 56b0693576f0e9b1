/* The model of a defcndetect, from its start to its stop.
 *
 * Thread rule: open and close are for start() and stop(); no lock of the
 * element's is held.
 */
#pragma once

#include "state.h"

G_BEGIN_DECLS

/* Opens the model of @setup, or joins those who have it, and takes worker,
 * settings and the first counts; says what runs.  FALSE: an error has been
 * posted. */
gboolean gst_defcn_open (GstDefcnDetect *self, const GstDefcnSetup *setup);
void gst_defcn_close (GstDefcnDetect *self);

/* Lets elements that share a model know what this one will want, as its
 * properties are now. */
void gst_defcn_open_declare (GstDefcnDetect *self);
/* It has gone. */
void gst_defcn_open_withdraw (GstDefcnDetect *self);

/* Says what runs, on the bus. */
void gst_defcn_open_announce (GstDefcnDetect *self, const char *path,
    const GstDefcnModelInfo *info);

G_END_DECLS
