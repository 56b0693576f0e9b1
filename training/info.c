/* `defcn info`: what a model file, or an annotation file, holds. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backbone.h"
#include "command.h"
#include "info_data.h"
#include "model.h"

typedef struct
{
  char *size;
  int width, height; /* of a picture */
  gboolean json;
} Options;

typedef struct
{
  const char *path;
  DefcnWeights *weights;
  char *hash;
  gsize n_numbers;      /* of the model's tensors, buffers too */
  guint n_tensors;      /* likewise */
  guint n_optimizer;    /* tensors of a training checkpoint's optimizer */
  DefcnSpec *spec;      /* NULL: a backbone or some other set of weights */
  int input_w, input_h; /* what the network gets */
  guint64 macs;
} Info;

static gboolean
parse_size (Options *o, GError **error)
{
  char *end = NULL;

  o->width = 1920;
  o->height = 1080;
  if (o->size) {
    o->width = strtol (o->size, &end, 10);
    o->height = *end == 'x' ? strtol (end + 1, &end, 10) : 0;
  }
  if (o->width >= 1 && o->height >= 1 && o->width <= 16384 && o->height <= 16384
      && (!end || !*end))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--size \"%s\" is not WIDTHxHEIGHT within 1 .. 16384", o->size);
  return FALSE;
}

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &o->size,
        "Picture for which the work is counted (1920x1080)", "WxH" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE");

  g_option_context_set_summary (context,
      "Tells what a model file holds: network, input, classes, thresholds,\n"
      "where it comes from; or an annotation file (.json, .odgt): images and\n"
      "objects of each class.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc == 2)
    return parse_size (o, error);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "one FILE is needed, see --help");
  return FALSE;
}

static void
count_tensors (Info *info)
{
  for (guint i = 0; i < defcn_weights_count (info->weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (info->weights, i);

    if (g_str_has_prefix (t->name, "optimizer.")) {
      info->n_optimizer++;
    } else {
      info->n_tensors++;
      info->n_numbers += t->len;
    }
  }
}

/* Multiply-adds for one picture of the size asked for; the model is opened for
 * it, which checks every tensor too. */
static gboolean
count_macs (Info *info, const Options *o, GError **error)
{
  const DefcnInputRule *rule = &info->spec->input;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, error);
  g_autoptr (DefcnModel) model =
      be ? defcn_model_open (info->weights, be, FALSE, error) : NULL;
  int w, h;

  if (!model)
    return FALSE;
  defcn_image_target_size (&w, &h, o->width, o->height, rule->short_edge,
      rule->long_edge);
  info->input_w = (w + rule->divisor - 1) / rule->divisor * rule->divisor;
  info->input_h = (h + rule->divisor - 1) / rule->divisor * rule->divisor;
  const DefcnPlan *plan =
      defcn_model_plan (model, 1, info->input_h, info->input_w, error);
  for (guint i = 0; plan && i < defcn_net_count (plan->net); i++)
    info->macs += defcn_node_macs (defcn_net_node (plan->net, i));
  return plan != NULL;
}

static gboolean
open_info (Info *info, const Options *o, GError **error)
{
  const char *json;

  info->weights = defcn_weights_open (info->path, error);
  if (!info->weights)
    return FALSE;
  info->hash = defcn_weights_hash (info->weights);
  count_tensors (info);
  json = defcn_weights_metadata (info->weights, "defcn.spec");
  if (!json)
    return TRUE;
  info->spec = defcn_spec_from_json (json, info->path, error);
  return info->spec && count_macs (info, o, error);
}

/* Metadata that is JSON, as such; other text as a string; NULL without. */
static cJSON *
metadata_json (const Info *info, const char *key)
{
  const char *text = defcn_weights_metadata (info->weights, key);
  cJSON *item = text ? cJSON_Parse (text) : NULL;

  return item || !text ? item : cJSON_CreateString (text);
}

static void
add_optional (cJSON *object, const char *name, cJSON *item)
{
  if (item)
    cJSON_AddItemToObject (object, name, item);
}

static void
print_json (const Info *info)
{
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "file", info->path);
  cJSON_AddStringToObject (object, "sha256", info->hash);
  cJSON_AddNumberToObject (object, "tensors", info->n_tensors);
  cJSON_AddNumberToObject (object, "parameters", info->n_numbers);
  if (info->n_optimizer)
    cJSON_AddNumberToObject (object, "optimizer_tensors", info->n_optimizer);
  if (info->spec) {
    const int size[] = { info->input_w, info->input_h };

    cJSON_AddItemToObject (object, "input_size",
        cJSON_CreateIntArray (size, 2));
    cJSON_AddNumberToObject (object, "gmac", info->macs * 1e-9);
  }
  add_optional (object, "spec", metadata_json (info, "defcn.spec"));
  add_optional (object, "backbone", metadata_json (info, "defcn.backbone"));
  add_optional (object, "training", metadata_json (info, "defcn.training"));

  char *text = cJSON_Print (object);
  g_print ("%s\n", text);
  cJSON_free (text);
  cJSON_Delete (object);
}

static void
print_network (const DefcnSpec *s)
{
  g_autofree char *backbone = defcn_backbone_title (s);

  g_print ("network     %s, FPN %d (P6 from %s), %d-layer towers%s", backbone,
      s->fpn_channels, s->p6_from_c5 ? "C5" : "P5", s->tower_depth,
      !s->dcn_head           ? ""
          : s->dcn_modulated ? ", the last DCNv2"
                             : ", the last DCN");
  if (s->filter)
    g_print (", 3DMF tau %d phi %d%s", s->tau, s->phi,
        s->filter_norm ? "" : " without norm");
  if (s->centerness)
    g_print (", centerness");
  if (s->anchors > 0)
    g_print (", boxes relative to %d anchor%s a location", s->anchors,
        s->anchors > 1 ? "s" : "");
  g_print ("\n");
}

static void
print_input (const DefcnInputRule *r)
{
  g_print ("input       short edge %d, long edge at most %d, padded to %d\n",
      r->short_edge, r->long_edge, r->divisor);
  g_print ("pixels      %s, mean %g %g %g, std %g %g %g\n",
      r->bgr ? "BGR" : "RGB", r->mean[0], r->mean[1], r->mean[2], r->std[0],
      r->std[1], r->std[2]);
}

static void
print_spec (const Info *info, const Options *o)
{
  const DefcnSpec *s = info->spec;

  print_network (s);
  print_input (&s->input);
  g_print ("work        %.2f GMAC for a picture of %dx%d (network %dx%d)\n",
      info->macs * 1e-9, o->width, o->height, info->input_w, info->input_h);
  g_print ("boxes       score above %g, best %d per level, at most %d",
      s->threshold, s->topk, s->max_detections);
  g_print (s->nms_iou > 0 ? ", NMS at IoU %g\n" : ", no NMS\n", s->nms_iou);
  g_print (s->duplicate_iou > 0 ? "duplicates  dropped locally above IoU %g\n"
                                : "duplicates  not filtered\n",
      s->duplicate_iou);
  g_print ("in use      score above %g\n", s->working_threshold);
  g_print ("classes     %d: ", s->n_classes);
  for (int i = 0; i < MIN (s->n_classes, 8); i++)
    g_print ("%s%s", i ? ", " : "", s->labels[i]);
  g_print (s->n_classes > 8 ? ", ..\n" : "\n");
}

/* Lines of @text begin further right than those of the table do. */
static void
print_entry (const char *name, const char *text)
{
  g_auto (GStrv) names = g_strsplit (name, "\n", -1);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *one = g_strjoinv (" ", names);
  g_autofree char *indented = g_strjoinv ("\n               ", lines);

  g_print ("  %-12s %s\n", one, indented);
}

/* Every entry of a JSON object in the metadata on a line. */
static void
print_object (const Info *info, const char *title, const char *key)
{
  cJSON *object = metadata_json (info, key);
  const cJSON *item;

  if (!object)
    return;
  g_print ("%s\n", title);
  if (!cJSON_IsObject (object))
    g_print ("  %s\n", defcn_weights_metadata (info->weights, key));
  cJSON_ArrayForEach (item, object)
  {
    char *text = cJSON_IsString (item) ? NULL : cJSON_PrintUnformatted (item);

    if (item->string)
      print_entry (item->string, text ? text : item->valuestring);
    cJSON_free (text);
  }
  cJSON_Delete (object);
}

static void
print_text (const Info *info, const Options *o)
{
  g_print ("file        %s\n", info->path);
  g_print ("sha256      %s\n", info->hash);
  g_print ("tensors     %u, %.2f million numbers\n", info->n_tensors,
      info->n_numbers * 1e-6);
  if (info->n_optimizer)
    g_print ("checkpoint  %u tensors of the optimizer\n", info->n_optimizer);
  if (info->spec)
    print_spec (info, o);
  else
    g_print ("network     none: not a whole model%s\n",
        defcn_weights_metadata (info->weights, "defcn.backbone")
            ? ", a backbone to train from"
            : "");
  print_object (info, "backbone", "defcn.backbone");
  print_object (info, "training", "defcn.training");
}

int
defcn_info_main (int argc, char **argv)
{
  Options o = { 0 };
  Info info = { 0 };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&o, &argc, &argv, &error) && defcn_info_is_data (argv[1])) {
    status = !defcn_info_data (argv[1], o.json, &error);
  } else if (!error) {
    info.path = argv[1];
    status = !open_info (&info, &o, &error);
    if (status == 0 && o.json)
      print_json (&info);
    else if (status == 0)
      print_text (&info, &o);
  }
  if (error)
    g_printerr ("defcn info: %s\n", error->message);
  defcn_weights_free (info.weights);
  defcn_spec_free (info.spec);
  g_free (info.hash);
  g_free (o.size);
  return status;
}
