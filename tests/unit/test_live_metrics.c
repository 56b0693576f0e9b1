/* Prometheus's text of live. */
#include "metrics.h"

#include <string.h>

/* A label's value as the format wants it, whatever a camera is called. */
static void
test_escape (void)
{
  static const char *const values[][2] = {
    { "", "" },
    { "front door", "front door" },
    { "a\"b", "a\\\"b" },
    { "a\\b", "a\\\\b" },
    { "a\nb", "a\\nb" },
    { "\\\"", "\\\\\\\"" },
    { "\xc3\xa4<{}>", "\xc3\xa4<{}>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autofree char *escaped = live_metrics_escape (values[i][0]);

    g_assert_cmpstr (escaped, ==, values[i][1]);
  }
}

/* Numbers of a camera that has never been seen, in any locale. */
static void
test_text (void)
{
  static const char text[] = "[camera a\"]\nuri=test://ball\n";
  LiveConfig *config = live_config_parse (text, strlen (text), "a.ini", NULL);
  LiveRecords *records = live_records_new ("none", NULL);
  LiveFleet *fleet = live_fleet_new (config, records, NULL, NULL);
  LiveStream *stream = live_stream_new (fleet, 1, FALSE);
  g_autofree char *metrics = live_metrics_text (fleet, stream);

  g_assert_nonnull (
      strstr (metrics, "\ndefcn_live_camera_up{camera=\"a\\\"\"} 0\n"));
  g_assert_nonnull (strstr (metrics,
      "\ndefcn_live_camera_last_frame_age_seconds{camera=\"a\\\"\"} NaN\n"));
  g_assert_nonnull (strstr (metrics,
      "\ndefcn_live_camera_skipped_frames_total{camera=\"a\\\"\","
      "reason=\"busy\"} 0\n"));
  g_assert_nonnull (strstr (metrics, "\",reason=\"still\"} 0\n"));
  g_assert_true (g_str_has_suffix (metrics, "\"} 1\n"));
  live_stream_free (stream);
  live_fleet_free (fleet);
  live_records_free (records, G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/metrics/escape", test_escape);
  g_test_add_func ("/live/metrics/text", test_text);
  return g_test_run ();
}
