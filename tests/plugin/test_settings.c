/* The properties of defcndetect: values, defaults, and what is refused. */
#include "rig.h"
#include "detect/settings.h"
#include "list.h"
#include "detect/stats.h"
#include "field.h"
#include "testing.h"

#define CAPS "video/x-raw,format=RGB,width=160,height=120,framerate=25/1"

static GstDefcnModelInfo *
info_new (void)
{
  GstDefcnModelInfo *info = gst_defcn_model_info_new ("any");

  info->labels = g_strsplit ("person,traffic light,dog", ",", -1);
  info->n_classes = 3;
  info->threshold = 0.25f;
  info->max_detections = 77;
  info->duplicate_filter = 0.625f;
  info->hash = info->device = "";
  return info;
}

/* A label may have an equals sign: the last one ends it.  Classes that no list
 * names have the threshold that is set. */
static void
test_list_details (void)
{
  const GstDefcnLive live = { .threshold = 0.125f,
    .class_thresholds = (char *) "a=b=0.5" };
  g_autoptr (GstDefcnModelInfo) info = info_new ();
  g_autoptr (GstDefcnSettings) s = NULL;
  g_autoptr (GError) error = NULL;

  g_free (info->labels[2]);
  info->labels[2] = g_strdup ("a=b");
  s = gst_defcn_settings_new (&live, info, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (s->class_thresholds[0], ==, 0.125f);
  g_assert_cmpfloat (s->class_thresholds[1], ==, 0.125f);
  g_assert_cmpfloat (s->class_thresholds[2], ==, 0.5f);
}

/* A name may have a comma, and a backslash, behind a backslash. */
static void
test_commas (void)
{
  static const struct
  {
    const char *text;
    const char *items[4];
  } cases[] = {
    { "", { NULL } },
    { "a", { "a" } },
    { "a,b", { "a", "b" } },
    { "a,,b,", { "a", "", "b", "" } },
    { "a\\,b,c", { "a,b", "c" } },
    { "a\\\\,b", { "a\\", "b" } },
    { "a\\n,b\\", { "a\\n", "b\\" } },
  };
  const GstDefcnLive live = { .threshold = -1,
    .classes = (char *) "person, dog\\, large ",
    .class_thresholds = (char *) "dog\\, large=0.5" };
  g_autoptr (GstDefcnModelInfo) info = info_new ();
  g_autoptr (GstDefcnSettings) s = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) items = gst_defcn_list_split (cases[i].text);
    guint n = 0;

    g_test_message ("%s", cases[i].text);
    for (; items[n]; n++)
      g_assert_cmpstr (items[n], ==, cases[i].items[n]);
    g_assert_true (n == 4 || !cases[i].items[n]);
  }
  g_assert_true (gst_defcn_model_info_relabel (info, "person,cat,dog\\, large",
      NULL, &error));
  g_assert_cmpstr (info->labels[2], ==, "dog, large");
  s = gst_defcn_settings_new (&live, info, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (s->class_thresholds[1], ==, 2);
  g_assert_cmpfloat (s->class_thresholds[2], ==, 0.5f);
}

/* The lines of a file are its labels, spaces around them aside and the end of
 * the last one too; an empty one at the beginning is one too many. */
static void
test_labels_file (void)
{
  static const struct
  {
    const char *name, *content;
    gboolean good;
  } cases[] = {
    { "plain.txt", "a\nb\nc", TRUE },
    { "marked.txt",
        "\xef\xbb\xbf"
        "a\nb\nc",
        TRUE },
    { "marked-late.txt", "a\n\xef\xbb\xbf\x1b\nc", FALSE },
    { "escape.txt", "a\nb\033[31m\nc", FALSE },
    { "ended.txt", "a\nb\nc\n", TRUE },
    { "spaces.txt", " a \r\n\tb\r\nc\r\n\n", TRUE },
    { "empty-first.txt", "\na\nb\nc\n", FALSE },
    { "empty-within.txt", "a\n\nc\n", FALSE },
    { "short.txt", "a\nb\n", FALSE },
    { "nothing.txt", "", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file (cases[i].name, cases[i].content);
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", cases[i].name);
    g_assert_cmpint (gst_defcn_model_info_relabel (info, NULL, path, &error),
        ==, cases[i].good);
    g_assert_cmpstr (info->labels[0], ==, cases[i].good ? "a" : "person");
    g_assert_cmpstr (info->labels[2], ==, cases[i].good ? "c" : "dog");
    if (!cases[i].good)
      g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  }
}

/* The lists of thresholds and classes: what they mean. */
static void
test_lists (void)
{
  static const struct
  {
    const char *thresholds, *classes;
    float wanted[3]; /* -1: no array at all */
  } cases[] = {
    { NULL, NULL, { -1 } },
    { "", "", { -1 } },
    { "dog=0.5", NULL, { 0.25f, 0.25f, 0.5f } },
    { " dog = 0.5 ,traffic light=1", NULL, { 0.25f, 1, 0.5f } },
    { "person=0,person=0.75", NULL, { 0.75f, 0.25f, 0.25f } },
    { NULL, "dog", { 2, 2, 0.25f } },
    { NULL, "traffic light, person", { 0.25f, 0.25f, 2 } },
    { "dog=0.5,person=0.1", "dog", { 2, 2, 0.5f } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnLive live = { .threshold = -1,
      .class_thresholds = (char *) cases[i].thresholds,
      .classes = (char *) cases[i].classes };
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GstDefcnSettings) s =
        gst_defcn_settings_new (&live, info, &error);

    g_assert_no_error (error);
    g_assert_true (s->threshold == 0.25f);
    g_assert_cmpint (s->max_detections, ==, 77);
    if (cases[i].wanted[0] == -1) {
      g_assert_null (s->class_thresholds);
      continue;
    }
    for (int c = 0; c < 3; c++)
      g_assert_true (s->class_thresholds[c] == cases[i].wanted[c]);
  }
}

/* All else is taken as it is, each from its own. */
static void
test_taken (void)
{
  for (int i = 0; i < 4; i++) {
    const GstDefcnLive live = { .interval = 3 + i,
      .stats_interval = G_GUINT64_CONSTANT (5000000000) + i,
      .max_age = 7 + i,
      .max_still = 100 + i,
      .skip_still = 2.5f + i,
      .repeat = i == 0,
      .no_block = i == 1,
      .message = i == 2,
      .qos = i == 3 };
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GstDefcnSettings) s = gst_defcn_settings_new (&live, info, NULL);

    g_assert_cmpuint (s->interval, ==, 3 + i);
    g_assert_cmpuint (s->stats_interval, ==,
        G_GUINT64_CONSTANT (5000000000) + i);
    g_assert_cmpuint (s->max_age, ==, 7 + i);
    g_assert_cmpuint (s->max_still, ==, 100 + i);
    g_assert_cmpfloat (s->skip_still, ==, 2.5f + i);
    g_assert_cmpint (s->repeat, ==, i == 0);
    g_assert_cmpint (s->no_block, ==, i == 1);
    g_assert_cmpint (s->message, ==, i == 2);
    g_assert_cmpint (s->qos, ==, i == 3);
  }
}

/* What is not set is the model's, each value by itself; zero is a value. */
static void
test_model_values (void)
{
  for (int i = 0; i < 4; i++) {
    const GstDefcnLive live = { .threshold = i & 1 ? 0 : -1,
      .max_detections_set = i & 2,
      .max_detections = 5,
      .duplicate_filter = i - 2 };
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GstDefcnSettings) s = gst_defcn_settings_new (&live, info, NULL);

    g_assert_cmpfloat (s->threshold, ==, i & 1 ? 0 : 0.25f);
    g_assert_cmpint (s->max_detections, ==, i & 2 ? 5 : 77);
    g_assert_cmpfloat (s->duplicate_filter, ==, i < 2 ? 0.625f : i - 2);
  }
}

/* What a list of settings refuses, and the words that name the culprit. */
static void
test_lists_refused (void)
{
  static const struct
  {
    const char *thresholds, *classes, *roi, *words;
  } cases[] = {
    { "cat=0.5", NULL, NULL, "no class \"cat\"" },
    { "Dog=0.5", NULL, NULL, "no class \"Dog\"" },
    { "dog", NULL, NULL, "not of the form class=threshold" },
    { "dog=", NULL, NULL, "not a number" },
    { "dog=x", NULL, NULL, "not a number" },
    { "dog=0.5x", NULL, NULL, "not a number" },
    { "dog=0,5", NULL, NULL, "not of the form" },
    { "dog=1.01", NULL, NULL, "not a number from 0 to 1" },
    { "dog=-0.1", NULL, NULL, "not a number from 0 to 1" },
    { "dog=nan", NULL, NULL, "not a number" },
    { "=0.5", NULL, NULL, "no class \"\"" },
    { "dog=0.5,", NULL, NULL, "not of the form" },
    { NULL, "cat", NULL, "no class \"cat\"" },
    { NULL, "dog,,person", NULL, "no class \"\"" },
    { NULL, NULL, "1,2,3", "roi: \"1,2,3\"" },
    { NULL, NULL, "1,2,3,4,5", "roi" },
    { NULL, NULL, "1,2,3,x", "roi" },
    { NULL, NULL, "1,2,0,4", "roi" },
    { NULL, NULL, "-1,2,3,4", "roi" },
    { NULL, NULL, "1,2,3,99999999999999999999", "roi" },
    { NULL, NULL, "0,0,9,9;;1,1,9,9", "roi" },
    { NULL, NULL, ";", "roi" },
    { NULL, NULL, " ", "roi" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnLive live = { .class_thresholds = (char *) cases[i].thresholds,
      .classes = (char *) cases[i].classes,
      .roi = (char *) cases[i].roi };
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GstDefcnSettings) s =
        gst_defcn_settings_new (&live, info, &error);

    g_assert_null (s);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull (strstr (error->message, cases[i].words));
  }
}

static void
test_roi_lists (void)
{
  static const struct
  {
    const char *roi;
    guint n;
    DefcnRegion last;
  } cases[] = {
    { NULL, 0, { 0 } },
    { "", 0, { 0 } },
    { "0,0,1,1", 1, { 0, 0, 1, 1 } },
    { " 1, 2,3 ,4 ;", 1, { 1, 2, 3, 4 } },
    { "0,0,9,9; 5,6,7,16384", 2, { 5, 6, 7, 16384 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnLive live = { .roi = (char *) cases[i].roi };
    g_autoptr (GstDefcnModelInfo) info = info_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GstDefcnSettings) s =
        gst_defcn_settings_new (&live, info, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (s->roi->len, ==, cases[i].n);
    if (cases[i].n)
      g_assert_cmpmem (&g_array_index (s->roi, DefcnRegion, cases[i].n - 1),
          sizeof (DefcnRegion), &cases[i].last, sizeof (DefcnRegion));
  }
}

/* Percentiles by nearest rank over the last 128; the first inference, which
 * plans, counts only while it is alone. */
static void
test_percentiles (void)
{
  GstDefcnStats *stats = g_new0 (GstDefcnStats, 1);
  DefcnTimings slow = { 5, 1000000, 5 };

  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_TOTAL,
                        95),
      ==, 0);
  gst_defcn_stats_add (stats, &slow, 0, 3);
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_TOTAL,
                        50),
      ==, 1000010);
  for (guint i = 1; i <= 100; i++) {
    DefcnTimings t = { 0, i, 1 };

    gst_defcn_stats_add (stats, &t, 0, 0);
  }
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_INFERENCE,
                        50),
      ==, 50);
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_INFERENCE,
                        95),
      ==, 95);
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_TOTAL,
                        100),
      ==, 101);
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_TOTAL, 0),
      ==, 2);
  for (guint i = 0; i < 200; i++) {
    DefcnTimings t = { 0, 7, 0 };

    gst_defcn_stats_add (stats, &t, 0, 0);
  }
  g_assert_cmpuint (gst_defcn_stats_percentile (stats, GST_DEFCN_TIME_INFERENCE,
                        100),
      ==, 7);
  g_assert_cmpuint (stats->inferred, ==, 301);
  g_assert_cmpuint (stats->objects, ==, 3);
  g_free (stats);
}

/* As many samples as there is room for count, and the next one takes the place
 * of the oldest. */
static void
test_ring (void)
{
  g_autofree GstDefcnStats *stats = g_new0 (GstDefcnStats, 1);
  const guint n = GST_DEFCN_STATS_SAMPLES;

  for (guint i = 0; i <= 2 * n; i++) { /* 0 is the first one, which plans */
    const DefcnTimings t = { 0, i, 0 };

    gst_defcn_stats_add (stats, &t, 0, 0);
    if (i < n)
      continue;
    g_assert_cmpuint (gst_defcn_stats_percentile (stats,
                          GST_DEFCN_TIME_INFERENCE, 100),
        ==, i);
    g_assert_cmpuint (gst_defcn_stats_percentile (stats,
                          GST_DEFCN_TIME_INFERENCE, 0),
        ==, i - n + 1);
  }
}

/* The nearest rank of any number of samples: the least of them that @percent
 * of them do not exceed. */
static void
test_nearest_rank (void)
{
  g_autofree GstDefcnStats *stats = g_new0 (GstDefcnStats, 1);

  for (guint n = 1; n <= GST_DEFCN_STATS_SAMPLES; n++) {
    stats->n_samples = n;
    for (guint i = 0; i < n; i++) /* 1 to n in no order */
      stats->times[GST_DEFCN_TIME_INFERENCE][i] = n % 7 ? i * 7 % n + 1 : i + 1;
    for (guint percent = 1; percent <= 100; percent++) {
      guint rank = 1;

      while (rank * 100 < percent * n)
        rank++;
      g_assert_cmpuint (gst_defcn_stats_percentile (stats,
                            GST_DEFCN_TIME_INFERENCE, percent),
          ==, rank);
    }
  }
}

/* Every property is documented, says in which states it may change, and
 * comes back as it was set. */
static void
test_properties (void)
{
  static const struct
  {
    const char *name, *initial, *set; /* set NULL: read only */
    gboolean live;
  } cases[] = {
    { "model", NULL, "/no/where", TRUE },
    { "device", "auto", "cpu", TRUE },
    { "active-device", NULL, NULL, FALSE },
    { "precision", "auto", "fp32", TRUE },
    { "threshold", "-1", "1", TRUE },
    { "class-thresholds", NULL, "person=0.5", TRUE },
    { "classes", NULL, "person", TRUE },
    { "max-detections", "100", "1000", TRUE },
    { "duplicate-filter", "-1", "0.5", TRUE },
    { "labels", NULL, "a,b", FALSE },
    { "labels-file", NULL, "x", FALSE },
    { "inference-interval", "1", "4294967295", TRUE },
    { "repeat-detections", "false", "true", TRUE },
    { "inference-region", "full-frame", "roi-list", FALSE },
    { "orientation", "auto", "none", FALSE },
    { "merge-regions", "true", "false", TRUE },
    { "max-age", "5000000000", "18446744073709551615", TRUE },
    { "skip-still", "0", "255", TRUE },
    { "max-still", "2000000000", "18446744073709551615", TRUE },
    { "object-class", NULL, "person", FALSE },
    { "roi", NULL, "1,2,3,4", TRUE },
    { "no-block", "false", "true", TRUE },
    { "threads", "0", "1024", TRUE },
    { "workers", "1", "16", FALSE },
    { "nireq", "1", "16", FALSE },
    { "model-instance-id", NULL, "a", FALSE },
    { "batch-size", "1", "64", FALSE },
    { "batch-timeout", "0", "10000", TRUE },
    { "exact", "false", "true", FALSE },
    { "autotune", "false", "true", FALSE },
    { "max-edge", "2048", "16384", FALSE },
    { "meta", NULL, "roi+custom", FALSE },
    { "message", "false", "true", TRUE },
    { "stats", NULL, NULL, FALSE },
    { "stats-interval", "0", "18446744073709551615", TRUE },
    { "qos", "true", "false", TRUE },
  };
  GstElement *element = gst_element_factory_make ("defcndetect", NULL);
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);
  guint n, own = 0;
  g_autofree GParamSpec **specs = g_object_class_list_properties (klass, &n);

  for (guint i = 0; i < n; i++)
    own += specs[i]->owner_type == G_OBJECT_TYPE (element);
  g_assert_cmpuint (own, ==, G_N_ELEMENTS (cases));

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GParamSpec *spec = g_object_class_find_property (klass, cases[i].name);
    GValue value = G_VALUE_INIT;
    guint flags = spec->flags;

    g_assert_cmpuint (strlen (g_param_spec_get_blurb (spec)), >, 10);
    g_assert_cmpint (cases[i].set != NULL, ==, !!(flags & G_PARAM_WRITABLE));
    g_assert_true (flags & G_PARAM_READABLE);
    g_assert_cmpint (cases[i].live, ==, !!(flags & GST_PARAM_MUTABLE_PLAYING));
    if (!cases[i].live && cases[i].set)
      g_assert_true (flags & GST_PARAM_MUTABLE_READY);

    g_value_init (&value, spec->value_type);
    if (cases[i].initial) {
      GValue wanted = G_VALUE_INIT;

      g_value_init (&wanted, spec->value_type);
      g_assert_true (gst_value_deserialize (&wanted, cases[i].initial));
      g_object_get_property (G_OBJECT (element), cases[i].name, &value);
      g_assert_cmpint (g_param_values_cmp (spec, &value, &wanted), ==, 0);
      g_assert_true (g_param_value_defaults (spec, &value));
      g_value_unset (&wanted);
    }
    if (cases[i].set) {
      GValue wanted = G_VALUE_INIT;

      gst_util_set_object_arg (G_OBJECT (element), cases[i].name, cases[i].set);
      g_value_init (&wanted, spec->value_type);
      g_assert_true (gst_value_deserialize (&wanted, cases[i].set));
      g_value_reset (&value);
      g_object_get_property (G_OBJECT (element), cases[i].name, &value);
      g_assert_cmpint (g_param_values_cmp (spec, &value, &wanted), ==, 0);
      g_value_unset (&wanted);
    }
    g_value_unset (&value);
  }
  gst_object_unref (element);
}

/* A type that no property here has is the fault of who wrote the element: it
 * is told, and the field stays as it is. */
static void
test_unknown_field (void)
{
  GValue value = G_VALUE_INIT;
  gint64 field = 7;

  g_value_init (&value, G_TYPE_INT64);
  g_value_set_int64 (&value, 5);
  for (int get = 0; get < 2; get++) {
    g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*not be reached*");
    if (get)
      gst_defcn_field_get (&value, &field);
    else
      gst_defcn_field_set (&field, &value);
    g_test_assert_expected_messages ();
  }
  g_assert_cmpint (field, ==, 7);
  g_assert_cmpint (g_value_get_int64 (&value), ==, 5);
  g_value_unset (&value);
}

/* The default metadata is all that needs no thought: ROI metas, and ODMtds
 * where GStreamer has them. */
static void
test_default_meta (void)
{
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcndetect", NULL);
  guint flags;

  g_object_get (element, "meta", &flags, NULL);
  g_assert_cmpuint (flags, ==,
      gst_defcn_meta_supported () & ~(guint) GST_DEFCN_META_CUSTOM);
}

typedef struct
{
  const char *name, *properties;
  GQuark (*domain) (void);
  int code;
  const char *words;
} Refusal;

/* %s is the good model; other files are made beforehand. */
static const Refusal refusals[] = {
  { "missing-model", "model=/no/such/file.safetensors",
      gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND,
      "/no/such/file.safetensors" },
  { "broken-model", "model=$broken", gst_resource_error_quark,
      GST_RESOURCE_ERROR_OPEN_READ, "broken" },
  { "short-model", "model=$short", gst_resource_error_quark,
      GST_RESOURCE_ERROR_OPEN_READ, "short" },
  { "foreign-model", "model=$foreign", gst_resource_error_quark,
      GST_RESOURCE_ERROR_OPEN_READ, "defcn.spec" },
  { "folder-as-model", "model=/", gst_resource_error_quark,
      GST_RESOURCE_ERROR_OPEN_READ, "" },
  { "cuda-7", "model=$model device=cuda:7", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "cuda" },
  { "unknown-device", "model=$model device=abacus", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "abacus" },
  { "fp16", "model=$model device=reference precision=fp16",
      gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS, "fp16" },
  { "bf16", "model=$model device=reference precision=bf16",
      gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS, "bf16" },
  { "class-thresholds", "model=$model class-thresholds=cat=0.5",
      gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS,
      "no class \"cat\"" },
  { "classes", "model=$model classes=cat", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "no class \"cat\"" },
  { "roi", "model=$model roi=all", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "roi: \"all\"" },
  { "labels", "model=$model labels=a,b", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "2 labels, the model has 3" },
  { "empty-label", "model=$model labels=a,,c", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "label 2 is empty" },
  { "labels-file", "model=$model labels-file=$four", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "4 labels, the model has 3" },
  { "latin-labels", "model=$model labels-file=$latin", gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "label 2 is not UTF-8" },
  { "no-labels-file", "model=$model labels-file=/no/such/file",
      gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS, "/no/such/file" },
  { "two-labels", "model=$model labels=a,b,c labels-file=$four",
      gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS, "both set" },
};

/* Puts the paths of the files into a launch line. */
static char *
expand (const char *properties)
{
  static char *broken, *short_file, *foreign, *four, *latin;
  g_autoptr (GString) s = g_string_new (properties);

  if (!broken) {
    broken = rig_file ("broken.safetensors", "This is no model at all.");
    short_file = rig_file ("short.safetensors", "abc");
    /* Eight bytes of length and an empty object, without any spec. */
    foreign = rig_file ("foreign.safetensors", "");
    four = rig_file ("four.txt", "a\nb\nc\nd\n");
    latin = rig_file ("latin.txt", "a\nb\xe9\nc\n");
    g_assert_true (
        g_file_set_contents (foreign, "\x08\0\0\0\0\0\0\0{}      ", 16, NULL));
  }
  g_string_replace (s, "$model", rig_model (), 0);
  g_string_replace (s, "$broken", broken, 0);
  g_string_replace (s, "$short", short_file, 0);
  g_string_replace (s, "$foreign", foreign, 0);
  g_string_replace (s, "$four", four, 0);
  g_string_replace (s, "$latin", latin, 0);
  return g_string_free (g_steal_pointer (&s), FALSE);
}

/* A bad setting stops the start with one error that says what is wrong. */
static void
test_refusal (gconstpointer data)
{
  const Refusal *r = data;
  g_autofree char *properties = expand (r->properties);
  g_autofree char *launch =
      g_strdup_printf ("videotestsrc num-buffers=1 ! %s ! defcndetect name=d "
                       "threads=1 %s ! "
                       "fakesink",
          CAPS, properties);
  g_autoptr (GError) parse = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &parse);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_no_error (parse);
  bus = gst_element_get_bus (pipeline);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  message =
      gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpstr (GST_MESSAGE_SRC_NAME (message), ==, "d");
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, r->domain (), r->code);
  if (!strstr (error->message, r->words))
    g_error ("\"%s\" does not say \"%s\"", error->message, r->words);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* An element that cannot start for @value says so in UTF-8. */
static void
assert_valid_text (const char *factory, const char *name, const char *value)
{
  g_autoptr (GstElement) element = gst_element_factory_make (factory, NULL);
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  if (g_str_equal (factory, "defcndetect"))
    g_object_set (element, "model", rig_model (), "threads", 1, NULL);
  g_object_set (element, name, value, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  if (!g_utf8_validate (error->message, -1, NULL))
    g_error ("the message about %s is not UTF-8", name);
  gst_element_set_bus (element, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
}

/* Values may be any bytes, as names of files are; messages are text. */
static void
test_other_bytes (void)
{
  static const char bytes[] = "/nowhere\xff\xfe/a";
  static const char *const names[] = { "model", "device", "labels",
    "labels-file", "classes", "class-thresholds", "roi" };
  g_autofree char *latin = rig_file ("name-\xff.safetensors", "");
  g_autofree char *launch =
      g_strdup_printf ("videotestsrc num-buffers=1 ! %s ! defcndetect name=d "
                       "threads=1 model=%s ! fakesink",
          CAPS, rig_model ());
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, NULL);
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), "d");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    assert_valid_text ("defcndetect", names[i], bytes);
  assert_valid_text ("defcndetect", "model", latin);
  assert_valid_text ("defcnpublish", "location", bytes);
  assert_valid_text ("defcnpublish", "tags", bytes);

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (pipeline, NULL, NULL, 60 * GST_SECOND);
  g_object_set (element, "roi", bytes, NULL);
  {
    g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_WARNING);
    g_autoptr (GError) error = NULL;

    gst_message_parse_warning (message, &error, NULL);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* ODMtds are not promised where they cannot be written. */
static void
test_analytics (void)
{
  g_autofree char *launch =
      g_strdup_printf ("videotestsrc num-buffers=1 ! %s ! defcndetect name=d "
                       "threads=1 "
                       "model=%s meta=analytics ! fakesink",
          CAPS, rig_model ());
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, NULL);
  gboolean built = gst_defcn_meta_supported () & GST_DEFCN_META_ANALYTICS;
  GstStateChangeReturn ret = gst_element_set_state (pipeline, GST_STATE_PAUSED);

  g_assert_cmpint (ret == GST_STATE_CHANGE_FAILURE, ==, !built);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
assert_warning (GstBus *bus, const char *words)
{
  g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  g_assert_nonnull (strstr (error->message, words));
}

/* While frames flow a bad value is refused with a warning, and so is a model
 * that does not open; the old ones go on and no frame is lost. */
static void
test_live_refusal (void)
{
  static const struct
  {
    const char *name, *good, *bad, *words;
  } cases[] = {
    { "class-thresholds", "dog=0.5", "cat=0.5", "no class \"cat\"" },
    { "classes", "person,car", "person,cat", "no class \"cat\"" },
    { "roi", "0,0,80,80", "0,0,0,0", "roi" },
    { "model", NULL, "/no/such/file", "is not taken" },
  };
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) out = NULL;
    g_autofree char *now = NULL;

    if (cases[i].good)
      g_object_set (element, cases[i].name, cases[i].good, NULL);
    g_object_set (element, cases[i].name, cases[i].bad, NULL);
    assert_warning (bus, cases[i].words);
    g_object_get (element, cases[i].name, &now, NULL);
    g_assert_cmpstr (now, ==, cases[i].good ? cases[i].good : rig_model ());
    out = gst_harness_push_and_pull (h, rig_frame (h, i));
    g_assert_true (rig_mark (out).inferred);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* What runs is told in a message and in active-device. */
static void
test_active_device (void)
{
  for (int i = 0; i < 2; i++) {
    g_autofree char *launch =
        g_strdup_printf ("videotestsrc num-buffers=1 ! %s ! defcndetect name=d "
                         "threads=1 "
                         "model=%s device=%s ! fakesink",
            CAPS, rig_model (), i ? testing_backend () : "auto");
    g_autoptr (GstElement) pipeline = gst_parse_launch (launch, NULL);
    g_autoptr (GstElement) element =
        gst_bin_get_by_name (GST_BIN (pipeline), "d");
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    g_autofree char *before = NULL, *device = NULL;

    g_object_get (element, "active-device", &before, NULL);
    g_assert_null (before);
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL,
                         60 * GST_SECOND),
        ==, GST_STATE_CHANGE_SUCCESS);
    g_object_get (element, "active-device", &device, NULL);
    if (i) {
      g_assert_cmpstr (device, ==, testing_backend ());
    }
    {
      g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_INFO);
      g_autoptr (GError) info = NULL;

      gst_message_parse_info (message, &info, NULL);
      g_assert_nonnull (device);
      g_assert_nonnull (strstr (info->message, device));
    }
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
}

/* A reader of gst-inspect-1.0 can type what the texts say: one backslash. */
static void
test_blurbs (void)
{
  static const char *const names[] = { "defcndetect", "defcnoverlay",
    "defcnpublish", "defcnsnapshot", "defcntrack", "defcnzones" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElement) element = gst_element_factory_make (names[i], NULL);
    g_autofree GParamSpec **specs = NULL;
    guint n = 0;

    if (!element) /* not built: defcnsnapshot alone */
      continue;
    specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
    g_assert_cmpuint (n, >, 0);
    for (guint k = 0; k < n; k++)
      g_assert_null (strstr (g_param_spec_get_blurb (specs[k]), "\\\\"));
  }
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/settings/lists", test_lists);
  g_test_add_func ("/settings/list-details", test_list_details);
  g_test_add_func ("/settings/labels-file", test_labels_file);
  g_test_add_func ("/settings/commas", test_commas);
  g_test_add_func ("/settings/taken", test_taken);
  g_test_add_func ("/settings/model-values", test_model_values);
  g_test_add_func ("/settings/lists-refused", test_lists_refused);
  g_test_add_func ("/settings/roi-lists", test_roi_lists);
  g_test_add_func ("/settings/percentiles", test_percentiles);
  g_test_add_func ("/settings/ring", test_ring);
  g_test_add_func ("/settings/nearest-rank", test_nearest_rank);
  g_test_add_func ("/settings/properties", test_properties);
  g_test_add_func ("/settings/unknown-field", test_unknown_field);
  g_test_add_func ("/settings/default-meta", test_default_meta);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path =
        g_strconcat ("/settings/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refusal);
  }
  g_test_add_func ("/settings/other-bytes", test_other_bytes);
  g_test_add_func ("/settings/analytics", test_analytics);
  g_test_add_func ("/settings/live-refusal", test_live_refusal);
  g_test_add_func ("/settings/active-device", test_active_device);
  g_test_add_func ("/settings/blurbs", test_blurbs);
  return rig_run ();
}
