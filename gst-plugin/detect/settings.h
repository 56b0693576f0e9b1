/* What the properties of defcndetect say, checked against a model.
 *
 * The element keeps the properties that may change while it runs as the user
 * wrote them (GstDefcnLive).  Every change makes a new GstDefcnSettings, which
 * never changes and which a frame holds from its beginning to its end.
 *
 * Errors are of the domain GST_RESOURCE_ERROR, code SETTINGS.
 * Thread rule: re-entrant; references are counted atomically.
 */
#pragma once

#include <gst/gst.h>

#include "detector.h"

G_BEGIN_DECLS

/* The most regions of a frame that are looked at: each takes as long as a whole
 * frame does. */
#define GST_DEFCN_MAX_REGIONS 64

typedef struct
{
  gboolean max_detections_set; /* else the model's */
  float threshold;             /* below 0: the model's working threshold */
  guint max_detections;
  float duplicate_filter; /* IoU, 0: none; below 0: the model's */
  char *class_thresholds; /* "person=0.6,car=0.35" */
  char *classes;          /* "person,car": keep these; NULL: all */
  char *roi;              /* "x,y,w,h;.." in pixels, GST_DEFCN_MAX_REGIONS */
  guint interval;
  gboolean repeat, no_block, message, qos, merge;
  float skip_still; /* luma steps, 0: look at what is still too */
  guint64 stats_interval, max_age, max_still;
} GstDefcnLive;

/* What an opened model offers; constant once it is shared. */
typedef struct
{
  char **labels; /* NULL-terminated, n_classes of them */
  int n_classes;
  float threshold;
  int max_detections;
  float duplicate_filter;
  const char *hash, *device, *name; /* interned; of the file */
  guint serial;         /* tells the models apart that a process has opened */
  gboolean reads_cuda;  /* takes frames in CUDA memory as they are */
  char *description;    /* what runs, in words */
  char *passed_over;    /* why device=auto did not take CUDA, or NULL */
  char *tuning_problem; /* why a file of autotune is ignored, or NULL */
} GstDefcnModelInfo;

/* One reference, all zero but for the name, that of the file at @path. */
GstDefcnModelInfo *gst_defcn_model_info_new (const char *path);
/* A copy, to be given other labels. */
GstDefcnModelInfo *gst_defcn_model_info_copy (const GstDefcnModelInfo *info);
GstDefcnModelInfo *gst_defcn_model_info_ref (GstDefcnModelInfo *info);
void gst_defcn_model_info_unref (GstDefcnModelInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnModelInfo, gst_defcn_model_info_unref)

/* Replaces the labels by those of @text ("a,b,c") or of the file @path (one a
 * line), whichever is not NULL; both is an error, and so is another number
 * of them than the model has classes. */
gboolean gst_defcn_model_info_relabel (GstDefcnModelInfo *info,
    const char *text, const char *path, GError **error);

typedef struct
{
  float threshold;
  float *class_thresholds; /* n_classes, NULL: @threshold for all */
  int max_detections;
  float duplicate_filter; /* IoU, 0: none */
  GArray *roi;            /* DefcnRegion, empty: none */
  guint interval;
  gboolean repeat, no_block, message, qos, merge;
  float skip_still;
  GstClockTime stats_interval, max_age, max_still;
} GstDefcnSettings;

/* NULL with @error set when a string does not parse or names a class that the
 * model does not have. */
GstDefcnSettings *gst_defcn_settings_new (const GstDefcnLive *live,
    const GstDefcnModelInfo *info, GError **error);
/* The same for a model that has taken the place of another: what the strings
 * say of classes that it does not have is left out, and @unknown, (nullable),
 * gets their names.  Of `classes` without one that it has nothing is reported.
 * NULL where the strings do not parse. */
GstDefcnSettings *gst_defcn_settings_new_adapted (const GstDefcnLive *live,
    const GstDefcnModelInfo *info, GString *unknown);
GstDefcnSettings *gst_defcn_settings_ref (GstDefcnSettings *settings);
/* Returns: interned: the names of the classes of @info that can be told of, a
 * comma between them and a backslash before one within. */
const char *gst_defcn_settings_told (const GstDefcnSettings *settings,
    const GstDefcnModelInfo *info);
void gst_defcn_settings_unref (GstDefcnSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnSettings, gst_defcn_settings_unref)

G_END_DECLS
