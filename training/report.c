/* `defcn report`: training runs, and what their models do on a data set, as a
 * page. */
#include "command.h"
#include "data/annotations.h"
#include "data/output.h"
#include "device_options.h"
#include "progress.h"
#include "read_options.h"
#include "report/html.h"
#include "report/maps.h"
#include "report/measured.h"
#include "report/page.h"
#include "report/pictures.h"
#include "report/runs.h"
#include "train/run.h"

#include <math.h>
#include <signal.h>

#define MOST_WORST 100
#define FEW_OBJECTS 6 /* on a picture whose maps can be read */

static volatile int interrupted;

typedef struct
{
  char *output, *title, *annotations, *images;
  char **names, **pictures, **inputs;
  int worst, limit, crowd, batch;
  DefcnReadOptions read;
  DefcnDetectorOptions device;
} Options;

typedef struct
{
  const Options *options;
  GPtrArray *runs;       /* of DefcnHistory */
  DefcnDataset *dataset; /* or NULL */
  GPtrArray *subjects;   /* of DefcnSubject, whose models could be opened */
  guint n_failed;        /* models and pictures */
} Report;

static void
on_signal (int number)
{
  interrupted = number;
}

static void
history_free (gpointer data)
{
  defcn_history_free (data);
}

static void
subject_free (gpointer data)
{
  defcn_subject_free (data);
}

/* What fails is told, here and on the page, and the rest goes on. */
static void
fail (Report *r, DefcnHistory *history, const char *message)
{
  defcn_progress_message (NULL, "defcn report: %s", message);
  r->n_failed++;
  if (history)
    g_ptr_array_add (history->notes, g_strdup (message));
}

static gboolean
open_runs (Report *r, GError **error)
{
  const Options *o = r->options;
  const guint n_names = o->names ? g_strv_length (o->names) : 0;

  for (guint i = 0; o->inputs[i]; i++) {
    DefcnHistory *h = defcn_history_open (o->inputs[i],
        i < n_names ? o->names[i] : NULL, error);

    if (!h)
      return FALSE;
    g_ptr_array_add (r->runs, h);
  }
  return TRUE;
}

/* Two runs of one name are told apart by their paths. */
static void
name_runs (Report *r)
{
  for (guint i = 0; i < r->runs->len; i++)
    for (guint k = 0; k < i; k++) {
      DefcnHistory *a = r->runs->pdata[k], *b = r->runs->pdata[i];

      if (g_str_equal (a->name, b->name)) {
        g_free (a->name);
        a->name = g_strdup (a->path);
        g_free (b->name);
        b->name = g_strdup (b->path);
      }
    }
}

/* Nothing of a run, and nothing else that is read, is written over, and what
 * cannot be written is said before the work. */
static gboolean
check_output (const Report *r, GError **error)
{
  const Options *o = r->options;
  g_autoptr (GPtrArray) inputs = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < r->runs->len; i++) {
    const DefcnHistory *h = r->runs->pdata[i];

    g_ptr_array_add (inputs, g_strdup (h->path)); /* a model file alone */
    g_ptr_array_add (inputs, g_build_filename (h->path, "recipe.ini", NULL));
    for (gsize k = 0; defcn_run_files[k]; k++)
      g_ptr_array_add (inputs,
          g_build_filename (h->path, defcn_run_files[k], NULL));
  }
  if (o->annotations)
    g_ptr_array_add (inputs, g_strdup (o->annotations));
  for (char **picture = o->pictures; picture && *picture; picture++)
    g_ptr_array_add (inputs, g_strdup (*picture));
  g_ptr_array_add (inputs, NULL);
  return defcn_output_check (o->output, (const char *const *) inputs->pdata,
      error);
}

static gboolean
open_data (Report *r, GError **error)
{
  const Options *o = r->options;

  if (!o->annotations)
    return TRUE;
  if (!g_file_test (o->images, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no such folder of images", o->images);
    return FALSE;
  }
  r->dataset =
      defcn_annotations_open (o->annotations, o->images, &o->read, error);
  if (!r->dataset)
    return FALSE;
  g_autofree char *notes = defcn_dataset_notes (r->dataset);
  g_printerr ("%s", notes);
  return TRUE;
}

/* Measures every model there is, or opens it for its score maps.  FALSE with
 * @error where a signal came. */
static gboolean
open_subjects (Report *r, GError **error)
{
  const Options *o = r->options;
  DefcnEvaluateOptions options = defcn_evaluate_defaults;

  options.least_objects = o->crowd;
  options.limit = o->limit;
  options.batch = o->batch;
  options.progress = TRUE;
  options.stop = &interrupted;
  for (guint i = 0; i < r->runs->len && (r->dataset || o->pictures); i++) {
    DefcnHistory *h = r->runs->pdata[i];
    g_autoptr (GError) problem = NULL;

    if (!h->model)
      continue;
    if (r->dataset)
      g_printerr ("defcn report: %s: %s\n", h->name, h->model);
    DefcnSubject *subject = r->dataset
        ? defcn_subject_new (h, r->dataset, &o->device, &options, &problem)
        : defcn_subject_open (h, &o->device, &problem);
    if (interrupted) {
      defcn_subject_free (subject);
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "interrupted, %s is not written", o->output);
      return FALSE;
    }
    if (!subject) {
      g_autofree char *message =
          g_strdup_printf ("%s is not measured: %s", h->name, problem->message);

      fail (r, h, message);
      continue;
    }
    g_ptr_array_add (r->subjects, subject);
  }
  return TRUE;
}

static const DefcnSubject *
subject_of (const Report *r, const DefcnHistory *h)
{
  for (guint i = 0; i < r->subjects->len; i++) {
    const DefcnSubject *s = r->subjects->pdata[i];

    if (s->history == h)
      return s;
  }
  return NULL;
}

/* What was measured here, else what runs have measured themselves. */
static GArray *
collect_figures (const Report *r)
{
  GArray *rows = g_array_new (FALSE, TRUE, sizeof (DefcnMeasured));

  for (guint i = 0; i < r->runs->len; i++) {
    const DefcnHistory *h = r->runs->pdata[i];
    const DefcnSubject *s = r->dataset ? subject_of (r, h) : NULL;
    const DefcnEvaluation *last = h->evaluations->len
        ? &g_array_index (h->evaluations, DefcnEvaluation,
            h->evaluations->len - 1)
        : NULL;
    DefcnMeasured row = { h->name, i };

    if (s) {
      row.figures = s->json;
      row.subject = s;
    } else if (last && !r->dataset) {
      row.figures = last->figures;
      row.iteration = last->iteration;
    } else {
      continue;
    }
    g_array_append_val (rows, row);
  }
  return rows;
}

static void
append_figures (GString *html, const Report *r)
{
  g_autoptr (GArray) rows = collect_figures (r);

  defcn_page_section (html, "figures", "Figures");
  if (rows->len)
    defcn_measured_append (html, rows);
  else
    g_string_append (html,
        r->dataset ? "<p>No model could be measured.</p>\n"
                   : "<p>No run has evaluated its model; --annotations and "
                     "--images measure it for the report.</p>\n");
}

static void
append_worst (GString *html, Report *r)
{
  g_autoptr (GArray) worst =
      defcn_pictures_worst (r->subjects, r->options->worst);

  defcn_page_section (html, "pictures", "The worst pictures");
  g_string_append_printf (html,
      "<p>The %u pictures with most errors of all models together, at their "
      "working thresholds and IoU 0.5.</p>\n",
      worst->len);
  defcn_pictures_append_key (html);
  for (guint i = 0; i < worst->len; i++) {
    g_autoptr (GError) error = NULL;

    if (defcn_pictures_append (html, r->subjects,
            g_array_index (worst, guint, i), &error))
      continue;
    defcn_html_within (html, "<p>", error->message, "</p>\n");
    fail (r, NULL, error->message);
  }
}

/* The sample of two objects or more, but not many, whose smallest is largest;
 * the first where there is none. */
static guint
clear_sample (const DefcnDataset *dataset, guint n)
{
  double most = -1;
  guint best = 0;

  for (guint i = 0; i < n; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
    double least = G_MAXDOUBLE;

    for (guint k = 0; k < objects->len; k++) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      least = o->crowd || o->label < 0 ? -1 : MIN (least, o->area);
    }
    if (objects->len >= 2 && objects->len <= FEW_OBJECTS && least > most) {
      most = least;
      best = i;
    }
  }
  return best;
}

static void
append_map (GString *html, Report *r, guint number, DefcnPicture *picture,
    const char *name, GError *problem)
{
  g_autofree char *id = g_strdup_printf ("maps-%u", number);
  g_autoptr (GString) figure = g_string_new (NULL);
  g_autoptr (GError) error = problem;

  if (picture
      && defcn_maps_append (figure, id, r->subjects, picture, name, &error)) {
    g_string_append_len (html, figure->str, figure->len);
  } else {
    defcn_html_within (html, "<p>", error->message, "</p>\n");
    fail (r, NULL, error->message);
  }
  defcn_picture_free (picture);
}

static void
append_maps (GString *html, Report *r)
{
  const Options *o = r->options;
  GError *error = NULL;

  defcn_page_section (html, "maps", "Score maps");
  g_string_append (html,
      "<p>What every location of every level of the FPN scores with its best "
      "class, before the best are taken. A model that finds each object once "
      "has one bright spot for each.</p>\n");
  for (guint i = 0; o->pictures && o->pictures[i]; i++) {
    DefcnPicture *picture =
        defcn_picture_open (o->pictures[i], &o->read.picture, &error);
    g_autofree char *name = g_path_get_basename (o->pictures[i]);

    append_map (html, r, i, picture, name, g_steal_pointer (&error));
  }
  if (!o->pictures) {
    const DefcnSubject *first = r->subjects->pdata[0];
    const guint i = clear_sample (first->dataset, first->verdicts->len);
    const DefcnSample *sample = first->dataset->samples->pdata[i];
    DefcnPicture *picture = defcn_dataset_picture (first->dataset, i, &error);

    append_map (html, r, 0, picture, sample->name, g_steal_pointer (&error));
  }
}

static void
append_machines (GString *html, const Report *r)
{
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < r->subjects->len; i++) {
    const DefcnSubject *s = r->subjects->pdata[i];

    g_ptr_array_add (devices,
        g_strdup_printf ("%s: %s, %s%s%s, %d threads", s->history->name,
            s->be->name, s->be->precision ? s->be->precision : "fp32",
            s->be->library ? ", " : "", s->be->library ? s->be->library : "",
            s->be->threads));
  }
  g_ptr_array_add (devices, NULL);
  defcn_page_section (html, "machine", "Machine");
  defcn_runs_append_machines (html, r->runs,
      (const char *const *) devices->pdata);
}

static gboolean
write_page (const GString *html, const char *path, GError **error)
{
  if (!g_str_equal (path, "-"))
    return defcn_output_write (path, html->str, html->len, error);
  fwrite (html->str, 1, html->len, stdout);
  return TRUE;
}

static char *
title_of (const Report *r)
{
  g_autoptr (GString) title = g_string_new (NULL);

  if (r->options->title)
    return g_strdup (r->options->title);
  for (guint i = 0; i < r->runs->len; i++)
    g_string_append_printf (title, "%s%s",
        i ? ", " : "Training: ", ((DefcnHistory *) r->runs->pdata[i])->name);
  return g_strdup (title->str);
}

/* Sections that can fail come first, so that the overview has their notes. */
static gboolean
write_report (Report *r, GError **error)
{
  g_autofree char *title = title_of (r);
  g_autoptr (GString) html = defcn_page_begin (title);

  defcn_page_section (html, "overview", "Overview");
  defcn_runs_append_overview (html, r->runs);
  defcn_page_section (html, "curves", "Curves");
  defcn_runs_append_curves (html, r->runs);
  append_figures (html, r);
  if (r->dataset && r->subjects->len && r->options->worst)
    append_worst (html, r);
  if (r->subjects->len)
    append_maps (html, r);
  defcn_page_section (html, "recipe", "Recipe");
  defcn_runs_append_recipes (html, r->runs);
  append_machines (html, r);
  defcn_page_end (html);
  return write_page (html, r->options->output, error);
}

static gboolean
run (Report *r, GError **error)
{
  if (!open_runs (r, error))
    return FALSE;
  name_runs (r);
  return check_output (r, error) && open_data (r, error)
      && open_subjects (r, error) && write_report (r, error);
}

static const char *
check (const Options *o)
{
  if (!o->inputs)
    return "no RUN given";
  if (!o->annotations != !o->images)
    return "--annotations and --images go together";
  if (o->names && g_strv_length (o->names) > g_strv_length (o->inputs))
    return "there are more --name than runs";
  if (o->worst < 0 || o->worst > MOST_WORST)
    return "--worst is not in 0 .. 100";
  if (o->crowd < 1)
    return "--crowd is not 1 or more";
  if (o->batch < 0 || o->batch > DEFCN_EVALUATE_MAX_BATCH)
    return "--batch is not in 1 .. 64";
  if (o->limit < 0 || o->device.threads < 0)
    return "--limit and --threads are not negative";
  return defcn_read_options_problem (&o->read);
}

static const char summary[] =
    "One HTML file that opens offline: curves of the runs in common charts,\n"
    "their figures, recipes and machines.  A RUN is the folder of a run, a\n"
    "finished one or not, or a model file.  With --annotations and --images\n"
    "every model (best.safetensors, else model.safetensors) is evaluated, and\n"
    "the report has precision over recall, confusion, the worst pictures and\n"
    "score maps too; --picture alone makes score maps of any picture.";

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
        "the page (report.html), - for standard output", "FILE" },
    { "name", 'n', 0, G_OPTION_ARG_STRING_ARRAY, &o->names,
        "call the first RUN so, the next --name the second, ..", "NAME" },
    { "title", 0, 0, G_OPTION_ARG_STRING, &o->title, "title of the page",
        "TEXT" },
    { "annotations", 'a', 0, G_OPTION_ARG_FILENAME, &o->annotations,
        "COCO .json or CrowdHuman .odgt: evaluate the models on it", "FILE" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME, &o->images,
        "folder of the images", "DIR" },
    { "picture", 'p', 0, G_OPTION_ARG_FILENAME_ARRAY, &o->pictures,
        "score maps of this picture, may be repeated (one of the data set)",
        "FILE" },
    { "worst", 'w', 0, G_OPTION_ARG_INT, &o->worst,
        "show so many of the worst pictures (6)", "N" },
    { "crowd", 0, 0, G_OPTION_ARG_INT, &o->crowd,
        "objects of a picture that is crowded (8)", "N" },
    { "limit", 0, 0, G_OPTION_ARG_INT, &o->limit, "only the first N images",
        "N" },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &o->batch,
        "images shown to the detector at once (1; CUDA: 8 of 1000)", "N" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->inputs, NULL,
        NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("RUN... - show training runs on a page");

  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  defcn_read_options_add (&o->read, context);
  defcn_device_options_add (&o->device, context,
      DEFCN_DEVICE_OPTIONS_THREADS | DEFCN_DEVICE_OPTIONS_EXACT);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (!check (o)) {
    o->output = o->output ? o->output : g_strdup ("report.html");
    return TRUE;
  }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "%s (see --help)", check (o));
  return FALSE;
}

static void
options_clear (Options *o)
{
  g_free (o->output);
  g_free (o->title);
  g_free (o->annotations);
  g_free (o->images);
  g_strfreev (o->names);
  g_strfreev (o->pictures);
  g_strfreev (o->inputs);
  defcn_device_options_clear (&o->device);
}

static int
run_report (const Options *o)
{
  struct sigaction action = { .sa_handler = on_signal,
    .sa_flags = SA_RESETHAND };
  Report r = { .options = o,
    .runs = g_ptr_array_new_with_free_func (history_free),
    .subjects = g_ptr_array_new_with_free_func (subject_free) };
  g_autoptr (GError) error = NULL;

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  const gboolean good = run (&r, &error);
  if (!good)
    g_printerr ("defcn report: %s\n", error->message);
  else if (!g_str_equal (o->output, "-"))
    g_print ("%s\n", o->output);
  g_ptr_array_unref (r.subjects);
  g_ptr_array_unref (r.runs);
  defcn_dataset_free (r.dataset);
  return !good && interrupted ? 128 + interrupted : !good || r.n_failed > 0;
}

int
defcn_report_main (int argc, char **argv)
{
  Options o = { .worst = 6,
    .crowd = defcn_evaluate_defaults.least_objects,
    .read = defcn_read_defaults };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&o, &argc, &argv, &error))
    status = run_report (&o);
  else
    g_printerr ("defcn report: %s\n", error->message);
  options_clear (&o);
  return status;
}
