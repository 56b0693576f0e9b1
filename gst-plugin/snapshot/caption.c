/* What a picture is called, and what is said of it. */
#include "caption.h"

/* (transfer full): such that names sort by it. */
static char *
time_name (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *seconds = g_date_time_format (now, "%Y%m%dT%H%M%S");

  return g_strdup_printf ("%s.%03dZ", seconds,
      g_date_time_get_microsecond (now) / 1000);
}

static const char *
text_of (GQuark quark)
{
  return quark ? g_quark_to_string (quark) : NULL;
}

GstDefcnSlot *
gst_defcn_caption_slot (const GstDefcnTemplate *template,
    const GstDefcnDue *due, const GstDefcnMoment *moment, guint64 n)
{
  const GstClockTime at = moment->stream_time;
  g_autofree char *time = time_name ();
  char id[24], pts[24], number[24];
  const char *values[GST_DEFCN_N_FIELDS] = { 0 };
  GstDefcnSlot *slot;

  g_snprintf (id, sizeof id, "%" G_GINT64_FORMAT, due->object.track.id);
  g_snprintf (pts, sizeof pts, "%" G_GUINT64_FORMAT,
      GST_CLOCK_TIME_IS_VALID (at) ? GST_TIME_AS_MSECONDS (at) : 0);
  g_snprintf (number, sizeof number, "%" G_GUINT64_FORMAT, n);
  values[GST_DEFCN_FIELD_SOURCE] = moment->source;
  values[GST_DEFCN_FIELD_LABEL] = text_of (due->object.label);
  values[GST_DEFCN_FIELD_ID] = id;
  values[GST_DEFCN_FIELD_TIME] = time;
  values[GST_DEFCN_FIELD_PTS] = pts;
  values[GST_DEFCN_FIELD_EVENT] = text_of (due->event);
  values[GST_DEFCN_FIELD_PLACE] = text_of (due->place);
  values[GST_DEFCN_FIELD_N] = number;
  slot = gst_defcn_slot_new (gst_defcn_template_expand (template, values),
      gst_defcn_template_is_unique (template) ? GST_DEFCN_FOLDER_NEW
                                              : GST_DEFCN_FOLDER_OVERWRITE);
  slot->event = due->event;
  slot->place = due->place;
  slot->direction = due->direction;
  return slot;
}

static void
set_text (GstStructure *s, const char *field, const char *text)
{
  g_autofree char *valid = text ? g_utf8_make_valid (text, -1) : NULL;

  if (valid)
    gst_structure_set (s, field, G_TYPE_STRING, valid, NULL);
}

GstStructure *
gst_defcn_caption_about (const GstDefcnDue *due, const GstDefcnTake *take,
    const GstDefcnMoment *moment)
{
  static const char name[] = "defcn-snapshot";
  const GstDefcnSlot *slot = take->slot;
  const char *hidden = take->redaction.why ? take->redaction.why
      : take->redaction.boxes->len         ? "boxes"
                                           : "no";
  GstStructure *s = due->has_box
      ? gst_defcn_object_to_structure (&due->object, name)
      : gst_structure_new (name, "label_id", G_TYPE_INT, due->object.label_id,
          "confidence", G_TYPE_DOUBLE, due->object.confidence, NULL);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *utc = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");

  set_text (s, "event", text_of (slot->event));
  set_text (s, "place", text_of (slot->place));
  set_text (s, "direction", text_of (slot->direction));
  set_text (s, "source", moment->source);
  set_text (s, "label", text_of (due->object.label));
  set_text (s, "redacted", hidden);
  set_text (s, "utc", utc);
  gst_structure_set (s, "timestamp", G_TYPE_UINT64, moment->timestamp,
      "stream-time", G_TYPE_UINT64, moment->stream_time, "running-time",
      G_TYPE_UINT64, moment->running_time, "width", G_TYPE_INT,
      take->picture.info.width, "height", G_TYPE_INT, take->picture.info.height,
      NULL);
  gst_defcn_object_track_to_structure (&due->object, s);
  return s;
}
