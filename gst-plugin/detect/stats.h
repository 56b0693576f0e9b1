/* Counts and times of a detector: what `stats` and the latency rest on.
 *
 * Thread rule: none of its own; the element's lock guards it.
 */
#pragma once

#include <gst/gst.h>

#include "detector.h"
#include "settings.h"

G_BEGIN_DECLS

#define GST_DEFCN_STATS_SAMPLES 128

typedef enum
{
  GST_DEFCN_TIME_PREPROCESS,
  GST_DEFCN_TIME_INFERENCE,
  GST_DEFCN_TIME_POSTPROCESS,
  GST_DEFCN_TIME_WAIT, /* behind other frames */
  GST_DEFCN_TIME_TOTAL,
  GST_DEFCN_N_TIMES
} GstDefcnTime;

/* All zero is empty. */
typedef struct
{
  guint64 frames;   /* that came by */
  guint64 inferred; /* that went through the network */
  guint64 skipped_interval, skipped_qos, skipped_busy, skipped_region,
      skipped_still;
  guint64 objects; /* found in the inferred ones */
  /* The last times in nanoseconds, a ring; @n_samples of it are filled. */
  guint64 times[GST_DEFCN_N_TIMES][GST_DEFCN_STATS_SAMPLES];
  guint n_samples, next;
} GstDefcnStats;

/* One more inference, which has waited for so long, nanoseconds.  The first one
 * makes the plan and takes many times as long: it counts only until there is a
 * second. */
void gst_defcn_stats_add (GstDefcnStats *stats, const DefcnTimings *timings,
    guint64 waited, guint n_objects);

/* The value that @percent of the samples do not exceed (nearest rank), 0
 * without samples. */
guint64 gst_defcn_stats_percentile (const GstDefcnStats *stats,
    GstDefcnTime time, guint percent);

/* "defcn-stats" with frames, inferred, skipped-interval, -qos, -busy, -region,
 * -still, objects, {preprocess,inference,postprocess,wait,total}-{p50,p95}
 * (uint64, times in ns), model-hash, device (string, empty without @info). */
GstStructure *gst_defcn_stats_to_structure (const GstDefcnStats *stats,
    const GstDefcnModelInfo *info);

G_END_DECLS
