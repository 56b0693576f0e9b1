/* What the properties of defcndetect say, checked against a model. */
#include <string.h>

#include "settings.h"

#include "list.h"
#include "object.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* of Windows' editors */

/* No score is above it: the threshold of a class that is not wanted. */
#define NEVER 2.0f

/* Structures hold no text but UTF-8. */
static const char *
interned_name (const char *path)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *valid = g_utf8_make_valid (name, -1);

  return g_intern_string (valid);
}

GstDefcnModelInfo *
gst_defcn_model_info_new (const char *path)
{
  GstDefcnModelInfo *info = g_atomic_rc_box_new0 (GstDefcnModelInfo);

  info->name = interned_name (path);
  return info;
}

GstDefcnModelInfo *
gst_defcn_model_info_copy (const GstDefcnModelInfo *info)
{
  GstDefcnModelInfo *copy = g_atomic_rc_box_new0 (GstDefcnModelInfo);

  *copy = *info;
  copy->labels = g_strdupv (info->labels);
  copy->description = g_strdup (info->description);
  copy->passed_over = g_strdup (info->passed_over);
  copy->tuning_problem = g_strdup (info->tuning_problem);
  return copy;
}

GstDefcnModelInfo *
gst_defcn_model_info_ref (GstDefcnModelInfo *info)
{
  return g_atomic_rc_box_acquire (info);
}

static void
info_clear (gpointer data)
{
  GstDefcnModelInfo *info = data;

  g_strfreev (info->labels);
  g_free (info->description);
  g_free (info->passed_over);
  g_free (info->tuning_problem);
}

void
gst_defcn_model_info_unref (GstDefcnModelInfo *info)
{
  if (info)
    g_atomic_rc_box_release_full (info, info_clear);
}

/* What speaks against a label, NULL: nothing. */
static const char *
label_fault (const char *label)
{
  if (!*label)
    return "empty";
  if (!g_utf8_validate (label, -1, NULL))
    return "not UTF-8, convert it";
  if (strlen (label) > GST_DEFCN_MAX_LABEL)
    return "longer than 255 bytes";
  for (const char *c = label; *c; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      return "not printable: it has control characters";
  return NULL;
}

/* (transfer full) @labels */
static gboolean
take_labels (GstDefcnModelInfo *info, char **labels, const char *where,
    GError **error)
{
  g_auto (GStrv) taken = labels;
  int n = (int) g_strv_length (taken);

  if (n != info->n_classes)
    return gst_defcn_error_settings (error,
        "%s: %d labels, the model has %d classes", where, n, info->n_classes);
  for (int i = 0; i < n; i++) {
    const char *fault = label_fault (g_strstrip (taken[i]));

    if (fault)
      return gst_defcn_error_settings (error, "%s: label %d is %s", where,
          i + 1, fault);
  }
  g_strfreev (info->labels);
  info->labels = g_steal_pointer (&taken);
  return TRUE;
}

gboolean
gst_defcn_model_info_relabel (GstDefcnModelInfo *info, const char *text,
    const char *path, GError **error)
{
  g_autofree char *content = NULL;
  g_autoptr (GError) why = NULL;
  char *lines;

  if (text && path)
    return gst_defcn_error_settings (error,
        "labels and labels-file are both set");
  if (text)
    return take_labels (info, gst_defcn_list_split (text), "labels", error);
  if (!path)
    return TRUE;
  if (g_file_test (path, G_FILE_TEST_EXISTS)
      && !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return gst_defcn_error_settings (error,
        "labels-file: %s is no regular file", path);
  if (!g_file_get_contents (path, &content, NULL, &why))
    return gst_defcn_error_settings (error, "labels-file: %s", why->message);
  lines = g_str_has_prefix (content, BYTE_ORDER_MARK)
      ? content + strlen (BYTE_ORDER_MARK)
      : content;
  return take_labels (info, g_strsplit (g_strchomp (lines), "\n", -1), path,
      error);
}

/* Sets @thresholds[i] of every class called @name, FALSE if none is. */
static gboolean
set_class (float *thresholds, const GstDefcnModelInfo *info, const char *name,
    float value)
{
  gboolean found = FALSE;

  for (int i = 0; i < info->n_classes; i++)
    if (g_str_equal (info->labels[i], name)) {
      thresholds[i] = value;
      found = TRUE;
    }
  return found;
}

static float *
fill (int n, float value)
{
  float *array = g_new (float, n);

  for (int i = 0; i < n; i++)
    array[i] = value;
  return array;
}

/* What to do about a class that the model does not have: TRUE, it is noted and
 * left out; FALSE with @error. */
static gboolean
leave_out (GString *unknown, const char *property, const char *name,
    GError **error)
{
  if (!unknown)
    return gst_defcn_error_settings (error, "%s: the model has no class \"%s\"",
        property, name);
  g_string_append_printf (unknown, "%s%s of %s", unknown->len ? ", " : "", name,
      property);
  return TRUE;
}

/* "person=0.6,car=0.35" over @thresholds. */
static gboolean
parse_class_thresholds (float *thresholds, const char *text,
    const GstDefcnModelInfo *info, GString *unknown, GError **error)
{
  g_auto (GStrv) items = gst_defcn_list_split (text);

  for (char **item = items; *item; item++) {
    char *equals = strrchr (*item, '='), *end = NULL;
    double value;

    if (!equals)
      return gst_defcn_error_settings (error,
          "class-thresholds: \"%s\" is not of the form class=threshold", *item);
    *equals++ = '\0';
    g_strstrip (*item);
    g_strstrip (equals);
    value = g_ascii_strtod (equals, &end);
    /* Written so that NaN is refused. */
    if (!*equals || *end || !(value >= 0 && value <= 1))
      return gst_defcn_error_settings (error,
          "class-thresholds: \"%s\" of %s is not a number from 0 to 1", equals,
          *item);
    if (!set_class (thresholds, info, *item, (float) value)
        && !leave_out (unknown, "class-thresholds", *item, error))
      return FALSE;
  }
  return TRUE;
}

/* "person,car": all other classes of @thresholds become NEVER. */
static gboolean
parse_classes (float *thresholds, const char *text,
    const GstDefcnModelInfo *info, GString *unknown, GError **error)
{
  g_auto (GStrv) items = gst_defcn_list_split (text);
  g_autofree float *keep = fill (info->n_classes, 0);

  for (char **item = items; *item; item++)
    if (!set_class (keep, info, g_strstrip (*item), 1)
        && !leave_out (unknown, "classes", *item, error))
      return FALSE;
  for (int i = 0; i < info->n_classes; i++)
    if (keep[i] == 0)
      thresholds[i] = NEVER;
  return TRUE;
}

static gboolean
parse_region (DefcnRegion *region, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  int *fields[] = { &region->x, &region->y, &region->w, &region->h };

  if (g_strv_length (parts) != 4)
    return FALSE;
  for (int i = 0; i < 4; i++) {
    gint64 value;

    if (!g_ascii_string_to_signed (g_strstrip (parts[i]), 10, i < 2 ? 0 : 1,
            16384, &value, NULL))
      return FALSE;
    *fields[i] = (int) value;
  }
  return TRUE;
}

/* "x,y,w,h;x,y,w,h", a last semicolon allowed. */
static gboolean
parse_roi (GArray *roi, const char *text, GError **error)
{
  g_auto (GStrv) items = g_strsplit (text, ";", -1);

  for (char **item = items; *item; item++) {
    DefcnRegion region;

    if (!*g_strstrip (*item) && !item[1] && item != items)
      break;
    if (!parse_region (&region, *item))
      return gst_defcn_error_settings (error,
          "roi: \"%s\" is not x,y,width,height in pixels", *item);
    if (roi->len == GST_DEFCN_MAX_REGIONS)
      return gst_defcn_error_settings (error, "roi: more than %d regions",
          roi->len);
    g_array_append_val (roi, region);
  }
  return TRUE;
}

static gboolean
given (const char *text)
{
  return text && *text;
}

static void
settings_clear (gpointer data)
{
  GstDefcnSettings *s = data;

  g_free (s->class_thresholds);
  g_array_unref (s->roi);
}

static GstDefcnSettings *
settings_new (const GstDefcnLive *live, const GstDefcnModelInfo *info,
    GString *unknown, GError **error)
{
  g_autoptr (GstDefcnSettings) s = g_atomic_rc_box_new0 (GstDefcnSettings);

  s->threshold = live->threshold < 0 ? info->threshold : live->threshold;
  s->max_detections = live->max_detections_set ? (int) live->max_detections
                                               : info->max_detections;
  s->duplicate_filter = live->duplicate_filter < 0 ? info->duplicate_filter
                                                   : live->duplicate_filter;
  s->roi = g_array_new (FALSE, FALSE, sizeof (DefcnRegion));
  s->interval = live->interval;
  s->repeat = live->repeat;
  s->no_block = live->no_block;
  s->message = live->message;
  s->qos = live->qos;
  s->merge = live->merge;
  s->max_age = live->max_age;
  s->skip_still = live->skip_still;
  s->max_still = live->max_still;
  s->stats_interval = live->stats_interval;

  if (given (live->class_thresholds) || given (live->classes))
    s->class_thresholds = fill (info->n_classes, s->threshold);
  if (given (live->class_thresholds)
      && !parse_class_thresholds (s->class_thresholds, live->class_thresholds,
          info, unknown, error))
    return NULL;
  if (given (live->classes)
      && !parse_classes (s->class_thresholds, live->classes, info, unknown,
          error))
    return NULL;
  if (given (live->roi) && !parse_roi (s->roi, live->roi, error))
    return NULL;
  return g_steal_pointer (&s);
}

static void
append_name (GString *list, const char *name)
{
  if (list->len)
    g_string_append_c (list, ',');
  for (const char *c = name; *c; c++) {
    if (*c == ',' || *c == '\\')
      g_string_append_c (list, '\\');
    g_string_append_c (list, *c);
  }
}

const char *
gst_defcn_settings_told (const GstDefcnSettings *s,
    const GstDefcnModelInfo *info)
{
  GString *list = g_string_new (NULL);
  const char *interned;

  for (int i = 0; i < info->n_classes; i++)
    if ((s->class_thresholds ? s->class_thresholds[i] : s->threshold) < 1)
      append_name (list, info->labels[i]);
  interned = g_intern_string (list->str);
  g_string_free (list, TRUE);
  return interned;
}

GstDefcnSettings *
gst_defcn_settings_new (const GstDefcnLive *live, const GstDefcnModelInfo *info,
    GError **error)
{
  return settings_new (live, info, NULL, error);
}

GstDefcnSettings *
gst_defcn_settings_new_adapted (const GstDefcnLive *live,
    const GstDefcnModelInfo *info, GString *unknown)
{
  g_autoptr (GString) nobody = g_string_new (NULL);

  return settings_new (live, info, unknown ? unknown : nobody, NULL);
}

GstDefcnSettings *
gst_defcn_settings_ref (GstDefcnSettings *settings)
{
  return g_atomic_rc_box_acquire (settings);
}

void
gst_defcn_settings_unref (GstDefcnSettings *settings)
{
  if (settings)
    g_atomic_rc_box_release_full (settings, settings_clear);
}
