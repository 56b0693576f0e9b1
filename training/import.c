/* `defcn import`: weights of other programs to a model file. */
#include <stdio.h>
#include <string.h>

#include "backbone.h"
#include "command.h"
#include "data/file.h"
#include "data/output.h"
#include "import/importer.h"

#define MAX_LABELS (1 << 20) /* bytes */
#define MAX_NAMED 8          /* names on the screen without --verbose */

typedef struct
{
  char *output, *labels;
  char **settings;
  gboolean partial, half, ema, backbone, verbose;
} Options;

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
        "Model file to write", "FILE" },
    { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &o->labels,
        "Names of the classes, one a line (COCO's for 80 classes, person for "
        "1)",
        "FILE" },
    { "partial", 'p', 0, G_OPTION_ARG_NONE, &o->partial,
        "Go without tensors that are missing", NULL },
    { "ema", 0, 0, G_OPTION_ARG_NONE, &o->ema,
        "Take the averaged weights (model_ema), where both are there", NULL },
    { "backbone", 0, 0, G_OPTION_ARG_NONE, &o->backbone,
        "Of a detector take the backbone alone", NULL },
    { "half", 0, 0, G_OPTION_ARG_NONE, &o->half,
        "Store convolution weights in half precision", NULL },
    { "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &o->settings,
        "Field of the spec, e.g. stride_in_1x1=false, max_detections=300",
        "FIELD=VALUE" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose,
        "Name every tensor that is missing or not used", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("INPUT");

  g_option_context_set_summary (context,
      "Converts weights of other programs to a model file.  INPUT is\n"
      "  - a DeFCN or cvpods checkpoint (.pth): a whole detector;\n"
      "  - an ImageNet backbone to start a training from: MSRA's or\n"
      "    detectron2's .pkl, a torchvision ResNet (.pth, .safetensors), or a\n"
      "    folder of .npy files with the names of torchvision or of MXNet's\n"
      "    MobileNetV2; or the ResNet of a detector of torchvision,\n"
      "    MMDetection or detectron2, of which the rest is not taken.\n"
      "The network is recognised by names and shapes.  Nothing in INPUT is "
      "executed.");
  g_option_context_set_description (context,
      "Examples:\n"
      "  defcn import model_final.pth -o detector.safetensors\n"
      "  defcn import R-50.pkl -o resnet50.safetensors\n");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc == 2 && o->output)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      *argc == 2 ? "--output is needed" : "one INPUT is needed, see --help");
  return FALSE;
}

/* One label a line; empty lines at the end do not count. */
static char **
read_labels (const char *path, GError **error)
{
  g_autofree char *text = NULL;

  gsize len;

  if (!defcn_file_read_text (&text, &len, path, MAX_LABELS, error))
    return NULL;
  g_strchomp (text);
  char **labels = g_strsplit (text, "\n", -1);
  for (char **l = labels; *l; l++) {
    g_strstrip (*l);
    if (**l)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: line %d is empty",
        path, (int) (l - labels) + 1);
    g_strfreev (labels);
    return NULL;
  }
  return labels;
}

static void
print_names (const char *what, const GPtrArray *names, gboolean all)
{
  const guint shown = all ? names->len : MIN (names->len, MAX_NAMED);

  if (names->len == 0)
    return;
  g_print ("%s: %u\n", what, names->len);
  for (guint i = 0; i < shown; i++)
    g_print ("  %s\n", (const char *) names->pdata[i]);
  if (shown < names->len)
    g_print ("  .. and %u more (--verbose)\n", names->len - shown);
}

static void
print_summary (const DefcnImporterResult *done, const Options *o)
{
  const DefcnSpec *spec = done->spec;
  g_autofree char *backbone = defcn_backbone_title (spec);

  g_print ("%s: %s", o->output, backbone);
  if (done->full)
    g_print (" detector, %d class%s%s%s%s", spec->n_classes,
        spec->n_classes == 1 ? "" : "es",
        spec->dcn_head ? ", DCN in the towers" : "",
        spec->filter ? ", 3DMF" : "", spec->p6_from_c5 ? ", P6 from C5" : "");
  else
    g_print (" backbone");
  g_print (", from %s (%s names)\n", done->format,
      defcn_naming_text (done->naming));
  if (done->detector)
    g_print ("it is %s: its backbone is taken, neck and head are none of "
             "ours\n",
        done->detector);
  g_print ("%u tensors, %.2f million numbers, pixels %s\n", done->n_tensors,
      done->n_numbers * 1e-6, spec->input.bgr ? "BGR" : "RGB");
  if (!done->full)
    g_print ("start from it with: defcn train --init %s%s\n", o->output,
        spec->input.bgr ? "" : " --set pixels=torchvision");
  if (done->place)
    g_print ("weights of \"%s\"\n", done->place);
  print_names (done->full ? "missing, left at their initial values"
                          : "missing, left out",
      done->missing, o->verbose);
  print_names ("not used", done->ignored, o->verbose);
}

static gboolean
run (const Options *o, const char *input, GError **error)
{
  g_auto (GStrv) labels = NULL;
  g_autoptr (DefcnImporterResult) done = NULL;
  const char *const inputs[] = { input, o->labels, NULL };

  if (!defcn_output_check (o->output, inputs, error))
    return FALSE;
  if (o->labels && !(labels = read_labels (o->labels, error)))
    return FALSE;
  const DefcnImporterOptions options = {
    .partial = o->partial,
    .ema = o->ema,
    .backbone = o->backbone,
    .dtype = o->half ? DEFCN_DTYPE_F16 : DEFCN_DTYPE_F32,
    .labels = (const char *const *) labels,
    .settings = o->settings,
  };
  done = defcn_importer_run (input, o->output, &options, error);
  if (done)
    print_summary (done, o);
  return done != NULL;
}

int
defcn_import_main (int argc, char **argv)
{
  Options o = { 0 };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&o, &argc, &argv, &error))
    status = !run (&o, argv[1], &error);
  if (error)
    g_printerr ("defcn import: %s\n", error->message);
  g_free (o.output);
  g_free (o.labels);
  g_strfreev (o.settings);
  return status;
}
