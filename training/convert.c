/* `defcn convert`: annotations of one format into another. */
#include "command.h"
#include "convert/notation.h"
#include "convert/yolo_set.h"
#include "data/list.h"
#include "error.h"
#include "read_options.h"

typedef struct
{
  char *from, *to, *images, *classes, *labels, *split;
  gboolean force;
  DefcnReadOptions read;
} Options;

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "from", 0, 0, G_OPTION_ARG_STRING, &o->from,
        "Format of INPUT: coco, crowdhuman, yolo, voc (as it looks)",
        "FORMAT" },
    { "to", 0, 0, G_OPTION_ARG_STRING, &o->to,
        "Format of OUTPUT (by its ending, .json or .odgt)", "FORMAT" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME, &o->images,
        "Folder of the pictures, where a size is needed and not told (what "
        "the format says)",
        "DIR" },
    { "classes", 'c', 0, G_OPTION_ARG_STRING, &o->classes, "Take only these",
        "A,B" },
    { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &o->labels,
        "Names of YOLO's classes, one a line, or a data.yaml (what is found "
        "beside the labels)",
        "FILE" },
    { "split", 0, 0, G_OPTION_ARG_STRING, &o->split,
        "Of a data.yaml: train, val or test, or several (train)", "A,B" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &o->force,
        "Write over what is at OUTPUT", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (
      "INPUT OUTPUT - turn annotations into another format");

  g_option_context_set_summary (context,
      "COCO's .json, CrowdHuman's .odgt, a folder of YOLO's .txt or its "
      "data.yaml, a\nfolder of Pascal VOC's .xml into one another.  Crowds are "
      "ignored boxes in\nCrowdHuman, difficult in VOC and left out of YOLO.");
  g_option_context_set_description (context,
      "Examples:\n"
      "  defcn convert labels/ train.json --images images/\n"
      "  defcn convert data.yaml val.json --split val\n"
      "  defcn convert train.json Annotations/ --to voc\n");
  g_option_context_add_main_entries (context, entries, NULL);
  defcn_read_options_add (&o->read, context);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc != 3)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "INPUT and OUTPUT are needed, see --help");
  else if (defcn_read_options_problem (&o->read))
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        defcn_read_options_problem (&o->read));
  else
    return TRUE;
  return FALSE;
}

/* What is there already is kept. */
static gboolean
check_output (const Options *o, const char *path, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gboolean used = dir ? g_dir_read_name (dir) != NULL
                            : g_file_test (path, G_FILE_TEST_IS_REGULAR);

  if (!used || o->force)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: is there already: --force writes over it", path);
  return FALSE;
}

/* The chosen classes of YOLO's and VOC's, which are known only when all is
 * read. */
static gboolean
choose (DefcnDataset **dataset, const Options *o, GError **error)
{
  if (!o->classes)
    return TRUE;
  g_auto (GStrv) names = defcn_list_split (o->classes);
  DefcnDataset *chosen =
      defcn_dataset_match (*dataset, (const char *const *) names, error);
  if (!chosen)
    return FALSE;
  for (guint k = 0; k < chosen->labels->len; k++) {
    gint64 *id = &g_array_index (chosen->category_ids, gint64, k);

    if (*id == DEFCN_NO_CATEGORY) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "%s: no class \"%s\", which --classes names", (*dataset)->path,
          names[k]);
      defcn_dataset_free (chosen);
      return FALSE;
    }
  }
  defcn_dataset_free (*dataset);
  *dataset = chosen;
  return TRUE;
}

static gboolean
run (const Options *o, const char *input, const char *output, GError **error)
{
  DefcnNotation from, to;
  g_auto (GStrv) labels = NULL;
  DefcnConverted done;

  if (!(o->from ? defcn_notation_parse (&from, o->from, error)
                : defcn_notation_guess (&from, input, error))
      || !(o->to ? defcn_notation_parse (&to, o->to, error)
                 : defcn_notation_guess (&to, output, error))
      || !check_output (o, output, error))
    return FALSE;
  if (o->labels) {
    guint n_keypoints; /* of the rows the set's own is taken */

    labels = defcn_yolo_set_read_names (o->labels, &n_keypoints, error);
    if (!labels)
      return FALSE;
  }
  g_autoptr (DefcnDataset) dataset = defcn_notation_read (from, input,
      o->images, (const char *const *) labels, o->split, &o->read, error);
  if (!dataset || !choose (&dataset, o, error))
    return FALSE;
  g_autofree char *notes = defcn_dataset_notes (dataset);
  g_printerr ("%s", notes);
  if (!defcn_notation_write (to, output, dataset, &done, error))
    return FALSE;
  g_print ("%s: %u images, %u objects", output, done.n_images, done.n_objects);
  if (done.n_left_out)
    g_print (", %u crowds and ignored boxes left out", done.n_left_out);
  if (from == DEFCN_NOTATION_YOLO)
    g_print (", of the pictures in %s", dataset->image_dir);
  g_print ("\n");
  return TRUE;
}

int
defcn_convert_main (int argc, char **argv)
{
  Options o = { .read = defcn_read_defaults };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&o, &argc, &argv, &error)) {
    if (o.classes) {
      char *list = defcn_list_from_commas (o.classes);

      g_free (o.classes);
      o.classes = list;
    }
    status = !run (&o, argv[1], argv[2], &error);
  }
  if (error)
    g_printerr ("defcn convert: %s\n", error->message);
  g_free (o.from);
  g_free (o.to);
  g_free (o.images);
  g_free (o.classes);
  g_free (o.labels);
  g_free (o.split);
  return status;
}
