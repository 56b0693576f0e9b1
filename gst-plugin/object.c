/* One object that was found, and what it looks like as a structure. */
#include "object.h"

#include <math.h>
#include <string.h>

/* The nearest border between two pixels; NaN is none beyond 0. */
static int
round_edge (double edge, int size)
{
  return (int) (MIN (MAX (edge, 0), 1) * size + 0.5);
}

static void
round_side (int *start, int *length, double min, double max, int size)
{
  const int a = round_edge (min, size), b = round_edge (max, size);
  const double middle = MIN (MAX ((min + max) / 2, 0), 1) * size;

  *start = a < b ? a : MIN ((int) middle, size - 1);
  *length = MAX (b - a, 1);
}

GstDefcnPixels
gst_defcn_object_pixels (const GstDefcnObject *object, int width, int height)
{
  GstDefcnPixels p;

  round_side (&p.x, &p.w, object->x_min, object->x_max, width);
  round_side (&p.y, &p.h, object->y_min, object->y_max, height);
  return p;
}

void
gst_defcn_object_set_pixels (GstDefcnObject *o, const GstDefcnPixels *p,
    int width, int height)
{
  o->x_min = CLAMP ((double) p->x / width, 0, 1);
  o->y_min = CLAMP ((double) p->y / height, 0, 1);
  o->x_max = CLAMP (((double) p->x + p->w) / width, 0, 1);
  o->y_max = CLAMP (((double) p->y + p->h) / height, 0, 1);
}

GstStructure *
gst_defcn_object_to_structure (const GstDefcnObject *o, const char *name)
{
  return gst_structure_new (name, "label_id", G_TYPE_INT, o->label_id,
      "confidence", G_TYPE_DOUBLE, o->confidence, "x_min", G_TYPE_DOUBLE,
      o->x_min, "x_max", G_TYPE_DOUBLE, o->x_max, "y_min", G_TYPE_DOUBLE,
      o->y_min, "y_max", G_TYPE_DOUBLE, o->y_max, NULL);
}

gboolean
gst_defcn_object_from_structure (GstDefcnObject *o, const GstStructure *s)
{
  if (!gst_structure_get_double (s, "confidence", &o->confidence)
      || !isfinite (o->confidence))
    o->confidence = -1;
  if (!gst_structure_get_int (s, "label_id", &o->label_id))
    o->label_id = -1;
  if (!gst_structure_get (s, "x_min", G_TYPE_DOUBLE, &o->x_min, "x_max",
          G_TYPE_DOUBLE, &o->x_max, "y_min", G_TYPE_DOUBLE, &o->y_min, "y_max",
          G_TYPE_DOUBLE, &o->y_max, NULL))
    return FALSE;
  /* Some writers put pixels here. */
  return o->x_min >= 0 && o->y_min >= 0 && o->x_max <= 1 && o->y_max <= 1
      && o->x_min < o->x_max && o->y_min < o->y_max;
}

void
gst_defcn_object_track_to_structure (const GstDefcnObject *o, GstStructure *s)
{
  const GstDefcnObjectTrack *t = &o->track;

  if (t->id)
    gst_structure_set (s, "object_id", G_TYPE_INT64, t->id, NULL);
  if (!t->state)
    return;
  gst_structure_set (s, "track_state", G_TYPE_STRING,
      g_quark_to_string (t->state), "track_age", G_TYPE_UINT64, t->age,
      "x_velocity", G_TYPE_DOUBLE, t->vx, "y_velocity", G_TYPE_DOUBLE, t->vy,
      NULL);
  if (t->predicted)
    gst_structure_set (s, "predicted", G_TYPE_BOOLEAN, TRUE, NULL);
}

void
gst_defcn_object_track_from_structure (GstDefcnObject *o, const GstStructure *s)
{
  GstDefcnObjectTrack t = { 0 };

  if (!gst_structure_get_int64 (s, "object_id", &t.id) || t.id < 0)
    t.id = 0;
  t.state =
      gst_defcn_object_label (gst_structure_get_string (s, "track_state"));
  gst_structure_get_uint64 (s, "track_age", &t.age);
  if (!gst_structure_get_double (s, "x_velocity", &t.vx) || !isfinite (t.vx))
    t.vx = 0;
  if (!gst_structure_get_double (s, "y_velocity", &t.vy) || !isfinite (t.vy))
    t.vy = 0;
  gst_structure_get_boolean (s, "predicted", &t.predicted);
  o->track = t;
}

void
gst_defcn_error_make_valid (GError *error)
{
  char *valid = g_utf8_make_valid (error->message, -1);

  g_free (error->message);
  error->message = valid;
}

gboolean
gst_defcn_error_settings (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (GST_RESOURCE_ERROR,
        GST_RESOURCE_ERROR_SETTINGS, format, args);
  va_end (args);
  return FALSE;
}

void
gst_defcn_error_post (GstElement *element, GError *error)
{
  gst_defcn_error_make_valid (error);
  gst_element_message_full (element, GST_MESSAGE_ERROR, error->domain,
      error->code, g_strdup (error->message), NULL, __FILE__, GST_FUNCTION,
      __LINE__);
  g_error_free (error);
}

/* Quarks are never freed, so that only so many are made of others' texts. */
static GQuark
quark_of (const char *text)
{
  static gint made;
  const GQuark known = g_quark_try_string (text);

  if (known)
    return known;
  if (g_atomic_int_get (&made) >= GST_DEFCN_MAX_LABELS)
    return g_quark_from_static_string ("?");
  g_atomic_int_inc (&made);
  return g_quark_from_string (text);
}

GQuark
gst_defcn_object_label (const char *text)
{
  g_autofree char *valid = NULL;
  GString *clean;
  GQuark label;

  if (!text)
    return 0;
  clean = g_string_new (NULL);
  valid = g_utf8_make_valid (text, strnlen (text, 4 * GST_DEFCN_MAX_LABEL));
  for (const char *c = valid; *c; c = g_utf8_next_char (c)) {
    const gunichar character = g_utf8_get_char (c);
    const gsize before = clean->len;

    g_string_append_unichar (clean,
        g_unichar_iscntrl (character) ? 0xfffd : character);
    if (clean->len > GST_DEFCN_MAX_LABEL) {
      g_string_truncate (clean, before);
      break;
    }
  }
  label = quark_of (clean->str);
  g_string_free (clean, TRUE);
  return label;
}
