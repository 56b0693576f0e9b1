/* The model of a defcndetect, from its start to its stop. */
#include "open.h"
#include "bundled.h"

#include "object.h"

#define GST_CAT_DEFAULT gst_defcn_detect_debug

/* Borrows its strings. */
static GstDefcnModelSetup
model_setup (const GstDefcnSetup *setup)
{
  GstDefcnModelSetup model = setup->model;

  if (model.path && !*model.path)
    model.path = NULL;
  return model;
}

void
gst_defcn_open_declare (GstDefcnDetect *self)
{
  GstDefcnModelSetup setup, copy;
  g_autofree char *id = NULL;

  GST_OBJECT_LOCK (self);
  if (self->setup.instance_id && *self->setup.instance_id)
    id = g_strdup (self->setup.instance_id);
  setup = model_setup (&self->setup);
  copy = gst_defcn_model_setup_copy (&setup);
  GST_OBJECT_UNLOCK (self);
  gst_defcn_shared_declare (self, id, &copy);
  gst_defcn_model_setup_clear (&copy);
}

void
gst_defcn_open_withdraw (GstDefcnDetect *self)
{
  const GstDefcnModelSetup none = { 0 };

  gst_defcn_shared_declare (self, NULL, &none);
}

/* A bad model file, a bad setting and a device that does not work are
 * different errors to an application.  @model: NULL where others name it. */
static void
post_open_error (GstDefcnDetect *self, const char *model, GError *error)
{
  g_autofree char *shown = g_utf8_make_valid (model ? model : "", -1);

  gst_defcn_error_make_valid (error);
  if (error->domain == GST_RESOURCE_ERROR)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        ("One model-instance-id is one model."));
  else if (model && !g_file_test (model, G_FILE_TEST_EXISTS))
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND,
        ("There is no model file \"%s\".", shown),
        ("%s Set the property \"model\".", error->message));
  else if (g_error_matches (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND)
      || g_error_matches (error, DEFCN_ERROR, DEFCN_ERROR_VALUE))
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ, ("%s", error->message),
        (NULL));
}

/* NULL after posting an error. */
static GstDefcnWorker *
open_model (GstDefcnDetect *self, const GstDefcnSetup *setup)
{
  GstDefcnModelSetup wanted = model_setup (setup);
  g_autofree char *bundled = NULL;
  g_autoptr (GError) error = NULL;
  GstDefcnWorker *worker;

  if (!wanted.path && !(setup->instance_id && *setup->instance_id))
    wanted.path = bundled = gst_defcn_bundled_model ();
  worker = gst_defcn_worker_new (setup->instance_id, &wanted, setup->nireq,
      G_OBJECT (self), &error);
  if (!worker) {
    post_open_error (self, wanted.path, error);
    return NULL;
  }
  if (!gst_defcn_model_info_relabel (gst_defcn_worker_info (worker),
          setup->labels, setup->labels_file, &error)) {
    gst_defcn_error_make_valid (error);
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        (NULL));
    gst_defcn_worker_free (worker);
    return NULL;
  }
  return worker;
}

/* Hands @worker to the element, which is started then. */
static gboolean
take_worker (GstDefcnDetect *self, GstDefcnWorker *worker)
{
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  self->settings = gst_defcn_settings_new (&self->live,
      gst_defcn_worker_info (worker), &error);
  if (self->settings) {
    self->worker = worker;
    self->adapted = FALSE;
    self->stats = (GstDefcnStats){ 0 };
    self->latency = 0;
    self->upstream_live = FALSE;
  }
  GST_OBJECT_UNLOCK (self);
  if (!error)
    return TRUE;
  gst_defcn_error_make_valid (error);
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message), (NULL));
  gst_defcn_worker_free (worker);
  return FALSE;
}

/* Or somebody has named a folder of modules, as if there were one.  Where there
 * is none nobody wants to hear of CUDA. */
static gboolean
has_gpu (void)
{
  static const char *const devices[] = { "/dev/nvidiactl", "/dev/nvhost-gpu",
    "/dev/dxg" };

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    if (g_file_test (devices[i], G_FILE_TEST_EXISTS))
      return TRUE;
  return g_getenv ("DEFCN_MODULES") != NULL;
}

void
gst_defcn_open_announce (GstDefcnDetect *self, const char *path,
    const GstDefcnModelInfo *info)
{
  g_autofree char *model = g_utf8_make_valid (path, -1);
  const gboolean missed = info->passed_over && has_gpu ();

  GST_INFO_OBJECT (self, "CUDA: %s",
      info->passed_over ? info->passed_over : "taken, or not asked for");
  GST_ELEMENT_INFO (self, LIBRARY, INIT,
      ("%s runs on %s.", model, info->description),
      ("%s%s%s", info->description, missed ? "; " : "",
          missed ? info->passed_over : ""));
  if (info->tuning_problem)
    GST_ELEMENT_WARNING (self, RESOURCE, READ,
        ("A tuning file is ignored; it is measured anew."),
        ("%s", info->tuning_problem));
  g_object_notify (G_OBJECT (self), "active-device");
}

static void
add_difference (GString *text, const char *name, gboolean differs)
{
  if (differs)
    g_string_append_printf (text, "%s%s", text->len ? ", " : "", name);
}

/* What this element was given and the others have otherwise; a default was not
 * given. */
static char *
differences (const GstDefcnModelSetup *ours, const GstDefcnModelSetup *theirs)
{
  GString *text = g_string_new (NULL);

  add_difference (text, "device",
      g_strcmp0 (ours->device, theirs->device) != 0
          && g_strcmp0 (ours->device, "auto") != 0);
  add_difference (text, "precision",
      ours->precision != theirs->precision
          && ours->precision != GST_DEFCN_PRECISION_AUTO);
  add_difference (text, "threads",
      ours->threads != theirs->threads && ours->threads != 0);
  add_difference (text, "workers",
      ours->workers != theirs->workers && ours->workers != 1);
  add_difference (text, "exact", ours->exact && !theirs->exact);
  add_difference (text, "max-edge",
      ours->max_edge != theirs->max_edge
          && ours->max_edge != DEFCN_DETECTOR_MAX_EDGE);
  add_difference (text, "autotune", ours->autotune && !theirs->autotune);
  add_difference (text, "batch-size",
      ours->batch_size != theirs->batch_size && ours->batch_size != 1);
  add_difference (text, "batch-timeout",
      ours->batch_timeout != theirs->batch_timeout && ours->batch_timeout != 0);
  return g_string_free (text, FALSE);
}

static void
warn_differences (GstDefcnDetect *self, const GstDefcnSetup *setup,
    const GstDefcnModelSetup *theirs)
{
  const GstDefcnModelSetup ours = model_setup (setup);
  g_autofree char *text = differences (&ours, theirs);

  if (*text)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("model-instance-id=%s runs with other values than this element has "
         "for: %s.",
            setup->instance_id, text),
        ("Those of the element that names the model, and starts first, hold."));
}

gboolean
gst_defcn_open (GstDefcnDetect *self, const GstDefcnSetup *setup)
{
  GstDefcnWorker *worker = open_model (self, setup);
  GstDefcnModelSetup theirs;

  if (!worker || !take_worker (self, worker))
    return FALSE;
  theirs = gst_defcn_worker_setup (worker);
  warn_differences (self, setup, &theirs);
  gst_defcn_open_announce (self, theirs.path, gst_defcn_worker_info (worker));
  gst_defcn_model_setup_clear (&theirs);
  return TRUE;
}

void
gst_defcn_close (GstDefcnDetect *self)
{
  GstDefcnWorker *worker;
  GstDefcnSettings *settings;

  GST_OBJECT_LOCK (self);
  worker = g_steal_pointer (&self->worker);
  settings = g_steal_pointer (&self->settings);
  GST_OBJECT_UNLOCK (self);
  gst_defcn_worker_free (worker);
  gst_defcn_settings_unref (settings);
}
