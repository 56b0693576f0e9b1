/* `defcn export`: a model file for other programs. */
#include <stdlib.h>

#include "command.h"
#include "data/output.h"
#include "export/exporter.h"
#include "export/onnx.h"

#define MAX_BATCH 4096

typedef struct
{
  char *onnx;
  DefcnExporterOptions exporter;
} Options;

static gboolean
parse_batch (const char *name, const char *value, gpointer data, GError **error)
{
  Options *o = data;
  char *end;
  const long batch = strtol (value, &end, 10);

  if (!*value || *end || batch < 1 || batch > MAX_BATCH) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--batch \"%s\" is not within 1 .. %d", value, MAX_BATCH);
    return FALSE;
  }
  o->exporter.batch = batch;
  return TRUE;
}

static gboolean
parse_size (const char *name, const char *value, gpointer data, GError **error)
{
  Options *o = data;
  char *end;
  const long w = strtol (value, &end, 10);
  const long h = *end == 'x' ? strtol (end + 1, &end, 10) : 0;

  if (*end || w < 1 || h < 1 || w > 16384 || h > 16384) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--size \"%s\" is not WIDTHxHEIGHT within 1 .. 16384", value);
    return FALSE;
  }
  o->exporter.width = w;
  o->exporter.height = h;
  return TRUE;
}

static const char summary[] =
    "Writes a model as an ONNX file (opset 17), with frozen batch norms in the "
    "weights.\n"
    "\n"
    "Input \"images\": float [batch, 3, height, width], sides in multiples of "
    "the\n"
    "stride, (pixel - mean) / std in the order that the metadata name, zeros "
    "below and\n"
    "to the right of a smaller picture.  With --preprocess: uint8 [batch, "
    "height,\n"
    "width, 3], RGB, of any size, the rest is in the graph.  Either way the "
    "caller\n"
    "resizes: the short side to short_edge, the long one to long_edge at "
    "most.\n"
    "\n"
    "Outputs \"logits_p3\" .. \"logits_p7\" [batch, classes, h, w], "
    "\"ltrb_p3\" "
    "..,\n"
    "[batch, 4, h, w]: left, top, right, bottom in input pixels from the "
    "location's\n"
    "centre, (x + 0.5) 8 .. 128; \"filter_p3\" .., [batch, 1, h, w], with "
    "3DMF.  A\n"
    "score is sigmoid (logit) sigmoid (filter).  Of baselines, FCOS and ATSS "
    "have\n"
    "\"centerness_p3\" .., [batch, 1, h, w], and a score is the root of "
    "sigmoid "
    "(logit)\n"
    "sigmoid (centerness); RetinaNet has nine boxes a location, channels of "
    "one after\n"
    "those of another.  These give heads alone.  With --decode: the K best of "
    "an image,\n"
    "\"boxes\" [batch, K, 4]: x1, y1, x2, y2 in input pixels, not clipped; "
    "\"scores\",\n"
    "best first, and \"labels\" [batch, K].  K is the model's max_detections; "
    "no\n"
    "threshold is applied, a score of 0 is nothing.  The local duplicate "
    "filter is in\n"
    "the graph where the model has it, NMS of a baseline is not.";

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "onnx", 0, 0, G_OPTION_ARG_FILENAME, &o->onnx, "File to write", "FILE" },
    { "decode", 'd', 0, G_OPTION_ARG_NONE, &o->exporter.decode,
        "Boxes, scores and labels as outputs, instead of the heads", NULL },
    { "preprocess", 'p', 0, G_OPTION_ARG_NONE, &o->exporter.preprocess,
        "Pictures of bytes as input, instead of normalised floats", NULL },
    { "size", 0, 0, G_OPTION_ARG_CALLBACK, parse_size,
        "Fix the size of the input (any)", "WxH" },
    { "batch", 'b', 0, G_OPTION_ARG_CALLBACK, parse_batch,
        "Fix the number of images (any)", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("MODEL");
  GOptionGroup *group = g_option_group_new ("", "", "", o, NULL);

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context,
      "Metadata: names (class number: name), stride, pixels, mean, std, "
      "short_edge,\n"
      "long_edge, threshold (the score that counts in use), max_detections, "
      "topk,\n"
      "duplicate_iou, nms_iou, model_sha256, defcn.spec.\n"
      "\n"
      "Examples:\n"
      "  defcn export person.safetensors --onnx person.onnx --decode "
      "--preprocess\n"
      "  defcn export person.safetensors --onnx person.onnx --size 576x320 "
      "--batch 1\n");
  g_option_group_add_entries (group, entries);
  g_option_context_set_main_group (context, group);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc == 2 && o->onnx)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      *argc == 2 ? "--onnx is needed" : "one MODEL is needed, see --help");
  return FALSE;
}

/* "batch", or the number. */
static char *
dim_text (int size, const char *name)
{
  return size ? g_strdup_printf ("%d", size) : g_strdup (name);
}

static void
print_summary (const DefcnExporterResult *done, const Options *o)
{
  const DefcnExporterOptions *e = &o->exporter;
  const DefcnSpec *spec = done->spec;
  g_autofree char *size = g_format_size (done->size);
  g_autofree char *n = dim_text (e->batch, "batch");
  g_autofree char *h = dim_text (e->height, "height");
  g_autofree char *w = dim_text (e->width, "width");

  g_print ("%s: ONNX, opset %d, %s\n", o->onnx, DEFCN_ONNX_OPSET, size);
  if (e->preprocess)
    g_print ("images  uint8 [%s, %s, %s, 3], RGB\n", n, h, w);
  else
    g_print ("images  float [%s, 3, %s, %s], %s, sides in multiples of %d\n", n,
        h, w, spec->input.bgr ? "BGR" : "RGB", spec->input.divisor);
  if (e->decode)
    g_print ("boxes   float [%s, %d, 4], scores float, labels int32 [%s, %d]\n",
        n, done->k, n, done->k);
  else
    g_print ("heads   logits_p3 .. p7, ltrb_p3 .. p7%s%s\n",
        spec->filter ? ", filter_p3 .. p7" : "",
        spec->centerness ? ", centerness_p3 .. p7" : "");
  if (done->nms)
    g_printerr ("defcn export: the model's NMS, at IoU %g, is not in the "
                "graph: what reads the boxes has to do it\n",
        spec->nms_iou);
}

static gboolean
run (const Options *o, const char *input, GError **error)
{
  const char *const inputs[] = { input, NULL };
  g_autoptr (DefcnExporterResult) done = NULL;

  if (!defcn_output_check (o->onnx, inputs, error))
    return FALSE;
  done = defcn_exporter_run (input, o->onnx, &o->exporter, error);
  if (done)
    print_summary (done, o);
  return done != NULL;
}

int
defcn_export_main (int argc, char **argv)
{
  Options o = { 0 };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&o, &argc, &argv, &error))
    status = !run (&o, argv[1], &error);
  if (error)
    g_printerr ("defcn export: %s\n", error->message);
  g_free (o.onnx);
  return status;
}
