/* `defcn detect`: picture files and folders -> detections as text or JSON, and
 * annotated pictures. */
#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "data/output.h"
#include "device_options.h"
#include "drawing/draw.h"
#include "picture_options.h"
#include "progress.h"
#include "terminal.h"

typedef struct
{
  char *model, *output, *json;
  double threshold, duplicate_filter;
  int max_detections;
  char *max_filter;
  DefcnMaxFilter filter; /* of the text */
  DefcnPictureOptions picture;
  DefcnDetectorOptions device;
  char **inputs;
} Options;

/* What one run of the command holds. */
typedef struct
{
  const Options *options;
  DefcnDetector *detector;
  char **labels;           /* by class, NULL-terminated */
  DefcnProgress *progress; /* NULL where the lines themselves are seen */
  GString *json;           /* what goes to the JSON file */
  GHashTable *names;       /* of the pictures written */
  GHashTable *inputs;      /* identities of what is read, with --output */
  guint n_failed;
} Run;

static gboolean
parse (Options *o, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model, "Model file", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
        "Write annotated pictures into this folder", "DIR" },
    { "json", 'j', 0, G_OPTION_ARG_FILENAME, &o->json,
        "Write the detections as a JSON array, as JSON lines where the name "
        "ends in .jsonl, or as lines to standard output for -",
        "FILE" },
    { "threshold", 't', 0, G_OPTION_ARG_DOUBLE, &o->threshold,
        "Least score (the model's working threshold)", "0..1" },
    { "duplicate-filter", 0, 0, G_OPTION_ARG_DOUBLE, &o->duplicate_filter,
        "Drop what was found in almost the same place as a better one of its "
        "class, with an IoU above this; 0: none (the model's own)",
        "0..1" },
    { "max-filter", 0, 0, G_OPTION_ARG_STRING, &o->max_filter,
        "3D max filtering as post-processing: only scores that are the largest "
        "of PHI x PHI locations on TAU + 1 scales, as in 2,3",
        "TAU,PHI" },
    { "max-detections", 'n', 0, G_OPTION_ARG_INT, &o->max_detections,
        "Most detections of a picture (the model's own)", "N" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->inputs, NULL,
        NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("FILE|FOLDER... - find objects in pictures");

  g_option_context_set_summary (context,
      "Finds objects in JPEG, PNG and WebP pictures.  Without --json, prints\n"
      "a line for each: file, label, score, x1, y1, x2, y2 in pixels.");
  g_option_context_add_main_entries (context, entries, NULL);
  defcn_picture_options_add (&o->picture, context);
  defcn_device_options_add (&o->device, context,
      DEFCN_DEVICE_OPTIONS_THREADS | DEFCN_DEVICE_OPTIONS_EXACT
          | DEFCN_DEVICE_OPTIONS_MAX_EDGE | DEFCN_DEVICE_OPTIONS_AUTOTUNE);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (!o->model || !o->inputs)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        o->model ? "no picture given" : "--model is needed");
  else if (o->threshold > 1 || isnan (o->threshold))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--threshold %g is not within 0 .. 1", o->threshold);
  else if (o->duplicate_filter > 1 || isnan (o->duplicate_filter))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--duplicate-filter %g is not within 0 .. 1", o->duplicate_filter);
  else if (o->max_filter && !defcn_max_filter_parse (&o->filter, o->max_filter))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--max-filter \"%s\" is not TAU,PHI, an even number up to 8 and an odd "
        "one up to 15",
        o->max_filter);
  else if (defcn_picture_options_problem (&o->picture))
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        defcn_picture_options_problem (&o->picture));
  else if (o->device.threads < 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--threads %d is negative", o->device.threads);
  else
    return TRUE;
  return FALSE;
}

static void
options_clear (Options *o)
{
  g_free (o->model);
  g_free (o->output);
  g_free (o->json);
  g_free (o->max_filter);
  defcn_device_options_clear (&o->device);
  g_strfreev (o->inputs);
}

/* Names the file and goes on with the next; the exit status tells. */
static void
report (Run *run, const char *message)
{
  defcn_progress_message (run->progress, "defcn detect: %s", message);
  run->n_failed++;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
list_folder (Run *run, GPtrArray *files, const char *folder)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *found = defcn_picture_list (folder, compare_strings, &error);

  if (found)
    g_ptr_array_extend_and_steal (files, found);
  else
    report (run, error->message);
}

static GPtrArray *
list_inputs (Run *run, char **inputs)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);

  for (; *inputs; inputs++) {
    if (g_file_test (*inputs, G_FILE_TEST_IS_DIR))
      list_folder (run, files, *inputs);
    else
      g_ptr_array_add (files, g_strdup (*inputs));
  }
  return files;
}

static double
rounded (double x, double steps)
{
  return round (x * steps) / steps;
}

/* {"image", "width", "height", "detections": [{"label", "class", "score",
 * "box": [x1, y1, x2, y2]}]} */
static char *
to_json (const Run *run, const char *path, const DefcnPicture *picture,
    const GArray *boxes)
{
  cJSON *object = cJSON_CreateObject ();
  g_autofree char *name = g_filename_display_name (path);

  cJSON_AddStringToObject (object, "image", name);
  cJSON_AddNumberToObject (object, "width", picture->width);
  cJSON_AddNumberToObject (object, "height", picture->height);
  cJSON *array = cJSON_AddArrayToObject (object, "detections");
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);
    const double corners[] = { rounded (b->x1, 100), rounded (b->y1, 100),
      rounded (b->x2, 100), rounded (b->y2, 100) };
    cJSON *item = cJSON_CreateObject ();

    cJSON_AddStringToObject (item, "label", run->labels[b->label]);
    cJSON_AddNumberToObject (item, "class", b->label);
    cJSON_AddNumberToObject (item, "score", rounded (b->score, 1e6));
    cJSON_AddItemToObject (item, "box", cJSON_CreateDoubleArray (corners, 4));
    cJSON_AddItemToArray (array, item);
  }

  char *text = cJSON_PrintUnformatted (object), *json = g_strdup (text);
  cJSON_free (text);
  cJSON_Delete (object);
  return json;
}

static void
print_lines (const Run *run, const char *path, const GArray *boxes)
{
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

    g_autofree char *file = defcn_terminal_text (path, '?', FALSE);
    g_autofree char *label =
        defcn_terminal_text (run->labels[b->label], '?', FALSE);

    printf ("%s\t%s\t%.3f\t%.1f\t%.1f\t%.1f\t%.1f\n", file, label, b->score,
        b->x1, b->y1, b->x2, b->y2);
  }
}

static void
emit (Run *run, const char *path, const DefcnPicture *picture,
    const GArray *boxes)
{
  const char *file = run->options->json;

  if (!file) {
    print_lines (run, path, boxes);
    return;
  }

  g_autofree char *json = to_json (run, path, picture, boxes);
  if (g_str_equal (file, "-"))
    printf ("%s\n", json);
  else if (g_str_has_suffix (file, ".jsonl"))
    g_string_append_printf (run->json, "%s\n", json);
  else
    g_string_append_printf (run->json, "%s%s", run->json->len ? ",\n" : "[",
        json);
}

/* What the file @path is, whatever names it has; (transfer full): NULL where
 * there is none. */
static char *
identity_of (const char *path)
{
  GStatBuf about;

  return g_stat (path, &about) == 0
      ? g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
          (guint64) about.st_dev, (guint64) about.st_ino)
      : NULL;
}

/* Whether nothing that is read, now or later, would be lost at @output. */
static gboolean
check_output (const Run *run, const char *output, GError **error)
{
  g_autofree char *identity = identity_of (output);

  if (!identity || !g_hash_table_contains (run->inputs, identity))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: is read too, it would be lost: give another --output", output);
  return FALSE;
}

/* Under the picture's own name, numbered where two folders share one. */
static gboolean
write_annotated (Run *run, const char *path, DefcnPicture *picture,
    const GArray *boxes, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);

  for (int i = 2; g_hash_table_contains (run->names, name); i++) {
    g_autofree char *plain = g_path_get_basename (path);

    g_free (name);
    name = g_strdup_printf ("%d-%s", i, plain);
  }

  g_autofree char *output = g_build_filename (run->options->output, name, NULL);
  g_hash_table_add (run->names, g_steal_pointer (&name));
  if (!check_output (run, output, error))
    return FALSE;
  defcn_draw_boxes (picture, boxes, (const char *const *) run->labels);
  return defcn_picture_save (picture, output, error);
}

static gboolean
detect_one (Run *run, GArray *boxes, const char *path, GError **error)
{
  g_autoptr (DefcnPicture) picture =
      defcn_picture_open (path, &run->options->picture, error);

  if (!picture)
    return FALSE;
  if (picture->warning)
    defcn_progress_message (run->progress, "defcn detect: %s: %s", path,
        picture->warning);

  const DefcnImage image = defcn_picture_image (picture);
  if (!defcn_detector_run (run->detector, &boxes, &image, NULL, 1, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  emit (run, path, picture, boxes);
  return !run->options->output
      || write_annotated (run, path, picture, boxes, error);
}

static gboolean
open_detector (Run *run, GError **error)
{
  const Options *o = run->options;

  run->detector = defcn_detector_new (o->model, &o->device, error);
  if (!run->detector)
    return FALSE;
  defcn_detector_set_threshold (run->detector,
      o->threshold < 0 ? defcn_detector_working_threshold (run->detector)
                       : o->threshold);
  if (o->duplicate_filter >= 0)
    defcn_detector_set_duplicate_filter (run->detector, o->duplicate_filter);
  defcn_detector_set_max_filter (run->detector, &o->filter);
  if (o->max_detections > 0)
    defcn_detector_set_max_detections (run->detector, o->max_detections);

  const int n = defcn_detector_n_classes (run->detector);
  run->labels = g_new0 (char *, n + 1);
  for (int i = 0; i < n; i++)
    run->labels[i] = g_strdup (defcn_detector_label (run->detector, i));
  return !o->output || defcn_output_make_folder (o->output, error);
}

static gboolean
write_json (const Run *run, GError **error)
{
  const char *file = run->options->json;

  if (!file || g_str_equal (file, "-"))
    return TRUE;
  if (!g_str_has_suffix (file, ".jsonl"))
    g_string_append (run->json, run->json->len ? "]\n" : "[]\n");
  return defcn_output_write (file, run->json->str, run->json->len, error);
}

/* Whether --json can be written, and in no input's place. */
static gboolean
check_json (const Options *o, GPtrArray *files, GError **error)
{
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();

  g_ptr_array_extend (inputs, files, NULL, NULL);
  g_ptr_array_add (inputs, o->model);
  g_ptr_array_add (inputs, NULL);
  return defcn_output_check (o->json, (const char *const *) inputs->pdata,
      error);
}

static gboolean
prints_to_terminal (const Options *o)
{
  return (!o->json || g_str_equal (o->json, "-")) && isatty (STDOUT_FILENO);
}

/* Returns: FALSE for what stops the whole run. */
static gboolean
detect_all (Run *run, GError **error)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  if (!open_detector (run, error))
    return FALSE;

  g_autoptr (GPtrArray) files = list_inputs (run, run->options->inputs);
  if (!check_json (run->options, files, error))
    return FALSE;
  for (guint i = 0; run->options->output && i < files->len; i++) {
    char *identity = identity_of (files->pdata[i]);

    if (identity)
      g_hash_table_add (run->inputs, identity);
  }
  if (!prints_to_terminal (run->options))
    run->progress = defcn_progress_new ("detect", files->len);
  for (guint i = 0; i < files->len; i++) {
    g_autoptr (GError) bad = NULL;

    if (run->progress)
      defcn_progress_update (run->progress, i, "%s", (char *) files->pdata[i]);
    if (!detect_one (run, boxes, files->pdata[i], &bad))
      report (run, bad->message);
  }
  if (defcn_detector_tuning_problem (run->detector))
    defcn_progress_message (run->progress, "defcn detect: --autotune: %s",
        defcn_detector_tuning_problem (run->detector));
  if (run->n_failed)
    defcn_progress_message (run->progress,
        "defcn detect: %u of %u inputs failed", run->n_failed,
        MAX (files->len, run->n_failed));
  return write_json (run, error);
}

int
defcn_detect_main (int argc, char **argv)
{
  Options options = { .threshold = -1, .duplicate_filter = -1 };
  Run run = { .options = &options };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (!parse (&options, argc, argv, &error)) {
    g_printerr ("defcn detect: %s (see defcn detect --help)\n", error->message);
  } else {
    run.json = g_string_new (NULL);
    run.names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    run.inputs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    status = !detect_all (&run, &error) || run.n_failed > 0;
    if (error)
      g_printerr ("defcn detect: %s\n", error->message);
    g_string_free (run.json, TRUE);
    g_hash_table_unref (run.names);
    g_hash_table_unref (run.inputs);
  }
  g_strfreev (run.labels);
  defcn_detector_free (run.detector);
  defcn_progress_free (run.progress);
  options_clear (&options);
  return status;
}
