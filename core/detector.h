/* The detector: open a model, images in, boxes out.
 *
 * What the plugin sees of the core: this header with those of its types,
 * image.h, boxes.h and error.h.
 *
 *   g_autoptr (DefcnDetector) d = defcn_detector_new ("m.safetensors", NULL,
 *       &error);
 *   g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
 *   if (defcn_detector_run (d, &boxes, &image, NULL, 1, &error))
 *     for (guint i = 0; i < boxes->len; i++) ...
 *
 * Thread rule: one thread at a time per detector; several detectors may run
 * in several threads.
 */
#pragma once

#include "boxes.h"
#include "error.h"
#include "image.h"

G_BEGIN_DECLS

typedef struct _DefcnDetector DefcnDetector;

/* What a file's input rule may want unless allowed more: a picture of any size
 * is made as large as it says, which takes time and memory accordingly. */
#define DEFCN_DETECTOR_MAX_EDGE 2048

/* Zero in a field means its default. */
typedef struct
{
  /* "auto" (default), "cpu", "onednn", "reference", "cuda[:N]", in any case */
  const char *device;
  /* "auto" (default): fp16 on CUDA, else fp32; or "fp32", "bf16", on CUDA
   * "tf32" and "fp16" too */
  const char *precision;
  int threads;       /* CPU threads, 0: one per core */
  gboolean exact;    /* direct convolution on the CPU: slower, rounds less */
  gboolean autotune; /* measure on CUDA, and keep what is fastest: tune.h */
  int max_edge; /* the longest input that a file may want, 0: the one above */
  /* Images in a pass of the network at most; 0: as many as suit the device.  A
   * device whose sums depend on it (CUDA) runs that many in every pass, what
   * lacks of them blank, so that an image gives the same bits in any company.
   * On the CPU, where images go side by side: how many share the threads; 0: as
   * many as the first run has. */
  int batch;
} DefcnDetectorOptions;

/* NULL with @error set: a missing, damaged or foreign model file, one whose
 * input is too large, a device that does not work. */
DefcnDetector *defcn_detector_new (const char *path,
    const DefcnDetectorOptions *options, GError **error);
void defcn_detector_free (DefcnDetector *detector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnDetector, defcn_detector_free)

/* A detector over a model that is open already (model.h), for evaluation while
 * training: @model is borrowed, outlives the detector, was not opened for
 * training, and may get other weights between two runs.  It has no hash. */
struct _DefcnModel;
DefcnDetector *defcn_detector_new_from_model (struct _DefcnModel *model);

/* Finds the objects in @n images of any sizes and formats, each in its own
 * region of @regions (NULL: whole images; a region is clipped to its image, and
 * one outside of it has no boxes).
 * Images that have the same size in the network go through it together; on the
 * CPU those of any size go side by side, with the activations of one for each
 * thread.
 * @boxes[i]: array of DefcnBox, emptied, filled by descending score, in pixels
 * of image i.  The result of an image does not depend on the others, but for
 * rounding on CUDA without DefcnDetectorOptions.batch, where a pass over more
 * images may be summed in another order.  FALSE with @error set, and all @boxes
 * empty. */
gboolean defcn_detector_run (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions, int n,
    GError **error);

/* The same, each image decoded by its own of @rules, whose strings and arrays
 * are borrowed for the call; the detector's settings stay as they are. */
gboolean defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error);

/* The same, and calls @each when the boxes of image @i are there, in any order
 * of images that have some region, once for each and one at a time, maybe from
 * other threads than the caller's: meanwhile defcn_detector_decode() is about
 * it, and decode settings that @each changes have to be set back. */
gboolean defcn_detector_run_each (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions, int n,
    void (*each) (int i, gpointer data), gpointer data, GError **error);

/* Decodes the last image of the last run again, with the settings as they are
 * now: the same forward pass with another threshold, or with NMS.  The last run
 * must have succeeded and its last region not have been empty. */
void defcn_detector_decode (DefcnDetector *detector, GArray *boxes);

/* Decode settings; the file's values until set.  Cheap, between two runs. */
void defcn_detector_set_threshold (DefcnDetector *detector, float threshold);
/* @thresholds: one per class, copied; NULL: none. */
void defcn_detector_set_class_thresholds (DefcnDetector *detector,
    const float *thresholds);
void defcn_detector_set_max_detections (DefcnDetector *detector, int max);
/* 0 or less: none, which is what an end-to-end model wants. */
void defcn_detector_set_nms (DefcnDetector *detector, float iou);
float defcn_detector_nms (const DefcnDetector *detector);
/* What NMS compares, all by default. */
void defcn_detector_set_nms_range (DefcnDetector *detector,
    const DefcnNmsRange *range);
/* 3DMF as post-processing, none by default; the heads then come to the host. */
void defcn_detector_set_max_filter (DefcnDetector *detector,
    const DefcnMaxFilter *filter);
/* The local duplicate filter (DefcnDecodeRule); 0 or less: none. */
void defcn_detector_set_duplicate_filter (DefcnDetector *detector, float iou);
float defcn_detector_duplicate_filter (const DefcnDetector *detector);

/* All of them as they are set: what to begin a rule of one's own with.
 * class_thresholds are borrowed until they are set. */
DefcnDecodeRule defcn_detector_rule (const DefcnDetector *detector);

int defcn_detector_n_classes (const DefcnDetector *detector);
/* Returns: name of class @i, borrowed. */
const char *defcn_detector_label (const DefcnDetector *detector, int i);
float defcn_detector_threshold (const DefcnDetector *detector);
/* The score that the file calls good for use, which no setting changes:
 * threshold is for evaluation, and lower. */
float defcn_detector_working_threshold (const DefcnDetector *detector);
int defcn_detector_max_detections (const DefcnDetector *detector);
/* Whether images may be in that memory: the host's always, CUDA's on CUDA. */
gboolean defcn_detector_reads (const DefcnDetector *detector,
    DefcnMemory memory);
/* SHA-256 of the model file, hex; borrowed. */
const char *defcn_detector_hash (const DefcnDetector *detector);
/* "onednn", "reference", "cuda": what runs. */
const char *defcn_detector_device (const DefcnDetector *detector);
/* The same in words, borrowed: "onednn, 2 threads, fp32", "cuda, fp16". */
const char *defcn_detector_description (const DefcnDetector *detector);
/* Memory that weights and activations take by now, in bytes: more with every
 * new size of pictures, up to a limit, less when an old one goes.  What the
 * engine packs for itself, some tenth more, is not in it. */
gsize defcn_detector_bytes (const DefcnDetector *detector);
/* Why "auto" did not take CUDA, borrowed; NULL if it did or was not asked. */
const char *defcn_detector_passed_over (const DefcnDetector *detector);
/* What went wrong with a file of autotune, borrowed until the next run; NULL:
 * nothing. */
const char *defcn_detector_tuning_problem (const DefcnDetector *detector);

/* Of the last run, nanoseconds. */
typedef struct
{
  guint64 preprocess, inference, postprocess;
} DefcnTimings;
void defcn_detector_timings (const DefcnDetector *detector,
    DefcnTimings *timings);

G_END_DECLS
