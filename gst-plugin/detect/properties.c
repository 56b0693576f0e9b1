/* The properties of defcndetect. */
#include "properties.h"
#include "adopt.h"
#include "field.h"
#include "open.h"
#include "specs.h"

/* Where the properties that are plain fields live in the element. */
#define FIELD(member) G_STRUCT_OFFSET (GstDefcnDetect, member)
static const gsize fields[] = {
  [PROP_MODEL] = FIELD (setup.model.path),
  [PROP_DEVICE] = FIELD (setup.model.device),
  [PROP_PRECISION] = FIELD (setup.model.precision),
  [PROP_THRESHOLD] = FIELD (live.threshold),
  [PROP_CLASS_THRESHOLDS] = FIELD (live.class_thresholds),
  [PROP_CLASSES] = FIELD (live.classes),
  [PROP_MAX_DETECTIONS] = FIELD (live.max_detections),
  [PROP_DUPLICATE_FILTER] = FIELD (live.duplicate_filter),
  [PROP_LABELS] = FIELD (setup.labels),
  [PROP_LABELS_FILE] = FIELD (setup.labels_file),
  [PROP_INFERENCE_INTERVAL] = FIELD (live.interval),
  [PROP_REPEAT_DETECTIONS] = FIELD (live.repeat),
  [PROP_INFERENCE_REGION] = FIELD (setup.region),
  [PROP_OBJECT_CLASS] = FIELD (setup.object_class),
  [PROP_ORIENTATION] = FIELD (setup.turning),
  [PROP_ROI] = FIELD (live.roi),
  [PROP_MERGE_REGIONS] = FIELD (live.merge),
  [PROP_MAX_AGE] = FIELD (live.max_age),
  [PROP_SKIP_STILL] = FIELD (live.skip_still),
  [PROP_MAX_STILL] = FIELD (live.max_still),
  [PROP_NO_BLOCK] = FIELD (live.no_block),
  [PROP_THREADS] = FIELD (setup.model.threads),
  [PROP_EXACT] = FIELD (setup.model.exact),
  [PROP_MAX_EDGE] = FIELD (setup.model.max_edge),
  [PROP_AUTOTUNE] = FIELD (setup.model.autotune),
  [PROP_META] = FIELD (setup.meta),
  [PROP_MESSAGE] = FIELD (live.message),
  [PROP_STATS_INTERVAL] = FIELD (live.stats_interval),
  [PROP_QOS] = FIELD (live.qos),
  [PROP_MODEL_INSTANCE_ID] = FIELD (setup.instance_id),
  [PROP_BATCH_SIZE] = FIELD (setup.model.batch_size),
  [PROP_BATCH_TIMEOUT] = FIELD (setup.model.batch_timeout),
  [PROP_WORKERS] = FIELD (setup.model.workers),
  [PROP_NIREQ] = FIELD (setup.nireq),
};

/* What changed the live properties, with the lock held: make the new settings.
 * Nothing to do before the model is there to check them against. */
static gboolean
update_settings (GstDefcnDetect *self, GError **error)
{
  GstDefcnSettings *settings;

  if (!self->worker)
    return TRUE;
  if (self->adapted)
    settings = gst_defcn_settings_new_adapted (&self->live,
        gst_defcn_worker_info (self->worker), NULL);
  else
    settings = gst_defcn_settings_new (&self->live,
        gst_defcn_worker_info (self->worker), error);
  if (!settings)
    return FALSE;
  gst_defcn_settings_unref (self->settings);
  self->settings = settings;
  return TRUE;
}

/* With the lock held: what one live string says alone, where the others may be
 * those of another model. */
static gboolean
check_alone (GstDefcnDetect *self, char *const *field, GError **error)
{
  const gsize offset = (const char *) field - (const char *) &self->live;
  GstDefcnLive alone = self->live;
  g_autoptr (GstDefcnSettings) settings = NULL;

  if (!self->adapted || !self->worker)
    return TRUE;
  alone.class_thresholds = alone.classes = alone.roi = NULL;
  G_STRUCT_MEMBER (char *, &alone, offset) = *field;
  settings = gst_defcn_settings_new (&alone,
      gst_defcn_worker_info (self->worker), error);
  return settings != NULL;
}

/* A live string that does not parse is refused: the old one goes on. */
static void
set_live_string (GstDefcnDetect *self, char **field, const GValue *value)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *old = NULL;

  GST_OBJECT_LOCK (self);
  old = *field;
  *field = g_value_dup_string (value);
  if (!check_alone (self, field, &error) || !update_settings (self, &error)) {
    g_free (*field);
    *field = g_steal_pointer (&old);
  }
  GST_OBJECT_UNLOCK (self);
  if (!error)
    return;
  gst_defcn_error_make_valid (error);
  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", error->message),
      ("The old value goes on."));
}

/* What is read when the element starts alone: while it runs the old value
 * stays, and is what one reads back. */
static void
set_setup (GstDefcnDetect *self, gpointer field, const GValue *value,
    GParamSpec *pspec)
{
  gboolean refused;

  GST_OBJECT_LOCK (self);
  refused = (self->worker || self->opening)
      && gst_defcn_field_differs (field, value, pspec);
  if (!refused)
    gst_defcn_field_set (field, value);
  GST_OBJECT_UNLOCK (self);
  if (refused)
    gst_defcn_field_warn_fixed (GST_ELEMENT (self), pspec);
}

/* Which model runs where: while it runs, another one is asked for.  The same
 * file may have another content. */
static void
set_model (GstDefcnDetect *self, gpointer field, const GValue *value,
    GParamSpec *pspec, GstDefcnProperty id)
{
  gboolean asks;

  GST_OBJECT_LOCK (self);
  asks = self->worker
      && (id == PROP_MODEL || gst_defcn_field_differs (field, value, pspec));
  gst_defcn_field_set (field, value);
  GST_OBJECT_UNLOCK (self);
  if (asks)
    gst_defcn_adopt_request (self,
        id == PROP_MODEL           ? GST_DEFCN_ASK_MODEL
            : id == PROP_DEVICE    ? GST_DEFCN_ASK_DEVICE
            : id == PROP_PRECISION ? GST_DEFCN_ASK_PRECISION
                                   : GST_DEFCN_ASK_THREADS);
}

static void
set_timeout (GstDefcnDetect *self, int timeout)
{
  GST_OBJECT_LOCK (self);
  self->setup.model.batch_timeout = timeout;
  if (self->worker)
    gst_defcn_worker_set_timeout (self->worker, (guint) timeout);
  GST_OBJECT_UNLOCK (self);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnDetect *self = (GstDefcnDetect *) object;
  gpointer field = G_STRUCT_MEMBER_P (self, fields[id]);

  if (!(pspec->flags & GST_PARAM_MUTABLE_PLAYING)) {
    set_setup (self, field, value, pspec);
    gst_defcn_open_declare (self);
    return;
  }
  switch (id) {
    case PROP_MODEL:
    case PROP_DEVICE:
    case PROP_PRECISION:
    case PROP_THREADS:
      set_model (self, field, value, pspec, id);
      gst_defcn_open_declare (self);
      return;
    case PROP_BATCH_TIMEOUT:
      set_timeout (self, g_value_get_int (value));
      gst_defcn_open_declare (self);
      return;
    case PROP_CLASS_THRESHOLDS:
    case PROP_CLASSES:
    case PROP_ROI:
      set_live_string (self, field, value);
      return;
    default:
      break;
  }
  GST_OBJECT_LOCK (self);
  gst_defcn_field_set (field, value);
  if (id == PROP_MAX_DETECTIONS)
    self->live.max_detections_set = TRUE;
  /* Cannot fail: the strings have been accepted before. */
  update_settings (self, NULL);
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnDetect *self = (GstDefcnDetect *) object;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_defcn_state_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  if (id == PROP_ACTIVE_DEVICE)
    g_value_set_string (value,
        self->worker ? gst_defcn_worker_info (self->worker)->device : NULL);
  else if (id == PROP_THRESHOLD && self->settings)
    g_value_set_float (value, self->settings->threshold);
  else if (id == PROP_MAX_DETECTIONS && self->settings)
    g_value_set_uint (value, self->settings->max_detections);
  else
    gst_defcn_field_get (value, G_STRUCT_MEMBER_P (self, fields[id]));
  GST_OBJECT_UNLOCK (self);
}

void
gst_defcn_properties_install (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  gst_defcn_specs_install (klass);
}

void
gst_defcn_properties_init (GstDefcnDetect *self)
{
  self->setup.model.device = g_strdup (DEFAULT_DEVICE);
  self->setup.meta = DEFAULT_META;
  self->setup.model.max_edge = DEFCN_DETECTOR_MAX_EDGE;
  self->setup.model.batch_size = 1;
  self->setup.model.workers = 1;
  self->setup.nireq = 1;
  self->live.threshold = DEFAULT_THRESHOLD;
  self->live.max_detections = DEFAULT_MAX_DETECTIONS;
  self->live.duplicate_filter = DEFAULT_DUPLICATE_FILTER;
  self->live.interval = 1;
  self->live.qos = TRUE;
  self->live.merge = DEFAULT_MERGE_REGIONS;
  self->live.max_age = DEFAULT_MAX_AGE;
  self->live.max_still = DEFAULT_MAX_STILL;
}

void
gst_defcn_properties_clear (GstDefcnDetect *self)
{
  gst_defcn_state_clear_setup (&self->setup);
  g_free (self->live.class_thresholds);
  g_free (self->live.classes);
  g_free (self->live.roi);
}
