/* The zones and lines that a user has drawn. */
#include "layout.h"

#include <gst/gst.h>
#include <math.h>
#include <string.h>

#include "object.h"

#define MAX_SIDE 1000000
#define MAX_MS (7 * 24 * 3600 * 1000u)

GType
gst_defcn_anchor_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_DEFCN_ANCHOR_FEET, "Middle of the lower edge", "feet" },
    { GST_DEFCN_ANCHOR_CENTRE, "Middle of the box", "centre" },
    { GST_DEFCN_ANCHOR_HEAD, "Middle of the upper edge", "head" },
    { GST_DEFCN_ANCHOR_LEFT, "Middle of the left edge", "left" },
    { GST_DEFCN_ANCHOR_RIGHT, "Middle of the right edge", "right" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnAnchor", values));
  return type;
}

static void
clear_place (gpointer data)
{
  GstDefcnLayoutPlace *place = data;

  g_clear_pointer (&place->points, g_array_unref);
  g_clear_pointer (&place->options.labels, g_array_unref);
}

GArray *
gst_defcn_layout_new (void)
{
  GArray *layout = g_array_new (FALSE, FALSE, sizeof (GstDefcnLayoutPlace));

  g_array_set_clear_func (layout, clear_place);
  return layout;
}

gboolean
gst_defcn_layout_read_resolution (int *width, int *height, const char *text)
{
  char *end;
  const guint64 w = g_ascii_strtoull (text, &end, 10);
  guint64 h;

  if (!g_ascii_isdigit (*text) || *end != 'x' || !g_ascii_isdigit (end[1]))
    return FALSE;
  h = g_ascii_strtoull (end + 1, &end, 10);
  if (*end || w < 1 || w > MAX_SIDE || h < 1 || h > MAX_SIDE)
    return FALSE;
  *width = (int) w;
  *height = (int) h;
  return TRUE;
}

static gboolean
set_anchor (GstDefcnLayoutOptions *options, const char *value)
{
  GEnumClass *class = g_type_class_ref (GST_TYPE_DEFCN_ANCHOR);
  const GEnumValue *anchor = g_enum_get_value_by_nick (class, value);

  if (anchor)
    options->anchor = (GstDefcnAnchor) anchor->value;
  g_type_class_unref (class);
  return anchor != NULL;
}

static gboolean
set_hysteresis (GstDefcnLayoutOptions *options, const char *value)
{
  char *end;
  const double share = g_ascii_strtod (value, &end);

  if (end == value || *end || !(share >= 0 && share <= 1))
    return FALSE;
  options->hysteresis = share;
  return TRUE;
}

static gboolean
set_ms (guint *ms, const char *value)
{
  guint64 n;

  if (!g_ascii_string_to_unsigned (value, 10, 0, MAX_MS, &n, NULL))
    return FALSE;
  *ms = (guint) n;
  return TRUE;
}

gboolean
gst_defcn_layout_set_option (GstDefcnLayoutOptions *options, const char *name,
    const char *value, GError **error)
{
  const char *wanted;
  gboolean good;

  if (strcmp (name, "anchor") == 0) {
    good = set_anchor (options, value);
    wanted = "feet, centre, head, left or right";
  } else if (strcmp (name, "hysteresis") == 0) {
    good = set_hysteresis (options, value);
    wanted = "0 to 1, of an object's height";
  } else if (strcmp (name, "resolution") == 0) {
    good = gst_defcn_layout_read_resolution (&options->width, &options->height,
        value);
    wanted = "WIDTHxHEIGHT";
  } else if (strcmp (name, "min-time") == 0) {
    good = set_ms (&options->min_time, value);
    wanted = "milliseconds, up to a week";
  } else if (strcmp (name, "loitering") == 0) {
    good = set_ms (&options->loitering, value);
    wanted = "milliseconds, up to a week";
  } else {
    return gst_defcn_error_settings (error,
        "there is no option \"%s\"; there are classes, anchor, hysteresis, "
        "resolution, min-time and loitering",
        name);
  }
  return good
      || gst_defcn_error_settings (error, "%s is \"%s\", wanted is %s", name,
          value, wanted);
}

gboolean
gst_defcn_layout_set_labels (GstDefcnLayoutOptions *options,
    const char *const *labels, GError **error)
{
  g_clear_pointer (&options->labels, g_array_unref);
  for (; *labels; labels++) {
    const GQuark label = gst_defcn_object_label (*labels);

    if (!**labels)
      return gst_defcn_error_settings (error, "a class has no name");
    if (!options->labels)
      options->labels = g_array_new (FALSE, FALSE, sizeof label);
    g_array_append_val (options->labels, label);
  }
  return TRUE;
}

static gboolean
check_name (const GArray *layout, const char *name, GError **error)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);

  if (!*name)
    return gst_defcn_error_settings (error, "a place has no name");
  if (strcmp (name, valid) != 0)
    return gst_defcn_error_settings (error, "the name \"%s\" is no UTF-8",
        valid);
  if (strlen (name) > GST_DEFCN_MAX_LABEL)
    return gst_defcn_error_settings (error,
        "the name \"%.20s..\" is longer than %d bytes", name,
        GST_DEFCN_MAX_LABEL);
  for (const char *c = name; *c; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      return gst_defcn_error_settings (error,
          "a name has a control character in it");
  for (guint i = 0; i < layout->len; i++)
    if (g_array_index (layout, GstDefcnLayoutPlace, i).name
        == g_quark_try_string (name))
      return gst_defcn_error_settings (error, "\"%s\" is there twice", name);
  return TRUE;
}

/* What is wrong with the coordinate @v on its own, NULL: nothing. */
static const char *
fault_of (double v, gboolean in_pixels, int size)
{
  if (!isfinite (v))
    return "no number";
  if (v < 0)
    return "outside of the picture";
  if (!in_pixels)
    return NULL;
  if (v > 0 && v < 1)
    return "neither whole pixels nor, as others are above 1, a share";
  return v > (size ? size : MAX_SIDE) ? "outside of the picture" : NULL;
}

static gboolean
check_points (const GstDefcnLayoutPlace *place, const char *name,
    GError **error)
{
  const GstDefcnPoint *points = (const GstDefcnPoint *) place->points->data;

  for (guint i = 0; i < place->points->len; i++) {
    const GstDefcnPoint p = points[i];
    const char *fault = fault_of (p.x, place->in_pixels, place->options.width);

    if (!fault)
      fault = fault_of (p.y, place->in_pixels, place->options.height);
    if (fault) {
      char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];

      return gst_defcn_error_settings (error, "\"%s\": point %s,%s is %s", name,
          g_ascii_formatd (x, sizeof x, "%g", p.x),
          g_ascii_formatd (y, sizeof y, "%g", p.y), fault);
    }
  }
  return TRUE;
}

static gboolean
check_shape (const GstDefcnLayoutPlace *place, const char *name, GError **error)
{
  const GstDefcnPoint *points = (const GstDefcnPoint *) place->points->data;
  const guint n = place->points->len;

  if (place->is_line && n != 2)
    return gst_defcn_error_settings (error,
        "\"%s\": a line has two points, not %u", name, n);
  if (place->is_line)
    return points[0].x != points[1].x || points[0].y != points[1].y
        || gst_defcn_error_settings (error, "\"%s\": the line has no length",
            name);
  if (n < 3)
    return gst_defcn_error_settings (error,
        "\"%s\": a polygon has three points or more, not %u", name, n);
  if (n > GST_DEFCN_LAYOUT_MAX_POINTS)
    return gst_defcn_error_settings (error,
        "\"%s\": a polygon has %d points at most, not %u", name,
        GST_DEFCN_LAYOUT_MAX_POINTS, n);
  return gst_defcn_shape_has_area (points, n)
      || gst_defcn_error_settings (error,
          "\"%s\": all points of the polygon are on one line", name);
}

gboolean
gst_defcn_layout_add (GArray *layout, const char *name, gboolean is_line,
    GArray *points, const GstDefcnLayoutOptions *options, GError **error)
{
  GstDefcnLayoutPlace place = { .is_line = is_line,
    .points = points,
    .options = *options };

  if (layout->len == GST_DEFCN_LAYOUT_MAX_PLACES)
    return gst_defcn_error_settings (error, "more than %d places",
        GST_DEFCN_LAYOUT_MAX_PLACES);
  for (guint i = 0; i < points->len; i++) {
    const GstDefcnPoint p = g_array_index (points, GstDefcnPoint, i);

    place.in_pixels |= p.x > 1 || p.y > 1;
  }
  if (!check_name (layout, name, error) || !check_points (&place, name, error)
      || !check_shape (&place, name, error))
    return FALSE;
  place.name = g_quark_from_string (name);
  g_array_ref (points);
  if (options->labels)
    g_array_ref (options->labels);
  g_array_append_val (layout, place);
  return TRUE;
}

GArray *
gst_defcn_layout_shares (const GstDefcnLayoutPlace *place, int width,
    int height)
{
  GArray *shares = g_array_new (FALSE, FALSE, sizeof (double));
  double w = 1, h = 1;

  if (place->in_pixels) {
    w = place->options.width ? place->options.width : width;
    h = place->options.width ? place->options.height : height;
  }
  for (guint i = 0; i < place->points->len; i++) {
    const GstDefcnPoint p = g_array_index (place->points, GstDefcnPoint, i);
    const double xy[] = { p.x / w, p.y / h };

    g_array_append_vals (shares, xy, 2);
  }
  return shares;
}
