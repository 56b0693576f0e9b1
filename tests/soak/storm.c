/* What others do to a pipeline that runs. */
#include <glib/gstdio.h>

#include "storm.h"

static const struct
{
  const char *element, *property;
  const char *values[4];
} settings[] = {
  { "detect", "threshold", { "-1", "0", "0.9", "1" } },
  { "detect", "class-thresholds", { "person=0.6", "", "nobody=1", "x" } },
  { "detect", "classes", { "person", "car,dog", "unicorn", "" } },
  { "detect", "roi", { "", "0,0,10,10", "5,5,500,500;0,0,9,9", "1,2" } },
  { "detect", "max-detections", { "1", "100", "1000", "5" } },
  { "detect", "duplicate-filter", { "-1", "0", "0.5", "1" } },
  { "detect", "inference-interval", { "1", "2", "7", "1" } },
  { "detect", "repeat-detections", { "true", "false", "true", "false" } },
  { "detect", "skip-still", { "0", "3", "255", "0.5" } },
  { "detect", "max-still", { "0", "100000000", "2000000000", "1" } },
  { "detect", "max-age", { "0", "100000000", "18446744073709551615", "1" } },
  { "detect", "no-block", { "true", "false", "true", "false" } },
  { "detect", "qos", { "true", "false", "true", "false" } },
  { "detect", "message", { "true", "false", "true", "false" } },
  { "detect", "merge-regions", { "true", "false", "true", "false" } },
  { "detect", "stats-interval", { "0", "1", "100000000", "0" } },
  { "detect", "batch-timeout", { "0", "1", "10", "0" } },
  /* Refused while it runs. */
  { "detect", "labels", { "a,b,c", "a", "", "a,b,c" } },
  { "detect", "max-edge", { "64", "2048", "16384", "1" } },
  { "publish", "source", { "a", "rtsp://u:p@h/", "", "\xff" } },
  { "publish", "timestamp-utc", { "true", "false", "true", "false" } },
  { "publish", "add-empty-results", { "true", "true", "false", "true" } },
  { "overlay", "thickness", { "1", "100", "2", "9" } },
  { "overlay", "color", { "0", "255", "16711680", "1" } },
  { "overlay", "hide-labels", { "person", "", "car,dog", "x" } },
  { "overlay", "show-labels", { "true", "false", "true", "false" } },
  { "overlay", "label-format", { "{label}", "{id} {age}s", "{none}", "{" } },
  { "overlay", "class-colors", { "person=0xff0000", "car", "", "a=#000001" } },
  { "overlay", "color-by", { "class", "id", "class", "id" } },
  { "overlay", "font", { "dots", "Sans", "Sans Bold", "\xff" } },
  { "overlay", "font-size", { "0", "8", "30", "40" } },
  { "overlay", "trails", { "0", "1", "0.1", "600" } },
  { "overlay", "show-zones", { "true", "false", "true", "false" } },
  { "overlay", "redact", { "", "person", "person,car", "unicorn" } },
  { "overlay", "redact-margin", { "0", "0.1", "1", "10" } },
};

/* While it runs: a bad value is refused then, and an error when it starts. */
static void
set_properties (GstElement *pipeline, GRand *rand)
{
  if (GST_STATE (pipeline) < GST_STATE_PAUSED)
    return;
  for (int i = g_rand_int_range (rand, 1, 20); i > 0; i--) {
    const guint which =
        (guint) g_rand_int_range (rand, 0, G_N_ELEMENTS (settings));
    g_autoptr (GstElement) element =
        gst_bin_get_by_name (GST_BIN (pipeline), settings[which].element);

    if (g_object_class_find_property (G_OBJECT_GET_CLASS (element),
            settings[which].property))
      gst_util_set_object_arg (G_OBJECT (element), settings[which].property,
          settings[which].values[g_rand_int_range (rand, 0, 4)]);
  }
}

/* Another model, or none that there is, or other settings of it. */
static void
reload (GstElement *pipeline, char *const *models, GRand *rand)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (pipeline), "detect");

  /* One that does not run would have to start with it. */
  if (GST_STATE (detect) < GST_STATE_PAUSED)
    return;
  if (g_rand_boolean (rand))
    gst_util_set_object_arg (G_OBJECT (detect), "precision",
        g_rand_boolean (rand) ? "fp32" : "auto");
  g_object_set (detect, "model", models[g_rand_int_range (rand, 0, 3)], NULL);
}

static void
seek (GstElement *pipeline)
{
  gst_element_send_event (pipeline,
      gst_event_new_seek (1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
          GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
}

static void
ask (GstElement *pipeline)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (pipeline), "detect");
  g_autoptr (GstStructure) stats = NULL;
  g_autofree char *device = NULL;
  GstQuery *query = gst_query_new_latency ();

  g_object_get (detect, "stats", &stats, "active-device", &device, NULL);
  gst_element_query (pipeline, query);
  gst_query_unref (query);
}

/* Whoever rotates logs takes it away. */
static void
rotate (const char *log)
{
  g_autofree char *to = g_strconcat (log, ".1", NULL);

  g_rename (log, to);
}

gboolean
storm (GstElement *pipeline, char *const *models, const char *log, GRand *rand)
{
  const int dice = g_rand_int_range (rand, 0, 40);

  if (dice < 25)
    set_properties (pipeline, rand);
  else if (dice < 30)
    ask (pipeline);
  else if (dice < 33)
    rotate (log);
  else if (dice < 36)
    seek (pipeline);
  else if (dice < 39)
    reload (pipeline, models, rand);
  else
    gst_element_set_state (pipeline, GST_STATE_READY);
  return dice >= 39;
}
