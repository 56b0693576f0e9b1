/* Another model while a defcndetect runs. */
#include "adopt.h"
#include "bundled.h"
#include "open.h"

#include "object.h"

#define GST_CAT_DEFAULT gst_defcn_detect_debug

static void
replace_string (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

/* With the object lock held: what was asked for in vain says again what runs,
 * where nothing else has been asked for since. */
static void
restore (GstDefcnDetect *self, const GstDefcnModelSetup *failed)
{
  GstDefcnModelSetup runs = gst_defcn_worker_setup (self->worker);
  GstDefcnModelSetup *s = &self->setup.model;

  if (g_strcmp0 (s->path, failed->path) == 0)
    replace_string (&s->path, runs.path);
  if (g_strcmp0 (s->device, failed->device) == 0)
    replace_string (&s->device, runs.device);
  if (s->threads == failed->threads)
    s->threads = runs.threads;
  if (s->precision == failed->precision)
    s->precision = runs.precision;
  gst_defcn_model_setup_clear (&runs);
}

static void
notify (GstDefcnDetect *self)
{
  static const char *const names[] = { "model", "device", "precision",
    "threads" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_object_notify (G_OBJECT (self), names[i]);
}

/* GstDefcnUpdated: in the thread that has opened it. */
static void
updated (GObject *owner, const GstDefcnModelSetup *setup, const GError *why)
{
  GstDefcnDetect *self = (GstDefcnDetect *) owner;
  gboolean runs;

  GST_OBJECT_LOCK (self);
  runs = self->worker != NULL;
  if (runs && why)
    restore (self, setup);
  else if (runs && self->setup.model.path) /* others' may have been another */
    replace_string (&self->setup.model.path, setup->path);
  GST_OBJECT_UNLOCK (self);
  if (!runs) /* it has been stopped meanwhile */
    return;
  gst_defcn_open_declare (self);
  if (why) {
    g_autoptr (GError) error = g_error_copy (why);
    g_autofree char *path = g_utf8_make_valid (setup->path, -1);

    gst_defcn_error_make_valid (error);
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("The model \"%s\" is not taken: %s", path, error->message),
        ("What ran before goes on."));
  }
  notify (self);
  g_signal_emit_by_name (self, "model-updated", why == NULL, setup->path);
}

void
gst_defcn_adopt_request (GstDefcnDetect *self, GstDefcnAsk what)
{
  const GstDefcnModelSetup *set = &self->setup.model;
  GstDefcnModelSetup wanted;
  g_autofree char *own = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  if (!self->worker) {
    GST_OBJECT_UNLOCK (self);
    return;
  }
  wanted = gst_defcn_worker_wanted (self->worker);
  switch (what) {
    case GST_DEFCN_ASK_MODEL:
      own = set->path && *set->path ? g_strdup (set->path)
                                    : gst_defcn_bundled_model ();
      replace_string (&wanted.path, own);
      break;
    case GST_DEFCN_ASK_DEVICE:
      replace_string (&wanted.device, set->device);
      break;
    case GST_DEFCN_ASK_PRECISION:
      wanted.precision = set->precision;
      break;
    case GST_DEFCN_ASK_THREADS:
      wanted.threads = set->threads;
      break;
  }
  gst_defcn_worker_reload (self->worker, &wanted, updated, &error);
  GST_OBJECT_UNLOCK (self);
  if (error)
    updated (G_OBJECT (self), &wanted, error);
  gst_defcn_model_setup_clear (&wanted);
}

void
gst_defcn_adopt_changes (GstDefcnDetect *self, const GstDefcnModelSetup *opened)
{
  const GstDefcnModelSetup *set = &self->setup.model;
  gboolean differs[GST_DEFCN_ASK_THREADS + 1];

  GST_OBJECT_LOCK (self);
  differs[GST_DEFCN_ASK_MODEL] = g_strcmp0 (set->path, opened->path) != 0;
  differs[GST_DEFCN_ASK_DEVICE] = g_strcmp0 (set->device, opened->device) != 0;
  differs[GST_DEFCN_ASK_PRECISION] = set->precision != opened->precision;
  differs[GST_DEFCN_ASK_THREADS] = set->threads != opened->threads;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < G_N_ELEMENTS (differs); i++)
    if (differs[i])
      gst_defcn_adopt_request (self, (GstDefcnAsk) i);
}

static void
warn_unknown (GstDefcnDetect *self, const GstDefcnModelInfo *info,
    const GString *unknown)
{
  if (unknown->len)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("The model %s does not have: %s.", info->name, unknown->str),
        ("These entries are left out."));
}

/* The file's labels where the element's own do not fit. */
static GstDefcnModelInfo *
info_for (GstDefcnDetect *self, const GstDefcnEngine *engine)
{
  GstDefcnModelInfo *info = gst_defcn_model_info_copy (engine->info);
  g_autofree char *labels = NULL;
  g_autofree char *file = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  labels = g_strdup (self->setup.labels);
  file = g_strdup (self->setup.labels_file);
  GST_OBJECT_UNLOCK (self);
  if (!gst_defcn_model_info_relabel (info, labels, file, &error)) {
    gst_defcn_error_make_valid (error);
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", error->message),
        ("The labels of the new model hold."));
  }
  return info;
}

static void
take_on (GstDefcnDetect *self, const GstDefcnEngine *engine)
{
  GstDefcnModelInfo *info = info_for (self, engine);
  GstDefcnModelSetup setup;
  g_autoptr (GString) unknown = g_string_new (NULL);

  GST_OBJECT_LOCK (self);
  gst_defcn_worker_take_info (self->worker, info);
  gst_defcn_settings_unref (self->settings);
  /* Cannot fail: the strings have been parsed before. */
  self->settings = gst_defcn_settings_new_adapted (&self->live, info, unknown);
  self->adapted = unknown->len > 0;
  setup = gst_defcn_worker_setup (self->worker);
  GST_OBJECT_UNLOCK (self);
  gst_defcn_open_announce (self, setup.path, info);
  warn_unknown (self, info, unknown);
  gst_defcn_model_setup_clear (&setup);
}

GstDefcnEngine *
gst_defcn_adopt (GstDefcnDetect *self)
{
  GstDefcnEngine *engine = gst_defcn_worker_engine (self->worker);

  if (engine->info->serial != gst_defcn_worker_info (self->worker)->serial)
    take_on (self, engine);
  return engine;
}
