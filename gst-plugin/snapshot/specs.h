/* The properties of defcnsnapshot. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_DEFCN_SNAPSHOT_LOCATION "snapshots/{label}-{id}-{time}.jpg"

typedef enum
{
  GST_DEFCN_SNAPSHOT_OBJECT,
  GST_DEFCN_SNAPSHOT_FRAME,
} GstDefcnSnapshotWhat;

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_SOURCE,
  PROP_ON,
  PROP_WHAT,
  PROP_CLASSES,
  PROP_THRESHOLD,
  PROP_MARGIN,
  PROP_INTERVAL,
  PROP_QUALITY,
  PROP_SIDECAR,
  PROP_MAX_FILES,
  PROP_MAX_BYTES,
  PROP_QUEUE_SIZE,
  PROP_REDACT,
  PROP_REDACT_MARGIN,
  PROP_STATS,
};

/* What may be set while it plays. */
typedef struct
{
  char *source, *classes, *redact;
  guint on; /* GstDefcnSnapshotOn */
  GstDefcnSnapshotWhat what;
  float threshold, margin, redact_margin;
  guint64 interval, max_bytes;
  guint quality, max_files, queue_size;
  gboolean sidecar;
} GstDefcnSnapshotLive;

void gst_defcn_snapshot_specs_install (GObjectClass *klass);
void gst_defcn_snapshot_specs_defaults (GstDefcnSnapshotLive *live);

G_END_DECLS
