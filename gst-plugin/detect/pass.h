/* A pass: regions of frames through the network together, and what is found in
 * them to the jobs that they are of.
 *
 * Thread rule: a pass is for one thread, and its jobs while it runs.
 */
#pragma once

#include "lanes.h"

G_BEGIN_DECLS

typedef struct _GstDefcnPass GstDefcnPass;

GstDefcnPass *gst_defcn_pass_new (void);
void gst_defcn_pass_free (GstDefcnPass *pass);

/* To be filled, with regions of jobs of one engine. */
GstDefcnBatch *gst_defcn_pass_batch (GstDefcnPass *pass);

/* Runs the batch by the detector number @at of its engine.  A job that cannot
 * be looked at has an error then, which is not its neighbours': they are looked
 * at without it.  One whose last region this was, or that has an error, has let
 * go of its pixels and its engine. */
void gst_defcn_pass_run (GstDefcnPass *pass, guint at);

G_END_DECLS
