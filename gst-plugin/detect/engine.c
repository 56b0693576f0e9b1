/* An engine: a model that has been opened. */
#include "engine.h"

GstDefcnModelSetup
gst_defcn_model_setup_copy (const GstDefcnModelSetup *setup)
{
  GstDefcnModelSetup copy = *setup;

  copy.path = g_strdup (copy.path);
  copy.device = g_strdup (copy.device);
  return copy;
}

void
gst_defcn_model_setup_clear (GstDefcnModelSetup *setup)
{
  g_clear_pointer (&setup->path, g_free);
  g_clear_pointer (&setup->device, g_free);
}

static GstDefcnModelInfo *
info_of (const DefcnDetector *detector, const char *path)
{
  static gint serial;
  GstDefcnModelInfo *info = gst_defcn_model_info_new (path);

  info->serial = (guint) g_atomic_int_add (&serial, 1) + 1;
  info->n_classes = defcn_detector_n_classes (detector);
  info->labels = g_new0 (char *, info->n_classes + 1);
  for (int i = 0; i < info->n_classes; i++)
    info->labels[i] = g_strdup (defcn_detector_label (detector, i));
  info->threshold = defcn_detector_working_threshold (detector);
  info->max_detections = defcn_detector_max_detections (detector);
  info->duplicate_filter = defcn_detector_duplicate_filter (detector);
  info->hash = g_intern_string (defcn_detector_hash (detector));
  info->device = g_intern_string (defcn_detector_device (detector));
  info->reads_cuda = defcn_detector_reads (detector, DEFCN_MEMORY_CUDA);
  info->description = g_strdup (defcn_detector_description (detector));
  info->passed_over = g_strdup (defcn_detector_passed_over (detector));
  info->tuning_problem = g_strdup (defcn_detector_tuning_problem (detector));
  return info;
}

/* The cores, shared out among the workers. */
static guint
threads_of (const GstDefcnModelSetup *setup)
{
  if (setup->threads || setup->workers < 2)
    return setup->threads;
  return MAX (g_get_num_processors () / setup->workers, 1);
}

/* The word of the core. */
static const char *
precision_word (GstDefcnPrecision precision)
{
  static const char *const words[] = { "auto", "fp32", "fp16", "bf16" };

  return words[precision];
}

GstDefcnEngine *
gst_defcn_engine_new (const GstDefcnModelSetup *setup, GError **error)
{
  const DefcnDetectorOptions options = { .device = setup->device,
    .precision = precision_word (setup->precision),
    .threads = (int) threads_of (setup),
    .exact = setup->exact,
    .max_edge = (int) setup->max_edge,
    .autotune = setup->autotune,
    .batch = (int) setup->batch_size };
  g_autoptr (GstDefcnEngine) engine = g_atomic_rc_box_new0 (GstDefcnEngine);

  engine->detectors =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_detector_free);
  for (guint i = 0; i < MAX (setup->workers, 1); i++) {
    DefcnDetector *detector = defcn_detector_new (setup->path, &options, error);

    if (!detector)
      return NULL;
    g_ptr_array_add (engine->detectors, detector);
  }
  engine->info = info_of (engine->detectors->pdata[0], setup->path);
  engine->bytes = g_new0 (gpointer, engine->detectors->len);
  for (guint i = 0; i < engine->detectors->len; i++)
    gst_defcn_engine_weigh (engine, i);
  return g_steal_pointer (&engine);
}

GstDefcnEngine *
gst_defcn_engine_ref (GstDefcnEngine *engine)
{
  return g_atomic_rc_box_acquire (engine);
}

static void
engine_clear (gpointer data)
{
  GstDefcnEngine *engine = data;

  g_ptr_array_unref (engine->detectors);
  gst_defcn_model_info_unref (engine->info);
  g_free (engine->bytes);
}

void
gst_defcn_engine_unref (GstDefcnEngine *engine)
{
  if (engine)
    g_atomic_rc_box_release_full (engine, engine_clear);
}

void
gst_defcn_engine_weigh (GstDefcnEngine *engine, guint at)
{
  g_atomic_pointer_set (&engine->bytes[at],
      GSIZE_TO_POINTER (defcn_detector_bytes (engine->detectors->pdata[at])));
}

guint64
gst_defcn_engine_bytes (const GstDefcnEngine *engine)
{
  guint64 bytes = 0;

  for (guint i = 0; i < engine->detectors->len; i++)
    bytes += GPOINTER_TO_SIZE (g_atomic_pointer_get (&engine->bytes[i]));
  return bytes;
}

gboolean
gst_defcn_engine_try (GstDefcnEngine *engine, int width, int height,
    GError **error)
{
  g_autofree guint8 *black = g_try_malloc0 ((gsize) width * height);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const DefcnImage image = { .format = DEFCN_FORMAT_GRAY8,
    .width = width,
    .height = height,
    .planes = { black },
    .strides = { width } };
  const DefcnRegion all = { 0, 0, width, height };

  if (!black)
    return TRUE; /* where that is too much frames will say so */
  for (guint i = 0; i < engine->detectors->len; i++) {
    if (!defcn_detector_run (engine->detectors->pdata[i], &boxes, &image, &all,
            1, error))
      return FALSE;
    gst_defcn_engine_weigh (engine, i);
  }
  return TRUE;
}
