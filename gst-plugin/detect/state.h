/* What defcndetect knows: its settings, its stream, its worker.
 *
 * Properties that may change while it runs are `live`; each change makes new
 * `settings`, and a frame keeps the ones it began with.  The others are
 * `setup` and read once, when the element starts; those of them that say which
 * model runs where may be set while it runs too (adopt.h).
 */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "meta.h"
#include "orientation.h"
#include "settings.h"
#include "stats.h"
#include "still.h"
#include "worker.h"

/* "defcndetect", which the element sets up. */
GST_DEBUG_CATEGORY_EXTERN (gst_defcn_detect_debug);

G_BEGIN_DECLS

/* The element itself, whose type is of gstdefcndetect.h. */
typedef struct _GstDefcnDetect GstDefcnDetect;

typedef enum
{
  GST_DEFCN_FULL_FRAME,
  GST_DEFCN_ROI_LIST,
} GstDefcnInferenceRegion;

typedef enum
{
  GST_DEFCN_TURNING_AUTO,
  GST_DEFCN_TURNING_NONE,
} GstDefcnTurning;

typedef struct
{
  GstDefcnModelSetup model;
  char *labels, *labels_file, *object_class, *instance_id;
  GstDefcnInferenceRegion region;
  GstDefcnTurning turning;
  guint nireq;
  GstDefcnMetaFlags meta;
} GstDefcnSetup;

struct _GstDefcnDetect
{
  GstBaseTransform parent;

  /* Guarded by the object lock. */
  GstDefcnSetup setup;
  GstDefcnLive live;
  GstDefcnSettings *settings; /* NULL unless started */
  GstDefcnWorker *worker;     /* NULL unless started, and its info */
  gboolean adapted; /* to a model that lacks some of the classes in `live` */
  GstDefcnStats stats;
  GstClockTime earliest_time; /* of QoS: what runs before is too late */
  double proportion;          /* came with it */
  gboolean upstream_live;
  GstClockTime latency;    /* what a LATENCY query was told last */
  GstClockTime frame_time; /* between two frames, 0: not known */
  GstObject *cuda;         /* "gst.cuda.context" of here, NULL: none known */

  /* The streaming thread's. */
  GstVideoInfo info;
  GstDefcnInferenceRegion region; /* setup, as of start() */
  GQuark object_class;            /* 0: any */
  GstDefcnMetaFlags meta;
  GstDefcnTurning turning;
  GstDefcnOrientation orientation; /* as of the tags of this stream */
  gboolean warned_regions;         /* that there are too many, since start */
  gboolean warned_still;           /* that skip-still does nothing, likewise */
  const char *detector;            /* interned: what marks say */
  guint64 frames;                  /* since start */
  guint64 since; /* frames since the last one that was looked at, and it */
  GArray *none;  /* no objects */
  GArray *last;  /* GstDefcnObject of that one, NULL before it */
  GstDefcnModelInfo *last_info; /* of what has found them, or NULL */
  GstClockTime last_time;       /* its PTS */
  const char *last_classes;     /* what it could tell of, interned */
  gboolean last_partial;        /* and whether there may be more of that */
  gboolean pending; /* a job runs whose result goes to a later frame */
  guint looked;     /* frames in flight that are being looked at */
  guint nireq;      /* frames in flight at most, as of start() */
  GQueue ring;      /* those in flight, and the events between (ring.h) */
  guint in_flight;
  guint room; /* how many may be, of nireq and of the pool they are of */
  GstFlowReturn verdict;        /* what went wrong while they were drained */
  struct _GstDefcnFrame *begun; /* the one that comes */
  GstDefcnStill still;          /* what skip-still compares with */
  guint run;                    /* discontinuities so far */
  gint64 last_stats;            /* monotonic us, when a message was posted */
};

/* A copy, to be cleared; with the object lock held. */
GstDefcnSetup gst_defcn_state_copy_setup (const GstDefcnDetect *self);
void gst_defcn_state_clear_setup (GstDefcnSetup *setup);

/* Returns: (transfer full): "defcn-stats", with the lock not held. */
GstStructure *gst_defcn_state_stats (GstDefcnDetect *self);

/* With the object lock held: how much later frames leave than they come. */
GstClockTime gst_defcn_state_latency (const GstDefcnDetect *self);

/* What a new stream and a flush forget; the streaming thread's. */
void gst_defcn_state_reset (GstDefcnDetect *self);

/* With the object lock not held: @context, (transfer full) (nullable), is from
 * now on what others are told of. */
void gst_defcn_state_take_context (GstDefcnDetect *self, GstObject *context);

G_END_DECLS
