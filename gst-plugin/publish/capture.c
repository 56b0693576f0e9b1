/* When a frame was captured, as its metadata has it. */
#include "capture.h"

/* From 1900 to 1970. */
#define NTP_TO_UNIX (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

/* Nanoseconds since 1970, GST_CLOCK_TIME_NONE when @meta has another clock. */
static GstClockTime
unix_time (const GstReferenceTimestampMeta *meta)
{
  const GstStructure *s =
      gst_caps_is_any (meta->reference) || gst_caps_is_empty (meta->reference)
      ? NULL
      : gst_caps_get_structure (meta->reference, 0);

  if (!s || !GST_CLOCK_TIME_IS_VALID (meta->timestamp))
    return GST_CLOCK_TIME_NONE;
  if (gst_structure_has_name (s, "timestamp/x-unix"))
    return meta->timestamp;
  if (gst_structure_has_name (s, "timestamp/x-ntp")
      && meta->timestamp >= NTP_TO_UNIX)
    return meta->timestamp - NTP_TO_UNIX;
  return GST_CLOCK_TIME_NONE;
}

char *
gst_defcn_capture_utc (GstBuffer *buffer)
{
  GstClockTime time = GST_CLOCK_TIME_NONE;
  gpointer state = NULL, meta;

  while (!GST_CLOCK_TIME_IS_VALID (time)
      && (meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_REFERENCE_TIMESTAMP_META_API_TYPE)))
    time = unix_time (meta);
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return NULL;

  g_autoptr (GDateTime) date =
      g_date_time_new_from_unix_utc ((gint64) (time / GST_SECOND));
  g_autofree char *text =
      date ? g_date_time_format (date, "%Y-%m-%dT%H:%M:%S") : NULL;

  return text ? g_strdup_printf ("%s.%09uZ", text, (guint) (time % GST_SECOND))
              : NULL;
}
