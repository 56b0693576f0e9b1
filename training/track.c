/* `defcn track`: folders of pictures, each a video -> tracks as MOT-challenge
 * writes them. */
#include <string.h>

#include "command.h"
#include "data/output.h"
#include "device_options.h"
#include "picture_options.h"
#include "progress.h"
#include "tracker.h"

typedef struct
{
  char *model, *output;
  double threshold, low, sure, fps, max_lost;
  int confirm;
  DefcnPictureOptions picture;
  DefcnDetectorOptions device;
  char **folders;
} Options;

/* What one run of the command holds. */
typedef struct
{
  const Options *options;
  DefcnDetector *detector;
  DefcnTrackerOptions rule;
  DefcnProgress *progress;
  guint n_failed;
} Run;

/* A box of a track; what becomes of the track is known later. */
typedef struct
{
  int frame; /* from 1 */
  guint64 serial;
  DefcnBox box;
} Row;

static const char *
check (const Options *o)
{
  if (!o->model)
    return "--model is needed";
  if (!o->folders)
    return "no folder given";
  if (o->folders[1] && !o->output)
    return "several folders need --output, a folder";
  if (!(o->threshold <= 1) || !(o->low >= 0 && o->low <= 1) || !(o->sure <= 1))
    return "a score is not within 0 .. 1";
  if (!(o->fps >= 0.001 && o->fps <= 1000))
    return "--fps is not within 0.001 .. 1000";
  if (!(o->max_lost >= 0 && o->max_lost <= 3600))
    return "--max-lost is not within 0 .. 3600";
  if (o->confirm < 1)
    return "--confirm is not 1 or more";
  if (o->device.threads < 0)
    return "--threads is negative";
  return defcn_picture_options_problem (&o->picture);
}

static gboolean
parse (Options *o, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model, "Model file", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
        "Write the tracks here (standard output); of several folders NAME.txt "
        "into this folder",
        "FILE" },
    { "fps", 0, 0, G_OPTION_ARG_DOUBLE, &o->fps, "Pictures a second (25)",
        "F" },
    { "threshold", 't', 0, G_OPTION_ARG_DOUBLE, &o->threshold,
        "Score that begins a track (the model's working threshold)", "0..1" },
    { "low-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o->low,
        "Score that keeps one (0.1)", "0..1" },
    { "confirm-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o->sure,
        "Mean score until a track counts (0.19 above --threshold)", "0..1" },
    { "confirm", 0, 0, G_OPTION_ARG_INT, &o->confirm,
        "Pictures in a row until a track counts (3)", "N" },
    { "max-lost", 0, 0, G_OPTION_ARG_DOUBLE, &o->max_lost,
        "Seconds that an object may be out of sight (2)", "S" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->folders, NULL,
        NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("FOLDER... - follow objects through pictures");

  g_option_context_set_summary (context,
      "Takes the JPEG, PNG and WebP pictures of each folder as a video, in\n"
      "natural order (2.jpg before 10.jpg), and writes a line for every box\n"
      "of a track:\n\n"
      "  frame, id, x, y, width, height, score, -1, -1, -1\n\n"
      "Frames count from 1, boxes are in pixels.  Those found before a track\n"
      "was confirmed are there too.  `defcn eval --tracks` measures it;\n"
      "pipelines/track.sh does the same with a video.");
  g_option_context_add_main_entries (context, entries, NULL);
  defcn_picture_options_add (&o->picture, context);
  defcn_device_options_add (&o->device, context,
      DEFCN_DEVICE_OPTIONS_THREADS | DEFCN_DEVICE_OPTIONS_EXACT
          | DEFCN_DEVICE_OPTIONS_MAX_EDGE | DEFCN_DEVICE_OPTIONS_AUTOTUNE);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (!check (o))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s",
      check (o));
  return FALSE;
}

static void
options_clear (Options *o)
{
  g_free (o->model);
  g_free (o->output);
  defcn_device_options_clear (&o->device);
  g_strfreev (o->folders);
}

/* Digits as numbers, everything else byte by byte. */
static int
compare_natural (const char *a, const char *b)
{
  const char *x = a, *y = b;

  while (*x && *y) {
    if (!g_ascii_isdigit (*x) || !g_ascii_isdigit (*y)) {
      if (*x != *y)
        return (guchar) *x < (guchar) *y ? -1 : 1;
      x++;
      y++;
      continue;
    }
    x += strspn (x, "0");
    y += strspn (y, "0");
    const gsize n = strspn (x, "0123456789"), m = strspn (y, "0123456789");
    const int order = n == m ? strncmp (x, y, n) : n < m ? -1 : 1;

    if (order)
      return order;
    x += n;
    y += m;
  }
  return *x || *y ? (*x ? 1 : -1) : strcmp (a, b);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return compare_natural (*(char *const *) a, *(char *const *) b);
}

static gboolean
detect (Run *run, GArray *boxes, const char *path, DefcnTracker *tracker,
    GError **error)
{
  g_autoptr (DefcnPicture) picture =
      defcn_picture_open (path, &run->options->picture, error);

  if (!picture)
    return FALSE;
  if (picture->warning)
    defcn_progress_message (run->progress, "defcn track: %s: %s", path,
        picture->warning);
  const DefcnImage image = defcn_picture_image (picture);
  if (!defcn_detector_run (run->detector, &boxes, &image, NULL, 1, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  /* Of a video all are alike. */
  run->rule.width = MAX (run->rule.width, (float) picture->width);
  run->rule.height = MAX (run->rule.height, (float) picture->height);
  defcn_tracker_set_options (tracker, &run->rule);
  return TRUE;
}

static void
report (Run *run, const char *message)
{
  defcn_progress_message (run->progress, "defcn track: %s", message);
  run->n_failed++;
}

/* Adds what the tracks have found in @frame, and the ids of those that have one
 * by now. */
static void
take_rows (GArray *rows, GHashTable *ids, const DefcnTracker *tracker,
    const GArray *boxes, int frame)
{
  int n;
  const DefcnTrack *tracks = defcn_tracker_tracks (tracker, &n);

  for (int i = 0; i < n; i++) {
    const DefcnTrack *t = &tracks[i];

    if (t->detection < 0)
      continue;
    const Row row = { frame, t->serial,
      g_array_index (boxes, DefcnBox, t->detection) };
    g_array_append_val (rows, row);
    if (t->id)
      g_hash_table_insert (ids, GSIZE_TO_POINTER (t->serial),
          GSIZE_TO_POINTER (t->id));
  }
}

/* (transfer full) */
static char *
to_text (const GArray *rows, GHashTable *ids)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);
    const gsize id = GPOINTER_TO_SIZE (
        g_hash_table_lookup (ids, GSIZE_TO_POINTER (row->serial)));

    if (id)
      g_string_append_printf (text,
          "%d,%" G_GSIZE_FORMAT ",%.2f,%.2f,%.2f,%.2f,%.4f,-1,-1,-1\n",
          row->frame, id, row->box.x1, row->box.y1, row->box.x2 - row->box.x1,
          row->box.y2 - row->box.y1, row->box.score);
  }
  return g_string_free (text, FALSE);
}

/* (transfer full): what a folder's file is called: its own name, or of MOT-
 * challenge's SEQUENCE/img1 the sequence's. */
static char *
name_of (const char *folder)
{
  g_autofree char *path = g_canonicalize_filename (folder, NULL);
  g_autofree char *name = g_path_get_basename (path);

  if (g_str_equal (name, "img1")) {
    g_autofree char *parent = g_path_get_dirname (path);

    g_free (name);
    name = g_path_get_basename (parent);
  }
  return g_strconcat (name, ".txt", NULL);
}

/* (transfer full): the file of the tracks of @folder, NULL: standard output. */
static char *
output_of (const Options *o, const char *folder)
{
  g_autofree char *name = name_of (folder);

  if (!o->output || g_str_equal (o->output, "-"))
    return NULL;
  return o->folders[1] ? g_build_filename (o->output, name, NULL)
                       : g_strdup (o->output);
}

/* Whether the tracks of @folder can be written, and in no input's place. */
static gboolean
check_path (const Options *o, const char *folder, const GPtrArray *files,
    GError **error)
{
  g_autofree char *path = output_of (o, folder);
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();

  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (inputs, files->pdata[i]);
  g_ptr_array_add (inputs, o->model);
  g_ptr_array_add (inputs, NULL);
  return defcn_output_check (path, (const char *const *) inputs->pdata, error);
}

/* (transfer full): of the pictures of @folder; NULL with @error when there are
 * none.  A picture that cannot be read is one that nobody looked at. */
static char *
track_folder (Run *run, const char *folder, GError **error)
{
  g_autoptr (GPtrArray) files =
      defcn_picture_list (folder, compare_names, error);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (Row));
  g_autoptr (GHashTable) ids = g_hash_table_new (NULL, NULL);
  g_autoptr (DefcnTracker) tracker = defcn_tracker_new (&run->rule);

  if (!files || !check_path (run->options, folder, files, error))
    return NULL;
  run->rule.width = run->rule.height = 0;
  run->progress = defcn_progress_new ("track", files->len);
  for (guint i = 0; i < files->len; i++) {
    const char *path = files->pdata[i];
    g_autoptr (GError) bad = NULL;

    defcn_progress_update (run->progress, i, "%s", path);
    if (!detect (run, boxes, path, tracker, &bad)) {
      report (run, bad->message);
      continue;
    }
    defcn_tracker_update (tracker, (const DefcnBox *) boxes->data,
        (int) boxes->len, (gint64) (i * 1e9 / run->options->fps));
    take_rows (rows, ids, tracker, boxes, (int) i + 1);
  }
  g_clear_pointer (&run->progress, defcn_progress_free);
  return to_text (rows, ids);
}

static gboolean
write_tracks (const Run *run, const char *folder, const char *text,
    GError **error)
{
  g_autofree char *path = output_of (run->options, folder);

  if (path)
    return defcn_output_write (path, text, -1, error);
  g_print ("%s", text);
  return TRUE;
}

/* Two folders must not write one file. */
static gboolean
check_names (const Options *o, GError **error)
{
  g_autoptr (GHashTable) names =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (char **folder = o->folders; o->folders[1] && *folder; folder++) {
    char *name = name_of (*folder);
    const gboolean is_new = !g_hash_table_contains (names, name);

    g_hash_table_add (names, name);
    if (is_new)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: another folder's tracks have the name %s too", *folder, name);
    return FALSE;
  }
  return !o->folders[1] || defcn_output_make_folder (o->output, error);
}

static gboolean
open_detector (Run *run, GError **error)
{
  const Options *o = run->options;

  run->detector = defcn_detector_new (o->model, &o->device, error);
  if (!run->detector)
    return FALSE;
  run->rule = defcn_tracker_defaults;
  run->rule.high = o->threshold < 0
      ? defcn_detector_working_threshold (run->detector)
      : (float) o->threshold;
  run->rule.low = (float) o->low;
  run->rule.sure = o->sure < 0
      ? MIN (run->rule.high + 0.19f, (1 + run->rule.high) / 2)
      : (float) o->sure;
  run->rule.confirm = o->confirm;
  run->rule.max_lost = (gint64) (o->max_lost * 1e9);
  defcn_detector_set_threshold (run->detector,
      MIN (run->rule.low, run->rule.high));
  return TRUE;
}

static gboolean
track_all (Run *run, GError **error)
{
  if (!check_names (run->options, error) || !open_detector (run, error))
    return FALSE;
  for (char **folder = run->options->folders; *folder; folder++) {
    g_autoptr (GError) bad = NULL;
    g_autofree char *text = track_folder (run, *folder, &bad);

    if (!text)
      report (run, bad->message);
    else if (!write_tracks (run, *folder, text, error))
      return FALSE;
  }
  return TRUE;
}

int
defcn_track_main (int argc, char **argv)
{
  Options options = { .threshold = -1,
    .sure = -1,
    .low = defcn_tracker_defaults.low,
    .fps = 25,
    .confirm = defcn_tracker_defaults.confirm,
    .max_lost = (double) defcn_tracker_defaults.max_lost / 1e9 };
  Run run = { .options = &options };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (!parse (&options, argc, argv, &error)) {
    g_printerr ("defcn track: %s (see defcn track --help)\n", error->message);
  } else {
    status = !track_all (&run, &error) || run.n_failed > 0;
    if (error)
      g_printerr ("defcn track: %s\n", error->message);
  }
  defcn_detector_free (run.detector);
  options_clear (&options);
  return status;
}
