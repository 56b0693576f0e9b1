/* An engine: a model that has been opened, a detector for every thread that is
 * to run it.
 *
 * Thread rule: references are counted atomically; a detector is for one thread
 * at a time.
 */
#pragma once

#include "settings.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_PRECISION_AUTO,
  GST_DEFCN_PRECISION_FP32,
  GST_DEFCN_PRECISION_FP16,
  GST_DEFCN_PRECISION_BF16,
} GstDefcnPrecision;

/* What to open, and how. */
typedef struct
{
  char *path, *device;
  GstDefcnPrecision precision;
  guint threads; /* of each detector; 0: one per core, shared out */
  guint max_edge;
  guint workers;     /* detectors, each with weights and memory of its own */
  guint batch_size;  /* regions that go through the network together */
  int batch_timeout; /* ms that they wait for each other */
  gboolean exact, autotune;
} GstDefcnModelSetup;

GstDefcnModelSetup gst_defcn_model_setup_copy (const GstDefcnModelSetup *setup);
void gst_defcn_model_setup_clear (GstDefcnModelSetup *setup);

typedef struct
{
  GPtrArray *detectors;    /* DefcnDetector, `workers` of them */
  GstDefcnModelInfo *info; /* with the file's labels */
  gpointer *bytes;         /* atomic, GSIZE_TO_POINTER(): of each detector */
} GstDefcnEngine;

/* Takes as long as opening the model does; NULL with the core's @error. */
GstDefcnEngine *gst_defcn_engine_new (const GstDefcnModelSetup *setup,
    GError **error);
GstDefcnEngine *gst_defcn_engine_ref (GstDefcnEngine *engine);
void gst_defcn_engine_unref (GstDefcnEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnEngine, gst_defcn_engine_unref)

/* Looks at what detector @at takes, whose thread this is; and what all of them
 * took when it was last looked, bytes, for any thread. */
void gst_defcn_engine_weigh (GstDefcnEngine *engine, guint at);
guint64 gst_defcn_engine_bytes (const GstDefcnEngine *engine);

/* Runs every detector once on a picture of that size, so that what cannot work
 * fails now, and what has to be planned is. */
gboolean gst_defcn_engine_try (GstDefcnEngine *engine, int width, int height,
    GError **error);

G_END_DECLS
