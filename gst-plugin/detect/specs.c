/* What the properties of defcndetect are called, take and mean. */
#include "specs.h"

#define LIVE                                                                   \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define SETUP                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define REPORT (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

#define GST_TYPE_DEFCN_PRECISION (gst_defcn_precision_get_type ())
static GType
gst_defcn_precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_DEFCN_PRECISION_AUTO, "What suits the device", "auto" },
    { GST_DEFCN_PRECISION_FP32, "32-bit floating point", "fp32" },
    { GST_DEFCN_PRECISION_FP16, "16-bit floating point", "fp16" },
    { GST_DEFCN_PRECISION_BF16, "bfloat16", "bf16" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnPrecision", values));
  return type;
}

#define GST_TYPE_DEFCN_INFERENCE_REGION (gst_defcn_inference_region_get_type ())
static GType
gst_defcn_inference_region_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_DEFCN_FULL_FRAME, "The frame, or the regions of roi", "full-frame" },
    { GST_DEFCN_ROI_LIST, "The frame's ROI metas, and the regions of roi",
        "roi-list" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnInferenceRegion", values));
  return type;
}

#define GST_TYPE_DEFCN_TURNING (gst_defcn_turning_get_type ())
static GType
gst_defcn_turning_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_DEFCN_TURNING_AUTO, "Upright, by the image-orientation tag", "auto" },
    { GST_DEFCN_TURNING_NONE, "As it comes", "none" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnOrientation", values));
  return type;
}

/* What the network is and where it runs. */
static void
install_model_properties (GObjectClass *klass)
{
  /**
   * GstDefcnDetect:model:
   *
   * Set while the element runs, the new file is opened and tried in the
   * background, and frames from then on are its; so are #GstDefcnDetect:device,
   * #GstDefcnDetect:precision and #GstDefcnDetect:threads.  Whatever fails, the
   * old model goes on, a WARNING says why, and the property says again what
   * runs.  #GstDefcnDetect::model-updated tells of either.  Classes, width and
   * input size may be others: `labels` that do not fit the new model are not
   * used, and of `classes` and `class-thresholds` those entries are left out
   * that it does not have, with a WARNING.  Of several that are set the last
   * one wins.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "The model file: weights, labels, input size and thresholds in one; "
          "unset: the person model that comes with the plugin, or the one that "
          "others of the same model-instance-id name",
          NULL, LIVE));

  /**
   * GstDefcnDetect:device:
   *
   * What the network runs on.  "auto" takes the fastest that works when the
   * element starts, and any other name either works or is an error.  What runs
   * is told in an INFO message and in #GstDefcnDetect:active-device; where
   * there is an NVIDIA GPU the message's debug text has why CUDA was passed
   * over.  A device that fails later ends the stream with an error.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "What the network runs on: auto (the fastest that works), cpu, "
          "onednn, "
          "reference (plain C, slow), cuda or cuda:N; only auto falls back",
          DEFAULT_DEVICE, LIVE));

  g_object_class_install_property (klass, PROP_ACTIVE_DEVICE,
      g_param_spec_string ("active-device", "Active device",
          "What the network runs on, once the element has started", NULL,
          REPORT));

  /**
   * GstDefcnDetect:precision:
   *
   * Number format of the network; one that the device has not is an error.  A
   * GPU has all; a CPU fp32, and bf16 with AVX512_BF16: with AMX, convolutions
   * then take a half to a fifth of the time, without it the 1x1 of them half
   * where the CPU multiplies bfloat16 any faster (AMD's), else nothing changes.
   * `defcn bench` says which.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Number format of the network; one that the device has not is an "
          "error (a CPU has fp32, and bf16 with AVX512_BF16)",
          GST_TYPE_DEFCN_PRECISION, GST_DEFCN_PRECISION_AUTO, LIVE));
}

/* How it is computed. */
static void
install_engine_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "CPU threads of the network; 0: one per core, shared out among the "
          "workers",
          0, 1024, 0, LIVE));

  g_object_class_install_property (klass, PROP_EXACT,
      g_param_spec_boolean ("exact", "Exact",
          "Direct convolution on the CPU in place of Winograd's algorithm: "
          "slower, and rounds less",
          FALSE, SETUP));

  g_object_class_install_property (klass, PROP_MAX_EDGE,
      g_param_spec_uint ("max-edge", "Maximum edge",
          "Longest side in pixels of the pictures that a model file may want; "
          "one that wants more is refused",
          1, 16384, DEFCN_DETECTOR_MAX_EDGE, SETUP));

  /**
   * GstDefcnDetect:autotune:
   *
   * Measure on CUDA which kernels are fastest when a model meets a size for the
   * first time, which takes a while, and keep it in a file beside the model
   * (where that cannot be written, in the user's cache) for the next time.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_AUTOTUNE,
      g_param_spec_boolean ("autotune", "Autotune",
          "Measure on CUDA which kernels are fastest, and keep it beside the "
          "model for the next time",
          FALSE, SETUP));
}

/* Who else uses the network. */
static void
install_sharing_properties (GObjectClass *klass)
{
  /**
   * GstDefcnDetect:model-instance-id:
   *
   * Elements of a process with the same name share one loaded model, its
   * threads and its memory, in whatever pipelines they are; their frames go
   * through the network together (#GstDefcnDetect:batch-size), in turns, so
   * that no stream takes another's.  Formats, sizes, thresholds, classes,
   * intervals and regions are each element's own, and what is found in a frame
   * does not depend on what shared its pass.
   *
   * The element that names the model decides about device, precision, threads,
   * workers, exact, max-edge, autotune, batch-size and batch-timeout, the first
   * to start if several name it; one without `model` takes what the others
   * have, whichever starts first.  Another `model` under the same name is an
   * error; other values of the rest are ignored with a WARNING.  Where there
   * are several devices, give each a name of its own.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_MODEL_INSTANCE_ID,
      g_param_spec_string ("model-instance-id", "Model instance",
          "Elements of a process with the same name share one loaded model, "
          "and "
          "batch-size of their frames go through it together; unset: a model "
          "of its own",
          NULL, SETUP));

  /**
   * GstDefcnDetect:batch-size:
   *
   * Frames and regions of frames that wait go through the network together, as
   * many as this.  On CUDA they are one pass, and this many take memory of its
   * own.  On the CPU they go side by side, each on its share of
   * #GstDefcnDetect:threads, which takes memory for as many as there are
   * threads and no more; what does not fill the threads goes one after the
   * other, each on all of them.  What is found in a frame is the same to the
   * bit, whatever shared its batch.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_BATCH_SIZE,
      g_param_spec_uint ("batch-size", "Batch size",
          "Frames and regions of all who share the model that go through the "
          "network together, at most; on the CPU side by side, each thread "
          "with "
          "one of them",
          1, 64, 1, SETUP));

  /**
   * GstDefcnDetect:batch-timeout:
   *
   * Only for elements that have lately brought a frame: a stream that stalls,
   * ends or is flushed is waited for once at most.  Of all who share the model;
   * set while it runs, the last one holds.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_int ("batch-timeout", "Batch timeout",
          "How long a frame waits for others to fill its batch, in "
          "milliseconds; 0: it never waits",
          0, 10000, 0, LIVE));
}

/* How much of it runs at once. */
static void
install_flight_properties (GObjectClass *klass)
{
  /**
   * GstDefcnDetect:workers:
   *
   * Each has weights and memory of its own and looks at other frames than the
   * rest: it is of use where several elements share the model, or with
   * #GstDefcnDetect:nireq.  On the CPU #GstDefcnDetect:batch-size does as much
   * for elements that share a model, and takes the weights once.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_WORKERS,
      g_param_spec_uint ("workers", "Workers",
          "Copies of the network that run side by side, in a thread each", 1,
          16, 1, SETUP));

  /**
   * GstDefcnDetect:nireq:
   *
   * A frame leaves when its result is there, at the latest with the frame that
   * comes this many minus one after it: what comes before the element and what
   * comes after it work meanwhile, as with a queue, and several
   * #GstDefcnDetect:workers have something to do.  Order, events between
   * frames and flow returns stay as they are; the reported latency grows by the
   * frames.  With #GstDefcnDetect:no-block, which holds no frame, the network
   * has one.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_NIREQ,
      g_param_spec_uint ("nireq", "Inference requests",
          "Frames that may be in flight; 1: each is waited for", 1, 16, 1,
          SETUP));
}

/* Which objects are reported, and under which names. */
static void
install_object_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_float ("threshold", "Threshold",
          "Objects of a higher confidence are reported; -1: the working "
          "threshold of the model file",
          -1, 1, DEFAULT_THRESHOLD, LIVE));

  g_object_class_install_property (klass, PROP_CLASS_THRESHOLDS,
      g_param_spec_string ("class-thresholds", "Class thresholds",
          "Thresholds of single classes over the common one: "
          "person=0.6,car=0.35",
          NULL, LIVE));

  g_object_class_install_property (klass, PROP_CLASSES,
      g_param_spec_string ("classes", "Classes",
          "Report only these classes: person,car (\\, for a comma within a "
          "name); unset: all",
          NULL, LIVE));

  g_object_class_install_property (klass, PROP_MAX_DETECTIONS,
      g_param_spec_uint ("max-detections", "Maximum of detections",
          "Report at most this many objects, the best; if never set: the "
          "model file's value",
          1, 1000, DEFAULT_MAX_DETECTIONS, LIVE));

  /**
   * GstDefcnDetect:duplicate-filter:
   *
   * An object goes whose box overlaps that of a better one of its class by more
   * than this IoU, but only where the network found both in almost the same
   * place: neighbouring cells of one scale, or the cell above or below.  Not
   * NMS: objects are not compared with each other, and a crowd costs no more.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_DUPLICATE_FILTER,
      g_param_spec_float ("duplicate-filter", "Duplicate filter",
          "IoU above which the worse of two objects goes that were found in "
          "almost the same place; 0: none, -1: the model file's value",
          -1, 1, DEFAULT_DUPLICATE_FILTER, LIVE));

  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels",
          "Names of the classes in place of the model file's: a,b,c", NULL,
          SETUP));

  g_object_class_install_property (klass, PROP_LABELS_FILE,
      g_param_spec_string ("labels-file", "Labels file",
          "File with the names of the classes in place of the model file's, "
          "one a line",
          NULL, SETUP));
}

/* Which frames are looked at. */
static void
install_time_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_INFERENCE_INTERVAL,
      g_param_spec_uint ("inference-interval", "Inference interval",
          "Look at every Nth frame; 1: every frame (DeepStream's interval "
          "plus one)",
          1, G_MAXUINT, 1, LIVE));

  g_object_class_install_property (klass, PROP_REPEAT_DETECTIONS,
      g_param_spec_boolean ("repeat-detections", "Repeat detections",
          "Attach the last objects to frames that were not looked at, marked "
          "as repeated, up to max-age and the next segment or discontinuity",
          FALSE, LIVE));

  g_object_class_install_property (klass, PROP_MAX_AGE,
      g_param_spec_uint64 ("max-age", "Maximum age",
          "How old repeated objects may be, in nanoseconds; "
          "18446744073709551615: any age",
          0, G_MAXUINT64, DEFAULT_MAX_AGE, LIVE));

  /**
   * GstDefcnDetect:no-block:
   *
   * A frame is handed to the network when that is idle and goes on at once.
   * Its objects are attached to the first frame after the network has
   * finished, marked as repeated, with the timestamp of the frame that they
   * were found in.  What the network is busy with at the end of the stream is
   * lost.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_NO_BLOCK,
      g_param_spec_boolean ("no-block", "Never block",
          "Never delay a frame: those that come while the network is busy "
          "pass, and its result goes to the next one",
          FALSE, LIVE));

  g_object_class_install_property (klass, PROP_QOS,
      g_param_spec_boolean ("qos", "QoS",
          "Skip the inference, never the frame, when downstream is late", TRUE,
          LIVE));
}

/* Which of them change too little. */
static void
install_still_properties (GObjectClass *klass)
{
  /**
   * GstDefcnDetect:skip-still:
   *
   * A frame is not looked at where the mean luma of every small cell (1/32 of a
   * region's width and height) is so near to that of the last frame that was
   * looked at: 2 to 4 steps of 255 pass over a camera's noise.  What changes
   * slowly is looked at once it has changed that much, and so is the next frame
   * after any property was set and after #GstDefcnDetect:max-still, or
   * #GstDefcnDetect:max-age where that is shorter.  The mark says `still`; with
   * #GstDefcnDetect:repeat-detections the objects are there again.
   *
   * Frames in CUDA memory are all looked at, which a warning says.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_SKIP_STILL,
      g_param_spec_float ("skip-still", "Skip still frames",
          "Do not look at frames where no part has changed by more than so "
          "many luma steps (of 255) since the last look; 0: off",
          0, 255, 0, LIVE));

  g_object_class_install_property (klass, PROP_MAX_STILL,
      g_param_spec_uint64 ("max-still", "Maximum still time",
          "With skip-still look again after so many nanoseconds, however "
          "still it is",
          0, G_MAXUINT64, DEFAULT_MAX_STILL, LIVE));
}

/* Which parts of them. */
static void
install_region_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_INFERENCE_REGION,
      g_param_spec_enum ("inference-region", "Inference region",
          "Where to look: the full frame, or the regions that arrive as ROI "
          "metas, the first 64 of a frame",
          GST_TYPE_DEFCN_INFERENCE_REGION, GST_DEFCN_FULL_FRAME, SETUP));

  g_object_class_install_property (klass, PROP_OBJECT_CLASS,
      g_param_spec_string ("object-class", "Object class",
          "With inference-region=roi-list, look only in ROI metas of this "
          "type; unset: all",
          NULL, SETUP));

  /**
   * GstDefcnDetect:orientation:
   *
   * Frames of a phone that was held upright lie on their side, with a tag that
   * says so.  The network is shown them upright; boxes, and the regions where
   * to look, are of the frame as it is.  Behind an element that turns frames
   * (videoflip) the tag counts for nothing.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_ORIENTATION,
      g_param_spec_enum ("orientation", "Orientation",
          "Which way up the network sees a frame; boxes are of the frame as it "
          "is",
          GST_TYPE_DEFCN_TURNING, GST_DEFCN_TURNING_AUTO, SETUP));

  /**
   * GstDefcnDetect:roi:
   *
   * Each region is scaled to the network's input on its own, so small
   * objects are seen better.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_ROI,
      g_param_spec_string ("roi", "Regions",
          "Look only in these rectangles of the frame, 64 at most, in pixels: "
          "x,y,width,height;...",
          NULL, LIVE));

  /**
   * GstDefcnDetect:merge-regions:
   *
   * Where regions overlap, what two of them have found of one object becomes
   * one: boxes of one class that cover each other (IoU 0.5) in what both
   * regions see.  The one stays that no edge of its region cuts.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_MERGE_REGIONS,
      g_param_spec_boolean ("merge-regions", "Merge regions",
          "Report an object that overlapping regions have both found once",
          DEFAULT_MERGE_REGIONS, LIVE));
}

/* What is told, and how. */
static void
install_report_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_META,
      g_param_spec_flags ("meta", "Metadata",
          "How to attach objects for others' elements; custom alone: for "
          "defcnoverlay and defcnpublish only",
          GST_TYPE_DEFCN_META_FLAGS, DEFAULT_META, SETUP));

  g_object_class_install_property (klass, PROP_MESSAGE,
      g_param_spec_boolean ("message", "Message",
          "Post an element message defcn-detections for every frame", FALSE,
          LIVE));

  /**
   * GstDefcnDetect:stats:
   *
   * A structure defcn-stats: frames, inferred, skipped-interval, skipped-qos,
   * skipped-busy, skipped-region, skipped-still, objects, preprocess-p50,
   * preprocess-p95, the same of inference, postprocess, wait (behind other
   * frames) and total (all uint64, times in nanoseconds over the last 128
   * inferences), model-hash and device (strings); and of the model with all who
   * share it sharers, workers, batch-size (uint), batch-mean (double), which
   * is how many regions went through the network together on average, and
   * model-bytes (uint64), the memory that weights and activations take by now
   * (without what oneDNN or cuDNN pack for themselves, some tenth more).
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counts of frames and times of the stages in ns", GST_TYPE_STRUCTURE,
          REPORT));

  g_object_class_install_property (klass, PROP_STATS_INTERVAL,
      g_param_spec_uint64 ("stats-interval", "Statistics interval",
          "Post an element message defcn-stats about every so many "
          "nanoseconds; 0: never",
          0, G_MAXUINT64, 0, LIVE));
}

void
gst_defcn_specs_install (GObjectClass *klass)
{
  install_model_properties (klass);
  install_engine_properties (klass);
  install_sharing_properties (klass);
  install_flight_properties (klass);
  install_object_properties (klass);
  install_time_properties (klass);
  install_still_properties (klass);
  install_region_properties (klass);
  install_report_properties (klass);
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_PRECISION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_INFERENCE_REGION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_TURNING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_META_FLAGS, 0);
}
