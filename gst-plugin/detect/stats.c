/* Counts and times of a detector. */
#include <stdlib.h>
#include <string.h>

#include "stats.h"

void
gst_defcn_stats_add (GstDefcnStats *stats, const DefcnTimings *timings,
    guint64 waited, guint n_objects)
{
  guint64 times[] = { timings->preprocess, timings->inference,
    timings->postprocess, waited,
    waited + timings->preprocess + timings->inference + timings->postprocess };

  if (stats->inferred++ == 1)
    stats->n_samples = stats->next = 0;
  stats->objects += n_objects;
  for (int i = 0; i < GST_DEFCN_N_TIMES; i++)
    stats->times[i][stats->next] = times[i];
  stats->next = (stats->next + 1) % GST_DEFCN_STATS_SAMPLES;
  stats->n_samples = MIN (stats->n_samples + 1, GST_DEFCN_STATS_SAMPLES);
}

static int
compare (const void *a, const void *b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

guint64
gst_defcn_stats_percentile (const GstDefcnStats *stats, GstDefcnTime time,
    guint percent)
{
  guint64 sorted[GST_DEFCN_STATS_SAMPLES];
  guint n = stats->n_samples;

  if (!n)
    return 0;
  memcpy (sorted, stats->times[time], n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare);
  return sorted[MAX ((n * percent + 99) / 100, 1) - 1];
}

GstStructure *
gst_defcn_stats_to_structure (const GstDefcnStats *stats,
    const GstDefcnModelInfo *info)
{
  static const char *names[] = { "preprocess", "inference", "postprocess",
    "wait", "total" };
  GstStructure *s = gst_structure_new ("defcn-stats", "frames", G_TYPE_UINT64,
      stats->frames, "inferred", G_TYPE_UINT64, stats->inferred,
      "skipped-interval", G_TYPE_UINT64, stats->skipped_interval, "skipped-qos",
      G_TYPE_UINT64, stats->skipped_qos, "skipped-busy", G_TYPE_UINT64,
      stats->skipped_busy, "skipped-region", G_TYPE_UINT64,
      stats->skipped_region, "skipped-still", G_TYPE_UINT64,
      stats->skipped_still, "objects", G_TYPE_UINT64, stats->objects,
      "model-hash", G_TYPE_STRING, info ? info->hash : "", "device",
      G_TYPE_STRING, info ? info->device : "", NULL);

  for (int i = 0; i < GST_DEFCN_N_TIMES; i++) {
    g_autofree char *p50 = g_strconcat (names[i], "-p50", NULL);
    g_autofree char *p95 = g_strconcat (names[i], "-p95", NULL);

    gst_structure_set (s, p50, G_TYPE_UINT64,
        gst_defcn_stats_percentile (stats, i, 50), p95, G_TYPE_UINT64,
        gst_defcn_stats_percentile (stats, i, 95), NULL);
  }
  return s;
}
