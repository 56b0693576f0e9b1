/* The counters in Prometheus's text format. */
#include "metrics.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "defcn_live_"

char *
live_metrics_escape (const char *value)
{
  GString *text = g_string_new (NULL);

  for (const char *c = value; *c; c++)
    if (*c == '\n')
      g_string_append (text, "\\n");
    else if (*c == '\\' || *c == '"')
      g_string_append_printf (text, "\\%c", *c);
    else
      g_string_append_c (text, *c);
  return g_string_free (text, FALSE);
}

static void
head (GString *text, const char *name, const char *type, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help,
      name, type);
}

/* @labels: with braces, or "". */
static void
sample (GString *text, const char *name, const char *labels, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (isnan (value))
    g_strlcpy (number, "NaN", sizeof number);
  else
    g_ascii_formatd (number, sizeof number, "%.15g", value);
  g_string_append_printf (text, "%s%s %s\n", name, labels, number);
}

static void
single (GString *text, const char *name, const char *type, const char *help,
    double value)
{
  head (text, name, type, help);
  sample (text, name, "", value);
}

/* A value of every camera. */
typedef struct
{
  const char *name, *type, *help;
  double (*value) (const LiveCamera *camera);
} Metric;

static double
up (const LiveCamera *camera)
{
  return camera->state == LIVE_CAMERA_RUNNING;
}

static double
frames (const LiveCamera *camera)
{
  return (double) live_camera_stats (camera).frames;
}

static double
age (const LiveCamera *camera)
{
  const double seconds = live_camera_age (camera);

  return seconds < 0 ? NAN : seconds;
}

static double
starts (const LiveCamera *camera)
{
  return (double) camera->starts;
}

static double
losses (const LiveCamera *camera)
{
  return (double) camera->losses;
}

static double
warnings (const LiveCamera *camera)
{
  return (double) camera->warnings;
}

static double
inferences (const LiveCamera *camera)
{
  return (double) live_camera_stats (camera).inferred;
}

static double
objects (const LiveCamera *camera)
{
  return (double) live_camera_stats (camera).objects;
}

static double
tracks (const LiveCamera *camera)
{
  return (double) live_camera_stats (camera).tracks;
}

static double
records (const LiveCamera *camera)
{
  return (double) camera->records;
}

static double
pictures (const LiveCamera *camera)
{
  return (double) camera->pictures;
}

static double
ending (const LiveCamera *camera)
{
  return camera->ending;
}

static const Metric metrics[] = {
  { PREFIX "camera_up", "gauge", "Whether frames come, 0 or 1.", up },
  { PREFIX "camera_frames_total", "counter", "Frames that came.", frames },
  { PREFIX "camera_last_frame_age_seconds", "gauge",
      "Seconds since the last frame, NaN before the first one.", age },
  { PREFIX "camera_starts_total", "counter", "Pipelines that were started.",
      starts },
  { PREFIX "camera_losses_total", "counter",
      "Pipelines that failed, ended or were silent.", losses },
  { PREFIX "camera_warnings_total", "counter", "Warnings of elements.",
      warnings },
  { PREFIX "camera_inferences_total", "counter",
      "Frames that went through the network.", inferences },
  { PREFIX "camera_objects_total", "counter", "Objects that were found.",
      objects },
  { PREFIX "camera_tracks_total", "counter",
      "Objects that were followed and have got an id.", tracks },
  { PREFIX "camera_records_total", "counter", "Records that were published.",
      records },
  { PREFIX "camera_pictures_total", "counter",
      "JPEG pictures that were encoded.", pictures },
  { PREFIX "camera_ending_pipelines", "gauge",
      "Pipelines that were stopped and have not ended.", ending },
};

/* (transfer full): {camera="..",MORE} */
static char *
labels_of (const LiveCamera *camera, const char *more)
{
  g_autofree char *name = live_metrics_escape (camera->config->name);

  return g_strdup_printf ("{camera=\"%s\"%s}", name, more);
}

static void
add_cameras (GString *text, const GPtrArray *cameras)
{
  for (guint m = 0; m < G_N_ELEMENTS (metrics); m++) {
    head (text, metrics[m].name, metrics[m].type, metrics[m].help);
    for (guint i = 0; i < cameras->len; i++) {
      const LiveCamera *camera = g_ptr_array_index (cameras, i);
      g_autofree char *labels = labels_of (camera, "");

      sample (text, metrics[m].name, labels, metrics[m].value (camera));
    }
  }
}

static void
add_skipped (GString *text, const GPtrArray *cameras)
{
  static const char *const reasons[] = { "interval", "qos", "busy", "region",
    "still" };
  const char *name = PREFIX "camera_skipped_frames_total";

  head (text, name, "counter", "Frames that were not looked at, by reason.");
  for (guint i = 0; i < cameras->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (cameras, i);
    const LiveBranchStats stats = live_camera_stats (camera);
    const guint64 counts[] = { stats.skipped_interval, stats.skipped_qos,
      stats.skipped_busy, stats.skipped_region, stats.skipped_still };

    for (guint r = 0; r < G_N_ELEMENTS (reasons); r++) {
      g_autofree char *reason = g_strdup_printf (",reason=\"%s\"", reasons[r]);
      g_autofree char *labels = labels_of (camera, reason);

      sample (text, name, labels, (double) counts[r]);
    }
  }
}

static void
add_times (GString *text, const GPtrArray *cameras)
{
  const char *name = PREFIX "camera_inference_seconds";

  head (text, name, "gauge", "Time of the network, of the last frames.");
  for (guint i = 0; i < cameras->len; i++) {
    const LiveCamera *camera = g_ptr_array_index (cameras, i);
    const LiveBranchStats stats = live_camera_stats (camera);
    g_autofree char *median = labels_of (camera, ",quantile=\"0.5\"");
    g_autofree char *most = labels_of (camera, ",quantile=\"0.95\"");

    sample (text, name, median, stats.inference_p50);
    sample (text, name, most, stats.inference_p95);
  }
}

/* One for all; who has just started may not know. */
static double
model_bytes (const GPtrArray *cameras)
{
  guint64 most = 0;

  for (guint i = 0; i < cameras->len; i++)
    most = MAX (most,
        live_camera_stats (g_ptr_array_index (cameras, i)).model_bytes);
  return (double) most;
}

static guint
count_entries (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

/* With the names that every exporter has for them. */
static void
add_process (GString *text)
{
  g_autofree char *statm = NULL;
  g_auto (GStrv) words = NULL;
  struct timespec used;

  if (g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL)) {
    words = g_strsplit (statm, " ", 3);
    if (words[0] && words[1])
      single (text, "process_resident_memory_bytes", "gauge",
          "Resident memory.",
          g_ascii_strtod (words[1], NULL) * (double) sysconf (_SC_PAGESIZE));
  }
  if (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
    single (text, "process_cpu_seconds_total", "counter",
        "Processor time, user and system.",
        (double) used.tv_sec + (double) used.tv_nsec / 1e9);
  single (text, "process_open_fds", "gauge", "Open descriptors.",
      count_entries ("/proc/self/fd") - 1);
  single (text, "process_threads", "gauge", "Threads.",
      count_entries ("/proc/self/task"));
}

char *
live_metrics_text (LiveFleet *fleet, LiveStream *stream)
{
  GString *text = g_string_new (NULL);
  guint64 written, dropped;

  live_records_count (fleet->records, &written, &dropped);
  add_cameras (text, fleet->cameras);
  add_skipped (text, fleet->cameras);
  add_times (text, fleet->cameras);
  single (text, PREFIX "model_bytes", "gauge",
      "Memory of the model's weights and activations; 0: not known.",
      model_bytes (fleet->cameras));
  single (text, PREFIX "records_written_total", "counter",
      "Records that were written.", (double) written);
  single (text, PREFIX "records_dropped_total", "counter",
      "Records that the place was too slow for, full or gone.",
      (double) dropped);
  single (text, PREFIX "clients", "gauge", "Browsers that look.",
      live_stream_clients (stream));
  single (text, PREFIX "client_pictures_total", "counter",
      "Pictures that were sent to browsers.",
      (double) live_stream_sent (stream));
  single (text, PREFIX "client_skipped_pictures_total", "counter",
      "Pictures that a browser was too slow for.",
      (double) live_stream_skipped (stream));
  single (text, "process_start_time_seconds", "gauge",
      "Start of the process, since 1970.",
      (double) fleet->started / G_USEC_PER_SEC);
  add_process (text);
  head (text, PREFIX "build_info", "gauge", "Version.");
  sample (text, PREFIX "build_info", "{version=\"" DEFCN_VERSION "\"}", 1);
  return g_string_free (text, FALSE);
}
