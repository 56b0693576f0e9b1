/* What others do to a pipeline that runs, whenever they like: properties,
 * seeks, queries, other models, log files moved away, stops.
 *
 * Thread rule: any thread, while nobody starts, stops or frees @pipeline. */
#pragma once

#include <gst/gst.h>

/* One of these, drawn from @rand.  @pipeline: with elements "detect", "publish"
 * and "overlay"; @models: two that load and one that is none; @log: the file
 * that "publish" writes.  TRUE: the pipeline has been stopped (READY). */
gboolean storm (GstElement *pipeline, char *const *models, const char *log,
    GRand *rand);
