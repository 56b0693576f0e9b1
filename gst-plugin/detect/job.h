/* A job: one frame to look at, and what was found there.
 *
 * Thread rule: belongs to one thread at a time.
 */
#pragma once

#include "convert.h"
#include "engine.h"
#include "view.h"

G_BEGIN_DECLS

typedef struct
{
  DefcnRegion rectangle; /* of the image, inside what is visible */
  int parent_id;         /* id of the ROI meta it comes from, 0: none */
  GQuark parent;         /* its type, 0: none */
} GstDefcnRegion;

typedef enum
{
  GST_DEFCN_JOB_WAITING,
  GST_DEFCN_JOB_RUNNING, /* a thread is at some of its regions */
  GST_DEFCN_JOB_DONE,
} GstDefcnJobState;

typedef struct
{
  GstDefcnView view; /* mapped for reading */
  /* The same pixels, with those that no one is to see.  DEFCN_N_FORMATS: of a
   * format that the worker has to convert. */
  DefcnImage image;
  GArray *regions; /* GstDefcnRegion; empty: nowhere */
  GstDefcnSettings *settings;
  GstClockTime timestamp; /* PTS of the frame */
  guint run;              /* of frames without a discontinuity; the caller's */
  /* What is to look at it and what its labels are; NULL until it is handed
   * over: the model of then.  The settings are made for it. */
  GstDefcnEngine *engine;
  GstDefcnModelInfo *info;

  /* The queue's (lanes.h). */
  GstDefcnJobState state;
  guint next_region;  /* the first that no thread has taken */
  gconstpointer pass; /* who is at it */
  gboolean abandoned; /* nobody wants what it finds */
  gpointer lane;      /* NULL: it has gone */
  gboolean late;      /* others were there before it */
  gint64 queued;      /* monotonic us */

  /* The thread's that is at it. */
  GArray *owners;           /* guint, the region of each object */
  GstDefcnConvert *convert; /* holds its pixels, for formats of others */

  /* The result. */
  GArray *objects;      /* GstDefcnObject, best first */
  DefcnTimings timings; /* of the passes that it had part in */
  guint64 waited;       /* for its first pass, behind others, nanoseconds */
  GError *error;        /* set: it failed */
} GstDefcnJob;

/* Holds the pixels of @buffer, not the buffer: it stays writable for metas and
 * whoever writes to its pixels meanwhile gets a copy.  @settings gets a
 * reference.  @on_device: pixels in CUDA memory stay there, else they are
 * copied to the host.  The one region is all that is visible until the caller
 * changes that.  NULL with the @error of gst_defcn_view_map(). */
GstDefcnJob *gst_defcn_job_new (GstBuffer *buffer, const GstVideoInfo *info,
    GstDefcnSettings *settings, gboolean on_device, GError **error);
/* Adds what is visible of the rectangle, in pixels of the visible picture. */
void gst_defcn_job_add_region (GstDefcnJob *job, int x, int y, int w, int h,
    int parent_id, GQuark parent);
/* Lets go of the pixels; the result stays. */
void gst_defcn_job_release_pixels (GstDefcnJob *job);
void gst_defcn_job_free (GstDefcnJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnJob, gst_defcn_job_free)

/* The formats that the core reads itself, for pad templates: cheapest. */
#define GST_DEFCN_FORMATS                                                      \
  "{ NV12, I420, YUY2, RGB, BGR, RGBA, BGRA, RGBx, BGRx, GRAY8, NV21, YV12, "  \
  "UYVY, Y42B, Y444, P010_10LE, I420_10LE, ARGB, xRGB, ABGR, xBGR }"

G_END_DECLS
